#include "handlers/gallery/picture.h"

/* What Telegram has to be given: the file it knows, or the bytes under an attach:// name. */
static err *picture_source(struct work *w, const struct image *image, struct telegram_file *file,
                           str *source)
{
    if (!str_empty(image->file_id)) {
        *source = image->file_id;
        return NULL;
    }
    struct s3_object object;
    TRY(s3_get(w->arena, &w->bot->s3, image->bucket, image->object_key, TELEGRAM_PHOTO_MAX_BYTES,
               &object));
    str name = str_printf(w->arena, "image%d", image->position);
    *file = (struct telegram_file){
        .field = name,
        .file_name = name,
        .content_type = image->content_type,
        .bytes = object.bytes,
    };
    *source = str_printf(w->arena, "attach://" STR_FMT, STR_ARG(name));
    return NULL;
}

/* The largest size of a sent photo carries the file_id that is kept. */
static err *keep_file_id(struct work *w, const struct image *image, struct json_object *message)
{
    struct json_object *sizes = json_at(message, "photo");
    size_t count = json_length(sizes);
    if (!count || !str_empty(image->file_id))
        return NULL;
    return image_keep_file_id(w->db, image->id, json_str(json_item(sizes, count - 1), "file_id"));
}

str picture_details(struct arena *a, enum language language, const struct image *image)
{
    struct buf b = buf_new(a);
    buf_add(&b, text_plain(a, language, T_details, KVS(KV("model", image->model))));
    if (image->width && image->height)
        buf_addf(&b, " · %d×%d", image->width, image->height);
    if (image->steps)
        buf_addf(&b, " " STR_FMT,
                 STR_ARG(text_plain(a, language, T_details_steps, KVS(KV("steps", image->steps)))));
    if (!str_empty(image->seed))
        buf_addf(&b, " · seed " STR_FMT, STR_ARG(image->seed));
    return buf_str(&b);
}

static str with_sound(struct arena *a, str call, bool is_silent)
{
    return is_silent ? silent_call(a, call) : call;
}

err *picture_send(struct work *w, int64_t chat_id, const struct image *image, str caption_html,
                  struct keyboard *k, bool is_silent)
{
    struct telegram_file files[2] = {0};
    str source;
    TRY(picture_source(w, image, files, &source));
    const struct outbox_call call = {
        .chat_id = chat_id,
        .call = with_sound(w->arena, photo_call(w->arena, chat_id, 0, source, caption_html, k),
                           is_silent),
        .files = str_empty(files[0].field) ? NULL : files,
    };
    struct json_object *message;
    TRY(work_call(w, &call, &message));
    return keep_file_id(w, image, message);
}

err *picture_send_album(struct work *w, int64_t chat_id, const struct image *images, size_t count,
                        bool is_silent)
{
    struct telegram_file *files = NEW_ARRAY(w->arena, struct telegram_file, count + 1);
    size_t file_count = 0;
    struct buf media = buf_new(w->arena);
    for (size_t i = 0; i < count; i++) {
        str source;
        TRY(picture_source(w, &images[i], &files[file_count], &source));
        file_count += !str_empty(files[file_count].field);
        buf_add_char(&media, i ? ',' : '[');
        json_put_object(&media, KVS(KV("type", "photo"), KV("media", source)));
    }
    buf_add_char(&media, ']');
    str album = json_make(w->arena, KV("method", "sendMediaGroup"), KV("chat_id", chat_id),
                          KV("media", JSON(buf_str(&media))));
    const struct outbox_call call = {
        .chat_id = chat_id,
        .call = with_sound(w->arena, album, is_silent),
        .files = file_count ? files : NULL,
    };
    struct json_object *messages;
    TRY(work_call(w, &call, &messages));
    for (size_t i = 0; i < json_length(messages) && i < count; i++)
        TRY(keep_file_id(w, &images[i], json_item(messages, i)));
    return NULL;
}

/* Where the picture stands in a call: of a message that becomes one, in its media. */
static void put_picture(struct json_object *call, str source)
{
    struct json_object *media = json_at(call, "media");
    json_object_object_add(media ? media : call, media ? "media" : "photo",
                           json_object_new_string_len(source.ptr, (int)source.len));
}

err *job_picture_again(struct work *w)
{
    struct image image;
    err *e = image_find(w->db, w->arena, w->job->user_id, w->job->subject, &image);
    if (err_is_not_found(e))
        return NULL;
    if (e)
        return e;
    int64_t chat_id = 0;
    json_i64(w->payload, "chat_id", &chat_id);
    struct telegram_file files[2] = {0};
    str source;
    TRY(picture_source(w, &image, files, &source));
    struct json_object *call = json_at(w->payload, "call"), *message;
    put_picture(call, source);
    const struct outbox_call again = {
        .chat_id = chat_id,
        .call = json_text(w->arena, call),
        .files = str_empty(files[0].field) ? NULL : files,
    };
    TRY(work_call(w, &again, &message));
    return keep_file_id(w, &image, message);
}
