/* The lane send as a whole: entries of Redis become calls of a Telegram that answers when it is
 * told to. Needs TEST_REDIS_URL and TEST_DATABASE_URL. */
#include "lanes/send_inside.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

#include "core/clock.h"
#include "core/http.h"
#include "core/loop.h"
#include "handlers/outbox.h"
#include "tests/unit/expect.h"
#include "tests/unit/relay.h"

enum { CHAT = 4242, PATIENCE_MS = 3500, LOOK_MS = 10, MESSAGES_PER_SECOND = 40 };

static struct arena *arena;
static struct conf conf;
static struct bot bot;
static struct worker worker;
static struct relay redis;

/* -- Telegram -- */

enum { CALLS_NOTED = 64 };

static struct {
    struct watch listener;
    bool is_holding; /* answers wait */
    bool is_broken;  /* answers are 502 */
    str calls[CALLS_NOTED];
    int count, under_way;
} far_side;

static bool is_whole(str request)
{
    size_t end, at;
    if (!str_find(request, S("\r\n\r\n"), &end))
        return false;
    if (!str_find(request, S("Content-Length: "), &at))
        return true;
    str digits, rest;
    int64_t length = 0;
    str_cut(str_sub(request, at + 16, request.len), '\r', &digits, &rest);
    return str_to_i64(digits, &length) && request.len >= end + 4 + (size_t)length;
}

static bool read_request(int fd, str *out)
{
    struct buf raw = buf_new(arena);
    char chunk[4096];
    while (!is_whole(buf_str(&raw))) {
        task_wait_fd(fd, EPOLLIN, 0);
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got <= 0)
            return false;
        buf_add(&raw, (str){chunk, (size_t)got});
    }
    *out = buf_str(&raw);
    return true;
}

static void serve_connection(void *argument)
{
    int fd = (int)(intptr_t)argument;
    str request;
    while (read_request(fd, &request)) {
        if (far_side.count < CALLS_NOTED)
            far_side.calls[far_side.count++] = request;
        far_side.under_way++;
        while (far_side.is_holding)
            task_sleep_ms(LOOK_MS);
        far_side.under_way--;
        if (far_side.is_broken) {
            static const char broken[] = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
            if (send(fd, broken, sizeof broken - 1, MSG_NOSIGNAL) < 0)
                break;
            continue;
        }
        str body = str_printf(arena, "{\"ok\":true,\"result\":{\"message_id\":%d}}",
                              far_side.count);
        str answer = str_printf(arena, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n" STR_FMT,
                                body.len, STR_ARG(body));
        if (send(fd, answer.ptr, answer.len, MSG_NOSIGNAL) < 0)
            break;
    }
    close(fd);
}

static void on_connection(struct watch *w, uint32_t events)
{
    (void)events;
    int fd = accept(w->fd, NULL, NULL);
    if (fd >= 0)
        task_start(serve_connection, (void *)(intptr_t)fd, 0);
}

static void open_far_side(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof address), errno);
    assert_return_code(listen(fd, CALLS_NOTED), errno);
    assert_return_code(getsockname(fd, (struct sockaddr *)&address, &len), errno);
    far_side.listener = (struct watch){.fd = fd, .ready = on_connection};
    loop_watch(&far_side.listener, EPOLLIN);
    bot.telegram = (struct telegram){
        .api_url = str_printf(arena, "http://127.0.0.1:%d", ntohs(address.sin_port)),
        .token = S("42:test"),
    };
}

/* How often it was asked to say these words. */
static int said(const char *words)
{
    int times = 0;
    size_t at;
    for (int i = 0; i < far_side.count; i++)
        times += str_find(far_side.calls[i], str_from(words), &at);
    return times;
}

/* -- Redis, as others see it -- */

static redisReply *run(const str *words, size_t count)
{
    redisReply *reply = NULL;
    EXPECT(is_well(cache_run(bot.cache, arena, &reply, words, count)));
    return reply;
}
#define REDIS(...) run((const str[]){__VA_ARGS__}, sizeof((const str[]){__VA_ARGS__}) / sizeof(str))

static str stream(void)
{
    return outbox_key(arena, session_bucket(CHAT));
}

static str message(int64_t chat_id, const char *words)
{
    return str_printf(arena, "{\"method\":\"sendMessage\",\"chat_id\":%" PRId64 ",\"text\":\"%s\"}",
                      chat_id, words);
}

static void queue_words(int64_t chat_id, const char *words)
{
    EXPECT(is_well(
        outbox_add(bot.cache, arena, chat_id, S(""),
                   &(struct outgoing){.way = CALL_QUEUED, .call = message(chat_id, words)})));
}

/* An entry that a holder took who will do nothing about it. A script, because a reader that waits
 * would be faster. */
static str strand_words(int64_t chat_id, const char *words)
{
    static const char script[] =
        "local id = redis.call('XADD', KEYS[1], '*', 'call', ARGV[1], 'chat', ARGV[2]) "
        "redis.call('XREADGROUP', 'GROUP', 'send', 'holder', 'STREAMS', KEYS[1], '>') return id";
    return reply_str(REDIS(S("EVAL"), str_from(script), S("1"), stream(), message(chat_id, words),
                           send_digits(arena, chat_id)));
}

static bool is_all_acknowledged(void)
{
    return reply_i64(REDIS(S("XLEN"), stream())) == 0;
}

/* -- the lane -- */

static struct bucket *bucket(void)
{
    return &send_lane.buckets[session_bucket(CHAT)];
}

#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        int64_t deadline_ms = clock_steady_ms() + PATIENCE_MS;                                     \
        while (!(condition) && clock_steady_ms() < deadline_ms)                                    \
            task_sleep_ms(LOOK_MS);                                                                \
        EXPECT(condition);                                                                         \
    } while (0)

/* The reader waits for what is new, and no look of its own is planned. */
static void await_reader(void)
{
    AWAIT(bucket()->is_ours && bucket()->has_groups && bucket()->streams[CALLS].is_caught_up &&
          bucket()->streams[ANSWERS].is_caught_up);
    bucket()->look_again_at_ms = INT64_MAX;
    queue_words(CHAT, "are you there?");
    AWAIT(said("are you there?") == 1 && is_all_acknowledged());
}

static void stop_lane(void)
{
    worker_drain(&worker);
    while (worker.task_count > 0)
        task_sleep_ms(LOOK_MS);
    cache_close(send_lane.reader);
    queue_tidy(&send_lane.queue, INT64_MAX); /* no line's pace matters any more */
}

static void run_steps(void *steps)
{
    REDIS(S("DEL"), stream(), answers_key(arena, session_bucket(CHAT)), S("workers"),
          S("send:pause"));
    for (int i = 0; i < SESSION_BUCKETS; i++)
        REDIS(S("DEL"), str_printf(arena, "lease:{b%02d}", i));
    lane_send_start(&worker);
    await_reader();
    ((void (*)(void))steps)();
    far_side.is_holding = far_side.is_broken = false;
    stop_lane();
    REDIS(S("DEL"), stream());
    loop_stop();
}

static void in_loop(void (*steps)(void))
{
    far_side.count = 0;
    is_failed = false;
    arena = arena_new(64 << 20);
    relay_listen(&redis);
    struct sockaddr_in *near = (struct sockaddr_in *)&redis.own;
    conf = (struct conf){
        .redis_url = str_printf(arena, "redis://127.0.0.1:%d/1", ntohs(near->sin_port)),
        .send_messages_per_second = MESSAGES_PER_SECOND,
        .send_chat_messages_per_second = 100,
    };
    bot = (struct bot){
        .conf = &conf,
        .cache = cache_new(conf.redis_url, CACHE_TIMEOUT_MS),
        .pool = db_pool_new(str_from(getenv("TEST_DATABASE_URL")), 2),
    };
    worker = (struct worker){.bot = &bot, .name = S("send_lane_test"), .alive = 1};
    send_lane = (struct send_lane){.w = &worker};
    open_far_side();
    task_start(run_steps, (void *)steps, 256);
    loop_run();
    loop_watch(&far_side.listener, 0);
    close(far_side.listener.fd);
    cache_close(bot.cache);
    relay_end(&redis);
    db_pool_free(bot.pool);
    arena_free(arena);
    assert_false(is_failed);
}

#define TEST(name)                                                                                 \
    static void name##_in_loop(void);                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        in_loop(name##_in_loop);                                                                   \
    }                                                                                              \
    static void name##_in_loop(void)

/* The look is asked for while the reader waits: what ends its wait is new, and older than that is
 * what the look is for. */
TEST(a_look_finds_what_is_older_than_what_arrives_meanwhile)
{
    strand_words(CHAT, "stranded");
    streams_read_again(bucket());
    queue_words(CHAT, "newer");
    AWAIT(said("stranded") == 1 && said("newer") == 1 && is_all_acknowledged());
}

/* Whoever holds the bucket by then made it and said so, after we had read that it is pending. */
TEST(what_another_has_acknowledged_meanwhile_is_not_made)
{
    far_side.is_holding = true;
    queue_words(CHAT, "slow");
    AWAIT(far_side.under_way == 1);
    str id = strand_words(CHAT, "made by another");
    strand_words(CHAT, "left by another");
    streams_read_again(bucket());
    AWAIT(send_lane.queue.entry_count == 3);
    struct entry made = {.id = id, .bucket = session_bucket(CHAT), .chat_id = CHAT};
    EXPECT(is_well(send_acknowledge(CHAT, &made, arena)));
    far_side.is_holding = false;
    AWAIT(said("left by another") == 1 && is_all_acknowledged());
    EXPECT(said("slow") == 1);
    EXPECT(said("made by another") == 0);
}

static bool is_found(const char *words)
{
    for (int64_t until_ms = clock_steady_ms() + 500; clock_steady_ms() < until_ms;)
        if (said(words))
            return true;
        else
            task_sleep_ms(LOOK_MS);
    return false;
}

static void look_now(void)
{
    bucket()->look_again_at_ms = clock_steady_ms();
    buckets_keep(arena);
}

/* The one before may have read on without its lease: it is looked for what it took then. */
TEST(a_holder_looks_again_and_again_for_what_was_left)
{
    bucket()->look_again_at_ms = clock_steady_ms() + 60 * 1000;
    strand_words(CHAT, "first");
    buckets_keep(arena);
    EXPECT(!is_found("first"));
    look_now();
    AWAIT(said("first") == 1);
    EXPECT(bucket()->look_again_at_ms > clock_steady_ms());
    strand_words(CHAT, "second");
    look_now();
    AWAIT(said("second") == 1);
    strand_words(CHAT, "third");
    look_now();
    AWAIT(said("third") == 1);
}

/* Redis goes away under a call and comes back when the lease has run out. */
TEST(what_was_made_is_acknowledged_whenever_redis_is_back)
{
    far_side.is_holding = true;
    queue_words(CHAT, "once");
    AWAIT(far_side.under_way == 1);
    relay_refuse(&redis);
    relay_cut(&redis);
    far_side.is_holding = false;
    AWAIT(far_side.under_way == 0);
    bucket()->lease.until_ms = 0;
    AWAIT(!bucket()->is_ours);
    relay_listen(&redis);
    AWAIT(cache_is_up(bot.cache));
    AWAIT(is_all_acknowledged());
    REDIS(S("DEL"), bucket()->lease.key);
    AWAIT(bucket()->is_ours && bucket()->streams[CALLS].is_caught_up);
    EXPECT(said("once") == 1);
}

/* A worker that is killed now leaves so many messages behind of which nobody knows whether they were
 * sent. What may be sent twice goes on. */
TEST(few_new_messages_are_under_way_at_once)
{
    enum { MOST = 6, CHATS = 15 }; /* in 150 ms go 6 of 40 a second */
    far_side.is_holding = true;
    for (int i = 1; i <= CHATS; i++)
        queue_words(CHAT + i * SESSION_BUCKETS, "hello");
    AWAIT(far_side.under_way == MOST);
    EXPECT(is_well(outbox_add(bot.cache, arena, CHAT, S(""),
                              &(struct outgoing){
                                  .way = CALL_QUEUED,
                                  .call = S("{\"method\":\"deleteMessage\",\"chat_id\":4242,"
                                            "\"message_id\":1}"),
                              })));
    AWAIT(said("deleteMessage") == 1);
    EXPECT(said("hello") == MOST);
    far_side.is_holding = false;
    AWAIT(said("hello") == CHATS && is_all_acknowledged());
}

/* What Telegram takes without an answer may come through later, and with it each further try. */
TEST(a_silent_telegram_is_not_tried_with_messages)
{
    far_side.is_broken = true;
    queue_words(CHAT, "patience");
    AWAIT(said("getMe") >= 2);
    EXPECT(said("patience") == 1);
    far_side.is_broken = false;
    AWAIT(is_all_acknowledged());
    EXPECT(said("patience") == 2);
}

/* The job's own note of it was lost. */
TEST(a_call_of_a_job_is_made_once)
{
    const struct outbox_call call = {
        .chat_id = CHAT,
        .call = message(CHAT, "your picture"),
        .job_id = clock_ms(),
    };
    struct json_object *first, *second;
    int64_t first_id = 0, second_id = 0;
    struct db *db = db_new(bot.pool, arena);
    EXPECT(is_well(outbox_make(&bot, db, arena, &call, &first)));
    EXPECT(is_well(outbox_make(&bot, db, arena, &call, &second)));
    EXPECT(said("your picture") == 1);
    EXPECT(json_i64(first, "message_id", &first_id) && json_i64(second, "message_id", &second_id));
    EXPECT(first_id == second_id);
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
    relay_to_redis(&redis, str_from(getenv("TEST_REDIS_URL")));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_finds_what_is_older_than_what_arrives_meanwhile),
        cmocka_unit_test(what_another_has_acknowledged_meanwhile_is_not_made),
        cmocka_unit_test(a_holder_looks_again_and_again_for_what_was_left),
        cmocka_unit_test(what_was_made_is_acknowledged_whenever_redis_is_back),
        cmocka_unit_test(few_new_messages_are_under_way_at_once),
        cmocka_unit_test(a_silent_telegram_is_not_tried_with_messages),
        cmocka_unit_test(a_call_of_a_job_is_made_once),
    };
    return cmocka_run_group_tests_name("send_lane", tests, NULL, NULL);
}
