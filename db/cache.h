/*
 * cache.h - Redis on one kept connection on which the commands of all tasks
 * travel pipelined.
 *
 * A command is queued, written out with those of the other tasks at the end of
 * the round, and its task waits for the reply. The reply belongs to the arena.
 * A lost connection is opened again by itself; commands that were under way
 * fail with ERR_UNKNOWN, those not yet written with ERR_UNREACHABLE. A command
 * that stays unanswered for timeout_ms makes the connection count as lost.
 * While the server stays away, commands fail at once instead of queueing, and
 * one attempt after another is made to connect, with growing pauses up to 1 s;
 * only the first attempt, at the start and after a loss, is waited for.
 *
 *     redisReply *reply;
 *     TRY(cache_call(cache, a, &reply, S("GET"), key));
 *
 * An error reply of the server becomes ERR_UPSTREAM, or ERR_BUSY where waiting
 * helps (LOADING, BUSY, OOM, READONLY…), with its text in detail.
 *
 * Scripts stand in db/lua, one a file, and become SCRIPT_name. They run by
 * EVALSHA; NOSCRIPT loads the script and runs it again.
 */
#pragma once
#include "core/val.h"
#include <hiredis/hiredis.h>

struct cache;

struct script {
    const char *name;
    const char *text;
    char sha[41]; /* lower-case SHA-1 of the text, made at first use */
};

enum { CACHE_TIMEOUT_MS = 2000 };

/* url: redis://[[user]:password@]host[:port][/db] or unix:///path[?db=N]; user
 * and password percent-encoded. NULL when it is neither. Begins to connect with
 * the loop's first round. A host name is resolved while the whole loop waits:
 * give addresses or sockets. */
struct cache *cache_new(str url, int64_t timeout_ms);
/* Not while a task waits in it. */
void cache_close(struct cache *c);
/* Runs as a task after each (re)connect, before waiting commands go out. */
void cache_on_connect(struct cache *c, void (*run)(struct cache *c, void *owner), void *owner);
bool cache_is_up(const struct cache *c);

#define cache_call(cache, a, reply, ...)                                                           \
    cache_run((cache), (a), (reply), (const str[]){__VA_ARGS__},                                   \
              sizeof((const str[]){__VA_ARGS__}) / sizeof(str))
/* reply may be NULL. */
err *cache_run(struct cache *c, struct arena *a, redisReply **reply, const str *words,
               size_t count);
err *cache_eval(struct cache *c, struct arena *a, redisReply **reply, struct script *script,
                const str *keys, size_t key_count, const str *arguments, size_t argument_count);
/* For this one connection's blocking reads: replaces the time-out. */
void cache_set_timeout(struct cache *c, int64_t timeout_ms);

/* Views into replies; false or empty for another type. */
str reply_str(const redisReply *reply);
int64_t reply_i64(const redisReply *reply); /* an integer, or a string of digits */
const redisReply *reply_item(const redisReply *reply, size_t index); /* NULL past the end */
size_t reply_count(const redisReply *reply);
