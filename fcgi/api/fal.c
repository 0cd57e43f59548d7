#include "api/fal.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "core/http.h"

enum {
    SUBMIT_TIMEOUT_MS = 30 * 1000,
    FOLLOW_TIMEOUT_MS = 15 * 1000,
    KEYS_TIMEOUT_MS = 10 * 1000,
    FILE_TIMEOUT_MS = 60 * 1000,
    UPLOAD_TIMEOUT_MS = 120 * 1000,
    ANSWER_MOST_BYTES = 1 << 20,
    MOST_HEADERS = 4,
    UPLOAD_LIFE_SECONDS = 24 * 3600,
    SIGNATURE_BYTES = 64,
    KEY_BYTES = 32,
    SKEW_SECONDS = 300,
    MOST_WAIT_SECONDS = 3600, /* a longer Retry-After is not believed */
};

/* -- addresses -- */

static int port_of(str scheme, int port)
{
    if (port)
        return port;
    return str_eq_nocase(scheme, S("https")) ? 443 : 80;
}

static bool same_place(str left, str right)
{
    str scheme, host, path, other_scheme, other_host, other_path;
    int port, other_port;
    return http_url_split(left, &scheme, &host, &port, &path) &&
           http_url_split(right, &other_scheme, &other_host, &other_port, &other_path) &&
           str_eq_nocase(scheme, other_scheme) && str_eq_nocase(host, other_host) &&
           port_of(scheme, port) == port_of(other_scheme, other_port);
}

/* "fal.media" allows fal.media and v3.fal.media, but not notfal.media. */
static bool is_below(str host, str allowed)
{
    if (!allowed.len || host.len < allowed.len)
        return false;
    str tail = str_sub(host, host.len - allowed.len, allowed.len);
    bool is_whole = host.len == allowed.len || host.ptr[host.len - allowed.len - 1] == '.';
    return is_whole && str_eq_nocase(tail, allowed);
}

static bool is_file_place(const struct fal *fal, str url)
{
    str scheme, host, path, rest = fal->file_hosts, allowed;
    int port;
    if (same_place(url, fal->queue_url) || same_place(url, fal->rest_url))
        return true;
    if (!http_url_split(url, &scheme, &host, &port, &path) || !str_eq_nocase(scheme, S("https")))
        return false;
    while (rest.len) {
        str_cut(rest, ',', &allowed, &rest);
        if (is_below(host, str_trim(allowed)))
            return true;
    }
    return false;
}

void fal_allow(const struct fal *fal)
{
    http_allow(fal->queue_url);
    http_allow(fal->rest_url);
    http_allow(fal->jwks_url);
    http_allow(fal->api_url);
}

/* -- one call with our key -- */

static err *call_with(struct arena *a, const struct fal *fal, const char *doing, const char *method,
                      str url, str body, struct http_header more, int64_t timeout_ms,
                      struct http_response *out)
{
    str authorization = str_printf(a, "Key " STR_FMT, STR_ARG(fal->key));
    struct http_header headers[MOST_HEADERS + 1] = {
        {{0}, {0}}
    };
    size_t count = 0;
    headers[count++] = (struct http_header){S("Authorization"), authorization};
    headers[count++] = (struct http_header){S("Accept"), S("application/json")};
    if (body.len)
        headers[count++] = (struct http_header){S("Content-Type"), S("application/json")};
    if (more.name.len)
        headers[count++] = more;
    return http_fetch(a,
                      &(struct http_request){.party = "fal",
                                             .purpose = str_from(doing),
                                             .method = str_from(method),
                                             .url = url,
                                             .headers = headers,
                                             .body = body,
                                             .timeout_ms = timeout_ms,
                                             .max_bytes = ANSWER_MOST_BYTES},
                      out);
}

static err *call(struct arena *a, const struct fal *fal, const char *doing, const char *method,
                 str url, str body, int64_t timeout_ms, struct http_response *out)
{
    return call_with(a, fal, doing, method, url, body, (struct http_header){0}, timeout_ms, out);
}

/* An answer that is no success, where asking again does no harm. */
static err *refusal(struct arena *a, const char *doing, const struct http_response *response)
{
    int64_t seconds;
    enum err_kind kind = ERR_UPSTREAM;
    if (response->status == 429 || response->status >= 500)
        kind = ERR_BUSY;
    else if (response->status == 404 || response->status == 410)
        kind = ERR_NOT_FOUND;

    err *e = fail_with(a, kind, response->status, str_dup(a, response->body), "fal: %s: http %d",
                       doing, response->status);
    if (str_to_i64(http_header(response, S("Retry-After")), &seconds) && seconds > 0)
        e->retry_ms = (seconds < MOST_WAIT_SECONDS ? seconds : MOST_WAIT_SECONDS) * 1000;
    return e;
}

/* The addresses that came back with a request are used only where the key may go. */
static err *check_place(struct arena *a, const struct fal *fal, str url)
{
    if (same_place(url, fal->queue_url))
        return NULL;
    return fail_with(a, ERR_INPUT, 0, url, "fal: the address is not on the queue's own host");
}

/* -- submitting -- */

/* 500, 502 and 504 may come from in front of a queue that has taken the request. */
static err *submit_refusal(struct arena *a, const struct http_response *response)
{
    err *e = refusal(a, "submit", response);
    int status = response->status;
    if (status == 500 || status == 502 || status == 504)
        e->kind = ERR_UNKNOWN;
    if (status == 400 || status == 422)
        e->kind = ERR_REFUSED;
    return e;
}

static err *submission_parse(struct arena *a, const struct fal *fal, str body,
                             struct fal_submission *out)
{
    struct json_object *answer;
    if (json_parse(a, body, &answer))
        return fail_with(a, ERR_UNKNOWN, 200, body, "fal: submit: the answer is no json");
    struct fal_submission made = {
        .request_id = json_str(answer, "request_id"),
        .status_url = json_str(answer, "status_url"),
        .response_url = json_str(answer, "response_url"),
        .cancel_url = json_str(answer, "cancel_url"),
    };
    if (!made.request_id.len)
        return fail_with(a, ERR_UNKNOWN, 200, body, "fal: submit: no request id in the answer");
    json_i64(answer, "queue_position", &made.queue_position);
    if (!same_place(made.status_url, fal->queue_url) ||
        !same_place(made.response_url, fal->queue_url) ||
        !same_place(made.cancel_url, fal->queue_url))
        return fail_with(a, ERR_UNKNOWN, 200, body,
                         "fal: submit: an address is not on the queue's own host");
    *out = made;
    return NULL;
}

static err *submit(struct arena *a, const struct fal *fal, str model, str input, str callback_url,
                   struct fal_submission *out)
{
    struct http_response response;
    str url = str_printf(a, STR_FMT "/" STR_FMT, STR_ARG(fal->queue_url),
                         STR_ARG(str_percent(a, model, true)));
    if (callback_url.len)
        url = str_printf(a, STR_FMT "?fal_webhook=" STR_FMT, STR_ARG(url),
                         STR_ARG(str_percent(a, callback_url, false)));

    TRY(call(a, fal, "submit", "POST", url, input, SUBMIT_TIMEOUT_MS, &response));
    if (response.status < 200 || response.status > 299)
        return submit_refusal(a, &response);
    return submission_parse(a, fal, response.body, out);
}

enum { IMAGEN4_FIELDS = 6 };

err *fal_submit_imagen4(struct arena *a, const struct fal *fal, const struct fal_imagen4 *ask,
                        struct fal_submission *out)
{
    struct kv fields[IMAGEN4_FIELDS + 1] = {0};
    size_t count = 0;
    fields[count++] = KV("prompt", ask->prompt);
    fields[count++] = KV("aspect_ratio", ask->aspect_ratio);
    fields[count++] = KV("num_images", ask->num_images);
    if (ask->has_seed)
        fields[count++] = KV("seed", ask->seed);
    if (ask->output_format.len)
        fields[count++] = KV("output_format", ask->output_format);
    return submit(a, fal, ask->model, json_make_kvs(a, fields), ask->callback_url, out);
}

enum { PORTRAIT_FIELDS = 7, FAST_TRAINING_FIELDS = 5, FLUX_LORA_FIELDS = 9 };

str fal_portrait_input(struct arena *a, const struct fal_portrait *ask)
{
    struct kv fields[PORTRAIT_FIELDS + 1] = {0};
    size_t count = 0;
    fields[count++] = KV("images_data_url", ask->images_data_url);
    if (ask->trigger_phrase.len)
        fields[count++] = KV("trigger_phrase", ask->trigger_phrase);
    fields[count++] = KV("steps", ask->steps);
    fields[count++] = KV("learning_rate", ask->learning_rate);
    fields[count++] = KV("multiresolution_training", ask->multiresolution_training);
    fields[count++] = KV("subject_crop", ask->subject_crop);
    fields[count++] = KV("create_masks", ask->create_masks);
    return json_make_kvs(a, fields);
}

err *fal_submit_portrait(struct arena *a, const struct fal *fal, const struct fal_portrait *ask,
                         struct fal_submission *out)
{
    return submit(a, fal, ask->model, fal_portrait_input(a, ask), ask->callback_url, out);
}

str fal_fast_training_input(struct arena *a, const struct fal_fast_training *ask)
{
    struct kv fields[FAST_TRAINING_FIELDS + 1] = {0};
    size_t count = 0;
    fields[count++] = KV("images_data_url", ask->images_data_url);
    if (ask->trigger_word.len)
        fields[count++] = KV("trigger_word", ask->trigger_word);
    fields[count++] = KV("create_masks", ask->create_masks);
    fields[count++] = KV("is_style", ask->is_style);
    fields[count++] = KV("steps", ask->steps);
    return json_make_kvs(a, fields);
}

err *fal_submit_fast_training(struct arena *a, const struct fal *fal,
                              const struct fal_fast_training *ask, struct fal_submission *out)
{
    return submit(a, fal, ask->model, fal_fast_training_input(a, ask), ask->callback_url, out);
}

static str loras_json(struct arena *a, const struct fal_flux_lora *ask)
{
    struct buf b = buf_new(a);
    buf_add_char(&b, '[');
    for (size_t i = 0; i < ask->lora_count; i++) {
        if (i)
            buf_add_char(&b, ',');
        json_put_object(&b, KVS(KV("path", ask->loras[i].path), KV("scale", ask->loras[i].scale)));
    }
    buf_add_char(&b, ']');
    return buf_str(&b);
}

err *fal_submit_flux_lora(struct arena *a, const struct fal *fal, const struct fal_flux_lora *ask,
                          struct fal_submission *out)
{
    struct kv fields[FLUX_LORA_FIELDS + 1] = {0};
    size_t count = 0;
    fields[count++] = KV("prompt", ask->prompt);
    fields[count++] = KV("loras", JSON(loras_json(a, ask)));
    fields[count++] = KV("image_size",
                         JSON(json_make(a, KV("width", ask->width), KV("height", ask->height))));
    fields[count++] = KV("num_images", ask->num_images);
    fields[count++] = KV("num_inference_steps", ask->num_inference_steps);
    fields[count++] = KV("guidance_scale", ask->guidance_scale);
    if (ask->has_seed)
        fields[count++] = KV("seed", ask->seed);
    fields[count++] = KV("enable_safety_checker", ask->enable_safety_checker);
    if (ask->output_format.len)
        fields[count++] = KV("output_format", ask->output_format);
    return submit(a, fal, ask->model, json_make_kvs(a, fields), ask->callback_url, out);
}

/* -- following a request -- */

static bool phase_of(str name, enum fal_phase *out)
{
    static const struct {
        str name;
        enum fal_phase phase;
    } phases[] = {
        {{"IN_QUEUE", 8},     FAL_QUEUED   },
        {{"IN_PROGRESS", 11}, FAL_RUNNING  },
        {{"COMPLETED", 9},    FAL_COMPLETED},
    };
    for (size_t i = 0; i < ARRAY_LEN(phases); i++)
        if (str_eq(phases[i].name, name)) {
            *out = phases[i].phase;
            return true;
        }
    return false;
}

static void take_logs(struct arena *a, struct json_object *logs, struct fal_status *out)
{
    out->log_count = json_length(logs);
    struct fal_log *items = NEW_ARRAY(a, struct fal_log, out->log_count);
    for (size_t i = 0; i < out->log_count; i++) {
        struct json_object *line = json_item(logs, i);
        items[i] = (struct fal_log){json_str(line, "message"), json_str(line, "level"),
                                    json_str(line, "timestamp")};
    }
    out->logs = items;
}

/* COMPLETED covers failures too; only `error` tells them apart. */
err *fal_status(struct arena *a, const struct fal *fal, str status_url, struct fal_status *out)
{
    struct http_response response;
    struct json_object *answer;
    struct fal_status made = {0};
    TRY(check_place(a, fal, status_url));
    str url = str_printf(a, STR_FMT "?logs=1", STR_ARG(status_url));
    TRY(call(a, fal, "status", "GET", url, S(""), FOLLOW_TIMEOUT_MS, &response));
    if (response.status != 200 && response.status != 202)
        return refusal(a, "status", &response);
    TRY(json_parse(a, response.body, &answer));
    if (!phase_of(json_str(answer, "status"), &made.phase))
        return fail_with(a, ERR_UPSTREAM, response.status, response.body, "fal: unknown status");

    json_i64(answer, "queue_position", &made.queue_position);
    take_logs(a, json_at(answer, "logs"), &made);
    made.error = json_str(answer, "error");
    made.error_type = json_str(answer, "error_type");
    made.is_failed = made.phase == FAL_COMPLETED && (made.error.len || made.error_type.len);
    *out = made;
    return NULL;
}

/* What the model answered, good or bad, is a result; what stands between us and
 * it (our key, the gateway, a limit) is an error. */
static bool is_from_model(const struct http_response *response, struct json_object *body)
{
    int status = response->status;
    if (status == 401 || status == 403 || status == 404 || status == 429)
        return false;
    if (status < 500)
        return true;
    return http_header(response, S("x-fal-request-id")).len &&
           (json_has(body, "detail") || json_has(body, "error_type"));
}

/* Asked too early FAL answers 400 with a sentence; taken for a failure, that
 * would end a request that is well. */
static bool is_still_running(const struct http_response *response, struct json_object *body)
{
    size_t at;
    return response->status == 202 ||
           (response->status == 400 && str_find(json_str(body, "detail"), S("in progress"), &at));
}

err *fal_result(struct arena *a, const struct fal *fal, str response_url, struct fal_outcome *out,
                str *raw)
{
    struct http_response response;
    struct json_object *body = NULL;
    struct fal_outcome made = {0};
    TRY(check_place(a, fal, response_url));
    TRY(call(a, fal, "result", "GET", response_url, S(""), FOLLOW_TIMEOUT_MS, &response));
    response.body = json_mended(a, response.body);
    if (json_parse(a, response.body, &body))
        body = NULL;
    if (is_still_running(&response, body))
        return fail(a, ERR_BUSY, "fal: result: still running");
    if (!is_from_model(&response, body))
        return refusal(a, "result", &response);
    if (response.status == 200 && !body)
        return fail_with(a, ERR_UPSTREAM, 200, response.body, "fal: result: the answer is no json");

    made.request_id = http_header(&response, S("x-fal-request-id"));
    made.is_ok = response.status == 200;
    made.payload = body;
    if (!made.is_ok)
        fal_failure_of(response.status, body, &made.failure);
    *out = made;
    *raw = response.body;
    return NULL;
}

err *fal_cancel(struct arena *a, const struct fal *fal, str cancel_url, enum fal_cancelled *out)
{
    static const struct {
        str word;
        enum fal_cancelled meaning;
    } words[] = {
        {{"OK", 2},                      FAL_CANCEL_REQUESTED      },
        {{"CANCELLATION_REQUESTED", 22}, FAL_CANCEL_REQUESTED      },
        {{"ALREADY_COMPLETED", 17},      FAL_CANCEL_TOO_LATE       },
        {{"NOT_FOUND", 9},               FAL_CANCEL_UNKNOWN_REQUEST},
    };
    struct http_response response;
    struct json_object *answer;
    TRY(check_place(a, fal, cancel_url));
    TRY(call(a, fal, "cancel", "PUT", cancel_url, S(""), FOLLOW_TIMEOUT_MS, &response));
    if (!json_parse(a, response.body, &answer))
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            if (str_eq(words[i].word, json_str(answer, "status"))) {
                *out = words[i].meaning;
                return NULL;
            }
    return refusal(a, "cancel", &response);
}

err *fal_forget(struct arena *a, const struct fal *fal, str request_id)
{
    struct http_response response;
    struct fal account = *fal;
    account.key = fal->admin_key;
    str url = str_printf(a, STR_FMT "/models/requests/" STR_FMT "/payloads", STR_ARG(fal->api_url),
                         STR_ARG(str_percent(a, request_id, false)));
    TRY(call(a, &account, "forget", "DELETE", url, S(""), FOLLOW_TIMEOUT_MS, &response));
    bool is_done = response.status >= 200 && response.status <= 299;
    err *e = is_done ? NULL : refusal(a, "forget", &response);
    if (e && response.status == 409) /* it is not over yet */
        e->kind = ERR_BUSY;
    return err_is_not_found(e) ? NULL : e;
}

/* -- why there is no result -- */

/* Types that say more than the status beside them. */
static const struct {
    str type;
    enum fal_failure_kind kind;
} failure_types[] = {
    {{"content_policy_violation", 24},       FAL_FAILURE_SAFETY   },
    {{"no_media_generated", 18},             FAL_FAILURE_UPSTREAM },
    {{"generation_timeout", 18},             FAL_FAILURE_UPSTREAM },
    {{"downstream_service_error", 24},       FAL_FAILURE_UPSTREAM },
    {{"downstream_service_unavailable", 30}, FAL_FAILURE_UPSTREAM },
    {{"internal_server_error", 21},          FAL_FAILURE_UPSTREAM },
    {{"internal_error", 14},                 FAL_FAILURE_UPSTREAM },
    {{"request_timeout", 15},                FAL_FAILURE_UPSTREAM },
    {{"startup_timeout", 15},                FAL_FAILURE_UPSTREAM },
    {{"runner_scheduling_failure", 25},      FAL_FAILURE_UPSTREAM },
    {{"runner_connection_timeout", 25},      FAL_FAILURE_UPSTREAM },
    {{"runner_connection_refused", 25},      FAL_FAILURE_UPSTREAM },
    {{"runner_connection_error", 23},        FAL_FAILURE_UPSTREAM },
    {{"runner_disconnected", 19},            FAL_FAILURE_UPSTREAM },
    {{"runner_incomplete_response", 26},     FAL_FAILURE_UPSTREAM },
    {{"runner_server_error", 19},            FAL_FAILURE_UPSTREAM },
    {{"client_cancelled", 16},               FAL_FAILURE_CANCELLED},
    {{"client_disconnected", 19},            FAL_FAILURE_CANCELLED},
    {{"bad_request", 11},                    FAL_FAILURE_INPUT    },
};

/* Some endpoints give a sentence in place of a type; for safety these words have
 * been seen in it. */
static const str safety_words[] = {
    {"safety check",   12},
    {"content policy", 14},
    {"content_policy", 14},
    {"safety filter",  13}
};

static bool speaks_of_safety(str message)
{
    size_t at;
    for (size_t i = 0; i < ARRAY_LEN(safety_words); i++)
        if (str_find(message, safety_words[i], &at))
            return true;
    return false;
}

static enum fal_failure_kind kind_by_status(int status)
{
    if (status == 401 || status == 402 || status == 403)
        return FAL_FAILURE_ACCESS;
    if (status == 499)
        return FAL_FAILURE_CANCELLED;
    return status >= 400 && status < 500 && status != 408 && status != 429 ? FAL_FAILURE_INPUT
                                                                           : FAL_FAILURE_UPSTREAM;
}

/* A type that is not known: as FAL's docs have it, not worth repeating, unless
 * the status says that it was the other side that broke. */
static enum fal_failure_kind kind_by_type(str type, int status)
{
    for (size_t i = 0; i < ARRAY_LEN(failure_types); i++)
        if (str_eq(failure_types[i].type, type))
            return failure_types[i].kind;
    return status ? kind_by_status(status) : FAL_FAILURE_INPUT;
}

void fal_failure_of(int status, struct json_object *body, struct fal_failure *out)
{
    struct json_object *detail = json_at(body, "detail");
    struct json_object *first = json_item(detail, 0);
    *out = (struct fal_failure){.type = json_str(first, "type"), .message = json_str(first, "msg")};
    if (!first) {
        out->type = json_str(body, "error_type");
        out->message = json_value_str(detail);
    }
    if (out->type.len)
        out->kind = kind_by_type(out->type, status);
    else if (speaks_of_safety(out->message))
        out->kind = FAL_FAILURE_SAFETY;
    else
        out->kind = kind_by_status(status);
}

void fal_failure_from(struct arena *a, int status, str body, struct fal_failure *out)
{
    struct json_object *tree;
    err *e = json_parse(a, body, &tree);
    fal_failure_of(status, e ? NULL : tree, out);
    if (!out->message.len)
        out->message = body;
}

/* -- callbacks -- */

/* "Invalid status code: 422" -> 422; 0 when there is none. */
static int status_in(str error)
{
    int64_t status;
    size_t from = error.len;
    while (from && error.ptr[from - 1] >= '0' && error.ptr[from - 1] <= '9')
        from--;
    bool is_status = str_to_i64(str_sub(error, from, error.len), &status) && status >= 400 &&
                     status <= 599;
    return is_status ? (int)status : 0;
}

err *fal_callback_parse(struct arena *a, struct json_object *body, struct fal_outcome *out)
{
    struct fal_outcome made = {.request_id = json_str(body, "request_id"),
                               .payload = json_at(body, "payload")};
    str status = json_str(body, "status"), error = json_str(body, "error");
    made.is_ok = str_eq(status, S("OK"));
    if (!made.request_id.len || (!made.is_ok && !str_eq(status, S("ERROR"))))
        return fail(a, ERR_INPUT, "fal: the callback has no request id or no known status");

    if (!made.is_ok) {
        fal_failure_of(status_in(error), made.payload, &made.failure);
        str infrastructure = json_str(body, "error_type");
        if (!made.failure.type.len && infrastructure.len) {
            made.failure.type = infrastructure;
            made.failure.kind = kind_by_type(infrastructure, status_in(error));
        }
        if (!made.failure.message.len)
            made.failure.message = error;
    }
    *out = made;
    return NULL;
}

static bool fits(str key, str signature, str message)
{
    EVP_PKEY *public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                                       (const unsigned char *)key.ptr, key.len);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_fit = public_key && context &&
                  EVP_DigestVerifyInit(context, NULL, NULL, NULL, public_key) == 1 &&
                  EVP_DigestVerify(context, (const unsigned char *)signature.ptr, signature.len,
                                   (const unsigned char *)message.ptr, message.len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public_key);
    return is_fit;
}

/* The 32 bytes of an entry of the key document; false for keys of another make. */
static bool key_of(struct arena *a, struct json_object *entry, str *out)
{
    return str_eq(json_str(entry, "kty"), S("OKP")) &&
           str_eq(json_str(entry, "crv"), S("Ed25519")) &&
           str_unbase64url(a, json_str(entry, "x"), out) && out->len == KEY_BYTES;
}

enum fal_verdict fal_verify(struct arena *a, struct json_object *keys,
                            const struct fal_signature *headers, str raw_body, int64_t now_ms)
{
    str signature, key;
    int64_t timestamp, now = now_ms / 1000;
    if (!headers->request_id.len || !str_to_i64(headers->timestamp, &timestamp) || timestamp < 0 ||
        !str_unhex(a, headers->signature, &signature) || signature.len != SIGNATURE_BYTES)
        return FAL_MALFORMED;
    if (timestamp > now ? timestamp - now > SKEW_SECONDS : now - timestamp > SKEW_SECONDS)
        return FAL_STALE;

    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)raw_body.ptr, raw_body.len, digest);
    str hash = str_hex(a, (str){(const char *)digest, sizeof digest});
    str message = str_printf(a, STR_FMT "\n" STR_FMT "\n" STR_FMT "\n" STR_FMT,
                             STR_ARG(headers->request_id), STR_ARG(headers->user_id),
                             STR_ARG(headers->timestamp), STR_ARG(hash));

    struct json_object *entries = json_at(keys, "keys");
    for (size_t i = 0; i < json_length(entries); i++)
        if (key_of(a, json_item(entries, i), &key) && fits(key, signature, message))
            return FAL_GENUINE;
    return FAL_FOREIGN;
}

err *fal_jwks_fetch(struct arena *a, const struct fal *fal, str *out)
{
    struct http_response response;
    struct json_object *keys;
    str key;
    TRY(http_fetch(a,
                   &(struct http_request){.party = "fal",
                                          .purpose = S("keys"),
                                          .url = fal->jwks_url,
                                          .timeout_ms = KEYS_TIMEOUT_MS,
                                          .max_bytes = ANSWER_MOST_BYTES},
                   &response));
    if (response.status != 200)
        return refusal(a, "keys", &response);
    TRY(json_parse(a, response.body, &keys));

    struct json_object *entries = json_at(keys, "keys");
    for (size_t i = 0; i < json_length(entries); i++)
        if (key_of(a, json_item(entries, i), &key)) {
            *out = response.body;
            return NULL;
        }
    return fail_with(a, ERR_UPSTREAM, 200, response.body, "fal: keys: no Ed25519 key in them");
}

/* -- results -- */

err *fal_images_parse(struct arena *a, struct json_object *payload, struct fal_images *out)
{
    struct json_object *images = json_at(payload, "images");
    struct json_object *marks = json_at(payload, "has_nsfw_concepts");
    struct fal_images made = {.count = json_length(images)};
    struct fal_image *items = NEW_ARRAY(a, struct fal_image, made.count + 1);
    for (size_t i = 0; i < made.count; i++) {
        struct json_object *image = json_item(images, i);
        struct json_object *mark = json_item(marks, i);
        items[i].url = json_str(image, "url");
        items[i].content_type = json_str(image, "content_type");
        items[i].has_nsfw = json_object_is_type(mark, json_type_boolean) &&
                            json_object_get_boolean(mark);
        json_i64(image, "width", &items[i].width);
        json_i64(image, "height", &items[i].height);
        if (!items[i].url.len)
            return fail(a, ERR_UPSTREAM, "fal: image %zu has no address", i);
    }
    if (!made.count)
        return fail(a, ERR_UPSTREAM, "fal: the result holds no image");

    made.items = items;
    made.has_seed = json_i64(payload, "seed", &made.seed);
    made.description = json_str(payload, "description");
    *out = made;
    return NULL;
}

err *fal_fetch_file(struct arena *a, const struct fal *fal, str url, size_t max_bytes,
                    struct fal_file *out)
{
    struct http_response response;
    if (!is_file_place(fal, url))
        return fail_with(a, ERR_INPUT, 0, url, "fal: the file is on a host that is not allowed");
    TRY(http_fetch(a,
                   &(struct http_request){.party = "fal",
                                          .purpose = S("file"),
                                          .url = url,
                                          .timeout_ms = FILE_TIMEOUT_MS,
                                          .max_bytes = max_bytes,
                                          .foreign = true},
                   &response));
    if (response.status != 200)
        return refusal(a, "file", &response);

    out->bytes = response.body;
    out->content_type = http_header(&response, S("Content-Type"));
    return NULL;
}

/* The address to put to is FAL's choice; it gets the bytes, but not our key. */
err *fal_upload(struct arena *a, const struct fal *fal, str file_name, str content_type, str bytes,
                str *file_url)
{
    struct http_response response;
    struct json_object *places;
    str initiate = str_printf(a, STR_FMT "/storage/upload/initiate?storage_type=fal-cdn-v3",
                              STR_ARG(fal->rest_url));
    str ask = json_make(a, KV("content_type", content_type), KV("file_name", file_name));
    const struct http_header lifecycle = {
        S("X-Fal-Object-Lifecycle"),
        json_make(a, KV("expiration_duration_seconds", (int64_t)UPLOAD_LIFE_SECONDS)),
    };
    TRY(call_with(a, fal, "upload", "POST", initiate, ask, lifecycle, FOLLOW_TIMEOUT_MS,
                  &response));
    if (response.status != 200)
        return refusal(a, "upload", &response);
    TRY(json_parse(a, response.body, &places));
    str upload_url = json_str(places, "upload_url"), made = json_str(places, "file_url");
    if (!upload_url.len || !made.len)
        return fail_with(a, ERR_UPSTREAM, 200, response.body, "fal: upload: no addresses");

    const struct http_header headers[] = {
        {S("Content-Type"), content_type},
        {{0},               {0}         }
    };
    TRY(http_fetch(a,
                   &(struct http_request){.party = "fal",
                                          .purpose = S("upload_put"),
                                          .method = S("PUT"),
                                          .url = upload_url,
                                          .headers = headers,
                                          .body = bytes,
                                          .timeout_ms = UPLOAD_TIMEOUT_MS,
                                          .max_bytes = ANSWER_MOST_BYTES,
                                          .foreign = true},
                   &response));
    if (response.status < 200 || response.status > 299)
        return refusal(a, "upload", &response);
    *file_url = made;
    return NULL;
}
