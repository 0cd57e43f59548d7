#include "core/numbers.h"
#include "status/panels.h"

enum {
    MINUTE_MS = 60 * 1000,
    QUEUE_LATE_MS = MINUTE_MS,
    ORDER_LATE_MS = 10 * MINUTE_MS,
};

static void lane_concern(struct page *p, str lane, int64_t oldest_ms, int64_t dead)
{
    if (oldest_ms >= QUEUE_LATE_MS)
        page_concern(p, LEVEL_LATE, "queues",
                     str_printf(p->arena, "Queue " STR_FMT ": the oldest has waited " STR_FMT,
                                STR_ARG(lane), STR_ARG(number_duration(p->arena, oldest_ms))));
    if (dead > 0)
        page_concern(
            p, LEVEL_LATE, "dead",
            str_printf(p->arena, "Queue " STR_FMT ": %" PRId64 " given up", STR_ARG(lane), dead));
}

void panel_queues(struct page *p)
{
    static const struct column columns[] = {
        {"Lane",       WORDS },
        {"Due",        NUMBER},
        {"Oldest due", NUMBER},
        {"Later",      NUMBER},
        {"Running",    NUMBER},
        {"Dead",       NUMBER}
    };
    const struct rows *lanes = &p->figures->lanes;
    page_section(p, "queues", "Queues");
    struct table t = TABLE(p, columns);
    for (int i = 0; i < lanes->count; i++) {
        int64_t due = rows_i64(lanes, i, "due"), oldest_ms = rows_i64(lanes, i, "oldest_ms");
        cell_text(&t, rows_str(lanes, i, "lane"));
        cell_number(&t, due);
        cell_text(&t, due ? number_duration(p->arena, oldest_ms) : S(""));
        cell_number(&t, rows_i64(lanes, i, "queued") - due);
        cell_number(&t, rows_i64(lanes, i, "running"));
        cell_number(&t, rows_i64(lanes, i, "dead"));
        lane_concern(p, rows_str(lanes, i, "lane"), oldest_ms, rows_i64(lanes, i, "dead"));
    }
    table_end(&t);
    page_section_end(p);
}

void panel_outbox(struct page *p)
{
    const struct redis_figures *redis = &p->figures->redis;
    page_section(p, "outbox", "Outbox");
    if (redis->failure) {
        page_none(p, "Redis does not answer, so its length is not known.");
    } else {
        page_put(p, S("<dl class=\"tiles\">\n"));
        page_tile(p, "Calls waiting", number_grouped(p->arena, redis->calls_waiting),
                  S("to be sent to chats"));
        page_tile(p, "Taps to answer", number_grouped(p->arena, redis->answers_waiting),
                  S("the spinners on buttons"));
        page_put(p, S("</dl>\n"));
    }
    page_section_end(p);
}

static void running_row(struct table *t, const struct rows *jobs, int i)
{
    cell_text(t, rows_str(jobs, i, "id"));
    cell_text(t, rows_str(jobs, i, "lane"));
    cell_text(t, rows_str(jobs, i, "kind"));
    cell_text(t, rows_str(jobs, i, "worker"));
    cell_number(t, rows_i64(jobs, i, "attempt"));
    cell_duration(t, rows_i64(jobs, i, "running_ms"));
}

void panel_running_jobs(struct page *p)
{
    static const struct column columns[] = {
        {"Job",         WORDS },
        {"Lane",        WORDS },
        {"Kind",        WORDS },
        {"Worker",      WORDS },
        {"Attempt",     NUMBER},
        {"Running for", NUMBER}
    };
    ROWS_SECTION(p, "running", "Jobs in flight", columns, &p->figures->running, running_row);
}

static void dead_row(struct table *t, const struct rows *jobs, int i)
{
    cell_text(t, rows_str(jobs, i, "id"));
    cell_text(t, rows_str(jobs, i, "lane"));
    cell_text(t, rows_str(jobs, i, "kind"));
    cell_id(t, rows_str(jobs, i, "subject"));
    cell_user(t, rows_i64(jobs, i, "user_id"));
    cell_number(t, rows_i64(jobs, i, "failures"));
    cell_text(t, rows_str(jobs, i, "last_error"));
    cell_ago(t, rows_i64(jobs, i, "finished_at_ms"));
    cell_job_forms(t, jobs, i, 0);
}

void panel_dead_jobs(struct page *p)
{
    static const struct column columns[] = {
        {"Job",      WORDS },
        {"Lane",     WORDS },
        {"Kind",     WORDS },
        {"About",    WORDS },
        {"User",     WORDS },
        {"Failures", NUMBER},
        {"Why",      LONG  },
        {"When",     WORDS },
        {"What now", WORDS }
    };
    ROWS_SECTION(p, "dead", "Jobs given up", columns, &p->figures->dead, dead_row);
}

static void training_row(struct table *t, const struct rows *trainings, int i)
{
    cell_id(t, rows_str(trainings, i, "id"));
    cell_user(t, rows_i64(trainings, i, "user_id"));
    cell_text(t, rows_str(trainings, i, "training_type"));
    cell_text(t, rows_str(trainings, i, "preset"));
    cell_text(t, rows_str(trainings, i, "status"));
    cell_text(t, str_printf(t->page->arena, "%" PRId64 " %%", rows_i64(trainings, i, "progress")));
    cell_number(t, rows_i64(trainings, i, "attempt"));
    cell_duration(t, rows_i64(trainings, i, "age_ms"));
    cell_duration(t, rows_i64(trainings, i, "silent_ms"));
}

void panel_open_trainings(struct page *p)
{
    static const struct column columns[] = {
        {"Training",    WORDS },
        {"User",        WORDS },
        {"Type",        WORDS },
        {"Preset",      WORDS },
        {"Status",      WORDS },
        {"Progress",    NUMBER},
        {"Submissions", NUMBER},
        {"Age",         NUMBER},
        {"Silent for",  NUMBER}
    };
    ROWS_SECTION(p, "trainings", "Open trainings", columns, &p->figures->open_trainings,
                 training_row);
}

static void order_row(struct table *t, const struct rows *orders, int i)
{
    cell_id(t, rows_str(orders, i, "id"));
    cell_user(t, rows_i64(orders, i, "user_id"));
    cell_text(t, rows_str(orders, i, "source_model"));
    cell_number(t, rows_i64(orders, i, "num_images"));
    cell_text(t, rows_str(orders, i, "status"));
    cell_number(t, rows_i64(orders, i, "attempt"));
    cell_duration(t, rows_i64(orders, i, "age_ms"));
    cell_duration(t, rows_i64(orders, i, "silent_ms"));
}

void panel_open_orders(struct page *p)
{
    static const struct column columns[] = {
        {"Order",       WORDS },
        {"User",        WORDS },
        {"Model",       LONG  },
        {"Images",      NUMBER},
        {"Status",      WORDS },
        {"Submissions", NUMBER},
        {"Age",         NUMBER},
        {"Silent for",  NUMBER}
    };
    const struct rows *orders = &p->figures->open;
    ROWS_SECTION(p, "orders", "Open orders", columns, orders, order_row);
    int64_t oldest_ms = orders->count ? rows_i64(orders, 0, "age_ms") : 0;
    if (oldest_ms >= ORDER_LATE_MS)
        page_concern(p, LEVEL_LATE, "orders",
                     str_printf(p->arena, "The oldest open order is " STR_FMT " old",
                                STR_ARG(number_duration(p->arena, oldest_ms))));
}

void panel_parked(struct page *p)
{
    static const struct column columns[] = {
        {"Id",       WORDS },
        {"Update",   WORDS },
        {"User",     WORDS },
        {"Why",      LONG  },
        {"Attempts", NUMBER},
        {"When",     WORDS }
    };
    const struct rows *updates = &p->figures->parked, *count = &p->figures->parked_count;
    page_section(p, "parked", "Updates given up");
    if (!updates->count || !count->count)
        page_none(p, "None.");
    else {
        int64_t lately = rows_i64(count, 0, "parked_today");
        buf_addf(&p->body,
                 "<p class=\"note\">%" PRId64 " kept, %" PRId64 " of them in the last 24 h</p>\n",
                 rows_i64(count, 0, "parked"), lately);
        struct table t = TABLE(p, columns);
        for (int i = 0; i < updates->count; i++) {
            cell_text(&t, rows_str(updates, i, "id"));
            cell_text(&t, rows_str(updates, i, "update_id"));
            cell_user(&t, rows_i64(updates, i, "user_id"));
            cell_text(&t, rows_str(updates, i, "reason"));
            cell_number(&t, rows_i64(updates, i, "attempts"));
            cell_ago(&t, rows_i64(updates, i, "created_at_ms"));
        }
        table_end(&t);
        if (lately > 0)
            page_concern(
                p, LEVEL_LATE, "parked",
                str_printf(p->arena, "Updates given up in the last 24 h: %" PRId64, lately));
    }
    page_section_end(p);
}

void panel_events(struct page *p)
{
    static const struct column columns[] = {
        {"Event", WORDS },
        {"Times", NUMBER},
        {"Last",  WORDS }
    };
    const struct rows *rows = &p->figures->counters;
    if (!rows->count)
        return;
    page_section(p, "counters", "Rare events");
    struct table t = TABLE(p, columns);
    for (int i = 0; i < rows->count; i++) {
        cell_text(&t, rows_str(rows, i, "name"));
        cell_number(&t, rows_i64(rows, i, "value"));
        cell_ago(&t, rows_i64(rows, i, "updated_at_ms"));
    }
    table_end(&t);
    page_section_end(p);
}
