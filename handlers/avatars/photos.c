#include "handlers/avatars/photos.h"

#include "core/clock.h"
#include "core/log.h"
#include "db/photo.h"
#include "handlers/money/limits.h"
#include "handlers/outbox.h"

enum { BURST_QUIET_S = 10 }; /* single photos that come faster than this are one burst */

/* ---------------------------------------------------------------- the upload screen */

/* What is nought is not worth a line. */
static void fact_line(struct buf *b, enum language language, enum text text, int64_t n,
                      int64_t most)
{
    if (!n)
        return;
    buf_add(b, text_plain(b->arena, language, text, KVS(KV("n", n), KV("most", most))));
    buf_add_char(b, '\n');
}

/* over: how many came for which there was no place. */
static str status_lines(struct arena *a, enum language language, const struct conf *conf,
                        const struct photo_counts *c, int64_t over)
{
    int64_t least = conf->avatar_min_photos, most = conf->avatar_max_photos;
    struct buf b = buf_new(a);
    fact_line(&b, language, T_photos_pending, c->pending, most);
    fact_line(&b, language, T_photos_refused, c->refused, most);
    fact_line(&b, language, T_photos_over, over, most);
    if (c->pending || c->refused || over)
        buf_add_char(&b, '\n');
    enum text state = c->kept < least  ? T_photos_need
                      : c->kept < most ? T_photos_enough
                                       : T_photos_most;
    buf_add(&b, text_plain(a, language, state,
                           KVS(KV("n", least - c->kept), KV("more", most - c->kept))));
    return buf_str(&b);
}

static const struct kv *screen_values(struct arena *a, enum language language,
                                      const struct conf *conf, str name,
                                      const struct photo_counts *c, int64_t over)
{
    double share = (double)c->kept / (double)conf->avatar_max_photos;
    return kvs_kept(a, KVS(KV("name", name), KV("bar", progress_bar(a, share)), KV("kept", c->kept),
                           KV("most", conf->avatar_max_photos),
                           KV("status", status_lines(a, language, conf, c, over))));
}

static void screen_buttons(struct keyboard *k, const struct conf *conf, str avatar_id,
                           const struct photo_counts *c)
{
    struct arena *a = k->arena;
    int64_t shown = c->kept + c->pending;
    keyboard_row(k);
    if (shown)
        keyboard_button(k, T_button_photos, tap_for(a, "photos:show", avatar_id), KV("n", shown));
    if (c->kept < conf->avatar_max_photos)
        keyboard_button(k, T_button_photos_tips, tap_for(a, "photos:tips", avatar_id));
    keyboard_row(k);
    if (c->kept >= conf->avatar_min_photos)
        keyboard_button(k, T_button_photos_ready, tap_for(a, "training:open", avatar_id));
    keyboard_row(k);
    keyboard_button(k, T_button_avatar_drop, tap_for(a, "avatar:delete", avatar_id));
    keyboard_menu_row(k);
}

/* Draws it for the turn and makes it the message that progress goes to. */
static err *show_screen(struct turn *t)
{
    const struct conf *conf = t->bot->conf;
    struct photo_counts counts;
    TRY(photos_count(t->db, t->arena, t->avatar->id, &counts));
    str slot = str_printf(t->arena, "photos:%" PRId64, t->update->id);
    field_put(t, "d.avatar", t->avatar->id);
    field_put(t, "d.slot", slot);
    screen_buttons(&t->keyboard, conf, t->avatar->id, &counts);
    say_in_slot(t, slot);
    return say_here(t, T_photos_screen,
                    screen_values(t->arena, t->language, conf, t->avatar->name, &counts,
                                  field_get_i64(t, "d.over")));
}

err *photos_open(struct turn *t)
{
    if (!t->avatar->takes_photos)
        return refuse(t, T_photos_closed);
    dialog_enter(t, ST_avatar_photos);
    return show_screen(t);
}

err *on_photos_open(struct turn *t)
{
    return photos_open(t);
}

static err *load_avatar(struct turn *t, str avatar_id)
{
    t->avatar = NEW(t->arena, struct avatar);
    return avatar_find(t->db, t->arena, t->user->id, avatar_id, t->avatar);
}

err *draw_photos(struct turn *t)
{
    TRY(load_avatar(t, field_get(t, "d.avatar")));
    return show_screen(t);
}

/* The dialog of this avatar, where it is; opened where it was lost. */
static void be_in_upload(struct turn *t, str avatar_id)
{
    if (t->state == ST_avatar_photos && str_eq(field_get(t, "d.avatar"), avatar_id)) {
        dialog_stay(t);
        return;
    }
    dialog_enter(t, ST_avatar_photos);
    field_put(t, "d.avatar", avatar_id);
}

/* What is tapped shows something else from now on: progress must not be written over it. */
static void leave_screen(struct turn *t)
{
    field_drop(t, "d.slot");
}

static void back_button(struct turn *t, str avatar_id)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_photos_back,
                    tap_for(t->arena, "photos:open", avatar_id));
}

static enum text advice_text(str training_type)
{
    if (str_eq(training_type, S("style")))
        return T_photos_advice_style;
    return str_eq(training_type, S("object")) ? T_photos_advice_object : T_photos_advice_portrait;
}

err *on_photos_tips(struct turn *t)
{
    const struct conf *conf = t->bot->conf;
    enum text advice = advice_text(t->avatar->training_type);
    be_in_upload(t, t->avatar->id);
    leave_screen(t);
    back_button(t, t->avatar->id);
    return edit(t, T_photos_tips, KV("advice", text_plain(t->arena, t->language, advice, KVS())),
                KV("least", conf->avatar_min_photos), KV("most", conf->avatar_max_photos),
                KV("side", conf->photo_min_resolution_pixels));
}

/* ---------------------------------------------------------------- receiving */

/* An album says once what is to be said of all of it; so do single photos in a quick row. */
static bool was_told(struct turn *t)
{
    str group = t->update->media_group_id;
    int64_t now_s = clock_ms() / 1000;
    bool is_told = str_empty(group) ? now_s < field_get_i64(t, "d.astray_s") + BURST_QUIET_S
                                    : str_eq(group, field_get(t, "d.astray"));
    if (str_empty(group))
        field_put_i64(t, "d.astray_s", now_s);
    else
        field_put(t, "d.astray", group);
    return is_told;
}

/* They are counted on the screen, which comes below the last of them. */
static err *count_over(struct turn *t)
{
    field_put_i64(t, "d.over", field_get_i64(t, "d.over") + 1);
    field_put_i64(t, "d.over_at", t->update->message_id);
    return photos_progress_queue_after(t->db, t->user->id, field_get(t, "d.avatar"), t->chat_id);
}

static err *say_daily(struct turn *t)
{
    if (was_told(t))
        return NULL;
    return say(t, T_photos_daily, KV("most", t->bot->conf->photos_per_day),
               KV("when", limits_next_day(t)));
}

/* The draft went while its photos were on their way. */
static err *say_gone(struct turn *t)
{
    dialog_enter(t, ST_idle);
    leave_screen(t);
    was_told(t); /* and the rest of the album goes without words */
    keyboard_menu_row(&t->keyboard);
    return say(t, T_photos_gone);
}

/* A photo is all that its turn writes: one statement does it, and the turn's own book-keeping too.
 * Only a person who was just written down has a transaction open already. */
static err *receive(struct turn *t, const struct photo_arrival *arrival,
                    enum photo_verdict *verdict)
{
    const struct photo_limits limits = {
        .of_avatar = t->bot->conf->avatar_max_photos,
        .of_day = t->bot->conf->photos_per_day,
    };
    t->spares_user = true;
    if (db_is_writing(t->db))
        return photo_receive(t->db, t->arena, arrival, &limits, verdict);
    const struct photo_turn turn = {
        .bot_id = t->bot->id,
        .update_id = t->update->id,
        .outcome = turn_outcome(t),
    };
    str earlier;
    TRY(photo_receive_turn(t->db, t->arena, &turn, arrival, &limits, verdict, &earlier));
    if (!str_empty(earlier))
        return turn_was_ended(t, earlier);
    if (*verdict == PHOTO_RECEIVED || *verdict == PHOTO_REFUSED)
        turn_ended(t);
    return NULL;
}

err *on_photo(struct turn *t)
{
    const struct conf *conf = t->bot->conf;
    const struct update *u = t->update;
    if (str_empty(field_get(t, "d.avatar")))
        return on_photo_astray(t);
    const struct photo_arrival arrival = {
        .id = random_uuid(t->arena),
        .avatar_id = field_get(t, "d.avatar"),
        .user_id = t->user->id,
        .chat_id = t->chat_id,
        .message_id = u->message_id,
        .is_file = u->media == MEDIA_DOCUMENT,
        .file_id = u->file_id,
        .file_size_bytes = u->file_size_bytes,
        .refused = u->file_size_bytes > conf->photo_max_size_bytes ? S("too_large") : S(""),
    };
    if (str_empty(field_get(t, "d.slot")))
        field_put(t, "d.slot", str_printf(t->arena, "photos:%" PRId64, u->id));
    enum photo_verdict verdict = PHOTO_GONE;
    TRY(receive(t, &arrival, &verdict));
    switch (verdict) {
    case PHOTO_FULL:
        return count_over(t);
    case PHOTO_DAILY:
        return say_daily(t);
    case PHOTO_GONE:
        return say_gone(t);
    case PHOTO_RECEIVED:
    case PHOTO_REFUSED:
        break;
    }
    return NULL;
}

err *on_photos_words(struct turn *t)
{
    return say(t, T_photos_awaited);
}

err *on_photo_astray(struct turn *t)
{
    struct avatar draft;
    if (was_told(t))
        return NULL;
    err *e = avatar_find_draft(t->db, t->arena, t->user->id, &draft);
    if (err_is_not_found(e))
        return say(t, T_photo_astray);
    if (e)
        return e;
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_photos_go_on,
                    tap_for(t->arena, "photos:open", draft.id));
    keyboard_menu_row(&t->keyboard);
    return say(t, T_photo_has_draft, KV("name", draft.name));
}

/* ---------------------------------------------------------------- the viewer */

static int64_t kilobytes(const struct photo *photo)
{
    return (photo->file_size_bytes + 1023) / 1024;
}

static void viewer_buttons(struct keyboard *k, const struct photo *photo,
                           const struct photo_place *place)
{
    struct arena *a = k->arena;
    if (place->total > 1) {
        keyboard_row(k);
        keyboard_button(k, T_button_newer, tap_for(a, "photos:newer", photo->id));
        keyboard_button(k, T_button_place, tap_for(a, "photos:place", photo->id),
                        KV("index", place->index), KV("total", place->total));
        keyboard_button(k, T_button_older, tap_for(a, "photos:older", photo->id));
    }
    keyboard_row(k);
    keyboard_button(k, T_button_delete, tap_for(a, "photos:delete", photo->id));
    keyboard_row(k);
    keyboard_button(k, T_button_photos_back, tap_for(a, "photos:open", photo->avatar_id));
}

static const struct kv *card_values(struct arena *a, const struct photo *photo,
                                    const struct photo_place *place)
{
    str date = date_shown(a, photo->created_at_ms, photo->utc_offset_minutes);
    return kvs_kept(a, KVS(KV("index", place->index), KV("total", place->total), KV("date", date),
                           KV("kilobytes", kilobytes(photo)), KV("width", photo->width),
                           KV("height", photo->height)));
}

static enum text card_text(const struct photo *photo)
{
    return photo->is_pending ? T_photo_card_pending : T_photo_card;
}

/* A photo that came as a file has never been shown: it goes out by a job, which has its bytes. */
static err *send_later(struct turn *t, const struct photo *photo)
{
    const struct new_job job = {
        .lane = S("send"),
        .kind = S("photo_send"),
        .user_id = t->user->id,
        .subject = photo->id,
        .payload = json_make(t->arena, KV("chat_id", t->chat_id)),
    };
    TRY(job_add(t->db, &job, NULL));
    hint(t, T_gallery_loading);
    return NULL;
}

/* What Telegram knows it by; empty when it was never shown. */
static str known_file(const struct photo *photo)
{
    return photo->is_kept || photo->is_file ? photo->file_id : photo->source_file_id;
}

static err *show_photo(struct turn *t, const struct photo_place *place)
{
    struct photo photo;
    TRY(photo_find(t->db, t->arena, t->user->id, place->id, &photo));
    if (!photo.takes_photos)
        return refuse(t, T_photos_closed);
    be_in_upload(t, photo.avatar_id);
    leave_screen(t);
    str file_id = known_file(&photo);
    if (str_empty(file_id) && photo.is_kept)
        return send_later(t, &photo);
    viewer_buttons(&t->keyboard, &photo, place);
    const struct kv *values = card_values(t->arena, &photo, place);
    return str_empty(file_id) ? say_here(t, T_photo_card_file, values)
                              : say_photo_here(t, file_id, card_text(&photo), values);
}

/* The newest; without any there is only the upload to go back to. t->avatar is the draft. */
static err *show_newest(struct turn *t)
{
    struct photo_place place;
    err *e = photo_step(t->db, t->arena, t->user->id, t->avatar->id, S(""), 0, &place);
    if (err_is_not_found(e))
        return photos_open(t);
    return e ? e : show_photo(t, &place);
}

err *on_photos_show(struct turn *t)
{
    return show_newest(t);
}

/* A button of a photo that is not there any more. */
static err *show_after_old_button(struct turn *t)
{
    t->is_redraw = true;
    hint(t, T_button_is_old);
    TRY(load_avatar(t, field_get(t, "d.avatar")));
    return show_newest(t);
}

/* The one that a button names; is_there: false when the screen was drawn anew without it. */
static err *find_tapped(struct turn *t, struct photo *photo, bool *is_there)
{
    err *e = photo_find(t->db, t->arena, t->user->id, t->argument, photo);
    *is_there = !e;
    return err_is_not_found(e) ? show_after_old_button(t) : e;
}

static err *turn_page(struct turn *t, int steps, enum text at_the_end)
{
    struct photo photo;
    bool is_there;
    TRY(find_tapped(t, &photo, &is_there));
    if (!is_there)
        return NULL;
    struct photo_place place;
    TRY(photo_step(t->db, t->arena, t->user->id, photo.avatar_id, photo.id, steps, &place));
    if (str_eq(place.id, photo.id)) {
        be_in_upload(t, photo.avatar_id);
        hint(t, at_the_end, KV("index", place.index), KV("total", place.total));
        return NULL;
    }
    return show_photo(t, &place);
}

err *on_photos_older(struct turn *t)
{
    return turn_page(t, 1, T_photo_is_oldest);
}

err *on_photos_newer(struct turn *t)
{
    return turn_page(t, -1, T_photo_is_newest);
}

err *on_photos_place(struct turn *t)
{
    return turn_page(t, 0, T_photo_place);
}

/* Its object follows by trigger; a look at it that is under way finds it gone. */
static err *remove_photo(struct turn *t, const struct photo *photo, int *left)
{
    struct avatar avatar;
    TRY(avatar_lock(t->db, t->arena, t->user->id, photo->avatar_id, &avatar));
    if (!avatar.takes_photos)
        return refuse(t, T_photos_closed);
    TRY(photo_delete(t->db, t->user->id, photo->id));
    TRY(photos_recount(t->db, avatar.id, t->bot->conf->avatar_min_photos, left));
    t->spares_user = true;
    log_info("photo.deleted", KV("photo", photo->id));
    return NULL;
}

/* The photo stays before the user's eyes while it is asked about, where there is one to be seen. */
err *on_photos_delete(struct turn *t)
{
    struct photo photo;
    bool is_there;
    TRY(find_tapped(t, &photo, &is_there));
    if (!is_there)
        return NULL;
    if (!photo.takes_photos)
        return refuse(t, T_photos_closed);
    be_in_upload(t, photo.avatar_id);
    leave_screen(t);
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_delete_yes,
                    tap_for(t->arena, "photos:delete_yes", photo.id));
    keyboard_button(&t->keyboard, T_button_delete_no, tap_for(t->arena, "photos:view", photo.id));
    str file_id = known_file(&photo);
    return str_empty(file_id) ? edit(t, T_photo_delete_ask)
                              : edit_photo(t, file_id, T_photo_delete_ask);
}

/* "No" under the question whether to delete. */
err *on_photos_view(struct turn *t)
{
    struct photo photo;
    bool is_there;
    TRY(find_tapped(t, &photo, &is_there));
    if (!is_there)
        return NULL;
    struct photo_place place;
    TRY(photo_step(t->db, t->arena, t->user->id, photo.avatar_id, photo.id, 0, &place));
    return show_photo(t, &place);
}

/* Afterwards the user is where they were: at the next older one, or at the last that is left. */
err *on_photos_delete_yes(struct turn *t)
{
    struct photo photo;
    bool is_there;
    TRY(find_tapped(t, &photo, &is_there));
    if (!is_there)
        return NULL;
    struct photo_place next;
    TRY(photo_step(t->db, t->arena, t->user->id, photo.avatar_id, photo.id, 1, &next));
    if (str_eq(next.id, photo.id))
        TRY(photo_step(t->db, t->arena, t->user->id, photo.avatar_id, photo.id, -1, &next));

    int left = 0;
    TRY(remove_photo(t, &photo, &left));
    hint(t, T_photo_deleted, KV("n", left));
    TRY(load_avatar(t, photo.avatar_id));
    if (str_eq(next.id, photo.id))
        return photos_open(t);
    TRY(photo_step(t->db, t->arena, t->user->id, photo.avatar_id, next.id, 0, &next));
    return show_photo(t, &next);
}

/* ---------------------------------------------------------------- under a doubtful one */

err *on_photos_keep(struct turn *t)
{
    struct photo photo;
    TRY(photo_find(t->db, t->arena, t->user->id, t->argument, &photo));
    return edit(t, T_photo_stays);
}

err *on_photos_remove(struct turn *t)
{
    struct photo photo;
    int left = 0;
    TRY(photo_find(t->db, t->arena, t->user->id, t->argument, &photo));
    TRY(remove_photo(t, &photo, &left));
    TRY(photos_progress_queue(t->db, t->user->id, photo.avatar_id, t->chat_id));
    return edit(t, T_photo_removed, KV("n", left));
}

/* ---------------------------------------------------------------- how far it is */

static int64_t session_number(const struct session *session, const char *name)
{
    int64_t number = 0;
    str_to_i64(session_field(session, name), &number);
    return number;
}

/* The screen is drawn by what is true now, and only where the user still has it before him. */
err *job_photos_progress(struct work *w)
{
    const struct conf *conf = w->bot->conf;
    struct session session;
    struct photo_counts counts;
    struct avatar avatar;
    int64_t chat_id = 0;
    json_i64(w->payload, "chat_id", &chat_id);
    TRY(session_read(w->bot->cache, w->arena, chat_id, &session));
    str slot = session_field(&session, "d.slot");
    int64_t over = session_number(&session, "d.over");
    int64_t over_at = session_number(&session, "d.over_at");
    bool is_shown = str_eq(session.state, S("avatar_photos")) && !str_empty(slot) &&
                    str_eq(session_field(&session, "d.avatar"), w->job->subject);
    if (!is_shown)
        return NULL;
    err *e = avatar_find(w->db, w->arena, w->job->user_id, w->job->subject, &avatar);
    if (e || !avatar.takes_photos)
        return err_is_not_found(e) ? NULL : e;
    TRY(photos_count(w->db, w->arena, avatar.id, &counts));

    enum language language = language_of(counts.language_code);
    str html = text_html(w->arena, language, T_photos_screen,
                         screen_values(w->arena, language, conf, avatar.name, &counts, over));
    struct keyboard k = keyboard_new(w->arena, language);
    screen_buttons(&k, conf, avatar.id, &counts);
    const struct outbox_call call = {
        .chat_id = chat_id,
        .call = message_call(w->arena, chat_id, MESSAGE_OF_SLOT, html, &k),
        .slot = slot,
        .below_message_id = counts.newest_message_id > over_at ? counts.newest_message_id : over_at,
    };
    return work_call(w, &call, NULL);
}

/* The largest size of what was sent carries the file_id that is kept. */
static err *keep_file_id(struct work *w, const struct photo *photo, struct json_object *message)
{
    struct json_object *sizes = json_at(message, "photo");
    size_t count = json_length(sizes);
    if (!count)
        return NULL;
    return photo_keep_file_id(w->db, photo->id, json_str(json_item(sizes, count - 1), "file_id"));
}

err *job_photo_send(struct work *w)
{
    int64_t chat_id = 0;
    json_i64(w->payload, "chat_id", &chat_id);
    struct photo photo;
    struct photo_place place;
    err *e = photo_find(w->db, w->arena, w->job->user_id, w->job->subject, &photo);
    if (!e)
        e = photo_step(w->db, w->arena, photo.user_id, photo.avatar_id, photo.id, 0, &place);
    if (e || !photo.is_kept)
        return err_is_not_found(e) ? NULL : e;

    struct s3_object object = {0};
    str source = photo.file_id;
    if (str_empty(source)) {
        TRY(s3_get(w->arena, &w->bot->s3, photo.bucket, photo.object_key, TELEGRAM_PHOTO_MAX_BYTES,
                   &object));
        source = S("attach://photo0");
    }
    const struct telegram_file files[] = {
        {.field = S("photo0"),
         .file_name = S("photo0.jpg"),
         .content_type = S("image/jpeg"),
         .bytes = object.bytes},
        {.field = S("")},
    };
    enum language language = language_of(photo.language_code);
    struct keyboard k = keyboard_new(w->arena, language);
    viewer_buttons(&k, &photo, &place);
    str caption = text_html(w->arena, language, card_text(&photo),
                            card_values(w->arena, &photo, &place));
    const struct outbox_call call = {
        .chat_id = chat_id,
        .call = photo_call(w->arena, chat_id, 0, source, caption, &k),
        .files = str_empty(photo.file_id) ? files : NULL,
    };
    struct json_object *message;
    TRY(work_call(w, &call, &message));
    return keep_file_id(w, &photo, message);
}
