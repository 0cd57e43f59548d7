#include "handlers/images/flux.h"

#include "core/clock.h"
#include "core/log.h"
#include "handlers/dispatch.h"
#include "handlers/images/order.h"
#include "handlers/images/prompt.h"
#include "handlers/images/sample.h"
#include "handlers/money/funds.h"
#include "handlers/money/limits.h"

enum {
    WORDS_MIN = 3, /* code points */
    WORDS_MAX = 1000,
    AVATARS_SHOWN = 8, /* of the finished ones, at a time */
    SEED_LIMIT = INT32_MAX,
};

static const double lora_scale = 1.15;

const struct order_quality flux_qualities[FLUX_QUALITIES] = {
    {"fast",     T_quality_fast    },
    {"balanced", T_quality_balanced},
    {"high",     T_quality_high    },
    {"ultra",    T_quality_ultra   },
};

/* What the model is given for each quality. */
static const struct {
    const char *quality;
    int steps;
    double guidance;
} efforts[] = {
    {"fast",     20, 3.0},
    {"balanced", 28, 3.5},
    {"high",     35, 4.0},
    {"ultra",    50, 4.5},
};
static_assert(ARRAY_LEN(efforts) == ARRAY_LEN(flux_qualities), "each quality has its effort");

static const struct {
    const char *ratio;
    int width, height;
} sizes[] = {
    {"1:1",  1024, 1024},
    {"3:4",  768,  1024},
    {"4:3",  1024, 768 },
    {"9:16", 768,  1344},
    {"16:9", 1344, 768 },
};

const struct order_form flux_form = {
    .generation_type = "avatar",
    .ratio_tap = "flux:ratio",
    .count_tap = "flux:count",
    .quality_tap = "flux:quality",
    .make_tap = "flux:make",
    .quality_field = "d.quality",
    .qualities = flux_qualities,
    .quality_count = ARRAY_LEN(flux_qualities),
    .usual_quality = "balanced",
    .draw = draw_flux_options,
};

/* ---------------------------------------------------------------- which style */

static err *find_style(struct turn *t, str id, struct style *out)
{
    return style_find(t->db, t->arena, t->user->id, id, str_from(language_code(t->language)), out);
}

static void take_style(struct turn *t, const struct style *style)
{
    field_put(t, "d.template", style->id);
    field_put(t, "d.kinds", style->kinds);
}

static void drop_style(struct turn *t)
{
    field_drop(t, "d.template");
    field_drop(t, "d.kinds");
    field_drop(t, "d.place");
}

/* What is read of it, in place of words. */
static str style_words(struct arena *a, const struct style *style)
{
    return str_printf(a, STR_FMT ". " STR_FMT, STR_ARG(style->title), STR_ARG(style->description));
}

/* ---------------------------------------------------------------- which avatar */

/* Whom the style of the open order suits; empty: there is none, and anybody will do. */
static str wanted_kinds(const struct turn *t)
{
    return t->state == ST_flux_options ? field_get(t, "d.kinds") : S("");
}

static bool is_wanted(const struct avatar *avatar, str kinds)
{
    return str_empty(kinds) || style_suits(kinds, avatar->kind);
}

/* Those that can be drawn with, in the order of the list: the main one first, then the newest. */
static err *finished_avatars(struct turn *t, str kinds, struct avatar **out, size_t *count)
{
    struct avatar *avatars;
    size_t all;
    TRY(avatar_list(t->db, t->arena, t->user->id, &avatars, &all));
    *count = 0;
    for (size_t i = 0; i < all; i++)
        if (str_eq(avatars[i].status, S("completed")) && is_wanted(&avatars[i], kinds))
            avatars[(*count)++] = avatars[i];
    *out = avatars;
    return NULL;
}

/* ERR_NOT_FOUND unless it is this user's and finished. */
static err *find_finished(struct turn *t, str id, struct avatar *out)
{
    TRY(avatar_find(t->db, t->arena, t->user->id, id, out));
    return str_eq(out->status, S("completed"))
               ? NULL
               : fail(t->arena, ERR_NOT_FOUND, "avatar " STR_FMT " is not finished", STR_ARG(id));
}

static void take_avatar(struct turn *t, str id, str name, int64_t of)
{
    field_put(t, "d.avatar", id);
    field_put(t, "d.avatar_name", name);
    field_put_i64(t, "d.avatars", of);
}

err *flux_take_avatar(struct turn *t, str id)
{
    struct avatar *avatars;
    size_t count, chosen = 0;
    TRY(finished_avatars(t, S(""), &avatars, &count));
    if (!count)
        return fail(t->arena, ERR_NOT_FOUND, "no finished avatar");
    for (size_t i = 0; i < count; i++)
        if (str_eq(avatars[i].id, id))
            chosen = i;
    take_avatar(t, avatars[chosen].id, avatars[chosen].name, (int64_t)count);
    return NULL;
}

/* The usual one for a style, whose place in the dialog is taken as well; empty: there is none. */
static err *take_avatar_for(struct turn *t, str template_id)
{
    struct style style;
    if (str_empty(template_id))
        return flux_take_avatar(t, S(""));
    TRY(find_style(t, template_id, &style));
    if (str_empty(style.avatar_id))
        return fail(t->arena, ERR_NOT_FOUND, "no finished avatar that the style suits");
    take_avatar(t, style.avatar_id, style.avatar_name, style.avatars);
    take_style(t, &style);
    return NULL;
}

err *flux_offer_avatar(struct turn *t)
{
    bool has_style = !str_empty(wanted_kinds(t));
    dialog_enter(t, ST_idle);
    bool has_any = t->user->avatars > 0;
    keyboard_row(&t->keyboard);
    if (has_any)
        keyboard_button(&t->keyboard, T_button_avatars, S("avatar:open"),
                        KV("n", t->user->avatars));
    else
        keyboard_button(&t->keyboard, T_button_avatar_new, S("avatar:new"));
    keyboard_button(&t->keyboard, T_button_imagen, S("imagen:open"));
    keyboard_menu_row(&t->keyboard);
    if (has_style)
        return edit(t, T_style_no_avatar);
    return edit(t, has_any ? T_flux_avatar_unfinished : T_flux_no_avatar);
}

/* The avatar that stands on the button; with a single one there is nothing to choose. */
void flux_avatar_button(struct turn *t)
{
    if (field_get_i64(t, "d.avatars") < 2)
        return;
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_flux_avatars, S("flux:avatars"),
                    KV("avatar", field_get(t, "d.avatar_name")));
}

/* ---------------------------------------------------------------- what is asked of the model */

static void put_effort(struct generation *order)
{
    for (size_t i = 0; i < ARRAY_LEN(efforts); i++)
        if (str_eq(order->quality, str_from(efforts[i].quality))) {
            order->making.steps = efforts[i].steps;
            order->making.guidance = efforts[i].guidance;
        }
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        if (str_eq(order->aspect_ratio, str_from(sizes[i].ratio))) {
            order->making.width = sizes[i].width;
            order->making.height = sizes[i].height;
        }
    order->making.lora_scale = lora_scale;
    assert(order->making.steps && order->making.width);
}

/* All that the model will be asked is written down with the order. The seed is ours, so that it is known
 * whatever FAL returns. */
static void fill_order(struct generation *order, struct arena *a, const struct conf *conf,
                       const struct avatar *avatar)
{
    order->avatar_trigger = avatar->trigger;
    order->errand.model = conf->fal_flux_lora_model;
    order->errand.cost_microdollars = order->num_images * conf->fal_flux_cost_microdollars;
    order->avatar_id = avatar->id;
    order->avatar_name = avatar->name;
    order->final_prompt = prompt_with_trigger(a, avatar->trigger, order->words);
    order->seed = (int64_t)random_below(SEED_LIMIT);
    put_effort(order);
}

/* The same, and what its style asks for, when it has one. ERR_NOT_FOUND when that is gone. */
static err *fill_ordered(struct turn *t, struct generation *order, const struct avatar *avatar)
{
    struct style style;
    fill_order(order, t->arena, t->bot->conf, avatar);
    if (str_empty(order->template_id))
        return NULL;
    TRY(find_style(t, order->template_id, &style));
    order->final_prompt = prompt_of_style(t->arena, avatar->trigger, avatar->kind, style.prompt);
    return NULL;
}

/* ---------------------------------------------------------------- which seed */

/* With the seed of the image that is changed the new one has its composition, where the words allow. */
static bool is_of_old_seed(const struct turn *t)
{
    return !str_empty(field_get(t, "d.seed")) && str_empty(field_get(t, "d.reseeds"));
}

static void keep_seed(const struct turn *t, struct generation *order)
{
    if (is_of_old_seed(t))
        str_to_i64(field_get(t, "d.seed"), &order->seed);
}

static void seed_button(struct turn *t)
{
    if (str_empty(field_get(t, "d.seed")))
        return;
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, is_of_old_seed(t) ? T_button_seed_old : T_button_seed_new,
                    S("flux:seed"));
}

/* ---------------------------------------------------------------- words */

err *draw_flux_words(struct turn *t)
{
    flux_avatar_button(t);
    seed_button(t);
    if (order_is_edited(t))
        return order_ask_edit(t, &flux_form, field_get(t, "d.avatar_name"));
    keyboard_menu_row(&t->keyboard);
    return edit(t, T_flux_ask_words, KV("avatar", field_get(t, "d.avatar_name")),
                KV("price", order_form_price(t, &flux_form, 1)), KV("most", (int)WORDS_MAX),
                KV("quick", order_quick_offer(t, &flux_form)));
}

/* The price comes before the first question, which waits for the coins. */
static err *ask_words(struct turn *t)
{
    int64_t price = order_form_price(t, &flux_form, 1);
    return funds_lack(t, price) ? funds_tell(t, price) : draw_flux_words(t);
}

err *on_flux_open(struct turn *t)
{
    dialog_enter(t, ST_flux_words);
    err *e = flux_take_avatar(t, S(""));
    if (err_is_not_found(e))
        return flux_offer_avatar(t);
    if (e)
        return e;
    return ask_words(t);
}

err *flux_make(struct turn *t, struct generation *order)
{
    struct avatar avatar;
    TRY(find_finished(t, field_get(t, "d.avatar"), &avatar));
    fill_order(order, t->arena, t->bot->conf, &avatar);
    keep_seed(t, order);
    dialog_enter(t, ST_idle);
    return generation_order(t, order);
}

/* Where the avatar is gone meanwhile, the options are asked for as usual. */
static err *make_quickly(struct turn *t, bool *is_made)
{
    struct generation order;
    *is_made = false;
    if (!order_quick(t, &flux_form, t->text, &order))
        return NULL;
    err *e = flux_make(t, &order);
    *is_made = !err_is_not_found(e);
    return *is_made ? e : NULL;
}

/* Words that are refused keep the dialog where it is; the user types again. */
err *on_flux_words(struct turn *t)
{
    if (!str_points_within(t->text, WORDS_MIN, WORDS_MAX) || !str_has_visible(t->text))
        return refuse(t, T_imagen_bad_words, KV("least", (int)WORDS_MIN),
                      KV("most", (int)WORDS_MAX));
    bool is_made;
    TRY(make_quickly(t, &is_made));
    if (is_made)
        return NULL;
    if (!str_empty(field_get(t, "d.template")))
        drop_style(t);
    order_begin(t, &flux_form, t->text);
    return draw_flux_options(t);
}

/* ---------------------------------------------------------------- options */

/* Back to the template, in the list that it was opened from. */
static void style_back_row(struct turn *t, str template_id)
{
    str place = field_get(t, "d.place");
    str argument = str_printf(t->arena, STR_FMT "%s" STR_FMT, STR_ARG(template_id),
                              str_empty(place) ? "" : ":", STR_ARG(place));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_style_back, tap_for(t->arena, "style:show", argument));
    keyboard_button(&t->keyboard, T_button_menu, S("menu:open"));
}

err *draw_flux_options(struct turn *t)
{
    str template_id = field_get(t, "d.template");
    bool has_style = !str_empty(template_id);
    order_choices(t, &flux_form);
    flux_avatar_button(t);
    seed_button(t);
    order_price_row(t, &flux_form);
    if (has_style)
        style_back_row(t, template_id);
    else
        order_way_out(t);
    return edit(t, has_style ? T_style_options : T_flux_options, KV("words", order_shown_words(t)),
                KV("avatar", field_get(t, "d.avatar_name")), KV("balance", t->user->balance));
}

err *on_flux_ratio(struct turn *t)
{
    return order_choose_ratio(t, &flux_form);
}

err *on_flux_count(struct turn *t)
{
    return order_choose_count(t, &flux_form);
}

err *on_flux_quality(struct turn *t)
{
    return order_choose_quality(t, &flux_form);
}

/* ---------------------------------------------------------------- another avatar */

static void page_buttons(struct turn *t, size_t from, size_t end, size_t count,
                         const struct avatar *avatars)
{
    keyboard_row(&t->keyboard);
    if (from > 0)
        keyboard_button(&t->keyboard, T_button_first, S("flux:avatars"));
    if (end < count)
        keyboard_button(&t->keyboard, T_button_older,
                        tap_for(t->arena, "flux:avatars", avatars[end - 1].id));
    keyboard_button(&t->keyboard, T_button_menu, S("menu:open"));
}

/* The list goes on behind the avatar that the tap names, or begins anew when that one is gone. */
static size_t place_behind(const struct avatar *avatars, size_t count, str id)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(avatars[i].id, id))
            return i + 1 < count ? i + 1 : 0;
    return 0;
}

err *on_flux_avatars(struct turn *t)
{
    struct avatar *avatars;
    size_t count;
    TRY(finished_avatars(t, wanted_kinds(t), &avatars, &count));
    if (!count)
        return flux_offer_avatar(t);
    size_t from = place_behind(avatars, count, t->argument);
    size_t end = count - from > AVATARS_SHOWN ? from + AVATARS_SHOWN : count;
    str chosen = field_get(t, "d.avatar");
    for (size_t i = from; i < end; i++) {
        str mark = str_eq(avatars[i].id, chosen) ? S("● ") : S("");
        keyboard_row(&t->keyboard);
        keyboard_button(&t->keyboard, T_button_choice, tap_for(t->arena, "flux:use", avatars[i].id),
                        KV("mark", mark), KV("words", avatars[i].name));
    }
    page_buttons(t, from, end, count, avatars);
    return edit(t, T_flux_avatars, KV("n", count));
}

/* Keyboards that show another avatar or seed must not pay for this one: the order gets a new name. */
static err *draw_with_another(struct turn *t)
{
    if (t->state == ST_sample)
        return draw_sample(t);
    if (t->state == ST_flux_words)
        return draw_flux_words(t);
    order_rename(t);
    return draw_flux_options(t);
}

err *on_flux_change(struct turn *t)
{
    struct avatar avatar;
    err *e = find_finished(t, t->argument, &avatar);
    if (err_is_not_found(e)) {
        hint(t, T_flux_avatar_gone);
        return on_flux_avatars(t);
    }
    if (e)
        return e;
    if (!is_wanted(&avatar, wanted_kinds(t))) {
        hint(t, T_style_other_avatar);
        return on_flux_avatars(t);
    }
    take_avatar(t, avatar.id, avatar.name, field_get_i64(t, "d.avatars"));
    return draw_with_another(t);
}

err *on_flux_use(struct turn *t)
{
    struct avatar *avatars;
    size_t count;
    if (!str_eq(t->avatar->status, S("completed")))
        return refuse(t, T_flux_avatar_gone);
    TRY(finished_avatars(t, S(""), &avatars, &count));
    dialog_enter(t, ST_flux_words);
    take_avatar(t, t->avatar->id, t->avatar->name, (int64_t)count);
    return ask_words(t);
}

/* ---------------------------------------------------------------- the order */

/* It was deleted since the screen was drawn: the same words with another one, to be confirmed. */
static err *ask_again(struct turn *t)
{
    hint(t, T_flux_avatar_gone);
    err *e = take_avatar_for(t, field_get(t, "d.template"));
    if (err_is_not_found(e))
        return flux_offer_avatar(t);
    if (e)
        return e;
    dialog_stay(t);
    order_rename(t);
    return draw_flux_options(t);
}

/* It left the catalogue since the screen was drawn: its words are there to be gone on with. */
static err *ask_without_style(struct turn *t)
{
    hint(t, T_style_gone);
    drop_style(t);
    dialog_stay(t);
    order_rename(t);
    return draw_flux_options(t);
}

err *on_flux_make(struct turn *t)
{
    struct generation order;
    if (!order_read(t, &flux_form, &order))
        return order_made(t);
    struct avatar avatar;
    err *e = find_finished(t, field_get(t, "d.avatar"), &avatar);
    if (err_is_not_found(e))
        return ask_again(t);
    if (e)
        return e;
    order.template_id = field_get(t, "d.template");
    e = fill_ordered(t, &order, &avatar);
    if (err_is_not_found(e))
        return ask_without_style(t);
    if (e)
        return e;
    keep_seed(t, &order);
    return generation_order(t, &order);
}

err *on_flux_made(struct turn *t)
{
    return order_made(t);
}

/* ---------------------------------------------------------------- once more */

/* Its avatar is gone: the words, shape and quality are offered with another one. */
static err *offer_with_another(struct turn *t)
{
    const struct generation *earlier = t->generation;
    hint(t, T_flux_avatar_gone);
    t->keeps_message = true;
    dialog_enter(t, ST_flux_options);
    err *e = take_avatar_for(t, earlier->template_id);
    if (err_is_not_found(e))
        return flux_offer_avatar(t);
    if (e)
        return e;
    order_begin_as(t, &flux_form, earlier);
    return draw_flux_options(t);
}

/* Once there are enough, he goes on with the same words and choices. */
static err *wait_for_coins(struct turn *t, const struct avatar *avatar,
                           const struct generation *order)
{
    struct avatar *avatars;
    size_t count;
    dialog_enter(t, ST_flux_options);
    if (!str_empty(order->template_id)) {
        struct style style;
        TRY(find_style(t, order->template_id, &style));
        take_style(t, &style);
    }
    TRY(finished_avatars(t, field_get(t, "d.kinds"), &avatars, &count));
    take_avatar(t, avatar->id, avatar->name, (int64_t)count);
    order_begin_as(t, &flux_form, order);
    return funds_tell(t, order->errand.price_coins);
}

err *on_flux_again(struct turn *t)
{
    struct avatar avatar;
    err *e = find_finished(t, t->generation->avatar_id, &avatar);
    if (err_is_not_found(e))
        return offer_with_another(t);
    if (e)
        return e;
    struct generation order;
    bool is_offered;
    TRY(order_repeat(t, &flux_form, &order, &is_offered));
    if (is_offered)
        return NULL;
    if (funds_lack(t, order.errand.price_coins))
        return wait_for_coins(t, &avatar, &order);
    TRY(fill_ordered(t, &order, &avatar));
    return generation_order(t, &order);
}

/* ---------------------------------------------------------------- styles */

err *flux_begin_style(struct turn *t, const struct style *style, str place)
{
    dialog_enter(t, ST_flux_options);
    take_avatar(t, style->avatar_id, style->avatar_name, style->avatars);
    take_style(t, style);
    field_put(t, "d.place", place);
    order_begin(t, &flux_form, style_words(t->arena, style));
    int64_t price = order_form_price(t, &flux_form, 1);
    return funds_lack(t, price) ? funds_tell(t, price) : draw_flux_options(t);
}

int64_t flux_usual_price(const struct turn *t)
{
    return order_usual_price(t, &flux_form);
}

str flux_quick_words(struct turn *t, enum text text)
{
    return order_quick_words(t, &flux_form, text);
}

/* Two taps on one button are one order: its name follows from the button. */
err *flux_make_style(struct turn *t, const struct style *style)
{
    struct generation order;
    struct avatar avatar;
    TRY(find_finished(t, style->avatar_id, &avatar));
    order_as_usual(t, &flux_form, style_words(t->arena, style), &order);
    order.template_id = style->id;
    str button = str_printf(t->arena, STR_FMT " %" PRId64, STR_ARG(style->id),
                            t->update->message_id);
    bool is_open;
    TRY(generation_repeat_id(t->db, t->user->id, button, &order.errand.id, &is_open));
    if (is_open) {
        hint(t, T_order_is_running);
        return NULL;
    }
    TRY(fill_ordered(t, &order, &avatar));
    dialog_enter(t, ST_idle);
    return generation_order(t, &order);
}

/* ---------------------------------------------------------------- the same with changes */

/* Where its avatar is gone, the usual one takes its place; the screen names it. */
err *on_flux_edit(struct turn *t)
{
    TRY(order_edit(t, &flux_form, ST_flux_words));
    err *e = flux_take_avatar(t, t->generation->avatar_id);
    if (err_is_not_found(e))
        return flux_offer_avatar(t);
    if (e)
        return e;
    if (!str_eq(field_get(t, "d.avatar"), t->generation->avatar_id))
        hint(t, T_flux_avatar_gone);
    field_put_i64(t, "d.seed", t->generation->seed);
    return ask_words(t);
}

err *on_flux_seed(struct turn *t)
{
    if (str_empty(field_get(t, "d.seed")))
        return on_old_button(t);
    if (is_of_old_seed(t))
        field_put(t, "d.reseeds", S("1"));
    else
        field_drop(t, "d.reseeds");
    return draw_with_another(t);
}

/* ---------------------------------------------------------------- the present */

static enum text preview_words(const struct avatar *avatar)
{
    if (str_eq(avatar->training_type, S("style")))
        return T_preview_style;
    if (str_eq(avatar->training_type, S("object")))
        return T_preview_object;
    return str_eq(avatar->gender, S("female")) ? T_preview_woman : T_preview_man;
}

/* The user reads the words in his language; the model understands English best. */
err *flux_order_preview(struct db *db, struct arena *a, const struct conf *conf,
                        const struct avatar *avatar, int64_t chat_id, str language,
                        bool *is_ordered)
{
    struct generation order = {
        .errand = {.id = random_uuid(a),
                   .user_id = avatar->user_id,
                   .chat_id = chat_id,
                   .language = language},
        .generation_type = str_from(flux_form.generation_type),
        .words = text_plain(a, language_of(language), preview_words(avatar), KVS()),
        .quality = S("high"),
        .aspect_ratio = S("1:1"),
        .num_images = 1,
        .is_preview = true,
    };
    fill_order(&order, a, conf, avatar);
    str asked = text_plain(a, LANG_en, preview_words(avatar), KVS());
    order.final_prompt = prompt_with_trigger(a, avatar->trigger, asked);
    TRY(limits_give_preview(db, conf, avatar->user_id, order.errand.cost_microdollars, is_ordered));
    return *is_ordered ? generation_queue(db, a, &order) : NULL;
}
