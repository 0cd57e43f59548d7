#include "api/media_line.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/loop.h"

enum { FULL_PAUSE_MS = 20 };

static err *silent(const struct media_line *line)
{
    return fail(line->arena, ERR_UPSTREAM, "media: silent until the deadline");
}

err *media_not_an_answer(struct arena *a, str line)
{
    return fail_with(a, ERR_UPSTREAM, 0, line, "media: what came is no answer");
}

/* -- asking -- */

/* A unix socket is connected at once or not at all: while its queue is full there is nothing to
 * be waited for but time. */
static err *connect_line(struct media_line *line, str path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path.len >= sizeof address.sun_path)
        return fail(line->arena, ERR_INPUT, "media: the path of the socket is too long");
    memcpy(address.sun_path, path.ptr, path.len);

    while (connect(line->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return fail(line->arena, ERR_UNREACHABLE, "media: " STR_FMT ": %s", STR_ARG(path),
                        strerror(errno));
        if (clock_steady_ms() >= line->deadline_ms)
            return fail(line->arena, ERR_BUSY, "media: the queue is full");
        task_sleep_ms(FULL_PAUSE_MS);
    }
    return NULL;
}

err *media_line_open(struct media_line *line, struct arena *a, const struct media *m,
                     int64_t patience_ms)
{
    *line = (struct media_line){
        .arena = a,
        .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
        .deadline_ms = clock_steady_ms() + (m->deadline_ms ? m->deadline_ms : patience_ms),
        .ahead = NEW_ARRAY(a, char, MEDIA_LINE_MOST_BYTES),
    };
    if (line->fd < 0)
        return fail(a, ERR_UNREACHABLE, "media: socket: %s", strerror(errno));
    return connect_line(line, m->socket);
}

void media_line_close(struct media_line *line)
{
    if (line->fd >= 0)
        close(line->fd);
    line->fd = -1;
}

/* As much as goes at once, with the descriptor beside its first byte. */
static ssize_t send_some(const struct media_line *line, str bytes, int file)
{
    if (file < 0)
        return send(line->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    _Alignas(struct cmsghdr) char beside[CMSG_SPACE(sizeof file)] = {0};
    struct iovec from = {(void *)(uintptr_t)bytes.ptr, bytes.len};
    struct msghdr message = {
        .msg_iov = &from,
        .msg_iovlen = 1,
        .msg_control = beside,
        .msg_controllen = sizeof beside,
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof file);
    memcpy(CMSG_DATA(c), &file, sizeof file);
    return sendmsg(line->fd, &message, MSG_NOSIGNAL);
}

/* Who refuses by the first line alone does not read the rest: an end of the line while we write
 * is no failure yet, the answer may lie there already. */
static err *write_all(const struct media_line *line, str bytes, int file)
{
    while (bytes.len) {
        ssize_t sent = send_some(line, bytes, file);
        if (sent > 0)
            file = -1;
        if (sent >= 0)
            bytes = str_sub(bytes, (size_t)sent, bytes.len);
        else if (errno == EPIPE || errno == ECONNRESET)
            return NULL;
        else if (errno != EAGAIN && errno != EINTR)
            return fail(line->arena, ERR_UPSTREAM, "media: write: %s", strerror(errno));
        else if (task_wait_fd(line->fd, EPOLLOUT, line->deadline_ms) == TIMED_OUT)
            return silent(line);
    }
    return NULL;
}

err *media_line_write(struct media_line *line, str bytes)
{
    return write_all(line, bytes, -1);
}

err *media_line_ask(struct media_line *line, str json, int file)
{
    return write_all(line, str_printf(line->arena, STR_FMT "\n", STR_ARG(json)), file);
}

/* -- being answered -- */

/* Whatever is there, at most `room` bytes; got is 0 at the end of the line. */
static err *read_some(const struct media_line *line, char *into, size_t room, size_t *got)
{
    for (;;) {
        ssize_t n = recv(line->fd, into, room, 0);
        if (n >= 0 || errno == ECONNRESET) {
            *got = n > 0 ? (size_t)n : 0;
            return NULL;
        }
        if (errno != EAGAIN && errno != EINTR)
            return fail(line->arena, ERR_UPSTREAM, "media: read: %s", strerror(errno));
        if (task_wait_fd(line->fd, EPOLLIN, line->deadline_ms) == TIMED_OUT)
            return silent(line);
    }
}

static err *read_line(struct media_line *line, str *out)
{
    str head, behind;
    while (!str_cut((str){line->ahead, line->ahead_count}, '\n', &head, &behind)) {
        size_t got = 0, room = MEDIA_LINE_MOST_BYTES - line->ahead_count;
        if (!room)
            return fail(line->arena, ERR_UPSTREAM, "media: the answer has no first line");
        TRY(read_some(line, line->ahead + line->ahead_count, room, &got));
        if (!got)
            return fail(line->arena, ERR_UPSTREAM, "media: the process ended without an answer");
        line->ahead_count += got;
    }
    *out = str_dup(line->arena, head);
    line->ahead_count = behind.len;
    memmove(line->ahead, behind.ptr, behind.len);
    return NULL;
}

err *media_line_answer(struct media_line *line, int64_t most_bytes, struct json_object **answer,
                       int64_t *size)
{
    str text = {0};
    TRY(read_line(line, &text));
    if (json_parse(line->arena, text, answer) || !json_i64(*answer, "bytes", size) || *size < 0 ||
        *size > most_bytes)
        return media_not_an_answer(line->arena, text);
    str wrong = json_str(*answer, "error");
    if (!str_empty(wrong))
        return fail(line->arena, ERR_UPSTREAM, "media: " STR_FMT, STR_ARG(wrong));
    return NULL;
}

err *media_line_bytes(struct media_line *line, struct arena *a, size_t count, str *out)
{
    char *bytes = NEW_ARRAY(a, char, count ? count : 1);
    size_t len = count < line->ahead_count ? count : line->ahead_count, got = 1;
    memcpy(bytes, line->ahead, len);
    line->ahead_count -= len;
    memmove(line->ahead, line->ahead + len, line->ahead_count);
    while (got && len < count) {
        TRY(read_some(line, bytes + len, count - len, &got));
        len += got;
    }
    if (len < count)
        return fail(line->arena, ERR_UPSTREAM, "media: the answer is shorter than it says");
    *out = (str){bytes, count};
    return NULL;
}

err *media_line_end(struct media_line *line)
{
    size_t got = 0;
    char byte;
    if (!line->ahead_count)
        TRY(read_some(line, &byte, 1, &got));
    if (got || line->ahead_count)
        return fail(line->arena, ERR_UPSTREAM, "media: the answer is longer than it says");
    return NULL;
}
