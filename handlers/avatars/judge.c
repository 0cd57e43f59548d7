#include "handlers/avatars/judge.h"

#include "core/log.h"
#include "db/avatar.h"
#include "db/photo.h"
#include "handlers/avatars/look.h"
#include "handlers/outbox.h"

enum {
    ALIKE_MOST = 3,      /* bits of 64: the same picture once more */
    RESEMBLING_MOST = 8, /* honest series of portraits look alike, so this is only a doubt */
    BRIGHTNESS_LEAST = 30,
    BRIGHTNESS_MOST = 220,
    CONTRAST_LEAST = 15,
    SHARPNESS_LEAST = 40,
    SIDES_MOST = 3, /* to one */
};
static const double quality_least = 0.5;

/* ---------------------------------------------------------------- looking */

/* What was found out about one photo. */
struct look {
    str refused; /* a word of struct photo_refusal; empty: it can be kept */
    str doubts;
    str object_key;
    bool is_stored;
    struct photo_look found;
};

/* The bytes of a stranger end here: what is stored is the decoder's own JPEG. */
static err *look_at(struct work *w, const struct photo *photo, struct look *look)
{
    const struct conf *conf = w->bot->conf;
    TRY(photo_look(w, photo->source_file_id, conf->photo_min_resolution_pixels, &look->found));
    look->refused = look->found.refused;
    if (!str_empty(look->refused))
        return NULL;
    TRY(s3_put(w->arena, &w->bot->s3, conf->minio_bucket_avatars, look->object_key, S("image/jpeg"),
               look->found.media.jpeg));
    look->is_stored = true;
    return NULL;
}

/* ---------------------------------------------------------------- judging */

static bool is_narrow(const struct media_photo *m)
{
    int longer = m->width > m->height ? m->width : m->height;
    int shorter = m->width > m->height ? m->height : m->width;
    return longer > SIDES_MOST * shorter;
}

/* Machine words with commas between. */
static str doubts_about(struct arena *a, const struct media_photo *m, int distance)
{
    const struct {
        bool holds;
        str word;
    } rows[] = {
        {distance <= RESEMBLING_MOST,      S("alike") },
        {m->brightness < BRIGHTNESS_LEAST, S("dark")  },
        {m->brightness > BRIGHTNESS_MOST,  S("bright")},
        {m->contrast < CONTRAST_LEAST,     S("flat")  },
        {m->sharpness < SHARPNESS_LEAST,   S("blurry")},
        {is_narrow(m),                     S("narrow")},
        {m->quality_score < quality_least, S("poor")  },
    };
    struct buf b = buf_new(a);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].holds) {
            if (b.len)
                buf_add_char(&b, ',');
            buf_add(&b, rows[i].word);
        }
    return buf_str(&b);
}

/* Against the photos that are kept, under the lock of the avatar. */
static err *compare(struct work *w, const struct photo *photo, struct look *look)
{
    enum { BITS = 64 };
    struct kept_photo *kept;
    size_t count;
    int nearest = BITS;
    TRY(photos_kept(w->db, w->arena, photo->avatar_id, &kept, &count));
    for (size_t i = 0; i < count; i++) {
        int distance = media_hash_distance(kept[i].perceptual_hash, look->found.media.hash);
        nearest = distance < nearest ? distance : nearest;
        if (str_eq(kept[i].file_hash, look->found.file_hash)) {
            look->refused = S("duplicate");
            return NULL;
        }
    }
    if (nearest <= ALIKE_MOST)
        look->refused = S("alike");
    else
        look->doubts = doubts_about(w->arena, &look->found.media, nearest);
    return NULL;
}

static err *drop_object(struct work *w, str object_key)
{
    return job_add_object_delete(w->db, w->arena, w->bot->conf->minio_bucket_avatars, object_key);
}

static err *queue_tell(struct work *w, const struct photo *photo)
{
    const struct new_job job = {
        .lane = S("send"),
        .kind = S("photo_tell"),
        .key = str_printf(w->arena, "photo_tell:" STR_FMT, STR_ARG(photo->id)),
        .user_id = photo->user_id,
        .subject = photo->id,
        .payload = json_make(w->arena, KV("chat_id", photo->chat_id)),
    };
    return job_add(w->db, &job, NULL);
}

static err *write_verdict(struct work *w, const struct photo *photo, const struct look *look)
{
    const struct media_photo *m = &look->found.media;
    const struct photo_measures measures = {
        .format = m->format,
        .width = m->width,
        .height = m->height,
        .file_size_bytes = look->found.size_bytes,
        .brightness = m->brightness,
        .contrast = m->contrast,
        .sharpness = m->sharpness,
        .quality_score = m->quality_score,
    };
    if (!str_empty(look->refused))
        return photo_refuse(w->db, photo->id, look->refused, &measures);
    const struct kept_photo kept = {
        .id = photo->id,
        .bucket = w->bot->conf->minio_bucket_avatars,
        .object_key = look->object_key,
        .file_hash = look->found.file_hash,
        .perceptual_hash = m->hash,
    };
    return photo_keep(w->db, &kept, &measures, look->doubts);
}

/* The judgement and all that follows from it, in one transaction with the end of the job. */
static err *record(struct work *w, str photo_id, str avatar_id, struct look *look)
{
    struct avatar avatar;
    struct photo photo;
    err *e = avatar_lock(w->db, w->arena, 0, avatar_id, &avatar);
    if (!e)
        e = photo_find(w->db, w->arena, 0, photo_id, &photo);
    if (err_is_not_found(e)) /* dropped by the user meanwhile: there is nobody to tell */
        return look->is_stored ? drop_object(w, look->object_key) : NULL;
    if (e)
        return e;
    if (!photo.is_pending) /* by an earlier attempt of this job, whose object this is */
        return NULL;
    if (str_empty(look->refused) && !avatar.takes_photos)
        look->refused = S("late");
    if (str_empty(look->refused))
        TRY(compare(w, &photo, look));
    TRY(write_verdict(w, &photo, look));
    if (!str_empty(look->refused) && look->is_stored)
        TRY(drop_object(w, look->object_key));
    if (!str_empty(look->refused) || !str_empty(look->doubts))
        TRY(queue_tell(w, &photo));
    TRY(photos_recount(w->db, avatar.id, w->bot->conf->avatar_min_photos, NULL));
    log_info(str_empty(look->refused) ? "photo.kept" : "photo.refused", KV("photo", photo.id),
             KV("why", look->refused), KV("doubts", look->doubts));
    return photos_progress_queue(w->db, photo.user_id, avatar.id, photo.chat_id);
}

static str object_key_of(struct work *w, str avatar_id)
{
    return str_printf(w->arena, "photos/" STR_FMT "/" STR_FMT ".jpg", STR_ARG(avatar_id),
                      STR_ARG(w->job->subject));
}

err *job_photo_take(struct work *w)
{
    str avatar_id = json_str(w->payload, "avatar");
    struct look look = {.object_key = object_key_of(w, avatar_id)};
    struct photo photo;
    err *e = photo_find(w->db, w->arena, 0, w->job->subject, &photo);
    if (err_is_not_found(e)) /* an earlier attempt may have stored it and died */
        return w->job->attempt > 1 ? drop_object(w, look.object_key) : NULL;
    if (e || !photo.is_pending)
        return e;
    TRY(look_at(w, &photo, &look));
    return record(w, photo.id, photo.avatar_id, &look);
}

err *give_up_photo(struct work *w)
{
    str avatar_id = json_str(w->payload, "avatar");
    bool is_decoders = str_starts(w->job->last_error, S("media:"));
    struct look look = {
        .refused = is_decoders ? S("unreadable") : S("not_fetched"),
        .object_key = object_key_of(w, avatar_id),
        .is_stored = true, /* perhaps */
    };
    return record(w, w->job->subject, avatar_id, &look);
}

/* ---------------------------------------------------------------- telling */

static enum text doubt_text(str word)
{
    static const struct {
        const char *word;
        enum text text;
    } rows[] = {
        {"alike",  T_doubt_alike },
        {"dark",   T_doubt_dark  },
        {"bright", T_doubt_bright},
        {"flat",   T_doubt_flat  },
        {"blurry", T_doubt_blurry},
        {"narrow", T_doubt_narrow},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(word, str_from(rows[i].word)))
            return rows[i].text;
    return T_doubt_poor;
}

static str refusal_html(struct work *w, enum language language, const struct photo *photo)
{
    const struct photo_refusal refusal = {
        .word = photo->refused,
        .size_bytes = photo->file_size_bytes,
        .width = photo->width,
        .height = photo->height,
        .short_side_pixels = w->bot->conf->photo_min_resolution_pixels,
    };
    return photo_refusal_html(w->arena, language, w->bot->conf, &refusal);
}

static str doubts_html(struct work *w, enum language language, const struct photo *photo)
{
    struct buf lines = buf_new(w->arena);
    str word, rest = photo->doubts;
    while (!str_empty(rest)) {
        str_cut(rest, ',', &word, &rest);
        buf_add(&lines, lines.len ? S("\n• ") : S("• "));
        buf_add(&lines, text_plain(w->arena, language, doubt_text(word),
                                   KVS(KV("width", photo->width), KV("height", photo->height))));
    }
    return text_html(w->arena, language, T_photo_doubtful, KVS(KV("doubts", buf_str(&lines))));
}

/* To the very photo, whatever stands below it by now. */
err *job_photo_tell(struct work *w)
{
    struct photo photo;
    err *e = photo_find(w->db, w->arena, 0, w->job->subject, &photo);
    if (e)
        return err_is_not_found(e) ? NULL : e;
    enum language language = language_of(photo.language_code);
    struct keyboard k = keyboard_new(w->arena, language);
    str html;
    if (photo.is_kept) {
        keyboard_row(&k);
        keyboard_button(&k, T_button_photos_keep, tap_for(w->arena, "photos:keep", photo.id));
        keyboard_button(&k, T_button_photos_remove, tap_for(w->arena, "photos:remove", photo.id));
        html = doubts_html(w, language, &photo);
    } else {
        html = refusal_html(w, language, &photo);
    }
    const struct outbox_call call = {
        .chat_id = photo.chat_id,
        .call = reply_call(w->arena, photo.chat_id, photo.message_id, html, &k),
        .slot = str_printf(w->arena, "photo:" STR_FMT, STR_ARG(photo.id)),
    };
    return work_call(w, &call, NULL);
}
