/* Counting in memory: series, labels, buckets, and what is taken of them. */
#include "core/metrics.h"
#include "db/metrics.h"

#include "tests/unit/with_arena.h"

#undef fail

static struct metric_change *changes;
static size_t count;

/* What earlier tests have counted is not looked at. */
static int begin_anew(void **state)
{
    make_arena(state);
    metrics_take(a, &changes, &count);
    return 0;
}

/* -1: no such change. */
static int64_t taken(const char *field)
{
    int64_t value = -1;
    for (size_t i = 0; i < count; i++)
        if (str_eq(changes[i].field, str_from(field)))
            value = changes[i].value;
    return value;
}

static void a_series_is_its_labels(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        metric_count(METRIC_updates, KVS(KV("kind", "tap"), KV("outcome", "done")));
    metric_count(METRIC_updates, KVS(KV("kind", "tap"), KV("outcome", "busy")));
    metrics_take(a, &changes, &count);
    assert_int_equal(count, 2);
    assert_int_equal(taken("aisha_updates_total{kind=\"tap\",outcome=\"done\"}"), 3);
    assert_int_equal(taken("aisha_updates_total{kind=\"tap\",outcome=\"busy\"}"), 1);

    metrics_take(a, &changes, &count);
    assert_int_equal(count, 0);
}

static void what_did_not_arrive_is_taken_again(void **state)
{
    (void)state;
    metric_count(METRIC_callbacks, KVS());
    metrics_take(a, &changes, &count);
    metric_count(METRIC_callbacks, KVS());
    metrics_give_back(changes, count);
    metrics_take(a, &changes, &count);
    assert_int_equal(taken("aisha_callbacks_total"), 2);
}

static void a_gauge_is_what_was_set_last(void **state)
{
    (void)state;
    metric_set(METRIC_ledger_problems, 4, KVS());
    metric_set(METRIC_ledger_problems, 0, KVS());
    metrics_take(a, &changes, &count);
    assert_int_equal(count, 1);
    assert_true(changes[0].is_set);
    assert_int_equal(taken("aisha_ledger_problems"), 0);
}

static void an_observation_falls_into_one_bucket(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *field;
    } rows[] = {
        {0,        "aisha_update_duration_seconds{kind=\"tap\"} 0.001"},
        {1000,     "aisha_update_duration_seconds{kind=\"tap\"} 0.001"},
        {1001,     "aisha_update_duration_seconds{kind=\"tap\"} 0.002"},
        {4999,     "aisha_update_duration_seconds{kind=\"tap\"} 0.005"},
        {1000000,  "aisha_update_duration_seconds{kind=\"tap\"} 1"    },
        {5000000,  "aisha_update_duration_seconds{kind=\"tap\"} 5"    },
        {5000001,  "aisha_update_duration_seconds{kind=\"tap\"} +Inf" },
        {90000000, "aisha_update_duration_seconds{kind=\"tap\"} +Inf" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        metric_observe(METRIC_update_duration, rows[i].us, KVS(KV("kind", "tap")));
        metrics_take(a, &changes, &count);
        assert_int_equal(taken(rows[i].field), 1);
        assert_int_equal(taken("aisha_update_duration_seconds{kind=\"tap\"} sum"),
                         rows[i].us ? rows[i].us : -1);
        assert_int_equal(count, rows[i].us ? 2 : 1);
    }
}

static void labels_are_escaped(void **state)
{
    (void)state;
    assert_str(metric_labels(a, KVS()), S(""));
    assert_str(metric_labels(a, KVS(KV("a", "x"), KV("n", 5))), S("{a=\"x\",n=\"5\"}"));
    assert_str(metric_labels(a, KVS(KV("a", "x\"y\\z\n"))), S("{a=\"x\\\"y\\\\z\\n\"}"));
    char many[400];
    memset(many, 'm', sizeof many);
    str long_one = {many, sizeof many};
    str cut = metric_labels(a, KVS(KV("a", long_one)));
    assert_true(cut.len < sizeof many && str_ends(cut, S("m\"}")));
}

static void endless_labels_do_not_fill_the_process(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++)
        metric_count(METRIC_calls, KVS(KV("method", i)));
    metrics_take(a, &changes, &count);
    assert_in_range(count, 400, 600);
    metric_count(METRIC_calls, KVS(KV("method", 1)));
    metrics_take(a, &changes, &count);
    assert_int_equal(taken("aisha_calls_total{method=\"1\"}"), 1);
}

/* ---------------------------------------------------------------- sums */

static void sums_tell_whose_they_are(void **state)
{
    (void)state;
    str labels, value;
    struct metric_sum sum = {S("aisha_update_duration_seconds{kind=\"a b\"} 0.5"), 1};
    assert_true(metric_sum_is_of(&sum, METRIC_update_duration, &labels, &value));
    assert_str(labels, S("{kind=\"a b\"}"));
    assert_str(value, S("0.5"));
    assert_false(metric_sum_is_of(&sum, METRIC_updates, &labels, &value));

    sum.field = S("aisha_ledger_problems");
    assert_true(metric_sum_is_of(&sum, METRIC_ledger_problems, &labels, &value));
    assert_str(labels, S(""));
    sum.field = S("aisha_ledger_problems_of_others");
    assert_false(metric_sum_is_of(&sum, METRIC_ledger_problems, &labels, &value));
}

static void quantiles_lie_within_their_bucket(void **state)
{
    (void)state;
    struct metric_histogram h = {0};
    assert_true(metric_histogram_quantile(&h, METRIC_update_duration, 0.5) == 0);
    metric_histogram_add(&h, METRIC_update_duration, S("0.002"), 50);
    metric_histogram_add(&h, METRIC_update_duration, S("0.1"), 45);
    metric_histogram_add(&h, METRIC_update_duration, S("+Inf"), 5);
    metric_histogram_add(&h, METRIC_update_duration, S("sum"), 1234);
    assert_int_equal(h.count, 100);
    assert_int_equal(h.sum_us, 1234);
    assert_float_equal(metric_histogram_quantile(&h, METRIC_update_duration, 0.25), 0.0015, 1e-9);
    assert_float_equal(metric_histogram_quantile(&h, METRIC_update_duration, 0.5), 0.002, 1e-9);
    assert_float_equal(metric_histogram_quantile(&h, METRIC_update_duration, 0.95), 0.1, 1e-9);
    assert_float_equal(metric_histogram_quantile(&h, METRIC_update_duration, 0.99), 5, 1e-9);
    metric_histogram_add(&h, METRIC_update_duration, S("0.0003"), 1); /* of another release */
    assert_int_equal(h.count, 101);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_anew, free_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_series_is_its_labels),
        TEST(what_did_not_arrive_is_taken_again),
        TEST(a_gauge_is_what_was_set_last),
        TEST(an_observation_falls_into_one_bucket),
        TEST(labels_are_escaped),
        TEST(sums_tell_whose_they_are),
        TEST(quantiles_lie_within_their_bucket),
        TEST(endless_labels_do_not_fill_the_process), /* last: the series stay */
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
