/* Strings: taking apart, numbers, UTF-8, encodings, buffers. */
#include "core/str.h"

#include "tests/unit/with_arena.h"

static const str absent = {0};

static void strings_compare(void **state)
{
    (void)state;
    static const struct {
        str a, b;
        bool is_equal, is_equal_nocase, starts, ends;
    } rows[] = {
        {{0},       {0},       true,  true,  true,  true },
        {{0},       S(""),     true,  true,  true,  true },
        {S("a"),    {0},       false, false, true,  true },
        {{0},       S("a"),    false, false, false, false},
        {S("abc"),  S("abc"),  true,  true,  true,  true },
        {S("abc"),  S("aBC"),  false, true,  false, false},
        {S("abc"),  S("ab"),   false, false, true,  false},
        {S("abc"),  S("bc"),   false, false, false, true },
        {S("ab"),   S("abc"),  false, false, false, false},
        {S("a\0b"), S("a\0c"), false, false, false, false},
        {S("[\\"),  S("{|"),   false, false, false, false}, /* neighbours of the letters */
        {S("Ä"),   S("ä"),   false, false, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(str_eq(rows[i].a, rows[i].b), rows[i].is_equal);
        assert_int_equal(str_eq_nocase(rows[i].a, rows[i].b), rows[i].is_equal_nocase);
        assert_int_equal(str_starts(rows[i].a, rows[i].b), rows[i].starts);
        assert_int_equal(str_ends(rows[i].a, rows[i].b), rows[i].ends);
    }
}

static void names_compare(void **state)
{
    (void)state;
    static const struct {
        str s;
        const char *name;
        bool want;
    } rows[] = {
        {{0},         "",    true },
        {S(""),       "",    true },
        {{0},         "a",   false},
        {S("a"),      "",    false},
        {S("abc"),    "abc", true },
        {S("ab"),     "abc", false},
        {S("abc"),    "ab",  false},
        {S("abd"),    "abc", false},
        {S("abc\0"),  "abc", false},
        {S("\0"),     "",    false},
        {{"abcd", 3}, "abc", true },
        {S("Ä"),     "Ä",  true },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(str_is(rows[i].s, rows[i].name), rows[i].want);
}

static void secrets_compare(void **state)
{
    (void)state;
    static const struct {
        str given, secret;
        bool want;
    } rows[] = {
        {S("secret"),   S("secret"),  true },
        {S("secreT"),   S("secret"),  false},
        {S("Secret"),   S("secret"),  false},
        {S("secre"),    S("secret"),  false},
        {S("secrets"),  S("secret"),  false},
        {S("secret\0"), S("secret"),  false},
        {S("secre"),    S("secre\0"), false},
        {S(""),         S("secret"),  false},
        {{0},           S("secret"),  false},
        {S(""),         S(""),        false},
        {{0},           {0},          false},
        {S("x"),        {0},          false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(str_same_secret(rows[i].given, rows[i].secret), rows[i].want);
}

static void white_space_is_trimmed(void **state)
{
    (void)state;
    static const struct {
        str in, want;
    } rows[] = {
        {{0},                       {0}          },
        {S(""),                     S("")        },
        {S(" \t\r\n\v\f "),         S("")        },
        {S("\u00A0 \u00A0"),        S("")        },
        {S(" a b "),                S("a b")     },
        {S("\u00A0a\u00A0b\u00A0"), S("a\u00A0b")},
        {S("\xc2"),                 S("\xc2")    },
        {S("\xa0"),                 S("\xa0")    },
        {S("ра "),                S("ра")    }, /* р ends in 0x80, а in 0xB0 */
        {S("à"),                   S("à")      }, /* ends in 0xA0 behind another lead byte */
        {S("\0 "),                  S("\0")      },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_str(str_trim(rows[i].in), rows[i].want);
}

static void parts_are_clipped_and_cut(void **state)
{
    (void)state;
    assert_str(str_sub(S("abc"), 1, 1), S("b"));
    assert_str(str_sub(S("abc"), 1, SIZE_MAX), S("bc"));
    assert_str(str_sub(S("abc"), 3, 1), S(""));
    assert_str(str_sub(S("abc"), 4, 1), S(""));
    assert_str(str_sub(S("abc"), SIZE_MAX, SIZE_MAX), S(""));
    assert_null(str_sub(absent, 1, 1).ptr);

    static const struct {
        str in, head, tail;
        bool want;
    } rows[] = {
        {S("a:b:c"), S("a"), S("b:c"), true },
        {S(":"),     S(""),  S(""),    true },
        {S(":a"),    S(""),  S("a"),   true },
        {S("a:"),    S("a"), S(""),    true },
        {S("a"),     S("a"), S(""),    false},
        {S(""),      S(""),  S(""),    false},
        {{0},        {0},    {0},      false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        str head, tail;
        assert_int_equal(str_cut(rows[i].in, ':', &head, &tail), rows[i].want);
        assert_str(head, rows[i].head);
        assert_str(tail, rows[i].tail);
    }
    str rest = S("a,b");
    str first;
    assert_true(str_cut(rest, ',', &first, &rest)); /* the source may take the tail */
    assert_str(rest, S("b"));
}

static void needles_are_found(void **state)
{
    (void)state;
    static const struct {
        str in, needle;
        bool is_found;
        size_t position;
    } rows[] = {
        {S("abcabc"), S("ca"),   true,  2},
        {S("abc"),    S("abc"),  true,  0},
        {S("abc"),    S(""),     true,  0},
        {{0},         {0},       true,  0},
        {S("a\0b"),   S("\0"),   true,  1},
        {S("abc"),    S("abcd"), false, 9},
        {S("abc"),    S("x"),    false, 9},
        {{0},         S("x"),    false, 9},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t position = 9;
        assert_int_equal(str_find(rows[i].in, rows[i].needle, &position), rows[i].is_found);
        assert_int_equal(position, rows[i].position);
    }
}

static void numbers_are_whole_or_refused(void **state)
{
    (void)state;
    static const struct {
        str in;
        bool is_taken;
        int64_t want;
    } rows[] = {
        {S("0"),                       true,  0        },
        {S("-0"),                      true,  0        },
        {S("42"),                      true,  42       },
        {S("007"),                     true,  7        },
        {S("-1"),                      true,  -1       },
        {S("9223372036854775807"),     true,  INT64_MAX},
        {S("-9223372036854775808"),    true,  INT64_MIN},
        {S("9223372036854775808"),     false, 0        },
        {S("-9223372036854775809"),    false, 0        },
        {S("18446744073709551616"),    false, 0        },
        {S("99999999999999999999999"), false, 0        },
        {S(""),                        false, 0        },
        {{0},                          false, 0        },
        {S("-"),                       false, 0        },
        {S("--1"),                     false, 0        },
        {S("+1"),                      false, 0        },
        {S(" 1"),                      false, 0        },
        {S("1 "),                      false, 0        },
        {S("1.0"),                     false, 0        },
        {S("1e3"),                     false, 0        },
        {S("0x10"),                    false, 0        },
        {S("1\0"),                     false, 0        },
        {S("１"),                     false, 0        },
        {S("a"),                       false, 0        },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t got = 13;
        assert_int_equal(str_to_i64(rows[i].in, &got), rows[i].is_taken);
        assert_int_equal(got, rows[i].is_taken ? rows[i].want : 13);
    }
}

static void utf8_is_checked(void **state)
{
    (void)state;
    static const struct {
        str in;
        bool want;
    } rows[] = {
        {S(""),                                         true },
        {{0},                                           true },
        {S("a\0b"),                                     true },
        {S("ая€😀"),                              true },
        {S("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"), true },
        {S("\x80"),                                     false},
        {S("\xbf"),                                     false},
        {S("\xc0\x80"),                                 false},
        {S("\xc1\xbf"),                                 false},
        {S("\xe0\x9f\xbf"),                             false},
        {S("\xed\xa0\x80"),                             false},
        {S("\xed\xbf\xbf"),                             false},
        {S("\xf0\x8f\xbf\xbf"),                         false},
        {S("\xf4\x90\x80\x80"),                         false},
        {S("\xf5\x80\x80\x80"),                         false},
        {S("\xff"),                                     false},
        {S("\xd0"),                                     false},
        {S("\xe2\x82"),                                 false},
        {S("\xf0\x9f\x98"),                             false},
        {S("\xd0 "),                                    false},
        {S("\xe2\x82 "),                                false},
        {S("\xf0\x9f\x98 "),                            false},
        {S("a\xd0\xd0\xb0"),                            false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(str_is_utf8(rows[i].in), rows[i].want);
}

static void characters_are_counted(void **state)
{
    (void)state;
    static const struct {
        str in;
        size_t points, units;
    } rows[] = {
        {{0},         0, 0},
        {S(""),       0, 0},
        {S("abc"),    3, 3},
        {S("Ася"), 3, 3},
        {S("€"),    1, 1},
        {S("😀я"), 2, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(str_points(rows[i].in), rows[i].points);
        assert_int_equal(str_utf16_units(rows[i].in), rows[i].units);
        assert_true(str_points_within(rows[i].in, rows[i].points, rows[i].points));
        assert_false(str_points_within(rows[i].in, rows[i].points + 1, rows[i].points + 2));
    }
    assert_false(str_points_within(S("Ася"), 1, 2));
}

static void marks_without_a_shape_are_told_from_letters(void **state)
{
    (void)state;
    static const struct {
        str in;
        bool has_visible, has_controls;
    } rows[] = {
        {S(""),                           false, false},
        {S("Ася"),                     true,  false},
        {S("  "),                         false, false},
        {S("\u200b\u200b"),               false, false},
        {S("\u2800\u3164"),               false, false},
        {S("\U000e0041"),                 false, false},
        {S("\U0001f468\u200d\U0001f469"), true,  false},
        {S("\u2764\ufe0f"),               true,  false},
        {S("a\tb"),                       true,  true },
        {S("a\u2028b"),                   true,  true },
        {S("\u202eab"),                   true,  true },
        {S("\u2066\u2069"),               false, true },
        {{"a\0b", 3},                     true,  true },
        {S("\xff"
           "a"),
         false,                                  false}, /* ends where UTF-8 does */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(str_has_visible(rows[i].in), rows[i].has_visible);
        assert_int_equal(str_has_controls(rows[i].in), rows[i].has_controls);
    }
}

static void long_texts_are_clipped(void **state)
{
    (void)state;
    static const struct {
        str in;
        size_t most;
        str want;
    } rows[] = {
        {S("Ася"),       3, S("Ася") },
        {S("Ася"),       2, S("А…")  },
        {S("Ася"),       1, S("…")    },
        {S("Ася"),       0, S("")       },
        {S(""),             0, S("")       },
        {S("😀😀😀"), 2, S("😀…")},
        {S("abc"),          9, S("abc")    },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_str(str_clip_points(a, rows[i].in, rows[i].most), rows[i].want);
}

static void hex_goes_both_ways(void **state)
{
    (void)state;
    str bytes;
    assert_str(str_hex(a, S("\x00\xff\x10")), S("00ff10"));
    assert_true(str_unhex(a, S("00fF10"), &bytes));
    assert_str(bytes, S("\x00\xff\x10"));
    assert_true(str_unhex(a, S(""), &bytes));
    assert_int_equal(bytes.len, 0);

    static const str bad[] = {S("0"),   S("0g"),  S("g0"),   S("0x"),
                              S(" 00"), S("00 "), S("\0\0"), S("@A")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(str_unhex(a, bad[i], &bytes));
}

static void base64url_goes_both_ways(void **state)
{
    (void)state;
    static const struct {
        str bytes, text;
    } rows[] = {
        {S(""),             S("")      },
        {S("f"),            S("Zg")    },
        {S("fo"),           S("Zm8")   },
        {S("foo"),          S("Zm9v")  },
        {S("foob"),         S("Zm9vYg")},
        {S("\xfb\xff\xfe"), S("-__-")  },
        {S("\0\0\0"),       S("AAAA")  },
    };
    str bytes;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_str(str_base64url(a, rows[i].bytes), rows[i].text);
        assert_true(str_unbase64url(a, rows[i].text, &bytes));
        assert_str(bytes, rows[i].bytes);
    }
    static const str bad[] = {
        S("A"),    S("AAAAA"), S("Zg=="), S("Zg="), S("Zh"),    S("Zm9"),
        S("+_-A"), S("/AAA"),  S("AA A"), S("A\0"), S("AAA\n"), S("Жg"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(str_unbase64url(a, bad[i], &bytes));
}

static void percent_goes_both_ways(void **state)
{
    (void)state;
    str out;
    assert_str(str_percent(a, S("aZ09-._~ /я%+\0"), false), S("aZ09-._~%20%2F%D1%8F%25%2B%00"));
    assert_str(str_percent(a, S("a/b c"), true), S("a/b%20c"));
    assert_true(str_unpercent(a, S("aZ09-._~%20%2f%D1%8F%25%2B%00+"), false, &out));
    assert_str(out, S("aZ09-._~ /я%+\0+"));
    assert_true(str_unpercent(a, S("a+b"), true, &out));
    assert_str(out, S("a b"));

    static const str bad[] = {S("%"),   S("a%"),   S("%2"),    S("%2g"),
                              S("%g2"), S("%%20"), S("%\0\0"), S("% 2")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(str_unpercent(a, bad[i], true, &out));
}

static void html_is_escaped(void **state)
{
    (void)state;
    assert_str(str_html(a, S("")), S(""));
    assert_str(str_html(a, absent), S(""));
    assert_str(str_html(a, S("Ася & Ко")), S("Ася &amp; Ко"));
    assert_str(str_html(a, S("<a href=\"x\">'&amp;")), S("&lt;a href=&quot;x&quot;&gt;'&amp;amp;"));
}

static void buffers_grow(void **state)
{
    (void)state;
    struct buf b = buf_new(a);
    assert_str(buf_str(&b), S(""));
    for (int i = 0; i < 5000; i++) {
        buf_add_char(&b, 'x');
        buf_add(&b, S("yz"));
        buf_add(&b, absent);
    }
    assert_int_equal(b.len, 15000);
    assert_str(str_sub(buf_str(&b), 14997, 9), S("xyz"));

    b = buf_new(a);
    buf_add_i64(&b, INT64_MIN);
    buf_add_i64(&b, 0);
    buf_add_i64(&b, INT64_MAX);
    buf_addf(&b, "[%s|%d|%200d]", "я", -5, 1);
    assert_str(str_sub(buf_str(&b), 0, 49), S("-922337203685477580809223372036854775807[я|-5|  "));
    assert_int_equal(b.len, 40 + 208);
}

static void copies_stand_alone(void **state)
{
    (void)state;
    char text[] = "abc";
    str copy = str_dup(a, (str){text, 3});
    const char *terminated = cstr(a, (str){text, 2});
    text[0] = 'x';
    assert_str(copy, S("abc"));
    assert_string_equal(terminated, "ab");
    assert_string_equal(cstr(a, absent), "");
    assert_null(str_dup(a, absent).ptr);
    assert_null(str_from(NULL).ptr);
    assert_str(str_from("ab"), S("ab"));
    assert_str(str_printf(a, "%s-%d", "a", 7), S("a-7"));
    assert_str(str_printf(a, "%s", ""), S(""));
}

int main(void)
{
#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, make_arena, free_arena)
    const struct CMUnitTest tests[] = {
        WITH_ARENA(strings_compare),
        WITH_ARENA(names_compare),
        WITH_ARENA(secrets_compare),
        WITH_ARENA(white_space_is_trimmed),
        WITH_ARENA(parts_are_clipped_and_cut),
        WITH_ARENA(needles_are_found),
        WITH_ARENA(numbers_are_whole_or_refused),
        WITH_ARENA(utf8_is_checked),
        WITH_ARENA(characters_are_counted),
        cmocka_unit_test(marks_without_a_shape_are_told_from_letters),
        WITH_ARENA(long_texts_are_clipped),
        WITH_ARENA(hex_goes_both_ways),
        WITH_ARENA(base64url_goes_both_ways),
        WITH_ARENA(percent_goes_both_ways),
        WITH_ARENA(html_is_escaped),
        WITH_ARENA(buffers_grow),
        WITH_ARENA(copies_stand_alone),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
