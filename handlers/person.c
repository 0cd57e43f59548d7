#include "handlers/person.h"

#include <openssl/hmac.h>

#include "core/clock.h"

enum { CACHED_FOR_MS = 10 * 60 * 1000 };

/* The cached form: one value a line, in this order, after the time it was read at. */
#define STRINGS(X)                                                                                 \
    X(first_name)                                                                                  \
    X(last_name)                                                                                   \
    X(username)                                                                                    \
    X(language)                                                                                    \
    X(timezone)                                                                                    \
    X(settings.default_aspect_ratio)                                                               \
    X(settings.default_quality)

#define NUMBERS(X)                                                                                 \
    X(id)                                                                                          \
    X(balance)                                                                                     \
    X(held)                                                                                        \
    X(avatars)                                                                                     \
    X(utc_offset_minutes)                                                                          \
    X(is_premium)                                                                                  \
    X(is_blocked)                                                                                  \
    X(settings.default_image_count)                                                                \
    X(settings.is_quick)                                                                           \
    X(settings.enhances)                                                                           \
    X(settings.shows_details)                                                                      \
    X(settings.notifies_images)                                                                    \
    X(settings.notifies_avatars)

static str pack(struct arena *a, const struct user *user)
{
    struct buf b = buf_new(a);
    buf_add_i64(&b, clock_ms());
#define PUT_NUMBER(field)                                                                          \
    buf_add_char(&b, '\n');                                                                        \
    buf_add_i64(&b, user->field);
    NUMBERS(PUT_NUMBER)
#undef PUT_NUMBER
#define PUT_STRING(field)                                                                          \
    buf_add_char(&b, '\n');                                                                        \
    buf_add(&b, user->field);
    STRINGS(PUT_STRING)
#undef PUT_STRING
    return buf_str(&b);
}

static int64_t next_number(str *rest)
{
    str line;
    int64_t number = 0;
    str_cut(*rest, '\n', &line, rest);
    str_to_i64(line, &number);
    return number;
}

static str next_line(str *rest)
{
    str line;
    str_cut(*rest, '\n', &line, rest);
    return line;
}

/* False when there is nothing, or it is too old. */
static bool unpack(str packed, struct user *user)
{
    str rest = packed;
    if (next_number(&rest) + CACHED_FOR_MS < clock_ms())
        return false;
#define TAKE_NUMBER(field) user->field = (__typeof__(user->field))next_number(&rest);
    NUMBERS(TAKE_NUMBER)
#undef TAKE_NUMBER
#define TAKE_STRING(field) user->field = next_line(&rest);
    STRINGS(TAKE_STRING)
#undef TAKE_STRING
    return user->id != 0;
}

static bool is_named_as(const struct user *user, const struct update *update)
{
    return str_eq(user->first_name, update->first_name) &&
           str_eq(user->last_name, update->last_name) && str_eq(user->username, update->username) &&
           user->is_premium == update->is_premium;
}

str person_mark(const struct bot *bot, struct arena *a, int64_t telegram_id)
{
    str text = str_printf(a, "person %" PRId64, telegram_id);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    HMAC(EVP_sha256(), bot->conf->callback_secret.ptr, (int)bot->conf->callback_secret.len,
         (const unsigned char *)text.ptr, text.len, digest, &length);
    return str_hex(a, (str){(const char *)digest, length});
}

err *person_load(struct turn *t)
{
    t->user = NEW(t->arena, struct user);
    t->user->telegram_id = t->update->user_id;
    bool is_cached = unpack(t->session.cached_user, t->user) && is_named_as(t->user, t->update);
    if (!is_cached) {
        const struct sender sender = {
            .telegram_id = t->update->user_id,
            .first_name = t->update->first_name,
            .last_name = t->update->last_name,
            .username = t->update->username,
            .language_code = t->update->language_code,
            .is_premium = t->update->is_premium,
            .mark = person_mark(t->bot, t->arena, t->update->user_id),
        };
        TRY(user_touch(t->db, t->arena, &sender, t->bot->conf->welcome_coins, t->user));
        t->was_user_read = true;
    }
    t->language = language_of(t->user->language);
    t->keyboard = keyboard_new(t->arena, t->language);
    return NULL;
}

/* A turn that wrote may have moved coins; the next one reads the person anew, unless the handler
 * knows better. */
void person_remember(struct turn *t, bool has_written)
{
    if (t->is_user_stale || (has_written && !t->spares_user)) {
        if (!str_empty(t->session.cached_user))
            field_drop(t, "u");
    } else if (t->was_user_read) {
        field_put(t, "u", pack(t->arena, t->user));
    }
}
