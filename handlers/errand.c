#include "handlers/errand.h"

#include <openssl/hmac.h>

#include "core/log.h"
#include "db/ledger.h"
#include "db/queries.h"

/* ---------------------------------------------------------------- its names and its steps */

str errand_key(struct arena *a, const struct errand_kind *kind, str id)
{
    return str_printf(a, "%s:" STR_FMT, kind->name, STR_ARG(id));
}

/* "generation.ended" of the kind "generation". */
static const char *event(struct arena *a, const struct errand_kind *kind, const char *what)
{
    return cstr(a, str_printf(a, "%s.%s", kind->name, what));
}

err *errand_queue(struct db *db, struct arena *a, const struct errand *errand, const char *lane,
                  const char *job, int64_t more, str payload, int64_t delay_ms)
{
    str key = str_printf(a, "%s:" STR_FMT ":%" PRId64, job, STR_ARG(errand->id), more);
    const struct new_job step = {
        .lane = str_from(lane),
        .kind = str_from(job),
        .key = key,
        .user_id = errand->user_id,
        .subject = errand->id,
        .payload = payload,
        .delay_ms = delay_ms,
    };
    return job_add(db, &step, NULL);
}

str errand_chat(struct arena *a, const struct errand *errand)
{
    return json_make(a, KV("chat_id", errand->chat_id));
}

/* One for each request that FAL was given. */
static err *queue_at_fal(struct db *db, struct arena *a, const struct errand *errand,
                         const char *job, str payload)
{
    return errand_queue(db, a, errand, "fal", job, errand->attempt, payload, 0);
}

/* ---------------------------------------------------------------- progress */

void errand_tell(struct work *w, const struct errand_kind *kind, const struct errand *errand,
                 str html, struct keyboard *k)
{
    work_tell(w, errand->chat_id,
              &(struct outgoing){
                  .way = CALL_QUEUED,
                  .call = message_call(w->arena, errand->chat_id, MESSAGE_OF_SLOT, html, k),
                  .slot = errand_key(w->arena, kind, errand->id),
              });
}

void errand_say(struct work *w, const struct errand *errand, str html, struct keyboard *k)
{
    work_tell(w, errand->chat_id,
              &(struct outgoing){
                  .way = CALL_QUEUED,
                  .call = message_call(w->arena, errand->chat_id, 0, html, k),
              });
}

void errand_clear_progress(struct work *w, const struct errand_kind *kind,
                           const struct errand *errand)
{
    work_tell(w, errand->chat_id,
              &(struct outgoing){
                  .way = CALL_QUEUED,
                  .call = delete_call(w->arena, errand->chat_id, MESSAGE_OF_SLOT),
                  .slot = errand_key(w->arena, kind, errand->id),
                  .closes = true,
              });
}

err *errand_explain(struct work *w, const struct errand_kind *kind, const struct errand *errand,
                    str html, struct keyboard *k)
{
    const struct outbox_call call = {
        .chat_id = errand->chat_id,
        .call = message_call(w->arena, errand->chat_id, MESSAGE_OF_SLOT, html, k),
        .slot = errand_key(w->arena, kind, errand->id),
        .closes = true,
    };
    w->forget_user_chat_id = errand->chat_id;
    return work_call(w, &call, NULL);
}

/* ---------------------------------------------------------------- ending without a result */

/* The words to the user are a job of their own, so that they are not lost with Redis. */
err *errand_fail(struct db *db, struct arena *a, const struct errand_kind *kind,
                 const struct errand *errand, const char *status, const char *failure, str message)
{
    bool is_paid = !strcmp(status, "cancelled") && kind->is_cancel_paid &&
                   kind->is_cancel_paid(errand);
    TRY(errand_end(db, kind->statements, errand->id, status, str_from(failure), message));
    str hold = errand_key(a, kind, errand->id);
    if (errand->price_coins && is_paid)
        TRY(ledger_capture(db, hold, LEDGER_ALL, NULL));
    else if (errand->price_coins)
        TRY(ledger_release(db, hold, str_from(failure), NULL));
    TRY(errand_queue(db, a, errand, "send", kind->explain_job, 0, errand_chat(a, errand), 0));
    log_info(event(a, kind, "ended"), KV(kind->name, errand->id), KV("status", status),
             KV("failure", failure));
    return NULL;
}

/* The machine word for FAL's kind of failure; each has its text. */
static const char *failure_word(enum fal_failure_kind failure)
{
    switch (failure) {
    case FAL_FAILURE_SAFETY:
        return "safety";
    case FAL_FAILURE_INPUT:
        return "input";
    case FAL_FAILURE_UPSTREAM:
        return "upstream";
    case FAL_FAILURE_CANCELLED:
        return "cancelled";
    case FAL_FAILURE_ACCESS:
        return "upstream";
    }
    assert(false && "a failure without a word");
    return "upstream";
}

/* Where cancelling costs, one that the user has not asked for is a failure of FAL's. */
static err *fail_as_told(struct db *db, struct arena *a, const struct errand_kind *kind,
                         const struct errand *errand, const struct fal_failure *failure)
{
    bool is_cancelled = failure->kind == FAL_FAILURE_CANCELLED;
    bool is_asked_for = !kind->is_cancel_paid || kind->is_cancel_paid(errand);
    if (is_cancelled && is_asked_for)
        return errand_fail(db, a, kind, errand, "cancelled", "cancelled", failure->message);
    return errand_fail(db, a, kind, errand, "failed",
                       failure_word(is_cancelled ? FAL_FAILURE_UPSTREAM : failure->kind),
                       failure->message);
}

enum errand_stage errand_stage(const struct errand *errand)
{
    if (!errand->is_open || errand->has_result)
        return ERRAND_OVER;
    if (!str_empty(errand->cancel_url))
        return ERRAND_AT_FAL;
    return errand->submitting_ms >= 0 ? ERRAND_IN_DOUBT : ERRAND_WAITS;
}

err *errand_call_off(struct db *db, struct arena *a, const struct errand_kind *kind,
                     const struct errand *errand)
{
    TRY(job_cancel_by_subject(db, errand->user_id, errand->id, NULL));
    return errand_fail(db, a, kind, errand, "cancelled", "cancelled", S(""));
}

err *errand_ask_to_stop(struct db *db, struct arena *a, const struct errand_kind *kind,
                        const struct errand *errand)
{
    return queue_at_fal(db, a, errand, kind->cancel_job, S(""));
}

/* ---------------------------------------------------------------- what FAL says */

/* What was missing may be brought; else it ends as FAL has told. */
static err *take_failure(struct db *db, struct arena *a, const struct errand_kind *kind,
                         struct errand *errand, const struct fal_failure *failure, str request_id)
{
    bool is_seen_to = false;
    err *e = kind->mend ? kind->mend(db, a, errand, failure, request_id, &is_seen_to) : NULL;
    if (e || is_seen_to)
        return e;
    return fail_as_told(db, a, kind, errand, failure);
}

static bool is_set_aside(const struct errand_kind *kind, const struct errand *errand,
                         str request_id)
{
    return kind->is_set_aside && kind->is_set_aside(errand, request_id);
}

static err *take_outcome(struct db *db, struct arena *a, const struct errand_kind *kind,
                         struct errand *errand, const struct fal_outcome *outcome, str raw)
{
    if (outcome->is_ok)
        return kind->take(db, a, errand, outcome->payload, raw);
    TRY(errand_keep_result(db, kind->statements, errand->id, raw));
    return take_failure(db, a, kind, errand, &outcome->failure, outcome->request_id);
}

/* FAL has the result and could not put it into its call. Before it has told where to ask, the check
 * that follows the submission will find it. */
static err *ask_for_result(struct db *db, struct arena *a, const struct errand_kind *kind,
                           const struct errand *errand)
{
    if (str_empty(errand->response_url))
        return NULL;
    return queue_at_fal(db, a, errand, kind->result_job, S(""));
}

/* What comes after the coins went back is a present. */
static err *take_late(struct db *db, struct arena *a, const struct errand_kind *kind,
                      struct errand *errand, const struct fal_outcome *outcome, str raw)
{
    bool is_present = outcome->is_ok && str_eq(errand->status, S("failed")) &&
                      (str_eq(errand->failure, S("timeout")) ||
                       str_eq(errand->failure, S("upstream")));
    bool is_reopened = false;
    if (is_present)
        TRY(errand_reopen(db, kind->statements, errand->id, &is_reopened));
    if (!is_reopened)
        return NULL;
    log_info(event(a, kind, "came_late"), KV(kind->name, errand->id));
    errand->price_coins = 0;
    return kind->take(db, a, errand, outcome->payload, raw);
}

static err *take_first_outcome(struct db *db, struct arena *a, const struct errand_kind *kind,
                               struct errand *errand, const struct fal_outcome *outcome, str raw)
{
    bool is_awaited = errand->is_open && !errand->has_result;
    if (outcome->is_ok && !outcome->payload)
        return is_awaited ? ask_for_result(db, a, kind, errand) : NULL;
    if (is_awaited)
        return take_outcome(db, a, kind, errand, outcome, raw);
    return errand->is_open ? NULL : take_late(db, a, kind, errand, outcome, raw);
}

/* FAL may have an errand twice, when the answer to the first submission was lost. The one that is not
 * wanted any more is called off; whether it ends well all the same is of no interest. */
static err *drop_request(struct db *db, struct arena *a, const struct errand_kind *kind,
                         const struct errand *errand, str cancel_url)
{
    log_info(event(a, kind, "submitted_twice"), KV(kind->name, errand->id),
             KV("attempt", errand->attempt));
    return queue_at_fal(db, a, errand, kind->drop_job, json_make(a, KV("url", cancel_url)));
}

/* The request that the row knows is another one than FAL speaks of. */
static bool is_of_earlier_request(const struct errand *errand, const struct fal_outcome *outcome)
{
    size_t position;
    return errand->is_open && !errand->has_result && !str_empty(errand->cancel_url) &&
           !str_empty(outcome->request_id) &&
           !str_find(errand->cancel_url, outcome->request_id, &position);
}

/* The first result wins. That an earlier request failed means nothing while a later one is worked on. */
static err *take_callback(struct db *db, struct arena *a, const struct errand_kind *kind,
                          struct errand *errand, const struct fal_outcome *outcome, str raw)
{
    if (is_set_aside(kind, errand, outcome->request_id))
        return NULL;
    if (is_of_earlier_request(errand, outcome)) {
        if (!outcome->is_ok)
            return NULL;
        TRY(drop_request(db, a, kind, errand, errand->cancel_url));
    }
    return take_first_outcome(db, a, kind, errand, outcome, raw);
}

err *errand_callback(const struct bot *bot, struct arena *a, const struct errand_kind *kind, str id,
                     const struct fal_outcome *outcome, str raw_body)
{
    struct db *db = db_new(bot->pool, a);
    struct errand *errand;
    err *e = kind->lock(db, a, id, &errand);
    if (err_is_not_found(e)) {
        log_warn("callback.unknown");
        e = db_query(db, &Q_counter_add, NULL, V("fal_callback_unknown"), V(1));
    } else if (!e) {
        e = take_callback(db, a, kind, errand, outcome, raw_body);
    }
    if (!e)
        e = db_commit(db);
    if (e)
        db_rollback(db);
    return e;
}

/* ---------------------------------------------------------------- the callback's address */

static str callback_signature(const struct bot *bot, struct arena *a, const char *entrance, str id,
                              int64_t attempt)
{
    str text = str_printf(a, "%s " STR_FMT " %" PRId64, entrance, STR_ARG(id), attempt);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    HMAC(EVP_sha256(), bot->conf->callback_secret.ptr, (int)bot->conf->callback_secret.len,
         (const unsigned char *)text.ptr, text.len, digest, &length);
    return str_hex(a, (str){(const char *)digest, length});
}

str errand_callback_query(const struct bot *bot, struct arena *a, const char *entrance, str id,
                          int64_t attempt)
{
    return str_printf(a, "g=" STR_FMT "&n=%" PRId64 "&s=" STR_FMT, STR_ARG(id), attempt,
                      STR_ARG(callback_signature(bot, a, entrance, id, attempt)));
}

bool errand_callback_is_ours(const struct bot *bot, struct arena *a, const char *entrance, str id,
                             str attempt, str signature)
{
    int64_t number;
    return str_is_uuid(id) && str_to_i64(attempt, &number) &&
           str_same_secret(signature, callback_signature(bot, a, entrance, id, number));
}

/* Without an address of our own FAL cannot call; then the checks alone find the result. */
static str callback_url(struct work *w, const struct errand_kind *kind, const struct errand *errand,
                        int attempt)
{
    str public_url = w->bot->conf->public_url;
    if (str_empty(public_url))
        return S("");
    const char *entrance = kind->entrance(errand);
    return str_printf(
        w->arena, STR_FMT "/webhook/fal/%s?" STR_FMT, STR_ARG(public_url), entrance,
        STR_ARG(errand_callback_query(w->bot, w->arena, entrance, errand->id, attempt)));
}

/* ---------------------------------------------------------------- steps */

/* The row of the job's subject, held; wanted: that its result is still awaited. */
static err *lock_awaited(struct work *w, const struct errand_kind *kind, struct errand **out,
                         bool *is_awaited)
{
    TRY(kind->lock(w->db, w->arena, w->job->subject, out));
    *is_awaited = (*out)->is_open && !(*out)->has_result;
    return NULL;
}

/* Before a call to FAL: nothing is held while it is made. */
static err *peek_awaited(struct work *w, const struct errand_kind *kind, struct errand **out,
                         bool *is_awaited)
{
    TRY(lock_awaited(w, kind, out, is_awaited));
    return db_commit(w->db);
}

/* Coins move: what is kept of the user's balance is out of date. */
static err *fail_step(struct work *w, const struct errand_kind *kind, const struct errand *errand,
                      const char *status, const char *failure, str message)
{
    w->forget_user_chat_id = errand->chat_id;
    return errand_fail(w->db, w->arena, kind, errand, status, failure, message);
}

bool errand_is_silent(const struct errand_kind *kind, const struct conf *conf,
                      const struct errand *errand)
{
    return kind->most_silence_ms && errand->silent_ms > kind->most_silence_ms(conf);
}

bool errand_is_overdue(const struct errand_kind *kind, const struct conf *conf,
                       const struct errand *errand)
{
    return errand->silent_ms >
           (kind->most_silence_ms ? kind->most_silence_ms : kind->most_age_ms)(conf);
}

/* Waiting is not failing, but nobody's coins wait for ever. */
static bool is_unheard(struct work *w, const struct errand_kind *kind, const struct errand *errand,
                       const err *e)
{
    return e && err_is_waiting(e) && errand_is_overdue(kind, w->bot->conf, errand);
}

/* Not yet submitted, or not known to be: waits out a submission in doubt. */
static bool must_wait_for_callback(struct work *w, const struct errand_kind *kind,
                                   const struct errand *errand)
{
    if (errand->submitting_ms < 0 || errand->submitting_ms >= kind->unknown_wait_ms)
        return false;
    w->again_ms = kind->unknown_wait_ms - errand->submitting_ms;
    return true;
}

bool errand_is_unreached(const struct errand_kind *kind, const struct errand *errand, const err *e)
{
    return err_is_waiting(e) && kind->unreached_most_ms &&
           errand->silent_ms > kind->unreached_most_ms;
}

/* FAL takes it, or not, and never says so: that cannot be tried for long, for each try may be one more
 * that FAL works on. A FAL that is certainly out of reach is waited for longer. */
static bool is_never_answered(struct work *w, const struct errand_kind *kind,
                              const struct errand *errand)
{
    return errand->submitting_ms >= 0 && errand_is_overdue(kind, w->bot->conf, errand);
}

/* A call to FAL cannot be taken back, so that it is about to happen is written down first: should the
 * answer or this process be lost, the errand waits for its callback before it is submitted again. */
static err *note_submitting(struct work *w, const struct errand_kind *kind, struct errand *errand,
                            str *callback)
{
    int attempt;
    TRY(errand_submitting(w->db, kind->statements, errand->id, &attempt));
    *callback = callback_url(w, kind, errand, attempt);
    if (kind->note)
        TRY(kind->note(w->db, w->arena, errand, *callback));
    return db_commit(w->db);
}

static err *submission_failed(struct work *w, const struct errand_kind *kind, str id, err *e)
{
    struct errand *errand;
    bool is_awaited;
    if (e->kind == ERR_UNKNOWN) {
        log_err(event(w->arena, kind, "submission_unknown"), e, KVS(KV(kind->name, id)));
        w->again_ms = kind->unknown_wait_ms;
        return NULL;
    }
    TRY(lock_awaited(w, kind, &errand, &is_awaited));
    if (!is_awaited)
        return NULL;
    if (e->kind == ERR_REFUSED) {
        struct fal_failure failure;
        TRY(errand_not_submitted(w->db, kind->statements, id));
        fal_failure_from(w->arena, e->code, e->detail, &failure);
        w->forget_user_chat_id = errand->chat_id;
        return take_failure(w->db, w->arena, kind, errand, &failure, S(""));
    }
    /* FAL has not got it, for certain: the next try need not wait for a callback. */
    TRY(errand_not_submitted(w->db, kind->statements, id));
    if (errand_is_unreached(kind, errand, e))
        return fail_step(w, kind, errand, "failed", "timeout", S("FAL is out of reach"));
    TRY(db_commit(w->db));
    return e;
}

static err *note_submission(struct work *w, const struct errand_kind *kind, struct errand *errand,
                            const struct fal_submission *submission)
{
    struct fal_status *queued = NEW(w->arena, struct fal_status);
    queued->phase = FAL_QUEUED;
    queued->queue_position = submission->queue_position;
    TRY(errand_submitted(w->db, kind->statements, errand->id, submission->request_id,
                         submission->status_url, submission->response_url, submission->cancel_url));
    TRY(errand_queue(w->db, w->arena, errand, "fal", kind->check_job, errand->attempt, S(""),
                     kind->first_check_ms));
    errand->status_url = submission->status_url;
    return kind->show(w, errand, queued);
}

err *errand_run_submit(struct work *w, const struct errand_kind *kind,
                       err *(*submit)(struct work *w, struct errand *errand, str callback_url,
                                      struct fal_submission *out))
{
    struct errand *errand;
    bool is_awaited;
    TRY(lock_awaited(w, kind, &errand, &is_awaited));
    if (!is_awaited || !str_empty(errand->status_url))
        return NULL;
    if (errand_is_silent(kind, w->bot->conf, errand))
        return fail_step(w, kind, errand, "failed", "timeout", S("FAL was not reached"));
    if (must_wait_for_callback(w, kind, errand))
        return NULL;
    if (is_never_answered(w, kind, errand))
        return fail_step(w, kind, errand, "failed", "timeout",
                         S("FAL does not answer submissions"));

    const char *obstacle = NULL;
    err *e = kind->examine ? kind->examine(w, errand, &obstacle) : NULL;
    if (e)
        return e;
    if (obstacle)
        return fail_step(w, kind, errand, "failed", obstacle, S(""));

    str callback;
    struct fal_submission submission;
    e = note_submitting(w, kind, errand, &callback);
    if (!e)
        e = submit(w, errand, callback, &submission);
    if (e)
        return submission_failed(w, kind, errand->id, e);

    TRY(lock_awaited(w, kind, &errand, &is_awaited));
    if (!is_awaited) /* a callback was faster: this request's, or an earlier one's */
        return errand->attempt > 1
                   ? drop_request(w->db, w->arena, kind, errand, submission.cancel_url)
                   : NULL;
    if (is_set_aside(kind, errand, submission.request_id)) /* its failure was faster */
        return errand_not_submitted(w->db, kind->statements, errand->id);
    return note_submission(w, kind, errand, &submission);
}

/* Growing pauses: the callback is what ends most of them. */
static int64_t next_check_ms(const struct errand_kind *kind, const struct errand *errand)
{
    int64_t pause = errand->age_ms / 3;
    return pause < kind->first_check_ms  ? kind->first_check_ms
           : pause > kind->check_most_ms ? kind->check_most_ms
                                         : pause;
}

static err *cancel_overdue(struct work *w, const struct errand_kind *kind,
                           const struct errand *errand)
{
    return queue_at_fal(w->db, w->arena, errand, kind->cancel_job,
                        json_make(w->arena, KV("why", "timeout")));
}

static bool is_for_timeout(const struct work *w)
{
    return str_eq(json_str(w->payload, "why"), S("timeout"));
}

static err *take_status(struct work *w, const struct errand_kind *kind, struct errand *errand,
                        const struct fal_status *status)
{
    if (status->phase == FAL_COMPLETED)
        return queue_at_fal(w->db, w->arena, errand, kind->result_job, S(""));
    if (kind->most_age_ms && errand->age_ms > kind->most_age_ms(w->bot->conf))
        return cancel_overdue(w, kind, errand);
    TRY(errand_seen(w->db, kind->statements, errand->id));
    w->again_ms = next_check_ms(kind, errand);
    return kind->show(w, errand, status);
}

err *errand_run_check(struct work *w, const struct errand_kind *kind)
{
    struct errand *errand;
    bool is_awaited;
    TRY(lock_awaited(w, kind, &errand, &is_awaited));
    if (!is_awaited || str_empty(errand->status_url))
        return NULL;
    if (errand_is_overdue(kind, w->bot->conf, errand))
        return cancel_overdue(w, kind, errand);
    TRY(db_commit(w->db));

    struct fal_status status;
    err *e = fal_status(w->arena, &w->bot->fal, errand->status_url, &status);
    bool is_lost = err_is_not_found(e);
    if (e && !is_lost)
        return e;

    str asked = errand->status_url;
    TRY(lock_awaited(w, kind, &errand, &is_awaited));
    if (!is_awaited || !str_eq(errand->status_url, asked))
        return NULL;
    if (is_lost)
        return fail_step(w, kind, errand, "failed", "upstream", S("FAL does not know the request"));
    return take_status(w, kind, errand, &status);
}

/* One of which nothing is heard ends also when FAL cannot be told; that is made up for. */
static err *end_unheard(struct work *w, const struct errand_kind *kind, const struct errand *errand)
{
    TRY(queue_at_fal(w->db, w->arena, errand, kind->drop_job,
                     json_make(w->arena, KV("url", errand->cancel_url))));
    return fail_step(w, kind, errand, "failed", "timeout", S("FAL is silent"));
}

err *errand_run_result(struct work *w, const struct errand_kind *kind)
{
    struct errand *errand;
    bool is_awaited;
    TRY(peek_awaited(w, kind, &errand, &is_awaited));
    if (!is_awaited || str_empty(errand->response_url))
        return NULL;

    struct fal_outcome outcome;
    str raw, asked = errand->response_url;
    err *e = fal_result(w->arena, &w->bot->fal, asked, &outcome, &raw);
    bool is_lost = is_unheard(w, kind, errand, e);
    if (e && !is_lost)
        return e;

    TRY(lock_awaited(w, kind, &errand, &is_awaited));
    if (!is_awaited || !str_eq(errand->response_url, asked))
        return NULL;
    if (is_lost)
        return end_unheard(w, kind, errand);
    w->forget_user_chat_id = errand->chat_id;
    return take_outcome(w->db, w->arena, kind, errand, &outcome, raw);
}

/* Asked by the user, or because it took too long. A request that ends well all the same is taken. */
err *errand_run_cancel(struct work *w, const struct errand_kind *kind)
{
    struct errand *errand;
    bool is_awaited;
    TRY(peek_awaited(w, kind, &errand, &is_awaited));
    if (!is_awaited)
        return NULL;
    if (str_empty(errand->cancel_url)) { /* a submission in doubt has no address yet */
        w->again_ms = kind->first_check_ms;
        return NULL;
    }
    enum fal_cancelled cancelled = FAL_CANCEL_REQUESTED;
    str asked = errand->cancel_url;
    err *e = fal_cancel(w->arena, &w->bot->fal, asked, &cancelled);
    bool is_lost = is_unheard(w, kind, errand, e);
    if (e && !is_lost)
        return e;

    TRY(lock_awaited(w, kind, &errand, &is_awaited));
    if (!is_awaited)
        return NULL;
    if (!str_eq(errand->cancel_url, asked)) { /* another request has taken its place */
        w->again_ms = kind->first_check_ms;
        return NULL;
    }
    if (is_lost)
        return end_unheard(w, kind, errand);
    if (cancelled == FAL_CANCEL_TOO_LATE)
        return queue_at_fal(w->db, w->arena, errand, kind->result_job, S(""));
    if (cancelled == FAL_CANCEL_UNKNOWN_REQUEST) /* it was lost, not stopped: nobody pays for it */
        return fail_step(w, kind, errand, "failed", "upstream", S("FAL does not know the request"));
    bool is_timeout = is_for_timeout(w);
    return fail_step(w, kind, errand, is_timeout ? "failed" : "cancelled",
                     is_timeout ? "timeout" : "cancelled", S(""));
}

err *errand_run_drop(struct work *w)
{
    enum fal_cancelled cancelled;
    return fal_cancel(w->arena, &w->bot->fal, json_str(w->payload, "url"), &cancelled);
}

err *errand_run_give_up(struct work *w, const struct errand_kind *kind)
{
    struct errand *errand;
    bool is_awaited;
    TRY(lock_awaited(w, kind, &errand, &is_awaited));
    return is_awaited ? fail_step(w, kind, errand, "failed", "upstream", w->job->last_error) : NULL;
}

/* FAL works on and may finish, so the coins stay where they are. The job gives its name to the next
 * one that asks. What took too long ends all the same: its result would be a present. */
err *errand_run_go_on(struct work *w, const struct errand_kind *kind)
{
    struct errand *errand;
    bool is_awaited;
    TRY(lock_awaited(w, kind, &errand, &is_awaited));
    if (!is_awaited)
        return NULL;
    if (is_for_timeout(w))
        return fail_step(w, kind, errand, "failed", "timeout", w->job->last_error);
    TRY(job_give_key_up(w->db, w->job));
    log_warn(event(w->arena, kind, "not_stopped"), KV(kind->name, errand->id));
    return kind->go_on(w, errand);
}
