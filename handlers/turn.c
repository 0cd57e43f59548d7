#include "handlers/turn.h"

#include "handlers/routes.h"

/* What this turn has put last counts, then what the session held. */
static const struct change *changed(const struct turn *t, str name)
{
    for (size_t i = t->change_count; i > 0; i--)
        if (str_eq(t->changes[i - 1].name, name))
            return &t->changes[i - 1];
    return NULL;
}

str field_get(const struct turn *t, const char *name)
{
    const struct change *change = changed(t, str_from(name));
    if (change)
        return change->value.ptr ? change->value : S("");
    return session_field(&t->session, name);
}

int64_t field_get_i64(const struct turn *t, const char *name)
{
    int64_t number = 0;
    str_to_i64(field_get(t, name), &number);
    return number;
}

static void add_change(struct turn *t, str name, str value)
{
    if (t->change_count == t->change_room) {
        size_t room = t->change_room ? 2 * t->change_room : 8;
        struct change *grown = NEW_ARRAY(t->arena, struct change, room);
        if (t->change_count)
            memcpy(grown, t->changes, t->change_count * sizeof *grown);
        t->changes = grown;
        t->change_room = room;
    }
    t->changes[t->change_count++] = (struct change){name, value};
}

void field_put(struct turn *t, const char *name, str value)
{
    add_change(t, str_from(name), value.ptr ? value : S(""));
}

void field_put_i64(struct turn *t, const char *name, int64_t value)
{
    struct buf b = buf_new(t->arena);
    buf_add_i64(&b, value);
    field_put(t, name, buf_str(&b));
}

void field_drop(struct turn *t, const char *name)
{
    add_change(t, str_from(name), (str){NULL, 0});
}

void fields_drop(struct turn *t, str prefix)
{
    for (size_t i = 0; i < t->session.field_count; i++)
        if (str_starts(t->session.fields[i].name, prefix))
            add_change(t, t->session.fields[i].name, (str){NULL, 0});
}

void dialog_enter(struct turn *t, enum state state)
{
    fields_drop(t, S("d."));
    dialog_go_on(t, state);
}

void dialog_go_on(struct turn *t, enum state state)
{
    t->next_state = state;
    t->enters = state != ST_idle;
}

void dialog_stay(struct turn *t)
{
    t->next_state = t->state;
    t->enters = false;
}

enum state state_of(str name)
{
    for (int i = ST_idle; i < STATE_COUNT; i++)
        if (str_is(name, state_rows[i].name))
            return (enum state)i;
    return ST_idle;
}

static enum state state_after(const struct turn *t)
{
    return t->next_state == ST_stay ? t->state : t->next_state;
}

bool dialog_is_aside(const struct turn *t)
{
    return state_rows[state_after(t)].is_aside;
}

enum state dialog_behind(const struct turn *t)
{
    return dialog_is_aside(t) ? state_of(field_get(t, "d.back")) : state_after(t);
}

void dialog_aside(struct turn *t, enum state state)
{
    field_put(t, "d.back", str_from(state_rows[dialog_behind(t)].name));
    t->next_state = state;
    t->enters = true;
}

/* The menu has no dialog, so that nothing of one is left there. */
void dialog_return(struct turn *t)
{
    if (!dialog_is_aside(t)) {
        dialog_stay(t);
        return;
    }
    enum state back = dialog_behind(t);
    if (back == ST_idle) {
        dialog_enter(t, ST_idle);
        return;
    }
    field_drop(t, "d.back");
    t->next_state = back;
    t->enters = true;
}

void dialog_back_row(struct turn *t, enum text label)
{
    keyboard_row(&t->keyboard);
    if (dialog_behind(t) != ST_idle)
        keyboard_button(&t->keyboard, label, S("dialog:resume"));
    keyboard_button(&t->keyboard, T_button_menu, S("menu:open"));
}

void turn_unsay(struct turn *t)
{
    t->call_count = 0;
    t->is_tap_answered = false;
    t->next_slot = S("");
    t->keyboard = keyboard_new(t->arena, t->language);
}

void turn_take_back(struct turn *t)
{
    db_rollback(t->db);
    t->was_user_read = false; /* who was made in this transaction is not there any more */
    t->change_count = 0;
    dialog_stay(t);
    turn_unsay(t);
}

void turn_add_call(struct turn *t, const struct outgoing *call)
{
    if (t->call_count == t->call_room) {
        size_t room = t->call_room ? 2 * t->call_room : 4;
        struct outgoing *grown = NEW_ARRAY(t->arena, struct outgoing, room);
        if (t->call_count)
            memcpy(grown, t->calls, t->call_count * sizeof *grown);
        t->calls = grown;
        t->call_room = room;
    }
    t->calls[t->call_count++] = *call;
}
