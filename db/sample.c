#include "db/sample.h"

#include "db/queries.h"

err *sample_add(struct db *db, const struct sample *s)
{
    return db_query(db, &Q_sample_add, NULL, V(s->id), V(s->user_id), V(s->chat_id),
                    V(s->avatar_id), V(s->is_order), V(s->file_id), V(s->caption),
                    V(s->cost_microdollars));
}

err *sample_find(struct db *db, struct arena *a, int64_t user_id, str id, struct sample *out)
{
    struct rows rows = {0};
    if (str_is_uuid(id))
        TRY(db_query(db, &Q_sample_find, &rows, V(user_id), V(id)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "no such sample");
    *out = (struct sample){
        .id = rows_str(&rows, 0, "id"),
        .user_id = rows_i64(&rows, 0, "user_id"),
        .chat_id = rows_i64(&rows, 0, "chat_id"),
        .avatar_id = rows_str(&rows, 0, "avatar_id"),
        .is_order = rows_bool(&rows, 0, "is_order"),
        .file_id = rows_str(&rows, 0, "file_id"),
        .caption = rows_str(&rows, 0, "caption"),
        .status = rows_str(&rows, 0, "status"),
        .failure = rows_str(&rows, 0, "failure"),
        .file_size_bytes = rows_i64(&rows, 0, "file_size"),
        .width = (int)rows_i64(&rows, 0, "width"),
        .height = (int)rows_i64(&rows, 0, "height"),
        .words = rows_str(&rows, 0, "words"),
        .prompt = rows_str(&rows, 0, "prompt"),
        .aspect_ratio = rows_str(&rows, 0, "aspect_ratio"),
        .cost_microdollars = rows_i64(&rows, 0, "cost_microdollars"),
        .language = rows_str(&rows, 0, "language"),
        .has_avatars = rows_bool(&rows, 0, "has_avatars"),
        .age_ms = rows_i64(&rows, 0, "age_ms"),
    };
    return NULL;
}

err *sample_lock(struct db *db, struct arena *a, int64_t user_id, str id, struct sample *out)
{
    if (str_is_uuid(id))
        TRY(db_query(db, &Q_sample_lock, NULL, V(id)));
    return sample_find(db, a, user_id, id, out);
}

err *sample_describe(struct db *db, const struct sample *s)
{
    return db_query(db, &Q_sample_describe, NULL, V(s->id), V(s->file_size_bytes), V(s->width),
                    V(s->height), V(s->words), V(s->prompt), V(s->aspect_ratio));
}

err *sample_fail(struct db *db, const struct sample *s, str failure)
{
    return db_query(db, &Q_sample_fail, NULL, V(s->id), V(s->file_size_bytes), V(s->width),
                    V(s->height), V(failure));
}

err *sample_cancel(struct db *db, str id, bool *cancelled)
{
    struct rows rows;
    TRY(db_query(db, &Q_sample_cancel, &rows, V(id)));
    if (cancelled)
        *cancelled = rows.count > 0;
    return NULL;
}
