#include "status/figures.h"

#include <time.h>

#include "core/clock.h"
#include "core/loop.h"
#include "core/version.h"
#include "db/ledger.h"
#include "db/queries.h"
#include "db/session.h"

enum {
    ROWS_SHOWN = 20,
    SPEND_DAYS_SHOWN = 7,
    CHECK_EVERY_MS = 60 * 1000,
    READERS = 8, /* tasks that ask for the lengths of streams at the same time */
    BUCKETS_PER_READER = SESSION_BUCKETS / READERS,
};

static_assert(SESSION_BUCKETS % READERS == 0, "every bucket is read");

static int64_t steady_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static double milliseconds_since(int64_t began_us)
{
    return (double)(steady_us() - began_us) / 1000;
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

static err *add_lengths(struct backlog *backlog, int first_bucket)
{
    for (int i = first_bucket; i < first_bucket + BUCKETS_PER_READER; i++) {
        TRY(add_length(backlog, outbox_key(backlog->arena, i), &backlog->calls));
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
    struct backlog backlog = {cache, a, task_self(), READERS, 0, 0, NULL};
    struct backlog_reader readers[READERS];
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct backlog_reader){&backlog, i * BUCKETS_PER_READER};
        task_start(read_part, &readers[i], 0);
    }
    while (backlog.readers_left)
        task_wait(0); /* each command has a deadline of its own */
    out->calls_waiting = backlog.calls;
    out->answers_waiting = backlog.answers;
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
    int64_t began_us = steady_us();
    TRY(cache_call(cache, a, NULL, S("PING")));
    out->ping_ms = milliseconds_since(began_us);
    TRY(cache_call(cache, a, &reply, S("INFO")));
    out->used_bytes = info_number(reply_str(reply), S("used_memory"));
    out->most_bytes = info_number(reply_str(reply), S("maxmemory"));
    out->is_durable = info_number(reply_str(reply), S("aof_enabled")) == 1;
    return NULL;
}

static void read_redis(struct cache *cache, struct arena *a, struct redis_figures *out)
{
    out->failure = ask_redis(cache, a, out);
    if (!out->failure)
        out->failure = read_backlog(cache, a, out);
}

/* ---------------------------------------------------------------- PostgreSQL */

/* Of this process, for all readers of the page together. */
static struct {
    int64_t at_ms; /* steady clock; 0: never */
    int64_t problem_count;
    char first_problem[200];
} last_check;

static err *check_ledger(struct db *db, struct arena *a)
{
    struct ledger_problem *problems;
    size_t count;
    TRY(ledger_check(db, a, &problems, &count));
    last_check.at_ms = clock_steady_ms();
    last_check.problem_count = (int64_t)count;
    last_check.first_problem[0] = '\0';
    if (count)
        snprintf(last_check.first_problem, sizeof last_check.first_problem,
                 STR_FMT ", transfer %" PRId64 ", account %" PRId64 ", expected %" PRId64
                         ", found %" PRId64,
                 STR_ARG(problems[0].problem), problems[0].transfer_id, problems[0].account_id,
                 problems[0].expected, problems[0].found);
    return NULL;
}

/* The check of a large ledger may run into the time that a statement has: the rest of the page
 * stays. */
static void read_check(struct db *db, struct arena *a, struct figures *out)
{
    if (!last_check.at_ms || clock_steady_ms() - last_check.at_ms >= CHECK_EVERY_MS)
        out->check_failure = check_ledger(db, a);
    out->checked_ms_ago = clock_steady_ms() - last_check.at_ms;
    out->problem_count = last_check.problem_count;
    out->first_problem = str_dup(a, str_from(last_check.first_problem));
}

static err *read_rows(struct db *db, struct figures *out)
{
    int64_t began_us = steady_us();
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
    TRY(db_query(db, &Q_ledger_totals, &out->totals));
    TRY(db_query(db, &Q_status_payments, &out->payments));
    TRY(db_query(db, &Q_spend_today, &out->spend));
    TRY(db_query(db, &Q_spend_kinds, &out->spend_kinds));
    TRY(db_query(db, &Q_spend_lately, &out->spend_lately, V(SPEND_DAYS_SHOWN)));
    return db_query(db, &Q_user_counts, &out->users);
}

static void read_database(struct db_pool *pool, struct arena *a, struct figures *out)
{
    if (!pool) {
        out->database_failure = fail(a, ERR_INPUT, "STATUS_DATABASE_URL is not set");
        return;
    }
    struct db *db = db_new(pool, a);
    out->database_failure = read_rows(db, out);
    if (!out->database_failure)
        read_check(db, a, out);
}

void figures_read(const struct bot *bot, struct arena *a, struct figures *out)
{
    *out = (struct figures){
        .now_ms = clock_ms(),
        .release = S(AISHA_VERSION),
        .spend_limit_microdollars = bot->conf->daily_spend_limit_microdollars,
    };
    read_redis(bot->cache, a, &out->redis);
    read_database(bot->status_pool, a, out);
}
