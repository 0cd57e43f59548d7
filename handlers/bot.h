/*
 * bot.h - what every turn and every job of a process shares. Made once by
 * fcgi/setup.c, never changed afterwards.
 */
#pragma once
#include "api/fal.h"
#include "api/media.h"
#include "api/openai.h"
#include "api/s3.h"
#include "api/telegram.h"
#include "core/conf.h"
#include "db/cache.h"
#include "db/db.h"

struct bot {
    const struct conf *conf;
    int64_t id; /* the bot's Telegram user id; update ids are unique within it */
    struct cache *cache;
    struct db_pool *pool;
    struct db_pool *status_pool; /* role aisha_status, for the status page; NULL in the worker */
    struct telegram telegram;    /* the last six are for the worker alone: a turn calls nobody */
    struct fal fal;
    struct openai openai;
    struct s3 s3;
    struct media photos, sounds;
};
