/*
 * numbers.h - numbers as operators and admins read them. In English, without
 * HTML; times are UTC.
 */
#pragma once
#include "core/str.h"

str number_duration(struct arena *a, int64_t ms); /* 420 ms, 12 s, 3 min, 2 h 5 min, 4 d 6 h */
str number_size(struct arena *a, int64_t bytes);  /* 1.6 MiB */
str number_grouped(struct arena *a, int64_t n);   /* groups of three, a narrow space between them */
str number_dollars(struct arena *a, int64_t microdollars); /* $8.12, to the nearest cent */
str number_time(struct arena *a, int64_t unix_ms);         /* 21 Nov 08:46:10 */
