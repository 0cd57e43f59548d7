#include "handlers/gallery/gallery.h"

#include "core/log.h"
#include "handlers/gallery/filter.h"
#include "handlers/gallery/picture.h"
#include "handlers/images/order.h"
#include "handlers/outbox.h"

enum {
    FAR_STEPS = 10,
    FAR_FROM = 5,          /* with fewer images nobody needs big steps */
    SHOWN_WORDS_MAX = 400, /* code points, of two units at most: a caption has 1024 */
};

/* ---------------------------------------------------------------- the card */

/* The image that is shown and where it stands: its card is drawn by turns and by the job alike. */
struct card {
    const struct image *image;
    int64_t index, total;
    enum language language;
    bool shows_details;
    str marks; /* of the filters that are set */
};

static void page_buttons(struct keyboard *k, const struct card *card)
{
    struct arena *a = k->arena;
    str id = card->image->id;
    if (card->total > 1) {
        keyboard_row(k);
        if (card->total >= FAR_FROM)
            keyboard_button(k, T_button_first, tap_for(a, "gallery:first", id));
        keyboard_button(k, T_button_newer, tap_for(a, "gallery:newer", id));
        keyboard_button(k, T_button_place, tap_for(a, "gallery:place", id),
                        KV("index", card->index), KV("total", card->total));
        keyboard_button(k, T_button_older, tap_for(a, "gallery:older", id));
        if (card->total >= FAR_FROM)
            keyboard_button(k, T_button_last, tap_for(a, "gallery:last", id));
    }
    if (card->total > FAR_STEPS) {
        keyboard_row(k);
        keyboard_button(k, T_button_newer_far, tap_for(a, "gallery:newer_far", id),
                        KV("steps", (int)FAR_STEPS));
        keyboard_button(k, T_button_older_far, tap_for(a, "gallery:older_far", id),
                        KV("steps", (int)FAR_STEPS));
    }
}

static void card_buttons(struct keyboard *k, const struct conf *conf, const struct card *card)
{
    const struct image *image = card->image;
    page_buttons(k, card);
    keyboard_row(k);
    keyboard_button(k, image->is_favorite ? T_button_unfavorite : T_button_favorite,
                    tap_for(k->arena, "gallery:favorite", image->id));
    keyboard_button(k, T_button_delete, tap_for(k->arena, "gallery:delete", image->id));
    keyboard_row(k);
    keyboard_button(k, T_button_prompt, tap_for(k->arena, "gallery:prompt", image->id));
    keyboard_button(k, T_button_file, tap_for(k->arena, "gallery:file", image->id));
    keyboard_row(k);
    again_button(k, conf, image->generation_type, image->generation_id, 1);
    edit_button(k, image->generation_type, image->generation_id, 1);
    keyboard_row(k);
    keyboard_button(k, T_button_filters, S("filter:open"), KV("marks", card->marks));
    keyboard_button(k, T_button_statistics, S("statistics:open"));
    keyboard_row(k);
    keyboard_button(k, T_button_menu, S("menu:open"));
}

static const struct kv *card_values(struct arena *a, const struct card *card)
{
    const struct image *image = card->image;
    str details = S("");
    if (card->shows_details)
        details = str_printf(a, "\n" STR_FMT, STR_ARG(picture_details(a, card->language, image)));
    return kvs_kept(a, KVS(KV("favorite", image->is_favorite ? S("⭐ ") : S("")),
                           KV("index", card->index), KV("total", card->total),
                           KV("words", str_clip_points(a, image->words, SHOWN_WORDS_MAX)),
                           KV("avatar", image->avatar_name), KV("ratio", image->aspect_ratio),
                           KV("details", details)));
}

static enum text card_text(const struct card *card)
{
    return str_empty(card->image->avatar_name) ? T_gallery_card : T_gallery_card_avatar;
}

/* An image that was never sent goes by a job; all others in the answer to the tap. */
static err *send_later(struct turn *t, const struct card *card)
{
    const struct new_job job = {
        .lane = S("send"),
        .kind = S("gallery_send"),
        .user_id = t->user->id,
        .subject = card->image->id,
        .payload = json_make(t->arena, KV("chat_id", t->chat_id),
                             KV("language", language_code(t->language)), KV("index", card->index),
                             KV("total", card->total), KV("details", card->shows_details),
                             KV("marks", card->marks)),
    };
    TRY(job_add(t->db, &job, NULL));
    hint(t, T_gallery_loading);
    return NULL;
}

static struct card card_of(const struct turn *t, const struct image *image, int64_t index,
                           int64_t total)
{
    return (struct card){
        .image = image,
        .index = index,
        .total = total,
        .language = t->language,
        .shows_details = t->user->settings.shows_details,
        .marks = filter_marks(t),
    };
}

static err *show(struct turn *t, const struct image *image, int64_t index, int64_t total)
{
    if (!str_eq(image->id, field_get(t, "g.at")))
        field_drop(t, "g.gone");
    field_put(t, "g.at", image->id);
    field_put_i64(t, "g.at_us", image->created_at_us);
    field_put_i64(t, "g.index", index);
    if (total != field_get_i64(t, "g.total")) /* as it is from page to page */
        field_put_i64(t, "g.total", total);
    const struct card card = card_of(t, image, index, total);
    if (str_empty(image->file_id))
        return send_later(t, &card);
    card_buttons(&t->keyboard, t->bot->conf, &card);
    return say_photo_here(t, image->file_id, card_text(&card), card_values(t->arena, &card));
}

/* Nothing at all, or nothing that the filters let through. */
static err *show_empty(struct turn *t)
{
    str marks = filter_marks(t);
    keyboard_row(&t->keyboard);
    if (!str_empty(marks)) {
        keyboard_button(&t->keyboard, T_button_filters, S("filter:open"), KV("marks", marks));
        keyboard_button(&t->keyboard, T_button_filter_reset, S("gallery:all"));
        keyboard_menu_row(&t->keyboard);
        return edit(t, T_gallery_nothing);
    }
    keyboard_button(&t->keyboard, T_button_create, S("create:open"));
    keyboard_button(&t->keyboard, T_button_menu, S("menu:open"));
    return edit(t, T_gallery_empty);
}

/* ---------------------------------------------------------------- pages */

/* An image that was taken out of the favourites while only those are shown stays until the user
 * goes on, and is not counted any more. */
static int64_t gone(const struct turn *t)
{
    return field_get_i64(t, "g.gone");
}

static struct gallery_place head_of(const struct turn *t)
{
    return (struct gallery_place){field_get_i64(t, "g.head_us"), field_get(t, "g.head")};
}

/* False where dates of the filter have moved on with the calendar since. */
static bool is_counted(const struct turn *t, const struct gallery_filter *filter)
{
    return !str_empty(field_get(t, "g.head")) && filter->since_us == field_get_i64(t, "g.since");
}

/* Beside what was counted once only that is counted which came since. newest is untouched when there is
 * none. */
static err *count_on(struct turn *t, const struct gallery_filter *filter, struct image *newest,
                     bool *has_any, int64_t *total)
{
    int64_t fresh = 0;
    int moved;
    const struct gallery_place head = head_of(t);
    *total = field_get_i64(t, "g.total") - gone(t);
    if (is_counted(t, filter))
        TRY(gallery_above(t->db, t->user->id, filter, &head, &fresh));
    else
        TRY(filter_count(t, total));
    TRY(gallery_step(t->db, t->user->id, filter, &gallery_top, 1, newest, &moved));
    *has_any = moved;
    if (moved && fresh) {
        field_put(t, "g.head", newest->id);
        field_put_i64(t, "g.head_us", newest->created_at_us);
        *total += fresh;
    }
    return NULL;
}

static err *show_newest(struct turn *t)
{
    struct gallery_filter filter;
    struct image newest;
    bool has_any;
    int64_t total;
    filter_read(t, &filter);
    TRY(count_on(t, &filter, &newest, &has_any, &total));
    return has_any ? show(t, &newest, 1, total) : show_empty(t);
}

/* Others have come since they were counted, and its number tells: it is no number of one. */
static err *show_counted(struct turn *t, const struct image *image)
{
    struct gallery_filter filter;
    int64_t total, above;
    const struct gallery_place place = {image->created_at_us, image->id};
    filter_read(t, &filter);
    TRY(filter_count(t, &total));
    TRY(gallery_above(t->db, t->user->id, &filter, &place, &above));
    return show(t, image, above + 1, total);
}

/* The image the user is at, as it is now; the newest when that one is gone. */
static err *show_place(struct turn *t)
{
    struct image image;
    err *e = image_find(t->db, t->arena, t->user->id, field_get(t, "g.at"), &image);
    if (err_is_not_found(e)) {
        field_drop(t, "g.head"); /* what was counted has changed some other way */
        return show_newest(t);
    }
    return e ? e : show(t, &image, field_get_i64(t, "g.index"), field_get_i64(t, "g.total"));
}

void gallery_favorites_changed(struct turn *t)
{
    if (!str_empty(field_get(t, "g.starred")))
        field_drop(t, "g.head"); /* what was counted has changed some other way */
}

/* Where the user was, for a week, unless there is something new to be seen. */
err *on_gallery_open(struct turn *t)
{
    struct gallery_filter filter;
    filter_read(t, &filter);
    if (str_empty(field_get(t, "g.at")) || gone(t) || !is_counted(t, &filter))
        return show_newest(t);
    int64_t fresh;
    const struct gallery_place head = head_of(t);
    TRY(gallery_above(t->db, t->user->id, &filter, &head, &fresh));
    return fresh ? show_newest(t) : show_place(t);
}

/* From a screen where the filters let nothing through. */
err *on_gallery_all(struct turn *t)
{
    filter_drop(t);
    return show_newest(t);
}

/* A button of a card that is no longer the one on the screen. */
static bool is_elsewhere(const struct turn *t)
{
    return !str_eq(t->argument, field_get(t, "g.at"));
}

static err *show_again(struct turn *t)
{
    t->is_redraw = true;
    hint(t, T_button_is_old);
    return show_place(t);
}

static err *step_from(struct turn *t, const struct gallery_place *place, int steps,
                      struct image *image, int *moved)
{
    struct gallery_filter filter;
    filter_read(t, &filter);
    return gallery_step(t->db, t->user->id, &filter, place, steps, image, moved);
}

static err *step(struct turn *t, int steps)
{
    if (is_elsewhere(t))
        return show_again(t);
    struct image image;
    int moved;
    TRY(step_from(t, &(struct gallery_place){field_get_i64(t, "g.at_us"), field_get(t, "g.at")},
                  steps, &image, &moved));
    if (!moved) {
        hint(t, steps > 0 ? T_gallery_is_last : T_gallery_is_first);
        return NULL;
    }
    int64_t index = field_get_i64(t, "g.index") + moved - (moved > 0 ? gone(t) : 0);
    int64_t total = field_get_i64(t, "g.total") - gone(t);
    if (index < 1 || index > total)
        return show_counted(t, &image);
    return show(t, &image, index, total);
}

err *on_gallery_older(struct turn *t)
{
    return step(t, 1);
}

err *on_gallery_newer(struct turn *t)
{
    return step(t, -1);
}

/* As far as the gallery goes, when that is less. */
err *on_gallery_older_far(struct turn *t)
{
    return step(t, FAR_STEPS);
}

err *on_gallery_newer_far(struct turn *t)
{
    return step(t, -FAR_STEPS);
}

/* Who is at the end already is told so: Telegram refuses to show the same card once more. */
static err *end_of(struct turn *t, err *shown, str at, int64_t index, int64_t total,
                   enum text words)
{
    TRY(shown);
    bool is_same = t->call_count && str_eq(at, field_get(t, "g.at")) &&
                   index == field_get_i64(t, "g.index") && total == field_get_i64(t, "g.total");
    if (!is_same)
        return NULL;
    turn_unsay(t);
    hint(t, words);
    return NULL;
}

err *on_gallery_first(struct turn *t)
{
    if (is_elsewhere(t))
        return show_again(t);
    str at = field_get(t, "g.at");
    int64_t index = field_get_i64(t, "g.index"), total = field_get_i64(t, "g.total");
    return end_of(t, show_newest(t), at, index, total, T_gallery_is_first);
}

static err *show_oldest(struct turn *t)
{
    struct image image;
    int moved;
    TRY(step_from(t, &gallery_bottom, -1, &image, &moved));
    if (!moved)
        return show_empty(t);
    int64_t total = field_get_i64(t, "g.total") - gone(t);
    return show(t, &image, total, total);
}

err *on_gallery_last(struct turn *t)
{
    if (is_elsewhere(t))
        return show_again(t);
    str at = field_get(t, "g.at");
    int64_t index = field_get_i64(t, "g.index"), total = field_get_i64(t, "g.total");
    return end_of(t, show_oldest(t), at, index, total, T_gallery_is_last);
}

/* Between the arrows stands where one is; it asks where to go instead. */
err *draw_gallery_number(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_back, S("gallery:open"));
    return edit(t, T_gallery_number_ask, KV("index", field_get_i64(t, "g.index")),
                KV("total", field_get_i64(t, "g.total") - gone(t)));
}

err *on_gallery_place(struct turn *t)
{
    if (!is_elsewhere(t))
        return draw_gallery_number(t);
    dialog_enter(t, ST_idle);
    return show_again(t);
}

/* Where the number is not there, what was counted has changed some other way. */
err *on_gallery_number(struct turn *t)
{
    struct gallery_filter filter;
    struct image image;
    int64_t number, total;
    bool has_any, is_there;
    filter_read(t, &filter);
    TRY(count_on(t, &filter, &image, &has_any, &total));
    if (!str_to_i64(t->text, &number) || number < 1 || number > total)
        return refuse(t, T_gallery_number_bad, KV("total", total));
    TRY(gallery_number(t->db, t->user->id, &filter, number, &image, &is_there));
    if (is_there)
        return show(t, &image, number, total);
    field_drop(t, "g.head");
    return show_newest(t);
}

/* "No" under the question whether to delete. */
err *on_gallery_show(struct turn *t)
{
    return is_elsewhere(t) ? show_again(t) : show_place(t);
}

/* ---------------------------------------------------------------- actions */

err *on_gallery_favorite(struct turn *t)
{
    if (is_elsewhere(t))
        return show_again(t);
    t->image->is_favorite = !t->image->is_favorite;
    TRY(image_set_favorite(t->db, t->user->id, t->image->id, t->image->is_favorite));
    hint(t, t->image->is_favorite ? T_favorite_added : T_favorite_removed);
    bool leaves = !t->image->is_favorite && !str_empty(field_get(t, "g.starred"));
    field_put_i64(t, "g.gone", leaves);
    return show(t, t->image, field_get_i64(t, "g.index"), field_get_i64(t, "g.total"));
}

err *on_gallery_delete(struct turn *t)
{
    if (is_elsewhere(t))
        return show_again(t);
    if (str_empty(t->image->file_id))
        return show_place(t);
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_delete_yes,
                    tap_for(t->arena, "gallery:remove", t->image->id));
    keyboard_button(&t->keyboard, T_button_delete_no,
                    tap_for(t->arena, "gallery:show", t->image->id));
    return edit_photo(t, t->image->file_id, T_gallery_delete_ask,
                      KV("words", str_clip_points(t->arena, t->image->words, SHOWN_WORDS_MAX)));
}

/* Afterwards the user is where they were: at the next older one, or at the last that is left. */
err *on_gallery_remove(struct turn *t)
{
    if (is_elsewhere(t))
        return show_again(t);
    int64_t index = field_get_i64(t, "g.index"), total = field_get_i64(t, "g.total") - 1;
    const struct gallery_place place = {t->image->created_at_us, t->image->id};
    bool is_deleted;
    TRY(image_delete(t->db, t->user->id, t->image->id, &is_deleted));
    if (!is_deleted)
        return refuse(t, T_gallery_is_made);
    log_info("image.deleted", KV("image", t->image->id));
    hint(t, T_gallery_deleted);

    struct image image;
    int moved;
    field_put_i64(t, "g.total", total);
    TRY(step_from(t, &place, 1, &image, &moved));
    if (!moved) {
        index--;
        TRY(step_from(t, &place, -1, &image, &moved));
    }
    return moved ? show(t, &image, index, total) : show_empty(t);
}

/* ---------------------------------------------------------------- sending for the first time */

err *job_gallery_send(struct work *w)
{
    int64_t chat_id = 0;
    json_i64(w->payload, "chat_id", &chat_id);
    enum language language = language_of(json_str(w->payload, "language"));
    struct image image;
    err *e = image_find(w->db, w->arena, w->job->user_id, w->job->subject, &image);
    if (err_is_not_found(e))
        return NULL;
    if (e)
        return e;

    struct card card = {
        .image = &image,
        .index = 1,
        .total = 1,
        .language = language,
        .marks = json_str(w->payload, "marks"),
    };
    json_i64(w->payload, "index", &card.index);
    json_i64(w->payload, "total", &card.total);
    json_boolean(w->payload, "details", &card.shows_details);
    struct keyboard k = keyboard_new(w->arena, language);
    card_buttons(&k, w->bot->conf, &card);
    str caption = text_html(w->arena, language, card_text(&card), card_values(w->arena, &card));
    return picture_send(w, chat_id, &image, caption, &k, false);
}
