/* aisha styles: the file of styles, and what is loaded of it. */
#include "commands/commands.h"

#include "core/file.h"
#include "core/json.h"
#include "db/catalogue.h"
#include "db/queries.h"

/* ---------------------------------------------------------------- the file */

static err *find_file(struct cli *cli, const char **path)
{
    str folder = S("");
    if (cli->argument_count) {
        *path = cstr(cli->arena, cli->arguments[0]);
        return NULL;
    }
    TRY(find_db_folder(cli->arena, &folder));
    *path = cstr(cli->arena, str_printf(cli->arena, STR_FMT "/styles.ini", STR_ARG(folder)));
    return NULL;
}

static err *read_file(struct cli *cli, const char **path, struct catalogue *out)
{
    str text = S("");
    TRY(find_file(cli, path));
    TRY(file_read(cli->arena, *path, CATALOGUE_MOST_BYTES, &text));
    return catalogue_read(cli->arena, *path, text, out);
}

static str numbers_words(struct arena *a, const struct catalogue *c)
{
    return str_printf(a, "%zu templates in %zu subcategories of %zu categories", c->templates.count,
                      c->subcategories.count, c->categories.count);
}

/* The mistakes stand on stderr as a compiler would print them, each with its place. */
err *cli_styles_check(struct cli *cli)
{
    struct catalogue catalogue = {0};
    const char *path = "";
    const err *e = read_file(cli, &path, &catalogue);
    str mistakes = e ? e->message : S("");
    cli->exit_status = e ? EXIT_FAILURE : EXIT_SUCCESS;
    if (cli->wants_json)
        print_mistakes_json(cli->arena, mistakes);
    else if (e)
        fprintf(stderr, STR_FMT "\n", STR_ARG(mistakes));
    else
        printf("%s is in order: " STR_FMT ".\n", path,
               STR_ARG(numbers_words(cli->arena, &catalogue)));
    return NULL;
}

/* ---------------------------------------------------------------- loading */

static err *load(struct cli *cli, struct db *db, const struct catalogue *catalogue,
                 struct catalogue_changes *out)
{
    TRY(catalogue_load(db, cli->arena, catalogue, out));
    if (out->added || out->changed || out->retired || out->removed) {
        str details = json_make(cli->arena, KV("added", out->added), KV("changed", out->changed),
                                KV("retired", out->retired), KV("removed", out->removed));
        TRY(db_query(db, &Q_admin_audit_add, NULL, V(0), V("styles.load"), V("styles"),
                     V(details)));
    }
    return db_commit(db);
}

err *cli_styles_load(struct cli *cli)
{
    struct catalogue catalogue = {0};
    struct catalogue_changes changes = {0};
    const char *path = "";
    cli->advice = S("Nothing was done.");
    TRY(read_file(cli, &path, &catalogue));
    cli->advice = S("");
    struct db *db = cli_open_db(cli);
    err *e = load(cli, db, &catalogue, &changes);
    if (e) {
        db_rollback(db);
        return cli_advise_db(cli, e);
    }
    if (cli->wants_json)
        print_json_line(json_make(cli->arena, KV("added", changes.added),
                                  KV("changed", changes.changed),
                                  KV("unchanged", changes.unchanged),
                                  KV("retired", changes.retired), KV("removed", changes.removed)));
    else
        printf("Loaded " STR_FMT ": %d new, %d changed, %d as before; %d retired, %d removed.\n",
               STR_ARG(numbers_words(cli->arena, &catalogue)), changes.added, changes.changed,
               changes.unchanged, changes.retired, changes.removed);
    return NULL;
}

/* ---------------------------------------------------------------- what is loaded */

static void print_lines(const struct catalogue_line *lines, size_t count)
{
    if (!count) {
        printf("There are no styles. `aisha styles load` loads those of this release.\n");
        return;
    }
    printf("%-52s %8s %10s  %s\n", "template", "drawn", "favourites", "title");
    for (size_t i = 0; i < count; i++) {
        const struct catalogue_line *line = &lines[i];
        char name[96];
        snprintf(name, sizeof name, STR_FMT "/" STR_FMT,
                 STR_ARG(line->is_retired ? S("(retired)") : line->place), STR_ARG(line->id));
        printf("%-52s %8" PRId64 " %10" PRId64 "  " STR_FMT "\n", name, line->popularity,
               line->favorites, STR_ARG(line->title_en));
    }
}

static void print_lines_json(struct arena *a, const struct catalogue_line *lines, size_t count)
{
    struct buf b = buf_new(a);
    buf_add_char(&b, '[');
    for (size_t i = 0; i < count; i++) {
        buf_add(&b, i ? S(",") : S(""));
        json_put_object(
            &b, KVS(KV("id", lines[i].id), KV("place", lines[i].place),
                    KV("title_ru", lines[i].title_ru), KV("title_en", lines[i].title_en),
                    KV("popularity", lines[i].popularity), KV("favorites", lines[i].favorites),
                    KV("retired", lines[i].is_retired)));
    }
    buf_add_char(&b, ']');
    print_json_line(buf_str(&b));
}

err *cli_styles_list(struct cli *cli)
{
    struct catalogue_line *lines;
    size_t count;
    TRY(cli_advise_db(cli, catalogue_list(cli_open_db(cli), cli->arena, &lines, &count)));
    if (cli->wants_json)
        print_lines_json(cli->arena, lines, count);
    else
        print_lines(lines, count);
    return NULL;
}
