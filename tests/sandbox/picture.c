/* Kind and size of a picture from its first bytes: PNG, JPEG and WebP. */
#include "tests/sandbox/telegram_inside.h"

enum {
    MOST_PHOTO_SIDES = 10000, /* width and height together */
    MOST_PHOTO_RATIO = 20,
};

static uint32_t byte_at(str s, size_t at)
{
    return at < s.len ? (unsigned char)s.ptr[at] : 0;
}

static int64_t big16(str s, size_t at)
{
    return byte_at(s, at) << 8 | byte_at(s, at + 1);
}

static int64_t little24(str s, size_t at)
{
    return byte_at(s, at) | byte_at(s, at + 1) << 8 | byte_at(s, at + 2) << 16;
}

static bool read_png(str s, struct picture *out)
{
    *out = (struct picture){big16(s, 16) << 16 | big16(s, 18), big16(s, 20) << 16 | big16(s, 22),
                            "image/png"};
    return s.len > 33 && str_eq(str_sub(s, 12, 4), S("IHDR"));
}

/* The size stands in the first start-of-frame segment. */
static bool read_jpeg(str s, struct picture *out)
{
    for (size_t at = 2; at + 9 < s.len;) {
        uint32_t marker = byte_at(s, at + 1);
        if (byte_at(s, at) != 0xff)
            return false;
        bool is_frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
                        marker != 0xcc;
        if (is_frame) {
            *out = (struct picture){big16(s, at + 7), big16(s, at + 5), "image/jpeg"};
            return true;
        }
        bool is_alone = marker == 0xff || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7);
        at += is_alone ? (marker == 0xff ? 1 : 2) : 2 + (size_t)big16(s, at + 2);
    }
    return false;
}

static bool read_webp(str s, struct picture *out)
{
    str kind = str_sub(s, 12, 4);
    out->mime_type = "image/webp";
    if (str_eq(kind, S("VP8X"))) {
        out->width = little24(s, 24) + 1;
        out->height = little24(s, 27) + 1;
    } else if (str_eq(kind, S("VP8L"))) {
        int64_t bits = little24(s, 21) | (int64_t)byte_at(s, 24) << 24;
        out->width = (bits & 0x3fff) + 1;
        out->height = (bits >> 14 & 0x3fff) + 1;
    } else if (str_eq(kind, S("VP8 "))) {
        out->width = little24(s, 26) & 0x3fff;
        out->height = little24(s, 28) & 0x3fff;
    } else {
        return false;
    }
    return s.len > 30;
}

bool picture_read(str bytes, struct picture *out)
{
    *out = (struct picture){0};
    bool is_known = false;
    if (str_starts(bytes, S("\x89PNG\r\n\x1a\n")))
        is_known = read_png(bytes, out);
    else if (str_starts(bytes, S("\xff\xd8\xff")))
        is_known = read_jpeg(bytes, out);
    else if (str_starts(bytes, S("RIFF")) && str_eq(str_sub(bytes, 8, 4), S("WEBP")))
        is_known = read_webp(bytes, out);
    return is_known && out->width > 0 && out->height > 0;
}

bool picture_has_photo_shape(const struct picture *p)
{
    return p->width + p->height <= MOST_PHOTO_SIDES && p->width <= p->height * MOST_PHOTO_RATIO &&
           p->height <= p->width * MOST_PHOTO_RATIO;
}
