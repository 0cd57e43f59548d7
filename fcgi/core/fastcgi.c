#include "core/fastcgi.h"

#include <fastcgi.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/loop.h"

enum {
    SOCKET_TIMEOUT_S = 5,  /* nginx sends a request whole; silence in its middle is a fault */
    ACCEPT_PAUSE_MS = 100, /* after accept() failed for want of descriptors or memory */
    POOLED_ARENAS_MAX = 32,
    DISCARD_MAX_BYTES = 64 << 20, /* of a body that is too large */
    CHUNK_BYTES = 16 * 1024,
};

enum connection_state { CONNECTION_IDLE, CONNECTION_IN_FLIGHT, CONNECTION_PARTING };

struct connection {
    struct request request;
    enum connection_state state;
    FCGX_Request fcgi;
    struct watch watch;
    struct arena *arena; /* while a request is being received or is in flight */
};

static struct {
    struct fastcgi_options options;
    struct watch listener;
    struct timer accept_again;
    bool is_draining;
    size_t connection_count, in_flight_count;
    struct arena *pooled_arenas[POOLED_ARENAS_MAX];
    size_t pooled_arena_count;
} server;

/* -- connections -- */

/* nginx keeps far more connections than have a request at a time, and an arena's pages stay its own
 * once they were touched: the one used last is the next, and few wait. */
static struct arena *take_arena(void)
{
    if (server.pooled_arena_count > 0)
        return server.pooled_arenas[--server.pooled_arena_count];
    return arena_new(server.options.arena_bytes);
}

static void give_arena_back(struct connection *c)
{
    struct arena *a = c->arena;
    c->arena = NULL;
    if (server.pooled_arena_count == POOLED_ARENAS_MAX) {
        arena_free(a);
        return;
    }
    arena_reset(a);
    server.pooled_arenas[server.pooled_arena_count++] = a;
}

static void connection_release(struct connection *c)
{
    loop_watch(&c->watch, 0);
    free(c);
    server.connection_count--;
    if (server.is_draining && server.connection_count == 0)
        loop_stop();
}

/* Closes without a word; the request, if there is one, was not received whole. */
static void connection_drop(struct connection *c)
{
    loop_watch(&c->watch, 0);
    FCGX_Detach(&c->fcgi);
    FCGX_Free(&c->fcgi, 1);
    if (c->arena)
        give_arena_back(c);
    connection_release(c);
}

/* -- the end of a request -- */

/*
 * While draining, a kept connection must end without loss, and whoever closes
 * it first may close under the next request: nginx may have sent one when it
 * sees the end of the stream, and does not repeat a POST. So nginx is made to
 * close. It keeps a connection only if nothing follows the end of the request;
 * here an empty management record follows in the same write(). The library
 * cannot do that: it is told of one writer more than there is, so that it
 * leaves the end of the request to us.
 */
static void finish_and_part(struct connection *c)
{
    uint8_t id_high = (uint8_t)(c->fcgi.requestId >> 8), id_low = (uint8_t)c->fcgi.requestId;
    const uint8_t end[] = {
        1,       FCGI_END_REQUEST,
        id_high, id_low,
        0,       8,
        0,       0, /* header: 8 bytes follow */
        0,       0,
        0,       0,
        0,       0,
        0,       0, /* status 0, request complete */
        1,       FCGI_GET_VALUES_RESULT,
        0,       0,
        0,       0,
        0,       0,
    };
    c->fcgi.nWriters++;
    FCGX_Finish_r(&c->fcgi);
    if (c->fcgi.ipcFd < 0)
        return;

    c->state = CONNECTION_PARTING;
    if (send(c->fcgi.ipcFd, end, sizeof end, MSG_NOSIGNAL) == (ssize_t)sizeof end)
        return;
    FCGX_Detach(&c->fcgi);
    FCGX_Free(&c->fcgi, 1);
}

/*
 * The library waits inside close() for the peer to close first, which would
 * hold up every other request; a detached one is closed at once. Nothing is
 * lost by that: the request has been read to its end.
 */
static void finish_request(struct connection *c)
{
    server.in_flight_count--;
    c->state = CONNECTION_IDLE;
    if (!c->fcgi.keepConnection)
        loop_watch(&c->watch, 0);

    FCGX_Detach(&c->fcgi);
    if (server.is_draining && c->fcgi.keepConnection)
        finish_and_part(c);
    else
        FCGX_Finish_r(&c->fcgi);
    give_arena_back(c);
    c->request = (struct request){0};

    if (c->fcgi.ipcFd < 0)
        connection_release(c);
    else
        loop_watch(&c->watch, EPOLLIN);
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"                    },
        {202, "Accepted"              },
        {204, "No Content"            },
        {301, "Moved Permanently"     },
        {302, "Found"                 },
        {303, "See Other"             },
        {304, "Not Modified"          },
        {400, "Bad Request"           },
        {401, "Unauthorized"          },
        {403, "Forbidden"             },
        {404, "Not Found"             },
        {405, "Method Not Allowed"    },
        {409, "Conflict"              },
        {413, "Content Too Large"     },
        {415, "Unsupported Media Type"},
        {429, "Too Many Requests"     },
        {500, "Internal Server Error" },
        {502, "Bad Gateway"           },
        {503, "Service Unavailable"   },
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

/* What could end the line early and begin another header is no header value. */
static bool is_header_value(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0')
            return false;
    return true;
}

static str answer_head(struct arena *a, const struct answer *answer)
{
    struct buf head = buf_new(a);
    buf_add(&head, S("Status: "));
    buf_add_i64(&head, answer->status);
    buf_add_char(&head, ' ');
    buf_add(&head, str_from(reason_of(answer->status)));
    if (answer->status != 204 && answer->status != 304) {
        buf_add(&head, S("\r\nContent-Type: "));
        buf_add(&head, str_from(answer->content_type ? answer->content_type : "application/json"));
        buf_add(&head, S("\r\nContent-Length: "));
        buf_add_i64(&head, (int64_t)answer->body.len);
    }
    buf_add(&head, S("\r\n"));

    for (const struct kv *h = answer->headers; h && h->name; h++) {
        assert(h->value.type == VAL_STR);
        if (!is_header_value(h->value.string)) {
            log_error("answer.header_refused", KV("name", h->name));
            continue;
        }
        buf_addf(&head, "%s: ", h->name);
        buf_add(&head, h->value.string);
        buf_add(&head, S("\r\n"));
    }
    buf_add(&head, S("\r\n"));
    return buf_str(&head);
}

/* The library gathers 8 KiB before it writes, so that a usual answer is one write(). */
void request_answer(struct request *r, const struct answer *answer)
{
    assert(!r->is_answered);
    r->is_answered = true;

    FCGX_Stream *out = r->connection->fcgi.out;
    str head = answer_head(r->arena, answer);
    assert(answer->body.len <= INT32_MAX);
    if (FCGX_PutStr(head.ptr, (int)head.len, out) < 0 ||
        (answer->body.len > 0 && FCGX_PutStr(answer->body.ptr, (int)answer->body.len, out) < 0))
        log_info("answer.not_delivered", KV("request", r->id), KV("errno", FCGX_GetError(out)));
}

void request_refuse(struct request *r, int status, const char *error)
{
    str body = json_make(r->arena, KV("error", error));
    request_answer(r, &(struct answer){.status = status, .body = body});
}

/* -- the beginning of a request -- */

static void run_request(void *argument)
{
    struct connection *c = argument;
    server.options.handle(&c->request);
    if (!c->request.is_answered) {
        log_error("request.unanswered", KV("path", c->request.path));
        request_refuse(&c->request, 500, "no answer");
    }
    task_set_log_fields((str){0});
    finish_request(c);
}

enum body_result { BODY_WHOLE, BODY_TOO_LARGE, BODY_CUT_OFF };

/* Reads to the end of the stream, so that the connection may carry another request. */
static enum body_result discard_body(FCGX_Stream *in, size_t seen_bytes)
{
    char chunk[CHUNK_BYTES];
    int got;
    while ((got = FCGX_GetStr(chunk, sizeof chunk, in)) > 0) {
        seen_bytes += (size_t)got;
        if (seen_bytes > DISCARD_MAX_BYTES)
            return BODY_CUT_OFF;
    }
    return FCGX_GetError(in) == 0 ? BODY_TOO_LARGE : BODY_CUT_OFF;
}

/* One byte more is asked for than was announced: the end of the stream has to be seen. */
static enum body_result read_announced_body(struct connection *c, size_t length, str *out)
{
    FCGX_Stream *in = c->fcgi.in;
    if (length > server.options.max_body_bytes)
        return discard_body(in, 0);
    char *body = NEW_ARRAY(c->arena, char, length + 1);
    int got = FCGX_GetStr(body, (int)length + 1, in);
    if (FCGX_GetError(in) != 0 || got != (int)length)
        return BODY_CUT_OFF;
    *out = (str){body, length};
    return BODY_WHOLE;
}

/*
 * An empty CONTENT_LENGTH does not mean an empty body: nginx passes a chunked
 * one on like that when it does not buffer. The end of the stream decides.
 */
static enum body_result read_unannounced_body(struct connection *c, str *out)
{
    FCGX_Stream *in = c->fcgi.in;
    struct buf body = buf_new(c->arena);
    char chunk[CHUNK_BYTES];
    int got;
    while ((got = FCGX_GetStr(chunk, sizeof chunk, in)) > 0) {
        if (body.len + (size_t)got > server.options.max_body_bytes)
            return discard_body(in, body.len);
        buf_add(&body, (str){chunk, (size_t)got});
    }
    if (FCGX_GetError(in) != 0)
        return BODY_CUT_OFF;
    *out = buf_str(&body);
    return BODY_WHOLE;
}

static enum body_result read_body(struct connection *c, str *out)
{
    str announced = request_param(&c->request, "CONTENT_LENGTH");
    int64_t length;
    if (str_empty(announced))
        return read_unannounced_body(c, out);
    if (!str_to_i64(announced, &length) || length < 0)
        return BODY_CUT_OFF;
    return read_announced_body(c, (size_t)length, out);
}

static void fill_request(struct connection *c)
{
    struct request *r = &c->request;
    *r = (struct request){.arena = c->arena, .connection = c, .arrived_us = clock_steady_us()};
    r->method = request_param(r, "REQUEST_METHOD");
    r->content_type = request_param(r, "CONTENT_TYPE");
    r->id = request_param(r, "REQUEST_ID");
    r->remote_address = request_param(r, "REMOTE_ADDR");
    r->body = S("");
    str_cut(request_param(r, "REQUEST_URI"), '?', &r->path, &r->query);
}

static void receive_request(struct connection *c)
{
    FCGX_Detach(&c->fcgi);
    if (FCGX_Accept_r(&c->fcgi) < 0) {
        /* nginx has closed it, or stopped half-way; the library has closed it too. */
        connection_release(c);
        return;
    }
    c->arena = take_arena();
    fill_request(c);
    switch (read_body(c, &c->request.body)) {
    case BODY_CUT_OFF:
        log_warn("request.cut_off", KV("request", c->request.id), KV("path", c->request.path));
        connection_drop(c);
        return;
    case BODY_TOO_LARGE:
        server.in_flight_count++;
        request_refuse(&c->request, 413, "body too large");
        finish_request(c);
        return;
    case BODY_WHOLE:
        server.in_flight_count++;
        c->state = CONNECTION_IN_FLIGHT;
        task_start(run_request, c, server.options.stack_kib);
        return;
    }
}

/*
 * The watch stays while a request is in flight, which saves two system calls
 * each; nothing comes then, unless nginx gives the request up and closes. The
 * handler is not told, but the level-triggered event has to be silenced.
 */
static void on_connection_ready(struct watch *w, uint32_t events)
{
    (void)events;
    struct connection *c = w->owner;
    switch (c->state) {
    case CONNECTION_IDLE:
        receive_request(c);
        return;
    case CONNECTION_IN_FLIGHT:
        loop_watch(w, 0);
        return;
    case CONNECTION_PARTING:
        connection_drop(c);
        return;
    }
}

/* -- new connections -- */

static bool is_readable(int fd)
{
    char first;
    return recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) != -1;
}

/*
 * The library gets a connection that is open already, as if it had kept it
 * from an earlier request. Its own accept() would block until the first byte
 * comes and could set no time-out before it reads.
 */
static void connection_open(int fd)
{
    struct timeval limit = {.tv_sec = SOCKET_TIMEOUT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);

    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    server.connection_count++;
    FCGX_InitRequest(&c->fcgi, -1, FCGI_FAIL_ACCEPT_ON_INTR);
    c->fcgi.ipcFd = fd;
    c->fcgi.keepConnection = 1;
    c->state = CONNECTION_IDLE;
    c->watch = (struct watch){.fd = fd, .ready = on_connection_ready, .owner = c};
    if (is_readable(fd))
        receive_request(c);
    else
        loop_watch(&c->watch, EPOLLIN);
}

static void watch_listener(struct timer *t)
{
    (void)t;
    if (!server.is_draining)
        loop_watch(&server.listener, EPOLLIN | EPOLLEXCLUSIVE);
}

/* False when nothing waits or nothing can be taken now. */
static bool accept_one(void)
{
    int fd = accept4(server.listener.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        connection_open(fd);
        return true;
    }
    /* Another process was quicker, or the peer has gone already. */
    if (errno == EAGAIN)
        return false;
    if (errno == ECONNABORTED || errno == EINTR)
        return true;

    log_warn("accept.failed", KV("errno", errno), KV("reason", strerror(errno)));
    loop_watch(&server.listener, 0);
    timer_set(&server.accept_again, clock_steady_ms() + ACCEPT_PAUSE_MS);
    return false;
}

/*
 * One at a time: the others that share this socket shall have their part. The
 * kernel wakes the one that stands first in the line, and connections are kept
 * for long: who has taken one goes to the end of the line, or one process would
 * end up with most of the work.
 */
static void on_listener_ready(struct watch *w, uint32_t events)
{
    (void)events;
    if (!accept_one())
        return;
    loop_watch(w, 0);
    watch_listener(NULL);
}

void fastcgi_serve(const struct fastcgi_options *options)
{
    server.options = *options;
    if (FCGX_Init() != 0) {
        log_error("fastcgi.failed", KV("call", "FCGX_Init"));
        abort();
    }
    int flags = fcntl(options->listen_fd, F_GETFL);
    if (flags < 0 || fcntl(options->listen_fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        log_error("fastcgi.failed", KV("call", "fcntl"), KV("reason", strerror(errno)));
        abort();
    }
    server.listener = (struct watch){.fd = options->listen_fd, .ready = on_listener_ready};
    server.accept_again.fire = watch_listener;
    watch_listener(NULL);
}

/*
 * The kernel wakes one of the processes for a connection. If that was this
 * one, nobody else will hear of it: what waits now is still taken.
 */
void fastcgi_drain(void)
{
    if (server.is_draining)
        return;
    server.is_draining = true;
    timer_set(&server.accept_again, 0);
    loop_watch(&server.listener, 0);
    while (accept_one())
        continue;
    timer_set(&server.accept_again, 0);
    log_info("fastcgi.draining", KV("connections", server.connection_count),
             KV("in_flight", server.in_flight_count));
    if (server.connection_count == 0)
        loop_stop();
}

size_t fastcgi_in_flight(void)
{
    return server.in_flight_count;
}

/* -- what a request holds -- */

str request_param(const struct request *r, const char *name)
{
    return str_from(FCGX_GetParam(name, r->connection->fcgi.envp));
}

/* One value of name=value&name=value; the first of several. */
static str form_value(const struct request *r, str pairs, const char *name)
{
    str wanted = str_from(name);
    while (!str_empty(pairs)) {
        str pair, key, value;
        str_cut(pairs, '&', &pair, &pairs);
        str_cut(pair, '=', &key, &value);
        str plain;
        if (!str_unpercent(r->arena, key, true, &plain) || !str_eq(plain, wanted))
            continue;
        return str_unpercent(r->arena, value, true, &plain) ? plain : S("");
    }
    return S("");
}

str request_query(const struct request *r, const char *name)
{
    return form_value(r, r->query, name);
}

str request_form(const struct request *r, const char *name)
{
    if (!str_starts(r->content_type, S("application/x-www-form-urlencoded")))
        return S("");
    return form_value(r, r->body, name);
}

str request_cookie(const struct request *r, const char *name)
{
    str cookies = request_param(r, "HTTP_COOKIE"), wanted = str_from(name);
    while (!str_empty(cookies)) {
        str pair, key, value;
        str_cut(cookies, ';', &pair, &cookies);
        if (str_cut(str_trim(pair), '=', &key, &value) && str_eq(key, wanted))
            return value;
    }
    return S("");
}
