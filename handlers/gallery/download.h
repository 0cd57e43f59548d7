/*
 * download.h - what a card of the gallery has no room for: the whole prompt,
 * and the picture as the file that was made. Both leave the card where it is.
 */
#pragma once
#include "handlers/turn.h"
#include "handlers/work.h"

err *on_gallery_prompt(struct turn *t);
err *on_gallery_file(struct turn *t);

/* A prompt that is too long for a message, as a text file. */
err *job_gallery_prompt(struct work *w);
/* The stored bytes as they are: a photo is made smaller by Telegram, a document is not. */
err *job_gallery_file(struct work *w);
