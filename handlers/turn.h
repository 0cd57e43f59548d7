/*
 * turn.h - one update of one user while it is being handled.
 *
 * A handler reads the turn, writes through t->db, speaks through say.h, and
 * returns. It is written as if it ran once: the dispatcher opens and commits
 * its transaction, and gives a repeated update the outcome of its first run.
 */
#pragma once
#include "db/avatar.h"
#include "db/session.h"
#include "db/transcript.h"
#include "db/user.h"
#include "handlers/bot.h"
#include "handlers/say.h"
#include "handlers/states.h"

struct turn {
    const struct bot *bot;
    struct arena *arena;
    struct db *db;
    const struct update *update;

    struct user *user;
    enum language language;
    int64_t chat_id;
    enum state state;              /* where the dialog was when the update came */
    str text;                      /* words of a message, trimmed; what stands behind a command */
    str argument;                  /* what stands behind the name of a tap */
    struct image *image;           /* NEED_IMAGE */
    struct generation *generation; /* NEED_GENERATION */
    struct avatar *avatar;         /* NEED_AVATAR */
    struct transcript *transcript; /* NEED_TRANSCRIPT */

    struct keyboard keyboard; /* of what is said next */

    /* What the turn leaves behind; written through the functions below and say.h. */
    struct session session;
    enum state next_state;
    bool enters; /* a dialog begins or moves on, also where the state stays the same */
    struct change *changes;
    size_t change_count, change_room;
    struct outgoing *calls;
    size_t call_count, call_room;
    str next_slot;
    bool is_tap_answered;
    bool keeps_message; /* what was tapped is a result and stays: the screen is a new message */
    bool is_redraw;     /* an old keyboard was tapped: the screen is drawn through the outbox */
    bool was_begun;     /* an earlier run of this update did not end, or nobody knows */
    bool was_user_read; /* from PostgreSQL, not from the session */
    bool is_user_stale; /* what the session knows of the user is not so any more */
    bool has_ended;     /* its one statement has left the outcome in PostgreSQL already */
    bool spares_user;   /* what is written is neither about the user nor about coins */
    struct json_object *replay; /* the stored outcome of an earlier run */
};

typedef err *handler(struct turn *t);

/* -- the dialog -- */

/* Leaves whatever dialog is open and starts at this state, with no answers yet. */
void dialog_enter(struct turn *t, enum state state);
/* The next state of the dialog that is open: its answers so far stay. */
void dialog_go_on(struct turn *t, enum state state);
/* Leaves the dialog where it is, whatever the row of this tap says. */
void dialog_stay(struct turn *t);
/* Asks for something else meanwhile, and keeps where the dialog was, with its answers. From an aside
 * to another the first place is kept. */
void dialog_aside(struct turn *t, enum state state);
/* Ends an aside; without one the dialog stays where it is. */
void dialog_return(struct turn *t);
bool dialog_is_aside(const struct turn *t);
/* Where dialog:resume leads: behind an aside, else where the dialog is after this turn. */
enum state dialog_behind(const struct turn *t);
/* A row with the way back to the dialog as it stands, and to the menu; without one the menu alone. */
void dialog_back_row(struct turn *t, enum text label);
/* The dialog's answers so far, and the gallery's place: "d.words", "g.at"… */
str field_get(const struct turn *t, const char *name); /* empty when there is none */
int64_t field_get_i64(const struct turn *t, const char *name);
void field_put(struct turn *t, const char *name, str value);
void field_put_i64(struct turn *t, const char *name, int64_t value);
void field_drop(struct turn *t, const char *name);
void fields_drop(struct turn *t, str prefix); /* all that the session held under names like "g.…" */

enum state state_of(str name); /* ST_idle for one that there is not */

/* -- a turn that is one statement -- */

/* What this turn leaves behind if nothing is added, for a statement that stores it with its own work;
 * only while nothing is written. turn_ended() then says that it was done, and turn_was_ended() that
 * it had been done by an earlier run, whose outcome came back. */
str turn_outcome(struct turn *t);
void turn_ended(struct turn *t);
err *turn_was_ended(struct turn *t, str outcome);

/* For say.c. */
void turn_add_call(struct turn *t, const struct outgoing *call);
/* Nothing has been said in this turn. */
void turn_unsay(struct turn *t);
/* Nothing has been written, changed or said in it, so that it can be refused with a screen. */
void turn_take_back(struct turn *t);
