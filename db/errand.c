#include "db/errand.h"

void errand_read(const struct rows *rows, struct errand *out)
{
    *out = (struct errand){
        .id = rows_str(rows, 0, "id"),
        .user_id = rows_i64(rows, 0, "user_id"),
        .chat_id = rows_i64(rows, 0, "chat_id"),
        .language = rows_str(rows, 0, "language"),
        .is_silent = rows_bool(rows, 0, "is_silent"),
        .model = rows_str(rows, 0, "source_model"),
        .price_coins = rows_i64(rows, 0, "price"),
        .status = rows_str(rows, 0, "status"),
        .is_open = rows_bool(rows, 0, "is_open"),
        .attempt = (int)rows_i64(rows, 0, "attempt"),
        .status_url = rows_str(rows, 0, "fal_status_url"),
        .response_url = rows_str(rows, 0, "fal_response_url"),
        .cancel_url = rows_str(rows, 0, "fal_cancel_url"),
        .submitting_ms = rows_i64(rows, 0, "submitting_ms"),
        .silent_ms = rows_i64(rows, 0, "silent_ms"),
        .age_ms = rows_i64(rows, 0, "age_ms"),
        .has_result = rows_bool(rows, 0, "has_result"),
        .result = rows_str(rows, 0, "fal_response_data"),
        .failure = rows_str(rows, 0, "failure"),
    };
}

err *errand_submitting(struct db *db, const struct errand_statements *s, str id, int *attempt)
{
    struct rows rows;
    TRY(db_query(db, s->submitting, &rows, V(id)));
    *attempt = (int)rows_i64(&rows, 0, "attempt");
    return NULL;
}

err *errand_not_submitted(struct db *db, const struct errand_statements *s, str id)
{
    return db_query(db, s->not_submitted, NULL, V(id));
}

err *errand_submitted(struct db *db, const struct errand_statements *s, str id, str request_id,
                      str status_url, str response_url, str cancel_url)
{
    return db_query(db, s->submitted, NULL, V(id), V(request_id), V(status_url), V(response_url),
                    V(cancel_url));
}

err *errand_seen(struct db *db, const struct errand_statements *s, str id)
{
    return db_query(db, s->seen, NULL, V(id));
}

err *errand_keep_result(struct db *db, const struct errand_statements *s, str id, str result_json)
{
    return db_query(db, s->keep_result, NULL, V(id), V(JSON(result_json)));
}

err *errand_reopen(struct db *db, const struct errand_statements *s, str id, bool *reopened)
{
    struct rows rows;
    TRY(db_query(db, s->reopen, &rows, V(id)));
    *reopened = rows.count > 0;
    return NULL;
}

err *errand_end(struct db *db, const struct errand_statements *s, str id, const char *status,
                str failure, str message)
{
    return db_query(db, s->end, NULL, V(id), V(status), V(failure), V(message));
}
