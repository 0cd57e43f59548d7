#include "handlers/gallery/download.h"

#include "db/generation.h"
#include "handlers/gallery/picture.h"

enum {
    SCREEN_WORDS_MAX_UNITS = 1000, /* with its heading well below what a message may hold */
    NAME_DIGITS = 8,
};

/* ---------------------------------------------------------------- the prompt */

/* As it was typed, and what the model was asked where that is something else. */
static str whole_prompt(struct arena *a, enum language language, const struct generation *g)
{
    if (str_empty(g->final_prompt) || str_eq(g->final_prompt, g->words))
        return g->words;
    return str_printf(a, STR_FMT "\n\n" STR_FMT "\n" STR_FMT, STR_ARG(g->words),
                      STR_ARG(text_plain(a, language, T_prompt_final, KVS())),
                      STR_ARG(g->final_prompt));
}

static err *send_later(struct turn *t, struct new_job job, enum text words)
{
    job.user_id = t->user->id;
    job.subject = t->image->id;
    job.payload = json_make(t->arena, KV("chat_id", t->chat_id),
                            KV("language", language_code(t->language)),
                            KV("utc_offset_minutes", t->user->utc_offset_minutes));
    TRY(job_add(t->db, &job, NULL));
    hint(t, words);
    return NULL;
}

err *on_gallery_prompt(struct turn *t)
{
    const struct image *image = t->image;
    struct generation g;
    TRY(generation_find(t->db, t->arena, t->user->id, image->generation_id, &g));
    str words = whole_prompt(t->arena, t->language, &g);
    if (str_utf16_units(words) > SCREEN_WORDS_MAX_UNITS)
        return send_later(t, (struct new_job){.lane = S("send"), .kind = S("gallery_prompt")},
                          T_prompt_sending);
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_back, tap_for(t->arena, "gallery:show", image->id));
    keyboard_button(&t->keyboard, T_button_menu, S("menu:open"));
    return edit(
        t, T_prompt, KV("words", words), KV("ratio", image->aspect_ratio),
        KV("model", image->model),
        KV("date", date_shown(t->arena, image->created_at_us / 1000, t->user->utc_offset_minutes)));
}

err *on_gallery_file(struct turn *t)
{
    return send_later(t, (struct new_job){.lane = S("send"), .kind = S("gallery_file")},
                      T_file_sending);
}

/* ---------------------------------------------------------------- the files */

static err *send_document(struct work *w, str name, str content_type, str bytes, enum text caption,
                          const struct image *image)
{
    int64_t chat_id = 0, utc_offset_minutes = 0;
    json_i64(w->payload, "chat_id", &chat_id);
    json_i64(w->payload, "utc_offset_minutes", &utc_offset_minutes);
    enum language language = language_of(json_str(w->payload, "language"));
    struct keyboard k = keyboard_new(w->arena, language);
    keyboard_row(&k);
    keyboard_button(&k, T_button_gallery, S("gallery:open:new"));
    keyboard_button(&k, T_button_menu, S("menu:open:new"));
    str date = date_shown(w->arena, image->created_at_us / 1000, (int)utc_offset_minutes);
    str html = text_html(w->arena, language, caption,
                         KVS(KV("date", date), KV("ratio", image->aspect_ratio)));
    struct telegram_file files[2] = {0};
    files[0] = (struct telegram_file){
        .field = S("file"),
        .file_name = name,
        .content_type = content_type,
        .bytes = bytes,
    };
    const struct outbox_call call = {
        .chat_id = chat_id,
        .call = document_call(w->arena, chat_id, S("attach://file"), html, &k),
        .files = files,
    };
    return work_call(w, &call, NULL);
}

/* What was deleted meanwhile is not sent any more. */
static err *find(struct work *w, struct image *image, struct generation *g, bool *is_there)
{
    err *e = image_find(w->db, w->arena, w->job->user_id, w->job->subject, image);
    if (!e)
        e = generation_find(w->db, w->arena, w->job->user_id, image->generation_id, g);
    *is_there = !e;
    return err_is_not_found(e) ? NULL : e;
}

err *job_gallery_prompt(struct work *w)
{
    struct image image;
    struct generation g;
    bool is_there;
    TRY(find(w, &image, &g, &is_there));
    if (!is_there)
        return NULL;
    enum language language = language_of(json_str(w->payload, "language"));
    return send_document(w, S("prompt.txt"), S("text/plain; charset=utf-8"),
                         whole_prompt(w->arena, language, &g), T_prompt_caption, &image);
}

static str file_name(struct arena *a, const struct image *image)
{
    str type, extension;
    str_cut(image->content_type, '/', &type, &extension);
    return str_printf(a, "aisha-" STR_FMT "." STR_FMT, STR_ARG(str_sub(image->id, 0, NAME_DIGITS)),
                      STR_ARG(str_eq(extension, S("jpeg")) ? S("jpg") : extension));
}

err *job_gallery_file(struct work *w)
{
    struct image image;
    struct generation g;
    bool is_there;
    TRY(find(w, &image, &g, &is_there));
    if (!is_there)
        return NULL;
    struct s3_object object;
    TRY(s3_get(w->arena, &w->bot->s3, image.bucket, image.object_key, TELEGRAM_DOCUMENT_MAX_BYTES,
               &object));
    return send_document(w, file_name(w->arena, &image), image.content_type, object.bytes,
                         T_file_caption, &image);
}
