#include "handlers/images/lora.h"

#include "core/log.h"

enum {
    UPLOADS_MAX = 2,
    LORA_MAX_BYTES = 200 << 20, /* as much as is kept of one */
};

bool is_with_avatar(const struct generation *g)
{
    return str_eq(g->generation_type, S("avatar"));
}

/* An avatar can be deleted while an order waits for its turn. */
err *lora_examine(struct work *w, struct generation *g, const char **failure)
{
    if (!is_with_avatar(g))
        return NULL;
    struct avatar avatar;
    err *e = avatar_find(w->db, w->arena, g->errand.user_id, g->avatar_id, &avatar);
    if (e && !err_is_not_found(e))
        return e;
    if (err_is_not_found(e) || !str_eq(avatar.status, S("completed")))
        *failure = "avatar";
    else
        g->lora_url = avatar.lora_url;
    return NULL;
}

err *lora_submit(struct work *w, const struct generation *g, str callback_url,
                 struct fal_submission *out)
{
    const struct fal_lora lora = {.path = g->lora_url, .scale = g->making.lora_scale};
    const struct fal_flux_lora ask = {
        .model = g->errand.model,
        .prompt = g->final_prompt,
        .loras = &lora,
        .lora_count = 1,
        .width = g->making.width,
        .height = g->making.height,
        .num_images = g->num_images,
        .num_inference_steps = g->making.steps,
        .guidance_scale = g->making.guidance,
        .has_seed = true,
        .seed = g->seed,
        .enable_safety_checker = true,
        .output_format = S("jpeg"),
        .callback_url = callback_url,
    };
    return fal_submit_flux_lora(w->arena, &w->bot->fal, &ask, out);
}

/* ---------------------------------------------------------------- when FAL has lost it */

static err *end_without_lora(struct db *db, struct arena *a, const struct generation *g,
                             const char *failure, str message)
{
    return errand_fail(db, a, &generation_errands, &g->errand, "failed", failure, message);
}

/* The LoRA is the only file that FAL fetches for an order. */
err *lora_mend(struct db *db, struct arena *a, struct generation *g,
               const struct fal_failure *failure, str request_id, bool *is_seen_to)
{
    if (!is_with_avatar(g) || !str_eq(failure->type, S("file_download_error")))
        return NULL;
    *is_seen_to = true;
    if (g->lora_uploads >= UPLOADS_MAX)
        return end_without_lora(db, a, g, "lora", failure->message);
    TRY(generation_set_aside(db, g->errand.id, request_id));
    TRY(errand_queue(db, a, &g->errand, "media", "generation_lora", g->lora_uploads, S(""), 0));
    log_warn("lora.gone", KV("generation", g->errand.id), KV("avatar", g->avatar_id));
    return NULL;
}

/* Our copy; refused: there is none, or no avatar any more. */
static err *fetch_copy(struct work *w, const struct generation *g, struct s3_object *object,
                       bool *is_gone)
{
    struct avatar_file file;
    err *e = avatar_file_find(w->db, w->arena, g->avatar_id, "lora", &file);
    if (!e)
        e = s3_get(w->arena, &w->bot->s3, file.bucket, file.object_key, LORA_MAX_BYTES, object);
    *is_gone = err_is_not_found(e);
    return *is_gone ? NULL : e;
}

static err *bring_copy(struct work *w, const struct generation *g, str *url, bool *is_gone)
{
    struct s3_object object;
    TRY(fetch_copy(w, g, &object, is_gone));
    return *is_gone ? NULL
                    : fal_upload(w->arena, &w->bot->fal, S("lora.safetensors"),
                                 S("application/octet-stream"), object.bytes, url);
}

static err *give_up_copy(struct work *w, struct generation *g, bool is_gone)
{
    TRY(generation_lock(w->db, w->arena, g->errand.id, g));
    if (errand_stage(&g->errand) == ERRAND_OVER)
        return NULL;
    w->forget_user_chat_id = g->errand.chat_id;
    if (!is_gone)
        return end_without_lora(w->db, w->arena, g, "timeout", S("the LoRA could not be sent"));
    return end_without_lora(w->db, w->arena, g, str_empty(g->avatar_id) ? "avatar" : "lora",
                            S("there is no copy of the LoRA"));
}

/* The new address is kept also when the order has ended meanwhile: the next one needs it. */
err *job_generation_lora(struct work *w)
{
    struct generation g;
    TRY(generation_lock(w->db, w->arena, w->job->subject, &g));
    TRY(db_commit(w->db));
    if (errand_stage(&g.errand) == ERRAND_OVER)
        return NULL;

    str url = {0};
    bool is_gone = false;
    err *e = bring_copy(w, &g, &url, &is_gone);
    if (is_gone || errand_is_unreached(&generation_errands, &g.errand, e))
        return give_up_copy(w, &g, is_gone);
    TRY(e);

    str avatar_id = g.avatar_id;
    TRY(generation_lock(w->db, w->arena, g.errand.id, &g));
    TRY(avatar_file_set_url(w->db, avatar_id, "lora", url));
    log_info("lora.uploaded_again", KV("avatar", avatar_id));
    if (errand_stage(&g.errand) == ERRAND_OVER)
        return NULL;
    return errand_queue(w->db, w->arena, &g.errand, "fal", "generation_submit", g.lora_uploads,
                        S(""), 0);
}
