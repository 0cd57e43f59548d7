/*
 * draw.h - the pictures that the sandbox's models "make".
 *
 * Each is a real PNG or JPEG of the size that was asked for. Colours and shapes
 * come from the words, the seed and the number, so two different requests never
 * look alike and the same request always does; the words and the seed stand on
 * it, so that a person and a test see which request a picture belongs to.
 *
 * Drawing needs far more stack than a task has by default: give it 1 MiB.
 */
#pragma once
#include "core/str.h"

enum draw_format { DRAW_PNG, DRAW_JPEG };

/* Somebody to be seen in the middle: a square of pixels, three bytes each. */
struct draw_face {
    int side;
    const unsigned char *pixels; /* NULL: a stranger's silhouette */
};

struct drawing {
    int width, height;
    str words;
    int64_t seed;
    int number;  /* which of several, from 1 */
    str caption; /* a small line below: the model */
    const struct draw_face *faces;
    size_t face_count;
    bool is_black; /* nothing else: as the safety checker leaves it */
};

enum { DRAW_STACK_KIB = 1024 };

str draw_picture(struct arena *a, const struct drawing *drawing, enum draw_format format);
