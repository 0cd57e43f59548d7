#include "handlers/images/style.h"

#include "core/log.h"
#include "handlers/dispatch.h"
#include "handlers/images/flux.h"
#include "handlers/money/funds.h"

enum {
    PAGE_LINES = 8,
    PAGES_MOST = 999,
    WORDS_MAX = 100, /* of a search */
    IN_ROW = 2,      /* categories */
};

static str language_of_user(const struct turn *t)
{
    return str_from(language_code(t->language));
}

/* ---------------------------------------------------------------- places */

struct list_row {
    enum style_list list;
    char letter; /* in a place; 0: of the subcategory */
    const char *tap;
};

static const struct list_row list_rows[] = {
    {STYLES_OF_PLACE, 0,   "style:group"    },
    {STYLES_POPULAR,  'p', "style:popular"  },
    {STYLES_FAVORITE, 'f', "style:favorites"},
    {STYLES_FOUND,    's', "style:found"    },
};

static const struct list_row *list_row(enum style_list list)
{
    size_t i = 0;
    while (list_rows[i].list != list)
        i++;
    return &list_rows[i];
}

/* Of a page: 0 for what is no number of one. */
static int64_t page_of(str number)
{
    int64_t page;
    return str_to_i64(number, &page) && page > 0 && page <= PAGES_MOST ? page : 0;
}

/* "p2" is the third page of the popular ones. */
static const struct list_row *split_place(str place, int64_t *page)
{
    for (size_t i = 0; i < ARRAY_LEN(list_rows); i++)
        if (list_rows[i].letter && !str_empty(place) && place.ptr[0] == list_rows[i].letter) {
            *page = page_of(str_sub(place, 1, place.len));
            return &list_rows[i];
        }
    *page = page_of(place);
    return list_row(STYLES_OF_PLACE);
}

static str place_of(struct arena *a, const struct list_row *row, int64_t page)
{
    if (row->letter)
        return str_printf(a, "%c%" PRId64, row->letter, page);
    return page ? str_printf(a, "%" PRId64, page) : S("");
}

/* As we write them: what stands behind a name in a tap may be anybody's. */
static str tidy_place(struct arena *a, str place)
{
    int64_t page;
    const struct list_row *row = split_place(place, &page);
    return place_of(a, row, page);
}

/* The name of a template, and the place behind it. */
static str cut_place(const struct turn *t, str *id)
{
    str place;
    str_cut(t->argument, ':', id, &place);
    return tidy_place(t->arena, place);
}

static str named_tap(struct turn *t, const char *tap, str name, str rest)
{
    if (str_empty(rest))
        return tap_for(t->arena, tap, name);
    return tap_for(t->arena, tap,
                   str_printf(t->arena, STR_FMT ":" STR_FMT, STR_ARG(name), STR_ARG(rest)));
}

static str list_tap(struct turn *t, const struct list_row *row, str subcategory_id, int64_t page)
{
    str number = str_printf(t->arena, "%" PRId64, page);
    return row->letter ? tap_for(t->arena, row->tap, number)
                       : named_tap(t, row->tap, subcategory_id, number);
}

/* ---------------------------------------------------------------- the catalogue */

static void place_button(struct turn *t, const char *tap, const struct style_place *place)
{
    keyboard_button(&t->keyboard, T_button_style_place, tap_for(t->arena, tap, place->id),
                    KV("icon", place->icon), KV("name", place->name));
}

static void back_row(struct turn *t, str tap)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_back, tap);
    keyboard_button(&t->keyboard, T_button_menu, S("menu:open"));
}

err *on_style_open(struct turn *t)
{
    struct style_place *places;
    size_t count;
    TRY(style_categories(t->db, t->arena, language_of_user(t), &places, &count));
    if (!count) {
        back_row(t, S("create:open"));
        return edit(t, T_styles_empty);
    }
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_styles_favorite, S("style:favorites"));
    keyboard_button(&t->keyboard, T_button_styles_popular, S("style:popular"));
    for (size_t i = 0; i < count; i++) {
        if (i % IN_ROW == 0)
            keyboard_row(&t->keyboard);
        place_button(t, "style:category", &places[i]);
    }
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_styles_search, S("style:search"));
    back_row(t, S("create:open"));
    return edit(t, T_styles);
}

/* The catalogue has changed since the button was drawn: it begins anew. */
static err *show_gone(struct turn *t)
{
    hint(t, T_style_gone);
    dialog_enter(t, ST_style);
    return on_style_open(t);
}

err *on_style_category(struct turn *t)
{
    struct style_place category, *places;
    size_t count;
    err *e = style_subcategories(t->db, t->arena, t->argument, language_of_user(t), &category,
                                 &places, &count);
    if (err_is_not_found(e))
        return show_gone(t);
    if (e)
        return e;
    for (size_t i = 0; i < count; i++) {
        keyboard_row(&t->keyboard);
        place_button(t, "style:group", &places[i]);
    }
    back_row(t, S("style:open"));
    return edit(t, T_style_category, KV("icon", category.icon), KV("name", category.name));
}

/* ---------------------------------------------------------------- lists */

static err *read_page(struct turn *t, enum style_list list, str about, int64_t *page,
                      struct style_page *out)
{
    TRY(style_list(t->db, t->arena, t->user->id, list, about, language_of_user(t),
                   *page * PAGE_LINES, PAGE_LINES, out));
    if (out->count || !*page)
        return NULL;
    *page = 0; /* the list has become shorter meanwhile */
    return read_page(t, list, about, page, out);
}

static void list_buttons(struct turn *t, const struct list_row *row, str about, int64_t page,
                         const struct style_page *styles)
{
    str place = place_of(t->arena, row, page);
    for (size_t i = 0; i < styles->count; i++) {
        const struct style_line *line = &styles->lines[i];
        keyboard_row(&t->keyboard);
        keyboard_button(&t->keyboard, T_button_style, named_tap(t, "style:show", line->id, place),
                        KV("mark", line->is_favorite ? S("⭐ ") : S("")), KV("icon", line->icon),
                        KV("title", line->title));
    }
    keyboard_row(&t->keyboard);
    if (page)
        keyboard_button(&t->keyboard, T_button_styles_before, list_tap(t, row, about, page - 1));
    if ((page + 1) * PAGE_LINES < styles->total)
        keyboard_button(&t->keyboard, T_button_styles_behind, list_tap(t, row, about, page + 1));
}

/* A list that is not a subcategory's: its number on top, or what to do while it is empty. */
static err *show_list(struct turn *t, enum style_list list, str about, int64_t page, enum text text,
                      enum text empty)
{
    struct style_page styles;
    TRY(read_page(t, list, about, &page, &styles));
    list_buttons(t, list_row(list), S(""), page, &styles);
    if (list == STYLES_FOUND) {
        keyboard_row(&t->keyboard);
        keyboard_button(&t->keyboard, T_button_styles_search, S("style:search"));
    }
    back_row(t, S("style:open"));
    return edit(t, styles.count ? text : empty, KV("n", styles.total), KV("words", about));
}

err *on_style_group(struct turn *t)
{
    str id, number;
    struct style_page styles;
    str_cut(t->argument, ':', &id, &number);
    int64_t page = page_of(number);
    TRY(read_page(t, STYLES_OF_PLACE, id, &page, &styles));
    if (!styles.count)
        return show_gone(t);
    list_buttons(t, list_row(STYLES_OF_PLACE), id, page, &styles);
    back_row(t, tap_for(t->arena, "style:category", styles.category.id));
    return edit(t, T_style_group, KV("icon", styles.place.icon), KV("name", styles.place.name),
                KV("category", styles.category.name), KV("n", styles.total));
}

err *on_style_popular(struct turn *t)
{
    return show_list(t, STYLES_POPULAR, S(""), page_of(t->argument), T_styles_popular,
                     T_styles_popular_empty);
}

err *on_style_favorites(struct turn *t)
{
    return show_list(t, STYLES_FAVORITE, S(""), page_of(t->argument), T_styles_favorite,
                     T_styles_favorite_empty);
}

/* ---------------------------------------------------------------- search */

err *on_style_search(struct turn *t)
{
    back_row(t, S("style:open"));
    return edit(t, T_styles_ask_words);
}

/* What was searched for goes with the rest of what Redis holds. */
err *on_style_found(struct turn *t)
{
    str words = field_get(t, "g.styles");
    if (str_empty(words))
        return on_style_search(t);
    return show_list(t, STYLES_FOUND, words, page_of(t->argument), T_styles_found,
                     T_styles_not_found);
}

err *on_style_words(struct turn *t)
{
    if (!str_points_within(t->text, 1, WORDS_MAX) || !str_has_visible(t->text))
        return refuse(t, T_styles_bad_words, KV("most", (int)WORDS_MAX));
    field_drop(t, "d.style");
    field_put(t, "g.styles", t->text);
    t->argument = S("");
    return on_style_found(t);
}

/* ---------------------------------------------------------------- a template */

/* Each in a paragraph or a line of its own. */
static str on_new_line(struct turn *t, str words)
{
    return str_printf(t->arena, "\n" STR_FMT, STR_ARG(words));
}

static str popularity_line(struct turn *t, const struct style *style)
{
    if (!style->popularity)
        return S("");
    return on_new_line(
        t, text_plain(t->arena, t->language, T_style_popularity, KVS(KV("n", style->popularity))));
}

static str avatar_line(struct turn *t, const struct style *style)
{
    enum text text = str_empty(style->avatar_id) ? T_style_without : T_style_with;
    return on_new_line(
        t, text_plain(t->arena, t->language, text, KVS(KV("avatar", style->avatar_name))));
}

static str kinds_words(struct turn *t, str kinds)
{
    static const struct {
        const char *kinds;
        enum text text;
    } rows[] = {
        {"man woman", T_kind_portrait},
        {"man",       T_kind_man     },
        {"woman",     T_kind_woman   },
        {"style",     T_kind_style   },
        {"object",    T_kind_object  },
    };
    struct buf b = buf_new(t->arena);
    for (size_t i = 0; i < ARRAY_LEN(rows) && !str_empty(kinds); i++) {
        bool is_whole = str_is(kinds, rows[i].kinds);
        if (!is_whole && !style_suits(kinds, str_from(rows[i].kinds)))
            continue;
        buf_add(&b, b.len ? S(", ") : S(""));
        buf_add(&b, text_plain(t->arena, t->language, rows[i].text, KVS()));
        if (is_whole)
            break;
    }
    return buf_str(&b);
}

static void draw_buttons(struct turn *t, const struct style *style, str place)
{
    keyboard_row(&t->keyboard);
    if (str_empty(style->avatar_id)) {
        keyboard_button(&t->keyboard, T_button_avatar_new, S("avatar:new"));
        if (t->user->avatars)
            keyboard_button(&t->keyboard, T_button_avatars, S("avatar:open"),
                            KV("n", t->user->avatars));
        return;
    }
    str take = named_tap(t, "style:take", style->id, place);
    if (!t->user->settings.is_quick) {
        keyboard_button(&t->keyboard, T_button_style_take, take);
        return;
    }
    int64_t price = flux_usual_price(t);
    str make = named_tap(t, "style:make", style->id, str_printf(t->arena, "%" PRId64, price));
    keyboard_button(&t->keyboard, T_button_make, make, KV("price", price));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_style_options, take);
}

static err *show_card(struct turn *t, const struct style *style, str place)
{
    int64_t page;
    const struct list_row *row = split_place(place, &page);
    bool can_draw = !str_empty(style->avatar_id);
    draw_buttons(t, style, place);
    keyboard_row(&t->keyboard);
    keyboard_button(
        &t->keyboard, style->is_favorite ? T_button_style_unmark : T_button_style_mark,
        named_tap(t, style->is_favorite ? "style:unmark" : "style:mark", style->id, place));
    back_row(t, list_tap(t, row, style->subcategory_id, page));
    return edit(t, T_style_card, KV("icon", style->icon), KV("title", style->title),
                KV("description", style->description), KV("kinds", kinds_words(t, style->kinds)),
                KV("popularity", popularity_line(t, style)), KV("avatar", avatar_line(t, style)),
                KV("quick", can_draw ? flux_quick_words(t, T_style_quick) : S("")));
}

/* ERR_NOT_FOUND for what is not in the catalogue any more. */
static err *find_style(struct turn *t, str id, struct style *out)
{
    TRY(style_find(t->db, t->arena, t->user->id, id, language_of_user(t), out));
    return out->is_retired ? fail(t->arena, ERR_NOT_FOUND, "the style is retired") : NULL;
}

/* From here on an old button, and a way back from the shop, lead to this template. */
static err *enter_card(struct turn *t, str id, str place)
{
    struct style style;
    err *e = find_style(t, id, &style);
    if (err_is_not_found(e))
        return show_gone(t);
    if (e)
        return e;
    dialog_enter(t, ST_style);
    field_put(t, "d.style", id);
    field_put(t, "d.place", place);
    return show_card(t, &style, place);
}

err *on_style_show(struct turn *t)
{
    str id, place = cut_place(t, &id);
    return enter_card(t, id, place);
}

err *draw_style(struct turn *t)
{
    struct style style = {0};
    str id = field_get(t, "d.style");
    err *e = str_empty(id) ? fail(t->arena, ERR_NOT_FOUND, "no template is open")
                           : find_style(t, id, &style);
    if (err_is_not_found(e))
        return on_style_open(t);
    return e ? e : show_card(t, &style, field_get(t, "d.place"));
}

/* ---------------------------------------------------------------- keeping one */

err *on_style_mark(struct turn *t)
{
    str id, place = cut_place(t, &id);
    t->spares_user = true;
    TRY(style_mark(t->db, t->user->id, id));
    TRY(enter_card(t, id, place));
    hint(t, T_style_marked);
    return NULL;
}

err *on_style_unmark(struct turn *t)
{
    str id, place = cut_place(t, &id);
    t->spares_user = true;
    TRY(style_unmark(t->db, t->user->id, id));
    TRY(enter_card(t, id, place));
    hint(t, T_style_unmarked);
    return NULL;
}

/* ---------------------------------------------------------------- drawing with one */

/* Its avatar may have been deleted since the screen was drawn: then that says what to do. */
err *on_style_take(struct turn *t)
{
    struct style style;
    str id, place = cut_place(t, &id);
    err *e = find_style(t, id, &style);
    if (err_is_not_found(e))
        return show_gone(t);
    if (e)
        return e;
    if (str_empty(style.avatar_id))
        return enter_card(t, id, place);
    return flux_begin_style(t, &style, place);
}

/* What is paid is the price that stood on the button, and only as long as quick mode promises it. */
err *on_style_make(struct turn *t)
{
    struct style style;
    str id, number;
    int64_t price;
    str_cut(t->argument, ':', &id, &number);
    err *e = find_style(t, id, &style);
    if (err_is_not_found(e))
        return show_gone(t);
    if (e)
        return e;
    bool is_promised = t->user->settings.is_quick && str_to_i64(number, &price) &&
                       price == flux_usual_price(t) && !str_empty(style.avatar_id);
    if (!is_promised) {
        hint(t, T_button_is_old);
        return enter_card(t, id, field_get(t, "d.place"));
    }
    return flux_make_style(t, &style);
}
