/*
 * statement.h - every line of the user's coins: when, what for, and what was
 * left afterwards.
 */
#pragma once
#include "handlers/turn.h"

err *on_balance(struct turn *t); /* the newest lines */
/* The page behind or before the line that the argument names. */
err *on_balance_older(struct turn *t);
err *on_balance_newer(struct turn *t);
