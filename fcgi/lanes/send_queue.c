#include "lanes/send_queue.h"

/* -- entries -- */

static char *copy_in(char *to, str *s)
{
    if (s->len)
        memcpy(to, s->ptr, s->len);
    s->ptr = to;
    return to + s->len;
}

/* What the call is and what it is about, read once. */
static void read_call(struct arena *a, struct entry *entry)
{
    struct json_object *call;
    int64_t message_id = 0;
    if (json_parse(a, entry->call, &call))
        return;
    entry->method = json_str(call, "method");
    if (json_i64(call, "message_id", &message_id) && message_id > 0)
        entry->message_id = message_id;
}

struct entry *entry_new(struct arena *a, const struct entry *from)
{
    struct entry made = *from;
    read_call(a, &made);
    if (str_empty(made.method) && !entry_is_gate(&made))
        return NULL;
    size_t bytes = made.id.len + made.call.len + made.slot.len + made.method.len;
    struct entry *entry = malloc(sizeof *entry + bytes);
    if (!entry)
        abort();
    *entry = made;
    char *end = (char *)(entry + 1);
    end = copy_in(end, &entry->id);
    end = copy_in(end, &entry->call);
    end = copy_in(end, &entry->slot);
    copy_in(end, &entry->method);
    return entry;
}

bool entry_is_gate(const struct entry *entry)
{
    return entry->job_id != 0 && str_empty(entry->call);
}

bool entry_is_repeatable(const struct entry *entry)
{
    return str_starts(entry->method, S("edit")) || str_starts(entry->method, S("delete")) ||
           str_starts(entry->method, S("answer"));
}

int64_t entry_queued_ms(const struct entry *entry)
{
    str ms, sequence;
    int64_t queued_ms = 0;
    str_cut(entry->id, '-', &ms, &sequence);
    str_to_i64(ms, &queued_ms);
    return queued_ms;
}

static bool is_any_of(str method, const char *const *methods)
{
    for (; *methods; methods++)
        if (str_eq(method, str_from(*methods)))
            return true;
    return false;
}

/* A caption or a keyboard is a part of the message; words, a picture and its end are the whole
 * of it. */
static bool replaces(str later, str earlier)
{
    static const char *const whole[] = {"editMessageText", "editMessageMedia", "deleteMessage",
                                        NULL};
    return is_any_of(later, whole) || str_eq(later, earlier);
}

/* An edit that names a message and a slot binds the two. Skipping it must not lose that. */
static bool has_same_target(const struct entry *entry, const struct entry *next)
{
    if (entry->message_id != next->message_id)
        return false;
    bool names_message_alone = entry->message_id && str_empty(entry->slot);
    return names_message_alone || (!str_empty(entry->slot) && str_eq(entry->slot, next->slot));
}

bool entry_is_superseded(const struct entry *entry, const struct entry *next)
{
    static const char *const edits[] = {"editMessageText", "editMessageMedia", "editMessageCaption",
                                        "editMessageReplyMarkup", NULL};
    if (!next || entry->is_answer || entry->closes || entry->job_id || next->job_id)
        return false;
    return is_any_of(entry->method, edits) && replaces(next->method, entry->method) &&
           has_same_target(entry, next);
}

/* -- pace -- */

/* A burst is what may be ahead of an even flow. */
int64_t pace_reserve(struct pace *pace, int64_t now_ms, double per_second, double burst)
{
    double every_ms = 1000 / per_second;
    double earliest_ms = (double)now_ms - (burst - 1) * every_ms;
    if (pace->due_ms < earliest_ms)
        pace->due_ms = earliest_ms;
    double at_ms = pace->due_ms;
    pace->due_ms += every_ms;
    return at_ms > (double)now_ms ? (int64_t)(at_ms + 0.999) : now_ms;
}

bool pace_is_fresh(const struct pace *pace, int64_t now_ms)
{
    return pace->due_ms < (double)now_ms - 60 * 1000;
}

/* -- lines -- */

void queue_init(struct queue *q)
{
    *q = (struct queue){.answers = NULL};
    q->ready_last = &q->ready_first;
}

static struct line *line_new(int64_t chat_id, int bucket)
{
    struct line *line = calloc(1, sizeof *line);
    if (!line)
        abort();
    line->chat_id = chat_id;
    line->bucket = bucket;
    line->last = &line->first;
    return line;
}

static struct line **chain_of(struct queue *q, int64_t chat_id)
{
    return &q->chains[((uint64_t)chat_id * 0x9E3779B97F4A7C15u >> 32) % QUEUE_CHAINS];
}

struct line *queue_line(struct queue *q, int64_t chat_id, int bucket)
{
    struct line **chain = chain_of(q, chat_id);
    for (struct line *line = *chain; line; line = line->next)
        if (line->chat_id == chat_id)
            return line;
    struct line *line = line_new(chat_id, bucket);
    line->next = *chain;
    *chain = line;
    return line;
}

struct line *queue_answer_line(struct queue *q, int bucket)
{
    struct line *line = line_new(0, bucket);
    line->is_answer = true;
    line->next = q->answers;
    q->answers = line;
    return line;
}

void line_append(struct queue *q, struct line *line, struct entry *entry)
{
    entry->next = NULL;
    *line->last = entry;
    line->last = &entry->next;
    q->entry_count++;
}

void line_drop_first(struct queue *q, struct line *line)
{
    struct entry *first = line->first;
    line->first = first->next;
    if (!line->first)
        line->last = &line->first;
    free(first);
    q->entry_count--;
}

bool line_has(const struct line *line, str id)
{
    for (const struct entry *entry = line->first; entry; entry = entry->next)
        if (str_eq(entry->id, id))
            return true;
    return false;
}

void line_clear(struct queue *q, struct line *line)
{
    struct entry *kept = line->is_running ? line->first : NULL;
    struct entry *entry = kept ? kept->next : line->first;
    while (entry) {
        struct entry *next = entry->next;
        free(entry);
        q->entry_count--;
        entry = next;
    }
    line->first = kept;
    line->last = kept ? &kept->next : &line->first;
    if (kept)
        kept->next = NULL;
}

void queue_ready(struct queue *q, struct line *line)
{
    if (line->is_ready || line->is_running)
        return;
    line->is_ready = true;
    if (line->is_answer) {
        line->next_ready = q->ready_first;
        if (!q->ready_first)
            q->ready_last = &line->next_ready;
        q->ready_first = line;
        return;
    }
    line->next_ready = NULL;
    *q->ready_last = line;
    q->ready_last = &line->next_ready;
}

struct line *queue_next(struct queue *q)
{
    struct line *line = q->ready_first;
    if (!line)
        return NULL;
    q->ready_first = line->next_ready;
    if (!q->ready_first)
        q->ready_last = &q->ready_first;
    line->is_ready = false;
    return line;
}

void queue_each(struct queue *q, void (*visit)(struct queue *q, struct line *line, void *owner),
                void *owner)
{
    for (size_t i = 0; i < QUEUE_CHAINS; i++)
        for (struct line *line = q->chains[i]; line; line = line->next)
            visit(q, line, owner);
    for (struct line *line = q->answers; line; line = line->next)
        visit(q, line, owner);
}

static void unlink_and_free(struct line **link)
{
    struct line *line = *link;
    *link = line->next;
    free(line);
}

static bool is_idle(const struct line *line)
{
    return !line->first && !line->is_running && !line->is_ready;
}

void queue_tidy(struct queue *q, int64_t now_ms)
{
    for (size_t i = 0; i < QUEUE_CHAINS; i++)
        for (struct line **link = &q->chains[i]; *link;) {
            if (is_idle(*link) && pace_is_fresh(&(*link)->pace, now_ms))
                unlink_and_free(link);
            else
                link = &(*link)->next;
        }
    for (struct line **link = &q->answers; *link;) {
        if (is_idle(*link))
            unlink_and_free(link);
        else
            link = &(*link)->next;
    }
}
