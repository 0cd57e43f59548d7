#include "handlers/work.h"

void work_tell(struct work *w, int64_t chat_id, const struct outgoing *call)
{
    struct outgoing *grown = NEW_ARRAY(w->arena, struct outgoing, w->after_count + 1);
    if (w->after_count)
        memcpy(grown, w->after, w->after_count * sizeof *grown);
    grown[w->after_count++] = *call;
    w->after = grown;
    w->after_chat_id = chat_id;
}

err *work_call(struct work *w, const struct outbox_call *call, struct json_object **result)
{
    struct outbox_call of_job = *call;
    of_job.job_id = w->job->id;
    err *e = outbox_make(w->bot, w->db, w->arena, &of_job, result);
    if (!e || e->kind != ERR_NOT_FOUND)
        return e;
    if (result)
        *result = NULL;
    return NULL;
}
