#include "handlers/say.h"

#include <time.h>

#include "core/clock.h"
#include "handlers/turn.h"

enum {
    MESSAGE_MAX_UNITS = 4096,
    CAPTION_MAX_UNITS = 1024,
    TOAST_MAX_POINTS = 200,
};

enum language language_of(str code)
{
    return str_empty(code) || str_starts(code, S("ru")) ? LANG_ru : LANG_en;
}

const char *language_code(enum language language)
{
    return language == LANG_en ? "en" : "ru";
}

/* ---------------------------------------------------------------- filling texts */

static const struct val *find_value(const struct kv *values, str name)
{
    for (; values->name; values++)
        if (str_is(name, values->name))
            return &values->value;
    return NULL;
}

/* Which form follows a number: Russian has three, English uses the first and the last. */
static size_t plural_form(enum language language, int64_t n)
{
    uint64_t count = n < 0 ? -(uint64_t)n : (uint64_t)n;
    if (language == LANG_en)
        return count == 1 ? 0 : 1;
    uint64_t ten = count % 10, hundred = count % 100;
    if (ten == 1 && hundred != 11)
        return 0;
    if (ten >= 2 && ten <= 4 && (hundred < 12 || hundred > 14))
        return 1;
    return 2;
}

static void put_value(struct buf *b, const struct val *value, bool is_html)
{
    if (value->type == VAL_STR)
        buf_add(b, is_html ? str_html(b->arena, value->string) : value->string);
    else if (value->type == VAL_INT)
        buf_add_i64(b, value->integer);
    else
        assert(false && "a text takes words and whole numbers");
}

/* {name} is a value, {name|one|few|many} the form of a word that fits the number. */
static void put_placeholder(struct buf *b, enum language language, str inside,
                            const struct kv *values, bool is_html)
{
    str name, forms;
    bool is_plural = str_cut(inside, '|', &name, &forms);
    const struct val *value = find_value(values, name);
    assert(value);
    if (!is_plural) {
        put_value(b, value, is_html);
        return;
    }
    assert(value->type == VAL_INT);
    str form = forms, rest = forms;
    for (size_t i = plural_form(language, value->integer) + 1; i > 0 && !str_empty(rest); i--)
        str_cut(rest, '|', &form, &rest);
    buf_add(b, form);
}

static str fill(struct arena *a, enum language language, enum text text, const struct kv *values,
                bool is_html)
{
    str left = str_from(text_table[text].text[language]);
    struct buf b = buf_new(a);
    str before, behind;
    while (str_cut(left, '{', &before, &behind)) {
        buf_add(&b, before);
        str inside;
        str_cut(behind, '}', &inside, &left);
        put_placeholder(&b, language, inside, values, is_html);
    }
    buf_add(&b, before);
    return buf_str(&b);
}

str text_html(struct arena *a, enum language language, enum text text, const struct kv *values)
{
    return fill(a, language, text, values, true);
}

str text_plain(struct arena *a, enum language language, enum text text, const struct kv *values)
{
    return fill(a, language, text, values, false);
}

/* ---------------------------------------------------------------- calls */

static void put_member(struct buf *b, const char *name, struct val value)
{
    buf_add(b, S(",\""));
    buf_add(b, str_from(name));
    buf_add(b, S("\":"));
    json_put_val(b, value);
}

/* {"method":"…","chat_id":… : the sender relies on the method standing first. */
static struct buf begin_call(struct arena *a, const char *method, int64_t chat_id)
{
    struct buf b = buf_new(a);
    buf_add(&b, S("{\"method\":\""));
    buf_add(&b, str_from(method));
    buf_add_char(&b, '"');
    if (chat_id)
        put_member(&b, "chat_id", V(chat_id));
    return b;
}

static void put_message_id(struct buf *b, int64_t message_id)
{
    if (message_id != MESSAGE_OF_SLOT)
        put_member(b, "message_id", V(message_id));
}

static str end_call(struct buf *b, struct keyboard *k)
{
    str keys = k ? keyboard_json(k) : S("");
    if (!str_empty(keys))
        put_member(b, "reply_markup", V(JSON(keys)));
    buf_add_char(b, '}');
    return buf_str(b);
}

/* Telegram counts what is shown: no tags, and an escaped character as one. */
static size_t shown_units(str html)
{
    size_t units = 0;
    for (size_t at = 0; at < html.len;) {
        char first = html.ptr[at];
        if (first == '<' || first == '&') {
            str rest = str_sub(html, at, html.len), head, tail;
            str_cut(rest, first == '<' ? '>' : ';', &head, &tail);
            units += first == '&';
            at += rest.len - tail.len;
        } else {
            size_t length = str_utf8_at(html, at);
            units += length > 3 ? 2 : 1;
            at += length ? length : 1;
        }
    }
    return units;
}

/* No unit takes less than a byte, so only a long text has to be walked along. */
static bool is_shown_within(str html, size_t most_units)
{
    return html.len <= most_units || shown_units(html) <= most_units;
}

static void put_words(struct buf *b, str html)
{
    assert(is_shown_within(html, MESSAGE_MAX_UNITS));
    put_member(b, "text", V(html));
    put_member(b, "parse_mode", V("HTML"));
    put_member(b, "link_preview_options", V(JSON(S("{\"is_disabled\":true}"))));
}

str message_call(struct arena *a, int64_t chat_id, int64_t message_id, str html, struct keyboard *k)
{
    struct buf b = begin_call(a, message_id ? "editMessageText" : "sendMessage", chat_id);
    if (message_id)
        put_message_id(&b, message_id);
    put_words(&b, html);
    return end_call(&b, k);
}

str reply_call(struct arena *a, int64_t chat_id, int64_t to_message_id, str html,
               struct keyboard *k)
{
    struct buf b = begin_call(a, "sendMessage", chat_id);
    str to = json_make(a, KV("message_id", to_message_id),
                       KV("allow_sending_without_reply", (bool)true));
    put_words(&b, html);
    put_member(&b, "reply_parameters", V(JSON(to)));
    return end_call(&b, k);
}

str photo_call(struct arena *a, int64_t chat_id, int64_t message_id, str file_id, str caption_html,
               struct keyboard *k)
{
    assert(is_shown_within(caption_html, CAPTION_MAX_UNITS));
    if (message_id) {
        struct buf b = begin_call(a, "editMessageMedia", chat_id);
        put_message_id(&b, message_id);
        put_member(&b, "media",
                   V(JSON(json_make(a, KV("type", "photo"), KV("media", file_id),
                                    KV("caption", caption_html), KV("parse_mode", "HTML")))));
        return end_call(&b, k);
    }
    struct buf b = begin_call(a, "sendPhoto", chat_id);
    put_member(&b, "photo", V(file_id));
    put_member(&b, "caption", V(caption_html));
    put_member(&b, "parse_mode", V("HTML"));
    return end_call(&b, k);
}

str document_call(struct arena *a, int64_t chat_id, str file_id, str caption_html,
                  struct keyboard *k)
{
    assert(is_shown_within(caption_html, CAPTION_MAX_UNITS));
    struct buf b = begin_call(a, "sendDocument", chat_id);
    put_member(&b, "document", V(file_id));
    put_member(&b, "caption", V(caption_html));
    put_member(&b, "parse_mode", V("HTML"));
    return end_call(&b, k);
}

str silent_call(struct arena *a, str call)
{
    str open = str_sub(call, 0, call.len - 1);
    return str_printf(a, STR_FMT ",\"disable_notification\":true}", STR_ARG(open));
}

str delete_call(struct arena *a, int64_t chat_id, int64_t message_id)
{
    struct buf b = begin_call(a, "deleteMessage", chat_id);
    put_message_id(&b, message_id);
    return end_call(&b, NULL);
}

str answer_call(struct arena *a, str query_id, str words, bool is_alert)
{
    struct buf b = begin_call(a, "answerCallbackQuery", 0);
    put_member(&b, "callback_query_id", V(query_id));
    if (!str_empty(words))
        put_member(&b, "text", V(str_clip_points(a, words, TOAST_MAX_POINTS)));
    if (is_alert)
        put_member(&b, "show_alert", V(is_alert));
    return end_call(&b, NULL);
}

/* ---------------------------------------------------------------- dates */

static struct tm wall_clock(int64_t at_ms, int utc_offset_minutes)
{
    enum { MINUTE_S = 60 };
    time_t seconds = (time_t)(at_ms / 1000 + utc_offset_minutes * MINUTE_S);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    return tm;
}

str progress_bar(struct arena *a, double share)
{
    enum { CELLS = 10 };
    static const double rounding = 1e-6; /* 0.7 of ten cells are seven */
    int full = (int)(share * CELLS + rounding);
    struct buf b = buf_new(a);
    for (int i = 0; i < CELLS; i++)
        buf_add(&b, i < full ? S("▰") : S("▱"));
    return buf_str(&b);
}

str date_shown(struct arena *a, int64_t at_ms, int utc_offset_minutes)
{
    struct tm tm = wall_clock(at_ms, utc_offset_minutes);
    return str_printf(a, "%02d.%02d.%04d", tm.tm_mday, tm.tm_mon + 1, tm.tm_year + 1900);
}

str moment_shown(struct arena *a, int64_t at_ms, int utc_offset_minutes)
{
    struct tm tm = wall_clock(at_ms, utc_offset_minutes);
    if (tm.tm_year != wall_clock(clock_ms(), utc_offset_minutes).tm_year)
        return str_printf(a, "%02d.%02d.%04d %02d:%02d", tm.tm_mday, tm.tm_mon + 1,
                          tm.tm_year + 1900, tm.tm_hour, tm.tm_min);
    return str_printf(a, "%02d.%02d %02d:%02d", tm.tm_mday, tm.tm_mon + 1, tm.tm_hour, tm.tm_min);
}

str time_shown(struct arena *a, int64_t at_ms, int utc_offset_minutes)
{
    struct tm tm = wall_clock(at_ms, utc_offset_minutes);
    return str_printf(a, "%02d:%02d", tm.tm_hour, tm.tm_min);
}

/* ---------------------------------------------------------------- turns */

static bool is_tap(const struct turn *t)
{
    return t->update->kind == UPDATE_TAP;
}

/* Adds the call to the turn and makes the keyboard new for the next one. */
static void add_call(struct turn *t, enum call_way way, str call)
{
    turn_add_call(t, &(struct outgoing){.way = way, .call = call, .slot = t->next_slot});
    t->next_slot = S("");
    t->keyboard = keyboard_new(t->arena, t->language);
}

/* An edit may travel in the answer to the tap, unless its result matters. */
static enum call_way edit_way(const struct turn *t)
{
    return str_empty(t->next_slot) && !t->is_redraw ? CALL_INLINE : CALL_QUEUED;
}

static void add_message(struct turn *t, enum text text, const struct kv *values)
{
    str html = text_html(t->arena, t->language, text, values);
    add_call(t, CALL_QUEUED, message_call(t->arena, t->chat_id, 0, html, &t->keyboard));
}

err *say_new(struct turn *t, enum text text, const struct kv *values)
{
    add_message(t, text, values);
    return NULL;
}

/* Telegram turns text into a picture, but not back: a picture is replaced by a new message. */
err *say_here(struct turn *t, enum text text, const struct kv *values)
{
    if (!is_tap(t) || !t->update->message_id || t->keeps_message) {
        add_message(t, text, values);
        return NULL;
    }
    if (t->update->message_has_media) {
        struct keyboard keyboard = t->keyboard;
        str slot = t->next_slot;
        t->next_slot = S("");
        add_call(t, CALL_QUEUED, delete_call(t->arena, t->chat_id, t->update->message_id));
        t->keyboard = keyboard;
        t->next_slot = slot;
        add_message(t, text, values);
        return NULL;
    }
    str html = text_html(t->arena, t->language, text, values);
    add_call(t, edit_way(t),
             message_call(t->arena, t->chat_id, t->update->message_id, html, &t->keyboard));
    return NULL;
}

err *say_photo_here(struct turn *t, str file_id, enum text caption, const struct kv *values)
{
    int64_t message_id = is_tap(t) && !t->keeps_message ? t->update->message_id : 0;
    str html = text_html(t->arena, t->language, caption, values);
    add_call(t, message_id ? edit_way(t) : CALL_QUEUED,
             photo_call(t->arena, t->chat_id, message_id, file_id, html, &t->keyboard));
    return NULL;
}

err *edit_buttons(struct turn *t)
{
    if (!t->update->message_id)
        return NULL;
    struct buf b = begin_call(t->arena, "editMessageReplyMarkup", t->chat_id);
    put_message_id(&b, t->update->message_id);
    add_call(t, edit_way(t), end_call(&b, &t->keyboard));
    return NULL;
}

static void answer_tap(struct turn *t, str words, bool is_alert)
{
    str call = answer_call(t->arena, t->update->query_id, words, is_alert);
    turn_add_call(t, &(struct outgoing){.way = CALL_ANSWER, .call = call});
    t->is_tap_answered = true;
}

void say_hint(struct turn *t, enum text text, const struct kv *values)
{
    if (is_tap(t) && !t->is_tap_answered)
        answer_tap(t, text_plain(t->arena, t->language, text, values), false);
}

void say_tap_done(struct turn *t)
{
    if (is_tap(t) && !t->is_tap_answered)
        answer_tap(t, S(""), false);
}

err *say_no(struct turn *t, enum text text, const struct kv *values)
{
    turn_unsay(t);
    if (is_tap(t))
        answer_tap(t, text_plain(t->arena, t->language, text, values), true);
    else
        add_message(t, text, values);
    return fail(t->arena, ERR_REFUSED, "%s", text_table[text].name);
}

void say_in_slot(struct turn *t, str slot)
{
    t->next_slot = slot;
}
