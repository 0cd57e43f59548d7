/* The gates of the lane send: results that are due get a place among their chat's calls. */
#include "core/clock.h"
#include "core/log.h"
#include "db/scripts.h"
#include "lanes/send_inside.h"

enum {
    GATE_KEEP_EVERY_MS = 20 * 1000,
    GATE_LOOK_EVERY_MS = 1000,
    GATES_PER_PAGE = 200,
    GATES_KEPT_AT_ONCE = 256,
};

str gate_key(struct arena *a, int64_t chat_id, int64_t job_id)
{
    return str_printf(a, "gate:{b%02d}:%" PRId64, session_bucket(chat_id), job_id);
}

struct gate_keeping {
    struct arena *arena;
    int64_t now_ms;
    str keys[GATES_KEPT_AT_ONCE];
    size_t count;
};

/* Only collects: lines change while a task waits for Redis. */
static void collect_gates(struct queue *q, struct line *line, void *owner)
{
    (void)q;
    struct gate_keeping *keeping = owner;
    for (struct entry *entry = line->first; entry; entry = entry->next) {
        bool is_due = entry_is_gate(entry) &&
                      keeping->now_ms >= entry->gate_kept_ms + GATE_KEEP_EVERY_MS;
        if (!is_due || keeping->count == GATES_KEPT_AT_ONCE)
            continue;
        entry->gate_kept_ms = keeping->now_ms;
        keeping->keys[keeping->count++] = gate_key(keeping->arena, line->chat_id, entry->job_id);
    }
}

void gates_keep(struct arena *a)
{
    struct gate_keeping *keeping = NEW(a, struct gate_keeping);
    keeping->arena = a;
    keeping->now_ms = clock_steady_ms();
    queue_each(&send_lane.queue, collect_gates, keeping);
    for (size_t i = 0; i < keeping->count; i++)
        if (cache_call(send_lane.w->bot->cache, a, NULL, S("SET"), keeping->keys[i], S("1"),
                       S("EX"), send_digits(a, GATE_LIFE_S)))
            return;
}

static err *add_gate(struct arena *a, const struct due_send *due)
{
    int bucket = session_bucket(due->chat_id);
    const str keys[] = {
        gate_key(a, due->chat_id, due->job_id),
        session_key(a, "session", due->chat_id),
        outbox_key(a, bucket),
    };
    const str arguments[] = {
        send_digits(a, GATE_LIFE_S),
        S("call"),
        S(""),
        S("chat"),
        send_digits(a, due->chat_id),
        S("job"),
        send_digits(a, due->job_id),
    };
    return cache_eval(send_lane.w->bot->cache, a, NULL, &SCRIPT_gate_add, keys, ARRAY_LEN(keys),
                      arguments, ARRAY_LEN(arguments));
}

static err *add_gates(struct arena *a, int64_t *after_id)
{
    struct due_send *due;
    size_t count;
    TRY(job_send_due(db_new(send_lane.w->bot->pool, a), a, *after_id, GATES_PER_PAGE, &due,
                     &count));
    for (size_t i = 0; i < count; i++) {
        if (due[i].chat_id)
            TRY(add_gate(a, &due[i]));
        else
            log_error("send.job_without_chat", KV("job", due[i].job_id));
    }
    *after_id = count == GATES_PER_PAGE ? due[count - 1].job_id : 0;
    return NULL;
}

void run_send_gates(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(SEND_ARENA_BYTES);
    int64_t after_id = 0;
    do {
        err *e = add_gates(a, &after_id);
        if (e)
            log_err("send.gates_not_added", e, KVS());
        arena_reset(a);
    } while (worker_sleep(send_lane.w, after_id ? 1 : GATE_LOOK_EVERY_MS, SLEEP_FOR_JOBS));
    arena_free(a);
    worker_task_over(send_lane.w);
}
