/*
 * media_line.h - one call of aisha-photo or aisha-sound, as media.c and media_sound.c make it.
 *
 * A request is a line of JSON, perhaps with a descriptor beside it, and bytes;
 * an answer is the same without a descriptor. Whatever breaks this contract is
 * an ERR_UPSTREAM that begins with "media:".
 */
#pragma once
#include "api/media.h"
#include "core/json.h"

enum { MEDIA_LINE_MOST_BYTES = 4096 };

struct media_line {
    struct arena *arena;
    int fd;
    int64_t deadline_ms;
    char *ahead; /* what came along with a line and stands behind it */
    size_t ahead_count;
};

/* patience_ms: of the whole call, where m says nothing else. Closed also when it was not opened. */
err *media_line_open(struct media_line *line, struct arena *a, const struct media *m,
                     int64_t patience_ms);
void media_line_close(struct media_line *line);

/* file: a descriptor to hand over; -1: none. */
err *media_line_ask(struct media_line *line, str json, int file);
err *media_line_write(struct media_line *line, str bytes);
/* The next line of the answer, and how many bytes follow it. An error that it tells becomes one. */
err *media_line_answer(struct media_line *line, int64_t most_bytes, struct json_object **answer,
                       int64_t *size);
/* Exactly that many. */
err *media_line_bytes(struct media_line *line, struct arena *a, size_t count, str *out);
/* There is to be nothing more. */
err *media_line_end(struct media_line *line);

err *media_not_an_answer(struct arena *a, str line);
