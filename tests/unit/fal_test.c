/* FAL's signatures, the shapes of its failures, callbacks and results. */
#include "api/fal.h"

#include "tests/unit/with_arena.h"

static struct json_object *parsed(const char *text)
{
    struct json_object *tree;
    err *e = json_parse(a, str_from(text), &tree);
    assert_null(e);
    return tree;
}

/* -- signatures -- */

static const int64_t SIGNED_AT = 1750000000;
static const char signed_body[] = "{\"request_id\":\"r-1\",\"gateway_request_id\":\"r-1\","
                                  "\"status\":\"OK\",\"payload\":{\"images\":[]},\"error\":null}";
static const char signature[] = "640a3866fd90ece985fc6dc30a454e9a37c71f9acaa4101da828ebe3c4b48d62"
                                "ab44dca592f5edad632f5d6f02997d61b8aaf1faecae8c99d3c22b8399e88b09";

#define RIGHT_KEY                                                                                  \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg\"}"
#define OTHER_KEY                                                                                  \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"

struct verify_row {
    const char *keys, *request_id, *user_id, *timestamp, *signature, *body;
    int64_t late_seconds;
    enum fal_verdict want;
};

/* What is not named in a row is as it should be. */
static enum fal_verdict verdict_of(const struct verify_row *row)
{
    const struct fal_signature headers = {
        .request_id = str_from(row->request_id ? row->request_id : "r-1"),
        .user_id = str_from(row->user_id ? row->user_id : "user-7"),
        .timestamp = str_from(row->timestamp ? row->timestamp : "1750000000"),
        .signature = str_from(row->signature ? row->signature : signature),
    };
    const char *keys = row->keys ? row->keys : "{\"keys\":[" RIGHT_KEY "]}";
    return fal_verify(a, parsed(keys), &headers, str_from(row->body ? row->body : signed_body),
                      (SIGNED_AT + row->late_seconds) * 1000);
}

static void signatures_are_judged(void **state)
{
    (void)state;
    static const struct verify_row rows[] = {
        {.want = FAL_GENUINE   },
        { .late_seconds = 300,   .want = FAL_GENUINE},
        { .late_seconds = -300,   .want = FAL_GENUINE},
        { .late_seconds = 301,     .want = FAL_STALE},
        { .late_seconds = -301,     .want = FAL_STALE},
        { .keys = "{\"keys\":[" OTHER_KEY "," RIGHT_KEY "]}",   .want = FAL_GENUINE},
        { .keys = "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"x\"},7,null," RIGHT_KEY "]}",
         .want = FAL_GENUINE},
        {    .keys = "{\"keys\":[" OTHER_KEY "]}",   .want = FAL_FOREIGN},
        { .keys = "{\"keys\":[]}",   .want = FAL_FOREIGN},
        { .keys = "{\"keys\":{}}",   .want = FAL_FOREIGN},
        { .keys = "[]",   .want = FAL_FOREIGN},
        { .keys = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}",
         .want = FAL_FOREIGN},
        {    .keys = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\"}]}",
         .want = FAL_FOREIGN},
        {    .request_id = "r-2",   .want = FAL_FOREIGN},
        { .user_id = "user-8",   .want = FAL_FOREIGN},
        { .user_id = "",   .want = FAL_FOREIGN},
        { .timestamp = "1750000001",   .want = FAL_FOREIGN},
        { .body = "{}",   .want = FAL_FOREIGN},
        { .body = "",   .want = FAL_FOREIGN},
        { .request_id = "", .want = FAL_MALFORMED},
        { .timestamp = "", .want = FAL_MALFORMED},
        { .timestamp = "yesterday", .want = FAL_MALFORMED},
        { .timestamp = "-9223372036854775807", .want = FAL_MALFORMED},
        { .timestamp = "9223372036854775807",     .want = FAL_STALE},
        { .timestamp = "99999999999999999999", .want = FAL_MALFORMED},
        { .signature = "", .want = FAL_MALFORMED},
        { .signature = "640a", .want = FAL_MALFORMED},
        { .signature = "not hex", .want = FAL_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(verdict_of(&rows[i]), rows[i].want);
}

static void every_changed_digit_of_a_signature_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof signature - 1; i++) {
        char changed[sizeof signature];
        memcpy(changed, signature, sizeof changed);
        changed[i] = changed[i] == '0' ? '1' : '0';
        const struct verify_row row = {.signature = changed};
        assert_int_equal(verdict_of(&row), FAL_FOREIGN);
    }
}

/* -- failures -- */

static void failures_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        int64_t status;
        const char *body;
        enum fal_failure_kind want;
        const char *type;
    } rows[] = {
        {422,
         "{\"detail\":[{\"loc\":[\"body\",\"prompt\"],\"msg\":\"no\",\"type\":\"content_policy_violation\"}]}",
         FAL_FAILURE_SAFETY,                                                                                                          "content_policy_violation"},
        {0,   "{\"detail\":[{\"msg\":\"no\",\"type\":\"content_policy_violation\"}]}",
         FAL_FAILURE_SAFETY,                                                                                                          "content_policy_violation"},
        {422, "{\"detail\":[{\"msg\":\"Field required\",\"type\":\"missing\"}]}",                               FAL_FAILURE_INPUT,
         "missing"                                                                                                                                              },
        {0,   "{\"detail\":[{\"msg\":\"?\",\"type\":\"a_type_of_tomorrow\"}]}",                                 FAL_FAILURE_INPUT,
         "a_type_of_tomorrow"                                                                                                                                   },
        {500, "{\"detail\":[{\"msg\":\"?\",\"type\":\"a_type_of_tomorrow\"}]}",
         FAL_FAILURE_UPSTREAM,                                                                                                        "a_type_of_tomorrow"      },
        {422, "{\"detail\":[{\"msg\":\"content policy is fine\",\"type\":\"image_too_large\"}]}",
         FAL_FAILURE_INPUT,                                                                                                           "image_too_large"         },
        {422, "{\"detail\":[{\"msg\":\"?\",\"type\":\"no_media_generated\"}]}",
         FAL_FAILURE_UPSTREAM,                                                                                                        "no_media_generated"      },
        {422, "{\"detail\":\"Images were filtered by safety checks.\"}",                                        FAL_FAILURE_SAFETY,   ""                        },
        {422, "{\"detail\":\"num_images is odd\"}",                                                             FAL_FAILURE_INPUT,    ""                        },
        {504, "{\"detail\":\"Request timed out\",\"error_type\":\"request_timeout\"}",
         FAL_FAILURE_UPSTREAM,                                                                                                        "request_timeout"         },
        {499, "{\"detail\":\"cancelled\",\"error_type\":\"client_cancelled\"}",
         FAL_FAILURE_CANCELLED,                                                                                                       "client_cancelled"        },
        {401, "{\"detail\":\"Invalid Key\"}",                                                                   FAL_FAILURE_ACCESS,   ""                        },
        {403, "{}",                                                                                             FAL_FAILURE_ACCESS,   ""                        },
        {500, "{}",                                                                                             FAL_FAILURE_UPSTREAM, ""                        },
        {429, "{}",                                                                                             FAL_FAILURE_UPSTREAM, ""                        },
        {0,   "{}",                                                                                             FAL_FAILURE_UPSTREAM, ""                        },
        {0,   "[]",                                                                                             FAL_FAILURE_UPSTREAM, ""                        },
        {422, "{\"detail\":[]}",                                                                                FAL_FAILURE_INPUT,    ""                        },
        {422, "{\"detail\":[7]}",                                                                               FAL_FAILURE_INPUT,    ""                        },
        {422, "{\"detail\":{\"type\":\"content_policy_violation\"}}",                                           FAL_FAILURE_INPUT,    ""                        },
        {502, "<html>bad gateway</html>",                                                                       FAL_FAILURE_UPSTREAM, ""                        },
        {0,   "",                                                                                               FAL_FAILURE_UPSTREAM, ""                        },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fal_failure failure;
        fal_failure_from(a, (int)rows[i].status, str_from(rows[i].body), &failure);
        assert_int_equal(failure.kind, rows[i].want);
        assert_string_equal(cstr(a, failure.type), rows[i].type);
    }
}

/* -- callbacks -- */

static void callbacks_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool is_callback, is_ok;
        enum fal_failure_kind kind;
    } rows[] = {
        {signed_body,                                                                                   true,  true,  0                    },
        {"{\"request_id\":\"r\",\"status\":\"ERROR\",\"error\":\"Invalid status code: 422\","
         "\"payload\":{\"detail\":[{\"type\":\"content_policy_violation\",\"msg\":\"no\"}]}}", true,  false, FAL_FAILURE_SAFETY   },
        {"{\"request_id\":\"r\",\"status\":\"ERROR\",\"error\":\"Invalid status code: 422\","
         "\"payload\":{\"detail\":\"odd\"}}",                                                  true,  false, FAL_FAILURE_INPUT    },
        {"{\"request_id\":\"r\",\"status\":\"ERROR\",\"error\":\"Invalid status code: 503\","
         "\"payload\":null}",                                                                  true,  false, FAL_FAILURE_UPSTREAM },
        {"{\"request_id\":\"r\",\"status\":\"ERROR\",\"error\":\"gone\",\"payload\":null,"
         "\"error_type\":\"client_cancelled\"}",                                               true,  false, FAL_FAILURE_CANCELLED},
        {"{\"request_id\":\"r\",\"status\":\"ERROR\"}",                                                 true,  false, FAL_FAILURE_UPSTREAM },
        {"{\"request_id\":\"r\",\"status\":\"OK\",\"payload\":null,\"payload_error\":\"x\"}",           true,
         true,                                                                                                        0                    },
        {"{\"request_id\":\"\",\"status\":\"OK\"}",                                                     false, false, 0                    },
        {"{\"request_id\":7,\"status\":\"OK\"}",                                                        false, false, 0                    },
        {"{\"request_id\":\"r\",\"status\":\"COMPLETED\"}",                                             false, false, 0                    },
        {"{\"request_id\":\"r\"}",                                                                      false, false, 0                    },
        {"{}",                                                                                          false, false, 0                    },
        {"[]",                                                                                          false, false, 0                    },
        {"null",                                                                                        false, false, 0                    },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fal_outcome outcome;
        err *e = fal_callback_parse(a, parsed(rows[i].body), &outcome);
        assert_int_equal(e == NULL, rows[i].is_callback);
        if (e) {
            assert_int_equal(e->kind, ERR_INPUT);
            continue;
        }
        assert_int_equal(outcome.is_ok, rows[i].is_ok);
        if (!outcome.is_ok)
            assert_int_equal(outcome.failure.kind, rows[i].kind);
    }
}

/* -- results -- */

static void images_are_read(void **state)
{
    (void)state;
    struct fal_images images;
    err *e = fal_images_parse(
        a,
        parsed(
            "{\"images\":[{\"url\":\"https://v3.fal.media/1.png\",\"content_type\":\"image/png\","
            "\"width\":1408,\"height\":768},{\"url\":\"https://v3.fal.media/2.png\"}],"
            "\"has_nsfw_concepts\":[false,true],\"seed\":987654321012345678,"
            "\"description\":\"two\"}"),
        &images);
    assert_null(e);
    assert_int_equal(images.count, 2);
    assert_string_equal(cstr(a, images.items[0].url), "https://v3.fal.media/1.png");
    assert_string_equal(cstr(a, images.items[0].content_type), "image/png");
    assert_int_equal(images.items[0].width, 1408);
    assert_int_equal(images.items[0].height, 768);
    assert_false(images.items[0].has_nsfw);
    assert_int_equal(images.items[1].width, 0);
    assert_true(images.items[1].has_nsfw);
    assert_true(images.has_seed);
    assert_true(images.seed == INT64_C(987654321012345678));
    assert_string_equal(cstr(a, images.description), "two");
}

static void seeds_that_do_not_fit_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *seed;
        bool has_seed;
    } rows[] = {
        {"0",                    true },
        {"9223372036854775807",  true },
        {"9223372036854775808",  false},
        {"18446744073709551615", false},
        {"1.5",                  false},
        {"\"7\"",                false},
        {"null",                 false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fal_images images;
        str text = str_printf(a, "{\"images\":[{\"url\":\"u\"}],\"seed\":%s}", rows[i].seed);
        err *e = fal_images_parse(a, parsed(cstr(a, text)), &images);
        assert_null(e);
        assert_int_equal(images.has_seed, rows[i].has_seed);
    }
}

static void a_result_without_images_is_an_error(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "[]",
        "null",
        "{\"images\":[]}",
        "{\"images\":{}}",
        "{\"images\":null}",
        "{\"images\":[{}]}",
        "{\"images\":[{\"url\":7}]}",
        "{\"images\":[{\"url\":\"\"}]}",
        "{\"images\":[\"https://v3.fal.media/1.png\"]}",
        "{\"images\":[{\"url\":\"https://v3.fal.media/1.png\"},{}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fal_images images;
        err *e = fal_images_parse(a, parsed(rows[i]), &images);
        assert_non_null(e);
        assert_int_equal(e->kind, ERR_UPSTREAM);
    }
}

/* -- trainings -- */

#define LORA_URL   "https://v3.fal.media/files/a/lora.safetensors"
#define CONFIG_URL "https://v3.fal.media/files/a/config.json"

static void trainings_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        int64_t size_bytes;
        bool has_config;
    } rows[] = {
        {"{\"diffusers_lora_file\":{\"url\":\"" LORA_URL "\",\"file_size\":89745224},"
         "\"config_file\":{\"url\":\"" CONFIG_URL "\",\"file_size\":450}}",
         89745224,                                                                                      true },
        {"{\"diffusers_lora_file\":\"" LORA_URL "\",\"config_file\":\"" CONFIG_URL "\"}",            0, true },
        {"{\"diffusers_lora_file_url\":\"" LORA_URL "\",\"config_file_url\":\"" CONFIG_URL "\"}",    0,
         true                                                                                                },
        {"{\"files\":[{\"type\":\"config\",\"url\":\"" CONFIG_URL "\"},"
         "{\"type\":\"LoRA\",\"url\":\"" LORA_URL "\",\"file_size\":7}]}",
         7,                                                                                             true },
        {"{\"files\":[7,null,{\"file_name\":\"config.json\",\"url\":\"" CONFIG_URL "\"},"
         "{\"file_name\":\"pytorch_lora_weights.safetensors\",\"url\":\"" LORA_URL "\"}]}",
         0,                                                                                             true },
        {"{\"diffusers_lora_file\":{\"url\":\"" LORA_URL "\"},\"config_file\":null}",                0, false},
        {"{\"diffusers_lora_file\":{\"url\":\"" LORA_URL "\"},\"config_file\":{\"url\":\"?\"},"
         "\"debug_preprocessed_output\":null}",                                             0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fal_training training;
        err *e = fal_training_parse(a, parsed(rows[i].payload), &training);
        assert_null(e);
        assert_str(training.lora.url, S(LORA_URL));
        assert_int_equal(training.lora.size_bytes, rows[i].size_bytes);
        assert_str(training.config.url, rows[i].has_config ? S(CONFIG_URL) : S(""));
    }
}

static void a_training_without_a_lora_is_an_error(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "[]",
        "null",
        "{\"config_file\":{\"url\":\"" CONFIG_URL "\"}}",
        "{\"diffusers_lora_file\":null}",
        "{\"diffusers_lora_file\":\"\"}",
        "{\"diffusers_lora_file\":{\"url\":\"\"}}",
        "{\"diffusers_lora_file\":{\"url\":7}}",
        "{\"diffusers_lora_file\":{\"file_name\":\"lora.safetensors\"}}",
        "{\"diffusers_lora_file\":\"lora.safetensors\"}",
        "{\"diffusers_lora_file\":[\"" LORA_URL "\"]}",
        "{\"files\":[]}",
        "{\"files\":{}}",
        "{\"files\":[\"" LORA_URL "\"]}",
        "{\"files\":[{\"type\":\"config\",\"url\":\"" CONFIG_URL "\"}]}",
        "{\"finetune_id\":\"8f2a\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fal_training training;
        err *e = fal_training_parse(a, parsed(rows[i]), &training);
        assert_non_null(e);
        assert_int_equal(e->kind, ERR_UPSTREAM);
    }
}

static int progress_of(const char *const *messages, size_t count)
{
    int percent;
    struct fal_log *logs = NEW_ARRAY(a, struct fal_log, count + 1);
    for (size_t i = 0; i < count; i++)
        logs[i].message = str_from(messages[i]);
    const struct fal_status status = {.phase = FAL_RUNNING, .logs = logs, .log_count = count};
    fal_training_progress(&status, &percent);
    return percent;
}

static void a_line_tells_how_far_a_training_is(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        int want;
    } rows[] = {
        {"45%|████▌     | 450/1000 [02:11<02:40,  3.43it/s]",                            45 },
        {" 45%|####5     | 450/1000 [02:11<02:40,  3.43it/s, loss=0.31]",                          45 },
        {"  0%|          | 0/1000 [00:00<?, ?it/s]",                                               0  },
        {"100%|██████████| 1000/1000 [04:51<00:00,  3.43it/s]",                100},
        {"TOK_8f2a01bc:   9%|▉         | 90/1000 [00:26<04:25, lr: 2.0e-04 loss: 0.3]",          9  },
        {"Training:  45%|####      | 450/1000",                                                    45 },
        {"45.7%|####",                                                                             45 },
        {"step 450/1000",                                                                          45 },
        {"Step: 450 / 1000",                                                                       45 },
        {"Steps 450 of 1000, loss 0.3",                                                            45 },
        {"INFO training step=999/1000",                                                            99 },
        {"Training: 45%",                                                                          45 },
        {"training progress: 45.9 %",                                                              -1 },
        {"progress = 45.9%",                                                                       45 },
        {"Training 450/2500 steps",                                                                18 },
        {"  1%|          | 10/1000\r  2%|▏         | 20/1000\r  3%|▎         | 30/1000\r",     3  },
        {"  1%|          | 10/1000\rcheckpoint",                                                   1  },
        {"",                                                                                       -1 },
        {"Training",                                                                               -1 },
        {"Training 12 images",                                                                     -1 },
        {"training: 101%",                                                                         -1 },
        {"training: %",                                                                            -1 },
        {"training: -5%",                                                                          -1 },
        {"step 1001/1000",                                                                         -1 },
        {"step 450/0",                                                                             -1 },
        {"step 450/",                                                                              -1 },
        {"step 99999999999999999999/1000",                                                         -1 },
        {"Step 2/4: captions",                                                                     -1 },
        {"timestep 450/1000",                                                                      -1 },
        {"GPU memory 87% used",                                                                    -1 },
        {"%|",                                                                                     -1 },
        {"%|%|%|",                                                                                 -1 },
        {"999%|####| 450/1000",                                                                    -1 },
        {"Loading pipeline components...: 100%|██████████| 7/7 [00:02<00:00]", -1 },
        {"Fetching 26 files: 100%|██████████| 26/26 [00:31<00:00]",            -1 },
        {"Captioning:  50%|█████     | 6/12 [00:04<00:04]",                              -1 },
        {"Caching latents to disk: 100%|██████████| 120/120 [00:04<00:00]",    -1 },
        {"100%|██████████| 12/12 [00:04<00:00]",                               -1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (progress_of(&rows[i].message, 1) != rows[i].want)
            fail_msg("%s", rows[i].message);
}

static void the_newest_line_that_tells_wins(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "Downloading the archive",
        "Captioning: 100%|##########| 12/12",
        "  0%|          | 0/1000 [00:00<?, ?it/s]",
        " 25%|##5       | 250/1000 [01:11<03:40,  3.43it/s]",
        " 24%|##4       | 240/1000 [01:11<03:40,  3.43it/s]",
        "saved a checkpoint",
        "Saving: 100%|##########| 3/3",
    };
    assert_int_equal(progress_of(rows, 0), -1);
    assert_int_equal(progress_of(rows, 2), -1);
    assert_int_equal(progress_of(rows, 3), 0);
    assert_int_equal(progress_of(rows, 4), 25);
    assert_int_equal(progress_of(rows, ARRAY_LEN(rows)), 24);
}

/* -- addresses that must be refused before anything is sent -- */

static const struct fal fal = {
    .key = {"secret",                                    6 },
    .queue_url = {"https://queue.fal.run",                     21},
    .rest_url = {"https://rest.fal.ai",                       19},
    .jwks_url = {"https://rest.fal.ai/.well-known/jwks.json", 41},
    .file_hosts = {"fal.media, cdn.example",                    22},
};

static void the_key_goes_nowhere_else(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "https://queue.fal.run.evil.example/fal-ai/x/requests/1",
        "https://evil.example/fal-ai/x/requests/1",
        "http://queue.fal.run/fal-ai/x/requests/1",
        "https://queue.fal.run:8443/fal-ai/x/requests/1",
        "https://queue.fal.run@evil.example/x",
        "file:///etc/passwd",
        "/fal-ai/x/requests/1",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fal_status status;
        struct fal_outcome outcome;
        enum fal_cancelled cancelled;
        str raw, url = str_from(rows[i]);
        err *e = fal_status(a, &fal, url, &status);
        assert_true(e && e->kind == ERR_INPUT);
        e = fal_result(a, &fal, url, &outcome, &raw);
        assert_true(e && e->kind == ERR_INPUT);
        e = fal_cancel(a, &fal, url, &cancelled);
        assert_true(e && e->kind == ERR_INPUT);
    }
}

static void files_come_from_listed_hosts_only(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "https://evil.example/1.png",
        "https://notfal.media/1.png",
        "https://fal.media.evil.example/1.png",
        "https://evil.example/fal.media",
        "https://fal.media@evil.example/1.png",
        "http://v3.fal.media/1.png",
        "ftp://v3.fal.media/1.png",
        "https://169.254.169.254/latest",
        "https://example/1.png",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fal_file file;
        err *e = fal_fetch_file(a, &fal, str_from(rows[i]), 1 << 20, &file);
        assert_non_null(e);
        assert_int_equal(e->kind, ERR_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_judged),
        cmocka_unit_test(every_changed_digit_of_a_signature_is_noticed),
        cmocka_unit_test(failures_are_told_apart),
        cmocka_unit_test(callbacks_are_taken_apart),
        cmocka_unit_test(images_are_read),
        cmocka_unit_test(seeds_that_do_not_fit_are_none),
        cmocka_unit_test(a_result_without_images_is_an_error),
        cmocka_unit_test(trainings_are_read),
        cmocka_unit_test(a_training_without_a_lora_is_an_error),
        cmocka_unit_test(a_line_tells_how_far_a_training_is),
        cmocka_unit_test(the_newest_line_that_tells_wins),
        cmocka_unit_test(the_key_goes_nowhere_else),
        cmocka_unit_test(files_come_from_listed_hosts_only),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
