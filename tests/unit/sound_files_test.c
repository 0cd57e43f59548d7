/*
 * What aisha-sound makes of recordings: the program itself, by its client, with
 * files that espeak-ng speaks and ffmpeg packs, and with files that mean harm.
 */
#include "api/media.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/loop.h"
#include "media/cage.h"
#include "tests/unit/expect.h"

#if defined(__SANITIZE_ADDRESS__)
static const bool is_sanitized = true;
#else
static const bool is_sanitized = false;
#endif

enum { TASK_STACK_KIB = 256, HOURS_MS = 6 * 3600 * 1000, PIECES_MOST = 64 };

static struct arena *a;
static char folder[64];
static const char *program;
static struct media media;
static int listener;

/* ---------------------------------------------------------------- the program */

static pid_t start_program(void)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    const char *options = getenv("ASAN_OPTIONS");
    dup2(listener, STDIN_FILENO);
    clearenv();
    if (options)
        setenv("ASAN_OPTIONS", options, 1);
    execl(program, "aisha-sound", (char *)NULL);
    _exit(127);
}

/* In the folder of the test, quietly. */
static void shell(const char *command)
{
    const char *whole = cstr(a,
                             str_printf(a, "cd %s && { %s ; } >/dev/null 2>&1", folder, command));
    if (system(whole) != 0) /* NOLINT(cert-env33-c): it is ours */
        fail_msg("%s", command);
}

static int open_file(const char *name)
{
    int fd = open(cstr(a, str_printf(a, "%s/%s", folder, name)), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("%s: %s", name, strerror(errno));
    return fd;
}

struct piece {
    int64_t start_ms, length_ms, sounding_ms;
    bool is_silent, begins_in_noise;
    size_t bytes;
};

struct asked {
    int fd;
    struct media_sound_limits limits;
    const char *pieces_named; /* where they are kept; NULL: not split */
    struct media_sound sound;
    const err *error;
    struct piece pieces[PIECES_MOST];
    int count;
    int64_t heard_ms; /* and told on the way */
    int64_t peak_bytes;
    int status;
};

static err *take(void *owner, struct arena *scratch, const struct media_piece *piece)
{
    struct asked *q = owner;
    struct piece *kept = &q->pieces[q->count++];
    *kept = (struct piece){.start_ms = piece->start_ms,
                           .length_ms = piece->length_ms,
                           .sounding_ms = piece->sounding_ms,
                           .is_silent = piece->is_silent,
                           .begins_in_noise = piece->begins_in_noise,
                           .bytes = piece->flac.len};
    const char *path = cstr(
        scratch, str_printf(scratch, "%s/%s%d.flac", folder, q->pieces_named, piece->number));
    FILE *file = fopen(path, "we");
    bool is_written = file && fwrite(piece->flac.ptr, 1, piece->flac.len, file) == piece->flac.len;
    EXPECT(file && fclose(file) == 0 && is_written);
    return NULL;
}

static void hear(void *asked, int64_t ms)
{
    struct asked *q = asked;
    EXPECT(ms > q->heard_ms);
    q->heard_ms = ms;
}

static void ask(void *asked)
{
    struct asked *q = asked;
    q->error = q->pieces_named ? media_sound_split(a, &media, q->fd, &q->limits, take, q, &q->sound)
                               : media_sound(a, &media, q->fd, &q->limits, hear, q, &q->sound);
}

static void run(struct asked *q)
{
    struct rusage usage;
    pid_t pid = start_program();
    loop_init();
    task_start(ask, q, TASK_STACK_KIB);
    loop_run();
    close(q->fd);
    wait4(pid, &q->status, 0, &usage);
    q->peak_bytes = (int64_t)usage.ru_maxrss * 1024;
}

static struct asked measure(const char *name)
{
    struct asked q = {.fd = open_file(name), .limits = {.most_ms = HOURS_MS}};
    run(&q);
    if (q.status || (!is_sanitized && q.peak_bytes > 200 << 20))
        fail_msg("%s: status %d, peak %" PRId64 " MiB", name, q.status, q.peak_bytes >> 20);
    return q;
}

static struct asked *split(const char *name, int64_t piece_ms, int64_t most_ms, int64_t whole_ms)
{
    struct asked *q = NEW(a, struct asked);
    q->fd = open_file(name);
    q->limits = (struct media_sound_limits){HOURS_MS, piece_ms, most_ms, whole_ms};
    q->pieces_named = "piece";
    run(q);
    if (!is_well(q->error) || !str_empty(q->sound.refused) || q->status)
        fail_msg("%s: not split: " STR_FMT " %d", name, STR_ARG(q->sound.refused), q->status);
    assert_false(is_failed);
    return q;
}

/* ---------------------------------------------------------------- what is taken */

static void speech_is_measured_in_every_container(void **state)
{
    (void)state;
    const struct {
        const char *file, *make, *format;
    } rows[] = {
        {"a.ogg",  "-c:a libopus -b:a 24k",                                     "ogg/opus"       },
        {"a.mp3",  "-c:a libmp3lame -ar 44100 -ac 2",                           "mp3/mp3"        },
        {"a.wav",  "-c:a pcm_s16le -ar 48000 -ac 2",                            "wav/pcm_s16le"  },
        {"a.m4a",  "-c:a aac",                                                  "mov/aac"        },
        {"b.m4a",  "-c:a alac",                                                 "mov/alac"       },
        {"a.flac", "-c:a flac",                                                 "flac/flac"      },
        {"b.ogg",  "-c:a libvorbis",                                            "ogg/vorbis"     },
        {"a.webm", "-c:a libopus",                                              "matroska/opus"  },
        {"a.mkv",  "-c:a libvorbis",                                            "matroska/vorbis"},
        {"a.aac",  "-c:a aac",                                                  "aac/aac"        },
        {"a.mp4",  "-f lavfi -i color=c=red:s=320x240:r=10 -shortest -c:a aac", "mov/aac"        },
    };
    shell(
        "espeak-ng -v ru -s 120 'Раз, два, три, четыре, пять. Вышел зайчик погулять, вдруг охотник "
        "выбегает, прямо в зайчика стреляет.' -w speech.wav");
    struct asked whole = measure("speech.wav");
    assert_string_equal(cstr(a, whole.sound.refused), "");
    assert_in_range(whole.sound.duration_ms, 6000, 20000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        shell(cstr(a, str_printf(a, "ffmpeg -y -i speech.wav %s %s", rows[i].make, rows[i].file)));
        struct asked q = measure(rows[i].file);
        if (!is_well(q.error) || !str_empty(q.sound.refused))
            fail_msg("%s: " STR_FMT, rows[i].file, STR_ARG(q.sound.refused));
        assert_string_equal(cstr(a, q.sound.format), rows[i].format);
        assert_in_range(q.sound.duration_ms, whole.sound.duration_ms - 150,
                        whole.sound.duration_ms + 250);
    }
}

static void pieces_are_the_whole_and_are_cut_in_pauses(void **state)
{
    (void)state;
    /* A second of silence at each full ten. */
    shell(
        "ffmpeg -y -f lavfi -i \"aevalsrc='if(lt(mod(t,10),1),0,0.3*sin(2*PI*300*t))':s=16000:d=300\""
        " -c:a libopus -b:a 16k tones.ogg");
    struct asked *q = split("tones.ogg", 60000, 90000, 300000);
    assert_int_equal(q->count, 5);
    int64_t at = 0;
    for (int i = 0; i < q->count; i++) {
        struct piece *p = &q->pieces[i];
        assert_int_equal(p->start_ms, at);
        at += p->length_ms;
        assert_false(p->is_silent || p->begins_in_noise);
        assert_in_range(p->length_ms, 40000, 90000);
        assert_in_range(p->sounding_ms, p->length_ms * 85 / 100, p->length_ms * 95 / 100);
        if (i)
            assert_in_range(p->start_ms % 10000, 100, 900);
        struct asked again = measure(cstr(a, str_printf(a, "piece%d.flac", i)));
        assert_string_equal(cstr(a, again.sound.refused), "");
        assert_in_range(again.sound.duration_ms, p->length_ms - 1, p->length_ms + 1);
    }
    assert_int_equal(at, q->sound.duration_ms);
    assert_in_range(at, 299900, 300200);
}

/* Put together again the pieces are, sample by sample, what was there before. */
static void nothing_is_lost_between_pieces(void **state)
{
    (void)state;
    shell(
        "ffmpeg -y -f lavfi -i anoisesrc=d=50:r=16000:a=0.4:seed=7 -ac 1 -c:a pcm_s16le noise.wav");
    struct asked *q = split("noise.wav", 10000, 15000, 50000);
    assert_in_range(q->count, 4, 6);
    for (int i = 1; i < q->count; i++)
        assert_true(q->pieces[i].begins_in_noise);
    shell(
        "rm -f all.raw; for i in 0 1 2 3 4 5; do [ ! -f piece$i.flac ] || [ $i -ge $(ls piece*.flac | "
        "wc -l) ] || ffmpeg -y -i piece$i.flac -f s16le - >>all.raw; done;"
        "ffmpeg -y -i noise.wav -f s16le whole.raw; head -c $(stat -c %s whole.raw) all.raw | cmp - "
        "whole.raw");
}

/* What was measured before is only a guide: a buffer that is full is cut. */
static void a_wrong_measure_does_no_harm(void **state)
{
    (void)state;
    struct asked *q = split("tones.ogg", 60000, 90000, 0);
    assert_in_range(q->count, 4, 5);
    q = split("tones.ogg", 60000, 90000, 30000);
    assert_in_range(q->count, 4, 5);
    q = split("tones.ogg", 60000, 90000, HOURS_MS);
    assert_in_range(q->count, 4, 7);
    for (int i = 0; i < q->count; i++)
        assert_in_range(q->pieces[i].length_ms, 1, 90000);
}

static void silent_pieces_say_so(void **state)
{
    (void)state;
    shell(
        "ffmpeg -y -f lavfi -i \"aevalsrc='if(lt(t,60),0,0.2*sin(2*PI*300*t))':s=16000:d=120\" half.wav");
    struct asked *q = split("half.wav", 30000, 45000, 120000);
    assert_true(q->pieces[0].is_silent && q->pieces[0].sounding_ms == 0);
    assert_false(q->pieces[q->count - 1].is_silent);
}

/* ---------------------------------------------------------------- what is refused */

static void what_is_no_recording_is_refused(void **state)
{
    (void)state;
    shell(": >empty.ogg");
    shell("head -c 100000 /dev/urandom >random.mp3");
    shell("yes 'some words of a letter' | head -c 50000 >words.wav");
    shell("printf '#EXTM3U\\n#EXT-X-TARGETDURATION:10\\n#EXTINF:10,\\nhttp://127.0.0.1:1/x.ts\\n"
          "#EXT-X-ENDLIST\\n' >list.ogg");
    shell("printf '#EXTM3U\\n#EXTINF:10,\\nfile:///etc/passwd\\n' >list.mp3");
    shell("printf 'ffconcat version 1.0\\nfile /etc/passwd\\n' >concat.wav");
    shell(
        "mkdir -p z && head -c 300000 /dev/urandom >z/a.bin && printf 'PK\\003\\004' >zip.ogg && cat "
        "z/a.bin >>zip.ogg");
    shell("ffmpeg -y -f lavfi -i color=c=red:s=64x64:r=5:d=3 -c:v libx264 mute.mp4");
    shell(
        "ffmpeg -y -f lavfi -i color=c=red:s=64x64:r=1:d=1 -frames:v 1 picture.png; mv picture.png "
        "picture.ogg");
    shell("ffmpeg -y -i speech.wav -c:a aac whole.m4a && head -c 20000 whole.m4a >cut.m4a");
    shell("head -c 40000 speech.wav >cut.wav");
    shell(
        "ffmpeg -y -i speech.wav -c:a flac -f flac whole.flac && head -c 60000 whole.flac >cut.flac");
    shell("ffmpeg -y -f lavfi -i anullsrc=r=16000:d=30 -c:a libopus silence.ogg");
    /* A header of 4 GB and ten seconds behind it. */
    shell(
        "{ printf 'RIFF\\000\\377\\377\\357WAVEfmt \\020\\000\\000\\000\\001\\000\\001\\000\\200\\076\\000"
        "\\000\\000\\175\\000\\000\\002\\000\\020\\000data\\000\\000\\000\\356'; tail -c +45 speech.wav; } "
        ">lies.wav");
    const struct {
        const char *file, *want;
    } rows[] = {
        {"empty.ogg",   "format"  },
        {"random.mp3",  "format"  },
        {"words.wav",   "format"  },
        {"list.ogg",    "format"  },
        {"list.mp3",    "format"  },
        {"concat.wav",  "format"  },
        {"zip.ogg",     "format"  },
        {"picture.ogg", "format"  },
        {"mute.mp4",    "no_sound"},
        {"cut.m4a",     "format"  },
        {"cut.wav",     "cut_off" },
        {"cut.flac",    "cut_off" },
        {"silence.ogg", "silent"  },
        {"lies.wav",    "cut_off" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct asked q = measure(rows[i].file);
        if (!is_well(q.error) || !str_is(q.sound.refused, rows[i].want))
            fail_msg("%s: " STR_FMT " " STR_FMT, rows[i].file, STR_ARG(q.sound.refused),
                     STR_ARG(q.sound.format));
    }
    assert_string_equal(cstr(a, measure("speech.wav").sound.refused), "");
}

/* Hours that fit into a message: nobody listens to all of them. */
static void hours_of_silence_are_too_long(void **state)
{
    (void)state;
    shell("ffmpeg -y -f lavfi -i anullsrc=r=8000:cl=mono:d=25000 -c:a flac -f flac hours.flac");
    struct asked q = measure("hours.flac");
    assert_true(is_well(q.error));
    assert_string_equal(cstr(a, q.sound.refused), "too_long");
}

/* Bytes changed here and there: whatever comes of it, the process ends in order. */
static void damage_is_survived(void **state)
{
    (void)state;
    static const char *const files[] = {"a.ogg", "a.mp3", "a.m4a", "a.flac", "a.webm", "a.mp4"};
    uint64_t chance = 20261121;
    for (size_t i = 0; i < ARRAY_LEN(files) * 4; i++) {
        const char *name = files[i % ARRAY_LEN(files)];
        shell(cstr(a, str_printf(a, "cp %s damaged", name)));
        int fd = open(cstr(a, str_printf(a, "%s/damaged", folder)), O_RDWR | O_CLOEXEC);
        struct stat about = {0};
        assert_true(fd >= 0 && fstat(fd, &about) == 0);
        for (int n = 0; n < 60; n++) {
            chance = chance * 6364136223846793005u + 1442695040888963407u;
            char byte = (char)(chance >> 56);
            off_t most = n % 2 && about.st_size ? about.st_size : 2000;
            assert_int_equal(pwrite(fd, &byte, 1, (off_t)((chance >> 20) % (uint64_t)most)), 1);
        }
        close(fd);
        struct asked q = measure("damaged");
        assert_true(is_well(q.error));
    }
}

static void a_request_without_a_file_is_answered(void **state)
{
    (void)state;
    struct asked q = {.fd = open("/dev/null", O_RDONLY | O_CLOEXEC), .limits = {.most_ms = 1000}};
    run(&q);
    assert_true(q.error || !str_empty(q.sound.refused));
    assert_int_equal(q.status, 0);
}

/* ---------------------------------------------------------------- the ground */

static int begin(void **state)
{
    (void)state;
    const char *build = getenv("BUILD");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    a = arena_new(64 << 20);
    snprintf(folder, sizeof folder, "/tmp/sound_files_test.%d", (int)getpid());
    snprintf(address.sun_path, sizeof address.sun_path, "%s/sound.sock", folder);
    if (!build || mkdir(folder, 0700))
        return -1;
    media.socket = str_dup(a, str_from(address.sun_path));
    program = cstr(a, str_printf(a, "%s/bin/aisha-sound", build));
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16);
}

static int end(void **state)
{
    (void)state;
    close(listener);
    shell("rm -rf \"$PWD\"");
    arena_free(a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speech_is_measured_in_every_container),
        cmocka_unit_test(pieces_are_the_whole_and_are_cut_in_pauses),
        cmocka_unit_test(nothing_is_lost_between_pieces),
        cmocka_unit_test(a_wrong_measure_does_no_harm),
        cmocka_unit_test(silent_pieces_say_so),
        cmocka_unit_test(what_is_no_recording_is_refused),
        cmocka_unit_test(hours_of_silence_are_too_long),
        cmocka_unit_test(damage_is_survived),
        cmocka_unit_test(a_request_without_a_file_is_answered),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, begin, end);
}
