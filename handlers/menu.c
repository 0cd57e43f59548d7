#include "handlers/menu.h"

#include "handlers/say.h"

enum { TAP_MAX_BYTES = 64 };

struct keyboard keyboard_new(struct arena *a, enum language language)
{
    return (struct keyboard){.arena = a, .language = language, .rows = buf_new(a)};
}

static void close_row(struct keyboard *k)
{
    if (k->has_button)
        buf_add_char(&k->rows, ']');
    k->has_row = k->has_button = false;
}

void keyboard_row(struct keyboard *k)
{
    close_row(k);
    k->has_row = true;
}

static void begin_button(struct keyboard *k)
{
    if (k->has_button)
        buf_add_char(&k->rows, ',');
    else
        buf_add(&k->rows, k->rows.len ? S(",[") : S("["));
    k->has_button = true;
}

void keyboard_add(struct keyboard *k, enum text label, str tap, const struct kv *values)
{
    assert(tap.len <= TAP_MAX_BYTES);
    begin_button(k);
    json_put_object(&k->rows, KVS(KV("text", text_plain(k->arena, k->language, label, values)),
                                  KV("callback_data", tap)));
}

void keyboard_link(struct keyboard *k, enum text label, str url)
{
    begin_button(k);
    json_put_object(
        &k->rows, KVS(KV("text", text_plain(k->arena, k->language, label, KVS())), KV("url", url)));
}

void keyboard_menu_row(struct keyboard *k)
{
    keyboard_row(k);
    keyboard_button(k, T_button_menu, S("menu:open"));
}

str tap_for(struct arena *a, const char *name, str argument)
{
    struct buf b = buf_new(a);
    buf_add(&b, str_from(name));
    buf_add_char(&b, ':');
    buf_add(&b, argument);
    return buf_str(&b);
}

str keyboard_json(struct keyboard *k)
{
    close_row(k);
    if (!k->rows.len)
        return S("");
    struct buf b = buf_new(k->arena);
    buf_add(&b, S("{\"inline_keyboard\":["));
    buf_add(&b, buf_str(&k->rows));
    buf_add(&b, S("]}"));
    return buf_str(&b);
}
