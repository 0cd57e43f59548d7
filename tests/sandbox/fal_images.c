/*
 * The models that make pictures: imagen4, and flux-lora, which shows who was trained.
 *
 * Words in a prompt of flux-lora, where the safety checker is on:
 *   [nsfw]     every picture is flagged and black
 *   [nsfw 2]   the second alone
 */
#include "tests/sandbox/fal_inside.h"

#include "core/clock.h"
#include "core/loop.h"
#include "tests/sandbox/draw.h"

/* -- drawing -- */

/* Tests that make hundreds of pictures ask for small ones of the same ratio. */
static void shrink(struct arena *a, struct drawing *drawing)
{
    double longest = drawing->width > drawing->height ? drawing->width : drawing->height;
    double wanted = fal_fault_number(a, "fal.pixels", longest);
    if (wanted < 16 || wanted >= longest)
        return;
    drawing->width = (int)(drawing->width * wanted / longest);
    drawing->height = (int)(drawing->height * wanted / longest);
}

struct drawn {
    str url, name;
    const char *content_type;
    size_t size_bytes;
};

static struct drawn draw_one(struct arena *a, const struct drawing *drawing, bool is_jpeg)
{
    str bytes = draw_picture(a, drawing, is_jpeg ? DRAW_JPEG : DRAW_PNG);
    const char *type = is_jpeg ? "image/jpeg" : "image/png";
    str name = str_printf(a, STR_FMT ".%s", STR_ARG(random_hex(a, 12)), is_jpeg ? "jpg" : "png");
    str url = fal_file_keep(a, name, str_from(type), bytes);
    return (struct drawn){url, name, type, bytes.len};
}

/* Above 2^53, where a reader that goes through a double loses digits. */
static int64_t seed_of(struct json_object *input)
{
    int64_t seed;
    if (json_i64(input, "seed", &seed))
        return seed;
    return (INT64_C(1) << 53) + (int64_t)random_below(UINT64_C(900000000000000000));
}

/* -- imagen4 -- */

static const struct {
    str ratio;
    int width, height;
} imagen_sizes[] = {
    {{"1:1", 3},  1024, 1024},
    {{"16:9", 4}, 1408, 768 },
    {{"9:16", 4}, 768,  1408},
    {{"4:3", 3},  1280, 896 },
    {{"3:4", 3},  896,  1280},
};

void fal_imagen4_run(struct arena *a, const struct fal_job *job, struct fal_made *out)
{
    str ratio = json_str(job->input, "aspect_ratio");
    str format = json_str(job->input, "output_format");
    int64_t count = 1, seed = seed_of(job->input);
    json_i64(job->input, "num_images", &count);
    if (str_eq(format, S("webp"))) {
        out->status = 500;
        out->body = json_make(a, KV("detail", "The sandbox draws no webp."));
        return;
    }

    size_t size = 0;
    for (size_t i = 0; i < ARRAY_LEN(imagen_sizes); i++)
        if (str_eq(imagen_sizes[i].ratio, ratio))
            size = i;
    int scale = str_eq(json_str(job->input, "resolution"), S("2K")) ? 2 : 1;
    struct drawing drawing = {.width = imagen_sizes[size].width * scale,
                              .height = imagen_sizes[size].height * scale,
                              .words = json_str(job->input, "prompt"),
                              .seed = seed,
                              .caption = job->model};
    shrink(a, &drawing);

    struct buf images = buf_new(a);
    for (drawing.number = 1; drawing.number <= count; drawing.number++) {
        struct drawn one = draw_one(a, &drawing, str_eq(format, S("jpeg")));
        if (drawing.number > 1)
            buf_add_char(&images, ',');
        json_put_object(&images, KVS(KV("url", one.url), KV("content_type", one.content_type),
                                     KV("file_name", one.name), KV("file_size", one.size_bytes),
                                     KV("width", drawing.width), KV("height", drawing.height)));
        task_yield();
    }
    out->status = 200;
    out->body = json_make(
        a, KV("images", JSON(str_printf(a, "[" STR_FMT "]", STR_ARG(buf_str(&images))))),
        KV("description", ""), KV("seed", seed));
}

/* -- flux-lora -- */

static const struct {
    str name;
    int width, height;
} flux_sizes[] = {
    {{"square_hd", 9},       1024, 1024},
    {{"square", 6},          512,  512 },
    {{"portrait_4_3", 12},   768,  1024},
    {{"portrait_16_9", 13},  576,  1024},
    {{"landscape_4_3", 13},  1024, 768 },
    {{"landscape_16_9", 14}, 1024, 576 },
};

static void take_size(struct json_object *size, struct drawing *drawing)
{
    int64_t width, height;
    str name = size ? json_value_str(size) : S("landscape_4_3");
    for (size_t i = 0; i < ARRAY_LEN(flux_sizes); i++)
        if (str_eq(flux_sizes[i].name, name)) {
            drawing->width = flux_sizes[i].width;
            drawing->height = flux_sizes[i].height;
        }
    if (json_i64(size, "width", &width) && json_i64(size, "height", &height)) {
        drawing->width = (int)width;
        drawing->height = (int)height;
    }
}

/* Whoever is called by the trigger is seen as trained; who is not called, as a stranger. */
static bool take_lora(struct arena *a, struct json_object *lora, size_t index, str prompt,
                      struct draw_face *face, struct fal_made *out)
{
    str bytes;
    size_t at;
    struct fal_lora_file file = {0};
    str loc = str_printf(a, "\"body\",\"loras\",%zu,\"path\"", index);
    struct json_object *path = json_at(lora, "path");
    if (!fal_file_get(a, json_value_str(path), &bytes)) {
        fal_refuse(a, loc, "file_download_error", "Failed to download the file", path, out);
        return false;
    }
    if (!fal_lora_read(a, bytes, &file)) {
        fal_refuse(a, loc, "value_error", "The LoRA weights could not be read", path, out);
        return false;
    }
    bool is_called = !file.trigger.len || str_find(prompt, file.trigger, &at);
    *face = (struct draw_face){.side = FAL_FACE_SIDE,
                               .pixels = is_called ? file.face.pixels : NULL};
    return true;
}

static bool is_flagged(struct arena *a, struct json_object *input, int number)
{
    bool is_checked = true;
    size_t at;
    str prompt = json_str(input, "prompt");
    json_boolean(input, "enable_safety_checker", &is_checked);
    return is_checked && (str_find(prompt, S("[nsfw]"), &at) ||
                          str_find(prompt, str_printf(a, "[nsfw %d]", number), &at));
}

static void draw_flux(struct arena *a, const struct fal_job *job, struct drawing *drawing,
                      struct fal_made *out)
{
    int64_t count = 1, begun_ms = clock_steady_ms();
    bool is_jpeg = !str_eq(json_str(job->input, "output_format"), S("png"));
    struct buf images = buf_new(a), flags = buf_new(a);
    json_i64(job->input, "num_images", &count);
    for (drawing->number = 1; drawing->number <= count; drawing->number++) {
        const char *comma = drawing->number > 1 ? "," : "";
        drawing->is_black = is_flagged(a, job->input, drawing->number);
        struct drawn one = draw_one(a, drawing, is_jpeg);
        str image = json_make(a, KV("url", one.url), KV("width", drawing->width),
                              KV("height", drawing->height), KV("content_type", one.content_type));
        buf_addf(&images, "%s" STR_FMT, comma, STR_ARG(image));
        buf_addf(&flags, "%s%s", comma, drawing->is_black ? "true" : "false");
        task_yield();
    }
    double seconds = (double)(clock_steady_ms() - begun_ms) / 1000;
    str list = str_printf(a, "[" STR_FMT "]", STR_ARG(buf_str(&images)));
    str marks = str_printf(a, "[" STR_FMT "]", STR_ARG(buf_str(&flags)));
    out->status = 200;
    out->body = json_make(a, KV("images", JSON(list)), KV("seed", drawing->seed),
                          KV("has_nsfw_concepts", JSON(marks)), KV("prompt", drawing->words),
                          KV("timings", JSON(json_make(a, KV("inference", seconds)))));
}

void fal_flux_lora_run(struct arena *a, const struct fal_job *job, struct fal_made *out)
{
    struct json_object *loras = json_at(job->input, "loras");
    size_t count = json_length(loras);
    struct draw_face *faces = NEW_ARRAY(a, struct draw_face, count + 1);
    struct drawing drawing = {.words = json_str(job->input, "prompt"),
                              .seed = seed_of(job->input),
                              .caption = job->model,
                              .faces = faces,
                              .face_count = count};
    for (size_t i = 0; i < count; i++)
        if (!take_lora(a, json_item(loras, i), i, drawing.words, &faces[i], out))
            return;
    take_size(json_at(job->input, "image_size"), &drawing);
    shrink(a, &drawing);
    draw_flux(a, job, &drawing, out);
}
