/* aisha ledger: whether the coins add up, and where they went. */
#include "commands/commands.h"

#include "core/json.h"
#include "core/numbers.h"
#include "db/queries.h"
#include "db/user.h"

enum { PAGE_LINES = 200 };

static struct db *open_reader(struct cli *cli)
{
    const struct conf *conf = &cli->conf;
    bool has_reader = !str_empty(conf->status_database_url);
    cli->advice = has_reader ? S("Does PostgreSQL run, and does STATUS_DATABASE_URL lead there as "
                                 "aisha_status?")
                             : S("Does PostgreSQL run, and does DATABASE_URL lead there? "
                                 "STATUS_DATABASE_URL gives it a role that may read the ledger.");
    return db_new(db_pool_new(has_reader ? conf->status_database_url : conf->database_url, 1),
                  cli->arena);
}

/* ---------------------------------------------------------------- check */

struct json_text ledger_problems_json(struct arena *a, const struct ledger_problem *problems,
                                      size_t count)
{
    struct buf b = buf_new(a);
    buf_add_char(&b, '[');
    for (size_t i = 0; i < count; i++) {
        const struct ledger_problem *p = &problems[i];
        buf_add(&b, i ? S(",") : S(""));
        json_put_object(&b, KVS(KV("problem", p->problem), KV("transfer_id", p->transfer_id),
                                KV("account_id", p->account_id), KV("expected", p->expected),
                                KV("found", p->found)));
    }
    buf_add_char(&b, ']');
    return JSON(buf_str(&b));
}

void print_ledger_problems(const struct ledger_problem *problems, size_t count)
{
    printf("ledger: %s\n", count ? "WRONG"
                                 : "sums to zero, balances fit their entries, "
                                   "every open hold has its work");
    for (size_t i = 0; i < count; i++)
        printf("  " STR_FMT ", transfer %" PRId64 ", account %" PRId64 ", expected %" PRId64
               ", found %" PRId64 "\n",
               STR_ARG(problems[i].problem), problems[i].transfer_id, problems[i].account_id,
               problems[i].expected, problems[i].found);
}

static err *check_all(struct cli *cli, struct ledger_problem **problems, size_t *count)
{
    cli->advice = S("Does PostgreSQL run, and does DATABASE_URL lead there as aisha_owner?");
    struct db *db = db_new(db_pool_new(cli->conf.database_url, 1), cli->arena);
    TRY(ledger_check_all(db, cli->arena, problems, count));
    return db_commit(db);
}

err *cli_ledger_check(struct cli *cli)
{
    struct ledger_problem *problems;
    size_t count;
    if (cli_has(cli, "--all"))
        TRY(check_all(cli, &problems, &count));
    else
        TRY(ledger_check(open_reader(cli), cli->arena, &problems, &count));
    if (cli->wants_json) {
        str text = json_make(cli->arena,
                             KV("problems", ledger_problems_json(cli->arena, problems, count)));
        printf(STR_FMT "\n", STR_ARG(text));
    } else {
        print_ledger_problems(problems, count);
    }
    cli->exit_status = count ? EXIT_FAILURE : EXIT_SUCCESS;
    return NULL;
}

/* ---------------------------------------------------------------- statement */

static void print_line(struct cli *cli, const struct ledger_line *line)
{
    printf("%-10" PRId64 " %-16.*s %-8.*s %-12.*s %+12" PRId64 " %12" PRId64 "  %.*s\n", line->id,
           STR_ARG(number_time(cli->arena, line->created_at_ms)), STR_ARG(line->kind),
           STR_ARG(line->reason), line->coins, line->balance_after, STR_ARG(line->settled));
}

static void put_line(struct buf *b, const struct ledger_line *line)
{
    json_put_object(b, KVS(KV("id", line->id), KV("created_at_ms", line->created_at_ms),
                           KV("kind", line->kind), KV("reason", line->reason),
                           KV("subject", line->subject), KV("coins", line->coins),
                           KV("balance_after", line->balance_after), KV("settled", line->settled)));
}

/* All lines, page by page. In words they are printed as they come, as JSON they are put into b. */
static err *read_lines(struct cli *cli, struct db *db, int64_t user_id, struct buf *b)
{
    struct ledger_line *lines;
    size_t count;
    int64_t before = 0;
    do {
        TRY(ledger_statement(db, cli->arena, user_id, PAGE_LINES, before, &lines, &count));
        for (size_t i = 0; i < count; i++) {
            if (cli->wants_json) {
                buf_add(b, b->len > 1 ? S(",") : S(""));
                put_line(b, &lines[i]);
            } else {
                print_line(cli, &lines[i]);
            }
            before = lines[i].id;
        }
    } while (count == PAGE_LINES);
    return NULL;
}

static err *find_person(struct cli *cli, struct db *db, struct user *out)
{
    int64_t telegram_id;
    str typed = cli->arguments[0];
    if (!str_to_i64(typed, &telegram_id) || telegram_id <= 0) {
        cli->advice = S("usage: aisha ledger statement <telegram id>");
        return fail(cli->arena, ERR_INPUT,
                    "\"" STR_FMT "\" is no Telegram id, which is a number such as 123456789",
                    STR_ARG(typed));
    }
    err *e = user_find_by_telegram(db, cli->arena, telegram_id, out);
    if (err_is_not_found(e))
        cli->advice = str_printf(cli->arena, "Nobody has the Telegram id %" PRId64 ".",
                                 telegram_id);
    return e;
}

err *cli_ledger_statement(struct cli *cli)
{
    struct db *db = open_reader(cli);
    struct user person = {0};
    TRY(find_person(cli, db, &person));
    int64_t balance, held;
    TRY(ledger_balance(db, person.id, &balance, &held));

    struct buf b = buf_new(cli->arena);
    buf_add_char(&b, '[');
    if (!cli->wants_json)
        printf("user %" PRId64 ": %" PRId64 " coins, %" PRId64 " more are held\n"
               "%-10s %-16s %-8s %-12s %12s %12s  %s\n",
               person.id, balance, held, "transfer", "time (UTC)", "kind", "reason", "coins",
               "balance", "settled");
    TRY(read_lines(cli, db, person.id, &b));
    buf_add_char(&b, ']');
    if (cli->wants_json) {
        str text = json_make(cli->arena, KV("user_id", person.id), KV("balance", balance),
                             KV("held", held), KV("lines", JSON(buf_str(&b))));
        printf(STR_FMT "\n", STR_ARG(text));
    }
    return NULL;
}

/* ---------------------------------------------------------------- show */

/* A transfer's rows stand together, one for each of its entries. */
static bool is_new_transfer(const struct rows *rows, int row)
{
    return row == 0 || rows_i64(rows, row, "id") != rows_i64(rows, row - 1, "id");
}

static void print_transfers(struct cli *cli, const struct rows *rows)
{
    for (int row = 0; row < rows->count; row++) {
        if (is_new_transfer(rows, row))
            printf("%s%" PRId64 " %.*s, %.*s of user %" PRId64 ", %.*s\n  key %.*s%s%.*s\n",
                   row ? "\n" : "", rows_i64(rows, row, "id"),
                   STR_ARG(number_time(cli->arena, rows_i64(rows, row, "created_at_ms"))),
                   STR_ARG(rows_str(rows, row, "kind")), rows_i64(rows, row, "user_id"),
                   STR_ARG(rows_str(rows, row, "reason")),
                   STR_ARG(rows_str(rows, row, "idempotency_key")),
                   rows_is_null(rows, row, "subject") ? "" : ", about ",
                   STR_ARG(rows_str(rows, row, "subject")));
        printf("  %-10.*s %+12" PRId64 "\n", STR_ARG(rows_str(rows, row, "account")),
               rows_i64(rows, row, "amount"));
    }
}

static void put_transfer(struct buf *b, const struct rows *rows, int row)
{
    struct buf entries = buf_new(b->arena);
    buf_add_char(&entries, '[');
    for (int at = row; at < rows->count && (at == row || !is_new_transfer(rows, at)); at++) {
        buf_add(&entries, at > row ? S(",") : S(""));
        json_put_object(&entries, KVS(KV("account", rows_str(rows, at, "account")),
                                      KV("amount", rows_i64(rows, at, "amount"))));
    }
    buf_add_char(&entries, ']');
    json_put_object(b, KVS(KV("id", rows_i64(rows, row, "id")),
                           KV("created_at_ms", rows_i64(rows, row, "created_at_ms")),
                           KV("kind", rows_str(rows, row, "kind")),
                           KV("user_id", rows_i64(rows, row, "user_id")),
                           KV("reason", rows_str(rows, row, "reason")),
                           KV("subject", rows_str(rows, row, "subject")),
                           KV("key", rows_str(rows, row, "idempotency_key")),
                           KV("entries", JSON(buf_str(&entries)))));
}

static void print_transfers_json(struct cli *cli, const struct rows *rows)
{
    struct buf b = buf_new(cli->arena);
    buf_add_char(&b, '[');
    for (int row = 0; row < rows->count; row++) {
        if (!is_new_transfer(rows, row))
            continue;
        buf_add(&b, row ? S(",") : S(""));
        put_transfer(&b, rows, row);
    }
    buf_add_char(&b, ']');
    printf(STR_FMT "\n", STR_ARG(json_make(cli->arena, KV("transfers", JSON(buf_str(&b))))));
}

err *cli_ledger_show(struct cli *cli)
{
    struct rows rows;
    TRY(db_query(open_reader(cli), &Q_ledger_transfers_about, &rows, V(cli->arguments[0])));
    if (!rows.count) {
        cli->advice = S("A transfer is named by its number or its key, and by what it is about.");
        return fail(cli->arena, ERR_NOT_FOUND, "there is no transfer \"" STR_FMT "\"",
                    STR_ARG(cli->arguments[0]));
    }
    if (cli->wants_json)
        print_transfers_json(cli, &rows);
    else
        print_transfers(cli, &rows);
    return NULL;
}
