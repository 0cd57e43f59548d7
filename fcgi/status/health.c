#include "core/numbers.h"
#include "status/panels.h"

enum {
    MINUTE_MS = 60 * 1000,
    WORKER_LATE_MS = 30 * 1000,
    WORKER_GONE_MS = 2 * MINUTE_MS,
    WEBHOOK_PENDING_MANY = 1000,
    WEBHOOK_ERROR_RECENT_MS = 10 * MINUTE_MS,
};

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
    int64_t age_ms = t->page->now_ms - rows_i64(workers, i, "started_at_ms");
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
    return number_duration(p->arena, p->now_ms - rows_i64(parties, i, column));
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

/* What Telegram says of the address that it calls; a worker asks it now and then. */
static void webhook_row(struct table *t)
{
    const struct rows *webhook = &t->page->figures->webhook;
    struct arena *a = t->page->arena;
    if (t->page->figures->database_failure || !webhook->count)
        return;
    int64_t now_ms = t->page->now_ms, pending = rows_i64(webhook, 0, "pending");
    int64_t error_at_ms = rows_i64(webhook, 0, "last_error_at_ms");
    str url = rows_str(webhook, 0, "url"), error = rows_str(webhook, 0, "last_error");
    bool is_failing = error_at_ms && now_ms - error_at_ms < WEBHOOK_ERROR_RECENT_MS;
    str failed = S("");
    if (error_at_ms)
        failed = str_printf(a, " · last error " STR_FMT " ago: " STR_FMT,
                            STR_ARG(number_duration(a, now_ms - error_at_ms)), STR_ARG(error));
    str detail = str_printf(a,
                            STR_FMT " · %" PRId64 " updates wait · at most %" PRId64
                                    " connections" STR_FMT " · asked " STR_FMT " ago",
                            STR_ARG(str_empty(url) ? S("no address is set") : url), pending,
                            rows_i64(webhook, 0, "max_connections"), STR_ARG(failed),
                            STR_ARG(number_duration(a, rows_i64(webhook, 0, "made_ms_ago"))));
    enum level level = str_empty(url)                                  ? LEVEL_DOWN
                       : is_failing || pending >= WEBHOOK_PENDING_MANY ? LEVEL_LATE
                                                                       : LEVEL_OK;
    health_row(t, S("Webhook"), level, detail, detail);
}

void panel_health(struct page *p)
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
    webhook_row(&t);
    table_end(&t);
    page_section_end(p);
}
