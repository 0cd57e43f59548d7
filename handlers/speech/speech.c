#include "handlers/speech/speech.h"

#include "core/clock.h"
#include "core/log.h"
#include "db/ledger.h"
#include "db/session.h"
#include "handlers/dispatch.h"
#include "handlers/images/order.h"
#include "handlers/money/limits.h"
#include "handlers/speech/recognition.h"
#include "handlers/speech/transcript.h"

enum {
    OPEN_MOST = 5, /* of a user at a time */
    NAME_MAX_POINTS = 80,
    MEGABYTE = 1 << 20,
    TEXT_MOST_BYTES = 1 << 20,
    MINUTE_MS = 60 * 1000,
    MINUTE_S = 60,
};

str speech_key(struct arena *a, str id)
{
    return str_printf(a, "speech:" STR_FMT, STR_ARG(id));
}

/* Of whole seconds, as the user sees them: some codecs add a few hundredths, which nobody has spoken. */
int64_t speech_minutes(int64_t ms)
{
    return ms < 1 ? 0 : ms < MINUTE_MS ? 1 : (ms / 1000 + MINUTE_S - 1) / MINUTE_S;
}

int64_t speech_price(const struct conf *conf, int64_t duration_ms)
{
    return speech_minutes(duration_ms) * conf->transcription_cost_per_minute_coins;
}

/* ---------------------------------------------------------------- what we take */

static const char *const sound_endings[] = {"ogg", "oga", "opus", "mp3",  "wav", "m4a",  "m4b",
                                            "mp4", "m4v", "mov",  "3gp",  "mkv", "webm", "flac",
                                            "aac", "amr", "aif",  "aiff", "caf", "avi"};
static const char *const text_endings[] = {"txt", "md", "srt", "csv", "log"};

static str ending_of(str name)
{
    size_t dot = name.len;
    while (dot > 0 && name.ptr[dot - 1] != '.')
        dot--;
    return dot ? str_sub(name, dot, name.len) : S("");
}

static bool has_ending(str name, const char *const *endings, size_t count)
{
    str ending = ending_of(name);
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(ending, str_from(endings[i])))
            return true;
    return false;
}

/* By what the file says it is, and by its name where it says nothing. */
static bool is_text_file(const struct update *update)
{
    return update->media == MEDIA_DOCUMENT &&
           (str_eq(update->mime_type, S("text/plain")) ||
            str_eq(update->mime_type, S("text/markdown")) ||
            has_ending(update->file_name, text_endings, ARRAY_LEN(text_endings)));
}

static bool is_sound_file(const struct update *update)
{
    return update->media == MEDIA_DOCUMENT &&
           (str_starts(update->mime_type, S("audio/")) ||
            str_starts(update->mime_type, S("video/")) ||
            str_eq(update->mime_type, S("application/ogg")) ||
            has_ending(update->file_name, sound_endings, ARRAY_LEN(sound_endings)));
}

bool is_speech(const struct update *update)
{
    switch (update->media) {
    case MEDIA_VOICE:
    case MEDIA_AUDIO:
    case MEDIA_VIDEO:
    case MEDIA_VIDEO_NOTE:
        return true;
    case MEDIA_DOCUMENT:
        return is_text_file(update) || is_sound_file(update);
    case MEDIA_NONE:
    case MEDIA_PHOTO:
    case MEDIA_OTHER:
        return false;
    }
    return false;
}

static str source_of(const struct update *update)
{
    switch (update->media) {
    case MEDIA_VOICE:
        return S("voice");
    case MEDIA_AUDIO:
        return S("audio");
    case MEDIA_VIDEO:
        return S("video");
    case MEDIA_VIDEO_NOTE:
        return S("video_note");
    case MEDIA_DOCUMENT:
    case MEDIA_NONE:
    case MEDIA_PHOTO:
    case MEDIA_OTHER:
        break;
    }
    return is_text_file(update) ? S("text") : S("file");
}

static enum text name_text(str source)
{
    static const struct {
        const char *source;
        enum text text;
    } rows[] = {
        {"voice",      T_speech_name_voice     },
        {"video_note", T_speech_name_video_note},
        {"video",      T_speech_name_video     },
        {"text",       T_speech_name_text      },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_is(source, rows[i].source))
            return rows[i].text;
    return T_speech_name_audio;
}

/* The file's own without its ending; what has none is called by what it is and when it came. */
static str name_of(const struct turn *t, str source)
{
    str name = t->update->file_name, ending = ending_of(name);
    if (!str_empty(ending))
        name = str_sub(name, 0, name.len - ending.len - 1);
    name = str_trim(name);
    if (!str_empty(name) && str_has_visible(name) && !str_has_controls(name))
        return str_clip_points(t->arena, name, NAME_MAX_POINTS);
    str when = moment_shown(t->arena, clock_ms(), t->user->utc_offset_minutes);
    return text_plain(t->arena, t->language, name_text(source), KVS(KV("when", when)));
}

/* ---------------------------------------------------------------- the message about it */

static enum text failure_text(str failure)
{
    static const struct {
        const char *failure;
        enum text text;
    } rows[] = {
        {"too_large",   T_speech_too_large  },
        {"not_fetched", T_speech_not_fetched},
        {"format",      T_speech_format     },
        {"no_sound",    T_speech_no_sound   },
        {"unreadable",  T_speech_unreadable },
        {"cut_off",     T_speech_cut_off    },
        {"too_long",    T_speech_too_long   },
        {"silent",      T_speech_silent     },
        {"no_words",    T_speech_no_words   },
        {"no_text",     T_speech_no_text    },
        {"upstream",    T_speech_upstream   },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_is(failure, rows[i].failure))
            return rows[i].text;
    return T_speech_broken;
}

static void menu_row(struct keyboard *k)
{
    keyboard_row(k);
    keyboard_button(k, T_button_speech_history, S("speech:history"));
    keyboard_button(k, T_button_menu, S("menu:open"));
}

static void cancel_row(struct keyboard *k, const struct transcript *t)
{
    keyboard_row(k);
    keyboard_button(k, T_button_speech_cancel, tap_for(k->arena, "speech:cancel", t->id));
}

static void quote_buttons(struct keyboard *k, const struct transcript *t, int64_t price,
                          int64_t balance)
{
    str argument = str_printf(k->arena, STR_FMT ":%" PRId64, STR_ARG(t->id), price);
    keyboard_row(k);
    keyboard_button(k, T_button_speech_start, tap_for(k->arena, "speech:start", argument),
                    KV("price", price));
    if (balance < price) {
        keyboard_row(k);
        keyboard_button(k, T_button_topup, S("topup:open:new"));
        keyboard_button(k, T_button_promo, S("promo:open:new"));
    }
    keyboard_row(k);
    keyboard_button(k, T_button_speech_drop, tap_for(k->arena, "speech:drop", t->id));
}

/* "· about 3 min left", or nothing where nobody knows. */
static str time_left(struct arena *a, enum language language, const struct transcript *t,
                     double pace)
{
    double share = t->duration_ms ? (double)t->recognised_ms / (double)t->duration_ms : 0;
    double left_ms = share > 0 ? (double)t->running_ms * (1 - share) / share
                               : (double)t->duration_ms * pace - (double)t->running_ms;
    if (left_ms <= 0)
        return S("");
    int64_t minutes = (int64_t)(left_ms / MINUTE_MS + 0.5);
    str words = minutes
                    ? text_plain(a, language, T_speech_minutes_left, KVS(KV("minutes", minutes)))
                    : text_plain(a, language, T_speech_soon, KVS());
    return str_printf(a, " " STR_FMT, STR_ARG(words));
}

struct view {
    enum language language;
    int64_t balance;    /* for a price */
    double pace;        /* for what is under way */
    int64_t reached_ms; /* where measuring or cutting has come to */
};

static str working_html(struct arena *a, const struct transcript *t, const struct view *view)
{
    int64_t done_ms = t->pieces ? t->recognised_ms : view->reached_ms;
    double share = t->duration_ms ? (double)done_ms / (double)t->duration_ms : 0;
    enum text text = t->is_stopping                       ? T_speech_stopping
                     : !t->pieces                         ? T_speech_cutting
                     : t->recognised_ms >= t->duration_ms ? T_speech_joining
                                                          : T_speech_working;
    return text_html(a, view->language, text,
                     KVS(KV("name", t->name), KV("bar", progress_bar(a, share)),
                         KV("percent", (int64_t)(share * 100)), KV("done", clock_shown(a, done_ms)),
                         KV("whole", clock_shown(a, t->duration_ms)),
                         KV("left", time_left(a, view->language, t, view->pace)),
                         KV("price", t->price_coins)));
}

static str looking_html(struct arena *a, const struct transcript *t, const struct view *view)
{
    enum text text = view->reached_ms ? T_speech_listening : T_speech_looking;
    return text_html(a, view->language, text,
                     KVS(KV("name", t->name), KV("done", clock_shown(a, view->reached_ms))));
}

static str quote_html(struct arena *a, const struct conf *conf, const struct transcript *t,
                      const struct view *view)
{
    int64_t price = speech_price(conf, t->duration_ms);
    enum text funds = view->balance < price ? T_speech_quote_lacks : T_speech_quote_funds;
    enum text text = t->duration_ms < SPEECH_FREE_MS ? T_speech_quote_no_more_free : T_speech_quote;
    return text_html(a, view->language, text,
                     KVS(KV("name", t->name), KV("duration", clock_shown(a, t->duration_ms)),
                         KV("price", price), KV("rate", conf->transcription_cost_per_minute_coins),
                         KV("free", conf->free_transcriptions_per_day),
                         KV("funds", text_plain(a, view->language, funds,
                                                KVS(KV("balance", view->balance),
                                                    KV("missing", price - view->balance))))));
}

static str failure_html(struct arena *a, const struct conf *conf, const struct transcript *t,
                        enum language language)
{
    if (str_eq(t->status, S("cancelled")))
        return text_html(a, language, t->price_coins ? T_speech_cancelled : T_speech_dropped,
                         KVS(KV("name", t->name)));
    str why = text_html(a, language, failure_text(t->failure),
                        KVS(KV("name", t->name),
                            KV("megabytes", conf->transcription_max_size_bytes / MEGABYTE),
                            KV("hours", conf->transcription_max_duration_seconds / 3600)));
    enum text money = t->price_coins ? T_speech_money_back : T_speech_no_money;
    return str_printf(a, STR_FMT "\n\n" STR_FMT, STR_ARG(why),
                      STR_ARG(text_html(a, language, money, KVS(KV("price", t->price_coins)))));
}

/* As it stands; completed ones have a card instead. */
static str screen(struct arena *a, const struct conf *conf, const struct transcript *t,
                  const struct view *view, struct keyboard *k)
{
    if (str_eq(t->status, S("pending"))) {
        cancel_row(k, t);
        return looking_html(a, t, view);
    }
    if (str_eq(t->status, S("quoted"))) {
        quote_buttons(k, t, speech_price(conf, t->duration_ms), view->balance);
        return quote_html(a, conf, t, view);
    }
    if (str_eq(t->status, S("processing"))) {
        if (!t->is_stopping)
            cancel_row(k, t);
        return working_html(a, t, view);
    }
    menu_row(k);
    return failure_html(a, conf, t, view->language);
}

/* -- by the worker -- */

static err *view_of(struct work *w, const struct transcript *t, struct view *view)
{
    *view = (struct view){.language = language_of(t->language)};
    int64_t held;
    if (str_eq(t->status, S("quoted")))
        TRY(ledger_balance(w->db, t->user_id, &view->balance, &held));
    if (str_eq(t->status, S("processing")))
        TRY(transcript_pace(w->db, t->model, &view->pace));
    return NULL;
}

static err *slot_call(struct work *w, const struct transcript *t, str *call)
{
    struct view view;
    TRY(view_of(w, t, &view));
    struct keyboard k = keyboard_new(w->arena, view.language);
    str html = screen(w->arena, w->bot->conf, t, &view, &k);
    *call = message_call(w->arena, t->chat_id, MESSAGE_OF_SLOT, html, &k);
    return NULL;
}

err *speech_show(struct work *w, const struct transcript *t)
{
    struct outgoing call = {.way = CALL_QUEUED, .slot = speech_key(w->arena, t->id)};
    TRY(slot_call(w, t, &call.call));
    work_tell(w, t->chat_id, &call);
    return NULL;
}

void speech_show_step(struct work *w, const struct transcript *t, int64_t reached_ms)
{
    const struct view view = {.language = language_of(t->language), .reached_ms = reached_ms};
    struct keyboard k = keyboard_new(w->arena, view.language);
    str html = screen(w->arena, w->bot->conf, t, &view, &k);
    const struct outgoing call = {
        .way = CALL_QUEUED,
        .call = message_call(w->arena, t->chat_id, MESSAGE_OF_SLOT, html, &k),
        .slot = speech_key(w->arena, t->id),
    };
    const err *e = outbox_add(w->bot->cache, w->arena, t->chat_id, S(""), &call);
    if (e)
        log_err("speech.step_not_shown", e, KVS(KV("transcript", t->id)));
}

void speech_clear(struct work *w, const struct transcript *t)
{
    work_tell(w, t->chat_id,
              &(struct outgoing){
                  .way = CALL_QUEUED,
                  .call = delete_call(w->arena, t->chat_id, MESSAGE_OF_SLOT),
                  .slot = speech_key(w->arena, t->id),
                  .closes = true,
              });
}

/* A price and a refusal must not be lost, so they are jobs at their place in the chat. */
err *job_speech_tell(struct work *w)
{
    struct transcript t;
    err *e = transcript_find(w->db, w->arena, 0, w->job->subject, &t);
    if (e)
        return err_is_not_found(e) ? NULL : e;
    if (str_eq(t.status, S("completed")))
        return NULL;
    struct outbox_call call = {
        .chat_id = t.chat_id,
        .slot = speech_key(w->arena, t.id),
        .closes = !transcript_is_open(&t),
    };
    TRY(slot_call(w, &t, &call.call));
    return work_call(w, &call, NULL);
}

err *speech_queue(struct db *db, struct arena *a, const struct transcript *t, const char *lane,
                  const char *kind, int64_t number)
{
    const struct new_job job = {
        .lane = str_from(lane),
        .kind = str_from(kind),
        .key = str_printf(a, "%s:" STR_FMT ":%" PRId64, kind, STR_ARG(t->id), number),
        .user_id = t->user_id,
        .subject = t->id,
        .payload = json_make(a, KV("chat_id", t->chat_id)),
    };
    return job_add(db, &job, NULL);
}

/* One for a price, one for the end. */
err *speech_queue_tell(struct db *db, struct arena *a, const struct transcript *t)
{
    return speech_queue(db, a, t, "send", "speech_tell", str_eq(t->status, S("quoted")) ? 0 : 1);
}

err *speech_fail(struct db *db, struct arena *a, const struct transcript *t, const char *status,
                 const char *failure)
{
    struct transcript ended = *t;
    bool is_paid = t->price_coins && str_eq(t->status, S("processing"));
    ended.status = str_from(status);
    TRY(transcript_end(db, t->id, status, failure));
    if (is_paid)
        TRY(ledger_release(db, speech_key(a, t->id), str_from(failure), NULL));
    log_info("speech.ended", KV("transcript", t->id), KV("status", status), KV("failure", failure));
    return speech_queue_tell(db, a, &ended);
}

/* ---------------------------------------------------------------- the door */

static err *say_screen(struct turn *t, const struct transcript *s, bool is_new)
{
    struct view view = {.language = t->language, .balance = t->user->balance};
    struct keyboard k = keyboard_new(t->arena, t->language);
    str html = screen(t->arena, t->bot->conf, s, &view, &k);
    int64_t message = is_new ? 0 : t->update->message_id;
    turn_add_call(t, &(struct outgoing){
                         .way = CALL_QUEUED,
                         .call = message_call(t->arena, t->chat_id, message, html, &k),
                         .slot = speech_key(t->arena, s->id),
                         .closes = !transcript_is_open(s),
                     });
    return NULL;
}

/* Telegram does not always say. */
static bool is_too_large(const struct turn *t, bool is_text)
{
    return t->update->file_size_bytes >
           (is_text ? TEXT_MOST_BYTES : t->bot->conf->transcription_max_size_bytes);
}

/* Said before anything is fetched. */
static err *say_too_large(struct turn *t, bool is_text)
{
    int64_t has = (t->update->file_size_bytes + MEGABYTE - 1) / MEGABYTE;
    dialog_stay(t);
    return say(t, is_text ? T_speech_text_too_large : T_speech_too_large_at_once,
               KV("megabytes", has),
               KV("most", t->bot->conf->transcription_max_size_bytes / MEGABYTE));
}

err *on_speech(struct turn *t)
{
    const struct update *update = t->update;
    str source = source_of(update);
    bool is_text = str_eq(source, S("text"));
    if (!is_text && str_empty(t->bot->conf->openai_api_key))
        return refuse(t, T_speech_is_off);
    if (is_too_large(t, is_text))
        return say_too_large(t, is_text);
    struct transcript s = {
        .id = random_uuid(t->arena),
        .user_id = t->user->id,
        .chat_id = t->chat_id,
        .message_id = update->message_id,
        .language = str_from(language_code(t->language)),
        .source = source,
        .name = name_of(t, source),
        .file_id = update->file_id,
        .file_size_bytes = update->file_size_bytes > 0 ? update->file_size_bytes : 0,
        .status = S("pending"),
        .created_at_ms = clock_ms(),
    };
    bool is_added;
    TRY(transcript_add(t->db, &s, OPEN_MOST, &is_added));
    if (!is_added)
        return refuse(t, T_speech_too_many, KV("most", OPEN_MOST));
    TRY(speech_queue(t->db, t->arena, &s, "speech", is_text ? "speech_text" : "speech_probe", 0));
    t->spares_user = true;
    log_info("speech.received", KV("transcript", s.id), KV("source", source));
    dialog_stay(t);
    return say_screen(t, &s, true);
}

err *on_file_unknown(struct turn *t)
{
    dialog_stay(t);
    return say(t, T_file_unknown);
}

/* ---------------------------------------------------------------- the menu */

static void language_button(struct turn *t, str chosen, const char *language, enum text label)
{
    keyboard_button(&t->keyboard, T_button_choice,
                    tap_for(t->arena, "speech:language", str_from(language)),
                    KV("mark", str_is(chosen, language) ? S("● ") : S("")),
                    KV("words", text_plain(t->arena, t->language, label, KVS())));
}

static err *draw_menu(struct turn *t, str chosen)
{
    const struct conf *conf = t->bot->conf;
    keyboard_row(&t->keyboard);
    language_button(t, chosen, "auto", T_speech_language_auto);
    language_button(t, chosen, "ru", T_speech_language_ru);
    language_button(t, chosen, "en", T_speech_language_en);
    menu_row(&t->keyboard);
    return edit(t, T_speech_menu, KV("megabytes", conf->transcription_max_size_bytes / MEGABYTE),
                KV("hours", conf->transcription_max_duration_seconds / 3600),
                KV("rate", conf->transcription_cost_per_minute_coins),
                KV("free", conf->free_transcriptions_per_day));
}

err *on_speech_open(struct turn *t)
{
    str chosen;
    TRY(transcript_speech_language(t->db, t->user->id, &chosen));
    return draw_menu(t, chosen);
}

err *on_speech_language(struct turn *t)
{
    static const char *const languages[] = {"auto", "ru", "en"};
    str chosen;
    TRY(transcript_speech_language(t->db, t->user->id, &chosen));
    if (str_eq(chosen, t->argument)) {
        hint(t, T_choice_stands);
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(languages); i++)
        if (str_is(t->argument, languages[i])) {
            TRY(transcript_set_speech_language(t->db, t->user->id, t->argument));
            return draw_menu(t, t->argument);
        }
    return on_old_button(t);
}

/* ---------------------------------------------------------------- the price */

/* What a tap on a message about a recording finds: its row, held. */
static err *lock_tapped(struct turn *t, str id, struct transcript *s)
{
    TRY(transcript_lock(t->db, t->arena, t->user->id, id, s));
    dialog_stay(t);
    return NULL;
}

static err *say_state(struct turn *t, const struct transcript *s)
{
    hint(t, str_eq(s->status, S("processing"))  ? T_speech_is_running
            : str_eq(s->status, S("completed")) ? T_speech_is_done
                                                : T_speech_is_over);
    return NULL;
}

/* The price that is paid is the one on the button. */
err *on_speech_start(struct turn *t)
{
    struct transcript s;
    str id, price_text;
    int64_t shown;
    str_cut(t->argument, ':', &id, &price_text);
    TRY(lock_tapped(t, id, &s));
    if (!str_eq(s.status, S("quoted")))
        return say_state(t, &s);
    int64_t price = speech_price(t->bot->conf, s.duration_ms);
    if (!str_to_i64(price_text, &shown) || shown != price) {
        hint(t, T_speech_price_changed);
        return say_screen(t, &s, false);
    }
    t->keeps_message = true; /* what is said of money is a new message, and the price stays */
    TRY(transcript_start(t->db, s.id, price, t->chat_id));
    const struct errand paid = {.id = s.id, .price_coins = price};
    TRY(order_hold(t, speech_key(t->arena, s.id), &paid, S("speech")));
    TRY(limits_admit(t));
    TRY(speech_queue(t->db, t->arena, &s, "speech", "speech_split", 0));
    log_info("speech.ordered", KV("transcript", s.id), KV("price", price));
    t->is_user_stale = true;
    s.status = S("processing");
    s.price_coins = price;
    return say_screen(t, &s, false);
}

err *on_speech_drop(struct turn *t)
{
    struct transcript s;
    TRY(lock_tapped(t, t->argument, &s));
    if (!str_eq(s.status, S("quoted")))
        return say_state(t, &s);
    TRY(transcript_end(t->db, s.id, "cancelled", ""));
    s.status = S("cancelled");
    s.price_coins = 0;
    return say_screen(t, &s, false);
}

/* What is recognised is kept and paid for, and the rest comes back; without any of it, everything does. */
static err *stop_with_part(struct turn *t, struct transcript *s)
{
    TRY(transcript_stop(t->db, s->id));
    TRY(job_cancel_by_subject(t->db, t->user->id, s->id, NULL));
    TRY(speech_queue(t->db, t->arena, s, "speech", "speech_join", 1));
    s->is_stopping = true;
    return say_screen(t, s, false);
}

err *on_speech_cancel(struct turn *t)
{
    struct transcript s;
    TRY(lock_tapped(t, t->argument, &s));
    if (!transcript_is_open(&s) || s.is_stopping)
        return say_state(t, &s);
    bool is_running = str_eq(s.status, S("processing"));
    if (s.recognised_ms)
        return stop_with_part(t, &s);
    if (s.pieces || !is_running) /* a cutting that was begun stays, to clear up what it stored */
        TRY(job_cancel_by_subject(t->db, t->user->id, s.id, NULL));
    TRY(transcript_end(t->db, s.id, "cancelled", ""));
    if (s.price_coins && is_running)
        TRY(ledger_release(t->db, speech_key(t->arena, s.id), S("cancelled"), NULL));
    t->is_user_stale = true;
    s.status = S("cancelled");
    log_info("speech.cancelled", KV("transcript", s.id));
    return say_screen(t, &s, false);
}
