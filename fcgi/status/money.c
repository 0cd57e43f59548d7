#include "core/numbers.h"
#include "status/panels.h"

enum { SPEND_CONCERN_PERCENT = 80, CHECK_LATE_MS = 30 * 60 * 1000 };

/* What a worker has found, which reads the whole ledger every few minutes. */
static void check_line(struct page *p, int64_t sum)
{
    const struct rows *check = &p->figures->check;
    struct arena *a = p->arena;
    int64_t problems = check->count ? rows_i64(check, 0, "problems") : 0;
    int64_t ago_ms = check->count ? rows_i64(check, 0, "made_ms_ago") : 0;
    enum level level = LEVEL_DOWN;
    str words;
    if (problems)
        words = str_printf(a, "The ledger has %" PRId64 " problems, the first: " STR_FMT, problems,
                           STR_ARG(rows_str(check, 0, "first_problem")));
    else if (sum)
        words = str_printf(a, "The accounts sum to " STR_FMT ", not to zero",
                           STR_ARG(number_grouped(a, sum)));
    else if (!check->count || ago_ms >= CHECK_LATE_MS) {
        level = LEVEL_LATE;
        words = check->count ? str_printf(a, "The ledger was last checked " STR_FMT " ago",
                                          STR_ARG(number_duration(a, ago_ms)))
                             : S("The ledger was not checked yet");
    } else {
        level = LEVEL_OK;
        words = str_printf(
            a, "The accounts sum to zero, every balance fits its entries. Checked " STR_FMT " ago.",
            STR_ARG(number_duration(a, ago_ms)));
    }
    page_put(p, S("<p>"));
    page_badge(p, level, level == LEVEL_OK ? "OK" : level == LEVEL_LATE ? "Not known" : "Wrong");
    page_put(p, S(" "));
    page_put_text(p, words);
    page_put(p, S("</p>\n"));
    if (level != LEVEL_OK)
        page_concern(p, level, "coins", words);
}

void panel_coins(struct page *p)
{
    static const struct {
        const char *kind, *title;
    } kinds[] = {
        {"user",       "In the hands of users"     },
        {"held",       "Held for open orders"      },
        {"revenue",    "Spent"                     },
        {"promo",      "Given as welcome and promo"},
        {"stars",      "Bought with Stars"         },
        {"adjustment", "Credited by admins"        },
    };
    static const struct column columns[] = {
        {"Account", WORDS },
        {"Number",  NUMBER},
        {"Coins",   NUMBER}
    };
    const struct rows *totals = &p->figures->totals;
    int64_t sum = 0;
    page_section(p, "coins", "Coins");
    if (totals->count)
        buf_addf(&p->body, "<p class=\"note\">Added up " STR_FMT " ago</p>\n",
                 STR_ARG(number_duration(p->arena, rows_i64(totals, 0, "made_ms_ago"))));
    struct table t = TABLE(p, columns);
    for (int i = 0; i < totals->count; i++) {
        str kind = rows_str(totals, i, "kind"), title = kind;
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
            if (str_eq(kind, str_from(kinds[k].kind)))
                title = str_from(kinds[k].title);
        sum += rows_i64(totals, i, "balance");
        cell_text(&t, title);
        cell_number(&t, rows_i64(totals, i, "accounts"));
        cell_number(&t, rows_i64(totals, i, "balance"));
    }
    cell_text(&t, S("Sum"));
    cell_text(&t, S(""));
    cell_number(&t, sum);
    table_end(&t);
    check_line(p, sum);
    page_section_end(p);
}

static void spend_concern(struct page *p, int64_t total)
{
    int64_t limit = p->figures->spend_limit_microdollars;
    if (!limit || total * 100 / limit < SPEND_CONCERN_PERCENT)
        return;
    page_concern(p, LEVEL_LATE, "spend",
                 str_printf(p->arena, "API spend: " STR_FMT " of " STR_FMT " for today%s",
                            STR_ARG(number_dollars(p->arena, total)),
                            STR_ARG(number_dollars(p->arena, limit)),
                            total >= limit ? ", orders are refused until 00:00 UTC" : ""));
}

static void spend_tiles(struct page *p)
{
    const struct figures *f = p->figures;
    struct arena *a = p->arena;
    int64_t spent = rows_i64(&f->spend, 0, "spent"), limit = f->spend_limit_microdollars;
    int64_t under_way = rows_i64(&f->spend, 0, "under_way"), total = spent + under_way;
    str share = S("DAILY_SPEND_LIMIT is not set");
    if (limit)
        share = str_printf(a, "%.0f %% of it used", (double)total / (double)limit * 100);
    page_put(p, S("<dl class=\"tiles\">\n"));
    page_tile(p, "Submitted", number_dollars(a, spent), S("by our price list"));
    page_tile(p, "Ordered", number_dollars(a, under_way), S("and not yet submitted"));
    page_tile(p, "Limit", limit ? number_dollars(a, limit) : S("none"), share);
    page_put(p, S("</dl>\n"));
    spend_concern(p, total);
}

static void spend_rows(struct table *t, const struct rows *rows, const char *name)
{
    for (int i = 0; i < rows->count; i++) {
        cell_text(t, rows_str(rows, i, name));
        cell_number(t, rows_i64(rows, i, "calls"));
        cell_text(t, number_dollars(t->page->arena, rows_i64(rows, i, "microdollars")));
    }
    table_end(t);
}

void panel_spend(struct page *p)
{
    static const struct column by_model[] = {
        {"Model", LONG  },
        {"Calls", NUMBER},
        {"Cost",  NUMBER}
    };
    static const struct column by_day[] = {
        {"Day before", WORDS },
        {"Calls",      NUMBER},
        {"Cost",       NUMBER}
    };
    if (!p->figures->spend.count)
        return;
    page_section(p, "spend", "API spend <small>since 00:00 UTC</small>");
    spend_tiles(p);
    if (p->figures->spend_kinds.count) {
        struct table t = TABLE(p, by_model);
        spend_rows(&t, &p->figures->spend_kinds, "kind");
    }
    if (p->figures->spend_lately.count) {
        struct table t = TABLE(p, by_day);
        spend_rows(&t, &p->figures->spend_lately, "day");
    }
    page_section_end(p);
}

/* What an admin has to look at; nothing is how it should be. */
static void payment_concerns(struct page *p, const struct rows *payments)
{
    struct arena *a = p->arena;
    int64_t unmatched = rows_i64(payments, 0, "unmatched");
    int64_t differences = rows_i64(payments, 0, "differences");
    if (unmatched)
        page_concern(p, LEVEL_LATE, "payments",
                     str_printf(a, "Payments that fit no order: %" PRId64, unmatched));
    if (differences)
        page_concern(
            p, LEVEL_LATE, "payments",
            str_printf(a, "Payments that Telegram and we do not agree on: %" PRId64, differences));
}

void panel_payments(struct page *p)
{
    const struct rows *payments = &p->figures->payments;
    struct arena *a = p->arena;
    if (!payments->count)
        return;
    int64_t checked_at_ms = rows_i64(payments, 0, "checked_at_ms");
    str checked = checked_at_ms ? str_printf(a, "compared " STR_FMT " ago",
                                             STR_ARG(number_duration(a, p->now_ms - checked_at_ms)))
                                : S("not compared yet");
    page_section(p, "payments", "Payments in Stars");
    page_put(p, S("<dl class=\"tiles\">\n"));
    page_tile(
        p, "Stars today", number_grouped(a, rows_i64(payments, 0, "stars_today")),
        str_printf(a, "%" PRId64 " payments since 00:00 UTC", rows_i64(payments, 0, "today")));
    page_tile(p, "Stars in 30 days", number_grouped(a, rows_i64(payments, 0, "stars")),
              str_printf(a,
                         "%" PRId64 " payments, %" PRId64 " refunded, %" PRId64 " being refunded",
                         rows_i64(payments, 0, "payments"), rows_i64(payments, 0, "refunded"),
                         rows_i64(payments, 0, "refunding")));
    page_tile(p, "Unmatched", number_grouped(a, rows_i64(payments, 0, "unmatched")),
              S("paid, but fit no order"));
    page_tile(p, "Different at Telegram", number_grouped(a, rows_i64(payments, 0, "differences")),
              checked);
    page_put(p, S("</dl>\n"));
    page_section_end(p);
    payment_concerns(p, payments);
}
