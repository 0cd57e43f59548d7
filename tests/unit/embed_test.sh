#!/bin/sh
# fcgi/embed.awk: what is compiled is to the byte what stood in the file, and
# mistakes are named with their place. Speaks TAP; run from the root.
set -u

root=$(pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/embed.XXXXXX")
trap 'rm -rf "$dir"' EXIT INT TERM
count=0

ok() { # description, then a command that must succeed
    count=$((count + 1))
    description=$1
    shift
    if "$@" >"$dir/said.$count" 2>&1; then
        echo "ok $count - $description"
    else
        echo "not ok $count - $description"
        sed 's/^/# /' "$dir/said.$count"
    fi
}

embed() { # kind, out, files
    kind=$1 out=$2
    shift 2
    ${AWK:-awk} -v kind="$kind" -v out="$out" -f "$root/fcgi/embed.awk" "$@"
}

says() { # wanted words, then a command that must fail
    wanted=$1
    shift
    if "$@" >"$dir/out" 2>"$dir/err"; then
        echo "it succeeded"
        return 1
    fi
    cat "$dir/err"
    [ ! -s "$dir/out" ] && grep -qF -- "$wanted" "$dir/err"
}

make_tables() {
    kind=$1 name=$2
    shift 2
    mkdir -p "$(dirname "$dir/gen/$name")" &&
        embed "$kind" h "$@" >"$dir/gen/$name.h" && embed "$kind" c "$@" >"$dir/gen/$name.c" &&
        ${CC:-cc} -std=gnu17 -Wall -Wextra -Werror -Wtrigraphs -I"$dir/gen" -I"$root/fcgi" \
            -I"$root" -I/usr/include/postgresql -c "$dir/gen/$name.c" \
            -o "$dir/$(basename "$name").o"
}

runs() {
    ${CC:-cc} -std=gnu17 -Wall -Wextra -Werror -I"$dir/gen" -I"$root/fcgi" -I"$root" \
        -I/usr/include/postgresql -o "$dir/program" "$dir/main.c" "$dir"/*.o && "$dir/program"
}

mkdir -p "$dir/sql" "$dir/lua" "$dir/ru" "$dir/en"

cat >"$dir/sql/avatar.sql" <<'END'
-- Everything about avatars.

-- :avatar_find
-- The owner comes first.
select id, name
from avatars
where user_id = $1 and name ~ '\d' and "kind" <> '??='

-- :avatar_create writes

insert into avatars (user_id) values ($1)
END
cat >"$dir/lua/turn_begin.lua" <<'END'
-- One trip.
local key = KEYS[1]

return redis.call('GET', "a\t\\" .. key)
END
cat >"$dir/ru/one.txt" <<'END'
Заметка для переводчика.
-- :avatar_created

✨ Аватар «{name}» создан.

Пришлите "фото" \ ещё??(

-- :only_ru
да
END
cat >"$dir/en/one.txt" <<'END'
-- :avatar_created
Avatar {name} was made.
END
cat >"$dir/main.c" <<'END'
#include "db/queries.h"
#include "db/scripts.h"
#include "handlers/texts.h"

static int same(const char *got, const char *want)
{
    if (got && strcmp(got, want) == 0) return 1;
    printf("got:\n%s\nwant:\n%s\n", got ? got : "NULL", want);
    return 0;
}

int main(void)
{
    const struct text_row *row = &text_table[T_avatar_created];
    return !(same(Q_avatar_find.name, "avatar_find")
             && same(Q_avatar_find.sql, "select id, name\nfrom avatars\nwhere user_id = $1 and "
                                        "name ~ '\\d' and \"kind\" <> '?" "?='")
             && !Q_avatar_find.writes && Q_avatar_create.writes
             && same(Q_avatar_create.sql, "insert into avatars (user_id) values ($1)")
             && same(SCRIPT_turn_begin.text, "-- One trip.\nlocal key = KEYS[1]\n\n"
                                             "return redis.call('GET', \"a\\t\\\\\" .. key)")
             && same(SCRIPT_turn_begin.name, "turn_begin") && !SCRIPT_turn_begin.sha[0]
             && TEXT_COUNT == 2 && LANGUAGE_COUNT == 2 && T_avatar_created < T_only_ru
             && same(row->name, "avatar_created")
             && same(row->text[LANG_ru], "✨ Аватар «{name}» создан.\n\n"
                                         "Пришлите \"фото\" \\ ещё?" "?(")
             && same(row->text[LANG_en], "Avatar {name} was made.")
             && !text_table[T_only_ru].text[LANG_en]);
}
END

ok "statements compile" make_tables sql db/queries "$dir"/sql/*.sql
ok "scripts compile" make_tables lua db/scripts "$dir"/lua/*.lua
ok "texts compile" make_tables text handlers/texts "$dir"/ru/*.txt "$dir"/en/*.txt
ok "a text that one language lacks is warned about" grep -q "only_ru.* is missing in en" "$dir/said.3"
ok "what was written arrives unchanged" runs

printf -- '-- :one\nselect 1\n\n-- :one\nselect 2\n' >"$dir/twice.sql"
ok "a name used twice is named with its place" \
    says "twice.sql:4: \`one\` stands already at $dir/twice.sql:1" embed sql c "$dir/twice.sql"
printf -- '-- :one\nselect 1\n' >"$dir/again.sql"
ok "also when it is in another file" \
    says "twice.sql:1: \`one\` stands already" embed sql c "$dir/again.sql" "$dir/twice.sql"
printf -- '-- :one write\nselect 1\n' >"$dir/misspelt.sql"
ok "a misspelt mark is named" says "misspelt.sql:1: this is no" embed sql c "$dir/misspelt.sql"
printf -- '-- :One\nselect 1\n' >"$dir/capital.sql"
ok "a bad name is named" says "capital.sql:1: \`One\` is no name" embed sql h "$dir/capital.sql"
printf 'select 1\n' >"$dir/nameless.sql"
ok "a statement without a name is named" says "nameless.sql:1: a statement" embed sql h "$dir/nameless.sql"
printf -- '-- :one\n\n-- :two\nselect 2\n' >"$dir/empty.sql"
ok "an empty block is named" says "empty.sql:1: \`one\` is empty" embed sql h "$dir/empty.sql"
ok "an unknown kind is refused" says "usage:" embed song h "$dir/twice.sql"
ok "texts stand in a folder of their language" says "a folder ru or en" embed text h "$dir/twice.sql"

echo "1..$count"
