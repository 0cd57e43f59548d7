/*
 * deleteme.h - a user leaves for good: two screens, then everything that names
 * him goes, from our stores and from FAL.
 *
 * The last tap lets go of the person in the turn itself; the rest is done by
 * jobs, which belong to nobody and go on wherever they were when something was
 * stopped (db/erasure.h):
 *
 *     person_erase    rows; then waits for the objects and for FAL
 *     erasure_drop    FAL stops what it is at
 *     fal_forget      FAL deletes what it was given for a request, and what it made
 *     erasure_tell    the last message
 *     person_forget   keys in Redis at once, the marks of old updates an hour after
 *                     the tap: until then Telegram might deliver one once more
 */
#pragma once
#include "handlers/turn.h"
#include "handlers/work.h"

err *on_deleteme(struct turn *t);
err *on_deleteme_ask(struct turn *t);
err *on_deleteme_go(struct turn *t);

err *job_person_erase(struct work *w);
err *job_fal_forget(struct work *w);
err *job_erasure_tell(struct work *w);
err *job_person_forget(struct work *w);
