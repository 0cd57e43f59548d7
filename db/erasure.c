#include "db/erasure.h"

#include "db/queries.h"

err *erasure_remember(struct db *db, int64_t user_id, str mark, int64_t days)
{
    return db_query(db, &Q_person_remember, NULL, V(user_id), V(mark), V(days));
}

err *erasure_begin(struct db *db, int64_t user_id, str id, str language, bool *has_left)
{
    struct rows rows;
    TRY(db_query(db, &Q_person_leave, &rows, V(user_id), V(id), V(language)));
    *has_left = rows_bool(&rows, 0, "has_left");
    return NULL;
}

err *erasure_step(struct db *db, str id, str images_bucket, str avatars_bucket,
                  enum erasure_step *step)
{
    struct rows rows;
    TRY(db_query(db, &Q_person_erase, &rows, V(id), V(images_bucket), V(avatars_bucket)));
    str word = rows_str(&rows, 0, "step");
    *step = str_eq(word, S("wait"))   ? ERASURE_WAITS
            : str_eq(word, S("more")) ? ERASURE_GOES_ON
                                      : ERASURE_GONE;
    return NULL;
}

err *erasure_find(struct db *db, struct arena *a, str id, struct erasure *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_erasure_find, &rows, V(id)));
    if (rows.count == 0)
        return fail(a, ERR_NOT_FOUND, "erasure " STR_FMT, STR_ARG(id));
    *out = (struct erasure){
        .id = id,
        .user_id = rows_i64(&rows, 0, "user_id"),
        .telegram_id = rows_i64(&rows, 0, "telegram_id"),
        .language = rows_str(&rows, 0, "language"),
        .age_ms = rows_i64(&rows, 0, "age_ms"),
        .left_jobs = rows_i64(&rows, 0, "left_jobs"),
        .has_returned = rows_bool(&rows, 0, "has_returned"),
        .has_ended = rows_bool(&rows, 0, "has_ended"),
    };
    return NULL;
}

err *erasure_told(struct db *db, str id)
{
    return db_query(db, &Q_erasure_told, NULL, V(id));
}

err *erasure_end(struct db *db, str id)
{
    return db_query(db, &Q_person_forget, NULL, V(id));
}
