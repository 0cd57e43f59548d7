#!/bin/sh
# soak.sh MODE - the fault tests in their long form, each on a ground of its own, and what a recording of
# three hours takes, which a build with sanitizers cannot tell.
# What they print is kept in build/soak.txt. docs/faults.md tells what was measured.

set -eu

cd "$(dirname "$0")/../.."
MODE=${1:?the MODE that was built}
export SOAK=1 BUILD="$PWD/build/$MODE"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1:abort_on_error=0}"

verdict=0
: >build/soak.txt
for test in faults/faults faults/roll e2e/speech_long; do
    name=${test#*/}
    echo "# tests/${test}_test.mjs, MODE=$MODE" >>build/soak.txt
    node "tests/${test}_test.mjs" >"build/soak-$name.tap" 2>&1 || verdict=1
    grep -E '^(not )?ok |^# ' "build/soak-$name.tap" | grep -v '^# Subtest' | tee -a build/soak.txt
done
exit "$verdict"
