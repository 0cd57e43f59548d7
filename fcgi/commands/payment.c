/* aisha payment: what was paid in Stars, giving it back, and whether Telegram has the same. */
#include "commands/commands.h"

#include "core/json.h"
#include "core/numbers.h"
#include "db/payment.h"
#include "db/queries.h"
#include "handlers/money/stars.h"

enum { MOST_LISTED = 100 };

static struct db_pool *open_pool(struct cli *cli)
{
    cli->advice = S("Does PostgreSQL run, and does DATABASE_URL lead there as aisha_bot or "
                    "aisha_owner?");
    return db_pool_new(cli->conf.database_url, 1);
}

static struct db *open_database(struct cli *cli)
{
    return db_new(open_pool(cli), cli->arena);
}

/* ---------------------------------------------------------------- list and show */

static void put_payment(struct buf *b, const struct payment *p)
{
    json_put_object(
        b, KVS(KV("id", p->id), KV("charge_id", p->charge_id), KV("state", p->state),
               KV("telegram_id", p->telegram_id), KV("first_name", p->first_name),
               KV("stars", p->stars), KV("currency", p->currency), KV("coins", p->coins),
               KV("bonus_coins", p->bonus_coins), KV("payload", p->payload),
               KV("created_at_ms", p->created_at_ms), KV("refunded_at_ms", p->refunded_at_ms),
               KV("refund_taken", p->refund_taken), KV("refund_error", p->refund_error)));
}

static void print_row(struct cli *cli, const struct payment *p)
{
    str number = str_sub(p->id, 0, 8);
    printf("%-9.*s %-17.*s %6" PRId64 " %-4.*s %7" PRId64 " %-10.*s %-12" PRId64 " %.*s\n",
           STR_ARG(number), STR_ARG(number_time(cli->arena, p->created_at_ms)), p->stars,
           STR_ARG(p->currency), p->coins + p->bonus_coins, STR_ARG(p->state), p->telegram_id,
           STR_ARG(p->charge_id));
}

err *cli_payment_list(struct cli *cli)
{
    struct payment *payments;
    size_t count;
    TRY(payment_list(open_database(cli), cli->arena, 0, MOST_LISTED, &payments, &count));
    struct buf b = buf_new(cli->arena);
    buf_add_char(&b, '[');
    for (size_t i = 0; i < count; i++) {
        buf_add(&b, i ? S(",") : S(""));
        put_payment(&b, &payments[i]);
        if (!cli->wants_json)
            print_row(cli, &payments[i]);
    }
    buf_add_char(&b, ']');
    if (cli->wants_json)
        printf(STR_FMT "\n", STR_ARG(buf_str(&b)));
    else if (!count)
        printf("Nobody has paid yet.\n");
    return NULL;
}

static void print_line(const char *name, str value)
{
    if (!str_empty(value))
        printf("%-12s " STR_FMT "\n", name, STR_ARG(value));
}

static void print_payment(struct cli *cli, const struct payment *p)
{
    struct arena *a = cli->arena;
    str who = p->telegram_id
                  ? str_printf(a, STR_FMT " (%" PRId64 ")", STR_ARG(p->first_name), p->telegram_id)
                  : S("erased");
    print_line("payment", p->id);
    print_line("charge", p->charge_id);
    print_line("state", p->state);
    print_line("paid", str_printf(a, "%" PRId64 " " STR_FMT ", " STR_FMT " UTC", p->stars,
                                  STR_ARG(p->currency), STR_ARG(number_time(a, p->created_at_ms))));
    print_line("by", who);
    print_line("coins",
               str_printf(a, "%" PRId64 " and %" PRId64 " of a code", p->coins, p->bonus_coins));
    print_line("order", p->payload);
    if (p->refunded_at_ms)
        print_line("refunded",
                   str_printf(a, STR_FMT " UTC, %" PRId64 " coins taken",
                              STR_ARG(number_time(a, p->refunded_at_ms)), p->refund_taken));
    print_line("not refunded", p->refund_error);
}

static err *find_payment(struct cli *cli, struct db *db, struct payment *out)
{
    err *e = payment_find(db, cli->arena, cli->arguments[0], out);
    if (err_is_not_found(e))
        cli->advice = S("<payment> is Telegram's charge, or the number that the user was told.");
    return e;
}

err *cli_payment_show(struct cli *cli)
{
    struct payment p;
    struct buf b = buf_new(cli->arena);
    TRY(find_payment(cli, open_database(cli), &p));
    put_payment(&b, &p);
    if (cli->wants_json)
        printf(STR_FMT "\n", STR_ARG(buf_str(&b)));
    else
        print_payment(cli, &p);
    return NULL;
}

/* ---------------------------------------------------------------- refund */

static err *write_refund(struct cli *cli, struct db *db, const struct payment *p,
                         struct refund *refund)
{
    TRY(payment_refund(db, p->charge_id, cli_has(cli, "--force"), refund));
    if (refund->verdict == REFUND_QUEUED) {
        str subject = str_printf(cli->arena, "payment:" STR_FMT, STR_ARG(p->id));
        str details = json_make(cli->arena, KV("stars", refund->stars), KV("coins", refund->coins),
                                KV("forced", cli_has(cli, "--force")));
        TRY(db_query(db, &Q_admin_audit_add, NULL, V(0), V("refund"), V(subject), V(details)));
    }
    return db_commit(db);
}

static err *refuse_refund(struct cli *cli, const struct refund *refund)
{
    struct arena *a = cli->arena;
    cli->advice = S("Nothing was done.");
    switch (refund->verdict) {
    case REFUND_QUEUED:
        return NULL;
    case REFUND_FEW:
        cli->advice = S("Nothing was done. With --force what there is is taken, and the adjustment "
                        "account gives the rest.");
        return fail(a, ERR_REFUSED,
                    "the user has %" PRId64 " coins left of the %" PRId64 " that were bought",
                    refund->balance, refund->coins);
    case REFUND_UNDER_WAY:
        return fail(a, ERR_REFUSED, "this payment is being refunded");
    case REFUND_DONE:
        return fail(a, ERR_REFUSED, "this payment was refunded");
    case REFUND_ERASED:
        return fail(a, ERR_REFUSED,
                    "the person was erased, and Telegram wants to know whom to pay");
    case REFUND_UNKNOWN:
    case REFUND_VERDICT_COUNT:
        break;
    }
    return fail(a, ERR_NOT_FOUND, "no such payment");
}

err *cli_payment_refund(struct cli *cli)
{
    struct payment p;
    struct refund refund;
    struct db *db = open_database(cli);
    TRY(find_payment(cli, db, &p));
    err *e = write_refund(cli, db, &p, &refund);
    if (e) {
        db_rollback(db);
        cli->advice = e->kind == ERR_UNKNOWN
                          ? S("It is not known whether this was done; aisha payment show tells. It "
                              "can be repeated: a payment is refunded once.")
                          : S("Nothing was done.");
        return e;
    }
    TRY(refuse_refund(cli, &refund));
    cli_forget_cached(cli, p.telegram_id);
    if (cli->wants_json)
        printf(STR_FMT "\n",
               STR_ARG(json_make(cli->arena, KV("payment", p.id), KV("stars", refund.stars),
                                 KV("coins", refund.coins), KV("balance", refund.balance))));
    else
        printf("Taken back for %" PRId64 " coins: %" PRId64 " Stars go to " STR_FMT
               " as soon as a worker has asked Telegram. Balance: %" PRId64 ".\n",
               refund.coins, refund.stars, STR_ARG(p.first_name), refund.balance);
    return NULL;
}

/* ---------------------------------------------------------------- check */

static const char *words_of(str kind)
{
    static const struct {
        const char *kind, *words;
    } rows[] = {
        {"not_here",         "Telegram lists a payment that we know nothing of"},
        {"not_there",        "we have a payment that Telegram does not list"   },
        {"amount",           "the Stars differ"                                },
        {"refund_not_here",  "Telegram lists a refund that we know nothing of" },
        {"refund_not_there", "we have a refund that Telegram does not list"    },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(kind, str_from(rows[i].kind)))
            return rows[i].words;
    return "";
}

static void print_differences(struct cli *cli, const struct payment_difference *differences,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct payment_difference *d = &differences[i];
        printf("  " STR_FMT ": %s; here %" PRId64 ", there %" PRId64 " Stars",
               STR_ARG(d->charge_id), words_of(d->kind), d->stars_here, d->stars_there);
        if (d->telegram_id)
            printf(", paid by %" PRId64, d->telegram_id);
        printf("; since " STR_FMT " UTC\n", STR_ARG(number_time(cli->arena, d->found_at_ms)));
    }
}

static str differences_json(struct arena *a, const struct payment_difference *differences,
                            size_t count)
{
    struct buf b = buf_new(a);
    buf_add_char(&b, '[');
    for (size_t i = 0; i < count; i++) {
        const struct payment_difference *d = &differences[i];
        buf_add(&b, i ? S(",") : S(""));
        json_put_object(&b,
                        KVS(KV("charge_id", d->charge_id), KV("kind", d->kind),
                            KV("stars_here", d->stars_here), KV("stars_there", d->stars_there),
                            KV("telegram_id", d->telegram_id), KV("found_at_ms", d->found_at_ms)));
    }
    buf_add_char(&b, ']');
    return buf_str(&b);
}

static err *compare_now(struct cli *cli, struct db_pool *pool, enum stars_part part,
                        struct stars_comparison *out)
{
    const struct conf *conf = &cli->conf;
    http_init(conf->ca_file, 0);
    http_allow(conf->telegram_api_url);
    const struct telegram telegram = {conf->telegram_api_url, conf->telegram_token};
    err *e = stars_compare(&telegram, pool, cli->arena, part, out);
    if (e)
        cli->advice = S(
            "Nothing was compared. Can Telegram and PostgreSQL be reached from here, and "
            "does DATABASE_URL lead there as aisha_owner?");
    return e;
}

err *cli_payment_check(struct cli *cli)
{
    struct db_pool *pool = open_pool(cli);
    struct payment_difference *differences;
    struct stars_comparison done = {0};
    size_t count;
    bool is_all = cli_has(cli, "--all"), is_compared = is_all || cli_has(cli, "--now");
    if (is_compared)
        TRY(compare_now(cli, pool, is_all ? STARS_ALL : STARS_NEW, &done));
    TRY(payment_differences(db_new(pool, cli->arena), cli->arena, MOST_LISTED, &differences,
                            &count));
    cli->exit_status = count ? EXIT_FAILURE : EXIT_SUCCESS;
    if (cli->wants_json) {
        printf(STR_FMT "\n",
               STR_ARG(json_make(
                   cli->arena,
                   KV("differences", JSON(differences_json(cli->arena, differences, count))))));
        return NULL;
    }
    if (is_compared)
        printf("Compared with %" PRId64 " transactions of Telegram.\n", done.transactions);
    printf("%s\n", count ? "Payments that differ:" : "Telegram and we have the same payments.");
    print_differences(cli, differences, count);
    return NULL;
}
