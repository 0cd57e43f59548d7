/* The HTML of the status page: numbers, escaping, what is of concern. Rows are made by hand. */
#include "core/numbers.h"
#include "status/page.h"

#include "tests/unit/with_arena.h"

#undef fail

enum { NOW_MS = 1795252057 };

static void assert_text(str got, const char *want)
{
    assert_string_equal(cstr(a, got), want);
}

static bool holds(str text, const char *part)
{
    size_t position;
    return str_find(text, str_from(part), &position);
}

/* ---------------------------------------------------------------- numbers */

static void durations_are_short(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = {
        {-5,        "0 ms"       },
        {0,         "0 ms"       },
        {999,       "999 ms"     },
        {1000,      "1 s"        },
        {59999,     "59 s"       },
        {60000,     "1 min"      },
        {3599999,   "59 min"     },
        {3600000,   "1 h"        },
        {7500000,   "2 h 5 min"  },
        {86399999,  "23 h 59 min"},
        {86400000,  "1 d"        },
        {367200000, "4 d 6 h"    },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_text(number_duration(a, rows[i].ms), rows[i].want);
}

static void dollars_have_cents(void **state)
{
    (void)state;
    static const struct {
        int64_t microdollars;
        const char *want;
    } rows[] = {
        {0,                    "$0.00"          },
        {4999,                 "$0.00"          },
        {5000,                 "$0.01"          },
        {35000,                "$0.04"          },
        {999999,               "$1.00"          },
        {8120000,              "$8.12"          },
        {INT64_C(12345670000), "$12\u202f345.67"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_text(number_dollars(a, rows[i].microdollars), rows[i].want);
}

static void sizes_have_units(void **state)
{
    (void)state;
    static const struct {
        int64_t bytes;
        const char *want;
    } rows[] = {
        {0,                   "0 B"     },
        {1023,                "1023 B"  },
        {1024,                "1.0 KiB" },
        {1677722,             "1.6 MiB" },
        {20971520,            "20 MiB"  },
        {INT64_C(5) << 40,    "5.0 TiB" },
        {INT64_C(5000) << 40, "5000 TiB"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_text(number_size(a, rows[i].bytes), rows[i].want);
}

static void digits_stand_in_groups(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        const char *want;
    } rows[] = {
        {0,         "0"                                                            },
        {999,       "999"                                                          },
        {1000,      "1\u202f000"                                                   },
        {1234567,   "1\u202f234\u202f567"                                          },
        {-100,      "\u2212100"                                                    },
        {-20000,    "\u221220\u202f000"                                            },
        {INT64_MIN, "\u22129\u202f223\u202f372\u202f036\u202f854\u202f775\u202f808"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_text(number_grouped(a, rows[i].n), rows[i].want);
}

static void times_are_utc(void **state)
{
    (void)state;
    assert_text(number_time(a, 0), "1 Jan 00:00:00");
    assert_text(number_time(a, INT64_C(1795250770999)), "21 Nov 08:46:10");
}

/* ---------------------------------------------------------------- pages */

static void clear_result(void *result)
{
    PQclear(result);
}

/* names and cells are separated by |; rows by newlines; an empty cell is NULL. */
static struct rows rows_of(const char *names, const char *cells)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    arena_defer(a, clear_result, result);
    PGresAttDesc columns[16] = {0};
    int column_count = 0, row_count = 0;
    str left = str_from(names), piece, line;
    while (!str_empty(left)) {
        str_cut(left, '|', &piece, &left);
        char *name = NEW_ARRAY(a, char, piece.len + 1);
        memcpy(name, piece.ptr, piece.len);
        columns[column_count++].name = name;
    }
    assert_true(PQsetResultAttrs(result, column_count, columns));
    for (left = str_from(cells); !str_empty(left); row_count++) {
        str_cut(left, '\n', &line, &left);
        for (int i = 0; i < column_count; i++) {
            str_cut(line, '|', &piece, &line);
            char *value = NEW_ARRAY(a, char, piece.len + 1);
            memcpy(value, piece.ptr, piece.len);
            assert_true(PQsetvalue(result, row_count, i, piece.len ? value : NULL,
                                   piece.len ? (int)piece.len : -1));
        }
    }
    return (struct rows){row_count, result};
}

#define PARTY_COLUMNS  "name|is_ok|ok_at_ms|failed_at_ms|error"
#define TOTALS_COLUMNS "kind|accounts|balance|made_ms_ago"
#define CHECK_COLUMNS  "problems|first_problem|made_ms_ago"
#define WORKER_COLUMNS "name|host|pid|release|lanes|started_at_ms|silent_ms"

static struct figures calm_figures(void)
{
    return (struct figures){
        .now_ms = NOW_MS,
        .release = S("v1"),
        .redis = {.ping_ms = 0.2, .used_bytes = 1 << 20, .is_durable = true},
        .database = rows_of("version|size_bytes|connections|most_connections",
                            "15.20|9305447|7|100"),
        .workers = rows_of(WORKER_COLUMNS, "one|h|1|v1|send,fal|1000|900"),
        .parties = rows_of(PARTY_COLUMNS, "fal|t|1000||\ntelegram|t|1000|500|old trouble"),
        .lanes = rows_of("lane|queued|due|oldest_ms|running|dead",
                         "send|3|1|500|1|0\nfal|0|0|0|0|0"),
        .orders = rows_of("ordered|completed|failed|median_seconds|p95_seconds|images|open",
                          "7|6|1|8.25|12.5|9|0"),
        .hours = rows_of("hour_ms|images", "0|0\n3600000|5\n7200000|10"),
        .totals = rows_of(TOTALS_COLUMNS, "user|2|900|9000\nheld|2|100|9000\npromo|1|-1000|9000"),
        .users = rows_of("everybody|new_today|blocked|unreachable", "2|1|0|0"),
        .parked_count = rows_of("parked|parked_today", "0|0"),
        .check = rows_of(CHECK_COLUMNS, "0||3000"),
    };
}

static str page_of(const struct figures *figures)
{
    return page_status(a, figures, &(struct page_reader){1001, S("c5f"), S("")});
}

static void a_calm_page_has_no_concerns(void **state)
{
    (void)state;
    struct figures figures = calm_figures();
    str page = page_of(&figures);
    assert_true(holds(page, "<h1>Everything works</h1>"));
    assert_false(holds(page, "class=\"badge down\""));
    assert_false(holds(page, "class=\"badge late\""));
    assert_true(holds(page, "8.2 s"));
    assert_true(holds(page, "name=\"csrf\" value=\"c5f\""));
    assert_true(holds(page, "<title>02:00 UTC: 10</title>"));
    assert_true(holds(page, "height=\"50.00\"><title>01:00 UTC: 5</title>"));
}

static struct figures figures_of_spend(const char *today, int64_t limit_microdollars)
{
    struct figures f = calm_figures();
    f.spend = rows_of("spent|under_way", today);
    f.spend_kinds = rows_of("kind|calls|microdollars", "fal-ai/flux-lora|12|420000\n<b>|1|7000000");
    f.spend_lately = rows_of("day|calls|microdollars", "20 Nov|3|150000");
    f.spend_limit_microdollars = limit_microdollars;
    return f;
}

static void the_day_is_held_against_its_limit(void **state)
{
    (void)state;
    struct figures f = figures_of_spend("6420000|1000000", 10000000);
    assert_true(holds(page_of(&f), "$6.42"));
    assert_true(holds(page_of(&f), "$1.00"));
    assert_true(holds(page_of(&f), "74 % of it used"));
    assert_true(holds(page_of(&f), "fal-ai/flux-lora"));
    assert_true(holds(page_of(&f), "&lt;b&gt;"));
    assert_true(holds(page_of(&f), "20 Nov"));
    assert_true(holds(page_of(&f), "<h1>Everything works</h1>"));

    f = figures_of_spend("7000000|1000000", 10000000);
    assert_true(holds(page_of(&f), "<a href=\"#spend\">API spend: $8.00 of $10.00 for today</a>"));

    f = figures_of_spend("9000000|1000000", 10000000);
    assert_true(holds(page_of(&f), "$10.00 of $10.00 for today, orders are refused"));

    f = figures_of_spend("900000000|0", 0);
    assert_true(holds(page_of(&f), "DAILY_SPEND_LIMIT is not set"));
    assert_true(holds(page_of(&f), "<h1>Everything works</h1>"));
}

static void what_is_wrong_stands_at_the_top(void **state)
{
    (void)state;
    struct figures f = calm_figures();
    f.redis.is_durable = false;
    assert_true(holds(page_of(&f), "<h1>One thing to look at</h1>"));

    f = calm_figures();
    f.redis.failure = fail(a, ERR_UNREACHABLE, "redis: not reached");
    assert_true(holds(page_of(&f), "<h1>Something is down</h1>"));
    assert_true(holds(page_of(&f), "<a href=\"#health\">Redis: redis: not reached</a>"));
    assert_true(holds(page_of(&f), "its length is not known"));

    f = calm_figures();
    f.workers = rows_of(WORKER_COLUMNS, "");
    assert_true(holds(page_of(&f), "Workers: none is at work"));

    f = calm_figures();
    f.workers = rows_of(WORKER_COLUMNS, "one|h|1|v1|send|1000|900\nold|h|2|v1|send|1000|9000000");
    assert_true(holds(page_of(&f), "<h1>Everything works</h1>"));
    assert_true(holds(page_of(&f), "Gone"));

    f = calm_figures();
    f.parties = rows_of(PARTY_COLUMNS, "fal|f|1000|2000|http 502");
    assert_true(holds(page_of(&f), "<a href=\"#health\">FAL: last failed"));

    f = calm_figures();
    f.lanes = rows_of("lane|queued|due|oldest_ms|running|dead", "send|3|1|61000|1|2");
    assert_true(holds(page_of(&f), "Queue send: the oldest has waited 1 min"));
    assert_true(holds(page_of(&f), "Queue send: 2 given up"));
}

static void a_ledger_that_is_wrong_is_told(void **state)
{
    (void)state;
    struct figures f = calm_figures();
    f.check = rows_of(CHECK_COLUMNS, "2|balance below zero|3000");
    assert_true(holds(page_of(&f), "The ledger has 2 problems, the first: balance below zero"));
    assert_true(holds(page_of(&f), "<h1>Something is down</h1>"));

    f = calm_figures();
    f.totals = rows_of(TOTALS_COLUMNS, "user|2|900|5\npromo|1|-1000|5");
    assert_true(holds(page_of(&f), "The accounts sum to \u2212100, not to zero"));

    f = calm_figures();
    f.check = rows_of(CHECK_COLUMNS, "");
    assert_true(holds(page_of(&f), "The ledger was not checked yet"));
    assert_true(holds(page_of(&f), "<h1>One thing to look at</h1>"));
    f.check = rows_of(CHECK_COLUMNS, "0||1800000");
    assert_true(holds(page_of(&f), "The ledger was last checked 30 min ago"));
}

static void errors_of_the_last_minutes_are_of_concern(void **state)
{
    (void)state;
    struct figures f = calm_figures();
    for (int i = 0; i < MINUTES_DRAWN; i++)
        f.traffic.updates[i] = 100;
    metric_histogram_add(&f.traffic.answers, METRIC_update_duration, S("0.005"), 6000);
    f.traffic.errors[20] = 90;
    str page = page_of(&f);
    assert_true(holds(page, "6\u202f000"));
    assert_true(holds(page, "100.0 a minute"));
    assert_true(holds(page, "3.5 ms"));
    assert_true(holds(page, "39 min ago: 100 updates, 90 errors"));
    assert_true(holds(page, "<h1>Everything works</h1>"));
    f.traffic.errors[MINUTES_DRAWN - 2] = 7;
    assert_true(holds(page_of(&f), "Updates with errors in the last 5 minutes: 7 of 500"));
}

static void telegram_tells_of_the_webhook(void **state)
{
    (void)state;
    static const char columns[] =
        "url|pending|max_connections|last_error|last_error_at_ms|ip_address|made_ms_ago";
    struct figures f = calm_figures();
    f.now_ms = INT64_C(1795252057000);
    f.webhook = rows_of(columns, "https://x/webhook/telegram|3|40|||1.2.3.4|5000");
    str page = page_of(&f);
    assert_true(
        holds(page, "https://x/webhook/telegram · 3 updates wait · at most 40 connections"));
    f.webhook = rows_of(columns, "https://x/w|3|40|Connection refused|1795252000000|1.2.3.4|5000");
    assert_true(holds(page_of(&f), "last error 57 s ago: Connection refused"));
    assert_true(holds(page_of(&f), "<h1>One thing to look at</h1>"));
    f.webhook = rows_of(columns, "|0|40||||5000");
    assert_true(holds(page_of(&f), "no address is set"));
    assert_true(holds(page_of(&f), "<h1>Something is down</h1>"));
}

/* Whatever an address says, the page says one of its own sentences, or none. */
static void only_known_words_are_said(void **state)
{
    (void)state;
    struct figures f = calm_figures();
    struct page_reader reader = {1001, S("c5f"), S("retried")};
    assert_true(holds(page_status(a, &f, &reader), "The job is queued again."));
    reader.said = S("<b>retried</b>");
    assert_false(holds(page_status(a, &f, &reader), "class=\"said"));
}

/* Nothing that is not known is shown as if it were. */
static void without_postgresql_its_parts_are_left_out(void **state)
{
    (void)state;
    struct figures f = {.now_ms = NOW_MS, .release = S("v1")};
    f.redis.is_durable = true;
    f.database_failure = fail(a, ERR_UNREACHABLE, "db: not connected");
    str page = page_status(a, &f, &(struct page_reader){1001, S(""), S("")});
    assert_true(holds(page, "PostgreSQL: db: not connected"));
    assert_true(holds(page, "id=\"outbox\""));
    static const char *const parts[] = {"today",   "hours", "queues", "orders", "trainings",
                                        "running", "dead",  "parked", "coins"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        assert_false(holds(page, cstr(a, str_printf(a, "id=\"%s\"", parts[i]))));
    assert_false(holds(page, "not spoken to yet"));
    assert_false(holds(page, "Sign out"));
}

static void what_others_wrote_is_escaped(void **state)
{
    (void)state;
#define EVIL "<script>\"&'</script>"
    struct figures f = calm_figures();
    f.release = S(EVIL);
    f.workers = rows_of(WORKER_COLUMNS, EVIL "|h|1|" EVIL "|" EVIL "|1000|45000");
    f.parties = rows_of(PARTY_COLUMNS, EVIL "|f|1000|2000|" EVIL);
    f.dead = rows_of(
        "id|lane|kind|state|key|user_id|subject|attempt|failures|last_error|finished_at_ms",
        "1|fal|" EVIL "|dead||3|" EVIL "|5|5|" EVIL "|1000");
    f.parked = rows_of("id|bot_id|update_id|user_id|body_sha256|reason|attempts|created_at_ms",
                       "1|1|2|3||" EVIL "|4|1000");
    f.parked_count = rows_of("parked|parked_today", "1|1");
    f.open = rows_of(
        "id|user_id|generation_type|source_model|status|attempt|num_images|age_ms|silent_ms",
        EVIL "|1|imagen4|" EVIL "|" EVIL "|1|1|900000|1000");
    f.running = rows_of("id|lane|kind|attempt|failures|worker|running_ms|lease_ms",
                        "1|fal|" EVIL "|1|0|" EVIL "|1000|1000");
    f.counters = rows_of("name|value|updated_at_ms", EVIL "|1|1000");
    f.check = rows_of(CHECK_COLUMNS, "1|" EVIL "|5");
    f.webhook = rows_of(
        "url|pending|max_connections|last_error|last_error_at_ms|ip_address|made_ms_ago",
        EVIL "|3|40|" EVIL "|1000|" EVIL "|5");
    f.open_trainings = rows_of(
        "id|user_id|training_type|preset|status|progress|attempt|age_ms|silent_ms",
        EVIL "|1|" EVIL "|" EVIL "|" EVIL "|5|1|1000|1000");
    str page = page_of(&f);
    assert_false(holds(page, "<script>"));
    assert_false(holds(page, "</script>\""));
    assert_true(holds(page, "&lt;script&gt;&quot;&amp;"));

    assert_false(holds(page_telegram(a, KVS(KV("first_name", EVIL))), "<script>\""));
    assert_false(holds(page_link(a, S("\"><script>")), "\"><script>"));
    assert_false(holds(page_words(a, S("<i>"), S("<i>")), "<i>"));
}

int main(void)
{
#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, make_arena, free_arena)
    const struct CMUnitTest tests[] = {
        WITH_ARENA(durations_are_short),
        WITH_ARENA(dollars_have_cents),
        WITH_ARENA(sizes_have_units),
        WITH_ARENA(digits_stand_in_groups),
        WITH_ARENA(times_are_utc),
        WITH_ARENA(a_calm_page_has_no_concerns),
        WITH_ARENA(the_day_is_held_against_its_limit),
        WITH_ARENA(what_is_wrong_stands_at_the_top),
        WITH_ARENA(a_ledger_that_is_wrong_is_told),
        WITH_ARENA(errors_of_the_last_minutes_are_of_concern),
        WITH_ARENA(telegram_tells_of_the_webhook),
        WITH_ARENA(only_known_words_are_said),
        WITH_ARENA(without_postgresql_its_parts_are_left_out),
        WITH_ARENA(what_others_wrote_is_escaped),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
