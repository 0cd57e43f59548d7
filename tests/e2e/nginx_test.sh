#!/bin/sh
# nginx_test.sh - what nginx lets through, and how it words what it refuses.
# Needs the environment of a ground that is up (build/check/env).

set -u

cd "$(dirname "$0")/../.." || exit
address=https://127.0.0.1:$HTTPS_PORT
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

# Asks, and leaves the status in $status, headers and body in files.
ask() # curl arguments... path
{
    status=$(curl -s -m 10 --noproxy '*' --cacert "$CA_FILE" -D "$work/headers" -o "$work/body" \
        -w '%{http_code}' "$@")
}

ok() # description command...
{
    description=$1
    shift
    count=$((count + 1))
    if "$@" >"$work/said" 2>&1; then
        echo "ok $count - $description"
    else
        echo "not ok $count - $description"
        sed 's/^/# /' "$work/said"
        sed 's/^/# /' "$work/headers" "$work/body" 2>/dev/null | head -n 20
    fi
}

has_header() { grep -qi "^$1" "$work/headers"; }
lacks_in_logs() { ! grep -F -- "$1" "$AISHA_DIR"/log/access.log "$AISHA_DIR"/log/nginx.log; }
lacks() { ! grep -qi "$1" "$work/headers"; }

refused() # status word: the answer is our JSON with a request id
{
    [ "$status" = "$1" ] && has_header 'content-type: application/json' &&
        grep -qE "^\{\"error\":\"$2\",\"request_id\":\"[0-9a-f]{32}\"\}$" "$work/body"
}

# Some builds of OpenSSL refuse old versions on their own side; the lowered
# security level makes it the server that says no.
speaks() # openssl option
{
    echo | openssl s_client -connect "127.0.0.1:$HTTPS_PORT" -CAfile "$CA_FILE" -verify_return_error \
        -cipher 'ALL:@SECLEVEL=0' "$1"
}
does_not_speak() { ! speaks "$1"; }

ok 'the configuration is valid' nginx -t -q -c "$AISHA_DIR/nginx/nginx.conf" -e "$work/nginx.log"
ok 'TLS 1.2 is spoken' speaks -tls1_2
ok 'TLS 1.3 is spoken' speaks -tls1_3
ok 'TLS 1.1 is not' does_not_speak -tls1_1
ok 'TLS 1.0 is not' does_not_speak -tls1
ok 'the certificate is for localhost too' curl -s -m 10 --noproxy '*' --cacert "$CA_FILE" \
    --resolve "localhost:$HTTPS_PORT:127.0.0.1" -o /dev/null "https://localhost:$HTTPS_PORT/nowhere"

ask "$address/nowhere"
ok 'an unknown path is 404 in JSON' refused 404 not_found
ok 'the version of nginx is not told' lacks '^server: nginx/'
ok 'answers are not to be sniffed' has_header 'x-content-type-options: nosniff'

for path in /webhook/telegram /webhook/fal/status /webhook/fal/portrait /webhook/fal/image; do
    ask "$address$path"
    ok "GET $path is 405" refused 405 method_not_allowed
    ok "and names POST" has_header 'allow: POST'
done
ask -X POST -d '' "$address/webhook/fal/other"
ok 'a callback of no kind is 404' refused 404 not_found
for path in /health /ready; do
    ask -X POST -d '' "$address$path"
    ok "POST $path is 405" refused 405 method_not_allowed
    ok 'and names GET' has_header 'allow: GET, HEAD'
done

ask -X POST -d '' "$address/metrics"
ok 'POST /metrics is 405' refused 405 method_not_allowed
ask "$address/metrics"
ok 'metrics are told on this machine' [ "$status" = 200 ]
ask --interface 127.0.0.2 "$address/metrics"
ok 'and to no other address' refused 403 forbidden

head -c 1048577 /dev/zero >"$work/large"
ask -H 'content-type: application/json' --data-binary "@$work/large" "$address/webhook/telegram"
ok 'an update of more than 1 MiB is 413' refused 413 too_large
head -c 4194305 /dev/zero >"$work/large"
ask -H 'content-type: application/json' --data-binary "@$work/large" "$address/webhook/fal/image"
ok 'a callback of more than 4 MiB is 413' refused 413 too_large

long=$(head -c 9000 /dev/zero | tr '\0' a)
ask --http1.1 "$address/$long"
ok 'an endless address is 414' refused 414 uri_too_long
ask "http://127.0.0.1:$HTTPS_PORT/health"
ok 'plain HTTP on the port of HTTPS is 400 in JSON' refused 400 bad_request
ask --path-as-is "$address/static/../nginx/aisha.conf"
ok 'static/ does not lead out of itself' [ "$status" -ge 400 ]

ask "$address/status"
ok 'no page may be framed' has_header 'x-frame-options: DENY'

ask "$address/nowhere?token=secret-of-a-link"
ok 'the log holds the request id' grep -q "request=$(sed -n 's/.*"request_id":"\([0-9a-f]*\)".*/\1/p' "$work/body") " \
    "$AISHA_DIR/log/access.log"
absent() { ! grep -q "$1" "$2"; }
ok 'and no query' absent secret-of-a-link "$AISHA_DIR/log/access.log"
ask --data-binary "@$work/large" "$address/status/login?token=unused-and-not-to-be-logged"
ok 'a login with a large body is 413' refused 413 too_large
ok 'and its link stands in no log' lacks_in_logs unused-and-not-to-be-logged

for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13; do
    ask "$address/status/login?token=wrong-and-not-to-be-logged"
done
ok 'guessing login links is slowed down' refused 429 too_many_requests
ok 'and no log tells what was guessed' lacks_in_logs wrong-and-not-to-be-logged
ok 'and says until when' has_header 'retry-after: '

echo "1..$count"
