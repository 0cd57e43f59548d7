/*
 * photo.h - the photos that a user sends for an avatar.
 *
 * A photo is pending until it was looked at, then valid (kept) or refused
 * (invalid, duplicate). Whoever adds, judges or removes one holds the row of
 * its avatar, which says how many are kept; photo_receive() does so by itself,
 * for the others avatar_lock() comes first and photos_recount() afterwards.
 */
#pragma once
#include "db/db.h"

struct photo {
    str id, avatar_id;
    int64_t user_id, chat_id;
    bool takes_photos;  /* its avatar does */
    int64_t message_id; /* of the user's message that it came in */
    bool is_pending, is_kept;
    str refused;            /* why not, a machine word; empty while it is pending or kept */
    str doubts;             /* of a kept one: machine words with commas between; may be empty */
    str bucket, object_key; /* of a kept one */
    int64_t file_size_bytes;
    int width, height; /* 0 while nobody has looked */
    bool is_file;      /* came as a file, not as a photo */
    str source_file_id;
    str file_id; /* Telegram's, to show it as a photo; empty of a file that was never shown */
    int64_t created_at_ms;
    str language_code; /* its owner's */
    int utc_offset_minutes;
};

/* -- coming in -- */

enum photo_verdict {
    PHOTO_RECEIVED,
    PHOTO_REFUSED, /* kept as refused, for the reason given */
    PHOTO_FULL,    /* as many as an avatar may have are kept or being looked at */
    PHOTO_DAILY,   /* as many as a day may have were looked at */
    PHOTO_GONE,    /* the avatar is not there, or takes no photos any more */
};

struct photo_arrival {
    str id, avatar_id;
    int64_t user_id, chat_id, message_id;
    bool is_file;
    str file_id;
    int64_t file_size_bytes; /* 0: Telegram did not say */
    str refused;             /* what is known to be wrong with it already; empty */
};

struct photo_limits {
    int64_t of_avatar, of_day;
};

/* Queues what follows too: the look at it or the words about it, and the progress. */
err *photo_receive(struct db *db, struct arena *a, const struct photo_arrival *arrival,
                   const struct photo_limits *limits, enum photo_verdict *verdict);

/* The same as a whole turn in one trip, where nothing was written in it before. earlier: empty, or
 * the outcome that an earlier run of this update has left; then there is no verdict. */
struct photo_turn {
    int64_t bot_id, update_id;
    str outcome; /* of a turn that receives or refuses it */
};
err *photo_receive_turn(struct db *db, struct arena *a, const struct photo_turn *turn,
                        const struct photo_arrival *arrival, const struct photo_limits *limits,
                        enum photo_verdict *verdict, str *earlier);

/* -- judging: the row of the avatar is held -- */

struct kept_photo {
    str id, bucket, object_key;
    str file_hash; /* SHA-256 of what came, hex */
    uint64_t perceptual_hash;
};

/* In the order they came. */
err *photos_kept(struct db *db, struct arena *a, str avatar_id, struct kept_photo **photos,
                 size_t *count);

struct photo_measures {
    str format;
    int width, height;
    int64_t file_size_bytes;
    double brightness, contrast, sharpness, quality_score;
};

/* Both leave alone what is judged already. */
err *photo_keep(struct db *db, const struct kept_photo *photo,
                const struct photo_measures *measures, str doubts);
err *photo_refuse(struct db *db, str id, str word, const struct photo_measures *measures);
err *photo_delete(struct db *db, int64_t user_id, str id);
/* Number and first photo of the avatar, and the status of a draft; kept may be NULL. */
err *photos_recount(struct db *db, str avatar_id, int64_t least, int *kept);
/* One progress message more, unless one is waiting to be sent. */
err *photos_progress_queue(struct db *db, int64_t user_id, str avatar_id, int64_t chat_id);
/* For what a turn leaves in the session alone: one that would look before the turn has ended is not
 * taken for this one. */
err *photos_progress_queue_after(struct db *db, int64_t user_id, str avatar_id, int64_t chat_id);

/* -- looking -- */

/* ERR_NOT_FOUND unless it is this user's; user_id 0: anybody's, for jobs. */
err *photo_find(struct db *db, struct arena *a, int64_t user_id, str id, struct photo *out);

struct photo_counts {
    int64_t kept, pending, refused;
    int64_t newest_message_id; /* of the photos that came; 0 when none did */
    str language_code;         /* of the owner */
};
/* ERR_NOT_FOUND when there is no such avatar. */
err *photos_count(struct db *db, struct arena *a, str avatar_id, struct photo_counts *out);

struct photo_place {
    str id;
    int64_t index, total; /* index 1 is the newest */
};
/* From a photo (empty: from the newest) `steps` towards older ones, as far as it goes.
 * ERR_NOT_FOUND when there is none that is kept or pending. */
err *photo_step(struct db *db, struct arena *a, int64_t user_id, str avatar_id, str from, int steps,
                struct photo_place *out);

err *photo_keep_file_id(struct db *db, str id, str file_id);
/* Telegram has lost it: what is shown next is uploaded anew. By Telegram's id of its owner. */
err *photo_forget_file(struct db *db, int64_t telegram_id, str file_id);
