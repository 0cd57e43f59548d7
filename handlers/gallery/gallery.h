/*
 * gallery.h - the user's images, one a screen, newest first.
 *
 * The place in the gallery is kept with the session: "g.at" is the image that
 * is shown, "g.index" and "g.total" count from one, "g.head" is the newest image
 * that was there when they were counted. What is shown is chosen in filter.h. A button carries the image
 * it was drawn at; when that is not where the user is, the screen is drawn
 * anew through the outbox. Turning a page is one read by key, and the picture
 * goes out by its file_id in the answer to the tap.
 */
#pragma once
#include "handlers/turn.h"
#include "handlers/work.h"

err *on_gallery_open(struct turn *t);
err *on_gallery_all(struct turn *t);
err *on_gallery_older(struct turn *t);
err *on_gallery_newer(struct turn *t);
err *on_gallery_older_far(struct turn *t);
err *on_gallery_newer_far(struct turn *t);
err *on_gallery_first(struct turn *t);
err *on_gallery_last(struct turn *t);
err *on_gallery_favorite(struct turn *t);
err *on_gallery_delete(struct turn *t);
err *on_gallery_remove(struct turn *t);
err *on_gallery_place(struct turn *t);
err *on_gallery_number(struct turn *t);
err *draw_gallery_number(struct turn *t);
err *on_gallery_show(struct turn *t);

/* For whoever makes favourites elsewhere, or none of them any more: they are counted anew. */
void gallery_favorites_changed(struct turn *t);

/* Sends an image that Telegram does not know yet, from the object store. */
err *job_gallery_send(struct work *w);
