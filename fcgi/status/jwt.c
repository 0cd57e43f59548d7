#include "status/jwt.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/json.h"

enum { CLOCKS_DIFFER_S = 60, MOST_TOKEN_BYTES = 1024 };

/* {"alg":"HS256","typ":"JWT"} */
#define HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"

static str signature(struct arena *a, str secret, str signed_part)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    const void *made = HMAC(EVP_sha256(), secret.ptr, (int)secret.len,
                            (const unsigned char *)signed_part.ptr, signed_part.len, digest,
                            &length);
    assert(made);
    return str_base64url(a, (str){(const char *)digest, length});
}

str jwt_make(struct arena *a, str secret, const struct jwt *claims)
{
    str payload = str_base64url(
        a, json_make(a, KV("sub", claims->admin_id), KV("sid", claims->session_id),
                     KV("iat", claims->issued_at_s), KV("exp", claims->expires_at_s)));
    str signed_part = str_printf(a, HEADER "." STR_FMT, STR_ARG(payload));
    return str_printf(a, STR_FMT "." STR_FMT, STR_ARG(signed_part),
                      STR_ARG(signature(a, secret, signed_part)));
}

/* Only what was signed with our secret gets as far as this. */
static bool read_claims(struct arena *a, str payload, struct jwt *out)
{
    str text;
    struct json_object *claims;
    if (!str_unbase64url(a, payload, &text) || json_parse(a, text, &claims))
        return false;
    out->session_id = json_str(claims, "sid");
    return json_i64(claims, "sub", &out->admin_id) && json_i64(claims, "iat", &out->issued_at_s) &&
           json_i64(claims, "exp", &out->expires_at_s) && str_is_uuid(out->session_id);
}

err *jwt_read(struct arena *a, str secret, str token, int64_t now_s, struct jwt *out)
{
    str header, rest, payload, given;
    if (token.len > MOST_TOKEN_BYTES || !str_cut(token, '.', &header, &rest) ||
        !str_cut(rest, '.', &payload, &given))
        return fail(a, ERR_REFUSED, "session: no token");
    if (!str_eq(header, S(HEADER)))
        return fail(a, ERR_REFUSED, "session: a token of another make");

    str signed_part = str_sub(token, 0, header.len + 1 + payload.len);
    if (!str_same_secret(given, signature(a, secret, signed_part)))
        return fail(a, ERR_REFUSED, "session: a token that we did not sign");

    struct jwt claims;
    if (!read_claims(a, payload, &claims))
        return fail(a, ERR_REFUSED, "session: a token without its claims");
    if (claims.expires_at_s <= now_s)
        return fail(a, ERR_REFUSED, "session: the token is over");
    if (claims.issued_at_s > now_s + CLOCKS_DIFFER_S)
        return fail(a, ERR_REFUSED, "session: the token comes from the future");
    *out = claims;
    return NULL;
}
