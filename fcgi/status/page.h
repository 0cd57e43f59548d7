/*
 * page.h - whole pages of HTML for admins.
 *
 * Everything that is put in is escaped here. The pages need no script:
 * static/status.js only fetches /status again and puts the new <main> in the
 * place of the old one.
 */
#pragma once
#include "status/html.h"

struct page_reader {
    int64_t telegram_id;
    str csrf; /* empty: the session is not confirmed, so nothing can be changed */
    str said; /* a word of page_said(), from the address; empty, or anything a stranger wrote there */
};

str page_status(struct arena *a, const struct figures *figures, const struct page_reader *reader);

/* The other pages: filled by what is put between the two. */
struct page page_begin(struct arena *a, const struct page_reader *reader);
/* title: of this page; where: its address in the list of pages, "/status/users". */
str page_end(struct page *p, const struct page_reader *reader, const char *title,
             const char *where);

/* A page that says one thing. */
str page_words(struct arena *a, str title, str words);
/* The way in: what to do, and Telegram's login where url is not empty. */
str page_sign_in(struct arena *a, str telegram_url);
/* The button that consumes a link. */
str page_link(struct arena *a, str token);
/* The same for what Telegram says of somebody; fields: all of it, to be sent on as it is. A fragment
 * that only the browser sees is filled in by static/login.js. */
str page_telegram(struct arena *a, const struct kv *fields);
