/* The token of an admin's session: what is believed and what is not. */
#include "status/jwt.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "tests/unit/with_arena.h"

#undef fail

#define SECRET  "0123456789abcdef0123456789abcdef"
#define SESSION "2d48a88b-6e12-413d-ad43-5e4377d933ea"

enum { ISSUED = 1795252057, EXPIRES = ISSUED + 900 };

static str good_token(void)
{
    return jwt_make(a, S(SECRET), &(struct jwt){1001, S(SESSION), ISSUED, EXPIRES});
}

static bool is_believed(str token, int64_t now_s)
{
    struct jwt out = {0};
    const err *e = jwt_read(a, S(SECRET), token, now_s, &out);
    if (e)
        assert_int_equal(e->kind, ERR_REFUSED);
    assert_int_equal(e == NULL, out.admin_id != 0); /* nothing is written when it is refused */
    return e == NULL;
}

static void what_was_signed_is_read(void **state)
{
    (void)state;
    struct jwt out;
    assert_null(jwt_read(a, S(SECRET), good_token(), ISSUED + 5, &out));
    assert_int_equal(out.admin_id, 1001);
    assert_true(str_eq(out.session_id, S(SESSION)));
    assert_int_equal(out.issued_at_s, ISSUED);
    assert_int_equal(out.expires_at_s, EXPIRES);
}

static void time_ends_it(void **state)
{
    (void)state;
    static const struct {
        int64_t now_s;
        bool want;
    } rows[] = {
        {ISSUED - 61, false}, /* the future; a minute is the difference of clocks */
        {ISSUED - 60, true },
        {ISSUED,      true },
        {EXPIRES - 1, true },
        {EXPIRES,     false},
        {EXPIRES + 1, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(is_believed(good_token(), rows[i].now_s), rows[i].want);
}

/* Well signed with our secret: only the header is another. */
static str signed_under(const char *header, const char *claims)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    str payload = str_base64url(a, str_from(claims));
    str text = str_printf(a, STR_FMT "." STR_FMT, STR_ARG(str_base64url(a, str_from(header))),
                          STR_ARG(payload));
    HMAC(EVP_sha256(), SECRET, sizeof SECRET - 1, (const unsigned char *)text.ptr, text.len, digest,
         &length);
    str signature = str_base64url(a, (str){(const char *)digest, length});
    return str_printf(a, STR_FMT "." STR_FMT, STR_ARG(text), STR_ARG(signature));
}

/* Another implementation of the same: what libjwt has made is signed as HMAC of OpenSSL would sign it. */
static void another_implementation_agrees(void **state)
{
    (void)state;
    str header, rest, payload, signature, head, claims;
    str_cut(good_token(), '.', &header, &rest);
    str_cut(rest, '.', &payload, &signature);
    assert_true(str_unbase64url(a, header, &head));
    assert_true(str_unbase64url(a, payload, &claims));
    str own = signed_under(cstr(a, head), cstr(a, claims));
    assert_true(str_ends(own, str_printf(a, "." STR_FMT, STR_ARG(signature))));
    static const char *const parts[] = {"\"sub\":1001", "\"sid\":\"" SESSION "\"",
                                        "\"iat\":1795252057", "\"exp\":1795252957"};
    size_t at;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        assert_true(str_find(claims, str_from(parts[i]), &at));
}

#define CLAIMS     "{\"sub\":1001,\"sid\":\"" SESSION "\",\"iat\":1795252057,\"exp\":1795252957}"
#define OUR_HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static void other_algorithms_are_not_looked_at(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"typ\":\"JWT\"}",
        "{\"alg\":\"None\"}",
        "{\"alg\":\"HS512\",\"typ\":\"JWT\"}",
        "{\"alg\":\"RS256\",\"typ\":\"JWT\"}",
        "{}",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        assert_false(is_believed(signed_under(headers[i], CLAIMS), ISSUED));
}

/* The classic: no algorithm, no signature. */
static void an_unsigned_token_is_refused(void **state)
{
    (void)state;
    str signed_one = signed_under("{\"alg\":\"none\"}", CLAIMS);
    size_t end = signed_one.len;
    while (signed_one.ptr[end - 1] != '.')
        end--;
    assert_false(is_believed(str_sub(signed_one, 0, end), ISSUED));
    assert_false(is_believed(str_sub(signed_one, 0, end - 1), ISSUED));
}

static void every_claim_is_needed(void **state)
{
    (void)state;
    static const char *const claims[] = {
        "",
        "[]",
        "{}",
        "null",
        "{\"sub\":1001,\"sid\":\"" SESSION "\",\"iat\":1795252057}",
        "{\"sub\":1001,\"sid\":\"" SESSION "\",\"exp\":1795252957}",
        "{\"sub\":1001,\"iat\":1795252057,\"exp\":1795252957}",
        "{\"sid\":\"" SESSION "\",\"iat\":1795252057,\"exp\":1795252957}",
        "{\"sub\":\"1001\",\"sid\":\"" SESSION "\",\"iat\":1795252057,\"exp\":1795252957}",
        "{\"sub\":1001,\"sid\":\"" SESSION "\",\"iat\":1795252057,\"exp\":1e99}",
        CLAIMS "x",
    };
    for (size_t i = 0; i < ARRAY_LEN(claims); i++)
        assert_false(is_believed(signed_under(OUR_HEADER, claims[i]), ISSUED));
    assert_true(is_believed(signed_under(OUR_HEADER, CLAIMS), ISSUED));
}

static void every_changed_byte_is_noticed(void **state)
{
    (void)state;
    str token = good_token();
    for (size_t i = 0; i < token.len; i++) {
        char *changed = NEW_ARRAY(a, char, token.len);
        memcpy(changed, token.ptr, token.len);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(is_believed((str){changed, token.len}, ISSUED));
    }
    for (size_t length = 0; length < token.len; length++)
        assert_false(is_believed(str_sub(token, 0, length), ISSUED));
}

static void what_is_no_token_is_refused(void **state)
{
    (void)state;
    char *long_text = NEW_ARRAY(a, char, 5000);
    memset(long_text, '.', 5000);
    const str rows[] = {
        {0    },
        S(""),
        S("."),
        S(".."),
        S("..."),
        S("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"),
        S("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."),
        S("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.."),
        str_printf(a, STR_FMT ".", STR_ARG(good_token())),
        str_printf(a, " " STR_FMT, STR_ARG(good_token())),
        { long_text, 5000},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_false(is_believed(rows[i], ISSUED));
}

static void another_secret_does_not_open_it(void **state)
{
    (void)state;
    struct jwt out;
    assert_non_null(
        jwt_read(a, S("another secret of thirty-two bytes!"), good_token(), ISSUED, &out));
    assert_non_null(jwt_read(a, S(""), good_token(), ISSUED, &out));
}

static void a_session_has_to_be_named_by_a_uuid(void **state)
{
    (void)state;
    static const char *const names[] = {"", "1", "' or true --",
                                        "2d48a88b6e12413dad435e4377d933ea"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_false(is_believed(
            jwt_make(a, S(SECRET), &(struct jwt){1001, str_from(names[i]), ISSUED, EXPIRES}),
            ISSUED));
}

int main(void)
{
#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, make_arena, free_arena)
    const struct CMUnitTest tests[] = {
        WITH_ARENA(what_was_signed_is_read),
        WITH_ARENA(another_implementation_agrees),
        WITH_ARENA(time_ends_it),
        WITH_ARENA(other_algorithms_are_not_looked_at),
        WITH_ARENA(an_unsigned_token_is_refused),
        WITH_ARENA(every_claim_is_needed),
        WITH_ARENA(every_changed_byte_is_noticed),
        WITH_ARENA(what_is_no_token_is_refused),
        WITH_ARENA(another_secret_does_not_open_it),
        WITH_ARENA(a_session_has_to_be_named_by_a_uuid),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
