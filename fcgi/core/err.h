/*
 * err.h - errors are values.
 *
 * A function that can fail returns err *; NULL is success. The error is born
 * where the facts are and is passed up with TRY(). Nobody logs on the way; the
 * dispatcher, the job runner or the request's end logs once.
 *
 *     if (response.status != 200)
 *         return fail(a, ERR_UPSTREAM, "fal: http %d", response.status);
 *     TRY(avatar_find(db, user_id, avatar_id, &avatar));
 */
#pragma once
#include "core/str.h"

enum err_kind {
    ERR_INPUT,       /* what came from outside does not fit its contract */
    ERR_REFUSED,     /* the user is told no; nothing is wrong */
    ERR_NOT_FOUND,   /* a row, object or message that is not there, or not yours */
    ERR_CONFLICT,    /* somebody else was first; nothing was changed */
    ERR_REPLAY,      /* this turn had already been written; use its stored outcome */
    ERR_UNREACHABLE, /* a store or party was not reached; nothing was done there */
    ERR_UNKNOWN,     /* the request was sent and no answer came: it may have been done */
    ERR_UPSTREAM,    /* the party answered, and refused */
    ERR_BUSY,        /* the party asks to come later: 429, 5xx */
    ERR_INTERNAL,    /* our own fault */
    ERR_KIND_COUNT
};

typedef struct err {
    enum err_kind kind;
    int code;         /* status of the other party where it has one, else 0 */
    int64_t retry_ms; /* when it asked to wait, else 0 */
    str message;      /* English, for the log */
    str detail;       /* what the other party said, as it said it */
} err;

err *fail(struct arena *a, enum err_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4) MUST_USE NEVER_NULL;
/* The same with the other party's status and words. */
err *fail_with(struct arena *a, enum err_kind kind, int code, str detail, const char *format, ...)
    PRINTF_LIKE(5, 6) MUST_USE NEVER_NULL;
const char *err_kind_name(enum err_kind kind);
/* Nothing is wrong, it is just not there: for callers that have a way on. */
static inline bool err_is_not_found(const err *e)
{
    return e && e->kind == ERR_NOT_FOUND;
}
/* True for kinds where waiting helps and nothing counts as a failure. */
bool err_is_waiting(const err *e);

#define TRY(call)                                                                                  \
    do {                                                                                           \
        err *try_err_ = (call);                                                                    \
        if (try_err_)                                                                              \
            return try_err_;                                                                       \
    } while (0)
