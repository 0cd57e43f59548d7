#include "core/fastcgi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/loop.h"

#include <cmocka.h>

/*
 * The other side speaks FastCGI over real connections from tasks of the same
 * loop. It writes each request in one piece, as the library reads blocking.
 */

enum { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };
enum { MAX_BODY_BYTES = 64 * 1024, ARENA_BYTES = 4 << 20 };

static struct arena *a;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int listen_fd;
static int handled;
static size_t most_in_flight;

/* -- the application -- */

static void answer_by_path(struct request *r)
{
    handled++;
    if (fastcgi_in_flight() > most_in_flight)
        most_in_flight = fastcgi_in_flight();
    int64_t sleep_ms;
    if (str_to_i64(request_query(r, "sleep"), &sleep_ms))
        task_sleep_ms(sleep_ms);

    if (str_eq(r->path, S("/silent")))
        return;
    if (str_eq(r->path, S("/refuse"))) {
        request_refuse(r, 403, "not \"here\"");
        return;
    }
    str body = r->body;
    if (str_eq(r->path, S("/name")))
        body = request_query(r, "name");
    if (str_eq(r->path, S("/cookie")))
        body = request_cookie(r, "sid");
    if (str_eq(r->path, S("/form")))
        body = request_form(r, "b");
    if (str_eq(r->path, S("/method")))
        body = r->method;
    const struct kv *headers = str_eq(r->path, S("/headers"))
                                   ? KVS(KV("X-Good", "yes"), KV("X-Bad", "a\r\nX-Smuggled: b"))
                                   : NULL;
    request_answer(
        r, &(struct answer){
               .status = 200, .content_type = "text/plain", .body = body, .headers = headers});
}

static int start_server(void **state)
{
    (void)state;
    loop_init();
    a = arena_new(64 << 20);
    str name = str_printf(a, "@aisha-fastcgi-test-%d", (int)getpid());
    memcpy(address.sun_path, name.ptr, name.len);
    address.sun_path[0] = '\0'; /* an abstract name leaves no file behind */
    listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_return_code(bind(listen_fd, (struct sockaddr *)&address, sizeof address), errno);
    assert_return_code(listen(listen_fd, 128), errno);
    fastcgi_serve(&(struct fastcgi_options){
        .listen_fd = listen_fd,
        .max_body_bytes = MAX_BODY_BYTES,
        .arena_bytes = ARENA_BYTES,
        .handle = answer_by_path,
    });
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    close(listen_fd);
    arena_free(a);
    return 0;
}

/* -- the web server -- */

struct exchange {
    const char *method, *uri, *cookie, *content_type;
    str body;
    const char *content_length; /* NULL: that of the body */
    bool is_kept, is_cut_short;
    str answer;         /* STDOUT of the application */
    bool is_complete;   /* END_REQUEST came */
    size_t extra_bytes; /* behind END_REQUEST */
};

static void put_record(struct buf *b, int type, str content)
{
    const uint8_t header[] = {
        1, (uint8_t)type, 0, 1, (uint8_t)(content.len >> 8), (uint8_t)content.len, 0, 0};
    buf_add(b, (str){(const char *)header, sizeof header});
    buf_add(b, content);
}

static void put_param(struct buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    assert_true(strlen(name) < 128 && strlen(value) < 128);
    buf_add_char(b, (char)strlen(name));
    buf_add_char(b, (char)strlen(value));
    buf_add(b, str_from(name));
    buf_add(b, str_from(value));
}

static str request_bytes(const struct exchange *x)
{
    struct buf params = buf_new(a), out = buf_new(a);
    put_param(&params, "REQUEST_METHOD", x->method ? x->method : "POST");
    put_param(&params, "REQUEST_URI", x->uri);
    put_param(&params, "HTTP_COOKIE", x->cookie);
    put_param(&params, "CONTENT_TYPE", x->content_type);
    put_param(&params, "CONTENT_LENGTH",
              x->content_length ? x->content_length : cstr(a, str_printf(a, "%zu", x->body.len)));
    const char begin[8] = {0, 1, (char)x->is_kept};
    put_record(&out, BEGIN_REQUEST, (str){begin, sizeof begin});
    put_record(&out, PARAMS, buf_str(&params));
    put_record(&out, PARAMS, S(""));
    for (size_t at = 0; at < x->body.len; at += 32768)
        put_record(&out, STDIN, str_sub(x->body, at, 32768));
    if (!x->is_cut_short)
        put_record(&out, STDIN, S(""));
    return buf_str(&out);
}

/* Takes whole records off the front of *bytes; true at the end of the request. */
static bool take_records(struct exchange *x, struct buf *bytes, struct buf *output)
{
    size_t at = 0;
    while (!x->is_complete && bytes->len - at >= 8) {
        const uint8_t *header = (const uint8_t *)bytes->ptr + at;
        size_t content = (size_t)header[4] << 8 | header[5], whole = 8 + content + header[6];
        if (bytes->len - at < whole)
            break;
        if (header[1] == STDOUT)
            buf_add(output, (str){bytes->ptr + at + 8, content});
        if (header[1] == END_REQUEST)
            x->is_complete = true;
        at += whole;
    }
    memmove(bytes->ptr, bytes->ptr + at, bytes->len - at);
    bytes->len -= at;
    return x->is_complete;
}

static int open_connection(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof address), errno);
    int room = 1 << 20;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    return fd;
}

static void exchange_on(int fd, struct exchange *x)
{
    str request = request_bytes(x);
    assert_int_equal(send(fd, request.ptr, request.len, MSG_NOSIGNAL), request.len);
    if (x->is_cut_short)
        shutdown(fd, SHUT_WR);

    struct buf bytes = buf_new(a), output = buf_new(a);
    char chunk[8192];
    do {
        task_wait_fd(fd, EPOLLIN, 0);
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got <= 0)
            break;
        buf_add(&bytes, (str){chunk, (size_t)got});
    } while (!take_records(x, &bytes, &output));
    x->answer = buf_str(&output);
    x->extra_bytes = bytes.len;
}

static void run_exchange(void *argument)
{
    int fd = open_connection();
    exchange_on(fd, argument);
    close(fd);
}

/* Runs the loop until the given task and what it started are done; the server stays. */
static void (*running_test)(void *);

static void run_and_stop(void *argument)
{
    running_test(argument);
    loop_stop();
}

static void run_in_task(void (*run)(void *), void *argument)
{
    running_test = run;
    task_start(run_and_stop, argument, 256);
    loop_run();
}

static struct exchange ask(struct exchange x)
{
    run_in_task(run_exchange, &x);
    return x;
}

static str body_of(struct exchange x)
{
    size_t end;
    assert_true(str_find(x.answer, S("\r\n\r\n"), &end));
    return str_sub(x.answer, end + 4, x.answer.len);
}

static bool has(struct exchange x, const char *text)
{
    size_t position;
    return str_find(x.answer, str_from(text), &position);
}

static void assert_body(struct exchange x, str want)
{
    if (!str_eq(body_of(x), want))
        fail_msg("got \"" STR_FMT "\", want \"" STR_FMT "\"", STR_ARG(body_of(x)), STR_ARG(want));
}

/* -- what is read -- */

static void test_a_request_is_answered(void **state)
{
    (void)state;
    struct exchange x = ask((struct exchange){.uri = "/echo", .body = S("hello")});
    assert_true(x.is_complete);
    assert_true(str_eq(x.answer, S("Status: 200 OK\r\nContent-Type: text/plain\r\n"
                                   "Content-Length: 5\r\n\r\nhello")));
}

static void test_queries_cookies_and_forms_are_read(void **state)
{
    (void)state;
    assert_body(ask((struct exchange){.uri = "/method", .method = "GET"}), S("GET"));
    assert_body(ask((struct exchange){.uri = "/name?a=1&name=A%26B+c&name=2"}), S("A&B c"));
    assert_body(ask((struct exchange){.uri = "/name?names=1"}), S(""));
    assert_body(ask((struct exchange){.uri = "/name?name"}), S(""));
    assert_body(ask((struct exchange){.uri = "/name?name=%zz"}), S(""));
    assert_body(ask((struct exchange){.uri = "/cookie", .cookie = "xsid=1; sid=a=b; sid=2"}),
                S("a=b"));
    assert_body(ask((struct exchange){.uri = "/cookie"}), S(""));
    const char form[] = "application/x-www-form-urlencoded; charset=utf-8";
    assert_body(
        ask((struct exchange){.uri = "/form", .content_type = form, .body = S("a=1&b=%D1%8F")}),
        S("я"));
    assert_body(ask((struct exchange){.uri = "/form", .body = S("b=1")}), S(""));
}

static void test_an_empty_length_may_have_a_body(void **state)
{
    (void)state;
    assert_body(ask((struct exchange){.uri = "/e", .content_length = "", .body = S("chunked")}),
                S("chunked"));
    assert_body(ask((struct exchange){.uri = "/e", .content_length = ""}), S(""));
}

static void test_a_body_may_be_large_but_not_too_large(void **state)
{
    (void)state;
    str most = {arena_alloc(a, MAX_BODY_BYTES + 1, 1), MAX_BODY_BYTES};
    struct exchange x = ask((struct exchange){.uri = "/echo", .body = most});
    assert_int_equal(body_of(x).len, MAX_BODY_BYTES);

    handled = 0;
    most.len++;
    x = ask((struct exchange){.uri = "/echo", .body = most});
    assert_true(has(x, "Status: 413 "));
    assert_body(x, S("{\"error\":\"body too large\"}"));
    x = ask((struct exchange){.uri = "/echo", .body = most, .content_length = ""});
    assert_true(has(x, "Status: 413 "));
    assert_int_equal(handled, 0);
}

static void test_half_a_body_never_reaches_the_handler(void **state)
{
    (void)state;
    handled = 0;
    struct exchange x = ask((struct exchange){
        .uri = "/echo", .body = S("half"), .content_length = "8", .is_cut_short = true});
    assert_false(x.is_complete);
    /* The stream ends in good order, but not where it should. */
    x = ask((struct exchange){.uri = "/echo", .body = S("half"), .content_length = "8"});
    assert_false(x.is_complete);
    x = ask((struct exchange){.uri = "/echo", .body = S("half"), .content_length = "-4"});
    assert_false(x.is_complete);
    assert_int_equal(handled, 0);
    assert_int_equal(fastcgi_in_flight(), 0);
}

static void send_rubbish(void *unused)
{
    (void)unused;
    int fd = open_connection();
    char answer[8];
    assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
    task_wait_fd(fd, EPOLLIN, 0);
    assert_int_equal(read(fd, answer, sizeof answer) > 0, false);
    close(fd);
    close(open_connection());
}

static void test_rubbish_is_dropped(void **state)
{
    (void)state;
    handled = 0;
    run_in_task(send_rubbish, NULL);
    assert_int_equal(handled, 0);
    assert_body(ask((struct exchange){.uri = "/echo", .body = S("still here")}), S("still here"));
}

/* -- what is answered -- */

static void test_headers_cannot_smuggle(void **state)
{
    (void)state;
    struct exchange x = ask((struct exchange){.uri = "/headers"});
    assert_true(has(x, "\r\nX-Good: yes\r\n"));
    assert_false(has(x, "X-Bad"));
    assert_false(has(x, "X-Smuggled"));
}

static void test_refusals_and_silence(void **state)
{
    (void)state;
    struct exchange x = ask((struct exchange){.uri = "/refuse"});
    assert_true(has(x, "Status: 403 Forbidden\r\nContent-Type: application/json\r\n"));
    assert_body(x, S("{\"error\":\"not \\\"here\\\"\"}"));
    assert_true(has(ask((struct exchange){.uri = "/silent"}), "Status: 500 "));
}

/* -- many at once -- */

static int exchanges_left;

static void run_one_of_many(void *argument)
{
    run_exchange(argument);
    exchanges_left--;
}

static void run_many(void *argument)
{
    struct exchange *x = argument;
    enum { COUNT = 40 };
    exchanges_left = COUNT;
    for (int i = 0; i < COUNT; i++)
        task_start(run_one_of_many, &x[i], 256);
    while (exchanges_left > 0)
        task_sleep_ms(5);
}

static void test_sleeping_handlers_hold_nobody_up(void **state)
{
    (void)state;
    struct exchange x[40];
    for (size_t i = 0; i < ARRAY_LEN(x); i++)
        x[i] = (struct exchange){.uri = "/echo?sleep=100", .body = S("x")};
    int64_t began_ms = clock_steady_ms();
    most_in_flight = 0;
    run_in_task(run_many, x);
    assert_in_range(clock_steady_ms() - began_ms, 100, 2000);
    assert_int_equal(most_in_flight, 40);
    for (size_t i = 0; i < ARRAY_LEN(x); i++)
        assert_body(x[i], S("x"));
}

static void run_three_on_one(void *argument)
{
    struct exchange *x = argument;
    int fd = open_connection();
    for (int i = 0; i < 3; i++)
        exchange_on(fd, &x[i]);
    close(fd);
}

static void test_a_connection_is_kept(void **state)
{
    (void)state;
    struct exchange x[3] = {
        {.uri = "/echo",   .body = S("one"), .is_kept = true},
        {.uri = "/echo?sleep=5",                .body = S("two"),           .is_kept = true},
        {.uri = "/echo", .body = S("three")      },
    };
    run_in_task(run_three_on_one, x);
    assert_body(x[0], S("one"));
    assert_body(x[1], S("two"));
    assert_body(x[2], S("three"));
}

static void give_up_early(void *unused)
{
    (void)unused;
    int fd = open_connection();
    struct exchange x = {.uri = "/echo?sleep=20", .is_kept = true};
    str request = request_bytes(&x);
    assert_int_equal(send(fd, request.ptr, request.len, 0), request.len);
    task_sleep_ms(5);
    close(fd);
    task_sleep_ms(40);
}

static void test_a_client_that_leaves_harms_nobody(void **state)
{
    (void)state;
    handled = 0;
    run_in_task(give_up_early, NULL);
    assert_int_equal(handled, 1);
    assert_int_equal(fastcgi_in_flight(), 0);
}

/* -- the end -- */

struct drain {
    int kept_fd;
    struct exchange before, after, slow;
    bool is_slow_done;
};

static void run_slow(void *argument)
{
    struct drain *d = argument;
    int fd = open_connection();
    exchange_on(fd, &d->slow);
    char byte;
    assert_int_equal(read(fd, &byte, 1) > 0, false);
    close(fd);
    d->is_slow_done = true;
}

/* The loop is stopped by the server itself, when the last connection is gone. */
static void run_drain(void *argument)
{
    struct drain *d = argument;
    d->kept_fd = open_connection();
    exchange_on(d->kept_fd, &d->before);
    task_start(run_slow, d, 256);
    task_sleep_ms(10);
    fastcgi_drain();

    /* A kept connection may still bring a request; then it is told to go. */
    task_sleep_ms(10);
    exchange_on(d->kept_fd, &d->after);
    while (!d->is_slow_done)
        task_sleep_ms(5);
    close(d->kept_fd);
}

static void test_draining_answers_what_is_there(void **state)
{
    (void)state;
    struct drain d = {
        .before = {.uri = "/echo",   .body = S("before"), .is_kept = true},
        .after = {.uri = "/echo",                .body = S("after"),                      .is_kept = true},
        .slow = {.uri = "/echo?sleep=50", .body = S("slow")},
    };
    task_start(run_drain, &d, 256);
    loop_run();
    assert_body(d.before, S("before"));
    assert_int_equal(d.before.extra_bytes, 0);
    assert_body(d.after, S("after"));
    assert_true(d.after.is_complete);
    /* What nginx takes as the sign to close. */
    assert_int_equal(d.after.extra_bytes, 8);
    assert_body(d.slow, S("slow"));
    assert_int_equal(fastcgi_in_flight(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_answered),
        cmocka_unit_test(test_queries_cookies_and_forms_are_read),
        cmocka_unit_test(test_an_empty_length_may_have_a_body),
        cmocka_unit_test(test_a_body_may_be_large_but_not_too_large),
        cmocka_unit_test(test_half_a_body_never_reaches_the_handler),
        cmocka_unit_test(test_rubbish_is_dropped),
        cmocka_unit_test(test_headers_cannot_smuggle),
        cmocka_unit_test(test_refusals_and_silence),
        cmocka_unit_test(test_sleeping_handlers_hold_nobody_up),
        cmocka_unit_test(test_a_connection_is_kept),
        cmocka_unit_test(test_a_client_that_leaves_harms_nobody),
        cmocka_unit_test(test_draining_answers_what_is_there),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
