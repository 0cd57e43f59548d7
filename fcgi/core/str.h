/*
 * str.h - strings as views, and buffers that grow in an arena.
 *
 * A str is a pointer and a length, passed by value; it owns nothing and may
 * hold any byte. S("...") makes one from a literal. A C string appears only at
 * the edge of a library that wants one, through cstr().
 *
 *     str command, argument;
 *     str_cut(text, ' ', &command, &argument);
 *
 *     struct buf b = buf_new(a);
 *     buf_add(&b, S("/start "));
 *     buf_add_i64(&b, 7);
 *     return buf_str(&b);
 */
#pragma once
#include <stdarg.h>

#include "core/arena.h"

typedef struct str {
    const char *ptr;
    size_t len;
} str;

#define S(literal) ((str){("" literal ""), sizeof(literal) - 1})
#define STR_FMT    "%.*s"
#define STR_ARG(s) (int)(s).len, (s).ptr

str str_from(const char *c); /* NULL gives the empty str, (str){0} */
str str_dup(struct arena *a, str s);
const char *cstr(struct arena *a, str s); /* NUL-terminated copy */
str str_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);
str str_vprintf(struct arena *a, const char *format, va_list arguments) PRINTF_LIKE(2, 0);

bool str_eq(str a, str b);
bool str_eq_nocase(str a, str b); /* ASCII only */
/* As str_eq() with a C string, whose length nobody needs to know: for walks along a table of names. */
static inline bool str_is(str s, const char *name)
{
    size_t at = 0;
    while (at < s.len && name[at] != '\0' && name[at] == s.ptr[at])
        at++;
    return at == s.len && name[at] == '\0';
}
bool str_starts(str s, str prefix);
bool str_ends(str s, str suffix);
/* Constant time in the length of b; nothing equals an empty b. */
bool str_same_secret(str a, str b);
static inline bool str_empty(str s)
{
    return s.len == 0;
}

str str_trim(str s);                         /* ASCII white space and U+00A0 at both ends */
str str_sub(str s, size_t from, size_t len); /* clipped to s */
/* Splits s at the first `at`; without one, head is all of s, tail is empty and the answer false. */
bool str_cut(str s, char at, str *head, str *tail);
bool str_find(str s, str needle, size_t *position);
/* Letters to add, leave out, change or swap with their neighbour until one name is the other, in any
 * case; SIZE_MAX where one is longer than a name. */
size_t str_distance(str a, str b);

bool str_to_i64(str s, int64_t *out); /* whole, decimal, in range, or false */
/* The other way round, written into `digits`, which the answer points into. */
enum { I64_DIGITS_MOST = 20 }; /* of 2^63, and the sign */
str str_of_i64(char digits[I64_DIGITS_MOST], int64_t n);

/* Not empty, and nothing but ASCII letters, digits and these others. */
bool str_consists_of(str s, const char *others);
bool str_is_uuid(str s); /* 8-4-4-4-12 hex digits */
bool str_is_utf8(str s);
/* Length of the well-formed sequence that begins there; 0 when none does. */
size_t str_utf8_sequence_at(str s, size_t at);
/* ASCII and the two bytes of a Cyrillic letter are nearly all there is, and are told in place. */
static inline size_t str_utf8_at(str s, size_t at)
{
    if (at >= s.len)
        return 0;
    unsigned char first = (unsigned char)s.ptr[at];
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF && s.len - at > 1 &&
        ((unsigned char)s.ptr[at + 1] & 0xC0) == 0x80)
        return 2;
    return str_utf8_sequence_at(s, at);
}
size_t str_points(str s); /* Unicode code points */
size_t str_utf16_units(str s);
/* Whether anything of it is seen: white space, joiners and other marks without a shape are not. */
bool str_has_visible(str s);
/* Controls, line separators, and marks that turn the direction of what stands behind them. */
bool str_has_controls(str s);
bool str_points_within(str s, size_t least, size_t most);
str str_clip_points(struct arena *a, str s, size_t most); /* ends in … when cut */

str str_hex(struct arena *a, str bytes);
bool str_unhex(struct arena *a, str hex, str *bytes);
str str_base64url(struct arena *a, str bytes); /* without padding */
bool str_unbase64url(struct arena *a, str text, str *bytes);
str str_percent(struct arena *a, str s, bool keep_slash); /* RFC 3986: unreserved stay */
bool str_unpercent(struct arena *a, str s, bool plus_is_space, str *out);
str str_html(struct arena *a, str s); /* & < > " escaped */

struct buf {
    struct arena *arena;
    char *ptr;
    size_t len, capacity;
};

struct buf buf_new(struct arena *a);
void buf_add(struct buf *b, str s);
void buf_add_char(struct buf *b, char c);
void buf_add_i64(struct buf *b, int64_t n);
void buf_addf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *b, const char *format, va_list arguments) PRINTF_LIKE(2, 0);
static inline str buf_str(const struct buf *b)
{
    return (str){b->len ? b->ptr : "", b->len};
}
