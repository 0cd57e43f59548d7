#include "handlers/images/generation.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "db/ledger.h"
#include "db/queries.h"
#include "db/sample.h"
#include "handlers/images/lora.h"
#include "handlers/images/order.h"
#include "handlers/images/phrasing.h"
#include "handlers/images/sample.h"
#include "handlers/money/limits.h"

enum {
    IMAGE_MAX_BYTES = TELEGRAM_PHOTO_MAX_BYTES, /* what cannot be shown is not paid for */
    SHOWN_WORDS_MAX = 200,
};

/* The errand of an order is its first member. */
static struct generation *generation_of(struct errand *errand)
{
    static_assert(offsetof(struct generation, errand) == 0, "the errand comes first");
    return (struct generation *)errand;
}

/* ---------------------------------------------------------------- what the user sees of it */

static void cancel_button(struct keyboard *k, const struct generation *g)
{
    keyboard_row(k);
    keyboard_button(k, T_button_cancel_order, tap_for(k->arena, "generation:cancel", g->errand.id));
}

static void tell_progress(struct work *w, const struct generation *g, str html)
{
    if (g->is_preview)
        return; /* nobody has asked for it, and it shall be a surprise */
    struct keyboard k = keyboard_new(w->arena, language_of(g->errand.language));
    cancel_button(&k, g);
    errand_tell(w, &generation_errands, &g->errand, html, &k);
}

str generation_shown_words(struct arena *a, const struct generation *g)
{
    return str_clip_points(a, g->words, SHOWN_WORDS_MAX);
}

/* It cannot be stopped, and comes. */
static err *go_on(struct work *w, struct errand *errand)
{
    const struct generation *g = generation_of(errand);
    enum language language = language_of(errand->language);
    struct keyboard k = keyboard_new(w->arena, language);
    cancel_button(&k, g);
    keyboard_button(&k, T_button_menu, S("menu:open"));
    errand_say(w, errand,
               text_html(w->arena, language, T_order_goes_on,
                         KVS(KV("words", generation_shown_words(w->arena, g)))),
               &k);
    return NULL;
}

static void tell_queued(struct work *w, const struct generation *g, int64_t place)
{
    str html = text_html(
        w->arena, language_of(g->errand.language), T_progress_queued,
        KVS(KV("words", generation_shown_words(w->arena, g)), KV("place", place + 1)));
    tell_progress(w, g, html);
}

/* With enough past orders of the model there is a bar and a time, else only the stage. */
static err *tell_running(struct work *w, const struct generation *g)
{
    double median;
    TRY(generation_median_seconds(w->db, g->errand.model, &median));
    double gone = (double)g->errand.age_ms / 1000;
    enum language language = language_of(g->errand.language);
    str words = generation_shown_words(w->arena, g);
    str html;
    if (median > gone)
        html = text_html(w->arena, language, T_progress_running,
                         KVS(KV("words", words), KV("bar", progress_bar(w->arena, gone / median)),
                             KV("left", (int64_t)(median - gone) + 1)));
    else
        html = text_html(w->arena, language, T_progress_running_on,
                         KVS(KV("words", words), KV("gone", (int64_t)gone)));
    tell_progress(w, g, html);
    return NULL;
}

static err *show_status(struct work *w, struct errand *errand, const struct fal_status *status)
{
    if (status->phase != FAL_QUEUED)
        return tell_running(w, generation_of(errand));
    tell_queued(w, generation_of(errand), status->queue_position);
    return NULL;
}

/* ---------------------------------------------------------------- ordering */

err *generation_order(struct turn *t, struct generation *order)
{
    order->errand.user_id = t->user->id;
    order->errand.chat_id = t->chat_id;
    order->errand.language = str_from(language_code(t->language));

    bool added;
    TRY(sample_lend_prompt(t, order));
    TRY(generation_add(t->db, order, &added));
    if (!added)
        return refuse(t, T_order_is_running);
    str key = errand_key(t->arena, &generation_errands, order->errand.id);
    TRY(order_hold(t, key, &order->errand, S("image")));
    TRY(limits_admit(t));
    TRY(phrasing_begin(t, order));

    log_info("generation.ordered", KV("generation", order->errand.id),
             KV("model", order->errand.model), KV("coins", order->errand.price_coins));
    cancel_button(&t->keyboard, order);
    say_in_slot(t, key);
    return edit(t, T_progress_ordered, KV("words", generation_shown_words(t->arena, order)),
                KV("price", order->errand.price_coins));
}

err *generation_queue(struct db *db, struct arena *a, const struct generation *order)
{
    bool added;
    TRY(generation_add(db, order, &added));
    if (added)
        TRY(errand_queue(db, a, &order->errand, "fal", "generation_submit", 0, S(""), 0));
    return NULL;
}

/* Before FAL has it, it simply ends; afterwards FAL is asked, and may have finished by then. */
err *on_generation_cancel(struct turn *t)
{
    struct generation g;
    TRY(generation_lock(t->db, t->arena, t->generation->errand.id, &g));
    switch (errand_stage(&g.errand)) {
    case ERRAND_OVER:
        return refuse(t, T_order_is_over);
    case ERRAND_IN_DOUBT:
        return refuse(t, T_order_not_yet);
    case ERRAND_WAITS:
        TRY(errand_call_off(t->db, t->arena, &generation_errands, &g.errand));
        TRY(sample_cancel(t->db, g.errand.id, NULL)); /* of which it waited for its words */
        break;
    case ERRAND_AT_FAL:
        TRY(errand_ask_to_stop(t->db, t->arena, &generation_errands, &g.errand));
        break;
    }
    hint(t, T_order_cancelling);
    return NULL;
}

/* ---------------------------------------------------------------- FAL */

static err *submit(struct work *w, struct errand *errand, str callback_url,
                   struct fal_submission *out)
{
    const struct generation *g = generation_of(errand);
    if (is_with_avatar(g))
        return lora_submit(w, g, callback_url, out);
    const struct fal_imagen4 ask = {
        .model = errand->model,
        .prompt = g->final_prompt,
        .aspect_ratio = g->aspect_ratio,
        .num_images = g->num_images,
        .callback_url = callback_url,
    };
    return fal_submit_imagen4(w->arena, &w->bot->fal, &ask, out);
}

static err *fail_order(struct db *db, struct arena *a, const struct errand *errand,
                       const char *failure, str message)
{
    return errand_fail(db, a, &generation_errands, errand, "failed", failure, message);
}

/* One job for each image; the last one settles. The row is locked. */
static err *take_images(struct db *db, struct arena *a, struct errand *errand,
                        struct json_object *payload, str raw)
{
    struct fal_images images;
    err *e = fal_images_parse(a, payload, &images);
    if (e)
        return fail_order(db, a, errand, "upstream", e->message);
    size_t usable = 0, wanted = (size_t)generation_of(errand)->num_images;
    TRY(errand_keep_result(db, generation_errands.statements, errand->id, raw));
    for (size_t i = 0; i < images.count && i < wanted; i++) {
        if (images.items[i].has_nsfw)
            continue;
        str payload_json = json_make(a, KV("position", i), KV("url", images.items[i].url),
                                     KV("content_type", images.items[i].content_type),
                                     KV("width", images.items[i].width),
                                     KV("height", images.items[i].height));
        TRY(errand_queue(db, a, errand, "media", "generation_store", (int64_t)i, payload_json, 0));
        usable++;
    }
    return usable ? NULL : fail_order(db, a, errand, "nsfw", S(""));
}

/* ---------------------------------------------------------------- as an errand */

static err *lock_errand(struct db *db, struct arena *a, str id, struct errand **out)
{
    struct generation *g = NEW(a, struct generation);
    TRY(generation_lock(db, a, id, g));
    *out = &g->errand;
    return NULL;
}

static err *examine(struct work *w, struct errand *errand, const char **failure)
{
    return lora_examine(w, generation_of(errand), failure);
}

static err *mend(struct db *db, struct arena *a, struct errand *errand,
                 const struct fal_failure *failure, str request_id, bool *is_seen_to)
{
    return lora_mend(db, a, generation_of(errand), failure, request_id, is_seen_to);
}

/* Its number stands in the row, its addresses do no more. */
static bool is_set_aside(const struct errand *errand, str request_id)
{
    const struct generation *g = (const struct generation *)errand;
    return str_empty(errand->status_url) && !str_empty(request_id) &&
           str_eq(g->request_id, request_id);
}

static const char *entrance(const struct errand *errand)
{
    (void)errand;
    return "image";
}

static int64_t most_age_ms(const struct conf *conf)
{
    return conf->fal_image_timeout_seconds * 1000;
}

const struct errand_kind generation_errands = {
    .name = "generation",
    .submit_job = "generation_submit",
    .check_job = "generation_check",
    .result_job = "generation_result",
    .cancel_job = "generation_cancel",
    .drop_job = "generation_drop",
    .explain_job = "generation_explain",
    .statements = &generation_statements,
    .unknown_wait_ms = 120 * 1000,
    .unreached_most_ms = 3600 * 1000, /* by then the picture is hardly wanted any more */
    .first_check_ms = 3000,
    .check_most_ms = 30 * 1000,
    .most_age_ms = most_age_ms,
    .lock = lock_errand,
    .examine = examine,
    .entrance = entrance,
    .show = show_status,
    .take = take_images,
    .mend = mend,
    .is_set_aside = is_set_aside,
    .go_on = go_on,
};

err *job_generation_submit(struct work *w)
{
    return errand_run_submit(w, &generation_errands, submit);
}

err *job_generation_check(struct work *w)
{
    return errand_run_check(w, &generation_errands);
}

err *job_generation_result(struct work *w)
{
    return errand_run_result(w, &generation_errands);
}

err *job_generation_cancel(struct work *w)
{
    return errand_run_cancel(w, &generation_errands);
}

err *give_up_generation(struct work *w)
{
    return errand_run_give_up(w, &generation_errands);
}

err *give_up_generation_cancel(struct work *w)
{
    return errand_run_go_on(w, &generation_errands);
}

/* ---------------------------------------------------------------- storing */

/* Captures what was stored and gives the rest back. Called with the row locked and no store job left. */
static err *settle(struct work *w, const struct generation *g)
{
    struct image *images;
    size_t stored;
    TRY(images_of(w->db, w->arena, g->errand.id, &images, &stored));
    w->forget_user_chat_id = g->errand.chat_id;
    if (!stored)
        return fail_order(w->db, w->arena, &g->errand, "storage", S("no image could be stored"));

    int64_t spent = g->errand.price_coins / g->num_images * (int64_t)stored;
    TRY(generation_complete(w->db, g->errand.id));
    if (spent)
        TRY(ledger_capture(w->db, errand_key(w->arena, &generation_errands, g->errand.id), spent,
                           NULL));
    TRY(errand_queue(w->db, w->arena, &g->errand, "send", "generation_deliver", 0,
                     errand_chat(w->arena, &g->errand), 0));
    log_info("generation.completed", KV("generation", g->errand.id), KV("images", stored),
             KV("coins", spent));
    metric_observe(METRIC_generation_duration, g->errand.age_ms * 1000,
                   KVS(KV("type", g->generation_type)));
    return NULL;
}

static err *settle_after_last(struct work *w, const struct generation *g)
{
    struct rows rows;
    TRY(db_query(w->db, &Q_job_others_open, &rows, V(g->errand.id), V("generation_store"),
                 V(w->job->id)));
    return rows_i64(&rows, 0, "jobs") ? NULL : settle(w, g);
}

static str object_key(struct arena *a, const struct generation *g, int64_t position,
                      str content_type)
{
    const char *ending = str_eq(content_type, S("image/jpeg"))   ? "jpg"
                         : str_eq(content_type, S("image/webp")) ? "webp"
                                                                 : "png";
    return str_printf(a, "generated/" STR_FMT "/%" PRId64 ".%s", STR_ARG(g->errand.id), position,
                      ending);
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
    if (!g.errand.is_open)
        return NULL;

    int64_t position = 0;
    json_i64(w->payload, "position", &position);
    struct fal_file file;
    err *e = fal_fetch_file(w->arena, &w->bot->fal, json_str(w->payload, "url"), IMAGE_MAX_BYTES,
                            &file);
    if (e && err_is_waiting(e) && errand_is_overdue(&generation_errands, w->bot->conf, &g.errand))
        return give_up_store(w);
    if (e)
        return e;
    str type = image_type(file.bytes);
    if (str_empty(type))
        return fail(w->arena, ERR_UPSTREAM, "fal: what it made is no image");

    str bucket = w->bot->conf->minio_bucket_images;
    str key = object_key(w->arena, &g, position, type);
    TRY(s3_put(w->arena, &w->bot->s3, bucket, key, type, file.bytes));

    const struct image image = {
        .id = random_uuid(w->arena),
        .generation_id = g.errand.id,
        .user_id = g.errand.user_id,
        .position = (int)position,
        .bucket = bucket,
        .object_key = key,
        .content_type = type,
    };
    TRY(generation_lock(w->db, w->arena, g.errand.id, &g));
    TRY(image_add(w->db, &image, (int64_t)file.bytes.len, side_told(w->payload, "width"),
                  side_told(w->payload, "height")));
    if (g.is_preview && !str_empty(g.avatar_id)) /* it may be deleted by now */
        TRY(avatar_set_preview(w->db, g.avatar_id, key));
    return settle_after_last(w, &g);
}

err *give_up_store(struct work *w)
{
    struct generation g;
    TRY(generation_lock(w->db, w->arena, w->job->subject, &g));
    return g.errand.is_open ? settle_after_last(w, &g) : NULL;
}

err *job_object_delete(struct work *w)
{
    return s3_delete(w->arena, &w->bot->s3, json_str(w->payload, "bucket"),
                     json_str(w->payload, "object_key"));
}
