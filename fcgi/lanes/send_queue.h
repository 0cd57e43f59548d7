/*
 * send_queue.h - the calls a worker holds in memory, in a line for each chat.
 *
 * Nothing here talks to anyone. Calls come from the streams of Redis and stay
 * there until they are acknowledged, so what is held here may be dropped at
 * any time.
 *
 *     struct entry *entry = entry_new(a, &from);   // NULL: nothing that could be sent
 *     struct line *line = queue_line(queue, entry->chat_id);
 *     line_append(line, entry);
 */
#pragma once
#include "core/json.h"

struct entry {
    str id; /* in its stream */
    int bucket;
    bool is_answer; /* to a tap, from the stream without order */
    bool is_repeat; /* found among the pending ones: may have been made since that was read */
    int64_t chat_id;
    int64_t job_id; /* a gate when there is no call */
    str call, slot;
    bool closes;
    str method;
    int64_t message_id; /* that the call names itself; 0: none */
    int64_t gate_kept_ms;
    struct entry *next;
};

/* Copies all strings. The entry is freed with free(). NULL when there is neither a call nor a
 * job. */
struct entry *entry_new(struct arena *a, const struct entry *from);
bool entry_is_gate(const struct entry *entry);
/* Made twice it shows the same as made once: an edit, a deletion, an answer to a tap. */
bool entry_is_repeatable(const struct entry *entry);
/* When it was queued: Redis puts its clock into the id. */
int64_t entry_queued_ms(const struct entry *entry);
/* True when making `next` straight after `entry` leaves nothing of what `entry` shows. */
bool entry_is_superseded(const struct entry *entry, const struct entry *next);

/* -- pace: so many a second, after a burst -- */

struct pace {
    double due_ms; /* when the one after next would be on time; steady clock */
};
/* When the next one may go, which is then counted. */
int64_t pace_reserve(struct pace *pace, int64_t now_ms, double per_second, double burst);
bool pace_is_fresh(const struct pace *pace, int64_t now_ms);

/* -- lines -- */

struct line {
    int64_t chat_id;
    int bucket;
    struct entry *first, **last;
    struct pace pace;
    bool is_answer;  /* of one answer alone; not in the table */
    bool is_running; /* a task is at it */
    bool is_ready;   /* waits for one */
    bool has_place;  /* see send_inside.h */
    struct line *next, *next_ready;
};

enum { QUEUE_CHAINS = 1024 };

struct queue {
    struct line *chains[QUEUE_CHAINS];
    struct line *answers;
    struct line *ready_first, **ready_last;
    size_t entry_count;
};

void queue_init(struct queue *q);
struct line *queue_line(struct queue *q, int64_t chat_id, int bucket);
struct line *queue_answer_line(struct queue *q, int bucket);
void line_append(struct queue *q, struct line *line, struct entry *entry);
/* Takes the first one out and frees it. */
void line_drop_first(struct queue *q, struct line *line);
bool line_has(const struct line *line, str id);
/* Drops all entries but the one that is being sent. */
void line_clear(struct queue *q, struct line *line);

/* Lines that have work and no task, first come first served; answers ahead. */
void queue_ready(struct queue *q, struct line *line);
struct line *queue_next(struct queue *q);

/* Calls visit for every line. */
void queue_each(struct queue *q, void (*visit)(struct queue *q, struct line *line, void *owner),
                void *owner);
/* Frees lines that are empty and whose pace no longer matters. */
void queue_tidy(struct queue *q, int64_t now_ms);
