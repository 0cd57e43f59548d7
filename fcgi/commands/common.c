/* What several commands of `aisha` do alike. */
#include "commands/commands.h"

#include "core/json.h"
#include "db/queries.h"
#include "db/session.h"

/* ---------------------------------------------------------------- the stores */

struct db *cli_open_db(struct cli *cli)
{
    return db_new(db_pool_new(cli->conf.database_url, 1), cli->arena);
}

err *cli_advise_db(struct cli *cli, err *e)
{
    if (!e)
        return NULL;
    if (e->kind == ERR_UNKNOWN)
        cli->advice = S("It is not known whether this was done. Look before you repeat it.");
    else if (str_empty(cli->advice))
        cli->advice = S("Nothing was done. Does PostgreSQL run, and does DATABASE_URL lead there "
                        "as aisha_bot or aisha_owner?");
    return e;
}

err *cli_write_audit(struct cli *cli, struct db *db, const char *action, const char *kind,
                     int64_t id, str details)
{
    str subject = str_printf(cli->arena, "%s:%" PRId64, kind, id);
    return db_query(db, &Q_admin_audit_add, NULL, V(0), V(action), V(subject), V(details));
}

/* The bot shows a user from a cache that lives ten minutes at most. */
void cli_forget_cached(struct cli *cli, int64_t telegram_id)
{
    struct cache *cache = cache_new(cli->conf.redis_url, CACHE_TIMEOUT_MS);
    const err *e = session_forget_user(cache, cli->arena, telegram_id);
    if (e)
        fprintf(
            stderr,
            "aisha: Redis did not answer; the bot may go by what was before for ten minutes: " STR_FMT
            "\n",
            STR_ARG(e->message));
    cache_close(cache);
}

/* ---------------------------------------------------------------- what was typed */

err *cli_read_telegram_id(struct cli *cli, str typed, int64_t *out)
{
    if (str_to_i64(typed, out) && *out > 0)
        return NULL;
    return fail(cli->arena, ERR_INPUT,
                "\"" STR_FMT "\" is no Telegram id, which is a number such as 123456789",
                STR_ARG(typed));
}

err *cli_read_number(struct cli *cli, const char *option, int64_t least, int64_t most,
                     int64_t otherwise, int64_t *out)
{
    str typed = cli_option(cli, option);
    *out = otherwise;
    if (!cli_has(cli, option) || (str_to_i64(typed, out) && *out >= least && *out <= most))
        return NULL;
    return fail(cli->arena, ERR_INPUT,
                "%s \"" STR_FMT "\" is no whole number from %" PRId64 " to %" PRId64, option,
                STR_ARG(typed), least, most);
}

/* ---------------------------------------------------------------- rows as JSON */

/* A row's value as JSON, by the type that PostgreSQL says it has. */
static void add_value(struct buf *b, const struct rows *rows, int row, int column)
{
    enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT4 = 23, OID_JSONB = 3802 };
    str value = str_from(PQgetvalue(rows->result, row, column));
    Oid type = PQftype(rows->result, column);
    if (PQgetisnull(rows->result, row, column))
        buf_add(b, S("null"));
    else if (type == OID_BOOL)
        buf_add(b, str_eq(value, S("t")) ? S("true") : S("false"));
    else if (type == OID_INT8 || type == OID_INT4 || type == OID_JSONB)
        buf_add(b, value);
    else
        json_put_str(b, value);
}

static void add_row(struct buf *b, const struct rows *rows, int row)
{
    buf_add_char(b, '{');
    for (int column = 0; column < PQnfields(rows->result); column++) {
        buf_add(b, column ? S(",") : S(""));
        json_put_str(b, str_from(PQfname(rows->result, column)));
        buf_add_char(b, ':');
        add_value(b, rows, row, column);
    }
    buf_add_char(b, '}');
}

struct json_text row_json(struct arena *a, const struct rows *rows, int row)
{
    struct buf b = buf_new(a);
    add_row(&b, rows, row);
    return JSON(buf_str(&b));
}

struct json_text rows_json(struct arena *a, const struct rows *rows)
{
    struct buf b = buf_new(a);
    buf_add_char(&b, '[');
    for (int row = 0; row < rows->count; row++) {
        buf_add(&b, row ? S(",") : S(""));
        add_row(&b, rows, row);
    }
    buf_add_char(&b, ']');
    return JSON(buf_str(&b));
}

void print_json_line(str text)
{
    printf(STR_FMT "\n", STR_ARG(text));
}
