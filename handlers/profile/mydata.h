/*
 * mydata.h - a user gets everything that is kept of him, as archives in the
 * chat: a JSON of each table, pictures, photos, and what was trained.
 *
 *     mydata_pack       one archive a step, put into the object store
 *     mydata_send       at its place in the chat: sent, and gone from the store
 *     mydata_explain    when it came to nothing
 *
 * A file that is larger than an archive may be is cut; the pieces are numbered
 * and can be joined by anything that puts files together.
 */
#pragma once
#include "handlers/turn.h"
#include "handlers/work.h"

err *on_mydata(struct turn *t);
err *on_mydata_make(struct turn *t);

err *job_mydata_pack(struct work *w);
err *job_mydata_send(struct work *w);
err *job_mydata_explain(struct work *w);
err *give_up_mydata(struct work *w);
