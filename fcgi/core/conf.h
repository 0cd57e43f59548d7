/*
 * conf.h - the settings, read once from the environment.
 *
 * One table in conf.c knows every setting: its name, form, default, whether it
 * has to be set and whether it is a secret. A field is named like its setting,
 * with the unit where the name has none. Whatever is wrong is told at once,
 * one line each. An empty value counts as not set. A field that is not set and
 * has no default is the empty str, or an empty list.
 *
 *     TRY(conf_load_file(a, "aisha.env"));  // optional; the environment wins
 *     struct conf conf;
 *     TRY(conf_load(a, &conf));
 *
 * The values live in the arena that conf_load() was given.
 */
#pragma once
#include "core/err.h"

enum { MICRODOLLARS_OF_DOLLAR = 1000 * 1000 };

struct conf_list {
    const str *items;
    size_t count;
};

struct conf_ids {
    const int64_t *items;
    size_t count;
};

/* What a user can buy: so many coins for so many Stars. */
struct conf_package {
    int64_t coins, stars;
};

struct conf_packages {
    const struct conf_package *items; /* from the smallest; no two have the same price */
    size_t count;
};

struct conf {
    /* Telegram */
    str telegram_token;
    str telegram_api_url;                     /* no address ends in a slash */
    struct conf_list telegram_webhook_secret; /* at most two, during a change of secrets */
    struct conf_ids telegram_admin_ids;
    str telegram_files_dir;
    bool take_over;

    /* where we are reached */
    str public_url;
    int64_t https_port;
    str loopback_url; /* made from https_port when not set */
    str support_url, offer_url, privacy_url;

    /* FAL */
    str fal_key;
    str fal_queue_url, fal_rest_url, fal_jwks_url, fal_api_url;
    str fal_admin_key;
    struct conf_list fal_file_hosts; /* these, and all below them */
    str fal_default_quality_preset;
    str fal_imagen4_model, fal_imagen4_fast_model, fal_imagen4_ultra_model;
    str fal_flux_lora_model, fal_portrait_trainer_model, fal_fast_trainer_model;
    int64_t fal_training_timeout_seconds;
    int64_t fal_image_timeout_seconds;
    int64_t fal_image_silence_seconds;
    str callback_secret;

    /* OpenAI */
    str openai_api_key, openai_base_url, openai_chat_model, openai_vision_model, whisper_model;

    /* stores */
    str database_url, status_database_url;
    str redis_url;
    str minio_endpoint; /* host or host:port */
    str minio_access_key, minio_secret_key;
    bool minio_secure;
    str minio_region;
    str minio_bucket_images, minio_bucket_avatars, minio_bucket_transcripts;
    str photo_socket, sound_socket;
    str ca_file;

    /* backups */
    str backup_dir;
    str backup_endpoint; /* host or host:port; one of the two is where backups go */
    str backup_access_key, backup_secret_key;
    bool backup_secure;
    str backup_region, backup_bucket;
    int64_t backup_keep_days;

    /* the predecessor's object store, for the time of an import; empty: ours is also its */
    str import_endpoint, import_access_key, import_secret_key;
    bool import_secure;

    /* prices */
    int64_t welcome_coins;
    int64_t avatar_creation_cost_coins;
    int64_t image_generation_cost_coins;
    int64_t imagen4_generation_cost_coins;
    int64_t transcription_cost_per_minute_coins;
    struct conf_packages topup_packages;

    /* what the outside parties ask of us */
    int64_t daily_spend_limit_microdollars; /* 0: none */
    int64_t fal_portrait_training_cost_microdollars, fal_fast_training_cost_microdollars;
    int64_t fal_flux_cost_microdollars;
    int64_t fal_imagen4_cost_microdollars, fal_imagen4_fast_cost_microdollars,
        fal_imagen4_ultra_cost_microdollars;
    int64_t openai_prompt_cost_microdollars, openai_vision_cost_microdollars;
    int64_t whisper_minute_cost_microdollars;
    int64_t openai_chat_input_cost_microdollars, openai_chat_output_cost_microdollars;

    /* limits */
    int64_t avatar_min_photos, avatar_max_photos;
    int64_t avatars_max;                           /* of a user */
    int64_t photos_per_day, free_previews_per_day; /* of a user */
    int64_t erased_mark_days;                      /* 0: nothing is kept */
    int64_t samples_per_day;                       /* likewise */
    bool auto_generate_preview, delete_photos_after_training, keep_preview_photo;
    int64_t photo_max_size_bytes;
    int64_t photo_min_resolution_pixels, photo_max_pixels;
    int64_t transcription_max_size_bytes, transcription_max_duration_seconds;
    int64_t free_transcriptions_per_day, notes_per_day; /* of a user */
    int64_t flood_limit_per_minute;
    int64_t send_messages_per_second;
    int64_t send_chat_messages_per_second;

    /* running */
    str jwt_secret;
    str log_level;
    str ready_dir;
};

/* Reads the environment. An error's message holds all mistakes, a line each. */
err *conf_load(struct arena *a, struct conf *out);
/* Puts the settings of a file (NAME=value, # comments, quotes as in a shell)
 * into the environment; what is set there already stays. Nothing is put when
 * the file has a mistake, among them a name that no setting has. */
err *conf_load_file(struct arena *a, const char *path);

/* NAME=value of every setting, secrets masked; can be read by a shell. */
void conf_print(struct buf *b, const struct conf *conf);
/* The same with each default, commented out, under a sentence on what it is for. */
void conf_print_defaults(struct buf *b);
/* Where the value in force comes from: "environment", "file" or "default". */
const char *conf_source(str name);
/* The known name that is most like this one; NULL when none is near. */
const char *conf_nearest(str name);
