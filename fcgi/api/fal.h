/*
 * fal.h - FAL's queue: ask for pictures and trainings, follow the work, check its callbacks.
 *
 * Only this module knows FAL's addresses, fields and limits. A request goes
 *
 *     fal_submit_…()  ->  request_id and three addresses, kept in the row
 *     callback        ->  fal_verify(), fal_callback_parse()
 *     or silence      ->  fal_status(), and when it is completed fal_result()
 *     either way      ->  fal_images_parse() or fal_training_parse(), then
 *                         fal_fetch_file(); or a fal_failure
 *
 * The addresses that FAL returns are used as they are, because a model's path
 * cannot be derived from them safely; one that does not lie on the scheme,
 * host and port of queue_url is refused before the key is sent to it.
 *
 * Time: submit 30 s, status, result and cancel 15 s, keys 10 s, files 60 s,
 * uploads 120 s. Size: answers 1 MiB, files by argument.
 * Retry: nothing is repeated in here. What the kinds mean:
 *   ERR_UNREACHABLE  nothing was sent: again later
 *   ERR_BUSY         429, 503, and other 5xx where repeating is harmless
 *   ERR_UNKNOWN      of a submit: no answer, 500, 502 or 504, or an answer that
 *                    cannot be read or leads elsewhere. FAL has no idempotency
 *                    key, so the request may be running: wait for its callback
 *                    before asking again
 *   ERR_NOT_FOUND    no such request, file or key document
 *   ERR_INPUT        an address that is not allowed, an answer too large
 *   ERR_REFUSED      of a submit: the model refused these words or fields; see
 *                    fal_failure_from() with the error's code and detail
 *   ERR_UPSTREAM     a wrong key (401, 403), or an answer against the contract
 */
#pragma once
#include "core/json.h"

struct fal {
    str key;
    str queue_url, rest_url; /* without a slash at the end */
    str jwks_url;
    str api_url; /* of the account, and the key that it wants */
    str admin_key;
    str file_hosts; /* comma-separated; each allows itself and what is below it */
};

/* Tells core/http.h that the operator's own addresses are allowed. At start-up. */
void fal_allow(const struct fal *fal);

/* -- submitting: one function a model -- */

struct fal_submission {
    str request_id;
    str status_url, response_url, cancel_url;
    int64_t queue_position;
};

struct fal_imagen4 {
    str model; /* "fal-ai/imagen4/preview", "…/fast", "…/ultra" */
    str prompt;
    str aspect_ratio; /* 1:1 16:9 9:16 4:3 3:4 */
    int64_t num_images;
    bool has_seed;
    int64_t seed;
    str output_format; /* jpeg png webp; empty: FAL's default, png */
    str callback_url;  /* empty: no callback */
};
err *fal_submit_imagen4(struct arena *a, const struct fal *fal, const struct fal_imagen4 *ask,
                        struct fal_submission *out);

/* The fields of the trainers and of flux-lora are those of FAL's schemas. Left out are
 * data_archive_format (the archive's name ends in .zip), resume_from_checkpoint,
 * is_input_format_already_preprocessed, sync_mode and acceleration: their defaults are meant.
 * An empty text is not sent; a switch or a number always is, so that a default that
 * changes over there changes nothing here. */

struct fal_portrait {
    str model;           /* "fal-ai/flux-lora-portrait-trainer" */
    str images_data_url; /* of a zip of at least 10 photos, see fal_upload() */
    str trigger_phrase;
    int64_t steps;
    double learning_rate;
    bool multiresolution_training, subject_crop, create_masks;
    str callback_url;
};
err *fal_submit_portrait(struct arena *a, const struct fal *fal, const struct fal_portrait *ask,
                         struct fal_submission *out);
/* The same as FAL is given it, for the record: JSON. */
str fal_portrait_input(struct arena *a, const struct fal_portrait *ask);

struct fal_fast_training {
    str model;           /* "fal-ai/flux-lora-fast-training" */
    str images_data_url; /* of a zip of at least 4 photos */
    str trigger_word;
    bool create_masks;
    bool is_style; /* turns captions and masks off over there */
    int64_t steps;
    str callback_url;
};
err *fal_submit_fast_training(struct arena *a, const struct fal *fal,
                              const struct fal_fast_training *ask, struct fal_submission *out);
str fal_fast_training_input(struct arena *a, const struct fal_fast_training *ask);

struct fal_lora {
    str path; /* an address that FAL can fetch */
    double scale;
};

struct fal_flux_lora {
    str model; /* "fal-ai/flux-lora" */
    str prompt;
    const struct fal_lora *loras;
    size_t lora_count;
    int64_t width, height; /* image_size */
    int64_t num_images;
    int64_t num_inference_steps;
    double guidance_scale;
    bool has_seed;
    int64_t seed;
    bool enable_safety_checker;
    str output_format; /* jpeg png; empty: FAL's default, jpeg */
    str callback_url;
};
err *fal_submit_flux_lora(struct arena *a, const struct fal *fal, const struct fal_flux_lora *ask,
                          struct fal_submission *out);

/* -- following a request -- */

enum fal_phase { FAL_QUEUED, FAL_RUNNING, FAL_COMPLETED };

struct fal_log {
    str message, level, timestamp;
};

struct fal_status {
    enum fal_phase phase;
    int64_t queue_position; /* while queued */
    const struct fal_log *logs;
    size_t log_count;
    bool is_failed; /* completed without a result; fal_result() tells why */
    str error, error_type;
};
err *fal_status(struct arena *a, const struct fal *fal, str status_url, struct fal_status *out);

/* Why there is no result, told apart by the type FAL gives, never by its words
 * where there is a type. */
enum fal_failure_kind {
    FAL_FAILURE_SAFETY,    /* the words or the picture broke the content policy */
    FAL_FAILURE_INPUT,     /* a field FAL does not take: the same request fails again */
    FAL_FAILURE_UPSTREAM,  /* FAL or the model broke: the same request may succeed */
    FAL_FAILURE_CANCELLED, /* because we, or the one who asked, gave up */
    FAL_FAILURE_ACCESS,    /* our key or our balance there */
};

struct fal_failure {
    enum fal_failure_kind kind;
    str type;    /* FAL's word: content_policy_violation, request_timeout …; may be empty */
    str message; /* FAL's sentence, for the log */
};
/* From the body of an error: `detail` is a list of {loc, msg, type}, or a string;
 * error_type may stand beside it. status 0 when it is not known; body may be NULL. */
void fal_failure_of(int status, struct json_object *body, struct fal_failure *out);
/* The same from text that need not be JSON, such as err.detail. */
void fal_failure_from(struct arena *a, int status, str body, struct fal_failure *out);

/* How a request ended, be it told by a callback or fetched. A callback whose
 * output FAL could not write down is ok without a payload: ask fal_result(). */
struct fal_outcome {
    str request_id;
    bool is_ok;
    struct json_object *payload; /* the model's output when is_ok; belongs to the arena */
    struct fal_failure failure;  /* when not is_ok */
};
/* For completed requests: the outcome, which may be a failure; raw is the body as
 * it came. ERR_BUSY while the request still runs. */
err *fal_result(struct arena *a, const struct fal *fal, str response_url, struct fal_outcome *out,
                str *raw);

enum fal_cancelled { FAL_CANCEL_REQUESTED, FAL_CANCEL_TOO_LATE, FAL_CANCEL_UNKNOWN_REQUEST };
/* Requested is no promise: a running request may still end well. */
err *fal_cancel(struct arena *a, const struct fal *fal, str cancel_url, enum fal_cancelled *out);

/* Has FAL delete what a request was given and what it made, once it is over. Files that we put there
 * are no part of that, see fal_upload(). Success also when FAL knows nothing of it. ERR_UPSTREAM: the
 * key has no right to it. */
err *fal_forget(struct arena *a, const struct fal *fal, str request_id);

/* -- callbacks -- */

struct fal_signature {
    str request_id; /* X-Fal-Webhook-Request-Id */
    str user_id;    /* X-Fal-Webhook-User-Id */
    str timestamp;  /* X-Fal-Webhook-Timestamp, unix seconds */
    str signature;  /* X-Fal-Webhook-Signature, hex */
};

enum fal_verdict {
    FAL_GENUINE,
    FAL_MALFORMED, /* a header is missing or is no number, no hex, not 64 bytes */
    FAL_STALE,     /* more than 300 s from now, either way */
    FAL_FOREIGN,   /* none of the keys fits: forged, or the keys were rotated */
};
/* Pure: keys is the JWKS document, raw_body what arrived, byte for byte. */
enum fal_verdict fal_verify(struct arena *a, struct json_object *keys,
                            const struct fal_signature *headers, str raw_body, int64_t now_ms);
/* The key document as text, after it was checked to hold at least one Ed25519 key. */
err *fal_jwks_fetch(struct arena *a, const struct fal *fal, str *out);

/* Takes a callback's body apart; ERR_INPUT when it is none. */
err *fal_callback_parse(struct arena *a, struct json_object *body, struct fal_outcome *out);

/* -- results -- */

struct fal_image {
    str url, content_type;
    int64_t width, height; /* 0 when not told */
    bool has_nsfw;         /* FAL's checker has blacked it out */
};

struct fal_images {
    const struct fal_image *items;
    size_t count;
    bool has_seed; /* a seed that does not fit is as good as none */
    int64_t seed;  /* may exceed 2^53 */
    str description;
};
/* ERR_UPSTREAM when there is no image in it. */
err *fal_images_parse(struct arena *a, struct json_object *payload, struct fal_images *out);

struct fal_trained_file {
    str url;
    str content_type, file_name; /* may be empty */
    int64_t size_bytes;          /* 0 when not told */
};

struct fal_training {
    struct fal_trained_file lora;
    struct fal_trained_file config; /* of an empty url when there is none */
};
/* Takes what a trainer made, in any of the shapes that have been seen:
 * diffusers_lora_file as an object or an address, diffusers_lora_file_url, or an
 * entry of files[] that says it is one; the config likewise. ERR_UPSTREAM when no
 * LoRA is in it. */
err *fal_training_parse(struct arena *a, struct json_object *payload, struct fal_training *out);

/* How far a training is, 0 to 100, from the newest line of the logs that tells; -1 when
 * none does. Bars of other work (loading, captioning, saving) and counts of a
 * few stages are passed over, so 100 is never said of them. */
void fal_training_progress(const struct fal_status *status, int *percent);

struct fal_file {
    str bytes, content_type;
};
/* Fetches what FAL made. https, a host of file_hosts or the operator's own. */
err *fal_fetch_file(struct arena *a, const struct fal *fal, str url, size_t max_bytes,
                    struct fal_file *out);

/* Puts a file where FAL can read it and tells its address. FAL has no call that removes it
 * again, so it is told to keep it for a day. */
err *fal_upload(struct arena *a, const struct fal *fal, str file_name, str content_type, str bytes,
                str *file_url);
