/* The methods about the bot itself: who it is, its commands and its descriptions. */
#include "tests/sandbox/telegram_inside.h"

err *run_getMe(struct call *c, str *result)
{
    *result = bot_json(c->arena, true);
    return NULL;
}

/* -- commands -- */

static err *check_language(struct call *c, str *code)
{
    *code = json_str(c->arguments, "language_code");
    if (!code->ptr)
        *code = S("");
    bool is_good = code->len == 0 ||
                   (code->len == 2 && code->ptr[0] >= 'a' && code->ptr[0] <= 'z' &&
                    code->ptr[1] >= 'a' && code->ptr[1] <= 'z');
    return is_good ? NULL : bad_request(c, "invalid language code specified");
}

static err *scope_argument(struct call *c, str *scope, str *language_code)
{
    struct json_object *given = json_at(c->arguments, "scope");
    *scope = given ? json_text(c->arena, given) : S("{\"type\":\"default\"}");
    int64_t chat_id;
    if (json_has(given, "chat_id"))
        TRY(chat_argument(c, given, &chat_id));
    return check_language(c, language_code);
}

static err *check_command(struct call *c, struct json_object *command)
{
    str name = json_str(command, "command"), description = json_str(command, "description");
    if (str_starts(name, S("/")))
        name = str_sub(name, 1, name.len);
    bool is_good = name.len >= 1 && name.len <= 32;
    for (size_t i = 0; i < name.len && is_good; i++) {
        char ch = name.ptr[i];
        is_good = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_';
    }
    if (!is_good)
        return bad_request(c, "BOT_COMMAND_INVALID");
    if (str_empty(description) || str_utf16_units(description) > 256)
        return bad_request(c, "BOT_COMMAND_DESCRIPTION_INVALID");
    return NULL;
}

err *run_setMyCommands(struct call *c, str *result)
{
    struct json_object *commands = json_at(c->arguments, "commands");
    str scope, language_code;
    TRY(scope_argument(c, &scope, &language_code));
    for (size_t i = 0; i < json_length(commands); i++)
        TRY(check_command(c, json_item(commands, i)));
    SQL("insert into commands (scope, language_code, commands) values (?1, ?2, ?3)"
        " on conflict (scope, language_code) do update set commands = ?3",
        V(scope), V(language_code), V(json_text(c->arena, commands)));
    sandbox_changed();
    *result = S("true");
    return NULL;
}

err *run_getMyCommands(struct call *c, str *result)
{
    str scope, language_code;
    TRY(scope_argument(c, &scope, &language_code));
    struct row row;
    *result = S("[]");
    if (SQL_GET(&row, "select commands from commands where scope = ? and language_code = ?",
                V(scope), V(language_code))) {
        *result = row_str(c->arena, &row, 0);
        sql_close(&row);
    }
    return NULL;
}

err *run_deleteMyCommands(struct call *c, str *result)
{
    str scope, language_code;
    TRY(scope_argument(c, &scope, &language_code));
    SQL("delete from commands where scope = ? and language_code = ?", V(scope), V(language_code));
    sandbox_changed();
    *result = S("true");
    return NULL;
}

/* -- descriptions, kept by language -- */

static err *set_words(struct call *c, const char *field, str *result)
{
    str language_code, words = json_str(c->arguments, field);
    TRY(check_language(c, &language_code));
    const char *name = cstr(
        c->arena, str_printf(c->arena, "telegram.%s." STR_FMT, field, STR_ARG(language_code)));
    store_set(name, str_empty(words) ? S("") : words);
    sandbox_changed();
    *result = S("true");
    return NULL;
}

static err *get_words(struct call *c, const char *field, str *result)
{
    str language_code;
    TRY(check_language(c, &language_code));
    const char *name = cstr(
        c->arena, str_printf(c->arena, "telegram.%s." STR_FMT, field, STR_ARG(language_code)));
    str words = store_get(c->arena, name);
    *result = json_make(c->arena, KV(field, str_empty(words) ? S("") : words));
    return NULL;
}

err *run_setMyDescription(struct call *c, str *result)
{
    return set_words(c, "description", result);
}

err *run_getMyDescription(struct call *c, str *result)
{
    return get_words(c, "description", result);
}

err *run_setMyShortDescription(struct call *c, str *result)
{
    return set_words(c, "short_description", result);
}

err *run_getMyShortDescription(struct call *c, str *result)
{
    return get_words(c, "short_description", result);
}
