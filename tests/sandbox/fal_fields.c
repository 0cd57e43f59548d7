/*
 * An input held against the fields of its model, as strictly as FAL's own schemas say, and
 * more strictly in one point: a field that the model does not have is refused,
 * because a misspelt one is always our mistake.
 */
#include "tests/sandbox/fal_inside.h"

#include <json-c/linkhash.h>

/* -- errors in FAL's shape -- */

static str detail_text(struct arena *a, str loc, const char *type, const char *message,
                       struct json_object *input)
{
    str entry = json_make(a, KV("loc", JSON(str_printf(a, "[" STR_FMT "]", STR_ARG(loc)))),
                          KV("msg", message), KV("type", type),
                          KV("url", str_printf(a, "https://docs.fal.ai/errors#%s", type)),
                          KV("input", JSON(json_text(a, input))));
    return json_make(a, KV("detail", JSON(str_printf(a, "[" STR_FMT "]", STR_ARG(entry)))));
}

static str place_of(struct arena *a, str loc, const char *name)
{
    return str_printf(a, STR_FMT ",\"%s\"", STR_ARG(loc), name);
}

str fal_detail(struct arena *a, const char *field, const char *type, const char *message,
               struct json_object *input)
{
    return detail_text(a, place_of(a, S("\"body\""), field), type, message, input);
}

void fal_refuse(struct arena *a, str loc, const char *type, const char *message,
                struct json_object *input, struct fal_made *out)
{
    out->status = 422;
    out->body = detail_text(a, loc, type, message, input);
}

/* -- values -- */

/* What every check is told: the field, where it stands, and what stands there. */
struct checked {
    struct arena *arena;
    const struct fal_field *field;
    str loc;
    struct json_object *value;
    struct fal_made *out;
};

static bool refuse(const struct checked *c, const char *type, const char *message)
{
    fal_refuse(c->arena, c->loc, type, message, c->value, c->out);
    return false;
}

static bool is_choice(const char *choices, str value)
{
    str rest = str_from(choices), choice;
    while (rest.len) {
        str_cut(rest, ' ', &choice, &rest);
        if (str_eq(choice, value))
            return true;
    }
    return false;
}

static bool check_text(const struct checked *c)
{
    size_t points = str_points(json_value_str(c->value));
    if (!json_object_is_type(c->value, json_type_string))
        return refuse(c, "string_type", "Input should be a valid string");
    if (points < (size_t)c->field->least)
        return refuse(c, "string_too_short", "String is too short");
    if (points > (size_t)c->field->most)
        return refuse(c, "string_too_long", "String is too long");
    return true;
}

static bool check_choice(const struct checked *c)
{
    if (is_choice(c->field->choices, json_value_str(c->value)))
        return true;
    return refuse(
        c, "literal_error",
        cstr(c->arena, str_printf(c->arena, "Input should be one of: %s", c->field->choices)));
}

static bool refuse_limit(const struct checked *c, bool is_below, str limit)
{
    const char *words = is_below ? "Input should be greater than or equal to "
                                 : "Input should be less than or equal to ";
    return refuse(c, is_below ? "greater_than_equal" : "less_than_equal",
                  cstr(c->arena, str_printf(c->arena, "%s" STR_FMT, words, STR_ARG(limit))));
}

static bool check_integer(const struct checked *c)
{
    int64_t number;
    if (!json_value_i64(c->value, &number))
        return refuse(c, "int_type", "Input should be a valid integer");
    bool is_below = number < c->field->least;
    if (!is_below && number <= c->field->most)
        return true;
    return refuse_limit(
        c, is_below, str_printf(c->arena, "%" PRId64, is_below ? c->field->least : c->field->most));
}

static bool check_number(const struct checked *c)
{
    if (!json_object_is_type(c->value, json_type_double) &&
        !json_object_is_type(c->value, json_type_int))
        return refuse(c, "float_type", "Input should be a valid number");
    double number = json_object_get_double(c->value);
    bool is_below = number < c->field->low;
    if (!is_below && number <= c->field->high)
        return true;
    return refuse_limit(c, is_below,
                        str_printf(c->arena, "%g", is_below ? c->field->low : c->field->high));
}

static bool check_boolean(const struct checked *c)
{
    return json_object_is_type(c->value, json_type_boolean) ||
           refuse(c, "bool_type", "Input should be a valid boolean");
}

static bool check_object(struct arena *a, str loc, const struct fal_field *fields, size_t count,
                         struct json_object *object, struct fal_made *out);

static bool check_list(const struct checked *c)
{
    size_t length = json_length(c->value);
    if (!json_object_is_type(c->value, json_type_array))
        return refuse(c, "list_type", "Input should be a valid list");
    if (length > (size_t)c->field->most)
        return refuse(c, "too_long", "The list is too long");
    for (size_t i = 0; i < length; i++) {
        str loc = str_printf(c->arena, STR_FMT ",%zu", STR_ARG(c->loc), i);
        if (!check_object(c->arena, loc, c->field->inside, c->field->inside_count,
                          json_item(c->value, i), c->out))
            return false;
    }
    return true;
}

static bool check_size(const struct checked *c)
{
    if (json_object_is_type(c->value, json_type_string))
        return check_choice(c);
    return check_object(c->arena, c->loc, c->field->inside, c->field->inside_count, c->value,
                        c->out);
}

static bool check_value(const struct checked *c)
{
    if (!c->value && c->field->may_be_null)
        return true;
    switch (c->field->type) {
    case FAL_TEXT:
        return check_text(c);
    case FAL_CHOICE:
        return check_choice(c);
    case FAL_INTEGER:
        return check_integer(c);
    case FAL_NUMBER:
        return check_number(c);
    case FAL_BOOLEAN:
        return check_boolean(c);
    case FAL_LIST:
        return check_list(c);
    case FAL_SIZE:
        return check_size(c);
    }
    return false;
}

/* -- objects -- */

static const struct fal_field *find_field(const struct fal_field *fields, size_t count,
                                          const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static bool check_object(struct arena *a, str loc, const struct fal_field *fields, size_t count,
                         struct json_object *object, struct fal_made *out)
{
    struct checked c = {.arena = a, .loc = loc, .value = object, .out = out};
    if (!json_object_is_type(object, json_type_object))
        return refuse(&c, "dict_type", "Input should be a valid dictionary");
    json_object_object_foreach(object, name, value)
    {
        c.field = find_field(fields, count, name);
        c.loc = place_of(a, loc, name);
        c.value = value;
        if (!c.field)
            return refuse(&c, "extra_forbidden", "Extra inputs are not permitted");
        if (!check_value(&c))
            return false;
    }
    c.value = object;
    for (size_t i = 0; i < count; i++) {
        c.loc = place_of(a, loc, fields[i].name);
        if (fields[i].is_required && !json_has(object, fields[i].name))
            return refuse(&c, "missing", "Field required");
    }
    return true;
}

bool fal_fields_check(struct arena *a, const struct fal_field *fields, size_t count,
                      struct json_object *input, struct fal_made *out)
{
    return check_object(a, S("\"body\""), fields, count, input, out);
}
