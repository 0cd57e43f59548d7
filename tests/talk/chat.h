/*
 * chat.h - Telegram's end of a talk: which messages stand in the chats, and
 * what is printed of each call that reaches them.
 *
 * A call is applied as Telegram would: an edit of a message that is gone, or
 * of a picture's text, is refused in Telegram's words, because the bot mends
 * such things by those words.
 */
#pragma once
#include <json-c/linkhash.h>

#include "core/json.h"

enum { FIRST_MESSAGE_ID = 101, MESSAGES_MOST = 512, KEYBOARDS_MOST = 16 };

struct chat_message {
    int64_t chat_id, id;
    bool has_media, is_gone;
    str content; /* to tell an edit that changes nothing */
    struct json_object
        *keyboards[KEYBOARDS_MOST]; /* all it has shown; the last may be NULL, for none */
    size_t keyboard_count;
};

static struct {
    struct arena *arena; /* of the whole talk */
    struct chat_message messages[MESSAGES_MOST];
    size_t count;
    str query_id;  /* of the tap that is being handled: not worth printing */
    str invoice;   /* payload of the newest one */
    int64_t stars; /* its price */
    bool are_many; /* taps at once: who of them gets which answer is chance */
} chats;

/* ---------------------------------------------------------------- what is printed */

static bool is_worth_printing(const char *name, struct json_object *value)
{
    str text = json_value_str(value);
    if (strcmp(name, "method") == 0 || strcmp(name, "reply_markup") == 0 ||
        strcmp(name, "link_preview_options") == 0)
        return false;
    if (strcmp(name, "parse_mode") == 0)
        return !str_eq(text, S("HTML"));
    bool is_expected = chats.are_many || str_eq(text, chats.query_id);
    bool is_query = strcmp(name, "callback_query_id") == 0 ||
                    strcmp(name, "pre_checkout_query_id") == 0;
    return !is_query || !is_expected;
}

/* Where a call goes is printed first, wherever it stands. */
static const char *const addresses[] = {"chat_id", "message_id"};

static bool is_address(const char *name)
{
    return strcmp(name, addresses[0]) == 0 || strcmp(name, addresses[1]) == 0;
}

static void print_value(struct buf *b, const char *name, struct json_object *value)
{
    bool is_words = strcmp(name, "text") == 0 || strcmp(name, "caption") == 0;
    buf_addf(b, " %s=", name);
    if (is_words)
        json_put_str(b, json_value_str(value));
    else if (json_object_is_type(value, json_type_string))
        buf_add(b, json_value_str(value));
    else
        buf_add(b, json_text(b->arena, value));
}

static void print_fields(struct buf *b, struct json_object *call);

/* {"type":"photo","media":"F1","caption":…} reads as photo=F1 caption=… */
static void print_media(struct buf *b, struct json_object *media)
{
    buf_addf(b, " " STR_FMT "=" STR_FMT, STR_ARG(json_str(media, "type")),
             STR_ARG(json_str(media, "media")));
    json_object_object_del(media, "type");
    json_object_object_del(media, "media");
    print_fields(b, media);
}

static void print_fields(struct buf *b, struct json_object *call)
{
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
        if (json_has(call, addresses[i]))
            print_value(b, addresses[i], json_at(call, addresses[i]));
    json_object_object_foreach(call, name, value)
    {
        if (strcmp(name, "media") == 0 && json_object_is_type(value, json_type_array))
            for (size_t i = 0; i < json_length(value); i++)
                print_media(b, json_item(value, i));
        else if (strcmp(name, "media") == 0 && json_object_is_type(value, json_type_object))
            print_media(b, value);
        else if (!is_address(name) && is_worth_printing(name, value))
            print_value(b, name, value);
    }
}

/* The end of a uuid tells as much as all of it. */
static str shortened(struct arena *a, str tap)
{
    enum { UUID_LENGTH = 36, SHOWN = 4 };
    struct buf b = buf_new(a);
    for (size_t at = 0; at < tap.len;) {
        if (str_is_uuid(str_sub(tap, at, UUID_LENGTH))) {
            buf_addf(&b, "…" STR_FMT, STR_ARG(str_sub(tap, at + UUID_LENGTH - SHOWN, SHOWN)));
            at += UUID_LENGTH;
        } else {
            buf_add_char(&b, tap.ptr[at++]);
        }
    }
    return buf_str(&b);
}

static void print_buttons(struct buf *b, struct json_object *markup)
{
    struct json_object *rows = json_at(markup, "inline_keyboard");
    for (size_t r = 0; r < json_length(rows); r++) {
        struct json_object *row = json_item(rows, r);
        buf_add(b, S("   "));
        for (size_t i = 0; i < json_length(row); i++) {
            struct json_object *button = json_item(row, i);
            str target = json_has(button, "url") ? json_str(button, "url")
                                                 : json_str(button, "callback_data");
            buf_addf(b, " [" STR_FMT "|" STR_FMT "]", STR_ARG(json_str(button, "text")),
                     STR_ARG(shortened(b->arena, target)));
        }
        buf_add_char(b, '\n');
    }
}

/* mark: "<" through the outbox, "<=" in the answer to Telegram's own delivery. */
static void print_call(struct buf *b, const char *mark, str method, struct json_object *call)
{
    struct json_object *copy = NULL;
    json_object_deep_copy(call, &copy, NULL);
    buf_addf(b, "%s " STR_FMT, mark, STR_ARG(method));
    print_fields(b, copy);
    buf_add_char(b, '\n');
    print_buttons(b, json_at(copy, "reply_markup"));
    json_object_put(copy);
}

/* ---------------------------------------------------------------- what becomes of it */

static struct chat_message *find_message(int64_t chat_id, int64_t id)
{
    for (size_t i = 0; i < chats.count; i++)
        if (chats.messages[i].chat_id == chat_id && chats.messages[i].id == id &&
            !chats.messages[i].is_gone)
            return &chats.messages[i];
    return NULL;
}

static void close_tree(void *tree)
{
    json_object_put(tree);
}

static void set_message(struct chat_message *message, struct json_object *call, str content)
{
    struct json_object *copy = NULL;
    if (json_has(call, "reply_markup")) {
        json_object_deep_copy(json_at(call, "reply_markup"), &copy, NULL);
        arena_defer(chats.arena, close_tree, copy);
    }
    assert(message->keyboard_count < KEYBOARDS_MOST);
    message->keyboards[message->keyboard_count++] = copy;
    message->content = content;
}

static str photo_answer(struct arena *a, const struct chat_message *message)
{
    return str_printf(a,
                      "{\"message_id\":%" PRId64 ",\"photo\":[{\"file_id\":\"photo-%" PRId64
                      "-small\",\"width\":90,\"height\":90},{\"file_id\":\"photo-%" PRId64
                      "\",\"width\":1024,\"height\":1024}]}",
                      message->id, message->id, message->id);
}

static str message_answer(struct arena *a, const struct chat_message *message)
{
    return message->has_media ? photo_answer(a, message)
                              : str_printf(a, "{\"message_id\":%" PRId64 "}", message->id);
}

static struct chat_message *add_message_row(int64_t chat_id, bool has_media)
{
    assert(chats.count < MESSAGES_MOST);
    struct chat_message *message = &chats.messages[chats.count];
    *message = (struct chat_message){
        .chat_id = chat_id, .has_media = has_media, .id = FIRST_MESSAGE_ID + (int64_t)chats.count};
    chats.count++;
    return message;
}

static str refusal(struct arena *a, int code, const char *words)
{
    return str_printf(a, "{\"ok\":false,\"error_code\":%d,\"description\":\"%s\"}", code, words);
}

static str success(struct arena *a, str result)
{
    return str_printf(a, "{\"ok\":true,\"result\":" STR_FMT "}", STR_ARG(result));
}

static str edit_message(struct arena *a, str method, struct json_object *call, int64_t chat_id,
                        str content)
{
    int64_t id = 0;
    json_i64(call, "message_id", &id);
    struct chat_message *message = find_message(chat_id, id);
    if (!message)
        return refusal(a, 400, "Bad Request: message to edit not found");
    if (str_eq(method, S("editMessageText")) && message->has_media)
        return refusal(a, 400, "Bad Request: there is no text in the message to edit");
    if (str_eq(message->content, content))
        return refusal(a, 400,
                       "Bad Request: message is not modified: specified new message content and "
                       "reply markup are exactly the same as a current content and reply markup "
                       "of the message");
    message->has_media |= str_eq(method, S("editMessageMedia"));
    set_message(message, call, content);
    return success(a, message_answer(a, message));
}

static str send_album(struct arena *a, struct json_object *call, int64_t chat_id)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < json_length(json_at(call, "media")); i++) {
        buf_add_char(&b, i ? ',' : '[');
        buf_add(&b, photo_answer(a, add_message_row(chat_id, true)));
    }
    buf_add_char(&b, ']');
    return success(a, buf_str(&b));
}

/* What Telegram answers to a call. */
static str apply_call(struct arena *a, str method, struct json_object *call)
{
    int64_t chat_id = 0, id = 0;
    json_i64(call, "chat_id", &chat_id);
    json_i64(call, "message_id", &id);
    struct buf shown = buf_new(chats.arena);
    json_object_object_foreach(call, name, value)
    {
        if (strcmp(name, "method") != 0 && strcmp(name, "message_id") != 0)
            print_value(&shown, name, value);
    }
    str content = buf_str(&shown);
    if (str_starts(method, S("edit")))
        return edit_message(a, method, call, chat_id, content);
    if (str_eq(method, S("sendMediaGroup")))
        return send_album(a, call, chat_id);
    if (str_eq(method, S("sendInvoice"))) {
        chats.invoice = str_dup(chats.arena, json_str(call, "payload"));
        json_i64(json_item(json_at(call, "prices"), 0), "amount", &chats.stars);
    }
    if (str_starts(method, S("send"))) {
        struct chat_message *message = add_message_row(chat_id, !str_eq(method, S("sendMessage")));
        set_message(message, call, content);
        return success(a, message_answer(a, message));
    }
    if (str_eq(method, S("getFile"))) {
        str file_id = json_str(call, "file_id");
        return success(a, json_make(a, KV("file_id", file_id), KV("file_size", 1000),
                                    KV("file_path",
                                       str_printf(a, "photos/" STR_FMT ".jpg", STR_ARG(file_id)))));
    }
    if (str_eq(method, S("deleteMessage"))) {
        struct chat_message *message = find_message(chat_id, id);
        if (!message)
            return refusal(a, 400, "Bad Request: message to delete not found");
        message->is_gone = true;
    }
    return success(a, S("true"));
}

/* ---------------------------------------------------------------- tapping */

/* Word by word between the colons; * stands for any, and what is behind may be left out. */
static bool is_this_tap(str data, str wanted)
{
    while (!str_empty(wanted)) {
        str word, wanted_word;
        str_cut(data, ':', &word, &data);
        str_cut(wanted, ':', &wanted_word, &wanted);
        if (!str_eq(wanted_word, S("*")) && !str_eq(wanted_word, word))
            return false;
    }
    return true;
}

static bool has_button(struct json_object *keyboard, str tap, str *data)
{
    struct json_object *rows = json_at(keyboard, "inline_keyboard");
    for (size_t r = 0; r < json_length(rows); r++)
        for (size_t i = 0; i < json_length(json_item(rows, r)); i++) {
            *data = json_str(json_item(json_item(rows, r), i), "callback_data");
            if (is_this_tap(*data, tap))
                return true;
        }
    return false;
}

/* The newest message of the chat that shows this button; its whole data with it. */
static const struct chat_message *message_with_button(int64_t chat_id, str tap, str *data)
{
    for (size_t i = chats.count; i > 0; i--) {
        const struct chat_message *message = &chats.messages[i - 1];
        if (message->chat_id == chat_id && !message->is_gone && message->keyboard_count &&
            has_button(message->keyboards[message->keyboard_count - 1], tap, data))
            return message;
    }
    return NULL;
}

/* A button that this message has shown once, be it gone by now. False when it never did. */
static bool old_button(int64_t chat_id, int64_t message_id, str tap, str *data)
{
    for (size_t i = 0; i < chats.count; i++) {
        const struct chat_message *message = &chats.messages[i];
        if (message->chat_id != chat_id || message->id != message_id)
            continue;
        for (size_t k = message->keyboard_count; k > 0; k--)
            if (has_button(message->keyboards[k - 1], tap, data))
                return true;
    }
    return false;
}
