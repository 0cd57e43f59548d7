#include "media/sound.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <math.h>
#include <unistd.h>

#include "media/pieces.h"

/* What phones, recorders and messengers make. A list of addresses (m3u8), a second file that a first
 * one names, and whatever else can be opened by being looked at is not among them. */
static const char formats[] = "ogg,mp3,wav,mov,matroska,flac,aac,amr,aiff,caf,avi";
static const char codecs[] = "opus,vorbis,mp3float,mp3,mp2float,mp2,aac,alac,flac,amrnb,amrwb,"
                             "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,"
                             "pcm_f32le,pcm_f32be,pcm_u8,pcm_s8,pcm_alaw,pcm_mulaw,adpcm_ms,"
                             "adpcm_ima_wav,adpcm_ima_qt,ac3,eac3,gsm_ms";

enum {
    BLOCK_BYTES = 64 << 10,
    LOOKED_AT_BYTES = 2 << 20, /* before it is known what the streams are */
    LOOKED_AT_US = 5000000,
    SURE_SCORE = 25,    /* below it libavformat has guessed by the name or by chance */
    CUT_OFF_MS = 3000,  /* less is lost in any container */
    CUT_OFF_SHARE = 20, /* a twentieth: what was estimated is never exact */
    US_OF_MS = 1000,
};

struct reader {
    struct arena *arena;
    int fd;
    AVIOContext *source;
    AVFormatContext *format;
    AVStream *stream;
    AVCodecContext *decoder;
    SwrContext *mixer;
    int64_t most_samples, samples;
    void (*heard)(void *owner, int64_t ms);
    void *owner;
    int64_t heard_ms; /* and told */
    struct pieces *pieces;
    int16_t *mixed;
    int mixed_room;
};

static err *refused(struct arena *a, const char *word)
{
    return fail(a, ERR_REFUSED, "%s", word);
}

/* -- the file -- */

static int read_file(void *owner, uint8_t *into, int room)
{
    ssize_t n = read(*(int *)owner, into, (size_t)room);
    return n > 0 ? (int)n : n == 0 ? AVERROR_EOF : AVERROR(errno);
}

static int64_t seek_file(void *owner, int64_t to, int whence)
{
    int fd = *(int *)owner;
    if (whence == AVSEEK_SIZE) {
        off_t at = lseek(fd, 0, SEEK_CUR), size = lseek(fd, 0, SEEK_END);
        return lseek(fd, at, SEEK_SET) < 0 ? AVERROR(EIO) : size;
    }
    off_t at = lseek(fd, to, whence & ~AVSEEK_FORCE);
    return at < 0 ? AVERROR(errno) : at;
}

/* Nothing that a file names is ever opened. */
static int open_nothing(AVFormatContext *format, AVIOContext **out, const char *url, int flags,
                        AVDictionary **options)
{
    (void)format, (void)url, (void)flags, (void)options;
    *out = NULL;
    return AVERROR(EPERM);
}

static void close_reader(void *thing)
{
    struct reader *r = thing;
    swr_free(&r->mixer);
    avcodec_free_context(&r->decoder);
    avformat_close_input(&r->format);
    if (r->source)
        av_freep(&r->source->buffer);
    avio_context_free(&r->source);
    av_freep(&r->mixed);
}

/* libavformat is content with a WAV that is shorter than it says. One that was written into a pipe says
 * that it has no end. */
static bool is_wav_cut_off(int fd)
{
    enum { HEADER_BYTES = 12, SIZE_AT = 4, SLACK_BYTES = 32 << 10 };
    unsigned char h[HEADER_BYTES];
    off_t size = lseek(fd, 0, SEEK_END);
    bool is_read = lseek(fd, 0, SEEK_SET) == 0 && read(fd, h, sizeof h) == (ssize_t)sizeof h;
    lseek(fd, 0, SEEK_SET);
    if (!is_read || memcmp(h, "RIFF", 4) != 0 || memcmp(h + 8, "WAVE", 4) != 0)
        return false;
    uint32_t told = (uint32_t)h[SIZE_AT] | (uint32_t)h[SIZE_AT + 1] << 8 |
                    (uint32_t)h[SIZE_AT + 2] << 16 | (uint32_t)h[SIZE_AT + 3] << 24;
    return told != 0 && told < UINT32_MAX - SLACK_BYTES && told > size + SLACK_BYTES;
}

static err *open_format(struct reader *r)
{
    if (is_wav_cut_off(r->fd))
        return refused(r->arena, "cut_off");
    r->source = avio_alloc_context(av_malloc(BLOCK_BYTES), BLOCK_BYTES, 0, &r->fd, read_file, NULL,
                                   seek_file);
    r->format = avformat_alloc_context();
    if (!r->source || !r->format)
        return refused(r->arena, "unreadable");
    r->format->pb = r->source;
    r->format->io_open = open_nothing;
    r->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    r->format->probesize = LOOKED_AT_BYTES;
    r->format->max_analyze_duration = LOOKED_AT_US;
    r->format->format_whitelist = av_strdup(formats);
    r->format->codec_whitelist = av_strdup(codecs);
    if (avformat_open_input(&r->format, "", NULL, NULL) < 0 || r->format->probe_score < SURE_SCORE)
        return refused(r->arena, "format");
    if (avformat_find_stream_info(r->format, NULL) < 0)
        return refused(r->arena, "unreadable");
    return NULL;
}

/* A name of the list, between commas. */
static bool is_listed(const char *name)
{
    str rest = str_from(codecs), one;
    while (!str_empty(rest)) {
        str_cut(rest, ',', &one, &rest);
        if (str_is(one, name))
            return true;
    }
    return false;
}

/* The list says which of several decoders of a codec is ours. */
static const AVCodec *decoder_of(enum AVCodecID id)
{
    void *position = NULL;
    const AVCodec *codec;
    while ((codec = av_codec_iterate(&position)))
        if (codec->id == id && av_codec_is_decoder(codec) && is_listed(codec->name))
            return codec;
    return NULL;
}

static err *open_decoder(struct reader *r)
{
    int best = av_find_best_stream(r->format, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    if (best < 0)
        return refused(r->arena, r->format->nb_streams ? "no_sound" : "unreadable");
    r->stream = r->format->streams[best];
    for (unsigned i = 0; i < r->format->nb_streams; i++)
        if ((int)i != best)
            r->format->streams[i]->discard = AVDISCARD_ALL;

    const AVCodec *codec = decoder_of(r->stream->codecpar->codec_id);
    if (!codec)
        return refused(r->arena, "format");
    r->decoder = avcodec_alloc_context3(codec);
    if (!r->decoder || avcodec_parameters_to_context(r->decoder, r->stream->codecpar) < 0)
        return refused(r->arena, "unreadable");
    r->decoder->thread_count = 1;
    r->decoder->pkt_timebase = r->stream->time_base;
    return avcodec_open2(r->decoder, codec, NULL) < 0 ? refused(r->arena, "unreadable") : NULL;
}

/* -- samples -- */

/* Frames of one file may change their shape on the way: the mixer is made anew then. */
static bool make_mixer(struct reader *r, const AVFrame *frame)
{
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO, from = {0};
    if (frame->ch_layout.nb_channels < 1 || frame->sample_rate < 1)
        return false;
    if (frame->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
        av_channel_layout_default(&from, frame->ch_layout.nb_channels);
    else if (av_channel_layout_copy(&from, &frame->ch_layout) < 0)
        return false;
    swr_free(&r->mixer);
    int error = swr_alloc_set_opts2(&r->mixer, &mono, AV_SAMPLE_FMT_S16, MEDIA_SOUND_HERTZ, &from,
                                    frame->format, frame->sample_rate, 0, NULL);
    av_channel_layout_uninit(&from);
    return error >= 0 && swr_init(r->mixer) >= 0;
}

static bool mixer_fits(const struct reader *r, const AVFrame *frame)
{
    int64_t rate = 0, format = 0;
    if (!r->mixer)
        return false;
    av_opt_get_int(r->mixer, "in_sample_rate", 0, &rate);
    av_opt_get_int(r->mixer, "in_sample_fmt", 0, &format);
    AVChannelLayout layout = {0};
    av_opt_get_chlayout(r->mixer, "in_chlayout", 0, &layout);
    bool fits = rate == frame->sample_rate && format == frame->format &&
                layout.nb_channels == frame->ch_layout.nb_channels;
    av_channel_layout_uninit(&layout);
    return fits;
}

static int64_t ms_of(int64_t samples)
{
    return samples * 1000 / MEDIA_SOUND_HERTZ;
}

static void tell_how_far(struct reader *r)
{
    if (!r->heard || ms_of(r->samples) < r->heard_ms + SOUND_HEARD_EVERY_MS)
        return;
    r->heard_ms += SOUND_HEARD_EVERY_MS;
    r->heard(r->owner, r->heard_ms);
}

/* frame NULL: what is left in the mixer. */
static bool mix(struct reader *r, const AVFrame *frame)
{
    if (frame ? !mixer_fits(r, frame) && !make_mixer(r, frame) : !r->mixer)
        return false;
    int room = swr_get_out_samples(r->mixer, frame ? frame->nb_samples : 0);
    if (room <= 0)
        return room == 0;
    if (room > r->mixed_room) {
        av_freep(&r->mixed);
        r->mixed = av_malloc((size_t)room * sizeof *r->mixed);
        r->mixed_room = r->mixed ? room : 0;
    }
    if (!r->mixed)
        return false;
    uint8_t *into[] = {(uint8_t *)r->mixed};
    const uint8_t **from = frame ? (const uint8_t **)(void *)frame->extended_data : NULL;
    int count = swr_convert(r->mixer, into, room, from, frame ? frame->nb_samples : 0);
    if (count < 0)
        return false;
    r->samples += count;
    pieces_hear(r->pieces, r->mixed, (size_t)count);
    tell_how_far(r);
    return true;
}

/* Broken parts are left out; how much is left is what counts in the end. */
static void take_frames(struct reader *r, AVFrame *frame)
{
    while (r->samples <= r->most_samples && avcodec_receive_frame(r->decoder, frame) >= 0) {
        mix(r, frame);
        av_frame_unref(frame);
    }
}

static void decode(struct reader *r)
{
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    while (packet && frame && r->samples <= r->most_samples) {
        int error = av_read_frame(r->format, packet);
        if (error == AVERROR(EAGAIN))
            continue;
        if (error < 0)
            break;
        if (packet->stream_index == r->stream->index &&
            avcodec_send_packet(r->decoder, packet) >= 0)
            take_frames(r, frame);
        av_packet_unref(packet);
    }
    if (frame && avcodec_send_packet(r->decoder, NULL) >= 0)
        take_frames(r, frame);
    mix(r, NULL);
    av_frame_free(&frame);
    av_packet_free(&packet);
}

/* -- judging -- */

/* 0 when it does not. A film may be longer than its sound. */
static int64_t told_ms(const struct reader *r)
{
    if (r->stream->duration > 0)
        return av_rescale_q(r->stream->duration, r->stream->time_base, (AVRational){1, 1000});
    bool is_guess = r->format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE ||
                    r->format->nb_streams > 1;
    return is_guess || r->format->duration <= 0 ? 0 : r->format->duration / US_OF_MS;
}

/* A container that tells its length knows it; where it does not, the end is wherever the file ends. */
static bool is_cut_off(const struct reader *r, int64_t decoded_ms)
{
    int64_t told = told_ms(r);
    return told - decoded_ms > CUT_OFF_MS && told - decoded_ms > told / CUT_OFF_SHARE;
}

static err *judge(const struct reader *r, const struct media_sound_limits *limits,
                  const struct media_sound *sound)
{
    if (r->samples > r->most_samples)
        return refused(r->arena, "too_long");
    if (sound->duration_ms < 1)
        return refused(r->arena, "unreadable");
    if (is_cut_off(r, sound->duration_ms))
        return refused(r->arena, told_ms(r) > limits->most_ms ? "too_long" : "cut_off");
    return pieces_are_silent(r->pieces) ? refused(r->arena, "silent") : NULL;
}

/* "mov,mp4,m4a,3gp,3g2,mj2" is the one name of a format: its first word will do. */
static str format_name(const struct reader *r)
{
    str first, rest;
    str_cut(str_from(r->format->iformat->name), ',', &first, &rest);
    return str_printf(r->arena, STR_FMT "/%s", STR_ARG(first),
                      avcodec_get_name(r->stream->codecpar->codec_id));
}

static err *read_sound(struct reader *r, const struct media_sound_limits *limits,
                       struct media_sound *out)
{
    TRY(open_format(r));
    TRY(open_decoder(r));
    out->format = format_name(r);
    r->most_samples = limits->most_ms * (MEDIA_SOUND_HERTZ / 1000);
    decode(r);
    out->duration_ms = ms_of(r->samples);
    return judge(r, limits, out);
}

static void run(const struct reader *wanted, const struct media_sound_limits *limits,
                struct media_sound *out)
{
    struct reader *r = NEW(wanted->arena, struct reader);
    *r = *wanted;
    arena_defer(r->arena, close_reader, r);
    *out = (struct media_sound){0};
    const err *e = read_sound(r, limits, out);
    if (e)
        out->refused = e->message;
    else if (!pieces_end(r->pieces))
        out->refused = S("unreadable");
}

void sound_split(struct arena *a, int fd, const struct media_sound_limits *limits,
                 void (*give)(void *owner, const struct media_piece *piece), void *owner,
                 struct media_sound *out)
{
    const struct reader reader = {
        .arena = a, .fd = fd, .pieces = pieces_new(a, limits, give, owner)};
    run(&reader, limits, out);
}

void sound_measure(struct arena *a, int fd, const struct media_sound_limits *limits,
                   void (*heard)(void *owner, int64_t ms), void *owner, struct media_sound *out)
{
    const struct reader reader = {.arena = a,
                                  .fd = fd,
                                  .heard = heard,
                                  .owner = owner,
                                  .pieces = pieces_new(a, limits, NULL, NULL)};
    run(&reader, limits, out);
}

bool sound_init(void)
{
    av_log_set_level(AV_LOG_QUIET);
    return true;
}
