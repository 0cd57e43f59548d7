/*
 * json.h - strict reading through json-c, writing from typed values.
 *
 * Reading: json_parse() accepts one complete document, valid UTF-8, at most 32
 * levels deep, no name twice in an object, nothing behind it. The tree belongs
 * to the arena. Getters take a tree or NULL and answer false or the empty str
 * for what is absent or of another type, so a chain of them needs one check at
 * its end.
 *
 *     struct json_object *update;
 *     TRY(json_parse(a, body, &update));
 *     int64_t chat;
 *     if (!json_i64(json_at(json_at(update, "message"), "chat"), "id", &chat)) ...
 *
 * Writing: str body = json_make(a, KV("chat_id", chat), KV("text", text));
 */
#pragma once
#include <json-c/json_object.h>

#include "core/val.h"

err *json_parse(struct arena *a, str text, struct json_object **out);
/* The same document, with \ufffd for each escape that is no character of a text: U+0000 and half of
 * a pair. JSON allows both, PostgreSQL takes neither. */
str json_mended(struct arena *a, str text);

/* A member of an object; NULL when it is absent or null, or this is no object. */
struct json_object *json_at(struct json_object *object, const char *name);
struct json_object *json_item(struct json_object *array, size_t index); /* NULL past the end */
size_t json_length(struct json_object *array);                          /* 0 for what is no array */
bool json_has(struct json_object *object, const char *name);            /* present and not null */
/* Integers only, exact in 64 bits: what json-c would saturate is refused. */
bool json_i64(struct json_object *object, const char *name, int64_t *out);
bool json_boolean(struct json_object *object, const char *name, bool *out);
bool json_double(struct json_object *object, const char *name, double *out);
str json_str(struct json_object *object, const char *name); /* view into the tree */
str json_value_str(struct json_object *value);              /* a string value itself */
bool json_value_i64(struct json_object *value, int64_t *out);
str json_text(struct arena *a, struct json_object *value); /* serialised, no \/ */

void json_put_str(struct buf *b, str s); /* "…" with escapes */
void json_put_val(struct buf *b, struct val v);
void json_put_object(struct buf *b, const struct kv *fields);
#define json_make(a, ...) json_make_kvs((a), KVS(__VA_ARGS__))
str json_make_kvs(struct arena *a, const struct kv *fields);
