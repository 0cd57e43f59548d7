#include "db/session.h"

#include "db/scripts.h"

int session_bucket(int64_t chat_id)
{
    return (int)((uint64_t)chat_id % SESSION_BUCKETS);
}

/* kind:{bNN} - every turn needs seven keys, which is too many for printf. */
static void add_tagged(struct buf *b, const char *kind, int bucket)
{
    buf_add(b, str_from(kind));
    buf_add(b, bucket < 10 ? S(":{b0") : S(":{b"));
    buf_add_i64(b, bucket);
    buf_add_char(b, '}');
}

str session_key(struct arena *a, const char *kind, int64_t chat_id)
{
    struct buf b = buf_new(a);
    add_tagged(&b, kind, session_bucket(chat_id));
    buf_add_char(&b, ':');
    buf_add_i64(&b, chat_id);
    return buf_str(&b);
}

static str stream_key(struct arena *a, const char *kind, int bucket)
{
    struct buf b = buf_new(a);
    add_tagged(&b, kind, bucket);
    return buf_str(&b);
}

str outbox_key(struct arena *a, int bucket)
{
    return stream_key(a, "out", bucket);
}

str answers_key(struct arena *a, int bucket)
{
    return stream_key(a, "ans", bucket);
}

static str number(struct arena *a, int64_t n)
{
    struct buf b = buf_new(a);
    buf_add_i64(&b, n);
    return buf_str(&b);
}

/* Name and value pairs of the session hash, from `first` on. */
static void read_session(struct arena *a, const redisReply *reply, size_t first,
                         struct session *session)
{
    size_t pairs = (reply_count(reply) - first) / 2;
    session->fields = NEW_ARRAY(a, struct field, pairs + 1);
    for (size_t i = 0; i < pairs; i++) {
        str name = reply_str(reply_item(reply, first + 2 * i));
        const redisReply *value = reply_item(reply, first + 2 * i + 1);
        if (str_eq(name, S("v")))
            session->version = reply_i64(value);
        else if (str_eq(name, S("e")))
            session->entered = reply_i64(value);
        else if (str_eq(name, S("s")))
            session->state = reply_str(value);
        else if (str_eq(name, S("u")))
            session->cached_user = reply_str(value);
        else if (!str_eq(name, S("q")))
            session->fields[session->field_count++] = (struct field){name, reply_str(value)};
    }
}

err *session_begin(struct cache *cache, struct arena *a, int64_t chat_id, int64_t update_id,
                   int64_t flood_limit_per_minute, str exempt_state, struct beginning *out)
{
    const str keys[] = {
        session_key(a, "session", chat_id),
        session_key(a, "done", chat_id),
        session_key(a, "flood", chat_id),
    };
    const str arguments[] = {
        number(a, update_id),
        number(a, TURN_MARK_MS),
        number(a, flood_limit_per_minute),
        exempt_state,
    };
    redisReply *reply;
    TRY(cache_eval(cache, a, &reply, &SCRIPT_turn_begin, keys, ARRAY_LEN(keys), arguments,
                   ARRAY_LEN(arguments)));

    str word = reply_str(reply_item(reply, 0));
    *out = (struct beginning){.session = {.chat_id = chat_id}};
    if (str_eq(word, S("done"))) {
        out->begun = BEGUN_DONE;
        out->answer = reply_str(reply_item(reply, 1));
    } else if (str_eq(word, S("running"))) {
        out->begun = BEGUN_RUNNING;
    } else if (str_eq(word, S("flooded"))) {
        out->begun = BEGUN_FLOODED;
        out->above = reply_i64(reply_item(reply, 1));
    } else if (str_eq(word, S("run"))) {
        out->begun = BEGUN_RUN;
        out->counted_attempts = (int)reply_i64(reply_item(reply, 1));
        out->was_begun = reply_i64(reply_item(reply, 2)) != 0;
        read_session(a, reply, 3, &out->session);
    } else {
        return fail(a, ERR_INTERNAL, "turn_begin answered " STR_FMT, STR_ARG(word));
    }
    return NULL;
}

err *session_read(struct cache *cache, struct arena *a, int64_t chat_id, struct session *out)
{
    redisReply *reply;
    TRY(cache_call(cache, a, &reply, S("HGETALL"), session_key(a, "session", chat_id)));
    *out = (struct session){.chat_id = chat_id};
    read_session(a, reply, 0, out);
    return NULL;
}

str session_field(const struct session *session, const char *name)
{
    for (size_t i = 0; i < session->field_count; i++)
        if (str_is(session->fields[i].name, name))
            return session->fields[i].value;
    return S("");
}

/* The strings of one stream entry. Each is a name and a value; absent ones are left out. */
struct entry {
    str strings[10];
    size_t count;
};

static void entry_add(struct entry *entry, str name, str value)
{
    entry->strings[entry->count++] = name;
    entry->strings[entry->count++] = value;
}

/* The call stands first: turn_commit gives an inline one back by its place. */
static struct entry entry_of(struct arena *a, const struct outgoing *call, int64_t chat_id)
{
    struct entry entry = {.count = 0};
    entry_add(&entry, S("call"), call->call);
    entry_add(&entry, S("chat"), number(a, chat_id));
    if (!str_empty(call->slot)) {
        entry_add(&entry, S("slot"), call->slot);
        if (call->closes)
            entry_add(&entry, S("closes"), S("1"));
    }
    if (call->job_id)
        entry_add(&entry, S("job"), number(a, call->job_id));
    return entry;
}

static str way_name(enum call_way way)
{
    switch (way) {
    case CALL_INLINE:
        return S("inline");
    case CALL_QUEUED:
        return S("call");
    case CALL_ANSWER:
        return S("answer");
    }
    assert(false && "a way without a name");
    return S("");
}

/* '=' in front of a value tells it from a removal; an empty value is one too. */
static str marked(struct arena *a, str value)
{
    if (!value.ptr)
        return S("-");
    struct buf b = buf_new(a);
    buf_add_char(&b, '=');
    buf_add(&b, value);
    return buf_str(&b);
}

err *session_commit(struct cache *cache, struct arena *a, const struct session *session,
                    const struct ending *ending, enum ended *ended, str *answer)
{
    int bucket = session_bucket(session->chat_id);
    const str keys[] = {
        session_key(a, "session", session->chat_id),
        session_key(a, "done", session->chat_id),
        outbox_key(a, bucket),
        answers_key(a, bucket),
    };
    size_t most = 10 + 2 * ending->change_count + 12 * ending->call_count;
    str *arguments = NEW_ARRAY(a, str, most);
    size_t n = 0;
    arguments[n++] = number(a, ending->update_id);
    arguments[n++] = number(a, session->version);
    arguments[n++] = ending->has_written ? S("1") : S("0");
    arguments[n++] = ending->from_state;
    arguments[n++] = ending->to_state;
    arguments[n++] = number(a, SESSION_LIFE_S);
    arguments[n++] = number(a, session->entered);
    arguments[n++] = ending->enters ? S("1") : S("0");
    arguments[n++] = number(a, (int64_t)ending->change_count);
    for (size_t i = 0; i < ending->change_count; i++) {
        arguments[n++] = ending->changes[i].name;
        arguments[n++] = marked(a, ending->changes[i].value);
    }
    arguments[n++] = number(a, (int64_t)ending->call_count);
    for (size_t i = 0; i < ending->call_count; i++) {
        struct entry entry = entry_of(a, &ending->calls[i], session->chat_id);
        arguments[n++] = way_name(ending->calls[i].way);
        arguments[n++] = number(a, (int64_t)entry.count);
        for (size_t k = 0; k < entry.count; k++)
            arguments[n++] = entry.strings[k];
    }
    assert(n <= most);

    redisReply *reply;
    TRY(cache_eval(cache, a, &reply, &SCRIPT_turn_commit, keys, ARRAY_LEN(keys), arguments, n));
    str word = reply_str(reply_item(reply, 0));
    if (str_eq(word, S("again"))) {
        *ended = ENDED_AGAIN;
        return NULL;
    }
    *ended = str_eq(word, S("done")) ? ENDED_DONE : ENDED_OK;
    *answer = reply_str(reply_item(reply, 1));
    return NULL;
}

err *session_release(struct cache *cache, struct arena *a, int64_t chat_id, int64_t update_id,
                     bool counts, int *counted_attempts)
{
    const str keys[] = {session_key(a, "done", chat_id)};
    const str arguments[] = {number(a, update_id), counts ? S("1") : S("0")};
    redisReply *reply;
    TRY(cache_eval(cache, a, &reply, &SCRIPT_turn_release, keys, 1, arguments, 2));
    *counted_attempts = (int)reply_i64(reply);
    return NULL;
}

static str told_key(struct arena *a, int64_t chat_id, str name)
{
    struct buf b = buf_new(a);
    add_tagged(&b, "told", session_bucket(chat_id));
    buf_add_char(&b, ':');
    buf_add(&b, name);
    return buf_str(&b);
}

err *outbox_add(struct cache *cache, struct arena *a, int64_t chat_id, str name,
                const struct outgoing *call)
{
    enum { TOLD_LIFE_S = 3600 };
    const str keys[] = {
        session_key(a, "session", chat_id),
        outbox_key(a, session_bucket(chat_id)),
        told_key(a, chat_id, name),
    };
    size_t key_count = str_empty(name) ? ARRAY_LEN(keys) - 1 : ARRAY_LEN(keys);
    struct entry entry = entry_of(a, call, chat_id);
    str arguments[ARRAY_LEN(entry.strings) + 1] = {number(a, TOLD_LIFE_S)};
    memcpy(arguments + 1, entry.strings, entry.count * sizeof *arguments);
    return cache_eval(cache, a, NULL, &SCRIPT_outbox_add, keys, key_count, arguments,
                      entry.count + 1);
}

err *session_forget_user(struct cache *cache, struct arena *a, int64_t chat_id)
{
    const str key = session_key(a, "session", chat_id);
    return cache_eval(cache, a, NULL, &SCRIPT_user_forget, &key, 1, NULL, 0);
}

/* ---------------------------------------------------------------- erasing */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The number stands alone: it is no part of a longer one. */
static bool names_chat(str text, str chat)
{
    size_t at;
    for (str rest = text; str_find(rest, chat, &at);
         rest = str_sub(rest, at + chat.len, rest.len)) {
        str before = str_sub(rest, 0, at), after = str_sub(rest, at + chat.len, 1);
        bool begins = !before.len || !is_digit(before.ptr[before.len - 1]);
        if (begins && (!after.len || !is_digit(after.ptr[0])))
            return true;
    }
    return false;
}

static err *erase_made(struct cache *cache, struct arena *a, str key, str chat)
{
    redisReply *reply;
    TRY(cache_call(cache, a, &reply, S("GET"), key));
    return names_chat(reply_str(reply), chat) ? cache_call(cache, a, NULL, S("DEL"), key) : NULL;
}

/* What Telegram answered to calls of jobs is kept by the job for an hour, and says in which chat it was. */
static err *erase_all_made(struct cache *cache, struct arena *a, int64_t chat_id)
{
    str cursor = S("0");
    str pattern = str_printf(a, "made:{b%02d}:*", session_bucket(chat_id));
    do {
        redisReply *page;
        TRY(cache_call(cache, a, &page, S("SCAN"), cursor, S("MATCH"), pattern, S("COUNT"),
                       S("1000")));
        cursor = reply_str(reply_item(page, 0));
        const redisReply *keys = reply_item(page, 1);
        for (size_t i = 0; i < reply_count(keys); i++)
            TRY(erase_made(cache, a, reply_str(reply_item(keys, i)), number(a, chat_id)));
    } while (!str_eq(cursor, S("0")));
    return NULL;
}

err *session_erase(struct cache *cache, struct arena *a, int64_t chat_id, bool keeps_dialog,
                   bool keeps_marks)
{
    TRY(cache_call(cache, a, NULL, S("DEL"), session_key(a, "slot", chat_id),
                   session_key(a, "flood", chat_id)));
    if (!keeps_dialog)
        TRY(cache_call(cache, a, NULL, S("DEL"), session_key(a, "session", chat_id)));
    if (!keeps_marks)
        TRY(cache_call(cache, a, NULL, S("DEL"), session_key(a, "done", chat_id)));
    return erase_all_made(cache, a, chat_id);
}
