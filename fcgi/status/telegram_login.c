#include "status/telegram_login.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

enum { FRESH_S = 5 * 60, CLOCKS_DIFFER_S = 60, MOST_FIELD_BYTES = 500 };

/* In the order of their names, as they are signed; hash stands apart. */
static const char *const names[] = {
    "auth_date", "first_name", "id", "last_name", "photo_url", "username",
};

str telegram_login_url(const struct conf *conf, int64_t bot_id, struct arena *a)
{
    if (str_empty(conf->public_url))
        return S("");
    str origin = str_percent(a, conf->public_url, false);
    return str_printf(a,
                      "https://oauth.telegram.org/auth?bot_id=%" PRId64 "&origin=" STR_FMT
                      "&return_to=" STR_FMT "%%2Fstatus%%2Flogin%%2Ftelegram",
                      bot_id, STR_ARG(origin), STR_ARG(origin));
}

const struct kv *telegram_login_fields(const struct request *r,
                                       str (*get)(const struct request *r, const char *name))
{
    struct kv *fields = NEW_ARRAY(r->arena, struct kv, ARRAY_LEN(names) + 2);
    size_t count = 0;
    for (size_t i = 0; i <= ARRAY_LEN(names); i++) {
        const char *name = i < ARRAY_LEN(names) ? names[i] : "hash";
        str value = get(r, name);
        if (!str_empty(value) && value.len <= MOST_FIELD_BYTES)
            fields[count++] = KV(name, value);
    }
    return fields;
}

static str field(const struct kv *fields, const char *name)
{
    for (; fields->name; fields++)
        if (strcmp(fields->name, name) == 0)
            return fields->value.string;
    return S("");
}

static str signature(struct arena *a, str token, const struct kv *fields)
{
    struct buf text = buf_new(a);
    for (; fields->name; fields++) {
        if (strcmp(fields->name, "hash") == 0)
            continue;
        buf_addf(&text, "%s%s=" STR_FMT, text.len ? "\n" : "", fields->name,
                 STR_ARG(fields->value.string));
    }
    unsigned char key[SHA256_DIGEST_LENGTH], digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    SHA256((const unsigned char *)token.ptr, token.len, key);
    const void *made = HMAC(EVP_sha256(), key, sizeof key, (const unsigned char *)text.ptr,
                            text.len, digest, &length);
    assert(made);
    return str_hex(a, (str){(const char *)digest, length});
}

err *telegram_login_check(struct arena *a, str token, const struct kv *fields, int64_t now_s,
                          int64_t *telegram_id)
{
    int64_t signed_s = 0;
    if (!str_same_secret(field(fields, "hash"), signature(a, token, fields)))
        return fail(a, ERR_REFUSED, "login: not signed by Telegram");
    if (!str_to_i64(field(fields, "auth_date"), &signed_s) || signed_s <= now_s - FRESH_S)
        return fail(a, ERR_REFUSED, "login: too old");
    if (signed_s > now_s + CLOCKS_DIFFER_S)
        return fail(a, ERR_REFUSED, "login: from the future");
    if (!str_to_i64(field(fields, "id"), telegram_id) || *telegram_id <= 0)
        return fail(a, ERR_REFUSED, "login: of nobody");
    return NULL;
}
