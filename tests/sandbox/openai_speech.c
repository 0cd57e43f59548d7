/*
 * POST v1/audio/transcriptions. The form is held against the fields that OpenAI has and what
 * each model takes of them; the recording is decoded and listened to.
 */
#include "tests/sandbox/openai_inside.h"
#include "tests/sandbox/telegram_inside.h" /* multipart_parse() */

enum {
    MOST_FILE_BYTES = 25 << 20,
    LEAST_MS = 100,
    STOPS_AFTER_S = 120,      /* of models that lose interest */
    LONGEST_MS = 1500 * 1000, /* of the same */
    TOKENS_PER_SECOND = 10,
    LANGUAGE_LETTERS = 2,
};

static const char *const models[] = {
    "whisper-1",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
};

enum form_field { MODEL, LANGUAGE, PROMPT, FORMAT, TEMPERATURE, GRANULARITY, FIELDS };

static const char *const names[FIELDS] = {
    [MODEL] = "model",
    [LANGUAGE] = "language",
    [PROMPT] = "prompt",
    [FORMAT] = "response_format",
    [TEMPERATURE] = "temperature",
    [GRANULARITY] = "timestamp_granularities[]",
};

struct form {
    str fields[FIELDS];
    bool has[FIELDS];
    const struct upload *file;
};

/* -- the form -- */

static bool refused(struct openai_call *c, const char *param, const char *message)
{
    openai_refuse(c, 400, param, NULL, "%s", message);
    return false;
}

static bool take_part(struct openai_call *c, const struct upload *part, struct form *form)
{
    if (str_eq(part->name, S("file"))) {
        if (form->file || !part->file_name.ptr)
            return refused(c, "file", "There has to be one file, with a name.");
        form->file = part;
        return true;
    }
    for (size_t i = 0; i < FIELDS; i++) {
        if (!str_eq(part->name, str_from(names[i])))
            continue;
        if (form->has[i] || part->file_name.ptr)
            return refused(c, names[i], "This field is given twice, or as a file.");
        form->has[i] = true;
        form->fields[i] = part->bytes;
        return true;
    }
    openai_refuse(c, 400, NULL, "unknown_parameter", "Unknown parameter: '" STR_FMT "'.",
                  STR_ARG(part->name));
    return false;
}

static bool read_form(struct openai_call *c, struct form *form)
{
    struct upload *parts;
    size_t count;
    if (!multipart_parse(c->arena, c->r->content_type, c->r->body, &parts, &count))
        return refused(c, NULL, "Could not parse multipart form");
    for (size_t i = 0; i < count; i++)
        if (!take_part(c, &parts[i], form))
            return false;
    if (!form->has[MODEL])
        return refused(c, "model", "you must provide a model parameter");
    if (!form->file)
        return refused(c, "file", "you must provide a file");
    c->model = form->fields[MODEL];
    return openai_model_is_known(c, models, ARRAY_LEN(models));
}

/* -- its fields -- */

static bool gives_times(const struct openai_call *c)
{
    return str_eq(c->model, S("whisper-1"));
}

static bool check_format(struct openai_call *c, const struct form *form)
{
    str format = form->fields[FORMAT];
    bool is_verbose = str_eq(format, S("verbose_json"));
    if (form->has[FORMAT] && !is_verbose && !str_eq(format, S("json")))
        return refused(c, "response_format", "Only json and verbose_json are played here.");
    if (is_verbose && !gives_times(c)) {
        openai_refuse(c, 400, "response_format", "unsupported_value",
                      "response_format 'verbose_json' is not compatible with model '" STR_FMT
                      "'. Use 'json' instead.",
                      STR_ARG(c->model));
        return false;
    }
    if (form->has[GRANULARITY] && !is_verbose)
        return refused(c, "timestamp_granularities",
                       "timestamp_granularities needs the response_format verbose_json");
    if (form->has[GRANULARITY] && !str_eq(form->fields[GRANULARITY], S("segment")))
        return refused(c, "timestamp_granularities", "Only segment is played here.");
    return true;
}

static bool check_fields(struct openai_call *c, const struct form *form)
{
    str language = form->fields[LANGUAGE], temperature = form->fields[TEMPERATURE];
    if (form->has[LANGUAGE]) {
        bool is_code = language.len == LANGUAGE_LETTERS && language.ptr[0] >= 'a' &&
                       language.ptr[0] <= 'z' && language.ptr[1] >= 'a' && language.ptr[1] <= 'z';
        if (!is_code)
            return refused(c, "language", "Language parameter must be specified in ISO-639-1.");
    }
    if (form->has[TEMPERATURE]) {
        char *end;
        double number = strtod(cstr(c->arena, temperature), &end);
        if (*end || str_empty(temperature) || number < 0 || number > 1)
            return refused(c, "temperature", "temperature must be a number from 0 to 1");
    }
    if (form->has[PROMPT] &&
        (str_empty(form->fields[PROMPT]) || !str_is_utf8(form->fields[PROMPT])))
        return refused(c, "prompt", "prompt must be text, and not empty");
    return check_format(c, form);
}

static bool check_file(struct openai_call *c, const struct upload *file)
{
    static const char *const endings[] = {".flac", ".mp3", ".mp4", ".mpeg", ".mpga",
                                          ".m4a",  ".ogg", ".wav", ".webm"};
    if (file->bytes.len > MOST_FILE_BYTES) {
        openai_refuse(c, 413, "file", NULL,
                      "Maximum content size limit (26214400) exceeded (%zu bytes read)",
                      file->bytes.len);
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(endings); i++)
        if (str_ends(file->file_name, str_from(endings[i])))
            return true;
    return refused(c, "file",
                   "Unrecognized file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', "
                   "'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']");
}

static void write_down(struct openai_call *c, const struct form *form, int64_t length_ms)
{
    const struct upload *file = form->file;
    str about = json_make(c->arena, KV("name", file->file_name), KV("type", file->content_type),
                          KV("size", file->bytes.len),
                          KV("sha256", blob_put(c->arena, file->bytes)),
                          KV("length_ms", length_ms));
    struct kv fields[FIELDS + 2] = {0};
    size_t count = 0;
    for (size_t i = 0; i < FIELDS; i++)
        if (form->has[i])
            fields[count++] = KV(names[i], form->fields[i]);
    fields[count++] = KV("file", JSON(about));
    c->asked = json_make_kvs(c->arena, fields);
}

/* -- what is answered -- */

static bool is_russian(const struct form *form, str text)
{
    if (form->has[LANGUAGE])
        return str_eq(form->fields[LANGUAGE], S("ru"));
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] == 0xD0 || (unsigned char)text.ptr[i] == 0xD1)
            return true;
    return false;
}

/* A sentence: the words that were planted, or what can be said of a sound without any. */
static str sentence(struct arena *a, const struct form *form, const struct heard_segment *s)
{
    double seconds = (double)(s->end_ms - s->start_ms) / 1000;
    if (s->words.len)
        return str_printf(a, " " STR_FMT ".", STR_ARG(s->words));
    if (is_russian(form, S("")))
        return str_printf(a, " [неразборчиво, %.1f с]", seconds);
    return str_printf(a, " [inaudible, %.1f s]", seconds);
}

static str segment_json(struct arena *a, size_t number, const struct heard_segment *s, str text)
{
    return json_make(a, KV("id", number), KV("seek", 0), KV("start", (double)s->start_ms / 1000),
                     KV("end", (double)s->end_ms / 1000), KV("text", text),
                     KV("tokens", JSON(S("[]"))), KV("temperature", 0.0),
                     KV("avg_logprob", s->words.len ? -0.2 : -1.2), KV("compression_ratio", 1.0),
                     KV("no_speech_prob", s->words.len ? 0.01 : 0.5));
}

static int64_t stops_after_ms(struct openai_call *c)
{
    struct json_object *value;
    int64_t seconds = STOPS_AFTER_S;
    if (openai_fault(c, "stops_after", &value))
        json_value_i64(value, &seconds);
    return seconds * 1000;
}

static void speak(struct openai_call *c, const struct form *form, const struct heard *heard)
{
    struct arena *a = c->arena;
    struct buf text = buf_new(a), segments = buf_new(a);
    int64_t stops_ms = gives_times(c) ? INT64_MAX : stops_after_ms(c);
    for (size_t i = 0; i < heard->count && heard->segments[i].start_ms < stops_ms; i++) {
        str words = sentence(a, form, &heard->segments[i]);
        buf_add(&text, words);
        buf_add(&segments, i ? S(",") : S(""));
        buf_add(&segments, segment_json(a, i, &heard->segments[i], words));
    }
    int64_t seconds = (heard->length_ms + 999) / 1000;
    str whole = str_trim(buf_str(&text));
    c->status = 200;
    if (!gives_times(c)) {
        int64_t in = seconds * TOKENS_PER_SECOND, out = (int64_t)(whole.len + 3) / 4;
        str usage = json_make(a, KV("type", "tokens"), KV("input_tokens", in),
                              KV("output_tokens", out), KV("total_tokens", in + out));
        c->body = json_make(a, KV("text", whole), KV("usage", JSON(usage)));
        return;
    }
    str usage = json_make(a, KV("type", "duration"), KV("seconds", seconds));
    str list = str_printf(a, "[" STR_FMT "]", STR_ARG(buf_str(&segments)));
    if (!str_eq(form->fields[FORMAT], S("verbose_json")))
        c->body = json_make(a, KV("text", whole), KV("usage", JSON(usage)));
    else
        c->body = json_make(a, KV("task", "transcribe"),
                            KV("language", is_russian(form, whole) ? "russian" : "english"),
                            KV("duration", (double)heard->length_ms / 1000), KV("text", whole),
                            KV("segments", JSON(list)), KV("usage", JSON(usage)));
}

void openai_answer_speech(struct openai_call *c)
{
    struct form form = {0};
    struct heard heard;
    if (!read_form(c, &form))
        return;
    write_down(c, &form, 0);
    if (!check_file(c, form.file) || !check_fields(c, &form))
        return;
    enum hearing verdict = hear(c->arena, form.file->bytes, &heard);
    if (verdict == HEARD_TOO_LONG) {
        refused(c, "file", "Nobody listens for more than an hour here.");
        return;
    }
    if (verdict != HEARD) {
        refused(c, "file", "Audio file might be corrupted or unsupported");
        return;
    }
    write_down(c, &form, heard.length_ms);
    if (heard.length_ms < LEAST_MS) {
        openai_refuse(c, 400, "file", "audio_too_short",
                      "Audio file is too short. Minimum audio length is 0.1 seconds.");
        return;
    }
    if (!gives_times(c) && heard.length_ms > LONGEST_MS) {
        openai_refuse(c, 400, "file", "invalid_value",
                      "audio duration %.1f seconds is longer than 1500 seconds which is the "
                      "maximum for this model",
                      (double)heard.length_ms / 1000);
        return;
    }
    c->heard_ms = heard.length_ms;
    speak(c, &form, &heard);
}
