/*
 * imagen.h - images from words alone: words, then ratio, count and speed, then
 * the order. The work itself is in generation.h.
 */
#pragma once
#include "handlers/images/generation.h"
#include "handlers/images/order.h"
#include "handlers/turn.h"

extern const struct order_form imagen_form;
/* Orders it, and ends the dialog. */
err *imagen_make(struct turn *t, struct generation *order);

err *on_imagen_open(struct turn *t);
err *on_imagen_words(struct turn *t);
err *on_imagen_ratio(struct turn *t);
err *on_imagen_count(struct turn *t);
err *on_imagen_speed(struct turn *t);
err *on_imagen_make(struct turn *t);
err *on_imagen_made(struct turn *t); /* its button, after the order was made */
err *on_imagen_again(struct turn *t);
err *on_imagen_edit(struct turn *t);

/* Draw the screens of the dialog's states again. */
err *draw_imagen_words(struct turn *t);
err *draw_imagen_options(struct turn *t);
