/* Log lines: their form, escaping, clipping, and that each is one write. */
#include "core/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/loop.h"

#define TIME "t=2026-11-21T08:00:00.123Z "

static struct arena *a;
static int log_end, kept_stderr;

/* A packet pipe keeps the borders between writes. */
static int catch_stderr(void **state)
{
    (void)state;
    int ends[2];
    a = arena_new(16 << 20);
    if (pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC) != 0)
        return -1;
    log_end = ends[0];
    kept_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    clock_set_ms(1795248000123);
    return 0;
}

static int give_stderr_back(void **state)
{
    (void)state;
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    close(log_end);
    clock_set_ms(0);
    log_set_level(S("info"));
    arena_free(a);
    return 0;
}

/* What one write brought; empty when nothing was written. */
static str next_write(void)
{
    char text[8192];
    ssize_t length = read(log_end, text, sizeof text);
    return str_dup(a, (str){text, length > 0 ? (size_t)length : 0});
}

static void assert_str(str got, str want)
{
    if (!str_eq(got, want))
        fail_msg("got \"" STR_FMT "\", want \"" STR_FMT "\"", STR_ARG(got), STR_ARG(want));
}

static void a_line_is_one_write(void **state)
{
    (void)state;
    errno = ENOENT;
    log_info("avatar.created", KV("avatar", 7), KV("name", "Asya"));
    assert_int_equal(errno, ENOENT);
    log_warn("cache.wiped");
    assert_str(next_write(), S(TIME "level=info event=avatar.created avatar=7 name=Asya\n"));
    assert_str(next_write(), S(TIME "level=warn event=cache.wiped\n"));
    assert_str(next_write(), S(""));
}

static void values_are_quoted_where_need_be(void **state)
{
    (void)state;
    str absent = {0};
    const struct {
        struct val in;
        str want;
    } rows[] = {
        {V(-5),                   S("-5")                      },
        {V(0.5),                  S("0.5")                     },
        {V((bool)false),          S("false")                   },
        {V(NOTHING),              S("null")                    },
        {V(absent),               S("null")                    },
        {V("a/b:c-d"),            S("a/b:c-d")                 },
        {V(JSON(S("{\"a\":1}"))), S("\"{\\\"a\\\":1}\"")       },
        {V(""),                   S("\"\"")                    },
        {V("a b"),                S("\"a b\"")                 },
        {V("a=b"),                S("\"a=b\"")                 },
        {V("a\"b\\"),             S("\"a\\\"b\\\\\"")          },
        {V("a\nlevel=error"),     S("\"a\\nlevel=error\"")     },
        {V("\r\t\x1b[31m\x7f"),   S("\"\\r\\t\\x1b[31m\\x7f\"")},
        {V(S("a\0b")),            S("\"a\\x00b\"")             },
        {V("Ася 😀"),        S("\"Ася 😀\"")         },
        {V("\xc2\x9b"
           "31m"),
         S("\"\\x9b31m\"")                                     },
        {V("\u00A0"),             S("\"\u00A0\"")              },
        {V("\xff\xd0"),           S("\"\\xff\\xd0\"")          },
        {V("\xed\xa0\x80"),       S("\"\\xed\\xa0\\x80\"")     },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        log_info("value.shown", KV("v", rows[i].in));
        str want = str_printf(a, TIME "level=info event=value.shown v=" STR_FMT "\n",
                              STR_ARG(rows[i].want));
        assert_str(next_write(), want);
    }
}

static str repeated(const char *unit, size_t count)
{
    struct buf b = buf_new(a);
    while (count--)
        buf_add(&b, str_from(unit));
    return buf_str(&b);
}

static void long_values_are_clipped(void **state)
{
    (void)state;
    static const char *const units[] = {"x", "я", "😀", "\n", "\xff", "\""};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        log_info("value.shown", KV("v", repeated(units[i], 50000)), KV("after", 1));
        str line = next_write();
        assert_true(line.len > 1000 && line.len < 1200);
        assert_true(str_ends(line, S("…\" after=1\n")));
        assert_true(str_is_utf8(line));
    }
}

static void a_full_line_ends_with_a_whole_field(void **state)
{
    (void)state;
    str text = repeated("x", 900);
    log_info("line.filled", KV("a", text), KV("b", text), KV("c", text), KV("d", text),
             KV("e", text), KV("f", 1));
    str line = next_write(), c;
    assert_true(line.len <= 4096);
    assert_true(str_ends(line, S("x\n")));
    c = str_sub(line, line.len - 904, 3);
    assert_str(c, S(" d="));
    assert_str(next_write(), S(""));
}

static void levels_are_obeyed(void **state)
{
    (void)state;
    static const struct {
        const char *level;
        size_t lines;
    } rows[] = {
        {"debug", 4},
        {"info",  3},
        {"warn",  2},
        {"error", 1},
        {"WARN",  2},
        {"",      3},
        {"loud",  3},
        {"inf",   3},
        {"info ", 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        log_set_level(str_from(rows[i].level));
        log_debug("a");
        log_info("b");
        log_warn("c");
        log_error("d");
        size_t lines = 0;
        while (next_write().len)
            lines++;
        assert_int_equal(lines, rows[i].lines);
    }
}

static void errors_tell_all_they_know(void **state)
{
    (void)state;
    /* In brackets, because cmocka has a macro of that name. */
    err *plain = (fail)(a, ERR_INTERNAL, "row %d is gone", 7);
    log_err("turn.failed", plain, NULL);
    assert_str(next_write(), S(TIME "level=error event=turn.failed kind=internal "
                                    "message=\"row 7 is gone\"\n"));

    err *refused = fail_with(a, ERR_UPSTREAM, 422, S("no \"x\""), "fal: http %d", 422);
    log_err("job.failed", refused, KVS(KV("job", 9)));
    assert_str(next_write(), S(TIME "level=error event=job.failed kind=upstream code=422 "
                                    "message=\"fal: http 422\" detail=\"no \\\"x\\\"\" job=9\n"));
}

static void errors_know_their_kind(void **state)
{
    (void)state;
    for (int kind = 0; kind < ERR_KIND_COUNT; kind++) {
        err *e = (fail)(a, (enum err_kind)kind, "x");
        bool is_waiting = kind == ERR_UNREACHABLE || kind == ERR_UNKNOWN || kind == ERR_BUSY;
        assert_int_equal(err_is_waiting(e), is_waiting);
        assert_true(strlen(err_kind_name((enum err_kind)kind)) > 3);
    }
    assert_false(err_is_waiting(NULL));
}

static void speak_in_a_task(void *fields)
{
    log_info("task.began");
    task_set_log_fields(*(str *)fields);
    log_info("task.ended", KV("n", 1));
}

static void a_task_puts_its_fields_on_every_line(void **state)
{
    (void)state;
    str fields = log_fields(a, KVS(KV("turn", "8f2"), KV("user", 42), KV("name", "a b")));
    assert_str(fields, S(" turn=8f2 user=42 name=\"a b\""));
    assert_str(log_fields(a, KVS()), S(""));

    loop_init();
    task_start(speak_in_a_task, &fields, 0);
    loop_run();
    log_info("loop.ended");
    assert_str(next_write(), S(TIME "level=info event=task.began\n"));
    assert_str(next_write(),
               S(TIME "level=info event=task.ended turn=8f2 user=42 name=\"a b\" n=1\n"));
    assert_str(next_write(), S(TIME "level=info event=loop.ended\n"));
}

int main(void)
{
#define WITH_LOG(test) cmocka_unit_test_setup_teardown(test, catch_stderr, give_stderr_back)
    const struct CMUnitTest tests[] = {
        WITH_LOG(a_line_is_one_write),     WITH_LOG(values_are_quoted_where_need_be),
        WITH_LOG(long_values_are_clipped), WITH_LOG(a_full_line_ends_with_a_whole_field),
        WITH_LOG(levels_are_obeyed),       WITH_LOG(errors_tell_all_they_know),
        WITH_LOG(errors_know_their_kind),  WITH_LOG(a_task_puts_its_fields_on_every_line),
    };
    unsetenv("JOURNAL_STREAM"); /* which would leave the time out */
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
