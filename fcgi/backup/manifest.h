/*
 * manifest.h - what one backup consists of.
 *
 * A line of JSON for each thing, and a last line that says how many there were,
 * so that half a manifest is none. Objects are named by their contents
 * (objects/ab/abcdef…), so one that has not changed is copied once, and every
 * manifest stays true whatever is saved later.
 */
#pragma once
#include "core/val.h"

/* A piece of what pg_dump wrote, in order. */
struct saved_part {
    str name; /* in the vault */
    str sha256;
};

/* What a table held when it was saved; the digest does not depend on the order of rows. */
struct saved_table {
    str name;
    int64_t rows;
    str digest;
};

struct saved_object {
    str bucket, key;
    str etag; /* as the store told it: the same again means that nothing has changed */
    str content_type;
    str sha256;
    int64_t bytes;
};

struct manifest {
    str stamp;   /* "20261121T031700Z": the backup's name, and when it began */
    str release; /* that made it */
    struct saved_part *parts;
    struct saved_table *tables;
    struct saved_object *objects; /* by bucket and key */
    size_t part_count, table_count, object_count;
};

str manifest_text(struct arena *a, const struct manifest *manifest);
/* ERR_INPUT when it is none, or only half of one. */
err *manifest_read(struct arena *a, str text, struct manifest *out);

/* Of a sorted manifest; NULL when it has no such object. */
const struct saved_object *manifest_find(const struct manifest *manifest, str bucket, str key);
void manifest_sort(struct manifest *manifest);

/* Where an object with these contents lies in the vault. */
str manifest_object_name(struct arena *a, str sha256);
