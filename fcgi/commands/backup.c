/* aisha backup, aisha restore: PostgreSQL and every object, into a vault and back. */
#include "commands/commands.h"

#include <time.h>

#include "api/s3.h"
#include "backup/database.h"
#include "backup/manifest.h"
#include "backup/vault.h"
#include "core/clock.h"
#include "core/http.h"
#include "core/json.h"
#include "core/loop.h"
#include "core/numbers.h"
#include "core/version.h"

enum {
    OBJECT_MOST_BYTES = 1 << 30,
    STAMP_BYTES = sizeof "20261121T031700Z",
    TRIES = 4,
    TRY_AGAIN_MS = 2000,
};

/* Of address space; what is used of it is what there is to keep in mind. */
static const size_t MEMORY_BYTES = (size_t)4 << 30;

/* What both commands work with. */
struct keeping {
    struct cli *cli;
    struct arena *arena;   /* as long as the command */
    struct arena *passing; /* emptied after each object */
    struct vault *vault;
    struct s3 store;
    str buckets[3];
    struct database *database;
    struct manifest manifest;
    int64_t copied_count, copied_bytes, forgotten_count;
};

static str stamp_of(struct arena *a, int64_t ms)
{
    char text[STAMP_BYTES];
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &tm);
    return str_dup(a, str_from(text));
}

static err *open_keeping(struct cli *cli, struct keeping *k)
{
    const struct conf *conf = &cli->conf;
    *k = (struct keeping){
        .cli = cli,
        .arena = arena_new(MEMORY_BYTES),
        .passing = arena_new(MEMORY_BYTES),
        .store = {.endpoint = conf->minio_endpoint,
                  .secure = conf->minio_secure,
                  .region = conf->minio_region,
                  .access_key = conf->minio_access_key,
                  .secret_key = conf->minio_secret_key},
        .buckets = {conf->minio_bucket_images, conf->minio_bucket_avatars,
                  conf->minio_bucket_transcripts},
    };
    http_init(conf->ca_file, 0);
    http_allow(str_printf(k->arena, "%s://" STR_FMT, conf->minio_secure ? "https" : "http",
                          STR_ARG(conf->minio_endpoint)));
    cli->advice = S("BACKUP_DIR names a folder, or BACKUP_ENDPOINT another S3 server.");
    TRY(vault_open(k->arena, conf, &k->vault));
    cli->advice = S("Does PostgreSQL run, and may the role of DATABASE_URL read everything?");
    TRY(database_open(k->arena, conf->database_url, &k->database));
    cli->advice = S("");
    return NULL;
}

/* The error outlives the arenas that it may stand in. */
static err *close_keeping(struct keeping *k, const err *e)
{
    struct arena *a = k->cli->arena;
    err *kept = e ? fail_with(a, e->kind, e->code, str_dup(a, e->detail), STR_FMT,
                              STR_ARG(e->message))
                  : NULL;
    if (k->database)
        database_close(k->database);
    arena_free(k->passing);
    arena_free(k->arena);
    return kept;
}

/* ---------------------------------------------------------------- manifests in the vault */

static const char manifests_folder[] = "manifests";

struct names {
    struct arena *arena;
    str *items;
    size_t count, room;
};

static err *add_name(void *owner, str name)
{
    struct names *names = owner;
    if (names->count == names->room) {
        names->room = names->room ? 2 * names->room : 64;
        str *wider = NEW_ARRAY(names->arena, str, names->room);
        if (names->count)
            memcpy(wider, names->items, names->count * sizeof *wider);
        names->items = wider;
    }
    names->items[names->count++] = str_dup(names->arena, name);
    return NULL;
}

static int by_bytes(const void *one, const void *other)
{
    const str *x = one, *y = other;
    size_t least = x->len < y->len ? x->len : y->len;
    int order = least ? memcmp(x->ptr, y->ptr, least) : 0;
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static void sort_names(struct names *names)
{
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, by_bytes);
}

static bool has_name(const struct names *names, str name)
{
    return names->count && bsearch(&name, names->items, names->count, sizeof name, by_bytes);
}

static str stamp_in(str name)
{
    str folder, rest, stamp, behind;
    str_cut(name, '/', &folder, &rest);
    str_cut(rest, '/', &stamp, &behind);
    return stamp;
}

/* Oldest first, as their names are their times. */
static err *list_backups(struct keeping *k, struct names *out)
{
    *out = (struct names){.arena = k->arena};
    err *e = vault_list(k->arena, k->vault, str_from(manifests_folder), add_name, out);
    sort_names(out);
    return err_is_not_found(e) ? NULL : e;
}

static err *read_manifest(struct keeping *k, struct arena *a, str stamp, struct manifest *out)
{
    str text = S("");
    str name = str_printf(a, "%s/" STR_FMT, manifests_folder, STR_ARG(stamp));
    err *e = vault_get(a, k->vault, name, &text);
    if (err_is_not_found(e)) {
        k->cli->advice = S("`aisha backup ls` prints what there is.");
        return fail(a, ERR_NOT_FOUND, "there is no backup " STR_FMT, STR_ARG(stamp));
    }
    TRY(e);
    return manifest_read(a, text, out);
}

/* ---------------------------------------------------------------- objects into the vault */

/* A store may be busy for a moment; a night's work need not end with that. */
static err *get_object(struct keeping *k, str bucket, str key, struct s3_object *out)
{
    for (int tries = 1;; tries++) {
        err *e = s3_get(k->passing, &k->store, bucket, key, OBJECT_MOST_BYTES, out);
        if (!e || !err_is_waiting(e) || tries == TRIES)
            return e;
        task_sleep_ms(TRY_AGAIN_MS);
    }
}

static struct saved_object *add_object(struct keeping *k)
{
    struct manifest *m = &k->manifest;
    if ((m->object_count & (m->object_count - 1)) == 0) { /* a power of two is full */
        struct saved_object *wider = NEW_ARRAY(k->arena, struct saved_object,
                                               m->object_count ? 2 * m->object_count : 1);
        if (m->object_count)
            memcpy(wider, m->objects, m->object_count * sizeof *wider);
        m->objects = wider;
    }
    return &m->objects[m->object_count++];
}

/* What went away since the list was made belongs to nobody any more. */
static err *copy_object(struct keeping *k, str bucket, const struct s3_entry *entry)
{
    struct s3_object object;
    err *e = get_object(k, bucket, entry->key, &object);
    if (err_is_not_found(e))
        return NULL;
    TRY(e);
    str sha256 = s3_sha256(k->passing, object.bytes);
    TRY(vault_put(k->passing, k->vault, manifest_object_name(k->passing, sha256), object.bytes));
    *add_object(k) = (struct saved_object){
        .bucket = bucket,
        .key = str_dup(k->arena, entry->key),
        .etag = str_dup(k->arena, entry->etag),
        .content_type = str_dup(k->arena, object.content_type),
        .sha256 = str_dup(k->arena, sha256),
        .bytes = (int64_t)object.bytes.len,
    };
    k->copied_count++;
    k->copied_bytes += (int64_t)object.bytes.len;
    return NULL;
}

static err *save_object(struct keeping *k, const struct manifest *before, str bucket,
                        const struct s3_entry *entry)
{
    const struct saved_object *known = manifest_find(before, bucket, entry->key);
    if (known && !str_empty(entry->etag) && str_eq(known->etag, entry->etag) &&
        known->bytes == entry->size_bytes) {
        *add_object(k) = *known;
        return NULL;
    }
    err *e = copy_object(k, bucket, entry);
    if (e)
        e = fail_with(k->arena, e->kind, e->code, str_dup(k->arena, e->detail), STR_FMT,
                      STR_ARG(e->message));
    arena_reset(k->passing);
    return e;
}

/* A bucket that was never used is not there yet. */
static err *save_bucket(struct keeping *k, const struct manifest *before, str bucket)
{
    struct arena *page = arena_new(MEMORY_BYTES);
    struct s3_entry *entries;
    size_t count = 0;
    str after = S("");
    err *e;
    do {
        e = s3_list(page, &k->store, bucket, S(""), after, &entries, &count);
        for (size_t i = 0; !e && i < count; i++)
            e = save_object(k, before, bucket, &entries[i]);
        after = !e && count ? str_dup(k->arena, entries[count - 1].key) : S("");
        if (e && e->kind != ERR_NOT_FOUND)
            e = fail_with(k->arena, e->kind, e->code, str_dup(k->arena, e->detail), STR_FMT,
                          STR_ARG(e->message));
        else if (e)
            e = NULL, count = 0;
        arena_reset(page);
    } while (!e && count);
    arena_free(page);
    return e;
}

static err *save_objects(struct keeping *k, const struct manifest *before)
{
    if (str_empty(k->store.endpoint))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(k->buckets); i++) {
        bool is_done = false;
        for (size_t j = 0; j < i; j++)
            is_done = is_done || str_eq(k->buckets[j], k->buckets[i]);
        if (!is_done)
            TRY(save_bucket(k, before, k->buckets[i]));
    }
    manifest_sort(&k->manifest);
    return NULL;
}

/* ---------------------------------------------------------------- forgetting old ones */

/* Everything that a backup which stays needs. */
static err *gather_needed(struct keeping *k, const struct names *backups, struct names *needed)
{
    struct arena *a = arena_new(MEMORY_BYTES);
    err *e = NULL;
    for (size_t i = 0; !e && i < backups->count; i++) {
        struct manifest m = {0};
        e = read_manifest(k, a, stamp_in(backups->items[i]), &m);
        for (size_t j = 0; !e && j < m.part_count; j++)
            add_name(needed, m.parts[j].name);
        for (size_t j = 0; !e && j < m.object_count; j++)
            add_name(needed, manifest_object_name(a, m.objects[j].sha256));
        if (e)
            e = fail(k->arena, e->kind, "backup " STR_FMT ": " STR_FMT,
                     STR_ARG(stamp_in(backups->items[i])), STR_ARG(e->message));
        arena_reset(a);
    }
    arena_free(a);
    sort_names(needed);
    return e;
}

struct sweep {
    struct keeping *k;
    const struct names *needed;
    struct names useless;
};

static err *look_at(void *owner, str name)
{
    struct sweep *sweep = owner;
    return has_name(sweep->needed, name) ? NULL : add_name(&sweep->useless, name);
}

static err *delete_useless(struct keeping *k, const struct names *needed, const char *folder)
{
    struct sweep sweep = {k, needed, {.arena = k->arena}};
    err *e = vault_list(k->arena, k->vault, str_from(folder), look_at, &sweep);
    if (e)
        return err_is_not_found(e) ? NULL : e;
    for (size_t i = 0; i < sweep.useless.count; i++)
        TRY(vault_delete(k->arena, k->vault, sweep.useless.items[i]));
    return NULL;
}

/* First the manifests, then what none of those that are left needs: cut off in between, the next
 * night goes on from there. */
static err *forget_old(struct keeping *k)
{
    struct names backups, needed = {.arena = k->arena};
    int64_t keep_ms = k->cli->conf.backup_keep_days * 24 * 3600 * 1000;
    str oldest = stamp_of(k->arena, clock_ms() - keep_ms);
    TRY(list_backups(k, &backups));
    while (backups.count > 1) {
        str stamp = stamp_in(backups.items[0]);
        if (by_bytes(&stamp, &oldest) >= 0)
            break;
        TRY(vault_delete(k->arena, k->vault, backups.items[0]));
        backups.items++;
        backups.count--;
        k->forgotten_count++;
    }
    TRY(gather_needed(k, &backups, &needed));
    TRY(delete_useless(k, &needed, "database"));
    return delete_useless(k, &needed, "objects");
}

/* ---------------------------------------------------------------- backup */

static int64_t bytes_of(const struct manifest *m)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < m->object_count; i++)
        bytes += m->objects[i].bytes;
    return bytes;
}

static int64_t rows_of(const struct manifest *m)
{
    int64_t rows = 0;
    for (size_t i = 0; i < m->table_count; i++)
        rows += m->tables[i].rows;
    return rows;
}

/* The database first: an object that it knows is then there, one that is too new does no harm. */
static err *save_all(struct keeping *k)
{
    struct names backups;
    struct manifest before = {0};
    struct arena *a = k->arena;
    k->manifest.stamp = stamp_of(a, clock_ms());
    k->manifest.release = S(AISHA_VERSION);
    TRY(list_backups(k, &backups));
    if (backups.count)
        TRY(read_manifest(k, a, stamp_in(backups.items[backups.count - 1]), &before));
    TRY(database_save(k->database, a, k->vault, &k->manifest));
    TRY(save_objects(k, &before));
    TRY(vault_put(a, k->vault,
                  str_printf(a, "%s/" STR_FMT, manifests_folder, STR_ARG(k->manifest.stamp)),
                  manifest_text(a, &k->manifest)));
    return forget_old(k);
}

static void print_saved(const struct keeping *k)
{
    const struct manifest *m = &k->manifest;
    struct arena *a = k->cli->arena;
    if (k->cli->wants_json)
        print_json_line(json_make(
            a, KV("backup", m->stamp), KV("place", vault_name(k->vault)),
            KV("tables", m->table_count), KV("rows", rows_of(m)), KV("objects", m->object_count),
            KV("bytes", bytes_of(m)), KV("copied", k->copied_count),
            KV("copied_bytes", k->copied_bytes), KV("forgotten", k->forgotten_count)));
    else
        printf("Backup " STR_FMT " in " STR_FMT ": %" PRId64
               " rows of %zu tables, %zu objects of " STR_FMT ", of which %" PRId64 " (" STR_FMT
               ") are new. Forgotten: %" PRId64 " backups.\n",
               STR_ARG(m->stamp), STR_ARG(vault_name(k->vault)), rows_of(m), m->table_count,
               m->object_count, STR_ARG(number_size(a, bytes_of(m))), k->copied_count,
               STR_ARG(number_size(a, k->copied_bytes)), k->forgotten_count);
}

err *cli_backup(struct cli *cli)
{
    struct keeping k;
    const err *e = open_keeping(cli, &k);
    if (!e)
        e = save_all(&k);
    if (!e)
        print_saved(&k);
    return close_keeping(&k, e);
}

static err *print_backups(struct keeping *k)
{
    struct names backups;
    TRY(list_backups(k, &backups));
    struct buf b = buf_new(k->arena);
    buf_add_char(&b, '[');
    for (size_t i = 0; i < backups.count; i++) {
        struct manifest m = {0};
        TRY(read_manifest(k, k->arena, stamp_in(backups.items[i]), &m));
        buf_add(&b, i ? S(",") : S(""));
        json_put_object(&b, KVS(KV("backup", m.stamp), KV("release", m.release),
                                KV("rows", rows_of(&m)), KV("objects", m.object_count),
                                KV("bytes", bytes_of(&m))));
        if (!k->cli->wants_json)
            printf("%-18.*s %12" PRId64 " rows %8zu objects %10.*s  by %.*s\n", STR_ARG(m.stamp),
                   rows_of(&m), m.object_count, STR_ARG(number_size(k->arena, bytes_of(&m))),
                   STR_ARG(m.release));
    }
    buf_add_char(&b, ']');
    if (k->cli->wants_json)
        print_json_line(buf_str(&b));
    else if (!backups.count)
        printf("There is no backup in " STR_FMT ".\n", STR_ARG(vault_name(k->vault)));
    return NULL;
}

err *cli_backup_list(struct cli *cli)
{
    struct keeping k;
    const err *e = open_keeping(cli, &k);
    return close_keeping(&k, e ? e : print_backups(&k));
}

/* ---------------------------------------------------------------- restore */

static err *choose_backup(struct keeping *k)
{
    struct names backups;
    str wanted = cli_option(k->cli, "--backup");
    if (str_empty(wanted)) {
        TRY(list_backups(k, &backups));
        if (!backups.count)
            return fail(k->arena, ERR_NOT_FOUND, "there is no backup in " STR_FMT,
                        STR_ARG(vault_name(k->vault)));
        wanted = stamp_in(backups.items[backups.count - 1]);
    }
    return read_manifest(k, k->arena, wanted, &k->manifest);
}

/* Each saved object is read back and compared; with `puts` it also goes where it was. */
static err *bring_object(struct keeping *k, const struct saved_object *object, bool puts)
{
    str bytes = S("");
    struct arena *a = k->passing;
    TRY(vault_get(a, k->vault, manifest_object_name(a, object->sha256), &bytes));
    if (!str_eq(s3_sha256(a, bytes), object->sha256))
        return fail(a, ERR_CONFLICT, "object " STR_FMT "/" STR_FMT " is not what was saved",
                    STR_ARG(object->bucket), STR_ARG(object->key));
    return puts ? s3_put(a, &k->store, object->bucket, object->key, object->content_type, bytes)
                : NULL;
}

static err *bring_objects(struct keeping *k, bool puts)
{
    str ensured = S("");
    for (size_t i = 0; i < k->manifest.object_count; i++) {
        const struct saved_object *object = &k->manifest.objects[i];
        if (puts && !str_eq(ensured, object->bucket)) {
            TRY(s3_ensure_bucket(k->arena, &k->store, object->bucket));
            ensured = object->bucket;
        }
        const err *e = bring_object(k, object, puts);
        if (e)
            return fail_with(k->arena, e->kind, e->code, str_dup(k->arena, e->detail), STR_FMT,
                             STR_ARG(e->message));
        arena_reset(k->passing);
    }
    return NULL;
}

/* Into a database that is made for it and gone afterwards, whatever became of it. */
static err *verify_database(struct keeping *k)
{
    str name = S("");
    k->cli->advice = S("DATABASE_URL must name a role that may make databases, as a superuser.");
    TRY(database_make_scratch(k->database, k->arena, &name));
    k->cli->advice = S("");
    err *e = database_load(k->database, k->arena, k->vault, &k->manifest, name);
    if (!e)
        e = database_compare(k->database, k->arena, &k->manifest, name);
    err *dropped = database_drop(k->database, k->arena, name);
    return e ? e : dropped;
}

static err *restore_database(struct keeping *k)
{
    bool is_free = false;
    TRY(database_is_free(k->database, k->arena, &is_free));
    if (!is_free && !cli_has(k->cli, "--force")) {
        k->cli->advice = S("--force throws away what is there. --verify changes nothing.");
        return fail(k->arena, ERR_CONFLICT, "there are people in the database of DATABASE_URL");
    }
    k->cli->advice = S("DATABASE_URL must name a superuser, and the roles must exist: see "
                       "`aisha db migrate`.");
    TRY(database_clear(k->database, k->arena));
    TRY(database_load(k->database, k->arena, k->vault, &k->manifest, S("")));
    k->cli->advice = S("");
    return database_compare(k->database, k->arena, &k->manifest, S(""));
}

static err *bring_back(struct keeping *k, bool verifies)
{
    TRY(choose_backup(k));
    TRY(verifies ? verify_database(k) : restore_database(k));
    return bring_objects(k, !verifies);
}

static void print_brought(const struct keeping *k, bool verifies)
{
    const struct manifest *m = &k->manifest;
    struct arena *a = k->cli->arena;
    if (k->cli->wants_json)
        print_json_line(json_make(a, KV("backup", m->stamp), KV("verified_only", verifies),
                                  KV("tables", m->table_count), KV("rows", rows_of(m)),
                                  KV("objects", m->object_count), KV("bytes", bytes_of(m))));
    else
        printf("Backup " STR_FMT " of release " STR_FMT " %s: %" PRId64 " rows of %zu tables and "
               "%zu objects of " STR_FMT " are what was saved.\n",
               STR_ARG(m->stamp), STR_ARG(m->release), verifies ? "can be restored" : "is restored",
               rows_of(m), m->table_count, m->object_count, STR_ARG(number_size(a, bytes_of(m))));
}

err *cli_restore(struct cli *cli)
{
    struct keeping k;
    bool verifies = cli_has(cli, "--verify");
    const err *e = open_keeping(cli, &k);
    if (!e)
        e = bring_back(&k, verifies);
    if (!e)
        print_brought(&k, verifies);
    return close_keeping(&k, e);
}
