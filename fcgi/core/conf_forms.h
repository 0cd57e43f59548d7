/*
 * conf_forms.h - the forms that a setting's value can have: how each is read
 * into its field of struct conf, printed, and described to who got it wrong.
 * For conf.c alone.
 */
#pragma once
#include "core/conf.h"

enum form {
    FORM_TEXT,
    FORM_SWITCH,
    FORM_NUMBER,
    FORM_COINS,
    FORM_DOLLARS,
    FORM_BYTES,
    FORM_SECONDS,
    FORM_IDS,
    FORM_HOSTS,
    FORM_CHOICE,
    FORM_URL,
    FORM_POSTGRES,
    FORM_REDIS,
    FORM_ENDPOINT,
    FORM_BUCKET,
    FORM_FILE,
    FORM_BOT_TOKEN,
    FORM_HEADER_SECRETS,
    FORM_PACKAGES,
    FORM_COUNT
};

enum { REQUIRED = 1, SECRET = 2 };

struct setting {
    const char *name, *alias;
    enum form form;
    size_t field;
    const char *fallback; /* written as in the environment; NULL: none */
    unsigned flags;
    int64_t least, most; /* of a number; of a text, its length in bytes */
    const char *choices;
    const char *help;
};

/* False when the value does not fit. */
bool form_read(struct arena *a, const struct setting *row, str value, void *field);
void form_print(struct buf *b, const struct setting *row, const void *field);
/* "expected a whole number from 1 to 65535" */
void form_add_expected(struct buf *b, const struct setting *row);
