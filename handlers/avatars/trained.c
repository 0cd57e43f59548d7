#include "handlers/avatars/trained.h"

#include "core/log.h"
#include "core/metrics.h"
#include "db/ledger.h"
#include "db/photo.h"
#include "handlers/avatars/training.h"
#include "handlers/images/flux.h"

enum {
    LORA_MAX_BYTES = 200 << 20, /* those of FLUX take 90 to 180 MB */
    CONFIG_MAX_BYTES = 1 << 20,
};

/* ---------------------------------------------------------------- storing */

static err *drop_photos(struct work *w, const struct training *g)
{
    const struct conf *conf = w->bot->conf;
    if (!conf->delete_photos_after_training)
        return NULL;
    return training_drop_photos(w->db, g->avatar_id, conf->keep_preview_photo);
}

/* Ordered here, because only what is written with the end of the training is made once. */
static err *order_preview(struct work *w, const struct training *g, bool *is_ordered)
{
    struct avatar avatar;
    *is_ordered = false;
    if (!w->bot->conf->auto_generate_preview)
        return NULL;
    TRY(avatar_find(w->db, w->arena, g->errand.user_id, g->avatar_id, &avatar));
    return flux_order_preview(w->db, w->arena, w->bot->conf, &avatar, g->errand.chat_id,
                              g->errand.language, is_ordered);
}

/* The avatar is finished and paid. Called with the row locked and the LoRA stored. */
static err *settle(struct work *w, const struct training *g)
{
    const struct errand *errand = &g->errand;
    w->forget_user_chat_id = errand->chat_id;
    TRY(training_complete(w->db, errand->id));
    if (errand->price_coins)
        TRY(ledger_capture(w->db, errand_key(w->arena, &training_errands, errand->id), LEDGER_ALL,
                           NULL));
    TRY(drop_photos(w, g));
    bool has_present;
    TRY(order_preview(w, g, &has_present));
    str told = json_make(w->arena, KV("chat_id", errand->chat_id), KV("present", has_present));
    TRY(errand_queue(w->db, w->arena, errand, "send", "training_deliver", 0, told, 0));
    log_info("training.completed", KV("training", errand->id), KV("avatar", g->avatar_id),
             KV("coins", errand->price_coins));
    metric_observe(METRIC_training_duration, errand->age_ms * 1000,
                   KVS(KV("type", g->training_type)));
    return NULL;
}

/* A LoRA is a file of safetensors: a length of eight bytes, and JSON of so many. */
static bool is_lora(str bytes)
{
    enum { LENGTH_BYTES = 8 };
    return bytes.len > LENGTH_BYTES && bytes.ptr[LENGTH_BYTES] == '{';
}

/* A training that is repeated has objects of its own. */
static str object_key(struct arena *a, const struct training *g, bool lora)
{
    return str_printf(a, "avatars/" STR_FMT "/" STR_FMT "/%s", STR_ARG(g->avatar_id),
                      STR_ARG(g->errand.id), lora ? "lora.safetensors" : "config.json");
}

static err *copy_file(struct work *w, const struct training *g, bool lora, str bytes,
                      struct training_file *out)
{
    if (lora && !is_lora(bytes))
        return fail(w->arena, ERR_UPSTREAM, "fal: what it made is no lora");
    out->bucket = w->bot->conf->minio_bucket_avatars;
    out->object_key = object_key(w->arena, g, lora);
    out->content_type = lora ? S("application/octet-stream") : S("application/json");
    out->size_bytes = (int64_t)bytes.len;
    return s3_put(w->arena, &w->bot->s3, out->bucket, out->object_key, out->content_type, bytes);
}

/* The avatar is drawn with by its LoRA alone: the configuration is kept when it comes, before the
 * end or after it, and nobody waits for it. */
static err *lock_wanted(struct work *w, bool lora, struct training *g, bool *is_wanted)
{
    err *e = training_lock(w->db, w->arena, 0, w->job->subject, g);
    bool is_gone = err_is_not_found(e); /* the avatar was deleted after its training */
    *is_wanted = !e && (g->errand.is_open || (!lora && str_eq(g->errand.status, S("completed"))));
    return is_gone ? NULL : e;
}

err *job_training_store(struct work *w)
{
    struct training g;
    bool is_wanted, lora = str_eq(json_str(w->payload, "kind"), S("lora"));
    TRY(lock_wanted(w, lora, &g, &is_wanted));
    TRY(db_commit(w->db));
    if (!is_wanted)
        return NULL;
    struct training_file file = {
        .kind = json_str(w->payload, "kind"),
        .fal_url = json_str(w->payload, "url"),
    };
    struct fal_file made;
    err *e = fal_fetch_file(w->arena, &w->bot->fal, file.fal_url,
                            lora ? LORA_MAX_BYTES : CONFIG_MAX_BYTES, &made);
    if (e && err_is_waiting(e) && errand_is_overdue(&training_errands, w->bot->conf, &g.errand))
        return give_up_training_store(w);
    if (e)
        return e;
    TRY(copy_file(w, &g, lora, made.bytes, &file));

    TRY(lock_wanted(w, lora, &g, &is_wanted));
    if (!is_wanted)
        return job_add_object_delete(w->db, w->arena, file.bucket, file.object_key);
    TRY(training_add_file(w->db, &g, &file));
    return lora ? settle(w, &g) : NULL;
}

err *give_up_training_store(struct work *w)
{
    struct training g;
    bool is_wanted, lora = str_eq(json_str(w->payload, "kind"), S("lora"));
    TRY(lock_wanted(w, lora, &g, &is_wanted));
    return lora && is_wanted
               ? training_fail(w, &g, "storage", S("what was learned could not be stored"))
               : NULL;
}

/* ---------------------------------------------------------------- how it ended */

/* For words to the user: of an avatar that is deleted meanwhile there is nothing to be said. */
static err *read_for_words(struct work *w, struct training *g, bool *is_there)
{
    err *e = training_lock(w->db, w->arena, 0, w->job->subject, g);
    *is_there = !e;
    if (e && e->kind != ERR_NOT_FOUND)
        return e;
    return db_commit(w->db);
}

err *job_training_deliver(struct work *w)
{
    struct training g;
    bool is_there;
    TRY(read_for_words(w, &g, &is_there));
    if (!is_there)
        return NULL;
    const struct errand *errand = &g.errand;
    enum language language = language_of(errand->language);
    struct keyboard k = keyboard_new(w->arena, language);
    keyboard_row(&k);
    keyboard_button(&k, T_button_flux_use, tap_for(w->arena, "flux:use", g.avatar_id));
    training_leave_row(&k, g.avatar_id);
    bool has_present = false;
    json_boolean(w->payload, "present", &has_present);
    str html = text_html(w->arena, language,
                         has_present ? T_training_done_with_present : T_training_done,
                         KVS(KV("name", g.avatar_name)));
    str words = message_call(w->arena, errand->chat_id, 0, html, &k);
    const struct outbox_call call = {
        .chat_id = errand->chat_id,
        .call = errand->is_silent ? silent_call(w->arena, words) : words,
    };
    w->forget_user_chat_id = errand->chat_id;
    TRY(work_call(w, &call, NULL));
    errand_clear_progress(w, &training_errands, errand);
    return NULL;
}

static enum text end_text(const struct training *g)
{
    static const struct {
        const char *failure;
        enum text text;
    } rows[] = {
        {"safety",  T_training_failed_safety },
        {"input",   T_training_failed_input  },
        {"photos",  T_training_failed_photos },
        {"timeout", T_training_failed_timeout},
    };
    if (str_eq(g->errand.status, S("cancelled")))
        return g->is_cancel_asked ? T_training_stopped : T_training_cancelled;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(g->errand.failure, str_from(rows[i].failure)))
            return rows[i].text;
    return T_training_failed_upstream;
}

/* With the same ones it would only fail again. */
static bool needs_other_photos(const struct training *g)
{
    str failure = g->errand.failure;
    return str_eq(failure, S("photos")) || str_eq(failure, S("input")) ||
           str_eq(failure, S("safety"));
}

err *job_training_explain(struct work *w)
{
    struct training g;
    bool is_there;
    TRY(read_for_words(w, &g, &is_there));
    if (!is_there)
        return NULL;
    const struct errand *errand = &g.errand;
    enum language language = language_of(errand->language);
    struct keyboard k = keyboard_new(w->arena, language);
    if (needs_other_photos(&g)) {
        keyboard_row(&k);
        keyboard_button(&k, T_button_photos_change, tap_for(w->arena, "photos:open", g.avatar_id));
    }
    keyboard_row(&k);
    if (!str_eq(errand->failure, S("photos")))
        keyboard_button(&k, T_button_training_again,
                        tap_for(w->arena, "training:open", g.avatar_id));
    training_leave_row(&k, g.avatar_id);
    str html = text_html(w->arena, language, end_text(&g),
                         KVS(KV("name", g.avatar_name), KV("price", errand->price_coins)));
    return errand_explain(w, &training_errands, errand, html, &k);
}
