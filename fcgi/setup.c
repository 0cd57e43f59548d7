#include "setup.h"

#include <unistd.h>

#include "core/log.h"
#include "core/loop.h"

enum { PAUSE_BEFORE_EXIT_S = 1, STATUS_CONNECTIONS = 1 };

_Noreturn void setup_fail(const char *event, const err *e)
{
    log_err(event, e, KVS());
    sleep(PAUSE_BEFORE_EXIT_S);
    exit(EXIT_FAILURE);
}

/*
 * libpq brings libldap, and that GnuTLS, which would get ready for work before main(): half a
 * megabyte of each process for what nobody here asks for. This is how it wants to be told; whoever
 * does need it, as a lookup of a database service in LDAP, gets it ready then.
 */
int _gnutls_global_init_skip(void);
int _gnutls_global_init_skip(void)
{
    return 1;
}

/* -- settings -- */

/* One line of the log for each mistake. */
static _Noreturn void refuse_settings(const err *e)
{
    str line, left = e->message;
    while (!str_empty(left)) {
        str_cut(left, '\n', &line, &left);
        log_error("settings.wrong", KV("message", line));
    }
    sleep(PAUSE_BEFORE_EXIT_S);
    exit(EXIT_FAILURE);
}

static const struct conf *load_settings(struct arena *a)
{
    struct conf *conf = NEW(a, struct conf);
    const char *file = getenv("AISHA_CONF");
    err *e = file && *file ? conf_load_file(a, file) : NULL;
    if (!e)
        e = conf_load(a, conf);
    if (e)
        refuse_settings(e);
    log_set_level(conf->log_level);
    return conf;
}

/* -- the shared ground -- */

static void close_pool(void *pool)
{
    db_pool_free(pool);
}

static void close_cache(void *cache)
{
    cache_close(cache);
}

static struct db_pool *open_pool(struct arena *a, str url, int connections)
{
    struct db_pool *pool = db_pool_new(url, connections);
    arena_defer(a, close_pool, pool);
    return pool;
}

static struct bot *make_bot(struct arena *a, int db_connections)
{
    const struct conf *conf = load_settings(a);
    loop_init();
    struct bot *bot = NEW(a, struct bot);
    bot->conf = conf;
    bot->id = telegram_bot_id(conf->telegram_token);
    bot->cache = cache_new(conf->redis_url, CACHE_TIMEOUT_MS);
    if (!bot->cache)
        setup_fail("settings.wrong", fail(a, ERR_INPUT, "REDIS_URL is no address of a Redis"));
    arena_defer(a, close_cache, bot->cache);
    bot->pool = open_pool(a, conf->database_url, db_connections);
    return bot;
}

struct bot *setup_bot(struct arena *a, int db_connections)
{
    struct bot *bot = make_bot(a, db_connections);
    if (!str_empty(bot->conf->status_database_url))
        bot->status_pool = open_pool(a, bot->conf->status_database_url, STATUS_CONNECTIONS);
    return bot;
}

static str joined(struct arena *a, const struct conf_list *list)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < list->count; i++) {
        buf_add(&b, i ? S(",") : S(""));
        buf_add(&b, list->items[i]);
    }
    return buf_str(&b);
}

/* Every address that the operator set may be called, also where addresses of others would be
 * refused. */
static void allow_own_addresses(struct arena *a, const struct bot *bot)
{
    const struct conf *conf = bot->conf;
    http_allow(conf->telegram_api_url);
    http_allow(conf->openai_base_url);
    http_allow(conf->loopback_url);
    http_allow(str_printf(a, "%s://" STR_FMT, conf->minio_secure ? "https" : "http",
                          STR_ARG(conf->minio_endpoint)));
    fal_allow(&bot->fal);
}

struct bot *setup_worker(struct arena *a, int db_connections)
{
    struct bot *bot = make_bot(a, db_connections);
    const struct conf *conf = bot->conf;
    bot->telegram = (struct telegram){
        .api_url = conf->telegram_api_url,
        .token = conf->telegram_token,
        .files_dir = conf->telegram_files_dir,
    };
    bot->fal = (struct fal){
        .key = conf->fal_key,
        .queue_url = conf->fal_queue_url,
        .rest_url = conf->fal_rest_url,
        .jwks_url = conf->fal_jwks_url,
        .api_url = conf->fal_api_url,
        .admin_key = str_empty(conf->fal_admin_key) ? conf->fal_key : conf->fal_admin_key,
        .file_hosts = joined(a, &conf->fal_file_hosts),
    };
    bot->openai = (struct openai){.key = conf->openai_api_key, .base_url = conf->openai_base_url};
    bot->s3 = (struct s3){
        .endpoint = conf->minio_endpoint,
        .secure = conf->minio_secure,
        .region = conf->minio_region,
        .access_key = conf->minio_access_key,
        .secret_key = conf->minio_secret_key,
    };
    bot->photos = (struct media){.socket = conf->photo_socket};
    bot->sounds = (struct media){.socket = conf->sound_socket};
    http_init(conf->ca_file, 0);
    allow_own_addresses(a, bot);
    return bot;
}

/* -- Redis as it has to be -- */

static err *redis_setting(struct cache *cache, struct arena *a, str name, str *value)
{
    redisReply *reply;
    TRY(cache_call(cache, a, &reply, S("CONFIG"), S("GET"), name));
    *value = reply_str(reply_item(reply, 1));
    return NULL;
}

static bool is_played(str api_url)
{
    str scheme, host, path;
    int port;
    bool is_url = http_url_split(api_url, &scheme, &host, &port, &path);
    return is_url &&
           (str_starts(host, S("127.")) || str_eq(host, S("localhost")) || str_eq(host, S("::1")));
}

err *setup_check_redis(const struct bot *bot, struct arena *a)
{
    str appendonly, policy;
    err *e = redis_setting(bot->cache, a, S("appendonly"), &appendonly);
    if (!e)
        e = redis_setting(bot->cache, a, S("maxmemory-policy"), &policy);
    if (e) { /* away, or a service that does not show its settings */
        log_info("redis.settings_unknown", KV("message", e->message));
        return NULL;
    }
    bool forgets = !str_eq(appendonly, S("yes")), evicts = !str_eq(policy, S("noeviction"));
    if (!forgets && !evicts)
        return NULL;
    e = fail(a, ERR_INPUT,
             "redis: appendonly is " STR_FMT ", expected yes; maxmemory-policy is " STR_FMT
             ", expected noeviction",
             STR_ARG(appendonly), STR_ARG(policy));
    if (!is_played(bot->conf->telegram_api_url))
        return e;
    log_warn("redis.unsafe", KV("message", e->message));
    return NULL;
}
