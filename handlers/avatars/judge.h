/*
 * judge.h - whether a photo that a user sent for an avatar is kept.
 *
 *     job_photo_take     fetches it, has aisha-photo decode it, stores our JPEG of it, and judges
 *     job_photo_tell     what was wrong or is doubtful, as a reply to the very photo
 *
 * What can be seen of a photo alone is looked at first, without a transaction;
 * then one of them, under the lock of the avatar, compares it with those that
 * are kept, writes the verdict and queues what follows. A refusal is a machine
 * word, and so is each doubt about a photo that is kept; the words for them
 * stand in photos.txt. The buttons under a doubt are photos.h.
 */
#pragma once
#include "handlers/work.h"

err *job_photo_take(struct work *w);
/* Nobody waits for a photo for ever: the user reads what was wrong, and may send it again. */
err *give_up_photo(struct work *w);
err *job_photo_tell(struct work *w);
