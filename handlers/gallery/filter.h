/*
 * filter.h - which of the user's images the gallery shows.
 *
 * The filters stand with the session for a week and can be combined: "g.type",
 * "g.ratio", "g.starred", "g.avatars" (ids parted by commas), "g.period" (see
 * period.h), "g.words". Each change counts what is left, once: the count is on
 * the button that shows them, and stays with the place as "g.total".
 */
#pragma once
#include "db/gallery.h"
#include "handlers/turn.h"

/* What is asked for now, with dates by the user's clock of this moment. */
void filter_read(const struct turn *t, struct gallery_filter *out);
/* A mark for each filter that is set, behind a dot; empty without any. */
str filter_marks(const struct turn *t);
void filter_drop(struct turn *t);
/* Counts the images of the filter and keeps that with the newest of them; the place is left. */
err *filter_count(struct turn *t, int64_t *total);

err *on_filter_open(struct turn *t);
err *on_filter_type(struct turn *t);
err *on_filter_ratio(struct turn *t);
err *on_filter_favorite(struct turn *t);
err *on_filter_reset(struct turn *t);
err *on_filter_avatars(struct turn *t);
err *on_filter_avatar(struct turn *t);
err *on_filter_avatars_any(struct turn *t);
err *on_filter_dates(struct turn *t);
err *on_filter_period(struct turn *t);
err *on_filter_month(struct turn *t);
err *on_filter_typed_open(struct turn *t);
err *on_filter_typed(struct turn *t);
err *on_filter_words_open(struct turn *t);
err *on_filter_words(struct turn *t);
err *on_filter_words_any(struct turn *t);
err *draw_filter_typed(struct turn *t);
err *draw_filter_words(struct turn *t);
