/* What people do: each writes a message and makes the update that the bot gets. */
#include "tests/sandbox/telegram_inside.h"

#include "core/clock.h"

enum { MESSAGE_LIVES_MS = 24 * 3600 * 1000, CALLBACK_LIVES_MS = 150000, MOST_ALBUM = 10 };

void telegram_person_put(const struct person *p)
{
    SQL("insert into people (id, first_name, last_name, username, language_code, is_premium,"
        " created_ms) values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict (id) do update set"
        " first_name = ?2, last_name = ?3, username = ?4, language_code = ?5, is_premium = ?6",
        V(p->id), V(p->first_name), V(p->last_name), V(p->username), V(p->language_code),
        V(p->is_premium), V(clock_ms()));
    sandbox_changed();
}

bool telegram_person_exists(int64_t user_id)
{
    return SQL_NUMBER("select 1 from people where id = ?", V(user_id)) != 0;
}

/* -- messages -- */

static str chat_queue(struct arena *a, int64_t user_id)
{
    return str_printf(a, "chat:%" PRId64, user_id);
}

static int64_t say(struct arena *a, int64_t user_id, struct message *m)
{
    if (!telegram_person_exists(user_id))
        return 0;
    /* A kill in between must not leave a message without its update. */
    sql_script("savepoint say");
    SQL("update people set has_started = 1 where id = ? and not has_started", V(user_id));
    m->chat_id = user_id;
    message_add(m);
    update_add(a, "message", chat_queue(a, user_id), MESSAGE_LIVES_MS, message_json(a, m));
    sql_script("release say");
    return m->message_id;
}

int64_t telegram_user_text(struct arena *a, int64_t user_id, str text)
{
    struct formatted clean = {.text = format_clean(a, text)};
    struct entities entities = entities_new(a);
    clean.units = str_utf16_units(clean.text);
    format_finish(a, &clean, &entities);
    if (!clean.units)
        return 0;
    struct message m = {.kind = S("text"), .text = clean.text, .entities = clean.entities};
    return say(a, user_id, &m);
}

/* -- files -- */

/* In the order in which files of several kinds are sent. */
static const struct sent_kind {
    const char *name;
    bool may_be_album;
} sent_kinds[] = {
    {"photo",      true },
    {"video",      true },
    {"document",   true },
    {"audio",      true },
    {"voice",      false},
    {"video_note", false},
};

static bool is_sent_kind(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(sent_kinds); i++)
        if (strcmp(name, sent_kinds[i].name) == 0)
            return true;
    return false;
}

/* A photo that is none may become a document instead. */
static bool put_file(struct arena *a, const struct sent_file *f, bool or_document,
                     struct media *out)
{
    const char *kind = f->kind;
    if (!is_sent_kind(kind) || str_empty(f->bytes))
        return false;
    if (strcmp(kind, "photo") == 0) {
        if (media_put_photo(a, f->bytes, out))
            return true;
        if (!or_document)
            return false;
        kind = "document";
    }
    media_put(a, kind, f->bytes, f->file_name, f->mime_type, f->duration_seconds, out);
    return true;
}

static int64_t say_media(struct arena *a, int64_t user_id, const struct media *media, str caption,
                         str media_group_id)
{
    struct message m = {.kind = str_from(media->kind),
                        .text = caption,
                        .media = media_json(a, media),
                        .media_group_id = media_group_id};
    return say(a, user_id, &m);
}

int64_t telegram_user_file(struct arena *a, int64_t user_id, const struct sent_file *file,
                           str caption, str media_group_id)
{
    struct media media = {0};
    if (!telegram_person_exists(user_id) || !put_file(a, file, false, &media))
        return 0;
    return say_media(a, user_id, &media, caption, media_group_id);
}

/* All of one kind, album after album; how many they are. */
static size_t say_kind(struct arena *a, int64_t user_id, const struct sent_kind *kind,
                       const struct media *media, size_t count, str caption, int64_t *message_ids)
{
    size_t total = 0, said = 0;
    str group = {0};
    for (size_t i = 0; i < count; i++)
        total += strcmp(media[i].kind, kind->name) == 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(media[i].kind, kind->name) != 0)
            continue;
        if (said % MOST_ALBUM == 0) /* a file that is left alone belongs to no album */
            group = kind->may_be_album && total - said > 1
                        ? str_printf(a, "%" PRIu64, random_below(UINT64_C(1) << 53))
                        : (str){0};
        message_ids[said++] = say_media(a, user_id, &media[i], caption, group);
        caption = (str){0};
    }
    return said;
}

bool telegram_user_files(struct arena *a, int64_t user_id, const struct sent_file *files,
                         size_t count, str caption, int64_t *message_ids)
{
    struct media *media = NEW_ARRAY(a, struct media, count + 1);
    if (!telegram_person_exists(user_id) || !count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!put_file(a, &files[i], true, &media[i]))
            return false;
    sql_script("savepoint say_files");
    size_t said = 0;
    for (size_t i = 0; i < ARRAY_LEN(sent_kinds); i++) {
        if (said)
            caption = S("");
        said += say_kind(a, user_id, &sent_kinds[i], media, count, caption, message_ids + said);
    }
    sql_script("release say_files");
    return true;
}

/* -- taps -- */

static bool has_button(struct arena *a, const struct message *m, str data)
{
    struct json_object *markup;
    if (str_empty(m->markup) || json_parse(a, m->markup, &markup))
        return false;
    struct json_object *rows = json_at(markup, "inline_keyboard");
    for (size_t r = 0; r < json_length(rows); r++)
        for (size_t i = 0; i < json_length(json_item(rows, r)); i++)
            if (str_eq(json_str(json_item(json_item(rows, r), i), "callback_data"), data))
                return true;
    return false;
}

str telegram_user_tap(struct arena *a, int64_t user_id, int64_t message_id, str data,
                      bool is_forged)
{
    struct message m = {0};
    if (!message_find(a, user_id, message_id, &m) || (!is_forged && !has_button(a, &m, data)))
        return S("");
    str id = str_printf(a, "%" PRIu64, (UINT64_C(1) << 60) + random_below(UINT64_C(1) << 60));
    sql_script("savepoint tap");
    SQL("insert into callbacks (id, user_id, message_id, data, at_ms) values (?, ?, ?, ?, ?)",
        V(id), V(user_id), V(message_id), V(data), V(clock_ms()));
    str instance = str_printf(a, "%" PRId64, -user_id);
    update_add(a, "callback_query", str_printf(a, "callback:%" PRId64, user_id), CALLBACK_LIVES_MS,
               json_make(a, KV("id", id), KV("from", JSON(user_json(a, user_id))),
                         KV("message", JSON(message_json(a, &m))), KV("chat_instance", instance),
                         KV("data", data)));
    sql_script("release tap");
    return id;
}

/* -- blocking -- */

static str member_json(struct arena *a, bool has_blocked)
{
    if (!has_blocked)
        return json_make(a, KV("user", JSON(bot_json(a, false))), KV("status", "member"));
    return json_make(a, KV("user", JSON(bot_json(a, false))), KV("status", "kicked"),
                     KV("until_date", 0));
}

bool telegram_user_block(struct arena *a, int64_t user_id, bool blocks)
{
    if (!SQL("update people set has_blocked = ?1 where id = ?2 and has_blocked <> ?1", V(blocks),
             V(user_id)))
        return false;
    update_add(a, "my_chat_member", str_printf(a, "member:%" PRId64, user_id), MESSAGE_LIVES_MS,
               json_make(a, KV("chat", JSON(chat_json(a, user_id))),
                         KV("from", JSON(user_json(a, user_id))), KV("date", clock_ms() / 1000),
                         KV("old_chat_member", JSON(member_json(a, !blocks))),
                         KV("new_chat_member", JSON(member_json(a, blocks)))));
    sandbox_changed();
    return true;
}
