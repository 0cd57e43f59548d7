#include "handlers/images/sample.h"

#include "core/clock.h"
#include "core/log.h"
#include "db/job.h"
#include "db/sample.h"
#include "db/spend.h"
#include "handlers/avatars/look.h"
#include "handlers/dispatch.h"
#include "handlers/images/flux.h"
#include "handlers/images/imagen.h"
#include "handlers/images/prompt.h"
#include "handlers/images/vision.h"
#include "handlers/money/funds.h"
#include "handlers/money/limits.h"

enum {
    SHORT_SIDE_LEAST = 200,  /* less shows a model nothing */
    PATIENCE_MS = 90 * 1000, /* of somebody who looks at the screen */
    RETRY_MS = 5 * 1000,     /* where nobody said when to come again */
    CAPTION_MOST = 500,      /* code points */
};

bool sample_is_offered(const struct conf *conf)
{
    return !str_empty(conf->openai_api_key);
}

static str slot_of(struct arena *a, str id)
{
    return str_printf(a, "sample:" STR_FMT, STR_ARG(id));
}

static bool is_pending(const struct sample *s)
{
    return str_eq(s->status, S("pending"));
}

static bool is_described(const struct sample *s)
{
    return str_eq(s->status, S("described"));
}

/* ---------------------------------------------------------------- what is said of one */

static void cancel_button(struct keyboard *k, const struct sample *s)
{
    keyboard_row(k);
    keyboard_button(k, T_button_cancel_order, tap_for(k->arena, "sample:cancel", s->id));
}

static void words_buttons(struct keyboard *k, const struct sample *s)
{
    keyboard_row(k);
    if (s->has_avatars)
        keyboard_button(k, T_button_sample_flux, tap_for(k->arena, "sample:flux", s->id));
    keyboard_button(k, s->has_avatars ? T_button_sample_imagen : T_button_sample_go,
                    tap_for(k->arena, "sample:imagen", s->id));
    keyboard_menu_row(k);
}

/* Another photo, or words: with an avatar where there is one. */
static void failure_buttons(struct keyboard *k, bool has_avatars)
{
    keyboard_row(k);
    keyboard_button(k, T_button_sample, S("sample:open"));
    if (has_avatars)
        keyboard_button(k, T_button_flux, S("flux:open"));
    keyboard_button(k, T_button_imagen, S("imagen:open"));
    keyboard_menu_row(k);
}

static str failure_html(struct work *w, const struct sample *s)
{
    enum language language = language_of(s->language);
    enum text next = s->is_order ? T_sample_next_of_order : T_sample_next;
    const struct photo_refusal refusal = {
        .word = s->failure,
        .size_bytes = s->file_size_bytes,
        .width = s->width,
        .height = s->height,
        .short_side_pixels = SHORT_SIDE_LEAST,
    };
    str why;
    if (str_eq(s->failure, S("away")))
        why = text_html(w->arena, language, T_sample_away, KVS());
    else if (str_eq(s->failure, S("refused")))
        why = text_html(w->arena, language, T_sample_refused, KVS());
    else
        why = photo_refusal_html(w->arena, language, w->bot->conf, &refusal);
    return str_printf(w->arena, STR_FMT "\n\n" STR_FMT, STR_ARG(why),
                      STR_ARG(text_html(w->arena, language, next, KVS())));
}

err *sample_explain(struct work *w, str id, str *html)
{
    struct sample s;
    TRY(sample_find(w->db, w->arena, 0, id, &s));
    *html = failure_html(w, &s);
    return NULL;
}

/* ---------------------------------------------------------------- asking for a photo */

static bool is_with_avatar(const struct turn *t)
{
    return !str_empty(field_get(t, "d.avatar"));
}

static const struct order_form *form_of(const struct turn *t)
{
    return is_with_avatar(t) ? &flux_form : &imagen_form;
}

static err *ask_photo(struct turn *t)
{
    const struct order_form *form = form_of(t);
    if (is_with_avatar(t))
        flux_avatar_button(t);
    keyboard_menu_row(&t->keyboard);
    return edit(t, is_with_avatar(t) ? T_sample_ask_avatar : T_sample_ask,
                KV("avatar", field_get(t, "d.avatar_name")),
                KV("price", order_form_price(t, form, 1)), KV("quick", order_quick_offer(t, form)));
}

/* With the usual avatar, where there is one. */
static err *take_avatar(struct turn *t, str id)
{
    err *e = flux_take_avatar(t, id);
    if (!err_is_not_found(e))
        return e;
    field_drop(t, "d.avatar");
    return NULL;
}

/* The price comes before the first question, which waits for the coins. */
err *on_sample_open(struct turn *t)
{
    if (!sample_is_offered(t->bot->conf))
        return refuse(t, T_sample_is_off);
    dialog_enter(t, ST_sample);
    TRY(take_avatar(t, S("")));
    int64_t price = order_form_price(t, form_of(t), 1);
    return funds_lack(t, price) ? funds_tell(t, price) : ask_photo(t);
}

static err *show_described(struct turn *t, const struct sample *s)
{
    words_buttons(&t->keyboard, s);
    return edit(t, T_sample_described, KV("words", s->words));
}

err *draw_sample(struct turn *t)
{
    struct sample s;
    err *e = sample_find(t->db, t->arena, t->user->id, field_get(t, "d.sample"), &s);
    if (e && !err_is_not_found(e))
        return e;
    if (e || !(is_pending(&s) || is_described(&s)))
        return ask_photo(t);
    if (is_described(&s))
        return show_described(t, &s);
    cancel_button(&t->keyboard, &s);
    say_in_slot(t, slot_of(t->arena, s.id));
    return edit(t, T_sample_looking);
}

/* ---------------------------------------------------------------- a photo comes */

/* One at a time. The others of an album are passed over, and that is said once. */
static err *pass_over(struct turn *t, bool *is_passed_over)
{
    struct sample s;
    str album = t->update->media_group_id;
    *is_passed_over = true;
    if (!str_empty(album) && str_eq(album, field_get(t, "d.album"))) {
        if (!str_empty(field_get(t, "d.album_told")))
            return NULL;
        field_put(t, "d.album_told", S("1"));
        return say(t, T_sample_first_of_album);
    }
    err *e = sample_find(t->db, t->arena, t->user->id, field_get(t, "d.sample"), &s);
    if (e && !err_is_not_found(e))
        return e;
    *is_passed_over = !e && is_pending(&s);
    return *is_passed_over ? say(t, T_sample_is_running) : NULL;
}

static err *say_too_large(struct turn *t)
{
    const struct photo_refusal refusal = {
        .word = S("too_large"),
        .size_bytes = t->update->file_size_bytes,
    };
    str html = photo_refusal_html(t->arena, t->language, t->bot->conf, &refusal);
    turn_add_call(
        t, &(struct outgoing){
               .way = CALL_QUEUED,
               .call = reply_call(t->arena, t->chat_id, t->update->message_id, html, &t->keyboard),
           });
    dialog_stay(t);
    return NULL;
}

/* With whom it is drawn: as the screen has said, which at the beginning is with nobody in quick mode and
 * left open else. is_promised: nothing has changed since. */
static err *settle_avatar(struct turn *t, bool *is_promised)
{
    str promised = field_get(t, "d.avatar");
    *is_promised = true;
    if (str_empty(promised) && (t->state != ST_create || t->user->settings.is_quick))
        return NULL;
    TRY(take_avatar(t, promised));
    *is_promised = str_eq(promised, field_get(t, "d.avatar"));
    return NULL;
}

static err *count_use(struct turn *t)
{
    int64_t most = t->bot->conf->samples_per_day;
    bool is_counted;
    TRY(free_use(t->db, t->user->id, "sample", most, &is_counted));
    return is_counted
               ? NULL
               : refuse(t, T_sample_no_more, KV("most", most), KV("when", limits_next_day(t)));
}

/* The album is remembered, so that its other photos go without words. */
static err *make_order(struct turn *t, const struct sample *s, struct generation *order)
{
    order->is_by_sample = true;
    TRY(sample_add(t->db, s));
    TRY(is_with_avatar(t) ? flux_make(t, order) : imagen_make(t, order));
    field_put(t, "d.astray", t->update->media_group_id);
    return NULL;
}

static err *await(struct turn *t, const struct sample *s)
{
    const struct new_job job = {
        .lane = S("words"),
        .kind = S("sample_look"),
        .key = str_printf(t->arena, "sample_look:" STR_FMT, STR_ARG(s->id)),
        .user_id = s->user_id,
        .subject = s->id,
    };
    TRY(sample_add(t->db, s));
    TRY(limits_admit(t));
    TRY(job_add(t->db, &job, NULL));
    t->spares_user = true;
    log_info("sample.received", KV("sample", s->id));
    field_put(t, "d.sample", s->id);
    field_put(t, "d.album", t->update->media_group_id);
    field_drop(t, "d.album_told");
    cancel_button(&t->keyboard, s);
    say_in_slot(t, slot_of(t->arena, s->id));
    return edit(t, T_sample_looking);
}

/* What the order is called until the photo has been looked at. */
static str words_for_now(struct turn *t, str caption)
{
    return str_empty(caption) ? text_plain(t->arena, t->language, T_sample_words, KVS())
                              : text_plain(t->arena, t->language, T_sample_words_with,
                                           KVS(KV("caption", caption)));
}

static err *receive(struct turn *t, bool is_promised)
{
    str caption = str_clip_points(t->arena, t->text, CAPTION_MOST);
    struct generation order;
    struct sample s = {
        .id = random_uuid(t->arena),
        .user_id = t->user->id,
        .chat_id = t->chat_id,
        .avatar_id = field_get(t, "d.avatar"),
        .file_id = t->update->file_id,
        .caption = caption,
        .cost_microdollars = t->bot->conf->openai_vision_cost_microdollars,
    };
    s.is_order = is_promised && order_quick(t, form_of(t), words_for_now(t, caption), &order);
    TRY(count_use(t));
    if (!s.is_order)
        return await(t, &s);
    s.id = order.errand.id;
    return make_order(t, &s, &order);
}

err *on_sample_photo(struct turn *t)
{
    const struct conf *conf = t->bot->conf;
    bool is_passed_over, is_promised;
    if (!sample_is_offered(conf))
        return refuse(t, T_sample_is_off);
    TRY(pass_over(t, &is_passed_over));
    if (is_passed_over) {
        dialog_stay(t);
        return NULL;
    }
    if (t->update->file_size_bytes > conf->photo_max_size_bytes)
        return say_too_large(t);
    TRY(settle_avatar(t, &is_promised));
    int64_t price = order_form_price(t, form_of(t), 1);
    return funds_lack(t, price) ? funds_tell(t, price) : receive(t, is_promised);
}

/* ---------------------------------------------------------------- no photo after all */

/* The last word of its message: what the worker says of it afterwards is swallowed. */
static void say_cancelled(struct turn *t, str id, int64_t message_id)
{
    struct keyboard k = keyboard_new(t->arena, t->language);
    failure_buttons(&k, t->user->avatars > 0);
    str html = text_html(t->arena, t->language, T_sample_cancelled, KVS());
    turn_add_call(t, &(struct outgoing){
                         .way = CALL_QUEUED,
                         .call = message_call(t->arena, t->chat_id, message_id, html, &k),
                         .slot = slot_of(t->arena, id),
                         .closes = true,
                     });
}

static err *drop(struct turn *t, str id, int64_t message_id, bool *is_dropped)
{
    TRY(sample_cancel(t->db, id, is_dropped));
    t->spares_user = true;
    if (!*is_dropped)
        return NULL;
    TRY(job_cancel_by_subject(t->db, t->user->id, id, NULL));
    log_info("sample.cancelled", KV("sample", id));
    say_cancelled(t, id, message_id);
    return NULL;
}

err *on_sample_cancel(struct turn *t)
{
    struct sample s;
    bool is_dropped;
    TRY(sample_find(t->db, t->arena, t->user->id, t->argument, &s));
    TRY(drop(t, s.id, t->update->message_id, &is_dropped));
    return is_dropped ? NULL : refuse(t, T_sample_is_over);
}

/* As on the screens that ask for words. */
err *on_sample_words(struct turn *t)
{
    struct sample s;
    err *e = sample_find(t->db, t->arena, t->user->id, field_get(t, "d.sample"), &s);
    if (e && !err_is_not_found(e))
        return e;
    bool is_dropped;
    if (!e && is_pending(&s))
        TRY(drop(t, s.id, MESSAGE_OF_SLOT, &is_dropped));
    if (!e && is_described(&s) && !t->user->settings.is_quick)
        field_put(t, "d.ratio", s.aspect_ratio);
    dialog_go_on(t, is_with_avatar(t) ? ST_flux_options : ST_imagen_options);
    return is_with_avatar(t) ? on_flux_words(t) : on_imagen_words(t);
}

/* ---------------------------------------------------------------- from words to an order */

static err *find_described(struct turn *t, struct sample *s)
{
    TRY(sample_find(t->db, t->arena, t->user->id, t->argument, s));
    return is_described(s) ? NULL
                           : fail(t->arena, ERR_NOT_FOUND, "sample " STR_FMT " is not described",
                                  STR_ARG(s->id));
}

static void begin(struct turn *t, const struct order_form *form, const struct sample *s)
{
    field_put(t, "d.ratio", s->aspect_ratio);
    order_begin(t, form, s->words);
    field_put(t, "d.sample", s->id);
}

err *on_sample_flux(struct turn *t)
{
    struct sample s;
    TRY(find_described(t, &s));
    t->keeps_message = true; /* the words stay above, to be copied from */
    dialog_enter(t, ST_flux_options);
    err *e = flux_take_avatar(t, s.avatar_id);
    if (err_is_not_found(e))
        return flux_offer_avatar(t);
    if (e)
        return e;
    begin(t, &flux_form, &s);
    return draw_flux_options(t);
}

err *on_sample_imagen(struct turn *t)
{
    struct sample s;
    TRY(find_described(t, &s));
    t->keeps_message = true;
    dialog_enter(t, ST_imagen_options);
    begin(t, &imagen_form, &s);
    return draw_imagen_options(t);
}

/* They say the same, so nothing is asked of a translator. */
err *sample_lend_prompt(struct turn *t, struct generation *order)
{
    struct sample s;
    if (str_empty(order->sample_id))
        return NULL;
    err *e = sample_find(t->db, t->arena, t->user->id, order->sample_id, &s);
    if (e)
        return err_is_not_found(e) ? NULL : e;
    if (!is_described(&s) || !str_eq(s.words, order->words))
        return NULL;
    order->final_prompt = prompt_with_trigger(t->arena, order->avatar_trigger, s.prompt);
    order->is_phrased = true;
    return NULL;
}

/* ---------------------------------------------------------------- looking */

/* A sample, and the order that waits for it. */
struct looking {
    struct sample sample;
    struct generation order;
    bool is_awaited;
};

/* The order may have ended meanwhile; then nobody needs the photo. */
static err *lock_order(struct work *w, struct looking *l)
{
    TRY(generation_lock(w->db, w->arena, l->sample.id, &l->order));
    l->is_awaited = errand_stage(&l->order.errand) == ERRAND_WAITS && !l->order.errand.attempt;
    return l->is_awaited ? NULL : sample_cancel(w->db, l->sample.id, NULL);
}

/* Both rows are held, the order's first, as by whoever cancels it. */
static err *lock(struct work *w, struct looking *l)
{
    *l = (struct looking){.is_awaited = true};
    err *e = sample_find(w->db, w->arena, 0, w->job->subject, &l->sample);
    if (!e && l->sample.is_order)
        e = lock_order(w, l);
    if (!e)
        e = sample_lock(w->db, w->arena, 0, w->job->subject, &l->sample);
    l->is_awaited = !e && l->is_awaited && is_pending(&l->sample);
    return err_is_not_found(e) ? NULL : e;
}

static err *queue_tell(struct work *w, const struct sample *s)
{
    const struct new_job job = {
        .lane = S("send"),
        .kind = S("sample_tell"),
        .key = str_printf(w->arena, "sample_tell:" STR_FMT, STR_ARG(s->id)),
        .user_id = s->user_id,
        .subject = s->id,
        .payload = json_make(w->arena, KV("chat_id", s->chat_id)),
    };
    return job_add(w->db, &job, NULL);
}

static err *take_failure(struct work *w, const struct looking *l, str failure)
{
    TRY(sample_fail(w->db, &l->sample, failure));
    log_info("sample.failed", KV("sample", l->sample.id), KV("failure", failure));
    if (!l->sample.is_order)
        return queue_tell(w, &l->sample);
    w->forget_user_chat_id = l->order.errand.chat_id;
    return errand_fail(w->db, w->arena, &generation_errands, &l->order.errand, "failed", "sample",
                       S(""));
}

static err *take_words(struct work *w, struct looking *l, const struct vision *seen)
{
    struct sample *s = &l->sample;
    s->words = seen->words;
    s->prompt = seen->prompt;
    s->aspect_ratio = order_nearest_ratio(s->width, s->height);
    TRY(sample_describe(w->db, s));
    log_info("sample.described", KV("sample", s->id));
    if (!s->is_order)
        return queue_tell(w, s);
    TRY(generation_set_words(w->db, s->id, s->words,
                             prompt_with_trigger(w->arena, l->order.avatar_trigger, s->prompt)));
    return errand_queue(w->db, w->arena, &l->order.errand, "fal", "generation_submit", 0, S(""), 0);
}

/* An answer came, whatever it was: that is paid for. */
static bool is_charged(const err *e, bool is_asked)
{
    enum { OK = 200 };
    return is_asked && (!e || e->code == OK || openai_trouble(e) == OPENAI_BROKEN);
}

/* is_asked: the photo was had, and it is the description that is missing. */
static str failure_word(const err *e, bool is_asked)
{
    if (!is_asked)
        return S("not_fetched");
    return openai_trouble(e) == OPENAI_REFUSED ? S("refused") : S("away");
}

/* It is said, so that nobody thinks that nothing happens. */
static err *try_again(struct work *w, const struct sample *s, int64_t pause_ms)
{
    w->again_ms = pause_ms;
    if (s->is_order)
        return NULL;
    struct keyboard k = keyboard_new(w->arena, language_of(s->language));
    cancel_button(&k, s);
    str html = text_html(w->arena, k.language, T_sample_waits, KVS());
    work_tell(w, s->chat_id,
              &(struct outgoing){
                  .way = CALL_QUEUED,
                  .call = message_call(w->arena, s->chat_id, MESSAGE_OF_SLOT, html, &k),
                  .slot = slot_of(w->arena, s->id),
              });
    return NULL;
}

/* Both outside calls are in one step, because the photo is nowhere between them. */
static err *look_at(struct work *w, struct sample *s, str *refused, bool *is_asked,
                    struct vision *seen)
{
    struct photo_look look;
    TRY(photo_look(w, s->file_id, SHORT_SIDE_LEAST, &look));
    s->file_size_bytes = look.size_bytes;
    s->width = look.media.width;
    s->height = look.media.height;
    *refused = look.refused;
    *is_asked = str_empty(look.refused);
    return *is_asked ? vision_describe(w, s, &look.media, seen) : NULL;
}

static void keep_measures(struct sample *s, const struct sample *measured)
{
    s->file_size_bytes = measured->file_size_bytes;
    s->width = measured->width;
    s->height = measured->height;
}

err *job_sample_look(struct work *w)
{
    struct looking l;
    struct vision seen = {0};
    str refused = {0};
    TRY(lock(w, &l));
    TRY(db_commit(w->db));
    if (!l.is_awaited)
        return NULL;

    struct sample measured = l.sample;
    bool is_asked = false;
    err *e = look_at(w, &measured, &refused, &is_asked, &seen);
    if (e && is_asked)
        w->missed = e;
    bool is_waiting = e && err_is_waiting(e);
    int64_t pause_ms = e && e->retry_ms > 0 ? e->retry_ms : RETRY_MS;
    if (is_waiting && l.sample.age_ms + pause_ms < PATIENCE_MS)
        return try_again(w, &l.sample, pause_ms);
    if (e && !is_waiting && !is_asked) /* the decoder's, or our own fault */
        return e;
    if (e)
        log_err("sample.not_described", e, KVS(KV("sample", l.sample.id)));

    TRY(lock(w, &l));
    keep_measures(&l.sample, &measured);
    if (is_charged(e, is_asked))
        TRY(spend_add(w->db, w->bot->conf->openai_vision_model, measured.cost_microdollars));
    if (!l.is_awaited)
        return NULL;
    if (e)
        refused = failure_word(e, is_asked);
    return str_empty(refused) ? take_words(w, &l, &seen) : take_failure(w, &l, refused);
}

err *give_up_sample(struct work *w)
{
    struct looking l;
    bool is_decoders = str_starts(w->job->last_error, S("media:"));
    TRY(lock(w, &l));
    return l.is_awaited ? take_failure(w, &l, is_decoders ? S("unreadable") : S("not_fetched"))
                        : NULL;
}

/* ---------------------------------------------------------------- telling */

err *job_sample_tell(struct work *w)
{
    struct sample s;
    err *e = sample_find(w->db, w->arena, 0, w->job->subject, &s);
    if (e)
        return err_is_not_found(e) ? NULL : e;
    enum language language = language_of(s.language);
    struct keyboard k = keyboard_new(w->arena, language);
    str html;
    if (is_described(&s)) {
        words_buttons(&k, &s);
        html = text_html(w->arena, language, T_sample_described, KVS(KV("words", s.words)));
    } else {
        failure_buttons(&k, s.has_avatars);
        html = failure_html(w, &s);
    }
    const struct outbox_call call = {
        .chat_id = s.chat_id,
        .call = message_call(w->arena, s.chat_id, MESSAGE_OF_SLOT, html, &k),
        .slot = slot_of(w->arena, s.id),
        .closes = true,
    };
    return work_call(w, &call, NULL);
}
