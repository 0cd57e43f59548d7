/*
 * states.h - where a dialog can be. The rows that lead in and out stand in
 * routes.c; `make dialog.dot` draws them.
 */
#pragma once

#define STATES(X)                                                                                  \
    X(idle)                                                                                        \
    X(create)                                                                                      \
    X(imagen_words)                                                                                \
    X(imagen_options)                                                                              \
    X(flux_words)                                                                                  \
    X(flux_options)                                                                                \
    X(style)                                                                                       \
    X(sample)                                                                                      \
    X(avatar_type)                                                                                 \
    X(avatar_gender)                                                                               \
    X(avatar_name)                                                                                 \
    X(avatar_rename)                                                                               \
    X(avatar_photos)                                                                               \
    X(training)                                                                                    \
    X(promo_code)                                                                                  \
    X(filter_typed)                                                                                \
    X(filter_words)                                                                                \
    X(gallery_number)                                                                              \
    X(deleteme)                                                                                    \
    X(transcript_rename)                                                                           \
    X(history_search)

/* ST_stay, in a row of routes.c: the state is not changed. */
#define STATE_ENUM(name) ST_##name,
enum state { ST_stay, STATES(STATE_ENUM) STATE_COUNT };
#undef STATE_ENUM
