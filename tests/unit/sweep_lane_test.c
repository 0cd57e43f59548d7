/* The lane sweep beside outside parties that take a connection and say nothing. Needs TEST_REDIS_URL
 * and TEST_DATABASE_URL. */
#include "lanes/lanes.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail

#include "core/clock.h"
#include "core/http.h"
#include "core/loop.h"
#include "tests/unit/expect.h"

enum { PATIENCE_MS = 3500, LOOK_MS = 20, QUEUE = 16 };

static const struct query summaries_made = {
    "summaries_made",
    "select count(*) as summaries from summaries where name in ('users', 'ledger', 'ledger_check')",
    false};
static const struct query summaries_gone = {"summaries_gone", "delete from summaries", true};
static const struct query webhook_told = {
    "webhook_told", "insert into summaries (name, value) values ('webhook', '{\"url\":\"x\"}')",
    true};
static const struct query webhook_read = {
    "webhook_read", "select count(*) as summaries from summaries where name = 'webhook'", false};

static struct arena *arena;
static struct conf conf;
static struct bot bot;
static struct worker worker;
static int silent_fd;

/* The kernel takes connections for it; nobody ever answers there. */
static str silent_url(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    silent_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_return_code(bind(silent_fd, (struct sockaddr *)&address, sizeof address), errno);
    assert_return_code(listen(silent_fd, QUEUE), errno);
    assert_return_code(getsockname(silent_fd, (struct sockaddr *)&address, &len), errno);
    return str_printf(arena, "http://127.0.0.1:%d", ntohs(address.sin_port));
}

static int64_t count_by(const struct query *query)
{
    struct rows rows;
    bool is_read = is_well(db_query(db_new(bot.pool, arena), query, &rows));
    return is_read ? rows_i64(&rows, 0, "summaries") : -1;
}

/* The lane runs until so many summaries are there, or patience is over. */
static void run_until(const struct query *query, int64_t wanted)
{
    EXPECT(is_well(cache_call(bot.cache, arena, NULL, S("DEL"), S("lease:sweep"), S("commands"))));
    lane_sweep_start(&worker);
    int64_t deadline_ms = clock_steady_ms() + PATIENCE_MS;
    while (count_by(query) != wanted && clock_steady_ms() < deadline_ms)
        task_sleep_ms(LOOK_MS);
    EXPECT(count_by(query) == wanted);
    if (silent_fd >= 0)
        close(silent_fd); /* ends the calls that wait */
    worker_drain(&worker);
    while (worker.task_count > 0)
        task_sleep_ms(LOOK_MS);
    loop_stop();
}

static void in_loop(void (*steps)(void *), str public_url)
{
    is_failed = false;
    arena = arena_new(64 << 20);
    str silent = silent_url();
    conf = (struct conf){
        .redis_url = str_from(getenv("TEST_REDIS_URL")),
        .public_url = public_url,
        .fal_jwks_url = silent,
    };
    bot = (struct bot){
        .conf = &conf,
        .id = 42,
        .cache = cache_new(conf.redis_url, CACHE_TIMEOUT_MS),
        .pool = db_pool_new(str_from(getenv("TEST_DATABASE_URL")), 2),
        .telegram = {.api_url = silent, .token = S("42:test")},
        .fal = {.jwks_url = silent                },
    };
    worker = (struct worker){.bot = &bot, .name = S("sweep_lane_test"), .alive = 1};
    task_start(steps, NULL, 256);
    loop_run();
    cache_close(bot.cache);
    db_pool_free(bot.pool);
    arena_free(arena);
    assert_false(is_failed);
}

static void make_summaries(void *unused)
{
    (void)unused;
    EXPECT(is_well(db_query_commit(db_new(bot.pool, arena), &summaries_gone, NULL)));
    run_until(&summaries_made, 3);
}

static void what_asks_nobody_waits_for_nobody(void **state)
{
    (void)state;
    in_loop(make_summaries, S("https://aisha.test"));
}

static void drop_webhook(void *unused)
{
    (void)unused;
    close(silent_fd); /* nobody is waited for */
    silent_fd = -1;
    EXPECT(is_well(db_query_commit(db_new(bot.pool, arena), &webhook_told, NULL)));
    run_until(&webhook_read, 0);
}

/* The duties go on in their rhythm: the webhook's turn had not come when the test before ended. */
static void nothing_is_told_of_a_webhook_that_is_none(void **state)
{
    (void)state;
    in_loop(drop_webhook, S(""));
}

int main(void)
{
    loop_init();
    http_init((str){0}, 0);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!getenv("TEST_REDIS_URL") || !getenv("TEST_DATABASE_URL")) {
        printf("Bail out! TEST_REDIS_URL or TEST_DATABASE_URL is not set\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_asks_nobody_waits_for_nobody),
        cmocka_unit_test(nothing_is_told_of_a_webhook_that_is_none),
    };
    return cmocka_run_group_tests_name("sweep_lane", tests, NULL, NULL);
}
