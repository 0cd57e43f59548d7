/* The file of styles: what it may say, and how mistakes in it are told. Runs at the top of the
 * repository, since the file that comes with the product is read as well. */
#include "db/catalogue.h"

#include "core/file.h"
#include "tests/unit/with_arena.h"

#define PLACES                                                                                     \
    "[city]\nicon = C\nname.ru = Город\nname.en = City\n"                                     \
    "[city/cafe]\nicon = K\nname.ru = Кафе\nname.en = Cafes\n"
#define TEXTS                                                                                      \
    "icon = T\ntitle.ru = Кофе\ntitle.en = Coffee\n"                                           \
    "description.ru = Столик у окна, чашка и солнце.\n"                     \
    "description.en = A window table, a cup and the sun.\n"
#define PROMPT "prompt = A photo of {avatar} at a window table of a cafe\n"
#define WHOLE  PLACES "[city/cafe/coffee]\n" TEXTS PROMPT

static err *read_text(str text, struct catalogue *out)
{
    return catalogue_read(a, "styles.ini", text, out);
}

static void a_file_is_read(void **state)
{
    (void)state;
    struct catalogue c;
    assert_null(read_text(S(WHOLE), &c));
    assert_int_equal(c.categories.count, 1);
    assert_int_equal(c.subcategories.count, 1);
    assert_int_equal(c.templates.count, 1);
    assert_str(c.categories.entries[0].name_ru, S("Город"));
    assert_str(c.subcategories.entries[0].parent, S("city"));
    const struct catalogue_entry *coffee = &c.templates.entries[0];
    assert_str(coffee->id, S("coffee"));
    assert_str(coffee->parent, S("cafe"));
    assert_str(coffee->title_en, S("Coffee"));
    assert_str(coffee->prompt, S("A photo of {avatar} at a window table of a cafe"));
    assert_str(coffee->avatars, S("[\"man\",\"woman\"]"));
    assert_int_equal(coffee->line, 9);
}

/* Values over several lines, remarks between them, ends of lines of another system, a byte order mark. */
static void a_file_is_laid_out_freely(void **state)
{
    (void)state;
    struct catalogue c;
    str text = S("\xEF\xBB\xBF# by hand\r\n\r\n" PLACES "  # a remark\n\n [x]\n");
    assert_non_null(read_text(text, &c)); /* an indented line goes on with what is above it */
    text = S("\xEF\xBB\xBF# by hand\r\n\r\n" PLACES "[city/cafe/coffee]\r\n" TEXTS
             "prompt =\r\n  A photo of {avatar}\n# a remark\n\tat a window table = of a cafe  \r\n"
             "avatars = man,object , style");
    assert_null(read_text(text, &c));
    assert_str(c.templates.entries[0].prompt,
               S("A photo of {avatar} at a window table = of a cafe"));
    assert_str(c.templates.entries[0].avatars, S("[\"man\",\"object\",\"style\"]"));
}

static void mistakes_are_told(void **state)
{
    (void)state;
    static const struct {
        str text;
        const char *want;
    } rows[] = {
        {S(""),                                                                                                             "styles.ini:1: holds no styles"                                    },
        {S("# nothing\n"),                                                                                                  "styles.ini:1: holds no styles"                                    },
        {S("icon = x\n"),                                                                                                   "styles.ini:1: \"icon\" stands above the first section"            },
        {S("[city]\nhello\n"),                                                                                              "styles.ini:2: expected [category"                                 },
        {S("[city\n"),                                                                                                      "styles.ini:1: expected [category"                                 },
        {S("[City]\n"),                                                                                                     "styles.ini:1: [City] has a part that is no name"                  },
        {S("[]\n"),                                                                                                         "styles.ini:1: [] has a part that is no name"                      },
        {S("[city/]\n"),                                                                                                    "styles.ini:1: [city/] has a part that is no name"                 },
        {S("[new]\n"),                                                                                                      "styles.ini:1: [new] has a part that is no name"                   },
        {S("[abcdefghijklmnopqrstuvwxy]\n"),                                                                                "has a part that is no name"                                       },
        {S("[a/b/c/d]\n"),                                                                                                  "has more than three parts"                                        },
        {S("[city/cafe]\n"),                                                                                                "stands in a category that is not above it"                        },
        {S(PLACES "[city/street/x]\n"),                                                                                     "styles.ini:9: [city/street/x] stands in a subcategory"            },
        {S(WHOLE "[other]\nicon = O\nname.ru = Иное\nname.en = Other\n[other/cafe/x]\n"),
         "[other/cafe/x] stands in a subcategory that is not above it"                                                                                                                         },
        {S(WHOLE "[city]\n"),                                                                                               "styles.ini:16: [city] there is a category city already, at line 1"},
        {S(WHOLE "[city/cafe/coffee]\n" TEXTS PROMPT),
         "there is a template coffee already, at line 9"                                                                                                                                       },
        {S(PLACES),                                                                                                         "styles.ini:5: [cafe] there is no template in it"                  },
        {S("[city]\nicon = C\nname.ru = Город\nname.en = City\n"),
         "styles.ini:1: [city] there is no subcategory in it"                                                                                                                                  },
        {S(PLACES "title.ru = x\n"),                                                                                        "styles.ini:9: a subcategory has no \"title.ru\""                  },
        {S(WHOLE "nmae.ru = x\n"),                                                                                          "styles.ini:16: a template has no \"nmae.ru\""                     },
        {S(WHOLE "icon = U\n"),                                                                                             "styles.ini:16: icon is there twice"                               },
        {S("[city]\n  go on\n"),                                                                                            "styles.ini:2: begins with a space, and there is no"               },
        {S(PLACES "[city/cafe/coffee]\n" TEXTS),                                                                            "styles.ini:9: [coffee] prompt is missing"                         },
        {S(PLACES "[city/cafe/coffee]\n" PROMPT),                                                                           "styles.ini:9: [coffee] title.ru is missing"                       },
        {S(PLACES "[city/cafe/coffee]\n" TEXTS "prompt = {avatar}\n"),
         "prompt has 8 characters; expected 40 to 1500"                                                                                                                                        },
        {S(PLACES "[city/cafe/coffee]\n" TEXTS
                  "prompt = A photo of somebody at a window table of a cafe\n"),
         "prompt holds {avatar} once"                                                                                                                                                          },
        {S(PLACES "[city/cafe/coffee]\n" TEXTS
                  "prompt = A photo of {avatar} with {avatar} at a table of a cafe\n"),
         "prompt holds {avatar} once"                                                                                                                                                          },
        {S(PLACES "[city/cafe/coffee]\n" TEXTS
                  "prompt = A photo of {avatar} and {person} at a table of a cafe\n"),
         "no other braces"                                                                                                                                                                     },
        {S(PLACES "[city/cafe/coffee]\n" TEXTS
                  "prompt = Фото {avatar} за столиком у окна маленького кафе\n"),
         "English, in ASCII alone"                                                                                                                                                             },
        {S(WHOLE "avatars = cat\n"),                                                                                        "avatars is a list of portrait, man, woman"                        },
        {S(WHOLE "avatars = man,\n"),                                                                                       "avatars is a list of portrait, man, woman"                        },
        {S(WHOLE "[city/cafe/tea]\ntitle.ru = Ч\n"),                                                                       "title.ru has 1 characters; expected 2 to 26"                      },
        {S("[city]\nicon = \xE2\x80\x8B\nname.ru = Город\nname.en = City\n"),
         "icon holds what nobody can see"                                                                                                                                                      },
        {S("[city]\nicon = C\nname.ru = Го\x01род\nname.en = City\n"),
         "name.ru holds what nobody can see"                                                                                                                                                   },
        {S(WHOLE "# \xff\n"),                                                                                               "styles.ini:16: is no UTF-8"                                       },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct catalogue c;
        size_t at;
        err *e = read_text(rows[i].text, &c);
        if (!e || e->kind != ERR_INPUT) {
            fail_msg("row %zu was taken", i);
            return;
        }
        if (!str_find(e->message, str_from(rows[i].want), &at))
            fail_msg("row %zu: " STR_FMT, i, STR_ARG(e->message));
    }
}

/* All of them at once, each on a line with its place; those of a refused section are not told of. */
static void all_mistakes_are_told(void **state)
{
    (void)state;
    struct catalogue c;
    err *e = read_text(S("[city]\nicon = C\nname.en = City\nx\n[Bad]\nwhatever = y\n"), &c);
    assert_non_null(e);
    assert_str(
        e->message,
        S("styles.ini:4: expected [category/subcategory/template], name = value or # a remark\n"
          "styles.ini:5: [Bad] has a part that is no name: a-z, 0-9 and _, 24 of them at most, "
          "and not \"new\"\n"
          "styles.ini:1: [city] name.ru is missing\n"
          "styles.ini:1: [city] there is no subcategory in it"));
}

/* What comes with the product: for people and for each kind of avatar. */
static void our_own_file_is_in_order(void **state)
{
    (void)state;
    struct catalogue c;
    str text = S("");
    assert_null(file_read(a, "db/styles.ini", CATALOGUE_MOST_BYTES, &text));
    err *e = catalogue_read(a, "db/styles.ini", text, &c);
    if (e) {
        fail_msg(STR_FMT, STR_ARG(e->message));
        return;
    }
    assert_true(c.categories.count >= 6);
    assert_true(c.templates.count >= 40);
    const str kinds[] = {S("man"), S("woman"), S("style"), S("object")};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        size_t suiting = 0, at;
        for (size_t i = 0; i < c.templates.count; i++)
            suiting += str_find(c.templates.entries[i].avatars, kinds[k], &at);
        assert_true(suiting >= 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_read, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(a_file_is_laid_out_freely, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(mistakes_are_told, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(all_mistakes_are_told, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(our_own_file_is_in_order, make_arena, free_arena),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
