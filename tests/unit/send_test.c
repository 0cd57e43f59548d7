/* The calls a worker holds: which edit makes an earlier one needless, pace, lines. */
#include "lanes/send_queue.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena *a;
static struct queue queue;

static void drop_line(struct queue *q, struct line *line, void *unused)
{
    (void)unused;
    line->is_running = false;
    line_clear(q, line);
}

static int set_up(void **state)
{
    (void)state;
    a = arena_new(4 << 20);
    queue_init(&queue);
    return 0;
}

/* Lines are idle and their pace long past: nothing is left to leak. */
static int tear_down(void **state)
{
    (void)state;
    while (queue_next(&queue))
        continue;
    queue_each(&queue, drop_line, NULL);
    assert_int_equal(queue.entry_count, 0);
    queue_tidy(&queue, INT64_C(1) << 50);
    arena_free(a);
    return 0;
}

static struct entry *make(const char *call, const char *slot)
{
    static int made;
    struct entry *entry = entry_new(a, &(struct entry){
                                           .id = str_printf(a, "1750000000000-%d", made++),
                                           .chat_id = 42,
                                           .call = str_from(call),
                                           .slot = str_from(slot),
                                       });
    assert_non_null(entry);
    return entry;
}

#define EDIT(id)                                                                                   \
    "{\"method\":\"editMessageText\",\"chat_id\":42,\"message_id\":" #id ",\"text\":\"x\"}"
#define MARKUP(id) "{\"method\":\"editMessageReplyMarkup\",\"chat_id\":42,\"message_id\":" #id "}"
#define DELETE(id) "{\"method\":\"deleteMessage\",\"chat_id\":42,\"message_id\":" #id "}"
#define SEND       "{\"method\":\"sendMessage\",\"chat_id\":42,\"text\":\"x\"}"

static void only_an_edit_that_nothing_is_left_of_is_skipped(void **state)
{
    (void)state;
    static const struct {
        const char *call, *slot, *next_call, *next_slot;
        bool is_superseded;
    } rows[] = {
        {EDIT(-1),   "g", EDIT(-1),   "g", true }, /* progress, and newer progress */
        {EDIT(-1),   "g", DELETE(-1), "g", true }, /* progress of what is over */
        {EDIT(-1),   "g", EDIT(-1),   "h", false}, /* another message's */
        {EDIT(-1),   "g", SEND,       "g", false},
        {EDIT(-1),   "g", MARKUP(-1), "g", false}, /* the words would be lost */
        {MARKUP(-1), "g", EDIT(-1),   "g", true },
        {MARKUP(-1), "g", MARKUP(-1), "g", true },
        {EDIT(5),    "",  EDIT(5),    "",  true },
        {EDIT(5),    "",  EDIT(6),    "",  false},
        {EDIT(5),    "",  EDIT(5),    "g", true }, /* the later one binds the slot */
        {EDIT(5),    "g", EDIT(5),    "",  false}, /* the slot would never be bound */
        {EDIT(5),    "g", EDIT(-1),   "g", false}, /* nor here */
        {EDIT(5),    "g", EDIT(5),    "g", true },
        {EDIT(-1),   "",  EDIT(-1),   "",  false}, /* about no message at all */
        {SEND,       "g", EDIT(-1),   "g", false}, /* a message that was never sent cannot be edited */
        {DELETE(5),  "",  EDIT(5),    "",  false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct entry *entry = make(rows[i].call, rows[i].slot),
                     *next = make(rows[i].next_call, rows[i].next_slot);
        if (entry_is_superseded(entry, next) != rows[i].is_superseded)
            fail_msg("row %zu", i);
        free(entry);
        free(next);
    }
}

static void the_last_and_the_closing_one_are_never_skipped(void **state)
{
    (void)state;
    struct entry *entry = make(EDIT(-1), "g"), *next = make(EDIT(-1), "g");
    assert_false(entry_is_superseded(entry, NULL));
    entry->closes = true;
    assert_false(entry_is_superseded(entry, next));
    entry->closes = false;
    next->job_id = 7;
    assert_false(entry_is_superseded(entry, next));
    free(entry);
    free(next);
}

static void entries_that_make_no_sense_are_none(void **state)
{
    (void)state;
    assert_null(entry_new(a, &(struct entry){.id = S("1-0"), .call = S("")}));
    assert_null(entry_new(a, &(struct entry){.id = S("1-0"), .call = S("{\"text\":\"x\"}")}));
    assert_null(entry_new(a, &(struct entry){.id = S("1-0"), .call = S("not json")}));
    struct entry *gate = entry_new(a, &(struct entry){.id = S("1-0"), .call = S(""), .job_id = 7});
    assert_non_null(gate);
    assert_true(entry_is_gate(gate));
    free(gate);
}

static void an_entry_keeps_its_own_strings(void **state)
{
    (void)state;
    struct entry *entry = make(EDIT(5), "slot");
    arena_reset(a);
    assert_true(str_eq(entry->slot, S("slot")));
    assert_true(str_eq(entry->method, S("editMessageText")));
    assert_int_equal(entry->message_id, 5);
    assert_int_equal(entry_queued_ms(entry), 1750000000000);
    free(entry);
}

static void pace_lets_a_burst_through_and_then_keeps_time(void **state)
{
    (void)state;
    struct pace pace = {0};
    static const int64_t wanted[] = {1000000, 1000000, 1000000, 1001000, 1002000};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        assert_int_equal(pace_reserve(&pace, 1000000, 1, 3), wanted[i]);
    /* What was reserved ahead stays reserved. */
    assert_int_equal(pace_reserve(&pace, 1001500, 1, 3), 1003000);
    assert_int_equal(pace_reserve(&pace, 1100000, 1, 3), 1100000);
    assert_false(pace_is_fresh(&pace, 1100000));
    assert_true(pace_is_fresh(&pace, 1200000));
}

static void pace_never_goes_faster_than_its_rate(void **state)
{
    (void)state;
    struct pace pace = {0};
    int64_t now = 5000, last = 0;
    for (int i = 0; i < 300; i++)
        last = pace_reserve(&pace, now, 30, 30);
    assert_in_range(last - now, 8950, 9050); /* 30 at once, 270 at 30 a second */
}

static void a_line_keeps_its_order(void **state)
{
    (void)state;
    struct line *line = queue_line(&queue, 42, 42);
    struct entry *first = make(SEND, ""), *second = make(SEND, "");
    line_append(&queue, line, first);
    line_append(&queue, line, second);
    assert_ptr_equal(queue_line(&queue, 42, 42), line);
    assert_int_equal(queue.entry_count, 2);
    assert_true(line_has(line, second->id));
    line_drop_first(&queue, line);
    assert_ptr_equal(line->first, second);
    line_drop_first(&queue, line);
    assert_null(line->first);
    line_append(&queue, line, make(SEND, ""));
    assert_non_null(line->first);
}

static void what_is_being_sent_survives_a_clearing(void **state)
{
    (void)state;
    struct line *line = queue_line(&queue, 42, 42);
    struct entry *first = make(SEND, "");
    line_append(&queue, line, first);
    line_append(&queue, line, make(SEND, ""));
    line->is_running = true;
    line_clear(&queue, line);
    assert_ptr_equal(line->first, first);
    assert_null(first->next);
    struct entry *later = make(SEND, "");
    line_append(&queue, line, later);
    assert_ptr_equal(first->next, later);
}

static void lines_come_in_turn_and_answers_first(void **state)
{
    (void)state;
    struct line *one = queue_line(&queue, 1, 1), *two = queue_line(&queue, 2, 2);
    struct line *answer = queue_answer_line(&queue, 1);
    queue_ready(&queue, one);
    queue_ready(&queue, two);
    queue_ready(&queue, one);
    queue_ready(&queue, answer);
    assert_ptr_equal(queue_next(&queue), answer);
    assert_ptr_equal(queue_next(&queue), one);
    one->is_running = true;
    queue_ready(&queue, one);
    assert_ptr_equal(queue_next(&queue), two);
    assert_null(queue_next(&queue));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_an_edit_that_nothing_is_left_of_is_skipped, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_last_and_the_closing_one_are_never_skipped, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(entries_that_make_no_sense_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_entry_keeps_its_own_strings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pace_lets_a_burst_through_and_then_keeps_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(pace_never_goes_faster_than_its_rate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_keeps_its_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_being_sent_survives_a_clearing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_come_in_turn_and_answers_first, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
