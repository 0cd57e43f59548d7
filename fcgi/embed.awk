# embed.awk - turns SQL statements, Lua scripts and texts into C tables at build time.
#
#   awk -v kind=sql  -v out=h -f fcgi/embed.awk db/sql/*.sql > db/queries.h
#   awk -v kind=sql  -v out=c -f fcgi/embed.awk db/sql/*.sql > db/queries.c
#   awk -v kind=lua  -v out=h -f fcgi/embed.awk db/lua/*.lua > db/scripts.h
#   awk -v kind=lua  -v out=c -f fcgi/embed.awk db/lua/*.lua > db/scripts.c
#   awk -v kind=text -v out=h -f fcgi/embed.awk handlers/text/ru/*.txt handlers/text/en/*.txt > handlers/texts.h
#   awk -v kind=text -v out=c -f fcgi/embed.awk handlers/text/ru/*.txt handlers/text/en/*.txt > handlers/texts.c
#
# sql   Statements under `-- :name` or `-- :name writes` become `Q_name`. Lines
#       that are only a comment stay out of the statement.
# lua   One script a file becomes `SCRIPT_name` after the file.
# text  Texts under `-- :name` become `T_name` in `text_table`, in the order of
#       the names. The language is the folder, ru or en. Blank lines around a
#       text go, those inside stay. Lines before the first name are remarks.
#
# A text that one language lacks is NULL there and warned about, since a test
# fails on it. A name used twice or misspelt, a statement outside any name or an
# empty block is an error with file:line, and nothing is written. Works byte by
# byte, in mawk and gawk alike.

BEGIN {
    folder["sql"] = "db/queries.h"
    folder["lua"] = "db/scripts.h"
    folder["text"] = "handlers/texts.h"
    language_count = split("ru en", languages, " ")
    if (!(kind in folder) || (out != "h" && out != "c"))
        die("usage: awk -v kind=sql|lua|text -v out=h|c -f embed.awk FILE...")
}

{ sub(/\r$/, "") }

FNR == 1 { open_file() }

kind != "lua" && /^-- :/ { open_block(); next }

kind == "sql" && /^[ \t]*--/ { next }

{ add_line($0) }

END {
    if (has_failed) exit 1
    close_block()
    if (has_failed) exit 1
    sort_names()
    print "/* Made by fcgi/embed.awk; changes here are lost. */"
    if (out == "h") print "#pragma once"
    if (kind == "sql") write_sql()
    if (kind == "lua") write_lua()
    if (kind == "text") write_text()
}

# -- reading: blocks[language, name] holds the lines of one block --

function die(message) {
    print "embed.awk: " message > "/dev/stderr"
    has_failed = 1
    exit 1
}

function warn(message) {
    print "embed.awk: " message > "/dev/stderr"
}

function here() {
    return FILENAME ":" FNR ": "
}

function open_file(    parts, count, base) {
    close_block()
    count = split(FILENAME, parts, "/")
    base = parts[count]
    sub(/\.[^.]*$/, "", base)
    language = kind == "text" ? parts[count - 1] : ""
    if (kind == "text" && language != "ru" && language != "en")
        die(here() "texts stand in a folder ru or en")
    if (kind == "lua") start_block(base)
}

function open_block(    words, count) {
    close_block()
    count = split($0, words, " ")
    if (kind == "sql" && count == 3 && words[3] == "writes")
        start_block(substr(words[2], 2))
    else if (count == 2)
        start_block(substr(words[2], 2))
    else
        die(here() "this is no `-- :name`" (kind == "sql" ? " or `-- :name writes`" : ""))
    if (count == 3) writes[block] = 1
}

function start_block(name) {
    if (name !~ /^[a-z][a-z0-9_]*$/)
        die(here() "`" name "` is no name: a-z, 0-9 and _ only, a letter first")
    if ((language, name) in place)
        die(here() "`" name "` stands already at " place[language, name])
    if (!(name in is_known)) names[++name_count] = name
    is_known[name] = 1
    place[language, name] = FILENAME ":" FNR
    block = name
    body = ""
    blank_lines = ""
    first_line = here()
}

# Blank lines are held back until a line follows them, so none are left at the end.
function add_line(line) {
    if (block == "") {
        if (kind == "sql" && line !~ /^[ \t]*$/) die(here() "a statement without a name above it")
        return
    }
    sub(/[ \t]+$/, "", line)
    if (line == "") {
        if (body != "") blank_lines = blank_lines "\n"
        return
    }
    body = body (body == "" ? "" : "\n") blank_lines line
    blank_lines = ""
}

function close_block() {
    if (block == "") return
    if (body == "") die(first_line "`" block "` is empty")
    bodies[language, block] = body
    block = ""
}

# -- writing --

# Few hundred names: sorting by insertion is soon done, and mawk has no other.
function sort_names(    i, k, name) {
    for (i = 2; i <= name_count; i++) {
        name = names[i]
        for (k = i; k > 1 && names[k - 1] > name; k--) names[k] = names[k - 1]
        names[k] = name
    }
}

# By hand, because awks differ in what a backslash means to gsub().
function replace_all(text, from, to,    at, result) {
    while ((at = index(text, from)) > 0) {
        result = result substr(text, 1, at - 1) to
        text = substr(text, at + length(from))
    }
    return result text
}

# A C string literal for each line, which the compiler joins. `??` would begin a trigraph.
function literal(text, indent,    lines, count, i, line, result) {
    count = split(text, lines, "\n")
    for (i = 1; i <= count; i++) {
        line = replace_all(lines[i], "\\", "\\\\")
        line = replace_all(line, "\"", "\\\"")
        line = replace_all(line, "\t", "\\t")
        line = replace_all(line, "??", "?\\?")
        result = result (i > 1 ? "\n" indent : "") "\"" line (i < count ? "\\n" : "") "\""
    }
    return result
}

function write_sql(    i, name) {
    print out == "h" ? "#include \"db/db.h\"\n" : "#include \"" folder[kind] "\"\n"
    for (i = 1; i <= name_count; i++) {
        name = names[i]
        if (out == "h") {
            print "extern const struct query Q_" name ";"
            continue
        }
        print "const struct query Q_" name " = {"
        print "    .name = \"" name "\","
        print "    .writes = " (name in writes ? "true" : "false") ","
        print "    .sql = " literal(bodies["", name], "           ") ","
        print "};"
    }
}

function write_lua(    i, name) {
    print out == "h" ? "#include \"db/cache.h\"\n" : "#include \"" folder[kind] "\"\n"
    for (i = 1; i <= name_count; i++) {
        name = names[i]
        if (out == "h") {
            print "extern struct script SCRIPT_" name ";"
            continue
        }
        print "struct script SCRIPT_" name " = {"
        print "    .name = \"" name "\","
        print "    .text = " literal(bodies["", name], "            ") ","
        print "};"
    }
}

function write_text(    i, k) {
    if (out == "h") {
        print "\nenum text {"
        for (i = 1; i <= name_count; i++) print "    T_" names[i] ","
        print "    TEXT_COUNT\n};\n"
        printf "enum language {"
        for (k = 1; k <= language_count; k++) printf " LANG_%s,", languages[k]
        print " LANGUAGE_COUNT };\n"
        print "extern const struct text_row {"
        print "    const char *name;"
        print "    const char *text[LANGUAGE_COUNT];"
        print "} text_table[TEXT_COUNT];"
        return
    }
    print "#include <stddef.h>\n"
    print "#include \"" folder[kind] "\"\n"
    print "const struct text_row text_table[TEXT_COUNT] = {"
    for (i = 1; i <= name_count; i++) write_text_row(names[i])
    print "};"
}

function write_text_row(name,    k) {
    print "    [T_" name "] = {\"" name "\", {"
    for (k = 1; k <= language_count; k++) {
        if (!((languages[k], name) in bodies)) {
            warn("text `" name "` is missing in " languages[k])
            print "        [LANG_" languages[k] "] = NULL,"
            continue
        }
        print "        [LANG_" languages[k] "] = "
        print "            " literal(bodies[languages[k], name], "            ") ","
    }
    print "    }},"
}
