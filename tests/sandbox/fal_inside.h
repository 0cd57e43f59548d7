/*
 * fal_inside.h - what the parts of the sandbox's FAL share.
 *
 *   fal.c            the queue: submit, status, result, cancel; storage and files
 *   fal_models.c     which fields a model takes, and what it makes of them
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
/* Checks the input against the model's fields and makes the output. Draws, so
 * it needs DRAW_STACK_KIB. */
void fal_model_run(struct arena *a, const struct fal_model *model, const struct fal_job *job,
                   struct fal_made *out);
/* One entry of "detail", whole: {"detail":[{loc, msg, type, …}]}. */
str fal_detail(struct arena *a, const char *field, const char *type, const char *message,
               struct json_object *input);

/* A new file under /fal/files/; its address. */
str fal_file_keep(struct arena *a, str name, str content_type, str bytes);

/* -- callbacks -- */

void fal_callbacks_start(void);
/* Writes a delivery down and wakes who delivers. mode: the value of the fault fal.callback. */
void fal_callback_add(struct arena *a, str request_id, str url, str mode,
                      const struct fal_made *made);
str fal_keys_document(struct arena *a);

/* A fault's value: itself, or its member "value" where it has "times" beside it. */
bool fal_fault(struct arena *a, const char *name, struct json_object **value);
/* The number a fault holds, or else another. */
double fal_fault_number(struct arena *a, const char *name, double otherwise);
