/* The methods that send, and the text they share. */
#include "tests/sandbox/telegram_inside.h"

#include "core/clock.h"

enum {
    MOST_RAW_BYTES = 32768,
    MOST_TEXT_UNITS = 4096,
    MOST_CAPTION_UNITS = 1024,
    LEAST_ALBUM = 2,
    MOST_ALBUM = 10,
};

/* -- text -- */

static err *format_by_mode(struct call *c, str raw, str mode, struct entities *entities,
                           struct formatted *out)
{
    if (str_eq_nocase(mode, S("markdown")) || str_eq_nocase(mode, S("markdownv2")))
        return bad_request(c, "parse_mode " STR_FMT " is not played by the sandbox", STR_ARG(mode));
    if (!str_eq_nocase(mode, S("html")))
        return bad_request(c, "unsupported parse_mode");
    str wrong;
    if (!format_html(c->arena, raw, out, entities, &wrong))
        return bad_request(c, "can't parse entities: " STR_FMT, STR_ARG(wrong));
    return NULL;
}

err *format_argument(struct call *c, struct json_object *holder, const char *text_field,
                     const char *entities_field, struct formatted *out)
{
    str raw = json_str(holder, text_field), mode = json_str(holder, "parse_mode");
    struct json_object *given = json_at(holder, entities_field);
    struct entities entities = entities_new(c->arena);
    if (!str_is_utf8(raw))
        return bad_request(c, "strings must be encoded in UTF-8");
    if (raw.len > MOST_RAW_BYTES)
        return bad_request(c, "text is too long");
    raw = format_clean(c->arena, raw);
    if (!str_empty(mode)) {
        TRY(format_by_mode(c, raw, mode, &entities, out));
    } else {
        *out = (struct formatted){.text = raw, .units = str_utf16_units(raw)};
        if (!entities_read(given, out->units, &entities))
            return bad_request(c, "ENTITY_BOUNDS_INVALID");
    }
    format_finish(c->arena, out, &entities);
    return NULL;
}

err *text_argument(struct call *c, struct formatted *out)
{
    if (str_empty(json_str(c->arguments, "text")))
        return bad_request(c, "message text is empty");
    TRY(format_argument(c, c->arguments, "text", "entities", out));
    if (!out->units)
        return bad_request(c, "text must be non-empty");
    if (out->units > MOST_TEXT_UNITS)
        return bad_request(c, "message is too long");
    return NULL;
}

err *caption_argument(struct call *c, struct json_object *holder, struct formatted *out)
{
    TRY(format_argument(c, holder, "caption", "caption_entities", out));
    if (out->units > MOST_CAPTION_UNITS)
        return bad_request(c, "message caption is too long");
    return NULL;
}

/* -- what all sending methods share -- */

static err *reply_argument(struct call *c, int64_t chat_id, int64_t *reply_to)
{
    *reply_to = 0;
    struct json_object *reply = json_at(c->arguments, "reply_parameters");
    int64_t message_id = 0;
    bool may_be_absent = false;
    struct message replied = {0};
    if (!reply)
        return NULL;
    json_i64(reply, "message_id", &message_id);
    json_boolean(reply, "allow_sending_without_reply", &may_be_absent);
    if (message_find(c->arena, chat_id, message_id, &replied))
        *reply_to = message_id;
    else if (!may_be_absent)
        return bad_request(c, "message to be replied not found");
    return NULL;
}

str extra_of(struct call *c, struct json_object *holder)
{
    static const struct {
        const char *argument, *member;
    } flags[] = {
        {"protect_content",          "has_protected_content"   },
        {"has_spoiler",              "has_media_spoiler"       },
        {"show_caption_above_media", "show_caption_above_media"},
    };
    struct kv fields[ARRAY_LEN(flags) + 2];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        bool is_set = false;
        if (json_boolean(holder, flags[i].argument, &is_set) && is_set)
            fields[count++] = KV(flags[i].member, is_set);
    }
    struct json_object *preview = json_at(holder, "link_preview_options");
    if (preview)
        fields[count++] = KV("link_preview_options", JSON(json_text(c->arena, preview)));
    fields[count] = (struct kv){0};
    return count ? json_make_kvs(c->arena, fields) : (str){0};
}

static err *begin_message(struct call *c, const char *kind, struct message *m)
{
    *m = (struct message){.is_from_bot = true, .kind = str_from(kind)};
    TRY(chat_argument(c, c->arguments, &m->chat_id));
    TRY(reply_argument(c, m->chat_id, &m->reply_to));
    TRY(markup_argument(c, false, &m->markup));
    m->extra = extra_of(c, c->arguments);
    return NULL;
}

static void finish_message(struct call *c, struct message *m, str *result)
{
    message_add(m);
    SQL("delete from actions where chat_id = ?", V(m->chat_id));
    *result = message_json(c->arena, m);
}

/* -- the methods -- */

err *run_sendMessage(struct call *c, str *result)
{
    struct message m = {0};
    struct formatted text = {0};
    TRY(text_argument(c, &text));
    TRY(begin_message(c, "text", &m));
    m.text = text.text;
    m.entities = text.entities;
    finish_message(c, &m, result);
    return NULL;
}

static err *send_media(struct call *c, const char *kind, str *result)
{
    struct message m = {0};
    struct formatted caption = {0};
    struct media media = {0};
    TRY(caption_argument(c, c->arguments, &caption));
    TRY(begin_message(c, kind, &m));
    TRY(media_argument(c, c->arguments, kind, kind, &media));
    m.text = caption.text;
    m.entities = caption.entities;
    m.media = media_json(c->arena, &media);
    finish_message(c, &m, result);
    return NULL;
}

err *run_sendPhoto(struct call *c, str *result)
{
    return send_media(c, "photo", result);
}
err *run_sendDocument(struct call *c, str *result)
{
    return send_media(c, "document", result);
}
err *run_sendVoice(struct call *c, str *result)
{
    return send_media(c, "voice", result);
}
err *run_sendAudio(struct call *c, str *result)
{
    return send_media(c, "audio", result);
}
err *run_sendVideo(struct call *c, str *result)
{
    return send_media(c, "video", result);
}

/* Documents and audio only with their own kind; photos and videos may be mixed. */
static err *check_album(struct call *c, struct json_object *items)
{
    size_t count = json_length(items);
    if (count == 0)
        return bad_request(c, "there are no messages to send");
    if (count < LEAST_ALBUM)
        return bad_request(c, "media group must have %d-%d items", LEAST_ALBUM, MOST_ALBUM);
    if (count > MOST_ALBUM)
        return bad_request(c, "too many messages to send as an album");
    str first = json_str(json_item(items, 0), "type");
    for (size_t i = 0; i < count; i++) {
        str type = json_str(json_item(items, i), "type");
        bool is_alone = str_eq(type, S("document")) || str_eq(type, S("audio"));
        if ((is_alone && !str_eq(type, first)) ||
            (!is_alone && (str_eq(first, S("document")) || str_eq(first, S("audio")))))
            return bad_request(c, STR_FMT " can't be mixed with other media types",
                               STR_ARG(is_alone ? type : first));
    }
    return NULL;
}

err *run_sendMediaGroup(struct call *c, str *result)
{
    struct json_object *items = json_at(c->arguments, "media");
    struct message shared = {0};
    TRY(check_album(c, items));
    TRY(begin_message(c, "", &shared));
    shared.media_group_id = str_printf(c->arena, "%" PRIu64, random_below(UINT64_C(1) << 53));

    struct message *album = NEW_ARRAY(c->arena, struct message, MOST_ALBUM);
    for (size_t i = 0; i < json_length(items); i++) {
        struct json_object *item = json_item(items, i);
        struct formatted caption = {0};
        struct media media = {0};
        TRY(caption_argument(c, item, &caption));
        const char *kind = cstr(c->arena, json_str(item, "type"));
        TRY(media_argument(c, item, "media", kind, &media));
        album[i] = shared;
        album[i].kind = str_from(kind);
        album[i].text = caption.text;
        album[i].entities = caption.entities;
        album[i].media = media_json(c->arena, &media);
        album[i].extra = extra_of(c, item);
    }
    struct buf b = buf_new(c->arena);
    for (size_t i = 0; i < json_length(items); i++) {
        str one;
        finish_message(c, &album[i], &one);
        buf_add_char(&b, i ? ',' : '[');
        buf_add(&b, one);
    }
    buf_add_char(&b, ']');
    *result = buf_str(&b);
    return NULL;
}

err *run_sendChatAction(struct call *c, str *result)
{
    static const char *const actions[] = {
        "typing",        "upload_photo",      "record_video",     "upload_video",
        "record_voice",  "upload_voice",      "upload_document",  "choose_sticker",
        "find_location", "record_video_note", "upload_video_note"};
    str action = json_str(c->arguments, "action");
    int64_t chat_id;
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LEN(actions) && !is_known; i++)
        is_known = str_eq_nocase(action, str_from(actions[i]));
    if (!is_known)
        return bad_request(c, "wrong parameter action in request");
    TRY(chat_argument(c, c->arguments, &chat_id));
    SQL("insert into actions (chat_id, action, at_ms) values (?1, ?2, ?3)"
        " on conflict (chat_id) do update set action = ?2, at_ms = ?3",
        V(chat_id), V(action), V(clock_ms()));
    sandbox_changed();
    *result = S("true");
    return NULL;
}
