/*
 * media.h - what strangers sent, decoded by somebody who has nothing to lose.
 *
 * A file of a stranger is not opened in a process that knows secrets. It goes
 * through a unix socket to aisha-photo or aisha-sound, which takes one request,
 * does it in a cage, and ends; a file that crashes or stops the decoder costs
 * that process alone. What it answers is looked at as closely as what anybody
 * else answers.
 *
 *     struct media_limits limits = {.short_side_pixels = 512, .most_pixels = MEDIA_MOST_PIXELS};
 *     struct media_photo photo;
 *     TRY(media_photo(a, &bot->photos, bytes, &limits, &photo));
 *     if (!str_empty(photo.refused)) ...
 *     TRY(s3_put(a, s3, bucket, key, S("image/jpeg"), photo.jpeg));
 *
 *     struct media_sound sound;
 *     TRY(media_sound(a, &bot->sounds, fd, &limits, NULL, NULL, &sound));
 *
 * Called inside a task of the loop. A call lasts at most its deadline, the
 * wait for a free process included. Nothing is repeated in here, and everything
 * may be: the same bytes give the same answer.
 *   ERR_INPUT        more bytes than MEDIA_MOST_BYTES
 *   ERR_UNREACHABLE  nobody listens at the socket
 *   ERR_BUSY         so many wait there that the deadline passed before the call was taken
 *   ERR_UPSTREAM     the process died, was silent, or answered what is no answer; "media: …"
 */
#pragma once
#include "core/err.h"

enum {
    MEDIA_MOST_BYTES = 20 << 20, /* what Telegram hands out */
    MEDIA_MOST_PIXELS = 40000000,
    MEDIA_DEADLINE_MS = 60000,
};

struct media {
    str socket;          /* of one of the two programs: its path */
    int64_t deadline_ms; /* of a call; 0: MEDIA_DEADLINE_MS */
};

struct media_limits {
    int64_t short_side_pixels; /* the least that the short side may have */
    int64_t most_pixels;       /* of the whole picture; MEDIA_MOST_PIXELS is the ceiling */
};

struct media_photo {
    /* Empty for a photo that is taken; all below but the format is then set. Else why it is not:
     *   format           not JPEG, PNG or WebP by its content, or one that moves
     *   unreadable       one of these, and broken or cut off
     *   too_small        the short side is below the limit
     *   too_many_pixels  more than the limit */
    str refused;
    str format; /* of what came: jpeg png webp; empty when it is none of them */
    /* Of what came, standing upright. Also set when it is too small or has too many pixels. */
    int width, height;
    /* Of what is kept. */
    double brightness;    /* mean of the means of red, green, blue: 0 … 255 */
    double contrast;      /* mean of their standard deviations: 0 … 128 */
    double sharpness;     /* variance of the Laplacian of the grey picture at a long side of 512 */
    double quality_score; /* 0 … 1; see media_quality_score() */
    uint64_t hash;        /* dHash: alike pictures differ in few bits */
    str jpeg;             /* upright, sRGB, no metadata, long side at most 2048 */
};

err *media_photo(struct arena *a, const struct media *m, str bytes,
                 const struct media_limits *limits, struct media_photo *out);

/* 0.5 min(1, short side / 512) + 0.3 min(1, contrast / 30) + 0.2 (1 - |brightness - 128| / 128) */
double media_quality_score(int width, int height, double brightness, double contrast);
/* Bits in which two hashes differ: 0 … 64. */
int media_hash_distance(uint64_t one, uint64_t other);

/* -- recordings -- */

/* A recording may be larger than what fits into memory, so it is handed over as a descriptor of a file
 * that can be sought in. */

enum {
    MEDIA_SOUND_HERTZ = 16000,
    MEDIA_SOUND_DEADLINE_MS = 20 * 60 * 1000, /* for hours of it, on a busy machine */
    MEDIA_PIECE_MOST_MS = 10 * 60 * 1000,
    MEDIA_PIECE_MOST_BYTES = 24 << 20, /* ten minutes need 19 MB before they are packed */
};

struct media_sound_limits {
    int64_t most_ms;       /* of the whole recording */
    int64_t piece_ms;      /* what a piece should have, more or less; for splitting */
    int64_t piece_most_ms; /* MEDIA_PIECE_MOST_MS is the ceiling */
    int64_t whole_ms;      /* how long it is, as measured before; for splitting */
};

struct media_sound {
    /* Empty for a recording that is taken. Else why it is not:
     *   format      no container or codec that we know, by its content
     *   no_sound    nothing in it but pictures
     *   unreadable  one of these, and nothing in it can be decoded
     *   cut_off     it ends before the end that it tells of
     *   too_long    longer than the limit
     *   silent      there is nothing to be heard */
    str refused;
    str format;          /* ogg, mp3, mov, matroska… and the codec: "ogg/opus" */
    int64_t duration_ms; /* of what was decoded, whatever the file says; also when it is silent */
};

struct media_piece {
    int number; /* from 0 on */
    int64_t start_ms, length_ms;
    int64_t sounding_ms;  /* of it, what is loud enough to be speech */
    bool is_silent;       /* there is nothing to be heard in it */
    bool begins_in_noise; /* no silence was found where it was cut off from the one before */
    str flac;
};

/* heard() is called on the way, with how far it is; NULL: never. It may wait. */
err *media_sound(struct arena *a, const struct media *m, int fd,
                 const struct media_sound_limits *limits, void (*heard)(void *owner, int64_t ms),
                 void *owner, struct media_sound *out);
/* take() is called for each piece as it comes, in the calling task; it may wait, and its error ends
 * the call. The piece and what take() makes in its arena are gone after it. */
err *media_sound_split(struct arena *a, const struct media *m, int fd,
                       const struct media_sound_limits *limits,
                       err *(*take)(void *owner, struct arena *piece_arena,
                                    const struct media_piece *piece),
                       void *owner, struct media_sound *out);
