#include "db/user.h"

#include "db/ledger.h"
#include "db/queries.h"

/* English for whoever uses Telegram in another language than Russian; Russian when it says
 * nothing. */
static str language_of(str language_code)
{
    if (str_empty(language_code) || str_starts(language_code, S("ru")))
        return S("ru");
    return S("en");
}

static struct user_settings settings_of(const struct rows *rows)
{
    return (struct user_settings){
        .default_aspect_ratio = rows_str(rows, 0, "default_aspect_ratio"),
        .default_image_count = (int)rows_i64(rows, 0, "default_image_count"),
        .default_quality = rows_str(rows, 0, "default_quality"),
        .is_quick = rows_bool(rows, 0, "quick_generation_mode"),
        .enhances = rows_bool(rows, 0, "auto_enhance_prompts"),
        .shows_details = rows_bool(rows, 0, "show_technical_details"),
        .notifies_images = rows_bool(rows, 0, "notify_generations"),
        .notifies_avatars = rows_bool(rows, 0, "notify_avatars"),
    };
}

static struct user user_of(const struct rows *rows)
{
    return (struct user){
        .id = rows_i64(rows, 0, "id"),
        .telegram_id = rows_i64(rows, 0, "telegram_id"),
        .first_name = rows_str(rows, 0, "first_name"),
        .last_name = rows_str(rows, 0, "last_name"),
        .username = rows_str(rows, 0, "username"),
        .language = rows_str(rows, 0, "language_code"),
        .timezone = rows_str(rows, 0, "timezone"),
        .utc_offset_minutes = (int)rows_i64(rows, 0, "utc_offset_minutes"),
        .is_premium = rows_bool(rows, 0, "is_premium"),
        .is_blocked = rows_bool(rows, 0, "is_blocked"),
        .is_unreachable = rows_bool(rows, 0, "is_unreachable"),
        .created_at_ms = rows_i64(rows, 0, "created_at_ms"),
        .balance = rows_i64(rows, 0, "balance"),
        .held = rows_i64(rows, 0, "held"),
        .avatars = (int)rows_i64(rows, 0, "avatars"),
        .settings = settings_of(rows),
    };
}

static bool is_up_to_date(const struct user *user, const struct sender *sender)
{
    return str_eq(user->first_name, sender->first_name) &&
           str_eq(user->last_name, sender->last_name) && str_eq(user->username, sender->username) &&
           user->is_premium == sender->is_premium && !user->is_unreachable;
}

static str or_empty(str s)
{
    return s.ptr ? s : S("");
}

static err *recall(struct db *db, int64_t user_id, str mark, bool *was_welcomed)
{
    struct rows rows;
    TRY(db_query(db, &Q_person_recall, &rows, V(user_id), V(mark)));
    *was_welcomed = rows_bool(&rows, 0, "was_welcomed");
    return NULL;
}

static err *sender_put(struct db *db, struct arena *a, const struct sender *sender,
                       int64_t welcome_coins)
{
    struct rows rows;
    TRY(db_query(db, &Q_user_put, &rows, V(sender->telegram_id), V(or_empty(sender->first_name)),
                 V(or_empty(sender->last_name)), V(or_empty(sender->username)),
                 V(language_of(sender->language_code)), V(sender->is_premium)));
    if (!rows_bool(&rows, 0, "is_new"))
        return NULL;

    int64_t user_id = rows_i64(&rows, 0, "id");
    bool was_welcomed = false;
    if (!str_empty(sender->mark))
        TRY(recall(db, user_id, sender->mark, &was_welcomed));
    if (was_welcomed || welcome_coins == 0)
        return NULL;
    str key = str_printf(a, "welcome:%" PRId64, user_id);
    return ledger_credit(db, user_id, key, welcome_coins, LEDGER_PROMO, S("welcome"), (str){0},
                         NULL);
}

err *user_touch(struct db *db, struct arena *a, const struct sender *sender, int64_t welcome_coins,
                struct user *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_user_by_telegram, &rows, V(sender->telegram_id)));
    if (rows.count == 1) {
        struct user known = user_of(&rows);
        if (is_up_to_date(&known, sender)) {
            *out = known;
            return NULL;
        }
    }

    TRY(sender_put(db, a, sender, welcome_coins));
    return user_find_by_telegram(db, a, sender->telegram_id, out);
}

err *user_find_by_telegram(struct db *db, struct arena *a, int64_t telegram_id, struct user *out)
{
    struct rows rows;
    TRY(db_query(db, &Q_user_by_telegram, &rows, V(telegram_id)));
    if (rows.count == 0)
        return fail(a, ERR_NOT_FOUND, "no user with Telegram id %" PRId64, telegram_id);
    *out = user_of(&rows);
    return NULL;
}

err *user_find(struct db *db, str words, int64_t limit, struct rows *rows)
{
    int64_t number = 0;
    str name = str_trim(words);
    if (!str_to_i64(name, &number))
        number = 0;
    if (str_starts(name, S("@")))
        name = str_sub(name, 1, name.len);
    if (str_empty(name))
        return db_query(db, &Q_user_newest, rows, V(limit));
    return db_query(db, &Q_user_find, rows, V(name), V(number), V(limit));
}

err *user_set_language(struct db *db, int64_t user_id, str language)
{
    return db_query(db, &Q_user_set_language, NULL, V(user_id), V(language));
}

err *user_set(struct db *db, int64_t user_id, enum user_setting setting, struct val value)
{
    static const struct query *const queries[] = {
        [USER_TIMEZONE] = &Q_user_set_timezone,
        [USER_ASPECT_RATIO] = &Q_user_set_aspect_ratio,
        [USER_IMAGE_COUNT] = &Q_user_set_image_count,
        [USER_QUALITY] = &Q_user_set_quality,
        [USER_QUICK_MODE] = &Q_user_set_quick_mode,
        [USER_ENHANCE] = &Q_user_set_enhance,
        [USER_DETAILS] = &Q_user_set_details,
        [USER_NOTIFY_IMAGES] = &Q_user_set_notify_images,
        [USER_NOTIFY_AVATARS] = &Q_user_set_notify_avatars,
    };
    static_assert(ARRAY_LEN(queries) == USER_SETTING_COUNT, "each setting has its statement");
    return db_query(db, queries[setting], NULL, V(user_id), value);
}

err *user_set_blocked(struct db *db, int64_t user_id, bool is_blocked, bool *changed)
{
    struct rows rows;
    TRY(db_query(db, &Q_user_set_blocked, &rows, V(user_id), V(is_blocked)));
    *changed = rows.count == 1;
    return NULL;
}

err *user_mark_unreachable(struct db *db, int64_t telegram_id)
{
    return db_query(db, &Q_user_mark_unreachable, NULL, V(telegram_id));
}

err *user_mark_reachable(struct db *db, int64_t telegram_id)
{
    return db_query(db, &Q_user_mark_reachable, NULL, V(telegram_id));
}
