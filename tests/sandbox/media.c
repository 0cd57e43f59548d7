/* Files: their ids, what is taken as which kind, and what a message tells of them. */
#include "tests/sandbox/telegram_inside.h"

#include "core/clock.h"

enum {
    MOST_FILE_BYTES = 50 << 20,
    MOST_PHOTO_BYTES = 10 << 20,
    NOTE_SIDE_PIXELS = 384,
    FILE_ID_BYTES = 27, /* kind 3, bot 8, chance 16 */
};

/* The first three bytes give Telegram's look: AgAC for photos, BQAC for documents,
 * AAAC for thumbnails … */
static const struct kind {
    const char *name, *shown, *extension;
    char first;
} kinds[] = {
    {"photo",      "Photo",     ".jpg", 2 },
    {"voice",      "VoiceNote", ".oga", 3 },
    {"video",      "Video",     ".mp4", 4 },
    {"video_note", "VideoNote", ".mp4", 13},
    {"document",   "Document",  "",     5 },
    {"audio",      "Audio",     ".mp3", 9 },
    {"thumbnail",  "Thumbnail", ".jpg", 0 },
};

static const struct kind *kind_find(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_eq(name, str_from(kinds[i].name)))
            return &kinds[i];
    return NULL;
}

static const struct kind *kind_of_byte(char first)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].first == first)
            return &kinds[i];
    return NULL;
}

/* -- ids -- */

static str make_file_id(struct arena *a, const struct kind *kind)
{
    char bytes[FILE_ID_BYTES] = {kind->first, 0, 2};
    int64_t bot = bot_id();
    memcpy(bytes + 3, &bot, sizeof bot);
    random_bytes(bytes + 11, FILE_ID_BYTES - 11);
    return str_base64url(a, (str){bytes, sizeof bytes});
}

static str make_unique_id(struct arena *a)
{
    char bytes[9] = {1, 0, 3};
    random_bytes(bytes + 3, sizeof bytes - 3);
    return str_base64url(a, (str){bytes, sizeof bytes});
}

static bool is_base64url(str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' ||
              c == '-'))
            return false;
    }
    return true;
}

static err *check_file_id(struct call *c, str file_id, const char *kind)
{
    str bytes;
    if (!is_base64url(file_id))
        return bad_request(c,
                           "wrong remote file identifier specified: Wrong character in the string");
    if (!str_unbase64url(c->arena, file_id, &bytes))
        return bad_request(c,
                           "wrong remote file identifier specified: Wrong padding in the string");
    const struct kind *k = bytes.len == FILE_ID_BYTES ? kind_of_byte(bytes.ptr[0]) : NULL;
    if (!k)
        return bad_request(c, "wrong remote file identifier specified: can't unserialize it."
                              " Wrong last symbol");
    const struct kind *wanted = kind_find(str_from(kind));
    if (wanted && wanted != k)
        return bad_request(c, "can't use file of type %s as %s", k->shown, wanted->shown);
    int64_t bot;
    memcpy(&bot, bytes.ptr + 3, sizeof bot);
    if (bot != bot_id())
        return bad_request(c, "wrong file identifier/HTTP URL specified");
    return NULL;
}

/* -- rows -- */

static void file_insert(const struct media *m)
{
    SQL("insert into files (file_id, unique_id, kind, sha256, size_bytes, width, height, duration,"
        " mime_type, file_name, performer, title, sizes, thumbnail)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        V(m->file_id), V(m->unique_id), V(m->kind), V(m->sha256), V(m->size_bytes), V(m->width),
        V(m->height), V(m->duration), V(m->mime_type), V(m->file_name), V(m->performer),
        V(m->title), V(m->sizes), V(m->thumbnail));
}

bool media_find(struct arena *a, str file_id, struct media *out)
{
    struct row row;
    if (!SQL_GET(&row,
                 "select file_id, unique_id, kind, sha256, size_bytes, width, height,"
                 " duration, mime_type, file_name, performer, title, sizes, thumbnail"
                 " from files where file_id = ?",
                 V(file_id)))
        return false;
    *out = (struct media){.file_id = row_str(a, &row, 0),
                          .unique_id = row_str(a, &row, 1),
                          .kind = kind_find(row_str(a, &row, 2))->name,
                          .sha256 = row_str(a, &row, 3),
                          .size_bytes = row_i64(&row, 4),
                          .width = row_i64(&row, 5),
                          .height = row_i64(&row, 6),
                          .duration = row_i64(&row, 7),
                          .mime_type = row_str(a, &row, 8),
                          .file_name = row_str(a, &row, 9),
                          .performer = row_str(a, &row, 10),
                          .title = row_str(a, &row, 11),
                          .sizes = row_str(a, &row, 12),
                          .thumbnail = row_str(a, &row, 13)};
    sql_close(&row);
    return true;
}

/* -- photos have several sizes -- */

static void put_size(struct buf *b, const struct media *m)
{
    json_put_object(b, KVS(KV("file_id", m->file_id), KV("file_unique_id", m->unique_id),
                           KV("file_size", m->size_bytes), KV("width", m->width),
                           KV("height", m->height)));
}

static void photo_insert(struct arena *a, struct media *sizes, size_t count)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < count; i++) {
        buf_add_char(&b, i ? ',' : '[');
        put_size(&b, &sizes[i]);
    }
    buf_add_char(&b, ']');
    for (size_t i = 0; i < count; i++) {
        sizes[i].sizes = buf_str(&b);
        file_insert(&sizes[i]);
    }
}

/* A bot's photo is kept as it came: every size has ids of its own and leads to the one
 * original. Smaller sizes are there when the picture is larger. */
static void photo_put(struct arena *a, struct media *m)
{
    static const int64_t longest_sides[] = {90, 320, 800};
    int64_t longest = m->width > m->height ? m->width : m->height;
    struct media sizes[ARRAY_LEN(longest_sides) + 1];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(longest_sides) && longest_sides[i] < longest; i++) {
        struct media *small = &sizes[count++];
        *small = *m;
        small->file_id = make_file_id(a, &kinds[0]);
        small->unique_id = make_unique_id(a);
        small->width = m->width * longest_sides[i] / longest;
        small->height = m->height * longest_sides[i] / longest;
        small->width += small->width == 0;
        small->height += small->height == 0;
        int64_t scaled_bytes = m->size_bytes * small->width / m->width * small->height / m->height;
        small->size_bytes = scaled_bytes ? scaled_bytes : 1;
    }
    sizes[count++] = *m;
    photo_insert(a, sizes, count);
    *m = sizes[count - 1];
}

static struct media jpeg_media(struct arena *a, const char *kind, const struct photo_size *size)
{
    const struct kind *k = kind_find(str_from(kind));
    return (struct media){.kind = k->name,
                          .file_id = make_file_id(a, k),
                          .unique_id = make_unique_id(a),
                          .sha256 = blob_put(a, size->bytes),
                          .size_bytes = (int64_t)size->bytes.len,
                          .width = size->width,
                          .height = size->height,
                          .mime_type = S("image/jpeg")};
}

bool media_put_photo(struct arena *a, str bytes, struct media *out)
{
    struct picture picture;
    struct photo_size made[PHOTO_MOST_SIZES];
    struct media sizes[PHOTO_MOST_SIZES];
    if (!picture_read(bytes, &picture) || !picture_has_photo_shape(&picture))
        return false;
    size_t count = photo_sizes(a, bytes, made);
    if (!count)
        return false;
    for (size_t i = 0; i < count; i++)
        sizes[i] = jpeg_media(a, "photo", &made[i]);
    photo_insert(a, sizes, count);
    *out = sizes[count - 1];
    return true;
}

/* Of a document that is a picture; another one has none. */
static str thumbnail_put(struct arena *a, str bytes)
{
    struct photo_size made;
    if (!photo_thumbnail(a, bytes, &made))
        return (str){0};
    struct media m = jpeg_media(a, "thumbnail", &made);
    struct buf b = buf_new(a);
    file_insert(&m);
    put_size(&b, &m);
    return buf_str(&b);
}

void media_put(struct arena *a, const char *kind, str bytes, str file_name, str mime_type,
               int64_t duration, struct media *out)
{
    struct picture picture = {0};
    const struct kind *k = kind_find(str_from(kind));
    *out = (struct media){.kind = k->name,
                          .file_id = make_file_id(a, k),
                          .unique_id = make_unique_id(a),
                          .sha256 = blob_put(a, bytes),
                          .size_bytes = (int64_t)bytes.len,
                          .duration = duration};
    bool is_picture = picture_read(bytes, &picture);
    out->mime_type = is_picture ? str_from(picture.mime_type) : mime_type;
    if (strcmp(kind, "photo") == 0) {
        out->width = picture.width;
        out->height = picture.height;
        photo_put(a, out);
        return;
    }
    out->file_name = file_name;
    if (str_empty(out->mime_type))
        out->mime_type = S("application/octet-stream");
    if (is_picture && strcmp(kind, "document") == 0)
        out->thumbnail = thumbnail_put(a, bytes);
    file_insert(out);
}

/* -- uploads -- */

static err *check_photo(struct call *c, str bytes)
{
    struct picture picture = {0};
    if (bytes.len > MOST_PHOTO_BYTES)
        return bad_request(c,
                           "file of size %zu bytes is too big for a photo; the maximum size is"
                           " %d bytes",
                           bytes.len, MOST_PHOTO_BYTES);
    if (!picture_read(bytes, &picture))
        return bad_request(c, "IMAGE_PROCESS_FAILED");
    if (!picture_has_photo_shape(&picture))
        return bad_request(c, "PHOTO_INVALID_DIMENSIONS");
    return NULL;
}

err *media_keep(struct call *c, const char *kind, const struct upload *upload, struct media *out)
{
    if (str_empty(upload->bytes))
        return bad_request(c, "file must be non-empty");
    if (upload->bytes.len > MOST_FILE_BYTES)
        return api_error(c, 413, "Request Entity Too Large");
    if (strcmp(kind, "photo") == 0)
        TRY(check_photo(c, upload->bytes));
    int64_t duration = 0;
    json_i64(c->arguments, "duration", &duration);
    media_put(c->arena, kind, upload->bytes, upload->file_name, upload->content_type, duration,
              out);
    return NULL;
}

/* Nothing but this machine is ever asked: an address fails as one does that
 * Telegram cannot reach. */
err *media_argument(struct call *c, struct json_object *holder, const char *field, const char *kind,
                    struct media *out)
{
    const struct upload *upload = NULL;
    str value = json_str(holder, field);
    if (!json_has(holder, field))
        upload = arguments_upload(c, str_from(field));
    else if (str_starts(value, S("attach://")))
        upload = arguments_upload(c, str_sub(value, 9, value.len));
    if (upload)
        return media_keep(c, kind, upload, out);
    if (str_empty(value))
        return bad_request(c, "there is no %s in the request", kind);
    if (str_starts(value, S("http://")) || str_starts(value, S("https://")))
        return bad_request(c, "failed to get HTTP URL content");
    TRY(check_file_id(c, value, kind));
    if (!media_find(c->arena, value, out))
        return bad_request(c, "wrong file_id or the file is temporarily unavailable");
    return NULL;
}

/* -- as JSON -- */

str media_json(struct arena *a, const struct media *m)
{
    if (!m->kind)
        return (str){0};
    struct json_object *thumbnail = NULL;
    if (!str_empty(m->thumbnail) && json_parse(a, m->thumbnail, &thumbnail))
        thumbnail = NULL;
    return json_make(a, KV("kind", m->kind), KV("file_id", m->file_id), KV("sha256", m->sha256),
                     KV("size_bytes", m->size_bytes), KV("width", m->width),
                     KV("height", m->height), KV("duration", m->duration),
                     KV("mime_type", m->mime_type), KV("file_name", m->file_name),
                     KV("thumbnail", json_str(thumbnail, "file_id")));
}

bool media_from_json(struct arena *a, str json, struct media *out)
{
    struct json_object *tree;
    if (str_empty(json) || json_parse(a, json, &tree))
        return false;
    return media_find(a, json_str(tree, "file_id"), out);
}

void media_put_member(struct buf *b, const struct media *m)
{
    buf_addf(b, "\"%s\":", m->kind);
    if (!str_empty(m->sizes)) {
        buf_add(b, m->sizes);
        return;
    }
    bool is_video = strcmp(m->kind, "video") == 0, is_document = strcmp(m->kind, "document") == 0;
    struct kv fields[12];
    size_t count = 0;
    if (!str_empty(m->thumbnail))
        fields[count++] = KV("thumbnail", JSON(m->thumbnail));
    fields[count++] = KV("file_id", m->file_id);
    fields[count++] = KV("file_unique_id", m->unique_id);
    fields[count++] = KV("file_size", m->size_bytes);
    fields[count++] = KV("mime_type", m->mime_type);
    bool is_note = strcmp(m->kind, "video_note") == 0;
    if (!str_empty(m->file_name) && strcmp(m->kind, "voice") != 0 && !is_note)
        fields[count++] = KV("file_name", m->file_name);
    if (!is_document)
        fields[count++] = KV("duration", m->duration);
    if (is_video) {
        fields[count++] = KV("width", m->width);
        fields[count++] = KV("height", m->height);
    }
    if (is_note)
        fields[count++] = KV("length", NOTE_SIDE_PIXELS);
    fields[count] = (struct kv){0};
    json_put_object(b, fields);
}

/* -- getFile -- */

enum { MOST_DOWNLOAD_BYTES = 20 << 20, MOST_LOCAL_BYTES = 2000 << 20 };

/* A server on this machine, run with --local, says where the file lies. */
static bool place_locally(struct arena *a, const struct media *m, str *path)
{
    if (str_empty(sandbox.files_dir))
        return true;
    *path = str_printf(a, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(sandbox.files_dir),
                       STR_ARG(sandbox.telegram_token), STR_ARG(*path));
    return blob_link(a, m->sha256, cstr(a, *path));
}

err *run_getFile(struct call *c, str *result)
{
    str file_id = json_str(c->arguments, "file_id");
    struct media m = {0};
    if (str_empty(file_id))
        return bad_request(c, "file_id not specified");
    if (check_file_id(c, file_id, "") || !media_find(c->arena, file_id, &m))
        return bad_request(c, "invalid file_id");
    if (m.size_bytes > (str_empty(sandbox.files_dir) ? MOST_DOWNLOAD_BYTES : MOST_LOCAL_BYTES))
        return bad_request(c, "file is too big");
    /* A small size of a bot's photo says its own size; what is loaded is the original. */
    str path = str_printf(c->arena, "%s%s/file_" STR_FMT "%s", m.kind,
                          strcmp(m.kind, "voice") == 0 || strcmp(m.kind, "audio") == 0 ? "" : "s",
                          STR_ARG(m.unique_id), kind_find(str_from(m.kind))->extension);
    if (!place_locally(c->arena, &m, &path))
        return bad_request(c, "wrong file_id or the file is temporarily unavailable");
    *result = json_make(c->arena, KV("file_id", m.file_id), KV("file_unique_id", m.unique_id),
                        KV("file_size", m.size_bytes), KV("file_path", path));
    return NULL;
}
