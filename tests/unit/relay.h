/*
 * relay.h - stands between a client under test and its server, in the same
 * loop, and breaks the way networks and servers break.
 *
 * It passes bytes both ways until told to hold what one side sends (a server
 * that is alive and silent), to cut what is open, or to refuse who comes.
 */
#pragma once
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/loop.h"

enum { CLIENT, SERVER };

struct relay_pair {
    struct relay *relay;
    struct watch side[2];
    char bytes[2][1 << 16]; /* come from that side, not yet passed on */
    size_t len[2], passed[2];
    struct relay_pair *next;
};

struct relay {
    struct sockaddr_storage server, own;
    socklen_t server_len, own_len;
    struct watch listener;
    struct relay_pair *pairs;
    bool holds[2]; /* what that side sends */
    int accepted;
    size_t reads_from_client;
};

static inline void relay_must(bool is_good, const char *what)
{
    if (is_good)
        return;
    perror(what);
    abort();
}

static inline socklen_t relay_unix_address(struct sockaddr_storage *out, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    relay_must(strlen(path) < sizeof address.sun_path, "socket path");
    memcpy(address.sun_path, path, strlen(path) + 1);
    memcpy(out, &address, sizeof address);
    return sizeof address;
}

static inline socklen_t relay_tcp_address(struct sockaddr_storage *out, const char *host,
                                          const char *port)
{
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
    relay_must(getaddrinfo(host, port, &hints, &found) == 0, "getaddrinfo");
    socklen_t len = found->ai_addrlen;
    memcpy(out, found->ai_addr, len);
    freeaddrinfo(found);
    return len;
}

static inline void relay_watch_sides(struct relay_pair *p)
{
    for (int i = 0; i < 2; i++) {
        bool may_read = p->len[i] == 0 && !p->relay->holds[i];
        bool must_write = p->len[1 - i] > 0;
        loop_watch(&p->side[i], (may_read ? EPOLLIN : 0u) | (must_write ? EPOLLOUT : 0u));
    }
}

static inline void relay_close_pair(struct relay_pair *p)
{
    struct relay_pair **link = &p->relay->pairs;
    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    for (int i = 0; i < 2; i++) {
        loop_watch(&p->side[i], 0);
        close(p->side[i].fd);
    }
    free(p);
}

/* False when one end is gone. */
static inline bool relay_pump(struct relay_pair *p, int from)
{
    if (p->len[from] == 0 && !p->relay->holds[from]) {
        ssize_t n = recv(p->side[from].fd, p->bytes[from], sizeof p->bytes[from], MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return false;
        if (n < 0)
            return true;
        p->len[from] = (size_t)n;
        if (from == CLIENT)
            p->relay->reads_from_client++;
    }
    if (p->len[from] == 0)
        return true;
    ssize_t n = send(p->side[1 - from].fd, p->bytes[from] + p->passed[from],
                     p->len[from] - p->passed[from], MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN)
        return false;
    if (n > 0)
        p->passed[from] += (size_t)n;
    if (p->passed[from] == p->len[from])
        p->len[from] = p->passed[from] = 0;
    return true;
}

static inline void relay_side_ready(struct watch *w, uint32_t events)
{
    (void)events;
    struct relay_pair *p = w->owner;
    if (relay_pump(p, CLIENT) && relay_pump(p, SERVER))
        relay_watch_sides(p);
    else
        relay_close_pair(p);
}

static inline void relay_accept(struct watch *w, uint32_t events)
{
    (void)events;
    struct relay *r = w->owner;
    int client = accept(w->fd, NULL, NULL);
    if (client < 0)
        return;
    int server = socket(r->server.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    relay_must(connect(server, (struct sockaddr *)&r->server, r->server_len) == 0, "connect");
    r->accepted++;

    struct relay_pair *p = calloc(1, sizeof *p);
    p->relay = r;
    p->side[CLIENT] = (struct watch){.fd = client, .ready = relay_side_ready, .owner = p};
    p->side[SERVER] = (struct watch){.fd = server, .ready = relay_side_ready, .owner = p};
    p->next = r->pairs;
    r->pairs = p;
    relay_watch_sides(p);
}

static inline void relay_refuse(struct relay *r)
{
    if (r->listener.fd < 0)
        return;
    loop_watch(&r->listener, 0);
    close(r->listener.fd);
    r->listener.fd = -1;
}

/* Also after relay_refuse(), at the same address. */
static inline void relay_listen(struct relay *r)
{
    int fd = socket(r->own.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (r->own.ss_family == AF_UNIX)
        unlink(((struct sockaddr_un *)&r->own)->sun_path);
    relay_must(bind(fd, (struct sockaddr *)&r->own, r->own_len) == 0, "bind");
    relay_must(listen(fd, 64) == 0, "listen");
    getsockname(fd, (struct sockaddr *)&r->own, &r->own_len);
    r->listener = (struct watch){.fd = fd, .ready = relay_accept, .owner = r};
    loop_watch(&r->listener, EPOLLIN);
}

static inline void relay_hold(struct relay *r, bool client, bool server)
{
    r->holds[CLIENT] = client;
    r->holds[SERVER] = server;
    for (struct relay_pair *p = r->pairs; p; p = p->next)
        relay_watch_sides(p);
}

static inline void relay_cut(struct relay *r)
{
    while (r->pairs)
        relay_close_pair(r->pairs);
}

static inline void relay_end(struct relay *r)
{
    relay_refuse(r);
    relay_cut(r);
    if (r->own.ss_family == AF_UNIX)
        unlink(((struct sockaddr_un *)&r->own)->sun_path);
}

/* Where it leads: unix:///path?db=N or redis://host:port/N. It listens on a port of its own. */
static inline void relay_to_redis(struct relay *r, str url)
{
    struct arena *a = arena_new(1 << 16);
    r->own_len = relay_tcp_address(&r->own, "127.0.0.1", "0");
    str where, rest;
    if (str_starts(url, S("unix://"))) {
        str_cut(str_sub(url, 7, url.len), '?', &where, &rest);
        r->server_len = relay_unix_address(&r->server, cstr(a, where));
    } else {
        str host, port;
        str_cut(str_sub(url, 8, url.len), '/', &where, &rest);
        str_cut(where, ':', &host, &port);
        r->server_len = relay_tcp_address(&r->server, cstr(a, host),
                                          str_empty(port) ? "6379" : cstr(a, port));
    }
    arena_free(a);
}
