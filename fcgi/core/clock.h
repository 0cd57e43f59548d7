/*
 * clock.h - the time, and chance. Both can be replaced in tests.
 */
#pragma once
#include "core/str.h"

int64_t clock_ms(void);         /* Unix time, milliseconds */
int64_t clock_steady_ms(void);  /* never jumps; for waiting */
int64_t clock_steady_us(void);  /* the same clock, for measuring */
void clock_set_ms(int64_t now); /* tests: stands still until set again; 0 gives it back */

/* Cryptographic randomness from getrandom(2). */
void random_bytes(void *out, size_t len);
uint64_t random_below(uint64_t limit);
str random_hex(struct arena *a, size_t bytes);
str random_uuid(struct arena *a);          /* version 4, lower case */
void random_seed_for_tests(uint64_t seed); /* tests: reproducible from here on; 0 gives it back */
