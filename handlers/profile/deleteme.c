#include "handlers/profile/deleteme.h"

#include "core/clock.h"
#include "core/log.h"
#include "db/erasure.h"
#include "db/gallery.h"
#include "db/ledger.h"
#include "handlers/person.h"
#include "handlers/profile/privacy.h"

enum {
    STEP_AGAIN_MS = 1,
    LOOK_FIRST_MS = 1000,
    LOOK_MOST_MS = 60 * 1000,
    LATE_MS = 12 * 3600 * 1000,
    MARKS_LIFE_MS = 3600 * 1000, /* after that Telegram delivers no update of before */
};

/* ---------------------------------------------------------------- two screens */

/* What there is to lose, from the rows. */
static err *show(struct turn *t, enum text text)
{
    int64_t images, balance, held;
    TRY(gallery_count(t->db, t->user->id, &images));
    TRY(ledger_balance(t->db, t->user->id, &balance, &held));
    return edit(t, text, KV("avatars", t->user->avatars), KV("images", images),
                KV("coins", balance + held), KV("kept", privacy_kept_words(t)));
}

err *on_deleteme(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_deleteme_ask, S("deleteme:ask"));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_mydata, S("mydata:open"));
    keyboard_button(&t->keyboard, T_button_menu, S("menu:open"));
    return show(t, T_deleteme);
}

/* An old keyboard must not do it, so the last button works in this dialog alone. */
err *on_deleteme_ask(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_deleteme_no, S("menu:open"));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_deleteme_go, S("deleteme:go"));
    return show(t, T_deleteme_ask);
}

err *on_deleteme_go(struct turn *t)
{
    bool has_left;
    str id = random_uuid(t->arena);
    int64_t days = t->bot->conf->erased_mark_days;
    if (days)
        TRY(erasure_remember(t->db, t->user->id,
                             person_mark(t->bot, t->arena, t->user->telegram_id), days));
    TRY(erasure_begin(t->db, t->user->id, id, str_from(language_code(t->language)), &has_left));
    if (!has_left)
        return refuse(t, T_thing_is_gone);
    fields_drop(t, S("g.")); /* places, and words that were searched for */
    log_info("person.left", KV("erasure", id));
    return edit(t, T_deleteme_begun);
}

/* ---------------------------------------------------------------- the work */

static err *find(struct work *w, struct erasure *out)
{
    return erasure_find(w->db, w->arena, w->job->subject, out);
}

/* A store that is away may be so for hours: then it is looked at once a minute, and told of. */
static int64_t next_look_ms(const struct erasure *e)
{
    int64_t pause = e->age_ms / 10;
    if (e->age_ms > LATE_MS)
        log_warn("erasure.late", KV("erasure", e->id), KV("jobs", e->left_jobs));
    return pause < LOOK_FIRST_MS ? LOOK_FIRST_MS : pause > LOOK_MOST_MS ? LOOK_MOST_MS : pause;
}

static err *queue(struct work *w, const char *lane, const char *kind, str payload)
{
    const struct new_job job = {
        .lane = str_from(lane),
        .kind = str_from(kind),
        .key = str_printf(w->arena, "%s:" STR_FMT, kind, STR_ARG(w->job->subject)),
        .subject = w->job->subject,
        .payload = payload,
    };
    return job_add(w->db, &job, NULL);
}

err *job_person_erase(struct work *w)
{
    const struct conf *conf = w->bot->conf;
    enum erasure_step step;
    struct erasure erasure;
    TRY(erasure_step(w->db, w->job->subject, conf->minio_bucket_images, conf->minio_bucket_avatars,
                     &step));
    TRY(find(w, &erasure));
    if (step == ERASURE_GOES_ON)
        w->again_ms = STEP_AGAIN_MS;
    else if (step == ERASURE_WAITS || erasure.left_jobs)
        w->again_ms = next_look_ms(&erasure);
    else
        return queue(w, "send", "erasure_tell",
                     json_make(w->arena, KV("chat_id", erasure.telegram_id)));
    return NULL;
}

err *job_fal_forget(struct work *w)
{
    return fal_forget(w->arena, &w->bot->fal, json_str(w->payload, "request"));
}

/* Whoever has stopped the bot is not told, and is forgotten all the same. */
err *job_erasure_tell(struct work *w)
{
    struct erasure erasure;
    TRY(find(w, &erasure));
    if (erasure.has_ended)
        return NULL;
    str html = text_html(w->arena, language_of(erasure.language), T_deleteme_done, KVS());
    const struct outbox_call call = {
        .chat_id = erasure.telegram_id,
        .call = message_call(w->arena, erasure.telegram_id, 0, html, NULL),
    };
    TRY(work_call(w, &call, NULL));
    TRY(erasure_told(w->db, erasure.id));
    return queue(w, "media", "person_forget", S(""));
}

/* Twice: what shows something at once, and the marks of old updates when none can come again. The
 * dialog of somebody new is not touched. */
err *job_person_forget(struct work *w)
{
    struct erasure erasure;
    TRY(find(w, &erasure));
    if (erasure.has_ended)
        return NULL;
    bool is_last = erasure.age_ms >= MARKS_LIFE_MS;
    TRY(session_erase(w->bot->cache, w->arena, erasure.telegram_id, erasure.has_returned,
                      !is_last));
    if (!is_last) {
        w->again_ms = MARKS_LIFE_MS - erasure.age_ms;
        return NULL;
    }
    TRY(erasure_end(w->db, erasure.id));
    log_info("person.forgotten", KV("erasure", erasure.id));
    return NULL;
}
