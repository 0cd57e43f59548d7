#include "core/charset.h"

#include "tests/unit/with_arena.h"

static void texts_are_read_as_they_were_meant(void **state)
{
    (void)state;
    const struct {
        const char *what;
        str bytes;
        const char *want; /* NULL: no text */
    } rows[] = {
        {"UTF-8",                S("Привет, мир"),          "Привет, мир"},
        {"its mark is dropped",  S("\xEF\xBB\xBFПривет"),      "Привет"        },
        {"line ends",            S("one\r\ntwo\r\n"),                "one\ntwo\n"          },
        {"UTF-16 with a mark",   S("\xFF\xFE\x1F\x04@\x04!\0"),      "Пр!"               },
        {"the other way round",  S("\xFE\xFF\x04\x1F\x04@\0!"),      "Пр!"               },
        {"without a mark",       S("H\0e\0l\0l\0o\0"),               "Hello"               },
        {"and the other way",    S("\0H\0e\0l\0l\0o"),               "Hello"               },
        {"in Cyrillic",
         S("\x1F\x04@\x04"
           "8\x04"
           "2\x04"
           "5\x04"
           "B\x04"),
         "Привет"                                                                    },
        {"a pair of surrogates", S("\xFF\xFE\x3D\xD8\x00\xDE"),      "😀"                },
        {"half of a pair",       S("\xFF\xFE\x3D\xD8!\0"),           "\xEF\xBF\xBD!"       },
        {"code page 1251",
         S("\xCF\xF0\xE8\xE2\xE5\xF2, \xB8\xEB\xEA\xE0 \xB9"
           "1"),
         "Привет, ёлка №1"                                                     },
        {"a picture",            S("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), NULL                  },
        {"an archive",           S("PK\3\4\x14\0\0\0\x08\0"),        NULL                  },
        {"controls in UTF-8",    S("one\1two"),                      NULL                  },
        {"not in the page",      S("\xCF\xF0\x98"),                  NULL                  },
        {"nothing",              S(""),                              ""                    },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        str got = S("");
        bool is_text = charset_to_utf8(a, rows[i].bytes, &got);
        if (is_text != (rows[i].want != NULL) || (is_text && !str_eq(got, str_from(rows[i].want))))
            fail_msg("%s: %d \"" STR_FMT "\"", rows[i].what, is_text, STR_ARG(got));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(texts_are_read_as_they_were_meant, make_arena, free_arena),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
