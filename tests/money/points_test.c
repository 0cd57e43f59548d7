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

enum { POINTS_MOST = 400, ENDS_MOST = 2 /* of a point, in different steps */ };

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

/* All that moves coins: it is one of the ledger's own, or calls what does. */
static const char money_functions[] =
    "with recursive moving as ("
    " select p.oid, p.proname, p.prosrc, p.prolang from pg_proc p"
    " where p.pronamespace = 'public'::regnamespace"
    " and p.prosrc ~ 'insert into ledger_(transfers|entries)'"
    " and p.prorettype <> 'trigger'::regtype"
    " union"
    " select p.oid, p.proname, p.prosrc, p.prolang from pg_proc p, moving m"
    " where p.pronamespace = 'public'::regnamespace and p.prosrc ~ ('\\m' || m.proname || '\\('))"
    " select m.proname, pg_get_functiondef(m.oid) from moving m"
    " join pg_language l on l.oid = m.prolang and l.lanname = 'plpgsql'"
    " order by m.proname";

/* Behind these nothing is ever reached, so there is no point. */
static bool is_last_words(str statement)
{
    statement = str_trim(statement);
    if (str_starts(statement, S("return next")) || str_starts(statement, S("return query")))
        return false;
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

/* What is there before: codes of each kind, an order, payments of somebody who was erased, and a third
 * person who is about to be: coins, a training at FAL, and an order that is not. */
static const char things[] =
    "insert into promo_codes (code, type, balance_amount, bonus_amount, discount_percent,"
    " max_uses_per_user, valid_from, valid_until, created_by)"
    " values ('GIFT', 'balance', 50, null, null, 1, null, null, 'test'),"
    " ('MORE', 'bonus', null, 20, null, 1, null, null, 'test'),"
    " ('PART', 'percent', null, null, 10, 1, null, null, 'test'),"
    " ('EARLY', 'balance', 50, null, null, 1, now() + interval '1 day', null, 'test'),"
    " ('LATE', 'balance', 50, null, null, 1, null, now() - interval '1 day', 'test');"
    "insert into promo_tries (user_id, since, wrong)"
    " select id, now(), 10 from users order by id limit 1 offset 1;"
    "insert into payment_orders (id, user_id, coins, stars)"
    " select '00000000-0000-4000-8000-0000000000aa', min(id), 250, 180 from users;"
    "insert into payments (id, charge_id, currency, stars, coins, payload, state)"
    " values (gen_random_uuid(), 'gone', 'XTR', 5, 5, 'x', 'credited'),"
    " (gen_random_uuid(), 'going', 'XTR', 5, 5, 'x', 'refunding');"
    "insert into erasures (id, user_id, telegram_id, language)"
    " select '00000000-0000-4000-8000-0000000000e1', max(id), 3, 'en' from users;"
    "insert into avatars (id, user_id, name, training_type, status, training_started_at)"
    " select '00000000-0000-4000-8000-0000000000a1', max(id), 'Vase', 'object', 'training', now()"
    " from users;"
    "insert into avatar_trainings (id, avatar_id, user_id, chat_id, language, training_type,"
    " source_model, preset, price, photos_count, status)"
    " select '00000000-0000-4000-8000-0000000000b1', '00000000-0000-4000-8000-0000000000a1', max(id),"
    " 3, 'en', 'object', 'm', 'fast', 150, 10, 'processing' from users;"
    "select ledger_credit(max(id), 'gift:3', 200, 'promo', 'welcome') from users;"
    "select ledger_hold(max(id), 'training:b1', 150, '00000000-0000-4000-8000-0000000000b1', 'avatar')"
    " from users;"
    "select ledger_hold(max(id), 'order:5', 20, null, 'image') from users";

/* One after another these go through everything that the functions can do without a mistake. */
// NOLINTBEGIN(bugprone-suspicious-missing-comma): some steps take two lines
static const char *const steps[] = {
    "ledger_credit(ASYA, 'gift', 100, 'promo', 'welcome')",
    "ledger_credit(ASYA, 'gift', 100, 'promo', 'welcome')",
    "ledger_hold(ASYA, 'order:1', 30, '00000000-0000-4000-8000-000000000001', 'image')",
    "ledger_capture('order:1')",
    "ledger_capture('order:1')",
    "ledger_hold(ASYA, 'order:2', 30, null, 'image')",
    "ledger_capture('order:2', 10)",
    "ledger_release('order:2')",
    "ledger_hold(ASYA, 'order:3', 30, null, 'image')",
    "ledger_release_for('order:3', 'timeout')",
    "ledger_debit(ASYA, 'correction:1', 10, 'adjustment', 'operator')",
    "promo_apply(ASYA, 'gift', now())", /* 50 + 50 */
    "promo_apply(ASYA, 'gift', now())",
    "promo_apply(ASYA, 'early', now())",
    "promo_apply(ASYA, 'late', now())",
    "promo_apply(PETYA, 'gift', now())", /* has guessed too often */
    "promo_apply(ASYA, 'more', now())",
    "promo_apply(ASYA, 'more', now())",
    "promo_apply(ASYA, 'part', now())",
    "payment_take(gen_random_uuid(), ASYA, 'c1', '00000000-0000-4000-8000-0000000000aa',"
    " 'XTR', 180, 0)", /* + 250 */
    "payment_take(gen_random_uuid(), ASYA, 'c1', '00000000-0000-4000-8000-0000000000aa',"
    " 'XTR', 180, 0)",
    "promo_spend(ASYA, (select id from promo_code_usages where state = 'waiting'),"
    " (select id from payments where charge_id = 'c1'), 250, now())", /* + 25 */
    "promo_spend(ASYA, (select id from promo_code_usages where bonus_added > 0),"
    " (select id from payments where charge_id = 'c1'), 250, now())",
    "promo_spend(ASYA, gen_random_uuid(), gen_random_uuid(), 250, now())",
    "payment_add_bonus((select id from payments where charge_id = 'c1'), 25)",
    "payment_take(gen_random_uuid(), ASYA, 'c2', 'x', 'XTR', 340, 500)", /* + 500 */
    "payment_take(gen_random_uuid(), ASYA, 'c3', 'x', 'XTR', 1, 0)",
    "payment_take(gen_random_uuid(), ASYA, 'c4', 'x', 'USD', 1, 0)",
    "ledger_hold(ASYA, 'order:4', 675, null, 'avatar')", /* 200 are left */
    "payment_refund('nothing', false)",
    "payment_refund('gone', true)",
    "payment_refund('c1', false)",
    "payment_refund('c1', true)", /* - 200, and 75 of the shop's */
    "payment_refund('c1', true)",
    "payment_refund_failed((select id from payments where charge_id = 'c1'), 'no')", /* + 200 */
    "payment_refund_failed((select id from payments where charge_id = 'c1'), 'no')",
    "payment_refund_failed((select id from payments where charge_id = 'going'), 'no')",
    "payment_refund('c1', true)", /* - 200 */
    "payment_refund_done((select id from payments where charge_id = 'c1'))",
    "ledger_release('order:4')", /* + 675 */
    "payment_refund_seen('c2')", /* - 500 */
    "payment_refund_seen('c2')",
    "payment_refund_seen('nothing')",
    "payment_refund('c3', false)",
    "payment_refund_seen('c3')",
    "promo_spend(ASYA, (select id from promo_code_usages where state = 'returned'),"
    " gen_random_uuid(), 250, now())", /* + 20, promised by an invoice */
    "person_erase('00000000-0000-4000-8000-0000000000e1', 'images', 'avatars')",
    "person_erase('00000000-0000-4000-8000-0000000000e1', 'images', 'avatars')",
};
// NOLINTEND(bugprone-suspicious-missing-comma)
enum { COINS_LEFT = 675 - 500 + 20 };

/* All that there is in any table, as one text. */
static const char everything[] =
    "select md5(string_agg(tablename || query_to_xml(format('select * from %I t order by t::text',"
    " tablename), true, true, '')::text, '' order by tablename))"
    " || ' ' || (select count(*) from ledger_check())"
    " from pg_tables where schemaname = 'public'";

static void read_all(char out[64])
{
    PGresult *row = must(base.database, everything);
    snprintf(out, 64, "%s", PQgetvalue(row, 0, 0));
    PQclear(row);
    assert_string_equal(strchr(out, ' '), " 0"); /* and the check finds nothing */
}

static PGresult *call(PGconn *client, const char *step)
{
    char sql[400];
    const char *at = strstr(step, "ASYA"), *other = strstr(step, "PETYA");
    if (!at && !other) {
        snprintf(sql, sizeof sql, "select %s", step);
        return PQexec(client, sql);
    }
    int begin = (int)((at ? at : other) - step);
    snprintf(sql, sizeof sql, "select %.*s%" PRId64 "%s", begin, step, base.people[at ? 0 : 1],
             at ? at + strlen("ASYA") : other + strlen("PETYA"));
    return PQexec(client, sql);
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
    PGconn *client = base_connect("aisha_owner");
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
    PGconn *client = base_connect("aisha_owner");
    char sql[128];
    snprintf(sql, sizeof sql, "set money.end_at = '%s'", point);
    do_sql(client, sql);
    PGresult *answer = call(client, step);
    assert_non_null(strstr(PQerrorMessage(client), "terminating connection")); /* at that point */
    PQclear(answer);
    PQfinish(client);
}

/* Ended at each of its points, where enough have not been, a step leaves nothing, and then it does what it would have done. */
static int end_everywhere(const char *step, int *hits)
{
    int ends = 0;
    char before[64], after[64];
    hear_points(step);
    read_all(before);
    for (int i = 0; i < point_count; i++) {
        if (!is_hit[i] || hits[i] == ENDS_MOST)
            continue;
        end_at(step, points[i]);
        read_all(after);
        assert_string_equal(before, after);
        hits[i]++;
        ends++;
    }
    PGconn *client = base_connect("aisha_owner");
    PGresult *answer = call(client, step);
    assert_int_equal(PQresultStatus(answer), PGRES_TUPLES_OK);
    PQclear(answer);
    PQfinish(client);
    return ends;
}

static void nothing_is_left_of_what_was_ended(void **state)
{
    (void)state;
    static int hits[POINTS_MOST];
    int ends = 0;
    base_make(3);
    do_sql(base.database, things);
    put_points();
    for (int i = 0; i < (int)ARRAY_LEN(steps); i++)
        ends += end_everywhere(steps[i], hits);
    printf("# %d points, ended at %d times\n", point_count, ends);

    int missed = 0;
    for (int i = 0; i < point_count; i++)
        if (!hits[i]) {
            printf("# nothing came to %s\n", points[i]);
            missed++;
        }
    assert_int_equal(missed, 0);
    PGresult *coins = must(base.database,
                           "select balance, held from ledger_balance((select min(id) from users))");
    assert_int_equal(number_at(coins, 0, 0), COINS_LEFT);
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
