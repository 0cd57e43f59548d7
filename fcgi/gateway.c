#include "gateway.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/metrics.h"
#include "core/version.h"
#include "db/queries.h"
#include "handlers/dispatch.h"
#include "handlers/routes.h"
#include "status/prometheus.h"
#include "status/status.h"

enum { READING_BYTES = 8 << 20 };

/* Set once, before the first request. */
static const struct bot *bot;
static struct arena *reading; /* what is needed while an update is read; between two it is empty */

void gateway_init(const struct bot *the_bot)
{
    bot = the_bot;
    reading = arena_new(READING_BYTES);
}

static void answer(struct request *r, int status, str body)
{
    request_answer(r, &(struct answer){.status = status, .body = body});
}

/* The other side delivers again, and need not wait long. */
static void answer_later(struct request *r)
{
    request_answer(r, &(struct answer){
                          .status = 503,
                          .body = S("{\"error\":\"try again\"}"),
                          .headers = KVS(KV("Retry-After", "1")),
                      });
}

/* ---------------------------------------------------------------- Telegram */

/* During a change of secrets two are live. */
static bool has_secret(const struct request *r)
{
    str given = request_param(r, "HTTP_X_TELEGRAM_BOT_API_SECRET_TOKEN");
    bool is_right = false;
    for (size_t i = 0; i < bot->conf->telegram_webhook_secret.count; i++)
        is_right |= str_same_secret(given, bot->conf->telegram_webhook_secret.items[i]);
    return is_right;
}

/* What comes with a right secret and cannot be read is kept: a refusal would hold up that chat
 * for a day. */
static void park_unreadable(struct request *r, const err *why)
{
    log_err("update.unreadable", why, KVS());
    err *e = dispatch_park(bot, r->arena, 0, 0, r->body, "cannot be read", 1);
    if (!e) {
        answer(r, 200, S(""));
        return;
    }
    log_err("update.not_parked", e, KVS());
    answer_later(r);
}

/* A tree that is given back at once is still in the processor's cache, and its memory serves the
 * next update; kept until the answer, with those of all other turns, it would cost a fifth of
 * the turn. */
static err *read_update(struct request *r, struct update *update)
{
    struct json_object *body;
    err *e = json_parse(reading, r->body, &body);
    e = e ? fail(r->arena, e->kind, STR_FMT, STR_ARG(e->message))
          : telegram_read_update(r->arena, body, update);
    arena_reset(reading);
    return e;
}

static const char *const update_kinds[] = {
    [UPDATE_OTHER] = "other",     [UPDATE_MESSAGE] = "message",
    [UPDATE_TAP] = "tap",         [UPDATE_PRE_CHECKOUT] = "pre_checkout",
    [UPDATE_PAYMENT] = "payment", [UPDATE_REFUND] = "refund",
    [UPDATE_MEMBER] = "member",
};

static void count_update(const struct request *r, const char *kind, const char *outcome)
{
    metric_count(METRIC_updates, KVS(KV("kind", kind), KV("outcome", outcome)));
    metric_observe(METRIC_update_duration, clock_steady_us() - r->arrived_us,
                   KVS(KV("kind", kind)));
}

static void on_telegram(struct request *r)
{
    if (!has_secret(r)) {
        request_refuse(r, 401, "wrong secret");
        count_update(r, "unknown", "refused");
        return;
    }
    struct update update = {0};
    err *e = read_update(r, &update);
    if (e) {
        park_unreadable(r, e);
        count_update(r, "unknown", "unreadable");
        return;
    }
    struct reply reply;
    dispatch(bot, r->arena, &update, r->body, &reply);
    count_update(r, update_kinds[update.kind], reply.outcome);
    if (reply.status == 503)
        answer_later(r);
    else
        answer(r, reply.status, reply.body);
}

/* ---------------------------------------------------------------- FAL */

/* The key document as a worker has stored it; NULL when there is none yet. */
static err *load_keys(struct db *db, struct arena *a, struct json_object **keys,
                      int64_t *fetched_at_ms)
{
    struct rows rows;
    TRY(db_query(db, &Q_jwks_find, &rows, V(bot->conf->fal_jwks_url)));
    *keys = NULL;
    if (!rows.count || rows_is_null(&rows, 0, "document"))
        return NULL;
    *fetched_at_ms = rows_i64(&rows, 0, "fetched_at_ms");
    return json_parse(a, rows_str(&rows, 0, "document"), keys);
}

static err *ask_for_keys(struct db *db)
{
    return db_query_commit(db, &Q_jwks_request, NULL, V(bot->conf->fal_jwks_url));
}

/* Rotated keys look like a forgery. A callback is refused for good only against keys that were
 * fetched after it was signed; until then it is asked to come again and a worker fetches. */
static int judge_signature(struct request *r, struct db *db)
{
    const struct fal_signature signature = {
        .request_id = request_param(r, "HTTP_X_FAL_WEBHOOK_REQUEST_ID"),
        .user_id = request_param(r, "HTTP_X_FAL_WEBHOOK_USER_ID"),
        .timestamp = request_param(r, "HTTP_X_FAL_WEBHOOK_TIMESTAMP"),
        .signature = request_param(r, "HTTP_X_FAL_WEBHOOK_SIGNATURE"),
    };
    struct json_object *keys;
    int64_t fetched_at_ms = 0, signed_at_s = 0;
    err *e = load_keys(db, r->arena, &keys, &fetched_at_ms);
    if (e) {
        log_err("callback.postponed", e, KVS());
        return 503;
    }
    enum fal_verdict verdict = FAL_FOREIGN;
    if (keys)
        verdict = fal_verify(r->arena, keys, &signature, r->body, clock_ms());
    switch (verdict) {
    case FAL_GENUINE:
        return 200;
    case FAL_MALFORMED:
    case FAL_STALE:
        return 401;
    case FAL_FOREIGN:
        break;
    }
    str_to_i64(signature.timestamp, &signed_at_s);
    if (keys && fetched_at_ms > signed_at_s * 1000)
        return 401;
    e = ask_for_keys(db);
    if (e) {
        log_err("keys.not_asked_for", e, KVS());
        db_rollback(db);
    }
    return 503;
}

/* What is behind /webhook/fal/ names the kind of errand; the gateway's own table lets nothing else in. */
static const struct callback_route *callback_route_of(str path)
{
    const struct callback_route *route = callback_routes;
    while (route->entrance && !str_ends(path, str_from(route->entrance)))
        route++;
    assert(route->entrance);
    return route;
}

static const char *callback_outcome(int status)
{
    return status == 200   ? "taken"
           : status == 503 ? "postponed"
           : status == 400 ? "unreadable"
                           : "refused";
}

static void answer_callback(struct request *r, const struct callback_route *route, int status,
                            const char *words)
{
    metric_count(METRIC_callbacks,
                 KVS(KV("entrance", route->entrance), KV("outcome", callback_outcome(status))));
    if (status == 200)
        answer(r, 200, S("{}"));
    else if (status == 503)
        answer_later(r);
    else
        request_refuse(r, status, words);
}

static void on_fal(struct request *r)
{
    const struct callback_route *route = callback_route_of(r->path);
    str id = request_query(r, "g");
    if (!errand_callback_is_ours(bot, r->arena, route->entrance, id, request_query(r, "n"),
                                 request_query(r, "s"))) {
        answer_callback(r, route, 401, "not an address of ours");
        return;
    }
    task_set_log_fields(log_fields(r->arena, KVS(KV(route->kind->name, id))));
    int verdict = judge_signature(r, db_new(bot->pool, r->arena));
    if (verdict == 503) {
        answer_callback(r, route, 503, "");
        return;
    }
    if (verdict != 200) {
        log_warn("callback.refused");
        answer_callback(r, route, 401, "wrong signature");
        return;
    }
    str text = json_mended(r->arena, r->body);
    struct json_object *body;
    struct fal_outcome outcome;
    err *e = json_parse(r->arena, text, &body);
    if (!e)
        e = fal_callback_parse(r->arena, body, &outcome);
    if (e) {
        log_err("callback.unreadable", e, KVS());
        answer_callback(r, route, 400, "not a callback");
        return;
    }
    e = errand_callback(bot, r->arena, route->kind, id, &outcome, text);
    if (e) {
        log_err("callback.postponed", e, KVS());
        answer_callback(r, route, 503, "");
        return;
    }
    log_info("callback.taken", KV("is_ok", outcome.is_ok));
    answer_callback(r, route, 200, "");
}

/* ---------------------------------------------------------------- health */

static void on_health(struct request *r)
{
    answer(r, 200, json_make(r->arena, KV("status", "ok"), KV("release", AISHA_VERSION)));
}

static void on_ready(struct request *r)
{
    err *redis = cache_call(bot->cache, r->arena, NULL, S("PING"));
    err *postgresql = db_pool_check(bot->pool, r->arena);
    if (redis)
        log_err("redis.away", redis, KVS());
    if (postgresql)
        log_err("postgresql.away", postgresql, KVS());
    answer(r, redis || postgresql ? 503 : 200,
           json_make(r->arena, KV("redis", redis ? S("away") : S("ok")),
                     KV("postgresql", postgresql ? S("away") : S("ok"))));
}

static void on_metrics(struct request *r)
{
    request_answer(r, &(struct answer){
                          .status = 200,
                          .content_type = PROMETHEUS_TYPE,
                          .body = prometheus_text(bot, r->arena),
                      });
}

/* ---------------------------------------------------------------- the table */

static void on_status(struct request *r)
{
    status_handle(bot, r);
}

struct entrance {
    const char *method; /* NULL: the page looks itself */
    const char *path;
    bool is_prefix;
    void (*handle)(struct request *r);
};

static const struct entrance entrances[] = {
    {"POST", "/webhook/telegram",     false, on_telegram},
    {"POST", "/webhook/fal/portrait", false, on_fal     },
    {"POST", "/webhook/fal/status",   false, on_fal     },
    {"POST", "/webhook/fal/image",    false, on_fal     },
    {"GET",  "/health",               false, on_health  },
    {"GET",  "/ready",                false, on_ready   },
    {"GET",  "/metrics",              false, on_metrics },
    {NULL,   "/status",               true,  on_status  },
};

static bool fits(const struct entrance *entrance, str path)
{
    str name = str_from(entrance->path);
    return entrance->is_prefix ? str_starts(path, name) : str_eq(path, name);
}

void gateway_handle(struct request *r)
{
    for (size_t i = 0; i < ARRAY_LEN(entrances); i++) {
        if (!fits(&entrances[i], r->path))
            continue;
        if (entrances[i].method && !str_eq(r->method, str_from(entrances[i].method)))
            request_refuse(r, 405, "wrong method");
        else
            entrances[i].handle(r);
        return;
    }
    request_refuse(r, 404, "not found");
}
