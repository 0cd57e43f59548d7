#include "db/cache.h"

#include <openssl/sha.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"

enum {
    CONNECT_TIMEOUT_MS = 2000,
    PAUSE_FIRST_MS = 50,
    PAUSE_MOST_MS = 1000,
    OUTPUT_KEPT_BYTES = 1 << 20, /* a larger output buffer is given back once it is empty */
    CONNECT_HOOKS_MOST = 4,
    INPUT_KEPT_BYTES = 64 << 10, /* the same of the reader, which holds what came in one round */
    SETTINGS_BYTES = 16 << 10,
    STRAY_BYTES = 1 << 20, /* replies to the greeting, and those nobody asked for */
    DATABASE_NUMBER_MOST = 1 << 16,
    WORD_LISTS = 3,
    ERROR_NAME_MOST = 16,
    SHA_BYTES = SHA_DIGEST_LENGTH,
};

enum cache_state {
    DOWN,
    CONNECTING,
    GREETING, /* AUTH, SELECT and PING are under way: up is what answers, not what accepts */
    UP,
};

enum call_state { WAITING, SENT, ANSWERED, FAILED_UNREACHABLE, FAILED_UNKNOWN };

/* A command of a task; lives on that task's stack. Its words stay where the
 * caller has them, in up to three lists, until they are encoded. */
struct call {
    struct task *task;
    struct arena *arena;
    struct {
        const str *words;
        size_t count;
    } lists[WORD_LISTS];
    enum call_state state;
    redisReply *reply;
    int64_t since_ms;
    struct call *next; /* in the waiting room */
};

/* A reply that is owed by the server, in the order of the commands. */
struct owed {
    struct call *call;  /* NULL: part of the greeting */
    uint64_t begins_at; /* first byte of the command in all that this connection sends */
    int64_t since_ms;
};

struct cache {
    struct arena *settings, *stray;
    const char *host, *path; /* one of the two */
    int port;
    str user, password;
    int64_t database, timeout_ms;

    enum cache_state state;
    redisContext *redis;
    struct watch watch;
    struct timer connect_timer; /* DOWN: the next attempt; CONNECTING, GREETING: its deadline */
    struct timer stall_timer;   /* looks now and then at the one that waits longest */
    int failures;               /* attempts to connect since it was last up */

    char *output;
    size_t output_len, output_capacity, output_sent;
    uint64_t sent_before; /* bytes sent on this connection before output[0] */

    struct owed *owed; /* ring; capacity is a power of two */
    size_t owed_first, owed_count, owed_capacity;
    struct call *room_first, **room_last; /* the waiting room: not encoded yet */

    struct {
        void (*run)(struct cache *c, void *owner);
        void *owner;
    } on_connect[CONNECT_HOOKS_MOST];
    size_t on_connect_count;
    struct task *hook_task; /* while it runs the others wait in the room */

    struct cache *next;
};

static struct cache *all_caches;

/* -- the output -- */

static void *grown(void *memory, size_t count, size_t size)
{
    void *larger = reallocarray(memory, count, size);
    if (!larger)
        abort();
    return larger;
}

static void reserve_output(struct cache *c, size_t more)
{
    size_t needed = c->output_len + more;
    if (needed <= c->output_capacity)
        return;
    size_t capacity = c->output_capacity ? c->output_capacity : 16 << 10;
    while (capacity < needed)
        capacity *= 2;
    c->output = grown(c->output, capacity, 1);
    c->output_capacity = capacity;
}

static void put_bytes(struct cache *c, const char *bytes, size_t len)
{
    if (len == 0)
        return;
    memcpy(c->output + c->output_len, bytes, len);
    c->output_len += len;
}

enum { LENGTH_LINE_MOST = 24 }; /* a sign, 20 digits and the line end */

static void put_length(struct cache *c, char sign, size_t n)
{
    char line[LENGTH_LINE_MOST];
    char *end = line + sizeof line, *p = end;
    *--p = '\n';
    *--p = '\r';
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    *--p = sign;
    put_bytes(c, p, (size_t)(end - p));
}

static void put_word(struct cache *c, str word)
{
    reserve_output(c, word.len + LENGTH_LINE_MOST + 2);
    put_length(c, '$', word.len);
    put_bytes(c, word.ptr, word.len);
    put_bytes(c, "\r\n", 2);
}

static void put_count(struct cache *c, size_t words)
{
    reserve_output(c, LENGTH_LINE_MOST);
    put_length(c, '*', words);
}

static void owe(struct cache *c, struct call *call, int64_t since_ms)
{
    if (c->owed_count == c->owed_capacity) {
        size_t capacity = c->owed_capacity ? c->owed_capacity * 2 : 64;
        struct owed *larger = grown(NULL, capacity, sizeof *larger);
        for (size_t i = 0; i < c->owed_count; i++)
            larger[i] = c->owed[(c->owed_first + i) & (c->owed_capacity - 1)];
        free(c->owed);
        c->owed = larger;
        c->owed_capacity = capacity;
        c->owed_first = 0;
    }
    size_t place = (c->owed_first + c->owed_count++) & (c->owed_capacity - 1);
    c->owed[place] = (struct owed){call, c->sent_before + c->output_len, since_ms};
}

static void encode(struct cache *c, struct call *call)
{
    size_t words = 0;
    for (size_t i = 0; i < WORD_LISTS; i++)
        words += call->lists[i].count;
    owe(c, call, call->since_ms);
    put_count(c, words);
    for (size_t i = 0; i < WORD_LISTS; i++)
        for (size_t k = 0; k < call->lists[i].count; k++)
            put_word(c, call->lists[i].words[k]);
    call->state = SENT;
}

/* -- losing the connection -- */

static void end_call(struct call *call, enum call_state state)
{
    call->state = state;
    task_wake(call->task);
}

static void fail_owed(struct cache *c)
{
    uint64_t sent = c->sent_before + c->output_sent;
    for (size_t i = 0; i < c->owed_count; i++) {
        struct owed *owed = &c->owed[(c->owed_first + i) & (c->owed_capacity - 1)];
        if (!owed->call)
            continue;
        end_call(owed->call, owed->begins_at < sent ? FAILED_UNKNOWN : FAILED_UNREACHABLE);
    }
    c->owed_first = c->owed_count = 0;
}

static void fail_room(struct cache *c)
{
    for (struct call *call = c->room_first; call; call = call->next)
        end_call(call, FAILED_UNREACHABLE);
    c->room_first = NULL;
    c->room_last = &c->room_first;
}

static void disconnect(struct cache *c)
{
    /* hiredis closes its socket only in redisFree(), so the watch still has the right one. */
    loop_watch(&c->watch, 0);
    timer_set(&c->connect_timer, 0);
    fail_owed(c);
    if (c->redis)
        redisFree(c->redis);
    c->redis = NULL;
    c->output_len = c->output_sent = 0;
    c->sent_before = 0;
    c->hook_task = NULL;
    c->state = DOWN;
}

/* After a connection that worked the next attempt follows at once and is waited
 * for; after an attempt that failed there is a pause in which nobody waits. */
static void lose(struct cache *c, const char *why)
{
    bool was_up = c->state == UP;
    char message[128]; /* what `why` points to may go with the connection */
    snprintf(message, sizeof message, "%s", why);
    disconnect(c);
    int64_t pause_ms = 0;
    if (was_up) {
        log_warn("cache.connection_lost", KV("message", (const char *)message));
    } else {
        if (c->failures == 0)
            log_warn("cache.unreachable", KV("message", (const char *)message));
        pause_ms = c->failures < 5 ? PAUSE_FIRST_MS << c->failures : PAUSE_MOST_MS;
        c->failures++;
        fail_room(c);
    }
    timer_set(&c->connect_timer, clock_steady_ms() + pause_ms);
}

/* -- writing -- */

static void forget_sent(struct cache *c)
{
    if (c->output_sent < c->output_len)
        return;
    c->sent_before += c->output_len;
    c->output_len = c->output_sent = 0;
    if (c->output_capacity <= OUTPUT_KEPT_BYTES)
        return;
    free(c->output);
    c->output = NULL;
    c->output_capacity = 0;
}

static void write_out(struct cache *c)
{
    if (c->state < GREETING || c->output_sent == c->output_len)
        return;
    while (c->output_sent < c->output_len) {
        ssize_t n = send(c->redis->fd, c->output + c->output_sent, c->output_len - c->output_sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            c->output_sent += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        lose(c, strerror(errno));
        return;
    }
    loop_watch(&c->watch, c->output_sent < c->output_len ? EPOLLIN | EPOLLOUT : EPOLLIN);
    forget_sent(c);
}

static void write_out_all(struct loop_hook *unused)
{
    (void)unused;
    for (struct cache *c = all_caches; c; c = c->next)
        write_out(c);
}

/* -- time-outs -- */

/* Both queues stand in order of time, so only their heads matter. The timer is
 * not moved with every command; it looks, and goes to sleep again. */
static int64_t oldest_since_ms(const struct cache *c)
{
    int64_t oldest = 0;
    if (c->owed_count)
        oldest = c->owed[c->owed_first].since_ms;
    if (c->room_first && (!oldest || c->room_first->since_ms < oldest))
        oldest = c->room_first->since_ms;
    return oldest;
}

static void watch_for_stall(struct cache *c)
{
    int64_t oldest = oldest_since_ms(c);
    if (oldest && !c->stall_timer.due_ms)
        timer_set(&c->stall_timer, oldest + c->timeout_ms);
}

/* Those in the room never left this process, whatever the connection does. */
static void fail_overdue_in_room(struct cache *c, int64_t now)
{
    while (c->room_first && c->room_first->since_ms + c->timeout_ms <= now) {
        struct call *call = c->room_first;
        c->room_first = call->next;
        if (!c->room_first)
            c->room_last = &c->room_first;
        end_call(call, FAILED_UNREACHABLE);
    }
}

static void look_for_stall(struct timer *t)
{
    struct cache *c = t->owner;
    int64_t now = clock_steady_ms();
    fail_overdue_in_room(c, now);
    if (c->owed_count && c->owed[c->owed_first].since_ms + c->timeout_ms <= now)
        lose(c, "no answer in time");
    watch_for_stall(c);
}

/* -- coming up -- */

static void open_the_gate(struct cache *c)
{
    c->hook_task = NULL;
    struct call *call = c->room_first;
    c->room_first = NULL;
    c->room_last = &c->room_first;
    while (call) {
        struct call *next = call->next;
        encode(c, call);
        call = next;
    }
}

/* When the connection is lost meanwhile, the next one starts hooks of its own. */
static void run_connect_hooks(void *cache)
{
    struct cache *c = cache;
    for (size_t i = 0; i < c->on_connect_count && c->hook_task == task_self(); i++)
        c->on_connect[i].run(c, c->on_connect[i].owner);
    if (c->hook_task == task_self())
        open_the_gate(c);
}

static void come_up(struct cache *c)
{
    timer_set(&c->connect_timer, 0);
    c->state = UP;
    if (c->failures)
        log_info("cache.reached_again", KV("attempts", c->failures));
    c->failures = 0;
    if (c->on_connect_count)
        c->hook_task = task_start(run_connect_hooks, c, 0);
    else
        open_the_gate(c);
}

static void greet_with(struct cache *c, const str *words, size_t count)
{
    owe(c, NULL, clock_steady_ms());
    put_count(c, count);
    for (size_t i = 0; i < count; i++)
        put_word(c, words[i]);
}

static void greet(struct cache *c)
{
    c->state = GREETING;
    if (!str_empty(c->user))
        greet_with(c, (const str[]){S("AUTH"), c->user, c->password}, 3);
    else if (!str_empty(c->password))
        greet_with(c, (const str[]){S("AUTH"), c->password}, 2);

    char digits[I64_DIGITS_MOST];
    if (c->database)
        greet_with(c, (const str[]){S("SELECT"), str_of_i64(digits, c->database)}, 2);
    greet_with(c, (const str[]){S("PING")}, 1);
}

/* -- replies -- */

/* A reply is made where it will be read: in the arena of who waits for it. The library's own would be
 * a dozen small blocks of malloc for each turn, kept until its end. */
static struct arena *arena_of_reply(const struct cache *c)
{
    struct call *call = c->owed_count ? c->owed[c->owed_first].call : NULL;
    return call ? call->arena : c->stray;
}

static redisReply *add_reply(const redisReadTask *task)
{
    redisReply *reply = NEW(arena_of_reply(task->privdata), redisReply);
    reply->type = task->type;
    if (task->parent) {
        redisReply *array = task->parent->obj;
        array->element[task->idx] = reply;
    }
    return reply;
}

static void *add_string(const redisReadTask *task, char *bytes, size_t len)
{
    redisReply *reply = add_reply(task);
    reply->str = NEW_ARRAY(arena_of_reply(task->privdata), char, len + 1);
    memcpy(reply->str, bytes, len);
    reply->len = len;
    return reply;
}

static void *add_array(const redisReadTask *task, int count)
{
    redisReply *reply = add_reply(task);
    reply->element = NEW_ARRAY(arena_of_reply(task->privdata), redisReply *, count);
    reply->elements = (size_t)count;
    return reply;
}

static void *add_integer(const redisReadTask *task, long long value)
{
    redisReply *reply = add_reply(task);
    reply->integer = value;
    return reply;
}

/* The protocol has it as a string, or an array, of no length at all. */
static void *add_nil(const redisReadTask *task)
{
    redisReply *reply = add_reply(task);
    reply->type = REDIS_REPLY_NIL;
    return reply;
}

static void leave_to_arena(void *reply)
{
    (void)reply;
}

static void set_up_reader(struct cache *c)
{
    static redisReplyObjectFunctions functions = {
        .createString = add_string,
        .createArray = add_array,
        .createInteger = add_integer,
        .createNil = add_nil,
        .freeObject = leave_to_arena,
    };
    c->redis->reader->fn = &functions;
    c->redis->reader->privdata = c;
    c->redis->reader->maxbuf = INPUT_KEPT_BYTES;
}

/* -- reading -- */

static void take_greeting(struct cache *c, const redisReply *reply)
{
    bool is_last = c->owed_count == 0;
    if (reply->type == REDIS_REPLY_ERROR)
        lose(c, reply->str);
    else if (is_last)
        come_up(c);
    arena_reset(c->stray);
}

static void take_reply(struct cache *c, redisReply *reply)
{
    if (c->owed_count == 0) { /* such as "max number of clients reached" before it hangs up */
        lose(c, reply->type == REDIS_REPLY_ERROR ? reply->str : "a reply nobody asked for");
        arena_reset(c->stray);
        return;
    }
    struct call *call = c->owed[c->owed_first].call;
    c->owed_first = (c->owed_first + 1) & (c->owed_capacity - 1);
    c->owed_count--;
    if (!call) {
        take_greeting(c, reply);
        return;
    }
    call->reply = reply;
    end_call(call, ANSWERED);
}

static void read_in(struct cache *c)
{
    bool is_alive = redisBufferRead(c->redis) == REDIS_OK;
    /* What came before the end is still good. */
    while (c->redis) {
        void *reply = NULL;
        if (redisReaderGetReply(c->redis->reader, &reply) != REDIS_OK) {
            lose(c, c->redis->reader->errstr);
            return;
        }
        if (!reply)
            break;
        take_reply(c, reply);
    }
    if (c->redis && !is_alive)
        lose(c, c->redis->errstr);
}

/* -- connecting -- */

static void finish_connecting(struct cache *c)
{
    int problem = 0;
    socklen_t len = sizeof problem;
    if (getsockopt(c->redis->fd, SOL_SOCKET, SO_ERROR, &problem, &len) != 0)
        problem = errno;
    if (problem) {
        lose(c, strerror(problem));
        return;
    }
    loop_watch(&c->watch, EPOLLIN);
    greet(c);
}

static void cache_ready(struct watch *w, uint32_t epoll_events)
{
    struct cache *c = w->owner;
    if (c->state == CONNECTING) {
        finish_connecting(c);
        return;
    }
    if (epoll_events & EPOLLOUT)
        write_out(c);
    if (c->redis && epoll_events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_in(c);
}

static void connect_now(struct cache *c)
{
    c->redis = c->path ? redisConnectUnixNonBlock(c->path) : redisConnectNonBlock(c->host, c->port);
    if (!c->redis || c->redis->err) {
        lose(c, c->redis ? c->redis->errstr : "out of memory");
        return;
    }
    if (!c->path)
        redisEnableKeepAlive(c->redis);
    set_up_reader(c);
    c->state = CONNECTING;
    c->watch = (struct watch){.fd = c->redis->fd, .ready = cache_ready, .owner = c};
    loop_watch(&c->watch, EPOLLOUT);
    timer_set(&c->connect_timer, clock_steady_ms() + CONNECT_TIMEOUT_MS);
}

/* Always from the timer: the resolver wants more stack than a task has. */
static void on_connect_timer(struct timer *t)
{
    struct cache *c = t->owner;
    if (c->state == DOWN)
        connect_now(c);
    else
        lose(c, "no answer while connecting");
}

/* -- the address -- */

static bool read_number(str text, int64_t most, int64_t *out)
{
    return str_to_i64(text, out) && *out >= 0 && *out <= most;
}

static bool read_unix_url(struct cache *c, str rest)
{
    str path, query;
    bool has_query = str_cut(rest, '?', &path, &query);
    c->path = cstr(c->settings, path);
    if (!has_query)
        return path.len > 0;
    return path.len > 0 && str_starts(query, S("db=")) &&
           read_number(str_sub(query, 3, query.len), DATABASE_NUMBER_MOST, &c->database);
}

static bool read_credentials(struct cache *c, str credentials)
{
    str user, password;
    if (!str_cut(credentials, ':', &user, &password))
        return false;
    return str_unpercent(c->settings, user, false, &c->user) &&
           str_unpercent(c->settings, password, false, &c->password) &&
           (str_empty(c->user) || !str_empty(c->password));
}

static bool read_host(struct cache *c, str authority)
{
    str host, port, rest;
    bool is_bracketed = str_starts(authority, S("["));
    if (is_bracketed) {
        if (!str_cut(str_sub(authority, 1, authority.len), ']', &host, &rest))
            return false;
        if (!str_empty(rest) && rest.ptr[0] != ':')
            return false;
        port = str_sub(rest, 1, rest.len);
    } else {
        str_cut(authority, ':', &host, &port);
    }
    int64_t number = 6379;
    if (!str_empty(port) && (!read_number(port, 65535, &number) || number == 0))
        return false;
    c->host = cstr(c->settings, host);
    c->port = (int)number;
    return host.len > 0;
}

static bool read_tcp_url(struct cache *c, str rest)
{
    str authority, database;
    str_cut(rest, '/', &authority, &database);
    str credentials, host;
    if (str_cut(authority, '@', &credentials, &host)) {
        if (!read_credentials(c, credentials))
            return false;
        authority = host;
    }
    if (!str_empty(database) && !read_number(database, DATABASE_NUMBER_MOST, &c->database))
        return false;
    return read_host(c, authority);
}

static bool read_url(struct cache *c, str url)
{
    static const char unix_scheme[] = "unix://", tcp_scheme[] = "redis://";
    if (str_starts(url, str_from(unix_scheme)))
        return read_unix_url(c, str_sub(url, strlen(unix_scheme), url.len));
    if (str_starts(url, str_from(tcp_scheme)))
        return read_tcp_url(c, str_sub(url, strlen(tcp_scheme), url.len));
    return false;
}

/* -- what callers see -- */

static void join_all(struct cache *c)
{
    static struct loop_hook hook = {.run = write_out_all};
    static bool is_hooked;
    if (!is_hooked)
        loop_before_wait(&hook);
    is_hooked = true;
    c->next = all_caches;
    all_caches = c;
}

struct cache *cache_new(str url, int64_t timeout_ms)
{
    struct cache *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->settings = arena_new(SETTINGS_BYTES);
    c->stray = arena_new(STRAY_BYTES);
    c->timeout_ms = timeout_ms;
    c->room_last = &c->room_first;
    c->connect_timer = (struct timer){.fire = on_connect_timer, .owner = c};
    c->stall_timer = (struct timer){.fire = look_for_stall, .owner = c};
    if (!read_url(c, url)) {
        arena_free(c->settings);
        arena_free(c->stray);
        free(c);
        return NULL;
    }
    join_all(c);
    timer_set(&c->connect_timer, clock_steady_ms());
    return c;
}

void cache_close(struct cache *c)
{
    assert(!c->room_first && !c->hook_task);
    struct cache **link = &all_caches;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;

    disconnect(c);
    timer_set(&c->stall_timer, 0);
    arena_free(c->settings);
    arena_free(c->stray);
    free(c->output);
    free(c->owed);
    free(c);
}

void cache_on_connect(struct cache *c, void (*run)(struct cache *c, void *owner), void *owner)
{
    assert(c->on_connect_count < CONNECT_HOOKS_MOST);
    c->on_connect[c->on_connect_count].run = run;
    c->on_connect[c->on_connect_count++].owner = owner;
}

bool cache_is_up(const struct cache *c)
{
    return c->state == UP;
}

void cache_set_timeout(struct cache *c, int64_t timeout_ms)
{
    c->timeout_ms = timeout_ms;
    timer_set(&c->stall_timer, 0);
    watch_for_stall(c);
}

static void wait_in_room(struct cache *c, struct call *call)
{
    *c->room_last = call;
    c->room_last = &call->next;
}

/* Replies that say "later" rather than "no". */
static enum err_kind kind_of_reply(str text)
{
    static const char *const waiting[] = {"LOADING",  "BUSY",        "OOM",
                                          "MISCONF",  "READONLY",    "MASTERDOWN",
                                          "TRYAGAIN", "CLUSTERDOWN", "NOREPLICAS"};
    str name, rest;
    str_cut(text, ' ', &name, &rest);
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        if (str_is(name, waiting[i]))
            return ERR_BUSY;
    return ERR_UPSTREAM;
}

static err *judge(struct cache *c, struct call *call, redisReply **out)
{
    str name = call->lists[0].words[0];
    if (call->state == FAILED_UNREACHABLE)
        return fail(call->arena, ERR_UNREACHABLE, "redis: " STR_FMT ": not reached", STR_ARG(name));
    if (call->state == FAILED_UNKNOWN)
        return fail(call->arena, ERR_UNKNOWN,
                    "redis: " STR_FMT ": connection lost or silent for %" PRId64 " ms",
                    STR_ARG(name), c->timeout_ms);
    if (call->reply->type == REDIS_REPLY_ERROR) {
        str text = {call->reply->str, call->reply->len};
        return fail_with(call->arena, kind_of_reply(text), 0, text, "redis: " STR_FMT " refused",
                         STR_ARG(name));
    }
    if (out)
        *out = call->reply;
    return NULL;
}

static err *run_call(struct cache *c, struct call *call, redisReply **out)
{
    call->task = task_self();
    assert(call->task);
    call->since_ms = clock_steady_ms();
    bool may_go = c->state == UP && (!c->hook_task || c->hook_task == call->task);
    bool is_away = c->state != UP && c->failures > 0;
    if (may_go)
        encode(c, call);
    else if (is_away)
        call->state = FAILED_UNREACHABLE;
    else
        wait_in_room(c, call);

    watch_for_stall(c);
    while (call->state == WAITING || call->state == SENT)
        task_wait(0);
    return judge(c, call, out);
}

err *cache_run(struct cache *c, struct arena *a, redisReply **reply, const str *words, size_t count)
{
    assert(count > 0);
    struct call call = {.arena = a, .lists = {{words, count}}};
    return run_call(c, &call, reply);
}

static void name_script(struct script *script)
{
    unsigned char digest[SHA_BYTES];
    SHA1((const unsigned char *)script->text, strlen(script->text), digest);
    for (size_t i = 0; i < SHA_BYTES; i++)
        snprintf(script->sha + 2 * i, 3, "%02x", digest[i]);
}

/* EVAL loads and runs in one trip, so nothing can be flushed in between. */
err *cache_eval(struct cache *c, struct arena *a, redisReply **reply, struct script *script,
                const str *keys, size_t key_count, const str *arguments, size_t argument_count)
{
    if (!script->sha[0])
        name_script(script);
    char digits[I64_DIGITS_MOST];
    str keys_follow = str_of_i64(digits, (int64_t)key_count);
    const str by_name[] = {
        S("EVALSHA"), {script->sha, sizeof script->sha - 1},
         keys_follow
    };
    struct call call = {
        .arena = a,
        .lists = {{by_name, ARRAY_LEN(by_name)}, {keys, key_count}, {arguments, argument_count}}
    };
    err *e = run_call(c, &call, reply);
    if (!e || e->kind != ERR_UPSTREAM || !str_starts(e->detail, S("NOSCRIPT")))
        return e;

    const str by_text[] = {S("EVAL"), str_from(script->text), keys_follow};
    struct call again = {
        .arena = a,
        .lists = {{by_text, ARRAY_LEN(by_text)}, {keys, key_count}, {arguments, argument_count}}
    };
    return run_call(c, &again, reply);
}

str reply_str(const redisReply *reply)
{
    bool has_text = reply &&
                    (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ||
                     reply->type == REDIS_REPLY_ERROR);
    return has_text ? (str){reply->str, reply->len} : S("");
}

int64_t reply_i64(const redisReply *reply)
{
    int64_t number = 0;
    if (reply && reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    return str_to_i64(reply_str(reply), &number) ? number : 0;
}

const redisReply *reply_item(const redisReply *reply, size_t index)
{
    return index < reply_count(reply) ? reply->element[index] : NULL;
}

size_t reply_count(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}
