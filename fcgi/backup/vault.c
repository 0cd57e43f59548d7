#include "backup/vault.h"

#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/s3.h"
#include "core/http.h"

enum { THING_MOST_BYTES = 1 << 30 };

struct vault {
    str folder;      /* empty: a bucket */
    struct stat own; /* of the folder, as it was found; st_mode 0 where there was none */
    struct s3 s3;
    str bucket;
};

err *vault_open(struct arena *a, const struct conf *conf, struct vault **out)
{
    struct vault *vault = NEW(a, struct vault);
    *out = vault;
    if (!str_empty(conf->backup_dir)) {
        vault->folder = conf->backup_dir;
        if (stat(cstr(a, vault->folder), &vault->own) < 0)
            vault->own.st_mode = 0;
        return NULL;
    }
    if (str_empty(conf->backup_endpoint))
        return fail(a, ERR_INPUT, "neither BACKUP_DIR nor BACKUP_ENDPOINT says where backups lie");
    vault->s3 = (struct s3){
        .endpoint = conf->backup_endpoint,
        .secure = conf->backup_secure,
        .region = conf->backup_region,
        .access_key = conf->backup_access_key,
        .secret_key = conf->backup_secret_key,
    };
    vault->bucket = conf->backup_bucket;
    http_allow(str_printf(a, "%s://" STR_FMT, conf->backup_secure ? "https" : "http",
                          STR_ARG(conf->backup_endpoint)));
    return s3_ensure_bucket(a, &vault->s3, vault->bucket);
}

str vault_name(const struct vault *vault)
{
    return str_empty(vault->folder) ? vault->s3.endpoint : vault->folder;
}

/* ---------------------------------------------------------------- a folder */

static const char *path_of(struct arena *a, const struct vault *vault, str name)
{
    return cstr(a, str_printf(a, STR_FMT "/" STR_FMT, STR_ARG(vault->folder), STR_ARG(name)));
}

static err *went_wrong(struct arena *a, const char *path)
{
    return fail(a, errno == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL, "%s: %s", path, strerror(errno));
}

/* What root saves by hand must be there to be read and forgotten for whoever saves every night: the
 * owner of the folder. */
static bool hand_over(const struct vault *vault, const char *path)
{
    return geteuid() != 0 || vault->own.st_mode == 0 ||
           lchown(path, vault->own.st_uid, vault->own.st_gid) == 0;
}

static err *make_folders(struct arena *a, const struct vault *vault, const char *path)
{
    char *copy = NEW_ARRAY(a, char, strlen(path) + 1);
    memcpy(copy, path, strlen(path));
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool is_new = mkdir(copy, 0700) == 0;
        if (is_new ? !hand_over(vault, copy) : errno != EEXIST)
            return went_wrong(a, copy);
        *slash = '/';
    }
    return NULL;
}

static bool write_whole(int fd, str bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno != EINTR)
            return false;
        bytes = str_sub(bytes, n > 0 ? (size_t)n : 0, bytes.len);
    }
    return fsync(fd) == 0;
}

static err *put_file(struct arena *a, const struct vault *vault, const char *path, str bytes)
{
    const char *beside = cstr(a, str_printf(a, "%s.new", path));
    TRY(make_folders(a, vault, path));
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return went_wrong(a, beside);
    bool is_written = write_whole(fd, bytes) && hand_over(vault, beside);
    err *e = is_written ? NULL : went_wrong(a, beside);
    close(fd);
    if (!e && rename(beside, path) < 0)
        e = went_wrong(a, path);
    if (e)
        unlink(beside);
    return e;
}

static err *get_file(struct arena *a, const char *path, str *bytes)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) < 0)
        return went_wrong(a, path);
    size_t size = (size_t)about.st_size, len = 0;
    char *into = NEW_ARRAY(a, char, size ? size : 1);
    ssize_t n = 1;
    while (len < size && (n = read(fd, into + len, size - len)) > 0)
        len += (size_t)n;
    close(fd);
    *bytes = (str){into, len};
    return len == size ? NULL : fail(a, ERR_INTERNAL, "%s: cannot be read", path);
}

static int by_name(const FTSENT **one, const FTSENT **other)
{
    return strcmp((*one)->fts_name, (*other)->fts_name);
}

static err *list_folder(struct arena *a, const struct vault *vault, str folder,
                        err *(*see)(void *owner, str name), void *owner)
{
    const char *path = path_of(a, vault, folder);
    char *const roots[] = {memcpy(NEW_ARRAY(a, char, strlen(path) + 1), path, strlen(path)), NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    if (!walk)
        return went_wrong(a, path);
    err *e = NULL;
    for (FTSENT *entry; !e && (entry = fts_read(walk));) {
        str name = str_sub(str_from(entry->fts_path), vault->folder.len + 1, SIZE_MAX);
        if (entry->fts_info == FTS_F && !str_ends(name, S(".new")))
            e = see(owner, name);
    }
    fts_close(walk);
    return e;
}

/* ---------------------------------------------------------------- a bucket */

static err *list_bucket(struct arena *a, const struct vault *vault, str folder,
                        err *(*see)(void *owner, str name), void *owner)
{
    str prefix = str_printf(a, STR_FMT "/", STR_ARG(folder)), after = S("");
    struct s3_entry *entries;
    size_t count;
    do {
        TRY(s3_list(a, &vault->s3, vault->bucket, prefix, after, &entries, &count));
        for (size_t i = 0; i < count; i++)
            TRY(see(owner, entries[i].key));
        if (count)
            after = entries[count - 1].key;
    } while (count);
    return NULL;
}

/* ---------------------------------------------------------------- either */

err *vault_put(struct arena *a, const struct vault *vault, str name, str bytes)
{
    if (str_empty(vault->folder))
        return s3_put(a, &vault->s3, vault->bucket, name, S("application/octet-stream"), bytes);
    return put_file(a, vault, path_of(a, vault, name), bytes);
}

err *vault_get(struct arena *a, const struct vault *vault, str name, str *bytes)
{
    struct s3_object object;
    if (!str_empty(vault->folder))
        return get_file(a, path_of(a, vault, name), bytes);
    TRY(s3_get(a, &vault->s3, vault->bucket, name, THING_MOST_BYTES, &object));
    *bytes = object.bytes;
    return NULL;
}

err *vault_delete(struct arena *a, const struct vault *vault, str name)
{
    if (str_empty(vault->folder))
        return s3_delete(a, &vault->s3, vault->bucket, name);
    const char *path = path_of(a, vault, name);
    return unlink(path) < 0 && errno != ENOENT ? went_wrong(a, path) : NULL;
}

err *vault_list(struct arena *a, const struct vault *vault, str folder,
                err *(*see)(void *owner, str name), void *owner)
{
    return str_empty(vault->folder) ? list_bucket(a, vault, folder, see, owner)
                                    : list_folder(a, vault, folder, see, owner);
}
