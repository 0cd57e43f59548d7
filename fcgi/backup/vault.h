/*
 * vault.h - where backups lie: a folder, or a bucket of another S3 server.
 *
 * Both keep things under the same names, so a folder that is copied into a
 * bucket is the same vault. A thing that was put is whole: a folder writes
 * beside and then renames. For tasks of the loop.
 *
 *     TRY(vault_open(a, conf, &vault));
 *     TRY(vault_put(a, vault, S("manifests/20261121T031700Z"), bytes));
 */
#pragma once
#include "core/conf.h"

struct vault;

/* ERR_INPUT when no setting says where. */
err *vault_open(struct arena *a, const struct conf *conf, struct vault **out);
/* As operators read it. */
str vault_name(const struct vault *vault);

err *vault_put(struct arena *a, const struct vault *vault, str name, str bytes);
/* ERR_NOT_FOUND when there is no such thing. */
err *vault_get(struct arena *a, const struct vault *vault, str name, str *bytes);
/* Success also when there was no such thing. */
err *vault_delete(struct arena *a, const struct vault *vault, str name);
/* Calls see(owner, name) for each name below a folder ("objects"), in the order of their bytes. */
err *vault_list(struct arena *a, const struct vault *vault, str folder,
                err *(*see)(void *owner, str name), void *owner);
