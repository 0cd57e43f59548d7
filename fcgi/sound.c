/*
 * sound.c - aisha-sound: decodes one recording of a stranger, and ends.
 *
 * The recording comes as a descriptor beside the line:
 *
 *     {"task":"sound","bytes":0,"most_ms":14400000,"piece_ms":0,"piece_most_ms":0,"whole_ms":0}
 *     {"bytes":0,"heard_ms":600000}
 *     {"bytes":0,"heard_ms":1200000}
 *     {"bytes":0,"format":"ogg/opus","duration_ms":1500000}
 *
 *     {"bytes":0,"refused":"silent","duration_ms":20000}
 *
 * When it is to be split, there is an answer for each piece, and the last one says what the
 * recording was:
 *
 *     {"task":"split","bytes":0,"most_ms":14400000,"piece_ms":300000,"piece_most_ms":600000,
 *      "whole_ms":1500000}
 *     {"bytes":4811220,"piece":0,"start_ms":0,"length_ms":297340,"sounding_ms":201200,
 *      "silent":false,"noisy":false}
 *     {"bytes":0,"format":"ogg/opus","duration_ms":1500000}
 *
 * How it is asked: media/decoder.h.
 */
#include "media/sound.h"

#include <unistd.h>

#include "media/decoder.h"

static err *read_limits(struct arena *a, struct json_object *request,
                        struct media_sound_limits *limits)
{
    if (!json_i64(request, "most_ms", &limits->most_ms) ||
        !json_i64(request, "piece_ms", &limits->piece_ms) ||
        !json_i64(request, "piece_most_ms", &limits->piece_most_ms) ||
        !json_i64(request, "whole_ms", &limits->whole_ms) || limits->most_ms < 0 ||
        limits->whole_ms < 0)
        return fail(a, ERR_INPUT, "no_limits");
    return lseek(CAGE_FILE, 0, SEEK_CUR) < 0 ? fail(a, ERR_INPUT, "no_file") : NULL;
}

static void answer_sound(struct arena *a, const struct media_sound *sound)
{
    decoder_answer(a,
                   json_make(a, KV("bytes", 0), KV("refused", sound->refused),
                             KV("format", sound->format), KV("duration_ms", sound->duration_ms)),
                   S(""));
}

static void answer_heard(void *owner, int64_t ms)
{
    struct arena *a = owner;
    decoder_answer(a, json_make(a, KV("bytes", 0), KV("heard_ms", ms)), S(""));
}

static err *do_sound(struct arena *a, struct json_object *request)
{
    struct media_sound_limits limits;
    struct media_sound sound;
    TRY(read_limits(a, request, &limits));
    sound_measure(a, CAGE_FILE, &limits, answer_heard, a, &sound);
    answer_sound(a, &sound);
    return NULL;
}

static void answer_piece(void *owner, const struct media_piece *piece)
{
    struct arena *a = owner;
    decoder_answer(a,
                   json_make(a, KV("bytes", piece->flac.len), KV("piece", piece->number),
                             KV("start_ms", piece->start_ms), KV("length_ms", piece->length_ms),
                             KV("sounding_ms", piece->sounding_ms), KV("silent", piece->is_silent),
                             KV("noisy", piece->begins_in_noise)),
                   piece->flac);
}

static err *do_split(struct arena *a, struct json_object *request)
{
    struct media_sound_limits limits;
    struct media_sound sound;
    TRY(read_limits(a, request, &limits));
    sound_split(a, CAGE_FILE, &limits, answer_piece, a, &sound);
    answer_sound(a, &sound);
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct decoder_task tasks[] = {
        {S("sound"), do_sound},
        {S("split"), do_split},
    };
    const struct decoder decoder = {sound_init, &cage_of_sounds, tasks, ARRAY_LEN(tasks)};
    return decoder_main(&decoder, argc, argv);
}
