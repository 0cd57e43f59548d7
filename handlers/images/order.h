/*
 * order.h - what the dialogs that order images share: a screen of options
 * below the words, the button that spends, and the order once more.
 *
 * What differs stands in a table, struct order_form, one for each kind of
 * image. The answers so far are fields of the dialog: "d.order" is the name
 * that the order will have, "d.words", "d.ratio", "d.count", and the field
 * that the form names for its row of qualities. Each button of the screen
 * carries the name of its order, the one that spends its price as well: other
 * words make another order, and an old keyboard must not choose for it, let
 * alone pay.
 *
 *     order_begin(t, &form, words);
 *     order_choices(t, &form);
 *     order_make_button(t, &form);
 *     …
 *     if (!order_read(t, &form, &order))
 *         return order_made(t);
 *     return generation_order(t, &order);
 */
#pragma once
#include "db/generation.h"
#include "handlers/turn.h"

/* One of the row of qualities. */
struct order_quality {
    const char *name;
    enum text label;
};

enum { ORDER_IMAGES_MAX = 4, ORDER_RATIOS = 5 };
extern const char *const order_ratios[ORDER_RATIOS];
/* The one of them that is nearest to a picture of this size. */
str order_nearest_ratio(int width, int height);

struct order_form {
    const char *generation_type;
    const char *ratio_tap, *count_tap, *quality_tap, *make_tap;
    const char *quality_field;
    const struct order_quality *qualities;
    size_t quality_count;
    const char *usual_quality; /* in place of one that the row does not have */
    handler *draw;             /* the screen of options, after a choice */
};

/* What so many images of this kind cost today. */
int64_t order_form_price(const struct turn *t, const struct order_form *form, int64_t images);
/* Sets the price of an errand aside under its key; what costs nothing has no hold. Without the coins it
 * ends as funds_refuse() does. */
err *order_hold(struct turn *t, str key, const struct errand *errand, str reason);

/* -- the dialog -- */

/* New words: an order with a name of its own. What was chosen in this dialog stays chosen, the rest are
 * the user's usual choices. */
void order_begin(struct turn *t, const struct order_form *form, str words);
/* Something that stands on no button has changed: keyboards drawn before are void. */
void order_rename(struct turn *t);
/* As much of the words as the screen of options shows. */
str order_shown_words(const struct turn *t);
/* Three rows of t->keyboard: shape, number, quality. */
void order_choices(struct turn *t, const struct order_form *form);
/* A row with the price; and the same with the way out below it. */
void order_price_row(struct turn *t, const struct order_form *form);
void order_make_button(struct turn *t, const struct order_form *form);
/* A row: back to the image that is to be changed, where there is one, and the menu. */
void order_way_out(struct turn *t);

/* What an order with the user's usual choices costs. */
int64_t order_usual_price(const struct turn *t, const struct order_form *form);
/* Quick mode: what such an order is and costs, as a paragraph of its own; empty in the usual mode. The
 * text says how it is made. */
str order_quick_words(struct turn *t, const struct order_form *form, enum text text);
/* For the screen that asks for words: the same, but with what was chosen in this dialog, and a promise that
 * words alone will make it. */
str order_quick_offer(struct turn *t, const struct order_form *form);
/* These words as such an order, all but its model, owner and chat. */
void order_as_usual(const struct turn *t, const struct order_form *form, str words,
                    struct generation *order);
/* What was promised; false where no price was, it has changed, or is not there: then the options
 * are asked for. */
bool order_quick(struct turn *t, const struct order_form *form, str words,
                 struct generation *order);

/* What is done by those taps. */
err *order_choose_ratio(struct turn *t, const struct order_form *form);
err *order_choose_count(struct turn *t, const struct order_form *form);
err *order_choose_quality(struct turn *t, const struct order_form *form);

/* The tapped order, all but its model, owner and chat. False when the button is of another one or was
 * drawn at another price: then order_made() answers. */
bool order_read(struct turn *t, const struct order_form *form, struct generation *order);
/* The button that spends, after it was tapped: says what became of its order. */
err *order_made(struct turn *t);

/* -- once more -- */

/* A button that repeats an order, for `count` images of it; says what that costs today. */
void again_button(struct keyboard *k, const struct conf *conf, str generation_type,
                  str generation_id, int count);
/* A dialog with the words and choices of an earlier order, to be looked at before it is paid. */
void order_begin_as(struct turn *t, const struct order_form *form,
                    const struct generation *earlier);
/* t->generation as the tapped button repeats it: number, price and a name of its own. is_offered: its
 * price has changed, nothing is spent and the button was drawn anew. Refuses while the last repeat
 * from this button is at work. ERR_NOT_FOUND when it is of another kind. */
err *order_repeat(struct turn *t, const struct order_form *form, struct generation *order,
                  bool *is_offered);

/* -- the same with changes -- */

/* A button that asks for other words and keeps the rest of an order, with `count` images of it. */
void edit_button(struct keyboard *k, str generation_type, str generation_id, int count);
/* Begins that dialog with t->generation, below its image. ERR_NOT_FOUND when it is of another kind. */
err *order_edit(struct turn *t, const struct order_form *form, enum state words_state);
bool order_is_edited(const struct turn *t);
/* Its question, with the words as they were. avatar_name may be empty. */
err *order_ask_edit(struct turn *t, const struct order_form *form, str avatar_name);
/* Takes the question away; the image is above it. */
err *on_order_drop(struct turn *t);
