/*
 * avatar.h - avatars: what a user has made of his photos, from the first draft.
 *
 * A draft (draft: no photos yet; photos_uploading; ready_for_training: enough of
 * them) becomes an avatar by a training: training, then completed, error or
 * cancelled. A user has at most one draft. Photos and trainings have modules of
 * their own, photo.h and training.h.
 */
#pragma once
#include "db/db.h"

struct avatar {
    str id;
    int64_t user_id;
    str name;
    str gender;        /* "male", "female"; empty but for portraits */
    str training_type; /* "portrait", "style", "object" */
    str kind;          /* what of these two a style asks for: "man", "woman", "style", "object" */
    str status;
    bool is_draft;     /* any of the first three */
    bool takes_photos; /* a draft, or one whose training was not finished */
    bool is_main;
    int photos_count, generations_count;
    int training_progress; /* 0 … 100 */
    str trigger;           /* what stands for the avatar in a prompt; empty before a training */
    str lora_url;          /* where FAL reads what it has learned; empty before */
    str photo_key, preview_key; /* objects of the first photo and of the free image; may be empty */
    str picture_file_id;   /* Telegram's, of the preview or else the first photo; may be empty */
    int64_t created_at_us; /* with the id its place among the others */
};

/* added: false when the user has a draft already, or `most` avatars. gender may be empty. */
err *avatar_add(struct db *db, str id, int64_t user_id, str name, str gender, str training_type,
                int64_t most, bool *added);
/* ERR_NOT_FOUND unless it is this user's. */
err *avatar_find(struct db *db, struct arena *a, int64_t user_id, str id, struct avatar *out);
/* The same, and holds the row until the transaction ends; opens one. user_id 0: anybody's, for jobs. */
err *avatar_lock(struct db *db, struct arena *a, int64_t user_id, str id, struct avatar *out);
/* ERR_NOT_FOUND when the user has none. */
err *avatar_find_draft(struct db *db, struct arena *a, int64_t user_id, struct avatar *out);
/* The main one first, then the newest; drafts too. */
err *avatar_list(struct db *db, struct arena *a, int64_t user_id, struct avatar **out,
                 size_t *count);

/* ERR_NOT_FOUND unless it is this user's. */
err *avatar_set_name(struct db *db, struct arena *a, int64_t user_id, str id, str name);
/* Of the user's finished ones; any other that was main is so no more. */
err *avatar_set_main(struct db *db, int64_t user_id, str id);
/* With its photos, trainings and files; images made with it stay. When it was the main one, the
 * newest finished one follows. */
err *avatar_delete(struct db *db, int64_t user_id, str id);

/* The image made for its card, as an object of the bucket of images. */
err *avatar_set_preview(struct db *db, str id, str object_key);

/* -- our copies of what a training made -- */

struct avatar_file {
    str bucket, object_key, content_type;
    int64_t size_bytes;
    str fal_url; /* where FAL reads it now */
};

/* kind: "lora" or "config". ERR_NOT_FOUND when there is no copy, or no avatar any more. */
err *avatar_file_find(struct db *db, struct arena *a, str avatar_id, const char *kind,
                      struct avatar_file *out);
err *avatar_file_set_url(struct db *db, str avatar_id, const char *kind, str fal_url);
