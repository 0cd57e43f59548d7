#include "db/avatar.h"

#include "db/queries.h"

static void read_avatar(const struct rows *rows, int row, struct avatar *out)
{
    *out = (struct avatar){
        .id = rows_str(rows, row, "id"),
        .user_id = rows_i64(rows, row, "user_id"),
        .name = rows_str(rows, row, "name"),
        .gender = rows_str(rows, row, "gender"),
        .training_type = rows_str(rows, row, "training_type"),
        .kind = rows_str(rows, row, "kind"),
        .status = rows_str(rows, row, "status"),
        .is_draft = rows_bool(rows, row, "is_draft"),
        .takes_photos = rows_bool(rows, row, "takes_photos"),
        .is_main = rows_bool(rows, row, "is_main"),
        .photos_count = (int)rows_i64(rows, row, "photos_count"),
        .generations_count = (int)rows_i64(rows, row, "generations_count"),
        .training_progress = (int)rows_i64(rows, row, "training_progress"),
        .trigger = rows_str(rows, row, "trigger"),
        .lora_url = rows_str(rows, row, "lora_url"),
        .photo_key = rows_str(rows, row, "photo_key"),
        .preview_key = rows_str(rows, row, "preview_key"),
        .picture_file_id = rows_str(rows, row, "picture_file_id"),
        .created_at_us = rows_i64(rows, row, "created_at_us"),
    };
}

/* The one row of an answer that has one or none. */
static err *read_one(struct arena *a, const struct rows *rows, struct avatar *out)
{
    if (!rows->count)
        return fail(a, ERR_NOT_FOUND, "no such avatar");
    read_avatar(rows, 0, out);
    return NULL;
}

err *avatar_add(struct db *db, str id, int64_t user_id, str name, str gender, str training_type,
                int64_t most, bool *added)
{
    struct rows rows;
    TRY(db_query(db, &Q_avatar_add, &rows, V(id), V(user_id), V(name), V(gender), V(training_type),
                 V(most)));
    *added = rows.count > 0;
    return NULL;
}

err *avatar_find(struct db *db, struct arena *a, int64_t user_id, str id, struct avatar *out)
{
    if (!str_is_uuid(id))
        return fail(a, ERR_NOT_FOUND, "no such avatar");
    struct rows rows;
    TRY(db_query(db, &Q_avatar_find, &rows, V(user_id), V(id)));
    return read_one(a, &rows, out);
}

err *avatar_lock(struct db *db, struct arena *a, int64_t user_id, str id, struct avatar *out)
{
    if (!str_is_uuid(id))
        return fail(a, ERR_NOT_FOUND, "no such avatar");
    struct rows rows;
    TRY(db_query(db, &Q_avatar_lock, &rows, V(user_id), V(id)));
    if (rows.count)
        TRY(db_query(db, &Q_avatar_locked, &rows, V(id)));
    return read_one(a, &rows, out);
}

err *avatar_find_draft(struct db *db, struct arena *a, int64_t user_id, struct avatar *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_avatar_find_draft, &rows, V(user_id)));
    return read_one(a, &rows, out);
}

err *avatar_list(struct db *db, struct arena *a, int64_t user_id, struct avatar **out,
                 size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_avatar_list, &rows, V(user_id)));
    *out = NEW_ARRAY(a, struct avatar, (size_t)rows.count + 1);
    *count = (size_t)rows.count;
    for (int i = 0; i < rows.count; i++)
        read_avatar(&rows, i, &(*out)[i]);
    return NULL;
}

err *avatar_set_name(struct db *db, struct arena *a, int64_t user_id, str id, str name)
{
    struct rows rows;
    TRY(db_query(db, &Q_avatar_set_name, &rows, V(user_id), V(id), V(name)));
    return rows.count ? NULL : fail(a, ERR_NOT_FOUND, "no such avatar");
}

err *avatar_set_main(struct db *db, int64_t user_id, str id)
{
    TRY(db_query(db, &Q_avatar_clear_main, NULL, V(user_id)));
    return db_query(db, &Q_avatar_set_main, NULL, V(user_id), V(id));
}

err *avatar_delete(struct db *db, int64_t user_id, str id)
{
    TRY(db_query(db, &Q_avatar_delete, NULL, V(user_id), V(id)));
    return db_query(db, &Q_avatar_follow_main, NULL, V(user_id));
}

err *avatar_set_preview(struct db *db, str id, str object_key)
{
    return db_query(db, &Q_avatar_set_preview, NULL, V(id), V(object_key));
}

/* ---------------------------------------------------------------- files */

err *avatar_file_find(struct db *db, struct arena *a, str avatar_id, const char *kind,
                      struct avatar_file *out)
{
    if (!str_is_uuid(avatar_id))
        return fail(a, ERR_NOT_FOUND, "no such avatar");
    struct rows rows;
    TRY(db_query(db, &Q_avatar_file_find, &rows, V(avatar_id), V(kind)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "avatar " STR_FMT " has no copy of its %s",
                    STR_ARG(avatar_id), kind);
    *out = (struct avatar_file){
        .bucket = rows_str(&rows, 0, "bucket"),
        .object_key = rows_str(&rows, 0, "object_key"),
        .content_type = rows_str(&rows, 0, "content_type"),
        .size_bytes = rows_i64(&rows, 0, "size_bytes"),
        .fal_url = rows_str(&rows, 0, "fal_url"),
    };
    return NULL;
}

err *avatar_file_set_url(struct db *db, str avatar_id, const char *kind, str fal_url)
{
    return db_query(db, &Q_avatar_file_set_url, NULL, V(avatar_id), V(kind), V(fal_url));
}
