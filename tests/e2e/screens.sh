#!/bin/sh
# screens.sh MODE [JOURNEY...] - pictures of every screen, or of these journeys,
# into build/screens, on a ground of its own that is taken down again.

set -eu

cd "$(dirname "$0")/../.."
MODE=${1:?the MODE that was built}
shift
GROUND=build/screens-ground

take_down() { fcgi/run.sh stop "$GROUND"; }

trap take_down EXIT
trap 'exit 1' INT TERM HUP
WELCOME_COINS=500 fcgi/run.sh start "$GROUND" --mode "$MODE" --sandbox --fresh --set DAILY_SPEND_LIMIT=1000
rm -rf build/screens
AISHA_ENV=$GROUND/env node tests/e2e/screens.mjs build/screens "$@"
