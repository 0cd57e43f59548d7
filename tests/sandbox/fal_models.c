/*
 * The models that the sandbox plays. The fields of each are checked as strictly
 * as FAL's own schemas say, and more strictly in one point: a field that the
 * model does not have is refused, because a misspelt one is always our mistake.
 *
 * Words in a prompt that make a model refuse:
 *   [unsafe]        422 content_policy_violation
 *   [unsafe text]   422 with the detail as plain text, as older endpoints do
 *   [nothing made]  422 no_media_generated
 *   [broken]        500 internal_server_error
 *   [disconnected]  503, an infrastructure error: runner_disconnected
 */
#include "tests/sandbox/fal_inside.h"

#include <json-c/linkhash.h>

#include "core/clock.h"
#include "core/loop.h"
#include "tests/sandbox/draw.h"

enum field_type { FIELD_TEXT, FIELD_CHOICE, FIELD_INTEGER, FIELD_BOOLEAN };

struct model_field {
    const char *name;
    enum field_type type;
    bool is_required;
    const char *choices; /* of a choice: words separated by blanks */
    int64_t least, most; /* of an integer; of a text: its length in code points */
};

struct fal_model {
    const char *id;
    const struct model_field *fields;
    size_t field_count;
    void (*run)(struct arena *a, const struct fal_model *model, const struct fal_job *job,
                struct fal_made *out);
};

/* -- errors in FAL's shape -- */

static str detail_text(struct arena *a, str loc, const char *type, const char *message,
                       struct json_object *input)
{
    str entry = json_make(a, KV("loc", JSON(loc)), KV("msg", message), KV("type", type),
                          KV("url", str_printf(a, "https://docs.fal.ai/errors#%s", type)),
                          KV("input", JSON(json_text(a, input))));
    return json_make(a, KV("detail", JSON(str_printf(a, "[" STR_FMT "]", STR_ARG(entry)))));
}

str fal_detail(struct arena *a, const char *field, const char *type, const char *message,
               struct json_object *input)
{
    return detail_text(a, str_printf(a, "[\"body\",\"%s\"]", field), type, message, input);
}

static void refuse_field(struct arena *a, const struct model_field *field, const char *type,
                         const char *message, struct json_object *value, struct fal_made *out)
{
    out->status = 422;
    out->body = fal_detail(a, field->name, type, message, value);
}

/* -- checking fields -- */

static bool is_choice(const char *choices, str value)
{
    str rest = str_from(choices), choice;
    while (rest.len) {
        str_cut(rest, ' ', &choice, &rest);
        if (str_eq(choice, value))
            return true;
    }
    return false;
}

static bool check_text(struct arena *a, const struct model_field *field, struct json_object *value,
                       struct fal_made *out)
{
    str text = json_value_str(value);
    size_t points = str_points(text);
    if (!json_object_is_type(value, json_type_string))
        refuse_field(a, field, "string_type", "Input should be a valid string", value, out);
    else if (points < (size_t)field->least)
        refuse_field(a, field, "string_too_short", "String is too short", value, out);
    else if (points > (size_t)field->most)
        refuse_field(a, field, "string_too_long", "String is too long", value, out);
    else
        return true;
    return false;
}

static bool check_integer(struct arena *a, const struct model_field *field,
                          struct json_object *value, struct fal_made *out)
{
    int64_t number;
    if (!json_value_i64(value, &number))
        refuse_field(a, field, "int_type", "Input should be a valid integer", value, out);
    else if (number < field->least)
        refuse_field(a, field, "greater_than_equal",
                     cstr(a, str_printf(a, "Input should be greater than or equal to %" PRId64,
                                        field->least)),
                     value, out);
    else if (number > field->most)
        refuse_field(
            a, field, "less_than_equal",
            cstr(a, str_printf(a, "Input should be less than or equal to %" PRId64, field->most)),
            value, out);
    else
        return true;
    return false;
}

static bool check_value(struct arena *a, const struct model_field *field, struct json_object *value,
                        struct fal_made *out)
{
    switch (field->type) {
    case FIELD_TEXT:
        return check_text(a, field, value, out);
    case FIELD_INTEGER:
        return check_integer(a, field, value, out);
    case FIELD_CHOICE:
        if (is_choice(field->choices, json_value_str(value)))
            return true;
        refuse_field(a, field, "literal_error",
                     cstr(a, str_printf(a, "Input should be one of: %s", field->choices)), value,
                     out);
        return false;
    case FIELD_BOOLEAN:
        if (json_object_is_type(value, json_type_boolean))
            return true;
        refuse_field(a, field, "bool_type", "Input should be a valid boolean", value, out);
        return false;
    }
    return false;
}

static const struct model_field *find_field(const struct fal_model *model, const char *name)
{
    for (size_t i = 0; i < model->field_count; i++)
        if (strcmp(model->fields[i].name, name) == 0)
            return &model->fields[i];
    return NULL;
}

static bool check_input(struct arena *a, const struct fal_model *model, struct json_object *input,
                        struct fal_made *out)
{
    if (!json_object_is_type(input, json_type_object)) {
        out->status = 422;
        out->body = detail_text(a, S("[\"body\"]"), "dict_type",
                                "Input should be a valid dictionary", input);
        return false;
    }
    json_object_object_foreach(input, name, value)
    {
        struct model_field unknown = {.name = name};
        const struct model_field *field = find_field(model, name);
        if (!field) {
            refuse_field(a, &unknown, "extra_forbidden", "Extra inputs are not permitted", value,
                         out);
            return false;
        }
        if (!check_value(a, field, value, out))
            return false;
    }
    for (size_t i = 0; i < model->field_count; i++)
        if (model->fields[i].is_required && !json_has(input, model->fields[i].name)) {
            refuse_field(a, &model->fields[i], "missing", "Field required", input, out);
            return false;
        }
    return true;
}

/* -- words that make a model refuse -- */

static const struct {
    str words;
    int status;
    const char *type; /* NULL: the detail is plain text */
    const char *message;
    const char *error_type;
} triggers[] = {
    {{"[unsafe]", 8},
     422,                         "content_policy_violation",
     "The content could not be processed because it contained material flagged by a content "
     "checker.",                                                                         NULL                 },
    {{"[unsafe text]", 13},
     422,                         NULL,
     "No images were generated because they were filtered by safety checks.",            NULL                 },
    {{"[nothing made]", 14}, 422, "no_media_generated",       "No media was generated.", NULL                 },
    {{"[broken]", 8},        500, "internal_server_error",    "Internal server error",   NULL                 },
    {{"[disconnected]", 14}, 503, NULL,                       "Runner disconnected",     "runner_disconnected"},
};

static bool is_triggered(struct arena *a, struct json_object *input, struct fal_made *out)
{
    str prompt = json_str(input, "prompt");
    size_t at;
    for (size_t i = 0; i < ARRAY_LEN(triggers); i++) {
        if (!str_find(prompt, triggers[i].words, &at))
            continue;
        out->status = triggers[i].status;
        out->error_type = str_from(triggers[i].error_type);
        if (triggers[i].type)
            out->body = fal_detail(a, "prompt", triggers[i].type, triggers[i].message,
                                   json_at(input, "prompt"));
        else if (triggers[i].error_type)
            out->body = json_make(a, KV("detail", triggers[i].message),
                                  KV("error_type", triggers[i].error_type));
        else
            out->body = json_make(a, KV("detail", triggers[i].message));
        return true;
    }
    return false;
}

/* -- pictures -- */

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

static str draw_one(struct arena *a, const struct drawing *drawing, bool is_jpeg)
{
    str bytes = draw_picture(a, drawing, is_jpeg ? DRAW_JPEG : DRAW_PNG);
    const char *type = is_jpeg ? "image/jpeg" : "image/png";
    str name = str_printf(a, STR_FMT ".%s", STR_ARG(random_hex(a, 12)), is_jpeg ? "jpg" : "png");
    str url = fal_file_keep(a, name, str_from(type), bytes);
    return json_make(a, KV("url", url), KV("content_type", type), KV("file_name", name),
                     KV("file_size", bytes.len), KV("width", drawing->width),
                     KV("height", drawing->height));
}

/* Above 2^53, where a reader that goes through a double loses digits. */
static int64_t seed_of(struct json_object *input)
{
    int64_t seed;
    if (json_i64(input, "seed", &seed))
        return seed;
    return (INT64_C(1) << 53) + (int64_t)random_below(UINT64_C(900000000000000000));
}

static void run_imagen4(struct arena *a, const struct fal_model *model, const struct fal_job *job,
                        struct fal_made *out)
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
                              .caption = str_from(model->id)};
    shrink(a, &drawing);

    struct buf images = buf_new(a);
    for (drawing.number = 1; drawing.number <= count; drawing.number++) {
        if (drawing.number > 1)
            buf_add_char(&images, ',');
        buf_add(&images, draw_one(a, &drawing, str_eq(format, S("jpeg"))));
        task_yield();
    }
    out->status = 200;
    out->body = json_make(
        a, KV("images", JSON(str_printf(a, "[" STR_FMT "]", STR_ARG(buf_str(&images))))),
        KV("description", ""), KV("seed", seed));
}

/* -- the tables -- */

enum { PROMPT_LEAST = 3, PROMPT_MOST = 5000, MOST_IMAGES = 4 };

#define IMAGEN4_FIELDS                                                                             \
    {"prompt", FIELD_TEXT, true, NULL, PROMPT_LEAST, PROMPT_MOST},                                 \
        {"aspect_ratio", FIELD_CHOICE, false, "1:1 16:9 9:16 4:3 3:4", 0, 0},                      \
        {"num_images", FIELD_INTEGER, false, NULL, 1, MOST_IMAGES},                                \
        {"output_format", FIELD_CHOICE, false, "jpeg png webp", 0, 0},                             \
        {"safety_tolerance", FIELD_CHOICE, false, "1 2 3 4 5 6", 0, 0},                            \
        {"seed", FIELD_INTEGER, false, NULL, 0, INT64_MAX},                                        \
    {                                                                                              \
        "sync_mode", FIELD_BOOLEAN, false, NULL, 0, 0                                              \
    }

static const struct model_field imagen4_fields[] = {
    IMAGEN4_FIELDS,
    {"resolution", FIELD_CHOICE, false, "1K 2K", 0, 0},
};
static const struct model_field imagen4_fast_fields[] = {IMAGEN4_FIELDS};

static const struct fal_model models[] = {
    {"fal-ai/imagen4/preview",       imagen4_fields,      ARRAY_LEN(imagen4_fields),      run_imagen4},
    {"fal-ai/imagen4/preview/ultra", imagen4_fields,      ARRAY_LEN(imagen4_fields),      run_imagen4},
    {"fal-ai/imagen4/preview/fast",  imagen4_fast_fields, ARRAY_LEN(imagen4_fast_fields),
     run_imagen4                                                                                     },
};

const struct fal_model *fal_model_find(str id)
{
    for (size_t i = 0; i < ARRAY_LEN(models); i++)
        if (str_eq(str_from(models[i].id), id))
            return &models[i];
    return NULL;
}

void fal_model_run(struct arena *a, const struct fal_model *model, const struct fal_job *job,
                   struct fal_made *out)
{
    *out = (struct fal_made){0};
    if (check_input(a, model, job->input, out) && !is_triggered(a, job->input, out))
        model->run(a, model, job, out);
}
