#include "handlers/images/imagen.h"

#include "handlers/images/generation.h"
#include "handlers/images/order.h"
#include "handlers/money/funds.h"

enum {
    WORDS_MIN = 3, /* code points */
    WORDS_MAX = 2000,
};

static const struct order_quality speeds[] = {
    {"fast",     T_speed_fast    },
    {"standard", T_speed_standard},
    {"ultra",    T_speed_ultra   },
};

const struct order_form imagen_form = {
    .generation_type = "imagen4",
    .ratio_tap = "imagen:ratio",
    .count_tap = "imagen:count",
    .quality_tap = "imagen:speed",
    .make_tap = "imagen:make",
    .quality_field = "d.speed",
    .qualities = speeds,
    .quality_count = ARRAY_LEN(speeds),
    .usual_quality = "standard",
    .draw = draw_imagen_options,
};

static str model_of(const struct conf *conf, str speed)
{
    if (str_eq(speed, S("fast")))
        return conf->fal_imagen4_fast_model;
    if (str_eq(speed, S("ultra")))
        return conf->fal_imagen4_ultra_model;
    return conf->fal_imagen4_model;
}

static int64_t cost_of_image(const struct conf *conf, str speed)
{
    if (str_eq(speed, S("fast")))
        return conf->fal_imagen4_fast_cost_microdollars;
    if (str_eq(speed, S("ultra")))
        return conf->fal_imagen4_ultra_cost_microdollars;
    return conf->fal_imagen4_cost_microdollars;
}

err *imagen_make(struct turn *t, struct generation *order)
{
    const struct conf *conf = t->bot->conf;
    dialog_enter(t, ST_idle);
    order->errand.model = model_of(conf, order->quality);
    order->errand.cost_microdollars = order->num_images * cost_of_image(conf, order->quality);
    return generation_order(t, order);
}

/* ---------------------------------------------------------------- words */

err *draw_imagen_words(struct turn *t)
{
    if (order_is_edited(t))
        return order_ask_edit(t, &imagen_form, S(""));
    keyboard_menu_row(&t->keyboard);
    return edit(t, T_imagen_ask_words, KV("price", order_form_price(t, &imagen_form, 1)),
                KV("most", (int)WORDS_MAX), KV("quick", order_quick_offer(t, &imagen_form)));
}

/* The price comes before the first question, which waits for the coins; what is left is decided by the
 * ledger. */
static err *ask_words(struct turn *t)
{
    int64_t price = order_form_price(t, &imagen_form, 1);
    return funds_lack(t, price) ? funds_tell(t, price) : draw_imagen_words(t);
}

err *on_imagen_open(struct turn *t)
{
    return ask_words(t);
}

err *on_imagen_edit(struct turn *t)
{
    TRY(order_edit(t, &imagen_form, ST_imagen_words));
    return ask_words(t);
}

/* Words that are refused keep the dialog where it is; the user types again. */
err *on_imagen_words(struct turn *t)
{
    if (!str_points_within(t->text, WORDS_MIN, WORDS_MAX) || !str_has_visible(t->text))
        return refuse(t, T_imagen_bad_words, KV("least", (int)WORDS_MIN),
                      KV("most", (int)WORDS_MAX));
    struct generation order;
    if (order_quick(t, &imagen_form, t->text, &order))
        return imagen_make(t, &order);
    order_begin(t, &imagen_form, t->text);
    return draw_imagen_options(t);
}

/* ---------------------------------------------------------------- options */

err *draw_imagen_options(struct turn *t)
{
    order_choices(t, &imagen_form);
    order_make_button(t, &imagen_form);
    return edit(t, T_imagen_options, KV("words", order_shown_words(t)),
                KV("balance", t->user->balance));
}

err *on_imagen_ratio(struct turn *t)
{
    return order_choose_ratio(t, &imagen_form);
}

err *on_imagen_count(struct turn *t)
{
    return order_choose_count(t, &imagen_form);
}

err *on_imagen_speed(struct turn *t)
{
    return order_choose_quality(t, &imagen_form);
}

/* ---------------------------------------------------------------- the order */

err *on_imagen_make(struct turn *t)
{
    struct generation order;
    if (!order_read(t, &imagen_form, &order))
        return order_made(t);
    return imagen_make(t, &order);
}

err *on_imagen_made(struct turn *t)
{
    return order_made(t);
}

/* Once there are enough, he goes on with the same words and choices. */
static err *wait_for_coins(struct turn *t, const struct generation *order)
{
    dialog_enter(t, ST_imagen_options);
    order_begin_as(t, &imagen_form, order);
    return funds_tell(t, order->errand.price_coins);
}

err *on_imagen_again(struct turn *t)
{
    struct generation order;
    bool is_offered;
    TRY(order_repeat(t, &imagen_form, &order, &is_offered));
    if (is_offered)
        return NULL;
    if (funds_lack(t, order.errand.price_coins))
        return wait_for_coins(t, &order);
    return imagen_make(t, &order);
}
