/*
 * statement.h - every line of the user's coins: when, what for, and what was
 * left afterwards.
 */
#pragma once
#include "handlers/turn.h"

err *on_balance(struct turn *t);
