/*
 * look.h - a photo that a user sent, fetched from Telegram and decoded in the
 * cage, and the words for one that is not taken. Whoever asks decides what
 * becomes of it: in here nothing is kept.
 */
#pragma once
#include "handlers/work.h"

struct photo_look {
    str refused;        /* why it is not taken, a machine word; empty: all below is set */
    int64_t size_bytes; /* of the file, also where it is too large; 0 when nobody told */
    str file_hash;      /* SHA-256 of what came, hex */
    struct media_photo media;
};

/* Two outside calls and the decoder; the errors are theirs, and all of it may be done again. */
err *photo_look(struct work *w, str file_id, int64_t short_side_pixels, struct photo_look *out);

/* What the words about a refusal need to know. */
struct photo_refusal {
    str word; /* too_large, too_small, too_many_pixels, format, unreadable, duplicate, alike, late,
               * not_fetched */
    int64_t size_bytes; /* 0: unknown */
    int width, height;
    int64_t short_side_pixels; /* that was asked for */
};
str photo_refusal_html(struct arena *a, enum language language, const struct conf *conf,
                       const struct photo_refusal *refusal);
