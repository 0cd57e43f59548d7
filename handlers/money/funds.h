/*
 * funds.h - what a user is told who has too few coins, and the way back to
 * what he was about to do.
 *
 * The screen says the price, the balance and what is missing. The dialog stays
 * with all that was answered in it: dialog:resume draws it again, after coins
 * were bought or without.
 */
#pragma once
#include "handlers/turn.h"

bool funds_lack(const struct turn *t, int64_t price);
/* In place of a screen that is about to ask, or of one that was entered with a choice made elsewhere. */
err *funds_tell(struct turn *t, int64_t price);
/* Where the ledger has said no: nothing that the turn has written stays, and the dialog is where it was. */
err *funds_refuse(struct turn *t, int64_t price);
/* From a screen about coins: a row back to the dialog that waits behind it, else to the profile. */
void funds_back_row(struct turn *t, enum text label);
