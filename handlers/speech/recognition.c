#include "handlers/speech/recognition.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "core/charset.h"
#include "core/log.h"
#include "db/ledger.h"
#include "db/spend.h"
#include "handlers/speech/cues.h"
#include "handlers/speech/speech.h"

enum {
    MINUTE_MS = 60 * 1000,
    /* The whisper family: ten minutes are the ceiling, half of it is what gets a recording through soon. */
    PIECE_MS = 5 * MINUTE_MS,
    PIECE_MOST_MS = 10 * MINUTE_MS,
    /* Models without times stop early on longer ones, and their cues are as long as their pieces. */
    SHORT_PIECE_MS = 75 * 1000,
    SHORT_PIECE_MOST_MS = 2 * MINUTE_MS,
    TEXT_MOST_BYTES = 1 << 20,
    PATIENCE_MS = 24 * 3600 * 1000, /* with a recogniser that is away */
};

/* ---------------------------------------------------------------- the file */

/* Telegram's last word about a file, or one that may change with time. */
static bool is_refused_for_good(const err *e, const char **word)
{
    enum { BAD_REQUEST = 400 };
    size_t at;
    if (e->kind == ERR_INPUT) { /* more than Telegram had said */
        *word = "too_large";
        return true;
    }
    if (e->kind != ERR_UPSTREAM || e->code != BAD_REQUEST ||
        str_find(e->detail, S("temporarily unavailable"), &at))
        return false;
    *word = str_find(e->detail, S("too big"), &at) ? "too_large" : "not_fetched";
    return true;
}

/* refused: the machine word when it cannot be had. */
static err *fetch(struct work *w, const struct transcript *t, int64_t most_bytes, int *file,
                  const char **refused)
{
    const struct telegram *telegram = &w->bot->telegram;
    struct json_object *about;
    err *e = telegram_call(w->arena, telegram, S("getFile"),
                           json_make(w->arena, KV("file_id", t->file_id)), NULL, &about);
    if (!e)
        e = telegram_open(w->arena, telegram, json_str(about, "file_path"), (size_t)most_bytes,
                          file);
    return e && is_refused_for_good(e, refused) ? NULL : e;
}

/* The recording as it was before the step began its outside calls, if it still waits for this step. */
static err *peek(struct work *w, const char *status, struct transcript *t, bool *is_awaited)
{
    err *e = transcript_find(w->db, w->arena, 0, w->job->subject, t);
    *is_awaited = !e && str_is(t->status, status);
    return err_is_not_found(e) ? NULL : e;
}

/* And as it is after them. */
static err *lock(struct work *w, const char *status, struct transcript *t, bool *is_awaited)
{
    err *e = transcript_lock(w->db, w->arena, 0, w->job->subject, t);
    *is_awaited = !e && str_is(t->status, status);
    return err_is_not_found(e) ? NULL : e;
}

static err *fail_step(struct work *w, const struct transcript *t, const char *failure)
{
    w->forget_user_chat_id = t->chat_id;
    return speech_fail(w->db, w->arena, t, "failed", failure);
}

/* ---------------------------------------------------------------- measuring */

static bool gives_times(str model)
{
    return openai_model_gives_times(model);
}

static int64_t cost_of(const struct conf *conf, int64_t ms)
{
    return conf->whisper_minute_cost_microdollars * ms / MINUTE_MS;
}

static struct media_sound_limits limits_of(const struct conf *conf, const struct transcript *t)
{
    bool is_long = gives_times(t->model);
    return (struct media_sound_limits){
        .most_ms = conf->transcription_max_duration_seconds * 1000,
        .piece_ms = is_long ? PIECE_MS : SHORT_PIECE_MS,
        .piece_most_ms = is_long ? PIECE_MOST_MS : SHORT_PIECE_MOST_MS,
        .whole_ms = t->duration_ms,
    };
}

/* Short ones are a present, as long as there are presents today and the day has room for them. */
static err *is_given(struct work *w, const struct transcript *t, bool *is_free)
{
    const struct conf *conf = w->bot->conf;
    int64_t limit = conf->daily_spend_limit_microdollars, total;
    *is_free = t->duration_ms < SPEECH_FREE_MS;
    if (*is_free && limit)
        TRY(spend_admit(w->db, limit, t->cost_microdollars, &total, is_free));
    return *is_free
               ? free_use(w->db, t->user_id, "speech", conf->free_transcriptions_per_day, is_free)
               : NULL;
}

static err *take_measure(struct work *w, struct transcript *t, const struct media_sound *sound)
{
    const struct conf *conf = w->bot->conf;
    t->format = sound->format;
    t->duration_ms = sound->duration_ms;
    t->model = conf->whisper_model;
    t->cost_microdollars = cost_of(conf, t->duration_ms);
    TRY(is_given(w, t, &t->is_free));
    t->price_coins = t->is_free ? 0 : speech_price(conf, t->duration_ms);
    const char *next = t->is_free || !t->price_coins ? "processing" : "quoted";
    TRY(transcript_measured(w->db, t, next));
    log_info("speech.measured", KV("transcript", t->id), KV("format", t->format),
             KV("ms", t->duration_ms), KV("price", t->price_coins));
    t->status = str_from(next);
    if (str_eq(t->status, S("quoted")))
        return speech_queue_tell(w->db, w->arena, t);
    TRY(speech_queue(w->db, w->arena, t, "speech", "speech_split", 0));
    return speech_show(w, t);
}

/* A step that a progress belongs to. */
struct progress {
    struct work *w;
    const struct transcript *t;
};

static void show_heard(void *owner, int64_t ms)
{
    const struct progress *p = owner;
    speech_show_step(p->w, p->t, ms);
}

err *job_speech_probe(struct work *w)
{
    struct transcript t;
    struct media_sound sound = {0};
    bool is_awaited;
    int file;
    const char *refused = NULL;
    TRY(peek(w, "pending", &t, &is_awaited));
    if (!is_awaited)
        return NULL;
    TRY(fetch(w, &t, w->bot->conf->transcription_max_size_bytes, &file, &refused));
    if (!refused) {
        const struct media_sound_limits limits = limits_of(w->bot->conf, &t);
        struct progress progress = {w, &t};
        TRY(media_sound(w->arena, &w->bot->sounds, file, &limits, show_heard, &progress, &sound));
    }
    TRY(lock(w, "pending", &t, &is_awaited));
    if (!is_awaited)
        return NULL;
    if (!refused && !str_empty(sound.refused))
        refused = cstr(w->arena, sound.refused);
    return refused ? fail_step(w, &t, refused) : take_measure(w, &t, &sound);
}

err *give_up_speech_probe(struct work *w)
{
    struct transcript t;
    bool is_awaited;
    bool is_decoders = str_starts(w->job->last_error, S("media:"));
    TRY(lock(w, "pending", &t, &is_awaited));
    return is_awaited ? fail_step(w, &t, is_decoders ? "unreadable" : "not_fetched") : NULL;
}

/* ---------------------------------------------------------------- splitting */

static str object_key_of(struct arena *a, str id, int64_t number)
{
    return str_printf(a, "speech/" STR_FMT "/%" PRId64 ".flac", STR_ARG(id), number);
}

struct cutting {
    struct work *w;
    const struct transcript *t; /* as it was when the cutting began */
    str id;
    struct transcript_piece *pieces;
    size_t count, room;
};

static void keep_piece(struct cutting *c, const struct media_piece *piece, str object_key)
{
    if (c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 16;
        struct transcript_piece *grown = NEW_ARRAY(c->w->arena, struct transcript_piece, room);
        if (c->count)
            memcpy(grown, c->pieces, c->count * sizeof *grown);
        c->pieces = grown;
        c->room = room;
    }
    str bucket = c->w->bot->conf->minio_bucket_transcripts;
    if (str_empty(object_key))
        bucket = (str){0};
    c->pieces[c->count++] = (struct transcript_piece){
        .number = piece->number,
        .start_ms = piece->start_ms,
        .length_ms = piece->length_ms,
        .sounding_ms = piece->sounding_ms,
        .is_silent = piece->is_silent,
        .begins_in_noise = piece->begins_in_noise,
        .bucket = bucket,
        .object_key = object_key,
    };
}

/* A piece in which nothing can be heard is not worth an object: nobody will be asked about it. */
static err *store_piece(void *owner, struct arena *scratch, const struct media_piece *piece)
{
    struct cutting *c = owner;
    const struct bot *bot = c->w->bot;
    str key = {0};
    if (!piece->is_silent) {
        key = object_key_of(c->w->arena, c->id, piece->number);
        TRY(s3_put(scratch, &bot->s3, bot->conf->minio_bucket_transcripts, key, S("audio/flac"),
                   piece->flac));
    }
    keep_piece(c, piece, key);
    int64_t reached_ms = piece->start_ms + piece->length_ms;
    if (reached_ms < c->t->duration_ms) /* the last one is followed by more than that */
        speech_show_step(c->w, c->t, reached_ms);
    return NULL;
}

static err *drop_objects(struct work *w, str id, int64_t count)
{
    for (int64_t n = 0; n < count; n++)
        TRY(job_add_object_delete(w->db, w->arena, w->bot->conf->minio_bucket_transcripts,
                                  object_key_of(w->arena, id, n)));
    return NULL;
}

/* Of the longest recording; a piece has at least three quarters of what it should have. */
static int64_t most_pieces(const struct conf *conf)
{
    int64_t piece_ms = gives_times(conf->whisper_model) ? PIECE_MS : SHORT_PIECE_MS;
    return conf->transcription_max_duration_seconds * 1000 * 4 / 3 / piece_ms + 2;
}

/* An earlier attempt may have stored more than this one, and died. */
static err *drop_stored(struct work *w, size_t stored)
{
    bool is_first = w->job->attempt < 2;
    return drop_objects(w, w->job->subject, is_first ? (int64_t)stored : most_pieces(w->bot->conf));
}

static err *queue_piece(struct work *w, const struct transcript *t, int number)
{
    const struct new_job job = {
        .lane = S("speech"),
        .kind = S("speech_piece"),
        .key = str_printf(w->arena, "speech_piece:" STR_FMT ":%d", STR_ARG(t->id), number),
        .user_id = t->user_id,
        .subject = t->id,
        .payload = json_make(w->arena, KV("piece", number)),
    };
    return job_add(w->db, &job, NULL);
}

/* A few chains of pieces, so that a few are worked on at a time: behind a piece comes the one so many
 * places further on, silent ones are stepped over. */
static err *queue_next(struct work *w, const struct transcript *t,
                       const struct transcript_piece *pieces, size_t count, size_t from)
{
    for (size_t i = from; i < count && !t->is_stopping; i += PIECES_AT_ONCE)
        if (str_eq(pieces[i].status, S("waiting")))
            return queue_piece(w, t, pieces[i].number);
    return NULL;
}

static err *queue_join_when_over(struct work *w, const struct transcript *t,
                                 const struct transcript_piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(pieces[i].status, S("waiting")))
            return NULL;
    return speech_queue(w->db, w->arena, t, "speech", "speech_join", 0);
}

static err *take_pieces(struct work *w, struct transcript *t, struct cutting *c,
                        const struct media_sound *sound)
{
    TRY(transcript_pieces_drop(w->db, t->id));
    for (size_t i = 0; i < c->count; i++) {
        c->pieces[i].status = c->pieces[i].is_silent ? S("done") : S("waiting");
        TRY(transcript_piece_add(w->db, t->id, &c->pieces[i]));
    }
    TRY(transcript_split(w->db, t->id, sound->duration_ms));
    t->pieces = (int)c->count;
    for (size_t i = 0; i < PIECES_AT_ONCE; i++)
        TRY(queue_next(w, t, c->pieces, c->count, i));
    TRY(queue_join_when_over(w, t, c->pieces, c->count));
    log_info("speech.split", KV("transcript", t->id), KV("pieces", t->pieces));
    return speech_show(w, t);
}

err *job_speech_split(struct work *w)
{
    struct transcript t;
    struct media_sound sound = {0};
    struct cutting c = {.w = w, .t = &t, .id = w->job->subject};
    bool is_awaited;
    int file;
    const char *refused = NULL;
    err *e = transcript_find(w->db, w->arena, 0, w->job->subject, &t);
    if (e && !err_is_not_found(e))
        return e;
    if (e || (!str_eq(t.status, S("processing")) && !t.pieces))
        return drop_stored(w, 0);
    if (t.pieces)
        return NULL;
    TRY(transcript_splitting(w->db, t.id, w->bot->conf->minio_bucket_transcripts));
    TRY(db_commit(w->db));
    TRY(fetch(w, &t, w->bot->conf->transcription_max_size_bytes, &file, &refused));
    if (!refused) {
        const struct media_sound_limits limits = limits_of(w->bot->conf, &t);
        TRY(media_sound_split(w->arena, &w->bot->sounds, file, &limits, store_piece, &c, &sound));
    }
    TRY(lock(w, "processing", &t, &is_awaited));
    if (!refused && !str_empty(sound.refused))
        refused = cstr(w->arena, sound.refused);
    if (is_awaited && t.pieces)
        return NULL;
    if (!is_awaited || refused) {
        TRY(drop_stored(w, c.count));
        return is_awaited ? fail_step(w, &t, refused) : NULL;
    }
    return take_pieces(w, &t, &c, &sound);
}

/* What it stored before it died is in no row: more places than it can have used are cleared. */
err *give_up_speech_split(struct work *w)
{
    struct transcript t = {0};
    bool is_awaited;
    TRY(lock(w, "processing", &t, &is_awaited));
    if (t.pieces)
        return NULL;
    TRY(drop_objects(w, w->job->subject, most_pieces(w->bot->conf)));
    return is_awaited ? fail_step(w, &t, "broken") : NULL;
}

/* ---------------------------------------------------------------- recognising */

static str language_hint(const struct transcript *t)
{
    return str_eq(t->speech_language, S("auto")) ? S("") : t->speech_language;
}

/* What was said just before helps with names and with sentences that a cut went through. */
static err *words_before(struct work *w, const struct transcript_piece *piece, str *out)
{
    enum { PROMPT_POINTS = 200 };
    struct transcript_piece before;
    *out = S("");
    if (!piece->number)
        return NULL;
    err *e = transcript_piece_find(w->db, w->arena, w->job->subject, piece->number - 1, &before);
    if (e)
        return err_is_not_found(e) ? NULL : e;
    struct cues cues = cues_read(w->arena, before.cues);
    str text = cues_text(w->arena, &cues);
    size_t points = str_points(text), at = 0;
    while (points > PROMPT_POINTS && at < text.len) {
        at += str_utf8_at(text, at);
        points--;
    }
    *out = str_trim(str_sub(text, at, text.len));
    return NULL;
}

static bool was_for_nothing(const err *e)
{
    return e->kind != ERR_UNKNOWN && e->kind != ERR_INPUT;
}

/* The call, and what it cost where it did. */
static err *ask(struct work *w, const struct transcript *t, const struct transcript_piece *piece,
                const struct openai_recording *recording, struct openai_transcript *heard)
{
    int64_t cost = cost_of(w->bot->conf, piece->length_ms);
    TRY(transcript_piece_asked(w->db, t->id, cost));
    TRY(db_commit(w->db));
    err *e = openai_transcribe(w->arena, &w->bot->openai, recording, heard);
    if (!e || !was_for_nothing(e))
        return e;
    TRY(transcript_piece_not_asked(w->db, t->id, cost));
    TRY(db_commit(w->db));
    return e;
}

/* Models without times may stop in the middle and do not say so. Whoever speaks says two words a second;
 * less than a quarter of that, of what sounds at all, is no speech or not all of it. */
static bool may_be_part(const struct transcript *t, const struct transcript_piece *piece,
                        const struct openai_transcript *heard)
{
    enum { WORDS_PER_MINUTE_LEAST = 30 };
    return !gives_times(t->model) && (int64_t)words_count(heard->text) * MINUTE_MS <
                                         WORDS_PER_MINUTE_LEAST * piece->sounding_ms;
}

/* is_part: also when it was asked about a second time, without the words before, which lead such a model
 * astray at times. */
static err *recognise(struct work *w, const struct transcript *t,
                      const struct transcript_piece *piece, struct openai_transcript *heard,
                      bool *is_part)
{
    struct s3_object object;
    struct openai_recording recording = {
        .model = t->model,
        .file_name = S("piece.flac"),
        .language = language_hint(t),
    };
    TRY(words_before(w, piece, &recording.prompt));
    TRY(s3_get(w->arena, &w->bot->s3, piece->bucket, piece->object_key, MEDIA_PIECE_MOST_BYTES,
               &object));
    recording.bytes = object.bytes;
    TRY(ask(w, t, piece, &recording, heard));
    *is_part = may_be_part(t, piece, heard);
    if (!*is_part)
        return NULL;
    struct openai_transcript again;
    recording.prompt = S("");
    TRY(ask(w, t, piece, &recording, &again));
    if (words_count(again.text) > words_count(heard->text))
        *heard = again;
    *is_part = may_be_part(t, piece, heard);
    if (*is_part)
        log_warn("speech.cut_short", KV("transcript", t->id), KV("piece", piece->number),
                 KV("sounding_ms", piece->sounding_ms), KV("words", words_count(heard->text)));
    return NULL;
}

/* The row of the recording is held. What may be a part of what was said is kept, and nobody pays for it. */
static err *end_piece(struct work *w, struct transcript *t, const struct transcript_piece *piece,
                      const struct openai_transcript *heard, bool is_part)
{
    struct cues cues = {0};
    if (heard)
        cues = cues_heard(w->arena, heard, piece->length_ms);
    int64_t recognised_ms = heard && !is_part ? piece->length_ms : 0;
    TRY(transcript_piece_done(w->db, t->id, piece->number, heard ? "done" : "failed", recognised_ms,
                              heard ? heard->language : S(""), cues_json(w->arena, &cues)));
    struct transcript_piece *pieces;
    size_t count;
    TRY(transcript_pieces(w->db, w->arena, t->id, &pieces, &count));
    TRY(queue_next(w, t, pieces, count, (size_t)piece->number + PIECES_AT_ONCE));
    TRY(queue_join_when_over(w, t, pieces, count));
    t->recognised_ms += recognised_ms;
    return speech_show(w, t);
}

static int piece_number(const struct work *w)
{
    int64_t number = 0;
    json_i64(w->payload, "piece", &number);
    return (int)number;
}

/* The same as peek(), with the piece; wanted: that it waits to be recognised. */
static err *find_piece(struct work *w, struct transcript *t, struct transcript_piece *piece,
                       bool *is_awaited)
{
    TRY(lock(w, "processing", t, is_awaited));
    if (!*is_awaited)
        return NULL;
    err *e = transcript_piece_find(w->db, w->arena, t->id, piece_number(w), piece);
    *is_awaited = !e && str_eq(piece->status, S("waiting"));
    return err_is_not_found(e) ? NULL : e;
}

/* A recording of which the recogniser says that it never will read it is no failure of ours; one that
 * cannot be reached for a day is not waited for any longer. */
static bool is_hopeless(const struct transcript *t, const err *e)
{
    return openai_trouble(e) == OPENAI_REFUSED ||
           (err_is_waiting(e) && t->running_ms > PATIENCE_MS);
}

err *job_speech_piece(struct work *w)
{
    struct transcript t;
    struct transcript_piece piece;
    struct openai_transcript heard;
    bool is_awaited, is_part = false;
    TRY(find_piece(w, &t, &piece, &is_awaited));
    TRY(db_commit(w->db));
    if (!is_awaited || t.is_stopping)
        return NULL;
    err *e = recognise(w, &t, &piece, &heard, &is_part);
    if (e && !is_hopeless(&t, e))
        return e;
    if (e)
        log_err("speech.piece_refused", e, KVS(KV("transcript", t.id), KV("piece", piece.number)));
    TRY(find_piece(w, &t, &piece, &is_awaited));
    if (!is_awaited)
        return NULL;
    return end_piece(w, &t, &piece, e ? NULL : &heard, is_part);
}

err *give_up_speech_piece(struct work *w)
{
    struct transcript t;
    struct transcript_piece piece;
    bool is_awaited;
    TRY(find_piece(w, &t, &piece, &is_awaited));
    return is_awaited ? end_piece(w, &t, &piece, NULL, false) : NULL;
}

/* ---------------------------------------------------------------- putting together */

/* The one that most of the time is spoken in. */
static str language_of_most(const struct transcript_piece *pieces, size_t count)
{
    str best = S("");
    int64_t most = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t ms = 0;
        for (size_t n = 0; n < count; n++)
            if (str_eq(pieces[n].language, pieces[i].language))
                ms += pieces[n].length_ms;
        if (!str_empty(pieces[i].language) && ms > most) {
            most = ms;
            best = pieces[i].language;
        }
    }
    return best;
}

static bool has_failed_piece(const struct transcript_piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(pieces[i].status, S("failed")))
            return true;
    return false;
}

/* Minutes that were recognised, at the price of a minute when the user agreed to it. */
static int64_t charge(const struct transcript *t)
{
    int64_t minutes = speech_minutes(t->duration_ms);
    int64_t coins = minutes ? speech_minutes(t->recognised_ms) * t->price_coins / minutes : 0;
    return coins < t->price_coins ? coins : t->price_coins;
}

static err *settle(struct work *w, const struct transcript *t)
{
    str hold = speech_key(w->arena, t->id);
    if (!t->price_coins)
        return NULL;
    return t->charged_coins ? ledger_capture(w->db, hold, t->charged_coins, NULL)
                            : ledger_release(w->db, hold, S("cut_short"), NULL);
}

static err *complete(struct work *w, struct transcript *t)
{
    t->charged_coins = charge(t);
    TRY(transcript_complete(w->db, t));
    TRY(settle(w, t));
    w->forget_user_chat_id = t->chat_id;
    log_info("speech.completed", KV("transcript", t->id), KV("words", t->words),
             KV("charged", t->charged_coins));
    return speech_queue(w->db, w->arena, t, "send", "transcript_deliver", 0);
}

err *job_speech_join(struct work *w)
{
    struct transcript t;
    struct transcript_piece *pieces;
    size_t count;
    bool is_awaited;
    TRY(lock(w, "processing", &t, &is_awaited));
    if (!is_awaited)
        return NULL;
    TRY(transcript_pieces(w->db, w->arena, t.id, &pieces, &count));
    struct cues cues = cues_join(w->arena, pieces, count);
    t.text = cues_text(w->arena, &cues);
    t.words = words_count(t.text);
    if (!t.words)
        return fail_step(w, &t, has_failed_piece(pieces, count) ? "upstream" : "no_words");
    t.cues = cues_json(w->arena, &cues);
    t.spoken_language = language_of_most(pieces, count);
    return complete(w, &t);
}

err *give_up_speech_join(struct work *w)
{
    struct transcript t;
    bool is_awaited;
    TRY(lock(w, "processing", &t, &is_awaited));
    return is_awaited ? fail_step(w, &t, "broken") : NULL;
}

/* ---------------------------------------------------------------- texts */

static void unmap(void *mapping)
{
    str *bytes = mapping;
    munmap((void *)(uintptr_t)bytes->ptr, bytes->len);
}

static str map_file(struct arena *a, int file)
{
    struct stat about;
    if (fstat(file, &about) || about.st_size < 1)
        return S("");
    void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED)
        return S("");
    str *mapping = NEW(a, str);
    *mapping = (str){bytes, (size_t)about.st_size};
    arena_defer(a, unmap, mapping);
    return *mapping; // cppcheck-suppress memleak; the arena unmaps it
}

static const char *read_text(struct work *w, int file, struct transcript *t)
{
    if (!charset_to_utf8(w->arena, map_file(w->arena, file), &t->text))
        return "no_text";
    t->text = str_trim(t->text);
    t->words = words_count(t->text);
    return t->words ? NULL : "no_text";
}

err *job_speech_text(struct work *w)
{
    struct transcript t;
    bool is_awaited;
    int file;
    const char *refused = NULL;
    TRY(peek(w, "pending", &t, &is_awaited));
    if (!is_awaited)
        return NULL;
    TRY(fetch(w, &t, TEXT_MOST_BYTES, &file, &refused));
    TRY(lock(w, "pending", &t, &is_awaited));
    if (!is_awaited)
        return NULL;
    if (!refused)
        refused = read_text(w, file, &t);
    return refused ? fail_step(w, &t, refused) : complete(w, &t);
}
