/*
 * val.h - one typed value for log fields, JSON, SQL parameters and texts.
 *
 * V(x) carries x with its type, KV("name", x) adds a name. A type that is not
 * listed does not compile, so nothing is ever printed into SQL, JSON or HTML.
 * Lists end with a KV of no name; the KVS(...) macro adds it.
 */
#pragma once
#include "core/err.h"

enum val_type { VAL_NULL, VAL_BOOL, VAL_INT, VAL_DOUBLE, VAL_STR, VAL_JSON };

struct val {
    enum val_type type;
    union {
        bool boolean;
        int64_t integer;
        double number;
        str string; /* VAL_STR, and VAL_JSON: text that is JSON already */
    };
};

struct kv {
    const char *name;
    struct val value;
};

/* A str that holds finished JSON: V(JSON(text)). */
struct json_text {
    str text;
};
#define JSON(s) ((struct json_text){(s)})
struct nothing {
    char unused;
};
#define NOTHING ((struct nothing){0})

static inline struct val val_nothing(struct nothing n)
{
    (void)n;
    return (struct val){.type = VAL_NULL};
}
static inline struct val val_bool(bool b)
{
    return (struct val){.type = VAL_BOOL, .boolean = b};
}
static inline struct val val_int(int64_t i)
{
    return (struct val){.type = VAL_INT, .integer = i};
}
static inline struct val val_double(double d)
{
    return (struct val){.type = VAL_DOUBLE, .number = d};
}
static inline struct val val_str(str s)
{
    return (struct val){.type = s.ptr ? VAL_STR : VAL_NULL, .string = s};
}
static inline struct val val_cstr(const char *c)
{
    return (struct val){
        .type = c ? VAL_STR : VAL_NULL, .string = {c, c ? strlen(c) : 0}
    };
}
static inline struct val val_json(struct json_text j)
{
    return (struct val){.type = VAL_JSON, .string = j.text};
}
static inline struct val val_val(struct val v)
{
    return v;
}

/* size_t and other unsigned 64-bit values are meant to be below 2^63. */
static inline struct val val_size(size_t n)
{
    return val_int((int64_t)n);
}

#define V(x)                                                                                       \
    _Generic((x),                     \
        bool: val_bool,               \
        short: val_int,               \
        int: val_int,                 \
        long: val_int,                \
        long long: val_int,           \
        unsigned: val_int,            \
        unsigned long: val_size,      \
        double: val_double,           \
        char *: val_cstr,             \
        const char *: val_cstr,       \
        str: val_str,                 \
        struct json_text: val_json,   \
        struct nothing: val_nothing,  \
        struct val: val_val)(x)

#define KV(key, x) ((struct kv){(key), V(x)})
#define KVS(...)   ((const struct kv[]){__VA_ARGS__ __VA_OPT__(, ){0}})
#define VALS(...)  ((const struct val[]){__VA_ARGS__})

/* A list that one function gathers and another one uses: it is good for as long as the arena. */
static inline const struct kv *kvs_kept(struct arena *a, const struct kv *values)
{
    size_t count = 0;
    while (values[count].name)
        count++;
    struct kv *kept = NEW_ARRAY(a, struct kv, count + 1);
    memcpy(kept, values, (count + 1) * sizeof *values);
    return kept;
}
