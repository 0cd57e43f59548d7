/*
 * avatar.h - making, showing, naming and removing a user's avatars.
 *
 * A new avatar goes: consent, type, gender (of portraits), name; from then on it is a
 * draft in PostgreSQL and its photos are photos.h, its training is training.h. What
 * exists is shown as cards, the main one first, then the newest. A card's buttons carry
 * the avatar that they mean, so an old card is as good as a new one.
 */
#pragma once
#include "handlers/turn.h"

/* The cards, beginning with the main avatar; without any, what an avatar is. */
err *on_avatar_open(struct turn *t);
/* The card of one: NEED_AVATAR. */
err *on_avatar_show(struct turn *t);
err *on_avatar_place(struct turn *t);

err *on_avatar_new(struct turn *t);
err *on_avatar_agree(struct turn *t);
err *on_avatar_portrait(struct turn *t);
err *on_avatar_gender(struct turn *t);
err *on_avatar_type(struct turn *t);
err *on_avatar_name(struct turn *t);

err *on_avatar_main(struct turn *t);
err *on_avatar_rename(struct turn *t);
err *on_avatar_new_name(struct turn *t);
err *on_avatar_delete(struct turn *t);
err *on_avatar_remove(struct turn *t);

/* "Portrait of a woman", "Style": what an avatar is. */
str avatar_type_words(struct arena *a, enum language language, const struct avatar *avatar);

err *draw_avatar_type(struct turn *t);
err *draw_avatar_gender(struct turn *t);
err *draw_avatar_name(struct turn *t);
err *draw_avatar_rename(struct turn *t);
