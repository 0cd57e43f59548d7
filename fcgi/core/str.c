#include "core/str.h"

/* -- making -- */

str str_from(const char *c)
{
    return c ? (str){c, strlen(c)} : (str){0};
}

str str_dup(struct arena *a, str s)
{
    if (!s.len)
        return s.ptr ? S("") : s;
    char *copy = arena_alloc(a, s.len, 1);
    memcpy(copy, s.ptr, s.len);
    return (str){copy, s.len};
}

const char *cstr(struct arena *a, str s)
{
    if (!s.len)
        return "";
    char *copy = arena_alloc(a, s.len + 1, 1);
    memcpy(copy, s.ptr, s.len);
    return copy;
}

str str_vprintf(struct arena *a, const char *format, va_list arguments)
{
    struct buf b = buf_new(a);
    buf_vaddf(&b, format, arguments);
    return buf_str(&b);
}

str str_printf(struct arena *a, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    str made = str_vprintf(a, format, arguments);
    va_end(arguments);
    return made;
}

/* -- comparing -- */

bool str_eq(str a, str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(str a, str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

bool str_starts(str s, str prefix)
{
    return s.len >= prefix.len && str_eq(str_sub(s, 0, prefix.len), prefix);
}

bool str_ends(str s, str suffix)
{
    return s.len >= suffix.len && str_eq(str_sub(s, s.len - suffix.len, suffix.len), suffix);
}

/* Every byte of b is looked at whatever a holds, so the time tells nothing of
 * where the two part. */
bool str_same_secret(str a, str b)
{
    if (!b.len)
        return false;
    volatile unsigned char difference = a.len != b.len;
    for (size_t i = 0; i < b.len; i++) {
        char other = i < a.len ? a.ptr[i] : 0;
        difference = (unsigned char)(difference | (other ^ b.ptr[i]));
    }
    return difference == 0;
}

/* -- taking apart -- */

static const str no_break_space = {"\xc2\xa0", 2};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t space_at_start(str s)
{
    if (s.len && is_space(s.ptr[0]))
        return 1;
    return str_starts(s, no_break_space) ? no_break_space.len : 0;
}

static size_t space_at_end(str s)
{
    if (s.len && is_space(s.ptr[s.len - 1]))
        return 1;
    return str_ends(s, no_break_space) ? no_break_space.len : 0;
}

str str_trim(str s)
{
    size_t space;
    while ((space = space_at_start(s)))
        s = str_sub(s, space, s.len);
    while ((space = space_at_end(s)))
        s.len -= space;
    return s;
}

str str_sub(str s, size_t from, size_t len)
{
    if (!s.ptr)
        return s;
    if (from > s.len)
        from = s.len;
    if (len > s.len - from)
        len = s.len - from;
    return (str){s.ptr + from, len};
}

bool str_cut(str s, char at, str *head, str *tail)
{
    const char *found = s.len ? memchr(s.ptr, at, s.len) : NULL;
    if (!found) {
        *head = s;
        *tail = str_sub(s, s.len, 0);
        return false;
    }
    size_t position = (size_t)(found - s.ptr);
    *head = str_sub(s, 0, position);
    *tail = str_sub(s, position + 1, s.len);
    return true;
}

bool str_find(str s, str needle, size_t *position)
{
    if (!needle.len) {
        *position = 0;
        return true;
    }
    const char *found = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    if (!found)
        return false;
    *position = (size_t)(found - s.ptr);
    return true;
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau and Levenshtein. */
size_t str_distance(str a, str b)
{
    enum { NAME_BYTES_MOST = 48 };
    size_t cost[NAME_BYTES_MOST + 1][NAME_BYTES_MOST + 1];
    if (a.len > NAME_BYTES_MOST || b.len > NAME_BYTES_MOST)
        return SIZE_MAX;
    for (size_t i = 0; i <= a.len; i++)
        cost[i][0] = i;
    for (size_t j = 0; j <= b.len; j++)
        cost[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        for (size_t j = 1; j <= b.len; j++) {
            bool is_same = str_eq_nocase(str_sub(a, i - 1, 1), str_sub(b, j - 1, 1));
            size_t changed = cost[i - 1][j - 1] + !is_same;
            size_t moved = least_of(cost[i - 1][j], cost[i][j - 1]) + 1;
            cost[i][j] = least_of(changed, moved);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                cost[i][j] = least_of(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a.len][b.len];
}

/* The sum is kept negative, where one more number has room than above zero. */
bool str_to_i64(str s, int64_t *out)
{
    bool is_negative = s.len && s.ptr[0] == '-';
    str digits = is_negative ? str_sub(s, 1, s.len) : s;
    if (!digits.len)
        return false;

    int64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digits.ptr[i] - '0', &value))
            return false;
    }
    if (!is_negative && __builtin_sub_overflow(0, value, &value))
        return false;
    *out = value;
    return true;
}

str str_of_i64(char digits[I64_DIGITS_MOST], int64_t n)
{
    size_t at = I64_DIGITS_MOST;
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (n < 0)
        digits[--at] = '-';
    return (str){digits + at, I64_DIGITS_MOST - at};
}

/* -- UTF-8 -- */

/* The well-formed sequences of the Unicode standard, table 3-7: what may stand
 * second depends on the first byte, and leaves out surrogates and long forms. */
static const struct {
    unsigned char first_least, first_most, second_least, second_most, length;
} sequences[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2},
    {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3},
    {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4},
    {0xF4, 0xF4, 0x80, 0x8F, 4},
};

static unsigned char byte_at(str s, size_t at)
{
    return (unsigned char)s.ptr[at];
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t str_utf8_sequence_at(str s, size_t at)
{
    if (at >= s.len)
        return 0;
    unsigned char first = byte_at(s, at);
    if (first < 0x80)
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++) {
        if (first < sequences[i].first_least || first > sequences[i].first_most)
            continue;
        size_t length = sequences[i].length;
        if (length > s.len - at)
            return 0;
        unsigned char second = byte_at(s, at + 1);
        if (second < sequences[i].second_least || second > sequences[i].second_most)
            return 0;
        for (size_t n = 2; n < length; n++)
            if (!is_continuation(byte_at(s, at + n)))
                return 0;
        return length;
    }
    return 0;
}

bool str_is_utf8(str s)
{
    for (size_t at = 0; at < s.len;) {
        size_t length = str_utf8_at(s, at);
        if (!length)
            return false;
        at += length;
    }
    return true;
}

size_t str_points(str s)
{
    size_t points = 0;
    for (size_t i = 0; i < s.len; i++)
        points += !is_continuation(byte_at(s, i));
    return points;
}

/* Points beyond U+FFFF, four bytes long, take a pair of units. */
size_t str_utf16_units(str s)
{
    size_t units = 0;
    for (size_t i = 0; i < s.len; i++) {
        units += !is_continuation(byte_at(s, i));
        units += byte_at(s, i) >= 0xF0;
    }
    return units;
}

struct point_range {
    uint32_t first, last;
};

static const struct point_range shapeless[] = {
    {0x0000,  0x0020 },
    {0x007F,  0x00A0 },
    {0x00AD,  0x00AD },
    {0x034F,  0x034F },
    {0x061C,  0x061C },
    {0x115F,  0x1160 },
    {0x1680,  0x1680 },
    {0x17B4,  0x17B5 },
    {0x180B,  0x180F },
    {0x2000,  0x200F },
    {0x2028,  0x202F },
    {0x205F,  0x206F },
    {0x2800,  0x2800 },
    {0x3000,  0x3000 },
    {0x3164,  0x3164 },
    {0xFE00,  0xFE0F },
    {0xFEFF,  0xFEFF },
    {0xFFA0,  0xFFA0 },
    {0xFFF0,  0xFFFB },
    {0x1D173, 0x1D17A},
    {0xE0000, 0xE0FFF},
};

static const struct point_range controls[] = {
    {0x0000, 0x001F},
    {0x007F, 0x009F},
    {0x2028, 0x202E},
    {0x2066, 0x2069},
};

static uint32_t point_at(str s, size_t at, size_t length)
{
    static const unsigned char marks[] = {0x7F, 0x7F, 0x1F, 0x0F, 0x07}; /* by length */
    uint32_t point = (uint32_t)(byte_at(s, at) & marks[length]);
    for (size_t i = 1; i < length; i++)
        point = point << 6 | (byte_at(s, at + i) & 0x3F);
    return point;
}

static bool is_in_ranges(uint32_t point, const struct point_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    return false;
}

bool str_has_visible(str s)
{
    for (size_t at = 0, length; (length = str_utf8_at(s, at)); at += length)
        if (!is_in_ranges(point_at(s, at, length), shapeless, ARRAY_LEN(shapeless)))
            return true;
    return false;
}

bool str_has_controls(str s)
{
    for (size_t at = 0, length; (length = str_utf8_at(s, at)); at += length)
        if (is_in_ranges(point_at(s, at, length), controls, ARRAY_LEN(controls)))
            return true;
    return false;
}

bool str_points_within(str s, size_t least, size_t most)
{
    size_t points = str_points(s);
    return points >= least && points <= most;
}

/* Where the first `points` code points end. */
static size_t points_end(str s, size_t points)
{
    size_t at = 0;
    for (; at < s.len; at++) {
        if (is_continuation(byte_at(s, at)))
            continue;
        if (!points--)
            break;
    }
    return at;
}

str str_clip_points(struct arena *a, str s, size_t most)
{
    if (str_points(s) <= most)
        return s;
    if (!most)
        return S("");
    struct buf b = buf_new(a);
    buf_add(&b, str_sub(s, 0, points_end(s, most - 1)));
    buf_add(&b, S("…"));
    return buf_str(&b);
}

/* -- encodings -- */

static const char hex_digits[] = "0123456789abcdef";
static const char hex_capitals[] = "0123456789ABCDEF";
static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The digit's value, or a negative number for what is no digit. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

str str_hex(struct arena *a, str bytes)
{
    char *out = NEW_ARRAY(a, char, bytes.len * 2);
    for (size_t i = 0; i < bytes.len; i++) {
        out[i * 2] = hex_digits[byte_at(bytes, i) >> 4];
        out[i * 2 + 1] = hex_digits[byte_at(bytes, i) & 15];
    }
    return (str){out, bytes.len * 2};
}

bool str_unhex(struct arena *a, str hex, str *bytes)
{
    if (hex.len % 2)
        return false;
    char *out = NEW_ARRAY(a, char, hex.len / 2);
    for (size_t i = 0; i < hex.len; i += 2) {
        int high = hex_value(hex.ptr[i]), low = hex_value(hex.ptr[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i / 2] = (char)(high << 4 | low);
    }
    *bytes = (str){out, hex.len / 2};
    return true;
}

str str_base64url(struct arena *a, str bytes)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        unsigned group = (unsigned)byte_at(bytes, i) << 16;
        if (left > 1)
            group |= (unsigned)byte_at(bytes, i + 1) << 8;
        if (left > 2)
            group |= byte_at(bytes, i + 2);
        size_t digits = left > 2 ? 4 : left + 1;
        for (size_t n = 0; n < digits; n++)
            buf_add_char(&b, base64url_digits[group >> (18 - 6 * n) & 63]);
    }
    return buf_str(&b);
}

/* Each run of bytes has one spelling only: left-over bits have to be zero. */
bool str_unbase64url(struct arena *a, str text, str *bytes)
{
    if (text.len % 4 == 1)
        return false;
    struct buf b = buf_new(a);
    unsigned bits = 0;
    int bit_count = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64url_value(text.ptr[i]);
        if (value < 0)
            return false;
        bits = (bits << 6 | (unsigned)value) & 0xFFFF;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            buf_add_char(&b, (char)(bits >> bit_count & 0xFF));
        }
    }
    if (bits & ((1U << bit_count) - 1))
        return false;
    *bytes = buf_str(&b);
    return true;
}

static bool is_unreserved(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

str str_percent(struct arena *a, str s, bool keep_slash)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < s.len; i++) {
        if (is_unreserved(s.ptr[i]) || (keep_slash && s.ptr[i] == '/')) {
            buf_add_char(&b, s.ptr[i]);
            continue;
        }
        buf_add_char(&b, '%');
        buf_add_char(&b, hex_capitals[byte_at(s, i) >> 4]);
        buf_add_char(&b, hex_capitals[byte_at(s, i) & 15]);
    }
    return buf_str(&b);
}

bool str_unpercent(struct arena *a, str s, bool plus_is_space, str *out)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            int high = s.len - i > 2 ? hex_value(s.ptr[i + 1]) : -1;
            int low = s.len - i > 2 ? hex_value(s.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        buf_add_char(&b, c);
    }
    *out = buf_str(&b);
    return true;
}

static str html_escape(char c)
{
    switch (c) {
    case '&':
        return S("&amp;");
    case '<':
        return S("&lt;");
    case '>':
        return S("&gt;");
    case '"':
        return S("&quot;");
    default:
        return (str){0};
    }
}

str str_html(struct arena *a, str s)
{
    struct buf b = buf_new(a);
    size_t plain = 0; /* where the run of bytes begins that stay as they are */
    for (size_t i = 0; i < s.len; i++) {
        str escaped = html_escape(s.ptr[i]);
        if (!escaped.len)
            continue;
        buf_add(&b, str_sub(s, plain, i - plain));
        buf_add(&b, escaped);
        plain = i + 1;
    }
    buf_add(&b, str_sub(s, plain, s.len));
    return buf_str(&b);
}

/* -- buffers -- */

enum { SMALLEST_BUFFER_BYTES = 64 };

struct buf buf_new(struct arena *a)
{
    return (struct buf){.arena = a};
}

/* Room for `more` bytes behind what is there. Most buffers are filled without anything being made
 * meanwhile and grow where they lie; of another the old room is given back with the arena. */
static char *room(struct buf *b, size_t more)
{
    if (more <= b->capacity - b->len)
        return b->ptr + b->len;

    size_t capacity = b->capacity ? b->capacity * 2 : SMALLEST_BUFFER_BYTES;
    if (capacity - b->len < more)
        capacity = b->len + more;
    if (b->capacity && arena_extend(b->arena, b->ptr, b->capacity, capacity - b->capacity)) {
        b->capacity = capacity;
        return b->ptr + b->len;
    }
    char *grown = NEW_ARRAY(b->arena, char, capacity);
    if (b->len)
        memcpy(grown, b->ptr, b->len);
    b->ptr = grown;
    b->capacity = capacity;
    return b->ptr + b->len;
}

void buf_add(struct buf *b, str s)
{
    if (!s.len)
        return;
    memcpy(room(b, s.len), s.ptr, s.len);
    b->len += s.len;
}

void buf_add_char(struct buf *b, char c)
{
    *room(b, 1) = c;
    b->len++;
}

void buf_add_i64(struct buf *b, int64_t n)
{
    char digits[I64_DIGITS_MOST];
    buf_add(b, str_of_i64(digits, n));
}

void buf_vaddf(struct buf *b, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    /* The analyzer loses sight of a va_list that is passed on. */
    int length = vsnprintf(NULL, 0, format, arguments); // NOLINT(clang-analyzer-valist.*)
    assert(length >= 0);
    if (length > 0) {
        size_t wanted = (size_t)length;
        vsnprintf(room(b, wanted + 1), wanted + 1, format, again);
        b->len += wanted;
    }
    va_end(again);
}

void buf_addf(struct buf *b, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buf_vaddf(b, format, arguments);
    va_end(arguments);
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool str_consists_of(str s, const char *others)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_letter_or_digit(s.ptr[i]) && (s.ptr[i] == '\0' || !strchr(others, s.ptr[i])))
            return false;
    return s.len > 0;
}

bool str_is_uuid(str s)
{
    enum { UUID_LENGTH = 36 };
    if (s.len != UUID_LENGTH)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool is_dash_place = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash_place ? s.ptr[i] != '-'
                          : !strchr("0123456789abcdefABCDEF", s.ptr[i]) || !s.ptr[i])
            return false;
    }
    return true;
}
