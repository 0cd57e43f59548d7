/* aisha webhook: where Telegram delivers updates. */
#include "api/telegram.h"
#include "commands/commands.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/loop.h"
#include "core/numbers.h"

/* What the gateway has a handler for; Telegram keeps the rest to itself. */
static const char *const wanted_updates[] = {"message", "callback_query", "pre_checkout_query",
                                             "my_chat_member"};

enum {
    MOST_CONNECTIONS = 100,
    PATIENCE_MS = 5 * 1000,
    PROBE_TIMEOUT_MS = 10 * 1000,
    PROBE_MOST_BYTES = 64 * 1024,
    DAY_MS = 24 * 3600 * 1000,
    CERTIFICATE_LATE_DAYS = 7, /* certbot renews a month ahead, so that is long too late */
    CERTIFICATE_SOON_DAYS = 21,
    FRESH_ERROR_MS = 15 * 60 * 1000,
    MANY_WAITING = 100,
    SLOW_MS = 1000,
    MOST_CHECKS = 12,
    CERTIFICATE_MOST_BYTES = 64 * 1024,
};

static void open_way(const struct conf *conf)
{
    http_init(conf->ca_file, 0);
    http_allow(conf->telegram_api_url);
}

static err *call(struct cli *cli, str method, str params, const struct telegram_file *files,
                 struct json_object **result)
{
    const struct conf *conf = &cli->conf;
    const struct telegram telegram = {conf->telegram_api_url, conf->telegram_token};
    err *e = telegram_call(cli->arena, &telegram, method, params, files, result);
    if (e && e->retry_ms > 0 && e->retry_ms <= PATIENCE_MS) { /* setWebhook: one a second */
        task_sleep_ms(e->retry_ms);
        e = telegram_call(cli->arena, &telegram, method, params, files, result);
    }
    if (e && e->kind == ERR_UPSTREAM && (e->code == 401 || e->code == 404))
        cli->advice = S("Telegram does not know this bot. Is TELEGRAM_TOKEN what BotFather gave?");
    else if (e && err_is_waiting(e))
        cli->advice = S("Can TELEGRAM_API_URL be reached from here? Try again in a while.");
    return e;
}

static struct json_text updates_json(struct arena *a)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < ARRAY_LEN(wanted_updates); i++) {
        buf_add(&b, i ? S(",") : S("["));
        json_put_str(&b, str_from(wanted_updates[i]));
    }
    buf_add_char(&b, ']');
    return JSON(buf_str(&b));
}

static bool holds(str text, const char *what)
{
    size_t position;
    return str_find(text, str_from(what), &position);
}

/* Such files often hold the key as well, and that is nobody's but ours. */
static err *read_certificate(struct cli *cli, struct telegram_file *out)
{
    str text = S(""), path = cli_option(cli, "--certificate");
    if (str_empty(path))
        return NULL;
    TRY(file_read(cli->arena, cstr(cli->arena, path), CERTIFICATE_MOST_BYTES, &text));
    if (!holds(text, "-----BEGIN CERTIFICATE-----") || holds(text, "PRIVATE KEY"))
        return fail(cli->arena, ERR_INPUT,
                    STR_FMT " is not a certificate in PEM, and nothing beside it", STR_ARG(path));
    *out = (struct telegram_file){S("certificate"), S("cert.pem"), S("application/x-pem-file"),
                                  text};
    return NULL;
}

/* Set again without its certificate, a webhook that has one stays as it is: Telegram goes on
 * trusting that one alone. */
static err *forget_certificate(struct cli *cli)
{
    struct json_object *info;
    bool has_one = false;
    TRY(call(cli, S("getWebhookInfo"), S("{}"), NULL, &info));
    return json_boolean(info, "has_custom_certificate", &has_one) && has_one
               ? call(cli, S("deleteWebhook"), S("{}"), NULL, NULL)
               : NULL;
}

err *cli_webhook_set(struct cli *cli)
{
    struct arena *a = cli->arena;
    const struct conf *conf = &cli->conf;
    struct telegram_file files[2] = {0};
    if (str_empty(conf->public_url)) {
        cli->advice = S("Set PUBLIC_URL to the address under which Telegram reaches this host.");
        return fail(a, ERR_INPUT, "PUBLIC_URL is not set, so updates are fetched by long polling");
    }
    if (!conf->telegram_webhook_secret.count) {
        cli->advice = S("Set TELEGRAM_WEBHOOK_SECRET; `openssl rand -hex 24` makes one.");
        return fail(a, ERR_INPUT, "without TELEGRAM_WEBHOOK_SECRET the bot refuses every update");
    }
    str url = str_printf(a, STR_FMT "/webhook/telegram", STR_ARG(conf->public_url));
    str params = json_make(
        a, KV("url", url), KV("secret_token", conf->telegram_webhook_secret.items[0]),
        KV("allowed_updates", updates_json(a)), KV("max_connections", (int)MOST_CONNECTIONS));
    TRY(read_certificate(cli, &files[0]));
    open_way(conf);
    if (str_empty(files[0].bytes))
        TRY(forget_certificate(cli));
    TRY(call(cli, S("setWebhook"), params, files, NULL));
    if (cli->wants_json)
        print_json_line(json_make(a, KV("url", url)));
    else
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
    open_way(&cli->conf);
    TRY(call(cli, S("getWebhookInfo"), S("{}"), NULL, &info));
    if (cli->wants_json)
        printf(STR_FMT "\n", STR_ARG(json_text(cli->arena, info)));
    else
        print_info(cli->arena, info);
    return NULL;
}

err *cli_webhook_delete(struct cli *cli)
{
    bool drops = cli_has(cli, "--drop");
    open_way(&cli->conf);
    TRY(call(cli, S("deleteWebhook"), json_make(cli->arena, KV("drop_pending_updates", drops)),
             NULL, NULL));
    if (cli->wants_json)
        print_json_line(json_make(cli->arena, KV("deleted", true), KV("dropped", drops)));
    else
        printf("Telegram delivers nowhere now.%s\n",
               drops ? " What waited is gone." : " What waits there stays for a day.");
    return NULL;
}

/* ---------------------------------------------------------------- doctor */

enum verdict { GOOD, DOUBTFUL, BAD };

struct check {
    const char *name;
    enum verdict verdict;
    str words;
};

struct doctor {
    struct cli *cli;
    struct check checks[MOST_CHECKS];
    size_t count;
};

static void note(struct doctor *d, const char *name, enum verdict verdict, str words)
{
    assert(d->count < MOST_CHECKS);
    d->checks[d->count++] = (struct check){name, verdict, words};
}

static void note_error(struct doctor *d, const char *name, const err *e)
{
    note(d, name, BAD,
         str_printf(d->cli->arena, STR_FMT "%s" STR_FMT, STR_ARG(e->message),
                    str_empty(e->detail) ? "" : ": ", STR_ARG(e->detail)));
}

static str took(struct arena *a, int64_t ms)
{
    return str_printf(a, "%" PRId64 " ms", ms);
}

static enum verdict by_speed(int64_t ms)
{
    return ms > SLOW_MS ? DOUBTFUL : GOOD;
}

/* What Telegram is asked is a round trip by itself. */
static struct json_object *ask_telegram(struct doctor *d)
{
    struct arena *a = d->cli->arena;
    struct json_object *info;
    int64_t began_ms = clock_steady_ms();
    err *e = call(d->cli, S("getWebhookInfo"), S("{}"), NULL, &info);
    int64_t ms = clock_steady_ms() - began_ms;
    if (e) {
        note_error(d, "telegram", e);
        return NULL;
    }
    note(d, "telegram", by_speed(ms), str_printf(a, "answers in " STR_FMT, STR_ARG(took(a, ms))));
    return info;
}

static void check_address(struct doctor *d, struct json_object *info)
{
    struct arena *a = d->cli->arena;
    str public_url = d->cli->conf.public_url, told = json_str(info, "url");
    str wanted = str_empty(public_url)
                     ? S("")
                     : str_printf(a, STR_FMT "/webhook/telegram", STR_ARG(public_url));
    if (str_eq(told, wanted))
        note(d, "address", GOOD, str_empty(told) ? S("none: updates are fetched") : told);
    else if (str_empty(told))
        note(d, "address", BAD, S("Telegram delivers nowhere; `aisha webhook set` says where"));
    else
        note(d, "address", BAD,
             str_printf(a, "Telegram delivers to " STR_FMT ", PUBLIC_URL means %s" STR_FMT,
                        STR_ARG(told), str_empty(wanted) ? "none" : "", STR_ARG(wanted)));
}

static bool is_told(struct json_object *kinds, str kind)
{
    for (size_t i = 0; i < json_length(kinds); i++)
        if (str_eq(json_value_str(json_item(kinds, i)), kind))
            return true;
    return false;
}

static bool is_wanted(str kind)
{
    for (size_t i = 0; i < ARRAY_LEN(wanted_updates); i++)
        if (str_is(kind, wanted_updates[i]))
            return true;
    return false;
}

/* Left out, Telegram means a list of its own, which has kinds that nobody here handles. */
static void check_updates(struct doctor *d, struct json_object *info)
{
    struct json_object *kinds = json_at(info, "allowed_updates");
    struct buf b = buf_new(d->cli->arena);
    for (size_t i = 0; i < ARRAY_LEN(wanted_updates); i++)
        if (!is_told(kinds, str_from(wanted_updates[i])))
            buf_addf(&b, " lacks %s", wanted_updates[i]);
    for (size_t i = 0; i < json_length(kinds); i++) {
        str kind = json_value_str(json_item(kinds, i));
        if (!is_wanted(kind))
            buf_addf(&b, " has " STR_FMT " beside", STR_ARG(kind));
    }
    if (b.len)
        note(d, "updates", BAD,
             str_printf(d->cli->arena, "the list" STR_FMT "; `aisha webhook set` mends it",
                        STR_ARG(buf_str(&b))));
    else
        note(d, "updates", GOOD, S("those that are handled, and no others"));
}

static void check_waiting(struct doctor *d, struct json_object *info)
{
    int64_t waiting = 0;
    json_i64(info, "pending_update_count", &waiting);
    note(d, "waiting", waiting > MANY_WAITING ? DOUBTFUL : GOOD,
         str_printf(d->cli->arena, "%" PRId64 " updates", waiting));
}

static void check_last_error(struct doctor *d, struct json_object *info)
{
    struct arena *a = d->cli->arena;
    int64_t at_s = 0;
    if (!json_i64(info, "last_error_date", &at_s) || at_s <= 0) {
        note(d, "last error", GOOD, S("none"));
        return;
    }
    int64_t ago_ms = clock_ms() - at_s * 1000;
    note(d, "last error", ago_ms < FRESH_ERROR_MS ? BAD : GOOD,
         str_printf(a, STR_FMT " ago: " STR_FMT, STR_ARG(number_duration(a, ago_ms)),
                    STR_ARG(json_str(info, "last_error_message"))));
}

static err *probe(struct doctor *d, str method, str path, struct http_response *out)
{
    const struct conf *conf = &d->cli->conf;
    http_allow(conf->public_url);
    return http_fetch(d->cli->arena,
                      &(struct http_request){
                          .method = method,
                          .url = str_printf(d->cli->arena, STR_FMT STR_FMT,
                                            STR_ARG(conf->public_url), STR_ARG(path)),
                          .timeout_ms = PROBE_TIMEOUT_MS,
                          .max_bytes = PROBE_MOST_BYTES,
                          .wants_certificate = true,
                      },
                      out);
}

static void check_certificate(struct doctor *d, int64_t ends_ms)
{
    if (!ends_ms)
        return;
    int64_t days = (ends_ms - clock_ms()) / DAY_MS;
    note(d, "certificate",
         days < CERTIFICATE_LATE_DAYS   ? BAD
         : days < CERTIFICATE_SOON_DAYS ? DOUBTFUL
                                        : GOOD,
         str_printf(d->cli->arena, "good for %" PRId64 " days", days));
}

/* From here: whether Telegram gets through, its own last error tells. */
static void check_health(struct doctor *d)
{
    struct arena *a = d->cli->arena;
    struct http_response response;
    err *e = probe(d, S("GET"), S("/health"), &response);
    if (e) {
        note_error(d, "round trip", e);
        return;
    }
    check_certificate(d, response.certificate_ends_ms);
    struct json_object *health = NULL;
    if (response.status != 200 || json_parse(a, response.body, &health)) {
        note(d, "round trip", BAD, str_printf(a, "/health answers %d", response.status));
        return;
    }
    note(d, "round trip", by_speed(response.took_ms),
         str_printf(a, STR_FMT " to PUBLIC_URL and back, release " STR_FMT,
                    STR_ARG(took(a, response.took_ms)), STR_ARG(json_str(health, "release"))));
}

static void check_door(struct doctor *d)
{
    struct http_response response;
    err *e = probe(d, S("POST"), S("/webhook/telegram"), &response);
    if (e)
        note_error(d, "door", e);
    else if (response.status == 401)
        note(d, "door", GOOD, S("refuses what comes without the secret"));
    else
        note(d, "door", BAD,
             str_printf(d->cli->arena, "answers %d to what comes without the secret, not 401",
                        response.status));
}

static const char *const verdict_names[] = {
    [GOOD] = "ok", [DOUBTFUL] = "doubtful", [BAD] = "wrong"};

static void print_checks_json(const struct doctor *d, bool is_well)
{
    struct buf b = buf_new(d->cli->arena);
    for (size_t i = 0; i < d->count; i++) {
        buf_add(&b, i ? S(",") : S("["));
        json_put_object(&b, KVS(KV("name", d->checks[i].name),
                                KV("verdict", verdict_names[d->checks[i].verdict]),
                                KV("words", d->checks[i].words)));
    }
    buf_add_char(&b, ']');
    print_json_line(json_make(d->cli->arena, KV("ok", is_well), KV("checks", JSON(buf_str(&b)))));
}

err *cli_webhook_doctor(struct cli *cli)
{
    struct doctor d = {.cli = cli};
    open_way(&cli->conf);
    struct json_object *info = ask_telegram(&d);
    if (info) {
        check_address(&d, info);
        check_waiting(&d, info);
        check_last_error(&d, info);
    }
    if (!str_empty(cli->conf.public_url)) {
        if (info)
            check_updates(&d, info);
        check_health(&d);
        check_door(&d);
    }
    bool is_well = true;
    for (size_t i = 0; i < d.count; i++)
        is_well = is_well && d.checks[i].verdict != BAD;
    if (cli->wants_json)
        print_checks_json(&d, is_well);
    else
        for (size_t i = 0; i < d.count; i++)
            printf("%-9s %-12s " STR_FMT "\n", verdict_names[d.checks[i].verdict], d.checks[i].name,
                   STR_ARG(d.checks[i].words));
    cli->exit_status = is_well ? EXIT_SUCCESS : EXIT_FAILURE;
    return NULL;
}
