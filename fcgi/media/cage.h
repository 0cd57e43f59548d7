/*
 * cage.h - what a process gives up before it looks at a stranger's file.
 *
 * In two steps, because some things can be given up only by a process of one
 * thread, and others are still needed to get ready and to take a connection:
 *
 *     cage_enter();                     // first of all in main()
 *     ...libraries get ready, a connection is taken...
 *     TRY(cage_close(a, connection, file, &cage_of_photos)); // from here on: read, count, write
 *
 * Afterwards the connection is descriptor 0, a file that came with it CAGE_FILE, and the process
 *   - has no other descriptor and can get none: no files, no sockets;
 *   - cannot start a program or a process, only threads;
 *   - cannot make memory executable, and has at most CAGE_MEMORY_BYTES of it;
 *   - ends after so many seconds of work or of time.
 * Where it may, it also has a network of its own with nothing in it, and is
 * nobody instead of root.
 *
 * With a sanitizer in the program the limit of memory does not hold (a
 * sanitizer reserves terabytes), and stderr stays open for what it finds.
 */
#pragma once
#include "core/err.h"

enum {
    /* The dearest file within the limits, 40 megapixels of four channels of two bytes that must
     * be decoded as a whole, needs 320 MB for them. */
    CAGE_MEMORY_BYTES = 640 << 20,
    CAGE_FILE = 3,
};

/* Less time than who calls is willing to wait: he is told by the end of the line. */
struct cage_limits {
    unsigned cpu_seconds, seconds;
};
extern const struct cage_limits cage_of_photos; /* that dearest file takes 5 s */
extern const struct cage_limits cage_of_sounds; /* a recording of hours */

void cage_enter(void);
/* file: a descriptor that came with the request; -1: none. */
err *cage_close(struct arena *a, int connection, int file,
                const struct cage_limits *limits) MUST_USE;
