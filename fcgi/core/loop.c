#include "core/loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif

#if WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

enum {
    STACK_KIB_DEFAULT = 64,
    STACK_FACTOR_ASAN = 4, /* red zones and unmerged locals make frames that much larger */
    POOLED_STACKS_MAX = 32,
    EVENTS_PER_WAIT = 64,
    SIGNALS_MAX = 65,
};

/* A task that is ready stands in the queue; `woken` is what its task_wait() will answer. */
enum task_state { TASK_RUNNING, TASK_READY, TASK_WAITING };

#if defined(__x86_64__) || defined(__aarch64__)
#define WITH_UCONTEXT 0
struct context {
    void *stack_pointer; /* everything else lies on the stack it points to */
};
#else
#define WITH_UCONTEXT 1
#include <ucontext.h>
struct context {
    ucontext_t ucontext;
};
#endif

struct task {
    struct context context;
    void (*run)(void *);
    void *argument;
    enum task_state state;
    enum woken woken;
    bool is_resuming_wait; /* ready because a wait ended, not because it started or yielded */
    bool has_wake_in_hand; /* woken while it did not wait */
    struct timer deadline;
    str log_fields;
    struct task *next; /* in the ready queue or in the pool */
    char *stack;       /* lowest usable byte; the guard page lies below */
    size_t stack_bytes;
    void *asan_fake_stack;
};

static struct {
    int epoll_fd;
    bool is_ready, is_stopped;

    struct context scheduler;
    struct task *running, *finished;
    struct task *ready_first, *ready_last;
    struct task *pooled;
    size_t pooled_count, task_count, watch_count;
    str log_fields_outside_tasks;
    const void *asan_scheduler_stack;
    size_t asan_scheduler_bytes;

    struct timer **timers; /* binary heap, the next due first */
    size_t timer_count, timer_capacity;
    struct loop_hook *hooks;

    struct epoll_event events[EVENTS_PER_WAIT]; /* of the round under way */
    int event_next, event_count;

    struct watch signal_watch;
    sigset_t signals;
    void (*on_signal[SIGNALS_MAX])(int);
} loop = {.epoll_fd = -1};

/* What fails here leaves no way to go on; the supervisor starts a process anew. */
static _Noreturn void die(const char *call)
{
    log_error("loop.failed", KV("call", call), KV("errno", errno), KV("reason", strerror(errno)));
    abort();
}

/* -- switching stacks -- */

/*
 * Saves what a called function must keep, stores the stack pointer in *save
 * and goes on where `load` was saved. Written by hand because swapcontext()
 * makes a system call at every switch and longjmp() to another stack is
 * refused by _FORTIFY_SOURCE. Floating-point control words are not saved:
 * nobody here changes them.
 */
#if defined(__x86_64__)
void loop_switch_stack(void **save, void *load);
__asm__(".text\n"
        ".globl loop_switch_stack\n"
        ".hidden loop_switch_stack\n"
        ".type loop_switch_stack, @function\n"
        "loop_switch_stack:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size loop_switch_stack, . - loop_switch_stack\n");
enum { ENTRY_WORD = 6, FRAME_WORDS = 8 };
#elif defined(__aarch64__)
void loop_switch_stack(void **save, void *load);
__asm__(".text\n"
        ".globl loop_switch_stack\n"
        ".hidden loop_switch_stack\n"
        ".type loop_switch_stack, %function\n"
        "loop_switch_stack:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size loop_switch_stack, . - loop_switch_stack\n");
enum { ENTRY_WORD = 11 /* x30 */, FRAME_WORDS = 20 };
#endif

static void context_switch(struct context *save, struct context *load)
{
#if WITH_UCONTEXT
    if (swapcontext(&save->ucontext, &load->ucontext) != 0)
        die("swapcontext");
#else
    loop_switch_stack(&save->stack_pointer, load->stack_pointer);
#endif
}

/* Makes the first switch to the task begin at entry(), on an empty stack. */
static void context_prepare(struct task *t, void (*entry)(void))
{
#if WITH_UCONTEXT
    if (getcontext(&t->context.ucontext) != 0)
        die("getcontext");
    t->context.ucontext.uc_stack.ss_sp = t->stack;
    t->context.ucontext.uc_stack.ss_size = t->stack_bytes;
    t->context.ucontext.uc_link = NULL;
    makecontext(&t->context.ucontext, entry, 0);
#else
    /* The words above the entry address stay zero: there a backtrace ends. */
    uintptr_t *frame = (uintptr_t *)(void *)(t->stack + t->stack_bytes) - FRAME_WORDS;
    memset(frame, 0, FRAME_WORDS * sizeof *frame);
    frame[ENTRY_WORD] = (uintptr_t)entry;
    t->context.stack_pointer = frame;
#endif
}

static void enter_task(struct task *t)
{
#if WITH_ASAN
    void *fake_stack;
    __sanitizer_start_switch_fiber(&fake_stack, t->stack, t->stack_bytes);
#endif
    context_switch(&loop.scheduler, &t->context);
#if WITH_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#endif
}

static void leave_task(struct task *t)
{
#if WITH_ASAN
    __sanitizer_start_switch_fiber(&t->asan_fake_stack, loop.asan_scheduler_stack,
                                   loop.asan_scheduler_bytes);
#endif
    context_switch(&t->context, &loop.scheduler);
#if WITH_ASAN
    __sanitizer_finish_switch_fiber(t->asan_fake_stack, &loop.asan_scheduler_stack,
                                    &loop.asan_scheduler_bytes);
#endif
}

/* First frame of every task. It never returns: below it there is nothing. */
static _Noreturn void task_main(void)
{
    struct task *t = loop.running;
#if WITH_ASAN
    __sanitizer_finish_switch_fiber(NULL, &loop.asan_scheduler_stack, &loop.asan_scheduler_bytes);
#endif
    t->run(t->argument);

    loop.finished = t;
#if WITH_ASAN
    /* NULL tells ASan that this stack's fake frames may go. */
    __sanitizer_start_switch_fiber(NULL, loop.asan_scheduler_stack, loop.asan_scheduler_bytes);
#endif
    context_switch(&t->context, &loop.scheduler);
    abort();
}

/* -- stacks and their pool -- */

static size_t page_bytes(void)
{
    static size_t bytes;
    if (!bytes)
        bytes = (size_t)sysconf(_SC_PAGESIZE);
    return bytes;
}

static struct task *task_map(size_t stack_bytes)
{
    struct task *t = calloc(1, sizeof *t);
    if (!t)
        die("calloc");
    char *map = mmap(NULL, stack_bytes + page_bytes(), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (map == MAP_FAILED)
        die("mmap");
    if (mprotect(map, page_bytes(), PROT_NONE) != 0)
        die("mprotect");

    t->stack = map + page_bytes();
    t->stack_bytes = stack_bytes;
#if WITH_ASAN
    __lsan_register_root_region(t->stack, t->stack_bytes);
#endif
    return t;
}

static void task_unmap(struct task *t)
{
#if WITH_ASAN
    __lsan_unregister_root_region(t->stack, t->stack_bytes);
#endif
    munmap(t->stack - page_bytes(), t->stack_bytes + page_bytes());
    free(t);
}

static struct task *task_take(size_t stack_bytes)
{
    for (struct task **link = &loop.pooled; *link; link = &(*link)->next) {
        struct task *t = *link;
        if (t->stack_bytes != stack_bytes)
            continue;

        *link = t->next;
        loop.pooled_count--;
        *t = (struct task){.stack = t->stack, .stack_bytes = t->stack_bytes};
        return t;
    }
    return task_map(stack_bytes);
}

static void task_give_back(struct task *t)
{
    loop.task_count--;
    if (loop.pooled_count == POOLED_STACKS_MAX) {
        task_unmap(t);
        return;
    }
#if WITH_ASAN
    /* Frames that never returned left their red zones behind. */
    __asan_unpoison_memory_region(t->stack, t->stack_bytes);
#endif
    t->next = loop.pooled;
    loop.pooled = t;
    loop.pooled_count++;
}

/* -- tasks -- */

static void make_ready(struct task *t)
{
    t->state = TASK_READY;
    t->next = NULL;
    if (loop.ready_last)
        loop.ready_last->next = t;
    else
        loop.ready_first = t;
    loop.ready_last = t;
}

struct task *task_start(void (*run)(void *), void *argument, size_t stack_kib)
{
    size_t kib = stack_kib ? stack_kib : STACK_KIB_DEFAULT;
    if (WITH_ASAN)
        kib *= STACK_FACTOR_ASAN;
    size_t stack_bytes = (kib * 1024 + page_bytes() - 1) / page_bytes() * page_bytes();

    struct task *t = task_take(stack_bytes);
    t->run = run;
    t->argument = argument;
    context_prepare(t, task_main);
    loop.task_count++;
    make_ready(t);
    return t;
}

struct task *task_self(void)
{
    return loop.running;
}

size_t task_count(void)
{
    return loop.task_count;
}

static void task_resume(struct task *t)
{
    t->state = TASK_RUNNING;
    loop.running = t;
    enter_task(t);
    loop.running = NULL;
    if (loop.finished) {
        loop.finished = NULL;
        task_give_back(t);
    }
}

static void on_deadline(struct timer *timer)
{
    struct task *t = timer->owner;
    t->woken = TIMED_OUT;
    make_ready(t);
}

enum woken task_wait(int64_t deadline_ms)
{
    struct task *t = loop.running;
    assert(t && "task_wait() outside a task");
    if (t->has_wake_in_hand) {
        t->has_wake_in_hand = false;
        return WOKEN;
    }
    if (deadline_ms && clock_steady_ms() >= deadline_ms)
        return TIMED_OUT;

    if (deadline_ms) {
        t->deadline.fire = on_deadline;
        t->deadline.owner = t;
        timer_set(&t->deadline, deadline_ms);
    }
    t->state = TASK_WAITING;
    t->is_resuming_wait = true;
    leave_task(t);
    t->is_resuming_wait = false;
    return t->woken;
}

void task_wake(struct task *t)
{
    switch (t->state) {
    case TASK_WAITING:
        timer_set(&t->deadline, 0);
        t->woken = WOKEN;
        make_ready(t);
        return;
    case TASK_READY:
        /* A wait that has just ended takes this wake as its reason. */
        if (t->is_resuming_wait)
            t->woken = WOKEN;
        else
            t->has_wake_in_hand = true;
        return;
    case TASK_RUNNING:
        t->has_wake_in_hand = true;
        return;
    }
}

void task_yield(void)
{
    struct task *t = loop.running;
    assert(t && "task_yield() outside a task");
    make_ready(t);
    leave_task(t);
}

/* A wake that was meant for something else is kept for the next task_wait(). */
void task_sleep_ms(int64_t ms)
{
    if (ms <= 0) {
        task_yield();
        return;
    }
    struct task *t = loop.running;
    bool was_woken = false;
    int64_t deadline_ms = clock_steady_ms() + ms;
    while (task_wait(deadline_ms) == WOKEN)
        was_woken = true;
    t->has_wake_in_hand = was_woken;
}

void task_set_log_fields(str fields)
{
    if (loop.running)
        loop.running->log_fields = fields;
    else
        loop.log_fields_outside_tasks = fields;
}

str task_log_fields(void)
{
    return loop.running ? loop.running->log_fields : loop.log_fields_outside_tasks;
}

/* Those that stand in the queue now; who becomes ready meanwhile waits for the next round. */
static void run_ready_tasks(void)
{
    struct task *last = loop.ready_last;
    if (!last)
        return;

    struct task *t;
    do {
        t = loop.ready_first;
        loop.ready_first = t->next;
        if (!loop.ready_first)
            loop.ready_last = NULL;
        task_resume(t);
    } while (t != last && !loop.is_stopped);
}

/* -- file descriptors -- */

/* An event that was fetched before the watch went must not reach it: its owner may be gone. */
static void forget_fetched_events(const struct watch *w)
{
    for (int i = loop.event_next; i < loop.event_count; i++)
        if (loop.events[i].data.ptr == w)
            loop.events[i].data.ptr = NULL;
}

static void unwatch(struct watch *w)
{
    /* Fails when the descriptor was closed first, which takes it out just as well. */
    epoll_ctl(loop.epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    forget_fetched_events(w);
    w->events = 0;
    loop.watch_count--;
}

void loop_watch(struct watch *w, uint32_t events)
{
    if (w->events == events)
        return;
    /* The kernel does not change an exclusive registration; it is made anew. */
    bool is_exclusive = (w->events | events) & EPOLLEXCLUSIVE;
    if (w->events && (events == 0 || is_exclusive))
        unwatch(w);
    if (events == 0)
        return;

    struct epoll_event event = {.events = events, .data.ptr = w};
    int operation = w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(loop.epoll_fd, operation, w->fd, &event) != 0)
        die("epoll_ctl");
    if (operation == EPOLL_CTL_ADD)
        loop.watch_count++;
    w->events = events;
}

struct fd_wait {
    struct task *task;
    bool is_ready;
};

static void on_waited_fd(struct watch *w, uint32_t events)
{
    (void)events;
    struct fd_wait *wait = w->owner;
    wait->is_ready = true;
    task_wake(wait->task);
    loop_watch(w, 0);
}

enum woken task_wait_fd(int fd, uint32_t events, int64_t deadline_ms)
{
    struct fd_wait wait = {.task = loop.running};
    struct watch w = {.fd = fd, .ready = on_waited_fd, .owner = &wait};
    bool was_woken = wait.task->has_wake_in_hand;
    wait.task->has_wake_in_hand = false;

    loop_watch(&w, events);
    while (!wait.is_ready && task_wait(deadline_ms) == WOKEN)
        if (!wait.is_ready)
            was_woken = true;
    loop_watch(&w, 0);
    wait.task->has_wake_in_hand = was_woken;
    return wait.is_ready ? WOKEN : TIMED_OUT;
}

/* -- timers -- */

static void heap_place(struct timer *t, size_t index)
{
    loop.timers[index] = t;
    t->heap_index = index;
}

static void heap_rise(struct timer *t, size_t index)
{
    while (index > 0 && loop.timers[(index - 1) / 2]->due_ms > t->due_ms) {
        heap_place(loop.timers[(index - 1) / 2], index);
        index = (index - 1) / 2;
    }
    heap_place(t, index);
}

static void heap_sink(struct timer *t, size_t index)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= loop.timer_count)
            break;
        if (child + 1 < loop.timer_count &&
            loop.timers[child + 1]->due_ms < loop.timers[child]->due_ms)
            child++;
        if (loop.timers[child]->due_ms >= t->due_ms)
            break;
        heap_place(loop.timers[child], index);
        index = child;
    }
    heap_place(t, index);
}

/* Sets t at a place that is free, where it may be too large or too small. */
static void heap_settle(struct timer *t, size_t index)
{
    if (index > 0 && loop.timers[(index - 1) / 2]->due_ms > t->due_ms)
        heap_rise(t, index);
    else
        heap_sink(t, index);
}

static void heap_remove(struct timer *t)
{
    struct timer *last = loop.timers[--loop.timer_count];
    if (last != t)
        heap_settle(last, t->heap_index);
    t->due_ms = 0;
}

static void heap_add(struct timer *t, int64_t due_ms)
{
    if (loop.timer_count == loop.timer_capacity) {
        loop.timer_capacity = loop.timer_capacity ? 2 * loop.timer_capacity : 64;
        loop.timers = reallocarray(loop.timers, loop.timer_capacity, sizeof *loop.timers);
        if (!loop.timers)
            die("reallocarray");
    }
    t->due_ms = due_ms;
    heap_rise(t, loop.timer_count++);
}

void timer_set(struct timer *t, int64_t due_ms)
{
    if (t->due_ms == due_ms)
        return;
    if (t->due_ms)
        heap_remove(t);
    if (due_ms)
        heap_add(t, due_ms);
}

/* At most as many as there were: one that sets itself to now again waits for the next round. */
static void fire_due_timers(void)
{
    if (loop.timer_count == 0)
        return;
    int64_t now_ms = clock_steady_ms();
    for (size_t left = loop.timer_count; left > 0 && loop.timer_count > 0; left--) {
        struct timer *t = loop.timers[0];
        if (t->due_ms > now_ms || loop.is_stopped)
            return;
        heap_remove(t);
        t->fire(t);
    }
}

/* -- signals -- */

/*
 * Signals are blocked and read from a signalfd. A mask given to epoll_pwait()
 * would not do: it lets none through while events are ready, so that under
 * full load a SIGTERM would never come.
 */
static void on_signals_readable(struct watch *w, uint32_t events)
{
    (void)events;
    struct signalfd_siginfo info;
    while (read(w->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        int number = (int)info.ssi_signo;
        if (number < SIGNALS_MAX && loop.on_signal[number])
            loop.on_signal[number](number);
    }
}

void loop_on_signal(int signal_number, void (*run)(int signal_number))
{
    assert(loop.is_ready && signal_number > 0 && signal_number < SIGNALS_MAX);
    loop.on_signal[signal_number] = run;
    sigaddset(&loop.signals, signal_number);
    if (sigprocmask(SIG_BLOCK, &loop.signals, NULL) != 0)
        die("sigprocmask");

    bool is_first = loop.signal_watch.fd < 0;
    int fd = signalfd(loop.signal_watch.fd, &loop.signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        die("signalfd");
    if (!is_first)
        return;

    loop.signal_watch = (struct watch){.fd = fd, .ready = on_signals_readable};
    loop_watch(&loop.signal_watch, EPOLLIN);
    loop.watch_count--; /* waiting for signals alone is no reason to stay */
}

/* -- the loop -- */

void loop_init(void)
{
    if (loop.is_ready)
        return;
    loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop.epoll_fd < 0)
        die("epoll_create1");
    loop.signal_watch.fd = -1;
    sigemptyset(&loop.signals);
    signal(SIGPIPE, SIG_IGN);
    loop.is_ready = true;
}

void loop_before_wait(struct loop_hook *h)
{
    struct loop_hook **link = &loop.hooks;
    while (*link)
        link = &(*link)->next;
    h->next = NULL;
    *link = h;
}

static int wait_ms(void)
{
    if (loop.ready_first)
        return 0;
    if (loop.timer_count == 0)
        return -1;
    int64_t left_ms = loop.timers[0]->due_ms - clock_steady_ms();
    if (left_ms <= 0)
        return 0;
    return left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

static void run_events(void)
{
    while (loop.event_next < loop.event_count && !loop.is_stopped) {
        struct epoll_event *event = &loop.events[loop.event_next++];
        struct watch *w = event->data.ptr;
        if (!w)
            continue;
        /* The watch may have been narrowed since the event was fetched. */
        uint32_t wanted = event->events & (w->events | EPOLLERR | EPOLLHUP);
        if (wanted)
            w->ready(w, wanted);
    }
    loop.event_next = loop.event_count = 0;
}

static void run_hooks(void)
{
    for (struct loop_hook *h = loop.hooks; h; h = h->next)
        h->run(h);
}

static bool has_work(void)
{
    return !loop.is_stopped &&
           (loop.ready_first || loop.task_count || loop.watch_count || loop.timer_count);
}

void loop_run(void)
{
    assert(loop.is_ready && !loop.running);
    while (has_work()) {
        run_ready_tasks();
        run_hooks();
        if (!has_work())
            break;
        int count = epoll_wait(loop.epoll_fd, loop.events, EVENTS_PER_WAIT, wait_ms());
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        loop.event_count = count > 0 ? count : 0;
        fire_due_timers();
        run_events();
    }
    loop.is_stopped = false;
}

void loop_stop(void)
{
    loop.is_stopped = true;
}
