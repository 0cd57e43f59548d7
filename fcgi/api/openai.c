#include "api/openai.h"

#include <openssl/evp.h>

#include "core/http.h"

enum {
    TRANSCRIPTION_TIMEOUT_MS = 300 * 1000,
    CHAT_TIMEOUT_MS = 60 * 1000,
    ANSWER_MOST_BYTES = 4 << 20,
    MOST_WAIT_MS = 3600 * 1000, /* a longer wait than this is not believed */
    MOST_PARTS = 6,
    MOST_CHAT_FIELDS = 5,
};

/* -- what went wrong -- */

enum openai_trouble openai_trouble(const err *e)
{
    switch (e->kind) {
    case ERR_UNREACHABLE:
    case ERR_UNKNOWN:
    case ERR_BUSY:
        return OPENAI_LATER;
    case ERR_REFUSED:
        return OPENAI_REFUSED;
    case ERR_UPSTREAM:
        if (e->code == 401 || e->code == 403 || e->code == 404)
            return OPENAI_ACCESS;
        return e->code == 402 || e->code == 429 ? OPENAI_QUOTA : OPENAI_BROKEN;
    case ERR_INPUT:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_REPLAY:
    case ERR_INTERNAL:
    case ERR_KIND_COUNT:
        break;
    }
    return OPENAI_BROKEN;
}

/* Takes "12.5" off the front. */
static bool take_number(str *left, double *out)
{
    double number = 0, scale = 1;
    size_t at = 0;
    bool has_point = false;
    for (; at < left->len; at++) {
        char c = left->ptr[at];
        if (c == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        number = number * 10 + (c - '0');
        scale *= has_point ? 10 : 1;
    }
    *left = str_sub(*left, at, left->len);
    *out = number / scale;
    return at > 0;
}

/* "20ms", "1s", "6m0s", "1h2m3.5s". */
static bool duration_ms(str text, int64_t *out)
{
    static const struct {
        str unit;
        double ms;
    } units[] = {
        {{"ms", 2}, 1      }, /* before m and s */
        {{"s", 1},  1000   },
        {{"m", 1},  60000  },
        {{"h", 1},  3600000},
    };
    double total = 0, number;
    if (str_empty(text))
        return false;
    while (text.len) {
        size_t i = 0;
        if (!take_number(&text, &number))
            return false;
        while (i < ARRAY_LEN(units) && !str_starts(text, units[i].unit))
            i++;
        if (i == ARRAY_LEN(units))
            return false;
        text = str_sub(text, units[i].unit.len, text.len);
        total += number * units[i].ms;
    }
    *out = total < MOST_WAIT_MS ? (int64_t)total : MOST_WAIT_MS;
    return true;
}

/* The limit that is used up says when it begins anew. */
static int64_t reset_ms(const struct http_response *response)
{
    static const struct {
        str remaining, reset;
    } limits[] = {
        {{"x-ratelimit-remaining-requests", 30}, {"x-ratelimit-reset-requests", 26}},
        {{"x-ratelimit-remaining-tokens", 28},   {"x-ratelimit-reset-tokens", 24}  },
    };
    int64_t longest = 0;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        int64_t ms;
        if (str_eq(http_header(response, limits[i].remaining), S("0")) &&
            duration_ms(http_header(response, limits[i].reset), &ms) && ms > longest)
            longest = ms;
    }
    return longest;
}

/* The finer header goes before the coarser, both before the limits. A date instead of seconds is
 * as good as nothing: our own pauses are for that. */
static int64_t wait_ms(const struct http_response *response)
{
    double number;
    str ms = http_header(response, S("retry-after-ms")),
        seconds = http_header(response, S("Retry-After"));
    double wait = 0;
    if (take_number(&ms, &number) && str_empty(ms))
        wait = number;
    else if (take_number(&seconds, &number) && str_empty(seconds))
        wait = number * 1000;
    else
        return reset_ms(response);
    return wait < MOST_WAIT_MS ? (int64_t)wait : MOST_WAIT_MS;
}

/* Of an account, not of a rate: no pause helps. */
static bool says_no_credit(struct json_object *error)
{
    static const str words[] = {
        {"insufficient_quota",         18},
        {"billing_hard_limit_reached", 26},
        {"billing_not_active",         18},
    };
    str type = json_str(error, "type"), code = json_str(error, "code");
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(type, words[i]) || str_eq(code, words[i]))
            return true;
    return false;
}

static enum err_kind kind_of(const struct http_response *response, struct json_object *error)
{
    int status = response->status;
    if (status == 400 || status == 413 || status == 415 || status == 422)
        return ERR_REFUSED;
    if (status == 429 && says_no_credit(error))
        return ERR_UPSTREAM;
    bool is_waiting = status == 408 || status == 409 || status == 429 || status >= 500;
    if (str_eq(http_header(response, S("x-should-retry")), S("true")))
        is_waiting = true;
    return is_waiting ? ERR_BUSY : ERR_UPSTREAM;
}

/* A proxy in between answers with a page instead of JSON; then only the status tells. The words
 * about a wrong key are left out, for they quote it. */
static err *refusal(struct arena *a, const char *doing, const struct http_response *response)
{
    struct json_object *body = NULL;
    if (json_parse(a, response->body, &body))
        body = NULL;
    struct json_object *error = json_at(body, "error");
    bool is_about_key = response->status == 401 || response->status == 403;
    str words = is_about_key ? S("") : str_dup(a, json_str(error, "message"));
    err *e = fail_with(a, kind_of(response, error), response->status, words,
                       "openai: %s: http %d " STR_FMT " (" STR_FMT ")", doing, response->status,
                       STR_ARG(json_str(error, "code")),
                       STR_ARG(http_header(response, S("x-request-id"))));
    if (e->kind == ERR_BUSY)
        e->retry_ms = wait_ms(response);
    return e;
}

/* An answer that nobody can use is paid for all the same: it is no reason to ask at once again. */
static err *broken(struct arena *a, const char *doing, const struct http_response *response,
                   const char *what)
{
    return fail(a, ERR_UPSTREAM, "openai: %s: %s (" STR_FMT ")", doing, what,
                STR_ARG(http_header(response, S("x-request-id"))));
}

/* -- one call -- */

/* What comes back is mended, because it ends in PostgreSQL, which does not take all that JSON may
 * say. */
static err *call(struct arena *a, const struct openai *openai, const char *doing,
                 struct http_request *request, struct http_response *response,
                 struct json_object **answer)
{
    if (str_empty(openai->key))
        return fail_with(a, ERR_UPSTREAM, 401, S(""), "openai: %s: no key is set", doing);
    const struct http_header headers[] = {
        {S("Authorization"),     str_printf(a, "Bearer " STR_FMT, STR_ARG(openai->key))},
        {S("Accept"), S("application/json")            },
 /* Of no use where curl writes the type of a form itself. */
        {request->parts ? S("") : S("Content-Type"), S("application/json")},
        {{0}, {0}            },
    };
    request->party = "openai";
    request->purpose = str_from(doing);
    request->headers = headers;
    request->max_bytes = ANSWER_MOST_BYTES;
    TRY(http_fetch(a, request, response));
    if (response->status != 200)
        return refusal(a, doing, response);
    if (json_parse(a, json_mended(a, response->body), answer))
        return broken(a, doing, response, "the answer is no json");
    return NULL;
}

static str address(struct arena *a, const struct openai *openai, const char *path)
{
    return str_printf(a, STR_FMT "/%s", STR_ARG(openai->base_url), path);
}

/* -- speech -- */

static const char *recording_type(str file_name)
{
    static const struct {
        str ending;
        const char *type;
    } rows[] = {
        {{".flac", 5}, "audio/flac"},
        {{".mp3", 4},  "audio/mpeg"},
        {{".mp4", 4},  "audio/mp4" },
        {{".mpeg", 5}, "audio/mpeg"},
        {{".mpga", 5}, "audio/mpeg"},
        {{".m4a", 4},  "audio/mp4" },
        {{".ogg", 4},  "audio/ogg" },
        {{".wav", 4},  "audio/wav" },
        {{".webm", 5}, "audio/webm"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (file_name.len > rows[i].ending.len && str_ends(file_name, rows[i].ending))
            return rows[i].type;
    return NULL;
}

bool openai_model_gives_times(str model)
{
    size_t at;
    return str_find(model, S("whisper"), &at);
}

static err *check_recording(struct arena *a, const struct openai_recording *recording)
{
    if (!recording_type(recording->file_name))
        return fail_with(a, ERR_INPUT, 0, recording->file_name,
                         "openai: transcribe: a name of no known format");
    if (str_empty(recording->bytes) || recording->bytes.len > OPENAI_RECORDING_MOST_BYTES)
        return fail(a, ERR_INPUT, "openai: transcribe: a recording of %zu bytes",
                    recording->bytes.len);
    return NULL;
}

/* Only the whisper family writes times; the others refuse to be asked for them. */
static const struct http_part *recording_parts(struct arena *a,
                                               const struct openai_recording *recording)
{
    bool has_times = openai_model_gives_times(recording->model);
    struct http_part *parts = NEW_ARRAY(a, struct http_part, MOST_PARTS + 1);
    size_t count = 0;
    parts[count++] = (struct http_part){.name = S("model"), .data = recording->model};
    parts[count++] = (struct http_part){.name = S("response_format"),
                                        .data = has_times ? S("verbose_json") : S("json")};
    if (has_times)
        parts[count++] = (struct http_part){.name = S("timestamp_granularities[]"),
                                            .data = S("segment")};
    if (recording->language.len)
        parts[count++] = (struct http_part){.name = S("language"), .data = recording->language};
    if (recording->prompt.len)
        parts[count++] = (struct http_part){.name = S("prompt"), .data = recording->prompt};
    parts[count++] = (struct http_part){
        .name = S("file"),
        .file_name = recording->file_name,
        .content_type = str_from(recording_type(recording->file_name)),
        .data = recording->bytes};
    return parts;
}

/* Seconds as a number, or as a text, which is how some servers write them. */
static int64_t milliseconds(struct json_object *object, const char *name)
{
    double seconds;
    str text = json_str(object, name);
    bool is_known = json_double(object, name, &seconds) ||
                    (take_number(&text, &seconds) && str_empty(text));
    return is_known && seconds > 0 && seconds < 1e9 ? (int64_t)(seconds * 1000 + 0.5) : 0;
}

/* Models lose count at times: a segment may end before it begins, or begin before the last. */
static void take_segments(struct arena *a, struct json_object *list, struct openai_transcript *out)
{
    int64_t reached_ms = 0;
    size_t length = json_length(list);
    struct openai_segment *segments = NEW_ARRAY(a, struct openai_segment, length + 1);
    for (size_t i = 0; i < length; i++) {
        struct json_object *entry = json_item(list, i);
        struct openai_segment made = {.start_ms = milliseconds(entry, "start"),
                                      .end_ms = milliseconds(entry, "end"),
                                      .text = str_trim(json_str(entry, "text"))};
        if (str_empty(made.text))
            continue;
        json_double(entry, "no_speech_prob", &made.no_speech);
        json_double(entry, "avg_logprob", &made.log_probability);
        if (made.start_ms < reached_ms)
            made.start_ms = reached_ms;
        if (made.end_ms < made.start_ms)
            made.end_ms = made.start_ms;
        reached_ms = made.start_ms;
        segments[out->segment_count++] = made;
    }
    out->segments = segments;
}

static void take_usage(struct json_object *usage, struct openai_transcript *out)
{
    double seconds;
    if (json_double(usage, "seconds", &seconds) && seconds > 0 && seconds < 1e9) {
        out->billed_seconds = (int64_t)seconds;
        if ((double)out->billed_seconds < seconds)
            out->billed_seconds++;
    }
    json_i64(usage, "input_tokens", &out->input_tokens);
    json_i64(usage, "output_tokens", &out->output_tokens);
}

err *openai_transcribe(struct arena *a, const struct openai *openai,
                       const struct openai_recording *recording, struct openai_transcript *out)
{
    struct http_response response = {0};
    struct json_object *answer = NULL;
    TRY(check_recording(a, recording));
    TRY(call(a, openai, "transcribe",
             &(struct http_request){.url = address(a, openai, "audio/transcriptions"),
                                    .parts = recording_parts(a, recording),
                                    .timeout_ms = TRANSCRIPTION_TIMEOUT_MS},
             &response, &answer));
    struct json_object *text = json_at(answer, "text");
    if (!json_object_is_type(text, json_type_string))
        return broken(a, "transcribe", &response, "no text in the answer");

    struct openai_transcript made = {.text = str_trim(json_value_str(text)),
                                     .language = json_str(answer, "language"),
                                     .duration_ms = milliseconds(answer, "duration"),
                                     .request_id = http_header(&response, S("x-request-id"))};
    take_segments(a, json_at(answer, "segments"), &made);
    take_usage(json_at(answer, "usage"), &made);
    *out = made;
    return NULL;
}

/* -- chat -- */

static const char *const role_names[] = {
    [OPENAI_SYSTEM] = "system",
    [OPENAI_USER] = "user",
    [OPENAI_ASSISTANT] = "assistant",
};

static str picture_url(struct arena *a, const struct openai_picture *picture)
{
    unsigned char *digits = NEW_ARRAY(a, unsigned char, picture->bytes.len / 3 * 4 + 5);
    int length = EVP_EncodeBlock(digits, (const unsigned char *)picture->bytes.ptr,
                                 (int)picture->bytes.len);
    struct buf b = buf_new(a);
    buf_addf(&b, "data:" STR_FMT ";base64,", STR_ARG(picture->content_type));
    buf_add(&b, (str){(const char *)digits, (size_t)length});
    return buf_str(&b);
}

/* The words and the picture they are about, as parts of one message. */
static str parts_json(struct arena *a, str text, const struct openai_picture *picture)
{
    str image = json_make(a, KV("url", picture_url(a, picture)),
                          KV("detail", picture->detail ? picture->detail : "auto"));
    struct buf b = buf_new(a);
    buf_add_char(&b, '[');
    if (text.len) {
        json_put_object(&b, KVS(KV("type", "text"), KV("text", text)));
        buf_add_char(&b, ',');
    }
    json_put_object(&b, KVS(KV("type", "image_url"), KV("image_url", JSON(image))));
    buf_add_char(&b, ']');
    return buf_str(&b);
}

static str messages_json(struct arena *a, const struct openai_chat *ask)
{
    struct buf b = buf_new(a);
    buf_add_char(&b, '[');
    for (size_t i = 0; i < ask->message_count; i++) {
        const struct openai_message *message = &ask->messages[i];
        bool has_picture = ask->picture.bytes.len && i + 1 == ask->message_count;
        assert(!has_picture || message->role == OPENAI_USER);
        struct val content = has_picture ? V(JSON(parts_json(a, message->text, &ask->picture)))
                                         : V(message->text);
        if (i)
            buf_add_char(&b, ',');
        json_put_object(&b, KVS(KV("role", role_names[message->role]), KV("content", content)));
    }
    buf_add_char(&b, ']');
    return buf_str(&b);
}

/* Those that think before they speak refuse any temperature but their own: o1, o3-mini, gpt-5 … */
static bool takes_temperature(str model)
{
    bool is_o = model.len > 1 && model.ptr[0] == 'o' && model.ptr[1] >= '1' && model.ptr[1] <= '9';
    return !is_o && !str_starts(model, S("gpt-5"));
}

static str chat_json(struct arena *a, const struct openai_chat *ask)
{
    struct kv fields[MOST_CHAT_FIELDS + 1] = {0};
    size_t count = 0;
    fields[count++] = KV("model", ask->model);
    fields[count++] = KV("messages", JSON(messages_json(a, ask)));
    fields[count++] = KV("max_completion_tokens", ask->max_tokens);
    if (ask->has_temperature && takes_temperature(ask->model))
        fields[count++] = KV("temperature", ask->temperature);
    if (ask->wants_json)
        fields[count++] = KV("response_format", JSON(S("{\"type\":\"json_object\"}")));
    return json_make_kvs(a, fields);
}

/* A model that will not answer says so in a field of its own, or stops at a filter. */
static err *take_choice(struct arena *a, struct json_object *answer,
                        const struct http_response *response, struct openai_reply *out)
{
    struct json_object *choice = json_item(json_at(answer, "choices"), 0);
    struct json_object *message = json_at(choice, "message");
    str refused = json_str(message, "refusal"), finish = json_str(choice, "finish_reason");
    if (refused.len || str_eq(finish, S("content_filter")))
        return fail_with(a, ERR_REFUSED, response->status, str_dup(a, refused),
                         "openai: chat: the model would not answer (" STR_FMT ")",
                         STR_ARG(http_header(response, S("x-request-id"))));
    out->text = str_trim(json_str(message, "content"));
    out->is_cut = str_eq(finish, S("length"));
    if (str_empty(out->text))
        return broken(a, "chat", response, "no words in the answer");
    return NULL;
}

err *openai_chat(struct arena *a, const struct openai *openai, const struct openai_chat *ask,
                 struct openai_reply *out)
{
    struct http_response response = {0};
    struct json_object *answer = NULL;
    struct openai_reply made = {0};
    assert(ask->message_count > 0 && ask->max_tokens > 0);
    TRY(call(
        a, openai, "chat",
        &(struct http_request){.url = address(a, openai, "chat/completions"),
                               .body = chat_json(a, ask),
                               .timeout_ms = ask->timeout_ms ? ask->timeout_ms : CHAT_TIMEOUT_MS},
        &response, &answer));
    TRY(take_choice(a, answer, &response, &made));

    struct json_object *usage = json_at(answer, "usage");
    json_i64(usage, "prompt_tokens", &made.prompt_tokens);
    json_i64(usage, "completion_tokens", &made.completion_tokens);
    made.request_id = http_header(&response, S("x-request-id"));
    *out = made;
    return NULL;
}
