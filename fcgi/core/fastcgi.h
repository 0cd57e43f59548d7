/*
 * fastcgi.h - many FastCGI requests in flight in one process, over libfcgi.
 *
 * The listening socket (fd 0 under spawn-fcgi) and every connection nginx
 * keeps are watched by the loop; FCGX_Accept_r is called only on what is
 * readable. Each request runs as a task with an arena of its own and ends with
 * exactly one request_answer(). Body and parameters are read whole before the
 * task starts: a body that stops half-way is cut off by a receive time-out and
 * the request never reaches its handler.
 */
#pragma once
#include "core/val.h"

struct request {
    struct arena *arena;
    str method, path, query; /* path: without the query, percent-decoding left to the handler */
    str content_type, body;
    str id; /* REQUEST_ID of nginx */
    str remote_address;
    int64_t arrived_us;            /* steady clock */
    struct connection *connection; /* for this module alone */
    bool is_answered;
};

struct fastcgi_options {
    int listen_fd;
    size_t max_body_bytes;
    size_t arena_bytes;                /* ceiling of each request's arena */
    size_t stack_kib;                  /* of each request's task; 0: default */
    void (*handle)(struct request *r); /* runs as a task */
};

/* After loop_init(). */
void fastcgi_serve(const struct fastcgi_options *options);
/* No new connections; each kept one is closed after its next answer; the loop
 * stops when none is left. */
void fastcgi_drain(void);
size_t fastcgi_in_flight(void);

/* A header by its CGI name ("HTTP_X_TELEGRAM_BOT_API_SECRET_TOKEN") or any other parameter. */
str request_param(const struct request *r, const char *name);
/* One value of the query string, percent-decoded; empty when absent. */
str request_query(const struct request *r, const char *name);
/* One cookie; empty when absent. */
str request_cookie(const struct request *r, const char *name);
/* One field of an application/x-www-form-urlencoded body, decoded; empty when absent. */
str request_form(const struct request *r, const char *name);

struct answer {
    int status;
    const char *content_type; /* NULL: application/json */
    str body;
    const struct kv *headers; /* extra header lines with text values; may be NULL */
};
void request_answer(struct request *r, const struct answer *answer);
/* {"error":"…"} with that status. */
void request_refuse(struct request *r, int status, const char *error);
