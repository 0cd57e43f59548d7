/*
 * delivery.h - how an order for images ends for the user: with the images, or
 * with why there are none and what that cost, nothing. Both are jobs that run
 * at their place among the chat's messages. Below the images stand buttons for
 * all of them.
 */
#pragma once
#include "handlers/images/generation.h"

err *on_generation_file(struct turn *t);
/* The argument says which way: 1 into the favourites, 0 out of them. */
err *on_generation_favorite(struct turn *t);

err *job_generation_deliver(struct work *w);
err *job_generation_explain(struct work *w);
