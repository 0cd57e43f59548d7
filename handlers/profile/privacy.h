/*
 * privacy.h - what is kept of a person, said in plain words.
 */
#pragma once
#include "handlers/turn.h"

err *on_privacy(struct turn *t);
/* What stays of somebody who leaves besides amounts of coins; empty when nothing
 * does. See erasure_remember() in db/erasure.h. */
str privacy_kept_words(const struct turn *t);
