/*
 * topup.h - buying coins: what is offered, the invoice, and what a buyer is
 * told about terms and help.
 *
 * The screens stand beside whatever dialog is open and change nothing in it;
 * dialog:resume leads back. What happens when an invoice is paid: payment.h.
 */
#pragma once
#include "handlers/turn.h"

err *on_topup_open(struct turn *t);
err *on_topup_buy(struct turn *t); /* the argument: coins of the package */
err *on_terms(struct turn *t);
err *on_paysupport(struct turn *t);

/* A row with the ways to more coins: the packages, and a code. */
void topup_row(struct keyboard *k);
/* The package of so many coins, or of so many Stars; 0 for what does not matter. NULL without one. */
const struct conf_package *topup_package(const struct conf *conf, int64_t coins, int64_t stars);
/* A payment as users call it: the beginning of its id. */
str payment_number(struct arena *a, str payment_id);
