/*
 * ground.h - what a talk stands on: a database of its own, cloned from the
 * template, Redis emptied, settings that are the same everywhere, and a bot
 * made of them by the programs' own setup.
 */
#pragma once
#include <unistd.h>

#include "db/ledger.h"
#include "db/user.h"
#include "handlers/bot.h"
#include "setup.h"
#include "tests/talk/far.h"

enum { TURN_CONNECTIONS = 4 };

static struct {
    struct arena *arena;
    PGconn *admin;    /* the server, as superuser */
    PGconn *database; /* the talk's own, as superuser */
    const char *name;
    struct bot *work; /* as the worker has it */
    struct bot turn;  /* as the bot has it */
    struct db_pool *pool, *dead_pool;
    struct cache *cache, *dead_cache;
} ground;

static _Noreturn void bail_out(const char *why, const char *detail)
{
    printf("Bail out! %s: %s\n", why, detail);
    exit(EXIT_FAILURE);
}

static const char *need_env(const char *name)
{
    const char *value = getenv(name);
    if (!value || !*value)
        bail_out(name, "is not set; see tests/check");
    return value;
}

static PGresult *admin_do(PGconn *connection, str sql)
{
    PGresult *result = PQexec(connection, cstr(ground.arena, sql));
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        bail_out("PostgreSQL", PQerrorMessage(connection));
    return result;
}

static void quiet(void *owner, const char *message)
{
    (void)owner;
    (void)message;
}

/* Limits of the roles belong to a database and are not cloned with it. */
static void copy_limits(const char *template)
{
    PGresult *limits = admin_do(
        ground.admin,
        str_printf(
            ground.arena,
            "select format('alter role %%I in database %%I set %%I = %%L', r.rolname, '%s', "
            "split_part(c, '=', 1), split_part(c, '=', 2)) from pg_db_role_setting s "
            "join pg_roles r on r.oid = s.setrole join pg_database d on d.oid = s.setdatabase, "
            "unnest(s.setconfig) c where d.datname = '%s'",
            ground.name, template));
    for (int i = 0; i < PQntuples(limits); i++)
        PQclear(admin_do(ground.admin, str_from(PQgetvalue(limits, i, 0))));
    PQclear(limits);
}

static void make_database(void)
{
    const char *template = need_env("TEMPLATE_DATABASE");
    ground.admin = PQconnectdb(need_env("TEST_PG_ADMIN_URL"));
    if (PQstatus(ground.admin) != CONNECTION_OK)
        bail_out("PostgreSQL", PQerrorMessage(ground.admin));
    PQsetNoticeProcessor(ground.admin, quiet, NULL);
    ground.name = cstr(ground.arena, str_printf(ground.arena, "talk_%d", (int)getpid()));
    PQclear(admin_do(ground.admin,
                     str_printf(ground.arena, "create database %s template %s owner aisha_owner",
                                ground.name, template)));
    copy_limits(template);
    str url = str_printf(ground.arena, "host=%s user=postgres dbname=%s", PQhost(ground.admin),
                         ground.name);
    ground.database = PQconnectdb(cstr(ground.arena, url));
    PQsetNoticeProcessor(ground.database, quiet, NULL);
    /* Talks load the styles that they are about; the shipped ones are the operator's to change. */
    PQclear(admin_do(ground.database, S("truncate style_categories cascade")));
}

static void drop_database(void)
{
    PQfinish(ground.database);
    PQclear(admin_do(ground.admin,
                     str_printf(ground.arena, "drop database %s with (force)", ground.name)));
    PQfinish(ground.admin);
}

static const char *database_url(const char *role)
{
    return cstr(ground.arena, str_printf(ground.arena, "postgresql://%s@/%s?host=%s", role,
                                         ground.name, PQhost(ground.admin)));
}

/* The same for everybody who runs the tests, whatever their shell has set. */
static void put_settings(void)
{
    static const char *const settings[][2] = {
        {"TELEGRAM_TOKEN",          "1000001:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"},
        {"TELEGRAM_WEBHOOK_SECRET", "talk-secret"                               },
        {"TELEGRAM_ADMIN_IDS",      "7"                                         },
        {"PUBLIC_URL",              "https://aisha.example"                     },
        {"FAL_KEY",                 "talk:key"                                  },
        {"CALLBACK_SECRET",         "0123456789abcdef0123456789abcdef"          },
        {"JWT_SECRET",              "0123456789abcdef0123456789abcdef"          },
        {"MINIO_ACCESS_KEY",        "talk"                                      },
        {"MINIO_SECRET_KEY",        "talk-secret"                               },
        {"LOG_LEVEL",               "error"                                     },
    };
    const char *redis = need_env("TEST_REDIS_URL");
    const char *address = cstr(ground.arena, far.address);
    const char *fal = cstr(ground.arena, str_printf(ground.arena, "http://%s/fal", address));
    const char *telegram = cstr(ground.arena,
                                str_printf(ground.arena, "http://%s/telegram", address));
    clearenv();
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        setenv(settings[i][0], settings[i][1], 1);
    setenv("DATABASE_URL", database_url("aisha_worker"), 1);
    setenv("REDIS_URL", redis, 1);
    setenv("TELEGRAM_API_URL", telegram, 1);
    setenv("FAL_QUEUE_URL", fal, 1);
    setenv("FAL_REST_URL", fal, 1);
    setenv("FAL_JWKS_URL", fal, 1);
    setenv("FAL_API_URL", fal, 1);
    setenv("OPENAI_BASE_URL",
           cstr(ground.arena, str_printf(ground.arena, "http://%s/openai", address)), 1);
    setenv("MINIO_ENDPOINT", address, 1);
    setenv("PHOTO_SOCKET", far.media_socket, 1);
    setenv("SOUND_SOCKET", far.media_socket, 1);
}

static void close_ground(void)
{
    db_pool_close(ground.pool);
    db_pool_close(ground.dead_pool);
    db_pool_close(ground.work->pool);
    drop_database();
}

/* The far side has to be listening, and the talk's own settings be put, before this. */
static void make_bots(void)
{
    ground.work = setup_worker(ground.arena, TURN_CONNECTIONS);
    ground.pool = db_pool_new(str_from(database_url("aisha_bot")), TURN_CONNECTIONS);
    ground.dead_pool = db_pool_new(S("postgresql://aisha_bot@/aisha?host=/nowhere"), 1);
    ground.cache = ground.work->cache;
    ground.dead_cache = cache_new(S("unix:///nowhere/redis.sock"), CACHE_TIMEOUT_MS);
    ground.turn = *ground.work;
    ground.turn.pool = ground.pool;
}

/* ---------------------------------------------------------------- Redis as a whole */

struct kept_key {
    str name, dump;
    str ttl_ms;
};

struct snapshot {
    struct kept_key *keys;
    size_t count;
};

static err *take_snapshot(struct arena *a, struct snapshot *out)
{
    redisReply *names, *reply;
    TRY(cache_call(ground.cache, a, &names, S("KEYS"), S("*")));
    out->count = reply_count(names);
    out->keys = NEW_ARRAY(a, struct kept_key, out->count + 1);
    for (size_t i = 0; i < out->count; i++) {
        struct kept_key *key = &out->keys[i];
        key->name = reply_str(reply_item(names, i));
        TRY(cache_call(ground.cache, a, &reply, S("DUMP"), key->name));
        key->dump = reply_str(reply);
        TRY(cache_call(ground.cache, a, &reply, S("PTTL"), key->name));
        key->ttl_ms = str_printf(a, "%" PRId64, reply_i64(reply) > 0 ? reply_i64(reply) : 0);
    }
    return NULL;
}

static err *go_back_to(struct arena *a, const struct snapshot *snapshot)
{
    TRY(cache_call(ground.cache, a, NULL, S("FLUSHDB")));
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct kept_key *key = &snapshot->keys[i];
        TRY(cache_call(ground.cache, a, NULL, S("RESTORE"), key->name, key->ttl_ms, key->dump));
    }
    return NULL;
}
