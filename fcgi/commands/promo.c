/* aisha promo: codes that give coins. */
#include "commands/commands.h"

#include <time.h>

#include "api/telegram.h"
#include "core/json.h"
#include "db/promo.h"
#include "db/queries.h"

enum { MOST_USES = 1000000000, DAY_S = 24 * 3600, TIME_BYTES = 32 };

/* ---------------------------------------------------------------- what was typed */

/* UTC. A day that ends something is a part of it. False for a day that no calendar has. */
static bool parse_moment(const char *typed, bool is_end, int64_t *out_ms)
{
    struct tm tm = {0};
    const char *end = strptime(typed, "%Y-%m-%dT%H:%M", &tm);
    bool is_day = !end;
    if (is_day) {
        tm = (struct tm){0};
        end = strptime(typed, "%Y-%m-%d", &tm);
    }
    if (!end || *end)
        return false;
    int day = tm.tm_mday;
    time_t seconds = timegm(&tm);
    if (tm.tm_mday != day) /* the 31st of June became the 1st of July */
        return false;
    *out_ms = ((int64_t)seconds + (is_day && is_end ? DAY_S : 0)) * 1000;
    return true;
}

static err *read_moment(struct cli *cli, const char *option, bool is_end, int64_t *out_ms)
{
    str typed = cli_option(cli, option);
    *out_ms = 0;
    if (str_empty(typed) || parse_moment(cstr(cli->arena, typed), is_end, out_ms))
        return NULL;
    return fail(cli->arena, ERR_INPUT,
                "%s \"" STR_FMT "\" is neither a day such as 2026-12-31 nor a moment such as "
                "2026-12-31T18:00",
                option, STR_ARG(typed));
}

static err *read_code(struct cli *cli, str typed, str *out)
{
    struct buf b = buf_new(cli->arena);
    for (size_t i = 0; i < typed.len; i++) {
        char c = typed.ptr[i];
        buf_add_char(&b, c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
    *out = buf_str(&b);
    if (is_promo_code(*out))
        return NULL;
    return fail(cli->arena, ERR_INPUT,
                "\"" STR_FMT "\" is no code: 3 to 40 letters A-Z, digits, - and _", STR_ARG(typed));
}

/* Percent for a percent, coins for the others; what belongs to another kind is a slip. */
static err *read_amount(struct cli *cli, struct promo_terms *terms)
{
    bool is_percent = terms->kind == PROMO_PERCENT;
    const char *wanted = is_percent ? "--percent" : "--coins";
    const char *other = is_percent ? "--coins" : "--percent";
    if (!str_empty(cli_option(cli, other)))
        return fail(cli->arena, ERR_INPUT, "a code of the kind %s takes %s, not %s",
                    promo_kind_name(terms->kind), wanted, other);
    TRY(cli_read_number(cli, wanted, 1, is_percent ? PROMO_MOST_PERCENT : PROMO_MOST_COINS, 0,
                        &terms->amount));
    if (!terms->amount)
        return fail(cli->arena, ERR_INPUT, "%s says what the code gives, and is missing", wanted);
    return NULL;
}

static err *read_terms(struct cli *cli, struct promo_terms *terms)
{
    cli->advice = S("aisha promo make --help tells what can be said.");
    TRY(read_code(cli, cli_option(cli, "--code"), &terms->code));
    str kind = cli_option(cli, "--kind");
    if (!promo_kind_of(kind, &terms->kind))
        return fail(cli->arena, ERR_INPUT,
                    "--kind \"" STR_FMT "\" is not balance, bonus or percent", STR_ARG(kind));
    TRY(read_amount(cli, terms));
    TRY(cli_read_number(cli, "--limit", 0, MOST_USES, 0, &terms->limit));
    TRY(cli_read_number(cli, "--per-user", 0, MOST_USES, 1, &terms->limit_per_user));
    TRY(read_moment(cli, "--from", false, &terms->from_ms));
    TRY(read_moment(cli, "--until", true, &terms->until_ms));
    if (terms->from_ms && terms->until_ms && terms->from_ms >= terms->until_ms)
        return fail(cli->arena, ERR_INPUT, "it would end before it begins");
    cli->advice = S("");
    return NULL;
}

/* ---------------------------------------------------------------- what is printed */

static str moment_words(struct arena *a, int64_t ms)
{
    char text[TIME_BYTES];
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm);
    return str_dup(a, str_from(text));
}

static str moment_or(struct arena *a, int64_t ms, const char *otherwise)
{
    return ms ? moment_words(a, ms) : str_from(otherwise);
}

static str limit_words(struct arena *a, int64_t limit)
{
    return limit ? str_printf(a, "%" PRId64, limit) : S("any");
}

static str amount_words(struct arena *a, const struct promo_terms *terms)
{
    return str_printf(a, "%s%" PRId64 "%s", terms->kind == PROMO_BALANCE ? "" : "+", terms->amount,
                      terms->kind == PROMO_PERCENT ? " %" : " coins");
}

static void put_row(struct buf *b, const struct promo_row *row)
{
    const struct promo_terms *terms = &row->terms;
    json_put_object(b, KVS(KV("code", terms->code), KV("kind", promo_kind_name(terms->kind)),
                           KV("amount", terms->amount), KV("uses", row->uses),
                           KV("limit", terms->limit), KV("per_user", terms->limit_per_user),
                           KV("from_ms", terms->from_ms), KV("until_ms", terms->until_ms),
                           KV("state", row->state)));
}

static void print_row(struct cli *cli, const struct promo_row *row)
{
    struct arena *a = cli->arena;
    const struct promo_terms *terms = &row->terms;
    printf("%-20.*s %-8s %-14.*s %8" PRId64 " %8.*s %8.*s  %-16.*s %-16.*s %.*s\n",
           STR_ARG(terms->code), promo_kind_name(terms->kind), STR_ARG(amount_words(a, terms)),
           row->uses, STR_ARG(limit_words(a, terms->limit)),
           STR_ARG(limit_words(a, terms->limit_per_user)),
           STR_ARG(moment_or(a, terms->from_ms, "-")), STR_ARG(moment_or(a, terms->until_ms, "-")),
           STR_ARG(row->state));
}

static void print_rows(struct cli *cli, const struct promo_row *rows, size_t count)
{
    printf("%-20s %-8s %-14s %8s %8s %8s  %-16s %-16s %s\n", "code", "kind", "gives", "uses",
           "limit", "per user", "from (UTC)", "until (UTC)", "state");
    for (size_t i = 0; i < count; i++)
        print_row(cli, &rows[i]);
}

/* As a worker has asked for it; empty until one has, and where it cannot be read: it is decoration. */
static str bot_name(struct cli *cli, struct db *db)
{
    struct rows rows;
    int64_t bot_id = telegram_bot_id(cli->conf.telegram_token);
    if (db_query(db, &Q_bot_find, &rows, V(bot_id)) || !rows.count)
        return S("");
    return rows_str(&rows, 0, "username");
}

/* Where the bot's name is not known, what stands behind it. */
static str link_words(struct cli *cli, struct db *db, str code)
{
    str name = bot_name(cli, db);
    return str_printf(cli->arena, "%s" STR_FMT "?start=promo_" STR_FMT,
                      str_empty(name) ? "" : "https://t.me/", STR_ARG(name), STR_ARG(code));
}

/* ---------------------------------------------------------------- the commands */

static err *write_down(struct db *db, struct arena *a, const char *action, str code, str details)
{
    str subject = str_printf(a, "promo:" STR_FMT, STR_ARG(code));
    return db_query(db, &Q_admin_audit_add, NULL, V(0), V(action), V(subject), V(details));
}

/* What somebody who reads the error does next. */
static err *advise(struct cli *cli, struct db *db, err *e)
{
    if (!e)
        return NULL;
    db_rollback(db);
    if (e->kind == ERR_CONFLICT)
        cli->advice = S("A code keeps its terms for ever. Make another one.");
    else if (e->kind == ERR_NOT_FOUND)
        cli->advice = S("aisha promo list prints all codes.");
    else if (e->kind == ERR_UNKNOWN)
        cli->advice = S("It is not known whether this was done. aisha promo list tells.");
    else
        cli->advice = S("Nothing was done. Does PostgreSQL run, and does DATABASE_URL lead there "
                        "as aisha_bot or aisha_owner?");
    return e;
}

static err *make(struct cli *cli, struct db *db, const struct promo_terms *terms)
{
    struct arena *a = cli->arena;
    str details = json_make(a, KV("kind", promo_kind_name(terms->kind)),
                            KV("amount", terms->amount), KV("limit", terms->limit),
                            KV("per_user", terms->limit_per_user), KV("from_ms", terms->from_ms),
                            KV("until_ms", terms->until_ms));
    TRY(promo_make(db, a, terms, S("operator")));
    TRY(write_down(db, a, "promo.make", terms->code, details));
    return db_commit(db);
}

err *cli_promo_make(struct cli *cli)
{
    struct arena *a = cli->arena;
    struct promo_terms terms = {0};
    TRY(read_terms(cli, &terms));
    struct db *db = cli_open_db(cli);
    TRY(advise(cli, db, make(cli, db, &terms)));

    str link = link_words(cli, db, terms.code);
    if (cli->wants_json) {
        str text = json_make(a, KV("code", terms.code), KV("kind", promo_kind_name(terms.kind)),
                             KV("amount", terms.amount), KV("link", link));
        printf(STR_FMT "\n", STR_ARG(text));
        return NULL;
    }
    printf("Made " STR_FMT ": " STR_FMT ", " STR_FMT " uses in all, " STR_FMT
           " for one user, from " STR_FMT " until " STR_FMT ".\nLink: " STR_FMT "\n",
           STR_ARG(terms.code), STR_ARG(amount_words(a, &terms)),
           STR_ARG(limit_words(a, terms.limit)), STR_ARG(limit_words(a, terms.limit_per_user)),
           STR_ARG(moment_or(a, terms.from_ms, "now")),
           STR_ARG(moment_or(a, terms.until_ms, "it is stopped")), STR_ARG(link));
    return NULL;
}

static err *stop(struct cli *cli, struct db *db, str code, bool *was_active, int64_t *given_back)
{
    TRY(promo_stop(db, cli->arena, code, was_active, given_back));
    if (*was_active)
        TRY(write_down(db, cli->arena, "promo.stop", code,
                       json_make(cli->arena, KV("given_back", *given_back))));
    return db_commit(db);
}

err *cli_promo_stop(struct cli *cli)
{
    str code;
    bool was_active = false;
    int64_t given_back = 0;
    TRY(read_code(cli, cli->arguments[0], &code));
    struct db *db = cli_open_db(cli);
    TRY(advise(cli, db, stop(cli, db, code, &was_active, &given_back)));

    if (cli->wants_json) {
        str text = json_make(cli->arena, KV("code", code), KV("was_active", was_active),
                             KV("given_back", given_back));
        printf(STR_FMT "\n", STR_ARG(text));
    } else if (was_active) {
        printf("Stopped " STR_FMT ". Given back before a purchase: %" PRId64 ".\n", STR_ARG(code),
               given_back);
    } else {
        printf(STR_FMT " had been stopped before.\n", STR_ARG(code));
    }
    return NULL;
}

err *cli_promo_list(struct cli *cli)
{
    struct promo_row *rows;
    size_t count;
    struct db *db = cli_open_db(cli);
    TRY(advise(cli, db, promo_list(db, cli->arena, 0, 0, &rows, &count)));
    if (!cli->wants_json) {
        print_rows(cli, rows, count);
        return NULL;
    }
    struct buf b = buf_new(cli->arena);
    buf_add_char(&b, '[');
    for (size_t i = 0; i < count; i++) {
        buf_add(&b, i ? S(",") : S(""));
        put_row(&b, &rows[i]);
    }
    buf_add_char(&b, ']');
    printf(STR_FMT "\n", STR_ARG(buf_str(&b)));
    return NULL;
}

static void print_figures(const struct promo_figures *f)
{
    printf("used             %8" PRId64 "\n"
           "waiting          %8" PRId64 "   taken for a purchase that has not come\n"
           "given back       %8" PRId64 "\n"
           "people           %8" PRId64 "\n"
           "coins at once    %8" PRId64 "\n"
           "coins on top     %8" PRId64 "   of %" PRId64 " bought\n",
           f->used, f->waiting, f->returned, f->people, f->coins_given, f->coins_extra,
           f->coins_bought);
}

err *cli_promo_stats(struct cli *cli)
{
    str code;
    struct promo_row promo;
    struct promo_figures f = {0};
    TRY(read_code(cli, cli->arguments[0], &code));
    struct db *db = cli_open_db(cli);
    TRY(advise(cli, db, promo_find(db, cli->arena, code, &promo)));
    TRY(advise(cli, db, promo_stats(db, code, &f)));
    if (!cli->wants_json) {
        print_rows(cli, &promo, 1);
        print_figures(&f);
        return NULL;
    }
    struct buf row = buf_new(cli->arena);
    put_row(&row, &promo);
    str text = json_make(cli->arena, KV("promo", JSON(buf_str(&row))), KV("used", f.used),
                         KV("waiting", f.waiting), KV("given_back", f.returned),
                         KV("people", f.people), KV("coins_given", f.coins_given),
                         KV("coins_extra", f.coins_extra), KV("coins_bought", f.coins_bought));
    printf(STR_FMT "\n", STR_ARG(text));
    return NULL;
}
