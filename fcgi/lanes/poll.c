/*
 * The lane that fetches updates where Telegram has no address to bring them to.
 *
 * It does here what Telegram does with a webhook: each update is posted to our
 * own nginx, one after another where they belong to one queue (the messages of
 * a chat, the taps of a person), side by side otherwise; 503 means again, and
 * a call in the answer is made. An update is confirmed to Telegram only when
 * it and all before it were answered, so whatever dies, it is fetched again.
 */
#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "lanes/lanes.h"

enum {
    IN_FLIGHT_MAX = 100, /* Telegram hands out no more at a time */
    HOLD_S = 25,         /* how long Telegram may hold a call that has nothing to tell */
    LANE_ARENA_BYTES = 64 << 20,
    UPDATE_ARENA_BYTES = 8 << 20,
    LANE_STACK_KIB = 128,
    LOOK_EVERY_MS = 1000,
    RETRY_FIRST_MS = 500,
    RETRY_MOST_MS = 30 * 1000,
    CONFLICT_WAIT_MS = 10 * 1000,
    DELIVERY_TIMEOUT_MS = 60 * 1000, /* as Telegram waits for a webhook */
    ANSWER_MAX_BYTES = 1 << 20,
    MESSAGE_LIFE_MS = 24 * 3600 * 1000,
    QUERY_LIFE_MS = 150 * 1000,
    RETRY_AFTER_MOST_S = 3600,
    CONFLICT = 409,
};

static const char wanted_updates[] =
    "[\"message\",\"callback_query\",\"pre_checkout_query\",\"my_chat_member\"]";

/* An update that Telegram has not been told to forget. */
struct pending {
    int64_t id;
    char kind;     /* of its queue: 'c'hat, 't'aps, 'p'ayments, 'm'embership; 0: of none */
    int64_t queue; /* chat or person */
    int64_t since_ms, life_ms;
    bool is_running, is_answered;
    str body; /* in the same allocation */
    struct pending *next;
};

static struct {
    struct worker *w;
    struct lease lease;
    struct pending *first; /* by id */
    size_t count;
    int64_t offset;       /* the next update we want to see */
    struct task *fetcher; /* while it waits for room or for something to be answered */
} poll;

/* -- the list -- */

static void read_queue(struct json_object *update, struct pending *p)
{
    static const struct {
        const char *name;
        char kind;
        const char *owner;
        int64_t life_ms;
    } rows[] = {
        {"message",            'c', "chat", MESSAGE_LIFE_MS},
        {"callback_query",     't', "from", QUERY_LIFE_MS  },
        {"pre_checkout_query", 'p', "from", QUERY_LIFE_MS  },
        {"my_chat_member",     'm', "chat", MESSAGE_LIFE_MS},
    };
    p->life_ms = MESSAGE_LIFE_MS;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_object *object = json_at(update, rows[i].name);
        if (!object || !json_i64(json_at(object, rows[i].owner), "id", &p->queue))
            continue;
        p->kind = rows[i].kind;
        p->life_ms = rows[i].life_ms;
    }
}

/* True when it was not there yet: until it is confirmed Telegram shows an update again and
 * again. */
static bool add_update(struct arena *a, struct json_object *update)
{
    int64_t id;
    if (!json_i64(update, "update_id", &id) || id < poll.offset)
        return false;
    struct pending **link = &poll.first;
    while (*link && (*link)->id < id)
        link = &(*link)->next;
    if (*link && (*link)->id == id)
        return false;

    str body = json_text(a, update);
    struct pending *p = malloc(sizeof *p + body.len);
    if (!p)
        abort();
    *p = (struct pending){.id = id, .since_ms = clock_steady_ms(), .next = *link};
    memcpy(p + 1, body.ptr, body.len);
    p->body = (str){(const char *)(p + 1), body.len};
    read_queue(update, p);
    *link = p;
    poll.count++;
    return true;
}

/* Forgets what is answered up to the first that is not: that is what may be confirmed. */
static void confirm_answered(void)
{
    while (poll.first && poll.first->is_answered) {
        struct pending *p = poll.first;
        poll.first = p->next;
        poll.offset = p->id + 1;
        poll.count--;
        free(p);
    }
}

static bool is_behind_another(const struct pending *p)
{
    for (const struct pending *other = poll.first; other != p; other = other->next)
        if (p->kind && other->kind == p->kind && other->queue == p->queue && !other->is_answered)
            return true;
    return false;
}

/* -- delivering one -- */

static bool may_deliver(const struct pending *p)
{
    return !poll.w->is_draining && lease_is_held(&poll.lease) &&
           clock_steady_ms() < p->since_ms + p->life_ms;
}

/* As Telegram does it: once, and whatever comes of it is not told to anyone. */
static void make_answered_call(struct arena *a, str body)
{
    struct json_object *call;
    if (str_empty(body) || json_parse(a, body, &call) || str_empty(json_str(call, "method")))
        return;
    str method = str_dup(a, json_str(call, "method"));
    json_object_object_del(call, "method");
    err *e = telegram_call(a, &poll.w->bot->telegram, method, json_text(a, call), NULL, NULL);
    if (e && !telegram_is_not_modified(e) && !telegram_is_query_old(e))
        log_info("poll.call_refused", KV("method", method), KV("message", e->message),
                 KV("detail", e->detail));
}

static int64_t wait_asked_ms(const struct http_response *response)
{
    int64_t seconds;
    if (!str_to_i64(http_header(response, S("Retry-After")), &seconds) || seconds < 0)
        return 0;
    return (seconds < RETRY_AFTER_MOST_S ? seconds : RETRY_AFTER_MOST_S) * 1000;
}

/* True when it was answered. */
static bool deliver_once(const struct pending *p, struct arena *a, int tries, int64_t *wait_ms)
{
    const struct conf *conf = poll.w->bot->conf;
    const struct http_header headers[] = {
        {S("Content-Type"),                    S("application/json")                 },
        {S("X-Telegram-Bot-Api-Secret-Token"), conf->telegram_webhook_secret.items[0]},
        {S(""),                                S("")                                 },
    };
    const struct http_request request = {
        .method = S("POST"),
        .url = str_printf(a, STR_FMT "/webhook/telegram", STR_ARG(conf->loopback_url)),
        .headers = headers,
        .body = p->body,
        .timeout_ms = DELIVERY_TIMEOUT_MS,
        .max_bytes = ANSWER_MAX_BYTES,
    };
    struct http_response response;
    err *e = http_fetch(a, &request, &response);
    if (!e && response.status >= 200 && response.status < 300) {
        make_answered_call(a, response.body);
        return true;
    }
    int64_t asked_ms = e ? 0 : wait_asked_ms(&response);
    *wait_ms = asked_ms ? asked_ms : backoff_ms(tries, RETRY_FIRST_MS, RETRY_MOST_MS);
    log_info("poll.postponed", KV("update", p->id), KV("status", e ? 0 : response.status),
             KV("message", e ? e->message : S("")));
    return false;
}

static void start_deliveries(void);

static void run_delivery(void *argument)
{
    struct pending *p = argument;
    struct arena *a = arena_new(UPDATE_ARENA_BYTES);
    bool is_answered = false;
    for (int tries = 0; !is_answered && may_deliver(p); tries++) {
        int64_t wait_ms = 0;
        is_answered = deliver_once(p, a, tries, &wait_ms);
        if (!is_answered)
            worker_sleep(poll.w, wait_ms, SLEEP_PLAIN);
        arena_reset(a);
    }
    arena_free(a);
    bool is_expired = clock_steady_ms() >= p->since_ms + p->life_ms;
    if (is_expired && !is_answered)
        log_warn("poll.expired", KV("update", p->id));
    p->is_running = false;
    p->is_answered = is_answered || is_expired;
    confirm_answered();
    start_deliveries();
    if (poll.fetcher)
        task_wake(poll.fetcher);
    worker_task_over(poll.w);
}

static void start_deliveries(void)
{
    if (poll.w->is_draining || !lease_is_held(&poll.lease))
        return;
    for (struct pending *p = poll.first; p; p = p->next) {
        if (p->is_running || p->is_answered || is_behind_another(p))
            continue;
        p->is_running = true;
        worker_start(poll.w, run_delivery, p, LANE_STACK_KIB);
    }
}

/* -- fetching -- */

/* Somebody else receives this bot's updates. Taking them away is the operator's word to give. */
static err *settle_conflict(struct arena *a, const err *e)
{
    size_t position;
    bool is_webhook = str_find(e->detail, S("webhook"), &position);
    if (is_webhook && poll.w->bot->conf->take_over) {
        log_warn("poll.webhook_removed", KV("detail", e->detail));
        return telegram_call(a, &poll.w->bot->telegram, S("deleteWebhook"), S("{}"), NULL, NULL);
    }
    log_warn("poll.conflict", KV("detail", e->detail),
             KV("hint", is_webhook ? "TAKE_OVER=1 removes the webhook" : "another program polls"));
    worker_sleep(poll.w, CONFLICT_WAIT_MS, SLEEP_PLAIN);
    return NULL;
}

static bool has_running(void)
{
    for (const struct pending *p = poll.first; p; p = p->next)
        if (p->is_running)
            return true;
    return false;
}

/* Until something is answered: asking again would only show what is known. */
static void await_answers(void)
{
    poll.fetcher = task_self();
    task_wait(clock_steady_ms() + LOOK_EVERY_MS);
    poll.fetcher = NULL;
}

static err *fetch(struct arena *a)
{
    if (poll.count >= IN_FLIGHT_MAX) {
        await_answers();
        return NULL;
    }
    struct json_object *updates;
    int hold_s = poll.count > 0 ? 1 : HOLD_S;
    err *e = telegram_get_updates(a, &poll.w->bot->telegram, poll.offset, hold_s,
                                  str_from(wanted_updates), &updates);
    if (e && e->code == CONFLICT)
        return settle_conflict(a, e);
    TRY(e);
    size_t added = 0;
    for (size_t i = 0; i < json_length(updates); i++)
        added += add_update(a, json_item(updates, i));
    start_deliveries();
    if (added == 0 && json_length(updates) > 0)
        await_answers();
    return NULL;
}

/* The next holder is shown everything that was not confirmed. */
static void forget_all(void)
{
    while (poll.first) {
        struct pending *p = poll.first;
        poll.first = p->next;
        free(p);
    }
    poll.count = 0;
    poll.offset = 0;
}

static void run_fetcher(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(LANE_ARENA_BYTES);
    int failures = 0;
    while (!poll.w->is_draining) {
        err *e = NULL;
        if (lease_is_held(&poll.lease))
            e = fetch(a);
        else if (!has_running())
            forget_all();
        if (e)
            log_err("poll.failed", e, KVS());
        failures = e ? failures + 1 : 0;
        int64_t wait_ms = backoff_ms(failures, RETRY_FIRST_MS, RETRY_MOST_MS);
        if (e && e->retry_ms > wait_ms)
            wait_ms = e->retry_ms;
        arena_reset(a);
        if (failures > 0)
            worker_sleep(poll.w, wait_ms, SLEEP_PLAIN);
        else if (!lease_is_held(&poll.lease))
            worker_sleep(poll.w, LOOK_EVERY_MS, SLEEP_PLAIN);
    }
    arena_free(a);
}

/* Apart from the fetcher, which hangs in its call for longer than the lease lives. */
static void run_holder(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(LANE_ARENA_BYTES);
    do {
        err *e = lease_hold(poll.w, a, &poll.lease);
        if (e)
            log_debug("poll.lease_unknown", KV("message", e->message));
        arena_reset(a);
    } while (worker_sleep(poll.w, LEASE_KEEP_EVERY_MS, SLEEP_PLAIN));
    while (has_running())
        task_sleep_ms(20);
    if (lease_is_held(&poll.lease))
        lease_give_back(poll.w, a, &poll.lease);
    arena_free(a);
    worker_task_over(poll.w);
}

void lane_poll_start(struct worker *w)
{
    if (!str_empty(w->bot->conf->public_url))
        return;
    if (w->bot->conf->telegram_webhook_secret.count == 0) {
        log_error("poll.impossible", KV("message", "TELEGRAM_WEBHOOK_SECRET is not set"));
        return;
    }
    poll.w = w;
    poll.lease.key = S("lease:poll");
    worker_start(w, run_holder, NULL, LANE_STACK_KIB);
    /* Draining does not wait for it: what it may still be told is told again. */
    task_start(run_fetcher, NULL, LANE_STACK_KIB);
}
