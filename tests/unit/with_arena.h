/*
 * with_arena.h - an arena for each test of a unit, under the name `a`.
 *
 *     cmocka_unit_test_setup_teardown(strings_compare, make_arena, free_arena)
 *
 * Included behind the header of the unit, which has to stand on its own.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena *a;

static inline int make_arena(void **state)
{
    (void)state;
    a = arena_new(4 << 20);
    return 0;
}

static inline int free_arena(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static inline void assert_str(str got, str want)
{
    if (!str_eq(got, want))
        fail_msg("got \"" STR_FMT "\", want \"" STR_FMT "\"", STR_ARG(got), STR_ARG(want));
}
