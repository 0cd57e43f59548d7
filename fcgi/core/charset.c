#include "core/charset.h"

enum {
    REPLACEMENT = 0xFFFD,
    SURROGATE_FIRST = 0xD800,
    SURROGATE_LOW = 0xDC00,
    SURROGATE_END = 0xE000
};

/* What stands from 0x80 on in the code page 1251; 0: nothing. */
static const uint16_t page_1251[64] = {
    0x0402, 0x0403, 0x201A, 0x0453, 0x201E, 0x2026, 0x2020, 0x2021, 0x20AC, 0x2030, 0x0409,
    0x2039, 0x040A, 0x040C, 0x040B, 0x040F, 0x0452, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0,      0x2122, 0x0459, 0x203A, 0x045A, 0x045C, 0x045B, 0x045F, 0x00A0,
    0x040E, 0x045E, 0x0408, 0x00A4, 0x0490, 0x00A6, 0x00A7, 0x0401, 0x00A9, 0x0404, 0x00AB,
    0x00AC, 0x00AD, 0x00AE, 0x0407, 0x00B0, 0x00B1, 0x0406, 0x0456, 0x0491, 0x00B5, 0x00B6,
    0x00B7, 0x0451, 0x2116, 0x0454, 0x00BB, 0x0458, 0x0405, 0x0455, 0x0457};

static void put_point(struct buf *b, uint32_t point)
{
    if (point == '\r')
        return;
    if (point < 0x80) {
        buf_add_char(b, (char)point);
    } else if (point < 0x800) {
        buf_add_char(b, (char)(0xC0 | point >> 6));
        buf_add_char(b, (char)(0x80 | (point & 0x3F)));
    } else if (point < 0x10000) {
        buf_add_char(b, (char)(0xE0 | point >> 12));
        buf_add_char(b, (char)(0x80 | (point >> 6 & 0x3F)));
        buf_add_char(b, (char)(0x80 | (point & 0x3F)));
    } else {
        buf_add_char(b, (char)(0xF0 | point >> 18));
        buf_add_char(b, (char)(0x80 | (point >> 12 & 0x3F)));
        buf_add_char(b, (char)(0x80 | (point >> 6 & 0x3F)));
        buf_add_char(b, (char)(0x80 | (point & 0x3F)));
    }
}

/* A text has no controls but those that lay it out. */
static bool is_control(uint32_t point)
{
    return (point < 0x20 && point != '\t' && point != '\n' && point != '\r' && point != '\f') ||
           point == 0x7F;
}

static uint32_t unit_at(str bytes, size_t at, bool is_big)
{
    uint32_t first = (unsigned char)bytes.ptr[at], second = (unsigned char)bytes.ptr[at + 1];
    return is_big ? first << 8 | second : second << 8 | first;
}

static bool from_utf16(struct arena *a, str bytes, bool is_big, str *out)
{
    struct buf b = buf_new(a);
    for (size_t at = 0; at + 1 < bytes.len; at += 2) {
        uint32_t point = unit_at(bytes, at, is_big);
        if (point >= SURROGATE_FIRST && point < SURROGATE_END) {
            uint32_t low = at + 3 < bytes.len ? unit_at(bytes, at + 2, is_big) : 0;
            bool is_pair = point < SURROGATE_LOW && low >= SURROGATE_LOW && low < SURROGATE_END;
            point = is_pair ? 0x10000 + ((point - SURROGATE_FIRST) << 10) + (low - SURROGATE_LOW)
                            : REPLACEMENT;
            at += is_pair ? 2 : 0;
        }
        if (is_control(point))
            return false;
        put_point(&b, point);
    }
    *out = buf_str(&b);
    return true;
}

static bool from_utf8(struct arena *a, str bytes, str *out)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        if (is_control(c))
            return false;
        if (c != '\r')
            buf_add_char(&b, (char)c);
    }
    *out = buf_str(&b);
    return true;
}

static bool from_1251(struct arena *a, str bytes, str *out)
{
    enum { HIGH = 0x80, LETTERS = 0xC0, FIRST_LETTER = 0x0410 };
    struct buf b = buf_new(a);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        uint32_t point = c < HIGH      ? c
                         : c < LETTERS ? page_1251[c - HIGH]
                                       : FIRST_LETTER + (uint32_t)(c - LETTERS);
        if (!point || is_control(point))
            return false;
        put_point(&b, point);
    }
    *out = buf_str(&b);
    return true;
}

/* Without a mark: of two bytes one is mostly nought in Latin, and four in Cyrillic; the other is not. */
static bool looks_like_utf16(str bytes, bool *is_big)
{
    size_t high[2] = {0, 0}, pairs = bytes.len / 2;
    for (size_t i = 0; i < bytes.len; i++)
        high[i % 2] += (unsigned char)bytes.ptr[i] <= 0x04;
    *is_big = high[0] > high[1];
    return bytes.len % 2 == 0 && pairs > 1 && high[*is_big ? 0 : 1] * 10 > pairs * 8 &&
           high[*is_big ? 1 : 0] * 10 < pairs * 3;
}

bool charset_to_utf8(struct arena *a, str bytes, str *out)
{
    bool is_big;
    if (str_starts(bytes, S("\xEF\xBB\xBF")))
        bytes = str_sub(bytes, 3, bytes.len);
    else if (str_starts(bytes, S("\xFF\xFE")))
        return from_utf16(a, str_sub(bytes, 2, bytes.len), false, out);
    else if (str_starts(bytes, S("\xFE\xFF")))
        return from_utf16(a, str_sub(bytes, 2, bytes.len), true, out);
    else if (looks_like_utf16(bytes, &is_big))
        return from_utf16(a, bytes, is_big, out);
    return str_is_utf8(bytes) ? from_utf8(a, bytes, out) : from_1251(a, bytes, out);
}
