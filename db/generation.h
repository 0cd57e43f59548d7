/*
 * generation.h - orders for images and the images that came of them.
 *
 * An order is open (pending: not known to FAL; processing: FAL has it, or its
 * result is being stored) until it is completed, failed or cancelled; whoever
 * ends it does so once. The coins of an order are held under generation_hold().
 */
#pragma once
#include "db/db.h"

struct generation {
    str id;
    int64_t user_id, chat_id;
    str generation_type; /* "imagen4", "avatar" */
    str model;           /* what FAL is asked for */
    str words;           /* as the user typed them */
    str quality;
    str aspect_ratio;
    int num_images;
    int64_t price_coins; /* of all its images */
    str language;
    str status;
    bool is_open;
    int attempt;                              /* submissions so far */
    str status_url, response_url, cancel_url; /* empty until FAL has answered */
    int64_t submitting_ms; /* since the last submission was begun; -1: none is in doubt */
    int64_t silent_ms;     /* since FAL's last sign of life, or since the order */
    int64_t age_ms;
    bool has_result; /* FAL's answer is in, good or bad */
    str result;      /* FAL's answer, JSON */
    str failure;
    double seconds; /* from order to last stored image */
};

struct image {
    str id, generation_id;
    int64_t user_id;
    int position;
    str bucket, object_key, content_type;
    str file_id; /* Telegram's; empty until it was sent once */
    bool is_favorite;
    int64_t created_at_us; /* with the id its place in the gallery */
    str words, aspect_ratio, generation_type, model, quality;
    double seconds;
};

/* The key of its hold in the ledger, and the name of the message that shows its progress. */
str generation_hold(struct arena *a, str generation_id);
str generation_slot(struct arena *a, str generation_id);

/* added: false when there was an order of that id already. */
err *generation_add(struct db *db, const struct generation *g, bool *added);
/* ERR_NOT_FOUND unless it is this user's. */
err *generation_find(struct db *db, struct arena *a, int64_t user_id, str id,
                     struct generation *out);
/* The name for an order that a button repeats, the same until that order is over. is_open: there is
 * one of that name, at work. */
err *generation_repeat_id(struct db *db, int64_t user_id, str button, str *id, bool *is_open);
/* For jobs and callbacks: opens the transaction and holds the row until its end. */
err *generation_lock(struct db *db, struct arena *a, str id, struct generation *out);

err *generation_submitting(struct db *db, str id, int *attempt);
err *generation_not_submitted(struct db *db, str id); /* it is certain that FAL has not got it */
err *generation_submitted(struct db *db, str id, str request_id, str status_url, str response_url,
                          str cancel_url);
err *generation_seen(struct db *db, str id); /* FAL gave a sign of life */
err *generation_keep_result(struct db *db, str id, str result_json);
err *generation_complete(struct db *db, str id);
/* A result came after the coins had gone back: the order is open again, at no price. */
err *generation_reopen(struct db *db, str id);
/* status: "failed" or "cancelled". */
err *generation_end(struct db *db, str id, const char *status, str failure, str message);

/* Seconds that half of the last orders of this model took less than; 0 when there were too few. */
err *generation_median_seconds(struct db *db, str model, double *seconds);

err *image_add(struct db *db, const struct image *image, int64_t size_bytes, int64_t width,
               int64_t height);
err *images_of(struct db *db, struct arena *a, str generation_id, struct image **images,
               size_t *count);
err *image_find(struct db *db, struct arena *a, int64_t user_id, str id, struct image *out);
err *image_keep_file_id(struct db *db, str id, str file_id);
/* Telegram has lost it: what is shown next is uploaded anew. By Telegram's id of its owner. */
err *image_forget_file(struct db *db, int64_t telegram_id, str file_id);
err *image_set_favorite(struct db *db, int64_t user_id, str id, bool is_favorite);
err *image_delete(struct db *db, int64_t user_id, str id);

/* -- the gallery: newest first, by key -- */

err *gallery_count(struct db *db, int64_t user_id, int64_t *count);
/* The ends of it. ERR_NOT_FOUND when it is empty. */
err *gallery_newest(struct db *db, struct arena *a, int64_t user_id, struct image *out);
err *gallery_oldest(struct db *db, struct arena *a, int64_t user_id, struct image *out);
/* From a place, `steps` images towards older (positive) or newer (negative) ones, or as far as
 * it goes. moved: how far, with its sign; 0 and out untouched when there is nothing that way. */
err *gallery_step(struct db *db, int64_t user_id, int64_t created_at_us, str image_id, int steps,
                  struct image *out, int *moved);
