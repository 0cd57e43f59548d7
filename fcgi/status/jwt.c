#include "status/jwt.h"

#include <jwt.h>

enum { CLOCKS_DIFFER_S = 60, MOST_TOKEN_BYTES = 1024 };

static void close_token(void *token)
{
    jwt_free(token);
}

static void close_text(void *text)
{
    free(text);
}

str jwt_make(struct arena *a, str secret, const struct jwt *claims)
{
    jwt_t *token = NULL;
    int refused = jwt_new(&token);
    assert(!refused && token);
    arena_defer(a, close_token, token);
    refused = jwt_set_alg(token, JWT_ALG_HS256, (const unsigned char *)secret.ptr, (int)secret.len);
    refused |= jwt_add_grant_int(token, "sub", claims->admin_id);
    refused |= jwt_add_grant(token, "sid", cstr(a, claims->session_id));
    refused |= jwt_add_grant_int(token, "iat", claims->issued_at_s);
    refused |= jwt_add_grant_int(token, "exp", claims->expires_at_s);
    char *text = refused ? NULL : jwt_encode_str(token);
    assert(text);
    arena_defer(a, close_text, text);
    return str_from(text);
}

/* Only what was signed with our secret gets as far as this. */
static bool read_claims(jwt_t *token, struct jwt *out)
{
    out->session_id = str_from(jwt_get_grant(token, "sid"));
    out->admin_id = jwt_get_grant_int(token, "sub");
    out->issued_at_s = jwt_get_grant_int(token, "iat");
    out->expires_at_s = jwt_get_grant_int(token, "exp");
    return out->admin_id > 0 && out->issued_at_s > 0 && out->expires_at_s > 0 &&
           str_is_uuid(out->session_id);
}

err *jwt_read(struct arena *a, str secret, str text, int64_t now_s, struct jwt *out)
{
    jwt_t *token = NULL;
    if (str_empty(text) || text.len > MOST_TOKEN_BYTES || memchr(text.ptr, '\0', text.len))
        return fail(a, ERR_REFUSED, "session: no token");
    if (jwt_decode(&token, cstr(a, text), (const unsigned char *)secret.ptr, (int)secret.len) ||
        !token)
        return fail(a, ERR_REFUSED, "session: a token that we did not sign");
    arena_defer(a, close_token, token);
    if (jwt_get_alg(token) != JWT_ALG_HS256)
        return fail(a, ERR_REFUSED, "session: a token of another make");

    struct jwt claims;
    if (!read_claims(token, &claims))
        return fail(a, ERR_REFUSED, "session: a token without its claims");
    if (claims.expires_at_s <= now_s)
        return fail(a, ERR_REFUSED, "session: the token is over");
    if (claims.issued_at_s > now_s + CLOCKS_DIFFER_S)
        return fail(a, ERR_REFUSED, "session: the token comes from the future");
    *out = claims;
    return NULL;
}
