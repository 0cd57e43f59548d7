/* The sandbox's memory: SQLite with typed values, blobs, faults, and waiting for change. */
#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "tests/sandbox/sandbox.h"

struct sandbox sandbox;

/* -- SQLite -- */

/* Prepared statements are kept by their text. One that is being stepped
 * through by another task is busy: then a second one of the same text is made
 * and kept too. */
struct kept {
    sqlite3_stmt *statement;
    bool is_busy;
    struct kept *next;
};

enum { KEPT_BUCKETS = 512 };
static struct kept *kept_statements[KEPT_BUCKETS];

static void die(const char *doing, const char *sql)
{
    log_error("sandbox.sql_failed", KV("doing", doing), KV("why", sqlite3_errmsg(sandbox.db)),
              KV("sql", sql));
    abort();
}

static struct kept **bucket_of(const char *sql)
{
    uint32_t hash = 2166136261u;
    for (const char *c = sql; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return &kept_statements[hash % KEPT_BUCKETS];
}

static sqlite3_stmt *take_statement(const char *sql)
{
    struct kept **bucket = bucket_of(sql);
    for (struct kept *k = *bucket; k; k = k->next) {
        if (!k->is_busy && strcmp(sqlite3_sql(k->statement), sql) == 0) {
            k->is_busy = true;
            return k->statement;
        }
    }
    struct kept *made = calloc(1, sizeof *made);
    if (!made)
        abort();
    int status = sqlite3_prepare_v3(sandbox.db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                    &made->statement, NULL);
    if (status != SQLITE_OK || !made->statement)
        die("prepare", sql);
    made->is_busy = true;
    made->next = *bucket;
    *bucket = made;
    return made->statement;
}

static void give_back(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    for (struct kept *k = *bucket_of(sqlite3_sql(statement)); k; k = k->next) {
        if (k->statement == statement) {
            k->is_busy = false;
            return;
        }
    }
}

static int bind_value(sqlite3_stmt *statement, int at, struct val value)
{
    switch (value.type) {
    case VAL_NULL:
        return sqlite3_bind_null(statement, at);
    case VAL_BOOL:
        return sqlite3_bind_int(statement, at, value.boolean);
    case VAL_INT:
        return sqlite3_bind_int64(statement, at, value.integer);
    case VAL_DOUBLE:
        return sqlite3_bind_double(statement, at, value.number);
    case VAL_STR:
    case VAL_JSON:
        return sqlite3_bind_text64(statement, at, value.string.ptr ? value.string.ptr : "",
                                   value.string.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    return SQLITE_MISUSE;
}

struct row sql_open(const char *sql, const struct val *values, size_t count)
{
    struct row row = {.statement = take_statement(sql)};
    for (size_t i = 0; i < count; i++)
        if (bind_value(row.statement, (int)i + 1, values[i]) != SQLITE_OK)
            die("bind", sql);
    return row;
}

bool sql_next(struct row *row)
{
    if (!row->statement)
        return false;
    int status = sqlite3_step(row->statement);
    if (status == SQLITE_ROW)
        return true;
    if (status != SQLITE_DONE)
        die("step", sqlite3_sql(row->statement));
    sql_close(row);
    return false;
}

void sql_close(struct row *row)
{
    if (row->statement)
        give_back(row->statement);
    row->statement = NULL;
}

int sql_run(const char *sql, const struct val *values, size_t count)
{
    struct row row = sql_open(sql, values, count);
    while (sql_next(&row))
        continue;
    return sqlite3_changes(sandbox.db);
}

bool sql_get(const char *sql, const struct val *values, size_t count, struct row *row)
{
    *row = sql_open(sql, values, count);
    return sql_next(row);
}

int64_t sql_number(const char *sql, const struct val *values, size_t count)
{
    struct row row = sql_open(sql, values, count);
    int64_t number = sql_next(&row) ? row_i64(&row, 0) : 0;
    sql_close(&row);
    return number;
}

int64_t row_i64(const struct row *row, int column)
{
    return sqlite3_column_int64(row->statement, column);
}

str row_str(struct arena *a, const struct row *row, int column)
{
    if (row_is_null(row, column))
        return (str){0};
    const void *bytes = sqlite3_column_text(row->statement, column);
    size_t length = (size_t)sqlite3_column_bytes(row->statement, column);
    return length ? str_dup(a, (str){bytes, length}) : S("");
}

bool row_is_null(const struct row *row, int column)
{
    return sqlite3_column_type(row->statement, column) == SQLITE_NULL;
}

int64_t sql_last_id(void)
{
    return sqlite3_last_insert_rowid(sandbox.db);
}

void sql_script(const char *statements)
{
    if (sqlite3_exec(sandbox.db, statements, NULL, NULL, NULL) != SQLITE_OK)
        die("run", statements);
}

/* -- opening -- */

static void make_folder(const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        log_error("sandbox.folder_failed", KV("path", path), KV("why", strerror(errno)));
        exit(1);
    }
}

/* Only a crash of the machine could lose what synchronous=off leaves to the
 * kernel; a kill -9 of this process loses nothing. */
void store_open(void)
{
    struct arena *a = arena_new(1 << 20);
    make_folder(cstr(a, sandbox.folder));
    make_folder(cstr(a, str_printf(a, STR_FMT "/blobs", STR_ARG(sandbox.folder))));
    const char *path = cstr(a, str_printf(a, STR_FMT "/sandbox.db", STR_ARG(sandbox.folder)));
    if (sqlite3_open(path, &sandbox.db) != SQLITE_OK)
        die("open", path);
    sql_script("pragma journal_mode = wal; pragma synchronous = off; pragma foreign_keys = on;"
               "pragma busy_timeout = 2000; pragma cache_size = -32000;"
               "create table if not exists faults ("
               "  name text primary key, value text not null) without rowid;"
               "create table if not exists settings ("
               "  name text primary key, value text) without rowid;");
    arena_free(a);
}

/* -- settings -- */

str store_get(struct arena *a, const char *name)
{
    struct row row = SQL_OPEN("select value from settings where name = ?", V(name));
    str value = sql_next(&row) ? row_str(a, &row, 0) : (str){0};
    sql_close(&row);
    return value;
}

void store_set(const char *name, str value)
{
    SQL("insert into settings (name, value) values (?1, ?2)"
        " on conflict (name) do update set value = ?2",
        V(name), V(value));
}

/* -- blobs -- */

static const char *blob_path(struct arena *a, str sha256)
{
    return cstr(a,
                str_printf(a, STR_FMT "/blobs/" STR_FMT, STR_ARG(sandbox.folder), STR_ARG(sha256)));
}

static bool write_whole(int fd, str bytes)
{
    while (bytes.len) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0)
            bytes = str_sub(bytes, (size_t)written, bytes.len);
    }
    return true;
}

/* The file appears under its name only when it is whole. */
str blob_put(struct arena *a, str bytes)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)(bytes.ptr ? bytes.ptr : ""), bytes.len, digest);
    str name = str_hex(a, (str){(const char *)digest, sizeof digest});
    const char *path = blob_path(a, name);
    if (access(path, F_OK) == 0)
        return name;

    const char *unfinished = cstr(a, str_printf(a, "%s.part", path));
    int fd = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool is_written = fd >= 0 && write_whole(fd, bytes);
    if (fd >= 0)
        close(fd);
    if (!is_written || rename(unfinished, path) != 0) {
        log_error("sandbox.blob_failed", KV("path", path), KV("why", strerror(errno)));
        abort();
    }
    return name;
}

bool blob_get(struct arena *a, str sha256, str *bytes)
{
    int fd = open(blob_path(a, sha256), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct stat about;
    bool is_read = fstat(fd, &about) == 0;
    size_t size = is_read ? (size_t)about.st_size : 0;
    char *content = NEW_ARRAY(a, char, size + 1);
    for (size_t at = 0; is_read && at < size;) {
        ssize_t got = read(fd, content + at, size - at);
        is_read = got > 0 || (got < 0 && errno == EINTR);
        if (got > 0)
            at += (size_t)got;
    }
    close(fd);
    if (is_read)
        *bytes = (str){content, size};
    return is_read;
}

bool blob_link(struct arena *a, str sha256, const char *path)
{
    char *folders = NEW_ARRAY(a, char, strlen(path) + 1);
    for (size_t i = 0; path[i]; i++) {
        if (i && path[i] == '/')
            mkdir(folders, 0755);
        folders[i] = path[i];
    }
    if (link(blob_path(a, sha256), path) == 0 || errno == EEXIST)
        return true;
    log_error("sandbox.blob_not_linked", KV("path", path), KV("why", strerror(errno)));
    return false;
}

/* -- what is new -- */

struct waiter {
    struct task *task;
    struct waiter *next;
};
static struct waiter *waiters;
static int64_t version;
static bool is_draining;

/* The first version is the time, so that one seen before a restart is older. */
int64_t sandbox_version(void)
{
    if (!version)
        version = clock_ms();
    return version;
}

static void wake_waiters(void)
{
    for (struct waiter *w = waiters; w; w = w->next)
        task_wake(w->task);
}

void sandbox_changed(void)
{
    version = sandbox_version() + 1;
    wake_waiters();
}

void sandbox_wait_change(int64_t seen_version, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_steady_ms() + timeout_ms;
    struct waiter self = {.task = task_self(), .next = waiters};
    waiters = &self;
    while (!is_draining && sandbox_version() == seen_version && clock_steady_ms() < deadline_ms)
        task_wait(deadline_ms);

    struct waiter **link = &waiters;
    while (*link != &self)
        link = &(*link)->next;
    *link = self.next;
}

void store_drain(void)
{
    is_draining = true;
    wake_waiters();
}

bool store_is_draining(void)
{
    return is_draining;
}

/* -- faults -- */

void fault_set(const char *name, str value)
{
    if (str_empty(value) || str_eq(value, S("null")) || str_eq(value, S("false")))
        SQL("delete from faults where name = ?", V(name));
    else
        SQL("insert into faults (name, value) values (?1, ?2)"
            " on conflict (name) do update set value = ?2",
            V(name), V(value));
}

bool fault_is_on(const char *name)
{
    return SQL_NUMBER("select 1 from faults where name = ?", V(name)) != 0;
}

static void count_down(struct arena *a, const char *name, struct json_object *value, int64_t times)
{
    if (times <= 1) {
        fault_set(name, (str){0});
        return;
    }
    json_object_object_add(value, "times", json_object_new_int64(times - 1));
    fault_set(name, json_text(a, value));
}

bool fault_get(struct arena *a, const char *name, struct json_object **value)
{
    struct row row = SQL_OPEN("select value from faults where name = ?", V(name));
    bool is_on = sql_next(&row);
    str text = is_on ? row_str(a, &row, 0) : S("");
    sql_close(&row);
    struct json_object *parsed = NULL;
    if (!is_on || json_parse(a, text, &parsed))
        return false;
    if (value)
        *value = parsed;
    int64_t times;
    if (json_i64(parsed, "times", &times))
        count_down(a, name, parsed, times);
    return true;
}
