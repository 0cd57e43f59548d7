/*
 * http.h - calls to outside parties, by libcurl's multi interface in the loop.
 *
 * http_fetch() waits as a task waits; other tasks go on. Connections are kept
 * and shared by all calls of the process. TLS is always verified, redirects
 * are never followed.
 *
 * Errors tell what is known of the other side: ERR_UNREACHABLE when nothing
 * was sent (resolver, connect, TLS), ERR_UNKNOWN when the request went out and
 * no whole answer came (time-out, reset), ERR_INPUT when the answer is larger
 * than max_bytes or the address is not allowed. Any answer with a status is
 * success here; the caller judges the status.
 */
#pragma once
#include "core/val.h"

struct http_header {
    str name, value;
};

/* One part of multipart/form-data; file_name empty makes a plain field. */
struct http_part {
    str name, file_name, content_type, data;
};

struct http_request {
    const char *party; /* "fal"; whom to count the call under (core/metrics.h); NULL: not counted */
    str purpose;       /* "submit", "sendMessage" */
    str method;        /* GET when empty, POST when there is a body */
    str url;
    const struct http_header *headers; /* ends with an empty name; may be NULL */
    str body;
    const struct http_part *parts; /* instead of body; ends with an empty name */
    int64_t timeout_ms;            /* whole call; required */
    int64_t connect_timeout_ms;    /* default 5000 */
    size_t max_bytes;              /* of the answer's body; required. The arena must have
                                          room for it, and for four times as much where the
                                          length may not be announced. */
    const int *file; /* a descriptor that the body is written to, instead of into the arena */
    bool foreign;    /* the address came from someone else: https only, no private address */
    bool is_head;    /* HEAD: no body is awaited */
    str root; /* the one certificate, in PEM, that may vouch for the other side; empty: the usual ones */
    bool wants_certificate; /* certificate_ends_ms of the answer; costs a connection of its own */
    void (*progress)(void *owner); /* about once a second while the call lasts; runs in the
                                          calling task and may wait; may be NULL */
    void *owner;
};

struct http_response {
    int status;
    str body;
    str header_block; /* raw lines; see http_header() */
    int64_t took_ms;
    int64_t certificate_ends_ms; /* last moment of the other side's certificate, where asked for */
};

/* After loop_init(). ca_file: one more root to trust, beside the system's; empty for none.
 * calls_per_host 0: no limit. */
void http_init(str ca_file, int calls_per_host);
/* Scheme, host and port of an address that the operator set: allowed even where `foreign` would
 * refuse. */
void http_allow(str url);
err *http_fetch(struct arena *a, const struct http_request *request, struct http_response *out);
/* Value of a header, trimmed; empty when absent. Names compare without case. */
str http_header(const struct http_response *response, str name);
/* Parts of an absolute URL; false when it is none. Port 0 when not given. */
bool http_url_split(str url, str *scheme, str *host, int *port, str *path_and_query);
