/*
 * admin.h - the admins' way to the status page: a link that works once, for
 * five minutes. The page itself is fcgi/status/.
 */
#pragma once
#include "handlers/turn.h"
#include "handlers/work.h"

enum { ADMIN_LINK_MINUTES = 5 };

err *on_admin(struct turn *t);

/* One of TELEGRAM_ADMIN_IDS. */
bool is_admin(const struct conf *conf, int64_t telegram_id);
/* For a job whose payload names an admin's chat_id: words in his language. Nothing is wrong when he never
 * wrote to the bot, and so cannot be written to. */
err *admin_tell(struct work *w, enum text text, const struct kv *values);
/* The database knows a token's hash alone: who reads it cannot sign in. */
str admin_token_hash(struct arena *a, str token);
