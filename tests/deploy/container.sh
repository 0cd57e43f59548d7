#!/bin/sh
# container.sh - a fresh Debian 12 with systemd as its init, in namespaces of its
# own, beside this machine; for `make check-deploy`.
#
#     container.sh up DIR       boots one, with nothing of ours on it; prints its address
#     container.sh in DIR CMD…  runs a command in it
#     container.sh down DIR
#
# Its root is DIR/root, a layer above build/container/base, which debootstrap
# makes once. It has one neighbour, this machine, at the address that `up`
# prints with .1 at its end: what it wants of the world comes from there.
# For root, and with the packages systemd-container and debootstrap.

set -eu

ROOT=$(cd "$(dirname "$0")/../.." && pwd -P)
BASE=$ROOT/build/container/base
SUITE=bookworm
# Debian's packages come from where this machine has them.
# shellcheck disable=SC2016 # words for apt, not for the shell
MIRROR=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    awk -v suite="$SUITE" '$2 == suite { print $1; exit }')}
BOOT_SECONDS=180
PATH=$PATH:/usr/sbin:/sbin

fail()
{
    echo "container.sh: $*" >&2
    exit 1
}

# One network for each container, by the name of its folder.
choose_network()
{
    number=$(printf '%s' "$DIR" | cksum | cut -d' ' -f1)
    NAME=aisha$((number % 10000))
    NETWORK=10.$((64 + number % 128)).$((number / 128 % 256))
}

make_base()
{
    [ ! -e "$BASE.done" ] || return 0
    rm -rf "$BASE"
    mkdir -p "$BASE"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2 "$SUITE" "$BASE" "$MIRROR" >"$BASE.log" 2>&1 ||
        fail "debootstrap failed, see $BASE.log"
    : >"$BASE.done"
}

# As the installer of a server would leave it: an address, a source of packages.
configure()
{
    mkdir -p "$DIR/root/etc/systemd/network" "$DIR/root/etc/apt/apt.conf.d"
    cat >"$DIR/root/etc/systemd/network/10-host0.network" <<NET
[Match]
Name=host0
[Network]
Address=$NETWORK.2/24
Gateway=$NETWORK.1
NET
    cat >"$DIR/root/etc/apt/sources.list" <<APT
deb $MIRROR $SUITE main
deb $MIRROR $SUITE-updates main
APT
    echo "Acquire::http::Proxy \"http://$NETWORK.1:3142\";" >"$DIR/root/etc/apt/apt.conf.d/proxy"
    # What is thrown away afterwards need not wait for the disk.
    echo force-unsafe-io >"$DIR/root/etc/dpkg/dpkg.cfg.d/aisha"
    mkdir -p "$DIR/root/etc/systemd/system/multi-user.target.wants"
    ln -sfn /lib/systemd/system/systemd-networkd.service \
        "$DIR/root/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
    echo fresh >"$DIR/root/etc/hostname"
}

leader() # the pid of the container's init, as this machine knows it
{
    outer=$(cat "$DIR/pid" 2>/dev/null) || return 1
    pgrep -P "$outer" -x systemd || pgrep -P "$outer" -x init
}

enter() # command...
{
    pid=$(leader) || fail "nothing is up in $DIR"
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
        nsenter --target "$pid" --mount --uts --ipc --net --pid --cgroup --wdns=/root -- "$@"
}

is_booted()
{
    state=$(enter systemctl is-system-running 2>/dev/null || true)
    [ "$state" = running ] || [ "$state" = degraded ]
}

up()
{
    if leader >/dev/null 2>&1; then
        echo "$NETWORK.2"
        return 0
    fi
    make_base
    mkdir -p "$DIR/upper" "$DIR/work" "$DIR/root"
    mountpoint -q "$DIR/root" ||
        mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$DIR/upper,workdir=$DIR/work" "$DIR/root"
    configure
    setsid systemd-nspawn -q -D "$DIR/root" --boot --machine="$NAME" --network-veth \
        --register=no --keep-unit --link-journal=no >"$DIR/console.log" 2>&1 </dev/null &
    echo $! >"$DIR/pid"
    tries=$((BOOT_SECONDS * 2))
    until ip link show "ve-$NAME" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "it does not boot, see $DIR/console.log"
        sleep 0.5
    done
    ip address replace "$NETWORK.1/24" dev "ve-$NAME"
    ip link set "ve-$NAME" up
    until is_booted; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "it does not boot, see $DIR/console.log"
        sleep 0.5
    done
    echo "$NETWORK.2"
}

down()
{
    if pid=$(leader); then
        kill -s RTMIN+4 "$pid" || true # systemd's word for: power off
        tries=60
        while [ "$tries" -gt 0 ] && kill -0 "$pid" 2>/dev/null; do
            tries=$((tries - 1))
            sleep 0.5
        done
        kill -KILL "$(cat "$DIR/pid")" 2>/dev/null || true
    fi
    # It goes with its other end, unless that end was killed.
    ip link delete "ve-$NAME" 2>/dev/null || true
    ! mountpoint -q "$DIR/root" || umount "$DIR/root"
    rm -rf "$DIR"
}

[ $# -ge 2 ] || fail 'usage: container.sh up|in|down DIR'
command=$1
mkdir -p "$2"
DIR=$(cd "$2" && pwd -P)
shift 2
choose_network
case $command in
up) up ;;
in) enter "$@" ;;
down) down ;;
*) fail "there is no $command" ;;
esac
