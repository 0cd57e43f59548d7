/*
 * aisha - the operator's command line.
 *
 * The table below is what it can do. Exit status: 0 done, 1 it did not work
 * and stderr says why, 2 the command was not understood.
 */
#include "commands/commands.h"

#include "core/log.h"
#include "core/loop.h"
#include "core/version.h"

enum {
    USAGE_EXIT = 2,
    MEMORY_BYTES = 64 << 20,
    STACK_KIB = 256,
    MOST_WORDS = 16,
    MOST_OPTIONS = 16,
};

/* ---------------------------------------------------------------- the commands */

enum { NEEDS_CONF = 1, IN_LOOP = 2, GIVES_JSON = 4 };

/* An option means the same wherever it stands; one without a value is there or not. */
struct option {
    const char *name, *value;
};

struct command {
    const char *name, *arguments;
    size_t argument_count;
    unsigned flags;
    err *(*run)(struct cli *cli);
    const char *about, *more;
    const struct option *options; /* ends with an empty name; NULL: none */
    size_t optional_count;        /* arguments that may follow the others */
};

/* clang-format off */
static const struct option key_option[] = {{"--key", "KEY"}, {NULL, NULL}};
static const struct option force_option[] = {{"--force", NULL}, {NULL, NULL}};
static const struct option dry_option[] = {{"--dry-run", NULL}, {NULL, NULL}};
static const struct option limit_option[] = {{"--limit", "N"}, {NULL, NULL}};
static const struct option drop_option[] = {{"--drop", NULL}, {NULL, NULL}};
static const struct option all_option[] = {{"--all", NULL}, {NULL, NULL}};
static const struct option certificate_option[] = {{"--certificate", "FILE"}, {NULL, NULL}};
static const struct option log_option[] = {{"--log", "FOLDER"}, {NULL, NULL}};
static const struct option compare_options[] = {{"--now", NULL}, {"--all", NULL}, {NULL, NULL}};
static const struct option restore_options[] = {
    {"--verify", NULL}, {"--backup", "STAMP"}, {"--force", NULL}, {NULL, NULL}};
static const struct option job_options[] = {
    {"--state", "queued|running|done|dead|cancelled"}, {"--lane", "LANE"}, {"--limit", "N"},
    {NULL, NULL}};
static const struct option promo_options[] = {
    {"--code", "CODE"}, {"--kind", "balance|bonus|percent"}, {"--coins", "N"}, {"--percent", "N"},
    {"--limit", "N"}, {"--per-user", "N"}, {"--from", "DAY"}, {"--until", "DAY"}, {NULL, NULL}};

static const struct command commands[] = {
    {"backup", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_backup,
     "save PostgreSQL and every object where BACKUP_DIR or BACKUP_ENDPOINT says",
     "Objects that were saved before are not copied again. Backups older than BACKUP_KEEP_DAYS go,\n"
     "with what only they needed. A timer does this every night."},
    {"backup ls", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_backup_list,
     "print the backups that there are", NULL},
    {"config check", "", 0, GIVES_JSON, cli_config_check,
     "check the settings, and name every mistake at once", NULL},
    {"config show", "", 0, NEEDS_CONF | GIVES_JSON, cli_config_show,
     "print the settings in force and where each is from, secrets masked", NULL},
    {"config defaults", "", 0, 0, cli_config_defaults,
     "print all settings with their defaults, to begin an aisha.env with", NULL},
    {"credit", " <telegram id> <coins>", 2, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_credit,
     "give a user coins",
     "The user must have written to the bot once. The credit stands in the user's history and in\n"
     "the audit log. --key names it: what was credited under a key is not credited again, so a\n"
     "command whose outcome is not known can be repeated with the key that it printed.", key_option},
    {"db migrate", "", 0, NEEDS_CONF, cli_db_migrate,
     "bring the database of DATABASE_URL up to this release",
     "sqitch verifies each step, and undoes one that fails. The migrations make roles, so\n"
     "DATABASE_URL names a superuser here: DATABASE_URL=postgresql://postgres@/aisha aisha db migrate"},
    {"db status", "", 0, NEEDS_CONF, cli_db_status,
     "tell which migrations are deployed and which are not",
     "Asks sqitch about the database of DATABASE_URL, whose role must own the schema."},
    {"db verify", "", 0, NEEDS_CONF, cli_db_verify,
     "compare the database with what the migrations promise",
     "Asks sqitch about the database of DATABASE_URL, whose role must own the schema."},
    {"db report", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_db_report,
     "print sizes, numbers of rows, the ledger's check and what is stuck",
     "Reads through STATUS_DATABASE_URL, or DATABASE_URL where that is not set."},
    {"import", " <database>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_import,
     "bring over what a database of the predecessor holds",
     "<database> is its address, as postgresql://reader@old.example.org/aisha; a password is better\n"
     "kept in ~/.pgpass. People, settings, balances (whole coins), finished avatars with their photos,\n"
     "images and transcripts are brought, objects copied from IMPORT_ENDPOINT. What was brought before\n"
     "is left alone, coins too: stop the predecessor first. --dry-run only counts.", dry_option},
    {"job ls", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_job_list,
     "print the latest jobs that wait, run or are dead",
     "--state and --lane choose among them; --limit says how many, 50 when left out.", job_options},
    {"job show", " <job>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_job_show,
     "print everything that is known of a job", NULL},
    {"job retry", " <job>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_job_retry,
     "queue a dead job again, or let one that waits be due now",
     "The coins of a dead one were given back: what it still achieves is a present. It stands in the\n"
     "audit log."},
    {"job giveup", " <job>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_job_give_up,
     "let a job that waits die, or take a dead one off the list",
     "A worker buries it, as it would after too many failures: coins are given back and the user is\n"
     "told. It stands in the audit log."},
    {"ledger check", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_ledger_check,
     "check the ledger, and name everything in it that is wrong",
     "Ends with 1 when something is. What was found right before is not read again: workers do this\n"
     "every five minutes, log ledger.wrong, and move the mark on up to which all is well. Reads through\n"
     "STATUS_DATABASE_URL, or DATABASE_URL where that is not set. --all reads everything and makes the\n"
     "mark anew, through DATABASE_URL, as aisha_owner.", all_option},
    {"ledger statement", " <telegram id>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_ledger_statement,
     "print every line of a user's coins, newest first",
     "The balance is the one after the line. A hold says how it ended, or nothing while it is open."},
    {"ledger show", " <transfer>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_ledger_show,
     "print transfers with all their entries",
     "<transfer> is its number, its key, or the uuid of the order or payment that it is about; a hold\n"
     "is shown with its end."},
    {"payment list", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_payment_list,
     "print the latest payments in Stars",
     "A payment is credited, unmatched (nobody knows what was bought), refunding or refunded. Its\n"
     "number, which the user was told, comes first, Telegram's charge last."},
    {"payment show", " <payment>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_payment_show,
     "print one payment",
     "<payment> is Telegram's charge, or the number that the user was told."},
    {"payment refund", " <payment>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_payment_refund,
     "take a payment's coins and have Telegram give the Stars back",
     "Refused when the user has spent of the coins. With --force what there is is taken, and the\n"
     "adjustment account gives the rest: no balance is ever below zero. When Telegram refuses for\n"
     "good, the coins come back; `aisha payment show` says why. It stands in the audit log.", force_option},
    {"payment check", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_payment_check,
     "print where our payments and Telegram's transactions differ",
     "Ends with 1 when they do. A worker compares once a day what neither side had before; --now does\n"
     "so first, --all compares everything first. Both write, as aisha_owner.", compare_options},
    {"promo make", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_promo_make,
     "make a promo code",
     "balance gives --coins at once; bonus adds --coins and percent --percent of the coins bought to\n"
     "the user's next purchase. --limit: how often in all, and --per-user: how often for one user,\n"
     "0 for any number; left out, they are 0 and 1. --from and --until: days as 2026-12-31, which are\n"
     "included, or moments as 2026-12-31T18:00; both in UTC.", promo_options},
    {"promo stop", " <code>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_promo_stop,
     "let nobody use a promo code any more",
     "What users have taken for their next purchase is given back; coins that were given stay."},
    {"promo list", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_promo_list,
     "print all promo codes, newest first", NULL},
    {"promo stats", " <code>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_promo_stats,
     "print what became of a promo code", NULL},
    {"restore", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_restore,
     "bring the latest backup back, or the one that --backup names",
     "--verify brings the database into one of its own, compares every table and every object with\n"
     "what was saved, and leaves nothing behind. Without it both go where DATABASE_URL and\n"
     "MINIO_ENDPOINT say; people who are there already are overwritten only with --force. Stop the\n"
     "bot and the workers first. DATABASE_URL names a superuser:\n"
     "DATABASE_URL=postgresql://postgres@/aisha aisha restore --verify", restore_options},
    {"styles check", " [FILE]", 0, GIVES_JSON, cli_styles_check,
     "check a file of styles, and name every mistake at once",
     "Without FILE the one that comes with this release, db/styles.ini; its head says how it is\n"
     "written. Nothing is asked of PostgreSQL.", NULL, 1},
    {"styles load", " [FILE]", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_styles_load,
     "make the styles that users see those of a file",
     "Without FILE the one that comes with this release, db/styles.ini. A file with a mistake\n"
     "changes nothing. What the file does not have any more is removed, or retired while orders name\n"
     "it: retired ones are not shown, and the images made with them can be made again. It can be\n"
     "repeated at any time, and stands in the audit log.", NULL, 1},
    {"styles list", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_styles_list,
     "print the styles that are loaded, with how they are used", NULL},
    {"trace", " <update or job>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_trace,
     "tell the story of an update: turn, jobs, callbacks, coins, and the lines of all logs",
     "A number is an update of Telegram, as the logs call it (turn=), or else a job; job:7 is a job.\n"
     "Logs come from the journal, or from --log FOLDER, in which each program has a file.", log_option},
    {"user find", " <words>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_user_find,
     "find people by their Telegram id, or by how a name or username of theirs begins",
     "The status page finds them in the same way. --limit says how many are printed, 50 when left\n"
     "out.", limit_option},
    {"user show", " <telegram id>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_user_show,
     "print what is known of a person, without what they made", NULL},
    {"user block", " <telegram id>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_user_block,
     "lock a person out",
     "One polite refusal is all they get from then on. It stands in the audit log."},
    {"user unblock", " <telegram id>", 1, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_user_unblock,
     "let a person in again", NULL},
    {"webhook set", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_webhook_set,
     "tell Telegram to deliver updates to PUBLIC_URL",
     "Telegram sends the first of TELEGRAM_WEBHOOK_SECRET with each update. Waiting updates stay.\n"
     "--certificate shows Telegram one that nobody vouches for, to trust it from then on.", certificate_option},
    {"webhook info", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_webhook_info,
     "print where Telegram delivers to, what waits there and its last error", NULL},
    {"webhook doctor", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_webhook_doctor,
     "look for what keeps updates from coming",
     "The address, the list of updates, what waits, the last error, the days of the certificate, a\n"
     "round trip to Telegram and one to PUBLIC_URL. Ends with 1 when something is wrong."},
    {"webhook delete", "", 0, NEEDS_CONF | IN_LOOP | GIVES_JSON, cli_webhook_delete,
     "let Telegram deliver nowhere",
     "What waits there stays for a day, for a webhook that is set or for long polling; --drop\n"
     "throws it away.", drop_option},
};
/* clang-format on */

static void print_usage(FILE *out)
{
    fprintf(out, "usage: aisha [--env FILE] <command>\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-16s%-24s%s\n", commands[i].name, commands[i].arguments,
                commands[i].about);
    fprintf(out, "\n"
                 "  --env FILE   read settings from a file; what the environment sets wins.\n"
                 "               Without it the file that AISHA_CONF names, if it names one.\n"
                 "  --json       print data as JSON\n"
                 "  --help       of aisha, or of the command it stands behind\n"
                 "  --version\n");
}

static void print_help(const struct command *command)
{
    printf("usage: aisha [--env FILE] %s%s", command->name, command->arguments);
    for (const struct option *o = command->options; o && o->name; o++)
        printf(" [%s%s%s]", o->name, o->value ? " " : "", o->value ? o->value : "");
    printf("%s\n\n", command->flags & GIVES_JSON ? " [--json]" : "");
    printf("%c%s.\n", command->about[0] - 'a' + 'A', command->about + 1);
    if (command->more)
        printf("%s\n", command->more);
}

/* ---------------------------------------------------------------- what was typed */

struct typed {
    str words[MOST_WORDS]; /* the command's name and its arguments */
    size_t count;
    struct cli_option options[MOST_OPTIONS];
    size_t option_count;
    bool wants_help, wants_version;
    const char *wrong; /* an option that there is not, or that lacks its value */
};

/* "-5" is a number, if a wrong one. */
static bool is_option(str word)
{
    return str_starts(word, S("-")) && word.len > 1 && !(word.ptr[1] >= '0' && word.ptr[1] <= '9');
}

static const struct option *find_option(const struct option *options, str name)
{
    for (; options && options->name; options++)
        if (str_eq(name, str_from(options->name)))
            return options;
    return NULL;
}

/* Whichever command it belongs to, for that one is not known yet. */
static const struct option *find_any_option(str name)
{
    const struct option *found = NULL;
    for (size_t i = 0; i < ARRAY_LEN(commands) && !found; i++)
        found = find_option(commands[i].options, name);
    return found;
}

/* True when the word behind it was its value. */
static bool read_option(const char *word, const char *next, struct typed *typed)
{
    const struct option *option = find_any_option(str_from(word));
    if (!option || (option->value && !next) || typed->option_count == MOST_OPTIONS) {
        typed->wrong = word;
        return false;
    }
    typed->options[typed->option_count++] = (struct cli_option){
        str_from(word), option->value ? str_from(next) : S("")};
    return option->value != NULL;
}

static void read_words(int count, char **words, struct cli *cli, struct typed *typed)
{
    for (int i = 1; i < count; i++) {
        str word = str_from(words[i]);
        const char *next = i + 1 < count ? words[i + 1] : NULL;
        if (str_eq(word, S("--json")))
            cli->wants_json = true;
        else if (str_eq(word, S("--help")) || str_eq(word, S("-h")))
            typed->wants_help = true;
        else if (str_eq(word, S("--version")))
            typed->wants_version = true;
        else if (str_eq(word, S("--env")) && next)
            cli->env_file = words[++i];
        else if (is_option(word))
            i += read_option(words[i], next, typed);
        else if (typed->count < MOST_WORDS)
            typed->words[typed->count++] = word;
    }
}

/* A name has one word or two; "config check" is named by both of its words. */
static str typed_name(struct arena *a, const struct typed *typed, size_t words)
{
    if (words == 1 || typed->count == 1)
        return typed->words[0];
    return str_printf(a, STR_FMT " " STR_FMT, STR_ARG(typed->words[0]), STR_ARG(typed->words[1]));
}

static const struct command *find_command(struct arena *a, const struct typed *typed, size_t *words)
{
    for (*words = typed->count > 1 ? 2 : 1; *words > 0; --*words)
        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
            if (str_eq(typed_name(a, typed, *words), str_from(commands[i].name)))
                return &commands[i];
    return NULL;
}

static const char *nearest_command(struct arena *a, const struct typed *typed)
{
    const char *nearest = NULL;
    size_t best = typed_name(a, typed, 2).len / 2 + 1; /* farther away it is another word */
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        str known = str_from(commands[i].name);
        size_t one = str_distance(typed_name(a, typed, 1), known);
        size_t two = str_distance(typed_name(a, typed, 2), known);
        size_t away = one < two ? one : two;
        if (away < best) {
            best = away;
            nearest = commands[i].name;
        }
    }
    return nearest;
}

/* "aisha db" is the beginning of several. */
static bool print_beginning(str word)
{
    bool is_beginning = false;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        str family, rest;
        if (!str_cut(str_from(commands[i].name), ' ', &family, &rest) || !str_eq(family, word))
            continue;
        fprintf(stderr, "%s  aisha %s%s\n", is_beginning ? "" : "aisha: one of\n", commands[i].name,
                commands[i].arguments);
        is_beginning = true;
    }
    return is_beginning;
}

static int refuse_unknown(struct arena *a, const struct typed *typed)
{
    if (typed->count == 1 && print_beginning(typed->words[0]))
        return USAGE_EXIT;
    const char *nearest = nearest_command(a, typed);
    fprintf(stderr, "aisha: there is no command \"" STR_FMT "\"", STR_ARG(typed_name(a, typed, 2)));
    if (nearest)
        fprintf(stderr, "; did you mean \"aisha %s\"?", nearest);
    fprintf(stderr, "\naisha --help lists them all.\n");
    return USAGE_EXIT;
}

static int refuse_usage(const struct command *command, const char *what, const char *which)
{
    fprintf(stderr, "aisha %s: %s%s\n", command->name, what, which);
    fprintf(stderr, "usage: aisha %s%s\n", command->name, command->arguments);
    return USAGE_EXIT;
}

/* The last one counts, where somebody typed it twice. */
static const struct cli_option *typed_option(const struct cli *cli, const char *name)
{
    for (size_t i = cli->option_count; i > 0; i--)
        if (str_eq(cli->options[i - 1].name, str_from(name)))
            return &cli->options[i - 1];
    return NULL;
}

str cli_option(const struct cli *cli, const char *name)
{
    const struct cli_option *option = typed_option(cli, name);
    return option ? option->value : S("");
}

bool cli_has(const struct cli *cli, const char *name)
{
    return typed_option(cli, name) != NULL;
}

/* ---------------------------------------------------------------- running one */

static void print_error(const char *name, const err *e, str advice)
{
    fprintf(stderr, "aisha %s: " STR_FMT, name, STR_ARG(e->message));
    if (!str_empty(e->detail))
        fprintf(stderr, ": " STR_FMT, STR_ARG(e->detail));
    fprintf(stderr, "\n");
    if (!str_empty(advice))
        fprintf(stderr, STR_FMT "\n", STR_ARG(advice));
}

static err *load_settings(struct cli *cli)
{
    cli->advice = S("Nothing was done. `aisha config defaults` tells what each setting is for.");
    if (cli->env_file)
        TRY(conf_load_file(cli->arena, cli->env_file));
    TRY(conf_load(cli->arena, &cli->conf));
    cli->advice = S("");
    return NULL;
}

struct errand {
    const struct command *command;
    struct cli *cli;
    err *outcome;
};

static void run_in_task(void *argument)
{
    struct errand *errand = argument;
    errand->outcome = errand->command->run(errand->cli);
    loop_stop(); /* kept connections would hold it open */
}

static err *run_command(const struct command *command, struct cli *cli)
{
    if (command->flags & NEEDS_CONF)
        TRY(load_settings(cli));
    if (!(command->flags & IN_LOOP))
        return command->run(cli);
    struct errand errand = {command, cli, NULL};
    loop_init();
    task_start(run_in_task, &errand, STACK_KIB);
    loop_run();
    return errand.outcome;
}

static int obey(struct cli *cli, const struct typed *typed)
{
    size_t words = 0;
    const struct command *command = find_command(cli->arena, typed, &words);
    if (!command)
        return refuse_unknown(cli->arena, typed);
    if (typed->wants_help) {
        print_help(command);
        return 0;
    }
    if (typed->wrong)
        return refuse_usage(command,
                            "there is no such option, or its value is missing: ", typed->wrong);
    if (cli->wants_json && !(command->flags & GIVES_JSON))
        return refuse_usage(command, "it prints no data that could be JSON", "");
    for (size_t i = 0; i < typed->option_count; i++)
        if (!find_option(command->options, typed->options[i].name))
            return refuse_usage(command, "it takes no ", cstr(cli->arena, typed->options[i].name));
    cli->options = typed->options;
    cli->option_count = typed->option_count;
    cli->arguments = typed->words + words;
    cli->argument_count = typed->count - words;
    if (cli->argument_count < command->argument_count)
        return refuse_usage(command, "an argument is missing", "");
    if (cli->argument_count > command->argument_count + command->optional_count)
        return refuse_usage(command, "too many arguments", "");

    const err *e = run_command(command, cli);
    if (!e)
        return cli->exit_status;
    print_error(command->name, e, cli->advice);
    return EXIT_FAILURE;
}

int main(int count, char **words)
{
    struct arena *a = arena_new(MEMORY_BYTES);
    struct cli cli = {.arena = a, .env_file = getenv("AISHA_CONF")};
    struct typed typed = {0};
    log_set_level(S("error")); /* what matters here is told by the command itself */
    if (cli.env_file && !*cli.env_file)
        cli.env_file = NULL;
    read_words(count, words, &cli, &typed);

    int status = 0;
    if (typed.wants_version)
        printf("aisha " AISHA_VERSION "\n");
    else if (typed.count > 0)
        status = obey(&cli, &typed);
    else if (typed.wants_help)
        print_usage(stdout);
    else {
        print_usage(stderr);
        status = USAGE_EXIT;
    }
    if (fflush(stdout) != 0 && status == 0) {
        fprintf(stderr, "aisha: what it printed could not be written: %s\n", strerror(errno));
        status = EXIT_FAILURE;
    }
    arena_free(a);
    return status;
}
