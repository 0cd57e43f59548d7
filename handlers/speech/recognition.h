/*
 * recognition.h - from a file at Telegram to words, step by step.
 *
 *     speech_probe    fetches it and measures it; what is short is free, else a price is told
 *     speech_split    fetches it again and cuts it; each piece becomes an object
 *     speech_piece    has one piece recognised; a few of one recording at a time
 *     speech_join     puts them together, takes the coins for what was recognised
 *     speech_text     fetches a text and keeps it as it is
 *
 * Nothing of the recording is kept but its pieces while they wait: each step
 * fetches what it needs anew, and can be run again after whatever stopped it.
 */
#pragma once
#include "handlers/work.h"

enum { PIECES_AT_ONCE = 3 }; /* so that a long recording leaves room for short ones */

err *job_speech_probe(struct work *w);
err *give_up_speech_probe(struct work *w);
err *job_speech_split(struct work *w);
err *give_up_speech_split(struct work *w);
err *job_speech_piece(struct work *w);
err *give_up_speech_piece(struct work *w);
err *job_speech_join(struct work *w);
err *give_up_speech_join(struct work *w);
err *job_speech_text(struct work *w);
