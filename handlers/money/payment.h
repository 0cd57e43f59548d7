/*
 * payment.h - what happens when an invoice is paid, and when Stars go back.
 *
 * The question before a payment is answered from the order alone, at once, in
 * the answer to the delivery: Telegram waits ten seconds, and a payment that
 * cannot be credited must not be taken. It is no turn, leaves no mark, and
 * touches neither Redis nor the queue.
 *
 * A payment is a turn that is never refused, parked for being poisonous aside:
 * its coins are the user's in whatever state the dialog is, which stays.
 */
#pragma once
#include "handlers/dispatch.h"
#include "handlers/turn.h"
#include "handlers/work.h"

/* answerPreCheckoutQuery, for the body of the answer. */
str payment_answer_checkout(const struct bot *bot, struct arena *a, const struct update *update);

err *on_payment(struct turn *t);
/* Telegram tells of a refund; t->user is not loaded. */
err *on_payment_refunded(struct turn *t);

err *job_payment_alert(struct work *w);       /* an admin hears of what nobody can credit */
err *job_payment_refund(struct work *w);      /* asks Telegram to give the Stars back */
err *give_up_payment_refund(struct work *w);  /* … which it does not: the coins come back */
err *job_payment_refund_tell(struct work *w); /* the user hears of it */
