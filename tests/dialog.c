/*
 * dialog - the dialog table as a graph, in Graphviz's words.
 *
 * Solid edges are steps: in this state, on this input, go there, because. What
 * works from any state is drawn dashed, from one node that stands for them all.
 */
#include "handlers/routes.h"

static const char *input_name(const struct step *step)
{
    static const char *const names[] = {[IN_TEXT] = "words", [IN_PHOTO] = "a photo"};
    return step->input == IN_TAP ? step->tap : names[step->input];
}

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
        printf("    %s -> %s [label=\"%s\\n%s\"];\n", state_rows[step->from].name,
               state_rows[to].name, input_name(step), step->because);
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

int main(void)
{
    printf("digraph dialog {\n");
    printf("    rankdir=LR;\n    node [shape=box, style=rounded];\n    edge [fontsize=10];\n\n");
    draw_states();
    draw_steps();
    draw_routes(commands);
    draw_routes(taps);
    printf("}\n");
    return 0;
}
