/*
 * spend.h - what the outside parties cost us in a day, and what a user may have
 * in one that costs no coins. Days are days in UTC.
 *
 * An order carries what its submission will cost, by the settings: the errand's
 * cost_microdollars. errand_submitting() adds that to the day, in the
 * transaction that precedes the call; errand_not_submitted() takes it back.
 * spend_admit() asks in the transaction of an order, as its last word but for
 * the jobs, whether the day has room for it: what is ordered and not yet
 * submitted counts.
 */
#pragma once
#include "core/conf.h"
#include "db/db.h"

/* more: what is about to be ordered beside what the transaction has written. total: with all of it.
 * Holds the line of all orders until the transaction ends. */
err *spend_admit(struct db *db, int64_t limit, int64_t more, int64_t *total, bool *fits);
/* For what no order carries: counted in the transaction that records what came of it. */
err *spend_add(struct db *db, str kind, int64_t microdollars);
/* Queues the note to each admin that the day is at so many percent; once a day for each. */
err *spend_note(struct db *db, struct arena *a, const struct conf_ids *admins, int percent,
                int64_t total, int64_t limit);

/* thing: "preview"; photos count themselves. counted: false when there were `most` today. */
err *free_use(struct db *db, int64_t user_id, const char *thing, int64_t most, bool *counted);
