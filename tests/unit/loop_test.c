#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/loop.h"

#include <cmocka.h>

/* What the tasks of a test did, letter by letter. */
static char trace[256];
static size_t trace_len;

static void note(char letter)
{
    assert_true(trace_len + 1 < sizeof trace);
    trace[trace_len++] = letter;
    trace[trace_len] = '\0';
}

static int begin_trace(void **state)
{
    (void)state;
    loop_init();
    trace_len = 0;
    trace[0] = '\0';
    return 0;
}

/* -- tasks -- */

static void note_and_yield(void *letter)
{
    note(*(const char *)letter);
    task_yield();
    note(*(const char *)letter);
}

static void test_tasks_take_turns(void **state)
{
    (void)state;
    char a = 'a', b = 'b', c = 'c';
    task_start(note_and_yield, &a, 0);
    task_start(note_and_yield, &b, 0);
    task_start(note_and_yield, &c, 0);
    assert_int_equal(task_count(), 3);
    loop_run();
    assert_string_equal(trace, "abcabc");
    assert_int_equal(task_count(), 0);
    assert_null(task_self());
}

static void wait_twice(void *unused)
{
    (void)unused;
    note(task_wait(0) == WOKEN ? 'w' : 't');
    note(task_wait(clock_steady_ms() + 20) == WOKEN ? 'w' : 't');
}

static void wake_twice(void *sleeper)
{
    task_wake(sleeper);
    task_wake(sleeper);
}

static void test_wakes_do_not_add_up(void **state)
{
    (void)state;
    struct task *sleeper = task_start(wait_twice, NULL, 0);
    task_start(wake_twice, sleeper, 0);
    loop_run();
    assert_string_equal(trace, "wt");
}

static void test_wake_before_the_wait_is_kept(void **state)
{
    (void)state;
    task_wake(task_start(wait_twice, NULL, 0));
    loop_run();
    /* The first wait ends at once; nothing is left for the second. */
    assert_string_equal(trace, "wt");
}

static void wake_itself(void *unused)
{
    (void)unused;
    task_wake(task_self());
    note(task_wait(0) == WOKEN ? 'w' : 't');
    note(task_wait(clock_steady_ms() - 1) == WOKEN ? 'w' : 't');
}

static void test_a_task_wakes_itself(void **state)
{
    (void)state;
    task_start(wake_itself, NULL, 0);
    loop_run();
    assert_string_equal(trace, "wt");
}

static void sleep_then_wait(void *unused)
{
    (void)unused;
    int64_t began_ms = clock_steady_ms();
    task_sleep_ms(30);
    note(clock_steady_ms() - began_ms >= 30 ? 's' : 'x');
    note(task_wait(clock_steady_ms() + 1000) == WOKEN ? 'w' : 't');
}

static void test_sleep_keeps_the_wake_for_later(void **state)
{
    (void)state;
    struct task *sleeper = task_start(sleep_then_wait, NULL, 0);
    task_start(wake_twice, sleeper, 0);
    loop_run();
    assert_string_equal(trace, "sw");
}

static void sleep_for(void *ms)
{
    task_sleep_ms(*(const int *)ms);
    note((char)('0' + *(const int *)ms / 10));
}

static void test_timers_fire_in_order_of_their_time(void **state)
{
    (void)state;
    int sleeps_ms[] = {50, 10, 40, 20, 30};
    for (size_t i = 0; i < ARRAY_LEN(sleeps_ms); i++)
        task_start(sleep_for, &sleeps_ms[i], 0);
    loop_run();
    assert_string_equal(trace, "12345");
}

static size_t depth_reached;

static __attribute__((noinline)) void descend(size_t depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    depth_reached = depth;
    if (depth < 80)
        descend(depth + 1);
    frame[1] = frame[0];
}

static void descend_in_task(void *unused)
{
    (void)unused;
    descend(0);
    task_yield();
    descend(0);
}

static void test_many_tasks_with_used_stacks(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 100; i++)
            task_start(descend_in_task, NULL, i % 2 ? 128 : 0);
        loop_run();
        assert_int_equal(task_count(), 0);
    }
    assert_int_equal(depth_reached, 80);
}

static void set_fields(void *text)
{
    task_set_log_fields(str_from(text));
    task_yield();
    assert_true(str_eq(task_log_fields(), str_from(text)));
}

static void test_log_fields_belong_to_the_task(void **state)
{
    (void)state;
    char one[] = " turn=1", two[] = " turn=2";
    task_start(set_fields, one, 0);
    task_start(set_fields, two, 0);
    loop_run();
    assert_true(str_empty(task_log_fields()));
}

/* -- descriptors -- */

static int ends[2];

static int open_pair(void **state)
{
    begin_trace(state);
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
}

static int close_pair(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void read_when_ready(void *unused)
{
    (void)unused;
    char letter;
    note(task_wait_fd(ends[0], EPOLLIN, clock_steady_ms() + 10) == WOKEN ? 'r' : 't');
    note(task_wait_fd(ends[0], EPOLLIN, 0) == WOKEN ? 'r' : 't');
    assert_int_equal(read(ends[0], &letter, 1), 1);
    note(letter);
}

static void write_later(void *unused)
{
    (void)unused;
    task_sleep_ms(30);
    assert_int_equal(write(ends[1], "!", 1), 1);
}

static void test_task_waits_for_a_descriptor(void **state)
{
    (void)state;
    task_start(read_when_ready, NULL, 0);
    task_start(write_later, NULL, 0);
    loop_run();
    assert_string_equal(trace, "tr!");
}

static struct watch *first_watch, *second_watch;

/* Both ends are readable in one round; who runs first frees the other. */
static void take_the_other_out(struct watch *w, uint32_t events)
{
    assert_true(events & EPOLLIN);
    note('1');
    struct watch **other = w == first_watch ? &second_watch : &first_watch;
    loop_watch(*other, 0);
    free(*other);
    *other = NULL;
    loop_watch(w, 0);
}

static struct watch *watch_new(int fd)
{
    struct watch *w = calloc(1, sizeof *w);
    assert_non_null(w);
    *w = (struct watch){.fd = fd, .ready = take_the_other_out};
    loop_watch(w, EPOLLIN);
    return w;
}

static void test_a_removed_watch_is_not_called_in_its_round(void **state)
{
    (void)state;
    assert_int_equal(write(ends[0], "x", 1), 1);
    assert_int_equal(write(ends[1], "x", 1), 1);
    first_watch = watch_new(ends[0]);
    second_watch = watch_new(ends[1]);
    loop_run();
    assert_string_equal(trace, "1");
    free(first_watch);
    free(second_watch);
}

static void note_events(struct watch *w, uint32_t events)
{
    note(events & EPOLLIN ? 'i' : '-');
    note(events & EPOLLOUT ? 'o' : '-');
    loop_watch(w, w->events & EPOLLOUT ? EPOLLIN | EPOLLEXCLUSIVE : 0);
}

static void test_watch_changes_its_events(void **state)
{
    (void)state;
    assert_int_equal(write(ends[1], "x", 1), 1);
    struct watch w = {.fd = ends[0], .ready = note_events};
    loop_watch(&w, EPOLLOUT);
    loop_run();
    assert_string_equal(trace, "-oi-");
}

/* -- timers, hooks, signals -- */

static void fire_letter(struct timer *t)
{
    note(*(char *)t->owner);
}

static void test_timers_move_and_go(void **state)
{
    (void)state;
    char letters[] = "abcdefgh";
    struct timer timers[8];
    int64_t now_ms = clock_steady_ms();
    for (size_t i = 0; i < 8; i++) {
        timers[i] = (struct timer){.fire = fire_letter, .owner = &letters[i]};
        timer_set(&timers[i], now_ms + 10 + (int64_t)i);
    }
    timer_set(&timers[0], now_ms + 40); /* a becomes the last */
    timer_set(&timers[7], now_ms + 1);  /* h the first */
    timer_set(&timers[3], 0);           /* d never comes */
    timer_set(&timers[3], 0);
    loop_run();
    assert_string_equal(trace, "hbcefga");
}

static void fire_and_stop(struct timer *t)
{
    (void)t;
    note('s');
    loop_stop();
}

static void sleep_long(void *unused)
{
    (void)unused;
    task_sleep_ms(60);
    note('l');
}

static void test_stop_leaves_and_run_goes_on(void **state)
{
    (void)state;
    struct timer t = {.fire = fire_and_stop};
    timer_set(&t, clock_steady_ms() + 5);
    task_start(sleep_long, NULL, 0);
    loop_run();
    assert_string_equal(trace, "s");
    loop_run();
    assert_string_equal(trace, "sl");
}

static int hook_runs;

static void count_run(struct loop_hook *h)
{
    (void)h;
    hook_runs++;
}

static struct loop_hook counting = {.run = count_run};

static void test_hooks_run_before_each_wait(void **state)
{
    (void)state;
    int ms = 10;
    loop_before_wait(&counting);
    task_start(sleep_for, &ms, 0);
    loop_run();
    assert_in_range(hook_runs, 2, 10);
}

static void note_signal(int number)
{
    note(number == SIGUSR1 ? 'u' : '?');
    loop_stop();
}

/* Events are ready in every round here; the signal must come through all the same. */
static void spin(void *unused)
{
    (void)unused;
    raise(SIGUSR1);
    note('r');
    for (int i = 0; trace_len < 2; i++) {
        assert_true(i < 1000);
        task_yield();
    }
}

static void test_signals_come_between_events_even_under_load(void **state)
{
    (void)state;
    loop_on_signal(SIGUSR1, note_signal);
    task_start(spin, NULL, 0);
    loop_run();
    assert_string_equal(trace, "ru");
    loop_run();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_tasks_take_turns, begin_trace),
        cmocka_unit_test_setup(test_wakes_do_not_add_up, begin_trace),
        cmocka_unit_test_setup(test_wake_before_the_wait_is_kept, begin_trace),
        cmocka_unit_test_setup(test_a_task_wakes_itself, begin_trace),
        cmocka_unit_test_setup(test_sleep_keeps_the_wake_for_later, begin_trace),
        cmocka_unit_test_setup(test_timers_fire_in_order_of_their_time, begin_trace),
        cmocka_unit_test_setup(test_many_tasks_with_used_stacks, begin_trace),
        cmocka_unit_test_setup(test_log_fields_belong_to_the_task, begin_trace),
        cmocka_unit_test_setup_teardown(test_task_waits_for_a_descriptor, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(test_a_removed_watch_is_not_called_in_its_round, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(test_watch_changes_its_events, open_pair, close_pair),
        cmocka_unit_test_setup(test_timers_move_and_go, begin_trace),
        cmocka_unit_test_setup(test_stop_leaves_and_run_goes_on, begin_trace),
        cmocka_unit_test_setup(test_hooks_run_before_each_wait, begin_trace),
        cmocka_unit_test_setup(test_signals_come_between_events_even_under_load, begin_trace),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
