#!/bin/sh
# deps.sh - installs what is missing, and says what it does.
#
#     deps.sh debian PACKAGE...    packages of Debian
#     deps.sh node                 node, and the browser driver of the tests
#
# With everything in place it changes nothing and takes a few milliseconds. The
# servers that come with packages are not started: Aisha runs its own.

set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
NODE_AT_LEAST=18
POLICY=/usr/sbin/policy-rc.d
LOG=$ROOT/build/deps.log

say() { echo "deps: $*"; }

fail()
{
    echo "deps: $*" >&2
    exit 1
}

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        env "$@"
    else
        command -v sudo >/dev/null || fail "not root and no sudo; as root: apt-get install $missing"
        sudo env "$@"
    fi
}

is_installed()
{
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -q '^installed$'
}

# Names of the packages that are not there, on one line.
missing_of()
{
    for package in "$@"; do
        is_installed "$package" || printf '%s ' "$package"
    done
}

# A package's own server would take a well-known port of this machine. Debian
# asks this file first; one that the machine already has is respected.
keep_servers_down()
{
    [ ! -e "$POLICY" ] || return 0
    # shellcheck disable=SC2016 # expanded by the shell that runs as root
    as_root sh -c 'printf "#!/bin/sh\nexit 101\n" > "$1" && chmod 755 "$1"' policy "$POLICY"
    trap 'as_root rm -f "$POLICY"' EXIT
    trap 'exit 1' HUP INT TERM
}

install_packages()
{
    say "installing $missing"
    keep_servers_down
    as_root apt-get -qq update || fail 'the package lists could not be fetched'
    mkdir -p "${LOG%/*}"
    # A machine that has just started may be updating itself, hence the patience.
    # shellcheck disable=SC2086 # a list of names
    as_root DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 install $missing </dev/null >"$LOG" 2>&1 || {
        tail -n 5 "$LOG" >&2
        fail "not installed, see $LOG; by hand: apt-get install $missing"
    }
    say "installed $missing"
}

need_debian()
{
    [ -x /usr/bin/dpkg-query ] || fail 'this is no Debian; the list of packages is in GNUmakefile'
    missing=$(missing_of "$@")
    [ -z "$missing" ] || install_packages
}

has_node()
{
    command -v node >/dev/null && command -v npm >/dev/null || return 1
    version=$(node --version)
    version=${version#v}
    [ "${version%%.*}" -ge "$NODE_AT_LEAST" ]
}

# The driver goes to build/, with a link to where node looks for it.
need_driver()
{
    wanted=$ROOT/tests/e2e/package-lock.json
    driver=$ROOT/build/node
    [ -f "$wanted" ] || return 0
    if ! cmp -s "$wanted" "$driver/package-lock.json" || [ ! -f "$driver/complete" ]; then
        say 'fetching playwright-core by npm'
        mkdir -p "$driver"
        rm -f "$driver/complete"
        cp "$ROOT/tests/e2e/package.json" "$wanted" "$driver"
        (cd "$driver" && npm ci --silent --no-audit --no-fund --ignore-scripts </dev/null) ||
            fail 'npm could not fetch playwright-core'
        : >"$driver/complete"
    fi
    ln -sfn ../../build/node/node_modules "$ROOT/tests/e2e/node_modules"
}

case "${1:-}" in
debian)
    shift
    need_debian "$@"
    ;;
node)
    has_node || need_debian nodejs npm
    need_driver
    ;;
*)
    fail 'usage: deps.sh debian PACKAGE... | deps.sh node'
    ;;
esac
