#include "db/job.h"

#include "core/json.h"
#include "db/queries.h"

static struct val or_null(str s)
{
    return str_empty(s) ? V(NOTHING) : V(s);
}

/* Runs a statement whose rows are the things it changed, and says how many. */
static err *count_changed(struct db *db, const struct query *query, const struct val *values,
                          size_t value_count, int *changed)
{
    struct rows rows;
    TRY(db_run(db, query, &rows, values, value_count));
    if (changed)
        *changed = rows.count;
    return NULL;
}

err *job_add(struct db *db, const struct new_job *job, bool *added)
{
    struct rows rows;
    TRY(db_query(db, &Q_job_add, &rows, V(job->lane), V(job->kind), or_null(job->key),
                 V(job->user_id), or_null(job->subject), or_null(job->payload), V(job->delay_ms)));
    if (added)
        *added = rows.count == 1;
    return NULL;
}

err *job_add_object_delete(struct db *db, struct arena *a, str bucket, str object_key)
{
    const struct new_job job = {
        .lane = S("media"),
        .kind = S("object_delete"),
        .payload = json_make(a, KV("bucket", bucket), KV("object_key", object_key)),
    };
    return job_add(db, &job, NULL);
}

err *job_cancel_by_subject(struct db *db, int64_t user_id, str subject, int *cancelled)
{
    return count_changed(db, &Q_job_cancel_by_subject, VALS(V(user_id), V(subject)), 2, cancelled);
}

static struct job read_job(const struct rows *rows, int i)
{
    return (struct job){
        .id = rows_i64(rows, i, "id"),
        .lane = rows_str(rows, i, "lane"),
        .kind = rows_str(rows, i, "kind"),
        .key = rows_str(rows, i, "key"),
        .subject = rows_str(rows, i, "subject"),
        .user_id = rows_i64(rows, i, "user_id"),
        .turn_id = rows_i64(rows, i, "turn_id"),
        .payload = rows_str(rows, i, "payload"),
        .attempt = (int)rows_i64(rows, i, "attempt"),
        .failures = (int)rows_i64(rows, i, "failures"),
        .last_error = rows_str(rows, i, "last_error"),
        .age_ms = rows_i64(rows, i, "age_ms"),
    };
}

err *job_take(struct db *db, struct arena *a, str lane, str worker, int limit, struct job **jobs,
              size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_job_take, &rows, V(lane), V(worker), V(limit)));

    *jobs = NEW_ARRAY(a, struct job, rows.count);
    *count = (size_t)rows.count;
    for (int i = 0; i < rows.count; i++)
        (*jobs)[i] = read_job(&rows, i);
    return NULL;
}

err *job_take_one(struct db *db, int64_t job_id, str worker, struct job *job, bool *taken)
{
    struct rows rows;
    TRY(db_query(db, &Q_job_take_one, &rows, V(job_id), V(worker)));
    *taken = rows.count == 1;
    if (*taken)
        *job = read_job(&rows, 0);
    return NULL;
}

err *job_gate(struct db *db, int64_t job_id, int64_t *wait_ms)
{
    struct rows rows;
    TRY(db_query(db, &Q_job_gate, &rows, V(job_id)));
    *wait_ms = rows.count ? rows_i64(&rows, 0, "wait_ms") : -1;
    return NULL;
}

err *job_send_due(struct db *db, struct arena *a, int64_t after_id, int limit,
                  struct due_send **due, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_job_send_due, &rows, V(after_id), V(limit)));
    *due = NEW_ARRAY(a, struct due_send, rows.count);
    *count = (size_t)rows.count;
    for (int i = 0; i < rows.count; i++)
        (*due)[i] = (struct due_send){rows_i64(&rows, i, "id"), rows_i64(&rows, i, "chat_id")};
    return NULL;
}

err *job_next_due(struct db *db, str lane, int64_t *wait_ms)
{
    struct rows rows;
    TRY(db_query(db, &Q_job_next_due, &rows, V(lane)));
    *wait_ms = rows_is_null(&rows, 0, "wait_ms") ? -1 : rows_i64(&rows, 0, "wait_ms");
    return NULL;
}

err *job_keep(struct db *db, const struct job *job, bool *kept)
{
    int changed;
    TRY(count_changed(db, &Q_job_keep, VALS(V(job->id), V(job->attempt)), 2, &changed));
    *kept = changed == 1;
    return NULL;
}

err *job_finish(struct db *db, const struct job *job)
{
    return db_query(db, &Q_job_finish, NULL, V(job->id), V(job->attempt));
}

err *job_wait(struct db *db, const struct job *job, int64_t delay_ms, str why)
{
    return db_query(db, &Q_job_wait, NULL, V(job->id), V(job->attempt), V(delay_ms), or_null(why));
}

err *job_fail(struct db *db, const struct job *job, int64_t delay_ms, str why, int *failures)
{
    struct rows rows;
    TRY(db_query(db, &Q_job_fail, &rows, V(job->id), V(job->attempt), V(delay_ms), or_null(why)));
    if (failures)
        *failures = (int)rows_i64(&rows, 0, "failures");
    return NULL;
}

err *job_die(struct db *db, const struct job *job, str why)
{
    return db_query(db, &Q_job_die, NULL, V(job->id), V(job->attempt), or_null(why));
}

err *job_give_key_up(struct db *db, const struct job *job)
{
    return db_query(db, &Q_job_give_key_up, NULL, V(job->id));
}

bool job_is_lost(const err *e)
{
    return db_refused_by(e, "AI002");
}

err *job_retry(struct db *db, int64_t job_id, bool *done)
{
    struct rows rows;
    TRY(db_query(db, &Q_job_retry, &rows, V(job_id)));
    *done = rows.count == 1;
    return NULL;
}

err *job_give_up(struct db *db, int64_t job_id, bool *done)
{
    struct rows rows;
    TRY(db_query(db, &Q_job_give_up, &rows, V(job_id), V((int)JOB_GIVEN_UP)));
    *done = rows.count == 1;
    return NULL;
}

err *job_sweep(struct db *db, int *swept)
{
    return count_changed(db, &Q_job_sweep, NULL, 0, swept);
}

err *job_lanes(struct db *db, struct arena *a, struct job_lane **lanes, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_job_lanes, &rows));

    *lanes = NEW_ARRAY(a, struct job_lane, rows.count);
    *count = (size_t)rows.count;
    for (int i = 0; i < rows.count; i++) {
        (*lanes)[i] = (struct job_lane){
            .lane = rows_str(&rows, i, "lane"),
            .queued = rows_i64(&rows, i, "queued"),
            .due = rows_i64(&rows, i, "due"),
            .running = rows_i64(&rows, i, "running"),
            .dead = rows_i64(&rows, i, "dead"),
            .oldest_ms = rows_i64(&rows, i, "oldest_ms"),
        };
    }
    return NULL;
}
