/*
 * arena.h - memory that ends with the turn.
 *
 * Everything made while a turn, a job or a request runs comes from its arena
 * and is given back at once by arena_reset(). Foreign things (a PGresult, a
 * parsed JSON tree) are handed over with arena_defer() as soon as they exist;
 * they are closed at reset in reverse order. Nothing here ever returns NULL:
 * an arena that would grow past its ceiling logs `arena.exhausted` and ends
 * the process, because the supervisor and the update's attempt counter know
 * what to do about a poisonous update, and no caller does. A reset keeps the
 * first 16 KiB; the pages of large chunks go back to the system there and then.
 *
 *     struct arena *a = arena_new(1 << 20);
 *     struct avatar *avatar = NEW(a, struct avatar);
 *     arena_defer(a, close_result, result);
 *     arena_reset(a);
 */
#pragma once
#include "core/core.h"

struct arena;

/* ceiling_bytes: the most this arena may hold at a time. */
struct arena *arena_new(size_t ceiling_bytes);
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

/* Zeroed memory for count things of size bytes; the product may not overflow. */
void *arena_alloc(struct arena *a, size_t count, size_t size);
/* Makes the piece that was handed out last `more` bytes longer, zeroed too, where it lies. False when
 * another came after it or its chunk is full; then nothing has changed. */
bool arena_extend(struct arena *a, void *piece, size_t bytes, size_t more);
#define NEW(a, type)              ((type *)arena_alloc((a), 1, sizeof(type)))
#define NEW_ARRAY(a, type, count) ((type *)arena_alloc((a), (size_t)(count), sizeof(type)))

/* Calls close(thing) when the arena is reset or freed. */
void arena_defer(struct arena *a, void (*close)(void *), void *thing);

/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *a);
