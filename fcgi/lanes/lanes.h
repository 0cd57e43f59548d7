/*
 * lanes.h - the lanes of a worker, and what they share.
 *
 * A lane is a few tasks that end by themselves once the worker drains. They
 * are started with worker_start(), which counts them, and sleep only in
 * worker_sleep(), from which draining wakes them.
 *
 *     send    makes the calls of the chats whose streams this worker holds
 *     jobs    fal, words, media: one job at a time each; speech: a few
 *     sweep   what has to be done now and then, by one worker at a time
 *     poll    fetches updates where no webhook is set, by one worker at a time
 */
#pragma once
#include "db/job.h"
#include "handlers/bot.h"

struct sleeper;

struct worker {
    const struct bot *bot;
    str name;      /* unique to this process; holder of leases and jobs */
    int64_t alive; /* workers that were heard of lately, this one too; at least 1 */
    bool is_draining;
    size_t task_count; /* tasks of lanes that have not ended */
    struct sleeper *sleepers;
};

void worker_start(struct worker *w, void (*run)(void *), void *argument, size_t stack_kib);
/* The last thing such a task does. */
void worker_task_over(struct worker *w);

/* What may end a sleep early, besides draining. */
enum sleep {
    SLEEP_PLAIN,
    SLEEP_FOR_JOBS,  /* worker_hint(): there may be new jobs */
    SLEEP_AWAY,      /* Telegram answers again */
    SLEEP_FOR_PLACE, /* in the lane send: another call is over */
};
/* False when the worker drains. */
bool worker_sleep(struct worker *w, int64_t ms, enum sleep sleep);
void worker_wake(struct worker *w, enum sleep sleep);
void worker_drain(struct worker *w);

/* base doubled for each try, at most `most`, with a quarter of chance either way. */
int64_t backoff_ms(int tries, int64_t base_ms, int64_t most_ms);

/* For the status page: when an outside party last answered, and what it said when it did not.
 * Written at once when that changes, else every 15 s, and nobody waits for it: between a call and
 * its acknowledgement there is no time for that. met NULL: it answered. */
void worker_met(struct worker *w, const char *name, const err *met);

/* -- leases in Redis: one holder at a time -- */

enum { LEASE_MS = 10 * 1000, LEASE_KEEP_EVERY_MS = 3 * 1000 };

struct lease {
    str key;
    int64_t until_ms; /* steady clock, with a margin: after it nothing may be done in its name */
};

bool lease_is_held(const struct lease *lease);
/* Held, and time to prolong it. */
bool lease_is_due(const struct lease *lease);
/* Takes it when it is free, prolongs it when it is ours. */
err *lease_hold(struct worker *w, struct arena *a, struct lease *lease);
void lease_give_back(struct worker *w, struct arena *a, struct lease *lease);

/* -- the lanes -- */

void lane_send_start(struct worker *w);
void lane_jobs_start(struct worker *w);
void lane_sweep_start(struct worker *w);
/* Does nothing where a webhook is set. */
void lane_poll_start(struct worker *w);

/* A job has called Telegram, and this came of it: when Telegram asks all of us to wait, we do. */
void send_met(struct arena *a, const err *e);

/* Runs one job that was taken, to whatever end. */
void job_run(struct worker *w, const struct job *job);
