/*
 * cues.h - who said what when: the words of a recording with their times.
 *
 * A piece of a recording has cues of its own, counted from its beginning; they
 * are put together to those of the whole. In the database a list of them is
 * JSON: [{"s":0,"e":1200,"t":"Good morning."}].
 */
#pragma once
#include "api/openai.h"
#include "db/transcript.h"

struct cue {
    int64_t start_ms, end_ms;
    str text;
};

struct cues {
    struct cue *items;
    size_t count;
};

/* What the recogniser heard in a piece of that length. Guesses about a noise in which nobody speaks are
 * left out; without times of its own the whole piece is one cue. */
struct cues cues_heard(struct arena *a, const struct openai_transcript *heard, int64_t length_ms);
str cues_json(struct arena *a, const struct cues *cues); /* empty for none */
/* What is no list of cues gives none. */
struct cues cues_read(struct arena *a, str json);

/* Those of all pieces, in order. Where a cut went through a sound, a word that both sides have heard is
 * there once. */
struct cues cues_join(struct arena *a, const struct transcript_piece *pieces, size_t count);

int words_count(str text);
/* In sentences, with a new paragraph behind each long pause and where one gets too long. */
struct paragraph {
    int64_t start_ms;
    str text;
};
size_t cues_paragraphs(struct arena *a, const struct cues *cues, struct paragraph **paragraphs);
str cues_text(struct arena *a, const struct cues *cues); /* paragraphs with an empty line between */
/* SubRip: "00:00:01,200 --> 00:00:03,400", lines of a readable width, CRLF. */
str cues_srt(struct arena *a, const struct cues *cues);

str clock_shown(struct arena *a, int64_t ms); /* 7:05, 1:02:03 */
