/*
 * charset.h - texts whose writer did not say how.
 */
#pragma once
#include "core/str.h"

/* As UTF-8, without a byte order mark and with plain line ends: what comes as UTF-8, as UTF-16 either way
 * round, with a mark or without one, or else in the Cyrillic code page 1251. False when it is no text. */
bool charset_to_utf8(struct arena *a, str bytes, str *out);
