/*
 * status_page.h - the HTML of the status page.
 *
 * Everything that is put in is escaped here. The pages need no script:
 * static/status.js only fetches /status again and puts the new <main> in the
 * place of the old one.
 */
#pragma once
#include "status_figures.h"

struct page_reader {
    int64_t telegram_id;
    str csrf; /* empty: the session cannot be ended now, so there is no button */
};

str page_status(struct arena *a, const struct figures *figures, const struct page_reader *reader);
/* A page that says one thing. */
str page_words(struct arena *a, str title, str words);
/* The button that consumes a link. */
str page_link(struct arena *a, str token);

/* -- how numbers are written; for tests, too -- */

str page_duration(struct arena *a, int64_t ms); /* 420 ms · 12 s · 3 min · 2 h 5 min · 4 d 6 h */
str page_size(struct arena *a, int64_t bytes);  /* 1.6 MiB */
str page_number(struct arena *a, int64_t n);    /* groups of three, a narrow space between them */
str page_time(struct arena *a, int64_t unix_ms); /* 21 Nov 08:46:10, UTC */
