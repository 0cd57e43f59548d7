/*
 * outbox.h - making one call of a chat, by the rules of slots.
 *
 * A slot is a name for a message whose id is not known when the call is
 * written: `send` keeps the id that came back. A call with a message_id of its
 * own binds the slot to that message; one without edits the message of the
 * slot, or becomes a new one when there is none. After one that deletes it the
 * slot is empty, and the next call makes a message anew; after a call that closes
 * the slot, later ones are swallowed. Slots live in Redis; a wiped one costs a new
 * message instead of an edit.
 *
 * A call of a job leaves what came of it in Redis, because the job's own note
 * of it comes later and in another store: when PostgreSQL or the process dies
 * in between, the repeated job is given the result and the chat no second
 * message. So a job cannot make the same call twice within that hour.
 *
 * Used by the send lane for queued calls and by deliver jobs, which run at
 * their place in the chat's stream.
 */
#pragma once
#include "db/session.h"
#include "handlers/bot.h"

struct outbox_call {
    int64_t chat_id;
    str call; /* {"method":…}, see db/session.h */
    str slot; /* empty: none */
    bool closes;
    int64_t job_id;                    /* that makes this call; 0: none */
    const struct telegram_file *files; /* see api/telegram.h; may be NULL */
    int64_t below_message_id; /* of the user's: where the slot's stands above it, it comes anew */
};

/* result may be NULL; it is NULL when the call was swallowed or changed nothing.
 * What Telegram refuses for good because the message or chat is gone is success
 * where nothing more can be done; the user is marked when he is out of reach,
 * and the error is then ERR_NOT_FOUND. Else the errors of telegram_call(); a file
 * that Telegram does not know any more is forgotten, and a call that no job makes
 * is queued as one that uploads it. Whoever calls commits. */
err *outbox_make(const struct bot *bot, struct db *db, struct arena *a,
                 const struct outbox_call *call, struct json_object **result);
