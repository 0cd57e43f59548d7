/*
 * telegram.h - Telegram as the sandbox plays it: users, messages, files,
 * updates and the Bot API, for the chat page and for tests.
 *
 * What a person does is a function here: it writes the message, makes the
 * update the bot gets and wakes whoever waits for a change. What the chat page
 * shows it reads from the tables:
 *
 *   people     id, first_name, last_name, username, language_code, is_premium,
 *              has_started (the bot may write), has_blocked, created_ms
 *   messages   chat_id, message_id (grows over all chats), date (s), edit_date,
 *              is_from_bot, kind (text photo document voice audio video invoice),
 *              text (text or caption, plain), entities (JSON array or null),
 *              media (JSON: {"file_id":…,"sha256":…,"width":…,…} or null),
 *              markup (reply_markup as JSON, or null), media_group_id,
 *              reply_to (message id), is_deleted, extra (JSON, other fields)
 *   files      file_id, unique_id, kind, sha256, size_bytes, width, height,
 *              duration, mime_type, file_name
 *   callbacks  id, user_id, message_id, data, at_ms, answered_ms,
 *              answer (JSON: {"text":…,"show_alert":…} or null)
 *   updates    update_id, queue_key, kind, body, expires_ms: not yet delivered
 *   calls      id, at_ms, method, parameters, status, result, is_refused,
 *              via (api, webhook), took_ms: the latest calls of the bot
 *   actions    chat_id, action, at_ms: the latest sendChatAction of a chat
 */
#pragma once
#include "tests/sandbox/sandbox.h"

struct person {
    int64_t id;
    str first_name, last_name, username, language_code;
    bool is_premium;
};

/* Makes or changes a person; has not started the bot yet. */
void telegram_person_put(const struct person *person);
bool telegram_person_exists(int64_t user_id);

/* What a person does. The answers are ids of messages, or 0 when there is no
 * such person. A text makes the chat exist; "/start …" is such a text. */
int64_t telegram_user_text(struct arena *a, int64_t user_id, str text);
/* A photo is seen by the bot in several sizes; 0 when the bytes are no picture. */
int64_t telegram_user_photo(struct arena *a, int64_t user_id, str bytes, str caption,
                            str media_group_id);
/* kind: "document", "voice", "audio", "video". */
int64_t telegram_user_file(struct arena *a, int64_t user_id, const char *kind, str bytes,
                           str file_name, str mime_type, str caption, str media_group_id,
                           int64_t duration_seconds);
/* The callback's id, empty when the message is not there or has no such button.
 * is_forged skips the look at the buttons, as a modified client would. */
str telegram_user_tap(struct arena *a, int64_t user_id, int64_t message_id, str data,
                      bool is_forged);
bool telegram_user_block(struct arena *a, int64_t user_id, bool blocks);
