/* The streams of the lane send: what waits there becomes lines. */
#include "core/log.h"
#include "db/scripts.h"
#include "lanes/send_inside.h"

enum {
    ENTRIES_HELD_MAX = 4096,
    ENTRIES_PER_READ = 16, /* of each of 128 streams; a reply is held as a whole */
    READ_BLOCK_MS = 1000,
    READ_PAUSE_MS = 200,
};

/* One name for all: the pending entries of a stream pass from holder to holder with the lease. */
static const char consumer[] = "holder";

static str stream_key(struct arena *a, int bucket, int stream)
{
    return stream == CALLS ? outbox_key(a, bucket) : answers_key(a, bucket);
}

err *send_acknowledge(int64_t chat_id, const struct entry *entry, struct arena *a)
{
    struct cache *cache = send_lane.w->bot->cache;
    const str arguments[] = {S(SEND_GROUP), entry->id};
    if (entry->is_answer) {
        str key = answers_key(a, entry->bucket);
        return cache_eval(cache, a, NULL, &SCRIPT_answer_done, &key, 1, arguments, 2);
    }
    const str keys[] = {session_key(a, "session", chat_id), outbox_key(a, entry->bucket)};
    TRY(cache_eval(cache, a, NULL, &SCRIPT_outbox_done, keys, 2, arguments, 2));
    if (entry_is_gate(entry))
        TRY(cache_call(cache, a, NULL, S("DEL"), gate_key(a, chat_id, entry->job_id)));
    return NULL;
}

err *send_is_pending(const struct entry *entry, struct arena *a, bool *is_pending)
{
    str key = stream_key(a, entry->bucket, entry->is_answer ? ANSWERS : CALLS);
    redisReply *reply;
    TRY(cache_call(send_lane.w->bot->cache, a, &reply, S("XPENDING"), key, S(SEND_GROUP), entry->id,
                   entry->id, S("1")));
    *is_pending = reply_count(reply) > 0;
    return NULL;
}

/* -- reading -- */

void streams_read_again(struct bucket *bucket)
{
    bucket->wants_look = true;
}

/* Between two reads, so that what a read was asked for and what its reply is taken for are one. */
static void begin_looks(void)
{
    for (int i = 0; i < SESSION_BUCKETS; i++) {
        struct bucket *bucket = &send_lane.buckets[i];
        for (int stream = 0; bucket->wants_look && stream < STREAMS; stream++) {
            bucket->streams[stream].is_caught_up = false;
            snprintf(bucket->streams[stream].after, sizeof bucket->streams[stream].after, "0");
        }
        bucket->wants_look = false;
    }
}

static err *make_group(struct arena *a, str stream)
{
    err *e = cache_call(send_lane.w->bot->cache, a, NULL, S("XGROUP"), S("CREATE"), stream,
                        S(SEND_GROUP), S("0"), S("MKSTREAM"));
    bool is_there = e && str_starts(e->detail, S("BUSYGROUP"));
    return is_there ? NULL : e;
}

static err *make_groups(struct arena *a)
{
    for (int i = 0; i < SESSION_BUCKETS; i++) {
        struct bucket *bucket = &send_lane.buckets[i];
        if (!bucket_is_held(bucket) || bucket->has_groups)
            continue;
        for (int stream = 0; stream < STREAMS; stream++)
            TRY(make_group(a, stream_key(a, i, stream)));
        bucket->has_groups = true;
    }
    return NULL;
}

static void read_field(struct entry *entry, str name, const redisReply *value)
{
    if (str_eq(name, S("call")))
        entry->call = reply_str(value);
    else if (str_eq(name, S("chat")))
        entry->chat_id = reply_i64(value);
    else if (str_eq(name, S("slot")))
        entry->slot = reply_str(value);
    else if (str_eq(name, S("closes")))
        entry->closes = true;
    else if (str_eq(name, S("job")))
        entry->job_id = reply_i64(value);
}

/* An entry that was trimmed while it was pending has no fields; one that makes no sense helps
 * nobody. */
static void discard(const struct entry *entry, struct arena *a)
{
    err *e = send_acknowledge(entry->chat_id, entry, a);
    log_warn("send.discarded", KV("entry", entry->id), KV("chat", entry->chat_id),
             KV("acknowledged", e == NULL));
}

static bool is_known_answer(str id, int bucket)
{
    for (const struct line *line = send_lane.queue.answers; line; line = line->next)
        if (line->bucket == bucket && line_has(line, id))
            return true;
    return false;
}

static void take_entry(struct arena *a, const struct entry *from, bool is_repeat)
{
    struct line *line = NULL;
    if (!from->is_answer)
        line = queue_line(&send_lane.queue, from->chat_id, from->bucket);
    bool is_known = is_repeat &&
                    (line ? line_has(line, from->id) : is_known_answer(from->id, from->bucket));
    if (is_known)
        return;
    struct entry *entry = entry_new(a, from);
    if (!entry) {
        discard(from, a);
        return;
    }
    if (!line)
        line = queue_answer_line(&send_lane.queue, from->bucket);
    line_append(&send_lane.queue, line, entry);
    queue_ready(&send_lane.queue, line);
}

static void take_entries(struct arena *a, struct bucket *bucket, int stream,
                         const redisReply *entries)
{
    bool is_repeat = !bucket->streams[stream].is_caught_up;
    for (size_t i = 0; i < reply_count(entries); i++) {
        const redisReply *item = reply_item(entries, i), *fields = reply_item(item, 1);
        struct entry entry = {
            .id = reply_str(reply_item(item, 0)),
            .bucket = bucket->number,
            .is_answer = stream == ANSWERS,
            .is_repeat = is_repeat,
        };
        for (size_t k = 0; k + 1 < reply_count(fields); k += 2)
            read_field(&entry, reply_str(reply_item(fields, k)), reply_item(fields, k + 1));
        if (is_repeat)
            snprintf(bucket->streams[stream].after, sizeof bucket->streams[stream].after, STR_FMT,
                     STR_ARG(entry.id));
        take_entry(a, &entry, is_repeat);
    }
    if (is_repeat && reply_count(entries) == 0)
        bucket->streams[stream].is_caught_up = true;
}

/* Which stream a key names: it was made by stream_key(). */
static bool stream_of_key(str key, struct bucket **bucket, int *stream)
{
    int64_t number;
    size_t brace;
    if (!str_find(key, S("{b"), &brace) || !str_to_i64(str_sub(key, brace + 2, 2), &number) ||
        number < 0 || number >= SESSION_BUCKETS)
        return false;
    *bucket = &send_lane.buckets[number];
    *stream = str_starts(key, S("out:")) ? CALLS : ANSWERS;
    return true;
}

/* The streams that are still being caught up with, or those where only new entries matter. */
static size_t choose_streams(struct arena *a, bool caught_up, str *keys, str *ids)
{
    size_t count = 0;
    for (int i = 0; i < SESSION_BUCKETS; i++) {
        const struct bucket *bucket = &send_lane.buckets[i];
        for (int stream = 0; stream < STREAMS; stream++) {
            if (!bucket_is_held(bucket) || !bucket->has_groups ||
                bucket->streams[stream].is_caught_up != caught_up)
                continue;
            keys[count] = stream_key(a, i, stream);
            ids[count++] = caught_up ? S(">") : str_dup(a, str_from(bucket->streams[stream].after));
        }
    }
    return count;
}

static err *read_streams(struct arena *a, bool caught_up, size_t *stream_count,
                         const redisReply **reply)
{
    enum { FIRST_WORDS = 9, MOST = SESSION_BUCKETS * STREAMS };
    str words[FIRST_WORDS + 2 * MOST], ids[MOST], keys[MOST];
    size_t count = choose_streams(a, caught_up, keys, ids), n = 0;
    *stream_count = count;
    if (count == 0)
        return NULL;
    words[n++] = S("XREADGROUP");
    words[n++] = S("GROUP");
    words[n++] = S(SEND_GROUP);
    words[n++] = str_from(consumer);
    words[n++] = S("COUNT");
    words[n++] = send_digits(a, ENTRIES_PER_READ);
    if (caught_up) {
        words[n++] = S("BLOCK");
        words[n++] = send_digits(a, READ_BLOCK_MS);
    }
    words[n++] = S("STREAMS");
    memcpy(words + n, keys, count * sizeof *keys);
    memcpy(words + n + count, ids, count * sizeof *ids);
    redisReply *answer;
    TRY(cache_run(send_lane.reader, a, &answer, words, n + 2 * count));
    *reply = answer;
    return NULL;
}

/* True when there was something. A turn that queued work mostly said so to the user too: whatever
 * arrives is a reason to look for jobs. */
static err *read_once(struct arena *a, bool caught_up, bool *has_streams)
{
    const redisReply *reply = NULL;
    size_t stream_count;
    arena_reset(a); /* one reply at a time: a long backlog is read in many */
    begin_looks();
    TRY(read_streams(a, caught_up, &stream_count, &reply));
    *has_streams = stream_count > 0;
    for (size_t i = 0; i < reply_count(reply); i++) {
        const redisReply *item = reply_item(reply, i);
        struct bucket *bucket;
        int stream;
        if (stream_of_key(reply_str(reply_item(item, 0)), &bucket, &stream))
            take_entries(a, bucket, stream, reply_item(item, 1));
    }
    if (reply_count(reply) > 0 && caught_up)
        worker_wake(send_lane.w, SLEEP_FOR_JOBS);
    lines_start();
    return NULL;
}

static err *read_round(struct arena *a)
{
    bool is_behind = true, is_reading = false;
    TRY(make_groups(a));
    while (is_behind && send_lane.queue.entry_count < ENTRIES_HELD_MAX)
        TRY(read_once(a, false, &is_behind));
    if (send_lane.queue.entry_count < ENTRIES_HELD_MAX)
        TRY(read_once(a, true, &is_reading));
    if (!is_reading)
        worker_sleep(send_lane.w, READ_PAUSE_MS, SLEEP_PLAIN);
    return NULL;
}

/* After a failed read nobody knows what was delivered. Where the streams are gone the groups are
 * too. */
static void recover_reading(const err *e)
{
    bool is_wiped = str_starts(e->detail, S("NOGROUP")) || str_starts(e->detail, S("UNBLOCKED"));
    for (int i = 0; i < SESSION_BUCKETS; i++) {
        streams_read_again(&send_lane.buckets[i]);
        if (is_wiped)
            send_lane.buckets[i].has_groups = false;
    }
    if (is_wiped)
        log_warn("send.streams_gone", KV("detail", e->detail));
    else
        log_err("send.not_read", e, KVS());
}

void run_send_reader(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(SEND_ARENA_BYTES);
    while (!send_lane.w->is_draining) {
        err *e = read_round(a);
        if (e) {
            recover_reading(e);
            worker_sleep(send_lane.w, READ_PAUSE_MS, SLEEP_PLAIN);
        }
        arena_reset(a);
    }
    arena_free(a);
    worker_task_over(send_lane.w);
}
