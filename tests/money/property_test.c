/*
 * Sixteen clients move coins of the same people at the same time, a hundred
 * thousand times, in transactions of one to twelve operations. Some are
 * rolled back, some lose their connection with the commit under way and are
 * done again. What each client was answered is kept, and afterwards compared
 * with a model that knows only the rules: it replays the transfers one by one.
 *
 *     MONEY_SEED=7 tests/check debug build/debug/tests/money/property_test
 *
 * The same is then run on ledgers with a planted fault, each of which must be found.
 */
#include "core/core.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail

#include "core/clock.h"
#include "tests/money/ground.h"

enum {
    CLIENTS = 16,
    PEOPLE = 24,
    NUMBERS = 320, /* keys of a sort and person, at most */
    NEAR = 4,      /* clients work on keys that lie so near each other */
    BATCH_MOST = 12,
    ALL_OPERATIONS = 104000,
#if defined __SANITIZE_ADDRESS__
    SHARE = 4, /* a part of the operations, on that part of the keys, so that they meet as often */
#else
    SHARE = 1,
#endif
    FEW_OPERATIONS = 3200,
    FAULTS_SHOWN = 12,
    CHECK_EVERY_US = 50 * 1000,
};

/* ---------------------------------------------------------------- what is asked for */

enum verb { CREDIT, DEBIT, HOLD, CAPTURE, RELEASE };
static const char *const verb_names[] = {"credit", "debit", "hold", "capture", "release"};

/* What a key is for says who may pay for it and how much: all clients that use it mean the same. */
enum sort { GIFT, PAYMENT, CORRECTION, REFUND, ORDER, SORTS };
static const struct {
    const char *letter, *source, *reason;
    enum verb verb;
} sorts[] = {
    [GIFT] = {"gift",       "promo",      "welcome",  CREDIT},
    [PAYMENT] = {"payment",    "stars",      "stars",    CREDIT},
    [CORRECTION] = {"correction", "adjustment", "operator", DEBIT },
    [REFUND] = {"refund",     "stars",      "refund",   DEBIT },
    [ORDER] = {"order",      "",           "image",    HOLD  },
};
static_assert(ARRAY_LEN(sorts) == SORTS, "each sort has its row");

struct attempt {
    enum verb verb;
    enum sort sort;
    int person;        /* whose coins; -1: somebody there is not */
    int owner, number; /* of the key: another person's for a slip */
    int64_t coins;     /* 0 of a capture: all of it */
    bool is_odd;       /* a wrong number of coins, or a source that gives nothing */
    const char *source;
    bool is_certain; /* the commit was answered */
    char state[6];
    bool answer;
    int64_t before, after; /* the newest transfers of the person */
};

static int64_t price_of(enum sort sort, int owner, int number)
{
    if (sort == REFUND)
        sort = PAYMENT;
    return 1 + ((int64_t)sort * 7919 + owner * 104729 + number * 1299709) % 60;
}

static void write_key(char *out, size_t size, enum sort sort, int owner, int number)
{
    snprintf(out, size, "%s:%d:%d", sorts[sort].letter, owner, number);
}

/* Half of what there is has no subject. */
static void write_subject(char *out, size_t size, enum sort sort, int owner, int number)
{
    out[0] = '\0';
    if (number % 2)
        snprintf(out, size, "00000000-0000-4000-8000-%04d%04d%04d", (int)sort, owner, number);
}

/* ---------------------------------------------------------------- clients */

struct client {
    pthread_t thread;
    const char *role;
    PGconn *connection;
    struct arena *arena;
    uint64_t random;
    int operations, done;
    struct attempt *attempts;
    size_t attempt_count, attempt_capacity;
    int deadlocks, cuts, rollbacks;
};

/* Splitmix64: each client has a sequence of its own, the same for the same seed. */
static uint64_t next_random(struct client *c)
{
    uint64_t z = c->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int below(struct client *c, int limit)
{
    return (int)(next_random(c) % (uint64_t)limit);
}

static bool by_chance(struct client *c, int percent)
{
    return below(c, 100) < percent;
}

static int numbers = NUMBERS;

/* What a user's finger, a webhook sent twice, or a mistake of ours might ask for. */
static void spoil(struct client *c, struct attempt *a)
{
    static const int64_t odd_coins[] = {-5, 1000};
    switch (below(c, 4)) {
    case 0:
        a->coins += 1; /* the key with another price */
        break;
    case 1:
        if (a->verb == CREDIT || a->verb == DEBIT)
            a->owner = (a->owner + 1) % PEOPLE; /* somebody else's key */
        break;
    case 2:
        a->is_odd = a->verb != RELEASE;
        a->coins = a->verb == CAPTURE ? odd_coins[below(c, 2)] : -a->coins;
        break;
    default:
        a->is_odd = a->verb == CREDIT || a->verb == DEBIT;
        if (a->is_odd)
            a->source = "revenue";
        else if (a->verb == HOLD)
            a->person = -1;
    }
}

static struct attempt make_attempt(struct client *c, int person)
{
    enum sort sort = (enum sort)below(c, SORTS + 3); /* orders are most of all */
    sort = sort >= SORTS ? ORDER : sort;
    int nearest = (int)((int64_t)c->done * (numbers - NEAR) / c->operations);
    struct attempt a = {
        .verb = sorts[sort].verb,
        .sort = sort,
        .person = person,
        .owner = person,
        .number = nearest + below(c, NEAR),
        .source = sorts[sort].source,
    };
    a.coins = price_of(a.sort, a.owner, a.number);
    if (sort == ORDER && by_chance(c, 60)) {
        a.verb = by_chance(c, 60) ? CAPTURE : RELEASE;
        a.coins = by_chance(c, 50) ? 0 : 1 + below(c, (int)a.coins);
    }
    if (by_chance(c, 4))
        spoil(c, &a);
    return a;
}

static int by_person(const void *a, const void *b)
{
    return ((const struct attempt *)a)->person - ((const struct attempt *)b)->person;
}

/* Mostly of one person, as in a turn; sometimes of several, in the order in which they are locked. */
static size_t make_batch(struct client *c, struct attempt *batch)
{
    size_t count = 1;
    count += (size_t)below(c, BATCH_MOST);
    bool is_mixed = by_chance(c, 20);
    int person = below(c, PEOPLE);
    for (size_t i = 0; i < count; i++)
        batch[i] = make_attempt(c, is_mixed ? below(c, PEOPLE) : person);
    qsort(batch, count, sizeof *batch, by_person);
    return count;
}

static str write_batch(struct client *c, const struct attempt *batch, size_t count)
{
    struct buf b = buf_new(c->arena);
    for (size_t i = 0; i < count; i++) {
        const struct attempt *a = &batch[i];
        char key[40], subject[40];
        write_key(key, sizeof key, a->sort, a->owner, a->number);
        write_subject(subject, sizeof subject, a->sort, a->owner, a->number);
        buf_addf(&b, "%s{\"verb\":\"%s\",\"person\":%" PRId64 ",\"key\":\"%s\",\"reason\":\"%s\"",
                 i ? "," : "", verb_names[a->verb], a->person < 0 ? 0 : base.people[a->person], key,
                 sorts[a->sort].reason);
        if (a->coins)
            buf_addf(&b, ",\"coins\":%" PRId64, a->coins);
        if (*a->source)
            buf_addf(&b, ",\"source\":\"%s\"", a->source);
        if (*subject)
            buf_addf(&b, ",\"subject\":\"%s\"", subject);
        buf_add_char(&b, '}');
    }
    return str_printf(c->arena, "[" STR_FMT "]", STR_ARG(buf_str(&b)));
}

static void keep_answers(struct client *c, struct attempt *batch, const PGresult *answers)
{
    for (int i = 0; i < PQntuples(answers); i++) {
        snprintf(batch[i].state, sizeof batch[i].state, "%s", PQgetvalue(answers, i, 0));
        batch[i].answer = *PQgetvalue(answers, i, 1) == 't';
        batch[i].before = strtoll(PQgetvalue(answers, i, 2), NULL, 10);
        batch[i].after = strtoll(PQgetvalue(answers, i, 3), NULL, 10);
    }
    size_t count = (size_t)PQntuples(answers);
    if (c->attempt_count + count > c->attempt_capacity) {
        c->attempt_capacity = (c->attempt_capacity + count) * 2;
        c->attempts = realloc(c->attempts, c->attempt_capacity * sizeof *c->attempts);
        assert(c->attempts);
    }
    memcpy(c->attempts + c->attempt_count, batch, count * sizeof *batch);
    c->attempt_count += count;
}

static void reconnect(struct client *c)
{
    PQfinish(c->connection);
    c->connection = base_connect(c->role);
}

enum end { COMMITTED, ROLLED_BACK, UNKNOWN, DEADLOCKED };

/* The commit goes out or does not, and nobody hears what came of it. */
static enum end cut_commit(struct client *c)
{
    if (by_chance(c, 70) && !PQsendQuery(c->connection, "commit"))
        bail_out("commit", PQerrorMessage(c->connection));
    shutdown(PQsocket(c->connection), SHUT_RDWR);
    reconnect(c);
    c->cuts++;
    return UNKNOWN;
}

static enum end run_batch(struct client *c, struct attempt *batch, const char *json)
{
    do_sql(c->connection, "begin");
    PGresult *answers = PQexecParams(c->connection, "select * from money_batch($1)", 1, NULL, &json,
                                     NULL, NULL, 0);
    if (PQresultStatus(answers) != PGRES_TUPLES_OK) {
        const char *state = PQresultErrorField(answers, PG_DIAG_SQLSTATE);
        if (!state || strcmp(state, "40P01") != 0)
            bail_out("a batch", PQerrorMessage(c->connection));
        PQclear(answers);
        do_sql(c->connection, "rollback");
        c->deadlocks++;
        return DEADLOCKED;
    }
    enum end end = COMMITTED;
    if (by_chance(c, 2)) {
        end = cut_commit(c);
    } else if (by_chance(c, 8)) {
        do_sql(c->connection, "rollback");
        c->rollbacks++;
        end = ROLLED_BACK;
    } else {
        do_sql(c->connection, "commit");
    }
    for (int i = 0; i < PQntuples(answers); i++)
        batch[i].is_certain = end == COMMITTED;
    if (end != ROLLED_BACK)
        keep_answers(c, batch, answers);
    PQclear(answers);
    return end;
}

static void *run_client(void *argument)
{
    struct client *c = argument;
    while (c->done < c->operations) {
        struct attempt batch[BATCH_MOST] = {0};
        size_t count = make_batch(c, batch);
        const char *json = cstr(c->arena, write_batch(c, batch, count));
        enum end end;
        do
            end = run_batch(c, batch, json);
        while (end == UNKNOWN || end == DEADLOCKED); /* as a turn that is delivered again */
        c->done += (int)count;
        arena_reset(c->arena);
    }
    return NULL;
}

/* What a worker does every five minutes: the mark of the check must go over no transfer that is still
 * to be committed, however many are under way. */
static void *run_checks(void *are_clients_done)
{
    PGconn *connection = base_connect("aisha_worker");
    while (!atomic_load((atomic_bool *)are_clients_done)) {
        PQclear(PQexec(connection, "select from ledger_check_on()"));
        usleep(CHECK_EVERY_US);
    }
    PQfinish(connection);
    return NULL;
}

static void run_clients(struct client *clients, int operations, uint64_t seed)
{
    pthread_t checks;
    atomic_bool are_done = false;
    for (int i = 0; i < CLIENTS; i++) {
        const char *role = i % 2 ? "aisha_worker" : "aisha_bot";
        clients[i] = (struct client){
            .role = role,
            .connection = base_connect(role),
            .arena = arena_new(4 << 20),
            .random = seed * CLIENTS + (uint64_t)i,
            .operations = operations / CLIENTS,
        };
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
    assert_int_equal(pthread_create(&checks, NULL, run_checks, &are_done), 0);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i].thread, NULL);
    atomic_store(&are_done, true);
    pthread_join(checks, NULL);
}

static void end_clients(struct client *clients)
{
    for (int i = 0; i < CLIENTS; i++) {
        PQfinish(clients[i].connection);
        arena_free(clients[i].arena);
        free(clients[i].attempts);
    }
}

/* ---------------------------------------------------------------- the model */

struct transfer {
    int64_t id, user_coins, held_coins, other_coins;
    int person;
    char kind[10], reason[20], other[20], subject[40];
};

struct state {
    int64_t id, balance; /* after that transfer */
};

static struct {
    struct transfer *transfers;
    size_t transfer_count;
    struct {
        const struct transfer *first, *end;
        int certain, perhaps; /* answers that say: done now, by me */
        bool is_part_asked;   /* a client who was told "captured" had asked for so much */
    } keys[SORTS][PEOPLE][NUMBERS];
    struct state *states[PEOPLE];
    size_t state_count[PEOPLE];
    int64_t balance[PEOPLE], held[PEOPLE],
        others[3]; /* of promo, stars, adjustment together; revenue */
    int faults;
    int seen[5][8]; /* verbs and outcomes that came to be */
} model;

#define FAULT(...)                                                                                 \
    do {                                                                                           \
        if (model.faults++ < FAULTS_SHOWN) {                                                       \
            printf("# ");                                                                          \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
        }                                                                                          \
    } while (0)

static int person_of(int64_t user_id)
{
    for (int i = 0; i < PEOPLE; i++)
        if (base.people[i] == user_id)
            return i;
    return -1;
}

static bool read_number(str text, int limit, int *out)
{
    int64_t number = 0;
    if (!str_to_i64(text, &number) || number < 0 || number >= limit)
        return false;
    *out = (int)number;
    return true;
}

/* "order:3:17", and the end of that hold, "order:3:17:settled". */
static bool read_key(str key, enum sort *sort, int *owner, int *number, bool *is_end)
{
    str letter, of, count, rest;
    if (!str_cut(key, ':', &letter, &rest) || !str_cut(rest, ':', &of, &rest))
        return false;
    *is_end = str_cut(rest, ':', &count, &rest);
    if (*is_end && !str_eq(rest, S("settled")))
        return false;
    for (int i = 0; i < SORTS; i++)
        if (str_eq(letter, str_from(sorts[i].letter))) {
            *sort = (enum sort)i;
            return read_number(of, PEOPLE, owner) && read_number(count, NUMBERS, number);
        }
    return false;
}

static void place_transfer(const struct transfer *t, const char *key)
{
    enum sort sort = GIFT;
    int owner = 0, number = 0;
    bool is_end = false;
    if (t->person < 0 || !read_key(str_from(key), &sort, &owner, &number, &is_end)) {
        FAULT("nobody asked for transfer %" PRId64 ", %s", t->id, key);
        return;
    }
    if (is_end)
        model.keys[sort][owner][number].end = t;
    else
        model.keys[sort][owner][number].first = t;
}

static void read_transfers(void)
{
    PGresult *rows = must(
        base.database,
        "select t.id, t.idempotency_key, t.kind, t.user_id, t.reason, coalesce(t.subject::text, ''),"
        " coalesce(sum(e.amount) filter (where a.kind = 'user' and a.user_id = t.user_id), 0),"
        " coalesce(sum(e.amount) filter (where a.kind = 'held' and a.user_id = t.user_id), 0),"
        " coalesce(sum(e.amount) filter (where a.user_id is null), 0),"
        " coalesce(string_agg(a.kind::text, '+') filter (where a.user_id is distinct from t.user_id), '')"
        " from ledger_transfers t left join ledger_entries e on e.transfer_id = t.id"
        " left join ledger_accounts a on a.id = e.account_id group by t.id order by t.id");
    model.transfer_count = (size_t)PQntuples(rows);
    model.transfers = calloc(model.transfer_count + 1, sizeof *model.transfers);
    for (int i = 0; i < PQntuples(rows); i++) {
        struct transfer *t = &model.transfers[i];
        t->id = number_at(rows, i, 0);
        snprintf(t->kind, sizeof t->kind, "%s", PQgetvalue(rows, i, 2));
        t->person = person_of(number_at(rows, i, 3));
        snprintf(t->reason, sizeof t->reason, "%s", PQgetvalue(rows, i, 4));
        snprintf(t->subject, sizeof t->subject, "%s", PQgetvalue(rows, i, 5));
        t->user_coins = number_at(rows, i, 6);
        t->held_coins = number_at(rows, i, 7);
        t->other_coins = number_at(rows, i, 8);
        snprintf(t->other, sizeof t->other, "%s", PQgetvalue(rows, i, 9));
        place_transfer(t, PQgetvalue(rows, i, 1));
    }
    PQclear(rows);
}

/* One transfer after another, as each person lived through them. */
static void replay(void)
{
    for (int i = 0; i < PEOPLE; i++)
        model.states[i] = calloc(model.transfer_count + 1, sizeof *model.states[i]);
    for (size_t i = 0; i < model.transfer_count; i++) {
        const struct transfer *t = &model.transfers[i];
        if (t->user_coins + t->held_coins + t->other_coins != 0)
            FAULT("transfer %" PRId64 " does not sum to zero", t->id);
        if (t->person < 0)
            continue;
        int64_t *balance = &model.balance[t->person], *held = &model.held[t->person];
        *balance += t->user_coins;
        *held += t->held_coins;
        if (*balance < 0 || *held < 0)
            FAULT("transfer %" PRId64 " leaves %" PRId64 " coins and %" PRId64 " held", t->id,
                  *balance, *held);
        model.states[t->person][++model.state_count[t->person]] = (struct state){t->id, *balance};
    }
}

/* ---------------------------------------------------------------- what was answered, and what is so */

/* The least and the most that a person had at any moment between two transfers. */
static void coins_between(int person, int64_t before, int64_t after, int64_t *least, int64_t *most)
{
    const struct state *states = model.states[person];
    size_t low = 0, high = model.state_count[person];
    while (low < high) { /* the last state that is not newer than `before` */
        size_t middle = (low + high + 1) / 2;
        if (states[middle].id <= before)
            low = middle;
        else
            high = middle - 1;
    }
    *least = *most = states[low].balance;
    for (size_t i = low + 1; i <= model.state_count[person] && states[i].id <= after; i++) {
        *least = states[i].balance < *least ? states[i].balance : *least;
        *most = states[i].balance > *most ? states[i].balance : *most;
    }
}

/* Whether that transfer is what was asked for. */
static bool fits(const struct attempt *a, const struct transfer *t)
{
    char subject[40];
    write_subject(subject, sizeof subject, a->sort, a->owner, a->number);
    int64_t coins = a->verb == CREDIT ? a->coins : -a->coins;
    bool is_hold = a->verb == HOLD;
    return t->person == a->person && strcmp(t->kind, verb_names[a->verb]) == 0 &&
           strcmp(t->reason, sorts[a->sort].reason) == 0 && strcmp(t->subject, subject) == 0 &&
           t->user_coins == coins && t->held_coins == (is_hold ? -coins : 0) &&
           t->other_coins == (is_hold ? 0 : -coins) && strcmp(t->other, a->source) == 0;
}

static void wrong(const struct attempt *a, const char *what)
{
    FAULT("%s %s:%d:%d of person %d, %" PRId64 " coins, answered %s %s between %" PRId64
          " and %" PRId64 ": %s",
          verb_names[a->verb], sorts[a->sort].letter, a->owner, a->number, a->person, a->coins,
          a->state, a->answer ? "true" : "false", a->before, a->after, what);
}

static bool was_there(const struct transfer *t, int64_t newest)
{
    return t && t->id <= newest;
}

/* In the window of its own person, whose transfers follow one another. */
static bool is_done_in(const struct transfer *t, const struct attempt *a)
{
    return t && t->id > a->before && t->id <= a->after;
}

static void judge_refusal(const struct attempt *a, const struct transfer *t)
{
    int64_t least, most;
    coins_between(a->person, a->before, a->after, &least, &most);
    if (a->verb != HOLD && a->verb != DEBIT)
        wrong(a, "asks for no coins");
    if (least >= a->coins)
        wrong(a, "the coins were there");
    if (t && t->person == a->person && was_there(t, a->before))
        wrong(a, "it had been done");
}

static void judge_move(const struct attempt *a)
{
    const struct transfer *t = model.keys[a->sort][a->owner][a->number].first;
    if (a->is_odd || a->person < 0) {
        const char *wanted = a->is_odd ? "22023" : "P0002";
        if (strcmp(a->state, wanted) != 0)
            wrong(a, "was not refused as the mistake that it is");
    } else if (strcmp(a->state, "AI001") == 0) {
        judge_refusal(a, t);
    } else if (strcmp(a->state, "AI003") == 0) {
        if (!t || fits(a, t))
            wrong(a, "its key was used for nothing else");
    } else if (strcmp(a->state, "00000") != 0) {
        wrong(a, "is no answer to expect");
    } else if (!t || !fits(a, t)) {
        wrong(a, "there is no such transfer");
    } else if (a->answer ? !is_done_in(t, a) : !was_there(t, a->after)) {
        wrong(a, "it was done at another time");
    }
}

static void judge_end(const struct attempt *a)
{
    const struct transfer *hold = model.keys[a->sort][a->owner][a->number].first;
    const struct transfer *end = model.keys[a->sort][a->owner][a->number].end;
    if (a->is_odd && a->coins <= 0) {
        if (strcmp(a->state, "22023") != 0)
            wrong(a, "was not refused as the mistake that it is");
    } else if (strcmp(a->state, "AI004") == 0) {
        if (was_there(hold, a->before))
            wrong(a, "there was such a hold");
    } else if (!was_there(hold, a->after)) {
        wrong(a, "there was no such hold");
    } else if (strcmp(a->state, "22023") == 0) {
        if (a->coins <= hold->held_coins || was_there(end, a->before))
            wrong(a, "there was nothing to refuse");
    } else if (strcmp(a->state, "00000") != 0) {
        wrong(a, "is no answer to expect");
    } else if (!was_there(end, a->after)) {
        wrong(a, "the hold had not ended");
    } else if (a->answer != (strcmp(end->kind, verb_names[a->verb]) == 0)) {
        wrong(a, "it ended the other way");
    }
}

static int outcome_of(const struct attempt *a)
{
    static const char *const states[] = {"AI001", "AI003", "AI004", "22023", "P0002"};
    for (int i = 0; i < (int)ARRAY_LEN(states); i++)
        if (strcmp(a->state, states[i]) == 0)
            return 2 + i;
    return a->answer;
}

static void judge(const struct attempt *a)
{
    bool is_move = a->verb == CREDIT || a->verb == DEBIT || a->verb == HOLD;
    if (is_move && a->answer)
        *(a->is_certain ? &model.keys[a->sort][a->owner][a->number].certain
                        : &model.keys[a->sort][a->owner][a->number].perhaps) += 1;
    const struct transfer *end = model.keys[a->sort][a->owner][a->number].end;
    if (a->verb == CAPTURE && a->answer && end)
        model.keys[a->sort][a->owner][a->number].is_part_asked |=
            end->other_coins == (a->coins ? a->coins : -end->held_coins);
    if (!a->is_certain)
        return;
    model.seen[a->verb][outcome_of(a)]++;
    if (is_move)
        judge_move(a);
    else
        judge_end(a);
}

/* What one key did: at most one thing, told to one client; and a hold at most one end of its whole. */
static void judge_key(enum sort sort, int owner, int number)
{
    const struct transfer *first = model.keys[sort][owner][number].first;
    const struct transfer *end = model.keys[sort][owner][number].end;
    int certain = model.keys[sort][owner][number].certain;
    int perhaps = model.keys[sort][owner][number].perhaps;
    if (certain > 1 || (first && certain + perhaps == 0) || (!first && certain > 0))
        FAULT("%s:%d:%d was done %d times by what was answered", sorts[sort].letter, owner, number,
              certain);
    if (!end)
        return;
    if (!first || end->id < first->id || end->person != first->person ||
        end->held_coins != -first->held_coins || strcmp(end->subject, first->subject) != 0 ||
        strcmp(end->reason, first->reason) != 0) {
        FAULT("%s:%d:%d has an end that is not its own", sorts[sort].letter, owner, number);
        return;
    }
    bool is_release = strcmp(end->kind, "release") == 0;
    if (is_release ? end->other_coins != 0
                   : end->other_coins <= 0 || strcmp(end->other, "revenue") != 0)
        FAULT("%s:%d:%d was %sd with %" PRId64 " coins spent", sorts[sort].letter, owner, number,
              end->kind, end->other_coins);
    if (!is_release && !model.keys[sort][owner][number].is_part_asked)
        FAULT("%s:%d:%d was captured with %" PRId64 " coins, which nobody asked for",
              sorts[sort].letter, owner, number, end->other_coins);
    if (end->user_coins < 0)
        FAULT("%s:%d:%d took more than was held", sorts[sort].letter, owner, number);
}

/* ---------------------------------------------------------------- what the database says of itself */

static void compare_balances(void)
{
    for (int i = 0; i < PEOPLE; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "select balance, held from ledger_balance(%" PRId64 ")",
                 base.people[i]);
        PGresult *row = must(base.database, sql);
        if (number_at(row, 0, 0) != model.balance[i] || number_at(row, 0, 1) != model.held[i])
            FAULT("person %d has %s and %s held, not %" PRId64 " and %" PRId64, i,
                  PQgetvalue(row, 0, 0), PQgetvalue(row, 0, 1), model.balance[i], model.held[i]);
        PQclear(row);
    }
}

/* Every line with the balance after it, page by page, newest first. */
static void compare_statement(int person)
{
    size_t at = model.state_count[person];
    int64_t before = 0;
    for (;;) {
        char sql[160];
        snprintf(sql, sizeof sql,
                 "select id, balance_after from ledger_statement(%" PRId64 ", 37, nullif(%" PRId64
                 "::bigint, 0))",
                 base.people[person], before);
        PGresult *page = must(base.database, sql);
        for (int i = 0; i < PQntuples(page); i++) {
            before = number_at(page, i, 0);
            while (at > 0 && model.states[person][at].id > before)
                at--; /* a full capture is no line */
            if (at == 0 || model.states[person][at].id != before ||
                model.states[person][at].balance != number_at(page, i, 1))
                FAULT("the statement of person %d is wrong at %" PRId64, person, before);
        }
        bool is_last = PQntuples(page) < 37;
        PQclear(page);
        if (is_last)
            return;
    }
}

/* Who was cut off may still be at his commit. */
static void await_clients(void)
{
    while (number_of(base.database,
                     "select count(*) from pg_stat_activity where datname = current_database()"
                     " and usename in ('aisha_bot', 'aisha_worker')") > CLIENTS)
        do_sql(base.database, "select pg_stat_clear_snapshot()");
}

/* The mark comes to the end when nothing else of this server is under way, and says what reading
 * everything says. */
static void compare_mark(void)
{
    enum { TRIES_MOST = 600 };
    static const char is_behind[] = "select (select max(id) from ledger_transfers) - transfer_id"
                                    " from ledger_marks";
    int tries = 0;
    while (number_of(base.database, is_behind) > 0 && tries++ < TRIES_MOST) {
        PGresult *problems = must(base.database, "select problem from ledger_check_on()");
        for (int i = 0; i < PQntuples(problems); i++)
            FAULT("ledger_check_on: %s", PQgetvalue(problems, i, 0));
        bool is_wrong = PQntuples(problems) > 0;
        PQclear(problems);
        if (is_wrong)
            return;
        usleep(CHECK_EVERY_US);
    }
    if (tries > TRIES_MOST)
        FAULT("the mark does not come to the end");
    if (number_of(base.database,
                  "select count(*) from ledger_checked_sums c full join (select account_id,"
                  " sum(amount) as amount from ledger_entries group by account_id) e"
                  " using (account_id) where c.amount is distinct from e.amount") != 0)
        FAULT("the mark has other sums than the entries");
    if (number_of(base.database,
                  "select count(*) from ledger_checked_holds c full join open_holds o"
                  " using (transfer_id)"
                  " where c.transfer_id is null or o.transfer_id is null") != 0)
        FAULT("the mark has other holds than there are");
}

static void compare_whole(void)
{
    if (number_of(base.database, "select coalesce(sum(amount), 0)::bigint from ledger_entries") !=
        0)
        FAULT("the ledger does not sum to zero");
    PGresult *problems = must(base.database, "select problem from ledger_check()");
    for (int i = 0; i < PQntuples(problems); i++)
        FAULT("ledger_check: %s", PQgetvalue(problems, i, 0));
    PQclear(problems);
    compare_mark();
    compare_balances();
    for (int i = 0; i < PEOPLE; i++)
        compare_statement(i);
}

/* ---------------------------------------------------------------- runs */

static void forget_model(void)
{
    free(model.transfers);
    for (int i = 0; i < PEOPLE; i++)
        free(model.states[i]);
    memset(&model, 0, sizeof model);
}

static void judge_all(const struct client *clients)
{
    read_transfers();
    replay();
    for (int c = 0; c < CLIENTS; c++)
        for (size_t i = 0; i < clients[c].attempt_count; i++)
            judge(&clients[c].attempts[i]);
    for (int sort = 0; sort < SORTS; sort++)
        for (int owner = 0; owner < PEOPLE; owner++)
            for (int number = 0; number < NUMBERS; number++)
                judge_key((enum sort)sort, owner, number);
    compare_whole();
}

static void tell(const struct client *clients, uint64_t seed)
{
    int operations = 0, deadlocks = 0, cuts = 0, rollbacks = 0;
    for (int i = 0; i < CLIENTS; i++) {
        operations += clients[i].done;
        deadlocks += clients[i].deadlocks;
        cuts += clients[i].cuts;
        rollbacks += clients[i].rollbacks;
    }
    printf("# MONEY_SEED=%" PRIu64 ": %d operations, %zu transfers; rolled back %d, cut off %d, "
           "deadlocks %d, faults %d\n",
           seed, operations, model.transfer_count, rollbacks, cuts, deadlocks, model.faults);
}

/* The number of faults that were found. */
static int run(int operations, uint64_t seed, const char *plant)
{
    static struct client clients[CLIENTS];
    forget_model();
    base_make(PEOPLE);
    if (plant)
        do_sql(base.database, plant);
    base_load("tests/money/batch.sql");
    run_clients(clients, operations, seed);
    await_clients();
    judge_all(clients);
    tell(clients, seed);
    end_clients(clients);
    base_drop();
    return model.faults;
}

static uint64_t choose_seed(void)
{
    const char *given = getenv("MONEY_SEED");
    return given && *given ? strtoull(given, NULL, 10) : random_below(1000000);
}

static void every_answer_is_what_the_rules_say(void **state)
{
    (void)state;
    numbers = NUMBERS / SHARE;
    assert_int_equal(run(ALL_OPERATIONS / SHARE, choose_seed(), NULL), 0);
    numbers = NUMBERS;
    static const char *const wanted[] = {
        [CREDIT] = "11.1.1.",  [DEBIT] = "1111.1.",   [HOLD] = "1111.11",
        [CAPTURE] = "11..11.", [RELEASE] = "11..1..",
    };
    bool is_missing = false;
    for (size_t verb = 0; verb < ARRAY_LEN(wanted); verb++)
        for (size_t outcome = 0; wanted[verb][outcome]; outcome++)
            if (wanted[verb][outcome] == '1' && !model.seen[verb][outcome]) {
                printf("# no %s ever came to outcome %zu\n", verb_names[verb], outcome);
                is_missing = true;
            }
    assert_false(is_missing);
}

/* A plant replaces words in a function of the ledger, and says so when they are not there. */
#define PLANT(function, words, others)                                                             \
    "do $plant$ declare had text := pg_get_functiondef('" function "'::regproc);"                  \
    " has text := replace(had, $w$" words "$w$, $w$" others "$w$);"                                \
    " begin if had = has then raise 'nothing to plant'; end if; execute has; end $plant$"

static void planted_faults_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *name, *plant;
    } plants[] = {
        {"a credit is given twice",
         PLANT("ledger_credit",                                     "return ledger_post(p_key",
         "perform ledger_post(p_key || ':more', 'credit', p_user_id, p_subject, p_reason,"
               " array[ledger_account('user', p_user_id), ledger_account(p_source)],"
               " array[p_amount, -p_amount]); return ledger_post(p_key")                                                                              },
        {"a repeated credit is given again",
         PLANT(
             "ledger_credit",                                       "return ledger_post(p_key",
         "if exists (select from ledger_transfers where idempotency_key = p_key) then"
             " return ledger_post(p_key || ':' || clock_timestamp(), 'credit', p_user_id, p_subject,"
             " p_reason, array[ledger_account('user', p_user_id), ledger_account(p_source)],"
             " array[p_amount, -p_amount]); end if; return ledger_post(p_key")                                                                        },
        {"a repeat says that it was done now",
         PLANT("ledger_post",                                       "return false;",                            "return true;")                       },
        {"the last coin cannot be spent",
         PLANT("ledger_post",                                       "touched.balance + touched.amount < 0",
         "touched.balance + touched.amount < 1")                                                                                                      },
        {"a hold can end both ways",
         PLANT("ledger_settle",                                     "p_hold_key || ':settled'",                 "p_hold_key || ':settled:' || p_kind")},
        {"a partial capture keeps the rest",
         PLANT("ledger_settle",                                     "spent := coalesce(p_spent, hold.amount);",
         "spent := hold.amount;")                                                                                                                     },
        {"nobody is locked",                   PLANT("ledger_lock", "for update",                               "")                                   },
    };
    for (size_t i = 0; i < ARRAY_LEN(plants); i++) {
        printf("# %s\n", plants[i].name);
        assert_true(run(FEW_OPERATIONS, 1 + i, plants[i].plant) > 0);
    }
    forget_model();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_what_the_rules_say),
        cmocka_unit_test(planted_faults_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
