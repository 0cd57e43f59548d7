/*
 * What aisha-photo makes of files that strangers send: the program itself, by
 * its client, at a socket of the test's own. Each file gets a process of its
 * own, whose end and whose memory are looked at, and after each bad one a good
 * photo passes.
 */
#include "api/media.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/json.h"
#include "core/loop.h"
#include "media/cage.h"
#include "media/photo.h"
#include "tests/unit/pictures.h"

#if defined(__SANITIZE_ADDRESS__)
static const bool is_sanitized = true;
#else
static const bool is_sanitized = false;
#endif

enum { TASK_STACK_KIB = 256 };

static char socket_path[64];
static int listener;
static const char *program;

/* -- the program -- */

/* The environment is what `make run` gives it: nothing but what a sanitizer reads. */
static pid_t start_program(int descriptor, const char *option, const char *value)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    const char *options = getenv("ASAN_OPTIONS");
    dup2(descriptor, STDIN_FILENO);
    clearenv();
    if (options)
        setenv("ASAN_OPTIONS", options, 1);
    execl(program, "aisha-photo", option, value, (char *)NULL);
    _exit(127);
}

struct ended {
    int status;
    int64_t peak_bytes;
};

static struct ended await_end(pid_t pid)
{
    struct rusage usage;
    struct ended ended = {0};
    if (wait4(pid, &ended.status, 0, &usage) == pid)
        ended.peak_bytes = usage.ru_maxrss * 1024;
    return ended;
}

/* It ended by itself, as one that had no trouble, and within its memory. */
static bool is_in_order(struct ended ended)
{
    bool is_small = is_sanitized || ended.peak_bytes < CAGE_MEMORY_BYTES;
    if (ended.status || !is_small)
        printf("# status %d, peak %" PRId64 " MiB\n", ended.status, ended.peak_bytes >> 20);
    return ended.status == 0 && is_small;
}

/* -- asking it -- */

static bool went_well(const err *e)
{
    if (e)
        printf("# %s: " STR_FMT "\n", err_kind_name(e->kind), STR_ARG(e->message));
    return !e;
}

struct asked {
    str bytes;
    struct media_limits limits;
    const err *error;
    struct media_photo photo;
    struct ended ended;
};

static void ask(void *asked)
{
    struct asked *q = asked;
    struct media media = {.socket = str_from(socket_path)};
    q->error = media_photo(a, &media, q->bytes, &q->limits, &q->photo);
}

static struct asked ask_within(str bytes, struct media_limits limits)
{
    struct asked asked = {.bytes = bytes, .limits = limits};
    pid_t pid = start_program(listener, NULL, NULL);
    loop_init();
    task_start(ask, &asked, TASK_STACK_KIB);
    loop_run();
    asked.ended = await_end(pid);
    return asked;
}

static struct asked ask_about(str bytes)
{
    return ask_within(bytes, (struct media_limits){512, MEDIA_MOST_PIXELS});
}

static struct media_photo taken(const char *what, str bytes)
{
    struct asked asked = ask_about(bytes);
    if (!went_well(asked.error) || !str_empty(asked.photo.refused))
        fail_msg("%s: not taken: " STR_FMT, what, STR_ARG(asked.photo.refused));
    if (!is_in_order(asked.ended))
        fail_msg("%s: the process was not in order", what);
    return asked.photo;
}

static void assert_good_photo_passes(void)
{
    struct media_photo photo = taken("a good photo",
                                     picture_file(picture_scene(640, 520, 3), ".jpg"));
    assert_int_equal(photo.width, 640);
}

static void assert_refused(const char *what, str bytes, str word, str format)
{
    struct asked asked = ask_about(bytes);
    if (!went_well(asked.error) || !str_eq(asked.photo.refused, word) ||
        !str_eq(asked.photo.format, format))
        fail_msg("%s: got \"" STR_FMT "\" " STR_FMT ", want \"" STR_FMT "\"", what,
                 STR_ARG(asked.photo.refused), STR_ARG(asked.photo.format), STR_ARG(word));
    assert_true(str_empty(asked.photo.jpeg));
    if (!is_in_order(asked.ended))
        fail_msg("%s: the process was not in order", what);
    assert_good_photo_passes();
}

/* What we kept, as anybody would see it. */
static VipsImage *seen(str jpeg)
{
    return picture_kept(vips_image_new_from_buffer(jpeg.ptr, jpeg.len, "", NULL));
}

static double light_at(VipsImage *image, int x, int y)
{
    double *channels = NULL, mean = 0;
    int count = 0;
    picture_must(!vips_getpoint(image, &channels, &count, x, y, NULL));
    for (int i = 0; i < count; i++)
        mean += channels[i] / count;
    g_free(channels);
    return mean;
}

static bool holds(str bytes, str word)
{
    return memmem(bytes.ptr, bytes.len, word.ptr, word.len);
}

static void assert_kept_well(const char *what, const struct media_photo *photo)
{
    VipsImage *image = seen(photo->jpeg);
    bool is_plain = image->Bands == 3 && image->Type == VIPS_INTERPRETATION_sRGB &&
                    image->Xsize <= 2048 && image->Ysize <= 2048 &&
                    !vips_image_get_typeof(image, VIPS_META_EXIF_NAME) &&
                    !vips_image_get_typeof(image, VIPS_META_XMP_NAME) &&
                    !vips_image_get_typeof(image, VIPS_META_ICC_NAME);
    const str traces[] = {S("Exif"),        S("GPS"),     S("Kamera"),
                          S("ICC_PROFILE"), S("<script"), S("PK\x03\x04")};
    for (size_t i = 0; i < ARRAY_LEN(traces); i++)
        is_plain = is_plain && !holds(photo->jpeg, traces[i]);
    if (!is_plain || !str_ends(photo->jpeg, S("\xff\xd9")))
        fail_msg("%s: what is kept is not plain", what);
}

/* -- what is taken -- */

static void photos_are_measured(void **state)
{
    (void)state;
    VipsImage *scene = picture_scene(900, 700, 3);
    struct media_photo photo = taken("jpeg", picture_file(scene, ".jpg[Q=95]"));
    double brightness = 0, contrast = 0; /* its channels differ by an offset alone */
    VipsImage *green = NULL;
    picture_must(!vips_extract_band(scene, &green, 1, NULL));
    picture_kept(green);
    picture_must(!vips_avg(green, &brightness, NULL) && !vips_deviate(green, &contrast, NULL));
    assert_str(photo.format, S("jpeg"));
    assert_int_equal(photo.width, 900);
    assert_int_equal(photo.height, 700);
    assert_true(fabs(photo.brightness - brightness) < 1);
    assert_true(fabs(photo.contrast - contrast) < 1);
    assert_true(photo.quality_score > 0.9);
    assert_kept_well("jpeg", &photo);
}

static void like_photos_have_like_hashes(void **state)
{
    (void)state;
    VipsImage *scene = picture_scene(900, 700, 3), *blurred = NULL, *turned = NULL;
    picture_must(!vips_gaussblur(scene, &blurred, 4, NULL));
    picture_must(!vips_rot(scene, &turned, VIPS_ANGLE_D180, NULL));
    picture_kept(blurred), picture_kept(turned);
    struct media_photo first = taken("fine", picture_file(scene, ".png"));
    struct media_photo again = taken("coarse", picture_file(scene, ".jpg[Q=50]"));
    struct media_photo soft = taken("soft", picture_file(blurred, ".jpg[Q=90]"));
    struct media_photo other = taken("turned", picture_file(turned, ".jpg[Q=90]"));
    assert_in_range(media_hash_distance(first.hash, again.hash), 0, 3);
    assert_in_range(media_hash_distance(first.hash, other.hash), 20, 64);
    assert_true(soft.sharpness < first.sharpness / 4);
}

static void every_sort_of_picture_becomes_the_same_sort(void **state)
{
    (void)state;
    VipsImage *scene = picture_scene(700, 560, 3), *ink = NULL, *wide = NULL;
    picture_must(!vips_colourspace(scene, &ink, VIPS_INTERPRETATION_CMYK, NULL));
    picture_must(!vips_colourspace(scene, &wide, VIPS_INTERPRETATION_RGB16, NULL));
    picture_kept(ink), picture_kept(wide);
    /* clang-format off */
    const struct {
        const char *what;
        str file;
    } rows[] = {
        {"JPEG",             picture_file(scene, ".jpg[Q=90]")                     },
        {"progressive JPEG", picture_file(scene, ".jpg[Q=90,interlace]")           },
        {"grey JPEG",        picture_file(picture_scene(700, 560, 1), ".jpg[Q=90]")},
        {"CMYK JPEG",        picture_file(ink, ".jpg[Q=90]")                       },
        {"16-bit PNG",       picture_file(wide, ".png")                            },
        {"PNG with alpha",   picture_file(picture_scene(700, 560, 4), ".png")      },
        {"grey PNG + alpha", picture_file(picture_scene(700, 560, 2), ".png")      },
        {"PNG of a palette", picture_file(scene, ".png[palette]")                  },
        {"interlaced PNG",   picture_file(scene, ".png[interlace]")                },
        {"WebP",             picture_file(scene, ".webp[Q=90]")                    },
        {"lossless WebP",    picture_file(picture_scene(700, 560, 4), ".webp[lossless]")},
    };
    /* clang-format on */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct media_photo photo = taken(rows[i].what, rows[i].file);
        assert_kept_well(rows[i].what, &photo);
        VipsImage *image = seen(photo.jpeg);
        if (light_at(image, 5, 5) < light_at(image, 690, 550) + 60)
            fail_msg("%s: the light does not come from the upper left", rows[i].what);
    }
}

static void what_is_transparent_becomes_white(void **state)
{
    (void)state;
    struct media_photo photo = taken("nothing but glass",
                                     picture_png(600, 600, 600, PNG_GREAT, false));
    assert_true(light_at(seen(photo.jpeg), 300, 300) > 253);
}

static void a_camera_held_upright(void **state)
{
    (void)state;
    str file = picture_of_a_camera(600, 900);
    assert_true(holds(file, S("Exif")) && holds(file, S("Kamera")));
    struct media_photo photo = taken("camera", file);
    assert_int_equal(photo.width, 600);
    assert_int_equal(photo.height, 900);
    assert_kept_well("camera", &photo);
    VipsImage *image = seen(photo.jpeg);
    assert_int_equal(image->Ysize, 900);
    assert_true(light_at(image, 5, 5) > light_at(image, 590, 890) + 60);
    assert_true(light_at(image, 5, 890) > light_at(image, 590, 890) + 20);
}

static void a_profile_is_obeyed_and_left_out(void **state)
{
    (void)state;
    VipsImage *wide = NULL;
    picture_must(!vips_icc_transform(picture_scene(700, 560, 3), &wide, "p3", "input_profile",
                                     "srgb", NULL));
    str file = picture_file(picture_kept(wide), ".jpg[Q=95]");
    assert_true(holds(file, S("ICC_PROFILE")));
    struct media_photo photo = taken("Display P3", file);
    struct media_photo plain = taken("sRGB",
                                     picture_file(picture_scene(700, 560, 3), ".jpg[Q=95]"));
    assert_kept_well("Display P3", &photo);
    assert_true(fabs(photo.brightness - plain.brightness) < 2);

    /* A profile that is none must not cost the photo. */
    VipsImage *broken = NULL;
    picture_must(!vips_copy(picture_scene(700, 560, 3), &broken, NULL));
    vips_image_set_blob_copy(picture_kept(broken), VIPS_META_ICC_NAME, "not a profile at all", 20);
    photo = taken("a broken profile", picture_file(broken, ".jpg[Q=95]"));
    assert_kept_well("a broken profile", &photo);
}

static void a_large_photo_is_kept_smaller(void **state)
{
    (void)state;
    struct media_photo photo = taken("large",
                                     picture_file(picture_scene(3000, 1500, 3), ".jpg[Q=90]"));
    assert_int_equal(photo.width, 3000);
    VipsImage *image = seen(photo.jpeg);
    assert_int_equal(image->Xsize, 2048);
    assert_int_equal(image->Ysize, 1024);
}

/* Decoded as the picture that it is; nothing of the second file survives. */
static void a_second_file_behind_the_picture_is_lost(void **state)
{
    (void)state;
    const char *suffixes[] = {".jpg[Q=90]", ".png", ".webp"};
    str tail = S("PK\x03\x04\x14\0<script>alert(1)</script><?php system($_GET[0]); ?>");
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        str file = picture_joined(picture_file(picture_scene(640, 560, 3), suffixes[i]), tail);
        struct media_photo photo = taken(suffixes[i], file);
        assert_kept_well(suffixes[i], &photo);
        assert_false(holds(photo.jpeg, S("alert")) || holds(photo.jpeg, S("php")));
    }
}

/* -- what is not -- */

static void other_formats_are_refused(void **state)
{
    (void)state;
    VipsImage *scene = picture_scene(600, 600, 3);
    str jpeg = picture_file(scene, ".jpg");
    /* clang-format off */
    const struct {
        const char *what;
        str file, format;
    } rows[] = {
        {"nothing at all",  S(""),                                                                    S("")    },
        {"one byte",        S("\xff"),                                                                S("")    },
        {"SVG",             S("<svg xmlns='http://www.w3.org/2000/svg' width='800' height='800'/>"),  S("")    },
        {"PDF",             S("%PDF-1.4\n1 0 obj\n<< >>\nendobj\ntrailer << >>\n%%EOF\n"),            S("")    },
        {"TIFF",            picture_file(scene, ".tif"),                                              S("")    },
        {"GIF",             picture_file(scene, ".gif"),                                              S("")    },
        {"BMP",             picture_bmp(),                                                            S("")    },
        {"PPM",             picture_file(scene, ".ppm"),                                              S("")    },
        {"HTML, then JPEG", picture_joined(S("<html><script>alert(1)</script>"), jpeg),               S("")    },
        {"ZIP, then JPEG",  picture_joined(S("PK\x03\x04"), jpeg),                                    S("")    },
        {"other RIFF",      S("RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"),                                    S("")    },
        {"animated WebP",   picture_animation(".webp"),                                               S("webp")},
        {"animated PNG",    picture_png(600, 600, 600, PNG_GREY, true),                               S("png") },
    };
    /* clang-format on */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_refused(rows[i].what, rows[i].file, S("format"), rows[i].format);
}

static void what_is_cut_off_is_unreadable(void **state)
{
    (void)state;
    VipsImage *scene = picture_scene(600, 600, 3);
    str jpeg = picture_file(scene, ".jpg[Q=90]"), png = picture_file(scene, ".png"),
        webp = picture_file(scene, ".webp");
    /* clang-format off */
    const struct {
        const char *what;
        str file, format;
    } rows[] = {
        {"half a JPEG",          picture_half(jpeg),                                          S("jpeg")},
        {"half a PNG",           picture_half(png),                                           S("png") },
        {"half a WebP",          picture_half(webp),                                          S("webp")},
        {"half a progressive",   picture_half(picture_file(scene, ".jpg[Q=90,interlace]")),   S("jpeg")},
        {"a JPEG's first bytes", str_sub(jpeg, 0, 20),                                        S("jpeg")},
        {"a PNG's first bytes",  str_sub(png, 0, 20),                                         S("png") },
        {"a WebP's first bytes", str_sub(webp, 0, 20),                                        S("webp")},
        {"JPEG by name alone",   S("\xff\xd8\xff\xe0 and then words that are no picture"),    S("jpeg")},
        {"PNG by name alone",    S("\x89PNG\r\n\x1a\n and then words that are no picture"),   S("png") },
        {"a PNG of ten rows",    picture_png(800, 800, 10, PNG_GREY, false),                  S("png") },
        {"a PNG without width",  picture_png(0, 800, 10, PNG_GREY, false),                    S("png") },
    };
    /* clang-format on */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_refused(rows[i].what, rows[i].file, S("unreadable"), rows[i].format);
}

static void what_is_too_small_is_refused_with_its_size(void **state)
{
    (void)state;
    struct asked asked = ask_about(picture_file(picture_scene(900, 511, 3), ".jpg"));
    assert_str(asked.photo.refused, S("too_small"));
    assert_int_equal(asked.photo.width, 900);
    assert_int_equal(asked.photo.height, 511);
    assert_refused("one pixel", picture_file(picture_scene(1, 1, 3), ".png"), S("too_small"),
                   S("png"));

    asked = ask_within(picture_file(picture_scene(900, 511, 3), ".jpg"),
                       (struct media_limits){511, 900 * 511});
    assert_str(asked.photo.refused, S(""));
    asked = ask_within(picture_file(picture_scene(900, 511, 3), ".jpg"),
                       (struct media_limits){511, 900 * 511 - 1});
    assert_str(asked.photo.refused, S("too_many_pixels"));
}

/* 2.5 gigapixels in 300 kB. Refused by the header: the process stays as small as it was. */
static void too_many_pixels_are_not_decoded(void **state)
{
    (void)state;
    const struct {
        const char *what;
        str file;
    } rows[] = {
        {"50000 x 50000",          picture_png(50000, 50000, 50000, PNG_BITS,  false)},
        {"a header that lies",     picture_png(60000, 60000, 10,    PNG_GREAT, false)},
        {"one row more than many", picture_png(8000,  5001,  1,     PNG_GREY,  false)},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(rows[i].file.len < 2 << 20);
        struct asked asked = ask_within(rows[i].file, (struct media_limits){512, INT64_MAX});
        assert_str(asked.photo.refused, S("too_many_pixels"));
        assert_true(is_in_order(asked.ended));
        assert_true(is_sanitized || asked.ended.peak_bytes < 100 << 20);
        assert_good_photo_passes();
    }
}

/* 40 megapixels of four channels of two bytes, which can only be decoded as a whole. */
static void the_dearest_photo_fits_into_the_memory(void **state)
{
    (void)state;
    struct media_photo photo = taken("the dearest",
                                     picture_png(8000, 5000, 5000, PNG_GREAT, false));
    assert_int_equal(photo.width, 8000);
}

/* The same damage at each run; whatever comes of it, it comes in order. */
static void damage_is_survived(void **state)
{
    (void)state;
    const char *suffixes[] = {".jpg[Q=80]", ".png", ".webp", ".jpg[Q=80,interlace]"};
    VipsImage *scene = picture_scene(560, 540, 3);
    uint32_t chance = 2463534242;
    for (size_t i = 0; i < 16; i++) {
        str file = picture_file(scene, suffixes[i % ARRAY_LEN(suffixes)]);
        char *bytes = NEW_ARRAY(a, char, file.len);
        memcpy(bytes, file.ptr, file.len);
        for (int hits = 0; hits < 12; hits++) {
            chance = chance * 1664525 + 1013904223;
            bytes[12 + chance % (file.len - 12)] ^= (char)(chance >> 24);
        }
        struct asked asked = ask_about((str){bytes, file.len});
        if (!went_well(asked.error) || !is_in_order(asked.ended))
            fail_msg("damage %zu", i);
        if (str_empty(asked.photo.refused))
            assert_kept_well("damaged", &asked.photo);
    }
    assert_good_photo_passes();
}

/* -- requests that break the contract -- */

static str exchange(str request, struct ended *ended)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, socket_path, strlen(socket_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    pid_t pid = start_program(listener, NULL, NULL);
    (void)!send(fd, request.ptr, request.len, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    struct buf answer = buf_new(a);
    char bytes[4096];
    for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;)
        buf_add(&answer, (str){bytes, (size_t)n});
    close(fd);
    *ended = await_end(pid);
    return buf_str(&answer);
}

static void requests_that_are_none_are_answered(void **state)
{
    (void)state;
#define LIMITS ",\"short_side_pixels\":1,\"most_pixels\":1000}\n"
    const struct {
        str request;
        const char *want;
    } rows[] = {
        {S(""),                                                         "cut_off"       },
        {S("{\"task\":\"photo\""),                                      "cut_off"       },
        {S("\n"),                                                       "no_json"       },
        {S("GET / HTTP/1.1\r\n\r\n"),                                   "no_json"       },
        {S("{\"bytes\":1}\nx"),                                         "no_such_task"  },
        {S("{\"task\":\"exec\",\"bytes\":1}\nx"),                       "no_such_task"  },
        {S("{\"task\":\"photo\",\"bytes\":1}\nx"),                      "no_limits"     },
        {S("{\"task\":\"photo\"" LIMITS),                               "no_size"       },
        {S("{\"task\":\"photo\",\"bytes\":-1" LIMITS),                  "no_size"       },
        {S("{\"task\":\"photo\",\"bytes\":104857600" LIMITS "x"),       "too_many_bytes"},
        {S("{\"task\":\"photo\",\"bytes\":9223372036854775807" LIMITS), "too_many_bytes"},
        {S("{\"task\":\"photo\",\"bytes\":5" LIMITS "four"),            "cut_off"       },
    };
#undef LIMITS
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ended ended;
        str want = str_printf(a, "{\"bytes\":0,\"error\":\"%s\"}\n", rows[i].want);
        assert_str(exchange(rows[i].request, &ended), want);
        assert_true(is_in_order(ended));
        assert_true(is_sanitized || ended.peak_bytes < 100 << 20);
    }
    char *spaces = NEW_ARRAY(a, char, 5000);
    memset(spaces, ' ', 5000);
    struct ended ended;
    assert_str(exchange((str){spaces, 5000}, &ended), S("{\"bytes\":0,\"error\":\"no_line\"}\n"));
    assert_good_photo_passes();
}

/* systemd hands over the connection itself. */
static void a_connection_may_be_handed_over(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = start_program(ends[1], NULL, NULL);
    close(ends[1]);
    str request = S(
        "{\"task\":\"photo\",\"bytes\":3,\"short_side_pixels\":1,\"most_pixels\":9}\nabc");
    assert_int_equal(send(ends[0], request.ptr, request.len, 0), request.len);
    char answer[1000];
    ssize_t got = recv(ends[0], answer, sizeof answer, MSG_WAITALL);
    close(ends[0]);
    assert_true(got > 0 && holds((str){answer, (size_t)got}, S("\"refused\":\"format\"")));
    assert_true(is_in_order(await_end(pid)));
}

/* -- the cage -- */

static void the_cage_holds(void **state)
{
    (void)state;
    const struct {
        const char *name;
        bool is_deadly;
    } rows[] = {
        {"socket", true },
        {"exec",   true },
        {"fork",   false},
        {"write",  false},
        {"read",   false},
        {"code",   false},
        {"memory", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (is_sanitized && strcmp(rows[i].name, "memory") == 0)
            continue;
        struct ended ended = await_end(start_program(STDIN_FILENO, "--try", rows[i].name));
        bool is_held = rows[i].is_deadly
                           ? WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGSYS
                           : ended.status == 0;
        if (!is_held)
            fail_msg("%s: status %d", rows[i].name, ended.status);
    }
    assert_int_not_equal(access("/tmp/aisha-cage-try", F_OK), 0);
}

/* -- the ground -- */

static int begin(void **state)
{
    (void)state;
    const char *build = getenv("BUILD");
    if (!build)
        return -1;
    a = arena_new(64 << 20);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(socket_path, sizeof socket_path, "/tmp/media_files_test.%d", (int)getpid());
    memcpy(address.sun_path, socket_path, strlen(socket_path));
    unlink(socket_path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static char path[4096];
    snprintf(path, sizeof path, "%s/bin/aisha-photo", build);
    program = path;
    return bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16) ||
           vips_init("media_files_test");
}

static int end(void **state)
{
    (void)state;
    close(listener);
    unlink(socket_path);
    arena_free(a);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    arena_reset(a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(photos_are_measured, forget),
        cmocka_unit_test_teardown(like_photos_have_like_hashes, forget),
        cmocka_unit_test_teardown(every_sort_of_picture_becomes_the_same_sort, forget),
        cmocka_unit_test_teardown(what_is_transparent_becomes_white, forget),
        cmocka_unit_test_teardown(a_camera_held_upright, forget),
        cmocka_unit_test_teardown(a_profile_is_obeyed_and_left_out, forget),
        cmocka_unit_test_teardown(a_large_photo_is_kept_smaller, forget),
        cmocka_unit_test_teardown(a_second_file_behind_the_picture_is_lost, forget),
        cmocka_unit_test_teardown(other_formats_are_refused, forget),
        cmocka_unit_test_teardown(what_is_cut_off_is_unreadable, forget),
        cmocka_unit_test_teardown(what_is_too_small_is_refused_with_its_size, forget),
        cmocka_unit_test_teardown(too_many_pixels_are_not_decoded, forget),
        cmocka_unit_test_teardown(the_dearest_photo_fits_into_the_memory, forget),
        cmocka_unit_test_teardown(damage_is_survived, forget),
        cmocka_unit_test_teardown(requests_that_are_none_are_answered, forget),
        cmocka_unit_test_teardown(a_connection_may_be_handed_over, forget),
        cmocka_unit_test_teardown(the_cage_holds, forget),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, begin, end);
}
