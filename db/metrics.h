/*
 * metrics.h - the sums of what all processes have counted, in Redis.
 *
 * Each process adds what it has counted (core/metrics.h) every two seconds, in
 * one trip, and once more when it ends; one that is killed loses two seconds of
 * it. Sums that a wiped Redis has lost begin anew, which Prometheus expects of
 * counters. The same trip says that the process lives.
 */
#pragma once
#include "core/metrics.h"
#include "db/cache.h"

/* From a task. process: "bot host:pid". */
err *metrics_add(struct cache *cache, struct arena *a, str process);
/* Does so from now on, by a timer; program: "bot". After loop_init(). */
void metrics_keep(struct cache *cache, const char *program);
/* No more of it. */
void metrics_keep_no_longer(void);
/* The last time, from a task: with this the process is gone. */
err *metrics_end(struct cache *cache, struct arena *a);

/* -- reading -- */

struct metric_sum {
    str field; /* as in struct metric_change */
    int64_t value;
};

struct metric_sums { /* in the order of their fields */
    struct metric_sum *items;
    size_t count;
};

err *metrics_read(struct cache *cache, struct arena *a, struct metric_sums *out);
/* The last minutes one by one, oldest first, up to the one that has begun: what metric_row.by_minute is
 * said of. They are kept for two hours. */
err *metrics_read_minutes(struct cache *cache, struct arena *a, int64_t now_ms, size_t count,
                          struct metric_sums *out);
/* Names of those that were heard of in the last 15 seconds. */
err *metrics_processes(struct cache *cache, struct arena *a, const redisReply **processes);

/* False when the sum is not of this metric. labels: with their braces, or empty; value: of a histogram
 * the bound or "sum". */
bool metric_sum_is_of(const struct metric_sum *sum, enum metric metric, str *labels, str *value);

struct metric_histogram {
    int64_t buckets[METRIC_BOUNDS_MAX + 1]; /* the last used one is what lies above all bounds */
    int64_t sum_us, count;
};

void metric_histogram_add(struct metric_histogram *h, enum metric metric, str value, int64_t sum);
/* In seconds, as even as the buckets allow; above the last bound that bound. 0 for an empty one. */
double metric_histogram_quantile(const struct metric_histogram *h, enum metric metric,
                                 double share);
