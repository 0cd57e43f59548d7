#include "handlers/money/statement.h"

#include "db/ledger.h"
#include "db/statistics.h"
#include "handlers/money/topup.h"
#include "handlers/profile/profile.h"

enum { LINES_OF_PAGE = 10 };

/* ---------------------------------------------------------------- what a line was about */

static bool is_reason(const struct statement_line *line, const char *reason)
{
    return str_eq(line->reason, str_from(reason));
}

static enum text images_text(const struct statement_line *line)
{
    if (!line->images)
        return T_line_images; /* the order is not there any more */
    if (!str_eq(line->generation_type, S("avatar")))
        return T_line_images_by_words;
    return str_empty(line->avatar_name) ? T_line_images_with_avatar : T_line_images_of_avatar;
}

static enum text avatar_text(const struct statement_line *line)
{
    if (str_eq(line->training_type, S("portrait")))
        return T_line_avatar_portrait;
    if (str_eq(line->training_type, S("style")))
        return T_line_avatar_style;
    if (str_eq(line->training_type, S("object")))
        return T_line_avatar_object;
    return T_line_avatar;
}

static enum text speech_text(const struct statement_line *line)
{
    return str_empty(line->transcript_name) ? T_line_speech : T_line_speech_of;
}

/* Coins that came or went for another reason than work. */
static enum text other_text(const struct statement_line *line)
{
    if (is_reason(line, "welcome"))
        return T_line_welcome;
    if (is_reason(line, "stars"))
        return line->stars ? T_line_stars_paid : T_line_stars;
    if (is_reason(line, "stars_refund"))
        return T_line_stars_refund;
    if (is_reason(line, "stars_refund_back"))
        return T_line_stars_refund_back;
    if (is_reason(line, "promo"))
        return str_empty(line->promo_code) ? T_line_promo : T_line_promo_code;
    return str_eq(line->kind, S("credit")) ? T_line_credit : T_line_debit;
}

static str about(struct turn *t, const struct statement_line *line)
{
    enum text text = is_reason(line, "image")    ? images_text(line)
                     : is_reason(line, "avatar") ? avatar_text(line)
                     : is_reason(line, "speech") ? speech_text(line)
                                                 : other_text(line);
    return text_plain(t->arena, t->language, text,
                      KVS(KV("n", line->images), KV("avatar", line->avatar_name),
                          KV("stars", line->stars), KV("code", line->promo_code),
                          KV("name", line->transcript_name)));
}

/* Why coins came back, in the words of the machine; see errand_fail() and speech_fail(). */
static enum text why_text(const struct statement_line *line)
{
    static const struct {
        const char *failure;
        enum text text;
    } rows[] = {
        {"cancelled",   T_line_why_cancelled  },
        {"safety",      T_line_why_safety     },
        {"nsfw",        T_line_why_safety     },
        {"timeout",     T_line_why_timeout    },
        {"photos",      T_line_why_photos     },
        {"avatar",      T_line_why_avatar     },
        {"no_words",    T_line_why_no_words   },
        {"silent",      T_line_why_no_words   },
        {"unreadable",  T_line_why_unreadable },
        {"cut_off",     T_line_why_unreadable },
        {"not_fetched", T_line_why_unreadable },
        {"cut_short",   T_line_why_part_speech},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(line->failure, str_from(rows[i].failure)))
            return rows[i].text;
    if (str_eq(line->failure, S("input")))
        return is_reason(line, "avatar") ? T_line_why_photos : T_line_why_words;
    return T_line_why_fault;
}

/* Lines of before reasons were kept with them ask the work, which may be gone. Of an order, images can be
 * missing, of a recording words. */
static str why(struct turn *t, const struct statement_line *line)
{
    bool is_speech = is_reason(line, "speech");
    bool is_part = str_eq(line->kind, S("capture")) && (is_speech || is_reason(line, "image"));
    if (!is_part && (!str_eq(line->kind, S("release")) || str_empty(line->failure)))
        return S("");
    enum text text = !is_part    ? why_text(line)
                     : is_speech ? T_line_why_part_speech
                                 : T_line_why_part;
    str words = text_plain(t->arena, t->language, text, KVS());
    return str_printf(t->arena, " (" STR_FMT ")", STR_ARG(words));
}

/* What became of the coins of a piece of work. */
static enum text line_text(const struct statement_line *line)
{
    if (str_eq(line->kind, S("hold")))
        return str_empty(line->settled) ? T_line_held : T_line_moved;
    if (str_eq(line->kind, S("release")))
        return T_line_back;
    return str_eq(line->kind, S("capture")) ? T_line_part_back : T_line_moved;
}

static void add_line(struct turn *t, struct buf *b, const struct statement_line *line)
{
    if (b->len)
        buf_add(b, S("\n\n"));
    buf_add(b, text_plain(t->arena, t->language, line_text(line),
                          KVS(KV("date", moment_shown(t->arena, line->created_at_ms,
                                                      t->user->utc_offset_minutes)),
                              KV("sign", line->coins > 0 ? S("+") : S("−")),
                              KV("coins", line->coins > 0 ? line->coins : -line->coins),
                              KV("after", line->balance_after), KV("about", about(t, line)),
                              KV("why", why(t, line)))));
}

/* ---------------------------------------------------------------- pages */

static str line_tap(struct turn *t, const char *name, int64_t line_id)
{
    return tap_for(t->arena, name, str_printf(t->arena, "%" PRId64, line_id));
}

/* Everybody begins with one clock, which is not everybody's: where times matter first, that is told. */
static void add_zone(struct turn *t, struct buf *b)
{
    if (!str_eq(t->user->timezone, S("UTC+5")))
        return;
    buf_add(b, S("\n\n"));
    buf_add(b,
            text_plain(t->arena, t->language, T_balance_zone, KVS(KV("zone", t->user->timezone))));
}

static err *show_page(struct turn *t, int64_t before)
{
    struct statement_line *lines;
    size_t count;
    int64_t balance, held;
    TRY(ledger_balance(t->db, t->user->id, &balance, &held));
    TRY(statement_page(t->db, t->arena, t->user->id, LINES_OF_PAGE + 1, before, &lines, &count));
    if (before && !count)
        return fail(t->arena, ERR_NOT_FOUND, "no lines behind %" PRId64, before);
    bool has_older = count > LINES_OF_PAGE;
    count -= has_older;

    struct buf shown = buf_new(t->arena);
    for (size_t i = 0; i < count; i++)
        add_line(t, &shown, &lines[i]);
    if (!count)
        buf_add(&shown, text_plain(t->arena, t->language, T_balance_empty, KVS()));
    else if (!before)
        add_zone(t, &shown);

    struct keyboard *k = &t->keyboard;
    keyboard_row(k);
    if (before)
        keyboard_button(k, T_button_newer, line_tap(t, "balance:newer", lines[0].id));
    if (has_older)
        keyboard_button(k, T_button_older, line_tap(t, "balance:older", lines[count - 1].id));
    topup_row(k);
    profile_row(k);
    return edit(t, T_balance, KV("balance", balance), KV("held", held),
                KV("lines", buf_str(&shown)));
}

err *on_balance(struct turn *t)
{
    return show_page(t, 0);
}

static err *take_line(struct turn *t, int64_t *line_id)
{
    return str_to_i64(t->argument, line_id) && *line_id > 0
               ? NULL
               : fail(t->arena, ERR_NOT_FOUND, "no such line");
}

err *on_balance_older(struct turn *t)
{
    int64_t line_id;
    TRY(take_line(t, &line_id));
    return show_page(t, line_id);
}

err *on_balance_newer(struct turn *t)
{
    int64_t line_id, before;
    TRY(take_line(t, &line_id));
    TRY(statement_newer(t->db, t->user->id, LINES_OF_PAGE, line_id, &before));
    return show_page(t, before);
}
