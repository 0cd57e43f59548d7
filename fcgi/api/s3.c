#include "api/s3.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <time.h>

#include "core/clock.h"
#include "core/http.h"

enum {
    SHORT_TIMEOUT_MS = 10 * 1000,   /* a call without content */
    CONTENT_TIMEOUT_MS = 60 * 1000, /* a call that carries an object */
    LIST_MOST_BYTES = 8 << 20,
    LIST_MOST_ENTRIES = 1000,     /* more a page no server gives */
    ANSWER_MOST_BYTES = 64 << 10, /* of everything that is no object */
    STAMP_BYTES = 17,             /* 20250615T120000Z and the zero behind it */
    DAY_LENGTH = 8,
    MOST_FIELDS = 16, /* signed headers, or pairs of a query, of one call */
};

static const int64_t MOST_OBJECT_BYTES = INT64_C(5) << 30;
static const char UNSIGNED_PAYLOAD[] = "UNSIGNED-PAYLOAD";

/* -- hashes -- */

str s3_sha256(struct arena *a, str bytes)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)bytes.ptr, bytes.len, digest);
    return str_hex(a, (str){(const char *)digest, sizeof digest});
}

static str hmac(struct arena *a, str key, str text)
{
    char *digest = NEW_ARRAY(a, char, SHA256_DIGEST_LENGTH);
    HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len,
         (unsigned char *)digest, NULL);
    return (str){digest, SHA256_DIGEST_LENGTH};
}

str s3_signing_key(struct arena *a, const struct s3 *s3, str day)
{
    str first = str_printf(a, "AWS4" STR_FMT, STR_ARG(s3->secret_key));
    str region = hmac(a, hmac(a, first, day), s3->region);
    return hmac(a, hmac(a, region, S("s3")), S("aws4_request"));
}

/* -- what is signed -- */

static str stamp_of(struct arena *a, int64_t now_ms)
{
    char text[STAMP_BYTES];
    struct tm when;
    time_t seconds = (time_t)(now_ms / 1000);
    gmtime_r(&seconds, &when);
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &when);
    return str_dup(a, str_from(text));
}

static str scope_of(struct arena *a, const struct s3 *s3, str stamp)
{
    return str_printf(a, STR_FMT "/" STR_FMT "/s3/aws4_request",
                      STR_ARG(str_sub(stamp, 0, DAY_LENGTH)), STR_ARG(s3->region));
}

/* Path style. S3 wants the key encoded once, and "a//b" or "a/../b" left alone. */
static str path_of(struct arena *a, const struct s3_call *call)
{
    struct buf b = buf_new(a);
    buf_add_char(&b, '/');
    buf_add(&b, str_percent(a, call->bucket, false));
    if (call->key.len) {
        buf_add_char(&b, '/');
        buf_add(&b, str_percent(a, call->key, true));
    }
    return buf_str(&b);
}

static int compare_str(str a, str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_fields(const void *left, const void *right)
{
    const struct s3_field *a = left, *b = right;
    int order = compare_str(a->name, b->name);
    return order ? order : compare_str(a->value, b->value);
}

struct fields {
    struct s3_field items[MOST_FIELDS];
    size_t count;
};

static void fields_add(struct fields *fields, str name, str value)
{
    assert(fields->count < MOST_FIELDS);
    fields->items[fields->count++] = (struct s3_field){name, value};
}

static void fields_sort(struct fields *fields)
{
    qsort(fields->items, fields->count, sizeof fields->items[0], compare_fields);
}

/* Encoded first and sorted then: the order of "a-b" and "a b" depends on it. */
static str query_of(struct arena *a, const struct s3_field *given, const struct fields *more)
{
    struct fields all = {0};
    for (; given && given->name.len; given++)
        fields_add(&all, str_percent(a, given->name, false), str_percent(a, given->value, false));
    for (size_t i = 0; more && i < more->count; i++)
        fields_add(&all, more->items[i].name, str_percent(a, more->items[i].value, false));
    fields_sort(&all);

    struct buf b = buf_new(a);
    for (size_t i = 0; i < all.count; i++) {
        if (i)
            buf_add_char(&b, '&');
        buf_add(&b, all.items[i].name);
        buf_add_char(&b, '=');
        buf_add(&b, all.items[i].value);
    }
    return buf_str(&b);
}

static str names_of(struct arena *a, const struct fields *headers)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < headers->count; i++) {
        if (i)
            buf_add_char(&b, ';');
        buf_add(&b, headers->items[i].name);
    }
    return buf_str(&b);
}

static str canonical_of(struct arena *a, const struct s3_call *call, str query,
                        const struct fields *headers)
{
    struct buf b = buf_new(a);
    buf_addf(&b, STR_FMT "\n" STR_FMT "\n" STR_FMT "\n", STR_ARG(call->method),
             STR_ARG(path_of(a, call)), STR_ARG(query));
    for (size_t i = 0; i < headers->count; i++)
        buf_addf(&b, STR_FMT ":" STR_FMT "\n", STR_ARG(headers->items[i].name),
                 STR_ARG(str_trim(headers->items[i].value)));
    buf_addf(&b, "\n" STR_FMT "\n" STR_FMT, STR_ARG(names_of(a, headers)),
             STR_ARG(call->payload_sha256));
    return buf_str(&b);
}

static str signature_of(struct arena *a, const struct s3 *s3, str stamp, str canonical_sha256)
{
    str text = str_printf(a, "AWS4-HMAC-SHA256\n" STR_FMT "\n" STR_FMT "\n" STR_FMT, STR_ARG(stamp),
                          STR_ARG(scope_of(a, s3, stamp)), STR_ARG(canonical_sha256));
    str key = s3_signing_key(a, s3, str_sub(stamp, 0, DAY_LENGTH));
    return str_hex(a, hmac(a, key, text));
}

static str url_of(struct arena *a, const struct s3 *s3, const struct s3_call *call, str query)
{
    return str_printf(a, "%s://" STR_FMT STR_FMT "%s" STR_FMT, s3->secure ? "https" : "http",
                      STR_ARG(s3->endpoint), STR_ARG(path_of(a, call)), query.len ? "?" : "",
                      STR_ARG(query));
}

void s3_sign(struct arena *a, const struct s3 *s3, const struct s3_call *call, int64_t now_ms,
             struct s3_signed *out)
{
    struct fields headers = {0};
    str stamp = stamp_of(a, now_ms);
    fields_add(&headers, S("host"), s3->endpoint);
    fields_add(&headers, S("x-amz-content-sha256"), call->payload_sha256);
    fields_add(&headers, S("x-amz-date"), stamp);
    for (const struct s3_field *h = call->headers; h && h->name.len; h++)
        fields_add(&headers, h->name, h->value);
    fields_sort(&headers);

    str query = query_of(a, call->query, NULL);
    str canonical = canonical_of(a, call, query, &headers);
    out->url = url_of(a, s3, call, query);
    out->amz_date = stamp;
    out->canonical_request_sha256 = s3_sha256(a, canonical);
    out->signature = signature_of(a, s3, stamp, out->canonical_request_sha256);
    out->authorization = str_printf(a,
                                    "AWS4-HMAC-SHA256 Credential=" STR_FMT "/" STR_FMT
                                    ", SignedHeaders=" STR_FMT ", Signature=" STR_FMT,
                                    STR_ARG(s3->access_key), STR_ARG(scope_of(a, s3, stamp)),
                                    STR_ARG(names_of(a, &headers)), STR_ARG(out->signature));
}

str s3_presign(struct arena *a, const struct s3 *s3, const struct s3_call *call, int64_t seconds,
               int64_t now_ms)
{
    struct s3_call unsigned_call = *call;
    struct fields headers = {0}, more = {0};
    str stamp = stamp_of(a, now_ms);
    unsigned_call.payload_sha256 = str_from(UNSIGNED_PAYLOAD);
    fields_add(&headers, S("host"), s3->endpoint);
    fields_add(&more, S("X-Amz-Algorithm"), S("AWS4-HMAC-SHA256"));
    fields_add(&more, S("X-Amz-Credential"),
               str_printf(a, STR_FMT "/" STR_FMT, STR_ARG(s3->access_key),
                          STR_ARG(scope_of(a, s3, stamp))));
    fields_add(&more, S("X-Amz-Date"), stamp);
    fields_add(&more, S("X-Amz-Expires"), str_printf(a, "%" PRId64, seconds));
    fields_add(&more, S("X-Amz-SignedHeaders"), S("host"));

    str query = query_of(a, call->query, &more);
    str canonical = canonical_of(a, &unsigned_call, query, &headers);
    str signature = signature_of(a, s3, stamp, s3_sha256(a, canonical));
    return str_printf(a, STR_FMT "&X-Amz-Signature=" STR_FMT, STR_ARG(url_of(a, s3, call, query)),
                      STR_ARG(signature));
}

str s3_presign_get(struct arena *a, const struct s3 *s3, str bucket, str key, int64_t seconds)
{
    const struct s3_call call = {.method = S("GET"), .bucket = bucket, .key = key};
    if (seconds < 1)
        seconds = 1;
    if (seconds > S3_PRESIGN_MOST_SECONDS)
        seconds = S3_PRESIGN_MOST_SECONDS;
    return s3_presign(a, s3, &call, seconds, clock_ms());
}

/* -- one call -- */

struct exchange {
    const char *method;
    str bucket, key;
    const struct s3_field *query; /* ends with an empty name; may be NULL */
    str content_type;             /* empty: no such header */
    str body;
    int64_t timeout_ms;
    size_t max_bytes;
};

static err *exchange(struct arena *a, const struct s3 *s3, const struct exchange *x,
                     struct http_response *out)
{
    const struct s3_field typed[] = {
        {S("content-type"), x->content_type},
        {{0},               {0}            }
    };
    const struct s3_call call = {
        .method = str_from(x->method),
        .bucket = x->bucket,
        .key = x->key,
        .query = x->query,
        .headers = x->content_type.len ? typed : NULL,
        .payload_sha256 = s3_sha256(a, x->body),
    };
    struct s3_signed made;
    s3_sign(a, s3, &call, clock_ms(), &made);

    const struct http_header headers[] = {
        {S("x-amz-date"),                                    made.amz_date      },
        {S("x-amz-content-sha256"),                          call.payload_sha256},
        {S("Authorization"),                                 made.authorization },
        {x->content_type.len ? S("Content-Type") : (str){0}, x->content_type    },
        {{0},                                                {0}                },
    };
    return http_fetch(a,
                      &(struct http_request){.party = "s3",
                                             .purpose = call.method,
                                             .method = call.method,
                                             .url = made.url,
                                             .headers = headers,
                                             .body = x->body,
                                             .timeout_ms = x->timeout_ms,
                                             .max_bytes = x->max_bytes,
                                             .is_head = str_eq(call.method, S("HEAD"))},
                      out);
}

/* The text of the first element of that name, and what stands behind it. Namespaces and the rest of
 * a document differ from server to server; none of what is looked for holds elements of its own name. */
static bool element(str xml, const char *name, str *text, str *behind)
{
    char open[64], close[64];
    size_t from, length;
    snprintf(open, sizeof open, "<%s>", name);
    snprintf(close, sizeof close, "</%s>", name);
    if (!str_find(xml, str_from(open), &from))
        return false;
    str rest = str_sub(xml, from + strlen(open), xml.len);
    if (!str_find(rest, str_from(close), &length))
        return false;
    *text = str_sub(rest, 0, length);
    *behind = str_sub(rest, length + strlen(close), rest.len);
    return true;
}

/* The store's own word for what went wrong. */
static str error_code(str body)
{
    str code, behind;
    return element(body, "Code", &code, &behind) ? code : (str){0};
}

static const struct {
    str code;
    enum err_kind kind;
} error_codes[] = {
    {{"NoSuchKey", 9},                ERR_NOT_FOUND},
    {{"NoSuchBucket", 12},            ERR_NOT_FOUND},
    {{"SlowDown", 8},                 ERR_BUSY     },
    {{"InternalError", 13},           ERR_BUSY     },
    {{"ServiceUnavailable", 18},      ERR_BUSY     },
    {{"RequestTimeout", 14},          ERR_BUSY     },
    {{"OperationAborted", 16},        ERR_BUSY     },
    {{"PreconditionFailed", 18},      ERR_CONFLICT },
    {{"BucketAlreadyOwnedByYou", 23}, ERR_CONFLICT },
    {{"BucketAlreadyExists", 19},     ERR_CONFLICT },
    {{"BucketNotEmpty", 14},          ERR_CONFLICT },
};

/* By the code where there is one; a HEAD has no body, so its status must do. */
static enum err_kind kind_of(int status, str code)
{
    for (size_t i = 0; i < ARRAY_LEN(error_codes); i++)
        if (str_eq(code, error_codes[i].code))
            return error_codes[i].kind;
    if (status == 429 || status >= 500)
        return ERR_BUSY;
    if (status == 404)
        return ERR_NOT_FOUND;
    return status == 409 || status == 412 ? ERR_CONFLICT : ERR_UPSTREAM;
}

static err *judge(struct arena *a, const struct exchange *x, const struct http_response *response)
{
    if (response->status >= 200 && response->status < 300)
        return NULL;
    str code = str_dup(a, error_code(response->body));
    return fail_with(a, kind_of(response->status, code), response->status, code,
                     "s3: %s " STR_FMT "/" STR_FMT ": http %d", x->method, STR_ARG(x->bucket),
                     STR_ARG(x->key), response->status);
}

static str unquoted(str etag)
{
    bool is_quoted = etag.len >= 2 && str_starts(etag, S("\"")) && str_ends(etag, S("\""));
    return is_quoted ? str_sub(etag, 1, etag.len - 2) : etag;
}

static void describe(const struct http_response *response, struct s3_object *out)
{
    int64_t told;
    out->bytes = response->body;
    out->content_type = http_header(response, S("Content-Type"));
    out->etag = unquoted(http_header(response, S("ETag")));
    out->size_bytes = str_to_i64(http_header(response, S("Content-Length")), &told)
                          ? told
                          : (int64_t)response->body.len;
}

/* -- operations -- */

err *s3_put(struct arena *a, const struct s3 *s3, str bucket, str key, str content_type, str bytes)
{
    struct http_response response;
    const struct exchange x = {.method = "PUT",
                               .bucket = bucket,
                               .key = key,
                               .content_type = content_type,
                               .body = bytes.ptr ? bytes : S(""),
                               .timeout_ms = CONTENT_TIMEOUT_MS,
                               .max_bytes = ANSWER_MOST_BYTES};
    if ((int64_t)bytes.len > MOST_OBJECT_BYTES)
        return fail(a, ERR_INPUT, "s3: %zu bytes do not fit one put", bytes.len);
    TRY(exchange(a, s3, &x, &response));
    return judge(a, &x, &response);
}

err *s3_get(struct arena *a, const struct s3 *s3, str bucket, str key, size_t max_bytes,
            struct s3_object *out)
{
    struct http_response response;
    size_t room = max_bytes > ANSWER_MOST_BYTES ? max_bytes : ANSWER_MOST_BYTES;
    const struct exchange x = {.method = "GET",
                               .bucket = bucket,
                               .key = key,
                               .timeout_ms = CONTENT_TIMEOUT_MS,
                               .max_bytes = room};
    TRY(exchange(a, s3, &x, &response));
    TRY(judge(a, &x, &response));
    if (response.body.len > max_bytes)
        return fail(a, ERR_INPUT, "s3: the object is larger than %zu bytes", max_bytes);

    describe(&response, out);
    return NULL;
}

err *s3_head(struct arena *a, const struct s3 *s3, str bucket, str key, struct s3_object *out)
{
    struct http_response response;
    /* The length that is told counts against the limit, though nothing comes. */
    const struct exchange x = {.method = "HEAD",
                               .bucket = bucket,
                               .key = key,
                               .timeout_ms = SHORT_TIMEOUT_MS,
                               .max_bytes = (size_t)MOST_OBJECT_BYTES};
    TRY(exchange(a, s3, &x, &response));
    TRY(judge(a, &x, &response));

    describe(&response, out);
    return NULL;
}

err *s3_delete(struct arena *a, const struct s3 *s3, str bucket, str key)
{
    struct http_response response;
    const struct exchange x = {.method = "DELETE",
                               .bucket = bucket,
                               .key = key,
                               .timeout_ms = SHORT_TIMEOUT_MS,
                               .max_bytes = ANSWER_MOST_BYTES};
    TRY(exchange(a, s3, &x, &response));
    err *e = judge(a, &x, &response);
    return e && str_eq(e->detail, S("NoSuchKey")) ? NULL : e;
}

static bool read_entry(struct arena *a, str content, struct s3_entry *out)
{
    str key, etag, size, behind;
    if (!element(content, "Key", &key, &behind) || !element(content, "ETag", &etag, &behind) ||
        !element(content, "Size", &size, &behind) || !str_to_i64(size, &out->size_bytes) ||
        !str_unpercent(a, key, true, &out->key))
        return false;
    static const str quote = {"&quot;", sizeof "&quot;" - 1};
    if (str_starts(etag, quote) && str_ends(etag, quote) && etag.len >= 2 * quote.len)
        etag = str_sub(etag, quote.len, etag.len - 2 * quote.len);
    out->etag = unquoted(etag);
    return true;
}

/* Keys come percent-encoded when that is asked for, so that any byte gets through XML. */
err *s3_list(struct arena *a, const struct s3 *s3, str bucket, str prefix, str after,
             struct s3_entry **entries, size_t *count)
{
    struct http_response response;
    const struct s3_field query[] = {
        {S("list-type"),                          S("2")  },
        {S("encoding-type"),                      S("url")},
        {S("prefix"),                             prefix  },
        {after.len ? S("start-after") : (str){0}, after   },
        {{0},                                     {0}     },
    };
    const struct exchange x = {.method = "GET",
                               .bucket = bucket,
                               .query = query,
                               .timeout_ms = CONTENT_TIMEOUT_MS,
                               .max_bytes = LIST_MOST_BYTES};
    TRY(exchange(a, s3, &x, &response));
    TRY(judge(a, &x, &response));

    *entries = NEW_ARRAY(a, struct s3_entry, LIST_MOST_ENTRIES);
    *count = 0;
    for (str content, left = response.body; element(left, "Contents", &content, &left);)
        if (*count == LIST_MOST_ENTRIES || !read_entry(a, content, &(*entries)[(*count)++]))
            return fail(a, ERR_UPSTREAM, "s3: the list of " STR_FMT " cannot be read",
                        STR_ARG(bucket));
    return NULL;
}

/* A bucket outside of us-east-1 is only made when its region is named. */
static str place_of(struct arena *a, const struct s3 *s3)
{
    if (!s3->region.len || str_eq(s3->region, S("us-east-1")))
        return S("");
    return str_printf(a,
                      "<CreateBucketConfiguration><LocationConstraint>" STR_FMT
                      "</LocationConstraint></CreateBucketConfiguration>",
                      STR_ARG(s3->region));
}

/* Asked first: a key that may not make buckets can still use one that is there. */
err *s3_ensure_bucket(struct arena *a, const struct s3 *s3, str bucket)
{
    struct http_response response;
    struct exchange x = {.method = "HEAD",
                         .bucket = bucket,
                         .timeout_ms = SHORT_TIMEOUT_MS,
                         .max_bytes = ANSWER_MOST_BYTES};
    TRY(exchange(a, s3, &x, &response));
    err *e = judge(a, &x, &response);
    if (!e || e->kind != ERR_NOT_FOUND)
        return e;

    x.method = "PUT";
    x.body = place_of(a, s3);
    TRY(exchange(a, s3, &x, &response));
    e = judge(a, &x, &response);
    return e && str_eq(e->detail, S("BucketAlreadyOwnedByYou")) ? NULL : e;
}
