/*
 * dialog - the dialog table as a graph, in Graphviz's words; with --tables the
 * tables of routes.c and the texts as JSON, for tests that walk them.
 *
 * Solid edges are steps: in this state, on this input, go there, because. What
 * works from any state is drawn dashed, from one node that stands for them all.
 */
#include "handlers/routes.h"

static const char *input_name(enum input input)
{
    switch (input) {
    case IN_TEXT:
        return "words";
    case IN_PHOTO:
        return "a photo";
    case IN_TAP:
        return "a tap";
    }
    assert(false);
    return "";
}

/* ---------------------------------------------------------------- the graph */

static void draw_states(void)
{
    for (int state = ST_idle; state < STATE_COUNT; state++)
        printf("    %s;\n", state_rows[state].name);
    printf("    \"from any state\" [shape=plaintext];\n\n");
}

static void draw_steps(void)
{
    for (const struct step *step = steps; step->from; step++) {
        enum state to = step->to == ST_stay ? step->from : step->to;
        const char *input = step->input == IN_TAP ? step->tap : input_name(step->input);
        printf("    %s -> %s [label=\"%s\\n%s\"];\n", state_rows[step->from].name,
               state_rows[to].name, input, step->because);
    }
    printf("\n");
}

static void draw_routes(const struct route *routes)
{
    for (; routes->name; routes++)
        if (routes->to != ST_stay)
            printf("    \"from any state\" -> %s [label=\"%s\", style=dashed];\n",
                   state_rows[routes->to].name, routes->name);
}

static void draw_graph(void)
{
    printf("digraph dialog {\n");
    printf("    rankdir=LR;\n    node [shape=box, style=rounded];\n    edge [fontsize=10];\n\n");
    draw_states();
    draw_steps();
    draw_routes(commands);
    draw_routes(taps);
    printf("}\n");
}

/* ---------------------------------------------------------------- the tables */

static void put_row(struct buf *b, size_t at, const struct kv *fields)
{
    if (at)
        buf_add_char(b, ',');
    json_put_object(b, fields);
}

static void put_routes(struct buf *b, const char *name, const struct route *routes)
{
    buf_addf(b, "\"%s\":[", name);
    for (size_t i = 0; routes[i].name; i++)
        put_row(b, i,
                KVS(KV("name", routes[i].name), KV("to", state_rows[routes[i].to].name),
                    KV("is_for_admins", (bool)(routes[i].needs & NEED_ADMIN))));
    buf_add(b, S("],"));
}

static void put_steps(struct buf *b)
{
    buf_add(b, S("\"steps\":["));
    for (size_t i = 0; steps[i].from; i++)
        put_row(b, i,
                KVS(KV("from", state_rows[steps[i].from].name),
                    KV("input", input_name(steps[i].input)),
                    KV("tap", steps[i].tap ? steps[i].tap : ""),
                    KV("to", state_rows[steps[i].to].name)));
    buf_add(b, S("],"));
}

static void put_states(struct buf *b)
{
    buf_add(b, S("\"states\":["));
    for (int state = ST_idle; state < STATE_COUNT; state++)
        put_row(b, (size_t)(state - ST_idle),
                KVS(KV("name", state_rows[state].name),
                    KV("is_aside", (bool)state_rows[state].is_aside)));
    buf_add(b, S("],"));
}

static void put_texts(struct buf *b)
{
    buf_add(b, S("\"texts\":["));
    for (size_t i = 0; i < TEXT_COUNT; i++)
        put_row(b, i,
                KVS(KV("name", text_table[i].name), KV("ru", text_table[i].text[LANG_ru]),
                    KV("en", text_table[i].text[LANG_en])));
    buf_add(b, S("]"));
}

static void print_tables(void)
{
    enum { ARENA_BYTES = 16 << 20 };
    struct arena *a = arena_new(ARENA_BYTES);
    struct buf b = buf_new(a);
    buf_add_char(&b, '{');
    put_routes(&b, "commands", commands);
    put_routes(&b, "taps", taps);
    put_steps(&b);
    put_states(&b);
    put_texts(&b);
    buf_add_char(&b, '}');
    str all = buf_str(&b);
    fwrite(all.ptr, 1, all.len, stdout);
    putchar('\n');
    arena_free(a);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--tables") == 0)
        print_tables();
    else
        draw_graph();
    return 0;
}
