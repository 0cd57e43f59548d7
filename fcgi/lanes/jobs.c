/*
 * The lanes fal and media, one job at a time each, words and speech, a few, taken
 * from the queue in PostgreSQL. job_run() runs the jobs of the lane send too, which
 * come to their turn in the stream of their chat.
 */
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/metrics.h"
#include "db/session.h"
#include "handlers/routes.h"
#include "lanes/lanes.h"

enum {
    LOOK_EVERY_MS = 1000, /* what a lost wake-up costs */
    LOOK_AGAIN_MS = 50,   /* due, but another worker was faster */
    FAILURES_MAX = 5,
    RETRY_FIRST_MS = 1000,
    RETRY_MOST_MS = 60 * 1000,
    TELL_FIRST_MS = 200,
    TELL_MOST_MS = 5000,
    UNKNOWN_KIND_MS = 60 * 1000,
    RECORD_PATIENCE_MS = 55 * 1000, /* by then the lease is as good as gone */
    RECORD_RETRY_MS = 1000,
    JOB_ARENA_BYTES = 1 << 30, /* what was trained, whose length may come unannounced */
    LANE_ARENA_BYTES = 8 << 20,
    JOB_STACK_KIB = 256,
    WORDS_MAX = 300,
    WORDS_LANES = 4,
    SPEECH_LANES = 4,
};

/* -- keeping: the lease is prolonged from a task beside the job -- */

struct keeper {
    struct worker *w;
    const struct job *job;
    struct task *task, *runner;
    bool is_over, has_ended;
};

static err *keep_once(struct keeper *k, struct arena *a)
{
    struct db *db = db_new(k->w->bot->pool, a);
    bool kept;
    TRY(job_keep(db, k->job, &kept));
    TRY(db_commit(db));
    if (!kept)
        log_warn("job.lease_lost", KV("job", k->job->id), KV("attempt", k->job->attempt));
    return NULL;
}

static void run_keeper(void *argument)
{
    struct keeper *k = argument;
    struct arena *a = arena_new(LANE_ARENA_BYTES);
    int64_t next_ms = clock_steady_ms() + JOB_KEEP_EVERY_MS;
    while (!k->is_over) {
        if (task_wait(next_ms) == WOKEN)
            continue;
        err *e = keep_once(k, a);
        if (e)
            log_err("job.not_kept", e, KVS(KV("job", k->job->id)));
        arena_reset(a);
        next_ms = clock_steady_ms() + JOB_KEEP_EVERY_MS;
    }
    arena_free(a);
    k->has_ended = true;
    task_wake(k->runner);
}

/* The keeper looks at what lies on the runner's stack, so the runner stays until it has ended. */
static void stop_keeper(struct keeper *k)
{
    k->is_over = true;
    task_wake(k->task);
    while (!k->has_ended)
        task_wait(0);
}

/* -- one job -- */

static const struct job_route *find_route(str kind)
{
    for (const struct job_route *route = job_routes; route->kind; route++)
        if (str_eq(kind, str_from(route->kind)))
            return route;
    return NULL;
}

/* The job's writes and the end of the step are one transaction. */
static err *run_and_record(struct work *w, const struct job_route *route)
{
    TRY(route->run(w));
    if (w->again_ms > 0)
        TRY(job_wait(w->db, w->job, w->again_ms, S("")));
    else
        TRY(job_finish(w->db, w->job));
    return db_commit(w->db);
}

/* What the job promised when it was queued is taken back in the transaction that buries it. A thing
 * that is not there any more has nothing to be taken back. */
static err *bury(struct work *w, const struct job_route *route, str why)
{
    err *e = route && route->give_up ? route->give_up(w) : NULL;
    if (e && e->kind != ERR_NOT_FOUND)
        return e;
    TRY(job_die(w->db, w->job, why));
    return db_commit(w->db);
}

static str words_of(struct arena *a, const err *e)
{
    if (str_empty(e->detail))
        return str_clip_points(a, e->message, WORDS_MAX);
    str both = str_printf(a, STR_FMT ": " STR_FMT, STR_ARG(e->message), STR_ARG(e->detail));
    return str_clip_points(a, both, WORDS_MAX);
}

static err *put_back(struct work *w, const err *why, bool counts, int64_t delay_ms)
{
    str words = words_of(w->arena, why);
    if (counts)
        TRY(job_fail(w->db, w->job, delay_ms, words, NULL));
    else
        TRY(job_wait(w->db, w->job, delay_ms, words));
    return db_commit(w->db);
}

/* A store that is away for a moment must not make a failure of a job that only has to wait. */
static void put_back_surely(struct work *w, const err *why, bool counts, int64_t delay_ms)
{
    int64_t give_up_ms = clock_steady_ms() + RECORD_PATIENCE_MS;
    err *e = put_back(w, why, counts, delay_ms);
    while (e && err_is_waiting(e) && clock_steady_ms() < give_up_ms) {
        db_rollback(w->db);
        task_sleep_ms(RECORD_RETRY_MS);
        e = put_back(w, why, counts, delay_ms);
    }
    if (e) {
        db_rollback(w->db);
        log_err("job.not_put_back", e, KVS());
    }
}

static int64_t wait_after(const struct job *job, const err *e)
{
    if (e->retry_ms > 0)
        return e->retry_ms;
    return backoff_ms(job->attempt > 0 ? job->attempt - 1 : 0, RETRY_FIRST_MS, RETRY_MOST_MS);
}

static bool starts_with_party(str message, const char *party)
{
    return str_starts(message, str_from(party)) && str_sub(message, strlen(party), 1).len == 1 &&
           message.ptr[strlen(party)] == ':';
}

/* Whom the job was about to speak with, by its lane, and whom it could not speak with, by the
 * error. */
static void parties_met(struct worker *worker, const struct job *job, const err *e)
{
    static const struct {
        const char *lane, *party;
    } rows[] = {
        {"fal",    "fal"   },
        {"words",  "openai"},
        {"speech", "openai"},
        {"media",  "s3"    },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!e && str_eq(job->lane, str_from(rows[i].lane)))
            worker_met(worker, rows[i].party, NULL);
        bool was_away = e && (err_is_waiting(e) || e->kind == ERR_UPSTREAM);
        if (was_away && starts_with_party(e->message, rows[i].party))
            worker_met(worker, rows[i].party, e);
    }
}

/* These three answer what became of the step, for the metrics. */
static const char *give_up(struct work *w, const struct job_route *route, const err *why)
{
    struct job *last = NEW(w->arena, struct job);
    *last = *w->job;
    last->last_error = words_of(w->arena, why);
    w->job = last;
    w->after_count = 0;
    err *e = bury(w, route, last->last_error);
    if (!e) {
        log_error("job.died", KV("message", last->last_error), KV("failures", last->failures + 1));
        return "dead";
    }
    db_rollback(w->db);
    if (job_is_lost(e))
        return "lost";
    log_err("job.not_given_up", e, KVS());
    put_back_surely(w, e, !err_is_waiting(e), RETRY_MOST_MS);
    return "failed";
}

/* What happened to a step that did not end. */
static const char *judge_job(struct work *w, const struct job_route *route, err *e)
{
    db_rollback(w->db);
    w->after_count = 0;
    if (job_is_lost(e)) {
        log_warn("job.lost", KV("message", e->message));
        return "lost";
    }
    if (str_eq(w->job->lane, S("send")))
        send_met(w->arena, e);
    if (err_is_waiting(e)) {
        int64_t delay_ms = wait_after(w->job, e);
        log_info("job.postponed", KV("message", e->message), KV("detail", e->detail),
                 KV("ms", delay_ms));
        put_back_surely(w, e, false, delay_ms);
        return "postponed";
    }
    log_err("job.failed", e, KVS(KV("failures", w->job->failures + 1)));
    if (w->job->failures + 1 >= FAILURES_MAX)
        return give_up(w, route, e);
    put_back_surely(w, e, true, wait_after(w->job, e));
    return "failed";
}

/* A message that is not in a slot would be seen twice. */
static str name_of_told(struct work *w, size_t number)
{
    if (!str_empty(w->after[number].slot))
        return S("");
    return str_printf(w->arena, "%" PRId64 ":%d:%zu", w->job->id, w->job->attempt, number);
}

static err *tell_rest(struct work *w, size_t *told)
{
    struct cache *cache = w->bot->cache;
    if (w->forget_user_chat_id)
        TRY(session_forget_user(cache, w->arena, w->forget_user_chat_id));
    w->forget_user_chat_id = 0;
    for (; *told < w->after_count; (*told)++)
        TRY(outbox_add(cache, w->arena, w->after_chat_id, name_of_told(w, *told),
                       &w->after[*told]));
    return NULL;
}

/* Progress and hints for the cache: lost with Redis, and nothing depends on them. What goes with a
 * result, such as taking its progress away, waits for a Redis that is only out of reach: each chat
 * has a task of its own in the lane that sends, and there is nothing else it could do. */
static void tell_afterwards(struct worker *worker, struct work *w)
{
    bool can_wait = str_eq(w->job->lane, S("send"));
    size_t told = 0;
    for (int tries = 0;; tries++) {
        err *e = tell_rest(w, &told);
        if (!e)
            return;
        log_err("job.not_told", e, KVS(KV("tries", tries + 1)));
        if (!can_wait || !err_is_waiting(e) ||
            !worker_sleep(worker, backoff_ms(tries, TELL_FIRST_MS, TELL_MOST_MS), SLEEP_PLAIN))
            return;
    }
}

static const char *run_step(struct worker *worker, struct work *w, const struct job_route *route)
{
    err *e = json_parse(w->arena, w->job->payload, &w->payload); /* giving up needs it, too */
    if (w->job->failures >= FAILURES_MAX) {
        const char *why = w->job->failures >= JOB_GIVEN_UP ? "an admin gave it up"
                                                           : "its process died once too often";
        return give_up(w, route, fail(w->arena, ERR_INTERNAL, "%s", why));
    }
    if (!route) {
        err *why = fail(w->arena, ERR_INTERNAL, "no such kind of job: " STR_FMT,
                        STR_ARG(w->job->kind));
        log_err("job.failed", why, KVS());
        put_back_surely(w, why, true, UNKNOWN_KIND_MS);
        return "failed";
    }
    if (!e)
        e = run_and_record(w, route);
    parties_met(worker, w->job, e ? e : w->missed);
    if (e)
        return judge_job(w, route, e);
    log_info("job.done", KV("again_ms", w->again_ms));
    return w->again_ms > 0 ? "waiting" : "done";
}

/* A kind that this release does not know is no label: it came from outside the table. */
static void count_step(const struct job_route *route, const char *outcome, int64_t began_us)
{
    struct kv kind = KV("kind", route ? route->kind : "unknown");
    metric_count(METRIC_job_steps, KVS(kind, KV("outcome", outcome)));
    metric_observe(METRIC_job_step_duration, clock_steady_us() - began_us, KVS(kind));
}

/* On each line that is written meanwhile. What belongs to nobody, or came of no update, says so by
 * leaving the field out. */
static const struct kv *fields_of(struct arena *a, const struct job *job)
{
    struct kv fields[6] = {KV("job", job->id), KV("job_kind", job->kind),
                           KV("attempt", job->attempt)};
    size_t count = 3;
    if (job->turn_id)
        fields[count++] = KV("turn", job->turn_id);
    if (job->user_id)
        fields[count++] = KV("user", job->user_id);
    return kvs_kept(a, fields);
}

void job_run(struct worker *worker, const struct job *job)
{
    struct arena *a = arena_new(JOB_ARENA_BYTES);
    str outer_fields = task_log_fields();
    task_set_log_fields(log_fields(a, fields_of(a, job)));
    struct work w = {
        .bot = worker->bot, .arena = a, .db = db_new(worker->bot->pool, a), .job = job};
    struct keeper keeper = {.w = worker, .job = job, .runner = task_self()};
    keeper.task = task_start(run_keeper, &keeper, 0);

    const struct job_route *route = find_route(job->kind);
    int64_t began_us = clock_steady_us();
    const char *outcome = run_step(worker, &w, route);
    count_step(route, outcome, began_us);
    stop_keeper(&keeper);
    tell_afterwards(worker, &w);

    worker_wake(worker, SLEEP_FOR_JOBS);
    task_set_log_fields(outer_fields);
    arena_free(a);
}

/* -- the lanes -- */

/* A model is waited for most of the time, so a few of those jobs run side by side. */
static const struct {
    const char *name;
    size_t at_once;
} lanes[] = {
    {"fal",    1           },
    {"words",  WORDS_LANES },
    {"speech", SPEECH_LANES},
    {"media",  1           },
};

struct lane {
    struct worker *w;
    str name;
};

static err *take_due(struct lane *lane, struct arena *a, struct job **job, int64_t *sleep_ms)
{
    struct db *db = db_new(lane->w->bot->pool, a);
    int64_t due_in_ms;
    size_t count = 0;
    *job = NULL;
    TRY(job_next_due(db, lane->name, &due_in_ms));
    *sleep_ms = due_in_ms < 0 || due_in_ms > LOOK_EVERY_MS ? LOOK_EVERY_MS : due_in_ms;
    if (due_in_ms != 0)
        return NULL;
    TRY(job_take(db, a, lane->name, lane->w->name, 1, job, &count));
    TRY(db_commit(db));
    if (count == 0) {
        *job = NULL;
        *sleep_ms = LOOK_AGAIN_MS;
    }
    return NULL;
}

static void run_lane(void *argument)
{
    struct lane *lane = argument;
    struct arena *a = arena_new(LANE_ARENA_BYTES);
    while (!lane->w->is_draining) {
        struct job *job;
        int64_t sleep_ms = LOOK_EVERY_MS;
        err *e = take_due(lane, a, &job, &sleep_ms);
        if (e)
            log_err("lane.not_read", e, KVS(KV("lane", lane->name)));
        if (!e && job)
            job_run(lane->w, job);
        else
            worker_sleep(lane->w, sleep_ms, SLEEP_FOR_JOBS);
        arena_reset(a);
    }
    arena_free(a);
    worker_task_over(lane->w);
}

void lane_jobs_start(struct worker *w)
{
    static struct lane started[ARRAY_LEN(lanes)];
    for (size_t i = 0; i < ARRAY_LEN(lanes); i++) {
        started[i] = (struct lane){w, str_from(lanes[i].name)};
        for (size_t n = 0; n < lanes[i].at_once; n++)
            worker_start(w, run_lane, &started[i], JOB_STACK_KIB);
    }
}
