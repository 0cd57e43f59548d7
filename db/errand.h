/*
 * errand.h - where a piece of work stands that FAL does for us.
 *
 * An order for images and a training are both an errand with more to it. Their
 * tables have the same columns for it, which errand_read() takes from a row of
 * either, and statements of the same meaning, which a struct errand_statements
 * names for each.
 *
 * An errand is open (pending: not known to FAL; processing: FAL has it, or its
 * result is being stored) until it is completed, failed or cancelled; whoever
 * ends it does so once.
 */
#pragma once
#include "db/db.h"

struct errand {
    str id;
    int64_t user_id, chat_id;
    str language;   /* of its owner, by now */
    bool is_silent; /* he wants results without a sound */
    str model;      /* what FAL is asked for */
    int64_t price_coins;
    int64_t cost_microdollars; /* of a new one: what FAL will ask of us for it */
    str status;
    bool is_open;
    int attempt;                              /* submissions so far */
    str status_url, response_url, cancel_url; /* empty until FAL has answered */
    int64_t submitting_ms; /* since the last submission was begun; -1: none is in doubt */
    int64_t silent_ms;     /* since FAL's last sign of life, or since the order */
    int64_t age_ms;
    bool has_result; /* FAL's answer is in, good or bad */
    str result;      /* FAL's answer, JSON */
    str failure;     /* a machine word; empty while nothing went wrong */
};

struct errand_statements {
    const struct query *submitting, *not_submitted, *submitted, *seen, *keep_result, *reopen, *end;
};

void errand_read(const struct rows *rows, struct errand *out);

/* A submission is about to be made, and counts for the day's spend; attempt: its number. */
err *errand_submitting(struct db *db, const struct errand_statements *s, str id, int *attempt);
/* It is certain that FAL has not got it, or has turned it down at once: it costs nothing. */
err *errand_not_submitted(struct db *db, const struct errand_statements *s, str id);
err *errand_submitted(struct db *db, const struct errand_statements *s, str id, str request_id,
                      str status_url, str response_url, str cancel_url);
/* FAL gave a sign of life. */
err *errand_seen(struct db *db, const struct errand_statements *s, str id);
err *errand_keep_result(struct db *db, const struct errand_statements *s, str id, str result_json);
/* A result came after the coins had gone back: the errand is open again, at no price.
 * reopened: false when the result has no place any more. */
err *errand_reopen(struct db *db, const struct errand_statements *s, str id, bool *reopened);
/* status: "failed" or "cancelled". */
err *errand_end(struct db *db, const struct errand_statements *s, str id, const char *status,
                str failure, str message);
