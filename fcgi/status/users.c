#include "core/clock.h"
#include "core/json.h"
#include "core/numbers.h"
#include "db/ledger.h"
#include "db/queries.h"
#include "db/user.h"
#include "status/visit.h"

enum {
    USERS_SHOWN = 50,
    LINES_SHOWN = 20,
    ORDERS_SHOWN = 10,
    MOST_COINS = 1000000,
    MOST_WORDS_BYTES = 100,
    KEY_BYTES = 36,
};

/* ---------------------------------------------------------------- finding */

static str full_name(struct arena *a, const struct rows *rows, int i)
{
    str last = rows_str(rows, i, "last_name");
    return str_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(rows_str(rows, i, "first_name")),
                      str_empty(last) ? "" : " ", STR_ARG(last));
}

static void user_name_cell(struct table *t, const struct rows *rows, int i)
{
    struct arena *a = t->page->arena;
    cell_begin(t);
    buf_addf(&t->page->body, "<a href=\"/status/user?id=" STR_FMT "\">",
             STR_ARG(rows_str(rows, i, "id")));
    page_put_text(t->page, full_name(a, rows, i));
    page_put(t->page, S("</a>"));
    cell_end(t);
}

static str user_state(const struct rows *rows, int i)
{
    return rows_bool(rows, i, "is_blocked")       ? S("blocked")
           : rows_bool(rows, i, "is_unreachable") ? S("cannot be reached")
                                                  : S("");
}

static void user_table(struct page *p, const struct rows *rows)
{
    static const struct column columns[] = {
        {"Name",        LONG },
        {"Username",    WORDS},
        {"Telegram id", WORDS},
        {"Since",       WORDS},
        {"State",       WORDS}
    };
    struct table t = TABLE(p, columns);
    for (int i = 0; i < rows->count; i++) {
        user_name_cell(&t, rows, i);
        cell_text(&t, rows_str(rows, i, "username"));
        cell_text(&t, rows_str(rows, i, "telegram_id"));
        cell_ago(&t, rows_i64(rows, i, "created_at_ms"));
        cell_text(&t, user_state(rows, i));
    }
    table_end(&t);
}

err *page_users(struct visit *v, str *html)
{
    struct rows rows;
    str words = str_trim(request_query(v->request, "q"));
    bool is_usable = str_is_utf8(words) && words.len <= MOST_WORDS_BYTES &&
                     !str_has_controls(words);
    if (!is_usable)
        words = S("");
    TRY(user_find(db_new(v->bot->status_pool, v->arena), words, USERS_SHOWN, &rows));

    struct page p = page_begin(v->arena, &v->reader);
    page_section(&p, "users", str_empty(words) ? "The newest" : "Found");
    page_put(&p,
             S("<form method=\"get\" action=\"/status/users\" class=\"fields\" role=\"search\">"));
    page_field(&p, "Telegram id, or the beginning of a name or username", "q",
               "type=\"search\" maxlength=\"100\"", words);
    page_form_end(&p, "Find");
    if (!rows.count)
        page_none(&p, "Nobody.");
    else
        user_table(&p, &rows);
    page_section_end(&p);
    *html = page_end(&p, &v->reader, "Users", "/status/users");
    return NULL;
}

/* ---------------------------------------------------------------- one of them */

struct seen_user {
    struct rows user;   /* status_user */
    struct rows work;   /* user_work_counts */
    struct rows orders; /* status_user_orders */
    struct rows jobs;   /* status_user_jobs */
    struct ledger_line *lines;
    size_t line_count;
    int64_t balance, held;
};

static err *read_user(struct visit *v, int64_t user_id, struct seen_user *out)
{
    struct db *db = db_new(v->bot->status_pool, v->arena);
    TRY(db_query(db, &Q_status_user, &out->user, V(user_id)));
    if (!out->user.count)
        return fail(v->arena, ERR_NOT_FOUND, "status: no such user");
    TRY(db_query(db, &Q_user_work_counts, &out->work, V(user_id)));
    TRY(db_query(db, &Q_status_user_orders, &out->orders, V(user_id), V(ORDERS_SHOWN)));
    TRY(db_query(db, &Q_status_user_jobs, &out->jobs, V(user_id), V(ORDERS_SHOWN)));
    TRY(ledger_balance(db, user_id, &out->balance, &out->held));
    return ledger_statement(db, v->arena, user_id, LINES_SHOWN, 0, &out->lines, &out->line_count);
}

static void user_tiles(struct page *p, const struct seen_user *u)
{
    struct arena *a = p->arena;
    const struct rows *work = &u->work;
    page_section(p, "user", "Who this is");
    page_put(p, S("<dl class=\"tiles\">\n"));
    page_tile(p, "Coins", number_grouped(a, u->balance),
              str_printf(a, STR_FMT " held", STR_ARG(number_grouped(a, u->held))));
    page_tile(p, "Images", number_grouped(a, rows_i64(work, 0, "images")), S(""));
    page_tile(p, "Avatars", number_grouped(a, rows_i64(work, 0, "avatars")), S(""));
    page_tile(p, "Transcripts", number_grouped(a, rows_i64(work, 0, "transcripts")), S(""));
    page_tile(p, "Open jobs", number_grouped(a, rows_i64(work, 0, "open_jobs")),
              str_printf(a, "%" PRId64 " given up", rows_i64(work, 0, "dead_jobs")));
    page_put(p, S("</dl>\n<p>"));
    page_put_text(
        p, str_printf(
               a,
               "Telegram id " STR_FMT " · username " STR_FMT " · language " STR_FMT
               " · with us for " STR_FMT,
               STR_ARG(rows_str(&u->user, 0, "telegram_id")),
               STR_ARG(rows_is_null(&u->user, 0, "username") ? S("–")
                                                             : rows_str(&u->user, 0, "username")),
               STR_ARG(rows_str(&u->user, 0, "language_code")),
               STR_ARG(number_duration(a, p->now_ms - rows_i64(&u->user, 0, "created_at_ms")))));
    page_put(p, S("</p>\n"));
    str state = user_state(&u->user, 0);
    if (!str_empty(state))
        page_badge(p, LEVEL_LATE, cstr(a, state));
    page_section_end(p);
}

static void user_forms(struct page *p, const struct seen_user *u)
{
    int64_t id = rows_i64(&u->user, 0, "id");
    bool is_blocked = rows_bool(&u->user, 0, "is_blocked");
    if (str_empty(p->csrf))
        return;
    page_section(p, "change", "Change");
    page_put(p, S("<div class=\"fields\">"));
    /* One credit for each time the page is shown, however often the button is pressed. */
    page_form_begin(p, "/status/user/credit", KVS(KV("id", id), KV("key", random_uuid(p->arena))));
    page_field(p, "Coins to credit", "coins", "type=\"number\" min=\"1\" max=\"1000000\" required",
               S(""));
    page_form_end(p, "Credit");
    page_put(p, S("</div>\n"));
    page_form(p, "/status/user/block", is_blocked ? "Unblock" : "Block", S(""),
              KVS(KV("id", id), KV("block", is_blocked ? "no" : "yes")));
    page_section_end(p);
}

static void user_lines(struct page *p, const struct seen_user *u)
{
    static const struct column columns[] = {
        {"When",    WORDS },
        {"What",    WORDS },
        {"Why",     WORDS },
        {"Coins",   NUMBER},
        {"Balance", NUMBER}
    };
    page_section(p, "statement", "Coins, newest first");
    if (!u->line_count)
        page_none(p, "None.");
    else {
        struct table t = TABLE(p, columns);
        for (size_t i = 0; i < u->line_count; i++) {
            cell_text(&t, number_time(p->arena, u->lines[i].created_at_ms));
            cell_text(&t, u->lines[i].kind);
            cell_text(&t, u->lines[i].reason);
            cell_number(&t, u->lines[i].coins);
            cell_number(&t, u->lines[i].balance_after);
        }
        table_end(&t);
    }
    page_section_end(p);
}

static void order_row(struct table *t, const struct rows *orders, int i)
{
    cell_text(t, number_time(t->page->arena, rows_i64(orders, i, "created_at_ms")));
    cell_id(t, rows_str(orders, i, "id"));
    cell_text(t, rows_str(orders, i, "generation_type"));
    cell_text(t, rows_str(orders, i, "status"));
    cell_number(t, rows_i64(orders, i, "price"));
    cell_text(t, rows_str(orders, i, "failure"));
    cell_text(t, rows_str(orders, i, "original_prompt"));
}

static void user_orders(struct page *p, const struct seen_user *u)
{
    static const struct column columns[] = {
        {"When",   WORDS },
        {"Order",  WORDS },
        {"Type",   WORDS },
        {"Status", WORDS },
        {"Price",  NUMBER},
        {"Why",    WORDS },
        {"Words",  LONG  }
    };
    ROWS_SECTION(p, "orders", "Orders of images, newest first", columns, &u->orders, order_row);
}

static void job_row(struct table *t, const struct rows *jobs, int i)
{
    cell_text(t, rows_str(jobs, i, "id"));
    cell_text(t, rows_str(jobs, i, "lane"));
    cell_text(t, rows_str(jobs, i, "kind"));
    cell_text(t, rows_str(jobs, i, "state"));
    cell_number(t, rows_i64(jobs, i, "failures"));
    cell_text(t, rows_str(jobs, i, "last_error"));
    cell_job_forms(t, jobs, i, rows_i64(jobs, i, "user_id"));
}

static void user_jobs(struct page *p, const struct seen_user *u)
{
    static const struct column columns[] = {
        {"Job",      WORDS },
        {"Lane",     WORDS },
        {"Kind",     WORDS },
        {"State",    WORDS },
        {"Failures", NUMBER},
        {"Why",      LONG  },
        {"What now", WORDS }
    };
    ROWS_SECTION(p, "jobs", "Jobs that are not done", columns, &u->jobs, job_row);
}

err *page_user(struct visit *v, str *html)
{
    struct seen_user u;
    TRY(read_user(v, visit_number(request_query(v->request, "id")), &u));
    struct page p = page_begin(v->arena, &v->reader);
    user_tiles(&p, &u);
    user_forms(&p, &u);
    user_jobs(&p, &u);
    user_lines(&p, &u);
    user_orders(&p, &u);
    str title = str_html(v->arena, full_name(v->arena, &u.user, 0));
    *html = page_end(&p, &v->reader, cstr(v->arena, title), "/status/users");
    return NULL;
}

/* ---------------------------------------------------------------- changing */

static str place_of(struct arena *a, int64_t user_id)
{
    return str_printf(a, "/status/user?id=%" PRId64, user_id);
}

static str subject_of(struct arena *a, int64_t user_id)
{
    return str_printf(a, "user:%" PRId64, user_id);
}

/* Whose form this is; none: out says so. */
static err *find_subject(struct visit *v, struct db *db, struct rows *user, struct outcome *out)
{
    int64_t id = visit_number(request_form(v->request, "id"));
    TRY(db_query(db, &Q_status_user, user, V(id)));
    *out = (struct outcome){.where = user->count ? place_of(v->arena, id) : S("/status/users"),
                            .said = "no_user"};
    return NULL;
}

err *action_user_credit(struct visit *v, struct db *db, struct outcome *out)
{
    struct arena *a = v->arena;
    struct rows user;
    TRY(find_subject(v, db, &user, out));
    if (!user.count)
        return NULL;
    int64_t id = rows_i64(&user, 0, "id"), coins = visit_number(request_form(v->request, "coins"));
    str key = request_form(v->request, "key");
    out->said = "bad_coins";
    if (!coins || coins > MOST_COINS || key.len != KEY_BYTES || !str_is_uuid(key))
        return NULL;

    bool is_new;
    str name = str_printf(a, "admin:" STR_FMT, STR_ARG(key));
    err *e = ledger_credit(db, id, name, coins, LEDGER_ADJUSTMENT, S("operator"), S(""), &is_new);
    if (db_refused_by(e, "AI003")) { /* the form was sent before, with another number of coins */
        db_rollback(db);
        out->said = "spent_form";
        return NULL;
    }
    TRY(e);
    out->said = is_new ? "credited" : "credited_yet";
    out->forget_telegram = rows_i64(&user, 0, "telegram_id");
    if (!is_new)
        return NULL;
    return visit_note(v, db, "credit", subject_of(a, id),
                      json_make(a, KV("coins", coins), KV("key", name)));
}

err *action_user_block(struct visit *v, struct db *db, struct outcome *out)
{
    struct rows user;
    TRY(find_subject(v, db, &user, out));
    if (!user.count)
        return NULL;
    bool blocks = str_eq(request_form(v->request, "block"), S("yes")), is_changed;
    int64_t id = rows_i64(&user, 0, "id");
    TRY(user_set_blocked(db, id, blocks, &is_changed));
    out->said = !is_changed ? "unchanged" : blocks ? "blocked" : "unblocked";
    out->forget_telegram = rows_i64(&user, 0, "telegram_id");
    if (!is_changed)
        return NULL;
    return visit_note(v, db, blocks ? "user.block" : "user.unblock", subject_of(v->arena, id),
                      S(""));
}
