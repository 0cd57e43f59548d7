#include "core/http.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/loop.h"

#include <cmocka.h>

/*
 * The other side is a real socket served by tasks of the same loop: it reads
 * one request, gives the canned answer of the test and notes what it was sent.
 */

static struct arena *a;
static struct {
    struct watch listener;
    int port;
    str answer;       /* raw; empty closes without a word */
    int64_t delay_ms; /* before the answer */
    str seen;         /* the last request, raw */
    int requests, connections;
    bool must_stop;
} server;

static bool is_whole(str request)
{
    size_t end;
    if (!str_find(request, S("\r\n\r\n"), &end))
        return false;
    size_t at;
    if (!str_find(request, S("Content-Length: "), &at))
        return true;
    str digits, rest;
    int64_t length = 0;
    str_cut(str_sub(request, at + 16, request.len), '\r', &digits, &rest);
    assert_true(str_to_i64(digits, &length));
    return request.len >= end + 4 + (size_t)length;
}

static bool read_request(int fd, str *out)
{
    struct buf raw = buf_new(a);
    char chunk[4096];
    while (!is_whole(buf_str(&raw))) {
        task_wait_fd(fd, EPOLLIN, 0);
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got <= 0)
            return false;
        buf_add(&raw, (str){chunk, (size_t)got});
    }
    *out = buf_str(&raw);
    return true;
}

static void serve_connection(void *argument)
{
    int fd = (int)(intptr_t)argument;
    str request;
    while (read_request(fd, &request)) {
        server.seen = request;
        server.requests++;
        if (server.delay_ms)
            task_sleep_ms(server.delay_ms);
        if (str_empty(server.answer))
            break;
        if (send(fd, server.answer.ptr, server.answer.len, MSG_NOSIGNAL) < 0)
            break;
    }
    close(fd);
}

static void on_connection(struct watch *w, uint32_t events)
{
    (void)events;
    int fd = accept(w->fd, NULL, NULL);
    if (fd < 0)
        return;
    server.connections++;
    task_start(serve_connection, (void *)(intptr_t)fd, 0);
}

static int start_server(void **state)
{
    (void)state;
    loop_init();
    http_init((str){0}, 0);
    a = arena_new(64 << 20);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof address), errno);
    assert_return_code(listen(fd, 128), errno);
    assert_return_code(getsockname(fd, (struct sockaddr *)&address, &len), errno);
    server.port = ntohs(address.sin_port);
    server.listener = (struct watch){.fd = fd, .ready = on_connection};
    loop_watch(&server.listener, EPOLLIN);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    loop_watch(&server.listener, 0);
    close(server.listener.fd);
    arena_free(a);
    return 0;
}

static int begin_test(void **state)
{
    (void)state;
    server.answer = S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Name:  Asya \r\n\r\nok");
    server.delay_ms = 0;
    server.seen = S("");
    server.requests = server.connections = 0;
    return 0;
}

/* -- calls, each run as a task until it is done -- */

struct fetch {
    struct http_request request;
    struct http_response response;
    err *error;
    int *left;
};

static void run_fetch(void *argument)
{
    struct fetch *f = argument;
    f->error = http_fetch(a, &f->request, &f->response);
    if (--*f->left == 0)
        loop_stop();
}

static void fetch_all(struct fetch *fetches, size_t count)
{
    int left = (int)count;
    for (size_t i = 0; i < count; i++) {
        fetches[i].left = &left;
        if (!fetches[i].request.timeout_ms)
            fetches[i].request.timeout_ms = 5000;
        if (!fetches[i].request.max_bytes)
            fetches[i].request.max_bytes = 1 << 20;
        if (str_empty(fetches[i].request.url))
            fetches[i].request.url = str_printf(a, "http://127.0.0.1:%d/path?q=1", server.port);
        task_start(run_fetch, &fetches[i], 0);
    }
    loop_run();
}

static struct fetch fetch(struct http_request request)
{
    struct fetch f = {.request = request};
    fetch_all(&f, 1);
    return f;
}

static void assert_seen(const char *text)
{
    size_t position;
    if (!str_find(server.seen, str_from(text), &position))
        fail_msg("\"%s\" not in:\n" STR_FMT, text, STR_ARG(server.seen));
}

static void assert_not_seen(const char *text)
{
    size_t position;
    assert_false(str_find(server.seen, str_from(text), &position));
}

#define assert_error(f, wanted)                                                                    \
    do {                                                                                           \
        assert_non_null((f).error);                                                                \
        assert_string_equal(err_kind_name((f).error->kind), err_kind_name(wanted));                \
    } while (0)

static void test_get_gives_status_headers_and_body(void **state)
{
    (void)state;
    struct fetch f = fetch((struct http_request){0});
    assert_null(f.error);
    assert_int_equal(f.response.status, 200);
    assert_true(str_eq(f.response.body, S("ok")));
    assert_true(str_eq(http_header(&f.response, S("x-name")), S("Asya")));
    assert_true(str_empty(http_header(&f.response, S("x-none"))));
    assert_seen("GET /path?q=1 HTTP/1.1\r\n");
    assert_seen("User-Agent: aisha\r\n");
}

static void test_body_goes_out_as_it_is(void **state)
{
    (void)state;
    const struct http_header headers[] = {
        {S("X-One"),   S("1")},
        {S("X-Empty"), S("") },
        {{0},          {0}   }
    };
    struct fetch f = fetch((struct http_request){.body = S("{\"a\":1}"), .headers = headers});
    assert_null(f.error);
    assert_seen("POST /path?q=1 HTTP/1.1\r\n");
    assert_seen("X-One: 1\r\n");
    assert_seen("X-Empty:\r\n");
    assert_seen("\r\n\r\n{\"a\":1}");
    assert_not_seen("Expect");
    assert_not_seen("Content-Type");
}

static void test_put_and_delete(void **state)
{
    (void)state;
    assert_null(fetch((struct http_request){.method = S("PUT"), .body = S("x")}).error);
    assert_seen("PUT /path?q=1 HTTP/1.1\r\n");
    assert_null(fetch((struct http_request){.method = S("PUT")}).error);
    assert_seen("Content-Length: 0\r\n");
    server.answer = S("HTTP/1.1 204 No Content\r\n\r\n");
    struct fetch f = fetch((struct http_request){.method = S("DELETE")});
    assert_null(f.error);
    assert_int_equal(f.response.status, 204);
    assert_seen("DELETE /path?q=1 HTTP/1.1\r\n");
}

static void test_head_awaits_no_body(void **state)
{
    (void)state;
    server.answer = S("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    struct fetch f = fetch((struct http_request){.is_head = true});
    assert_null(f.error);
    assert_true(str_empty(f.response.body));
    assert_true(str_eq(http_header(&f.response, S("Content-Length")), S("99")));
}

static void test_parts_make_a_form(void **state)
{
    (void)state;
    const struct http_part parts[] = {
        {.name = S("chat_id"),    .data = S("42")},
        {.name = S("photo"),
         .file_name = S("a.jpg"),
         .content_type = S("image/jpeg"),
         .data = S("JPEG\0DATA")},
        {.name = {0}},
    };
    assert_null(fetch((struct http_request){.parts = parts}).error);
    assert_seen("POST /path?q=1 HTTP/1.1\r\n");
    assert_seen("Content-Type: multipart/form-data; boundary=");
    assert_seen("Content-Disposition: form-data; name=\"chat_id\"\r\n\r\n42\r\n");
    assert_seen("name=\"photo\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n");
    size_t position;
    assert_true(str_find(server.seen, S("JPEG\0DATA"), &position));
}

static void test_any_status_is_an_answer(void **state)
{
    (void)state;
    server.answer = S("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    struct fetch f = fetch((struct http_request){0});
    assert_null(f.error);
    assert_int_equal(f.response.status, 302);
    assert_int_equal(server.requests, 1);
}

static void test_connections_are_kept(void **state)
{
    (void)state;
    assert_null(fetch((struct http_request){0}).error);
    int before = server.connections;
    for (int i = 0; i < 5; i++)
        assert_null(fetch((struct http_request){0}).error);
    assert_int_equal(server.connections, before);
    assert_int_equal(server.requests, 6);
}

static void test_calls_run_side_by_side(void **state)
{
    (void)state;
    server.delay_ms = 100;
    struct fetch fetches[20] = {0};
    int64_t began_ms = clock_steady_ms();
    fetch_all(fetches, 20);
    assert_in_range(clock_steady_ms() - began_ms, 100, 1000);
    for (size_t i = 0; i < 20; i++)
        assert_null(fetches[i].error);
}

/* -- what goes wrong -- */

static void test_nobody_there_is_unreachable(void **state)
{
    (void)state;
    assert_error(fetch((struct http_request){.url = S("http://127.0.0.1:1/")}), ERR_UNREACHABLE);
    assert_error(fetch((struct http_request){.url = S("http://no-such-host.invalid/")}),
                 ERR_UNREACHABLE);
    /* No TLS is spoken there. */
    assert_error(
        fetch((struct http_request){.url = str_printf(a, "https://127.0.0.1:%d/", server.port),
                                    .timeout_ms = 500}),
        ERR_UNREACHABLE);
}

static void test_silence_after_the_request_is_unknown(void **state)
{
    (void)state;
    server.delay_ms = 300;
    assert_error(fetch((struct http_request){.timeout_ms = 100, .body = S("x")}), ERR_UNKNOWN);
    server.delay_ms = 0;
    server.answer = S("");
    assert_error(fetch((struct http_request){.body = S("x")}), ERR_UNKNOWN);
    server.answer = S("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    assert_error(fetch((struct http_request){.body = S("x"), .timeout_ms = 200}), ERR_UNKNOWN);
}

static void test_too_much_is_refused(void **state)
{
    (void)state;
    assert_null(fetch((struct http_request){.max_bytes = 2}).error);
    assert_error(fetch((struct http_request){.max_bytes = 1}), ERR_INPUT);
    /* The same where the length is not announced. */
    server.answer = S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "4\r\nabcd\r\n4\r\nefgh\r\n0\r\n\r\n");
    assert_null(fetch((struct http_request){.max_bytes = 8}).error);
    assert_error(fetch((struct http_request){.max_bytes = 7}), ERR_INPUT);
}

static void test_headers_cannot_smuggle(void **state)
{
    (void)state;
    const struct http_header headers[] = {
        {S("X-One"), S("1\r\nX-Two: 2")},
        {{0},        {0}               }
    };
    assert_error(fetch((struct http_request){.headers = headers}), ERR_INPUT);
    assert_int_equal(server.requests, 0);
}

static void test_foreign_addresses_stay_outside(void **state)
{
    (void)state;
    static const str closed[] = {
        S("https://127.0.0.1/"),      S("https://localhost/"),
        S("https://10.1.2.3/"),       S("https://172.31.0.1/"),
        S("https://192.168.1.1/"),    S("https://169.254.169.254/"),
        S("https://100.64.0.1/"),     S("https://224.0.0.1/"),
        S("https://0.0.0.0/"),        S("https://[::1]/"),
        S("https://[::]/"),           S("https://[fe80::1]/"),
        S("https://[fd00::1]/"),      S("https://[::ffff:10.0.0.1]/"),
        S("https://[ff02::1]/"),      S("https://[64:ff9b::a00:1]/"),
        S("https://[2002:a00:1::]/"), S("https://2130706433/"),
        S("https://127.1/"),          S("http://93.184.216.34/"),
        S("file:///etc/passwd"),      S("https://user@127.0.0.1/"),
        S("ftp://93.184.216.34/"),
    };
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        struct fetch f = fetch((struct http_request){
            .url = closed[i], .foreign = true, .timeout_ms = 1000, .connect_timeout_ms = 500});
        if (!f.error || f.error->kind != ERR_INPUT)
            fail_msg(STR_FMT " was not refused: %s", STR_ARG(closed[i]),
                     f.error ? cstr(a, f.error->message) : "success");
    }
}

static void test_a_kept_connection_is_no_way_around(void **state)
{
    (void)state;
    str mine = str_printf(a, "http://127.0.0.1:%d/", server.port);
    assert_null(fetch((struct http_request){.url = mine}).error);
    assert_error(fetch((struct http_request){.url = mine, .foreign = true}), ERR_INPUT);
    assert_int_equal(server.requests, 1);
}

/* The last one: what is allowed stays so. */
static void test_the_operators_addresses_are_allowed(void **state)
{
    (void)state;
    http_allow(str_printf(a, "http://127.0.0.1:%d", server.port));
    assert_null(fetch((struct http_request){.foreign = true}).error);
    assert_error(fetch((struct http_request){.url = S("http://127.0.0.1:1/"), .foreign = true}),
                 ERR_INPUT);
}

static int progress_calls;

static void count_progress(void *owner)
{
    assert_ptr_equal(owner, &server);
    assert_non_null(task_self());
    task_sleep_ms(10);
    progress_calls++;
}

static void test_progress_is_told_in_the_task(void **state)
{
    (void)state;
    server.delay_ms = 1300;
    assert_null(fetch((struct http_request){.progress = count_progress, .owner = &server}).error);
    assert_int_equal(progress_calls, 1);
}

static void test_url_split(void **state)
{
    (void)state;
    static const struct {
        str url;
        bool is_url;
        str scheme, host;
        int port;
        str path;
    } rows[] = {
        {S("https://fal.media/files/a.png?x=1"), true,                S("https"), S("fal.media"), 0,
         S("/files/a.png?x=1")},
        {S("http://127.0.0.1:8080"),                        true,                                          S("http"), S("127.0.0.1"), 8080, S("/")},
        {S("http://[::1]:9000/b/k"),                                      true,                                S("http"), S("::1"), 9000, S("/b/k")},
        {S("https://h?q"),                             true,S("https"), S("h"), 0, S("?q")},
        {S("https://h/p#f"),                                true,                                                   S("https"), S("h"), 0, S("/p")},
        {S("https://h:/p"),true,S("https"), S("h"), 0, S("/p")},
        {S(""),                                  false                                           },
        {S("/path"),                       false         },
        {S("://h/"),                                false                                                 },
        {S("https:///p"),                                      false                                       },
        {S("https://h:0/"),                            false},
        {S("https://h:65536/"),                               false                                                 },
        {S("https://h:8x/"),                                      false                                                                       },
        {S("https://a@b/"),                                     false                                                },
        {S("https://[::1/"),                                  false              },
        {S("https://[::1]x/"),                             false                    },
        {S("https://h/a b"),                             false           },
        {S("https://h\\@evil/"),                        false},
        {S("https://h/\r\nX: y"),                      false        },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        str scheme, host, path;
        int port;
        bool is_url = http_url_split(rows[i].url, &scheme, &host, &port, &path);
        if (is_url != rows[i].is_url)
            fail_msg("row %zu: " STR_FMT, i, STR_ARG(rows[i].url));
        if (!is_url)
            continue;
        assert_true(str_eq(scheme, rows[i].scheme));
        assert_true(str_eq(host, rows[i].host));
        assert_int_equal(port, rows[i].port);
        assert_true(str_eq(path, rows[i].path));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_get_gives_status_headers_and_body, begin_test),
        cmocka_unit_test_setup(test_body_goes_out_as_it_is, begin_test),
        cmocka_unit_test_setup(test_put_and_delete, begin_test),
        cmocka_unit_test_setup(test_head_awaits_no_body, begin_test),
        cmocka_unit_test_setup(test_parts_make_a_form, begin_test),
        cmocka_unit_test_setup(test_any_status_is_an_answer, begin_test),
        cmocka_unit_test_setup(test_connections_are_kept, begin_test),
        cmocka_unit_test_setup(test_calls_run_side_by_side, begin_test),
        cmocka_unit_test_setup(test_nobody_there_is_unreachable, begin_test),
        cmocka_unit_test_setup(test_silence_after_the_request_is_unknown, begin_test),
        cmocka_unit_test_setup(test_too_much_is_refused, begin_test),
        cmocka_unit_test_setup(test_headers_cannot_smuggle, begin_test),
        cmocka_unit_test_setup(test_foreign_addresses_stay_outside, begin_test),
        cmocka_unit_test_setup(test_a_kept_connection_is_no_way_around, begin_test),
        cmocka_unit_test_setup(test_the_operators_addresses_are_allowed, begin_test),
        cmocka_unit_test_setup(test_progress_is_told_in_the_task, begin_test),
        cmocka_unit_test_setup(test_url_split, begin_test),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
