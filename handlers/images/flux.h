/*
 * flux.h - images with an avatar: words, then ratio, count and quality, then
 * the order. The work itself is in generation.h.
 *
 * The dialog draws with the main avatar, or with any finished one that the user
 * chooses on the spot: "d.avatar" and "d.avatar_name". That it is there and
 * finished is asked when it is ordered, and again when FAL is asked for it.
 *
 * A style can stand in place of words: "d.template", and in "d.kinds" whom it
 * suits. The screen of options is the same, and the user's own words replace it.
 */
#pragma once
#include "db/style.h"
#include "handlers/images/generation.h"
#include "handlers/images/order.h"
#include "handlers/turn.h"

/* What a user can choose as his usual quality, too. */
enum { FLUX_QUALITIES = 4 };
extern const struct order_quality flux_qualities[FLUX_QUALITIES];
extern const struct order_form flux_form;

/* For a dialog that draws with an avatar: with this one, or with the usual one where it is gone or not
 * named. ERR_NOT_FOUND when there is none. */
err *flux_take_avatar(struct turn *t, str id);
/* The way to a first avatar, instead of a refusal. */
err *flux_offer_avatar(struct turn *t);
/* A row with the avatar of the dialog, where there are others to be chosen. */
void flux_avatar_button(struct turn *t);
/* Orders it with the avatar of the dialog, and ends that. ERR_NOT_FOUND, and nothing is done, when the
 * avatar is gone. */
err *flux_make(struct turn *t, struct generation *order);

err *on_flux_open(struct turn *t);
err *on_flux_words(struct turn *t);
err *on_flux_ratio(struct turn *t);
err *on_flux_count(struct turn *t);
err *on_flux_quality(struct turn *t);
err *on_flux_make(struct turn *t);
err *on_flux_made(struct turn *t); /* its button, after the order was made */
err *on_flux_again(struct turn *t);
err *on_flux_edit(struct turn *t);
err *on_flux_seed(struct turn *t); /* the seed of the image that is changed, or a new one */

/* The finished avatars, some at a time, from behind the one that the tap names. */
err *on_flux_avatars(struct turn *t);
/* One of them was tapped: in the dialog, and from anywhere else (NEED_AVATAR), where it begins one. */
err *on_flux_change(struct turn *t);
err *on_flux_use(struct turn *t);

/* A style was chosen, which has an avatar that it suits: the screen of options. place: behind the
 * style's name in the tap that leads back to it. */
err *flux_begin_style(struct turn *t, const struct style *style, str place);
/* The same with the user's usual choices, at once. */
err *flux_make_style(struct turn *t, const struct style *style);
int64_t flux_usual_price(const struct turn *t);
/* What that is and costs, for the text of a screen; empty in the usual mode. */
str flux_quick_words(struct turn *t, enum text text);

/* Draw the screens of the dialog's states again. */
err *draw_flux_words(struct turn *t);
err *draw_flux_options(struct turn *t);

/* The present of a new avatar: one image for nothing, made like any other. In the transaction of the
 * job that finished the avatar. is_ordered: false when the day has no room for it, or the user had
 * enough of them. */
err *flux_order_preview(struct db *db, struct arena *a, const struct conf *conf,
                        const struct avatar *avatar, int64_t chat_id, str language,
                        bool *is_ordered);
