#!/bin/sh
# units_test.sh - what systemd itself says of the units: that it understands
# them, and how much each leaves open to whoever has taken it over.

set -eu

cd "$(dirname "$0")/../.."
units=fcgi/systemd
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

ok() # description command...
{
    description=$1
    shift
    count=$((count + 1))
    if "$@" >"$work/said" 2>&1; then
        echo "ok $count - $description"
    else
        echo "not ok $count - $description"
        sed 's/^/# /' "$work/said"
    fi
}

# A root of its own: with our units, and for each program that they name one
# that can be started. Units of others, which exist where these are installed,
# are not looked for here.
make_root()
{
    mkdir -p "$work/root/etc/systemd/system" "$work/root/usr/lib/systemd/system"
    cp "$units"/*.service "$units"/*.socket "$units"/*.timer "$units"/*.target "$work/root/etc/systemd/system"
    cp /usr/lib/systemd/system/*.target "$work/root/usr/lib/systemd/system"
    sed -n 's/^Exec[A-Za-z]*=\([^ ]*\).*/\1/p' "$units"/*.service | sort -u | while read -r program; do
        mkdir -p "$work/root${program%/*}"
        cp /bin/true "$work/root$program"
    done
}

understood() # unit: not a word about it
{
    systemd-analyze verify --root="$work/root" --recursive-errors=no --man=no "$1" 2>&1 |
        grep "$units\|aisha" >"$work/words" || true
    cat "$work/words"
    [ ! -s "$work/words" ]
}

# systemd-analyze counts in tenths here: 13 is an exposure of 1.3.
exposed_at_most() # tenths unit
{
    systemd-analyze security --offline=yes --no-pager --threshold="$1" "./$units/$2"
}

# Whatever names a path of the release names one that the release has.
exists_in_release()
{
    sed -n 's|^Exec[A-Za-z]*=/opt/aisha/current/\([^ ]*\).*|\1|p' "$units"/*.service | sort -u | while read -r path; do
        case $path in
        bin/*) [ -f "fcgi/${path#bin/aisha-}.c" ] || [ "$path" = bin/aisha ] ;;
        *) [ -x "$path" ] ;;
        esac || { echo "$path"; exit 1; }
    done
}

if ! command -v systemd-analyze >/dev/null; then
    echo '1..0 # SKIP systemd is not installed'
    exit 0
fi
make_root
for unit in "$units"/*.service "$units"/*.socket "$units"/*.timer "$units"/*.target; do
    name=${unit##*/}
    ok "systemd understands $name" understood "$(echo "$name" | sed 's/@\./@1./')"
done
ok 'the bot is exposed by no more than 1.3' exposed_at_most 13 aisha-bot.service
ok 'a worker is exposed by no more than 1.3' exposed_at_most 13 aisha-worker@.service
ok 'the backup is exposed by no more than 1.3' exposed_at_most 13 aisha-backup.service
ok 'what decodes photos is exposed by no more than 0.6' exposed_at_most 6 aisha-photo@.service
ok 'and what decodes recordings' exposed_at_most 6 aisha-sound@.service
count=$((count + 1))
if exposed_at_most 1 aisha-worker@.service >/dev/null 2>&1; then
    echo "not ok $count - the tool tells when a unit is exposed by more"
else
    echo "ok $count - the tool tells when a unit is exposed by more"
fi
ok 'the units start what a release has' exists_in_release
echo "1..$count"
