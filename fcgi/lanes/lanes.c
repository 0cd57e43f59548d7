#include "lanes/lanes.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "db/queries.h"
#include "db/scripts.h"

enum {
    LEASE_MARGIN_MS = 1500,
    PARTY_EVERY_MS = 15 * 1000,
    PARTY_ARENA_BYTES = 1 << 20,
    PARTY_WORDS_MAX = 200,
    BACKOFF_DOUBLINGS_MAX = 20,
};

/* -- tasks -- */

void worker_start(struct worker *w, void (*run)(void *), void *argument, size_t stack_kib)
{
    w->task_count++;
    task_start(run, argument, stack_kib);
}

void worker_task_over(struct worker *w)
{
    w->task_count--;
}

/* Lives on the stack of the task that sleeps. */
struct sleeper {
    struct task *task;
    enum sleep sleep;
    bool is_woken;
    struct sleeper *next;
};

bool worker_sleep(struct worker *w, int64_t ms, enum sleep sleep)
{
    struct sleeper me = {.task = task_self(), .sleep = sleep, .next = w->sleepers};
    w->sleepers = &me; // cppcheck-suppress autoVariables; taken out again before this returns
    int64_t deadline_ms = clock_steady_ms() + (ms > 0 ? ms : 1);
    while (!w->is_draining && !me.is_woken && task_wait(deadline_ms) == WOKEN)
        continue;

    struct sleeper **link = &w->sleepers;
    while (*link != &me)
        link = &(*link)->next;
    *link = me.next;
    return !w->is_draining;
}

void worker_wake(struct worker *w, enum sleep sleep)
{
    for (struct sleeper *s = w->sleepers; s; s = s->next)
        if (s->sleep == sleep && !s->is_woken) {
            s->is_woken = true;
            task_wake(s->task);
        }
}

void worker_drain(struct worker *w)
{
    w->is_draining = true;
    for (struct sleeper *s = w->sleepers; s; s = s->next)
        task_wake(s->task);
}

int64_t backoff_ms(int tries, int64_t base_ms, int64_t most_ms)
{
    int doublings = tries < BACKOFF_DOUBLINGS_MAX ? tries : BACKOFF_DOUBLINGS_MAX;
    int64_t ms = base_ms << doublings;
    if (ms > most_ms)
        ms = most_ms;
    return ms - ms / 4 + (int64_t)random_below((uint64_t)ms / 2 + 1);
}

/* -- outside parties -- */

static struct party {
    const char *name;
    bool was_ok;
    int64_t noted_ms; /* 0: never */
} parties[8];

static struct party *party_named(const char *name)
{
    size_t i = 0;
    while (parties[i].name && strcmp(parties[i].name, name) != 0)
        i++;
    assert(i + 1 < ARRAY_LEN(parties)); /* the last one stays empty */
    parties[i].name = name;
    return &parties[i];
}

/* What a task of its own takes to PostgreSQL. */
struct note {
    struct worker *w;
    struct arena *arena;
    const char *name;
    bool is_ok;
    str words;
};

static err *write_note(const struct note *note)
{
    struct db *db = db_new(note->w->bot->pool, note->arena);
    if (note->is_ok)
        return db_query_commit(db, &Q_party_ok, NULL, V(note->name));
    return db_query_commit(db, &Q_party_failed, NULL, V(note->name), V(note->words));
}

static void run_note(void *argument)
{
    const struct note *note = argument;
    struct worker *w = note->w;
    err *e = write_note(note);
    if (e)
        log_err("party.not_noted", e, KVS(KV("party", note->name)));
    arena_free(note->arena);
    worker_task_over(w);
}

static str words_of(const err *e)
{
    return str_empty(e->detail) ? e->message : e->detail;
}

void worker_met(struct worker *w, const char *name, const err *met)
{
    struct party *party = party_named(name);
    int64_t now = clock_steady_ms();
    bool is_ok = met == NULL;
    if (party->noted_ms && party->was_ok == is_ok && now < party->noted_ms + PARTY_EVERY_MS)
        return;
    *party = (struct party){party->name, is_ok, now};
    struct arena *a = arena_new(PARTY_ARENA_BYTES);
    struct note *note = NEW(a, struct note);
    *note = (struct note){.w = w, .arena = a, .name = party->name, .is_ok = is_ok};
    if (met)
        note->words = str_dup(a, str_clip_points(a, words_of(met), PARTY_WORDS_MAX));
    worker_start(w, run_note, note, 0);
}

/* -- leases -- */

bool lease_is_held(const struct lease *lease)
{
    return clock_steady_ms() < lease->until_ms;
}

bool lease_is_due(const struct lease *lease)
{
    return clock_steady_ms() > lease->until_ms - (LEASE_MS - LEASE_MARGIN_MS) + LEASE_KEEP_EVERY_MS;
}

static str life(struct arena *a)
{
    return str_printf(a, "%d", (int)LEASE_MS);
}

static err *lease_take(struct worker *w, struct arena *a, struct lease *lease, bool *is_ours)
{
    redisReply *reply;
    TRY(cache_call(w->bot->cache, a, &reply, S("SET"), lease->key, w->name, S("NX"), S("PX"),
                   life(a)));
    *is_ours = reply->type == REDIS_REPLY_STATUS;
    return NULL;
}

static err *lease_keep(struct worker *w, struct arena *a, struct lease *lease, bool *is_ours)
{
    const str arguments[] = {w->name, life(a)};
    redisReply *reply;
    TRY(cache_eval(w->bot->cache, a, &reply, &SCRIPT_lease_keep, &lease->key, 1, arguments, 2));
    *is_ours = reply_i64(reply) == 1;
    return NULL;
}

/* The time is counted from before the question: Redis may have started later, never sooner. */
err *lease_hold(struct worker *w, struct arena *a, struct lease *lease)
{
    int64_t until_ms = clock_steady_ms() + LEASE_MS - LEASE_MARGIN_MS;
    bool is_ours = false;
    if (lease_is_held(lease))
        TRY(lease_keep(w, a, lease, &is_ours));
    if (!is_ours)
        TRY(lease_take(w, a, lease, &is_ours));
    lease->until_ms = is_ours ? until_ms : 0;
    return NULL;
}

void lease_give_back(struct worker *w, struct arena *a, struct lease *lease)
{
    lease->until_ms = 0;
    err *e = cache_eval(w->bot->cache, a, NULL, &SCRIPT_lease_drop, &lease->key, 1, &w->name, 1);
    if (e)
        log_debug("lease.not_given_back", KV("key", lease->key), KV("message", e->message));
}
