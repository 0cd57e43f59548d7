/*
 * figures.h - what the status page tells, read from the stores.
 *
 * Everything is what a row, or an answer of Redis, says at this moment; what
 * cannot be read is told as such and never guessed. PostgreSQL is read as
 * aisha_status, a role that may only read. The columns of each struct rows are
 * those of the statement that it is named by, in db/sql.
 */
#pragma once
#include "db/metrics.h"
#include "handlers/bot.h"

enum { HOURS_DRAWN = 24, MINUTES_DRAWN = 60 };

struct redis_figures {
    const err *failure; /* NULL: it answers, and the rest is known */
    double ping_ms;
    int64_t used_bytes, most_bytes;         /* most_bytes 0: no limit */
    bool is_durable;                        /* appendonly */
    int64_t calls_waiting, answers_waiting; /* in the streams of the outbox */
    int64_t oldest_call_ms;                 /* how long it has waited; 0 when none does */
};

/* Of the last hour, known when Redis answers. */
struct traffic {
    int64_t updates[MINUTES_DRAWN], errors[MINUTES_DRAWN]; /* the last one has begun just now */
    struct metric_histogram answers;
};

struct figures {
    int64_t now_ms;
    str release;
    struct redis_figures redis;
    struct traffic traffic;

    const err *database_failure; /* NULL: everything below is known */
    double database_ms;
    struct rows database;       /* status_database */
    struct rows workers;        /* worker_list */
    struct rows parties;        /* party_list */
    struct rows counters;       /* counter_list */
    struct rows lanes;          /* job_lanes */
    struct rows running;        /* status_running_jobs */
    struct rows dead;           /* job_dead_list */
    struct rows parked_count;   /* parked_count */
    struct rows parked;         /* parked_page */
    struct rows orders;         /* status_orders_today */
    struct rows open;           /* status_open_orders */
    struct rows hours;          /* status_images_by_hour */
    struct rows open_trainings; /* status_open_trainings */
    struct rows webhook;        /* summary_webhook; none where updates are fetched */
    struct rows check;          /* summary_check; none before the first */
    struct rows totals;         /* summary_totals */
    struct rows users;          /* summary_user_counts */
    struct rows payments;       /* status_payments */

    int64_t spend_limit_microdollars; /* 0: none */
    struct rows spend;                /* spend_today */
    struct rows spend_kinds;          /* spend_kinds */
    struct rows spend_lately;         /* spend_lately */
};

void figures_read_redis(struct cache *cache, struct arena *a, struct redis_figures *out);
/* Never fails as a whole: what is down is told in the figures. */
void figures_read(const struct bot *bot, struct arena *a, struct figures *out);
