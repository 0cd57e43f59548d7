/*
 * What is sent to FAL when something is asked of it, byte for byte: the other side is a
 * socket in the same loop that notes the request and takes it, whatever it says.
 */
#include "api/fal.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/http.h"
#include "core/loop.h"
#include "tests/unit/expect.h"

enum { TASK_STACK_KIB = 512 };

static struct arena *a;
static struct fal fal;
static struct watch listener;
static str seen, answer;

/* -- the other side -- */

static bool is_whole(str request)
{
    size_t end, at;
    str digits, rest;
    int64_t length = 0;
    if (!str_find(request, S("\r\n\r\n"), &end) || !str_find(request, S("Content-Length: "), &at))
        return false;
    str_cut(str_sub(request, at + 16, request.len), '\r', &digits, &rest);
    return str_to_i64(digits, &length) && request.len >= end + 4 + (size_t)length;
}

static void serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    struct buf raw = buf_new(a);
    char chunk[4096];
    while (!is_whole(buf_str(&raw))) {
        task_wait_fd(fd, EPOLLIN, 0);
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got <= 0)
            break;
        buf_add(&raw, (str){chunk, (size_t)got});
    }
    seen = buf_str(&raw);
    EXPECT(send(fd, answer.ptr, answer.len, MSG_NOSIGNAL) == (ssize_t)answer.len);
    close(fd);
}

static void on_connection(struct watch *w, uint32_t events)
{
    (void)events;
    int fd = accept(w->fd, NULL, NULL);
    if (fd >= 0)
        task_start(serve, (void *)(intptr_t)fd, 0);
}

static void listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    EXPECT(listen(fd, 8) == 0);
    EXPECT(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    listener = (struct watch){.fd = fd, .ready = on_connection};
    loop_watch(&listener, EPOLLIN);

    str url = str_printf(a, "http://127.0.0.1:%d", ntohs(address.sin_port));
    str body = str_printf(a,
                          "{\"request_id\":\"r-1\",\"status_url\":\"" STR_FMT
                          "/s\",\"response_url\":\"" STR_FMT "/r\",\"cancel_url\":\"" STR_FMT
                          "/c\",\"queue_position\":3}",
                          STR_ARG(url), STR_ARG(url), STR_ARG(url));
    answer = str_printf(a,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu"
                        "\r\nConnection: close\r\n\r\n" STR_FMT,
                        body.len, STR_ARG(body));
    fal = (struct fal){.key = S("id:secret"), .queue_url = url, .rest_url = url, .jwks_url = url};
    fal_allow(&fal);
}

/* The request that came must begin with this line and have this body. */
static void expect_request(const char *line, const char *body)
{
    size_t end = 0, at;
    EXPECT(str_find(seen, S("\r\n\r\n"), &end));
    str got_line = str_sub(seen, 0, str_find(seen, S("\r\n"), &at) ? at : 0);
    str got_body = str_sub(seen, end + 4, seen.len);
    EXPECT(str_eq(got_line, str_from(line)));
    EXPECT(str_eq(got_body, str_from(body)));
    EXPECT(str_find(seen, S("\r\nAuthorization: Key id:secret\r\n"), &at));
    EXPECT(str_find(seen, S("\r\nContent-Type: application/json\r\n"), &at));
    if (!str_eq(got_line, str_from(line)) || !str_eq(got_body, str_from(body)))
        printf("# got " STR_FMT "\n# " STR_FMT "\n", STR_ARG(got_line), STR_ARG(got_body));
}

/* -- the tests -- */

static void portraits(void)
{
    static const struct {
        int64_t steps;
        double learning_rate;
        bool create_masks;
        const char *body;
    } rows[] = {
        {1000, 0.0002,  false,
         "{\"images_data_url\":\"https://v3.fal.media/files/set.zip\","
         "\"trigger_phrase\":\"TOK_8f2a01bc\",\"steps\":1000,\"learning_rate\":0.0002,"
         "\"multiresolution_training\":true,\"subject_crop\":true,\"create_masks\":false}"},
        {2500, 0.00009, true,
         "{\"images_data_url\":\"https://v3.fal.media/files/set.zip\","
         "\"trigger_phrase\":\"TOK_8f2a01bc\",\"steps\":2500,\"learning_rate\":9e-05,"
         "\"multiresolution_training\":true,\"subject_crop\":true,\"create_masks\":true}" },
        {4000, 0.00005, true,
         "{\"images_data_url\":\"https://v3.fal.media/files/set.zip\","
         "\"trigger_phrase\":\"TOK_8f2a01bc\",\"steps\":4000,\"learning_rate\":5e-05,"
         "\"multiresolution_training\":true,\"subject_crop\":true,\"create_masks\":true}" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fal_submission request = {0};
        const struct fal_portrait ask = {
            .model = S("fal-ai/flux-lora-portrait-trainer"),
            .images_data_url = S("https://v3.fal.media/files/set.zip"),
            .trigger_phrase = S("TOK_8f2a01bc"),
            .steps = rows[i].steps,
            .learning_rate = rows[i].learning_rate,
            .multiresolution_training = true,
            .subject_crop = true,
            .create_masks = rows[i].create_masks,
            .callback_url = S("https://a.example/webhook/fal/portrait?row=7&attempt=1"),
        };
        EXPECT(is_well(fal_submit_portrait(a, &fal, &ask, &request)));
        expect_request("POST /fal-ai/flux-lora-portrait-trainer?fal_webhook=https%3A%2F%2Fa.example"
                       "%2Fwebhook%2Ffal%2Fportrait%3Frow%3D7%26attempt%3D1 HTTP/1.1",
                       rows[i].body);
        EXPECT(str_eq(request.request_id, S("r-1")) && request.queue_position == 3);
    }
}

static void fast_trainings(void)
{
    struct fal_submission request;
    struct fal_fast_training ask = {
        .model = S("fal-ai/flux-lora-fast-training"),
        .images_data_url = S("https://v3.fal.media/files/set.zip"),
        .trigger_word = S("TOK_8f2a01bc"),
        .create_masks = true,
        .steps = 1500,
    };
    EXPECT(is_well(fal_submit_fast_training(a, &fal, &ask, &request)));
    expect_request("POST /fal-ai/flux-lora-fast-training HTTP/1.1",
                   "{\"images_data_url\":\"https://v3.fal.media/files/set.zip\","
                   "\"trigger_word\":\"TOK_8f2a01bc\",\"create_masks\":true,\"is_style\":false,"
                   "\"steps\":1500}");

    ask.trigger_word = (str){0};
    ask.is_style = true;
    ask.create_masks = false;
    EXPECT(is_well(fal_submit_fast_training(a, &fal, &ask, &request)));
    expect_request("POST /fal-ai/flux-lora-fast-training HTTP/1.1",
                   "{\"images_data_url\":\"https://v3.fal.media/files/set.zip\","
                   "\"create_masks\":false,\"is_style\":true,\"steps\":1500}");
}

static void images_with_an_avatar(void)
{
    struct fal_submission request;
    const struct fal_lora loras[] = {
        {S("https://v3.fal.media/files/a.safetensors"), 1.15},
        {S("https://v3.fal.media/files/b.safetensors"), 1   },
    };
    struct fal_flux_lora ask = {
        .model = S("fal-ai/flux-lora"),
        .prompt = S("TOK_8f2a01bc, \"quoted\" — на маяке"),
        .loras = loras,
        .lora_count = 1,
        .width = 896,
        .height = 1152,
        .num_images = 2,
        .num_inference_steps = 28,
        .guidance_scale = 3.5,
        .has_seed = true,
        .seed = INT64_C(987654321012345678),
        .enable_safety_checker = true,
        .output_format = S("jpeg"),
        .callback_url = S("https://a.example/i"),
    };
    EXPECT(is_well(fal_submit_flux_lora(a, &fal, &ask, &request)));
    expect_request(
        "POST /fal-ai/flux-lora?fal_webhook=https%3A%2F%2Fa.example%2Fi HTTP/1.1",
        "{\"prompt\":\"TOK_8f2a01bc, \\\"quoted\\\" — на маяке\","
        "\"loras\":[{\"path\":\"https://v3.fal.media/files/a.safetensors\",\"scale\":1.15}],"
        "\"image_size\":{\"width\":896,\"height\":1152},\"num_images\":2,"
        "\"num_inference_steps\":28,\"guidance_scale\":3.5,\"seed\":987654321012345678,"
        "\"enable_safety_checker\":true,\"output_format\":\"jpeg\"}");

    ask.lora_count = 2;
    ask.has_seed = ask.enable_safety_checker = false;
    ask.output_format = (str){0};
    EXPECT(is_well(fal_submit_flux_lora(a, &fal, &ask, &request)));
    expect_request(
        "POST /fal-ai/flux-lora?fal_webhook=https%3A%2F%2Fa.example%2Fi HTTP/1.1",
        "{\"prompt\":\"TOK_8f2a01bc, \\\"quoted\\\" — на маяке\","
        "\"loras\":[{\"path\":\"https://v3.fal.media/files/a.safetensors\",\"scale\":1.15},"
        "{\"path\":\"https://v3.fal.media/files/b.safetensors\",\"scale\":1}],"
        "\"image_size\":{\"width\":896,\"height\":1152},\"num_images\":2,"
        "\"num_inference_steps\":28,\"guidance_scale\":3.5,\"enable_safety_checker\":false}");
}

static void images_without_an_avatar(void)
{
    struct fal_submission request;
    const struct fal_imagen4 ask = {
        .model = S("fal-ai/imagen4/preview/fast"),
        .prompt = S("маяк"),
        .aspect_ratio = S("16:9"),
        .num_images = 1,
        .has_seed = true,
        .seed = 7,
        .output_format = S("png"),
    };
    EXPECT(is_well(fal_submit_imagen4(a, &fal, &ask, &request)));
    expect_request("POST /fal-ai/imagen4/preview/fast HTTP/1.1",
                   "{\"prompt\":\"маяк\",\"aspect_ratio\":\"16:9\",\"num_images\":1,\"seed\":7,"
                   "\"output_format\":\"png\"}");
}

/* -- running them -- */

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"portraits",                portraits               },
    {"fast_trainings",           fast_trainings          },
    {"images_with_an_avatar",    images_with_an_avatar   },
    {"images_without_an_avatar", images_without_an_avatar},
};

static int failures;

static void run_all(void *unused)
{
    (void)unused;
    printf("1..%zu\n", ARRAY_LEN(tests));
    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        is_failed = false;
        if (i == 0)
            listen_somewhere();
        tests[i].run();
        printf("%s %zu - %s\n", is_failed ? "not ok" : "ok", i + 1, tests[i].name);
        failures += is_failed;
    }
    loop_watch(&listener, 0);
    close(listener.fd);
    loop_stop();
}

int main(void)
{
    loop_init();
    http_init((str){0}, 0);
    a = arena_new(16 << 20);
    task_start(run_all, NULL, TASK_STACK_KIB);
    loop_run();
    arena_free(a);
    return failures != 0;
}
