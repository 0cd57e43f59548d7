/*
 * photo.h - a photo as its pixels, for whoever looks at what is on it.
 */
#pragma once
#include "core/str.h"

/* As it lies there, not turned; false when it breaks off, or is none. */
bool photo_measure(struct arena *a, str bytes, int *width, int *height);
/* Reads the whole of a picture; false when it breaks off, or is none. Where pixels is not
 * NULL its middle is given as a square of that side, upright: three bytes a pixel. */
bool photo_square(struct arena *a, str bytes, int side, str *pixels);
