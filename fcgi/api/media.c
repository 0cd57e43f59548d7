#include "api/media.h"

#include <math.h>

#include "api/media_line.h"
#include "core/json.h"

enum {
    /* A picture of 2048 x 2048 that is nothing but noise has 7 MiB at our quality. */
    JPEG_MOST_BYTES = 16 << 20,
    SIDE_MOST_PIXELS = 1000000,
};

/* -- numbers -- */

double media_quality_score(int width, int height, double brightness, double contrast)
{
    double short_side = width < height ? width : height;
    return 0.5 * fmin(1, short_side / 512) + 0.3 * fmin(1, contrast / 30) +
           0.2 * (1 - fabs(brightness - 128) / 128);
}

int media_hash_distance(uint64_t one, uint64_t other)
{
    return __builtin_popcountll(one ^ other);
}

/* -- the answer -- */

static bool is_one_of(str word, const char *const *words)
{
    for (; *words; words++)
        if (str_eq(word, str_from(*words)))
            return true;
    return false;
}

static const char *const formats[] = {"jpeg", "png", "webp", NULL};
static const char *const refusals[] = {"format", "unreadable", "too_small", "too_many_pixels",
                                       NULL};

static bool read_hash(struct arena *a, str text, uint64_t *out)
{
    str bytes;
    if (!str_unhex(a, text, &bytes) || bytes.len != sizeof *out)
        return false;
    uint64_t hash = 0;
    for (size_t i = 0; i < bytes.len; i++)
        hash = hash << 8 | (unsigned char)bytes.ptr[i];
    *out = hash;
    return true;
}

static bool read_within(struct json_object *answer, const char *name, double most, double *out)
{
    return json_double(answer, name, out) && *out >= 0 && *out <= most;
}

static bool read_sides(struct json_object *answer, struct media_photo *out)
{
    int64_t width, height;
    if (!json_i64(answer, "width", &width) || !json_i64(answer, "height", &height) || width < 1 ||
        height < 1 || width > SIDE_MOST_PIXELS || height > SIDE_MOST_PIXELS)
        return false;
    out->width = (int)width;
    out->height = (int)height;
    return true;
}

static bool read_measures(struct arena *a, struct json_object *answer, struct media_photo *out)
{
    return read_sides(answer, out) && read_within(answer, "brightness", 255, &out->brightness) &&
           read_within(answer, "contrast", 128, &out->contrast) &&
           read_within(answer, "sharpness", 1e7, &out->sharpness) &&
           read_hash(a, json_str(answer, "hash"), &out->hash) && !str_empty(out->format);
}

static bool read_refusal(struct json_object *answer, struct media_photo *out)
{
    bool is_measured = str_eq(out->refused, S("too_small")) ||
                       str_eq(out->refused, S("too_many_pixels"));
    return is_one_of(out->refused, refusals) && (!is_measured || read_sides(answer, out));
}

static bool read_answer(struct arena *a, struct json_object *answer, int64_t size,
                        struct media_photo *out)
{
    out->refused = json_str(answer, "refused");
    out->format = json_str(answer, "format");
    if (!str_empty(out->format) && !is_one_of(out->format, formats))
        return false;
    if (!str_empty(out->refused))
        return size == 0 && read_refusal(answer, out);
    return size > 0 && read_measures(a, answer, out);
}

static err *receive(struct media_line *line, struct media_photo *out)
{
    struct json_object *answer;
    struct media_photo photo = {0};
    int64_t size;
    TRY(media_line_answer(line, JPEG_MOST_BYTES, &answer, &size));
    TRY(media_line_bytes(line, line->arena, (size_t)size, &photo.jpeg));
    TRY(media_line_end(line));
    if (!read_answer(line->arena, answer, size, &photo) ||
        (size && !str_starts(photo.jpeg, S("\xff\xd8\xff"))))
        return media_not_an_answer(line->arena, json_text(line->arena, answer));
    if (size)
        photo.quality_score = media_quality_score(photo.width, photo.height, photo.brightness,
                                                  photo.contrast);
    *out = photo;
    return NULL;
}

/* -- the call -- */

err *media_photo(struct arena *a, const struct media *m, str bytes,
                 const struct media_limits *limits, struct media_photo *out)
{
    if (bytes.len > MEDIA_MOST_BYTES)
        return fail(a, ERR_INPUT, "media: %zu bytes are too many", bytes.len);
    str header = json_make(a, KV("task", "photo"), KV("bytes", bytes.len),
                           KV("short_side_pixels", limits->short_side_pixels),
                           KV("most_pixels", limits->most_pixels));
    struct media_line line;
    err *e = media_line_open(&line, a, m, MEDIA_DEADLINE_MS);
    if (!e)
        e = media_line_ask(&line, header, -1);
    if (!e)
        e = media_line_write(&line, bytes);
    if (!e)
        e = receive(&line, out);
    media_line_close(&line);
    return e;
}
