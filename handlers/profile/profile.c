#include "handlers/profile/profile.h"

#include "db/statistics.h"
#include "handlers/money/topup.h"

void profile_row(struct keyboard *k)
{
    keyboard_row(k);
    keyboard_button(k, T_button_profile_back, S("profile:open"));
    keyboard_button(k, T_button_menu, S("menu:open"));
}

/* How far the coins go, seen before the number is read. */
static str balance_mark(int64_t coins)
{
    static const struct {
        int64_t least;
        const char *mark;
    } marks[] = {
        {200, "🟢"},
        {100, "🟡"},
        {50,  "🟠"},
        {0,   "🔴"},
    };
    size_t i = 0;
    while (coins < marks[i].least && i + 1 < ARRAY_LEN(marks))
        i++;
    return str_from(marks[i].mark);
}

static void profile_buttons(struct turn *t)
{
    struct keyboard *k = &t->keyboard;
    topup_row(k);
    keyboard_row(k);
    keyboard_button(k, T_button_statement, S("balance:open"));
    keyboard_button(k, T_button_statistics, S("statistics:open"));
    keyboard_row(k);
    keyboard_button(k, T_button_settings, S("settings:open"));
    keyboard_button(k, T_button_mydata, S("mydata:open"));
    keyboard_menu_row(k);
}

err *on_profile_open(struct turn *t)
{
    struct profile_figures figures;
    TRY(profile_figures(t->db, t->user->id, &figures));
    enum text kind = t->user->is_premium ? T_profile_premium : T_profile_ordinary;
    profile_buttons(t);
    return edit(
        t, T_profile, KV("name", t->user->first_name),
        KV("kind", text_plain(t->arena, t->language, kind, KVS())),
        KV("since", date_shown(t->arena, figures.created_at_ms, t->user->utc_offset_minutes)),
        KV("mark", balance_mark(figures.balance)), KV("balance", figures.balance),
        KV("held", figures.held), KV("avatars", figures.avatars),
        KV("ready", figures.ready_avatars), KV("images", figures.images));
}
