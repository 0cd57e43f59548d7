#include "status/prometheus.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/version.h"
#include "db/metrics.h"
#include "db/queries.h"
#include "status/figures.h"

/* ---------------------------------------------------------------- lines */

static const char *const type_words[] = {
    [COUNTER] = "counter",
    [GAUGE] = "gauge",
    [HISTOGRAM] = "histogram",
};

static void put_head(struct buf *b, const char *name, const char *help, enum metric_type type)
{
    buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type_words[type]);
}

/* Of what is read now; its samples follow. */
static void put_family(struct buf *b, const char *name, const char *help)
{
    put_head(b, name, help, GAUGE);
}

static void put_sample(struct buf *b, const char *name, const struct kv *labels, double value)
{
    buf_addf(b, "%s" STR_FMT " %.15g\n", name, STR_ARG(metric_labels(b->arena, labels)), value);
}

/* A gauge without labels, whole. */
static void put_gauge(struct buf *b, const char *name, const char *help, double value)
{
    put_family(b, name, help);
    put_sample(b, name, KVS(), value);
}

/* ---------------------------------------------------------------- what was counted */

/* The labels with one more behind them. */
static str with_bound(struct arena *a, str labels, const char *bound)
{
    if (str_empty(labels))
        return str_printf(a, "{le=\"%s\"}", bound);
    return str_printf(a, STR_FMT ",le=\"%s\"}", STR_ARG(str_sub(labels, 0, labels.len - 1)), bound);
}

static void put_histogram(struct buf *b, enum metric metric, str labels,
                          const struct metric_histogram *h)
{
    const struct metric_row *row = &metric_rows[metric];
    size_t bounds = metric_bound_count(row);
    int64_t below = 0;
    for (size_t i = 0; i <= bounds; i++) {
        char bound[32] = "+Inf";
        if (i < bounds)
            snprintf(bound, sizeof bound, "%g", (double)row->bounds_us[i] / 1e6);
        below += h->buckets[i];
        buf_addf(b, "%s_bucket" STR_FMT " %" PRId64 "\n", row->name,
                 STR_ARG(with_bound(b->arena, labels, bound)), below);
    }
    buf_addf(b, "%s_sum" STR_FMT " %.15g\n%s_count" STR_FMT " %" PRId64 "\n", row->name,
             STR_ARG(labels), (double)h->sum_us / 1e6, row->name, STR_ARG(labels), below);
}

/* The sums are in order, so those of one histogram follow one another. */
static void put_histograms(struct buf *b, enum metric metric, const struct metric_sums *sums)
{
    struct metric_histogram h = {0};
    str labels, value, labels_of_h = S("");
    bool is_begun = false;
    for (size_t i = 0; i < sums->count; i++) {
        if (!metric_sum_is_of(&sums->items[i], metric, &labels, &value))
            continue;
        if (is_begun && !str_eq(labels, labels_of_h)) {
            put_histogram(b, metric, labels_of_h, &h);
            h = (struct metric_histogram){0};
        }
        labels_of_h = labels;
        is_begun = true;
        metric_histogram_add(&h, metric, value, sums->items[i].value);
    }
    if (is_begun)
        put_histogram(b, metric, labels_of_h, &h);
}

static void put_plain(struct buf *b, enum metric metric, const struct metric_sums *sums)
{
    str labels, value;
    for (size_t i = 0; i < sums->count; i++)
        if (metric_sum_is_of(&sums->items[i], metric, &labels, &value))
            buf_addf(b, "%s" STR_FMT " %" PRId64 "\n", metric_rows[metric].name, STR_ARG(labels),
                     sums->items[i].value);
}

static void put_counted(struct buf *b, const struct metric_sums *sums)
{
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        const struct metric_row *row = &metric_rows[metric];
        put_head(b, row->name, row->help, row->type);
        if (row->type == HISTOGRAM)
            put_histograms(b, metric, sums);
        else
            put_plain(b, metric, sums);
    }
}

/* "bot host:pid". */
static int64_t processes_of(const redisReply *processes, const char *program)
{
    int64_t count = 0;
    for (size_t i = 0; i < reply_count(processes); i++) {
        str name, rest;
        str_cut(reply_str(reply_item(processes, i)), ' ', &name, &rest);
        count += str_eq(name, str_from(program));
    }
    return count;
}

static void put_processes(struct buf *b, const redisReply *processes)
{
    static const char *const programs[] = {"bot", "worker"};
    put_family(b, "aisha_processes", "Processes that were heard of in the last 15 seconds.");
    for (size_t i = 0; i < ARRAY_LEN(programs); i++)
        put_sample(b, "aisha_processes", KVS(KV("program", programs[i])),
                   (double)processes_of(processes, programs[i]));
}

/* ---------------------------------------------------------------- Redis */

static bool put_redis(struct buf *b, const struct bot *bot)
{
    struct redis_figures redis;
    struct metric_sums sums;
    const redisReply *processes;
    figures_read_redis(bot->cache, b->arena, &redis);
    const err *e = redis.failure;
    if (!e)
        e = metrics_read(bot->cache, b->arena, &sums);
    if (!e)
        e = metrics_processes(bot->cache, b->arena, &processes);
    if (e) {
        log_err("metrics.no_redis", e, KVS());
        return false;
    }
    put_counted(b, &sums);
    put_processes(b, processes);
    put_gauge(b, "aisha_redis_memory_bytes", "Memory that Redis uses.", (double)redis.used_bytes);
    put_gauge(b, "aisha_redis_memory_limit_bytes", "Memory that Redis may use; 0 is no limit.",
              (double)redis.most_bytes);
    put_family(b, "aisha_outbox_calls", "Calls that wait to be made to Telegram.");
    put_sample(b, "aisha_outbox_calls", KVS(KV("stream", "chats")), (double)redis.calls_waiting);
    put_sample(b, "aisha_outbox_calls", KVS(KV("stream", "answers")),
               (double)redis.answers_waiting);
    put_gauge(b, "aisha_outbox_oldest_seconds", "How long the oldest call to a chat has waited.",
              (double)redis.oldest_call_ms / 1000);
    return true;
}

/* ---------------------------------------------------------------- PostgreSQL */

/* One number from each row, under a label that a column of it tells. */
static void put_rows(struct buf *b, const char *name, const char *help, const struct rows *rows,
                     const char *label, const char *column, double unit)
{
    put_family(b, name, help);
    for (int i = 0; i < rows->count; i++)
        put_sample(b, name, KVS(KV(label, rows_str(rows, i, label))),
                   (double)rows_i64(rows, i, column) / unit);
}

static err *put_database(struct buf *b, struct db *db)
{
    struct rows row, parked;
    TRY(db_query(db, &Q_status_database, &row));
    TRY(db_query(db, &Q_parked_count, &parked));
    put_gauge(b, "aisha_database_size_bytes", "Size of the database.",
              (double)rows_i64(&row, 0, "size_bytes"));
    put_gauge(b, "aisha_database_connections", "Connections to the database.",
              (double)rows_i64(&row, 0, "connections"));
    put_gauge(b, "aisha_database_connections_limit", "Connections that PostgreSQL allows.",
              (double)rows_i64(&row, 0, "most_connections"));
    put_gauge(b, "aisha_parked_updates", "Updates that were given up and are kept.",
              (double)rows_i64(&parked, 0, "parked"));
    return NULL;
}

static err *put_work(struct buf *b, struct db *db)
{
    struct rows lanes, kinds, open;
    TRY(db_query(db, &Q_job_lanes, &lanes));
    TRY(db_query(db, &Q_job_kinds, &kinds));
    TRY(db_query(db, &Q_status_open_counts, &open));
    put_rows(b, "aisha_queue_jobs", "Jobs that are due, by lane.", &lanes, "lane", "due", 1);
    put_rows(b, "aisha_queue_oldest_seconds", "How long the oldest due job of a lane has waited.",
             &lanes, "lane", "oldest_ms", 1000);
    put_family(b, "aisha_jobs", "Jobs that are not over, and those given up.");
    for (int i = 0; i < kinds.count; i++)
        put_sample(b, "aisha_jobs",
                   KVS(KV("lane", rows_str(&kinds, i, "lane")),
                       KV("kind", rows_str(&kinds, i, "kind")),
                       KV("state", rows_str(&kinds, i, "state"))),
                   (double)rows_i64(&kinds, i, "jobs"));
    static const char *const things[] = {"generations", "trainings", "transcripts"};
    put_family(b, "aisha_open_orders", "What users have ordered and is not over.");
    for (size_t i = 0; i < ARRAY_LEN(things); i++)
        put_sample(b, "aisha_open_orders", KVS(KV("thing", things[i])),
                   (double)rows_i64(&open, 0, things[i]));
    return NULL;
}

static err *put_parties(struct buf *b, struct db *db)
{
    struct rows parties, events;
    TRY(db_query(db, &Q_party_list, &parties));
    TRY(db_query(db, &Q_counter_list, &events));
    put_family(b, "aisha_party_up", "Whether an outside party answered when it was last asked.");
    for (int i = 0; i < parties.count; i++)
        put_sample(b, "aisha_party_up", KVS(KV("party", rows_str(&parties, i, "name"))),
                   rows_bool(&parties, i, "is_ok"));
    put_head(b, "aisha_events_total", "Rare events, by name.", COUNTER);
    for (int i = 0; i < events.count; i++)
        put_sample(b, "aisha_events_total", KVS(KV("event", rows_str(&events, i, "name"))),
                   (double)rows_i64(&events, i, "value"));
    return NULL;
}

static err *put_spend(struct buf *b, struct db *db, const struct conf *conf)
{
    struct rows today, kinds;
    TRY(db_query(db, &Q_spend_today, &today));
    TRY(db_query(db, &Q_spend_kinds, &kinds));
    put_rows(b, "aisha_spend_today_calls", "Calls since midnight UTC that cost something.", &kinds,
             "kind", "calls", 1);
    put_rows(b, "aisha_spend_today_dollars", "Their cost by our own price list.", &kinds, "kind",
             "microdollars", 1e6);
    put_gauge(b, "aisha_spend_under_way_dollars", "What is ordered and not yet submitted.",
              (double)rows_i64(&today, 0, "under_way") / 1e6);
    put_gauge(b, "aisha_spend_limit_dollars", "What a day may cost; 0 is no limit.",
              (double)conf->daily_spend_limit_microdollars / 1e6);
    return NULL;
}

static bool put_postgresql(struct buf *b, const struct bot *bot)
{
    if (!bot->status_pool)
        return db_pool_check(bot->pool, b->arena) == NULL;
    struct db *db = db_new(bot->status_pool, b->arena);
    const err *e = put_database(b, db);
    if (!e)
        e = put_work(b, db);
    if (!e)
        e = put_parties(b, db);
    if (!e)
        e = put_spend(b, db, bot->conf);
    if (e)
        log_err("metrics.no_postgresql", e, KVS());
    return e == NULL;
}

/* ---------------------------------------------------------------- the disk */

/* Where data may lie; those on one file system are told once. */
static void put_disks(struct buf *b)
{
    static const char *const paths[] = {"/", "/var", "/var/lib/postgresql", "/var/lib/redis"};
    dev_t told[ARRAY_LEN(paths)];
    size_t told_count = 0;
    struct buf sizes = buf_new(b->arena), free_ones = buf_new(b->arena);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct stat file;
        struct statvfs disk;
        size_t at = 0;
        if (stat(paths[i], &file) != 0 || statvfs(paths[i], &disk) != 0)
            continue;
        while (at < told_count && told[at] != file.st_dev)
            at++;
        if (at < told_count)
            continue;
        told[told_count++] = file.st_dev;
        const struct kv *labels = KVS(KV("path", paths[i]));
        put_sample(&sizes, "aisha_disk_size_bytes", labels,
                   (double)disk.f_blocks * (double)disk.f_frsize);
        put_sample(&free_ones, "aisha_disk_free_bytes", labels,
                   (double)disk.f_bavail * (double)disk.f_frsize);
    }
    put_family(b, "aisha_disk_size_bytes", "Size of a file system of this machine.");
    buf_add(b, buf_str(&sizes));
    put_family(b, "aisha_disk_free_bytes", "What of it is free for those who are not root.");
    buf_add(b, buf_str(&free_ones));
}

str prometheus_text(const struct bot *bot, struct arena *a)
{
    struct buf b = buf_new(a);
    bool has_redis = put_redis(&b, bot), has_postgresql = put_postgresql(&b, bot);
    put_family(&b, "aisha_up", "Whether a store answers.");
    put_sample(&b, "aisha_up", KVS(KV("part", "redis")), has_redis);
    put_sample(&b, "aisha_up", KVS(KV("part", "postgresql")), has_postgresql);
    put_disks(&b);
    put_family(&b, "aisha_build_info", "The release of the process that has answered.");
    put_sample(&b, "aisha_build_info", KVS(KV("release", AISHA_VERSION)), 1);
    return buf_str(&b);
}
