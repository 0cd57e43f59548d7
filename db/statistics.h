/*
 * statistics.h - what a person's own rows add up to, and the lines of his
 * coins with what each was about. What would be many rows is counted as they
 * come, by facets of images and by days: a long life is told as fast as a short
 * one.
 */
#pragma once
#include "db/db.h"

/* For the profile. */
struct profile_figures {
    int64_t created_at_ms;
    int64_t balance, held; /* coins */
    int64_t avatars, ready_avatars;
    int64_t images; /* in the gallery */
};

err *profile_figures(struct db *db, int64_t user_id, struct profile_figures *out);

/* -- lines of coins -- */

/* A line of the ledger with what it was about; what is not there any more is empty or 0. */
struct statement_line {
    int64_t id;
    int64_t created_at_ms;
    str kind, reason, settled;    /* as in db/ledger.h */
    int64_t coins, balance_after; /* likewise */
    str generation_type;          /* of an order for images */
    int64_t images;
    str training_type; /* of a training */
    str avatar_name;   /* of either */
    int64_t stars;     /* of a payment */
    str promo_code;
    str transcript_name;
    str failure; /* why an order or a training came to nothing; empty when it did not */
};

/* Newest first, those older than the line `before`; 0 for the first page. */
err *statement_page(struct db *db, struct arena *a, int64_t user_id, int limit, int64_t before,
                    struct statement_line **lines, size_t *count);
/* The `before` of the page of lines that are next newer than the line `after`. */
err *statement_newer(struct db *db, int64_t user_id, int limit, int64_t after, int64_t *before);

/* -- statistics -- */

struct statistics {
    int64_t images, favorites;       /* in the gallery */
    int64_t by_words, with_avatar;   /* of those */
    int64_t this_week, this_month;   /* of 7 and 30 days of the person's clock, today the last */
    int64_t spent, spent_this_month; /* coins */
    double median_seconds;           /* to make one of the latest 200 orders; 0: there was none */
    str usual_ratio;                 /* of most images in the gallery; empty without any */
    str usual_style; /* of most orders, as it is called in that language; empty when none had one */
};

err *statistics_read(struct db *db, int64_t user_id, int utc_offset_minutes, str language,
                     struct statistics *out);

struct avatar_images {
    str name;
    int64_t images;
};

/* The avatars with the most images in the gallery. */
err *statistics_avatars(struct db *db, struct arena *a, int64_t user_id, int limit,
                        struct avatar_images **avatars, size_t *count);

/* One day of the person's clock. */
struct statistics_day {
    int month, day;
    int64_t images, coins; /* made and spent on it */
};

/* The last `count` days, today the last. */
err *statistics_days(struct db *db, int64_t user_id, int utc_offset_minutes,
                     struct statistics_day *days, int count);
