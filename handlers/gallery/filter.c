#include "handlers/gallery/filter.h"

#include "core/clock.h"
#include "handlers/gallery/period.h"
#include "handlers/images/order.h"

enum {
    AVATARS_CHOSEN_MOST = 10,
    RATIOS_OF_ROW = 3,
    DAYS_OF_ROW = 7,
    MONTHS_OF_YEAR = 12,
    WORDS_MAX = 100, /* code points of a search */
};

static const struct type_row {
    const char *name;
    enum text label;
} types[] = {
    {"",        T_filter_type_any   },
    {"avatar",  T_filter_type_avatar},
    {"imagen4", T_filter_type_imagen},
};

/* ---------------------------------------------------------------- what is set */

void filter_read(const struct turn *t, struct gallery_filter *out)
{
    *out = (struct gallery_filter){
        .type = field_get(t, "g.type"),
        .avatars = field_get(t, "g.avatars"),
        .ratio = field_get(t, "g.ratio"),
        .is_favorite = !str_empty(field_get(t, "g.starred")),
        .words = field_get(t, "g.words"),
    };
    int offset = t->user->utc_offset_minutes;
    int64_t from, to;
    if (!period_days(field_get(t, "g.period"), day_at(clock_ms(), offset), &from, &to))
        return;
    out->since_us = day_begins_us(from, offset);
    out->until_us = day_begins_us(to + 1, offset);
}

str filter_marks(const struct turn *t)
{
    str type = field_get(t, "g.type");
    bool has_avatars = !str_empty(field_get(t, "g.avatars"));
    struct buf b = buf_new(t->arena);
    if (str_eq(type, S("avatar")) && !has_avatars)
        buf_add(&b, S("👤"));
    if (has_avatars)
        buf_add(&b, S("👨"));
    if (str_eq(type, S("imagen4")))
        buf_add(&b, S("🎨"));
    static const struct {
        const char *field;
        const char *mark;
    } marks[] = {
        {"g.ratio",   "📐"},
        {"g.period",  "📅"},
        {"g.starred", "⭐" },
        {"g.words",   "🔍"},
    };
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (!str_empty(field_get(t, marks[i].field)))
            buf_add(&b, str_from(marks[i].mark));
    return b.len ? str_printf(t->arena, " · " STR_FMT, STR_ARG(buf_str(&b))) : S("");
}

void filter_drop(struct turn *t)
{
    static const char *const fields[] = {"g.type",   "g.ratio", "g.starred", "g.avatars",
                                         "g.period", "g.words", "g.head"};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        field_drop(t, fields[i]);
}

err *filter_count(struct turn *t, int64_t *total)
{
    struct gallery_filter filter;
    filter_read(t, &filter);
    struct image newest;
    int moved;
    TRY(gallery_step(t->db, t->user->id, &filter, &gallery_top, 1, &newest, &moved));
    *total = 0;
    if (moved)
        TRY(gallery_above(t->db, t->user->id, &filter, &gallery_bottom, total));
    field_put(t, "g.head", moved ? newest.id : S(""));
    field_put_i64(t, "g.head_us", moved ? newest.created_at_us : 0);
    field_put_i64(t, "g.since", filter.since_us);
    field_put_i64(t, "g.total", *total);
    field_drop(t, "g.at");
    field_drop(t, "g.gone");
    return NULL;
}

/* ---------------------------------------------------------------- the screen */

static str words(const struct turn *t, enum text text)
{
    return text_plain(t->arena, t->language, text, KVS());
}

/* The chosen one of a row carries a mark. */
static void choice(struct turn *t, bool is_chosen, str tap, str label)
{
    keyboard_button(&t->keyboard, T_button_choice, tap, KV("mark", is_chosen ? S("● ") : S("")),
                    KV("words", label));
}

static err *no_such_choice(struct turn *t)
{
    return fail(t->arena, ERR_NOT_FOUND, "no such choice");
}

static void type_row(struct turn *t)
{
    keyboard_row(&t->keyboard);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        str name = str_from(types[i].name);
        choice(t, str_eq(name, field_get(t, "g.type")),
               tap_for(t->arena, "filter:type", i ? name : S("any")), words(t, types[i].label));
    }
}

static void ratio_rows(struct turn *t)
{
    str chosen = field_get(t, "g.ratio");
    keyboard_row(&t->keyboard);
    choice(t, str_empty(chosen), S("filter:ratio:any"), words(t, T_filter_ratio_any));
    for (size_t i = 0; i < ORDER_RATIOS; i++) {
        if ((i + 1) % RATIOS_OF_ROW == 0)
            keyboard_row(&t->keyboard);
        str ratio = str_from(order_ratios[i]);
        choice(t, str_eq(ratio, chosen), tap_for(t->arena, "filter:ratio", ratio), ratio);
    }
}

/* How many ids there are between the commas. */
static int64_t chosen_count(str ids)
{
    int64_t count = 0;
    str id;
    while (!str_empty(ids)) {
        str_cut(ids, ',', &id, &ids);
        count++;
    }
    return count;
}

static str chosen_avatars(const struct turn *t)
{
    int64_t count = chosen_count(field_get(t, "g.avatars"));
    return count ? str_printf(t->arena, ": %" PRId64, count) : S("");
}

static bool is_starred_only(const struct turn *t)
{
    return !str_empty(field_get(t, "g.starred"));
}

static str date_of(struct turn *t, int64_t day)
{
    return date_shown(t->arena, day_begins_us(day, 0) / 1000, 0);
}

static int64_t today_of(const struct turn *t)
{
    return day_at(clock_ms(), t->user->utc_offset_minutes);
}

/* What the buttons do not show by themselves: the days and the words. */
static str chosen_lines(struct turn *t)
{
    struct buf b = buf_new(t->arena);
    str searched = field_get(t, "g.words");
    int64_t from, to;
    if (period_days(field_get(t, "g.period"), today_of(t), &from, &to)) {
        buf_addf(&b, "\n📅 " STR_FMT, STR_ARG(date_of(t, from)));
        if (to != from)
            buf_addf(&b, " – " STR_FMT, STR_ARG(date_of(t, to)));
    }
    if (!str_empty(searched))
        buf_addf(&b, "\n🔍 " STR_FMT, STR_ARG(searched));
    return b.len ? str_printf(t->arena, "\n" STR_FMT, STR_ARG(buf_str(&b))) : S("");
}

static err *draw(struct turn *t, int64_t total)
{
    struct keyboard *k = &t->keyboard;
    type_row(t);
    ratio_rows(t);
    keyboard_row(k);
    choice(t, is_starred_only(t),
           is_starred_only(t) ? S("filter:favorite:0") : S("filter:favorite:1"),
           words(t, T_filter_favorite));
    if (t->user->avatars)
        keyboard_button(k, T_button_filter_avatars, S("filter:avatars"),
                        KV("chosen", chosen_avatars(t)));
    keyboard_row(k);
    choice(t, !str_empty(field_get(t, "g.period")), S("filter:dates"), words(t, T_filter_dates));
    choice(t, !str_empty(field_get(t, "g.words")), S("filter:words"), words(t, T_filter_words));
    keyboard_row(k);
    if (total)
        keyboard_button(k, T_button_filter_show, S("gallery:open"), KV("n", total));
    if (!str_empty(filter_marks(t)))
        keyboard_button(k, T_button_filter_reset, S("filter:reset"));
    keyboard_menu_row(k);
    return edit(t, total ? T_filter : T_filter_nothing, KV("n", total),
                KV("chosen", chosen_lines(t)));
}

/* What was counted still holds unless days have gone by; who comes here pays for no second count. */
err *on_filter_open(struct turn *t)
{
    struct gallery_filter filter;
    filter_read(t, &filter);
    int64_t total = field_get_i64(t, "g.total");
    if (str_empty(field_get(t, "g.head")) || field_get_i64(t, "g.gone") ||
        filter.since_us != field_get_i64(t, "g.since"))
        TRY(filter_count(t, &total));
    return draw(t, total);
}

static err *draw_changed(struct turn *t)
{
    int64_t total;
    TRY(filter_count(t, &total));
    return draw(t, total);
}

/* Telegram refuses an edit that changes nothing: a choice that stands already is only said. */
static err *choose(struct turn *t, const char *field, str value)
{
    if (str_eq(value, field_get(t, field))) {
        hint(t, T_choice_stands);
        return NULL;
    }
    field_put(t, field, value);
    return draw_changed(t);
}

/* ---------------------------------------------------------------- choices */

err *on_filter_type(struct turn *t)
{
    str type = str_eq(t->argument, S("any")) ? S("") : t->argument;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_is(type, types[i].name)) {
            if (str_eq(type, S("imagen4")))
                field_drop(t, "g.avatars"); /* those have none */
            return choose(t, "g.type", type);
        }
    return no_such_choice(t);
}

err *on_filter_ratio(struct turn *t)
{
    if (str_eq(t->argument, S("any")))
        return choose(t, "g.ratio", S(""));
    for (size_t i = 0; i < ORDER_RATIOS; i++)
        if (str_is(t->argument, order_ratios[i]))
            return choose(t, "g.ratio", t->argument);
    return no_such_choice(t);
}

err *on_filter_favorite(struct turn *t)
{
    return choose(t, "g.starred", str_eq(t->argument, S("1")) ? S("1") : S(""));
}

err *on_filter_reset(struct turn *t)
{
    if (str_empty(filter_marks(t))) {
        hint(t, T_filter_is_reset);
        return NULL;
    }
    filter_drop(t);
    hint(t, T_filter_is_reset);
    return draw_changed(t);
}

/* ---------------------------------------------------------------- avatars */

static bool is_chosen(const struct turn *t, str id)
{
    size_t at;
    return str_find(field_get(t, "g.avatars"), id, &at);
}

err *on_filter_avatars(struct turn *t)
{
    struct avatar *avatars;
    size_t count;
    TRY(avatar_list(t->db, t->arena, t->user->id, &avatars, &count));
    int64_t total = field_get_i64(t, "g.total");
    keyboard_row(&t->keyboard);
    choice(t, str_empty(field_get(t, "g.avatars")), S("filter:avatars_any"),
           words(t, T_filter_avatars_any));
    for (size_t i = 0; i < count; i++) {
        if (avatars[i].is_draft)
            continue;
        keyboard_row(&t->keyboard);
        choice(t, is_chosen(t, avatars[i].id), tap_for(t->arena, "filter:avatar", avatars[i].id),
               avatars[i].name);
    }
    keyboard_row(&t->keyboard);
    if (total)
        keyboard_button(&t->keyboard, T_button_filter_show, S("gallery:open"), KV("n", total));
    keyboard_button(&t->keyboard, T_button_back, S("filter:open"));
    return edit(t, T_filter_avatars, KV("n", total));
}

/* All but that one; or with it. */
static str toggled(struct turn *t, str id)
{
    struct buf b = buf_new(t->arena);
    str left = field_get(t, "g.avatars"), one;
    bool was_chosen = false;
    while (!str_empty(left)) {
        str_cut(left, ',', &one, &left);
        was_chosen = was_chosen || str_eq(one, id);
        if (!str_eq(one, id))
            buf_addf(&b, "%s" STR_FMT, b.len ? "," : "", STR_ARG(one));
    }
    if (!was_chosen)
        buf_addf(&b, "%s" STR_FMT, b.len ? "," : "", STR_ARG(id));
    return buf_str(&b);
}

static err *draw_avatars_changed(struct turn *t)
{
    int64_t total;
    TRY(filter_count(t, &total));
    return on_filter_avatars(t);
}

/* An avatar is asked for among images that were made with one. */
err *on_filter_avatar(struct turn *t)
{
    str ids = toggled(t, t->avatar->id);
    if (chosen_count(ids) > AVATARS_CHOSEN_MOST) {
        hint(t, T_filter_avatars_most, KV("n", (int)AVATARS_CHOSEN_MOST));
        return NULL;
    }
    field_put(t, "g.avatars", ids);
    if (str_eq(field_get(t, "g.type"), S("imagen4")))
        field_drop(t, "g.type");
    return draw_avatars_changed(t);
}

err *on_filter_avatars_any(struct turn *t)
{
    if (str_empty(field_get(t, "g.avatars"))) {
        hint(t, T_choice_stands);
        return NULL;
    }
    field_drop(t, "g.avatars");
    return draw_avatars_changed(t);
}

/* ---------------------------------------------------------------- dates */

static void period_button(struct turn *t, const char *period, enum text label)
{
    str name = str_from(period);
    choice(t, str_eq(name, field_get(t, "g.period")), tap_for(t->arena, "filter:period", name),
           words(t, label));
}

err *on_filter_dates(struct turn *t)
{
    struct keyboard *k = &t->keyboard;
    keyboard_row(k);
    period_button(t, "today", T_period_today);
    period_button(t, "yesterday", T_period_yesterday);
    keyboard_row(k);
    period_button(t, "week", T_period_week);
    period_button(t, "month", T_period_month);
    keyboard_row(k);
    keyboard_button(k, T_button_calendar,
                    tap_for(t->arena, "filter:month",
                            str_sub(day_digits(t->arena, today_of(t)), 0, strlen("202611"))));
    keyboard_button(k, T_button_typed, S("filter:typed"));
    keyboard_row(k);
    if (!str_empty(field_get(t, "g.period")))
        keyboard_button(k, T_button_any_date, S("filter:period:any"));
    keyboard_button(k, T_button_back, S("filter:open"));
    return edit(t, T_filter_dates_ask, KV("date", date_of(t, today_of(t))));
}

err *on_filter_period(struct turn *t)
{
    int64_t from, to;
    if (str_eq(t->argument, S("any")))
        return choose(t, "g.period", S(""));
    if (!period_days(t->argument, today_of(t), &from, &to))
        return no_such_choice(t);
    return choose(t, "g.period", t->argument);
}

static void month_button(struct turn *t, struct day month, int step, enum text label, str from)
{
    int number = month.year * MONTHS_OF_YEAR + month.month - 1 + step;
    int year = number / MONTHS_OF_YEAR, of_year = number % MONTHS_OF_YEAR + 1;
    str name = str_printf(t->arena, "%04d%02d", year, of_year);
    if (!str_empty(from))
        name = str_printf(t->arena, STR_FMT ":" STR_FMT, STR_ARG(name), STR_ARG(from));
    keyboard_button(&t->keyboard, label, tap_for(t->arena, "filter:month", name),
                    KV("month", str_printf(t->arena, "%02d.%04d", of_year, year)));
}

/* The first day that is tapped begins the period, the second one ends it; the same one twice is a
 * period of one day. A day too far from the first has no button. */
static void day_button(struct turn *t, int64_t day, bool has_first, int64_t first)
{
    struct day shown = day_of(day);
    str label = str_printf(t->arena, "%d", shown.day);
    str digits = day_digits(t->arena, day);
    str tap = has_first ? tap_for(t->arena, "filter:period", period_of_days(t->arena, first, day))
                        : tap_for(t->arena, "filter:month",
                                  str_printf(t->arena, STR_FMT ":" STR_FMT,
                                             STR_ARG(str_sub(digits, 0, strlen("202611"))),
                                             STR_ARG(digits)));
    choice(t, has_first && day == first, tap, label);
}

static bool is_within_period(int64_t a, int64_t b)
{
    return a - b < PERIOD_DAYS_MOST && b - a < PERIOD_DAYS_MOST;
}

/* Days that have not come yet are left out, so that every button finds something or may. */
static void day_buttons(struct turn *t, struct day month, bool has_first, int64_t first)
{
    int64_t begins = day_number(month), today = today_of(t);
    for (int64_t day = begins; day <= today && day_of(day).month == month.month; day++) {
        if ((day - begins) % DAYS_OF_ROW == 0)
            keyboard_row(&t->keyboard);
        if (!has_first || is_within_period(day, first))
            day_button(t, day, has_first, first);
    }
}

err *on_filter_month(struct turn *t)
{
    str digits, from;
    struct day month;
    int64_t first = 0, today = today_of(t);
    str_cut(t->argument, ':', &digits, &from);
    bool has_first = !str_empty(from);
    if (!month_read(digits, &month) || (has_first && !day_read(from, &first)))
        return no_such_choice(t);
    struct keyboard *k = &t->keyboard;
    day_buttons(t, month, has_first, first);
    keyboard_row(k);
    if (month.year > PERIOD_YEAR_FIRST || month.month > 1)
        month_button(t, month, -1, T_button_month_before, from);
    if (day_number((struct day){month.year, month.month + 1, 1}) <= today)
        month_button(t, month, 1, T_button_month_after, from);
    keyboard_row(k);
    keyboard_button(k, T_button_back, S("filter:dates"));
    str shown = str_printf(t->arena, "%02d.%04d", month.month, month.year);
    return has_first ? edit(t, T_calendar_to, KV("month", shown), KV("date", date_of(t, first)))
                     : edit(t, T_calendar_from, KV("month", shown));
}

err *draw_filter_typed(struct turn *t)
{
    int64_t today = today_of(t);
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_back, S("filter:dates"));
    return edit(t, T_filter_typed_ask, KV("from", date_of(t, today - DAYS_OF_ROW)),
                KV("to", date_of(t, today)), KV("days", (int)PERIOD_DAYS_MOST));
}

err *on_filter_typed_open(struct turn *t)
{
    return draw_filter_typed(t);
}

err *on_filter_typed(struct turn *t)
{
    str period;
    switch (period_read(t->arena, t->text, &period)) {
    case PERIOD_NOT_DATES:
        return refuse(t, T_period_not_dates);
    case PERIOD_BACKWARDS:
        return refuse(t, T_period_backwards);
    case PERIOD_TOO_LONG:
        return refuse(t, T_period_too_long, KV("days", (int)PERIOD_DAYS_MOST));
    case PERIOD_OK:
        break;
    }
    field_put(t, "g.period", period);
    return draw_changed(t);
}

/* ---------------------------------------------------------------- words */

err *draw_filter_words(struct turn *t)
{
    keyboard_row(&t->keyboard);
    if (!str_empty(field_get(t, "g.words")))
        keyboard_button(&t->keyboard, T_button_any_words, S("filter:words_any"));
    keyboard_button(&t->keyboard, T_button_back, S("filter:open"));
    return edit(t, T_filter_words_ask);
}

err *on_filter_words_open(struct turn *t)
{
    return draw_filter_words(t);
}

err *on_filter_words(struct turn *t)
{
    bool can_search = false;
    if (str_points_within(t->text, 1, WORDS_MAX))
        TRY(gallery_can_search(t->db, t->user->id, t->text, &can_search));
    if (!can_search)
        return refuse(t, T_filter_words_bad, KV("most", (int)WORDS_MAX));
    field_put(t, "g.words", t->text);
    return draw_changed(t);
}

err *on_filter_words_any(struct turn *t)
{
    return choose(t, "g.words", S(""));
}
