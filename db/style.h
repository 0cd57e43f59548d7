/*
 * style.h - styles as people see them: the catalogue that catalogue.h loads,
 * in one language, with what a user has kept of it.
 *
 * The catalogue is small, so lists are read by the number of their page. What
 * does not fit a page costs no more than the page.
 */
#pragma once
#include "db/db.h"

struct style_place {
    str id, icon, name;
};

/* language: "ru" or "en", here and below. */
err *style_categories(struct db *db, struct arena *a, str language, struct style_place **places,
                      size_t *count);
/* Of a category, and the category itself. ERR_NOT_FOUND when it has none, or is none. */
err *style_subcategories(struct db *db, struct arena *a, str category_id, str language,
                         struct style_place *category, struct style_place **places, size_t *count);
struct style_line {
    str id, icon, title;
    bool is_favorite;
};

struct style_page {
    struct style_line *lines;
    size_t count;
    int64_t total;
    struct style_place place, category; /* of STYLES_OF_PLACE */
};

enum style_list { STYLES_OF_PLACE, STYLES_POPULAR, STYLES_FAVORITE, STYLES_FOUND };

/* about: the subcategory of STYLES_OF_PLACE, the words of STYLES_FOUND, else empty. A page behind the
 * last one is empty, and its total is 0. */
err *style_list(struct db *db, struct arena *a, int64_t user_id, enum style_list list, str about,
                str language, int64_t offset, int64_t limit, struct style_page *out);

struct style {
    str id, subcategory_id, icon, title, description;
    str prompt;         /* with {avatar} */
    str kinds;          /* of avatars that it suits: "man woman" */
    int64_t popularity; /* orders that ended in images */
    bool is_retired, is_favorite;
    str avatar_id, avatar_name; /* the one that it would be drawn with; empty: none suits it */
    int64_t avatars;            /* that suit it and are finished */
};

/* Retired ones too. ERR_NOT_FOUND when there is none. */
err *style_find(struct db *db, struct arena *a, int64_t user_id, str id, str language,
                struct style *out);
bool style_suits(str kinds, str kind);

err *style_mark(struct db *db, int64_t user_id, str id);
err *style_unmark(struct db *db, int64_t user_id, str id);
