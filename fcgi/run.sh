#!/bin/sh
# run.sh - brings Aisha up in a directory of its own, and down again.
#
#     run.sh up DIR [options]       in the foreground until Ctrl-C, then all down
#     run.sh start DIR [options]    the same, left running; returns when all is ready
#     run.sh stop DIR
#     run.sh roll DIR [RELEASE]     replaces the bot's processes one at a time
#     run.sh database DIR NAME      one more database with the schema in it
#
#     --mode MODE       the build to run (debug)
#     --sandbox         every outside party is played, whatever the environment says
#     --fresh           forgets the data of earlier runs first
#     --only "NAME..."  just these of: postgres redis nginx sandbox photo sound bot worker
#     --set NAME=VALUE  a setting or an address of env, whatever else says;
#                       may be given more than once. Tests put themselves
#                       between the parts by it: REDIS_URL, DATABASE_SOCKETS
#                       (the folder of PostgreSQL's socket), outside addresses
#
# In DIR afterwards: env (settings and addresses in force, to be read by a
# shell), log/, current (the build that runs), and the data. Ports and secrets
# are chosen once. Settings come from the environment, then from ./aisha.env;
# an outside party whose address is not set is played by the sandbox. Servers
# that the machine runs are not touched.
#
# CLUSTER in the environment is the data of a PostgreSQL that is at rest: a new
# one begins as a copy of it. To make one takes longer than all the rest.
#
# Each service has a keeper, a small shell that starts it again when it dies.
# Processes are known by pid and start time, so that a pid that was given to
# somebody else is never signalled.
#
# What it reads with `.` is made as it runs, and what it sets is often meant
# for the file env alone:
# shellcheck disable=SC1091,SC2034

set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
SELF=$ROOT/fcgi/run.sh
SERVICES='postgres redis nginx sandbox photo sound bot worker-1 worker-2'
BOT_PROCESSES=${BOT_PROCESSES:-2}
PHOTO_PROCESSES=${PHOTO_PROCESSES:-2}
SOUND_PROCESSES=${SOUND_PROCESSES:-2}
READY_SECONDS=60
STOP_SECONDS=20
PG_BIN=$(ls -d /usr/lib/postgresql/15/bin 2>/dev/null || true)
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$*"; }

fail()
{
    printf 'run.sh: %s\n' "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }

# -- processes ----------------------------------------------------------------

# When a process started, in clock ticks since the machine did; empty when it
# is gone, or dead and only waiting for its parent to notice.
start_time()
{
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'
}

remember() { echo "$1 $(start_time "$1")" >"$2"; } # pid file

# The pid in a file that remember() wrote, while that very process lives.
living()
{
    [ -s "$1" ] && read -r pid started <"$1" || return 1
    [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ] && echo "$pid"
}

await_end() # seconds file
{
    tries=$(($1 * 20))
    while living "$2" >/dev/null; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.05
    done
}

stop_signal_of()
{
    case $1 in
    postgres) echo INT ;; # its fast shutdown: open transactions are rolled back
    nginx) echo QUIT ;;   # answers what it has, closes idle connections
    *) echo TERM ;;
    esac
}

# Ends what a keeper that was killed may have left behind in its session.
end_session() # session signal
{
    for pid in $(pgrep -s "$1" || true); do
        [ "$pid" = "$1" ] || kill -"$2" "$pid" 2>/dev/null || true
    done
}

# -- services: each becomes the program that it names --------------------------

# PostgreSQL refuses to run as root.
as_postgres()
{
    if is_root; then
        cd /
        set -- setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
    fi
    "$@"
}

serve_postgres()
{
    set -- "$PG_BIN/postgres" -D "$(readlink -f "$DIR/postgres")" -k "$SOCKETS/postgres" \
        -c listen_addresses= -c shared_buffers=64MB -c max_connections=100 \
        -c log_line_prefix='%m [%p] %q%u@%d ' -c log_min_duration_statement=500
    is_root || exec "$@"
    cd /
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
}

serve_redis() { exec redis-server "$DIR/redis.conf"; }

serve_nginx() { exec nginx -c "$DIR/nginx/nginx.conf" -e "$DIR/log/nginx.log"; }

serve_sandbox()
{
    rm -f "$SOCKETS/sandbox.sock"
    exec spawn-fcgi -n -s "$SOCKETS/sandbox.sock" -M 0660 -b 4096 -- "$DIR/current/bin/aisha-sandbox"
}

# Each process takes one file of a stranger and ends, and another waits in its
# place. They are told nothing that is in the environment.
serve_decoder() # name processes
{
    rm -f "$SOCKETS/$1.sock"
    exec env -i ASAN_OPTIONS="${ASAN_OPTIONS:-}" UBSAN_OPTIONS="${UBSAN_OPTIONS:-}" \
        "$(command -v spawn-fcgi)" -n -s "$SOCKETS/$1.sock" -M 0600 -b 4096 -- \
        "$(command -v multiwatch)" -r 2147483647 -f "$2" -- "$DIR/current/bin/aisha-$1"
}

serve_photo() { serve_decoder photo "$PHOTO_PROCESSES"; }

serve_sound() { serve_decoder sound "$SOUND_PROCESSES"; }

# multiwatch runs the path anew at each death, which is what roll() builds on;
# its default gives a child up after three quick deaths. spawn-fcgi does not
# search for programs.
serve_bot()
{
    rm -f "$SOCKETS/bot.sock"
    DATABASE_URL=$(database_url aisha_bot)
    export DATABASE_URL
    exec spawn-fcgi -n -s "$SOCKETS/bot.sock" -M 0660 -b 4096 -- \
        "$(command -v multiwatch)" -r 2147483647 -f "$BOT_PROCESSES" -- "$DIR/current/bin/aisha-bot"
}

serve_worker()
{
    unset READY_DIR
    DATABASE_URL=$(database_url aisha_worker)
    export DATABASE_URL
    exec "$DIR/current/bin/aisha-worker"
}

# -- keeping ------------------------------------------------------------------

note() # event fields
{
    echo "time=$(date -u +%Y-%m-%dT%H:%M:%SZ) level=info event=$*" >>"$DIR/log/keeper.log"
}

# The life of a keeper. TERM stops its service in the way that suits it, and then itself.
keep() # name
{
    NAME=$1
    . "$DIR/env"
    child=
    stopping=
    trap 'stopping=yes; [ -z "$child" ] || kill -"$(stop_signal_of "$NAME")" "$child" 2>/dev/null || true' TERM
    trap '' INT HUP
    while [ -z "$stopping" ]; do
        began=$(date +%s)
        ( trap - TERM INT HUP; "serve_${NAME%-*}" ) &
        child=$!
        remember "$child" "$DIR/pid/$NAME"
        [ -z "$stopping" ] || kill -"$(stop_signal_of "$NAME")" "$child" 2>/dev/null || true
        # A signal that arrives ends the waiting, not the child.
        status=0
        while kill -0 "$child" 2>/dev/null; do
            wait "$child" && status=0 || status=$?
        done
        child=
        [ -z "$stopping" ] || break
        note "service.died name=$NAME status=$status"
        end_session $$ TERM
        if [ $(($(date +%s) - began)) -lt 2 ]; then
            sleep 1 &
            wait $! || true
        fi
    done
    note "service.stopped name=$NAME"
}

launch() # name
{
    setsid "$SELF" keep "$DIR" "$1" >>"$DIR/log/${1%-*}.log" 2>&1 </dev/null &
    remember $! "$DIR/pid/$1.keeper"
}

stop_service() # name
{
    if keeper=$(living "$DIR/pid/$1.keeper"); then
        kill -TERM "$keeper" 2>/dev/null || true
        if ! await_end "$STOP_SECONDS" "$DIR/pid/$1.keeper"; then
            say "  $1 does not end; it is killed"
            end_session "$keeper" KILL
            kill -KILL "$keeper" 2>/dev/null || true
        fi
    fi
    if orphan=$(living "$DIR/pid/$1"); then
        kill -"$(stop_signal_of "$1")" "$orphan" 2>/dev/null || true
        await_end "$STOP_SECONDS" "$DIR/pid/$1" || kill -KILL "$orphan" 2>/dev/null || true
    fi
    rm -f "$DIR/pid/$1" "$DIR/pid/$1.keeper"
}

reversed()
{
    list=
    for name in $1; do list="$name $list"; done
    echo "$list"
}

down()
{
    for name in $(reversed "$SERVICES"); do
        stop_service "$name"
    done
    remove_sockets
}

# What others put beside ours stays, and the folder with it.
remove_sockets()
{
    sockets=$(readlink "$DIR/sockets") || return 0
    for name in bot sandbox photo sound redis; do
        rm -f "$sockets/$name.sock"
    done
    rmdir "$sockets/postgres" "$sockets" 2>/dev/null || true
}

# -- preparing: each step leaves what it finds in order alone ------------------

make_folders()
{
    mkdir -p "$DIR/log" "$DIR/pid" "$DIR/ready" "$DIR/tls" "$DIR/redis" "$DIR/sandbox" \
        "$DIR/nginx/body" "$DIR/nginx/fastcgi" "$DIR/nginx/proxy" "$DIR/nginx/uwsgi" "$DIR/nginx/scgi"
    chmod 711 "$DIR"
    rm -f "$DIR"/ready/*
}

# A socket's path ends at 107 bytes, a checkout may lie deeper than that.
make_sockets()
{
    mark=$(printf '%s' "$DIR" | cksum | cut -d' ' -f1)
    if is_root; then
        SOCKETS=/run/aisha-$mark
        mkdir -p "$SOCKETS/postgres"
        chmod 711 "$SOCKETS"
        chown postgres: "$SOCKETS/postgres"
    else
        SOCKETS=${XDG_RUNTIME_DIR:-/tmp}/aisha-$(id -u)-$mark
        mkdir -p "$SOCKETS/postgres"
        [ -O "$SOCKETS" ] || fail "$SOCKETS belongs to somebody else"
        chmod 700 "$SOCKETS"
    fi
    # Whoever may enter here is let in without a password.
    chmod 700 "$SOCKETS/postgres"
    ln -sfn "$SOCKETS" "$DIR/sockets"
}

# A place for the data that the user postgres can reach: DIR itself, or, when a
# folder above it is closed to others as /root is, a folder in its own home.
place_postgres()
{
    [ ! -e "$DIR/postgres/PG_VERSION" ] || return 0
    PG_DATA=$DIR/postgres
    if is_root; then
        rm -f "$DIR/postgres" 2>/dev/null || true
        if ! (as_postgres test -x "$DIR"); then
            PG_DATA=/var/lib/postgresql/aisha-${SOCKETS##*-}
            rm -rf "$PG_DATA"
            ln -s "$PG_DATA" "$DIR/postgres"
        fi
        install -d -o postgres -g postgres -m 700 "$PG_DATA"
    fi
    if [ -n "${CLUSTER:-}" ]; then
        mkdir -p "$PG_DATA"
        cp -a "$CLUSTER/." "$PG_DATA/"
        return 0
    fi
    say '  making a PostgreSQL cluster'
    (as_postgres "$PG_BIN/initdb" -D "$PG_DATA" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
        >"$DIR/log/initdb.log" 2>&1) || fail "initdb failed, see $DIR/log/initdb.log"
    # Over TCP nobody: it does not listen there either.
    # shellcheck disable=SC2016 # expanded by the shell that runs as postgres
    (as_postgres sh -c 'echo "local all all trust" >"$1/pg_hba.conf"' hba "$PG_DATA")
}

forget_data()
{
    data=$(readlink -f "$DIR/postgres" || true)
    case $data in
    */aisha-* | "$DIR"/*) rm -rf "$data" ;;
    esac
    rm -rf "$DIR/postgres" "$DIR/redis" "$DIR/sandbox" "$DIR/log" "$DIR/ready" "$DIR/pid" "$DIR/env"
}

# Prints ports of loopback that are free now, below those the kernel hands out.
free_ports() # count
{
    perl -MIO::Socket::INET -e '
        my @held;
        while (@held < $ARGV[0]) {
            my $socket = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1,
                LocalPort => 20000 + int(rand(12000)));
            push @held, $socket if $socket;
        }
        print join(" ", map { $_->sockport } @held), "\n"' "$1"
}

is_free() # port
{
    perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(LocalAddr => "127.0.0.1",
        LocalPort => $ARGV[0], Listen => 1, ReuseAddr => 1)' "$1"
}

choose_ports()
{
    wanted=${HTTPS_PORT:-}
    case $wanted in
    *[!0-9]* | 0* | ??????*) fail "HTTPS_PORT=$wanted is no port" ;;
    esac
    [ "${wanted:-0}" -le 65535 ] || fail "HTTPS_PORT=$wanted is no port"
    if [ -f "$DIR/ports" ]; then . "$DIR/ports"; fi
    HTTPS_PORT=${wanted:-${HTTPS_PORT:-}}
    if [ -n "$wanted" ]; then
        is_free "$wanted" || fail "HTTPS_PORT=$wanted is taken by another program"
    elif [ -n "$HTTPS_PORT" ] && ! is_free "$HTTPS_PORT"; then
        say "  port $HTTPS_PORT was taken by another program meanwhile; choosing anew"
        HTTPS_PORT=
    fi
    if [ -n "${STORE_PORT:-}" ] && ! is_free "$STORE_PORT"; then STORE_PORT=; fi
    read -r first second <<PORTS
$(free_ports 2)
PORTS
    : "${HTTPS_PORT:=$first}" "${STORE_PORT:=$second}"
    printf 'HTTPS_PORT=%s\nSTORE_PORT=%s\n' "$HTTPS_PORT" "$STORE_PORT" >"$DIR/ports"
}

make_certificate()
{
    if ! openssl x509 -checkend 2592000 -noout -in "$DIR/tls/cert.pem" >/dev/null 2>&1; then
        (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
            -days 397 -subj '/CN=Aisha on this machine' -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' \
            -keyout "$DIR/tls/key.pem" -out "$DIR/tls/cert.pem" 2>/dev/null) || fail 'openssl made no certificate'
        chmod 644 "$DIR/tls/cert.pem"
    fi
    # What the programs trust beside the system's roots: this, and what the operator named.
    cat "$DIR/tls/cert.pem" ${CA_FILE:+"$CA_FILE"} >"$DIR/tls/trusted.pem"
    CA_FILE=$DIR/tls/trusted.pem
}

make_secrets()
{
    [ ! -f "$DIR/secrets" ] || return 0
    (
        umask 077
        {
            echo "LOCAL_TELEGRAM_TOKEN=1000001:AA$(openssl rand -hex 16)a"
            for name in TELEGRAM_WEBHOOK_SECRET CALLBACK_SECRET JWT_SECRET; do
                echo "LOCAL_$name=$(openssl rand -hex 24)"
            done
            echo "LOCAL_FAL_KEY=local:$(openssl rand -hex 16)"
            echo "LOCAL_OPENAI_API_KEY=sk-local-$(openssl rand -hex 16)"
            echo "LOCAL_MINIO_ACCESS_KEY=local$(openssl rand -hex 6)"
            echo "LOCAL_MINIO_SECRET_KEY=$(openssl rand -hex 20)"
        } >"$DIR/secrets"
    )
}

# -- settings -----------------------------------------------------------------

# Names and aliases in the one table of settings.
setting_names()
{
    sed -nE 's/^    \{"([A-Z0-9_]+)", (NULL|"([A-Z0-9_]+)"), FORM_.*/\1 \3/p' "$ROOT/fcgi/core/conf.c"
}

# A shell that has read the env of an earlier run asks for nothing by that, and
# what was made for the sandbox must not reach a real party.
forget_inherited()
{
    [ -n "${AISHA_DIR:-}" ] || return 0
    say '  this shell has read the settings of an earlier run; they are not taken from it'
    # shellcheck disable=SC2046 # a list of names
    unset $(setting_names)
}

# aisha.env first, then the environment over it.
read_settings()
{
    forget_inherited
    if [ -n "$ONLY_SANDBOX" ]; then
        # shellcheck disable=SC2046 # a list of names
        unset $(setting_names)
    elif [ -f "$ROOT/aisha.env" ]; then
        environment=$(export -p)
        set -a
        . "$ROOT/aisha.env"
        set +a
        eval "$environment"
    fi
    : "${TELEGRAM_TOKEN:=${TELEGRAM_BOT_TOKEN:-}}" "${FAL_KEY:=${FAL_API_KEY:-}}"
    unset TELEGRAM_BOT_TOKEN FAL_API_KEY
}

is_loopback() # address
{
    host=${1#*://}
    host=${host%%/*}
    case $host in
    127.* | localhost | localhost:* | '[::1]'*) return 0 ;;
    *) return 1 ;;
    esac
}

# Who is given neither address nor key is played. A key without an address is
# for the vendor's own.
choose_parties()
{
    . "$DIR/secrets"
    SANDBOX_URL=https://127.0.0.1:$HTTPS_PORT/sandbox
    PLAYED=
    if [ -z "${TELEGRAM_API_URL:-}" ] && [ -n "$TELEGRAM_TOKEN" ]; then
        TELEGRAM_API_URL=https://api.telegram.org
    elif [ -z "${TELEGRAM_API_URL:-}" ]; then
        PLAYED=" Telegram"
        TELEGRAM_API_URL=$SANDBOX_URL/telegram
        : "${TELEGRAM_ADMIN_IDS:=1001}"
    fi
    if [ -z "${FAL_QUEUE_URL:-}${FAL_REST_URL:-}${FAL_JWKS_URL:-}" ] && [ -n "$FAL_KEY" ]; then
        FAL_QUEUE_URL=https://queue.fal.run
        : "${FAL_API_URL:=https://api.fal.ai/v1}"
    elif [ -z "${FAL_QUEUE_URL:-}" ] || [ -z "${FAL_REST_URL:-}" ] || [ -z "${FAL_JWKS_URL:-}" ]; then
        PLAYED="$PLAYED FAL"
        : "${FAL_QUEUE_URL:=$SANDBOX_URL/fal/queue}" "${FAL_REST_URL:=$SANDBOX_URL/fal/rest}"
        : "${FAL_JWKS_URL:=$SANDBOX_URL/fal/rest/.well-known/jwks.json}"
    fi
    # The account's interface belongs to whoever queues the requests.
    case $FAL_QUEUE_URL in
    "$SANDBOX_URL"/*) : "${FAL_API_URL:=$SANDBOX_URL/fal/api/v1}" ;;
    https://queue.fal.run) ;;
    *) : "${FAL_API_URL:=${FAL_REST_URL:-$FAL_QUEUE_URL}/v1}" ;;
    esac
    if [ -z "${OPENAI_BASE_URL:-}" ] && [ -n "${OPENAI_API_KEY:-}" ]; then
        OPENAI_BASE_URL=https://api.openai.com/v1
    elif [ -z "${OPENAI_BASE_URL:-}" ]; then
        PLAYED="$PLAYED OpenAI"
        OPENAI_BASE_URL=$SANDBOX_URL/openai/v1
    fi
    if [ -z "${MINIO_ENDPOINT:-}" ]; then
        PLAYED="$PLAYED S3"
        MINIO_ENDPOINT=127.0.0.1:$STORE_PORT
        MINIO_SECURE=false
        : "${MINIO_ACCESS_KEY:=$LOCAL_MINIO_ACCESS_KEY}" "${MINIO_SECRET_KEY:=$LOCAL_MINIO_SECRET_KEY}"
    else
        # The account that a MinIO has when nobody gave it another.
        : "${MINIO_ACCESS_KEY:=minioadmin}" "${MINIO_SECRET_KEY:=minioadmin}"
    fi
    : "${TELEGRAM_TOKEN:=$LOCAL_TELEGRAM_TOKEN}" "${FAL_KEY:=$LOCAL_FAL_KEY}"
    : "${OPENAI_API_KEY:=$LOCAL_OPENAI_API_KEY}" "${WELCOME_COINS:=500}"
    : "${TELEGRAM_WEBHOOK_SECRET:=$LOCAL_TELEGRAM_WEBHOOK_SECRET}"
    : "${CALLBACK_SECRET:=$LOCAL_CALLBACK_SECRET}" "${JWT_SECRET:=$LOCAL_JWT_SECRET}"
}

# Who is on this machine can call us here. For others we have no address unless
# the operator names one; without it both are polled.
choose_public_url()
{
    [ -z "${PUBLIC_URL+set}" ] || return 0
    PUBLIC_URL=
    for address in "$TELEGRAM_API_URL" "$FAL_QUEUE_URL" "${FAL_REST_URL:-}" "$OPENAI_BASE_URL" "$MINIO_ENDPOINT"; do
        [ -z "$address" ] || is_loopback "$address" || return 0
    done
    PUBLIC_URL=https://127.0.0.1:$HTTPS_PORT
}

database_url() # role [database]
{
    echo "postgresql://$1@/${2:-aisha}?host=$DATABASE_SOCKETS"
}

export_line() # name
{
    value=
    eval "value=\${$1}"
    printf "export %s='%s'\n" "$1" "$(printf '%s' "$value" | sed "s/'/'\\\\''/g")"
}

# What --set says, one a line.
take_given()
{
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        given=${line#*=}
        eval "${line%%=*}=\$given"
    done <<GIVEN
$GIVEN
GIVEN
}

# The operator is aisha_owner; the bot and the worker get roles of their own
# when they start.
write_env()
{
    LOOPBACK_URL=https://127.0.0.1:$HTTPS_PORT
    DATABASE_SOCKETS=$SOCKETS/postgres
    DATABASE_URL=$(database_url aisha_owner)
    STATUS_DATABASE_URL=$(database_url aisha_status)
    PGHOST=$SOCKETS/postgres PGUSER=aisha_owner PGDATABASE=aisha
    REDIS_URL=unix://$SOCKETS/redis.sock
    PHOTO_SOCKET=$SOCKETS/photo.sock SOUND_SOCKET=$SOCKETS/sound.sock
    READY_DIR=$DIR/ready
    SANDBOX_DIR=$DIR/sandbox
    AISHA_DIR=$DIR
    take_given
    (
        umask 077
        {
            echo '# Settings and addresses in force. Made by fcgi/run.sh; changes here are lost.'
            for name in $(setting_names); do
                eval "[ -z \"\${$name+set}\" ]" || export_line "$name"
            done
            for name in AISHA_DIR SOCKETS DATABASE_SOCKETS STORE_PORT SANDBOX_DIR SANDBOX_URL PGHOST \
                PGUSER PGDATABASE BOT_PROCESSES; do
                export_line "$name"
            done
        } | sort -u >"$DIR/env"
    )
}

# The programs would say the same, each in a log of its own and again and again.
check_settings()
{
    checker=$DIR/current/bin/aisha
    [ -x "$checker" ] || return 0
    set -- config check
    [ -n "$ONLY_SANDBOX" ] || [ ! -f "$ROOT/aisha.env" ] || set -- --env "$ROOT/aisha.env" "$@"
    (. "$DIR/env" && exec "$checker" "$@" >/dev/null) || fail 'a setting is wrong'
}

write_redis()
{
    cat >"$DIR/redis.conf" <<REDIS
port 0
unixsocket $SOCKETS/redis.sock
unixsocketperm 700
dir "$DIR/redis"
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory 256mb
maxmemory-policy noeviction
REDIS
}

fill_in() # template file: the places that run.sh knows go into a template of nginx
{
    user=
    ! is_root || user='user root;'
    sed -e "s|@DIR@|$DIR|g" -e "s|@USER@|$user|g" -e "s|@STATIC@|$ROOT/static|g" \
        -e "s|@BOT_SOCKET@|$SOCKETS/bot.sock|g" -e "s|@SANDBOX_SOCKET@|$SOCKETS/sandbox.sock|g" \
        -e "s|@HTTPS_PORT@|$HTTPS_PORT|g" -e "s|@STORE_PORT@|$STORE_PORT|g" \
        -e "s|@FASTCGI@|$DIR/nginx/fastcgi.conf|g" -e "s|@PAGES@|$DIR/nginx/pages.conf|g" \
        -e "s|@SANDBOX_FASTCGI@|$DIR/nginx/sandbox_fastcgi.conf|g" "$1" >"$2"
}

write_nginx()
{
    for part in http server aisha fastcgi pages sandbox sandbox_fastcgi; do
        fill_in "$ROOT/nginx/$part.conf" "$DIR/nginx/$part.conf"
    done
    [ -n "$PLAYED" ] || : >"$DIR/nginx/sandbox.conf"
    fill_in "$ROOT/nginx/local.conf.in" "$DIR/nginx/nginx.conf"
    nginx -t -q -c "$DIR/nginx/nginx.conf" -e "$DIR/log/nginx.log" || fail 'nginx does not take its configuration'
}

# -- starting -----------------------------------------------------------------

# Asks again and again until a command succeeds. What does not get ready is
# shown with the end of its log.
await() # label service command...
{
    label=$1 service=$2
    shift 2
    began=$(date +%s%N)
    limit=$((began + READY_SECONDS * 1000000000))
    until "$@" >/dev/null 2>&1; do
        if [ "$(date +%s%N)" -gt "$limit" ]; then
            tail -n 15 "$DIR/log/$service.log" >&2 || true
            fail "$label is not ready after $READY_SECONDS s; its log: $DIR/log/$service.log"
        fi
        sleep 0.05
    done
    took=$((($(date +%s%N) - began) / 1000000))
    printf '  %-14s ready after %d ms\n' "$label" "$took"
}

answers() # path
{
    curl -fsS -o /dev/null -m 5 --noproxy '*' --cacert "$DIR/tls/cert.pem" "https://127.0.0.1:$HTTPS_PORT$1"
}

# Any answer means that nginx speaks, also one that says 404.
nginx_speaks()
{
    curl -sS -o /dev/null -m 5 --noproxy '*' --cacert "$DIR/tls/cert.pem" "https://127.0.0.1:$HTTPS_PORT/"
}

ready_bots()
{
    for file in "$DIR"/ready/*; do
        pid=${file##*/}
        [ -z "$(start_time "$pid")" ] || echo "$pid"
    done
}

bots_are_ready() { [ "$(ready_bots | wc -l)" -ge "$BOT_PROCESSES" ]; }

has_database()
{
    [ "$(psql -XAtq -U postgres -d postgres -c "select 1 from pg_database where datname = '$1'")" = 1 ]
}

# The migrations make roles, which only a superuser may; what they build belongs
# to aisha_owner, who may also read what sqitch keeps about them.
make_database() # name
{
    has_database "$1" || createdb -U postgres "$1"
    if ! (cd "$ROOT/db" && SQITCH_FULLNAME=Aisha SQITCH_EMAIL=aisha@localhost PGUSER=postgres \
        LC_ALL=C.UTF-8 sqitch deploy --verify "db:pg:$1") >"$DIR/log/migrate.log" 2>&1; then
        cat "$DIR/log/migrate.log" >&2
        fail "the migrations of database $1 failed"
    fi
    psql -XAtq -U postgres -d "$1" <<'SQL'
grant usage on schema sqitch to aisha_owner;
grant select on all tables in schema sqitch to aisha_owner;
SQL
    printf '  %-14s %d migrations applied\n' "database $1" "$(grep -c '^  + ' "$DIR/log/migrate.log")"
    fill_styles "$1"
}

# A database begins with the styles that come with the product; from then on they are the operator's.
fill_styles() # name
{
    [ "$(psql -XAtq -U postgres -d "$1" -c 'select exists (select from style_categories)')" = f ] || return 0
    need_program aisha
    DATABASE_URL=$(database_url aisha_owner "$1") "$DIR/current/bin/aisha" styles load >"$DIR/log/styles.log" 2>&1 ||
        { cat "$DIR/log/styles.log" >&2; fail "the styles could not be loaded into database $1"; }
}

# The certificate is known to the worker, not to Telegram; Telegram may be away.
set_webhook()
{
    if [ -z "$PUBLIC_URL" ]; then
        say '  updates are fetched by long polling: no PUBLIC_URL'
    elif ! "$DIR/current/bin/aisha" webhook set >"$DIR/log/webhook.log" 2>&1; then
        say "  the webhook could not be set, see $DIR/log/webhook.log; later: build/aisha webhook set"
    fi
}

is_wanted() # service
{
    [ -n "$ONLY" ] || return 0
    case " $ONLY " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

need_program()
{
    [ -x "$DIR/current/bin/$1" ] || fail "$1 is not built for MODE=$MODE; first: make MODE=$MODE"
}

start_postgres()
{
    launch postgres
    await PostgreSQL postgres pg_isready -q -h "$SOCKETS/postgres" -U postgres
    make_database aisha
}

start_redis()
{
    launch redis
    await Redis redis redis-cli -s "$SOCKETS/redis.sock" --raw exists loaded
}

start_nginx()
{
    launch nginx
    await nginx nginx nginx_speaks
}

start_sandbox()
{
    [ -n "$PLAYED" ] || return 0
    need_program aisha-sandbox
    launch sandbox
    await sandbox sandbox answers /sandbox/
}

start_decoder() # name
{
    need_program "aisha-$1"
    launch "$1"
    await "$1" "$1" test -S "$SOCKETS/$1.sock"
}

start_photo() { start_decoder photo; }

start_sound() { start_decoder sound; }

start_bot()
{
    need_program aisha-bot
    launch bot
    await bot bot bots_are_ready
}

start_worker()
{
    need_program aisha-worker
    launch worker-1
    launch worker-2
    need_program aisha
    set_webhook
}

prepare()
{
    for tool in "$PG_BIN/postgres" redis-server nginx spawn-fcgi multiwatch sqitch openssl curl pgrep; do
        command -v "$tool" >/dev/null || fail "$tool is not installed; first: make deps"
    done
    down
    [ -z "$FRESH" ] || forget_data
    make_folders
    [ -d "$ROOT/build/$MODE" ] || fail "nothing is built for MODE=$MODE; first: make MODE=$MODE"
    ln -sfn "$ROOT/build/$MODE" "$DIR/current"
    read_settings
    make_sockets
    choose_ports
    make_certificate
    make_secrets
    choose_parties
    choose_public_url
    write_env
    check_settings
    write_redis
    write_nginx
    ! is_wanted postgres || place_postgres
    . "$DIR/env"
}

bring_up()
{
    say "Aisha ($MODE) in $DIR"
    prepare
    for service in postgres redis nginx sandbox photo sound bot worker; do
        ! is_wanted "$service" || "start_$service"
    done
}

show_addresses()
{
    [ -z "$ONLY" ] || return 0
    say
    [ -z "$PLAYED" ] || say "  chat page     $SANDBOX_URL/"
    say "  status page   $LOOPBACK_URL/status"
    say "  played by the sandbox:${PLAYED:- nobody}"
    say "  settings      . $DIR/env        logs   $DIR/log/"
}

# -- commands -----------------------------------------------------------------

up()
{
    if living "$DIR/pid/up" >/dev/null; then
        fail "already up in $DIR; stop it there, or: fcgi/run.sh stop $DIR"
    fi
    # The first signal begins the end; those that follow do not hurry it.
    trap 'trap "" INT TERM HUP; say; say "stopping"; down; rm -f "$DIR/pid/up"; say "stopped"' EXIT
    trap 'exit 0' INT TERM HUP
    bring_up
    remember $$ "$DIR/pid/up"
    show_addresses
    say '  Ctrl-C stops it all; what it knows stays'
    # Ends by itself when all keepers have ended, which is what stop does.
    while living "$DIR/pid/postgres.keeper" >/dev/null; do
        sleep 5 &
        wait $! || true
    done
}

start()
{
    trap 'down' EXIT
    trap 'exit 1' INT TERM HUP
    bring_up
    show_addresses
    trap - EXIT
}

stop()
{
    down
    if outer=$(living "$DIR/pid/up"); then kill -TERM "$outer" 2>/dev/null || true; fi
}

# The bot's processes share a listening socket that stays open, and each
# answers what it has before it ends: nobody notices.
roll() # [release]
{
    if [ -n "${1:-}" ]; then
        ln -sfn "$(cd "$1" && pwd -P)" "$DIR/current.next"
        mv -T "$DIR/current.next" "$DIR/current"
    fi
    parent=$(living "$DIR/pid/bot") || fail "no bot runs in $DIR"
    "$ROOT/fcgi/roll.sh" "$parent" "$DIR/ready" || fail "see $DIR/log/bot.log"
}

usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$SELF" | sed '/^In DIR/,$d'; }

command=${1:-}
if [ $# -lt 2 ]; then
    usage >&2
    exit 2
fi
DIR=$2
shift 2
mkdir -p "$DIR"
DIR=$(cd "$DIR" && pwd -P)
MODE=debug ONLY_SANDBOX='' FRESH='' ONLY='' GIVEN=''

case $command in
up | start)
    while [ $# -gt 0 ]; do
        case $1 in
        --mode) MODE=$2 && shift ;;
        --only) ONLY=$2 && shift ;;
        --set) GIVEN="$GIVEN$2
" && shift ;;
        --sandbox) ONLY_SANDBOX=yes ;;
        --fresh) FRESH=yes ;;
        *) fail "unknown option $1" ;;
        esac
        shift
    done
    "$command"
    ;;
stop) stop ;;
keep) keep "$1" ;;
roll | database)
    [ -f "$DIR/env" ] || fail "nothing was ever up in $DIR"
    . "$DIR/env"
    case $command in
    roll) roll "${1:-}" ;;
    database) make_database "$1" ;;
    esac
    ;;
*)
    usage >&2
    exit 2
    ;;
esac
