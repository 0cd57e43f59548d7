/*
 * transcript.h - recordings and texts that users sent to be written down.
 *
 * A transcript is pending while its file is fetched and measured, quoted while
 * the user has a price before him, processing while it is recognised, and then
 * completed, failed or cancelled, once. A recording under way has pieces, each
 * with an object of its own until it is recognised; the rows go when they have
 * been put together. What is made of a finished one afterwards are its notes.
 *
 * transcript_lock() holds the row until the transaction ends, and every step
 * of the work takes it first.
 */
#pragma once
#include "db/db.h"

struct transcript {
    str id;
    int64_t number; /* its place in the history */
    int64_t user_id, chat_id, message_id;
    str language;        /* in which we speak about it */
    str speech_language; /* what the user says it is spoken in: "auto", "ru", "en" */
    str source;          /* voice audio video_note video file text */
    str name;
    str file_id; /* at Telegram; empty once it is over */
    int64_t file_size_bytes;
    str status, failure;
    bool is_stopping;
    str format;
    int64_t duration_ms;
    int64_t price_coins, charged_coins;
    bool is_free;
    str model;
    int64_t cost_microdollars;
    int pieces;
    int64_t recognised_ms;
    str spoken_language; /* as the recogniser names it; empty when it does not */
    int words;
    str text, cues; /* of transcript_find() alone; cues: JSON, empty for a text that was sent */
    int64_t running_ms;
    int64_t created_at_ms;
    int utc_offset_minutes; /* of the user */
};

static inline bool transcript_is_open(const struct transcript *t)
{
    return str_eq(t->status, S("pending")) || str_eq(t->status, S("quoted")) ||
           str_eq(t->status, S("processing"));
}

/* added: false when the user has `most` under way. */
err *transcript_add(struct db *db, const struct transcript *t, int64_t most, bool *added);
/* user_id 0: anybody's, for jobs. */
err *transcript_find(struct db *db, struct arena *a, int64_t user_id, str id,
                     struct transcript *out);
err *transcript_lock(struct db *db, struct arena *a, int64_t user_id, str id,
                     struct transcript *out);

/* What the file turned out to be, and what comes next: "quoted" or "processing". */
err *transcript_measured(struct db *db, const struct transcript *t, const char *status);
err *transcript_start(struct db *db, str id, int64_t price_coins, int64_t chat_id);
err *transcript_stop(struct db *db, str id);
/* status: "failed" or "cancelled". */
err *transcript_end(struct db *db, str id, const char *status, const char *failure);
/* t->text, cues, words, spoken_language, charged_coins. */
err *transcript_complete(struct db *db, const struct transcript *t);

err *transcript_rename(struct db *db, int64_t user_id, str id, str name);
err *transcript_delete(struct db *db, int64_t user_id, str id);

/* Work for each time of speech that half of the last ones took less than; 0 when there were none. */
err *transcript_pace(struct db *db, str model, double *pace);

/* -- pieces -- */

struct transcript_piece {
    int number;
    int64_t start_ms, length_ms;
    int64_t sounding_ms; /* of it, what is loud enough to be speech */
    bool is_silent, begins_in_noise;
    str bucket, object_key; /* empty once it is recognised */
    str status;             /* waiting, done, failed */
    str language;
    str cues; /* JSON; empty when nothing was understood */
};

err *transcript_pieces_drop(struct db *db, str id);
err *transcript_piece_add(struct db *db, str id, const struct transcript_piece *piece);
/* Its pieces are about to be put there. */
err *transcript_splitting(struct db *db, str id, str bucket);
/* All are there. */
err *transcript_split(struct db *db, str id, int64_t duration_ms);
err *transcript_piece_find(struct db *db, struct arena *a, str id, int number,
                           struct transcript_piece *out);
err *transcript_pieces(struct db *db, struct arena *a, str id, struct transcript_piece **pieces,
                       size_t *count);
/* It is about to be recognised, which costs. */
err *transcript_piece_asked(struct db *db, str id, int64_t cost_microdollars);
/* The other side has certainly not worked for it. */
err *transcript_piece_not_asked(struct db *db, str id, int64_t cost_microdollars);
/* status: "done" or "failed". recognised_ms: of it, what is to be paid for. Its object goes. */
err *transcript_piece_done(struct db *db, str id, int number, const char *status,
                           int64_t recognised_ms, str language, str cues);

/* -- history -- */

struct transcript_line {
    str id;
    int64_t number;
    str name, source;
    int64_t duration_ms;
    int words;
    int64_t created_at_ms;
};

/* A page of finished ones, newest first. words: what is sought; may be empty. before: the number that
 * stands above the page, 0 at its top. */
err *transcripts_page(struct db *db, struct arena *a, int64_t user_id, int64_t before, str words,
                      int limit, struct transcript_line **lines, size_t *count);
/* The page that ends above this number. */
err *transcripts_page_back(struct db *db, struct arena *a, int64_t user_id, int64_t after,
                           str words, int limit, struct transcript_line **lines, size_t *count);
err *transcripts_count(struct db *db, int64_t user_id, str words, int64_t *count);

err *transcript_speech_language(struct db *db, int64_t user_id, str *language);
err *transcript_set_speech_language(struct db *db, int64_t user_id, str language);

/* -- notes -- */

struct note {
    str kind; /* summary todo protocol */
    int64_t chat_id;
    str language;
    str status; /* pending completed failed */
    str parts;  /* JSON: what was made of each part so far */
    str text;
};

/* added: false when there is one already, done or under way. */
err *note_add(struct db *db, str transcript_id, const struct note *note, bool *added);
err *note_find(struct db *db, struct arena *a, int64_t user_id, str transcript_id, str kind,
               struct note *out);
err *note_lock(struct db *db, struct arena *a, str transcript_id, str kind, struct note *out);
err *note_keep_part(struct db *db, str transcript_id, str kind, str part);
/* status: "completed" or "failed". */
err *note_end(struct db *db, str transcript_id, str kind, const char *status, str text);
err *note_asked(struct db *db, str model, int64_t cost_microdollars);
