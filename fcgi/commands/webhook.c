/* aisha webhook: where Telegram delivers updates. */
#include "api/telegram.h"
#include "commands/commands.h"
#include "core/clock.h"
#include "core/numbers.h"

/* What the gateway has a handler for; Telegram keeps the rest to itself. */
#define ALLOWED_UPDATES "[\"message\",\"callback_query\",\"pre_checkout_query\",\"my_chat_member\"]"

enum { MOST_CONNECTIONS = 100 };

static err *call(struct cli *cli, str method, str params, struct json_object **result)
{
    const struct conf *conf = &cli->conf;
    http_init(conf->ca_file, 0);
    http_allow(conf->telegram_api_url);
    const struct telegram telegram = {conf->telegram_api_url, conf->telegram_token};
    err *e = telegram_call(cli->arena, &telegram, method, params, NULL, result);
    if (e && e->kind == ERR_UPSTREAM && (e->code == 401 || e->code == 404))
        cli->advice = S("Telegram does not know this bot. Is TELEGRAM_TOKEN what BotFather gave?");
    else if (e && err_is_waiting(e))
        cli->advice = S("Can TELEGRAM_API_URL be reached from here? Try again in a while.");
    return e;
}

err *cli_webhook_set(struct cli *cli)
{
    struct arena *a = cli->arena;
    const struct conf *conf = &cli->conf;
    if (str_empty(conf->public_url)) {
        cli->advice = S("Set PUBLIC_URL to the address under which Telegram reaches this host.");
        return fail(a, ERR_INPUT, "PUBLIC_URL is not set, so updates are fetched by long polling");
    }
    if (!conf->telegram_webhook_secret.count) {
        cli->advice = S("Set TELEGRAM_WEBHOOK_SECRET; `openssl rand -hex 24` makes one.");
        return fail(a, ERR_INPUT, "without TELEGRAM_WEBHOOK_SECRET the bot refuses every update");
    }
    str url = str_printf(a, STR_FMT "/webhook/telegram", STR_ARG(conf->public_url));
    str params = json_make(a, KV("url", url),
                           KV("secret_token", conf->telegram_webhook_secret.items[0]),
                           KV("allowed_updates", JSON(S(ALLOWED_UPDATES))),
                           KV("max_connections", (int)MOST_CONNECTIONS));
    TRY(call(cli, S("setWebhook"), params, NULL));
    printf("Telegram delivers to " STR_FMT " now.\n", STR_ARG(url));
    return NULL;
}

static void print_line(const char *name, str value)
{
    printf("%-18s " STR_FMT "\n", name, STR_ARG(value));
}

static void print_text(struct json_object *info, const char *name, const char *title)
{
    str value = json_str(info, name);
    if (!str_empty(value))
        print_line(title, value);
}

static void print_number(struct arena *a, struct json_object *info, const char *name,
                         const char *title)
{
    int64_t n;
    if (json_i64(info, name, &n))
        print_line(title, number_grouped(a, n));
}

static void print_moment(struct arena *a, struct json_object *info, const char *name,
                         const char *title)
{
    int64_t at_s;
    if (json_i64(info, name, &at_s) && at_s > 0)
        print_line(title, str_printf(a, STR_FMT " UTC, " STR_FMT " ago",
                                     STR_ARG(number_time(a, at_s * 1000)),
                                     STR_ARG(number_duration(a, clock_ms() - at_s * 1000))));
}

static void print_updates(struct arena *a, struct json_object *info)
{
    struct json_object *kinds = json_at(info, "allowed_updates");
    struct buf b = buf_new(a);
    for (size_t i = 0; i < json_length(kinds); i++) {
        buf_add(&b, i ? S(", ") : S(""));
        buf_add(&b, json_value_str(json_item(kinds, i)));
    }
    if (b.len)
        print_line("updates", buf_str(&b));
}

static void print_info(struct arena *a, struct json_object *info)
{
    str url = json_str(info, "url");
    print_line("address", str_empty(url) ? S("none: updates are fetched by long polling") : url);
    print_number(a, info, "pending_update_count", "waiting updates");
    print_moment(a, info, "last_error_date", "last error");
    print_text(info, "last_error_message", "");
    print_moment(a, info, "last_synchronization_error_date", "last trouble inside");
    print_number(a, info, "max_connections", "connections");
    print_text(info, "ip_address", "at");
    print_updates(a, info);
}

err *cli_webhook_info(struct cli *cli)
{
    struct json_object *info;
    TRY(call(cli, S("getWebhookInfo"), S("{}"), &info));
    if (cli->wants_json)
        printf(STR_FMT "\n", STR_ARG(json_text(cli->arena, info)));
    else
        print_info(cli->arena, info);
    return NULL;
}
