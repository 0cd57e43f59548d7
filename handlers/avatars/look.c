#include "handlers/avatars/look.h"

#include <openssl/sha.h>

enum { BYTES_OF_MEGABYTE = 1 << 20, PIXELS_OF_MEGAPIXEL = 1000 * 1000 };

/* ---------------------------------------------------------------- looking */

/* Telegram's last word about a file, or one that may change with time. */
static bool is_refused_for_good(const err *e, str *word)
{
    enum { BAD_REQUEST = 400 };
    size_t at;
    if (e->kind != ERR_UPSTREAM || e->code != BAD_REQUEST ||
        str_find(e->detail, S("temporarily unavailable"), &at))
        return false;
    *word = str_find(e->detail, S("too big"), &at) ? S("too_large") : S("not_fetched");
    return true;
}

static err *fetch(struct work *w, str file_id, struct photo_look *look, str *bytes)
{
    const struct telegram *telegram = &w->bot->telegram;
    int64_t most = w->bot->conf->photo_max_size_bytes;
    struct json_object *file;
    err *e = telegram_call(w->arena, telegram, S("getFile"),
                           json_make(w->arena, KV("file_id", file_id)), NULL, &file);
    if (e && is_refused_for_good(e, &look->refused))
        return NULL;
    if (e)
        return e;
    json_i64(file, "file_size", &look->size_bytes);
    if (look->size_bytes > most) {
        look->refused = S("too_large");
        return NULL;
    }
    e = telegram_download(w->arena, telegram, json_str(file, "file_path"), (size_t)most, bytes);
    if (e && e->kind == ERR_INPUT) { /* more than Telegram had said */
        look->refused = S("too_large");
        return NULL;
    }
    return e;
}

static str sha256_hex(struct arena *a, str bytes)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)bytes.ptr, bytes.len, digest);
    return str_hex(a, (str){(const char *)digest, sizeof digest});
}

err *photo_look(struct work *w, str file_id, int64_t short_side_pixels, struct photo_look *out)
{
    str bytes = {0};
    *out = (struct photo_look){0};
    TRY(fetch(w, file_id, out, &bytes));
    if (!str_empty(out->refused))
        return NULL;
    const struct media_limits limits = {
        .short_side_pixels = short_side_pixels,
        .most_pixels = w->bot->conf->photo_max_pixels,
    };
    TRY(media_photo(w->arena, &w->bot->photos, bytes, &limits, &out->media));
    out->refused = out->media.refused;
    out->file_hash = sha256_hex(w->arena, bytes);
    out->size_bytes = (int64_t)bytes.len;
    return NULL;
}

/* ---------------------------------------------------------------- words */

static enum text refusal_text(str word)
{
    static const struct {
        const char *word;
        enum text text;
    } rows[] = {
        {"too_large",       T_photo_too_large      },
        {"too_small",       T_photo_too_small      },
        {"too_many_pixels", T_photo_too_many_pixels},
        {"format",          T_photo_format         },
        {"unreadable",      T_photo_unreadable     },
        {"duplicate",       T_photo_duplicate      },
        {"alike",           T_photo_alike          },
        {"late",            T_photo_late           },
        {"not_fetched",     T_photo_not_fetched    },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(word, str_from(rows[i].word)))
            return rows[i].text;
    return T_photo_unreadable;
}

static int64_t rounded_up(int64_t number, int64_t unit)
{
    return (number + unit - 1) / unit;
}

/* Telegram refuses to hand out what is too large, and does not always say how large it is. */
static enum text words_of_refusal(const struct photo_refusal *refusal)
{
    bool is_unsaid = str_eq(refusal->word, S("too_large")) && !refusal->size_bytes;
    return is_unsaid ? T_photo_too_large_somehow : refusal_text(refusal->word);
}

str photo_refusal_html(struct arena *a, enum language language, const struct conf *conf,
                       const struct photo_refusal *refusal)
{
    int64_t pixels = (int64_t)refusal->width * refusal->height;
    const struct kv values[] = {
        KV("width", refusal->width),
        KV("height", refusal->height),
        KV("side", refusal->short_side_pixels),
        KV("megabytes", rounded_up(refusal->size_bytes, BYTES_OF_MEGABYTE)),
        KV("megabytes_most", conf->photo_max_size_bytes / BYTES_OF_MEGABYTE),
        KV("megapixels", rounded_up(pixels, PIXELS_OF_MEGAPIXEL)),
        KV("megapixels_most", conf->photo_max_pixels / PIXELS_OF_MEGAPIXEL),
        {0},
    };
    return text_html(a, language, words_of_refusal(refusal), values);
}
