/*
 * commands.h - what the commands of `aisha` share.
 *
 * A command is a function and a row in cli.c. It prints its data to stdout,
 * as JSON where cli->wants_json, and returns what went wrong; cli.c says that,
 * with cli->advice below it, and ends the process with 1. Commands that
 * speak to stores or parties run as a task in the loop, so they read straight
 * down.
 */
#pragma once
#include "core/conf.h"
#include "db/ledger.h"

/* "--key k": an option as it was typed. */
struct cli_option {
    str name, value;
};

struct cli {
    struct arena *arena;
    struct conf conf;     /* of commands that need the settings */
    const char *env_file; /* --env, else AISHA_CONF; NULL: the environment alone */
    bool wants_json;
    const str *arguments; /* what follows the command's name */
    size_t argument_count;
    const struct cli_option *options; /* those that the command's row names; see below */
    size_t option_count;

    /* Left for cli.c. */
    str advice;      /* what to do about the error that is returned */
    int exit_status; /* where no error is returned */
};

/* The value of an option; empty where it was not typed. */
str cli_option(const struct cli *cli, const char *name);
bool cli_has(const struct cli *cli, const char *name);

err *cli_config_check(struct cli *cli);
err *cli_config_show(struct cli *cli);
err *cli_config_defaults(struct cli *cli);
err *cli_credit(struct cli *cli);
err *cli_db_status(struct cli *cli);
err *cli_db_verify(struct cli *cli);
err *cli_db_report(struct cli *cli);
err *cli_ledger_check(struct cli *cli);
err *cli_ledger_statement(struct cli *cli);
err *cli_ledger_show(struct cli *cli);
err *cli_payment_list(struct cli *cli);
err *cli_payment_show(struct cli *cli);
err *cli_payment_refund(struct cli *cli);
err *cli_payment_check(struct cli *cli);
err *cli_promo_make(struct cli *cli);
err *cli_promo_stop(struct cli *cli);
err *cli_promo_list(struct cli *cli);
err *cli_promo_stats(struct cli *cli);
err *cli_webhook_set(struct cli *cli);
err *cli_webhook_info(struct cli *cli);

/* What the check of the ledger found, for each command that runs it. */
struct json_text ledger_problems_json(struct arena *a, const struct ledger_problem *problems,
                                      size_t count);
void print_ledger_problems(const struct ledger_problem *problems, size_t count);
