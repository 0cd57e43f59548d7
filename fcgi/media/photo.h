/*
 * photo.h - a stranger's photo decoded, judged, measured and made anew.
 *
 * Of what came only the pixels survive: the answer's JPEG is encoded from them
 * alone, so no metadata, no place where it was taken, no second file behind
 * the picture can be in it. To be used inside the cage.
 *
 *     photo_init();
 *     struct media_photo photo;
 *     photo_read(a, bytes, &limits, &photo);
 */
#pragma once
#include "api/media.h"

/* Makes libvips ready with one thread, no cache, no modules and three loaders. Once a process,
 * before its environment and its files are out of reach; false when libvips does not come up. */
bool photo_init(void);

/* Answers in `out` as api/media.h describes, without quality_score, which is whose asks to count.
 * The bytes of the JPEG live in the arena. */
void photo_read(struct arena *a, str bytes, const struct media_limits *limits,
                struct media_photo *out);
