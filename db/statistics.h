/*
 * statistics.h - what a person's own rows add up to. Every figure is counted
 * from rows when it is asked for; nothing here is kept.
 */
#pragma once
#include "db/db.h"

/* For the profile. */
struct profile_figures {
    int64_t created_at_ms;
    int64_t balance, held; /* coins */
    int64_t avatars, ready_avatars;
    int64_t images; /* in the gallery */
};

err *profile_figures(struct db *db, int64_t user_id, struct profile_figures *out);
