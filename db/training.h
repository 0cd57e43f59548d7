/*
 * training.h - trainings: an avatar is made of its photos, for coins.
 *
 * One row each time a user orders one. The avatar's own columns hold what was
 * really sent to FAL and what it returned in the last of them; whatever happens
 * to a training happens to its avatar in the same statement.
 */
#pragma once
#include "db/errand.h"

struct training {
    struct errand errand;
    str avatar_id, avatar_name;
    str gender;        /* empty but for portraits */
    str training_type; /* "portrait", "style", "object" */
    str preset;        /* "fast", "balanced", "quality" */
    int photos_count;
    int progress; /* 0 … 100 */
    str archive_url;
    bool is_cancel_asked; /* by the user, when FAL was at work on it: he pays */
    int64_t running_ms;   /* since FAL was first seen at work; -1 before */
};

extern const struct errand_statements training_statements;

/* Whether an avatar can be trained. */
struct training_need {
    str status;
    int64_t kept, pending; /* photos */
};
err *training_need(struct db *db, struct arena *a, int64_t user_id, str avatar_id,
                   struct training_need *out);
/* The avatar goes from what can be trained to `training`; its photos are counted and none may be
 * pending. begun: false when it is not as it has to be. */
err *training_begin(struct db *db, int64_t user_id, str avatar_id, int64_t least_photos,
                    bool *begun);
err *training_add(struct db *db, const struct training *g);

/* Opens the transaction and holds the row until its end. user_id 0: anybody's, for jobs. */
err *training_lock(struct db *db, struct arena *a, int64_t user_id, str id, struct training *out);
/* ERR_NOT_FOUND when none of that avatar is open. */
err *training_lock_open(struct db *db, struct arena *a, int64_t user_id, str avatar_id,
                        struct training *out);

err *training_keep_archive(struct db *db, str id, str archive_url, int64_t photos_count);

/* What a trainer is given; what it does not take is VAL_NULL. */
struct training_parameters {
    struct val trigger_phrase, trigger_word, steps, learning_rate, multiresolution_training,
        subject_crop, create_masks;
    str webhook_url, finetune_comment;
    str config; /* JSON, the whole of it */
};
/* With the submission that is about to be made. */
err *training_note(struct db *db, str id, const struct training_parameters *parameters);
/* logs: the newest of them, may be empty. progress, running_ms: as they are now. */
err *training_progress(struct db *db, str id, int percent, str logs, bool is_running,
                       struct training *g);
err *training_ask_to_stop(struct db *db, str id);
/* FAL could not be asked. */
err *training_take_stop_back(struct db *db, str id);

/* What FAL says that it made. config_url may be empty. */
err *training_keep_files(struct db *db, str id, str lora_url, str config_url);
struct training_file {
    str kind; /* "lora", "config" */
    str bucket, object_key, content_type, fal_url;
    int64_t size_bytes;
};
/* Our copy. */
err *training_add_file(struct db *db, const struct training *g, const struct training_file *file);
/* The avatar is completed, and the main one when the user has none. */
err *training_complete(struct db *db, str id);
/* Their objects go as well. keeps_first: but not of the first, which leads the card. */
err *training_drop_photos(struct db *db, str avatar_id, bool keeps_first);

/* Seconds that half of the last trainings by this model and preset took less than; 0 when there were
 * too few. */
err *training_median_seconds(struct db *db, str model, str preset, double *seconds);
