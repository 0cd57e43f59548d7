/*
 * html.h - the pieces of HTML that the status page is made of: sections,
 * tables, tiles, and the list of concerns at the top. Text is escaped on its
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
    const struct figures *figures;
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

void cell_begin(struct table *t); /* what is put between these two is the cell */
void cell_end(struct table *t);
void cell_text(struct table *t, str text);
void cell_number(struct table *t, int64_t n);
void cell_duration(struct table *t, int64_t ms);
void cell_ago(struct table *t, int64_t unix_ms);
void cell_level(struct table *t, enum level level);
void cell_id(struct table *t, str uuid);
