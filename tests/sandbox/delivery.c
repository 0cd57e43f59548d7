/*
 * Updates go out to the webhook as Telegram sends them: one after another
 * within a queue key, queues side by side over at most max_connections, again
 * and again until a 2xx or until the update expires.
 *
 * What is due stands in the table `queues`; a restart goes on from there.
 */
#include "tests/sandbox/telegram_inside.h"

#include "core/clock.h"
#include "core/http.h"
#include "core/log.h"
#include "core/loop.h"

enum {
    DELIVERY_TIMEOUT_MS = 60000,
    FIRST_DELAY_S = 2,
    CAP_DELAY_S = 60, /* to twice that, by chance */
    MOST_RETRY_AFTER_S = 3600,
    WARM_MS = 10000, /* since the last success: then connections open faster */
    WARM_WINDOW_MS = 500,
    WARM_OPENINGS = 10,
    COLD_WINDOW_MS = 2000,
    IDLE_MS = 60000,            /* idle connections are closed by then */
    GONE_MS = 23 * 3600 * 1000, /* of nothing but 410: the webhook is taken out */
    ANSWER_MOST_BYTES = 1 << 20,
    DELIVERY_ARENA_BYTES = 128 << 20,
    DELIVERY_STACK_KIB = 256,
};

static struct task *scheduler;
static size_t in_flight, open_connections, opened_in_window;
static int64_t window_began_ms, last_success_ms, last_delivery_ms, gone_since_ms;

double delivery_scale(struct arena *a)
{
    struct json_object *fault;
    double scale;
    if (!fault_get(a, "telegram.retry_scale", &fault))
        return 1;
    if (json_double(fault, "scale", &scale))
        return scale;
    return json_object_is_type(fault, json_type_int) || json_object_is_type(fault, json_type_double)
               ? json_object_get_double(fault)
               : 1;
}

/* -- connections -- */

/* True when one more delivery may begin now. next_ms: when to ask again otherwise. */
static bool may_begin(struct arena *a, int64_t max_connections, int64_t *next_ms)
{
    int64_t now_ms = clock_steady_ms();
    if (now_ms - last_delivery_ms > IDLE_MS)
        open_connections = in_flight;
    if (in_flight < open_connections)
        return true;
    if (open_connections >= (size_t)max_connections)
        return false; /* the end of a delivery wakes the scheduler */

    bool is_warm = last_success_ms && now_ms - last_success_ms <= WARM_MS;
    int64_t window_ms = (int64_t)((is_warm ? WARM_WINDOW_MS : COLD_WINDOW_MS) * delivery_scale(a));
    if (!window_began_ms || now_ms - window_began_ms >= window_ms) {
        window_began_ms = now_ms;
        opened_in_window = 0;
    }
    *next_ms = window_began_ms + window_ms;
    if (opened_in_window >= (is_warm ? (size_t)WARM_OPENINGS : 1))
        return false;
    opened_in_window++;
    open_connections++;
    return true;
}

/* -- one delivery -- */

struct delivery {
    struct arena *arena;
    str queue_key;
    struct webhook webhook;
    int64_t update_id, expires_ms, delay_s;
    str kind, body;
};

static bool read_head(struct delivery *d)
{
    struct row row;
    if (!SQL_GET(&row,
                 "select u.update_id, u.kind, u.body, u.expires_ms, q.delay_s"
                 " from updates u join queues q on q.queue_key = u.queue_key"
                 " where u.queue_key = ? order by u.update_id limit 1",
                 V(d->queue_key)))
        return false;
    d->update_id = row_i64(&row, 0);
    d->kind = row_str(d->arena, &row, 1);
    d->body = row_str(d->arena, &row, 2);
    d->expires_ms = row_i64(&row, 3);
    d->delay_s = row_i64(&row, 4);
    sql_close(&row);
    return true;
}

static void queue_goes_on(struct delivery *d, int64_t due_ms, int64_t delay_s)
{
    SQL("update queues set is_busy = 0, due_ms = ?, delay_s = ? where queue_key = ?", V(due_ms),
        V(delay_s), V(d->queue_key));
}

static void update_finish(struct delivery *d)
{
    SQL("delete from updates where update_id = ?", V(d->update_id));
    queue_goes_on(d, clock_ms(), 0);
}

static void count(const char *what)
{
    SQL("insert into settings (name, value) values ('telegram.' || ?1, 1)"
        " on conflict (name) do update set value = value + 1",
        V(what));
}

static void note_error(struct delivery *d, str message)
{
    store_set("telegram.webhook_error",
              json_make(d->arena, KV("date", clock_ms() / 1000), KV("message", message)));
}

/* -- a method in the answer -- */

static bool may_be_answered(str method)
{
    static const char *const refused[] = {"setWebhook", "deleteWebhook", "close", "logOut"};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (str_eq_nocase(method, str_from(refused[i])))
            return false;
    return !str_eq_nocase(str_sub(method, 0, 3), S("get"));
}

/* Held against the same table; the bot never learns what became of it. */
static void run_answer(struct delivery *d, const struct http_response *response)
{
    str type = http_header(response, S("content-type"));
    if (str_empty(response->body))
        return;
    struct call c = {.arena = d->arena, .is_from_webhook = true, .method_name = S("(answer)")};
    struct api_answer ignored;
    err *e = arguments_read(&c, S(""), type, response->body);
    str method = e ? S("") : json_str(c.arguments, "method");
    if (e || str_empty(method)) {
        /* Telegram takes any body of a 2xx; one that holds no call is just not obeyed. */
        return;
    }
    c.method_name = str_dup(d->arena, method);
    json_object_object_del(c.arguments, "method");
    if (!may_be_answered(c.method_name)) {
        c.method_name = str_printf(d->arena, "(answer) " STR_FMT, STR_ARG(c.method_name));
        api_run(&c, &ignored);
        return;
    }
    api_run(&c, &ignored);
}

/* -- success and failure -- */

static void succeeded(struct delivery *d, const struct http_response *response)
{
    last_success_ms = clock_steady_ms();
    gone_since_ms = 0;
    run_answer(d, response);
    update_finish(d);
    count("delivered");
}

/* The first retry comes at once, then 2, 4, 8 … seconds. */
static int64_t next_delay_s(struct delivery *d, int64_t retry_after_s, int64_t *kept_s)
{
    int64_t cap_s = CAP_DELAY_S + (int64_t)random_below(CAP_DELAY_S + 1);
    int64_t delay_s = d->delay_s < 0 ? FIRST_DELAY_S : d->delay_s == 0 ? 0 : d->delay_s * 2;
    if (delay_s > cap_s)
        delay_s = cap_s;
    *kept_s = delay_s ? delay_s : -1; /* -1: the immediate retry has been used */
    if (retry_after_s > 0)
        return retry_after_s < MOST_RETRY_AFTER_S ? retry_after_s : MOST_RETRY_AFTER_S;
    return delay_s;
}

static void failed(struct delivery *d, int64_t retry_after_s, str message)
{
    int64_t kept_s;
    int64_t delay_s = next_delay_s(d, retry_after_s, &kept_s);
    int64_t delay_ms = (int64_t)((double)delay_s * 1000 * delivery_scale(d->arena));
    open_connections -= open_connections > 0;
    note_error(d, message);
    SQL("update updates set attempts = attempts + 1 where update_id = ?", V(d->update_id));
    count("failed");
    if (clock_ms() + delay_ms > d->expires_ms) {
        log_warn("telegram.update_expired", KV("update", d->update_id), KV("kind", d->kind));
        update_finish(d);
        count("expired");
        return;
    }
    queue_goes_on(d, clock_ms() + delay_ms, kept_s);
}

/* A server that says 410 for nearly a day wants no more updates. */
static void was_gone(void)
{
    if (!gone_since_ms)
        gone_since_ms = clock_steady_ms();
    if (clock_steady_ms() - gone_since_ms > GONE_MS)
        store_set("telegram.webhook", S(""));
}

static str failure_words(struct delivery *d, const err *e)
{
    if (e->kind == ERR_UNREACHABLE)
        return S("Connection refused");
    if (e->kind == ERR_UNKNOWN)
        return S("Read timeout expired");
    return str_dup(d->arena, e->message);
}

static err *post(struct delivery *d, struct http_response *response)
{
    bool has_secret = !str_empty(d->webhook.secret_token);
    struct http_header headers[] = {
        {S("Content-Type"),                                         S("application/json")  },
        {has_secret ? S("X-Telegram-Bot-Api-Secret-Token") : S(""), d->webhook.secret_token},
        {{0},                                                       {0}                    }
    };
    return http_fetch(
        d->arena,
        &(struct http_request){
            .method = S("POST"),
            .url = d->webhook.url,
            .root = d->webhook.certificate,
            .headers = headers,
            .body = str_printf(d->arena, "{\"update_id\":%" PRId64 ",\"" STR_FMT "\":" STR_FMT "}",
                               d->update_id, STR_ARG(d->kind), STR_ARG(d->body)),
            .timeout_ms = DELIVERY_TIMEOUT_MS,
            .max_bytes = ANSWER_MOST_BYTES,
        },
        response);
}

static void attempt(struct delivery *d)
{
    struct http_response response = {0};
    err *e = post(d, &response);
    /* A fault of the tests: every update arrives twice, the second while nobody waits for it. */
    if (!e && fault_get(d->arena, "telegram.twice", NULL)) {
        struct http_response again = {0};
        if (!post(d, &again) && again.status / 100 == 2)
            run_answer(d, &again);
    }
    if (e) {
        failed(d, 0, failure_words(d, e));
    } else if (response.status / 100 == 2) {
        succeeded(d, &response);
    } else {
        int64_t retry_after_s = 0;
        str_to_i64(http_header(&response, S("retry-after")), &retry_after_s);
        if (response.status == 410)
            was_gone();
        failed(d, retry_after_s,
               str_printf(d->arena, "Wrong response from the webhook: %d", response.status));
    }
}

static void deliver(void *argument)
{
    struct delivery *d = argument;
    if (!read_head(d)) {
        SQL("delete from queues where queue_key = ?", V(d->queue_key));
    } else if (clock_ms() > d->expires_ms) {
        update_finish(d);
        count("expired");
    } else {
        attempt(d);
    }
    in_flight--;
    last_delivery_ms = clock_steady_ms();
    sandbox_changed();
    delivery_wake();
    arena_free(d->arena);
}

/* -- the scheduler -- */

static bool take_due(struct arena *a, str *queue_key, int64_t *next_ms)
{
    struct row row;
    if (!SQL_GET(&row,
                 "select queue_key, due_ms from queues where is_busy = 0"
                 " order by due_ms limit ?",
                 V(1)))
        return false;
    int64_t due_ms = row_i64(&row, 1);
    *queue_key = row_str(a, &row, 0);
    sql_close(&row);
    int64_t wait_ms = due_ms - clock_ms();
    if (wait_ms <= 0)
        return true;
    *next_ms = clock_steady_ms() + wait_ms;
    return false;
}

static void begin_delivery(str queue_key, const struct webhook *webhook)
{
    struct arena *a = arena_new(DELIVERY_ARENA_BYTES);
    struct delivery *d = NEW(a, struct delivery);
    d->arena = a;
    d->queue_key = str_dup(a, queue_key);
    d->webhook = *webhook;
    d->webhook.url = str_dup(a, webhook->url);
    d->webhook.secret_token = str_dup(a, webhook->secret_token);
    d->webhook.certificate = str_dup(a, webhook->certificate);
    SQL("update queues set is_busy = 1 where queue_key = ?", V(queue_key));
    in_flight++;
    last_delivery_ms = clock_steady_ms();
    task_start(deliver, d, DELIVERY_STACK_KIB);
}

static void schedule(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(8 << 20);
    while (!store_is_draining()) {
        int64_t next_ms = 0;
        struct webhook webhook;
        str queue_key;
        webhook_read(a, &webhook);
        while (!str_empty(webhook.url) && take_due(a, &queue_key, &next_ms) &&
               may_begin(a, webhook.max_connections, &next_ms))
            begin_delivery(queue_key, &webhook);
        arena_reset(a);
        task_wait(next_ms);
    }
    arena_free(a);
}

void delivery_wake(void)
{
    if (scheduler)
        task_wake(scheduler);
}

void delivery_start(void)
{
    sql_script("update queues set is_busy = 0");
    scheduler = task_start(schedule, NULL, DELIVERY_STACK_KIB);
}

size_t delivery_in_flight(void)
{
    return in_flight;
}
