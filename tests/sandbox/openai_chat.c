/*
 * POST v1/chat/completions. The body is held against the fields that are played, its pictures
 * are really looked at, and the answer is made of what was sent (openai_words.c).
 */
#include "tests/sandbox/openai_inside.h"

#include <json-c/linkhash.h>
#include <openssl/evp.h>

#include "core/clock.h"
#include "tests/sandbox/photo.h"

enum {
    MOST_PICTURE_BYTES = 20 << 20,
    LOOK_SIDE = 8,
    BYTES_OF_TOKEN = 4,
    TOKENS_OF_PICTURE = 85,
    MOST_TOKENS = 16384,
};

static const char *const models[] = {
    "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "o3", "o3-mini",
};

struct chat {
    struct openai_thought thought;
    int64_t most_tokens, tokens_sent;
    bool is_json_named;
};

static bool refused(struct openai_call *c, const char *param, const char *message)
{
    openai_refuse(c, 400, param, "invalid_value", "%s", message);
    return false;
}

static bool unknown(struct openai_call *c, const char *where, const char *name)
{
    openai_refuse(c, 400, name, "unknown_parameter", "Unknown parameter: '%s%s'.", where, name);
    return false;
}

/* Each member has to be one of these words. */
static bool has_only(struct openai_call *c, const char *where, struct json_object *object,
                     const char *const *known, size_t count)
{
    if (!json_object_is_type(object, json_type_object))
        return refused(c, where, "An object was expected.");
    json_object_object_foreach(object, name, value)
    {
        size_t i = 0;
        (void)value;
        while (i < count && strcmp(name, known[i]) != 0)
            i++;
        if (i == count)
            return unknown(c, where, name);
    }
    return true;
}

/* -- pictures -- */

static bool decode(struct arena *a, str digits, str *out)
{
    unsigned char *bytes = NEW_ARRAY(a, unsigned char, digits.len + 4);
    int length = digits.len % 4
                     ? -1
                     : EVP_DecodeBlock(bytes, (const unsigned char *)digits.ptr, (int)digits.len);
    if (length < 0)
        return false;
    size_t padding = str_ends(digits, S("==")) ? 2 : str_ends(digits, S("=")) ? 1 : 0;
    *out = (str){(const char *)bytes, (size_t)length - padding};
    return true;
}

/* "data:image/png;base64,…"; what is written down of it is its hash. */
static bool take_picture(struct openai_call *c, struct json_object *part, struct chat *chat)
{
    static const char *const members[] = {"url", "detail"};
    struct json_object *image = json_at(part, "image_url");
    str url = json_str(image, "url"), detail = json_str(image, "detail"), head, digits, pixels;
    if (!has_only(c, "messages.content.image_url.", image, members, ARRAY_LEN(members)))
        return false;
    if (json_has(image, "detail") && !str_eq(detail, S("auto")) && !str_eq(detail, S("low")) &&
        !str_eq(detail, S("high")))
        return refused(c, "messages", "detail must be one of auto, low, high.");
    if (!str_cut(url, ',', &head, &digits) ||
        (!str_eq(head, S("data:image/jpeg;base64")) && !str_eq(head, S("data:image/png;base64")) &&
         !str_eq(head, S("data:image/webp;base64"))))
        return refused(c, "messages", "Only data URLs of JPEG, PNG and WebP are played here.");
    if (chat->thought.picture.len)
        return refused(c, "messages", "Only one picture is played here.");
    if (!decode(c->arena, digits, &chat->thought.picture) ||
        chat->thought.picture.len > MOST_PICTURE_BYTES ||
        !photo_square(c->arena, chat->thought.picture, LOOK_SIDE, &pixels)) {
        openai_refuse(c, 400, "messages", "invalid_image", "The picture cannot be read.");
        return false;
    }
    str kept = str_printf(c->arena, STR_FMT ", %zu bytes, sha256 " STR_FMT, STR_ARG(head),
                          chat->thought.picture.len,
                          STR_ARG(blob_put(c->arena, chat->thought.picture)));
    json_object_object_add(image, "url", json_object_new_string_len(kept.ptr, (int)kept.len));
    chat->tokens_sent += TOKENS_OF_PICTURE;
    return true;
}

/* -- messages -- */

static void take_words(struct openai_call *c, str role, str words, struct chat *chat)
{
    size_t at;
    chat->tokens_sent += (int64_t)(words.len / BYTES_OF_TOKEN) + 4;
    if (str_find(words, S("JSON"), &at) || str_find(words, S("json"), &at))
        chat->is_json_named = true;
    if (str_eq(role, S("user")))
        chat->thought.text = words;
    else if (!str_eq(role, S("assistant")))
        chat->thought.instruction = str_printf(c->arena, STR_FMT STR_FMT "\n",
                                               STR_ARG(chat->thought.instruction), STR_ARG(words));
}

static bool take_part(struct openai_call *c, struct json_object *part, struct chat *chat)
{
    static const char *const of_text[] = {"type", "text"}, *const of_image[] = {"type",
                                                                                "image_url"};
    str type = json_str(part, "type");
    if (str_eq(type, S("image_url")))
        return has_only(c, "messages.content.", part, of_image, 2) && take_picture(c, part, chat);
    if (!str_eq(type, S("text")) || !has_only(c, "messages.content.", part, of_text, 2) ||
        str_empty(json_str(part, "text")))
        return c->status ? false : refused(c, "messages", "A part is neither text nor image_url.");
    take_words(c, S("user"), json_str(part, "text"), chat);
    return true;
}

static bool take_message(struct openai_call *c, struct json_object *message, struct chat *chat)
{
    static const char *const members[] = {"role", "content"};
    str role = json_str(message, "role");
    struct json_object *content = json_at(message, "content");
    if (!has_only(c, "messages.", message, members, ARRAY_LEN(members)))
        return false;
    bool is_user = str_eq(role, S("user"));
    if (!is_user && !str_eq(role, S("system")) && !str_eq(role, S("developer")) &&
        !str_eq(role, S("assistant")))
        return refused(c, "messages", "role must be one of system, developer, user, assistant.");
    if (json_object_is_type(content, json_type_string)) {
        if (str_empty(json_value_str(content)))
            return refused(c, "messages", "A message without words.");
        take_words(c, role, json_value_str(content), chat);
        return true;
    }
    if (!is_user || json_length(content) == 0)
        return refused(c, "messages", "content must be text, or of a user a list of parts.");
    for (size_t i = 0; i < json_length(content); i++)
        if (!take_part(c, json_item(content, i), chat))
            return false;
    return true;
}

static bool take_messages(struct openai_call *c, struct json_object *list, struct chat *chat)
{
    if (json_length(list) == 0)
        return refused(c, "messages", "messages must be a list, and not empty.");
    for (size_t i = 0; i < json_length(list); i++)
        if (!take_message(c, json_item(list, i), chat))
            return false;
    bool is_silent = str_empty(chat->thought.text) && !chat->thought.picture.len;
    return is_silent ? refused(c, "messages", "The user says nothing.") : true;
}

/* -- the other fields -- */

static bool thinks_first(const struct openai_call *c)
{
    return str_starts(c->model, S("o")) || str_starts(c->model, S("gpt-5"));
}

static bool check_numbers(struct openai_call *c, struct json_object *body, struct chat *chat)
{
    double temperature = 1;
    chat->most_tokens = MOST_TOKENS;
    if (json_has(body, "max_completion_tokens") &&
        (!json_i64(body, "max_completion_tokens", &chat->most_tokens) || chat->most_tokens < 1 ||
         chat->most_tokens > MOST_TOKENS))
        return refused(c, "max_completion_tokens", "It has to be from 1 to 16384.");
    if (json_has(body, "temperature") &&
        (!json_double(body, "temperature", &temperature) || temperature < 0 || temperature > 2))
        return refused(c, "temperature", "It has to be from 0 to 2.");
    if (thinks_first(c) && (temperature < 1 || temperature > 1)) {
        openai_refuse(c, 400, "temperature", "unsupported_value",
                      "Unsupported value: 'temperature' does not support this value with this "
                      "model. Only the default (1) value is supported.");
        return false;
    }
    return true;
}

static bool check_format(struct openai_call *c, struct json_object *body, struct chat *chat)
{
    static const char *const members[] = {"type"};
    struct json_object *format = json_at(body, "response_format");
    str type = json_str(format, "type");
    if (!json_has(body, "response_format"))
        return true;
    if (!has_only(c, "response_format.", format, members, 1))
        return false;
    chat->thought.wants_json = str_eq(type, S("json_object"));
    if (!chat->thought.wants_json && !str_eq(type, S("text")))
        return refused(c, "response_format", "Only text and json_object are played here.");
    if (chat->thought.wants_json && !chat->is_json_named)
        return refused(c, "messages",
                       "'messages' must contain the word 'json' in some form, to use "
                       "'response_format' of type 'json_object'.");
    return true;
}

static bool read_body(struct openai_call *c, struct json_object *body, struct chat *chat)
{
    static const char *const members[] = {"model", "messages", "max_completion_tokens",
                                          "temperature", "response_format"};
    if (!has_only(c, "", body, members, ARRAY_LEN(members)))
        return false;
    if (str_empty(json_str(body, "model")))
        return refused(c, "model", "you must provide a model parameter");
    c->model = json_str(body, "model");
    bool is_well = openai_model_is_known(c, models, ARRAY_LEN(models)) &&
                   take_messages(c, json_at(body, "messages"), chat) &&
                   check_numbers(c, body, chat) && check_format(c, body, chat);
    c->asked = json_text(c->arena, body);
    return is_well;
}

/* -- what is answered -- */

static void answer(struct openai_call *c, const struct chat *chat, struct val content,
                   struct val refusal, const char *finish, size_t bytes)
{
    struct arena *a = c->arena;
    int64_t out = (int64_t)(bytes + BYTES_OF_TOKEN - 1) / BYTES_OF_TOKEN;
    str message = json_make(a, KV("role", "assistant"), KV("content", content),
                            KV("refusal", refusal));
    str choice = json_make(a, KV("index", 0), KV("message", JSON(message)), KV("logprobs", NOTHING),
                           KV("finish_reason", finish));
    str usage = json_make(a, KV("prompt_tokens", chat->tokens_sent), KV("completion_tokens", out),
                          KV("total_tokens", chat->tokens_sent + out));
    c->status = 200;
    c->body = json_make(a, KV("id", str_printf(a, "chatcmpl-" STR_FMT, STR_ARG(random_hex(a, 12)))),
                        KV("object", "chat.completion"), KV("created", clock_ms() / 1000),
                        KV("model", c->model),
                        KV("choices", JSON(str_printf(a, "[" STR_FMT "]", STR_ARG(choice)))),
                        KV("usage", JSON(usage)));
}

/* A letter is not cut in two. */
static str first_bytes(str text, size_t most)
{
    size_t at = 0, width;
    while ((width = str_utf8_at(text, at)) > 0 && at + width <= most)
        at += width;
    return str_sub(text, 0, at);
}

void openai_answer_chat(struct openai_call *c)
{
    struct chat chat = {
        .thought = {.instruction = S(""), .text = S(""), .picture = S("")}
    };
    struct json_object *body, *value;
    size_t at;
    str type, parameters;
    str_cut(c->r->content_type, ';', &type, &parameters);
    if (!str_eq_nocase(str_trim(type), S("application/json")) ||
        json_parse(c->arena, c->r->body, &body)) {
        refused(c, NULL, "We could not parse the JSON body of your request.");
        return;
    }
    if (!read_body(c, body, &chat))
        return;
    if (openai_fault(c, "refusal", &value) || str_find(chat.thought.text, S("[refused]"), &at)) {
        answer(c, &chat, V(NOTHING), V("I'm sorry, I can't help with that."), "stop", 0);
        return;
    }
    str said = openai_think(c->arena, &chat.thought);
    size_t most = (size_t)chat.most_tokens * BYTES_OF_TOKEN;
    bool is_cut = said.len > most;
    if (is_cut)
        said = first_bytes(said, most);
    if (openai_fault(c, "cut", &value)) {
        said = first_bytes(said, said.len / 2);
        is_cut = true;
    }
    answer(c, &chat, V(said), V(NOTHING), is_cut ? "length" : "stop", said.len);
}
