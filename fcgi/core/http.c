#include "core/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/metrics.h"

enum {
    CONNECT_TIMEOUT_MS = 5000,
    PROGRESS_EVERY_MS = 1000,
    POOLED_HANDLES_MAX = 32,
    KEPT_CONNECTIONS_MAX = 64,
    HEADER_BLOCK_MAX_BYTES = 64 * 1024,
    TOO_MANY_REQUESTS = 429,
};

/* Where the Debian package ca-certificates puts the roots of the system. */
static const char system_ca_file[] = "/etc/ssl/certs/ca-certificates.crt";

struct origin {
    str scheme, host;
    int port;
    struct origin *next;
};

struct call {
    const struct http_request *request;
    struct arena *arena;
    struct task *task;
    CURL *easy;
    struct curl_slist *headers;
    curl_mime *mime;
    size_t received;
    struct buf body, header_block;
    CURLcode result;
    bool is_done, is_too_large, is_address_refused, is_origin_allowed;
};

static struct {
    CURLM *multi;
    struct timer timer;
    struct arena *arena; /* what is kept as long as the process: roots, allowed origins */
    struct origin *allowed;
    const char *ca_bundle; /* file of the roots */
    CURL *pooled[POOLED_HANDLES_MAX];
    size_t pooled_count;
} client;

/* -- curl's multi interface in the loop -- */

static void finish_call(CURL *easy, CURLcode result)
{
    void *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    struct call *call = private;
    call->is_done = true;
    call->result = result;
    task_wake(call->task);
}

static void collect_finished(void)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client.multi, &left)))
        if (message->msg == CURLMSG_DONE)
            finish_call(message->easy_handle, message->data.result);
}

static void advance(curl_socket_t fd, int mask)
{
    int running;
    CURLMcode code = curl_multi_socket_action(client.multi, fd, mask, &running);
    if (code != CURLM_OK)
        log_error("http.loop_failed", KV("reason", curl_multi_strerror(code)));
    collect_finished();
}

static void on_timer_due(struct timer *t)
{
    (void)t;
    advance(CURL_SOCKET_TIMEOUT, 0);
}

/* May be called from inside curl, so the deed itself waits for the loop. */
static int on_timer_wanted(CURLM *multi, long timeout_ms, void *owner)
{
    (void)multi;
    (void)owner;
    timer_set(&client.timer, timeout_ms < 0 ? 0 : clock_steady_ms() + timeout_ms);
    return 0;
}

static void on_socket_ready(struct watch *w, uint32_t events)
{
    int mask = 0;
    if (events & EPOLLIN)
        mask |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        mask |= CURL_CSELECT_OUT;
    if (events & (EPOLLERR | EPOLLHUP))
        mask |= CURL_CSELECT_ERR;
    advance(w->fd, mask);
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *owner, void *socket_owner)
{
    (void)easy;
    (void)owner;
    struct watch *w = socket_owner;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            loop_watch(w, 0);
        free(w);
        curl_multi_assign(client.multi, fd, NULL);
        return 0;
    }
    if (!w) {
        w = calloc(1, sizeof *w);
        if (!w)
            return -1;
        *w = (struct watch){.fd = fd, .ready = on_socket_ready};
        curl_multi_assign(client.multi, fd, w);
    }
    uint32_t events = 0;
    if (what & CURL_POLL_IN)
        events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        events |= EPOLLOUT;
    loop_watch(w, events);
    return 0;
}

/* -- start -- */

static bool copy_file(int out, const char *path)
{
    int in = open(path, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return false;
    char chunk[16 * 1024];
    ssize_t got;
    while ((got = read(in, chunk, sizeof chunk)) > 0)
        if (write(out, chunk, (size_t)got) != got)
            break;
    close(in);
    return got == 0;
}

/*
 * curl takes one bundle, and ca_file shall come beside the system's roots, not in their place. It
 * gets a file in memory, not the bytes: what comes from a file it reads once for all connections,
 * bytes it reads again for each, which costs milliseconds and keeps a megabyte a connection.
 */
static const char *make_ca_bundle(str ca_file)
{
    int bundle = memfd_create("ca_bundle", MFD_CLOEXEC);
    if (bundle < 0)
        abort();
    if (!copy_file(bundle, system_ca_file))
        log_warn("http.system_roots_missing", KV("file", system_ca_file));
    if (write(bundle, "\n", 1) != 1 || !copy_file(bundle, cstr(client.arena, ca_file)))
        log_error("http.ca_file_unreadable", KV("file", ca_file), KV("reason", strerror(errno)));
    return cstr(client.arena, str_printf(client.arena, "/proc/self/fd/%d", bundle));
}

void http_init(str ca_file, int calls_per_host)
{
    assert(!client.multi);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    client.multi = curl_multi_init();
    if (!client.multi)
        abort();
    if (!client.arena)
        client.arena = arena_new(4 << 20);
    client.timer.fire = on_timer_due;
    client.ca_bundle = str_empty(ca_file) ? system_ca_file : make_ca_bundle(ca_file);

    curl_multi_setopt(client.multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(client.multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(client.multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS_MAX);
    curl_multi_setopt(client.multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)calls_per_host);
}

/* -- addresses -- */

static int port_of(str scheme, int port)
{
    if (port != 0)
        return port;
    return str_eq_nocase(scheme, S("https")) ? 443 : 80;
}

/* host, host:port or [v6]:port; the brackets do not belong to the host. */
static bool split_authority(str authority, str *host, int *port)
{
    str rest, digits;
    if (str_starts(authority, S("["))) {
        if (!str_cut(str_sub(authority, 1, authority.len - 1), ']', host, &rest))
            return false;
        if (!str_empty(rest) && rest.ptr[0] != ':')
            return false;
        digits = str_empty(rest) ? rest : str_sub(rest, 1, rest.len - 1);
    } else {
        str_cut(authority, ':', host, &digits);
    }
    int64_t number = 0;
    if (!str_empty(digits) && (!str_to_i64(digits, &number) || number < 1 || number > 65535))
        return false;
    *port = (int)number;
    return !str_empty(*host);
}

bool http_url_split(str url, str *scheme, str *host, int *port, str *path_and_query)
{
    size_t colon;
    if (!str_find(url, S("://"), &colon) || colon == 0)
        return false;
    for (size_t i = 0; i < url.len; i++)
        if ((unsigned char)url.ptr[i] <= ' ' || url.ptr[i] == '\\' || url.ptr[i] == 0x7f)
            return false;

    str after = str_sub(url, colon + 3, url.len), authority_part = after;
    for (size_t i = 0; i < after.len; i++)
        if (after.ptr[i] == '/' || after.ptr[i] == '?' || after.ptr[i] == '#') {
            authority_part = str_sub(after, 0, i);
            break;
        }
    /* A name and password before the host are how addresses lie about where they lead. */
    size_t at;
    if (str_find(authority_part, S("@"), &at))
        return false;

    str host_part, rest = str_sub(after, authority_part.len, after.len), fragment;
    int port_part;
    if (!split_authority(authority_part, &host_part, &port_part))
        return false;
    str_cut(rest, '#', &rest, &fragment);
    *scheme = str_sub(url, 0, colon);
    *host = host_part;
    *port = port_part;
    *path_and_query = str_empty(rest) ? S("/") : rest;
    return true;
}

void http_allow(str url)
{
    struct origin parts;
    str path;
    if (!http_url_split(url, &parts.scheme, &parts.host, &parts.port, &path))
        return;
    if (!client.arena)
        client.arena = arena_new(4 << 20);

    struct origin *origin = NEW(client.arena, struct origin);
    origin->scheme = str_dup(client.arena, parts.scheme);
    origin->host = str_dup(client.arena, parts.host);
    origin->port = port_of(parts.scheme, parts.port);
    origin->next = client.allowed;
    client.allowed = origin;
}

static bool is_allowed(str scheme, str host, int port)
{
    for (struct origin *o = client.allowed; o; o = o->next)
        if (str_eq_nocase(o->scheme, scheme) && str_eq_nocase(o->host, host) &&
            o->port == port_of(scheme, port))
            return true;
    return false;
}

/* Everything of IPv4 that is not a public single host: RFC 6890 and its additions. */
static bool is_public_v4(uint32_t address)
{
    static const struct {
        uint32_t network;
        int bits;
    } closed[] = {
        {0x00000000, 8 }, /* this network */
        {0x0a000000, 8 }, /* private */
        {0x64400000, 10}, /* carrier-grade NAT */
        {0x7f000000, 8 }, /* loopback */
        {0xa9fe0000, 16}, /* link-local, cloud metadata */
        {0xac100000, 12}, /* private */
        {0xc0000000, 24}, /* protocol assignments */
        {0xc0000200, 24}, /* documentation */
        {0xc0586300, 24}, /* 6to4 relays */
        {0xc0a80000, 16}, /* private */
        {0xc6120000, 15}, /* benchmarks */
        {0xc6336400, 24}, /* documentation */
        {0xcb007100, 24}, /* documentation */
        {0xe0000000, 4 }, /* multicast */
        {0xf0000000, 4 }, /* reserved, broadcast */
    };
    for (size_t i = 0; i < ARRAY_LEN(closed); i++)
        if ((address ^ closed[i].network) >> (32 - closed[i].bits) == 0)
            return false;
    return true;
}

static uint32_t v4_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Of IPv6 only the global unicast block 2000::/3, without what tunnels or maps IPv4 into it. */
static bool is_public_v6(const struct in6_addr *address)
{
    const uint8_t *b = address->s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(address))
        return is_public_v4(v4_at(b + 12));
    if ((b[0] & 0xe0) != 0x20)
        return false;
    bool is_6to4 = b[0] == 0x20 && b[1] == 0x02;
    if (is_6to4)
        return is_public_v4(v4_at(b + 2));
    bool is_special = b[0] == 0x20 && b[1] == 0x01 &&
                      b[2] < 0x02; /* 2001::/23: Teredo and others */
    bool is_documentation = b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8;
    return !is_special && !is_documentation;
}

static bool is_public(const struct sockaddr *address)
{
    switch (address->sa_family) {
    case AF_INET: {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return is_public_v4(ntohl(v4.sin_addr.s_addr));
    }
    case AF_INET6: {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        return is_public_v6(&v6.sin6_addr);
    }
    default:
        return false;
    }
}

static bool must_be_public(const struct call *call)
{
    return call->request->foreign && !call->is_origin_allowed;
}

/* Asked after the name is resolved and for the very address that will be connected to. */
static curl_socket_t open_socket(void *owner, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct call *call = owner;
    if (must_be_public(call) && !is_public(&address->addr)) {
        call->is_address_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A kept connection opens no socket; this is asked before each request, kept or not. */
static int before_request(void *owner, char *peer, char *own, int peer_port, int own_port)
{
    (void)own, (void)peer_port, (void)own_port;
    struct call *call = owner;
    struct in_addr v4;
    struct in6_addr v6;
    bool is_fine = (inet_pton(AF_INET, peer, &v4) == 1 && is_public_v4(ntohl(v4.s_addr))) ||
                   (inet_pton(AF_INET6, peer, &v6) == 1 && is_public_v6(&v6));
    if (is_fine)
        return CURL_PREREQFUNC_OK;
    call->is_address_refused = true;
    return CURL_PREREQFUNC_ABORT;
}

/* -- one call -- */

/* An announced length spares the doublings, whose leavings the arena would keep. */
static void reserve_body(struct call *call)
{
    curl_off_t length = -1;
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length <= 0 || (uint64_t)length > call->request->max_bytes)
        return;
    call->body.ptr = NEW_ARRAY(call->arena, char, length);
    call->body.capacity = (size_t)length;
}

/* A disk does not make one wait as a network does; a full one ends the call. */
static size_t write_body(struct call *call, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = write(*call->request->file, bytes + at, len - at);
        if (n < 0 && errno != EINTR)
            return 0;
        at += n > 0 ? (size_t)n : 0;
    }
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *owner)
{
    struct call *call = owner;
    size_t len = size * count;
    if (len > call->request->max_bytes - call->received) {
        call->is_too_large = true;
        return 0;
    }
    call->received += len;
    if (call->request->file)
        return write_body(call, bytes, len);
    if (call->body.len == 0)
        reserve_body(call);
    buf_add(&call->body, (str){bytes, len});
    return len;
}

/* Each status line begins a new block: what stays is the final answer's. */
static size_t on_header(char *bytes, size_t size, size_t count, void *owner)
{
    struct call *call = owner;
    str line = {bytes, size * count};
    if (str_starts(line, S("HTTP/")))
        call->header_block.len = 0;
    if (call->header_block.len + line.len > HEADER_BLOCK_MAX_BYTES) {
        call->is_too_large = true;
        return 0;
    }
    buf_add(&call->header_block, line);
    return line.len;
}

static CURL *take_handle(void)
{
    CURL *easy = client.pooled_count ? client.pooled[--client.pooled_count] : curl_easy_init();
    if (!easy)
        abort();
    return easy;
}

static void give_handle_back(CURL *easy)
{
    if (client.pooled_count == POOLED_HANDLES_MAX) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    client.pooled[client.pooled_count++] = easy;
}

static void add_header_line(struct call *call, str line)
{
    struct curl_slist *longer = curl_slist_append(call->headers, cstr(call->arena, line));
    if (!longer)
        abort();
    call->headers = longer;
}

/* "Name;" is how curl is told to send a header that is empty. */
static str header_line(struct arena *a, const struct http_header *h)
{
    if (str_empty(h->value))
        return str_printf(a, STR_FMT ";", STR_ARG(h->name));
    return str_printf(a, STR_FMT ": " STR_FMT, STR_ARG(h->name), STR_ARG(h->value));
}

static void set_headers(struct call *call)
{
    bool has_type = call->request->parts != NULL;
    for (const struct http_header *h = call->request->headers; h && !str_empty(h->name); h++) {
        add_header_line(call, header_line(call->arena, h));
        if (str_eq_nocase(h->name, S("Content-Type")))
            has_type = true;
    }
    /* A name without a value takes out what curl would send: the wait of up to a second for
     * "100 Continue" before a larger body, and a type that says every body is a form. */
    add_header_line(call, S("Expect:"));
    if (!has_type)
        add_header_line(call, S("Content-Type:"));
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

struct part_reader {
    str data;
    size_t position;
};

static size_t read_part(char *out, size_t size, size_t count, void *owner)
{
    struct part_reader *reader = owner;
    str chunk = str_sub(reader->data, reader->position, size * count);
    if (chunk.len > 0)
        memcpy(out, chunk.ptr, chunk.len);
    reader->position += chunk.len;
    return chunk.len;
}

/* Needed when a kept connection turns out dead and the request is sent anew. */
static int seek_part(void *owner, curl_off_t offset, int origin)
{
    struct part_reader *reader = owner;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > reader->data.len)
        return CURL_SEEKFUNC_FAIL;
    reader->position = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* Read where it lies: curl_mime_data() would copy every photo. */
static void set_parts(struct call *call)
{
    call->mime = curl_mime_init(call->easy);
    for (const struct http_part *p = call->request->parts; !str_empty(p->name); p++) {
        curl_mimepart *part = curl_mime_addpart(call->mime);
        curl_mime_name(part, cstr(call->arena, p->name));
        struct part_reader *reader = NEW(call->arena, struct part_reader);
        reader->data = p->data;
        curl_mime_data_cb(part, (curl_off_t)p->data.len, read_part, seek_part, NULL, reader);
        if (!str_empty(p->file_name))
            curl_mime_filename(part, cstr(call->arena, p->file_name));
        if (!str_empty(p->content_type))
            curl_mime_type(part, cstr(call->arena, p->content_type));
    }
    curl_easy_setopt(call->easy, CURLOPT_MIMEPOST, call->mime);
}

static void set_method_and_body(struct call *call)
{
    const struct http_request *r = call->request;
    CURL *easy = call->easy;
    if (r->parts) {
        set_parts(call);
    } else if (r->body.len > 0 || str_eq(r->method, S("POST")) || str_eq(r->method, S("PUT")) ||
               str_eq(r->method, S("PATCH"))) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.len ? r->body.ptr : "");
    }
    if (r->is_head)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (!str_empty(r->method) && !r->is_head)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, cstr(call->arena, r->method));
}

static void set_limits(struct call *call)
{
    const struct http_request *r = call->request;
    CURL *easy = call->easy;
    int64_t connect_ms = r->connect_timeout_ms ? r->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, must_be_public(call) ? "https" : "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)r->max_bytes);
    /* Proxies of the environment would be asked for addresses we mean to check ourselves. */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    if (must_be_public(call)) {
        curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
        curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    }
    /* Debian's curl looks into a folder too, which holds the same and cannot be kept in memory. */
    curl_easy_setopt(easy, CURLOPT_CAINFO, client.ca_bundle);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (!str_empty(r->root)) { /* goes before the file */
        struct curl_blob root = {(void *)(uintptr_t)r->root.ptr, r->root.len, CURL_BLOB_COPY};
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &root);
    }
    if (r->wants_certificate) { /* a kept connection has shown its certificate long ago */
        curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }
}

static void prepare(struct call *call)
{
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_URL, cstr(call->arena, call->request->url));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "aisha");
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    set_limits(call);
    set_headers(call);
    set_method_and_body(call);
}

/* What curl's answer says about the other side; see the head of http.h. */
static enum err_kind kind_of_failure(const struct call *call)
{
    if (call->is_too_large || call->is_address_refused)
        return ERR_INPUT;
    switch (call->result) {
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return ERR_INPUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return ERR_UNREACHABLE;
    default:
        break;
    }
    /* Not a byte of the request went out: no harm is done by asking again. */
    long sent_bytes = 0;
    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent_bytes);
    return sent_bytes == 0 ? ERR_UNREACHABLE : ERR_UNKNOWN;
}

/* The host alone: paths and queries may hold tokens, and errors are logged. */
static err *failure(const struct call *call)
{
    str scheme, host = S("?"), path;
    int port;
    http_url_split(call->request->url, &scheme, &host, &port, &path);
    const char *reason = call->is_too_large         ? "answer larger than allowed"
                         : call->is_address_refused ? "address not allowed"
                                                    : curl_easy_strerror(call->result);
    return fail(call->arena, kind_of_failure(call), "http: " STR_FMT ": %s", STR_ARG(host), reason);
}

/* The call lives on the stack of this task, so the task stays until curl has let go of it. */
static void perform(struct call *call)
{
    CURLMcode code = curl_multi_add_handle(client.multi, call->easy);
    if (code != CURLM_OK) {
        call->result = CURLE_FAILED_INIT;
        return;
    }
    bool wants_progress = call->request->progress != NULL;
    while (!call->is_done) {
        int64_t deadline_ms = wants_progress ? clock_steady_ms() + PROGRESS_EVERY_MS : 0;
        if (task_wait(deadline_ms) == TIMED_OUT && wants_progress)
            call->request->progress(call->request->owner);
    }
    curl_multi_remove_handle(client.multi, call->easy);
}

/* The other side's own certificate comes first, those that vouch for it behind it. */
static int64_t certificate_ends_ms(const struct call *call)
{
    static const char name[] = "Expire date:";
    struct curl_certinfo *shown = NULL;
    if (!call->request->wants_certificate ||
        curl_easy_getinfo(call->easy, CURLINFO_CERTINFO, &shown) != CURLE_OK || !shown ||
        shown->num_of_certs < 1)
        return 0;
    for (const struct curl_slist *line = shown->certinfo[0]; line; line = line->next)
        if (strncmp(line->data, name, sizeof name - 1) == 0)
            return (int64_t)curl_getdate(line->data + sizeof name - 1, NULL) * 1000;
    return 0;
}

static void read_response(struct call *call, struct http_response *out, int64_t started_ms)
{
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    *out = (struct http_response){
        .status = (int)status,
        .body = buf_str(&call->body),
        .header_block = buf_str(&call->header_block),
        .took_ms = clock_steady_ms() - started_ms,
        .certificate_ends_ms = certificate_ends_ms(call),
    };
}

/* A line break in a header would let its value add headers of its own. */
static bool has_clean_headers(const struct http_header *headers)
{
    for (const struct http_header *h = headers; h && !str_empty(h->name); h++) {
        size_t position;
        if (str_find(h->name, S("\n"), &position) || str_find(h->value, S("\n"), &position) ||
            str_find(h->value, S("\r"), &position))
            return false;
    }
    return true;
}

/* By the answer's status; without one by what is known of the other side. */
static const char *outcome_of(const err *e, int status)
{
    if (e)
        return e->kind == ERR_UNREACHABLE ? "unreachable"
               : e->kind == ERR_UNKNOWN   ? "unanswered"
                                          : "unusable";
    if (status == TOO_MANY_REQUESTS)
        return "rate_limited";
    return status >= 500 ? "failed" : status >= 400 ? "refused" : "ok";
}

static void count_call(const struct http_request *request, const err *e, int status,
                       int64_t began_us)
{
    if (!request->party)
        return;
    struct kv party = KV("party", request->party), method = KV("method", request->purpose);
    metric_count(METRIC_calls, KVS(party, method, KV("outcome", outcome_of(e, status))));
    metric_observe(METRIC_call_duration, clock_steady_us() - began_us, KVS(party, method));
}

err *http_fetch(struct arena *a, const struct http_request *request, struct http_response *out)
{
    assert(client.multi && task_self() && request->timeout_ms > 0 && request->max_bytes > 0);
    struct call call = {.request = request, .arena = a, .task = task_self()};
    str scheme, host, path;
    int port;
    if (!http_url_split(request->url, &scheme, &host, &port, &path))
        return fail(a, ERR_INPUT, "http: not an absolute address");
    if (!has_clean_headers(request->headers))
        return fail(a, ERR_INPUT, "http: a header holds a line break");

    int64_t began_us = clock_steady_us();
    call.is_origin_allowed = is_allowed(scheme, host, port);
    call.body = buf_new(a);
    call.header_block = buf_new(a);
    call.easy = take_handle();
    prepare(&call);
    perform(&call);

    err *e = NULL;
    if (call.result == CURLE_OK)
        read_response(&call, out, began_us / 1000);
    else
        e = failure(&call);
    curl_slist_free_all(call.headers);
    curl_mime_free(call.mime);
    give_handle_back(call.easy);
    count_call(request, e, e ? 0 : out->status, began_us);
    return e;
}

str http_header(const struct http_response *response, str name)
{
    str lines = response->header_block;
    while (!str_empty(lines)) {
        str line, key, value;
        str_cut(lines, '\n', &line, &lines);
        if (str_cut(line, ':', &key, &value) && str_eq_nocase(key, name))
            return str_trim(value);
    }
    return S("");
}
