/*
 * lora.h - what sets an order with an avatar apart on its way through FAL: its
 * LoRA, the file that holds what a training has learned of the avatar.
 *
 * FAL reads it from an address of its own, and may lose it. Then the request is
 * set aside, our copy is uploaded, and it is made again, at no price: at most
 * twice for an order.
 */
#pragma once
#include "handlers/images/generation.h"

bool is_with_avatar(const struct generation *g);

/* Steps of struct errand_kind; each does nothing to an order without an avatar. */
err *lora_examine(struct work *w, struct generation *g, const char **failure);
err *lora_submit(struct work *w, const struct generation *g, str callback_url,
                 struct fal_submission *out);
err *lora_mend(struct db *db, struct arena *a, struct generation *g,
               const struct fal_failure *failure, str request_id, bool *is_seen_to);

/* Uploads our copy and has the order submitted again. */
err *job_generation_lora(struct work *w);
