/*
 * prompt.h - from what a user typed to what a model is asked.
 */
#pragma once
#include "core/str.h"

/* The words behind the trigger of an avatar, with the trigger in it exactly once, however often and in
 * whatever case the user typed it. An empty trigger leaves the words as they are. */
str prompt_with_trigger(struct arena *a, str trigger, str words);
