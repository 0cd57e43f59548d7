#include "handlers/images/prompt.h"

/* What stands behind the trigger of an avatar, and what in place of one that has none. */
static const struct {
    const char *kind, *behind_trigger, *alone;
} nouns[] = {
    {"man",    " man",   "a man"             },
    {"woman",  " woman", "a woman"           },
    {"style",  " style", "a style of its own"},
    {"object", "",       "an object"         },
};

/* ASCII letters alone: a trigger is made by us. */
static bool stands_at(str text, size_t at, str wanted)
{
    return str_eq_nocase(str_sub(text, at, wanted.len), wanted);
}

static bool has(str text, str wanted)
{
    for (size_t at = 0; at < text.len; at++)
        if (stands_at(text, at, wanted))
            return true;
    return false;
}

/* A single space is left where one stood. */
static str without(struct arena *a, str text, str wanted)
{
    struct buf b = buf_new(a);
    for (size_t at = 0; at < text.len;) {
        bool is_it = stands_at(text, at, wanted);
        char c = is_it ? ' ' : text.ptr[at];
        bool is_second_space = c == ' ' && b.len && b.ptr[b.len - 1] == ' ';
        if (!is_second_space)
            buf_add_char(&b, c);
        at += is_it ? wanted.len : 1;
    }
    return buf_str(&b);
}

static bool is_left_over(char c)
{
    return c == ' ' || c == ',' || c == ';' || c == ':' || c == '.';
}

str prompt_with_trigger(struct arena *a, str trigger, str words)
{
    if (str_empty(trigger))
        return words;
    str rest = words;
    while (has(rest, trigger)) /* taking one out can make another of what stood around it */
        rest = without(a, rest, trigger);
    while (!str_empty(rest) && is_left_over(rest.ptr[0]))
        rest = str_sub(rest, 1, rest.len);
    rest = str_trim(rest);
    if (str_empty(rest))
        return trigger;
    return str_printf(a, STR_FMT ", " STR_FMT, STR_ARG(trigger), STR_ARG(rest));
}

static str avatar_words(struct arena *a, str trigger, str kind)
{
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(nouns) && !str_is(kind, nouns[i].kind))
        i++;
    return str_empty(trigger)
               ? str_from(nouns[i].alone)
               : str_printf(a, STR_FMT "%s", STR_ARG(trigger), nouns[i].behind_trigger);
}

/* What stands around the place has no trigger: it was written before there was one. */
str prompt_of_style(struct arena *a, str trigger, str kind, str prompt)
{
    static const str place = S("{avatar}");
    size_t at;
    if (!str_find(prompt, place, &at))
        return prompt_with_trigger(a, trigger, prompt);
    str before = str_sub(prompt, 0, at);
    str behind = str_sub(prompt, at + place.len, prompt.len);
    return str_printf(a, STR_FMT STR_FMT STR_FMT, STR_ARG(before),
                      STR_ARG(avatar_words(a, trigger, kind)), STR_ARG(behind));
}
