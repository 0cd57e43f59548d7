/* JSON: what is refused, what numbers keep, how it is written. */
#include "core/json.h"

#include <math.h>

#include "tests/unit/with_arena.h"

static void refuses_what_is_not_json(void **state)
{
    (void)state;
    static const str rows[] = {
        S(""),
        S(" "),
        S("{"),
        S("}"),
        S("["),
        S("{}x"),
        S("{}{}"),
        S("{} {}"),
        S("[1]]"),
        S("[1}"),
        S("[1,]"),
        S("[,1]"),
        S("[1 2]"),
        S("{\"a\":1,}"),
        S("{\"a\"}"),
        S("{\"a\" 1}"),
        S("{a:1}"),
        S("{1:2}"),
        S("{'a':1}"),
        S("'a'"),
        S("[\"a]"),
        S("\"abc"),
        S("\"\\x\""),
        S("\"\\u12\""),
        S("nul"),
        S("nullnull"),
        S("null x"),
        S("NULL"),
        S("TRUE"),
        S("tru"),
        S("truefalse"),
        S("[trUe]"),
        S("undefined"),
        S("nan"),
        S("NaN"),
        S("[NaN]"),
        S("Infinity"),
        S("-Infinity"),
        S("[-nan]"),
        S("01"),
        S("[01]"),
        S("[00]"),
        S("[-01]"),
        S("[1,00]"),
        S("+1"),
        S("[1+1]"),
        S("-"),
        S("[-]"),
        S("[--1]"),
        S("1."),
        S("[2.]"),
        S(".5"),
        S("[-.5]"),
        S("[1.e5]"),
        S("[1.2.3]"),
        S("1e"),
        S("[0e+]"),
        S("[1eE2]"),
        S("[1e5e5]"),
        S("[0x1]"),
        S("[1a]"),
        S("/**/1"),
        S("[1]//"),
        S("[1]#"),
        S("[1\v]"),
        S("[1\f]"),
        S("[1]\0"),
        S("\0[1]"),
        S("[\"\t\"]"),
        S("[\"\n\"]"),
        S("[\"\0\"]"),
        S("[\"\x1f\"]"),
        S("[\"\xff\"]"),
        S("[\"\xc0\xaf\"]"),
        S("[\"\xed\xa0\x80\"]"),
        S("[\"\xd0\"]"),
        S("\xef\xbb\xbf{}"),
        S("{\"a\":1,\"a\":2}"),
        S("{\"a\":{\"b\":1},\"a\":{\"b\":1}}"),
        S("[{\"x\":{\"a\":1,\"b\":2,\"\\u0061\":3}}]"),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_object *tree = NULL;
        err *e = json_parse(a, rows[i], &tree);
        if (!e) {
            fail_msg("row %zu was taken: " STR_FMT, i, STR_ARG(rows[i]));
            return;
        }
        assert_int_equal(e->kind, ERR_INPUT);
        assert_null(tree);
    }
}

static void keeps_what_it_reads(void **state)
{
    (void)state;
    static const struct {
        str in, want;
    } rows[] = {
        {S("null"),                                    S("null")                               },
        {S(" 1 "),                                     S("1")                                  },
        {S("-0"),                                      S("0")                                  },
        {S("0"),                                       S("0")                                  },
        {S("[0,10,100]"),                              S("[0,10,100]")                         },
        {S("[0.5,-0.5,1.05]"),                         S("[0.5,-0.5,1.05]")                    },
        {S("[1e5,1E+05,1e-05]"),                       S("[1e5,1E+05,1e-05]")                  },
        {S("\"a\""),                                   S("\"a\"")                              },
        {S("{}"),                                      S("{}")                                 },
        {S("{ \"a\" : [ true , false , null ] }\r\n"), S("{\"a\":[true,false,null]}")          },
        {S("[\":\",\"'\",\"NaN\",\"https://x\"]"),     S("[\":\",\"'\",\"NaN\",\"https://x\"]")},
        {S("[\"\\\"\\\\\",\"\\u0000\"]"),              S("[\"\\\"\\\\\",\"\\u0000\"]")         },
        {S("[\"\\ud83d\\ude00я\"]"),                  S("[\"😀я\"]")                       },
        {S("[{\"a\":1},{\"a\":1}]"),                   S("[{\"a\":1},{\"a\":1}]")              },
        {S("[1.10]"),                                  S("[1.10]")                             },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_object *tree;
        err *e = json_parse(a, rows[i].in, &tree);
        if (e)
            fail_msg("row %zu: " STR_FMT, i, STR_ARG(e->message));
        assert_str(json_text(a, tree), rows[i].want);
    }
}

static void what_no_text_holds_is_mended(void **state)
{
    (void)state;
    static const struct {
        str in, want;
    } rows[] = {
        {S("{\"a\":\"b\"}"),             S("{\"a\":\"b\"}")            },
        {S("\"a\\u0000b\""),             S("\"a\\ufffdb\"")            },
        {S("\"\\u0001\\u0041\\n\""),     S("\"\\u0001\\u0041\\n\"")    },
        {S("\"\\ud83d\\ude00\""),        S("\"\\ud83d\\ude00\"")       },
        {S("\"\\uD83Dx\\uDE00\""),       S("\"\\ufffdx\\ufffd\"")      },
        {S("\"\\ud83d\\ud83d\\ude00\""), S("\"\\ufffd\\ud83d\\ude00\"")},
        {S("\"\\ude00\\ud83d\""),        S("\"\\ufffd\\ufffd\"")       },
        {S("\"\\\\u0000\""),             S("\"\\\\u0000\"")            },
        {S("\"\\\\\\u0000\""),           S("\"\\\\\\ufffd\"")          },
        {S("\\u00"),                     S("\\u00")                    },
        {S("\\"),                        S("\\")                       },
        {S("\\ud83d\\"),                 S("\\ufffd\\")                },
        {S("\\u000g"),                   S("\\u000g")                  },
        {S(""),                          S("")                         },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_str(json_mended(a, rows[i].in), rows[i].want);
}

static str nested(int levels)
{
    struct buf b = buf_new(a);
    for (int i = 0; i < levels; i++)
        buf_add_char(&b, '[');
    for (int i = 0; i < levels; i++)
        buf_add_char(&b, ']');
    return buf_str(&b);
}

static void is_at_most_32_levels_deep(void **state)
{
    (void)state;
    struct json_object *tree;
    assert_null(json_parse(a, nested(32), &tree));
    assert_non_null(json_parse(a, nested(33), &tree));
    assert_non_null(json_parse(a, nested(100000), &tree));
    assert_null(json_parse(a, S("[1]"), &tree)); /* the reader is of use again */
}

/* The byte behind the view is no part of the document. */
static void reads_no_further_than_the_view(void **state)
{
    (void)state;
    struct json_object *tree;
    int64_t number;
    assert_null(json_parse(a, str_sub(S("{\"a\":12}34"), 0, 8), &tree));
    assert_true(json_i64(tree, "a", &number));
    assert_null(json_parse(a, str_sub(S("1234"), 0, 2), &tree));
    assert_true(json_value_i64(tree, &number));
    assert_int_equal(number, 12);
}

static void integers_are_exact_or_refused(void **state)
{
    (void)state;
    static const struct {
        str in;
        bool is_taken;
        int64_t want;
    } rows[] = {
        {S("0"),                           true,  0               },
        {S("-1"),                          true,  -1              },
        {S("9007199254740993"),            true,  9007199254740993},
        {S("9223372036854775807"),         true,  INT64_MAX       },
        {S("-9223372036854775807"),        true,  -INT64_MAX      },
        {S("9223372036854775808"),         false, 0               },
        {S("18446744073709551615"),        false, 0               },
        {S("18446744073709551616"),        false, 0               },
        {S("99999999999999999999999999"),  false, 0               },
        {S("-9223372036854775809"),        false, 0               },
        {S("-99999999999999999999999999"), false, 0               },
        {S("1.0"),                         false, 0               },
        {S("1e3"),                         false, 0               },
        {S("\"1\""),                       false, 0               },
        {S("true"),                        false, 0               },
        {S("null"),                        false, 0               },
        {S("[1]"),                         false, 0               },
        {S("{}"),                          false, 0               },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_object *tree;
        int64_t got = 42;
        assert_null(json_parse(a, rows[i].in, &tree));
        assert_int_equal(json_value_i64(tree, &got), rows[i].is_taken);
        assert_int_equal(got, rows[i].is_taken ? rows[i].want : 42);
    }
}

static void getters_answer_for_what_is_absent(void **state)
{
    (void)state;
    struct json_object *tree;
    int64_t number;
    double real;
    bool flag;
    assert_null(json_parse(a,
                           S("{\"n\":7,\"s\":\"a\\u0000b\",\"t\":true,\"d\":1.5,\"o\":{},"
                             "\"l\":[1,2],\"z\":null,\"h\":1e999}"),
                           &tree));

    assert_true(json_i64(tree, "n", &number) && number == 7);
    assert_true(json_double(tree, "n", &real) && real > 6.9 && real < 7.1);
    assert_true(json_double(tree, "d", &real) && real > 1.4 && real < 1.6);
    assert_true(json_boolean(tree, "t", &flag) && flag);
    assert_str(json_str(tree, "s"), ((str){"a\0b", 3}));
    assert_int_equal(json_length(json_at(tree, "l")), 2);
    assert_true(json_value_i64(json_item(json_at(tree, "l"), 1), &number) && number == 2);
    assert_true(json_has(tree, "o"));

    assert_false(json_has(tree, "z"));
    assert_false(json_has(tree, "absent"));
    assert_null(json_at(json_at(json_at(tree, "o"), "x"), "y"));
    assert_null(json_at(json_at(tree, "l"), "n"));
    assert_null(json_at(NULL, "n"));
    assert_null(json_item(json_at(tree, "l"), 2));
    assert_null(json_item(json_at(tree, "s"), 0));
    assert_null(json_item(NULL, 0));
    assert_int_equal(json_length(tree), 0);
    assert_int_equal(json_length(NULL), 0);
    assert_false(json_i64(tree, "d", &number));
    assert_false(json_i64(tree, "z", &number));
    assert_false(json_boolean(tree, "n", &flag));
    assert_false(json_double(tree, "s", &real));
    assert_false(json_double(tree, "t", &real));
    assert_false(json_double(tree, "h", &real));
    assert_null(json_str(tree, "n").ptr);
    assert_null(json_str(NULL, "n").ptr);
    assert_null(json_value_str(NULL).ptr);
}

static void texts_are_escaped(void **state)
{
    (void)state;
    static const struct {
        str in, want;
    } rows[] = {
        {S(""),                   S("\"\"")                              },
        {S("plain /я😀 \x7f"), S("\"plain /я😀 \x7f\"")            },
        {S("\"\\"),               S("\"\\\"\\\\\"")                      },
        {S("\n\r\t\b\x01\x1f"),   S("\"\\n\\r\\t\\u0008\\u0001\\u001f\"")},
        {S("a\0b"),               S("\"a\\u0000b\"")                     },
        {S("a\xff"),              S("\"a\uFFFD\"")                       },
        {S("\xd0"),               S("\"\uFFFD\"")                        },
        {S("\xed\xa0\x80"),       S("\"\uFFFD\uFFFD\uFFFD\"")            },
        {S("\xc0\xaf\"x"),        S("\"\uFFFD\uFFFD\\\"x\"")             },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = buf_new(a);
        json_put_str(&b, rows[i].in);
        assert_str(buf_str(&b), rows[i].want);
        struct json_object *tree;
        assert_null(json_parse(a, buf_str(&b), &tree));
    }
}

static void values_are_written_by_type(void **state)
{
    (void)state;
    str absent = {0};
    const struct {
        struct val in;
        str want;
    } rows[] = {
        {V(NOTHING),            S("null")                },
        {V(absent),             S("null")                },
        {V((const char *)NULL), S("null")                },
        {V(""),                 S("\"\"")                },
        {V((bool)true),         S("true")                },
        {V(0),                  S("0")                   },
        {V(INT64_MIN),          S("-9223372036854775808")},
        {V(INT64_MAX),          S("9223372036854775807") },
        {V(0.00009),            S("9e-05")               },
        {V(0.0002),             S("0.0002")              },
        {V(0.1),                S("0.1")                 },
        {V(0.1 + 0.2),          S("0.30000000000000004") },
        {V(3.5),                S("3.5")                 },
        {V(-2.0),               S("-2")                  },
        {V(1e300),              S("1e+300")              },
        {V((double)INFINITY),   S("null")                },
        {V((double)NAN),        S("null")                },
        {V(JSON(S("[1]"))),     S("[1]")                 },
        {V(JSON(absent)),       S("null")                },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = buf_new(a);
        json_put_val(&b, rows[i].in);
        assert_str(buf_str(&b), rows[i].want);
    }
}

static void objects_are_made_from_fields(void **state)
{
    (void)state;
    assert_str(json_make(a), S("{}"));
    assert_str(json_make(a, KV("chat_id", 7), KV("text", "a\"b"), KV("markup", JSON(S("{}")))),
               S("{\"chat_id\":7,\"text\":\"a\\\"b\",\"markup\":{}}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refuses_what_is_not_json, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(keeps_what_it_reads, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(what_no_text_holds_is_mended, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(is_at_most_32_levels_deep, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(reads_no_further_than_the_view, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(integers_are_exact_or_refused, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(getters_answer_for_what_is_absent, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(texts_are_escaped, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(values_are_written_by_type, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(objects_are_made_from_fields, make_arena, free_arena),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
