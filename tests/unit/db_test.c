/* PostgreSQL in the loop: values, transactions, faults of every kind. Needs
 * TEST_DATABASE_URL with the right to make a schema. */
#include "db/db.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

#include "core/clock.h"
#include "core/loop.h"
#include "relay.h"

enum { CONNECTIONS = 3, MANY = 60 };

static struct arena *arena;
static struct relay relay;
static char relay_dir[] = "/tmp/db_test.XXXXXX";
static char schema[40];
static str relay_url;
static struct arena *settings;
static struct db_pool *pool; /* through the relay */
static int failed, finished;

/* A task has a stack of its own, which cmocka's assertions cannot leave. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (condition)                                                                             \
            break;                                                                                 \
        printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition);                                   \
        failed++;                                                                                  \
    } while (0)
#define CHECK_OK(call)                                                                             \
    do {                                                                                           \
        err *check_ = (call);                                                                      \
        if (!check_)                                                                               \
            break;                                                                                 \
        printf("# %s:%d: %s: " STR_FMT " " STR_FMT "\n", __FILE__, __LINE__, #call,                \
               STR_ARG(check_->message), STR_ARG(check_->detail));                                 \
        failed++;                                                                                  \
    } while (0)
#define CHECK_KIND(call, wanted)                                                                   \
    do {                                                                                           \
        err *check_ = (call);                                                                      \
        if (check_ && check_->kind == (wanted))                                                    \
            break;                                                                                 \
        printf("# %s:%d: %s gave %s " STR_FMT "\n", __FILE__, __LINE__, #call,                     \
               check_ ? err_kind_name(check_->kind) : "success",                                   \
               STR_ARG(check_ ? check_->message : S("")));                                         \
        failed++;                                                                                  \
    } while (0)

static const struct query insert_thing = {"insert_thing", "insert into things (name) values ($1)",
                                          true};
static const struct query insert_returning = {
    "insert_returning", "insert into things (name) values ($1) returning id, name", true};
static const struct query insert_twin = {"insert_twin", "insert into twins (name) values ($1)",
                                         true};
static const struct query count_things = {
    "count_things", "select count(*) as n from things where name = $1", false};
static const struct query show_pid = {"show_pid", "select pg_backend_pid() as pid", false};
static const struct query take_a_while = {"take_a_while", "select pg_sleep($1::float8)", false};

static void main_task(void *run)
{
    ((void (*)(void))run)();
    db_pool_close(pool);
    loop_stop();
}

/* Each test is a task with a pool, a relay and an arena of its own. A pool is
 * never freed, a process has one; so they are kept where the leak check sees them. */
static void in_loop(void (*run)(void), int connections)
{
    static struct db_pool *all_pools[64];
    static size_t pool_count;
    failed = finished = relay.accepted = 0;
    arena = arena_new(16 << 20);
    relay_listen(&relay);
    pool = all_pools[pool_count++] = db_pool_new(relay_url, connections);
    task_start(main_task, (void *)run, 256);
    loop_run();
    relay_end(&relay);
    relay.holds[CLIENT] = relay.holds[SERVER] = false;
    arena_free(arena);
    assert_int_equal(failed, 0);
}

#define TEST(name, connections)                                                                    \
    static void name##_in_loop(void);                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        in_loop(name##_in_loop, (connections));                                                    \
    }                                                                                              \
    static void name##_in_loop(void)

static int64_t count_of(const char *name)
{
    struct rows rows;
    err *e = db_query(db_new(pool, arena), &count_things, &rows, V(name));
    CHECK_OK(e);
    return e ? -1 : rows_i64(&rows, 0, "n");
}

static void await_finished(int wanted)
{
    for (int i = 0; i < 2000 && finished < wanted; i++)
        task_sleep_ms(5);
    CHECK(finished == wanted);
}

static void await_server(void)
{
    err *e = db_pool_check(pool, arena);
    for (int i = 0; i < 500 && e; i++) {
        task_sleep_ms(10);
        e = db_pool_check(pool, arena);
    }
    CHECK_OK(e);
}

TEST(values_come_back_by_name, CONNECTIONS)
{
    static const struct query echo = {
        "echo",
        "select $1::bigint as number, $2::text as text, $3::bool as yes, $4::float8 as half, "
        "$5::jsonb->>'a' as member, $6::text as nothing, $7::bool as no",
        false};
    struct db *db = db_new(pool, arena);
    struct rows rows;
    str awkward = S("Ася ' \" \\ ; drop table \n $1 {}");
    for (int round = 0; round < 2; round++) {
        CHECK_OK(db_query(db, &echo, &rows, V(INT64_MIN), V(awkward), V(true), V(0.1),
                          V(JSON(S("{\"a\":\"x\"}"))), V(NOTHING), V(false)));
        CHECK(rows.count == 1 && rows_i64(&rows, 0, "number") == INT64_MIN);
        CHECK(str_eq(rows_str(&rows, 0, "text"), awkward));
        CHECK(rows_bool(&rows, 0, "yes") && !rows_bool(&rows, 0, "no"));
        CHECK(rows_double(&rows, 0, "half") == 0.1);
        CHECK(str_eq(rows_str(&rows, 0, "member"), S("x")));
        CHECK(rows_is_null(&rows, 0, "nothing") && !rows_is_null(&rows, 0, "no"));
        CHECK(str_empty(rows_str(&rows, 0, "nothing")) && rows_i64(&rows, 0, "nothing") == 0);
    }
    CHECK_KIND(db_query(db, &count_things, &rows, V(S("a\0b"))), ERR_INPUT);
    CHECK_OK(db_query(db, &show_pid, NULL));
    CHECK(!db_is_writing(db));
}

static err *raise(struct db *db, const char *name, const char *sql)
{
    struct query *query = NEW(arena, struct query);
    *query = (struct query){name, sql, false};
    return db_query(db, query, NULL);
}

TEST(sqlstates_become_kinds, CONNECTIONS)
{
    struct db *db = db_new(pool, arena);
    err *e = raise(db, "refuse", "do $$ begin raise 'no coins' using errcode = 'AI001'; end $$");
    CHECK(e && e->kind == ERR_REFUSED && db_refused_by(e, "AI001") && !db_refused_by(e, "AI002"));
    CHECK_KIND(raise(db, "typo", "selec 1"), ERR_INTERNAL);
    CHECK_KIND(raise(db, "missing", "select * from nowhere"), ERR_INTERNAL);
    CHECK_KIND(raise(db, "lock", "do $$ begin raise using errcode = '55P03'; end $$"), ERR_BUSY);
    CHECK_KIND(raise(db, "dead", "do $$ begin raise using errcode = '40P01'; end $$"), ERR_BUSY);
    CHECK_KIND(raise(db, "serial", "do $$ begin raise using errcode = '40001'; end $$"), ERR_BUSY);
    CHECK_KIND(raise(db, "many", "do $$ begin raise using errcode = '53300'; end $$"), ERR_BUSY);
    CHECK(!db_refused_by(NULL, "AI001"));

    static const struct query cast = {"cast", "select $1::text::bigint", false};
    e = db_query(db, &cast, NULL, V("my \"secret\" words"));
    size_t at;
    CHECK(e && e->kind == ERR_INTERNAL && str_eq(e->detail, S("22P02")));
    CHECK(e && !str_find(e->message, S("secret"), &at) && str_find(e->message, S("bigint"), &at));

    CHECK_KIND(db_query(db, &take_a_while, NULL, V(30)), ERR_BUSY); /* statement_timeout */
    CHECK_OK(db_query(db, &show_pid, NULL));
}

static int hook_runs;

static err *note_turn(struct db *db, void *name)
{
    hook_runs++;
    return db_query(db, &insert_twin, NULL, V((const char *)name));
}

TEST(the_hook_opens_each_transaction_once, CONNECTIONS)
{
    struct db *db = db_new(pool, arena);
    struct rows rows;
    hook_runs = 0;
    db_on_begin(db, note_turn, (void *)(uintptr_t) "turn 1");
    CHECK_OK(db_query(db, &count_things, NULL, V("hooked")));
    CHECK(hook_runs == 0 && !db_is_writing(db));
    CHECK_OK(db_query(db, &insert_returning, &rows, V("hooked")));
    CHECK(hook_runs == 1 && db_is_writing(db) && rows.count == 1);
    CHECK(str_eq(rows_str(&rows, 0, "name"), S("hooked")));
    CHECK_OK(db_query(db, &insert_thing, &rows, V("hooked")));
    CHECK(rows.count == 1);
    CHECK_OK(db_query(db, &count_things, &rows, V("hooked")));
    CHECK(hook_runs == 1 && rows_i64(&rows, 0, "n") == 2);
    CHECK(count_of("hooked") == 0); /* others do not see it yet */
    CHECK_OK(db_commit(db));
    CHECK(!db_is_writing(db) && count_of("hooked") == 2);

    /* The second run of the same turn: the hook's error is the statement's. */
    CHECK_KIND(db_query(db, &insert_thing, NULL, V("hooked")), ERR_CONFLICT);
    CHECK(hook_runs == 2 && db_is_writing(db));
    CHECK_KIND(db_query(db, &count_things, NULL, V("hooked")), ERR_CONFLICT);
    db_rollback(db);
    CHECK(!db_is_writing(db) && count_of("hooked") == 2);
    CHECK_OK(db_query(db, &count_things, NULL, V("hooked")));
}

TEST(an_opened_transaction_covers_reading_too, CONNECTIONS)
{
    struct db *db = db_new(pool, arena);
    struct rows rows;
    CHECK_OK(db_begin(db));
    CHECK(db_is_writing(db));
    static const struct query in_block = {
        "in_block", "select now() = statement_timestamp() as is_first", false};
    CHECK_OK(db_query(db, &in_block, &rows));
    CHECK_OK(db_query(db, &in_block, &rows));
    CHECK(!rows_bool(&rows, 0, "is_first"));
    CHECK_OK(db_commit(db));
    CHECK_OK(db_begin(db));
    CHECK_OK(db_commit(db)); /* nothing was sent, nothing to do */
    CHECK_OK(db_commit(db));
    db_rollback(db);
    CHECK(!db_is_writing(db));
}

TEST(an_error_ends_in_a_rollback, 1)
{
    struct db *db = db_new(pool, arena);
    CHECK_OK(db_query(db, &insert_twin, NULL, V("a")));
    CHECK_OK(db_query(db, &insert_thing, NULL, V("undone")));
    err *e = db_query(db, &insert_twin, NULL, V("a"));
    CHECK(e && e->kind == ERR_CONFLICT);
    CHECK(db_query(db, &insert_thing, NULL, V("undone")) == e);
    CHECK(db_commit(db) == e);
    CHECK(!db_is_writing(db) && count_of("undone") == 0);

    CHECK_OK(db_query(db, &insert_thing, NULL, V("undone")));
    db_rollback(db);
    CHECK(count_of("undone") == 0);
    CHECK_OK(db_query(db, &insert_thing, NULL, V("done")));
    CHECK_OK(db_commit(db));
    CHECK(count_of("done") == 1);
    CHECK(relay.accepted == 1); /* one connection served all of it */
}

TEST(statement_and_commit_travel_together, CONNECTIONS)
{
    struct db *db = db_new(pool, arena);
    struct rows rows;
    CHECK_OK(db_query(db, &insert_thing, NULL, V("pair")));
    size_t trips = relay.reads_from_client;
    CHECK_OK(db_query_commit(db, &insert_thing, &rows, V("pair")));
    CHECK(rows.count == 1 && !db_is_writing(db) && relay.reads_from_client == trips + 1);
    CHECK(count_of("pair") == 2);
    CHECK_OK(db_query_commit(db, &insert_thing, NULL, V("pair"))); /* opens one of its own */
    CHECK(count_of("pair") == 3);

    CHECK_OK(db_query(db, &insert_thing, NULL, V("pair")));
    CHECK_OK(db_query(db, &insert_twin, NULL, V("b")));
    CHECK_KIND(db_query_commit(db, &insert_twin, NULL, V("b")), ERR_CONFLICT);
    CHECK(!db_is_writing(db) && count_of("pair") == 3);

    /* A deferred constraint speaks up only at the commit. */
    static const struct query insert_late = {"insert_late", "insert into late (twin) values ($1)",
                                             true};
    CHECK_OK(db_query(db, &insert_late, NULL, V("nobody")));
    err *e = db_commit(db);
    CHECK(e && e->kind == ERR_INTERNAL && str_eq(e->detail, S("23503")));
    e = db_query_commit(db, &insert_late, NULL, V("nobody"));
    CHECK(e && e->kind == ERR_INTERNAL && str_eq(e->detail, S("23503")));
    CHECK_OK(db_query(db, &show_pid, NULL));
}

static void sleep_on_server(void *unused)
{
    (void)unused;
    struct db *db = db_new(pool, arena);
    CHECK_OK(db_query(db, &take_a_while, NULL, V(0.8)));
    finished++;
}

TEST(a_slow_statement_delays_nobody, CONNECTIONS)
{
    CHECK_OK(db_query(db_new(pool, arena), &show_pid, NULL));
    task_start(sleep_on_server, NULL, 0);
    task_sleep_ms(50);
    for (int i = 0; i < 100; i++)
        CHECK_OK(db_query(db_new(pool, arena), &show_pid, NULL));
    CHECK(finished == 0);
    await_finished(1);
}

static void write_one(void *unused)
{
    (void)unused;
    struct arena *own = arena_new(1 << 20);
    struct db *db = db_new(pool, own);
    struct rows rows;
    CHECK_OK(db_query(db, &insert_returning, &rows, V("many")));
    CHECK_OK(db_query_commit(db, &insert_thing, NULL, V("many")));
    arena_free(own);
    finished++;
}

TEST(more_tasks_than_connections_take_turns, CONNECTIONS)
{
    for (int i = 0; i < MANY; i++)
        task_start(write_one, NULL, 0);
    await_finished(MANY);
    CHECK(count_of("many") == 2 * MANY);
    CHECK(relay.accepted <= CONNECTIONS);
}

TEST(a_pool_in_use_is_waited_for_and_then_busy, 1)
{
    struct db *holder = db_new(pool, arena);
    CHECK_OK(db_query(holder, &insert_thing, NULL, V("held")));
    int64_t before_ms = clock_steady_ms();
    CHECK_KIND(db_query(db_new(pool, arena), &show_pid, NULL), ERR_BUSY);
    CHECK(clock_steady_ms() - before_ms >= 1900);
    task_start(write_one, NULL, 0);
    task_sleep_ms(50);
    CHECK(finished == 0);
    db_rollback(holder);
    await_finished(1);
}

TEST(an_idle_connection_that_is_lost_is_noticed, CONNECTIONS)
{
    CHECK_OK(db_query(db_new(pool, arena), &show_pid, NULL));
    relay_cut(&relay);
    task_sleep_ms(20);
    CHECK_OK(db_query(db_new(pool, arena), &show_pid, NULL));
    CHECK(relay.accepted == 2);

    /* The same when the server says good-bye by itself. */
    static const struct query shoot = {
        "shoot",
        "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        "where pid <> pg_backend_pid() and usename = current_user and application_name = $1",
        true};
    struct db *db = db_new(pool, arena);
    struct db *victim = db_new(pool, arena);
    CHECK_OK(db_query(victim, &insert_thing, NULL, V("shot")));
    CHECK_OK(db_query_commit(db, &shoot, NULL, V((const char *)schema)));
    task_sleep_ms(50);
    CHECK_KIND(db_query(victim, &insert_thing, NULL, V("shot")), ERR_UNREACHABLE);
    CHECK_KIND(db_commit(victim), ERR_UNREACHABLE);
    CHECK(count_of("shot") == 0);
}

TEST(a_server_that_is_away_fails_fast_and_is_found_again, CONNECTIONS)
{
    CHECK_OK(db_pool_check(pool, arena));
    relay_refuse(&relay);
    relay_cut(&relay);
    task_sleep_ms(20);
    int64_t before_ms = clock_steady_ms();
    for (int i = 0; i < 100; i++)
        CHECK_KIND(db_query(db_new(pool, arena), &show_pid, NULL), ERR_UNREACHABLE);
    CHECK_KIND(db_pool_check(pool, arena), ERR_UNREACHABLE);
    CHECK(clock_steady_ms() - before_ms < 1000);

    relay_listen(&relay);
    await_server();
}

static void read_from_silence(void *unused)
{
    (void)unused;
    int64_t before_ms = clock_steady_ms();
    CHECK_KIND(db_query(db_new(pool, arena), &show_pid, NULL), ERR_UNREACHABLE);
    CHECK(clock_steady_ms() - before_ms < 7000);
    finished++;
}

static void commit_into_silence(void *with_statement)
{
    struct db *db = db_new(pool, arena);
    CHECK_OK(db_query(db, &insert_thing, NULL, V("silent")));
    while (!relay.holds[SERVER])
        task_sleep_ms(10);
    if (with_statement)
        CHECK_KIND(db_query_commit(db, &insert_thing, NULL, V("silent")), ERR_UNKNOWN);
    else
        CHECK_KIND(db_commit(db), ERR_UNKNOWN);
    CHECK(!db_is_writing(db));
    finished++;
}

TEST(a_silent_server_counts_as_lost, CONNECTIONS)
{
    static int yes;
    struct db *db = db_new(pool, arena);
    CHECK_OK(db_pool_check(pool, arena));
    task_start(commit_into_silence, NULL, 0);
    task_start(commit_into_silence, &yes, 0);
    task_sleep_ms(300);
    relay_hold(&relay, false, true); /* requests arrive, answers do not */
    task_start(read_from_silence, NULL, 0);
    await_finished(3);
    /* Connecting meets the same silence: first waited for, then not any more. */
    CHECK_KIND(db_query(db, &show_pid, NULL), ERR_UNREACHABLE);
    task_sleep_ms(1500);
    int64_t before_ms = clock_steady_ms();
    for (int i = 0; i < 3; i++)
        CHECK_KIND(db_query(db, &show_pid, NULL), ERR_UNREACHABLE);
    CHECK(clock_steady_ms() - before_ms < 2000);
    relay_hold(&relay, false, false);
    relay_cut(&relay);
    await_server();
    CHECK(count_of("silent") == 3); /* that is what "unknown" means: they had been done */
}

static void commit_and_be_cut(void *unused)
{
    (void)unused;
    struct db *db = db_new(pool, arena);
    CHECK_OK(db_query(db, &insert_thing, NULL, V("cut")));
    relay_hold(&relay, false, true);
    CHECK_KIND(db_commit(db), ERR_UNKNOWN);
    finished++;
}

TEST(a_cut_during_commit_has_an_unknown_outcome, CONNECTIONS)
{
    task_start(commit_and_be_cut, NULL, 0);
    for (int i = 0; i < 500 && !relay.holds[SERVER]; i++)
        task_sleep_ms(10);
    task_sleep_ms(50);
    relay_cut(&relay);
    relay_hold(&relay, false, false);
    await_finished(1);

    /* Before the commit was asked for there is nothing unknown. */
    struct db *db = db_new(pool, arena);
    CHECK_OK(db_query(db, &insert_thing, NULL, V("cut early")));
    relay_cut(&relay);
    task_sleep_ms(20);
    CHECK_KIND(db_commit(db), ERR_UNREACHABLE);
    CHECK(count_of("cut early") == 0);
}

TEST(a_forgotten_transaction_ends_with_its_arena, 1)
{
    struct arena *own = arena_new(1 << 20);
    CHECK_OK(db_query(db_new(pool, own), &insert_thing, NULL, V("forgotten")));
    arena_free(own);
    CHECK(count_of("forgotten") == 0);
}

TEST(a_plan_that_a_migration_outdated_is_made_anew, CONNECTIONS)
{
    static const struct query all = {"all", "select * from wide", false};
    static const struct query widen = {"widen", "alter table wide add b int", true};
    struct db *db = db_new(pool, arena);
    struct rows rows;
    CHECK_OK(db_query(db, &all, &rows));
    CHECK(PQnfields(rows.result) == 1);
    CHECK_OK(db_query_commit(db_new(pool, arena), &widen, NULL));
    CHECK_OK(db_query(db, &all, &rows));
    CHECK(PQnfields(rows.result) == 2);
}

TEST(a_large_value_goes_both_ways, CONNECTIONS)
{
    static const struct query size = {"size", "select $1::text as text", false};
    size_t len = 2 << 20;
    char *bytes = arena_alloc(arena, len, 1);
    memset(bytes, 'x', len);
    struct rows rows;
    CHECK_OK(db_query(db_new(pool, arena), &size, &rows, V(((str){bytes, len}))));
    CHECK(rows_str(&rows, 0, "text").len == len);
}

/* Cut as often as not; that it comes to an end is what counts. */
static void nap_on_server(void *unused)
{
    (void)unused;
    struct arena *own = arena_new(1 << 20);
    err *e = db_query(db_new(pool, own), &take_a_while, NULL, V(0.01));
    CHECK(!e || err_is_waiting(e));
    arena_free(own);
    finished++;
}

TEST(cutting_at_any_time_leaves_nothing_stuck, CONNECTIONS)
{
    int certain = 0, unknown = 0;
    for (int i = 0; i < MANY; i++) {
        await_server();
        struct arena *own = arena_new(1 << 20);
        struct db *db = db_new(pool, own);
        task_start(nap_on_server, NULL, 0);
        err *e = db_query(db, &insert_thing, NULL, V("chaos"));
        if (i % 3 == 0)
            relay_cut(&relay);
        if (!e)
            e = db_query_commit(db, &insert_thing, NULL, V("chaos"));
        if (!e)
            certain++;
        else if (e->kind == ERR_UNKNOWN)
            unknown++;
        else
            CHECK(e->kind == ERR_UNREACHABLE);
        if (i % 4 == 0)
            relay_cut(&relay);
        arena_free(own);
    }
    await_finished(MANY);
    await_server();
    int64_t done = count_of("chaos");
    CHECK(certain > 0 && done % 2 == 0);
    CHECK(done >= 2 * certain && done <= 2 * (certain + unknown));
}

/* -- the schema of these tests -- */

static void execute(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
        printf("Bail out! %s", PQerrorMessage(pg));
        exit(1);
    }
    PQclear(result);
}

static void with_schema(const char *url, bool make)
{
    PGconn *pg = PQconnectdb(url);
    if (PQstatus(pg) != CONNECTION_OK) {
        printf("Bail out! TEST_DATABASE_URL: %s", PQerrorMessage(pg));
        exit(1);
    }
    struct arena *a = arena_new(1 << 16);
    execute(pg, "set client_min_messages = warning");
    execute(pg, cstr(a, str_printf(a, "drop schema if exists %s cascade", schema)));
    if (make) {
        execute(pg, cstr(a, str_printf(a, "create schema %s", schema)));
        execute(pg, cstr(a, str_printf(a, "set search_path = %s", schema)));
        execute(pg, "create table things (id bigserial primary key, name text not null)");
        execute(pg, "create table twins (name text primary key)");
        execute(pg, "create table late (twin text references twins deferrable initially deferred)");
        execute(pg, "create table wide (a int)");
    }
    arena_free(a);
    PQfinish(pg);
}

/* The address of TEST_DATABASE_URL with the relay's place in it, which leads to the old place. */
static void find_server(const char *url)
{
    char *problem = NULL;
    PGconn *pg = PQconnectdb(url);
    PQconninfoOption *options = PQconninfo(pg);
    relay_must(options != NULL, problem ? problem : "TEST_DATABASE_URL");
    const char *host = PQhost(pg), *port = PQport(pg);
    char path[108];
    snprintf(path, sizeof path, "%s/.s.PGSQL.%s", host, port);
    relay.server_len = host[0] == '/' ? relay_unix_address(&relay.server, path)
                                      : relay_tcp_address(&relay.server, host, port);

    struct buf b = buf_new(settings);
    for (PQconninfoOption *o = options; o->keyword; o++) {
        static const char *const ours[] = {"host", "hostaddr", "port", "options",
                                           "application_name"};
        bool is_ours = !o->val || !*o->val;
        for (size_t i = 0; i < ARRAY_LEN(ours); i++)
            is_ours |= strcmp(o->keyword, ours[i]) == 0;
        if (!is_ours)
            buf_addf(&b, "%s='%s' ", o->keyword, o->val);
    }
    buf_addf(&b, "host=%s port=5432 application_name=%s ", relay_dir, schema);
    buf_addf(&b, "options='-c search_path=%s -c statement_timeout=1500'", schema);
    relay_url = str_dup(settings, buf_str(&b));
    PQconninfoFree(options);
    PQfinish(pg);

    snprintf(path, sizeof path, "%s/.s.PGSQL.5432", relay_dir);
    relay.own_len = relay_unix_address(&relay.own, path);
}

int main(void)
{
    loop_init();
    settings = arena_new(1 << 16);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const char *url = getenv("TEST_DATABASE_URL");
    if (!url || !mkdtemp(relay_dir)) {
        printf("Bail out! TEST_DATABASE_URL is not set to a connection string of libpq\n");
        return 1;
    }
    snprintf(schema, sizeof schema, "db_test_%d", (int)getpid());
    with_schema(url, true);
    find_server(url);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_by_name),
        cmocka_unit_test(sqlstates_become_kinds),
        cmocka_unit_test(the_hook_opens_each_transaction_once),
        cmocka_unit_test(an_opened_transaction_covers_reading_too),
        cmocka_unit_test(an_error_ends_in_a_rollback),
        cmocka_unit_test(statement_and_commit_travel_together),
        cmocka_unit_test(a_slow_statement_delays_nobody),
        cmocka_unit_test(more_tasks_than_connections_take_turns),
        cmocka_unit_test(a_pool_in_use_is_waited_for_and_then_busy),
        cmocka_unit_test(an_idle_connection_that_is_lost_is_noticed),
        cmocka_unit_test(a_server_that_is_away_fails_fast_and_is_found_again),
        cmocka_unit_test(a_silent_server_counts_as_lost),
        cmocka_unit_test(a_cut_during_commit_has_an_unknown_outcome),
        cmocka_unit_test(a_forgotten_transaction_ends_with_its_arena),
        cmocka_unit_test(a_plan_that_a_migration_outdated_is_made_anew),
        cmocka_unit_test(a_large_value_goes_both_ways),
        cmocka_unit_test(cutting_at_any_time_leaves_nothing_stuck),
    };
    int result = cmocka_run_group_tests_name("db", tests, NULL, NULL);
    with_schema(url, false);
    rmdir(relay_dir);
    arena_free(settings);
    return result;
}
