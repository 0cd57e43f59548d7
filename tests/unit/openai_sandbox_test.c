/*
 * The client against an OpenAI that answers: the one that OPENAI_BASE_URL names, which is the
 * sandbox's in `make check`. Faults are ordered one at a time and used up, so nothing stays behind.
 */
#include "api/openai.h"
#include "core/http.h"
#include "core/loop.h"
#include "tests/sandbox/draw.h"
#include "tests/unit/expect.h"

enum { TASK_STACK_KIB = DRAW_STACK_KIB, TIMEOUT_MS = 20 * 1000, MOST_BYTES = 1 << 20 };

static struct arena *a;
static struct openai openai;
static str sandbox_url;

static void order_fault(const char *name, const char *value)
{
    struct http_response response;
    str url = str_printf(a, STR_FMT "/control/fault", STR_ARG(sandbox_url));
    str body = json_make(a, KV("name", name), KV("value", JSON(str_from(value))));
    EXPECT(is_well(
        http_fetch(a,
                   &(struct http_request){
                       .url = url, .body = body, .timeout_ms = TIMEOUT_MS, .max_bytes = MOST_BYTES},
                   &response)));
    EXPECT(response.status == 200);
}

static void put_number(struct buf *b, uint32_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_add_char(b, (char)(number >> 8 * i));
}

enum { RATE = 8000, HALF_PERIOD = 10 };

/* A hum between two silences, each as long as the others. */
static str hum(uint32_t part_ms)
{
    struct buf b = buf_new(a);
    uint32_t part = part_ms * RATE / 1000, bytes = 3 * part * 2;
    buf_add(&b, S("RIFF"));
    put_number(&b, 36 + bytes, 4);
    buf_add(&b, S("WAVEfmt "));
    put_number(&b, 16, 4);
    put_number(&b, 1, 2);
    put_number(&b, 1, 2);
    put_number(&b, RATE, 4);
    put_number(&b, RATE * 2, 4);
    put_number(&b, 2, 2);
    put_number(&b, 16, 2);
    buf_add(&b, S("data"));
    put_number(&b, bytes, 4);
    for (uint32_t i = 0; i < 3 * part; i++) {
        bool is_sound = i / part == 1;
        uint32_t up = i / HALF_PERIOD % 2 ? 5000 : 0x10000 - 5000;
        put_number(&b, is_sound ? up : 0, 2);
    }
    return buf_str(&b);
}

static const struct openai_message question[] = {
    {OPENAI_SYSTEM, {"Translate into English. JSON: {\"prompt\": \"\"}", 44}},
    {OPENAI_USER,   {"маяк \"у моря\"", 22}                        },
};

static const struct openai_chat usual = {
    .model = {"gpt-4o", 6},
    .messages = question,
    .message_count = 2,
    .max_tokens = 300,
    .wants_json = true,
    .has_temperature = true,
    .temperature = 0.1,
};

static void recordings(void)
{
    struct openai_transcript heard = {0};
    struct openai_recording ask = {.model = S("whisper-1"),
                                   .file_name = S("hum.wav"),
                                   .bytes = hum(1000),
                                   .language = S("ru"),
                                   .prompt = S("Ася")};
    EXPECT(is_well(openai_transcribe(a, &openai, &ask, &heard)));
    EXPECT(heard.duration_ms == 3000 && heard.billed_seconds == 3 && heard.request_id.len);
    EXPECT(heard.segment_count == 1 && heard.segments[0].start_ms == 1000 &&
           heard.segments[0].end_ms == 2000);
    EXPECT(str_eq(heard.text, S("[неразборчиво, 1.0 с]")) &&
           str_eq(heard.text, heard.segments[0].text) && str_eq(heard.language, S("russian")));

    ask.model = S("gpt-4o-mini-transcribe");
    EXPECT(is_well(openai_transcribe(a, &openai, &ask, &heard)));
    EXPECT(heard.segment_count == 0 && heard.duration_ms == 0 && heard.input_tokens == 30);

    ask.bytes = S("not a sound");
    err *e = openai_transcribe(a, &openai, &ask, &heard);
    EXPECT(is_kind(e, ERR_REFUSED) && openai_trouble(e) == OPENAI_REFUSED);
    ask.model = S("whisper-77");
    e = openai_transcribe(a, &openai, &ask, &heard);
    EXPECT(is_kind(e, ERR_UPSTREAM) && openai_trouble(e) == OPENAI_ACCESS);
}

static void chats(void)
{
    struct openai_reply reply = {0};
    struct json_object *said = NULL;
    EXPECT(is_well(openai_chat(a, &openai, &usual, &reply)));
    EXPECT(is_well(json_parse(a, reply.text, &said)));
    EXPECT(str_eq(json_str(said, "prompt"), S("lighthouse \"by sea\"")));
    EXPECT(reply.prompt_tokens > 0 && reply.completion_tokens > 0 && !reply.is_cut);

    struct openai_chat ask = usual;
    ask.max_tokens = 2;
    EXPECT(is_well(openai_chat(a, &openai, &ask, &reply)) && reply.is_cut);
    ask.model = S("o3-mini");
    EXPECT(is_well(openai_chat(a, &openai, &ask, &reply)));
}

static void pictures(void)
{
    struct openai_reply reply = {0};
    struct openai_chat ask = usual;
    const struct drawing black = {.width = 64, .height = 64, .words = S("x"), .is_black = true};
    size_t at;
    ask.wants_json = false;
    ask.picture = (struct openai_picture){draw_picture(a, &black, DRAW_JPEG), S("image/jpeg"),
                                          "low"};
    EXPECT(is_well(openai_chat(a, &openai, &ask, &reply)));
    EXPECT(str_starts(reply.text, S("a dark picture of 64x64, black and black above")));
    EXPECT(str_find(reply.text, S("lighthouse"), &at));
    ask.picture.bytes = S("no picture");
    EXPECT(is_kind(openai_chat(a, &openai, &ask, &reply), ERR_REFUSED));
}

static void troubles(void)
{
    static const struct {
        const char *fault, *value;
        enum err_kind kind;
        enum openai_trouble trouble;
        int64_t retry_ms;
    } rows[] = {
        {"openai.answer:chat",  "{\"value\":401,\"times\":1}",     ERR_UPSTREAM, OPENAI_ACCESS,  0   },
        {"openai.answer:chat",  "{\"value\":500,\"times\":1}",     ERR_BUSY,     OPENAI_LATER,   0   },
        {"openai.429:chat",     "{\"retry_after\":7,\"times\":1}", ERR_BUSY,     OPENAI_LATER,   7000},
        {"openai.quota:chat",   "{\"value\":true,\"times\":1}",    ERR_UPSTREAM, OPENAI_QUOTA,   0   },
        {"openai.lost:chat",    "{\"value\":true,\"times\":1}",    ERR_BUSY,     OPENAI_LATER,   0   },
        {"openai.refusal:chat", "{\"value\":true,\"times\":1}",    ERR_REFUSED,  OPENAI_REFUSED, 0   },
    };
    struct openai_reply reply;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        order_fault(rows[i].fault, rows[i].value);
        err *e = openai_chat(a, &openai, &usual, &reply);
        EXPECT(is_kind(e, rows[i].kind) && openai_trouble(e) == rows[i].trouble &&
               e->retry_ms == rows[i].retry_ms);
    }
    EXPECT(is_well(openai_chat(a, &openai, &usual, &reply)));
}

/* Slower than the caller has time for. */
static void slowness(void)
{
    struct openai_reply reply;
    struct openai_chat ask = usual;
    ask.timeout_ms = 300;
    order_fault("openai.seconds:chat", "{\"value\":2,\"times\":1}");
    err *e = openai_chat(a, &openai, &ask, &reply);
    EXPECT(is_kind(e, ERR_UNKNOWN) && openai_trouble(e) == OPENAI_LATER);
}

/* -- running them -- */

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"recordings", recordings},
    {"chats",      chats     },
    {"pictures",   pictures  },
    {"troubles",   troubles  },
    {"slowness",   slowness  },
};

static int failures;

static void run_all(void *unused)
{
    (void)unused;
    printf("1..%zu\n", ARRAY_LEN(tests));
    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        is_failed = false;
        tests[i].run();
        printf("%s %zu - %s\n", is_failed ? "not ok" : "ok", i + 1, tests[i].name);
        failures += is_failed;
    }
    loop_stop();
}

int main(void)
{
    openai = (struct openai){.key = str_from(getenv("OPENAI_API_KEY")),
                             .base_url = str_from(getenv("OPENAI_BASE_URL"))};
    sandbox_url = str_from(getenv("SANDBOX_URL"));
    if (str_empty(openai.base_url) || str_empty(sandbox_url)) {
        printf("1..0 # SKIP OPENAI_BASE_URL or SANDBOX_URL is not set\n");
        return 0;
    }
    loop_init();
    http_init(str_from(getenv("CA_FILE")), 0);
    http_allow(openai.base_url);
    a = arena_new(64 << 20);
    task_start(run_all, NULL, TASK_STACK_KIB);
    loop_run();
    arena_free(a);
    return failures != 0;
}
