#include "status/status.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "db/queries.h"
#include "db/session.h"
#include "handlers/admin.h"
#include "status/figures.h"
#include "status/jwt.h"
#include "status/telegram_login.h"
#include "status/visit.h"

enum {
    VISIT_LIFE_S = 12 * 3600,
    TOKEN_LIFE_S = 15 * 60,
    TOKEN_RENEW_AFTER_S = 60,
    MOST_LINK_BYTES = 200,
};

#define COOKIE "__Host-aisha"

/* ---------------------------------------------------------------- answers */

/* The page asks for nothing but its own style, script and itself. */
#define PAGE_POLICY                                                                                \
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "                \
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

static struct kv cookie_header(struct arena *a, str token, int life_s)
{
    str cookie = str_printf(
        a, COOKIE "=" STR_FMT "; Path=/; Max-Age=%d; Secure; HttpOnly; SameSite=Strict",
        STR_ARG(token), life_s);
    return KV("Set-Cookie", cookie);
}

/* cookie: a header, or one without a name for none. */
static void answer_page(struct request *r, int status, str html, struct kv cookie)
{
    request_answer(r, &(struct answer){
                          .status = status,
                          .content_type = "text/html; charset=utf-8",
                          .body = html,
                          .headers = KVS(KV("Content-Security-Policy", PAGE_POLICY),
                                         KV("Cache-Control", "no-store"),
                                         KV("Referrer-Policy", "no-referrer"), cookie),
                      });
}

static void answer_words(struct request *r, int status, const char *title, const char *words)
{
    answer_page(r, status, page_words(r->arena, str_from(title), str_from(words)), (struct kv){0});
}

/* After a POST the browser asks for the page anew, so that reloading repeats nothing. */
static void answer_see_other(struct request *r, const char *where, struct kv cookie)
{
    request_answer(
        r, &(struct answer){
               .status = 303,
               .content_type = "text/plain",
               .body = S(""),
               .headers = KVS(KV("Location", where), KV("Cache-Control", "no-store"), cookie),
           });
}

/* A store that is away is worth another try, everything else is our own fault. */
static void answer_error(struct request *r, const char *event, const err *e)
{
    log_err(event, e, KVS());
    if (err_is_waiting(e))
        answer_words(r, 503, "Not now", "The database does not answer. Try again in a moment.");
    else
        answer_words(r, 500, "Something went wrong", "The log of this process says what.");
}

/* ---------------------------------------------------------------- who is there */

struct visitor {
    struct jwt token;
    str csrf;          /* empty while PostgreSQL is away */
    int64_t ends_at_s; /* of the session; that of the token while PostgreSQL is away */
    bool is_confirmed; /* the session's row was seen */
};

static bool has_session(const struct bot *bot, struct arena *a, struct visitor *visitor)
{
    struct rows rows;
    err *e = db_query(db_new(bot->pool, a), &Q_admin_session_find, &rows,
                      V(visitor->token.session_id));
    if (e) {
        log_err("admin.session_not_confirmed", e, KVS());
        visitor->ends_at_s = visitor->token.expires_at_s;
        return err_is_waiting(e);
    }
    if (!rows.count || rows_i64(&rows, 0, "telegram_id") != visitor->token.admin_id)
        return false;
    visitor->csrf = rows_str(&rows, 0, "csrf");
    visitor->ends_at_s = rows_i64(&rows, 0, "expires_at_ms") / 1000;
    visitor->is_confirmed = true;
    return true;
}

static bool is_let_in(const struct bot *bot, struct request *r, struct visitor *visitor)
{
    *visitor = (struct visitor){0};
    const err *no = jwt_read(r->arena, bot->conf->jwt_secret, request_cookie(r, COOKIE),
                             clock_ms() / 1000, &visitor->token);
    return !no && is_admin(bot->conf, visitor->token.admin_id) &&
           has_session(bot, r->arena, visitor);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static struct kv token_cookie(const struct bot *bot, struct arena *a, int64_t admin_id,
                              str session_id, int64_t session_ends_at_s)
{
    int64_t now_s = clock_ms() / 1000;
    const struct jwt claims = {
        .admin_id = admin_id,
        .session_id = session_id,
        .issued_at_s = now_s,
        .expires_at_s = smaller(now_s + TOKEN_LIFE_S, session_ends_at_s),
    };
    return cookie_header(a, jwt_make(a, bot->conf->jwt_secret, &claims),
                         (int)(claims.expires_at_s - now_s));
}

/* Use keeps a session alive: a token that is no longer fresh is replaced. */
static struct kv renewed_cookie(const struct bot *bot, struct arena *a,
                                const struct visitor *visitor)
{
    const struct jwt *token = &visitor->token;
    if (!visitor->is_confirmed || clock_ms() / 1000 - token->issued_at_s < TOKEN_RENEW_AFTER_S)
        return (struct kv){0};
    struct db *db = db_new(bot->pool, a);
    const err *e = db_query_commit(db, &Q_admin_session_seen, NULL, V(token->session_id));
    if (e) {
        log_err("admin.session_not_renewed", e, KVS());
        db_rollback(db);
    }
    return token_cookie(bot, a, token->admin_id, token->session_id, visitor->ends_at_s);
}

/* ---------------------------------------------------------------- the page */

static void ask_to_sign_in(const struct bot *bot, struct request *r)
{
    answer_page(r, 401, page_sign_in(r->arena, telegram_login_url(bot->conf, bot->id, r->arena)),
                (struct kv){0});
}

static struct visit visit_of(const struct bot *bot, struct request *r,
                             const struct visitor *visitor)
{
    return (struct visit){
        .bot = bot,
        .request = r,
        .arena = r->arena,
        .reader = {visitor->token.admin_id, visitor->csrf, request_query(r, "said")},
    };
}

static void on_overview(const struct bot *bot, struct request *r)
{
    struct visitor visitor;
    if (!is_let_in(bot, r, &visitor)) {
        ask_to_sign_in(bot, r);
        return;
    }
    struct kv cookie = renewed_cookie(bot, r->arena, &visitor);
    struct visit visit = visit_of(bot, r, &visitor);
    struct figures figures;
    figures_read(bot, r->arena, &figures);
    answer_page(r, 200, page_status(r->arena, &figures, &visit.reader), cookie);
}

static void show(const struct bot *bot, struct request *r, visit_page *page)
{
    struct visitor visitor;
    if (!is_let_in(bot, r, &visitor)) {
        ask_to_sign_in(bot, r);
        return;
    }
    if (!bot->status_pool) {
        answer_words(r, 503, "Not set up", "STATUS_DATABASE_URL is not set.");
        return;
    }
    struct kv cookie = renewed_cookie(bot, r->arena, &visitor);
    struct visit visit = visit_of(bot, r, &visitor);
    str html;
    const err *e = page(&visit, &html);
    if (err_is_not_found(e))
        answer_words(r, 404, "Nothing here", "There is no such thing any more.");
    else if (e)
        answer_error(r, "admin.page_failed", e);
    else
        answer_page(r, 200, html, cookie);
}

/* ---------------------------------------------------------------- actions */

int64_t visit_number(str text)
{
    int64_t number;
    return str_to_i64(str_trim(text), &number) && number > 0 ? number : 0;
}

err *visit_note(struct visit *v, struct db *db, const char *action, str subject, str details)
{
    log_info("admin.acted", KV("admin", v->reader.telegram_id), KV("action", action),
             KV("subject", subject));
    return db_query(db, &Q_admin_audit_add, NULL, V(v->reader.telegram_id), V(action), V(subject),
                    str_empty(details) ? V(NOTHING) : V(details));
}

/* Only a session whose row was seen has a token that a form could bring back. False: answered. */
static bool may_change(const struct bot *bot, struct request *r, struct visitor *visitor)
{
    if (!is_let_in(bot, r, visitor)) {
        ask_to_sign_in(bot, r);
        return false;
    }
    if (!visitor->is_confirmed) {
        answer_words(r, 503, "Not now", "The database does not answer, so nothing can be changed.");
        return false;
    }
    if (!str_same_secret(request_form(r, "csrf"), visitor->csrf)) {
        log_warn("admin.form_refused", KV("admin", visitor->token.admin_id), KV("path", r->path));
        answer_words(r, 403, "Refused",
                     "This did not come from the status page. Open it and try again.");
        return false;
    }
    return true;
}

/* "/status/user?id=7" gets "&said=…", "/status" gets "?said=…". */
static str with_said(struct arena *a, str where, const char *said)
{
    size_t at;
    const char *sign = str_find(where, S("?"), &at) ? "&" : "?";
    return str_printf(a, STR_FMT "%ssaid=%s", STR_ARG(where), sign, said);
}

static void change(const struct bot *bot, struct request *r, visit_action *action)
{
    struct visitor visitor;
    if (!may_change(bot, r, &visitor))
        return;
    struct visit visit = visit_of(bot, r, &visitor);
    struct db *db = db_new(bot->pool, r->arena);
    struct outcome outcome = {0};
    const err *e = action(&visit, db, &outcome);
    if (!e)
        e = db_commit(db);
    if (e) {
        db_rollback(db);
        answer_error(r, "admin.action_failed", e);
        return;
    }
    if (outcome.forget_telegram)
        e = session_forget_user(bot->cache, r->arena, outcome.forget_telegram);
    if (e)
        log_err("admin.cache_kept", e, KVS());
    answer_see_other(r, cstr(r->arena, with_said(r->arena, outcome.where, outcome.said)),
                     (struct kv){0});
}

/* ---------------------------------------------------------------- in and out */

static void on_link(const struct bot *bot, struct request *r)
{
    str token = request_query(r, "token");
    if (str_empty(token) || token.len > MOST_LINK_BYTES)
        ask_to_sign_in(bot, r);
    else
        answer_page(r, 200, page_link(r->arena, token), (struct kv){0});
}

/* In the transaction that has consumed the link, or the login of Telegram. */
static err *begin_session(const struct bot *bot, struct db *db, struct arena *a, int64_t admin_id,
                          const char *way, str *session_id)
{
    if (!is_admin(bot->conf, admin_id))
        return fail(a, ERR_NOT_FOUND, "admin: this is of somebody who is no admin");
    *session_id = random_uuid(a);
    TRY(db_query(db, &Q_admin_session_create, NULL, V(*session_id), V(admin_id),
                 V(random_hex(a, 16)), V(VISIT_LIFE_S)));
    return db_query_commit(db, &Q_admin_audit_add, NULL, V(admin_id), V("session.begin"),
                           V(*session_id), V(json_make(a, KV("way", way))));
}

/* ERR_NOT_FOUND: no such link any more. */
static err *use_link(const struct bot *bot, struct db *db, struct arena *a, str token,
                     int64_t *admin_id, str *session_id)
{
    struct rows rows;
    TRY(db_query(db, &Q_admin_link_use, &rows, V(admin_token_hash(a, token))));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "admin: no such link");
    *admin_id = rows_i64(&rows, 0, "telegram_id");
    return begin_session(bot, db, a, *admin_id, "link", session_id);
}

/* ERR_NOT_FOUND: it opened a session already. */
static err *use_telegram_login(const struct bot *bot, struct db *db, struct arena *a, str hash,
                               int64_t admin_id, str *session_id)
{
    struct rows rows;
    TRY(db_query(db, &Q_admin_login_use, &rows, V(admin_token_hash(a, hash)), V(admin_id)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "admin: this login of Telegram was used");
    return begin_session(bot, db, a, admin_id, "telegram", session_id);
}

static void let_in(const struct bot *bot, struct request *r, struct db *db, const err *e,
                   int64_t admin_id, str session_id)
{
    if (e)
        db_rollback(db);
    if (err_is_not_found(e)) {
        log_warn("admin.link_refused", KV("message", e->message));
        answer_words(
            r, 403, "This link is over",
            "It was used already, or its five minutes have passed. Send /admin to the bot for a new one.");
        return;
    }
    if (e) {
        answer_error(r, "admin.login_failed", e);
        return;
    }
    log_info("admin.logged_in", KV("admin", admin_id), KV("session", session_id));
    answer_see_other(
        r, "/status",
        token_cookie(bot, r->arena, admin_id, session_id, clock_ms() / 1000 + VISIT_LIFE_S));
}

static void on_login(const struct bot *bot, struct request *r)
{
    str token = request_form(r, "token"), session_id = S("");
    int64_t admin_id = 0;
    if (str_empty(token) || token.len > MOST_LINK_BYTES) {
        ask_to_sign_in(bot, r);
        return;
    }
    struct db *db = db_new(bot->pool, r->arena);
    const err *e = use_link(bot, db, r->arena, token, &admin_id, &session_id);
    let_in(bot, r, db, e, admin_id, session_id);
}

/* Telegram sends the browser here; a preview may, too, so that a button has to be pressed. */
static void on_telegram_link(const struct bot *bot, struct request *r)
{
    (void)bot;
    answer_page(r, 200, page_telegram(r->arena, telegram_login_fields(r, request_query)),
                (struct kv){0});
}

static void on_telegram_login(const struct bot *bot, struct request *r)
{
    str hash = request_form(r, "hash"), session_id = S("");
    int64_t admin_id = 0;
    const struct kv *fields = telegram_login_fields(r, request_form);
    err *e = telegram_login_check(r->arena, bot->conf->telegram_token, fields, clock_ms() / 1000,
                                  &admin_id);
    if (e) {
        log_warn("admin.login_refused", KV("message", e->message));
        answer_words(r, 403, "Not signed in",
                     "This is not what Telegram says of you, or it is older than five minutes.");
        return;
    }
    struct db *db = db_new(bot->pool, r->arena);
    e = use_telegram_login(bot, db, r->arena, hash, admin_id, &session_id);
    let_in(bot, r, db, e, admin_id, session_id);
}

static err *end_session(struct db *db, const struct jwt *token)
{
    TRY(db_query(db, &Q_admin_session_revoke, NULL, V(token->session_id)));
    return db_query_commit(db, &Q_admin_audit_add, NULL, V(token->admin_id), V("session.end"),
                           V(token->session_id), V(NOTHING));
}

static void on_logout(const struct bot *bot, struct request *r)
{
    struct visitor visitor;
    if (!may_change(bot, r, &visitor))
        return;
    struct db *db = db_new(bot->pool, r->arena);
    const err *e = end_session(db, &visitor.token);
    if (e) {
        db_rollback(db);
        answer_error(r, "admin.logout_failed", e);
        return;
    }
    log_info("admin.logged_out", KV("admin", visitor.token.admin_id));
    answer_page(r, 200,
                page_words(r->arena, S("Signed out"), S("Send /admin to the bot to come back.")),
                cookie_header(r->arena, S(""), 0));
}

/* ---------------------------------------------------------------- the doors */

static const struct door {
    const char *method, *path;
    void (*open)(const struct bot *bot, struct request *r); /* or one of the two for admins */
    visit_page *page;
    visit_action *action;
} doors[] = {
    {"GET",  "/status",                .open = on_overview         },
    {"GET",  "/status/login",          .open = on_link             },
    {"POST", "/status/login",          .open = on_login            },
    {"GET",  "/status/login/telegram", .open = on_telegram_link    },
    {"POST", "/status/login/telegram", .open = on_telegram_login   },
    {"POST", "/status/logout",         .open = on_logout           },
    {"POST", "/status/jobs/retry",     .action = action_job_retry  },
    {"POST", "/status/jobs/giveup",    .action = action_job_give_up},
    {"GET",  "/status/users",          .page = page_users          },
    {"GET",  "/status/user",           .page = page_user           },
    {"POST", "/status/user/credit",    .action = action_user_credit},
    {"POST", "/status/user/block",     .action = action_user_block },
    {"GET",  "/status/promos",         .page = page_promos         },
    {"POST", "/status/promos/make",    .action = action_promo_make },
    {"POST", "/status/promos/stop",    .action = action_promo_stop },
    {"GET",  "/status/audit",          .page = page_audit          },
};

static void go_through(const struct door *door, const struct bot *bot, struct request *r)
{
    if (door->open)
        door->open(bot, r);
    else if (door->page)
        show(bot, r, door->page);
    else
        change(bot, r, door->action);
}

void status_handle(const struct bot *bot, struct request *r)
{
    bool has_path = false;
    str method = str_eq(r->method, S("HEAD")) ? S("GET")
                                              : r->method; /* nginx leaves the body out */
    for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
        if (!str_is(r->path, doors[i].path))
            continue;
        has_path = true;
        if (str_is(method, doors[i].method)) {
            go_through(&doors[i], bot, r);
            return;
        }
    }
    if (has_path)
        answer_words(r, 405, "Not like this", "This address is asked in another way.");
    else
        answer_words(r, 404, "Nothing here", "The status page is at /status.");
}
