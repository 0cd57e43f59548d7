#include "handlers/money/limits.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/numbers.h"
#include "db/spend.h"
#include "handlers/admin.h"

enum { WARNED_AT_PERCENT = 80, REACHED_PERCENT = 100 };

str limits_next_day(const struct turn *t)
{
    static const int64_t day_ms = INT64_C(24) * 3600 * 1000;
    int64_t next_ms = (clock_ms() / day_ms + 1) * day_ms;
    return moment_shown(t->arena, next_ms, t->user->utc_offset_minutes);
}

/* ---------------------------------------------------------------- the day's spend */

static err *note(struct db *db, const struct turn *t, int percent, int64_t total)
{
    const struct conf *conf = t->bot->conf;
    return spend_note(db, t->arena, &conf->telegram_admin_ids, percent, total,
                      conf->daily_spend_limit_microdollars);
}

/* The order is taken back, the note to the admins is not: it has a transaction of its own. */
static err *note_by_itself(const struct turn *t, int64_t total)
{
    struct db *db = db_new(t->bot->pool, t->arena);
    err *e = note(db, t, REACHED_PERCENT, total);
    if (!e)
        e = db_commit(db);
    if (e)
        db_rollback(db);
    return e;
}

static err *refuse_for_today(struct turn *t, int64_t total)
{
    turn_take_back(t);
    TRY(note_by_itself(t, total));
    log_warn("spend.reached", KV("microdollars", total));
    dialog_back_row(t, T_button_back);
    TRY(edit(t, dialog_behind(t) == ST_idle ? T_spend_reached : T_spend_reached_kept,
             KV("when", limits_next_day(t))));
    return fail(t->arena, ERR_REFUSED, "the day's spend is reached");
}

static int percent_of(int64_t total, int64_t limit)
{
    return total >= limit ? REACHED_PERCENT : (int)(total * 100 / limit);
}

err *limits_admit(struct turn *t)
{
    int64_t limit = t->bot->conf->daily_spend_limit_microdollars, total;
    bool fits;
    if (!limit)
        return NULL;
    TRY(spend_admit(t->db, limit, 0, &total, &fits));
    if (!fits)
        return refuse_for_today(t, total);
    int percent = percent_of(total, limit);
    if (percent < WARNED_AT_PERCENT)
        return NULL;
    return note(t->db, t, percent < REACHED_PERCENT ? WARNED_AT_PERCENT : REACHED_PERCENT, total);
}

err *job_spend_note(struct work *w)
{
    int64_t percent = 0, total = 0, limit = 0;
    json_i64(w->payload, "percent", &percent);
    json_i64(w->payload, "total", &total);
    json_i64(w->payload, "limit", &limit);
    return admin_tell(w, percent < REACHED_PERCENT ? T_spend_note_near : T_spend_note_reached,
                      KVS(KV("total", number_dollars(w->arena, total)),
                          KV("limit", number_dollars(w->arena, limit))));
}

/* ---------------------------------------------------------------- presents */

err *limits_give_preview(struct db *db, const struct conf *conf, int64_t user_id,
                         int64_t cost_microdollars, bool *is_given)
{
    int64_t limit = conf->daily_spend_limit_microdollars, total;
    *is_given = true;
    if (limit)
        TRY(spend_admit(db, limit, cost_microdollars, &total, is_given));
    return *is_given ? free_use(db, user_id, "preview", conf->free_previews_per_day, is_given)
                     : NULL;
}
