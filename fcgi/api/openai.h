/*
 * openai.h - speech into text, and texts and pictures into texts.
 *
 * Only this module knows the addresses, fields and limits of OpenAI's
 * interface; any service that speaks like it will do, its address is a setting.
 *
 *     struct openai_transcript heard;
 *     TRY(openai_transcribe(a, &bot->openai,
 *                           &(struct openai_recording){.model = conf->whisper_model,
 *                                                      .file_name = S("piece.ogg"),
 *                                                      .bytes = piece,
 *                                                      .language = S("ru")},
 *                           &heard));
 *
 *     const struct openai_message messages[] = {{OPENAI_SYSTEM, instruction}, {OPENAI_USER, words}};
 *     TRY(openai_chat(a, &bot->openai,
 *                     &(struct openai_chat){.model = conf->openai_chat_model,
 *                                           .messages = messages,
 *                                           .message_count = ARRAY_LEN(messages),
 *                                           .max_tokens = 600},
 *                     &reply));
 *
 * Time: a transcription 300 s, a chat 60 s or what the caller says. Size: answers 4 MiB.
 * Retry: nothing is repeated in here. There is no idempotency key, so whatever is
 * asked again may be paid for again; no work is lost or done twice by it. An
 * error's message begins with "openai:" and names the request as OpenAI knows it.
 * What the kinds mean, and what openai_trouble() makes of them:
 *   ERR_UNREACHABLE  nothing was sent                                   OPENAI_LATER
 *   ERR_UNKNOWN      no answer came                                     OPENAI_LATER
 *   ERR_BUSY         408, 409, 429 of a rate, 5xx; retry_ms when told   OPENAI_LATER
 *   ERR_REFUSED      400, 413, 415, 422, or the model would not answer:
 *                    the same again ends the same                       OPENAI_REFUSED
 *   ERR_UPSTREAM     401, 403, 404: a setting is wrong                  OPENAI_ACCESS
 *                    402, or 429 of an account without credit: waiting
 *                    is no use until somebody has paid                  OPENAI_QUOTA
 *                    an answer against the contract                     OPENAI_BROKEN
 *   ERR_INPUT        an answer too large, a recording that nobody takes OPENAI_BROKEN
 */
#pragma once
#include "core/json.h"

struct openai {
    str key;      /* empty: nothing of this is to be offered */
    str base_url; /* with its version, without a slash at the end */
};

/* -- what went wrong -- */

enum openai_trouble {
    OPENAI_LATER,   /* the same may do well in a while */
    OPENAI_REFUSED, /* these words, this recording: never */
    OPENAI_ACCESS,  /* our key or the name of a model is wrong: tell the operator */
    OPENAI_QUOTA,   /* the account there is empty: tell the operator */
    OPENAI_BROKEN,  /* nothing that can be used came back, or ever will */
};
/* For errors of this module's functions; for those of others it is as good as its kind. */
enum openai_trouble openai_trouble(const err *e);

/* -- speech -- */

enum { OPENAI_RECORDING_MOST_BYTES = 25 << 20 };

struct openai_recording {
    str model;
    str file_name; /* its ending tells the format: flac mp3 mp4 mpeg mpga m4a ogg wav webm */
    str bytes;     /* at most OPENAI_RECORDING_MOST_BYTES */
    str language;  /* ISO 639-1; empty: it finds out */
    str prompt;    /* what was said before, or names to be spelt so; may be empty */
};

struct openai_segment {
    int64_t start_ms, end_ms; /* within the recording, never turned round, never before the last */
    str text;                 /* trimmed, not empty */
    double no_speech;         /* 0 to 1: how likely it is that nobody spoke at all */
    double log_probability;   /* mean over its words; below -1 it is a guess */
};

struct openai_transcript {
    str text;            /* trimmed; empty when nobody spoke */
    str language;        /* as the other side names it, "russian" or "ru"; empty when it does not */
    int64_t duration_ms; /* as the other side heard it; 0 when it does not tell */
    const struct openai_segment *segments; /* none from models that give no times */
    size_t segment_count;
    int64_t billed_seconds;              /* 0 when it counts in tokens */
    int64_t input_tokens, output_tokens; /* 0 when it counts in seconds */
    str request_id;
};
err *openai_transcribe(struct arena *a, const struct openai *openai,
                       const struct openai_recording *recording, struct openai_transcript *out);
/* Whether a model tells when what was said: only the whisper family does. */
bool openai_model_gives_times(str model);

/* -- chat -- */

enum openai_role { OPENAI_SYSTEM, OPENAI_USER, OPENAI_ASSISTANT };

struct openai_message {
    enum openai_role role;
    str text;
};

struct openai_picture {
    str bytes;          /* JPEG, PNG, WebP or a GIF that stands still; empty: no picture */
    str content_type;   /* image/jpeg … */
    const char *detail; /* "low", "high" or "auto"; NULL: auto */
};

struct openai_chat {
    str model;
    const struct openai_message *messages;
    size_t message_count;
    struct openai_picture
        picture;          /* goes with the last message, which is the user's then, with words
                                    * or without */
    int64_t max_tokens;   /* of the reply; required */
    bool wants_json;      /* one object; a message has to speak of JSON */
    bool has_temperature; /* left out where the model takes none */
    double temperature;
    int64_t timeout_ms; /* 0: 60 s */
};

struct openai_reply {
    str text;                                 /* trimmed, never empty */
    bool is_cut;                              /* max_tokens ended it: a part, and no JSON */
    int64_t prompt_tokens, completion_tokens; /* 0 when it does not tell */
    str request_id;
};
err *openai_chat(struct arena *a, const struct openai *openai, const struct openai_chat *ask,
                 struct openai_reply *out);
