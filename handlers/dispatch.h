/*
 * dispatch.h - runs one update from beginning to end.
 *
 *     struct reply reply;
 *     dispatch(bot, arena, &update, raw_body, &reply);
 *
 * Two Redis trips and whatever PostgreSQL the handler needs. The reply is what
 * the gateway gives back: 200 with or without one call for Telegram, or 503
 * when Telegram shall deliver the update again.
 */
#pragma once
#include "handlers/bot.h"

struct reply {
    int status;
    str body;            /* JSON; empty for none */
    bool retry_at_once;  /* with 503: Retry-After: 1 */
    const char *outcome; /* for the metrics: "done", "repeated", "busy", "flooded", "postponed",
                            "failed", "parked", "ignored" */
};

void dispatch(const struct bot *bot, struct arena *a, const struct update *update, str raw_body,
              struct reply *reply);
/* A button of another time or place: the screen is drawn anew as it is now, with a hint. */
struct turn;
err *on_old_button(struct turn *t);
/* The screen of the dialog once more, as it was left. */
err *on_dialog_resume(struct turn *t);
/* Keeps what cannot be read, by its hash. ERR_… when PostgreSQL is away. */
err *dispatch_park(const struct bot *bot, struct arena *a, int64_t update_id, int64_t user_id,
                   str raw_body, const char *reason, int attempts);
