/*
 * sample.h - something like a photo that the user sends: the photo is put into
 * words, and the words are drawn.
 *
 *     on_sample_photo    a photo where something is to be drawn: it is to be looked at
 *     job_sample_look    fetches it, has it decoded and described, and lets go of it
 *     job_sample_tell    shows the words, or says why there are none
 *     on_sample_flux …   from the words to the options of an order, where they can be replaced
 *
 * In quick mode the photo is an order at once, as words would be: it waits for
 * the description in place of its translation. Without one the coins return.
 */
#pragma once
#include "db/generation.h"
#include "handlers/turn.h"
#include "handlers/work.h"

/* Whether there is anybody who could look at a photo. */
bool sample_is_offered(const struct conf *conf);

err *on_sample_open(struct turn *t);
err *draw_sample(struct turn *t); /* the question for a photo, or how far the last one is */
err *on_sample_photo(struct turn *t);
err *on_sample_words(struct turn *t); /* his own in place of the photo */
err *on_sample_cancel(struct turn *t);
/* The described one that the tap names, with an avatar or without. */
err *on_sample_flux(struct turn *t);
err *on_sample_imagen(struct turn *t);

/* An order with the very words of a sample is given its English ones as well. */
err *sample_lend_prompt(struct turn *t, struct generation *order);

err *job_sample_look(struct work *w);
err *job_sample_tell(struct work *w);
err *give_up_sample(struct work *w);
/* Of an order that failed for want of words. */
err *sample_explain(struct work *w, str id, str *html);
