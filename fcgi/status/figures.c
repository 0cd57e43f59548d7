#include "status/figures.h"

#include "core/clock.h"
#include "core/loop.h"
#include "core/version.h"
#include "db/queries.h"
#include "db/session.h"

enum {
    ROWS_SHOWN = 20,
    SPEND_DAYS_SHOWN = 7,
    READERS = 8, /* tasks that ask for the lengths of streams at the same time */
    BUCKETS_PER_READER = SESSION_BUCKETS / READERS,
};

static_assert(SESSION_BUCKETS % READERS == 0, "every bucket is read");

static double milliseconds_since(int64_t began_us)
{
    return (double)(clock_steady_us() - began_us) / 1000;
}

/* ---------------------------------------------------------------- Redis */

/* The streams lie in 64 slots of a cluster, so no script may read them all;
 * several tasks ask, and their commands travel together. */
struct backlog {
    struct cache *cache;
    struct arena *arena;
    struct task *waiting;
    int readers_left;
    int64_t calls, answers;
    int64_t oldest_ms; /* Unix time of the oldest call; 0: none */
    const err *failure;
};

struct backlog_reader {
    struct backlog *backlog;
    int first_bucket;
};

static err *add_length(struct backlog *backlog, str key, int64_t *sum)
{
    redisReply *reply;
    TRY(cache_call(backlog->cache, backlog->arena, &reply, S("XLEN"), key));
    *sum += reply_i64(reply);
    return NULL;
}

/* What is made is removed, so the first entry of a stream has waited longest; its id begins with
 * the moment it came. */
static err *find_oldest(struct backlog *backlog, str key)
{
    redisReply *reply;
    TRY(cache_call(backlog->cache, backlog->arena, &reply, S("XRANGE"), key, S("-"), S("+"),
                   S("COUNT"), S("1")));
    const redisReply *entry = reply_item(reply, 0);
    str moment, number;
    int64_t since_ms = 0;
    if (!entry)
        return NULL;
    str_cut(reply_str(reply_item(entry, 0)), '-', &moment, &number);
    if (str_to_i64(moment, &since_ms) && (!backlog->oldest_ms || since_ms < backlog->oldest_ms))
        backlog->oldest_ms = since_ms;
    return NULL;
}

static err *add_lengths(struct backlog *backlog, int first_bucket)
{
    for (int i = first_bucket; i < first_bucket + BUCKETS_PER_READER; i++) {
        int64_t waiting = 0;
        TRY(add_length(backlog, outbox_key(backlog->arena, i), &waiting));
        if (waiting)
            TRY(find_oldest(backlog, outbox_key(backlog->arena, i)));
        backlog->calls += waiting;
        TRY(add_length(backlog, answers_key(backlog->arena, i), &backlog->answers));
    }
    return NULL;
}

static void read_part(void *argument)
{
    const struct backlog_reader *reader = argument;
    struct backlog *backlog = reader->backlog;
    const err *e = add_lengths(backlog, reader->first_bucket);
    if (e)
        backlog->failure = e;
    if (--backlog->readers_left == 0)
        task_wake(backlog->waiting);
}

static const err *read_backlog(struct cache *cache, struct arena *a, struct redis_figures *out)
{
    struct backlog backlog = {cache, a, task_self(), READERS, 0, 0, 0, NULL};
    struct backlog_reader readers[READERS];
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct backlog_reader){&backlog, i * BUCKETS_PER_READER};
        task_start(read_part, &readers[i], 0);
    }
    while (backlog.readers_left)
        task_wait(0); /* each command has a deadline of its own */
    out->calls_waiting = backlog.calls;
    out->answers_waiting = backlog.answers;
    if (backlog.oldest_ms && clock_ms() > backlog.oldest_ms)
        out->oldest_call_ms = clock_ms() - backlog.oldest_ms;
    return backlog.failure;
}

/* "used_memory:1638400" among the lines of INFO. */
static int64_t info_number(str info, str name)
{
    str line, key, value;
    int64_t number = 0;
    while (!str_empty(info)) {
        str_cut(info, '\n', &line, &info);
        if (str_cut(str_trim(line), ':', &key, &value) && str_eq(key, name))
            str_to_i64(value, &number);
    }
    return number;
}

static err *ask_redis(struct cache *cache, struct arena *a, struct redis_figures *out)
{
    redisReply *reply;
    int64_t began_us = clock_steady_us();
    TRY(cache_call(cache, a, NULL, S("PING")));
    out->ping_ms = milliseconds_since(began_us);
    TRY(cache_call(cache, a, &reply, S("INFO")));
    out->used_bytes = info_number(reply_str(reply), S("used_memory"));
    out->most_bytes = info_number(reply_str(reply), S("maxmemory"));
    out->is_durable = info_number(reply_str(reply), S("aof_enabled")) == 1;
    return NULL;
}

void figures_read_redis(struct cache *cache, struct arena *a, struct redis_figures *out)
{
    *out = (struct redis_figures){0};
    out->failure = ask_redis(cache, a, out);
    if (!out->failure)
        out->failure = read_backlog(cache, a, out);
}

/* ---------------------------------------------------------------- what came in */

/* What went wrong with us, not what was refused or came too often. */
static bool is_error(str labels)
{
    static const char *const outcomes[] = {"failed", "postponed", "parked", "unreadable"};
    size_t at;
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        char wanted[40];
        int len = snprintf(wanted, sizeof wanted, "outcome=\"%s\"", outcomes[i]);
        if (str_find(labels, (str){wanted, (size_t)len}, &at))
            return true;
    }
    return false;
}

static void add_minute(struct traffic *out, int minute, const struct metric_sums *sums)
{
    for (size_t i = 0; i < sums->count; i++) {
        const struct metric_sum *sum = &sums->items[i];
        str labels, value;
        if (metric_sum_is_of(sum, METRIC_updates, &labels, &value)) {
            out->updates[minute] += sum->value;
            out->errors[minute] += is_error(labels) ? sum->value : 0;
        }
        if (metric_sum_is_of(sum, METRIC_update_duration, &labels, &value))
            metric_histogram_add(&out->answers, METRIC_update_duration, value, sum->value);
    }
}

static err *read_traffic(struct cache *cache, struct arena *a, int64_t now_ms, struct traffic *out)
{
    struct metric_sums minutes[MINUTES_DRAWN];
    TRY(metrics_read_minutes(cache, a, now_ms, MINUTES_DRAWN, minutes));
    for (int i = 0; i < MINUTES_DRAWN; i++)
        add_minute(out, i, &minutes[i]);
    return NULL;
}

/* ---------------------------------------------------------------- PostgreSQL */

static err *read_rows(struct db *db, struct figures *out)
{
    int64_t began_us = clock_steady_us();
    TRY(db_query(db, &Q_status_ping, NULL));
    out->database_ms = milliseconds_since(began_us);

    TRY(db_query(db, &Q_status_database, &out->database));
    TRY(db_query(db, &Q_worker_list, &out->workers));
    TRY(db_query(db, &Q_party_list, &out->parties));
    TRY(db_query(db, &Q_counter_list, &out->counters));
    TRY(db_query(db, &Q_job_lanes, &out->lanes));
    TRY(db_query(db, &Q_status_running_jobs, &out->running, V(ROWS_SHOWN)));
    TRY(db_query(db, &Q_job_dead_list, &out->dead, V(ROWS_SHOWN)));
    TRY(db_query(db, &Q_parked_count, &out->parked_count));
    TRY(db_query(db, &Q_parked_page, &out->parked, V(0), V(ROWS_SHOWN)));
    TRY(db_query(db, &Q_status_orders_today, &out->orders));
    TRY(db_query(db, &Q_status_open_orders, &out->open, V(ROWS_SHOWN)));
    TRY(db_query(db, &Q_status_images_by_hour, &out->hours, V(HOURS_DRAWN)));
    TRY(db_query(db, &Q_status_open_trainings, &out->open_trainings, V(ROWS_SHOWN)));
    TRY(db_query(db, &Q_summary_webhook, &out->webhook));
    TRY(db_query(db, &Q_summary_check, &out->check));
    TRY(db_query(db, &Q_summary_totals, &out->totals));
    TRY(db_query(db, &Q_status_payments, &out->payments));
    TRY(db_query(db, &Q_spend_today, &out->spend));
    TRY(db_query(db, &Q_spend_kinds, &out->spend_kinds));
    TRY(db_query(db, &Q_spend_lately, &out->spend_lately, V(SPEND_DAYS_SHOWN)));
    return db_query(db, &Q_summary_user_counts, &out->users);
}

static void read_database(struct db_pool *pool, struct arena *a, struct figures *out)
{
    if (!pool) {
        out->database_failure = fail(a, ERR_INPUT, "STATUS_DATABASE_URL is not set");
        return;
    }
    struct db *db = db_new(pool, a);
    out->database_failure = read_rows(db, out);
}

void figures_read(const struct bot *bot, struct arena *a, struct figures *out)
{
    *out = (struct figures){
        .now_ms = clock_ms(),
        .release = S(AISHA_VERSION),
        .spend_limit_microdollars = bot->conf->daily_spend_limit_microdollars,
    };
    figures_read_redis(bot->cache, a, &out->redis);
    if (!out->redis.failure)
        out->redis.failure = read_traffic(bot->cache, a, out->now_ms, &out->traffic);
    read_database(bot->status_pool, a, out);
}
