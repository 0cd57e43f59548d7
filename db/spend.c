#include "db/spend.h"

#include "db/queries.h"

err *spend_admit(struct db *db, int64_t limit, int64_t more, int64_t *total, bool *fits)
{
    struct rows rows;
    TRY(db_query(db, &Q_spend_admit, &rows, V(limit), V(more)));
    *total = rows_i64(&rows, 0, "total");
    *fits = rows_bool(&rows, 0, "fits");
    return NULL;
}

err *spend_add(struct db *db, str kind, int64_t microdollars)
{
    return db_query(db, &Q_spend_add, NULL, V(kind), V(microdollars));
}

err *spend_note(struct db *db, struct arena *a, const struct conf_ids *admins, int percent,
                int64_t total, int64_t limit)
{
    struct buf ids = buf_new(a);
    buf_add_char(&ids, '{');
    for (size_t i = 0; i < admins->count; i++) {
        buf_add(&ids, i ? S(",") : S(""));
        buf_add_i64(&ids, admins->items[i]);
    }
    buf_add_char(&ids, '}');
    return db_query(db, &Q_spend_note, NULL, V(percent), V(total), V(limit), V(buf_str(&ids)));
}

err *free_use(struct db *db, int64_t user_id, const char *thing, int64_t most, bool *counted)
{
    struct rows rows;
    TRY(db_query(db, &Q_free_use, &rows, V(user_id), V(thing), V(most)));
    *counted = rows_bool(&rows, 0, "is_counted");
    return NULL;
}
