#include "handlers/money/stars.h"

#include "core/clock.h"
#include "db/queries.h"

enum {
    PAGE_TRANSACTIONS = 100, /* the most that Telegram gives at once */
    PAGE_BYTES = 8 << 20,
    DAY_S = 24 * 3600,
};

struct comparing {
    const struct telegram *telegram;
    struct db_pool *pool;
    str id;            /* uuid of this comparison */
    int64_t from, to;  /* places in the list: read from, and so far */
    int64_t settled;   /* everything before this place is a day old, and is not read next time */
    int64_t settled_s; /* what was made before this moment is */
};

/* The list is in the order of time: the first that is younger ends what is settled. */
static void settle(struct comparing *c, struct json_object *transactions, size_t count)
{
    bool is_settled = c->settled == c->to;
    for (size_t i = 0; i < count && is_settled; i++) {
        int64_t made_at_s = INT64_MAX;
        json_i64(json_item(transactions, i), "date", &made_at_s);
        is_settled = made_at_s < c->settled_s;
        c->settled += is_settled;
    }
}

/* The list begins with the oldest, so what comes meanwhile stands behind what was read. */
static err *read_page(struct comparing *c, struct arena *page, size_t *count)
{
    str params = json_make(page, KV("offset", c->to), KV("limit", (int)PAGE_TRANSACTIONS));
    struct json_object *result;
    TRY(telegram_call(page, c->telegram, S("getStarTransactions"), params, NULL, &result));
    struct json_object *transactions = json_at(result, "transactions");
    *count = json_length(transactions);
    if (!*count)
        return NULL;
    settle(c, transactions, *count);
    struct db *db = db_new(c->pool, page);
    return db_query_whole(db, &Q_star_page_put, NULL, V(c->id), V(json_text(page, transactions)));
}

/* Each page has an arena of its own: there may be thousands of them. */
static err *read_all(struct comparing *c, struct arena *a)
{
    struct arena *page = arena_new(PAGE_BYTES);
    err *e = NULL;
    for (size_t count = PAGE_TRANSACTIONS; !e && count == PAGE_TRANSACTIONS;) {
        e = read_page(c, page, &count);
        if (!e)
            c->to += (int64_t)count;
        else
            e = fail_with(a, e->kind, e->code, str_dup(a, e->detail), STR_FMT, STR_ARG(e->message));
        arena_reset(page);
    }
    arena_free(page);
    return e;
}

static err *begin(struct comparing *c, struct arena *a, enum stars_part part)
{
    struct rows rows;
    if (part == STARS_ALL)
        return NULL;
    TRY(db_query(db_new(c->pool, a), &Q_star_mark, &rows));
    c->from = c->to = c->settled = rows_i64(&rows, 0, "settled");
    return NULL;
}

err *stars_compare(const struct telegram *telegram, struct db_pool *pool, struct arena *a,
                   enum stars_part part, struct stars_comparison *out)
{
    int64_t started_at_ms = clock_ms();
    struct comparing c = {
        .telegram = telegram,
        .pool = pool,
        .id = random_uuid(a),
        .settled_s = started_at_ms / 1000 - DAY_S,
    };
    TRY(begin(&c, a, part));
    TRY(read_all(&c, a));
    struct rows rows;
    TRY(db_query_commit(db_new(pool, a), &Q_payments_compare, &rows, V(c.id), V(started_at_ms),
                        V(c.settled), V((bool)(part == STARS_ALL))));
    *out = (struct stars_comparison){c.to - c.from, rows_i64(&rows, 0, "differences")};
    return NULL;
}

err *stars_is_due(struct db *db, bool *is_due)
{
    struct rows rows;
    TRY(db_query(db, &Q_star_check_due, &rows, V((int64_t)DAY_S)));
    *is_due = rows_bool(&rows, 0, "is_due");
    return NULL;
}
