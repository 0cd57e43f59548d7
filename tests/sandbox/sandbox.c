#include "tests/sandbox/sandbox.h"

#include <signal.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/http.h"
#include "core/log.h"
#include "core/loop.h"
#include "tests/sandbox/telegram.h"

enum {
    MOST_BODY_BYTES = 64 << 20,      /* a document of 50 MB and the other fields beside it */
    REQUEST_ARENA_BYTES = 320 << 20, /* the body, its decoded parts, and what is made of them */
    REQUEST_STACK_KIB = 256,         /* SQLite and cairo want more than the default */
};

static const char TAKEN_PREFIX[] = "/sandbox";

/* -- routing -- */

static const struct part {
    str prefix;
    void (*handle)(struct request *r, str path);
} parts[] = {
    {{"/telegram/", 10}, telegram_handle},
    {{"/fal/", 5},       fal_handle     },
    {{"/openai/", 8},    openai_handle  },
    {{"/control/", 9},   control_handle },
};

static void handle(struct request *r)
{
    if (str_eq(request_param(r, "SANDBOX_PART"), S("store"))) {
        objects_handle(r);
        return;
    }
    str path = r->path;
    if (!str_starts(path, str_from(TAKEN_PREFIX))) {
        request_refuse(r, 404, "not found");
        return;
    }
    path = str_sub(path, strlen(TAKEN_PREFIX), path.len);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (str_starts(path, parts[i].prefix)) {
            /* The slash that ends the prefix begins the path. */
            parts[i].handle(r, str_sub(path, parts[i].prefix.len - 1, path.len));
            return;
        }
    }
    chat_handle(r, path);
}

/* -- start and end -- */

static str setting(const char *name)
{
    return str_from(getenv(name));
}

static str needed_setting(const char *name)
{
    str value = setting(name);
    if (str_empty(value)) {
        log_error("sandbox.setting_missing", KV("name", name));
        exit(1);
    }
    return value;
}

static void read_settings(void)
{
    sandbox = (struct sandbox){
        .folder = needed_setting("SANDBOX_DIR"),
        .public_url = needed_setting("SANDBOX_URL"),
        .telegram_token = needed_setting("TELEGRAM_TOKEN"),
        .files_dir = setting("TELEGRAM_FILES_DIR"),
        .fal_key = setting("FAL_KEY"),
        .openai_key = setting("OPENAI_API_KEY"),
        .s3_access_key = setting("MINIO_ACCESS_KEY"),
        .s3_secret_key = setting("MINIO_SECRET_KEY"),
        .s3_region = setting("MINIO_REGION"),
    };
}

static void drain(int signal_number)
{
    (void)signal_number;
    store_drain();
    fastcgi_drain();
}

int main(void)
{
    log_set_level(setting("LOG_LEVEL"));
    read_settings();
    loop_init();
    http_init(setting("CA_FILE"), 0);
    loop_on_signal(SIGTERM, drain);
    loop_on_signal(SIGINT, drain);

    store_open();
    telegram_start();
    fal_start();
    openai_start();
    objects_start();
    chat_start();

    fastcgi_serve(&(struct fastcgi_options){
        .listen_fd = 0,
        .max_body_bytes = MOST_BODY_BYTES,
        .arena_bytes = REQUEST_ARENA_BYTES,
        .stack_kib = REQUEST_STACK_KIB,
        .handle = handle,
    });
    log_info("sandbox.started", KV("url", sandbox.public_url), KV("folder", sandbox.folder));
    loop_run();
    log_info("sandbox.ended");
    return 0;
}
