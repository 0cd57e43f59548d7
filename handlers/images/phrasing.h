/*
 * phrasing.h - the words of an order, put into English for the models.
 *
 * A step before the order goes to FAL: OpenAI translates what is not English and,
 * where the user wants that, adds light, lens and mood. The user's own words stay
 * in the row beside what was made of them. It is a service, no condition: when
 * OpenAI is away for longer than somebody waits for a picture, or will not do it,
 * the words go as they are and the result says so.
 */
#pragma once
#include "db/generation.h"
#include "handlers/turn.h"
#include "handlers/work.h"

/* Queues the first step of an order: this one, the look at a photo that it is to be like, or the way to
 * FAL where there is nothing to be done: a style's prompt is ours, whole and in English. */
err *phrasing_begin(struct turn *t, const struct generation *order);

err *job_generation_prompt(struct work *w);
/* When the step is dead the order is not: it goes to FAL with the words as they are. */
err *give_up_prompt(struct work *w);
