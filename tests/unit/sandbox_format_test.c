/* Telegram's HTML as the sandbox reads it: text, entities in UTF-16, words of refusal. */
#include "tests/sandbox/format.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena *a;

static void assert_text(str got, const char *want)
{
    assert_string_equal(cstr(a, got), want);
}

static void good_html_becomes_text_and_entities(void **state)
{
    (void)state;
    static const struct {
        const char *html, *text, *entities;
    } rows[] = {
        {"plain",                                          "plain",                    ""                                                      },
        {"  <b>x</b>\n",                                   "x",                        "[{\"offset\":0,\"length\":1,\"type\":\"bold\"}]"       },
        {"<b> x </b>",                                     "x",                        "[{\"offset\":0,\"length\":1,\"type\":\"bold\"}]"       },
        {"a<b></b>c",                                      "ac",                       ""                                                      },
        {"&lt;&gt;&amp;&quot;&#65;&#x42;&nbsp;&",          "<>&\"AB&nbsp;&",           ""                                                      },
        {"&lt&gt",                                         "<>",                       ""                                                      },
        {"&#0;&#55296;&#1114112;",                         "&#0;&#55296;&#1114112;",   ""                                                      },
        {"\xF0\x9F\x98\x80<i>\xD1\x8F</i>",                "\xF0\x9F\x98\x80\xD1\x8F",
         "[{\"offset\":2,\"length\":1,\"type\":\"italic\"}]"                                                                                   },
        {"&#128512;<u>x</u>",                              "\xF0\x9F\x98\x80x",
         "[{\"offset\":2,\"length\":1,\"type\":\"underline\"}]"                                                                                },
        {"<STRONG>x</STRONG>",                             "x",                        "[{\"offset\":0,\"length\":1,\"type\":\"bold\"}]"       },
        {"<b>x</>",                                        "x",                        "[{\"offset\":0,\"length\":1,\"type\":\"bold\"}]"       },
        {"<a href='https://a.b'>x</a>",                    "x",
         "[{\"offset\":0,\"length\":1,\"type\":\"text_link\",\"url\":\"https://a.b\"}]"                                                        },
        {"<a href=\"nothing\">x</a>",                      "x",                        ""                                                      },
        {"<code class=\"language-c\">x</code>",            "x",
         "[{\"offset\":0,\"length\":1,\"type\":\"code\",\"language\":\"c\"}]"                                                                  },
        {"<pre><code class=\"language-c\">x</code></pre>", "x",
         "[{\"offset\":0,\"length\":1,\"type\":\"pre\",\"language\":\"c\"}]"                                                                   },
        {"<span class=\"tg-spoiler\">x</span>",            "x",
         "[{\"offset\":0,\"length\":1,\"type\":\"spoiler\"}]"                                                                                  },
        {"<tg-emoji emoji-id=\"5\">x</tg-emoji>",          "x",
         "[{\"offset\":0,\"length\":1,\"type\":\"custom_emoji\",\"custom_emoji_id\":\"5\"}]"                                                   },
        {"<tg-time unix=\"60\" format=\"t\">x</tg-time>",  "x",
         "[{\"offset\":0,\"length\":1,\"type\":\"date_time\",\"unix_time\":60,"
         "\"date_time_format\":\"t\"}]"                                                                                                        },
        {"<blockquote expandable>x</blockquote>",          "x",
         "[{\"offset\":0,\"length\":1,\"type\":\"expandable_blockquote\"}]"                                                                    },
        {"<code>/go @someone</code>",                      "/go @someone",
         "[{\"offset\":0,\"length\":12,\"type\":\"code\"}]"                                                                                    },
        {"/go",                                            "/go",                      "[{\"offset\":0,\"length\":3,\"type\":\"bot_command\"}]"},
        {"1/2 a@b.c",                                      "1/2 a@b.c",                ""                                                      },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct entities entities = entities_new(a);
        struct formatted out;
        str wrong;
        assert_true(format_html(a, str_from(rows[i].html), &out, &entities, &wrong));
        format_finish(a, &out, &entities);
        assert_text(out.text, rows[i].text);
        assert_text(out.entities, rows[i].entities);
        assert_int_equal(out.units, str_utf16_units(out.text));
        arena_reset(a);
    }
}

static void bad_html_is_refused_with_telegrams_words(void **state)
{
    (void)state;
    static const struct {
        const char *html, *wrong;
    } rows[] = {
        {"<",                      "Unclosed start tag at byte offset 0"                                  },
        {"x<b",                    "Unclosed start tag at byte offset 1"                                  },
        {"<b ",                    "Unclosed start tag \"b\" at byte offset 0"                            },
        {"<p>x</p>",               "Unsupported start tag \"p\" at byte offset 0"                         },
        {"<br/>",                  "Unsupported start tag \"br/\" at byte offset 0"                       },
        {"a <- b",                 "Unsupported start tag \"-\" at byte offset 2"                         },
        {"<b>x",                   "Can't find end tag corresponding to start tag \"b\""                  },
        {"<b><i>x</i>",            "Can't find end tag corresponding to start tag \"b\""                  },
        {"</b>",                   "Unexpected end tag at byte offset 0"                                  },
        {"<b>x</i>",               "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\""},
        {"<b>x</b",                "Unclosed end tag at byte offset 4"                                    },
        {"<a href=\"x>y</a>",      "Unclosed start tag at byte offset 0"                                  },
        {"<a href=a/b>y</a>",      "Unexpected end of name token at byte offset 8"                        },
        {"<a =1>y</a>",            "Empty attribute name in the tag \"a\" at byte offset 0"               },
        {"<span>y</span>",         "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"         },
        {"<tg-emoji>y</tg-emoji>", "Invalid custom emoji identifier specified"                            },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct entities entities = entities_new(a);
        struct formatted out;
        str wrong = S("(it was taken)");
        bool is_good = format_html(a, str_from(rows[i].html), &out, &entities, &wrong);
        assert_text(wrong, rows[i].wrong);
        assert_false(is_good);
        arena_reset(a);
    }
}

static void control_characters_are_cleaned(void **state)
{
    (void)state;
    assert_text(format_clean(a, S("a\r\nb\tc\x01"
                                  "d")),
                "a\nb c d");
    assert_text(format_clean(a, S("")), "");
}

static void given_entities_stay_inside_of_the_text(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool is_good;
    } rows[] = {
        {"[]",                                                             true },
        {"[{\"type\":\"bold\",\"offset\":0,\"length\":4}]",                true },
        {"[{\"type\":\"bold\",\"offset\":4,\"length\":1}]",                false},
        {"[{\"type\":\"bold\",\"offset\":-1,\"length\":1}]",               false},
        {"[{\"type\":\"bold\",\"offset\":0,\"length\":0}]",                false},
        {"[{\"type\":\"bold\",\"offset\":9007199254740991,\"length\":1}]", false},
        {"[{\"type\":\"loud\",\"offset\":0,\"length\":1}]",                false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_object *array;
        struct entities entities = entities_new(a);
        assert_null(json_parse(a, str_from(rows[i].json), &array));
        assert_int_equal(entities_read(array, 4, &entities), rows[i].is_good);
        arena_reset(a);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_html_becomes_text_and_entities),
        cmocka_unit_test(bad_html_is_refused_with_telegrams_words),
        cmocka_unit_test(control_characters_are_cleaned),
        cmocka_unit_test(given_entities_stay_inside_of_the_text),
    };
    a = arena_new(16 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(a);
    return failed;
}
