#include "handlers/imagen.h"

#include <openssl/sha.h>

#include "core/clock.h"
#include "core/log.h"
#include "handlers/delivery.h"
#include "handlers/dispatch.h"
#include "handlers/generation.h"

enum {
    WORDS_MIN = 3, /* code points */
    WORDS_MAX = 2000,
    IMAGES_MAX = 4,
    SHOWN_WORDS_MAX = 300, /* of the words, on the screen of options */
};

static const char *const ratios[] = {"1:1", "3:4", "4:3", "9:16", "16:9"};

struct speed {
    const char *name;
    enum text label;
};
static const struct speed speeds[] = {
    {"fast",     T_speed_fast    },
    {"standard", T_speed_standard},
    {"ultra",    T_speed_ultra   },
};

static str model_of(const struct conf *conf, str speed)
{
    if (str_eq(speed, S("fast")))
        return conf->fal_imagen4_fast_model;
    if (str_eq(speed, S("ultra")))
        return conf->fal_imagen4_ultra_model;
    return conf->fal_imagen4_model;
}

static int64_t price_of(const struct turn *t, int64_t images)
{
    return images * t->bot->conf->imagen4_generation_cost_coins;
}

static void menu_button(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_menu, S("menu:open"));
}

static err *refuse_without_coins(struct turn *t, int64_t price, int64_t balance)
{
    return refuse(t, T_no_coins, KV("price", price), KV("balance", balance));
}

/* ---------------------------------------------------------------- words */

err *draw_imagen_words(struct turn *t)
{
    menu_button(t);
    return edit(t, T_imagen_ask_words, KV("price", price_of(t, 1)), KV("most", (int)WORDS_MAX));
}

/* The price comes before the first question; what is left is decided by the ledger. */
err *on_imagen_open(struct turn *t)
{
    if (t->user->balance < price_of(t, 1))
        return refuse_without_coins(t, price_of(t, 1), t->user->balance);
    return draw_imagen_words(t);
}

/* Words that are refused keep the dialog where it is; the user types again. The order gets its
 * name here, so that two taps on its button are one order. */
err *on_imagen_words(struct turn *t)
{
    if (!str_points_within(t->text, WORDS_MIN, WORDS_MAX))
        return refuse(t, T_imagen_bad_words, KV("least", (int)WORDS_MIN),
                      KV("most", (int)WORDS_MAX));

    const struct user_settings *settings = &t->user->settings;
    field_put(t, "d.order", random_uuid(t->arena));
    field_put(t, "d.words", t->text);
    field_put(t, "d.ratio", settings->default_aspect_ratio);
    field_put_i64(t, "d.count", settings->default_image_count);
    field_put(t, "d.speed", S("standard"));
    return draw_imagen_options(t);
}

/* ---------------------------------------------------------------- options */

/* A button of the options names its order: other words make another one, and an old keyboard must not
 * choose for it, let alone pay. */
static str option_tap(struct turn *t, const char *name, str value)
{
    str order = field_get(t, "d.order");
    return tap_for(t->arena, name,
                   str_printf(t->arena, STR_FMT ":" STR_FMT, STR_ARG(order), STR_ARG(value)));
}

/* True when the tapped button is of the order that is open; value: what stands behind its name. */
static bool is_of_this_order(const struct turn *t, str *order, str *value)
{
    str_cut(t->argument, ':', order, value);
    return str_eq(*order, field_get(t, "d.order"));
}

/* The chosen one of a row carries a mark. */
static void choice(struct turn *t, bool is_chosen, enum text label, str tap, str words,
                   int64_t number)
{
    str mark = is_chosen ? S("● ") : S("");
    keyboard_button(&t->keyboard, label, tap, KV("mark", mark), KV("words", words),
                    KV("number", number));
}

static void option_buttons(struct turn *t)
{
    str ratio = field_get(t, "d.ratio"), speed = field_get(t, "d.speed");
    int64_t count = field_get_i64(t, "d.count");

    keyboard_row(&t->keyboard);
    for (size_t i = 0; i < ARRAY_LEN(ratios); i++) {
        str name = str_from(ratios[i]);
        choice(t, str_eq(ratio, name), T_button_choice, option_tap(t, "imagen:ratio", name), name,
               0);
    }
    keyboard_row(&t->keyboard);
    for (int64_t n = 1; n <= IMAGES_MAX; n++)
        choice(t, n == count, T_button_count,
               option_tap(t, "imagen:count", str_printf(t->arena, "%" PRId64, n)), S(""), n);
    keyboard_row(&t->keyboard);
    for (size_t i = 0; i < ARRAY_LEN(speeds); i++) {
        str name = str_from(speeds[i].name);
        choice(t, str_eq(speed, name), T_button_choice, option_tap(t, "imagen:speed", name),
               text_plain(t->arena, t->language, speeds[i].label, KVS()), 0);
    }
    keyboard_row(&t->keyboard);
    int64_t price = price_of(t, count);
    keyboard_button(&t->keyboard, T_button_make,
                    option_tap(t, "imagen:make", str_printf(t->arena, "%" PRId64, price)),
                    KV("price", price));
    menu_button(t);
}

err *draw_imagen_options(struct turn *t)
{
    option_buttons(t);
    str words = str_clip_points(t->arena, field_get(t, "d.words"), SHOWN_WORDS_MAX);
    return edit(t, T_imagen_options, KV("words", words), KV("balance", t->user->balance));
}

/* Telegram refuses an edit that changes nothing: a choice that stands already is only said. */
static err *choose(struct turn *t, const char *field, str value)
{
    if (str_eq(value, field_get(t, field))) {
        hint(t, T_choice_stands);
        return NULL;
    }
    field_put(t, field, value);
    return draw_imagen_options(t);
}

err *on_imagen_ratio(struct turn *t)
{
    str order, ratio;
    if (is_of_this_order(t, &order, &ratio))
        for (size_t i = 0; i < ARRAY_LEN(ratios); i++)
            if (str_eq(ratio, str_from(ratios[i])))
                return choose(t, "d.ratio", ratio);
    return on_old_button(t);
}

err *on_imagen_count(struct turn *t)
{
    str order, number;
    int64_t count;
    if (is_of_this_order(t, &order, &number) && str_to_i64(number, &count) && count >= 1 &&
        count <= IMAGES_MAX)
        return choose(t, "d.count", number);
    return on_old_button(t);
}

err *on_imagen_speed(struct turn *t)
{
    str order, speed;
    if (is_of_this_order(t, &order, &speed))
        for (size_t i = 0; i < ARRAY_LEN(speeds); i++)
            if (str_eq(speed, str_from(speeds[i].name)))
                return choose(t, "d.speed", speed);
    return on_old_button(t);
}

/* ---------------------------------------------------------------- the order */

/* What is paid is the price that stood on the button. */
err *on_imagen_make(struct turn *t)
{
    str name, price;
    int64_t count = field_get_i64(t, "d.count"), shown_price;
    if (!is_of_this_order(t, &name, &price) || !str_to_i64(price, &shown_price) ||
        shown_price != price_of(t, count))
        return on_imagen_made(t);
    struct generation order = {
        .id = field_get(t, "d.order"),
        .generation_type = S("imagen4"),
        .model = model_of(t->bot->conf, field_get(t, "d.speed")),
        .words = field_get(t, "d.words"),
        .quality = field_get(t, "d.speed"),
        .aspect_ratio = field_get(t, "d.ratio"),
        .num_images = (int)count,
        .price_coins = price_of(t, count),
    };
    return generation_order(t, &order);
}

/* A second tap finds the order of the first; the message shows its progress and stays as it is. */
err *on_imagen_made(struct turn *t)
{
    str order, price;
    struct generation made;
    str_cut(t->argument, ':', &order, &price);
    err *e = generation_find(t->db, t->arena, t->user->id, order, &made);
    if (e && e->kind == ERR_NOT_FOUND)
        return on_old_button(t);
    if (e)
        return e;
    dialog_stay(t);
    hint(t, made.is_open ? T_order_is_running : T_order_is_over);
    return NULL;
}

/* The name of a repeated order follows from the button it came from: a second tap on that button
 * while the first order is open finds it there. Once it is over, the next tap is a new order. */
static str repeat_id(struct turn *t, int64_t sequence)
{
    enum { UUID_HEX = 32 };
    str seed = str_printf(t->arena, STR_FMT " %" PRId64 " %" PRId64, STR_ARG(t->generation->id),
                          t->update->message_id, sequence);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)seed.ptr, seed.len, digest);
    str hex = str_sub(str_hex(t->arena, (str){(const char *)digest, sizeof digest}), 0, UUID_HEX);
    return str_printf(t->arena, "%.8s-%.4s-%.4s-%.4s-%.12s", hex.ptr, hex.ptr + 8, hex.ptr + 12,
                      hex.ptr + 16, hex.ptr + 20);
}

static err *free_repeat_id(struct turn *t, str *id)
{
    for (int64_t sequence = 0;; sequence++) {
        *id = repeat_id(t, sequence);
        struct generation earlier;
        err *e = generation_find(t->db, t->arena, t->user->id, *id, &earlier);
        if (e && e->kind == ERR_NOT_FOUND)
            return NULL;
        if (e)
            return e;
        if (earlier.is_open)
            return refuse(t, T_order_is_running);
    }
}

/* The button was drawn when another price was asked: nothing is spent, and it is offered anew. */
static err *offer_again(struct turn *t, int count)
{
    keyboard_row(&t->keyboard);
    again_button(&t->keyboard, t->bot->conf, t->generation->id, count);
    return say(t, T_price_changed, KV("price", price_of(t, count)));
}

/* The button says how many, all of an order under its result or one under an image of the gallery,
 * and what is paid: the price that stood on it. */
err *on_imagen_again(struct turn *t)
{
    struct generation order = *t->generation;
    str count_text, price_text;
    int64_t count, price;
    str_cut(t->argument, ':', &count_text, &price_text);
    if (!str_to_i64(count_text, &count) || count < 1 || count > IMAGES_MAX)
        count = order.num_images;
    if (!str_to_i64(price_text, &price) || price != price_of(t, count))
        return offer_again(t, (int)count);
    order.num_images = (int)count;
    order.price_coins = price;
    t->keeps_message = true;
    TRY(free_repeat_id(t, &order.id));
    return generation_order(t, &order);
}
