/* What a trainer at FAL has made, and how far it says it is. */
#include "api/fal.h"

#include "core/http.h"

/* -- the files -- */

/* A file is told as {url, …} or as the address alone. */
static bool take_file(struct json_object *value, struct fal_trained_file *out)
{
    str scheme, host, path, url = json_value_str(value);
    int port;
    struct fal_trained_file made = {0};
    if (!url.len)
        url = json_str(value, "url");
    if (!http_url_split(url, &scheme, &host, &port, &path))
        return false;
    made.url = url;
    made.content_type = json_str(value, "content_type");
    made.file_name = json_str(value, "file_name");
    json_i64(value, "file_size", &made.size_bytes);
    *out = made;
    return true;
}

static bool speaks_of(struct arena *a, str text, const char *word)
{
    size_t at;
    struct buf lower = buf_new(a);
    for (size_t i = 0; i < text.len; i++)
        buf_add_char(&lower, text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? (char)(text.ptr[i] | 32)
                                                                      : text.ptr[i]);
    return str_find(buf_str(&lower), str_from(word), &at);
}

/* An entry of files[] whose type, or else whose name, has the word in it. */
static bool take_listed(struct arena *a, struct json_object *files, const char *word,
                        struct fal_trained_file *out)
{
    static const char *const tellers[] = {"type", "file_name", "filename", "name"};
    for (size_t teller = 0; teller < ARRAY_LEN(tellers); teller++)
        for (size_t i = 0; i < json_length(files); i++) {
            struct json_object *entry = json_item(files, i);
            if (speaks_of(a, json_str(entry, tellers[teller]), word) && take_file(entry, out))
                return true;
        }
    return false;
}

err *fal_training_parse(struct arena *a, struct json_object *payload, struct fal_training *out)
{
    struct fal_training made = {0};
    struct json_object *files = json_at(payload, "files");
    bool has_lora = take_file(json_at(payload, "diffusers_lora_file"), &made.lora) ||
                    take_file(json_at(payload, "diffusers_lora_file_url"), &made.lora) ||
                    take_listed(a, files, "lora", &made.lora);
    if (!has_lora)
        return fail(a, ERR_UPSTREAM, "fal: the training made no lora file");

    bool has_config = take_file(json_at(payload, "config_file"), &made.config) ||
                      take_file(json_at(payload, "config_file_url"), &made.config) ||
                      take_listed(a, files, "config", &made.config);
    if (!has_config)
        made.config = (struct fal_trained_file){0};
    *out = made;
    return NULL;
}

/* -- progress -- */

/* A count up to fewer is of stages or photos: trainings take hundreds of steps. */
enum { FEWEST_STEPS = 30 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static str skip_any(str s, const char *those)
{
    size_t at = 0;
    while (at < s.len && strchr(those, s.ptr[at]) && s.ptr[at])
        at++;
    return str_sub(s, at, s.len);
}

static bool take_number(str *s, int64_t *out)
{
    size_t at = 0;
    while (at < s->len && is_digit(s->ptr[at]))
        at++;
    if (!str_to_i64(str_sub(*s, 0, at), out))
        return false;
    *s = str_sub(*s, at, s->len);
    return true;
}

static bool is_word_at(str line, size_t at, str word)
{
    return str_eq_nocase(str_sub(line, at, word.len), word) &&
           (!at || !is_letter(line.ptr[at - 1]));
}

/* "450/1000" or "450 of 1000". */
static bool read_count(str s, int64_t *percent)
{
    int64_t done, all;
    if (!take_number(&s, &done))
        return false;
    s = skip_any(s, " ");
    if (!str_starts(s, S("/")) && !str_starts(s, S("of ")))
        return false;
    s = skip_any(s, "/of ");
    if (!take_number(&s, &all) || all < FEWEST_STEPS || done > all)
        return false;
    *percent = (int64_t)((double)done * 100 / (double)all);
    return true;
}

/* "45%" or "45.5%". */
static bool read_percent(str s, int64_t *percent)
{
    int64_t whole, fraction;
    if (!take_number(&s, &whole) || whole > 100)
        return false;
    if (str_starts(s, S("."))) {
        s = str_sub(s, 1, s.len);
        if (!take_number(&s, &fraction))
            return false;
    }
    if (!str_starts(s, S("%")))
        return false;
    *percent = whole;
    return true;
}

/* What stands before the bar of something else than the steps. */
static bool is_other_work(str description)
{
    static const str words[] = {
        {"load",     4},
        {"fetch",    5},
        {"download", 8},
        {"upload",   6},
        {"caption",  7},
        {"cach",     4},
        {"latent",   6},
        {"shard",    5},
        {"mask",     4},
        {"crop",     4},
        {"sav",      3},
        {"sampl",    5},
        {"generat",  7},
        {"process",  7},
        {"map",      3},
        {"encod",    5},
    };
    for (size_t at = 0; at < description.len; at++)
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            if (is_word_at(description, at, words[i]))
                return true;
    return false;
}

/* A progress bar: "Training:  45%|####      | 450/1000 [02:11<02:40,  3.43it/s]". */
static bool read_bar(str line, int64_t *percent)
{
    size_t end, from, close;
    int64_t steps_percent;
    if (!str_find(line, S("%|"), &end))
        return false;
    for (from = end; from && (is_digit(line.ptr[from - 1]) || line.ptr[from - 1] == '.');)
        from--;
    if (is_other_work(str_sub(line, 0, from)))
        return false;

    str behind = str_sub(line, end + 2, line.len);
    if (str_find(behind, S("|"), &close)) {
        str count = skip_any(str_sub(behind, close + 1, behind.len), " ");
        if (count.len && is_digit(count.ptr[0]) && !read_count(count, &steps_percent))
            return false;
    }
    return read_percent(str_sub(line, from, line.len), percent);
}

/* "step 450/1000", "Training: 45%", "progress 450 of 1000". */
static bool read_sentence(str line, int64_t *percent)
{
    static const str words[] = {
        {"steps",    5},
        {"step",     4},
        {"training", 8},
        {"progress", 8},
    };
    for (size_t at = 0; at < line.len; at++)
        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
            if (!is_word_at(line, at, words[i]))
                continue;
            str told = skip_any(str_sub(line, at + words[i].len, line.len), " :=");
            if (read_count(told, percent) || read_percent(told, percent))
                return true;
        }
    return false;
}

/* A bar that draws itself anew sends a carriage return and the next bar: the last
 * piece that tells is the newest. */
static bool read_message(str message, int64_t *percent)
{
    bool is_told = false;
    size_t from = 0;
    for (size_t at = 0; at <= message.len; at++) {
        if (at < message.len && message.ptr[at] != '\r' && message.ptr[at] != '\n')
            continue;
        str piece = str_sub(message, from, at - from);
        is_told = read_bar(piece, percent) || read_sentence(piece, percent) || is_told;
        from = at + 1;
    }
    return is_told;
}

void fal_training_progress(const struct fal_status *status, int *percent)
{
    int64_t told;
    *percent = -1;
    for (size_t i = status->log_count; i && *percent < 0; i--)
        if (read_message(status->logs[i - 1].message, &told))
            *percent = (int)told;
}
