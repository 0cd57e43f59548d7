#include "handlers/turn.h"

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
    field_put(t, name, str_printf(t->arena, "%" PRId64, value));
}

void field_drop(struct turn *t, const char *name)
{
    add_change(t, str_from(name), (str){NULL, 0});
}

void dialog_enter(struct turn *t, enum state state)
{
    for (size_t i = 0; i < t->session.field_count; i++)
        if (str_starts(t->session.fields[i].name, S("d.")))
            add_change(t, t->session.fields[i].name, (str){NULL, 0});
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
