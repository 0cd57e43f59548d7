#include "handlers/avatars/training.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/zip.h"
#include "db/photo.h"
#include "handlers/avatars/avatar.h"
#include "handlers/avatars/trainer.h"
#include "handlers/dispatch.h"
#include "handlers/images/order.h"
#include "handlers/money/funds.h"
#include "handlers/money/limits.h"
#include "handlers/money/topup.h"

enum {
    PHOTO_MAX_BYTES = 20 << 20,
    LOGS_KEPT_BYTES = 16 << 10,
    PACE_LEAST_PERCENT = 5, /* from then on the pace so far tells how long it will take */
    PACE_LEAST_MS = 30 * 1000,
    MINUTE_S = 60,
};

/* The errand of a training is its first member. */
static struct training *training_of(struct errand *errand)
{
    static_assert(offsetof(struct training, errand) == 0, "the errand comes first");
    return (struct training *)errand;
}

static str slot_of(struct arena *a, const struct training *g)
{
    return errand_key(a, &training_errands, g->errand.id);
}

void training_leave_row(struct keyboard *k, str avatar_id)
{
    keyboard_row(k);
    keyboard_button(k, T_button_avatar_show, tap_for(k->arena, "avatar:show", avatar_id));
    keyboard_button(k, T_button_menu, S("menu:open"));
}

/* Under progress, which goes on in its own message: what is opened from there comes below. */
static void progress_leave_row(struct keyboard *k, str avatar_id)
{
    str card = tap_for(k->arena, "avatar:show", avatar_id);
    keyboard_row(k);
    keyboard_button(k, T_button_avatar_show, str_printf(k->arena, STR_FMT ":new", STR_ARG(card)));
    keyboard_button(k, T_button_menu, S("menu:open:new"));
}

/* ---------------------------------------------------------------- how far it is */

struct screen {
    enum text text;
    const struct kv *values;
};

static enum text stage_text(const struct training *g, int64_t place)
{
    if (g->is_cancel_asked)
        return T_training_stopping;
    if (g->errand.has_result)
        return T_training_saving;
    if (str_empty(g->archive_url))
        return T_training_preparing;
    if (str_empty(g->errand.status_url))
        return T_training_sending;
    if (g->running_ms >= 0)
        return T_training_running;
    return place >= 0 ? T_training_queued : T_training_waiting;
}

/* By its own pace once that is known, else by what others took; -1 when neither tells. */
static double seconds_left(const struct training *g, double median)
{
    if (g->progress >= PACE_LEAST_PERCENT && g->running_ms >= PACE_LEAST_MS)
        return (double)g->running_ms / 1000 * (100 - g->progress) / g->progress;
    double gone = (double)g->errand.age_ms / 1000;
    return median > gone ? median - gone : -1;
}

/* Words that can be missing bring the space before them. */
static str behind_space(struct arena *a, str words)
{
    return str_printf(a, " " STR_FMT, STR_ARG(words));
}

static str time_left(struct arena *a, enum language language, double seconds)
{
    if (seconds < 0)
        return S("");
    str words = seconds < MINUTE_S
                    ? text_plain(a, language, T_training_soon, KVS())
                    : text_plain(a, language, T_training_minutes_left,
                                 KVS(KV("minutes", (int64_t)(seconds / MINUTE_S + 0.5))));
    return behind_space(a, words);
}

/* place: in FAL's queue, from 0; -1 when it is not known. */
static err *progress_screen(struct db *db, struct arena *a, const struct training *g, int64_t place,
                            struct screen *out)
{
    double median = 0;
    TRY(training_median_seconds(db, g->errand.model, g->preset, &median));
    str left = time_left(a, language_of(g->errand.language), seconds_left(g, median));
    str bar = progress_bar(a, (double)g->progress / 100);
    out->text = stage_text(g, place);
    out->values = kvs_kept(a, KVS(KV("name", g->avatar_name), KV("place", place + 1),
                                  KV("percent", g->progress), KV("bar", bar), KV("left", left)));
    return NULL;
}

static void cancel_button(struct keyboard *k, const struct training *g)
{
    if (g->is_cancel_asked || g->errand.has_result)
        return;
    keyboard_row(k);
    keyboard_button(k, T_button_training_cancel,
                    tap_for(k->arena, "training:cancel", g->errand.id));
}

static err *tell_progress(struct work *w, const struct training *g, int64_t place)
{
    struct screen screen;
    enum language language = language_of(g->errand.language);
    TRY(progress_screen(w->db, w->arena, g, place, &screen));
    struct keyboard k = keyboard_new(w->arena, language);
    cancel_button(&k, g);
    str html = text_html(w->arena, language, screen.text, screen.values);
    errand_tell(w, &training_errands, &g->errand, html, &k);
    return NULL;
}

/* The newest lines, whole ones, as many as are kept. A NUL is no character of a text over there. */
static str newest_logs(struct arena *a, const struct fal_status *status)
{
    size_t first = status->log_count, length = 0;
    while (first && length + status->logs[first - 1].message.len < LOGS_KEPT_BYTES)
        length += status->logs[--first].message.len + 1;
    struct buf b = buf_new(a);
    for (size_t i = first; i < status->log_count; i++) {
        str line = status->logs[i].message;
        for (size_t at = 0; at < line.len; at++)
            buf_add_char(&b, line.ptr[at] ? line.ptr[at] : ' ');
        buf_add_char(&b, '\n');
    }
    return buf_str(&b);
}

static err *show_status(struct work *w, struct errand *errand, const struct fal_status *status)
{
    struct training *g = training_of(errand);
    bool is_running = status->phase == FAL_RUNNING;
    int percent;
    fal_training_progress(status, &percent);
    TRY(training_progress(w->db, errand->id, percent, newest_logs(w->arena, status), is_running,
                          g));
    return tell_progress(w, g, is_running ? -1 : status->queue_position);
}

/* ---------------------------------------------------------------- the screen before */

static void preset_buttons(struct turn *t, str order, str chosen)
{
    struct keyboard *k = &t->keyboard;
    keyboard_row(k);
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        str name = str_from(presets[i].name);
        str argument = str_printf(t->arena, STR_FMT ":" STR_FMT, STR_ARG(order), STR_ARG(name));
        keyboard_button(k, T_button_choice, tap_for(t->arena, "training:preset", argument),
                        KV("mark", str_eq(name, chosen) ? S("● ") : S("")),
                        KV("words", text_plain(t->arena, t->language, presets[i].label, KVS())));
    }
}

/* Without the coins there is no button that would spend them. */
static void start_button(struct turn *t, str order, int64_t price)
{
    str argument = str_printf(t->arena, STR_FMT ":%" PRId64, STR_ARG(order), price);
    if (funds_lack(t, price)) {
        topup_row(&t->keyboard);
        return;
    }
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_training_start,
                    tap_for(t->arena, "training:start", argument), KV("price", price));
}

static str funds_words(struct turn *t, int64_t price)
{
    int64_t balance = t->user->balance;
    return balance < price
               ? text_plain(t->arena, t->language, T_training_lacks,
                            KVS(KV("balance", balance), KV("missing", price - balance)))
               : text_plain(t->arena, t->language, T_training_funds, KVS(KV("balance", balance)));
}

static err *usual_time(struct turn *t, str training_type, str preset, str *words)
{
    double median;
    TRY(training_median_seconds(t->db, trainer_model(t->bot->conf, training_type), preset,
                                &median));
    *words = S("");
    if (median > 0)
        *words = behind_space(t->arena,
                              text_plain(t->arena, t->language, T_training_usual,
                                         KVS(KV("minutes", (int64_t)(median / MINUTE_S) + 1))));
    return NULL;
}

static err *show_options(struct turn *t, const struct avatar *avatar, int64_t photos)
{
    str order = field_get(t, "d.order"), usual;
    const struct preset *preset = preset_of(field_get(t, "d.preset"));
    if (!preset)
        return on_old_button(t);
    int64_t price = t->bot->conf->avatar_creation_cost_coins;
    TRY(usual_time(t, avatar->training_type, str_from(preset->name), &usual));
    preset_buttons(t, order, str_from(preset->name));
    start_button(t, order, price);
    training_leave_row(&t->keyboard, avatar->id);
    return edit(t, T_training_options, KV("name", avatar->name),
                KV("type", avatar_type_words(t->arena, t->language, avatar)), KV("photos", photos),
                KV("meaning", text_plain(t->arena, t->language, preset->meaning, KVS())),
                KV("usual", usual), KV("price", price), KV("funds", funds_words(t, price)));
}

/* Says what an avatar lacks that cannot be trained as it is. */
static err *refuse_need(struct turn *t, const struct training_need *need)
{
    int64_t least = t->bot->conf->avatar_min_photos;
    if (str_eq(need->status, S("training")))
        return refuse(t, T_training_is_running);
    if (str_eq(need->status, S("completed")))
        return refuse(t, T_training_is_done);
    if (need->pending)
        return refuse(t, T_training_photos_pending);
    return refuse(t, T_training_few_photos, KV("photos", need->kept), KV("least", least));
}

static bool is_ready(const struct conf *conf, const struct training_need *need)
{
    return !str_eq(need->status, S("training")) && !str_eq(need->status, S("completed")) &&
           !need->pending && need->kept >= conf->avatar_min_photos;
}

static err *draw_options(struct turn *t, const struct avatar *avatar)
{
    struct training_need need;
    TRY(training_need(t->db, t->arena, t->user->id, avatar->id, &need));
    if (!is_ready(t->bot->conf, &need))
        return refuse_need(t, &need);
    return show_options(t, avatar, need.kept);
}

/* The training gets its name here, so that two taps on its button are one. */
err *on_training_open(struct turn *t)
{
    dialog_enter(t, ST_training);
    field_put(t, "d.order", random_uuid(t->arena));
    field_put(t, "d.avatar", t->avatar->id);
    field_put(t, "d.preset", t->bot->conf->fal_default_quality_preset);
    return draw_options(t, t->avatar);
}

err *draw_training(struct turn *t)
{
    struct avatar avatar;
    TRY(avatar_find(t->db, t->arena, t->user->id, field_get(t, "d.avatar"), &avatar));
    return draw_options(t, &avatar);
}

/* An old keyboard must not choose for a new order, let alone pay. */
static bool is_of_this_order(const struct turn *t, str *value)
{
    str order;
    str_cut(t->argument, ':', &order, value);
    return !str_empty(order) && str_eq(order, field_get(t, "d.order"));
}

/* Telegram refuses an edit that changes nothing: a choice that stands already is only said. */
err *on_training_preset(struct turn *t)
{
    str preset;
    if (!is_of_this_order(t, &preset) || !preset_of(preset))
        return on_old_button(t);
    if (str_eq(preset, field_get(t, "d.preset"))) {
        hint(t, T_choice_stands);
        return NULL;
    }
    field_put(t, "d.preset", preset);
    return draw_training(t);
}

/* ---------------------------------------------------------------- the order */

/* The avatar's status decides which of two taps is the first; what it decides, it decides in the
 * transaction that holds the coins. */
static err *order_training(struct turn *t, struct training *g)
{
    bool begun;
    TRY(training_begin(t->db, t->user->id, g->avatar_id, t->bot->conf->avatar_min_photos, &begun));
    struct training_need need;
    TRY(training_need(t->db, t->arena, t->user->id, g->avatar_id, &need));
    if (!begun)
        return refuse_need(t, &need);
    g->photos_count = (int)need.kept;
    TRY(training_add(t->db, g));
    TRY(order_hold(t, slot_of(t->arena, g), &g->errand, S("avatar")));
    TRY(limits_admit(t));
    TRY(errand_queue(t->db, t->arena, &g->errand, "media", "training_archive", 0, S(""), 0));
    log_info("training.ordered", KV("training", g->errand.id), KV("avatar", g->avatar_id),
             KV("preset", g->preset), KV("coins", g->errand.price_coins));
    cancel_button(&t->keyboard, g);
    say_in_slot(t, slot_of(t->arena, g));
    return edit(t, T_training_ordered, KV("name", g->avatar_name),
                KV("price", g->errand.price_coins));
}

/* What is paid is the price that stood on the button. */
err *on_training_start(struct turn *t)
{
    str price_text;
    int64_t price;
    struct avatar avatar;
    if (!is_of_this_order(t, &price_text) || !str_to_i64(price_text, &price) ||
        price != t->bot->conf->avatar_creation_cost_coins)
        return on_training_started(t);
    TRY(avatar_find(t->db, t->arena, t->user->id, field_get(t, "d.avatar"), &avatar));
    struct training training = {
        .errand.id = field_get(t, "d.order"),
        .errand.user_id = t->user->id,
        .errand.chat_id = t->chat_id,
        .errand.language = str_from(language_code(t->language)),
        .errand.model = trainer_model(t->bot->conf, avatar.training_type),
        .errand.price_coins = price,
        .avatar_id = avatar.id,
        .avatar_name = avatar.name,
        .training_type = avatar.training_type,
        .preset = field_get(t, "d.preset"),
    };
    training.errand.cost_microdollars = trainer_cost_microdollars(t->bot->conf, &training);
    return order_training(t, &training);
}

/* A second tap finds the training of the first; the message shows its progress and stays as it is. */
err *on_training_started(struct turn *t)
{
    str order, price;
    struct training made;
    str_cut(t->argument, ':', &order, &price);
    err *e = training_lock(t->db, t->arena, t->user->id, order, &made);
    if (err_is_not_found(e))
        return on_old_button(t);
    if (e)
        return e;
    dialog_stay(t);
    hint(t, made.errand.is_open ? T_training_is_running : T_training_is_over);
    return NULL;
}

/* ---------------------------------------------------------------- while it lasts */

/* Progress comes to the card that was tapped. A card with a picture cannot become words: they come anew
 * below, and where they stood so far they go, or that message would be the one to change. */
static void bring_progress_here(struct turn *t, const struct training *g)
{
    str slot = slot_of(t->arena, g);
    if (t->update->message_has_media)
        turn_add_call(t, &(struct outgoing){
                             .way = CALL_QUEUED,
                             .call = delete_call(t->arena, t->chat_id, MESSAGE_OF_SLOT),
                             .slot = slot,
                         });
    say_in_slot(t, slot);
}

/* From here on progress comes to this message. Without an open training there is the card. */
err *on_training_show(struct turn *t)
{
    struct training training;
    struct screen screen;
    err *e = training_lock_open(t->db, t->arena, t->user->id, t->avatar->id, &training);
    if (err_is_not_found(e))
        return on_avatar_show(t);
    TRY(e);
    TRY(progress_screen(t->db, t->arena, &training, -1, &screen));
    cancel_button(&t->keyboard, &training);
    progress_leave_row(&t->keyboard, t->avatar->id);
    bring_progress_here(t, &training);
    return say_here(t, screen.text, screen.values);
}

/* The question is a message of its own: progress goes on in the other one. */
static err *ask_to_stop(struct turn *t, const struct training *g)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_training_stop,
                    tap_for(t->arena, "training:stop", g->errand.id));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_training_keep,
                    tap_for(t->arena, "training:show", g->avatar_id));
    return say(t, T_training_stop_ask, KV("name", g->avatar_name),
               KV("price", g->errand.price_coins));
}

/* Before FAL has it, it simply ends; in FAL's queue it costs nothing yet, so FAL is asked and the coins
 * come back. What is worked on is paid for, and that is said first. */
err *on_training_cancel(struct turn *t)
{
    struct training training;
    TRY(training_lock(t->db, t->arena, t->user->id, t->argument, &training));
    switch (errand_stage(&training.errand)) {
    case ERRAND_OVER:
        return refuse(t, T_training_is_over);
    case ERRAND_IN_DOUBT:
        return refuse(t, T_training_not_yet);
    case ERRAND_AT_FAL:
        if (training.running_ms >= 0)
            return ask_to_stop(t, &training);
        TRY(errand_ask_to_stop(t->db, t->arena, &training_errands, &training.errand));
        break;
    case ERRAND_WAITS:
        TRY(errand_call_off(t->db, t->arena, &training_errands, &training.errand));
        break;
    }
    hint(t, T_order_cancelling);
    return NULL;
}

/* He has read what it costs; FAL is told, and may have finished by then. The end of it comes to the
 * message that was tapped: what says that something is being done must not say so for ever. */
err *on_training_stop(struct turn *t)
{
    struct training training;
    TRY(training_lock(t->db, t->arena, t->user->id, t->argument, &training));
    if (errand_stage(&training.errand) != ERRAND_AT_FAL)
        return refuse(t, T_training_is_over);
    TRY(training_ask_to_stop(t->db, training.errand.id));
    TRY(errand_ask_to_stop(t->db, t->arena, &training_errands, &training.errand));
    log_info("training.stop_asked", KV("training", training.errand.id));
    progress_leave_row(&t->keyboard, training.avatar_id);
    say_in_slot(t, slot_of(t->arena, &training));
    return edit(t, T_training_stopping, KV("name", training.avatar_name));
}

/* It cannot be stopped: nothing is asked any more, and what FAL says next is what it is. */
static err *go_on(struct work *w, struct errand *errand)
{
    struct training *g = training_of(errand);
    enum language language = language_of(errand->language);
    TRY(training_take_stop_back(w->db, errand->id));
    g->is_cancel_asked = false;
    TRY(tell_progress(w, g, -1));
    struct keyboard k = keyboard_new(w->arena, language);
    cancel_button(&k, g);
    training_leave_row(&k, g->avatar_id);
    errand_say(w, errand,
               text_html(w->arena, language, T_training_goes_on, KVS(KV("name", g->avatar_name))),
               &k);
    return NULL;
}

/* ---------------------------------------------------------------- the photos */

static err *fail_training(struct db *db, struct arena *a, const struct errand *errand,
                          const char *failure, str message)
{
    return errand_fail(db, a, &training_errands, errand, "failed", failure, message);
}

struct album {
    struct zip_entry *photos;
    size_t count;
    str *missing; /* ids of those that the store has lost */
    size_t missing_count;
};

/* Names tell the order and nothing else. What the store has lost is left out. */
static err *fetch_photos(struct work *w, const struct training *g, struct album *out)
{
    struct kept_photo *kept;
    size_t count;
    TRY(photos_kept(w->db, w->arena, g->avatar_id, &kept, &count));
    TRY(db_commit(w->db));
    *out = (struct album){
        .photos = NEW_ARRAY(w->arena, struct zip_entry, count + 1),
        .missing = NEW_ARRAY(w->arena, str, count + 1),
    };
    for (size_t i = 0; i < count; i++) {
        struct s3_object object;
        err *e = s3_get(w->arena, &w->bot->s3, kept[i].bucket, kept[i].object_key, PHOTO_MAX_BYTES,
                        &object);
        if (e && e->kind != ERR_NOT_FOUND)
            return e;
        if (e) {
            log_warn("training.photo_missing", KV("object", kept[i].object_key));
            out->missing[out->missing_count++] = kept[i].id;
            continue;
        }
        str name = str_printf(w->arena, "photo_%03zu.jpg", out->count + 1);
        out->photos[out->count++] = (struct zip_entry){name, object.bytes};
    }
    return NULL;
}

/* What FAL reads must be complete before it is told of it: an archive is a step of its own. */
static err *upload_photos(struct work *w, const struct album *album, str *url)
{
    str archive;
    TRY(zip_make(w->arena, album->photos, album->count, &archive));
    return fal_upload(w->arena, &w->bot->fal, S("photos.zip"), S("application/zip"), archive, url);
}

err *training_fail(struct work *w, const struct training *g, const char *failure, str message)
{
    w->forget_user_chat_id = g->errand.chat_id;
    return fail_training(w->db, w->arena, &g->errand, failure, message);
}

static bool is_unsent(const struct training *g)
{
    return g->errand.is_open && !g->errand.has_result && str_empty(g->archive_url);
}

/* Photos that are gone make room for others. */
static err *end_for_photos(struct work *w, const struct training *g, const struct album *album)
{
    str message = str_printf(w->arena, "%zu photos are left", album->count);
    TRY(training_fail(w, g, "photos", message));
    for (size_t i = 0; i < album->missing_count; i++)
        TRY(photo_delete(w->db, g->errand.user_id, album->missing[i]));
    return photos_recount(w->db, g->avatar_id, w->bot->conf->avatar_min_photos, NULL);
}

static bool is_enough(const struct work *w, const struct album *album)
{
    return (int64_t)album->count >= w->bot->conf->avatar_min_photos;
}

static err *keep_archive(struct work *w, struct training *g, const struct album *album, str url)
{
    TRY(training_lock(w->db, w->arena, 0, g->errand.id, g));
    if (!is_unsent(g))
        return NULL;
    if (!is_enough(w, album))
        return end_for_photos(w, g, album);
    TRY(training_keep_archive(w->db, g->errand.id, url, (int64_t)album->count));
    TRY(errand_queue(w->db, w->arena, &g->errand, "fal", "training_submit", 0, S(""), 0));
    g->archive_url = url;
    return tell_progress(w, g, -1);
}

err *job_training_archive(struct work *w)
{
    struct training g;
    struct album album;
    str url = {0};
    TRY(training_lock(w->db, w->arena, 0, w->job->subject, &g));
    if (!is_unsent(&g))
        return NULL;
    if (errand_is_silent(&training_errands, w->bot->conf, &g.errand))
        return training_fail(w, &g, "timeout", S("the photos could not be sent"));
    TRY(fetch_photos(w, &g, &album));
    if (is_enough(w, &album))
        TRY(upload_photos(w, &album, &url));
    return keep_archive(w, &g, &album, url);
}

/* ---------------------------------------------------------------- what FAL returns */

enum { STORE_LORA, STORE_CONFIG };

static err *queue_store(struct db *db, struct arena *a, const struct errand *errand, int which,
                        const struct fal_trained_file *file)
{
    str payload = json_make(a, KV("kind", which == STORE_LORA ? S("lora") : S("config")),
                            KV("url", file->url), KV("content_type", file->content_type));
    return errand_queue(db, a, errand, "media", "training_store", which, payload, 0);
}

/* Without what was learned there is no avatar, whatever else came. */
static err *take_files(struct db *db, struct arena *a, struct errand *errand,
                       struct json_object *payload, str raw)
{
    struct fal_training files;
    TRY(errand_keep_result(db, &training_statements, errand->id, raw));
    err *e = fal_training_parse(a, payload, &files);
    if (e)
        return fail_training(db, a, errand, "empty", e->message);
    TRY(training_keep_files(db, errand->id, files.lora.url, files.config.url));
    TRY(queue_store(db, a, errand, STORE_LORA, &files.lora));
    if (!str_empty(files.config.url))
        TRY(queue_store(db, a, errand, STORE_CONFIG, &files.config));
    return NULL;
}

/* ---------------------------------------------------------------- as an errand */

static err *lock_errand(struct db *db, struct arena *a, str id, struct errand **out)
{
    struct training *g = NEW(a, struct training);
    TRY(training_lock(db, a, 0, id, g));
    *out = &g->errand;
    return NULL;
}

static err *note(struct db *db, struct arena *a, struct errand *errand, str callback_url)
{
    return trainer_note(db, a, training_of(errand), callback_url);
}

static err *submit(struct work *w, struct errand *errand, str callback_url,
                   struct fal_submission *out)
{
    return trainer_submit(w, training_of(errand), callback_url, out);
}

static const char *entrance(const struct errand *errand)
{
    return trainer_entrance(((const struct training *)errand)->training_type);
}

static int64_t most_silence_ms(const struct conf *conf)
{
    return conf->fal_training_timeout_seconds * 1000;
}

/* FAL's word that it is at work is a sign of life, however often it says so; work that takes many times
 * as long as a silence is no work. */
static int64_t most_age_ms(const struct conf *conf)
{
    enum { SILENCES_MOST = 8 };
    return SILENCES_MOST * most_silence_ms(conf);
}

static bool is_cancel_paid(const struct errand *errand)
{
    return ((const struct training *)errand)->is_cancel_asked;
}

const struct errand_kind training_errands = {
    .name = "training",
    .submit_job = "training_submit",
    .check_job = "training_check",
    .result_job = "training_result",
    .cancel_job = "training_cancel",
    .drop_job = "training_drop",
    .explain_job = "training_explain",
    .statements = &training_statements,
    .unknown_wait_ms = 600 * 1000,
    .first_check_ms = 5000,
    .check_most_ms = 15 * 1000,
    .most_age_ms = most_age_ms,
    .most_silence_ms = most_silence_ms,
    .lock = lock_errand,
    .entrance = entrance,
    .note = note,
    .show = show_status,
    .take = take_files,
    .is_cancel_paid = is_cancel_paid,
    .go_on = go_on,
};

err *job_training_submit(struct work *w)
{
    return errand_run_submit(w, &training_errands, submit);
}

err *job_training_check(struct work *w)
{
    return errand_run_check(w, &training_errands);
}

err *job_training_result(struct work *w)
{
    return errand_run_result(w, &training_errands);
}

err *job_training_cancel(struct work *w)
{
    return errand_run_cancel(w, &training_errands);
}

err *give_up_training(struct work *w)
{
    return errand_run_give_up(w, &training_errands);
}

err *give_up_training_cancel(struct work *w)
{
    return errand_run_go_on(w, &training_errands);
}
