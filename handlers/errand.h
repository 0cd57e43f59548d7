/*
 * errand.h - the life of what FAL is asked to do for a user and his coins:
 * images, or a training.
 *
 *     errand_run_submit    gives it to FAL
 *     errand_run_check     asks FAL while its callback is awaited, and shows progress
 *     errand_run_result    fetches the result of one that completed without a callback
 *     errand_callback()    FAL's callback: the result as well
 *     errand_run_cancel    asks FAL to stop it, which may be too late
 *     errand_run_drop      calls off a request that was made twice
 *     errand_run_give_up   when a step of it is dead: it fails, the coins return
 *     errand_run_go_on     when asking FAL to stop it is dead: FAL goes on, and so does it
 *
 * What is special about images or trainings is in a struct errand_kind. Its
 * name begins the event "training.ended", the hold and the slot "training:<id>".
 *
 * An errand ends once: completed and paid, or failed or cancelled. The first
 * outcome that FAL tells counts. That an earlier request failed means nothing
 * while a later one is worked on, and a result that comes after the coins went
 * back is a present.
 */
#pragma once
#include "db/errand.h"
#include "handlers/turn.h"
#include "handlers/work.h"

struct errand_kind {
    const char *name;
    /* The jobs that run the steps, all in the lane fal, and the one that says why there is no result. */
    const char *submit_job, *check_job, *result_job, *cancel_job, *drop_job, *explain_job;
    const struct errand_statements *statements;
    int64_t unknown_wait_ms;   /* how long a submission whose answer was lost may still call back */
    int64_t unreached_most_ms; /* how long a FAL out of reach is waited for; 0: as a silent one */
    int64_t first_check_ms, check_most_ms; /* pauses between checks grow from one to the other */
    int64_t (*most_age_ms)(const struct conf *conf);     /* then it is cancelled; may be NULL */
    int64_t (*most_silence_ms)(const struct conf *conf); /* the same without a word from FAL */

    /* The thing that has the errand as its first member; opens the transaction and holds its row. */
    err *(*lock)(struct db *db, struct arena *a, str id, struct errand **out);
    /* Before FAL is asked: *failure becomes the machine word when it cannot be done any more; NULL: it
     * always can. submit() gets the same errand. */
    err *(*examine)(struct work *w, struct errand *errand, const char **failure);
    /* The last part of the callback's path. */
    const char *(*entrance)(const struct errand *errand);
    /* Records what FAL is about to be given, with the submission; NULL: the row has it all. */
    err *(*note)(struct db *db, struct arena *a, struct errand *errand, str callback_url);
    /* FAL waits or works: tells the user. */
    err *(*show)(struct work *w, struct errand *errand, const struct fal_status *status);
    /* Keeps FAL's result and queues what follows from it; the row is locked. */
    err *(*take)(struct db *db, struct arena *a, struct errand *errand, struct json_object *payload,
                 str raw);
    /* FAL has failed. *is_seen_to: the errand has been ended, or its request set aside and what was missing
     * is under way, so that it is submitted again. May be NULL. */
    err *(*mend)(struct db *db, struct arena *a, struct errand *errand,
                 const struct fal_failure *failure, str request_id, bool *is_seen_to);
    /* Whether that is the request that was set aside; NULL: there never is one. */
    bool (*is_set_aside)(const struct errand *errand, str request_id);
    /* Whether the user has asked for the cancelling and pays for it; NULL: nobody ever does. */
    bool (*is_cancel_paid)(const struct errand *errand);
    /* FAL could not be asked to stop it: tells the user, who can ask again. */
    err *(*go_on)(struct work *w, struct errand *errand);
};

/* -- from order to result -- */

/* submit: calls FAL. It stands in no errand_kind, because the bot has those too, and calls nobody. */
err *errand_run_submit(struct work *w, const struct errand_kind *kind,
                       err *(*submit)(struct work *w, struct errand *errand, str callback_url,
                                      struct fal_submission *out));
err *errand_run_check(struct work *w, const struct errand_kind *kind);
err *errand_run_result(struct work *w, const struct errand_kind *kind);
err *errand_run_cancel(struct work *w, const struct errand_kind *kind);
err *errand_run_drop(struct work *w);
err *errand_run_give_up(struct work *w, const struct errand_kind *kind);
err *errand_run_go_on(struct work *w, const struct errand_kind *kind);

/* -- for those that have a kind of their own -- */

/* The key of its hold in the ledger, and the name of the message that shows its progress. */
str errand_key(struct arena *a, const struct errand_kind *kind, str id);
/* A step that is queued twice is one; `more` tells several of a kind apart. */
err *errand_queue(struct db *db, struct arena *a, const struct errand *errand, const char *lane,
                  const char *job, int64_t more, str payload, int64_t delay_ms);
/* What a job of the lane send is told: where to speak. */
str errand_chat(struct arena *a, const struct errand *errand);
/* Ends an open one without a result; the row is locked. Its price goes back, unless the user pays for the
 * cancelling; the words to him are queued. status: "failed" or "cancelled". */
err *errand_fail(struct db *db, struct arena *a, const struct errand_kind *kind,
                 const struct errand *errand, const char *status, const char *failure, str message);
/* No word of FAL for longer than it may be, and there is no request to be cancelled. */
bool errand_is_silent(const struct errand_kind *kind, const struct conf *conf,
                      const struct errand *errand);
/* The same for one that FAL has, or has the result of: longer without a word than it may take. */
bool errand_is_overdue(const struct errand_kind *kind, const struct conf *conf,
                       const struct errand *errand);
/* e, met on the way to FAL, is worth waiting for, but it has been for as long as anybody waits. */
bool errand_is_unreached(const struct errand_kind *kind, const struct errand *errand, const err *e);
/* Progress may be lost: it goes out after the commit and is never waited for. */
void errand_tell(struct work *w, const struct errand_kind *kind, const struct errand *errand,
                 str html, struct keyboard *k);
/* Words of their own below it. */
void errand_say(struct work *w, const struct errand *errand, str html, struct keyboard *k);
/* The progress message has served and goes: the result stands. */
void errand_clear_progress(struct work *w, const struct errand_kind *kind,
                           const struct errand *errand);
/* Of one that ended without a result: the last words, in the place of its progress. */
err *errand_explain(struct work *w, const struct errand_kind *kind, const struct errand *errand,
                    str html, struct keyboard *k);

/* What a cancel button can do. */
enum errand_stage {
    ERRAND_WAITS,    /* not given to FAL: it can simply end */
    ERRAND_IN_DOUBT, /* whether FAL has it is not known yet */
    ERRAND_AT_FAL,
    ERRAND_OVER, /* ended, or FAL's answer is in */
};
enum errand_stage errand_stage(const struct errand *errand);
/* ERRAND_WAITS: ends it. */
err *errand_call_off(struct db *db, struct arena *a, const struct errand_kind *kind,
                     const struct errand *errand);
/* ERRAND_AT_FAL: has FAL asked to stop it. */
err *errand_ask_to_stop(struct db *db, struct arena *a, const struct errand_kind *kind,
                        const struct errand *errand);

/* -- callbacks -- */

/* The address that FAL calls, behind our own; and whether one is ours. */
str errand_callback_query(const struct bot *bot, struct arena *a, const char *entrance, str id,
                          int64_t attempt);
bool errand_callback_is_ours(const struct bot *bot, struct arena *a, const char *entrance, str id,
                             str attempt, str signature);
/* Records what FAL says, in one transaction. A repeat changes nothing; an unknown id is counted. */
err *errand_callback(const struct bot *bot, struct arena *a, const struct errand_kind *kind, str id,
                     const struct fal_outcome *outcome, str raw_body);
