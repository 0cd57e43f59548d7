#include "handlers/admin.h"

#include <openssl/sha.h>

#include "core/clock.h"
#include "core/log.h"
#include "db/queries.h"

enum { TOKEN_BYTES = 32 };

bool is_admin(const struct conf *conf, int64_t telegram_id)
{
    for (size_t i = 0; i < conf->telegram_admin_ids.count; i++)
        if (conf->telegram_admin_ids.items[i] == telegram_id)
            return true;
    return false;
}

str admin_token_hash(struct arena *a, str token)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)token.ptr, token.len, digest);
    return str_hex(a, (str){(const char *)digest, sizeof digest});
}

err *admin_tell(struct work *w, enum text text, const struct kv *values)
{
    struct user admin = {0};
    int64_t chat_id = 0;
    json_i64(w->payload, "chat_id", &chat_id);
    err *e = user_find_by_telegram(w->db, w->arena, chat_id, &admin);
    if (e && !err_is_not_found(e))
        return e;
    str html = text_html(w->arena, language_of(admin.language), text, values);
    const struct outbox_call call = {
        .chat_id = chat_id,
        .call = message_call(w->arena, chat_id, 0, html, NULL),
    };
    return work_call(w, &call, NULL);
}

err *on_admin(struct turn *t)
{
    str public_url = t->bot->conf->public_url;
    if (str_empty(public_url))
        return refuse(t, T_admin_no_address);
    str token = random_hex(t->arena, TOKEN_BYTES);
    TRY(db_query(t->db, &Q_admin_link_create, NULL, V(admin_token_hash(t->arena, token)),
                 V(t->update->user_id), V(ADMIN_LINK_MINUTES * 60)));

    log_info("admin.link_made");
    str url = str_printf(t->arena, STR_FMT "/status/login?token=" STR_FMT, STR_ARG(public_url),
                         STR_ARG(token));
    keyboard_row(&t->keyboard);
    keyboard_link(&t->keyboard, T_button_admin, url);
    return say(t, T_admin_link, KV("minutes", (int)ADMIN_LINK_MINUTES));
}
