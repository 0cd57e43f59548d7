/*
 * transcript.h - what has been written down: its card, its files, the history.
 */
#pragma once
#include "db/transcript.h"
#include "handlers/speech/paper.h"
#include "handlers/turn.h"
#include "handlers/work.h"

err *on_transcript_show(struct turn *t);   /* NEED_TRANSCRIPT */
err *on_transcript_file(struct turn *t);   /* NEED_TRANSCRIPT, the rest names the format */
err *on_transcript_delete(struct turn *t); /* NEED_TRANSCRIPT */
err *on_transcript_remove(struct turn *t); /* NEED_TRANSCRIPT */

err *on_transcript_rename(struct turn *t); /* NEED_TRANSCRIPT */
err *on_transcript_name(struct turn *t);
err *draw_transcript_rename(struct turn *t);

err *on_history(struct turn *t);
err *on_history_older(struct turn *t);
err *on_history_newer(struct turn *t);
err *on_history_search(struct turn *t);
err *on_history_words(struct turn *t);
err *draw_history_search(struct turn *t);

/* The result, once and for good, in the place of the progress. */
err *job_transcript_deliver(struct work *w);
err *job_transcript_file(struct work *w);

/* -- for note.c -- */

/* Finished ones alone have a card. */
err *transcript_must_be_done(struct turn *t);
/* "21.11.2026 · 3:20 · Russian · 412 words" */
str transcript_about(struct arena *a, enum language language, const struct transcript *t);
/* A file as a message: sends bytes under a name made of the title. */
err *transcript_send_file(struct work *w, int64_t chat_id, enum language language,
                          const struct paper *paper, str format, str caption_html,
                          const struct cues *cues);
bool transcript_has_format(str format);
