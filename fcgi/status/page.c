#include "status/page.h"

#include "core/clock.h"
#include "core/numbers.h"
#include "core/version.h"
#include "status/panels.h"

/* The version in the address brings a new style at once; nginx lets browsers keep it for an
 * hour. script: a file of static/, or NULL. */
static void add_head(struct buf *b, const char *title, const char *script)
{
    buf_addf(b,
             "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<meta name=\"color-scheme\" content=\"light dark\">\n"
             "<meta name=\"robots\" content=\"noindex\">\n"
             "<title>%s</title>\n<link rel=\"icon\" href=\"data:,\">\n"
             "<link rel=\"stylesheet\" href=\"/static/status.css?" AISHA_VERSION "\">\n",
             title);
    if (script)
        buf_addf(b, "<script src=\"/static/%s?" AISHA_VERSION "\" defer></script>\n", script);
    buf_add(b, S("</head>\n<body>\n"));
}

static const char foot[] = "</main>\n</body>\n</html>\n";

static str verdict(struct page *p)
{
    if (p->is_down)
        return S("Something is down");
    if (p->concern_count)
        return p->concern_count == 1 ? S("One thing to look at") : S("Some things to look at");
    return S("Everything works");
}

static void add_summary(struct buf *b, struct page *p)
{
    const char *class = p->is_down ? "down" : p->concern_count ? "late" : "ok";
    buf_addf(b, "<div class=\"verdict %s\">\n<h1>" STR_FMT "</h1>\n", class, STR_ARG(verdict(p)));
    if (p->concern_count)
        buf_addf(b, "<ul>\n" STR_FMT "</ul>\n", STR_ARG(buf_str(&p->concerns)));
    buf_addf(b,
             "<p class=\"note\">As of <time>" STR_FMT "</time> UTC · release " STR_FMT
             "</p>\n</div>\n",
             STR_ARG(number_time(p->arena, p->figures->now_ms)),
             STR_ARG(str_html(p->arena, p->figures->release)));
}

static const struct {
    const char *where, *title;
} pages[] = {
    {"/status",        "Overview"   },
    {"/status/users",  "Users"      },
    {"/status/promos", "Promo codes"},
    {"/status/audit",  "Audit log"  },
};

static void add_navigation(struct buf *b, const char *where)
{
    buf_add(b, S("<nav aria-label=\"Pages\"><ul>\n"));
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        buf_addf(b, "<li><a href=\"%s\"%s>%s</a></li>\n", pages[i].where,
                 strcmp(pages[i].where, where) == 0 ? " aria-current=\"page\"" : "",
                 pages[i].title);
    buf_add(b, S("</ul></nav>\n"));
}

static void add_header(struct buf *b, const struct page_reader *reader, const char *where)
{
    buf_add(b, S("<header>\n<a class=\"name\" href=\"/status\">Aisha</a>\n"));
    add_navigation(b, where);
    buf_addf(b,
             "<p id=\"live\" class=\"note\" role=\"status\"></p>\n"
             "<p class=\"note\">admin %" PRId64 "</p>\n",
             reader->telegram_id);
    if (!str_empty(reader->csrf))
        buf_addf(b,
                 "<form method=\"post\" action=\"/status/logout\">"
                 "<input type=\"hidden\" name=\"csrf\" value=\"" STR_FMT "\">"
                 "<button>Sign out</button></form>\n",
                 STR_ARG(str_html(b->arena, reader->csrf)));
    buf_add(b, S("</header>\n"));
}

/* What came of an action, said on the page that the browser is sent to. Only these words are ever
 * shown, whatever the address says. */
static const struct {
    const char *word, *said;
    bool is_good;
} sayings[] = {
    {"retried",      "The job is queued again.",                                             true },
    {"given_up",     "The job is given up; what was held for it goes back.",                 true },
    {"no_job",       "That job is running just now, or is over. Nothing was changed.",       false},
    {"credited",     "The coins are credited.",                                              true },
    {"credited_yet", "These coins were credited before, and were not credited again.",       true },
    {"spent_form",   "This form has credited other coins before. Nothing was credited now.", false},
    {"bad_coins",    "That is no number of coins from 1 to 1 000 000.",                      false},
    {"blocked",      "The user is blocked.",                                                 true },
    {"unblocked",    "The user is not blocked any more.",                                    true },
    {"unchanged",    "It was so already.",                                                   true },
    {"no_user",      "There is no such user.",                                               false},
    {"promo_made",   "The promo code is made.",                                              true },
    {"promo_known",  "There is such a code already. A code keeps its terms for ever.",       false},
    {"bad_promo",    "That is no promo code: look at the limits of each field.",             false},
    {"stopped",      "The promo code is stopped; what waited for a purchase is given back.", true },
    {"no_promo",     "There is no such promo code.",                                         false},
};

static void add_said(struct buf *b, str word)
{
    for (size_t i = 0; i < ARRAY_LEN(sayings); i++)
        if (str_is(word, sayings[i].word))
            buf_addf(b, "<p class=\"said %s\" role=\"status\">%s</p>\n",
                     sayings[i].is_good ? "good" : "bad", sayings[i].said);
}

str page_status(struct arena *a, const struct figures *figures, const struct page_reader *reader)
{
    struct page p = page_begin(a, reader);
    p.figures = figures;
    p.now_ms = figures->now_ms;
    panel_health(&p);
    panel_updates(&p);
    if (!figures->database_failure) {
        panel_today(&p);
        panel_images(&p);
        panel_payments(&p);
        panel_spend(&p);
        panel_coins(&p); /* beside the two that follow */
        panel_queues(&p);
    }
    panel_outbox(&p);
    if (!figures->database_failure) {
        panel_open_orders(&p);
        panel_open_trainings(&p);
        panel_running_jobs(&p);
        panel_dead_jobs(&p);
        panel_parked(&p);
        panel_events(&p);
    }

    struct buf b = buf_new(a);
    add_head(&b, "Aisha: status", "status.js");
    add_header(&b, reader, "/status");
    buf_add(&b, S("<main>\n"));
    add_said(&b, reader->said);
    add_summary(&b, &p);
    buf_add(&b, buf_str(&p.body));
    buf_add(&b, str_from(foot));
    return buf_str(&b);
}

struct page page_begin(struct arena *a, const struct page_reader *reader)
{
    return (struct page){
        .arena = a,
        .csrf = reader->csrf,
        .now_ms = clock_ms(),
        .body = buf_new(a),
        .concerns = buf_new(a),
    };
}

str page_end(struct page *p, const struct page_reader *reader, const char *title, const char *where)
{
    struct buf b = buf_new(p->arena);
    add_head(&b, cstr(p->arena, str_printf(p->arena, "Aisha: %s", title)), NULL);
    add_header(&b, reader, where);
    buf_addf(&b, "<main>\n<h1>%s</h1>\n", title);
    add_said(&b, reader->said);
    buf_add(&b, buf_str(&p->body));
    buf_add(&b, str_from(foot));
    return buf_str(&b);
}

/* ---------------------------------------------------------------- outside of a session */

str page_words(struct arena *a, str title, str words)
{
    struct buf b = buf_new(a);
    add_head(&b, "Aisha", NULL);
    buf_addf(&b, "<main class=\"alone\">\n<h1>" STR_FMT "</h1>\n<p>" STR_FMT "</p>\n%s",
             STR_ARG(str_html(a, title)), STR_ARG(str_html(a, words)), foot);
    return buf_str(&b);
}

str page_sign_in(struct arena *a, str telegram_url)
{
    struct buf b = buf_new(a);
    add_head(&b, "Aisha", NULL);
    buf_add(&b, S("<main class=\"alone\">\n<h1>Sign in</h1>\n<p>Send /admin to the bot. It answers "
                  "with a link that works once, for five minutes.</p>\n"));
    if (!str_empty(telegram_url))
        buf_addf(&b, "<p>Or <a href=\"" STR_FMT "\">sign in with Telegram</a>.</p>\n",
                 STR_ARG(str_html(a, telegram_url)));
    buf_add(&b, str_from(foot));
    return buf_str(&b);
}

static void add_button_page(struct buf *b, const char *words, const char *action,
                            const struct kv *fields, const char *script)
{
    add_head(b, "Aisha", script);
    buf_addf(b,
             "<main class=\"alone\">\n<h1>Aisha's status page</h1>\n<p id=\"words\">%s</p>\n"
             "<form method=\"post\" action=\"%s\">",
             words, action);
    for (; fields->name; fields++)
        buf_addf(b, "<input type=\"hidden\" name=\"%s\" value=\"" STR_FMT "\">", fields->name,
                 STR_ARG(str_html(b->arena, fields->value.string)));
    buf_addf(b, "<button autofocus>Sign in</button></form>\n%s", foot);
}

str page_link(struct arena *a, str token)
{
    struct buf b = buf_new(a);
    add_button_page(&b, "The link from the bot works once.", "/status/login",
                    KVS(KV("token", token)), NULL);
    return buf_str(&b);
}

str page_telegram(struct arena *a, const struct kv *fields)
{
    struct buf b = buf_new(a);
    add_button_page(&b, "What Telegram says of you works once.", "/status/login/telegram", fields,
                    "login.js");
    return buf_str(&b);
}
