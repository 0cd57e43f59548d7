/*
 * trainer.h - what FAL's trainers are told of an avatar: one of them makes
 * portraits, the other styles and objects.
 *
 * A preset says how thoroughly. What is sent is what trainer_note() has written
 * into the avatar's row before; a parameter that the trainer does not take is
 * null there.
 */
#pragma once
#include "db/training.h"
#include "handlers/work.h"

struct preset {
    const char *name;
    enum text label, meaning;
    int64_t portrait_steps;
    double learning_rate; /* of portraits */
    bool create_masks;    /* the same */
    int64_t fast_steps;   /* of the rest */
};

enum { PRESET_COUNT = 3 };
extern const struct preset presets[PRESET_COUNT];
/* NULL: such a one can only come from an old row or button. */
const struct preset *preset_of(str name);

str trainer_model(const struct conf *conf, str training_type);
/* What FAL will ask of us. */
int64_t trainer_cost_microdollars(const struct conf *conf, const struct training *g);
/* The last part of its callback's path. */
const char *trainer_entrance(str training_type);
/* Steps of struct errand_kind. */
err *trainer_note(struct db *db, struct arena *a, const struct training *g, str callback_url);
err *trainer_submit(struct work *w, const struct training *g, str callback_url,
                    struct fal_submission *out);
