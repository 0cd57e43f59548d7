/*
 * cage.h - what a process gives up before it looks at a stranger's file.
 *
 * In two steps, because some things can be given up only by a process of one
 * thread, and others are still needed to get ready and to take a connection:
 *
 *     cage_enter();                     // first of all in main()
 *     ...libraries get ready, a connection is taken...
 *     TRY(cage_close(a, connection));   // from here on: read, count, write
 *
 * Afterwards the connection is descriptor 0, and the process
 *   - has no other descriptor and can get none: no files, no sockets;
 *   - cannot start a program or a process, only threads;
 *   - cannot make memory executable, and has at most CAGE_MEMORY_BYTES of it;
 *   - ends after CAGE_CPU_SECONDS of work or CAGE_SECONDS of time.
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
    CAGE_CPU_SECONDS = 15, /* the same file takes 5 */
    CAGE_SECONDS = 50, /* less than MEDIA_DEADLINE_MS: who calls is told by the end of the line */
};

void cage_enter(void);
err *cage_close(struct arena *a, int connection) MUST_USE;
