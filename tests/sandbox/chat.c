/*
 * chat.c - the page that shows the chats, and the JSON behind it.
 *
 * Everything stands under /sandbox/. Times are Unix seconds where they are
 * named date, milliseconds where they end in _ms. A refusal is a status of 4xx
 * with {"error":"…"}. A POST that a page of another origin sends is refused.
 *
 *   GET chat/state
 *       {"version":N, "bot":{…getMe…}, "users":[user…], "commands":{"":[{command,
 *       description}…], "ru":[…]}, "faults":["telegram.down"…]}
 *       users: the 200 who wrote or heard something last; user: {id, name,
 *       username, language, is_blocked, stars, last: message or null}
 *   GET chat/messages?user=ID[&before=MESSAGE]
 *       {"messages":[message…], "has_more":bool}: the latest 50, or the 50 before one, ascending
 *       message: {id, user, date, edit_date, is_bot, kind, text, entities, media,
 *       markup, album, reply_to, extra, is_deleted}, as the table messages holds them, and
 *       is_paid of an invoice
 *   GET chat/changes?since=N
 *       waits up to 25 s for what is newer than version N:
 *       {"version":M, "users":[user…] (those that changed), "messages":[message… with
 *       is_deleted], "answers":[{query, user, text, show_alert, url}…],
 *       "actions":[{user, action}…], "calls":[call…], "commands": as above or
 *       null when they stayed, "faults": likewise}
 *       {"version":M, "reset":true} when N is too old or unknown: ask for the state again
 *   GET chat/calls[?user=ID][&refused=1][&before=CALL]
 *       {"calls":[call…]}: the latest 100, ascending
 *       call: {id, at_ms, method, user, status, is_refused, via, took_ms, description}
 *   GET chat/calls?id=CALL   {"parameters":…, "result":…}: JSON, or text when it was cut
 *   GET chat/file?id=FILE    the bytes of a file by its file_id
 *
 *   POST chat/send    {"user":ID, "text":"…"}                → {"message":ID}
 *   POST chat/tap     {"user":ID, "message":ID, "data":"…"}  → {"query":"…"}
 *   POST chat/pay     {"user":ID, "message":ID}              → {"state":"paid", "words":""}
 *       pays an invoice and waits for what comes of it, as telegram_checkout_wait() does
 *   POST chat/stars   {"user":ID, "stars":N}                 → {}; gives the user so many more
 *   POST chat/block   {"user":ID, "is_blocked":bool}         → {}
 *   POST chat/user    {"id":ID, "name":"…", "username":"…", "language":"ru"}  → {}
 *   POST chat/keep    a file as the body                     → {"sha256":"…"}
 *   POST chat/files   {"user":ID, "caption":"…", "files":[{"sha256":"…", "kind":"photo",
 *                     "name":"…", "type":"image/png", "duration":S}…]} → {"messages":[ID…]}
 *       sends what was kept, as telegram_user_files() does; kinds: photo, document, voice,
 *       audio, video
 *
 * Versions are rows of the table page_changes, which triggers on the other
 * tables fill: whoever changes a message need not know that somebody looks.
 */
#include <openssl/sha.h>

#include "core/clock.h"
#include "core/log.h"
#include "tests/sandbox/telegram_inside.h"

enum {
    PAGE_MESSAGES = 50,
    PAGE_CALLS = 100,
    MOST_USERS = 200,
    MOST_CHANGES = 500, /* in one answer; the rest comes with the next */
    WAIT_MS = 25000,
    MOST_FILES = 100,             /* sent at once */
    MOST_FILES_BYTES = 240 << 20, /* of one request, which has to hold them all */
    SHA256_HEX = 64,
};

/* -- what changed -- */

enum { ADDED = 1, CHANGED = 2, REMOVED = 4 };

/* The tables that the page shows, and the column that names a row. Calls are
 * only watched for new ones: the oldest are dropped all the time. */
static const struct watched {
    const char *table, *kind, *key;
    int events;
} watched[] = {
    {"messages",  "message",  "message_id",    ADDED | CHANGED | REMOVED},
    {"people",    "person",   "id",            ADDED | CHANGED          },
    {"callbacks", "callback", "id",            CHANGED                  },
    {"actions",   "action",   "chat_id",       ADDED | CHANGED          },
    {"calls",     "call",     "id",            ADDED                    },
    {"commands",  "command",  "language_code", ADDED | CHANGED | REMOVED},
    {"faults",    "fault",    "name",          ADDED | CHANGED | REMOVED},
};

static const struct event {
    int flag;
    const char *verb, *row;
} events[] = {
    {ADDED,   "insert", "new"},
    {CHANGED, "update", "new"},
    {REMOVED, "delete", "old"}
};

/* Who stays away for more than 20 000 changes starts anew, so older ones go. */
static const char TABLES[] =
    "create table if not exists page_changes ("
    "  id integer primary key autoincrement, kind text not null, key not null);"
    "create trigger if not exists page_changes_trim after insert on page_changes"
    "  when new.id % 1000 = 0"
    "  begin delete from page_changes where id <= new.id - 20000; end;"
    "create temp view page_calls as select id, at_ms, method, status, via, took_ms,"
    "  status >= 400 as is_refused,"
    "  iif(status >= 400, iif(json_valid(result), json_extract(result, '$.description'), result),"
    "      null) as description,"
    /* answerCallbackQuery names no chat; the one who tapped is who is meant. */
    "  coalesce(nullif(chat_id, 0), iif(json_valid(parameters),"
    "    (select user_id from callbacks"
    "      where id = json_extract(parameters, '$.callback_query_id')), null)) as user"
    "  from main.calls;";

static void watch_table(struct arena *a, const struct watched *w)
{
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        const struct event *e = &events[i];
        if (!(w->events & e->flag))
            continue;
        str name = str_printf(a, "page_%s_%s", w->table, e->verb);
        sql_script(
            cstr(a, str_printf(a,
                               "drop trigger if exists " STR_FMT ";"
                               "create trigger " STR_FMT " after %s on %s begin"
                               "  insert into page_changes (kind, key) values ('%s', %s.%s); end;",
                               STR_ARG(name), STR_ARG(name), e->verb, w->table, w->kind, e->row,
                               w->key)));
    }
}

/* Three people are there from the start, so that nobody has to fill in a form first. */
static const struct person first_people[] = {
    {.id = 1001, .first_name = {"Ася", 6},   .username = {"asya", 4}, .language_code = {"ru", 2}},
    {.id = 1002, .first_name = {"Bob", 3},      .username = {"bob", 3},  .language_code = {"en", 2}},
    {.id = 1003, .first_name = {"Мира", 8}, .username = {"mira", 4}, .language_code = {"ru", 2}},
};

void chat_start(void)
{
    struct arena *a = arena_new(1 << 20);
    sql_script(TABLES);
    for (size_t i = 0; i < ARRAY_LEN(watched); i++)
        watch_table(a, &watched[i]);
    for (size_t i = 0; i < ARRAY_LEN(first_people); i++)
        if (!telegram_person_exists(first_people[i].id))
            telegram_person_put(&first_people[i]);
    arena_free(a);
}

/* -- rows as JSON -- */

/* Writes each row of a statement with `put`, as the items of an array. */
static void put_rows(struct arena *a, struct buf *b, struct row row,
                     void (*put)(struct arena *a, struct buf *b, const struct row *row))
{
    buf_add_char(b, '[');
    for (bool is_first = true; sql_next(&row); is_first = false) {
        if (!is_first)
            buf_add_char(b, ',');
        put(a, b, &row);
    }
    buf_add_char(b, ']');
}

static struct val row_number(const struct row *row, int column)
{
    return row_is_null(row, column) ? V(NOTHING) : V(row_i64(row, column));
}

static struct val row_json(struct arena *a, const struct row *row, int column)
{
    str text = row_str(a, row, column);
    return str_empty(text) ? V(NOTHING) : V(JSON(text));
}

#define MESSAGE_COLUMNS                                                                            \
    "message_id, chat_id, date, edit_date, is_from_bot, kind, text, entities, media, "             \
    "markup, media_group_id, reply_to, extra, is_deleted, "                                        \
    "(select is_paid from invoices i where i.message_id = messages.message_id) as is_paid"

static void put_message(struct arena *a, struct buf *b, const struct row *row)
{
    json_put_object(
        b, KVS(KV("id", row_i64(row, 0)), KV("user", row_i64(row, 1)), KV("date", row_i64(row, 2)),
               KV("edit_date", row_number(row, 3)), KV("is_bot", row_i64(row, 4) != 0),
               KV("kind", row_str(a, row, 5)), KV("text", row_str(a, row, 6)),
               KV("entities", row_json(a, row, 7)), KV("media", row_json(a, row, 8)),
               KV("markup", row_json(a, row, 9)), KV("album", row_str(a, row, 10)),
               KV("reply_to", row_number(row, 11)), KV("extra", row_json(a, row, 12)),
               KV("is_deleted", row_i64(row, 13) != 0), KV("is_paid", row_i64(row, 14) != 0)));
}

static str last_message(struct arena *a, int64_t user_id)
{
    struct row row;
    if (!SQL_GET(&row,
                 "select " MESSAGE_COLUMNS " from messages where chat_id = ? and not is_deleted"
                 " order by message_id desc limit 1",
                 V(user_id)))
        return S("null");
    struct buf b = buf_new(a);
    put_message(a, &b, &row);
    sql_close(&row);
    return buf_str(&b);
}

#define PERSON_COLUMNS "id, first_name, last_name, username, language_code, has_blocked, stars"

static void put_person(struct arena *a, struct buf *b, const struct row *row)
{
    str name = row_str(a, row, 1), last_name = row_str(a, row, 2);
    if (!str_empty(last_name))
        name = str_printf(a, STR_FMT " " STR_FMT, STR_ARG(name), STR_ARG(last_name));
    int64_t id = row_i64(row, 0);
    json_put_object(b,
                    KVS(KV("id", id), KV("name", name), KV("username", row_str(a, row, 3)),
                        KV("language", row_str(a, row, 4)), KV("is_blocked", row_i64(row, 5) != 0),
                        KV("stars", row_i64(row, 6)), KV("last", JSON(last_message(a, id)))));
}

#define CALL_COLUMNS "id, at_ms, method, user, status, is_refused, via, took_ms, description"

static void put_call(struct arena *a, struct buf *b, const struct row *row)
{
    json_put_object(b, KVS(KV("id", row_i64(row, 0)), KV("at_ms", row_i64(row, 1)),
                           KV("method", row_str(a, row, 2)), KV("user", row_number(row, 3)),
                           KV("status", row_i64(row, 4)), KV("is_refused", row_i64(row, 5) != 0),
                           KV("via", row_str(a, row, 6)), KV("took_ms", row_i64(row, 7)),
                           KV("description", row_str(a, row, 8))));
}

static void put_answer(struct arena *a, struct buf *b, const struct row *row)
{
    struct json_object *answer = NULL;
    str text = row_str(a, row, 2);
    bool show_alert = false;
    if (!str_empty(text) && json_parse(a, text, &answer))
        answer = NULL;
    json_boolean(answer, "show_alert", &show_alert);
    json_put_object(b, KVS(KV("query", row_str(a, row, 0)), KV("user", row_i64(row, 1)),
                           KV("text", json_str(answer, "text")), KV("show_alert", show_alert),
                           KV("url", json_str(answer, "url"))));
}

static void put_action(struct arena *a, struct buf *b, const struct row *row)
{
    json_put_object(b, KVS(KV("user", row_i64(row, 0)), KV("action", row_str(a, row, 1))));
}

static void put_name(struct arena *a, struct buf *b, const struct row *row)
{
    json_put_str(b, row_str(a, row, 0));
}

/* A private chat prefers the commands of its own kind to those of all chats. */
static str commands_json(struct arena *a)
{
    struct row row = sql_open(
        "select language_code, commands from (select *, row_number() over ("
        "   partition by language_code order by scope like '%all_private_chats%' desc) as place"
        "  from commands where scope like '%all_private_chats%' or scope like '%default%')"
        " where place = 1",
        NULL, 0);
    struct buf b = buf_new(a);
    buf_add_char(&b, '{');
    for (bool is_first = true; sql_next(&row); is_first = false) {
        if (!is_first)
            buf_add_char(&b, ',');
        json_put_str(&b, row_str(a, &row, 0));
        buf_add_char(&b, ':');
        buf_add(&b, row_str(a, &row, 1));
    }
    buf_add_char(&b, '}');
    return buf_str(&b);
}

static str faults_json(struct arena *a)
{
    struct buf b = buf_new(a);
    put_rows(a, &b, sql_open("select name from faults order by name", NULL, 0), put_name);
    return buf_str(&b);
}

static int64_t latest_change(void)
{
    return sql_number("select coalesce(max(seq), 0) from sqlite_sequence"
                      " where name = 'page_changes'",
                      NULL, 0);
}

/* -- answers -- */

static void answer_json(struct request *r, str body)
{
    request_answer(r, &(struct answer){.status = 200,
                                       .body = body,
                                       .headers = KVS(KV("Cache-Control", "no-store"))});
}

static bool query_number(struct request *r, const char *name, int64_t *out)
{
    return str_to_i64(request_query(r, name), out);
}

/* -- reading -- */

static void get_state(struct request *r)
{
    struct arena *a = r->arena;
    struct buf users = buf_new(a);
    put_rows(a, &users,
             SQL_OPEN("select " PERSON_COLUMNS " from people order by"
                      " (select max(message_id) from messages where chat_id = people.id)"
                      " desc nulls last, id limit ?",
                      V(MOST_USERS)),
             put_person);
    answer_json(r, json_make(a, KV("version", latest_change()), KV("bot", JSON(bot_json(a, true))),
                             KV("users", JSON(buf_str(&users))),
                             KV("commands", JSON(commands_json(a))),
                             KV("faults", JSON(faults_json(a)))));
}

static void get_messages(struct request *r)
{
    int64_t user_id, before = INT64_MAX;
    if (!query_number(r, "user", &user_id)) {
        request_refuse(r, 400, "user is missing");
        return;
    }
    query_number(r, "before", &before);
    struct buf messages = buf_new(r->arena);
    put_rows(r->arena, &messages,
             SQL_OPEN("select * from (select " MESSAGE_COLUMNS " from messages where chat_id = ?"
                      "  and message_id < ? and not is_deleted order by message_id desc limit ?)"
                      " order by message_id",
                      V(user_id), V(before), V(PAGE_MESSAGES)),
             put_message);
    int64_t count = SQL_NUMBER("select count(*) from (select 1 from messages where chat_id = ?"
                               " and message_id < ? and not is_deleted limit ?)",
                               V(user_id), V(before), V(PAGE_MESSAGES + 1));
    answer_json(r, json_make(r->arena, KV("messages", JSON(buf_str(&messages))),
                             KV("has_more", count > PAGE_MESSAGES)));
}

#define KEYS_OF(kind)                                                                              \
    "(select key from page_changes where kind = '" kind "' and id > ?1 and id <= ?2)"

static bool has_changed(const char *kind, int64_t since, int64_t until)
{
    return SQL_NUMBER("select exists (select 1 from page_changes"
                      " where kind = ? and id > ? and id <= ?)",
                      V(kind), V(since), V(until)) != 0;
}

static void answer_changes(struct request *r, int64_t since, int64_t until)
{
    static const struct {
        const char *name, *sql;
        void (*put)(struct arena *a, struct buf *b, const struct row *row);
    } lists[] = {
        {"users",    "select " PERSON_COLUMNS " from people where id in " KEYS_OF("person"),
         put_person },
        {"messages",
         "select " MESSAGE_COLUMNS
         " from messages where message_id in " KEYS_OF("message") " order by message_id",
         put_message},
        {"answers",
         "select id, user_id, answer from callbacks where answered_ms is not null and id in " KEYS_OF(
             "callback"),
         put_answer },
        {"actions",  "select chat_id, action from actions where chat_id in " KEYS_OF("action"),
         put_action },
        {"calls",
         "select " CALL_COLUMNS " from page_calls where id in " KEYS_OF("call") " order by id",
         put_call   },
    };
    struct arena *a = r->arena;
    struct buf b = buf_new(a);
    buf_addf(&b, "{\"version\":%" PRId64, until);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        buf_addf(&b, ",\"%s\":", lists[i].name);
        put_rows(a, &b, SQL_OPEN(lists[i].sql, V(since), V(until)), lists[i].put);
    }
    str null = S("null");
    str commands = has_changed("command", since, until) ? commands_json(a) : null;
    str faults = has_changed("fault", since, until) ? faults_json(a) : null;
    buf_addf(&b, ",\"commands\":" STR_FMT ",\"faults\":" STR_FMT "}", STR_ARG(commands),
             STR_ARG(faults));
    answer_json(r, buf_str(&b));
}

static void get_changes(struct request *r)
{
    int64_t since = 0;
    query_number(r, "since", &since);
    int64_t deadline_ms = clock_steady_ms() + WAIT_MS;
    for (;;) {
        int64_t seen = sandbox_version();
        int64_t latest = latest_change();
        int64_t oldest = sql_number("select coalesce(min(id), 1) from page_changes", NULL, 0);
        if (since > latest || since < oldest - 1) {
            answer_json(r, json_make(r->arena, KV("version", latest), KV("reset", true)));
            return;
        }
        int64_t left_ms = deadline_ms - clock_steady_ms();
        if (since < latest || left_ms <= 0 || store_is_draining()) {
            int64_t until = latest - since > MOST_CHANGES ? since + MOST_CHANGES : latest;
            answer_changes(r, since, until);
            return;
        }
        sandbox_wait_change(seen, left_ms);
    }
}

/* A text of the log as JSON when it is whole, else as a string. */
static struct val logged_value(struct arena *a, const struct row *row, int column)
{
    struct json_object *parsed;
    str text = row_str(a, row, column);
    return !str_empty(text) && !json_parse(a, text, &parsed) ? V(JSON(text)) : V(text);
}

static void get_one_call(struct request *r, int64_t id)
{
    struct row row;
    if (!SQL_GET(&row, "select parameters, result from calls where id = ?", V(id))) {
        request_refuse(r, 404, "that call is no longer kept");
        return;
    }
    struct val parameters = logged_value(r->arena, &row, 0);
    struct val result = logged_value(r->arena, &row, 1);
    sql_close(&row);
    answer_json(r, json_make(r->arena, KV("parameters", parameters), KV("result", result)));
}

static void get_calls(struct request *r)
{
    int64_t id, user_id = 0, before = INT64_MAX;
    if (query_number(r, "id", &id)) {
        get_one_call(r, id);
        return;
    }
    query_number(r, "user", &user_id);
    query_number(r, "before", &before);
    bool only_refused = str_eq(request_query(r, "refused"), S("1"));
    struct buf b = buf_new(r->arena);
    put_rows(r->arena, &b,
             SQL_OPEN("select * from (select " CALL_COLUMNS " from page_calls where id < ?1"
                      "  and (?2 = 0 or user = ?2) and (?3 = 0 or is_refused)"
                      "  order by id desc limit ?4) order by id",
                      V(before), V(user_id), V(only_refused), V(PAGE_CALLS)),
             put_call);
    answer_json(r, json_make(r->arena, KV("calls", JSON(buf_str(&b)))));
}

/* -- files -- */

/* What a browser may show as it is; all else is only offered for keeping. */
static bool is_shown_inline(str type)
{
    return str_eq(type, S("image/jpeg")) || str_eq(type, S("image/png")) ||
           str_eq(type, S("image/webp")) || str_eq(type, S("image/gif")) ||
           str_starts(type, S("audio/")) || str_starts(type, S("video/"));
}

/* A file came from a stranger: whatever it is, it must not run in this origin.
 * The bytes of a file_id never change. */
static void get_file(struct request *r)
{
    struct row row;
    str bytes;
    if (!SQL_GET(&row, "select kind, sha256, mime_type from files where file_id = ?",
                 V(request_query(r, "id")))) {
        request_refuse(r, 404, "no such file");
        return;
    }
    bool is_photo = str_eq(row_str(r->arena, &row, 0), S("photo"));
    str sha256 = row_str(r->arena, &row, 1), type = row_str(r->arena, &row, 2);
    sql_close(&row);
    if (!blob_get(r->arena, sha256, &bytes)) {
        request_refuse(r, 404, "the bytes of this file are gone");
        return;
    }
    if (str_empty(type))
        type = is_photo ? S("image/jpeg") : S("application/octet-stream");
    request_answer(r,
                   &(struct answer){
                       .status = 200,
                       .content_type = cstr(r->arena, type),
                       .body = bytes,
                       .headers = KVS(KV("Cache-Control", "private, max-age=31536000, immutable"),
                                      KV("Content-Security-Policy", "default-src 'none'; sandbox"),
                                      KV("X-Content-Type-Options", "nosniff"),
                                      KV("Content-Disposition",
                                         is_shown_inline(type) ? "inline" : "attachment")),
                   });
}

/* -- writing -- */

static bool read_body(struct request *r, struct json_object **body)
{
    err *e = json_parse(r->arena, r->body, body);
    if (e)
        request_refuse(r, 400, cstr(r->arena, e->message));
    return !e;
}

/* The person that a body speaks of; answers when there is none. */
static bool read_user(struct request *r, struct json_object *body, int64_t *user_id)
{
    if (!json_i64(body, "user", user_id) || !telegram_person_exists(*user_id)) {
        request_refuse(r, 404, "no such user");
        return false;
    }
    return true;
}

static void post_send(struct request *r)
{
    struct json_object *body;
    int64_t user_id;
    if (!read_body(r, &body) || !read_user(r, body, &user_id))
        return;
    str text = str_trim(json_str(body, "text"));
    if (str_empty(text)) {
        request_refuse(r, 400, "text is empty");
        return;
    }
    int64_t message_id = telegram_user_text(r->arena, user_id, text);
    answer_json(r, json_make(r->arena, KV("message", message_id)));
}

static void post_tap(struct request *r)
{
    struct json_object *body;
    int64_t user_id, message_id;
    if (!read_body(r, &body) || !read_user(r, body, &user_id))
        return;
    str data = json_str(body, "data");
    if (!json_i64(body, "message", &message_id) || str_empty(data)) {
        request_refuse(r, 400, "message or data is missing");
        return;
    }
    str query = telegram_user_tap(r->arena, user_id, message_id, data, false);
    if (str_empty(query))
        request_refuse(r, 409, "that message has no such button any more");
    else
        answer_json(r, json_make(r->arena, KV("query", query)));
}

static void post_pay(struct request *r)
{
    struct json_object *body;
    int64_t user_id, message_id = 0;
    const char *why = "";
    if (!read_body(r, &body) || !read_user(r, body, &user_id))
        return;
    json_i64(body, "message", &message_id);
    str id = telegram_user_pay(r->arena, user_id, message_id, &why);
    if (str_empty(id)) {
        request_refuse(r, 409, why);
        return;
    }
    struct checkout checkout = {0};
    telegram_checkout_wait(r->arena, id, &checkout);
    answer_json(r, json_make(r->arena, KV("state", checkout.state), KV("words", checkout.words)));
}

static void post_stars(struct request *r)
{
    const int64_t most_stars = 1000000;
    struct json_object *body;
    int64_t user_id, stars;
    if (!read_body(r, &body) || !read_user(r, body, &user_id))
        return;
    if (!json_i64(body, "stars", &stars) || stars < 1 || stars > most_stars) {
        request_refuse(r, 400, "stars must be a number from 1 to 1 000 000");
        return;
    }
    int64_t has = SQL_NUMBER("select stars from people where id = ?", V(user_id));
    telegram_person_stars(user_id, has + stars);
    answer_json(r, S("{}"));
}

static void post_block(struct request *r)
{
    struct json_object *body;
    int64_t user_id;
    bool is_blocked;
    if (!read_body(r, &body) || !read_user(r, body, &user_id))
        return;
    if (!json_boolean(body, "is_blocked", &is_blocked)) {
        request_refuse(r, 400, "is_blocked is missing");
        return;
    }
    telegram_user_block(r->arena, user_id, is_blocked);
    answer_json(r, S("{}"));
}

static void post_user(struct request *r)
{
    enum { MOST_NAME = 64 };
    const int64_t most_id = (INT64_C(1) << 52) - 1;
    struct json_object *body;
    struct person person = {0};
    if (!read_body(r, &body))
        return;
    person.first_name = str_trim(json_str(body, "name"));
    person.username = str_trim(json_str(body, "username"));
    person.language_code = json_str(body, "language");
    if (!json_i64(body, "id", &person.id) || person.id <= 0 || person.id > most_id)
        request_refuse(r, 400, "id must be a number from 1 to 2^52");
    else if (!str_points_within(person.first_name, 1, MOST_NAME))
        request_refuse(r, 400, "a name has 1 to 64 characters");
    else if (telegram_person_exists(person.id))
        request_refuse(r, 409, "there is a user with this id already");
    else {
        telegram_person_put(&person);
        answer_json(r, S("{}"));
    }
}

/* -- files that a person sends: first kept one by one, then sent together -- */

static void post_keep(struct request *r)
{
    if (str_empty(r->body)) {
        request_refuse(r, 400, "the file is empty");
        return;
    }
    answer_json(r, json_make(r->arena, KV("sha256", blob_put(r->arena, r->body))));
}

static bool is_sha256(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("0123456789abcdef", s.ptr[i]) || !s.ptr[i])
            return false;
    return s.len == SHA256_HEX;
}

static bool read_kept(struct arena *a, struct json_object *file, struct sent_file *out)
{
    str sha256 = json_str(file, "sha256");
    *out = (struct sent_file){.kind = cstr(a, json_str(file, "kind")),
                              .file_name = json_str(file, "name"),
                              .mime_type = json_str(file, "type")};
    json_i64(file, "duration", &out->duration_seconds);
    return is_sha256(sha256) && blob_get(a, sha256, &out->bytes);
}

static void post_files(struct request *r)
{
    struct json_object *body;
    int64_t user_id;
    if (!read_body(r, &body) || !read_user(r, body, &user_id))
        return;
    struct json_object *list = json_at(body, "files");
    size_t count = json_length(list);
    if (count == 0 || count > MOST_FILES) {
        request_refuse(r, 400, "1 to 100 files are sent at once");
        return;
    }
    struct sent_file *files = NEW_ARRAY(r->arena, struct sent_file, count);
    int64_t *ids = NEW_ARRAY(r->arena, int64_t, count);
    size_t total_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!read_kept(r->arena, json_item(list, i), &files[i])) {
            request_refuse(r, 400, "one of the files has not been kept");
            return;
        }
        total_bytes += files[i].bytes.len;
        if (total_bytes > MOST_FILES_BYTES) {
            request_refuse(r, 413, "these files are too large to be sent at once");
            return;
        }
    }
    if (!telegram_user_files(r->arena, user_id, files, count, str_trim(json_str(body, "caption")),
                             ids)) {
        request_refuse(r, 400, "one of the files is of an unknown kind");
        return;
    }
    struct buf b = buf_new(r->arena);
    buf_add(&b, S("{\"messages\":["));
    for (size_t i = 0; i < count; i++) {
        buf_add(&b, i ? S(",") : S(""));
        buf_add_i64(&b, ids[i]);
    }
    buf_add(&b, S("]}"));
    answer_json(r, buf_str(&b));
}

/* -- the page itself -- */

static const struct page_file {
    const char *path, *name, *content_type;
} page_files[] = {
    {"/",            "index.html",  "text/html; charset=utf-8"      },
    {"/chat.css",    "chat.css",    "text/css; charset=utf-8"       },
    {"/icon.svg",    "icon.svg",    "image/svg+xml"                 },
    {"/chat.js",     "chat.js",     "text/javascript; charset=utf-8"},
    {"/calls.js",    "calls.js",    "text/javascript; charset=utf-8"},
    {"/column.js",   "column.js",   "text/javascript; charset=utf-8"},
    {"/composer.js", "composer.js", "text/javascript; charset=utf-8"},
    {"/dom.js",      "dom.js",      "text/javascript; charset=utf-8"},
    {"/message.js",  "message.js",  "text/javascript; charset=utf-8"},
    {"/words.js",    "words.js",    "text/javascript; charset=utf-8"},
};

static const char POLICY[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'";

static bool read_page_file(struct arena *a, const char *name, str *out)
{
    const char *folder = getenv("SANDBOX_PAGE");
    str path = str_printf(a, "%s/%s", folder ? folder : "tests/sandbox/page", name);
    FILE *file = fopen(cstr(a, path), "rbe");
    if (!file)
        return false;
    struct buf b = buf_new(a);
    char piece[8192];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        buf_add(&b, (str){piece, got});
    bool is_read = !ferror(file);
    fclose(file);
    *out = buf_str(&b);
    return is_read;
}

static str entity_tag(struct arena *a, str content)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)content.ptr, content.len, digest);
    str hex = str_hex(a, (str){(const char *)digest, 16});
    return str_printf(a, "\"" STR_FMT "\"", STR_ARG(hex));
}

/* Files are read anew each time, so that a change shows with the next reload;
 * the tag keeps an unchanged one from being sent again. */
static void get_page_file(struct request *r, const struct page_file *file)
{
    str content;
    if (!read_page_file(r->arena, file->name, &content)) {
        log_error("page.file_missing", KV("name", file->name));
        request_refuse(r, 500, "the page's files are not where SANDBOX_PAGE says");
        return;
    }
    str tag = entity_tag(r->arena, content);
    bool is_known = str_eq(request_param(r, "HTTP_IF_NONE_MATCH"), tag);
    request_answer(r, &(struct answer){
                          .status = is_known ? 304 : 200,
                          .content_type = file->content_type,
                          .body = is_known ? S("") : content,
                          .headers = KVS(KV("Cache-Control", "no-cache"), KV("ETag", tag),
                                         KV("Content-Security-Policy", POLICY),
                                         KV("Referrer-Policy", "no-referrer"),
                                         KV("X-Content-Type-Options", "nosniff")),
                      });
}

/* -- routing -- */

static const struct route {
    const char *method, *path;
    void (*run)(struct request *r);
} routes[] = {
    {"GET",  "/chat/state",    get_state   },
    {"GET",  "/chat/messages", get_messages},
    {"GET",  "/chat/changes",  get_changes },
    {"GET",  "/chat/calls",    get_calls   },
    {"GET",  "/chat/file",     get_file    },
    {"POST", "/chat/send",     post_send   },
    {"POST", "/chat/tap",      post_tap    },
    {"POST", "/chat/pay",      post_pay    },
    {"POST", "/chat/stars",    post_stars  },
    {"POST", "/chat/block",    post_block  },
    {"POST", "/chat/user",     post_user   },
    {"POST", "/chat/keep",     post_keep   },
    {"POST", "/chat/files",    post_files  },
};

/* A browser names the origin of every POST; programs name none. Without this
 * look any page on the web could speak for the users of a running sandbox. */
static bool is_foreign(const struct request *r)
{
    str origin = request_param(r, "HTTP_ORIGIN");
    size_t at;
    if (str_empty(origin))
        return false;
    if (!str_find(origin, S("://"), &at))
        return true;
    return !str_eq(str_sub(origin, at + 3, origin.len), request_param(r, "HTTP_HOST"));
}

void chat_handle(struct request *r, str path)
{
    if (str_empty(path)) {
        str home = str_printf(r->arena, STR_FMT "/", STR_ARG(sandbox.public_url));
        request_answer(r, &(struct answer){.status = 302, .headers = KVS(KV("Location", home))});
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        const struct route *route = &routes[i];
        if (!str_eq(path, str_from(route->path)))
            continue;
        if (!str_eq(r->method, str_from(route->method)))
            request_refuse(r, 405, "method not allowed");
        else if (str_eq(r->method, S("POST")) && is_foreign(r))
            request_refuse(r, 403, "this page may not speak for the sandbox");
        else
            route->run(r);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(page_files); i++) {
        if (str_eq(path, str_from(page_files[i].path))) {
            get_page_file(r, &page_files[i]);
            return;
        }
    }
    request_refuse(r, 404, "not found");
}
