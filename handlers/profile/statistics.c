#include "handlers/profile/statistics.h"

#include "core/chart.h"
#include "db/statistics.h"
#include "handlers/profile/profile.h"

enum {
    AVATARS_SHOWN = 5,
    CHART_DAYS = 30,
};

/* Paragraphs that are left out where there is nothing to say begin with their own line. */
static void add_below(struct buf *b, str line)
{
    buf_add_char(b, '\n');
    buf_add(b, line);
}

static err *avatar_lines(struct turn *t, str *out)
{
    struct avatar_images *avatars;
    size_t count;
    TRY(statistics_avatars(t->db, t->arena, t->user->id, AVATARS_SHOWN, &avatars, &count));
    struct buf b = buf_new(t->arena);
    for (size_t i = 0; i < count; i++)
        add_below(&b, text_plain(t->arena, t->language, T_statistics_avatar,
                                 KVS(KV("avatar", avatars[i].name), KV("n", avatars[i].images))));
    *out = buf_str(&b);
    return NULL;
}

static str habit_lines(struct turn *t, const struct statistics *s)
{
    struct buf b = buf_new(t->arena);
    if (s->median_seconds > 0)
        add_below(&b, text_plain(t->arena, t->language, T_statistics_seconds,
                                 KVS(KV("seconds", (int64_t)(s->median_seconds + 0.5)))));
    if (!str_empty(s->usual_ratio))
        add_below(&b, text_plain(t->arena, t->language, T_statistics_ratio,
                                 KVS(KV("ratio", s->usual_ratio))));
    if (!str_empty(s->usual_style))
        add_below(&b, text_plain(t->arena, t->language, T_statistics_style,
                                 KVS(KV("style", s->usual_style))));
    return buf_str(&b);
}

err *on_statistics_open(struct turn *t)
{
    struct statistics s;
    TRY(statistics_read(t->db, t->user->id, t->user->utc_offset_minutes,
                        str_from(language_code(t->language)), &s));
    if (!s.images && !s.spent) {
        profile_row(&t->keyboard);
        return edit(t, T_statistics_empty);
    }
    str avatars = S("");
    TRY(avatar_lines(t, &avatars));
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_chart, S("statistics:chart"),
                    KV("days", (int)CHART_DAYS));
    keyboard_button(&t->keyboard, T_button_gallery, S("gallery:open"));
    profile_row(&t->keyboard);
    return edit(t, T_statistics, KV("images", s.images), KV("favorites", s.favorites),
                KV("by_words", s.by_words), KV("with_avatar", s.with_avatar),
                KV("avatars", avatars), KV("week", s.this_week), KV("month", s.this_month),
                KV("spent", s.spent), KV("spent_month", s.spent_this_month),
                KV("habits", habit_lines(t, &s)));
}

/* ---------------------------------------------------------------- the chart */

/* One for each tap: an update that is delivered twice is one tap. */
err *on_statistics_chart(struct turn *t)
{
    const struct new_job job = {
        .lane = S("send"),
        .kind = S("statistics_chart"),
        .user_id = t->user->id,
        .payload = json_make(t->arena, KV("chat_id", t->chat_id),
                             KV("language", language_code(t->language)),
                             KV("utc_offset_minutes", t->user->utc_offset_minutes)),
    };
    TRY(job_add(t->db, &job, NULL));
    t->spares_user = true;
    hint(t, T_chart_drawing);
    return NULL;
}

static str draw(struct work *w, enum language language, const struct statistics_day *days)
{
    struct chart_bar images[CHART_DAYS], coins[CHART_DAYS];
    for (size_t i = 0; i < CHART_DAYS; i++) {
        str label = str_printf(w->arena, "%02d.%02d", days[i].day, days[i].month);
        images[i] = (struct chart_bar){label, days[i].images};
        coins[i] = (struct chart_bar){label, days[i].coins};
    }
    const struct chart_panel panels[] = {
        {text_plain(w->arena, language, T_chart_images, KVS()), images, CHART_DAYS},
        {text_plain(w->arena, language, T_chart_coins,  KVS()), coins,  CHART_DAYS},
    };
    return chart_png(w->arena, panels, ARRAY_LEN(panels));
}

err *job_statistics_chart(struct work *w)
{
    struct statistics_day days[CHART_DAYS];
    int64_t chat_id = 0, utc_offset_minutes = 0, images = 0, coins = 0;
    json_i64(w->payload, "chat_id", &chat_id);
    json_i64(w->payload, "utc_offset_minutes", &utc_offset_minutes);
    enum language language = language_of(json_str(w->payload, "language"));
    TRY(statistics_days(w->db, w->job->user_id, (int)utc_offset_minutes, days, CHART_DAYS));
    for (size_t i = 0; i < CHART_DAYS; i++) {
        images += days[i].images;
        coins += days[i].coins;
    }
    struct keyboard k = keyboard_new(w->arena, language);
    keyboard_row(&k);
    keyboard_button(&k, T_button_statistics, S("statistics:open:new"));
    keyboard_button(&k, T_button_menu, S("menu:open:new"));
    str caption = text_html(
        w->arena, language, T_chart_caption,
        KVS(KV("days", (int)CHART_DAYS), KV("images", images), KV("coins", coins)));
    struct telegram_file files[2] = {0};
    files[0] = (struct telegram_file){
        .field = S("chart"),
        .file_name = S("chart.png"),
        .content_type = S("image/png"),
        .bytes = draw(w, language, days),
    };
    const struct outbox_call call = {
        .chat_id = chat_id,
        .call = photo_call(w->arena, chat_id, 0, S("attach://chart"), caption, &k),
        .files = files,
    };
    return work_call(w, &call, NULL);
}
