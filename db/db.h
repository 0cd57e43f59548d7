/*
 * db.h - PostgreSQL without blocking: a pool of connections, prepared
 * statements by name, one transaction at a time for each turn or job.
 *
 * A struct db_pool is the process's few connections; a struct db is one turn's
 * (or job's) view of them. Statements come from db/sql, where each stands
 * under `-- :name`; one that changes something says `-- :name writes`. They
 * are prepared on a connection at first use, in the same trip that runs them.
 * The calling task waits; others go on.
 *
 *     struct rows rows;
 *     TRY(db_query(db, &Q_avatar_find, &rows, V(user_id), V(avatar_id)));
 *     if (rows.count == 0)
 *         return fail(a, ERR_NOT_FOUND, "avatar " STR_FMT, STR_ARG(avatar_id));
 *     avatar->name = rows_str(&rows, 0, "name");
 *
 * A reading statement runs on its own. The first writing one opens a
 * transaction on one connection, runs the begin hook in it, and everything
 * after it, reading too, runs in there until db_commit() or db_rollback(). Who
 * runs the handler or job commits; handlers and jobs never do. Opening costs
 * no trip: `begin` travels with the statement that needs it.
 *
 * Once something has failed in a transaction, the hook included, everything
 * after it in there gives that same error and nothing is sent, db_commit()
 * too; only db_rollback() ends it. A struct db whose arena ends with a
 * transaction open gives its connection up, and the server rolls back.
 *
 * Errors: ERR_UNREACHABLE no connection, nothing was done; ERR_UNKNOWN the
 * connection broke while a commit was under way; ERR_CONFLICT unique violation
 * (23505); ERR_BUSY statement or lock time-out, deadlock, serialisation, too
 * many connections, all of the pool's connections in use for too long, or a
 * plan that a migration outdated; ERR_REFUSED a condition our own functions
 * raise (class AI…); ERR_INPUT a value that holds a NUL byte; else
 * ERR_INTERNAL. err.detail holds the SQLSTATE, and for ERR_REFUSED the code is
 * compared with db_refused_by(). No value ever stands in a message.
 *
 * Deadlines: 2 s to get a connection, 3 s to make one, 5 s for a trip, which
 * is above the role's statement_timeout: it is met only when the server does
 * not answer at all, and then that connection is given up. While the server is
 * away calls fail at once, and one attempt at a time is made to connect, with
 * growing pauses up to 1 s.
 */
#pragma once
#include "core/val.h"
#include <libpq-fe.h>

struct query {
    const char *name;
    const char *sql;
    bool writes;
};

struct rows {
    int count;        /* rows returned, or rows touched by a statement that returns none */
    PGresult *result; /* belongs to the arena */
};

struct db_pool;
struct db;

/* url: a libpq connection string. Connects when first needed, and again when a
 * connection was lost. statement_timeout comes from the role. A host name is
 * resolved while the whole loop waits: give addresses or sockets. */
struct db_pool *db_pool_new(str url, int connections);
/* Connects one now, to say early what is wrong. */
err *db_pool_check(struct db_pool *pool, struct arena *a);
/* Closes idle connections now and the others as they come back, so that the loop can end. */
void db_pool_close(struct db_pool *pool);
/* At the end of the process, when the loop has ended and nobody holds a connection. */
void db_pool_free(struct db_pool *pool);

struct db *db_new(struct db_pool *pool, struct arena *a);
/* Runs in each new transaction before its first statement; an error of it is that statement's. */
void db_on_begin(struct db *db, err *(*run)(struct db *db, void *owner), void *owner);

#define db_query(db, query, rows, ...)                                                             \
    db_run((db), (query), (rows), VALS(__VA_ARGS__), sizeof(VALS(__VA_ARGS__)) / sizeof(struct val))
/* rows may be NULL when nothing of the answer is wanted. Values go as text, the server knows the
 * types. */
err *db_run(struct db *db, const struct query *query, struct rows *rows, const struct val *values,
            size_t count);

/* A last statement and the commit in one trip. When the statement fails nothing
 * is committed and the transaction is over. That it touched no row is seen only
 * after the commit: a statement that must touch one has to raise an error by
 * itself, for instance through a function of ours that raises a condition of
 * class AI when no row fits. */
#define db_query_commit(db, query, rows, ...)                                                      \
    db_run_and_commit((db), (query), (rows), VALS(__VA_ARGS__),                                    \
                      sizeof(VALS(__VA_ARGS__)) / sizeof(struct val))
err *db_run_and_commit(struct db *db, const struct query *query, struct rows *rows,
                       const struct val *values, size_t count);

/* A writing statement that is a whole transaction by itself: in one trip, without begin, hook and
 * commit. Nothing may be open. ERR_UNKNOWN when the connection broke and it may have been done. */
#define db_query_whole(db, query, rows, ...)                                                       \
    db_run_whole((db), (query), (rows), VALS(__VA_ARGS__),                                         \
                 sizeof(VALS(__VA_ARGS__)) / sizeof(struct val))
err *db_run_whole(struct db *db, const struct query *query, struct rows *rows,
                  const struct val *values, size_t count);

bool db_is_writing(const struct db *db); /* a transaction is open */
err *db_begin(struct db *db);            /* opens it ahead of the first writing statement */
/* Nothing to do without a transaction. Whatever it returns, the transaction is over. */
err *db_commit(struct db *db);
void db_rollback(struct db *db);
bool db_refused_by(const err *e, const char *sqlstate);

/* Columns by name. An absent column is a mistake of ours (assert); NULL gives "", 0 or false. */
str rows_str(const struct rows *rows, int row, const char *column);
int64_t rows_i64(const struct rows *rows, int row, const char *column);
bool rows_bool(const struct rows *rows, int row, const char *column);
double rows_double(const struct rows *rows, int row, const char *column);
bool rows_is_null(const struct rows *rows, int row, const char *column);
