/*
 * decoder.h - what aisha-photo and aisha-sound have in common: each process
 * takes one request about a file of a stranger, answers, and ends.
 *
 * They are two programs because each library brings a hundred others into its
 * process, and a photo should not wait for those of recordings.
 *
 * Descriptor 0 is a listening unix socket (spawn-fcgi and multiwatch keep some
 * processes waiting at it) or the connection itself (systemd, Accept=yes). A
 * request is a line of JSON and as many bytes as it says, and so is the answer;
 * a file may come as a descriptor beside the line. The line is read before the
 * cage is closed: it is our own worker's. The client is api/media.h, where the
 * words are explained.
 *
 *     {"bytes":0,"error":"too_many_bytes"}        a request that breaks this contract
 *
 * No setting is read and the environment should be empty: there is nothing here
 * worth stealing.
 *
 *     aisha-photo --try NAME
 *
 * closes the cage and tries what it forbids; see trial.h.
 */
#pragma once
#include "core/json.h"
#include "media/cage.h"

struct decoder_task {
    str name;
    err *(*run)(struct arena *a, struct json_object *request);
};

struct decoder {
    bool (*begin)(void); /* makes the library ready, while files can still be read */
    const struct cage_limits *cage;
    const struct decoder_task *tasks;
    size_t task_count;
};

/* The whole program. */
int decoder_main(const struct decoder *d, int argc, char **argv);

/* -- for tasks -- */

/* What follows the line of the request. Its size is believed only after it was compared. */
err *decoder_bytes(struct arena *a, struct json_object *request, str *out) MUST_USE;
void decoder_answer(struct arena *a, str line, str bytes);
