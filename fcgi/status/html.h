/*
 * html.h - the pieces of HTML that the status page is made of: sections,
 * tables, tiles, charts, forms, and the list of concerns at the top. Text is escaped on its
 * way in.
 *
 *     struct table t = TABLE(p, columns);
 *     cell_text(&t, name);
 *     cell_number(&t, count);        // a row is as many cells as there are columns
 *     table_end(&t);
 */
#pragma once
#include "status/figures.h"

enum level { LEVEL_OK, LEVEL_UNUSED, LEVEL_GONE, LEVEL_LATE, LEVEL_DOWN };

struct page {
    struct arena *arena;
    const struct figures *figures; /* of the page /status; NULL on the others */
    str csrf;                      /* empty: nothing can be changed now, so there are no forms */
    int64_t now_ms;
    struct buf body;
    struct buf concerns; /* items of the list at the top */
    int concern_count;
    bool is_down;
};

void page_put(struct page *p, str html);
void page_put_text(struct page *p, str text);
/* where: the id of the section that tells more. */
void page_concern(struct page *p, enum level level, const char *where, str words);
void page_section(struct page *p, const char *id, const char *title);
void page_section_end(struct page *p);
void page_badge(struct page *p, enum level level, const char *word);
/* In place of a table without rows. */
void page_none(struct page *p, const char *words);
void page_tile(struct page *p, const char *title, str value, str note);

/* Bars from left to right. */
struct bar {
    int64_t value, bad; /* bad: how much of it is no good */
    str title;          /* "08:00 UTC: 12" */
};
/* words: what is drawn, for those who do not see it. */
void page_bars(struct page *p, const struct bar *bars, size_t count, str words);

/* The way to the next page of a list: what is behind `before`. */
void page_older(struct page *p, const char *where, int64_t before, const char *words);

/* A POST with the token of the session: fields that are not seen, and a button. about: what the
 * button is for where several say the same; may be empty. Nothing while nothing can be changed. */
void page_form(struct page *p, const char *action, const char *button, str about,
               const struct kv *hidden);
/* The same with fields to fill in between the two. */
void page_form_begin(struct page *p, const char *action, const struct kv *hidden);
void page_form_end(struct page *p, const char *button);
/* attributes: of the input element, ours. */
void page_field(struct page *p, const char *label, const char *name, const char *attributes,
                str value);

/* LONG may be broken anywhere and takes the room that the others leave. */
enum form { WORDS, NUMBER, LONG };

struct column {
    const char *title;
    enum form form;
};

/* A narrow screen shows each row as a card, so the cells repeat their column's title; a small table
 * of numbers stays one. */
struct table {
    struct page *page;
    const struct column *columns;
    size_t count, at;
};

#define TABLE(page, columns) table_begin((page), (columns), ARRAY_LEN(columns))
struct table table_begin(struct page *p, const struct column *columns, size_t count);
void table_end(struct table *t);

/* A whole section: a table with what `put` makes of each row, or that there is none. */
typedef void put_row(struct table *t, const struct rows *rows, int i);
#define ROWS_SECTION(page, id, title, columns, rows, put)                                          \
    page_rows((page), (id), (title), (columns), ARRAY_LEN(columns), (rows), (put))
void page_rows(struct page *p, const char *id, const char *title, const struct column *columns,
               size_t count, const struct rows *rows, put_row *put);

void cell_begin(struct table *t); /* what is put between these two is the cell */
void cell_end(struct table *t);
void cell_text(struct table *t, str text);
void cell_number(struct table *t, int64_t n);
void cell_duration(struct table *t, int64_t ms);
void cell_ago(struct table *t, int64_t unix_ms);
void cell_level(struct table *t, enum level level);
void cell_id(struct table *t, str uuid);
void cell_user(struct table *t, int64_t user_id); /* leads to the page of the user; 0: nobody's */
/* What can be done about a job in the columns id and state; user_id: the page that it is done from is
 * that user's, 0: it is the overview. */
void cell_job_forms(struct table *t, const struct rows *jobs, int i, int64_t user_id);
