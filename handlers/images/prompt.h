/*
 * prompt.h - from what a user typed to what a model is asked.
 */
#pragma once
#include "core/str.h"

/* The words behind the trigger of an avatar, with the trigger in it exactly once, however often and in
 * whatever case the user typed it. An empty trigger leaves the words as they are. */
str prompt_with_trigger(struct arena *a, str trigger, str words);

/* The prompt of a style, with the avatar in place of {avatar}: its trigger, exactly once, and what it
 * is, "TOK_1a2b3c4d woman". kind: of struct avatar. */
str prompt_of_style(struct arena *a, str trigger, str kind, str prompt);
