/*
 * paper.h - a text on its way to the user: as a message, or as a file of one of
 * three kinds.
 *
 * A paper is a title, a line below it, and blocks. That of a transcript is made
 * of its paragraphs, that of a note of what the model wrote, whose headings
 * ("## …") and lists ("- …", "- [ ] …") are understood.
 */
#pragma once
#include "handlers/speech/cues.h"

enum block_kind { BLOCK_PARAGRAPH, BLOCK_HEADING, BLOCK_ITEM, BLOCK_TASK };

struct block {
    enum block_kind kind;
    str time; /* where in the recording, "1:02"; empty: not told */
    str text;
};

struct paper {
    str title, about; /* about: may be empty */
    str language;     /* "ru" or "en", of what is written */
    struct block *blocks;
    size_t count;
};

void paper_of_cues(struct arena *a, const struct cues *cues, struct paper *out);
/* Of lines; paragraphs are parted by line ends. */
void paper_of_text(struct arena *a, str text, struct paper *out);
/* Of what a model wrote. */
void paper_of_markup(struct arena *a, str markup, struct paper *out);

str paper_plain(struct arena *a, const struct paper *p);    /* blocks alone, without title */
str paper_markdown(struct arena *a, const struct paper *p); /* the whole */
/* A document of Word, made of nothing but what its standard asks for. */
err *paper_docx(struct arena *a, const struct paper *p, str *out);
/* Blocks as Telegram shows them, at most so many UTF-16 units; is_whole: nothing was left out. */
str paper_html(struct arena *a, const struct paper *p, size_t most_units, bool *is_whole);
