#include "db/job.h"
#include "status/visit.h"

/* From the page of a user the way leads back there. */
static str back(struct visit *v)
{
    int64_t user_id = visit_number(request_form(v->request, "user"));
    return user_id ? str_printf(v->arena, "/status/user?id=%" PRId64, user_id) : S("/status");
}

static err *change(struct visit *v, struct db *db, const char *action, const char *said,
                   err *(*run)(struct db *db, int64_t job_id, bool *done), struct outcome *out)
{
    int64_t job_id = visit_number(request_form(v->request, "id"));
    bool done = false;
    // cppcheck-suppress returnDanglingLifetime; an error keeps no address of what was asked for
    TRY(run(db, job_id, &done));
    *out = (struct outcome){.where = back(v), .said = done ? said : "no_job"};
    if (!done)
        return NULL;
    return visit_note(v, db, action, str_printf(v->arena, "job:%" PRId64, job_id), S(""));
}

err *action_job_retry(struct visit *v, struct db *db, struct outcome *out)
{
    return change(v, db, "job.retry", "retried", job_retry, out);
}

err *action_job_give_up(struct visit *v, struct db *db, struct outcome *out)
{
    return change(v, db, "job.giveup", "given_up", job_give_up, out);
}
