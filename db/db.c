#include "db/db.h"

#include <sys/epoll.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"

enum {
    CONNECT_TIMEOUT_MS = 3000,
    TRIP_TIMEOUT_MS = 5000,
    POOL_PATIENCE_MS = 2000,
    AWAY_PATIENCE_MS = 200, /* for one more attempt when the last one had failed */
    PAUSE_FIRST_MS = 50,
    PAUSE_MOST_MS = 1000,
    CONNECT_STACK_KIB = 512, /* resolver, TLS and Kerberos libraries are generous with stack */
    STEPS_MOST = 6,          /* begin, the statement and commit, each maybe prepared first */
    SQLSTATE_LENGTH = 5,
};

static const struct query begin_query = {"begin", "begin", true};
static const struct query commit_query = {"commit", "commit", true};
static const struct query rollback_query = {"rollback", "rollback", true};

enum connection_state { CLOSED, CONNECTING, IDLE, HELD };

struct connection {
    struct db_pool *pool;
    enum connection_state state;
    PGconn *pg;
    struct watch watch;
    struct trip *trip; /* under way, else NULL */
    bool is_lost;      /* found broken while held; closed when it comes back */
    bool is_outdated;  /* its prepared statements no longer fit; closed when it comes back */
    const struct query **prepared; /* open addressing by address, never more than half full */
    size_t prepared_count, prepared_capacity;
};

/* A task that waits for a connection; lives on its stack. */
struct waiter {
    struct task *task;
    struct connection *given;
    bool is_refused;
    struct waiter *next;
};

struct db_pool {
    char *url;
    int size;
    struct connection *connections;
    struct waiter *first_waiter;
    bool is_closing;
    int64_t pause_ms; /* 0 while the server is thought to be there */
    int64_t retry_at_ms;
    char failure[256]; /* what the last attempt to connect said */
};

struct db {
    struct db_pool *pool;
    struct arena *arena;
    struct connection *held; /* by the open transaction */
    bool is_open;
    bool owes_begin; /* open, but the server does not know yet */
    bool owes_hook;
    err *failure; /* the first one in this transaction */
    err *(*on_begin)(struct db *db, void *owner);
    void *on_begin_owner;
};

/* One answer that is awaited, in the order in which it was asked for. */
struct step {
    const struct query *query;
    bool is_prepare;
    bool is_done;
    PGresult *result;
};

/* What is sent before one sync, and what came of it. Lives on the task's stack. */
struct trip {
    struct task *task;
    struct step steps[STEPS_MOST];
    int count, current;
    bool is_sent; /* some of it may have reached the server */
    bool is_over; /* synced or lost */
    bool is_lost;
    PGresult *error; /* the first one; one of steps[].result */
};

/* -- statements a connection knows -- */

static size_t prepared_place(const struct connection *c, const struct query *query)
{
    size_t place = ((uintptr_t)query >> 3) * 2654435761u & (c->prepared_capacity - 1);
    while (c->prepared[place] && c->prepared[place] != query)
        place = (place + 1) & (c->prepared_capacity - 1);
    return place;
}

static bool is_prepared(const struct connection *c, const struct query *query)
{
    return c->prepared_capacity > 0 && c->prepared[prepared_place(c, query)] == query;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        abort();
    return memory;
}

static void grow_prepared(struct connection *c)
{
    const struct query **old = c->prepared;
    size_t old_capacity = c->prepared_capacity;
    c->prepared_capacity = old_capacity ? old_capacity * 2 : 64;
    c->prepared = allocate(c->prepared_capacity, sizeof *c->prepared);
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i])
            c->prepared[prepared_place(c, old[i])] = old[i];
    free(old);
}

static void remember_prepared(struct connection *c, const struct query *query)
{
    if (c->prepared_count * 2 >= c->prepared_capacity)
        grow_prepared(c);
    c->prepared[prepared_place(c, query)] = query;
    c->prepared_count++;
}

/* -- errors -- */

static bool is_class(const char *sqlstate, const char *class)
{
    return sqlstate[0] == class[0] && sqlstate[1] == class[1];
}

static enum err_kind kind_of(const char *sqlstate)
{
    static const struct {
        const char *code; /* whole, or a class of two */
        enum err_kind kind;
    } kinds[] = {
        {"23505", ERR_CONFLICT   }, /* unique_violation */
        {"57014", ERR_BUSY       }, /* query_canceled: statement_timeout */
        {"55P03", ERR_BUSY       }, /* lock_not_available: lock_timeout */
        {"40",    ERR_BUSY       }, /* deadlock, serialisation */
        {"53",    ERR_BUSY       }, /* connections, memory, disk used up */
        {"0A000", ERR_BUSY       }, /* cached plan must not change result type */
        {"26000", ERR_BUSY       }, /* prepared statement does not exist */
        {"57P",   ERR_UNREACHABLE}, /* shutting down, starting up */
        {"08",    ERR_UNREACHABLE}, /* connection */
        {"25006", ERR_UNREACHABLE}, /* read only: a standby that nobody promoted yet */
        {"25P03", ERR_UNREACHABLE}, /* the server gave an idle transaction up */
        {"AI",    ERR_REFUSED    }, /* raised by our own functions */
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strncmp(sqlstate, kinds[i].code, strlen(kinds[i].code)) == 0)
            return kinds[i].kind;
    return ERR_INTERNAL;
}

/* Statements prepared before a migration, or on a server that has since become a
 * standby, fail for as long as this connection lives. */
static bool outdates(const char *sqlstate)
{
    return strcmp(sqlstate, "0A000") == 0 || strcmp(sqlstate, "26000") == 0 ||
           strcmp(sqlstate, "25006") == 0;
}

/* Data exceptions (class 22) quote the value that did not fit, and it may be
 * anything a user wrote: what stands between the quotes is left out. */
static str message_without_values(struct arena *a, const char *sqlstate, const char *message)
{
    str whole = str_from(message);
    const char *first = strchr(message, '"');
    if (!is_class(sqlstate, "22") || !first)
        return str_dup(a, whole);

    struct buf b = buf_new(a);
    buf_add(&b, str_sub(whole, 0, (size_t)(first - message)));
    buf_add(&b, S("(value)"));
    buf_add(&b, str_from(strrchr(message, '"') + 1));
    return buf_str(&b);
}

static err *fail_from(struct arena *a, const struct query *query, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    /* libpq makes a result without a SQLSTATE when it has lost the connection. */
    if (!sqlstate)
        return fail(a, ERR_UNREACHABLE, "db: %s: connection lost", query->name);

    str text = message_without_values(a, sqlstate, message ? message : "no message");
    return fail_with(a, kind_of(sqlstate), 0, str_dup(a, str_from(sqlstate)), "db: %s: " STR_FMT,
                     query->name, STR_ARG(text));
}

bool db_refused_by(const err *e, const char *sqlstate)
{
    return e && e->kind == ERR_REFUSED && str_eq(e->detail, str_from(sqlstate));
}

/* -- a trip: sent by its task, gathered by the loop -- */

static void end_trip(struct connection *c, bool is_lost)
{
    struct trip *trip = c->trip;
    trip->is_over = true;
    trip->is_lost = is_lost;
    c->trip = NULL;
    task_wake(trip->task);
}

static void keep_result(struct connection *c, struct trip *trip, PGresult *result)
{
    struct step *step = &trip->steps[trip->current];
    PQclear(step->result);
    step->result = result;

    ExecStatusType status = PQresultStatus(result);
    bool is_good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (is_good && step->is_prepare)
        remember_prepared(c, step->query);
    if (is_good)
        step->is_done = true;
    else if (status != PGRES_PIPELINE_ABORTED && !trip->error)
        trip->error = result;
}

/* Takes what has arrived; false when no more will come. A connection that broke
 * still hands out what came before, so this is asked after the loss was seen too. */
static bool gather(struct connection *c)
{
    struct trip *trip = c->trip;
    while (!PQisBusy(c->pg)) {
        PGresult *result = PQgetResult(c->pg);
        if (result && PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            end_trip(c, false);
            return true;
        }
        bool is_ours = trip->current < trip->count; /* else libpq speaks of the loss */
        if (result && is_ours)
            keep_result(c, trip, result);
        else if (result)
            PQclear(result);
        else if (PQstatus(c->pg) == CONNECTION_BAD || !is_ours)
            return false;
        else
            trip->current++;
    }
    return PQstatus(c->pg) != CONNECTION_BAD;
}

static bool flush_out(struct connection *c)
{
    int left = PQflush(c->pg);
    if (left < 0 || PQsocket(c->pg) < 0)
        return false;
    loop_watch(&c->watch, left ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return true;
}

/* libpq may have closed the socket already, and its number may soon be another's:
 * so the watch ends here and not when the connection is dropped. */
static void mark_lost(struct connection *c)
{
    c->is_lost = true;
    loop_watch(&c->watch, 0);
}

static void drop(struct connection *c);
static void serve_waiters(struct db_pool *pool);

/* Nothing is due from the server: it says good-bye, or something is news to nobody. */
static void hear_unasked(struct connection *c)
{
    bool is_alive = PQconsumeInput(c->pg);
    PGnotify *unwanted;
    while (is_alive && (unwanted = PQnotifies(c->pg)))
        PQfreemem(unwanted);
    if (is_alive && PQstatus(c->pg) == CONNECTION_OK)
        return;

    log_info("db.connection_lost", KV("was", c->state == HELD ? "in a transaction" : "idle"));
    mark_lost(c);
    if (c->state == IDLE) {
        drop(c);
        serve_waiters(c->pool);
    }
}

static void connection_ready(struct watch *w, uint32_t epoll_events)
{
    (void)epoll_events;
    struct connection *c = w->owner;
    if (!c->trip) {
        hear_unasked(c);
        return;
    }
    bool is_alive = PQconsumeInput(c->pg) && flush_out(c);
    bool is_whole = gather(c);
    if (is_alive && is_whole)
        return;

    mark_lost(c);
    if (c->trip)
        end_trip(c, true);
}

/* Puts a statement into the trip, prepared first when the connection does not know it. */
static bool send_step(struct connection *c, struct trip *trip, const struct query *query,
                      const char *const *values, size_t count)
{
    assert(trip->count + 2 <= STEPS_MOST);
    if (!is_prepared(c, query)) {
        trip->steps[trip->count++] = (struct step){.query = query, .is_prepare = true};
        if (!PQsendPrepare(c->pg, query->name, query->sql, 0, NULL))
            return false;
    }
    trip->steps[trip->count++] = (struct step){.query = query};
    return PQsendQueryPrepared(c->pg, query->name, (int)count, values, NULL, NULL, 0);
}

static void finish_trip(struct connection *c, struct trip *trip)
{
    trip->is_sent = true;
    if (!PQpipelineSync(c->pg) || !flush_out(c)) {
        trip->is_lost = true;
        return;
    }
    trip->task = task_self();
    c->trip = trip;
    int64_t deadline_ms = clock_steady_ms() + TRIP_TIMEOUT_MS;
    while (!trip->is_over && clock_steady_ms() < deadline_ms)
        task_wait(deadline_ms);

    if (!trip->is_over) {
        log_warn("db.no_answer", KV("query", trip->steps[trip->count - 1].query->name),
                 KV("waited_ms", (int)TRIP_TIMEOUT_MS));
        c->trip = NULL;
        trip->is_lost = true;
    }
}

static void clear_trip(struct trip *trip)
{
    for (int i = 0; i < trip->count; i++)
        PQclear(trip->steps[i].result);
}

/* -- the pool -- */

static void ignore_notice(void *unused, const PGresult *notice)
{
    (void)unused;
    const char *message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    log_debug("db.noticed", KV("message", message ? message : ""));
}

/* Leaves a connection closed. */
static void drop(struct connection *c)
{
    assert(!c->trip);
    loop_watch(&c->watch, 0);
    PQfinish(c->pg);
    free(c->prepared);
    *c = (struct connection){.pool = c->pool, .watch = {.fd = -1}};
}

static bool has_live_connection(const struct db_pool *pool)
{
    for (int i = 0; i < pool->size; i++)
        if (pool->connections[i].state == IDLE || pool->connections[i].state == HELD)
            return true;
    return false;
}

static int count_in_state(const struct db_pool *pool, enum connection_state state)
{
    int count = 0;
    for (int i = 0; i < pool->size; i++)
        count += pool->connections[i].state == state;
    return count;
}

static void pool_is_refused(struct db_pool *pool, const char *why)
{
    size_t length = strcspn(why, "\n");
    snprintf(pool->failure, sizeof pool->failure, "%.*s", (int)length, why);
    int64_t now = clock_steady_ms();
    if (pool->pause_ms == 0)
        log_warn("db.unreachable", KV("message", (const char *)pool->failure));
    /* Several attempts may have begun together; they count as one. */
    if (now >= pool->retry_at_ms) {
        pool->pause_ms = pool->pause_ms ? pool->pause_ms * 2 : PAUSE_FIRST_MS;
        if (pool->pause_ms > PAUSE_MOST_MS)
            pool->pause_ms = PAUSE_MOST_MS;
        pool->retry_at_ms = now + pool->pause_ms;
    }
    if (has_live_connection(pool))
        return;
    while (pool->first_waiter) {
        struct waiter *w = pool->first_waiter;
        pool->first_waiter = w->next;
        w->is_refused = true;
        task_wake(w->task);
    }
}

/* Settings before the address yield to it, so the operator has the last word. */
static PGconn *start_connecting(const char *url)
{
    const char *const keywords[] = {"gssencmode", "fallback_application_name", "dbname",
                                    "client_encoding", NULL};
    const char *const values[] = {"disable", "aisha", url, "UTF8", NULL};
    return PQconnectStartParams(keywords, values, 1);
}

/* NULL when connected, else what went wrong. */
static const char *await_connected(PGconn *pg)
{
    int64_t deadline_ms = clock_steady_ms() + CONNECT_TIMEOUT_MS;
    if (!pg || PQstatus(pg) == CONNECTION_BAD)
        return PQerrorMessage(pg);
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
        uint32_t events = next == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT;
        if (task_wait_fd(PQsocket(pg), events, deadline_ms) == TIMED_OUT)
            return "no answer while connecting";
        next = PQconnectPoll(pg);
    }
    if (next != PGRES_POLLING_OK)
        return PQerrorMessage(pg);
    if (PQsetnonblocking(pg, 1) != 0 || !PQenterPipelineMode(pg))
        return PQerrorMessage(pg);
    return NULL;
}

/* A task of its own, so that all who wait share what comes of it. */
static void connect_one(void *connection)
{
    struct connection *c = connection;
    struct db_pool *pool = c->pool;
    c->pg = start_connecting(pool->url);
    const char *problem = await_connected(c->pg);
    if (problem) {
        pool_is_refused(pool, problem);
        drop(c);
        return;
    }
    PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
    if (pool->pause_ms)
        log_info("db.reached_again");
    pool->pause_ms = pool->retry_at_ms = 0;
    c->watch = (struct watch){.fd = PQsocket(c->pg), .ready = connection_ready, .owner = c};
    loop_watch(&c->watch, EPOLLIN);
    c->state = IDLE;
    serve_waiters(pool);
}

static struct connection *take_idle(struct db_pool *pool)
{
    for (int i = 0; i < pool->size; i++) {
        struct connection *c = &pool->connections[i];
        if (c->state != IDLE)
            continue;
        c->state = HELD;
        return c;
    }
    return NULL;
}

/* One attempt for each who waits; only one while the server is thought to be away. */
static void connect_for_waiters(struct db_pool *pool)
{
    int wanted = 0;
    for (struct waiter *w = pool->first_waiter; w; w = w->next)
        wanted++;
    if (pool->pause_ms && wanted > 1)
        wanted = 1;
    if (clock_steady_ms() < pool->retry_at_ms)
        return;

    wanted -= count_in_state(pool, CONNECTING);
    for (int i = 0; i < pool->size && wanted > 0; i++) {
        struct connection *c = &pool->connections[i];
        if (c->state != CLOSED)
            continue;
        c->state = CONNECTING;
        task_start(connect_one, c, CONNECT_STACK_KIB);
        wanted--;
    }
}

static void close_idle(struct db_pool *pool)
{
    for (int i = 0; i < pool->size; i++)
        if (pool->connections[i].state == IDLE)
            drop(&pool->connections[i]);
}

static void serve_waiters(struct db_pool *pool)
{
    while (pool->first_waiter) {
        struct connection *c = take_idle(pool);
        if (!c)
            break;
        struct waiter *w = pool->first_waiter;
        pool->first_waiter = w->next;
        w->given = c;
        task_wake(w->task);
    }
    connect_for_waiters(pool);
    if (pool->is_closing)
        close_idle(pool);
}

static void give_back(struct connection *c)
{
    struct db_pool *pool = c->pool;
    if (c->is_lost || c->is_outdated || PQtransactionStatus(c->pg) != PQTRANS_IDLE)
        drop(c);
    else
        c->state = IDLE;
    serve_waiters(pool);
}

static void leave_queue(struct db_pool *pool, struct waiter *me)
{
    struct waiter **link = &pool->first_waiter;
    while (*link && *link != me)
        link = &(*link)->next;
    if (*link)
        *link = me->next;
}

static err *fail_unreachable(struct db_pool *pool, struct arena *a)
{
    return fail(a, ERR_UNREACHABLE, "db: %s", pool->failure[0] ? pool->failure : "not connected");
}

static err *wait_in_queue(struct db_pool *pool, struct arena *a, struct connection **out)
{
    struct waiter me = {.task = task_self()};
    struct waiter **last = &pool->first_waiter;
    while (*last)
        last = &(*last)->next;
    *last = &me;
    connect_for_waiters(pool);

    bool is_away = pool->pause_ms && !has_live_connection(pool);
    int64_t deadline_ms = clock_steady_ms() + (is_away ? AWAY_PATIENCE_MS : POOL_PATIENCE_MS);
    while (!me.given && !me.is_refused && clock_steady_ms() < deadline_ms)
        task_wait(deadline_ms);

    if (me.given) {
        *out = me.given;
        return NULL;
    }
    leave_queue(pool, &me);
    if (count_in_state(pool, HELD) < pool->size)
        return fail_unreachable(pool, a);
    return fail(a, ERR_BUSY, "db: all %d connections are in use", pool->size);
}

static err *acquire(struct db_pool *pool, struct arena *a, struct connection **out)
{
    assert(task_self());
    /* Those who wait come first; an idle connection is then already theirs. */
    struct connection *c = take_idle(pool);
    if (c) {
        *out = c;
        return NULL;
    }
    if (clock_steady_ms() < pool->retry_at_ms && !has_live_connection(pool))
        return fail_unreachable(pool, a);
    return wait_in_queue(pool, a, out);
}

struct db_pool *db_pool_new(str url, int connections)
{
    assert(connections > 0);
    struct db_pool *pool = allocate(1, sizeof *pool);
    pool->url = allocate(url.len + 1, 1);
    if (url.len)
        memcpy(pool->url, url.ptr, url.len);
    pool->size = connections;
    pool->connections = allocate((size_t)connections, sizeof *pool->connections);
    for (int i = 0; i < connections; i++)
        pool->connections[i] = (struct connection){.pool = pool, .watch = {.fd = -1}};
    return pool;
}

err *db_pool_check(struct db_pool *pool, struct arena *a)
{
    struct connection *c = NULL;
    TRY(acquire(pool, a, &c));
    assert(c);
    give_back(c);
    return NULL;
}

void db_pool_close(struct db_pool *pool)
{
    pool->is_closing = true;
    close_idle(pool);
}

void db_pool_free(struct db_pool *pool)
{
    db_pool_close(pool);
    assert(!count_in_state(pool, HELD));
    free(pool->connections);
    free(pool->url);
    free(pool);
}

/* -- values in, results out -- */

static err *text_of(struct arena *a, const struct query *query, size_t index, struct val v,
                    const char **out)
{
    switch (v.type) {
    case VAL_NULL:
        *out = NULL;
        return NULL;
    case VAL_BOOL:
        *out = v.boolean ? "t" : "f";
        return NULL;
    case VAL_INT:
        *out = cstr(a, str_printf(a, "%" PRId64, v.integer));
        return NULL;
    case VAL_DOUBLE:
        *out = cstr(a, str_printf(a, "%.17g", v.number));
        return NULL;
    case VAL_STR:
    case VAL_JSON:
        if (v.string.len && memchr(v.string.ptr, 0, v.string.len))
            return fail(a, ERR_INPUT, "db: %s: value %zu holds a NUL byte", query->name, index + 1);
        *out = cstr(a, v.string);
        return NULL;
    }
    return fail(a, ERR_INTERNAL, "db: %s: value %zu has no type", query->name, index + 1);
}

static err *texts_of(struct arena *a, const struct query *query, const struct val *values,
                     size_t count, const char ***out)
{
    const char **texts = NEW_ARRAY(a, const char *, count ? count : 1);
    for (size_t i = 0; i < count; i++)
        TRY(text_of(a, query, i, values[i], &texts[i]));
    *out = texts;
    return NULL;
}

static void close_result(void *result)
{
    PQclear(result);
}

/* The statement's own result goes to the arena, the rest is cleared with the trip. */
static void hand_over_rows(struct arena *a, struct trip *trip, const struct query *query,
                           struct rows *rows)
{
    if (!rows)
        return;
    for (int i = 0; i < trip->count; i++) {
        struct step *step = &trip->steps[i];
        if (step->query != query || step->is_prepare || !step->result)
            continue;
        rows->result = step->result;
        step->result = NULL;
        arena_defer(a, close_result, rows->result);
    }
    rows->count = PQntuples(rows->result);
    if (PQresultStatus(rows->result) != PGRES_COMMAND_OK)
        return;
    int64_t touched = 0;
    if (str_to_i64(str_from(PQcmdTuples(rows->result)), &touched))
        rows->count = (int)touched;
}

/* -- running statements -- */

/* What one trip is to carry. */
struct errand {
    const struct query *query; /* NULL: only the commit or rollback */
    const char **values;
    size_t count;
    bool with_begin, with_commit;
    bool is_whole; /* what it does is durable when it is answered */
};

static bool send_all(struct connection *c, const struct errand *errand, struct trip *trip)
{
    if (c->is_lost)
        return false;
    if (errand->with_begin && !send_step(c, trip, &begin_query, NULL, 0))
        return false;
    if (errand->query && !send_step(c, trip, errand->query, errand->values, errand->count))
        return false;
    return !errand->with_commit || send_step(c, trip, &commit_query, NULL, 0);
}

static const struct step *failed_step(const struct trip *trip)
{
    for (int i = 0; i < trip->count; i++)
        if (trip->error && trip->steps[i].result == trip->error)
            return &trip->steps[i];
    return NULL;
}

static const char *failed_sqlstate(const struct trip *trip)
{
    return trip->error ? PQresultErrorField(trip->error, PG_DIAG_SQLSTATE) : NULL;
}

static void travel(struct connection *c, const struct errand *errand, struct trip *trip)
{
    if (send_all(c, errand, trip))
        finish_trip(c, trip);
    else
        trip->is_lost = true;

    if (trip->is_lost)
        mark_lost(c);
    const struct step *failed = failed_step(trip);
    const char *sqlstate = failed_sqlstate(trip);
    if (failed && !failed->is_prepare && sqlstate && outdates(sqlstate))
        c->is_outdated = true;
}

static err *judge_statement(struct arena *a, const struct trip *trip, const struct errand *errand)
{
    const struct query *query = errand->query;
    const struct step *failed = failed_step(trip);
    if (failed)
        return fail_from(a, failed->query, trip->error);
    if (!trip->is_lost)
        return NULL;
    bool may_be_done = errand->is_whole && trip->is_sent;
    return fail(a, may_be_done ? ERR_UNKNOWN : ERR_UNREACHABLE, "db: %s: connection lost or silent",
                query->name);
}

/* Committed is what the server calls COMMIT: a transaction that had failed is
 * answered by ROLLBACK, which is no error to the server. When the connection is
 * gone, only an error that came before the commit's turn says what became of it. */
static err *judge_commit(struct arena *a, const struct trip *trip)
{
    if (!trip->is_sent)
        return fail(a, ERR_UNREACHABLE, "db: connection lost before commit");
    const struct step *commit = &trip->steps[trip->count - 1];
    if (commit->is_done && strcmp(PQcmdStatus(commit->result), "COMMIT") == 0)
        return NULL;
    if (commit->is_done)
        return fail(a, ERR_INTERNAL, "db: commit ended in a rollback");

    const struct step *failed = failed_step(trip);
    bool is_certain = failed_sqlstate(trip) && (!trip->is_lost || failed != commit);
    if (failed && is_certain)
        return fail_from(a, failed->query, trip->error);
    return fail(a, ERR_UNKNOWN, "db: connection lost or silent during commit");
}

static err *run_on(struct connection *c, struct arena *a, const struct errand *errand,
                   struct rows *rows)
{
    struct trip trip = {0};
    travel(c, errand, &trip);
    err *e = errand->with_commit ? judge_commit(a, &trip) : judge_statement(a, &trip, errand);
    if (!e && rows)
        hand_over_rows(a, &trip, errand->query, rows);
    clear_trip(&trip);
    return e;
}

/* Each round that finds an outdated connection closes it, so this ends with a new one. */
static err *run_alone(struct db *db, const struct errand *errand, struct rows *rows)
{
    for (int round = 0;; round++) {
        struct connection *c = NULL;
        TRY(acquire(db->pool, db->arena, &c));
        assert(c);
        err *e = run_on(c, db->arena, errand, rows);
        bool is_outdated = c->is_outdated;
        give_back(c);
        if (!e || !is_outdated || round == db->pool->size)
            return e;
    }
}

static err *run_in_transaction(struct db *db, struct errand *errand, struct rows *rows)
{
    if (!db->held)
        TRY(acquire(db->pool, db->arena, &db->held));
    assert(db->held);
    errand->with_begin = db->owes_begin;
    db->owes_begin = false;
    return run_on(db->held, db->arena, errand, rows);
}

/* The hook's own statements come back here and find that it is no longer owed. */
static err *run_hook(struct db *db)
{
    if (!db->owes_hook)
        return NULL;
    db->owes_hook = false;
    return db->on_begin(db, db->on_begin_owner);
}

static err *run_errand(struct db *db, struct errand *errand, const struct val *values,
                       struct rows *rows)
{
    bool writes = errand->with_commit || errand->query->writes;
    if (writes && !db->is_open)
        TRY(db_begin(db));
    if (db->failure)
        return db->failure;
    if (db->is_open)
        TRY(run_hook(db));
    TRY(texts_of(db->arena, errand->query, values, errand->count, &errand->values));
    return db->is_open ? run_in_transaction(db, errand, rows) : run_alone(db, errand, rows);
}

err *db_run(struct db *db, const struct query *query, struct rows *rows, const struct val *values,
            size_t count)
{
    struct errand errand = {.query = query, .count = count};
    err *e = run_errand(db, &errand, values, rows);
    if (e && db->is_open && !db->failure)
        db->failure = e;
    return e;
}

err *db_run_whole(struct db *db, const struct query *query, struct rows *rows,
                  const struct val *values, size_t count)
{
    assert(!db->is_open && query->writes);
    struct errand errand = {.query = query, .count = count, .is_whole = true};
    TRY(texts_of(db->arena, query, values, count, &errand.values));
    return run_alone(db, &errand, rows);
}

static void end_transaction(struct db *db)
{
    struct connection *c = db->held;
    db->held = NULL;
    db->is_open = db->owes_begin = db->owes_hook = false;
    db->failure = NULL;
    if (!c)
        return;

    if (!c->is_lost && PQtransactionStatus(c->pg) != PQTRANS_IDLE) {
        struct errand errand = {.query = &rollback_query};
        err *e = run_on(c, db->arena, &errand, NULL);
        if (e)
            mark_lost(c);
    }
    give_back(c);
}

err *db_run_and_commit(struct db *db, const struct query *query, struct rows *rows,
                       const struct val *values, size_t count)
{
    struct errand errand = {.query = query, .count = count, .with_commit = true};
    err *e = run_errand(db, &errand, values, rows);
    end_transaction(db);
    return e;
}

bool db_is_writing(const struct db *db)
{
    return db->is_open;
}

err *db_begin(struct db *db)
{
    if (db->is_open)
        return NULL;
    db->is_open = db->owes_begin = true;
    db->owes_hook = db->on_begin != NULL;
    return NULL;
}

err *db_commit(struct db *db)
{
    if (!db->is_open)
        return NULL;
    err *e = db->failure;
    struct errand errand = {.with_commit = true};
    if (!e && !db->owes_begin)
        e = run_in_transaction(db, &errand, NULL);
    end_transaction(db);
    return e;
}

void db_rollback(struct db *db)
{
    end_transaction(db);
}

/* The arena ends and a transaction was left open: the server rolls back when the
 * connection goes. Nobody can wait here. */
static void abandon(void *abandoned)
{
    struct db *db = abandoned;
    if (!db->held)
        return;
    log_warn("db.transaction_abandoned", KV("pool", db->pool->size));
    give_back(db->held);
    db->held = NULL;
}

struct db *db_new(struct db_pool *pool, struct arena *a)
{
    struct db *db = NEW(a, struct db);
    db->pool = pool;
    db->arena = a;
    arena_defer(a, abandon, db);
    return db;
}

void db_on_begin(struct db *db, err *(*run)(struct db *db, void *owner), void *owner)
{
    db->on_begin = run;
    db->on_begin_owner = owner;
}

/* -- rows -- */

/* PQfnumber() copies and folds the name at each call; ours are exact. */
static int column_of(const struct rows *rows, const char *column)
{
    int columns = PQnfields(rows->result);
    for (int i = 0; i < columns; i++)
        if (strcmp(PQfname(rows->result, i), column) == 0)
            return i;
    bool is_absent = true;
    assert(!is_absent);
    return -1;
}

bool rows_is_null(const struct rows *rows, int row, const char *column)
{
    return PQgetisnull(rows->result, row, column_of(rows, column));
}

str rows_str(const struct rows *rows, int row, const char *column)
{
    int place = column_of(rows, column);
    assert(row >= 0 && row < PQntuples(rows->result));
    return (str){PQgetvalue(rows->result, row, place),
                 (size_t)PQgetlength(rows->result, row, place)};
}

int64_t rows_i64(const struct rows *rows, int row, const char *column)
{
    str text = rows_str(rows, row, column);
    int64_t number = 0;
    bool is_number = str_empty(text) || str_to_i64(text, &number);
    assert(is_number);
    return is_number ? number : 0;
}

bool rows_bool(const struct rows *rows, int row, const char *column)
{
    return str_eq(rows_str(rows, row, column), S("t"));
}

double rows_double(const struct rows *rows, int row, const char *column)
{
    /* libpq ends every value with a NUL. */
    return strtod(rows_str(rows, row, column).ptr, NULL);
}
