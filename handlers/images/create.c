#include "handlers/images/create.h"

#include "handlers/images/imagen.h"
#include "handlers/images/sample.h"

/* What is not offered has no line of its own. */
static str sample_line(const struct turn *t)
{
    if (!sample_is_offered(t->bot->conf))
        return S("");
    str line = text_plain(t->arena, t->language, T_create_sample, KVS());
    return str_printf(t->arena, "\n" STR_FMT, STR_ARG(line));
}

err *on_create_open(struct turn *t)
{
    struct keyboard *k = &t->keyboard;
    keyboard_row(k);
    keyboard_button(k, T_button_flux, S("flux:open"));
    keyboard_button(k, T_button_styles, S("style:open"));
    keyboard_row(k);
    keyboard_button(k, T_button_imagen, S("imagen:open"));
    if (sample_is_offered(t->bot->conf))
        keyboard_button(k, T_button_sample, S("sample:open"));
    keyboard_menu_row(k);
    return edit(t, T_create, KV("with_avatar", t->bot->conf->image_generation_cost_coins),
                KV("by_words", t->bot->conf->imagen4_generation_cost_coins),
                KV("sample", sample_line(t)), KV("balance", t->user->balance),
                KV("quick", order_quick_offer(t, &imagen_form)));
}
