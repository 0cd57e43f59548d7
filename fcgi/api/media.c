#include "api/media.h"

#include <math.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/loop.h"

enum {
    LINE_MOST_BYTES = 4096,
    /* A picture of 2048 x 2048 that is nothing but noise has 7 MiB at our quality. */
    JPEG_MOST_BYTES = 16 << 20,
    FULL_PAUSE_MS = 20,
    SIDE_MOST_PIXELS = 1000000,
};

struct call {
    struct arena *arena;
    int fd;
    int64_t deadline_ms;
};

/* -- numbers -- */

double media_quality_score(int width, int height, double brightness, double contrast)
{
    double short_side = width < height ? width : height;
    return 0.5 * fmin(1, short_side / 512) + 0.3 * fmin(1, contrast / 30) +
           0.2 * (1 - fabs(brightness - 128) / 128);
}

int media_hash_distance(uint64_t one, uint64_t other)
{
    return __builtin_popcountll(one ^ other);
}

/* -- the line to the process -- */

static err *silent(const struct call *c)
{
    return fail(c->arena, ERR_UPSTREAM, "media: silent until the deadline");
}

/* A unix socket is connected at once or not at all: while its queue is full there is nothing to
 * be waited for but time. */
static err *connect_line(struct call *c, str path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path.len >= sizeof address.sun_path)
        return fail(c->arena, ERR_INPUT, "media: the path of the socket is too long");
    memcpy(address.sun_path, path.ptr, path.len);

    while (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return fail(c->arena, ERR_UNREACHABLE, "media: " STR_FMT ": %s", STR_ARG(path),
                        strerror(errno));
        if (clock_steady_ms() >= c->deadline_ms)
            return fail(c->arena, ERR_BUSY, "media: the queue is full");
        task_sleep_ms(FULL_PAUSE_MS);
    }
    return NULL;
}

static err *open_line(struct call *c, str path)
{
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return fail(c->arena, ERR_UNREACHABLE, "media: socket: %s", strerror(errno));
    return connect_line(c, path);
}

/* Who refuses by the first line alone does not read the rest: an end of the line while we write
 * is no failure yet, the answer may lie there already. */
static err *write_all(const struct call *c, str bytes)
{
    while (bytes.len) {
        ssize_t sent = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent >= 0)
            bytes = str_sub(bytes, (size_t)sent, bytes.len);
        else if (errno == EPIPE || errno == ECONNRESET)
            return NULL;
        else if (errno != EAGAIN && errno != EINTR)
            return fail(c->arena, ERR_UPSTREAM, "media: write: %s", strerror(errno));
        else if (task_wait_fd(c->fd, EPOLLOUT, c->deadline_ms) == TIMED_OUT)
            return silent(c);
    }
    return NULL;
}

/* Whatever is there, at most `room` bytes; got is 0 at the end of the line. */
static err *read_some(const struct call *c, char *into, size_t room, size_t *got)
{
    for (;;) {
        ssize_t n = recv(c->fd, into, room, 0);
        if (n >= 0 || errno == ECONNRESET) {
            *got = n > 0 ? (size_t)n : 0;
            return NULL;
        }
        if (errno != EAGAIN && errno != EINTR)
            return fail(c->arena, ERR_UPSTREAM, "media: read: %s", strerror(errno));
        if (task_wait_fd(c->fd, EPOLLIN, c->deadline_ms) == TIMED_OUT)
            return silent(c);
    }
}

/* The first line, and what of the bytes behind it came along. */
static err *read_line(const struct call *c, str *line, str *behind)
{
    char *head = NEW_ARRAY(c->arena, char, LINE_MOST_BYTES);
    size_t len = 0;
    while (!str_cut((str){head, len}, '\n', line, behind)) {
        size_t got = 0, room = LINE_MOST_BYTES - len;
        if (!room)
            return fail(c->arena, ERR_UPSTREAM, "media: the answer has no first line");
        TRY(read_some(c, head + len, room, &got));
        if (!got)
            return fail(c->arena, ERR_UPSTREAM, "media: the process ended without an answer");
        len += got;
    }
    return NULL;
}

/* Exactly that many bytes, and then the end; the first of them are here already. */
static err *read_bytes(const struct call *c, str begin, size_t count, str *out)
{
    size_t room = count + 1, len = begin.len, got = 1;
    if (len > count)
        return fail(c->arena, ERR_UPSTREAM, "media: the answer is longer than it says");
    char *bytes = NEW_ARRAY(c->arena, char, room);
    memcpy(bytes, begin.ptr, len);
    while (got && len < room) {
        TRY(read_some(c, bytes + len, room - len, &got));
        len += got;
    }
    if (len != count)
        return fail(c->arena, ERR_UPSTREAM, "media: the answer is %s than it says",
                    len < count ? "shorter" : "longer");
    *out = (str){bytes, count};
    return NULL;
}

/* -- the answer -- */

static bool is_one_of(str word, const char *const *words)
{
    for (; *words; words++)
        if (str_eq(word, str_from(*words)))
            return true;
    return false;
}

static const char *const formats[] = {"jpeg", "png", "webp", NULL};
static const char *const refusals[] = {"format", "unreadable", "too_small", "too_many_pixels",
                                       NULL};

static bool read_hash(struct arena *a, str text, uint64_t *out)
{
    str bytes;
    if (!str_unhex(a, text, &bytes) || bytes.len != sizeof *out)
        return false;
    uint64_t hash = 0;
    for (size_t i = 0; i < bytes.len; i++)
        hash = hash << 8 | (unsigned char)bytes.ptr[i];
    *out = hash;
    return true;
}

static bool read_within(struct json_object *answer, const char *name, double most, double *out)
{
    return json_double(answer, name, out) && *out >= 0 && *out <= most;
}

static bool read_sides(struct json_object *answer, struct media_photo *out)
{
    int64_t width, height;
    if (!json_i64(answer, "width", &width) || !json_i64(answer, "height", &height) || width < 1 ||
        height < 1 || width > SIDE_MOST_PIXELS || height > SIDE_MOST_PIXELS)
        return false;
    out->width = (int)width;
    out->height = (int)height;
    return true;
}

static bool read_measures(struct arena *a, struct json_object *answer, struct media_photo *out)
{
    return read_sides(answer, out) && read_within(answer, "brightness", 255, &out->brightness) &&
           read_within(answer, "contrast", 128, &out->contrast) &&
           read_within(answer, "sharpness", 1e7, &out->sharpness) &&
           read_hash(a, json_str(answer, "hash"), &out->hash) && !str_empty(out->format);
}

static bool read_refusal(struct json_object *answer, struct media_photo *out)
{
    bool is_measured = str_eq(out->refused, S("too_small")) ||
                       str_eq(out->refused, S("too_many_pixels"));
    return is_one_of(out->refused, refusals) && (!is_measured || read_sides(answer, out));
}

static bool read_answer(struct arena *a, struct json_object *answer, int64_t size,
                        struct media_photo *out)
{
    out->refused = json_str(answer, "refused");
    out->format = json_str(answer, "format");
    if (!str_empty(out->format) && !is_one_of(out->format, formats))
        return false;
    if (!str_empty(out->refused))
        return size == 0 && read_refusal(answer, out);
    return size > 0 && read_measures(a, answer, out);
}

static err *not_an_answer(struct arena *a, str line)
{
    return fail_with(a, ERR_UPSTREAM, 0, line, "media: what came is no answer");
}

static err *receive(const struct call *c, struct media_photo *out)
{
    str line, behind;
    TRY(read_line(c, &line, &behind));

    struct json_object *answer;
    int64_t size;
    if (json_parse(c->arena, line, &answer) || !json_i64(answer, "bytes", &size) || size < 0 ||
        size > JPEG_MOST_BYTES)
        return not_an_answer(c->arena, line);
    str wrong = json_str(answer, "error");
    if (!str_empty(wrong))
        return fail(c->arena, ERR_UPSTREAM, "media: " STR_FMT, STR_ARG(wrong));

    struct media_photo photo = {0};
    TRY(read_bytes(c, behind, (size_t)size, &photo.jpeg));
    if (!read_answer(c->arena, answer, size, &photo) ||
        (size && !str_starts(photo.jpeg, S("\xff\xd8\xff"))))
        return not_an_answer(c->arena, line);
    if (size)
        photo.quality_score = media_quality_score(photo.width, photo.height, photo.brightness,
                                                  photo.contrast);
    *out = photo;
    return NULL;
}

/* -- the call -- */

static err *talk(struct call *c, const struct media *m, str header, str bytes,
                 struct media_photo *out)
{
    TRY(open_line(c, m->socket));
    TRY(write_all(c, header));
    TRY(write_all(c, bytes));
    return receive(c, out);
}

err *media_photo(struct arena *a, const struct media *m, str bytes,
                 const struct media_limits *limits, struct media_photo *out)
{
    if (bytes.len > MEDIA_MOST_BYTES)
        return fail(a, ERR_INPUT, "media: %zu bytes are too many", bytes.len);
    str header = json_make(a, KV("task", "photo"), KV("bytes", bytes.len),
                           KV("short_side_pixels", limits->short_side_pixels),
                           KV("most_pixels", limits->most_pixels));
    header = str_printf(a, STR_FMT "\n", STR_ARG(header));
    int64_t patience_ms = m->deadline_ms ? m->deadline_ms : MEDIA_DEADLINE_MS;
    struct call c = {a, -1, clock_steady_ms() + patience_ms};
    err *e = talk(&c, m, header, bytes, out);
    if (c.fd >= 0)
        close(c.fd);
    return e;
}
