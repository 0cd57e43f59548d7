#!/bin/sh
# aisha - the operator's command on a server: the program of the release that
# runs, with the settings that its services have. For root.
#
# Settings that are encrypted reach the program through a pipe and lie nowhere
# in clear. It is aisha_owner in the database unless DATABASE_URL says otherwise.

set -eu

ETC=/etc/aisha
PROGRAM=${AISHA_PROGRAM:-/opt/aisha/current/bin/aisha}
export DATABASE_URL="${DATABASE_URL:-postgresql://aisha_owner@/aisha?host=/run/postgresql}"

if [ -f "$ETC/aisha.env.cred" ]; then
    exec 4<&0
    systemd-creds decrypt --name=aisha.env "$ETC/aisha.env.cred" - | AISHA_CONF=/dev/fd/3 "$PROGRAM" "$@" 3<&0 <&4
else
    export AISHA_CONF="$ETC/aisha.env"
    exec "$PROGRAM" "$@"
fi
