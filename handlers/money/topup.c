#include "handlers/money/topup.h"

#include "core/clock.h"
#include "core/log.h"
#include "db/payment.h"
#include "db/promo.h"
#include "handlers/money/funds.h"

enum {
    PAYMENTS_SHOWN = 5, /* to somebody who writes to support */
    NUMBER_CHARS = 8,
};

const struct conf_package *topup_package(const struct conf *conf, int64_t coins, int64_t stars)
{
    const struct conf_packages *offered = &conf->topup_packages;
    for (size_t i = 0; i < offered->count; i++) {
        const struct conf_package *package = &offered->items[i];
        if ((!coins || package->coins == coins) && (!stars || package->stars == stars))
            return package;
    }
    return NULL;
}

str payment_number(struct arena *a, str payment_id)
{
    return str_dup(a, str_sub(payment_id, 0, NUMBER_CHARS));
}

void topup_row(struct keyboard *k)
{
    keyboard_row(k);
    keyboard_button(k, T_button_topup, S("topup:open"));
    keyboard_button(k, T_button_promo, S("promo:open"));
}

/* ---------------------------------------------------------------- the packages */

static void package_button(struct turn *t, const struct conf_package *package,
                           const struct promo_use *use)
{
    int64_t extra = promo_extra_coins(use, package->coins);
    str tap = tap_for(t->arena, "topup:buy", str_printf(t->arena, "%" PRId64, package->coins));
    keyboard_row(&t->keyboard);
    if (extra)
        keyboard_button(&t->keyboard, T_button_package_more, tap, KV("coins", package->coins),
                        KV("extra", extra), KV("stars", package->stars));
    else
        keyboard_button(&t->keyboard, T_button_package, tap, KV("coins", package->coins),
                        KV("stars", package->stars));
}

/* A line below the balance; empty when no code waits. */
static str promo_line(struct turn *t, const struct promo_use *use)
{
    if (str_empty(use->id))
        return S("");
    enum text text = use->kind == PROMO_PERCENT ? T_topup_percent : T_topup_bonus;
    str line = text_plain(t->arena, t->language, text,
                          KVS(KV("code", use->code), KV("amount", use->amount)));
    return str_printf(t->arena, "\n\n" STR_FMT, STR_ARG(line));
}

err *on_topup_open(struct turn *t)
{
    const struct conf *conf = t->bot->conf;
    struct promo_use use;
    TRY(promo_waiting(t->db, t->user->id, &use));
    for (size_t i = 0; i < conf->topup_packages.count; i++)
        package_button(t, &conf->topup_packages.items[i], &use);
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_promo, S("promo:open:topup"));
    funds_back_row(t, T_button_back);
    return edit(t, T_topup, KV("balance", t->user->balance), KV("promo", promo_line(t, &use)),
                KV("image", conf->image_generation_cost_coins),
                KV("avatar", conf->avatar_creation_cost_coins));
}

/* ---------------------------------------------------------------- the invoice */

/* A start parameter keeps a forwarded copy from being paid by somebody else. Without buttons of our
 * own the message has one that pays, in the words of the user's own app. */
static str invoice_call(struct turn *t, const struct payment_order *order, int64_t extra)
{
    const struct kv values[] = {KV("coins", order->coins), KV("extra", extra), {0}};
    str title = text_plain(t->arena, t->language, extra ? T_invoice_title_more : T_invoice_title,
                           values);
    str about = text_plain(t->arena, t->language, extra ? T_invoice_about_more : T_invoice_about,
                           values);
    str price = json_make(t->arena, KV("label", title), KV("amount", order->stars));
    return json_make(t->arena, KV("method", "sendInvoice"), KV("chat_id", t->chat_id),
                     KV("title", title), KV("description", about), KV("payload", order->id),
                     KV("currency", "XTR"),
                     KV("prices", JSON(str_printf(t->arena, "[" STR_FMT "]", STR_ARG(price)))),
                     KV("start_parameter", "topup"));
}

err *on_topup_buy(struct turn *t)
{
    int64_t coins = 0;
    str_to_i64(t->argument, &coins);
    const struct conf_package *package = coins > 0 ? topup_package(t->bot->conf, coins, 0) : NULL;
    if (!package) {
        hint(t, T_topup_changed);
        t->is_redraw = true;
        return on_topup_open(t);
    }
    struct promo_use use;
    TRY(promo_waiting(t->db, t->user->id, &use));
    const struct payment_order order = {
        .id = random_uuid(t->arena),
        .user_id = t->user->id,
        .coins = package->coins,
        .stars = package->stars,
        .promo_usage_id = use.id,
    };
    bool added;
    TRY(payment_order_add(t->db, &order, &added));
    if (!added)
        return refuse(t, T_topup_sent);
    log_info("payment.offered", KV("coins", order.coins), KV("stars", order.stars));
    str call = invoice_call(t, &order, promo_extra_coins(&use, order.coins));
    turn_add_call(t, &(struct outgoing){.way = CALL_QUEUED, .call = call});
    t->spares_user = true;
    return NULL;
}

/* ---------------------------------------------------------------- what a buyer may ask */

static void link_button(struct turn *t, enum text label, str url)
{
    if (str_empty(url))
        return;
    keyboard_row(&t->keyboard);
    keyboard_link(&t->keyboard, label, url);
}

err *on_terms(struct turn *t)
{
    link_button(t, T_button_offer, t->bot->conf->offer_url);
    link_button(t, T_button_privacy, t->bot->conf->privacy_url);
    keyboard_menu_row(&t->keyboard);
    return edit(t, T_terms);
}

static str payment_lines(struct turn *t, const struct payment *payments, size_t count)
{
    struct buf b = buf_new(t->arena);
    for (size_t i = 0; i < count; i++) {
        const struct payment *p = &payments[i];
        str number = payment_number(t->arena, p->id);
        str date = moment_shown(t->arena, p->created_at_ms, t->user->utc_offset_minutes);
        enum text text = str_eq(p->state, S("refunded")) ? T_payment_line_back : T_payment_line;
        buf_add(&b, i ? S("\n") : S(""));
        buf_add(&b, text_plain(t->arena, t->language, text,
                               KVS(KV("date", date), KV("stars", p->stars), KV("number", number))));
    }
    return buf_str(&b);
}

err *on_paysupport(struct turn *t)
{
    struct payment *payments;
    size_t count;
    TRY(payment_list(t->db, t->arena, t->user->id, PAYMENTS_SHOWN, &payments, &count));
    enum text way = str_empty(t->bot->conf->support_url) ? T_paysupport_profile
                                                         : T_paysupport_button;
    str where = text_plain(t->arena, t->language, way, KVS());
    link_button(t, T_button_support, t->bot->conf->support_url);
    keyboard_menu_row(&t->keyboard);
    if (!count)
        return edit(t, T_paysupport_none, KV("where", where));
    return edit(t, T_paysupport, KV("where", where),
                KV("payments", payment_lines(t, payments, count)));
}
