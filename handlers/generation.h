/*
 * generation.h - the life of an order for images, whatever model makes them.
 *
 *     generation_order()          a turn: holds the coins, makes the row, queues the first job
 *     job_generation_submit       gives it to FAL
 *     job_generation_check        asks FAL while its callback is awaited, and shows progress
 *     job_generation_result       fetches the result of one that completed without a callback
 *     generation_callback()       FAL's callback: the result as well
 *     job_generation_cancel       asks FAL to stop it, which may be too late
 *     job_generation_drop         calls off a request that was made twice
 *     job_generation_store        copies one image to the object store; the last one settles
 *
 * How it ends for the user is in delivery.h.
 *
 * An order ends once: completed and paid by what was stored, or failed or
 * cancelled and released. Results that come after that are kept and given away.
 */
#pragma once
#include "db/generation.h"
#include "handlers/turn.h"
#include "handlers/work.h"

/* Spends: the price stood on the button. order: all but its owner and chat. */
err *generation_order(struct turn *t, struct generation *order);
err *on_generation_cancel(struct turn *t);

err *job_generation_submit(struct work *w);
err *job_generation_check(struct work *w);
err *job_generation_result(struct work *w);
err *job_generation_cancel(struct work *w);
err *job_generation_drop(struct work *w);
err *job_generation_store(struct work *w);
err *job_object_delete(struct work *w);

/* As much of the words as a message about the order shows. */
str generation_shown_words(struct arena *a, const struct generation *g);

/* When a step of the order is dead: the order fails, the coins return, the user is told. */
err *give_up_generation(struct work *w);
/* When one image could not be stored: the order ends with the others. */
err *give_up_store(struct work *w);

/* The part of a callback's address behind /webhook/fal/image, and whether one is ours. */
str generation_callback_query(const struct bot *bot, struct arena *a, str generation_id,
                              int attempt);
bool generation_callback_is_ours(const struct bot *bot, struct arena *a, str generation_id,
                                 str attempt, str signature);
/* Records what FAL says of an order, in one transaction. A repeat changes nothing; an unknown
 * order is counted. */
err *generation_callback(const struct bot *bot, struct arena *a, str generation_id,
                         const struct fal_outcome *outcome, str raw_body);
