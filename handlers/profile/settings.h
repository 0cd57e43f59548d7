/*
 * settings.h - what the user prefers. Each choice says what it sets, never
 * "the other one", so that a button tapped twice or drawn long ago does what
 * stands on it.
 */
#pragma once
#include "handlers/turn.h"

err *on_settings_open(struct turn *t);
err *on_settings_quick(struct turn *t); /* 1 or 0, like those below */
err *on_settings_enhance(struct turn *t);
err *on_settings_details(struct turn *t);
err *on_settings_images(struct turn *t); /* results come with a sound */
err *on_settings_avatars(struct turn *t);

err *on_pictures_open(struct turn *t);
err *on_pictures_ratio(struct turn *t);
err *on_pictures_count(struct turn *t);
err *on_pictures_quality(struct turn *t);

err *on_zone_open(
    struct turn *t); /* the half of the world that the argument names, or the user's */
err *on_zone_set(struct turn *t);

err *on_language(struct turn *t);
err *on_language_set(struct turn *t);
