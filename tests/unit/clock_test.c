/* The clock stands still and chance repeats when a test says so. */
#include "core/clock.h"

#include "tests/unit/with_arena.h"

static int give_all_back(void **state)
{
    (void)state;
    clock_set_ms(0);
    random_seed_for_tests(0);
    arena_free(a);
    return 0;
}

static void the_clock_can_stand_still(void **state)
{
    (void)state;
    int64_t steady = clock_steady_ms();
    assert_true(clock_ms() > 1700000000000);
    clock_set_ms(5);
    assert_int_equal(clock_ms(), 5);
    assert_true(clock_steady_ms() >= steady);
    clock_set_ms(0);
    assert_true(clock_ms() > 1700000000000);
}

static void a_seed_repeats(void **state)
{
    (void)state;
    random_seed_for_tests(7);
    str first = random_hex(a, 33), second = random_uuid(a);
    uint64_t third = random_below(1000000);
    random_seed_for_tests(7);
    assert_true(str_eq(random_hex(a, 33), first));
    assert_true(str_eq(random_uuid(a), second));
    assert_int_equal(random_below(1000000), third);
    random_seed_for_tests(8);
    assert_false(str_eq(random_hex(a, 33), first));
    random_seed_for_tests(0);
    assert_false(str_eq(random_hex(a, 33), random_hex(a, 33)));
}

static void limits_are_kept(void **state)
{
    (void)state;
    static const uint64_t limits[] = {1, 2, 3, 10, 1000, UINT64_C(1) << 63, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        for (int n = 0; n < 200; n++)
            assert_true(random_below(limits[i]) < limits[i]);

    random_seed_for_tests(1);
    bool is_seen[6] = {0};
    for (int n = 0; n < 200; n++)
        is_seen[random_below(6)] = true;
    for (size_t i = 0; i < ARRAY_LEN(is_seen); i++)
        assert_true(is_seen[i]);
}

static void names_have_their_form(void **state)
{
    (void)state;
    assert_int_equal(random_hex(a, 0).len, 0);
    assert_int_equal(random_hex(a, 16).len, 32);
    for (int n = 0; n < 50; n++) {
        str uuid = random_uuid(a);
        assert_int_equal(uuid.len, 36);
        for (size_t i = 0; i < uuid.len; i++) {
            bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
            assert_non_null(
                memchr(is_dash ? "-" : "0123456789abcdef", uuid.ptr[i], is_dash ? 1 : 16));
        }
        assert_int_equal(uuid.ptr[14], '4');
        assert_non_null(memchr("89ab", uuid.ptr[19], 4));
    }
}

int main(void)
{
#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, make_arena, give_all_back)
    const struct CMUnitTest tests[] = {
        WITH_ARENA(the_clock_can_stand_still),
        WITH_ARENA(a_seed_repeats),
        WITH_ARENA(limits_are_kept),
        WITH_ARENA(names_have_their_form),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
