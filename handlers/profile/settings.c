#include "handlers/profile/settings.h"

#include "core/clock.h"
#include "core/log.h"
#include "handlers/images/flux.h"
#include "handlers/profile/profile.h"

enum { ZONES_OF_ROW = 3, QUALITIES_OF_ROW = 2, HOUR_MINUTES = 60 };

static str words(const struct turn *t, enum text text)
{
    return text_plain(t->arena, t->language, text, KVS());
}

static void settings_row(struct keyboard *k)
{
    keyboard_row(k);
    keyboard_button(k, T_button_settings, S("settings:open"));
    keyboard_button(k, T_button_menu, S("menu:open"));
}

/* The chosen one of a row carries a mark. */
static void choice(struct turn *t, bool is_chosen, str tap, str label)
{
    keyboard_button(&t->keyboard, T_button_choice, tap, KV("mark", is_chosen ? S("● ") : S("")),
                    KV("words", label));
}

/* Telegram refuses an edit that changes nothing: a choice that stands already is only said. */
static err *choice_stands(struct turn *t)
{
    hint(t, T_choice_stands);
    return NULL;
}

static err *no_such_choice(struct turn *t)
{
    return fail(t->arena, ERR_NOT_FOUND, "no such choice");
}

/* ---------------------------------------------------------------- the screen */

static str quality_words(const struct turn *t)
{
    str quality = t->user->settings.default_quality;
    size_t i = 0;
    while (i + 1 < FLUX_QUALITIES && !str_eq(quality, str_from(flux_qualities[i].name)))
        i++;
    return words(t, flux_qualities[i].label);
}

static str time_in(const struct turn *t, int utc_offset_minutes)
{
    return time_shown(t->arena, clock_ms(), utc_offset_minutes);
}

static void toggle_row(struct turn *t, enum text label, const char *tap, bool is_on,
                       enum text state)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, label, tap_for(t->arena, tap, is_on ? S("0") : S("1")),
                    KV("state", words(t, state)));
}

static void switch_row(struct turn *t, enum text label, const char *tap, bool is_on)
{
    toggle_row(t, label, tap, is_on, is_on ? T_switch_is_on : T_switch_is_off);
}

static void sound_row(struct turn *t, enum text label, const char *tap, bool is_on)
{
    toggle_row(t, label, tap, is_on, is_on ? T_sound_is_on : T_sound_is_off);
}

err *on_settings_open(struct turn *t)
{
    const struct user_settings *settings = &t->user->settings;
    struct keyboard *k = &t->keyboard;
    keyboard_row(k);
    keyboard_button(k, T_button_language, S("language:open"));
    keyboard_button(k, T_button_zone, S("zone:open"));
    keyboard_row(k);
    keyboard_button(k, T_button_pictures, S("pictures:open"));
    switch_row(t, T_button_quick, "settings:quick", settings->is_quick);
    if (!str_empty(t->bot->conf->openai_api_key))
        switch_row(t, T_button_enhance, "settings:enhance", settings->enhances);
    switch_row(t, T_button_details, "settings:details", settings->shows_details);
    sound_row(t, T_button_sound_images, "settings:images", settings->notifies_images);
    sound_row(t, T_button_sound_avatars, "settings:avatars", settings->notifies_avatars);
    profile_row(k);
    return edit(t, T_settings, KV("zone", t->user->timezone),
                KV("time", time_in(t, t->user->utc_offset_minutes)),
                KV("ratio", settings->default_aspect_ratio),
                KV("count", settings->default_image_count), KV("quality", quality_words(t)));
}

/* A switch is set to what its button said. */
static err *set_switch(struct turn *t, enum user_setting setting, bool *current)
{
    bool is_on = str_eq(t->argument, S("1"));
    if (!is_on && !str_eq(t->argument, S("0")))
        return no_such_choice(t);
    if (is_on == *current)
        return choice_stands(t);
    TRY(user_set(t->db, t->user->id, setting, V(is_on)));
    *current = is_on;
    return on_settings_open(t);
}

err *on_settings_quick(struct turn *t)
{
    return set_switch(t, USER_QUICK_MODE, &t->user->settings.is_quick);
}

/* Without a key nobody does it, and a switch that does nothing is not shown. */
err *on_settings_enhance(struct turn *t)
{
    if (str_empty(t->bot->conf->openai_api_key))
        return no_such_choice(t);
    return set_switch(t, USER_ENHANCE, &t->user->settings.enhances);
}

err *on_settings_details(struct turn *t)
{
    return set_switch(t, USER_DETAILS, &t->user->settings.shows_details);
}

err *on_settings_images(struct turn *t)
{
    return set_switch(t, USER_NOTIFY_IMAGES, &t->user->settings.notifies_images);
}

err *on_settings_avatars(struct turn *t)
{
    return set_switch(t, USER_NOTIFY_AVATARS, &t->user->settings.notifies_avatars);
}

/* ---------------------------------------------------------------- usual pictures */

static void ratio_row(struct turn *t)
{
    keyboard_row(&t->keyboard);
    for (size_t i = 0; i < ORDER_RATIOS; i++) {
        str ratio = str_from(order_ratios[i]);
        choice(t, str_eq(ratio, t->user->settings.default_aspect_ratio),
               tap_for(t->arena, "pictures:ratio", ratio), ratio);
    }
}

static void count_row(struct turn *t)
{
    keyboard_row(&t->keyboard);
    for (int n = 1; n <= ORDER_IMAGES_MAX; n++)
        choice(t, n == t->user->settings.default_image_count,
               tap_for(t->arena, "pictures:count", str_printf(t->arena, "%d", n)),
               str_printf(t->arena, "×%d", n));
}

static void quality_rows(struct turn *t)
{
    for (size_t i = 0; i < FLUX_QUALITIES; i++) {
        str quality = str_from(flux_qualities[i].name);
        if (i % QUALITIES_OF_ROW == 0)
            keyboard_row(&t->keyboard);
        choice(t, str_eq(quality, t->user->settings.default_quality),
               tap_for(t->arena, "pictures:quality", quality), words(t, flux_qualities[i].label));
    }
}

err *on_pictures_open(struct turn *t)
{
    ratio_row(t);
    count_row(t);
    quality_rows(t);
    settings_row(&t->keyboard);
    return edit(t, T_pictures);
}

err *on_pictures_ratio(struct turn *t)
{
    struct user_settings *settings = &t->user->settings;
    if (str_eq(t->argument, settings->default_aspect_ratio))
        return choice_stands(t);
    for (size_t i = 0; i < ORDER_RATIOS; i++)
        if (str_eq(t->argument, str_from(order_ratios[i]))) {
            TRY(user_set(t->db, t->user->id, USER_ASPECT_RATIO, V(t->argument)));
            settings->default_aspect_ratio = t->argument;
            return on_pictures_open(t);
        }
    return no_such_choice(t);
}

err *on_pictures_count(struct turn *t)
{
    struct user_settings *settings = &t->user->settings;
    int64_t count;
    if (!str_to_i64(t->argument, &count) || count < 1 || count > ORDER_IMAGES_MAX)
        return no_such_choice(t);
    if (count == settings->default_image_count)
        return choice_stands(t);
    TRY(user_set(t->db, t->user->id, USER_IMAGE_COUNT, V(count)));
    settings->default_image_count = (int)count;
    return on_pictures_open(t);
}

err *on_pictures_quality(struct turn *t)
{
    struct user_settings *settings = &t->user->settings;
    if (str_eq(t->argument, settings->default_quality))
        return choice_stands(t);
    for (size_t i = 0; i < FLUX_QUALITIES; i++)
        if (str_eq(t->argument, str_from(flux_qualities[i].name))) {
            TRY(user_set(t->db, t->user->id, USER_QUALITY, V(t->argument)));
            settings->default_quality = t->argument;
            return on_pictures_open(t);
        }
    return no_such_choice(t);
}

/* ---------------------------------------------------------------- time zone */

/* Every offset that clocks on Earth show. */
static const int zones_minutes[] = {
    -720, -660, -600, -570, -540, -480, -420, -360, -300, -240, -210, -180, -120,
    -60,  0,    60,   120,  180,  210,  240,  270,  300,  330,  345,  360,  390,
    420,  480,  525,  540,  570,  600,  630,  660,  720,  765,  780,  840,
};

/* "UTC+5", "UTC-9:30" */
static str zone_name(struct arena *a, int minutes)
{
    int size = minutes < 0 ? -minutes : minutes;
    char sign = minutes < 0 ? '-' : '+';
    return size % HOUR_MINUTES
               ? str_printf(a, "UTC%c%d:%02d", sign, size / HOUR_MINUTES, size % HOUR_MINUTES)
               : str_printf(a, "UTC%c%d", sign, size / HOUR_MINUTES);
}

/* Nobody knows his offset, but everybody knows what time it is: that stands first. */
static void zone_buttons(struct turn *t, bool is_west)
{
    size_t shown = 0;
    for (size_t i = 0; i < ARRAY_LEN(zones_minutes); i++) {
        int minutes = zones_minutes[i];
        if ((minutes < 0) != is_west)
            continue;
        if (shown++ % ZONES_OF_ROW == 0)
            keyboard_row(&t->keyboard);
        str name = zone_name(t->arena, minutes);
        str label = str_printf(t->arena, STR_FMT " " STR_FMT, STR_ARG(time_in(t, minutes)),
                               STR_ARG(str_sub(name, 3, name.len)));
        choice(t, minutes == t->user->utc_offset_minutes, tap_for(t->arena, "zone:set", name),
               label);
    }
}

err *on_zone_open(struct turn *t)
{
    bool is_west = str_empty(t->argument) ? t->user->utc_offset_minutes < 0
                                          : str_eq(t->argument, S("west"));
    zone_buttons(t, is_west);
    keyboard_row(&t->keyboard);
    if (is_west)
        keyboard_button(&t->keyboard, T_button_zones_east, S("zone:open:east"));
    else
        keyboard_button(&t->keyboard, T_button_zones_west, S("zone:open:west"));
    settings_row(&t->keyboard);
    return edit(t, T_zone, KV("zone", t->user->timezone),
                KV("time", time_in(t, t->user->utc_offset_minutes)));
}

err *on_zone_set(struct turn *t)
{
    if (str_eq(t->argument, t->user->timezone))
        return choice_stands(t);
    for (size_t i = 0; i < ARRAY_LEN(zones_minutes); i++)
        if (str_eq(t->argument, zone_name(t->arena, zones_minutes[i]))) {
            TRY(user_set(t->db, t->user->id, USER_TIMEZONE, V(t->argument)));
            t->user->timezone = t->argument;
            t->user->utc_offset_minutes = zones_minutes[i];
            hint(t, T_zone_set, KV("time", time_in(t, zones_minutes[i])));
            return on_settings_open(t);
        }
    return no_such_choice(t);
}

/* ---------------------------------------------------------------- language */

err *on_language(struct turn *t)
{
    keyboard_row(&t->keyboard);
    choice(t, t->language == LANG_ru, S("language:set:ru"), words(t, T_button_russian));
    choice(t, t->language == LANG_en, S("language:set:en"), words(t, T_button_english));
    settings_row(&t->keyboard);
    return edit(t, T_language);
}

err *on_language_set(struct turn *t)
{
    bool is_known = str_eq(t->argument, S("ru")) || str_eq(t->argument, S("en"));
    if (!is_known)
        return no_such_choice(t);
    if (str_eq(t->argument, t->user->language))
        return choice_stands(t);
    TRY(user_set_language(t->db, t->user->id, t->argument));

    log_info("language.set", KV("language", t->argument));
    t->user->language = t->argument;
    t->language = language_of(t->argument);
    t->keyboard = keyboard_new(t->arena, t->language);
    hint(t, T_language_set);
    return on_settings_open(t);
}
