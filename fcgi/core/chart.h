/*
 * chart.h - bar charts as a PNG: panels below each other, light, and readable
 * on a phone.
 *
 * Only the worker draws: who does not call chart_png() is not linked with
 * cairo.
 */
#pragma once
#include "core/str.h"

struct chart_bar {
    str label; /* below it, where there is room */
    int64_t value;
};

struct chart_panel {
    str title;
    const struct chart_bar *bars;
    size_t count;
};

str chart_png(struct arena *a, const struct chart_panel *panels, size_t count);
