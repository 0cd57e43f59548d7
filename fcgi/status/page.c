#include "status/page.h"

#include "core/numbers.h"
#include "core/version.h"
#include "status/html.h"

enum {
    MINUTE_MS = 60 * 1000,
    WORKER_LATE_MS = 30 * 1000,
    WORKER_GONE_MS = 2 * MINUTE_MS,
    QUEUE_LATE_MS = MINUTE_MS,
    ORDER_LATE_MS = 10 * MINUTE_MS,
    SPEND_CONCERN_PERCENT = 80,
};

static str seconds_text(struct arena *a, double seconds)
{
    return str_printf(a, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
}

/* ---------------------------------------------------------------- health */

/* why: the short form of the detail for the list at the top, where this row is of concern. */
static void health_row(struct table *t, str name, enum level level, str detail, str why)
{
    cell_text(t, name);
    cell_level(t, level);
    cell_text(t, detail);
    if (level >= LEVEL_LATE)
        page_concern(t->page, level, "health",
                     str_printf(t->page->arena, STR_FMT ": " STR_FMT, STR_ARG(name), STR_ARG(why)));
}

static void redis_row(struct table *t)
{
    const struct redis_figures *redis = &t->page->figures->redis;
    struct arena *a = t->page->arena;
    if (redis->failure) {
        health_row(t, S("Redis"), LEVEL_DOWN, redis->failure->message, redis->failure->message);
        return;
    }
    str loss = redis->is_durable ? S("") : S("without appendonly: a power cut loses open dialogs");
    str most = redis->most_bytes ? number_size(a, redis->most_bytes) : S("no limit");
    health_row(t, S("Redis"), redis->is_durable ? LEVEL_OK : LEVEL_LATE,
               str_printf(a, "answers in %.1f ms · " STR_FMT " of " STR_FMT "%s" STR_FMT,
                          redis->ping_ms, STR_ARG(number_size(a, redis->used_bytes)), STR_ARG(most),
                          loss.len ? " · " : "", STR_ARG(loss)),
               loss);
}

static void database_row(struct table *t)
{
    const struct figures *f = t->page->figures;
    struct arena *a = t->page->arena;
    if (f->database_failure || !f->database.count) {
        str why = f->database_failure ? f->database_failure->message : S("no answer");
        health_row(t, S("PostgreSQL"), LEVEL_DOWN, why, why);
        return;
    }
    const struct rows *row = &f->database;
    health_row(t, S("PostgreSQL"), LEVEL_OK,
               str_printf(a,
                          "answers in %.1f ms · " STR_FMT " · %" PRId64 " of %" PRId64
                          " connections · version " STR_FMT,
                          f->database_ms, STR_ARG(number_size(a, rows_i64(row, 0, "size_bytes"))),
                          rows_i64(row, 0, "connections"), rows_i64(row, 0, "most_connections"),
                          STR_ARG(rows_str(row, 0, "version"))),
               S(""));
}

/* A worker that ends says so; one that was killed leaves its row for an hour.
 * That is a pity and no fault: the others have taken its work over. */
static enum level level_of_silence(int64_t silent_ms)
{
    if (silent_ms >= WORKER_GONE_MS)
        return LEVEL_GONE;
    return silent_ms >= WORKER_LATE_MS ? LEVEL_LATE : LEVEL_OK;
}

static void worker_row(struct table *t, const struct rows *workers, int i)
{
    struct arena *a = t->page->arena;
    int64_t silent_ms = rows_i64(workers, i, "silent_ms");
    int64_t age_ms = t->page->figures->now_ms - rows_i64(workers, i, "started_at_ms");
    str heard = str_printf(a, "last heard of " STR_FMT " ago",
                           STR_ARG(number_duration(a, silent_ms)));
    str detail = str_printf(
        a, STR_FMT " · began " STR_FMT " ago · release " STR_FMT " · lanes " STR_FMT,
        STR_ARG(heard), STR_ARG(number_duration(a, age_ms)),
        STR_ARG(rows_str(workers, i, "release")), STR_ARG(rows_str(workers, i, "lanes")));
    health_row(t, str_printf(a, "Worker " STR_FMT, STR_ARG(rows_str(workers, i, "name"))),
               level_of_silence(silent_ms), detail, heard);
}

static void worker_rows(struct table *t)
{
    const struct rows *workers = &t->page->figures->workers;
    int alive = 0;
    for (int i = 0; i < workers->count; i++) {
        worker_row(t, workers, i);
        alive += rows_i64(workers, i, "silent_ms") < WORKER_GONE_MS;
    }
    str why = S("none is at work: nothing is sent or made");
    if (!alive && !t->page->figures->database_failure)
        health_row(t, S("Workers"), LEVEL_DOWN, why, why);
}

static str party_moment(struct page *p, const struct rows *parties, int i, const char *column)
{
    return number_duration(p->arena, p->figures->now_ms - rows_i64(parties, i, column));
}

static void party_row(struct table *t, const struct rows *parties, int i, str title)
{
    struct page *p = t->page;
    str answered = S(""), failed = S("");
    if (!rows_is_null(parties, i, "ok_at_ms"))
        answered = str_printf(p->arena, "last answered " STR_FMT " ago",
                              STR_ARG(party_moment(p, parties, i, "ok_at_ms")));
    if (!rows_is_null(parties, i, "failed_at_ms"))
        failed = str_printf(p->arena, "last failed " STR_FMT " ago: " STR_FMT,
                            STR_ARG(party_moment(p, parties, i, "failed_at_ms")),
                            STR_ARG(rows_str(parties, i, "error")));
    health_row(t, title, rows_bool(parties, i, "is_ok") ? LEVEL_OK : LEVEL_DOWN,
               str_printf(p->arena, STR_FMT "%s" STR_FMT, STR_ARG(answered),
                          answered.len && failed.len ? " · " : "", STR_ARG(failed)),
               failed);
}

/* Those that the workers speak to. One that no worker has spoken to yet has no row. */
static const struct {
    const char *name, *title;
} known_parties[] = {
    {"telegram", "Telegram"    },
    {"fal",      "FAL"         },
    {"openai",   "OpenAI"      },
    {"s3",       "Object store"},
};

static str party_title(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(known_parties); i++)
        if (str_eq(name, str_from(known_parties[i].name)))
            return str_from(known_parties[i].title);
    return name;
}

static bool has_party(const struct rows *parties, const char *name)
{
    for (int i = 0; i < parties->count; i++)
        if (str_eq(rows_str(parties, i, "name"), str_from(name)))
            return true;
    return false;
}

static void party_rows(struct table *t)
{
    const struct rows *parties = &t->page->figures->parties;
    for (int i = 0; i < parties->count; i++)
        party_row(t, parties, i, party_title(rows_str(parties, i, "name")));
    for (size_t i = 0; i < ARRAY_LEN(known_parties); i++)
        if (!t->page->figures->database_failure && !has_party(parties, known_parties[i].name))
            health_row(t, str_from(known_parties[i].title), LEVEL_UNUSED, S("not spoken to yet"),
                       S(""));
}

static void health(struct page *p)
{
    static const struct column columns[] = {
        {"Part",          WORDS},
        {"State",         WORDS},
        {"What is known", LONG }
    };
    page_section(p, "health", "Health");
    struct table t = TABLE(p, columns);
    redis_row(&t);
    database_row(&t);
    worker_rows(&t);
    party_rows(&t);
    table_end(&t);
    page_section_end(p);
}

/* ---------------------------------------------------------------- today */

static void today(struct page *p)
{
    const struct rows *orders = &p->figures->orders, *users = &p->figures->users;
    struct arena *a = p->arena;
    if (!orders->count || !users->count)
        return;
    int64_t completed = rows_i64(orders, 0, "completed");
    str median = completed ? seconds_text(a, rows_double(orders, 0, "median_seconds")) : S("–");
    str p95 = completed ? seconds_text(a, rows_double(orders, 0, "p95_seconds")) : S("–");

    page_section(p, "today", "Today <small>since 00:00 UTC</small>");
    page_put(p, S("<dl class=\"tiles\">\n"));
    page_tile(p, "Images", number_grouped(a, rows_i64(orders, 0, "images")),
              str_printf(a, STR_FMT " orders, %" PRId64 " failed",
                         STR_ARG(number_grouped(a, rows_i64(orders, 0, "ordered"))),
                         rows_i64(orders, 0, "failed")));
    page_tile(p, "Median wait", median, S("order to stored image"));
    page_tile(p, "p95 wait", p95, S("19 of 20 were faster"));
    page_tile(p, "Open orders", number_grouped(a, rows_i64(orders, 0, "open")), S(""));
    page_tile(p, "Users", number_grouped(a, rows_i64(users, 0, "everybody")),
              str_printf(a, STR_FMT " new in 24 h",
                         STR_ARG(number_grouped(a, rows_i64(users, 0, "new_today")))));
    page_put(p, S("</dl>\n"));
    page_section_end(p);
}

static int hour_of(int64_t unix_ms)
{
    return (int)(unix_ms / 3600000 % 24);
}

/* Bars alone are stretched to the width there is; words beside them are HTML and keep their
 * size. */
static void bars(struct page *p, const struct rows *hours, int64_t most)
{
    enum { STEP = 10, WIDTH = 8, HEIGHT = 100 };
    for (int i = 0; i < hours->count; i++) {
        int64_t images = rows_i64(hours, i, "images"), from_ms = rows_i64(hours, i, "hour_ms");
        double height = most ? (double)(images * HEIGHT) / (double)most : 0;
        if (images == 0)
            height = 1; /* an hour without images is an hour, too */
        buf_addf(&p->body,
                 "<rect class=\"%s\" x=\"%d\" y=\"%.2f\" width=\"%d\" height=\"%.2f\">"
                 "<title>%02d:00 UTC: %" PRId64 "</title></rect>\n",
                 images ? "bar" : "bar empty", i * STEP + (STEP - WIDTH) / 2, HEIGHT - height,
                 WIDTH, height, hour_of(from_ms), images);
    }
}

static void chart(struct page *p)
{
    const struct rows *hours = &p->figures->hours;
    int64_t most = 0, sum = 0;
    for (int i = 0; i < hours->count; i++) {
        int64_t images = rows_i64(hours, i, "images");
        most = images > most ? images : most;
        sum += images;
    }
    if (!hours->count)
        return;
    page_section(p, "hours", "Images an hour <small>last 24 h, UTC</small>");
    buf_addf(&p->body, "<p class=\"note\">" STR_FMT " in all, at most " STR_FMT " in an hour</p>\n",
             STR_ARG(number_grouped(p->arena, sum)), STR_ARG(number_grouped(p->arena, most)));
    buf_addf(
        &p->body,
        "<svg class=\"chart\" viewBox=\"0 0 %d 100\" preserveAspectRatio=\"none\" role=\"img\" "
        "aria-label=\"Images in each of the last 24 hours: %" PRId64 " in all, at most %" PRId64
        " in one hour\">\n",
        hours->count * 10, sum, most);
    bars(p, hours, most);
    page_put(p, S("</svg>\n<div class=\"hours\" aria-hidden=\"true\">"));
    for (int i = 0; i < hours->count; i += 6)
        buf_addf(&p->body, "<span>%02d:00</span>", hour_of(rows_i64(hours, i, "hour_ms")));
    page_put(p, S("<span>now</span></div>\n"));
    page_section_end(p);
}

/* ---------------------------------------------------------------- work */

static void lane_concern(struct page *p, str lane, int64_t oldest_ms, int64_t dead)
{
    if (oldest_ms >= QUEUE_LATE_MS)
        page_concern(p, LEVEL_LATE, "queues",
                     str_printf(p->arena, "Queue " STR_FMT ": the oldest has waited " STR_FMT,
                                STR_ARG(lane), STR_ARG(number_duration(p->arena, oldest_ms))));
    if (dead > 0)
        page_concern(
            p, LEVEL_LATE, "dead",
            str_printf(p->arena, "Queue " STR_FMT ": %" PRId64 " given up", STR_ARG(lane), dead));
}

static void queues(struct page *p)
{
    static const struct column columns[] = {
        {"Lane",       WORDS },
        {"Due",        NUMBER},
        {"Oldest due", NUMBER},
        {"Later",      NUMBER},
        {"Running",    NUMBER},
        {"Dead",       NUMBER}
    };
    const struct rows *lanes = &p->figures->lanes;
    page_section(p, "queues", "Queues");
    struct table t = TABLE(p, columns);
    for (int i = 0; i < lanes->count; i++) {
        int64_t due = rows_i64(lanes, i, "due"), oldest_ms = rows_i64(lanes, i, "oldest_ms");
        cell_text(&t, rows_str(lanes, i, "lane"));
        cell_number(&t, due);
        cell_text(&t, due ? number_duration(p->arena, oldest_ms) : S(""));
        cell_number(&t, rows_i64(lanes, i, "queued") - due);
        cell_number(&t, rows_i64(lanes, i, "running"));
        cell_number(&t, rows_i64(lanes, i, "dead"));
        lane_concern(p, rows_str(lanes, i, "lane"), oldest_ms, rows_i64(lanes, i, "dead"));
    }
    table_end(&t);
    page_section_end(p);
}

static void outbox(struct page *p)
{
    const struct redis_figures *redis = &p->figures->redis;
    page_section(p, "outbox", "Outbox");
    if (redis->failure) {
        page_none(p, "Redis does not answer, so its length is not known.");
    } else {
        page_put(p, S("<dl class=\"tiles\">\n"));
        page_tile(p, "Calls waiting", number_grouped(p->arena, redis->calls_waiting),
                  S("to be sent to chats"));
        page_tile(p, "Taps to answer", number_grouped(p->arena, redis->answers_waiting),
                  S("the spinners on buttons"));
        page_put(p, S("</dl>\n"));
    }
    page_section_end(p);
}

static void running_jobs(struct page *p)
{
    static const struct column columns[] = {
        {"Job",         WORDS },
        {"Lane",        WORDS },
        {"Kind",        WORDS },
        {"Worker",      WORDS },
        {"Attempt",     NUMBER},
        {"Running for", NUMBER}
    };
    const struct rows *jobs = &p->figures->running;
    page_section(p, "running", "Jobs in flight");
    if (!jobs->count)
        page_none(p, "None.");
    else {
        struct table t = TABLE(p, columns);
        for (int i = 0; i < jobs->count; i++) {
            cell_text(&t, rows_str(jobs, i, "id"));
            cell_text(&t, rows_str(jobs, i, "lane"));
            cell_text(&t, rows_str(jobs, i, "kind"));
            cell_text(&t, rows_str(jobs, i, "worker"));
            cell_number(&t, rows_i64(jobs, i, "attempt"));
            cell_duration(&t, rows_i64(jobs, i, "running_ms"));
        }
        table_end(&t);
    }
    page_section_end(p);
}

static void dead_jobs(struct page *p)
{
    static const struct column columns[] = {
        {"Job",      WORDS },
        {"Lane",     WORDS },
        {"Kind",     WORDS },
        {"About",    WORDS },
        {"User",     WORDS },
        {"Failures", NUMBER},
        {"Why",      LONG  },
        {"When",     WORDS }
    };
    const struct rows *jobs = &p->figures->dead;
    page_section(p, "dead", "Jobs given up");
    if (!jobs->count)
        page_none(p, "None.");
    else {
        struct table t = TABLE(p, columns);
        for (int i = 0; i < jobs->count; i++) {
            cell_text(&t, rows_str(jobs, i, "id"));
            cell_text(&t, rows_str(jobs, i, "lane"));
            cell_text(&t, rows_str(jobs, i, "kind"));
            cell_id(&t, rows_str(jobs, i, "subject"));
            cell_text(&t, rows_str(jobs, i, "user_id"));
            cell_number(&t, rows_i64(jobs, i, "failures"));
            cell_text(&t, rows_str(jobs, i, "last_error"));
            cell_ago(&t, rows_i64(jobs, i, "finished_at_ms"));
        }
        table_end(&t);
    }
    page_section_end(p);
}

static void open_orders(struct page *p)
{
    static const struct column columns[] = {
        {"Order",       WORDS },
        {"User",        WORDS },
        {"Model",       LONG  },
        {"Images",      NUMBER},
        {"Status",      WORDS },
        {"Submissions", NUMBER},
        {"Age",         NUMBER},
        {"Silent for",  NUMBER}
    };
    const struct rows *orders = &p->figures->open;
    page_section(p, "orders", "Open orders");
    if (!orders->count)
        page_none(p, "None.");
    else {
        struct table t = TABLE(p, columns);
        for (int i = 0; i < orders->count; i++) {
            cell_id(&t, rows_str(orders, i, "id"));
            cell_text(&t, rows_str(orders, i, "user_id"));
            cell_text(&t, rows_str(orders, i, "source_model"));
            cell_number(&t, rows_i64(orders, i, "num_images"));
            cell_text(&t, rows_str(orders, i, "status"));
            cell_number(&t, rows_i64(orders, i, "attempt"));
            cell_duration(&t, rows_i64(orders, i, "age_ms"));
            cell_duration(&t, rows_i64(orders, i, "silent_ms"));
        }
        table_end(&t);
        if (rows_i64(orders, 0, "age_ms") >= ORDER_LATE_MS)
            page_concern(
                p, LEVEL_LATE, "orders",
                str_printf(p->arena, "The oldest open order is " STR_FMT " old",
                           STR_ARG(number_duration(p->arena, rows_i64(orders, 0, "age_ms")))));
    }
    page_section_end(p);
}

static void parked(struct page *p)
{
    static const struct column columns[] = {
        {"Id",       WORDS },
        {"Update",   WORDS },
        {"User",     WORDS },
        {"Why",      LONG  },
        {"Attempts", NUMBER},
        {"When",     WORDS }
    };
    const struct rows *updates = &p->figures->parked, *count = &p->figures->parked_count;
    page_section(p, "parked", "Updates given up");
    if (!updates->count || !count->count)
        page_none(p, "None.");
    else {
        int64_t lately = rows_i64(count, 0, "parked_today");
        buf_addf(&p->body,
                 "<p class=\"note\">%" PRId64 " kept, %" PRId64 " of them in the last 24 h</p>\n",
                 rows_i64(count, 0, "parked"), lately);
        struct table t = TABLE(p, columns);
        for (int i = 0; i < updates->count; i++) {
            cell_text(&t, rows_str(updates, i, "id"));
            cell_text(&t, rows_str(updates, i, "update_id"));
            cell_text(&t, rows_str(updates, i, "user_id"));
            cell_text(&t, rows_str(updates, i, "reason"));
            cell_number(&t, rows_i64(updates, i, "attempts"));
            cell_ago(&t, rows_i64(updates, i, "created_at_ms"));
        }
        table_end(&t);
        if (lately > 0)
            page_concern(
                p, LEVEL_LATE, "parked",
                str_printf(p->arena, "Updates given up in the last 24 h: %" PRId64, lately));
    }
    page_section_end(p);
}

/* ---------------------------------------------------------------- coins */

static void check_line(struct page *p, int64_t sum)
{
    const struct figures *f = p->figures;
    str words;
    enum level level = LEVEL_DOWN;
    if (f->check_failure)
        words = str_printf(p->arena, "The ledger could not be checked: " STR_FMT,
                           STR_ARG(f->check_failure->message));
    else if (f->problem_count)
        words = str_printf(p->arena, "The ledger has %" PRId64 " problems, the first: " STR_FMT,
                           f->problem_count, STR_ARG(f->first_problem));
    else if (sum)
        words = str_printf(p->arena, "The accounts sum to " STR_FMT ", not to zero",
                           STR_ARG(number_grouped(p->arena, sum)));
    else {
        level = LEVEL_OK;
        words = str_printf(
            p->arena,
            "The accounts sum to zero, every balance fits its entries. Checked " STR_FMT " ago.",
            STR_ARG(number_duration(p->arena, f->checked_ms_ago)));
    }
    page_put(p, S("<p>"));
    page_badge(p, level, level == LEVEL_OK ? "OK" : "Wrong");
    page_put(p, S(" "));
    page_put_text(p, words);
    page_put(p, S("</p>\n"));
    if (level != LEVEL_OK)
        page_concern(p, level, "coins", words);
}

static void coins(struct page *p)
{
    static const struct {
        const char *kind, *title;
    } kinds[] = {
        {"user",       "In the hands of users"     },
        {"held",       "Held for open orders"      },
        {"revenue",    "Spent"                     },
        {"promo",      "Given as welcome and promo"},
        {"stars",      "Bought with Stars"         },
        {"adjustment", "Credited by admins"        },
    };
    static const struct column columns[] = {
        {"Account", WORDS },
        {"Number",  NUMBER},
        {"Coins",   NUMBER}
    };
    const struct rows *totals = &p->figures->totals;
    int64_t sum = 0;
    page_section(p, "coins", "Coins");
    struct table t = TABLE(p, columns);
    for (int i = 0; i < totals->count; i++) {
        str kind = rows_str(totals, i, "kind"), title = kind;
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
            if (str_eq(kind, str_from(kinds[k].kind)))
                title = str_from(kinds[k].title);
        sum += rows_i64(totals, i, "balance");
        cell_text(&t, title);
        cell_number(&t, rows_i64(totals, i, "accounts"));
        cell_number(&t, rows_i64(totals, i, "balance"));
    }
    cell_text(&t, S("Sum"));
    cell_text(&t, S(""));
    cell_number(&t, sum);
    table_end(&t);
    check_line(p, sum);
    page_section_end(p);
}

/* ---------------------------------------------------------------- what it costs us */

static void spend_concern(struct page *p, int64_t total)
{
    int64_t limit = p->figures->spend_limit_microdollars;
    if (!limit || total * 100 / limit < SPEND_CONCERN_PERCENT)
        return;
    page_concern(p, LEVEL_LATE, "spend",
                 str_printf(p->arena, "API spend: " STR_FMT " of " STR_FMT " for today%s",
                            STR_ARG(number_dollars(p->arena, total)),
                            STR_ARG(number_dollars(p->arena, limit)),
                            total >= limit ? ", orders are refused until 00:00 UTC" : ""));
}

static void spend_tiles(struct page *p)
{
    const struct figures *f = p->figures;
    struct arena *a = p->arena;
    int64_t spent = rows_i64(&f->spend, 0, "spent"), limit = f->spend_limit_microdollars;
    int64_t under_way = rows_i64(&f->spend, 0, "under_way"), total = spent + under_way;
    str share = S("DAILY_SPEND_LIMIT is not set");
    if (limit)
        share = str_printf(a, "%.0f %% of it used", (double)total / (double)limit * 100);
    page_put(p, S("<dl class=\"tiles\">\n"));
    page_tile(p, "Submitted", number_dollars(a, spent), S("by our price list"));
    page_tile(p, "Ordered", number_dollars(a, under_way), S("and not yet submitted"));
    page_tile(p, "Limit", limit ? number_dollars(a, limit) : S("none"), share);
    page_put(p, S("</dl>\n"));
    spend_concern(p, total);
}

static void spend_rows(struct table *t, const struct rows *rows, const char *name)
{
    for (int i = 0; i < rows->count; i++) {
        cell_text(t, rows_str(rows, i, name));
        cell_number(t, rows_i64(rows, i, "calls"));
        cell_text(t, number_dollars(t->page->arena, rows_i64(rows, i, "microdollars")));
    }
    table_end(t);
}

static void spend(struct page *p)
{
    static const struct column by_model[] = {
        {"Model", LONG  },
        {"Calls", NUMBER},
        {"Cost",  NUMBER}
    };
    static const struct column by_day[] = {
        {"Day before", WORDS },
        {"Calls",      NUMBER},
        {"Cost",       NUMBER}
    };
    if (!p->figures->spend.count)
        return;
    page_section(p, "spend", "API spend <small>since 00:00 UTC</small>");
    spend_tiles(p);
    if (p->figures->spend_kinds.count) {
        struct table t = TABLE(p, by_model);
        spend_rows(&t, &p->figures->spend_kinds, "kind");
    }
    if (p->figures->spend_lately.count) {
        struct table t = TABLE(p, by_day);
        spend_rows(&t, &p->figures->spend_lately, "day");
    }
    page_section_end(p);
}

/* ---------------------------------------------------------------- payments */

/* What an admin has to look at; nothing is how it should be. */
static void payment_concerns(struct page *p, const struct rows *payments)
{
    struct arena *a = p->arena;
    int64_t unmatched = rows_i64(payments, 0, "unmatched");
    int64_t differences = rows_i64(payments, 0, "differences");
    if (unmatched)
        page_concern(p, LEVEL_LATE, "payments",
                     str_printf(a, "Payments that fit no order: %" PRId64, unmatched));
    if (differences)
        page_concern(
            p, LEVEL_LATE, "payments",
            str_printf(a, "Payments that Telegram and we do not agree on: %" PRId64, differences));
}

static void payments(struct page *p)
{
    const struct rows *payments = &p->figures->payments;
    struct arena *a = p->arena;
    if (!payments->count)
        return;
    int64_t checked_at_ms = rows_i64(payments, 0, "checked_at_ms");
    str checked = checked_at_ms
                      ? str_printf(a, "compared " STR_FMT " ago",
                                   STR_ARG(number_duration(a, p->figures->now_ms - checked_at_ms)))
                      : S("not compared yet");
    page_section(p, "payments", "Payments in Stars");
    page_put(p, S("<dl class=\"tiles\">\n"));
    page_tile(
        p, "Stars today", number_grouped(a, rows_i64(payments, 0, "stars_today")),
        str_printf(a, "%" PRId64 " payments since 00:00 UTC", rows_i64(payments, 0, "today")));
    page_tile(p, "Stars in 30 days", number_grouped(a, rows_i64(payments, 0, "stars")),
              str_printf(a,
                         "%" PRId64 " payments, %" PRId64 " refunded, %" PRId64 " being refunded",
                         rows_i64(payments, 0, "payments"), rows_i64(payments, 0, "refunded"),
                         rows_i64(payments, 0, "refunding")));
    page_tile(p, "Unmatched", number_grouped(a, rows_i64(payments, 0, "unmatched")),
              S("paid, but fit no order"));
    page_tile(p, "Different at Telegram", number_grouped(a, rows_i64(payments, 0, "differences")),
              checked);
    page_put(p, S("</dl>\n"));
    page_section_end(p);
    payment_concerns(p, payments);
}

/* ---------------------------------------------------------------- rare events */

static void counters(struct page *p)
{
    static const struct column columns[] = {
        {"Event", WORDS },
        {"Times", NUMBER},
        {"Last",  WORDS }
    };
    const struct rows *rows = &p->figures->counters;
    if (!rows->count)
        return;
    page_section(p, "counters", "Rare events");
    struct table t = TABLE(p, columns);
    for (int i = 0; i < rows->count; i++) {
        cell_text(&t, rows_str(rows, i, "name"));
        cell_number(&t, rows_i64(rows, i, "value"));
        cell_ago(&t, rows_i64(rows, i, "updated_at_ms"));
    }
    table_end(&t);
    page_section_end(p);
}

/* ---------------------------------------------------------------- whole pages */

/* The version in the address brings a new style at once; nginx lets browsers keep it for an
 * hour. */
static void add_head(struct buf *b, const char *title, bool is_live)
{
    buf_addf(b,
             "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<meta name=\"color-scheme\" content=\"light dark\">\n"
             "<meta name=\"robots\" content=\"noindex\">\n"
             "<title>%s</title>\n<link rel=\"icon\" href=\"data:,\">\n"
             "<link rel=\"stylesheet\" href=\"/static/status.css?" AISHA_VERSION
             "\">\n%s</head>\n<body>\n",
             title,
             is_live ? "<script src=\"/static/status.js?" AISHA_VERSION "\" defer></script>\n"
                     : "");
}

static str verdict(struct page *p)
{
    if (p->is_down)
        return S("Something is down");
    if (p->concern_count)
        return p->concern_count == 1 ? S("One thing to look at") : S("Some things to look at");
    return S("Everything works");
}

static void add_summary(struct buf *b, struct page *p)
{
    const char *class = p->is_down ? "down" : p->concern_count ? "late" : "ok";
    buf_addf(b, "<div class=\"verdict %s\">\n<h1>" STR_FMT "</h1>\n", class, STR_ARG(verdict(p)));
    if (p->concern_count)
        buf_addf(b, "<ul>\n" STR_FMT "</ul>\n", STR_ARG(buf_str(&p->concerns)));
    buf_addf(b,
             "<p class=\"note\">As of <time>" STR_FMT "</time> UTC · release " STR_FMT
             "</p>\n</div>\n",
             STR_ARG(number_time(p->arena, p->figures->now_ms)),
             STR_ARG(str_html(p->arena, p->figures->release)));
}

static void add_header(struct buf *b, const struct page_reader *reader)
{
    buf_addf(b,
             "<header>\n<a class=\"name\" href=\"/status\">Aisha</a>\n"
             "<p id=\"live\" class=\"note\" role=\"status\"></p>\n"
             "<p class=\"note\">admin %" PRId64 "</p>\n",
             reader->telegram_id);
    if (!str_empty(reader->csrf))
        buf_addf(b,
                 "<form method=\"post\" action=\"/status/logout\">"
                 "<input type=\"hidden\" name=\"csrf\" value=\"" STR_FMT "\">"
                 "<button>Sign out</button></form>\n",
                 STR_ARG(str_html(b->arena, reader->csrf)));
    buf_add(b, S("</header>\n"));
}

str page_status(struct arena *a, const struct figures *figures, const struct page_reader *reader)
{
    struct page p = {.arena = a, .figures = figures, .body = buf_new(a), .concerns = buf_new(a)};
    health(&p);
    if (!figures->database_failure) {
        today(&p);
        chart(&p);
        payments(&p);
        spend(&p);
        coins(&p); /* beside the two that follow */
        queues(&p);
    }
    outbox(&p);
    if (!figures->database_failure) {
        open_orders(&p);
        running_jobs(&p);
        dead_jobs(&p);
        parked(&p);
        counters(&p);
    }

    struct buf b = buf_new(a);
    add_head(&b, "Aisha: status", true);
    add_header(&b, reader);
    buf_add(&b, S("<main>\n"));
    add_summary(&b, &p);
    buf_add(&b, buf_str(&p.body));
    buf_add(&b, S("</main>\n</body>\n</html>\n"));
    return buf_str(&b);
}

str page_words(struct arena *a, str title, str words)
{
    struct buf b = buf_new(a);
    add_head(&b, "Aisha", false);
    buf_addf(&b,
             "<main class=\"alone\">\n<h1>" STR_FMT "</h1>\n<p>" STR_FMT
             "</p>\n</main>\n</body>\n</html>\n",
             STR_ARG(str_html(a, title)), STR_ARG(str_html(a, words)));
    return buf_str(&b);
}

str page_link(struct arena *a, str token)
{
    struct buf b = buf_new(a);
    add_head(&b, "Aisha", false);
    buf_addf(&b,
             "<main class=\"alone\">\n<h1>Aisha's status page</h1>\n"
             "<p>The link from the bot works once.</p>\n"
             "<form method=\"post\" action=\"/status/login\">"
             "<input type=\"hidden\" name=\"token\" value=\"" STR_FMT "\">"
             "<button autofocus>Sign in</button></form>\n</main>\n</body>\n</html>\n",
             STR_ARG(str_html(a, token)));
    return buf_str(&b);
}
