/* Redis in the loop: order, scripts, faults of every kind. Needs TEST_REDIS_URL. */
#include "db/cache.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

#include "core/clock.h"
#include "core/loop.h"
#include "relay.h"

enum { MANY = 500, SHORT_MS = 300 };

static struct arena *arena;
static struct relay relay;
static str server_url; /* as given */
static char relay_url[200];
static struct cache *cache; /* through the relay */
static int failed;

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
        printf("# %s:%d: %s gave %s\n", __FILE__, __LINE__, #call,                                 \
               check_ ? err_kind_name(check_->kind) : "success");                                  \
        failed++;                                                                                  \
    } while (0)

static str key(const char *name)
{
    return str_printf(arena, "cache_test:%d:%s", (int)getpid(), name);
}

static void main_task(void *run)
{
    ((void (*)(void))run)();
    loop_stop();
}

/* Each test is a task, with a cache, a relay and an arena of its own. */
static void in_loop(void (*run)(void), int64_t timeout_ms)
{
    failed = 0;
    arena = arena_new(64 << 20);
    relay_listen(&relay);
    struct sockaddr_in *own = (struct sockaddr_in *)&relay.own;
    snprintf(relay_url, sizeof relay_url, "redis://127.0.0.1:%d/3", ntohs(own->sin_port));
    cache = cache_new(str_from(relay_url), timeout_ms);
    task_start(main_task, (void *)run, 256);
    loop_run();
    cache_close(cache);
    relay_end(&relay);
    relay.holds[CLIENT] = relay.holds[SERVER] = false;
    arena_free(arena);
    assert_int_equal(failed, 0);
}

#define TEST(name, timeout_ms)                                                                     \
    static void name##_in_loop(void);                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        in_loop(name##_in_loop, (timeout_ms));                                                     \
    }                                                                                              \
    static void name##_in_loop(void)

static void wait_until_up(struct cache *c)
{
    for (int i = 0; i < 500 && !cache_is_up(c); i++)
        task_sleep_ms(10);
    CHECK(cache_is_up(c));
}

TEST(values_come_back_unchanged, CACHE_TIMEOUT_MS)
{
    redisReply *reply;
    size_t len = 3 << 20;
    char *bytes = arena_alloc(arena, len, 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 7 % 256);
    str value = {bytes, len};
    CHECK_OK(cache_call(cache, arena, NULL, S("SET"), key("v"), value, S("EX"), S("60")));
    CHECK_OK(cache_call(cache, arena, &reply, S("GET"), key("v")));
    CHECK(str_eq(reply_str(reply), value));
    CHECK_OK(cache_call(cache, arena, &reply, S("DEL"), key("v"), key("none")));
    CHECK(reply_i64(reply) == 1);
    CHECK_OK(cache_call(cache, arena, &reply, S("GET"), key("v")));
    CHECK(reply->type == REDIS_REPLY_NIL && str_empty(reply_str(reply)) && !reply_item(reply, 0));
    CHECK_OK(cache_call(cache, arena, &reply, S("ECHO"), S("")));
    CHECK(reply->type == REDIS_REPLY_STRING && str_empty(reply_str(reply)));
    CHECK_OK(cache_call(cache, arena, &reply, S("MGET"), key("v"), key("w")));
    CHECK(reply_count(reply) == 2 && reply_item(reply, 1) && !reply_item(reply, 2));
}

TEST(arrays_hold_what_they_held, CACHE_TIMEOUT_MS)
{
    redisReply *reply;
    CHECK_OK(cache_call(cache, arena, &reply, S("EVAL"),
                        S("return {7, {'a', {'b', false}, {}}, redis.status_reply('FINE'), "
                          "string.rep('x', 100000)}"),
                        S("0")));
    CHECK(reply_count(reply) == 4 && reply_i64(reply_item(reply, 0)) == 7);
    const redisReply *inner = reply_item(reply, 1), *inmost = reply_item(inner, 1);
    CHECK(reply_count(inner) == 3 && str_eq(reply_str(reply_item(inner, 0)), S("a")));
    CHECK(reply_count(inmost) == 2 && str_eq(reply_str(reply_item(inmost, 0)), S("b")));
    CHECK(reply_item(inmost, 1)->type == REDIS_REPLY_NIL);
    CHECK(reply_item(inner, 2)->type == REDIS_REPLY_ARRAY && !reply_count(reply_item(inner, 2)));
    CHECK(str_eq(reply_str(reply_item(reply, 2)), S("FINE")));
    CHECK(reply_str(reply_item(reply, 3)).len == 100000);
    CHECK(reply_str(reply_item(reply, 3)).ptr[100000] == '\0');
}

static int finished;

static void echo_own_number(void *number)
{
    redisReply *reply;
    for (int round = 0; round < 3; round++) {
        str word = str_printf(arena, "%d/%d", *(int *)number, round);
        err *e = cache_call(cache, arena, &reply, S("ECHO"), word);
        CHECK(!e && str_eq(reply_str(reply), word));
    }
    finished++;
}

TEST(each_of_many_tasks_gets_its_own_reply, CACHE_TIMEOUT_MS)
{
    static int numbers[MANY];
    finished = 0;
    wait_until_up(cache);
    size_t reads_before = relay.reads_from_client;
    for (int i = 0; i < MANY; i++) {
        numbers[i] = i;
        task_start(echo_own_number, &numbers[i], 0);
    }
    for (int i = 0; i < 1000 && finished < MANY; i++)
        task_sleep_ms(5);
    CHECK(finished == MANY);
    /* Pipelined: far fewer writes than commands. */
    CHECK(relay.reads_from_client - reads_before < MANY / 4);
}

TEST(a_script_is_loaded_when_the_server_has_lost_it, CACHE_TIMEOUT_MS)
{
    static struct script script = {.name = "sum",
                                   .text = "return {KEYS[1], ARGV[1] + ARGV[2], 'x'}"};
    const str keys[] = {key("k")}, arguments[] = {S("40"), S("2")};
    redisReply *reply;
    for (int round = 0; round < 3; round++) {
        if (round != 1)
            CHECK_OK(cache_call(cache, arena, NULL, S("SCRIPT"), S("FLUSH")));
        CHECK_OK(cache_eval(cache, arena, &reply, &script, keys, 1, arguments, 2));
        CHECK(reply_count(reply) == 3 && reply_i64(reply_item(reply, 1)) == 42);
        CHECK(str_eq(reply_str(reply_item(reply, 0)), keys[0]));
    }
    CHECK_OK(cache_call(cache, arena, &reply, S("SCRIPT"), S("EXISTS"), str_from(script.sha)));
    CHECK(reply_i64(reply_item(reply, 0)) == 1);

    static struct script bad = {.name = "bad", .text = "return redis.error_reply('NO way')"};
    err *e = cache_eval(cache, arena, NULL, &bad, NULL, 0, NULL, 0);
    CHECK(e && e->kind == ERR_UPSTREAM && str_eq(e->detail, S("NO way")));
}

TEST(a_refusal_keeps_the_servers_words, CACHE_TIMEOUT_MS)
{
    err *e = cache_call(cache, arena, NULL, S("INCR"));
    CHECK(e && e->kind == ERR_UPSTREAM && str_starts(e->detail, S("ERR wrong number")));
    static struct script loading = {.name = "l", .text = "return redis.error_reply('LOADING it')"};
    CHECK_KIND(cache_eval(cache, arena, NULL, &loading, NULL, 0, NULL, 0), ERR_BUSY);
    CHECK_OK(cache_call(cache, arena, NULL, S("PING")));
}

static err *outcome;

static void ping(void *unused)
{
    (void)unused;
    outcome = cache_call(cache, arena, NULL, S("PING"));
    finished++;
}

static void await_finished(int wanted)
{
    for (int i = 0; i < 1000 && finished < wanted; i++)
        task_sleep_ms(5);
    CHECK(finished == wanted);
}

TEST(a_command_under_way_has_an_unknown_outcome, CACHE_TIMEOUT_MS)
{
    wait_until_up(cache);
    finished = 0;
    relay_hold(&relay, false, true);
    task_start(ping, NULL, 0);
    task_sleep_ms(50);
    relay_cut(&relay);
    await_finished(1);
    CHECK(outcome && outcome->kind == ERR_UNKNOWN);
    relay_hold(&relay, false, false);
    CHECK_OK(cache_call(cache, arena, NULL, S("PING")));
}

TEST(a_server_that_is_away_fails_at_once_and_is_found_again, CACHE_TIMEOUT_MS)
{
    wait_until_up(cache);
    relay_refuse(&relay);
    relay_cut(&relay);
    task_sleep_ms(50);
    int64_t before_ms = clock_steady_ms();
    for (int i = 0; i < 100; i++)
        CHECK_KIND(cache_call(cache, arena, NULL, S("PING")), ERR_UNREACHABLE);
    CHECK(clock_steady_ms() - before_ms < 500);
    CHECK(!cache_is_up(cache));
    relay_listen(&relay);
    wait_until_up(cache);
    CHECK_OK(cache_call(cache, arena, NULL, S("PING")));
}

TEST(a_silent_server_counts_as_lost, SHORT_MS)
{
    wait_until_up(cache);
    relay_hold(&relay, true, true);
    int64_t before_ms = clock_steady_ms();
    CHECK_KIND(cache_call(cache, arena, NULL, S("PING")), ERR_UNKNOWN);
    int64_t took_ms = clock_steady_ms() - before_ms;
    CHECK(took_ms >= SHORT_MS);
    /* It still accepts, but does not answer the greeting. */
    CHECK_KIND(cache_call(cache, arena, NULL, S("PING")), ERR_UNREACHABLE);
    CHECK(!cache_is_up(cache));
    relay_hold(&relay, false, false);
    wait_until_up(cache);
    CHECK_OK(cache_call(cache, arena, NULL, S("PING")));
}

TEST(a_blocking_read_may_take_longer_when_told, SHORT_MS)
{
    cache_set_timeout(cache, 2000);
    redisReply *reply;
    CHECK_OK(cache_call(cache, arena, &reply, S("BLPOP"), key("empty"), S("0.6")));
    CHECK(reply && reply->type == REDIS_REPLY_NIL);
}

static void count_connect(struct cache *c, void *owner)
{
    redisReply *reply;
    err *e = cache_call(c, arena, &reply, S("INCR"), key("hook"));
    task_sleep_ms(50);
    if (!e)
        e = cache_call(c, arena, &reply, S("INCR"), key("hook"));
    if (!e)
        *(int64_t *)owner = reply_i64(reply);
}

TEST(hooks_run_before_those_who_wait, CACHE_TIMEOUT_MS)
{
    static int64_t seen;
    redisReply *reply;
    cache_on_connect(cache, count_connect, &seen);
    CHECK_OK(cache_call(cache, arena, &reply, S("INCR"), key("hook")));
    CHECK(seen == 2 && reply_i64(reply) == 3);
    relay_cut(&relay);
    task_sleep_ms(10);
    CHECK_OK(cache_call(cache, arena, &reply, S("INCR"), key("hook")));
    CHECK(seen == 5 && reply_i64(reply) == 6);
    /* Lost while the hook is at work: the next connection runs it from its start. */
    relay_cut(&relay);
    task_sleep_ms(30);
    relay_cut(&relay);
    task_sleep_ms(10);
    seen = 0;
    CHECK_OK(cache_call(cache, arena, NULL, S("DEL"), key("hook")));
    CHECK(seen > 6);
    task_sleep_ms(100);
}

TEST(many_losses_leave_no_task_behind, SHORT_MS)
{
    wait_until_up(cache);
    finished = 0;
    for (int i = 0; i < MANY; i++) {
        task_start(ping, NULL, 0);
        if (i % 50 == 49) {
            task_yield();
            relay_cut(&relay);
            task_sleep_ms(i % 100 == 99 ? 5 : 0);
        }
    }
    await_finished(MANY);
    wait_until_up(cache);
    CHECK_OK(cache_call(cache, arena, NULL, S("PING")));
}

TEST(name_password_and_database_come_from_the_address, CACHE_TIMEOUT_MS)
{
    str user = str_printf(arena, "cache_test_%d", (int)getpid());
    CHECK_OK(cache_call(cache, arena, NULL, S("ACL"), S("SETUSER"), user, S("on"), S(">p:/@ss"),
                        S("~*"), S("+@all")));
    int port = ntohs(((struct sockaddr_in *)&relay.own)->sin_port);
    redisReply *reply;
    struct cache *named = cache_new(str_printf(arena,
                                               "redis://" STR_FMT ":p%%3A%%2F%%40ss@127.0.0.1:%d/5",
                                               STR_ARG(user), port),
                                    CACHE_TIMEOUT_MS);
    CHECK_OK(cache_call(named, arena, &reply, S("ACL"), S("WHOAMI")));
    CHECK(str_eq(reply_str(reply), user));
    CHECK_OK(cache_call(named, arena, &reply, S("CLIENT"), S("INFO")));
    size_t at;
    CHECK(str_find(reply_str(reply), S(" db=5 "), &at));
    cache_close(named);

    struct cache *wrong = cache_new(
        str_printf(arena, "redis://" STR_FMT ":guess@127.0.0.1:%d", STR_ARG(user), port),
        CACHE_TIMEOUT_MS);
    CHECK_KIND(cache_call(wrong, arena, NULL, S("PING")), ERR_UNREACHABLE);
    cache_close(wrong);
    CHECK_OK(cache_call(cache, arena, NULL, S("ACL"), S("DELUSER"), user));
}

TEST(the_address_that_was_given_works, CACHE_TIMEOUT_MS)
{
    struct cache *direct = cache_new(server_url, CACHE_TIMEOUT_MS);
    CHECK_OK(cache_call(direct, arena, NULL, S("PING")));
    cache_close(direct);
}

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    static const str rows[] = {
        S(""),
        S("redis"),
        S("http://127.0.0.1"),
        S("rediss://127.0.0.1:6379"),
        S("redis://"),
        S("redis://:6379"),
        S("redis://127.0.0.1:0"),
        S("redis://127.0.0.1:65536"),
        S("redis://127.0.0.1:6379x"),
        S("redis://127.0.0.1/x"),
        S("redis://127.0.0.1/-1"),
        S("redis://secret@127.0.0.1"),
        S("redis://user:@127.0.0.1"),
        S("redis://:%zz@127.0.0.1"),
        S("redis://[::1"),
        S("redis://[::1]6379"),
        S("unix://"),
        S("unix:///r.sock?db="),
        S("unix:///r.sock?db=x"),
        S("unix:///r.sock?base=1"),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cache *c = cache_new(rows[i], CACHE_TIMEOUT_MS);
        if (c)
            print_error("accepted " STR_FMT "\n", STR_ARG(rows[i]));
        assert_null(c);
    }
    static const str good[] = {S("redis://127.0.0.1"), S("redis://[::1]:7000/2"),
                               S("redis://:p@h/"), S("unix:///r.sock"), S("unix:///r.sock?db=7")};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct cache *c = cache_new(good[i], CACHE_TIMEOUT_MS);
        assert_non_null(c);
        cache_close(c);
    }
}

int main(void)
{
    loop_init();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!getenv("TEST_REDIS_URL")) {
        printf("Bail out! TEST_REDIS_URL is not set: unix:///path or redis://host:port\n");
        return 1;
    }
    server_url = str_from(getenv("TEST_REDIS_URL"));
    relay_to_redis(&relay, server_url);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_unchanged),
        cmocka_unit_test(arrays_hold_what_they_held),
        cmocka_unit_test(each_of_many_tasks_gets_its_own_reply),
        cmocka_unit_test(a_script_is_loaded_when_the_server_has_lost_it),
        cmocka_unit_test(a_refusal_keeps_the_servers_words),
        cmocka_unit_test(a_command_under_way_has_an_unknown_outcome),
        cmocka_unit_test(a_server_that_is_away_fails_at_once_and_is_found_again),
        cmocka_unit_test(a_silent_server_counts_as_lost),
        cmocka_unit_test(a_blocking_read_may_take_longer_when_told),
        cmocka_unit_test(hooks_run_before_those_who_wait),
        cmocka_unit_test(many_losses_leave_no_task_behind),
        cmocka_unit_test(name_password_and_database_come_from_the_address),
        cmocka_unit_test(the_address_that_was_given_works),
        cmocka_unit_test(bad_addresses_are_refused),
    };
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
