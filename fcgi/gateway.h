/*
 * gateway.h - HTTP in: tells Telegram, FAL and admins apart, checks what each
 * has to prove, and makes a turn or a step of an order of it.
 *
 *     POST /webhook/telegram     secret header, then a turn
 *     POST /webhook/fal/image    our own signature in the address, FAL's over the body
 *     GET  /health               this process is alive; its release
 *     GET  /ready                every store answers
 *          /status…              the status page
 */
#pragma once
#include "core/fastcgi.h"
#include "handlers/bot.h"

/* Once, before requests come. */
void gateway_init(const struct bot *bot);
/* For fastcgi_options.handle. */
void gateway_handle(struct request *r);
