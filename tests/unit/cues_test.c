#include "handlers/speech/cues.h"

#include "tests/unit/with_arena.h"

static struct cues cues_of(const struct cue *items, size_t count)
{
    struct cues cues = {NEW_ARRAY(a, struct cue, count + 1), count};
    memcpy(cues.items, items, count * sizeof *items);
    return cues;
}

static struct transcript_piece piece(int64_t start_ms, bool is_noisy, const char *json)
{
    return (struct transcript_piece){
        .start_ms = start_ms, .begins_in_noise = is_noisy, .cues = str_from(json)};
}

static void what_was_heard_becomes_cues(void **state)
{
    (void)state;
    const struct openai_segment segments[] = {
        {0,    900,  S("One."),       0.1, -0.2},
        {900,  1500, S("Thank you."), 0.9, -1.5}, /* a noise that was taken for words */
        {1500, 2500, S("Two."),       0.9, -0.5},
        {2500, 9000, S("Three."),     0.1, -2  },
    };
    struct openai_transcript heard = {.segments = segments, .segment_count = 4};
    struct cues cues = cues_heard(a, &heard, 3000);
    assert_int_equal(cues.count, 3);
    assert_str(cues.items[1].text, S("Two."));
    assert_int_equal(cues.items[2].end_ms, 3000);

    struct openai_transcript plain = {.text = S("All of it.")};
    cues = cues_heard(a, &plain, 7000);
    assert_int_equal(cues.count, 1);
    assert_int_equal(cues.items[0].end_ms, 7000);
    struct openai_transcript nothing = {0};
    assert_int_equal(cues_heard(a, &nothing, 7000).count, 0);
}

static void cues_survive_the_database(void **state)
{
    (void)state;
    struct cue items[] = {
        {0,  10, S("a \"b\"\n")},
        {10, 20, S("ё <&>")   }
    };
    struct cues cues = cues_of(items, 2);
    str json = cues_json(a, &cues);
    struct cues again = cues_read(a, json);
    assert_int_equal(again.count, 2);
    assert_str(again.items[0].text, items[0].text);
    assert_str(again.items[1].text, items[1].text);
    assert_str(cues_json(a, &(struct cues){0}), S(""));
    const char *bad[] = {"",        "{}", "[1]", "[{\"s\":1}]", "[{\"s\":1,\"e\":2,\"t\":\"\"}]",
                         "nonsense"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(cues_read(a, str_from(bad[i])).count, 0);
}

/* Where a cut went through a sound both sides may have heard the same words. */
static void words_at_a_noisy_seam_are_there_once(void **state)
{
    (void)state;
    const struct {
        const char *before, *after;
        bool is_noisy;
        const char *want;
    } rows[] = {
        {"one two",                     "two three",                      true,  "one two three"                                },
        {"one two",                     "two three",                      false, "one two two three"                            },
        {"на этой неделе.", "Неделе мы начнём", true,  "на этой неделе. мы начнём"},
        {"раз два три",        "два три четыре",     true,  "раз два три четыре"            },
        {"Ёлка",                    "ёлка",                       true,  "Ёлка ёлка"                            },
        {"one two",                     "three four",                     true,  "one two three four"                           },
        {"one",                         "one",                            true,  "one"                                          },
        {"well -",                      "- well",                         true,  "well - - well"                                },
        {"a b c d e",                   "a b c d e f",                    true,  "a b c d e a b c d e f"                        },
        {"end",                         "Enders game",                    true,  "end Enders game"                              },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cue one = {0, 10, str_from(rows[i].before)},
                   other = {0, 10, str_from(rows[i].after)};
        struct cues first = cues_of(&one, 1), second = cues_of(&other, 1);
        struct transcript_piece pieces[] = {
            piece(0, false, cstr(a, cues_json(a, &first))),
            piece(1000, rows[i].is_noisy, cstr(a, cues_json(a, &second))),
        };
        struct cues joined = cues_join(a, pieces, 2);
        assert_str(cues_text(a, &joined), str_from(rows[i].want));
    }
}

static void pieces_follow_each_other_in_time(void **state)
{
    (void)state;
    const struct transcript_piece pieces[] = {
        piece(0, false, "[{\"s\":0,\"e\":900,\"t\":\"One.\"}]"),
        piece(60000, false, ""), /* silence, or one that failed */
        piece(120000, false,
              "[{\"s\":500,\"e\":900,\"t\":\"Two.\"},{\"s\":900,\"e\":1200,\"t\":\"Three.\"}]"),
    };
    struct cues joined = cues_join(a, pieces, 3);
    assert_int_equal(joined.count, 3);
    assert_int_equal(joined.items[1].start_ms, 120500);
    assert_int_equal(joined.items[2].end_ms, 121200);
    assert_str(cues_text(a, &joined), S("One.\n\nTwo. Three."));
    assert_int_equal(cues_join(a, NULL, 0).count, 0);
}

static void long_talk_is_cut_into_paragraphs(void **state)
{
    (void)state;
    enum { CUES = 200 };
    struct cue *items = NEW_ARRAY(a, struct cue, CUES);
    for (int i = 0; i < CUES; i++)
        items[i] = (struct cue){i * 1000, i * 1000 + 1000,
                                i % 3 ? S("и ещё немного слов") : S("Конец предложения.")};
    struct cues cues = {items, CUES};
    struct paragraph *paragraphs;
    size_t count = cues_paragraphs(a, &cues, &paragraphs);
    assert_in_range(count, 4, 20);
    for (size_t i = 0; i < count; i++)
        assert_true(str_points(paragraphs[i].text) < 1000);
    for (int i = 0; i < CUES; i++)
        items[i].text = S("без единой точки");
    count = cues_paragraphs(a, &cues, &paragraphs);
    assert_in_range(count, 2, 8);
    assert_int_equal(words_count(cues_text(a, &cues)), CUES * 3);
}

static void subtitles_are_as_players_want_them(void **state)
{
    (void)state;
    struct cue items[] = {
        {1200,    3400,    S("Hello there.")                                         },
        {3723004, 3725999,
         S("This line is longer than what can be read at a glance, so it is broken.")},
    };
    struct cues cues = cues_of(items, 2);
    assert_str(
        cues_srt(a, &cues),
        S("1\r\n00:00:01,200 --> 00:00:03,400\r\nHello there.\r\n\r\n"
          "2\r\n01:02:03,004 --> 01:02:05,999\r\nThis line is longer than what can be read\r\n"
          "at a glance, so it is broken.\r\n\r\n"));
}

static void words_and_times_are_counted(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int want;
    } words[] = {
        {"",                           0},
        {" \n ",                       0},
        {"one",                        1},
        {"раз, два — три!", 3},
        {"- … 7",                    1},
        {"a\tb\nc",                    3}
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        assert_int_equal(words_count(str_from(words[i].text)), words[i].want);
    const struct {
        int64_t ms;
        const char *want;
    } times[] = {
        {0,        "0:00"   },
        {999,      "0:01"   },
        {59400,    "0:59"   },
        {61000,    "1:01"   },
        {3599600,  "1:00:00"},
        {10803000, "3:00:03"}
    };
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        assert_str(clock_shown(a, times[i].ms), str_from(times[i].want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_heard_becomes_cues, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(cues_survive_the_database, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(words_at_a_noisy_seam_are_there_once, make_arena,
                                        free_arena),
        cmocka_unit_test_setup_teardown(pieces_follow_each_other_in_time, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(long_talk_is_cut_into_paragraphs, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(subtitles_are_as_players_want_them, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(words_and_times_are_counted, make_arena, free_arena),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
