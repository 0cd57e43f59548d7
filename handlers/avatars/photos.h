/*
 * photos.h - the photos of an avatar: receiving them, looking through them.
 *
 *     photos_open()           the upload screen; the dialog waits for photos from then on
 *     on_photo                one photo or image file: a row and a job, not a word yet; see judge.h
 *     job_photos_progress     the one message that tells how far the upload is
 *
 * The progress message is named by the session: "d.slot" is its slot, and there
 * is none while the user looks at something else, so that late progress never
 * overwrites it. It stays below the photos. An album costs one message, edited
 * as its photos are judged, and it counts those for which there was no place. Which of several jobs
 * is last does not matter, as each tells what is true when its turn in the chat comes.
 */
#pragma once
#include "handlers/turn.h"
#include "handlers/work.h"

/* For t->avatar; refuses when it takes no photos. */
err *photos_open(struct turn *t);
err *draw_photos(struct turn *t);

err *on_photos_open(struct turn *t);
err *on_photo(struct turn *t);
err *on_photo_astray(struct turn *t); /* no upload is open */
err *on_photos_words(struct turn *t);
err *on_photos_tips(struct turn *t);

/* The viewer: one a screen, newest first. */
err *on_photos_show(struct turn *t);
err *on_photos_older(struct turn *t);
err *on_photos_newer(struct turn *t);
err *on_photos_place(struct turn *t);
err *on_photos_delete(struct turn *t); /* asks whether to */
err *on_photos_delete_yes(struct turn *t);
err *on_photos_view(struct turn *t); /* back from that question */

/* Under a doubtful one. */
err *on_photos_keep(struct turn *t);
err *on_photos_remove(struct turn *t);

err *job_photos_progress(struct work *w);
/* Shows a photo that came as a file for the first time, from the object store. */
err *job_photo_send(struct work *w);
