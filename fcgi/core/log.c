#include "core/log.h"

#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/loop.h"

/* A pipe takes this much in one piece (PIPE_BUF), so lines of several processes never mix. */
enum { LINE_BYTES = 4096, VALUE_BYTES = 1024, FIELDS_BYTES = 512 };

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

static enum log_level least_level = LOG_INFO;

void log_set_level(str name)
{
    least_level = LOG_INFO;
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (str_eq_nocase(name, str_from(level_names[i])))
            least_level = (enum log_level)i;
}

/* A line in the making, on the stack: logging must work when memory is gone.
 * What no longer fits is left out, whole fields at a time. */
struct line {
    char *ptr;
    size_t len, capacity;
    bool is_full;
};

static void put(struct line *l, str s)
{
    if (l->is_full || s.len > l->capacity - l->len) {
        l->is_full = true;
        return;
    }
    if (s.len)
        memcpy(l->ptr + l->len, s.ptr, s.len);
    l->len += s.len;
}

static bool is_plain(str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return s.len > 0;
}

static bool is_control(str sequence)
{
    unsigned char first = (unsigned char)sequence.ptr[0];
    if (sequence.len == 1)
        return first < ' ' || first == 0x7F;
    /* U+0080 to U+009F steer terminals just as the first 32 do. */
    return sequence.len == 2 && first == 0xC2 && (unsigned char)sequence.ptr[1] < 0xA0;
}

/* The character at the start of s as it stands between quotes, made in scratch
 * where need be; *length is how much of s it took. */
static str escape_first(str s, char scratch[8], size_t *length)
{
    size_t valid = str_utf8_at(s, 0);
    *length = valid ? valid : 1;
    switch (s.ptr[0]) {
    case '"':
        return S("\\\"");
    case '\\':
        return S("\\\\");
    case '\n':
        return S("\\n");
    case '\r':
        return S("\\r");
    case '\t':
        return S("\\t");
    default:
        break;
    }
    str character = str_sub(s, 0, *length);
    if (valid && !is_control(character))
        return character;
    unsigned char telling = (unsigned char)s.ptr[*length - 1];
    return (str){scratch, (size_t)snprintf(scratch, 8, "\\x%02x", telling)};
}

static void put_quoted(struct line *l, str s)
{
    size_t end = l->len + VALUE_BYTES;
    put(l, S("\""));
    while (s.len) {
        char scratch[8];
        size_t length;
        str escaped = escape_first(s, scratch, &length);
        if (l->len + escaped.len > end) {
            put(l, S("…"));
            break;
        }
        put(l, escaped);
        s = str_sub(s, length, s.len);
    }
    put(l, S("\""));
}

static void put_text(struct line *l, str s)
{
    if (s.len <= VALUE_BYTES && is_plain(s))
        put(l, s);
    else
        put_quoted(l, s);
}

static void put_value(struct line *l, struct val value)
{
    char digits[32];
    switch (value.type) {
    case VAL_NULL:
        put(l, S("null"));
        break;
    case VAL_BOOL:
        put(l, value.boolean ? S("true") : S("false"));
        break;
    case VAL_INT:
        put(l, str_of_i64(digits, value.integer));
        break;
    case VAL_DOUBLE:
        put(l, (str){digits, (size_t)snprintf(digits, sizeof digits, "%g", value.number)});
        break;
    case VAL_STR:
    case VAL_JSON:
        put_text(l, value.string);
        break;
    }
}

static void put_fields(struct line *l, const struct kv *fields)
{
    for (; fields && fields->name && !l->is_full; fields++) {
        size_t whole = l->len;
        put(l, S(" "));
        put(l, str_from(fields->name));
        put(l, S("="));
        put_value(l, fields->value);
        if (l->is_full)
            l->len = whole;
    }
}

/* journald keeps a time of its own; anywhere else the line has to tell it. */
static void put_time(struct line *l)
{
    static int has_journal = -1;
    if (has_journal < 0)
        has_journal = getenv("JOURNAL_STREAM") != NULL;
    if (has_journal)
        return;

    int64_t now = clock_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char text[40];
    size_t length = strftime(text, sizeof text, "t=%Y-%m-%dT%H:%M:%S", &utc);
    put(l, (str){text, length});
    length = (size_t)snprintf(text, sizeof text, ".%03dZ ", (int)(now % 1000));
    put(l, (str){text, length});
}

void log_write(enum log_level level, const char *event, const struct kv *fields)
{
    if (level < least_level)
        return;
    int kept_errno = errno;
    char text[LINE_BYTES];
    struct line l = {.ptr = text, .capacity = sizeof text - 1}; /* one for the newline */

    put_time(&l);
    put(&l, S("level="));
    put(&l, str_from(level_names[level]));
    put(&l, S(" event="));
    put(&l, str_from(event));
    put(&l, task_log_fields());
    put_fields(&l, fields);

    text[l.len++] = '\n';
    ssize_t written;
    do {
        written = write(STDERR_FILENO, text, l.len);
    } while (written < 0 && errno == EINTR);
    errno = kept_errno;
}

/* The error's own fields come first and share the line with the caller's. */
void log_err(const char *event, const err *e, const struct kv *fields)
{
    enum { MOST_FIELDS = 32 };
    struct kv all[MOST_FIELDS + 1] = {0};
    size_t count = 0;

    all[count++] = KV("kind", err_kind_name(e->kind));
    if (e->code)
        all[count++] = KV("code", e->code);
    all[count++] = KV("message", e->message);
    if (e->detail.len)
        all[count++] = KV("detail", e->detail);
    for (; fields && fields->name && count < MOST_FIELDS; fields++)
        all[count++] = *fields;
    log_write(LOG_ERROR, event, all);
}

str log_fields(struct arena *a, const struct kv *fields)
{
    char text[FIELDS_BYTES];
    struct line l = {.ptr = text, .capacity = sizeof text};
    put_fields(&l, fields);
    return str_dup(a, (str){text, l.len});
}
