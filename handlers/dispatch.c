#include "handlers/dispatch.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "db/generation.h"
#include "db/queries.h"
#include "handlers/admin.h"
#include "handlers/money/payment.h"
#include "handlers/person.h"
#include "handlers/routes.h"
#include "handlers/speech/speech.h"
#include "handlers/start.h"

enum {
    COUNTED_ATTEMPTS_MAX = 4, /* the fourth counted attempt parks the update */
    RUNS_MAX = 8,             /* of one turn that meets another of the same user */
};

/* ---------------------------------------------------------------- outcomes */

/* What a writing turn leaves in `turns`: enough to end it again without running the handler. */
static str outcome_json(struct turn *t)
{
    struct buf b = buf_new(t->arena);
    buf_add(&b, S("{\"from\":"));
    json_put_str(&b, str_from(state_rows[t->state].name));
    buf_add(&b, S(",\"to\":"));
    json_put_str(&b, str_from(state_rows[t->next_state].name));
    buf_addf(&b, ",\"version\":%" PRId64 ",\"entered\":%" PRId64 ",\"enters\":%s",
             t->session.version, t->session.entered, t->enters ? "true" : "false");
    buf_add(&b, S(",\"changes\":["));
    for (size_t i = 0; i < t->change_count; i++) {
        if (i)
            buf_add_char(&b, ',');
        json_put_object(&b, KVS(KV("name", t->changes[i].name), KV("value", t->changes[i].value)));
    }
    buf_add(&b, S("],\"calls\":["));
    for (size_t i = 0; i < t->call_count; i++) {
        const struct outgoing *call = &t->calls[i];
        if (i)
            buf_add_char(&b, ',');
        json_put_object(&b, KVS(KV("way", (int)call->way), KV("call", call->call),
                                KV("slot", call->slot), KV("closes", call->closes),
                                KV("job", call->job_id)));
    }
    buf_add(&b, S("]}"));
    return buf_str(&b);
}

/* The other way round: the turn is as its first run left it, also in what it knew of the dialog.
 * Others of the same user may have come between, and this one must not undo them. */
static void take_outcome(struct turn *t, struct json_object *outcome)
{
    t->change_count = t->call_count = 0;
    t->state = state_of(json_str(outcome, "from"));
    t->next_state = state_of(json_str(outcome, "to"));
    t->session.version = -1;
    t->enters = false;
    json_i64(outcome, "version", &t->session.version);
    json_i64(outcome, "entered", &t->session.entered);
    json_boolean(outcome, "enters", &t->enters);
    struct json_object *changes = json_at(outcome, "changes");
    for (size_t i = 0; i < json_length(changes); i++) {
        struct json_object *change = json_item(changes, i);
        const char *name = cstr(t->arena, json_str(change, "name"));
        if (json_has(change, "value"))
            field_put(t, name, json_str(change, "value"));
        else
            field_drop(t, name);
    }
    struct json_object *calls = json_at(outcome, "calls");
    for (size_t i = 0; i < json_length(calls); i++) {
        struct json_object *row = json_item(calls, i);
        int64_t way = CALL_QUEUED;
        struct outgoing call = {.call = json_str(row, "call"), .slot = json_str(row, "slot")};
        json_i64(row, "way", &way);
        json_i64(row, "job", &call.job_id);
        json_boolean(row, "closes", &call.closes);
        call.way = (enum call_way)way;
        turn_add_call(t, &call);
    }
}

str turn_outcome(struct turn *t)
{
    assert(!db_is_writing(t->db));
    if (t->next_state == ST_stay)
        dialog_stay(t);
    return outcome_json(t);
}

void turn_ended(struct turn *t)
{
    t->has_ended = true;
}

err *turn_was_ended(struct turn *t, str outcome)
{
    TRY(json_parse(t->arena, outcome, &t->replay));
    return fail(t->arena, ERR_REPLAY, "turn %" PRId64 " was committed before", t->update->id);
}

/* The first statement of a writing turn. Finding the row there means that an earlier run had
 * committed: its outcome is used and the handler's work is not done again. */
static err *claim_turn(struct db *db, void *owner)
{
    struct turn *t = owner;
    struct rows rows;
    TRY(db_query(db, &Q_turn_claim, &rows, V(t->bot->id), V(t->update->id),
                 V(t->user ? t->user->id : 0)));
    if (rows_is_null(&rows, 0, "outcome"))
        return NULL;
    return turn_was_ended(t, rows_str(&rows, 0, "outcome"));
}

/* A run that died between the two commits has done its work: the handler, which would read what that
 * run wrote, is not asked again. Only updates that were begun before cost this trip. */
static err *find_earlier_run(struct turn *t)
{
    struct rows rows;
    TRY(db_query(t->db, &Q_turn_find, &rows, V(t->bot->id), V(t->update->id)));
    if (!rows.count)
        return NULL;
    return turn_was_ended(t, rows_str(&rows, 0, "outcome"));
}

/* ---------------------------------------------------------------- which handler */

struct plan {
    handler *run;
    unsigned needs;
    enum state to;
    bool goes_on; /* a step of the open dialog, whose answers stay until it is over */
};

static bool find_route(const struct route *table, str name, struct plan *plan)
{
    for (; table->name; table++)
        if (str_is(name, table->name)) {
            *plan = (struct plan){.run = table->run, .needs = table->needs, .to = table->to};
            return true;
        }
    return false;
}

static bool find_step(enum state from, enum input input, str tap, struct plan *plan)
{
    for (const struct step *step = steps; step->from; step++)
        if (step->from == from && step->input == input &&
            (input != IN_TAP || str_is(tap, step->tap))) {
            *plan = (struct plan){.run = step->run, .to = step->to, .goes_on = step->to != ST_idle};
            return true;
        }
    return false;
}

/* "imagen:ratio:16:9" is the tap imagen:ratio with the argument 16:9. */
static str split_tap(str tap, str *argument)
{
    str feature, rest, action;
    str_cut(tap, ':', &feature, &rest);
    str_cut(rest, ':', &action, argument);
    size_t length = feature.len + (tap.len > feature.len ? 1 + action.len : 0);
    return str_sub(tap, 0, length);
}

err *on_old_button(struct turn *t)
{
    dialog_stay(t);
    t->is_redraw = true;
    hint(t, T_button_is_old);
    return state_rows[t->state].draw(t);
}

/* Where the dialog's thing is gone meanwhile, there is nothing to go on with. */
err *on_dialog_resume(struct turn *t)
{
    dialog_return(t);
    err *e = state_rows[t->next_state].draw(t);
    if (!err_is_not_found(e))
        return e;
    turn_unsay(t);
    dialog_enter(t, ST_idle);
    hint(t, T_thing_is_gone);
    return on_menu(t);
}

static err *on_unknown_words(struct turn *t)
{
    return say(t, t->state == ST_idle ? T_unknown_words : T_unknown_here);
}

/* "menu:open:new" stands under results and under progress, which must not give way to the menu. */
static void cut_new(struct turn *t)
{
    static const str end = S(":new");
    bool is_alone = str_eq(t->argument, S("new"));
    t->keeps_message = is_alone || str_ends(t->argument, end);
    if (t->keeps_message)
        t->argument = str_sub(t->argument, 0, is_alone ? 0 : t->argument.len - end.len);
}

static struct plan plan_tap(struct turn *t)
{
    struct plan plan;
    str name = split_tap(t->update->tap, &t->argument);
    cut_new(t);
    if (find_step(t->state, IN_TAP, name, &plan) || find_route(taps, name, &plan))
        return plan;
    return (struct plan){.run = on_old_button, .to = ST_stay};
}

/* "/start@our_bot promo" is the command /start with the text promo. */
static bool plan_command(struct turn *t, struct plan *plan)
{
    str word, rest, name, at;
    str_cut(t->text, ' ', &word, &rest);
    str_cut(word, '@', &name, &at);
    if (!find_route(commands, name, plan))
        return false;
    t->text = str_trim(rest);
    return true;
}

static bool is_photo(const struct update *update)
{
    return update->media == MEDIA_PHOTO ||
           (update->media == MEDIA_DOCUMENT && str_starts(update->mime_type, S("image/")));
}

static struct plan plan_message(struct turn *t)
{
    struct plan plan;
    if (str_starts(t->text, S("/")) && plan_command(t, &plan))
        return plan;
    if (is_photo(t->update) && find_step(t->state, IN_PHOTO, S(""), &plan))
        return plan;
    if (is_speech(t->update))
        return (struct plan){.run = on_speech, .to = ST_stay};
    if (t->update->media == MEDIA_DOCUMENT && !is_photo(t->update))
        return (struct plan){.run = on_file_unknown, .to = ST_stay};
    if (t->update->media == MEDIA_NONE && !str_starts(t->text, S("/")) &&
        find_step(t->state, IN_TEXT, S(""), &plan))
        return plan;
    return (struct plan){.run = on_unknown_words, .to = ST_stay};
}

/* The id that stands behind the name of a tap; what is left stays the argument. */
static str cut_id(struct turn *t)
{
    str id;
    str_cut(t->argument, ':', &id, &t->argument);
    return id;
}

static err *meet_needs(struct turn *t, unsigned needs)
{
    if ((needs & NEED_ADMIN) && !is_admin(t->bot->conf, t->update->user_id))
        return refuse(t, T_unknown_words);
    if (needs & NEED_IMAGE) {
        t->image = NEW(t->arena, struct image);
        TRY(image_find(t->db, t->arena, t->user->id, t->argument, t->image));
    }
    if (needs & NEED_GENERATION) {
        t->generation = NEW(t->arena, struct generation);
        TRY(generation_find(t->db, t->arena, t->user->id, cut_id(t), t->generation));
    }
    if (needs & NEED_AVATAR) {
        t->avatar = NEW(t->arena, struct avatar);
        TRY(avatar_find(t->db, t->arena, t->user->id, cut_id(t), t->avatar));
    }
    if (needs & NEED_TRANSCRIPT) {
        t->transcript = NEW(t->arena, struct transcript);
        TRY(transcript_find(t->db, t->arena, t->user->id, cut_id(t), t->transcript));
    }
    return NULL;
}

/* ---------------------------------------------------------------- running it */

static err *run_handler(struct turn *t)
{
    struct plan plan = t->update->kind == UPDATE_TAP ? plan_tap(t) : plan_message(t);
    TRY(meet_needs(t, plan.needs));
    TRY(plan.run(t));
    if (plan.to == ST_stay || t->next_state != ST_stay)
        return NULL;
    if (plan.goes_on)
        dialog_go_on(t, plan.to);
    else
        dialog_enter(t, plan.to);
    return NULL;
}

/* On each line of this turn; user: our number, once it is known. */
static void set_log_fields(struct arena *a, const struct update *update, int64_t user_id)
{
    struct kv user = user_id ? KV("user", user_id) : (struct kv){0};
    task_set_log_fields(
        log_fields(a, KVS(KV("turn", update->id), KV("chat", update->chat_id), user)));
}

/* A member update says only whether the user can be reached. */
static err *run_member(struct turn *t)
{
    bool is_gone = str_eq(t->update->member_status, S("kicked"));
    return is_gone ? user_mark_unreachable(t->db, t->chat_id)
                   : user_mark_reachable(t->db, t->chat_id);
}

static err *run_update(struct turn *t)
{
    if (t->was_begun)
        TRY(find_earlier_run(t));
    if (!t->update->is_private) {
        bool is_spoken_to = t->update->kind != UPDATE_MEMBER;
        if (!is_spoken_to || !str_empty(field_get(t, "g.told")))
            return NULL;
        field_put(t, "g.told", S("1"));
        return say(t, T_no_groups);
    }
    if (t->update->kind == UPDATE_MEMBER)
        return run_member(t);
    if (t->update->kind == UPDATE_REFUND)
        return on_payment_refunded(t);
    TRY(person_load(t));
    set_log_fields(t->arena, t->update, t->user->id);
    if (t->update->kind == UPDATE_PAYMENT)
        return on_payment(t); /* whoever has paid gets what was paid for */
    if (t->user->is_blocked) {
        if (!str_empty(field_get(t, "g.refused")))
            return NULL;
        field_put(t, "g.refused", S("1"));
        return say(t, T_user_blocked);
    }
    return run_handler(t);
}

/* Two calls of one turn must not overtake each other: the inline one is sooner than the queue. */
static void order_calls(struct turn *t)
{
    size_t visible = 0;
    for (size_t i = 0; i < t->call_count; i++)
        visible += t->calls[i].way != CALL_ANSWER;
    for (size_t i = 0; i < t->call_count && visible > 1; i++)
        if (t->calls[i].way == CALL_INLINE)
            t->calls[i].way = CALL_QUEUED;
}

static err *store_outcome(struct turn *t)
{
    return db_query_commit(t->db, &Q_turn_outcome, NULL, V(t->bot->id), V(t->update->id),
                           V(JSON(outcome_json(t))), V(t->user ? t->user->id : 0));
}

/* Runs the handler and, when it wrote, makes its work durable. NULL: the turn can be ended. */
static err *run_turn(struct turn *t, bool *has_written)
{
    err *e = run_update(t);
    if (err_is_not_found(e))
        e = refuse(t, T_thing_is_gone);
    if (e && e->kind == ERR_REFUSED) {
        if (db_is_writing(t->db))
            t->was_user_read = false; /* what was read is taken back with the rest */
        db_rollback(t->db);
        t->change_count = 0;
        t->next_state = ST_stay;
        t->enters = false;
        e = NULL;
    }
    if (!e) {
        say_tap_done(t);
        person_remember(t, db_is_writing(t->db));
        order_calls(t);
        if (t->next_state == ST_stay)
            t->next_state = t->state;
        *has_written = t->has_ended || db_is_writing(t->db);
        if (db_is_writing(t->db))
            e = store_outcome(t);
    }
    if (e)
        db_rollback(t->db);
    if (e && e->kind == ERR_REPLAY) {
        log_info("turn.replayed");
        take_outcome(t, t->replay);
        *has_written = true;
        return NULL;
    }
    return e;
}

static err *end_turn(struct turn *t, bool has_written, enum ended *ended, str *answer)
{
    const struct ending ending = {
        .update_id = t->update->id,
        .has_written = has_written,
        .enters = t->enters,
        .from_state = str_from(state_rows[t->state].name),
        .to_state = str_from(state_rows[t->next_state].name),
        .changes = t->changes,
        .change_count = t->change_count,
        .calls = t->calls,
        .call_count = t->call_count,
    };
    return session_commit(t->bot->cache, t->arena, &t->session, &ending, ended, answer);
}

/* ---------------------------------------------------------------- giving up */

err *dispatch_park(const struct bot *bot, struct arena *a, int64_t update_id, int64_t user_id,
                   str raw_body, const char *reason, int attempts)
{
    struct db *db = db_new(bot->pool, a);
    err *e = db_query_commit(db, &Q_parked_put, NULL, V(bot->id),
                             update_id ? V(update_id) : V(NOTHING), V(user_id),
                             V(str_hex(a, raw_body)), V(reason), V(attempts));
    if (e) {
        db_rollback(db);
        return e;
    }
    log_error("update.parked", KV("reason", reason), KV("attempts", attempts));
    return NULL;
}

/* A poisonous update must not hold up its chat: it is kept aside and the user is told. */
static err *park(struct turn *t, str raw_body, int attempts, str *answer)
{
    enum ended ended;
    err *e = find_earlier_run(t);
    if (e && e->kind == ERR_REPLAY) { /* its work is done: only its end is missing */
        take_outcome(t, t->replay);
        return end_turn(t, true, &ended, answer);
    }
    if (e)
        return e;
    TRY(dispatch_park(t->bot, t->arena, t->update->id, t->update->user_id, raw_body,
                      "too many attempts", attempts));
    t->change_count = 0;
    turn_unsay(t);
    TRY(say(t, t->update->kind == UPDATE_PAYMENT ? T_parked_payment : T_parked));
    say_tap_done(t);
    t->next_state = t->state;
    t->enters = false;
    return end_turn(t, true, &ended, answer);
}

static void answer_later(struct reply *reply, const char *outcome)
{
    *reply = (struct reply){.status = 503, .retry_at_once = true, .outcome = outcome};
}

/* The turn failed before its end. A fault of ours counts and may park; a store that is away never. */
static void fail_turn(struct turn *t, err *e, str raw_body, struct reply *reply)
{
    bool counts = !err_is_waiting(e);
    log_err(counts ? "turn.failed" : "turn.postponed", e, KVS());
    answer_later(reply, counts ? "failed" : "postponed");

    int attempts = 0;
    if (session_release(t->bot->cache, t->arena, t->chat_id, t->update->id, counts, &attempts))
        return;
    if (counts && attempts >= COUNTED_ATTEMPTS_MAX && !park(t, raw_body, attempts, &reply->body)) {
        reply->status = 200;
        reply->outcome = "parked";
    }
}

/* ---------------------------------------------------------------- the whole turn */

/* One hint a minute; but a tap is answered whatever happens, or its button would go on spinning. */
static void answer_flooded(struct arena *a, const struct update *update, int64_t above,
                           struct reply *reply)
{
    enum language language = language_of(update->language_code);
    str hint = above > 1 ? S("") : text_plain(a, language, T_flooded, KVS());
    reply->status = 200;
    if (update->kind == UPDATE_TAP)
        reply->body = answer_call(a, update->query_id, hint, false);
    else if (!str_empty(hint) && update->is_private)
        reply->body = message_call(a, update->chat_id, 0, hint, NULL);
}

static void start_turn(struct turn *t, const struct bot *bot, struct arena *a,
                       const struct update *update, const struct beginning *beginning)
{
    *t = (struct turn){
        .bot = bot,
        .arena = a,
        .db = db_new(bot->pool, a),
        .update = update,
        .chat_id = update->chat_id,
        .language = language_of(update->language_code),
        .text = str_trim(update->text),
        .session = beginning->session,
        .state = state_of(beginning->session.state),
        .was_begun = beginning->was_begun || str_empty(beginning->session.state),
    };
    t->keyboard = keyboard_new(a, t->language);
    db_on_begin(t->db, claim_turn, t);
}

/* Twenty photos in a few seconds are what an upload asks for. */
static str uncounted_state(const struct update *update)
{
    return is_photo(update) ? str_from(state_rows[ST_avatar_photos].name) : S("");
}

/* Money is exempt. */
static int64_t flood_limit(const struct bot *bot, const struct update *update)
{
    bool is_money = update->kind == UPDATE_PAYMENT || update->kind == UPDATE_REFUND;
    return is_money ? 0 : bot->conf->flood_limit_per_minute;
}

/* True when the reply stands; false when another turn came between and this one runs again. */
static bool run_once(const struct bot *bot, struct arena *a, const struct update *update,
                     str raw_body, struct reply *reply)
{
    *reply = (struct reply){.status = 200};
    struct beginning beginning;
    err *e = session_begin(bot->cache, a, update->chat_id, update->id, flood_limit(bot, update),
                           uncounted_state(update), &beginning);
    if (e) {
        log_err("turn.postponed", e, KVS());
        answer_later(reply, "postponed");
        return true;
    }
    switch (beginning.begun) {
    case BEGUN_DONE:
        reply->body = beginning.answer;
        reply->outcome = "repeated";
        return true;
    case BEGUN_RUNNING:
        answer_later(reply, "busy");
        return true;
    case BEGUN_FLOODED:
        answer_flooded(a, update, beginning.above, reply);
        reply->outcome = "flooded";
        return true;
    case BEGUN_RUN:
        break;
    }

    struct turn t;
    start_turn(&t, bot, a, update, &beginning);
    bool has_written = false;
    enum ended ended = ENDED_OK;
    bool is_given_up = beginning.counted_attempts >= COUNTED_ATTEMPTS_MAX;
    reply->outcome = is_given_up ? "parked" : "done";
    if (is_given_up)
        e = park(&t, raw_body, beginning.counted_attempts, &reply->body);
    else if (!(e = run_turn(&t, &has_written)))
        e = end_turn(&t, has_written, &ended, &reply->body);
    if (e)
        fail_turn(&t, e, raw_body, reply);
    return ended != ENDED_AGAIN;
}

void dispatch(const struct bot *bot, struct arena *a, const struct update *update, str raw_body,
              struct reply *reply)
{
    *reply = (struct reply){.status = 200, .outcome = "ignored"};
    if (update->kind == UPDATE_OTHER || !update->chat_id || update->is_bot)
        return;
    set_log_fields(a, update, 0);
    if (update->kind == UPDATE_PRE_CHECKOUT) {
        reply->body = payment_answer_checkout(bot, a, update);
        reply->outcome = "done";
        return;
    }
    for (int run = 0; run < RUNS_MAX; run++)
        if (run_once(bot, a, update, raw_body, reply))
            return;
    answer_later(reply, "busy");
}
