/*
 * The tables of handlers/routes.c and the texts, walked as a whole: no button
 * leads nowhere, no text is missing or unused, no dialog is a trap. What
 * buttons, texts and jobs the code makes is read from its sources, so this
 * runs at the top of the repository.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "handlers/routes.h"

#include <cmocka.h>
#undef fail
#include <ctype.h>
#include <glob.h>

/* cmocka's own uses its name fail, which is ours too. */
#define COMPLAIN(...)                                                                              \
    do {                                                                                           \
        printf("# " __VA_ARGS__);                                                                  \
        printf("\n");                                                                              \
        assert_true(false);                                                                        \
    } while (0)

enum {
    TAP_MAX_BYTES = 64,
    UUID_LENGTH = 36,
    TOAST_MAX_POINTS = 200,
    BUTTON_MAX_POINTS = 30, /* what a phone shows of a button that has its row for itself */
    COMMAND_MAX_BYTES = 32,
    COMMAND_WORDS_MAX = 256,
    MESSAGE_MAX_UNITS = 4096,
    CAPTION_MAX_UNITS = 1024,
    CAPTION_WORDS_UNITS = 800, /* of the user's words in a caption */
    SCREEN_WORDS_UNITS = 1200, /* in a message, and as much for a list */
    NUMBER_LENGTH = 20,
};

static struct arena *arena;
static str sources; /* of handlers, without the tables */

/* ---------------------------------------------------------------- reading the sources */

static str read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    struct buf b = buf_new(arena);
    char chunk[8192];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_add(&b, (str){chunk, got});
    fclose(file);
    return buf_str(&b);
}

static str read_files(const char *pattern, const char *without)
{
    glob_t found;
    assert_int_equal(glob(pattern, GLOB_BRACE, NULL, &found), 0);
    struct buf b = buf_new(arena);
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (strcmp(found.gl_pathv[i], without) != 0)
            buf_add(&b, read_file(found.gl_pathv[i]));
    globfree(&found);
    return buf_str(&b);
}

static bool is_word_char(char c)
{
    return islower((unsigned char)c) || isdigit((unsigned char)c) || c == '_';
}

static str word_at(str text, size_t at)
{
    size_t end = at;
    while (end < text.len && is_word_char(text.ptr[end]))
        end++;
    return str_sub(text, at, end - at);
}

/* Each literal that reads "feature:action" or "feature:action:…" is a tap. */
static bool next_tap(size_t *at, str *tap)
{
    for (; *at < sources.len; (*at)++) {
        if (sources.ptr[*at] != '"')
            continue;
        size_t from = *at + 1;
        str feature = word_at(sources, from);
        bool is_name = !str_empty(feature) && islower((unsigned char)feature.ptr[0]);
        if (!is_name || !str_starts(str_sub(sources, from + feature.len, 1), S(":")))
            continue;
        str action = word_at(sources, from + feature.len + 1);
        size_t end = from + feature.len + 1 + action.len;
        bool ends = end < sources.len && (sources.ptr[end] == '"' || sources.ptr[end] == ':');
        if (str_empty(action) || !ends)
            continue;
        *tap = str_sub(sources, from, end - from);
        *at = end;
        return true;
    }
    return false;
}

static bool has_word(str text, str word)
{
    size_t at;
    while (str_find(text, word, &at)) {
        bool begins = at == 0 || !is_word_char(text.ptr[at - 1]);
        size_t end = at + word.len;
        if (begins && (end == text.len || !is_word_char(text.ptr[end])))
            return true;
        text = str_sub(text, end, text.len);
    }
    return false;
}

/* ---------------------------------------------------------------- taps and commands */

static bool is_in(const struct route *table, str name)
{
    for (; table->name; table++)
        if (str_eq(name, str_from(table->name)))
            return true;
    return false;
}

static bool is_step(str tap)
{
    for (const struct step *step = steps; step->from; step++)
        if (step->input == IN_TAP && str_eq(tap, str_from(step->tap)))
            return true;
    return false;
}

static void buttons_lead_somewhere(void **state)
{
    (void)state;
    size_t count = 0;
    str tap;
    for (size_t at = 0; next_tap(&at, &tap); count++)
        if (!is_in(taps, tap) && !is_step(tap))
            COMPLAIN("no row for the tap " STR_FMT, STR_ARG(tap));
    assert_true(count > 10);
}

static bool is_drawn(str name)
{
    str tap;
    for (size_t at = 0; next_tap(&at, &tap);)
        if (str_eq(tap, name))
            return true;
    return false;
}

static void rows_have_buttons(void **state)
{
    (void)state;
    for (const struct route *tap = taps; tap->name; tap++)
        if (!is_drawn(str_from(tap->name)))
            COMPLAIN("no button has the tap %s", tap->name);
    for (const struct step *step = steps; step->from; step++)
        if (step->input == IN_TAP && !is_drawn(str_from(step->tap)))
            COMPLAIN("no button has the tap %s", step->tap);
}

static void names_fit_beside_a_uuid(void **state)
{
    (void)state;
    for (const struct route *tap = taps; tap->name; tap++)
        assert_true(strlen(tap->name) + 1 + UUID_LENGTH <= TAP_MAX_BYTES);
    for (const struct step *step = steps; step->from; step++)
        assert_true(step->input != IN_TAP || strlen(step->tap) + 1 + UUID_LENGTH <= TAP_MAX_BYTES);
}

static void rows_are_whole_and_unique(void **state)
{
    (void)state;
    const struct route *const tables[] = {commands, taps};
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct route *row = tables[t]; row->name; row++) {
            assert_non_null(row->run);
            assert_true(row->to < STATE_COUNT);
            if (is_in(row + 1, str_from(row->name)))
                COMPLAIN("%s has two rows", row->name);
        }
}

static void published_commands_work(void **state)
{
    (void)state;
    for (const struct menu_command *command = menu_commands; command->name; command++) {
        str name = str_from(command->name);
        assert_true(name.len >= 1 && name.len <= COMMAND_MAX_BYTES);
        assert_int_equal(word_at(name, 0).len, name.len);
        assert_true(is_in(commands, str_printf(arena, "/" STR_FMT, STR_ARG(name))));
        for (int language = 0; language < LANGUAGE_COUNT; language++) {
            str words = str_from(text_table[command->description].text[language]);
            assert_true(str_points_within(words, 1, COMMAND_WORDS_MAX));
        }
    }
}

/* ---------------------------------------------------------------- dialogs */

static void states_are_named_and_drawn(void **state)
{
    (void)state;
    for (int i = 0; i < STATE_COUNT; i++) {
        assert_non_null(state_rows[i].name);
        assert_true(i == ST_stay || state_rows[i].draw);
        for (int k = i + 1; k < STATE_COUNT; k++)
            assert_string_not_equal(state_rows[i].name, state_rows[k].name);
    }
}

static bool is_same_input(const struct step *one, const struct step *other)
{
    if (one->from != other->from || one->input != other->input)
        return false;
    return one->input != IN_TAP || str_eq(str_from(one->tap), str_from(other->tap));
}

static void steps_are_whole(void **state)
{
    (void)state;
    for (const struct step *step = steps; step->from; step++) {
        assert_true(step->from < STATE_COUNT && step->to < STATE_COUNT);
        assert_non_null(step->run);
        assert_true(step->because && *step->because);
        assert_int_equal(step->input == IN_TAP, step->tap != NULL);
        for (const struct step *other = step + 1; other->from; other++)
            assert_false(is_same_input(step, other));
    }
}

static void reach(bool *reached, const struct route *table)
{
    for (; table->name; table++)
        reached[table->to] = true;
}

/* Commands and taps work from any state; from there the steps go on. */
static void states_can_be_reached_and_left(void **state)
{
    (void)state;
    bool reached[STATE_COUNT] = {[ST_idle] = true}, can_be_left[STATE_COUNT] = {[ST_idle] = true};
    reach(reached, commands);
    reach(reached, taps);
    for (int round = 0; round < STATE_COUNT; round++)
        for (const struct step *step = steps; step->from; step++) {
            enum state to = step->to == ST_stay ? step->from : step->to;
            reached[to] |= reached[step->from];
            can_be_left[step->from] |= to != step->from && can_be_left[to];
        }
    for (int i = ST_idle; i < STATE_COUNT; i++) {
        if (!reached[i])
            COMPLAIN("nothing leads to %s", state_rows[i].name);
        if (!can_be_left[i])
            COMPLAIN("no step leads out of %s to the end", state_rows[i].name);
    }
}

/* ---------------------------------------------------------------- jobs */

static const struct job_route *find_job(str kind)
{
    for (const struct job_route *route = job_routes; route->kind; route++)
        if (str_eq(kind, str_from(route->kind)))
            return route;
    return NULL;
}

static void jobs_have_lanes(void **state)
{
    (void)state;
    static const char *const lanes[] = {"send", "fal", "words", "speech", "media"};
    for (const struct job_route *route = job_routes; route->kind; route++) {
        size_t fits = 0;
        for (size_t i = 0; i < ARRAY_LEN(lanes); i++)
            fits += strcmp(route->lane, lanes[i]) == 0;
        assert_int_equal(fits, 1);
        assert_non_null(route->run);
    }
}

/* The next string literal behind a mark. */
static bool literal_after(str *left, str mark, str *literal)
{
    size_t at;
    str rest;
    if (!str_find(*left, mark, &at))
        return false;
    str_cut(str_sub(*left, at + mark.len, left->len), '"', &rest, left);
    str_cut(*left, '"', literal, left);
    return true;
}

static void check_queued(str lane, str kind)
{
    const struct job_route *route = find_job(kind);
    if (!route || !str_eq(lane, str_from(route->lane)))
        COMPLAIN("the job " STR_FMT " is queued in the lane " STR_FMT ", where no row has it",
                 STR_ARG(kind), STR_ARG(lane));
}

/* Jobs are queued by errand_queue(…, "lane", "kind", …) and as `.lane = S("…"), .kind = S("…")`. */
static void queued_jobs_have_rows(void **state)
{
    (void)state;
    str lane = {0}, kind = {0}, left = sources;
    size_t count = 0;
    while (literal_after(&left, S(".lane = S("), &lane)) {
        size_t at;
        bool is_told = str_find(left, S(".kind = "), &at) &&
                       str_starts(str_sub(left, at, left.len), S(".kind = S("));
        if (!is_told) /* its kind is what somebody else says */
            continue;
        assert_true(literal_after(&left, S(".kind = S("), &kind));
        check_queued(lane, kind);
        count++;
    }
    left = sources;
    while (literal_after(&left, S("errand_queue("), &lane)) {
        if (!str_starts(left, S(", \""))) /* the steps of a kind, see below */
            continue;
        assert_true(literal_after(&left, S(","), &kind));
        check_queued(lane, kind);
        count++;
    }
    assert_true(count > 3);
}

/* An errand queues what its kind names. */
static void jobs_of_errands_have_rows(void **state)
{
    (void)state;
    for (const struct callback_route *route = callback_routes; route->entrance; route++) {
        const struct errand_kind *kind = route->kind;
        const char *const jobs[] = {kind->submit_job, kind->check_job, kind->result_job,
                                    kind->cancel_job, kind->drop_job};
        for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
            check_queued(S("fal"), str_from(jobs[i]));
        check_queued(S("send"), str_from(kind->explain_job));
    }
}

static void job_rows_are_queued(void **state)
{
    (void)state;
    str triggers = read_files("db/deploy/*.sql", "");
    size_t at;
    for (const struct job_route *route = job_routes; route->kind; route++) {
        str literal = str_printf(arena, "\"%s\"", route->kind);
        if (!str_find(sources, literal, &at) && !has_word(triggers, str_from(route->kind)))
            COMPLAIN("nobody queues the job %s", route->kind);
    }
}

/* ---------------------------------------------------------------- texts */

static str text_of(enum text text, int language)
{
    return str_from(text_table[text].text[language]);
}

/* The next {…} of a text, without the braces. */
static bool next_placeholder(str *left, str *inside)
{
    str before;
    if (!str_cut(*left, '{', &before, left))
        return false;
    if (!str_cut(*left, '}', inside, left))
        COMPLAIN("a brace is not closed");
    return true;
}

static bool has_placeholder(str text, str name)
{
    str inside, own, forms;
    while (next_placeholder(&text, &inside)) {
        str_cut(inside, '|', &own, &forms);
        if (str_eq(own, name))
            return true;
    }
    return false;
}

static void texts_are_in_both_languages(void **state)
{
    (void)state;
    for (int i = 0; i < TEXT_COUNT; i++)
        for (int language = 0; language < LANGUAGE_COUNT; language++) {
            if (!text_table[i].text[language])
                COMPLAIN("%s is missing in a language", text_table[i].name);
            str text = text_of((enum text)i, language), inside, name, forms;
            assert_true(str_is_utf8(text) && !str_empty(text));
            while (next_placeholder(&text, &inside)) {
                str_cut(inside, '|', &name, &forms);
                for (int other = 0; other < LANGUAGE_COUNT; other++)
                    if (!has_placeholder(text_of((enum text)i, other), name))
                        COMPLAIN("%s has no {" STR_FMT "} in a language", text_table[i].name,
                                 STR_ARG(name));
            }
        }
}

static void plurals_have_all_forms(void **state)
{
    (void)state;
    static const size_t wanted[LANGUAGE_COUNT] = {[LANG_ru] = 3, [LANG_en] = 2};
    for (int i = 0; i < TEXT_COUNT; i++)
        for (int language = 0; language < LANGUAGE_COUNT; language++) {
            str text = text_of((enum text)i, language), inside, name, forms, form;
            while (next_placeholder(&text, &inside)) {
                size_t count = 0;
                if (!str_cut(inside, '|', &name, &forms))
                    continue;
                for (; !str_empty(forms); count++)
                    str_cut(forms, '|', &form, &forms);
                if (count != wanted[language])
                    COMPLAIN("%s: {" STR_FMT "} has %zu forms", text_table[i].name, STR_ARG(inside),
                             count);
            }
        }
}

static void texts_are_used(void **state)
{
    (void)state;
    str tables = read_file("handlers/routes.c"), ground = read_files("fcgi/*.c", "");
    for (int i = 0; i < TEXT_COUNT; i++) {
        str name = str_printf(arena, "T_%s", text_table[i].name);
        if (!has_word(sources, name) && !has_word(tables, name) && !has_word(ground, name))
            COMPLAIN("nothing says %s", text_table[i].name);
    }
}

/* Telegram refuses a message whose tags do not match. */
static void tags_are_closed(void **state)
{
    (void)state;
    for (int i = 0; i < TEXT_COUNT; i++)
        for (int language = 0; language < LANGUAGE_COUNT; language++) {
            str left = text_of((enum text)i, language), before, tag, open = {0};
            while (str_cut(left, '<', &before, &left)) {
                assert_true(str_cut(left, '>', &tag, &left));
                bool closes = str_starts(tag, S("/"));
                str name = closes ? str_sub(tag, 1, tag.len) : tag;
                assert_true(str_eq(name, S("b")) || str_eq(name, S("i")) ||
                            str_eq(name, S("code")));
                if (closes != !str_empty(open) || (closes && !str_eq(open, name)))
                    COMPLAIN("the tags of %s do not match", text_table[i].name);
                open = closes ? S("") : name;
            }
            assert_true(str_empty(open));
        }
}

/* With every value as long as it gets; words: how many units the user's own may take. */
static size_t longest_units(str text, size_t words)
{
    size_t units = str_utf16_units(text);
    str inside, name, forms;
    while (next_placeholder(&text, &inside)) {
        bool is_words = str_cut(inside, '|', &name, &forms) == false &&
                        (str_eq(name, S("words")) || str_eq(name, S("lines")));
        units += is_words ? words : NUMBER_LENGTH;
    }
    return units;
}

static bool is_said_by(const char *function, const char *text)
{
    str call = str_printf(arena, "%s(t, T_%s", function, text);
    size_t at;
    return str_find(sources, call, &at) && !is_word_char(sources.ptr[at + call.len]);
}

static bool is_caption(enum text text)
{
    static const enum text captions[] = {T_gallery_card, T_gallery_delete_ask, T_generation_done};
    for (size_t i = 0; i < ARRAY_LEN(captions); i++)
        if (captions[i] == text)
            return true;
    return false;
}

static void texts_fit(void **state)
{
    (void)state;
    for (int i = 0; i < TEXT_COUNT; i++)
        for (int language = 0; language < LANGUAGE_COUNT; language++) {
            str text = text_of((enum text)i, language);
            bool fits = is_caption((enum text)i)
                            ? longest_units(text, CAPTION_WORDS_UNITS) <= CAPTION_MAX_UNITS
                            : longest_units(text, SCREEN_WORDS_UNITS) <= MESSAGE_MAX_UNITS;
            if (!fits)
                COMPLAIN("%s grows too long", text_table[i].name);
        }
}

/* What is shown above the screen is no HTML, and short. */
static void toasts_fit(void **state)
{
    (void)state;
    size_t count = 0, at;
    for (int i = 0; i < TEXT_COUNT; i++) {
        if (!is_said_by("hint", text_table[i].name) && !is_said_by("refuse", text_table[i].name))
            continue;
        count++;
        for (int language = 0; language < LANGUAGE_COUNT; language++) {
            str text = text_of((enum text)i, language);
            bool is_plain = !str_find(text, S("<"), &at) && !str_find(text, S("&"), &at);
            if (!is_plain || longest_units(text, 0) > TOAST_MAX_POINTS)
                COMPLAIN("%s is no toast", text_table[i].name);
        }
    }
    assert_true(count > 3);
}

static void labels_are_short(void **state)
{
    (void)state;
    size_t at;
    for (int i = 0; i < TEXT_COUNT; i++)
        for (int language = 0; language < LANGUAGE_COUNT; language++) {
            if (!str_starts(str_from(text_table[i].name), S("button_")) || i == T_button_is_old)
                continue;
            str text = text_of((enum text)i, language);
            str first, rest;
            str_cut(text, '|', &first, &rest);
            bool is_label = !str_find(text, S("\n"), &at) && !str_find(text, S("<"), &at);
            if (!is_label || !str_points_within(first, 1, BUTTON_MAX_POINTS))
                COMPLAIN("%s is no label", text_table[i].name);
        }
}

/* ---------------------------------------------------------------- all of it */

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(64 << 20);
    sources = read_files("handlers/{,*/}*.c", "handlers/routes.c");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buttons_lead_somewhere),
        cmocka_unit_test(rows_have_buttons),
        cmocka_unit_test(names_fit_beside_a_uuid),
        cmocka_unit_test(rows_are_whole_and_unique),
        cmocka_unit_test(published_commands_work),
        cmocka_unit_test(states_are_named_and_drawn),
        cmocka_unit_test(steps_are_whole),
        cmocka_unit_test(states_can_be_reached_and_left),
        cmocka_unit_test(jobs_have_lanes),
        cmocka_unit_test(queued_jobs_have_rows),
        cmocka_unit_test(jobs_of_errands_have_rows),
        cmocka_unit_test(job_rows_are_queued),
        cmocka_unit_test(texts_are_in_both_languages),
        cmocka_unit_test(plurals_have_all_forms),
        cmocka_unit_test(texts_are_used),
        cmocka_unit_test(tags_are_closed),
        cmocka_unit_test(texts_fit),
        cmocka_unit_test(toasts_fit),
        cmocka_unit_test(labels_are_short),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
