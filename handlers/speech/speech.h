/*
 * speech.h - the door for recordings and texts, and the price before the work.
 *
 *     on_speech           a recording or a text came, in whatever state the dialog is
 *     job_speech_tell     the message about it, as it stands when its turn in the chat comes
 *
 * Between the two are the jobs of recognition.h. The message is named by its slot,
 * "speech:<id>", and shows in turn that the file is looked at, what it costs,
 * how far the work is, and why it came to nothing. The result is a message of its
 * own; see transcript.h.
 */
#pragma once
#include "db/transcript.h"
#include "handlers/turn.h"
#include "handlers/work.h"

enum { SPEECH_FREE_MS = 60 * 1000 };

/* Whether a message carries something to be written down, by its kind and its name. */
bool is_speech(const struct update *update);
err *on_speech(struct turn *t);
/* A file that is none of what we take. */
err *on_file_unknown(struct turn *t);

err *on_speech_open(struct turn *t);
err *on_speech_language(struct turn *t);
err *on_speech_start(struct turn *t);
err *on_speech_drop(struct turn *t);
err *on_speech_cancel(struct turn *t);

err *job_speech_tell(struct work *w);

/* -- for recognition.c -- */

str speech_key(struct arena *a, str id); /* of its hold, and of its message */
int64_t speech_minutes(int64_t ms);      /* begun */
int64_t speech_price(const struct conf *conf, int64_t duration_ms);
/* Ends an open one without a result: the coins return, and the words to the user are queued. */
err *speech_fail(struct db *db, struct arena *a, const struct transcript *t, const char *status,
                 const char *failure);
err *speech_queue_tell(struct db *db, struct arena *a, const struct transcript *t);
err *speech_queue(struct db *db, struct arena *a, const struct transcript *t, const char *lane,
                  const char *kind, int64_t number);
/* Progress may be lost: it goes out after the commit. */
err *speech_show(struct work *w, const struct transcript *t);
/* In the midst of measuring or cutting: shown at once, and lost when it cannot be. */
void speech_show_step(struct work *w, const struct transcript *t, int64_t reached_ms);
/* And it goes when the result is there. */
void speech_clear(struct work *w, const struct transcript *t);
