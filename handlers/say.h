/*
 * say.h - what the user reads.
 *
 * Texts stand in handlers/text by language, with {placeholders} and plurals
 * {n|монета|монеты|монет}; values are HTML-escaped on the way in. The first
 * four functions belong to turns: they take the keyboard that the handler has
 * built in t->keyboard and leave it empty. The rest make messages for anyone,
 * jobs too.
 */
#pragma once
#include "db/session.h"
#include "handlers/menu.h"

struct turn;

/* A new message. */
#define say(t, text, ...) say_new((t), (text), KVS(__VA_ARGS__))
/* The tapped message becomes this; after words or a command, a new message. */
#define edit(t, text, ...) say_here((t), (text), KVS(__VA_ARGS__))
/* The same with a picture that Telegram knows already. */
#define edit_photo(t, file_id, caption, ...)                                                       \
    say_photo_here((t), (file_id), (caption), KVS(__VA_ARGS__))
/* Says no: the dialog stays where it is, what was gathered so far is dropped. */
#define refuse(t, text, ...) say_no((t), (text), KVS(__VA_ARGS__))
/* A line above the screen in answer to a tap; after words it is left out. */
#define hint(t, text, ...) say_hint((t), (text), KVS(__VA_ARGS__))

err *say_new(struct turn *t, enum text text, const struct kv *values);
err *say_here(struct turn *t, enum text text, const struct kv *values);
err *say_photo_here(struct turn *t, str file_id, enum text caption, const struct kv *values);
/* The tapped message keeps what it says: only its buttons become these. */
err *edit_buttons(struct turn *t);
err *say_no(struct turn *t, enum text text, const struct kv *values);
void say_hint(struct turn *t, enum text text, const struct kv *values);
/* The next call of this turn is about the message of that name: later progress finds it. */
void say_in_slot(struct turn *t, str slot);
/* For dispatch.c: stops the button's spinner where no hint or refusal has done it. */
void say_tap_done(struct turn *t);

/* -- for anyone -- */

enum language language_of(str code); /* "ru", "en", "de-AT"…; Russian when empty, else English */
const char *language_code(enum language language);

/* HTML, for messages and captions; values are escaped. */
str text_html(struct arena *a, enum language language, enum text text, const struct kv *values);
/* As it stands, for buttons and toasts; values are not escaped. */
str text_plain(struct arena *a, enum language language, enum text text, const struct kv *values);

/* A bar of ten cells; share: 0 to 1. It is full when everything is there, not before. */
str progress_bar(struct arena *a, double share);

/* In the user's zone: "21.11.2026", "21.11 09:30", "09:30"; a moment of another year tells it: "21.11.2025
 * 09:30". */
str date_shown(struct arena *a, int64_t at_ms, int utc_offset_minutes);
str moment_shown(struct arena *a, int64_t at_ms, int utc_offset_minutes);
str time_shown(struct arena *a, int64_t at_ms, int utc_offset_minutes);

/* An edit whose message the sender knows by its slot; see outbox.h. */
enum { MESSAGE_OF_SLOT = -1 };

/* {"method":…} with chat, HTML text and keyboard. message_id 0: sendMessage, else
 * editMessageText. */
str message_call(struct arena *a, int64_t chat_id, int64_t message_id, str html,
                 struct keyboard *k);
/* A new message that answers one of the user's; it is sent as well when that one is gone. */
str reply_call(struct arena *a, int64_t chat_id, int64_t to_message_id, str html,
               struct keyboard *k);
str photo_call(struct arena *a, int64_t chat_id, int64_t message_id, str file_id, str caption_html,
               struct keyboard *k);
str document_call(struct arena *a, int64_t chat_id, str file_id, str caption_html,
                  struct keyboard *k);
/* Stops a button's spinner; words may be empty, and are shown above the screen or in a window of
 * their own. */
str answer_call(struct arena *a, str query_id, str words, bool is_alert);
/* The same call, without the sound of a new message. */
str silent_call(struct arena *a, str call);
str delete_call(struct arena *a, int64_t chat_id, int64_t message_id);
