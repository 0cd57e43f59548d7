/*
 * sound.h - the recordings of strangers: how long they are, and their pieces.
 *
 * Belongs to aisha-sound. The file is a descriptor that can be sought in; it is
 * decoded by libavformat and libavcodec, which are given no other means to
 * read: no protocol, no second file, only the containers and codecs listed in
 * sound.c. What comes out is one channel of 16 kHz.
 */
#pragma once
#include "api/media.h"

/* Once a process. */
bool sound_init(void);

enum { SOUND_HEARD_EVERY_MS = 10 * 60 * 1000 };

/* Says what it is or why it is refused; see struct media_sound. heard() is called after each ten minutes
 * of it. */
void sound_measure(struct arena *a, int fd, const struct media_sound_limits *limits,
                   void (*heard)(void *owner, int64_t ms), void *owner, struct media_sound *out);

/* The same, and gives away piece after piece on the way: FLAC files, in order, without a gap or an
 * overlap, each cut where it is quietest. */
void sound_split(struct arena *a, int fd, const struct media_sound_limits *limits,
                 void (*give)(void *owner, const struct media_piece *piece), void *owner,
                 struct media_sound *out);
