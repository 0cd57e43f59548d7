#include "db/export.h"

#include "db/queries.h"

err *export_again(struct db *db, int64_t user_id, int64_t *again_at_ms)
{
    struct rows rows;
    TRY(db_query(db, &Q_export_again, &rows, V(user_id)));
    *again_at_ms = rows_i64(&rows, 0, "again_at_ms");
    return NULL;
}

err *export_begin(struct db *db, int64_t user_id, str id, int64_t chat_id, str language,
                  int64_t *again_at_ms)
{
    struct rows rows;
    TRY(db_query(db, &Q_export_begin, &rows, V(user_id), V(id), V(chat_id), V(language)));
    *again_at_ms = rows_bool(&rows, 0, "begun") ? 0 : rows_i64(&rows, 0, "again_at_ms");
    return NULL;
}

static err *read_export(const struct rows *rows, struct arena *a, str id, struct export *out)
{
    if (rows->count == 0)
        return fail(a, ERR_NOT_FOUND, "export " STR_FMT, STR_ARG(id));
    *out = (struct export){
        .id = id,
        .user_id = rows_i64(rows, 0, "user_id"),
        .chat_id = rows_i64(rows, 0, "chat_id"),
        .language = rows_str(rows, 0, "language"),
        .is_open = str_eq(rows_str(rows, 0, "state"), S("packing")),
        .files = (int)rows_i64(rows, 0, "files"),
        .packed = (int)rows_i64(rows, 0, "packed"),
        .packed_bytes = rows_i64(rows, 0, "packed_bytes"),
        .parts = (int)rows_i64(rows, 0, "parts"),
    };
    return NULL;
}

err *export_find(struct db *db, struct arena *a, str id, struct export *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_export_find, &rows, V(id)));
    return read_export(&rows, a, id, out);
}

err *export_lock(struct db *db, struct arena *a, str id, struct export *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_export_lock, &rows, V(id)));
    return read_export(&rows, a, id, out);
}

err *export_files(struct db *db, struct arena *a, str id, int after, int limit,
                  struct export_file **files, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_export_files, &rows, V(id), V(after), V(limit)));
    *files = NEW_ARRAY(a, struct export_file, rows.count + 1);
    *count = (size_t)rows.count;
    for (int i = 0; i < rows.count; i++)
        (*files)[i] = (struct export_file){
            .name = rows_str(&rows, i, "name"),
            .bucket = rows_str(&rows, i, "bucket"),
            .source = rows_str(&rows, i, "source"),
        };
    return NULL;
}

err *export_table(struct db *db, int64_t user_id, str table, str *json)
{
    struct rows rows;
    TRY(db_query(db, &Q_export_table, &rows, V(user_id), V(table)));
    *json = rows_str(&rows, 0, "body");
    return NULL;
}

err *export_packed(struct db *db, str id, const struct export_part *part, int packed,
                   int64_t packed_bytes)
{
    return db_query(db, &Q_export_packed, NULL, V(id), V(part->number), V(part->bucket),
                    V(part->object_key), V(part->is_last), V(packed), V(packed_bytes));
}

err *export_part_find(struct db *db, struct arena *a, str id, int number, struct export_part *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_export_part, &rows, V(id), V(number)));
    if (rows.count == 0)
        return fail(a, ERR_NOT_FOUND, "part %d of export " STR_FMT, number, STR_ARG(id));
    *out = (struct export_part){
        .number = number,
        .bucket = rows_str(&rows, 0, "bucket"),
        .object_key = rows_str(&rows, 0, "object_key"),
        .is_last = rows_bool(&rows, 0, "is_last"),
    };
    return NULL;
}

err *export_sent(struct db *db, str id, int number)
{
    return db_query(db, &Q_export_sent, NULL, V(id), V(number));
}

err *export_end(struct db *db, str id, const char *state, bool *ended)
{
    struct rows rows;
    TRY(db_query(db, &Q_export_end, &rows, V(id), V(state)));
    *ended = rows.count == 1;
    return db_query(db, &Q_export_drop_parts, NULL, V(id));
}
