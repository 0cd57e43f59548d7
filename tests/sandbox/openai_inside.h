/*
 * openai_inside.h - what the parts of the sandbox's OpenAI share.
 *
 *   openai.c         the door: key, faults, what is written down of each call
 *   openai_speech.c  POST v1/audio/transcriptions
 *   openai_chat.c    POST v1/chat/completions
 *   openai_words.c   what a chat says: made of nothing but what was sent
 *   hearing.c        what is said in a recording
 *
 * A call goes through its checks, does its work, and leaves a row in openai_calls
 * with what was asked and what was answered, for tests to look at.
 */
#pragma once
#include "tests/sandbox/sandbox.h"

struct openai_call {
    struct request *r;
    struct arena *arena;
    const char *kind; /* "transcriptions", "chat" */
    str model;        /* as far as it is known */
    str asked;        /* what was sent, as JSON: files and pictures by their hash */
    int64_t heard_ms; /* of a recording that was worked on, and is paid for */

    int status; /* of the answer: 0 until there is one */
    str body;
};

/* An answer in OpenAI's shape. The words are a format, param and code may be NULL. */
void openai_refuse(struct openai_call *c, int status, const char *param, const char *code,
                   const char *format, ...) PRINTF_LIKE(5, 6);
/* The model of that name, or a refusal. */
bool openai_model_is_known(struct openai_call *c, const char *const *models, size_t count);
/* "openai.<name>:<kind>" goes before "openai.<name>"; counts down. */
bool openai_fault(struct openai_call *c, const char *name, struct json_object **value);

void openai_answer_speech(struct openai_call *c);
void openai_answer_chat(struct openai_call *c);

/* -- what is said -- */

struct openai_thought {
    str instruction; /* of the system, all of it */
    str text;        /* the last thing the user said */
    str picture;     /* bytes; empty without one */
    bool wants_json;
};
str openai_think(struct arena *a, const struct openai_thought *thought);

/* -- what is heard -- */

struct heard_segment {
    int64_t start_ms, end_ms;
    str words; /* planted ones, in their order, with a blank between; empty: a sound */
};
struct heard {
    int64_t length_ms;
    const struct heard_segment *segments;
    size_t count;
};
enum hearing { HEARD, HEARD_NOTHING_OF_IT, HEARD_TOO_LONG };
enum { HEARING_MOST_MS = 3600 * 1000 };
/* Waits while the recording is decoded by a process of its own. */
enum hearing hear(struct arena *a, str bytes, struct heard *out);
