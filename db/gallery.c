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

err *gallery_above(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                   const struct gallery_place *place, int64_t *count)
{
    struct rows rows;
    if (gallery_is_filtered(filter))
        TRY(db_query(db, &Q_gallery_filtered_above, &rows, V(user_id), V(place->created_at_us),
                     V(place->image_id), V(text_of(filter->type)), V(text_of(filter->ratio)),
                     V(filter->is_favorite), V(text_of(filter->avatars)), V(filter->since_us),
                     V(filter->until_us), V(text_of(filter->words))));
    else
        TRY(db_query(db, &Q_gallery_above, &rows, V(user_id), V(place->created_at_us),
                     V(place->image_id)));
    *count = rows_i64(&rows, 0, "images");
    return NULL;
}

err *gallery_count(struct db *db, int64_t user_id, int64_t *count)
{
    const struct gallery_filter everything = {0};
    return gallery_above(db, user_id, &everything, &gallery_bottom, count);
}

static err *read_step(const struct rows *rows, int steps, struct image *out, int *moved)
{
    *moved = 0;
    if (!rows->count)
        return NULL;
    image_read(rows, 0, out);
    *moved = (int)rows_i64(rows, 0, "moved") * (steps > 0 ? 1 : -1);
    return NULL;
}

err *gallery_step(struct db *db, int64_t user_id, const struct gallery_filter *filter,
                  const struct gallery_place *place, int steps, struct image *out, int *moved)
{
    struct rows rows;
    if (gallery_is_filtered(filter))
        TRY(db_query(db, &Q_gallery_filtered_step, &rows, V(user_id), V(place->created_at_us),
                     V(place->image_id), V(steps), V(text_of(filter->type)),
                     V(text_of(filter->ratio)), V(filter->is_favorite), V(text_of(filter->avatars)),
                     V(filter->since_us), V(filter->until_us), V(text_of(filter->words))));
    else
        TRY(db_query(db, steps > 0 ? &Q_gallery_older : &Q_gallery_newer, &rows, V(user_id),
                     V(place->created_at_us), V(place->image_id), V(steps > 0 ? steps : -steps)));
    return read_step(&rows, steps, out, moved);
}

err *gallery_can_search(struct db *db, int64_t user_id, str words, bool *can)
{
    struct rows rows;
    TRY(db_query(db, &Q_gallery_can_search, &rows, V(user_id), V(words)));
    *can = rows_bool(&rows, 0, "can_search");
    return NULL;
}
