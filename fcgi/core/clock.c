#include "core/clock.h"

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"

static int64_t standing_ms; /* what tests have set; 0: the real time */
static bool is_seeded;      /* tests: numbers come from the seed */
static uint64_t seeded_state;

static int64_t read_clock_us(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_ms(void)
{
    return standing_ms ? standing_ms : read_clock_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_steady_ms(void)
{
    return read_clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_steady_us(void)
{
    return read_clock_us(CLOCK_MONOTONIC);
}

void clock_set_ms(int64_t now)
{
    standing_ms = now;
}

/* splitmix64: a counter through a mixing function; good enough to look random
 * in a test, and the same on every machine. */
static uint64_t seeded_next(void)
{
    uint64_t mixed = (seeded_state += 0x9E3779B97F4A7C15U);
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
    return mixed ^ (mixed >> 31);
}

void random_seed_for_tests(uint64_t seed)
{
    is_seeded = seed != 0;
    seeded_state = seed;
}

static void seeded_bytes(char *out, size_t len)
{
    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t next = seeded_next();
        size_t left = len - at;
        memcpy(out + at, &next, left < sizeof next ? left : sizeof next);
    }
}

/* Without randomness no secret, no key and no name made here could be trusted. */
static _Noreturn void give_up(void)
{
    log_error("random.failed", KV("errno", errno));
    _exit(70);
}

void random_bytes(void *out, size_t len)
{
    if (is_seeded) {
        seeded_bytes(out, len);
        return;
    }
    for (char *at = out; len > 0;) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            give_up();
        at += got;
        len -= (size_t)got;
    }
}

/* Draws again where the numbers below 2^64 do not divide evenly by limit. */
uint64_t random_below(uint64_t limit)
{
    assert(limit > 0);
    uint64_t uneven = (0 - limit) % limit; /* 2^64 mod limit */
    uint64_t drawn;
    do {
        random_bytes(&drawn, sizeof drawn);
    } while (drawn < uneven);
    return drawn % limit;
}

str random_hex(struct arena *a, size_t bytes)
{
    char *drawn = NEW_ARRAY(a, char, bytes);
    random_bytes(drawn, bytes);
    return str_hex(a, (str){drawn, bytes});
}

str random_uuid(struct arena *a)
{
    char bytes[16];
    random_bytes(bytes, sizeof bytes);
    bytes[6] = (char)((bytes[6] & 0x0F) | 0x40); /* version 4 */
    bytes[8] = (char)((bytes[8] & 0x3F) | 0x80); /* variant of RFC 9562 */

    static const size_t group_bytes[] = {4, 2, 2, 2, 6};
    str hex = str_hex(a, (str){bytes, sizeof bytes});
    struct buf b = buf_new(a);
    for (size_t i = 0; i < ARRAY_LEN(group_bytes); i++) {
        if (i)
            buf_add_char(&b, '-');
        buf_add(&b, str_sub(hex, 0, group_bytes[i] * 2));
        hex = str_sub(hex, group_bytes[i] * 2, hex.len);
    }
    return buf_str(&b);
}
