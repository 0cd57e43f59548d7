/* What turns of one user leave in Redis when something comes between. Needs TEST_REDIS_URL. */
#include "db/session.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

#include "core/clock.h"
#include "core/loop.h"

enum { CHAT = 4242, STACK_KIB = 256 };

static struct cache *cache;
static struct arena *arena;
static enum ended ended[2];
static str cached_user, kept_place;
static int64_t lives_ms, queued, counted;
static err *met;

static err *begin(int64_t update_id, struct session *session)
{
    struct beginning beginning;
    TRY(session_begin(cache, arena, CHAT, update_id, 0, S(""), &beginning));
    *session = beginning.session;
    return NULL;
}

static err *end_with_user(int64_t update_id, const struct session *session, str user,
                          enum ended *how)
{
    const struct change change = {S("u"), user};
    const struct ending ending = {
        .update_id = update_id,
        .from_state = S("idle"),
        .to_state = S("idle"),
        .changes = &change,
        .change_count = 1,
    };
    str answer;
    return session_commit(cache, arena, session, &ending, how, &answer);
}

/* Coins move while the second turn is under way. */
static err *forget_in_between(void)
{
    struct session session;
    TRY(begin(1, &session));
    TRY(end_with_user(1, &session, S("7 coins"), &ended[0]));
    TRY(begin(2, &session));
    TRY(session_forget_user(cache, arena, CHAT));
    TRY(end_with_user(2, &session, S("7 coins"), &ended[1]));
    TRY(begin(3, &session));
    cached_user = session.cached_user;
    return NULL;
}

/* Nobody is left behind who would stay for ever. */
static err *forget_a_stranger(void)
{
    TRY(session_forget_user(cache, arena, CHAT));
    redisReply *reply;
    TRY(cache_call(cache, arena, &reply, S("PTTL"), session_key(arena, "session", CHAT)));
    lives_ms = reply_i64(reply);
    return NULL;
}

/* What the gallery shows, and where, is a field like any other. */
static err *look_later(void)
{
    struct session session;
    const struct change place = {S("g.at"), S("an image")};
    const struct ending ending = {
        .update_id = 1,
        .from_state = S("idle"),
        .to_state = S("idle"),
        .changes = &place,
        .change_count = 1,
    };
    str answer;
    redisReply *reply;
    TRY(begin(1, &session));
    TRY(session_commit(cache, arena, &session, &ending, &ended[0], &answer));
    TRY(cache_call(cache, arena, NULL, S("PEXPIRE"), session_key(arena, "session", CHAT),
                   S("60000")));
    TRY(begin(2, &session));
    TRY(end_with_user(2, &session, S("7 coins"), &ended[1]));
    TRY(begin(3, &session));
    kept_place = session_field(&session, "g.at");
    TRY(cache_call(cache, arena, &reply, S("PTTL"), session_key(arena, "session", CHAT)));
    lives_ms = reply_i64(reply);
    return NULL;
}

/* Redis is wiped between the two trips of a turn: what is left then does not stay for ever. */
static err *end_after_a_wipe(void)
{
    struct session session;
    redisReply *reply;
    str done = session_key(arena, "done", CHAT);
    TRY(begin(1, &session));
    TRY(cache_call(cache, arena, NULL, S("DEL"), done, session_key(arena, "session", CHAT)));
    TRY(end_with_user(1, &session, S("7 coins"), &ended[0]));
    TRY(cache_call(cache, arena, &reply, S("PTTL"), done));
    lives_ms = reply_i64(reply);
    return NULL;
}

/* The answer to the first try was lost; the second message is another one. */
static err *tell_again(void)
{
    const struct outgoing call = {.way = CALL_QUEUED, .call = S("{\"method\":\"sendMessage\"}")};
    str stream = outbox_key(arena, session_bucket(CHAT));
    redisReply *reply;
    TRY(cache_call(cache, arena, NULL, S("DEL"), stream));
    str first = random_hex(arena, 8), second = random_hex(arena, 8);
    TRY(outbox_add(cache, arena, CHAT, first, &call));
    TRY(outbox_add(cache, arena, CHAT, first, &call));
    TRY(outbox_add(cache, arena, CHAT, second, &call));
    TRY(outbox_add(cache, arena, CHAT, S(""), &call));
    TRY(outbox_add(cache, arena, CHAT, S(""), &call));
    TRY(cache_call(cache, arena, &reply, S("XLEN"), stream));
    queued = reply_i64(reply);
    TRY(cache_call(cache, arena, &reply, S("HGET"), session_key(arena, "session", CHAT), S("q")));
    counted = reply_i64(reply);
    return cache_call(cache, arena, NULL, S("DEL"), stream, session_key(arena, "session", CHAT));
}

static void run_steps(void *steps)
{
    met = cache_call(cache, arena, NULL, S("DEL"), session_key(arena, "session", CHAT),
                     session_key(arena, "done", CHAT));
    if (!met)
        met = ((err * (*)(void)) steps)();
    loop_stop();
}

static void in_loop(err *(*steps)(void))
{
    arena = arena_new(16 << 20);
    cache = cache_new(str_from(getenv("TEST_REDIS_URL")), CACHE_TIMEOUT_MS);
    task_start(run_steps, (void *)steps, STACK_KIB);
    loop_run();
    if (met)
        print_message("# " STR_FMT " " STR_FMT "\n", STR_ARG(met->message), STR_ARG(met->detail));
    assert_null(met);
}

static void leave(void)
{
    cache_close(cache);
    arena_free(arena);
}

static void a_turn_does_not_bring_back_a_user_that_was_forgotten(void **state)
{
    (void)state;
    in_loop(forget_in_between);
    assert_int_equal(ended[0], ENDED_OK);
    assert_int_equal(ended[1], ENDED_AGAIN);
    assert_int_equal(cached_user.len, 0);
    leave();
}

static void who_is_not_there_is_not_made_by_being_forgotten(void **state)
{
    (void)state;
    enum { NO_SUCH_KEY = -2 };
    in_loop(forget_a_stranger);
    assert_int_equal(lives_ms, NO_SUCH_KEY);
    leave();
}

static void a_session_lives_a_week_from_the_last_turn_on(void **state)
{
    (void)state;
    enum { WEEK_MS = 7 * 24 * 3600 * 1000, A_WHILE_MS = 60 * 1000 };
    in_loop(look_later);
    assert_true(str_eq(kept_place, S("an image")));
    assert_in_range(lives_ms, WEEK_MS - A_WHILE_MS, WEEK_MS);
    leave();
}

static void marks_of_a_turn_that_met_a_wipe_go_too(void **state)
{
    (void)state;
    in_loop(end_after_a_wipe);
    assert_int_equal(ended[0], ENDED_OK);
    assert_true(lives_ms > 0);
    leave();
}

static void a_call_that_is_told_again_is_queued_once(void **state)
{
    (void)state;
    in_loop(tell_again);
    assert_int_equal(queued, 4);
    assert_int_equal(counted, 4);
    leave();
}

int main(void)
{
    loop_init();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!getenv("TEST_REDIS_URL")) {
        printf("Bail out! TEST_REDIS_URL is not set: unix:///path or redis://host:port\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_does_not_bring_back_a_user_that_was_forgotten),
        cmocka_unit_test(who_is_not_there_is_not_made_by_being_forgotten),
        cmocka_unit_test(a_session_lives_a_week_from_the_last_turn_on),
        cmocka_unit_test(marks_of_a_turn_that_met_a_wipe_go_too),
        cmocka_unit_test(a_call_that_is_told_again_is_queued_once),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
