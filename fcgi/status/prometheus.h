/*
 * prometheus.h - all figures of the bot as Prometheus wants them.
 *
 * What was counted by all processes comes from the sums in Redis, what lies in
 * queues and accounts from the stores at this moment. A store that is away is
 * told by aisha_up and leaves its figures out: no figure is ever guessed.
 */
#pragma once
#include "handlers/bot.h"

#define PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

str prometheus_text(const struct bot *bot, struct arena *a);
