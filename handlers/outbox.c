#include "handlers/outbox.h"

#include <openssl/sha.h>

#include "core/log.h"
#include "db/generation.h"
#include "db/job.h"
#include "db/photo.h"
#include "db/user.h"

enum {
    SLOT_LIFE_S = 48 * 3600, /* as long as Telegram lets a message be edited or deleted */
    MADE_LIFE_S = 3600,      /* a job whose process died is taken up again within minutes */
    DIGEST_BYTES = 8,
};

static const char slot_closed[] = "closed";

/* A call while it is being made: its JSON taken apart, and what its slot knows. */
struct making {
    const struct bot *bot;
    struct arena *arena;
    const struct outbox_call *call;
    str method;
    struct json_object *params; /* without the method */
    int64_t own_message_id;     /* of the call itself; 0: none */
    int64_t slot_message_id;    /* that the slot knows; 0: none */
    str digest, last_digest;    /* of what the message shall say, and of what the slot's says */
    bool is_closed;             /* the slot had its last call before */
    bool is_swallowed;          /* there is no message to do it to */
};

static bool has_slot(const struct making *m)
{
    return !str_empty(m->call->slot);
}

static str slots_key(const struct making *m)
{
    return session_key(m->arena, "slot", m->call->chat_id);
}

/* -- what to call -- */

/* Two calls of a slot that say the same have the same digest, whether they make the message or
 * edit it. */
static str digest_of(struct arena *a, struct json_object *params)
{
    str text = json_text(a, params);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text.ptr, text.len, digest);
    return str_hex(a, (str){(const char *)digest, DIGEST_BYTES});
}

static err *take_apart(struct making *m)
{
    TRY(json_parse(m->arena, m->call->call, &m->params));
    m->method = json_str(m->params, "method");
    if (str_empty(m->method))
        return fail(m->arena, ERR_INTERNAL, "outbox: a call without a method");
    m->method = str_dup(m->arena, m->method);
    json_object_object_del(m->params, "method");

    int64_t message_id = 0;
    if (json_i64(m->params, "message_id", &message_id) && message_id > 0)
        m->own_message_id = message_id;
    json_object_object_del(m->params, "message_id");
    m->digest = digest_of(m->arena, m->params);
    if (m->own_message_id)
        json_object_object_add(m->params, "message_id", json_object_new_int64(m->own_message_id));
    return NULL;
}

static str digest_field(const struct making *m)
{
    return str_printf(m->arena, STR_FMT ":last", STR_ARG(m->call->slot));
}

static err *read_slot(struct making *m)
{
    if (!has_slot(m))
        return NULL;
    redisReply *reply;
    TRY(cache_call(m->bot->cache, m->arena, &reply, S("HMGET"), slots_key(m), m->call->slot,
                   digest_field(m)));
    str known = reply_str(reply_item(reply, 0));
    if (str_eq(known, str_from(slot_closed)))
        m->is_closed = true;
    else
        m->slot_message_id = reply_i64(reply_item(reply, 0));
    m->last_digest = reply_str(reply_item(reply, 1));
    return NULL;
}

static bool is_edit(str method)
{
    return str_starts(method, S("edit"));
}

static err *become_new(struct making *m)
{
    str method, params;
    if (!telegram_as_new_message(m->arena, m->method, json_text(m->arena, m->params), &method,
                                 &params)) {
        m->is_swallowed = true;
        return NULL;
    }
    m->method = method;
    m->own_message_id = m->slot_message_id = 0;
    return json_parse(m->arena, params, &m->params);
}

static void become_edit(struct making *m)
{
    m->method = S("editMessageText");
    json_object_object_del(m->params, "reply_parameters");
}

/* The call is about the slot's message. A new text for a message that is there already is an edit
 * of it, which also makes a repeated first call harmless. */
static err *aim_at_slot(struct making *m)
{
    bool needs_message = is_edit(m->method) || str_eq(m->method, S("deleteMessage"));
    if (m->own_message_id || !has_slot(m))
        return NULL;
    if (!m->slot_message_id)
        return needs_message ? become_new(m) : NULL;
    if (str_eq(m->method, S("sendMessage")))
        become_edit(m);
    else if (!needs_message)
        return NULL;
    json_object_object_add(m->params, "message_id", json_object_new_int64(m->slot_message_id));
    return NULL;
}

/* Telegram refuses an edit that changes nothing. */
static bool says_nothing_new(const struct making *m)
{
    bool is_same_message = m->slot_message_id &&
                           (!m->own_message_id || m->own_message_id == m->slot_message_id);
    return is_same_message && !m->call->closes && str_eq(m->digest, m->last_digest);
}

/* -- a job's call is made once -- */

static str made_key(const struct making *m)
{
    return str_printf(m->arena, "made:{b%02d}:%" PRId64 ":" STR_FMT,
                      session_bucket(m->call->chat_id), m->call->job_id, STR_ARG(m->digest));
}

static err *read_made(const struct making *m, bool *is_made, struct json_object **result)
{
    *is_made = false;
    if (!m->call->job_id)
        return NULL;
    redisReply *reply;
    TRY(cache_call(m->bot->cache, m->arena, &reply, S("GET"), made_key(m)));
    *is_made = reply->type == REDIS_REPLY_STRING;
    if (!*is_made)
        return NULL;
    log_info("outbox.made_before", KV("job", m->call->job_id), KV("method", m->method));
    return result ? json_parse(m->arena, reply_str(reply), result) : NULL;
}

static void keep_made(const struct making *m, struct json_object *message)
{
    if (!m->call->job_id)
        return;
    err *e = cache_call(m->bot->cache, m->arena, NULL, S("SET"), made_key(m),
                        message ? json_text(m->arena, message) : S("{}"), S("EX"),
                        str_printf(m->arena, "%d", (int)MADE_LIFE_S));
    if (e)
        log_err("outbox.made_not_kept", e, KVS(KV("job", m->call->job_id)));
}

/* -- what came of it -- */

/* The message is out, whatever Redis says: a slot that could not be kept costs a new message
 * later. */
static void keep_slot(const struct making *m, struct json_object *message)
{
    if (!has_slot(m))
        return;
    bool is_emptied = str_eq(m->method, S("deleteMessage"));
    int64_t message_id = m->own_message_id ? m->own_message_id : m->slot_message_id;
    json_i64(message, "message_id", &message_id);
    if (!m->call->closes && !message_id)
        return;
    if (is_emptied)
        message_id = 0;
    str value = m->call->closes ? str_from(slot_closed)
                                : str_printf(m->arena, "%" PRId64, message_id);
    str key = slots_key(m);
    struct cache *cache = m->bot->cache;
    err *e = cache_call(cache, m->arena, NULL, S("HSET"), key, m->call->slot, value,
                        digest_field(m), m->digest);
    if (!e)
        e = cache_call(cache, m->arena, NULL, S("EXPIRE"), key,
                       str_printf(m->arena, "%d", (int)SLOT_LIFE_S));
    if (e)
        log_err("outbox.slot_not_kept", e, KVS(KV("slot", m->call->slot)));
}

static err *call_out(struct making *m, struct json_object **result)
{
    return telegram_call(m->arena, &m->bot->telegram, m->method, json_text(m->arena, m->params),
                         m->call->files, result);
}

/* Nobody can be reached there: said once in the user's row, and to whoever asked for the call. */
static err *chat_is_gone(struct making *m, struct db *db, const err *why)
{
    log_info("user.unreachable", KV("chat", m->call->chat_id), KV("detail", why->detail));
    TRY(user_mark_unreachable(db, m->call->chat_id));
    return fail_with(m->arena, ERR_NOT_FOUND, why->code, why->detail,
                     "telegram: chat %" PRId64 " is gone", m->call->chat_id);
}

/* The same call once more, which uploads the picture; a job that made this one runs again by itself. */
static err *queue_upload(const struct making *m, struct db *db, int64_t user_id, str image_id)
{
    return job_add(db,
                   &(struct new_job){
                       .lane = S("send"),
                       .kind = S("picture_again"),
                       .user_id = user_id,
                       .subject = image_id,
                       .payload = json_make(m->arena, KV("chat_id", m->call->chat_id),
                                            KV("call", JSON(m->call->call))),
                   },
                   NULL);
}

/* A picture is shown by the name that Telegram gave it, and Telegram may forget its names. */
static err *file_is_gone(struct making *m, struct db *db)
{
    str file_id = json_str(m->params, "photo"), image_id;
    int64_t user_id;
    if (str_empty(file_id))
        file_id = json_str(json_at(m->params, "media"), "media");
    log_info("image.file_gone", KV("chat", m->call->chat_id));
    TRY(image_forget_file(db, m->call->chat_id, file_id, &user_id, &image_id));
    if (!str_empty(image_id) && !m->call->job_id)
        TRY(queue_upload(m, db, user_id, image_id));
    return photo_forget_file(db, m->call->chat_id, file_id);
}

/* A message that has to stay below what the user sends. An old one that cannot be deleted stays where
 * it is. */
static err *bring_down(struct making *m)
{
    if (!m->slot_message_id || m->slot_message_id >= m->call->below_message_id)
        return NULL;
    str params = json_make(m->arena, KV("chat_id", m->call->chat_id),
                           KV("message_id", m->slot_message_id));
    err *e = telegram_call(m->arena, &m->bot->telegram, S("deleteMessage"), params, NULL, NULL);
    if (e && err_is_waiting(e))
        return e;
    m->slot_message_id = 0;
    m->last_digest = S("");
    return NULL;
}

static err *call_and_mend(struct making *m, struct json_object **message)
{
    err *e = call_out(m, message);
    if (!e)
        return NULL;
    if (telegram_is_target_gone(e)) {
        TRY(become_new(m));
        return m->is_swallowed ? NULL : call_out(m, message);
    }
    bool is_as_good_as_done = telegram_is_not_modified(e) || telegram_is_query_old(e);
    return is_as_good_as_done ? NULL : e;
}

err *outbox_make(const struct bot *bot, struct db *db, struct arena *a,
                 const struct outbox_call *call, struct json_object **result)
{
    struct making m = {.bot = bot, .arena = a, .call = call};
    struct json_object *message = NULL;
    bool is_made;
    if (result)
        *result = NULL;
    TRY(take_apart(&m));
    TRY(read_made(&m, &is_made, result));
    if (is_made)
        return NULL;
    TRY(read_slot(&m));
    if (m.is_closed)
        return NULL;
    TRY(bring_down(&m));
    if (says_nothing_new(&m))
        return NULL;
    TRY(aim_at_slot(&m));
    if (!m.is_swallowed) {
        err *e = call_and_mend(&m, &message);
        if (e && telegram_is_chat_gone(e))
            return chat_is_gone(&m, db, e);
        if (e && telegram_is_file_gone(e))
            TRY(file_is_gone(&m, db));
        if (e)
            return e;
    }
    keep_made(&m, message);
    keep_slot(&m, message);
    if (result)
        *result = message;
    return NULL;
}
