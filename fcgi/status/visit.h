/*
 * visit.h - one request of an admin who is signed in.
 *
 * A page reads and answers with HTML. An action changes something: status.c
 * has checked its token (csrf), gives it a transaction of the bot's role, and
 * commits; after that the browser is sent to another page, which says what came
 * of it. Whatever is changed is written down by visit_note() in that same
 * transaction.
 */
#pragma once
#include "core/fastcgi.h"
#include "handlers/bot.h"
#include "status/page.h"

struct visit {
    const struct bot *bot;
    struct request *request;
    struct arena *arena;
    struct page_reader reader;
};

typedef err *visit_page(struct visit *v, str *html);

struct outcome {
    str where;               /* the page to go to; without a fragment */
    const char *said;        /* a word that page.c knows */
    int64_t forget_telegram; /* whose cached person is not right any more; 0: nobody's */
};

typedef err *visit_action(struct visit *v, struct db *db, struct outcome *out);

/* subject: "job:7"; details: JSON, or empty. */
err *visit_note(struct visit *v, struct db *db, const char *action, str subject, str details);
/* A number from the form or the address; 0 when it is none, or not above 0. */
int64_t visit_number(str text);

/* jobs.c */
err *action_job_retry(struct visit *v, struct db *db, struct outcome *out);
err *action_job_give_up(struct visit *v, struct db *db, struct outcome *out);

/* users.c */
err *page_users(struct visit *v, str *html);
err *page_user(struct visit *v, str *html);
err *action_user_credit(struct visit *v, struct db *db, struct outcome *out);
err *action_user_block(struct visit *v, struct db *db, struct outcome *out);

/* promos.c */
err *page_promos(struct visit *v, str *html);
err *action_promo_make(struct visit *v, struct db *db, struct outcome *out);
err *action_promo_stop(struct visit *v, struct db *db, struct outcome *out);

/* audit.c */
err *page_audit(struct visit *v, str *html);
