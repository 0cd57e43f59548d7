#include "db/gallery.h"

#include "db/queries.h"

enum { ID_LENGTH = 36 };

/* Beyond any date that a person sees, within what PostgreSQL can tell. */
#define FAR_US INT64_C(8000000000000000)

const struct gallery_place gallery_top = {
    FAR_US, {"ffffffff-ffff-ffff-ffff-ffffffffffff", ID_LENGTH}
};
const struct gallery_place gallery_bottom = {
    0, {"00000000-0000-0000-0000-000000000000", ID_LENGTH}
};

bool gallery_is_filtered(const struct gallery_filter *filter)
{
    return !str_empty(filter->type) || !str_empty(filter->avatars) || !str_empty(filter->ratio) ||
           filter->is_favorite || filter->since_us || filter->until_us || !str_empty(filter->words);
}

/* Not null, which would be taken for a value that nobody knows. */
static str text_of(str s)
{
    return s.ptr ? s : S("");
}

/* What every statement about a filter has behind the owner. */
#define FACETS_OF(filter)                                                                          \
    V(text_of((filter)->type)), V(text_of((filter)->ratio)), V((filter)->is_favorite),             \
        V(text_of((filter)->avatars))

static bool has_words(const struct gallery_filter *filter)
{
    return !str_empty(filter->words);
}

static struct gallery_place place_at(int64_t at_us)
{
    return (struct gallery_place){at_us, gallery_bottom.image_id};
}

static int64_t end_of(const struct gallery_filter *filter)
{
    return filter->until_us ? filter->until_us : FAR_US;
}

/* Where the time of the filter begins and ends, a walk does too. So that it begins there in the index,
 * and passes nothing over. */
static struct gallery_place not_newer(const struct gallery_filter *filter,
                                      const struct gallery_place *place)
{
    bool is_outside = filter->until_us && place->created_at_us >= filter->until_us;
    return is_outside ? place_at(filter->until_us) : *place;
}

static struct gallery_place not_older(const struct gallery_filter *filter,
                                      const struct gallery_place *place)
{
    return place->created_at_us < filter->since_us ? place_at(filter->since_us) : *place;
}

/* ---------------------------------------------------------------- counting */

static err *count_images(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                         const struct gallery_place *place, struct rows *rows)
{
    if (has_words(filter))
        return db_query(db, &Q_gallery_search_above, rows, V(user_id), FACETS_OF(filter),
                        V(filter->since_us), V(filter->until_us), V(filter->words),
                        V(place->created_at_us), V(place->image_id));
    bool is_all = !place->created_at_us && !filter->since_us && !filter->until_us;
    if (is_all)
        return db_query(db, &Q_gallery_total, rows, V(user_id), FACETS_OF(filter));
    const struct gallery_place from = not_older(filter, place);
    return db_query(db, &Q_gallery_above, rows, V(user_id), FACETS_OF(filter),
                    V(from.created_at_us), V(from.image_id), V(end_of(filter)));
}

err *gallery_above(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                   const struct gallery_place *place, int64_t *count)
{
    struct rows rows;
    TRY(count_images(db, user_id, filter, place, &rows));
    *count = rows_i64(&rows, 0, "images");
    return NULL;
}

err *gallery_count(struct db *db, int64_t user_id, int64_t *count)
{
    const struct gallery_filter everything = {0};
    return gallery_above(db, user_id, &everything, &gallery_bottom, count);
}

/* ---------------------------------------------------------------- walking */

static err *search_step(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                        const struct gallery_place *place, int steps, struct rows *rows)
{
    return db_query(db, &Q_gallery_search_step, rows, V(user_id), FACETS_OF(filter),
                    V(filter->since_us), V(filter->until_us), V(filter->words),
                    V(place->created_at_us), V(place->image_id), V(steps));
}

static err *step_older(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                       const struct gallery_place *place, int steps, struct rows *rows)
{
    const struct gallery_place from = not_newer(filter, place);
    if (!gallery_is_filtered(filter))
        return db_query(db, &Q_gallery_older, rows, V(user_id), V(from.created_at_us),
                        V(from.image_id), V(steps));
    return db_query(db, &Q_gallery_filtered_older, rows, V(user_id), FACETS_OF(filter),
                    V(from.created_at_us), V(from.image_id), V(filter->since_us), V(steps));
}

static err *step_newer(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                       const struct gallery_place *place, int steps, struct rows *rows)
{
    const struct gallery_place from = not_older(filter, place);
    if (!gallery_is_filtered(filter))
        return db_query(db, &Q_gallery_newer, rows, V(user_id), V(from.created_at_us),
                        V(from.image_id), V(steps));
    return db_query(db, &Q_gallery_filtered_newer, rows, V(user_id), FACETS_OF(filter),
                    V(from.created_at_us), V(from.image_id), V(end_of(filter)), V(steps));
}

static void read_step(const struct rows *rows, struct image *out, int *moved)
{
    *moved = 0;
    if (!rows->count)
        return;
    image_read(rows, 0, out);
    *moved = (int)rows_i64(rows, 0, "moved");
}

err *gallery_step(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                  const struct gallery_place *place, int steps, struct image *out, int *moved)
{
    struct rows rows;
    if (has_words(filter))
        TRY(search_step(db, user_id, filter, place, steps, &rows));
    else if (steps > 0)
        TRY(step_older(db, user_id, filter, place, steps, &rows));
    else
        TRY(step_newer(db, user_id, filter, place, -steps, &rows));
    read_step(&rows, out, moved);
    if (steps < 0)
        *moved = -*moved;
    return NULL;
}

err *gallery_number(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                    int64_t number, struct image *out, bool *is_there)
{
    struct rows rows;
    int moved;
    if (has_words(filter))
        TRY(search_step(db, user_id, filter, &gallery_top, (int)number, &rows));
    else
        TRY(db_query(db, &Q_gallery_number, &rows, V(user_id), FACETS_OF(filter),
                     V(filter->since_us), V(end_of(filter)), V(number)));
    read_step(&rows, out, &moved);
    *is_there = moved == number;
    return NULL;
}

err *gallery_can_search(struct db *db, int64_t user_id, str words, bool *can)
{
    struct rows rows;
    TRY(db_query(db, &Q_gallery_can_search, &rows, V(user_id), V(words)));
    *can = rows_bool(&rows, 0, "can_search");
    return NULL;
}
