/*
 * telegram.h - the Bot API: reading updates, making calls.
 *
 * telegram_read_update() turns the JSON of one update into a flat struct
 * update; unknown kinds and fields are let pass, as the API grows. Its strings
 * are views into the JSON tree. telegram_call() makes one call and waits for
 * the answer; the worker's send lane is its only caller besides long polling
 * and the command line.
 */
#pragma once
#include "core/http.h"
#include "core/json.h"

/* -- updates -- */

enum update_kind {
    UPDATE_OTHER, /* nothing this bot handles */
    UPDATE_MESSAGE,
    UPDATE_TAP, /* callback_query */
    UPDATE_PRE_CHECKOUT,
    UPDATE_PAYMENT, /* successful_payment: a message, but nothing that anybody wrote */
    UPDATE_REFUND,  /* refunded_payment, from whomever */
    UPDATE_MEMBER,  /* my_chat_member: the user blocked or unblocked the bot */
};

enum media_kind {
    MEDIA_NONE,
    MEDIA_PHOTO,
    MEDIA_DOCUMENT,
    MEDIA_VOICE,
    MEDIA_AUDIO,
    MEDIA_VIDEO,
    MEDIA_VIDEO_NOTE,
    MEDIA_OTHER, /* stickers, locations and the like: a message, but nothing to work with */
};

struct update {
    int64_t id;
    enum update_kind kind;

    int64_t user_id; /* Telegram's id of who acted; 0 where nobody did */
    str first_name, last_name, username, language_code;
    bool is_premium, is_bot;

    int64_t chat_id;
    bool is_private;

    /* Of the message, or of the one that was tapped; 0 when Telegram hides it. */
    int64_t message_id;
    bool message_has_media; /* the tapped message is a photo or file: its text cannot be edited */
    str text;               /* text or caption */
    str tap;                /* callback data */
    str query_id;           /* of the tap or the pre-checkout */
    str member_status;      /* "kicked" or "member" */

    enum media_kind media;
    str file_id, file_unique_id, file_name, mime_type;
    int64_t file_size_bytes, duration_seconds;
    int width, height;
    str media_group_id;

    /* Of a payment, its refund, and the question before it; the question has no charge yet. */
    str currency, invoice_payload, charge_id;
    int64_t total_amount;
};

/* ERR_INPUT when there is no update_id or a known kind lacks what it must have.
 * The texts are copies: the update needs the arena, and no longer the tree. */
err *telegram_read_update(struct arena *a, struct json_object *body, struct update *out);

/* -- calls -- */

enum {
    TELEGRAM_PHOTO_MAX_BYTES = 10 << 20, /* of an uploaded photo */
    TELEGRAM_DOCUMENT_MAX_BYTES = 50 << 20,
};

struct telegram {
    str api_url; /* TELEGRAM_API_URL, no slash at the end */
    str token;
    str files_dir; /* where a Bot API server on this machine keeps its files; may be empty */
};

/* The bot's own user id: the digits before the token's colon. 0 when it is no token. */
int64_t telegram_bot_id(str token);

struct telegram_file {
    str field; /* name of the part: "photo", or what attach:// names */
    str file_name, content_type, bytes;
};

/*
 * params: a JSON object, sent as it is when there are no files; with files each
 * of its members becomes a part of multipart/form-data (objects and arrays as
 * JSON text). files ends with an empty field, may be NULL. result may be NULL;
 * else the call's `result`, living in the arena.
 *
 * Errors: ERR_UNREACHABLE not sent; ERR_UNKNOWN sent, no answer; ERR_BUSY 429
 * (retry_ms set) and 5xx; ERR_UPSTREAM every other refusal, with error_code in
 * err.code and description in err.detail.
 */
err *telegram_call(struct arena *a, const struct telegram *telegram, str method, str params,
                   const struct telegram_file *files, struct json_object **result);
/* Long polling: timeout_s is how long Telegram may hold the call. */
err *telegram_get_updates(struct arena *a, const struct telegram *telegram, int64_t offset,
                          int timeout_s, str allowed_updates, struct json_object **updates);
/* Downloads what getFile named; at most max_bytes. A Bot API server of this machine names its file,
 * which is read where it lies. */
err *telegram_download(struct arena *a, const struct telegram *telegram, str file_path,
                       size_t max_bytes, str *bytes);
/* The same as a file of its own, open for reading until the arena ends: for what may be larger than
 * memory. ERR_INPUT when it is larger than max_bytes. */
err *telegram_open(struct arena *a, const struct telegram *telegram, str file_path,
                   size_t max_bytes, int *file);

/* What a refusal means. */
bool telegram_is_not_modified(const err *e); /* an edit that changes nothing: as good as done */
bool telegram_is_target_gone(const err *e);  /* nothing to edit, or it cannot become this */
bool telegram_is_chat_gone(const err *e);    /* blocked, deactivated, unknown: stop sending to it */
bool telegram_is_query_old(const err *e);    /* a tap answered too late */
bool telegram_is_file_gone(const err *e);    /* a file_id that no longer works: upload again */
bool telegram_is_refunded(const err *e);     /* of a payment: this was done before */

/* The calls a chat sees, from one written for another message: editMessageText
 * becomes sendMessage, editMessageMedia sendPhoto or sendDocument. False when
 * there is no such form. */
bool telegram_as_new_message(struct arena *a, str method, str params, str *new_method,
                             str *new_params);
