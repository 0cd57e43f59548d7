#include "media/photo.h"

#include <vips/vips.h>

enum {
    KEPT_SIDE_PIXELS = 2048,
    KEPT_QUALITY = 92,
    SHARPNESS_SIDE_PIXELS = 512,
    HASH_WIDTH = 9,
    HASH_HEIGHT = 8,
    CHANNELS = 3,
    REHEARSAL_SIDE_PIXELS = 64,
};

/* -- getting ready -- */

/* libvips reads these once. Modules are loaders for formats that we do not take, found below
 * VIPSHOME. No machine code is made at run time, where the cage would refuse to run it; and no
 * picture is ever put in a file, however large. */
static void set_environment(void)
{
    setenv("VIPSHOME", "/nonexistent", 1);
    setenv("VIPS_NOVECTOR", "1", 1);
    setenv("VIPS_DISC_THRESHOLD", "1000g", 1);
    setenv("LC_ALL", "C", 1);
}

/* A picture of our own goes the whole way, so that classes, tables and threads exist before the
 * first request, and nobody waits for them. */
static bool rehearse(void)
{
    struct arena *a = arena_new(1 << 20);
    VipsImage *black = NULL;
    void *file = NULL;
    size_t size = 0;
    bool is_made = !vips_black(&black, REHEARSAL_SIDE_PIXELS, REHEARSAL_SIDE_PIXELS, "bands",
                               CHANNELS, NULL) &&
                   !vips_jpegsave_buffer(black, &file, &size, NULL);
    struct media_photo photo = {.refused = S("unreadable")};
    if (is_made)
        photo_read(a, (str){file, size}, &(struct media_limits){1, MEDIA_MOST_PIXELS}, &photo);
    bool is_read = str_empty(photo.refused);
    VIPS_UNREF(black);
    g_free(file);
    arena_free(a);
    return is_read;
}

bool photo_init(void)
{
    set_environment();
    if (vips_init("aisha-photo"))
        return false;
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
    vips_operation_block_set("VipsForeignLoad", TRUE);
    vips_operation_block_set("VipsForeignLoadJpeg", FALSE);
    vips_operation_block_set("VipsForeignLoadPng", FALSE);
    vips_operation_block_set("VipsForeignLoadWebp", FALSE);
    return rehearse();
}

/* -- what it is -- */

static err *refused(struct arena *a, const char *word)
{
    return fail(a, ERR_REFUSED, "%s", word);
}

static err *unreadable(struct arena *a)
{
    vips_error_clear();
    return refused(a, "unreadable");
}

static void unref(void *image)
{
    g_object_unref(image);
}

/* After each call of libvips: what it made is the arena's from here on. */
static err *made(struct arena *a, int error, VipsImage **image)
{
    if (error || !*image)
        return unreadable(a);
    arena_defer(a, unref, *image);
    return NULL;
}

static err *open_header(struct arena *a, str bytes, VipsImage **out)
{
    *out = vips_image_new_from_buffer(bytes.ptr, bytes.len, "", NULL);
    return made(a, 0, out);
}

static uint32_t big_endian(str bytes, size_t at)
{
    const unsigned char *b = (const unsigned char *)bytes.ptr + at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* An animated PNG says so in a chunk before its first picture. */
static bool png_moves(str bytes)
{
    enum { SIGNATURE_BYTES = 8, CHUNK_BYTES = 12 };
    for (size_t at = SIGNATURE_BYTES; at + CHUNK_BYTES <= bytes.len;) {
        str name = str_sub(bytes, at + 4, 4);
        if (str_eq(name, S("acTL")))
            return true;
        if (str_eq(name, S("IDAT")))
            return false;
        at += CHUNK_BYTES + (size_t)big_endian(bytes, at);
    }
    return false;
}

/* The extended header of a WebP has a bit for it. */
static bool webp_moves(str bytes)
{
    enum { FLAGS_AT = 20, ANIMATED = 2 };
    return bytes.len > FLAGS_AT && str_eq(str_sub(bytes, 12, 4), S("VP8X")) &&
           (bytes.ptr[FLAGS_AT] & ANIMATED);
}

static bool never_moves(str bytes)
{
    (void)bytes;
    return false;
}

/* The first bytes of a format, what libvips calls its loaders, and whether it is an animation. */
static const struct format {
    const char *name;
    str begins;
    size_t tag_at;
    str tag;
    str loader;
    bool (*moves)(str bytes);
} formats[] = {
    {"jpeg", S("\xff\xd8\xff"),      0, S(""),     S("VipsForeignLoadJpeg"), never_moves},
    {"png",  S("\x89PNG\r\n\x1a\n"), 0, S(""),     S("VipsForeignLoadPng"),  png_moves  },
    {"webp", S("RIFF"),              8, S("WEBP"), S("VipsForeignLoadWebp"), webp_moves },
};

static const struct format *format_of(str bytes)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        const struct format *f = &formats[i];
        if (str_starts(bytes, f->begins) && str_eq(str_sub(bytes, f->tag_at, f->tag.len), f->tag))
            return f;
    }
    return NULL;
}

static err *recognise(struct arena *a, str bytes, struct media_photo *out)
{
    const struct format *format = format_of(bytes);
    if (!format)
        return refused(a, "format");
    out->format = str_from(format->name);
    if (format->moves(bytes))
        return refused(a, "format");
    str loader = str_from(vips_foreign_find_load_buffer(bytes.ptr, bytes.len));
    if (str_empty(loader))
        return unreadable(a);
    return str_starts(loader, format->loader) ? NULL : refused(a, "format");
}

/* The sides are those of the picture held upright. */
static err *measure_sides(struct arena *a, VipsImage *header, const struct media_limits *limits,
                          struct media_photo *out)
{
    bool lies = vips_image_get_orientation_swap(header);
    out->width = lies ? header->Ysize : header->Xsize;
    out->height = lies ? header->Xsize : header->Ysize;

    int64_t pixels = (int64_t)out->width * out->height;
    if (pixels > limits->most_pixels || pixels > MEDIA_MOST_PIXELS)
        return refused(a, "too_many_pixels");
    if (out->width < limits->short_side_pixels || out->height < limits->short_side_pixels)
        return refused(a, "too_small");
    return NULL;
}

/* -- the pixels -- */

/* The profile that a picture brings along, if it is one for pictures of its sort. Without one a
 * picture is sRGB by custom; libvips would then not convert it well: dark grey gets darker. */
static bool has_profile(VipsImage *image)
{
    const void *profile;
    size_t size;
    return vips_image_get_typeof(image, VIPS_META_ICC_NAME) &&
           !vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &size) &&
           vips_icc_is_compatible_profile(image, profile, size);
}

/* Upright and no larger than what is kept. The libvips of Debian 12 forgets its own argument
 * fail_on on this way, but passes on the options of the loader. */
static err *shrink(struct arena *a, str bytes, const char *profile, VipsImage **out)
{
    void *file = (void *)(uintptr_t)bytes.ptr; /* libvips only reads it */
    int error = vips_thumbnail_buffer(file, bytes.len, out, KEPT_SIDE_PIXELS, "height",
                                      KEPT_SIDE_PIXELS, "size", VIPS_SIZE_DOWN, "option_string",
                                      "[fail_on=truncated]", "export_profile", profile, NULL);
    return made(a, error, out);
}

/* On white where it is transparent. */
static err *make_opaque(struct arena *a, VipsImage *image, VipsImage **out)
{
    *out = image;
    if (!vips_image_hasalpha(image))
        return NULL;
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    int error = vips_flatten(image, out, "background", white, NULL);
    vips_area_unref(VIPS_AREA(white));
    return made(a, error, out);
}

/* Three channels of a byte each, in sRGB. This only says what is to be done: libvips decodes when
 * the pixels are asked for. */
static err *decode(struct arena *a, str bytes, VipsImage *header, VipsImage **out)
{
    VipsImage *small = NULL, *colours = NULL, *opaque = NULL;
    TRY(shrink(a, bytes, has_profile(header) ? "srgb" : NULL, &small));
    TRY(made(a, vips_colourspace(small, &colours, VIPS_INTERPRETATION_sRGB, NULL), &colours));
    TRY(make_opaque(a, colours, &opaque));
    TRY(made(a, vips_cast_uchar(opaque, out, NULL), out));
    return (*out)->Bands == CHANNELS ? NULL : unreadable(a);
}

/* A new picture of these pixels, to which nothing else of the old one clings. */
static err *copy_pixels(struct arena *a, VipsImage *image, VipsImage **out)
{
    size_t size;
    void *pixels = vips_image_write_to_memory(image, &size);
    if (!pixels)
        return unreadable(a);
    arena_defer(a, g_free, pixels);
    VipsImage *bare = vips_image_new_from_memory(pixels, size, image->Xsize, image->Ysize, CHANNELS,
                                                 VIPS_FORMAT_UCHAR);
    TRY(made(a, 0, &bare));
    int error = vips_copy(bare, out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
    return made(a, error, out);
}

/* -- measures -- */

static double mean_of(double sum, double count)
{
    return count > 0 ? sum / count : 0;
}

static double variance_of(double sum, double squares, double count)
{
    double mean = mean_of(sum, count), variance = mean_of(squares, count) - mean * mean;
    return variance > 0 ? variance : 0;
}

static void measure_light(VipsImage *image, struct media_photo *out)
{
    const unsigned char *pixels = vips_image_get_data(image);
    size_t count = (size_t)vips_image_get_width(image) * (size_t)vips_image_get_height(image);
    uint64_t sum[CHANNELS] = {0}, squares[CHANNELS] = {0};
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < CHANNELS; c++) {
            uint32_t value = pixels[i * CHANNELS + c];
            sum[c] += value;
            squares[c] += value * value;
        }
    for (size_t c = 0; c < CHANNELS; c++) {
        out->brightness += mean_of((double)sum[c], (double)count) / CHANNELS;
        out->contrast += sqrt(variance_of((double)sum[c], (double)squares[c], (double)count)) /
                         CHANNELS;
    }
}

/* The picture in grey and smaller, a byte a pixel. */
static err *shrink_grey(struct arena *a, VipsImage *image, int width, int height, VipsSize size,
                        VipsImage **out)
{
    VipsImage *small = NULL, *grey = NULL;
    int error = vips_thumbnail_image(image, &small, width, "height", height, "size", size, NULL);
    TRY(made(a, error, &small));
    TRY(made(a, vips_colourspace(small, &grey, VIPS_INTERPRETATION_B_W, NULL), &grey));
    *out = vips_image_copy_memory(grey);
    return made(a, 0, out);
}

static const unsigned char *row_of(VipsImage *grey, int y)
{
    const unsigned char *pixels = vips_image_get_data(grey);
    return pixels + (size_t)y * (size_t)grey->Xsize;
}

/* A blurred picture has no edges, and its Laplacian is flat. At a fixed size, because every
 * photo is soft when it is looked at closely enough. */
static err *measure_sharpness(struct arena *a, VipsImage *image, struct media_photo *out)
{
    VipsImage *grey = NULL;
    TRY(shrink_grey(a, image, SHARPNESS_SIDE_PIXELS, SHARPNESS_SIDE_PIXELS, VIPS_SIZE_DOWN, &grey));
    double sum = 0, squares = 0, count = 0;
    for (int y = 1; y + 1 < grey->Ysize; y++) {
        const unsigned char *row = row_of(grey, y);
        const unsigned char *above = row_of(grey, y - 1);
        const unsigned char *below = row_of(grey, y + 1);
        for (int x = 1; x + 1 < grey->Xsize; x++) {
            double edge = above[x] + below[x] + row[x - 1] + row[x + 1] - 4 * row[x];
            sum += edge;
            squares += edge * edge;
            count++;
        }
    }
    out->sharpness = variance_of(sum, squares, count);
    return NULL;
}

/* dHash: one bit for each pixel of a tiny grey picture that is darker than its right neighbour. */
static err *measure_hash(struct arena *a, VipsImage *image, struct media_photo *out)
{
    VipsImage *grey = NULL;
    TRY(shrink_grey(a, image, HASH_WIDTH, HASH_HEIGHT, VIPS_SIZE_FORCE, &grey));
    for (int y = 0; y < HASH_HEIGHT; y++) {
        const unsigned char *row = row_of(grey, y);
        for (int x = 0; x + 1 < HASH_WIDTH; x++)
            out->hash = out->hash << 1 | (row[x] < row[x + 1]);
    }
    return NULL;
}

static err *encode(struct arena *a, VipsImage *image, struct media_photo *out)
{
    void *file = NULL;
    size_t size = 0;
    if (vips_jpegsave_buffer(image, &file, &size, "Q", KEPT_QUALITY, "strip", TRUE, NULL))
        return unreadable(a);
    arena_defer(a, g_free, file);
    out->jpeg = (str){file, size};
    return NULL;
}

static err *take(struct arena *a, str bytes, const struct media_limits *limits,
                 struct media_photo *out)
{
    VipsImage *header = NULL, *image = NULL, *bare = NULL;
    TRY(recognise(a, bytes, out));
    TRY(open_header(a, bytes, &header));
    TRY(measure_sides(a, header, limits, out));
    TRY(decode(a, bytes, header, &image));
    TRY(copy_pixels(a, image, &bare));
    measure_light(bare, out);
    TRY(measure_sharpness(a, bare, out));
    TRY(measure_hash(a, bare, out));
    return encode(a, bare, out);
}

void photo_read(struct arena *a, str bytes, const struct media_limits *limits,
                struct media_photo *out)
{
    *out = (struct media_photo){0};
    const err *e = take(a, bytes, limits, out);
    if (e) {
        out->refused = e->message;
        out->jpeg = (str){0};
    }
}
