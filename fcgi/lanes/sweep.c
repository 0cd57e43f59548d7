/*
 * The lane that looks after what nobody else looks after: steps whose worker
 * died, orders of which nothing is heard, keys that callbacks are checked
 * against, what Telegram calls the bot, whether the coins add up, rows that have
 * had their time. One worker at a time does it.
 */
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/version.h"
#include "db/ledger.h"
#include "db/promo.h"
#include "db/queries.h"
#include "handlers/money/stars.h"
#include "handlers/routes.h"
#include "lanes/lanes.h"

enum {
    LOOK_EVERY_MS = 2000,
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    HOUR_MS = 60 * MINUTE_MS,
    LANE_ARENA_BYTES = 16 << 20,
    LANE_STACK_KIB = 256,
    RETRY_MS = 10 * SECOND_MS, /* of a duty that failed */
    COMMANDS_LIFE_S = 24 * 3600,
};

typedef err *sweep_duty(struct worker *w, struct arena *a);

/* -- steps and orders -- */

static err *sweep_jobs(struct worker *w, struct arena *a)
{
    struct db *db = db_new(w->bot->pool, a);
    int swept;
    TRY(job_sweep(db, &swept));
    TRY(db_commit(db));
    if (swept > 0) {
        log_warn("jobs.swept", KV("jobs", swept));
        worker_wake(w, SLEEP_FOR_JOBS);
    }
    return NULL;
}

static err *wake_generations(struct worker *w, struct arena *a)
{
    struct db *db = db_new(w->bot->pool, a);
    struct rows rows;
    TRY(db_query_commit(db, &Q_generations_wake, &rows,
                        V(w->bot->conf->fal_image_silence_seconds)));
    for (int i = 0; i < rows.count; i++)
        log_warn("generation.woken", KV("generation", rows_str(&rows, i, "subject")));
    if (rows.count > 0)
        worker_wake(w, SLEEP_FOR_JOBS);
    return NULL;
}

/* They are looked at every few seconds, so that silence is the lack of a step, not of an answer. */
static err *wake_trainings(struct worker *w, struct arena *a)
{
    enum { SILENCE_S = 120 };
    struct db *db = db_new(w->bot->pool, a);
    struct rows rows;
    TRY(db_query_commit(db, &Q_trainings_wake, &rows, V((int64_t)SILENCE_S)));
    for (int i = 0; i < rows.count; i++)
        log_warn("training.woken", KV("training", rows_str(&rows, i, "subject")));
    if (rows.count > 0)
        worker_wake(w, SLEEP_FOR_JOBS);
    return NULL;
}

/* -- promo codes -- */

static err *give_promos_back(struct worker *w, struct arena *a)
{
    struct db *db = db_new(w->bot->pool, a);
    int64_t given_back;
    TRY(promo_sweep(db, &given_back));
    TRY(db_commit(db));
    if (given_back > 0)
        log_info("promo.given_back", KV("uses", given_back));
    return NULL;
}

/* Whoever asked to be forgotten is, also when a step of it had died. */
static err *wake_erasures(struct worker *w, struct arena *a)
{
    struct db *db = db_new(w->bot->pool, a);
    struct rows rows;
    TRY(db_query_commit(db, &Q_erasures_wake, &rows));
    for (int i = 0; i < rows.count; i++)
        log_warn("erasure.woken", KV("erasure", rows_str(&rows, i, "subject")));
    return NULL;
}

/* -- keys of FAL -- */

static err *fetch_keys(struct worker *w, struct arena *a)
{
    struct db *db = db_new(w->bot->pool, a);
    str source = w->bot->conf->fal_jwks_url, document;
    struct rows rows;
    TRY(db_query(db, &Q_jwks_wanted, &rows, V(source)));
    if (!rows_bool(&rows, 0, "wanted"))
        return NULL;
    err *e = fal_jwks_fetch(a, &w->bot->fal, &document);
    worker_met(w, "fal", e);
    TRY(e);
    TRY(db_query_commit(db, &Q_jwks_store, NULL, V(source), V(JSON(document))));
    log_info("jwks.fetched", KV("source", source));
    return NULL;
}

/* -- coins -- */

static str check_json(struct arena *a, const struct ledger_problem *problems, size_t count)
{
    str first = S("");
    if (count)
        first = str_printf(a,
                           STR_FMT ", transfer %" PRId64 ", account %" PRId64 ", expected %" PRId64
                                   ", found %" PRId64,
                           STR_ARG(problems[0].problem), problems[0].transfer_id,
                           problems[0].account_id, problems[0].expected, problems[0].found);
    return json_make(a, KV("problems", count), KV("first", first));
}

/* What is wrong stays wrong until an operator has mended it by a transfer, and is told every time. */
static err *check_ledger(struct worker *w, struct arena *a)
{
    enum { PROBLEMS_TOLD = 10 };
    struct ledger_problem *problems;
    size_t count;
    struct db *db = db_new(w->bot->pool, a);
    TRY(ledger_check_on(db, a, &problems, &count));
    TRY(db_commit(db));
    metric_set(METRIC_ledger_problems, (int64_t)count, KVS());
    metric_set(METRIC_ledger_checked, clock_ms() / 1000, KVS());
    for (size_t i = 0; i < count && i < PROBLEMS_TOLD; i++)
        log_error("ledger.wrong", KV("problem", problems[i].problem),
                  KV("transfer", problems[i].transfer_id), KV("account", problems[i].account_id),
                  KV("expected", problems[i].expected), KV("found", problems[i].found),
                  KV("problems", count));
    if (count)
        TRY(db_query(db, &Q_counter_add, NULL, V("ledger_wrong"), V(count)));
    return db_query_commit(db, &Q_summary_put, NULL, V("ledger_check"),
                           V(check_json(a, problems, count)));
}

/* Sums over whole tables, made here once for all who look at them. */
static err *count_totals(struct worker *w, struct arena *a)
{
    struct db *db = db_new(w->bot->pool, a);
    struct rows coins, users;
    TRY(db_query(db, &Q_summary_ledger, NULL));
    TRY(db_query_commit(db, &Q_summary_users, NULL));
    TRY(db_query(db, &Q_summary_totals, &coins));
    TRY(db_query(db, &Q_summary_user_counts, &users));
    for (int i = 0; i < coins.count; i++)
        metric_set(METRIC_coins, rows_i64(&coins, i, "balance"),
                   KVS(KV("account", rows_str(&coins, i, "kind"))));
    int64_t all = rows_i64(&users, 0, "everybody"), blocked = rows_i64(&users, 0, "blocked");
    int64_t unreachable = rows_i64(&users, 0, "unreachable");
    metric_set(METRIC_users, blocked, KVS(KV("state", "blocked")));
    metric_set(METRIC_users, unreachable, KVS(KV("state", "unreachable")));
    metric_set(METRIC_users, all, KVS(KV("state", "all")));
    return NULL;
}

/* -- the webhook -- */

/* What was told of one before updates are fetched is true no longer. */
static err *forget_webhook(struct worker *w, struct arena *a)
{
    struct rows rows;
    struct db *db = db_new(w->bot->pool, a);
    TRY(db_query_commit(db, &Q_summary_drop, &rows, V("webhook")));
    if (rows.count)
        metric_set(METRIC_webhook_pending, 0, KVS());
    return NULL;
}

static err *ask_for_webhook(struct worker *w, struct arena *a)
{
    struct json_object *info;
    int64_t pending = 0;
    if (str_empty(w->bot->conf->public_url))
        return forget_webhook(w, a);
    err *e = telegram_call(a, &w->bot->telegram, S("getWebhookInfo"), S("{}"), NULL, &info);
    worker_met(w, "telegram", e);
    TRY(e);
    json_i64(info, "pending_update_count", &pending);
    metric_set(METRIC_webhook_pending, pending, KVS());
    struct db *db = db_new(w->bot->pool, a);
    return db_query_commit(db, &Q_summary_put, NULL, V("webhook"), V(json_text(a, info)));
}

/* Once a day, whichever worker sweeps by then. */
static err *compare_stars(struct worker *w, struct arena *a)
{
    struct stars_comparison done;
    bool is_due;
    TRY(stars_is_due(db_new(w->bot->pool, a), &is_due));
    if (!is_due)
        return NULL;
    TRY(stars_compare(&w->bot->telegram, w->bot->pool, a, STARS_NEW, &done));
    log_info("stars.compared", KV("transactions", done.transactions));
    if (done.differences)
        log_error("stars.differ", KV("differences", done.differences));
    return NULL;
}

/* -- the bot's own name -- */

static err *keep_name(struct worker *w, struct arena *a)
{
    struct json_object *me;
    err *e = telegram_call(a, &w->bot->telegram, S("getMe"), S("{}"), NULL, &me);
    worker_met(w, "telegram", e);
    TRY(e);
    str username = json_str(me, "username");
    struct rows rows;
    struct db *db = db_new(w->bot->pool, a);
    TRY(db_query_commit(db, &Q_bot_keep, &rows, V(w->bot->id), V(username)));
    if (rows.count)
        log_info("bot.named", KV("username", username));
    return NULL;
}

/* -- old rows -- */

static err *prune(struct worker *w, struct arena *a)
{
    static const struct query *const queries[] = {
        &Q_turns_rotate,       &Q_jobs_prune,           &Q_parked_prune,    &Q_worker_prune,
        &Q_admin_prune,        &Q_payment_orders_prune, &Q_free_uses_prune, &Q_transcripts_prune,
        &Q_erased_marks_prune, &Q_samples_prune,
    };
    err *first = NULL;
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        struct db *db = db_new(w->bot->pool, a);
        err *e = db_run_and_commit(db, queries[i], NULL, NULL, 0);
        if (!e)
            continue;
        db_rollback(db);
        log_err("sweep.not_pruned", e, KVS(KV("query", queries[i]->name)));
        first = first ? first : e;
    }
    return first;
}

/* -- once for each start -- */

static err *make_buckets(struct worker *w, struct arena *a)
{
    const struct conf *conf = w->bot->conf;
    const str buckets[] = {conf->minio_bucket_images, conf->minio_bucket_avatars,
                           conf->minio_bucket_transcripts};
    if (str_empty(conf->minio_endpoint))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(buckets); i++) {
        err *e = s3_ensure_bucket(a, &w->bot->s3, buckets[i]);
        worker_met(w, "s3", e);
        TRY(e);
    }
    return NULL;
}

static str commands_json(struct arena *a, enum language language)
{
    struct buf b = buf_new(a);
    for (const struct menu_command *command = menu_commands; command->name; command++) {
        buf_add_char(&b, b.len ? ',' : '[');
        json_put_object(
            &b, KVS(KV("command", command->name),
                    KV("description", text_plain(a, language, command->description, KVS()))));
    }
    buf_add_char(&b, ']');
    return buf_str(&b);
}

static err *publish(struct worker *w, struct arena *a, enum language language, const char *code)
{
    str list = commands_json(a, language);
    str params = code ? json_make(a, KV("commands", JSON(list)), KV("language_code", code))
                      : json_make(a, KV("commands", JSON(list)));
    return telegram_call(a, &w->bot->telegram, S("setMyCommands"), params, NULL, NULL);
}

/* The list for those whose language has none of its own is the English one, as are our words to
 * them. */
static err *publish_commands(struct worker *w, struct arena *a)
{
    const str key = S("commands"), version = S(AISHA_VERSION);
    redisReply *reply;
    TRY(cache_call(w->bot->cache, a, &reply, S("GET"), key));
    if (str_eq(reply_str(reply), version))
        return NULL;
    TRY(publish(w, a, LANG_ru, "ru"));
    TRY(publish(w, a, LANG_en, "en"));
    TRY(publish(w, a, LANG_en, NULL));
    log_info("commands.published");
    return cache_call(w->bot->cache, a, NULL, S("SET"), key, version, S("EX"),
                      str_printf(a, "%d", (int)COMMANDS_LIFE_S));
}

/* -- the duties in their rhythm -- */

static struct duty {
    const char *name;
    sweep_duty *run;
    int64_t every_ms; /* 0: once */
    int64_t next_ms;  /* steady clock */
    bool is_done;
} duties[] = {
    {"jobs",        sweep_jobs,       5 * SECOND_MS },
    {"generations", wake_generations, 15 * SECOND_MS},
    {"trainings",   wake_trainings,   15 * SECOND_MS},
    {"promos",      give_promos_back, 15 * SECOND_MS},
    {"erasures",    wake_erasures,    MINUTE_MS     },
    {"totals",      count_totals,     30 * SECOND_MS},
    {"ledger",      check_ledger,     5 * MINUTE_MS },
    {"prune",       prune,            HOUR_MS       },
 /* These ask somebody outside, who may be long in answering. */
    {"keys",        fetch_keys,       2 * SECOND_MS },
    {"stars",       compare_stars,    10 * MINUTE_MS},
    {"webhook",     ask_for_webhook,  MINUTE_MS     },
    {"name",        keep_name,        HOUR_MS       },
    {"buckets",     make_buckets,     0             },
    {"commands",    publish_commands, 0             },
};

/* The one that has been due for longest, so that none stands behind another that fails again and
 * again. NULL: none is due. */
static struct duty *next_duty(void)
{
    int64_t now_ms = clock_steady_ms();
    struct duty *next = NULL;
    for (size_t i = 0; i < ARRAY_LEN(duties); i++) {
        struct duty *duty = &duties[i];
        if (!duty->is_done && duty->next_ms <= now_ms && (!next || duty->next_ms < next->next_ms))
            next = duty;
    }
    return next;
}

static void run_duty(struct worker *w, struct arena *a, struct duty *duty)
{
    int64_t began_ms = clock_steady_ms();
    err *e = duty->run(w, a);
    if (e) {
        log_err("sweep.failed", e, KVS(KV("duty", duty->name)));
        duty->next_ms = clock_steady_ms() + RETRY_MS;
        return;
    }
    duty->is_done = duty->every_ms == 0;
    duty->next_ms = began_ms + duty->every_ms;
}

/* Who does not answer is waited for longer than the lease lives, so it is held anew for each. */
static void sweep_once(struct worker *w, struct arena *a, struct lease *lease)
{
    struct duty *duty;
    while (!w->is_draining && (duty = next_duty())) {
        err *e = lease_hold(w, a, lease);
        if (e)
            log_debug("sweep.lease_unknown", KV("message", e->message));
        if (!lease_is_held(lease))
            return;
        run_duty(w, a, duty);
        arena_reset(a);
    }
}

static void run_sweep(void *argument)
{
    struct worker *w = argument;
    struct arena *a = arena_new(LANE_ARENA_BYTES);
    struct lease lease = {.key = S("lease:sweep")};
    do {
        sweep_once(w, a, &lease);
        arena_reset(a);
    } while (worker_sleep(w, LOOK_EVERY_MS, SLEEP_PLAIN));
    if (lease_is_held(&lease))
        lease_give_back(w, a, &lease);
    arena_free(a);
    worker_task_over(w);
}

void lane_sweep_start(struct worker *w)
{
    worker_start(w, run_sweep, w, LANE_STACK_KIB);
}
