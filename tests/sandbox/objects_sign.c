#include "tests/sandbox/objects_sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <time.h>

enum { SKEW_MS = 15 * 60 * 1000, MOST_EXPIRES_SECONDS = 604800 };

/* -- refusals -- */

static const struct store_refusal
    anonymous = {403, "AccessDenied", "Access Denied"},
    malformed = {400, "AuthorizationHeaderMalformed",
                 "The authorization header that you provided is not valid."},
    wrong_region = {400, "AuthorizationHeaderMalformed",
                    "The authorization header is malformed; the region is wrong."},
    wrong_query = {400, "AuthorizationQueryParametersError",
                   "Query-string authentication version 4 requires the X-Amz-Algorithm, "
                   "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
                   "X-Amz-Expires parameters, the last between 1 and 604800 seconds."},
    unknown_key = {403, "InvalidAccessKeyId",
                   "The AWS Access Key Id you provided does not exist in our records."},
    no_date = {403, "AccessDenied",
               "AWS authentication requires a valid Date or x-amz-date header"},
    skewed = {403, "RequestTimeTooSkewed",
              "The difference between the request time and the current time is too large."},
    too_early = {403, "AccessDenied", "Request is not yet valid"},
    expired = {403, "AccessDenied", "Request has expired"},
    unsigned_header = {403, "AccessDenied",
                       "There were headers present in the request which were not signed"},
    no_hash = {400, "InvalidRequest",
               "Missing required header for this request: x-amz-content-sha256"},
    bad_hash = {400, "InvalidArgument",
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value."},
    streaming = {501, "NotImplemented", "Streaming signatures are not implemented."},
    wrong_signature = {403, "SignatureDoesNotMatch",
                       "The request signature we calculated does not match the signature you "
                       "provided. Check your key and signing method."},
    wrong_hash = {400, "XAmzContentSHA256Mismatch",
                  "The provided 'x-amz-content-sha256' header does not match what was computed."};

/* -- looking things up -- */

static const struct query_pair *find_pair(const struct store_request *r, str name)
{
    for (size_t i = 0; i < r->query_count; i++)
        if (str_eq(r->query[i].name, name))
            return &r->query[i];
    return NULL;
}

str store_query(const struct store_request *r, const char *name)
{
    const struct query_pair *pair = find_pair(r, str_from(name));
    return pair ? pair->value : (str){0};
}

bool store_query_has(const struct store_request *r, const char *name)
{
    return find_pair(r, str_from(name)) != NULL;
}

str store_header(const struct store_request *r, str name)
{
    if (str_eq(name, S("content-type")))
        return r->request->content_type;
    if (str_eq(name, S("content-length")))
        return request_param(r->request, "CONTENT_LENGTH");

    char cgi_name[128] = "HTTP_";
    size_t at = strlen(cgi_name);
    if (name.len + at >= sizeof cgi_name)
        return (str){0};
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        cgi_name[at + i] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 32 : c);
    }
    return request_param(r->request, cgi_name);
}

/* -- hashing -- */

static str sha256_hex(struct arena *a, str bytes)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)bytes.ptr, bytes.len, digest);
    return str_hex(a, (str){(const char *)digest, sizeof digest});
}

static str keyed_hash(struct arena *a, str key, str text)
{
    char *digest = NEW_ARRAY(a, char, SHA256_DIGEST_LENGTH);
    unsigned length = 0;
    HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len,
         (unsigned char *)digest, &length);
    return (str){digest, length};
}

/* -- what the client claims -- */

struct claim {
    str access_key, day, region, service, terminator; /* the five parts of the credential */
    str signed_headers;                               /* a;b;c */
    str signature;
    str stamp;
    str payload_hash;
    int64_t expires_seconds; /* of a link; 0 for a header */
};

static bool take_credential(str credential, struct claim *claim)
{
    str rest;
    return str_cut(credential, '/', &claim->access_key, &rest) &&
           str_cut(rest, '/', &claim->day, &rest) && str_cut(rest, '/', &claim->region, &rest) &&
           str_cut(rest, '/', &claim->service, &claim->terminator) && claim->day.len == 8 &&
           str_eq(claim->service, S("s3")) && str_eq(claim->terminator, S("aws4_request"));
}

static const struct store_refusal *claim_from_header(const struct store_request *r, str header,
                                                     struct claim *claim)
{
    str algorithm, rest, field, credential = {0};
    str_cut(header, ' ', &algorithm, &rest);
    if (!str_eq(algorithm, S("AWS4-HMAC-SHA256")))
        return &malformed;
    while (rest.len) {
        str name, value;
        str_cut(rest, ',', &field, &rest);
        if (!str_cut(str_trim(field), '=', &name, &value))
            return &malformed;
        if (str_eq(name, S("Credential")))
            credential = value;
        else if (str_eq(name, S("SignedHeaders")))
            claim->signed_headers = value;
        else if (str_eq(name, S("Signature")))
            claim->signature = value;
        else
            return &malformed;
    }
    if (!take_credential(credential, claim) || !claim->signed_headers.len || !claim->signature.len)
        return &malformed;

    claim->stamp = store_header(r, S("x-amz-date"));
    claim->payload_hash = store_header(r, S("x-amz-content-sha256"));
    return claim->payload_hash.len ? NULL : &no_hash;
}

static const struct store_refusal *claim_from_query(const struct store_request *r,
                                                    struct claim *claim)
{
    if (!str_eq(store_query(r, "X-Amz-Algorithm"), S("AWS4-HMAC-SHA256")))
        return &wrong_query;
    if (!take_credential(store_query(r, "X-Amz-Credential"), claim))
        return &wrong_query;
    if (!str_to_i64(store_query(r, "X-Amz-Expires"), &claim->expires_seconds) ||
        claim->expires_seconds < 1 || claim->expires_seconds > MOST_EXPIRES_SECONDS)
        return &wrong_query;

    claim->stamp = store_query(r, "X-Amz-Date");
    claim->signed_headers = store_query(r, "X-Amz-SignedHeaders");
    claim->signature = store_query(r, "X-Amz-Signature");
    claim->payload_hash = S("UNSIGNED-PAYLOAD");
    if (!claim->signed_headers.len || !claim->signature.len || !claim->stamp.len)
        return &wrong_query;
    return NULL;
}

/* -- when -- */

static int digits_at(str stamp, size_t at, size_t count)
{
    int64_t number = 0;
    str_to_i64(str_sub(stamp, at, count), &number);
    return (int)number;
}

/* "20250615T120000Z" and nothing else. */
static bool stamp_to_ms(str stamp, int64_t *out)
{
    static const char pattern[] = "00000000T000000Z";
    if (stamp.len != sizeof pattern - 1)
        return false;
    for (size_t i = 0; i < stamp.len; i++) {
        bool is_digit = stamp.ptr[i] >= '0' && stamp.ptr[i] <= '9';
        if (pattern[i] == '0' ? !is_digit : stamp.ptr[i] != pattern[i])
            return false;
    }

    struct tm when = {
        .tm_year = digits_at(stamp, 0, 4) - 1900,
        .tm_mon = digits_at(stamp, 4, 2) - 1,
        .tm_mday = digits_at(stamp, 6, 2),
        .tm_hour = digits_at(stamp, 9, 2),
        .tm_min = digits_at(stamp, 11, 2),
        .tm_sec = digits_at(stamp, 13, 2),
    };
    *out = (int64_t)timegm(&when) * 1000;
    return true;
}

static const struct store_refusal *check_time(const struct claim *claim, int64_t now_ms)
{
    int64_t signed_ms;
    if (!stamp_to_ms(claim->stamp, &signed_ms))
        return claim->expires_seconds ? &wrong_query : &no_date;
    if (!str_starts(claim->stamp, claim->day))
        return claim->expires_seconds ? &wrong_query : &malformed;
    if (!claim->expires_seconds)
        return now_ms - signed_ms > SKEW_MS || signed_ms - now_ms > SKEW_MS ? &skewed : NULL;
    if (signed_ms - now_ms > SKEW_MS)
        return &too_early;
    return now_ms > signed_ms + claim->expires_seconds * 1000 ? &expired : NULL;
}

/* -- which headers -- */

static bool is_listed(str list, str wanted)
{
    while (list.len) {
        str name;
        str_cut(list, ';', &name, &list);
        if (str_eq(name, wanted))
            return true;
    }
    return false;
}

/* Host always; every header of Amazon's that is there. CGI does not let us list
 * what was sent, so those are asked for that a client might send. */
static bool signs_enough(const struct store_request *r, const struct claim *claim)
{
    static const char *const amazon[] = {
        "x-amz-acl",  "x-amz-content-sha256", "x-amz-copy-source",
        "x-amz-date", "x-amz-security-token", "x-amz-storage-class",
    };
    if (!is_listed(claim->signed_headers, S("host")))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(amazon); i++) {
        str name = str_from(amazon[i]);
        if (store_header(r, name).len && !is_listed(claim->signed_headers, name))
            return false;
    }
    return true;
}

/* -- the canonical request -- */

static int compare_text(str a, str b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    if (order)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static int compare_pairs(const void *left, const void *right)
{
    const struct query_pair *a = left, *b = right;
    int order = compare_text(a->name, b->name);
    return order ? order : compare_text(a->value, b->value);
}

/* Sorted by what is encoded, not by what was meant. */
static void add_query(struct arena *a, struct buf *b, const struct store_request *r)
{
    struct query_pair *pairs = NEW_ARRAY(a, struct query_pair, r->query_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < r->query_count; i++) {
        if (str_eq(r->query[i].name, S("X-Amz-Signature")))
            continue;
        pairs[count++] = (struct query_pair){str_percent(a, r->query[i].name, false),
                                             str_percent(a, r->query[i].value, false)};
    }
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(b, '&');
        buf_add(b, pairs[i].name);
        buf_add_char(b, '=');
        buf_add(b, pairs[i].value);
    }
}

static void add_headers(struct buf *b, const struct store_request *r, str names)
{
    while (names.len) {
        str name;
        str_cut(names, ';', &name, &names);
        str value = str_trim(str_eq(name, S("host")) ? r->host : store_header(r, name));
        buf_add(b, name);
        buf_add_char(b, ':');
        for (size_t i = 0; i < value.len; i++)
            if (value.ptr[i] != ' ' || value.ptr[i - 1] != ' ')
                buf_add_char(b, value.ptr[i]);
        buf_add_char(b, '\n');
    }
}

static str canonical_request(struct arena *a, const struct store_request *r,
                             const struct claim *claim)
{
    str path;
    if (!str_unpercent(a, r->raw_path, false, &path))
        path = r->raw_path;

    struct buf b = buf_new(a);
    buf_add(&b, r->request->method);
    buf_add_char(&b, '\n');
    buf_add(&b, str_percent(a, path, true));
    buf_add_char(&b, '\n');
    add_query(a, &b, r);
    buf_add_char(&b, '\n');
    add_headers(&b, r, claim->signed_headers);
    buf_add_char(&b, '\n');
    buf_add(&b, claim->signed_headers);
    buf_add_char(&b, '\n');
    buf_add(&b, claim->payload_hash);
    return buf_str(&b);
}

static str expected_signature(struct arena *a, const struct store_request *r,
                              const struct claim *claim, str secret_key)
{
    str scope = str_printf(a, STR_FMT "/" STR_FMT "/s3/aws4_request", STR_ARG(claim->day),
                           STR_ARG(claim->region));
    str request_hash = sha256_hex(a, canonical_request(a, r, claim));
    str to_sign = str_printf(a, "AWS4-HMAC-SHA256\n" STR_FMT "\n" STR_FMT "\n" STR_FMT,
                             STR_ARG(claim->stamp), STR_ARG(scope), STR_ARG(request_hash));

    str key = str_printf(a, "AWS4" STR_FMT, STR_ARG(secret_key));
    const str links[] = {claim->day, claim->region, S("s3"), S("aws4_request"), to_sign};
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        key = keyed_hash(a, key, links[i]);
    return str_hex(a, key);
}

/* -- the body -- */

static const struct store_refusal *check_hash_form(struct arena *a, str hash)
{
    str bytes;
    if (str_eq(hash, S("UNSIGNED-PAYLOAD")))
        return NULL;
    if (str_starts(hash, S("STREAMING-")))
        return &streaming;
    return hash.len == 64 && str_unhex(a, hash, &bytes) ? NULL : &bad_hash;
}

static const struct store_refusal *check_body(struct arena *a, const struct store_request *r,
                                              str hash)
{
    if (str_eq(hash, S("UNSIGNED-PAYLOAD")))
        return NULL;
    return str_eq(hash, sha256_hex(a, r->request->body)) ? NULL : &wrong_hash;
}

const struct store_refusal *store_check_signature(const struct store_request *r, str access_key,
                                                  str secret_key, str region, int64_t now_ms)
{
    struct arena *a = r->request->arena;
    struct claim claim = {0};
    const struct store_refusal *refusal;
    str header = request_param(r->request, "HTTP_AUTHORIZATION");

    if (header.len)
        refusal = claim_from_header(r, header, &claim);
    else if (store_query_has(r, "X-Amz-Algorithm"))
        refusal = claim_from_query(r, &claim);
    else
        refusal = &anonymous;
    if (refusal)
        return refusal;

    if (!str_eq(claim.access_key, access_key))
        return &unknown_key;
    if (!str_eq(claim.region, region))
        return claim.expires_seconds ? &wrong_query : &wrong_region;
    if ((refusal = check_time(&claim, now_ms)))
        return refusal;
    if ((refusal = check_hash_form(a, claim.payload_hash)))
        return refusal;
    if (!signs_enough(r, &claim))
        return &unsigned_header;
    if (!str_same_secret(claim.signature, expected_signature(a, r, &claim, secret_key)))
        return &wrong_signature;
    return check_body(a, r, claim.payload_hash);
}
