/*
 * The client against a FAL that answers: the queue that FAL_QUEUE_URL names,
 * which is the sandbox's in `make check`. Faults are ordered one at a time and
 * used up, so nothing stays behind.
 */
#include "api/fal.h"

#include <zip.h>

#include "core/clock.h"
#include "core/http.h"
#include "core/loop.h"
#include "tests/sandbox/draw.h"
#include "tests/unit/expect.h"

enum {
    TASK_STACK_KIB = DRAW_STACK_KIB,
    TIMEOUT_MS = 20 * 1000,
    MOST_BYTES = 16 << 20,
    PATIENCE_MS = 60 * 1000,
    PAUSE_MS = 50,
};

static struct arena *a;
static struct fal fal;
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

static const struct fal_imagen4 usual = {
    .model = {"fal-ai/imagen4/preview",                22},
    .prompt = {"a lighthouse, \"quoted\" — маяк", 35},
    .aspect_ratio = {"16:9",                                  4 },
    .num_images = 2,
    .has_seed = true,
    .seed = INT64_C(987654321012345678),
};

/* Asks until the request is completed. */
static bool wait_for(const struct fal_submission *request, struct fal_status *status)
{
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (clock_steady_ms() < until_ms) {
        if (!is_well(fal_status(a, &fal, request->status_url, status)))
            return false;
        if (status->phase == FAL_COMPLETED)
            return true;
        task_sleep_ms(PAUSE_MS);
    }
    return false;
}

/* -- the tests -- */

static void a_request_becomes_pictures(void)
{
    struct fal_submission request = {0};
    struct fal_status status;
    struct fal_outcome outcome = {0};
    struct fal_images images = {0};
    struct fal_file file = {0};
    str raw;
    order_fault("fal.seconds", "{\"value\":0.2,\"times\":1}");
    EXPECT(is_well(fal_submit_imagen4(a, &fal, &usual, &request)));
    EXPECT(request.request_id.len > 0);
    EXPECT(wait_for(&request, &status));
    EXPECT(!status.is_failed && status.log_count > 0 && status.logs[0].message.len > 0);
    EXPECT(is_well(fal_result(a, &fal, request.response_url, &outcome, &raw)));
    EXPECT(outcome.is_ok && str_eq(outcome.request_id, request.request_id) && raw.len > 0);
    EXPECT(is_well(fal_images_parse(a, outcome.payload, &images)));
    EXPECT(images.count == 2 && images.has_seed && images.seed == usual.seed);
    for (size_t i = 0; i < images.count; i++) {
        EXPECT(images.items[i].width > images.items[i].height);
        EXPECT(is_well(fal_fetch_file(a, &fal, images.items[i].url, MOST_BYTES, &file)));
        EXPECT(str_eq(file.content_type, S("image/png")));
        EXPECT(str_starts(file.bytes, S("\x89PNG")));
        EXPECT(is_kind(fal_fetch_file(a, &fal, images.items[i].url, 100, &file), ERR_INPUT));
    }
}

static void asked_too_early_a_result_is_awaited(void)
{
    struct fal_submission request = {0};
    struct fal_outcome outcome;
    enum fal_cancelled cancelled = FAL_CANCEL_UNKNOWN_REQUEST;
    struct fal_status status;
    str raw;
    order_fault("fal.seconds", "{\"value\":60,\"times\":1}");
    EXPECT(is_well(fal_submit_imagen4(a, &fal, &usual, &request)));
    EXPECT(is_kind(fal_result(a, &fal, request.response_url, &outcome, &raw), ERR_BUSY));
    EXPECT(is_well(fal_cancel(a, &fal, request.cancel_url, &cancelled)));
    EXPECT(cancelled == FAL_CANCEL_REQUESTED);
    /* Cancelled while it waited it is gone; while it ran it ends as cancelled. */
    err *e = fal_status(a, &fal, request.status_url, &status);
    if (e) {
        EXPECT(is_kind(e, ERR_NOT_FOUND));
        return;
    }
    EXPECT(wait_for(&request, &status) && status.is_failed);
    EXPECT(is_well(fal_result(a, &fal, request.response_url, &outcome, &raw)));
    EXPECT(!outcome.is_ok && outcome.failure.kind == FAL_FAILURE_CANCELLED);
    EXPECT(is_well(fal_cancel(a, &fal, request.cancel_url, &cancelled)));
    EXPECT(cancelled == FAL_CANCEL_TOO_LATE);
}

static void failures_keep_their_kind(void)
{
    static const struct {
        const char *prompt, *ratio;
        enum fal_failure_kind kind;
    } rows[] = {
        {"something [unsafe]",       "1:1", FAL_FAILURE_SAFETY  },
        {"something [unsafe text]",  "1:1", FAL_FAILURE_SAFETY  },
        {"something",                "7:1", FAL_FAILURE_INPUT   },
        {"something [broken]",       "1:1", FAL_FAILURE_UPSTREAM},
        {"something [disconnected]", "1:1", FAL_FAILURE_UPSTREAM},
        {"something [nothing made]", "1:1", FAL_FAILURE_UPSTREAM},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fal_imagen4 ask = usual;
        struct fal_submission request = {0};
        struct fal_status status = {0};
        struct fal_outcome outcome = {0};
        str raw;
        ask.prompt = str_from(rows[i].prompt);
        ask.aspect_ratio = str_from(rows[i].ratio);
        order_fault("fal.seconds", "{\"value\":0,\"times\":1}");
        EXPECT(is_well(fal_submit_imagen4(a, &fal, &ask, &request)));
        EXPECT(wait_for(&request, &status) && status.is_failed);
        EXPECT(is_well(fal_result(a, &fal, request.response_url, &outcome, &raw)));
        EXPECT(!outcome.is_ok && outcome.failure.kind == rows[i].kind);
    }
}

static void a_submission_tells_what_is_known_of_it(void)
{
    static const struct {
        const char *fault;
        enum err_kind kind;
    } rows[] = {
        {"{\"value\":429,\"times\":1}",      ERR_BUSY    },
        {"{\"value\":503,\"times\":1}",      ERR_BUSY    },
        {"{\"value\":500,\"times\":1}",      ERR_UNKNOWN },
        {"{\"value\":504,\"times\":1}",      ERR_UNKNOWN },
        {"{\"value\":\"lost\",\"times\":1}", ERR_UNKNOWN },
        {"{\"value\":422,\"times\":1}",      ERR_REFUSED },
        {"{\"value\":403,\"times\":1}",      ERR_UPSTREAM},
    };
    struct fal_submission request;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        order_fault("fal.submit", rows[i].fault);
        EXPECT(is_kind(fal_submit_imagen4(a, &fal, &usual, &request), rows[i].kind));
    }
    struct fal_imagen4 unknown = usual;
    unknown.model = S("fal-ai/no-such-model");
    EXPECT(is_kind(fal_submit_imagen4(a, &fal, &unknown, &request), ERR_NOT_FOUND));
    struct fal stranger = fal;
    stranger.key = S("not the key");
    EXPECT(is_kind(fal_submit_imagen4(a, &stranger, &usual, &request), ERR_UPSTREAM));
    stranger.queue_url = S("https://127.0.0.1:1/queue");
    EXPECT(is_kind(fal_submit_imagen4(a, &stranger, &usual, &request), ERR_UNREACHABLE));
}

static void what_fails_for_a_while_is_busy(void)
{
    struct fal_submission request = {0};
    struct fal_status status;
    struct fal_outcome outcome;
    str raw, keys = {0};
    order_fault("fal.seconds", "{\"value\":0,\"times\":1}");
    EXPECT(is_well(fal_submit_imagen4(a, &fal, &usual, &request)));
    EXPECT(wait_for(&request, &status));
    order_fault("fal.status", "{\"value\":502,\"times\":1}");
    EXPECT(is_kind(fal_status(a, &fal, request.status_url, &status), ERR_BUSY));
    order_fault("fal.result", "{\"value\":503,\"times\":1}");
    EXPECT(is_kind(fal_result(a, &fal, request.response_url, &outcome, &raw), ERR_BUSY));
    order_fault("fal.jwks", "{\"value\":500,\"times\":1}");
    EXPECT(is_kind(fal_jwks_fetch(a, &fal, &keys), ERR_BUSY));
    EXPECT(is_well(fal_jwks_fetch(a, &fal, &keys)) && str_starts(keys, S("{\"keys\":")));
}

static void an_uploaded_file_can_be_read(void)
{
    struct fal_file file = {0};
    str url = {0}, bytes = S("zip zip zip");
    EXPECT(is_well(fal_upload(a, &fal, S("set of photos.zip"), S("application/zip"), bytes, &url)));
    EXPECT(is_well(fal_fetch_file(a, &fal, url, 100, &file)) && str_eq(file.bytes, bytes));
    EXPECT(str_eq(file.content_type, S("application/zip")));
    str missing = str_printf(a, STR_FMT "x", STR_ARG(url));
    EXPECT(is_kind(fal_fetch_file(a, &fal, missing, 100, &file), ERR_NOT_FOUND));
}

/* -- an avatar, from photos to a picture -- */

static str drawn_photo(int number)
{
    const struct drawing drawing = {
        .width = 256, .height = 320, .words = S("a photo"), .seed = 7, .number = number};
    return draw_picture(a, &drawing, DRAW_JPEG);
}

/* A zip of so many photos, in memory. */
static str archive_of(int photos)
{
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, NULL);
    zip_source_keep(source);
    zip_t *zip = zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    for (int i = 1; i <= photos; i++) {
        str photo = drawn_photo(i);
        const char *name = cstr(a, str_printf(a, "%02d.jpg", i));
        EXPECT(zip_file_add(zip, name, zip_source_buffer(zip, photo.ptr, photo.len, 0), 0) >= 0);
    }
    EXPECT(zip_close(zip) == 0);

    zip_stat_t about;
    EXPECT(zip_source_stat(source, &about) == 0 && zip_source_open(source) == 0);
    char *bytes = NEW_ARRAY(a, char, about.size);
    EXPECT(zip_source_read(source, bytes, about.size) == (zip_int64_t)about.size);
    zip_source_close(source);
    zip_source_free(source);
    return (str){bytes, about.size};
}

/* Waits for the end; what was told of the progress on the way never goes back. */
static bool follow_training(const struct fal_submission *request, struct fal_outcome *outcome)
{
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    struct fal_status status = {0};
    int percent = -1;
    str raw;
    while (status.phase != FAL_COMPLETED && clock_steady_ms() < until_ms) {
        int before = percent;
        if (!is_well(fal_status(a, &fal, request->status_url, &status)))
            return false;
        fal_training_progress(&status, &percent);
        EXPECT(percent >= before && percent <= 100);
        task_sleep_ms(PAUSE_MS);
    }
    EXPECT(percent == 100 || status.is_failed);
    return is_well(fal_result(a, &fal, request->response_url, outcome, &raw));
}

static void photos_become_an_avatar_and_the_avatar_a_picture(void)
{
    struct fal_portrait ask = {.model = S("fal-ai/flux-lora-portrait-trainer"),
                               .trigger_phrase = S("TOK_8f2a01bc"),
                               .steps = 1000,
                               .learning_rate = 0.0002,
                               .multiresolution_training = true,
                               .subject_crop = true};
    struct fal_submission request = {0};
    struct fal_outcome outcome = {0};
    struct fal_training training = {0};
    struct fal_images images = {0};
    struct fal_file file = {0};
    EXPECT(is_well(fal_upload(a, &fal, S("photos.zip"), S("application/zip"), archive_of(10),
                              &ask.images_data_url)));
    order_fault("fal.training_seconds", "{\"value\":2,\"times\":1}");
    EXPECT(is_well(fal_submit_portrait(a, &fal, &ask, &request)));
    EXPECT(follow_training(&request, &outcome) && outcome.is_ok);
    EXPECT(is_well(fal_training_parse(a, outcome.payload, &training)));
    EXPECT(is_well(fal_fetch_file(a, &fal, training.lora.url, MOST_BYTES, &file)));
    EXPECT((int64_t)file.bytes.len == training.lora.size_bytes);
    EXPECT(is_well(fal_fetch_file(a, &fal, training.config.url, MOST_BYTES, &file)));

    const struct fal_lora lora = {training.lora.url, 1.15};
    const struct fal_flux_lora picture = {.model = S("fal-ai/flux-lora"),
                                          .prompt = S("TOK_8f2a01bc on a hill [nsfw 2]"),
                                          .loras = &lora,
                                          .lora_count = 1,
                                          .width = 512,
                                          .height = 640,
                                          .num_images = 2,
                                          .num_inference_steps = 28,
                                          .guidance_scale = 3.5,
                                          .has_seed = true,
                                          .seed = INT64_C(987654321012345678),
                                          .enable_safety_checker = true,
                                          .output_format = S("jpeg")};
    struct fal_status status;
    str raw;
    order_fault("fal.seconds", "{\"value\":0,\"times\":1}");
    EXPECT(is_well(fal_submit_flux_lora(a, &fal, &picture, &request)));
    EXPECT(wait_for(&request, &status) && !status.is_failed);
    EXPECT(is_well(fal_result(a, &fal, request.response_url, &outcome, &raw)));
    EXPECT(is_well(fal_images_parse(a, outcome.payload, &images)));
    EXPECT(images.count == 2 && images.has_seed && images.seed == picture.seed);
    EXPECT(images.count == 2 && !images.items[0].has_nsfw && images.items[1].has_nsfw);
}

static void too_few_photos_are_an_input_that_fails_again(void)
{
    struct fal_fast_training ask = {
        .model = S("fal-ai/flux-lora-fast-training"), .is_style = true, .steps = 1000};
    struct fal_submission request = {0};
    struct fal_outcome outcome = {0};
    EXPECT(is_well(fal_upload(a, &fal, S("photos.zip"), S("application/zip"), archive_of(3),
                              &ask.images_data_url)));
    order_fault("fal.training_seconds", "{\"value\":0,\"times\":1}");
    EXPECT(is_well(fal_submit_fast_training(a, &fal, &ask, &request)));
    EXPECT(follow_training(&request, &outcome) && !outcome.is_ok);
    EXPECT(outcome.failure.kind == FAL_FAILURE_INPUT);
    EXPECT(str_eq(outcome.failure.type, S("too_short")));
}

/* -- running them -- */

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    TEST(a_request_becomes_pictures),
    TEST(asked_too_early_a_result_is_awaited),
    TEST(failures_keep_their_kind),
    TEST(a_submission_tells_what_is_known_of_it),
    TEST(what_fails_for_a_while_is_busy),
    TEST(an_uploaded_file_can_be_read),
    TEST(photos_become_an_avatar_and_the_avatar_a_picture),
    TEST(too_few_photos_are_an_input_that_fails_again),
};

static int failures;

static void run_all(void *unused)
{
    (void)unused;
    printf("1..%zu\n", ARRAY_LEN(tests));
    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        a = arena_new(64 << 20);
        is_failed = false;
        tests[i].run();
        printf("%s %zu - %s\n", is_failed ? "not ok" : "ok", i + 1, tests[i].name);
        fflush(stdout);
        failures += is_failed;
        arena_free(a);
    }
    loop_stop();
}

static str needed(const char *name)
{
    const char *value = getenv(name);
    if (value && *value)
        return str_from(value);
    printf("1..0 # SKIP %s is not set\n", name);
    exit(0);
}

int main(void)
{
    sandbox_url = needed("SANDBOX_URL");
    fal = (struct fal){
        .key = needed("FAL_KEY"),
        .queue_url = needed("FAL_QUEUE_URL"),
        .rest_url = needed("FAL_REST_URL"),
        .jwks_url = needed("FAL_JWKS_URL"),
        .file_hosts = S("fal.media"),
    };
    loop_init();
    http_init(str_from(getenv("CA_FILE")), 0);
    fal_allow(&fal);
    task_start(run_all, NULL, TASK_STACK_KIB);
    loop_run();
    return failures != 0;
}
