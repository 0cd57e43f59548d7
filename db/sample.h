/*
 * sample.h - photos that users sent to have something like them drawn.
 *
 * A sample is pending until somebody has looked at it, then described, failed
 * or cancelled. The photo itself is nowhere: its row has Telegram's name for it
 * as long as it is pending.
 */
#pragma once
#include "db/db.h"

struct sample {
    str id;
    int64_t user_id, chat_id;
    str avatar_id; /* who is to be drawn; may be empty */
    bool is_order; /* an order of the same id waits for it */
    str file_id;   /* while it is pending */
    str caption;   /* what the user wants to be different; may be empty */
    str status;    /* pending, described, failed, cancelled */
    str failure; /* of a failed one, a machine word: one of a struct photo_refusal, away, refused */
    int64_t file_size_bytes;
    int width, height; /* 0 when nobody could measure it */
    str words;         /* of a described one, in the language of its owner */
    str prompt;        /* the same in English */
    str aspect_ratio;
    int64_t cost_microdollars;
    str language;     /* of its owner, by now */
    bool has_avatars; /* he has some to draw with */
    int64_t age_ms;
};

err *sample_add(struct db *db, const struct sample *s);
/* ERR_NOT_FOUND unless it is this user's; user_id 0: anybody's, for jobs. */
err *sample_find(struct db *db, struct arena *a, int64_t user_id, str id, struct sample *out);
/* Opens the transaction and holds the row until its end. */
err *sample_lock(struct db *db, struct arena *a, int64_t user_id, str id, struct sample *out);

/* What ends it leaves alone one that has ended. The file's size and measures are those of *s. */
err *sample_describe(struct db *db, const struct sample *s);
err *sample_fail(struct db *db, const struct sample *s, str failure);
/* cancelled: false when it had ended before, or there is none; may be NULL. */
err *sample_cancel(struct db *db, str id, bool *cancelled);
