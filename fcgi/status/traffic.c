#include "core/numbers.h"
#include "status/panels.h"

static str seconds_text(struct arena *a, double seconds)
{
    return str_printf(a, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
}

void panel_today(struct page *p)
{
    const struct rows *orders = &p->figures->orders, *users = &p->figures->users;
    struct arena *a = p->arena;
    if (!orders->count || !users->count)
        return;
    int64_t completed = rows_i64(orders, 0, "completed");
    str median = completed ? seconds_text(a, rows_double(orders, 0, "median_seconds")) : S("–");
    str p95 = completed ? seconds_text(a, rows_double(orders, 0, "p95_seconds")) : S("–");

    page_section(p, "today", "Today <small>since 00:00 UTC</small>");
    page_put(p, S("<dl class=\"tiles\">\n"));
    page_tile(p, "Images", number_grouped(a, rows_i64(orders, 0, "images")),
              str_printf(a, STR_FMT " orders, %" PRId64 " failed",
                         STR_ARG(number_grouped(a, rows_i64(orders, 0, "ordered"))),
                         rows_i64(orders, 0, "failed")));
    page_tile(p, "Median wait", median, S("order to stored image"));
    page_tile(p, "p95 wait", p95, S("19 of 20 were faster"));
    page_tile(p, "Open orders", number_grouped(a, rows_i64(orders, 0, "open")), S(""));
    page_tile(p, "Users", number_grouped(a, rows_i64(users, 0, "everybody")),
              str_printf(a, STR_FMT " new in 24 h",
                         STR_ARG(number_grouped(a, rows_i64(users, 0, "new_today")))));
    page_put(p, S("</dl>\n"));
    page_section_end(p);
}

static int hour_of(int64_t unix_ms)
{
    return (int)(unix_ms / 3600000 % 24);
}

void panel_images(struct page *p)
{
    const struct rows *hours = &p->figures->hours;
    struct arena *a = p->arena;
    int64_t most = 0, sum = 0;
    if (!hours->count)
        return;
    struct bar *bars = NEW_ARRAY(a, struct bar, (size_t)hours->count);
    for (int i = 0; i < hours->count; i++) {
        int64_t images = rows_i64(hours, i, "images");
        most = images > most ? images : most;
        sum += images;
        bars[i] = (struct bar){.value = images,
                               .title = str_printf(a, "%02d:00 UTC: %" PRId64,
                                                   hour_of(rows_i64(hours, i, "hour_ms")), images)};
    }
    page_section(p, "hours", "Images an hour <small>last 24 h, UTC</small>");
    buf_addf(&p->body, "<p class=\"note\">" STR_FMT " in all, at most " STR_FMT " in an hour</p>\n",
             STR_ARG(number_grouped(a, sum)), STR_ARG(number_grouped(a, most)));
    page_bars(p, bars, (size_t)hours->count,
              str_printf(a,
                         "Images in each of the last 24 hours: %" PRId64 " in all, at most %" PRId64
                         " in one hour",
                         sum, most));
    page_put(p, S("<div class=\"hours\" aria-hidden=\"true\">"));
    for (int i = 0; i < hours->count; i += 6)
        buf_addf(&p->body, "<span>%02d:00</span>", hour_of(rows_i64(hours, i, "hour_ms")));
    page_put(p, S("<span>now</span></div>\n"));
    page_section_end(p);
}

/* ---------------------------------------------------------------- updates */

enum { ERRORS_CONCERN_PERCENT = 1, MINUTES_LATELY = 5 };

static str milliseconds_text(struct arena *a, double seconds)
{
    return seconds < 1 ? str_printf(a, "%.1f ms", seconds * 1000) : seconds_text(a, seconds);
}

static void answer_tile(struct page *p, const char *title, double share, const char *note)
{
    const struct metric_histogram *answers = &p->figures->traffic.answers;
    double seconds = metric_histogram_quantile(answers, METRIC_update_duration, share);
    page_tile(p, title, answers->count ? milliseconds_text(p->arena, seconds) : S("–"),
              str_from(note));
}

static void update_bars(struct page *p, int64_t updates, int64_t errors)
{
    const struct traffic *traffic = &p->figures->traffic;
    struct arena *a = p->arena;
    struct bar *bars = NEW_ARRAY(a, struct bar, MINUTES_DRAWN);
    for (int i = 0; i < MINUTES_DRAWN; i++)
        bars[i] = (struct bar){
            .value = traffic->updates[i],
            .bad = traffic->errors[i],
            .title = str_printf(a, "%d min ago: %" PRId64 " updates, %" PRId64 " errors",
                                MINUTES_DRAWN - 1 - i, traffic->updates[i], traffic->errors[i])};
    page_bars(p, bars, MINUTES_DRAWN,
              str_printf(a,
                         "Updates in each of the last %d minutes: %" PRId64 " in all, %" PRId64
                         " of them errors",
                         (int)MINUTES_DRAWN, updates, errors));
    page_put(p, S("<div class=\"hours\" aria-hidden=\"true\"><span>1 h ago</span><span>30 min "
                  "ago</span><span>now</span></div>\n"));
}

static void error_concern(struct page *p)
{
    const struct traffic *traffic = &p->figures->traffic;
    int64_t updates = 0, errors = 0;
    for (int i = MINUTES_DRAWN - MINUTES_LATELY; i < MINUTES_DRAWN; i++) {
        updates += traffic->updates[i];
        errors += traffic->errors[i];
    }
    if (errors && errors * 100 >= updates * ERRORS_CONCERN_PERCENT)
        page_concern(p, LEVEL_LATE, "updates",
                     str_printf(p->arena,
                                "Updates with errors in the last %d minutes: %" PRId64
                                " of %" PRId64,
                                (int)MINUTES_LATELY, errors, updates));
}

void panel_updates(struct page *p)
{
    const struct traffic *traffic = &p->figures->traffic;
    struct arena *a = p->arena;
    page_section(p, "updates", "Updates <small>last hour</small>");
    if (p->figures->redis.failure) {
        page_none(p, "Redis does not answer, so they are not known.");
        page_section_end(p);
        return;
    }
    int64_t updates = 0, errors = 0;
    for (int i = 0; i < MINUTES_DRAWN; i++) {
        updates += traffic->updates[i];
        errors += traffic->errors[i];
    }
    page_put(p, S("<dl class=\"tiles\">\n"));
    page_tile(p, "Updates", number_grouped(a, updates),
              str_printf(a, "%.1f a minute", (double)updates / MINUTES_DRAWN));
    page_tile(p, "Errors", number_grouped(a, errors),
              str_printf(a, "%.1f a minute", (double)errors / MINUTES_DRAWN));
    answer_tile(p, "p50", 0.5, "time to answer");
    answer_tile(p, "p95", 0.95, "19 of 20 were faster");
    answer_tile(p, "p99", 0.99, "99 of 100 were faster");
    page_put(p, S("</dl>\n"));
    update_bars(p, updates, errors);
    page_section_end(p);
    error_concern(p);
}
