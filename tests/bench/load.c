/*
 * load - taps on buttons, or photos of albums, sent as Telegram sends them: over kept TLS
 * connections, one update at a time on each.
 *
 *     load --port 443 --ca cert.pem --path /webhook/telegram --secret s3cret \
 *          --connections 40 --users 2000 --first-update 1 --seconds 10 [--rate 500] \
 *          [--photos | --gallery]
 *
 * --gallery turns the pages of galleries, by one and by ten, from the newest image to the oldest and
 * back: each answer tells which button comes next, so that a user waits for it before the next tap.
 *
 * With a rate the loop is open: update i is due at i/rate whatever came of those before it, waits
 * for a free connection when there is none, and its time counts from the moment it was due. A
 * server that stalls is so charged with everything that the stall held up. Without a rate every
 * connection sends its next update as soon as it has an answer, which is saturation.
 *
 * All connections stand before the clock starts. Prints one line of name=value.
 */
#include "core/core.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    REQUEST_BYTES = 8192,
    ANSWER_BYTES = 16 * 1024,
    CONNECTIONS_MAX = 256,
    EVENTS_PER_WAIT = 64,
    GRACE_SECONDS = 10, /* for what is under way when the time is over */
    ALBUM_PHOTOS = 10,
    ALBUMS_AT_A_TIME = 200, /* more than connections: a user waits for an answer before the next */
    READERS_MAX = 1024,
    FAR_STEPS = 10, /* of the buttons that skip */
    ID_LENGTH = 36,
};

enum phase { HANDSHAKE, FREE, SENDING, RECEIVING };

/* Who turns pages: the image on the screen, and where it stands. */
struct reader {
    char at[ID_LENGTH + 1]; /* empty: the gallery is not open yet */
    int64_t index, total, taps;
    bool goes_newer, waits;
};

struct connection {
    SSL *ssl;
    int fd;
    enum phase phase;
    uint32_t watched;
    int64_t due_ns;        /* of the update under way */
    struct reader *reader; /* whose it is; NULL: of no gallery */
    char request[REQUEST_BYTES];
    size_t request_len;
    char answer[ANSWER_BYTES + 1];
    size_t answer_len;
    struct connection *next_free;
};

static struct {
    const char *path, *secret, *ca;
    int port;
    size_t connections, users;
    int64_t first_update, first_user, rate, seconds, count;
    bool sends_photos, turns_pages;
} options = {.path = "/",
             .secret = "",
             .connections = 40,
             .users = 2000,
             .first_update = 1,
             .first_user = 500000000,
             .seconds = 10};

static SSL_CTX *tls;
static int epoll_fd;
static struct connection connections[CONNECTIONS_MAX];
static struct connection *free_connections;
static size_t ready_count;
static struct reader readers[READERS_MAX];
static size_t next_reader;

static int64_t started_ns, ends_ns;
static int64_t sent, answered, failed, answer_bytes, empty;
static uint32_t *latencies_us;
static size_t latency_count, latency_room;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "failed");
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void note_latency(int64_t ns)
{
    if (latency_count == latency_room) {
        latency_room = latency_room ? 2 * latency_room : 1 << 16;
        latencies_us = reallocarray(latencies_us, latency_room, sizeof *latencies_us);
        if (!latencies_us)
            die("memory");
    }
    latencies_us[latency_count++] = (uint32_t)(ns / 1000);
}

/* -- what is sent -- */

/* A tap below the menu, with all that Telegram tells about the message that was tapped. */
static int write_tap(char *out, size_t room, int64_t number, int64_t update, int64_t user)
{
    bool is_menu = (number / (int64_t)options.users + number) % 2 == 0;
    return snprintf(
        out, room,
        "{\"update_id\":%" PRId64 ",\"callback_query\":{\"id\":\"43%016" PRId64 "\",\"from\":{"
        "\"id\":%" PRId64 ",\"is_bot\":false,\"first_name\":\"Анастасия\",\"last_name\":\"Ким\","
        "\"username\":\"nastya_%" PRId64
        "\",\"language_code\":\"ru\"},\"message\":{\"message_id\":4711,"
        "\"from\":{\"id\":1000001,\"is_bot\":true,\"first_name\":\"Aisha\",\"username\":\"aisha_bot\"},"
        "\"chat\":{\"id\":%" PRId64 ",\"first_name\":\"Анастасия\",\"last_name\":\"Ким\","
        "\"username\":\"nastya_%" PRId64 "\",\"type\":\"private\"},\"date\":1790000000,"
        "\"edit_date\":1790000060,\"text\":\"🏠 Меню\\n\\nНа балансе 500 монет. Что сделаем?\","
        "\"entities\":[{\"offset\":3,\"length\":4,\"type\":\"bold\"}],\"reply_markup\":{\"inline_keyboard\":["
        "[{\"text\":\"✍️ Картинка по описанию\",\"callback_data\":\"imagen:open\"}],"
        "[{\"text\":\"🖼 Галерея\",\"callback_data\":\"gallery:open\"}],["
        "{\"text\":\"👤 Профиль · 💰 500\",\"callback_data\":\"profile:open\"},"
        "{\"text\":\"❓ Помощь\",\"callback_data\":\"help:open\"}]]}},"
        "\"chat_instance\":\"-3141592653589793238\",\"data\":\"%s\"}}",
        update, update, user, user, user, user, is_menu ? "menu:open" : "help:open");
}

/* One size of a photo. */
#define PHOTO_SIZE(mark, bytes, width, height)                                                     \
    "{\"file_id\":\"AgACAgIAAxkBAAIBZ2jxS" mark "%" PRId64                                         \
    "AAnyEMRvN6-vLSQ3Wq0e1rgEAAwIAA3MAAzYE\","                                                     \
    "\"file_unique_id\":\"AQADfIQxG83r68" mark "%" PRId64 "\",\"file_size\":" bytes                \
    ",\"width\":" width ",\"height\":" height "}"

/* clang-format off */
#define PHOTO_SIZES                                                                                \
    PHOTO_SIZE("s", "1482", "67", "90") "," PHOTO_SIZE("m", "19482", "240", "320") ","              \
    PHOTO_SIZE("x", "88120", "600", "800") "," PHOTO_SIZE("y", "188120", "960", "1280")
/* clang-format on */

/* A photo of an album, whose photos come one after another. */
static int write_photo(char *out, size_t room, int64_t update, int64_t user)
{
    return snprintf(
        out, room,
        "{\"update_id\":%" PRId64 ",\"message\":{\"message_id\":%" PRId64 ",\"from\":{"
        "\"id\":%" PRId64 ",\"is_bot\":false,\"first_name\":\"Анастасия\",\"last_name\":\"Ким\","
        "\"username\":\"nastya_%" PRId64 "\",\"language_code\":\"ru\"},"
        "\"chat\":{\"id\":%" PRId64 ",\"first_name\":\"Анастасия\",\"last_name\":\"Ким\","
        "\"username\":\"nastya_%" PRId64 "\",\"type\":\"private\"},\"date\":1790000000,"
        "\"media_group_id\":\"1398%" PRId64 "\",\"photo\":[" PHOTO_SIZES "]}}",
        update, update, user, user, user, user, user, update, update, update, update, update,
        update, update, update);
}

#define CARD_BUTTON(text, tap) "{\"text\":\"" text "\",\"callback_data\":\"" tap ":%s\"}"

/* Pages are turned by one and by ten, and back from where the gallery ends. */
static const char *page_tap(struct reader *r)
{
    if (!r->at[0])
        return "gallery:open";
    if (r->index + FAR_STEPS > r->total)
        r->goes_newer = true;
    else if (r->index <= FAR_STEPS)
        r->goes_newer = false;
    if (r->taps++ % 2)
        return r->goes_newer ? "gallery:newer_far:" : "gallery:older_far:";
    return r->goes_newer ? "gallery:newer:" : "gallery:older:";
}

/* A tap below a picture of the gallery. */
static int write_page(char *out, size_t room, int64_t update, int64_t user, struct reader *r)
{
    const char *id = r->at;
    return snprintf(
        out, room,
        "{\"update_id\":%" PRId64 ",\"callback_query\":{\"id\":\"43%016" PRId64 "\",\"from\":{"
        "\"id\":%" PRId64 ",\"is_bot\":false,\"first_name\":\"Анастасия\",\"last_name\":\"Ким\","
        "\"username\":\"nastya_%" PRId64
        "\",\"language_code\":\"ru\"},\"message\":{\"message_id\":4711,"
        "\"from\":{\"id\":1000001,\"is_bot\":true,\"first_name\":\"Aisha\",\"username\":\"aisha_bot\"},"
        "\"chat\":{\"id\":%" PRId64 ",\"first_name\":\"Анастасия\",\"last_name\":\"Ким\","
        "\"username\":\"nastya_%" PRId64 "\",\"type\":\"private\"},\"date\":1790000000,"
        "\"edit_date\":1790000060,\"photo\":[" PHOTO_SIZES "],"
        "\"caption\":\"%" PRId64 " из %" PRId64 " · 1:1\\nпортрет у окна\","
        "\"caption_entities\":[{\"offset\":0,\"length\":6,\"type\":\"bold\"}],"
        "\"reply_markup\":{\"inline_keyboard\":["
        "[" CARD_BUTTON("⏮", "gallery:first") "," CARD_BUTTON("⬅️", "gallery:newer") "," CARD_BUTTON("1/10", "gallery:place") "," CARD_BUTTON("➡️", "gallery:older") "," CARD_BUTTON(
            "⏭",
            "gallery:last") "],"
                            "[" CARD_BUTTON("⏪ 10", "gallery:newer_far") "," CARD_BUTTON("10 ⏩", "gallery:older_far") "],[" CARD_BUTTON(
                                "⭐ В избранное",
                                "gallery:favorite") "," CARD_BUTTON("🗑 Удалить",
                                                                    "gallery:delete") "],"
                                                                                      "[" CARD_BUTTON("📝 Описание", "gallery:prompt") "," CARD_BUTTON(
                                                                                          "📎 Файл",
                                                                                          "gallery:file") "],[{\"text\":\"🔎 Фильтры\",\"callback_data\":\"filter:open\"},"
                                                                                                          "{\"text\":\"📊 Статистика\",\"callback_data\":\"statistics:open\"}],["
                                                                                                          "{\"text\":\"🏠 Меню\",\"callback_data\":\"menu:open\"}]]}},"
                                                                                                          "\"chat_instance\":\"-3141592653589793238\",\"data\":\"%s%s\"}}",
        update, update, user, user, user, user, update, update, update, update, update, update,
        update, update, r->index, r->total, id, id, id, id, id, id, id, id, id, id, id, page_tap(r),
        id);
}

/* Taps of all users in turn; albums of some users at a time, one photo of each in turn. */
static int64_t user_of(int64_t number)
{
    int64_t turn = number;
    if (options.sends_photos)
        turn = number / (ALBUM_PHOTOS * ALBUMS_AT_A_TIME) * ALBUMS_AT_A_TIME +
               number % ALBUMS_AT_A_TIME;
    return options.first_user + turn % (int64_t)options.users;
}

static size_t write_update(char *out, size_t room, int64_t number, struct reader *reader)
{
    int64_t update = options.first_update + number;
    int64_t user = reader ? options.first_user + (reader - readers) : user_of(number);
    int len = 0;
    if (reader)
        len = write_page(out, room, update, user, reader);
    else if (options.sends_photos)
        len = write_photo(out, room, update, user);
    else
        len = write_tap(out, room, number, update, user);
    if (len < 0 || (size_t)len >= room)
        die("update too long");
    return (size_t)len;
}

static void write_request(struct connection *c, int64_t number)
{
    char body[REQUEST_BYTES];
    size_t body_len = write_update(body, sizeof body, number, c->reader);
    int len = snprintf(c->request, sizeof c->request,
                       "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       "X-Telegram-Bot-Api-Secret-Token: %s\r\nContent-Length: %zu\r\n\r\n%.*s",
                       options.path, options.secret, body_len, (int)body_len, body);
    if (len < 0 || (size_t)len >= sizeof c->request)
        die("request too long");
    c->request_len = (size_t)len;
}

/* -- connections -- */

static void watch(struct connection *c, uint32_t events)
{
    if (c->watched == events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_fd, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("epoll_ctl");
    c->watched = events;
}

static void open_connection(struct connection *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl");
    c->ssl = SSL_new(tls);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
        die("SSL_new");
    SSL_set_connect_state(c->ssl);
    c->phase = HANDSHAKE;
    c->watched = 0;
    watch(c, EPOLLIN | EPOLLOUT);
}

static void reopen(struct connection *c)
{
    SSL_free(c->ssl);
    close(c->fd);
    open_connection(c);
}

static void set_free(struct connection *c)
{
    c->phase = FREE;
    c->next_free = free_connections;
    free_connections = c;
}

/* True when the call has to be made again once the socket is ready. */
static bool waits(struct connection *c, int result)
{
    int why = SSL_get_error(c->ssl, result);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        return false;
    watch(c, why == SSL_ERROR_WANT_WRITE ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return true;
}

static void shake_hands(struct connection *c)
{
    int result = SSL_do_handshake(c->ssl);
    if (result == 1) {
        watch(c, EPOLLIN);
        ready_count++;
        set_free(c);
    } else if (!waits(c, result)) {
        die("handshake");
    }
}

static void let_go(struct connection *c)
{
    if (c->reader)
        c->reader->waits = false;
    c->reader = NULL;
}

static void fail_request(struct connection *c)
{
    failed++;
    let_go(c);
    reopen(c);
}

static void send_request(struct connection *c)
{
    c->phase = SENDING;
    int result = SSL_write(c->ssl, c->request, (int)c->request_len);
    if (result == (int)c->request_len) {
        c->phase = RECEIVING;
        c->answer_len = 0;
    } else if (!waits(c, result)) {
        fail_request(c);
    }
}

/* Length of the whole answer once its head is there; 0 until then, -1 when it makes no sense. */
static int64_t whole_length(const struct connection *c, int64_t *body_len)
{
    const char *end = strstr(c->answer, "\r\n\r\n");
    if (!end)
        return c->answer_len < ANSWER_BYTES ? 0 : -1;
    const char *length = strcasestr(c->answer, "\r\nContent-Length:");
    if (!length || length > end)
        return -1;
    *body_len = strtol(length + strlen("\r\nContent-Length:"), NULL, 10);
    return end + 4 - c->answer + *body_len;
}

/* The card in the answer: {"text":"7/1000","callback_data":"gallery:place:<id>"}. */
static void read_card(struct reader *r, const char *answer)
{
    static const char mark[] = "\",\"callback_data\":\"gallery:place:";
    const char *place = strstr(answer, mark);
    if (!place || strlen(place) < strlen(mark) + ID_LENGTH)
        return; /* it will be counted as empty */
    memcpy(r->at, place + strlen(mark), ID_LENGTH);
    const char *digits = place;
    while (digits > answer && digits[-1] != '"')
        digits--;
    char *slash = NULL;
    r->index = strtoll(digits, &slash, 10);
    r->total = strtoll(slash + 1, NULL, 10);
}

static void take_answer(struct connection *c, int64_t body_len)
{
    note_latency(now_ns() - c->due_ns);
    if (c->reader)
        read_card(c->reader, c->answer);
    let_go(c);
    bool is_good = strncmp(c->answer, "HTTP/1.1 200 ", 13) == 0;
    answered += is_good;
    failed += !is_good;
    empty += is_good && body_len == 0;
    answer_bytes += body_len;
    if (strstr(c->answer, "\r\nConnection: close\r\n"))
        reopen(c);
    else
        set_free(c);
}

static void receive_answer(struct connection *c)
{
    int result = SSL_read(c->ssl, c->answer + c->answer_len, (int)(ANSWER_BYTES - c->answer_len));
    if (result <= 0) {
        if (!waits(c, result))
            fail_request(c);
        return;
    }
    c->answer_len += (size_t)result;
    c->answer[c->answer_len] = '\0';
    int64_t body_len = 0, whole = whole_length(c, &body_len);
    if (whole < 0 || whole > ANSWER_BYTES)
        fail_request(c);
    else if (whole && c->answer_len >= (size_t)whole)
        take_answer(c, body_len);
}

/* Tickets for later sessions come behind the handshake. Nothing else comes unasked. */
static void read_ticket(struct connection *c)
{
    char byte;
    if (!waits(c, SSL_read(c->ssl, &byte, 1)))
        die("an idle connection was closed");
}

static void on_ready(struct connection *c)
{
    switch (c->phase) {
    case HANDSHAKE:
        shake_hands(c);
        return;
    case SENDING:
        send_request(c);
        return;
    case RECEIVING:
        receive_answer(c);
        return;
    case FREE:
        read_ticket(c);
        return;
    }
}

/* -- the schedule -- */

static int64_t due_ns(int64_t number, int64_t now)
{
    return options.rate ? started_ns + number * 1000000000 / options.rate : now;
}

static bool is_over(int64_t number, int64_t now)
{
    if (options.count)
        return number >= options.count;
    return due_ns(number, now) >= ends_ns;
}

/* The next who has his answer; NULL: all of them wait. */
static struct reader *free_reader(void)
{
    for (size_t tried = 0; tried < options.users; tried++) {
        struct reader *r = &readers[next_reader++ % options.users];
        if (!r->waits)
            return r;
    }
    return NULL;
}

static void send_what_is_due(void)
{
    int64_t now = now_ns();
    while (free_connections && !is_over(sent, now) && due_ns(sent, now) <= now) {
        struct connection *c = free_connections;
        c->reader = options.turns_pages ? free_reader() : NULL;
        if (options.turns_pages && !c->reader)
            return;
        if (c->reader)
            c->reader->waits = true;
        free_connections = c->next_free;
        c->due_ns = due_ns(sent, now);
        write_request(c, sent++);
        watch(c, EPOLLIN);
        send_request(c);
    }
}

static bool all_wait(void)
{
    for (size_t i = 0; options.turns_pages && i < options.users; i++)
        if (!readers[i].waits)
            return false;
    return options.turns_pages;
}

static void wait_for_events(void)
{
    int64_t now = now_ns(), wait = 100000000;
    if (options.rate && free_connections && !is_over(sent, now) && !all_wait())
        wait = due_ns(sent, now) - now;
    if (wait < 0)
        wait = 0;
    struct timespec limit = {wait / 1000000000, wait % 1000000000};
    struct epoll_event events[EVENTS_PER_WAIT];
    int count = epoll_pwait2(epoll_fd, events, EVENTS_PER_WAIT, &limit, NULL);
    if (count < 0 && errno != EINTR)
        die("epoll_pwait2");
    for (int i = 0; i < count; i++)
        on_ready(events[i].data.ptr);
}

static void connect_all(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    tls = SSL_CTX_new(TLS_client_method());
    if (!tls || SSL_CTX_load_verify_file(tls, options.ca) != 1)
        die(options.ca);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_AUTO_RETRY);
    for (size_t i = 0; i < options.connections; i++)
        open_connection(&connections[i]);
    while (ready_count < options.connections)
        wait_for_events();
}

static void run(void)
{
    started_ns = now_ns();
    ends_ns = started_ns + options.seconds * 1000000000;
    while (!is_over(sent, now_ns())) {
        send_what_is_due();
        wait_for_events();
    }
    int64_t last_ns = now_ns() + GRACE_SECONDS * INT64_C(1000000000);
    while (answered + failed < sent && now_ns() < last_ns)
        wait_for_events();
}

/* -- the outcome -- */

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static double percentile_ms(double part)
{
    if (latency_count == 0)
        return 0;
    return latencies_us[(size_t)(part * (double)(latency_count - 1))] / 1000.0;
}

static void report(void)
{
    double seconds = (double)(now_ns() - started_ns) / 1e9;
    qsort(latencies_us, latency_count, sizeof *latencies_us, by_size);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("sent=%" PRId64 " answered=%" PRId64 " failed=%" PRId64 " empty=%" PRId64
           " lost=%" PRId64 " per_second=%.0f p50_ms=%.3f p99_ms=%.3f max_ms=%.3f bytes=%.0f"
           " cpu_seconds=%.2f\n",
           sent, answered, failed, empty, sent - answered - failed, (double)answered / seconds,
           percentile_ms(0.5), percentile_ms(0.99), percentile_ms(1),
           answered ? (double)answer_bytes / (double)answered : 0, cpu);
}

static int64_t number_of(const char *text)
{
    char *end;
    int64_t number = strtoll(text, &end, 10);
    if (*end || end == text || number < 0) {
        fprintf(stderr, "load: not a number: %s\n", text);
        exit(2);
    }
    return number;
}

static void read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"port",         required_argument, NULL, 'p'},
        {"ca",           required_argument, NULL, 'a'},
        {"path",         required_argument, NULL, 'P'},
        {"secret",       required_argument, NULL, 's'},
        {"connections",  required_argument, NULL, 'c'},
        {"users",        required_argument, NULL, 'u'},
        {"first-update", required_argument, NULL, 'f'},
        {"rate",         required_argument, NULL, 'r'},
        {"seconds",      required_argument, NULL, 't'},
        {"count",        required_argument, NULL, 'n'},
        {"photos",       no_argument,       NULL, 'i'},
        {"gallery",      no_argument,       NULL, 'g'},
        {NULL,           0,                 NULL, 0  },
    };
    int name;
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (name) {
        case 'p':
            options.port = (int)number_of(optarg);
            break;
        case 'a':
            options.ca = optarg;
            break;
        case 'P':
            options.path = optarg;
            break;
        case 's':
            options.secret = optarg;
            break;
        case 'c':
            options.connections = (size_t)number_of(optarg);
            break;
        case 'u':
            options.users = (size_t)number_of(optarg);
            break;
        case 'f':
            options.first_update = number_of(optarg);
            break;
        case 'r':
            options.rate = number_of(optarg);
            break;
        case 't':
            options.seconds = number_of(optarg);
            break;
        case 'n':
            options.count = number_of(optarg);
            break;
        case 'i':
            options.sends_photos = true;
            break;
        case 'g':
            options.turns_pages = true;
            break;
        default:
            exit(2);
        }
    }
    if (!options.port || !options.ca || !options.users || !options.connections ||
        options.connections > CONNECTIONS_MAX ||
        (options.turns_pages && options.users > READERS_MAX)) {
        fprintf(stderr, "load: wants --port, --ca, 1 to %d connections, and at most %d galleries\n",
                CONNECTIONS_MAX, READERS_MAX);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    connect_all();
    run();
    report();
    return failed || answered < sent;
}
