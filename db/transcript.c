#include "db/transcript.h"

#include "db/queries.h"

/* ---------------------------------------------------------------- transcripts */

static void read_transcript(const struct rows *rows, struct transcript *out)
{
    *out = (struct transcript){
        .id = rows_str(rows, 0, "id"),
        .number = rows_i64(rows, 0, "number"),
        .user_id = rows_i64(rows, 0, "user_id"),
        .chat_id = rows_i64(rows, 0, "chat_id"),
        .message_id = rows_i64(rows, 0, "message_id"),
        .language = rows_str(rows, 0, "language"),
        .speech_language = rows_str(rows, 0, "speech_language"),
        .source = rows_str(rows, 0, "source"),
        .name = rows_str(rows, 0, "name"),
        .file_id = rows_str(rows, 0, "file_id"),
        .file_size_bytes = rows_i64(rows, 0, "file_size"),
        .status = rows_str(rows, 0, "status"),
        .failure = rows_str(rows, 0, "failure"),
        .is_stopping = rows_bool(rows, 0, "is_stopping"),
        .format = rows_str(rows, 0, "format"),
        .duration_ms = rows_i64(rows, 0, "duration_ms"),
        .price_coins = rows_i64(rows, 0, "price"),
        .charged_coins = rows_i64(rows, 0, "charged"),
        .is_free = rows_bool(rows, 0, "is_free"),
        .model = rows_str(rows, 0, "model"),
        .cost_microdollars = rows_i64(rows, 0, "cost_microdollars"),
        .pieces = (int)rows_i64(rows, 0, "pieces"),
        .recognised_ms = rows_i64(rows, 0, "recognised_ms"),
        .spoken_language = rows_str(rows, 0, "spoken_language"),
        .words = (int)rows_i64(rows, 0, "words"),
        .text = rows_str(rows, 0, "text"),
        .cues = rows_str(rows, 0, "cues"),
        .running_ms = rows_i64(rows, 0, "running_ms"),
        .created_at_ms = rows_i64(rows, 0, "created_at_ms"),
        .utc_offset_minutes = (int)rows_i64(rows, 0, "utc_offset_minutes"),
    };
}

static err *read_one(struct db *db, struct arena *a, const struct query *query, int64_t user_id,
                     str id, struct transcript *out)
{
    struct rows rows = {0};
    if (str_is_uuid(id))
        TRY(db_query(db, query, &rows, V(user_id), V(id)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "no such transcript");
    read_transcript(&rows, out);
    return NULL;
}

err *transcript_add(struct db *db, const struct transcript *t, int64_t most, bool *added)
{
    struct rows rows;
    TRY(db_query(db, &Q_transcript_add, &rows, V(t->id), V(t->user_id), V(t->chat_id),
                 V(t->message_id), V(t->language), V(t->source), V(t->name), V(t->file_id),
                 V(t->file_size_bytes), V(most), V(t->created_at_ms)));
    *added = rows.count > 0;
    return NULL;
}

err *transcript_find(struct db *db, struct arena *a, int64_t user_id, str id,
                     struct transcript *out)
{
    return read_one(db, a, &Q_transcript_find, user_id, id, out);
}

err *transcript_lock(struct db *db, struct arena *a, int64_t user_id, str id,
                     struct transcript *out)
{
    return read_one(db, a, &Q_transcript_lock, user_id, id, out);
}

err *transcript_measured(struct db *db, const struct transcript *t, const char *status)
{
    return db_query(db, &Q_transcript_measured, NULL, V(t->id), V(status), V(t->format),
                    V(t->duration_ms), V(t->price_coins), V(t->is_free), V(t->model),
                    V(t->cost_microdollars));
}

err *transcript_start(struct db *db, str id, int64_t price_coins, int64_t chat_id)
{
    return db_query(db, &Q_transcript_start, NULL, V(id), V(price_coins), V(chat_id));
}

err *transcript_stop(struct db *db, str id)
{
    return db_query(db, &Q_transcript_stop, NULL, V(id));
}

err *transcript_end(struct db *db, str id, const char *status, const char *failure)
{
    return db_query(db, &Q_transcript_end, NULL, V(id), V(status), V(failure));
}

err *transcript_complete(struct db *db, const struct transcript *t)
{
    return db_query(db, &Q_transcript_complete, NULL, V(t->id), V(t->text), V(t->cues), V(t->words),
                    V(t->spoken_language), V(t->charged_coins));
}

err *transcript_rename(struct db *db, int64_t user_id, str id, str name)
{
    return db_query(db, &Q_transcript_rename, NULL, V(user_id), V(id), V(name));
}

err *transcript_delete(struct db *db, int64_t user_id, str id)
{
    return db_query(db, &Q_transcript_delete, NULL, V(user_id), V(id));
}

err *transcript_pace(struct db *db, str model, double *pace)
{
    struct rows rows;
    TRY(db_query(db, &Q_transcript_pace, &rows, V(model)));
    *pace = rows_double(&rows, 0, "pace");
    return NULL;
}

/* ---------------------------------------------------------------- pieces */

static void read_piece(const struct rows *rows, int row, struct transcript_piece *out)
{
    *out = (struct transcript_piece){
        .number = (int)rows_i64(rows, row, "number"),
        .start_ms = rows_i64(rows, row, "start_ms"),
        .length_ms = rows_i64(rows, row, "length_ms"),
        .sounding_ms = rows_i64(rows, row, "sounding_ms"),
        .is_silent = rows_bool(rows, row, "is_silent"),
        .begins_in_noise = rows_bool(rows, row, "begins_in_noise"),
        .bucket = rows_str(rows, row, "bucket"),
        .object_key = rows_str(rows, row, "object_key"),
        .status = rows_str(rows, row, "status"),
        .language = rows_str(rows, row, "language"),
        .cues = rows_str(rows, row, "cues"),
    };
}

err *transcript_pieces_drop(struct db *db, str id)
{
    return db_query(db, &Q_transcript_pieces_drop, NULL, V(id));
}

err *transcript_piece_add(struct db *db, str id, const struct transcript_piece *piece)
{
    return db_query(db, &Q_transcript_piece_add, NULL, V(id), V(piece->number), V(piece->start_ms),
                    V(piece->length_ms), V(piece->is_silent), V(piece->begins_in_noise),
                    V(piece->bucket), V(piece->object_key), V(piece->sounding_ms));
}

err *transcript_splitting(struct db *db, str id, str bucket)
{
    return db_query(db, &Q_transcript_splitting, NULL, V(id), V(bucket));
}

err *transcript_split(struct db *db, str id, int64_t duration_ms)
{
    return db_query(db, &Q_transcript_split, NULL, V(id), V(duration_ms));
}

err *transcript_piece_find(struct db *db, struct arena *a, str id, int number,
                           struct transcript_piece *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_transcript_piece_find, &rows, V(id), V(number)));
    if (!rows.count)
        return fail(a, ERR_NOT_FOUND, "no such piece");
    read_piece(&rows, 0, out);
    return NULL;
}

err *transcript_pieces(struct db *db, struct arena *a, str id, struct transcript_piece **pieces,
                       size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_transcript_pieces, &rows, V(id)));
    *count = (size_t)rows.count;
    *pieces = NEW_ARRAY(a, struct transcript_piece, rows.count + 1);
    for (int i = 0; i < rows.count; i++)
        read_piece(&rows, i, &(*pieces)[i]);
    return NULL;
}

err *transcript_piece_asked(struct db *db, str id, int64_t cost_microdollars)
{
    return db_query(db, &Q_transcript_piece_asked, NULL, V(id), V(cost_microdollars));
}

err *transcript_piece_not_asked(struct db *db, str id, int64_t cost_microdollars)
{
    return db_query(db, &Q_transcript_piece_not_asked, NULL, V(id), V(cost_microdollars));
}

err *transcript_piece_done(struct db *db, str id, int number, const char *status,
                           int64_t recognised_ms, str language, str cues)
{
    return db_query(db, &Q_transcript_piece_done, NULL, V(id), V(number), V(status), V(language),
                    V(cues), V(recognised_ms));
}

/* ---------------------------------------------------------------- history */

static void read_lines(struct arena *a, const struct rows *rows, bool is_upwards,
                       struct transcript_line **lines, size_t *count)
{
    *count = (size_t)rows->count;
    *lines = NEW_ARRAY(a, struct transcript_line, rows->count + 1);
    for (int i = 0; i < rows->count; i++) {
        int row = is_upwards ? rows->count - 1 - i : i;
        (*lines)[i] = (struct transcript_line){
            .id = rows_str(rows, row, "id"),
            .number = rows_i64(rows, row, "number"),
            .name = rows_str(rows, row, "name"),
            .source = rows_str(rows, row, "source"),
            .duration_ms = rows_i64(rows, row, "duration_ms"),
            .words = (int)rows_i64(rows, row, "words"),
            .created_at_ms = rows_i64(rows, row, "created_at_ms"),
        };
    }
}

err *transcripts_page(struct db *db, struct arena *a, int64_t user_id, int64_t before, str words,
                      int limit, struct transcript_line **lines, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_transcripts_page, &rows, V(user_id), V(before), V(words), V(limit)));
    read_lines(a, &rows, false, lines, count);
    return NULL;
}

err *transcripts_page_back(struct db *db, struct arena *a, int64_t user_id, int64_t after,
                           str words, int limit, struct transcript_line **lines, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_transcripts_page_back, &rows, V(user_id), V(after), V(words), V(limit)));
    read_lines(a, &rows, true, lines, count);
    return NULL;
}

err *transcripts_count(struct db *db, int64_t user_id, str words, int64_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_transcripts_count, &rows, V(user_id), V(words)));
    *count = rows_i64(&rows, 0, "n");
    return NULL;
}

err *transcript_speech_language(struct db *db, int64_t user_id, str *language)
{
    struct rows rows;
    TRY(db_query(db, &Q_transcript_speech_language, &rows, V(user_id)));
    *language = rows.count ? rows_str(&rows, 0, "speech_language") : S("auto");
    return NULL;
}

err *transcript_set_speech_language(struct db *db, int64_t user_id, str language)
{
    return db_query(db, &Q_transcript_set_speech_language, NULL, V(user_id), V(language));
}

/* ---------------------------------------------------------------- notes */

static err *read_note(struct arena *a, const struct rows *rows, struct note *out)
{
    if (!rows->count)
        return fail(a, ERR_NOT_FOUND, "no such note");
    *out = (struct note){
        .kind = rows_str(rows, 0, "kind"),
        .chat_id = rows_i64(rows, 0, "chat_id"),
        .language = rows_str(rows, 0, "language"),
        .status = rows_str(rows, 0, "status"),
        .parts = rows_str(rows, 0, "parts"),
        .text = rows_str(rows, 0, "text"),
    };
    return NULL;
}

err *note_add(struct db *db, str transcript_id, const struct note *note, bool *added)
{
    struct rows rows;
    TRY(db_query(db, &Q_note_add, &rows, V(transcript_id), V(note->kind), V(note->chat_id),
                 V(note->language)));
    *added = rows.count > 0;
    return NULL;
}

err *note_find(struct db *db, struct arena *a, int64_t user_id, str transcript_id, str kind,
               struct note *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_note_find, &rows, V(user_id), V(transcript_id), V(kind)));
    return read_note(a, &rows, out);
}

err *note_lock(struct db *db, struct arena *a, str transcript_id, str kind, struct note *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_note_lock, &rows, V(transcript_id), V(kind)));
    return read_note(a, &rows, out);
}

err *note_keep_part(struct db *db, str transcript_id, str kind, str part)
{
    return db_query(db, &Q_note_keep_part, NULL, V(transcript_id), V(kind), V(part));
}

err *note_end(struct db *db, str transcript_id, str kind, const char *status, str text)
{
    return db_query(db, &Q_note_end, NULL, V(transcript_id), V(kind), V(status), V(text));
}

err *note_asked(struct db *db, str model, int64_t cost_microdollars)
{
    return db_query(db, &Q_note_asked, NULL, V(model), V(cost_microdollars));
}
