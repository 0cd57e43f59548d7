/*
 * person.h - the user of a turn, from the session's cache where that is true.
 *
 * The cached user is a hint that lives ten minutes at most: it spares a trip
 * to PostgreSQL on every tap. Whatever moves coins or changes the person
 * forgets it.
 */
#pragma once
#include "handlers/turn.h"

/* A hash of the Telegram id that nobody can undo or make without our key, in hex: what is kept under it
 * is known again when the same person comes, and names nobody. */
str person_mark(const struct bot *bot, struct arena *a, int64_t telegram_id);
/* Sets t->user and t->language; writes on first contact and when names changed. */
err *person_load(struct turn *t);
/* At the end of a turn: keeps what was read, or forgets what was changed. */
void person_remember(struct turn *t, bool has_written);
