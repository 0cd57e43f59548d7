/*
 * stars.h - whether Telegram's list of Star transactions and our payments say
 * the same.
 *
 * All pages of getStarTransactions are read and compared in PostgreSQL, in both
 * directions, payments and refunds alike. What differs is kept until it no
 * longer does; see payment_differences() in db/payment.h. A worker compares
 * once a day, an operator whenever he wants.
 */
#pragma once
#include "api/telegram.h"
#include "db/db.h"

struct stars_comparison {
    int64_t transactions; /* that Telegram listed */
    int64_t differences;  /* that stand now */
};

/* Writes whole transactions of its own. Nothing is compared when a page could not be read. */
err *stars_compare(const struct telegram *telegram, struct db_pool *pool, struct arena *a,
                   struct stars_comparison *out);
/* Whether the last comparison is a day old. */
err *stars_is_due(struct db *db, bool *is_due);
