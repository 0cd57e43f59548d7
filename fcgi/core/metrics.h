/*
 * metrics.h - what happened in this process, counted for Prometheus.
 *
 *     metric_count(METRIC_updates, KVS(KV("kind", "tap"), KV("outcome", "done")));
 *     metric_observe(METRIC_update_duration, took_us, KVS(KV("kind", "tap")));
 *
 * Counting touches nothing but memory. What has come together since the last
 * time is taken every few seconds and added to the sums in Redis (db/metrics.h),
 * so that these outlive the process. Labels are always given in the same order,
 * and their values are words of ours, never a user's: each combination is a
 * series, and there is room for a few hundred.
 */
#pragma once
#include "core/val.h"

enum metric {
    METRIC_updates,
    METRIC_update_duration,
    METRIC_callbacks,
    METRIC_calls,
    METRIC_call_duration,
    METRIC_job_steps,
    METRIC_job_step_duration,
    METRIC_generation_duration,
    METRIC_training_duration,
    METRIC_users,
    METRIC_coins,
    METRIC_webhook_pending,
    METRIC_ledger_problems,
    METRIC_ledger_checked,
    METRIC_COUNT,
};

enum metric_type { COUNTER, GAUGE, HISTOGRAM };

enum { METRIC_BOUNDS_MAX = 16 };

struct metric_row {
    const char *name, *help;
    enum metric_type type;
    bool by_minute; /* the sums of each of the last minutes are kept as well, for the status page */
    const int64_t *bounds_us; /* of the buckets of a histogram, rising; 0 ends them */
};

extern const struct metric_row metric_rows[METRIC_COUNT];

/* {kind="tap",outcome="done"}; empty for no labels. */
str metric_labels(struct arena *a, const struct kv *labels);
size_t metric_bound_count(const struct metric_row *row);

void metric_count(enum metric metric, const struct kv *labels);
/* One observation of a histogram. */
void metric_observe(enum metric metric, int64_t took_us, const struct kv *labels);
/* A gauge; whichever process has set it last is right. */
void metric_set(enum metric metric, int64_t value, const struct kv *labels);

/* -- for db/metrics.c -- */

struct metric_change {
    str field; /* aisha_updates_total{kind="tap",outcome="done"}; of a histogram with a blank and the
                  bound of a bucket, or "sum" in microseconds, behind it */
    int64_t value;
    bool is_set; /* instead of added */
    bool by_minute;
    int64_t *place;
};

/* What has come together, which is then no longer here. */
void metrics_take(struct arena *a, struct metric_change **changes, size_t *count);
/* It did not get anywhere, and is here again. */
void metrics_give_back(const struct metric_change *changes, size_t count);
