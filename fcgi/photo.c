/*
 * photo.c - aisha-photo: decodes one photo of a stranger, and ends.
 *
 *     {"task":"photo","bytes":73421,"short_side_pixels":512,"most_pixels":40000000}
 *     {"bytes":51233,"format":"jpeg","width":1200,"height":1600,"brightness":121.5,
 *      "contrast":48.2,"sharpness":310.7,"hash":"9a3c5c1e0f0f3f1b"}
 *     {"bytes":0,"refused":"format"}
 *
 * How it is asked: media/decoder.h.
 */
#include "media/photo.h"

#include "media/decoder.h"

static err *do_photo(struct arena *a, struct json_object *request)
{
    struct media_limits limits;
    str bytes = {0};
    if (!json_i64(request, "short_side_pixels", &limits.short_side_pixels) ||
        !json_i64(request, "most_pixels", &limits.most_pixels))
        return fail(a, ERR_INPUT, "no_limits");
    TRY(decoder_bytes(a, request, &bytes));

    struct media_photo photo;
    photo_read(a, bytes, &limits, &photo);
    str hash = str_printf(a, "%016" PRIx64, photo.hash);
    decoder_answer(a,
                   json_make(a, KV("bytes", photo.jpeg.len), KV("refused", photo.refused),
                             KV("format", photo.format), KV("width", photo.width),
                             KV("height", photo.height), KV("brightness", photo.brightness),
                             KV("contrast", photo.contrast), KV("sharpness", photo.sharpness),
                             KV("hash", hash)),
                   photo.jpeg);
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct decoder_task tasks[] = {
        {S("photo"), do_photo},
    };
    const struct decoder decoder = {photo_init, &cage_of_photos, tasks, ARRAY_LEN(tasks)};
    return decoder_main(&decoder, argc, argv);
}
