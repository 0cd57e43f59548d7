/*
 * log.h - one event per line, to stderr.
 *
 *     log_info("avatar.created", KV("avatar", id));
 *     level=info event=avatar.created turn=8f2 user=42 avatar=7
 *
 * Events are named in the past tense. What log_context() has set for the
 * running task (turn, user, job) is put on every line. Values with spaces,
 * quotes or control characters are quoted and escaped, so a line is a line.
 */
#pragma once
#include "core/val.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* LOG_LEVEL, default info; unknown names give info. */
void log_set_level(str name);
void log_write(enum log_level level, const char *event, const struct kv *fields);

#define log_debug(event, ...) log_write(LOG_DEBUG, event, KVS(__VA_ARGS__))
#define log_info(event, ...)  log_write(LOG_INFO, event, KVS(__VA_ARGS__))
#define log_warn(event, ...)  log_write(LOG_WARN, event, KVS(__VA_ARGS__))
#define log_error(event, ...) log_write(LOG_ERROR, event, KVS(__VA_ARGS__))
/* An error with its kind, code, message and detail, and what else is known. */
void log_err(const char *event, const err *e, const struct kv *fields);

/* Fields for every line of this task from now on; a str like " turn=8f2 user=42"
 * made by log_fields(), kept by the caller for as long as the task runs. */
str log_fields(struct arena *a, const struct kv *fields);
