/*
 * ground.h - a database for a test of money: cloned from the template, with
 * people in it, and gone when the test is over.
 *
 *     base_make(40);
 *     PGconn *client = base_connect("aisha_bot");
 *     …
 *     PQfinish(client);
 *     base_drop();
 */
#pragma once
#include <libpq-fe.h>
#include <unistd.h>

#include "core/str.h"

static struct {
    struct arena *arena;
    PGconn *server;   /* another database of the server, as superuser */
    PGconn *database; /* this one, as superuser */
    char name[64];
    int64_t *people; /* ids, ascending */
    int people_count;
} base;

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

static PGresult *must(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        bail_out(sql, PQerrorMessage(connection));
    return result;
}

static void do_sql(PGconn *connection, const char *sql)
{
    PQclear(must(connection, sql));
}

static int64_t number_at(PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static inline int64_t number_of(PGconn *connection, const char *sql)
{
    PGresult *result = must(connection, sql);
    int64_t number = number_at(result, 0, 0);
    PQclear(result);
    return number;
}

static void quiet(void *owner, const char *message)
{
    (void)owner;
    (void)message;
}

/* Threads may call it. */
static PGconn *base_connect(const char *role)
{
    char url[512];
    snprintf(url, sizeof url, "host=%s user=%s dbname=%s", PQhost(base.server), role, base.name);
    PGconn *connection = PQconnectdb(url);
    if (PQstatus(connection) != CONNECTION_OK)
        bail_out("PostgreSQL", PQerrorMessage(connection));
    PQsetNoticeProcessor(connection, quiet, NULL);
    return connection;
}

static void make_people(int count)
{
    do_sql(base.database,
           cstr(base.arena,
                str_printf(base.arena,
                           "insert into users (telegram_id) select n from generate_series(1, %d) n",
                           count)));
    PGresult *ids = must(base.database, "select id from users order by id");
    base.people_count = PQntuples(ids);
    base.people = NEW_ARRAY(base.arena, int64_t, base.people_count);
    for (int i = 0; i < base.people_count; i++)
        base.people[i] = number_at(ids, i, 0);
    PQclear(ids);
}

/* Nobody asks whether it survives the machine, and a deadlock is looked for at once. */
static void base_make(int people)
{
    static int made;
    base.arena = arena_new(256 << 20);
    base.server = PQconnectdb(need_env("TEST_PG_ADMIN_URL"));
    if (PQstatus(base.server) != CONNECTION_OK)
        bail_out("PostgreSQL", PQerrorMessage(base.server));
    snprintf(base.name, sizeof base.name, "money_%d_%d", (int)getpid(), made++);
    struct arena *a = base.arena;
    const char *name = base.name;
    do_sql(base.server, cstr(a, str_printf(a, "create database %s template %s owner aisha_owner",
                                           name, need_env("TEMPLATE_DATABASE"))));
    do_sql(base.server,
           cstr(a, str_printf(a, "alter database %s set synchronous_commit = off", name)));
    do_sql(base.server,
           cstr(a, str_printf(a, "alter database %s set deadlock_timeout = '20ms'", name)));
    base.database = base_connect("postgres");
    make_people(people);
}

static void base_drop(void)
{
    PQfinish(base.database);
    do_sql(base.server,
           cstr(base.arena, str_printf(base.arena, "drop database %s with (force)", base.name)));
    PQfinish(base.server);
    arena_free(base.arena);
}

/* A file of statements, from the root of the tree. */
static inline void base_load(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        bail_out(path, strerror(errno));
    char text[64 * 1024];
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    do_sql(base.database, text);
}
