/*
 * style.h - the catalogue of styles: categories, subcategories, templates, and
 * the lists of popular, kept and found ones. Choosing a template leads to the
 * screen of options that own words lead to, see flux.h.
 *
 * The screen of a template knows the list that it was opened from: behind its
 * name in a tap stands a place, the number of a page with a letter for the
 * list, or none for the subcategory. What was searched for is in "g.styles".
 */
#pragma once
#include "handlers/turn.h"

err *on_style_open(struct turn *t);
err *on_style_category(struct turn *t);
err *on_style_group(struct turn *t); /* a subcategory */
err *on_style_popular(struct turn *t);
err *on_style_favorites(struct turn *t);

err *on_style_search(struct turn *t);
err *on_style_words(struct turn *t); /* typed anywhere in here, they are searched for */
err *on_style_found(struct turn *t);

err *on_style_show(struct turn *t);
err *on_style_mark(struct turn *t);
err *on_style_unmark(struct turn *t);
/* The screen of options; and in quick mode the order itself. */
err *on_style_take(struct turn *t);
err *on_style_make(struct turn *t);

/* Draws the template that was open, or the catalogue, again. */
err *draw_style(struct turn *t);
