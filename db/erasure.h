/*
 * erasure.h - forgetting a person.
 *
 * It begins with a turn: from then on the Telegram id belongs to nobody, and
 * whoever writes from there is somebody new. The rest is work in steps, each
 * of which may be repeated:
 *
 *     erasure_begin()   the turn that asked for it; queues the first step
 *     erasure_step()    takes rows away, until it says ERASURE_GONE; queues what
 *                       is to be deleted in the object store and at FAL
 *     erasure_told()    the person knows
 *     erasure_end()     what kept old updates from being run again goes as well
 *
 * What lies in Redis is taken away by session_erase().
 */
#pragma once
#include "db/db.h"

struct erasure {
    str id;
    int64_t user_id;
    int64_t telegram_id; /* 0 when it has ended */
    str language;
    int64_t age_ms;
    int64_t left_jobs; /* that delete objects, or speak with FAL about this */
    bool has_returned; /* somebody new writes from there */
    bool has_ended;
};

/* In the turn of erasure_begin(), before it: what this person had been given once is kept for so many
 * days under the mark, see person_mark(), and under nothing else. */
err *erasure_remember(struct db *db, int64_t user_id, str mark, int64_t days);
/* has_left: false when the person is gone already. */
err *erasure_begin(struct db *db, int64_t user_id, str id, str language, bool *has_left);

enum erasure_step { ERASURE_WAITS, ERASURE_GOES_ON, ERASURE_GONE };
/* The buckets are those in which a step that was cut short may have left an object. */
err *erasure_step(struct db *db, str id, str images_bucket, str avatars_bucket,
                  enum erasure_step *step);
/* ERR_NOT_FOUND when there is none. */
err *erasure_find(struct db *db, struct arena *a, str id, struct erasure *out);
err *erasure_told(struct db *db, str id);
err *erasure_end(struct db *db, str id);
