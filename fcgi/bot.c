/*
 * aisha-bot - the FastCGI program: start, serve, drain.
 *
 * spawn-fcgi opens the socket and multiwatch runs this several times on it.
 * Each process keeps one connection to Redis and a few to PostgreSQL, and has
 * many turns in flight; see core/fastcgi.h and handlers/dispatch.h.
 */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fastcgi.h"
#include "core/log.h"
#include "core/loop.h"
#include "db/metrics.h"
#include "gateway.h"
#include "setup.h"

enum {
    DATABASE_CONNECTIONS = 4,
    BODY_MAX_BYTES = 4 << 20, /* FAL's callbacks with logs; nginx allows Telegram less */
    TURN_MEMORY_BYTES = 24 << 20,
    GIVE_BACK_EVERY_MS = 5000,
    METRICS_BYTES = 4 << 20,
};

static const char *ready_file;

/* A file named by our pid tells who rolls the pool that this process serves. */
static void say_ready(struct arena *a, const struct conf *conf)
{
    if (str_empty(conf->ready_dir))
        return;
    ready_file = cstr(a, str_printf(a, STR_FMT "/%d", STR_ARG(conf->ready_dir), (int)getpid()));
    int fd = open(ready_file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0)
        log_warn("ready_file.failed", KV("file", ready_file));
    else
        close(fd);
}

/* A burst leaves its pages between what lives on, and malloc keeps them until it is asked. */
static void give_back(struct timer *timer)
{
    malloc_trim(0);
    timer_set(timer, clock_steady_ms() + GIVE_BACK_EVERY_MS);
}

static struct timer giving_back = {.fire = give_back};

/* Without the timer nothing but requests keeps the loop going. */
static void on_stop(int signal_number)
{
    timer_set(&giving_back, 0);
    metrics_keep_no_longer();
    log_info("bot.draining", KV("signal", signal_number), KV("in_flight", fastcgi_in_flight()));
    fastcgi_drain();
}

/* What was counted since the last time is added before this process is gone. */
static void end_metrics(void *cache)
{
    struct arena *a = arena_new(METRICS_BYTES);
    err *e = metrics_end(cache, a);
    if (e)
        log_err("metrics.not_ended", e, KVS());
    arena_free(a);
    loop_stop();
}

int main(void)
{
    struct arena *a = arena_new(1 << 20);
    const struct bot *bot = setup_bot(a, DATABASE_CONNECTIONS);
    gateway_init(bot);
    loop_on_signal(SIGTERM, on_stop);
    loop_on_signal(SIGINT, on_stop);
    loop_on_signal(SIGUSR1, on_stop);
    fastcgi_serve(&(struct fastcgi_options){
        .listen_fd = STDIN_FILENO,
        .max_body_bytes = BODY_MAX_BYTES,
        .arena_bytes = TURN_MEMORY_BYTES,
        .handle = gateway_handle,
    });
    give_back(&giving_back);
    metrics_keep(bot->cache, "bot");
    say_ready(a, bot->conf);
    log_info("bot.started");
    loop_run();
    task_start(end_metrics, bot->cache, 0);
    loop_run();

    if (ready_file)
        unlink(ready_file);
    log_info("bot.stopped");
    arena_free(a);
    return 0;
}
