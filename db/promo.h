/*
 * promo.h - promo codes: what they give, who took them, what waits.
 *
 * A code of coins credits the balance at once. A bonus or a percent is taken
 * for the user's next purchase, one at a time, and waits for it a week at most:
 *
 *     struct promo_use use;
 *     TRY(promo_waiting(db, a, user->id, &use));
 *     shown = package_coins + promo_extra_coins(&use, package_coins);
 *     …
 *     TRY(promo_spend(db, user->id, use.id, payment_id, package_coins, &extra_coins));
 *
 * promo_spend() belongs to the transaction that credits the payment; it credits
 * the extra coins itself, from LEDGER_PROMO, under the reason "promo" and with
 * the use as subject. Every check and every count is made there, under locks:
 * what is read outside is for showing.
 */
#pragma once
#include "db/db.h"

enum promo_kind { PROMO_BALANCE, PROMO_BONUS, PROMO_PERCENT, PROMO_KIND_COUNT };

/* -- entering one -- */

enum promo_verdict {
    PROMO_GIVEN,     /* amount coins were credited */
    PROMO_WAITS,     /* taken for the next purchase, until moment_ms */
    PROMO_STANDS,    /* this user has it waiting already, until moment_ms */
    PROMO_UNKNOWN,   /* there is none, or it was stopped */
    PROMO_EARLY,     /* it begins at moment_ms */
    PROMO_LATE,      /* it was over at moment_ms */
    PROMO_USED_UP,   /* others were faster */
    PROMO_USED,      /* this user has had it */
    PROMO_TOO_OFTEN, /* too many wrong ones within an hour; again at moment_ms */
    PROMO_VERDICT_COUNT,
};

struct promo_entry {
    enum promo_verdict verdict;
    str code; /* as it was made; empty when there is none */
    enum promo_kind kind;
    int64_t amount; /* coins, or percent */
    int64_t moment_ms;
    str replaced;    /* the code that waited before and gave way; may be empty */
    int64_t balance; /* after PROMO_GIVEN */
};

/* words: the code as the user wrote it, in any case. Refusals are no errors, and are counted. */
err *promo_apply(struct db *db, int64_t user_id, str words, struct promo_entry *out);

/* -- the next purchase -- */

struct promo_use {
    str id; /* uuid; empty: nothing waits */
    str code;
    enum promo_kind kind; /* bonus or percent */
    int64_t amount;
    int64_t expires_at_ms;
};

err *promo_waiting(struct db *db, int64_t user_id, struct promo_use *out);
/* What it adds to so many coins; 0 when nothing waits. */
int64_t promo_extra_coins(const struct promo_use *use, int64_t package_coins);
/* payment_id: a uuid; the same one again gets the same answer. extra_coins: 0 when the use was given
 * back meanwhile. */
err *promo_spend(struct db *db, int64_t user_id, str usage_id, str payment_id,
                 int64_t package_coins, int64_t *extra_coins);

/* -- for operators -- */

enum { PROMO_MOST_COINS = 1000000, PROMO_MOST_PERCENT = 1000 };

struct promo_terms {
    str code; /* is_promo_code() */
    enum promo_kind kind;
    int64_t amount;
    int64_t limit, limit_per_user; /* 0: none */
    int64_t from_ms, until_ms;     /* 0: always */
};

struct promo_row {
    int64_t id; /* its place in the list */
    struct promo_terms terms;
    int64_t uses; /* waiting ones too */
    str state;    /* open, early, late, used_up, stopped */
};

struct promo_figures {
    int64_t used, waiting, returned, people;
    int64_t coins_given; /* at once */
    int64_t coins_extra; /* on top of coins_bought */
    int64_t coins_bought;
};

const char *promo_kind_name(enum promo_kind kind); /* balance, bonus, percent */
bool promo_kind_of(str name, enum promo_kind *out);
/* 3 to 40 letters A-Z, digits, - and _: what a link can carry. */
bool is_promo_code(str code);

/* ERR_CONFLICT when the code is known already. made_by: "operator" or an admin. */
err *promo_make(struct db *db, struct arena *a, const struct promo_terms *terms, str made_by);
/* Nobody can take it any more, and what waits is given back. ERR_NOT_FOUND without such a code. */
err *promo_stop(struct db *db, struct arena *a, str code, bool *was_active, int64_t *given_back);
/* ERR_NOT_FOUND without such a code. */
err *promo_find(struct db *db, struct arena *a, str code, struct promo_row *out);
/* Newest first: at most `limit` of those before `before`; 0 for all, and from the newest on. */
err *promo_list(struct db *db, struct arena *a, int64_t before, int64_t limit,
                struct promo_row **out, size_t *count);
err *promo_stats(struct db *db, str code, struct promo_figures *out);
/* What has waited too long. */
err *promo_sweep(struct db *db, int64_t *given_back);
