/*
 * settings.h - what the user prefers.
 */
#pragma once
#include "handlers/turn.h"

err *on_language(struct turn *t);
err *on_language_set(struct turn *t);
