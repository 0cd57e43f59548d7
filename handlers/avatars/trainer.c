#include "handlers/avatars/trainer.h"

/* clang-format off */
const struct preset presets[PRESET_COUNT] = {
    {"fast",     T_preset_fast,     T_preset_fast_means,     1000, 0.0002,  false, 800 },
    {"balanced", T_preset_balanced, T_preset_balanced_means, 2500, 0.00009, true,  1500},
    {"quality",  T_preset_quality,  T_preset_quality_means,  4000, 0.00005, true,  3000},
};
/* clang-format on */

const struct preset *preset_of(str name)
{
    for (size_t i = 0; i < PRESET_COUNT; i++)
        if (str_eq(name, str_from(presets[i].name)))
            return &presets[i];
    return NULL;
}

static bool is_portrait(str training_type)
{
    return str_eq(training_type, S("portrait"));
}

str trainer_model(const struct conf *conf, str training_type)
{
    return is_portrait(training_type) ? conf->fal_portrait_trainer_model
                                      : conf->fal_fast_trainer_model;
}

int64_t trainer_cost_microdollars(const struct conf *conf, const struct training *g)
{
    enum { STEPS_OF_PRICE = 1000 };
    const struct preset *preset = preset_of(g->preset);
    assert(preset);
    return is_portrait(g->training_type)
               ? conf->fal_portrait_training_cost_microdollars * preset->portrait_steps /
                     STEPS_OF_PRICE
               : conf->fal_fast_training_cost_microdollars * preset->fast_steps / STEPS_OF_PRICE;
}

const char *trainer_entrance(str training_type)
{
    return is_portrait(training_type) ? "portrait" : "status";
}

/* What stands for the avatar in a prompt: no word of any language. */
static str trigger_of(struct arena *a, const struct training *g)
{
    enum { HEX_DIGITS = 8 };
    return str_printf(a, "TOK_" STR_FMT, STR_ARG(str_sub(g->avatar_id, 0, HEX_DIGITS)));
}

static struct fal_portrait portrait_of(struct arena *a, const struct training *g, str callback_url)
{
    const struct preset *preset = preset_of(g->preset);
    assert(preset); /* the table allows no other */
    return (struct fal_portrait){
        .model = g->errand.model,
        .images_data_url = g->archive_url,
        .trigger_phrase = trigger_of(a, g),
        .steps = preset->portrait_steps,
        .learning_rate = preset->learning_rate,
        .multiresolution_training = true,
        .subject_crop = true,
        .create_masks = preset->create_masks,
        .callback_url = callback_url,
    };
}

/* A style is everywhere in a picture: masks would cut it out. */
static struct fal_fast_training fast_training_of(struct arena *a, const struct training *g,
                                                 str callback_url)
{
    const struct preset *preset = preset_of(g->preset);
    bool is_style = str_eq(g->training_type, S("style"));
    assert(preset);
    return (struct fal_fast_training){
        .model = g->errand.model,
        .images_data_url = g->archive_url,
        .trigger_word = trigger_of(a, g),
        .create_masks = !is_style,
        .is_style = is_style,
        .steps = preset->fast_steps,
        .callback_url = callback_url,
    };
}

static void parameters_of_portrait(struct arena *a, const struct training *g, str callback_url,
                                   struct training_parameters *out)
{
    struct fal_portrait ask = portrait_of(a, g, callback_url);
    out->trigger_phrase = V(ask.trigger_phrase);
    out->steps = V(ask.steps);
    out->learning_rate = V(ask.learning_rate);
    out->multiresolution_training = V(ask.multiresolution_training);
    out->subject_crop = V(ask.subject_crop);
    out->create_masks = V(ask.create_masks);
    out->config = fal_portrait_input(a, &ask);
}

static void parameters_of_fast_training(struct arena *a, const struct training *g, str callback_url,
                                        struct training_parameters *out)
{
    struct fal_fast_training ask = fast_training_of(a, g, callback_url);
    out->trigger_word = V(ask.trigger_word);
    out->steps = V(ask.steps);
    out->create_masks = V(ask.create_masks);
    out->config = fal_fast_training_input(a, &ask);
}

err *trainer_note(struct db *db, struct arena *a, const struct training *g, str callback_url)
{
    struct training_parameters parameters = {
        .webhook_url = callback_url,
        .finetune_comment = str_printf(a, STR_FMT ", " STR_FMT ", " STR_FMT,
                                       STR_ARG(g->avatar_name), STR_ARG(g->training_type),
                                       STR_ARG(g->preset)),
    };
    if (is_portrait(g->training_type))
        parameters_of_portrait(a, g, callback_url, &parameters);
    else
        parameters_of_fast_training(a, g, callback_url, &parameters);
    return training_note(db, g->errand.id, &parameters);
}

err *trainer_submit(struct work *w, const struct training *g, str callback_url,
                    struct fal_submission *out)
{
    if (is_portrait(g->training_type)) {
        struct fal_portrait ask = portrait_of(w->arena, g, callback_url);
        return fal_submit_portrait(w->arena, &w->bot->fal, &ask, out);
    }
    struct fal_fast_training ask = fast_training_of(w->arena, g, callback_url);
    return fal_submit_fast_training(w->arena, &w->bot->fal, &ask, out);
}
