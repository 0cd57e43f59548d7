/*
 * catalogue.h - the file that an operator keeps styles in, read, checked and
 * loaded into the tables that the screens read.
 *
 *     [city]                      a category
 *     icon = 🏙
 *     name.ru = Город
 *     name.en = City
 *
 *     [city/cafe]                 a subcategory of it
 *     …
 *     [city/cafe/morning_coffee]  a template in there
 *     icon = ☕️
 *     title.ru = Утренний кофе
 *     title.en = Morning coffee
 *     description.ru = …          what users read; with the title it is the prompt of the image
 *     description.en = …
 *     prompt = …                  what the model is asked: in English, with {avatar} once
 *     avatars = man, woman        whom it suits; portrait is short for these two, and the default
 *
 * A line that begins with a space goes on with the value above it. Behind a #
 * at the beginning of a line stand remarks. The order in the file is the order
 * on the screens. The last part of a name is what orders and favourites
 * remember, so a template can move and be rewritten, but not be renamed.
 */
#pragma once
#include "db/db.h"

enum { CATALOGUE_MOST_BYTES = 1 << 20 };

/* One section; what a level does not have is empty. */
struct catalogue_entry {
    int line;
    str id, parent;
    str icon, name_ru, name_en;
    str title_ru, title_en, description_ru, description_en, prompt, avatars;
};

struct catalogue_level {
    struct catalogue_entry *entries;
    size_t count, room;
};

struct catalogue {
    struct catalogue_level categories, subcategories, templates;
};

/* name: of the file, for the message of ERR_INPUT, in which each mistake is a line that begins with
 * its place, "styles.ini:12: …". */
err *catalogue_read(struct arena *a, const char *name, str text, struct catalogue *out);

struct catalogue_changes {
    int added, changed, unchanged;
    int retired, removed; /* are not in the file any more: orders name them, or none does */
};

/* Makes the tables what the catalogue says; the caller commits. */
err *catalogue_load(struct db *db, struct arena *a, const struct catalogue *catalogue,
                    struct catalogue_changes *out);

struct catalogue_line {
    str id, place; /* "city/cafe"; empty when it is retired */
    str title_ru, title_en;
    int64_t popularity, favorites;
    bool is_retired;
};

/* What is loaded, in its order; what is retired comes last. */
err *catalogue_list(struct db *db, struct arena *a, struct catalogue_line **lines, size_t *count);
