#include "core/metrics.h"

#include "core/log.h"

enum {
    SERIES_MAX = 1024, /* a power of two; those of one process */
    LABELS_BYTES = 160,
    VALUES_MAX = METRIC_BOUNDS_MAX + 2, /* a bucket above the last bound, and the sum */
};

#define MS INT64_C(1000)

/* What the buckets of a histogram hold at most, rising; 0 ends them. */
static const int64_t answer_bounds_us[] = {
    1 * MS,   2 * MS,   5 * MS,    10 * MS,   20 * MS,   50 * MS, 100 * MS,
    200 * MS, 500 * MS, 1000 * MS, 2000 * MS, 5000 * MS, 0,
};
static const int64_t call_bounds_us[] = {
    5 * MS,    10 * MS,   25 * MS,    50 * MS,    100 * MS,   250 * MS,    500 * MS, 1000 * MS,
    2500 * MS, 5000 * MS, 10000 * MS, 30000 * MS, 60000 * MS, 120000 * MS, 0,
};
static const int64_t generation_bounds_us[] = {
    1000 * MS,   2500 * MS,   5000 * MS,   7500 * MS,    10000 * MS,
    15000 * MS,  20000 * MS,  30000 * MS,  45000 * MS,   60000 * MS,
    120000 * MS, 300000 * MS, 600000 * MS, 1800000 * MS, 0,
};
static const int64_t training_bounds_us[] = {
    10000 * MS,    30000 * MS,
    60000 * MS,    120000 * MS,
    300000 * MS,   600000 * MS,
    900000 * MS,   1200000 * MS,
    1800000 * MS,  2700000 * MS,
    3600000 * MS,  7200000 * MS,
    10800000 * MS, 0,
};

/* clang-format off */
const struct metric_row metric_rows[METRIC_COUNT] = {
    [METRIC_updates] = {
        .name = "aisha_updates_total", .type = COUNTER, .by_minute = true,
        .help = "Updates of Telegram, by what they were and what became of them."},
    [METRIC_update_duration] = {
        .name = "aisha_update_duration_seconds", .type = HISTOGRAM, .by_minute = true,
        .help = "From a whole update to its answer.", .bounds_us = answer_bounds_us},
    [METRIC_callbacks] = {
        .name = "aisha_callbacks_total", .type = COUNTER,
        .help = "Callbacks of FAL, by where they came in and what became of them."},
    [METRIC_calls] = {
        .name = "aisha_calls_total", .type = COUNTER,
        .help = "Calls to outside parties, by method and outcome; 429 is rate_limited."},
    [METRIC_call_duration] = {
        .name = "aisha_call_duration_seconds", .type = HISTOGRAM,
        .help = "From the beginning of a call to an outside party to its end.",
        .bounds_us = call_bounds_us},
    [METRIC_job_steps] = {
        .name = "aisha_job_steps_total", .type = COUNTER,
        .help = "Steps of jobs, by kind of job and outcome."},
    [METRIC_job_step_duration] = {
        .name = "aisha_job_step_duration_seconds", .type = HISTOGRAM,
        .help = "From taking a job to the end of its step.", .bounds_us = call_bounds_us},
    [METRIC_generation_duration] = {
        .name = "aisha_generation_duration_seconds", .type = HISTOGRAM,
        .help = "From the order of images to the last one stored.",
        .bounds_us = generation_bounds_us},
    [METRIC_training_duration] = {
        .name = "aisha_training_duration_seconds", .type = HISTOGRAM,
        .help = "From the order of a training to its stored result.",
        .bounds_us = training_bounds_us},
    [METRIC_users] = {
        .name = "aisha_users", .type = GAUGE,
        .help = "People that the bot knows, by whether they can be spoken to."},
    [METRIC_coins] = {
        .name = "aisha_coins", .type = GAUGE,
        .help = "Coins by kind of account; those of user and held are in circulation."},
    [METRIC_webhook_pending] = {
        .name = "aisha_webhook_pending_updates", .type = GAUGE,
        .help = "Updates that wait at Telegram for the webhook."},
    [METRIC_ledger_problems] = {
        .name = "aisha_ledger_problems", .type = GAUGE,
        .help = "What the last check of the ledger has found wrong."},
    [METRIC_ledger_checked] = {
        .name = "aisha_ledger_checked_timestamp_seconds", .type = GAUGE,
        .help = "When the ledger was last checked."},
};
/* clang-format on */

static_assert(ARRAY_LEN(answer_bounds_us) <= METRIC_BOUNDS_MAX + 1, "room for each bucket");
static_assert(ARRAY_LEN(call_bounds_us) <= METRIC_BOUNDS_MAX + 1, "room for each bucket");
static_assert(ARRAY_LEN(generation_bounds_us) <= METRIC_BOUNDS_MAX + 1, "room for each bucket");
static_assert(ARRAY_LEN(training_bounds_us) <= METRIC_BOUNDS_MAX + 1, "room for each bucket");

struct series {
    enum metric metric;
    bool is_used, is_set; /* is_set: a gauge that has a value to tell */
    char labels[LABELS_BYTES];
    size_t labels_len;
    int64_t values[VALUES_MAX];
};

static struct series table[SERIES_MAX];
static size_t series_count;
static bool is_full_told;

/* ---------------------------------------------------------------- labels */

struct writer {
    char *ptr;
    size_t len, capacity;
};

/* What does not fit is left out: no label of ours is that long. */
static void put(struct writer *w, str s)
{
    size_t room = w->capacity - w->len, len = s.len < room ? s.len : room;
    if (len)
        memcpy(w->ptr + w->len, s.ptr, len);
    w->len += len;
}

static void put_escaped(struct writer *w, str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '"' || c == '\\')
            put(w, S("\\"));
        put(w, c == '\n' ? S("\\n") : (str){&s.ptr[i], 1});
    }
}

static void put_value(struct writer *w, struct val value)
{
    char digits[32];
    if (value.type == VAL_STR)
        put_escaped(w, value.string);
    else if (value.type == VAL_INT)
        put(w, str_of_i64(digits, value.integer));
}

static size_t write_labels(char text[LABELS_BYTES], const struct kv *labels)
{
    struct writer w = {text, 0, LABELS_BYTES - 2}; /* the last quote and brace always fit */
    for (const struct kv *label = labels; label->name; label++) {
        put(&w, label == labels ? S("{") : S("\","));
        put(&w, str_from(label->name));
        put(&w, S("=\""));
        put_value(&w, label->value);
    }
    w.capacity = LABELS_BYTES;
    if (w.len)
        put(&w, S("\"}"));
    return w.len;
}

str metric_labels(struct arena *a, const struct kv *labels)
{
    char text[LABELS_BYTES];
    size_t len = write_labels(text, labels);
    return str_dup(a, (str){text, len});
}

/* ---------------------------------------------------------------- series */

/* FNV-1a. */
static size_t hash_of(enum metric metric, const char *text, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325U ^ (uint64_t)metric;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3U;
    return (size_t)hash % SERIES_MAX;
}

/* Half of the table stays empty, so that looking is short and always ends. */
static struct series *series_of(enum metric metric, const struct kv *labels)
{
    char text[LABELS_BYTES];
    size_t len = write_labels(text, labels);
    size_t at = hash_of(metric, text, len);
    for (; table[at].is_used; at = (at + 1) % SERIES_MAX)
        if (table[at].metric == metric && table[at].labels_len == len &&
            memcmp(table[at].labels, text, len) == 0)
            return &table[at];
    if (series_count >= SERIES_MAX / 2) {
        if (!is_full_told)
            log_error("metrics.full", KV("metric", metric_rows[metric].name));
        is_full_told = true;
        return NULL;
    }
    series_count++;
    table[at] = (struct series){.metric = metric, .is_used = true, .labels_len = len};
    memcpy(table[at].labels, text, len);
    return &table[at];
}

size_t metric_bound_count(const struct metric_row *row)
{
    size_t count = 0;
    while (row->bounds_us && row->bounds_us[count])
        count++;
    return count;
}

void metric_count(enum metric metric, const struct kv *labels)
{
    struct series *series = series_of(metric, labels);
    if (series)
        series->values[0]++;
}

void metric_observe(enum metric metric, int64_t took_us, const struct kv *labels)
{
    assert(metric_rows[metric].type == HISTOGRAM);
    struct series *series = series_of(metric, labels);
    if (!series)
        return;
    const struct metric_row *row = &metric_rows[metric];
    size_t bucket = 0;
    while (row->bounds_us[bucket] && took_us > row->bounds_us[bucket])
        bucket++;
    series->values[bucket]++;
    series->values[metric_bound_count(row) + 1] += took_us;
}

void metric_set(enum metric metric, int64_t value, const struct kv *labels)
{
    assert(metric_rows[metric].type == GAUGE);
    struct series *series = series_of(metric, labels);
    if (!series)
        return;
    series->values[0] = value;
    series->is_set = true;
}

/* ---------------------------------------------------------------- taking */

static str field_of(struct arena *a, const struct series *series, size_t index)
{
    const struct metric_row *row = &metric_rows[series->metric];
    size_t bounds = metric_bound_count(row);
    str series_name = str_printf(a, "%s%.*s", row->name, (int)series->labels_len, series->labels);
    if (row->type != HISTOGRAM)
        return series_name;
    if (index < bounds)
        return str_printf(a, STR_FMT " %g", STR_ARG(series_name),
                          (double)row->bounds_us[index] / 1e6);
    return str_printf(a, STR_FMT " %s", STR_ARG(series_name), index == bounds ? "+Inf" : "sum");
}

static size_t value_count(const struct series *series)
{
    const struct metric_row *row = &metric_rows[series->metric];
    return row->type == HISTOGRAM ? metric_bound_count(row) + 2 : 1;
}

void metrics_take(struct arena *a, struct metric_change **changes, size_t *count)
{
    *changes = NEW_ARRAY(a, struct metric_change, series_count * VALUES_MAX + 1);
    *count = 0;
    for (size_t at = 0; at < SERIES_MAX; at++) {
        struct series *series = &table[at];
        for (size_t i = 0; series->is_used && i < value_count(series); i++) {
            if (!series->values[i] && !series->is_set)
                continue;
            (*changes)[(*count)++] = (struct metric_change){
                .field = field_of(a, series, i),
                .value = series->values[i],
                .is_set = series->is_set,
                .by_minute = metric_rows[series->metric].by_minute,
                .place = &series->values[i],
            };
            series->values[i] = 0;
        }
        series->is_set = false;
    }
}

/* A gauge that could not be told is not worth telling later: who sets it sets it again. */
void metrics_give_back(const struct metric_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!changes[i].is_set)
            *changes[i].place += changes[i].value;
}
