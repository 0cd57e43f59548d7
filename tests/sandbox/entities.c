/* Entities: as callers give them, as Telegram finds them, trimmed and in order. */
#include "tests/sandbox/format.h"

enum { MOST_ENTITIES = 100 }; /* Telegram drops the rest */

static const char *const given_types[] = {
    "mention",       "hashtag",
    "cashtag",       "bot_command",
    "url",           "email",
    "phone_number",  "bold",
    "italic",        "underline",
    "strikethrough", "spoiler",
    "blockquote",    "expandable_blockquote",
    "code",          "pre",
    "text_link",     "custom_emoji",
    "date_time",
};

struct entities entities_new(struct arena *a)
{
    return (struct entities){
        .arena = a, .items = NEW_ARRAY(a, struct entity, MOST_ENTITIES), .capacity = MOST_ENTITIES};
}

void entities_add(struct entities *list, const struct entity *e)
{
    if (list->count < list->capacity)
        list->items[list->count++] = *e;
}

static const char *type_of(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(given_types); i++)
        if (str_eq(name, str_from(given_types[i])))
            return given_types[i];
    return NULL;
}

bool entities_read(struct json_object *array, size_t text_units, struct entities *out)
{
    for (size_t i = 0; i < json_length(array); i++) {
        struct json_object *given = json_item(array, i);
        int64_t offset = -1, length = -1;
        json_i64(given, "offset", &offset);
        json_i64(given, "length", &length);
        struct entity e = {.type = type_of(json_str(given, "type")),
                           .offset = (size_t)offset,
                           .length = (size_t)length,
                           .url = json_str(given, "url"),
                           .language = json_str(given, "language"),
                           .custom_emoji_id = json_str(given, "custom_emoji_id"),
                           .date_time_format = json_str(given, "date_time_format")};
        json_i64(given, "unix_time", &e.unix_time);
        if (!e.type || offset < 0 || length <= 0 || e.offset > text_units ||
            e.length > text_units - e.offset)
            return false;
        entities_add(out, &e);
    }
    return true;
}

str format_clean(struct arena *a, str text)
{
    char *out = NEW_ARRAY(a, char, text.len + 1);
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '\r')
            continue;
        out[length++] = c < ' ' && c != '\n' ? ' ' : (char)c;
    }
    return (str){out, length};
}

/* -- what Telegram finds by itself -- */

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static size_t word_end(str text, size_t at)
{
    while (at < text.len && is_word(text.ptr[at]))
        at++;
    return at;
}

static size_t link_end(str text, size_t at)
{
    while (at < text.len && (unsigned char)text.ptr[at] > ' ' && text.ptr[at] != '<' &&
           text.ptr[at] != '>' && text.ptr[at] != '"')
        at++;
    while (at && strchr(".,:;!?)", text.ptr[at - 1]))
        at--;
    return at;
}

/* A hashtag of digits alone is a number. */
static bool is_number(str s)
{
    size_t at = 0;
    while (at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9')
        at++;
    return at == s.len;
}

/* The kind of thing that begins at `at`, and where it ends. */
static const char *found_at(str text, size_t at, size_t *end)
{
    char c = text.ptr[at], before = at ? text.ptr[at - 1] : ' ';
    str rest = str_sub(text, at, text.len);
    if (is_word(before) || before == '/' || before == '@' || before == '#')
        return NULL;
    if (str_starts(rest, S("http://")) || str_starts(rest, S("https://"))) {
        *end = link_end(text, at);
        return *end > at + 8 ? "url" : NULL;
    }
    *end = word_end(text, at + 1);
    size_t length = *end - at - 1;
    if (c == '/' && length >= 1 && length <= 64) {
        if (*end < text.len && text.ptr[*end] == '@')
            *end = word_end(text, *end + 1);
        return "bot_command";
    }
    if (c == '#' && !is_number(str_sub(text, at + 1, length)))
        return "hashtag";
    return c == '@' && length >= 4 && length <= 32 ? "mention" : NULL;
}

static bool is_taken(const struct entities *list, size_t count, size_t offset, size_t length)
{
    static const char *const closed[] = {"code",        "pre",     "text_link", "url",
                                         "bot_command", "hashtag", "mention",   "custom_emoji"};
    for (size_t i = 0; i < count; i++) {
        const struct entity *e = &list->items[i];
        bool overlaps = offset < e->offset + e->length && e->offset < offset + length;
        for (size_t k = 0; overlaps && k < ARRAY_LEN(closed); k++)
            if (strcmp(e->type, closed[k]) == 0)
                return true;
    }
    return false;
}

static void find_more(str text, struct entities *list)
{
    size_t given = list->count, units = 0;
    for (size_t at = 0; at < text.len;) {
        size_t end;
        const char *type = found_at(text, at, &end);
        struct entity e = {.type = type, .offset = units};
        e.length = type ? str_utf16_units(str_sub(text, at, end - at)) : 0;
        if (type && !is_taken(list, given, e.offset, e.length)) {
            entities_add(list, &e);
            units += e.length;
            at = end;
            continue;
        }
        size_t length = str_utf8_at(text, at);
        at += length ? length : 1;
        units += length == 4 ? 2u : 1u;
    }
}

/* -- trimming, order, JSON -- */

static void move_by(struct entities *list, size_t cut_units, size_t text_units)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct entity e = list->items[i];
        size_t end = e.offset + e.length;
        end = end > cut_units ? end - cut_units : 0;
        e.offset = e.offset > cut_units ? e.offset - cut_units : 0;
        end = end > text_units ? text_units : end;
        if (e.offset >= end)
            continue;
        e.length = end - e.offset;
        list->items[kept++] = e;
    }
    list->count = kept;
}

static int compare(const void *left, const void *right)
{
    const struct entity *a = left, *b = right;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->length != b->length)
        return a->length > b->length ? -1 : 1; /* the outer one first */
    return strcmp(a->type, b->type);
}

static void put_text_member(struct buf *b, const char *name, str value)
{
    if (str_empty(value))
        return;
    buf_addf(b, ",\"%s\":", name);
    json_put_str(b, value);
}

static str entities_json(struct arena *a, const struct entities *list)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < list->count; i++) {
        const struct entity *e = &list->items[i];
        buf_addf(&b, "%s{\"offset\":%zu,\"length\":%zu,\"type\":\"%s\"", i ? "," : "[", e->offset,
                 e->length, e->type);
        put_text_member(&b, "url", e->url);
        put_text_member(&b, "language", e->language);
        put_text_member(&b, "custom_emoji_id", e->custom_emoji_id);
        if (strcmp(e->type, "date_time") == 0)
            buf_addf(&b, ",\"unix_time\":%" PRId64, e->unix_time);
        put_text_member(&b, "date_time_format", e->date_time_format);
        buf_add_char(&b, '}');
    }
    if (list->count)
        buf_add_char(&b, ']');
    return list->count ? buf_str(&b) : S("");
}

static str trim(str text, size_t *cut_bytes)
{
    size_t from = 0, to = text.len;
    while (from < to && (text.ptr[from] == ' ' || text.ptr[from] == '\n'))
        from++;
    while (to > from && (text.ptr[to - 1] == ' ' || text.ptr[to - 1] == '\n'))
        to--;
    *cut_bytes = from;
    return str_sub(text, from, to - from);
}

void format_finish(struct arena *a, struct formatted *text, struct entities *entities)
{
    size_t cut_bytes;
    text->text = trim(text->text, &cut_bytes);
    text->units = str_utf16_units(text->text);
    move_by(entities, cut_bytes, text->units); /* white space: a byte is a unit */
    find_more(text->text, entities);
    if (entities->count)
        qsort(entities->items, entities->count, sizeof *entities->items, compare);
    text->entities = entities_json(a, entities);
}
