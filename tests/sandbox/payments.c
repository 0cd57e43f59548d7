/*
 * Telegram Stars: invoices, the check before a payment, payments, refunds and
 * the list of transactions.
 *
 * A person pays an invoice; the bot is asked by a pre_checkout_query and has
 * ten seconds. Its yes moves the Stars at once, and the message that tells of
 * it is an update like any other. A checkout that nobody answered is late as
 * soon as its time is over; nothing has to happen for it.
 *
 * Faults:
 *   telegram.pre_checkout    "fail": the payment fails although the bot agreed;
 *                            "lost": the bot's answer does not arrive
 *   telegram.payment_copies  a number: successful_payment comes that many times,
 *                            each time as an update of its own
 *   telegram.refund          {"description":"…"}: refundStarPayment is refused so
 */
#include "tests/sandbox/telegram_inside.h"

#include "core/clock.h"
#include "core/loop.h"

enum {
    CHECKOUT_ANSWER_MS = 10000,
    CHECKOUT_LIVES_MS = 150000,
    MESSAGE_LIVES_MS = 24 * 3600 * 1000,
    MOST_PAYLOAD_BYTES = 128,
    MOST_STARS = 100000, /* of one invoice */
    MOST_ERROR_UNITS = 255,
    MOST_COPIES = 100,
    CHARGE_BYTES = 24,
    MOST_TRANSACTIONS = 100,
};

static const char TOO_OLD[] =
    "query is too old and response timeout expired or query ID is invalid";

/* -- invoices -- */

static err *price_argument(struct call *c, int64_t *stars)
{
    struct json_object *prices = json_at(c->arguments, "prices");
    if (json_length(prices) != 1)
        return bad_request(c, "STARS_INVOICE_INVALID");
    json_i64(json_item(prices, 0), "amount", stars);
    if (str_empty(json_str(json_item(prices, 0), "label")))
        return bad_request(c, "price label must be non-empty");
    if (*stars < 1 || *stars > MOST_STARS)
        return bad_request(c, "CURRENCY_TOTAL_AMOUNT_INVALID");
    return NULL;
}

err *run_sendInvoice(struct call *c, str *result)
{
    struct message m = {.is_from_bot = true, .kind = S("invoice")};
    str payload = json_str(c->arguments, "payload");
    str start = json_str(c->arguments, "start_parameter");
    int64_t stars = 0;
    TRY(chat_argument(c, c->arguments, &m.chat_id));
    if (payload.len < 1 || payload.len > MOST_PAYLOAD_BYTES)
        return bad_request(c, "INVOICE_PAYLOAD_INVALID");
    if (!str_eq(json_str(c->arguments, "currency"), S("XTR")) ||
        !str_empty(json_str(c->arguments, "provider_token")))
        return bad_request(c, "PAYMENT_PROVIDER_INVALID"); /* none but Stars is played */
    TRY(price_argument(c, &stars));
    TRY(markup_argument(c, true, &m.markup));
    str invoice = json_make(c->arena, KV("title", json_str(c->arguments, "title")),
                            KV("description", json_str(c->arguments, "description")),
                            KV("start_parameter", str_empty(start) ? S("") : start),
                            KV("currency", "XTR"), KV("total_amount", stars));
    m.extra = json_make(c->arena, KV("invoice", JSON(invoice)));
    message_add(&m);
    SQL("insert into invoices (message_id, payload, stars) values (?, ?, ?)", V(m.message_id),
        V(payload), V(stars));
    *result = message_json(c->arena, &m);
    return NULL;
}

/* -- paying -- */

static int64_t stars_of(int64_t user_id)
{
    return SQL_NUMBER("select stars from people where id = ?", V(user_id));
}

void telegram_person_stars(int64_t user_id, int64_t stars)
{
    SQL("update people set stars = ? where id = ?", V(stars), V(user_id));
    sandbox_changed();
}

static void ask_bot(struct arena *a, str id, int64_t user_id, str payload, int64_t stars)
{
    update_add(
        a, "pre_checkout_query", str_printf(a, "checkout:%" PRId64, user_id), CHECKOUT_LIVES_MS,
        json_make(a, KV("id", id), KV("from", JSON(user_json(a, user_id))), KV("currency", "XTR"),
                  KV("total_amount", stars), KV("invoice_payload", payload)));
}

str telegram_user_pay(struct arena *a, int64_t user_id, int64_t message_id, const char **why)
{
    struct row row;
    if (!SQL_GET(&row,
                 "select i.payload, i.stars, i.is_paid from invoices i"
                 " join messages m on m.message_id = i.message_id"
                 " where i.message_id = ? and m.chat_id = ? and not m.is_deleted",
                 V(message_id), V(user_id))) {
        *why = "there is no such invoice";
        return S("");
    }
    str payload = row_str(a, &row, 0);
    int64_t stars = row_i64(&row, 1);
    bool is_paid = row_i64(&row, 2) != 0;
    sql_close(&row);
    if (is_paid || stars_of(user_id) < stars) {
        *why = is_paid ? "this invoice is paid" : "there are not enough Stars";
        return S("");
    }
    str id = str_printf(a, "%" PRIu64, (UINT64_C(1) << 60) + random_below(UINT64_C(1) << 60));
    sql_script("savepoint pay");
    SQL("insert into checkouts (id, user_id, message_id, stars, at_ms, state)"
        " values (?, ?, ?, ?, ?, 'asked')",
        V(id), V(user_id), V(message_id), V(stars), V(clock_ms()));
    ask_bot(a, id, user_id, payload, stars);
    sql_script("release pay");
    return id;
}

bool telegram_checkout_find(struct arena *a, str id, struct checkout *out)
{
    struct row row;
    if (!SQL_GET(&row,
                 "select user_id, message_id, stars, at_ms, state, words from checkouts"
                 " where id = ?",
                 V(id)))
        return false;
    *out = (struct checkout){.user_id = row_i64(&row, 0),
                             .message_id = row_i64(&row, 1),
                             .stars = row_i64(&row, 2),
                             .state = row_str(a, &row, 4),
                             .words = row_str(a, &row, 5)};
    bool is_over = clock_ms() > row_i64(&row, 3) + CHECKOUT_ANSWER_MS;
    sql_close(&row);
    if (is_over && str_eq(out->state, S("asked")))
        out->state = S("late");
    return true;
}

void telegram_checkout_wait(struct arena *a, str id, struct checkout *out)
{
    int64_t deadline_ms = clock_steady_ms() + CHECKOUT_ANSWER_MS + 1;
    for (;;) {
        int64_t seen = sandbox_version(), left_ms = deadline_ms - clock_steady_ms();
        if (!telegram_checkout_find(a, id, out) || !str_eq(out->state, S("asked")) ||
            left_ms <= 0 || store_is_draining())
            return;
        sandbox_wait_change(seen, left_ms);
    }
}

static void end_checkout(str id, const char *state, str words)
{
    SQL("update checkouts set state = ?, words = ? where id = ?", V(state),
        V(str_empty(words) ? S("") : words), V(id));
    sandbox_changed();
}

/* -- what was paid -- */

static void put_transaction(str id, int64_t user_id, int64_t stars, bool is_refund, str payload,
                            int64_t date)
{
    SQL("insert into star_transactions (id, user_id, stars, is_refund, payload, date)"
        " values (?, ?, ?, ?, ?, ?)",
        V(id), V(user_id), V(stars), V(is_refund), V(payload), V(date));
}

/* A message in the chat about a payment, and its update; copies: how often that comes. */
static void tell_of_payment(struct arena *a, int64_t user_id, const char *kind, str about,
                            int64_t copies)
{
    struct message m = {.chat_id = user_id, .kind = str_from(kind)};
    m.extra = json_make(a, KV(kind, JSON(about)));
    message_add(&m);
    str queue = str_printf(a, "chat:%" PRId64, user_id);
    for (int64_t i = 0; i < copies; i++)
        update_add(a, "message", queue, MESSAGE_LIVES_MS, message_json(a, &m));
}

static int64_t payment_copies(struct arena *a)
{
    struct json_object *fault;
    int64_t copies;
    if (!fault_get(a, "telegram.payment_copies", &fault) || !json_value_i64(fault, &copies))
        return 1;
    return copies < 1 || copies > MOST_COPIES ? 1 : copies;
}

static void pay(struct arena *a, str id, const struct checkout *checkout)
{
    int64_t left = stars_of(checkout->user_id) - checkout->stars;
    if (left < 0) {
        end_checkout(id, "failed", S("BALANCE_TOO_LOW"));
        return;
    }
    struct row row;
    str payload = S("");
    if (SQL_GET(&row, "select payload from invoices where message_id = ?",
                V(checkout->message_id))) {
        payload = row_str(a, &row, 0);
        sql_close(&row);
    }
    str charge = random_hex(a, CHARGE_BYTES);
    SQL("update people set stars = ? where id = ?", V(left), V(checkout->user_id));
    SQL("update invoices set is_paid = 1 where message_id = ?", V(checkout->message_id));
    SQL("update messages set kind = kind where message_id = ?", V(checkout->message_id));
    put_transaction(charge, checkout->user_id, checkout->stars, false, payload, clock_ms() / 1000);
    str about = json_make(a, KV("currency", "XTR"), KV("total_amount", checkout->stars),
                          KV("invoice_payload", payload), KV("telegram_payment_charge_id", charge),
                          KV("provider_payment_charge_id", random_hex(a, CHARGE_BYTES)));
    tell_of_payment(a, checkout->user_id, "successful_payment", about, payment_copies(a));
    end_checkout(id, "paid", S(""));
}

/* -- the methods -- */

err *run_answerPreCheckoutQuery(struct call *c, str *result)
{
    str id = json_str(c->arguments, "pre_checkout_query_id");
    str words = json_str(c->arguments, "error_message");
    struct checkout checkout;
    struct json_object *fault = NULL;
    bool is_ok = false;
    json_boolean(c->arguments, "ok", &is_ok);
    if (!telegram_checkout_find(c->arena, id, &checkout) || !str_eq(checkout.state, S("asked")))
        return bad_request(c, "%s", TOO_OLD);
    if (!is_ok && str_empty(str_trim(words)))
        return bad_request(c, "ERROR_TEXT_EMPTY");
    if (!is_ok && str_utf16_units(words) > MOST_ERROR_UNITS)
        return bad_request(c, "MESSAGE_TOO_LONG");
    *result = S("true");
    fault_get(c->arena, "telegram.pre_checkout", &fault);
    str wanted = json_value_str(fault);
    if (str_eq(wanted, S("lost")))
        return NULL;
    if (str_eq(wanted, S("fail")))
        end_checkout(id, "failed", S("PAYMENT_FAILED"));
    else if (!is_ok)
        end_checkout(id, "refused", words);
    else
        pay(c->arena, id, &checkout);
    return NULL;
}

err *run_refundStarPayment(struct call *c, str *result)
{
    str charge = json_str(c->arguments, "telegram_payment_charge_id");
    struct row row;
    int64_t user_id = 0;
    json_i64(c->arguments, "user_id", &user_id);
    if (!SQL_GET(&row,
                 "select stars, payload from star_transactions"
                 " where id = ? and user_id = ? and not is_refund",
                 V(charge), V(user_id)))
        return bad_request(c, "CHARGE_NOT_FOUND");
    int64_t stars = row_i64(&row, 0);
    str payload = row_str(c->arena, &row, 1);
    sql_close(&row);
    if (SQL_NUMBER("select 1 from star_transactions where id = ? and is_refund", V(charge)))
        return bad_request(c, "CHARGE_ALREADY_REFUNDED");
    put_transaction(charge, user_id, stars, true, payload, clock_ms() / 1000);
    SQL("update people set stars = stars + ? where id = ?", V(stars), V(user_id));
    str about = json_make(c->arena, KV("currency", "XTR"), KV("total_amount", stars),
                          KV("invoice_payload", payload), KV("telegram_payment_charge_id", charge));
    tell_of_payment(c->arena, user_id, "refunded_payment", about, 1);
    sandbox_changed();
    *result = S("true");
    return NULL;
}

static void put_one(struct arena *a, struct buf *b, const struct row *row)
{
    bool is_refund = row_i64(row, 3) != 0;
    str user = user_json(a, row_i64(row, 1));
    str partner = json_make(a, KV("type", "user"), KV("transaction_type", "invoice_payment"),
                            KV("user", JSON(user)), KV("invoice_payload", row_str(a, row, 4)));
    json_put_object(b, KVS(KV("id", row_str(a, row, 0)), KV("amount", row_i64(row, 2)),
                           KV("date", row_i64(row, 5)),
                           KV(is_refund ? "receiver" : "source", JSON(partner))));
}

err *run_getStarTransactions(struct call *c, str *result)
{
    int64_t offset = 0, limit = MOST_TRANSACTIONS;
    json_i64(c->arguments, "offset", &offset);
    json_i64(c->arguments, "limit", &limit);
    if (offset < 0)
        return bad_request(c, "OFFSET_INVALID");
    struct buf b = buf_new(c->arena);
    struct row row = SQL_OPEN("select id, user_id, stars, is_refund, payload, date"
                              " from star_transactions order by seq limit ? offset ?",
                              V(limit), V(offset));
    buf_add(&b, S("{\"transactions\":["));
    for (bool is_first = true; sql_next(&row); is_first = false) {
        buf_add(&b, is_first ? S("") : S(","));
        put_one(c->arena, &b, &row);
    }
    buf_add(&b, S("]}"));
    *result = buf_str(&b);
    return NULL;
}

err *run_getMyStarBalance(struct call *c, str *result)
{
    int64_t stars = sql_number(
        "select coalesce(sum(iif(is_refund, -stars, stars)), 0) from star_transactions", NULL, 0);
    *result = json_make(c->arena, KV("amount", stars));
    return NULL;
}

/* -- for tests: what Telegram knows, and the bot does not -- */

void telegram_transaction_put(str id, int64_t user_id, int64_t stars, bool is_refund, int64_t date)
{
    put_transaction(id, user_id, stars, is_refund, S("planted"), date);
}

bool telegram_transaction_forget(str id)
{
    return SQL("delete from star_transactions where id = ?", V(id)) > 0;
}
