/*
 * period.h - whole days of a person's clock, as the gallery is filtered by.
 *
 * A period is kept as a word: "today", "yesterday", "week", "month", which
 * move on with the calendar, or "20261101-20261120", first and last day. Days
 * are counted from 1970-01-01.
 */
#pragma once
#include "core/str.h"

enum { PERIOD_DAYS_MOST = 366, PERIOD_YEAR_FIRST = 2000, PERIOD_YEAR_LAST = 2100 };

struct day {
    int year, month, day;
};

int64_t day_number(struct day day);
struct day day_of(int64_t number);
int day_of_week(int64_t number); /* 0: Monday */
int64_t day_at(int64_t now_ms, int utc_offset_minutes);

/* Digits: "20261121", and "202611" for a month. False for a day that no calendar has. */
bool day_read(str digits, int64_t *number);
str day_digits(struct arena *a, int64_t number);
bool month_read(str digits, struct day *first);

/* The word of a period of two days, in whatever order they come. */
str period_of_days(struct arena *a, int64_t from, int64_t to);
/* "01.11.2026-20.11.2026", with or without spaces, any dash; one date alone is its day. */
enum period_read { PERIOD_OK, PERIOD_NOT_DATES, PERIOD_BACKWARDS, PERIOD_TOO_LONG };
enum period_read period_read(struct arena *a, str typed, str *period);
/* The first day and the last one. False when the word is none of ours. */
bool period_days(str period, int64_t today, int64_t *from, int64_t *to);
/* Midnight of that day by the person's clock, in microseconds of Unix time. */
int64_t day_begins_us(int64_t number, int utc_offset_minutes);
