/* aisha job: what waits, what runs, and what has died. */
#include "commands/commands.h"

#include "core/json.h"
#include "core/numbers.h"
#include "db/job.h"
#include "db/queries.h"

enum { SHOWN = 50, SHOWN_MOST = 10000 };

/* ---------------------------------------------------------------- ls */

static err *read_state(struct cli *cli, str *out)
{
    static const char *const states[] = {"queued", "running", "done", "dead", "cancelled"};
    *out = cli_option(cli, "--state");
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (str_is(*out, states[i]))
            return NULL;
    if (!cli_has(cli, "--state"))
        return NULL;
    return fail(cli->arena, ERR_INPUT,
                "--state \"" STR_FMT "\" is not queued, running, done, dead or cancelled",
                STR_ARG(*out));
}

static void print_jobs(struct cli *cli, const struct rows *rows)
{
    printf("%-10s %-8s %-22s %-9s %-10s %4s %5s  %-16s %s\n", "job", "lane", "kind", "state",
           "user", "runs", "fails", "due (UTC)", "last error");
    for (int row = 0; row < rows->count; row++)
        printf("%-10" PRId64 " %-8.*s %-22.*s %-9.*s %-10.*s %4" PRId64 " %5" PRId64
               "  %-16.*s %.*s\n",
               rows_i64(rows, row, "id"), STR_ARG(rows_str(rows, row, "lane")),
               STR_ARG(rows_str(rows, row, "kind")), STR_ARG(rows_str(rows, row, "state")),
               STR_ARG(rows_str(rows, row, "user_id")), rows_i64(rows, row, "attempt"),
               rows_i64(rows, row, "failures"),
               STR_ARG(number_time(cli->arena, rows_i64(rows, row, "run_at_ms"))),
               STR_ARG(rows_str(rows, row, "last_error")));
}

err *cli_job_list(struct cli *cli)
{
    struct rows rows;
    str state = S("");
    int64_t limit;
    TRY(read_state(cli, &state));
    TRY(cli_read_number(cli, "--limit", 1, SHOWN_MOST, SHOWN, &limit));
    TRY(cli_advise_db(cli, db_query(cli_open_db(cli), &Q_job_list, &rows, V(state),
                                    V(cli_option(cli, "--lane")), V(limit))));
    if (cli->wants_json)
        print_json_line(rows_json(cli->arena, &rows).text);
    else if (rows.count)
        print_jobs(cli, &rows);
    else
        printf("There is no such job.\n");
    return NULL;
}

/* ---------------------------------------------------------------- show */

static err *read_number(struct cli *cli, int64_t *job_id)
{
    if (str_to_i64(cli->arguments[0], job_id) && *job_id > 0)
        return NULL;
    cli->advice = S("`aisha job ls` prints their numbers.");
    return fail(cli->arena, ERR_INPUT, "\"" STR_FMT "\" is no number of a job",
                STR_ARG(cli->arguments[0]));
}

static void print_job(struct cli *cli, const struct rows *rows)
{
    for (int column = 0; column < PQnfields(rows->result); column++) {
        const char *name = PQfname(rows->result, column);
        str shown = rows_str(rows, 0, name), title = str_from(name);
        if (str_empty(shown))
            continue;
        if (str_ends(title, S("_ms"))) {
            title = str_sub(title, 0, title.len - 3);
            shown = str_printf(cli->arena, STR_FMT " UTC",
                               STR_ARG(number_time(cli->arena, rows_i64(rows, 0, name))));
        }
        printf("%-14.*s " STR_FMT "\n", STR_ARG(title), STR_ARG(shown));
    }
}

static err *find_job(struct cli *cli, struct db *db, int64_t job_id, struct rows *out)
{
    TRY(cli_advise_db(cli, db_query(db, &Q_job_read, out, V(job_id))));
    if (out->count)
        return NULL;
    cli->advice = S(
        "Those that are done are forgotten after a week. `aisha job ls` prints the rest.");
    return fail(cli->arena, ERR_NOT_FOUND, "there is no job %" PRId64, job_id);
}

err *cli_job_show(struct cli *cli)
{
    struct rows rows;
    int64_t job_id = 0;
    TRY(read_number(cli, &job_id));
    TRY(find_job(cli, cli_open_db(cli), job_id, &rows));
    if (cli->wants_json)
        print_json_line(row_json(cli->arena, &rows, 0).text);
    else
        print_job(cli, &rows);
    return NULL;
}

/* ---------------------------------------------------------------- retry, giveup */

struct change {
    const char *action;
    err *(*make)(struct db *db, int64_t job_id, bool *done);
    const char *of_dead, *of_waiting; /* what is said of it */
};

static err *write_change(struct cli *cli, struct db *db, const struct change *change,
                         int64_t job_id, str was, bool *done)
{
    TRY(change->make(db, job_id, done));
    if (*done)
        TRY(cli_write_audit(cli, db, change->action, "job", job_id,
                            json_make(cli->arena, KV("was", was))));
    return db_commit(db);
}

static err *make_change(struct cli *cli, const struct change *change)
{
    struct rows rows;
    int64_t job_id = 0;
    bool done = false;
    TRY(read_number(cli, &job_id));
    struct db *db = cli_open_db(cli);
    TRY(find_job(cli, db, job_id, &rows));
    str was = rows_str(&rows, 0, "state");
    err *e = write_change(cli, db, change, job_id, was, &done);
    if (e)
        db_rollback(db);
    TRY(cli_advise_db(cli, e));
    if (!done) {
        cli->advice = S("Only what waits or is dead can be changed. Nothing was done.");
        return fail(cli->arena, ERR_CONFLICT, "job %" PRId64 " is " STR_FMT, job_id, STR_ARG(was));
    }
    if (cli->wants_json)
        print_json_line(json_make(cli->arena, KV("id", job_id), KV("was", was)));
    else
        printf("Job %" PRId64 " %s.\n", job_id,
               str_is(was, "dead") ? change->of_dead : change->of_waiting);
    return NULL;
}

err *cli_job_retry(struct cli *cli)
{
    static const struct change retry = {
        "job.retry", job_retry, "was dead, and is queued again as if it were new", "is due now"};
    return make_change(cli, &retry);
}

err *cli_job_give_up(struct cli *cli)
{
    static const struct change give_up = {
        "job.giveup", job_give_up, "was dead, with its coins given back; it is off the list",
        "will be buried by the next free worker, which gives its coins back and tells the user"};
    return make_change(cli, &give_up);
}
