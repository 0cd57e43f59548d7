/*
 * figures.h - what the status page tells, read from the stores.
 *
 * Everything is what a row, or an answer of Redis, says at this moment; what
 * cannot be read is told as such and never guessed. PostgreSQL is read as
 * aisha_status, a role that may only read. The columns of each struct rows are
 * those of the statement that it is named by, in db/sql.
 */
#pragma once
#include "handlers/bot.h"

enum { HOURS_DRAWN = 24 };

struct redis_figures {
    const err *failure; /* NULL: it answers, and the rest is known */
    double ping_ms;
    int64_t used_bytes, most_bytes;         /* most_bytes 0: no limit */
    bool is_durable;                        /* appendonly */
    int64_t calls_waiting, answers_waiting; /* in the streams of the outbox */
};

struct figures {
    int64_t now_ms;
    str release;
    struct redis_figures redis;

    const err *database_failure; /* NULL: everything below is known */
    double database_ms;
    struct rows database;     /* status_database */
    struct rows workers;      /* worker_list */
    struct rows parties;      /* party_list */
    struct rows counters;     /* counter_list */
    struct rows lanes;        /* job_lanes */
    struct rows running;      /* status_running_jobs */
    struct rows dead;         /* job_dead_list */
    struct rows parked_count; /* parked_count */
    struct rows parked;       /* parked_page */
    struct rows orders;       /* status_orders_today */
    struct rows open;         /* status_open_orders */
    struct rows hours;        /* status_images_by_hour */
    struct rows totals;       /* ledger_totals */
    struct rows users;        /* user_counts */
    struct rows payments;     /* status_payments */

    int64_t spend_limit_microdollars; /* 0: none */
    struct rows spend;                /* spend_today */
    struct rows spend_kinds;          /* spend_kinds */
    struct rows spend_lately;         /* spend_lately */

    /* Reading the whole ledger is dear, so this may be up to a minute old. */
    const err *check_failure;
    int64_t checked_ms_ago;
    int64_t problem_count;
    str first_problem;
};

/* Never fails as a whole: what is down is told in the figures. */
void figures_read(const struct bot *bot, struct arena *a, struct figures *out);
