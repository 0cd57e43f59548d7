#include "media/decoder.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/media.h"
#include "core/log.h"
#include "media/trial.h"

enum {
    LINE_MOST_BYTES = 1024,
    LINE_SECONDS = 20, /* within which a request has begun */
    /* The file and what JSON needs; pixels live in libvips. Of a recording: the piece under way. */
    ARENA_BYTES = MEDIA_MOST_BYTES + (4 << 20),
};

/* -- the connection -- */

static bool is_listening(int fd)
{
    int answer = 0;
    socklen_t size = sizeof answer;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &answer, &size) == 0 && answer;
}

static int take_connection(void)
{
    if (!is_listening(STDIN_FILENO))
        return STDIN_FILENO;
    int connection;
    do
        connection = accept4(STDIN_FILENO, NULL, NULL, SOCK_CLOEXEC);
    while (connection < 0 && (errno == EINTR || errno == ECONNABORTED));
    return connection;
}

/* As many as there are, at most `most`; fewer only at the end. */
static size_t read_up_to(int fd, char *into, size_t most)
{
    size_t len = 0;
    while (len < most) {
        ssize_t n = read(fd, into + len, most - len);
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    return len;
}

static void write_all(str bytes)
{
    while (bytes.len) {
        ssize_t n = write(STDIN_FILENO, bytes.ptr, bytes.len);
        if (n < 0 && errno != EINTR)
            _exit(EXIT_SUCCESS); /* nobody is there any more */
        bytes = str_sub(bytes, n > 0 ? (size_t)n : 0, bytes.len);
    }
}

void decoder_answer(struct arena *a, str line, str bytes)
{
    write_all(str_printf(a, STR_FMT "\n", STR_ARG(line)));
    write_all(bytes);
}

/* -- requests -- */

/* What stands beside the first byte; -1: nothing. */
static int descriptor_of(struct msghdr *message)
{
    int fd = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

static bool read_first(int connection, char *byte, int *file)
{
    _Alignas(struct cmsghdr) char beside[CMSG_SPACE(sizeof(int))];
    struct iovec into = {byte, 1};
    struct msghdr message = {
        .msg_iov = &into,
        .msg_iovlen = 1,
        .msg_control = beside,
        .msg_controllen = sizeof beside,
    };
    ssize_t n;
    do
        n = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    *file = n > 0 ? descriptor_of(&message) : -1;
    return n > 0;
}

static err *read_line(struct arena *a, int connection, str *out, int *file)
{
    char *line = NEW_ARRAY(a, char, LINE_MOST_BYTES);
    for (size_t len = 0; len < LINE_MOST_BYTES; len++) {
        if (len ? !read_up_to(connection, line + len, 1) : !read_first(connection, line, file))
            return fail(a, ERR_INPUT, "cut_off");
        if (line[len] == '\n') {
            *out = (str){line, len};
            return NULL;
        }
    }
    return fail(a, ERR_INPUT, "no_line");
}

/* The size is believed only after it was compared, and the bytes are taken after that. */
err *decoder_bytes(struct arena *a, struct json_object *request, str *out)
{
    int64_t size;
    if (!json_i64(request, "bytes", &size) || size < 0)
        return fail(a, ERR_INPUT, "no_size");
    if (size > MEDIA_MOST_BYTES)
        return fail(a, ERR_INPUT, "too_many_bytes");
    char *bytes = NEW_ARRAY(a, char, size ? size : 1);
    if (read_up_to(STDIN_FILENO, bytes, (size_t)size) != (size_t)size)
        return fail(a, ERR_INPUT, "cut_off");
    *out = (str){bytes, (size_t)size};
    return NULL;
}

/* What is asked for, and the descriptor that came with it. */
struct request {
    const struct decoder_task *task;
    struct json_object *json;
    int file;
};

static err *read_request(struct arena *a, const struct decoder *d, int connection,
                         struct request *out)
{
    str line = {0};
    TRY(read_line(a, connection, &line, &out->file));
    if (json_parse(a, line, &out->json))
        return fail(a, ERR_INPUT, "no_json");
    for (size_t i = 0; i < d->task_count; i++)
        if (str_eq(json_str(out->json, "task"), d->tasks[i].name))
            out->task = &d->tasks[i];
    return out->task ? NULL : fail(a, ERR_INPUT, "no_such_task");
}

/* -- main -- */

/* As in setup.c: who starts it again must not spin. */
static _Noreturn void give_up(const err *e)
{
    log_err("media.failed", e, KVS());
    sleep(1);
    exit(EXIT_FAILURE);
}

/* Leaves by _exit: what others would tidy up at the end goes with the process. */
int decoder_main(const struct decoder *d, int argc, char **argv)
{
    struct arena *a = arena_new(ARENA_BYTES);
    cage_enter();
    if (!d->begin())
        give_up(fail(a, ERR_INTERNAL, "the library does not come up"));
    bool is_trial = argc == 3 && strcmp(argv[1], "--try") == 0;
    int connection = is_trial ? STDIN_FILENO : take_connection();
    if (connection < 0)
        give_up(fail(a, ERR_INTERNAL, "accept: %s", strerror(errno)));

    /* A request that was taken is done, whoever wants us to stop; it is soon over anyway. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    alarm(LINE_SECONDS);
    struct request request = {.file = -1};
    const err *wrong = is_trial ? NULL : read_request(a, d, connection, &request);
    if (cage_close(a, connection, request.file, d->cage))
        _exit(EXIT_FAILURE);
    if (is_trial)
        _exit(trial_of_cage(argv[2]));
    const err *e = request.task ? request.task->run(a, request.json) : wrong;
    if (e)
        decoder_answer(a, json_make(a, KV("bytes", 0), KV("error", e->message)), S(""));
    _exit(EXIT_SUCCESS);
}
