/*
 * talk FILE - plays one talk: what a user does, and to the letter what comes of
 * it.
 *
 * The dispatcher, the jobs, PostgreSQL and Redis are the real ones. Replaced
 * are the transport (a socket in this process plays Telegram, FAL and the
 * object store), the clock where the talk sets it, and randomness, which is the
 * same in every run. Each talk has a database of its own and an empty Redis.
 *
 * A line is one step; the lines below it that begin with one of <=>! or with
 * four spaces are what it has to print:
 *
 *     < sendMessage chat_id=9 text="…"      a call that went through the outbox
 *     <= editMessageText …                  the one in the answer to Telegram's delivery
 *         [label|tap] [label|tap]           a row of its buttons
 *     <= 503                                the delivery was not taken
 *     > POST /fal/…                         a request to FAL or to the store
 *     = …                                   what a question of the talk itself found
 *     ! …                                   a refusal, or a mistake in the talk
 *
 * Steps:
 *
 *     # …                     a remark; the first one names the talk
 *     setting NAME=value      before everything else
 *     user 9 Ася ru           who acts from now on: Telegram's id, name, language
 *     balance 500             coins for that user
 *     balance?                what can be spent and what is set aside
 *     text …  or  /command …  words; \n is a new line, {ж*2000} a repetition
 *     photo … voice audio video video_note document sticker      media, with or without a caption
 *     photo {"file_id":"A1"}  the same with that file; media_group_id and message_id are the message's.
 *                             A1 and A1~again are two names for the same bytes
 *     tap gallery:older       the newest message that has this button; the argument may be left out,
 *                             and * stands for a part of it
 *     tap … on 104            a button that message 104 once had, or one made up
 *     in -100 …               a step in a group
 *     member kicked           the user stops the bot; `member member` starts it again
 *     checkout                the question before the newest invoice is paid; JSON behind it changes it
 *     pays                    the newest invoice is paid: {"telegram_payment_charge_id":"c1"} is the charge
 *     refunded                Telegram tells of the refund of a charge
 *     again                   the last update is delivered once more
 *     at once: STEP && STEP   two updates at the same moment; one STEP is taken twice
 *     killed: STEP            the process dies before it has done anything
 *     killed after postgres: STEP     … between the commit there and the one in Redis
 *     sending stops, sending goes on  nothing leaves the outbox meanwhile
 *     wipe redis              postgres away, postgres back, redis away, redis back
 *     sql STATEMENT           as superuser; prints its rows
 *     styles FILE             the catalogue of styles is that one, for as long as the talk
 *     job KIND                the worker runs the first job of that kind, due or not
 *     jobs KIND               … all of them
 *     jobs?                   the jobs that wait, by kind
 *     fal STATUS BODY, openai STATUS BODY, telegram STATUS BODY, store STATUS BODY
 *                             the next answer of that party; {FAR} is its address, png a picture,
 *                             lora what a trainer makes,
 *                             png 10485761 one of so many bytes
 *     media {"width":300}     what the decoder says next of a photo or a recording, where it differs
 *                             from an ordinary one, or {"refused":"format"}, or "dies"
 *     callback JSON           FAL's word on the newest order or training, its signature checked already
 *     object /avatars/a.jpg   stands in the object store
 *     clock 2026-11-21 10:00  stands still from now on
 *
 * TALK_UPDATE=1 writes what came out into the file: to be read before it is believed.
 */
#include "tests/talk/ground.h"

#include <sys/wait.h>
#include <time.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "db/catalogue.h"
#include "db/scripts.h"
#include "handlers/avatars/training.h"
#include "handlers/dispatch.h"
#include "handlers/images/generation.h"
#include "handlers/outbox.h"
#include "lanes/lanes.h"

enum {
    TALK_MEMORY_BYTES = 1 << 30,  /* archives of 45 MB pass through it, and are copied on the way */
    TURN_MEMORY_BYTES = 24 << 20, /* as aisha-bot has it */
    STACK_KIB = 512,
    FIRST_UPDATE_ID = 1001,
    SEED = 20261121,
    AT_ONCE_MOST = 4,
    USERS_MOST = 16,
};

struct person {
    int64_t id;
    str name, language;
};

static struct {
    struct arena *arena;
    bool must_update;
    const char *path;
    str text;       /* of the file */
    struct buf out; /* the file as it should read by what came out */
    bool is_wrong;  /* a step could not be understood */

    struct person person;
    int64_t group_id; /* 0: the private chat */
    int64_t next_update_id, next_message_id;
    str last_update; /* JSON */
    bool is_sending_stopped;
} talk;

/* A step's own arena, and the errors of its means. */
static struct arena *step_arena;

static void mistake(const char *what, str about)
{
    buf_addf(&talk.out, "! %s: " STR_FMT "\n", what, STR_ARG(about));
    talk.is_wrong = true;
}

static void check(err *e)
{
    if (e)
        mistake(cstr(talk.arena, e->message), e->detail);
}

/* ---------------------------------------------------------------- updates */

static str chat_json(void)
{
    int64_t chat_id = talk.group_id ? talk.group_id : talk.person.id;
    return json_make(step_arena, KV("id", chat_id),
                     KV("type", talk.group_id ? S("supergroup") : S("private")));
}

static str from_json(void)
{
    return json_make(step_arena, KV("id", talk.person.id), KV("is_bot", false),
                     KV("first_name", talk.person.name), KV("language_code", talk.person.language));
}

/* \n and {ж*2000} make long or many lines short to write. */
static str expand(str words)
{
    struct buf b = buf_new(step_arena);
    str head, rest, left = words;
    while (!str_empty(left)) {
        int64_t times;
        if (str_starts(left, S("\\n"))) {
            buf_add_char(&b, '\n');
            left = str_sub(left, 2, left.len);
        } else if (left.ptr[0] == '{' && str_cut(str_sub(left, 1, left.len), '}', &head, &rest)) {
            str what, count;
            if (str_cut(head, '*', &what, &count) && str_to_i64(count, &times))
                while (times-- > 0)
                    buf_add(&b, what);
            left = rest;
        } else {
            buf_add_char(&b, left.ptr[0]);
            left = str_sub(left, 1, left.len);
        }
    }
    return buf_str(&b);
}

static str update_json(const char *kind, str object)
{
    return str_printf(talk.arena, "{\"update_id\":%" PRId64 ",\"%s\":" STR_FMT "}",
                      talk.next_update_id++, kind, STR_ARG(object));
}

/* media: JSON members behind those that every message has; empty for words alone. */
static str message_update(const char *words_name, str words, const char *media)
{
    struct buf b = buf_new(step_arena);
    buf_addf(&b,
             "{\"message_id\":%" PRId64 ",\"date\":1795255200,\"chat\":" STR_FMT
             ",\"from\":" STR_FMT,
             talk.next_message_id++, STR_ARG(chat_json()), STR_ARG(from_json()));
    if (!str_empty(words)) {
        buf_addf(&b, ",\"%s\":", words_name);
        json_put_str(&b, expand(words));
    }
    buf_addf(&b, "%s}", media);
    return update_json("message", buf_str(&b));
}

static str tap_update(str data, int64_t message_id)
{
    const struct chat_message *message = find_message(talk.person.id, message_id);
    const char *content = message && message->has_media
                              ? ",\"photo\":[{\"file_id\":\"x\",\"width\":1,\"height\":1}]"
                              : ",\"text\":\"…\"";
    struct buf b = buf_new(step_arena);
    buf_addf(&b,
             "{\"id\":\"query-%" PRId64 "\",\"from\":" STR_FMT ",\"chat_instance\":\"1\",\"data\":",
             talk.next_update_id, STR_ARG(from_json()));
    json_put_str(&b, data);
    buf_addf(
        &b, ",\"message\":{\"message_id\":%" PRId64 ",\"date\":1795255200,\"chat\":" STR_FMT "%s}}",
        message_id, STR_ARG(chat_json()), content);
    return update_json("callback_query", buf_str(&b));
}

/* A made-up value behind the name of a real thing: imagen:count:*:5 is imagen:count:<the
 * order>:5. */
static str fill_in(str made_up, int64_t message_id)
{
    str feature, action, value, data, thing;
    str_cut(made_up, ':', &feature, &action);
    str_cut(action, ':', &action, &value);
    str name = str_printf(step_arena, STR_FMT ":" STR_FMT, STR_ARG(feature), STR_ARG(action));
    if (!str_starts(value, S("*:")) || !old_button(talk.person.id, message_id, name, &data))
        return made_up;
    str_cut(str_sub(data, name.len + 1, data.len), ':', &thing, &data);
    return str_printf(step_arena, STR_FMT ":" STR_FMT STR_FMT, STR_ARG(name), STR_ARG(thing),
                      STR_ARG(str_sub(value, 1, value.len)));
}

static str tap_step(str rest)
{
    str data = rest, number;
    int64_t message_id = 0;
    size_t at;
    if (str_find(rest, S(" on "), &at)) {
        data = str_sub(rest, 0, at);
        number = str_sub(rest, at + strlen(" on "), rest.len);
        if (!str_to_i64(number, &message_id))
            mistake("no message", number);
        str made_up = data;
        if (!old_button(talk.person.id, message_id, made_up, &data))
            data = fill_in(made_up, message_id);
        return tap_update(data, message_id);
    }
    const struct chat_message *message = message_with_button(talk.person.id, rest, &data);
    if (!message) {
        mistake("no message has this button", rest);
        return (str){0};
    }
    return tap_update(data, message->id);
}

static str member_update(str status)
{
    return update_json("my_chat_member",
                       str_printf(step_arena,
                                  "{\"chat\":" STR_FMT ",\"from\":" STR_FMT
                                  ",\"new_chat_member\":{\"status\":\"" STR_FMT "\"}}",
                                  STR_ARG(chat_json()), STR_ARG(from_json()), STR_ARG(status)));
}

/* Members of an object as the step says, or as they stand. */
static str with_members(str object, str said)
{
    struct json_object *whole = NULL, *own = NULL;
    check(json_parse(step_arena, object, &whole));
    if (str_empty(said))
        return object;
    if (json_parse(step_arena, said, &own)) {
        mistake("not JSON", said);
        return object;
    }
    json_object_object_foreach(own, name, value)
        json_object_object_add(whole, name, json_object_get(value));
    return json_text(step_arena, whole);
}

static str checkout_update(str said)
{
    str id = str_printf(step_arena, "query-%" PRId64, talk.next_update_id);
    str query = json_make(step_arena, KV("id", id), KV("from", JSON(from_json())),
                          KV("currency", "XTR"), KV("total_amount", chats.stars),
                          KV("invoice_payload", chats.invoice));
    return update_json("pre_checkout_query", with_members(query, said));
}

static str payment_update(const char *kind, str said)
{
    str about = json_make(step_arena, KV("currency", "XTR"), KV("total_amount", chats.stars),
                          KV("invoice_payload", chats.invoice),
                          KV("telegram_payment_charge_id",
                             str_printf(step_arena, "charge-%" PRId64, talk.next_update_id)));
    str member = str_printf(step_arena, ",\"%s\":" STR_FMT, kind,
                            STR_ARG(with_members(about, said)));
    return message_update("text", S(""), cstr(step_arena, member));
}

static const struct media_step {
    const char *word, *file; /* the file as JSON */
    bool is_list;            /* a photo comes in several sizes */
} media_steps[] = {
    {"photo",      "{\"file_id\":\"AgAC-user\",\"file_unique_id\":\"u\",\"width\":900,\"height\":900}",
     true                                                                                                    },
    {"voice",      "{\"file_id\":\"AwAC-user\",\"file_unique_id\":\"u\",\"duration\":7}",               false},
    {"document",   "{\"file_id\":\"BQAC-user\",\"file_unique_id\":\"u\",\"file_name\":\"a.pdf\"}",
     false                                                                                                   },
    {"audio",
     "{\"file_id\":\"CQAC-user\",\"file_unique_id\":\"u\",\"duration\":70,\"file_name\":\"Talk.mp3\"}",
     false                                                                                                   },
    {"video",      "{\"file_id\":\"BAAC-user\",\"file_unique_id\":\"u\",\"duration\":70}",              false},
    {"video_note", "{\"file_id\":\"DQAC-user\",\"file_unique_id\":\"u\",\"duration\":7}",               false},
    {"sticker",    "{\"file_id\":\"CAAC-user\",\"file_unique_id\":\"u\"}",                              false},
};

/* What the step says of the file goes into it; two things belong to the message. */
static str media_members(const struct media_step *step, str said)
{
    struct json_object *file, *own;
    str group = {0};
    check(json_parse(step_arena, str_from(step->file), &file));
    if (json_parse(step_arena, said, &own)) {
        mistake("not JSON", said);
        return S("");
    }
    json_object_object_foreach(own, name, value)
    {
        if (strcmp(name, "media_group_id") == 0)
            group = json_value_str(value);
        else if (strcmp(name, "message_id") == 0)
            talk.next_message_id = json_object_get_int64(value);
        else
            json_object_object_add(file, name, json_object_get(value));
    }
    struct buf b = buf_new(step_arena);
    buf_addf(&b, ",\"%s\":%s" STR_FMT "%s", step->word, step->is_list ? "[" : "",
             STR_ARG(json_text(step_arena, file)), step->is_list ? "]" : "");
    if (!str_empty(group))
        buf_addf(&b, ",\"media_group_id\":\"" STR_FMT "\"", STR_ARG(group));
    return buf_str(&b);
}

static str media_update(const struct media_step *step, str rest)
{
    bool is_told = str_starts(rest, S("{"));
    str members = media_members(step, is_told ? rest : S("{}"));
    return message_update("caption", is_told ? S("") : rest, cstr(step_arena, members));
}

/* The update that a step makes; empty when it is none that does. */
static str update_of(str step)
{
    str word, rest;
    str_cut(step, ' ', &word, &rest);
    if (str_starts(word, S("/")))
        return message_update("text", step, "");
    if (str_eq(word, S("text")))
        return message_update("text", rest, "");
    if (str_eq(word, S("tap")))
        return tap_step(rest);
    if (str_eq(word, S("member")))
        return member_update(rest);
    if (str_eq(word, S("checkout")))
        return checkout_update(rest);
    if (str_eq(word, S("pays")))
        return payment_update("successful_payment", rest);
    if (str_eq(word, S("refunded")))
        return payment_update("refunded_payment", rest);
    for (size_t i = 0; i < ARRAY_LEN(media_steps); i++)
        if (str_eq(word, str_from(media_steps[i].word)))
            return media_update(&media_steps[i], rest);
    return (str){0};
}

/* ---------------------------------------------------------------- delivering */

struct delivery {
    str raw;
    struct buf *out;
    struct task *waiter;
    bool is_over;
};

static void note_query(struct json_object *body)
{
    struct json_object *query = json_at(body, "callback_query");
    str query_id = json_str(query ? query : json_at(body, "pre_checkout_query"), "id");
    chats.query_id = str_dup(talk.arena, query_id);
}

/* What nginx and the gateway do, from the update's text to Telegram's answer. */
static void deliver(const struct delivery *d)
{
    struct arena *a = arena_new(TURN_MEMORY_BYTES);
    struct json_object *body;
    struct update update;
    err *e = json_parse(a, d->raw, &body);
    if (!e)
        e = telegram_read_update(a, body, &update);
    if (e) {
        mistake("an update that cannot be read", e->message);
        arena_free(a);
        return;
    }
    note_query(body);
    struct reply reply;
    dispatch(&ground.turn, a, &update, d->raw, &reply);
    if (reply.status != 200)
        buf_addf(d->out, "<= %d%s\n", reply.status, reply.retry_at_once ? ", at once" : "");
    struct json_object *call;
    if (!str_empty(reply.body) && !json_parse(talk.arena, reply.body, &call)) {
        str method = json_str(call, "method");
        print_call(d->out, "<=", method, call);
        str answer = apply_call(talk.arena, method, call);
        if (!str_starts(answer, S("{\"ok\":true")))
            buf_addf(d->out, "! " STR_FMT "\n", STR_ARG(answer));
    }
    arena_free(a);
}

static void deliver_task(void *argument)
{
    struct delivery *d = argument;
    deliver(d);
    d->is_over = true;
    task_wake(d->waiter);
}

/* ---------------------------------------------------------------- the outbox */

static str entry_value(const redisReply *fields, str name)
{
    for (size_t i = 0; i + 1 < reply_count(fields); i += 2)
        if (str_eq(reply_str(reply_item(fields, i)), name))
            return reply_str(reply_item(fields, i + 1));
    return S("");
}

/* As the send lane does: the call, then its acknowledgement, which the chat's counter knows. */
static void send_entry(struct arena *a, str stream, const redisReply *entry, bool is_ordered)
{
    const redisReply *fields = reply_item(entry, 1);
    str id = reply_str(reply_item(entry, 0));
    int64_t chat_id = 0;
    str_to_i64(entry_value(fields, S("chat")), &chat_id);
    const struct outbox_call call = {
        .chat_id = chat_id,
        .call = entry_value(fields, S("call")),
        .slot = entry_value(fields, S("slot")),
        .closes = !str_empty(entry_value(fields, S("closes"))),
    };
    struct db *db = db_new(ground.work->pool, a);
    err *e = outbox_make(ground.work, db, a, &call, NULL);
    check(db_commit(db));
    if (e && e->kind != ERR_NOT_FOUND && !telegram_is_file_gone(e))
        mistake("the outbox", e->message);
    if (!is_ordered) {
        check(cache_call(ground.cache, a, NULL, S("XDEL"), stream, id));
        return;
    }
    const str keys[] = {session_key(a, "session", chat_id), stream};
    const str arguments[] = {S("send"), id};
    check(cache_eval(ground.cache, a, NULL, &SCRIPT_outbox_done, keys, 2, arguments, 2));
}

/* One round over a stream; how many entries it had. */
static size_t send_stream(struct arena *a, str stream, bool is_ordered)
{
    redisReply *reply = NULL;
    if (!is_ordered) {
        check(cache_call(ground.cache, a, &reply, S("XRANGE"), stream, S("-"), S("+")));
    } else {
        err *e = cache_call(ground.cache, a, NULL, S("XGROUP"), S("CREATE"), stream, S("send"),
                            S("0"), S("MKSTREAM"));
        if (e && !str_starts(e->detail, S("BUSYGROUP")))
            check(e);
        check(cache_call(ground.cache, a, &reply, S("XREADGROUP"), S("GROUP"), S("send"), S("talk"),
                         S("STREAMS"), stream, S(">")));
        if (reply)
            reply = (redisReply *)(uintptr_t)reply_item(reply_item(reply, 0), 1);
    }
    size_t count = reply_count(reply);
    for (size_t i = 0; i < count; i++)
        send_entry(a, stream, reply_item(reply, i), is_ordered);
    return count;
}

static int by_name(const void *left, const void *right)
{
    const str *a = left, *b = right;
    size_t len = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->ptr, b->ptr, len);
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

/* Answers to taps first, then the chats' streams, until nothing is left. */
static void send_all(void)
{
    if (talk.is_sending_stopped || ground.turn.cache != ground.cache)
        return;
    static const char *const kinds[] = {"ans:*", "out:*"};
    for (size_t sent = 1; sent > 0;) {
        sent = 0;
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            struct arena *a = arena_new(TURN_MEMORY_BYTES);
            redisReply *names = NULL;
            check(cache_call(ground.cache, a, &names, S("KEYS"), str_from(kinds[k])));
            str *sorted = NEW_ARRAY(a, str, reply_count(names) + 1);
            for (size_t i = 0; i < reply_count(names); i++)
                sorted[i] = reply_str(reply_item(names, i));
            qsort(sorted, reply_count(names), sizeof *sorted, by_name);
            for (size_t i = 0; i < reply_count(names); i++)
                sent += send_stream(a, sorted[i], k == 1);
            arena_free(a);
        }
    }
}

/* ---------------------------------------------------------------- steps that deliver */

static void deliver_and_send(str raw)
{
    talk.last_update = raw;
    deliver(&(struct delivery){.raw = raw, .out = &talk.out});
    send_all();
}

static int by_block(const void *left, const void *right)
{
    return by_name(left, right);
}

/* Who of two is first is chance, so their outcomes are printed in the order of the alphabet. */
static void print_sorted(str text)
{
    str blocks[256] = {0};
    size_t count = 0, from = 0;
    for (size_t i = 0; i < text.len && count < ARRAY_LEN(blocks); i++) {
        bool ends = text.ptr[i] == '\n' && (i + 1 == text.len || text.ptr[i + 1] != ' ');
        if (ends) {
            blocks[count++] = str_sub(text, from, i + 1 - from);
            from = i + 1;
        }
    }
    qsort(blocks, count, sizeof *blocks, by_block);
    for (size_t i = 0; i < count; i++)
        buf_add(&talk.out, blocks[i]);
}

static void at_once(str steps)
{
    struct delivery deliveries[AT_ONCE_MOST] = {0};
    size_t count = 0, at;
    struct buf whole = talk.out;
    talk.out = buf_new(talk.arena);
    str step, rest;
    bool is_twice = !str_find(steps, S(" && "), &at);
    while (count < AT_ONCE_MOST && !str_empty(steps)) {
        if (str_find(steps, S(" && "), &at)) {
            step = str_sub(steps, 0, at);
            rest = str_sub(steps, at + strlen(" && "), steps.len);
        } else {
            step = steps;
            rest = is_twice && count == 0 ? steps : S("");
        }
        deliveries[count++] = (struct delivery){update_of(step), &talk.out, task_self(), false};
        steps = rest;
    }
    for (size_t i = 0; i < count; i++)
        task_start(deliver_task, &deliveries[i], STACK_KIB);
    for (size_t i = 0; i < count; i++)
        while (!deliveries[i].is_over)
            task_wait(0);
    chats.are_many = true;
    send_all();
    chats.are_many = false;
    str outcome = buf_str(&talk.out);
    talk.out = whole;
    print_sorted(outcome);
}

/* A process that died leaves its mark, which has run out by the time Telegram delivers again. */
static void leave_dead_mark(struct arena *a, str raw)
{
    struct json_object *body;
    struct update update;
    check(json_parse(a, raw, &body));
    check(telegram_read_update(a, body, &update));
    str key = session_key(a, "done", update.chat_id);
    str name = str_printf(a, "m%" PRId64, update.id);
    redisReply *reply = NULL;
    check(cache_call(ground.cache, a, &reply, S("HGET"), key, name));
    str counted, before = reply_str(reply);
    int64_t times = 0, was_running = str_starts(before, S("-")) ? 0 : 1;
    if (!str_empty(before)) {
        str_cut(before, ':', &before, &counted);
        str_to_i64(counted, &times);
        times += was_running;
    }
    check(cache_call(ground.cache, a, NULL, S("HSET"), key, name,
                     str_printf(a, "1:%" PRId64, times)));
}

static void killed(str raw, bool after_postgres)
{
    if (str_empty(raw))
        return; /* the step could not be understood, and has been told of */
    struct arena *a = arena_new(TURN_MEMORY_BYTES);
    struct snapshot snapshot = {0};
    check(take_snapshot(a, &snapshot));
    talk.last_update = raw;
    if (after_postgres) {
        struct buf unseen = buf_new(a);
        size_t message_count = chats.count;
        struct chat_message *messages = NEW_ARRAY(a, struct chat_message, MESSAGES_MOST);
        memcpy(messages, chats.messages, sizeof chats.messages);
        deliver(&(struct delivery){.raw = raw, .out = &unseen});
        memcpy(chats.messages, messages, sizeof chats.messages);
        chats.count = message_count;
        check(go_back_to(a, &snapshot));
    }
    leave_dead_mark(a, raw);
    arena_free(a);
}

/* ---------------------------------------------------------------- steps about the ground */

static void person_step(str rest)
{
    str id, names, name = {0}, language = {0};
    str_cut(rest, ' ', &id, &names);
    size_t at = names.len;
    while (at > 0 && names.ptr[at - 1] != ' ')
        at--;
    if (at > 0) {
        name = str_sub(names, 0, at - 1);
        language = str_sub(names, at, names.len);
    }
    talk.person = (struct person){.name = name, .language = language};
    if (!str_to_i64(id, &talk.person.id) || str_empty(name))
        mistake("not a user", rest);
}

static err *find_user(struct db *db, struct user *user)
{
    const struct sender sender = {
        .telegram_id = talk.person.id,
        .first_name = talk.person.name,
        .language_code = talk.person.language,
    };
    return user_touch(db, step_arena, &sender, 0, user);
}

static err *credit(int64_t coins)
{
    struct db *db = db_new(ground.pool, step_arena);
    struct user user;
    TRY(find_user(db, &user));
    str key = str_printf(step_arena, "talk:%" PRId64, talk.next_update_id++);
    TRY(ledger_credit(db, user.id, key, coins, LEDGER_ADJUSTMENT, S("adjustment"), (str){0}, NULL));
    TRY(db_commit(db));
    return session_forget_user(ground.cache, step_arena, talk.person.id);
}

static err *show_balance(void)
{
    struct db *db = db_new(ground.work->pool, step_arena);
    struct user user;
    int64_t balance, held;
    TRY(user_find_by_telegram(db, step_arena, talk.person.id, &user));
    TRY(ledger_balance(db, user.id, &balance, &held));
    buf_addf(&talk.out, "= balance %" PRId64 ", held %" PRId64 "\n", balance, held);
    struct ledger_problem *problems;
    size_t count;
    TRY(ledger_check_on(db, step_arena, &problems, &count));
    TRY(db_commit(db));
    for (size_t i = 0; i < count; i++)
        buf_addf(&talk.out, "! the ledger: " STR_FMT "\n", STR_ARG(problems[i].problem));
    return NULL;
}

static void balance_step(str rest)
{
    int64_t coins;
    if (str_to_i64(rest, &coins))
        check(credit(coins));
    else
        mistake("no number of coins", rest);
}

static err *load_styles(const char *path)
{
    str text = S("");
    struct catalogue catalogue = {0};
    struct catalogue_changes changes;
    struct db *db = db_new(ground.pool, step_arena);
    TRY(file_read(step_arena, path, CATALOGUE_MOST_BYTES, &text));
    TRY(catalogue_read(step_arena, path, text, &catalogue));
    TRY(catalogue_load(db, step_arena, &catalogue, &changes));
    TRY(db_commit(db));
    buf_addf(&talk.out, "= %d new, %d changed, %d as before, %d retired, %d removed\n",
             changes.added, changes.changed, changes.unchanged, changes.retired, changes.removed);
    return NULL;
}

static void styles_step(str path)
{
    check(load_styles(cstr(step_arena, path)));
}

static void sql_step(str statement)
{
    PGresult *rows = PQexec(ground.database, cstr(step_arena, statement));
    ExecStatusType status = PQresultStatus(rows);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        mistake("PostgreSQL", str_from(PQerrorMessage(ground.database)));
    for (int r = 0; r < PQntuples(rows); r++) {
        buf_add(&talk.out, S("="));
        for (int c = 0; c < PQnfields(rows); c++)
            buf_addf(&talk.out, "%s %s", c ? " |" : "",
                     PQgetisnull(rows, r, c) ? "null" : PQgetvalue(rows, r, c));
        buf_add_char(&talk.out, '\n');
    }
    PQclear(rows);
}

static void jobs_step(void)
{
    sql_step(S(
        "select lane, kind, count(*), case when state = 'queued' then '' else state::text end "
        "from jobs where state in ('queued', 'running', 'dead') group by 1, 2, 4 order by 1, 2, 4"));
}

/* The first of a kind comes to the head of its lane and is taken as the worker takes it. */
static err *run_job(str kind)
{
    const str statement = str_printf(
        step_arena,
        "update jobs set run_at = 'epoch' where id = (select id from jobs where kind = '" STR_FMT
        "' and state = 'queued' order by run_at, id limit 1) returning lane",
        STR_ARG(kind));
    PGresult *rows = admin_do(ground.database, statement);
    str lane = PQntuples(rows) ? str_dup(step_arena, str_from(PQgetvalue(rows, 0, 0))) : S("");
    PQclear(rows);
    if (str_empty(lane))
        return fail(step_arena, ERR_NOT_FOUND, "no such job waits");

    struct worker *worker = NEW(talk.arena, struct worker);
    *worker = (struct worker){.bot = ground.work, .name = S("talk"), .alive = 1};
    struct db *db = db_new(ground.work->pool, step_arena);
    struct job *jobs;
    size_t count;
    TRY(job_take(db, step_arena, lane, worker->name, 1, &jobs, &count));
    TRY(db_commit(db));
    for (size_t i = 0; i < count; i++)
        job_run(worker, &jobs[i]);
    while (worker->task_count > 0) /* what it notes of the parties met, aside of the job */
        task_sleep_ms(1);
    send_all();
    return NULL;
}

static void prepare_answer(str party, str rest)
{
    str status, body;
    int64_t number = 0;
    str_cut(rest, ' ', &status, &body);
    if (!str_to_i64(status, &number) || far.prepared_count == PREPARED_MOST)
        mistake("no status", rest);
    else
        far.prepared[far.prepared_count++] = (struct prepared){party, (int)number,
                                                               with_address(body), false};
}

/* Behind the gateway's checks, which are about bytes and headers. */
static err *take_callback(str text)
{
    PGresult *rows = admin_do(
        ground.database,
        S("select id, true, created_at from image_generations union all "
          "select id, false, created_at from avatar_trainings order by created_at desc limit 1"));
    str id = PQntuples(rows) ? str_dup(step_arena, str_from(PQgetvalue(rows, 0, 0))) : S("");
    bool is_image = PQntuples(rows) && *PQgetvalue(rows, 0, 1) == 't';
    PQclear(rows);
    str raw = with_address(text);
    struct json_object *body;
    struct fal_outcome outcome;
    TRY(json_parse(step_arena, raw, &body));
    TRY(fal_callback_parse(step_arena, body, &outcome));
    return errand_callback(&ground.turn, step_arena,
                           is_image ? &generation_errands : &training_errands, id, &outcome, raw);
}

static void object_step(str path)
{
    assert(far.object_count < OBJECTS_MOST);
    far.objects[far.object_count++] = (struct object){
        str_dup(talk.arena, path), S("image/jpeg"),
        str_printf(talk.arena, "\xff\xd8\xff of " STR_FMT, STR_ARG(path))};
}

static void callback_step(str rest)
{
    check(take_callback(rest));
}

static void clock_step(str when)
{
    struct tm tm = {0};
    if (strptime(cstr(step_arena, when), "%Y-%m-%d %H:%M", &tm))
        clock_set_ms((int64_t)timegm(&tm) * 1000);
    else
        mistake("no time", when);
}

static void wipe(void)
{
    check(cache_call(ground.cache, step_arena, NULL, S("FLUSHDB")));
}

/* ---------------------------------------------------------------- the table of steps */

struct step {
    const char *words; /* all of the line, or its beginning when it ends in a space */
    void (*run)(str rest);
};

static void again_step(str rest)
{
    (void)rest;
    deliver_and_send(talk.last_update);
}
static void killed_step(str rest)
{
    killed(update_of(rest), false);
}
static void killed_after_step(str rest)
{
    killed(update_of(rest), true);
}
static void killed_again_step(str rest)
{
    (void)rest;
    killed(talk.last_update, false);
}
static void wipe_step(str rest)
{
    (void)rest;
    wipe();
}
static void balance_question(str rest)
{
    (void)rest;
    check(show_balance());
}
static void jobs_question(str rest)
{
    (void)rest;
    jobs_step();
}
static void job_step(str rest)
{
    check(run_job(rest));
}
static void jobs_of_kind_step(str rest)
{
    str count = str_printf(
        step_arena, "select count(*) from jobs where kind = '" STR_FMT "' and state = 'queued'",
        STR_ARG(rest));
    PGresult *rows = admin_do(ground.database, count);
    int64_t left = 0;
    str_to_i64(str_from(PQgetvalue(rows, 0, 0)), &left);
    PQclear(rows);
    for (; left > 0; left--)
        check(run_job(rest));
}
static void media_step(str rest)
{
    if (far.media_count == PREPARED_MOST)
        mistake("too many answers", rest);
    else
        far.media[far.media_count++] = str_dup(talk.arena, rest);
}
static void fal_step(str rest)
{
    prepare_answer(S("fal"), rest);
}
static void openai_step(str rest)
{
    prepare_answer(S("openai"), rest);
}
static void telegram_step(str rest)
{
    prepare_answer(S("telegram"), rest);
}
static void store_step(str rest)
{
    prepare_answer(S("store"), rest);
}
static void sending_stops(str rest)
{
    (void)rest;
    talk.is_sending_stopped = true;
}
static void sending_goes_on(str rest)
{
    (void)rest;
    talk.is_sending_stopped = false;
    send_all();
}
static void postgres_away(str rest)
{
    (void)rest;
    ground.turn.pool = ground.dead_pool;
}
static void postgres_back(str rest)
{
    (void)rest;
    ground.turn.pool = ground.pool;
}
static void redis_away(str rest)
{
    (void)rest;
    ground.turn.cache = ground.dead_cache;
}
static void redis_back(str rest)
{
    (void)rest;
    ground.turn.cache = ground.cache;
}
static void nothing_step(str rest)
{
    (void)rest; /* settings were put before the bot was made */
}

static const struct step steps_of_talks[] = {
    {"setting ",                nothing_step     },
    {"user ",                   person_step      },
    {"balance?",                balance_question },
    {"balance ",                balance_step     },
    {"again",                   again_step       },
    {"at once: ",               at_once          },
    {"killed after postgres: ", killed_after_step},
    {"killed: again",           killed_again_step},
    {"killed: ",                killed_step      },
    {"sending stops",           sending_stops    },
    {"sending goes on",         sending_goes_on  },
    {"wipe redis",              wipe_step        },
    {"postgres away",           postgres_away    },
    {"postgres back",           postgres_back    },
    {"redis away",              redis_away       },
    {"redis back",              redis_back       },
    {"sql ",                    sql_step         },
    {"styles ",                 styles_step      },
    {"job ",                    job_step         },
    {"jobs?",                   jobs_question    },
    {"jobs ",                   jobs_of_kind_step},
    {"media ",                  media_step       },
    {"fal ",                    fal_step         },
    {"openai ",                 openai_step      },
    {"telegram ",               telegram_step    },
    {"store ",                  store_step       },
    {"callback ",               callback_step    },
    {"object ",                 object_step      },
    {"clock ",                  clock_step       },
};

static bool fits(const struct step *step, str line, str *rest)
{
    str words = str_from(step->words);
    bool is_beginning = str_ends(words, S(" "));
    *rest = str_sub(line, words.len, line.len);
    return is_beginning ? str_starts(line, words) : str_eq(line, words);
}

static void run_line(str line)
{
    str rest, group;
    if (str_starts(line, S("in ")) && str_cut(str_sub(line, 3, line.len), ' ', &group, &rest)) {
        if (!str_to_i64(group, &talk.group_id))
            mistake("no group", group);
        line = rest;
    }
    for (size_t i = 0; i < ARRAY_LEN(steps_of_talks); i++)
        if (fits(&steps_of_talks[i], line, &rest)) {
            steps_of_talks[i].run(rest);
            return;
        }
    bool was_wrong = talk.is_wrong;
    str raw = update_of(line);
    if (!str_empty(raw))
        deliver_and_send(raw);
    else if (talk.is_wrong == was_wrong)
        mistake("no such step", line);
    talk.group_id = 0;
}

/* ---------------------------------------------------------------- the file */

static bool is_expected(str line)
{
    return str_starts(line, S("<")) || str_starts(line, S("=")) || str_starts(line, S(">")) ||
           str_starts(line, S("!")) || str_starts(line, S("    "));
}

static void play(void *argument)
{
    (void)argument;
    far_serve();
    step_arena = arena_new(TURN_MEMORY_BYTES);
    wipe();
    random_seed_for_tests(SEED);
    str left = talk.text, line;
    while (!str_empty(left)) {
        str_cut(left, '\n', &line, &left);
        if (is_expected(line))
            continue;
        buf_add(&talk.out, line);
        buf_add_char(&talk.out, '\n');
        if (!str_empty(line) && !str_starts(line, S("#")))
            run_line(line);
        arena_reset(step_arena);
    }
    wipe();
    arena_free(step_arena);
    loop_stop();
}

static str read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        bail_out(path, strerror(errno));
    struct buf b = buf_new(talk.arena);
    char chunk[4096];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_add(&b, (str){chunk, got});
    fclose(file);
    return buf_str(&b);
}

static void write_file(const char *path, str text)
{
    FILE *file = fopen(path, "w");
    if (!file || fwrite(text.ptr, 1, text.len, file) != text.len || fclose(file))
        bail_out(path, strerror(errno));
}

static void put_own_settings(void)
{
    str left = talk.text, line, name, value;
    while (!str_empty(left)) {
        str_cut(left, '\n', &line, &left);
        if (!str_starts(line, S("setting ")))
            continue;
        str_cut(str_sub(line, strlen("setting "), line.len), '=', &name, &value);
        setenv(cstr(talk.arena, name), cstr(talk.arena, value), 1);
    }
}

static void show_difference(void)
{
    char actual[] = "/tmp/talk-XXXXXX";
    int fd = mkstemp(actual);
    if (fd < 0)
        bail_out("mkstemp", strerror(errno));
    close(fd);
    write_file(actual, buf_str(&talk.out));
    const char *command = cstr(
        talk.arena,
        str_printf(talk.arena,
                   "PATH=/usr/bin:/bin diff -u --label expected --label 'what came out' '%s' '%s'",
                   talk.path, actual));
    FILE *diff = popen(command, "r");
    char line[8192];
    while (diff && fgets(line, sizeof line, diff))
        printf("# %s", line);
    if (diff)
        pclose(diff);
    unlink(actual);
}

static bool report(void)
{
    str title, rest;
    str_cut(talk.text, '\n', &title, &rest);
    title = str_starts(title, S("# ")) ? str_sub(title, 2, title.len) : str_from(talk.path);
    bool is_same = str_eq(talk.text, buf_str(&talk.out));
    if (!is_same && talk.must_update) {
        write_file(talk.path, buf_str(&talk.out));
        printf("# %s was written anew\n", talk.path);
        is_same = true;
    }
    bool is_well = is_same && !talk.is_wrong;
    printf("1..1\n%s 1 - " STR_FMT "\n", is_well ? "ok" : "not ok", STR_ARG(title));
    if (!is_same)
        show_difference();
    return is_well;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        bail_out("usage", "talk FILE");
    talk.must_update = getenv("TALK_UPDATE") != NULL;
    talk.arena = ground.arena = chats.arena = arena_new(TALK_MEMORY_BYTES);
    talk.path = argv[1];
    talk.text = read_file(talk.path);
    talk.out = buf_new(talk.arena);
    talk.next_update_id = FIRST_UPDATE_ID;
    talk.next_message_id = 1;
    far.out = &talk.out;

    make_database();
    far_listen(talk.arena);
    put_settings();
    put_own_settings();
    make_bots();
    task_start(play, NULL, STACK_KIB);
    loop_run();
    bool is_well = report();
    far_close();
    close_ground(); /* the arena, and what it holds, ends with the process */
    return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
