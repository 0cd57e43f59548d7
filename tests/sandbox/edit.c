/* The methods that change or take away what was sent, and answers to taps. */
#include "tests/sandbox/telegram_inside.h"

#include "core/clock.h"

enum { CALLBACK_LIVES_MS = 150000, MAY_DELETE_S = 48 * 3600 };

static err *find_for_edit(struct call *c, struct message *m)
{
    int64_t chat_id, message_id = 0;
    TRY(chat_argument(c, c->arguments, &chat_id));
    json_i64(c->arguments, "message_id", &message_id);
    if (message_id <= 0)
        return bad_request(c, "message identifier is not specified");
    if (!message_find(c->arena, chat_id, message_id, m))
        return bad_request(c, "message to edit not found");
    if (!m->is_from_bot)
        return bad_request(c, "message can't be edited");
    return NULL;
}

/* An absent reply_markup takes the keyboard away: the edit sets it as a whole. */
static err *save_edit(struct call *c, const struct message *before, struct message *m, str *result)
{
    bool is_same = str_eq(before->text, m->text) && str_eq(before->entities, m->entities) &&
                   str_eq(before->media, m->media) && str_eq(before->markup, m->markup) &&
                   str_eq(before->kind, m->kind);
    if (is_same)
        return bad_request(c,
                           "message is not modified: specified new message content and reply"
                           " markup are exactly the same as a current content and reply markup of"
                           " the message");
    m->edit_date = clock_ms() / 1000;
    message_save(m);
    *result = message_json(c->arena, m);
    return NULL;
}

err *run_editMessageText(struct call *c, str *result)
{
    struct message before = {0}, m;
    struct formatted text = {0};
    TRY(text_argument(c, &text));
    TRY(find_for_edit(c, &before));
    if (!str_eq(before.kind, S("text")))
        return bad_request(c, "there is no text in the message to edit");
    m = before;
    TRY(markup_argument(c, true, &m.markup));
    m.text = text.text;
    m.entities = text.entities;
    return save_edit(c, &before, &m, result);
}

err *run_editMessageCaption(struct call *c, str *result)
{
    struct message before = {0}, m;
    struct formatted caption = {0};
    TRY(caption_argument(c, c->arguments, &caption));
    TRY(find_for_edit(c, &before));
    if (str_eq(before.kind, S("text")) || str_eq(before.kind, S("invoice")))
        return bad_request(c, "there is no caption in the message to edit");
    m = before;
    TRY(markup_argument(c, true, &m.markup));
    m.text = caption.text;
    m.entities = caption.entities;
    return save_edit(c, &before, &m, result);
}

/* In an album a photo and a video may take each other's place, nothing else. */
static bool fits_album(str before, str after)
{
    bool was_picture = str_eq(before, S("photo")) || str_eq(before, S("video"));
    bool is_picture = str_eq(after, S("photo")) || str_eq(after, S("video"));
    return str_eq(before, after) || (was_picture && is_picture);
}

err *run_editMessageMedia(struct call *c, str *result)
{
    struct json_object *input = json_at(c->arguments, "media");
    struct message before = {0}, m;
    struct formatted caption = {0};
    struct media media = {0};
    TRY(caption_argument(c, input, &caption));
    TRY(find_for_edit(c, &before));
    str kind = json_str(input, "type");
    if (str_eq(before.kind, S("invoice")))
        return bad_request(c, "message can't be edited");
    if (!str_empty(before.media_group_id) && !fits_album(before.kind, kind))
        return bad_request(c, "can't use the media of the specified type in the album");
    m = before;
    TRY(markup_argument(c, true, &m.markup));
    TRY(media_argument(c, input, "media", cstr(c->arena, kind), &media));
    m.kind = kind;
    m.text = caption.text;
    m.entities = caption.entities;
    m.media = media_json(c->arena, &media);
    m.extra = extra_of(c, input);
    return save_edit(c, &before, &m, result);
}

err *run_editMessageReplyMarkup(struct call *c, str *result)
{
    struct message before = {0}, m;
    TRY(find_for_edit(c, &before));
    m = before;
    TRY(markup_argument(c, true, &m.markup));
    return save_edit(c, &before, &m, result);
}

/* -- deleting -- */

static bool may_delete(const struct message *m)
{
    return clock_ms() / 1000 - m->date <= MAY_DELETE_S;
}

static void delete_row(int64_t message_id)
{
    SQL("update messages set is_deleted = 1 where message_id = ?", V(message_id));
    sandbox_changed();
}

err *run_deleteMessage(struct call *c, str *result)
{
    int64_t chat_id, message_id = 0;
    struct message m = {0};
    TRY(chat_argument(c, c->arguments, &chat_id));
    json_i64(c->arguments, "message_id", &message_id);
    if (message_id <= 0)
        return bad_request(c, "message identifier is not specified");
    if (!message_find(c->arena, chat_id, message_id, &m))
        return bad_request(c, "message to delete not found");
    if (!may_delete(&m))
        return bad_request(c, "message can't be deleted");
    delete_row(message_id);
    *result = S("true");
    return NULL;
}

err *run_deleteMessages(struct call *c, str *result)
{
    struct json_object *ids = json_at(c->arguments, "message_ids");
    int64_t chat_id;
    TRY(chat_argument(c, c->arguments, &chat_id));
    for (size_t i = 0; i < json_length(ids); i++) {
        int64_t message_id = 0;
        struct message m = {0};
        json_value_i64(json_item(ids, i), &message_id);
        if (message_find(c->arena, chat_id, message_id, &m) && may_delete(&m))
            delete_row(message_id);
    }
    *result = S("true");
    return NULL;
}

/* -- answers to taps -- */

err *run_answerCallbackQuery(struct call *c, str *result)
{
    str id = json_str(c->arguments, "callback_query_id"), text = json_str(c->arguments, "text");
    bool shows_alert = false;
    json_boolean(c->arguments, "show_alert", &shows_alert);
    str answer = json_make(c->arena, KV("text", str_empty(text) ? S("") : text),
                           KV("show_alert", shows_alert), KV("url", json_str(c->arguments, "url")));
    int changed = SQL("update callbacks set answered_ms = ?1, answer = ?2"
                      " where id = ?3 and answered_ms is null and at_ms > ?4",
                      V(clock_ms()), V(answer), V(id), V(clock_ms() - CALLBACK_LIVES_MS));
    if (!changed)
        return bad_request(c,
                           "query is too old and response timeout expired or query ID is invalid");
    sandbox_changed();
    *result = S("true");
    return NULL;
}
