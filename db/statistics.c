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

/* ---------------------------------------------------------------- lines of coins */

static void read_line(const struct rows *rows, int row, struct statement_line *out)
{
    *out = (struct statement_line){
        .id = rows_i64(rows, row, "id"),
        .created_at_ms = rows_i64(rows, row, "created_at_ms"),
        .kind = rows_str(rows, row, "kind"),
        .reason = rows_str(rows, row, "reason"),
        .settled = rows_str(rows, row, "settled"),
        .coins = rows_i64(rows, row, "amount"),
        .balance_after = rows_i64(rows, row, "balance_after"),
        .generation_type = rows_str(rows, row, "generation_type"),
        .images = rows_i64(rows, row, "num_images"),
        .training_type = rows_str(rows, row, "training_type"),
        .avatar_name = rows_str(rows, row, "avatar_name"),
        .stars = rows_i64(rows, row, "stars"),
        .promo_code = rows_str(rows, row, "code"),
        .transcript_name = rows_str(rows, row, "transcript_name"),
        .failure = rows_str(rows, row, "failure"),
    };
}

err *statement_page(struct db *db, struct arena *a, int64_t user_id, int limit, int64_t before,
                    struct statement_line **lines, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_statement_page, &rows, V(user_id), V(limit), V(before)));
    *count = (size_t)rows.count;
    *lines = NEW_ARRAY(a, struct statement_line, *count + 1);
    for (int i = 0; i < rows.count; i++)
        read_line(&rows, i, &(*lines)[i]);
    return NULL;
}

err *statement_newer(struct db *db, int64_t user_id, int limit, int64_t after, int64_t *before)
{
    struct rows rows;
    TRY(db_query(db, &Q_statement_newer, &rows, V(user_id), V(limit), V(after)));
    *before = rows_i64(&rows, 0, "before");
    return NULL;
}

/* ---------------------------------------------------------------- statistics */

err *statistics_read(struct db *db, int64_t user_id, int utc_offset_minutes, str language,
                     struct statistics *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_statistics_read, &rows, V(user_id), V(utc_offset_minutes), V(language)));
    *out = (struct statistics){
        .images = rows_i64(&rows, 0, "images"),
        .favorites = rows_i64(&rows, 0, "favorites"),
        .by_words = rows_i64(&rows, 0, "by_words"),
        .with_avatar = rows_i64(&rows, 0, "with_avatar"),
        .this_week = rows_i64(&rows, 0, "this_week"),
        .this_month = rows_i64(&rows, 0, "this_month"),
        .spent = rows_i64(&rows, 0, "spent"),
        .spent_this_month = rows_i64(&rows, 0, "spent_this_month"),
        .median_seconds = rows_double(&rows, 0, "median_seconds"),
        .usual_ratio = rows_str(&rows, 0, "usual_ratio"),
        .usual_style = rows_str(&rows, 0, "usual_style"),
    };
    return NULL;
}

err *statistics_avatars(struct db *db, struct arena *a, int64_t user_id, int limit,
                        struct avatar_images **avatars, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_statistics_avatars, &rows, V(user_id), V(limit)));
    *count = (size_t)rows.count;
    *avatars = NEW_ARRAY(a, struct avatar_images, *count + 1);
    for (int i = 0; i < rows.count; i++)
        (*avatars)[i] = (struct avatar_images){
            .name = rows_str(&rows, i, "name"),
            .images = rows_i64(&rows, i, "images"),
        };
    return NULL;
}

err *statistics_days(struct db *db, int64_t user_id, int utc_offset_minutes,
                     struct statistics_day *days, int count)
{
    struct rows rows;
    TRY(db_query(db, &Q_statistics_days, &rows, V(user_id), V(utc_offset_minutes), V(count)));
    for (int i = 0; i < count; i++) {
        assert(i < rows.count);
        days[i] = (struct statistics_day){
            .month = (int)rows_i64(&rows, i, "month"),
            .day = (int)rows_i64(&rows, i, "day"),
            .images = rows_i64(&rows, i, "images"),
            .coins = rows_i64(&rows, i, "coins"),
        };
    }
    return NULL;
}
