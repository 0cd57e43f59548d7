/*
 * statistics.h - what the user has made and spent, in figures and, when he asks
 * for it, as a picture that the worker draws.
 */
#pragma once
#include "handlers/turn.h"
#include "handlers/work.h"

err *on_statistics_open(struct turn *t);
err *on_statistics_chart(struct turn *t);

err *job_statistics_chart(struct work *w);
