#include "db/style.h"

#include "db/queries.h"

/* ---------------------------------------------------------------- places */

static struct style_place read_place(const struct rows *rows, int row)
{
    return (struct style_place){
        .id = rows_str(rows, row, "id"),
        .icon = rows_str(rows, row, "icon"),
        .name = rows_str(rows, row, "name"),
    };
}

static void read_places(struct arena *a, const struct rows *rows, struct style_place **places,
                        size_t *count)
{
    *count = (size_t)rows->count;
    *places = NEW_ARRAY(a, struct style_place, *count + 1);
    for (int i = 0; i < rows->count; i++)
        (*places)[i] = read_place(rows, i);
}

err *style_categories(struct db *db, struct arena *a, str language, struct style_place **places,
                      size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_style_categories, &rows, V(language)));
    read_places(a, &rows, places, count);
    return NULL;
}

err *style_subcategories(struct db *db, struct arena *a, str category_id, str language,
                         struct style_place *category, struct style_place **places, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_style_subcategories, &rows, V(category_id), V(language)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "no such category of styles");
    read_places(a, &rows, places, count);
    *category = (struct style_place){
        .id = category_id,
        .icon = rows_str(&rows, 0, "category_icon"),
        .name = rows_str(&rows, 0, "category_name"),
    };
    return NULL;
}

/* ---------------------------------------------------------------- lists */

static err *ask_list(struct db *db, int64_t user_id, enum style_list list, str about, str language,
                     int64_t offset, int64_t limit, struct rows *rows)
{
    switch (list) {
    case STYLES_OF_PLACE:
        return db_query(db, &Q_styles_of_subcategory, rows, V(user_id), V(language), V(about),
                        V(offset), V(limit));
    case STYLES_POPULAR:
        return db_query(db, &Q_styles_popular, rows, V(user_id), V(language), V(offset), V(limit));
    case STYLES_FAVORITE:
        return db_query(db, &Q_styles_favorite, rows, V(user_id), V(language), V(offset), V(limit));
    case STYLES_FOUND:
        break;
    }
    return db_query(db, &Q_styles_found, rows, V(user_id), V(language), V(offset), V(limit),
                    V(about));
}

static void read_where(const struct rows *rows, str subcategory_id, struct style_page *out)
{
    out->place = (struct style_place){
        .id = subcategory_id,
        .icon = rows_str(rows, 0, "place_icon"),
        .name = rows_str(rows, 0, "place_name"),
    };
    out->category = (struct style_place){
        .id = rows_str(rows, 0, "category_id"),
        .icon = rows_str(rows, 0, "category_icon"),
        .name = rows_str(rows, 0, "category_name"),
    };
}

err *style_list(struct db *db, struct arena *a, int64_t user_id, enum style_list list, str about,
                str language, int64_t offset, int64_t limit, struct style_page *out)
{
    struct rows rows;
    TRY(ask_list(db, user_id, list, about, language, offset, limit, &rows));
    *out = (struct style_page){
        .lines = NEW_ARRAY(a, struct style_line, (size_t)rows.count + 1),
        .count = (size_t)rows.count,
        .total = rows.count ? rows_i64(&rows, 0, "total") : 0,
    };
    for (int i = 0; i < rows.count; i++)
        out->lines[i] = (struct style_line){
            .id = rows_str(&rows, i, "id"),
            .icon = rows_str(&rows, i, "icon"),
            .title = rows_str(&rows, i, "title"),
            .is_favorite = rows_bool(&rows, i, "is_favorite"),
        };
    if (list == STYLES_OF_PLACE && rows.count)
        read_where(&rows, about, out);
    return NULL;
}

/* ---------------------------------------------------------------- one style */

err *style_find(struct db *db, struct arena *a, int64_t user_id, str id, str language,
                struct style *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_style_find, &rows, V(user_id), V(id), V(language)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "no such style");
    *out = (struct style){
        .id = rows_str(&rows, 0, "id"),
        .subcategory_id = rows_str(&rows, 0, "subcategory_id"),
        .icon = rows_str(&rows, 0, "icon"),
        .title = rows_str(&rows, 0, "title"),
        .description = rows_str(&rows, 0, "description"),
        .prompt = rows_str(&rows, 0, "prompt"),
        .kinds = rows_str(&rows, 0, "kinds"),
        .popularity = rows_i64(&rows, 0, "popularity"),
        .is_retired = rows_bool(&rows, 0, "is_retired"),
        .is_favorite = rows_bool(&rows, 0, "is_favorite"),
        .avatar_id = rows_str(&rows, 0, "avatar_id"),
        .avatar_name = rows_str(&rows, 0, "avatar_name"),
        .avatars = rows_i64(&rows, 0, "avatars"),
    };
    return NULL;
}

bool style_suits(str kinds, str kind)
{
    for (str word; !str_empty(kinds);) {
        str_cut(kinds, ' ', &word, &kinds);
        if (str_eq(word, kind))
            return true;
    }
    return false;
}

err *style_mark(struct db *db, int64_t user_id, str id)
{
    return db_query(db, &Q_style_mark, NULL, V(user_id), V(id));
}

err *style_unmark(struct db *db, int64_t user_id, str id)
{
    return db_query(db, &Q_style_unmark, NULL, V(user_id), V(id));
}
