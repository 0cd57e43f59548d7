/*
 * How FAL tells that a request has ended: a signed POST, repeated ten times over
 * two hours until somebody answers 2xx. Deliveries and keys are rows, so both
 * outlive a restart.
 *
 * Faults: fal.rotate makes a new key at the next signature; the key document
 * then holds both. fal.retry_scale multiplies the waits between repeats.
 */
#include "tests/sandbox/fal_inside.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "core/clock.h"
#include "core/http.h"
#include "core/log.h"
#include "core/loop.h"

enum {
    DELIVERY_TIMEOUT_MS = 15 * 1000,
    MOST_REPEATS = 10,
    FIRST_WAIT_MS = 7038, /* doubled ten times: two hours */
    MOST_AT_ONCE = 32,
    MOST_ANSWER_BYTES = 64 << 10,
    DELIVERY_ARENA_BYTES = 16 << 20,
    DELIVERY_STACK_KIB = 256,
    ED25519_KEY_BYTES = 32,
    ED25519_SIGNATURE_BYTES = 64,
    KEYS_SHOWN = 2,
};

static const char user_id[] = "sandbox-user";

static struct task *deliverer;
static int in_flight;

/* -- keys -- */

static EVP_PKEY *key_from(str secret)
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
                                                 (const unsigned char *)secret.ptr, secret.len);
    if (!key)
        abort();
    return key;
}

static void key_make(struct arena *a)
{
    char secret[ED25519_KEY_BYTES];
    random_bytes(secret, sizeof secret);
    SQL("insert into fal_keys (secret, created_ms) values (?, ?)",
        V(str_hex(a, (str){secret, sizeof secret})), V(clock_ms()));
}

static str key_current(struct arena *a)
{
    struct json_object *value;
    if (fal_fault(a, "fal.rotate", &value))
        key_make(a);

    str secret = {0};
    struct row row = sql_open("select secret from fal_keys order by id desc limit 1", NULL, 0);
    if (sql_next(&row))
        str_unhex(a, row_str(a, &row, 0), &secret);
    sql_close(&row);
    return secret;
}

static str public_part(struct arena *a, str secret)
{
    char bytes[ED25519_KEY_BYTES];
    size_t length = sizeof bytes;
    EVP_PKEY *key = key_from(secret);
    EVP_PKEY_get_raw_public_key(key, (unsigned char *)bytes, &length);
    EVP_PKEY_free(key);
    return str_base64url(a, (str){bytes, length});
}

str fal_keys_document(struct arena *a)
{
    struct buf keys = buf_new(a);
    struct row row = SQL_OPEN("select id, secret from fal_keys order by id desc limit ?",
                              V(KEYS_SHOWN));
    while (sql_next(&row)) {
        str secret;
        if (!str_unhex(a, row_str(a, &row, 1), &secret))
            continue;
        if (keys.len)
            buf_add_char(&keys, ',');
        buf_add(&keys, json_make(a, KV("kty", "OKP"), KV("crv", "Ed25519"), KV("use", "sig"),
                                 KV("kid", str_printf(a, "sandbox-%" PRId64, row_i64(&row, 0))),
                                 KV("x", public_part(a, secret))));
    }
    return json_make(a, KV("keys", JSON(str_printf(a, "[" STR_FMT "]", STR_ARG(buf_str(&keys))))));
}

/* -- one delivery -- */

static str sign(struct arena *a, str request_id, str timestamp, str body)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)body.ptr, body.len, digest);
    str hash = str_hex(a, (str){(const char *)digest, sizeof digest});
    str message = str_printf(a, STR_FMT "\n%s\n" STR_FMT "\n" STR_FMT, STR_ARG(request_id), user_id,
                             STR_ARG(timestamp), STR_ARG(hash));

    char signature[ED25519_SIGNATURE_BYTES];
    size_t length = sizeof signature;
    EVP_PKEY *key = key_from(key_current(a));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(context, (unsigned char *)signature, &length,
                       (const unsigned char *)message.ptr, message.len) != 1)
        abort();
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return str_hex(a, (str){signature, length});
}

struct delivery {
    int64_t id;
    str request_id, url, body;
    int64_t attempts, successes_wanted;
    bool is_badly_signed;
};

static bool delivery_find(struct arena *a, int64_t id, struct delivery *out)
{
    struct row row;
    if (!SQL_GET(&row,
                 "select request_id, url, body, attempts, successes_wanted, is_badly_signed"
                 " from fal_deliveries where id = ?",
                 V(id)))
        return false;
    *out = (struct delivery){id,
                             row_str(a, &row, 0),
                             row_str(a, &row, 1),
                             row_str(a, &row, 2),
                             row_i64(&row, 3),
                             row_i64(&row, 4),
                             row_i64(&row, 5) != 0};
    sql_close(&row);
    return true;
}

/* The status that came back, or 0. */
static int delivery_post(struct arena *a, const struct delivery *d)
{
    str timestamp = str_printf(a, "%" PRId64, clock_ms() / 1000);
    str signature = sign(a, d->request_id, timestamp, d->body);
    if (d->is_badly_signed)
        signature = str_printf(a, "%c" STR_FMT, signature.ptr[0] == '0' ? '1' : '0',
                               STR_ARG(str_sub(signature, 1, signature.len)));

    const struct http_header headers[] = {
        {S("Content-Type"),             S("application/json")},
        {S("X-Fal-Webhook-Request-Id"), d->request_id        },
        {S("X-Fal-Webhook-User-Id"),    str_from(user_id)    },
        {S("X-Fal-Webhook-Timestamp"),  timestamp            },
        {S("X-Fal-Webhook-Signature"),  signature            },
        {{0},                           {0}                  },
    };
    struct http_response response;
    err *e = http_fetch(a,
                        &(struct http_request){.method = S("POST"),
                                               .url = d->url,
                                               .headers = headers,
                                               .body = d->body,
                                               .timeout_ms = DELIVERY_TIMEOUT_MS,
                                               .max_bytes = MOST_ANSWER_BYTES},
                        &response);
    if (e) {
        log_err("fal.callback_failed", e, KVS(KV("request", d->request_id)));
        return 0;
    }
    return response.status;
}

static void delivery_record(struct arena *a, const struct delivery *d, int status)
{
    int64_t attempts = d->attempts + 1;
    int64_t wanted = d->successes_wanted;
    const char *state = "open";
    int64_t due_ms = clock_ms();
    if (status >= 200 && status < 300) {
        if (--wanted == 0)
            state = "done";
    } else if (attempts > MOST_REPEATS) {
        state = "given_up";
    } else {
        double wait_ms = FIRST_WAIT_MS * (double)(INT64_C(1) << d->attempts);
        due_ms += (int64_t)(wait_ms * fal_fault_number(a, "fal.retry_scale", 1));
    }
    SQL("update fal_deliveries set attempts = ?, successes_wanted = ?, state = ?, due_ms = ?,"
        " last_status = ?, is_busy = 0 where id = ?",
        V(attempts), V(wanted), V(state), V(due_ms), V(status), V(d->id));
    sandbox_changed();
}

static void deliver(struct arena *a, int64_t id)
{
    struct delivery delivery;
    if (delivery_find(a, id, &delivery))
        delivery_record(a, &delivery, delivery_post(a, &delivery));
}

/* -- who delivers -- */

static void delivery_task(void *id)
{
    struct arena *a = arena_new(DELIVERY_ARENA_BYTES);
    deliver(a, (int64_t)(intptr_t)id);
    arena_free(a);
    in_flight--;
    task_wake(deliverer);
}

static void start_due(void)
{
    while (in_flight < MOST_AT_ONCE) {
        int64_t id = SQL_NUMBER("select id from fal_deliveries where state = 'open' and is_busy = 0"
                                " and due_ms <= ? order by due_ms, id limit 1",
                                V(clock_ms()));
        if (!id)
            return;
        SQL("update fal_deliveries set is_busy = 1 where id = ?", V(id));
        in_flight++;
        task_start(delivery_task, (void *)(intptr_t)id, DELIVERY_STACK_KIB);
    }
}

static void deliverer_task(void *unused)
{
    (void)unused;
    for (;;) {
        start_due();
        int64_t next_ms = sql_number("select min(due_ms) from fal_deliveries"
                                     " where state = 'open' and is_busy = 0",
                                     NULL, 0);
        int64_t wait_ms = next_ms - clock_ms();
        bool is_full = in_flight >= MOST_AT_ONCE;
        task_wait(!next_ms || is_full ? 0 : clock_steady_ms() + (wait_ms > 0 ? wait_ms : 0));
    }
}

void fal_callback_add(struct arena *a, str request_id, str url, str mode,
                      const struct fal_made *made)
{
    str late;
    int64_t late_seconds = 0;
    if (str_eq(mode, S("never")))
        return;
    if (str_starts(mode, S("late:")) && str_cut(mode, ':', &mode, &late))
        str_to_i64(late, &late_seconds);

    bool is_ok = made->status == 200;
    str error = str_printf(a, "Invalid status code: %d", made->status);
    struct val none = V(NOTHING);
    str body = json_make(a, KV("request_id", request_id), KV("gateway_request_id", request_id),
                         KV("status", is_ok ? "OK" : "ERROR"), KV("payload", JSON(made->body)),
                         KV("error", is_ok ? none : V(error)));
    SQL("insert into fal_deliveries (request_id, url, body, due_ms, successes_wanted,"
        " is_badly_signed) values (?, ?, ?, ?, ?, ?)",
        V(request_id), V(url), V(body), V(clock_ms() + late_seconds * 1000),
        V(str_eq(mode, S("three")) ? 3 : 1), V(str_eq(mode, S("badsign"))));
    task_wake(deliverer);
}

void fal_callbacks_start(void)
{
    sql_script("create table if not exists fal_keys ("
               " id integer primary key, secret text not null, created_ms integer not null);"
               "create table if not exists fal_deliveries ("
               " id integer primary key, request_id text not null, url text not null,"
               " body text not null, due_ms integer not null, attempts integer not null default 0,"
               " successes_wanted integer not null, is_badly_signed integer not null,"
               " state text not null default 'open', last_status integer not null default 0,"
               " is_busy integer not null default 0);"
               "create index if not exists fal_deliveries_open on fal_deliveries (due_ms)"
               " where state = 'open';"
               "create index if not exists fal_deliveries_request on fal_deliveries (request_id);"
               "update fal_deliveries set is_busy = 0 where is_busy = 1;");
    if (!sql_number("select count(*) from fal_keys", NULL, 0)) {
        struct arena *a = arena_new(1 << 16);
        key_make(a);
        arena_free(a);
    }
    deliverer = task_start(deliverer_task, NULL, DELIVERY_STACK_KIB);
}
