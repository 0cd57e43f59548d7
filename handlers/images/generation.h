/*
 * generation.h - the life of an order for images, whatever model makes them.
 *
 *     generation_order()          a turn: holds the coins, makes the row, queues the first job
 *     job_generation_submit …     the steps of any errand, see errand.h
 *     job_generation_lora         brings what FAL has lost, see lora.h
 *     job_generation_store        copies one image to the object store; the last one settles
 *
 * How it ends for the user is in delivery.h.
 *
 * An order ends once: completed and paid by what was stored, or failed or
 * cancelled and released. Results that come after that are kept and given away.
 */
#pragma once
#include "db/generation.h"
#include "handlers/errand.h"

extern const struct errand_kind generation_errands;

/* Spends: the price stood on the button. order: all but its owner and chat. */
err *generation_order(struct turn *t, struct generation *order);
/* One that costs nothing and that nobody waits for: all but its price stands in it. */
err *generation_queue(struct db *db, struct arena *a, const struct generation *order);
err *on_generation_cancel(struct turn *t);

err *job_generation_submit(struct work *w);
err *job_generation_check(struct work *w);
err *job_generation_result(struct work *w);
err *job_generation_cancel(struct work *w);
err *job_generation_store(struct work *w);
err *job_object_delete(struct work *w);

/* As much of the words as a message about the order shows. */
str generation_shown_words(struct arena *a, const struct generation *g);

/* When a step of the order is dead: the order fails, the coins return, the user is told. */
err *give_up_generation(struct work *w);
err *give_up_generation_cancel(struct work *w); /* FAL goes on, and the order with it */
/* When one image could not be stored: the order ends with the others. */
err *give_up_store(struct work *w);
