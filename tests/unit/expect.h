/*
 * expect.h - for tests that run in a task, whose stack cmocka's assertions
 * cannot leave: what does not hold is noted, and the test goes on.
 *
 *     EXPECT(is_well(s3_put(…)));
 *     EXPECT(is_kind(s3_get(…), ERR_NOT_FOUND));
 *     …and at its end:  assert_false(is_failed)
 */
#pragma once
#include "core/err.h"

static bool is_failed;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("# %s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                       \
            is_failed = true;                                                                      \
        }                                                                                          \
    } while (0)

static inline bool is_well(const err *e)
{
    if (e)
        printf("# %s %d " STR_FMT ": " STR_FMT "\n", err_kind_name(e->kind), e->code,
               STR_ARG(e->message), STR_ARG(e->detail));
    return !e;
}

static inline bool is_kind(const err *e, enum err_kind kind)
{
    if (e && e->kind == kind)
        return true;
    printf("# expected %s, got %s\n", err_kind_name(kind), e ? err_kind_name(e->kind) : "success");
    return false;
}
