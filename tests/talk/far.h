/*
 * far.h - the far side of a talk: Telegram, FAL and the object store, behind
 * one socket of this process's own loop, and the decoder behind another.
 *
 * Requests are printed as they arrive. Telegram answers as chat.h says, the
 * store keeps what it is given, and FAL answers what the talk has prepared;
 * prepared answers for Telegram go before its own. The decoder takes every
 * photo for an ordinary one, unless the talk has prepared what it says.
 */
#pragma once
#include <errno.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/loop.h"
#include "tests/talk/chat.h"

enum { PREPARED_MOST = 64, OBJECTS_MOST = 64 };

struct prepared {
    str party; /* "fal", "openai", "store" or "telegram" */
    int status;
    str body;
    bool is_used;
};

struct object {
    str path, content_type, bytes;
};

static struct {
    struct arena *arena; /* of the whole talk */
    struct buf *out;     /* what this step has printed so far */
    struct watch listener;
    str address; /* 127.0.0.1:port */
    struct prepared prepared[PREPARED_MOST];
    size_t prepared_count;
    struct object objects[OBJECTS_MOST];
    size_t object_count;
    struct watch media_listener;
    const char *media_socket; /* path */
    str media[PREPARED_MOST]; /* what the decoder says next */
    size_t media_count, media_used;
} far;

struct far_request {
    str method, path, content_type, body;
};

struct far_answer {
    int status;
    str content_type, body;
};

/* ---------------------------------------------------------------- parties */

static const struct prepared *take_prepared(str party)
{
    for (size_t i = 0; i < far.prepared_count; i++)
        if (!far.prepared[i].is_used && str_eq(far.prepared[i].party, party)) {
            far.prepared[i].is_used = true;
            return &far.prepared[i];
        }
    return NULL;
}

/* Our own address changes from run to run. */
static str without_address(str text)
{
    struct buf b = buf_new(far.arena);
    size_t at;
    while (str_find(text, far.address, &at)) {
        buf_add(&b, str_sub(text, 0, at));
        buf_add(&b, S("FAR"));
        text = str_sub(text, at + far.address.len, text.len);
    }
    buf_add(&b, text);
    return buf_str(&b);
}

static str with_address(str text)
{
    struct buf b = buf_new(far.arena);
    size_t at;
    while (str_find(text, S("{FAR}"), &at)) {
        buf_addf(&b, STR_FMT "http://" STR_FMT, STR_ARG(str_sub(text, 0, at)),
                 STR_ARG(far.address));
        text = str_sub(text, at + strlen("{FAR}"), text.len);
    }
    buf_add(&b, text);
    return buf_str(&b);
}

static str part_name(str head, const char *key)
{
    str name = {0}, rest;
    size_t at;
    str wanted = str_printf(far.arena, " %s=\"", key);
    if (str_find(head, wanted, &at))
        str_cut(str_sub(head, at + wanted.len, head.len), '"', &name, &rest);
    return name;
}

static uint32_t number_at(str bytes, size_t at)
{
    uint32_t number = 0;
    for (size_t i = 0; i < sizeof number; i++)
        number = number << 8 | (unsigned char)bytes.ptr[at + i];
    return number;
}

/* How many bytes a picture takes that we have drawn depends on the fonts of the machine. */
static str file_shown(str bytes)
{
    enum { HEADER_AT = 12, WIDTH_AT = 16, HEIGHT_AT = 20, LEAST_BYTES = 24 };
    bool is_drawn = bytes.len >= LEAST_BYTES && str_eq(str_sub(bytes, HEADER_AT, 4), S("IHDR"));
    return is_drawn ? str_printf(far.arena, "(picture of %u by %u)", number_at(bytes, WIDTH_AT),
                                 number_at(bytes, HEIGHT_AT))
                    : str_printf(far.arena, "(file of %zu bytes)", bytes.len);
}

/* A form with files: the fields as a call, each file as its size. */
static struct json_object *read_form(const struct far_request *r)
{
    struct json_object *call = json_object_new_object();
    size_t at;
    if (!str_find(r->content_type, S("boundary="), &at))
        return call;
    str mark = str_printf(
        far.arena, "--" STR_FMT,
        STR_ARG(str_sub(r->content_type, at + strlen("boundary="), r->content_type.len)));
    str left = r->body;
    while (str_find(left, mark, &at)) {
        left = str_sub(left, at + mark.len, left.len);
        size_t head_end, end;
        if (!str_find(left, S("\r\n\r\n"), &head_end) || !str_find(left, mark, &end))
            break;
        str head = str_sub(left, 0, head_end);
        str data = str_sub(left, head_end + 4, end - head_end - 6);
        str name = part_name(head, "name");
        if (!str_empty(part_name(head, "filename")))
            data = file_shown(data);
        struct json_object *value = NULL;
        char first = data.len ? data.ptr[0] : '\0';
        err *e = NULL;
        if (first == '{' || first == '[' || (first >= '0' && first <= '9') || first == '-')
            e = json_parse(far.arena, data, &value);
        value = value && !e ? json_object_get(value)
                            : json_object_new_string_len(data.ptr, (int)data.len);
        json_object_object_add(call, cstr(far.arena, name), value);
    }
    return call;
}

static struct json_object *read_call(const struct far_request *r)
{
    struct json_object *call = NULL;
    if (str_starts(r->content_type, S("multipart/")))
        call = read_form(r);
    else if (json_parse(far.arena, r->body, &call))
        call = json_object_new_object();
    else
        json_object_get(call);
    arena_defer(far.arena, close_tree, call);
    return call;
}

/* Of /telegram/bot<token>/sendMessage the method. */
static str last_part(str path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/')
        at--;
    return str_sub(path, at, path.len);
}

/* Each file has bytes of its own, by its name up to a ~. */
static struct far_answer file_answers(const struct far_request *r)
{
    str name, rest;
    str_cut(last_part(r->path), '.', &name, &rest);
    buf_addf(far.out, "> GET the file " STR_FMT "\n", STR_ARG(name));
    const struct prepared *prepared = take_prepared(S("telegram"));
    if (prepared)
        return (struct far_answer){prepared->status, S("text/plain"), prepared->body};
    str_cut(name, '~', &name, &rest);
    return (struct far_answer){200, S("application/octet-stream"),
                               str_printf(far.arena, "bytes of " STR_FMT, STR_ARG(name))};
}

static struct far_answer telegram_answers(const struct far_request *r)
{
    if (str_starts(r->path, S("/telegram/file/")))
        return file_answers(r);
    str method = last_part(r->path);
    struct json_object *call = read_call(r);
    print_call(far.out, "<", method, call);
    const struct prepared *prepared = take_prepared(S("telegram"));
    str body = prepared ? prepared->body : apply_call(far.arena, method, call);
    bool is_ok = str_starts(body, S("{\"ok\":true"));
    if (!is_ok)
        buf_addf(far.out, "! " STR_FMT "\n", STR_ARG(body));
    return (struct far_answer){prepared ? prepared->status
                               : is_ok  ? 200
                                        : 400,
                               S("application/json"), body};
}

/* "png" is a picture, "png 10485761" one of so many bytes. */
static str picture(str what)
{
    str small = S("\x89PNG\r\n\x1a\n and so on"), word, number;
    int64_t size;
    if (!str_cut(what, ' ', &word, &number) || !str_to_i64(number, &size))
        return small;
    char *bytes = NEW_ARRAY(far.arena, char, (size_t)size);
    memset(bytes, '.', (size_t)size);
    memcpy(bytes, small.ptr, small.len);
    return (str){bytes, (size_t)size};
}

static struct far_answer party_answers(const struct far_request *r, const char *party)
{
    bool is_file = r->body.len && !str_starts(r->content_type, S("application/json"));
    str content_type, boundary; /* which is another one each time */
    str_cut(r->content_type, ';', &content_type, &boundary);
    str body = is_file
                   ? str_printf(far.arena, STR_FMT " %zu bytes", STR_ARG(content_type), r->body.len)
                   : without_address(r->body);
    buf_addf(far.out, "> " STR_FMT " " STR_FMT "%s" STR_FMT "\n", STR_ARG(r->method),
             STR_ARG(without_address(r->path)), r->body.len ? " " : "", STR_ARG(body));
    const struct prepared *prepared = take_prepared(str_from(party));
    if (!prepared) {
        buf_addf(far.out, "! the talk has prepared no answer of %s\n", party);
        return (struct far_answer){500, S("application/json"), S("{}")};
    }
    if (str_starts(prepared->body, S("png")))
        return (struct far_answer){prepared->status, S("image/png"), picture(prepared->body)};
    if (str_eq(prepared->body, S("lora"))) /* the length of its JSON, the JSON, the numbers */
        return (struct far_answer){
            prepared->status, S("application/octet-stream"), {"\2\0\0\0\0\0\0\0{}numbers", 17}
        };
    return (struct far_answer){prepared->status, S("application/json"), prepared->body};
}

static struct object *find_object(str path)
{
    for (size_t i = 0; i < far.object_count; i++)
        if (str_eq(far.objects[i].path, path))
            return &far.objects[i];
    return NULL;
}

static struct far_answer store_answers(const struct far_request *r)
{
    struct object *object = find_object(r->path);
    buf_addf(far.out, "> " STR_FMT " " STR_FMT, STR_ARG(r->method), STR_ARG(r->path));
    if (r->body.len)
        buf_addf(far.out, " " STR_FMT " %zu bytes", STR_ARG(r->content_type), r->body.len);
    buf_add_char(far.out, '\n');
    const struct prepared *prepared = take_prepared(S("store"));
    if (prepared && str_starts(prepared->body, S("png")))
        return (struct far_answer){prepared->status, S("image/png"), picture(prepared->body)};
    if (prepared)
        return (struct far_answer){prepared->status, S("application/xml"), prepared->body};
    if (str_eq(r->method, S("PUT"))) {
        if (!object)
            object = &far.objects[far.object_count++];
        assert(far.object_count < OBJECTS_MOST);
        *object = (struct object){r->path, r->content_type, r->body};
        return (struct far_answer){200, S("application/xml"), S("")};
    }
    if (str_eq(r->method, S("DELETE"))) {
        if (object)
            object->path = S("");
        return (struct far_answer){204, S("application/xml"), S("")};
    }
    if (!object)
        return (struct far_answer){404, S("application/xml"),
                                   S("<Error><Code>NoSuchKey</Code></Error>")};
    return (struct far_answer){200, object->content_type, object->bytes};
}

static struct far_answer answer_of(const struct far_request *r)
{
    if (str_starts(r->path, S("/telegram/")))
        return telegram_answers(r);
    if (str_starts(r->path, S("/openai/")))
        return party_answers(r, "openai");
    return str_starts(r->path, S("/fal/")) ? party_answers(r, "fal") : store_answers(r);
}

/* ---------------------------------------------------------------- HTTP */

static str header_of(str head, str name)
{
    str line;
    while (!str_empty(head)) {
        str_cut(head, '\n', &line, &head);
        if (line.len > name.len && str_eq_nocase(str_sub(line, 0, name.len), name))
            return str_trim(str_sub(line, name.len + 1, line.len));
    }
    return S("");
}

/* True when a whole request stands in raw. */
static bool parse_request(str raw, struct far_request *out)
{
    size_t end;
    int64_t length = 0;
    if (!str_find(raw, S("\r\n\r\n"), &end))
        return false;
    str head = str_sub(raw, 0, end), first, rest;
    str_to_i64(header_of(head, S("Content-Length")), &length);
    if (raw.len < end + 4 + (size_t)length)
        return false;
    str_cut(head, '\r', &first, &rest);
    str_cut(first, ' ', &out->method, &rest);
    str_cut(rest, ' ', &out->path, &rest);
    out->content_type = header_of(head, S("Content-Type"));
    out->body = str_sub(raw, end + 4, (size_t)length);
    return true;
}

static bool read_request(int fd, struct far_request *out)
{
    struct buf raw = buf_new(far.arena);
    char chunk[8192];
    while (!parse_request(buf_str(&raw), out)) {
        task_wait_fd(fd, EPOLLIN, 0);
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got <= 0)
            return false;
        buf_add(&raw, (str){chunk, (size_t)got});
    }
    return true;
}

/* The one who reads a large answer is a task of this process: it has to get its turn. */
static bool write_answer(int fd, str bytes)
{
    while (!str_empty(bytes)) {
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0)
            task_wait_fd(fd, EPOLLOUT, 0);
        else
            bytes = str_sub(bytes, (size_t)sent, bytes.len);
    }
    return true;
}

static void serve_connection(void *argument)
{
    int fd = (int)(intptr_t)argument;
    struct far_request request = {0};
    while (read_request(fd, &request)) {
        struct far_answer answer = answer_of(&request);
        bool has_body = answer.status != 204 && !str_eq(request.method, S("HEAD"));
        str head = str_printf(far.arena,
                              "HTTP/1.1 %d Answer\r\nContent-Type: " STR_FMT
                              "\r\nContent-Length: %zu\r\n\r\n",
                              answer.status, STR_ARG(answer.content_type), answer.body.len);
        if (!write_answer(fd, head) || !write_answer(fd, has_body ? answer.body : S("")))
            break;
    }
    close(fd);
}

static void on_connection(struct watch *w, uint32_t events)
{
    (void)events;
    int fd = accept(w->fd, NULL, NULL);
    if (fd >= 0)
        task_start(serve_connection, (void *)(intptr_t)fd, 256);
}

/* ---------------------------------------------------------------- the decoder */

/* An ordinary photo, whose hash is far from that of any other. */
static struct json_object *ordinary_photo(str bytes)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)bytes.ptr, bytes.len, digest);
    str hash = str_hex(far.arena, (str){(const char *)digest, 8});
    str text = json_make(far.arena, KV("format", "jpeg"), KV("width", 1200), KV("height", 1600),
                         KV("brightness", 120.0), KV("contrast", 50.0), KV("sharpness", 300.0),
                         KV("hash", hash));
    struct json_object *photo = NULL;
    err *e = json_parse(far.arena, text, &photo);
    assert(!e);
    (void)e;
    return photo;
}

static str media_answer(str bytes)
{
    static const char jpeg[] = "\xff\xd8\xff of our own";
    struct json_object *photo = ordinary_photo(bytes), *said = NULL;
    str wanted = far.media_used < far.media_count ? far.media[far.media_used++] : S("{}");
    if (str_eq(wanted, S("dies")) || json_parse(far.arena, wanted, &said))
        return S("");
    json_object_object_foreach(said, name, value)
        json_object_object_add(photo, name, json_object_get(value));
    size_t size = json_has(photo, "refused") ? 0 : sizeof jpeg - 1;
    json_object_object_add(photo, "bytes", json_object_new_int64((int64_t)size));
    return str_printf(far.arena, STR_FMT "\n%.*s", STR_ARG(json_text(far.arena, photo)), (int)size,
                      jpeg);
}

/* A recording of seventy seconds, in two pieces when they are asked for; what the talk has prepared
 * stands in the last line. */
static str sound_answer(bool is_split)
{
    struct json_object *sound = NULL, *said = NULL;
    str wanted = far.media_used < far.media_count ? far.media[far.media_used++] : S("{}");
    if (str_eq(wanted, S("dies")) || json_parse(far.arena, wanted, &said) ||
        json_parse(far.arena, S("{\"bytes\":0,\"format\":\"ogg/opus\",\"duration_ms\":70000}"),
                   &sound))
        return S("");
    json_object_object_foreach(said, name, value)
        json_object_object_add(sound, name, json_object_get(value));
    int64_t whole_ms = 0, sounding_ms = 0; /* the latter of each piece, where a talk says so */
    json_i64(sound, "duration_ms", &whole_ms);
    json_i64(sound, "sounding_ms", &sounding_ms);
    struct buf b = buf_new(far.arena);
    for (int64_t n = 0; is_split && n < 2 && !json_has(sound, "refused"); n++)
        buf_addf(&b,
                 "{\"bytes\":9,\"piece\":%" PRId64 ",\"start_ms\":%" PRId64
                 ",\"length_ms\":%" PRId64 ",\"sounding_ms\":%" PRId64
                 ",\"silent\":false,\"noisy\":false}\nfLaC 1234",
                 n, n * whole_ms / 2, (n + 1) * whole_ms / 2 - n * whole_ms / 2, sounding_ms);
    buf_addf(&b, STR_FMT "\n", STR_ARG(json_text(far.arena, sound)));
    return buf_str(&b);
}

/* One request: a line that tells how many bytes follow, and the bytes. */
static bool read_media_request(int fd, str *task, str *bytes)
{
    struct buf raw = buf_new(far.arena);
    char chunk[8192];
    for (;;) {
        str line, behind;
        struct json_object *request;
        int64_t size = 0;
        if (str_cut(buf_str(&raw), '\n', &line, &behind)) {
            if (json_parse(far.arena, line, &request) || !json_i64(request, "bytes", &size))
                return false;
            *bytes = behind;
            *task = json_str(request, "task");
            if (behind.len >= (size_t)size)
                return true;
        }
        task_wait_fd(fd, EPOLLIN, 0);
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got <= 0)
            return false;
        buf_add(&raw, (str){chunk, (size_t)got});
    }
}

static void serve_media(void *argument)
{
    int fd = (int)(intptr_t)argument;
    str bytes, task;
    if (read_media_request(fd, &task, &bytes)) {
        bool is_photo = str_eq(task, S("photo"));
        if (is_photo)
            buf_addf(far.out, "> the decoder, %zu bytes\n", bytes.len);
        else
            buf_addf(far.out, "> the decoder, a recording, " STR_FMT "\n", STR_ARG(task));
        str answer = is_photo ? media_answer(bytes) : sound_answer(str_eq(task, S("split")));
        ssize_t sent = send(fd, answer.ptr, answer.len, MSG_NOSIGNAL);
        (void)sent;
    }
    close(fd);
}

static void on_media_connection(struct watch *w, uint32_t events)
{
    (void)events;
    int fd = accept(w->fd, NULL, NULL);
    if (fd >= 0)
        task_start(serve_media, (void *)(intptr_t)fd, 256);
}

static void media_listen(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    far.media_socket = cstr(far.arena, str_printf(far.arena, "/tmp/talk-%d.sock", (int)getpid()));
    memcpy(address.sun_path, far.media_socket, strlen(far.media_socket));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    unlink(far.media_socket); /* of a test that was killed, and had this number */
    int failed = bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 8);
    assert(!failed);
    (void)failed;
    far.media_listener = (struct watch){.fd = fd, .ready = on_media_connection};
}

static void far_close(void)
{
    unlink(far.media_socket);
}

/* ---------------------------------------------------------------- listening */

/* Finds a port; the loop serves it from far_serve() on. */
static void far_listen(struct arena *a)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failed = bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 128) ||
                 getsockname(fd, (struct sockaddr *)&address, &len);
    assert(!failed);
    (void)failed;
    far.arena = a;
    far.address = str_printf(a, "127.0.0.1:%d", ntohs(address.sin_port));
    far.listener = (struct watch){.fd = fd, .ready = on_connection};
    media_listen();
}

static void far_serve(void)
{
    loop_watch(&far.listener, EPOLLIN);
    loop_watch(&far.media_listener, EPOLLIN);
}
