#include "core/conf_forms.h"

#include "core/file.h"

/* -- the table -- */

#define AT(field_name) offsetof(struct conf, field_name)
#define ANY_LENGTH     0, 4096
#define ANY_PRICE      0, 1000000
#define ANY_DOLLARS    0, 1000000 * (int64_t)MICRODOLLARS_OF_DOLLAR
#define ANY_TIMEOUT    1, 7 * 86400

/* clang-format off */
static const struct setting settings[] = {
    {"TELEGRAM_TOKEN", "TELEGRAM_BOT_TOKEN", FORM_BOT_TOKEN, AT(telegram_token), NULL, REQUIRED | SECRET, ANY_LENGTH, NULL,
     "The bot's token, as BotFather gave it."},
    {"TELEGRAM_API_URL", NULL, FORM_URL, AT(telegram_api_url), "https://api.telegram.org", 0, ANY_LENGTH, NULL,
     "Where the Bot API is called."},
    {"TELEGRAM_WEBHOOK_SECRET", NULL, FORM_HEADER_SECRETS, AT(telegram_webhook_secret), NULL, SECRET, ANY_LENGTH, NULL,
     "What Telegram sends in its secret header; two of them while one replaces the other."},
    {"TELEGRAM_ADMIN_IDS", NULL, FORM_IDS, AT(telegram_admin_ids), NULL, 0, ANY_LENGTH, NULL,
     "Telegram ids of the people who may use the admin commands."},
    {"TELEGRAM_FILES_DIR", NULL, FORM_TEXT, AT(telegram_files_dir), NULL, 0, 1, 4000, NULL,
     "Where a Bot API server on this machine, run with --local, keeps its files; it hands out larger ones than Telegram's own."},
    {"TAKE_OVER", NULL, FORM_SWITCH, AT(take_over), "false", 0, ANY_LENGTH, NULL,
     "Whether long polling may remove a webhook that someone else has set."},

    {"PUBLIC_URL", NULL, FORM_URL, AT(public_url), NULL, 0, ANY_LENGTH, NULL,
     "Address under which Telegram and FAL reach us; without one both are polled."},
    {"HTTPS_PORT", NULL, FORM_NUMBER, AT(https_port), "8443", 0, 1, 65535, NULL,
     "Port on which nginx listens."},
    {"LOOPBACK_URL", NULL, FORM_URL, AT(loopback_url), NULL, 0, ANY_LENGTH, NULL,
     "Where our own nginx is reached on this host; https://127.0.0.1:HTTPS_PORT when not set."},
    {"SUPPORT_URL", NULL, FORM_URL, AT(support_url), NULL, 0, ANY_LENGTH, NULL,
     "Where the support button leads."},
    {"OFFER_URL", NULL, FORM_URL, AT(offer_url), NULL, 0, ANY_LENGTH, NULL,
     "The offer that a buyer agrees to."},
    {"PRIVACY_URL", NULL, FORM_URL, AT(privacy_url), NULL, 0, ANY_LENGTH, NULL,
     "The privacy policy."},

    {"FAL_KEY", "FAL_API_KEY", FORM_TEXT, AT(fal_key), NULL, SECRET, 1, 512, NULL,
     "Key of the FAL account that trains avatars and makes images."},
    {"FAL_QUEUE_URL", NULL, FORM_URL, AT(fal_queue_url), "https://queue.fal.run", 0, ANY_LENGTH, NULL,
     "Where requests to FAL are queued."},
    {"FAL_REST_URL", NULL, FORM_URL, AT(fal_rest_url), "https://rest.fal.ai", 0, ANY_LENGTH, NULL,
     "FAL's own interface, for its storage."},
    {"FAL_JWKS_URL", NULL, FORM_URL, AT(fal_jwks_url), "https://rest.fal.ai/.well-known/jwks.json", 0, ANY_LENGTH, NULL,
     "The keys that sign FAL's callbacks."},
    {"FAL_API_URL", NULL, FORM_URL, AT(fal_api_url), "https://api.fal.ai/v1", 0, ANY_LENGTH, NULL,
     "FAL's own interface for what belongs to the account, asked to delete what a person leaves behind."},
    {"FAL_ADMIN_KEY", NULL, FORM_TEXT, AT(fal_admin_key), NULL, SECRET, 1, 512, NULL,
     "Key with the right to delete there; FAL_KEY is tried without one."},
    {"FAL_FILE_HOSTS", NULL, FORM_HOSTS, AT(fal_file_hosts), "fal.media", 0, ANY_LENGTH, NULL,
     "Hosts, with all below them, from which results of FAL are fetched."},
    {"FAL_DEFAULT_QUALITY_PRESET", NULL, FORM_CHOICE, AT(fal_default_quality_preset), "balanced", 0, ANY_LENGTH, "fast balanced quality",
     "How thoroughly an avatar is trained."},
    {"FAL_IMAGEN4_MODEL", NULL, FORM_TEXT, AT(fal_imagen4_model), "fal-ai/imagen4/preview", 0, 1, 200, NULL,
     "Model for images without an avatar."},
    {"FAL_IMAGEN4_FAST_MODEL", NULL, FORM_TEXT, AT(fal_imagen4_fast_model), "fal-ai/imagen4/preview/fast", 0, 1, 200, NULL,
     "The same, quicker."},
    {"FAL_IMAGEN4_ULTRA_MODEL", NULL, FORM_TEXT, AT(fal_imagen4_ultra_model), "fal-ai/imagen4/preview/ultra", 0, 1, 200, NULL,
     "The same, finer."},
    {"FAL_FLUX_LORA_MODEL", NULL, FORM_TEXT, AT(fal_flux_lora_model), "fal-ai/flux-lora", 0, 1, 200, NULL,
     "Model for images with an avatar."},
    {"FAL_PORTRAIT_TRAINER_MODEL", NULL, FORM_TEXT, AT(fal_portrait_trainer_model), "fal-ai/flux-lora-portrait-trainer", 0, 1, 200, NULL,
     "Model that trains avatars of people."},
    {"FAL_FAST_TRAINER_MODEL", NULL, FORM_TEXT, AT(fal_fast_trainer_model), "fal-ai/flux-lora-fast-training", 0, 1, 200, NULL,
     "Model that trains avatars of styles and objects."},
    {"FAL_TRAINING_TIMEOUT", NULL, FORM_SECONDS, AT(fal_training_timeout_seconds), "10800", 0, ANY_TIMEOUT, NULL,
     "Silence after which a training has failed and its price is returned."},
    {"FAL_IMAGE_TIMEOUT", NULL, FORM_SECONDS, AT(fal_image_timeout_seconds), "600", 0, ANY_TIMEOUT, NULL,
     "Time after which an image has failed and its price is returned."},
    {"FAL_IMAGE_SILENCE", NULL, FORM_SECONDS, AT(fal_image_silence_seconds), "120", 0, ANY_TIMEOUT, NULL,
     "Silence after which FAL is asked how an image is doing."},
    {"CALLBACK_SECRET", NULL, FORM_TEXT, AT(callback_secret), NULL, REQUIRED | SECRET, 16, 512, NULL,
     "Signs the addresses at which FAL reports its results."},

    {"OPENAI_API_KEY", NULL, FORM_TEXT, AT(openai_api_key), NULL, SECRET, 1, 512, NULL,
     "Key for speech and texts; what needs it is not offered without."},
    {"OPENAI_BASE_URL", NULL, FORM_URL, AT(openai_base_url), "https://api.openai.com/v1", 0, ANY_LENGTH, NULL,
     "Where the OpenAI interface is called, with its version."},
    {"OPENAI_CHAT_MODEL", NULL, FORM_TEXT, AT(openai_chat_model), "gpt-4o", 0, 1, 200, NULL,
     "Model that works on texts."},
    {"OPENAI_VISION_MODEL", NULL, FORM_TEXT, AT(openai_vision_model), "gpt-4o", 0, 1, 200, NULL,
     "Model that describes photos."},
    {"WHISPER_MODEL", NULL, FORM_TEXT, AT(whisper_model), "whisper-1", 0, 1, 200, NULL,
     "Model that writes down speech."},

    {"DATABASE_URL", NULL, FORM_POSTGRES, AT(database_url), NULL, REQUIRED | SECRET, ANY_LENGTH, NULL,
     "The PostgreSQL database."},
    {"STATUS_DATABASE_URL", NULL, FORM_POSTGRES, AT(status_database_url), NULL, SECRET, ANY_LENGTH, NULL,
     "The same database for the status page, as the role aisha_status."},
    {"REDIS_URL", NULL, FORM_REDIS, AT(redis_url), NULL, REQUIRED, ANY_LENGTH, NULL,
     "The Redis that keeps dialogs and what is to be sent."},
    {"MINIO_ENDPOINT", NULL, FORM_ENDPOINT, AT(minio_endpoint), NULL, 0, ANY_LENGTH, NULL,
     "The S3 server, any compatible one."},
    {"MINIO_ACCESS_KEY", NULL, FORM_TEXT, AT(minio_access_key), NULL, 0, 1, 512, NULL,
     "Name of the S3 account."},
    {"MINIO_SECRET_KEY", NULL, FORM_TEXT, AT(minio_secret_key), NULL, SECRET, 1, 512, NULL,
     "Its secret."},
    {"MINIO_SECURE", NULL, FORM_SWITCH, AT(minio_secure), "false", 0, ANY_LENGTH, NULL,
     "Whether the S3 server is spoken to over TLS."},
    {"MINIO_REGION", NULL, FORM_TEXT, AT(minio_region), "us-east-1", 0, 1, 64, NULL,
     "Region that S3 signatures name."},
    {"MINIO_BUCKET_IMAGES", NULL, FORM_BUCKET, AT(minio_bucket_images), "images", 0, ANY_LENGTH, NULL,
     "Bucket of the finished images."},
    {"MINIO_BUCKET_AVATARS", NULL, FORM_BUCKET, AT(minio_bucket_avatars), "avatars", 0, ANY_LENGTH, NULL,
     "Bucket of photos and trained avatars."},
    {"MINIO_BUCKET_TRANSCRIPTS", NULL, FORM_BUCKET, AT(minio_bucket_transcripts), "transcripts", 0, ANY_LENGTH, NULL,
     "Bucket of recordings and transcripts."},
    {"PHOTO_SOCKET", NULL, FORM_TEXT, AT(photo_socket), "/run/aisha/photo.sock", 0, 1, 107, NULL,
     "Socket of aisha-photo, which decodes photos of strangers."},
    {"SOUND_SOCKET", NULL, FORM_TEXT, AT(sound_socket), "/run/aisha/sound.sock", 0, 1, 107, NULL,
     "Socket of aisha-sound, which decodes their recordings."},
    {"CA_FILE", NULL, FORM_FILE, AT(ca_file), NULL, 0, ANY_LENGTH, NULL,
     "Certificates to trust beside those of the system."},

    {"BACKUP_DIR", NULL, FORM_TEXT, AT(backup_dir), NULL, 0, 1, 4000, NULL,
     "Where `aisha backup` puts what it saves: a folder, best of another machine; or see BACKUP_ENDPOINT."},
    {"BACKUP_ENDPOINT", NULL, FORM_ENDPOINT, AT(backup_endpoint), NULL, 0, ANY_LENGTH, NULL,
     "Another S3 server that backups go to, in the place of a folder."},
    {"BACKUP_ACCESS_KEY", NULL, FORM_TEXT, AT(backup_access_key), NULL, 0, 1, 512, NULL,
     "Name of the account there."},
    {"BACKUP_SECRET_KEY", NULL, FORM_TEXT, AT(backup_secret_key), NULL, SECRET, 1, 512, NULL,
     "Its secret."},
    {"BACKUP_SECURE", NULL, FORM_SWITCH, AT(backup_secure), "true", 0, ANY_LENGTH, NULL,
     "Whether that server is spoken to over TLS."},
    {"BACKUP_REGION", NULL, FORM_TEXT, AT(backup_region), "us-east-1", 0, 1, 64, NULL,
     "Region that its signatures name."},
    {"BACKUP_BUCKET", NULL, FORM_BUCKET, AT(backup_bucket), "aisha-backup", 0, ANY_LENGTH, NULL,
     "Bucket of the backups."},
    {"BACKUP_KEEP_DAYS", NULL, FORM_NUMBER, AT(backup_keep_days), "14", 0, 1, 3650, NULL,
     "Days after which a backup is forgotten; the newest one stays in any case."},

    {"IMPORT_ENDPOINT", NULL, FORM_ENDPOINT, AT(import_endpoint), NULL, 0, ANY_LENGTH, NULL,
     "The S3 server of the predecessor, for `aisha import`; ours, unless this says otherwise."},
    {"IMPORT_ACCESS_KEY", NULL, FORM_TEXT, AT(import_access_key), NULL, 0, 1, 512, NULL,
     "Name of the account there."},
    {"IMPORT_SECRET_KEY", NULL, FORM_TEXT, AT(import_secret_key), NULL, SECRET, 1, 512, NULL,
     "Its secret."},
    {"IMPORT_SECURE", NULL, FORM_SWITCH, AT(import_secure), "false", 0, ANY_LENGTH, NULL,
     "Whether that server is spoken to over TLS."},

    {"WELCOME_COINS", NULL, FORM_COINS, AT(welcome_coins), "0", 0, ANY_PRICE, NULL,
     "What a new user is given."},
    {"AVATAR_CREATION_COST", NULL, FORM_COINS, AT(avatar_creation_cost_coins), "150", 0, ANY_PRICE, NULL,
     "Price of an avatar."},
    {"IMAGE_GENERATION_COST", NULL, FORM_COINS, AT(image_generation_cost_coins), "5", 0, ANY_PRICE, NULL,
     "Price of an image with an avatar."},
    {"IMAGEN4_GENERATION_COST", NULL, FORM_COINS, AT(imagen4_generation_cost_coins), "5", 0, ANY_PRICE, NULL,
     "Price of an image without one."},
    {"TRANSCRIPTION_COST_PER_MINUTE", NULL, FORM_COINS, AT(transcription_cost_per_minute_coins), "10", 0, ANY_PRICE, NULL,
     "Price of each minute of speech begun."},
    {"TOPUP_PACKAGES", NULL, FORM_PACKAGES, AT(topup_packages), "250:180,500:340,1000:650", 0, 1, 100000, NULL,
     "What can be bought: coins and their price in Telegram Stars."},

    {"DAILY_SPEND_LIMIT", NULL, FORM_DOLLARS, AT(daily_spend_limit_microdollars), "0", 0, ANY_DOLLARS, NULL,
     "Dollars that FAL and OpenAI may cost in a day of UTC by the prices below; then orders wait for the next. 0: no limit."},
    {"FAL_PORTRAIT_TRAINING_COST_USD", NULL, FORM_DOLLARS, AT(fal_portrait_training_cost_microdollars), "2.4", 0, ANY_DOLLARS, NULL,
     "What FAL asks for 1000 steps of training a portrait."},
    {"FAL_FAST_TRAINING_COST_USD", NULL, FORM_DOLLARS, AT(fal_fast_training_cost_microdollars), "2", 0, ANY_DOLLARS, NULL,
     "The same for a style or an object."},
    {"FAL_FLUX_COST_USD", NULL, FORM_DOLLARS, AT(fal_flux_cost_microdollars), "0.035", 0, ANY_DOLLARS, NULL,
     "What FAL asks for an image with an avatar."},
    {"FAL_IMAGEN4_COST_USD", NULL, FORM_DOLLARS, AT(fal_imagen4_cost_microdollars), "0.05", 0, ANY_DOLLARS, NULL,
     "The same for one without."},
    {"FAL_IMAGEN4_FAST_COST_USD", NULL, FORM_DOLLARS, AT(fal_imagen4_fast_cost_microdollars), "0.02", 0, ANY_DOLLARS, NULL,
     "The same by the quicker model."},
    {"FAL_IMAGEN4_ULTRA_COST_USD", NULL, FORM_DOLLARS, AT(fal_imagen4_ultra_cost_microdollars), "0.06", 0, ANY_DOLLARS, NULL,
     "The same by the finer model."},
    {"OPENAI_PROMPT_COST_USD", NULL, FORM_DOLLARS, AT(openai_prompt_cost_microdollars), "0.004", 0, ANY_DOLLARS, NULL,
     "What OpenAI asks for putting the words of an order into English."},
    {"OPENAI_VISION_COST_USD", NULL, FORM_DOLLARS, AT(openai_vision_cost_microdollars), "0.01", 0, ANY_DOLLARS, NULL,
     "The same for describing a photo."},
    {"WHISPER_MINUTE_COST_USD", NULL, FORM_DOLLARS, AT(whisper_minute_cost_microdollars), "0.006", 0, ANY_DOLLARS, NULL,
     "What OpenAI asks for a minute of speech."},
    {"OPENAI_CHAT_INPUT_COST_USD", NULL, FORM_DOLLARS, AT(openai_chat_input_cost_microdollars), "2.5", 0, ANY_DOLLARS, NULL,
     "The same for a million tokens that its model for texts reads."},
    {"OPENAI_CHAT_OUTPUT_COST_USD", NULL, FORM_DOLLARS, AT(openai_chat_output_cost_microdollars), "10", 0, ANY_DOLLARS, NULL,
     "The same for a million that it writes."},

    {"AVATAR_MIN_PHOTOS", NULL, FORM_NUMBER, AT(avatar_min_photos), "10", 0, 1, 100, NULL,
     "Photos an avatar needs at least."},
    {"AVATAR_MAX_PHOTOS", NULL, FORM_NUMBER, AT(avatar_max_photos), "20", 0, 1, 100, NULL,
     "Photos an avatar takes at most."},
    {"AVATARS_MAX", NULL, FORM_NUMBER, AT(avatars_max), "10", 0, 1, 1000, NULL,
     "Avatars a user can have."},
    {"PHOTOS_PER_DAY", NULL, FORM_NUMBER, AT(photos_per_day), "300", 0, 1, 100000, NULL,
     "Photos of a user that are looked at in a day of UTC."},
    {"FREE_PREVIEWS_PER_DAY", NULL, FORM_NUMBER, AT(free_previews_per_day), "10", 0, 0, 1000, NULL,
     "First images for nothing that a user is given in a day of UTC."},
    {"ERASED_MARK_DAYS", NULL, FORM_NUMBER, AT(erased_mark_days), "365", 0, 0, 3650, NULL,
     "Days for which it is known, by a keyed hash alone, that somebody who left was welcomed and used a code."},
    {"SAMPLES_PER_DAY", NULL, FORM_NUMBER, AT(samples_per_day), "50", 0, 0, 100000, NULL,
     "Photos of a user that are described in a day of UTC, to draw something like them."},
    {"AUTO_GENERATE_PREVIEW", NULL, FORM_SWITCH, AT(auto_generate_preview), "true", 0, ANY_LENGTH, NULL,
     "Whether a new avatar is given a first image for nothing."},
    {"DELETE_PHOTOS_AFTER_TRAINING", NULL, FORM_SWITCH, AT(delete_photos_after_training), "true", 0, ANY_LENGTH, NULL,
     "Whether the photos go when their avatar is ready."},
    {"KEEP_PREVIEW_PHOTO", NULL, FORM_SWITCH, AT(keep_preview_photo), "true", 0, ANY_LENGTH, NULL,
     "Whether the first of them stays."},
    {"PHOTO_MAX_SIZE", NULL, FORM_BYTES, AT(photo_max_size_bytes), "20971520", 0, 1024, 20971520, NULL,
     "Largest photo taken; Telegram hands out no more than 20 MiB."},
    {"PHOTO_MIN_RESOLUTION", NULL, FORM_NUMBER, AT(photo_min_resolution_pixels), "512", 0, 1, 10000, NULL,
     "Pixels that the short side of a photo needs."},
    {"PHOTO_MAX_PIXELS", NULL, FORM_NUMBER, AT(photo_max_pixels), "40000000", 0, 1, 100000000, NULL,
     "Pixels that a photo may have in all."},
    {"TRANSCRIPTION_MAX_SIZE", NULL, FORM_BYTES, AT(transcription_max_size_bytes), "2097152000", 0, 1024, 2097152000, NULL,
     "Largest recording taken; without TELEGRAM_FILES_DIR at most 20 MiB, for Telegram hands out no more."},
    {"TRANSCRIPTION_MAX_DURATION", NULL, FORM_SECONDS, AT(transcription_max_duration_seconds), "21600", 0, 60, 86400, NULL,
     "Longest recording taken."},
    {"FREE_TRANSCRIPTIONS_PER_DAY", NULL, FORM_NUMBER, AT(free_transcriptions_per_day), "10", 0, 0, 1000, NULL,
     "Recordings under a minute that a user has written down for nothing in a day of UTC."},
    {"NOTES_PER_DAY", NULL, FORM_NUMBER, AT(notes_per_day), "30", 0, 0, 1000, NULL,
     "Summaries, lists and protocols that a user has made in a day of UTC."},
    {"FLOOD_LIMIT_PER_MINUTE", NULL, FORM_NUMBER, AT(flood_limit_per_minute), "120", 0, 1, 100000, NULL,
     "Updates a minute after which a user is asked to slow down."},
    {"SEND_MESSAGES_PER_SECOND", NULL, FORM_NUMBER, AT(send_messages_per_second), "30", 0, 1, 1000, NULL,
     "Messages sent to all chats together."},
    {"SEND_CHAT_MESSAGES_PER_SECOND", NULL, FORM_NUMBER, AT(send_chat_messages_per_second), "1", 0, 1, 100, NULL,
     "Messages sent to one chat."},

    {"JWT_SECRET", NULL, FORM_TEXT, AT(jwt_secret), NULL, REQUIRED | SECRET, 32, 512, NULL,
     "Signs the sessions of the status page."},
    {"LOG_LEVEL", NULL, FORM_CHOICE, AT(log_level), "info", 0, ANY_LENGTH, "debug info warn error",
     "The least level that is logged."},
    {"READY_DIR", NULL, FORM_TEXT, AT(ready_dir), NULL, 0, 1, 4000, NULL,
     "Directory in which a bot process leaves a file named by its pid once it is ready."},
};
/* clang-format on */

/* What conf_load_file() has put into the environment, for whoever asks where a value is from. */
static bool is_from_file[ARRAY_LEN(settings)];

/* -- names -- */

static const struct setting *find(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (str_eq(name, str_from(settings[i].name)) ||
            (settings[i].alias && str_eq(name, str_from(settings[i].alias))))
            return &settings[i];
    return NULL;
}

const char *conf_nearest(str name)
{
    const char *nearest = NULL;
    size_t best = name.len / 3 + 1; /* farther away it is another word, not a slip */
    for (size_t i = 0; i < ARRAY_LEN(settings) * 2; i++) {
        const struct setting *row = &settings[i / 2];
        const char *known = i % 2 ? row->alias : row->name;
        size_t away = known ? str_distance(name, str_from(known)) : best;
        if (away < best) {
            best = away;
            nearest = known;
        }
    }
    return nearest;
}

/* -- the environment -- */

/* An empty variable counts as one that is not set. */
static const char *variable(const char *name)
{
    const char *value = name ? getenv(name) : NULL;
    return value && *value ? value : NULL;
}

static void begin_mistake(struct buf *mistakes, const char *name)
{
    buf_addf(mistakes, "%s%s: ", mistakes->len ? "\n" : "", name);
}

/* What stands before the last @ may be a password, also where the address as a whole makes no sense. */
static str mask_before_at(struct arena *a, str value)
{
    size_t at = value.len;
    while (at > 0 && value.ptr[at - 1] != '@')
        at--;
    return at ? str_printf(a, "***@" STR_FMT, STR_ARG(str_sub(value, at, value.len))) : value;
}

static void add_wrong_value(struct buf *mistakes, const struct setting *row, const char *name,
                            str value)
{
    begin_mistake(mistakes, name);
    if (row->flags & SECRET)
        buf_addf(mistakes, "the value does not fit; ");
    else
        buf_addf(mistakes, "\"" STR_FMT "\" does not fit; ",
                 STR_ARG(mask_before_at(mistakes->arena, value)));
    form_add_expected(mistakes, row);
}

static void load_one(struct arena *a, const struct setting *row, struct conf *out,
                     struct buf *mistakes)
{
    const char *name = row->name, *value = variable(name), *other = variable(row->alias);
    if (value && other && strcmp(value, other) != 0) {
        begin_mistake(mistakes, name);
        buf_addf(mistakes, "%s is set as well and differs; expected only one of the two",
                 row->alias);
        return;
    }
    if (!value && other) {
        name = row->alias;
        value = other;
    }
    if (!value)
        value = row->fallback;
    if (!value) {
        if (row->flags & REQUIRED) {
            begin_mistake(mistakes, name);
            buf_addf(mistakes, "is not set; ");
            form_add_expected(mistakes, row);
        }
        return;
    }
    str text = str_trim(str_from(value));
    if (!form_read(a, row, text, (char *)out + row->field))
        add_wrong_value(mistakes, row, name, text);
}

/* What no setting can tell by itself. */
static void check_together(const struct conf *conf, struct buf *mistakes)
{
    if (conf->avatar_min_photos > conf->avatar_max_photos) {
        begin_mistake(mistakes, "AVATAR_MIN_PHOTOS");
        buf_addf(mistakes, "%" PRId64 " is above AVATAR_MAX_PHOTOS; expected at most %" PRId64,
                 conf->avatar_min_photos, conf->avatar_max_photos);
    }
    if (conf->minio_endpoint.len && !(conf->minio_access_key.len && conf->minio_secret_key.len)) {
        begin_mistake(mistakes, "MINIO_ENDPOINT");
        buf_addf(mistakes, "is set without an account; expected MINIO_ACCESS_KEY and "
                           "MINIO_SECRET_KEY too");
    }
    if (conf->backup_endpoint.len && conf->backup_dir.len) {
        begin_mistake(mistakes, "BACKUP_DIR");
        buf_addf(mistakes, "and BACKUP_ENDPOINT are both set; expected only one of the two");
    }
    if (conf->backup_endpoint.len &&
        !(conf->backup_access_key.len && conf->backup_secret_key.len)) {
        begin_mistake(mistakes, "BACKUP_ENDPOINT");
        buf_addf(mistakes, "is set without an account; expected BACKUP_ACCESS_KEY and "
                           "BACKUP_SECRET_KEY too");
    }
}

enum { TELEGRAM_HANDS_OUT_BYTES = 20 << 20 }; /* without a Bot API server of one's own */

err *conf_load(struct arena *a, struct conf *out)
{
    struct conf conf = {0};
    struct buf mistakes = buf_new(a);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        load_one(a, &settings[i], &conf, &mistakes);
    if (!mistakes.len)
        check_together(&conf, &mistakes);
    if (mistakes.len)
        return fail(a, ERR_INPUT, STR_FMT, STR_ARG(buf_str(&mistakes)));

    if (!conf.loopback_url.len)
        conf.loopback_url = str_printf(a, "https://127.0.0.1:%" PRId64, conf.https_port);
    if (!conf.telegram_files_dir.len &&
        conf.transcription_max_size_bytes > TELEGRAM_HANDS_OUT_BYTES)
        conf.transcription_max_size_bytes = TELEGRAM_HANDS_OUT_BYTES;
    *out = conf;
    return NULL;
}

/* -- files -- */

enum { MOST_FILE_BYTES = 256 * 1024 };

/* Takes one quoted piece, from its opening quote on, off the front of *left. */
static const char *take_quoted(str *left, struct buf *value)
{
    char quote = left->ptr[0];
    size_t at = 1;
    for (; at < left->len && left->ptr[at] != quote; at++) {
        char c = left->ptr[at];
        if (quote == '"' && (c == '$' || c == '`'))
            return "holds $ or `, which a shell would replace; expected single quotes";
        if (quote == '"' && c == '\\' && at + 1 < left->len && strchr("\"\\$`", left->ptr[at + 1]))
            c = left->ptr[++at];
        buf_add_char(value, c);
    }
    if (at == left->len)
        return "the quote is not closed; expected one line";
    *left = str_sub(*left, at + 1, left->len);
    return NULL;
}

/* A value as a shell would take it. What a shell would replace, or would not
 * take for a value at all, is refused, because such a file is read by shells
 * and by systemd too. NULL, or what is wrong. */
static const char *parse_value(str left, struct buf *value)
{
    while (left.len) {
        char c = left.ptr[0];
        if (c == '\'' || c == '"') {
            const char *wrong = take_quoted(&left, value);
            if (wrong)
                return wrong;
            continue;
        }
        if (c == ' ' || c == '\t') {
            left = str_trim(left);
            return !left.len || left.ptr[0] == '#'
                       ? NULL
                       : "holds a space; expected quotes around the value";
        }
        if (strchr("$`;&|<>()", c))
            return "holds a character that means something to a shell; expected single quotes";
        if (c == '\\' && left.len > 1)
            left = str_sub(left, 1, left.len);
        buf_add_char(value, left.ptr[0]);
        left = str_sub(left, 1, left.len);
    }
    return NULL;
}

static void add_unknown_name(struct buf *mistakes, str name)
{
    const char *nearest = conf_nearest(name);
    buf_addf(mistakes, STR_FMT " is no setting", STR_ARG(name));
    if (nearest)
        buf_addf(mistakes, "; did you mean %s?", nearest);
}

/* One line with a setting on it. What is right goes to values[]. */
static void read_line(struct arena *a, str line, str where, str *values, struct buf *mistakes)
{
    str name, rest;
    struct buf value = buf_new(a), wrong = buf_new(a);
    if (str_starts(line, S("export ")))
        line = str_trim(str_sub(line, sizeof "export", line.len));
    bool has_value = str_cut(line, '=', &name, &rest);
    const struct setting *row = find(name);

    if (!has_value)
        buf_add(&wrong, S("is no setting; expected NAME=value"));
    else if (!str_consists_of(name, "_"))
        buf_add(&wrong, S("the name does not fit; expected NAME=value without spaces"));
    else if (!row)
        add_unknown_name(&wrong, name);
    else if (values[row - settings].ptr)
        buf_addf(&wrong, "%s is set twice; expected once", row->name);
    else {
        const char *reason = parse_value(rest, &value);
        if (reason)
            buf_addf(&wrong, "%s: %s", row->name, reason);
        else
            values[row - settings] = buf_str(&value);
    }
    if (wrong.len)
        buf_addf(mistakes, "%s" STR_FMT ": " STR_FMT, mistakes->len ? "\n" : "", STR_ARG(where),
                 STR_ARG(buf_str(&wrong)));
}

err *conf_load_file(struct arena *a, const char *path)
{
    str left = S(""), line;
    TRY(file_read(a, path, MOST_FILE_BYTES, &left));
    str *values = NEW_ARRAY(a, str, ARRAY_LEN(settings));
    struct buf mistakes = buf_new(a);
    int number = 0;
    for (bool has_more = true; has_more;) {
        has_more = str_cut(left, '\n', &line, &left);
        number++;
        line = str_trim(line);
        if (line.len && line.ptr[0] != '#')
            read_line(a, line, str_printf(a, "%s:%d", path, number), values, &mistakes);
    }
    if (mistakes.len)
        return fail(a, ERR_INPUT, STR_FMT, STR_ARG(buf_str(&mistakes)));

    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (values[i].len && !variable(settings[i].name) && !variable(settings[i].alias)) {
            setenv(settings[i].name, cstr(a, values[i]), 1);
            is_from_file[i] = true;
        }
    return NULL;
}

const char *conf_source(str name)
{
    const struct setting *row = find(name);
    if (!row || (!variable(row->name) && !variable(row->alias)))
        return "default";
    return is_from_file[row - settings] ? "file" : "environment";
}

/* -- printing -- */

static void add_quoted(struct buf *b, str value)
{
    if (!value.len || str_consists_of(value, "_-+.,:/@%=")) {
        buf_add(b, value);
        return;
    }
    buf_add_char(b, '\'');
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\'')
            buf_add(b, S("'\\''"));
        else
            buf_add_char(b, value.ptr[i]);
    }
    buf_add_char(b, '\'');
}

/* An address may carry a password although its setting is no secret. */
static str mask_account(struct arena *a, str value)
{
    size_t scheme;
    str authority, path;
    if (!str_find(value, S("://"), &scheme))
        return value;
    str head = str_sub(value, 0, scheme + 3);
    bool has_path = str_cut(str_sub(value, head.len, value.len), '/', &authority, &path);
    return str_printf(a, STR_FMT STR_FMT "%s" STR_FMT, STR_ARG(head),
                      STR_ARG(mask_before_at(a, authority)), has_path ? "/" : "", STR_ARG(path));
}

void conf_print(struct buf *b, const struct conf *conf)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const struct setting *row = &settings[i];
        struct buf value = buf_new(b->arena);
        form_print(&value, row, (const char *)conf + row->field);
        str shown = buf_str(&value);
        if (shown.len)
            shown = row->flags & SECRET ? S("***") : mask_account(b->arena, shown);
        buf_addf(b, "%s=", row->name);
        add_quoted(b, shown);
        buf_add_char(b, '\n');
    }
}

void conf_print_defaults(struct buf *b)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const struct setting *row = &settings[i];
        buf_addf(b, "# %s%s\n#%s=", row->help, row->flags & REQUIRED ? " Required." : "",
                 row->name);
        add_quoted(b, str_from(row->fallback));
        buf_add(b, S("\n\n"));
    }
}
