#include "db/promo.h"

#include "core/clock.h"
#include "db/queries.h"

enum { CODE_MIN = 3, CODE_MAX = 40, PERCENT = 100 };

static const char *const kind_names[] = {
    [PROMO_BALANCE] = "balance",
    [PROMO_BONUS] = "bonus",
    [PROMO_PERCENT] = "percent",
};
static_assert(ARRAY_LEN(kind_names) == PROMO_KIND_COUNT, "each kind has a name");

static const char *const verdict_names[] = {
    [PROMO_GIVEN] = "given",     [PROMO_WAITS] = "waits", [PROMO_STANDS] = "stands",
    [PROMO_UNKNOWN] = "unknown", [PROMO_EARLY] = "early", [PROMO_LATE] = "late",
    [PROMO_USED_UP] = "used_up", [PROMO_USED] = "used",   [PROMO_TOO_OFTEN] = "too_often",
};
static_assert(ARRAY_LEN(verdict_names) == PROMO_VERDICT_COUNT, "each verdict has a name");

const char *promo_kind_name(enum promo_kind kind)
{
    return kind_names[kind];
}

bool promo_kind_of(str name, enum promo_kind *out)
{
    for (int i = 0; i < PROMO_KIND_COUNT; i++)
        if (str_eq(name, str_from(kind_names[i]))) {
            *out = (enum promo_kind)i;
            return true;
        }
    return false;
}

static bool is_code_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool is_promo_code(str code)
{
    for (size_t i = 0; i < code.len; i++)
        if (!is_code_char(code.ptr[i]))
            return false;
    return code.len >= CODE_MIN && code.len <= CODE_MAX;
}

/* ---------------------------------------------------------------- entering one */

/* The names are those of the function in PostgreSQL, which has no others. */
static enum promo_verdict verdict_of(str name)
{
    for (int i = 0; i < PROMO_VERDICT_COUNT; i++)
        if (str_eq(name, str_from(verdict_names[i])))
            return (enum promo_verdict)i;
    assert(!"a verdict without a name");
    return PROMO_UNKNOWN;
}

static enum promo_kind kind_at(const struct rows *rows, int row, const char *column)
{
    enum promo_kind kind = PROMO_BALANCE;
    promo_kind_of(rows_str(rows, row, column), &kind);
    return kind;
}

err *promo_apply(struct db *db, int64_t user_id, str words, struct promo_entry *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_promo_apply, &rows, V(user_id), V(words), V(clock_ms())));
    *out = (struct promo_entry){
        .verdict = verdict_of(rows_str(&rows, 0, "verdict")),
        .code = rows_str(&rows, 0, "promo_code"),
        .kind = kind_at(&rows, 0, "promo_type"),
        .amount = rows_i64(&rows, 0, "amount"),
        .moment_ms = rows_i64(&rows, 0, "moment_ms"),
        .replaced = rows_str(&rows, 0, "replaced"),
        .balance = rows_i64(&rows, 0, "balance"),
    };
    return NULL;
}

/* ---------------------------------------------------------------- the next purchase */

err *promo_waiting(struct db *db, int64_t user_id, struct promo_use *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_promo_waiting, &rows, V(user_id), V(clock_ms())));
    *out = (struct promo_use){0};
    if (!rows.count)
        return NULL;
    *out = (struct promo_use){
        .id = rows_str(&rows, 0, "usage_id"),
        .code = rows_str(&rows, 0, "promo_code"),
        .kind = kind_at(&rows, 0, "promo_type"),
        .amount = rows_i64(&rows, 0, "amount"),
        .expires_at_ms = rows_i64(&rows, 0, "expires_at_ms"),
    };
    return NULL;
}

/* As promo_extra() in PostgreSQL has it. */
int64_t promo_extra_coins(const struct promo_use *use, int64_t package_coins)
{
    if (str_empty(use->id))
        return 0;
    if (use->kind == PROMO_BONUS)
        return use->amount;
    int64_t part = package_coins * use->amount / PERCENT;
    return part > 1 ? part : 1;
}

err *promo_spend(struct db *db, int64_t user_id, str usage_id, str payment_id,
                 int64_t package_coins, int64_t *extra_coins)
{
    struct rows rows;
    TRY(db_query(db, &Q_promo_spend, &rows, V(user_id), V(usage_id), V(payment_id),
                 V(package_coins), V(clock_ms())));
    *extra_coins = rows_i64(&rows, 0, "extra");
    return NULL;
}

/* ---------------------------------------------------------------- for operators */

err *promo_make(struct db *db, struct arena *a, const struct promo_terms *terms, str made_by)
{
    struct rows rows;
    TRY(db_query(db, &Q_promo_make, &rows, V(terms->code), V(kind_names[terms->kind]),
                 V(terms->amount), V(terms->limit), V(terms->limit_per_user), V(terms->from_ms),
                 V(terms->until_ms), V(made_by)));
    if (!rows.count)
        return fail(a, ERR_CONFLICT, "there is a code " STR_FMT " already", STR_ARG(terms->code));
    return NULL;
}

static err *no_such_code(struct arena *a, str code)
{
    return fail(a, ERR_NOT_FOUND, "there is no code " STR_FMT, STR_ARG(code));
}

err *promo_stop(struct db *db, struct arena *a, str code, bool *was_active, int64_t *given_back)
{
    struct rows rows;
    TRY(db_query(db, &Q_promo_stop, &rows, V(code)));
    if (!rows.count)
        return no_such_code(a, code);
    *was_active = rows_bool(&rows, 0, "was_active");
    *given_back = rows_i64(&rows, 0, "given_back");
    return NULL;
}

static struct promo_row promo_row_of(const struct rows *rows, int i)
{
    return (struct promo_row){
        .id = rows_i64(rows, i, "id"),
        .terms.code = rows_str(rows, i, "code"),
        .terms.kind = kind_at(rows, i, "type"),
        .terms.amount = rows_i64(rows, i, "amount"),
        .terms.limit = rows_i64(rows, i, "max_uses"),
        .terms.limit_per_user = rows_i64(rows, i, "max_uses_per_user"),
        .terms.from_ms = rows_i64(rows, i, "valid_from_ms"),
        .terms.until_ms = rows_i64(rows, i, "valid_until_ms"),
        .uses = rows_i64(rows, i, "current_uses"),
        .state = rows_str(rows, i, "state"),
    };
}

err *promo_find(struct db *db, struct arena *a, str code, struct promo_row *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_promo_list, &rows, V(code), V(0), V(1)));
    if (!rows.count || str_empty(code))
        return no_such_code(a, code);
    *out = promo_row_of(&rows, 0);
    return NULL;
}

err *promo_list(struct db *db, struct arena *a, int64_t before, int64_t limit,
                struct promo_row **out, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_promo_list, &rows, V(S("")), V(before), V(limit)));
    *out = NEW_ARRAY(a, struct promo_row, rows.count);
    *count = (size_t)rows.count;
    for (int i = 0; i < rows.count; i++)
        (*out)[i] = promo_row_of(&rows, i);
    return NULL;
}

err *promo_stats(struct db *db, str code, struct promo_figures *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_promo_stats, &rows, V(code)));
    *out = (struct promo_figures){
        .used = rows_i64(&rows, 0, "used"),
        .waiting = rows_i64(&rows, 0, "waiting"),
        .returned = rows_i64(&rows, 0, "returned"),
        .people = rows_i64(&rows, 0, "people"),
        .coins_given = rows_i64(&rows, 0, "amount_added"),
        .coins_extra = rows_i64(&rows, 0, "bonus_added"),
        .coins_bought = rows_i64(&rows, 0, "bought"),
    };
    return NULL;
}

err *promo_sweep(struct db *db, int64_t *given_back)
{
    struct rows rows;
    TRY(db_query(db, &Q_promo_sweep, &rows));
    *given_back = rows_i64(&rows, 0, "given_back");
    return NULL;
}
