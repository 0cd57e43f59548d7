/*
 * routes.h - the tables that say which function handles what. Each is read by
 * one short loop in dispatch.c or in the worker; a test walks them all.
 */
#pragma once
#include "handlers/errand.h"

/* What must hold before a handler runs. Owner checks are needs. */
enum need {
    NEED_NOTHING = 0,
    NEED_ADMIN = 1 << 0,
    NEED_IMAGE = 1 << 1,      /* the argument names an image of this user: t->image */
    NEED_GENERATION = 1 << 2, /* likewise: t->generation; the argument is what stands behind */
    NEED_AVATAR = 1 << 3,     /* likewise: t->avatar */
    NEED_TRANSCRIPT = 1 << 4, /* likewise: t->transcript */
};

/* A command or a tap, from any state. `to`: where the dialog goes when the handler succeeds. */
struct route {
    const char *name;
    handler *run;
    unsigned needs;
    enum state to;
};

enum input {
    IN_TEXT,
    IN_PHOTO,
    IN_TAP
}; /* IN_PHOTO: a photo, or a file that says it is an image */

/* One step of a dialog: in this state, on this input, run this, then go there, because. */
struct step {
    enum state from;
    enum input input;
    const char *tap; /* IN_TAP: which */
    handler *run;
    enum state to;
    const char *because;
};

/* A state: its name in Redis, and what draws its screen again when an old button was tapped. */
struct state_row {
    const char *name;
    handler *draw;
    bool is_aside; /* a question between: behind it stands another state */
};

struct job_route {
    const char *kind;
    const char *lane;
    job_handler *run;
    job_handler *give_up; /* when it is dead: refunds and says so; may be NULL */
};

/* Who calls back at /webhook/fal/<entrance>. */
struct callback_route {
    const char *entrance;
    const struct errand_kind *kind;
};

extern const struct route commands[];
extern const struct route taps[];
extern const struct step steps[];
extern const struct state_row state_rows[STATE_COUNT];
extern const struct job_route job_routes[];
extern const struct callback_route callback_routes[]; /* each table ends with an empty name */

/* What is published with setMyCommands, in this order. */
struct menu_command {
    const char *name;
    enum text description;
};
extern const struct menu_command menu_commands[];
