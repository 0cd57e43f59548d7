/*
 * The models that the sandbox plays, and what each takes.
 *
 * Words in a prompt that make a model refuse:
 *   [unsafe]        422 content_policy_violation
 *   [unsafe text]   422 with the detail as plain text, as older endpoints do
 *   [nothing made]  422 no_media_generated
 *   [broken]        500 internal_server_error
 *   [disconnected]  503, an infrastructure error: runner_disconnected
 */
#include "tests/sandbox/fal_inside.h"

struct fal_model {
    const char *id;
    const struct fal_field *fields;
    size_t field_count;
    void (*run)(struct arena *a, const struct fal_job *job, struct fal_made *out);
    bool is_trainer;
};

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

/* -- the tables -- */

enum {
    PROMPT_LEAST = 3,
    PROMPT_MOST = 5000,
    MOST_IMAGES = 4,
    URL_MOST = 4000,
    TRIGGER_MOST = 100,
    MOST_LORAS = 4,
    MOST_TRAINING_STEPS = 10000,
    MOST_IMAGE_STEPS = 50,
    SIDE_LEAST = 64,
    SIDE_MOST = 2048, /* the real one draws larger pictures; nobody here asks for them */
};

/* clang-format off */
#define TEXT(text_name, from, to)     .name = (text_name), .type = FAL_TEXT, .least = (from), .most = (to)
#define CHOICE(choice_name, words)    .name = (choice_name), .type = FAL_CHOICE, .choices = (words)
#define INTEGER(number_name, from, to) .name = (number_name), .type = FAL_INTEGER, .least = (from), .most = (to)
#define NUMBER(number_name, from, to) .name = (number_name), .type = FAL_NUMBER, .low = (from), .high = (to)
#define BOOLEAN(switch_name)          .name = (switch_name), .type = FAL_BOOLEAN
#define INSIDE(fields)                .inside = (fields), .inside_count = ARRAY_LEN(fields)

#define IMAGEN4_FIELDS                                      \
    {TEXT("prompt", PROMPT_LEAST, PROMPT_MOST), .is_required = true}, \
    {CHOICE("aspect_ratio", "1:1 16:9 9:16 4:3 3:4")},      \
    {INTEGER("num_images", 1, MOST_IMAGES)},                \
    {CHOICE("output_format", "jpeg png webp")},             \
    {CHOICE("safety_tolerance", "1 2 3 4 5 6")},            \
    {INTEGER("seed", 0, INT64_MAX)},                        \
    {BOOLEAN("sync_mode")}

static const struct fal_field imagen4_fields[] = {IMAGEN4_FIELDS, {CHOICE("resolution", "1K 2K")}};
static const struct fal_field imagen4_fast_fields[] = {IMAGEN4_FIELDS};

static const struct fal_field size_fields[] = {
    {INTEGER("width", SIDE_LEAST, SIDE_MOST), .is_required = true},
    {INTEGER("height", SIDE_LEAST, SIDE_MOST), .is_required = true},
};
static const struct fal_field lora_fields[] = {
    {TEXT("path", 1, URL_MOST), .is_required = true},
    {NUMBER("scale", 0, 4)},
};
static const struct fal_field flux_lora_fields[] = {
    {TEXT("prompt", 1, PROMPT_MOST), .is_required = true},
    {.name = "loras", .type = FAL_LIST, .most = MOST_LORAS, INSIDE(lora_fields)},
    {.name = "image_size", .type = FAL_SIZE, INSIDE(size_fields),
     .choices = "square_hd square portrait_4_3 portrait_16_9 landscape_4_3 landscape_16_9"},
    {INTEGER("num_images", 1, MOST_IMAGES)},
    {INTEGER("num_inference_steps", 1, MOST_IMAGE_STEPS)},
    {NUMBER("guidance_scale", 0, 35)},
    {INTEGER("seed", 0, INT64_MAX), .may_be_null = true},
    {BOOLEAN("enable_safety_checker")},
    {CHOICE("output_format", "jpeg png")},
    {CHOICE("acceleration", "none regular")},
};

static const struct fal_field portrait_fields[] = {
    {TEXT("images_data_url", 1, URL_MOST), .is_required = true},
    {TEXT("trigger_phrase", 0, TRIGGER_MOST), .may_be_null = true},
    {INTEGER("steps", 1, MOST_TRAINING_STEPS)},
    {NUMBER("learning_rate", 0.000001, 0.01)},
    {BOOLEAN("multiresolution_training")},
    {BOOLEAN("subject_crop")},
    {BOOLEAN("create_masks")},
    {CHOICE("data_archive_format", "zip"), .may_be_null = true},
};
static const struct fal_field fast_training_fields[] = {
    {TEXT("images_data_url", 1, URL_MOST), .is_required = true},
    {TEXT("trigger_word", 0, TRIGGER_MOST), .may_be_null = true},
    {BOOLEAN("create_masks")},
    {BOOLEAN("is_style")},
    {INTEGER("steps", 1, MOST_TRAINING_STEPS)},
    {CHOICE("data_archive_format", "zip"), .may_be_null = true},
};

#define MODEL(model_id, fields, function, trains) {(model_id), (fields), ARRAY_LEN(fields), (function), (trains)}

static const struct fal_model models[] = {
    MODEL("fal-ai/imagen4/preview",             imagen4_fields,       fal_imagen4_run,       false),
    MODEL("fal-ai/imagen4/preview/ultra",       imagen4_fields,       fal_imagen4_run,       false),
    MODEL("fal-ai/imagen4/preview/fast",        imagen4_fast_fields,  fal_imagen4_run,       false),
    MODEL("fal-ai/flux-lora",                   flux_lora_fields,     fal_flux_lora_run,     false),
    MODEL("fal-ai/flux-lora-portrait-trainer",  portrait_fields,      fal_portrait_run,      true),
    MODEL("fal-ai/flux-lora-fast-training",     fast_training_fields, fal_fast_training_run, true),
};
/* clang-format on */

const struct fal_model *fal_model_find(str id)
{
    for (size_t i = 0; i < ARRAY_LEN(models); i++)
        if (str_eq(str_from(models[i].id), id))
            return &models[i];
    return NULL;
}

bool fal_model_is_trainer(const struct fal_model *model)
{
    return model && model->is_trainer;
}

void fal_model_run(struct arena *a, const struct fal_model *model, const struct fal_job *job,
                   struct fal_made *out)
{
    *out = (struct fal_made){0};
    if (fal_fields_check(a, model->fields, model->field_count, job->input, out) &&
        !is_triggered(a, job->input, out))
        model->run(a, job, out);
}
