#include "db/photo.h"

#include "db/queries.h"

/* ---------------------------------------------------------------- coming in */

static err *read_verdict(struct arena *a, str word, enum photo_verdict *out)
{
    static const char *const words[] = {
        [PHOTO_RECEIVED] = "received", [PHOTO_REFUSED] = "refused", [PHOTO_FULL] = "full",
        [PHOTO_DAILY] = "daily",       [PHOTO_GONE] = "gone",
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(word, str_from(words[i]))) {
            *out = (enum photo_verdict)i;
            return NULL;
        }
    return fail(a, ERR_INTERNAL, "photo_receive answered " STR_FMT, STR_ARG(word));
}

err *photo_receive(struct db *db, struct arena *a, const struct photo_arrival *arrival,
                   const struct photo_limits *limits, enum photo_verdict *verdict)
{
    struct rows rows;
    TRY(db_query(db, &Q_photo_receive, &rows, V(arrival->user_id), V(arrival->avatar_id),
                 V(arrival->id), V(arrival->chat_id), V(arrival->message_id),
                 V(arrival->is_file ? "document" : "photo"), V(arrival->file_id),
                 V(arrival->file_size_bytes), V(arrival->refused), V(limits->of_avatar),
                 V(limits->of_day)));
    return read_verdict(a, rows_str(&rows, 0, "verdict"), verdict);
}

/* The verdicts that leave nothing behind, not even the turn. */
static bool is_verdict(const err *e, enum photo_verdict *verdict)
{
    static const struct {
        const char *sqlstate;
        enum photo_verdict verdict;
    } rows[] = {
        {"AI005", PHOTO_FULL },
        {"AI006", PHOTO_GONE },
        {"AI007", PHOTO_DAILY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (db_refused_by(e, rows[i].sqlstate)) {
            *verdict = rows[i].verdict;
            return true;
        }
    return false;
}

err *photo_receive_turn(struct db *db, struct arena *a, const struct photo_turn *turn,
                        const struct photo_arrival *arrival, const struct photo_limits *limits,
                        enum photo_verdict *verdict, str *earlier)
{
    struct rows rows;
    err *e = db_query_whole(db, &Q_photo_receive_turn, &rows, V(turn->bot_id), V(turn->update_id),
                            V(JSON(turn->outcome)), V(arrival->user_id), V(arrival->avatar_id),
                            V(arrival->id), V(arrival->chat_id), V(arrival->message_id),
                            V(arrival->is_file ? "document" : "photo"), V(arrival->file_id),
                            V(arrival->file_size_bytes), V(arrival->refused), V(limits->of_avatar),
                            V(limits->of_day));
    *earlier = S("");
    if (e && is_verdict(e, verdict))
        return NULL;
    if (e)
        return e;
    *earlier = rows_str(&rows, 0, "earlier");
    return str_empty(*earlier) ? read_verdict(a, rows_str(&rows, 0, "verdict"), verdict) : NULL;
}

/* ---------------------------------------------------------------- judging */

err *photos_kept(struct db *db, struct arena *a, str avatar_id, struct kept_photo **photos,
                 size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_photos_kept, &rows, V(avatar_id)));
    struct kept_photo *found = NEW_ARRAY(a, struct kept_photo, (size_t)rows.count + 1);
    for (int i = 0; i < rows.count; i++)
        found[i] = (struct kept_photo){
            .id = rows_str(&rows, i, "id"),
            .bucket = rows_str(&rows, i, "bucket"),
            .object_key = rows_str(&rows, i, "object_key"),
            .file_hash = rows_str(&rows, i, "file_hash"),
            .perceptual_hash = (uint64_t)rows_i64(&rows, i, "perceptual_hash"),
        };
    *photos = found;
    *count = (size_t)rows.count;
    return NULL;
}

err *photo_keep(struct db *db, const struct kept_photo *photo,
                const struct photo_measures *measures, str doubts)
{
    return db_query(db, &Q_photo_keep, NULL, V(photo->id), V(photo->bucket), V(photo->object_key),
                    V(photo->file_hash), V((int64_t)photo->perceptual_hash),
                    V(measures->file_size_bytes), V(measures->width), V(measures->height),
                    V(measures->format), V(measures->brightness), V(measures->contrast),
                    V(measures->sharpness), V(measures->quality_score), V(doubts));
}

err *photo_refuse(struct db *db, str id, str word, const struct photo_measures *measures)
{
    return db_query(db, &Q_photo_refuse, NULL, V(id), V(word), V(measures->file_size_bytes),
                    V(measures->width), V(measures->height), V(measures->format));
}

err *photo_delete(struct db *db, int64_t user_id, str id)
{
    return db_query(db, &Q_photo_delete, NULL, V(user_id), V(id));
}

err *photos_recount(struct db *db, str avatar_id, int64_t least, int *kept)
{
    struct rows rows;
    TRY(db_query(db, &Q_photos_recount, &rows, V(avatar_id), V(least)));
    if (kept)
        *kept = (int)rows_i64(&rows, 0, "kept");
    return NULL;
}

err *photos_progress_queue(struct db *db, int64_t user_id, str avatar_id, int64_t chat_id)
{
    return db_query(db, &Q_photos_progress_queue, NULL, V(user_id), V(avatar_id), V(chat_id));
}

err *photos_progress_queue_after(struct db *db, int64_t user_id, str avatar_id, int64_t chat_id)
{
    return db_query(db, &Q_photos_progress_queue_after, NULL, V(user_id), V(avatar_id), V(chat_id));
}

/* ---------------------------------------------------------------- looking */

static void read_photo(const struct rows *rows, struct photo *out)
{
    str status = rows_str(rows, 0, "validation_status");
    *out = (struct photo){
        .id = rows_str(rows, 0, "id"),
        .avatar_id = rows_str(rows, 0, "avatar_id"),
        .user_id = rows_i64(rows, 0, "user_id"),
        .chat_id = rows_i64(rows, 0, "chat_id"),
        .takes_photos = rows_bool(rows, 0, "takes_photos"),
        .message_id = rows_i64(rows, 0, "message_id"),
        .is_pending = str_eq(status, S("pending")),
        .is_kept = str_eq(status, S("valid")),
        .refused = rows_str(rows, 0, "validation_error"),
        .doubts = rows_str(rows, 0, "doubts"),
        .bucket = rows_str(rows, 0, "bucket"),
        .object_key = rows_str(rows, 0, "object_key"),
        .file_size_bytes = rows_i64(rows, 0, "file_size"),
        .width = (int)rows_i64(rows, 0, "width"),
        .height = (int)rows_i64(rows, 0, "height"),
        .is_file = str_eq(rows_str(rows, 0, "source_kind"), S("document")),
        .source_file_id = rows_str(rows, 0, "source_file_id"),
        .file_id = rows_str(rows, 0, "telegram_file_id"),
        .created_at_ms = rows_i64(rows, 0, "created_at_ms"),
        .language_code = rows_str(rows, 0, "language_code"),
        .utc_offset_minutes = (int)rows_i64(rows, 0, "utc_offset_minutes"),
    };
}

err *photo_find(struct db *db, struct arena *a, int64_t user_id, str id, struct photo *out)
{
    struct rows rows = {0};
    if (str_is_uuid(id))
        TRY(db_query(db, &Q_photo_find, &rows, V(user_id), V(id)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "no such photo");
    read_photo(&rows, out);
    return NULL;
}

err *photos_count(struct db *db, struct arena *a, str avatar_id, struct photo_counts *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_photos_count, &rows, V(avatar_id)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "no such avatar");
    *out = (struct photo_counts){
        .kept = rows_i64(&rows, 0, "kept"),
        .pending = rows_i64(&rows, 0, "pending"),
        .refused = rows_i64(&rows, 0, "refused"),
        .newest_message_id = rows_i64(&rows, 0, "newest_message_id"),
        .language_code = rows_str(&rows, 0, "language_code"),
    };
    return NULL;
}

err *photo_step(struct db *db, struct arena *a, int64_t user_id, str avatar_id, str from, int steps,
                struct photo_place *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_photo_step, &rows, V(user_id), V(avatar_id), V(from), V(steps)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "no photos");
    *out = (struct photo_place){
        .id = rows_str(&rows, 0, "id"),
        .index = rows_i64(&rows, 0, "index"),
        .total = rows_i64(&rows, 0, "total"),
    };
    return NULL;
}

err *photo_keep_file_id(struct db *db, str id, str file_id)
{
    return db_query(db, &Q_photo_keep_file_id, NULL, V(id), V(file_id));
}

err *photo_forget_file(struct db *db, int64_t telegram_id, str file_id)
{
    return db_query(db, &Q_photo_forget_file, NULL, V(telegram_id), V(file_id));
}
