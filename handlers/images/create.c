#include "handlers/images/create.h"

err *on_create_open(struct turn *t)
{
    struct keyboard *k = &t->keyboard;
    keyboard_row(k);
    keyboard_button(k, T_button_flux, S("flux:open"));
    keyboard_button(k, T_button_styles, S("style:open"));
    keyboard_row(k);
    keyboard_button(k, T_button_imagen, S("imagen:open"));
    keyboard_menu_row(k);
    return edit(t, T_create, KV("with_avatar", t->bot->conf->image_generation_cost_coins),
                KV("by_words", t->bot->conf->imagen4_generation_cost_coins),
                KV("balance", t->user->balance));
}
