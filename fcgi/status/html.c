#include "status/html.h"

#include "core/numbers.h"

enum { UUID_SHOWN = 8 }; /* enough to find the rest in the log */

/* A shape beside the word, so that colour is not all that tells them apart. */
/* clang-format off */
static const struct {
    const char *class, *sign, *word;
} levels[] = {
    [LEVEL_OK]     = {"ok",    "●", "OK"     },
    [LEVEL_UNUSED] = {"quiet", "○", "Unused" },
    [LEVEL_GONE]   = {"quiet", "○", "Gone"   },
    [LEVEL_LATE]   = {"late",  "▲", "Warning"},
    [LEVEL_DOWN]   = {"down",  "■", "Down"   },
};
/* clang-format on */

void page_put(struct page *p, str html)
{
    buf_add(&p->body, html);
}

void page_put_text(struct page *p, str text)
{
    buf_add(&p->body, str_html(p->arena, text));
}

void page_concern(struct page *p, enum level level, const char *where, str words)
{
    p->concern_count++;
    p->is_down |= level == LEVEL_DOWN;
    buf_addf(&p->concerns, "<li class=\"%s\"><a href=\"#%s\">" STR_FMT "</a></li>\n",
             levels[level].class, where, STR_ARG(str_html(p->arena, words)));
}

void page_section(struct page *p, const char *id, const char *title)
{
    buf_addf(&p->body,
             "<section id=\"%s\" aria-labelledby=\"%s-title\">\n<h2 id=\"%s-title\">%s</h2>\n", id,
             id, id, title);
}

void page_section_end(struct page *p)
{
    page_put(p, S("</section>\n"));
}

void page_none(struct page *p, const char *words)
{
    buf_addf(&p->body, "<p class=\"none\">%s</p>\n", words);
}

static const char *const form_classes[] = {
    [WORDS] = "",
    [NUMBER] = " class=\"number\"",
    [LONG] = " class=\"long\"",
};

void page_badge(struct page *p, enum level level, const char *word)
{
    buf_addf(&p->body, "<span class=\"badge %s\"><span aria-hidden=\"true\">%s</span> %s</span>",
             levels[level].class, levels[level].sign, word);
}

static bool is_all_numbers(const struct column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (columns[i].form != NUMBER)
            return false;
    return true;
}

struct table table_begin(struct page *p, const struct column *columns, size_t count)
{
    bool is_small = is_all_numbers(columns + 1, count - 1);
    page_put(p, is_small ? S("<table class=\"small\">\n<thead><tr>") : S("<table>\n<thead><tr>"));
    for (size_t i = 0; i < count; i++)
        buf_addf(&p->body, "<th scope=\"col\"%s>%s</th>", form_classes[columns[i].form],
                 columns[i].title);
    page_put(p, S("</tr></thead>\n<tbody>\n"));
    return (struct table){p, columns, count, 0};
}

void cell_begin(struct table *t)
{
    const struct column *column = &t->columns[t->at];
    if (t->at == 0)
        page_put(t->page, S("<tr>"));
    buf_addf(&t->page->body, "<td data-title=\"%s\"%s>", column->title, form_classes[column->form]);
}

void cell_end(struct table *t)
{
    page_put(t->page, S("</td>"));
    if (++t->at < t->count)
        return;
    page_put(t->page, S("</tr>\n"));
    t->at = 0;
}

void cell_text(struct table *t, str text)
{
    cell_begin(t);
    page_put_text(t->page, str_empty(text) ? S("–") : text);
    cell_end(t);
}

void cell_number(struct table *t, int64_t n)
{
    cell_text(t, number_grouped(t->page->arena, n));
}

void cell_duration(struct table *t, int64_t ms)
{
    cell_text(t, number_duration(t->page->arena, ms));
}

void cell_ago(struct table *t, int64_t unix_ms)
{
    struct page *p = t->page;
    cell_text(t, str_printf(p->arena, STR_FMT " ago",
                            STR_ARG(number_duration(p->arena, p->figures->now_ms - unix_ms))));
}

void cell_level(struct table *t, enum level level)
{
    cell_begin(t);
    page_badge(t->page, level, levels[level].word);
    cell_end(t);
}

void cell_id(struct table *t, str uuid)
{
    cell_text(t, str_sub(uuid, 0, UUID_SHOWN));
}

void table_end(struct table *t)
{
    assert(t->at == 0);
    page_put(t->page, S("</tbody>\n</table>\n"));
}

void page_tile(struct page *p, const char *title, str value, str note)
{
    buf_addf(&p->body, "<div class=\"tile\"><dt>%s</dt><dd>", title);
    page_put_text(p, value);
    page_put(p, S("</dd>"));
    if (!str_empty(note)) {
        page_put(p, S("<dd class=\"note\">"));
        page_put_text(p, note);
        page_put(p, S("</dd>"));
    }
    page_put(p, S("</div>\n"));
}
