/*
 * file.h - small files that an operator writes, read whole.
 */
#pragma once
#include "core/err.h"

/* ERR_NOT_FOUND when it cannot be opened; ERR_INPUT for one that is longer, or no text. */
err *file_read(struct arena *a, const char *path, size_t most_bytes, str *out);
