/*
 * fal_inside.h - what the parts of the sandbox's FAL share.
 *
 *   fal.c            the queue: submit, status, result, cancel; storage and files
 *   fal_models.c     the table of models, their fields, words that make them refuse
 *   fal_fields.c     an input held against a model's fields
 *   fal_images.c     the models that make pictures
 *   fal_trainers.c   the models that train, how long they take, what they log
 *   fal_archive.c    the zip that a trainer is given
 *   fal_lora.c       the file that a trainer makes
 *   fal_callbacks.c  keys, signatures, deliveries with their repeats
 *
 * A model is one row of the table in fal_models.c and one function.
 */
#pragma once
#include "tests/sandbox/sandbox.h"

/* -- models -- */

/* What a run has to go by. */
struct fal_job {
    str id;
    str model;
    struct json_object *input;
};

/* How a run ended: 200 and the output, or a status and the body of the error. */
struct fal_made {
    int status;
    str body;
    str error_type; /* of an infrastructure error; else empty */
};

struct fal_model;
const struct fal_model *fal_model_find(str id);
bool fal_model_is_trainer(const struct fal_model *model);
/* Checks the input against the model's fields and makes the output. Draws, so
 * it needs DRAW_STACK_KIB. */
void fal_model_run(struct arena *a, const struct fal_model *model, const struct fal_job *job,
                   struct fal_made *out);

/* The functions of the models: the input has its fields, of the right types. */
void fal_imagen4_run(struct arena *a, const struct fal_job *job, struct fal_made *out);
void fal_flux_lora_run(struct arena *a, const struct fal_job *job, struct fal_made *out);
void fal_portrait_run(struct arena *a, const struct fal_job *job, struct fal_made *out);
void fal_fast_training_run(struct arena *a, const struct fal_job *job, struct fal_made *out);

/* -- inputs -- */

enum fal_field_type {
    FAL_TEXT,
    FAL_CHOICE,
    FAL_INTEGER,
    FAL_NUMBER,
    FAL_BOOLEAN,
    FAL_LIST, /* of objects */
    FAL_SIZE, /* one of the choices, or an object */
};

struct fal_field {
    const char *name;
    enum fal_field_type type;
    bool is_required, may_be_null;
    int64_t least, most; /* of an integer; of a text: its length in code points; of a list: its
                            length */
    double low, high;    /* of a number, both included */
    const char *choices; /* words separated by blanks */
    const struct fal_field *inside; /* of the objects */
    size_t inside_count;
};
bool fal_fields_check(struct arena *a, const struct fal_field *fields, size_t count,
                      struct json_object *input, struct fal_made *out);

/* -- errors in FAL's shape: one entry of "detail", whole -- */

/* {"detail":[{"loc":["body","<field>"], msg, type, …}]} */
str fal_detail(struct arena *a, const char *field, const char *type, const char *message,
               struct json_object *input);
/* The same at a deeper place: loc is what stands in the brackets, "\"body\",\"loras\",0". */
void fal_refuse(struct arena *a, str loc, const char *type, const char *message,
                struct json_object *input, struct fal_made *out);

/* -- trainings -- */

enum { FAL_FACE_SIDE = 96, FAL_FACE_BYTES = 3 * FAL_FACE_SIDE * FAL_FACE_SIDE };

struct fal_face {
    const unsigned char *pixels; /* red, green, blue; NULL: none was seen */
};
struct fal_archive {
    int64_t photos, captions;
    struct fal_face face; /* of the first photo */
    const char *wrong;    /* what no trainer would take; NULL when all is well */
    str wrong_name;       /* the file that it is about */
};
/* False when the bytes are no zip. */
bool fal_archive_open(struct arena *a, str bytes, struct fal_archive *out);

struct fal_lora_file {
    str trigger; /* may be empty */
    int64_t steps;
    struct fal_face face;
};
str fal_lora_write(struct arena *a, const struct fal_lora_file *lora);
bool fal_lora_read(struct arena *a, str bytes, struct fal_lora_file *out);

void fal_trainings_start(void);
/* Writes down how long the training will wait and run; at submission. */
void fal_training_add(struct arena *a, str id, const struct fal_model *model);
/* Does the work of a training that begins to run, and keeps what it made until its
 * time is over. The time it runs: less than the whole when it cannot go well, or
 * ends at a part of it. */
int64_t fal_training_begin(struct arena *a, const struct fal_model *model,
                           const struct fal_job *job, str fails);
/* What it made; false when it is no training, or one that never began. */
bool fal_training_made(struct arena *a, str id, struct fal_made *out);
/* How many of other people wait before it. */
int64_t fal_training_strangers(str id);
/* What it has said until then, as a JSON array; false when it is no training. */
bool fal_training_logs(struct arena *a, str id, int64_t start_ms, int64_t until_ms, str *out);
/* One line of logs. */
str fal_log_line(struct arena *a, int64_t at_ms, const char *level, str message);

/* -- files -- */

/* A new file under /fal/files/; its address. */
str fal_file_keep(struct arena *a, str name, str content_type, str bytes);
/* The bytes at an address of ours; false at any other, and when nothing lies there. */
bool fal_file_get(struct arena *a, str url, str *bytes);

/* -- callbacks -- */

void fal_callbacks_start(void);
/* Writes a delivery down and wakes who delivers. mode: the value of the fault fal.callback. */
void fal_callback_add(struct arena *a, str request_id, str url, str mode,
                      const struct fal_made *made);
str fal_keys_document(struct arena *a);

/* A fault's value: itself, or its member "value" where it has "times" beside it. */
bool fal_fault(struct arena *a, const char *name, struct json_object **value);
/* The same, where an order for one model, "fal.fail:<model>", goes before the one for all. */
bool fal_fault_of(struct arena *a, const char *name, str model, struct json_object **value);
/* The number a fault holds, or else another. */
double fal_fault_number(struct arena *a, const char *name, double otherwise);
/* A number of the environment, not below zero, or else another. */
double fal_setting(const char *name, double otherwise);
