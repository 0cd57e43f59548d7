/*
 * work.h - one job while it is being run.
 *
 * A job is one step: at most one outside call, then one transaction that
 * records the result and queues the next step. A job function makes its call,
 * writes through w->db, queues what follows, and returns; the runner marks the
 * job done in the same transaction. Returned errors are judged by the runner:
 * waiting kinds put the job back without counting, ERR_REFUSED and the rest
 * count as failures, too many end in give_up().
 */
#pragma once
#include "db/job.h"
#include "handlers/bot.h"
#include "handlers/outbox.h"
#include "handlers/say.h"

struct work {
    const struct bot *bot;
    struct arena *arena;
    struct db *db;
    const struct job *job;
    struct json_object *payload;

    /* Left for the runner. */
    int64_t again_ms;       /* > 0: this step is not over, run it again after so long */
    struct outgoing *after; /* sent after the commit: progress, which may be lost */
    size_t after_count;
    int64_t after_chat_id;
    int64_t forget_user_chat_id; /* != 0: money moved, the cached user is out of date */
    const err *missed;           /* a party that failed, though the step went on without it */
};

typedef err *job_handler(struct work *w);

/* Sends a call about a slot's message once the job's transaction has been committed. */
void work_tell(struct work *w, int64_t chat_id, const struct outgoing *call);
/* For deliver jobs: a call at its place in the chat. A chat that is out of reach ends the
 * delivery and is no failure: *result is NULL then. result may be NULL. */
err *work_call(struct work *w, const struct outbox_call *call, struct json_object **result);
