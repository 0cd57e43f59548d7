/* HTML of the Bot API, read as Telegram reads it: text and entities, or its words of refusal. */
#include "tests/sandbox/format.h"

enum { MOST_NESTED = 64 };

static const struct {
    const char *tag, *type;
} tags[] = {
    {"b",          "bold"         },
    {"strong",     "bold"         },
    {"i",          "italic"       },
    {"em",         "italic"       },
    {"u",          "underline"    },
    {"ins",        "underline"    },
    {"s",          "strikethrough"},
    {"strike",     "strikethrough"},
    {"del",        "strikethrough"},
    {"a",          "text_link"    },
    {"code",       "code"         },
    {"pre",        "pre"          },
    {"blockquote", "blockquote"   },
    {"tg-spoiler", "spoiler"      },
    {"span",       "spoiler"      },
    {"tg-emoji",   "custom_emoji" },
    {"tg-time",    "date_time"    },
};

struct open_tag {
    str name;
    const char *type;
    str argument, format;
    size_t units, at; /* where its text begins, in UTF-16 units and in bytes of the output */
};

struct parser {
    struct arena *arena;
    str in;
    size_t at;
    struct buf out;
    size_t units;
    struct open_tag open[MOST_NESTED];
    size_t depth;
    struct entities *entities;
    str wrong;
};

/* Zero past the end, as the text ends for the reader of tags. */
static char peek(const struct parser *p)
{
    return p->at < p->in.len ? p->in.ptr[p->at] : '\0';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static bool refuse(struct parser *p, str words)
{
    p->wrong = words;
    return false;
}

static str lower(struct arena *a, str s)
{
    char *out = NEW_ARRAY(a, char, s.len + 1);
    for (size_t i = 0; i < s.len; i++)
        out[i] = (char)(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? s.ptr[i] + 32 : s.ptr[i]);
    return (str){out, s.len};
}

static void skip_spaces(struct parser *p)
{
    while (is_space(peek(p)))
        p->at++;
}

/* -- character references -- */

static void put_utf8(struct buf *b, uint32_t code)
{
    if (code < 0x80) {
        buf_add_char(b, (char)code);
        return;
    }
    if (code < 0x800) {
        buf_add_char(b, (char)(0xc0 | code >> 6));
    } else {
        if (code < 0x10000) {
            buf_add_char(b, (char)(0xe0 | code >> 12));
        } else {
            buf_add_char(b, (char)(0xf0 | code >> 18));
            buf_add_char(b, (char)(0x80 | (code >> 12 & 0x3f)));
        }
        buf_add_char(b, (char)(0x80 | (code >> 6 & 0x3f)));
    }
    buf_add_char(b, (char)(0x80 | (code & 0x3f)));
}

static uint32_t numeric_reference(str s, size_t *end)
{
    bool is_hex = *end < s.len && (s.ptr[*end] == 'x' || s.ptr[*end] == 'X');
    uint32_t code = 0;
    for (*end += is_hex; *end < s.len && code < 0x110000; (*end)++) {
        char c = s.ptr[*end];
        if (c >= '0' && c <= '9')
            code = code * (is_hex ? 16 : 10) + (uint32_t)(c - '0');
        else if (is_hex && (c | 32) >= 'a' && (c | 32) <= 'f')
            code = code * 16 + (uint32_t)((c | 32) - 'a' + 10);
        else
            break;
    }
    return code;
}

static uint32_t named_reference(str s, size_t *end)
{
    static const struct {
        str name;
        uint32_t code;
    } names[] = {
        {{"lt", 2},   '<'},
        {{"gt", 2},   '>'},
        {{"amp", 3},  '&'},
        {{"quot", 4}, '"'},
    };
    size_t from = *end;
    while (*end < s.len && (s.ptr[*end] | 32) >= 'a' && (s.ptr[*end] | 32) <= 'z')
        (*end)++;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(str_sub(s, from, *end - from), names[i].name))
            return names[i].code;
    return 0;
}

/* The character at `&`, or 0 when it is no reference; then the & stands for itself. */
static uint32_t read_reference(struct parser *p)
{
    size_t end = p->at + 1;
    bool is_numeric = end < p->in.len && p->in.ptr[end] == '#';
    end += is_numeric;
    uint32_t code = is_numeric ? numeric_reference(p->in, &end) : named_reference(p->in, &end);
    bool is_surrogate = code >= 0xd800 && code < 0xe000;
    if (!code || code >= 0x10ffff || is_surrogate)
        return 0;
    p->at = end + (end < p->in.len && p->in.ptr[end] == ';');
    return code;
}

/* -- tags that open -- */

static bool read_value(struct parser *p, size_t tag_at, str *value)
{
    char quote = peek(p);
    if (quote != '\'' && quote != '"') {
        size_t from = p->at;
        while (peek(p) && !is_space(peek(p)) && peek(p) != '>') {
            char c = peek(p);
            bool is_token = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                            c == '.' || c == '-';
            if (!is_token)
                return refuse(
                    p,
                    str_printf(p->arena, "Unexpected end of name token at byte offset %zu", from));
            p->at++;
        }
        *value = lower(p->arena, str_sub(p->in, from, p->at - from));
    } else {
        struct buf b = buf_new(p->arena);
        p->at++;
        while (peek(p) && peek(p) != quote) {
            uint32_t code = peek(p) == '&' ? read_reference(p) : 0;
            if (code)
                put_utf8(&b, code);
            else
                buf_add_char(&b, p->in.ptr[p->at++]);
        }
        if (peek(p) == quote)
            p->at++;
        *value = buf_str(&b);
    }
    if (p->at >= p->in.len)
        return refuse(p, str_printf(p->arena, "Unclosed start tag at byte offset %zu", tag_at));
    return true;
}

static void take_attribute(struct open_tag *t, str name, str value)
{
    if (str_eq(t->name, S("a")) && str_eq(name, S("href")))
        t->argument = value;
    else if (str_eq(t->name, S("code")) && str_eq(name, S("class")) &&
             str_starts(value, S("language-")))
        t->argument = str_sub(value, 9, value.len);
    else if (str_eq(t->name, S("span")) && str_eq(name, S("class")) && str_starts(value, S("tg-")))
        t->argument = str_sub(value, 3, value.len);
    else if (str_eq(t->name, S("tg-emoji")) && str_eq(name, S("emoji-id")))
        t->argument = value;
    else if (str_eq(t->name, S("tg-time")) && str_eq(name, S("unix")))
        t->argument = value;
    else if (str_eq(t->name, S("tg-time")) && str_eq(name, S("format")))
        t->format = value;
    else if (str_eq(t->name, S("blockquote")) && str_eq(name, S("expandable")))
        t->type = "expandable_blockquote";
}

static bool read_attributes(struct parser *p, struct open_tag *t, size_t tag_at)
{
    for (skip_spaces(p); peek(p) != '>'; skip_spaces(p)) {
        size_t from = p->at;
        while (peek(p) && !is_space(peek(p)) && peek(p) != '=' && peek(p) != '>')
            p->at++;
        str name = lower(p->arena, str_sub(p->in, from, p->at - from)), value = S("");
        if (str_empty(name) && p->at < p->in.len)
            return refuse(p, str_printf(p->arena,
                                        "Empty attribute name in the tag \"" STR_FMT
                                        "\" at byte offset %zu",
                                        STR_ARG(t->name), tag_at));
        skip_spaces(p);
        if (p->at >= p->in.len)
            return refuse(p, str_printf(p->arena,
                                        "Unclosed start tag \"" STR_FMT "\" at byte offset %zu",
                                        STR_ARG(t->name), tag_at));
        if (peek(p) == '=') {
            p->at++;
            skip_spaces(p);
            if (!read_value(p, tag_at, &value))
                return false;
        }
        take_attribute(t, name, value);
    }
    return true;
}

static bool read_open_tag(struct parser *p)
{
    size_t tag_at = p->at++;
    while (peek(p) && !is_space(peek(p)) && peek(p) != '>')
        p->at++;
    if (p->at >= p->in.len)
        return refuse(p, str_printf(p->arena, "Unclosed start tag at byte offset %zu", tag_at));
    struct open_tag t = {.name = lower(p->arena, str_sub(p->in, tag_at + 1, p->at - tag_at - 1)),
                         .units = p->units,
                         .at = p->out.len};
    for (size_t i = 0; i < ARRAY_LEN(tags) && !t.type; i++)
        if (str_eq(t.name, str_from(tags[i].tag)))
            t.type = tags[i].type;
    if (!t.type)
        return refuse(p, str_printf(p->arena,
                                    "Unsupported start tag \"" STR_FMT "\" at byte offset %zu",
                                    STR_ARG(t.name), tag_at));
    if (!read_attributes(p, &t, tag_at))
        return false;
    p->at++;
    if (str_eq(t.name, S("span")) && !str_eq(t.argument, S("spoiler")))
        return refuse(p, str_printf(p->arena,
                                    "Tag \"span\" must have class \"tg-spoiler\" at byte"
                                    " offset %zu",
                                    tag_at));
    if (str_eq(t.name, S("tg-emoji")) && str_empty(t.argument))
        return refuse(p, S("Invalid custom emoji identifier specified"));
    if (p->depth == MOST_NESTED)
        return refuse(p, S("too many nested tags"));
    p->open[p->depth++] = t;
    return true;
}

/* -- tags that close -- */

static str link_of(struct parser *p, const struct open_tag *t)
{
    str url = t->argument;
    if (str_empty(url))
        url = str_dup(p->arena, str_sub(buf_str(&p->out), t->at, p->out.len));
    bool has_scheme = str_starts(url, S("http://")) || str_starts(url, S("https://")) ||
                      str_starts(url, S("tg://")) || str_starts(url, S("ton://"));
    size_t position;
    if (has_scheme)
        return url;
    /* A bare host is made an address; what can be none makes no link. */
    if (str_find(url, S("."), &position) && !str_find(url, S(" "), &position) &&
        !str_find(url, S(":"), &position))
        return str_printf(p->arena, "http://" STR_FMT "/", STR_ARG(url));
    return S("");
}

/* <pre><code class="language-c"> is one entity of two tags. */
static bool joins_code_to_pre(struct parser *p, const struct open_tag *t, struct entity *pre)
{
    if (!str_eq(t->name, S("pre")) || !p->entities->count)
        return false;
    struct entity *last = &p->entities->items[p->entities->count - 1];
    if (strcmp(last->type, "code") != 0 || last->offset != pre->offset ||
        last->length != pre->length)
        return false;
    pre->language = last->language;
    *last = *pre;
    return true;
}

static void close_entity(struct parser *p, const struct open_tag *t)
{
    struct entity e = {.type = t->type, .offset = t->units, .length = p->units - t->units};
    if (!e.length)
        return;
    if (str_eq(t->name, S("a"))) {
        e.url = link_of(p, t);
        if (str_empty(e.url))
            return;
    } else if (str_eq(t->name, S("code"))) {
        e.language = t->argument;
    } else if (str_eq(t->name, S("tg-emoji"))) {
        e.custom_emoji_id = t->argument;
    } else if (str_eq(t->name, S("tg-time"))) {
        if (!str_to_i64(t->argument, &e.unix_time))
            return;
        e.date_time_format = t->format;
    }
    if (!joins_code_to_pre(p, t, &e))
        entities_add(p->entities, &e);
}

static bool read_close_tag(struct parser *p)
{
    size_t tag_at = p->at;
    if (!p->depth)
        return refuse(p, str_printf(p->arena, "Unexpected end tag at byte offset %zu", tag_at));
    p->at += 2;
    while (peek(p) && !is_space(peek(p)) && peek(p) != '>')
        p->at++;
    str name = lower(p->arena, str_sub(p->in, tag_at + 2, p->at - tag_at - 2));
    skip_spaces(p);
    if (peek(p) != '>')
        return refuse(p, str_printf(p->arena, "Unclosed end tag at byte offset %zu", tag_at));
    p->at++;
    const struct open_tag *t = &p->open[--p->depth];
    if (!str_empty(name) && !str_eq(name, t->name))
        return refuse(p, str_printf(p->arena,
                                    "Unmatched end tag at byte offset %zu, expected \"</" STR_FMT
                                    ">\", found \"</" STR_FMT ">\"",
                                    tag_at, STR_ARG(t->name), STR_ARG(name)));
    close_entity(p, t);
    return true;
}

/* -- the whole text -- */

static void read_character(struct parser *p)
{
    uint32_t code = peek(p) == '&' ? read_reference(p) : 0;
    if (code) {
        put_utf8(&p->out, code);
        p->units += code > 0xffff ? 2u : 1u;
        return;
    }
    size_t length = str_utf8_at(p->in, p->at);
    length = length ? length : 1;
    buf_add(&p->out, str_sub(p->in, p->at, length));
    p->units += length == 4 ? 2u : 1u;
    p->at += length;
}

bool format_html(struct arena *a, str html, struct formatted *out, struct entities *entities,
                 str *wrong)
{
    struct parser *p = NEW(a, struct parser);
    *p = (struct parser){.arena = a, .in = html, .out = buf_new(a), .entities = entities};
    bool is_good = true;
    while (is_good && p->at < p->in.len) {
        if (peek(p) != '<')
            read_character(p);
        else if (p->at + 1 < p->in.len && p->in.ptr[p->at + 1] == '/')
            is_good = read_close_tag(p);
        else
            is_good = read_open_tag(p);
    }
    if (is_good && p->depth)
        is_good = refuse(
            p, str_printf(a, "Can't find end tag corresponding to start tag \"" STR_FMT "\"",
                          STR_ARG(p->open[p->depth - 1].name)));
    *wrong = p->wrong;
    *out = (struct formatted){.text = buf_str(&p->out), .units = p->units};
    return is_good;
}
