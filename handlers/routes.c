#include "handlers/routes.h"

#include "handlers/admin.h"
#include "handlers/avatar.h"
#include "handlers/create.h"
#include "handlers/deleteme.h"
#include "handlers/delivery.h"
#include "handlers/dispatch.h"
#include "handlers/download.h"
#include "handlers/filter.h"
#include "handlers/flux.h"
#include "handlers/gallery.h"
#include "handlers/generation.h"
#include "handlers/imagen.h"
#include "handlers/judge.h"
#include "handlers/limits.h"
#include "handlers/lora.h"
#include "handlers/mydata.h"
#include "handlers/payment.h"
#include "handlers/photos.h"
#include "handlers/phrasing.h"
#include "handlers/profile.h"
#include "handlers/promo.h"
#include "handlers/settings.h"
#include "handlers/start.h"
#include "handlers/statement.h"
#include "handlers/statistics.h"
#include "handlers/topup.h"
#include "handlers/trained.h"
#include "handlers/training.h"

/* clang-format off */

const struct state_row state_rows[STATE_COUNT] = {
    [ST_stay]           = {"stay",           NULL},
    [ST_idle]           = {"idle",           on_menu},
    [ST_create]         = {"create",         on_create_open},
    [ST_imagen_words]   = {"imagen_words",   draw_imagen_words},
    [ST_imagen_options] = {"imagen_options", draw_imagen_options},
    [ST_flux_words]     = {"flux_words",     draw_flux_words},
    [ST_flux_options]   = {"flux_options",   draw_flux_options},
    [ST_avatar_type]    = {"avatar_type",    draw_avatar_type},
    [ST_avatar_gender]  = {"avatar_gender",  draw_avatar_gender},
    [ST_avatar_name]    = {"avatar_name",    draw_avatar_name},
    [ST_avatar_rename]  = {"avatar_rename",  draw_avatar_rename},
    [ST_avatar_photos]  = {"avatar_photos",  draw_photos},
    [ST_training]       = {"training",       draw_training},
    [ST_promo_code]     = {"promo_code",     draw_promo_code, .is_aside = true},
    [ST_filter_typed]   = {"filter_typed",   draw_filter_typed},
    [ST_filter_words]   = {"filter_words",   draw_filter_words},
    [ST_gallery_number] = {"gallery_number", draw_gallery_number},
    [ST_deleteme]       = {"deleteme",       on_deleteme_ask},
};

const struct route commands[] = {
    {"/start",    on_start,        NEED_NOTHING, ST_idle},
    {"/menu",     on_menu,         NEED_NOTHING, ST_idle},
    {"/create",   on_create_open,  NEED_NOTHING, ST_create},
    {"/avatars",  on_avatar_open,  NEED_NOTHING, ST_idle},
    {"/gallery",  on_gallery_open, NEED_NOTHING, ST_idle},
    {"/profile",  on_profile_open, NEED_NOTHING, ST_idle},
    {"/balance",  on_balance,      NEED_NOTHING, ST_idle},
    {"/promo",    on_promo,        NEED_NOTHING, ST_stay},
    {"/settings", on_settings_open, NEED_NOTHING, ST_idle},
    {"/language", on_language,     NEED_NOTHING, ST_idle},
    {"/terms",    on_terms,        NEED_NOTHING, ST_stay},
    {"/paysupport", on_paysupport, NEED_NOTHING, ST_stay},
    {"/help",     on_help,         NEED_NOTHING, ST_idle},
    {"/mydata",   on_mydata,       NEED_NOTHING, ST_idle},
    {"/deleteme", on_deleteme,     NEED_NOTHING, ST_idle},
    {"/cancel",   on_cancel,       NEED_NOTHING, ST_idle},
    {"/admin",    on_admin,        NEED_ADMIN,   ST_idle},
    {NULL, NULL, 0, ST_stay},
};

const struct menu_command menu_commands[] = {
    {"menu",     T_command_menu},
    {"create",   T_command_create},
    {"avatars",  T_command_avatars},
    {"gallery",  T_command_gallery},
    {"profile",  T_command_profile},
    {"balance",  T_command_balance},
    {"terms",      T_command_terms},
    {"paysupport", T_command_paysupport},
    {"settings", T_command_settings},
    {"help",     T_command_help},
    {"mydata",   T_command_mydata},
    {"deleteme", T_command_deleteme},
    {"cancel",   T_command_cancel},
    {NULL, TEXT_COUNT},
};

const struct route taps[] = {
    {"menu:open",         on_menu,               NEED_NOTHING,    ST_idle},
    {"topup:open",        on_topup_open,         NEED_NOTHING,    ST_stay},
    {"topup:buy",         on_topup_buy,          NEED_NOTHING,    ST_stay},
    {"dialog:resume",     on_dialog_resume,      NEED_NOTHING,    ST_stay},
    {"help:open",         on_help,               NEED_NOTHING,    ST_idle},
    {"profile:open",      on_profile_open,       NEED_NOTHING,    ST_idle},
    {"settings:open",     on_settings_open,      NEED_NOTHING,    ST_idle},
    {"settings:quick",    on_settings_quick,     NEED_NOTHING,    ST_idle},
    {"settings:enhance",  on_settings_enhance,   NEED_NOTHING,    ST_idle},
    {"settings:details",  on_settings_details,   NEED_NOTHING,    ST_idle},
    {"settings:images",   on_settings_images,    NEED_NOTHING,    ST_idle},
    {"settings:avatars",  on_settings_avatars,   NEED_NOTHING,    ST_idle},
    {"pictures:open",     on_pictures_open,      NEED_NOTHING,    ST_idle},
    {"pictures:ratio",    on_pictures_ratio,     NEED_NOTHING,    ST_idle},
    {"pictures:count",    on_pictures_count,     NEED_NOTHING,    ST_idle},
    {"pictures:quality",  on_pictures_quality,   NEED_NOTHING,    ST_idle},
    {"zone:open",         on_zone_open,          NEED_NOTHING,    ST_idle},
    {"zone:set",          on_zone_set,           NEED_NOTHING,    ST_idle},
    {"language:open",     on_language,           NEED_NOTHING,    ST_idle},
    {"language:set",      on_language_set,       NEED_NOTHING,    ST_idle},
    {"balance:open",      on_balance,            NEED_NOTHING,    ST_idle},
    {"balance:older",     on_balance_older,      NEED_NOTHING,    ST_idle},
    {"balance:newer",     on_balance_newer,      NEED_NOTHING,    ST_idle},
    {"statistics:open",   on_statistics_open,    NEED_NOTHING,    ST_idle},
    {"statistics:chart",  on_statistics_chart,   NEED_NOTHING,    ST_stay},
    {"promo:open",        on_promo_open,         NEED_NOTHING,    ST_promo_code},
    {"create:open",       on_create_open,        NEED_NOTHING,    ST_create},
    {"imagen:open",       on_imagen_open,        NEED_NOTHING,    ST_imagen_words},
    {"imagen:make",       on_imagen_made,        NEED_NOTHING,    ST_stay},
    {"imagen:again",      on_imagen_again,       NEED_GENERATION, ST_idle},
    {"flux:open",         on_flux_open,          NEED_NOTHING,    ST_flux_words},
    {"flux:avatars",      on_flux_avatars,       NEED_NOTHING,    ST_stay},
    {"flux:use",          on_flux_use,           NEED_AVATAR,     ST_flux_words},
    {"flux:make",         on_flux_made,          NEED_NOTHING,    ST_stay},
    {"flux:again",        on_flux_again,         NEED_GENERATION, ST_idle},
    {"generation:cancel", on_generation_cancel,  NEED_GENERATION, ST_stay},
    {"avatar:open",       on_avatar_open,        NEED_NOTHING,    ST_idle},
    {"avatar:show",       on_avatar_show,        NEED_AVATAR,     ST_idle},
    {"avatar:place",      on_avatar_place,       NEED_AVATAR,     ST_stay},
    {"avatar:new",        on_avatar_new,         NEED_NOTHING,    ST_idle},
    {"avatar:agree",      on_avatar_agree,       NEED_NOTHING,    ST_avatar_type},
    {"avatar:main",       on_avatar_main,        NEED_AVATAR,     ST_idle},
    {"avatar:rename",     on_avatar_rename,      NEED_AVATAR,     ST_avatar_rename},
    {"avatar:delete",     on_avatar_delete,      NEED_AVATAR,     ST_idle},
    {"avatar:remove",     on_avatar_remove,      NEED_AVATAR,     ST_idle},
    {"training:open",     on_training_open,      NEED_AVATAR,     ST_training},
    {"training:start",    on_training_started,   NEED_NOTHING,    ST_stay},
    {"training:show",     on_training_show,      NEED_AVATAR,     ST_idle},
    {"training:cancel",   on_training_cancel,    NEED_NOTHING,    ST_stay},
    {"training:stop",     on_training_stop,      NEED_NOTHING,    ST_stay},
    {"gallery:open",      on_gallery_open,       NEED_NOTHING,    ST_idle},
    {"gallery:prompt",    on_gallery_prompt,     NEED_IMAGE,      ST_idle},
    {"gallery:file",      on_gallery_file,       NEED_IMAGE,      ST_idle},
    {"gallery:all",       on_gallery_all,        NEED_NOTHING,    ST_idle},
    {"filter:open",       on_filter_open,        NEED_NOTHING,    ST_idle},
    {"filter:type",       on_filter_type,        NEED_NOTHING,    ST_idle},
    {"filter:ratio",      on_filter_ratio,       NEED_NOTHING,    ST_idle},
    {"filter:favorite",   on_filter_favorite,    NEED_NOTHING,    ST_idle},
    {"filter:reset",      on_filter_reset,       NEED_NOTHING,    ST_idle},
    {"filter:avatars",    on_filter_avatars,     NEED_NOTHING,    ST_idle},
    {"filter:avatar",     on_filter_avatar,      NEED_AVATAR,     ST_idle},
    {"filter:avatars_any", on_filter_avatars_any, NEED_NOTHING,   ST_idle},
    {"filter:dates",      on_filter_dates,       NEED_NOTHING,    ST_idle},
    {"filter:period",     on_filter_period,      NEED_NOTHING,    ST_idle},
    {"filter:month",      on_filter_month,       NEED_NOTHING,    ST_idle},
    {"filter:typed",      on_filter_typed_open,  NEED_NOTHING,    ST_filter_typed},
    {"filter:words",      on_filter_words_open,  NEED_NOTHING,    ST_filter_words},
    {"filter:words_any",  on_filter_words_any,   NEED_NOTHING,    ST_idle},
    {"gallery:older",     on_gallery_older,      NEED_NOTHING,    ST_idle},
    {"gallery:newer",     on_gallery_newer,      NEED_NOTHING,    ST_idle},
    {"gallery:older_far", on_gallery_older_far,  NEED_NOTHING,    ST_idle},
    {"gallery:newer_far", on_gallery_newer_far,  NEED_NOTHING,    ST_idle},
    {"gallery:first",     on_gallery_first,      NEED_NOTHING,    ST_idle},
    {"gallery:last",      on_gallery_last,       NEED_NOTHING,    ST_idle},
    {"gallery:place",     on_gallery_place,      NEED_NOTHING,    ST_gallery_number},
    {"gallery:show",      on_gallery_show,       NEED_NOTHING,    ST_idle},
    {"gallery:favorite",  on_gallery_favorite,   NEED_IMAGE,      ST_idle},
    {"gallery:delete",    on_gallery_delete,     NEED_IMAGE,      ST_idle},
    {"gallery:remove",    on_gallery_remove,     NEED_IMAGE,      ST_idle},
    {"photos:open",       on_photos_open,        NEED_AVATAR,     ST_avatar_photos},
    {"photos:tips",       on_photos_tips,        NEED_AVATAR,     ST_avatar_photos},
    {"photos:show",       on_photos_show,        NEED_AVATAR,     ST_avatar_photos},
    {"photos:older",      on_photos_older,       NEED_NOTHING,    ST_avatar_photos},
    {"photos:newer",      on_photos_newer,       NEED_NOTHING,    ST_avatar_photos},
    {"photos:place",      on_photos_place,       NEED_NOTHING,    ST_avatar_photos},
    {"photos:delete",     on_photos_delete,      NEED_NOTHING,    ST_avatar_photos},
    {"photos:keep",       on_photos_keep,        NEED_NOTHING,    ST_stay},
    {"photos:remove",     on_photos_remove,      NEED_NOTHING,    ST_stay},
    {"mydata:open",       on_mydata,             NEED_NOTHING,    ST_idle},
    {"mydata:make",       on_mydata_make,        NEED_NOTHING,    ST_idle},
    {"deleteme:open",     on_deleteme,           NEED_NOTHING,    ST_idle},
    {"deleteme:ask",      on_deleteme_ask,       NEED_NOTHING,    ST_deleteme},
    {NULL, NULL, 0, ST_stay},
};

const struct step steps[] = {
    {ST_create,         IN_TEXT, NULL,           on_imagen_words, ST_imagen_options, "words alone are a description"},
    {ST_imagen_words,   IN_TEXT, NULL,           on_imagen_words, ST_imagen_options, "words make an order"},
    {ST_imagen_options, IN_TEXT, NULL,           on_imagen_words, ST_imagen_options, "other words replace them"},
    {ST_imagen_options, IN_TAP,  "imagen:ratio", on_imagen_ratio, ST_stay,           "a choice is marked"},
    {ST_imagen_options, IN_TAP,  "imagen:count", on_imagen_count, ST_stay,           "a choice is marked"},
    {ST_imagen_options, IN_TAP,  "imagen:speed", on_imagen_speed, ST_stay,           "a choice is marked"},
    {ST_imagen_options, IN_TAP,  "imagen:make",  on_imagen_make,  ST_idle,           "the order is paid and under way"},
    {ST_flux_words,     IN_TEXT, NULL,           on_flux_words,   ST_flux_options,   "words make an order"},
    {ST_flux_words,     IN_TAP,  "flux:use",     on_flux_change,  ST_stay,           "another avatar, the same question"},
    {ST_flux_options,   IN_TEXT, NULL,           on_flux_words,   ST_flux_options,   "other words replace them"},
    {ST_flux_options,   IN_TAP,  "flux:use",     on_flux_change,  ST_stay,           "another avatar, the same words"},
    {ST_flux_options,   IN_TAP,  "flux:ratio",   on_flux_ratio,   ST_stay,           "a choice is marked"},
    {ST_flux_options,   IN_TAP,  "flux:count",   on_flux_count,   ST_stay,           "a choice is marked"},
    {ST_flux_options,   IN_TAP,  "flux:quality", on_flux_quality, ST_stay,           "a choice is marked"},
    {ST_flux_options,   IN_TAP,  "flux:make",    on_flux_make,    ST_idle,           "the order is paid and under way"},
    {ST_avatar_type,    IN_TAP,  "avatar:portrait", on_avatar_portrait, ST_avatar_gender, "a portrait is asked for its gender"},
    {ST_avatar_type,    IN_TAP,  "avatar:type",  on_avatar_type,     ST_avatar_name, "a style or a thing has none"},
    {ST_avatar_gender,  IN_TAP,  "avatar:gender", on_avatar_gender,  ST_avatar_name, "then it is named"},
    {ST_avatar_name,    IN_TEXT, NULL,           on_avatar_name,     ST_avatar_photos, "a name makes a draft and opens its upload"},
    {ST_avatar_rename,  IN_TEXT, NULL,           on_avatar_new_name, ST_idle,        "the card shows the new name"},
    {ST_avatar_photos,  IN_PHOTO, NULL,          on_photo,        ST_stay,           "a photo is received"},
    {ST_avatar_photos,  IN_TEXT,  NULL,          on_photos_words, ST_stay,           "photos are awaited"},
    {ST_avatar_photos,  IN_TAP,  "menu:open",    on_menu,         ST_idle,           "the draft waits"},
    {ST_idle,           IN_PHOTO, NULL,          on_photo_astray, ST_stay,           "a draft can be gone on with"},
    {ST_training,       IN_TAP,  "training:preset", on_training_preset, ST_stay,     "a choice is marked"},
    {ST_training,       IN_TAP,  "training:start",  on_training_start,  ST_idle,     "the training is paid and under way"},
    {ST_promo_code,     IN_TEXT, NULL,           on_promo_words,  ST_idle,           "back to where the code was asked for"},
    {ST_deleteme,       IN_TAP,  "deleteme:go",  on_deleteme_go,  ST_idle,           "the person is let go of"},
    {ST_filter_typed,   IN_TEXT, NULL,           on_filter_typed, ST_idle,           "the days are a filter"},
    {ST_filter_words,   IN_TEXT, NULL,           on_filter_words, ST_idle,           "the words are a filter"},
    {ST_gallery_number, IN_TEXT, NULL,           on_gallery_number, ST_idle,         "the gallery is at that picture"},
    {ST_stay, IN_TEXT, NULL, NULL, ST_stay, NULL},
};

const struct job_route job_routes[] = {
    {"generation_prompt",  "words", job_generation_prompt,  give_up_prompt},
    {"generation_submit",  "fal",   job_generation_submit,  give_up_generation},
    {"generation_check",   "fal",   job_generation_check,   give_up_generation},
    {"generation_result",  "fal",   job_generation_result,  give_up_generation},
    {"generation_cancel",  "fal",   job_generation_cancel,  give_up_generation},
    {"generation_drop",    "fal",   errand_run_drop,        NULL},
    {"generation_lora",    "media", job_generation_lora,    give_up_generation},
    {"generation_store",   "media", job_generation_store,   give_up_store},
    {"generation_deliver", "send",  job_generation_deliver, NULL},
    {"generation_explain", "send",  job_generation_explain, NULL},
    {"training_archive",   "media", job_training_archive,   give_up_training},
    {"training_submit",    "fal",   job_training_submit,    give_up_training},
    {"training_check",     "fal",   job_training_check,     give_up_training},
    {"training_result",    "fal",   job_training_result,    give_up_training},
    {"training_cancel",    "fal",   job_training_cancel,    give_up_training},
    {"training_drop",      "fal",   errand_run_drop,        NULL},
    {"training_store",     "media", job_training_store,     give_up_training_store},
    {"training_deliver",   "send",  job_training_deliver,   NULL},
    {"training_explain",   "send",  job_training_explain,   NULL},
    {"gallery_send",       "send",  job_gallery_send,       NULL},
    {"gallery_prompt",     "send",  job_gallery_prompt,     NULL},
    {"gallery_file",       "send",  job_gallery_file,       NULL},
    {"statistics_chart",   "send",  job_statistics_chart,   NULL},
    {"photo_take",         "media", job_photo_take,         give_up_photo},
    {"photo_tell",         "send",  job_photo_tell,         NULL},
    {"photos_progress",    "send",  job_photos_progress,    NULL},
    {"photo_send",         "send",  job_photo_send,         NULL},
    {"spend_note",         "send",  job_spend_note,         NULL},
    {"payment_alert",       "send", job_payment_alert,       NULL},
    {"payment_refund",      "send", job_payment_refund,      give_up_payment_refund},
    {"payment_refund_tell", "send", job_payment_refund_tell, NULL},
    {"mydata_pack",        "media", job_mydata_pack,        give_up_mydata},
    {"mydata_send",        "send",  job_mydata_send,        give_up_mydata},
    {"mydata_explain",     "send",  job_mydata_explain,     NULL},
    {"person_erase",       "media", job_person_erase,       NULL},
    {"erasure_drop",       "fal",   errand_run_drop,        NULL},
    {"fal_forget",         "fal",   job_fal_forget,         NULL},
    {"erasure_tell",       "send",  job_erasure_tell,       NULL},
    {"person_forget",      "media", job_person_forget,      NULL},
    {"object_delete",      "media", job_object_delete,      NULL},
    {NULL, NULL, NULL, NULL},
};

const struct callback_route callback_routes[] = {
    {"image",    &generation_errands},
    {"portrait", &training_errands},
    {"status",   &training_errands},
    {NULL, NULL},
};

/* clang-format on */
