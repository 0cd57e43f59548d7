#!/bin/sh
# roll.sh PARENT READY_DIR - replaces the processes of the bot one at a time.
#
# PARENT is the pid of multiwatch, which runs its program anew whenever one of
# its children ends, and so the release that its path leads to by then. Each
# child answers what it has before it ends, and the next one is told to only
# when another is ready: READY_DIR has a file for each that is, named by its
# pid. The listening socket stays open, so nobody notices.

set -eu

READY_SECONDS=60
PARENT=${1:?the pid of multiwatch}
READY_DIR=${2:?the folder of those that are ready}

is_alive() # pid
{
    # One that is dead and was not waited for yet is gone, too.
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | grep -qv '^Z'
}

ready()
{
    for file in "$READY_DIR"/*; do
        pid=${file##*/}
        case $pid in *[!0-9]*) continue ;; esac
        ! is_alive "$pid" || echo "$pid"
    done
}

await_replacement() # old before
{
    tries=$((READY_SECONDS * 50))
    while :; do
        if ! is_alive "$1"; then
            for pid in $(ready); do
                case $2 in *" $pid "*) ;; *) return 0 ;; esac
            done
        fi
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            echo "roll.sh: process $1 was not replaced within $READY_SECONDS s" >&2
            exit 1
        fi
        sleep 0.02
    done
}

children=$(pgrep -P "$PARENT" || true)
if [ -z "$children" ]; then
    echo "roll.sh: process $PARENT has no children that could be seen" >&2
    exit 1
fi
for old in $children; do
    before=" $(ready | tr '\n' ' ')"
    kill -TERM "$old" 2>/dev/null || continue # it has ended by itself, and is replaced already
    await_replacement "$old" "$before"
done
