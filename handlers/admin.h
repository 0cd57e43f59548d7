/*
 * admin.h - the admins' way to the status page: a link that works once, for
 * five minutes. The page itself is fcgi/status/.
 */
#pragma once
#include "handlers/turn.h"

enum { ADMIN_LINK_MINUTES = 5 };

err *on_admin(struct turn *t);
