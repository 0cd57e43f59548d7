#include "handlers/images/order.h"

#include "core/clock.h"
#include "db/ledger.h"
#include "handlers/dispatch.h"
#include "handlers/images/sample.h"
#include "handlers/money/funds.h"

enum {
    SHOWN_WORDS_MAX = 300, /* of the words, on the screen of options */
    EDITED_WORDS_MAX =
        1700, /* of those to be changed: a message has 4096 units, of which one may take two */
    WORDS_OF_ROW = 3, /* buttons with a word each that a phone shows whole; more take two rows */
};

/* The price that quick mode has shown: another one is never taken for words alone. */
static const char promise[] = "d.quick";
/* The earlier order that this dialog changes, and its words. */
static const char edited[] = "d.edited", words_before[] = "d.before";

const char *const order_ratios[ORDER_RATIOS] = {"1:1", "3:4", "4:3", "9:16", "16:9"};

/* By how many times the one is longer than the other, whichever way round that is. */
static double times(double one, double other)
{
    return one > other ? one / other : other / one;
}

str order_nearest_ratio(int width, int height)
{
    static const struct {
        double width, height;
    } shapes[] = {
        {1,  1 },
        {3,  4 },
        {4,  3 },
        {9,  16},
        {16, 9 },
    };
    static_assert(ARRAY_LEN(shapes) == ORDER_RATIOS, "each ratio has its shape");
    size_t nearest = 0;
    for (size_t i = 1; i < ARRAY_LEN(shapes) && width > 0 && height > 0; i++)
        if (times((double)width / height, shapes[i].width / shapes[i].height) <
            times((double)width / height, shapes[nearest].width / shapes[nearest].height))
            nearest = i;
    return str_from(order_ratios[nearest]);
}

static bool is_for_avatar(str generation_type)
{
    return str_eq(generation_type, S("avatar"));
}

static int64_t order_price(const struct conf *conf, str generation_type, int64_t images)
{
    return images * (is_for_avatar(generation_type) ? conf->image_generation_cost_coins
                                                    : conf->imagen4_generation_cost_coins);
}

int64_t order_form_price(const struct turn *t, const struct order_form *form, int64_t images)
{
    return order_price(t->bot->conf, str_from(form->generation_type), images);
}

err *order_hold(struct turn *t, str key, const struct errand *errand, str reason)
{
    if (!errand->price_coins)
        return NULL;
    err *e = ledger_hold(t->db, t->user->id, key, errand->price_coins, errand->id, reason, NULL);
    return e && ledger_lacks_coins(e) ? funds_refuse(t, errand->price_coins) : e;
}

/* ---------------------------------------------------------------- options */

static bool has_quality(const struct order_form *form, str name)
{
    for (size_t i = 0; i < form->quality_count; i++)
        if (str_eq(name, str_from(form->qualities[i].name)))
            return true;
    return false;
}

/* What was chosen in this dialog; where nothing was, the user's usual choice. */
static str chosen_ratio(const struct turn *t)
{
    str ratio = field_get(t, "d.ratio");
    return str_empty(ratio) ? t->user->settings.default_aspect_ratio : ratio;
}

static int chosen_count(const struct turn *t)
{
    int64_t count = field_get_i64(t, "d.count");
    return count ? (int)count : t->user->settings.default_image_count;
}

static str usual_quality(const struct turn *t, const struct order_form *form)
{
    str quality = t->user->settings.default_quality;
    return has_quality(form, quality) ? quality : str_from(form->usual_quality);
}

static str chosen_quality(const struct turn *t, const struct order_form *form)
{
    str chosen = field_get(t, form->quality_field);
    return has_quality(form, chosen) ? chosen : usual_quality(t, form);
}

/* The order gets its name here, so that two taps on its button are one order. */
void order_begin(struct turn *t, const struct order_form *form, str words)
{
    field_drop(t, promise);
    field_drop(t, "d.sample");
    field_put(t, "d.order", random_uuid(t->arena));
    field_put(t, "d.words", words);
    field_put(t, "d.ratio", chosen_ratio(t));
    field_put_i64(t, "d.count", chosen_count(t));
    field_put(t, form->quality_field, chosen_quality(t, form));
}

void order_rename(struct turn *t)
{
    field_put(t, "d.order", random_uuid(t->arena));
}

str order_shown_words(const struct turn *t)
{
    return str_clip_points(t->arena, field_get(t, "d.words"), SHOWN_WORDS_MAX);
}

/* Each button carries the name of its order. */
static str order_tap(struct turn *t, const char *name, str value)
{
    str order = field_get(t, "d.order");
    return tap_for(t->arena, name,
                   str_printf(t->arena, STR_FMT ":" STR_FMT, STR_ARG(order), STR_ARG(value)));
}

static bool order_is_open(const struct turn *t, str *value)
{
    str order;
    str_cut(t->argument, ':', &order, value);
    return str_eq(order, field_get(t, "d.order"));
}

/* The chosen one of a row carries a mark. */
static void choice(struct turn *t, bool is_chosen, enum text label, str tap, str words,
                   int64_t number)
{
    str mark = is_chosen ? S("● ") : S("");
    keyboard_button(&t->keyboard, label, tap, KV("mark", mark), KV("words", words),
                    KV("number", number));
}

static void quality_row(struct turn *t, const struct order_form *form)
{
    str chosen = field_get(t, form->quality_field);
    keyboard_row(&t->keyboard);
    for (size_t i = 0; i < form->quality_count; i++) {
        str name = str_from(form->qualities[i].name);
        if (form->quality_count > WORDS_OF_ROW && i == form->quality_count / 2)
            keyboard_row(&t->keyboard);
        choice(t, str_eq(chosen, name), T_button_choice, order_tap(t, form->quality_tap, name),
               text_plain(t->arena, t->language, form->qualities[i].label, KVS()), 0);
    }
}

void order_choices(struct turn *t, const struct order_form *form)
{
    str ratio = field_get(t, "d.ratio");
    int64_t count = field_get_i64(t, "d.count");

    keyboard_row(&t->keyboard);
    for (size_t i = 0; i < ARRAY_LEN(order_ratios); i++) {
        str name = str_from(order_ratios[i]);
        choice(t, str_eq(ratio, name), T_button_choice, order_tap(t, form->ratio_tap, name), name,
               0);
    }
    keyboard_row(&t->keyboard);
    for (int64_t n = 1; n <= ORDER_IMAGES_MAX; n++)
        choice(t, n == count, T_button_count,
               order_tap(t, form->count_tap, str_printf(t->arena, "%" PRId64, n)), S(""), n);
    quality_row(t, form);
}

void order_price_row(struct turn *t, const struct order_form *form)
{
    int64_t price = order_form_price(t, form, field_get_i64(t, "d.count"));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_make,
                    order_tap(t, form->make_tap, str_printf(t->arena, "%" PRId64, price)),
                    KV("price", price));
}

void order_make_button(struct turn *t, const struct order_form *form)
{
    order_price_row(t, form);
    order_way_out(t);
}

/* Telegram refuses an edit that changes nothing: a choice that stands already is only said. */
static err *choose(struct turn *t, const struct order_form *form, const char *field, str value)
{
    if (str_eq(value, field_get(t, field))) {
        hint(t, T_choice_stands);
        return NULL;
    }
    field_put(t, field, value);
    return form->draw(t);
}

err *order_choose_ratio(struct turn *t, const struct order_form *form)
{
    str ratio;
    if (order_is_open(t, &ratio))
        for (size_t i = 0; i < ARRAY_LEN(order_ratios); i++)
            if (str_eq(ratio, str_from(order_ratios[i])))
                return choose(t, form, "d.ratio", ratio);
    return on_old_button(t);
}

err *order_choose_count(struct turn *t, const struct order_form *form)
{
    str number;
    int64_t count;
    if (order_is_open(t, &number) && str_to_i64(number, &count) && count >= 1 &&
        count <= ORDER_IMAGES_MAX)
        return choose(t, form, "d.count", number);
    return on_old_button(t);
}

err *order_choose_quality(struct turn *t, const struct order_form *form)
{
    str quality;
    if (order_is_open(t, &quality) && has_quality(form, quality))
        return choose(t, form, form->quality_field, quality);
    return on_old_button(t);
}

/* ---------------------------------------------------------------- the order */

/* What is paid is the price that stood on the button. */
bool order_read(struct turn *t, const struct order_form *form, struct generation *order)
{
    str price;
    int64_t count = field_get_i64(t, "d.count"), shown_price;
    if (!order_is_open(t, &price) || !str_to_i64(price, &shown_price) ||
        shown_price != order_form_price(t, form, count))
        return false;
    *order = (struct generation){
        .errand.id = field_get(t, "d.order"),
        .generation_type = str_from(form->generation_type),
        .words = field_get(t, "d.words"),
        .sample_id = field_get(t, "d.sample"),
        .quality = field_get(t, form->quality_field),
        .aspect_ratio = field_get(t, "d.ratio"),
        .num_images = (int)count,
        .errand.price_coins = shown_price,
    };
    return true;
}

/* A second tap finds the order of the first; the message shows its progress and stays as it is. */
err *order_made(struct turn *t)
{
    str order, price;
    struct generation made;
    str_cut(t->argument, ':', &order, &price);
    err *e = generation_find(t->db, t->arena, t->user->id, order, &made);
    if (err_is_not_found(e))
        return on_old_button(t);
    if (e)
        return e;
    dialog_stay(t);
    hint(t, made.errand.is_open ? T_order_is_running : T_order_is_over);
    return NULL;
}

/* ---------------------------------------------------------------- quick mode */

static str quality_words(const struct turn *t, const struct order_form *form, str quality)
{
    size_t i = 0;
    while (i + 1 < form->quality_count && !str_eq(quality, str_from(form->qualities[i].name)))
        i++;
    return text_plain(t->arena, t->language, form->qualities[i].label, KVS());
}

int64_t order_usual_price(const struct turn *t, const struct order_form *form)
{
    return order_form_price(t, form, t->user->settings.default_image_count);
}

static str offer(struct turn *t, const struct order_form *form, enum text text, int count,
                 str ratio, str quality)
{
    str words = text_plain(t->arena, t->language, text,
                           KVS(KV("n", count), KV("ratio", ratio),
                               KV("quality", quality_words(t, form, quality)),
                               KV("price", order_form_price(t, form, count))));
    return str_printf(t->arena, "\n\n" STR_FMT, STR_ARG(words));
}

str order_quick_words(struct turn *t, const struct order_form *form, enum text text)
{
    const struct user_settings *settings = &t->user->settings;
    return settings->is_quick ? offer(t, form, text, settings->default_image_count,
                                      settings->default_aspect_ratio, usual_quality(t, form))
                              : S("");
}

str order_quick_offer(struct turn *t, const struct order_form *form)
{
    if (!t->user->settings.is_quick) {
        field_drop(t, promise);
        return S("");
    }
    field_put_i64(t, promise, order_form_price(t, form, chosen_count(t)));
    return offer(t, form, sample_is_offered(t->bot->conf) ? T_quick_offer_sample : T_quick_offer,
                 chosen_count(t), chosen_ratio(t), chosen_quality(t, form));
}

void order_as_usual(const struct turn *t, const struct order_form *form, str words,
                    struct generation *order)
{
    const struct user_settings *settings = &t->user->settings;
    *order = (struct generation){
        .errand.id = random_uuid(t->arena),
        .generation_type = str_from(form->generation_type),
        .words = words,
        .quality = usual_quality(t, form),
        .aspect_ratio = settings->default_aspect_ratio,
        .num_images = settings->default_image_count,
        .errand.price_coins = order_usual_price(t, form),
    };
}

bool order_quick(struct turn *t, const struct order_form *form, str words, struct generation *order)
{
    int64_t price = order_form_price(t, form, chosen_count(t)), promised;
    if (!t->user->settings.is_quick || !str_to_i64(field_get(t, promise), &promised) ||
        promised != price || funds_lack(t, price))
        return false;
    order_as_usual(t, form, words, order);
    order->quality = chosen_quality(t, form);
    order->aspect_ratio = chosen_ratio(t);
    order->num_images = chosen_count(t);
    order->errand.price_coins = price;
    return true;
}

/* ---------------------------------------------------------------- once more */

void again_button(struct keyboard *k, const struct conf *conf, str generation_type,
                  str generation_id, int count)
{
    int64_t price = order_price(conf, generation_type, count);
    str argument = str_printf(k->arena, STR_FMT ":%d:%" PRId64, STR_ARG(generation_id), count,
                              price);
    const char *tap = is_for_avatar(generation_type) ? "flux:again" : "imagen:again";
    keyboard_button(k, T_button_again, tap_for(k->arena, tap, argument), KV("price", price));
}

static void choose_as(struct turn *t, const struct order_form *form,
                      const struct generation *earlier)
{
    field_put(t, "d.ratio", earlier->aspect_ratio);
    field_put_i64(t, "d.count", earlier->num_images);
    field_put(t, form->quality_field, earlier->quality);
}

void order_begin_as(struct turn *t, const struct order_form *form, const struct generation *earlier)
{
    choose_as(t, form, earlier);
    order_begin(t, form, earlier->words);
}

/* The button was drawn when another price was asked: nothing is spent, and it is offered anew. */
static err *offer_again(struct turn *t, const struct generation *order)
{
    int64_t price = order_price(t->bot->conf, order->generation_type, order->num_images);
    keyboard_row(&t->keyboard);
    again_button(&t->keyboard, t->bot->conf, order->generation_type, order->errand.id,
                 order->num_images);
    return say(t, T_price_changed, KV("price", price));
}

/* The name of a repeated order follows from the button it came from: a second tap on that button
 * while the first order is open finds it there. Once it is over, the next tap is a new order. */
static err *name_repeat(struct turn *t, str *id)
{
    str button = str_printf(t->arena, STR_FMT " %" PRId64, STR_ARG(t->generation->errand.id),
                            t->update->message_id);
    bool is_open;
    TRY(generation_repeat_id(t->db, t->user->id, button, id, &is_open));
    return is_open ? refuse(t, T_order_is_running) : NULL;
}

/* t->generation, if it is of this kind, with as many images as the button says. */
static err *take_earlier(struct turn *t, const struct order_form *form, struct generation *earlier,
                         str *rest)
{
    str count_text;
    int64_t count;
    *earlier = *t->generation;
    if (!str_eq(earlier->generation_type, str_from(form->generation_type)))
        return fail(t->arena, ERR_NOT_FOUND, "the button is of another kind of order");
    str_cut(t->argument, ':', &count_text, rest);
    if (str_to_i64(count_text, &count) && count >= 1 && count <= ORDER_IMAGES_MAX)
        earlier->num_images = (int)count;
    return NULL;
}

/* The button says how many, all of an order under its result or one under an image of the gallery,
 * and what is paid: the price that stood on it. */
err *order_repeat(struct turn *t, const struct order_form *form, struct generation *order,
                  bool *is_offered)
{
    str price_text = {0};
    int64_t price;
    TRY(take_earlier(t, form, order, &price_text));
    *is_offered = !str_to_i64(price_text, &price) ||
                  price != order_price(t->bot->conf, order->generation_type, order->num_images);
    if (*is_offered)
        return offer_again(t, order);
    order->errand.price_coins = price;
    order->is_preview = false; /* a present is given once */
    t->keeps_message = true;
    return name_repeat(t, &order->errand.id);
}

/* ---------------------------------------------------------------- the same with changes */

void edit_button(struct keyboard *k, str generation_type, str generation_id, int count)
{
    const char *tap = is_for_avatar(generation_type) ? "flux:edit" : "imagen:edit";
    str argument = str_printf(k->arena, STR_FMT ":%d", STR_ARG(generation_id), count);
    keyboard_button(k, T_button_edit, tap_for(k->arena, tap, argument));
}

err *order_edit(struct turn *t, const struct order_form *form, enum state words_state)
{
    struct generation earlier;
    str rest;
    TRY(take_earlier(t, form, &earlier, &rest));
    t->keeps_message = true;
    dialog_enter(t, words_state);
    field_put(t, edited, earlier.errand.id);
    field_put(t, words_before, earlier.words);
    choose_as(t, form, &earlier);
    return NULL;
}

bool order_is_edited(const struct turn *t)
{
    return !str_empty(field_get(t, edited));
}

err *order_ask_edit(struct turn *t, const struct order_form *form, str avatar_name)
{
    int count = chosen_count(t);
    str quality = quality_words(t, form, chosen_quality(t, form));
    str with = str_empty(avatar_name)
                   ? S("")
                   : str_printf(t->arena, "🎭 " STR_FMT " · ", STR_ARG(avatar_name));
    order_way_out(t);
    return edit(
        t, T_order_ask_edit, KV("with", with), KV("ratio", chosen_ratio(t)), KV("n", count),
        KV("quality", quality),
        KV("words", str_clip_points(t->arena, field_get(t, words_before), EDITED_WORDS_MAX)),
        KV("price", order_form_price(t, form, count)), KV("quick", order_quick_offer(t, form)));
}

void order_way_out(struct turn *t)
{
    str id = field_get(t, edited);
    keyboard_row(&t->keyboard);
    if (!str_empty(id))
        keyboard_button(&t->keyboard, T_button_back, tap_for(t->arena, "order:drop", id));
    keyboard_button(&t->keyboard, T_button_menu, S("menu:open"));
}

/* What is to be changed still stands above, with all its buttons. */
err *on_order_drop(struct turn *t)
{
    bool is_open = order_is_edited(t) && str_eq(t->argument, field_get(t, edited));
    if (is_open)
        dialog_enter(t, ST_idle);
    str call = delete_call(t->arena, t->chat_id, t->update->message_id);
    turn_add_call(t, &(struct outgoing){.way = CALL_QUEUED, .call = call});
    hint(t, T_order_dropped);
    return NULL;
}
