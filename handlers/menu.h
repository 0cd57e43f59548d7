/*
 * menu.h - inline keyboards.
 *
 *     keyboard_row(k);
 *     keyboard_button(k, T_button_gallery, S("gallery:open"), KV("n", count));
 *
 * A tap is `feature:action` or `feature:action:argument`, at most 64 bytes; its
 * first two parts are a row of routes.c.
 */
#pragma once
#include "core/json.h"
#include "handlers/texts.h"

struct keyboard {
    struct arena *arena;
    enum language language;
    struct buf rows; /* JSON of the rows so far, without the outer brackets */
    bool has_row;    /* a row is open */
    bool has_button; /* and something stands in it */
};

struct keyboard keyboard_new(struct arena *a, enum language language);
void keyboard_row(struct keyboard *k);
#define keyboard_button(k, label, tap, ...) keyboard_add((k), (label), (tap), KVS(__VA_ARGS__))
void keyboard_add(struct keyboard *k, enum text label, str tap, const struct kv *values);
void keyboard_link(struct keyboard *k, enum text label, str url);
/* A row with the way back to the menu. */
void keyboard_menu_row(struct keyboard *k);
/* A tap with its argument. */
str tap_for(struct arena *a, const char *name, str argument);
/* {"inline_keyboard":[…]}; empty when there is no button. */
str keyboard_json(struct keyboard *k);
