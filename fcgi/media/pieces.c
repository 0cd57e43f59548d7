#include "media/pieces.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <math.h>

enum {
    SAMPLES_OF_MS = MEDIA_SOUND_HERTZ / 1000,
    FRAME_MS = 20,
    FRAME_SAMPLES = FRAME_MS * SAMPLES_OF_MS,
    PAUSE_FRAMES = 15, /* 300 ms: longer than a closed mouth within a word */
    HEARD_FRAMES = 5,  /* 100 ms of it are a sound */
    FLAC_LEVEL = 5,
};

/* Of a sample at full strength 32767: below the first there is only the noise of the device (-56 dB),
 * below the second nobody speaks (-40 dB). */
static const double inaudible = 50, quiet = 330;

struct pieces {
    struct arena *arena;
    void (*give)(void *owner, const struct media_piece *piece);
    void *owner;
    int64_t whole_samples, piece_samples, most_samples;

    int16_t *samples; /* of the piece that is being gathered */
    int64_t count, start;
    int number;
    bool begins_in_noise, has_failed;

    double frame_power, power[HEARD_FRAMES]; /* of the frame under way; of the last ones */
    int frame_count, power_at;
    bool is_heard, is_piece_heard;
};

static int64_t samples_within(int64_t ms, int64_t most_ms)
{
    return (ms > 0 && ms < most_ms ? ms : most_ms) * SAMPLES_OF_MS;
}

struct pieces *pieces_new(struct arena *a, const struct media_sound_limits *limits,
                          void (*give)(void *owner, const struct media_piece *piece), void *owner)
{
    struct pieces *p = NEW(a, struct pieces);
    p->arena = a;
    p->give = give;
    p->owner = owner;
    if (!give)
        return p;
    p->whole_samples = limits->whole_ms * SAMPLES_OF_MS;
    p->most_samples = samples_within(limits->piece_most_ms, MEDIA_PIECE_MOST_MS);
    p->piece_samples = samples_within(limits->piece_ms, MEDIA_PIECE_MOST_MS / 2);
    p->samples = NEW_ARRAY(a, int16_t, p->most_samples);
    return p;
}

/* -- packing -- */

struct packer {
    AVCodecContext *encoder;
    AVFormatContext *file;
    AVPacket *packet;
    AVFrame *frame;
};

static bool open_packer(struct packer *k)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_FLAC);
    k->encoder = avcodec_alloc_context3(codec);
    k->packet = av_packet_alloc();
    k->frame = av_frame_alloc();
    if (!codec || !k->encoder || !k->packet || !k->frame)
        return false;
    k->encoder->sample_fmt = AV_SAMPLE_FMT_S16;
    k->encoder->sample_rate = MEDIA_SOUND_HERTZ;
    k->encoder->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_MONO;
    k->encoder->compression_level = FLAC_LEVEL;
    k->encoder->thread_count = 1;
    if (avcodec_open2(k->encoder, codec, NULL) < 0 ||
        avformat_alloc_output_context2(&k->file, NULL, "flac", NULL) < 0)
        return false;
    AVStream *stream = avformat_new_stream(k->file, NULL);
    k->file->flags |= AVFMT_FLAG_BITEXACT; /* the same samples make the same file */
    return stream && avcodec_parameters_from_context(stream->codecpar, k->encoder) >= 0 &&
           avio_open_dyn_buf(&k->file->pb) >= 0 && avformat_write_header(k->file, NULL) >= 0;
}

static bool write_packets(struct packer *k)
{
    while (avcodec_receive_packet(k->encoder, k->packet) >= 0) {
        int error = av_write_frame(k->file, k->packet);
        av_packet_unref(k->packet);
        if (error < 0)
            return false;
    }
    return true;
}

static bool pack_frame(struct packer *k, const int16_t *samples, int64_t count, int64_t at)
{
    k->frame->format = AV_SAMPLE_FMT_S16;
    k->frame->sample_rate = MEDIA_SOUND_HERTZ;
    k->frame->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_MONO;
    k->frame->nb_samples = (int)count;
    k->frame->pts = at;
    if (av_frame_get_buffer(k->frame, 0) < 0)
        return false;
    memcpy(k->frame->data[0], samples, (size_t)count * sizeof *samples);
    bool is_sent = avcodec_send_frame(k->encoder, k->frame) >= 0;
    av_frame_unref(k->frame);
    return is_sent && write_packets(k);
}

static bool pack_all(struct packer *k, const int16_t *samples, int64_t count)
{
    int64_t step = k->encoder->frame_size;
    for (int64_t at = 0; at < count; at += step)
        if (!pack_frame(k, samples + at, count - at < step ? count - at : step, at))
            return false;
    return avcodec_send_frame(k->encoder, NULL) >= 0 && write_packets(k) &&
           av_write_trailer(k->file) >= 0;
}

static bool pack(const int16_t *samples, int64_t count, uint8_t **bytes, int *size)
{
    struct packer k = {0};
    bool is_packed = open_packer(&k) && pack_all(&k, samples, count);
    *bytes = NULL;
    *size = k.file && k.file->pb ? avio_close_dyn_buf(k.file->pb, bytes) : 0;
    if (k.file)
        k.file->pb = NULL;
    avformat_free_context(k.file);
    avcodec_free_context(&k.encoder);
    av_packet_free(&k.packet);
    av_frame_free(&k.frame);
    return is_packed && *size > 0;
}

static int64_t ms_of(int64_t samples)
{
    return samples * 1000 / MEDIA_SOUND_HERTZ;
}

static double power_of(const int16_t *samples, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)samples[i] * samples[i];
    return sum;
}

static int64_t sounding_ms(const struct pieces *p, int64_t count)
{
    int64_t ms = 0;
    for (int64_t at = 0; at + FRAME_SAMPLES <= count; at += FRAME_SAMPLES)
        if (power_of(p->samples + at, FRAME_SAMPLES) > quiet * quiet * FRAME_SAMPLES)
            ms += FRAME_MS;
    return ms;
}

/* Gives the first samples away as a piece; the rest begins the next one. */
static void cut(struct pieces *p, int64_t count, bool is_noisy)
{
    uint8_t *bytes = NULL;
    int size = 0;
    if (!pack(p->samples, count, &bytes, &size))
        p->has_failed = true;
    else
        p->give(p->owner, &(struct media_piece){
                              .number = p->number,
                              .start_ms = ms_of(p->start),
                              .length_ms = ms_of(p->start + count) - ms_of(p->start),
                              .sounding_ms = sounding_ms(p, count),
                              .is_silent = !p->is_piece_heard,
                              .begins_in_noise = p->begins_in_noise,
                              .flac = {(const char *)bytes, (size_t)size},
        });
    av_free(bytes);
    p->count -= count;
    memmove(p->samples, p->samples + count, (size_t)p->count * sizeof *p->samples);
    p->start += count;
    p->number++;
    p->begins_in_noise = is_noisy;
    p->is_piece_heard = false;
}

/* -- where to cut -- */

/* The middle of the quietest pause between two places. */
static int64_t find_pause(const struct pieces *p, int64_t from, int64_t to, bool *is_noisy)
{
    int64_t frames = (to - from) / FRAME_SAMPLES, best = 0;
    double sum = 0, least = INFINITY;
    for (int64_t i = 0; i < frames; i++) {
        sum += power_of(p->samples + from + i * FRAME_SAMPLES, FRAME_SAMPLES);
        if (i >= PAUSE_FRAMES)
            sum -= power_of(p->samples + from + (i - PAUSE_FRAMES) * FRAME_SAMPLES, FRAME_SAMPLES);
        if (i >= PAUSE_FRAMES - 1 && sum < least) {
            least = sum;
            best = i;
        }
    }
    *is_noisy = sqrt(fmax(least, 0) / (PAUSE_FRAMES * FRAME_SAMPLES)) > quiet;
    return from + (best + 1) * FRAME_SAMPLES - (int64_t)PAUSE_FRAMES * FRAME_SAMPLES / 2;
}

static int64_t least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* An even share of what is left, a quarter more or less. What was measured before may have been wrong:
 * a full buffer is cut in any case. */
static void cut_when_due(struct pieces *p)
{
    int64_t left = p->whole_samples - p->start;
    int64_t shares = (left + p->piece_samples / 2) / p->piece_samples;
    int64_t share = shares > 1 ? left / shares : p->most_samples;
    int64_t to = shares > 1 ? least_of(share * 5 / 4, p->most_samples) : p->most_samples;
    if (p->count < to)
        return;
    bool is_noisy;
    int64_t at = find_pause(p, least_of(share, to) * 3 / 4, to, &is_noisy);
    cut(p, at, is_noisy);
}

/* -- listening -- */

static void end_frame(struct pieces *p)
{
    p->power[p->power_at] = p->frame_power;
    p->power_at = (p->power_at + 1) % HEARD_FRAMES;
    double sum = 0;
    for (size_t i = 0; i < HEARD_FRAMES; i++)
        sum += p->power[i];
    if (sqrt(sum / (HEARD_FRAMES * FRAME_SAMPLES)) > inaudible)
        p->is_heard = p->is_piece_heard = true;
    p->frame_power = 0;
    p->frame_count = 0;
}

static void listen_to(struct pieces *p, const int16_t *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        p->frame_power += (double)samples[i] * samples[i];
        if (++p->frame_count == FRAME_SAMPLES)
            end_frame(p);
    }
}

void pieces_hear(struct pieces *p, const int16_t *samples, size_t count)
{
    if (!p->give) {
        listen_to(p, samples, count);
        return;
    }
    while (count) {
        size_t room = (size_t)(p->most_samples - p->count);
        size_t taken = count < room ? count : room;
        memcpy(p->samples + p->count, samples, taken * sizeof *samples);
        p->count += (int64_t)taken;
        listen_to(p, samples, taken);
        samples += taken;
        count -= taken;
        cut_when_due(p);
    }
}

bool pieces_end(struct pieces *p)
{
    if (p->give && p->count)
        cut(p, p->count, false);
    return !p->has_failed;
}

bool pieces_are_silent(const struct pieces *p)
{
    return !p->is_heard;
}
