/*
 * delivery.h - how an order for images ends for the user: with the images, or
 * with why there are none and what that cost, nothing. Both are jobs that run
 * at their place among the chat's messages.
 */
#pragma once
#include "handlers/images/generation.h"

err *job_generation_deliver(struct work *w);
err *job_generation_explain(struct work *w);
