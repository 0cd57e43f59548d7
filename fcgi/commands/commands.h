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

/* -- what several commands do alike -- */

struct db *cli_open_db(struct cli *cli); /* DATABASE_URL */
/* The error itself, with what to do about it where nothing better is advised; NULL stays NULL. */
err *cli_advise_db(struct cli *cli, err *e);
/* subject: "job:7". Belongs to the transaction of what it tells. */
err *cli_write_audit(struct cli *cli, struct db *db, const char *action, const char *kind,
                     int64_t id, str details);
/* After a change to a person that menus show. */
void cli_forget_cached(struct cli *cli, int64_t telegram_id);
err *cli_read_telegram_id(struct cli *cli, str typed, int64_t *out);
/* An option that is a number; `otherwise` where it was not typed. */
err *cli_read_number(struct cli *cli, const char *option, int64_t least, int64_t most,
                     int64_t otherwise, int64_t *out);

/* Rows as PostgreSQL gave them, by the names of their columns. */
struct json_text row_json(struct arena *a, const struct rows *rows, int row);
struct json_text rows_json(struct arena *a, const struct rows *rows);
void print_json_line(str text);

/* -- the commands -- */

err *cli_backup(struct cli *cli);
err *cli_backup_list(struct cli *cli);
err *cli_config_check(struct cli *cli);
err *cli_config_show(struct cli *cli);
err *cli_config_defaults(struct cli *cli);
err *cli_credit(struct cli *cli);
err *cli_db_migrate(struct cli *cli);
err *cli_db_status(struct cli *cli);
err *cli_db_verify(struct cli *cli);
err *cli_db_report(struct cli *cli);
err *cli_import(struct cli *cli);
err *cli_job_list(struct cli *cli);
err *cli_job_show(struct cli *cli);
err *cli_job_retry(struct cli *cli);
err *cli_job_give_up(struct cli *cli);
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
err *cli_restore(struct cli *cli);
err *cli_styles_check(struct cli *cli);
err *cli_styles_list(struct cli *cli);
err *cli_styles_load(struct cli *cli);
err *cli_trace(struct cli *cli);
err *cli_user_find(struct cli *cli);
err *cli_user_show(struct cli *cli);
err *cli_user_block(struct cli *cli);
err *cli_user_unblock(struct cli *cli);
err *cli_webhook_set(struct cli *cli);
err *cli_webhook_info(struct cli *cli);
err *cli_webhook_delete(struct cli *cli);
err *cli_webhook_doctor(struct cli *cli);

/* The folder db of this release, with the migrations and the styles: beside the program in a release,
 * above it in a build tree. */
err *find_db_folder(struct arena *a, str *out);
/* {"ok":…,"mistakes":[…]}, of lines. */
void print_mistakes_json(struct arena *a, str mistakes);
/* What the check of the ledger found, for each command that runs it. */
struct json_text ledger_problems_json(struct arena *a, const struct ledger_problem *problems,
                                      size_t count);
void print_ledger_problems(const struct ledger_problem *problems, size_t count);
