#include "db/generation.h"

#include "db/queries.h"

const struct errand_statements generation_statements = {
    .submitting = &Q_generation_submitting,
    .not_submitted = &Q_generation_not_submitted,
    .submitted = &Q_generation_submitted,
    .seen = &Q_generation_seen,
    .keep_result = &Q_generation_keep_result,
    .reopen = &Q_generation_reopen,
    .end = &Q_generation_end,
};

static void read_generation(const struct rows *rows, struct generation *out)
{
    *out = (struct generation){
        .generation_type = rows_str(rows, 0, "generation_type"),
        .words = rows_str(rows, 0, "original_prompt"),
        .quality = rows_str(rows, 0, "quality_preset"),
        .aspect_ratio = rows_str(rows, 0, "aspect_ratio"),
        .num_images = (int)rows_i64(rows, 0, "num_images"),
        .seconds = rows_double(rows, 0, "generation_seconds"),
        .template_id = rows_str(rows, 0, "template_id"),
        .avatar_id = rows_str(rows, 0, "avatar_id"),
        .avatar_name = rows_str(rows, 0, "avatar_name"),
        .final_prompt = rows_str(rows, 0, "final_prompt"),
        .seed = rows_i64(rows, 0, "seed"),
        .making =
            {
                     .steps = (int)rows_i64(rows, 0, "num_inference_steps"),
                     .guidance = rows_double(rows, 0, "guidance_scale"),
                     .lora_scale = rows_double(rows, 0, "lora_scale"),
                     .width = (int)rows_i64(rows, 0, "width"),
                     .height = (int)rows_i64(rows, 0, "height"),
                     },
        .avatar_trigger = rows_str(rows, 0, "avatar_trigger"),
        .is_as_typed = rows_bool(rows, 0, "is_as_typed"),
        .enhances = rows_bool(rows, 0, "enhances"),
        .is_preview = rows_bool(rows, 0, "is_preview"),
        .shows_details = rows_bool(rows, 0, "shows_details"),
        .request_id = rows_str(rows, 0, "fal_request_id"),
        .lora_uploads = (int)rows_i64(rows, 0, "lora_uploads"),
    };
    errand_read(rows, &out->errand);
}

static bool has_avatar(const struct generation *g)
{
    return !str_empty(g->avatar_id);
}

/* NULL where a model without an avatar is not given it. */
static struct val of_avatar(const struct generation *g, struct val value)
{
    return has_avatar(g) ? value : V(NOTHING);
}

err *generation_add(struct db *db, const struct generation *g, bool *added)
{
    struct rows rows;
    TRY(db_query(
        db, &Q_generation_add, &rows, V(g->errand.id), V(g->errand.user_id), V(g->errand.chat_id),
        V(g->generation_type), V(g->errand.model), V(g->words), V(g->quality), V(g->aspect_ratio),
        V(g->num_images), V(g->errand.price_coins), V(g->errand.language), V(g->final_prompt),
        V(g->is_preview), of_avatar(g, V(g->avatar_id)), of_avatar(g, V(g->seed)),
        of_avatar(g, V(g->making.steps)), of_avatar(g, V(g->making.guidance)),
        of_avatar(g, V(g->making.lora_scale)), of_avatar(g, V(g->making.width)),
        of_avatar(g, V(g->making.height)), V(g->errand.cost_microdollars), V(g->template_id)));
    *added = rows.count > 0;
    return NULL;
}

err *generation_find(struct db *db, struct arena *a, int64_t user_id, str id,
                     struct generation *out)
{
    if (!str_is_uuid(id))
        return fail(a, ERR_NOT_FOUND, "no such generation");
    struct rows rows;
    TRY(db_query(db, &Q_generation_find, &rows, V(user_id), V(id)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "generation " STR_FMT, STR_ARG(id));
    read_generation(&rows, out);
    return NULL;
}

err *generation_repeat_id(struct db *db, int64_t user_id, str button, str *id, bool *is_open)
{
    struct rows rows;
    TRY(db_query(db, &Q_generation_repeat_id, &rows, V(user_id), V(button)));
    *id = rows_str(&rows, 0, "id");
    *is_open = rows_bool(&rows, 0, "is_open");
    return NULL;
}

err *generation_lock(struct db *db, struct arena *a, str id, struct generation *out)
{
    if (!str_is_uuid(id))
        return fail(a, ERR_NOT_FOUND, "no such generation");
    struct rows rows;
    TRY(db_query(db, &Q_generation_lock, &rows, V(id)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "generation " STR_FMT, STR_ARG(id));
    return generation_find(db, a, rows_i64(&rows, 0, "user_id"), id, out);
}

err *generation_set_aside(struct db *db, str id, str request_id)
{
    return db_query(db, &Q_generation_set_aside, NULL, V(id), V(request_id));
}

err *generation_set_prompt(struct db *db, str id, str final_prompt)
{
    return db_query(db, &Q_generation_set_prompt, NULL, V(id), V(final_prompt));
}

err *generation_set_words(struct db *db, str id, str words, str final_prompt)
{
    return db_query(db, &Q_generation_set_words, NULL, V(id), V(words), V(final_prompt));
}

err *generation_set_as_typed(struct db *db, str id)
{
    return db_query(db, &Q_generation_set_as_typed, NULL, V(id));
}

err *generation_complete(struct db *db, str id)
{
    return db_query(db, &Q_generation_complete, NULL, V(id));
}

err *generation_median_seconds(struct db *db, str model, double *seconds)
{
    enum { ORDERS_LEAST = 3 };
    struct rows rows;
    TRY(db_query(db, &Q_generation_median_seconds, &rows, V(model)));
    *seconds = rows_i64(&rows, 0, "orders") >= ORDERS_LEAST ? rows_double(&rows, 0, "seconds") : 0;
    return NULL;
}

/* ---------------------------------------------------------------- images */

void image_read(const struct rows *rows, int row, struct image *out)
{
    *out = (struct image){
        .id = rows_str(rows, row, "id"),
        .generation_id = rows_str(rows, row, "generation_id"),
        .user_id = rows_i64(rows, row, "user_id"),
        .position = (int)rows_i64(rows, row, "position"),
        .bucket = rows_str(rows, row, "bucket"),
        .object_key = rows_str(rows, row, "object_key"),
        .content_type = rows_str(rows, row, "content_type"),
        .file_id = rows_str(rows, row, "telegram_file_id"),
        .is_favorite = rows_bool(rows, row, "is_favorite"),
        .created_at_us = rows_i64(rows, row, "created_at_us"),
        .words = rows_str(rows, row, "original_prompt"),
        .aspect_ratio = rows_str(rows, row, "aspect_ratio"),
        .generation_type = rows_str(rows, row, "generation_type"),
        .model = rows_str(rows, row, "source_model"),
        .quality = rows_str(rows, row, "quality_preset"),
        .seconds = rows_double(rows, row, "generation_seconds"),
        .width = (int)rows_i64(rows, row, "width"),
        .height = (int)rows_i64(rows, row, "height"),
        .seed = rows_str(rows, row, "seed_used"),
        .steps = (int)rows_i64(rows, row, "steps"),
        .avatar_name = rows_str(rows, row, "avatar_name"),
    };
}

err *image_add(struct db *db, const struct image *image, int64_t size_bytes, int64_t width,
               int64_t height)
{
    return db_query(db, &Q_image_add, NULL, V(image->id), V(image->generation_id),
                    V(image->user_id), V(image->position), V(image->bucket), V(image->object_key),
                    V(image->content_type), V(size_bytes), V(width), V(height));
}

err *images_of(struct db *db, struct arena *a, str generation_id, struct image **images,
               size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_images_of, &rows, V(generation_id)));
    *count = (size_t)rows.count;
    *images = NEW_ARRAY(a, struct image, *count + 1);
    for (int i = 0; i < rows.count; i++)
        image_read(&rows, i, &(*images)[i]);
    return NULL;
}

static err *first_image(struct arena *a, const struct rows *rows, struct image *out)
{
    if (!rows->count)
        return fail(a, ERR_NOT_FOUND, "no such image");
    image_read(rows, 0, out);
    return NULL;
}

err *image_find(struct db *db, struct arena *a, int64_t user_id, str id, struct image *out)
{
    if (!str_is_uuid(id))
        return fail(a, ERR_NOT_FOUND, "no such image");
    struct rows rows;
    TRY(db_query(db, &Q_image_find, &rows, V(user_id), V(id)));
    return first_image(a, &rows, out);
}

err *image_keep_file_id(struct db *db, str id, str file_id)
{
    return db_query(db, &Q_image_keep_file_id, NULL, V(id), V(file_id));
}

err *image_forget_file(struct db *db, int64_t telegram_id, str file_id, int64_t *user_id, str *id)
{
    struct rows rows;
    TRY(db_query(db, &Q_image_forget_file, &rows, V(telegram_id), V(file_id)));
    *user_id = rows.count ? rows_i64(&rows, 0, "user_id") : 0;
    *id = rows.count ? rows_str(&rows, 0, "id") : S("");
    return NULL;
}

err *image_set_favorite(struct db *db, int64_t user_id, str id, bool is_favorite)
{
    return db_query(db, &Q_image_set_favorite, NULL, V(user_id), V(id), V(is_favorite));
}

err *image_delete(struct db *db, int64_t user_id, str id, bool *deleted)
{
    struct rows rows;
    TRY(db_query(db, &Q_image_delete, &rows, V(user_id), V(id)));
    *deleted = rows.count > 0;
    return NULL;
}
