/*
 * setup.h - what every program does first: settings, log, loop, stores.
 *
 *     struct arena *arena = arena_new(16 << 20);
 *     struct bot *bot = setup_bot(arena, 4);
 *
 * Everything lives in the arena and is closed with it. Settings come
 * from the environment, and from the file that AISHA_CONF names. A process
 * that cannot start says why, waits a second, so that who starts it again does
 * not spin, and exits with 1.
 */
#pragma once
#include "handlers/bot.h"

/* For the bot, which calls nobody outside: the stores alone. */
struct bot *setup_bot(struct arena *a, int db_connections);
/* For the worker and the command line: outside parties too. */
struct bot *setup_worker(struct arena *a, int db_connections);

/* Logs what is wrong, waits a second, exits. */
_Noreturn void setup_fail(const char *event, const err *e);

/* A Redis that forgets with a power cut or evicts what is waiting would break promises. Against
 * the vendor's own Telegram that is an error, in a sandbox a warning. A Redis that is away is
 * success. */
err *setup_check_redis(const struct bot *bot, struct arena *a);
