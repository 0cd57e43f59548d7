/* The buckets of the lane send: a lease each, and a fair share for every worker. */
#include "core/clock.h"
#include "core/log.h"
#include "lanes/send_inside.h"

/* A holder that has lost its lease to a wiped Redis reads on until its next beat, and what it took
 * then is pending and nobody's. So the new holder looks among the pending ones once more after a
 * beat of the other, and then again and again after the longest that the other can have believed in
 * its lease: whatever was taken and not acknowledged, for whatever reason, waits no longer. */
enum { FIRST_LOOK_MS = LEASE_KEEP_EVERY_MS + 1000, SECOND_LOOK_MS = LEASE_MS };

struct bucket *bucket_of(const struct line *line)
{
    return &send_lane.buckets[line->bucket];
}

bool bucket_is_held(const struct bucket *bucket)
{
    return bucket->is_ours && !bucket->is_leaving && lease_is_held(&bucket->lease);
}

static void clear_if_of(struct queue *q, struct line *line, void *bucket)
{
    if (bucket_of(line) == bucket)
        line_clear(q, line);
}

static void lose(struct bucket *bucket)
{
    bucket->is_ours = bucket->is_leaving = bucket->has_groups = false;
    queue_each(&send_lane.queue, clear_if_of, bucket);
}

static void gain(struct bucket *bucket)
{
    bucket->is_ours = true;
    bucket->is_leaving = bucket->has_groups = false;
    bucket->look_again_at_ms = clock_steady_ms() + FIRST_LOOK_MS;
    streams_read_again(bucket);
}

static void look_again(struct bucket *bucket)
{
    if (clock_steady_ms() < bucket->look_again_at_ms)
        return;
    bucket->look_again_at_ms = clock_steady_ms() + SECOND_LOOK_MS;
    streams_read_again(bucket);
}

/* One that is to go stays ours until its calls under way are done. */
static void keep_bucket(struct bucket *bucket, struct arena *a)
{
    if (bucket->is_leaving && bucket->lines_at_work == 0) {
        lose(bucket);
        lease_give_back(send_lane.w, a, &bucket->lease);
        return;
    }
    bool was_held = lease_is_held(&bucket->lease);
    if (was_held && !lease_is_due(&bucket->lease))
        return;
    err *e = lease_hold(send_lane.w, a, &bucket->lease);
    if (e)
        log_debug("send.lease_unknown", KV("bucket", bucket->number), KV("message", e->message));
    if (!was_held || !lease_is_held(&bucket->lease)) {
        lose(bucket);
        if (lease_is_held(&bucket->lease))
            gain(bucket);
    }
}

void buckets_keep(struct arena *a)
{
    for (int i = 0; i < SESSION_BUCKETS; i++)
        if (send_lane.buckets[i].is_ours) {
            keep_bucket(&send_lane.buckets[i], a);
            look_again(&send_lane.buckets[i]);
        }
}

static void take_buckets(struct arena *a, size_t wanted)
{
    size_t start = random_below(SESSION_BUCKETS);
    for (size_t i = 0; i < SESSION_BUCKETS && wanted > 0; i++) {
        struct bucket *bucket = &send_lane.buckets[(start + i) % SESSION_BUCKETS];
        if (bucket->is_ours)
            continue;
        err *e = lease_hold(send_lane.w, a, &bucket->lease);
        if (e)
            return;
        if (lease_is_held(&bucket->lease)) {
            gain(bucket);
            wanted--;
        }
    }
}

static void leave_buckets(size_t surplus)
{
    for (int i = 0; i < SESSION_BUCKETS && surplus > 0; i++) {
        struct bucket *bucket = &send_lane.buckets[i];
        if (!bucket->is_ours || bucket->is_leaving)
            continue;
        bucket->is_leaving = true;
        queue_each(&send_lane.queue, clear_if_of, bucket);
        surplus--;
    }
}

/* A fair share, rounded up; the last bucket finds its holder too. */
void buckets_balance(struct arena *a)
{
    size_t held = 0;
    for (int i = 0; i < SESSION_BUCKETS; i++)
        held += send_lane.buckets[i].is_ours && !send_lane.buckets[i].is_leaving;
    size_t alive = (size_t)send_lane.w->alive;
    size_t share = (SESSION_BUCKETS + alive - 1) / alive;
    if (held < share)
        take_buckets(a, share - held);
    else
        leave_buckets(held - share);
}

void buckets_give_back(struct arena *a)
{
    for (int i = 0; i < SESSION_BUCKETS; i++)
        if (send_lane.buckets[i].is_ours)
            lease_give_back(send_lane.w, a, &send_lane.buckets[i].lease);
}
