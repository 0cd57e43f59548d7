#include "core/err.h"

#include <stdarg.h>

/* clang-format off */
static const struct {
    const char *name;
    bool is_waiting;
} kinds[] = {
    [ERR_INPUT] = {"input", false},
    [ERR_REFUSED] = {"refused", false},
    [ERR_NOT_FOUND] = {"not_found", false},
    [ERR_CONFLICT] = {"conflict", false},
    [ERR_REPLAY] = {"replay", false},
    [ERR_UNREACHABLE] = {"unreachable", true},
    [ERR_UNKNOWN] = {"unknown", true},
    [ERR_UPSTREAM] = {"upstream", false},
    [ERR_BUSY] = {"busy", true},
    [ERR_INTERNAL] = {"internal", false},
};
/* clang-format on */
static_assert(ARRAY_LEN(kinds) == ERR_KIND_COUNT, "every kind of error has a row");

static err *make(struct arena *a, enum err_kind kind, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static err *make(struct arena *a, enum err_kind kind, const char *format, va_list arguments)
{
    err *e = NEW(a, err);
    e->kind = kind;
    e->message = str_vprintf(a, format, arguments);
    return e;
}

err *fail(struct arena *a, enum err_kind kind, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    err *e = make(a, kind, format, arguments);
    va_end(arguments);
    return e;
}

err *fail_with(struct arena *a, enum err_kind kind, int code, str detail, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    err *e = make(a, kind, format, arguments);
    va_end(arguments);
    e->code = code;
    e->detail = str_dup(a, detail);
    return e;
}

const char *err_kind_name(enum err_kind kind)
{
    return (size_t)kind < ARRAY_LEN(kinds) ? kinds[kind].name : "unnamed";
}

bool err_is_waiting(const err *e)
{
    return e && (size_t)e->kind < ARRAY_LEN(kinds) && kinds[e->kind].is_waiting;
}
