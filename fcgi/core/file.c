#include "core/file.h"

err *file_read(struct arena *a, const char *path, size_t most_bytes, str *out)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return fail(a, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    char *text = NEW_ARRAY(a, char, most_bytes + 1);
    size_t length = fread(text, 1, most_bytes + 1, file);
    bool has_failed = ferror(file);
    fclose(file);
    if (has_failed)
        return fail(a, ERR_INPUT, "%s: cannot be read", path);
    if (length > most_bytes)
        return fail(a, ERR_INPUT, "%s: is longer than %zu bytes", path, most_bytes);
    if (memchr(text, '\0', length))
        return fail(a, ERR_INPUT, "%s: is no text", path);
    *out = (str){text, length};
    return NULL;
}
