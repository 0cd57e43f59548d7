/*
 * start - how long a process of the bot takes from exec to its first 200.
 *
 *     start PROGRAM [ROUNDS]
 *
 * Listens on a socket of its own, starts the program on it as spawn-fcgi would, and asks for
 * /ready, which is 200 when Redis and PostgreSQL have both answered. Prints the milliseconds of
 * each round on a line.
 */
#include "core/core.h"

#include <fastcgi.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 5, GIVE_UP_MS = 5000, PAUSE_US = 500, RECORD_BYTES = 512 };

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int listen_at(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(address->sun_path);
    if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) != 0 ||
        listen(fd, 16) != 0)
        die(address->sun_path);
    return fd;
}

/* -- one FastCGI request -- */

static size_t put_record(uint8_t *out, uint8_t type, const void *content, size_t len)
{
    const uint8_t head[] = {1, type, 0, 1, (uint8_t)(len >> 8), (uint8_t)len, 0, 0};
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, content, len);
    return sizeof head + len;
}

static size_t put_param(uint8_t *out, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    out[0] = (uint8_t)name_len;
    out[1] = (uint8_t)value_len;
    /* FastCGI's strings have lengths, and no end. */
    memcpy(out + 2, name, name_len);              // NOLINT(bugprone-not-null-terminated-result)
    memcpy(out + 2 + name_len, value, value_len); // NOLINT(bugprone-not-null-terminated-result)
    return 2 + name_len + value_len;
}

static size_t write_request(uint8_t out[RECORD_BYTES])
{
    static const uint8_t begin[8] = {0, FCGI_RESPONDER};
    uint8_t params[RECORD_BYTES / 2];
    size_t params_len = put_param(params, "REQUEST_METHOD", "GET");
    params_len += put_param(params + params_len, "REQUEST_URI", "/ready");

    size_t len = put_record(out, FCGI_BEGIN_REQUEST, begin, sizeof begin);
    len += put_record(out + len, FCGI_PARAMS, params, params_len);
    len += put_record(out + len, FCGI_PARAMS, "", 0);
    return len + put_record(out + len, FCGI_STDIN, "", 0);
}

/* The connection waits in the backlog until the process takes it. */
static bool is_ready(const struct sockaddr_un *address)
{
    uint8_t request[RECORD_BYTES];
    char answer[4096];
    size_t request_len = write_request(request), got = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 ||
        write(fd, request, request_len) != (ssize_t)request_len)
        die("request");
    ssize_t n;
    while (got < sizeof answer && (n = read(fd, answer + got, sizeof answer - got)) > 0)
        got += (size_t)n;
    close(fd);
    return memmem(answer, got, "Status: 200", 11) != NULL;
}

/* -- one round -- */

/* What spawn-fcgi does: the listening socket is the program's standard input. */
static _Noreturn void become(char *program, int fd)
{
    dup2(fd, STDIN_FILENO);
    close(fd);
    execv(program, (char *[]){program, NULL});
    die(program);
}

static double measure(char *program)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/aisha-start-%d.sock", (int)getpid());
    int fd = listen_at(&address);
    double began = now_ms();
    pid_t child = fork();
    if (child == 0)
        become(program, fd);
    close(fd);
    while (!is_ready(&address)) {
        if (now_ms() - began > GIVE_UP_MS)
            die("never ready");
        usleep(PAUSE_US);
    }
    double took = now_ms() - began;
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    unlink(address.sun_path);
    return took;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: start PROGRAM [ROUNDS]\n");
        return 2;
    }
    long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : ROUNDS;
    for (long i = 0; i < rounds; i++)
        printf("%.1f\n", measure(argv[1]));
    return 0;
}
