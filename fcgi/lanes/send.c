/*
 * The lane that calls Telegram: its beat, its start and its end. How it is
 * made stands in send_inside.h.
 */
#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "db/scripts.h"
#include "lanes/send_inside.h"

enum {
    READ_TIMEOUT_MS = 5000,
    WORKER_SILENCE_MS = 10 * 1000,
    BEAT_EVERY_MS = 1000,
    COUNTS_KEPT = 3,
    END_LOOK_EVERY_MS = 20,
    AFTER_REDIS_MS = 2000, /* every worker has found Redis again and acknowledged what it made */
};

struct send_lane send_lane;

static int64_t worker_counts[COUNTS_KEPT]; /* at the last beats */
static size_t beats;
static bool was_without_redis;
static int64_t may_balance_at_ms;

str send_digits(struct arena *a, int64_t number)
{
    return str_printf(a, "%" PRId64, number);
}

static int64_t most_of(const int64_t *counts, size_t count)
{
    int64_t most = 1;
    for (size_t i = 0; i < count; i++)
        if (counts[i] > most)
            most = counts[i];
    return most;
}

/* The most of the last counts is believed: after Redis was wiped the first to beat counts itself
 * alone, and would take away what the others still hold. */
static err *count_workers(struct arena *a)
{
    const str key = S("workers");
    const str arguments[] = {send_lane.w->name, send_digits(a, WORKER_SILENCE_MS)};
    redisReply *reply;
    TRY(cache_eval(send_lane.w->bot->cache, a, &reply, &SCRIPT_worker_beat, &key, 1, arguments, 2));
    worker_counts[beats++ % COUNTS_KEPT] = reply_i64(reply);
    int64_t alive = most_of(worker_counts, COUNTS_KEPT);
    if (alive != send_lane.w->alive)
        log_info("worker.counted", KV("alive", alive));
    send_lane.w->alive = alive;
    return NULL;
}

/* Whoever takes a bucket makes the calls that are pending in it. Those whose holder was without
 * Redis for so long that its lease ran out may have been made: it is given the time to say so. */
static bool may_balance(const err *not_counted)
{
    if (!not_counted && was_without_redis)
        may_balance_at_ms = clock_steady_ms() + AFTER_REDIS_MS;
    was_without_redis = not_counted != NULL;
    return !not_counted && clock_steady_ms() >= may_balance_at_ms;
}

static void beat(struct arena *a)
{
    err *e = count_workers(a);
    if (e)
        log_debug("worker.not_counted", KV("message", e->message));
    buckets_keep(a);
    if (may_balance(e))
        buckets_balance(a);
    gates_keep(a);
    queue_tidy(&send_lane.queue, clock_steady_ms());
}

/* Calls under way end first: what is given back before that would be sent twice. */
static void end_lane(struct arena *a)
{
    while (send_lane.lines_at_work > 0) {
        buckets_keep(a);
        arena_reset(a);
        task_sleep_ms(END_LOOK_EVERY_MS);
    }
    buckets_give_back(a);
    err *e = cache_call(send_lane.w->bot->cache, a, NULL, S("ZREM"), S("workers"),
                        send_lane.w->name);
    if (e)
        log_debug("worker.not_signed_off", KV("message", e->message));
}

static void run_beat(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(SEND_ARENA_BYTES);
    do {
        beat(a);
        arena_reset(a);
    } while (worker_sleep(send_lane.w, BEAT_EVERY_MS, SLEEP_PLAIN));
    end_lane(a);
    arena_free(a);
    worker_task_over(send_lane.w);
}

void lane_send_start(struct worker *w)
{
    send_lane.w = w;
    send_lane.reader = cache_new(w->bot->conf->redis_url, READ_TIMEOUT_MS);
    queue_init(&send_lane.queue);
    for (int i = 0; i < SESSION_BUCKETS; i++) {
        struct bucket *bucket = &send_lane.buckets[i];
        static char keys[SESSION_BUCKETS][sizeof "lease:{b00}"];
        snprintf(keys[i], sizeof keys[i], "lease:{b%02u}", (unsigned)i % 100);
        bucket->number = i;
        bucket->lease.key = str_from(keys[i]);
        streams_read_again(bucket);
    }
    worker_start(w, run_beat, NULL, SEND_STACK_KIB);
    worker_start(w, run_send_reader, NULL, SEND_STACK_KIB);
    worker_start(w, run_send_gates, NULL, SEND_STACK_KIB);
}
