/*
 * openai.c - the door of OpenAI, played: keys, faults, and a record of each call.
 *
 *     POST v1/audio/transcriptions      openai_speech.c
 *     POST v1/chat/completions          openai_chat.c
 *
 * Errors have OpenAI's shape. What is not played is refused, and so is every field
 * that the real one does not have. All faults stand in docs/sandbox.md.
 */
#include "tests/sandbox/openai_inside.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"

enum { SILENCE_MS = 60 * 1000, LOOK_EVERY_MS = 100, MOST_HEADERS = 10 };

/* -- answers -- */

static const char *type_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return "authentication_error";
    case 429:
        return "requests";
    case 500:
    case 502:
    case 503:
        return "server_error";
    default:
        return "invalid_request_error";
    }
}

static str error_body(struct arena *a, const char *type, const char *param, const char *code,
                      str message)
{
    struct val no_value = V(NOTHING);
    str inside = json_make(a, KV("message", message), KV("type", type),
                           KV("param", param ? V(param) : no_value),
                           KV("code", code ? V(code) : no_value));
    return json_make(a, KV("error", JSON(inside)));
}

void openai_refuse(struct openai_call *c, int status, const char *param, const char *code,
                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    str message = str_vprintf(c->arena, format, arguments);
    va_end(arguments);
    c->status = status;
    c->body = error_body(c->arena, type_of_status(status), param, code, message);
}

bool openai_model_is_known(struct openai_call *c, const char *const *models, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(c->model, str_from(models[i])))
            return true;
    openai_refuse(c, 404, NULL, "model_not_found",
                  "The model `" STR_FMT "` does not exist or you do not have access to it.",
                  STR_ARG(c->model));
    return false;
}

/* -- faults -- */

bool openai_fault(struct openai_call *c, const char *name, struct json_object **value)
{
    str own = str_printf(c->arena, "openai.%s:%s", name, c->kind);
    str common = str_printf(c->arena, "openai.%s", name);
    if (!fault_get(c->arena, cstr(c->arena, own), value) &&
        !fault_get(c->arena, cstr(c->arena, common), value))
        return false;
    if (json_at(*value, "value"))
        *value = json_at(*value, "value");
    return true;
}

static bool is_ordered(struct openai_call *c, const char *name)
{
    return SQL_NUMBER("select count(*) from faults where name in (?, ?)",
                      V(str_printf(c->arena, "openai.%s", name)),
                      V(str_printf(c->arena, "openai.%s:%s", name, c->kind))) > 0;
}

/* Until the time is over, or, where a fault is named, somebody takes it back. */
static void keep_silent(struct openai_call *c, int64_t ms, const char *fault)
{
    int64_t until_ms = clock_steady_ms() + ms;
    bool was_ordered = fault && is_ordered(c, fault);
    while (clock_steady_ms() < until_ms && !store_is_draining() &&
           (!fault || is_ordered(c, fault) == was_ordered)) {
        int64_t left_ms = until_ms - clock_steady_ms();
        task_sleep_ms(left_ms < LOOK_EVERY_MS ? left_ms : LOOK_EVERY_MS);
    }
}

static void answered_by_status(struct openai_call *c)
{
    struct json_object *value;
    int64_t status;
    if (!openai_fault(c, "answer", &value))
        return;
    if (json_value_i64(value, &status)) {
        openai_refuse(c, (int)status, NULL, status == 401 ? "invalid_api_key" : NULL,
                      "This answer is a fault that was asked for.");
    } else if (str_eq(json_value_str(value), S("blackhole"))) {
        keep_silent(c, SILENCE_MS, "answer");
        openai_refuse(c, 504, NULL, NULL, "Nothing was heard for a minute.");
    }
}

/* Two ways to say 429: come later, and do not come again. */
static void answered_by_limit(struct openai_call *c, int64_t *retry_after)
{
    struct json_object *value;
    if (openai_fault(c, "429", &value)) {
        *retry_after = 1;
        json_i64(value, "retry_after", retry_after);
        openai_refuse(c, 429, NULL, "rate_limit_exceeded",
                      "Rate limit reached for requests per min. Please try again in %" PRId64 "s.",
                      *retry_after);
    } else if (openai_fault(c, "quota", &value)) {
        c->status = 429;
        c->body = error_body(c->arena, "insufficient_quota", NULL, "insufficient_quota",
                             S("You exceeded your current quota, please check your plan and "
                               "billing details."));
    }
}

static void wait_as_ordered(struct openai_call *c)
{
    struct json_object *value;
    if (openai_fault(c, "seconds", &value) &&
        (json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int)))
        keep_silent(c, (int64_t)(json_object_get_double(value) * 1000), NULL);
}

/* -- one call -- */

static void keep_call(const struct openai_call *c, int64_t began_ms)
{
    SQL("insert into openai_calls (at_ms, took_ms, kind, model, asked, status, answer, heard_ms)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        V(clock_ms()), V(clock_steady_ms() - began_ms), V(c->kind), V(c->model), V(c->asked),
        V(c->status), V(c->body), V(c->heard_ms));
    sandbox_changed();
}

/* The work is done and paid for, and whoever asked does not learn what came of it. */
static void answer(struct openai_call *c, int64_t began_ms, int64_t retry_after)
{
    struct json_object *value;
    struct arena *a = c->arena;
    struct kv headers[MOST_HEADERS] = {0};
    size_t count = 0;
    if (c->status == 200 && openai_fault(c, "lost", &value)) {
        request_answer(c->r, &(struct answer){.status = 502,
                                              .content_type = "text/html",
                                              .body = S("<html><h1>502 Bad Gateway</h1></html>")});
        return;
    }
    headers[count++] = KV("x-request-id",
                          str_printf(a, "req_" STR_FMT, STR_ARG(random_hex(a, 12))));
    headers[count++] = KV("openai-version", "2020-10-01");
    headers[count++] = KV("openai-processing-ms",
                          str_printf(a, "%" PRId64, clock_steady_ms() - began_ms));
    if (retry_after) {
        str seconds = str_printf(a, "%" PRId64, retry_after);
        headers[count++] = KV("Retry-After", seconds);
        headers[count++] = KV("x-ratelimit-limit-requests", "60");
        headers[count++] = KV("x-ratelimit-remaining-requests", "0");
        headers[count++] = KV("x-ratelimit-reset-requests",
                              str_printf(a, STR_FMT "s", STR_ARG(seconds)));
    }
    request_answer(c->r,
                   &(struct answer){.status = c->status, .body = c->body, .headers = headers});
}

static bool has_key(struct openai_call *c)
{
    str expected = str_printf(c->arena, "Bearer " STR_FMT, STR_ARG(sandbox.openai_key));
    if (sandbox.openai_key.len &&
        str_same_secret(request_param(c->r, "HTTP_AUTHORIZATION"), expected))
        return true;
    openai_refuse(c, 401, NULL, "invalid_api_key", "Incorrect API key provided.");
    return false;
}

static void run(struct openai_call *c, void (*work)(struct openai_call *c))
{
    int64_t began_ms = clock_steady_ms(), retry_after = 0;
    if (!str_eq(c->r->method, S("POST")))
        openai_refuse(c, 405, NULL, NULL, "Not allowed to " STR_FMT ".", STR_ARG(c->r->method));
    if (!c->status && has_key(c))
        answered_by_status(c);
    if (!c->status)
        answered_by_limit(c, &retry_after);
    if (!c->status) {
        wait_as_ordered(c);
        work(c);
    }
    keep_call(c, began_ms);
    answer(c, began_ms, retry_after);
}

static const struct {
    const char *path, *kind;
    void (*work)(struct openai_call *c);
} doors[] = {
    {"/v1/audio/transcriptions", "transcriptions", openai_answer_speech},
    {"/v1/chat/completions",     "chat",           openai_answer_chat  },
};

void openai_handle(struct request *r, str path)
{
    struct openai_call c = {
        .r = r, .arena = r->arena, .kind = "", .model = S(""), .asked = S("{}"), .body = S("")};
    for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
        if (!str_eq(path, str_from(doors[i].path)))
            continue;
        c.kind = doors[i].kind;
        run(&c, doors[i].work);
        return;
    }
    openai_refuse(&c, 404, NULL, NULL, "Invalid URL (" STR_FMT " " STR_FMT ")", STR_ARG(r->method),
                  STR_ARG(path));
    request_answer(r, &(struct answer){.status = c.status, .body = c.body});
}

void openai_start(void)
{
    sql_script("create table if not exists openai_calls ("
               " seq integer primary key autoincrement, at_ms integer not null,"
               " took_ms integer not null, kind text not null, model text not null,"
               " asked text not null, status integer not null, answer text not null,"
               " heard_ms integer not null default 0);");
}
