/*
 * s3.h - the object store: any server that speaks S3, path style, SigV4.
 *
 * Objects are named by bucket and key; the database keeps both and never an
 * address. Keys are made by us alone, from uuids.
 *
 *     TRY(s3_ensure_bucket(a, s3, S("imagen4")));
 *     TRY(s3_put(a, s3, S("imagen4"), key, S("image/png"), bytes));
 *     TRY(s3_get(a, s3, S("imagen4"), key, 32 << 20, &object));
 *
 * Time: a call that carries no content may last 10 s, one that does 60 s.
 * Size: s3_put refuses more than 5 GiB, the limit of a single PUT; s3_get
 * refuses what is larger than its max_bytes.
 * Retry: nothing is repeated in here. Every call has the same effect when it is
 * made twice, so the job that made it may make it again:
 *   ERR_UNREACHABLE, ERR_UNKNOWN   as core/http.h says
 *   ERR_BUSY        SlowDown, 429 and every 5xx: later
 *   ERR_NOT_FOUND   NoSuchKey, NoSuchBucket
 *   ERR_CONFLICT    412, 409: something else is already there, or not empty
 *   ERR_INPUT       the object is larger than max_bytes
 *   ERR_UPSTREAM    anything else, with the store's own code as detail: a wrong
 *                   key, a clock that is off; waiting does not help
 */
#pragma once
#include "core/val.h"

struct s3 {
    str endpoint; /* host or host:port, without scheme; also what is signed */
    bool secure;  /* https */
    str region;   /* us-east-1 when the store does not care */
    str access_key;
    str secret_key;
};

struct s3_object {
    str bytes; /* empty after s3_head */
    str content_type;
    str etag; /* without quotes */
    int64_t size_bytes;
};

err *s3_put(struct arena *a, const struct s3 *s3, str bucket, str key, str content_type, str bytes);
err *s3_get(struct arena *a, const struct s3 *s3, str bucket, str key, size_t max_bytes,
            struct s3_object *out);
err *s3_head(struct arena *a, const struct s3 *s3, str bucket, str key, struct s3_object *out);
/* Success also when there was no such object. */
err *s3_delete(struct arena *a, const struct s3 *s3, str bucket, str key);
/* One page of what a bucket holds, in the order of the keys' bytes: those that begin with prefix and
 * come after `after`, which is the last key of the page before, or empty. No entries: that was all. */
struct s3_entry {
    str key, etag;
    int64_t size_bytes;
};
err *s3_list(struct arena *a, const struct s3 *s3, str bucket, str prefix, str after,
             struct s3_entry **entries, size_t *count);
/* Success also when the bucket is ours already. */
err *s3_ensure_bucket(struct arena *a, const struct s3 *s3, str bucket);

enum { S3_PRESIGN_MOST_SECONDS = 604800 };
/* An address that anyone may GET for that long (clipped to 1 … 604800 s). The
 * host is part of the signature: give an s3 whose endpoint is the public one. */
str s3_presign_get(struct arena *a, const struct s3 *s3, str bucket, str key, int64_t seconds);

/* -- the signer itself: pure, the time is an argument -- */

struct s3_field {
    str name, value;
};

/* Bucket, key and query are given as they are and encoded here, once. Lists end
 * with an empty name and may be NULL. */
struct s3_call {
    str method;
    str bucket, key;
    const struct s3_field *query;   /* in any order */
    const struct s3_field *headers; /* lower-case names; signed beside host and x-amz-* */
    str payload_sha256;             /* lower-case hex, or UNSIGNED-PAYLOAD */
};

struct s3_signed {
    str url;           /* with the encoded, sorted query */
    str amz_date;      /* value of x-amz-date */
    str authorization; /* value of Authorization */
    str signature;
    str canonical_request_sha256;
};

/* The headers x-amz-date, x-amz-content-sha256 and Authorization must be sent
 * with the values used here. */
void s3_sign(struct arena *a, const struct s3 *s3, const struct s3_call *call, int64_t now_ms,
             struct s3_signed *out);
/* Signs by query instead: a link of its own. Headers of the call are not signed. */
str s3_presign(struct arena *a, const struct s3 *s3, const struct s3_call *call, int64_t seconds,
               int64_t now_ms);
/* Hex SHA-256, as payload_sha256 wants it. */
str s3_sha256(struct arena *a, str bytes);
/* The key that signs for one day ("20250615"): 32 bytes. */
str s3_signing_key(struct arena *a, const struct s3 *s3, str day);
