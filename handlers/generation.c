#include "handlers/generation.h"

#include <openssl/hmac.h>

#include "core/clock.h"
#include "core/log.h"
#include "db/ledger.h"
#include "db/queries.h"

enum {
    FIRST_CHECK_MS = 3000,
    CHECK_MOST_MS = 30 * 1000,
    UNKNOWN_WAIT_MS = 120 * 1000, /* a submission whose answer was lost may still call back */
    IMAGE_MAX_BYTES = TELEGRAM_PHOTO_MAX_BYTES, /* what cannot be shown is not paid for */
    SHOWN_WORDS_MAX = 200,
    BAR_CELLS = 10,
};

/* ---------------------------------------------------------------- the jobs of an order */

/* Step keys make a step that is queued twice one step; `more` tells several of a kind apart. */
static err *queue_step(struct db *db, struct arena *a, const struct generation *g, const char *lane,
                       const char *kind, int64_t more, str payload, int64_t delay_ms)
{
    str key = str_printf(a, "%s:" STR_FMT ":%" PRId64, kind, STR_ARG(g->id), more);
    const struct new_job job = {
        .lane = str_from(lane),
        .kind = str_from(kind),
        .key = key,
        .user_id = g->user_id,
        .subject = g->id,
        .payload = payload,
        .delay_ms = delay_ms,
    };
    return job_add(db, &job, NULL);
}

static str chat_payload(struct arena *a, const struct generation *g)
{
    return json_make(a, KV("chat_id", g->chat_id));
}

/* ---------------------------------------------------------------- what the user sees of it */

static str progress_bar(struct arena *a, double share)
{
    int full = (int)(share * BAR_CELLS + 0.5);
    struct buf b = buf_new(a);
    for (int i = 0; i < BAR_CELLS; i++)
        buf_add(&b, i < full ? S("▰") : S("▱"));
    return buf_str(&b);
}

static void cancel_button(struct keyboard *k, const struct generation *g)
{
    keyboard_row(k);
    keyboard_button(k, T_button_cancel_order, tap_for(k->arena, "generation:cancel", g->id));
}

/* Progress may be lost: it goes out after the commit and is never waited for. */
static void tell_progress(struct work *w, const struct generation *g, str html, bool can_cancel)
{
    struct keyboard k = keyboard_new(w->arena, language_of(g->language));
    if (can_cancel)
        cancel_button(&k, g);
    work_tell(w, g->chat_id,
              &(struct outgoing){
                  .way = CALL_QUEUED,
                  .call = message_call(w->arena, g->chat_id, MESSAGE_OF_SLOT, html, &k),
                  .slot = generation_slot(w->arena, g->id),
              });
}

str generation_shown_words(struct arena *a, const struct generation *g)
{
    return str_clip_points(a, g->words, SHOWN_WORDS_MAX);
}

static void tell_queued(struct work *w, const struct generation *g, int64_t place)
{
    str html = text_html(
        w->arena, language_of(g->language), T_progress_queued,
        KVS(KV("words", generation_shown_words(w->arena, g)), KV("place", place + 1)));
    tell_progress(w, g, html, true);
}

/* With enough past orders of the model there is a bar and a time, else only the stage. */
static err *tell_running(struct work *w, const struct generation *g)
{
    double median;
    TRY(generation_median_seconds(w->db, g->model, &median));
    double gone = (double)g->age_ms / 1000;
    enum language language = language_of(g->language);
    str words = generation_shown_words(w->arena, g);
    str html;
    if (median > gone)
        html = text_html(w->arena, language, T_progress_running,
                         KVS(KV("words", words), KV("bar", progress_bar(w->arena, gone / median)),
                             KV("left", (int64_t)(median - gone) + 1)));
    else
        html = text_html(w->arena, language, T_progress_running_on,
                         KVS(KV("words", words), KV("gone", (int64_t)gone)));
    tell_progress(w, g, html, true);
    return NULL;
}

/* ---------------------------------------------------------------- ordering */

/* What costs nothing has no hold; nor is there any to settle. */
static err *hold_price(struct turn *t, const struct generation *order)
{
    if (!order->price_coins)
        return NULL;
    err *e = ledger_hold(t->db, t->user->id, generation_hold(t->arena, order->id),
                         order->price_coins, order->id, S("image"), NULL);
    if (e && ledger_lacks_coins(e))
        return refuse(t, T_no_coins, KV("price", order->price_coins),
                      KV("balance", t->user->balance));
    return e;
}

err *generation_order(struct turn *t, struct generation *order)
{
    order->user_id = t->user->id;
    order->chat_id = t->chat_id;
    order->language = str_from(language_code(t->language));

    bool added;
    TRY(generation_add(t->db, order, &added));
    if (!added)
        return refuse(t, T_order_is_running);
    TRY(hold_price(t, order));
    TRY(queue_step(t->db, t->arena, order, "fal", "generation_submit", 0, S(""), 0));

    log_info("generation.ordered", KV("generation", order->id), KV("model", order->model),
             KV("coins", order->price_coins));
    cancel_button(&t->keyboard, order);
    say_in_slot(t, generation_slot(t->arena, order->id));
    return edit(t, T_progress_ordered, KV("words", generation_shown_words(t->arena, order)),
                KV("price", order->price_coins));
}

/* Ends an open order without a result; the row is locked. The words to the user are a job of their own,
 * so that they are not lost with Redis. */
static err *end_order(struct db *db, struct arena *a, const struct generation *g,
                      const char *status, const char *failure, str message)
{
    TRY(generation_end(db, g->id, status, str_from(failure), message));
    if (g->price_coins)
        TRY(ledger_release(db, generation_hold(a, g->id), NULL));
    TRY(queue_step(db, a, g, "send", "generation_explain", 0, chat_payload(a, g), 0));
    log_info("generation.ended", KV("generation", g->id), KV("status", status),
             KV("failure", failure));
    return NULL;
}

/* Before FAL has it, it simply ends; afterwards FAL is asked, and may have finished by then. */
err *on_generation_cancel(struct turn *t)
{
    struct generation g;
    TRY(generation_lock(t->db, t->arena, t->generation->id, &g));
    if (!g.is_open || g.has_result)
        return refuse(t, T_order_is_over);
    if (g.submitting_ms >= 0 && str_empty(g.cancel_url))
        return refuse(t, T_order_not_yet); /* whether FAL has it is not known yet */
    if (str_empty(g.cancel_url)) {
        TRY(job_cancel_by_subject(t->db, t->user->id, g.id, NULL));
        TRY(end_order(t->db, t->arena, &g, "cancelled", "cancelled", S("")));
    } else {
        TRY(queue_step(t->db, t->arena, &g, "fal", "generation_cancel", g.attempt, S(""), 0));
    }
    hint(t, T_order_cancelling);
    return NULL;
}

/* ---------------------------------------------------------------- FAL */

static str callback_signature(const struct bot *bot, struct arena *a, str generation_id,
                              int64_t attempt)
{
    str text = str_printf(a, "image " STR_FMT " %" PRId64, STR_ARG(generation_id), attempt);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    HMAC(EVP_sha256(), bot->conf->callback_secret.ptr, (int)bot->conf->callback_secret.len,
         (const unsigned char *)text.ptr, text.len, digest, &length);
    return str_hex(a, (str){(const char *)digest, length});
}

str generation_callback_query(const struct bot *bot, struct arena *a, str generation_id,
                              int attempt)
{
    return str_printf(a, "g=" STR_FMT "&n=%d&s=" STR_FMT, STR_ARG(generation_id), attempt,
                      STR_ARG(callback_signature(bot, a, generation_id, attempt)));
}

bool generation_callback_is_ours(const struct bot *bot, struct arena *a, str generation_id,
                                 str attempt, str signature)
{
    int64_t number;
    return str_is_uuid(generation_id) && str_to_i64(attempt, &number) &&
           str_same_secret(signature, callback_signature(bot, a, generation_id, number));
}

/* Without an address of our own FAL cannot call; then the checks alone find the result. */
static str callback_url(struct work *w, const struct generation *g, int attempt)
{
    str public_url = w->bot->conf->public_url;
    if (str_empty(public_url))
        return S("");
    return str_printf(w->arena, STR_FMT "/webhook/fal/image?" STR_FMT, STR_ARG(public_url),
                      STR_ARG(generation_callback_query(w->bot, w->arena, g->id, attempt)));
}

/* The image's failure by FAL's kind; each has its text. */
static const char *failure_word(enum fal_failure_kind kind)
{
    switch (kind) {
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

/* One job for each image; the last one settles. The row is locked. */
static err *take_images(struct db *db, struct arena *a, const struct generation *g,
                        struct json_object *payload, str raw)
{
    struct fal_images images;
    err *e = fal_images_parse(a, payload, &images);
    if (e)
        return end_order(db, a, g, "failed", "upstream", e->message);
    size_t usable = 0;
    TRY(generation_keep_result(db, g->id, raw));
    for (size_t i = 0; i < images.count && i < (size_t)g->num_images; i++) {
        if (images.items[i].has_nsfw)
            continue;
        str payload_json = json_make(a, KV("position", i), KV("url", images.items[i].url),
                                     KV("content_type", images.items[i].content_type),
                                     KV("width", images.items[i].width),
                                     KV("height", images.items[i].height));
        TRY(queue_step(db, a, g, "media", "generation_store", (int64_t)i, payload_json, 0));
        usable++;
    }
    if (!usable)
        return end_order(db, a, g, "failed", "nsfw", S(""));
    return NULL;
}

static err *take_outcome(struct db *db, struct arena *a, const struct generation *g,
                         const struct fal_outcome *outcome, str raw)
{
    if (outcome->is_ok)
        return take_images(db, a, g, outcome->payload, raw);
    TRY(generation_keep_result(db, g->id, raw));
    bool was_cancelled = outcome->failure.kind == FAL_FAILURE_CANCELLED;
    return end_order(db, a, g, was_cancelled ? "cancelled" : "failed",
                     failure_word(outcome->failure.kind), outcome->failure.message);
}

/* FAL has the result and could not put it into its call. Before it has told where to ask, the check
 * that follows the submission will find it. */
static err *ask_for_result(struct db *db, struct arena *a, const struct generation *g)
{
    if (str_empty(g->response_url))
        return NULL;
    return queue_step(db, a, g, "fal", "generation_result", g->attempt, S(""), 0);
}

/* What FAL says of an order counts once. An image that comes after the coins went back is a present. */
static err *take_first_outcome(struct db *db, struct arena *a, struct generation *g,
                               const struct fal_outcome *outcome, str raw)
{
    if (outcome->is_ok && !outcome->payload)
        return g->is_open && !g->has_result ? ask_for_result(db, a, g) : NULL;
    if (g->is_open && !g->has_result)
        return take_outcome(db, a, g, outcome, raw);
    bool is_present = !g->is_open && outcome->is_ok && str_eq(g->status, S("failed")) &&
                      (str_eq(g->failure, S("timeout")) || str_eq(g->failure, S("upstream")));
    if (!is_present)
        return NULL;
    log_info("generation.came_late", KV("generation", g->id));
    TRY(generation_reopen(db, g->id));
    g->price_coins = 0;
    return take_images(db, a, g, outcome->payload, raw);
}

/* FAL may have an order twice, when the answer to the first submission was lost. The one that is not
 * wanted any more is called off; whether it ends well all the same is of no interest. */
static err *drop_request(struct db *db, struct arena *a, const struct generation *g, str cancel_url)
{
    log_info("generation.submitted_twice", KV("generation", g->id), KV("attempt", g->attempt));
    return queue_step(db, a, g, "fal", "generation_drop", g->attempt,
                      json_make(a, KV("url", cancel_url)), 0);
}

/* The request that the row knows is another one than FAL speaks of. */
static bool is_of_earlier_request(const struct generation *g, const struct fal_outcome *outcome)
{
    size_t position;
    return g->is_open && !g->has_result && !str_empty(g->cancel_url) &&
           !str_empty(outcome->request_id) &&
           !str_find(g->cancel_url, outcome->request_id, &position);
}

/* The first result wins. That an earlier request failed means nothing while a later one is drawn. */
static err *take_callback(struct db *db, struct arena *a, struct generation *g,
                          const struct fal_outcome *outcome, str raw)
{
    if (is_of_earlier_request(g, outcome)) {
        if (!outcome->is_ok)
            return NULL;
        TRY(drop_request(db, a, g, g->cancel_url));
    }
    return take_first_outcome(db, a, g, outcome, raw);
}

err *generation_callback(const struct bot *bot, struct arena *a, str generation_id,
                         const struct fal_outcome *outcome, str raw_body)
{
    struct db *db = db_new(bot->pool, a);
    struct generation g;
    err *e = generation_lock(db, a, generation_id, &g);
    if (e && e->kind == ERR_NOT_FOUND) {
        log_warn("callback.unknown", KV("generation", generation_id));
        e = db_query(db, &Q_counter_add, NULL, V("fal_callback_unknown"), V(1));
    } else if (!e) {
        e = take_callback(db, a, &g, outcome, raw_body);
    }
    if (!e)
        e = db_commit(db);
    if (e)
        db_rollback(db);
    return e;
}

/* Not yet submitted, or not known to be: waits out a submission in doubt. */
static bool must_wait_for_callback(struct work *w, const struct generation *g)
{
    if (g->submitting_ms < 0 || g->submitting_ms >= UNKNOWN_WAIT_MS)
        return false;
    w->again_ms = UNKNOWN_WAIT_MS - g->submitting_ms;
    return true;
}

/* A call to FAL cannot be taken back, so that it is about to happen is written down first: should the
 * answer or this process be lost, the order waits for its callback before it is submitted again. */
static err *submit(struct work *w, const struct generation *g, struct fal_submission *submission)
{
    int attempt;
    TRY(generation_submitting(w->db, g->id, &attempt));
    TRY(db_commit(w->db));
    const struct fal_imagen4 ask = {
        .model = g->model,
        .prompt = g->words,
        .aspect_ratio = g->aspect_ratio,
        .num_images = g->num_images,
        .callback_url = callback_url(w, g, attempt),
    };
    return fal_submit_imagen4(w->arena, &w->bot->fal, &ask, submission);
}

/* FAL has not got it, for certain: the next try need not wait for a callback. */
static err *submission_failed(struct work *w, struct generation *g, err *e)
{
    if (e->kind == ERR_UNKNOWN) {
        log_err("generation.submission_unknown", e, KVS(KV("generation", g->id)));
        w->again_ms = UNKNOWN_WAIT_MS;
        return NULL;
    }
    TRY(generation_lock(w->db, w->arena, g->id, g));
    if (!g->is_open || g->has_result)
        return NULL;
    if (e->kind == ERR_REFUSED) {
        struct fal_failure failure;
        fal_failure_from(w->arena, e->code, e->detail, &failure);
        w->forget_user_chat_id = g->chat_id;
        return end_order(w->db, w->arena, g, "failed", failure_word(failure.kind), failure.message);
    }
    TRY(generation_not_submitted(w->db, g->id));
    TRY(db_commit(w->db));
    return e;
}

err *job_generation_submit(struct work *w)
{
    struct generation g;
    TRY(generation_lock(w->db, w->arena, w->job->subject, &g));
    if (!g.is_open || g.has_result || !str_empty(g.status_url) || must_wait_for_callback(w, &g))
        return NULL;

    struct fal_submission submission;
    err *e = submit(w, &g, &submission);
    if (e)
        return submission_failed(w, &g, e);

    TRY(generation_lock(w->db, w->arena, g.id, &g));
    if (!g.is_open || g.has_result) /* a callback was faster: this request's, or an earlier one's */
        return g.attempt > 1 ? drop_request(w->db, w->arena, &g, submission.cancel_url) : NULL;
    TRY(generation_submitted(w->db, g.id, submission.request_id, submission.status_url,
                             submission.response_url, submission.cancel_url));
    TRY(queue_step(w->db, w->arena, &g, "fal", "generation_check", g.attempt, S(""),
                   FIRST_CHECK_MS));
    tell_queued(w, &g, submission.queue_position);
    return NULL;
}

/* Growing pauses: the callback is what ends most orders. */
static int64_t next_check_ms(const struct generation *g)
{
    int64_t pause = g->age_ms / 3;
    return pause < FIRST_CHECK_MS ? FIRST_CHECK_MS : pause > CHECK_MOST_MS ? CHECK_MOST_MS : pause;
}

err *job_generation_check(struct work *w)
{
    struct generation g;
    TRY(generation_lock(w->db, w->arena, w->job->subject, &g));
    TRY(db_commit(w->db));
    if (!g.is_open || g.has_result || str_empty(g.status_url))
        return NULL;

    struct fal_status status;
    err *e = fal_status(w->arena, &w->bot->fal, g.status_url, &status);
    bool is_lost = e && e->kind == ERR_NOT_FOUND;
    if (e && !is_lost)
        return e;

    TRY(generation_lock(w->db, w->arena, g.id, &g));
    if (!g.is_open || g.has_result)
        return NULL;
    if (is_lost) {
        w->forget_user_chat_id = g.chat_id;
        return end_order(w->db, w->arena, &g, "failed", "upstream",
                         S("FAL does not know the request"));
    }
    if (status.phase == FAL_COMPLETED)
        return queue_step(w->db, w->arena, &g, "fal", "generation_result", g.attempt, S(""), 0);
    if (g.age_ms > w->bot->conf->fal_image_timeout_seconds * 1000)
        return queue_step(w->db, w->arena, &g, "fal", "generation_cancel", g.attempt,
                          json_make(w->arena, KV("why", "timeout")), 0);
    TRY(generation_seen(w->db, g.id));
    w->again_ms = next_check_ms(&g);
    if (status.phase == FAL_QUEUED)
        tell_queued(w, &g, status.queue_position);
    else
        TRY(tell_running(w, &g));
    return NULL;
}

err *job_generation_result(struct work *w)
{
    struct generation g;
    TRY(generation_lock(w->db, w->arena, w->job->subject, &g));
    TRY(db_commit(w->db));
    if (!g.is_open || g.has_result)
        return NULL;

    struct fal_outcome outcome;
    str raw;
    TRY(fal_result(w->arena, &w->bot->fal, g.response_url, &outcome, &raw));

    TRY(generation_lock(w->db, w->arena, g.id, &g));
    if (!g.is_open || g.has_result)
        return NULL;
    w->forget_user_chat_id = g.chat_id;
    return take_outcome(w->db, w->arena, &g, &outcome, raw);
}

/* Asked by the user, or because it took too long. A request that ends well all the same is taken. */
err *job_generation_cancel(struct work *w)
{
    struct generation g;
    TRY(generation_lock(w->db, w->arena, w->job->subject, &g));
    TRY(db_commit(w->db));
    if (!g.is_open || g.has_result)
        return NULL;
    if (str_empty(g.cancel_url)) { /* a submission in doubt has no address yet */
        w->again_ms = FIRST_CHECK_MS;
        return NULL;
    }
    enum fal_cancelled cancelled;
    TRY(fal_cancel(w->arena, &w->bot->fal, g.cancel_url, &cancelled));

    TRY(generation_lock(w->db, w->arena, g.id, &g));
    if (!g.is_open || g.has_result)
        return NULL;
    if (cancelled == FAL_CANCEL_TOO_LATE)
        return queue_step(w->db, w->arena, &g, "fal", "generation_result", g.attempt, S(""), 0);
    bool is_timeout = str_eq(json_str(w->payload, "why"), S("timeout"));
    w->forget_user_chat_id = g.chat_id;
    return end_order(w->db, w->arena, &g, is_timeout ? "failed" : "cancelled",
                     is_timeout ? "timeout" : "cancelled", S(""));
}

err *job_generation_drop(struct work *w)
{
    enum fal_cancelled cancelled;
    return fal_cancel(w->arena, &w->bot->fal, json_str(w->payload, "url"), &cancelled);
}

/* ---------------------------------------------------------------- storing */

/* Captures what was stored and gives the rest back. Called with the row locked and no store job left. */
static err *settle(struct work *w, const struct generation *g)
{
    struct image *images;
    size_t stored;
    TRY(images_of(w->db, w->arena, g->id, &images, &stored));
    w->forget_user_chat_id = g->chat_id;
    if (!stored)
        return end_order(w->db, w->arena, g, "failed", "storage", S("no image could be stored"));

    int64_t spent = g->price_coins / g->num_images * (int64_t)stored;
    TRY(generation_complete(w->db, g->id));
    if (spent)
        TRY(ledger_capture(w->db, generation_hold(w->arena, g->id), spent, NULL));
    TRY(queue_step(w->db, w->arena, g, "send", "generation_deliver", 0, chat_payload(w->arena, g),
                   0));
    log_info("generation.completed", KV("generation", g->id), KV("images", stored),
             KV("coins", spent));
    return NULL;
}

static err *settle_after_last(struct work *w, const struct generation *g)
{
    struct rows rows;
    TRY(db_query(w->db, &Q_job_others_open, &rows, V(g->id), V("generation_store"), V(w->job->id)));
    return rows_i64(&rows, 0, "jobs") ? NULL : settle(w, g);
}

static str object_key(struct arena *a, const struct generation *g, int64_t position,
                      str content_type)
{
    const char *ending = str_eq(content_type, S("image/jpeg"))   ? "jpg"
                         : str_eq(content_type, S("image/webp")) ? "webp"
                                                                 : "png";
    return str_printf(a, "generated/" STR_FMT "/%" PRId64 ".%s", STR_ARG(g->id), position, ending);
}

/* By its first bytes, whatever its sender says. */
static str image_type(str bytes)
{
    if (str_starts(bytes, S("\x89PNG\r\n\x1a\n")))
        return S("image/png");
    if (str_starts(bytes, S("\xff\xd8\xff")))
        return S("image/jpeg");
    if (str_starts(bytes, S("RIFF")) && str_eq(str_sub(bytes, 8, 4), S("WEBP")))
        return S("image/webp");
    return S("");
}

/* A size that no picture has is taken for one that FAL did not tell. */
static int64_t side_told(struct json_object *payload, const char *name)
{
    enum { SIDE_MAX = 100 * 1000 };
    int64_t side = 0;
    json_i64(payload, name, &side);
    return side > 0 && side <= SIDE_MAX ? side : 0;
}

err *job_generation_store(struct work *w)
{
    struct generation g;
    TRY(generation_lock(w->db, w->arena, w->job->subject, &g));
    TRY(db_commit(w->db));
    if (!g.is_open)
        return NULL;

    int64_t position = 0;
    json_i64(w->payload, "position", &position);
    struct fal_file file;
    TRY(fal_fetch_file(w->arena, &w->bot->fal, json_str(w->payload, "url"), IMAGE_MAX_BYTES,
                       &file));
    str type = image_type(file.bytes);
    if (str_empty(type))
        return fail(w->arena, ERR_UPSTREAM, "fal: what it made is no image");

    str bucket = w->bot->conf->minio_bucket_images;
    str key = object_key(w->arena, &g, position, type);
    TRY(s3_put(w->arena, &w->bot->s3, bucket, key, type, file.bytes));

    const struct image image = {
        .id = random_uuid(w->arena),
        .generation_id = g.id,
        .user_id = g.user_id,
        .position = (int)position,
        .bucket = bucket,
        .object_key = key,
        .content_type = type,
    };
    TRY(generation_lock(w->db, w->arena, g.id, &g));
    TRY(image_add(w->db, &image, (int64_t)file.bytes.len, side_told(w->payload, "width"),
                  side_told(w->payload, "height")));
    return settle_after_last(w, &g);
}

err *give_up_store(struct work *w)
{
    struct generation g;
    TRY(generation_lock(w->db, w->arena, w->job->subject, &g));
    return g.is_open ? settle_after_last(w, &g) : NULL;
}

err *give_up_generation(struct work *w)
{
    struct generation g;
    TRY(generation_lock(w->db, w->arena, w->job->subject, &g));
    if (!g.is_open || g.has_result)
        return NULL;
    w->forget_user_chat_id = g.chat_id;
    return end_order(w->db, w->arena, &g, "failed", "upstream", w->job->last_error);
}

err *job_object_delete(struct work *w)
{
    return s3_delete(w->arena, &w->bot->s3, json_str(w->payload, "bucket"),
                     json_str(w->payload, "object_key"));
}
