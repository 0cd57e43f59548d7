/*
 * telegram.h - Telegram as the sandbox plays it: users, messages, files,
 * updates and the Bot API, for the chat page and for tests.
 *
 * What a person does is a function here: it writes the message, makes the
 * update the bot gets and wakes whoever waits for a change. What the chat page
 * shows it reads from the tables:
 *
 *   people     id, first_name, last_name, username, language_code, is_premium,
 *              has_started (the bot may write), has_blocked, created_ms, stars
 *   messages   chat_id, message_id (grows over all chats), date (s), edit_date,
 *              is_from_bot, kind (text photo document voice audio video invoice
 *              successful_payment refunded_payment),
 *              text (text or caption, plain), entities (JSON array or null),
 *              media (JSON: {"file_id":…,"sha256":…,"width":…,…} or null),
 *              markup (reply_markup as JSON, or null), media_group_id,
 *              reply_to (message id), is_deleted, extra (JSON, other fields)
 *   files      file_id, unique_id, kind, sha256, size_bytes, width, height,
 *              duration, mime_type, file_name, sizes (of a photo) and thumbnail (of a
 *              document that is a picture) as JSON
 *   callbacks  id, user_id, message_id, data, at_ms, answered_ms,
 *              answer (JSON: {"text":…,"show_alert":…} or null)
 *   updates    update_id, queue_key, kind, body, expires_ms: not yet delivered
 *   calls      id, at_ms, method, parameters, status, result, is_refused,
 *              via (api, webhook), took_ms: the latest calls of the bot
 *   actions    chat_id, action, at_ms: the latest sendChatAction of a chat
 *   invoices   message_id, payload, stars, is_paid
 *   checkouts  id, user_id, message_id, stars, at_ms, state, words: payments begun
 *   star_transactions   id, user_id, stars, is_refund, payload, date (s)
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

struct sent_file {
    const char *kind; /* "photo", "document", "voice", "audio", "video" */
    str bytes, file_name, mime_type;
    int64_t duration_seconds;
};
/* A photo is seen by the bot in several sizes, encoded anew; 0 when the bytes are no picture
 * that Telegram takes as a photo, or nothing at all. */
int64_t telegram_user_file(struct arena *a, int64_t user_id, const struct sent_file *file,
                           str caption, str media_group_id);
/* Files picked together, as Telegram's apps send them: what can be no photo goes as a document,
 * those of one kind in albums of up to ten, message after message, the caption under the first.
 * Sets the ids of the messages; false, with nothing sent, when a file is empty. */
bool telegram_user_files(struct arena *a, int64_t user_id, const struct sent_file *files,
                         size_t count, str caption, int64_t *message_ids);
/* The callback's id, empty when the message is not there or has no such button.
 * is_forged skips the look at the buttons, as a modified client would. */
str telegram_user_tap(struct arena *a, int64_t user_id, int64_t message_id, str data,
                      bool is_forged);
bool telegram_user_block(struct arena *a, int64_t user_id, bool blocks);

/* -- Stars -- */

/* A payment that was begun. state: asked (the bot has not answered yet), paid, refused (by the bot,
 * in these words), failed (by Telegram), late (nobody answered in ten seconds). */
struct checkout {
    int64_t user_id, message_id, stars;
    str state, words;
};

/* The id of a checkout; empty when nothing can be paid there, and why tells what is wrong. */
str telegram_user_pay(struct arena *a, int64_t user_id, int64_t message_id, const char **why);
bool telegram_checkout_find(struct arena *a, str id, struct checkout *out);
/* Until it is over. */
void telegram_checkout_wait(struct arena *a, str id, struct checkout *out);
void telegram_person_stars(int64_t user_id, int64_t stars);

/* What Telegram's list of transactions says, whatever was paid. */
void telegram_transaction_put(str id, int64_t user_id, int64_t stars, bool is_refund, int64_t date);
bool telegram_transaction_forget(str id);
