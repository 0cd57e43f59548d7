/* Messages: their rows, the JSON that Telegram makes of them, and what calls say of chats and
 * buttons. */
#include "tests/sandbox/telegram_inside.h"

#include "core/clock.h"

/* -- rows -- */

void message_add(struct message *m)
{
    m->date = clock_ms() / 1000;
    SQL("insert into messages (chat_id, date, is_from_bot, kind, text, entities, media, markup,"
        " media_group_id, reply_to, extra) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        V(m->chat_id), V(m->date), V(m->is_from_bot), V(m->kind), V(m->text), V(m->entities),
        V(m->media), V(m->markup), V(m->media_group_id), V(m->reply_to), V(m->extra));
    m->message_id = sql_last_id();
    sandbox_changed();
}

bool message_find(struct arena *a, int64_t chat_id, int64_t message_id, struct message *out)
{
    struct row row;
    if (!SQL_GET(&row,
                 "select date, edit_date, is_from_bot, kind, text, entities, media, markup,"
                 " media_group_id, reply_to, extra from messages"
                 " where message_id = ? and chat_id = ? and not is_deleted",
                 V(message_id), V(chat_id)))
        return false;
    *out = (struct message){.message_id = message_id,
                            .chat_id = chat_id,
                            .date = row_i64(&row, 0),
                            .edit_date = row_i64(&row, 1),
                            .is_from_bot = row_i64(&row, 2) != 0,
                            .kind = row_str(a, &row, 3),
                            .text = row_str(a, &row, 4),
                            .entities = row_str(a, &row, 5),
                            .media = row_str(a, &row, 6),
                            .markup = row_str(a, &row, 7),
                            .media_group_id = row_str(a, &row, 8),
                            .reply_to = row_i64(&row, 9),
                            .extra = row_str(a, &row, 10)};
    sql_close(&row);
    return true;
}

void message_save(const struct message *m)
{
    SQL("update messages set edit_date = ?, kind = ?, text = ?, entities = ?, media = ?,"
        " markup = ?, extra = ? where message_id = ?",
        V(m->edit_date), V(m->kind), V(m->text), V(m->entities), V(m->media), V(m->markup),
        V(m->extra), V(m->message_id));
    sandbox_changed();
}

/* -- JSON -- */

static str person_json(struct arena *a, int64_t user_id, bool as_chat)
{
    struct row row;
    if (!SQL_GET(&row,
                 "select first_name, last_name, username, language_code, is_premium"
                 " from people where id = ?",
                 V(user_id)))
        return S("null");
    struct kv fields[9];
    size_t count = 0;
    fields[count++] = KV("id", user_id);
    if (!as_chat)
        fields[count++] = KV("is_bot", (bool)false);
    static const char *const names[] = {"first_name", "last_name", "username", "language_code"};
    for (int i = 0; i < (as_chat ? 3 : 4); i++) {
        str value = row_str(a, &row, i);
        if (!str_empty(value))
            fields[count++] = KV(names[i], value);
    }
    if (!as_chat && row_i64(&row, 4))
        fields[count++] = KV("is_premium", (bool)true);
    if (as_chat)
        fields[count++] = KV("type", "private");
    fields[count] = (struct kv){0};
    sql_close(&row);
    return json_make_kvs(a, fields);
}

str chat_json(struct arena *a, int64_t chat_id)
{
    return person_json(a, chat_id, true);
}

str user_json(struct arena *a, int64_t user_id)
{
    return person_json(a, user_id, false);
}

str bot_json(struct arena *a, bool is_whole)
{
    struct kv fields[] = {KV("id", bot_id()),
                          KV("is_bot", (bool)true),
                          KV("first_name", "Aisha"),
                          KV("username", "aisha_sandbox_bot"),
                          KV("can_join_groups", (bool)true),
                          KV("can_read_all_group_messages", (bool)false),
                          KV("supports_inline_queries", (bool)false),
                          KV("can_connect_to_business", (bool)false),
                          KV("has_main_web_app", (bool)false),
                          {0}};
    if (!is_whole)
        fields[4] = (struct kv){0};
    return json_make_kvs(a, fields);
}

/* What stands in quotes goes in as it is; an empty value leaves its member out. */
static void put_json_member(struct buf *b, const char *name, str json)
{
    if (!str_empty(json))
        buf_addf(b, ",\"%s\":" STR_FMT, name, STR_ARG(json));
}

static void put_content(struct arena *a, struct buf *b, const struct message *m)
{
    bool is_text = str_eq(m->kind, S("text"));
    struct media media = {0};
    if (!is_text && media_from_json(a, m->media, &media)) {
        buf_add_char(b, ',');
        media_put_member(b, &media);
    }
    if (is_text || !str_empty(m->text)) {
        buf_addf(b, ",\"%s\":", is_text ? "text" : "caption");
        json_put_str(b, m->text);
    }
    put_json_member(b, is_text ? "entities" : "caption_entities", m->entities);
}

static void put_message(struct arena *a, struct buf *b, const struct message *m, bool is_inner)
{
    buf_addf(b,
             "{\"message_id\":%" PRId64 ",\"from\":" STR_FMT ",\"chat\":" STR_FMT
             ",\"date\":%" PRId64,
             m->message_id, STR_ARG(m->is_from_bot ? bot_json(a, false) : user_json(a, m->chat_id)),
             STR_ARG(chat_json(a, m->chat_id)), m->date);
    if (m->edit_date)
        buf_addf(b, ",\"edit_date\":%" PRId64, m->edit_date);
    struct message replied = {0};
    if (!is_inner && m->reply_to && message_find(a, m->chat_id, m->reply_to, &replied)) {
        buf_add(b, S(",\"reply_to_message\":"));
        put_message(a, b, &replied, true);
    }
    if (!str_empty(m->media_group_id)) {
        buf_add(b, S(",\"media_group_id\":"));
        json_put_str(b, m->media_group_id);
    }
    put_content(a, b, m);
    if (str_starts(m->markup, S("{\"inline_keyboard\"")))
        put_json_member(b, "reply_markup", m->markup);
    if (m->extra.len > 2) /* {"…":…}: its members are the message's */
        buf_addf(b, "," STR_FMT, STR_ARG(str_sub(m->extra, 1, m->extra.len - 2)));
    buf_add_char(b, '}');
}

str message_json(struct arena *a, const struct message *m)
{
    struct buf b = buf_new(a);
    put_message(a, &b, m, false);
    return buf_str(&b);
}

/* -- chats in calls -- */

err *chat_argument(struct call *c, struct json_object *holder, int64_t *chat_id)
{
    *chat_id = 0;
    if (!json_i64(holder, "chat_id", chat_id)) {
        str text = json_str(holder, "chat_id");
        if (str_empty(text))
            return bad_request(c, "chat_id is empty");
        str_to_i64(text, chat_id);
    }
    struct row row;
    if (!SQL_GET(&row, "select has_started, has_blocked from people where id = ?", V(*chat_id)))
        return bad_request(c, "chat not found");
    bool has_started = row_i64(&row, 0) != 0, has_blocked = row_i64(&row, 1) != 0;
    sql_close(&row);
    if (has_blocked)
        return api_error(c, 403, "Forbidden: bot was blocked by the user");
    if (!has_started)
        return api_error(c, 403, "Forbidden: bot can't initiate conversation with a user");
    return NULL;
}

/* -- buttons in calls -- */

enum { MOST_BUTTONS = 100, MOST_CALLBACK_BYTES = 64, MOST_MARKUP_BYTES = 10240 };

static bool is_web_address(str url)
{
    str scheme, rest, host, path;
    size_t at;
    if (str_starts(url, S("tg://")))
        return url.len > 5;
    if (str_find(url, S("://"), &at)) {
        scheme = str_sub(url, 0, at);
        rest = str_sub(url, at + 3, url.len);
        if (!str_eq_nocase(scheme, S("http")) && !str_eq_nocase(scheme, S("https")))
            return false;
    } else {
        rest = url;
    }
    str_cut(rest, '/', &host, &path);
    return str_find(host, S("."), &at) && at > 0 && at + 1 < host.len &&
           !str_find(url, S(" "), &at);
}

static err *check_style(struct call *c, struct json_object *button)
{
    str style = json_str(button, "style");
    if (!json_has(button, "style") || str_eq(style, S("danger")) || str_eq(style, S("success")) ||
        str_eq(style, S("primary")))
        return NULL;
    return bad_request(c, "can't parse inline keyboard button: invalid button style specified");
}

static err *check_button(struct call *c, struct json_object *button)
{
    static const char *const actions[] = {"url",
                                          "callback_data",
                                          "web_app",
                                          "login_url",
                                          "switch_inline_query",
                                          "switch_inline_query_current_chat",
                                          "switch_inline_query_chosen_chat",
                                          "copy_text",
                                          "pay"};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        count += json_has(button, actions[i]) ? 1 : 0;
    str data = json_str(button, "callback_data"), url = json_str(button, "url");
    str app = json_str(json_at(button, "web_app"), "url");
    if (str_empty(str_trim(json_str(button, "text"))))
        return bad_request(c,
                           "can't parse inline keyboard button: field \"text\" must be non-empty");
    if (count == 0 || (json_has(button, "callback_data") && str_empty(data)))
        return bad_request(c, "can't parse inline keyboard button: Text buttons are unallowed in"
                              " the inline keyboard");
    if (count > 1)
        return bad_request(c, "can't parse inline keyboard button: exactly one action is allowed");
    if (data.len > MOST_CALLBACK_BYTES)
        return bad_request(c, "BUTTON_DATA_INVALID");
    if (json_has(button, "url") && !is_web_address(url))
        return bad_request(c, "inline keyboard button URL '" STR_FMT "' is invalid: Wrong HTTP URL",
                           STR_ARG(url));
    if (json_has(button, "web_app") && !str_starts(app, S("https://")))
        return bad_request(c,
                           "inline keyboard button Web App URL '" STR_FMT
                           "' is invalid: Only HTTPS links are allowed",
                           STR_ARG(app));
    return check_style(c, button);
}

/* A button that pays is the first of an invoice, which has no buttons without it. */
static err *check_pay_button(struct call *c, struct json_object *button, bool is_first)
{
    bool is_of_invoice = strcmp(c->method->name, "sendInvoice") == 0;
    if (is_of_invoice && is_first && !json_has(button, "pay"))
        return bad_request(c, "REPLY_MARKUP_BUY_EMPTY");
    if (json_has(button, "pay") && !(is_of_invoice && is_first))
        return bad_request(c, "BUTTON_TYPE_INVALID");
    return NULL;
}

static err *check_keyboard(struct call *c, struct json_object *rows, bool is_inline, size_t *count)
{
    *count = 0;
    for (size_t r = 0; r < json_length(rows); r++) {
        struct json_object *row = json_item(rows, r);
        for (size_t i = 0; i < json_length(row); i++, (*count)++) {
            if (!is_inline)
                continue;
            TRY(check_button(c, json_item(row, i)));
            TRY(check_pay_button(c, json_item(row, i), *count == 0));
        }
    }
    return NULL;
}

err *markup_argument(struct call *c, bool only_inline, str *out)
{
    *out = (str){0};
    struct json_object *markup = json_at(c->arguments, "reply_markup");
    if (!markup)
        return NULL;
    struct json_object *rows = json_at(markup, "inline_keyboard");
    bool is_inline = rows != NULL;
    if (only_inline && !is_inline)
        return bad_request(c, "inline keyboard expected");
    size_t count;
    TRY(check_keyboard(c, is_inline ? rows : json_at(markup, "keyboard"), is_inline, &count));
    str text = json_text(c->arena, markup);
    if (count > MOST_BUTTONS || text.len > MOST_MARKUP_BYTES)
        return bad_request(c, "reply markup is too long");
    if (!is_inline || count)
        *out = text;
    return NULL;
}
