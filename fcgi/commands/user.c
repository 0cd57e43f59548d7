/* aisha user: who the people are, and locking one out. */
#include "commands/commands.h"

#include "core/json.h"
#include "core/numbers.h"
#include "db/queries.h"
#include "db/user.h"

enum { FOUND_SHOWN = 50, FOUND_MOST = 1000 };

/* ---------------------------------------------------------------- find */

static void print_found(struct cli *cli, const struct rows *rows)
{
    printf("%-14s %-24s %-20s %-16s %s\n", "Telegram id", "name", "username", "since (UTC)", "");
    for (int row = 0; row < rows->count; row++) {
        str name = str_printf(cli->arena, STR_FMT " " STR_FMT,
                              STR_ARG(rows_str(rows, row, "first_name")),
                              STR_ARG(rows_str(rows, row, "last_name")));
        printf("%-14" PRId64 " %-24.*s %-20.*s %-16.*s %s%s\n", rows_i64(rows, row, "telegram_id"),
               STR_ARG(str_trim(name)), STR_ARG(rows_str(rows, row, "username")),
               STR_ARG(number_time(cli->arena, rows_i64(rows, row, "created_at_ms"))),
               rows_bool(rows, row, "is_blocked") ? "blocked " : "",
               rows_bool(rows, row, "is_unreachable") ? "has stopped the bot" : "");
    }
}

err *cli_user_find(struct cli *cli)
{
    struct rows rows;
    int64_t limit;
    TRY(cli_read_number(cli, "--limit", 1, FOUND_MOST, FOUND_SHOWN, &limit));
    TRY(cli_advise_db(cli, user_find(cli_open_db(cli), cli->arguments[0], limit, &rows)));
    if (cli->wants_json)
        print_json_line(rows_json(cli->arena, &rows).text);
    else if (rows.count)
        print_found(cli, &rows);
    else
        printf("Nobody is called like that.\n");
    return NULL;
}

/* ---------------------------------------------------------------- show */

static err *find_person(struct cli *cli, struct db *db, struct user *out)
{
    int64_t telegram_id = 0;
    TRY(cli_read_telegram_id(cli, cli->arguments[0], &telegram_id));
    err *e = user_find_by_telegram(db, cli->arena, telegram_id, out);
    if (err_is_not_found(e))
        cli->advice = S("`aisha user find` looks for people by their names.");
    return cli_advise_db(cli, e);
}

static void print_person_json(struct cli *cli, const struct user *person, const struct rows *counts)
{
    const struct user_settings *s = &person->settings;
    str settings = json_make(cli->arena, KV("default_aspect_ratio", s->default_aspect_ratio),
                             KV("default_image_count", s->default_image_count),
                             KV("default_quality", s->default_quality),
                             KV("quick_mode", s->is_quick), KV("enhances", s->enhances),
                             KV("shows_details", s->shows_details));
    print_json_line(json_make(
        cli->arena, KV("telegram_id", person->telegram_id), KV("id", person->id),
        KV("first_name", person->first_name), KV("last_name", person->last_name),
        KV("username", person->username), KV("language", person->language),
        KV("timezone", person->timezone), KV("is_premium", person->is_premium),
        KV("is_blocked", person->is_blocked), KV("is_unreachable", person->is_unreachable),
        KV("created_at_ms", person->created_at_ms), KV("balance", person->balance),
        KV("held", person->held), KV("settings", JSON(settings)),
        KV("counts", row_json(cli->arena, counts, 0))));
}

static void print_person(struct cli *cli, const struct user *person, const struct rows *counts)
{
    printf("Telegram id   %" PRId64 ", here %" PRId64 "\n"
           "name          %.*s %.*s%s%.*s\n"
           "since         %.*s UTC\n"
           "speaks        %.*s, %.*s\n"
           "coins         %" PRId64 ", %" PRId64 " more are held\n"
           "state         %s%s\n",
           person->telegram_id, person->id, STR_ARG(person->first_name), STR_ARG(person->last_name),
           str_empty(person->username) ? "" : " @", STR_ARG(person->username),
           STR_ARG(number_time(cli->arena, person->created_at_ms)), STR_ARG(person->language),
           STR_ARG(person->timezone), person->balance, person->held,
           person->is_blocked ? "blocked by an admin" : "welcome",
           person->is_unreachable ? ", has stopped the bot" : "");
    for (int column = 0; column < PQnfields(counts->result); column++)
        printf("%-13s %s\n", PQfname(counts->result, column),
               PQgetvalue(counts->result, 0, column));
}

err *cli_user_show(struct cli *cli)
{
    struct db *db = cli_open_db(cli);
    struct user person = {0};
    struct rows counts;
    TRY(find_person(cli, db, &person));
    TRY(cli_advise_db(cli, db_query(db, &Q_user_work_counts, &counts, V(person.id))));
    if (cli->wants_json)
        print_person_json(cli, &person, &counts);
    else
        print_person(cli, &person, &counts);
    return NULL;
}

/* ---------------------------------------------------------------- block */

static err *write_blocked(struct cli *cli, struct db *db, int64_t user_id, bool is_blocked,
                          bool *changed)
{
    TRY(user_set_blocked(db, user_id, is_blocked, changed));
    if (*changed)
        TRY(cli_write_audit(cli, db, is_blocked ? "user.block" : "user.unblock", "user", user_id,
                            S("{}")));
    return db_commit(db);
}

static err *set_blocked(struct cli *cli, bool is_blocked)
{
    struct db *db = cli_open_db(cli);
    struct user person = {0};
    bool changed = false;
    TRY(find_person(cli, db, &person));
    err *e = write_blocked(cli, db, person.id, is_blocked, &changed);
    if (e)
        db_rollback(db);
    TRY(cli_advise_db(cli, e));
    cli_forget_cached(cli, person.telegram_id);
    if (cli->wants_json)
        print_json_line(json_make(cli->arena, KV("telegram_id", person.telegram_id),
                                  KV("is_blocked", is_blocked), KV("changed", changed)));
    else
        printf("%.*s (%" PRId64 ") %s%s.\n", STR_ARG(person.first_name), person.telegram_id,
               changed ? "is " : "was already ", is_blocked ? "blocked" : "not blocked");
    return NULL;
}

err *cli_user_block(struct cli *cli)
{
    return set_blocked(cli, true);
}

err *cli_user_unblock(struct cli *cli)
{
    return set_blocked(cli, false);
}
