/*
 * user.h - people: who they are, what they prefer, how many coins they have.
 *
 * A person is found by Telegram's id and known by ours, which every other
 * table carries. user_touch() is called for each update: the first one makes
 * the row, with the welcome coins, later ones keep the names as they are on
 * Telegram. The coins in struct user are those of the moment it was read; what
 * may be spent is decided by the ledger alone.
 *
 *     struct user user;
 *     TRY(user_touch(db, a, &(struct sender){.telegram_id = 42, .first_name = S("Asya")},
 *                    welcome_coins, &user));
 */
#pragma once
#include "db/db.h"

struct user_settings {
    str default_aspect_ratio; /* "1:1" */
    int default_image_count;  /* 1 to 4 */
    str default_quality;      /* "fast", "balanced", "high", "ultra" */
    bool is_quick;            /* words alone make an order */
    bool enhances;            /* the words of an order get light, lens and mood */
    bool shows_details;       /* model, size, seed and steps below each image */
    bool notifies_images;     /* results come with a sound */
    bool notifies_avatars;
};

struct user {
    int64_t id;          /* ours */
    int64_t telegram_id; /* also the chat with this person */
    str first_name, last_name, username;
    str language; /* "ru" or "en" */
    str timezone; /* "UTC+5", "UTC-9:30" */
    int utc_offset_minutes;
    bool is_premium;     /* on Telegram */
    bool is_blocked;     /* by an admin */
    bool is_unreachable; /* Telegram said 403 and nothing came since */
    int64_t created_at_ms;
    int64_t balance, held; /* coins */
    int avatars;           /* drafts too */
    struct user_settings settings;
};

/* What an update says about its sender. */
struct sender {
    int64_t telegram_id;
    str first_name, last_name, username;
    str language_code; /* as Telegram gives it: "en-GB"; may be empty */
    bool is_premium;
    str mark; /* person_mark(): whoever left under it gets no second welcome; may be empty */
};

/* Writes only on first contact and when something changed. */
err *user_touch(struct db *db, struct arena *a, const struct sender *sender, int64_t welcome_coins,
                struct user *out);
/* ERR_NOT_FOUND when there is no such person. */
err *user_find_by_telegram(struct db *db, struct arena *a, int64_t telegram_id, struct user *out);
/* For admins: people by Telegram's number, by a username with or without @, or by how one of their
 * names begins, in any case; no words find the newest. rows: those of user_find in db/sql/user.sql. */
err *user_find(struct db *db, str words, int64_t limit, struct rows *rows);

err *user_set_language(struct db *db, int64_t user_id, str language);

enum user_setting {
    USER_TIMEZONE,     /* str, as above; from here on what struct user_settings has */
    USER_ASPECT_RATIO, /* str */
    USER_IMAGE_COUNT,  /* int */
    USER_QUALITY,      /* str */
    USER_QUICK_MODE,   /* bool, like those below */
    USER_ENHANCE,
    USER_DETAILS,
    USER_NOTIFY_IMAGES,
    USER_NOTIFY_AVATARS,
    USER_SETTING_COUNT
};

/* The caller has checked that the value is one that is offered. */
err *user_set(struct db *db, int64_t user_id, enum user_setting setting, struct val value);

/* By an admin: who is blocked gets one polite refusal. changed: false when it was so before. */
err *user_set_blocked(struct db *db, int64_t user_id, bool is_blocked, bool *changed);

/* By Telegram's id, because that is what `send` knows. Doing it twice changes nothing. */
err *user_mark_unreachable(struct db *db, int64_t telegram_id);
err *user_mark_reachable(struct db *db, int64_t telegram_id);
