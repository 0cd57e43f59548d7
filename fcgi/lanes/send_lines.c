/* The lines of the lane send: one chat's calls, one after another. */
#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "handlers/outbox.h"
#include "lanes/send_inside.h"

enum {
    LINES_AT_WORK_MAX = 256,
    CALL_ARENA_BYTES = 16 << 20,
    LINE_STACK_KIB = 256, /* a gate runs a whole job */
    RETRY_FIRST_MS = 500,
    RETRY_MOST_MS = 30 * 1000,
    ACKNOWLEDGE_AGAIN_MS = 250,
    ANSWER_LIFE_MS = 150 * 1000, /* Telegram takes no later answer to a tap */
    CALL_LIFE_MS = 24 * 3600 * 1000,
    CHAT_BURST = 3,
    BURST_PART = 10, /* of a second's messages may go at once */
    GATE_WAIT_MOST_MS = 2000,
};

static const char pause_key[] = "send:pause";

static struct pace everybodys_pace;
static int64_t paused_until_ms;
static bool is_away; /* Telegram did not answer last time */

/* Asked before every call. */
static bool may_send(const struct line *line)
{
    return !send_lane.w->is_draining && bucket_is_held(bucket_of(line));
}

/* -- pace -- */

static bool sleep_until(int64_t at_ms)
{
    int64_t ms = at_ms - clock_steady_ms();
    return ms <= 0 || worker_sleep(send_lane.w, ms, SLEEP_PLAIN);
}

/* The limits are the bot's, not the worker's: each takes its part. Burst and flow together stay
 * within the limit in any second. */
static int64_t reserve_place(void)
{
    double all = (double)send_lane.w->bot->conf->send_messages_per_second /
                 (double)send_lane.w->alive;
    double burst = all / BURST_PART > 1 ? all / BURST_PART : 1;
    double flow = all - burst > all / 2 ? all - burst : all;
    return pace_reserve(&everybodys_pace, clock_steady_ms(), flow, burst);
}

static bool await_pace(struct line *line)
{
    double per_second = (double)send_lane.w->bot->conf->send_chat_messages_per_second;
    int64_t at_ms = pace_reserve(&line->pace, clock_steady_ms(), per_second, CHAT_BURST);
    if (!sleep_until(at_ms))
        return false;
    if (!entry_is_repeatable(line->first) && !place_take(line))
        return false;
    return sleep_until(reserve_place());
}

static void pause_all(struct arena *a, int64_t ms)
{
    paused_until_ms = clock_steady_ms() + ms;
    log_warn("send.paused", KV("ms", ms));
    err *e = cache_call(send_lane.w->bot->cache, a, NULL, S("SET"), str_from(pause_key),
                        send_lane.w->name, S("PX"), send_digits(a, ms));
    if (e)
        log_err("send.pause_not_shared", e, KVS());
}

/* When a pause ends all who waited would go at once, and the next pause would follow: they line
 * up anew. */
static err *await_pause_end(struct arena *a)
{
    redisReply *reply;
    TRY(cache_call(send_lane.w->bot->cache, a, &reply, S("PTTL"), str_from(pause_key)));
    int64_t until_ms = clock_steady_ms() + reply_i64(reply);
    if (until_ms > paused_until_ms)
        paused_until_ms = until_ms;
    while (clock_steady_ms() < paused_until_ms)
        if (!sleep_until(paused_until_ms) || !sleep_until(reserve_place()))
            break;
    return NULL;
}

/* -- acknowledging -- */

/* What was made must not be made again, whoever has the bucket by now. When Redis is back this has
 * to come before the next holder reads what is pending: see AFTER_REDIS_MS in send.c. */
static void finish_first(struct line *line, struct arena *a)
{
    bool goes_on = true;
    err *e = send_acknowledge(line->chat_id, line->first, a);
    if (e)
        log_info("send.acknowledged_later", KV("entry", line->first->id),
                 KV("message", e->message));
    while (e && err_is_waiting(e) && goes_on) {
        arena_reset(a);
        goes_on = worker_sleep(send_lane.w, ACKNOWLEDGE_AGAIN_MS, SLEEP_PLAIN);
        e = send_acknowledge(line->chat_id, line->first, a);
    }
    if (e)
        log_err("send.not_acknowledged", e, KVS(KV("entry", line->first->id)));
    place_leave(line);
    line_drop_first(&send_lane.queue, line);
}

/* Nobody reads there any more. Gates stay: their jobs have an end of their own. */
static void drop_calls(struct line *line, struct arena *a)
{
    size_t dropped = 0;
    while (line->first && !entry_is_gate(line->first) && may_send(line)) {
        finish_first(line, a);
        arena_reset(a);
        dropped++;
    }
    if (dropped > 0)
        log_info("send.dropped", KV("chat", line->chat_id), KV("calls", dropped));
}

/* -- one try -- */

enum tried {
    TRIED_OVER,  /* made, refused for good, or of no use any more */
    TRIED_GONE,  /* the same, and nobody is there to read the rest */
    TRIED_AGAIN, /* later: nothing is lost by waiting */
    TRIED_NOT,   /* not ours to make */
};

static bool is_too_old(const struct entry *entry)
{
    int64_t age_ms = clock_ms() - entry_queued_ms(entry);
    return age_ms > (entry->is_answer ? ANSWER_LIFE_MS : CALL_LIFE_MS);
}

static int64_t retry_ms(const err *e, int tries)
{
    return e->retry_ms > 0 ? e->retry_ms : backoff_ms(tries, RETRY_FIRST_MS, RETRY_MOST_MS);
}

void send_met(struct arena *a, const err *e)
{
    bool is_telegram = !e || str_starts(e->message, S("telegram:")) ||
                       str_starts(e->message, S("http:"));
    if (!is_telegram)
        return;
    bool was_away = is_away;
    is_away = e && err_is_waiting(e) && e->retry_ms == 0;
    worker_met(send_lane.w, "telegram", is_away ? e : NULL);
    if (e && e->retry_ms > 0)
        pause_all(a, e->retry_ms);
    if (was_away && !is_away)
        worker_wake(send_lane.w, SLEEP_AWAY);
}

/* Of a Telegram that was away nobody knows what it does with a call that it does not answer: it may
 * come through later, and every try with it. So what would be shown is not what is tried with. */
static err *await_answering(struct arena *a)
{
    if (!is_away)
        return NULL;
    err *e = telegram_call(a, &send_lane.w->bot->telegram, S("getMe"), S("{}"), NULL, NULL);
    send_met(a, e);
    return e;
}

static err *make_call(struct line *line, struct arena *a)
{
    const struct entry *entry = line->first;
    const struct outbox_call call = {
        .chat_id = line->chat_id,
        .call = entry->call,
        .slot = entry->slot,
        .closes = entry->closes,
    };
    struct db *db = db_new(send_lane.w->bot->pool, a);
    err *e = outbox_make(send_lane.w->bot, db, a, &call, NULL);
    send_met(a, e);
    err *not_kept = db_commit(db); /* what a refusal tells of the user or of a file */
    return not_kept ? not_kept : e;
}

static enum tried judge_call(const struct line *line, const err *e, int tries, int64_t *wait_ms)
{
    if (!e)
        return TRIED_OVER;
    if (e->kind == ERR_NOT_FOUND)
        return TRIED_GONE;
    if (err_is_waiting(e)) {
        log_info("send.postponed", KV("chat", line->chat_id), KV("method", line->first->method),
                 KV("message", e->message), KV("tries", tries + 1));
        *wait_ms = retry_ms(e, tries);
        return TRIED_AGAIN;
    }
    log_err("send.refused", e, KVS(KV("method", line->first->method), KV("chat", line->chat_id)));
    return TRIED_OVER;
}

static enum tried try_call(struct line *line, struct arena *a, int tries, int64_t *wait_ms)
{
    if (is_too_old(line->first)) {
        log_info("send.too_late", KV("method", line->first->method), KV("chat", line->chat_id));
        return TRIED_OVER;
    }
    if (!line->is_answer && !await_pace(line))
        return TRIED_NOT;
    err *e = await_pause_end(a);
    if (!e && !entry_is_repeatable(line->first))
        e = await_answering(a);
    if (!e && !may_send(line))
        return TRIED_NOT;
    if (!e)
        e = make_call(line, a);
    return judge_call(line, e, tries, wait_ms);
}

/* -- a gate: the place of a result among the chat's calls -- */

static err *gate_wait(struct arena *a, int64_t job_id, int64_t *wait_ms)
{
    return job_gate(db_new(send_lane.w->bot->pool, a), job_id, wait_ms);
}

static err *take_gate_job(struct arena *a, int64_t job_id, struct job *job, bool *taken)
{
    struct db *db = db_new(send_lane.w->bot->pool, a);
    TRY(job_take_one(db, job_id, send_lane.w->name, job, taken));
    return db_commit(db);
}

/* While its job waits, the chat waits: what was queued behind a result belongs behind it. */
static enum tried try_gate(struct line *line, struct arena *a, int tries, int64_t *wait_ms)
{
    int64_t job_id = line->first->job_id, due_in_ms;
    err *e = gate_wait(a, job_id, &due_in_ms);
    if (e)
        return judge_call(line, e, tries, wait_ms);
    if (due_in_ms < 0)
        return TRIED_OVER;
    *wait_ms = due_in_ms < GATE_WAIT_MOST_MS ? due_in_ms : GATE_WAIT_MOST_MS;
    if (due_in_ms > 0)
        return TRIED_AGAIN;

    if (!await_pace(line))
        return TRIED_NOT;
    e = await_pause_end(a);
    if (!e)
        e = await_answering(a);
    if (!e && !may_send(line))
        return TRIED_NOT;
    struct job job;
    bool taken = false;
    if (!e)
        e = take_gate_job(a, job_id, &job, &taken);
    if (e)
        return judge_call(line, e, tries, wait_ms);
    if (taken)
        job_run(send_lane.w, &job);
    else
        *wait_ms = GATE_WAIT_MOST_MS; /* a holder before us may be at it still */
    return TRIED_AGAIN;
}

/* -- a line at work -- */

static enum tried try_first(struct line *line, struct arena *a)
{
    for (int tries = 0; may_send(line); tries++) {
        arena_reset(a);
        if (entry_is_superseded(line->first, line->first->next))
            return TRIED_OVER;
        int64_t wait_ms = 0;
        enum tried tried = entry_is_gate(line->first) ? try_gate(line, a, tries, &wait_ms)
                                                      : try_call(line, a, tries, &wait_ms);
        if (tried != TRIED_AGAIN)
            return tried;
        place_leave(line);
        if (wait_ms > 0 && !worker_sleep(send_lane.w, wait_ms, SLEEP_AWAY))
            return TRIED_NOT;
    }
    return TRIED_NOT;
}

/* Between the reading of what is pending and this moment another line or worker may have made the call. */
static bool was_made_meanwhile(const struct line *line, struct arena *a)
{
    bool is_pending = true;
    err *e = line->first->is_repeat ? send_is_pending(line->first, a, &is_pending) : NULL;
    if (e)
        log_err("send.pending_unknown", e, KVS(KV("entry", line->first->id)));
    return !is_pending;
}

static void work_line(struct line *line, struct arena *a)
{
    while (line->first) {
        if (was_made_meanwhile(line, a)) {
            line_drop_first(&send_lane.queue, line);
            continue;
        }
        enum tried tried = try_first(line, a);
        if (tried == TRIED_NOT) {
            place_leave(line);
            return;
        }
        finish_first(line, a);
        if (tried == TRIED_GONE)
            drop_calls(line, a);
        arena_reset(a);
    }
}

/* What is left over when the bucket went to another is that one's now. */
static void run_line(void *argument)
{
    struct line *line = argument;
    struct arena *a = arena_new(CALL_ARENA_BYTES);
    work_line(line, a);
    arena_free(a);
    line->is_running = false;
    if (!may_send(line))
        line_clear(&send_lane.queue, line);
    bucket_of(line)->lines_at_work--;
    send_lane.lines_at_work--;
    lines_start();
    worker_task_over(send_lane.w);
}

void lines_start(void)
{
    while (send_lane.lines_at_work < LINES_AT_WORK_MAX && !send_lane.w->is_draining) {
        struct line *line = queue_next(&send_lane.queue);
        if (!line)
            return;
        if (!line->first)
            continue;
        line->is_running = true;
        send_lane.lines_at_work++;
        bucket_of(line)->lines_at_work++;
        worker_start(send_lane.w, run_line, line, LINE_STACK_KIB);
    }
}
