#include "core/numbers.h"

#include <time.h>

str number_grouped(struct arena *a, int64_t n)
{
    struct buf digits = buf_new(a), grouped = buf_new(a);
    buf_add_i64(&digits, n);
    str s = buf_str(&digits);
    for (size_t i = 0; i < s.len; i++) {
        bool is_inside = i > 0 && s.ptr[i - 1] != '-';
        if (is_inside && (s.len - i) % 3 == 0)
            buf_add(&grouped, S("\u202f"));
        if (s.ptr[i] == '-')
            buf_add(&grouped, S("\u2212"));
        else
            buf_add_char(&grouped, s.ptr[i]);
    }
    return buf_str(&grouped);
}

/* "2 h 5 min", and "2 h" when there is nothing of the smaller unit. */
static str two_units(struct arena *a, int64_t large, const char *unit, int64_t small,
                     const char *small_unit)
{
    if (small == 0)
        return str_printf(a, "%" PRId64 " %s", large, unit);
    return str_printf(a, "%" PRId64 " %s %" PRId64 " %s", large, unit, small, small_unit);
}

str number_duration(struct arena *a, int64_t ms)
{
    int64_t s = ms / 1000, minutes = s / 60, hours = minutes / 60, days = hours / 24;
    if (ms < 1000)
        return str_printf(a, "%" PRId64 " ms", ms < 0 ? 0 : ms);
    if (s < 60)
        return str_printf(a, "%" PRId64 " s", s);
    if (minutes < 60)
        return str_printf(a, "%" PRId64 " min", minutes);
    if (hours < 24)
        return two_units(a, hours, "h", minutes % 60, "min");
    return two_units(a, days, "d", hours % 24, "h");
}

str number_size(struct arena *a, int64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024)
        return str_printf(a, "%" PRId64 " B", bytes);
    double amount = (double)bytes / 1024;
    size_t unit = 0;
    for (; amount >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
        amount /= 1024;
    return str_printf(a, amount < 10 ? "%.1f %s" : "%.0f %s", amount, units[unit]);
}

str number_dollars(struct arena *a, int64_t microdollars)
{
    enum { MICRODOLLARS_OF_CENT = 10 * 1000, CENTS_OF_DOLLAR = 100 };
    int64_t cents = (microdollars + MICRODOLLARS_OF_CENT / 2) / MICRODOLLARS_OF_CENT;
    return str_printf(a, "$" STR_FMT ".%02" PRId64,
                      STR_ARG(number_grouped(a, cents / CENTS_OF_DOLLAR)), cents % CENTS_OF_DOLLAR);
}

static struct tm utc(int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm = {0};
    gmtime_r(&seconds, &tm);
    return tm;
}

str number_time(struct arena *a, int64_t unix_ms)
{
    char text[40];
    struct tm tm = utc(unix_ms);
    strftime(text, sizeof text, "%e %b %H:%M:%S", &tm);
    return str_dup(a, str_trim(str_from(text)));
}
