/*
 * profile.h - the user's own page: who they are, their coins, and the way to
 * history, statistics and settings.
 */
#pragma once
#include "handlers/turn.h"

err *on_profile_open(struct turn *t);
/* The last row of every screen behind the profile: back to it, and the menu. */
void profile_row(struct keyboard *k);
