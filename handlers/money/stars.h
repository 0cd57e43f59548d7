/*
 * stars.h - whether Telegram's list of Star transactions and our payments say
 * the same.
 *
 * The pages of getStarTransactions are read and compared in PostgreSQL, in both
 * directions, payments and refunds alike. What differs is kept until it no
 * longer does; see payment_differences() in db/payment.h. A worker compares
 * what is new once a day, an operator whenever he wants, also the whole.
 */
#pragma once
#include "api/telegram.h"
#include "db/db.h"

enum stars_part {
    STARS_NEW, /* what is younger than a day, and payments that Telegram was never found to have */
    STARS_ALL,
};

struct stars_comparison {
    int64_t transactions; /* that were read of Telegram's list */
    int64_t differences;  /* that stand now */
};

/* Writes whole transactions of its own. Nothing is compared when a page could not be read. */
err *stars_compare(const struct telegram *telegram, struct db_pool *pool, struct arena *a,
                   enum stars_part part, struct stars_comparison *out);
/* Whether the last comparison is a day old. */
err *stars_is_due(struct db *db, bool *is_due);
