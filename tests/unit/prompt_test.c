/* Prompts: the trigger of an avatar stands in them exactly once. */
#include "handlers/images/prompt.h"

#include "tests/unit/with_arena.h"

static void trigger_stands_once(void **state)
{
    (void)state;
    static const struct {
        str trigger, words, want;
    } rows[] = {
        {S("TOK_1a2b3c4d"), S("на пляже"),                                S("TOK_1a2b3c4d, на пляже")    },
        {S("TOK_1a2b3c4d"), S("  on a beach \n"),                                S("TOK_1a2b3c4d, on a beach")         },
 /* The user typed it as well: in the beginning, in the end, between, in another case. */
        {S("TOK_1a2b3c4d"), S("TOK_1a2b3c4d on a beach"),                        S("TOK_1a2b3c4d, on a beach")         },
        {S("TOK_1a2b3c4d"), S("TOK_1a2b3c4d, on a beach"),                       S("TOK_1a2b3c4d, on a beach")         },
        {S("TOK_1a2b3c4d"), S("a beach with TOK_1a2b3c4d"),                      S("TOK_1a2b3c4d, a beach with")       },
        {S("TOK_1a2b3c4d"), S("here tok_1A2B3C4D stands"),                       S("TOK_1a2b3c4d, here stands")        },
        {S("TOK_1a2b3c4d"), S("tok_1a2b3c4d and Tok_1a2b3c4D and TOK_1A2B3C4D"),
         S("TOK_1a2b3c4d, and and")                                                                                    },
 /* Without a space around it, next to itself, nothing but it. */
        {S("TOK_1a2b3c4d"), S("xTOK_1a2b3c4dy"),                                 S("TOK_1a2b3c4d, x y")                },
        {S("TOK_1a2b3c4d"), S("TOK_1a2b3c4dTOK_1a2b3c4d"),                       S("TOK_1a2b3c4d")                     },
        {S("TOK_1a2b3c4d"), S(" , tok_1a2b3c4d. "),                              S("TOK_1a2b3c4d")                     },
        {S("TOK_1a2b3c4d"), S(""),                                               S("TOK_1a2b3c4d")                     },
 /* Less than the whole of it is a word like any other. */
        {S("TOK_1a2b3c4d"), S("TOK and TOK_1a2b3c4"),                            S("TOK_1a2b3c4d, TOK and TOK_1a2b3c4")},
 /* What is left when one is taken out must not make another. */
        {S("TOK_1a2b3c4d"), S("TOKTOK_1a2b3c4d_1a2b3c4d"),                       S("TOK_1a2b3c4d, TOK _1a2b3c4d")      },
        {S("a b"),          S("a a b b c"),                                      S("a b, c")                           },
 /* Spaces that the user typed elsewhere stay; letters outside ASCII are not folded. */
        {S("TOK_ж"),       S("tok_Ж"),                                         S("TOK_ж, tok_Ж")                   },
        {S("TOK_1a2b3c4d"), S("два  слова"),                             S("TOK_1a2b3c4d, два  слова") },
 /* An avatar without one. */
        {S(""),             S("на пляже"),                                S("на пляже")                  },
        {{0},               S(" TOK "),                                          S(" TOK ")                            },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_str(prompt_with_trigger(a, rows[i].trigger, rows[i].words), rows[i].want);
}

static size_t count_nocase(str text, str wanted)
{
    size_t count = 0;
    for (size_t at = 0; at < text.len; at++)
        count += str_eq_nocase(str_sub(text, at, wanted.len), wanted);
    return count;
}

/* Whatever stands around pieces of it. */
static void pieces_make_no_second(void **state)
{
    (void)state;
    const str trigger = S("TOK_ab");
    static const str pieces[] = {S("TOK_"), S("ab"), S(" "), S("tok_AB"), S("T"), S(",")};
    enum { LENGTH = 5, PIECES = ARRAY_LEN(pieces) };
    size_t all = 1;
    for (int i = 0; i < LENGTH; i++)
        all *= PIECES;
    for (size_t number = 0; number < all; number++) {
        struct buf words = buf_new(a);
        for (size_t i = 0, left = number; i < LENGTH; i++, left /= PIECES)
            buf_add(&words, pieces[left % PIECES]);
        str prompt = prompt_with_trigger(a, trigger, buf_str(&words));
        assert_true(str_starts(prompt, trigger));
        assert_int_equal(count_nocase(prompt, trigger), 1);
        arena_reset(a);
    }
}

static void a_style_has_the_avatar_in_its_place(void **state)
{
    (void)state;
    static const struct {
        str trigger, kind, prompt, want;
    } rows[] = {
        {S("TOK_1a"), S("woman"),  S("a photo of {avatar} at sea"),
         S("a photo of TOK_1a woman at sea")                                                             },
        {S("TOK_1a"), S("man"),    S("{avatar} at sea"),            S("TOK_1a man at sea")               },
        {S("TOK_1a"), S("style"),  S("a harbour, in {avatar}"),     S("a harbour, in TOK_1a style")      },
        {S("TOK_1a"), S("object"), S("a photo of {avatar}, wet"),   S("a photo of TOK_1a, wet")          },
        {S(""),       S("woman"),  S("a photo of {avatar} at sea"), S("a photo of a woman at sea")       },
        {S(""),       S("style"),  S("a harbour, in {avatar}"),     S("a harbour, in a style of its own")},
        {S("TOK_1a"), S("man"),    S("a photo at sea"),             S("TOK_1a, a photo at sea")          },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_str(prompt_of_style(a, rows[i].trigger, rows[i].kind, rows[i].prompt), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(trigger_stands_once, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(pieces_make_no_second, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(a_style_has_the_avatar_in_its_place, make_arena,
                                        free_arena),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
