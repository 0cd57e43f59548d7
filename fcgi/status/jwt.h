/*
 * jwt.h - the session of an admin as a signed token, HS256 and nothing else.
 *
 * libjwt makes and reads them. We are the only maker, and the algorithm is
 * compared with ours after the signature was: no other one, "none" least of
 * all, opens anything. A token says who is signed in, in which session, and
 * until when.
 * It proves that for a few minutes; that the session was not ended meanwhile
 * is asked of the database.
 *
 *     str token = jwt_make(a, conf->jwt_secret, &(struct jwt){.admin_id = 42, …});
 *     TRY(jwt_read(a, conf->jwt_secret, token, clock_ms() / 1000, &session));
 */
#pragma once
#include "core/err.h"

struct jwt {
    int64_t admin_id; /* Telegram's id; "sub" */
    str session_id;   /* uuid; "sid" */
    int64_t issued_at_s, expires_at_s;
};

str jwt_make(struct arena *a, str secret, const struct jwt *claims);
/* ERR_REFUSED when it is not ours, was changed, is over, or comes from the future. */
err *jwt_read(struct arena *a, str secret, str text, int64_t now_s, struct jwt *out);
