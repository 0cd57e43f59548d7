/* One set of arguments, in whichever of the four ways a call brings them. */
#include "tests/sandbox/telegram_inside.h"

#include <json-c/linkhash.h>

enum { MOST_PARTS = 64 };

/* -- multipart/form-data -- */

static bool header_parameter(struct arena *a, str header, str name, str *out)
{
    str rest = header, piece;
    while (rest.len) {
        str_cut(rest, ';', &piece, &rest);
        str key, value;
        if (!str_cut(str_trim(piece), '=', &key, &value) || !str_eq_nocase(str_trim(key), name))
            continue;
        value = str_trim(value);
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
            value = str_sub(value, 1, value.len - 2);
        *out = str_dup(a, value);
        return true;
    }
    return false;
}

static bool read_part(struct arena *a, str part, struct upload *out)
{
    size_t head_end;
    if (!str_find(part, S("\r\n\r\n"), &head_end))
        return false;
    str head = str_sub(part, 0, head_end), line;
    *out = (struct upload){.bytes = str_sub(part, head_end + 4, part.len)};
    bool has_name = false;
    while (head.len) {
        str_cut(head, '\n', &line, &head);
        str name, value;
        if (!str_cut(str_trim(line), ':', &name, &value))
            continue;
        if (str_eq_nocase(name, S("content-disposition"))) {
            has_name = header_parameter(a, value, S("name"), &out->name);
            header_parameter(a, value, S("filename"), &out->file_name);
        } else if (str_eq_nocase(name, S("content-type"))) {
            out->content_type = str_trim(value);
        }
    }
    return has_name;
}

bool multipart_parse(struct arena *a, str content_type, str body, struct upload **parts,
                     size_t *count)
{
    str boundary;
    if (!header_parameter(a, content_type, S("boundary"), &boundary) || str_empty(boundary))
        return false;
    str delimiter = str_printf(a, "\r\n--" STR_FMT, STR_ARG(boundary));
    str first = str_sub(delimiter, 2, delimiter.len);
    if (!str_starts(body, first))
        return false;

    *parts = NEW_ARRAY(a, struct upload, MOST_PARTS);
    *count = 0;
    str rest = str_sub(body, first.len, body.len);
    while (str_starts(rest, S("\r\n"))) {
        rest = str_sub(rest, 2, rest.len);
        size_t end;
        if (*count == MOST_PARTS || !str_find(rest, delimiter, &end) ||
            !read_part(a, str_sub(rest, 0, end), &(*parts)[*count]))
            return false;
        (*count)++;
        rest = str_sub(rest, end + delimiter.len, rest.len);
    }
    return str_starts(rest, S("--"));
}

/* -- all four ways -- */

static void put_text(struct call *c, str name, str value)
{
    json_object_object_add(c->arguments, cstr(c->arena, name),
                           json_object_new_string_len(value.ptr ? value.ptr : "", (int)value.len));
}

static err *read_pairs(struct call *c, str pairs)
{
    str pair, name, value;
    while (pairs.len) {
        str_cut(pairs, '&', &pair, &pairs);
        if (str_empty(pair))
            continue;
        str_cut(pair, '=', &name, &value);
        if (!str_unpercent(c->arena, name, true, &name) ||
            !str_unpercent(c->arena, value, true, &value))
            return bad_request(c, "can't parse percent-encoding of the request");
        put_text(c, name, value);
    }
    return NULL;
}

static err *read_parts(struct call *c, str content_type, str body)
{
    struct upload *parts;
    size_t count, kept = 0;
    if (!multipart_parse(c->arena, content_type, body, &parts, &count))
        return bad_request(c, "can't parse multipart/form-data of the request");
    for (size_t i = 0; i < count; i++) {
        if (parts[i].file_name.ptr)
            parts[kept++] = parts[i];
        else
            put_text(c, parts[i].name, parts[i].bytes);
    }
    c->uploads = parts;
    c->upload_count = kept;
    return NULL;
}

static void close_tree(void *tree)
{
    json_object_put(tree);
}

err *arguments_read(struct call *c, str query, str content_type, str body)
{
    c->is_text = true;
    c->arguments = json_object_new_object();
    arena_defer(c->arena, close_tree, c->arguments);
    TRY(read_pairs(c, query));
    if (str_empty(body))
        return NULL;

    str type, parameters;
    str_cut(content_type, ';', &type, &parameters);
    type = str_trim(type);
    if (str_eq_nocase(type, S("application/x-www-form-urlencoded")))
        return read_pairs(c, body);
    if (str_eq_nocase(type, S("multipart/form-data")))
        return read_parts(c, content_type, body);
    if (!str_eq_nocase(type, S("application/json")))
        return bad_request(c, "unsupported Content-Type of the request");

    struct json_object *tree;
    if (json_parse(c->arena, body, &tree) || !json_object_is_type(tree, json_type_object))
        return bad_request(c, "can't parse JSON object in the request");
    json_object_object_foreach(c->arguments, name, value)
        json_object_object_add(tree, name, json_object_get(value));
    c->arguments = tree;
    c->is_text = false;
    return NULL;
}

const struct upload *arguments_upload(const struct call *c, str name)
{
    for (size_t i = 0; i < c->upload_count; i++)
        if (str_eq(c->uploads[i].name, name))
            return &c->uploads[i];
    return NULL;
}
