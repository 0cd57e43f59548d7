#include "db/payment.h"

#include "core/clock.h"
#include "db/queries.h"

enum { SAME_ORDER_SECONDS = 10 };

static const char *const verdict_names[] = {
    [REFUND_QUEUED] = "queued", [REFUND_FEW] = "few",         [REFUND_UNDER_WAY] = "refunding",
    [REFUND_DONE] = "refunded", [REFUND_UNKNOWN] = "unknown", [REFUND_ERASED] = "erased",
};
static_assert(ARRAY_LEN(verdict_names) == REFUND_VERDICT_COUNT, "each verdict has a name");

err *payment_order_add(struct db *db, const struct payment_order *order, bool *added)
{
    struct rows rows;
    TRY(db_query(db, &Q_payment_order_add, &rows, V(order->id), V(order->user_id), V(order->coins),
                 V(order->stars), V((int64_t)SAME_ORDER_SECONDS),
                 str_empty(order->promo_usage_id) ? V(NOTHING) : V(order->promo_usage_id)));
    *added = rows.count > 0;
    return NULL;
}

err *payment_checkout(struct db *db, int64_t telegram_id, str payload, struct payment_checkout *out)
{
    struct rows rows;
    struct val order = str_is_uuid(payload) ? V(payload) : V(NOTHING);
    TRY(db_query(db, &Q_payment_checkout, &rows, V(telegram_id), order, V(clock_ms())));
    *out = (struct payment_checkout){.is_known = false};
    if (!rows.count)
        return NULL;
    *out = (struct payment_checkout){
        .is_known = rows_bool(&rows, 0, "is_known"),
        .is_paid = rows_bool(&rows, 0, "is_paid"),
        .is_blocked = rows_bool(&rows, 0, "is_blocked"),
        .is_promo_over = rows_bool(&rows, 0, "is_promo_over"),
        .coins = rows_i64(&rows, 0, "coins"),
        .stars = rows_i64(&rows, 0, "stars"),
        .language = rows_str(&rows, 0, "language_code"),
    };
    return NULL;
}

/* ---------------------------------------------------------------- what was paid */

err *payment_take(struct db *db, int64_t user_id, const struct payment_notice *notice,
                  int64_t package_coins, struct payment_taken *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_payment_take, &rows, V(notice->id), V(user_id), V(notice->charge_id),
                 V(notice->payload), V(notice->currency), V(notice->stars), V(package_coins)));
    *out = (struct payment_taken){
        .id = rows_str(&rows, 0, "payment_id"),
        .coins = rows_i64(&rows, 0, "coins"),
        .is_new = rows_bool(&rows, 0, "is_new"),
        .is_credited = str_eq(rows_str(&rows, 0, "state"), S("credited")),
    };
    return NULL;
}

err *payment_promised(struct db *db, str payment_id, str *promo_usage_id)
{
    struct rows rows;
    TRY(db_query(db, &Q_payment_promised, &rows, V(payment_id)));
    *promo_usage_id = rows.count ? rows_str(&rows, 0, "promo_usage_id") : S("");
    return NULL;
}

err *payment_add_bonus(struct db *db, str payment_id, int64_t coins)
{
    return db_query(db, &Q_payment_add_bonus, NULL, V(payment_id), V(coins));
}

/* ---------------------------------------------------------------- looking */

static struct payment read_payment(const struct rows *rows, int i)
{
    return (struct payment){
        .id = rows_str(rows, i, "id"),
        .charge_id = rows_str(rows, i, "charge_id"),
        .user_id = rows_i64(rows, i, "user_id"),
        .telegram_id = rows_i64(rows, i, "telegram_id"),
        .first_name = rows_str(rows, i, "first_name"),
        .language = rows_str(rows, i, "language_code"),
        .currency = rows_str(rows, i, "currency"),
        .payload = rows_str(rows, i, "payload"),
        .stars = rows_i64(rows, i, "stars"),
        .coins = rows_i64(rows, i, "coins"),
        .bonus_coins = rows_i64(rows, i, "bonus_coins"),
        .state = rows_str(rows, i, "state"),
        .created_at_ms = rows_i64(rows, i, "created_at_ms"),
        .refunded_at_ms = rows_i64(rows, i, "refunded_at_ms"),
        .refund_taken = rows_i64(rows, i, "refund_taken"),
        .refund_error = rows_str(rows, i, "refund_error"),
    };
}

/* A charge that is given whole is meant, whatever else begins like it. */
err *payment_find(struct db *db, struct arena *a, str name, struct payment *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_payment_find, &rows, V(name)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "no payment " STR_FMT, STR_ARG(name));
    *out = read_payment(&rows, 0);
    if (rows.count > 1 && !str_eq(out->charge_id, name))
        return fail(a, ERR_NOT_FOUND, "more than one payment begins with " STR_FMT, STR_ARG(name));
    return NULL;
}

err *payment_list(struct db *db, struct arena *a, int64_t user_id, int limit, struct payment **out,
                  size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_payment_list, &rows, V(user_id), V(limit)));
    *out = NEW_ARRAY(a, struct payment, rows.count);
    *count = (size_t)rows.count;
    for (int i = 0; i < rows.count; i++)
        (*out)[i] = read_payment(&rows, i);
    return NULL;
}

/* ---------------------------------------------------------------- refunds */

/* The names are those of the function in PostgreSQL, which has no others. */
static enum refund_verdict verdict_of(str name)
{
    for (int i = 0; i < REFUND_VERDICT_COUNT; i++)
        if (str_eq(name, str_from(verdict_names[i])))
            return (enum refund_verdict)i;
    assert(false && "a verdict without a name");
    return REFUND_UNKNOWN;
}

err *payment_refund(struct db *db, str charge_id, bool is_forced, struct refund *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_payment_refund, &rows, V(charge_id), V(is_forced)));
    *out = (struct refund){
        .verdict = verdict_of(rows_str(&rows, 0, "verdict")),
        .payment_id = rows_str(&rows, 0, "payment_id"),
        .stars = rows_i64(&rows, 0, "stars"),
        .coins = rows_i64(&rows, 0, "coins"),
        .balance = rows_i64(&rows, 0, "balance"),
    };
    return NULL;
}

err *payment_refund_done(struct db *db, str payment_id, bool *is_first)
{
    struct rows rows;
    TRY(db_query(db, &Q_payment_refund_done, &rows, V(payment_id)));
    *is_first = rows_bool(&rows, 0, "is_first");
    return NULL;
}

err *payment_refund_failed(struct db *db, str payment_id, str why, bool *is_first)
{
    struct rows rows;
    TRY(db_query(db, &Q_payment_refund_failed, &rows, V(payment_id), V(why)));
    *is_first = rows_bool(&rows, 0, "is_first");
    return NULL;
}

err *payment_refund_seen(struct db *db, str charge_id, str *payment_id)
{
    struct rows rows;
    TRY(db_query(db, &Q_payment_refund_seen, &rows, V(charge_id)));
    *payment_id = rows_bool(&rows, 0, "is_new") ? rows_str(&rows, 0, "payment_id") : S("");
    return NULL;
}

/* ---------------------------------------------------------------- the daily comparison */

err *payment_differences(struct db *db, struct arena *a, int limit, struct payment_difference **out,
                         size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_payment_differences, &rows, V(limit)));
    *out = NEW_ARRAY(a, struct payment_difference, rows.count);
    *count = (size_t)rows.count;
    for (int i = 0; i < rows.count; i++)
        (*out)[i] = (struct payment_difference){
            .charge_id = rows_str(&rows, i, "charge_id"),
            .kind = rows_str(&rows, i, "kind"),
            .stars_here = rows_i64(&rows, i, "stars_here"),
            .stars_there = rows_i64(&rows, i, "stars_there"),
            .telegram_id = rows_i64(&rows, i, "telegram_id"),
            .found_at_ms = rows_i64(&rows, i, "found_at_ms"),
        };
    return NULL;
}
