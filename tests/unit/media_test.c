#include "api/media.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/loop.h"
#include "tests/unit/expect.h"
#include "tests/unit/with_arena.h"

#define SIDES    "\"width\":800,\"height\":600"
#define MEASURES "\"brightness\":100.5,\"contrast\":40,\"sharpness\":12.5"
#define WHOLE                                                                                      \
    "{\"bytes\":4,\"format\":\"png\"," SIDES "," MEASURES ",\"hash\":\"8000000000000001\"}\n"
#define PHOTO "\xff\xd8\xff\xd9"

enum { PATIENCE_MS = 5000, SHORT_MS = 60, FILE_BYTES = 3 << 20 };

static const char file[FILE_BYTES]; /* more than a socket holds */

/* Plays aisha-photo for one call. */
struct player {
    char path[64];
    int listener;
    bool reads;     /* all that is sent, before it answers */
    bool is_silent; /* and neither answers nor ends until the caller is gone */
    str answer;
    size_t piece; /* the answer goes out in pieces of this size; 0: whole */
};

static void play_to_its_end(int fd)
{
    char bytes[4096];
    while (task_wait_fd(fd, EPOLLIN, clock_steady_ms() + PATIENCE_MS) == WOKEN &&
           recv(fd, bytes, sizeof bytes, 0) > 0) {
    }
}

static void play_request(int fd)
{
    char bytes[4096];
    size_t left = 0;
    for (bool is_line = true; is_line || left;) {
        if (task_wait_fd(fd, EPOLLIN, clock_steady_ms() + PATIENCE_MS) == TIMED_OUT)
            return;
        ssize_t n = recv(fd, bytes, is_line ? 1 : sizeof bytes, 0);
        if (n <= 0)
            return;
        if (is_line && bytes[0] == '\n') {
            is_line = false;
            left = FILE_BYTES;
        } else if (!is_line) {
            left -= (size_t)n;
        }
    }
}

static void play(void *player)
{
    struct player *p = player;
    if (task_wait_fd(p->listener, EPOLLIN, clock_steady_ms() + PATIENCE_MS) == TIMED_OUT)
        return;
    int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (p->is_silent)
        play_to_its_end(fd);
    if (p->reads)
        play_request(fd);
    for (str left = p->answer; left.len;
         left = str_sub(left, p->piece ? p->piece : left.len, left.len)) {
        str piece = p->piece ? str_sub(left, 0, p->piece) : left;
        EXPECT(send(fd, piece.ptr, piece.len, MSG_NOSIGNAL) == (ssize_t)piece.len);
        task_yield();
    }
    close(fd);
}

static void listen_at(struct player *p)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(p->path, sizeof p->path, "/tmp/media_test.%d", (int)getpid());
    memcpy(address.sun_path, p->path, strlen(p->path));
    unlink(p->path);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(p->listener, 0), 0);
}

struct asked {
    struct media media;
    str bytes;
    const err *error;
    struct media_photo photo;
};

static void ask(void *asked)
{
    struct asked *q = asked;
    struct media_limits limits = {512, MEDIA_MOST_PIXELS};
    q->error = media_photo(a, &q->media, q->bytes, &limits, &q->photo);
}

static struct asked ask_player(struct player *p)
{
    listen_at(p);
    loop_init();
    struct asked asked = {
        .bytes = {file, sizeof file}
    };
    asked.media.socket = str_from(p->path);
    asked.media.deadline_ms = p->is_silent ? SHORT_MS : PATIENCE_MS;
    task_start(play, p, 0);
    task_start(ask, &asked, 0);
    loop_run();
    close(p->listener);
    unlink(p->path);
    return asked;
}

static void assert_upstream(const struct asked *asked, const char *what)
{
    if (!asked->error || asked->error->kind != ERR_UPSTREAM ||
        !str_starts(asked->error->message, S("media:")))
        fail_msg("%s: taken for an answer", what);
}

static void an_answer_is_read_however_it_comes(void **state)
{
    (void)state;
    const size_t pieces[] = {0, 1, 7, sizeof WHOLE - 1, sizeof WHOLE};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct player p = {.reads = true, .answer = S(WHOLE PHOTO), .piece = pieces[i]};
        struct asked asked = ask_player(&p);
        assert_true(is_well(asked.error));
        assert_str(asked.photo.refused, S(""));
        assert_str(asked.photo.format, S("png"));
        assert_int_equal(asked.photo.width, 800);
        assert_int_equal(asked.photo.height, 600);
        assert_true(asked.photo.brightness == 100.5 && asked.photo.sharpness == 12.5);
        assert_true(asked.photo.hash == 0x8000000000000001);
        assert_true(asked.photo.quality_score > 0.95 && asked.photo.quality_score < 0.96);
        assert_str(asked.photo.jpeg, S(PHOTO));
    }
}

static void a_refusal_is_no_error(void **state)
{
    (void)state;
    struct player p = {
        .answer = S("{\"bytes\":0,\"refused\":\"too_small\",\"format\":\"webp\"," SIDES "}\n")};
    struct asked asked = ask_player(&p); /* given by the first line: the file is not read */
    assert_true(is_well(asked.error));
    assert_str(asked.photo.refused, S("too_small"));
    assert_str(asked.photo.format, S("webp"));
    assert_int_equal(asked.photo.height, 600);
    assert_true(str_empty(asked.photo.jpeg));

    struct player other = {.reads = true,
                           .answer = S("{\"bytes\":0,\"refused\":\"format\",\"format\":null}\n")};
    asked = ask_player(&other);
    assert_true(is_well(asked.error));
    assert_str(asked.photo.refused, S("format"));
}

static void what_is_no_answer_is_told_apart(void **state)
{
    (void)state;
#define REST "\"format\":\"png\"," SIDES "," MEASURES ",\"hash\":\"0000000000000001\"}\n"
    const char *const rows[] = {
        "",
        "\n",
        "not json\n",
        "{\"bytes\":4",
        "{}\n",
        "[]\n",
        "{\"bytes\":\"4\"," REST PHOTO,
        "{\"bytes\":-1," REST PHOTO,
        "{\"bytes\":0," REST,
        "{\"bytes\":5," REST PHOTO,
        "{\"bytes\":3," REST PHOTO,
        "{\"bytes\":9223372036854775807," REST PHOTO,
        "{\"bytes\":17000000," REST PHOTO,
        "{\"bytes\":4," REST "GIF8",
        "{\"bytes\":4,\"refused\":\"format\"," REST PHOTO,
        "{\"bytes\":0,\"refused\":\"because\"," REST,
        "{\"bytes\":0,\"refused\":\"too_small\"}\n",
        "{\"bytes\":0,\"error\":\"too_many_bytes\"}\n",
        "{\"bytes\":4,\"format\":\"gif\"," SIDES "," MEASURES
        ",\"hash\":\"0000000000000001\"}\n" PHOTO,
        "{\"bytes\":4,\"format\":\"png\"," MEASURES ",\"hash\":\"0000000000000001\"}\n" PHOTO,
        "{\"bytes\":4,\"format\":\"png\",\"width\":-1,\"height\":3," MEASURES
        ",\"hash\":\"0000000000000001\"}\n" PHOTO,
        "{\"bytes\":4,\"format\":\"png\"," SIDES "," MEASURES ",\"hash\":\"1\"}\n" PHOTO,
        "{\"bytes\":4,\"format\":\"png\"," SIDES "," MEASURES
        ",\"hash\":\"000000000000000G\"}\n" PHOTO,
        "{\"bytes\":4,\"format\":\"png\"," SIDES "," MEASURES "}\n" PHOTO,
        "{\"bytes\":4,\"format\":\"png\"," SIDES
        ",\"brightness\":256,\"contrast\":1,\"sharpness\":1,"
        "\"hash\":\"0000000000000001\"}\n" PHOTO,
    };
#undef REST
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p = {.reads = true, .answer = str_from(rows[i])};
        struct asked asked = ask_player(&p);
        assert_upstream(&asked, rows[i]);
        arena_reset(a);
    }
}

static void an_answer_without_end_is_not_waited_for(void **state)
{
    (void)state;
    char *noise = NEW_ARRAY(a, char, 100000);
    memset(noise, 'x', 100000);
    struct player p = {
        .reads = true, .answer = {noise, 100000}
    };
    struct asked asked = ask_player(&p);
    assert_upstream(&asked, "a line of 100000 bytes");
}

static void a_process_that_dies_is_no_answer(void **state)
{
    (void)state;
    struct player before = {.reads = false}, after = {.reads = true};
    struct asked asked = ask_player(&before);
    assert_upstream(&asked, "died before it had read all");
    asked = ask_player(&after);
    assert_upstream(&asked, "died before it answered");
}

static void a_silent_process_is_left_at_the_deadline(void **state)
{
    (void)state;
    struct player p = {.is_silent = true};
    int64_t began_ms = clock_steady_ms();
    struct asked asked = ask_player(&p);
    assert_upstream(&asked, "silence");
    assert_true(clock_steady_ms() - began_ms >= SHORT_MS);
}

/* -- without anybody -- */

static struct asked ask_at(str path)
{
    loop_init();
    struct asked asked = {.bytes = S("x")};
    asked.media = (struct media){path, SHORT_MS};
    task_start(ask, &asked, 0);
    loop_run();
    return asked;
}

static void nobody_there_is_unreachable(void **state)
{
    (void)state;
    assert_true(is_kind(ask_at(S("/tmp/media_test/nobody.sock")).error, ERR_UNREACHABLE));

    struct player gone = {.reads = false};
    listen_at(&gone);
    close(gone.listener); /* the file stays, nobody listens */
    assert_true(is_kind(ask_at(str_from(gone.path)).error, ERR_UNREACHABLE));
    unlink(gone.path);

    char long_path[200];
    memset(long_path, 'x', sizeof long_path);
    str path = {long_path, sizeof long_path};
    assert_true(is_kind(ask_at(path).error, ERR_INPUT));
}

static void a_full_queue_is_busy(void **state)
{
    (void)state;
    struct player p = {.reads = false};
    listen_at(&p); /* for one; nobody accepts */
    assert_upstream(&(struct asked){.error = ask_at(str_from(p.path)).error}, "never taken");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, p.path, strlen(p.path));
    int waiting[4] = {0};
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(waiting[i], (struct sockaddr *)&address, sizeof address);
    }
    assert_true(is_kind(ask_at(str_from(p.path)).error, ERR_BUSY));
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        close(waiting[i]);
    close(p.listener);
    unlink(p.path);
}

static void too_much_is_not_sent(void **state)
{
    (void)state;
    struct asked asked = {
        .media = {S("/nobody"), 0                   },
          .bytes = {"",           MEDIA_MOST_BYTES + 1}
    };
    ask(&asked);
    assert_true(is_kind(asked.error, ERR_INPUT));
}

/* -- numbers -- */

static void the_quality_score_is_as_it_was_defined(void **state)
{
    (void)state;
    const struct {
        int width, height;
        double brightness, contrast, want;
    } rows[] = {
        {512,  512,  128, 30, 1.0   },
        {4000, 3000, 128, 90, 1.0   },
        {256,  900,  128, 30, 0.75  },
        {512,  512,  0,   0,  0.5   },
        {512,  512,  255, 15, 0.6516},
        {1,    1,    128, 0,  0.2010},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double got = media_quality_score(rows[i].width, rows[i].height, rows[i].brightness,
                                         rows[i].contrast);
        if (got < rows[i].want - 0.0001 || got > rows[i].want + 0.0001)
            fail_msg("row %zu: got %f, want %f", i, got, rows[i].want);
    }
}

static void hashes_differ_by_bits(void **state)
{
    (void)state;
    assert_int_equal(media_hash_distance(0, 0), 0);
    assert_int_equal(media_hash_distance(0, UINT64_MAX), 64);
    assert_int_equal(media_hash_distance(0x8000000000000001, 0x8000000000000010), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_is_read_however_it_comes, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(a_refusal_is_no_error, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(what_is_no_answer_is_told_apart, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(an_answer_without_end_is_not_waited_for, make_arena,
                                        free_arena),
        cmocka_unit_test_setup_teardown(a_process_that_dies_is_no_answer, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(a_silent_process_is_left_at_the_deadline, make_arena,
                                        free_arena),
        cmocka_unit_test_setup_teardown(nobody_there_is_unreachable, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(a_full_queue_is_busy, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(too_much_is_not_sent, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(the_quality_score_is_as_it_was_defined, make_arena,
                                        free_arena),
        cmocka_unit_test_setup_teardown(hashes_differ_by_bits, make_arena, free_arena),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
