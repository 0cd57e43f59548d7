/* The S3 signer, by vectors that three real servers accepted. */
#include "api/s3.h"

#include "tests/unit/with_arena.h"

static const int64_t NOON_MS = INT64_C(1749988800000); /* 2025-06-15 12:00:00 UTC */

static const struct s3 store = {
    .endpoint = {"127.0.0.1:9000",                          14},
    .region = {"us-east-1",                               9 },
    .access_key = {"AKTEST0000000000",                        16},
    .secret_key = {"sktest/with+chars0000000000000000000000", 39},
};

static void assert_text(str got, const char *want)
{
    assert_string_equal(cstr(a, got), want);
}

static void the_key_of_a_day(void **state)
{
    (void)state;
    assert_text(str_hex(a, s3_signing_key(a, &store, S("20250615"))),
                "7b233b323d7bff51a666a0df60b393583d745242ffe3993f901817c2684e0ae4");
}

static void a_put_with_a_key_that_needs_encoding(void **state)
{
    (void)state;
    const struct s3_field headers[] = {
        {S("content-type"), S("image/jpeg")},
        {{0},               {0}            }
    };
    const struct s3_call call = {.method = S("PUT"),
                                 .bucket = S("photos"),
                                 .key = S("user 7/ф+1.jpg"),
                                 .headers = headers,
                                 .payload_sha256 = s3_sha256(a, S("hello"))};
    struct s3_signed made;
    s3_sign(a, &store, &call, NOON_MS, &made);

    assert_text(made.url, "http://127.0.0.1:9000/photos/user%207/%D1%84%2B1.jpg");
    assert_text(made.amz_date, "20250615T120000Z");
    assert_text(made.canonical_request_sha256,
                "efc5c3978db6cc882a997e57f8116e845a796de23b0ff82a2cfe30918479edca");
    assert_text(made.signature, "11e70a76333531026bb5ba203703094e669e0b39568ae3c8ee0e4cb92049b155");
    assert_text(made.authorization,
                "AWS4-HMAC-SHA256 Credential=AKTEST0000000000/20250615/us-east-1/s3/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, "
                "Signature=11e70a76333531026bb5ba203703094e669e0b39568ae3c8ee0e4cb92049b155");
}

static void a_link(void **state)
{
    (void)state;
    const struct s3_call call = {
        .method = S("GET"), .bucket = S("photos"), .key = S("user 7/ф+1.jpg")};
    assert_text(
        s3_presign(a, &store, &call, 900, NOON_MS),
        "http://127.0.0.1:9000/photos/user%207/%D1%84%2B1.jpg"
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKTEST0000000000%2F20250615%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20250615T120000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=3349fc64ac562db11cbfa70d19fa3c60043e4fb2d1001d424ca7d8fe69a0558a");
}

static void a_link_lives_from_a_second_to_a_week(void **state)
{
    (void)state;
    static const struct {
        int64_t asked;
        const char *want;
    } rows[] = {
        {-1,        "X-Amz-Expires=1&"     },
        {0,         "X-Amz-Expires=1&"     },
        {1,         "X-Amz-Expires=1&"     },
        {604800,    "X-Amz-Expires=604800&"},
        {604801,    "X-Amz-Expires=604800&"},
        {INT64_MAX, "X-Amz-Expires=604800&"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t at;
        str link = s3_presign_get(a, &store, S("photos"), S("k"), rows[i].asked);
        assert_true(str_find(link, str_from(rows[i].want), &at));
    }
}

static void a_query_is_encoded_and_sorted(void **state)
{
    (void)state;
    const struct s3_field query[] = {
        {S("prefix"),    S("a b/ф+&=")},
        {S("list-type"), S("2")        },
        {S("delete"),    S("")         },
        {S("list type"), S("x")        },
        {{0},            {0}           }
    };
    const struct s3_call call = {.method = S("GET"),
                                 .bucket = S("photos"),
                                 .query = query,
                                 .payload_sha256 = s3_sha256(a, S(""))};
    struct s3_signed made;
    s3_sign(a, &store, &call, NOON_MS, &made);
    assert_text(made.url, "http://127.0.0.1:9000/photos"
                          "?delete=&list%20type=x&list-type=2&prefix=a%20b%2F%D1%84%2B%26%3D");
}

static void a_path_is_left_as_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *key, *want;
    } rows[] = {
        {"",         "https://s3.example/b"                 },
        {"a//b",     "https://s3.example/b/a//b"            },
        {"a/../b",   "https://s3.example/b/a/../b"          },
        {"a%20b",    "https://s3.example/b/a%2520b"         },
        {"~-._'()*", "https://s3.example/b/~-._%27%28%29%2A"},
    };
    const struct s3 other = {.endpoint = S("s3.example"),
                             .secure = true,
                             .region = S("eu"),
                             .access_key = S("k"),
                             .secret_key = S("s")};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct s3_call call = {.method = S("GET"),
                                     .bucket = S("b"),
                                     .key = str_from(rows[i].key),
                                     .payload_sha256 = S("UNSIGNED-PAYLOAD")};
        struct s3_signed made;
        s3_sign(a, &other, &call, NOON_MS, &made);
        assert_text(made.url, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_of_a_day),
        cmocka_unit_test(a_put_with_a_key_that_needs_encoding),
        cmocka_unit_test(a_link),
        cmocka_unit_test(a_link_lives_from_a_second_to_a_week),
        cmocka_unit_test(a_query_is_encoded_and_sorted),
        cmocka_unit_test(a_path_is_left_as_it_is),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
