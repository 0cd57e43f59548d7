/*
 * page.h - the HTML of the status page.
 *
 * Everything that is put in is escaped here. The pages need no script:
 * static/status.js only fetches /status again and puts the new <main> in the
 * place of the old one.
 */
#pragma once
#include "status/figures.h"

struct page_reader {
    int64_t telegram_id;
    str csrf; /* empty: the session cannot be ended now, so there is no button */
};

str page_status(struct arena *a, const struct figures *figures, const struct page_reader *reader);
/* A page that says one thing. */
str page_words(struct arena *a, str title, str words);
/* The button that consumes a link. */
str page_link(struct arena *a, str token);
