/*
 * gallery.h - a person's images as he pages through them: newest first, by
 * key, all of them or those of a filter.
 *
 * Any filters can be combined, and what anything costs does not grow with the
 * gallery. Images that are alike in what is filtered by are of one facet, and
 * how many a facet has, in all and on each day, is kept. A page is merged from
 * the facets of the filter, each giving as many as the page moves by; a number
 * is the sum of theirs; the image of a number is sought in its day. Words alone
 * are in no facet: finding a page reads what has them or what lies between,
 * counting reads all that have them. So whoever pages keeps the count.
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
/* The image of that number, of which the newest is 1. out is untouched when it is not there. */
err *gallery_number(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                    int64_t number, struct image *out, bool *is_there);
/* Some words are so common that nothing is found by them. */
err *gallery_can_search(struct db *db, int64_t user_id, str words, bool *can);
