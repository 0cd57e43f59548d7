/*
 * telegram_login.h - Telegram's word that somebody is who he is.
 *
 * Telegram sends the browser back with what it knows of the person and a
 * signature of it: HMAC-SHA256 under the SHA-256 of the bot's token, over all
 * fields in the order of their names. It is believed for five minutes, and
 * whoever calls sees to it that it opens one session.
 */
#pragma once
#include "core/conf.h"
#include "core/fastcgi.h"

/* Where Telegram asks whether the person wants to sign in; empty where no address of ours is set.
 * Telegram goes back only to the domain that the bot's owner has told BotFather. */
str telegram_login_url(const struct conf *conf, int64_t bot_id, struct arena *a);
/* Those that are there, hash too, by request_query() or request_form(). */
const struct kv *telegram_login_fields(const struct request *r,
                                       str (*get)(const struct request *r, const char *name));
/* ERR_REFUSED when it is not signed so, is stale, or comes from the future. */
err *telegram_login_check(struct arena *a, str token, const struct kv *fields, int64_t now_s,
                          int64_t *telegram_id);
