/*
 * media.c - aisha-media: decodes one file of a stranger, and ends.
 *
 * Descriptor 0 is a listening unix socket (spawn-fcgi and multiwatch keep some
 * processes waiting at it) or the connection itself (systemd, Accept=yes). A
 * request is a line of JSON and as many bytes as it says, and so is the answer. The line is read
 * before the cage is closed: it is our own worker's, and tells which cage.
 *
 *     {"task":"photo","bytes":73421,"short_side_pixels":512,"most_pixels":40000000}
 *     {"bytes":51233,"format":"jpeg","width":1200,"height":1600,"brightness":121.5,
 *      "contrast":48.2,"sharpness":310.7,"hash":"9a3c5c1e0f0f3f1b"}
 *     {"bytes":0,"refused":"format"}
 *
 * A recording comes as a descriptor beside the line. When it is to be split, there is an answer for
 * each piece, and the last one says what the recording was:
 *
 *     {"task":"split","bytes":0,"most_ms":14400000,"piece_ms":300000,"piece_most_ms":600000,
 *      "whole_ms":1500000}
 *     {"bytes":4811220,"piece":0,"start_ms":0,"length_ms":297340,"silent":false,"noisy":false}
 *     {"bytes":0,"format":"ogg/opus","duration_ms":1500000}
 *
 *     {"bytes":0,"error":"too_many_bytes"}        a request that breaks this contract
 *
 * The client is api/media.h, where the words are explained. No setting is read
 * and the environment should be empty: there is nothing here worth stealing.
 *
 *     aisha-media --try NAME
 *
 * closes the cage and does what it forbids: socket, exec, fork, write, read,
 * memory, code, time. A cage that holds ends it by a signal or lets it say 0
 * as it leaves; 1 means that the thing was done. Tests ask for this.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/json.h"
#include "core/log.h"
#include "media/cage.h"
#include "media/photo.h"
#include "media/sound.h"

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

static void answer(struct arena *a, str line, str bytes)
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
static err *read_bytes(struct arena *a, struct json_object *request, str *out)
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

static err *do_photo(struct arena *a, struct json_object *request)
{
    struct media_limits limits;
    str bytes = {0};
    if (!json_i64(request, "short_side_pixels", &limits.short_side_pixels) ||
        !json_i64(request, "most_pixels", &limits.most_pixels))
        return fail(a, ERR_INPUT, "no_limits");
    TRY(read_bytes(a, request, &bytes));

    struct media_photo photo;
    photo_read(a, bytes, &limits, &photo);
    str hash = str_printf(a, "%016" PRIx64, photo.hash);
    answer(a,
           json_make(a, KV("bytes", photo.jpeg.len), KV("refused", photo.refused),
                     KV("format", photo.format), KV("width", photo.width),
                     KV("height", photo.height), KV("brightness", photo.brightness),
                     KV("contrast", photo.contrast), KV("sharpness", photo.sharpness),
                     KV("hash", hash)),
           photo.jpeg);
    return NULL;
}

static err *read_limits(struct arena *a, struct json_object *request,
                        struct media_sound_limits *limits)
{
    if (!json_i64(request, "most_ms", &limits->most_ms) ||
        !json_i64(request, "piece_ms", &limits->piece_ms) ||
        !json_i64(request, "piece_most_ms", &limits->piece_most_ms) ||
        !json_i64(request, "whole_ms", &limits->whole_ms) || limits->most_ms < 0 ||
        limits->whole_ms < 0)
        return fail(a, ERR_INPUT, "no_limits");
    return lseek(CAGE_FILE, 0, SEEK_CUR) < 0 ? fail(a, ERR_INPUT, "no_file") : NULL;
}

static void answer_sound(struct arena *a, const struct media_sound *sound)
{
    answer(a,
           json_make(a, KV("bytes", 0), KV("refused", sound->refused), KV("format", sound->format),
                     KV("duration_ms", sound->duration_ms)),
           S(""));
}

static err *do_sound(struct arena *a, struct json_object *request)
{
    struct media_sound_limits limits;
    struct media_sound sound;
    TRY(read_limits(a, request, &limits));
    sound_measure(a, CAGE_FILE, &limits, &sound);
    answer_sound(a, &sound);
    return NULL;
}

static void answer_piece(void *owner, const struct media_piece *piece)
{
    struct arena *a = owner;
    answer(a,
           json_make(a, KV("bytes", piece->flac.len), KV("piece", piece->number),
                     KV("start_ms", piece->start_ms), KV("length_ms", piece->length_ms),
                     KV("silent", piece->is_silent), KV("noisy", piece->begins_in_noise)),
           piece->flac);
}

static err *do_split(struct arena *a, struct json_object *request)
{
    struct media_sound_limits limits;
    struct media_sound sound;
    TRY(read_limits(a, request, &limits));
    sound_split(a, CAGE_FILE, &limits, answer_piece, a, &sound);
    answer_sound(a, &sound);
    return NULL;
}

static const struct task {
    str name;
    err *(*run)(struct arena *a, struct json_object *request);
    const struct cage_limits *cage;
} tasks[] = {
    {S("photo"), do_photo, &cage_of_photos},
    {S("sound"), do_sound, &cage_of_sounds},
    {S("split"), do_split, &cage_of_sounds},
};

/* What is asked for, and the descriptor that came with it. */
struct request {
    const struct task *task;
    struct json_object *json;
    int file;
};

static err *read_request(struct arena *a, int connection, struct request *out)
{
    str line = {0};
    TRY(read_line(a, connection, &line, &out->file));
    if (json_parse(a, line, &out->json))
        return fail(a, ERR_INPUT, "no_json");
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
        if (str_eq(json_str(out->json, "task"), tasks[i].name))
            out->task = &tasks[i];
    return out->task ? NULL : fail(a, ERR_INPUT, "no_such_task");
}

/* -- trying the cage -- */

/* Never closed: the process ends right after it. */
static bool is_descriptor(int fd)
{
    return fd >= 0;
}

static bool try_socket(void)
{
    return is_descriptor(socket(AF_INET, SOCK_STREAM, 0));
}

static bool try_exec(void)
{
    return execl("/bin/true", "true", (char *)NULL) == 0;
}

static bool try_fork(void)
{
    return fork() >= 0;
}

static bool try_write(void)
{
    return is_descriptor(open("/tmp/aisha-media-try", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static bool try_read(void)
{
    return is_descriptor(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static bool try_memory(void)
{
    void *volatile memory = malloc(CAGE_MEMORY_BYTES); /* volatile: or the compiler knows better */
    bool is_there = memory;
    free(memory);
    return is_there;
}

static bool try_code(void)
{
    static _Alignas(4096) char page[4096];
    return mprotect(page, sizeof page, PROT_READ | PROT_EXEC) == 0;
}

static bool try_time(void)
{
    volatile bool goes_on = true;
    while (goes_on) { /* the cage ends this, or the patience of who asked */
    }
    return true;
}

static const struct trial {
    const char *name;
    bool (*is_done)(void);
} trials[] = {
    {"socket", try_socket},
    {"exec",   try_exec  },
    {"fork",   try_fork  },
    {"write",  try_write },
    {"read",   try_read  },
    {"memory", try_memory},
    {"code",   try_code  },
    {"time",   try_time  },
};

static int try_cage(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(trials); i++)
        if (strcmp(name, trials[i].name) == 0)
            return trials[i].is_done();
    return 2;
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
int main(int argc, char **argv)
{
    struct arena *a = arena_new(ARENA_BYTES);
    cage_enter();
    if (!photo_init())
        give_up(fail(a, ERR_INTERNAL, "libvips does not come up"));
    bool is_trial = argc == 3 && strcmp(argv[1], "--try") == 0;
    int connection = is_trial ? STDIN_FILENO : take_connection();
    if (connection < 0)
        give_up(fail(a, ERR_INTERNAL, "accept: %s", strerror(errno)));

    /* A request that was taken is done, whoever wants us to stop; it is soon over anyway. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    alarm(LINE_SECONDS);
    struct request request = {.file = -1};
    const err *wrong = is_trial ? NULL : read_request(a, connection, &request);
    if (cage_close(a, connection, request.file,
                   request.task ? request.task->cage : &cage_of_photos))
        _exit(EXIT_FAILURE);
    if (is_trial)
        _exit(try_cage(argv[2]));
    const err *e = request.task ? request.task->run(a, request.json) : wrong;
    if (e)
        answer(a, json_make(a, KV("bytes", 0), KV("error", e->message)), S(""));
    _exit(EXIT_SUCCESS);
}
