#include "backup/manifest.h"

#include "core/json.h"

enum { LINE_ARENA_BYTES = 1 << 20, FIRST_ROOM = 64 };

str manifest_object_name(struct arena *a, str sha256)
{
    return str_printf(a, "objects/" STR_FMT "/" STR_FMT, STR_ARG(str_sub(sha256, 0, 2)),
                      STR_ARG(sha256));
}

/* ---------------------------------------------------------------- order */

static int compare(str one, str other)
{
    size_t least = one.len < other.len ? one.len : other.len;
    int order = least ? memcmp(one.ptr, other.ptr, least) : 0;
    return order ? order : (one.len > other.len) - (one.len < other.len);
}

static int by_place(const void *one, const void *other)
{
    const struct saved_object *x = one, *y = other;
    int order = compare(x->bucket, y->bucket);
    return order ? order : compare(x->key, y->key);
}

void manifest_sort(struct manifest *manifest)
{
    if (manifest->object_count)
        qsort(manifest->objects, manifest->object_count, sizeof *manifest->objects, by_place);
}

const struct saved_object *manifest_find(const struct manifest *manifest, str bucket, str key)
{
    const struct saved_object wanted = {.bucket = bucket, .key = key};
    return manifest->object_count ? bsearch(&wanted, manifest->objects, manifest->object_count,
                                            sizeof *manifest->objects, by_place)
                                  : NULL;
}

/* ---------------------------------------------------------------- writing */

str manifest_text(struct arena *a, const struct manifest *m)
{
    struct buf b = buf_new(a);
    json_put_object(&b, KVS(KV("backup", m->stamp), KV("release", m->release)));
    for (size_t i = 0; i < m->part_count; i++) {
        buf_add_char(&b, '\n');
        json_put_object(&b, KVS(KV("part", m->parts[i].name), KV("sha256", m->parts[i].sha256)));
    }
    for (size_t i = 0; i < m->table_count; i++) {
        buf_add_char(&b, '\n');
        json_put_object(&b, KVS(KV("table", m->tables[i].name), KV("rows", m->tables[i].rows),
                                KV("digest", m->tables[i].digest)));
    }
    for (size_t i = 0; i < m->object_count; i++) {
        const struct saved_object *o = &m->objects[i];
        buf_add_char(&b, '\n');
        json_put_object(&b, KVS(KV("object", o->key), KV("bucket", o->bucket), KV("etag", o->etag),
                                KV("type", o->content_type), KV("sha256", o->sha256),
                                KV("bytes", o->bytes)));
    }
    buf_add_char(&b, '\n');
    json_put_object(&b, KVS(KV("end", m->part_count + m->table_count + m->object_count)));
    buf_add_char(&b, '\n');
    return buf_str(&b);
}

/* ---------------------------------------------------------------- reading */

/* Twice as much room whenever there is none left. */
#define ROOM_FOR_ONE_MORE(a, items, count)                                                         \
    do {                                                                                           \
        if ((count) == 0 || ((count) >= FIRST_ROOM && ((count) & ((count)-1)) == 0)) {             \
            void *wider = arena_alloc((a), (count) ? 2 * (count) : FIRST_ROOM, sizeof *(items));   \
            if (count)                                                                             \
                memcpy(wider, (items), (count) * sizeof *(items));                                 \
            (items) = wider;                                                                       \
        }                                                                                          \
    } while (0)

static str kept(struct arena *a, struct json_object *line, const char *name)
{
    return str_dup(a, json_str(line, name));
}

static void add_object(struct arena *a, struct manifest *m, struct json_object *line)
{
    ROOM_FOR_ONE_MORE(a, m->objects, m->object_count);
    struct saved_object *o = &m->objects[m->object_count++];
    *o = (struct saved_object){
        .key = kept(a, line, "object"),
        .bucket = kept(a, line, "bucket"),
        .etag = kept(a, line, "etag"),
        .content_type = kept(a, line, "type"),
        .sha256 = kept(a, line, "sha256"),
    };
    json_i64(line, "bytes", &o->bytes);
}

static void add_table(struct arena *a, struct manifest *m, struct json_object *line)
{
    ROOM_FOR_ONE_MORE(a, m->tables, m->table_count);
    struct saved_table *t = &m->tables[m->table_count++];
    *t = (struct saved_table){.name = kept(a, line, "table"), .digest = kept(a, line, "digest")};
    json_i64(line, "rows", &t->rows);
}

static void add_part(struct arena *a, struct manifest *m, struct json_object *line)
{
    ROOM_FOR_ONE_MORE(a, m->parts, m->part_count);
    m->parts[m->part_count++] = (struct saved_part){.name = kept(a, line, "part"),
                                                    .sha256 = kept(a, line, "sha256")};
}

static void add_line(struct arena *a, struct manifest *m, struct json_object *line)
{
    if (json_has(line, "object")) {
        add_object(a, m, line);
    } else if (json_has(line, "table")) {
        add_table(a, m, line);
    } else if (json_has(line, "part")) {
        add_part(a, m, line);
    } else if (json_has(line, "backup")) {
        m->stamp = kept(a, line, "backup");
        m->release = kept(a, line, "release");
    }
}

err *manifest_read(struct arena *a, str text, struct manifest *out)
{
    struct arena *scratch = arena_new(LINE_ARENA_BYTES);
    struct manifest m = {0};
    bool is_well = true;
    int64_t promised = -1;
    for (str line; is_well && str_cut(text, '\n', &line, &text);) {
        struct json_object *json;
        is_well = !json_parse(scratch, line, &json) && promised < 0;
        if (is_well && !json_i64(json, "end", &promised))
            add_line(a, &m, json);
        arena_reset(scratch);
    }
    arena_free(scratch);
    size_t found = m.part_count + m.table_count + m.object_count;
    if (!is_well || str_empty(m.stamp) || promised != (int64_t)found)
        return fail(a, ERR_INPUT, "this is no whole manifest of a backup");
    manifest_sort(&m);
    *out = m;
    return NULL;
}
