#include "handlers/start.h"

#include "handlers/money/promo.h"

/* Two in a row at most: on a phone a third of the width does not hold a balance. */
static void menu_buttons(struct turn *t)
{
    struct keyboard *k = &t->keyboard;
    keyboard_row(k);
    keyboard_button(k, T_button_create, S("create:open"));
    keyboard_row(k);
    keyboard_button(k, T_button_avatars, S("avatar:open"), KV("n", t->user->avatars));
    keyboard_button(k, T_button_gallery, S("gallery:open"));
    keyboard_row(k);
    keyboard_button(k, T_button_speech, S("speech:open"));
    keyboard_row(k);
    keyboard_button(k, T_button_profile, S("profile:open"), KV("balance", t->user->balance));
    keyboard_button(k, T_button_help, S("help:open"));
}

static void back_button(struct turn *t)
{
    keyboard_menu_row(&t->keyboard);
}

static err *greet(struct turn *t)
{
    menu_buttons(t);
    return say(t, T_start, KV("name", t->user->first_name));
}

err *on_start(struct turn *t)
{
    return is_promo_link(t->text) ? promo_follow_link(t, greet) : greet(t);
}

err *on_menu(struct turn *t)
{
    menu_buttons(t);
    return edit(t, T_menu, KV("balance", t->user->balance));
}

err *on_cancel(struct turn *t)
{
    menu_buttons(t);
    return say(t, t->state == ST_idle ? T_cancel_nothing : T_cancelled);
}

err *on_help(struct turn *t)
{
    const struct conf *conf = t->bot->conf;
    back_button(t);
    return edit(t, T_help, KV("least", conf->avatar_min_photos),
                KV("most", conf->avatar_max_photos),
                KV("by_words", conf->imagen4_generation_cost_coins),
                KV("with_avatar", conf->image_generation_cost_coins),
                KV("avatar", conf->avatar_creation_cost_coins));
}
