#include "handlers/profile/privacy.h"

#include "handlers/say.h"

str privacy_kept_words(const struct turn *t)
{
    int64_t days = t->bot->conf->erased_mark_days;
    if (!days)
        return S("");
    str words = text_plain(t->arena, t->language, T_privacy_kept, KVS(KV("days", days)));
    return str_printf(t->arena, " " STR_FMT, STR_ARG(words));
}

err *on_privacy(struct turn *t)
{
    struct keyboard *k = &t->keyboard;
    if (!str_empty(t->bot->conf->privacy_url)) {
        keyboard_row(k);
        keyboard_link(k, T_button_privacy, t->bot->conf->privacy_url);
    }
    keyboard_row(k);
    keyboard_button(k, T_button_mydata, S("mydata:open"));
    keyboard_button(k, T_button_deleteme, S("deleteme:open"));
    keyboard_menu_row(k);
    return edit(t, T_privacy, KV("kept", privacy_kept_words(t)));
}
