/*
 * payment.h - what users buy with Telegram Stars: orders, payments, refunds,
 * and the daily look at whether Telegram has the same.
 *
 * An order is one invoice; its id travels in it and comes back with the
 * question before the payment and with the payment itself.
 *
 *     TRY(payment_order_add(db, &order, &added));
 *     …
 *     TRY(payment_checkout(db, telegram_id, payload, &checkout));
 *     …
 *     TRY(payment_take(db, user->id, &notice, package_coins, &paid));
 *     if (!paid.is_new)
 *         ... Telegram has told of it before ...
 *
 * payment_take() and the refunds move the coins in the same transaction. Each
 * happens once, however often it is called.
 */
#pragma once
#include "db/db.h"

struct payment_order {
    str id; /* uuid */
    int64_t user_id, coins, stars;
    str promo_usage_id; /* that the invoice tells of; may be empty */
};

/* added: false when the same was ordered in the last few seconds and is not paid. */
err *payment_order_add(struct db *db, const struct payment_order *order, bool *added);

/* What is known before a payment; one read, which does not depend on anything else. */
struct payment_checkout {
    bool is_known; /* an order of this user's */
    bool is_paid;
    bool is_blocked;    /* the user, by an admin */
    bool is_promo_over; /* the code that the invoice tells of does not wait any more */
    int64_t coins, stars;
    str language; /* empty: nobody we know */
};

err *payment_checkout(struct db *db, int64_t telegram_id, str payload,
                      struct payment_checkout *out);

/* -- what was paid -- */

/* As Telegram tells of it. */
struct payment_notice {
    str id; /* uuid that the payment shall have when it is new */
    str charge_id, payload, currency;
    int64_t stars;
};

struct payment_taken {
    str id;           /* uuid, the subject of its line in the ledger */
    int64_t coins;    /* credited; 0: nobody knows what was bought */
    bool is_new;      /* false: nothing was done now */
    bool is_credited; /* false: kept as unmatched */
};

/* package_coins: what costs so many Stars today, for a payment without an order; 0: nothing does. */
err *payment_take(struct db *db, int64_t user_id, const struct payment_notice *notice,
                  int64_t package_coins, struct payment_taken *out);
/* The use of a promo code that the invoice told of; empty without one. */
err *payment_promised(struct db *db, str payment_id, str *promo_usage_id);
/* What promo_spend() has added to it. */
err *payment_add_bonus(struct db *db, str payment_id, int64_t coins);

/* -- looking -- */

struct payment {
    str id, charge_id;
    int64_t user_id, telegram_id; /* 0: erased */
    str first_name, language;
    str currency, payload;
    int64_t stars, coins, bonus_coins;
    str state; /* credited unmatched refunding refunded */
    int64_t created_at_ms, refunded_at_ms;
    int64_t refund_taken; /* coins that the user gave back */
    str refund_error;     /* why Telegram refused the last refund */
};

/* name: a charge, the id of a payment, or at least 8 characters that it begins with. ERR_NOT_FOUND
 * without exactly one. */
err *payment_find(struct db *db, struct arena *a, str name, struct payment *out);
/* Newest first; user_id 0: of everybody. */
err *payment_list(struct db *db, struct arena *a, int64_t user_id, int limit, struct payment **out,
                  size_t *count);

/* -- refunds -- */

enum refund_verdict {
    REFUND_QUEUED, /* the coins are taken, and Telegram will be asked */
    REFUND_FEW,    /* the user has fewer coins than were bought */
    REFUND_UNDER_WAY,
    REFUND_DONE,
    REFUND_UNKNOWN,
    REFUND_ERASED, /* the person is gone, and Telegram wants to know whom to pay */
    REFUND_VERDICT_COUNT,
};

struct refund {
    enum refund_verdict verdict;
    str payment_id;
    int64_t stars, coins, balance; /* balance: after it */
};

/* is_forced: takes what there is, and the shop's adjustment account gives the rest. */
err *payment_refund(struct db *db, str charge_id, bool is_forced, struct refund *out);
/* What Telegram made of it. is_first: false when it was known before. */
err *payment_refund_done(struct db *db, str payment_id, bool *is_first);
err *payment_refund_failed(struct db *db, str payment_id, str why, bool *is_first);
/* Telegram tells of a refund, ours or not: payment_id empty when it was known before. */
err *payment_refund_seen(struct db *db, str charge_id, str *payment_id);

/* -- the daily comparison -- */

struct payment_difference {
    str charge_id;
    str kind; /* not_here not_there amount refund_not_here refund_not_there */
    int64_t stars_here, stars_there;
    int64_t telegram_id; /* of not_here: who paid; else 0 */
    int64_t found_at_ms;
};

/* Those that still stand, newest first. */
err *payment_differences(struct db *db, struct arena *a, int limit, struct payment_difference **out,
                         size_t *count);
