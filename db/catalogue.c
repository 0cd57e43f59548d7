#include "db/catalogue.h"

#include "core/json.h"
#include "db/queries.h"

enum {
    ID_MOST_BYTES = 24, /* names stand in buttons */
    LEVELS = 3,
};

enum level { CATEGORY, SUBCATEGORY, TEMPLATE };

static const char *const level_names[LEVELS] = {"category", "subcategory", "template"};

/* ---------------------------------------------------------------- keys */

enum {
    OF_CATEGORY = 1 << CATEGORY,
    OF_SUBCATEGORY = 1 << SUBCATEGORY,
    OF_TEMPLATE = 1 << TEMPLATE
};
enum { OF_PLACE = OF_CATEGORY | OF_SUBCATEGORY, OF_ALL = OF_PLACE | OF_TEMPLATE };

struct key {
    const char *name;
    unsigned levels;
    size_t at;          /* in struct catalogue_entry */
    size_t least, most; /* code points; least 0: it can be left out */
};

#define AT(field) offsetof(struct catalogue_entry, field)
/* clang-format off */
static const struct key keys[] = {
    {"icon",           OF_ALL,      AT(icon),           1,  8},
    {"name.ru",        OF_PLACE,    AT(name_ru),        2,  24},
    {"name.en",        OF_PLACE,    AT(name_en),        2,  24},
    {"title.ru",       OF_TEMPLATE, AT(title_ru),       2,  26},
    {"title.en",       OF_TEMPLATE, AT(title_en),       2,  26},
    {"description.ru", OF_TEMPLATE, AT(description_ru), 20, 300},
    {"description.en", OF_TEMPLATE, AT(description_en), 20, 300},
    {"prompt",         OF_TEMPLATE, AT(prompt),         40, 1500},
    {"avatars",        OF_TEMPLATE, AT(avatars),        0,  60},
};
/* clang-format on */
#undef AT

static str *value_of(struct catalogue_entry *entry, const struct key *key)
{
    return (str *)(void *)((char *)entry + key->at);
}

static const struct key *find_key(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_is(name, keys[i].name))
            return &keys[i];
    return NULL;
}

/* ---------------------------------------------------------------- reading */

struct reader {
    struct arena *arena;
    const char *name; /* of the file */
    int line;
    struct catalogue *catalogue;
    struct catalogue_entry
        *entry; /* that is open; NULL before the first, and in one that is refused */
    enum level level;
    bool is_skipping; /* the section is refused, and its lines with it */
    str *value;       /* that an indented line goes on with */
    struct buf mistakes;
};

static void complain(struct reader *r, int line, const char *format, ...) PRINTF_LIKE(3, 4);
static void complain(struct reader *r, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buf_addf(&r->mistakes, "%s%s:%d: ", r->mistakes.len ? "\n" : "", r->name, line);
    buf_vaddf(&r->mistakes, format, arguments);
    va_end(arguments);
}

static struct catalogue_level *level_of(struct catalogue *catalogue, enum level level)
{
    struct catalogue_level *const levels[LEVELS] = {
        [CATEGORY] = &catalogue->categories,
        [SUBCATEGORY] = &catalogue->subcategories,
        [TEMPLATE] = &catalogue->templates,
    };
    return levels[level];
}

static struct catalogue_entry *find_entry(const struct catalogue_level *level, str id)
{
    for (size_t i = 0; i < level->count; i++)
        if (str_eq(level->entries[i].id, id))
            return &level->entries[i];
    return NULL;
}

static struct catalogue_entry *add_entry(struct reader *r, struct catalogue_level *level)
{
    if (level->count == level->room) {
        size_t room = level->room ? 2 * level->room : 16;
        struct catalogue_entry *grown = NEW_ARRAY(r->arena, struct catalogue_entry, room);
        if (level->count)
            memcpy(grown, level->entries, level->count * sizeof *grown);
        level->entries = grown;
        level->room = room;
    }
    return &level->entries[level->count++];
}

/* "new" stands for something else where a button says it. */
static bool is_id(str part)
{
    if (part.len > ID_MOST_BYTES || str_eq(part, S("new")) || !str_consists_of(part, "_"))
        return false;
    for (size_t i = 0; i < part.len; i++)
        if (part.ptr[i] >= 'A' && part.ptr[i] <= 'Z')
            return false;
    return true;
}

/* One part for each level; NULL, or what is wrong with it. */
static const char *split_path(str path, str parts[LEVELS], enum level *level)
{
    size_t count = 0;
    bool has_more = true;
    while (has_more) {
        str part;
        has_more = str_cut(path, '/', &part, &path);
        if (count == LEVELS)
            return "has more than three parts";
        if (!is_id(part))
            return "has a part that is no name: a-z, 0-9 and _, 24 of them at most, and not \"new\"";
        parts[count++] = part;
    }
    *level = (enum level)(count - 1);
    return NULL;
}

/* The sections above it have to be those that it names. */
static const char *place_is_wrong(struct reader *r, const str parts[LEVELS], enum level level)
{
    if (level == CATEGORY)
        return NULL;
    const struct catalogue_entry *category = find_entry(&r->catalogue->categories, parts[CATEGORY]);
    if (!category)
        return "stands in a category that is not above it";
    if (level == SUBCATEGORY)
        return NULL;
    const struct catalogue_entry *subcategory = find_entry(&r->catalogue->subcategories,
                                                           parts[SUBCATEGORY]);
    if (!subcategory || !str_eq(subcategory->parent, category->id))
        return "stands in a subcategory that is not above it";
    return NULL;
}

static void open_section(struct reader *r, str path)
{
    str parts[LEVELS];
    const char *wrong = split_path(path, parts, &r->level);
    if (!wrong)
        wrong = place_is_wrong(r, parts, r->level);
    r->entry = NULL;
    r->value = NULL;
    r->is_skipping = wrong != NULL;
    if (wrong) {
        complain(r, r->line, "[" STR_FMT "] %s", STR_ARG(path), wrong);
        return;
    }
    struct catalogue_level *level = level_of(r->catalogue, r->level);
    const struct catalogue_entry *first = find_entry(level, parts[r->level]);
    if (first) {
        complain(r, r->line, "[" STR_FMT "] there is a %s " STR_FMT " already, at line %d",
                 STR_ARG(path), level_names[r->level], STR_ARG(first->id), first->line);
        r->is_skipping = true;
        return;
    }
    r->entry = add_entry(r, level);
    *r->entry = (struct catalogue_entry){
        .line = r->line,
        .id = parts[r->level],
        .parent = r->level == CATEGORY ? S("") : parts[r->level - 1],
    };
}

static void read_value(struct reader *r, str line)
{
    str name, value;
    bool has_value = str_cut(line, '=', &name, &value);
    name = str_trim(name);
    r->value = NULL;
    if (!has_value) {
        complain(r, r->line,
                 "expected [category/subcategory/template], name = value or # a remark");
        return;
    }
    if (r->is_skipping)
        return;
    const struct key *key = find_key(name);
    if (!r->entry)
        complain(r, r->line, "\"" STR_FMT "\" stands above the first section", STR_ARG(name));
    else if (!key || !(key->levels & 1U << r->level))
        complain(r, r->line, "a %s has no \"" STR_FMT "\"", level_names[r->level], STR_ARG(name));
    else if (!str_empty(*value_of(r->entry, key)))
        complain(r, r->line, "%s is there twice", key->name);
    else {
        r->value = value_of(r->entry, key);
        *r->value = str_trim(value);
    }
}

static void go_on(struct reader *r, str piece)
{
    if (r->is_skipping)
        return;
    if (!r->value)
        complain(r, r->line,
                 "begins with a space, and there is no value above that it goes on with");
    else
        *r->value = str_empty(*r->value) ? piece
                                         : str_printf(r->arena, STR_FMT " " STR_FMT,
                                                      STR_ARG(*r->value), STR_ARG(piece));
}

static void read_line(struct reader *r, str line)
{
    bool is_indented = str_starts(line, S(" ")) || str_starts(line, S("\t"));
    str words = str_trim(line);
    if (!str_is_utf8(line))
        complain(r, r->line, "is no UTF-8");
    else if (str_empty(words) || words.ptr[0] == '#')
        return;
    else if (is_indented)
        go_on(r, words);
    else if (words.ptr[0] == '[' && str_ends(words, S("]")))
        open_section(r, str_sub(words, 1, words.len - 2));
    else
        read_value(r, words);
}

/* ---------------------------------------------------------------- checking */

/* Whom a template suits, and what the file may say for it. */
static const struct {
    const char *word, *kinds;
} suits[] = {
    {"portrait", "\"man\",\"woman\""},
    {"man",      "\"man\""          },
    {"woman",    "\"woman\""        },
    {"style",    "\"style\""        },
    {"object",   "\"object\""       },
};

/* The list as JSON; false for a word that is none of them. */
static bool read_avatars(struct arena *a, str words, str *out)
{
    struct buf b = buf_new(a);
    bool has_more = !str_empty(words);
    if (!has_more)
        buf_add(&b, str_from(suits[0].kinds));
    while (has_more) {
        str word;
        size_t i = 0;
        has_more = str_cut(words, ',', &word, &words);
        while (i < ARRAY_LEN(suits) && !str_is(str_trim(word), suits[i].word))
            i++;
        if (i == ARRAY_LEN(suits))
            return false;
        buf_addf(&b, "%s%s", b.len ? "," : "", suits[i].kinds);
    }
    *out = str_printf(a, "[" STR_FMT "]", STR_ARG(buf_str(&b)));
    return true;
}

static size_t count_of(str text, str wanted)
{
    size_t count = 0, at;
    while (str_find(text, wanted, &at)) {
        count++;
        text = str_sub(text, at + wanted.len, text.len);
    }
    return count;
}

static void check_prompt(struct reader *r, const struct catalogue_entry *entry)
{
    str prompt = entry->prompt;
    if (str_empty(prompt))
        return;
    if (str_points(prompt) != prompt.len)
        complain(r, entry->line, "[" STR_FMT "] prompt is for the model: English, in ASCII alone",
                 STR_ARG(entry->id));
    if (count_of(prompt, S("{avatar}")) != 1 || count_of(prompt, S("{")) != 1 ||
        count_of(prompt, S("}")) != 1)
        complain(r, entry->line, "[" STR_FMT "] prompt holds {avatar} once, and no other braces",
                 STR_ARG(entry->id));
}

static void check_value(struct reader *r, const struct catalogue_entry *entry,
                        const struct key *key, str value)
{
    size_t points = str_points(value);
    if (str_empty(value) && key->least)
        complain(r, entry->line, "[" STR_FMT "] %s is missing", STR_ARG(entry->id), key->name);
    else if (points < key->least || points > key->most)
        complain(r, entry->line, "[" STR_FMT "] %s has %zu characters; expected %zu to %zu",
                 STR_ARG(entry->id), key->name, points, key->least, key->most);
    else if (str_has_controls(value) || (key->least && !str_has_visible(value)))
        complain(r, entry->line, "[" STR_FMT "] %s holds what nobody can see", STR_ARG(entry->id),
                 key->name);
}

static void check_entry(struct reader *r, struct catalogue_entry *entry, enum level level)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i].levels & 1U << level)
            check_value(r, entry, &keys[i], *value_of(entry, &keys[i]));
    if (level != TEMPLATE)
        return;
    check_prompt(r, entry);
    if (!read_avatars(r->arena, entry->avatars, &entry->avatars))
        complain(r, entry->line,
                 "[" STR_FMT "] avatars is a list of portrait, man, woman, style and object",
                 STR_ARG(entry->id));
}

static bool has_child(const struct catalogue_level *level, str id)
{
    for (size_t i = 0; i < level->count; i++)
        if (str_eq(level->entries[i].parent, id))
            return true;
    return false;
}

static void check_level(struct reader *r, enum level level)
{
    struct catalogue_level *entries = level_of(r->catalogue, level);
    for (size_t i = 0; i < entries->count; i++) {
        struct catalogue_entry *entry = &entries->entries[i];
        check_entry(r, entry, level);
        if (level != TEMPLATE && !has_child(level_of(r->catalogue, level + 1), entry->id))
            complain(r, entry->line, "[" STR_FMT "] there is no %s in it", STR_ARG(entry->id),
                     level_names[level + 1]);
    }
}

err *catalogue_read(struct arena *a, const char *name, str text, struct catalogue *out)
{
    struct catalogue read = {0};
    struct reader r = {.arena = a, .name = name, .catalogue = &read, .mistakes = buf_new(a)};
    str line;
    if (str_starts(text, S("\xEF\xBB\xBF"))) /* some editors put a mark there */
        text = str_sub(text, 3, text.len);
    for (bool has_more = true; has_more;) {
        has_more = str_cut(text, '\n', &line, &text);
        r.line++;
        read_line(&r, line);
    }
    for (int level = CATEGORY; level <= TEMPLATE; level++)
        check_level(&r, (enum level)level);
    if (!read.categories.count && !r.mistakes.len)
        complain(&r, 1, "holds no styles");
    if (r.mistakes.len)
        return fail(a, ERR_INPUT, STR_FMT, STR_ARG(buf_str(&r.mistakes)));
    *out = read;
    return NULL;
}

/* ---------------------------------------------------------------- loading */

static void put_entry(struct buf *b, const struct catalogue_entry *e, enum level level,
                      size_t position)
{
    if (level == TEMPLATE)
        json_put_object(
            b, KVS(KV("id", e->id), KV("subcategory", e->parent), KV("position", position),
                   KV("icon", e->icon), KV("title_ru", e->title_ru), KV("title_en", e->title_en),
                   KV("description_ru", e->description_ru), KV("description_en", e->description_en),
                   KV("prompt", e->prompt), KV("avatars", JSON(e->avatars))));
    else
        json_put_object(b, KVS(KV("id", e->id), KV("category", e->parent), KV("position", position),
                               KV("icon", e->icon), KV("name_ru", e->name_ru),
                               KV("name_en", e->name_en)));
}

static struct json_text level_json(struct arena *a, const struct catalogue_level *entries,
                                   enum level level)
{
    struct buf b = buf_new(a);
    buf_add_char(&b, '[');
    for (size_t i = 0; i < entries->count; i++) {
        buf_add(&b, i ? S(",") : S(""));
        put_entry(&b, &entries->entries[i], level, i + 1);
    }
    buf_add_char(&b, ']');
    return JSON(buf_str(&b));
}

err *catalogue_load(struct db *db, struct arena *a, const struct catalogue *catalogue,
                    struct catalogue_changes *out)
{
    str json = json_make(a, KV("categories", level_json(a, &catalogue->categories, CATEGORY)),
                         KV("subcategories", level_json(a, &catalogue->subcategories, SUBCATEGORY)),
                         KV("templates", level_json(a, &catalogue->templates, TEMPLATE)));
    struct rows rows;
    TRY(db_query(db, &Q_styles_load, &rows, V(json)));
    *out = (struct catalogue_changes){
        .added = (int)rows_i64(&rows, 0, "added"),
        .changed = (int)rows_i64(&rows, 0, "changed"),
        .unchanged = (int)rows_i64(&rows, 0, "unchanged"),
        .retired = (int)rows_i64(&rows, 0, "retired"),
        .removed = (int)rows_i64(&rows, 0, "removed"),
    };
    return NULL;
}

err *catalogue_list(struct db *db, struct arena *a, struct catalogue_line **lines, size_t *count)
{
    struct rows rows;
    TRY(db_query(db, &Q_styles_list, &rows));
    *count = (size_t)rows.count;
    *lines = NEW_ARRAY(a, struct catalogue_line, *count + 1);
    for (int i = 0; i < rows.count; i++)
        (*lines)[i] = (struct catalogue_line){
            .id = rows_str(&rows, i, "id"),
            .place = rows_str(&rows, i, "place"),
            .title_ru = rows_str(&rows, i, "title_ru"),
            .title_en = rows_str(&rows, i, "title_en"),
            .popularity = rows_i64(&rows, i, "popularity"),
            .favorites = rows_i64(&rows, i, "favorites"),
            .is_retired = rows_bool(&rows, i, "is_retired"),
        };
    return NULL;
}
