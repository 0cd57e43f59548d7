#!/bin/sh
# deploy.sh - puts Aisha on a server: a fresh Debian 12 becomes a running bot.
#
#     ./deploy.sh [--host USER@HOST] [options]
#
#     --host USER@HOST     the server, over ssh, with root or sudo there; this host without it
#     --config FILE        the settings; ./aisha.env without it. The server keeps
#                          them, and later deploys need none; NAME= takes one back
#     --certificate FILE --certificate-key FILE
#                          a certificate of your own for the host of PUBLIC_URL
#     --self-signed        one made on the spot, as for an address without a name;
#                          without these three certbot asks Let's Encrypt for one
#     --email ADDRESS      where Let's Encrypt writes to
#     --skip-test          without `make check` before it
#     --skip-build         the release that was packed last, as it is
#     --force-rebuild      build and pack anew, also what is there already
#     --rollback           back to the release that ran before this one
#     --dry-run            say what would be done, and do nothing
#     --help
#
# Releases lie side by side in /opt/aisha/releases, and `current` names the one
# that runs. A new one is put beside it, the database is saved and brought up to
# it, `current` is moved, and the processes are replaced one at a time: no
# request is lost. When the new release does not answer, the old one comes back
# by itself. Migrations only ever add to what the release before needs, so going
# back leaves the database as it is.
#
# Each step leaves what it finds in order alone: running this twice changes
# nothing the second time.

set -eu

ROOT=$(cd "$(dirname "$0")" && pwd -P)
SELF=$ROOT/deploy.sh
PATH=$PATH:/usr/sbin:/sbin
HOME_DIR=/opt/aisha
ETC=/etc/aisha
RELEASES_KEPT=3
DUMPS_KEPT=3
READY_SECONDS=60
SERVER_URL='postgresql://postgres@/postgres?host=/run/postgresql'
SUPERUSER_URL='postgresql://postgres@/aisha?host=/run/postgresql'
OWNER_URL='postgresql://aisha_owner@/aisha?host=/run/postgresql'

HOST='' CONFIG='' CERTIFICATE='' CERTIFICATE_KEY='' SELF_SIGNED='' EMAIL=''
SKIP_TEST='' SKIP_BUILD='' FORCE_REBUILD='' DRY_RUN='' ACTION=deploy BUNDLE=''

# -- saying and doing ----------------------------------------------------------

say() { printf '%s\n' "$*"; }
step() { printf '== %s\n' "$*"; }

fail()
{
    printf 'deploy.sh: %s\n' "$*" >&2
    exit 1
}

usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$SELF"; }

# Runs a command, or with --dry-run says which.
run()
{
    if [ -n "$DRY_RUN" ]; then
        say "   would run: $*"
    else
        "$@"
    fi
}

# Puts what comes in from stdin into a file, unless just that is there already.
# That it was not is written down in a file, because a pipe ends in a shell of its own.
write() # file mode [owner]
{
    cat >"$WORK/written"
    if cmp -s "$WORK/written" "$1"; then return 0; fi
    : >"$WORK/changed"
    if [ -n "$DRY_RUN" ]; then
        say "   would write: $1"
        return 0
    fi
    mkdir -p "${1%/*}"
    install -m "$2" -o "${3:-root}" -g root "$WORK/written" "$1.new"
    mv -T "$1.new" "$1"
    say "   wrote $1"
}

changed() { [ -e "$WORK/changed" ]; }
forget_changes() { rm -f "$WORK/changed"; }

# -- what was asked for --------------------------------------------------------

value_of() # option value
{
    [ -n "${2:-}" ] || fail "$1 wants a value; --help tells more"
    printf '%s' "$2"
}

read_options()
{
    while [ $# -gt 0 ]; do
        case $1 in
        --host) HOST=$(value_of "$@") || exit 1; shift ;;
        --config) CONFIG=$(value_of "$@") || exit 1; shift ;;
        --certificate) CERTIFICATE=$(value_of "$@") || exit 1; shift ;;
        --certificate-key) CERTIFICATE_KEY=$(value_of "$@") || exit 1; shift ;;
        --email)
            EMAIL=$(value_of "$@") || exit 1
            shift
            case $EMAIL in *[!A-Za-z0-9@._+-]*) fail "$EMAIL is no address for mail" ;; esac
            ;;
        --self-signed) SELF_SIGNED=yes ;;
        --skip-test) SKIP_TEST=yes ;;
        --skip-build) SKIP_BUILD=yes ;;
        --force-rebuild) FORCE_REBUILD=yes ;;
        --dry-run) DRY_RUN=yes ;;
        --rollback) ACTION=rollback ;;
        --renew) ACTION=renew ;; # for the timer
        --install) ACTION='install' BUNDLE=$(value_of "$@") || exit 1; shift ;; # on the server, for this script itself
        --help | -h)
            usage
            exit 0
            ;;
        *) fail "there is no option $1; --help tells which there are" ;;
        esac
        shift
    done
    [ -z "$CERTIFICATE" ] || [ -n "$CERTIFICATE_KEY" ] || fail '--certificate wants --certificate-key beside it'
    [ -z "$CERTIFICATE_KEY" ] || [ -n "$CERTIFICATE" ] || fail '--certificate-key wants --certificate beside it'
    [ -z "$SKIP_BUILD" ] || [ -z "$FORCE_REBUILD" ] || fail '--skip-build and --force-rebuild contradict each other'
}

# == where this tree is: test, build, pack =====================================

VERSION=
read_version()
{
    if [ -n "${AISHA_RELEASE:-}" ]; then
        VERSION=$AISHA_RELEASE # a name of the operator's choice
    elif [ -f "$ROOT/VERSION" ]; then
        VERSION=$(cat "$ROOT/VERSION")
    else
        VERSION=$(git -C "$ROOT" describe --always --dirty --tags) || fail "$ROOT is neither a checkout nor a release"
    fi
}

archive() { echo "$ROOT/build/release/aisha-$VERSION.tar.gz"; }

test_release()
{
    step 'test'
    if [ -n "$SKIP_TEST" ]; then
        say '   skipped'
    else
        run make -C "$ROOT" check
    fi
}

# The packages that the programs' libraries come from. What ldd prints under
# /lib, dpkg may know under /usr/lib, and the other name it does not know at all.
library_packages() # program...
{
    ldd "$@" 2>/dev/null | sed -n 's/.* => \(\/[^ ]*\).*/\1/p' | sort -u | sed 'p; s|^|/usr|' |
        xargs dpkg-query -S 2>/dev/null | sed -n 's/:.*//p' | sort -u
}

pack()
{
    stage=$ROOT/build/release/aisha-$VERSION
    rm -rf "$stage"
    mkdir -p "$stage/bin" "$stage/db" "$stage/fcgi"
    for program in aisha aisha-bot aisha-worker aisha-photo aisha-sound; do
        cp "$ROOT/build/release/bin/$program" "$stage/bin/"
    done
    cp -R "$ROOT/db/deploy" "$ROOT/db/revert" "$ROOT/db/verify" "$ROOT/db/sqitch.conf" "$ROOT/db/sqitch.plan" \
        "$ROOT/db/styles.ini" "$stage/db/"
    cp -R "$ROOT/docs" "$ROOT/nginx" "$ROOT/static" "$ROOT/deploy.sh" "$ROOT/LICENSE" "$stage/"
    cp -R "$ROOT/fcgi/systemd" "$ROOT/fcgi/roll.sh" "$ROOT/fcgi/operator.sh" "$stage/fcgi/"
    echo "$VERSION" >"$stage/VERSION"
    library_packages "$stage"/bin/* >"$stage/packages"
    # The same files make the same archive, so that it is known to be the same.
    tar -C "${stage%/*}" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=go=rX \
        -cf - "${stage##*/}" | gzip -n >"$(archive).new"
    mv "$(archive).new" "$(archive)"
    rm -rf "$stage"
}

build_release()
{
    step "build $VERSION"
    if [ -n "$SKIP_BUILD" ]; then
        [ -n "$DRY_RUN" ] || [ -f "$(archive)" ] || fail "--skip-build, but there is no $(archive)"
        say '   skipped'
        return 0
    fi
    case $VERSION in *-dirty) ;; *)
        if [ -z "$FORCE_REBUILD" ] && [ -f "$(archive)" ]; then
            say '   packed before'
            return 0
        fi
        ;;
    esac
    run make -C "$ROOT" deps-run
    run make -C "$ROOT" programs MODE=release "VERSION=$VERSION" "-j$(nproc)"
    run pack
}

# What the server is given: the release, and beside it what only the operator has.
setting_of() # name file: the last one counts
{
    sed -n "s/^\(export \)\{0,1\}$1=//p" "$2" | tail -n 1 | sed "s/^'\(.*\)'\$/\1/; s/^\"\(.*\)\"\$/\1/"
}

bundle()
{
    umask 077
    BUNDLE=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) # in memory: there are secrets in it
    trap 'rm -rf "$BUNDLE"' EXIT
    trap 'exit 1' HUP INT TERM
    [ -n "$CONFIG" ] || [ ! -f "$ROOT/aisha.env" ] || CONFIG=$ROOT/aisha.env
    if [ -n "$CONFIG" ]; then
        [ -r "$CONFIG" ] || fail "$CONFIG cannot be read"
        cp "$CONFIG" "$BUNDLE/settings"
        roots=$(setting_of CA_FILE "$CONFIG")
        [ -z "$roots" ] || cp "$roots" "$BUNDLE/ca.pem"
    fi
    [ -z "$CERTIFICATE" ] || cp "$CERTIFICATE" "$BUNDLE/cert.pem"
    [ -z "$CERTIFICATE_KEY" ] || cp "$CERTIFICATE_KEY" "$BUNDLE/key.pem"
    if [ -n "$DRY_RUN" ]; then # what the release would have of files that are compared
        mkdir "$BUNDLE/fcgi"
        cp -R "$ROOT/fcgi/systemd" "$ROOT/fcgi/operator.sh" "$BUNDLE/fcgi/"
        cp -R "$ROOT/nginx" "$BUNDLE/"
    else
        cp "$(archive)" "$BUNDLE/release.tar.gz"
    fi
    cp "$SELF" "$BUNDLE/deploy.sh"
    echo "$VERSION" >"$BUNDLE/VERSION"
}

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        command -v sudo >/dev/null || fail 'root or sudo is needed to install'
        sudo "$@"
    fi
}

# The words go through one more shell on the way, and none of them has anything in it for a shell.
there()
{
    # shellcheck disable=SC2029 # expanded here, on purpose
    ssh -o BatchMode=yes "$HOST" "$@"
}

send_and_install() # options
{
    if [ -z "$HOST" ]; then
        as_root sh "$BUNDLE/deploy.sh" --install "$BUNDLE" "$@"
        return
    fi
    step "send to $HOST"
    tar -C "$BUNDLE" -cf - . | there "umask 077
        place=\$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
        trap 'rm -rf \"\$place\"' EXIT
        tar -C \"\$place\" -xf - || exit
        as=; [ \"\$(id -u)\" = 0 ] || as=sudo
        \$as sh \"\$place/deploy.sh\" --install \"\$place\" $*"
}

deploy()
{
    read_version
    test_release
    build_release
    bundle
    set --
    [ -z "$SELF_SIGNED" ] || set -- "$@" --self-signed
    [ -z "$EMAIL" ] || set -- "$@" --email "$EMAIL"
    [ -z "$DRY_RUN" ] || set -- "$@" --dry-run
    send_and_install "$@"
}

# == on the server =============================================================

need_root()
{
    [ -n "$DRY_RUN" ] || [ "$(id -u)" = 0 ] || fail 'this has to be run by root'
    [ -n "$DRY_RUN" ] || [ -d /run/systemd/system ] || fail 'systemd does not run here, and it is what keeps the bot up'
}

# Settings in clear lie in memory alone, for as long as this takes.
make_work()
{
    umask 077
    folder=/run
    [ -w "$folder" ] || folder=${TMPDIR:-/tmp}
    WORK=$(mktemp -d "$folder/aisha-deploy.XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
    trap 'exit 1' HUP INT TERM
    umask 022
}

# Two at a time would each undo the other's steps.
lock()
{
    [ -z "$DRY_RUN" ] || return 0
    exec 9>/run/lock/aisha-deploy
    flock -n 9 || fail 'another deploy is under way on this server'
}

is_installed()
{
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -q '^installed$'
}

needed_packages()
{
    echo postgresql-15 redis-server nginx multiwatch sqitch libdbd-pg-perl openssl ca-certificates curl procps
    [ "$TLS_MODE" != certbot ] || echo certbot
    [ ! -f "$SOURCE/packages" ] || cat "$SOURCE/packages"
}

install_packages()
{
    step 'packages'
    missing=
    for package in $(needed_packages); do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    run apt-get -qq update
    # shellcheck disable=SC2086 # a list of names
    run apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 install $missing
}

# One user for each part, so that each is in PostgreSQL who it should be.
make_users()
{
    step 'users'
    getent group aisha >/dev/null || run groupadd --system aisha
    for user in aisha-bot aisha-worker aisha-backup; do
        getent passwd "$user" >/dev/null ||
            run useradd --system --gid aisha --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin "$user"
    done
}

# Sets SOURCE, the unpacked release, and RELEASE, the name it has on this server:
# other bytes under the same name, which a changed checkout makes, get a name of their own.
unpack_release()
{
    if [ -n "$DRY_RUN" ]; then
        SOURCE=$BUNDLE RELEASE=$(cat "$BUNDLE/VERSION")
        say "   would unpack the release $RELEASE into $HOME_DIR/releases"
        return 0
    fi
    digest=$(sha256sum "$BUNDLE/release.tar.gz" | cut -d' ' -f1)
    RELEASE=$(cat "$BUNDLE/VERSION")
    if [ -d "$HOME_DIR/releases/$RELEASE" ] && [ "$(cat "$HOME_DIR/releases/$RELEASE/.digest")" != "$digest" ]; then
        RELEASE=$RELEASE-$(printf %.8s "$digest")
    fi
    SOURCE=$HOME_DIR/releases/$RELEASE
    step "release $RELEASE"
    [ ! -d "$SOURCE" ] || return 0
    rm -rf "$HOME_DIR/releases/.new" # of one that was cut off
    mkdir -p "$HOME_DIR/releases/.new"
    chmod 755 "$HOME_DIR" "$HOME_DIR/releases"
    tar -C "$HOME_DIR/releases/.new" --strip-components=1 --no-same-owner -xzf "$BUNDLE/release.tar.gz"
    echo "$digest" >"$HOME_DIR/releases/.new/.digest"
    mv -T "$HOME_DIR/releases/.new" "$SOURCE"
}

# -- settings -------------------------------------------------------------------

can_encrypt()
{
    command -v systemd-creds >/dev/null && echo test | systemd-creds encrypt --name=test - - >/dev/null 2>&1
}

stored_settings()
{
    if [ -f "$ETC/aisha.env.cred" ]; then
        systemd-creds decrypt --name=aisha.env "$ETC/aisha.env.cred" -
    elif [ -f "$ETC/aisha.env" ]; then
        cat "$ETC/aisha.env"
    fi
}

# One line a name: the last one counts, and comments are left behind.
last_of_each()
{
    awk '{ sub(/^export /, "") }
         /^[A-Z][A-Z0-9_]*=/ { name = substr($0, 1, index($0, "=") - 1)
                               if (!(name in line)) order[++count] = name
                               line[name] = $0 }
         END { for (i = 1; i <= count; i++) print line[order[i]] }'
}

fill_in() { grep -q "^$1=" "$WORK/merged" || echo "$1=$2" >>"$WORK/merged"; } # name value
random_hex() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# A release refuses names that it does not know, and what is stored may have been
# given to another one: to one that had not dropped a setting yet, or, on the way
# back, to one that has more of them.
drop_unknown() # file
{
    [ -x "$SOURCE/bin/aisha" ] || return 0
    env DATABASE_URL="$OWNER_URL" "$SOURCE/bin/aisha" --env "$1" config check 2>&1 |
        sed -n 's/^.*:[0-9]*: \([A-Z0-9_]*\) is no setting.*/\1/p' >"$WORK/unknown"
    [ -s "$WORK/unknown" ] || return 0
    say "   left out, for this release does not know them: $(paste -sd' ' "$WORK/unknown")"
    sed 's/.*/^&=/' "$WORK/unknown" >"$WORK/patterns"
    grep -v -f "$WORK/patterns" "$1" >"$WORK/known" || true
    mv "$WORK/known" "$1"
}

# What was stored, over it what is given now, and below both what the server itself knows.
merge_settings()
{
    stored_settings >"$WORK/before"
    drop_unknown "$WORK/before"
    {
        cat "$WORK/before"
        [ ! -f "$BUNDLE/settings" ] || cat "$BUNDLE/settings"
    } | grep -v '^DATABASE_URL=\|^export DATABASE_URL=' | last_of_each >"$WORK/merged"
    [ -s "$WORK/merged" ] || fail 'there are no settings yet; --config names a file of them, "aisha config defaults" prints all'
    for name in TELEGRAM_WEBHOOK_SECRET CALLBACK_SECRET JWT_SECRET; do
        fill_in "$name" "$(random_hex)"
    done
    fill_in HTTPS_PORT 443
    fill_in REDIS_URL unix:///run/redis-aisha/redis-server.sock
    fill_in STATUS_DATABASE_URL "'postgresql://aisha_status@/aisha?host=/run/postgresql'"
    PUBLIC_URL=$(setting_of PUBLIC_URL "$WORK/merged")
    HTTPS_PORT=$(setting_of HTTPS_PORT "$WORK/merged")
    DOMAIN=${PUBLIC_URL#*://}
    DOMAIN=${DOMAIN%%/*}
    DOMAIN=${DOMAIN%%:*}
    : "${DOMAIN:=localhost}"
}

choose_certificate()
{
    TLS_MODE=
    [ ! -f "$ETC/tls/mode" ] || TLS_MODE=$(cat "$ETC/tls/mode")
    if [ -f "$BUNDLE/cert.pem" ]; then
        TLS_MODE=given
    elif [ -n "$SELF_SIGNED" ]; then
        TLS_MODE=self-signed
    elif [ -z "$TLS_MODE" ]; then
        case $DOMAIN in
        *[!0-9.]*.*) TLS_MODE=certbot ;; # a name; what is no name cannot be vouched for
        *) TLS_MODE=self-signed ;;
        esac
    fi
}

store_settings()
{
    step 'settings'
    # The programs read our own certificate, too, where nobody vouches for it.
    [ ! -f "$BUNDLE/ca.pem" ] || write "$ETC/ca-given.pem" 644 <"$BUNDLE/ca.pem"
    {
        if [ -f "$BUNDLE/ca.pem" ]; then cat "$BUNDLE/ca.pem"; elif [ -f "$ETC/ca-given.pem" ]; then cat "$ETC/ca-given.pem"; fi
        if [ "$TLS_MODE" = self-signed ] && [ -f "$ETC/tls/cert.pem" ]; then cat "$ETC/tls/cert.pem"; fi
    } >"$WORK/ca.pem"
    if [ -s "$WORK/ca.pem" ]; then
        write "$ETC/ca.pem" 644 <"$WORK/ca.pem"
        echo "CA_FILE=$ETC/ca.pem" >>"$WORK/merged"
    fi
    last_of_each <"$WORK/merged" >"$WORK/aisha.env"
    [ -n "$DRY_RUN" ] || env DATABASE_URL="$OWNER_URL" "$SOURCE/bin/aisha" --env "$WORK/aisha.env" config check >/dev/null ||
        fail 'the settings are wrong; what runs goes on as it is'
    stored_settings >"$WORK/stored" 2>/dev/null || true
    cmp -s "$WORK/aisha.env" "$WORK/stored" || keep_settings "$WORK/aisha.env"
}

keep_settings() # file
{
    SETTINGS_CHANGED=yes
    if [ -n "$DRY_RUN" ]; then
        say "   would write: $ETC/aisha.env, encrypted where systemd-creds can"
    elif can_encrypt; then
        mkdir -p "$ETC"
        systemd-creds encrypt --name=aisha.env "$1" "$ETC/aisha.env.cred"
        rm -f "$ETC/aisha.env"
        say "   wrote $ETC/aisha.env.cred"
    else
        write "$ETC/aisha.env" 600 <"$1"
        rm -f "$ETC/aisha.env.cred"
    fi
}


# -- the stores -----------------------------------------------------------------

# Who may be whom is decided by the socket: no role has a password.
peer_rules()
{
    cat <<'RULES'
# aisha: begin
local all postgres                                               peer map=aisha
local all aisha_owner,aisha_bot,aisha_worker,aisha_status        peer map=aisha
# aisha: end
RULES
}

peer_names()
{
    cat <<'NAMES'
# aisha: begin
aisha postgres     postgres
aisha root         postgres
aisha root         aisha_owner
aisha root         aisha_status
aisha aisha-bot    aisha_bot
aisha aisha-bot    aisha_status
aisha aisha-worker aisha_worker
aisha aisha-backup aisha_owner
# aisha: end
NAMES
}

without_ours() { sed '/^# aisha: begin$/,/^# aisha: end$/d' "$1" 2>/dev/null || true; } # file

configure_postgres()
{
    step 'PostgreSQL'
    cluster=/etc/postgresql/15/main
    [ -n "$DRY_RUN" ] || [ -d "$cluster" ] || run pg_createcluster 15 main
    forget_changes
    { peer_rules && without_ours "$cluster/pg_hba.conf"; } | write "$cluster/pg_hba.conf" 640 postgres
    { without_ours "$cluster/pg_ident.conf" && peer_names; } | write "$cluster/pg_ident.conf" 640 postgres
    if changed; then
        run chgrp postgres "$cluster/pg_hba.conf" "$cluster/pg_ident.conf"
        run systemctl enable -q postgresql
        run systemctl start postgresql
        run systemctl reload postgresql
    else
        run systemctl start postgresql
    fi
    [ -n "$DRY_RUN" ] || await 'PostgreSQL' psql -XAtq -d "$SERVER_URL" -c 'select 1'
}

# Of its own, beside whatever Redis the host has.
redis_conf()
{
    cat <<'REDIS'
# Redis of Aisha: /etc/redis/redis-aisha.conf. Made by deploy.sh; changes here are lost.
port 0
unixsocket /run/redis-aisha/redis-server.sock
unixsocketperm 770
pidfile /run/redis-aisha/redis-server.pid
dir /var/lib/redis/aisha
logfile ""
appendonly yes
appendfsync always
save ""
maxmemory 1gb
maxmemory-policy noeviction
REDIS
}

redis_dropin()
{
    cat <<'UNIT'
# The socket is for the group of Aisha's programs.
[Service]
Group=aisha
RuntimeDirectoryMode=2750
UNIT
}

configure_redis()
{
    step 'Redis'
    run install -d -o redis -g redis -m 750 /var/lib/redis/aisha
    forget_changes
    redis_conf | write /etc/redis/redis-aisha.conf 644
    redis_dropin | write /etc/systemd/system/redis-server@aisha.service.d/aisha.conf 644
    if changed; then
        run systemctl daemon-reload
        run systemctl enable -q redis-server@aisha
        run systemctl restart redis-server@aisha
    else
        run systemctl start redis-server@aisha
    fi
    [ -n "$DRY_RUN" ] || await 'Redis' redis-cli -s /run/redis-aisha/redis-server.sock --raw exists loaded
}

# -- the release's own ------------------------------------------------------------

operate() # address words: the command of the release that is being put in place
{
    address=$1
    shift
    env DATABASE_URL="$address" AISHA_PROGRAM="$SOURCE/bin/aisha" "$SOURCE/fcgi/operator.sh" "$@"
}

make_database()
{
    step 'database'
    if [ -n "$DRY_RUN" ]; then
        say '   would save the database, and bring it up to the release'
        return 0
    fi
    if [ "$(psql -XAtq -d "$SERVER_URL" -c "select 1 from pg_database where datname = 'aisha'")" != 1 ]; then
        createdb -h /run/postgresql -U postgres aisha
    fi
    operate "$SUPERUSER_URL" db status >"$WORK/status" 2>&1 || true
    grep -q 'Nothing to deploy' "$WORK/status" || migrate_database
    fill_styles
}

migrate_database()
{
    save_database
    operate "$SUPERUSER_URL" db migrate >"$WORK/migrate" 2>&1 || {
        cat "$WORK/migrate" >&2
        fail 'the migrations failed; what runs goes on as it is'
    }
    grep '^  + ' "$WORK/migrate" || true
}

# A database begins with the styles that come with the product; from then on they are the operator's.
fill_styles()
{
    [ "$(psql -XAtq -d "$SUPERUSER_URL" -c 'select exists (select from style_categories)')" = f ] || return 0
    operate "$SUPERUSER_URL" styles load
}

# One that is still empty needs no saving.
save_database()
{
    [ "$(psql -XAtq -d "$SUPERUSER_URL" -c "select to_regclass('public.users') is not null")" = t ] || return 0
    folder=/var/backups/aisha
    mkdir -p "$folder"
    chmod 700 "$folder"
    dump=$folder/$(date -u +%Y%m%dT%H%M%SZ)-before-$RELEASE.dump
    pg_dump -Fc -d "$SUPERUSER_URL" -f "$dump.new"
    mv "$dump.new" "$dump"
    say "   saved as $dump"
    # The names begin with the time.
    find "$folder" -name '*-before-*.dump' | sort -r | tail -n "+$((DUMPS_KEPT + 1))" | while read -r old; do
        rm -f "$old"
    done
}

encrypted_dropin()
{
    cat <<'UNIT'
[Service]
LoadCredential=
LoadCredentialEncrypted=aisha.env:/etc/aisha/aisha.env.cred
UNIT
}

# The one folder outside its cage that it may write to.
backup_dropin() # folder
{
    cat <<UNIT
[Service]
ReadWritePaths="-$1"
UNIT
}

open_backup_folder()
{
    backups=$(setting_of BACKUP_DIR "$WORK/merged")
    dropin=/etc/systemd/system/aisha-backup.service.d/20-folder.conf
    if [ -z "$backups" ]; then
        [ -f "$dropin" ] || return 0
        run rm -f "$dropin"
        : >"$WORK/changed"
        return 0
    fi
    backup_dropin "$backups" | write "$dropin" 644
    [ -d "$backups" ] || run install -d -o aisha-backup -g aisha -m 700 "$backups"
    [ -n "$DRY_RUN" ] || setpriv --reuid=aisha-backup --regid=aisha --clear-groups test -w "$backups" ||
        say "   the user aisha-backup may not write to $backups"
}

# From the release that is to run, also on the way back.
install_units()
{
    step 'units'
    forget_changes
    write /etc/systemd/system/aisha-bot.service 644 <"$SOURCE/fcgi/systemd/aisha-bot.service"
    ! changed || BOT_CHANGED=yes
    for unit in "$SOURCE"/fcgi/systemd/aisha*; do
        case $unit in
        *.tmpfiles) write /etc/tmpfiles.d/aisha.conf 644 <"$unit" ;;
        *) write "/etc/systemd/system/${unit##*/}" 644 <"$unit" ;;
        esac
    done
    for unit in aisha-bot aisha-worker@ aisha-backup; do
        dropin=/etc/systemd/system/$unit.service.d/10-encrypted.conf
        if [ -f "$ETC/aisha.env.cred" ]; then
            encrypted_dropin | write "$dropin" 644
        elif [ -f "$dropin" ]; then
            run rm -f "$dropin"
            : >"$WORK/changed"
        fi
    done
    open_backup_folder
    write /usr/local/sbin/aisha 755 <"$SOURCE/fcgi/operator.sh"
    if changed; then
        UNITS_CHANGED=yes
        run systemctl daemon-reload
    fi
}

# -- nginx and the certificate ------------------------------------------------------

self_sign()
{
    case $DOMAIN in
    *[!0-9.]*) names=DNS:$DOMAIN ;;
    *) names=IP:$DOMAIN ;;
    esac
    run mkdir -p "$ETC/tls"
    run openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 397 \
        -subj "/CN=$DOMAIN" -addext "subjectAltName=$names,IP:127.0.0.1,DNS:localhost" \
        -keyout "$ETC/tls/key.new" -out "$ETC/tls/cert.new" 2>/dev/null
    run chmod 600 "$ETC/tls/key.new"
    run chmod 644 "$ETC/tls/cert.new"
    # In the place of what is there, and not through a link of certbot's.
    run mv -T "$ETC/tls/key.new" "$ETC/tls/key.pem"
    run mv -T "$ETC/tls/cert.new" "$ETC/tls/cert.pem"
}

# What was made here before, and not one that the operator or certbot brought.
is_ours() { [ "$(cat "$ETC/tls/mode" 2>/dev/null)" = self-signed ]; }

# A certificate is good when it lasts for another month and is for this name.
is_signed()
{
    openssl x509 -checkend 2592000 -noout -in "$ETC/tls/cert.pem" >/dev/null 2>&1 || return 1
    openssl x509 -noout -ext subjectAltName -in "$ETC/tls/cert.pem" 2>/dev/null | tr ',' '\n' |
        grep -qxE " *(DNS|IP Address):$(printf '%s' "$DOMAIN" | sed 's/\./\\./g')"
}

# nginx must stand before anybody can be asked for a certificate, and needs one for that.
make_certificate()
{
    step "certificate ($TLS_MODE) for $DOMAIN"
    if [ "$TLS_MODE" = given ]; then
        if [ -f "$BUNDLE/cert.pem" ]; then
            write "$ETC/tls/cert.pem" 644 <"$BUNDLE/cert.pem"
            write "$ETC/tls/key.pem" 600 <"$BUNDLE/key.pem"
        fi
    elif [ "$TLS_MODE" = self-signed ] || [ ! -e "$ETC/tls/cert.pem" ]; then
        if ! is_ours || ! is_signed; then self_sign; fi
    fi
    echo "$TLS_MODE" | write "$ETC/tls/mode" 644
}

# Where certbot keeps them, they change by themselves.
ask_for_certificate()
{
    [ "$TLS_MODE" = certbot ] || return 0
    live=/etc/letsencrypt/live/$DOMAIN
    [ "$(readlink "$ETC/tls/cert.pem" || true)" != "$live/fullchain.pem" ] || return 0
    step "certificate by Let's Encrypt for $DOMAIN"
    set -- --register-unsafely-without-email
    [ -z "$EMAIL" ] || set -- --email "$EMAIL"
    run certbot certonly --non-interactive --agree-tos --keep-until-expiring --webroot \
        -w /var/lib/aisha-acme -d "$DOMAIN" "$@"
    run ln -sfn "$live/fullchain.pem" "$ETC/tls/cert.pem"
    run ln -sfn "$live/privkey.pem" "$ETC/tls/key.pem"
    run systemctl reload nginx
}

site_part() # file of the release
{
    sed -e "s|@SITE@|$ETC/nginx|g" -e "s|@DOMAIN@|$DOMAIN|g" -e "s|@HTTPS_PORT@|$HTTPS_PORT|g" \
        -e "s|@TLS@|$ETC/tls|g" -e 's|@ACME@|/var/lib/aisha-acme|g' \
        -e 's|@BOT_SOCKET@|/run/aisha/bot.sock|g' -e "s|@STATIC@|$HOME_DIR/current/static|g" \
        -e "s|@FASTCGI@|$ETC/nginx/fastcgi.conf|g" -e "s|@PAGES@|$ETC/nginx/pages.conf|g" "$1"
}

what_nginx_reads()
{
    cat "$ETC"/nginx/*.conf /etc/nginx/sites-available/aisha "$ETC/tls/cert.pem" "$ETC/tls/key.pem" 2>/dev/null | sha256sum
}

configure_nginx()
{
    step 'nginx'
    run install -d -m 755 /var/lib/aisha-acme
    for part in http server aisha fastcgi pages; do
        site_part "$SOURCE/nginx/$part.conf" | write "$ETC/nginx/$part.conf" 644
    done
    site_part "$SOURCE/nginx/site.conf.in" | write /etc/nginx/sites-available/aisha 644
    if [ -z "$DRY_RUN" ] && grep -rn '@[A-Z_]*@' "$ETC/nginx" /etc/nginx/sites-available/aisha; then
        fail 'a place in the files of nginx was left open'
    fi
    run ln -sfn ../sites-available/aisha /etc/nginx/sites-enabled/aisha
    run nginx -t -q
    run systemctl enable -q nginx
    # A reload closes connections that somebody may be about to use: not without need.
    if [ -z "$DRY_RUN" ] && ! systemctl is-active -q nginx; then
        run systemctl start nginx
    elif [ "$(what_nginx_reads)" != "$(cat "$ETC/nginx/loaded" 2>/dev/null)" ]; then
        run systemctl reload nginx
    fi
    [ -n "$DRY_RUN" ] || what_nginx_reads >"$ETC/nginx/loaded"
}

# -- switching ----------------------------------------------------------------------

await() # label command...
{
    label=$1
    shift
    tries=$((READY_SECONDS * 5))
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "$label does not answer after $READY_SECONDS s"
        sleep 0.2
    done
}

release_at() { readlink "$HOME_DIR/$1" 2>/dev/null | sed 's|.*/||'; } # current | previous

# A link is moved in one step: whoever follows it finds the one release or the other.
point() # link release
{
    run ln -sfn "releases/$2" "$HOME_DIR/$1.next"
    run mv -T "$HOME_DIR/$1.next" "$HOME_DIR/$1"
}

switch_to() # release
{
    step "switch to $1"
    running=$(release_at current)
    [ "$running" != "$1" ] || return 0
    RELEASE_CHANGED=yes
    [ -z "$running" ] || point previous "$running"
    point current "$1"
}

# The bot's socket is systemd's and stays open in every case. A changed unit
# needs a new pool; a changed release or setting only new processes in it.
start_processes()
{
    step 'processes'
    run systemctl enable -q aisha.target
    run systemctl start aisha-photo.socket aisha-sound.socket aisha-bot.socket
    if [ -z "$DRY_RUN" ] && ! systemctl is-active -q aisha-bot; then
        systemctl start aisha-bot
    elif [ -n "$BOT_CHANGED$SETTINGS_CHANGED" ]; then
        run systemctl restart aisha-bot
    elif [ -n "$RELEASE_CHANGED" ]; then
        run "$SOURCE/fcgi/roll.sh" "$(systemctl show -P MainPID aisha-bot 2>/dev/null)" /run/aisha-bot
    fi
    if [ -n "$UNITS_CHANGED$SETTINGS_CHANGED$RELEASE_CHANGED" ]; then
        restart_workers
    fi
    run systemctl start aisha.target
}

# One after the other: those that stay send while it drains. The target has two,
# and whoever wants more has started them by hand.
restart_workers()
{
    others=$(systemctl list-units --plain --no-legend 'aisha-worker@*.service' 2>/dev/null |
        sed -n 's/^\(aisha-worker@[^ ]*\)\.service .*/\1/p') || true
    for worker in $(printf '%s\n' aisha-worker@1 aisha-worker@2 "$others" | sort -u); do
        run systemctl restart "$worker"
    done
}

ask_site() # path
{
    curl -fsS -m 5 --noproxy '*' -k --resolve "$DOMAIN:$HTTPS_PORT:127.0.0.1" "https://$DOMAIN:$HTTPS_PORT$1"
}

answers_as() # version: of the release that is to run
{
    ask_site /health | grep -q "\"release\":\"$1\"" && ask_site /ready >/dev/null
}

# Ends with 1 where the release does not come up.
await_release()
{
    [ -z "$DRY_RUN" ] || return 0
    version=$(cat "$SOURCE/VERSION")
    tries=$((READY_SECONDS * 5))
    until answers_as "$version" 2>/dev/null; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.2
    done
    say "   $version answers"
}

# What the release that runs was given, without what the one of before does not know.
fit_settings()
{
    [ -z "$DRY_RUN" ] || return 0
    stored_settings >"$WORK/stored_now"
    cp "$WORK/stored_now" "$WORK/fitting"
    drop_unknown "$WORK/fitting"
    cmp -s "$WORK/fitting" "$WORK/stored_now" || keep_settings "$WORK/fitting"
}

go_back_to() # release
{
    SOURCE=$HOME_DIR/releases/$1
    fit_settings
    install_units
    configure_nginx
    switch_to "$1"
    start_processes || true # whether it answers is what counts
    await_release || fail "release $1 does not answer either; journalctl -u 'aisha-*' tells why"
}

# What came with the release that does not answer may be why it does not.
bring_settings_back()
{
    [ -n "$SETTINGS_CHANGED" ] && [ -s "$WORK/stored" ] || return 0
    say '   the settings are those of before again'
    keep_settings "$WORK/stored"
}

switch_or_go_back()
{
    old=$(release_at current) before=$(release_at previous)
    switch_to "$RELEASE"
    # A command that fails here is not the end: the release is asked whether it answers.
    if start_processes && await_release; then return 0; fi
    journalctl -q -n 20 --no-pager -u 'aisha-*' >&2 || true
    if [ -z "$old" ] || { [ "$old" = "$RELEASE" ] && [ -z "$SETTINGS_CHANGED" ]; }; then
        fail "release $RELEASE does not answer, and there is nothing to go back to"
    fi
    bring_settings_back
    go_back_to "$old"
    # What a rollback leads to is still what ran before that.
    if [ -n "$before" ]; then point previous "$before"; else rm -f "$HOME_DIR/previous"; fi
    fail "release $RELEASE does not answer; $old runs again as it did"
}

set_webhook()
{
    [ -n "$PUBLIC_URL" ] || return 0
    step 'webhook'
    set --
    # One that nobody vouches for is shown to Telegram.
    [ "$TLS_MODE" != self-signed ] || set -- --certificate "$ETC/tls/cert.pem"
    if [ -n "$DRY_RUN" ]; then
        say "   would run: aisha webhook set $*"
    else
        operate "$OWNER_URL" webhook set "$@" ||
            say "   Telegram could not be told; later: aisha webhook set $*"
    fi
}

report()
{
    step 'doctor'
    [ -n "$DRY_RUN" ] || operate "$OWNER_URL" webhook doctor || say '   something is wrong, see above'
}

prune_releases()
{
    step 'releases'
    [ -z "$DRY_RUN" ] || return 0
    kept=0
    # Newest first, by when they were unpacked.
    find "$HOME_DIR/releases" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %f\n' | sort -rn | cut -d' ' -f2- |
        while read -r name; do
            kept=$((kept + 1))
            case $name in
            "$(release_at current)" | "$(release_at previous)") ;;
            *) [ "$kept" -le "$RELEASES_KEPT" ] || rm -rf "${HOME_DIR:?}/releases/$name" ;;
            esac
        done
    for name in "$HOME_DIR"/releases/*; do
        name=${name##*/}
        mark=
        [ "$name" != "$(release_at current)" ] || mark=' (current)'
        [ "$name" != "$(release_at previous)" ] || mark=' (previous)'
        say "   $name$mark"
    done
}

install_release()
{
    need_root
    make_work
    lock
    unpack_release
    merge_settings
    choose_certificate
    install_packages
    make_users
    make_certificate
    store_settings
    configure_postgres
    configure_redis
    make_database
    install_units
    configure_nginx
    ask_for_certificate
    switch_or_go_back
    set_webhook
    report
    prune_releases
    step "done: $RELEASE"
}

# -- going back ------------------------------------------------------------------------

rollback()
{
    if [ -n "$HOST" ]; then
        there "as=; [ \"\$(id -u)\" = 0 ] || as=sudo; \$as $HOME_DIR/current/deploy.sh --rollback${DRY_RUN:+ --dry-run}"
        return
    fi
    if [ "$(id -u)" != 0 ] && [ -z "$DRY_RUN" ]; then
        as_root "$SELF" --rollback
        return
    fi
    need_root
    make_work
    lock
    target=$(release_at previous)
    if [ -z "$target" ] || [ ! -d "$HOME_DIR/releases/$target" ]; then
        fail 'there is no release to go back to'
    fi
    BUNDLE=$WORK
    merge_settings
    choose_certificate
    go_back_to "$target"
    report
    step "done: $target"
}

# -- renewing, for the timer --------------------------------------------------------------

renew()
{
    need_root
    make_work
    lock
    BUNDLE=$WORK SOURCE=$HOME_DIR/current
    merge_settings
    choose_certificate
    case $TLS_MODE in
    certbot) run certbot renew --quiet --deploy-hook 'systemctl reload nginx' ;;
    self-signed)
        is_signed && return 0
        self_sign
        store_settings
        run systemctl reload nginx
        restart_workers
        set_webhook
        ;;
    given) say 'the certificate is the operator'"'"'s own; nothing to renew' ;;
    esac
}

WORK='' SOURCE='' RELEASE='' BOT_CHANGED='' UNITS_CHANGED='' SETTINGS_CHANGED='' RELEASE_CHANGED=''
read_options "$@"
case $ACTION in
deploy) deploy ;;
install) install_release ;;
rollback) rollback ;;
renew) renew ;;
esac
