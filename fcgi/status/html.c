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
                            STR_ARG(number_duration(p->arena, p->now_ms - unix_ms))));
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

void cell_user(struct table *t, int64_t user_id)
{
    if (!user_id) {
        cell_text(t, S(""));
        return;
    }
    cell_begin(t);
    buf_addf(&t->page->body, "<a href=\"/status/user?id=%" PRId64 "\">%" PRId64 "</a>", user_id,
             user_id);
    cell_end(t);
}

void table_end(struct table *t)
{
    assert(t->at == 0);
    page_put(t->page, S("</tbody>\n</table>\n"));
}

void page_rows(struct page *p, const char *id, const char *title, const struct column *columns,
               size_t count, const struct rows *rows, put_row *put)
{
    page_section(p, id, title);
    if (!rows->count)
        page_none(p, "None.");
    else {
        struct table t = table_begin(p, columns, count);
        for (int i = 0; i < rows->count; i++)
            put(&t, rows, i);
        table_end(&t);
    }
    page_section_end(p);
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

/* Bars alone are stretched to the width there is; words beside them are HTML and keep their
 * size. */
static void put_bar(struct page *p, size_t at, int64_t value, const char *class, str title,
                    int64_t most)
{
    enum { STEP = 10, WIDTH = 8, HEIGHT = 100 };
    double height = most ? (double)value * HEIGHT / (double)most : 0;
    if (value == 0)
        height = 1; /* a time in which nothing was is a time, too */
    buf_addf(&p->body,
             "<rect class=\"%s\" x=\"%zu\" y=\"%.2f\" width=\"%d\" height=\"%.2f\"><title>", class,
             at * STEP + (STEP - WIDTH) / 2, HEIGHT - height, WIDTH, height);
    page_put_text(p, title);
    page_put(p, S("</title></rect>\n"));
}

void page_bars(struct page *p, const struct bar *bars, size_t count, str words)
{
    int64_t most = 0;
    for (size_t i = 0; i < count; i++)
        most = bars[i].value > most ? bars[i].value : most;
    buf_addf(&p->body,
             "<svg class=\"chart\" viewBox=\"0 0 %zu 100\" preserveAspectRatio=\"none\" "
             "role=\"img\" aria-label=\"" STR_FMT "\">\n",
             count * 10, STR_ARG(str_html(p->arena, words)));
    for (size_t i = 0; i < count; i++) {
        put_bar(p, i, bars[i].value, bars[i].value ? "bar" : "bar empty", bars[i].title, most);
        if (bars[i].bad)
            put_bar(p, i, bars[i].bad, "bar bad", bars[i].title, most);
    }
    page_put(p, S("</svg>\n"));
}

void page_older(struct page *p, const char *where, int64_t before, const char *words)
{
    buf_addf(&p->body, "<p><a href=\"%s?before=%" PRId64 "\">%s</a></p>\n", where, before, words);
}

/* ---------------------------------------------------------------- forms */

static void put_hidden(struct page *p, const char *name, str value)
{
    buf_addf(&p->body, "<input type=\"hidden\" name=\"%s\" value=\"" STR_FMT "\">", name,
             STR_ARG(str_html(p->arena, value)));
}

void page_form_begin(struct page *p, const char *action, const struct kv *hidden)
{
    buf_addf(&p->body, "<form method=\"post\" action=\"%s\">", action);
    put_hidden(p, "csrf", p->csrf);
    for (; hidden->name; hidden++) {
        char digits[I64_DIGITS_MOST];
        bool is_number = hidden->value.type == VAL_INT;
        put_hidden(p, hidden->name,
                   is_number ? str_of_i64(digits, hidden->value.integer) : hidden->value.string);
    }
}

void page_form_end(struct page *p, const char *button)
{
    buf_addf(&p->body, "<button>%s</button></form>\n", button);
}

void page_form(struct page *p, const char *action, const char *button, str about,
               const struct kv *hidden)
{
    if (str_empty(p->csrf))
        return;
    page_form_begin(p, action, hidden);
    buf_addf(&p->body, "<button>%s", button);
    if (!str_empty(about))
        buf_addf(&p->body, "<span class=\"unseen\"> " STR_FMT "</span>",
                 STR_ARG(str_html(p->arena, about)));
    page_put(p, S("</button></form>\n"));
}

void page_field(struct page *p, const char *label, const char *name, const char *attributes,
                str value)
{
    buf_addf(&p->body, "<label>%s <input name=\"%s\" value=\"" STR_FMT "\" %s></label>\n", label,
             name, STR_ARG(str_html(p->arena, value)), attributes);
}

/* The coins of one that is dead are back already: it was given up together with what it promised. */
void cell_job_forms(struct table *t, const struct rows *jobs, int i, int64_t user_id)
{
    struct page *p = t->page;
    str id = rows_str(jobs, i, "id"), state = rows_str(jobs, i, "state");
    str about = str_printf(p->arena, "job " STR_FMT, STR_ARG(id));
    if (str_is(state, "running")) {
        cell_text(t, S(""));
        return;
    }
    struct kv user = user_id ? KV("user", user_id) : (struct kv){0};
    cell_begin(t);
    page_put(p, S("<div class=\"actions\">"));
    page_form(p, "/status/jobs/retry", "Retry", about, KVS(KV("id", id), user));
    page_form(p, "/status/jobs/giveup", str_is(state, "dead") ? "Give up" : "Give up and refund",
              about, KVS(KV("id", id), user));
    page_put(p, S("</div>"));
    cell_end(t);
}
