/*
 * admin.h - the admins' way to the status page: a link that works once, for
 * five minutes. The page itself is fcgi/status/.
 */
#pragma once
#include "handlers/turn.h"

enum { ADMIN_LINK_MINUTES = 5 };

err *on_admin(struct turn *t);

/* One of TELEGRAM_ADMIN_IDS. */
bool is_admin(const struct conf *conf, int64_t telegram_id);
/* The database knows a token's hash alone: who reads it cannot sign in. */
str admin_token_hash(struct arena *a, str token);
