/*
 * start.h - the way in and the screens around it: menu, help, language, balance.
 */
#pragma once
#include "handlers/turn.h"

err *on_start(struct turn *t);
err *on_menu(struct turn *t);
err *on_cancel(struct turn *t);
err *on_help(struct turn *t);
err *on_language(struct turn *t);
err *on_language_set(struct turn *t);
err *on_balance(struct turn *t);
