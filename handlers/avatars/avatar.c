#include "handlers/avatars/avatar.h"

#include "core/clock.h"
#include "core/log.h"
#include "handlers/avatars/photos.h"

enum { NAME_MIN = 2, NAME_MAX = 50 }; /* code points */

static const struct type_row {
    const char *name;
    enum text label;
} types[] = {
    {"portrait", T_avatar_type_portrait},
    {"style",    T_avatar_type_style   },
    {"object",   T_avatar_type_object  },
};

static const struct status_row {
    const char *name;
    enum text label;
} statuses[] = {
    {"draft",              T_avatar_status_draft    },
    {"photos_uploading",   T_avatar_status_draft    },
    {"ready_for_training", T_avatar_status_ready    },
    {"training",           T_avatar_status_training },
    {"completed",          T_avatar_status_completed},
    {"error",              T_avatar_status_error    },
    {"cancelled",          T_avatar_status_cancelled},
};

/* ---------------------------------------------------------------- words of a card */

str avatar_type_words(struct arena *a, enum language language, const struct avatar *avatar)
{
    if (str_eq(avatar->gender, S("male")))
        return text_plain(a, language, T_avatar_type_man, KVS());
    if (str_eq(avatar->gender, S("female")))
        return text_plain(a, language, T_avatar_type_woman, KVS());
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq(avatar->training_type, str_from(types[i].name)))
            return text_plain(a, language, types[i].label, KVS());
    return avatar->training_type;
}

static str status_words(const struct turn *t, const struct avatar *avatar)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (str_eq(avatar->status, str_from(statuses[i].name)))
            return text_plain(t->arena, t->language, statuses[i].label,
                              KVS(KV("percent", avatar->training_progress)));
    return avatar->status;
}

static bool is_in(const struct avatar *avatar, const char *status)
{
    return str_eq(avatar->status, str_from(status));
}

/* ---------------------------------------------------------------- the cards */

static void page_buttons(struct turn *t, const struct avatar *avatars, size_t count, size_t at)
{
    struct keyboard *k = &t->keyboard;
    if (count < 2)
        return;
    keyboard_row(k);
    if (at > 0)
        keyboard_button(k, T_button_newer, tap_for(t->arena, "avatar:show", avatars[at - 1].id));
    keyboard_button(k, T_button_place, tap_for(t->arena, "avatar:place", avatars[at].id),
                    KV("index", at + 1), KV("total", count));
    if (at + 1 < count)
        keyboard_button(k, T_button_older, tap_for(t->arena, "avatar:show", avatars[at + 1].id));
}

/* What can be done with an avatar is what its status allows. */
static void work_buttons(struct turn *t, const struct avatar *avatar)
{
    struct keyboard *k = &t->keyboard;
    keyboard_row(k);
    if (avatar->takes_photos)
        keyboard_button(k, avatar->is_draft ? T_button_photos_open : T_button_photos_change,
                        tap_for(t->arena, "photos:open", avatar->id));
    if (is_in(avatar, "ready_for_training") || is_in(avatar, "error") || is_in(avatar, "cancelled"))
        keyboard_button(k, T_button_training_open, tap_for(t->arena, "training:open", avatar->id));
    if (is_in(avatar, "training"))
        keyboard_button(k, T_button_training_show, tap_for(t->arena, "training:show", avatar->id));
    if (is_in(avatar, "completed"))
        keyboard_button(k, T_button_flux_use, tap_for(t->arena, "flux:use", avatar->id));
    keyboard_row(k);
    if (is_in(avatar, "completed") && !avatar->is_main)
        keyboard_button(k, T_button_avatar_main, tap_for(t->arena, "avatar:main", avatar->id));
}

static void card_buttons(struct turn *t, const struct avatar *avatars, size_t count, size_t at)
{
    struct keyboard *k = &t->keyboard;
    const struct avatar *avatar = &avatars[at];
    page_buttons(t, avatars, count, at);
    work_buttons(t, avatar);
    keyboard_row(k);
    keyboard_button(k, T_button_avatar_rename, tap_for(t->arena, "avatar:rename", avatar->id));
    keyboard_button(k, T_button_delete, tap_for(t->arena, "avatar:delete", avatar->id));
    keyboard_row(k);
    keyboard_button(k, T_button_avatar_new, S("avatar:new"));
    keyboard_button(k, T_button_menu, S("menu:open"));
}

static err *show_card(struct turn *t, const struct avatar *avatars, size_t count, size_t at)
{
    const struct avatar *avatar = &avatars[at];
    const struct kv *values = KVS(
        KV("name", avatar->name), KV("main", avatar->is_main ? S("⭐ ") : S("")),
        KV("type", avatar_type_words(t->arena, t->language, avatar)),
        KV("status", status_words(t, avatar)), KV("photos", avatar->photos_count),
        KV("images", avatar->generations_count),
        KV("date",
           date_shown(t->arena, avatar->created_at_us / 1000, t->user->utc_offset_minutes)));
    card_buttons(t, avatars, count, at);
    if (str_empty(avatar->picture_file_id))
        return say_here(t, T_avatar_card, values);
    return say_photo_here(t, avatar->picture_file_id, T_avatar_card, values);
}

/* Without any avatar: what one is, and what it costs. */
static err *show_none(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_avatar_new, S("avatar:new"));
    keyboard_menu_row(&t->keyboard);
    return edit(t, T_avatar_none, KV("price", t->bot->conf->avatar_creation_cost_coins));
}

/* The card of that avatar, or the first when the id is of none. */
static err *show(struct turn *t, str id)
{
    struct avatar *avatars;
    size_t count, at = 0;
    TRY(avatar_list(t->db, t->arena, t->user->id, &avatars, &count));
    if (!count)
        return show_none(t);
    for (size_t i = 0; i < count; i++)
        if (str_eq(avatars[i].id, id))
            at = i;
    return show_card(t, avatars, count, at);
}

err *on_avatar_open(struct turn *t)
{
    return show(t, S(""));
}

err *on_avatar_show(struct turn *t)
{
    return show(t, t->avatar->id);
}

/* Between the arrows stands the name of what is shown: an edit would change nothing. */
err *on_avatar_place(struct turn *t)
{
    hint(t, T_avatar_place, KV("name", t->avatar->name));
    return NULL;
}

/* ---------------------------------------------------------------- a new one */

static err *show_draft(struct turn *t, const struct avatar *draft)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_photos_open,
                    tap_for(t->arena, "photos:open", draft->id));
    keyboard_button(&t->keyboard, T_button_delete, tap_for(t->arena, "avatar:delete", draft->id));
    keyboard_menu_row(&t->keyboard);
    return edit(t, T_avatar_has_draft, KV("name", draft->name), KV("photos", draft->photos_count));
}

/* What is said of photos and presents is what the settings do. */
static err *ask_consent(struct turn *t)
{
    const struct conf *conf = t->bot->conf;
    enum text kept = !conf->delete_photos_after_training ? T_avatar_photos_stay
                     : conf->keep_preview_photo          ? T_avatar_first_photo_stays
                                                         : T_avatar_no_photo_stays;
    enum text end = conf->auto_generate_preview ? T_avatar_end_with_present : T_avatar_end;
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_avatar_agree, S("avatar:agree"));
    keyboard_menu_row(&t->keyboard);
    return edit(t, T_avatar_consent, KV("least", conf->avatar_min_photos),
                KV("most", conf->avatar_max_photos), KV("price", conf->avatar_creation_cost_coins),
                KV("balance", t->user->balance),
                KV("end", text_plain(t->arena, t->language, end, KVS())),
                KV("kept", text_plain(t->arena, t->language, kept, KVS())));
}

/* What stands in the way of a new avatar is said before the first question, not after the last. */
err *on_avatar_new(struct turn *t)
{
    struct avatar *avatars;
    size_t count;
    TRY(avatar_list(t->db, t->arena, t->user->id, &avatars, &count));
    for (size_t i = 0; i < count; i++)
        if (avatars[i].is_draft)
            return show_draft(t, &avatars[i]);
    int64_t most = t->bot->conf->avatars_max;
    if ((int64_t)count >= most)
        return refuse(t, T_avatar_too_many, KV("most", most));
    return ask_consent(t);
}

err *draw_avatar_type(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_avatar_type_portrait, S("avatar:portrait"));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_avatar_type_style, S("avatar:type:style"));
    keyboard_button(&t->keyboard, T_avatar_type_object, S("avatar:type:object"));
    keyboard_menu_row(&t->keyboard);
    return edit(t, T_avatar_ask_type);
}

err *on_avatar_agree(struct turn *t)
{
    return draw_avatar_type(t);
}

err *draw_avatar_gender(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_avatar_male, S("avatar:gender:male"));
    keyboard_button(&t->keyboard, T_button_avatar_female, S("avatar:gender:female"));
    keyboard_menu_row(&t->keyboard);
    return edit(t, T_avatar_ask_gender);
}

err *draw_avatar_name(struct turn *t)
{
    keyboard_menu_row(&t->keyboard);
    return edit(t, T_avatar_ask_name, KV("least", (int)NAME_MIN), KV("most", (int)NAME_MAX));
}

/* The gender is asked for portraits only: it leads the picture, and means nothing for a thing. */
err *on_avatar_portrait(struct turn *t)
{
    field_put(t, "d.type", S("portrait"));
    return draw_avatar_gender(t);
}

err *on_avatar_gender(struct turn *t)
{
    if (!str_eq(t->argument, S("male")) && !str_eq(t->argument, S("female")))
        return fail(t->arena, ERR_NOT_FOUND, "no such gender");
    field_put(t, "d.gender", t->argument);
    return draw_avatar_name(t);
}

err *on_avatar_type(struct turn *t)
{
    if (!str_eq(t->argument, S("style")) && !str_eq(t->argument, S("object")))
        return fail(t->arena, ERR_NOT_FOUND, "no such type of avatar");
    field_put(t, "d.type", t->argument);
    return draw_avatar_name(t);
}

/* A line break would tear captions and buttons apart, a turn of direction would turn what stands
 * behind it, and Telegram refuses every keyboard with a button on which nothing is seen. */
static bool is_name(str name)
{
    return str_points_within(name, NAME_MIN, NAME_MAX) && str_has_visible(name) &&
           !str_has_controls(name);
}

static err *refuse_name(struct turn *t)
{
    return refuse(t, T_avatar_bad_name, KV("least", (int)NAME_MIN), KV("most", (int)NAME_MAX));
}

/* A refused name keeps the dialog where it is; the user simply types again. */
err *on_avatar_name(struct turn *t)
{
    if (!is_name(t->text))
        return refuse_name(t);
    str id = random_uuid(t->arena);
    bool added;
    TRY(avatar_add(t->db, id, t->user->id, t->text, field_get(t, "d.gender"),
                   field_get(t, "d.type"), t->bot->conf->avatars_max, &added));
    if (!added) { /* another window was faster, or the place is taken meanwhile */
        dialog_enter(t, ST_idle);
        return on_avatar_new(t);
    }

    log_info("avatar.created", KV("avatar", id));
    t->avatar = NEW(t->arena, struct avatar);
    TRY(avatar_find(t->db, t->arena, t->user->id, id, t->avatar));
    return photos_open(t);
}

/* ---------------------------------------------------------------- what a card does */

err *on_avatar_main(struct turn *t)
{
    if (!is_in(t->avatar, "completed"))
        return refuse(t, T_avatar_not_finished);
    TRY(avatar_set_main(t->db, t->user->id, t->avatar->id));
    hint(t, T_avatar_is_main, KV("name", t->avatar->name));
    return show(t, t->avatar->id);
}

err *draw_avatar_rename(struct turn *t)
{
    keyboard_menu_row(&t->keyboard);
    return edit(t, T_avatar_ask_new_name, KV("least", (int)NAME_MIN), KV("most", (int)NAME_MAX));
}

err *on_avatar_rename(struct turn *t)
{
    dialog_enter(t, ST_avatar_rename);
    field_put(t, "d.avatar", t->avatar->id);
    return draw_avatar_rename(t);
}

err *on_avatar_new_name(struct turn *t)
{
    if (!is_name(t->text))
        return refuse_name(t);
    str id = field_get(t, "d.avatar");
    TRY(avatar_set_name(t->db, t->arena, t->user->id, id, t->text));
    log_info("avatar.renamed", KV("avatar", id));
    return show(t, id);
}

/* A training is stopped first: its price and its request at FAL are a matter of their own. */
err *on_avatar_delete(struct turn *t)
{
    if (is_in(t->avatar, "training"))
        return refuse(t, T_avatar_is_training);
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_delete_yes,
                    tap_for(t->arena, "avatar:remove", t->avatar->id));
    keyboard_button(&t->keyboard, T_button_delete_no,
                    tap_for(t->arena, "avatar:show", t->avatar->id));
    return edit(t, t->avatar->is_draft ? T_avatar_drop_ask : T_avatar_delete_ask,
                KV("name", t->avatar->name), KV("photos", t->avatar->photos_count));
}

err *on_avatar_remove(struct turn *t)
{
    struct avatar avatar;
    TRY(avatar_lock(t->db, t->arena, t->user->id, t->avatar->id, &avatar));
    if (is_in(&avatar, "training"))
        return refuse(t, T_avatar_is_training);
    TRY(avatar_delete(t->db, t->user->id, avatar.id));
    log_info("avatar.deleted", KV("avatar", avatar.id));
    hint(t, T_avatar_deleted, KV("name", avatar.name));
    return show(t, S(""));
}
