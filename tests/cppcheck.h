/*
 * cppcheck.h - read first by cppcheck, whose parser knows neither _Generic nor __VA_OPT__.
 *
 * To it a typed value is just a value; the compilers check the types.
 */
#pragma once
#include "core/val.h"

#undef V
#undef KV
#undef KVS
#define V(value)        ((void)(value), (struct val){0})
#define KV(name, value) ((void)(value), (struct kv){0})
#define KVS(...)        ((const struct kv[]){__VA_ARGS__})
