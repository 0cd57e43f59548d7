#include "handlers/statement.h"

#include "db/ledger.h"
#include "handlers/profile.h"
#include "handlers/topup.h"

enum { STATEMENT_LINES = 10 };

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
    if (str_eq(line->reason, S("promo")))
        return T_line_promo;
    if (str_eq(line->reason, S("stars")))
        return T_line_stars;
    if (str_eq(line->reason, S("stars_refund")))
        return T_line_stars_refund;
    if (str_eq(line->reason, S("stars_refund_back")))
        return T_line_stars_back;
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
                                                       t->user->utc_offset_minutes)),
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
    topup_row(&t->keyboard);
    profile_row(&t->keyboard);
    str shown = count ? statement(t, lines, count)
                      : text_plain(t->arena, t->language, T_balance_empty, KVS());
    return edit(t, T_balance, KV("balance", balance), KV("held", held), KV("lines", shown));
}
