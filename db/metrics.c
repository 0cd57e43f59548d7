#include "db/metrics.h"

#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "db/scripts.h"

enum {
    ADD_EVERY_MS = 2000,
    GONE_AFTER_MS = 15 * 1000,
    SUMS_LIFE_S = 30 * 24 * 3600, /* since the last process was heard of */
    MINUTE_LIFE_S = 2 * 3600,
    MINUTE_MS = 60 * 1000,
    WORDS_BEFORE = 5,
    WORDS_EACH = 4,
    ARENA_BYTES = 4 << 20,
    NAME_BYTES = 300,
};

/* All in one slot of a cluster. */
#define SUMS_KEY      S("metrics")
#define PROCESSES_KEY S("processes:{metrics}")

static str number(struct arena *a, int64_t n)
{
    return str_printf(a, "%" PRId64, n);
}

static str minute_key(struct arena *a, int64_t unix_ms)
{
    return str_printf(a, "minute:{metrics}:%" PRId64, unix_ms / MINUTE_MS);
}

static size_t put_change(struct arena *a, str *words, const char *key,
                         const struct metric_change *change)
{
    words[0] = str_from(key);
    words[1] = change->is_set ? S("HSET") : S("HINCRBY");
    words[2] = change->field;
    words[3] = number(a, change->value);
    return WORDS_EACH;
}

static err *add(struct cache *cache, struct arena *a, const char *state, str process)
{
    const str keys[] = {SUMS_KEY, PROCESSES_KEY, minute_key(a, clock_ms())};
    struct metric_change *changes;
    size_t count, at = 0;
    metrics_take(a, &changes, &count);
    str *words = NEW_ARRAY(a, str, WORDS_BEFORE + 2 * WORDS_EACH * count);
    words[at++] = str_from(state);
    words[at++] = process;
    words[at++] = number(a, GONE_AFTER_MS);
    words[at++] = number(a, SUMS_LIFE_S);
    words[at++] = number(a, MINUTE_LIFE_S);
    for (size_t i = 0; i < count; i++) {
        at += put_change(a, words + at, "1", &changes[i]);
        if (changes[i].by_minute)
            at += put_change(a, words + at, "3", &changes[i]);
    }
    err *e = cache_eval(cache, a, NULL, &SCRIPT_metrics_add, keys, ARRAY_LEN(keys), words, at);
    /* Where nobody knows whether it was added it is not added again: fewer rather than invented. */
    if (e && e->kind != ERR_UNKNOWN)
        metrics_give_back(changes, count);
    return e;
}

err *metrics_add(struct cache *cache, struct arena *a, str process)
{
    return add(cache, a, "lives", process);
}

/* ---------------------------------------------------------------- by itself */

static void on_time(struct timer *timer);

/* Of this process. */
static struct {
    struct cache *cache;
    char process[NAME_BYTES];
    struct timer timer;
    bool is_over;
} keeper = {.timer = {.fire = on_time}};

static void run_keeper(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(ARENA_BYTES);
    err *e = metrics_add(keeper.cache, a, str_from(keeper.process));
    if (e)
        log_debug("metrics.not_added", KV("message", e->message));
    arena_free(a);
    if (!keeper.is_over)
        timer_set(&keeper.timer, clock_steady_ms() + ADD_EVERY_MS);
}

static void on_time(struct timer *timer)
{
    (void)timer;
    task_start(run_keeper, NULL, 0);
}

void metrics_keep(struct cache *cache, const char *program)
{
    char host[NAME_BYTES / 2] = "unknown";
    gethostname(host, sizeof host - 1);
    snprintf(keeper.process, sizeof keeper.process, "%s %s:%d", program, host, (int)getpid());
    keeper.cache = cache;
    timer_set(&keeper.timer, clock_steady_ms());
}

void metrics_keep_no_longer(void)
{
    keeper.is_over = true;
    timer_set(&keeper.timer, 0);
}

err *metrics_end(struct cache *cache, struct arena *a)
{
    metrics_keep_no_longer();
    return add(cache, a, "ends", str_from(keeper.process));
}

/* ---------------------------------------------------------------- reading */

static int by_field(const void *left, const void *right)
{
    const struct metric_sum *l = left, *r = right;
    size_t common = l->field.len < r->field.len ? l->field.len : r->field.len;
    int order = memcmp(l->field.ptr, r->field.ptr, common);
    return order ? order : (l->field.len > r->field.len) - (l->field.len < r->field.len);
}

static err *read_sums(struct cache *cache, struct arena *a, str key, struct metric_sums *out)
{
    redisReply *fields;
    TRY(cache_call(cache, a, &fields, S("HGETALL"), key));
    out->count = reply_count(fields) / 2;
    out->items = NEW_ARRAY(a, struct metric_sum, out->count + 1);
    for (size_t i = 0; i < out->count; i++)
        out->items[i] = (struct metric_sum){reply_str(reply_item(fields, 2 * i)),
                                            reply_i64(reply_item(fields, 2 * i + 1))};
    qsort(out->items, out->count, sizeof *out->items, by_field);
    return NULL;
}

err *metrics_read(struct cache *cache, struct arena *a, struct metric_sums *out)
{
    return read_sums(cache, a, SUMS_KEY, out);
}

err *metrics_read_minutes(struct cache *cache, struct arena *a, int64_t now_ms, size_t count,
                          struct metric_sums *out)
{
    for (size_t i = 0; i < count; i++) {
        int64_t at_ms = now_ms - (int64_t)(count - 1 - i) * MINUTE_MS;
        TRY(read_sums(cache, a, minute_key(a, at_ms), &out[i]));
    }
    return NULL;
}

err *metrics_processes(struct cache *cache, struct arena *a, const redisReply **processes)
{
    redisReply *alive;
    str since = number(a, clock_ms() - GONE_AFTER_MS);
    TRY(cache_call(cache, a, &alive, S("ZRANGEBYSCORE"), PROCESSES_KEY, since, S("+inf")));
    *processes = alive;
    return NULL;
}

/* ---------------------------------------------------------------- sums apart */

bool metric_sum_is_of(const struct metric_sum *sum, enum metric metric, str *labels, str *value)
{
    const struct metric_row *row = &metric_rows[metric];
    if (!str_starts(sum->field, str_from(row->name)))
        return false;
    str rest = str_sub(sum->field, strlen(row->name), sum->field.len);
    if (!str_empty(rest) && rest.ptr[0] != '{' && rest.ptr[0] != ' ')
        return false;
    size_t end = rest.len;
    while (row->type == HISTOGRAM && end > 0 && rest.ptr[end - 1] != ' ')
        end--;
    *value = row->type == HISTOGRAM ? str_sub(rest, end, rest.len) : S("");
    *labels = row->type == HISTOGRAM && end ? str_sub(rest, 0, end - 1) : rest;
    return true;
}

/* A bound that this release does not know, of the one before, counts as above all. */
void metric_histogram_add(struct metric_histogram *h, enum metric metric, str value, int64_t sum)
{
    const struct metric_row *row = &metric_rows[metric];
    size_t bounds = metric_bound_count(row), i = 0;
    char bound[32];
    if (str_eq(value, S("sum"))) {
        h->sum_us += sum;
        return;
    }
    for (; i < bounds; i++) {
        snprintf(bound, sizeof bound, "%g", (double)row->bounds_us[i] / 1e6);
        if (str_eq(value, str_from(bound)))
            break;
    }
    h->buckets[i] += sum;
    h->count += sum;
}

double metric_histogram_quantile(const struct metric_histogram *h, enum metric metric, double share)
{
    const struct metric_row *row = &metric_rows[metric];
    size_t bounds = metric_bound_count(row), i = 0;
    double wanted = share * (double)h->count, below = 0;
    while (i < bounds && below + (double)h->buckets[i] < wanted)
        below += (double)h->buckets[i++];
    double from = i ? (double)row->bounds_us[i - 1] / 1e6 : 0;
    if (i == bounds || !h->buckets[i])
        return from;
    double to = (double)row->bounds_us[i] / 1e6;
    return from + (to - from) * (wanted - below) / (double)h->buckets[i];
}
