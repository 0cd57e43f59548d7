#include "handlers/money/funds.h"

#include "db/ledger.h"
#include "handlers/money/topup.h"
#include "handlers/profile/profile.h"

bool funds_lack(const struct turn *t, int64_t price)
{
    return t->user->balance < price;
}

static err *show(struct turn *t, enum text text, int64_t price)
{
    int64_t balance = t->user->balance;
    return edit(t, text, KV("price", price), KV("balance", balance),
                KV("missing", price - balance));
}

err *funds_tell(struct turn *t, int64_t price)
{
    topup_row(&t->keyboard);
    keyboard_menu_row(&t->keyboard);
    return show(t, T_no_coins, price);
}

static err *show_kept(struct turn *t, int64_t price)
{
    topup_row(&t->keyboard);
    dialog_back_row(t, T_button_back);
    return show(t, dialog_behind(t) == ST_idle ? T_no_coins : T_no_coins_kept, price);
}

/* Another order may have been faster: the balance that is told is the one that was too small, and the
 * one that was known is forgotten. */
err *funds_refuse(struct turn *t, int64_t price)
{
    turn_take_back(t);
    t->is_user_stale = true;
    TRY(ledger_balance(t->db, t->user->id, &t->user->balance, &t->user->held));
    TRY(show_kept(t, price));
    return fail(t->arena, ERR_REFUSED, "too few coins");
}

void funds_back_row(struct turn *t, enum text label)
{
    if (dialog_behind(t) == ST_idle)
        profile_row(&t->keyboard);
    else
        dialog_back_row(t, label);
}
