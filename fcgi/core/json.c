#include "core/json.h"

#include <json-c/json_tokener.h>
#include <json-c/linkhash.h>
#include <limits.h>
#include <math.h>

enum { MOST_LEVELS = 32 };

/* -- reading -- */

static bool is_digit_at(str text, size_t at)
{
    return at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9';
}

static bool is_exponent_sign(str text, size_t at)
{
    return at > 0 && (text.ptr[at - 1] == 'e' || text.ptr[at - 1] == 'E');
}

static bool begins_number(str text, size_t at)
{
    static const char inside[] = {'.', 'e', 'E', '+'};
    if (at > 0 && text.ptr[at - 1] == '-')
        return !is_exponent_sign(text, at - 1);
    return at == 0 ||
           !(is_digit_at(text, at - 1) || memchr(inside, text.ptr[at - 1], sizeof inside));
}

/* A sign has a digit behind it, a point has one on both sides, and no number
 * begins with a needless zero. What json-c checks itself is left to it. */
static bool is_number_mark_right(str text, size_t at)
{
    switch (text.ptr[at]) {
    case '-':
        return is_digit_at(text, at + 1);
    case '.':
        return at > 0 && is_digit_at(text, at - 1) && is_digit_at(text, at + 1);
    case '0':
        return !(is_digit_at(text, at + 1) && begins_number(text, at));
    default:
        return true;
    }
}

/* What json-c lets pass even when it is strict: single quotes, NaN, Infinity,
 * "2.", "-.5" and "00", surrogates in UTF-8, raw control characters, odd white
 * space, names that come twice. One look at the bytes finds all but the last;
 * for that the members are counted, each of which has one colon outside of
 * the strings. */
static bool scan(str text, size_t *members, const char **wrong)
{
    static const bool is_outside[256] = {
        [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, ['{'] = true, ['}'] = true,
        ['['] = true, [']'] = true,  [','] = true,  [':'] = true,  ['+'] = true, ['-'] = true,
        ['.'] = true, ['0'] = true,  ['1'] = true,  ['2'] = true,  ['3'] = true, ['4'] = true,
        ['5'] = true, ['6'] = true,  ['7'] = true,  ['8'] = true,  ['9'] = true, ['e'] = true,
        ['E'] = true, ['t'] = true,  ['r'] = true,  ['u'] = true,  ['f'] = true, ['a'] = true,
        ['l'] = true, ['s'] = true,  ['n'] = true,  ['"'] = true,
    };
    static const bool is_plain_inside[256] = {
        [' ' ... '!'] = true,
        ['#' ... '['] = true,
        [']' ... 0x7F] = true,
    };
    bool is_inside = false;
    *members = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (is_inside && is_plain_inside[byte])
            continue;
        if (byte == '"') {
            is_inside = !is_inside;
        } else if (is_inside && byte == '\\') {
            i++;
        } else if (is_inside) {
            size_t length = str_utf8_at(text, i);
            if (!length || byte < ' ') {
                *wrong = length ? "raw control character in a string" : "invalid utf-8";
                return false;
            }
            i += length - 1;
        } else {
            if (!is_outside[byte] || !is_number_mark_right(text, i)) {
                *wrong = "unexpected character";
                return false;
            }
            *members += byte == ':';
        }
    }
    return true;
}

static size_t count_members(struct json_object *value)
{
    size_t members = 0;
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, name, member)
        {
            (void)name;
            members += 1 + count_members(member);
        }
    } else if (json_object_is_type(value, json_type_array)) {
        size_t length = json_object_array_length(value);
        for (size_t i = 0; i < length; i++)
            members += count_members(json_object_array_get_idx(value, i));
    }
    return members;
}

static void close_tree(void *tree)
{
    json_object_put(tree);
}

/* One for the process; it is reset before each use. */
static struct json_tokener *tokener(void)
{
    static struct json_tokener *kept;
    if (!kept) {
        kept = json_tokener_new_ex(MOST_LEVELS);
        if (!kept)
            abort();
        json_tokener_set_flags(kept, JSON_TOKENER_STRICT);
    }
    json_tokener_reset(kept);
    return kept;
}

/* A number or null at the top has no end of its own: the zero byte that
 * follows the text tells json-c that it is complete. */
static enum json_tokener_error read_tree(str text, struct json_object **out)
{
    struct json_tokener *t = tokener();
    *out = json_tokener_parse_ex(t, text.ptr, (int)text.len);
    if (json_tokener_get_error(t) == json_tokener_continue)
        *out = json_tokener_parse_ex(t, "", 1);
    enum json_tokener_error error = json_tokener_get_error(t);
    json_tokener_reset(t);
    return error;
}

err *json_parse(struct arena *a, str text, struct json_object **out)
{
    size_t members;
    const char *wrong;
    if (!text.len)
        return fail(a, ERR_INPUT, "json: empty");
    if (text.len >= INT_MAX)
        return fail(a, ERR_INPUT, "json: too long");
    if (!scan(text, &members, &wrong))
        return fail(a, ERR_INPUT, "json: %s", wrong);

    struct json_object *tree;
    enum json_tokener_error error = read_tree(text, &tree);
    if (error != json_tokener_success) {
        json_object_put(tree);
        return fail(a, ERR_INPUT, "json: %s", json_tokener_error_desc(error));
    }
    arena_defer(a, close_tree, tree);
    if (count_members(tree) != members)
        return fail(a, ERR_INPUT, "json: a name comes twice");
    *out = tree;
    return NULL;
}

/* The code unit of the escape that stands here, -1 where none does. */
static int escaped_unit(str text, size_t at)
{
    enum { ESCAPE_BYTES = 6 }; /* \u0041 */
    if (at + ESCAPE_BYTES > text.len || text.ptr[at] != '\\' || text.ptr[at + 1] != 'u')
        return -1;
    int unit = 0;
    for (size_t i = at + 2; i < at + ESCAPE_BYTES; i++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, text.ptr[i] | ' ');
        if (!digit || !*digit)
            return -1;
        unit = unit * 16 + (int)(digit - digits);
    }
    return unit;
}

static bool is_first_half(int unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_second_half(int unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* An escape is replaced by one of the same length, so that nothing moves. */
str json_mended(struct arena *a, str text)
{
    static const str replacement = {"\\ufffd", 6};
    char *mended = NULL;
    size_t at = 0;
    const char *slash;
    while (at < text.len && (slash = memchr(text.ptr + at, '\\', text.len - at))) {
        at = (size_t)(slash - text.ptr);
        int unit = escaped_unit(text, at);
        bool is_pair = is_first_half(unit) &&
                       is_second_half(escaped_unit(text, at + replacement.len));
        if (!is_pair && (unit == 0 || is_first_half(unit) || is_second_half(unit))) {
            if (!mended)
                mended = memcpy(NEW_ARRAY(a, char, text.len + 1), text.ptr, text.len);
            memcpy(mended + at, replacement.ptr, replacement.len);
        }
        at += is_pair ? 2 * replacement.len : unit >= 0 ? replacement.len : 2;
    }
    return mended ? (str){mended, text.len} : text;
}

/* -- getters -- */

struct json_object *json_at(struct json_object *object, const char *name)
{
    struct json_object *member = NULL;
    if (json_object_is_type(object, json_type_object))
        json_object_object_get_ex(object, name, &member);
    return member;
}

struct json_object *json_item(struct json_object *array, size_t index)
{
    return index < json_length(array) ? json_object_array_get_idx(array, index) : NULL;
}

size_t json_length(struct json_object *array)
{
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

bool json_has(struct json_object *object, const char *name)
{
    return json_at(object, name) != NULL;
}

/* json-c turns what is too large or too small into the nearest number it can
 * hold. Above, the unsigned reading tells the two apart; below, nothing does,
 * so the least number itself is refused. */
bool json_value_i64(struct json_object *value, int64_t *out)
{
    if (!json_object_is_type(value, json_type_int))
        return false;
    int64_t number = json_object_get_int64(value);
    if (number == INT64_MIN)
        return false;
    if (number == INT64_MAX && json_object_get_uint64(value) != INT64_MAX)
        return false;
    *out = number;
    return true;
}

bool json_i64(struct json_object *object, const char *name, int64_t *out)
{
    return json_value_i64(json_at(object, name), out);
}

bool json_boolean(struct json_object *object, const char *name, bool *out)
{
    struct json_object *member = json_at(object, name);
    if (!json_object_is_type(member, json_type_boolean))
        return false;
    *out = json_object_get_boolean(member);
    return true;
}

bool json_double(struct json_object *object, const char *name, double *out)
{
    struct json_object *member = json_at(object, name);
    if (!json_object_is_type(member, json_type_double) &&
        !json_object_is_type(member, json_type_int))
        return false;
    double number = json_object_get_double(member);
    if (!isfinite(number))
        return false;
    *out = number;
    return true;
}

str json_value_str(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string))
        return (str){0};
    return (str){json_object_get_string(value), (size_t)json_object_get_string_len(value)};
}

str json_str(struct json_object *object, const char *name)
{
    return json_value_str(json_at(object, name));
}

str json_text(struct arena *a, struct json_object *value)
{
    if (!value)
        return S("null");
    size_t length;
    const char *text = json_object_to_json_string_length(
        value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
    return str_dup(a, (str){text, length});
}

/* -- writing -- */

static void put_escaped(struct buf *b, char c)
{
    switch (c) {
    case '"':
        buf_add(b, S("\\\""));
        break;
    case '\\':
        buf_add(b, S("\\\\"));
        break;
    case '\n':
        buf_add(b, S("\\n"));
        break;
    case '\r':
        buf_add(b, S("\\r"));
        break;
    case '\t':
        buf_add(b, S("\\t"));
        break;
    default:
        buf_addf(b, "\\u%04x", (unsigned char)c);
        break;
    }
}

/* Most bytes are these, and stand for themselves. */
static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/* Bytes that are no UTF-8 become U+FFFD: nobody takes a document that holds them. */
void json_put_str(struct buf *b, str s)
{
    size_t plain = 0; /* where the run of bytes begins that stay as they are */
    buf_add_char(b, '"');
    for (size_t at = 0; at < s.len;) {
        char c = s.ptr[at];
        if (is_plain(c)) {
            at++;
            continue;
        }
        size_t length = str_utf8_at(s, at);
        if (length && (unsigned char)c >= ' ' && c != '"' && c != '\\') {
            at += length;
            continue;
        }
        buf_add(b, str_sub(s, plain, at - plain));
        if (length)
            put_escaped(b, c);
        else
            buf_add(b, S("\xef\xbf\xbd"));
        plain = ++at;
    }
    buf_add(b, str_sub(s, plain, s.len));
    buf_add_char(b, '"');
}

/* The shortest digits that read back as the same number. JSON has no word for
 * what is not finite. */
static void put_double(struct buf *b, double number)
{
    if (!isfinite(number)) {
        buf_add(b, S("null"));
        return;
    }
    char digits[32];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number)
            break;
    }
    buf_add(b, str_from(digits));
}

void json_put_val(struct buf *b, struct val v)
{
    switch (v.type) {
    case VAL_NULL:
        buf_add(b, S("null"));
        break;
    case VAL_BOOL:
        buf_add(b, v.boolean ? S("true") : S("false"));
        break;
    case VAL_INT:
        buf_add_i64(b, v.integer);
        break;
    case VAL_DOUBLE:
        put_double(b, v.number);
        break;
    case VAL_STR:
        json_put_str(b, v.string);
        break;
    case VAL_JSON:
        buf_add(b, v.string.len ? v.string : S("null"));
        break;
    }
}

void json_put_object(struct buf *b, const struct kv *fields)
{
    buf_add_char(b, '{');
    for (bool is_first = true; fields && fields->name; fields++, is_first = false) {
        if (!is_first)
            buf_add_char(b, ',');
        json_put_str(b, str_from(fields->name));
        buf_add_char(b, ':');
        json_put_val(b, fields->value);
    }
    buf_add_char(b, '}');
}

str json_make_kvs(struct arena *a, const struct kv *fields)
{
    struct buf b = buf_new(a);
    json_put_object(&b, fields);
    return buf_str(&b);
}
