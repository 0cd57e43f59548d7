/*
 * The zip of photos that a trainer is given, taken apart as strictly as a trainer can:
 * photos that decode, captions named like them, and nothing else.
 */
#include "tests/sandbox/fal_inside.h"

#include <zip.h>

#include "core/loop.h"
#include "tests/sandbox/photo.h"

enum {
    MOST_ENTRIES = 2000,
    MOST_ENTRY_BYTES = 64 << 20,
    ENTRY_ARENA_BYTES = 192 << 20, /* an entry, and what is decoded of it */
};

static str base_of(str name)
{
    size_t dot = name.len;
    while (dot && name.ptr[dot - 1] != '.' && name.ptr[dot - 1] != '/')
        dot--;
    return dot && name.ptr[dot - 1] == '.' ? str_sub(name, 0, dot - 1) : name;
}

static bool is_caption(str name)
{
    return str_ends(name, S(".txt"));
}

static bool read_entry(struct arena *a, zip_t *zip, zip_uint64_t index, str *out)
{
    zip_stat_t about;
    if (zip_stat_index(zip, index, 0, &about) || !(about.valid & ZIP_STAT_SIZE) ||
        about.size > MOST_ENTRY_BYTES)
        return false;
    zip_file_t *file = zip_fopen_index(zip, index, 0);
    if (!file)
        return false;
    /* One byte more than there is: only a read past the end compares the checksum. */
    char *bytes = NEW_ARRAY(a, char, about.size + 1);
    zip_int64_t got = zip_fread(file, bytes, about.size + 1);
    zip_fclose(file);
    *out = (str){bytes, about.size};
    return got >= 0 && (zip_uint64_t)got == about.size;
}

static bool has_photo(zip_t *zip, zip_uint64_t count, str base)
{
    for (zip_uint64_t i = 0; i < count; i++) {
        str name = str_from(zip_get_name(zip, i, 0));
        if (!is_caption(name) && str_eq(base_of(name), base))
            return true;
    }
    return false;
}

static bool is_photo_format(str bytes)
{
    return str_starts(bytes, S("\xff\xd8\xff")) || str_starts(bytes, S("\x89PNG\r\n\x1a\n")) ||
           (str_starts(bytes, S("RIFF")) && str_eq(str_sub(bytes, 8, 4), S("WEBP")));
}

/* The face is cut from the first photo and outlives the entry. */
static bool judge_photo(struct arena *a, struct arena *entry_arena, str bytes,
                        struct fal_archive *out)
{
    str face;
    bool is_first = out->photos == 0;
    if (!is_photo_format(bytes) ||
        !photo_square(entry_arena, bytes, FAL_FACE_SIDE, is_first ? &face : NULL))
        return false;
    if (is_first)
        out->face.pixels = (const unsigned char *)str_dup(a, face).ptr;
    out->photos++;
    return true;
}

static const char *judge_entry(struct arena *a, struct arena *entry_arena, zip_t *zip,
                               zip_uint64_t index, struct fal_archive *out)
{
    str bytes, name = str_from(zip_get_name(zip, index, 0));
    if (str_ends(name, S("/")))
        return NULL;
    if (!read_entry(entry_arena, zip, index, &bytes))
        return "a file of the archive cannot be unpacked";
    if (!is_caption(name))
        return judge_photo(a, entry_arena, bytes, out) ? NULL : "is no image that can be read";
    if (!str_is_utf8(bytes))
        return "is a caption that is no text";
    if (!has_photo(zip, (zip_uint64_t)zip_get_num_entries(zip, 0), base_of(name)))
        return "is a caption without an image of its name";
    out->captions++;
    return NULL;
}

static void judge_all(struct arena *a, zip_t *zip, struct fal_archive *out)
{
    zip_uint64_t count = (zip_uint64_t)zip_get_num_entries(zip, 0);
    struct arena *entry_arena = arena_new(ENTRY_ARENA_BYTES);
    for (zip_uint64_t i = 0; i < count && !out->wrong; i++) {
        out->wrong = judge_entry(a, entry_arena, zip, i, out);
        if (out->wrong)
            out->wrong_name = str_dup(a, str_from(zip_get_name(zip, i, 0)));
        arena_reset(entry_arena);
        task_yield();
    }
    arena_free(entry_arena);
}

bool fal_archive_open(struct arena *a, str bytes, struct fal_archive *out)
{
    zip_error_t error;
    *out = (struct fal_archive){0};
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes.ptr, bytes.len, 0, &error);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    zip_error_fini(&error);
    if (!zip) {
        zip_source_free(source);
        return false;
    }
    bool is_archive = zip_get_num_entries(zip, 0) <= MOST_ENTRIES;
    if (is_archive)
        judge_all(a, zip, out);
    zip_discard(zip);
    return is_archive;
}
