/*
 * limits.h - what a day may cost us and what a user may have in one for
 * nothing; what is said when that is used up.
 *
 * DAILY_SPEND_LIMIT holds for orders, at the moment they are made; what is
 * ordered is carried through, whatever it takes. The admins are told once a day
 * at four fifths of it, and once when there was no room for an order.
 */
#pragma once
#include "handlers/turn.h"
#include "handlers/work.h"

/* In the transaction of an order, behind all but its jobs. Without room for it the user is told when to
 * come again and it ends as funds_refuse() does. */
err *limits_admit(struct turn *t);
/* Whether the user is given a first image today that costs us so much; counted when he is. */
err *limits_give_preview(struct db *db, const struct conf *conf, int64_t user_id,
                         int64_t cost_microdollars, bool *is_given);

/* When the next day begins, as the user's clock shows it. */
str limits_next_day(const struct turn *t);

err *job_spend_note(struct work *w);
