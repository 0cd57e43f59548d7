#include "handlers/settings.h"

#include "core/log.h"
#include "handlers/profile.h"
#include "handlers/start.h"

err *on_language(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_russian, S("language:set:ru"));
    keyboard_button(&t->keyboard, T_button_english, S("language:set:en"));
    profile_row(&t->keyboard);
    return edit(t, T_language);
}

err *on_language_set(struct turn *t)
{
    bool is_known = str_eq(t->argument, S("ru")) || str_eq(t->argument, S("en"));
    if (!is_known)
        return fail(t->arena, ERR_NOT_FOUND, "no such language");
    TRY(user_set_language(t->db, t->user->id, t->argument));

    log_info("language.set", KV("language", t->argument));
    t->user->language = t->argument;
    t->language = language_of(t->argument);
    t->keyboard = keyboard_new(t->arena, t->language);
    hint(t, T_language_set);
    return on_menu(t);
}
