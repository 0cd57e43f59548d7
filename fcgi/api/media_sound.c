#include "api/media_line.h"

#include <unistd.h>

enum {
    NAME_MOST_BYTES = 64,
    PIECE_ARENA_BYTES = MEDIA_PIECE_MOST_BYTES + (64 << 20), /* and what take() makes of it */
};

static const char *const refusals[] = {"format",  "no_sound", "unreadable",
                                       "cut_off", "too_long", "silent"};

static bool is_refusal(str word)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (str_is(word, refusals[i]))
            return true;
    return false;
}

/* -- what came -- */

static err *read_sound(struct media_line *line, struct json_object *answer, struct media_sound *out)
{
    struct media_sound sound = {
        .refused = json_str(answer, "refused"),
        .format = json_str(answer, "format"),
    };
    bool has_duration = json_i64(answer, "duration_ms", &sound.duration_ms);
    bool is_whole = str_empty(sound.refused) ? sound.duration_ms > 0 && !str_empty(sound.format)
                                             : is_refusal(sound.refused);
    if (!has_duration || sound.duration_ms < 0 || !is_whole || sound.format.len > NAME_MOST_BYTES ||
        (!str_empty(sound.format) && !str_consists_of(sound.format, "/_-")))
        return media_not_an_answer(line->arena, json_text(line->arena, answer));
    TRY(media_line_end(line));
    *out = sound;
    return NULL;
}

/* Piece follows piece, from the beginning on. */
static bool read_piece(struct json_object *answer, int64_t size, const struct media_piece *before,
                       struct media_piece *out)
{
    int64_t number;
    if (!json_i64(answer, "piece", &number) || !json_i64(answer, "start_ms", &out->start_ms) ||
        !json_i64(answer, "length_ms", &out->length_ms) ||
        !json_i64(answer, "sounding_ms", &out->sounding_ms) ||
        !json_boolean(answer, "silent", &out->is_silent) ||
        !json_boolean(answer, "noisy", &out->begins_in_noise))
        return false;
    out->number = (int)number;
    return size > 0 && number == before->number + 1 && out->length_ms > 0 &&
           out->sounding_ms >= 0 && out->sounding_ms <= out->length_ms &&
           out->start_ms == before->start_ms + before->length_ms;
}

static err *ask(struct media_line *line, const char *task, int fd,
                const struct media_sound_limits *limits)
{
    lseek(fd, 0, SEEK_SET);
    str request = json_make(line->arena, KV("task", task), KV("bytes", 0),
                            KV("most_ms", limits->most_ms), KV("piece_ms", limits->piece_ms),
                            KV("piece_most_ms", limits->piece_most_ms),
                            KV("whole_ms", limits->whole_ms));
    return media_line_ask(line, request, fd);
}

/* -- the calls -- */

typedef void listener(void *owner, int64_t ms);

static err *measure(struct media_line *line, int fd, const struct media_sound_limits *limits,
                    listener *heard, void *owner, struct media_sound *out)
{
    struct json_object *answer;
    int64_t size, ms;
    TRY(ask(line, "sound", fd, limits));
    for (;;) {
        TRY(media_line_answer(line, 0, &answer, &size));
        if (!json_i64(answer, "heard_ms", &ms))
            return read_sound(line, answer, out);
        if (heard)
            heard(owner, ms);
    }
}

err *media_sound(struct arena *a, const struct media *m, int fd,
                 const struct media_sound_limits *limits, listener *heard, void *owner,
                 struct media_sound *out)
{
    struct media_line line;
    err *e = media_line_open(&line, a, m, MEDIA_SOUND_DEADLINE_MS);
    if (!e)
        e = measure(&line, fd, limits, heard, owner, out);
    media_line_close(&line);
    return e;
}

typedef err *piece_taker(void *owner, struct arena *piece_arena, const struct media_piece *piece);

/* An error of take() may lie in the arena of the piece, which ends with it. */
static err *kept(struct arena *a, const err *e)
{
    if (!e)
        return NULL;
    err *copy = fail_with(a, e->kind, e->code, str_dup(a, e->detail), STR_FMT, STR_ARG(e->message));
    copy->retry_ms = e->retry_ms;
    return copy;
}

static err *split(struct media_line *line, struct arena *piece_arena, int fd,
                  const struct media_sound_limits *limits, piece_taker *take, void *owner,
                  struct media_sound *out)
{
    struct media_piece piece = {.number = -1};
    struct json_object *answer;
    int64_t size;
    TRY(ask(line, "split", fd, limits));
    for (;;) {
        TRY(media_line_answer(line, MEDIA_PIECE_MOST_BYTES, &answer, &size));
        if (!json_has(answer, "piece"))
            return read_sound(line, answer, out);
        struct media_piece next = {0};
        if (!read_piece(answer, size, &piece, &next))
            return media_not_an_answer(line->arena, json_text(line->arena, answer));
        piece = next;
        TRY(media_line_bytes(line, piece_arena, (size_t)size, &piece.flac));
        if (!str_starts(piece.flac, S("fLaC")))
            return media_not_an_answer(line->arena, json_text(line->arena, answer));
        TRY(kept(line->arena, take(owner, piece_arena, &piece)));
        arena_reset(piece_arena);
    }
}

err *media_sound_split(struct arena *a, const struct media *m, int fd,
                       const struct media_sound_limits *limits, piece_taker *take, void *owner,
                       struct media_sound *out)
{
    struct media_line line;
    struct arena *piece_arena = arena_new(PIECE_ARENA_BYTES);
    err *e = media_line_open(&line, a, m, MEDIA_SOUND_DEADLINE_MS);
    if (!e)
        e = split(&line, piece_arena, fd, limits, take, owner, out);
    media_line_close(&line);
    arena_free(piece_arena);
    return e;
}
