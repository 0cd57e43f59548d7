#include "handlers/speech/transcript.h"

#include "core/clock.h"
#include "core/log.h"
#include "handlers/dispatch.h"
#include "handlers/speech/note.h"
#include "handlers/speech/speech.h"

enum {
    PAGE_LINES = 5,
    PREVIEW_POINTS = 700,
    NAME_MIN = 1,
    NAME_MAX = 80,
    WORDS_MAX = 200, /* of a search */
    LABEL_POINTS = 40,
    FILE_NAME_POINTS = 60,
};

/* ---------------------------------------------------------------- the card */

/* By what the recogniser calls them: names in English, or codes. */
static const struct {
    const char *name, *code;
    enum text text;
} spoken[] = {
    {"russian",   "ru", T_spoken_ru},
    {"english",   "en", T_spoken_en},
    {"ukrainian", "uk", T_spoken_uk},
    {"kazakh",    "kk", T_spoken_kk},
    {"german",    "de", T_spoken_de},
    {"french",    "fr", T_spoken_fr},
    {"spanish",   "es", T_spoken_es},
    {"italian",   "it", T_spoken_it},
    {"turkish",   "tr", T_spoken_tr},
    {"chinese",   "zh", T_spoken_zh},
};

static str spoken_language(struct arena *a, enum language language, str told)
{
    for (size_t i = 0; i < ARRAY_LEN(spoken); i++)
        if (str_eq_nocase(told, str_from(spoken[i].name)) ||
            str_eq_nocase(told, str_from(spoken[i].code)))
            return text_plain(a, language, spoken[i].text, KVS());
    return told;
}

static void add_fact(struct buf *b, str fact)
{
    if (str_empty(fact))
        return;
    if (b->len)
        buf_add(b, S(" · "));
    buf_add(b, fact);
}

str transcript_about(struct arena *a, enum language language, const struct transcript *t)
{
    struct buf b = buf_new(a);
    add_fact(&b, moment_shown(a, t->created_at_ms, t->utc_offset_minutes));
    if (t->duration_ms)
        add_fact(&b, clock_shown(a, t->duration_ms));
    add_fact(&b, spoken_language(a, language, t->spoken_language));
    add_fact(&b, text_plain(a, language, T_transcript_words, KVS(KV("words", t->words))));
    return buf_str(&b);
}

/* What it cost, and what came back of the price. */
static str money_line(struct arena *a, enum language language, const struct transcript *t)
{
    if (str_eq(t->source, S("text")))
        return S("");
    if (!t->price_coins)
        return text_plain(a, language, T_transcript_was_free, KVS());
    int64_t back = t->price_coins - t->charged_coins;
    return text_plain(a, language, back ? T_transcript_paid_part : T_transcript_paid,
                      KVS(KV("charged", t->charged_coins), KV("back", back),
                          KV("done", clock_shown(a, t->recognised_ms)),
                          KV("whole", clock_shown(a, t->duration_ms))));
}

static str card_html(struct arena *a, enum language language, const struct transcript *t)
{
    str preview = str_clip_points(a, t->text, PREVIEW_POINTS);
    return text_html(a, language, T_transcript_card,
                     KVS(KV("name", t->name), KV("about", transcript_about(a, language, t)),
                         KV("money", money_line(a, language, t)), KV("preview", preview)));
}

static void format_button(struct keyboard *k, const struct transcript *t, const char *format)
{
    str argument = str_printf(k->arena, STR_FMT ":%s", STR_ARG(t->id), format);
    keyboard_button(k, T_button_format, tap_for(k->arena, "transcript:file", argument),
                    KV("format", format));
}

/* is_result: the message stays when another screen is opened from it. */
static void card_buttons(struct keyboard *k, const struct transcript *t, bool is_result)
{
    keyboard_row(k);
    format_button(k, t, "txt");
    if (!str_empty(t->cues))
        format_button(k, t, "srt");
    format_button(k, t, "docx");
    format_button(k, t, "md");
    keyboard_row(k);
    note_buttons(k, t->id);
    keyboard_row(k);
    keyboard_button(k, T_button_transcript_rename, tap_for(k->arena, "transcript:rename", t->id));
    keyboard_button(k, T_button_transcript_delete, tap_for(k->arena, "transcript:delete", t->id));
    keyboard_row(k);
    keyboard_button(k, T_button_speech_history,
                    is_result ? S("speech:history:new") : S("speech:history"));
    keyboard_button(k, T_button_menu, is_result ? S("menu:open:new") : S("menu:open"));
}

err *transcript_must_be_done(struct turn *t)
{
    return str_eq(t->transcript->status, S("completed"))
               ? NULL
               : fail(t->arena, ERR_NOT_FOUND, "the transcript is not finished");
}

/* The card as a call of its own: it is longer than what a text with values would be taken for. */
static err *show_card(struct turn *t)
{
    card_buttons(&t->keyboard, t->transcript, false);
    const struct transcript *s = t->transcript;
    return edit(t, T_transcript_card, KV("name", s->name),
                KV("about", transcript_about(t->arena, t->language, s)),
                KV("money", money_line(t->arena, t->language, s)),
                KV("preview", str_clip_points(t->arena, s->text, PREVIEW_POINTS)));
}

err *on_transcript_show(struct turn *t)
{
    TRY(transcript_must_be_done(t));
    return show_card(t);
}

err *job_transcript_deliver(struct work *w)
{
    struct transcript t;
    err *e = transcript_find(w->db, w->arena, 0, w->job->subject, &t);
    if (e || !str_eq(t.status, S("completed")))
        return err_is_not_found(e) ? NULL : e;
    enum language language = language_of(t.language);
    struct keyboard k = keyboard_new(w->arena, language);
    card_buttons(&k, &t, true);
    const struct outbox_call call = {
        .chat_id = t.chat_id,
        .call = reply_call(w->arena, t.chat_id, t.message_id, card_html(w->arena, language, &t),
                           &k),
    };
    speech_clear(w, &t);
    return work_call(w, &call, NULL);
}

/* ---------------------------------------------------------------- files */

static const struct {
    const char *format, *content_type;
} formats[] = {
    {"txt",  "text/plain; charset=utf-8"                                              },
    {"srt",  "application/x-subrip"                                                   },
    {"md",   "text/markdown; charset=utf-8"                                           },
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
};

bool transcript_has_format(str format)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (str_is(format, formats[i].format))
            return true;
    return false;
}

static const char *content_type_of(str format)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (str_is(format, formats[i].format))
            return formats[i].content_type;
    return formats[0].content_type;
}

/* What some system does not take in the name of a file. */
static str file_name_of(struct arena *a, str title, str format)
{
    struct buf b = buf_new(a);
    str name = str_clip_points(a, title, FILE_NAME_POINTS);
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool is_bad = c < 0x20 || c == 0x7F || (c < 0x80 && strchr("/\\:*?\"<>|", c));
        buf_add_char(&b, is_bad ? '_' : (char)c);
    }
    return str_printf(a, STR_FMT "." STR_FMT, STR_ARG(buf_str(&b)), STR_ARG(format));
}

static err *file_bytes(struct arena *a, const struct paper *paper, str format,
                       const struct cues *cues, str *out)
{
    if (str_eq(format, S("docx")))
        return paper_docx(a, paper, out);
    if (str_eq(format, S("srt")))
        *out = cues_srt(a, cues);
    else if (str_eq(format, S("md")))
        *out = paper_markdown(a, paper);
    else
        *out = str_printf(a, STR_FMT "\n", STR_ARG(paper_plain(a, paper)));
    return NULL;
}

err *transcript_send_file(struct work *w, int64_t chat_id, enum language language,
                          const struct paper *paper, str format, str caption_html,
                          const struct cues *cues)
{
    str bytes;
    struct keyboard k = keyboard_new(w->arena, language);
    keyboard_row(&k);
    keyboard_button(&k, T_button_speech_history, S("speech:history:new"));
    keyboard_button(&k, T_button_menu, S("menu:open:new"));
    TRY(file_bytes(w->arena, paper, format, cues, &bytes));
    struct telegram_file files[2] = {0};
    files[0] = (struct telegram_file){
        .field = S("document"),
        .file_name = file_name_of(w->arena, paper->title, format),
        .content_type = str_from(content_type_of(format)),
        .bytes = bytes,
    };
    const struct outbox_call call = {
        .chat_id = chat_id,
        .call = json_make(w->arena, KV("method", "sendDocument"), KV("chat_id", chat_id),
                          KV("caption", caption_html), KV("parse_mode", "HTML"),
                          KV("reply_markup", JSON(keyboard_json(&k)))),
        .files = files,
    };
    return work_call(w, &call, NULL);
}

err *job_transcript_file(struct work *w)
{
    struct transcript t;
    err *e = transcript_find(w->db, w->arena, w->job->user_id, w->job->subject, &t);
    if (e || !str_eq(t.status, S("completed")))
        return err_is_not_found(e) ? NULL : e;
    enum language language = language_of(json_str(w->payload, "language"));
    int64_t chat_id = t.chat_id;
    json_i64(w->payload, "chat_id", &chat_id);
    struct cues cues = cues_read(w->arena, t.cues);
    struct paper paper = {
        .title = t.name,
        .about = transcript_about(w->arena, language, &t),
        .language = str_from(language_code(language)),
    };
    if (cues.count)
        paper_of_cues(w->arena, &cues, &paper);
    else
        paper_of_text(w->arena, t.text, &paper);
    str caption = text_html(w->arena, language, T_transcript_file, KVS(KV("name", t.name)));
    return transcript_send_file(w, chat_id, language, &paper, json_str(w->payload, "format"),
                                caption, &cues);
}

err *on_transcript_file(struct turn *t)
{
    TRY(transcript_must_be_done(t));
    str format = t->argument;
    if (!transcript_has_format(format) ||
        (str_eq(format, S("srt")) && str_empty(t->transcript->cues)))
        return on_old_button(t);
    const struct new_job job = {
        .lane = S("send"),
        .kind = S("transcript_file"),
        .key = str_printf(t->arena, "transcript_file:%" PRId64 ":%" PRId64, t->bot->id,
                          t->update->id),
        .user_id = t->user->id,
        .subject = t->transcript->id,
        .payload = json_make(t->arena, KV("chat_id", t->chat_id), KV("format", format),
                             KV("language", language_code(t->language))),
    };
    t->spares_user = true;
    TRY(job_add(t->db, &job, NULL));
    hint(t, T_transcript_file_comes);
    return NULL;
}

/* ---------------------------------------------------------------- deleting */

err *on_transcript_delete(struct turn *t)
{
    TRY(transcript_must_be_done(t));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_transcript_remove,
                    tap_for(t->arena, "transcript:remove", t->transcript->id));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_transcript_keep,
                    tap_for(t->arena, "transcript:show", t->transcript->id));
    return edit(t, T_transcript_delete_ask, KV("name", t->transcript->name));
}

err *on_transcript_remove(struct turn *t)
{
    TRY(transcript_must_be_done(t));
    t->spares_user = true;
    TRY(transcript_delete(t->db, t->user->id, t->transcript->id));
    log_info("transcript.deleted", KV("transcript", t->transcript->id));
    hint(t, T_transcript_deleted);
    t->argument = S("");
    return on_history(t);
}

/* ---------------------------------------------------------------- naming */

err *draw_transcript_rename(struct turn *t)
{
    struct transcript s;
    TRY(transcript_find(t->db, t->arena, t->user->id, field_get(t, "d.transcript"), &s));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_transcript_keep,
                    tap_for(t->arena, "transcript:show", s.id));
    return edit(t, T_transcript_ask_name, KV("name", s.name), KV("most", NAME_MAX));
}

err *on_transcript_rename(struct turn *t)
{
    TRY(transcript_must_be_done(t));
    dialog_enter(t, ST_transcript_rename);
    field_put(t, "d.transcript", t->transcript->id);
    return draw_transcript_rename(t);
}

err *on_transcript_name(struct turn *t)
{
    str name = str_trim(t->text);
    if (!str_points_within(name, NAME_MIN, NAME_MAX) || !str_has_visible(name) ||
        str_has_controls(name))
        return refuse(t, T_transcript_bad_name, KV("most", NAME_MAX));
    t->spares_user = true;
    t->transcript = NEW(t->arena, struct transcript);
    TRY(transcript_find(t->db, t->arena, t->user->id, field_get(t, "d.transcript"), t->transcript));
    TRY(transcript_must_be_done(t));
    TRY(transcript_rename(t->db, t->user->id, t->transcript->id, name));
    t->transcript->name = name;
    log_info("transcript.renamed", KV("transcript", t->transcript->id));
    return show_card(t);
}

/* ---------------------------------------------------------------- history */

static enum text label_of(str source)
{
    static const struct {
        const char *source;
        enum text text;
    } rows[] = {
        {"voice",      T_history_voice     },
        {"video_note", T_history_video_note},
        {"video",      T_history_video     },
        {"text",       T_history_text      },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_is(source, rows[i].source))
            return rows[i].text;
    return T_history_audio;
}

static void history_lines(struct turn *t, const struct transcript_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct transcript_line *line = &lines[i];
        str length = line->duration_ms ? clock_shown(t->arena, line->duration_ms)
                                       : text_plain(t->arena, t->language, T_transcript_words,
                                                    KVS(KV("words", line->words)));
        keyboard_row(&t->keyboard);
        keyboard_button(
            &t->keyboard, label_of(line->source), tap_for(t->arena, "transcript:show", line->id),
            KV("name", str_clip_points(t->arena, line->name, LABEL_POINTS)), KV("length", length));
    }
}

static str place(struct turn *t, int64_t number)
{
    return str_printf(t->arena, "%" PRId64, number);
}

/* One more line than is shown tells whether there is a page behind it. */
struct page {
    struct transcript_line *lines;
    size_t count;
    bool has_newer, has_older;
};

static err *read_page(struct turn *t, int64_t place_of_page, bool is_back, str words,
                      struct page *out)
{
    size_t count;
    struct transcript_line *lines;
    if (is_back)
        TRY(transcripts_page_back(t->db, t->arena, t->user->id, place_of_page, words,
                                  PAGE_LINES + 1, &lines, &count));
    else
        TRY(transcripts_page(t->db, t->arena, t->user->id, place_of_page, words, PAGE_LINES + 1,
                             &lines, &count));
    bool has_more = count > PAGE_LINES;
    *out = (struct page){
        .lines = is_back && has_more ? lines + 1 : lines,
        .count = has_more ? PAGE_LINES : count,
        .has_newer = is_back ? has_more : place_of_page > 0,
        .has_older = is_back || has_more,
    };
    return NULL;
}

static void turning_row(struct turn *t, const struct page *page)
{
    if (!page->count)
        return;
    keyboard_row(&t->keyboard);
    if (page->has_newer)
        keyboard_button(&t->keyboard, T_button_history_newer,
                        tap_for(t->arena, "speech:newer", place(t, page->lines[0].number)));
    if (page->has_older)
        keyboard_button(
            &t->keyboard, T_button_history_older,
            tap_for(t->arena, "speech:older", place(t, page->lines[page->count - 1].number)));
}

static err *show_history(struct turn *t, int64_t place_of_page, bool is_back)
{
    struct page page;
    int64_t all;
    str words = field_get(t, "g.speech");
    TRY(transcripts_count(t->db, t->user->id, words, &all));
    TRY(read_page(t, place_of_page, is_back, words, &page));
    if (!page.count && all) /* the page has gone meanwhile */
        TRY(read_page(t, 0, false, words, &page));
    history_lines(t, page.lines, page.count);
    turning_row(t, &page);
    keyboard_row(&t->keyboard);
    if (!str_empty(words))
        keyboard_button(&t->keyboard, T_button_history_all, S("speech:history"));
    if (all || !str_empty(words))
        keyboard_button(&t->keyboard, T_button_history_search, S("speech:search"));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_speech, S("speech:open"));
    keyboard_button(&t->keyboard, T_button_menu, S("menu:open"));
    enum text text = str_empty(words) ? (all ? T_history : T_history_empty)
                                      : (all ? T_history_found : T_history_not_found);
    return edit(t, text, KV("n", all), KV("words", words));
}

err *on_history(struct turn *t)
{
    field_drop(t, "g.speech");
    return show_history(t, 0, false);
}

static err *turn_page(struct turn *t, bool is_back)
{
    int64_t number;
    if (!str_to_i64(t->argument, &number) || number < 1)
        return on_old_button(t);
    return show_history(t, number, is_back);
}

err *on_history_older(struct turn *t)
{
    return turn_page(t, false);
}

err *on_history_newer(struct turn *t)
{
    return turn_page(t, true);
}

err *draw_history_search(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_speech_history, S("speech:history"));
    return edit(t, T_history_ask_words);
}

err *on_history_search(struct turn *t)
{
    return draw_history_search(t);
}

err *on_history_words(struct turn *t)
{
    str words = str_trim(t->text);
    if (!str_points_within(words, 1, WORDS_MAX) || !str_has_visible(words))
        return refuse(t, T_history_bad_words, KV("most", WORDS_MAX));
    field_put(t, "g.speech", words);
    return show_history(t, 0, false);
}
