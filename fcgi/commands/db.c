/* aisha db: what sqitch says of the schema, and what the tables say of themselves. */
#include "commands/commands.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/json.h"
#include "core/numbers.h"
#include "db/job.h"
#include "db/queries.h"

/* ---------------------------------------------------------------- sqitch */

err *find_db_folder(struct arena *a, str *out)
{
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    str folder = {program, length > 0 ? (size_t)length : 0};
    while (folder.len > 1) {
        while (folder.len && folder.ptr[folder.len - 1] != '/')
            folder.len--;
        folder.len -= folder.len > 0;
        str plan = str_printf(a, STR_FMT "/db/sqitch.plan", STR_ARG(folder));
        if (access(cstr(a, plan), R_OK) == 0) {
            *out = str_printf(a, STR_FMT "/db", STR_ARG(folder));
            return NULL;
        }
    }
    return fail(a, ERR_NOT_FOUND, "no db/sqitch.plan in any folder above the program");
}

/* sqitch's own address knows less than libpq's, so the parts travel in libpq's variables. */
static err *say_where(struct cli *cli, str *target)
{
    struct arena *a = cli->arena;
    PQconninfoOption *options = PQconninfoParse(cstr(a, cli->conf.database_url), NULL);
    if (!options)
        return fail(a, ERR_INPUT, "DATABASE_URL is no address of a PostgreSQL database");
    *target = S("db:pg:");
    for (const PQconninfoOption *option = options; option->keyword; option++) {
        if (!option->val || !*option->val)
            continue;
        if (option->envvar)
            setenv(option->envvar, option->val, 1);
        if (strcmp(option->keyword, "dbname") == 0)
            *target = str_printf(a, "db:pg:" STR_FMT,
                                 STR_ARG(str_percent(a, str_from(option->val), false)));
    }
    PQconninfoFree(options);
    return NULL;
}

/* posix_spawnp() wants words that it could change, and changes none. */
static char *word(struct arena *a, str s)
{
    char *copy = NEW_ARRAY(a, char, s.len + 1);
    memcpy(copy, s.ptr, s.len);
    return copy;
}

static err *run_sqitch(struct cli *cli, const char *what, const char *how)
{
    struct arena *a = cli->arena;
    str folder = S(""), target = S("");
    TRY(find_db_folder(a, &folder));
    TRY(say_where(cli, &target));
    setenv("SQITCH_CONFIG", cstr(a, str_printf(a, STR_FMT "/sqitch.conf", STR_ARG(folder))), 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("SQITCH_FULLNAME", "Aisha", 0); /* who is written down beside each migration */
    setenv("SQITCH_EMAIL", "aisha@localhost", 0);

    char *words[] = {word(a, S("sqitch")),
                     word(a, S("--chdir")),
                     word(a, folder),
                     word(a, str_from(what)),
                     word(a, target),
                     how ? word(a, str_from(how)) : NULL,
                     NULL};
    pid_t child;
    int failure = posix_spawnp(&child, words[0], NULL, NULL, words, environ);
    if (failure) {
        cli->advice = S("It comes with Debian's package sqitch.");
        return fail(a, ERR_INTERNAL, "sqitch could not be started: %s", strerror(failure));
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    cli->advice = S("Does PostgreSQL run, and does the role of DATABASE_URL own the schema?");
    return fail(a, ERR_UPSTREAM, "sqitch %s did not succeed", what);
}

/* What sqitch keeps in the database is read by `db status`, which aisha_owner asks for, too. */
static err *let_owner_read(struct cli *cli)
{
    PGconn *connection = PQconnectdb(cstr(cli->arena, cli->conf.database_url));
    PGresult *result = PQexec(connection,
                              "grant usage on schema sqitch to aisha_owner;"
                              "grant select on all tables in schema sqitch to aisha_owner");
    err *e = NULL;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        e = fail_with(cli->arena, ERR_UPSTREAM, 0,
                      str_dup(cli->arena, str_trim(str_from(PQerrorMessage(connection)))),
                      "the migrations are done, but aisha_owner cannot read of them");
    PQclear(result);
    PQfinish(connection);
    return e;
}

/* Roles belong to the cluster, so a superuser runs this; what the migrations build belongs to
 * aisha_owner. */
err *cli_db_migrate(struct cli *cli)
{
    TRY(run_sqitch(cli, "deploy", "--verify"));
    return let_owner_read(cli);
}

err *cli_db_status(struct cli *cli)
{
    return run_sqitch(cli, "status", NULL);
}

err *cli_db_verify(struct cli *cli)
{
    return run_sqitch(cli, "verify", NULL);
}

/* ---------------------------------------------------------------- the report */

struct report {
    struct rows database, tables, counts, oldest;
    struct ledger_problem *problems;
    size_t problem_count;
    struct job_lane *lanes;
    size_t lane_count;
    struct rows dead;
};

enum { DEAD_SHOWN = 20 };

static err *read_report(struct db *db, struct arena *a, struct report *out)
{
    TRY(db_query(db, &Q_status_database, &out->database));
    TRY(db_query(db, &Q_status_tables, &out->tables));
    TRY(db_query(db, &Q_status_row_counts, &out->counts));
    TRY(db_query(db, &Q_status_oldest_open_order, &out->oldest));
    TRY(db_query(db, &Q_job_dead_list, &out->dead, V(DEAD_SHOWN)));
    TRY(job_lanes(db, a, &out->lanes, &out->lane_count));
    return ledger_check(db, a, &out->problems, &out->problem_count);
}

static void print_json(struct arena *a, const struct report *report)
{
    str text = json_make(
        a, KV("database", rows_json(a, &report->database)),
        KV("tables", rows_json(a, &report->tables)), KV("rows", rows_json(a, &report->counts)),
        KV("ledger_problems", ledger_problems_json(a, report->problems, report->problem_count)),
        KV("oldest_open_order", rows_json(a, &report->oldest)),
        KV("dead_jobs", rows_json(a, &report->dead)));
    printf(STR_FMT "\n", STR_ARG(text));
}

/* Exact where rows are counted, else as the last ANALYZE left it. */
static void print_tables(struct arena *a, const struct rows *tables, const struct rows *counts)
{
    printf("\n%-24s %12s %14s\n", "table", "size", "rows");
    for (int i = 0; i < tables->count; i++) {
        const char *name = cstr(a, rows_str(tables, i, "name"));
        int column = PQfnumber(counts->result, name);
        str size = number_size(a, rows_i64(tables, i, "size_bytes"));
        if (column >= 0)
            printf("%-24s %12.*s %14s\n", name, STR_ARG(size),
                   PQgetvalue(counts->result, 0, column));
        else
            printf("%-24s %12.*s %13" PRId64 "~\n", name, STR_ARG(size),
                   rows_i64(tables, i, "about_rows"));
    }
    printf("~ an estimate of PostgreSQL\n");
}

static void print_work(struct arena *a, const struct report *report)
{
    printf("\n%-10s %8s %8s %8s %12s\n", "lane", "queued", "running", "dead", "oldest due");
    for (size_t i = 0; i < report->lane_count; i++) {
        const struct job_lane *lane = &report->lanes[i];
        str oldest = lane->due ? number_duration(a, lane->oldest_ms) : S("-");
        printf("%-10.*s %8" PRId64 " %8" PRId64 " %8" PRId64 " %12.*s\n", STR_ARG(lane->lane),
               lane->queued, lane->running, lane->dead, STR_ARG(oldest));
    }
    const struct rows *oldest = &report->oldest;
    if (oldest->count)
        printf("oldest open order: " STR_FMT ", " STR_FMT " for " STR_FMT "\n",
               STR_ARG(rows_str(oldest, 0, "id")), STR_ARG(rows_str(oldest, 0, "status")),
               STR_ARG(number_duration(a, rows_i64(oldest, 0, "age_ms"))));
    else
        printf("no order is open\n");
    for (int i = 0; i < report->dead.count; i++)
        printf("dead: job " STR_FMT " " STR_FMT "/" STR_FMT ", " STR_FMT ": " STR_FMT "\n",
               STR_ARG(rows_str(&report->dead, i, "id")),
               STR_ARG(rows_str(&report->dead, i, "lane")),
               STR_ARG(rows_str(&report->dead, i, "kind")),
               STR_ARG(number_time(a, rows_i64(&report->dead, i, "finished_at_ms"))),
               STR_ARG(rows_str(&report->dead, i, "last_error")));
}

static void print_report(struct arena *a, const struct report *report)
{
    const struct rows *database = &report->database;
    printf("PostgreSQL " STR_FMT ", " STR_FMT ", %" PRId64 " of %" PRId64 " connections\n",
           STR_ARG(rows_str(database, 0, "version")),
           STR_ARG(number_size(a, rows_i64(database, 0, "size_bytes"))),
           rows_i64(database, 0, "connections"), rows_i64(database, 0, "most_connections"));
    print_tables(a, &report->tables, &report->counts);
    printf("\n");
    print_ledger_problems(report->problems, report->problem_count);
    print_work(a, report);
}

err *cli_db_report(struct cli *cli)
{
    const struct conf *conf = &cli->conf;
    bool has_reader = !str_empty(conf->status_database_url);
    str url = has_reader ? conf->status_database_url : conf->database_url;
    struct report report = {0};
    err *e = read_report(db_new(db_pool_new(url, 1), cli->arena), cli->arena, &report);
    if (e) {
        cli->advice =
            has_reader
                ? S("Does PostgreSQL run, and does STATUS_DATABASE_URL lead there as aisha_status?")
                : S("Does PostgreSQL run, and does DATABASE_URL lead there? STATUS_DATABASE_URL "
                    "gives it a role that may read everything that it reports.");
        return e;
    }
    if (cli->wants_json)
        print_json(cli->arena, &report);
    else
        print_report(cli->arena, &report);
    cli->exit_status = report.problem_count ? EXIT_FAILURE : EXIT_SUCCESS;
    return NULL;
}
