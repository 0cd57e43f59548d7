/*
 * pictures.h - files as strangers send them, good and bad, made on the spot.
 *
 * Each is a str in the test's arena `a`. Good pictures are a scene of our own
 * with light and edges in it: bright in the upper left, dark in the lower
 * right, so that one can see how a picture lies.
 */
#pragma once
#include <vips/vips.h>
#include <zlib.h>

#include "core/str.h"
#include "tests/unit/with_arena.h"

static inline void picture_must(bool is_good)
{
    if (!is_good)
        fail_msg("a picture could not be made: %s", vips_error_buffer());
}

static inline void picture_close(void *image)
{
    g_object_unref(image);
}

static inline VipsImage *picture_kept(VipsImage *image)
{
    picture_must(image);
    arena_defer(a, picture_close, image);
    return image;
}

/* Light falls from the upper left, with blocks on it, so that it has edges. Of 2 or 4 bands
 * the last is for what is transparent: nothing. */
static inline VipsImage *picture_scene(int width, int height, int bands)
{
    size_t size = (size_t)width * (size_t)height * (size_t)bands;
    unsigned char *pixels = NEW_ARRAY(a, unsigned char, size);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int light = 235 - 110 * x / width - 100 * y / height;
            int block = (x / 37 + y / 23) % 3 == 0 ? 20 : 0;
            for (int c = 0; c < bands; c++)
                pixels[(y * width + x) * bands + c] =
                    (unsigned char)(c % 2 && c == bands - 1 ? 255 : light - block + c * 5);
        }
    VipsImage *image = picture_kept(
        vips_image_new_from_memory(pixels, size, width, height, bands, VIPS_FORMAT_UCHAR));
    VipsImage *named = NULL;
    VipsInterpretation colours = bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    picture_must(!vips_copy(image, &named, "interpretation", colours, NULL));
    return picture_kept(named);
}

/* ".jpg[Q=90]", ".png", ".webp", ".tif", ".gif" */
static inline str picture_file(VipsImage *image, const char *suffix)
{
    void *file = NULL;
    size_t size = 0;
    picture_must(!vips_image_write_to_buffer(image, suffix, &file, &size, NULL));
    arena_defer(a, g_free, file);
    return (str){file, size};
}

static inline str picture_half(str file)
{
    return str_sub(file, 0, file.len / 2);
}

static inline str picture_joined(str head, str tail)
{
    struct buf b = buf_new(a);
    buf_add(&b, head);
    buf_add(&b, tail);
    return buf_str(&b);
}

/* -- by hand: what no encoder writes -- */

static inline void picture_add_u32(struct buf *b, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_add_char(b, (char)(value >> shift));
}

static inline void picture_add_chunk(struct buf *b, str name, str data)
{
    picture_add_u32(b, (uint32_t)data.len);
    size_t from = b->len;
    buf_add(b, name);
    buf_add(b, data);
    picture_add_u32(
        b, (uint32_t)crc32(0, (const unsigned char *)b->ptr + from, (unsigned)(b->len - from)));
}

/* So many zeros, deflated: a thousand of them become one byte. */
static inline str picture_zeros(size_t count)
{
    static unsigned char zeros[1 << 16];
    struct buf b = buf_new(a);
    unsigned char out[1 << 14];
    z_stream z = {0};
    picture_must(deflateInit(&z, Z_BEST_SPEED) == Z_OK);
    for (int state = Z_OK; state != Z_STREAM_END;) {
        if (!z.avail_in && count) {
            z.next_in = zeros;
            z.avail_in = count < sizeof zeros ? (unsigned)count : (unsigned)sizeof zeros;
            count -= z.avail_in;
        }
        z.next_out = out;
        z.avail_out = sizeof out;
        state = deflate(&z, count ? Z_NO_FLUSH : Z_FINISH);
        buf_add(&b, (str){(const char *)out, sizeof out - z.avail_out});
    }
    deflateEnd(&z);
    return buf_str(&b);
}

struct png_sort {
    char depth, colour, interlace;
    size_t bits; /* of a pixel */
};

static inline size_t picture_png_bytes(size_t width, size_t height, struct png_sort sort)
{
    static const size_t passes[7][4] = {
        {0, 0, 8, 8},
        {4, 0, 8, 8},
        {0, 4, 4, 8},
        {2, 0, 4, 4},
        {0, 2, 2, 4},
        {1, 0, 2, 2},
        {0, 1, 1, 2}
    };
    if (!sort.interlace)
        return height * (1 + (width * sort.bits + 7) / 8);
    size_t sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(passes); i++) {
        const size_t *p = passes[i];
        size_t w = (width - p[0] + p[2] - 1) / p[2], h = (height - p[1] + p[3] - 1) / p[3];
        sum += h * (1 + (w * sort.bits + 7) / 8);
    }
    return sum;
}

/* A PNG that is all zeros. It says width x height and holds `rows` of them. */
static inline str picture_png(uint32_t width, uint32_t height, uint32_t rows, struct png_sort sort,
                              bool is_animated)
{
    struct buf b = buf_new(a), head = buf_new(a);
    picture_add_u32(&head, width);
    picture_add_u32(&head, height);
    buf_add(&head, (str){
                       (char[]){sort.depth, sort.colour, 0, 0, sort.interlace},
                       5
    });
    buf_add(&b, S("\x89PNG\r\n\x1a\n"));
    picture_add_chunk(&b, S("IHDR"), buf_str(&head));
    if (is_animated)
        picture_add_chunk(&b, S("acTL"), S("\0\0\0\2\0\0\0\0"));
    picture_add_chunk(&b, S("IDAT"), picture_zeros(picture_png_bytes(width, rows, sort)));
    picture_add_chunk(&b, S("IEND"), S(""));
    return buf_str(&b);
}

#define PNG_BITS  ((struct png_sort){1, 0, 0, 1})
#define PNG_GREY  ((struct png_sort){8, 0, 0, 8})
#define PNG_GREAT ((struct png_sort){16, 6, 1, 64}) /* two bytes, four channels, interlaced */

/* Two rows of a Windows bitmap would do; the header is what matters. */
static inline str picture_bmp(void)
{
    struct buf b = buf_new(a);
    buf_add(&b, S("BM\x36\x00\x0c\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00"));
    buf_add(&b, S("\x00\x02\x00\x00\x00\x02\x00\x00\x01\x00\x18\x00\x00\x00\x00\x00"));
    buf_add(&b,
            S("\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"));
    buf_add(&b, (str){NEW_ARRAY(a, char, 512 * 512 * 3), 512 * 512 * 3});
    return buf_str(&b);
}

/* Two pages, one below the other, are what libvips makes an animation of. */
static inline str picture_animation(const char *suffix)
{
    VipsImage *pages = NULL;
    picture_must(!vips_copy(picture_scene(600, 1200, 3), &pages, NULL));
    picture_kept(pages);
    vips_image_set_int(pages, VIPS_META_PAGE_HEIGHT, 600);
    return picture_file(pages, suffix);
}

/* A camera that was held upright: the picture lies on its side and EXIF says how to turn it, and
 * where on earth it was taken. */
static inline str picture_of_a_camera(int width, int height)
{
    VipsImage *lying = NULL;
    picture_must(!vips_rot(picture_scene(width, height, 3), &lying, VIPS_ANGLE_D270, NULL));
    picture_kept(lying);
    vips_image_set_int(lying, VIPS_META_ORIENTATION, 6);
    vips_image_set_string(lying, "exif-ifd0-Make", "Kamera von Asya");
    vips_image_set_string(lying, "exif-ifd3-GPSLatitude", "55/1 45/1 21/1");
    vips_image_set_string(lying, "exif-ifd3-GPSLongitude", "37/1 37/1 4/1");
    return picture_file(lying, ".jpg[Q=90]");
}
