#include <time.h>

#include "core/json.h"
#include "core/numbers.h"
#include "db/promo.h"
#include "status/visit.h"

enum {
    PROMOS_SHOWN = 100,
    MOST_USES = 1000000000,
    DAY_MS = 24 * 3600 * 1000,
    DAY_TEXT_BYTES = 16,
};

/* ---------------------------------------------------------------- the page */

static str day_text(struct arena *a, int64_t unix_ms)
{
    char text[DAY_TEXT_BYTES];
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    if (!unix_ms)
        return S("");
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%d", &tm);
    return str_dup(a, str_from(text));
}

static str amount_text(struct arena *a, const struct promo_terms *terms)
{
    return str_printf(a, "%s%" PRId64 "%s", terms->kind == PROMO_BALANCE ? "" : "+", terms->amount,
                      terms->kind == PROMO_PERCENT ? " %" : " coins");
}

static str limit_text(struct arena *a, int64_t limit)
{
    return limit ? number_grouped(a, limit) : S("any");
}

static void stop_cell(struct table *t, const struct promo_row *row)
{
    cell_begin(t);
    if (str_eq(row->state, S("stopped")))
        page_put(t->page, S("–"));
    else
        page_form(t->page, "/status/promos/stop", "Stop", row->terms.code,
                  KVS(KV("code", row->terms.code)));
    cell_end(t);
}

static void promo_table(struct page *p, const struct promo_row *rows, size_t count)
{
    static const struct column columns[] = {
        {"Code",     LONG  },
        {"Gives",    WORDS },
        {"Uses",     NUMBER},
        {"Limit",    NUMBER},
        {"Per user", NUMBER},
        {"From",     WORDS },
        {"Last day", WORDS },
        {"State",    WORDS },
        {"What now", WORDS }
    };
    struct arena *a = p->arena;
    struct table t = TABLE(p, columns);
    for (size_t i = 0; i < count; i++) {
        const struct promo_terms *terms = &rows[i].terms;
        cell_text(&t, terms->code);
        cell_text(&t, amount_text(a, terms));
        cell_number(&t, rows[i].uses);
        cell_text(&t, limit_text(a, terms->limit));
        cell_text(&t, limit_text(a, terms->limit_per_user));
        cell_text(&t, day_text(a, terms->from_ms));
        cell_text(&t, day_text(a, terms->until_ms ? terms->until_ms - 1 : 0));
        cell_text(&t, rows[i].state);
        stop_cell(&t, &rows[i]);
    }
    table_end(&t);
}

static void make_form(struct page *p)
{
    if (str_empty(p->csrf))
        return;
    page_section(p, "make", "Make a code");
    page_put(p, S("<div class=\"fields\">"));
    page_form_begin(p, "/status/promos/make", KVS());
    page_field(p, "Code", "code",
               "required minlength=\"3\" maxlength=\"40\" pattern=\"[A-Za-z0-9_\\-]+\"", S(""));
    page_put(
        p, S("<label>Kind <select name=\"kind\"><option value=\"balance\">coins at once</option>"
             "<option value=\"bonus\">coins with the next purchase</option>"
             "<option value=\"percent\">percent of the next purchase</option></select></label>\n"));
    page_field(p, "Coins or percent", "amount",
               "type=\"number\" min=\"1\" max=\"1000000\" required", S(""));
    page_field(p, "Uses in all, 0 for any number", "limit", "type=\"number\" min=\"0\"", S("0"));
    page_field(p, "Uses of one person", "per_user", "type=\"number\" min=\"0\"", S("1"));
    page_field(p, "From, a day in UTC", "from", "type=\"date\"", S(""));
    page_field(p, "Until the end of", "until", "type=\"date\"", S(""));
    page_form_end(p, "Make");
    page_put(p, S("</div>\n"));
    page_section_end(p);
}

/* Letters in either case name the same code. */
static str upper(struct arena *a, str s)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        buf_add_char(&b, c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
    return buf_str(&b);
}

static err *read_promos(struct visit *v, str code, struct promo_row **rows, size_t *count)
{
    struct db *db = db_new(v->bot->status_pool, v->arena);
    if (str_empty(code))
        return promo_list(db, v->arena, visit_number(request_query(v->request, "before")),
                          PROMOS_SHOWN, rows, count);
    *rows = NEW(v->arena, struct promo_row);
    *count = 0;
    if (!is_promo_code(code))
        return NULL;
    err *e = promo_find(db, v->arena, code, *rows);
    *count = !e;
    return err_is_not_found(e) ? NULL : e;
}

static void find_form(struct page *p, str code)
{
    page_put(p,
             S("<form method=\"get\" action=\"/status/promos\" class=\"fields\" role=\"search\">"));
    page_field(p, "Code", "q", "type=\"search\" maxlength=\"40\"", code);
    page_form_end(p, "Find");
}

err *page_promos(struct visit *v, str *html)
{
    struct promo_row *rows;
    size_t count;
    str code = upper(v->arena, str_trim(request_query(v->request, "q")));
    if (!str_is_utf8(code))
        code = S("");
    TRY(read_promos(v, code, &rows, &count));
    struct page p = page_begin(v->arena, &v->reader);
    page_section(&p, "promos", str_empty(code) ? "Codes, newest first" : "Found");
    find_form(&p, code);
    if (!count)
        page_none(&p, "None.");
    else
        promo_table(&p, rows, count);
    if (count == PROMOS_SHOWN)
        page_older(&p, "/status/promos", rows[count - 1].id, "Older codes");
    page_section_end(&p);
    make_form(&p);
    *html = page_end(&p, &v->reader, "Promo codes", "/status/promos");
    return NULL;
}

/* ---------------------------------------------------------------- changing */

static bool read_count(struct visit *v, const char *name, int64_t *out)
{
    return str_to_i64(request_form(v->request, name), out) && *out >= 0 && *out <= MOST_USES;
}

/* An empty day is none. The last day is a part of it. */
static bool read_day(struct visit *v, const char *name, bool is_end, int64_t *out_ms)
{
    str text = request_form(v->request, name);
    struct tm tm = {0};
    *out_ms = 0;
    if (str_empty(text))
        return true;
    const char *end = strptime(cstr(v->arena, text), "%Y-%m-%d", &tm);
    int day = tm.tm_mday;
    if (!end || *end)
        return false;
    *out_ms = (int64_t)timegm(&tm) * 1000 + (is_end ? DAY_MS : 0);
    return tm.tm_mday == day; /* the 31st of June would be the 1st of July */
}

static bool read_terms(struct visit *v, struct promo_terms *out)
{
    *out = (struct promo_terms){
        .code = upper(v->arena, str_trim(request_form(v->request, "code")))};
    if (!is_promo_code(out->code) || !promo_kind_of(request_form(v->request, "kind"), &out->kind))
        return false;
    int64_t most = out->kind == PROMO_PERCENT ? PROMO_MOST_PERCENT : PROMO_MOST_COINS;
    bool is_whole = str_to_i64(request_form(v->request, "amount"), &out->amount) &&
                    out->amount >= 1 && out->amount <= most &&
                    read_count(v, "limit", &out->limit) &&
                    read_count(v, "per_user", &out->limit_per_user) &&
                    read_day(v, "from", false, &out->from_ms) &&
                    read_day(v, "until", true, &out->until_ms);
    return is_whole && (!out->from_ms || !out->until_ms || out->from_ms < out->until_ms);
}

static str subject_of(struct arena *a, str code)
{
    return str_printf(a, "promo:" STR_FMT, STR_ARG(code));
}

err *action_promo_make(struct visit *v, struct db *db, struct outcome *out)
{
    struct arena *a = v->arena;
    struct promo_terms terms;
    *out = (struct outcome){.where = S("/status/promos"), .said = "bad_promo"};
    if (!read_terms(v, &terms))
        return NULL;
    err *e = promo_make(db, a, &terms, str_printf(a, "%" PRId64, v->reader.telegram_id));
    out->said = e && e->kind == ERR_CONFLICT ? "promo_known" : "promo_made";
    if (e)
        return e->kind == ERR_CONFLICT ? NULL : e;
    return visit_note(v, db, "promo.make", subject_of(a, terms.code),
                      json_make(a, KV("kind", promo_kind_name(terms.kind)),
                                KV("amount", terms.amount), KV("limit", terms.limit),
                                KV("per_user", terms.limit_per_user), KV("from_ms", terms.from_ms),
                                KV("until_ms", terms.until_ms)));
}

err *action_promo_stop(struct visit *v, struct db *db, struct outcome *out)
{
    str code = request_form(v->request, "code");
    bool was_active;
    int64_t given_back;
    *out = (struct outcome){.where = S("/status/promos"), .said = "no_promo"};
    if (!is_promo_code(code))
        return NULL;
    err *e = promo_stop(db, v->arena, code, &was_active, &given_back);
    if (err_is_not_found(e))
        return NULL;
    TRY(e);
    out->said = was_active ? "stopped" : "unchanged";
    if (!was_active)
        return NULL;
    return visit_note(v, db, "promo.stop", subject_of(v->arena, code),
                      json_make(v->arena, KV("given_back", given_back)));
}
