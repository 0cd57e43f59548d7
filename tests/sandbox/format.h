/*
 * format.h - text with entities: read from HTML or from an array of entities,
 * trimmed, with what Telegram finds by itself. Offsets and lengths are UTF-16
 * code units.
 *
 *     struct entities entities = entities_new(a);
 *     struct formatted text;
 *     str wrong;
 *     if (!format_html(a, S("<b>Hi</b>"), &text, &entities, &wrong)) ...
 *     format_finish(a, &text, &entities);
 */
#pragma once
#include "core/json.h"

struct entity {
    const char *type;
    size_t offset, length;
    str url, language, custom_emoji_id, date_time_format;
    int64_t unix_time;
};

struct entities {
    struct arena *arena;
    struct entity *items;
    size_t count, capacity;
};
struct entities entities_new(struct arena *a);
void entities_add(struct entities *list, const struct entity *e);

struct formatted {
    str text;     /* plain */
    str entities; /* JSON array, empty when there are none; made by format_finish() */
    size_t units; /* UTF-16 length of text */
};

/* *wrong is what Telegram says after "can't parse entities: ". */
bool format_html(struct arena *a, str html, struct formatted *out, struct entities *entities,
                 str *wrong);
/* Control characters become spaces, carriage returns go, as Telegram cleans every text. */
str format_clean(struct arena *a, str text);
/* Trims, moves the entities along, adds commands, links, mentions and hashtags. */
void format_finish(struct arena *a, struct formatted *text, struct entities *entities);
/* Entities as a caller gives them; false when one is of no kind or out of the text. */
bool entities_read(struct json_object *array, size_t text_units, struct entities *out);
