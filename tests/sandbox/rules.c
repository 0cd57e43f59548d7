/* Holds a call against the table: unknown, missing and mistyped fields, limits. */
#include "tests/sandbox/telegram_inside.h"

#include <json-c/linkhash.h>

/* Ids of users and chats have at most 52 significant bits. */
#define MOST_INTEGER (INT64_C(1) << 53)

static const struct {
    const char *name, *members;
} unions[] = {
    {"ReplyMarkup",     "InlineKeyboardMarkup|ReplyKeyboardMarkup|ReplyKeyboardRemove|ForceReply"},
    {"InputMedia",      "InputMediaPhoto|InputMediaVideo|InputMediaAudio|InputMediaDocument"     },
    {"BotCommandScope",
     "BotCommandScopeDefault|BotCommandScopeAllPrivateChats|BotCommandScopeAllGroupChats|"
     "BotCommandScopeAllChatAdministrators|BotCommandScopeChat|BotCommandScopeChatAdministrators|"
     "BotCommandScopeChatMember"                                                                 },
};

/* Where a value stands, for the words of a refusal. */
struct place {
    const char *field;
    const char *prefix; /* Telegram's beginning, empty at the top */
};

static err *check_value(struct call *c, struct json_object *value, str types, struct place at);

static bool takes(str types, str wanted)
{
    str one;
    while (types.len) {
        str_cut(types, '|', &one, &types);
        if (str_eq(one, wanted))
            return true;
    }
    return false;
}

static const char *union_members(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(unions); i++)
        if (str_eq(name, str_from(unions[i].name)))
            return unions[i].members;
    return NULL;
}

/* -- values that came as text -- */

static bool is_structured(str types)
{
    return str_starts(types, S("Array of ")) || union_members(types) || type_find(types);
}

static bool text_to_value(struct call *c, str text, str types, struct json_object **out)
{
    int64_t number;
    if (takes(types, S("Integer")) && str_to_i64(text, &number))
        return (*out = json_object_new_int64(number)) != NULL;
    if (takes(types, S("Boolean")) && (str_eq_nocase(text, S("true")) || str_eq(text, S("1"))))
        return (*out = json_object_new_boolean(true)) != NULL;
    if (takes(types, S("Boolean")) && (str_eq_nocase(text, S("false")) || str_eq(text, S("0"))))
        return (*out = json_object_new_boolean(false)) != NULL;
    if (!is_structured(types) || json_parse(c->arena, text, out))
        return false;
    json_object_get(*out);
    return true;
}

/* Query, form and multipart know only text; what it means tells the table. */
static err *convert_text(struct call *c, const struct field *f, struct json_object **value)
{
    str types = str_from(f->types), text = json_value_str(*value);
    if (!json_object_is_type(*value, json_type_string))
        return NULL;
    struct json_object *converted;
    if (text_to_value(c, text, types, &converted)) {
        json_object_object_add(c->arguments, f->name, converted);
        *value = converted;
        return NULL;
    }
    if (!is_structured(types))
        return NULL; /* a String, or mistyped: check_value() tells */
    return bad_request(c, "can't parse %s JSON object",
                       str_eq(types, S("ReplyMarkup")) || str_eq(types, S("InlineKeyboardMarkup"))
                           ? "reply keyboard markup"
                           : f->name);
}

/* -- limits -- */

static err *check_limits(struct call *c, const struct field *f, struct json_object *value,
                         struct place at)
{
    if (!f->least && !f->most)
        return NULL;
    int64_t size = 0;
    const char *unit = "";
    if (json_object_is_type(value, json_type_string)) {
        size = (int64_t)str_utf16_units(json_value_str(value));
        unit = " characters long";
    } else if (json_object_is_type(value, json_type_array)) {
        size = (int64_t)json_length(value);
        unit = " items long";
    } else {
        json_value_i64(value, &size);
    }
    if (size >= f->least && size <= f->most)
        return NULL;
    if (f->outside)
        return bad_request(c, "%s", f->outside);
    return bad_request(c, "%sfield \"%s\" must be %" PRId64 "-%" PRId64 "%s", at.prefix, f->name,
                       f->least, f->most, unit);
}

/* -- objects -- */

static const struct field *field_find(const struct field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static err *check_object(struct call *c, struct json_object *object, const struct type *type)
{
    const char *prefix = type->parse_prefix ? type->parse_prefix : "";
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *f = &type->fields[i];
        if (!f->is_required || json_has(object, f->name))
            continue;
        if (f->missing)
            return bad_request(c, "%s", f->missing);
        return bad_request(c, "%sCan't find field \"%s\"", prefix, f->name);
    }
    json_object_object_foreach(object, name, value)
    {
        const struct field *f = field_find(type->fields, type->field_count, name);
        if (!f)
            return bad_request(c, "%sunknown field \"%s\" in %s", prefix, name, type->name);
        struct place at = {name, prefix};
        TRY(check_value(c, value, str_from(f->types), at));
        TRY(check_limits(c, f, value, at));
    }
    return NULL;
}

static bool has_mark(struct json_object *object, const struct type *type)
{
    str key, wanted;
    if (!str_cut(str_from(type->mark), '=', &key, &wanted))
        return json_has(object, type->mark);
    return str_eq(json_str(object, "type"), wanted);
}

static err *no_member(struct call *c, struct json_object *object, str name)
{
    str type = json_str(object, "type");
    if (str_eq(name, S("ReplyMarkup")))
        return bad_request(c, "object expected as reply markup");
    if (str_eq(name, S("BotCommandScope")))
        return bad_request(c, "can't parse BotCommandScope: Unsupported type specified");
    if (str_empty(type))
        return bad_request(c, "can't parse InputMedia: Can't find field \"type\"");
    if (strcmp(c->method->name, "sendMediaGroup") == 0)
        return bad_request(
            c, "can't parse InputMedia: type \"" STR_FMT "\" can't be used in sendMediaGroup",
            STR_ARG(type));
    return bad_request(c, "can't parse InputMedia: type \"" STR_FMT "\" is unsupported",
                       STR_ARG(type));
}

static err *check_union(struct call *c, struct json_object *object, str name, str members)
{
    str one;
    while (members.len) {
        str_cut(members, '|', &one, &members);
        const struct type *type = type_find(one);
        if (type && has_mark(object, type))
            return check_object(c, object, type);
    }
    return no_member(c, object, name);
}

/* -- one value -- */

static err *mistyped(struct call *c, str types, struct place at)
{
    if (str_eq(types, S("ReplyMarkup")) || str_eq(types, S("InlineKeyboardMarkup")))
        return bad_request(c, "object expected as reply markup");
    str shown = str_starts(types, S("Array of ")) ? S("Array") : types;
    return bad_request(c, "%s%s \"%s\" must be of type " STR_FMT, at.prefix,
                       at.prefix[0] ? "Field" : "field", at.field, STR_ARG(shown));
}

static bool is_plain(struct json_object *value, str types)
{
    int64_t number;
    switch (json_object_get_type(value)) {
    case json_type_string:
        return takes(types, S("String"));
    case json_type_boolean:
        return takes(types, S("Boolean"));
    case json_type_int:
        return takes(types, S("Integer")) && json_value_i64(value, &number) &&
               number > -MOST_INTEGER && number < MOST_INTEGER;
    default:
        return false;
    }
}

static err *check_value(struct call *c, struct json_object *value, str types, struct place at)
{
    if (str_starts(types, S("Array of "))) {
        if (!json_object_is_type(value, json_type_array))
            return mistyped(c, types, at);
        for (size_t i = 0; i < json_length(value); i++)
            TRY(check_value(c, json_item(value, i), str_sub(types, 9, types.len), at));
        return NULL;
    }
    const char *members = union_members(types);
    const struct type *type = type_find(types);
    if ((members || type) && !json_object_is_type(value, json_type_object))
        return mistyped(c, types, at);
    if (members)
        return check_union(c, value, types, str_from(members));
    if (type)
        return check_object(c, value, type);
    return is_plain(value, types) ? NULL : mistyped(c, types, at);
}

/* -- the whole call -- */

static bool is_attached(struct call *c, str name)
{
    str all = json_text(c->arena, c->arguments);
    size_t position;
    return str_find(all, str_printf(c->arena, "attach://" STR_FMT, STR_ARG(name)), &position);
}

static err *check_uploads(struct call *c)
{
    for (size_t i = 0; i < c->upload_count; i++) {
        str name = c->uploads[i].name;
        const struct field *f = field_find(c->method->fields, c->method->field_count,
                                           cstr(c->arena, name));
        bool is_file_field = f && takes(str_from(f->types), S("InputFile"));
        if (!is_file_field && !is_attached(c, name))
            return bad_request(c, "unknown field \"" STR_FMT "\" in %s", STR_ARG(name),
                               c->method->name);
    }
    return NULL;
}

/* Unknown fields first: a misspelt name explains the missing one. */
err *rules_check(struct call *c)
{
    const struct method *m = c->method;
    json_object_object_foreach(c->arguments, known, ignored)
    {
        (void)ignored;
        if (!field_find(m->fields, m->field_count, known))
            return bad_request(c, "unknown field \"%s\" in %s", known, m->name);
    }
    TRY(check_uploads(c));
    for (size_t i = 0; i < m->field_count; i++) {
        const struct field *f = &m->fields[i];
        struct json_object *value = NULL;
        bool is_given = json_object_object_get_ex(c->arguments, f->name, &value);
        if (!is_given && arguments_upload(c, str_from(f->name)))
            continue;
        if (!is_given && f->is_required) {
            if (f->missing)
                return bad_request(c, "%s", f->missing);
            return bad_request(c, "parameter \"%s\" is required", f->name);
        }
        if (!is_given)
            continue;
        struct place at = {f->name, ""};
        if (c->is_text)
            TRY(convert_text(c, f, &value));
        TRY(check_value(c, value, str_from(f->types), at));
        TRY(check_limits(c, f, value, at));
    }
    return NULL;
}
