/*
 * note.h - what is made of a transcript: a summary, a list of tasks, a protocol.
 *
 * Each is made once, of the whole text: a long one in parts, whose results are
 * put together at the end. It is kept, and shown again for nothing.
 */
#pragma once
#include "handlers/turn.h"
#include "handlers/work.h"

/* For the row of a card. */
void note_buttons(struct keyboard *k, str transcript_id);

err *on_note(struct turn *t);      /* NEED_TRANSCRIPT, the rest names the kind */
err *on_note_file(struct turn *t); /* NEED_TRANSCRIPT, the rest is kind:format */

/* One call of the model: for a part, or for the whole. */
err *job_note_make(struct work *w);
err *give_up_note(struct work *w);
err *job_note_deliver(struct work *w);
err *job_note_file(struct work *w);
