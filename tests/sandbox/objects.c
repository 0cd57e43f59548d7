/*
 * objects.c - the object store: the part of S3 that the bot may use.
 *
 * Buckets and objects by path, ListObjectsV2, multi-delete, links. Signatures
 * are verified by objects_sign.c. What real stores know and this one does not
 * (copies, multipart uploads, versions, access lists, the old list) is refused
 * with NotImplemented, never silently ignored.
 *
 * Fault "store.answer": 500, 503 … answers that, "blackhole" answers after a
 * minute, "lost" does the work and then answers 500.
 */
#include "tests/sandbox/sandbox.h"

#include <openssl/evp.h>
#include <time.h>

#include "core/clock.h"
#include "core/loop.h"
#include "tests/sandbox/objects_sign.h"

enum {
    MOST_LISTED = 1000,
    MOST_DELETED = 1000,
    MOST_KEY_BYTES = 1024,
    BLACKHOLE_MS = 60 * 1000,
    BLACKHOLE_LOOK_MS = 500,
    MOST_HEADERS = 8,
    MD5_BYTES = 16,
};

static const char xml_head[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
static const char s3_namespace[] = "http://s3.amazonaws.com/doc/2006-03-01/";

void objects_start(void)
{
    if (!sandbox.s3_region.len)
        sandbox.s3_region = S("us-east-1");
    sql_script("create table if not exists store_buckets ("
               " name text primary key, created_ms integer not null);"
               "create table if not exists store_objects ("
               " bucket text not null references store_buckets, key text not null,"
               " sha256 text not null, size integer not null, etag text not null,"
               " content_type text not null, modified_ms integer not null,"
               " primary key (bucket, key)) without rowid");
}

/* -- answers -- */

static str xml_text(struct arena *a, str s)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if ((unsigned char)c < ' ')
            buf_addf(&b, "&#%d;", c);
        else if (c == '&')
            buf_add(&b, S("&amp;"));
        else if (c == '<')
            buf_add(&b, S("&lt;"));
        else if (c == '>')
            buf_add(&b, S("&gt;"));
        else if (c == '"')
            buf_add(&b, S("&quot;"));
        else
            buf_add_char(&b, c);
    }
    return buf_str(&b);
}

static void answer_xml(struct store_request *r, int status, str xml)
{
    struct arena *a = r->request->arena;
    const struct kv headers[] = {KV("x-amz-request-id", random_hex(a, 8)), {0}};
    request_answer(r->request, &(struct answer){.status = status,
                                                .content_type = "application/xml",
                                                .body = xml,
                                                .headers = headers});
}

static void answer_empty(struct store_request *r, int status)
{
    answer_xml(r, status, S(""));
}

static void refuse_with(struct store_request *r, int status, const char *code, const char *message)
{
    struct arena *a = r->request->arena;
    answer_xml(r, status,
               str_printf(a,
                          "%s<Error><Code>%s</Code><Message>%s</Message><BucketName>" STR_FMT
                          "</BucketName><Key>" STR_FMT "</Key><RequestId>" STR_FMT
                          "</RequestId></Error>",
                          xml_head, code, message, STR_ARG(xml_text(a, r->bucket)),
                          STR_ARG(xml_text(a, r->key)), STR_ARG(random_hex(a, 8))));
}

static void refuse_missing_key(struct store_request *r)
{
    refuse_with(r, 404, "NoSuchKey", "The specified key does not exist.");
}

static str http_date(struct arena *a, int64_t ms)
{
    char text[40];
    struct tm when;
    time_t seconds = (time_t)(ms / 1000);
    gmtime_r(&seconds, &when);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &when);
    return str_dup(a, str_from(text));
}

static str xml_date(struct arena *a, int64_t ms)
{
    char text[40];
    struct tm when;
    time_t seconds = (time_t)(ms / 1000);
    gmtime_r(&seconds, &when);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", &when);
    return str_dup(a, str_from(text));
}

/* -- buckets -- */

static bool bucket_exists(str bucket)
{
    return SQL_NUMBER("select count(*) from store_buckets where name = ?", V(bucket)) > 0;
}

static bool is_bucket_name(str name)
{
    if (name.len < 3 || name.len > 63)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool is_inner = (c == '-' || c == '.') && i > 0 && i + 1 < name.len;
        if (!is_plain && !is_inner)
            return false;
    }
    return true;
}

/* A body may name a place; it must be the region that this store is in. */
static bool is_place_ours(str body)
{
    size_t from, to;
    if (!str_find(body, S("<LocationConstraint>"), &from) ||
        !str_find(body, S("</LocationConstraint>"), &to))
        return !body.len;
    from += sizeof "<LocationConstraint>" - 1;
    return to >= from && str_eq(str_sub(body, from, to - from), sandbox.s3_region);
}

static void bucket_put(struct store_request *r)
{
    if (!is_bucket_name(r->bucket)) {
        refuse_with(r, 400, "InvalidBucketName", "The specified bucket is not valid.");
        return;
    }
    if (!is_place_ours(r->request->body)) {
        refuse_with(r, 400, "IllegalLocationConstraintException",
                    "The specified location constraint is not valid.");
        return;
    }
    if (!SQL("insert or ignore into store_buckets (name, created_ms) values (?, ?)", V(r->bucket),
             V(clock_ms()))) {
        refuse_with(r, 409, "BucketAlreadyOwnedByYou",
                    "Your previous request to create the named bucket succeeded.");
        return;
    }
    answer_empty(r, 200);
}

static void bucket_delete(struct store_request *r)
{
    if (SQL_NUMBER("select exists (select 1 from store_objects where bucket = ?)", V(r->bucket))) {
        refuse_with(r, 409, "BucketNotEmpty", "The bucket you tried to delete is not empty.");
        return;
    }
    SQL("delete from store_buckets where name = ?", V(r->bucket));
    answer_empty(r, 204);
}

static void bucket_location(struct store_request *r)
{
    struct arena *a = r->request->arena;
    bool is_default = str_eq(sandbox.s3_region, S("us-east-1"));
    answer_xml(r, 200,
               str_printf(a, "%s<LocationConstraint xmlns=\"%s\">" STR_FMT "</LocationConstraint>",
                          xml_head, s3_namespace, STR_ARG(is_default ? S("") : sandbox.s3_region)));
}

static void buckets_list(struct store_request *r)
{
    struct arena *a = r->request->arena;
    struct buf b = buf_new(a);
    buf_addf(&b, "%s<ListAllMyBucketsResult xmlns=\"%s\"><Buckets>", xml_head, s3_namespace);
    struct row row = sql_open("select name, created_ms from store_buckets order by name", NULL, 0);
    while (sql_next(&row))
        buf_addf(
            &b, "<Bucket><Name>" STR_FMT "</Name><CreationDate>" STR_FMT "</CreationDate></Bucket>",
            STR_ARG(row_str(a, &row, 0)), STR_ARG(xml_date(a, row_i64(&row, 1))));
    buf_add(&b, S("</Buckets></ListAllMyBucketsResult>"));
    answer_xml(r, 200, buf_str(&b));
}

/* -- ListObjectsV2 -- */

struct listing {
    str prefix, delimiter, after; /* keys greater than `after` */
    str skipped;                  /* a common prefix that was told already */
    int64_t most;
    bool encodes;
    struct buf entries, prefixes;
    int64_t count;
    str last; /* the last key looked at that is part of this page */
    bool is_truncated;
};

/* What the client gets back to go on: k<key>, or p<common prefix>, hidden in
 * base64 because it is nobody's business but ours. */
static bool listing_resume(struct arena *a, struct listing *list, str token)
{
    str plain;
    if (!str_unbase64url(a, token, &plain) || !plain.len)
        return false;
    list->after = str_sub(plain, 1, plain.len);
    if (plain.ptr[0] == 'p')
        list->skipped = list->after;
    return plain.ptr[0] == 'p' || plain.ptr[0] == 'k';
}

static str listing_token(struct arena *a, const struct listing *list)
{
    bool in_prefix = list->skipped.len && str_starts(list->last, list->skipped);
    str mark = in_prefix ? list->skipped : list->last;
    str plain = str_printf(a, "%c" STR_FMT, in_prefix ? 'p' : 'k', STR_ARG(mark));
    return str_base64url(a, plain);
}

static str listed(struct arena *a, const struct listing *list, str key)
{
    return list->encodes ? str_percent(a, key, true) : xml_text(a, key);
}

/* The part of key up to the first delimiter behind the prefix; false when there is none. */
static bool common_prefix(const struct listing *list, str key, str *out)
{
    size_t at;
    str behind = str_sub(key, list->prefix.len, key.len);
    if (!list->delimiter.len || !str_find(behind, list->delimiter, &at))
        return false;
    *out = str_sub(key, 0, list->prefix.len + at + list->delimiter.len);
    return true;
}

static void list_row(struct arena *a, struct listing *list, const struct row *row, str key)
{
    buf_addf(&list->entries,
             "<Contents><Key>" STR_FMT "</Key><LastModified>" STR_FMT
             "</LastModified><ETag>&quot;" STR_FMT "&quot;</ETag><Size>%" PRId64
             "</Size><StorageClass>STANDARD</StorageClass></Contents>",
             STR_ARG(listed(a, list, key)), STR_ARG(xml_date(a, row_i64(row, 3))),
             STR_ARG(row_str(a, row, 1)), row_i64(row, 2));
}

static void list_rows(struct arena *a, struct listing *list, str bucket)
{
    struct row row = SQL_OPEN("select key, etag, size, modified_ms from store_objects"
                              " where bucket = ?1 and key >= ?2 and key > ?3 order by key",
                              V(bucket), V(list->prefix), V(list->after));
    while (sql_next(&row)) {
        str key = row_str(a, &row, 0), prefix;
        if (!str_starts(key, list->prefix)) {
            sql_close(&row);
            return;
        }
        if (list->skipped.len && str_starts(key, list->skipped))
            continue;
        if (list->count == list->most) {
            list->is_truncated = list->most > 0;
            sql_close(&row);
            return;
        }
        if (common_prefix(list, key, &prefix)) {
            buf_addf(&list->prefixes,
                     "<CommonPrefixes><Prefix>" STR_FMT "</Prefix></CommonPrefixes>",
                     STR_ARG(listed(a, list, prefix)));
            list->skipped = prefix;
        } else {
            list_row(a, list, &row, key);
        }
        list->last = key;
        list->count++;
    }
}

static bool listing_take(struct store_request *r, struct listing *list)
{
    struct arena *a = r->request->arena;
    list->entries = buf_new(a);
    list->prefixes = buf_new(a);
    list->prefix = store_query(r, "prefix");
    list->delimiter = store_query(r, "delimiter");
    list->after = store_query(r, "start-after");
    list->encodes = str_eq(store_query(r, "encoding-type"), S("url"));
    list->most = MOST_LISTED;
    if (!list->prefix.ptr)
        list->prefix = S("");
    if (!list->after.ptr)
        list->after = S("");
    if (store_query_has(r, "max-keys") &&
        (!str_to_i64(store_query(r, "max-keys"), &list->most) || list->most < 0))
        return false;
    if (list->most > MOST_LISTED)
        list->most = MOST_LISTED;
    str token = store_query(r, "continuation-token");
    return !store_query_has(r, "continuation-token") || listing_resume(a, list, token);
}

static void bucket_list(struct store_request *r)
{
    struct arena *a = r->request->arena;
    struct listing list = {0};
    if (!listing_take(r, &list)) {
        refuse_with(r, 400, "InvalidArgument", "max-keys or continuation-token is not valid.");
        return;
    }
    list_rows(a, &list, r->bucket);

    struct buf b = buf_new(a);
    buf_addf(&b,
             "%s<ListBucketResult xmlns=\"%s\"><Name>" STR_FMT "</Name><Prefix>" STR_FMT
             "</Prefix><MaxKeys>%" PRId64 "</MaxKeys><KeyCount>%" PRId64
             "</KeyCount><IsTruncated>%s</IsTruncated>",
             xml_head, s3_namespace, STR_ARG(r->bucket), STR_ARG(listed(a, &list, list.prefix)),
             list.most, list.count, list.is_truncated ? "true" : "false");
    if (list.is_truncated)
        buf_addf(&b, "<NextContinuationToken>" STR_FMT "</NextContinuationToken>",
                 STR_ARG(listing_token(a, &list)));
    buf_add(&b, buf_str(&list.entries));
    buf_add(&b, buf_str(&list.prefixes));
    buf_add(&b, S("</ListBucketResult>"));
    answer_xml(r, 200, buf_str(&b));
}

/* -- multi-delete -- */

static str xml_plain(struct arena *a, str s)
{
    static const struct {
        str from;
        char to;
    } names[] = {
        {{"&amp;", 5},  '&' },
        {{"&lt;", 4},   '<' },
        {{"&gt;", 4},   '>' },
        {{"&quot;", 6}, '"' },
        {{"&apos;", 6}, '\''}
    };
    struct buf b = buf_new(a);
    for (size_t i = 0; i < s.len;) {
        size_t step = 1;
        char c = s.ptr[i];
        for (size_t n = 0; c == '&' && n < ARRAY_LEN(names); n++)
            if (str_starts(str_sub(s, i, s.len), names[n].from)) {
                c = names[n].to;
                step = names[n].from.len;
                break;
            }
        buf_add_char(&b, c);
        i += step;
    }
    return buf_str(&b);
}

/* The text between <tag> and </tag>; *rest is what follows. */
static bool xml_cut(str xml, const char *open, const char *close, str *inner, str *rest)
{
    size_t from, length;
    if (!str_find(xml, str_from(open), &from))
        return false;
    str behind = str_sub(xml, from + strlen(open), xml.len);
    if (!str_find(behind, str_from(close), &length))
        return false;
    *inner = str_sub(behind, 0, length);
    *rest = str_sub(behind, length + strlen(close), behind.len);
    return true;
}

static bool is_md5_right(str header, str body)
{
    unsigned char digest[MD5_BYTES];
    unsigned char text[MD5_BYTES * 2];
    EVP_Digest(body.ptr, body.len, digest, NULL, EVP_md5(), NULL);
    int length = EVP_EncodeBlock(text, digest, sizeof digest);
    return str_eq(header, (str){(const char *)text, (size_t)length});
}

static void bucket_delete_many(struct store_request *r)
{
    struct arena *a = r->request->arena;
    str md5 = request_param(r->request, "HTTP_CONTENT_MD5");
    if (!md5.len) {
        refuse_with(r, 400, "InvalidRequest", "Missing required header: Content-MD5.");
        return;
    }

    struct buf b = buf_new(a);
    str inner, rest = r->request->body, ignored;
    bool is_quiet = xml_cut(rest, "<Quiet>", "</Quiet>", &inner, &ignored) &&
                    str_eq(str_trim(inner), S("true"));
    size_t count = 0;
    buf_addf(&b, "%s<DeleteResult xmlns=\"%s\">", xml_head, s3_namespace);
    while (xml_cut(rest, "<Key>", "</Key>", &inner, &rest)) {
        str key = xml_plain(a, inner);
        if (++count > MOST_DELETED)
            break;
        SQL("delete from store_objects where bucket = ? and key = ?", V(r->bucket), V(key));
        if (!is_quiet)
            buf_addf(&b, "<Deleted><Key>" STR_FMT "</Key></Deleted>", STR_ARG(xml_text(a, key)));
    }
    if (!count || count > MOST_DELETED) {
        refuse_with(r, 400, "MalformedXML", "The XML you provided was not well-formed.");
        return;
    }
    buf_add(&b, S("</DeleteResult>"));
    answer_xml(r, 200, buf_str(&b));
}

/* -- objects -- */

struct object {
    str sha256, etag, content_type;
    int64_t size, modified_ms;
};

static bool object_find(struct arena *a, str bucket, str key, struct object *out)
{
    struct row row = SQL_OPEN("select sha256, etag, content_type, size, modified_ms"
                              " from store_objects where bucket = ? and key = ?",
                              V(bucket), V(key));
    if (!sql_next(&row))
        return false;
    *out = (struct object){row_str(a, &row, 0), row_str(a, &row, 1), row_str(a, &row, 2),
                           row_i64(&row, 3), row_i64(&row, 4)};
    sql_close(&row);
    return true;
}

static str md5_hex(struct arena *a, str bytes)
{
    unsigned char digest[MD5_BYTES];
    EVP_Digest(bytes.ptr, bytes.len, digest, NULL, EVP_md5(), NULL);
    return str_hex(a, (str){(const char *)digest, sizeof digest});
}

/* Writes the body down and tells its ETag. */
static str object_keep(const struct store_request *r)
{
    struct arena *a = r->request->arena;
    str type = r->request->content_type.len ? r->request->content_type : S("binary/octet-stream");
    str etag = md5_hex(a, r->request->body);
    SQL("insert or replace into store_objects"
        " (bucket, key, sha256, size, etag, content_type, modified_ms) values (?, ?, ?, ?, ?, ?, ?)",
        V(r->bucket), V(r->key), V(blob_put(a, r->request->body)), V(r->request->body.len), V(etag),
        V(type), V(clock_ms()));
    return etag;
}

static void object_put(struct store_request *r)
{
    struct arena *a = r->request->arena;
    struct object there;
    str only_when = request_param(r->request, "HTTP_IF_NONE_MATCH");
    if (request_param(r->request, "HTTP_TRANSFER_ENCODING").len) {
        refuse_with(r, 411, "MissingContentLength", "You must provide the Content-Length header.");
        return;
    }
    if (only_when.len && !str_eq(only_when, S("*"))) {
        refuse_with(r, 501, "NotImplemented", "If-None-Match takes only * here.");
        return;
    }
    if (only_when.len && object_find(a, r->bucket, r->key, &there)) {
        refuse_with(r, 412, "PreconditionFailed",
                    "At least one of the preconditions you specified did not hold.");
        return;
    }

    str etag = object_keep(r);
    const struct kv headers[] = {KV("ETag", str_printf(a, "\"" STR_FMT "\"", STR_ARG(etag))),
                                 KV("x-amz-request-id", random_hex(a, 8)),
                                 {0}};
    request_answer(
        r->request,
        &(struct answer){.status = 200, .content_type = "application/xml", .headers = headers});
}

enum range { RANGE_NONE, RANGE_SOME, RANGE_OUTSIDE };

/* bytes=from-to, bytes=from-, bytes=-last; anything else is as if it were not there. */
static enum range range_take(str header, int64_t size, int64_t *from, int64_t *to)
{
    str first, last;
    if (!str_starts(header, S("bytes=")) ||
        !str_cut(str_sub(header, 6, header.len), '-', &first, &last))
        return RANGE_NONE;
    if (!first.len) {
        if (!str_to_i64(last, from) || *from < 0)
            return RANGE_NONE;
        *from = *from > size ? 0 : size - *from;
        *to = size - 1;
        return *from < size ? RANGE_SOME : RANGE_OUTSIDE;
    }
    if (!str_to_i64(first, from) || *from < 0)
        return RANGE_NONE;
    if (!last.len)
        *to = size - 1;
    else if (!str_to_i64(last, to) || *to < *from)
        return RANGE_NONE;
    if (*to >= size)
        *to = size - 1;
    return *from < size ? RANGE_SOME : RANGE_OUTSIDE;
}

/* A link may say how the answer is to be labelled; that is signed with it. */
static str label(struct store_request *r, const char *query, str otherwise)
{
    return store_query_has(r, query) ? store_query(r, query) : otherwise;
}

static void object_get(struct store_request *r)
{
    struct arena *a = r->request->arena;
    struct object object;
    str bytes;
    if (!object_find(a, r->bucket, r->key, &object) || !blob_get(a, object.sha256, &bytes)) {
        refuse_missing_key(r);
        return;
    }

    struct kv headers[MOST_HEADERS] = {0};
    size_t count = 0;
    str etag = str_printf(a, "\"" STR_FMT "\"", STR_ARG(object.etag));
    headers[count++] = KV("ETag", etag);
    headers[count++] = KV("Last-Modified", http_date(a, object.modified_ms));
    headers[count++] = KV("Accept-Ranges", "bytes");
    headers[count++] = KV("x-amz-request-id", random_hex(a, 8));
    str disposition = label(r, "response-content-disposition", (str){0});
    if (disposition.len)
        headers[count++] = KV("Content-Disposition", disposition);

    struct answer answer = {200, cstr(a, label(r, "response-content-type", object.content_type)),
                            bytes, headers};
    int64_t from = 0, to = 0;
    enum range range = range_take(request_param(r->request, "HTTP_RANGE"), object.size, &from, &to);
    if (str_eq(request_param(r->request, "HTTP_IF_NONE_MATCH"), etag)) {
        answer.status = 304;
        answer.body = S("");
    } else if (range == RANGE_OUTSIDE) {
        refuse_with(r, 416, "InvalidRange", "The requested range is not satisfiable");
        return;
    } else if (range == RANGE_SOME) {
        answer.status = 206;
        answer.body = str_sub(bytes, (size_t)from, (size_t)(to - from + 1));
        headers[count++] = KV(
            "Content-Range",
            str_printf(a, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, from, to, object.size));
    }
    request_answer(r->request, &answer);
}

static void object_delete(struct store_request *r)
{
    SQL("delete from store_objects where bucket = ? and key = ?", V(r->bucket), V(r->key));
    answer_empty(r, 204);
}

/* -- which operation -- */

/* Everything a query may hold; what is not here asks for something not played. */
static bool is_query_known(const struct store_request *r)
{
    static const char *const known[] = {
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
        "response-content-type",
        "response-content-disposition",
        "x-id",
        "list-type",
        "prefix",
        "delimiter",
        "max-keys",
        "continuation-token",
        "start-after",
        "encoding-type",
        "fetch-owner",
        "delete",
        "location",
    };
    for (size_t i = 0; i < r->query_count; i++) {
        bool is_known = false;
        for (size_t n = 0; n < ARRAY_LEN(known) && !is_known; n++)
            is_known = str_eq(r->query[i].name, str_from(known[n]));
        if (!is_known)
            return false;
    }
    return true;
}

typedef void (*operation)(struct store_request *r);

static void refuse_not_played(struct store_request *r)
{
    refuse_with(r, 501, "NotImplemented", "This store does not play that operation.");
}

static void bucket_head(struct store_request *r)
{
    answer_empty(r, 200);
}

static operation operation_of(const struct store_request *r)
{
    str method = r->request->method;
    bool is_get = str_eq(method, S("GET")), is_put = str_eq(method, S("PUT"));
    bool is_head = str_eq(method, S("HEAD")), is_delete = str_eq(method, S("DELETE"));
    if (!is_query_known(r) || store_header(r, S("x-amz-copy-source")).len)
        return refuse_not_played;
    if (!r->bucket.len)
        return is_get ? buckets_list : refuse_not_played;
    if (r->key.len)
        return is_get || is_head ? object_get
               : is_put          ? object_put
               : is_delete       ? object_delete
                                 : refuse_not_played;
    if (is_get && store_query_has(r, "location"))
        return bucket_location;
    if (is_get && str_eq(store_query(r, "list-type"), S("2")))
        return bucket_list;
    if (str_eq(method, S("POST")) && store_query_has(r, "delete"))
        return bucket_delete_many;
    return is_put      ? bucket_put
           : is_head   ? bucket_head
           : is_delete ? bucket_delete
                       : refuse_not_played;
}

/* -- taking a request apart -- */

static bool take_path(struct store_request *r)
{
    struct arena *a = r->request->arena;
    str query, bucket, key;
    str_cut(request_param(r->request, "REQUEST_URI"), '?', &r->raw_path, &query);
    if (!str_starts(r->raw_path, S("/")))
        return false;
    str_cut(str_sub(r->raw_path, 1, r->raw_path.len), '/', &bucket, &key);
    return str_unpercent(a, bucket, false, &r->bucket) && str_unpercent(a, key, false, &r->key) &&
           str_is_utf8(r->bucket) && str_is_utf8(r->key);
}

static bool take_query(struct store_request *r)
{
    struct arena *a = r->request->arena;
    str rest = r->request->query, pair;
    size_t most = 1;
    for (size_t i = 0; i < rest.len; i++)
        most += rest.ptr[i] == '&';
    r->query = NEW_ARRAY(a, struct query_pair, most);
    while (rest.len) {
        str name, value;
        str_cut(rest, '&', &pair, &rest);
        if (!pair.len)
            continue;
        str_cut(pair, '=', &name, &value);
        struct query_pair *taken = &r->query[r->query_count++];
        if (!str_unpercent(a, name, false, &taken->name) ||
            !str_unpercent(a, value, false, &taken->value) || !str_is_utf8(taken->value))
            return false;
    }
    return true;
}

static bool is_ordered(void)
{
    return sql_number("select count(*) from faults where name = 'store.answer'", NULL, 0) > 0;
}

/* Silence: for a minute, or until the fault is taken back. */
static void blackhole(void)
{
    int64_t until_ms = clock_steady_ms() + BLACKHOLE_MS;
    bool was_ordered = is_ordered();
    while (clock_steady_ms() < until_ms && !store_is_draining() && is_ordered() == was_ordered)
        task_sleep_ms(BLACKHOLE_LOOK_MS);
}

/* True when the request was answered by a fault and must not be looked at further. */
static bool answered_by_fault(struct store_request *r, bool *loses_answer)
{
    struct json_object *value;
    int64_t status;
    if (!fault_get(r->request->arena, "store.answer", &value))
        return false;
    if (json_at(value, "value"))
        value = json_at(value, "value");
    if (json_value_i64(value, &status)) {
        refuse_with(r, (int)status, status == 503 ? "SlowDown" : "InternalError",
                    "We encountered an internal error. Please try again.");
        return true;
    }
    *loses_answer = str_eq(json_value_str(value), S("lost"));
    if (!str_eq(json_value_str(value), S("blackhole")))
        return false;
    blackhole();
    refuse_with(r, 504, "RequestTimeout", "Nothing was heard for a minute.");
    return true;
}

/* The refusal that holds for every operation on what is named, or false. */
static bool refused_before(struct store_request *r, operation run)
{
    const struct store_refusal *refusal = store_check_signature(
        r, sandbox.s3_access_key, sandbox.s3_secret_key, sandbox.s3_region, clock_ms());
    str md5 = request_param(r->request, "HTTP_CONTENT_MD5");
    if (refusal)
        refuse_with(r, refusal->status, refusal->code, refusal->message);
    else if (md5.len && !is_md5_right(md5, r->request->body))
        refuse_with(r, 400, "BadDigest", "The Content-MD5 you specified did not match.");
    else if (r->key.len > MOST_KEY_BYTES)
        refuse_with(r, 400, "KeyTooLongError", "Your key is too long");
    else if (r->bucket.len && run != bucket_put && !bucket_exists(r->bucket))
        refuse_with(r, 404, "NoSuchBucket", "The specified bucket does not exist");
    else
        return false;
    return true;
}

void objects_handle(struct request *request)
{
    struct store_request r = {.request = request, .host = request_param(request, "HTTP_HOST")};
    bool loses_answer = false;
    if (!take_path(&r) || !take_query(&r)) {
        refuse_with(&r, 400, "InvalidURI", "Couldn't parse the specified URI.");
        return;
    }
    if (answered_by_fault(&r, &loses_answer))
        return;

    operation run = operation_of(&r);
    if (refused_before(&r, run))
        return;
    if (loses_answer && run == object_put) {
        object_keep(&r);
        refuse_with(&r, 500, "InternalError", "The answer was lost.");
        return;
    }
    run(&r);
}
