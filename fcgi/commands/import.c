/*
 * aisha import: what a database of the predecessor holds, brought over.
 *
 * Its rows are read as JSON, person by person; the statements in db/sql/import.sql
 * know which of its columns become which of ours. Objects are copied from its
 * store into ours under keys of our own before the row that names them is
 * written. Each thing is a transaction and is brought once, so the command can be
 * run again whatever ended it.
 */
#include "commands/commands.h"

#include <libpq-fe.h>

#include "api/s3.h"
#include "core/clock.h"
#include "core/http.h"
#include "core/json.h"
#include "db/queries.h"

enum {
    OBJECT_MOST_BYTES = 1 << 30,
    FETCH_TIMEOUT_MS = 10 * 60 * 1000,
    MOST_IMAGES = 4,
};

static const size_t MEMORY_BYTES = (size_t)4 << 30;

/* What was brought, what had been brought before, and what could not be. */
struct tally {
    int64_t brought, known, lost;
};

struct import {
    struct cli *cli;
    struct arena *arena;   /* as long as the command */
    struct arena *passing; /* emptied after each thing */
    PGconn *source;
    struct db_pool *pool;
    struct s3 there, here;
    struct tally people, balances, avatars, photos, images, transcripts;
    int64_t coins;
    bool is_dry;
};

/* A thing of the predecessor: whose it is, and its row. */
struct thing {
    int64_t telegram_id;
    str json, more;
    struct json_object *row;
};

/* ---------------------------------------------------------------- the predecessor's side */

static err *refused(struct import *i, const char *what)
{
    str words = str_trim(str_from(PQerrorMessage(i->source)));
    i->cli->advice = S(
        "Is that the address of a database of the predecessor, and may its role read it?");
    return fail_with(i->arena, ERR_UPSTREAM, 0, str_dup(i->arena, words), "the predecessor: %s",
                     what);
}

static err *open_source(struct import *i)
{
    i->source = PQconnectdb(cstr(i->arena, i->cli->arguments[0]));
    if (PQstatus(i->source) != CONNECTION_OK)
        return refused(i, "no connection");
    PGresult *result = PQexec(i->source,
                              "set timezone = 'UTC'; set default_transaction_read_only = on");
    bool is_well = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return is_well ? NULL : refused(i, "it does not do as it is told");
}

typedef err *bringer(struct import *i, const struct thing *thing);

/* telegram_id, the row as JSON, and whatever a third column adds. */
static err *bring_each(struct import *i, const char *sql, bringer *bring)
{
    PGresult *rows = PQexec(i->source, sql);
    err *e = PQresultStatus(rows) == PGRES_TUPLES_OK ? NULL : refused(i, "a table cannot be read");
    for (int row = 0; !e && row < PQntuples(rows); row++) {
        struct thing thing = {
            .json = str_from(PQgetvalue(rows, row, 1)),
            .more = PQnfields(rows) > 2 && !PQgetisnull(rows, row, 2)
                        ? str_from(PQgetvalue(rows, row, 2))
                        : S(""),
        };
        bool is_person = str_to_i64(str_from(PQgetvalue(rows, row, 0)), &thing.telegram_id) &&
                         thing.telegram_id > 0;
        if (!is_person)
            continue; /* a row of a test, or of a group */
        e = json_parse(i->passing, thing.json, &thing.row);
        if (!e)
            e = bring(i, &thing);
        if (e)
            e = fail_with(i->arena, e->kind, e->code, str_dup(i->arena, e->detail), STR_FMT,
                          STR_ARG(e->message));
        arena_reset(i->passing);
    }
    PQclear(rows);
    return e;
}

/* ---------------------------------------------------------------- objects */

/* Where an address of its store leads: "http://minio:9000/imagen4/2025/06/x.jpg?X-Amz-…". */
static bool is_of_store(const struct import *i, str url, str *bucket, str *key)
{
    str scheme, host, path, query;
    size_t position;
    int port;
    if (!http_url_split(url, &scheme, &host, &port, &path) || !str_starts(path, S("/")))
        return false;
    str_cut(path, '?', &path, &query);
    return str_find(query, S("X-Amz-"), &position) &&
           str_cut(str_sub(path, 1, path.len), '/', bucket, key) && !str_empty(*key) &&
           str_unpercent(i->passing, *key, false, key);
}

/* What FAL made lies at FAL for a while. */
static err *fetch(struct import *i, str url, struct s3_object *out)
{
    struct http_response response;
    TRY(http_fetch(i->passing,
                   &(struct http_request){.url = url,
                                          .timeout_ms = FETCH_TIMEOUT_MS,
                                          .max_bytes = OBJECT_MOST_BYTES,
                                          .foreign = true},
                   &response));
    if (response.status != 200)
        return fail(i->passing, ERR_NOT_FOUND, "it is gone: http %d", response.status);
    *out = (struct s3_object){
        .bytes = response.body,
        .content_type = http_header(&response, S("Content-Type")),
    };
    return NULL;
}

static err *get_object(struct import *i, str url, struct s3_object *out)
{
    str bucket, key;
    err *e = is_of_store(i, url, &bucket, &key)
                 ? s3_get(i->passing, &i->there, bucket, key, OBJECT_MOST_BYTES, out)
                 : fetch(i, url, out);
    return !e && str_empty(out->bytes) ? fail(i->passing, ERR_NOT_FOUND, "it is empty") : e;
}

/* An object that is not there is not brought; a store that is away ends the command. */
static bool is_lost(const err *e)
{
    return e && !err_is_waiting(e);
}

static err *put_object(struct import *i, str bucket, str key, const struct s3_object *object)
{
    TRY(s3_ensure_bucket(i->passing, &i->here, bucket));
    return s3_put(i->passing, &i->here, bucket, key, object->content_type, object->bytes);
}

/* ---------------------------------------------------------------- people and coins */

static struct db *new_transaction(struct import *i)
{
    return db_new(i->pool, i->passing);
}

/* Coins there have decimals; here they are whole, rounded to the nearest. */
static int64_t coins_of(const struct thing *thing)
{
    double coins = 0;
    json_double(thing->row, "coins", &coins);
    return coins > 0 ? (int64_t)(coins + 0.5) : 0;
}

static err *bring_balance(struct import *i, const struct thing *thing, int64_t user_id)
{
    struct db *db = new_transaction(i);
    int64_t coins = coins_of(thing);
    bool is_new = false;
    if (!coins)
        return NULL;
    str key = str_printf(i->passing, "import:" STR_FMT, STR_ARG(json_str(thing->row, "id")));
    TRY(ledger_credit(db, user_id, key, coins, LEDGER_ADJUSTMENT, S("import"), S(""), &is_new));
    TRY(db_commit(db));
    i->balances.brought += is_new;
    i->balances.known += !is_new;
    i->coins += is_new ? coins : 0;
    return NULL;
}

static err *bring_person(struct import *i, const struct thing *thing)
{
    struct rows rows;
    if (i->is_dry) {
        i->people.brought++;
        i->balances.brought += coins_of(thing) > 0;
        i->coins += coins_of(thing);
        return NULL;
    }
    struct db *db = new_transaction(i);
    str settings = str_empty(thing->more) ? S("{}") : thing->more;
    TRY(db_query(db, &Q_import_user, &rows, V(thing->telegram_id), V(thing->json), V(settings)));
    TRY(db_commit(db));
    i->people.brought += rows.count == 1;
    i->people.known += rows.count == 0;
    struct rows person;
    TRY(db_query(db, &Q_user_by_telegram, &person, V(thing->telegram_id)));
    return bring_balance(i, thing, rows_i64(&person, 0, "id"));
}

/* ---------------------------------------------------------------- things */

static err *is_known(struct import *i, const struct thing *thing, struct tally *tally, bool *known)
{
    struct rows rows;
    *known = true;
    if (i->is_dry) {
        tally->brought++;
        return NULL;
    }
    TRY(db_query(new_transaction(i), &Q_import_known, &rows, V(json_str(thing->row, "id"))));
    *known = rows_bool(&rows, 0, "is_known");
    tally->known += *known;
    return NULL;
}

static const char *ending_of(str content_type)
{
    return str_eq(content_type, S("image/png"))    ? "png"
           : str_eq(content_type, S("image/webp")) ? "webp"
                                                   : "jpg";
}

/* A copy of the LoRA, for FAL keeps it for some time only. Without one the avatar works as long. */
static err *bring_lora(struct import *i, const struct thing *thing)
{
    struct s3_object object = {0};
    str url = json_str(thing->row, "diffusers_lora_file_url"), id = json_str(thing->row, "id");
    str bucket = i->cli->conf.minio_bucket_avatars;
    err *e = get_object(i, url, &object);
    if (is_lost(e))
        return NULL;
    TRY(e);
    str key = str_printf(i->passing, "imported/" STR_FMT "/lora.safetensors", STR_ARG(id));
    object.content_type = S("application/octet-stream");
    TRY(put_object(i, bucket, key, &object));
    struct db *db = new_transaction(i);
    TRY(db_query(db, &Q_import_avatar_file, NULL, V(thing->telegram_id), V(id), V(bucket), V(key),
                 V(object.content_type), V(object.bytes.len), V(url)));
    return db_commit(db);
}

static err *bring_avatar(struct import *i, const struct thing *thing)
{
    bool known;
    struct rows rows;
    TRY(is_known(i, thing, &i->avatars, &known));
    if (known)
        return NULL;
    struct db *db = new_transaction(i);
    TRY(db_query(db, &Q_import_avatar, &rows, V(thing->telegram_id), V(thing->json)));
    TRY(db_commit(db));
    i->avatars.brought += rows.count;
    return bring_lora(i, thing);
}

static err *bring_photo(struct import *i, const struct thing *thing)
{
    struct s3_object object = {0};
    struct rows rows;
    str bucket = i->cli->conf.minio_bucket_avatars;
    if (i->is_dry) {
        i->photos.brought++;
        return NULL;
    }
    str key = str_printf(i->passing, "imported/" STR_FMT "/" STR_FMT ".jpg",
                         STR_ARG(json_str(thing->row, "avatar_id")),
                         STR_ARG(json_str(thing->row, "id")));
    TRY(db_query(new_transaction(i), &Q_import_photo_known, &rows, V(json_str(thing->row, "id"))));
    if (rows_bool(&rows, 0, "is_known")) {
        i->photos.known++;
        return NULL;
    }
    err *e = s3_get(i->passing, &i->there, S("avatars"), json_str(thing->row, "minio_key"),
                    OBJECT_MOST_BYTES, &object);
    if (is_lost(e)) {
        i->photos.lost++;
        return NULL;
    }
    TRY(e);
    TRY(put_object(i, bucket, key, &object));
    struct db *db = new_transaction(i);
    TRY(db_query(db, &Q_import_photo, &rows, V(thing->telegram_id), V(thing->json), V(bucket),
                 V(key), V(s3_sha256(i->passing, object.bytes)), V(object.bytes.len)));
    TRY(db_query(db, &Q_import_first_photo, NULL, V(json_str(thing->row, "avatar_id")), V(key)));
    TRY(db_commit(db));
    i->photos.brought += rows.count;
    return NULL;
}

struct copied {
    struct s3_object object;
    str key;
};

/* All that can still be had of an order's images; written together with their order. */
static err *write_images(struct import *i, const struct thing *thing, const struct copied *copies,
                         int count)
{
    struct rows rows;
    str bucket = i->cli->conf.minio_bucket_images;
    struct db *db = new_transaction(i);
    TRY(db_query(db, &Q_import_generation, &rows, V(thing->telegram_id), V(thing->json), V(count)));
    for (int n = 0; n < count; n++)
        TRY(db_query(db, &Q_import_image, NULL, V(thing->telegram_id), V(thing->json),
                     V(random_uuid(i->passing)), V(n), V(bucket), V(copies[n].key),
                     V(copies[n].object.content_type), V(copies[n].object.bytes.len)));
    TRY(db_commit(db));
    i->images.brought += count;
    return NULL;
}

static err *bring_images(struct import *i, const struct thing *thing)
{
    bool known;
    struct copied copies[MOST_IMAGES] = {0};
    int count = 0;
    TRY(is_known(i, thing, &i->images, &known));
    if (known)
        return NULL;
    struct json_object *urls = json_at(thing->row, "result_urls");
    for (size_t n = 0; n < json_length(urls) && n < MOST_IMAGES; n++) {
        struct copied *copy = &copies[count];
        err *e = get_object(i, json_value_str(json_item(urls, n)), &copy->object);
        i->images.lost += is_lost(e);
        if (is_lost(e))
            continue;
        TRY(e);
        if (!str_starts(copy->object.content_type, S("image/")))
            copy->object.content_type = S("image/jpeg");
        copy->key = str_printf(i->passing, "imported/" STR_FMT "/%d.%s",
                               STR_ARG(json_str(thing->row, "id")), count,
                               ending_of(copy->object.content_type));
        TRY(put_object(i, i->cli->conf.minio_bucket_images, copy->key, &copy->object));
        count++;
    }
    return count ? write_images(i, thing, copies, count) : NULL;
}

static err *bring_transcript(struct import *i, const struct thing *thing)
{
    bool known;
    struct s3_object object = {0};
    struct rows rows;
    TRY(is_known(i, thing, &i->transcripts, &known));
    if (known)
        return NULL;
    err *e = s3_get(i->passing, &i->there, S("aisha"), json_str(thing->row, "transcript_key"),
                    OBJECT_MOST_BYTES, &object);
    if (is_lost(e) || (!e && (!str_is_utf8(object.bytes) || str_empty(str_trim(object.bytes))))) {
        i->transcripts.lost++;
        return NULL;
    }
    TRY(e);
    struct db *db = new_transaction(i);
    TRY(db_query(db, &Q_import_transcript, &rows, V(thing->telegram_id), V(thing->json),
                 V(object.bytes)));
    TRY(db_commit(db));
    i->transcripts.brought += rows.count;
    return NULL;
}

/* ---------------------------------------------------------------- the whole */

/* Names of enums stand there in either case, and in columns of either type. */
static const struct {
    const char *sql;
    bringer *bring;
} steps[] = {
    {"select u.telegram_id, (to_jsonb(u) || jsonb_build_object('coins', b.coins))::text,"
     " to_jsonb(s)::text from users u left join user_balances b on b.user_id = u.id"
     " left join user_settings s on s.user_id = u.id order by u.created_at, u.id", bring_person    },
    {"select u.telegram_id, to_jsonb(a)::text from avatars a join users u on u.id = a.user_id"
     " where lower(a.status::text) = 'completed' and a.diffusers_lora_file_url is not null"
     " order by a.created_at, a.id",                                               bring_avatar    },
    {"select u.telegram_id, to_jsonb(p)::text from avatar_photos p join avatars a on a.id = p.avatar_id"
     " join users u on u.id = a.user_id where lower(a.status::text) = 'completed'"
     " and a.diffusers_lora_file_url is not null and lower(p.validation_status::text) = 'valid'"
     " order by p.avatar_id, p.upload_order",                                      bring_photo     },
    {"select u.telegram_id, to_jsonb(g)::text from image_generations g join users u on u.id = g.user_id"
     " where lower(g.status::text) = 'completed' and g.generation_type in ('avatar', 'imagen4')"
     " order by g.created_at, g.id",                                               bring_images    },
    {"select u.telegram_id, to_jsonb(t)::text from user_transcripts t join users u on u.id = t.user_id"
     " where t.transcript_key is not null order by t.created_at, t.id",            bring_transcript},
};

static void open_stores(struct import *i)
{
    const struct conf *conf = &i->cli->conf;
    i->here = (struct s3){
        .endpoint = conf->minio_endpoint,
        .secure = conf->minio_secure,
        .region = conf->minio_region,
        .access_key = conf->minio_access_key,
        .secret_key = conf->minio_secret_key,
    };
    i->there = i->here;
    if (!str_empty(conf->import_endpoint))
        i->there = (struct s3){
            .endpoint = conf->import_endpoint,
            .secure = conf->import_secure,
            .region = conf->minio_region,
            .access_key = conf->import_access_key,
            .secret_key = conf->import_secret_key,
        };
    http_init(conf->ca_file, 0);
    const struct s3 *both[] = {&i->here, &i->there};
    for (size_t n = 0; n < ARRAY_LEN(both); n++)
        http_allow(str_printf(i->arena, "%s://" STR_FMT, both[n]->secure ? "https" : "http",
                              STR_ARG(both[n]->endpoint)));
}

static void put_tally(struct buf *b, const struct tally *t)
{
    json_put_object(b, KVS(KV("brought", t->brought), KV("known", t->known), KV("lost", t->lost)));
}

static void print_tallies(const struct import *i)
{
    const struct {
        const char *name;
        const struct tally *tally;
    } rows[] = {
        {"people",      &i->people     },
        {"balances",    &i->balances   },
        {"avatars",     &i->avatars    },
        {"photos",      &i->photos     },
        {"images",      &i->images     },
        {"transcripts", &i->transcripts},
    };
    struct buf b = buf_new(i->cli->arena);
    buf_addf(&b, "{\"dry_run\":%s,\"coins\":%" PRId64, i->is_dry ? "true" : "false", i->coins);
    if (!i->cli->wants_json)
        printf("%-12s %9s %9s %9s\n", i->is_dry ? "would bring" : "", "brought", "before", "lost");
    for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
        const struct tally *t = rows[n].tally;
        buf_addf(&b, ",\"%s\":", rows[n].name);
        put_tally(&b, t);
        if (!i->cli->wants_json)
            printf("%-12s %9" PRId64 " %9" PRId64 " %9" PRId64 "\n", rows[n].name, t->brought,
                   t->known, t->lost);
    }
    buf_add_char(&b, '}');
    if (i->cli->wants_json)
        print_json_line(buf_str(&b));
    else
        printf("coins        %9" PRId64 "\n", i->coins);
}

err *cli_import(struct cli *cli)
{
    struct import *i = NEW(cli->arena, struct import);
    *i = (struct import){
        .cli = cli,
        .arena = arena_new(MEMORY_BYTES),
        .passing = arena_new(MEMORY_BYTES),
        .is_dry = cli_has(cli, "--dry-run"),
    };
    i->pool = db_pool_new(cli->conf.database_url, 1);
    open_stores(i);
    const err *e = open_source(i);
    for (size_t n = 0; !e && n < ARRAY_LEN(steps); n++)
        e = bring_each(i, steps[n].sql, steps[n].bring);
    err *kept = e ? fail_with(cli->arena, e->kind, e->code, str_dup(cli->arena, e->detail), STR_FMT,
                              STR_ARG(e->message))
                  : NULL;
    if (!kept)
        print_tallies(i);
    PQfinish(i->source);
    arena_free(i->passing);
    arena_free(i->arena);
    db_pool_free(i->pool);
    return kept;
}
