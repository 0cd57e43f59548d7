#include "handlers/images/delivery.h"

#include "handlers/gallery/download.h"
#include "handlers/gallery/gallery.h"
#include "handlers/gallery/picture.h"
#include "handlers/images/lora.h"
#include "handlers/images/order.h"
#include "handlers/images/sample.h"

enum { ALBUM_LEAST = 2 };

/* The button says what it will make of all images, not what the first of two taps has made of them. */
static void favorite_button(struct keyboard *k, const struct generation *g, bool is_favorite)
{
    str argument = str_printf(k->arena, STR_FMT ":%d", STR_ARG(g->errand.id), !is_favorite);
    keyboard_button(k, is_favorite ? T_button_unfavorite : T_button_favorite,
                    tap_for(k->arena, "generation:favorite", argument));
}

static void result_buttons(struct keyboard *k, const struct conf *conf, const struct generation *g,
                           bool is_favorite)
{
    keyboard_row(k);
    again_button(k, conf, g->generation_type, g->errand.id, g->num_images);
    edit_button(k, g->generation_type, g->errand.id, g->num_images);
    keyboard_row(k);
    keyboard_button(k, T_button_file, tap_for(k->arena, "generation:file", g->errand.id));
    favorite_button(k, g, is_favorite);
    keyboard_row(k);
    keyboard_button(k, T_button_gallery, S("gallery:open:new"));
    keyboard_button(k, T_button_menu, S("menu:open:new"));
}

/* What FAL's filter has blacked out: it is neither shown nor paid for. */
static int64_t hidden_images(struct work *w, const struct generation *g)
{
    struct json_object *result;
    struct fal_images images;
    int64_t hidden = 0;
    if (str_empty(g->errand.result) || json_parse(w->arena, g->errand.result, &result))
        return 0;
    struct json_object *payload = json_has(result, "payload") ? json_at(result, "payload") : result;
    if (fal_images_parse(w->arena, payload, &images))
        return 0;
    for (size_t i = 0; i < images.count && i < (size_t)g->num_images; i++)
        hidden += images.items[i].has_nsfw;
    return hidden;
}

static enum text result_text(const struct generation *g)
{
    if (!is_with_avatar(g))
        return T_generation_done;
    if (str_empty(g->avatar_name))
        return T_flux_done_without_avatar;
    return g->is_preview ? T_preview_done : T_flux_done;
}

static str result_caption(struct work *w, const struct generation *g, const struct image *first,
                          size_t images)
{
    enum language language = language_of(g->errand.language);
    str caption = text_html(
        w->arena, language, result_text(g),
        KVS(KV("words", generation_shown_words(w->arena, g)), KV("avatar", g->avatar_name),
            KV("ratio", g->aspect_ratio), KV("seconds", (int64_t)(g->seconds + 0.5)),
            KV("price", g->errand.price_coins / g->num_images * (int64_t)images)));
    if (g->shows_details)
        caption = str_printf(
            w->arena, STR_FMT "\n" STR_FMT, STR_ARG(caption),
            STR_ARG(str_html(w->arena, picture_details(w->arena, language, first))));
    if (g->is_as_typed)
        caption = str_printf(w->arena, STR_FMT "\n" STR_FMT, STR_ARG(caption),
                             STR_ARG(text_html(w->arena, language, T_words_as_typed, KVS())));
    int64_t hidden = hidden_images(w, g);
    if (!hidden)
        return caption;
    str why = text_html(w->arena, language, T_some_hidden, KVS(KV("hidden", hidden)));
    return str_printf(w->arena, STR_FMT "\n\n" STR_FMT, STR_ARG(caption), STR_ARG(why));
}

static bool are_favorites(const struct image *images, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!images[i].is_favorite)
            return false;
    return true;
}

static err *deliver_one(struct work *w, const struct generation *g, const struct image *image)
{
    struct keyboard k = keyboard_new(w->arena, language_of(g->errand.language));
    result_buttons(&k, w->bot->conf, g, image->is_favorite);
    return picture_send(w, g->errand.chat_id, image, result_caption(w, g, image, 1), &k,
                        g->errand.is_silent);
}

/* An album carries no buttons; they follow with the words in a message of their own. */
static err *deliver_album(struct work *w, const struct generation *g, const struct image *images,
                          size_t count)
{
    TRY(picture_send_album(w, g->errand.chat_id, images, count, g->errand.is_silent));
    struct keyboard k = keyboard_new(w->arena, language_of(g->errand.language));
    result_buttons(&k, w->bot->conf, g, are_favorites(images, count));
    str words = message_call(w->arena, g->errand.chat_id, 0, result_caption(w, g, images, count),
                             &k);
    work_tell(w, g->errand.chat_id,
              &(struct outgoing){
                  .way = CALL_QUEUED,
                  .call = silent_call(w->arena, words), /* the album has rung, or was not to */
              });
    return NULL;
}

err *job_generation_deliver(struct work *w)
{
    struct generation g;
    TRY(generation_lock(w->db, w->arena, w->job->subject, &g));
    TRY(db_commit(w->db));
    struct image *images;
    size_t count;
    TRY(images_of(w->db, w->arena, g.errand.id, &images, &count));
    if (count >= ALBUM_LEAST)
        TRY(deliver_album(w, &g, images, count));
    else if (count)
        TRY(deliver_one(w, &g, images));
    if (!g.is_preview)
        errand_clear_progress(w, &generation_errands, &g.errand);
    return NULL;
}

/* ---------------------------------------------------------------- what its buttons do */

/* Those that were not deleted since. */
static err *kept_images(struct turn *t, struct image **images, size_t *count)
{
    TRY(images_of(t->db, t->arena, t->generation->errand.id, images, count));
    return *count ? NULL : fail(t->arena, ERR_NOT_FOUND, "no image of the order is left");
}

err *on_generation_file(struct turn *t)
{
    struct image *images;
    size_t count;
    TRY(kept_images(t, &images, &count));
    for (size_t i = 0; i < count; i++) {
        t->image = &images[i];
        TRY(on_gallery_file(t));
    }
    return NULL;
}

err *on_generation_favorite(struct turn *t)
{
    struct image *images;
    size_t count;
    bool is_favorite = str_eq(t->argument, S("1"));
    TRY(kept_images(t, &images, &count));
    for (size_t i = 0; i < count; i++)
        TRY(image_set_favorite(t->db, t->user->id, images[i].id, is_favorite));
    t->spares_user = true;
    gallery_favorites_changed(t);
    hint(t, is_favorite ? T_favorite_added : T_favorite_removed);
    result_buttons(&t->keyboard, t->bot->conf, t->generation, is_favorite);
    return edit_buttons(t);
}

/* ---------------------------------------------------------------- why there is none */

static enum text failure_text(str failure)
{
    static const struct {
        const char *failure;
        enum text text;
    } rows[] = {
        {"safety",    T_failed_safety  },
        {"nsfw",      T_failed_nsfw    },
        {"input",     T_failed_input   },
        {"timeout",   T_failed_timeout },
        {"cancelled", T_order_cancelled},
        {"storage",   T_failed_upstream},
        {"avatar",    T_failed_avatar  },
        {"lora",      T_failed_lora    },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(failure, str_from(rows[i].failure)))
            return rows[i].text;
    return T_failed_upstream;
}

err *job_generation_explain(struct work *w)
{
    struct generation g;
    TRY(generation_lock(w->db, w->arena, w->job->subject, &g));
    TRY(db_commit(w->db));
    if (g.is_preview)
        return NULL; /* a present that did not come is not spoken of */
    enum language language = language_of(g.errand.language);
    struct keyboard k = keyboard_new(w->arena, language);
    keyboard_row(&k);
    if (str_eq(g.errand.failure, S("sample")))
        keyboard_button(&k, T_button_sample, S("sample:open"));
    if (is_with_avatar(&g))
        keyboard_button(&k, T_button_flux, S("flux:open"));
    else
        keyboard_button(&k, T_button_imagen, S("imagen:open"));
    keyboard_button(&k, T_button_menu, S("menu:open"));
    str html = text_html(w->arena, language, failure_text(g.errand.failure),
                         KVS(KV("words", generation_shown_words(w->arena, &g))));
    if (str_eq(g.errand.failure, S("sample")))
        TRY(sample_explain(w, g.errand.id, &html));
    return errand_explain(w, &generation_errands, &g.errand, html, &k);
}
