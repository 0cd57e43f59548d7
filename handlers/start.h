/*
 * start.h - the way in and the screens around it: menu, help.
 */
#pragma once
#include "handlers/turn.h"

err *on_start(struct turn *t);
err *on_menu(struct turn *t);
err *on_cancel(struct turn *t);
err *on_help(struct turn *t);
