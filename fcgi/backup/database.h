/*
 * database.h - PostgreSQL into a vault, and back out of it.
 *
 * pg_dump and the digests of all tables are of one snapshot, so what comes back
 * can be compared with what went in, row for row, however busy the database
 * was. The tools get the address through libpq's variables: an argument could
 * be read by everybody. Blocks the loop; for the command line alone.
 */
#pragma once
#include "backup/manifest.h"
#include "backup/vault.h"

struct database;

/* Connects. One database may be saved by one at a time: ERR_BUSY while another does. */
err *database_open(struct arena *a, str url, struct database **out);
void database_close(struct database *database);

/* Fills in the parts and tables of the manifest, whose stamp names them. */
err *database_save(struct database *database, struct arena *a, const struct vault *vault,
                   struct manifest *manifest);

/* A new empty database on the same server; gone with database_drop(). */
err *database_make_scratch(struct database *database, struct arena *a, str *name);
err *database_drop(struct database *database, struct arena *a, str name);

/* Whether there is nobody in it whom a restore would overwrite. */
err *database_is_free(struct database *database, struct arena *a, bool *is_free);
/* Takes out of the database what would be in the way. */
err *database_clear(struct database *database, struct arena *a);
/* Puts the saved database into another one of the server, whole or not at all; name empty: into the
 * one that is open. */
err *database_load(struct database *database, struct arena *a, const struct vault *vault,
                   const struct manifest *manifest, str name);
/* ERR_CONFLICT names the first table that is not what was saved. */
err *database_compare(struct database *database, struct arena *a, const struct manifest *manifest,
                      str name);
