/*
 * aisha-worker: everything that waits. Its lanes are described in lanes.h.
 *
 * SIGTERM and SIGINT drain it: nothing new is taken, what runs may end, leases
 * go back, and then it exits. What is cut off by the end of its patience is
 * done again by another, whose lease runs out first.
 */
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/version.h"
#include "db/metrics.h"
#include "db/queries.h"
#include "lanes/lanes.h"
#include "setup.h"

enum {
    DB_CONNECTIONS = 8,
    SETUP_ARENA_BYTES = 16 << 20,
    SEEN_ARENA_BYTES = 1 << 20,
    SEEN_EVERY_MS = 10 * 1000,
    DRAIN_PATIENCE_MS = 18 * 1000,
    DRAIN_LOOK_MS = 20,
    MAIN_STACK_KIB = 128,
    HOST_BYTES = 256,
};

static struct worker worker = {.alive = 1};
static char host[HOST_BYTES];

static err *say_seen(struct arena *a)
{
    bool polls = str_empty(worker.bot->conf->public_url);
    const char *lanes = polls ? "send,fal,speech,media,sweep,poll" : "send,fal,speech,media,sweep";
    struct db *db = db_new(worker.bot->pool, a);
    return db_query_commit(db, &Q_worker_seen, NULL, V(worker.name), V((const char *)host),
                           V((int)getpid()), V(AISHA_VERSION), V(lanes));
}

/* A burst leaves its pages between what lives on, and malloc keeps them until it is asked. */
static void run_seen(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(SEEN_ARENA_BYTES);
    do {
        err *e = say_seen(a);
        if (e)
            log_err("worker.not_seen", e, KVS());
        arena_reset(a);
        malloc_trim(0);
    } while (worker_sleep(&worker, SEEN_EVERY_MS, SLEEP_PLAIN));
    arena_free(a);
    worker_task_over(&worker);
}

static void start_lanes(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(SEEN_ARENA_BYTES);
    err *e = setup_check_redis(worker.bot, a);
    if (e)
        setup_fail("redis.unsafe", e);
    arena_free(a);

    metrics_keep(worker.bot->cache, "worker");
    worker_start(&worker, run_seen, NULL, MAIN_STACK_KIB);
    lane_send_start(&worker);
    lane_jobs_start(&worker);
    lane_sweep_start(&worker);
    lane_poll_start(&worker);
    log_info("worker.started", KV("worker", worker.name), KV("release", AISHA_VERSION));
    worker_task_over(&worker);
}

static err *sign_off(struct arena *a)
{
    struct db *db = db_new(worker.bot->pool, a);
    return db_query_commit(db, &Q_worker_gone, NULL, V(worker.name));
}

static void run_drain(void *unused)
{
    (void)unused;
    int64_t deadline_ms = clock_steady_ms() + DRAIN_PATIENCE_MS;
    while (worker.task_count > 0 && clock_steady_ms() < deadline_ms)
        task_sleep_ms(DRAIN_LOOK_MS);
    struct arena *a = arena_new(SEEN_ARENA_BYTES);
    err *e = sign_off(a);
    if (e)
        log_err("worker.not_signed_off", e, KVS());
    e = metrics_end(worker.bot->cache, a);
    if (e)
        log_err("metrics.not_ended", e, KVS());
    arena_free(a);
    log_info("worker.stopped", KV("unfinished", worker.task_count));
    loop_stop();
}

static void on_stop(int signal_number)
{
    if (worker.is_draining)
        return;
    log_info("worker.draining", KV("signal", signal_number));
    worker_drain(&worker);
    task_start(run_drain, NULL, MAIN_STACK_KIB);
}

/* Chance makes the name new at every start: nothing of an earlier process is taken for this
 * one's. */
static str make_name(struct arena *a)
{
    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "unknown");
    return str_printf(a, "%s:%d:" STR_FMT, host, (int)getpid(), STR_ARG(random_hex(a, 3)));
}

int main(void)
{
    struct arena *a = arena_new(SETUP_ARENA_BYTES);
    worker.bot = setup_worker(a, DB_CONNECTIONS);
    worker.name = make_name(a);
    loop_on_signal(SIGTERM, on_stop);
    loop_on_signal(SIGINT, on_stop);
    worker_start(&worker, start_lanes, NULL, MAIN_STACK_KIB);
    loop_run();
    arena_free(a);
    return EXIT_SUCCESS;
}
