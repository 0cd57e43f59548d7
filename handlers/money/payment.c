#include "handlers/money/payment.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "db/ledger.h"
#include "db/payment.h"
#include "db/promo.h"
#include "handlers/admin.h"
#include "handlers/money/topup.h"

enum {
    LOOK_MOST_MS = 900, /* an answer within a second, whatever PostgreSQL does */
    LOOK_BYTES = 1 << 20,
    LOOK_STACK_KIB = 256,
};

/* ---------------------------------------------------------------- the question before a payment */

/* One read beside the request. Where it takes too long nobody waits for it any more; it ends by
 * itself, in an arena of its own. */
struct look {
    struct arena *arena;
    struct db_pool *pool;
    int64_t telegram_id;
    str payload;
    struct task *asker; /* NULL: nobody waits */
    bool is_over;
    const err *failure;
    struct payment_checkout found;
};

static void run_look(void *argument)
{
    struct look *look = argument;
    struct db *db = db_new(look->pool, look->arena);
    look->failure = payment_checkout(db, look->telegram_id, look->payload, &look->found);
    look->is_over = true;
    if (look->asker)
        task_wake(look->asker);
    else
        arena_free(look->arena);
}

/* False when PostgreSQL did not answer. */
static bool look_at_order(const struct bot *bot, struct arena *a, const struct update *update,
                          struct payment_checkout *out)
{
    struct arena *own = arena_new(LOOK_BYTES);
    struct look *look = NEW(own, struct look);
    *look = (struct look){
        .arena = own,
        .pool = bot->pool,
        .telegram_id = update->user_id,
        .payload = str_dup(own, update->invoice_payload),
        .asker = task_self(),
    };
    int64_t deadline_ms = clock_steady_ms() + LOOK_MOST_MS;
    task_start(run_look, look, LOOK_STACK_KIB);
    while (!look->is_over && clock_steady_ms() < deadline_ms)
        task_wait(deadline_ms);
    if (!look->is_over) {
        look->asker = NULL;
        log_warn("checkout.not_looked_up", KV("ms", (int64_t)LOOK_MOST_MS));
        return false;
    }
    bool is_known = !look->failure;
    if (is_known) {
        *out = look->found;
        out->language = str_dup(a, out->language);
    } else {
        log_err("checkout.not_looked_up", look->failure, KVS());
    }
    arena_free(own);
    return is_known;
}

/* TEXT_COUNT: nothing speaks against it. */
static enum text reason_against(const struct conf *conf, const struct update *update,
                                const struct payment_checkout *order)
{
    if (order->is_blocked)
        return T_checkout_blocked;
    if (!order->is_known || !str_eq(update->currency, S("XTR")) ||
        update->total_amount != order->stars)
        return T_checkout_unknown;
    if (order->is_paid)
        return T_checkout_paid;
    if (!topup_package(conf, order->coins, order->stars))
        return T_checkout_changed;
    if (order->is_promo_over)
        return T_checkout_promo_over;
    return TEXT_COUNT;
}

str payment_answer_checkout(const struct bot *bot, struct arena *a, const struct update *update)
{
    struct payment_checkout order = {.language = S("")};
    bool was_looked_up = look_at_order(bot, a, update, &order);
    enum text reason = was_looked_up ? reason_against(bot->conf, update, &order) : T_checkout_away;
    str code = str_empty(order.language) ? update->language_code : order.language;
    if (reason == TEXT_COUNT) {
        log_info("checkout.agreed", KV("stars", update->total_amount));
        return json_make(a, KV("method", "answerPreCheckoutQuery"),
                         KV("pre_checkout_query_id", update->query_id), KV("ok", (bool)true));
    }
    log_warn("checkout.refused", KV("reason", text_table[reason].name));
    return json_make(a, KV("method", "answerPreCheckoutQuery"),
                     KV("pre_checkout_query_id", update->query_id), KV("ok", (bool)false),
                     KV("error_message", text_plain(a, language_of(code), reason, KVS())));
}

/* ---------------------------------------------------------------- a payment */

/* Spends the code that the invoice told of, else the one that waits now. */
static err *settle_promo(struct turn *t, const struct payment_taken *paid, int64_t *extra)
{
    str promised;
    *extra = 0;
    TRY(payment_promised(t->db, paid->id, &promised));
    if (str_empty(promised)) {
        struct promo_use use;
        TRY(promo_waiting(t->db, t->user->id, &use));
        promised = use.id;
    }
    if (str_empty(promised))
        return NULL;
    TRY(promo_spend(t->db, t->user->id, promised, paid->id, paid->coins, extra));
    return *extra ? payment_add_bonus(t->db, paid->id, *extra) : NULL;
}

/* The receipt stays in the chat: its buttons open below it. */
static void go_on_row(struct turn *t)
{
    keyboard_row(&t->keyboard);
    if (dialog_behind(t) == ST_idle)
        keyboard_button(&t->keyboard, T_button_create, S("create:open:new"));
    else
        keyboard_button(&t->keyboard, T_button_go_on, S("dialog:resume:new"));
    keyboard_button(&t->keyboard, T_button_menu, S("menu:open:new"));
}

static err *send_receipt(struct turn *t, const struct payment_taken *paid)
{
    int64_t extra, balance, held;
    TRY(settle_promo(t, paid, &extra));
    TRY(ledger_balance(t->db, t->user->id, &balance, &held));
    log_info("payment.credited", KV("payment", paid->id), KV("coins", paid->coins),
             KV("extra", extra), KV("stars", t->update->total_amount));
    go_on_row(t);
    return say(t, extra ? T_payment_receipt_more : T_payment_receipt,
               KV("stars", t->update->total_amount), KV("coins", paid->coins), KV("extra", extra),
               KV("balance", balance), KV("number", payment_number(t->arena, paid->id)));
}

/* Somebody has to look at it, and the payer has to know that somebody will. */
static err *keep_unmatched(struct turn *t, const struct payment_taken *paid)
{
    const struct conf_ids *admins = &t->bot->conf->telegram_admin_ids;
    log_error("payment.unmatched", KV("payment", paid->id), KV("stars", t->update->total_amount),
              KV("currency", t->update->currency));
    for (size_t i = 0; i < admins->count; i++) {
        int64_t chat_id = admins->items[i];
        const struct new_job alert = {
            .lane = S("send"),
            .kind = S("payment_alert"),
            .key = str_printf(t->arena, "payment_alert:" STR_FMT ":%" PRId64, STR_ARG(paid->id),
                              chat_id),
            .subject = paid->id,
            .payload = json_make(t->arena, KV("chat_id", chat_id)),
        };
        TRY(job_add(t->db, &alert, NULL));
    }
    return say(t, T_payment_unmatched, KV("stars", t->update->total_amount),
               KV("number", payment_number(t->arena, paid->id)));
}

err *on_payment(struct turn *t)
{
    const struct update *u = t->update;
    const struct payment_notice notice = {
        .id = random_uuid(t->arena),
        .charge_id = u->charge_id,
        .payload = str_empty(u->invoice_payload) ? S("") : u->invoice_payload,
        .currency = str_empty(u->currency) ? S("") : u->currency,
        .stars = u->total_amount,
    };
    const struct conf_package *package = topup_package(t->bot->conf, 0, u->total_amount);
    struct payment_taken paid;
    TRY(payment_take(t->db, t->user->id, &notice, package ? package->coins : 0, &paid));
    if (!paid.is_new) {
        log_info("payment.repeated", KV("payment", paid.id));
        return NULL;
    }
    return paid.is_credited ? send_receipt(t, &paid) : keep_unmatched(t, &paid);
}

/* ---------------------------------------------------------------- a refund */

static err *queue_tell(struct db *db, struct arena *a, const struct payment *p)
{
    if (!p->telegram_id)
        return NULL;
    const struct new_job tell = {
        .lane = S("send"),
        .kind = S("payment_refund_tell"),
        .key = str_printf(a, "payment_refund_tell:" STR_FMT, STR_ARG(p->id)),
        .user_id = p->user_id,
        .subject = p->id,
        .payload = json_make(a, KV("chat_id", p->telegram_id)),
    };
    return job_add(db, &tell, NULL);
}

/* Ours come back as this message too; one that nobody here asked for takes the coins now. */
err *on_payment_refunded(struct turn *t)
{
    str payment_id;
    struct payment p;
    TRY(payment_refund_seen(t->db, t->update->charge_id, &payment_id));
    if (str_empty(payment_id))
        return NULL;
    log_info("payment.refund_seen", KV("payment", payment_id));
    TRY(payment_find(t->db, t->arena, payment_id, &p));
    return queue_tell(t->db, t->arena, &p);
}

static err *ask_for_refund(struct work *w, const struct payment *p)
{
    str params = json_make(w->arena, KV("user_id", p->telegram_id),
                           KV("telegram_payment_charge_id", p->charge_id));
    err *e = telegram_call(w->arena, &w->bot->telegram, S("refundStarPayment"), params, NULL, NULL);
    return e && telegram_is_refunded(e) ? NULL : e;
}

static err *end_refused(struct work *w, const struct payment *p, str why)
{
    bool is_first;
    TRY(payment_refund_failed(w->db, p->id, why, &is_first));
    if (is_first)
        log_error("payment.refund_refused", KV("payment", p->id), KV("detail", why));
    w->forget_user_chat_id = p->telegram_id;
    return NULL;
}

/* What Telegram says of this payment is final; that it does not know us, or is away, is not. */
static bool is_final(const err *e)
{
    return e->kind == ERR_UPSTREAM && e->code == 400;
}

err *job_payment_refund(struct work *w)
{
    struct payment p;
    bool is_first;
    TRY(payment_find(w->db, w->arena, w->job->subject, &p));
    if (!str_eq(p.state, S("refunding")))
        return NULL;
    json_i64(w->payload, "chat_id", &p.telegram_id); /* the row of one who leaves has lost it */
    err *e = ask_for_refund(w, &p);
    if (e && is_final(e))
        return end_refused(w, &p, e->detail);
    if (e)
        return e;
    TRY(payment_refund_done(w->db, p.id, &is_first));
    log_info("payment.refunded", KV("payment", p.id), KV("stars", p.stars));
    return queue_tell(w->db, w->arena, &p);
}

err *give_up_payment_refund(struct work *w)
{
    struct payment p;
    TRY(payment_find(w->db, w->arena, w->job->subject, &p));
    return end_refused(w, &p, w->job->last_error);
}

err *job_payment_refund_tell(struct work *w)
{
    struct payment p;
    TRY(payment_find(w->db, w->arena, w->job->subject, &p));
    if (!p.telegram_id)
        return NULL;
    enum language language = language_of(p.language);
    struct keyboard k = keyboard_new(w->arena, language);
    keyboard_row(&k);
    keyboard_button(&k, T_button_statement, S("balance:open:new"));
    keyboard_button(&k, T_button_menu, S("menu:open:new"));
    enum text text = p.refund_taken ? T_payment_refunded : T_payment_refunded_free;
    str html = text_html(w->arena, language, text,
                         KVS(KV("stars", p.stars), KV("coins", p.refund_taken)));
    w->forget_user_chat_id = p.telegram_id;
    return work_call(w,
                     &(struct outbox_call){
                         .chat_id = p.telegram_id,
                         .call = message_call(w->arena, p.telegram_id, 0, html, &k),
                     },
                     NULL);
}

/* ---------------------------------------------------------------- for admins */

err *job_payment_alert(struct work *w)
{
    struct payment p;
    TRY(payment_find(w->db, w->arena, w->job->subject, &p));
    return admin_tell(w, T_payment_alert,
                      KVS(KV("stars", p.stars), KV("currency", p.currency),
                          KV("user", p.telegram_id), KV("number", payment_number(w->arena, p.id))));
}
