/*
 * trained.h - what becomes of a training that FAL is done with.
 *
 *     job_training_store               copies what FAL made to the object store; the LoRA settles
 *     job_training_deliver, _explain   how it ended, at its place among the chat's messages
 */
#pragma once
#include "handlers/work.h"

err *job_training_store(struct work *w);
err *job_training_deliver(struct work *w);
err *job_training_explain(struct work *w);

/* When a file could not be copied: without a config it goes on, without what was learned it fails. */
err *give_up_training_store(struct work *w);
