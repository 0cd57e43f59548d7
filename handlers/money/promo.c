#include "handlers/money/promo.h"

#include "core/clock.h"
#include "core/log.h"
#include "db/promo.h"
#include "handlers/money/funds.h"
#include "handlers/money/topup.h"

enum { MINUTE_MS = 60 * 1000 };

static const char from_topup[] = "d.topup";

/* ---------------------------------------------------------------- what is said */

/* Whoever came from the packages goes back to them. */
err *draw_promo_code(struct turn *t)
{
    if (str_empty(field_get(t, from_topup))) {
        funds_back_row(t, T_button_back);
    } else {
        keyboard_row(&t->keyboard);
        keyboard_button(&t->keyboard, T_button_back, S("promo:topup"));
        keyboard_button(&t->keyboard, T_button_menu, S("menu:open"));
    }
    return edit(t, T_promo_ask);
}

static const enum text refusals[PROMO_VERDICT_COUNT] = {
    [PROMO_STANDS] = T_promo_stands,       [PROMO_UNKNOWN] = T_promo_unknown,
    [PROMO_EARLY] = T_promo_early,         [PROMO_LATE] = T_promo_late,
    [PROMO_USED_UP] = T_promo_used_up,     [PROMO_USED] = T_promo_used,
    [PROMO_TOO_OFTEN] = T_promo_too_often,
};

/* Another code can be written at once while it is asked for; elsewhere a button asks. */
static err *say_refusal(struct turn *t, const struct promo_entry *entry)
{
    int64_t wait_ms = entry->moment_ms - clock_ms();
    if (!dialog_is_aside(t) && entry->verdict != PROMO_TOO_OFTEN) {
        keyboard_row(&t->keyboard);
        keyboard_button(&t->keyboard, T_button_promo, S("promo:open"));
    }
    funds_back_row(t, T_button_back);
    return say(t, refusals[entry->verdict], KV("code", entry->code),
               KV("moment", moment_shown(t->arena, entry->moment_ms, t->user->utc_offset_minutes)),
               KV("date", date_shown(t->arena, entry->moment_ms, t->user->utc_offset_minutes)),
               KV("time", time_shown(t->arena, entry->moment_ms, t->user->utc_offset_minutes)),
               KV("minutes", (wait_ms + MINUTE_MS - 1) / MINUTE_MS));
}

static str replaced_words(struct turn *t, const struct promo_entry *entry)
{
    if (str_empty(entry->replaced))
        return S("");
    str words = text_plain(t->arena, t->language, T_promo_replaced,
                           KVS(KV("code", entry->replaced)));
    return str_printf(t->arena, "\n\n" STR_FMT, STR_ARG(words));
}

/* What waits for a purchase leads to it. */
static void purchase_row(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_topup, S("topup:open"));
}

static err *say_taken(struct turn *t, const struct promo_entry *entry)
{
    static const enum text texts[PROMO_KIND_COUNT] = {
        [PROMO_BALANCE] = T_promo_given,
        [PROMO_BONUS] = T_promo_bonus,
        [PROMO_PERCENT] = T_promo_percent,
    };
    if (entry->kind != PROMO_BALANCE)
        purchase_row(t);
    funds_back_row(t, T_button_go_on);
    return say(t, texts[entry->kind], KV("code", entry->code), KV("amount", entry->amount),
               KV("balance", entry->balance), KV("replaced", replaced_words(t, entry)),
               KV("moment", moment_shown(t->arena, entry->moment_ms, t->user->utc_offset_minutes)));
}

static bool is_taken(const struct promo_entry *entry)
{
    return entry->verdict == PROMO_GIVEN || entry->verdict == PROMO_WAITS;
}

/* ---------------------------------------------------------------- entering */

static err *enter(struct turn *t, str words, struct promo_entry *entry)
{
    TRY(promo_apply(t->db, t->user->id, words, entry));
    if (entry->verdict == PROMO_GIVEN)
        t->user->balance = entry->balance;
    if (is_taken(entry))
        log_info("promo.taken", KV("code", entry->code));
    else if (entry->verdict == PROMO_TOO_OFTEN)
        log_warn("promo.guessed");
    return NULL;
}

static err *say_entry(struct turn *t, const struct promo_entry *entry)
{
    return is_taken(entry) ? say_taken(t, entry) : say_refusal(t, entry);
}

err *on_promo_open(struct turn *t)
{
    dialog_aside(t, ST_promo_code);
    if (str_eq(t->argument, S("topup")))
        field_put(t, from_topup, S("1"));
    else
        field_drop(t, from_topup);
    return draw_promo_code(t);
}

err *on_promo_topup(struct turn *t)
{
    dialog_return(t);
    return on_topup_open(t);
}

/* Where a code was asked for, one that counts leads back; another can be tried. */
err *on_promo_words(struct turn *t)
{
    struct promo_entry entry;
    TRY(enter(t, t->text, &entry));
    TRY(say_entry(t, &entry));
    if (is_taken(&entry) || entry.verdict == PROMO_STANDS)
        dialog_return(t);
    else
        dialog_stay(t);
    return NULL;
}

err *on_promo(struct turn *t)
{
    return str_empty(t->text) ? on_promo_open(t) : on_promo_words(t);
}

/* ---------------------------------------------------------------- links */

static const char link_start[] = "promo_";

bool is_promo_link(str text)
{
    return str_starts(text, str_from(link_start)) && text.len > strlen(link_start);
}

err *promo_follow_link(struct turn *t, handler *greet)
{
    struct promo_entry entry;
    TRY(enter(t, str_sub(t->text, strlen(link_start), t->text.len), &entry));
    dialog_enter(t, ST_idle);
    TRY(greet(t));
    return say_entry(t, &entry);
}
