/* The queue of updates, getUpdates, and the settings of the webhook. */
#include "tests/sandbox/telegram_inside.h"

#include <openssl/pem.h>

#include "core/clock.h"

enum {
    MOST_UPDATES = 100,
    MOST_WAIT_S = 50,
    DEFAULT_CONNECTIONS = 40,
    LEAST_BETWEEN_SETS_MS = 1000,
};

/* -- what the bot asked for -- */

static const char *const known_kinds[] = {
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "message_reaction",
    "message_reaction_count",
    "chat_boost",
    "removed_chat_boost",
};

static bool is_wanted(struct arena *a, const char *kind)
{
    struct json_object *list;
    str text = store_get(a, "telegram.allowed_updates");
    if (str_empty(text) || json_parse(a, text, &list) || !json_length(list))
        return true; /* the sandbox makes none of the three kinds that must be asked for */
    for (size_t i = 0; i < json_length(list); i++)
        if (str_eq(json_value_str(json_item(list, i)), str_from(kind)))
            return true;
    return false;
}

/* Omitted means as before; an unknown name is dropped silently by Telegram and
 * refused here. */
static err *keep_allowed_updates(struct call *c)
{
    struct json_object *list = json_at(c->arguments, "allowed_updates");
    for (size_t i = 0; i < json_length(list); i++) {
        str name = json_value_str(json_item(list, i));
        bool is_known = false;
        for (size_t k = 0; k < ARRAY_LEN(known_kinds) && !is_known; k++)
            is_known = str_eq(name, str_from(known_kinds[k]));
        if (!is_known)
            return bad_request(c, "unknown update \"" STR_FMT "\" in allowed_updates",
                               STR_ARG(name));
    }
    if (list)
        store_set("telegram.allowed_updates", json_text(c->arena, list));
    return NULL;
}

/* -- the queue -- */

void update_add(struct arena *a, const char *kind, str queue_key, int64_t lives_ms, str member)
{
    if (!is_wanted(a, kind))
        return;
    SQL("insert into updates (queue_key, kind, body, expires_ms) values (?, ?, ?, ?)", V(queue_key),
        V(kind), V(member), V(clock_ms() + lives_ms));
    SQL("insert into queues (queue_key, due_ms) values (?, ?) on conflict do nothing", V(queue_key),
        V(clock_ms()));
    sandbox_changed();
    delivery_wake();
}

int64_t updates_pending(void)
{
    return sql_number("select count(*) from updates", NULL, 0);
}

void updates_forget_all(void)
{
    sql_script("delete from updates; delete from queues where not is_busy");
}

/* -- getUpdates -- */

static int64_t polling_turn; /* the newest getUpdates; an older one that waits gives up */

static void confirm_below(int64_t offset)
{
    if (offset > 0)
        SQL("delete from updates where update_id < ?", V(offset));
    else if (offset < 0)
        SQL("delete from updates where update_id not in"
            " (select update_id from updates order by update_id desc limit ?)",
            V(-offset));
}

static int64_t read_updates(struct arena *a, int64_t limit, struct buf *out)
{
    int64_t count = 0;
    SQL("delete from updates where expires_ms < ?", V(clock_ms()));
    struct row row = SQL_OPEN(
        "select update_id, kind, body from updates order by update_id limit ?", V(limit));
    while (sql_next(&row))
        buf_addf(out, "%s{\"update_id\":%" PRId64 ",\"" STR_FMT "\":" STR_FMT "}",
                 count++ ? "," : "", row_i64(&row, 0), STR_ARG(row_str(a, &row, 1)),
                 STR_ARG(row_str(a, &row, 2)));
    return count;
}

static int64_t clamped(struct call *c, const char *name, int64_t standard, int64_t least,
                       int64_t most)
{
    int64_t value = standard;
    json_i64(c->arguments, name, &value);
    return value < least ? least : value > most ? most : value;
}

err *run_getUpdates(struct call *c, str *result)
{
    int64_t offset = 0, deadline_ms;
    if (webhook_is_set())
        return api_error(c, 409,
                         "Conflict: can't use getUpdates method while webhook is active;"
                         " use deleteWebhook to delete the webhook first");
    TRY(keep_allowed_updates(c));
    json_i64(c->arguments, "offset", &offset);
    confirm_below(offset);
    int64_t limit = clamped(c, "limit", MOST_UPDATES, 1, MOST_UPDATES);
    deadline_ms = clock_steady_ms() + clamped(c, "timeout", 0, 0, MOST_WAIT_S) * 1000;

    int64_t turn = ++polling_turn;
    sandbox_changed();
    for (;;) {
        struct buf b = buf_new(c->arena);
        int64_t seen = sandbox_version(), left_ms = deadline_ms - clock_steady_ms();
        int64_t count = read_updates(c->arena, limit, &b);
        if (turn != polling_turn)
            return api_error(c, 409,
                             "Conflict: terminated by other getUpdates request; make sure"
                             " that only one bot instance is running");
        if (count || left_ms <= 0 || store_is_draining()) {
            *result = str_printf(c->arena, "[" STR_FMT "]", STR_ARG(buf_str(&b)));
            return NULL;
        }
        sandbox_wait_change(seen, left_ms);
    }
}

/* -- the webhook's settings -- */

void webhook_read(struct arena *a, struct webhook *out)
{
    struct json_object *kept;
    *out = (struct webhook){.max_connections = DEFAULT_CONNECTIONS};
    str text = store_get(a, "telegram.webhook");
    if (str_empty(text) || json_parse(a, text, &kept))
        return;
    out->url = json_str(kept, "url");
    out->secret_token = json_str(kept, "secret_token");
    out->certificate = json_str(kept, "certificate");
    json_i64(kept, "max_connections", &out->max_connections);
}

bool webhook_is_set(void)
{
    return sql_number("select 1 from settings where name = 'telegram.webhook' and value <> ''",
                      NULL, 0) != 0;
}

static err *check_webhook(struct call *c, str url, str secret_token)
{
    if (!str_starts(url, S("https://")))
        return bad_request(c, "bad webhook: An HTTPS URL must be provided for webhook");
    for (size_t i = 0; i < secret_token.len; i++) {
        char ch = secret_token.ptr[i];
        bool is_good = (ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'z') ||
                       ch == '_' || ch == '-';
        if (!is_good)
            return bad_request(c, "secret token contains unallowed characters");
    }
    return NULL;
}

/* Telegram's words for what is none are not known to us. */
static err *take_certificate(struct call *c, str *pem)
{
    const struct upload *upload = arguments_upload(c, S("certificate"));
    *pem = upload ? upload->bytes : S("");
    if (!upload)
        return NULL;
    BIO *bytes = BIO_new_mem_buf(pem->ptr, (int)pem->len);
    X509 *certificate = PEM_read_bio_X509(bytes, NULL, NULL, NULL);
    bool is_one = certificate != NULL;
    X509_free(certificate);
    BIO_free(bytes);
    return is_one ? NULL : bad_request(c, "bad webhook: the certificate cannot be read");
}

/* A certificate that was given before is not compared: as with Telegram, it stays. */
static bool is_set_so(struct call *c, str url, str secret, int64_t connections)
{
    struct webhook w;
    webhook_read(c->arena, &w);
    return str_eq(w.url, url) && str_eq(w.secret_token, secret) && w.max_connections == connections;
}

static void drop_if_asked(struct call *c)
{
    bool drops = false;
    if (json_boolean(c->arguments, "drop_pending_updates", &drops) && drops)
        updates_forget_all();
}

err *run_deleteWebhook(struct call *c, str *result)
{
    drop_if_asked(c);
    c->note = webhook_is_set() ? "Webhook was deleted" : "Webhook is already deleted";
    store_set("telegram.webhook", S(""));
    *result = S("true");
    return NULL;
}

err *run_setWebhook(struct call *c, str *result)
{
    static int64_t last_set_ms;
    str url = json_str(c->arguments, "url"), secret = json_str(c->arguments, "secret_token");
    if (str_empty(url))
        return run_deleteWebhook(c, result);
    str certificate;
    TRY(check_webhook(c, url, secret));
    TRY(take_certificate(c, &certificate));
    TRY(keep_allowed_updates(c));
    int64_t connections = DEFAULT_CONNECTIONS;
    json_i64(c->arguments, "max_connections", &connections);
    str made = json_make(c->arena, KV("url", url), KV("secret_token", secret),
                         KV("max_connections", connections), KV("certificate", certificate));
    *result = S("true");
    if (is_set_so(c, url, secret, connections) && str_empty(certificate) &&
        !json_has(c->arguments, "drop_pending_updates")) {
        c->note = "Webhook is already set";
        return NULL;
    }
    if (last_set_ms && clock_steady_ms() - last_set_ms < LEAST_BETWEEN_SETS_MS) {
        err *e = api_error(c, 429, "Too Many Requests: retry after 1");
        e->retry_ms = 1000;
        return e;
    }
    last_set_ms = clock_steady_ms();
    drop_if_asked(c);
    store_set("telegram.webhook", made);
    store_set("telegram.webhook_error", S(""));
    polling_turn++; /* whoever polls learns of it */
    delivery_wake();
    c->note = "Webhook was set";
    return NULL;
}

err *run_getWebhookInfo(struct call *c, str *result)
{
    struct webhook w;
    webhook_read(c->arena, &w);
    struct buf b = buf_new(c->arena);
    buf_add(&b, S("{\"url\":"));
    json_put_str(&b, w.url);
    buf_addf(&b, ",\"has_custom_certificate\":%s,\"pending_update_count\":%" PRId64,
             str_empty(w.certificate) ? "false" : "true", updates_pending());
    struct json_object *failed;
    str error = store_get(c->arena, "telegram.webhook_error");
    int64_t at_s = 0;
    if (!str_empty(error) && !json_parse(c->arena, error, &failed) &&
        json_i64(failed, "date", &at_s)) {
        buf_addf(&b, ",\"last_error_date\":%" PRId64 ",\"last_error_message\":", at_s);
        json_put_str(&b, json_str(failed, "message"));
    }
    if (!str_empty(w.url))
        buf_addf(&b, ",\"max_connections\":%" PRId64, w.max_connections);
    str allowed = store_get(c->arena, "telegram.allowed_updates");
    if (allowed.len > 2)
        buf_addf(&b, ",\"allowed_updates\":" STR_FMT, STR_ARG(allowed));
    buf_add_char(&b, '}');
    *result = buf_str(&b);
    return NULL;
}
