#include "tests/sandbox/draw.h"

#include <jpeglib.h>
#include <math.h>
#include <openssl/sha.h>
#include <pango/pangocairo.h>

enum { SHAPES = 14, JPEG_QUALITY = 90, WORDS_SHOWN = 400 };

/* -- chance that always falls the same way for the same picture -- */

struct dice {
    uint64_t state;
};

static struct dice dice_of(struct arena *a, const struct drawing *drawing)
{
    str described = str_printf(a, STR_FMT "\n%" PRId64 "\n%d", STR_ARG(drawing->words),
                               drawing->seed, drawing->number);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)described.ptr, described.len, digest);

    struct dice dice;
    memcpy(&dice.state, digest, sizeof dice.state);
    return dice;
}

/* From 0 up to, not including, 1. A linear congruence is plenty for colours. */
static double dice_roll(struct dice *dice)
{
    dice->state = dice->state * 6364136223846793005U + 1442695040888963407U;
    return (double)(dice->state >> 33) / (double)(1U << 31);
}

struct colour {
    double red, green, blue;
};

/* Hue, saturation and value, each 0 … 1. */
static struct colour colour_of(double hue, double saturation, double value)
{
    double sixth = hue * 6;
    double chroma = value * saturation;
    double middle = chroma * (1 - fabs(fmod(sixth, 2) - 1));
    double low = value - chroma;
    double high = chroma + low;
    middle += low;

    switch ((int)sixth % 6) {
    case 0:
        return (struct colour){high, middle, low};
    case 1:
        return (struct colour){middle, high, low};
    case 2:
        return (struct colour){low, high, middle};
    case 3:
        return (struct colour){low, middle, high};
    case 4:
        return (struct colour){middle, low, high};
    default:
        return (struct colour){high, low, middle};
    }
}

/* -- the parts of a picture -- */

static void draw_background(cairo_t *cairo, const struct drawing *d, struct dice *dice, double hue)
{
    struct colour top = colour_of(hue, 0.55, 0.95);
    struct colour bottom = colour_of(fmod(hue + 0.15 + 0.3 * dice_roll(dice), 1), 0.7, 0.45);

    cairo_pattern_t *gradient = cairo_pattern_create_linear(0, 0, 0, d->height);
    cairo_pattern_add_color_stop_rgb(gradient, 0, top.red, top.green, top.blue);
    cairo_pattern_add_color_stop_rgb(gradient, 1, bottom.red, bottom.green, bottom.blue);
    cairo_set_source(cairo, gradient);
    cairo_paint(cairo);
    cairo_pattern_destroy(gradient);
}

static void draw_shapes(cairo_t *cairo, const struct drawing *d, struct dice *dice, double hue)
{
    double least_side = fmin(d->width, d->height);
    for (int i = 0; i < SHAPES; i++) {
        struct colour c = colour_of(fmod(hue + dice_roll(dice) * 0.5, 1), 0.6, 0.9);
        double x = dice_roll(dice) * d->width;
        double y = dice_roll(dice) * d->height;
        double size = least_side * (0.05 + 0.2 * dice_roll(dice));

        cairo_set_source_rgba(cairo, c.red, c.green, c.blue, 0.35);
        if (dice_roll(dice) < 0.5)
            cairo_arc(cairo, x, y, size, 0, 2 * M_PI);
        else
            cairo_rectangle(cairo, x - size, y - size / 2, size * 2, size);
        cairo_fill(cairo);
    }
}

/* -- faces -- */

static cairo_surface_t *surface_of(const struct draw_face *face)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, face->side,
                                                          face->side);
    unsigned char *rows = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    cairo_surface_flush(surface);
    for (int y = 0; y < face->side; y++)
        for (int x = 0; x < face->side; x++) {
            const unsigned char *from = face->pixels + 3 * ((ptrdiff_t)y * face->side + x);
            uint32_t pixel = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
            memcpy(rows + (ptrdiff_t)y * stride + 4 * (ptrdiff_t)x, &pixel, sizeof pixel);
        }
    cairo_surface_mark_dirty(surface);
    return surface;
}

/* Head and shoulders of nobody. The circle around them is the clip. */
static void draw_stranger(cairo_t *cairo, double x, double y, double radius)
{
    cairo_set_source_rgb(cairo, 0.75, 0.75, 0.78);
    cairo_paint(cairo);
    cairo_set_source_rgb(cairo, 0.35, 0.35, 0.4);
    cairo_arc(cairo, x, y - radius * 0.15, radius * 0.35, 0, 2 * M_PI);
    cairo_fill(cairo);
    cairo_arc(cairo, x, y + radius, radius * 0.7, 0, 2 * M_PI);
    cairo_fill(cairo);
}

static void draw_face(cairo_t *cairo, const struct draw_face *face, double x, double y,
                      double radius)
{
    cairo_save(cairo);
    cairo_arc(cairo, x, y, radius, 0, 2 * M_PI);
    cairo_clip(cairo);
    if (face->pixels) {
        cairo_surface_t *surface = surface_of(face);
        cairo_translate(cairo, x - radius, y - radius);
        cairo_scale(cairo, 2 * radius / face->side, 2 * radius / face->side);
        cairo_set_source_surface(cairo, surface, 0, 0);
        cairo_paint(cairo);
        cairo_surface_destroy(surface);
    } else {
        draw_stranger(cairo, x, y, radius);
    }
    cairo_restore(cairo);

    cairo_arc(cairo, x, y, radius, 0, 2 * M_PI);
    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_set_line_width(cairo, fmax(radius / 20, 1));
    cairo_stroke(cairo);
}

/* Side by side, as large as the middle half of the picture lets them be. */
static void draw_faces(cairo_t *cairo, const struct drawing *d)
{
    if (!d->face_count)
        return;
    double place = d->width * 0.9 / (double)d->face_count;
    double radius = fmin(place, d->height * 0.5) / 2;
    for (size_t i = 0; i < d->face_count; i++) {
        double x = d->width * 0.05 + place * ((double)i + 0.5);
        draw_face(cairo, &d->faces[i], x, d->height * 0.52, radius);
    }
}

/* -- words -- */

static PangoLayout *layout_of(struct arena *a, cairo_t *cairo, str text, double width,
                              double pixels)
{
    PangoFontDescription *font = pango_font_description_from_string("DejaVu Sans Bold");
    pango_font_description_set_absolute_size(font, pixels * PANGO_SCALE);

    PangoLayout *layout = pango_cairo_create_layout(cairo);
    pango_layout_set_font_description(layout, font);
    pango_layout_set_width(layout, (int)(width * PANGO_SCALE));
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
    pango_layout_set_text(layout, cstr(a, text), -1);
    pango_font_description_free(font);
    return layout;
}

/* Draws text at a corner with a dark edge, readable on any background. */
static void draw_text(cairo_t *cairo, PangoLayout *layout, double x, double y)
{
    cairo_move_to(cairo, x + 2, y + 2);
    cairo_set_source_rgba(cairo, 0, 0, 0, 0.6);
    pango_cairo_show_layout(cairo, layout);
    cairo_move_to(cairo, x, y);
    cairo_set_source_rgb(cairo, 1, 1, 1);
    pango_cairo_show_layout(cairo, layout);
}

static void draw_words(struct arena *a, cairo_t *cairo, const struct drawing *d)
{
    double margin = d->width * 0.06;
    double pixels = fmin(d->width, d->height) / 18.0;
    str words = str_clip_points(a, d->words, WORDS_SHOWN);

    PangoLayout *layout = layout_of(a, cairo, words, d->width - 2 * margin, pixels);
    double most_height = d->height * (d->face_count ? 0.2 : 0.7); /* faces stay free of words */
    pango_layout_set_height(layout, (int)(most_height * PANGO_SCALE));
    draw_text(cairo, layout, margin, margin);
    g_object_unref(layout);

    str below = str_printf(a, "seed %" PRId64 "  #%d\n" STR_FMT "  %d×%d", d->seed, d->number,
                           STR_ARG(d->caption), d->width, d->height);
    layout = layout_of(a, cairo, below, d->width - 2 * margin, pixels * 0.7);
    pango_layout_set_height(layout, -2);
    draw_text(cairo, layout, margin, d->height - margin - pixels * 2);
    g_object_unref(layout);
}

static void draw_all(struct arena *a, cairo_t *cairo, const struct drawing *d)
{
    struct dice dice = dice_of(a, d);
    double hue = dice_roll(&dice);
    draw_background(cairo, d, &dice, hue);
    draw_shapes(cairo, d, &dice, hue);
    draw_faces(cairo, d);
    draw_words(a, cairo, d);
}

/* -- writing it down -- */

static cairo_status_t take_bytes(void *owner, const unsigned char *bytes, unsigned length)
{
    buf_add(owner, (str){(const char *)bytes, length});
    return CAIRO_STATUS_SUCCESS;
}

/* A row of cairo's is 32 bits a pixel, in the order of the machine. */
static void unpack_row(const unsigned char *row, int width, JSAMPLE *out)
{
    for (int x = 0; x < width; x++) {
        uint32_t pixel;
        memcpy(&pixel, row + 4 * x, sizeof pixel);
        out[3 * x] = (JSAMPLE)(pixel >> 16);
        out[3 * x + 1] = (JSAMPLE)(pixel >> 8);
        out[3 * x + 2] = (JSAMPLE)pixel;
    }
}

static str write_jpeg(struct arena *a, cairo_surface_t *surface, const struct drawing *d)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *made = NULL;
    unsigned long made_bytes = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &made, &made_bytes);
    jpeg.image_width = (JDIMENSION)d->width;
    jpeg.image_height = (JDIMENSION)d->height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, JPEG_QUALITY, TRUE);
    jpeg_start_compress(&jpeg, TRUE);

    const unsigned char *pixels = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    JSAMPLE *row = NEW_ARRAY(a, JSAMPLE, 3 * d->width);
    for (int y = 0; y < d->height; y++) {
        unpack_row(pixels + (ptrdiff_t)y * stride, d->width, row);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);

    str copy = str_dup(a, (str){(const char *)made, made_bytes});
    free(made);
    return copy;
}

/* Fontconfig keeps its tables until the process ends and calls that no leak. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig";
}

str draw_picture(struct arena *a, const struct drawing *d, enum draw_format format)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, d->width, d->height);
    cairo_t *cairo = cairo_create(surface);
    if (d->is_black)
        cairo_paint(cairo);
    else
        draw_all(a, cairo, d);
    cairo_destroy(cairo);
    cairo_surface_flush(surface);

    struct buf png = buf_new(a);
    str made;
    if (format == DRAW_JPEG) {
        made = write_jpeg(a, surface, d);
    } else {
        cairo_surface_write_to_png_stream(surface, take_bytes, &png);
        made = buf_str(&png);
    }
    cairo_surface_destroy(surface);
    return made;
}
