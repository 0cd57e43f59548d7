/*
 * What Telegram makes of a picture that a person sends: as a photo JPEGs of several
 * sizes, upright and without what the camera wrote into it; as a file a thumbnail.
 */
#include "tests/sandbox/telegram_inside.h"

#include <vips/vips.h>

#include "core/log.h"
#include "tests/sandbox/photo.h"

enum { JPEG_QUALITY = 87, THUMBNAIL_BOX = 320 };

/* The longest sides of Telegram's sizes. A picture between two of them ends with
 * its own size. */
static const int boxes[PHOTO_MOST_SIZES] = {90, 320, 800, 1280, 2560};

/* libvips would print a line for every row that it misses in a broken picture. */
static void say_nothing(const gchar *domain, GLogLevelFlags level, const gchar *message,
                        gpointer unused)
{
    (void)domain;
    (void)level;
    (void)message;
    (void)unused;
}

/* One thread for libvips: the machine has other things to do. */
static void be_ready(void)
{
    static bool is_ready;
    if (is_ready)
        return;
    if (VIPS_INIT("aisha-sandbox")) {
        log_error("sandbox.vips_failed", KV("why", vips_error_buffer()));
        abort();
    }
    g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, say_nothing, NULL);
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    is_ready = true;
}

static void drop_image(void *image)
{
    g_object_unref(image);
}

/* See-through parts become white, as in Telegram's apps. */
static VipsImage *flattened(struct arena *a, VipsImage *image)
{
    VipsImage *flat;
    if (!vips_image_hasalpha(image))
        return image;
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    int status = vips_flatten(image, &flat, "background", white, NULL);
    vips_area_unref(VIPS_AREA(white));
    if (status)
        return NULL;
    arena_defer(a, drop_image, flat);
    return flat;
}

static bool write_jpeg(struct arena *a, VipsImage *image, struct photo_size *out)
{
    void *made = NULL;
    size_t length = 0;
    if (vips_jpegsave_buffer(image, &made, &length, "Q", JPEG_QUALITY, "strip", TRUE, NULL))
        return false;
    *out = (struct photo_size){.bytes = str_dup(a, (str){made, length}),
                               .width = vips_image_get_width(image),
                               .height = vips_image_get_height(image)};
    g_free(made);
    return true;
}

/* The whole picture in memory. Its pixels are all read here: what scales as it reads would take
 * a file that breaks off for a picture whose rest is black. */
static VipsImage *read_picture(struct arena *a, str bytes)
{
    VipsImage *image = vips_image_new_from_buffer(bytes.ptr, bytes.len, "", "access",
                                                  VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                                  VIPS_FAIL_ON_ERROR, NULL);
    VipsImage *whole = image ? vips_image_copy_memory(image) : NULL;
    if (image)
        g_object_unref(image);
    if (whole)
        arena_defer(a, drop_image, whole);
    return whole;
}

/* Never larger than it was; turned as the camera was held; in the colours of screens. */
static VipsImage *scale(struct arena *a, VipsImage *image, int box)
{
    VipsImage *scaled = NULL;
    if (vips_thumbnail_image(image, &scaled, box, "height", box, "size", VIPS_SIZE_DOWN,
                             "export_profile", "srgb", NULL))
        return NULL;
    arena_defer(a, drop_image, scaled);
    VipsImage *whole = vips_image_copy_memory(scaled);
    if (whole)
        arena_defer(a, drop_image, whole);
    return whole;
}

/* The largest, for the smaller ones are made of it. */
static VipsImage *begin_sizes(struct arena *a, str bytes, int box)
{
    be_ready();
    VipsImage *picture = read_picture(a, bytes);
    VipsImage *scaled = picture ? scale(a, picture, box) : NULL;
    return scaled ? flattened(a, scaled) : NULL;
}

size_t photo_sizes(struct arena *a, str bytes, struct photo_size sizes[PHOTO_MOST_SIZES])
{
    size_t count = 0;
    VipsImage *largest = begin_sizes(a, bytes, boxes[PHOTO_MOST_SIZES - 1]);
    bool is_made = largest != NULL;
    if (is_made) {
        int width = vips_image_get_width(largest), height = vips_image_get_height(largest);
        int longest = width > height ? width : height;
        for (; is_made && count < PHOTO_MOST_SIZES - 1 && boxes[count] < longest; count++) {
            VipsImage *small = scale(a, largest, boxes[count]);
            is_made = small && write_jpeg(a, small, &sizes[count]);
        }
        is_made = is_made && write_jpeg(a, largest, &sizes[count++]);
    }
    vips_error_clear();
    return is_made ? count : 0;
}

bool photo_thumbnail(struct arena *a, str bytes, struct photo_size *out)
{
    VipsImage *image = begin_sizes(a, bytes, THUMBNAIL_BOX);
    bool is_made = image && write_jpeg(a, image, out);
    vips_error_clear();
    return is_made;
}

static VipsImage *cut_square(struct arena *a, VipsImage *whole, int side)
{
    VipsImage *cut = NULL, *coloured = NULL;
    if (vips_thumbnail_image(whole, &cut, side, "height", side, "crop", VIPS_INTERESTING_CENTRE,
                             NULL))
        return NULL;
    arena_defer(a, drop_image, cut);
    if (vips_colourspace(cut, &coloured, VIPS_INTERPRETATION_sRGB, NULL))
        return NULL;
    arena_defer(a, drop_image, coloured);
    return flattened(a, coloured);
}

bool photo_measure(struct arena *a, str bytes, int *width, int *height)
{
    be_ready();
    VipsImage *whole = read_picture(a, bytes);
    if (whole) {
        *width = vips_image_get_width(whole);
        *height = vips_image_get_height(whole);
    }
    vips_error_clear();
    return whole != NULL;
}

bool photo_square(struct arena *a, str bytes, int side, str *pixels)
{
    be_ready();
    VipsImage *whole = read_picture(a, bytes);
    VipsImage *square = whole && pixels ? cut_square(a, whole, side) : NULL;
    size_t size = 0;
    void *made = square ? vips_image_write_to_memory(square, &size) : NULL;
    bool is_square = made && size == 3 * (size_t)side * (size_t)side;
    if (is_square)
        *pixels = str_dup(a, (str){made, size});
    g_free(made);
    vips_error_clear();
    return pixels ? is_square : whole != NULL;
}
