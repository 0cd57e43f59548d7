/*
 * status.h - the status page: who may see it, and its doors.
 *
 *     GET  /status                 the page; without a session, how to get one
 *     GET  /status/login?token=…   a button only, because previews open links
 *     POST /status/login           consumes the link, begins a session
 *     POST /status/logout          ends it; carries the session's CSRF token
 *
 * A session is a row that ends after twelve hours and can be revoked, and a
 * signed token in a cookie that ends after a quarter of an hour without use.
 * Both are asked at each request, and whether that person is still an admin.
 * While PostgreSQL is away the token alone is believed, for as long as it
 * lasts: this page is wanted most when something is down.
 *
 * What the page shows is read by figures.c, as a role that may only
 * read, and laid out by page.c.
 */
#pragma once
#include "core/fastcgi.h"
#include "handlers/bot.h"

/* For every path that begins with /status. Answers the request. */
void status_handle(const struct bot *bot, struct request *r);
