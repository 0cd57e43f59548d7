/*
 * s3_test.c - one list of tests for every object store.
 *
 * Runs against whatever MINIO_ENDPOINT, MINIO_SECURE, MINIO_REGION,
 * MINIO_ACCESS_KEY and MINIO_SECRET_KEY name: the sandbox's store in `make
 * check`, a real server by radosgw.sh. Our client is tested against both, and
 * the sandbox is held to what the real server does. Works in buckets of its own
 * and removes them.
 */
#include "api/s3.h"

#include <openssl/evp.h>

#include "core/clock.h"
#include "core/http.h"
#include "core/loop.h"
#include "tests/unit/expect.h"

enum {
    TASK_STACK_KIB = 512,
    TIMEOUT_MS = 30 * 1000,
    MOST_BYTES = 16 << 20,
    MOST_HEADERS = 12,
    MINUTE_MS = 60 * 1000,
};

static struct arena *a;
static struct s3 store;
static str bucket;

/* -- requests that the client would never make -- */

struct raw {
    const char *method;
    str key;
    const struct s3_field *query;
    struct s3_field header; /* one more, signed too; empty for none */
    str body;
    const struct s3 *signer; /* default: store */
    int64_t late_ms;         /* how far the clock is off */
    str claimed_sha256;      /* default: the right one */
    bool is_anonymous;
    bool hides_sha256; /* signed, but not sent */
};

static int send_raw(const struct raw *raw, struct http_response *out)
{
    const struct s3_field signed_headers[] = {
        raw->header, {{0}, {0}}
    };
    const struct s3_call call = {
        .method = str_from(raw->method),
        .bucket = bucket,
        .key = raw->key,
        .query = raw->query,
        .headers = signed_headers,
        .payload_sha256 = raw->claimed_sha256.len ? raw->claimed_sha256 : s3_sha256(a, raw->body),
    };
    struct s3_signed made;
    s3_sign(a, raw->signer ? raw->signer : &store, &call, clock_ms() + raw->late_ms, &made);

    struct http_header headers[MOST_HEADERS] = {
        {{0}, {0}}
    };
    size_t count = 0;
    if (!raw->is_anonymous) {
        headers[count++] = (struct http_header){S("Authorization"), made.authorization};
        headers[count++] = (struct http_header){S("x-amz-date"), made.amz_date};
        if (!raw->hides_sha256)
            headers[count++] = (struct http_header){S("x-amz-content-sha256"), call.payload_sha256};
    }
    if (raw->header.name.len)
        headers[count++] = (struct http_header){raw->header.name, raw->header.value};

    err *e = http_fetch(a,
                        &(struct http_request){.method = call.method,
                                               .url = made.url,
                                               .headers = headers,
                                               .body = raw->body,
                                               .timeout_ms = TIMEOUT_MS,
                                               .max_bytes = MOST_BYTES,
                                               .is_head = str_eq(call.method, S("HEAD"))},
                        out);
    EXPECT(is_well(e));
    return e ? 0 : out->status;
}

static int fetch_link(str url, const char *method, struct http_response *out)
{
    err *e = http_fetch(a,
                        &(struct http_request){.method = str_from(method),
                                               .url = url,
                                               .timeout_ms = TIMEOUT_MS,
                                               .max_bytes = MOST_BYTES,
                                               .is_head = strcmp(method, "HEAD") == 0},
                        out);
    EXPECT(is_well(e));
    return e ? 0 : out->status;
}

/* The text of the first element of that name behind *from; moves *from on. */
static str element(str xml, const char *name, size_t *from)
{
    size_t at, length;
    str open = str_printf(a, "<%s>", name), close = str_printf(a, "</%s>", name);
    str rest = str_sub(xml, *from, xml.len);
    if (!str_find(rest, open, &at))
        return (str){0};
    str inner = str_sub(rest, at + open.len, rest.len);
    if (!str_find(inner, close, &length))
        return (str){0};
    *from += at + open.len + length + close.len;
    return str_sub(inner, 0, length);
}

static bool has_code(const struct http_response *response, const char *code)
{
    size_t from = 0;
    str got = element(response->body, "Code", &from);
    if (str_eq(got, str_from(code)))
        return true;
    printf("# expected the code %s, got %d " STR_FMT "\n", code, response->status, STR_ARG(got));
    return false;
}

static str md5_base64(str bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_Digest(bytes.ptr, bytes.len, digest, &length, EVP_md5(), NULL);
    int text_length = EVP_EncodeBlock(text, digest, (int)length);
    return str_dup(a, (str){(const char *)text, (size_t)text_length});
}

static void put(const char *key, str bytes)
{
    EXPECT(is_well(s3_put(a, &store, bucket, str_from(key), S("text/plain"), bytes)));
}

static void delete (const char *key)
{
    EXPECT(is_well(s3_delete(a, &store, bucket, str_from(key))));
}

/* -- the client -- */

static void a_bucket_is_made_once_and_once_more(void)
{
    EXPECT(is_well(s3_ensure_bucket(a, &store, bucket)));
    EXPECT(is_well(s3_ensure_bucket(a, &store, bucket)));
}

static void what_was_put_comes_back(void)
{
    static const char bytes[] = "\0\1\2 text \xff\r\n";
    str whole = {bytes, sizeof bytes};
    struct s3_object got, about;
    EXPECT(is_well(s3_put(a, &store, bucket, S("a"), S("image/png"), whole)));
    if (is_well(s3_get(a, &store, bucket, S("a"), 1000, &got))) {
        EXPECT(str_eq(got.bytes, whole));
        EXPECT(str_eq(got.content_type, S("image/png")));
        EXPECT(got.size_bytes == (int64_t)whole.len);
        EXPECT(got.etag.len == 32);
    } else {
        is_failed = true;
    }
    if (is_well(s3_head(a, &store, bucket, S("a"), &about))) {
        EXPECT(str_eq(about.etag, got.etag));
        EXPECT(str_eq(about.content_type, S("image/png")));
        EXPECT(about.size_bytes == (int64_t)whole.len);
        EXPECT(about.bytes.len == 0);
    } else {
        is_failed = true;
    }
    delete ("a");
}

static void an_empty_object_is_an_object(void)
{
    struct s3_object got;
    put("empty", S(""));
    EXPECT(is_well(s3_get(a, &store, bucket, S("empty"), 10, &got)) && got.bytes.len == 0);
    EXPECT(is_well(s3_head(a, &store, bucket, S("empty"), &got)) && got.size_bytes == 0);
    delete ("empty");
}

static void a_large_object_comes_back_whole(void)
{
    enum { LARGE = 6 << 20 };
    char *bytes = NEW_ARRAY(a, char, LARGE);
    random_bytes(bytes, LARGE);
    str whole = {bytes, LARGE};
    struct s3_object got;
    put("large", whole);
    EXPECT(is_well(s3_get(a, &store, bucket, S("large"), LARGE, &got)) && str_eq(got.bytes, whole));
    EXPECT(is_kind(s3_get(a, &store, bucket, S("large"), LARGE - 1, &got), ERR_INPUT));
    EXPECT(is_well(s3_head(a, &store, bucket, S("large"), &got)) && got.size_bytes == LARGE);
    delete ("large");
}

static void a_small_object_over_the_limit_is_refused_too(void)
{
    struct s3_object got;
    put("ten", S("0123456789"));
    EXPECT(is_kind(s3_get(a, &store, bucket, S("ten"), 9, &got), ERR_INPUT));
    EXPECT(is_well(s3_get(a, &store, bucket, S("ten"), 10, &got)));
    delete ("ten");
}

static void odd_keys_are_kept_apart(void)
{
    static const char *const keys[] = {
        "user 7/ф+1.jpg", "user%207/x",  "a+b",  "a b",   "a%2Bb",  "q?x=1&y", "#hash",
        "a//b",           "quote'\"<>&", "~-._", "(1)*!", "日本/😀", "=",       "a;b:c@d,e",
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        put(keys[i], str_from(keys[i]));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct s3_object got;
        EXPECT(is_well(s3_get(a, &store, bucket, str_from(keys[i]), 1000, &got)) &&
               str_eq(got.bytes, str_from(keys[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        delete (keys[i]);
}

static void a_second_put_replaces_the_first(void)
{
    struct s3_object got;
    put("twice", S("one"));
    put("twice", S("another"));
    EXPECT(is_well(s3_get(a, &store, bucket, S("twice"), 100, &got)) &&
           str_eq(got.bytes, S("another")));
    delete ("twice");
}

static void what_is_not_there_is_not_found(void)
{
    struct s3_object got;
    str nowhere = str_printf(a, "none-" STR_FMT, STR_ARG(random_hex(a, 8)));
    EXPECT(is_kind(s3_get(a, &store, bucket, S("none"), 100, &got), ERR_NOT_FOUND));
    EXPECT(is_kind(s3_head(a, &store, bucket, S("none"), &got), ERR_NOT_FOUND));
    EXPECT(is_well(s3_delete(a, &store, bucket, S("none"))));
    EXPECT(is_kind(s3_get(a, &store, nowhere, S("none"), 100, &got), ERR_NOT_FOUND));
    EXPECT(is_kind(s3_put(a, &store, nowhere, S("k"), S("text/plain"), S("x")), ERR_NOT_FOUND));
}

static void a_deleted_object_is_gone(void)
{
    struct s3_object got;
    put("short-lived", S("x"));
    delete ("short-lived");
    EXPECT(is_kind(s3_get(a, &store, bucket, S("short-lived"), 100, &got), ERR_NOT_FOUND));
}

static void a_wrong_key_is_told_by_its_code(void)
{
    struct s3 wrong = store;
    wrong.secret_key = S("not-the-secret");
    err *e = s3_put(a, &wrong, bucket, S("k"), S("text/plain"), S("x"));
    EXPECT(is_kind(e, ERR_UPSTREAM) && e && str_eq(e->detail, S("SignatureDoesNotMatch")));

    wrong = store;
    wrong.access_key = S("NOBODY0000000000");
    e = s3_put(a, &wrong, bucket, S("k"), S("text/plain"), S("x"));
    EXPECT(is_kind(e, ERR_UPSTREAM) && e && str_eq(e->detail, S("InvalidAccessKeyId")));
}

/* -- links -- */

static void a_link_opens_one_object_for_a_while(void)
{
    struct http_response r;
    put("user 7/ф+1.txt", S("linked"));
    str link = s3_presign_get(a, &store, bucket, S("user 7/ф+1.txt"), 60);
    EXPECT(fetch_link(link, "GET", &r) == 200 && str_eq(r.body, S("linked")));
    EXPECT(fetch_link(link, "HEAD", &r) == 403);

    str longer = str_printf(a, STR_FMT "0", STR_ARG(link));
    EXPECT(fetch_link(longer, "GET", &r) == 403 && has_code(&r, "SignatureDoesNotMatch"));
    delete ("user 7/ф+1.txt");
    EXPECT(fetch_link(link, "GET", &r) == 404 && has_code(&r, "NoSuchKey"));
}

static void a_link_of_another_object_opens_nothing(void)
{
    struct http_response r;
    size_t at;
    put("mine", S("x"));
    put("hers", S("y"));
    str link = s3_presign_get(a, &store, bucket, S("mine"), 60);
    EXPECT(str_find(link, S("/mine?"), &at));
    str stolen = str_printf(a, STR_FMT "/hers?" STR_FMT, STR_ARG(str_sub(link, 0, at)),
                            STR_ARG(str_sub(link, at + 6, link.len)));
    EXPECT(fetch_link(stolen, "GET", &r) == 403 && has_code(&r, "SignatureDoesNotMatch"));
    delete ("mine");
    delete ("hers");
}

static void a_link_runs_out(void)
{
    struct http_response r;
    const struct s3_call call = {.method = S("GET"), .bucket = bucket, .key = S("old")};
    put("old", S("x"));
    str link = s3_presign(a, &store, &call, 60, clock_ms() - 2 * MINUTE_MS);
    EXPECT(fetch_link(link, "GET", &r) == 403);
    link = s3_presign(a, &store, &call, 60, clock_ms() - MINUTE_MS / 2);
    EXPECT(fetch_link(link, "GET", &r) == 200);
    delete ("old");
}

static void a_link_for_more_than_a_week_is_refused(void)
{
    struct http_response r;
    const struct s3_call call = {.method = S("GET"), .bucket = bucket, .key = S("k")};
    put("k", S("x"));
    int status = fetch_link(s3_presign(a, &store, &call, 604801, clock_ms()), "GET", &r);
    EXPECT(status == 400 || status == 403);
    EXPECT(fetch_link(s3_presign(a, &store, &call, 604800, clock_ms()), "GET", &r) == 200);
    delete ("k");
}

static void a_link_may_name_the_file(void)
{
    struct http_response r;
    const struct s3_field query[] = {
        {S("response-content-type"),        S("image/jpeg")                      },
        {S("response-content-disposition"), S("attachment; filename=\"a b.jpg\"")},
        {{0},                               {0}                                  }
    };
    const struct s3_call call = {
        .method = S("GET"), .bucket = bucket, .key = S("k"), .query = query};
    put("k", S("x"));
    EXPECT(fetch_link(s3_presign(a, &store, &call, 60, clock_ms()), "GET", &r) == 200);
    EXPECT(str_eq(http_header(&r, S("Content-Type")), S("image/jpeg")));
    EXPECT(
        str_eq(http_header(&r, S("Content-Disposition")), S("attachment; filename=\"a b.jpg\"")));
    delete ("k");
}

/* -- what the store must refuse -- */

static void a_wrong_clock_is_told(void)
{
    struct http_response r;
    EXPECT(send_raw(&(struct raw){.method = "GET", .key = S("k"), .late_ms = 20 * MINUTE_MS}, &r) ==
               403 &&
           has_code(&r, "RequestTimeTooSkewed"));
    EXPECT(send_raw(&(struct raw){.method = "GET", .key = S("k"), .late_ms = -20 * MINUTE_MS},
                    &r) == 403 &&
           has_code(&r, "RequestTimeTooSkewed"));
    EXPECT(send_raw(&(struct raw){.method = "GET", .key = S("k"), .late_ms = -10 * MINUTE_MS},
                    &r) == 404);
}

static void nobody_unknown_gets_in(void)
{
    struct http_response r;
    put("private", S("x"));
    EXPECT(send_raw(&(struct raw){.method = "GET", .key = S("private"), .is_anonymous = true},
                    &r) == 403 &&
           has_code(&r, "AccessDenied"));
    EXPECT(send_raw(
               &(struct raw){
                   .method = "PUT", .key = S("private"), .body = S("y"), .is_anonymous = true},
               &r) == 403);
    delete ("private");
}

static void a_body_that_is_not_what_was_signed_is_refused(void)
{
    struct http_response r;
    struct s3_object got;
    EXPECT(send_raw(&(struct raw){.method = "PUT",
                                  .key = S("forged"),
                                  .body = S("evil"),
                                  .claimed_sha256 = s3_sha256(a, S("good"))},
                    &r) == 400 &&
           has_code(&r, "XAmzContentSHA256Mismatch"));
    EXPECT(is_kind(s3_head(a, &store, bucket, S("forged"), &got), ERR_NOT_FOUND));
}

static void an_unsigned_body_is_allowed_when_it_says_so(void)
{
    struct http_response r;
    struct s3_object got;
    EXPECT(send_raw(&(struct raw){.method = "PUT",
                                  .key = S("unsigned"),
                                  .body = S("x"),
                                  .claimed_sha256 = S("UNSIGNED-PAYLOAD")},
                    &r) == 200);
    EXPECT(is_well(s3_get(a, &store, bucket, S("unsigned"), 10, &got)));
    delete ("unsigned");
}

static void a_hidden_hash_is_refused(void)
{
    struct http_response r;
    int status = send_raw(&(struct raw){.method = "GET", .key = S("k"), .hides_sha256 = true}, &r);
    EXPECT(status == 400 || status == 403);
}

static void a_wrong_digest_is_refused(void)
{
    struct http_response r;
    const struct raw right = {
        .method = "PUT",
        .key = S("md5"),
        .body = S("hello"),
        .header = {S("content-md5"), md5_base64(S("hello"))}
    };
    struct raw wrong = right;
    wrong.header.value = md5_base64(S("HELLO"));
    EXPECT(send_raw(&wrong, &r) == 400 && has_code(&r, "BadDigest"));
    EXPECT(send_raw(&right, &r) == 200);
    delete ("md5");
}

/* -- conditions and parts -- */

static void nothing_is_overwritten_when_asked_so(void)
{
    struct http_response r;
    struct s3_object got;
    const struct raw once = {
        .method = "PUT",
        .key = S("once"),
        .body = S("first"),
        .header = {S("if-none-match"), S("*")}
    };
    struct raw again = once;
    again.body = S("second");
    EXPECT(send_raw(&once, &r) == 200);
    EXPECT(send_raw(&again, &r) == 412 && has_code(&r, "PreconditionFailed"));
    EXPECT(is_well(s3_get(a, &store, bucket, S("once"), 100, &got)) &&
           str_eq(got.bytes, S("first")));
    delete ("once");
}

static void what_is_known_is_not_sent_again(void)
{
    struct http_response r;
    struct s3_object got;
    put("same", S("x"));
    EXPECT(is_well(s3_head(a, &store, bucket, S("same"), &got)));
    str etag = str_printf(a, "\"" STR_FMT "\"", STR_ARG(got.etag));
    EXPECT(send_raw(
               &(struct raw){
                   .method = "GET", .key = S("same"), .header = {S("if-none-match"), etag}
    },
               &r) == 304);
    delete ("same");
}

static void a_part_can_be_read(void)
{
    static const struct {
        const char *range;
        int status;
        const char *body, *content_range;
    } rows[] = {
        {"bytes=0-0",  206, "0",     "bytes 0-0/10"},
        {"bytes=2-4",  206, "234",   "bytes 2-4/10"},
        {"bytes=7-",   206, "789",   "bytes 7-9/10"},
        {"bytes=-3",   206, "789",   "bytes 7-9/10"},
        {"bytes=5-99", 206, "56789", "bytes 5-9/10"},
        {"bytes=10-",  416, NULL,    NULL          },
    };
    put("ten", S("0123456789"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_response r;
        int status = send_raw(
            &(struct raw){
                .method = "GET", .key = S("ten"), .header = {S("range"), str_from(rows[i].range)}
        },
            &r);
        EXPECT(status == rows[i].status);
        if (!rows[i].body) {
            EXPECT(has_code(&r, "InvalidRange"));
            continue;
        }
        EXPECT(str_eq(r.body, str_from(rows[i].body)));
        EXPECT(str_eq(http_header(&r, S("Content-Range")), str_from(rows[i].content_range)));
    }
    delete ("ten");
}

/* -- lists -- */

static const char *const listed_keys[] = {"a/1", "a/2", "a/b/3", "a/b/4", "b", "c d", "ф"};

static void put_listed(void)
{
    for (size_t i = 0; i < ARRAY_LEN(listed_keys); i++)
        put(listed_keys[i], S("x"));
}

static void delete_listed(void)
{
    for (size_t i = 0; i < ARRAY_LEN(listed_keys); i++)
        delete (listed_keys[i]);
}

/* Names of one page, each behind a space: keys first, then common prefixes. */
static str page(str prefix, str delimiter, const char *max_keys, str token, str *next)
{
    struct http_response r;
    struct s3_field query[8] = {
        {S("list-type"), S("2")            },
        {S("prefix"),    prefix            },
        {S("max-keys"),  str_from(max_keys)}
    };
    size_t count = 3, from = 0;
    if (delimiter.len)
        query[count++] = (struct s3_field){S("delimiter"), delimiter};
    if (token.len)
        query[count++] = (struct s3_field){S("continuation-token"), token};
    EXPECT(send_raw(&(struct raw){.method = "GET", .query = query}, &r) == 200);

    struct buf b = buf_new(a);
    for (str item; (item = element(r.body, "Contents", &from)).len;) {
        size_t inside = 0;
        buf_add_char(&b, ' ');
        buf_add(&b, element(item, "Key", &inside));
    }
    from = 0;
    for (str item; (item = element(r.body, "CommonPrefixes", &from)).len;) {
        size_t inside = 0;
        buf_add_char(&b, ' ');
        buf_add(&b, element(item, "Prefix", &inside));
    }
    from = 0;
    bool is_cut = str_eq(element(r.body, "IsTruncated", &from), S("true"));
    from = 0;
    *next = element(r.body, "NextContinuationToken", &from);
    EXPECT(is_cut == (next->len > 0));
    return buf_str(&b);
}

static void a_list_is_sorted_and_filtered(void)
{
    str next;
    put_listed();
    EXPECT(str_eq(page(S(""), S(""), "1000", (str){0}, &next), S(" a/1 a/2 a/b/3 a/b/4 b c d ф")));
    EXPECT(str_eq(page(S("a/"), S(""), "1000", (str){0}, &next), S(" a/1 a/2 a/b/3 a/b/4")));
    EXPECT(str_eq(page(S("none"), S(""), "1000", (str){0}, &next), S("")));
    EXPECT(str_eq(page(S(""), S("/"), "1000", (str){0}, &next), S(" b c d ф a/")));
    EXPECT(str_eq(page(S("a/"), S("/"), "1000", (str){0}, &next), S(" a/1 a/2 a/b/")));
    delete_listed();
}

/* A page may be smaller than it could be, so only the whole is compared. */
static str all_pages(str prefix, str delimiter, const char *max_keys)
{
    struct buf b = buf_new(a);
    str token = {0};
    for (int pages = 0; pages < 20; pages++) {
        buf_add(&b, page(prefix, delimiter, max_keys, token, &token));
        if (!token.len)
            return buf_str(&b);
    }
    bool has_ended = false;
    EXPECT(has_ended);
    return buf_str(&b);
}

static void pages_join_without_gap_or_repeat(void)
{
    put_listed();
    str keys = S(" a/1 a/2 a/b/3 a/b/4 b c d ф");
    EXPECT(str_eq(all_pages(S(""), S(""), "1"), keys));
    EXPECT(str_eq(all_pages(S(""), S(""), "2"), keys));
    EXPECT(str_eq(all_pages(S(""), S(""), "3"), keys));
    EXPECT(str_eq(all_pages(S("a/"), S(""), "3"), S(" a/1 a/2 a/b/3 a/b/4")));
    EXPECT(str_eq(all_pages(S(""), S("/"), "1"), S(" a/ b c d ф")));
    EXPECT(str_eq(all_pages(S("a/"), S("/"), "1"), S(" a/1 a/2 a/b/")));
    delete_listed();
}

/* Page by page, with the last key of a page as the place to go on from. */
static void our_client_lists_what_there_is(void)
{
    struct s3_entry *entries;
    size_t count;
    struct buf b = buf_new(a);
    put_listed();
    put("x & y", S("four"));
    for (str after = S("");; after = entries[count - 1].key) {
        EXPECT(is_well(s3_list(a, &store, bucket, S(""), after, &entries, &count)));
        for (size_t i = 0; i < count; i++)
            buf_addf(&b, " " STR_FMT, STR_ARG(entries[i].key));
        if (!count)
            break;
    }
    EXPECT(str_eq(buf_str(&b), S(" a/1 a/2 a/b/3 a/b/4 b c d x & y ф")));

    EXPECT(is_well(s3_list(a, &store, bucket, S("a/"), S("a/2"), &entries, &count)) && count == 2);
    EXPECT(is_well(s3_list(a, &store, bucket, S("x"), S(""), &entries, &count)) && count == 1);
    struct s3_object head;
    EXPECT(is_well(s3_head(a, &store, bucket, S("x & y"), &head)));
    EXPECT(entries[0].size_bytes == 4 && str_eq(entries[0].etag, head.etag));
    EXPECT(is_kind(s3_list(a, &store, S("no-such-bucket-here"), S(""), S(""), &entries, &count),
                   ERR_NOT_FOUND));
    delete ("x & y");
    delete_listed();
}

static void many_are_deleted_at_once(void)
{
    struct http_response r;
    struct s3_object got;
    const struct s3_field query[] = {
        {S("delete"), S("")},
        {{0},         {0}  }
    };
    str body = S("<Delete><Quiet>true</Quiet><Object><Key>a/1</Key></Object>"
                 "<Object><Key>c d</Key></Object><Object><Key>ф</Key></Object>"
                 "<Object><Key>never &amp; there</Key></Object></Delete>");
    str next;
    put_listed();
    put("x & y", S("x"));
    EXPECT(send_raw(
               &(struct raw){
                   .method = "POST",
                   .query = query,
                   .body = body,
                   .header = {S("content-md5"), md5_base64(body)}
    },
               &r) == 200);
    EXPECT(str_eq(page(S(""), S(""), "1000", (str){0}, &next), S(" a/2 a/b/3 a/b/4 b x &amp; y")));
    EXPECT(is_kind(s3_get(a, &store, bucket, S("c d"), 10, &got), ERR_NOT_FOUND));
    delete ("x & y");
    delete_listed();
}

static void only_an_empty_bucket_can_be_deleted(void)
{
    struct http_response r;
    put("last", S("x"));
    EXPECT(send_raw(&(struct raw){.method = "DELETE"}, &r) == 409 &&
           has_code(&r, "BucketNotEmpty"));
    delete ("last");
    EXPECT(send_raw(&(struct raw){.method = "DELETE"}, &r) == 204);
    EXPECT(send_raw(&(struct raw){.method = "DELETE"}, &r) == 404 && has_code(&r, "NoSuchBucket"));
    EXPECT(send_raw(&(struct raw){.method = "HEAD"}, &r) == 404);
}

/* -- running them -- */

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    TEST(a_bucket_is_made_once_and_once_more),
    TEST(what_was_put_comes_back),
    TEST(an_empty_object_is_an_object),
    TEST(a_large_object_comes_back_whole),
    TEST(a_small_object_over_the_limit_is_refused_too),
    TEST(odd_keys_are_kept_apart),
    TEST(a_second_put_replaces_the_first),
    TEST(what_is_not_there_is_not_found),
    TEST(a_deleted_object_is_gone),
    TEST(a_wrong_key_is_told_by_its_code),
    TEST(a_link_opens_one_object_for_a_while),
    TEST(a_link_of_another_object_opens_nothing),
    TEST(a_link_runs_out),
    TEST(a_link_for_more_than_a_week_is_refused),
    TEST(a_link_may_name_the_file),
    TEST(a_wrong_clock_is_told),
    TEST(nobody_unknown_gets_in),
    TEST(a_body_that_is_not_what_was_signed_is_refused),
    TEST(an_unsigned_body_is_allowed_when_it_says_so),
    TEST(a_hidden_hash_is_refused),
    TEST(a_wrong_digest_is_refused),
    TEST(nothing_is_overwritten_when_asked_so),
    TEST(what_is_known_is_not_sent_again),
    TEST(a_part_can_be_read),
    TEST(a_list_is_sorted_and_filtered),
    TEST(pages_join_without_gap_or_repeat),
    TEST(our_client_lists_what_there_is),
    TEST(many_are_deleted_at_once),
    TEST(only_an_empty_bucket_can_be_deleted),
};

static int failures;

static void run_all(void *unused)
{
    (void)unused;
    struct arena *kept = arena_new(1 << 16);
    bucket = str_printf(kept, "test-" STR_FMT, STR_ARG(random_hex(kept, 8)));
    printf("1..%zu\n", ARRAY_LEN(tests));
    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        a = arena_new(128 << 20);
        is_failed = false;
        tests[i].run();
        printf("%s %zu - %s\n", is_failed ? "not ok" : "ok", i + 1, tests[i].name);
        fflush(stdout);
        failures += is_failed;
        arena_free(a);
    }
    arena_free(kept);
    loop_stop();
}

static str needed(const char *name)
{
    const char *value = getenv(name);
    if (value && *value)
        return str_from(value);
    printf("1..0 # SKIP %s is not set\n", name);
    exit(0);
}

int main(void)
{
    const char *secure = getenv("MINIO_SECURE"), *region = getenv("MINIO_REGION");
    store = (struct s3){
        .endpoint = needed("MINIO_ENDPOINT"),
        .secure = secure && strcmp(secure, "true") == 0,
        .region = region && *region ? str_from(region) : S("us-east-1"),
        .access_key = needed("MINIO_ACCESS_KEY"),
        .secret_key = needed("MINIO_SECRET_KEY"),
    };
    loop_init();
    http_init(str_from(getenv("CA_FILE")), 0);
    task_start(run_all, NULL, TASK_STACK_KIB);
    loop_run();
    return failures != 0;
}
