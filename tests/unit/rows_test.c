/*
 * People, coins and jobs through their modules, on a real database built from
 * the migrations. Needs TEST_DATABASE_URL, a libpq connection string. Each test
 * is one transaction that is rolled back.
 */
#include "db/job.h"
#include "db/ledger.h"
#include "db/user.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

#include "core/loop.h"

static const int64_t TELEGRAM_ID = 9007199254740993; /* beyond what a double holds */

static struct arena *arena;
static struct db *db;
static struct db_pool *pool;
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

static void main_task(void *run)
{
    ((void (*)(void))run)();
    loop_stop();
}

static void in_transaction(void (*run)(void))
{
    arena = arena_new(8 << 20);
    failed = 0;
    db = db_new(pool, arena);
    task_start(main_task, (void *)run, 512);
    loop_run();
    arena_free(arena);
    assert_int_equal(failed, 0);
}

static struct user touch(str first_name, int64_t welcome_coins)
{
    struct sender sender = {.telegram_id = TELEGRAM_ID,
                            .first_name = first_name,
                            .username = S("asya"),
                            .language_code = S("en-GB")};
    struct user user = {0};
    CHECK_OK(user_touch(db, arena, &sender, welcome_coins, &user));
    return user;
}

static void meet_a_person(void)
{
    struct user user = touch(S("Asya"), 500);
    CHECK(user.id > 0 && user.telegram_id == TELEGRAM_ID);
    CHECK(str_eq(user.first_name, S("Asya")) && str_eq(user.username, S("asya")));
    CHECK(str_empty(user.last_name) && str_eq(user.language, S("en")));
    CHECK(user.balance == 500 && user.held == 0);
    CHECK(user.utc_offset_minutes == 300 && user.settings.default_image_count == 1);

    struct user again = touch(S("Anastasia"), 500);
    CHECK(again.id == user.id && str_eq(again.first_name, S("Anastasia")));
    CHECK(again.balance == 500);

    CHECK_OK(user_set_language(db, user.id, S("ru")));
    CHECK_OK(user_mark_unreachable(db, TELEGRAM_ID));
    CHECK_OK(user_find_by_telegram(db, arena, TELEGRAM_ID, &again));
    CHECK(again.is_unreachable && str_eq(again.language, S("ru")));

    again = touch(S("Anastasia"), 500);
    CHECK(!again.is_unreachable && str_eq(again.language, S("ru")));

    err *e = user_find_by_telegram(db, arena, TELEGRAM_ID + 1, &again);
    CHECK(e && e->kind == ERR_NOT_FOUND);
}

static void move_coins(void)
{
    struct user user = touch(S("Asya"), 100);
    str subject = S("00000000-0000-0000-0000-000000000001");
    bool posted = false, settled = false;
    CHECK_OK(ledger_hold(db, user.id, S("rows_test:1"), 30, subject, S("image"), &posted));
    CHECK(posted);
    CHECK_OK(ledger_hold(db, user.id, S("rows_test:1"), 30, subject, S("image"), &posted));
    CHECK(!posted);
    CHECK_OK(ledger_capture(db, S("rows_test:1"), 10, &settled));
    CHECK(settled);
    CHECK_OK(ledger_release(db, S("rows_test:1"), S("timeout"), &settled));
    CHECK(!settled);
    CHECK_OK(ledger_hold(db, user.id, S("rows_test:2"), 90, (str){0}, S("avatar"), NULL));
    CHECK_OK(ledger_capture(db, S("rows_test:2"), LEDGER_ALL, NULL));
    CHECK_OK(
        ledger_credit(db, user.id, S("rows_test:3"), 7, LEDGER_STARS, S("stars"), (str){0}, NULL));

    int64_t balance = -1, held = -1;
    CHECK_OK(ledger_balance(db, user.id, &balance, &held));
    CHECK(balance == 7 && held == 0);

    struct ledger_line *lines;
    size_t count = 0;
    CHECK_OK(ledger_statement(db, arena, user.id, 2, 0, &lines, &count));
    CHECK(count == 2 && lines[0].coins == 7 && lines[0].balance_after == 7);
    CHECK(str_eq(lines[1].kind, S("hold")) && str_eq(lines[1].settled, S("capture")));
    CHECK_OK(ledger_statement(db, arena, user.id, 10, lines[1].id, &lines, &count));
    CHECK(count == 3 && str_eq(lines[2].reason, S("welcome")) && lines[2].balance_after == 100);
    CHECK(str_eq(lines[1].subject, subject) && lines[0].coins == 20);

    struct ledger_problem *problems;
    CHECK_OK(ledger_check(db, arena, &problems, &count));
    CHECK(count == 0);
    CHECK_OK(ledger_check_on(db, arena, &problems, &count));
    CHECK(count == 0);
    CHECK_OK(ledger_check_all(db, arena, &problems, &count));
    CHECK(count == 0);

    err *e = ledger_hold(db, user.id, S("rows_test:5"), 8, (str){0}, S("image"), NULL);
    CHECK(e && e->kind == ERR_REFUSED && ledger_lacks_coins(e));
}

static void miss_a_hold(void)
{
    err *e = ledger_capture(db, S("rows_test:unheard of"), LEDGER_ALL, NULL);
    CHECK(e && !ledger_lacks_coins(e));
}

static struct job take_one(void)
{
    struct job *jobs;
    size_t count = 0;
    CHECK_OK(job_take(db, arena, S("speech"), S("rows_test"), 1, &jobs, &count));
    CHECK(count == 1);
    return count == 1 ? jobs[0] : (struct job){0};
}

static void work_a_job(void)
{
    struct user user = touch(S("Asya"), 0);
    struct new_job step = {.lane = S("speech"),
                           .kind = S("transcribe"),
                           .key = S("rows_test:step"),
                           .user_id = user.id,
                           .payload = S("{\"part\": 3}"),
                           .subject = S("00000000-0000-0000-0000-000000000002")};
    bool added = false;
    CHECK_OK(job_add(db, &step, &added));
    CHECK(added);
    CHECK_OK(job_add(db, &step, &added));
    CHECK(!added);

    struct job job = take_one();
    CHECK(str_eq(job.key, step.key) && job.user_id == user.id && job.attempt == 1);
    CHECK(str_eq(job.payload, step.payload) && str_eq(job.subject, step.subject));
    bool kept = false;
    CHECK_OK(job_keep(db, &job, &kept));
    CHECK(kept);
    CHECK_OK(job_wait(db, &job, 0, S("busy")));
    CHECK_OK(job_keep(db, &job, &kept));
    CHECK(!kept);

    int64_t wait_ms = 0;
    CHECK_OK(job_next_due(db, S("speech"), &wait_ms));
    CHECK(wait_ms == 0);

    job = take_one();
    CHECK(job.attempt == 2 && job.failures == 0 && str_eq(job.last_error, S("busy")));
    int failures = 0;
    CHECK_OK(job_fail(db, &job, 0, S("refused"), &failures));
    CHECK(failures == 1);
    job = take_one();
    CHECK_OK(job_die(db, &job, S("too often")));

    struct job_lane *lanes;
    size_t count = 0;
    CHECK_OK(job_lanes(db, arena, &lanes, &count));
    CHECK(count == 5 && str_eq(lanes[3].lane, S("speech")) && lanes[3].dead >= 1);

    step.key = S("rows_test:other step");
    CHECK_OK(job_add(db, &step, &added));
    int cancelled = 0;
    CHECK_OK(job_cancel_by_subject(db, user.id, step.subject, &cancelled));
    CHECK(cancelled == 1);
    err *e = job_finish(db, &job);
    CHECK(e && job_is_lost(e));
}

static void run_and_roll_back(void (*run)(void))
{
    CHECK_OK(db_begin(db));
    run();
    db_rollback(db);
}

static void meet_a_person_task(void)
{
    run_and_roll_back(meet_a_person);
}
static void move_coins_task(void)
{
    run_and_roll_back(move_coins);
}
static void miss_a_hold_task(void)
{
    run_and_roll_back(miss_a_hold);
}
static void work_a_job_task(void)
{
    run_and_roll_back(work_a_job);
}

static void a_person_is_met_once_and_kept_up_to_date(void **state)
{
    (void)state;
    in_transaction(meet_a_person_task);
}

static void coins_move_once_for_a_key(void **state)
{
    (void)state;
    in_transaction(move_coins_task);
}

static void a_hold_that_never_was_is_told_apart(void **state)
{
    (void)state;
    in_transaction(miss_a_hold_task);
}

static void a_job_is_taken_kept_failed_and_lost(void **state)
{
    (void)state;
    in_transaction(work_a_job_task);
}

int main(void)
{
    const char *url = getenv("TEST_DATABASE_URL");
    if (!url) {
        printf("Bail out! TEST_DATABASE_URL is not set: a libpq connection string\n");
        return 1;
    }
    loop_init();
    pool = db_pool_new(str_from(url), 1);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_person_is_met_once_and_kept_up_to_date),
        cmocka_unit_test(coins_move_once_for_a_key),
        cmocka_unit_test(a_hold_that_never_was_is_told_apart),
        cmocka_unit_test(a_job_is_taken_kept_failed_and_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
