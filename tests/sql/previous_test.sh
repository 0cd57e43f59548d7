#!/bin/sh
# previous_test.sh - the release before this one runs on the schema of this one.
#
# While a deploy replaces processes, and after a rollback, programs of the
# release before speak to a database that is migrated already. Each of its
# statements is therefore planned on the new schema, as a role that it runs as;
# what no program may do any more, the operator's command may. The release
# before is PREVIOUS_RELEASE, else the last tag before this commit, else the tree
# before the newest migration.

set -eu

cd "$(dirname "$0")/../.."
url=${TEST_SCHEMA_URL:?a libpq connection string of a superuser to a database with the schema}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

previous()
{
    if [ -n "${PREVIOUS_RELEASE:-}" ]; then
        echo "$PREVIOUS_RELEASE"
    else
        git describe --tags --abbrev=0 HEAD^ 2>/dev/null ||
            git log -1 --format=%H^ -- db/sqitch.plan 2>/dev/null
    fi
}

release=$(previous || true)
if [ -z "$release" ] || ! git cat-file -e "$release:db/sql" 2>/dev/null; then
    echo '1..0 # SKIP no earlier release is known here'
    exit 0
fi

# One statement after the other, each with a word on whether it could be planned.
# Values are left out: the plan is the one for any.
script()
{
    git archive "$release" db/sql | tar -xOf - --wildcards '*.sql' | awk '
        function finish() {
            if (!name) return
            printf "%s", text > "/dev/stdout"
            print ";"
            print "select format($q$explain execute tested%s$q$, case when cardinality(parameter_types) > 0"
            print "    then $q$($q$ || array_to_string(array_fill($q$null$q$::text, array[cardinality(parameter_types)]), $q$, $q$) || $q$)$q$ else $q$$q$ end)"
            print "from pg_prepared_statements where name = $q$tested$q$ \\gexec"
            print "\\if :ERROR"
            print "\\else"
            print "\\echo planned " name
            print "\\endif"
            print "deallocate all;"
            name = ""
        }
        /^-- :/ { finish(); name = substr($2, 2); text = "prepare tested as\n"; next }
        /^--/   { next }
        name    { text = text $0 "\n" }
        END     { finish() }'
}

names() { git archive "$release" db/sql | tar -xOf - --wildcards '*.sql' | sed -n 's/^-- :\([a-z0-9_]*\).*/\1/p' | sort; }

script >"$work/script"
for role in aisha_bot aisha_worker aisha_status aisha_owner; do
    {
        echo "set role $role;"
        echo 'set plan_cache_mode = force_generic_plan;'
        cat "$work/script"
    } | psql -XqAt -d "$url" 2>>"$work/errors" | sed -n 's/^planned //p' >>"$work/planned"
done

count=0
for name in $(names); do
    count=$((count + 1))
    if grep -qx "$name" "$work/planned"; then
        echo "ok $count - $name of the release before fits the schema"
    else
        echo "not ok $count - $name of the release before fits the schema"
        grep -n ERROR "$work/errors" | sort -u | head -n 5 | sed 's/^/# /'
    fi
done
echo "1..$count"
