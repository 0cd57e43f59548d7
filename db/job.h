/*
 * job.h - the durable queue of background steps.
 *
 * A job is one step: at most one outside call, then one transaction that
 * records the result, queues the next step and ends with job_finish(). It is
 * queued by the transaction that pays for it. A key makes a step that is
 * queued twice one step.
 *
 *     TRY(job_add(db, &(struct new_job){.lane = S("fal"), .kind = S("image_submit"),
 *                                       .key = key, .user_id = user->id, .subject = id}, NULL));
 *
 * Whoever takes a job holds it for 60 s and keeps it with job_keep(). A job
 * whose lease ran out belongs to somebody else: job_finish(), job_wait(),
 * job_fail() and job_die() then answer an error for which job_is_lost() is
 * true, the transaction is rolled back, and what the sleeper had is discarded.
 *
 * Waiting is not failing: job_wait() for an outside party that is away or asks
 * for patience, job_fail() for its final refusals and our own faults. Nothing
 * here decides how many failures are too many; who runs the job reads
 * job.failures and calls job_die() in the transaction that refunds.
 */
#pragma once
#include "db/db.h"

enum { JOB_LEASE_MS = 60 * 1000, JOB_KEEP_EVERY_MS = 15 * 1000 };
/* As many failures has a job that an admin gave up: whoever takes it next buries it. */
enum { JOB_GIVEN_UP = 1000000 };

struct new_job {
    str lane; /* send fal speech media */
    str kind;
    str key;         /* may be empty */
    int64_t user_id; /* 0: nobody's; the job outlives the person */
    str subject;     /* uuid of the thing it is about, or empty */
    str payload;     /* JSON object, or empty */
    int64_t delay_ms;
};

struct job {
    int64_t id;
    str lane, kind, key, subject;
    int64_t user_id;
    int64_t turn_id; /* the update that it came of; 0: of none, or not known */
    str payload;     /* JSON text */
    int attempt, failures;
    str last_error;
    int64_t age_ms; /* since it was queued */
};

/* added: false when the key was there already; may be NULL. */
err *job_add(struct db *db, const struct new_job *job, bool *added);
/* An object of the store that no row points to would stay for ever. */
err *job_add_object_delete(struct db *db, struct arena *a, str bucket, str object_key);
/* cancelled: how many; may be NULL. */
err *job_cancel_by_subject(struct db *db, int64_t user_id, str subject, int *cancelled);

/* Up to limit jobs of a lane that are due, oldest first. The caller commits before it runs them. */
err *job_take(struct db *db, struct arena *a, str lane, str worker, int limit, struct job **jobs,
              size_t *count);
/* wait_ms: until the next job of the lane is due; -1 when none is queued. */
err *job_next_due(struct db *db, str lane, int64_t *wait_ms);

/* A job of the lane send, at its place in the chat's stream; taken: false when it is not due or
 * over. */
err *job_take_one(struct db *db, int64_t job_id, str worker, struct job *job, bool *taken);
/* How long until that job can be taken; -1 when it is over. */
err *job_gate(struct db *db, int64_t job_id, int64_t *wait_ms);

struct due_send {
    int64_t job_id, chat_id;
};
/* Send jobs that are due, by id, from above after_id on. */
err *job_send_due(struct db *db, struct arena *a, int64_t after_id, int limit,
                  struct due_send **due, size_t *count);

err *job_keep(struct db *db, const struct job *job, bool *kept);
err *job_finish(struct db *db, const struct job *job);
err *job_wait(struct db *db, const struct job *job, int64_t delay_ms, str why);
err *job_fail(struct db *db, const struct job *job, int64_t delay_ms, str why, int *failures);
err *job_die(struct db *db, const struct job *job, str why);
/* The same step can be queued again while this job stays to be looked at. */
err *job_give_key_up(struct db *db, const struct job *job);
bool job_is_lost(const err *e);

/* -- by an admin's hand; done: false when there is no such job, or it is past that -- */

/* A dead job is queued again as if it were new; one that waits is due now. */
err *job_retry(struct db *db, int64_t job_id, bool *done);
/* One that waits is buried by a worker, which refunds and tells the user. A dead one, where that is
 * done, is taken off the list of those that somebody should look at. */
err *job_give_up(struct db *db, int64_t job_id, bool *done);

/* Queues jobs again whose worker fell silent; each counts as a failure. */
err *job_sweep(struct db *db, int *swept);

struct job_lane {
    str lane;
    int64_t queued, due, running, dead;
    int64_t oldest_ms; /* how long the first of those that are due has been waiting */
};

err *job_lanes(struct db *db, struct arena *a, struct job_lane **lanes, size_t *count);
