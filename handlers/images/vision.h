/*
 * vision.h - what a photo shows, in words: asked of a model that can see.
 *
 * One question gives both descriptions, one in the user's language for him to
 * read and change, and one in English for the model that draws; so nothing of
 * it is translated or enhanced once more.
 */
#pragma once
#include "db/sample.h"
#include "handlers/work.h"

struct vision {
    str words;  /* in the language of the sample's owner, at most VISION_WORDS_MOST code points */
    str prompt; /* in English */
};

enum { VISION_WORDS_MOST = 1000 };

/* photo: of the decoder, taken. The errors are those of openai_chat(). */
err *vision_describe(struct work *w, const struct sample *sample, const struct media_photo *photo,
                     struct vision *out);
