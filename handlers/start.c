#include "handlers/start.h"

#include "core/log.h"

#include "db/ledger.h"

enum { STATEMENT_LINES = 10 };

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
    keyboard_button(k, T_button_balance, S("balance:open"), KV("balance", t->user->balance));
    keyboard_button(k, T_button_help, S("help:open"));
    keyboard_row(k);
    keyboard_button(k, T_button_language, S("language:open"));
}

static void back_button(struct turn *t)
{
    keyboard_menu_row(&t->keyboard);
}

err *on_start(struct turn *t)
{
    menu_buttons(t);
    return say(t, T_start, KV("name", t->user->first_name));
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

err *on_language(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_russian, S("language:set:ru"));
    keyboard_button(&t->keyboard, T_button_english, S("language:set:en"));
    back_button(t);
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

/* What a line of the ledger is about, by its kind and reason. */
static enum text line_text(const struct ledger_line *line)
{
    bool is_avatar = str_eq(line->reason, S("avatar"));
    if (str_eq(line->kind, S("hold")) && str_empty(line->settled))
        return is_avatar ? T_line_hold_avatar : T_line_hold;
    if (str_eq(line->kind, S("hold")))
        return is_avatar ? T_line_spent_avatar : T_line_spent;
    if (str_eq(line->kind, S("release")))
        return is_avatar ? T_line_release_avatar : T_line_release;
    if (str_eq(line->kind, S("capture")))
        return T_line_part_back;
    if (str_eq(line->reason, S("welcome")))
        return T_line_welcome;
    return str_eq(line->kind, S("credit")) ? T_line_credit : T_line_debit;
}

static str statement(struct turn *t, const struct ledger_line *lines, size_t count)
{
    struct buf b = buf_new(t->arena);
    for (size_t i = 0; i < count; i++) {
        if (lines[i].coins == 0)
            continue; /* a capture of the whole hold moves nothing of the user's */
        if (b.len)
            buf_add_char(&b, '\n');
        buf_add(&b,
                text_plain(t->arena, t->language, line_text(&lines[i]),
                           KVS(KV("date", moment_shown(t->arena, lines[i].created_at_ms,
                                                       t->user->utc_offset_hours)),
                               KV("coins", lines[i].coins > 0 ? lines[i].coins : -lines[i].coins),
                               KV("sign", lines[i].coins > 0 ? S("+") : S("−")),
                               KV("after", lines[i].balance_after))));
    }
    return buf_str(&b);
}

err *on_balance(struct turn *t)
{
    struct ledger_line *lines;
    size_t count;
    int64_t balance, held;
    TRY(ledger_balance(t->db, t->user->id, &balance, &held));
    TRY(ledger_statement(t->db, t->arena, t->user->id, STATEMENT_LINES, 0, &lines, &count));
    back_button(t);
    str shown = count ? statement(t, lines, count)
                      : text_plain(t->arena, t->language, T_balance_empty, KVS());
    return edit(t, T_balance, KV("balance", balance), KV("held", held), KV("lines", shown));
}
