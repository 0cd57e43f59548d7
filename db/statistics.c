#include "db/statistics.h"

#include "db/queries.h"

err *profile_figures(struct db *db, int64_t user_id, struct profile_figures *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_profile_figures, &rows, V(user_id)));
    *out = (struct profile_figures){
        .created_at_ms = rows_i64(&rows, 0, "created_at_ms"),
        .balance = rows_i64(&rows, 0, "balance"),
        .held = rows_i64(&rows, 0, "held"),
        .avatars = rows_i64(&rows, 0, "avatars"),
        .ready_avatars = rows_i64(&rows, 0, "ready_avatars"),
        .images = rows_i64(&rows, 0, "images"),
    };
    return NULL;
}
