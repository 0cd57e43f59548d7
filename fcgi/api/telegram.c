#include "api/telegram.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/linkhash.h>

enum {
    CALL_TIMEOUT_MS = 15 * 1000,
    UPLOAD_TIMEOUT_MS = 120 * 1000,
    DOWNLOAD_TIMEOUT_MS = 120 * 1000,
    POLL_GRACE_MS = 10 * 1000, /* beyond what Telegram was asked to hold the call */
    ANSWER_MAX_BYTES = 1 << 20,
    UPDATES_MAX_BYTES = 8 << 20,
    RETRY_DEFAULT_MS = 1000, /* a 429 that does not say how long */
    TOO_MANY_REQUESTS = 429,
    NAME_MAX_POINTS = 64, /* Telegram's own limit; a message that greets has room for no more */
};

/* -- updates -- */

static void read_sender(struct json_object *from, struct update *out)
{
    json_i64(from, "id", &out->user_id);
    out->first_name = json_str(from, "first_name");
    out->last_name = json_str(from, "last_name");
    out->username = json_str(from, "username");
    out->language_code = json_str(from, "language_code");
    json_boolean(from, "is_premium", &out->is_premium);
    json_boolean(from, "is_bot", &out->is_bot);
}

static bool read_chat(struct json_object *chat, struct update *out)
{
    out->is_private = str_eq(json_str(chat, "type"), S("private"));
    return json_i64(chat, "id", &out->chat_id);
}

static int small_number(struct json_object *object, const char *name)
{
    int64_t number = 0;
    bool fits = json_i64(object, name, &number) && number >= 0 && number <= INT32_MAX;
    return fits ? (int)number : 0;
}

/* One picture comes in several sizes; only the largest is of use. */
static struct json_object *largest_size(struct json_object *sizes)
{
    struct json_object *largest = NULL;
    int64_t most = -1;
    for (size_t i = 0; i < json_length(sizes); i++) {
        struct json_object *size = json_item(sizes, i);
        int64_t area = (int64_t)small_number(size, "width") * small_number(size, "height");
        if (area > most) {
            most = area;
            largest = size;
        }
    }
    return largest;
}

static void read_file(struct json_object *file, enum media_kind media, struct update *out)
{
    out->media = media;
    out->file_id = json_str(file, "file_id");
    out->file_unique_id = json_str(file, "file_unique_id");
    out->file_name = json_str(file, "file_name");
    out->mime_type = json_str(file, "mime_type");
    json_i64(file, "file_size", &out->file_size_bytes);
    json_i64(file, "duration", &out->duration_seconds);
    out->width = small_number(file, "width");
    out->height = small_number(file, "height");
}

static const struct {
    const char *name;
    enum media_kind media;
} file_fields[] = {
  /* An animation carries a document too, and is no picture all the same: it stands first. */
    {"animation",  MEDIA_OTHER     },
    {"document",   MEDIA_DOCUMENT  },
    {"voice",      MEDIA_VOICE     },
    {"audio",      MEDIA_AUDIO     },
    {"video",      MEDIA_VIDEO     },
    {"video_note", MEDIA_VIDEO_NOTE},
};

/* What people send that is neither words nor a file we could use. */
static const char *const other_fields[] = {
    "sticker", "location",   "venue",     "contact", "poll",     "dice",        "game",
    "story",   "paid_media", "checklist", "invoice", "giveaway", "web_app_data"};

static void read_media(struct json_object *message, struct update *out)
{
    struct json_object *photo = largest_size(json_at(message, "photo"));
    if (photo) {
        read_file(photo, MEDIA_PHOTO, out);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(file_fields); i++) {
        struct json_object *file = json_at(message, file_fields[i].name);
        if (file) {
            read_file(file, file_fields[i].media, out);
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(other_fields); i++)
        if (json_has(message, other_fields[i]))
            out->media = MEDIA_OTHER;
}

static err *lacks(struct arena *a, const char *kind, const char *what)
{
    return fail(a, ERR_INPUT, "telegram: %s without %s", kind, what);
}

static void read_invoice(struct json_object *about, struct update *out)
{
    out->currency = json_str(about, "currency");
    out->invoice_payload = json_str(about, "invoice_payload");
    out->charge_id = json_str(about, "telegram_payment_charge_id");
    json_i64(about, "total_amount", &out->total_amount);
}

/* What Telegram itself says in a private chat about money: the person is whose chat it is. */
static err *read_payment(struct arena *a, struct json_object *message, struct update *out)
{
    struct json_object *refund = json_at(message, "refunded_payment");
    read_invoice(refund ? refund : json_at(message, "successful_payment"), out);
    if (str_empty(out->charge_id) || !out->is_private)
        return lacks(a, "payment", "charge or private chat");
    out->user_id = out->chat_id;
    out->is_bot = false;
    out->kind = refund ? UPDATE_REFUND : UPDATE_PAYMENT;
    return NULL;
}

/* A message that is about the chat itself (a pinned message, a new title) is nothing to answer. */
static err *read_message(struct arena *a, struct json_object *message, struct update *out)
{
    if (!read_chat(json_at(message, "chat"), out))
        return lacks(a, "message", "chat");
    if (!json_i64(message, "message_id", &out->message_id))
        return lacks(a, "message", "message_id");
    read_sender(json_at(message, "from"), out);
    if (json_has(message, "successful_payment") || json_has(message, "refunded_payment"))
        return read_payment(a, message, out);
    out->text = json_has(message, "text") ? json_str(message, "text")
                                          : json_str(message, "caption");
    out->media_group_id = json_str(message, "media_group_id");
    read_media(message, out);
    bool has_content = out->media != MEDIA_NONE || json_has(message, "text");
    out->kind = has_content && out->user_id ? UPDATE_MESSAGE : UPDATE_OTHER;
    return NULL;
}

/* Telegram hides what is too old: such a message has the date 0 and cannot be edited. */
static void read_tapped(struct json_object *message, struct update *out)
{
    int64_t date = 0;
    if (!json_i64(message, "date", &date) || date == 0)
        return;
    struct update tapped = {.media = MEDIA_NONE};
    read_media(message, &tapped);
    out->message_has_media = tapped.media != MEDIA_NONE;
    json_i64(message, "message_id", &out->message_id);
}

static err *read_tap(struct arena *a, struct json_object *query, struct update *out)
{
    read_sender(json_at(query, "from"), out);
    out->query_id = json_str(query, "id");
    if (!out->user_id || str_empty(out->query_id))
        return lacks(a, "callback_query", "id or sender");
    out->tap = json_str(query, "data");
    struct json_object *message = json_at(query, "message");
    /* Under a message sent through another chat there is none: its sender is all we know. */
    if (!read_chat(json_at(message, "chat"), out)) {
        out->chat_id = out->user_id;
        out->is_private = true;
    }
    read_tapped(message, out);
    out->kind = UPDATE_TAP;
    return NULL;
}

static err *read_pre_checkout(struct arena *a, struct json_object *query, struct update *out)
{
    read_sender(json_at(query, "from"), out);
    out->query_id = json_str(query, "id");
    if (!out->user_id || str_empty(out->query_id))
        return lacks(a, "pre_checkout_query", "id or sender");
    read_invoice(query, out);
    out->chat_id = out->user_id;
    out->is_private = true;
    out->kind = UPDATE_PRE_CHECKOUT;
    return NULL;
}

static err *read_member(struct arena *a, struct json_object *change, struct update *out)
{
    if (!read_chat(json_at(change, "chat"), out))
        return lacks(a, "my_chat_member", "chat");
    read_sender(json_at(change, "from"), out);
    out->member_status = json_str(json_at(change, "new_chat_member"), "status");
    if (str_empty(out->member_status))
        return lacks(a, "my_chat_member", "status");
    out->kind = UPDATE_MEMBER;
    return NULL;
}

static const struct {
    const char *name;
    err *(*read)(struct arena *a, struct json_object *object, struct update *out);
} kinds[] = {
    {"message",            read_message     },
    {"callback_query",     read_tap         },
    {"pre_checkout_query", read_pre_checkout},
    {"my_chat_member",     read_member      },
};

/* A copy. U+0000 is a character of JSON, and of no text that a database or a person reads. */
static str without_nul(struct arena *a, str text)
{
    if (!text.len || !memchr(text.ptr, '\0', text.len))
        return str_dup(a, text);
    struct buf b = buf_new(a);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i])
            buf_add_char(&b, text.ptr[i]);
    return buf_str(&b);
}

/* The tree is large and may go as soon as the update has been read. */
static void keep_texts(struct arena *a, struct update *update)
{
    str *const texts[] = {
        &update->first_name,     &update->last_name,      &update->username,
        &update->language_code,  &update->text,           &update->tap,
        &update->query_id,       &update->member_status,  &update->file_id,
        &update->file_name,      &update->file_unique_id, &update->mime_type,
        &update->media_group_id, &update->currency,       &update->invoice_payload,
        &update->charge_id,
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = without_nul(a, *texts[i]);
    update->first_name = str_clip_points(a, update->first_name, NAME_MAX_POINTS);
    update->last_name = str_clip_points(a, update->last_name, NAME_MAX_POINTS);
}

err *telegram_read_update(struct arena *a, struct json_object *body, struct update *out)
{
    struct update update = {.kind = UPDATE_OTHER};
    if (!json_i64(body, "update_id", &update.id))
        return fail(a, ERR_INPUT, "telegram: an update without update_id");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct json_object *object = json_at(body, kinds[i].name);
        if (!object)
            continue;
        // cppcheck-suppress returnDanglingLifetime; it takes the call for a list of values
        TRY(kinds[i].read(a, object, &update));
        break;
    }
    keep_texts(a, &update);
    *out = update;
    return NULL;
}

/* -- calls -- */

int64_t telegram_bot_id(str token)
{
    str digits, secret;
    int64_t id = 0;
    if (!str_cut(token, ':', &digits, &secret) || !str_to_i64(digits, &id) || id < 0)
        return 0;
    return id;
}

/* How one call goes out: a plain one, an upload, or one that is meant to hang. */
struct trip {
    str method, params;
    const struct telegram_file *files;
    int64_t timeout_ms;
    size_t max_bytes;
};

static size_t count_files(const struct telegram_file *files)
{
    size_t count = 0;
    while (files && !str_empty(files[count].field))
        count++;
    return count;
}

static str part_text(struct arena *a, struct json_object *value)
{
    return json_object_is_type(value, json_type_string) ? json_value_str(value)
                                                        : json_text(a, value);
}

/* Nested values travel as JSON text in a form; files follow the fields. */
static err *make_parts(struct arena *a, const struct trip *trip, const struct http_part **out)
{
    struct json_object *params;
    TRY(json_parse(a, trip->params, &params));
    size_t file_count = count_files(trip->files), n = 0;
    size_t field_count = (size_t)json_object_object_length(params);
    struct http_part *parts = NEW_ARRAY(a, struct http_part, field_count + file_count + 1);
    json_object_object_foreach(params, name, value)
    {
        if (value)
            parts[n++] = (struct http_part){.name = str_from(name), .data = part_text(a, value)};
    }
    for (size_t i = 0; i < file_count; i++)
        parts[n++] = (struct http_part){
            .name = trip->files[i].field,
            .file_name = trip->files[i].file_name,
            .content_type = trip->files[i].content_type,
            .data = trip->files[i].bytes,
        };
    *out = parts;
    return NULL;
}

static int64_t retry_after_ms(const struct http_response *response, struct json_object *answer)
{
    int64_t seconds = 0;
    if (json_i64(json_at(answer, "parameters"), "retry_after", &seconds) ||
        str_to_i64(http_header(response, S("Retry-After")), &seconds))
        return seconds > 0 ? seconds * 1000 : RETRY_DEFAULT_MS;
    return RETRY_DEFAULT_MS;
}

/* A proxy in between answers with a page of its own: then the status is all there is. */
static err *refusal(struct arena *a, const struct trip *trip, const struct http_response *response,
                    struct json_object *answer)
{
    int64_t code = response->status;
    json_i64(answer, "error_code", &code);
    bool is_busy = code == TOO_MANY_REQUESTS || code >= 500;
    err *e = fail_with(a, is_busy ? ERR_BUSY : ERR_UPSTREAM, (int)code,
                       json_str(answer, "description"), "telegram: " STR_FMT " refused",
                       STR_ARG(trip->method));
    if (code == TOO_MANY_REQUESTS)
        e->retry_ms = retry_after_ms(response, answer);
    return e;
}

static err *judge(struct arena *a, const struct trip *trip, const struct http_response *response,
                  struct json_object **result)
{
    struct json_object *answer = NULL;
    err *unreadable = json_parse(a, response->body, &answer);
    bool is_ok = false;
    if (!unreadable && json_boolean(answer, "ok", &is_ok) && is_ok) {
        if (result)
            *result = json_at(answer, "result");
        return NULL;
    }
    bool is_success = response->status >= 200 && response->status < 300;
    if (is_success && !json_has(answer, "error_code"))
        return fail(a, ERR_UNKNOWN, "telegram: " STR_FMT ": an answer that cannot be read",
                    STR_ARG(trip->method));
    return refusal(a, trip, response, unreadable ? NULL : answer);
}

static err *make_trip(struct arena *a, const struct telegram *telegram, const struct trip *trip,
                      struct json_object **result)
{
    static const struct http_header json_headers[] = {
        {S("Content-Type"), S("application/json")},
        {S(""),             S("")                }
    };
    struct http_request request = {
        .party = "telegram",
        .purpose = trip->method,
        .method = S("POST"),
        .url = str_printf(a, STR_FMT "/bot" STR_FMT "/" STR_FMT, STR_ARG(telegram->api_url),
                          STR_ARG(telegram->token), STR_ARG(trip->method)),
        .timeout_ms = trip->timeout_ms,
        .max_bytes = trip->max_bytes,
    };
    if (count_files(trip->files) > 0) {
        TRY(make_parts(a, trip, &request.parts));
    } else {
        request.headers = json_headers;
        request.body = str_empty(trip->params) ? S("{}") : trip->params;
    }
    struct http_response response;
    TRY(http_fetch(a, &request, &response));
    return judge(a, trip, &response, result);
}

err *telegram_call(struct arena *a, const struct telegram *telegram, str method, str params,
                   const struct telegram_file *files, struct json_object **result)
{
    const struct trip trip = {
        .method = method,
        .params = params,
        .files = files,
        .timeout_ms = count_files(files) > 0 ? UPLOAD_TIMEOUT_MS : CALL_TIMEOUT_MS,
        .max_bytes = ANSWER_MAX_BYTES,
    };
    return make_trip(a, telegram, &trip, result);
}

err *telegram_get_updates(struct arena *a, const struct telegram *telegram, int64_t offset,
                          int timeout_s, str allowed_updates, struct json_object **updates)
{
    const struct trip trip = {
        .method = S("getUpdates"),
        .params = json_make(a, KV("offset", offset), KV("timeout", timeout_s),
                            KV("allowed_updates", JSON(allowed_updates))),
        .timeout_ms = (int64_t)timeout_s * 1000 + POLL_GRACE_MS,
        .max_bytes = UPDATES_MAX_BYTES,
    };
    return make_trip(a, telegram, &trip, updates);
}

/* Into the arena, or into the file. */
static err *download(struct arena *a, const struct telegram *telegram, str file_path,
                     size_t max_bytes, const int *file, str *bytes)
{
    const struct http_request request = {
        .party = "telegram",
        .purpose = S("download"),
        .url = str_printf(a, STR_FMT "/file/bot" STR_FMT "/" STR_FMT, STR_ARG(telegram->api_url),
                          STR_ARG(telegram->token), STR_ARG(str_percent(a, file_path, true))),
        .timeout_ms = DOWNLOAD_TIMEOUT_MS,
        .max_bytes = max_bytes,
        .file = file,
    };
    struct http_response response;
    TRY(http_fetch(a, &request, &response));
    if (response.status == 200) {
        *bytes = response.body;
        return NULL;
    }
    enum err_kind kind = response.status == 404 ? ERR_NOT_FOUND
                         : response.status == TOO_MANY_REQUESTS || response.status >= 500
                             ? ERR_BUSY
                             : ERR_UPSTREAM;
    err *e = fail_with(a, kind, response.status, S(""), "telegram: a file was not handed out");
    if (response.status == TOO_MANY_REQUESTS)
        e->retry_ms = retry_after_ms(&response, NULL);
    return e;
}

static void close_file(void *file)
{
    close(*(int *)file);
}

static void own_file(struct arena *a, int fd)
{
    int *owned = NEW(a, int);
    *owned = fd;
    arena_defer(a, close_file, owned);
}

/* Its name is gone before anything is in it: whatever happens, nothing stays behind. */
static err *make_file(struct arena *a, int *file)
{
    const char *folder = getenv("TMPDIR");
    str path = str_printf(a, "%s/aisha-XXXXXX", folder && *folder ? folder : "/tmp");
    char *name = NEW_ARRAY(a, char, path.len + 1);
    memcpy(name, path.ptr, path.len);
    *file = mkostemp(name, O_CLOEXEC);
    if (*file < 0)
        return fail(a, ERR_INTERNAL, "a file of our own: %s", strerror(errno));
    own_file(a, *file);
    unlink(name);
    return NULL;
}

/* What the server names has to lie in its folder, whatever links stand on the way. */
static err *open_local(struct arena *a, str folder, str path, size_t max_bytes, int *file)
{
    struct stat about;
    char *real = realpath(cstr(a, path), NULL);
    char *root = str_empty(folder) ? NULL : realpath(cstr(a, folder), NULL);
    bool is_inside = real && root && str_starts(str_from(real), str_from(root)) &&
                     real[strlen(root)] == '/';
    *file = is_inside ? open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    free(real);
    free(root);
    if (*file < 0)
        return fail(a, ERR_UPSTREAM, "telegram: a file of its own cannot be opened");
    own_file(a, *file);
    if (fstat(*file, &about) || !S_ISREG(about.st_mode))
        return fail(a, ERR_UPSTREAM, "telegram: its file is none");
    if ((uint64_t)about.st_size > max_bytes)
        return fail(a, ERR_INPUT, "telegram: a file of %jd bytes is too large",
                    (intmax_t)about.st_size);
    return NULL;
}

static err *read_local(struct arena *a, int file, str *bytes)
{
    struct stat about;
    if (fstat(file, &about))
        return fail(a, ERR_UPSTREAM, "telegram: its file cannot be looked at");
    size_t size = (size_t)about.st_size, count = 0;
    char *content = NEW_ARRAY(a, char, size + 1);
    while (count < size) {
        ssize_t got = pread(file, content + count, size - count, (off_t)count);
        if (got <= 0)
            return fail(a, ERR_UPSTREAM, "telegram: its file cannot be read");
        count += (size_t)got;
    }
    *bytes = (str){content, size};
    return NULL;
}

err *telegram_download(struct arena *a, const struct telegram *telegram, str file_path,
                       size_t max_bytes, str *bytes)
{
    int file;
    if (!str_starts(file_path, S("/")))
        return download(a, telegram, file_path, max_bytes, NULL, bytes);
    TRY(open_local(a, telegram->files_dir, file_path, max_bytes, &file));
    return read_local(a, file, bytes);
}

err *telegram_open(struct arena *a, const struct telegram *telegram, str file_path,
                   size_t max_bytes, int *file)
{
    str nothing;
    if (str_starts(file_path, S("/")))
        return open_local(a, telegram->files_dir, file_path, max_bytes, file);
    TRY(make_file(a, file));
    return download(a, telegram, file_path, max_bytes, file, &nothing);
}

/* -- what a refusal means: the API tells it in words alone -- */

static bool says(const err *e, const char *const *phrases)
{
    if (!e)
        return false;
    for (; *phrases; phrases++) {
        size_t len = strlen(*phrases);
        for (size_t at = 0; at + len <= e->detail.len; at++)
            if (str_eq_nocase(str_sub(e->detail, at, len), str_from(*phrases)))
                return true;
    }
    return false;
}

bool telegram_is_not_modified(const err *e)
{
    static const char *const phrases[] = {"message is not modified", NULL};
    return says(e, phrases);
}

bool telegram_is_target_gone(const err *e)
{
    static const char *const phrases[] = {
        "message to edit not found",
        "message can't be edited",
        "there is no text in the message to edit",
        "there is no caption in the message to edit",
        "there is no media in the message to edit",
        "message to delete not found",
        "message can't be deleted",
        "message identifier is not specified",
        "MESSAGE_ID_INVALID",
        NULL,
    };
    return says(e, phrases);
}

bool telegram_is_chat_gone(const err *e)
{
    static const char *const phrases[] = {
        "bot was blocked by the user",
        "user is deactivated",
        "bot was kicked",
        "bot is not a member",
        "bot can't initiate conversation",
        "chat not found",
        "PEER_ID_INVALID",
        "group chat was deleted",
        NULL,
    };
    return e && (e->code == 400 || e->code == 403) && says(e, phrases);
}

bool telegram_is_query_old(const err *e)
{
    static const char *const phrases[] = {"query is too old", "query ID is invalid", NULL};
    return says(e, phrases);
}

bool telegram_is_file_gone(const err *e)
{
    static const char *const phrases[] = {"wrong file_id",
                                          "wrong file identifier",
                                          "wrong remote file identifier",
                                          "file is temporarily unavailable",
                                          "FILE_REFERENCE_",
                                          NULL};
    return says(e, phrases);
}

bool telegram_is_refunded(const err *e)
{
    static const char *const phrases[] = {"CHARGE_ALREADY_REFUNDED", NULL};
    return says(e, phrases);
}

/* -- an edit as a new message -- */

static void close_object(void *object)
{
    json_object_put(object);
}

static struct json_object *object_new(struct arena *a)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        abort();
    arena_defer(a, close_object, object);
    return object;
}

static void copy_members(struct json_object *to, struct json_object *from,
                         const char *const *left_out)
{
    json_object_object_foreach(from, name, value)
    {
        bool is_wanted = true;
        for (const char *const *one = left_out; *one; one++)
            if (strcmp(*one, name) == 0)
                is_wanted = false;
        if (is_wanted)
            json_object_object_add(to, name, json_object_get(value));
    }
}

/* What stands inside `media` of an edit stands beside the chat of a new message. */
static bool flatten_media(struct arena *a, struct json_object *edit, str *method,
                          struct json_object *made)
{
    static const char *const left_out[] = {"message_id", "inline_message_id", "media", NULL};
    static const char *const told_by_method[] = {"type", "media", NULL};
    struct json_object *media = json_at(edit, "media");
    str type = json_str(media, "type");
    bool is_photo = str_eq(type, S("photo"));
    if (!is_photo && !str_eq(type, S("document")))
        return false;
    *method = is_photo ? S("sendPhoto") : S("sendDocument");
    copy_members(made, edit, left_out);
    json_object_object_add(made, cstr(a, type), json_object_get(json_at(media, "media")));
    copy_members(made, media, told_by_method);
    return true;
}

bool telegram_as_new_message(struct arena *a, str method, str params, str *new_method,
                             str *new_params)
{
    static const char *const left_out[] = {"message_id", "inline_message_id", NULL};
    struct json_object *edit;
    if (json_parse(a, params, &edit))
        return false;
    struct json_object *made = object_new(a);
    if (str_eq(method, S("editMessageText"))) {
        *new_method = S("sendMessage");
        copy_members(made, edit, left_out);
    } else if (!str_eq(method, S("editMessageMedia")) ||
               !flatten_media(a, edit, new_method, made)) {
        return false;
    }
    *new_params = json_text(a, made);
    return true;
}
