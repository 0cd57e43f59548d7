/* aisha trace: the story of one update, from what was kept of it and from the logs. */
#include "commands/commands.h"

#include <dirent.h>
#include <time.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/numbers.h"
#include "db/queries.h"

enum {
    MOST_EVENTS = 5000,
    MOST_SUBJECTS = 20,
    TIME_BYTES = 40,
    UUID_BYTES = 36,
    MOST_LINE_BYTES = 8192,
};

/* Without a folder of logs, what the programs wrote to the journal. */
static const char journal_command[] =
    "journalctl --quiet --no-pager --output=short-iso-precise --unit='aisha-*' 2>/dev/null";

struct event {
    int64_t at_ms;
    str from; /* "turn", "job 7", "coins", the name of a log */
    str words;
};

struct story {
    struct cli *cli;
    struct db *db;
    int64_t turn_id; /* 0: not known */
    int64_t user_id;
    str subjects[MOST_SUBJECTS];
    size_t subject_count;
    struct rows jobs;
    struct event *events;
    size_t count;
};

static void tell(struct story *s, int64_t at_ms, str from, str words)
{
    if (s->count < MOST_EVENTS)
        s->events[s->count++] = (struct event){at_ms, from, words};
}

/* ---------------------------------------------------------------- what was kept */

static void add_subject(struct story *s, str subject)
{
    if (str_empty(subject) || s->subject_count == MOST_SUBJECTS)
        return;
    for (size_t i = 0; i < s->subject_count; i++)
        if (str_eq(s->subjects[i], subject))
            return;
    s->subjects[s->subject_count++] = subject;
}

static void tell_job(struct story *s, int i)
{
    struct arena *a = s->cli->arena;
    const struct rows *jobs = &s->jobs;
    str from = str_printf(a, "job " STR_FMT, STR_ARG(rows_str(jobs, i, "id")));
    str kind = rows_str(jobs, i, "kind"), why = rows_str(jobs, i, "last_error");
    tell(s, rows_i64(jobs, i, "created_at_ms"), from,
         str_printf(a, STR_FMT " was queued in the lane " STR_FMT, STR_ARG(kind),
                    STR_ARG(rows_str(jobs, i, "lane"))));
    if (!rows_is_null(jobs, i, "started_at_ms"))
        tell(s, rows_i64(jobs, i, "started_at_ms"), from,
             str_printf(a, STR_FMT ", attempt %" PRId64 ", taken by " STR_FMT, STR_ARG(kind),
                        rows_i64(jobs, i, "attempt"), STR_ARG(rows_str(jobs, i, "worker"))));
    int64_t end_ms = rows_is_null(jobs, i, "finished_at_ms") ? clock_ms()
                                                             : rows_i64(jobs, i, "finished_at_ms");
    tell(s, end_ms, from,
         str_printf(a, STR_FMT " is " STR_FMT ", %" PRId64 " failures%s" STR_FMT, STR_ARG(kind),
                    STR_ARG(rows_str(jobs, i, "state")), rows_i64(jobs, i, "failures"),
                    str_empty(why) ? "" : ": ", STR_ARG(why)));
}

static err *tell_jobs(struct story *s, bool is_job, int64_t number)
{
    TRY(db_query(s->db, &Q_trace_jobs, &s->jobs, V(number), V(is_job)));
    for (int i = 0; i < s->jobs.count; i++) {
        tell_job(s, i);
        add_subject(s, rows_str(&s->jobs, i, "subject"));
        if (!s->turn_id)
            s->turn_id = rows_i64(&s->jobs, i, "turn_id");
        if (!s->user_id)
            s->user_id = rows_i64(&s->jobs, i, "user_id");
    }
    return NULL;
}

static err *tell_turn(struct story *s)
{
    struct arena *a = s->cli->arena;
    struct rows turn, parked;
    if (!s->turn_id)
        return NULL;
    TRY(db_query(s->db, &Q_trace_turn, &turn, V(s->turn_id)));
    TRY(db_query(s->db, &Q_trace_parked, &parked, V(s->turn_id)));
    for (int i = 0; i < turn.count; i++) {
        s->user_id = rows_i64(&turn, i, "user_id");
        tell(s, rows_i64(&turn, i, "created_at_ms"), S("turn"),
             str_printf(a,
                        "handled and committed: from " STR_FMT " to " STR_FMT ", %" PRId64
                        " calls for Telegram",
                        STR_ARG(rows_str(&turn, i, "from_state")),
                        STR_ARG(rows_str(&turn, i, "to_state")), rows_i64(&turn, i, "calls")));
    }
    for (int i = 0; i < parked.count; i++)
        tell(s, rows_i64(&parked, i, "created_at_ms"), S("turn"),
             str_printf(a, "given up after %" PRId64 " attempts: " STR_FMT,
                        rows_i64(&parked, i, "attempts"), STR_ARG(rows_str(&parked, i, "reason"))));
    return NULL;
}

static void tell_thing(struct story *s, const struct rows *thing)
{
    struct arena *a = s->cli->arena;
    str from = rows_str(thing, 0, "thing"), request = rows_str(thing, 0, "request_id");
    str failure = rows_str(thing, 0, "failure");
    tell(s, rows_i64(thing, 0, "created_at_ms"), from,
         str_printf(a, "ordered for %" PRId64 " coins", rows_i64(thing, 0, "price")));
    if (!rows_is_null(thing, 0, "submitted_at_ms"))
        tell(s, rows_i64(thing, 0, "submitted_at_ms"), from,
             str_printf(a, "submitted, attempt %" PRId64 ", request " STR_FMT,
                        rows_i64(thing, 0, "attempt"), STR_ARG(request)));
    if (!rows_is_null(thing, 0, "completed_at_ms"))
        tell(s, rows_i64(thing, 0, "completed_at_ms"), from,
             str_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(rows_str(thing, 0, "status")),
                        str_empty(failure) ? "" : ": ", STR_ARG(failure)));
}

static err *tell_subject(struct story *s, str subject)
{
    struct arena *a = s->cli->arena;
    struct rows thing, coins;
    TRY(db_query(s->db, &Q_trace_thing, &thing, V(subject)));
    if (thing.count)
        tell_thing(s, &thing);
    TRY(db_query(s->db, &Q_trace_coins, &coins, V(subject)));
    for (int i = 0; i < coins.count; i++)
        tell(s, rows_i64(&coins, i, "created_at_ms"), S("coins"),
             str_printf(a, STR_FMT " of %" PRId64 " for " STR_FMT,
                        STR_ARG(rows_str(&coins, i, "kind")), rows_i64(&coins, i, "coins"),
                        STR_ARG(rows_str(&coins, i, "reason"))));
    return NULL;
}

/* ---------------------------------------------------------------- logs */

static bool has_field(str line, str field)
{
    size_t at;
    while (str_find(line, field, &at)) {
        str rest = str_sub(line, at + field.len, line.len);
        if (str_empty(rest) || rest.ptr[0] == ' ' || rest.ptr[0] == '\n')
            return true;
        line = rest;
    }
    return false;
}

static bool is_of_story(const struct story *s, str line)
{
    char field[UUID_BYTES];
    size_t at;
    snprintf(field, sizeof field, " turn=%" PRId64, s->turn_id);
    if (s->turn_id && has_field(line, str_from(field)))
        return true;
    for (size_t i = 0; i < s->subject_count; i++)
        if (str_find(line, s->subjects[i], &at))
            return true;
    for (int i = 0; i < s->jobs.count; i++) {
        snprintf(field, sizeof field, " job=%" PRId64, rows_i64(&s->jobs, i, "id"));
        if (has_field(line, str_from(field)))
            return true;
    }
    return false;
}

/* "t=2026-11-21T08:46:10.123Z " of our own files, "2026-11-21T08:46:10.123456+0000 " of the journal;
 * rest: what stands behind it. */
static int64_t moment_of(str line, str *rest)
{
    str head;
    struct tm tm = {0};
    str_cut(line, ' ', &head, rest);
    if (str_starts(head, S("t=")))
        head = str_sub(head, 2, head.len);
    char text[TIME_BYTES];
    snprintf(text, sizeof text, STR_FMT, STR_ARG(head));
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t milliseconds = 0, zone_minutes = 0;
    if (!end) {
        *rest = line;
        return 0;
    }
    str digits;
    if (*end == '.' && str_to_i64(str_sub(str_from(end), 1, 3), &milliseconds))
        end += 4;
    while (*end >= '0' && *end <= '9')
        end++;
    digits = str_sub(str_from(end), 1, 4);
    if ((*end == '+' || *end == '-') && str_to_i64(digits, &zone_minutes)) {
        zone_minutes = zone_minutes / 100 * 60 + zone_minutes % 100;
        zone_minutes = *end == '-' ? -zone_minutes : zone_minutes;
    }
    return ((int64_t)timegm(&tm) - zone_minutes * 60) * 1000 + milliseconds;
}

static void read_log(struct story *s, FILE *file, str name)
{
    char text[MOST_LINE_BYTES];
    while (fgets(text, sizeof text, file)) {
        str line = str_trim(str_from(text)), rest;
        if (!is_of_story(s, line))
            continue;
        int64_t at_ms = moment_of(line, &rest);
        tell(s, at_ms, name, str_dup(s->cli->arena, rest));
    }
}

static err *read_logs_of(struct story *s, str folder)
{
    struct arena *a = s->cli->arena;
    DIR *directory = opendir(cstr(a, folder));
    if (!directory)
        return fail(a, ERR_INPUT, "there is no folder " STR_FMT, STR_ARG(folder));
    const struct dirent *entry;
    // cppcheck-suppress readdirCalled; nobody else reads this folder, and there is one thread
    while ((entry = readdir(directory))) {
        str name = str_from(entry->d_name), program;
        if (!str_ends(name, S(".log")))
            continue;
        FILE *file = fopen(
            cstr(a, str_printf(a, STR_FMT "/" STR_FMT, STR_ARG(folder), STR_ARG(name))), "r");
        program = str_dup(a, str_sub(name, 0, name.len - strlen(".log")));
        if (file) {
            read_log(s, file, program);
            fclose(file);
        }
    }
    closedir(directory);
    return NULL;
}

static err *read_logs(struct story *s)
{
    str folder = cli_option(s->cli, "--log");
    const char *ground = getenv("AISHA_DIR"); /* of `make run` */
    if (str_empty(folder) && ground && *ground)
        folder = str_printf(s->cli->arena, "%s/log", ground);
    if (!str_empty(folder))
        return read_logs_of(s, folder);
    FILE *journal = popen(journal_command, "r"); /* a constant: nothing that was typed gets there */
    if (!journal)
        return NULL;
    read_log(s, journal, S("journal"));
    pclose(journal);
    return NULL;
}

/* ---------------------------------------------------------------- telling it */

static int by_time(const void *left, const void *right)
{
    const struct event *l = left, *r = right;
    return (l->at_ms > r->at_ms) - (l->at_ms < r->at_ms);
}

static str moment_text(struct arena *a, int64_t ms)
{
    return str_printf(a, STR_FMT ".%03d", STR_ARG(number_time(a, ms)), (int)(ms % 1000));
}

static void print_json(const struct story *s)
{
    struct buf b = buf_new(s->cli->arena);
    buf_addf(&b, "{\"update\":%" PRId64 ",\"user\":%" PRId64 ",\"events\":[", s->turn_id,
             s->user_id);
    for (size_t i = 0; i < s->count; i++) {
        buf_add(&b, i ? S(",") : S(""));
        json_put_object(&b, KVS(KV("at_ms", s->events[i].at_ms), KV("from", s->events[i].from),
                                KV("words", s->events[i].words)));
    }
    printf(STR_FMT "]}\n", STR_ARG(buf_str(&b)));
}

static void print_story(const struct story *s)
{
    printf("update %s%" PRId64 ", user %" PRId64 "\n", s->turn_id ? "" : "unknown: ", s->turn_id,
           s->user_id);
    for (size_t i = 0; i < s->count; i++)
        printf("%.*s  %-12.*s %.*s\n", STR_ARG(moment_text(s->cli->arena, s->events[i].at_ms)),
               STR_ARG(s->events[i].from), STR_ARG(s->events[i].words));
}

/* "job:7" is a job whatever else has that number; a plain number is an update, or else a job. */
static err *read_number(struct cli *cli, bool *is_job, int64_t *number)
{
    str typed = cli->arguments[0];
    *is_job = str_starts(typed, S("job:"));
    if (*is_job)
        typed = str_sub(typed, strlen("job:"), typed.len);
    if (!str_to_i64(typed, number) || *number <= 0)
        return fail(cli->arena, ERR_INPUT, "\"" STR_FMT "\" is no number of an update or a job",
                    STR_ARG(typed));
    return NULL;
}

err *cli_trace(struct cli *cli)
{
    bool is_job;
    int64_t number;
    cli->advice = S("usage: aisha trace <update>, or aisha trace job:<job>");
    TRY(read_number(cli, &is_job, &number));
    str url = str_empty(cli->conf.status_database_url) ? cli->conf.database_url
                                                       : cli->conf.status_database_url;
    cli->advice = S("Does PostgreSQL run, and does STATUS_DATABASE_URL lead there?");
    struct story s = {.cli = cli, .db = db_new(db_pool_new(url, 1), cli->arena)};
    s.events = NEW_ARRAY(cli->arena, struct event, MOST_EVENTS);
    s.turn_id = is_job ? 0 : number;
    TRY(tell_turn(&s));
    bool is_known = s.count > 0;
    TRY(tell_jobs(&s, is_job, number));
    if (!is_job && !is_known && !s.jobs.count) {
        s.turn_id = 0;
        TRY(tell_jobs(&s, true, number));
        s.turn_id = s.jobs.count ? s.turn_id : number;
    }
    if (!is_known && s.jobs.count)
        TRY(tell_turn(&s));
    for (size_t i = 0; i < s.subject_count; i++)
        TRY(tell_subject(&s, s.subjects[i]));
    TRY(read_logs(&s));
    cli->advice = S(
        "An update that wrote nothing leaves nothing, and turns are kept for three days. "
        "--log FOLDER reads logs from there.");
    if (!s.count)
        return fail(cli->arena, ERR_NOT_FOUND, "nothing is known of %" PRId64, number);
    cli->advice = S("");
    qsort(s.events, s.count, sizeof *s.events, by_time);
    if (cli->wants_json)
        print_json(&s);
    else
        print_story(&s);
    return NULL;
}
