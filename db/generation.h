/*
 * generation.h - orders for images and the images that came of them.
 *
 * The coins of an order are held under the name of its errand.
 */
#pragma once
#include "db/errand.h"

/* What a model with an avatar is given beside the words. All 0 for others. */
struct generation_making {
    int steps;
    double guidance, lora_scale;
    int width, height;
};

struct generation {
    struct errand errand;
    str generation_type; /* "imagen4", "avatar" */
    str words;           /* as the user typed them */
    str quality;
    str aspect_ratio;
    int num_images;
    double seconds; /* from order to last stored image */

    str template_id; /* the style that it was ordered with; empty: the user's own words */
    str avatar_id, avatar_name; /* empty for those without, and when it was deleted */
    str final_prompt;           /* what FAL is asked; empty, of a new one: the words */
    int64_t seed;               /* ours; with an avatar only */
    struct generation_making making;
    str avatar_trigger; /* what stands for the avatar in it; may be empty */
    str sample_id;      /* of a new one: the photo that its words were made of; may be empty */
    bool is_by_sample;  /* of a new one: its words are to be made of a photo first */
    bool is_phrased;    /* of a new one: what FAL is asked is English already */
    bool is_as_typed;   /* nobody was there who would have put the words into English */
    bool enhances;      /* its owner wants that done to his words */
    bool is_preview;    /* the present of a new avatar */
    bool shows_details; /* its owner wants to know how it was made */
    str request_id;     /* FAL's; without addresses it is of a request that was set aside */
    int lora_uploads;   /* for this order, because FAL had lost the file */
    str lora_url;       /* where FAL reads it; known while it is submitted */
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
    int width, height; /* 0 when FAL did not say */
    str seed;          /* that FAL names, or ours; may be empty */
    int steps;         /* 0 where the model is not told */
    str avatar_name;   /* empty when it was made without one, and when that was deleted */
};

extern const struct errand_statements generation_statements;

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

/* FAL's request has failed, and is to be made again when the LoRA was uploaded anew. */
err *generation_set_aside(struct db *db, str id, str request_id);
/* What FAL will be asked; of one that waits, and was never given to FAL. */
err *generation_set_prompt(struct db *db, str id, str final_prompt);
/* Of one that waited for its words. */
err *generation_set_words(struct db *db, str id, str words, str final_prompt);
/* It goes as it was typed, and the result says so. */
err *generation_set_as_typed(struct db *db, str id);
/* Counts for its avatar and its style as well. */
err *generation_complete(struct db *db, str id);

/* Seconds that half of the last orders of this model took less than; 0 when there were too few. */
err *generation_median_seconds(struct db *db, str model, double *seconds);

/* One row of image_cards. */
void image_read(const struct rows *rows, int row, struct image *out);
err *image_add(struct db *db, const struct image *image, int64_t size_bytes, int64_t width,
               int64_t height);
err *images_of(struct db *db, struct arena *a, str generation_id, struct image **images,
               size_t *count);
err *image_find(struct db *db, struct arena *a, int64_t user_id, str id, struct image *out);
err *image_keep_file_id(struct db *db, str id, str file_id);
/* Telegram has lost it: what is shown next is uploaded anew. By Telegram's id of its owner. id: of the
 * image, empty when it is none of his. */
err *image_forget_file(struct db *db, int64_t telegram_id, str file_id, int64_t *user_id, str *id);
err *image_set_favorite(struct db *db, int64_t user_id, str id, bool is_favorite);
/* Not while its order is under way. */
err *image_delete(struct db *db, int64_t user_id, str id, bool *deleted);
