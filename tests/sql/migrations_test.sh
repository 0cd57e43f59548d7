#!/bin/sh
# migrations_test.sh - the migrations go up, all the way down and up again, and
# every statement of db/sql fits what they build.
#
# TEST_PG_ADMIN_URL names a server where databases may be made, for instance
# "host=/run/x dbname=postgres user=postgres". Works in a database of its own,
# which is gone afterwards.

set -eu

cd "$(dirname "$0")/../.."
admin_url=${TEST_PG_ADMIN_URL:?a libpq connection string of a superuser}
scratch=aisha_migrations_$$
url="$admin_url dbname=$scratch"
work=$(mktemp -d)
count=0

administer() { psql -XqAt -v ON_ERROR_STOP=1 -d "$admin_url" -c "$1" 2>>"$work/output"; }

clean_up()
{
    administer "drop database if exists $scratch with (force)" || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# Runs a command and turns its end into one line of TAP.
prove()
{
    name=$1
    shift
    count=$((count + 1))
    if "$@" >"$work/output" 2>&1; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' "$work/output"
    fi
}

# libpq splits the connection string for us; sqitch wants the parts in the environment.
parts()
{
    psql -XqAt -d "$url" <<'SQL'
\echo PGHOST=:HOST
\echo PGPORT=:PORT
\echo PGUSER=:USER
SQL
}

run_sqitch()
{
    (cd db && SQITCH_FULLNAME=Aisha SQITCH_EMAIL=aisha@localhost sqitch "$@" "db:pg:$scratch")
}

# What the migrations built, without the registry of sqitch.
# pg_dump frames its output with a token of the day.
keep() { pg_dump --schema-only --exclude-schema=sqitch -d "$url" | sed '/^.restrict /d; /^.unrestrict /d' >"$work/$1"; }
same() { diff "$work/$1" "$work/$2"; }
empty()
{
    left=$(psql -XqAt -d "$url" -c "
        select relname from pg_class where relnamespace = 'public'::regnamespace
        union all
        select proname from pg_proc where pronamespace = 'public'::regnamespace
        union all
        select typname from pg_type where typnamespace = 'public'::regnamespace")
    [ -z "$left" ] || { echo "$left"; false; }
}

# One file of SQL for each statement: its name is the file's.
split_statements()
{
    mkdir "$work/statements"
    awk -v folder="$work/statements" '
        /^-- :/ { file = folder "/" substr($2, 2); printf "prepare tested as\n" > file; next }
        /^--/   { next }
        file    { print > file }
    ' db/sql/*.sql
}

# Prepared as whoever runs it, and planned, which checks the rights to all of
# it. Values are left out: the plan is the one for any.
plan_as()
{
    role=$1
    statement=$2
    {
        echo "set role $role;"
        cat "$statement"
        echo ";"
        cat <<'SQL'
set plan_cache_mode = force_generic_plan;
select format('explain execute tested%s',
    case when cardinality(parameter_types) > 0
         then '(' || array_to_string(array_fill('null'::text, array[cardinality(parameter_types)]), ', ') || ')'
         else '' end)
from pg_prepared_statements where name = 'tested' \gexec
SQL
    } | psql -XqAt -v ON_ERROR_STOP=1 -d "$url"
}

# Each statement belongs to a program: to the bot, to the worker or to both, or
# it is the status page's or `aisha db report`'s, which only look. One is for
# the operator, who has the owner's rights.
plan()
{
    case $1 in
    */ledger_check_all) plan_as aisha_owner "$1" ;;
    *) plan_as aisha_bot "$1" || plan_as aisha_worker "$1" || plan_as aisha_status "$1" ;;
    esac
}

administer "create database $scratch template template0"
for part in $(parts); do
    export "${part?}"
done

prove "deploys on an empty database" run_sqitch deploy --verify
prove "verifies" run_sqitch verify
keep first
prove "reverts to nothing" run_sqitch revert -y
prove "leaves nothing behind" empty
prove "deploys again" run_sqitch deploy --verify
keep second
prove "builds the same again" same first second

split_statements
for statement in "$work"/statements/*; do
    prove "statement $(basename "$statement") fits the schema and a role" plan "$statement"
done

echo "1..$count"
