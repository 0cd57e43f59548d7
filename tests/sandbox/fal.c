/*
 * fal.c - FAL's queue, storage and files, played.
 *
 *     POST queue/<model>?fal_webhook=…         submit
 *     GET  queue/<owner>/<app>/requests/<id>/status?logs=1
 *     GET  queue/<owner>/<app>/requests/<id>   result
 *     PUT  queue/<owner>/<app>/requests/<id>/cancel
 *     GET  rest/.well-known/jwks.json
 *     POST rest/storage/upload/initiate, then PUT rest/storage/upload/<token>
 *     GET  files/<token>/<name>
 *     DELETE api/v1/models/requests/<id>/payloads   what it was given and made is gone
 *
 * As with the real queue, the input is looked at by the model and not by the
 * queue: a wrong field is accepted by submit and becomes the request's result.
 * Requests are rows; a runner moves them on, and goes on where it was when the
 * sandbox was stopped in the middle.
 *
 * SANDBOX_FAL_SECONDS is how long a request runs (6), SANDBOX_FAL_RUNNING how
 * many run at a time (8). The faults fal.seconds and fal.running go before. All
 * faults stand in docs/sandbox.md; fal.callback and fal.fail are looked at when a
 * request is submitted and stay with it. Trainings have a time of their own, see
 * fal_trainers.c.
 */
#include "tests/sandbox/fal_inside.h"

#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "tests/sandbox/draw.h"

enum {
    DEFAULT_SECONDS = 6,
    DEFAULT_RUNNING = 8,
    BLACKHOLE_MS = 60 * 1000,
    BLACKHOLE_LOOK_MS = 500,
    RUNNER_ARENA_BYTES = 128 << 20,
    EARLY_MOST_MS = 20 * 1000,
    CANCEL_NOTICED_MS = 500, /* a running model sees the signal between two steps */
    MOST_HEADERS = 4,
    MOST_STATUS_FIELDS = 5,
};

static struct task *runner;
static double default_seconds = DEFAULT_SECONDS;
static double default_running = DEFAULT_RUNNING;

/* -- faults -- */

bool fal_fault(struct arena *a, const char *name, struct json_object **value)
{
    if (!fault_get(a, name, value))
        return false;
    if (json_at(*value, "value"))
        *value = json_at(*value, "value");
    return true;
}

bool fal_fault_of(struct arena *a, const char *name, str model, struct json_object **value)
{
    str own = str_printf(a, "%s:" STR_FMT, name, STR_ARG(model));
    return fal_fault(a, cstr(a, own), value) || fal_fault(a, name, value);
}

double fal_fault_number(struct arena *a, const char *name, double otherwise)
{
    struct json_object *value;
    if (!fal_fault(a, name, &value) || (!json_object_is_type(value, json_type_double) &&
                                        !json_object_is_type(value, json_type_int)))
        return otherwise;
    return json_object_get_double(value);
}

static bool is_ordered(const char *name)
{
    return SQL_NUMBER("select count(*) from faults where name = ?", V(name)) > 0;
}

/* Silence: for a minute, or until the fault is taken back. One that counts down
 * may be used up by this very request and then lasts the minute. */
static void blackhole(struct request *r, const char *name)
{
    int64_t until_ms = clock_steady_ms() + BLACKHOLE_MS;
    bool was_ordered = is_ordered(name);
    while (clock_steady_ms() < until_ms && !store_is_draining() && is_ordered(name) == was_ordered)
        task_sleep_ms(BLACKHOLE_LOOK_MS);
    request_refuse(r, 504, "nothing was heard for a minute");
}

static void answer_json(struct request *r, int status, str body)
{
    request_answer(r, &(struct answer){.status = status, .body = body});
}

static void refuse_detail(struct request *r, int status, const char *detail)
{
    answer_json(r, status, json_make(r->arena, KV("detail", detail)));
}

/* An answer instead of the real one: a status, or silence. */
static bool answered_by_fault(struct request *r, const char *name)
{
    struct json_object *value;
    int64_t status;
    if (!fal_fault(r->arena, name, &value))
        return false;
    if (json_value_i64(value, &status)) {
        refuse_detail(r, (int)status, "This answer is a fault that was asked for.");
        return true;
    }
    if (!str_eq(json_value_str(value), S("blackhole")))
        return false;
    blackhole(r, name);
    return true;
}

static bool has_key(struct request *r)
{
    str expected = str_printf(r->arena, "Key " STR_FMT, STR_ARG(sandbox.fal_key));
    if (sandbox.fal_key.len && str_same_secret(request_param(r, "HTTP_AUTHORIZATION"), expected))
        return true;
    refuse_detail(r, 401, "No user found for Key ID and Secret");
    return false;
}

/* -- files -- */

str fal_file_keep(struct arena *a, str name, str content_type, str bytes)
{
    str token = random_hex(a, 12);
    SQL("insert into fal_files (token, name, content_type, sha256) values (?, ?, ?, ?)", V(token),
        V(name), V(content_type), V(blob_put(a, bytes)));
    return str_printf(a, STR_FMT "/fal/files/" STR_FMT "/" STR_FMT, STR_ARG(sandbox.public_url),
                      STR_ARG(token), STR_ARG(str_percent(a, name, false)));
}

/* What lies at <token>/<name>. */
static bool file_find(struct arena *a, str path, str *content_type, str *bytes)
{
    struct row row;
    str token, name;
    str_cut(path, '/', &token, &name);
    if (!SQL_GET(&row,
                 "select content_type, sha256, name from fal_files where token = ?"
                 " and token not in (select token from fal_expiries where expires_ms <= ?)",
                 V(token), V(clock_ms())))
        return false;
    str sha256 = row_str(a, &row, 1), real_name = str_percent(a, row_str(a, &row, 2), false);
    *content_type = row_str(a, &row, 0);
    sql_close(&row);
    return str_eq(real_name, name) && sha256.len && blob_get(a, sha256, bytes);
}

/* <token>/<name> of an address of ours. */
static bool file_path(struct arena *a, str url, str *out)
{
    str base = str_printf(a, STR_FMT "/fal/files/", STR_ARG(sandbox.public_url));
    *out = str_sub(url, base.len, url.len);
    return str_starts(url, base);
}

bool fal_file_get(struct arena *a, str url, str *bytes)
{
    str path, content_type;
    return file_path(a, url, &path) && file_find(a, path, &content_type, bytes);
}

bool fal_file_forget(struct arena *a, str url)
{
    str path, token, name;
    if (!file_path(a, url, &path))
        return false;
    str_cut(path, '/', &token, &name);
    return SQL("delete from fal_files where token = ?", V(token)) > 0;
}

static void files_get(struct request *r, str path)
{
    str type, bytes;
    if (answered_by_fault(r, "fal.file"))
        return;
    if (!file_find(r->arena, path, &type, &bytes)) {
        refuse_detail(r, 404, "Not Found");
        return;
    }
    request_answer(
        r, &(struct answer){.status = 200, .content_type = cstr(r->arena, type), .body = bytes});
}

/* -- storage -- */

/* {"expiration_duration_seconds":N}; without the header for ever: 0. */
static bool expiry_wanted(struct request *r, int64_t *expires_ms)
{
    struct json_object *wish;
    int64_t seconds;
    str header = request_param(r, "HTTP_X_FAL_OBJECT_LIFECYCLE");
    *expires_ms = 0;
    if (!header.len)
        return true;
    if (json_parse(r->arena, header, &wish) ||
        !json_i64(wish, "expiration_duration_seconds", &seconds) || seconds < 1) {
        refuse_detail(r, 400, "X-Fal-Object-Lifecycle is not understood");
        return false;
    }
    *expires_ms = clock_ms() + seconds * 1000;
    return true;
}

static void storage_initiate(struct request *r)
{
    struct arena *a = r->arena;
    struct json_object *body;
    str type, name;
    if (!has_key(r) || answered_by_fault(r, "fal.storage"))
        return;
    if (json_parse(a, r->body, &body) || !(type = json_str(body, "content_type")).len ||
        !(name = json_str(body, "file_name")).len) {
        answer_json(r, 422, fal_detail(a, "file_name", "missing", "Field required", NULL));
        return;
    }
    if (!str_eq(request_query(r, "storage_type"), S("fal-cdn-v3"))) {
        refuse_detail(r, 400, "storage_type must be fal-cdn-v3");
        return;
    }

    int64_t expires_ms;
    if (!expiry_wanted(r, &expires_ms))
        return;
    str token = random_hex(a, 12), upload = random_hex(a, 16);
    SQL("insert into fal_files (token, name, content_type, upload) values (?, ?, ?, ?)", V(token),
        V(name), V(type), V(upload));
    if (expires_ms)
        SQL("insert into fal_expiries (token, expires_ms) values (?, ?)", V(token), V(expires_ms));
    str base = sandbox.public_url;
    answer_json(
        r, 200,
        json_make(
            a,
            KV("upload_url", str_printf(a, STR_FMT "/fal/rest/storage/upload/" STR_FMT,
                                        STR_ARG(base), STR_ARG(upload))),
            KV("file_url", str_printf(a, STR_FMT "/fal/files/" STR_FMT "/" STR_FMT, STR_ARG(base),
                                      STR_ARG(token), STR_ARG(str_percent(a, name, false))))));
}

static void storage_put(struct request *r, str upload)
{
    struct row row;
    if (!SQL_GET(&row, "select content_type from fal_files where upload = ?", V(upload))) {
        refuse_detail(r, 404, "Not Found");
        return;
    }
    str type = row_str(r->arena, &row, 0);
    sql_close(&row);
    if (!str_eq(type, r->content_type)) {
        refuse_detail(r, 403, "The Content-Type is not the one that was announced");
        return;
    }
    SQL("update fal_files set sha256 = ? where upload = ?", V(blob_put(r->arena, r->body)),
        V(upload));
    answer_json(r, 200, S("{}"));
}

static void rest_handle(struct request *r, str path)
{
    static const str upload = {"/storage/upload/", 16};
    if (str_eq(path, S("/.well-known/jwks.json")) && str_eq(r->method, S("GET"))) {
        if (!answered_by_fault(r, "fal.jwks"))
            answer_json(r, 200, fal_keys_document(r->arena));
    } else if (str_eq(path, S("/storage/upload/initiate")) && str_eq(r->method, S("POST"))) {
        storage_initiate(r);
    } else if (str_starts(path, upload) && str_eq(r->method, S("PUT"))) {
        storage_put(r, str_sub(path, upload.len, path.len));
    } else {
        refuse_detail(r, 404, "Not Found");
    }
}

/* -- the runner -- */

static double run_seconds(struct arena *a)
{
    return fal_fault_number(a, "fal.seconds", default_seconds);
}

/* A training waits behind strangers until it is ready; whoever came later passes it. */
#define IS_READY                                                                                   \
    " state = 'queued' and not exists (select 1 from fal_trainings where request_id = id"          \
    " and ready_ms > ?)"

static void begin_training(struct arena *a, int64_t seq);

/* A training's own time is set when it begins. */
static int64_t length_ms_of(struct arena *a, int64_t seq)
{
    bool is_training = SQL_NUMBER("select count(*) from fal_trainings join fal_requests"
                                  " on id = request_id where seq = ?",
                                  V(seq));
    return is_training ? 0 : (int64_t)(run_seconds(a) * 1000);
}

static void start_queued(struct arena *a)
{
    int64_t most = (int64_t)fal_fault_number(a, "fal.running", default_running);
    int64_t running = sql_number("select count(*) from fal_requests where state = 'running'", NULL,
                                 0);
    while (running < most) {
        int64_t now = clock_ms();
        int64_t seq = SQL_NUMBER(
            "select seq from fal_requests where" IS_READY " order by seq limit 1", V(now));
        if (!seq)
            return;
        SQL("update fal_requests set state = 'running', start_ms = ?, finish_ms = ? where seq = ?",
            V(now), V(now + length_ms_of(a, seq)), V(seq));
        begin_training(a, seq);
        running++;
    }
}

static void make_failure(struct arena *a, str wish, str model, struct fal_made *made)
{
    struct json_object *value = NULL;
    int64_t status = 500;
    err *e = json_parse(a, wish, &value);
    if (e || !json_value_i64(value, &status))
        json_i64(value, "status", &status);
    str type = json_str(value, "type");
    if (!type.len)
        type = status >= 500 ? S("internal_server_error") : S("value_error");
    made->status = (int)status;
    bool is_training = fal_model_is_trainer(fal_model_find(model));
    made->body = fal_detail(a, is_training ? "images_data_url" : "prompt", cstr(a, type),
                            "This failure was asked for.", NULL);
}

static bool job_of(struct arena *a, str id, str model, str input, struct fal_job *out)
{
    *out = (struct fal_job){.id = id, .model = model};
    return !json_parse(a, input, &out->input) && fal_model_find(model);
}

static void run_model(struct arena *a, str id, str model, str input, struct fal_made *made)
{
    struct fal_job job;
    if (fal_training_made(a, id, made))
        return;
    if (job_of(a, id, model, input, &job))
        fal_model_run(a, fal_model_find(model), &job, made);
    else
        *made = (struct fal_made){.status = 500, .body = S("{\"detail\":\"Internal error\"}")};
}

/* Its time counts from here: what it does is done at once. */
static void begin_training(struct arena *a, int64_t seq)
{
    struct row row;
    struct fal_job job;
    if (!SQL_GET(&row,
                 "select id, model, input, fails from fal_requests"
                 " join fal_trainings on request_id = id where seq = ?",
                 V(seq)))
        return;
    str id = row_str(a, &row, 0), model = row_str(a, &row, 1), input = row_str(a, &row, 2);
    str fails = row_str(a, &row, 3);
    sql_close(&row);
    if (!job_of(a, id, model, input, &job))
        return;
    int64_t length_ms = fal_training_begin(a, fal_model_find(model), &job, fails);
    SQL("update fal_requests set finish_ms = case when is_cancel_asked then finish_ms"
        " else start_ms + ? end where seq = ?",
        V(length_ms), V(seq));
}

/* Makes the outcome of one request and writes it down together with its callback,
 * so that a stop in between repeats both or neither. */
static void finish(struct arena *a, int64_t seq)
{
    struct row row;
    struct fal_made made = {0};
    if (!SQL_GET(&row,
                 "select id, model, input, webhook, callback_mode, fails, is_cancel_asked"
                 " from fal_requests where seq = ?",
                 V(seq)))
        return;
    str id = row_str(a, &row, 0), model = row_str(a, &row, 1), input = row_str(a, &row, 2);
    str webhook = row_str(a, &row, 3), mode = row_str(a, &row, 4), fails = row_str(a, &row, 5);
    bool is_cancelled = row_i64(&row, 6) != 0;
    sql_close(&row);

    if (is_cancelled)
        made = (struct fal_made){499,
                                 S("{\"detail\":\"Request was cancelled\","
                                   "\"error_type\":\"client_cancelled\"}"),
                                 S("client_cancelled")};
    else if (fails.len)
        make_failure(a, fails, model, &made);
    else
        run_model(a, id, model, input, &made);

    sql_script("savepoint fal_finish");
    if (SQL("update fal_requests set state = 'done', status = ?, output = ?, error_type = ?"
            " where seq = ? and state = 'running'",
            V(made.status), V(made.body), V(made.error_type), V(seq)) &&
        webhook.len)
        fal_callback_add(a, id, webhook, mode, &made);
    sql_script("release fal_finish");
    log_info("fal.finished", KV("request", id), KV("model", model), KV("status", made.status));
    sandbox_changed();
}

/* When a request ends, or a training becomes ready and there is room for it. */
static int64_t next_event_ms(void)
{
    return SQL_NUMBER("select min(at) from (select finish_ms as at from fal_requests"
                      " where state = 'running' union all select ready_ms from fal_trainings"
                      " join fal_requests on id = request_id where state = 'queued'"
                      " and ready_ms > ?)",
                      V(clock_ms()));
}

static void runner_task(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(RUNNER_ARENA_BYTES);
    for (;;) {
        arena_reset(a);
        start_queued(a);
        int64_t due = SQL_NUMBER("select seq from fal_requests where state = 'running'"
                                 " and finish_ms <= ? order by finish_ms, seq limit 1",
                                 V(clock_ms()));
        if (due) {
            finish(a, due);
            task_yield();
            continue;
        }
        int64_t next_ms = next_event_ms();
        int64_t wait_ms = next_ms - clock_ms();
        task_wait(next_ms ? clock_steady_ms() + (wait_ms > 0 ? wait_ms : 0) : 0);
    }
}

/* -- submit -- */

static str owner_and_app(str model)
{
    str owner, rest, app, deeper;
    str_cut(model, '/', &owner, &rest);
    str_cut(rest, '/', &app, &deeper);
    return str_sub(model, 0, owner.len + 1 + app.len);
}

static str request_url(struct arena *a, str model, str id, const char *last)
{
    return str_printf(a, STR_FMT "/fal/queue/" STR_FMT "/requests/" STR_FMT "%s",
                      STR_ARG(sandbox.public_url), STR_ARG(owner_and_app(model)), STR_ARG(id),
                      last);
}

static int64_t queue_position(str id)
{
    return fal_training_strangers(id) +
           SQL_NUMBER("select count(*) from fal_requests where state = 'queued' and seq <"
                      " (select seq from fal_requests where id = ?)",
                      V(id));
}

static void add_request(struct arena *a, str id, str model, str input, str webhook, str mode)
{
    struct json_object *value;
    str fails = fal_fault_of(a, "fal.fail", model, &value) ? json_text(a, value) : (str){0};
    fal_training_add(a, id, fal_model_find(model));
    SQL("insert into fal_requests (id, model, input, webhook, callback_mode, fails, created_ms)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        V(id), V(model), V(input), V(webhook), V(mode), V(fails), V(clock_ms()));
    sandbox_changed();
}

/* The callback overtakes the answer: the work is done and told before submit ends. */
static void run_early(str id)
{
    int64_t until_ms = clock_steady_ms() + EARLY_MOST_MS;
    SQL("update fal_requests set state = 'running', start_ms = ?1, finish_ms = ?1 where id = ?2",
        V(clock_ms()), V(id));
    task_wake(runner);
    while (clock_steady_ms() < until_ms && !store_is_draining()) {
        int64_t seen = sandbox_version();
        if (SQL_NUMBER("select count(*) from fal_deliveries where request_id = ? and attempts > 0",
                       V(id)))
            return;
        sandbox_wait_change(seen, 1000);
    }
}

/* Accepted, but nobody learns of it: fal.submit is "lost" or "lost:never". */
static bool answer_is_lost(struct request *r, str fault)
{
    if (!str_starts(fault, S("lost")))
        return false;
    if (str_eq(fault, S("lost:never")))
        blackhole(r, "fal.submit");
    else
        request_answer(r, &(struct answer){.status = 502,
                                           .content_type = "text/html",
                                           .body = S("<html>502 Bad Gateway</html>")});
    return true;
}

static void accept_request(struct request *r, str model, str webhook, str fault)
{
    struct arena *a = r->arena;
    struct json_object *value = NULL;
    str id = random_uuid(a);
    bool is_odd = fal_fault_of(a, "fal.callback", model, &value);
    str mode = is_odd ? str_dup(a, json_value_str(value)) : S("normal");
    add_request(a, id, model, r->body, webhook, mode);
    int64_t position = queue_position(id);
    if (str_eq(mode, S("early")))
        run_early(id);
    task_wake(runner);
    if (answer_is_lost(r, fault))
        return;

    const struct kv headers[] = {KV("x-fal-request-id", id), {0}};
    request_answer(r, &(struct answer){
                          .status = 200,
                          .headers = headers,
                          .body = json_make(a, KV("status", "IN_QUEUE"), KV("request_id", id),
                                            KV("response_url", request_url(a, model, id, "")),
                                            KV("status_url", request_url(a, model, id, "/status")),
                                            KV("cancel_url", request_url(a, model, id, "/cancel")),
                                            KV("queue_position", position))});
}

static void submit(struct request *r, str model)
{
    struct arena *a = r->arena;
    struct json_object *body, *fault = NULL;
    int64_t status;
    str webhook = request_query(r, "fal_webhook");
    if (!fal_model_find(model)) {
        refuse_detail(r, 404,
                      cstr(a, str_printf(a, "Application " STR_FMT " not found", STR_ARG(model))));
        return;
    }
    if (json_parse(a, r->body, &body)) {
        answer_json(r, 422, fal_detail(a, "", "json_invalid", "JSON decode error", NULL));
        return;
    }
    if (webhook.len && !str_starts(webhook, S("https://"))) {
        refuse_detail(r, 400, "fal_webhook must be an https address");
        return;
    }
    if (!fal_fault_of(a, "fal.submit", model, &fault))
        fault = NULL;
    if (json_value_i64(fault, &status)) {
        refuse_detail(r, (int)status, "This answer is a fault that was asked for.");
        return;
    }
    if (str_eq(json_value_str(fault), S("blackhole"))) {
        blackhole(r, "fal.submit");
        return;
    }
    accept_request(r, model, webhook, json_value_str(fault));
}

/* -- status, result, cancel -- */

struct fal_row {
    str id, model, state, output, error_type;
    int64_t start_ms, finish_ms;
    int status;
};

/* A request that was cancelled while it waited is gone from the queue. */
static bool find_request(struct arena *a, str id, struct fal_row *out)
{
    struct row row;
    if (!SQL_GET(&row,
                 "select id, model, state, output, error_type, start_ms, finish_ms, status"
                 " from fal_requests where id = ? and state <> 'removed'",
                 V(id)))
        return false;
    *out = (struct fal_row){row_str(a, &row, 0), row_str(a, &row, 1),  row_str(a, &row, 2),
                            row_str(a, &row, 3), row_str(a, &row, 4),  row_i64(&row, 5),
                            row_i64(&row, 6),    (int)row_i64(&row, 7)};
    sql_close(&row);
    return true;
}

static str iso_time(struct arena *a, int64_t ms)
{
    char text[40];
    struct tm when;
    time_t seconds = (time_t)(ms / 1000);
    gmtime_r(&seconds, &when);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &when);
    return str_printf(a, "%s.%03d000", text, (int)(ms % 1000));
}

str fal_log_line(struct arena *a, int64_t at_ms, const char *level, str message)
{
    return json_make(a, KV("message", message), KV("level", level), KV("source", "USER"),
                     KV("timestamp", iso_time(a, at_ms)));
}

/* What the model has said by now: a line at each quarter of its time. */
static str logs_of(struct arena *a, const struct fal_row *request)
{
    enum { LINES = 5 };
    str told;
    bool is_done = str_eq(request->state, S("done"));
    int64_t now = is_done ? request->finish_ms : clock_ms();
    if (fal_training_logs(a, request->id, request->start_ms, now, &told))
        return told;
    int64_t whole = request->finish_ms - request->start_ms;
    struct buf b = buf_new(a);
    buf_add_char(&b, '[');
    for (int i = 0; i < LINES; i++) {
        int64_t at = request->start_ms + whole * i / (LINES - 1);
        if (at > now || (i == LINES - 1 && !is_done))
            break;
        str message = i ? str_printf(a, "Generating: %d%%", 100 * i / (LINES - 1))
                        : S("Model loaded");
        if (i)
            buf_add_char(&b, ',');
        buf_add(&b, fal_log_line(a, at, "INFO", message));
    }
    buf_add_char(&b, ']');
    return buf_str(&b);
}

static void add_addresses(struct arena *a, struct buf *b, const struct fal_row *q)
{
    str fields = json_make(a, KV("request_id", q->id),
                           KV("response_url", request_url(a, q->model, q->id, "")),
                           KV("status_url", request_url(a, q->model, q->id, "/status")),
                           KV("cancel_url", request_url(a, q->model, q->id, "/cancel")));
    buf_add_char(b, ',');
    buf_add(b, str_sub(fields, 1, fields.len));
}

/* COMPLETED is said of failures too; only `error` tells them apart. */
static str completed_body(struct arena *a, const struct fal_row *q, str logs)
{
    double seconds = (double)(q->finish_ms - q->start_ms) / 1000;
    struct kv fields[MOST_STATUS_FIELDS + 1] = {
        KV("status", "COMPLETED"),
        KV("logs", JSON(logs)),
        KV("metrics", JSON(json_make(a, KV("inference_time", seconds)))),
    };
    if (q->status != 200)
        fields[3] = KV("error", str_printf(a, "Invalid status code: %d", q->status));
    if (q->error_type.len)
        fields[4] = KV("error_type", q->error_type);
    return json_make_kvs(a, fields);
}

static str status_body(struct request *r, const struct fal_row *q)
{
    struct arena *a = r->arena;
    if (str_eq(q->state, S("queued")))
        return json_make(a, KV("status", "IN_QUEUE"), KV("queue_position", queue_position(q->id)));

    str logs = str_eq(request_query(r, "logs"), S("1")) ? logs_of(a, q) : S("null");
    if (str_eq(q->state, S("running")))
        return json_make(a, KV("status", "IN_PROGRESS"), KV("logs", JSON(logs)));
    return completed_body(a, q, logs);
}

static void status_get(struct request *r, const struct fal_row *q)
{
    str body = status_body(r, q);
    struct buf b = buf_new(r->arena);
    buf_add(&b, str_sub(body, 0, body.len - 1));
    add_addresses(r->arena, &b, q);
    answer_json(r, str_eq(q->state, S("done")) ? 200 : 202, buf_str(&b));
}

static void result_get(struct request *r, const struct fal_row *q)
{
    if (!str_eq(q->state, S("done"))) {
        refuse_detail(r, 400, "Request is still in progress");
        return;
    }
    struct kv headers[MOST_HEADERS] = {KV("x-fal-request-id", q->id)};
    if (q->status != 200)
        headers[1] = KV("X-Fal-Retryable", q->status >= 500 ? "true" : "false");
    if (q->error_type.len)
        headers[2] = KV("X-Fal-Error-Type", q->error_type);
    request_answer(r, &(struct answer){.status = q->status, .body = q->output, .headers = headers});
}

static void cancel_put(struct request *r, const struct fal_row *q)
{
    if (str_eq(q->state, S("done"))) {
        answer_json(r, 400, S("{\"status\":\"ALREADY_COMPLETED\"}"));
        return;
    }
    if (str_eq(q->state, S("queued"))) {
        SQL("update fal_requests set state = 'removed' where id = ?", V(q->id));
        answer_json(r, 200, S("{\"status\":\"OK\"}"));
    } else {
        SQL("update fal_requests set is_cancel_asked = 1, finish_ms = min(finish_ms, ?)"
            " where id = ?",
            V(clock_ms() + CANCEL_NOTICED_MS), V(q->id));
        answer_json(r, 202, S("{\"status\":\"CANCELLATION_REQUESTED\"}"));
    }
    task_wake(runner);
    sandbox_changed();
}

/* /<owner>/<app>/requests/<id>[/status|/cancel], of the app that took the request. */
static void request_handle(struct request *r, str app, str tail)
{
    static const struct {
        const char *last, *method, *fault;
        void (*run)(struct request *r, const struct fal_row *q);
    } verbs[] = {
        {"",       "GET", "fal.result", result_get},
        {"status", "GET", "fal.status", status_get},
        {"cancel", "PUT", "fal.cancel", cancel_put},
    };
    struct fal_row q;
    str id, last;
    str_cut(tail, '/', &id, &last);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (!str_eq(last, str_from(verbs[i].last)))
            continue;
        if (!str_eq(r->method, str_from(verbs[i].method)))
            refuse_detail(r, 405, "Method Not Allowed");
        else if (answered_by_fault(r, verbs[i].fault))
            return;
        else if (find_request(r->arena, id, &q) && str_eq(owner_and_app(q.model), app))
            verbs[i].run(r, &q);
        else if (str_eq(last, S("cancel")))
            answer_json(r, 404, S("{\"status\":\"NOT_FOUND\"}"));
        else
            refuse_detail(r, 404, "Request not found");
        return;
    }
    refuse_detail(r, 404, "Not Found");
}

static void queue_handle(struct request *r, str path)
{
    static const str requests = {"/requests/", 10};
    size_t at;
    str model = str_sub(path, 1, path.len);
    if (!has_key(r))
        return;
    if (str_find(model, requests, &at))
        request_handle(r, str_sub(model, 0, at), str_sub(model, at + requests.len, model.len));
    else if (str_eq(r->method, S("POST")))
        submit(r, model);
    else
        refuse_detail(r, 405, "Method Not Allowed");
}

/* -- the account -- */

/* Files are found by their addresses, wherever in the output they stand. */
static str delete_files(struct arena *a, str output)
{
    size_t at;
    str base = str_printf(a, STR_FMT "/fal/files/", STR_ARG(sandbox.public_url));
    struct buf results = buf_new(a);
    for (str rest = output, url, behind; str_find(rest, base, &at); rest = behind) {
        str_cut(str_sub(rest, at, rest.len), '"', &url, &behind);
        fal_file_forget(a, url);
        buf_add(&results, results.len ? S(",") : S(""));
        json_put_object(&results, KVS(KV("link", url), KV("exception", V(NOTHING))));
    }
    return buf_str(&results);
}

/* What still waits or runs has nothing yet that could be deleted, and keeps what it was given. */
static void payloads_delete(struct request *r, str id)
{
    struct arena *a = r->arena;
    struct fal_row q;
    if (!has_key(r) || answered_by_fault(r, "fal.forget"))
        return;
    if (!find_request(a, id, &q)) {
        int64_t removed = SQL("update fal_requests set input = '{}' where id = ?", V(id));
        if (removed)
            answer_json(r, 200, S("{\"cdn_delete_results\":[]}"));
        else
            refuse_detail(r, 404, "Request not found");
        return;
    }
    if (!str_eq(q.state, S("done"))) {
        refuse_detail(r, 409, "Request is still in progress");
        return;
    }
    str results = delete_files(a, q.output);
    SQL("update fal_requests set input = '{}', output = '{}' where id = ?", V(id));
    SQL("update fal_trainings set output = '{}' where request_id = ?", V(id));
    SQL("update fal_deliveries set body = '{}' where request_id = ?", V(id));
    answer_json(r, 200, str_printf(a, "{\"cdn_delete_results\":[" STR_FMT "]}", STR_ARG(results)));
    sandbox_changed();
}

/* /v1/models/requests/<id>/payloads */
static void api_handle(struct request *r, str path)
{
    static const str begin = {"/v1/models/requests/", 20};
    str id, last;
    str_cut(str_sub(path, begin.len, path.len), '/', &id, &last);
    if (!str_starts(path, begin) || !str_eq(last, S("payloads")))
        refuse_detail(r, 404, "Not Found");
    else if (!str_eq(r->method, S("DELETE")))
        refuse_detail(r, 405, "Method Not Allowed");
    else
        payloads_delete(r, id);
}

/* -- the door -- */

void fal_handle(struct request *r, str path)
{
    static const struct {
        str prefix;
        void (*handle)(struct request *r, str path);
    } parts[] = {
        {{"/queue", 6}, queue_handle},
        {{"/rest", 5},  rest_handle },
        {{"/api", 4},   api_handle  },
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        str rest = str_sub(path, parts[i].prefix.len, path.len);
        if (str_starts(path, parts[i].prefix) && str_starts(rest, S("/"))) {
            parts[i].handle(r, rest);
            return;
        }
    }
    static const str files = {"/files/", 7};
    if (str_starts(path, files) && str_eq(r->method, S("GET")))
        files_get(r, str_sub(path, files.len, path.len));
    else
        refuse_detail(r, 404, "Not Found");
}

double fal_setting(const char *name, double otherwise)
{
    const char *text = getenv(name);
    char *end = NULL;
    double number = text ? strtod(text, &end) : 0;
    return text && *text && !*end && number >= 0 ? number : otherwise;
}

void fal_start(void)
{
    default_seconds = fal_setting("SANDBOX_FAL_SECONDS", DEFAULT_SECONDS);
    default_running = fal_setting("SANDBOX_FAL_RUNNING", DEFAULT_RUNNING);
    sql_script("create table if not exists fal_requests ("
               " seq integer primary key autoincrement, id text not null unique,"
               " model text not null, input text not null, webhook text,"
               " callback_mode text not null, fails text,"
               " state text not null default 'queued', created_ms integer not null,"
               " start_ms integer, finish_ms integer, status integer, output text,"
               " error_type text, is_cancel_asked integer not null default 0);"
               "create index if not exists fal_requests_open on fal_requests (state, seq)"
               " where state in ('queued', 'running');"
               "create table if not exists fal_files ("
               " token text primary key, name text not null, content_type text not null,"
               " sha256 text, upload text unique);"
               "create table if not exists fal_expiries ("
               " token text primary key, expires_ms integer not null);");
    fal_trainings_start();
    fal_callbacks_start();
    runner = task_start(runner_task, NULL, DRAW_STACK_KIB);
}
