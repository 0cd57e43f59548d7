/*
 * openai_words.c - what a chat says. It thinks nothing: it does what verbs of the instruction
 * ask for, to the very words and pixels that were sent, so that a test can tell from the answer
 * what was asked, and another question never gets the same answer.
 *
 *   a picture       what can be measured of it: size, light, colours
 *   "translate"     Russian words that it knows in English, the others letter by letter
 *   "enhance"       light, lens and mood are added, chosen by the words
 *   anything else   the first, the last, and some sentences in between, a line each
 *
 * Where JSON is wanted the answer has the shape of the first object that the instruction
 * shows: each text in it is replaced by the answer, each list by its lines. What a picture shows
 * is said in Russian where a text of that shape asks for it.
 */
#include "tests/sandbox/openai_inside.h"

#include <json-c/linkhash.h>

#include "tests/sandbox/photo.h"

enum { LOOK_SIDE = 16, DIGEST_MOST_LINES = 6 };

/* -- Russian in Latin letters -- */

static const struct {
    const char *russian, *english;
} dictionary[] = {
    {"маяк",           "lighthouse" },
    {"море",           "sea"        },
    {"моря",           "sea"        },
    {"девушка",     "young woman"},
    {"мужчина",     "man"        },
    {"женщина",     "woman"      },
    {"кот",             "cat"        },
    {"кошка",         "cat"        },
    {"собака",       "dog"        },
    {"лес",             "forest"     },
    {"город",         "city"       },
    {"дом",             "house"      },
    {"закат",         "sunset"     },
    {"рассвет",     "sunrise"    },
    {"портрет",     "portrait"   },
    {"ночь",           "night"      },
    {"утро",           "morning"    },
    {"снег",           "snow"       },
    {"дождь",         "rain"       },
    {"горы",           "mountains"  },
    {"кафе",           "cafe"       },
    {"улица",         "street"     },
    {"красный",     "red"        },
    {"красная",     "red"        },
    {"синий",         "blue"       },
    {"белый",         "white"      },
    {"белая",         "white"      },
    {"чёрный",       "black"      },
    {"старый",       "old"        },
    {"старая",       "old"        },
    {"молодой",     "young"      },
    {"в",                 "in"         },
    {"на",               "on"         },
    {"у",                 "by"         },
    {"с",                 "with"       },
    {"и",                 "and"        },
    {"под",             "under"      },
    {"над",             "above"      },
    {"без",             "without"    },
    {"космонавт", "astronaut"  },
    {"пальто",       "coat"       },
    {"платье",       "dress"      },
    {"костюм",       "suit"       },
};

static const char *const latin[] = {
    "a", "b", "v", "g", "d", "e",  "zh", "z",  "i",  "y",    "k", "l", "m", "n", "o",  "p",
    "r", "s", "t", "u", "f", "kh", "ts", "ch", "sh", "shch", "",  "y", "",  "e", "yu", "ya",
};

enum { SMALL_A = 0x430, CAPITAL_A = 0x410, LETTERS = 32, SMALL_YO = 0x451, CAPITAL_YO = 0x401 };

/* The number of a Russian letter, ё being е; -1 for anything else. */
static int russian_letter(str text, size_t at, size_t width, bool *is_capital)
{
    if (width != 2)
        return -1;
    int point = ((unsigned char)text.ptr[at] & 0x1F) << 6 |
                ((unsigned char)text.ptr[at + 1] & 0x3F);
    *is_capital = (point >= CAPITAL_A && point < CAPITAL_A + LETTERS) || point == CAPITAL_YO;
    if (point == SMALL_YO || point == CAPITAL_YO)
        return 5;
    int number = point - (*is_capital ? CAPITAL_A : SMALL_A);
    return number >= 0 && number < LETTERS ? number : -1;
}

static str spelt(struct arena *a, str word)
{
    struct buf b = buf_new(a);
    size_t width;
    for (size_t at = 0; (width = str_utf8_at(word, at)) > 0; at += width) {
        bool is_capital = false;
        int number = russian_letter(word, at, width, &is_capital);
        buf_add(&b, number < 0 ? S("") : str_from(latin[number]));
    }
    return buf_str(&b);
}

static str lowered(struct arena *a, str word)
{
    struct buf b = buf_new(a);
    size_t width;
    for (size_t at = 0; (width = str_utf8_at(word, at)) > 0; at += width) {
        bool is_capital = false;
        int point = SMALL_A + russian_letter(word, at, width, &is_capital);
        if (str_eq(str_sub(word, at, width), S("ё")) || str_eq(str_sub(word, at, width), S("Ё")))
            point = SMALL_YO;
        buf_add_char(&b, (char)(0xC0 | point >> 6));
        buf_add_char(&b, (char)(0x80 | (point & 0x3F)));
    }
    return buf_str(&b);
}

static str translated_word(struct arena *a, str word)
{
    str small = lowered(a, word);
    for (size_t i = 0; i < ARRAY_LEN(dictionary); i++)
        if (str_eq(small, str_from(dictionary[i].russian)))
            return str_from(dictionary[i].english);
    return spelt(a, small);
}

static str translated(struct arena *a, str text)
{
    struct buf b = buf_new(a);
    size_t width, from;
    bool is_capital = false;
    for (size_t at = 0; (width = str_utf8_at(text, at)) > 0;) {
        for (from = at; width > 0 && russian_letter(text, at, width, &is_capital) >= 0;
             width = str_utf8_at(text, at))
            at += width;
        if (at > from)
            buf_add(&b, translated_word(a, str_sub(text, from, at - from)));
        buf_add(&b, str_sub(text, at, width));
        at += width;
    }
    return buf_str(&b);
}

/* -- additions, chosen by the words -- */

static uint32_t hash_of(str text)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619u;
    return hash;
}

static str enhanced(struct arena *a, str text)
{
    static const char *const lights[] = {"soft window light", "golden hour light",
                                         "diffused overcast light", "warm rim light"};
    static const char *const lenses[] = {"35mm lens", "50mm lens", "85mm lens"};
    static const char *const moods[] = {"calm mood", "quiet drama", "gentle film grain"};
    uint32_t hash = hash_of(text);
    return str_printf(a, STR_FMT ", %s, %s, %s, natural colours, sharp focus", STR_ARG(text),
                      lights[hash % ARRAY_LEN(lights)], lenses[hash / 8 % ARRAY_LEN(lenses)],
                      moods[hash / 64 % ARRAY_LEN(moods)]);
}

/* -- pictures -- */

struct word {
    const char *english, *russian;
};

static struct word colour_of(int red, int green, int blue)
{
    int most = red > green ? red : green, least = red < green ? red : green;
    most = blue > most ? blue : most;
    least = blue < least ? blue : least;
    if (most - least < 24)
        return most > 200  ? (struct word){"white", "белое"}
               : most < 60 ? (struct word){"black", "чёрное"}
                           : (struct word){"grey", "серое"};
    if (most == red && green > blue + 40)
        return green > red - 40 ? (struct word){"yellow", "жёлтое"}
                                : (struct word){"orange", "оранжевое"};
    if (most == red)
        return (struct word){"red", "красное"};
    return most == green ? (struct word){"green", "зелёное"} : (struct word){"blue", "синее"};
}

static struct word light_of(int light)
{
    if (light > 170)
        return (struct word){"bright", "светлая"};
    return light < 85 ? (struct word){"dark", "тёмная"}
                      : (struct word){"softly lit", "мягко освещённая"};
}

static str described(struct arena *a, str picture, bool in_russian)
{
    str pixels;
    int sums[4][3] = {{0}}, width, height;
    if (!photo_square(a, picture, LOOK_SIDE, &pixels) ||
        !photo_measure(a, picture, &width, &height))
        return S("nothing that can be seen");
    for (int i = 0; i < LOOK_SIDE * LOOK_SIDE; i++) {
        int corner = (i / LOOK_SIDE >= LOOK_SIDE / 2) * 2 + (i % LOOK_SIDE >= LOOK_SIDE / 2);
        for (int channel = 0; channel < 3; channel++)
            sums[corner][channel] += (unsigned char)pixels.ptr[i * 3 + channel];
    }
    const char *colours[4];
    int light = 0, count = LOOK_SIDE * LOOK_SIDE / 4;
    for (int i = 0; i < 4; i++) {
        struct word colour = colour_of(sums[i][0] / count, sums[i][1] / count, sums[i][2] / count);
        colours[i] = in_russian ? colour.russian : colour.english;
        light += (sums[i][0] + sums[i][1] + sums[i][2]) / (3 * 4 * count);
    }
    struct word how = light_of(light);
    return in_russian
               ? str_printf(a, "%s картинка %dx%d, вверху %s и %s, внизу %s и %s", how.russian,
                            width, height, colours[0], colours[1], colours[2], colours[3])
               : str_printf(a, "a %s picture of %dx%d, %s and %s above, %s and %s below",
                            how.english, width, height, colours[0], colours[1], colours[2],
                            colours[3]);
}

/* -- digests -- */

static str next_sentence(str *left)
{
    size_t end = 0;
    while (end < left->len && !strchr(".!?\n", left->ptr[end]))
        end++;
    end += end < left->len;
    str sentence = str_trim(str_sub(*left, 0, end));
    *left = str_sub(*left, end, left->len);
    return sentence;
}

static size_t count_sentences(str text)
{
    size_t count = 0;
    while (text.len)
        count += next_sentence(&text).len > 1;
    return count;
}

/* The first, the last, and others evenly between them. */
static str digest(struct arena *a, str text)
{
    size_t count = count_sentences(text), number = 0, told = 0;
    size_t lines = count < DIGEST_MOST_LINES ? count : DIGEST_MOST_LINES;
    struct buf b = buf_new(a);
    while (text.len && told < lines) {
        str sentence = next_sentence(&text);
        if (sentence.len <= 1)
            continue;
        if (number++ != (lines > 1 ? told * (count - 1) / (lines - 1) : 0))
            continue;
        buf_add(&b, told++ ? S("\n- ") : S("- "));
        buf_add(&b, sentence);
    }
    return b.len ? buf_str(&b) : str_trim(text);
}

/* -- the shape of JSON -- */

/* The first whole object that stands in a text. */
static struct json_object *shape_in(struct arena *a, str text)
{
    struct json_object *shape;
    for (size_t from = 0; from < text.len; from++) {
        if (text.ptr[from] != '{')
            continue;
        for (size_t to = from + 1; to < text.len; to++)
            if (text.ptr[to] == '}' && !json_parse(a, str_sub(text, from, to + 1 - from), &shape))
                return shape;
    }
    return NULL;
}

static str lines_json(struct arena *a, str text)
{
    struct buf b = buf_new(a);
    str line;
    buf_add_char(&b, '[');
    while (text.len) {
        str_cut(text, '\n', &line, &text);
        if (str_starts(line, S("- ")))
            line = str_sub(line, 2, line.len);
        if (b.len > 1)
            buf_add_char(&b, ',');
        json_put_str(&b, line);
    }
    buf_add_char(&b, ']');
    return buf_str(&b);
}

static bool is_for_russian(struct json_object *value)
{
    size_t at;
    return str_find(json_value_str(value), S("in Russian"), &at);
}

static str shaped(struct arena *a, str instruction, str said, str said_in_russian)
{
    struct json_object *shape = shape_in(a, instruction);
    struct buf b = buf_new(a);
    if (!shape)
        return json_make(a, KV("text", said));
    buf_add_char(&b, '{');
    json_object_object_foreach(shape, name, value)
    {
        if (b.len > 1)
            buf_add_char(&b, ',');
        json_put_str(&b, str_from(name));
        buf_add_char(&b, ':');
        if (json_object_is_type(value, json_type_string))
            json_put_str(&b, is_for_russian(value) ? said_in_russian : said);
        else if (json_object_is_type(value, json_type_array))
            buf_add(&b, lines_json(a, said));
        else
            buf_add(&b, json_text(a, value));
    }
    buf_add_char(&b, '}');
    return buf_str(&b);
}

/* -- all of it -- */

static bool asks_to(str instruction, const char *verb)
{
    size_t at;
    str rest = str_from(verb);
    return str_find(instruction, str_sub(rest, 1, rest.len),
                    &at); /* whatever its first letter is */
}

/* What the picture shows, and what the user says with it. */
static str seen(struct arena *a, const struct openai_thought *thought, bool in_russian)
{
    str shown = described(a, thought->picture, in_russian);
    if (str_empty(thought->text))
        return shown;
    str wished = in_russian ? thought->text : translated(a, thought->text);
    return str_printf(a, STR_FMT ", " STR_FMT, STR_ARG(shown), STR_ARG(wished));
}

str openai_think(struct arena *a, const struct openai_thought *thought)
{
    str instruction = thought->instruction, said = thought->text;
    bool translates = asks_to(instruction, "translat"), enhances = asks_to(instruction, "enhanc");
    if (thought->picture.len)
        said = seen(a, thought, false);
    else if (translates)
        said = translated(a, said);
    if (enhances)
        said = enhanced(a, said);
    if (!thought->picture.len && !translates && !enhances)
        said = digest(a, said);
    str said_in_russian = thought->picture.len ? seen(a, thought, true) : said;
    return thought->wants_json ? shaped(a, instruction, said, said_in_russian) : said;
}
