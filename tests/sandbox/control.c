/*
 * What tests ask and order, under /sandbox/control/:
 *
 *     GET  calls?refused=1&method=…&after=<id>&limit=…   the log of calls
 *     GET  counts                    calls by method and status, refusals, deliveries
 *     GET  pending?user=…            updates not yet delivered, and taps not yet answered
 *     GET  messages?user=…&after=<message id>&limit=…    what a person sees
 *     GET  callbacks?user=…&id=…     taps and their answers
 *     GET  checkouts?user=…          payments that were begun, and how they ended
 *     GET  requests?id=…&model=…&after=<seq>&limit=…     what FAL was asked, and what it returned
 *     GET  files                     what lies at FAL: address, and when it ends, 0 for never
 *     GET  objects                   what lies in the object store
 *     GET  faults      POST fault    {"name":…,"value":…}
 *     POST person                    {"id":…,"first_name":…,"language_code":…,"stars":…}
 *     POST update                    one act of a person, or an array of them
 *     POST token                     {"token":…}: the bot's token from now on
 *     POST forget                    empties the log of calls and its counts
 *     POST forget_file               {"url":…}: FAL has lost the file at that address
 *     POST star_transaction          {"id":…,"user":…,"stars":…,"is_refund":…,"date":…}: one that the
 *                                    bot was never told of
 *     POST forget_star_transaction   {"id":…}
 */
#include "tests/sandbox/telegram_inside.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"

enum { DEFAULT_LIMIT = 200, MOST_LIMIT = 20000 };

static void answer_json(struct request *r, str body)
{
    request_answer(r, &(struct answer){.status = 200, .body = body});
}

static int64_t number_query(struct request *r, const char *name, int64_t standard)
{
    int64_t number = standard;
    str text = request_query(r, name);
    return str_empty(text) || !str_to_i64(text, &number) ? standard : number;
}

static int64_t limit_query(struct request *r)
{
    int64_t limit = number_query(r, "limit", DEFAULT_LIMIT);
    return limit < 1 || limit > MOST_LIMIT ? MOST_LIMIT : limit;
}

/* Text that is JSON already, or null. */
static struct val json_column(struct request *r, const struct row *row, int column)
{
    str text = row_str(r->arena, row, column);
    return str_empty(text) ? V(NOTHING) : V(JSON(text));
}

/* A JSON array of one object for each row. */
struct rows_out {
    struct buf b;
    size_t count;
};

static struct rows_out rows_begin(struct request *r, const char *name)
{
    struct rows_out out = {.b = buf_new(r->arena)};
    buf_addf(&out.b, "{\"%s\":[", name);
    return out;
}

static void rows_add(struct rows_out *out, const struct kv *fields)
{
    if (out->count++)
        buf_add_char(&out->b, ',');
    json_put_object(&out->b, fields);
}

static void rows_answer(struct request *r, struct rows_out *out)
{
    buf_add(&out->b, S("]}"));
    answer_json(r, buf_str(&out->b));
}

/* -- what happened -- */

/* The logged parameters and results may be cut: they are given as text. */
static void get_calls(struct request *r)
{
    str method = request_query(r, "method");
    bool only_refused = str_eq(request_query(r, "refused"), S("1"));
    struct rows_out out = rows_begin(r, "calls");
    struct row row = SQL_OPEN(
        "select id, at_ms, method, parameters, status, result, is_refused, via, took_ms from calls"
        " where id > ?1 and (?2 = 0 or is_refused) and (?3 = '' or method = ?3)"
        " order by id desc limit ?4",
        V(number_query(r, "after", 0)), V(only_refused), V(str_empty(method) ? S("") : method),
        V(limit_query(r)));
    while (sql_next(&row))
        rows_add(&out, KVS(KV("id", row_i64(&row, 0)), KV("at_ms", row_i64(&row, 1)),
                           KV("method", row_str(r->arena, &row, 2)),
                           KV("parameters", row_str(r->arena, &row, 3)),
                           KV("status", row_i64(&row, 4)), KV("result", row_str(r->arena, &row, 5)),
                           KV("is_refused", (bool)(row_i64(&row, 6) != 0)),
                           KV("via", row_str(r->arena, &row, 7)), KV("took_ms", row_i64(&row, 8))));
    rows_answer(r, &out);
}

static void get_counts(struct request *r)
{
    struct buf b = buf_new(r->arena);
    int64_t total = 0, refused = 0;
    buf_add(&b, S("{\"methods\":["));
    struct row row = SQL_OPEN("select method, status, count from call_counts"
                              " order by method, status limit ?",
                              V(MOST_LIMIT));
    for (size_t i = 0; sql_next(&row); i++) {
        int64_t status = row_i64(&row, 1), count = row_i64(&row, 2);
        total += count;
        refused += status >= 400 && status < 500 && status != 403 && status != 429 ? count : 0;
        buf_add(&b, i ? S(",") : S(""));
        json_put_object(&b, KVS(KV("method", row_str(r->arena, &row, 0)), KV("status", status),
                                KV("count", count)));
    }
    int64_t numbers[3];
    static const char *const names[] = {"telegram.delivered", "telegram.failed",
                                        "telegram.expired"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        numbers[i] = SQL_NUMBER("select cast(value as integer) from settings where name = ?",
                                V(names[i]));
    buf_addf(&b,
             "],\"calls\":%" PRId64 ",\"refused\":%" PRId64 ",\"delivered\":%" PRId64
             ",\"failed_deliveries\":%" PRId64 ",\"expired\":%" PRId64 "}",
             total, refused, numbers[0], numbers[1], numbers[2]);
    answer_json(r, buf_str(&b));
}

/* Of one person, or of all. A queue is named after what it holds and whose it is. */
static void get_pending(struct request *r)
{
    int64_t user_id = number_query(r, "user", 0);
    int64_t pending = SQL_NUMBER("select count(*) from updates where ?1 = 0 or"
                                 " queue_key like '%:' || ?1",
                                 V(user_id));
    int64_t unanswered = SQL_NUMBER("select count(*) from callbacks where answered_ms is null and"
                                    " (?1 = 0 or user_id = ?1)",
                                    V(user_id));
    answer_json(r, json_make(r->arena, KV("pending", pending), KV("unanswered", unanswered),
                             KV("in_flight", delivery_in_flight()),
                             KV("most_attempts",
                                sql_number("select max(attempts) from updates", NULL, 0))));
}

static void get_messages(struct request *r)
{
    struct rows_out out = rows_begin(r, "messages");
    struct row row = SQL_OPEN(
        "select message_id, chat_id, date, edit_date, is_from_bot, kind, text, entities, media,"
        " markup, media_group_id, reply_to from messages where not is_deleted and message_id > ?1"
        " and (?2 = 0 or chat_id = ?2) order by message_id limit ?3",
        V(number_query(r, "after", 0)), V(number_query(r, "user", 0)), V(limit_query(r)));
    while (sql_next(&row))
        rows_add(&out,
                 KVS(KV("message_id", row_i64(&row, 0)), KV("chat_id", row_i64(&row, 1)),
                     KV("date", row_i64(&row, 2)), KV("edit_date", row_i64(&row, 3)),
                     KV("is_from_bot", (bool)(row_i64(&row, 4) != 0)),
                     KV("kind", row_str(r->arena, &row, 5)), KV("text", row_str(r->arena, &row, 6)),
                     KV("entities", json_column(r, &row, 7)), KV("media", json_column(r, &row, 8)),
                     KV("markup", json_column(r, &row, 9)),
                     KV("media_group_id", row_str(r->arena, &row, 10)),
                     KV("reply_to", row_i64(&row, 11))));
    rows_answer(r, &out);
}

static void get_callbacks(struct request *r)
{
    str id = request_query(r, "id");
    struct rows_out out = rows_begin(r, "callbacks");
    struct row row = SQL_OPEN(
        "select id, user_id, message_id, data, at_ms, answered_ms, answer from callbacks"
        " where (?1 = 0 or user_id = ?1) and (?2 = '' or id = ?2) order by at_ms limit ?3",
        V(number_query(r, "user", 0)), V(str_empty(id) ? S("") : id), V(limit_query(r)));
    while (sql_next(&row))
        rows_add(&out,
                 KVS(KV("id", row_str(r->arena, &row, 0)), KV("user_id", row_i64(&row, 1)),
                     KV("message_id", row_i64(&row, 2)), KV("data", row_str(r->arena, &row, 3)),
                     KV("at_ms", row_i64(&row, 4)), KV("answered_ms", row_i64(&row, 5)),
                     KV("answer", json_column(r, &row, 6))));
    rows_answer(r, &out);
}

static void get_checkouts(struct request *r)
{
    struct rows_out out = rows_begin(r, "checkouts");
    struct row row = SQL_OPEN("select id, user_id from checkouts where ?1 = 0 or user_id = ?1"
                              " order by at_ms limit ?2",
                              V(number_query(r, "user", 0)), V(limit_query(r)));
    while (sql_next(&row)) {
        struct checkout checkout = {0};
        str id = row_str(r->arena, &row, 0);
        telegram_checkout_find(r->arena, id, &checkout);
        rows_add(&out, KVS(KV("id", id), KV("user_id", checkout.user_id),
                           KV("message_id", checkout.message_id), KV("stars", checkout.stars),
                           KV("state", checkout.state), KV("words", checkout.words)));
    }
    rows_answer(r, &out);
}

/* What FAL was told and what it made of it: input and output word for word, and the callback as it
 * went out. */
static void get_requests(struct request *r)
{
    str id = request_query(r, "id"), model = request_query(r, "model");
    struct rows_out out = rows_begin(r, "requests");
    struct row row = SQL_OPEN(
        "select q.seq, q.id, q.model, q.input, q.webhook, q.state, q.created_ms, q.start_ms,"
        " q.finish_ms, q.status, q.output, q.error_type, q.is_cancel_asked, d.body, d.attempts,"
        " d.last_status from fal_requests q left join fal_deliveries d on d.request_id = q.id"
        " where q.seq > ?1 and (?2 = '' or q.id = ?2) and (?3 = '' or q.model = ?3)"
        " order by q.seq limit ?4",
        V(number_query(r, "after", 0)), V(str_empty(id) ? S("") : id),
        V(str_empty(model) ? S("") : model), V(limit_query(r)));
    while (sql_next(&row))
        rows_add(&out,
                 KVS(KV("seq", row_i64(&row, 0)), KV("id", row_str(r->arena, &row, 1)),
                     KV("model", row_str(r->arena, &row, 2)), KV("input", json_column(r, &row, 3)),
                     KV("webhook", row_str(r->arena, &row, 4)),
                     KV("state", row_str(r->arena, &row, 5)), KV("created_ms", row_i64(&row, 6)),
                     KV("start_ms", row_i64(&row, 7)), KV("finish_ms", row_i64(&row, 8)),
                     KV("status", row_i64(&row, 9)), KV("output", json_column(r, &row, 10)),
                     KV("error_type", row_str(r->arena, &row, 11)),
                     KV("is_cancel_asked", (bool)(row_i64(&row, 12) != 0)),
                     KV("callback", json_column(r, &row, 13)),
                     KV("callback_attempts", row_i64(&row, 14)),
                     KV("callback_status", row_i64(&row, 15))));
    rows_answer(r, &out);
}

static void get_files(struct request *r)
{
    struct rows_out out = rows_begin(r, "files");
    struct row row = SQL_OPEN("select f.token, f.name, f.content_type, coalesce(e.expires_ms, 0)"
                              " from fal_files f left join fal_expiries e on e.token = f.token"
                              " limit ?",
                              V(MOST_LIMIT));
    while (sql_next(&row))
        rows_add(&out, KVS(KV("path", str_printf(r->arena, "/fal/files/" STR_FMT "/" STR_FMT,
                                                 STR_ARG(row_str(r->arena, &row, 0)),
                                                 STR_ARG(row_str(r->arena, &row, 1)))),
                           KV("content_type", row_str(r->arena, &row, 2)),
                           KV("expires_ms", row_i64(&row, 3))));
    rows_answer(r, &out);
}

static void get_objects(struct request *r)
{
    struct rows_out out = rows_begin(r, "objects");
    struct row row = SQL_OPEN("select bucket, key, size from store_objects order by bucket, key"
                              " limit ?",
                              V(MOST_LIMIT));
    while (sql_next(&row))
        rows_add(&out, KVS(KV("bucket", row_str(r->arena, &row, 0)),
                           KV("key", row_str(r->arena, &row, 1)), KV("size", row_i64(&row, 2))));
    rows_answer(r, &out);
}

/* -- faults -- */

static void get_openai(struct request *r)
{
    str kind = request_query(r, "kind");
    struct rows_out out = rows_begin(r, "calls");
    struct row row = SQL_OPEN(
        "select seq, at_ms, took_ms, kind, model, asked, status, answer, heard_ms from openai_calls"
        " where seq > ?1 and (?2 = '' or kind = ?2) order by seq limit ?3",
        V(number_query(r, "after", 0)), V(str_empty(kind) ? S("") : kind), V(limit_query(r)));
    while (sql_next(&row))
        rows_add(&out,
                 KVS(KV("seq", row_i64(&row, 0)), KV("at_ms", row_i64(&row, 1)),
                     KV("took_ms", row_i64(&row, 2)), KV("kind", row_str(r->arena, &row, 3)),
                     KV("model", row_str(r->arena, &row, 4)), KV("asked", json_column(r, &row, 5)),
                     KV("status", row_i64(&row, 6)), KV("answer", json_column(r, &row, 7)),
                     KV("heard_ms", row_i64(&row, 8))));
    rows_answer(r, &out);
}

/* What OpenAI would send a bill for. */
static void get_heard(struct request *r)
{
    int64_t after = number_query(r, "after", 0);
    answer_json(r,
                json_make(r->arena,
                          KV("seq", SQL_NUMBER("select coalesce(max(seq), 0) from openai_calls")),
                          KV("recordings", SQL_NUMBER("select count(*) from openai_calls"
                                                      " where heard_ms > 0 and seq > ?",
                                                      V(after))),
                          KV("heard_ms", SQL_NUMBER("select coalesce(sum(heard_ms), 0) from"
                                                    " openai_calls where seq > ?",
                                                    V(after))),
                          KV("chats", SQL_NUMBER("select count(*) from openai_calls where"
                                                 " kind = 'chat' and status = 200 and seq > ?",
                                                 V(after)))));
}

static void get_faults(struct request *r)
{
    struct rows_out out = rows_begin(r, "faults");
    struct row row = SQL_OPEN("select name, value from faults order by name limit ?",
                              V(MOST_LIMIT));
    while (sql_next(&row))
        rows_add(&out,
                 KVS(KV("name", row_str(r->arena, &row, 0)), KV("value", json_column(r, &row, 1))));
    rows_answer(r, &out);
}

static bool post_fault(struct request *r, struct json_object *body, str *out)
{
    str name = json_str(body, "name");
    if (str_empty(name))
        return false;
    struct json_object *value = json_at(body, "value");
    fault_set(cstr(r->arena, name), value ? json_text(r->arena, value) : S(""));
    log_info("sandbox.fault_set", KV("name", name),
             KV("value", value ? json_text(r->arena, value) : S("off")));
    delivery_wake();
    sandbox_changed();
    *out = S("{\"ok\":true}");
    return true;
}

/* -- what people do -- */

static bool post_person(struct request *r, struct json_object *body, str *out)
{
    struct person p = {.first_name = json_str(body, "first_name"),
                       .last_name = json_str(body, "last_name"),
                       .username = json_str(body, "username"),
                       .language_code = json_str(body, "language_code")};
    json_boolean(body, "is_premium", &p.is_premium);
    if (!json_i64(body, "id", &p.id) || p.id <= 0)
        return false;
    if (str_empty(p.first_name))
        p.first_name = str_printf(r->arena, "User %" PRId64, p.id);
    telegram_person_put(&p);
    int64_t stars;
    if (json_i64(body, "stars", &stars))
        telegram_person_stars(p.id, stars);
    *out = S("{\"ok\":true}");
    return true;
}

static bool decode_base64(struct arena *a, str text, str *out)
{
    unsigned char *bytes = NEW_ARRAY(a, unsigned char, text.len + 4);
    int length = EVP_DecodeBlock(bytes, (const unsigned char *)text.ptr, (int)text.len);
    if (length < 0)
        return false;
    size_t padding = str_ends(text, S("==")) ? 2 : str_ends(text, S("=")) ? 1 : 0;
    *out = (str){(const char *)bytes, (size_t)length - padding};
    return true;
}

static void unmap(void *mapping)
{
    str *bytes = mapping;
    munmap((void *)(uintptr_t)bytes->ptr, bytes->len);
}

/* A file that is too large to be told lies on the disk already. */
static bool map_file(struct arena *a, str path, str *out)
{
    struct stat about;
    int fd = open(cstr(a, path), O_RDONLY | O_CLOEXEC);
    bool has_bytes = fd >= 0 && fstat(fd, &about) == 0 && about.st_size > 0;
    void *bytes = has_bytes ? mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
                            : MAP_FAILED;
    if (fd >= 0)
        close(fd);
    if (bytes == MAP_FAILED)
        return false;
    str *mapping = NEW(a, str);
    *mapping = *out = (str){bytes, (size_t)about.st_size};
    arena_defer(a, unmap, mapping);
    return true;
}

static bool read_file(struct arena *a, struct json_object *file, str kind, struct sent_file *out)
{
    *out = (struct sent_file){.kind = cstr(a, kind),
                              .file_name = json_str(file, "file_name"),
                              .mime_type = json_str(file, "mime_type")};
    json_i64(file, "duration", &out->duration_seconds);
    if (json_has(file, "path"))
        return map_file(a, json_str(file, "path"), &out->bytes);
    return decode_base64(a, json_str(file, "bytes"), &out->bytes);
}

static bool act_file(struct request *r, struct json_object *act, str kind, int64_t user_id,
                     int64_t *message_id)
{
    struct sent_file file;
    if (!read_file(r->arena, act, kind, &file))
        return false;
    *message_id = telegram_user_file(r->arena, user_id, &file, json_str(act, "caption"),
                                     json_str(act, "media_group_id"));
    return *message_id != 0;
}

static bool act_files(struct request *r, struct json_object *act, int64_t user_id, str *out)
{
    struct json_object *list = json_at(act, "files");
    size_t count = json_length(list);
    struct sent_file *files = NEW_ARRAY(r->arena, struct sent_file, count + 1);
    int64_t *ids = NEW_ARRAY(r->arena, int64_t, count + 1);
    struct buf b = buf_new(r->arena);
    *out = S("{\"ok\":false}");
    for (size_t i = 0; i < count; i++) {
        struct json_object *one = json_item(list, i);
        if (!read_file(r->arena, one, json_str(one, "kind"), &files[i]))
            return false;
    }
    if (!telegram_user_files(r->arena, user_id, files, count, json_str(act, "caption"), ids))
        return false;
    for (size_t i = 0; i < count; i++) {
        buf_add(&b, i ? S(",") : S(""));
        buf_add_i64(&b, ids[i]);
    }
    *out = str_printf(r->arena, "{\"ok\":true,\"message_ids\":[" STR_FMT "]}",
                      STR_ARG(buf_str(&b)));
    return true;
}

static bool act_pay(struct request *r, struct json_object *act, int64_t user_id, str *out)
{
    const char *why = "";
    int64_t message_id = 0;
    json_i64(act, "message_id", &message_id);
    str id = telegram_user_pay(r->arena, user_id, message_id, &why);
    bool has_begun = !str_empty(id);
    *out = json_make(r->arena, KV("ok", has_begun), KV("checkout_id", id), KV("why", why));
    return has_begun;
}

/* {"user":…,"kind":"text","text":…}, {"kind":"tap","message_id":…,"data":…,"forged":true},
 * {"kind":"pay","message_id":…},
 * {"kind":"photo","bytes":base64,…}, {"kind":"files","files":[{"kind":"photo","bytes":…}…]},
 * {"kind":"block"}, {"kind":"unblock"} */
static bool act(struct request *r, struct json_object *body, str *out)
{
    str kind = json_str(body, "kind"), callback_id = {0};
    int64_t user_id = 0, message_id = 0;
    bool is_done = false, is_forged = false;
    json_i64(body, "user", &user_id);
    json_boolean(body, "forged", &is_forged);
    if (str_eq(kind, S("files")))
        return act_files(r, body, user_id, out);
    if (str_eq(kind, S("pay")))
        return act_pay(r, body, user_id, out);
    if (str_eq(kind, S("text"))) {
        message_id = telegram_user_text(r->arena, user_id, json_str(body, "text"));
        is_done = message_id != 0;
    } else if (str_eq(kind, S("tap"))) {
        json_i64(body, "message_id", &message_id);
        callback_id = telegram_user_tap(r->arena, user_id, message_id, json_str(body, "data"),
                                        is_forged);
        is_done = !str_empty(callback_id);
    } else if (str_eq(kind, S("block")) || str_eq(kind, S("unblock"))) {
        is_done = telegram_user_block(r->arena, user_id, str_eq(kind, S("block")));
    } else {
        is_done = act_file(r, body, kind, user_id, &message_id);
    }
    *out = json_make(r->arena, KV("ok", is_done), KV("message_id", message_id),
                     KV("callback_id", callback_id));
    return is_done;
}

static bool post_update(struct request *r, struct json_object *body, str *out)
{
    if (!json_object_is_type(body, json_type_array))
        return act(r, body, out);
    struct buf b = buf_new(r->arena);
    bool is_done = true;
    sql_script("begin");
    for (size_t i = 0; i < json_length(body); i++) {
        str one;
        is_done = act(r, json_item(body, i), &one) && is_done;
        buf_add_char(&b, i ? ',' : '[');
        buf_add(&b, one);
    }
    sql_script("commit");
    buf_add(&b, json_length(body) ? S("]") : S("[]"));
    *out = buf_str(&b);
    return is_done;
}

/* -- the rest -- */

enum { MOST_TOKEN_BYTES = 80 };

static bool post_token(struct request *r, struct json_object *body, str *out)
{
    static char kept[MOST_TOKEN_BYTES];
    str token = json_str(body, "token");
    (void)r;
    if (str_empty(token) || token.len > sizeof kept)
        return false;
    memcpy(kept, token.ptr, token.len);
    sandbox.telegram_token = (str){kept, token.len};
    *out = S("{\"ok\":true}");
    return true;
}

static bool post_forget(struct request *r, struct json_object *body, str *out)
{
    (void)r;
    (void)body;
    sql_script("delete from calls; delete from call_counts;"
               "delete from settings where name in"
               " ('telegram.delivered', 'telegram.failed', 'telegram.expired')");
    sandbox_changed();
    *out = S("{\"ok\":true}");
    return true;
}

static bool post_forget_file(struct request *r, struct json_object *body, str *out)
{
    *out = S("{\"ok\":true}");
    if (fal_file_forget(r->arena, json_str(body, "url")))
        return true;
    *out = S("{\"error\":\"no file of that address\"}");
    return false;
}

static bool post_star_transaction(struct request *r, struct json_object *body, str *out)
{
    int64_t user_id = 0, stars = 0, date = 0;
    bool is_refund = false;
    (void)r;
    json_boolean(body, "is_refund", &is_refund);
    if (!json_i64(body, "user", &user_id) || !json_i64(body, "stars", &stars) ||
        !json_i64(body, "date", &date) || str_empty(json_str(body, "id")))
        return false;
    telegram_transaction_put(json_str(body, "id"), user_id, stars, is_refund, date);
    *out = S("{\"ok\":true}");
    return true;
}

static bool post_forget_star_transaction(struct request *r, struct json_object *body, str *out)
{
    (void)r;
    *out = S("{\"ok\":true}");
    return telegram_transaction_forget(json_str(body, "id"));
}

static const struct {
    const char *name;
    void (*answer)(struct request *r);
} questions[] = {
    {"calls",     get_calls    },
    {"counts",    get_counts   },
    {"pending",   get_pending  },
    {"messages",  get_messages },
    {"callbacks", get_callbacks},
    {"checkouts", get_checkouts},
    {"requests",  get_requests },
    {"openai",    get_openai   },
    {"heard",     get_heard    },
    {"files",     get_files    },
    {"objects",   get_objects  },
    {"faults",    get_faults   },
};

static const struct {
    const char *name;
    bool (*run)(struct request *r, struct json_object *body, str *out);
} orders[] = {
    {"fault",                   post_fault                  },
    {"person",                  post_person                 },
    {"update",                  post_update                 },
    {"token",                   post_token                  },
    {"forget",                  post_forget                 },
    {"forget_file",             post_forget_file            },
    {"star_transaction",        post_star_transaction       },
    {"forget_star_transaction", post_forget_star_transaction},
};

void control_handle(struct request *r, str path)
{
    str name = str_sub(path, 1, path.len), out = S("");
    struct json_object *body = NULL;
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        if (str_eq(r->method, S("GET")) && str_eq(name, str_from(questions[i].name))) {
            questions[i].answer(r);
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        if (!str_eq(r->method, S("POST")) || !str_eq(name, str_from(orders[i].name)))
            continue;
        str text = str_empty(r->body) ? S("{}") : r->body;
        bool is_done = !json_parse(r->arena, text, &body) && orders[i].run(r, body, &out);
        request_answer(r, &(struct answer){
                              .status = is_done ? 200 : 400,
                              .body = str_empty(out) ? S("{\"error\":\"cannot do that\"}") : out});
        return;
    }
    request_refuse(r, 404, "no such question or order");
}
