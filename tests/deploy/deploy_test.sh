#!/bin/sh
# deploy_test.sh - what deploy.sh says it would do, and what it refuses, without
# a server. For real it is run by tests/deploy/server.mjs, into a booted Debian.

set -eu

cd "$(dirname "$0")/../.."
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

settings() # name=value...
{
    printf '%s\n' TELEGRAM_TOKEN=1000001:AAsecretsecretsecretsecretsecretsecr "$@" >"$work/aisha.env"
}

dry() { ./deploy.sh --dry-run --config "$work/aisha.env" "$@" >"$work/out" 2>&1; }
says() { grep -q -- "$1" "$work/out" || { cat "$work/out" && false; }; }
lacks() { ! grep -- "$1" "$work/out"; }

refuses() # pattern option...
{
    pattern=$1
    shift
    ! ./deploy.sh --dry-run "$@" >"$work/out" 2>&1 && says "$pattern"
}

# The steps in the order in which they have to come.
steps() { grep '^== ' "$work/out" | sed 's/^== //; s/ [0-9a-f].*//; s/ (.*//; s/ to .*//' | tr '\n' ' '; }
come_in_order()
{
    wanted='test build packages users certificate settings PostgreSQL Redis database units nginx'
    case "$(steps)" in "$wanted"*switch*processes*webhook*doctor*releases*done*) ;; *) steps && false ;; esac
}

# Not even its own folder for what it compares.
leaves_nothing()
{
    [ -z "$(find /run "${TMPDIR:-/tmp}" -maxdepth 1 -name 'aisha-deploy.*' -newer "$work/aisha.env" 2>/dev/null)" ]
}

settings PUBLIC_URL=https://bot.example.org/ HTTPS_PORT=443
ok 'a dry run goes through' dry
ok 'its steps come in order' come_in_order
ok 'tests run before anything is built' says 'make -C .* check$'
ok 'a name gets a certificate from certbot' says 'certbot certonly .* -d bot.example.org'
ok 'the token is never printed' lacks AAsecret
ok 'nothing is left behind' leaves_nothing

ok 'steps can be left out' dry --skip-test --skip-build
ok 'no test is run then' lacks 'make -C .* check$'
ok 'nothing is built then' lacks 'make .* programs'
ok 'a certificate can be made on the spot' dry --self-signed
ok 'nobody is asked for one then' lacks certbot
settings PUBLIC_URL=https://10.1.2.3
ok 'an address without a name is taken' dry
ok 'and gets a certificate made on the spot' says 'subjectAltName=IP:10.1.2.3'
settings
ok 'without PUBLIC_URL updates are fetched' dry
ok 'and no webhook is set' lacks 'webhook set'

ok 'help tells of every option' ./deploy.sh --help
for option in host config certificate certificate-key self-signed email skip-test skip-build force-rebuild rollback dry-run; do
    ok "help tells of --$option" sh -c "./deploy.sh --help | grep -q -- '--$option'"
done
ok 'an unknown option is refused' refuses 'there is no option --fast' --fast
ok 'a value that is missing is refused' refuses '--host wants a value' --host
ok 'half a certificate is refused' refuses '--certificate-key beside' --certificate /dev/null
ok 'contradicting options are refused' refuses 'contradict' --skip-build --force-rebuild
ok 'an address with a shell in it is refused' refuses 'no address for mail' --email 'a@b;reboot'
ok 'without settings nothing begins' refuses 'no settings yet' --config /dev/null
[ -e /opt/aisha ] || ok 'there is nothing to go back to' refuses 'no release to go back to' --rollback
echo "1..$count"
