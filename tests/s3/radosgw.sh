#!/bin/sh
# radosgw.sh - runs the S3 tests against a real server: Ceph's gateway.
#
#     tests/s3/radosgw.sh PROGRAM
#
# PROGRAM is the built s3_test. A monitor, one store in memory and the gateway
# are started in a directory of their own, on free loopback ports, as whoever
# runs this; all of it is gone at the end. Takes about half a minute. Needs the
# Debian packages radosgw, ceph-mon, ceph-osd and ceph-common; without them the
# test is skipped, or fails when RADOSGW_REQUIRED is set.

set -eu

PATH=$PATH:/usr/sbin:/sbin
ACCESS_KEY=AKTEST0000000000
SECRET_KEY='sktest/with+chars0000000000000000000000'
READY_SECONDS=90

skip()
{
    [ -z "${RADOSGW_REQUIRED:-}" ] || { echo "radosgw.sh: $1" >&2; exit 1; }
    echo "1..0 # SKIP $1"
    exit 0
}

need()
{
    for program; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

# Asks the kernel for ports that nobody listens on. Another program could take
# one before we do; then the start fails, loudly, and can be tried again.
free_port() # number of the first one to try
{
    port=$1
    while ss -Hltn "sport = :$port" | grep -q .; do
        port=$((port + 1))
    done
    echo "$port"
}

write_conf()
{
    cat >"$DIR/ceph.conf" <<END
[global]
fsid = $FSID
mon_host = v2:127.0.0.1:$MON_PORT/0
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_port_min = $OSD_PORT
ms_bind_port_max = $((OSD_PORT + 200))
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
auth_allow_insecure_global_id_reclaim = false
osd_objectstore = memstore
memstore_device_bytes = 1073741824
keyring = $DIR/keyring
mon_data = $DIR/mon
osd_data = $DIR/osd
run_dir = $DIR/run
crash_dir = $DIR/run
admin_socket = $DIR/run/\$name.asok
pid_file = $DIR/run/\$name.pid
log_file = $DIR/run/\$name.log

[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$S3_PORT
rgw_data = $DIR
rgw_thread_pool_size = 32
END
}

write_keys()
{
    set -- -C "$DIR/keyring" --gen-key
    ceph-authtool "$@" -n mon. --cap mon 'allow *'
    shift 2
    ceph-authtool "$DIR/keyring" "$@" -n client.admin \
        --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool "$DIR/keyring" "$@" -n client.rgw --cap mon 'allow *' --cap osd 'allow *'
    ceph-authtool "$DIR/keyring" "$@" -n osd.0 --cap mon 'profile osd' --cap osd 'allow *'
}

start_monitor()
{
    monmaptool --create --fsid "$FSID" --addv a "[v2:127.0.0.1:$MON_PORT]" "$DIR/monmap"
    ceph-mon -c "$DIR/ceph.conf" -i a --mkfs --monmap "$DIR/monmap" --keyring "$DIR/keyring"
    ceph-mon -c "$DIR/ceph.conf" -i a
}

start_store()
{
    uuid=$(cat /proc/sys/kernel/random/uuid)
    ceph -c "$DIR/ceph.conf" osd new "$uuid"
    ceph -c "$DIR/ceph.conf" auth import -i "$DIR/keyring"
    ceph-osd -c "$DIR/ceph.conf" -i 0 --mkfs --osd-uuid "$uuid"
    ceph -c "$DIR/ceph.conf" osd crush add osd.0 1.0 host=here root=default
    ceph-osd -c "$DIR/ceph.conf" -i 0
}

start_gateway()
{
    radosgw-admin -c "$DIR/ceph.conf" -n client.rgw user create --uid=tests --display-name=tests \
        --access-key="$ACCESS_KEY" --secret="$SECRET_KEY"
    radosgw -c "$DIR/ceph.conf" -n client.rgw -f &
    GATEWAY=$!
}

await_gateway()
{
    tries=$((READY_SECONDS * 5))
    until curl -s -o "$DIR/answer" "http://127.0.0.1:$S3_PORT/"; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ] || ! kill -0 "$GATEWAY"; then
            echo "radosgw.sh: the gateway did not come up" >&2
            return 1
        fi
        sleep 0.2
    done
}

# The daemons left our process group, so their own pid files tell who they are.
stop()
{
    status=$?
    trap - EXIT INT TERM
    [ -z "$GATEWAY" ] || end "$GATEWAY"
    for file in "$DIR"/run/osd.0.pid "$DIR"/run/mon.a.pid; do
        [ ! -s "$file" ] || end "$(cat "$file")"
    done
    [ "$status" = 0 ] || [ ! -s "$DIR/start.log" ] || tail -n 20 "$DIR/start.log" >&2
    rm -rf "$DIR"
    exit "$status"
}

end() # pid
{
    kill "$1" 2>/dev/null || return 0
    tries=50
    while kill -0 "$1" 2>/dev/null && [ "$tries" -gt 0 ]; do
        tries=$((tries - 1))
        sleep 0.1
    done
    kill -9 "$1" 2>/dev/null || true
}

[ $# = 1 ] || { echo "usage: radosgw.sh PROGRAM" >&2; exit 2; }
need radosgw radosgw-admin ceph ceph-mon ceph-osd ceph-authtool monmaptool curl ss

DIR=$(mktemp -d /tmp/radosgw.XXXXXX)
GATEWAY=
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
FSID=$(cat /proc/sys/kernel/random/uuid)
S3_PORT=$(free_port 17480)
MON_PORT=$(free_port 17580)
OSD_PORT=17680
mkdir "$DIR/mon" "$DIR/osd" "$DIR/run"

{
    write_conf
    write_keys
    start_monitor
    start_store
    start_gateway
    await_gateway
} >"$DIR/start.log" 2>&1

MINIO_ENDPOINT=127.0.0.1:$S3_PORT MINIO_SECURE=false MINIO_REGION=us-east-1 \
    MINIO_ACCESS_KEY=$ACCESS_KEY MINIO_SECRET_KEY=$SECRET_KEY "$1"
