#include "db/training.h"

#include "db/queries.h"

const struct errand_statements training_statements = {
    .submitting = &Q_training_submitting,
    .not_submitted = &Q_training_not_submitted,
    .submitted = &Q_training_submitted,
    .seen = &Q_training_seen,
    .keep_result = &Q_training_keep_result,
    .reopen = &Q_training_reopen,
    .end = &Q_training_end,
};

static void read_training(const struct rows *rows, struct training *out)
{
    *out = (struct training){
        .avatar_id = rows_str(rows, 0, "avatar_id"),
        .avatar_name = rows_str(rows, 0, "name"),
        .gender = rows_str(rows, 0, "gender"),
        .training_type = rows_str(rows, 0, "training_type"),
        .preset = rows_str(rows, 0, "preset"),
        .photos_count = (int)rows_i64(rows, 0, "photos_count"),
        .progress = (int)rows_i64(rows, 0, "progress"),
        .archive_url = rows_str(rows, 0, "archive_url"),
        .is_cancel_asked = rows_bool(rows, 0, "is_cancel_asked"),
        .running_ms = rows_i64(rows, 0, "running_ms"),
    };
    errand_read(rows, &out->errand);
}

err *training_need(struct db *db, struct arena *a, int64_t user_id, str avatar_id,
                   struct training_need *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_training_need, &rows, V(user_id), V(avatar_id)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "no such avatar");
    *out = (struct training_need){
        .status = rows_str(&rows, 0, "status"),
        .kept = rows_i64(&rows, 0, "kept"),
        .pending = rows_i64(&rows, 0, "pending"),
    };
    return NULL;
}

err *training_begin(struct db *db, int64_t user_id, str avatar_id, int64_t least_photos,
                    bool *begun)
{
    struct rows rows;
    TRY(db_query(db, &Q_training_begin, &rows, V(user_id), V(avatar_id), V(least_photos)));
    *begun = rows.count > 0;
    return NULL;
}

err *training_add(struct db *db, const struct training *g)
{
    const struct errand *errand = &g->errand;
    return db_query(db, &Q_training_add, NULL, V(errand->id), V(g->avatar_id), V(errand->user_id),
                    V(errand->chat_id), V(errand->language), V(g->training_type), V(errand->model),
                    V(g->preset), V(errand->price_coins), V(g->photos_count),
                    V(errand->cost_microdollars));
}

err *training_lock(struct db *db, struct arena *a, int64_t user_id, str id, struct training *out)
{
    if (!str_is_uuid(id))
        return fail(a, ERR_NOT_FOUND, "no such training");
    struct rows rows;
    TRY(db_query(db, &Q_training_lock, &rows, V(user_id), V(id)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "training " STR_FMT, STR_ARG(id));
    read_training(&rows, out);
    return NULL;
}

err *training_lock_open(struct db *db, struct arena *a, int64_t user_id, str avatar_id,
                        struct training *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_training_open, &rows, V(user_id), V(avatar_id)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "no open training");
    return training_lock(db, a, user_id, rows_str(&rows, 0, "id"), out);
}

err *training_keep_archive(struct db *db, str id, str archive_url, int64_t photos_count)
{
    return db_query(db, &Q_training_keep_archive, NULL, V(id), V(archive_url), V(photos_count));
}

err *training_note(struct db *db, str id, const struct training_parameters *p)
{
    return db_query(db, &Q_training_note, NULL, V(id), p->trigger_phrase, p->trigger_word, p->steps,
                    p->learning_rate, p->multiresolution_training, p->subject_crop, p->create_masks,
                    V(p->webhook_url), V(p->finetune_comment), V(JSON(p->config)));
}

err *training_progress(struct db *db, str id, int percent, str logs, bool is_running,
                       struct training *g)
{
    struct rows rows;
    TRY(db_query(db, &Q_training_progress, &rows, V(id), V(percent), V(logs), V(is_running)));
    g->progress = (int)rows_i64(&rows, 0, "training_progress");
    g->running_ms = rows_i64(&rows, 0, "running_ms");
    return NULL;
}

err *training_ask_to_stop(struct db *db, str id)
{
    return db_query(db, &Q_training_ask_to_stop, NULL, V(id));
}

err *training_take_stop_back(struct db *db, str id)
{
    return db_query(db, &Q_training_take_stop_back, NULL, V(id));
}

err *training_keep_files(struct db *db, str id, str lora_url, str config_url)
{
    return db_query(db, &Q_training_keep_files, NULL, V(id), V(lora_url), V(config_url));
}

err *training_add_file(struct db *db, const struct training *g, const struct training_file *file)
{
    return db_query(db, &Q_training_add_file, NULL, V(g->avatar_id), V(file->kind),
                    V(g->errand.user_id), V(file->bucket), V(file->object_key),
                    V(file->content_type), V(file->size_bytes), V(file->fal_url));
}

err *training_complete(struct db *db, str id)
{
    return db_query(db, &Q_training_complete, NULL, V(id));
}

err *training_drop_photos(struct db *db, str avatar_id, bool keeps_first)
{
    return db_query(db, &Q_training_drop_photos, NULL, V(avatar_id), V(keeps_first));
}

err *training_median_seconds(struct db *db, str model, str preset, double *seconds)
{
    enum { TRAININGS_LEAST = 3 };
    struct rows rows;
    TRY(db_query(db, &Q_training_median_seconds, &rows, V(model), V(preset)));
    *seconds = rows_i64(&rows, 0, "trainings") >= TRAININGS_LEAST ? rows_double(&rows, 0, "seconds")
                                                                  : 0;
    return NULL;
}
