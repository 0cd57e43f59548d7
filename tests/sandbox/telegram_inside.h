/*
 * telegram_inside.h - what the files of the played Telegram share with each
 * other and with nobody else.
 *
 *   telegram.c   HTTP in: token, arguments, the log of calls, files going out
 *   arguments.c  one set of arguments from query, form, multipart or JSON
 *   methods.c    the table: methods, fields, types, which are required, limits
 *   rules.c      holds a call against the table
 *   send.c edit.c bot.c   what the methods do
 *   media.c      file ids, uploads, what a message tells of a file
 *   picture.c photo.c   pictures: their size by the header, their sizes as photos
 *   message.c    rows of messages and the JSON that Telegram makes of them
 *   format.c entities.c   text with tags or entities (format.h)
 *   person.c     what people do
 *   payments.c   Stars: invoices, payments, refunds, transactions
 *   updates.c    the queue of updates and getUpdates
 *   delivery.c   the webhook
 */
#pragma once
#include "tests/sandbox/format.h"
#include "tests/sandbox/telegram.h"

/* -- arguments -- */

struct upload {
    str name, file_name, content_type, bytes;
};

/* A call of one method, on its way through the checks. */
struct call {
    struct arena *arena;
    str method_name;
    const struct method *method;
    struct json_object
        *arguments; /* one object; every value has its type once rules_check() is through */
    bool is_text;   /* values came as text: query, form or multipart */
    const struct upload *uploads;
    size_t upload_count;
    bool is_from_webhook; /* came in the answer to a delivery */
    const char *note;     /* "description" beside a result */
};

/* An error a caller of the API sees: its code is the status, its message the description. */
err *bad_request(struct call *c, const char *format, ...) PRINTF_LIKE(2, 3) MUST_USE;
err *api_error(struct call *c, int status, const char *format, ...) PRINTF_LIKE(3, 4) MUST_USE;

err *arguments_read(struct call *c, str query, str content_type, str body);
/* The upload that stands in a part of that name, or NULL. */
const struct upload *arguments_upload(const struct call *c, str name);
/* Parts of a multipart body; false when it is malformed. */
bool multipart_parse(struct arena *a, str content_type, str body, struct upload **parts,
                     size_t *count);

/* -- the table -- */

struct field {
    const char *name;
    const char *types; /* "Integer|String", "Array of LabeledPrice" */
    bool is_required;
    int64_t least,
        most; /* of a string its UTF-16 units, of a number its value, of an array its items; 0, 0: any */
    const char *missing; /* Telegram's words when it is absent, where they are known */
    const char *outside; /* … when it is outside the limits */
};

struct type {
    const char *name;
    const char
        *mark; /* what tells it from the others of a union: "type=photo", or a field it alone has */
    const struct field *fields;
    size_t field_count;
    const char *parse_prefix; /* begins Telegram's words about a broken one */
};

struct method {
    const char *name;
    const struct field *fields;
    size_t field_count;
    err *(*run)(struct call *c, str *result); /* result: JSON text */
    bool may_wait;                            /* runs outside of a transaction */
};

extern const struct type telegram_types[];
extern const size_t telegram_type_count;
const struct method *method_find(str name); /* without case */
const struct type *type_find(str name);

err *rules_check(struct call *c);

/* -- text -- */

/* The text of a call, by parse_mode or entities. */
err *format_argument(struct call *c, struct json_object *holder, const char *text_field,
                     const char *entities_field, struct formatted *out);

/* "text" and "caption" with their limits. */
err *text_argument(struct call *c, struct formatted *out);
err *caption_argument(struct call *c, struct json_object *holder, struct formatted *out);
/* Members of the message that come from flags of the call; empty when none is set. */
str extra_of(struct call *c, struct json_object *holder);

/* -- media -- */

struct media {
    const char *kind; /* photo document voice audio video */
    str file_id, unique_id, sha256, mime_type, file_name, performer, title;
    str sizes;     /* of a photo: JSON array of PhotoSize */
    str thumbnail; /* of a document that is a picture: JSON PhotoSize */
    int64_t size_bytes, width, height, duration;
};

struct picture {
    int64_t width, height;
    const char *mime_type;
};
bool picture_read(str bytes, struct picture *out);
/* Telegram takes nothing flatter than 20 to 1 as a photo, and no sides of over 10000 together. */
bool picture_has_photo_shape(const struct picture *picture);

/* JPEGs of one picture, the largest last. */
enum { PHOTO_MOST_SIZES = 5 };
struct photo_size {
    str bytes;
    int64_t width, height;
};
/* How many were made; 0 when the bytes are no picture that can be read. */
size_t photo_sizes(struct arena *a, str bytes, struct photo_size sizes[PHOTO_MOST_SIZES]);
bool photo_thumbnail(struct arena *a, str bytes, struct photo_size *out);

/* Keeps bytes as a file of the kind. */
err *media_keep(struct call *c, const char *kind, const struct upload *upload, struct media *out);
/* The media in a field of `holder`: a file_id, attach://part, or an uploaded part of the field's
 * name. */
err *media_argument(struct call *c, struct json_object *holder, const char *field, const char *kind,
                    struct media *out);
str media_json(struct arena *a, const struct media *m);
bool media_from_json(struct arena *a, str json, struct media *out);
bool media_find(struct arena *a, str file_id, struct media *out);
/* A photo as a person's app sends it: encoded anew, in real sizes. False when it is no picture. */
bool media_put_photo(struct arena *a, str bytes, struct media *out);
/* Keeps bytes as they are and without a check; bytes of a photo are a picture. */
void media_put(struct arena *a, const char *kind, str bytes, str file_name, str mime_type,
               int64_t duration, struct media *out);
/* The member of a message: "photo":[…] or "document":{…}. */
void media_put_member(struct buf *b, const struct media *m);

/* -- messages -- */

struct message {
    int64_t message_id, chat_id, date, edit_date, reply_to;
    bool is_from_bot;
    str kind, text, entities, media, markup, media_group_id, extra;
};

void message_add(struct message *m); /* sets message_id and date */
bool message_find(struct arena *a, int64_t chat_id, int64_t message_id, struct message *out);
void message_save(const struct message *m); /* what an edit may change */
str message_json(struct arena *a, const struct message *m);
str chat_json(struct arena *a, int64_t chat_id);
str user_json(struct arena *a, int64_t user_id);
str bot_json(struct arena *a, bool is_whole);
int64_t bot_id(void);

/* Chat of a call, able to hear the bot: 400 and 403 otherwise. */
err *chat_argument(struct call *c, struct json_object *holder, int64_t *chat_id);
/* reply_markup, checked and in its stored form; empty when absent. */
err *markup_argument(struct call *c, bool only_inline, str *out);

/* -- the methods -- */

/* clang-format off */
#define METHODS(X)                                                                   \
    X(getMe)                X(getUpdates)            X(getFile)                      \
    X(setWebhook)           X(getWebhookInfo)        X(deleteWebhook)                \
    X(sendMessage)          X(sendPhoto)             X(sendDocument)                 \
    X(sendVoice)            X(sendAudio)             X(sendVideo)                    \
    X(sendMediaGroup)       X(sendChatAction)        X(answerCallbackQuery)          \
    X(editMessageText)      X(editMessageCaption)    X(editMessageMedia)             \
    X(editMessageReplyMarkup)                                                        \
    X(deleteMessage)        X(deleteMessages)                                        \
    X(setMyCommands)        X(getMyCommands)         X(deleteMyCommands)             \
    X(setMyDescription)     X(getMyDescription)                                      \
    X(setMyShortDescription) X(getMyShortDescription)                                \
    X(sendInvoice)          X(answerPreCheckoutQuery) X(refundStarPayment)           \
    X(getStarTransactions)  X(getMyStarBalance)
/* clang-format on */
#define X(name) err *run_##name(struct call *c, str *result);
METHODS(X)
#undef X

/* Runs a call whose arguments are read: checks, faults, the method, the log. The
 * answer is the whole JSON document; the status and Retry-After beside it. */
struct api_answer {
    int status;
    int64_t retry_after_s;
    str body;
};
void api_run(struct call *c, struct api_answer *out);

/* -- updates -- */

/* Makes an update of the kind, unless the bot did not ask for it; member is its JSON. */
void update_add(struct arena *a, const char *kind, str queue_key, int64_t lives_ms, str member);
int64_t updates_pending(void);
void updates_forget_all(void);

struct webhook {
    str url, secret_token;
    str certificate; /* in PEM: one of the bot's own, trusted in place of all others; may be empty */
    int64_t max_connections;
};
void webhook_read(struct arena *a, struct webhook *out);
bool webhook_is_set(void);
void delivery_start(void);
void delivery_wake(void);
size_t delivery_in_flight(void);
/* Delays and waits are multiplied by it: the fault "telegram.retry_scale", 1 without. */
double delivery_scale(struct arena *a);

void tables_make(void);
