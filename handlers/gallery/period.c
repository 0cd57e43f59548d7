#include "handlers/gallery/period.h"

#include <time.h>

enum {
    DAY_S = 24 * 60 * 60,
    WEEK_DAYS = 7,
    MONTH_DAYS = 30,
    THURSDAY = 3, /* 1970-01-01 was one */
};

/* ---------------------------------------------------------------- days */

int64_t day_number(struct day day)
{
    struct tm tm = {.tm_year = day.year - 1900, .tm_mon = day.month - 1, .tm_mday = day.day};
    return timegm(&tm) / DAY_S;
}

struct day day_of(int64_t number)
{
    time_t at = (time_t)(number * DAY_S);
    struct tm tm;
    gmtime_r(&at, &tm);
    return (struct day){tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday};
}

int day_of_week(int64_t number)
{
    return (int)((number + THURSDAY) % WEEK_DAYS);
}

int64_t day_at(int64_t now_ms, int utc_offset_minutes)
{
    return (now_ms / 1000 + (int64_t)utc_offset_minutes * 60) / DAY_S;
}

int64_t day_begins_us(int64_t number, int utc_offset_minutes)
{
    return (number * DAY_S - (int64_t)utc_offset_minutes * 60) * 1000000;
}

/* The calendar turns the 31st of February into a day of March: that one was not meant. */
static bool day_make(struct day day, int64_t *number)
{
    if (day.year < PERIOD_YEAR_FIRST || day.year > PERIOD_YEAR_LAST || day.month < 1 ||
        day.month > 12)
        return false;
    int64_t made = day_number(day);
    struct day again = day_of(made);
    if (day.day < 1 || again.day != day.day || again.month != day.month)
        return false;
    *number = made;
    return true;
}

/* Digits and nothing else, so that a sign is no number here. */
static bool number_read(str digits, int64_t *number)
{
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
    return str_to_i64(digits, number);
}

bool day_read(str digits, int64_t *number)
{
    int64_t n;
    return digits.len == strlen("20261121") && number_read(digits, &n) &&
           day_make((struct day){(int)(n / 10000), (int)(n / 100 % 100), (int)(n % 100)}, number);
}

str day_digits(struct arena *a, int64_t number)
{
    struct day day = day_of(number);
    return str_printf(a, "%04d%02d%02d", day.year, day.month, day.day);
}

bool month_read(str digits, struct day *first)
{
    int64_t n, number;
    if (digits.len != strlen("202611") || !number_read(digits, &n))
        return false;
    *first = (struct day){(int)(n / 100), (int)(n % 100), 1};
    return day_make(*first, &number);
}

/* ---------------------------------------------------------------- periods */

str period_of_days(struct arena *a, int64_t from, int64_t to)
{
    if (from > to)
        return period_of_days(a, to, from);
    return str_printf(a, STR_FMT "-" STR_FMT, STR_ARG(day_digits(a, from)),
                      STR_ARG(day_digits(a, to)));
}

/* "1.11.2026" */
static bool date_read(str typed, int64_t *number)
{
    str day, month, year, rest;
    int64_t d, m, y;
    str_cut(str_trim(typed), '.', &day, &rest);
    str_cut(rest, '.', &month, &year);
    return day.len && day.len <= 2 && month.len && month.len <= 2 && year.len == 4 &&
           number_read(day, &d) && number_read(month, &m) && number_read(year, &y) &&
           day_make((struct day){(int)y, (int)m, (int)d}, number);
}

/* The first dash parts the dates, be it short or long. */
static void cut_dates(str typed, str *from, str *to)
{
    static const char *const dashes[] = {"–", "—", "-"};
    *from = *to = typed;
    for (size_t i = 0; i < ARRAY_LEN(dashes); i++) {
        str dash = str_from(dashes[i]);
        size_t at;
        if (!str_find(typed, dash, &at))
            continue;
        *from = str_sub(typed, 0, at);
        *to = str_sub(typed, at + dash.len, typed.len);
        return;
    }
}

enum period_read period_read(struct arena *a, str typed, str *period)
{
    str first, last;
    int64_t from, to;
    cut_dates(typed, &first, &last);
    if (!date_read(first, &from) || !date_read(last, &to))
        return PERIOD_NOT_DATES;
    if (to < from)
        return PERIOD_BACKWARDS;
    if (to - from >= PERIOD_DAYS_MOST)
        return PERIOD_TOO_LONG;
    *period = period_of_days(a, from, to);
    return PERIOD_OK;
}

bool period_days(str period, int64_t today, int64_t *from, int64_t *to)
{
    static const struct {
        const char *name;
        int first, last; /* days before today */
    } moving[] = {
        {"today",     0,              0},
        {"yesterday", 1,              1},
        {"week",      WEEK_DAYS - 1,  0},
        {"month",     MONTH_DAYS - 1, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(moving); i++)
        if (str_is(period, moving[i].name)) {
            *from = today - moving[i].first;
            *to = today - moving[i].last;
            return true;
        }
    str first, last;
    return str_cut(period, '-', &first, &last) && day_read(first, from) && day_read(last, to) &&
           *from <= *to && *to - *from < PERIOD_DAYS_MOST;
}
