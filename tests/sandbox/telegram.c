/* The Bot API over HTTP: token, arguments, faults, the log of calls, files going out. */
#include "tests/sandbox/telegram_inside.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"

enum {
    MOST_LOGGED_CALLS = 20000,
    TRIM_EVERY = 500,
    MOST_LOGGED_TEXT = 16384,
    PACING_OVERALL = 30, /* messages a second */
    PACING_BURST = 3,    /* messages to one chat before 1/s holds */
};

/* -- errors -- */

err *api_error(struct call *c, int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    str text = str_vprintf(c->arena, format, arguments);
    va_end(arguments);
    return fail_with(c->arena, ERR_REFUSED, status, (str){0}, STR_FMT, STR_ARG(text));
}

/* Telegram puts the first letter of its own sentences in lower case here, but
 * leaves codes as BUTTON_DATA_INVALID alone. */
err *bad_request(struct call *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    str text = str_vprintf(c->arena, format, arguments);
    va_end(arguments);
    return fail_with(c->arena, ERR_REFUSED, 400, (str){0}, "Bad Request: " STR_FMT, STR_ARG(text));
}

static err *too_many(struct call *c, int64_t retry_after_s)
{
    err *e = fail_with(c->arena, ERR_REFUSED, 429, (str){0},
                       "Too Many Requests: retry after %" PRId64, retry_after_s);
    e->retry_ms = retry_after_s * 1000;
    return e;
}

/* -- pacing, when the fault telegram.pacing is on -- */

struct bucket {
    int64_t key;
    double tokens;
    int64_t at_ms;
};

/* A small table of the chats that were written to lately; a chat that finds its
 * place taken by another starts anew. */
static struct bucket chat_buckets[4096];
static struct bucket overall_bucket;

static bool bucket_takes(struct bucket *b, int64_t key, double per_second, double most)
{
    int64_t now_ms = clock_steady_ms();
    if (b->key != key || !b->at_ms)
        *b = (struct bucket){key, most, now_ms};
    b->tokens += (double)(now_ms - b->at_ms) * per_second / 1000;
    b->tokens = b->tokens > most ? most : b->tokens;
    b->at_ms = now_ms;
    if (b->tokens < 1)
        return false;
    b->tokens -= 1;
    return true;
}

static err *check_pacing(struct call *c)
{
    int64_t chat_id;
    if (!str_starts(str_from(c->method->name), S("send")) ||
        !json_i64(c->arguments, "chat_id", &chat_id) ||
        !fault_get(c->arena, "telegram.pacing", NULL))
        return NULL;
    if (!bucket_takes(&overall_bucket, 1, PACING_OVERALL, PACING_OVERALL))
        return too_many(c, 1);
    struct bucket *b = &chat_buckets[(uint64_t)chat_id % ARRAY_LEN(chat_buckets)];
    return bucket_takes(b, chat_id, 1, PACING_BURST) ? NULL : too_many(c, 1);
}

/* Ahead of the method's transaction: a fault that counts down must not be taken back with it. */
static err *check_faults(struct call *c)
{
    struct json_object *fault;
    int64_t retry_after_s = 1;
    if (fault_get(c->arena, "telegram.429", &fault)) {
        json_i64(fault, "retry_after", &retry_after_s);
        return too_many(c, retry_after_s);
    }
    bool is_refund = strcmp(c->method->name, "refundStarPayment") == 0;
    if (is_refund && fault_get(c->arena, "telegram.refund", &fault)) {
        str words = json_str(fault, "description");
        return bad_request(c, STR_FMT, STR_ARG(words));
    }
    return check_pacing(c);
}

/* -- running one call -- */

static str logged_arguments(struct call *c)
{
    struct buf b = buf_new(c->arena);
    buf_add(&b, c->arguments ? json_text(c->arena, c->arguments) : S("{}"));
    for (size_t i = 0; i < c->upload_count; i++) {
        const struct upload *u = &c->uploads[i];
        b.len--; /* the closing brace */
        buf_add(&b, b.len > 1 ? S(",") : S(""));
        json_put_str(&b, u->name);
        buf_addf(&b, ":{\"size\":%zu,\"file_name\":", u->bytes.len);
        json_put_str(&b, u->file_name);
        buf_add(&b, S("}}"));
    }
    return str_sub(buf_str(&b), 0, MOST_LOGGED_TEXT);
}

/* 403 and 429 are the world's doing; every other 4xx is a mistake of the bot. */
static bool is_refusal(int status)
{
    return status >= 400 && status < 500 && status != 403 && status != 429;
}

static void log_call(struct call *c, int status, str result, int64_t took_ms)
{
    int64_t chat_id = 0;
    json_i64(c->arguments, "chat_id", &chat_id);
    str method = c->method ? str_from(c->method->name) : c->method_name;
    SQL("insert into calls (at_ms, method, parameters, status, result, is_refused, via, took_ms,"
        " chat_id) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        V(clock_ms()), V(method), V(logged_arguments(c)), V(status),
        V(str_sub(result, 0, MOST_LOGGED_TEXT)), V(is_refusal(status)),
        V(c->is_from_webhook ? "webhook" : "api"), V(took_ms), V(chat_id));
    int64_t id = sql_last_id();
    if (id % TRIM_EVERY == 0)
        SQL("delete from calls where id <= ?", V(id - MOST_LOGGED_CALLS));
    SQL("insert into call_counts (method, status, count) values (?, ?, 1)"
        " on conflict (method, status) do update set count = count + 1",
        V(method), V(status));
    sandbox_changed();
}

static err *run_method(struct call *c, str *result)
{
    c->method = method_find(c->method_name);
    if (!c->method)
        return api_error(c, 404, "Not Found: method not found");
    TRY(check_faults(c));
    TRY(rules_check(c));
    if (c->method->may_wait)
        return c->method->run(c, result);
    /* Whole or not at all, even when the process is killed in the middle. */
    sql_script("begin");
    err *e = c->method->run(c, result);
    sql_script(e ? "rollback" : "commit");
    return e;
}

static void answer_error(struct call *c, const err *e, struct api_answer *out)
{
    int64_t retry_after_s = e->retry_ms / 1000;
    struct buf b = buf_new(c->arena);
    buf_addf(&b, "{\"ok\":false,\"error_code\":%d,\"description\":", e->code);
    json_put_str(&b, e->message);
    if (retry_after_s)
        buf_addf(&b, ",\"parameters\":{\"retry_after\":%" PRId64 "}", retry_after_s);
    buf_add_char(&b, '}');
    *out = (struct api_answer){e->code, retry_after_s, buf_str(&b)};
}

static str success_body(struct call *c, str result)
{
    if (!c->note)
        return str_printf(c->arena, "{\"ok\":true,\"result\":" STR_FMT "}", STR_ARG(result));
    return json_make(c->arena, KV("ok", (bool)true), KV("result", JSON(result)),
                     KV("description", c->note));
}

void api_run(struct call *c, struct api_answer *out)
{
    int64_t began_ms = clock_steady_ms();
    str result = S("true");
    err *e = run_method(c, &result);
    if (e)
        answer_error(c, e, out);
    else
        *out = (struct api_answer){200, 0, success_body(c, result)};
    log_call(c, out->status, e ? e->message : result, clock_steady_ms() - began_ms);
}

/* -- HTTP -- */

static void answer_api(struct request *r, const struct api_answer *a)
{
    str seconds = str_printf(r->arena, "%" PRId64, a->retry_after_s);
    request_answer(r, &(struct answer){
                          .status = a->status,
                          .body = a->body,
                          .headers = a->retry_after_s ? KVS(KV("Retry-After", seconds)) : NULL,
                      });
}

static void answer_plain_error(struct request *r, int status, const char *description)
{
    struct call c = {.arena = r->arena};
    struct api_answer a;
    answer_error(&c, api_error(&c, status, "%s", description), &a);
    answer_api(r, &a);
}

/* True when the fault has answered in the method's place. */
static bool is_down(struct request *r)
{
    if (!fault_get(r->arena, "telegram.down", NULL))
        return false;
    request_answer(r, &(struct answer){
                          .status = 502,
                          .content_type = "text/html",
                          .body = S("<html><head><title>502 Bad Gateway</title></head></html>\n"),
                      });
    return true;
}

/* A black hole swallows the request, or with "executes" only its answer. */
struct black_hole {
    bool is_on, executes, is_counted;
    int64_t seconds;
};

static struct black_hole black_hole(struct request *r)
{
    struct json_object *fault;
    struct black_hole hole = {.seconds = 60};
    hole.is_on = fault_get(r->arena, "telegram.blackhole", &fault);
    if (hole.is_on) {
        hole.is_counted = json_has(fault, "times");
        json_boolean(fault, "executes", &hole.executes);
        json_i64(fault, "seconds", &hole.seconds);
    }
    return hole;
}

/* Whoever waits is let go when the fault is taken back. One with "times" is
 * gone as soon as the last request is in it; that one stays its time. */
static void wait_in(struct request *r, const struct black_hole *hole)
{
    int64_t until_ms = clock_steady_ms() + hole->seconds * 1000;
    while (!store_is_draining() && clock_steady_ms() < until_ms &&
           (hole->is_counted || fault_is_on("telegram.blackhole")))
        task_sleep_ms(100);
    request_answer(r, &(struct answer){.status = 504, .content_type = "text/html"});
}

static void call_method(struct request *r, str method_name)
{
    struct black_hole hole = black_hole(r);
    if (hole.is_on && !hole.executes) {
        wait_in(r, &hole);
        return;
    }
    if (is_down(r))
        return;

    struct call c = {.arena = r->arena, .method_name = method_name};
    struct api_answer a;
    err *e = arguments_read(&c, r->query, r->content_type, r->body);
    if (e) {
        answer_error(&c, e, &a);
        log_call(&c, e->code, e->message, 0);
    } else {
        api_run(&c, &a);
    }
    if (hole.is_on)
        wait_in(r, &hole);
    else
        answer_api(r, &a);
}

/* "photos/file_<unique id>.jpg"; the name is made by getFile. */
static void send_file(struct request *r, str path)
{
    size_t at;
    str unique_id, extension;
    if (!str_find(path, S("/file_"), &at)) {
        answer_plain_error(r, 404, "Not Found");
        return;
    }
    str_cut(str_sub(path, at + 6, path.len), '.', &unique_id, &extension);
    struct row row = SQL_OPEN("select sha256 from files where unique_id = ?", V(unique_id));
    str sha256 = sql_next(&row) ? row_str(r->arena, &row, 0) : S("");
    sql_close(&row);
    str bytes;
    if (str_empty(sha256) || !blob_get(r->arena, sha256, &bytes)) {
        answer_plain_error(r, 404, "Not Found");
        return;
    }
    request_answer(
        r,
        &(struct answer){.status = 200, .content_type = "application/octet-stream", .body = bytes});
}

void telegram_handle(struct request *r, str path)
{
    bool is_file = str_starts(path, S("/file/bot"));
    if (!is_file && !str_starts(path, S("/bot"))) {
        answer_plain_error(r, 404, "Not Found");
        return;
    }
    str token, rest;
    bool has_rest = str_cut(str_sub(path, is_file ? 9 : 4, path.len), '/', &token, &rest);
    if (str_unpercent(r->arena, token, false, &token) && has_rest) {
        if (!str_same_secret(token, sandbox.telegram_token))
            answer_plain_error(r, 401, "Unauthorized");
        else if (is_file && !str_empty(sandbox.files_dir)) /* they are read from the disk */
            answer_plain_error(r, 404, "Not Found");
        else if (is_file && !is_down(r))
            send_file(r, rest);
        else if (!is_file)
            call_method(r, rest);
        return;
    }
    answer_plain_error(r, 404, "Not Found");
}

int64_t bot_id(void)
{
    str id, secret;
    int64_t number = 0;
    str_cut(sandbox.telegram_token, ':', &id, &secret);
    str_to_i64(id, &number);
    return number;
}

void telegram_start(void)
{
    tables_make();
    delivery_start();
}
