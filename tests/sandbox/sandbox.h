/*
 * sandbox.h - the outside world of Aisha, played strictly on one machine.
 *
 * One FastCGI program behind the same nginx plays Telegram, FAL, OpenAI and the
 * object store and serves the chat page. All that must outlive a restart is in one
 * SQLite file and one folder of blobs beside it.
 *
 *     /sandbox/                      the chat page and its files
 *     /sandbox/chat/...              what the page calls            chat.c
 *     /sandbox/telegram/bot<token>/  the Bot API                    telegram.c
 *     /sandbox/telegram/file/bot..   files                          telegram.c
 *     /sandbox/fal/queue/...         FAL's queue                    fal.c
 *     /sandbox/fal/rest/...          JWKS, storage                  fal.c
 *     /sandbox/fal/files/...         what FAL made                  fal.c
 *     /sandbox/openai/v1/...         speech and chats               openai.c
 *     /sandbox/control/...           faults and counts, for tests   control.c
 *     the object store               on a port of its own (parameter SANDBOX_PART=store)   objects.c
 */
#pragma once
#include "core/fastcgi.h"
#include "core/json.h"
#include <sqlite3.h>

struct sandbox {
    sqlite3 *db;
    str folder;         /* SANDBOX_DIR: holds sandbox.db and blobs/ */
    str public_url;     /* SANDBOX_URL: https://127.0.0.1:port/sandbox, no slash at the end */
    str telegram_token; /* the bot's token */
    str files_dir;      /* of a Bot API server on this machine; empty: Telegram's own is played */
    str fal_key;
    str openai_key;
    str s3_access_key, s3_secret_key, s3_region;
};
extern struct sandbox sandbox;

/* Each takes a request whose path stands behind its prefix, starting with a slash. */
void telegram_handle(struct request *r, str path);
void fal_handle(struct request *r, str path);
void openai_handle(struct request *r, str path);
void objects_handle(struct request *r);
void chat_handle(struct request *r, str path);
void control_handle(struct request *r, str path);

/* A file in FAL's storage is gone from now on; false when there is none at that address. */
bool fal_file_forget(struct arena *a, str url);

/* Called once at start: make tables, start tasks (deliveries, runners). */
void telegram_start(void);
void fal_start(void);
void openai_start(void);
void objects_start(void);
void chat_start(void);

/* -- blobs: content by SHA-256, in folder/blobs -- */
str blob_put(struct arena *a, str bytes); /* its lower-case hex SHA-256 */
bool blob_get(struct arena *a, str sha256, str *bytes);
/* A second name for it, with the folders above; one that is there already stays. The same file system. */
bool blob_link(struct arena *a, str sha256, const char *path);

/* -- SQLite with typed values; ends the process on a mistake in SQL -- */
struct row {
    sqlite3_stmt *statement;
};
/* Runs a statement that returns nothing; the number of changed rows. */
int sql_run(const char *sql, const struct val *values, size_t count);
/* Steps through rows: sql_open, while (sql_next(&row)), it closes itself at the end; sql_close
 * for an early leave. */
struct row sql_open(const char *sql, const struct val *values, size_t count);
bool sql_next(struct row *row);
void sql_close(struct row *row);
int64_t row_i64(const struct row *row, int column);
str row_str(struct arena *a, const struct row *row, int column); /* copied */
bool row_is_null(const struct row *row, int column);
#define SQL(sql, ...)                                                                              \
    sql_run((sql), VALS(__VA_ARGS__), sizeof(VALS(__VA_ARGS__)) / sizeof(struct val))
#define SQL_OPEN(sql, ...)                                                                         \
    sql_open((sql), VALS(__VA_ARGS__), sizeof(VALS(__VA_ARGS__)) / sizeof(struct val))
int64_t sql_last_id(void);
/* The first row, or false; sql_close() it when true. */
bool sql_get(const char *sql, const struct val *values, size_t count, struct row *row);
#define SQL_GET(row, sql, ...)                                                                     \
    sql_get((sql), VALS(__VA_ARGS__), sizeof(VALS(__VA_ARGS__)) / sizeof(struct val), (row))
/* First column of the first row, 0 without one. */
int64_t sql_number(const char *sql, const struct val *values, size_t count);
#define SQL_NUMBER(sql, ...)                                                                       \
    sql_number((sql), VALS(__VA_ARGS__), sizeof(VALS(__VA_ARGS__)) / sizeof(struct val))
/* Several statements without values: table definitions, begin, commit. */
void sql_script(const char *statements);
/* One value by name, kept in SQLite. */
str store_get(struct arena *a, const char *name);
void store_set(const char *name, str value);
void store_open(void);
/* At SIGTERM: nobody waits any longer. */
void store_drain(void);
bool store_is_draining(void);

/* -- what is new: the chat page and getUpdates wait for it -- */
int64_t sandbox_version(void); /* grows with every visible change */
void sandbox_changed(void);    /* wakes whoever waits */
void sandbox_wait_change(int64_t seen_version, int64_t timeout_ms);

/* -- faults that tests and the page's panel switch on: name -> JSON text, kept in SQLite -- */
bool fault_get(struct arena *a, const char *name,
               struct json_object **value);  /* counts down "times" when present */
bool fault_is_on(const char *name);          /* without counting */
void fault_set(const char *name, str value); /* JSON text; empty, null or false switches it off */
