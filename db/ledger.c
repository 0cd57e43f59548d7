#include "db/ledger.h"

#include "db/queries.h"

static const char *const source_names[] = {
    [LEDGER_PROMO] = "promo",
    [LEDGER_STARS] = "stars",
    [LEDGER_ADJUSTMENT] = "adjustment",
};

static struct val or_null(str s)
{
    return str_empty(s) ? V(NOTHING) : V(s);
}

static err *answer_flag(const struct rows *rows, const char *column, bool *flag)
{
    if (flag)
        *flag = rows_bool(rows, 0, column);
    return NULL;
}

err *ledger_hold(struct db *db, int64_t user_id, str key, int64_t coins, str subject, str reason,
                 bool *posted)
{
    struct rows rows;
    TRY(db_query(db, &Q_ledger_hold, &rows, V(user_id), V(key), V(coins), or_null(subject),
                 V(reason)));
    return answer_flag(&rows, "posted", posted);
}

err *ledger_capture(struct db *db, str hold_key, int64_t coins, bool *settled)
{
    struct val spent = coins == LEDGER_ALL ? V(NOTHING) : V(coins);
    struct rows rows;
    TRY(db_query(db, &Q_ledger_capture, &rows, V(hold_key), spent));
    return answer_flag(&rows, "settled", settled);
}

err *ledger_release(struct db *db, str hold_key, str failure, bool *settled)
{
    struct rows rows;
    TRY(db_query(db, &Q_ledger_release, &rows, V(hold_key), or_null(failure)));
    return answer_flag(&rows, "settled", settled);
}

err *ledger_credit(struct db *db, int64_t user_id, str key, int64_t coins,
                   enum ledger_source source, str reason, str subject, bool *posted)
{
    struct rows rows;
    TRY(db_query(db, &Q_ledger_credit, &rows, V(user_id), V(key), V(coins), V(source_names[source]),
                 V(reason), or_null(subject)));
    return answer_flag(&rows, "posted", posted);
}

bool ledger_lacks_coins(const err *e)
{
    return db_refused_by(e, "AI001");
}

err *ledger_balance(struct db *db, int64_t user_id, int64_t *balance, int64_t *held)
{
    struct rows rows;
    TRY(db_query(db, &Q_ledger_balance, &rows, V(user_id)));
    *balance = rows_i64(&rows, 0, "balance");
    *held = rows_i64(&rows, 0, "held");
    return NULL;
}

err *ledger_statement(struct db *db, struct arena *a, int64_t user_id, int limit, int64_t before,
                      struct ledger_line **lines, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_ledger_statement, &rows, V(user_id), V(limit), V(before)));

    *lines = NEW_ARRAY(a, struct ledger_line, rows.count);
    *count = (size_t)rows.count;
    for (int i = 0; i < rows.count; i++) {
        (*lines)[i] = (struct ledger_line){
            .id = rows_i64(&rows, i, "id"),
            .created_at_ms = rows_i64(&rows, i, "created_at_ms"),
            .kind = rows_str(&rows, i, "kind"),
            .reason = rows_str(&rows, i, "reason"),
            .subject = rows_str(&rows, i, "subject"),
            .coins = rows_i64(&rows, i, "amount"),
            .balance_after = rows_i64(&rows, i, "balance_after"),
            .settled = rows_str(&rows, i, "settled"),
        };
    }
    return NULL;
}

static err *read_problems(struct db *db, struct arena *a, const struct query *query,
                          struct ledger_problem **problems, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, query, &rows));

    *problems = NEW_ARRAY(a, struct ledger_problem, rows.count);
    *count = (size_t)rows.count;
    for (int i = 0; i < rows.count; i++) {
        (*problems)[i] = (struct ledger_problem){
            .problem = rows_str(&rows, i, "problem"),
            .transfer_id = rows_i64(&rows, i, "transfer_id"),
            .account_id = rows_i64(&rows, i, "account_id"),
            .expected = rows_i64(&rows, i, "expected"),
            .found = rows_i64(&rows, i, "found"),
        };
    }
    return NULL;
}

err *ledger_check(struct db *db, struct arena *a, struct ledger_problem **problems, size_t *count)
{
    return read_problems(db, a, &Q_ledger_check_new, problems, count);
}

err *ledger_check_on(struct db *db, struct arena *a, struct ledger_problem **problems,
                     size_t *count)
{
    return read_problems(db, a, &Q_ledger_check_on, problems, count);
}

err *ledger_check_all(struct db *db, struct arena *a, struct ledger_problem **problems,
                      size_t *count)
{
    return read_problems(db, a, &Q_ledger_check_all, problems, count);
}
