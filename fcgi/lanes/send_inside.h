/*
 * send_inside.h - what the files of the lane send share: send.c starts and
 * ends it, send_buckets.c holds its part of the chats, send_streams.c reads
 * what they have to be told, send_lines.c tells it, send_places.c keeps the
 * calls few that could be shown twice, and send_gates.c gives results their
 * turn. docs/redis.md tells what lies in Redis.
 *
 * Whoever holds a bucket's lease reads its two streams: first what the holder
 * before left unacknowledged, then what is new. Each chat has a line here, and
 * a line with work has a task that makes its calls one after another. What is
 * in a line stays in its stream until it is acknowledged.
 */
#pragma once
#include "db/session.h"
#include "lanes/lanes.h"
#include "lanes/send_queue.h"

enum {
    SEND_ARENA_BYTES = 64 << 20, /* of each task beside the lines */
    SEND_STACK_KIB = 128,
    GATE_LIFE_S = 60,
};

enum { CALLS, ANSWERS, STREAMS };

struct bucket {
    int number;
    struct lease lease;
    bool is_ours;    /* as the last beat left it; see bucket_is_held() */
    bool is_leaving; /* another worker shall have it once its calls under way are done */
    bool has_groups;
    int64_t look_again_at_ms; /* steady clock */
    bool wants_look;          /* at what is pending, before anything new is read */
    struct {
        bool is_caught_up;
        char after[48]; /* id of the last entry read again */
    } streams[STREAMS]; /* the reader's alone: others ask for a look */
    size_t lines_at_work;
};

struct send_lane {
    struct worker *w;
    struct cache *reader; /* its commands block, so it has a connection of its own */
    struct bucket buckets[SESSION_BUCKETS];
    struct queue queue;
    size_t lines_at_work;
};

/* The one of this process. */
extern struct send_lane send_lane;

/* The consumer group of all streams. */
#define SEND_GROUP "send"

str send_digits(struct arena *a, int64_t number);

/* -- buckets -- */

/* Ours by now: what is not is another's to send. */
bool bucket_is_held(const struct bucket *bucket);
struct bucket *bucket_of(const struct line *line);
/* Prolongs the leases of the buckets that are ours, and lets go of those that shall leave. */
void buckets_keep(struct arena *a);
/* Takes or leaves buckets until this worker has its share. */
void buckets_balance(struct arena *a);
void buckets_give_back(struct arena *a);

/* -- streams -- */

void run_send_reader(void *unused);
/* What was delivered to a reader that never saw it is found among the pending ones. Takes effect
 * with the next read: one that is under way is still looked at for what it asked. */
void streams_read_again(struct bucket *bucket);
/* Whether nobody has acknowledged the entry yet. */
err *send_is_pending(const struct entry *entry, struct arena *a, bool *is_pending);
/* The call has been made, or never will be: it leaves its stream. */
err *send_acknowledge(int64_t chat_id, const struct entry *entry, struct arena *a);

/* -- lines -- */

/* Gives lines with work a task each, as many as may be at work at once. */
void lines_start(void);

/* -- places: what a killed worker had under way is done again by the next one, and of a new
 * message the person sees both. So only as many of these are under way as the pace needs; and of
 * results, which upload pictures and take longer, a few of their own. -- */

/* Waits for one. False when the worker drains. */
bool place_take(struct line *line);
/* After the acknowledgement, or when nothing was made. Does nothing for who has none. */
void place_leave(struct line *line);

/* -- gates: the turns of the results that are due -- */

str gate_key(struct arena *a, int64_t chat_id, int64_t job_id);
/* A gate that waits in memory says that it is there, so that its job gets no second one. */
void gates_keep(struct arena *a);
void run_send_gates(void *unused);
