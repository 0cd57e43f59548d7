#include "handlers/speech/cues.h"

enum {
    PARAGRAPH_PAUSE_MS = 2000,
    PARAGRAPH_POINTS = 500,
    PARAGRAPH_POINTS_MOST = 900, /* from here on also without the end of a sentence */
    SUBTITLE_POINTS = 42,        /* of a line: what is read at a glance */
    SEAM_WORDS_MOST = 4,
    HOUR_MS = 3600 * 1000,
    MINUTE_MS = 60 * 1000,
};

/* Beyond both of these the recogniser made it up. */
static const double no_speech_most = 0.6, log_probability_least = -1;

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* ---------------------------------------------------------------- of a piece */

static bool is_made_up(const struct openai_segment *s)
{
    return s->no_speech > no_speech_most && s->log_probability < log_probability_least;
}

struct cues cues_heard(struct arena *a, const struct openai_transcript *heard, int64_t length_ms)
{
    struct cues cues = {.items = NEW_ARRAY(a, struct cue, heard->segment_count + 1)};
    for (size_t i = 0; i < heard->segment_count; i++) {
        const struct openai_segment *s = &heard->segments[i];
        if (is_made_up(s))
            continue;
        int64_t start = s->start_ms < length_ms ? s->start_ms : length_ms;
        int64_t end = s->end_ms < length_ms ? s->end_ms : length_ms;
        cues.items[cues.count++] = (struct cue){start, end, s->text};
    }
    if (!heard->segment_count && !str_empty(heard->text))
        cues.items[cues.count++] = (struct cue){0, length_ms, heard->text};
    return cues;
}

str cues_json(struct arena *a, const struct cues *cues)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < cues->count; i++) {
        const struct cue *cue = &cues->items[i];
        buf_add_char(&b, i ? ',' : '[');
        json_put_object(&b, KVS(KV("s", cue->start_ms), KV("e", cue->end_ms), KV("t", cue->text)));
    }
    if (cues->count)
        buf_add_char(&b, ']');
    return buf_str(&b);
}

struct cues cues_read(struct arena *a, str json)
{
    struct json_object *list = NULL;
    if (str_empty(json) || json_parse(a, json, &list))
        return (struct cues){0};
    struct cues cues = {.items = NEW_ARRAY(a, struct cue, json_length(list) + 1)};
    for (size_t i = 0; i < json_length(list); i++) {
        struct json_object *row = json_item(list, i);
        struct cue cue = {.text = json_str(row, "t")};
        if (json_i64(row, "s", &cue.start_ms) && json_i64(row, "e", &cue.end_ms) &&
            !str_empty(cue.text))
            cues.items[cues.count++] = cue;
    }
    return cues;
}

/* ---------------------------------------------------------------- of the whole */

static str next_word(str text, str *rest)
{
    size_t from = 0;
    while (from < text.len && is_blank(text.ptr[from]))
        from++;
    size_t to = from;
    while (to < text.len && !is_blank(text.ptr[to]))
        to++;
    *rest = str_sub(text, to, text.len);
    return str_sub(text, from, to - from);
}

static bool is_mark_byte(char c)
{
    bool is_letter = (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                     (c >= 'A' && c <= 'Z');
    return !is_letter;
}

/* Dashes, dots and quotes that are no ASCII. */
static const char *const long_marks[] = {"—", "–", "…", "«", "»", "“", "”", "„", "’"};

/* How many bytes the mark has with which a word begins, or ends; 0: it is a letter. */
static size_t mark_at_edge(str word, bool is_end)
{
    if (str_empty(word))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(long_marks); i++) {
        str mark = str_from(long_marks[i]);
        if (is_end ? str_ends(word, mark) : str_starts(word, mark))
            return mark.len;
    }
    return is_mark_byte(word.ptr[is_end ? word.len - 1 : 0]);
}

/* Without the marks around it. */
static str bare(str word)
{
    for (size_t n; (n = mark_at_edge(word, false)) > 0;)
        word = str_sub(word, n, word.len);
    for (size_t n; (n = mark_at_edge(word, true)) > 0;)
        word.len -= n;
    return word;
}

/* Cyrillic letters differ in case by known steps. */
static str folded(struct arena *a, str word)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.ptr[i];
        unsigned char next = i + 1 < word.len ? (unsigned char)word.ptr[i + 1] : 0;
        if (c >= 'A' && c <= 'Z') {
            buf_add_char(&b, (char)(c - 'A' + 'a'));
        } else if (c == 0xD0 && next >= 0x90 && next <= 0x9F) { /* А…П */
            buf_add_char(&b, (char)0xD0);
            buf_add_char(&b, (char)(next + 0x20));
            i++;
        } else if (c == 0xD0 && next >= 0xA0 && next <= 0xAF) { /* Р…Я */
            buf_add_char(&b, (char)0xD1);
            buf_add_char(&b, (char)(next - 0x20));
            i++;
        } else {
            buf_add_char(&b, (char)c);
        }
    }
    return buf_str(&b);
}

static size_t split_words(str text, str *words, size_t most)
{
    size_t count = 0;
    str rest = text;
    for (str word = next_word(rest, &rest); word.len && count < most; word = next_word(rest, &rest))
        words[count++] = word;
    return count;
}

/* The last words of a text, oldest first. */
static size_t last_words(struct arena *a, str text, str *words, size_t most)
{
    str *every = NEW_ARRAY(a, str, text.len + 1);
    size_t count = split_words(text, every, text.len + 1);
    size_t kept = count < most ? count : most;
    memcpy(words, every + (count - kept), kept * sizeof *words);
    return kept;
}

/* How many words at the beginning of a text are the last ones of the text before it. */
static size_t doubled_words(struct arena *a, str before, str after)
{
    str ending[SEAM_WORDS_MOST], beginning[SEAM_WORDS_MOST];
    size_t left = last_words(a, before, ending, SEAM_WORDS_MOST);
    size_t right = split_words(after, beginning, SEAM_WORDS_MOST);
    size_t most = left < right ? left : right;
    for (size_t n = most; n > 0; n--) {
        bool is_same = true;
        for (size_t i = 0; i < n && is_same; i++) {
            str one = folded(a, bare(ending[left - n + i])), other = folded(a, bare(beginning[i]));
            is_same = !str_empty(one) && str_eq(one, other);
        }
        if (is_same)
            return n;
    }
    return 0;
}

static str without_words(str text, size_t count)
{
    str rest = text;
    for (size_t i = 0; i < count; i++)
        next_word(rest, &rest);
    return str_trim(rest);
}

struct cues cues_join(struct arena *a, const struct transcript_piece *pieces, size_t count)
{
    struct cues *parts = NEW_ARRAY(a, struct cues, count + 1);
    size_t all = 0;
    for (size_t i = 0; i < count; i++) {
        parts[i] = cues_read(a, pieces[i].cues);
        all += parts[i].count;
    }
    struct cues joined = {.items = NEW_ARRAY(a, struct cue, all + 1)};
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0; n < parts[i].count; n++) {
            struct cue cue = parts[i].items[n];
            if (n == 0 && pieces[i].begins_in_noise && joined.count)
                cue.text = without_words(
                    cue.text, doubled_words(a, joined.items[joined.count - 1].text, cue.text));
            cue.start_ms += pieces[i].start_ms;
            cue.end_ms += pieces[i].start_ms;
            if (!str_empty(cue.text))
                joined.items[joined.count++] = cue;
        }
    return joined;
}

/* ---------------------------------------------------------------- to be read */

int words_count(str text)
{
    int count = 0;
    str rest = text;
    for (str word = next_word(rest, &rest); word.len; word = next_word(rest, &rest))
        count += !str_empty(bare(word));
    return count;
}

static bool ends_sentence(str text)
{
    static const char *const ends[] = {".", "!", "?", "…", ".»", "!»", "?»", ".\"", "!\"", "?\""};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (str_ends(text, str_from(ends[i])))
            return true;
    return false;
}

static bool begins_paragraph(str so_far, const struct cue *before, const struct cue *cue)
{
    size_t points = str_points(so_far);
    bool is_end = ends_sentence(before->text);
    if (cue->start_ms - before->end_ms >= PARAGRAPH_PAUSE_MS && is_end)
        return true;
    return points >= PARAGRAPH_POINTS_MOST || (points >= PARAGRAPH_POINTS && is_end);
}

size_t cues_paragraphs(struct arena *a, const struct cues *cues, struct paragraph **paragraphs)
{
    size_t count = 0;
    struct buf b = buf_new(a);
    *paragraphs = NEW_ARRAY(a, struct paragraph, cues->count + 1);
    for (size_t i = 0; i < cues->count; i++) {
        const struct cue *cue = &cues->items[i];
        bool is_new = i == 0 || begins_paragraph(buf_str(&b), cue - 1, cue);
        if (is_new) {
            b = buf_new(a);
            (*paragraphs)[count++].start_ms = cue->start_ms;
        } else {
            buf_add_char(&b, ' ');
        }
        buf_add(&b, cue->text);
        (*paragraphs)[count - 1].text = buf_str(&b);
    }
    return count;
}

str cues_text(struct arena *a, const struct cues *cues)
{
    struct paragraph *paragraphs;
    size_t count = cues_paragraphs(a, cues, &paragraphs);
    struct buf b = buf_new(a);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add(&b, S("\n\n"));
        buf_add(&b, paragraphs[i].text);
    }
    return buf_str(&b);
}

static void put_subtitle_time(struct buf *b, int64_t ms)
{
    buf_addf(b, "%02" PRId64 ":%02" PRId64 ":%02" PRId64 ",%03" PRId64, ms / HOUR_MS,
             ms / MINUTE_MS % 60, ms / 1000 % 60, ms % 1000);
}

/* Lines break between words; a word that is too long for a line has one of its own. */
static void put_lines(struct buf *b, str text)
{
    size_t width = 0;
    str rest = text;
    for (str word = next_word(rest, &rest); word.len; word = next_word(rest, &rest)) {
        size_t points = str_points(word);
        bool fits = width + 1 + points <= SUBTITLE_POINTS;
        if (width)
            buf_add(b, fits ? S(" ") : S("\r\n"));
        width = width && fits ? width + 1 + points : points;
        buf_add(b, word);
    }
    buf_add(b, S("\r\n"));
}

str cues_srt(struct arena *a, const struct cues *cues)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < cues->count; i++) {
        buf_addf(&b, "%zu\r\n", i + 1);
        put_subtitle_time(&b, cues->items[i].start_ms);
        buf_add(&b, S(" --> "));
        put_subtitle_time(&b, cues->items[i].end_ms);
        buf_add(&b, S("\r\n"));
        put_lines(&b, cues->items[i].text);
        buf_add(&b, S("\r\n"));
    }
    return buf_str(&b);
}

str clock_shown(struct arena *a, int64_t ms)
{
    int64_t seconds = (ms + 500) / 1000;
    if (seconds >= 3600)
        return str_printf(a, "%" PRId64 ":%02" PRId64 ":%02" PRId64, seconds / 3600,
                          seconds / 60 % 60, seconds % 60);
    return str_printf(a, "%" PRId64 ":%02" PRId64, seconds / 60, seconds % 60);
}
