/* Settings: which values fit, how mistakes are told, files, printing. */
#include "core/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena *a;
static char file_path[64];

#define JWT           "0123456789abcdef0123456789abcdef"
#define NINE_PACKAGES "1:1,2:2,3:3,4:4,5:5,6:6,7:7,8:8,9:9"
#define TOKEN         "123:AAH-secret_part"

/* The least environment that loads, and nothing else. */
static int set_least_environment(void **state)
{
    (void)state;
    a = arena_new(8 << 20);
    clearenv();
    setenv("TELEGRAM_TOKEN", TOKEN, 1);
    setenv("CALLBACK_SECRET", "callback-secret-1", 1);
    setenv("DATABASE_URL", "postgresql://aisha_bot:hidden@/aisha", 1);
    setenv("REDIS_URL", "redis://127.0.0.1:6379/0", 1);
    setenv("JWT_SECRET", JWT, 1);
    snprintf(file_path, sizeof file_path, "/tmp/conf_test.XXXXXX");
    int fd = mkstemp(file_path);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    unlink(file_path);
    arena_free(a);
    return 0;
}

static void assert_str(str got, str want)
{
    if (!str_eq(got, want))
        fail_msg("got \"" STR_FMT "\", want \"" STR_FMT "\"", STR_ARG(got), STR_ARG(want));
}

static bool holds(str text, const char *part)
{
    size_t position;
    return str_find(text, str_from(part), &position);
}

static size_t count_lines(str text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

static void defaults_fill_what_is_not_set(void **state)
{
    (void)state;
    struct conf conf;
    setenv("WELCOME_COINS", "", 1); /* counts as not set */
    setenv("UNRELATED", "x", 1);
    assert_null(conf_load(a, &conf));
    assert_str(conf.telegram_token, S(TOKEN));
    assert_str(conf.telegram_api_url, S("https://api.telegram.org"));
    assert_str(conf.loopback_url, S("https://127.0.0.1:8443"));
    assert_str(conf.public_url, S(""));
    assert_str(conf.fal_default_quality_preset, S("balanced"));
    assert_int_equal(conf.fal_file_hosts.count, 1);
    assert_str(conf.fal_file_hosts.items[0], S("fal.media"));
    assert_int_equal(conf.telegram_webhook_secret.count, 0);
    assert_int_equal(conf.telegram_admin_ids.count, 0);
    assert_int_equal(conf.fal_training_timeout_seconds, 10800);
    assert_int_equal(conf.welcome_coins, 0);
    assert_int_equal(conf.avatar_creation_cost_coins, 150);
    assert_int_equal(conf.photo_max_size_bytes, 20971520);
    assert_int_equal(conf.transcription_max_size_bytes, 20971520);
    assert_int_equal(conf.daily_spend_limit_microdollars, 0);
    assert_int_equal(conf.fal_portrait_training_cost_microdollars, 2400000);
    assert_int_equal(conf.fal_flux_cost_microdollars, 35000);
    assert_int_equal(conf.avatar_max_photos, 20);
    assert_false(conf.minio_secure);
    assert_false(conf.take_over);
    assert_str(conf.log_level, S("info"));
}

static void a_server_of_ones_own_hands_out_more(void **state)
{
    (void)state;
    struct conf conf;
    setenv("TRANSCRIPTION_MAX_SIZE", "50000000", 1);
    assert_null(conf_load(a, &conf));
    assert_int_equal(conf.transcription_max_size_bytes, 20971520);
    setenv("TELEGRAM_FILES_DIR", "/var/lib/telegram", 1);
    assert_null(conf_load(a, &conf));
    assert_int_equal(conf.transcription_max_size_bytes, 50000000);
    unsetenv("TRANSCRIPTION_MAX_SIZE");
    assert_null(conf_load(a, &conf));
    assert_int_equal(conf.transcription_max_size_bytes, 2097152000);
}

static void values_that_fit_are_taken(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
    } rows[] = {
        {"HTTPS_PORT",              "1"                             },
        {"HTTPS_PORT",              " 65535 "                       },
        {"TELEGRAM_WEBHOOK_SECRET", "one"                           },
        {"TELEGRAM_WEBHOOK_SECRET", "one-_1, two"                   },
        {"TELEGRAM_ADMIN_IDS",      "7000000000, 42"                },
        {"PUBLIC_URL",              "https://bot.example:8443/path/"},
        {"PUBLIC_URL",              "http://[::1]:80"               },
        {"REDIS_URL",               "unix:///run/redis.sock"        },
        {"REDIS_URL",               "unix:///run/redis.sock?db=7"   },
        {"REDIS_URL",               "redis://:password@localhost/3" },
        {"REDIS_URL",               "redis://localhost"             },
        {"DATABASE_URL",            "postgres:///aisha?host=/run/pg"},
        {"DATABASE_URL",            "host=/run/pg dbname=aisha"     },
        {"MINIO_REGION",            "eu"                            },
        {"TAKE_OVER",               "1"                             },
        {"TAKE_OVER",               "No"                            },
        {"PHOTO_MAX_SIZE",          "20M"                           },
        {"PHOTO_MAX_SIZE",          "512K"                          },
        {"FAL_IMAGE_TIMEOUT",       "10m"                           },
        {"FAL_IMAGE_TIMEOUT",       "90s"                           },
        {"FAL_TRAINING_TIMEOUT",    "3h"                            },
        {"DAILY_SPEND_LIMIT",       "0.000001"                      },
        {"DAILY_SPEND_LIMIT",       "1000000"                       },
        {"FAL_FLUX_COST_USD",       "0.0350"                        },
        {"CA_FILE",                 "/etc/passwd"                   },
        {"LOG_LEVEL",               "debug"                         },
        {"FAL_FILE_HOSTS",          "fal.media,cdn.example"         },
        {"TOPUP_PACKAGES",          "1:1"                           },
        {"TOPUP_PACKAGES",          "10:5, 20:9,30:12"              },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct conf conf;
        const char *before = getenv(rows[i].name);
        const char *kept = before ? cstr(a, str_from(before)) : "";
        setenv(rows[i].name, rows[i].value, 1);
        err *e = conf_load(a, &conf);
        if (e)
            fail_msg("%s=%s: " STR_FMT, rows[i].name, rows[i].value, STR_ARG(e->message));
        setenv(rows[i].name, kept, 1);
    }
}

static void values_that_do_not_fit_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
    } rows[] = {
        {"TELEGRAM_TOKEN",             "abc"                            },
        {"TELEGRAM_TOKEN",             "abc:def"                        },
        {"TELEGRAM_TOKEN",             "123:"                           },
        {"TELEGRAM_TOKEN",             ":abc"                           },
        {"TELEGRAM_TOKEN",             "-1:abc"                         },
        {"TELEGRAM_TOKEN",             "123:a/b"                        },
        {"TELEGRAM_WEBHOOK_SECRET",    "a,b,c"                          },
        {"TELEGRAM_WEBHOOK_SECRET",    "a,"                             },
        {"TELEGRAM_WEBHOOK_SECRET",    ","                              },
        {"TELEGRAM_WEBHOOK_SECRET",    "a b"                            },
        {"TELEGRAM_WEBHOOK_SECRET",    "a:b"                            },
        {"TELEGRAM_ADMIN_IDS",         "1,,2"                           },
        {"TELEGRAM_ADMIN_IDS",         "@name"                          },
        {"TELEGRAM_ADMIN_IDS",         "-5"                             },
        {"TELEGRAM_ADMIN_IDS",         "99999999999999999999"           },
        {"TELEGRAM_API_URL",           "api.telegram.org"               },
        {"TELEGRAM_API_URL",           "https://"                       },
        {"TELEGRAM_API_URL",           "https:///path"                  },
        {"TELEGRAM_API_URL",           "ftp://host"                     },
        {"PUBLIC_URL",                 "https://host:0"                 },
        {"PUBLIC_URL",                 "https://host:99999"             },
        {"PUBLIC_URL",                 "https://host:"                  },
        {"PUBLIC_URL",                 "https://a b"                    },
        {"PUBLIC_URL",                 "https://user@host"              },
        {"PUBLIC_URL",                 "https://host/#part"             },
        {"PUBLIC_URL",                 "https://[::1"                   },
        {"HTTPS_PORT",                 "0"                              },
        {"HTTPS_PORT",                 "65536"                          },
        {"HTTPS_PORT",                 "8443x"                          },
        {"HTTPS_PORT",                 "0x10"                           },
        {"HTTPS_PORT",                 "1K"                             },
        {"WELCOME_COINS",              "-1"                             },
        {"WELCOME_COINS",              "1.5"                            },
        {"WELCOME_COINS",              "99999999999"                    },
        {"TAKE_OVER",                  "maybe"                          },
        {"TOPUP_PACKAGES",             "250"                            },
        {"TOPUP_PACKAGES",             "250:180,"                       },
        {"TOPUP_PACKAGES",             "250:0"                          },
        {"TOPUP_PACKAGES",             "0:180"                          },
        {"TOPUP_PACKAGES",             "250:180:1"                      },
        {"TOPUP_PACKAGES",             "250:100001"                     },
        {"TOPUP_PACKAGES",             "250:180,250:200"                },
        {"TOPUP_PACKAGES",             "250:180,300:180"                },
        {"TOPUP_PACKAGES",             "500:340,250:180"                },
        {"TOPUP_PACKAGES",             NINE_PACKAGES                    },
        {"MINIO_SECURE",               "2"                              },
        {"PHOTO_MAX_SIZE",             "21M"                            },
        {"PHOTO_MAX_SIZE",             "M"                              },
        {"PHOTO_MAX_SIZE",             "9223372036854775807G"           },
        {"FAL_IMAGE_TIMEOUT",          "0"                              },
        {"FAL_IMAGE_TIMEOUT",          "10 minutes"                     },
        {"FAL_IMAGE_TIMEOUT",          "8d"                             },
        {"DAILY_SPEND_LIMIT",          "-0.5"                           },
        {"DAILY_SPEND_LIMIT",          "$5"                             },
        {"DAILY_SPEND_LIMIT",          "5."                             },
        {"DAILY_SPEND_LIMIT",          ".5"                             },
        {"DAILY_SPEND_LIMIT",          "5.-5"                           },
        {"DAILY_SPEND_LIMIT",          "0.0000001"                      },
        {"DAILY_SPEND_LIMIT",          "1000000.000001"                 },
        {"DAILY_SPEND_LIMIT",          "9223372036854775807"            },
        {"DAILY_SPEND_LIMIT",          "1,5"                            },
        {"PHOTOS_PER_DAY",             "0"                              },
        {"FAL_DEFAULT_QUALITY_PRESET", "best"                           },
        {"FAL_DEFAULT_QUALITY_PRESET", "fast balanced"                  },
        {"FAL_FILE_HOSTS",             "https://fal.media"              },
        {"FAL_FILE_HOSTS",             ".fal.media"                     },
        {"FAL_FILE_HOSTS",             "a,,b"                           },
        {"CALLBACK_SECRET",            "short"                          },
        {"JWT_SECRET",                 "0123456789abcdef0123456789abcde"},
        {"DATABASE_URL",               "aisha"                          },
        {"DATABASE_URL",               "mysql://host/aisha"             },
        {"DATABASE_URL",               "postgres://"                    },
        {"REDIS_URL",                  "localhost:6379"                 },
        {"REDIS_URL",                  "rediss://host"                  },
        {"REDIS_URL",                  "redis://host:x"                 },
        {"REDIS_URL",                  "redis://host/one"               },
        {"REDIS_URL",                  "unix://relative"                },
        {"REDIS_URL",                  "unix:///"                       },
        {"REDIS_URL",                  "redis+unix:///run/redis.sock"   },
        {"REDIS_URL",                  "unix:///run/redis.sock?x"       },
        {"REDIS_URL",                  "redis://host/65537"             },
        {"REDIS_URL",                  "redis://password@host"          },
        {"REDIS_URL",                  "redis://user:@host"             },
        {"MINIO_ENDPOINT",             "https://host:9000"              },
        {"MINIO_BUCKET_IMAGES",        "Images"                         },
        {"MINIO_BUCKET_IMAGES",        "ab"                             },
        {"MINIO_BUCKET_IMAGES",        "a_b_c"                          },
        {"CA_FILE",                    "/nonexistent/file"              },
        {"LOG_LEVEL",                  "loud"                           },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct conf conf;
        const char *before = getenv(rows[i].name);
        const char *kept = before ? cstr(a, str_from(before)) : "";
        setenv(rows[i].name, rows[i].value, 1);
        err *e = conf_load(a, &conf);
        if (!e) {
            fail_msg("%s=%s was taken", rows[i].name, rows[i].value);
            return;
        }
        assert_int_equal(e->kind, ERR_INPUT);
        assert_int_equal(count_lines(e->message), 1);
        assert_true(str_starts(e->message, str_printf(a, "%s: ", rows[i].name)));
        assert_true(holds(e->message, "expected "));
        setenv(rows[i].name, kept, 1);
    }
}

static void all_mistakes_are_told_at_once(void **state)
{
    (void)state;
    struct conf conf;
    clearenv();
    setenv("HTTPS_PORT", "x", 1);
    setenv("FAL_KEY", "key-of-mine", 1);
    setenv("FAL_API_KEY", "key-of-yours", 1);
    err *e = conf_load(a, &conf);
    assert_non_null(e);
    assert_int_equal(count_lines(e->message), 7);
    static const char *const parts[] = {
        "TELEGRAM_TOKEN: is not set", "HTTPS_PORT: \"x\"",        "FAL_KEY: ",
        "CALLBACK_SECRET: is not",    "DATABASE_URL: is not set", "REDIS_URL: is not",
        "JWT_SECRET: is not set",
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        assert_true(holds(e->message, parts[i]));
    assert_false(holds(e->message, "key-of"));
}

static void a_secret_is_not_shown_in_its_mistake(void **state)
{
    (void)state;
    struct conf conf;
    setenv("JWT_SECRET", "tooshort", 1);
    setenv("DATABASE_URL", "nonsense", 1);
    setenv("REDIS_URL", "redis://user:hush1@hush2@localhost:x", 1);
    setenv("OPENAI_BASE_URL", "https:/me:mine@proxy", 1);
    err *e = conf_load(a, &conf);
    assert_non_null(e);
    static const char *const hidden[] = {"tooshort", "nonsense", "hush", "mine"};
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        assert_false(holds(e->message, hidden[i]));
    assert_true(holds(e->message, "REDIS_URL: \"***@localhost:x\" does not fit"));
}

static void an_alias_will_do(void **state)
{
    (void)state;
    struct conf conf;
    unsetenv("TELEGRAM_TOKEN");
    setenv("TELEGRAM_BOT_TOKEN", "9:z", 1);
    assert_null(conf_load(a, &conf));
    assert_str(conf.telegram_token, S("9:z"));
    setenv("TELEGRAM_TOKEN", "9:z", 1);
    assert_null(conf_load(a, &conf));
    setenv("TELEGRAM_BOT_TOKEN", "bad", 1);
    unsetenv("TELEGRAM_TOKEN");
    err *e = conf_load(a, &conf);
    assert_non_null(e);
    assert_true(str_starts(e->message, S("TELEGRAM_BOT_TOKEN: ")));
}

static void settings_are_checked_together(void **state)
{
    (void)state;
    struct conf conf;
    setenv("AVATAR_MIN_PHOTOS", "21", 1);
    setenv("MINIO_ENDPOINT", "127.0.0.1:9000", 1);
    err *e = conf_load(a, &conf);
    assert_non_null(e);
    assert_int_equal(count_lines(e->message), 2);
    assert_true(holds(e->message, "AVATAR_MIN_PHOTOS: 21 "));
    assert_true(holds(e->message, "MINIO_SECRET_KEY"));
}

static void values_arrive_in_their_fields(void **state)
{
    (void)state;
    struct conf conf;
    setenv("TELEGRAM_ADMIN_IDS", "7000000000, 42", 1);
    setenv("TELEGRAM_WEBHOOK_SECRET", "new , old", 1);
    setenv("PUBLIC_URL", "https://bot.example//", 1);
    setenv("LOOPBACK_URL", "https://127.0.0.2:1", 1);
    setenv("PHOTO_MAX_SIZE", "2M", 1);
    setenv("FAL_IMAGE_SILENCE", "2m", 1);
    setenv("MINIO_SECURE", "yes", 1);
    assert_null(conf_load(a, &conf));
    assert_int_equal(conf.telegram_admin_ids.count, 2);
    assert_int_equal(conf.telegram_admin_ids.items[0], 7000000000);
    assert_int_equal(conf.telegram_admin_ids.items[1], 42);
    assert_int_equal(conf.telegram_webhook_secret.count, 2);
    assert_str(conf.telegram_webhook_secret.items[1], S("old"));
    assert_str(conf.public_url, S("https://bot.example"));
    assert_str(conf.loopback_url, S("https://127.0.0.2:1"));
    assert_int_equal(conf.photo_max_size_bytes, 2 << 20);
    assert_int_equal(conf.fal_image_silence_seconds, 120);
    assert_true(conf.minio_secure);
}

static void slips_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"TELGRAM_TOKEN",                                                       "TELEGRAM_TOKEN"},
        {"TELEGRAM_TOKNE",                                                      "TELEGRAM_TOKEN"},
        {"telegram_token",                                                      "TELEGRAM_TOKEN"},
        {"FAL_KEI",                                                             "FAL_KEY"       },
        {"FALKEY",                                                              "FAL_KEY"       },
        {"FAL_API_KYE",                                                         "FAL_API_KEY"   },
        {"REDIS_URI",                                                           "REDIS_URL"     },
        {"WELCOME_COIN",                                                        "WELCOME_COINS" },
        {"AVATAR_COST",                                                         NULL            },
        {"PATH",                                                                NULL            },
        {"X",                                                                   NULL            },
        {"",                                                                    NULL            },
        {"AN_EXTREMELY_LONG_NAME_THAT_NOBODY_WOULD_EVER_MISTAKE_FOR_A_SETTING", NULL            },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *got = conf_nearest(str_from(rows[i].in));
        if (got != rows[i].want && (!got || !rows[i].want || strcmp(got, rows[i].want) != 0))
            fail_msg("%s: got %s, want %s", rows[i].in, got ? got : "none",
                     rows[i].want ? rows[i].want : "none");
    }
}

static err *load_file_of(str text)
{
    FILE *file = fopen(file_path, "w");
    assert_non_null(file);
    fwrite(text.ptr, 1, text.len, file);
    fclose(file);
    return conf_load_file(a, file_path);
}

static void files_are_read_as_a_shell_would(void **state)
{
    (void)state;
    static const struct {
        str line;
        const char *want;
    } rows[] = {
        {S("FAL_KEY=plain"),                      "plain"           },
        {S("export FAL_KEY=plain"),               "plain"           },
        {S("  FAL_KEY=plain  \r"),                "plain"           },
        {S("FAL_KEY=plain # comment"),            "plain"           },
        {S("FAL_KEY=a#b"),                        "a#b"             },
        {S("FAL_KEY=a=b:c"),                      "a=b:c"           },
        {S("FAL_KEY='a b $x \"#'"),               "a b $x \"#"      },
        {S("FAL_KEY=\"a b '\\$x\\\\ \\\" \\n\""), "a b '$x\\ \" \\n"},
        {S("FAL_KEY='a'\\''b'"),                  "a'b"             },
        {S("FAL_KEY=a\"b\"'c'"),                  "abc"             },
        {S("FAL_KEY='a' # 'b'"),                  "a"               },
        {S("FAL_API_KEY=alias"),                  "alias"           },
        {S("# FAL_KEY=x\n\n \nFAL_KEY=y\n#"),     "y"               },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsetenv("FAL_KEY");
        err *e = load_file_of(rows[i].line);
        if (e)
            fail_msg("row %zu: " STR_FMT, i, STR_ARG(e->message));
        assert_non_null(getenv("FAL_KEY"));
        assert_string_equal(getenv("FAL_KEY"), rows[i].want);
    }
}

static void files_with_mistakes_change_nothing(void **state)
{
    (void)state;
    static const struct {
        str text;
        const char *want;
    } rows[] = {
        {S("FAL_KYE=x"),                  "did you mean FAL_KEY?"},
        {S("NONSENSE_NAME_OF_NOTHING=x"), "is no setting"        },
        {S("FAL_KEY"),                    "expected NAME=value"  },
        {S("FAL_KEY = x"),                "without spaces"       },
        {S("=x"),                         "expected NAME=value"  },
        {S("FAL_KEY='x"),                 "not closed"           },
        {S("FAL_KEY=\"x"),                "not closed"           },
        {S("FAL_KEY=\"x\\\""),            "not closed"           },
        {S("FAL_KEY=a b"),                "quotes around"        },
        {S("FAL_KEY=$HOME"),              "single quotes"        },
        {S("FAL_KEY=\"$HOME\""),          "single quotes"        },
        {S("FAL_KEY=`id`"),               "single quotes"        },
        {S("FAL_KEY=a;b"),                "single quotes"        },
        {S("FAL_KEY=a&b"),                "single quotes"        },
        {S("FAL_KEY=a\nFAL_KEY=b"),       "set twice"            },
        {S("FAL_KEY=a\nFAL_API_KEY=b"),   "set twice"            },
        {S("FAL_KEY=a\0"),                "is no text"           },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsetenv("FAL_KEY");
        str text = str_printf(a, "OFFER_URL=https://x\n" STR_FMT "\n", STR_ARG(rows[i].text));
        if (memchr(rows[i].text.ptr, '\0', rows[i].text.len))
            text = rows[i].text;
        err *e = load_file_of(text);
        if (!e) {
            fail_msg("row %zu was taken", i);
            return;
        }
        if (!holds(e->message, rows[i].want))
            fail_msg("row %zu: " STR_FMT, i, STR_ARG(e->message));
        assert_true(str_starts(e->message, str_from(file_path)));
        assert_null(getenv("FAL_KEY"));
        assert_null(getenv("OFFER_URL"));
    }
    assert_int_equal(conf_load_file(a, "/nonexistent/aisha.env")->kind, ERR_NOT_FOUND);
    err *both = load_file_of(S("A=1\nFAL_KEY=a b\nFAL_KEY=x\n"));
    assert_non_null(both);
    assert_int_equal(count_lines(both->message), 2);
    assert_true(holds(both->message, ":1: ") && holds(both->message, ":2: "));
}

static void the_environment_wins_over_the_file(void **state)
{
    (void)state;
    setenv("FAL_API_KEY", "environment", 1);
    setenv("OFFER_URL", "", 1);
    assert_null(load_file_of(S("FAL_KEY=file\nHTTPS_PORT=1\nOFFER_URL=https://x\n")));
    assert_null(getenv("FAL_KEY"));
    assert_string_equal(getenv("HTTPS_PORT"), "1");
    assert_string_equal(getenv("OFFER_URL"), "https://x");
}

static void printing_masks_secrets(void **state)
{
    (void)state;
    struct conf conf;
    setenv("REDIS_URL", "redis://:hidden@localhost/0", 1);
    setenv("MINIO_REGION", "it's $here", 1);
    setenv("SUPPORT_URL", "https://t.me/@aisha", 1);
    assert_null(conf_load(a, &conf));
    struct buf b = buf_new(a);
    conf_print(&b, &conf);
    str text = buf_str(&b);
    static const char *const shown[] = {
        "TELEGRAM_TOKEN='***'\n",
        "DATABASE_URL='***'\n",
        "FAL_KEY=\n",
        "HTTPS_PORT=8443\n",
        "MINIO_SECURE=false\n",
        "FAL_FILE_HOSTS=fal.media\n",
        "REDIS_URL='redis://***@localhost/0'\n",
        "SUPPORT_URL=https://t.me/@aisha\n",
        "MINIO_REGION='it'\\''s $here'\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(shown); i++)
        if (!holds(text, shown[i]))
            fail_msg("%s is missing in " STR_FMT, shown[i], STR_ARG(text));
    static const char *const hidden[] = {"secret_part", "hidden", JWT, "callback-secret"};
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        assert_false(holds(text, hidden[i]));
}

/* Taken out of their comments the defaults load, and are what they say. */
static void printed_defaults_can_be_read_back(void **state)
{
    (void)state;
    struct buf b = buf_new(a), bare = buf_new(a);
    conf_print_defaults(&b);
    str left = buf_str(&b);
    for (bool has_more = true; has_more;) {
        str line;
        has_more = str_cut(left, '\n', &line, &left);
        if (str_starts(line, S("#")) && !str_starts(line, S("# "))) {
            buf_add(&bare, str_sub(line, 1, line.len));
            buf_add_char(&bare, '\n');
        }
    }
    struct conf before, after;
    assert_null(conf_load(a, &before));
    err *e = load_file_of(buf_str(&bare));
    if (e)
        fail_msg(STR_FMT, STR_ARG(e->message));
    assert_null(conf_load(a, &after));
    struct buf first = buf_new(a), second = buf_new(a);
    conf_print(&first, &before);
    conf_print(&second, &after);
    assert_str(buf_str(&second), buf_str(&first));
}

int main(void)
{
#define WITH_ENVIRONMENT(test)                                                                     \
    cmocka_unit_test_setup_teardown(test, set_least_environment, clean_up)
    const struct CMUnitTest tests[] = {
        WITH_ENVIRONMENT(defaults_fill_what_is_not_set),
        WITH_ENVIRONMENT(a_server_of_ones_own_hands_out_more),
        WITH_ENVIRONMENT(values_that_fit_are_taken),
        WITH_ENVIRONMENT(values_that_do_not_fit_are_named),
        WITH_ENVIRONMENT(all_mistakes_are_told_at_once),
        WITH_ENVIRONMENT(a_secret_is_not_shown_in_its_mistake),
        WITH_ENVIRONMENT(an_alias_will_do),
        WITH_ENVIRONMENT(settings_are_checked_together),
        WITH_ENVIRONMENT(values_arrive_in_their_fields),
        WITH_ENVIRONMENT(slips_are_recognised),
        WITH_ENVIRONMENT(files_are_read_as_a_shell_would),
        WITH_ENVIRONMENT(files_with_mistakes_change_nothing),
        WITH_ENVIRONMENT(the_environment_wins_over_the_file),
        WITH_ENVIRONMENT(printing_masks_secrets),
        WITH_ENVIRONMENT(printed_defaults_can_be_read_back),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
