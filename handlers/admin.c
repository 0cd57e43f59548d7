#include "handlers/admin.h"

#include <openssl/sha.h>

#include "core/clock.h"
#include "core/log.h"
#include "db/queries.h"

enum { TOKEN_BYTES = 32 };

/* The database knows the token's hash alone: who reads it cannot sign in. */
static str sha256_hex(struct arena *a, str text)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text.ptr, text.len, digest);
    return str_hex(a, (str){(const char *)digest, sizeof digest});
}

err *on_admin(struct turn *t)
{
    str public_url = t->bot->conf->public_url;
    if (str_empty(public_url))
        return refuse(t, T_admin_no_address);
    str token = random_hex(t->arena, TOKEN_BYTES);
    TRY(db_query(t->db, &Q_admin_link_create, NULL, V(sha256_hex(t->arena, token)),
                 V(t->update->user_id), V(ADMIN_LINK_MINUTES * 60)));

    log_info("admin.link_made");
    str url = str_printf(t->arena, STR_FMT "/status/login?token=" STR_FMT, STR_ARG(public_url),
                         STR_ARG(token));
    keyboard_row(&t->keyboard);
    keyboard_link(&t->keyboard, T_button_admin, url);
    return say(t, T_admin_link, KV("minutes", (int)ADMIN_LINK_MINUTES));
}
