/*
 * training.h - an avatar is made of its photos.
 *
 *     training:open, training:preset   the screen that says what it costs, and how thoroughly
 *     training:start                   holds the price, makes the row, queues training_archive
 *     job_training_archive             the photos, as an archive that FAL can read
 *     job_training_submit …            the steps of any errand, see errand.h
 *
 * What FAL made of it is stored and told by trained.h.
 *
 * While it lasts training:show draws how far it is, and training:cancel stops
 * it: before FAL has it for nothing, afterwards for its price, which is said
 * before training:stop does it.
 */
#pragma once
#include "db/training.h"
#include "handlers/errand.h"

extern const struct errand_kind training_errands;

err *on_training_open(struct turn *t);
err *on_training_preset(struct turn *t);
err *on_training_start(struct turn *t);
/* Its button, after the training was ordered. */
err *on_training_started(struct turn *t);
err *draw_training(struct turn *t);

err *on_training_show(struct turn *t);
err *on_training_cancel(struct turn *t);
err *on_training_stop(struct turn *t);

err *job_training_archive(struct work *w);
err *job_training_submit(struct work *w);
err *job_training_check(struct work *w);
err *job_training_result(struct work *w);
err *job_training_cancel(struct work *w);

/* When a step is dead: the training fails, the coins return, the user is told. */
err *give_up_training(struct work *w);
err *give_up_training_cancel(struct work *w); /* FAL goes on, and the training with it */
/* The same for one step: why is kept, words are a job of their own. */
err *training_fail(struct work *w, const struct training *g, const char *failure, str message);
/* The ways out under whatever is said of a training. */
void training_leave_row(struct keyboard *k, str avatar_id);
