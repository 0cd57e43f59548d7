/*
 * loop.h - one event loop a process, and tasks that wait inside it.
 *
 * A task is a coroutine with a stack of its own: its code reads straight down
 * and waits in task_wait(); meanwhile others run. Nothing runs at the same
 * time, so there are no locks. Everything below must be called on the loop's
 * thread; loop_init() comes first.
 *
 *     static void greet(void *name) { task_sleep_ms(10); log_info("greeted"); }
 *     loop_init();
 *     task_start(greet, "Asya", 0);
 *     loop_run();
 *
 * Stacks are pooled, have a guard page below them and are announced to ASan.
 */
#pragma once
#include "core/str.h"

void loop_init(void);
void loop_run(void); /* until loop_stop(), or until no task, watch or timer is left */
void loop_stop(void);
/* Signals delivered between events, never in the middle of a task. They stay
 * blocked outside the loop. */
void loop_on_signal(int signal_number, void (*run)(int signal_number));

/* -- tasks -- */

struct task;
/* Starts at the next round of the loop. stack_kib 0 is the default, 64 KiB. */
struct task *task_start(void (*run)(void *), void *argument, size_t stack_kib);
struct task *task_self(void); /* NULL outside a task */

enum woken { WOKEN, TIMED_OUT };
/* Gives way until task_wake(), or until clock_steady_ms() >= deadline_ms (0: no deadline). */
enum woken task_wait(int64_t deadline_ms);
/* Lets a waiting task go on at the next round; a task that does not wait yet
 * will not wait the next time. Wakes do not add up, and a finished task must
 * not be woken. Who waits for a condition asks again after each wake. */
void task_wake(struct task *t);
void task_sleep_ms(int64_t ms);
void task_yield(void);
size_t task_count(void);

/* Put on every log line of this task; see log_fields(). The str must live as long. */
void task_set_log_fields(str fields);
str task_log_fields(void);

/* -- file descriptors -- */

struct watch {
    int fd;
    void (*ready)(struct watch *w, uint32_t epoll_events);
    void *owner;
    uint32_t events; /* what is watched now; kept by loop_watch() */
};
/* events: EPOLLIN, EPOLLOUT, EPOLLEXCLUSIVE…; 0 takes the watch out again. Level-triggered. */
void loop_watch(struct watch *w, uint32_t events);
/* For a task: waits until fd is ready for events; TIMED_OUT at the deadline.
 * Only one watch may exist for a descriptor at a time. */
enum woken task_wait_fd(int fd, uint32_t events, int64_t deadline_ms);

/* -- timers and the end of a round -- */

struct timer {
    int64_t due_ms; /* steady clock; 0 when not set */
    void (*fire)(struct timer *t);
    void *owner;
    size_t heap_index;
};
void timer_set(struct timer *t, int64_t due_ms); /* 0 takes it out */

/* Runs before each epoll_wait, in the order of registration: where pipelined
 * commands are written out together. Must not be called twice for one hook. */
struct loop_hook {
    void (*run)(struct loop_hook *h);
    void *owner;
    struct loop_hook *next;
};
void loop_before_wait(struct loop_hook *h);
