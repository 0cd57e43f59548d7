/* aisha credit: coins from an operator's hand. */
#include "commands/commands.h"

#include "core/clock.h"
#include "core/json.h"
#include "db/ledger.h"
#include "db/queries.h"
#include "db/user.h"

enum { MOST_COINS = 1000000, MOST_KEY_BYTES = 100 };

struct credit {
    int64_t telegram_id, coins;
    str name;    /* --key, or one of our own */
    str key;     /* of the transfer */
    bool is_new; /* false: it had been credited under this key before */
    struct user user;
    int64_t balance_coins;
};

static err *read_order(struct cli *cli, struct credit *out)
{
    struct arena *a = cli->arena;
    cli->advice = S("usage: aisha credit <telegram id> <coins>");
    TRY(cli_read_telegram_id(cli, cli->arguments[0], &out->telegram_id));
    if (!str_to_i64(cli->arguments[1], &out->coins) || out->coins < 1 || out->coins > MOST_COINS)
        return fail(a, ERR_INPUT, "\"" STR_FMT "\" is no number of coins from 1 to %d",
                    STR_ARG(cli->arguments[1]), MOST_COINS);
    str named = cli_option(cli, "--key");
    if (named.len > MOST_KEY_BYTES || !str_is_utf8(named))
        return fail(a, ERR_INPUT, "the key is longer than %d bytes, or no text", MOST_KEY_BYTES);
    out->name = str_empty(named) ? random_uuid(a) : named;
    out->key = str_printf(a, "operator:" STR_FMT, STR_ARG(out->name));
    cli->advice = S("");
    return NULL;
}

static err *write_credit(struct db *db, struct arena *a, struct credit *credit)
{
    TRY(db_begin(db));
    TRY(user_find_by_telegram(db, a, credit->telegram_id, &credit->user));
    TRY(ledger_credit(db, credit->user.id, credit->key, credit->coins, LEDGER_ADJUSTMENT,
                      S("operator"), S(""), &credit->is_new));
    if (credit->is_new) {
        str subject = str_printf(a, "user:%" PRId64, credit->user.id);
        str details = json_make(a, KV("coins", credit->coins), KV("key", credit->key));
        TRY(db_query(db, &Q_admin_audit_add, NULL, V(0), V("credit"), V(subject), V(details)));
    }
    int64_t held;
    TRY(ledger_balance(db, credit->user.id, &credit->balance_coins, &held));
    return db_commit(db);
}

static str advice_for(struct cli *cli, const struct credit *credit, const err *e)
{
    struct arena *a = cli->arena;
    if (e->kind == ERR_NOT_FOUND)
        return str_printf(a,
                          "Nobody with the Telegram id %" PRId64 " has written to the bot yet. "
                          "Nothing was credited.",
                          credit->telegram_id);
    if (e->kind == ERR_UNKNOWN)
        return str_printf(a,
                          "It is not known whether this was credited. Repeat it safely with:\n"
                          "  aisha credit %" PRId64 " %" PRId64 " --key " STR_FMT,
                          credit->telegram_id, credit->coins, STR_ARG(credit->name));
    if (db_refused_by(e, "AI003"))
        return S("That key stands for another credit. Nothing was credited.");
    return S("Nothing was credited. Does PostgreSQL run, and does DATABASE_URL lead there as "
             "aisha_bot or aisha_owner?");
}

static void print_credit(struct cli *cli, const struct credit *credit)
{
    if (cli->wants_json) {
        str line = json_make(cli->arena, KV("telegram_id", credit->telegram_id),
                             KV("credited", credit->is_new ? credit->coins : (int64_t)0),
                             KV("balance", credit->balance_coins), KV("key", credit->name));
        printf(STR_FMT "\n", STR_ARG(line));
        return;
    }
    printf("%s " STR_FMT " (%" PRId64 "): %" PRId64 " coins. Balance: %" PRId64 ".\n",
           credit->is_new ? "Credited" : "Credited before, under this key,",
           STR_ARG(credit->user.first_name), credit->telegram_id, credit->coins,
           credit->balance_coins);
}

err *cli_credit(struct cli *cli)
{
    struct credit credit = {0};
    TRY(read_order(cli, &credit));
    struct db *db = cli_open_db(cli);
    err *e = write_credit(db, cli->arena, &credit);
    if (e) {
        db_rollback(db);
        cli->advice = advice_for(cli, &credit, e);
        return e;
    }
    cli_forget_cached(cli, credit.telegram_id);
    print_credit(cli, &credit);
    return NULL;
}
