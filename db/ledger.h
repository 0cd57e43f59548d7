/*
 * ledger.h - coins: held when work is ordered, captured when its result is
 * stored, released when it comes to nothing.
 *
 * Everything here takes place in the caller's transaction and happens once per
 * key, however often it is called. The key of a hold names the work it pays
 * for ("generation:<uuid>"); capture and release name the hold. A hold ends in
 * exactly one of the two: the same end again changes nothing, the other end
 * changes nothing and says so in `settled`.
 *
 *     TRY(ledger_hold(db, user->id, key, price, generation_id, S("image"), NULL));
 *     ...
 *     bool settled;
 *     TRY(ledger_capture(db, key, LEDGER_ALL, &settled));
 *     if (!settled)
 *         ... it had been released: the result is a present ...
 *
 * Reasons are machine words that the texts know, never names or sentences:
 * ledger lines outlive the person. A subject is a uuid or empty. Where a flag
 * at the end is not wanted it may be NULL.
 */
#pragma once
#include "db/db.h"

enum { LEDGER_ALL = -1 };

enum ledger_source { LEDGER_PROMO, LEDGER_STARS, LEDGER_ADJUSTMENT };

/* posted: false when it had been posted before. Too few coins is an ERR_REFUSED, see below. */
err *ledger_hold(struct db *db, int64_t user_id, str key, int64_t coins, str subject, str reason,
                 bool *posted);
/* coins: what is spent of the hold, the rest goes back; LEDGER_ALL for the whole. */
err *ledger_capture(struct db *db, str hold_key, int64_t coins, bool *settled);
/* failure: the machine word for why they go back, which the line keeps; may be empty. */
err *ledger_release(struct db *db, str hold_key, str failure, bool *settled);

err *ledger_credit(struct db *db, int64_t user_id, str key, int64_t coins,
                   enum ledger_source source, str reason, str subject, bool *posted);

bool ledger_lacks_coins(const err *e);

err *ledger_balance(struct db *db, int64_t user_id, int64_t *balance, int64_t *held);

struct ledger_line {
    int64_t id;
    int64_t created_at_ms;
    str kind; /* hold capture release credit debit */
    str reason;
    str subject;   /* uuid or empty */
    int64_t coins; /* what the line did to the balance */
    int64_t balance_after;
    str settled; /* of a hold: capture, release, or empty while it is open */
};

/* Newest first; before: the id of the last line of the page before, 0 for the first page. */
err *ledger_statement(struct db *db, struct arena *a, int64_t user_id, int limit, int64_t before,
                      struct ledger_line **lines, size_t *count);

struct ledger_problem {
    str problem;
    int64_t transfer_id, account_id; /* 0 where it is not about one */
    int64_t expected, found;
};

/* No problems is how it should be. Up to a mark the ledger was found right before: what is read is what
 * stands behind it, the open holds and the sum of all balances. */
err *ledger_check(struct db *db, struct arena *a, struct ledger_problem **problems, size_t *count);
/* The same, and without problems the mark moves on. For workers. */
err *ledger_check_on(struct db *db, struct arena *a, struct ledger_problem **problems,
                     size_t *count);
/* Reads everything, and makes the mark anew. For the owner of the tables, and with time. */
err *ledger_check_all(struct db *db, struct arena *a, struct ledger_problem **problems,
                      size_t *count);
