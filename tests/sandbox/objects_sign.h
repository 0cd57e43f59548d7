/*
 * objects_sign.h - checks the signature of a request to the object store.
 *
 * Written from AWS' rules and not from our client, so that the two can only
 * agree by both being right. Every refusal carries S3's own code.
 */
#pragma once
#include "core/fastcgi.h"

/* One pair of the query string, decoded, in the order of the address. */
struct query_pair {
    str name, value;
};

struct store_request {
    struct request *request;
    str host;        /* with the port, as it was sent */
    str raw_path;    /* as it was sent, still encoded */
    str bucket, key; /* decoded; empty when absent */
    struct query_pair *query;
    size_t query_count;
};

struct store_refusal {
    int status;
    const char *code;
    const char *message;
};

/* NULL when the request is signed by the key, now, for this region, and its body
 * is what was signed. now_ms: Unix time. */
const struct store_refusal *store_check_signature(const struct store_request *r, str access_key,
                                                  str secret_key, str region, int64_t now_ms);
/* A value of the query string; empty when absent. */
str store_query(const struct store_request *r, const char *name);
bool store_query_has(const struct store_request *r, const char *name);
/* A header by its own name ("content-type"), not by its CGI name. */
str store_header(const struct store_request *r, str name);
