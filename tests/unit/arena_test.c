/* Arenas: alignment, zeroed memory, growth, the order of closing, the ceiling. */
#include "core/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/str.h"

static void pieces_are_aligned_and_zeroed(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 600; size++) {
            unsigned char *piece = arena_alloc(a, size, 1);
            assert_int_equal((uintptr_t)piece % 16, 0);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(piece[i], 0);
            memset(piece, 0xA5, size); /* the next round must not see it */
        }
        arena_reset(a);
    }
    arena_free(a);
}

static void used_counts_what_was_asked_for(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    assert_int_equal(arena_used(a), 0);
    arena_alloc(a, 3, 7);
    assert_int_equal(arena_used(a), 21);
    arena_alloc(a, 100000, 1);
    assert_int_equal(arena_used(a), 100021);
    arena_reset(a);
    assert_int_equal(arena_used(a), 0);
    arena_free(a);
}

static void the_last_piece_grows_where_it_lies(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    char *piece = arena_alloc(a, 100, 1);
    memset(piece, 'x', 100);
    assert_true(arena_extend(a, piece, 100, 900));
    assert_int_equal(arena_used(a), 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(piece[i], i < 100 ? 'x' : 0);
    memset(piece, 'x', 1000);

    char *other = arena_alloc(a, 10, 1);
    assert_true(other >= piece + 1000);
    assert_false(arena_extend(a, piece, 1000, 1));
    assert_false(arena_extend(a, other, 10, 1 << 20)); /* above the ceiling */
    assert_false(arena_extend(a, other, 10, 20000));   /* more than the chunk has */
    assert_int_equal(arena_used(a), 1010);
    assert_true(arena_extend(a, other, 10, 1));
    arena_free(a);
}

/* What an earlier turn left behind is not seen in what is added either. */
static void what_is_added_is_zeroed(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    memset(arena_alloc(a, 4000, 1), 0xA5, 4000);
    arena_reset(a);
    char *piece = arena_alloc(a, 1, 1);
    assert_true(arena_extend(a, piece, 1, 3999));
    for (size_t i = 0; i < 4000; i++)
        assert_int_equal(piece[i], 0);
    arena_free(a);
}

/* A large piece in between must not disturb the small ones around it. */
static void large_and_small_pieces_do_not_overlap(void **state)
{
    (void)state;
    struct arena *a = arena_new(8 << 20);
    enum { COUNT = 400 };
    unsigned char *pieces[COUNT];
    size_t sizes[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = i % 40 == 7 ? 70000 : 1 + i * 3;
        pieces[i] = arena_alloc(a, sizes[i], 1);
        memset(pieces[i], (int)(i & 0xFF), sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t n = 0; n < sizes[i]; n++)
            assert_int_equal(pieces[i][n], i & 0xFF);
    arena_free(a);
}

static char closed[16];

static void note_closed(void *name)
{
    size_t length = strlen(closed);
    closed[length] = *(const char *)name;
    closed[length + 1] = '\0';
}

static void things_are_closed_in_reverse_and_once(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    char names[] = "abc";
    closed[0] = '\0';
    for (int i = 0; i < 3; i++)
        arena_defer(a, note_closed, &names[i]);
    arena_reset(a);
    assert_string_equal(closed, "cba");
    arena_reset(a);
    assert_string_equal(closed, "cba");
    arena_defer(a, note_closed, &names[1]);
    arena_free(a);
    assert_string_equal(closed, "cbab");
}

struct late {
    struct arena *arena;
    char name;
};

static void close_and_defer_again(void *thing)
{
    struct late *late = thing;
    arena_defer(late->arena, note_closed, &late->name);
}

static void a_closer_may_defer(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    struct late late = {a, 'x'};
    closed[0] = '\0';
    arena_defer(a, close_and_defer_again, &late);
    arena_reset(a);
    assert_string_equal(closed, "x");
    arena_free(a);
}

/* Runs in a child, whose log is thrown away; the answer is its exit status. */
static int exit_status_of(size_t ceiling, size_t count, size_t size)
{
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        arena_alloc(arena_new(ceiling), count, size);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void the_ceiling_ends_the_process(void **state)
{
    (void)state;
    static const struct {
        size_t ceiling, count, size;
        int want;
    } rows[] = {
        {1000,     1000,             1,   0 },
        {1 << 20,  1 << 20,          1,   0 },
        {1000,     1001,             1,   70},
        {1000,     2,                501, 70},
        {0,        1,                1,   70},
        {1 << 20,  SIZE_MAX,         2,   70},
        {1 << 20,  SIZE_MAX / 2 + 1, 2,   70},
        {1 << 20,  SIZE_MAX,         1,   70},
        {SIZE_MAX, SIZE_MAX,         1,   70},
        {SIZE_MAX, SIZE_MAX - 40,    1,   70},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(exit_status_of(rows[i].ceiling, rows[i].count, rows[i].size),
                         rows[i].want);
}

#if !defined(__SANITIZE_ADDRESS__) /* it keeps for a while what was freed */

/* In bytes, as the kernel counts them. */
static long resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    char line[200], *resident_pages;
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    strtol(line, &resident_pages, 10); /* the first number is the size of the address space */
    return strtol(resident_pages, NULL, 10) * sysconf(_SC_PAGESIZE);
}

/* Pictures of one job after another, and between them small things that live on. */
static void large_pieces_go_back_to_the_system(void **state)
{
    (void)state;
    enum { ROUNDS = 20, MIB = 1 << 20 };
    struct arena *jobs = arena_new(512 * MIB), *lasting = arena_new(MIB);
    long before = resident(), largest = 0;
    for (int round = 1; round <= ROUNDS; round++) {
        for (int picture = 0; picture < 4; picture++)
            memset(arena_alloc(jobs, 300 * 1024 * (size_t)round, 1), 1, 300 * 1024 * (size_t)round);
        for (int i = 0; i < 1000; i++)
            arena_alloc(jobs, 1000, 1);
        arena_alloc(lasting, 10 * 1024, 1);
        if (resident() > largest)
            largest = resident();
        arena_reset(jobs);
    }
    assert_true(largest - before > 20 * MIB);
    assert_true(resident() - before < MIB);
    arena_free(lasting);
    arena_free(jobs);
}

/* A thousand arenas that did little take as many pages as they used, not a whole chunk each. */
static void what_is_not_used_is_not_touched(void **state)
{
    (void)state;
    enum { COUNT = 1000, PAGE = 4096 };
    struct arena *arenas[COUNT];
    long before = resident();
    for (size_t i = 0; i < COUNT; i++) {
        arenas[i] = arena_new(1 << 20);
        arena_alloc(arenas[i], 1000, 1);
    }
    assert_true(resident() - before < COUNT * PAGE * 3 / 2);
    for (size_t i = 0; i < COUNT; i++)
        arena_free(arenas[i]);
    assert_true(resident() - before < COUNT * PAGE / 2);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_zeroed),
        cmocka_unit_test(used_counts_what_was_asked_for),
        cmocka_unit_test(the_last_piece_grows_where_it_lies),
        cmocka_unit_test(what_is_added_is_zeroed),
        cmocka_unit_test(large_and_small_pieces_do_not_overlap),
        cmocka_unit_test(things_are_closed_in_reverse_and_once),
        cmocka_unit_test(a_closer_may_defer),
        cmocka_unit_test(the_ceiling_ends_the_process),
#if !defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test(large_pieces_go_back_to_the_system),
        cmocka_unit_test(what_is_not_used_is_not_touched),
#endif
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
