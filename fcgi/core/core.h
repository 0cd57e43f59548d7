/*
 * core.h - included first by every file of the project.
 *
 * Brings the few headers that everything needs and makes the C functions that
 * lose track of lengths or of errors fail to compile.
 */
#pragma once

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(array)                 (sizeof(array) / sizeof(array)[0])
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define MUST_USE                         __attribute__((warn_unused_result))
#define NEVER_NULL                       __attribute__((returns_nonnull))

#pragma GCC poison strcpy strcat strncpy strncat stpcpy sprintf vsprintf strtok strtok_r
#pragma GCC poison atoi atol atoll atof gets
