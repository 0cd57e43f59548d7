/*
 * The lane that calls Telegram. docs/redis.md tells what lies in Redis.
 *
 * Whoever holds a bucket's lease reads its two streams: first what the holder
 * before left unacknowledged, then what is new. Each chat has a line here, and
 * a line with work has a task that makes its calls one after another. What is
 * in a line stays in its stream until it is acknowledged.
 */
#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "db/scripts.h"
#include "db/session.h"
#include "handlers/outbox.h"
#include "lanes/lanes.h"
#include "lanes/send_queue.h"

enum {
    LINES_AT_WORK_MAX = 256,
    ENTRIES_HELD_MAX = 4096,
    ENTRIES_PER_READ = 64, /* of each stream */
    READ_BLOCK_MS = 1000,
    READ_PAUSE_MS = 200,
    READ_TIMEOUT_MS = 5000,
    CALL_ARENA_BYTES = 16 << 20,
    LANE_ARENA_BYTES = 64 << 20,
    LINE_STACK_KIB = 256, /* a gate runs a whole job */
    LANE_STACK_KIB = 128,
    WORKER_SILENCE_MS = 10 * 1000,
    RETRY_FIRST_MS = 500,
    RETRY_MOST_MS = 30 * 1000,
    ANSWER_LIFE_MS = 150 * 1000, /* Telegram takes no later answer to a tap */
    CALL_LIFE_MS = 24 * 3600 * 1000,
    CHAT_BURST = 3,
    BURST_PART = 10, /* of a second's messages may go at once */
    GATE_LIFE_S = 60,
    GATE_KEEP_EVERY_MS = 20 * 1000,
    GATE_LOOK_EVERY_MS = 1000,
    GATE_WAIT_MOST_MS = 2000,
    GATES_PER_PAGE = 200,
    BEAT_EVERY_MS = 1000,
    COUNTS_KEPT = 3,
    END_LOOK_EVERY_MS = 20,
};

static const char group[] = "send";
/* One name for all: the pending entries of a stream pass from holder to holder with the lease. */
static const char consumer[] = "holder";
static const char pause_key[] = "send:pause";

enum { CALLS, ANSWERS, STREAMS };

struct bucket {
    int number;
    struct lease lease;
    bool is_ours;    /* as the last beat left it; see may_send() */
    bool is_leaving; /* another worker shall have it once its calls under way are done */
    bool has_groups;
    struct {
        bool is_caught_up;
        char after[48]; /* id of the last entry read again */
    } streams[STREAMS];
    size_t lines_at_work;
};

static struct {
    struct worker *w;
    struct cache *reader; /* its commands block, so it has a connection of its own */
    struct bucket buckets[SESSION_BUCKETS];
    struct queue queue;
    struct pace pace;
    size_t lines_at_work;
    int64_t paused_until_ms;
    bool is_away;                /* Telegram did not answer last time */
    int64_t counts[COUNTS_KEPT]; /* of workers, at the last beats */
    size_t beats;
} lane;

/* -- keys -- */

static str stream_key(struct arena *a, int bucket, int stream)
{
    return stream == CALLS ? outbox_key(a, bucket) : answers_key(a, bucket);
}

static str gate_key(struct arena *a, int64_t chat_id, int64_t job_id)
{
    return str_printf(a, "gate:{b%02d}:%" PRId64, session_bucket(chat_id), job_id);
}

static str digits(struct arena *a, int64_t number)
{
    return str_printf(a, "%" PRId64, number);
}

/* -- whether to go on -- */

static struct bucket *bucket_of(const struct line *line)
{
    return &lane.buckets[line->bucket];
}

/* Asked before every call: what is not ours by now is another's to send. */
static bool may_send(const struct line *line)
{
    const struct bucket *bucket = bucket_of(line);
    return !lane.w->is_draining && bucket->is_ours && !bucket->is_leaving &&
           lease_is_held(&bucket->lease);
}

/* -- pace -- */

static bool sleep_until(int64_t at_ms)
{
    int64_t ms = at_ms - clock_steady_ms();
    return ms <= 0 || worker_sleep(lane.w, ms, SLEEP_PLAIN);
}

/* The limits are the bot's, not the worker's: each takes its part. Burst and flow together stay within
 * the limit in any second. */
static int64_t reserve_place(void)
{
    double all = (double)lane.w->bot->conf->send_messages_per_second / (double)lane.w->alive;
    double burst = all / BURST_PART > 1 ? all / BURST_PART : 1;
    double flow = all - burst > all / 2 ? all - burst : all;
    return pace_reserve(&lane.pace, clock_steady_ms(), flow, burst);
}

static bool await_pace(struct line *line)
{
    double per_second = (double)lane.w->bot->conf->send_chat_messages_per_second;
    int64_t at_ms = pace_reserve(&line->pace, clock_steady_ms(), per_second, CHAT_BURST);
    return sleep_until(at_ms) && sleep_until(reserve_place());
}

void send_pause(struct worker *w, struct arena *a, int64_t ms)
{
    lane.paused_until_ms = clock_steady_ms() + ms;
    log_warn("send.paused", KV("ms", ms));
    err *e = cache_call(w->bot->cache, a, NULL, S("SET"), str_from(pause_key), w->name, S("PX"),
                        digits(a, ms));
    if (e)
        log_err("send.pause_not_shared", e, KVS());
}

/* When a pause ends all who waited would go at once, and the next pause would follow: they line up anew. */
static err *await_pause_end(struct arena *a)
{
    redisReply *reply;
    TRY(cache_call(lane.w->bot->cache, a, &reply, S("PTTL"), str_from(pause_key)));
    int64_t until_ms = clock_steady_ms() + reply_i64(reply);
    if (until_ms > lane.paused_until_ms)
        lane.paused_until_ms = until_ms;
    while (clock_steady_ms() < lane.paused_until_ms)
        if (!sleep_until(lane.paused_until_ms) || !sleep_until(reserve_place()))
            break;
    return NULL;
}

/* -- acknowledging -- */

static err *acknowledge(const struct line *line, const struct entry *entry, struct arena *a)
{
    struct cache *cache = lane.w->bot->cache;
    const str arguments[] = {str_from(group), entry->id};
    if (entry->is_answer) {
        str key = answers_key(a, entry->bucket);
        return cache_eval(cache, a, NULL, &SCRIPT_answer_done, &key, 1, arguments, 2);
    }
    const str keys[] = {session_key(a, "session", line->chat_id), outbox_key(a, entry->bucket)};
    TRY(cache_eval(cache, a, NULL, &SCRIPT_outbox_done, keys, 2, arguments, 2));
    if (entry_is_gate(entry))
        TRY(cache_call(cache, a, NULL, S("DEL"), gate_key(a, line->chat_id, entry->job_id)));
    return NULL;
}

/* What was made must not be made again, so this is tried for as long as the bucket is ours. */
static void finish_first(struct line *line, struct arena *a)
{
    for (int tries = 0;; tries++) {
        err *e = acknowledge(line, line->first, a);
        if (!e)
            break;
        log_err("send.not_acknowledged", e, KVS(KV("entry", line->first->id)));
        if (!err_is_waiting(e) || !lease_is_held(&bucket_of(line)->lease))
            break;
        if (!worker_sleep(lane.w, backoff_ms(tries, RETRY_FIRST_MS, RETRY_MOST_MS), SLEEP_PLAIN))
            break;
        arena_reset(a);
    }
    line_drop_first(&lane.queue, line);
}

/* Nobody reads there any more. Gates stay: their jobs have an end of their own. */
static void drop_calls(struct line *line, struct arena *a)
{
    size_t dropped = 0;
    while (line->first && !entry_is_gate(line->first) && may_send(line)) {
        finish_first(line, a);
        arena_reset(a);
        dropped++;
    }
    if (dropped > 0)
        log_info("send.dropped", KV("chat", line->chat_id), KV("calls", dropped));
}

/* -- one try -- */

enum tried {
    TRIED_OVER,  /* made, refused for good, or of no use any more */
    TRIED_GONE,  /* the same, and nobody is there to read the rest */
    TRIED_AGAIN, /* later: nothing is lost by waiting */
    TRIED_NOT,   /* not ours to make */
};

static bool is_too_old(const struct entry *entry)
{
    int64_t age_ms = clock_ms() - entry_queued_ms(entry);
    return age_ms > (entry->is_answer ? ANSWER_LIFE_MS : CALL_LIFE_MS);
}

static int64_t retry_ms(const err *e, int tries)
{
    return e->retry_ms > 0 ? e->retry_ms : backoff_ms(tries, RETRY_FIRST_MS, RETRY_MOST_MS);
}

static void telegram_met(struct arena *a, const err *e)
{
    bool is_telegram = !e || str_starts(e->message, S("telegram:")) ||
                       str_starts(e->message, S("http:"));
    if (!is_telegram)
        return;
    bool was_away = lane.is_away;
    lane.is_away = e && err_is_waiting(e) && e->retry_ms == 0;
    worker_met(lane.w, "telegram", lane.is_away ? e : NULL);
    if (e && e->retry_ms > 0)
        send_pause(lane.w, a, e->retry_ms);
    if (was_away && !lane.is_away)
        worker_wake(lane.w, SLEEP_AWAY);
}

static err *make_call(struct line *line, struct arena *a)
{
    const struct entry *entry = line->first;
    const struct outbox_call call = {
        .chat_id = line->chat_id,
        .call = entry->call,
        .slot = entry->slot,
        .closes = entry->closes,
    };
    struct db *db = db_new(lane.w->bot->pool, a);
    err *e = outbox_make(lane.w->bot, db, a, &call, NULL);
    telegram_met(a, e);
    if (!e || e->kind != ERR_NOT_FOUND)
        return e;
    err *unmarked = db_commit(db); /* that the user is out of reach */
    return unmarked ? unmarked : e;
}

static enum tried judge_call(const struct line *line, const err *e, int tries, int64_t *wait_ms)
{
    if (!e)
        return TRIED_OVER;
    if (e->kind == ERR_NOT_FOUND)
        return TRIED_GONE;
    if (err_is_waiting(e)) {
        log_info("send.postponed", KV("chat", line->chat_id), KV("method", line->first->method),
                 KV("message", e->message), KV("tries", tries + 1));
        *wait_ms = retry_ms(e, tries);
        return TRIED_AGAIN;
    }
    log_err("send.refused", e, KVS(KV("method", line->first->method), KV("chat", line->chat_id)));
    return TRIED_OVER;
}

static enum tried try_call(struct line *line, struct arena *a, int tries, int64_t *wait_ms)
{
    if (is_too_old(line->first)) {
        log_info("send.too_late", KV("method", line->first->method), KV("chat", line->chat_id));
        return TRIED_OVER;
    }
    if (!line->is_answer && !await_pace(line))
        return TRIED_NOT;
    err *e = await_pause_end(a);
    if (!e && !may_send(line))
        return TRIED_NOT;
    if (!e)
        e = make_call(line, a);
    return judge_call(line, e, tries, wait_ms);
}

/* -- a gate: the place of a result among the chat's calls -- */

static err *gate_wait(struct arena *a, int64_t job_id, int64_t *wait_ms)
{
    return job_gate(db_new(lane.w->bot->pool, a), job_id, wait_ms);
}

static err *take_gate_job(struct arena *a, int64_t job_id, struct job *job, bool *taken)
{
    struct db *db = db_new(lane.w->bot->pool, a);
    TRY(job_take_one(db, job_id, lane.w->name, job, taken));
    return db_commit(db);
}

/* While its job waits, the chat waits: what was queued behind a result belongs behind it. */
static enum tried try_gate(struct line *line, struct arena *a, int tries, int64_t *wait_ms)
{
    int64_t job_id = line->first->job_id, due_in_ms;
    err *e = gate_wait(a, job_id, &due_in_ms);
    if (e)
        return judge_call(line, e, tries, wait_ms);
    if (due_in_ms < 0)
        return TRIED_OVER;
    *wait_ms = due_in_ms < GATE_WAIT_MOST_MS ? due_in_ms : GATE_WAIT_MOST_MS;
    if (due_in_ms > 0)
        return TRIED_AGAIN;

    if (!await_pace(line))
        return TRIED_NOT;
    e = await_pause_end(a);
    if (!e && !may_send(line))
        return TRIED_NOT;
    struct job job;
    bool taken = false;
    if (!e)
        e = take_gate_job(a, job_id, &job, &taken);
    if (e)
        return judge_call(line, e, tries, wait_ms);
    if (taken)
        job_run(lane.w, &job);
    else
        *wait_ms = GATE_WAIT_MOST_MS; /* a holder before us may be at it still */
    return TRIED_AGAIN;
}

/* -- a line at work -- */

static void start_lines(void);

static enum tried try_first(struct line *line, struct arena *a)
{
    for (int tries = 0; may_send(line); tries++) {
        arena_reset(a);
        if (entry_is_superseded(line->first, line->first->next))
            return TRIED_OVER;
        int64_t wait_ms = 0;
        enum tried tried = entry_is_gate(line->first) ? try_gate(line, a, tries, &wait_ms)
                                                      : try_call(line, a, tries, &wait_ms);
        if (tried != TRIED_AGAIN)
            return tried;
        if (wait_ms > 0 && !worker_sleep(lane.w, wait_ms, SLEEP_AWAY))
            return TRIED_NOT;
    }
    return TRIED_NOT;
}

static void work_line(struct line *line, struct arena *a)
{
    while (line->first) {
        enum tried tried = try_first(line, a);
        if (tried == TRIED_NOT)
            return;
        finish_first(line, a);
        if (tried == TRIED_GONE)
            drop_calls(line, a);
        arena_reset(a);
    }
}

/* What is left over when the bucket went to another is that one's now. */
static void run_line(void *argument)
{
    struct line *line = argument;
    struct arena *a = arena_new(CALL_ARENA_BYTES);
    work_line(line, a);
    arena_free(a);
    line->is_running = false;
    if (!may_send(line))
        line_clear(&lane.queue, line);
    bucket_of(line)->lines_at_work--;
    lane.lines_at_work--;
    start_lines();
    worker_task_over(lane.w);
}

static void start_lines(void)
{
    while (lane.lines_at_work < LINES_AT_WORK_MAX && !lane.w->is_draining) {
        struct line *line = queue_next(&lane.queue);
        if (!line)
            return;
        if (!line->first)
            continue;
        line->is_running = true;
        lane.lines_at_work++;
        bucket_of(line)->lines_at_work++;
        worker_start(lane.w, run_line, line, LINE_STACK_KIB);
    }
}

/* -- reading the streams -- */

static bool is_held(const struct bucket *bucket)
{
    return bucket->is_ours && !bucket->is_leaving && lease_is_held(&bucket->lease);
}

/* What was delivered to a reader that never saw it is found among the pending ones. */
static void read_again(struct bucket *bucket)
{
    for (int i = 0; i < STREAMS; i++) {
        bucket->streams[i].is_caught_up = false;
        snprintf(bucket->streams[i].after, sizeof bucket->streams[i].after, "0");
    }
}

static err *make_group(struct arena *a, str stream)
{
    err *e = cache_call(lane.w->bot->cache, a, NULL, S("XGROUP"), S("CREATE"), stream,
                        str_from(group), S("0"), S("MKSTREAM"));
    bool is_there = e && str_starts(e->detail, S("BUSYGROUP"));
    return is_there ? NULL : e;
}

static err *make_groups(struct arena *a)
{
    for (int i = 0; i < SESSION_BUCKETS; i++) {
        struct bucket *bucket = &lane.buckets[i];
        if (!is_held(bucket) || bucket->has_groups)
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

/* An entry that was trimmed while it was pending has no fields; one that makes no sense helps nobody. */
static void discard(const struct entry *entry, struct arena *a)
{
    const struct line line = {.chat_id = entry->chat_id, .bucket = entry->bucket};
    err *e = acknowledge(&line, entry, a);
    log_warn("send.discarded", KV("entry", entry->id), KV("chat", entry->chat_id),
             KV("acknowledged", e == NULL));
}

static bool is_known_answer(str id, int bucket)
{
    for (const struct line *line = lane.queue.answers; line; line = line->next)
        if (line->bucket == bucket && line_has(line, id))
            return true;
    return false;
}

static void take_entry(struct arena *a, const struct entry *from, bool is_repeat)
{
    struct line *line = NULL;
    if (!from->is_answer)
        line = queue_line(&lane.queue, from->chat_id, from->bucket);
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
        line = queue_answer_line(&lane.queue, from->bucket);
    line_append(&lane.queue, line, entry);
    queue_ready(&lane.queue, line);
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
    *bucket = &lane.buckets[number];
    *stream = str_starts(key, S("out:")) ? CALLS : ANSWERS;
    return true;
}

/* The streams that are still being caught up with, or those where only new entries matter. */
static size_t choose_streams(struct arena *a, bool caught_up, str *keys, str *ids)
{
    size_t count = 0;
    for (int i = 0; i < SESSION_BUCKETS; i++) {
        const struct bucket *bucket = &lane.buckets[i];
        for (int stream = 0; stream < STREAMS; stream++) {
            if (!is_held(bucket) || !bucket->has_groups ||
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
    words[n++] = str_from(group);
    words[n++] = str_from(consumer);
    words[n++] = S("COUNT");
    words[n++] = digits(a, ENTRIES_PER_READ);
    if (caught_up) {
        words[n++] = S("BLOCK");
        words[n++] = digits(a, READ_BLOCK_MS);
    }
    words[n++] = S("STREAMS");
    memcpy(words + n, keys, count * sizeof *keys);
    memcpy(words + n + count, ids, count * sizeof *ids);
    redisReply *answer;
    TRY(cache_run(lane.reader, a, &answer, words, n + 2 * count));
    *reply = answer;
    return NULL;
}

/* True when there was something. A turn that queued work mostly said so to the user too: whatever
 * arrives is a reason to look for jobs. */
static err *read_once(struct arena *a, bool caught_up, bool *has_streams)
{
    const redisReply *reply = NULL;
    size_t stream_count;
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
        worker_wake(lane.w, SLEEP_FOR_JOBS);
    start_lines();
    return NULL;
}

static err *read_round(struct arena *a)
{
    bool is_behind = true, is_reading = false;
    TRY(make_groups(a));
    while (is_behind && lane.queue.entry_count < ENTRIES_HELD_MAX)
        TRY(read_once(a, false, &is_behind));
    if (lane.queue.entry_count < ENTRIES_HELD_MAX)
        TRY(read_once(a, true, &is_reading));
    if (!is_reading)
        worker_sleep(lane.w, READ_PAUSE_MS, SLEEP_PLAIN);
    return NULL;
}

/* After a failed read nobody knows what was delivered. Where the streams are gone the groups are too. */
static void recover_reading(const err *e)
{
    bool is_wiped = str_starts(e->detail, S("NOGROUP")) || str_starts(e->detail, S("UNBLOCKED"));
    for (int i = 0; i < SESSION_BUCKETS; i++) {
        read_again(&lane.buckets[i]);
        if (is_wiped)
            lane.buckets[i].has_groups = false;
    }
    if (is_wiped)
        log_warn("send.streams_gone", KV("detail", e->detail));
    else
        log_err("send.not_read", e, KVS());
}

static void run_reader(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(LANE_ARENA_BYTES);
    while (!lane.w->is_draining) {
        err *e = read_round(a);
        if (e) {
            recover_reading(e);
            worker_sleep(lane.w, READ_PAUSE_MS, SLEEP_PLAIN);
        }
        arena_reset(a);
    }
    arena_free(a);
    worker_task_over(lane.w);
}

/* -- holding buckets -- */

static void clear_if_of(struct queue *q, struct line *line, void *bucket)
{
    if (bucket_of(line) == bucket)
        line_clear(q, line);
}

static void lose(struct bucket *bucket)
{
    bucket->is_ours = bucket->is_leaving = bucket->has_groups = false;
    queue_each(&lane.queue, clear_if_of, bucket);
}

static void gain(struct bucket *bucket)
{
    bucket->is_ours = true;
    bucket->is_leaving = bucket->has_groups = false;
    read_again(bucket);
}

/* One that is to go stays ours until its calls under way are done. */
static void keep_bucket(struct bucket *bucket, struct arena *a)
{
    if (bucket->is_leaving && bucket->lines_at_work == 0) {
        lose(bucket);
        lease_give_back(lane.w, a, &bucket->lease);
        return;
    }
    bool was_held = lease_is_held(&bucket->lease);
    if (was_held && !lease_is_due(&bucket->lease))
        return;
    err *e = lease_hold(lane.w, a, &bucket->lease);
    if (e)
        log_debug("send.lease_unknown", KV("bucket", bucket->number), KV("message", e->message));
    if (!was_held || !lease_is_held(&bucket->lease)) {
        lose(bucket);
        if (lease_is_held(&bucket->lease))
            gain(bucket);
    }
}

static void keep_buckets(struct arena *a)
{
    for (int i = 0; i < SESSION_BUCKETS; i++)
        if (lane.buckets[i].is_ours)
            keep_bucket(&lane.buckets[i], a);
}

static void take_buckets(struct arena *a, size_t wanted)
{
    size_t start = random_below(SESSION_BUCKETS);
    for (size_t i = 0; i < SESSION_BUCKETS && wanted > 0; i++) {
        struct bucket *bucket = &lane.buckets[(start + i) % SESSION_BUCKETS];
        if (bucket->is_ours)
            continue;
        err *e = lease_hold(lane.w, a, &bucket->lease);
        if (e)
            return;
        if (lease_is_held(&bucket->lease)) {
            gain(bucket);
            wanted--;
        }
    }
}

static void leave_buckets(size_t surplus)
{
    for (int i = 0; i < SESSION_BUCKETS && surplus > 0; i++) {
        struct bucket *bucket = &lane.buckets[i];
        if (!bucket->is_ours || bucket->is_leaving)
            continue;
        bucket->is_leaving = true;
        queue_each(&lane.queue, clear_if_of, bucket);
        surplus--;
    }
}

/* A fair share, rounded up; the last bucket finds its holder too. */
static void balance(struct arena *a)
{
    size_t held = 0;
    for (int i = 0; i < SESSION_BUCKETS; i++)
        held += lane.buckets[i].is_ours && !lane.buckets[i].is_leaving;
    size_t alive = (size_t)lane.w->alive;
    size_t share = (SESSION_BUCKETS + alive - 1) / alive;
    if (held < share)
        take_buckets(a, share - held);
    else
        leave_buckets(held - share);
}

static int64_t most_of(const int64_t *counts, size_t count)
{
    int64_t most = 1;
    for (size_t i = 0; i < count; i++)
        if (counts[i] > most)
            most = counts[i];
    return most;
}

/* The most of the last counts is believed: after Redis was wiped the first to beat counts itself alone,
 * and would take away what the others still hold. */
static err *count_workers(struct arena *a)
{
    const str key = S("workers");
    const str arguments[] = {lane.w->name, digits(a, WORKER_SILENCE_MS)};
    redisReply *reply;
    TRY(cache_eval(lane.w->bot->cache, a, &reply, &SCRIPT_worker_beat, &key, 1, arguments, 2));
    lane.counts[lane.beats++ % COUNTS_KEPT] = reply_i64(reply);
    int64_t alive = most_of(lane.counts, COUNTS_KEPT);
    if (alive != lane.w->alive)
        log_info("worker.counted", KV("alive", alive));
    lane.w->alive = alive;
    return NULL;
}

/* -- gates: places for the results that are due -- */

enum { GATES_KEPT_AT_ONCE = 256 };

struct gate_keeping {
    struct arena *arena;
    int64_t now_ms;
    str keys[GATES_KEPT_AT_ONCE];
    size_t count;
};

/* Only collects: lines change while a task waits for Redis. */
static void collect_gates(struct queue *q, struct line *line, void *owner)
{
    (void)q;
    struct gate_keeping *keeping = owner;
    for (struct entry *entry = line->first; entry; entry = entry->next) {
        bool is_due = entry_is_gate(entry) &&
                      keeping->now_ms >= entry->gate_kept_ms + GATE_KEEP_EVERY_MS;
        if (!is_due || keeping->count == GATES_KEPT_AT_ONCE)
            continue;
        entry->gate_kept_ms = keeping->now_ms;
        keeping->keys[keeping->count++] = gate_key(keeping->arena, line->chat_id, entry->job_id);
    }
}

/* A gate that waits in memory says that it is there, so that its job gets no second one. */
static void keep_gates(struct arena *a)
{
    struct gate_keeping *keeping = NEW(a, struct gate_keeping);
    keeping->arena = a;
    keeping->now_ms = clock_steady_ms();
    queue_each(&lane.queue, collect_gates, keeping);
    for (size_t i = 0; i < keeping->count; i++)
        if (cache_call(lane.w->bot->cache, a, NULL, S("SET"), keeping->keys[i], S("1"), S("EX"),
                       digits(a, GATE_LIFE_S)))
            return;
}

static err *add_gate(struct arena *a, const struct due_send *due)
{
    int bucket = session_bucket(due->chat_id);
    const str keys[] = {
        gate_key(a, due->chat_id, due->job_id),
        session_key(a, "session", due->chat_id),
        outbox_key(a, bucket),
    };
    const str arguments[] = {
        digits(a, GATE_LIFE_S), S("call"), S(""), S("chat"), digits(a, due->chat_id), S("job"),
        digits(a, due->job_id),
    };
    return cache_eval(lane.w->bot->cache, a, NULL, &SCRIPT_gate_add, keys, ARRAY_LEN(keys),
                      arguments, ARRAY_LEN(arguments));
}

static err *add_gates(struct arena *a, int64_t *after_id)
{
    struct due_send *due;
    size_t count;
    TRY(job_send_due(db_new(lane.w->bot->pool, a), a, *after_id, GATES_PER_PAGE, &due, &count));
    for (size_t i = 0; i < count; i++) {
        if (due[i].chat_id)
            TRY(add_gate(a, &due[i]));
        else
            log_error("send.job_without_chat", KV("job", due[i].job_id));
    }
    *after_id = count == GATES_PER_PAGE ? due[count - 1].job_id : 0;
    return NULL;
}

static void run_gates(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(LANE_ARENA_BYTES);
    int64_t after_id = 0;
    do {
        err *e = add_gates(a, &after_id);
        if (e)
            log_err("send.gates_not_added", e, KVS());
        arena_reset(a);
    } while (worker_sleep(lane.w, after_id ? 1 : GATE_LOOK_EVERY_MS, SLEEP_FOR_JOBS));
    arena_free(a);
    worker_task_over(lane.w);
}

/* -- the beat -- */

static void beat(struct arena *a)
{
    err *e = count_workers(a);
    if (e)
        log_debug("worker.not_counted", KV("message", e->message));
    keep_buckets(a);
    if (!e)
        balance(a);
    keep_gates(a);
    queue_tidy(&lane.queue, clock_steady_ms());
}

/* Calls under way end first: what is given back before that would be sent twice. */
static void end_lane(struct arena *a)
{
    while (lane.lines_at_work > 0) {
        keep_buckets(a);
        arena_reset(a);
        task_sleep_ms(END_LOOK_EVERY_MS);
    }
    for (int i = 0; i < SESSION_BUCKETS; i++)
        if (lane.buckets[i].is_ours)
            lease_give_back(lane.w, a, &lane.buckets[i].lease);
    err *e = cache_call(lane.w->bot->cache, a, NULL, S("ZREM"), S("workers"), lane.w->name);
    if (e)
        log_debug("worker.not_signed_off", KV("message", e->message));
}

static void run_beat(void *unused)
{
    (void)unused;
    struct arena *a = arena_new(LANE_ARENA_BYTES);
    do {
        beat(a);
        arena_reset(a);
    } while (worker_sleep(lane.w, BEAT_EVERY_MS, SLEEP_PLAIN));
    end_lane(a);
    arena_free(a);
    worker_task_over(lane.w);
}

void lane_send_start(struct worker *w)
{
    lane.w = w;
    lane.reader = cache_new(w->bot->conf->redis_url, READ_TIMEOUT_MS);
    queue_init(&lane.queue);
    for (int i = 0; i < SESSION_BUCKETS; i++) {
        struct bucket *bucket = &lane.buckets[i];
        static char keys[SESSION_BUCKETS][sizeof "lease:{b00}"];
        snprintf(keys[i], sizeof keys[i], "lease:{b%02u}", (unsigned)i % 100);
        bucket->number = i;
        bucket->lease.key = str_from(keys[i]);
        read_again(bucket);
    }
    worker_start(w, run_beat, NULL, LANE_STACK_KIB);
    worker_start(w, run_reader, NULL, LANE_STACK_KIB);
    worker_start(w, run_gates, NULL, LANE_STACK_KIB);
}
