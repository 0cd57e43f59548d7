/*
 * zip.h - an archive made in memory.
 *
 * The entries are stored as they are: photos do not get smaller. Nothing is
 * told of them but their names, and the same entries make the same archive.
 */
#pragma once
#include "core/err.h"

struct zip_entry {
    str name, bytes;
};

err *zip_make(struct arena *a, const struct zip_entry *entries, size_t count, str *archive);
