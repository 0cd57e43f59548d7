/*
 * picture.h - sending images from deliver jobs: by the file_id that Telegram
 * gave, or from the object store the first time, when the file_id is kept.
 */
#pragma once
#include "db/generation.h"
#include "handlers/work.h"

/* What was asked of the model, in a line of its own below a caption. */
str picture_details(struct arena *a, enum language language, const struct image *image);

/* One photo with caption and keyboard. Nothing is wrong when the chat is out of reach. */
err *picture_send(struct work *w, int64_t chat_id, const struct image *image, str caption_html,
                  struct keyboard *k, bool is_silent);
/* An album of two to ten; it carries no keyboard. */
err *picture_send_album(struct work *w, int64_t chat_id, const struct image *images, size_t count,
                        bool is_silent);

/* A call with a picture that Telegram did not know any more: made again with the picture's bytes, so that
 * the user gets what was meant without asking twice. */
err *job_picture_again(struct work *w);
