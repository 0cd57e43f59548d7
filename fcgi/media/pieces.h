/*
 * pieces.h - a stream of samples, cut where it is quietest, each piece packed as
 * FLAC.
 *
 * A recording of whatever length passes through a buffer of one piece. Cuts are
 * sought in a window around an even share of what is left, so that the last
 * piece is not a crumb. Nothing overlaps and nothing is left out: the pieces
 * together are the recording.
 *
 *     struct pieces *p = pieces_new(a, &limits, give, owner);   // give NULL: only listens
 *     pieces_hear(p, samples, count);
 *     pieces_end(p);
 */
#pragma once
#include "api/media.h"

struct pieces;

struct pieces *pieces_new(struct arena *a, const struct media_sound_limits *limits,
                          void (*give)(void *owner, const struct media_piece *piece), void *owner);
void pieces_hear(struct pieces *p, const int16_t *samples, size_t count);
/* False when a piece could not be packed. */
bool pieces_end(struct pieces *p);
/* Nothing could be heard so far. */
bool pieces_are_silent(const struct pieces *p);
