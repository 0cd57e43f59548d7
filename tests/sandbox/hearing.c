/*
 * hearing.c - what is said in a recording.
 *
 * Nobody here understands speech, so whoever makes a recording for a test plants
 * words in it, as tones of two pitches, one for each letter. They are in the sound itself:
 * they outlive every codec that leaves speech alone, other rates, and being cut in
 * silence, and what is heard depends on nothing but the bytes that were sent.
 * tests/e2e/lib/voice.mjs makes them.
 *
 *     120 ms  2700 Hz with 2900 Hz      a word begins
 *      20 ms  silence
 *     for the number of letters, each letter, and the sum:
 *      60 ms  one of 8 low pitches with one of 9 high ones
 *      20 ms  silence
 *
 * The sum is that of number × 1, first letter × 2, second × 3 …, modulo 72: a word
 * with a letter misheard is no word. What sounds between two silences and holds no
 * word is a sound.
 */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "tests/sandbox/openai_inside.h"

enum {
    RATE = 8000,
    SAMPLES_PER_MS = RATE / 1000,
    BLOCK_MS = 10,
    BLOCK = BLOCK_MS * SAMPLES_PER_MS, /* both pitches of the mark fit in a whole number of times */
    MARK_MS = 120,
    MARK_BLOCKS = MARK_MS / BLOCK_MS,
    GAP_MS = 20,
    LETTER_MS = 60,
    SLOT_MS = LETTER_MS + GAP_MS,
    LOOK_MS = 40, /* of a letter: its middle */
    LOWS = 8,
    HIGHS = 9,
    SYMBOLS = LOWS * HIGHS,
    LETTERS_MOST = 64,
    SILENCE_MS = 350, /* a pause this long ends a segment */
    LONG_MS = 8000,   /* and of one that has become as long as this … */
    BREATH_MS = 80,   /* … this: more than there is within a word */
    SOUND_LEAST_MS = 60,
    DECODING_MOST_MS = 120 * 1000,
    READ_BYTES = 64 * 1024,
};

static const double MARK_PITCHES[2] = {2700, 2900};
static const double QUIET = 160; /* of 32768, root mean square: -46 dB */

static const char ALPHABET[] = "абвгдежзийклмнопрстуфхцчшщъыьэюя" /* ё is written е */
                               "abcdefghijklmnopqrstuvwxyz"
                               "-0123456789";

static double low_pitch(int number)
{
    return 600 + 100.0 * number;
}

static double high_pitch(int number)
{
    return 1600 + 110.0 * number;
}

/* -- decoding: a child, because the formats of strangers are its trade -- */

struct sound {
    const int16_t *samples;
    size_t count;
};

static str keep_for_child(struct arena *a, str bytes)
{
    str path = str_printf(a, STR_FMT "/heard-" STR_FMT, STR_ARG(sandbox.folder),
                          STR_ARG(random_hex(a, 8)));
    int fd = open(cstr(a, path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool is_kept = fd >= 0 && write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len;
    if (fd >= 0)
        close(fd);
    if (!is_kept)
        log_error("sandbox.recording_not_kept", KV("why", strerror(errno)));
    return is_kept ? path : S("");
}

/* posix_spawnp() wants words that it could change, and changes none. */
static char *changeable(struct arena *a, str word)
{
    char *copy = NEW_ARRAY(a, char, word.len + 1);
    memcpy(copy, word.ptr, word.len);
    return copy;
}

/* Nothing but the file is opened, whatever the file says it is. */
static char **decoder_words(struct arena *a, str path)
{
    static const char *const before[] = {
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-protocol_whitelist",
        "file",
        "-format_whitelist",
        "ogg,mp3,flac,wav,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg",
        "-i"};
    static const char *const after[] = {"-vn", "-ac", "1", "-ar", "8000", "-f", "s16le", "-"};
    char **words = NEW_ARRAY(a, char *, ARRAY_LEN(before) + 1 + ARRAY_LEN(after) + 1);
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(before); i++)
        words[count++] = changeable(a, str_from(before[i]));
    words[count++] = changeable(a, path);
    for (size_t i = 0; i < ARRAY_LEN(after); i++)
        words[count++] = changeable(a, str_from(after[i]));
    return words;
}

static pid_t start_decoder(struct arena *a, str path, int *out_fd)
{
    char **words = decoder_words(a, path);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t child = -1;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&child, words[0], &actions, NULL, words, environ) != 0)
        child = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (child < 0)
        close(ends[0]);
    *out_fd = ends[0];
    return child;
}

/* All it says, until it has ended or said too much. */
static str read_decoder(struct arena *a, int fd)
{
    const size_t most = (size_t)HEARING_MOST_MS * SAMPLES_PER_MS * sizeof(int16_t);
    int64_t until_ms = clock_steady_ms() + DECODING_MOST_MS;
    char *chunk = NEW_ARRAY(a, char, READ_BYTES);
    struct buf b = buf_new(a);
    while (b.len <= most && clock_steady_ms() < until_ms) {
        ssize_t got = read(fd, chunk, READ_BYTES);
        if (got == 0)
            break;
        if (got > 0)
            buf_add(&b, (str){chunk, (size_t)got});
        else if (errno == EAGAIN)
            task_wait_fd(fd, EPOLLIN, until_ms);
        else
            break;
    }
    return buf_str(&b);
}

/* Its pipe is closed, so it has ended, or is about to. */
static bool decoder_did_well(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0)
        task_sleep_ms(1);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static enum hearing decode(struct arena *a, str bytes, struct sound *out)
{
    int fd;
    str path = keep_for_child(a, bytes);
    if (str_empty(path))
        return HEARD_NOTHING_OF_IT;
    pid_t child = start_decoder(a, path, &fd);
    if (child < 0) {
        log_error("sandbox.no_ffmpeg");
        unlink(cstr(a, path));
        return HEARD_NOTHING_OF_IT;
    }
    str raw = read_decoder(a, fd);
    close(fd);
    bool is_whole = decoder_did_well(child);
    unlink(cstr(a, path));
    size_t count = raw.len / sizeof(int16_t);
    if (count > (size_t)HEARING_MOST_MS * SAMPLES_PER_MS)
        return HEARD_TOO_LONG;
    int16_t *samples = NEW_ARRAY(a, int16_t, count + 1);
    memcpy(samples, raw.ptr, count * sizeof *samples);
    *out = (struct sound){samples, count};
    return is_whole && count ? HEARD : HEARD_NOTHING_OF_IT;
}

/* -- pitches -- */

/* How much of the sound from there on has this pitch, as energy. */
static double pitch_energy(const struct sound *s, size_t from, size_t count, double pitch)
{
    double turn = 2 * M_PI * pitch / RATE, twice_cos = 2 * cos(turn);
    double last = 0, before = 0;
    for (size_t i = 0; i < count; i++) {
        double now = s->samples[from + i] + twice_cos * last - before;
        before = last;
        last = now;
    }
    double power = last * last + before * before - twice_cos * last * before;
    return 2 * power / (double)count;
}

static double energy(const struct sound *s, size_t from, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)s->samples[from + i] * s->samples[from + i];
    return sum;
}

/* The strongest of some pitches; false when the second is nearly as strong. */
static bool strongest(const struct sound *s, size_t from, size_t count, double (*pitch)(int),
                      int pitches, int *out, double *its_energy)
{
    double best = 0, second = 0;
    for (int i = 0; i < pitches; i++) {
        double one = pitch_energy(s, from, count, pitch(i));
        if (one > best) {
            second = best;
            best = one;
            *out = i;
        } else if (one > second) {
            second = one;
        }
    }
    *its_energy = best;
    return best > 2 * second;
}

static bool read_symbol(const struct sound *s, size_t slot, int *symbol)
{
    size_t from = slot + (LETTER_MS - LOOK_MS) / 2 * SAMPLES_PER_MS,
           count = LOOK_MS * SAMPLES_PER_MS;
    int low = 0, high = 0;
    double of_low, of_high;
    if (from + count > s->count || !strongest(s, from, count, low_pitch, LOWS, &low, &of_low) ||
        !strongest(s, from, count, high_pitch, HIGHS, &high, &of_high) ||
        of_low + of_high < energy(s, from, count) / 2)
        return false;
    *symbol = high * LOWS + low;
    return true;
}

/* -- words -- */

static str letter(int symbol)
{
    str alphabet = str_from(ALPHABET);
    size_t at = 0, width;
    while ((width = str_utf8_at(alphabet, at)) > 0 && symbol-- > 0)
        at += width;
    return str_sub(alphabet, at, width);
}

/* The word whose mark begins there; *end is where it ends. */
static bool read_word(struct arena *a, const struct sound *s, size_t mark, str *word, size_t *end)
{
    size_t slot = mark + (MARK_MS + GAP_MS) * SAMPLES_PER_MS;
    int count, symbol, sum;
    struct buf b = buf_new(a);
    if (!read_symbol(s, slot, &count) || count < 1 || count > LETTERS_MOST)
        return false;
    sum = count;
    for (int i = 0; i < count; i++) {
        slot += SLOT_MS * SAMPLES_PER_MS;
        if (!read_symbol(s, slot, &symbol) || str_empty(letter(symbol)))
            return false;
        sum += (i + 2) * symbol;
        buf_add(&b, letter(symbol));
    }
    slot += SLOT_MS * SAMPLES_PER_MS;
    *word = buf_str(&b);
    *end = slot + SLOT_MS * SAMPLES_PER_MS;
    return read_symbol(s, slot, &symbol) && symbol == sum % SYMBOLS;
}

/* What a mark has, block by block, so that every place of it costs the same few sums. */
struct marks {
    double *energy, *real[2], *imaginary[2];
    size_t blocks;
};

static void measure(struct arena *a, const struct sound *s, struct marks *out)
{
    double wave[2][BLOCK][2];
    for (int pitch = 0; pitch < 2; pitch++)
        for (int i = 0; i < BLOCK; i++) {
            double turn = 2 * M_PI * MARK_PITCHES[pitch] * i / RATE;
            wave[pitch][i][0] = cos(turn);
            wave[pitch][i][1] = sin(turn);
        }
    out->blocks = s->count / BLOCK;
    out->energy = NEW_ARRAY(a, double, out->blocks + 1);
    for (int pitch = 0; pitch < 2; pitch++) {
        out->real[pitch] = NEW_ARRAY(a, double, out->blocks + 1);
        out->imaginary[pitch] = NEW_ARRAY(a, double, out->blocks + 1);
    }
    for (size_t block = 0; block < out->blocks; block++)
        for (int i = 0; i < BLOCK; i++) {
            double sample = s->samples[block * BLOCK + (size_t)i];
            out->energy[block] += sample * sample;
            for (int pitch = 0; pitch < 2; pitch++) {
                out->real[pitch][block] += sample * wave[pitch][i][0];
                out->imaginary[pitch][block] += sample * wave[pitch][i][1];
            }
        }
}

/* The energy of both pitches over the length of a mark; 0 where it is not mostly these two. */
static double mark_at(const struct marks *m, size_t block)
{
    double whole = 0, sum = 0;
    for (size_t i = 0; i < MARK_BLOCKS; i++)
        whole += m->energy[block + i];
    if (whole < QUIET * QUIET * BLOCK * MARK_BLOCKS / 4)
        return 0;
    for (int pitch = 0; pitch < 2; pitch++) {
        double real = 0, imaginary = 0;
        for (size_t i = 0; i < MARK_BLOCKS; i++) {
            real += m->real[pitch][block + i];
            imaginary += m->imaginary[pitch][block + i];
        }
        double one = 2 * (real * real + imaginary * imaginary) / (BLOCK * MARK_BLOCKS);
        if (one < whole / 10)
            return 0;
        sum += one;
    }
    return sum > whole / 2 ? sum : 0;
}

/* To the millisecond: where a window of a mark's length holds most of it. */
static size_t begin_of_mark(const struct sound *s, size_t block)
{
    size_t middle = block * BLOCK, best_at = middle, count = MARK_MS * SAMPLES_PER_MS;
    double best = 0;
    for (size_t shift = 0; shift <= 2 * BLOCK; shift += SAMPLES_PER_MS) {
        if (middle + shift < BLOCK || middle + shift - BLOCK + count > s->count)
            continue;
        size_t from = middle + shift - BLOCK;
        double sum = pitch_energy(s, from, count, MARK_PITCHES[0]) +
                     pitch_energy(s, from, count, MARK_PITCHES[1]);
        if (sum > best) {
            best = sum;
            best_at = from;
        }
    }
    return best_at;
}

struct planted {
    size_t from, to;
    str word;
    struct planted *next;
};

static struct planted *find_words(struct arena *a, const struct sound *s, const struct marks *m)
{
    struct planted *first = NULL, **last = &first;
    for (size_t block = 0; block + MARK_BLOCKS < m->blocks; block++) {
        double here = mark_at(m, block);
        if (here <= 0 || here < mark_at(m, block + 1))
            continue;
        size_t begin = begin_of_mark(s, block), end;
        str word;
        if (!read_word(a, s, begin, &word, &end))
            continue;
        *last = NEW(a, struct planted);
        **last = (struct planted){.from = begin, .to = end, .word = word};
        last = &(*last)->next;
        block = end / BLOCK - 1;
    }
    return first;
}

/* -- segments: what sounds between two silences -- */

static bool is_quiet(const struct marks *m, size_t block)
{
    return m->energy[block] < QUIET * QUIET * BLOCK;
}

static size_t pause_blocks(size_t length)
{
    return (size_t)(length < LONG_MS / BLOCK_MS ? SILENCE_MS : BREATH_MS) / BLOCK_MS;
}

static str words_within(struct arena *a, struct planted **word, size_t to)
{
    struct buf b = buf_new(a);
    for (; *word && (*word)->from < to; *word = (*word)->next) {
        buf_add(&b, b.len ? S(" ") : S(""));
        buf_add(&b, (*word)->word);
    }
    return buf_str(&b);
}

static void find_segments(struct arena *a, const struct marks *m, struct planted *word,
                          struct heard *out)
{
    struct heard_segment *segments = NEW_ARRAY(a, struct heard_segment,
                                               m->blocks / (BREATH_MS / BLOCK_MS) + 2);
    size_t block = 0;
    while (block < m->blocks) {
        if (is_quiet(m, block)) {
            block++;
            continue;
        }
        size_t from = block, loud = block;
        for (; block < m->blocks && block - loud < pause_blocks(block - from); block++)
            if (!is_quiet(m, block))
                loud = block;
        struct heard_segment made = {.start_ms = (int64_t)from * BLOCK_MS,
                                     .end_ms = (int64_t)(loud + 1) * BLOCK_MS,
                                     .words = words_within(a, &word, block * BLOCK)};
        if (made.words.len || made.end_ms - made.start_ms >= SOUND_LEAST_MS)
            segments[out->count++] = made;
    }
    out->segments = segments;
}

enum hearing hear(struct arena *a, str bytes, struct heard *out)
{
    struct sound sound = {0};
    struct marks marks = {0};
    enum hearing verdict = decode(a, bytes, &sound);
    if (verdict != HEARD)
        return verdict;
    *out = (struct heard){.length_ms = (int64_t)sound.count / SAMPLES_PER_MS};
    measure(a, &sound, &marks);
    find_segments(a, &marks, find_words(a, &sound, &marks), out);
    return HEARD;
}
