#include "backup/database.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/s3.h"
#include "core/clock.h"

enum {
    PART_BYTES = 32 << 20,
    PART_ARENA_BYTES = 256 << 20,
    MOST_WORDS = 8,
    /* Of pg_advisory_lock(): any number that nobody else takes. */
    LOCK_OF_BACKUPS = 20261121,
};

struct database {
    PGconn *connection;
};

/* ---------------------------------------------------------------- asking */

static err *refused(struct arena *a, PGconn *connection, const char *what)
{
    str words = str_trim(str_from(PQerrorMessage(connection)));
    return fail_with(a, ERR_UPSTREAM, 0, str_dup(a, words), "postgresql: %s", what);
}

static void clear_result(void *result)
{
    PQclear(result);
}

static err *ask(PGconn *connection, struct arena *a, const char *sql, PGresult **out)
{
    PGresult *result = PQexec(connection, sql);
    arena_defer(a, clear_result, result);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        return refused(a, connection, "a statement did not succeed");
    if (out)
        *out = result;
    return NULL;
}

static err *connect_to(struct arena *a, const char *words, PGconn **out)
{
    *out = PQconnectdb(words);
    if (PQstatus(*out) == CONNECTION_OK)
        return NULL;
    err *e = refused(a, *out, "no connection");
    PQfinish(*out);
    *out = NULL;
    return e;
}

static const char *words_for(struct arena *a, str name)
{
    return str_empty(name) ? "" : cstr(a, str_printf(a, "dbname='" STR_FMT "'", STR_ARG(name)));
}

/* Whoever is started from here finds the database as we do. */
static err *say_where(struct arena *a, str url)
{
    PQconninfoOption *options = PQconninfoParse(cstr(a, url), NULL);
    if (!options)
        return fail(a, ERR_INPUT, "DATABASE_URL is no address of a PostgreSQL database");
    for (const PQconninfoOption *option = options; option->keyword; option++)
        if (option->envvar && option->val && *option->val)
            setenv(option->envvar, option->val, 1);
    PQconninfoFree(options);
    return NULL;
}

err *database_open(struct arena *a, str url, struct database **out)
{
    PGresult *locked = NULL;
    TRY(say_where(a, url));
    struct database *database = NEW(a, struct database);
    TRY(connect_to(a, "", &database->connection));
    const char *lock = cstr(a, str_printf(a, "select pg_try_advisory_lock(%d)", LOCK_OF_BACKUPS));
    err *e = ask(database->connection, a, lock, &locked);
    if (!e && strcmp(PQgetvalue(locked, 0, 0), "t") != 0)
        e = fail(a, ERR_BUSY, "another backup or restore of this database is under way");
    if (e)
        database_close(database);
    else
        *out = database;
    return e;
}

void database_close(struct database *database)
{
    PQfinish(database->connection);
    database->connection = NULL;
}

/* ---------------------------------------------------------------- programs */

struct program {
    pid_t pid;
    int pipe; /* to its stdin, or from its stdout */
};

static err *start(struct arena *a, const char *const *words, bool is_fed, struct program *out)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(a, ERR_INTERNAL, "pipe: %s", strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[is_fed ? 0 : 1],
                                     is_fed ? STDIN_FILENO : STDOUT_FILENO);
    char *copies[MOST_WORDS + 1] = {NULL}; /* posix_spawnp() wants words that it could change */
    for (size_t i = 0; words[i]; i++) {
        assert(i < MOST_WORDS);
        copies[i] = NEW_ARRAY(a, char, strlen(words[i]) + 1);
        memcpy(copies[i], words[i], strlen(words[i]));
    }
    int failure = posix_spawnp(&out->pid, copies[0], &actions, NULL, copies, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[is_fed ? 0 : 1]);
    out->pipe = ends[is_fed ? 1 : 0];
    if (!failure)
        return NULL;
    close(out->pipe);
    return fail(a, ERR_INTERNAL, "%s could not be started: %s", words[0], strerror(failure));
}

static err *finish(struct arena *a, const struct program *program, const char *name)
{
    int status = 0;
    close(program->pipe);
    while (waitpid(program->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? NULL
               : fail(a, ERR_UPSTREAM, "%s did not succeed; what it said stands above", name);
}

/* ---------------------------------------------------------------- digests */

/* A row as text depends on these. */
static const char plain_text[] =
    "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres';"
    "set extra_float_digits = 1; set bytea_output = 'hex'; set search_path = public, pg_temp";

static const char list_tables[] =
    "select relname, format('select count(*), coalesce(sum((''x'' || left(md5(t::text), 15))"
    "::bit(60)::bigint::numeric), 0) from only public.%I t', relname) "
    "from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by relname";

static err *read_digests(PGconn *connection, struct arena *a, struct saved_table **tables,
                         size_t *count)
{
    PGresult *list = NULL, *digest = NULL;
    TRY(ask(connection, a, plain_text, NULL));
    TRY(ask(connection, a, list_tables, &list));
    *count = (size_t)PQntuples(list);
    *tables = NEW_ARRAY(a, struct saved_table, *count + 1);
    for (int i = 0; i < PQntuples(list); i++) {
        struct saved_table *table = &(*tables)[i];
        TRY(ask(connection, a, PQgetvalue(list, i, 1), &digest));
        table->name = str_from(PQgetvalue(list, i, 0));
        table->digest = str_from(PQgetvalue(digest, 0, 1));
        if (!str_to_i64(str_from(PQgetvalue(digest, 0, 0)), &table->rows))
            return fail(a, ERR_INTERNAL, "a table could not be counted");
    }
    return NULL;
}

/* ---------------------------------------------------------------- saving */

static size_t read_part(int fd, char *into)
{
    size_t len = 0;
    while (len < PART_BYTES) {
        ssize_t n = read(fd, into + len, PART_BYTES - len);
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    return len;
}

static err *put_part(struct arena *a, const struct vault *vault, struct manifest *m, str bytes)
{
    struct saved_part *parts = NEW_ARRAY(a, struct saved_part, m->part_count + 1);
    if (m->part_count)
        memcpy(parts, m->parts, m->part_count * sizeof *parts);
    m->parts = parts;
    struct saved_part *part = &parts[m->part_count++];
    part->name = str_printf(a, "database/" STR_FMT "/%05zu", STR_ARG(m->stamp), m->part_count);
    part->sha256 = s3_sha256(a, bytes);
    struct arena *sending = arena_new(PART_ARENA_BYTES);
    err *e = vault_put(sending, vault, part->name, bytes);
    if (e)
        e = fail_with(a, e->kind, e->code, str_dup(a, e->detail), STR_FMT, STR_ARG(e->message));
    arena_free(sending);
    return e;
}

static err *put_parts(struct arena *a, const struct vault *vault, struct manifest *m, int fd)
{
    char *piece = NEW_ARRAY(a, char, PART_BYTES);
    for (size_t len; (len = read_part(fd, piece)) > 0;)
        TRY(put_part(a, vault, m, (str){piece, len}));
    return NULL;
}

err *database_save(struct database *database, struct arena *a, const struct vault *vault,
                   struct manifest *manifest)
{
    PGconn *connection = database->connection;
    PGresult *snapshot = NULL;
    TRY(ask(connection, a, "begin isolation level repeatable read read only", NULL));
    TRY(ask(connection, a, "select pg_export_snapshot()", &snapshot));
    TRY(read_digests(connection, a, &manifest->tables, &manifest->table_count));

    const char *option = cstr(a, str_printf(a, "--snapshot=%s", PQgetvalue(snapshot, 0, 0)));
    const char *const words[] = {"pg_dump", "--format=custom", option, NULL};
    struct program dump;
    TRY(start(a, words, false, &dump));
    err *e = put_parts(a, vault, manifest, dump.pipe);
    err *end = finish(a, &dump, "pg_dump");
    TRY(e);
    TRY(end);
    return ask(connection, a, "commit", NULL);
}

/* ---------------------------------------------------------------- loading */

err *database_make_scratch(struct database *database, struct arena *a, str *name)
{
    *name = str_printf(a, "aisha_restore_" STR_FMT, STR_ARG(random_hex(a, 4)));
    str sql = str_printf(a, "create database " STR_FMT " template template0", STR_ARG(*name));
    return ask(database->connection, a, cstr(a, sql), NULL);
}

err *database_drop(struct database *database, struct arena *a, str name)
{
    str sql = str_printf(a, "drop database if exists " STR_FMT " with (force)", STR_ARG(name));
    return ask(database->connection, a, cstr(a, sql), NULL);
}

err *database_is_free(struct database *database, struct arena *a, bool *is_free)
{
    PGresult *there = NULL, *anybody = NULL;
    *is_free = true;
    TRY(ask(database->connection, a, "select to_regclass('public.users') is not null", &there));
    if (strcmp(PQgetvalue(there, 0, 0), "t") != 0)
        return NULL;
    TRY(ask(database->connection, a, "select exists (select from public.users)", &anybody));
    *is_free = strcmp(PQgetvalue(anybody, 0, 0), "t") != 0;
    return NULL;
}

/*
 * Thing by thing: `drop owned` would take the role's right to connect to other databases away, too,
 * and a schema that is made anew lacks what Debian's comes with. Written down before the first is
 * dropped, for others go with it.
 */
static const char clear_public[] =
    "begin; drop schema if exists sqitch cascade;"
    "do $$ declare command text; commands text[] := array("
    "  (select format('drop %s if exists public.%I cascade',"
    "      case relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end, relname)"
    "  from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'S')"
    "  order by relkind = 'S')" /* most of them belong to a table, and go with it */
    "  union all"
    "  select format('drop routine if exists public.%I(%s) cascade', proname,"
    "      pg_get_function_identity_arguments(oid))"
    "  from pg_proc where pronamespace = 'public'::regnamespace"
    "  union all"
    "  select format('drop type if exists public.%I cascade', typname)"
    "  from pg_type where typnamespace = 'public'::regnamespace and typtype in ('e', 'd'));"
    "begin foreach command in array commands loop execute command; end loop; end $$; commit";

err *database_clear(struct database *database, struct arena *a)
{
    TRY(ask(database->connection, a, "set client_min_messages = 'warning'", NULL));
    return ask(database->connection, a, clear_public, NULL);
}

static bool feed(int fd, str bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno != EINTR)
            return false; /* it has ended, and says why by its status */
        bytes = str_sub(bytes, n > 0 ? (size_t)n : 0, bytes.len);
    }
    return true;
}

static err *feed_parts(struct arena *a, const struct vault *vault, const struct manifest *m, int fd)
{
    struct arena *part = arena_new(PART_ARENA_BYTES);
    err *e = NULL;
    bool is_eating = true;
    for (size_t i = 0; !e && is_eating && i < m->part_count; i++) {
        str bytes = S("");
        const err *got = vault_get(part, vault, m->parts[i].name, &bytes);
        if (got)
            e = fail_with(a, got->kind, got->code, str_dup(a, got->detail), STR_FMT,
                          STR_ARG(got->message));
        else if (!str_eq(s3_sha256(part, bytes), m->parts[i].sha256))
            e = fail(a, ERR_CONFLICT, STR_FMT " is not what was saved", STR_ARG(m->parts[i].name));
        else
            is_eating = feed(fd, bytes);
        arena_reset(part);
    }
    arena_free(part);
    return e;
}

err *database_load(struct database *database, struct arena *a, const struct vault *vault,
                   const struct manifest *manifest, str name)
{
    str target = str_empty(name) ? str_from(PQdb(database->connection)) : name;
    const char *option = cstr(a, str_printf(a, "--dbname=" STR_FMT, STR_ARG(target)));
    const char *const words[] = {"pg_restore", "--exit-on-error", "--single-transaction", option,
                                 NULL};
    struct program restore = {0};
    signal(SIGPIPE, SIG_IGN);
    TRY(start(a, words, true, &restore));
    err *e = feed_parts(a, vault, manifest, restore.pipe);
    if (e) /* it must not take half of it for the whole */
        kill(restore.pid, SIGKILL);
    err *end = finish(a, &restore, "pg_restore");
    return e ? e : end;
}

err *database_compare(struct database *database, struct arena *a, const struct manifest *manifest,
                      str name)
{
    (void)database;
    PGconn *connection;
    struct saved_table *found;
    size_t count;
    TRY(connect_to(a, words_for(a, name), &connection));
    err *e = read_digests(connection, a, &found, &count);
    PQfinish(connection);
    TRY(e);
    if (count != manifest->table_count)
        return fail(a, ERR_CONFLICT, "%zu tables are there, %zu were saved", count,
                    manifest->table_count);
    for (size_t i = 0; i < count; i++) {
        const struct saved_table *saved = &manifest->tables[i];
        if (!str_eq(found[i].name, saved->name) || found[i].rows != saved->rows ||
            !str_eq(found[i].digest, saved->digest))
            return fail(a, ERR_CONFLICT,
                        "table " STR_FMT " has %" PRId64 " rows, saved were %" PRId64 " of " STR_FMT
                        "%s",
                        STR_ARG(found[i].name), found[i].rows, saved->rows, STR_ARG(saved->name),
                        found[i].rows == saved->rows ? ", of other contents" : "");
    }
    return NULL;
}
