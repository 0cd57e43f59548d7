/* The places of the lane send: how many calls are under way that would be shown twice. */
#include "lanes/send_inside.h"

enum {
    MESSAGE_TAKES_MS = 150, /* with its acknowledgement; mostly less */
    MESSAGES_LEAST = 2,
    RESULTS_MOST = 4,
    PLACE_LOOK_MS = 1000,
};

enum { PLACES_OF_MESSAGES, PLACES_OF_RESULTS, PLACES };

/* Lives on the stack of the task that waits. */
struct waiting {
    struct waiting *next;
};

static struct places {
    size_t taken;
    struct waiting *first;
} places[PLACES];

static struct places *places_for(const struct line *line)
{
    return &places[entry_is_gate(line->first) ? PLACES_OF_RESULTS : PLACES_OF_MESSAGES];
}

/* As many messages as are under way when this worker's part of them goes out at full pace. */
static size_t most_of(const struct places *kind)
{
    if (kind == &places[PLACES_OF_RESULTS])
        return RESULTS_MOST;
    int64_t per_second = send_lane.w->bot->conf->send_messages_per_second / send_lane.w->alive;
    int64_t most = (per_second * MESSAGE_TAKES_MS + 999) / 1000;
    return most > MESSAGES_LEAST ? (size_t)most : MESSAGES_LEAST;
}

static struct waiting **end_of(struct places *kind)
{
    struct waiting **link = &kind->first;
    while (*link)
        link = &(*link)->next;
    return link;
}

static void step_out(struct places *kind, const struct waiting *me)
{
    struct waiting **link = &kind->first;
    while (*link != me)
        link = &(*link)->next;
    *link = me->next;
}

/* First come, first served. */
bool place_take(struct line *line)
{
    struct places *kind = places_for(line);
    struct waiting me = {NULL};
    *end_of(kind) = &me;
    bool goes_on = true;
    while (goes_on && (kind->first != &me || kind->taken >= most_of(kind)))
        goes_on = worker_sleep(send_lane.w, PLACE_LOOK_MS, SLEEP_FOR_PLACE);
    step_out(kind, &me);
    kind->taken += goes_on;
    line->has_place = goes_on;
    worker_wake(send_lane.w, SLEEP_FOR_PLACE);
    return goes_on;
}

void place_leave(struct line *line)
{
    if (!line->has_place)
        return;
    places_for(line)->taken--;
    line->has_place = false;
    worker_wake(send_lane.w, SLEEP_FOR_PLACE);
}
