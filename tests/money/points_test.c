/*
 * The server loses a client at every statement of every function that moves
 * coins. The functions are found in the schema, and a point is put behind each
 * of their statements; at each point in turn the backend is ended in the
 * middle of what it does. Nothing of it may be left, and the same done again
 * must do it once.
 */
#include "core/core.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

#include "tests/money/ground.h"

enum { POINTS_MOST = 400, STEPS_MOST = 64 };

static char *points[POINTS_MOST]; /* "ledger_post:7" */
static bool is_hit[POINTS_MOST];
static int point_count;

/* ---------------------------------------------------------------- putting points in */

/* What a point does is decided by the session: it is told, or it is the end. It stands in an assert,
 * which leaves what the statement before it has FOUND. */
static const char point_function[] =
    "create function money_point(p_name text) returns boolean language plpgsql security definer as $$ begin"
    " if current_setting('money.end_at', true) = p_name then"
    "   perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(60);"
    " elsif current_setting('money.is_told', true) = 'yes' then raise notice '%', p_name;"
    " end if; return true; end $$;"
    "grant execute on function money_point to public";

/* All that moves coins: it is one of the ledger's own, or calls one of them. */
static const char money_functions[] =
    "select p.proname, pg_get_functiondef(p.oid) from pg_proc p"
    " join pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql'"
    " where p.pronamespace = 'public'::regnamespace and p.provolatile = 'v'"
    " and p.prorettype <> 'trigger'::regtype"
    " and p.prosrc ~ 'ledger_(post|settle|hold|capture|release|credit|debit)\\M|into ledger_'"
    " order by p.proname";

/* Behind these nothing is ever reached, so there is no point. */
static bool is_last_words(str statement)
{
    statement = str_trim(statement);
    return str_starts(statement, S("return ")) || str_starts(statement, S("return;")) ||
           str_starts(statement, S("raise"));
}

/* A statement begins behind the end of the last one, or behind the words that open a block. */
static str begin_of_statement(str line, str so_far)
{
    static const char *const openers[] = {"begin", "then", "else", "loop"};
    str trimmed = str_trim(line);
    for (size_t i = 0; i < ARRAY_LEN(openers); i++)
        if (str_ends(trimmed, str_from(openers[i])))
            return S("");
    return str_empty(str_trim(so_far)) ? line : so_far;
}

/* House style ends a statement with its line, so a line that ends in ";" ends one. */
static str with_points(struct arena *a, const char *name, str definition)
{
    struct buf b = buf_new(a);
    str line, rest = definition, statement = S("");
    bool is_inside = false;
    int number = 0;
    while (!str_empty(rest)) {
        if (!str_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = S("");
        }
        buf_add(&b, line);
        buf_add_char(&b, '\n');
        is_inside = is_inside || str_eq(line, S("begin"));
        statement = begin_of_statement(line, statement);
        if (!is_inside || !str_ends(str_trim(line), S(";")))
            continue;
        if (!is_last_words(statement)) {
            points[point_count] = strdup(cstr(a, str_printf(a, "%s:%d", name, ++number)));
            buf_addf(&b, "assert money_point('%s');\n", points[point_count++]);
            assert_true(point_count < POINTS_MOST);
        }
        statement = S("");
    }
    return buf_str(&b);
}

static void put_points(void)
{
    do_sql(base.database, point_function);
    PGresult *functions = must(base.database, money_functions);
    for (int i = 0; i < PQntuples(functions); i++) {
        const char *name = PQgetvalue(functions, i, 0);
        str with = with_points(base.arena, name, str_from(PQgetvalue(functions, i, 1)));
        do_sql(base.database, cstr(base.arena, with));
    }
    PQclear(functions);
}

/* ---------------------------------------------------------------- what is done */

/* One after another these go through everything that the functions can do without a mistake. */
static const char *const steps[STEPS_MOST] = {
    "ledger_credit($1, 'gift', 100, 'promo', 'welcome')",
    "ledger_credit($1, 'gift', 100, 'promo', 'welcome')",
    "ledger_hold($1, 'order:1', 30, '00000000-0000-4000-8000-000000000001', 'image')",
    "ledger_capture('order:1')",
    "ledger_capture('order:1')",
    "ledger_hold($1, 'order:2', 30, null, 'image')",
    "ledger_capture('order:2', 10)",
    "ledger_release('order:2')",
    "ledger_hold($1, 'order:3', 30, null, 'image')",
    "ledger_release('order:3')",
    "ledger_credit($1, 'payment:1', 60, 'stars', 'stars')",
    "ledger_debit($1, 'refund:1', 60, 'stars', 'refund')",
};

/* All that there is of coins, as one text. */
static const char everything[] =
    "select md5(concat("
    "(select string_agg(t::text, ';' order by t.id) from ledger_transfers t),"
    "(select string_agg(e::text, ';' order by e.transfer_id, e.account_id) from ledger_entries e),"
    "(select string_agg(a::text, ';' order by a.id) from ledger_accounts a)))"
    " || ' ' || (select count(*) from ledger_check())";

static void read_all(char out[64])
{
    PGresult *row = must(base.database, everything);
    snprintf(out, 64, "%s", PQgetvalue(row, 0, 0));
    PQclear(row);
    assert_string_equal(strchr(out, ' '), " 0"); /* and the check finds nothing */
}

static const char *person_id(void)
{
    static char text[24];
    snprintf(text, sizeof text, "%" PRId64, base.people[0]);
    return text;
}

static PGresult *call(PGconn *client, const char *step)
{
    char sql[300];
    bool has_person = strstr(step, "$1");
    const char *const values[] = {person_id()};
    const Oid types[] = {20};
    snprintf(sql, sizeof sql, "select %s", step);
    return PQexecParams(client, sql, has_person, types, values, NULL, NULL, 0);
}

static void note_point(void *owner, const char *message)
{
    (void)owner;
    for (int i = 0; i < point_count; i++) {
        size_t length = strlen(points[i]);
        const char *at = strstr(message, points[i]);
        if (at && at[length] == '\n')
            is_hit[i] = true;
    }
}

/* The points that a step comes to; it is taken back. */
static void hear_points(const char *step)
{
    PGconn *client = base_connect("aisha_worker");
    memset(is_hit, 0, sizeof is_hit);
    do_sql(client, "set money.is_told = 'yes'");
    PQsetNoticeProcessor(client, note_point, NULL);
    do_sql(client, "begin");
    PGresult *answer = call(client, step);
    if (PQresultStatus(answer) != PGRES_TUPLES_OK)
        bail_out(step, PQerrorMessage(client));
    PQclear(answer);
    do_sql(client, "rollback");
    PQfinish(client);
}

static void end_at(const char *step, const char *point)
{
    PGconn *client = base_connect("aisha_worker");
    char sql[128];
    snprintf(sql, sizeof sql, "set money.end_at = '%s'", point);
    do_sql(client, sql);
    PGresult *answer = call(client, step);
    assert_non_null(strstr(PQerrorMessage(client), "terminating connection")); /* at that point */
    PQclear(answer);
    PQfinish(client);
}

/* Ended at each of its points a step leaves nothing, and then it does what it would have done. */
static int end_everywhere(const char *step, bool *is_ever_hit)
{
    int ends = 0;
    char before[64], after[64];
    hear_points(step);
    read_all(before);
    for (int i = 0; i < point_count; i++) {
        if (!is_hit[i])
            continue;
        end_at(step, points[i]);
        read_all(after);
        assert_string_equal(before, after);
        is_ever_hit[i] = true;
        ends++;
    }
    PGconn *client = base_connect("aisha_worker");
    PGresult *answer = call(client, step);
    assert_int_equal(PQresultStatus(answer), PGRES_TUPLES_OK);
    PQclear(answer);
    PQfinish(client);
    return ends;
}

static void nothing_is_left_of_what_was_ended(void **state)
{
    (void)state;
    static bool is_ever_hit[POINTS_MOST];
    int ends = 0;
    base_make(1);
    put_points();
    for (int i = 0; i < STEPS_MOST && steps[i]; i++)
        ends += end_everywhere(steps[i], is_ever_hit);
    printf("# %d points, ended at %d times\n", point_count, ends);

    int missed = 0;
    for (int i = 0; i < point_count; i++)
        if (!is_ever_hit[i]) {
            printf("# nothing came to %s\n", points[i]);
            missed++;
        }
    assert_int_equal(missed, 0);
    PGresult *coins = must(base.database,
                           "select balance, held from ledger_balance((select min(id) from users))");
    assert_int_equal(number_at(coins, 0, 0), 100 - 30 - 10);
    assert_int_equal(number_at(coins, 0, 1), 0);
    PQclear(coins);
    base_drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_of_what_was_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
