#include "core/zip.h"

#include <zip.h>

enum { FIRST_DAY = (1 << 5) | 1 }; /* 1980-01-01, the oldest that the format can say */

static err *failure(struct arena *a, zip_error_t *why)
{
    return fail(a, ERR_INTERNAL, "zip: %s", zip_error_strerror(why));
}

/* The source lends the entry's bytes; the archive owns the source once it has it. */
static err *add_entry(struct arena *a, zip_t *archive, const struct zip_entry *entry)
{
    zip_source_t *source = zip_source_buffer(archive, entry->bytes.ptr, entry->bytes.len, 0);
    if (!source)
        return failure(a, zip_get_error(archive));
    zip_int64_t index = zip_file_add(archive, cstr(a, entry->name), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return failure(a, zip_get_error(archive));
    }
    if (zip_set_file_compression(archive, (zip_uint64_t)index, ZIP_CM_STORE, 0) ||
        zip_file_set_dostime(archive, (zip_uint64_t)index, 0, FIRST_DAY, 0))
        return failure(a, zip_get_error(archive));
    return NULL;
}

static err *read_back(struct arena *a, zip_source_t *source, str *out)
{
    zip_stat_t about;
    if (zip_source_stat(source, &about) || zip_source_open(source))
        return failure(a, zip_source_error(source));
    char *bytes = NEW_ARRAY(a, char, about.size + 1);
    zip_int64_t got = zip_source_read(source, bytes, about.size);
    zip_source_close(source);
    if (got < 0 || (zip_uint64_t)got != about.size)
        return failure(a, zip_source_error(source));
    *out = (str){bytes, (size_t)about.size};
    return NULL;
}

static err *fill(struct arena *a, zip_t *archive, const struct zip_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        TRY(add_entry(a, archive, &entries[i]));
    return NULL;
}

/* The archive frees its source when it is closed; one more hold on it keeps what was written. */
static err *write_archive(struct arena *a, zip_source_t *target, const struct zip_entry *entries,
                          size_t count)
{
    zip_error_t why;
    zip_error_init(&why);
    zip_t *archive = zip_open_from_source(target, ZIP_TRUNCATE, &why);
    if (!archive)
        return failure(a, &why);
    zip_source_keep(target);
    err *e = fill(a, archive, entries, count);
    if (!e && zip_close(archive))
        e = failure(a, zip_get_error(archive));
    if (e)
        zip_discard(archive);
    return e;
}

err *zip_make(struct arena *a, const struct zip_entry *entries, size_t count, str *archive)
{
    zip_error_t why;
    zip_error_init(&why);
    zip_source_t *target = zip_source_buffer_create(NULL, 0, 0, &why);
    if (!target)
        return failure(a, &why);
    err *e = write_archive(a, target, entries, count);
    if (!e)
        e = read_back(a, target, archive);
    zip_source_free(target);
    return e;
}
