#include "core/chart.h"

#include <cairo.h>
#include <math.h>

enum {
    WIDTH = 1080,
    PANEL_HEIGHT = 480,
    MARGIN = 40,
    TITLE_HEIGHT = 70,
    LABEL_HEIGHT = 60,
    SCALE_WIDTH = 90, /* what the numbers at the left take */
    TITLE_SIZE = 38,
    LABEL_SIZE = 28,
    LABEL_EVERY = 5, /* bars */
    LINES_MOST = 4,  /* of the grid */
};

struct color {
    double red, green, blue;
};

static const struct color paper = {1, 1, 1}, ink = {0.13, 0.15, 0.2}, pale = {0.45, 0.49, 0.56},
                          grid = {0.88, 0.9, 0.93};
static const struct color bar_colors[] = {
    {0.23, 0.47, 0.85},
    {0.9,  0.55, 0.16},
};

/* Where the bars of a panel stand. */
struct area {
    double left, top, width, height;
};

static void set_color(cairo_t *cairo, struct color c)
{
    cairo_set_source_rgb(cairo, c.red, c.green, c.blue);
}

enum align { ALIGN_LEFT, ALIGN_MIDDLE, ALIGN_RIGHT };

static void put_words(cairo_t *cairo, struct arena *a, str words, double x, double y,
                      enum align align)
{
    const char *text = cstr(a, words);
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    cairo_move_to(cairo, x - extents.x_advance * align / 2, y);
    cairo_show_text(cairo, text);
}

/* -- the scale -- */

static int64_t highest(const struct chart_panel *panel)
{
    int64_t most = 0;
    for (size_t i = 0; i < panel->count; i++)
        if (panel->bars[i].value > most)
            most = panel->bars[i].value;
    return most;
}

/* Between two lines of the grid: 1, 2 or 5 of some power of ten, and few enough lines. */
static int64_t grid_step(int64_t most)
{
    static const int64_t steps[] = {1, 2, 5};
    for (int64_t power = 1;; power *= 10)
        for (size_t i = 0; i < ARRAY_LEN(steps); i++)
            if (steps[i] * power * LINES_MOST >= most)
                return steps[i] * power;
}

/* The scale ends at a line, so that the highest bar never leaves it. */
static int64_t grid_end(int64_t most, int64_t step)
{
    return most ? (most + step - 1) / step * step : step;
}

static void draw_grid(cairo_t *cairo, struct arena *a, const struct area *area, int64_t step,
                      int64_t end)
{
    cairo_set_font_size(cairo, LABEL_SIZE);
    cairo_set_line_width(cairo, 2);
    for (int64_t value = 0; value <= end; value += step) {
        double y = area->top + area->height * (1 - (double)value / (double)end);
        set_color(cairo, grid);
        cairo_move_to(cairo, area->left, y);
        cairo_line_to(cairo, area->left + area->width, y);
        cairo_stroke(cairo);
        set_color(cairo, pale);
        put_words(cairo, a, str_printf(a, "%" PRId64, value), area->left - 14, y + 10, ALIGN_RIGHT);
    }
}

/* -- the bars -- */

static void draw_bars(cairo_t *cairo, struct arena *a, const struct area *area,
                      const struct chart_panel *panel, int64_t end, struct color color)
{
    double step = area->width / (double)panel->count, width = step * 0.7;
    for (size_t i = 0; i < panel->count; i++) {
        const struct chart_bar *bar = &panel->bars[i];
        double height = area->height * (double)bar->value / (double)end;
        double left = area->left + step * (double)i + (step - width) / 2;
        set_color(cairo, color);
        cairo_rectangle(cairo, left, area->top + area->height - height, width, height);
        cairo_fill(cairo);
        /* Counted from the end: today always has its label. */
        if ((panel->count - 1 - i) % LABEL_EVERY == 0) {
            set_color(cairo, pale);
            put_words(cairo, a, bar->label, left + width / 2, area->top + area->height + 42,
                      ALIGN_MIDDLE);
        }
    }
}

static void draw_panel(cairo_t *cairo, struct arena *a, const struct chart_panel *panel, double top,
                       struct color color)
{
    const struct area area = {
        .left = MARGIN + SCALE_WIDTH,
        .top = top + TITLE_HEIGHT,
        .width = WIDTH - 2 * MARGIN - SCALE_WIDTH,
        .height = PANEL_HEIGHT - TITLE_HEIGHT - LABEL_HEIGHT,
    };
    set_color(cairo, ink);
    cairo_set_font_size(cairo, TITLE_SIZE);
    put_words(cairo, a, panel->title, MARGIN, top + TITLE_HEIGHT - 30, ALIGN_LEFT);
    int64_t most = highest(panel), step = grid_step(most), end = grid_end(most, step);
    draw_grid(cairo, a, &area, step, end);
    draw_bars(cairo, a, &area, panel, end, color);
}

static cairo_status_t keep_bytes(void *closure, const unsigned char *bytes, unsigned length)
{
    buf_add(closure, (str){(const char *)bytes, length});
    return CAIRO_STATUS_SUCCESS;
}

/* Fontconfig keeps its tables until the process ends and calls that no leak. Weak, because the sandbox
 * draws too and says the same. */
__attribute__((weak)) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig";
}

str chart_png(struct arena *a, const struct chart_panel *panels, size_t count)
{
    int height = (int)count * PANEL_HEIGHT + 2 * MARGIN;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, height);
    cairo_t *cairo = cairo_create(surface);
    cairo_select_font_face(cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    set_color(cairo, paper);
    cairo_paint(cairo);
    for (size_t i = 0; i < count; i++)
        draw_panel(cairo, a, &panels[i], MARGIN + (double)(i * PANEL_HEIGHT),
                   bar_colors[i % ARRAY_LEN(bar_colors)]);
    cairo_destroy(cairo);
    struct buf png = buf_new(a);
    cairo_status_t status = cairo_surface_write_to_png_stream(surface, keep_bytes, &png);
    assert(status == CAIRO_STATUS_SUCCESS); /* it fails for want of memory alone */
    (void)status;
    cairo_surface_destroy(surface);
    return buf_str(&png);
}
