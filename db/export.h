/*
 * export.h - everything that is kept of a person, on its way to them.
 *
 * An export is a list of files, made when it is asked for: the rows of each
 * table as JSON, and every object. It is packed in parts. `packed` files are
 * in a part, and packed_bytes of the next one, when that is larger than a part.
 */
#pragma once
#include "db/db.h"

struct export
{
    str id;
    int64_t user_id, chat_id;
    str language;
    bool is_open;
    int files, packed, parts;
    int64_t packed_bytes;
};

/* When the next one can be asked for; 0: now. */
err *export_again(struct db *db, int64_t user_id, int64_t *again_at_ms);
/* again_at_ms: 0 when it was begun. Its first step is queued with it. */
err *export_begin(struct db *db, int64_t user_id, str id, int64_t chat_id, str language,
                  int64_t *again_at_ms);
/* ERR_NOT_FOUND when there is none. */
err *export_find(struct db *db, struct arena *a, str id, struct export *out);
/* The same, and holds the row until the end of the transaction. */
err *export_lock(struct db *db, struct arena *a, str id, struct export *out);

struct export_file {
    str name;   /* in the archive */
    str bucket; /* empty: source is a table */
    str source;
};
/* Up to limit files behind the first `after`. */
err *export_files(struct db *db, struct arena *a, str id, int after, int limit,
                  struct export_file **files, size_t *count);
/* The rows of a table that are about the person: JSON. */
err *export_table(struct db *db, int64_t user_id, str table, str *json);

struct export_part {
    int number;
    str bucket, object_key;
    bool is_last;
};
/* With the part that has just been packed goes how far that is. */
err *export_packed(struct db *db, str id, const struct export_part *part, int packed,
                   int64_t packed_bytes);
/* ERR_NOT_FOUND when it was sent. */
err *export_part_find(struct db *db, struct arena *a, str id, int number, struct export_part *out);
err *export_sent(struct db *db, str id, int number);
/* state: "done" or "failed"; ended: false when it had been before. */
err *export_end(struct db *db, str id, const char *state, bool *ended);
