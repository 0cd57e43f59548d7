/*
 * session.h - where a user is: the dialog and gallery state in Redis, the
 * marks that make every update happen once, and the outbox behind it.
 *
 * A turn is two trips: session_begin() and session_commit(). All keys of a
 * user carry the tag {b<Telegram id mod 64>}; see docs/redis.md. Fields of the
 * session are named "d.…" for the dialog's answers so far and "g.…" for the
 * gallery; "u" is the cached user.
 */
#pragma once
#include "db/cache.h"

enum { SESSION_BUCKETS = 64, SESSION_LIFE_S = 7 * 24 * 3600, TURN_MARK_MS = 5000 };

struct field {
    str name, value;
};

struct session {
    int64_t chat_id; /* of the user's private chat: Telegram's user id */
    int64_t version;
    int64_t entered; /* the version that opened it or moved it on: tells two of one state apart */
    str state;       /* empty: no dialog, or wiped */
    str cached_user; /* JSON; empty: not cached */
    struct field *fields; /* d.… and g.… */
    size_t field_count;
};

enum begun {
    BEGUN_RUN,     /* go on; session is filled */
    BEGUN_DONE,    /* handled before: give `answer` again */
    BEGUN_RUNNING, /* another copy is being handled */
    BEGUN_FLOODED, /* above the limit by `above` updates this minute */
};

struct beginning {
    enum begun begun;
    int counted_attempts;
    bool was_begun; /* an earlier run did not end here, but may have written */
    int64_t above;
    str answer;
    struct session session;
};

/* exempt_state: in this one no limit holds; empty: in none. */
err *session_begin(struct cache *cache, struct arena *a, int64_t chat_id, int64_t update_id,
                   int64_t flood_limit_per_minute, str exempt_state, struct beginning *out);
/* For the worker: where the user is now. Without an update there is nothing to end. */
err *session_read(struct cache *cache, struct arena *a, int64_t chat_id, struct session *out);
str session_field(const struct session *session, const char *name); /* empty when there is none */

/* One change of a named field: a value with data, or a removal when value.ptr is NULL. */
struct change {
    str name, value;
};

enum call_way {
    CALL_INLINE, /* in the answer to Telegram when nothing waits for the chat, else queued */
    CALL_QUEUED,
    CALL_ANSWER, /* answerCallbackQuery: a stream of its own, without order */
};

/* One outgoing call. `call` is a JSON object that begins with its method:
 * {"method":"sendMessage",…}; a gate of a result has a job and no call. */
struct outgoing {
    enum call_way way;
    str call;
    str slot;       /* name of the message this is about; empty: none */
    bool closes;    /* the last call of the slot: later ones are swallowed */
    int64_t job_id; /* 0: none */
};

struct ending {
    int64_t update_id;
    bool has_written; /* PostgreSQL holds this turn's outcome */
    bool enters;      /* opens a dialog, moves it on, or opens the same one anew */
    str from_state, to_state;
    const struct change *changes;
    size_t change_count;
    const struct outgoing *calls;
    size_t call_count;
};

enum ended { ENDED_OK, ENDED_DONE, ENDED_AGAIN };

/* answer: the body for Telegram; empty for none. */
err *session_commit(struct cache *cache, struct arena *a, const struct session *session,
                    const struct ending *ending, enum ended *ended, str *answer);

/* The turn did not end; counts: the fault was ours. counted_attempts: with this one. */
err *session_release(struct cache *cache, struct arena *a, int64_t chat_id, int64_t update_id,
                     bool counts, int *counted_attempts);

/* For the worker: one call, in order with all others of the chat. name: within an hour two of the same
 * name are one, for what must not come twice when the first try has an unknown end; empty where
 * that does no harm. */
err *outbox_add(struct cache *cache, struct arena *a, int64_t chat_id, str name,
                const struct outgoing *call);
/* The cached user is out of date: money moved, or an operator changed something. */
err *session_forget_user(struct cache *cache, struct arena *a, int64_t chat_id);
/* A person is forgotten: takes away what shows anything of the chat, but for the dialog, when somebody
 * new is in it, and the marks of updates that were handled, while one may come once more. */
err *session_erase(struct cache *cache, struct arena *a, int64_t chat_id, bool keeps_dialog,
                   bool keeps_marks);

/* -- keys -- */
int session_bucket(int64_t chat_id);
str session_key(struct arena *a, const char *kind, int64_t chat_id); /* kind:{bNN}:chat */
str outbox_key(struct arena *a, int bucket);                         /* out:{bNN} */
str answers_key(struct arena *a, int bucket);                        /* ans:{bNN} */
