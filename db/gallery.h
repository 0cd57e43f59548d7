/*
 * gallery.h - a person's images as he pages through them: newest first, by
 * key, all of them or those of a filter.
 *
 * Any filters can be combined. A page reads as many rows as it moves by, from
 * an index, however long the gallery is; only counting reads them all, so the
 * count is taken once for a filter and kept by whoever pages.
 */
#pragma once
#include "db/generation.h"

/* Empty and 0: not asked for. */
struct gallery_filter {
    str type;    /* "imagen4", "avatar" */
    str avatars; /* one or several ids, parted by commas */
    str ratio;
    bool is_favorite;
    int64_t since_us, until_us; /* Unix time; the first moment, and the first one after */
    str words;                  /* each has to stand in the prompt, at least as a beginning */
};

bool gallery_is_filtered(const struct gallery_filter *filter);

/* A place is the key of an image. These two lie beyond all of them. */
struct gallery_place {
    int64_t created_at_us;
    str image_id;
};
extern const struct gallery_place gallery_top, gallery_bottom;

/* All there are. */
err *gallery_count(struct db *db, int64_t user_id, int64_t *count);
/* Images of the filter above a place: all of them above the bottom. */
err *gallery_above(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                   const struct gallery_place *place, int64_t *count);
/* From a place, `steps` images towards older (positive) or newer (negative) ones, or as far as
 * it goes. moved: how far, with its sign; 0 and out untouched when there is nothing that way. */
err *gallery_step(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                  const struct gallery_place *place, int steps, struct image *out, int *moved);
/* Some words are so common that nothing is found by them. */
err *gallery_can_search(struct db *db, int64_t user_id, str words, bool *can);
