/*
 * promo.h - entering a promo code: by a button, by /promo, by a link.
 *
 * The dialog steps aside for the question and goes back to where it was when a
 * code was taken; see dialog_aside() in turn.h.
 */
#pragma once
#include "handlers/turn.h"

err *draw_promo_code(struct turn *t);
err *on_promo_open(struct turn *t);
err *on_promo_topup(struct turn *t); /* back to the packages, from where the code was asked for */
/* Words in the dialog, and /promo with a code or without. */
err *on_promo_words(struct turn *t);
err *on_promo(struct turn *t);

/* -- links: /start promo_CODE -- */

bool is_promo_link(str text);
/* Enters the code, has `greet` said, which knows the coins already, and tells what became of it. */
err *promo_follow_link(struct turn *t, handler *greet);
