#include "core/arena.h"

#include <malloc.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/log.h"

enum {
    ALIGNMENT = 16,
    FIRST_CHUNK_BYTES = 16 * 1024, /* whole pages */
    LARGEST_CHUNK_BYTES = 1024 * 1024,
    MAPPED_FROM_BYTES = 128 * 1024,
    EXIT_EXHAUSTED = 70, /* EX_SOFTWARE; the supervisor starts another process */
};

/* Under AddressSanitizer a poisoned gap follows each piece, so that running
 * past its end is caught although the next piece belongs to us as well. */
#if defined(__SANITIZE_ADDRESS__)
enum { GAP_BYTES = 16 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { GAP_BYTES = 16 };
#else
enum { GAP_BYTES = 0 };
#endif
#else
enum { GAP_BYTES = 0 };
#endif

struct chunk {
    struct chunk *older;
    size_t capacity, taken;
    _Alignas(ALIGNMENT) char bytes[];
};

struct deferred {
    struct deferred *earlier;
    void (*close)(void *);
    void *thing;
};

struct arena {
    size_t ceiling, used;
    struct chunk *first;   /* kept over resets */
    struct chunk *current; /* small pieces come from here */
    struct chunk *later;   /* every chunk but the first */
    struct deferred *deferred;
};

static _Noreturn void give_up(size_t used, size_t wanted, size_t ceiling)
{
    log_error("arena.exhausted", KV("used_bytes", used), KV("wanted_bytes", wanted),
              KV("ceiling_bytes", ceiling));
    _exit(EXIT_EXHAUSTED);
}

static struct chunk *chunk_prepare(void *memory, size_t capacity)
{
    struct chunk *chunk = memory;
    chunk->older = NULL;
    chunk->capacity = capacity;
    chunk->taken = 0;
    ASAN_POISON_MEMORY_REGION(chunk->bytes, capacity);
    return chunk;
}

static struct chunk *chunk_new(const struct arena *a, size_t capacity)
{
    void *memory = malloc(sizeof(struct chunk) + capacity);
    if (!memory)
        give_up(a->used, capacity, a->ceiling);
    return chunk_prepare(memory, capacity);
}

static void chunk_free(struct chunk *chunk)
{
    ASAN_UNPOISON_MEMORY_REGION(chunk->bytes, chunk->capacity);
    free(chunk);
}

/* The first chunk has pages of its own, so that those which no turn needs are never touched: in the
 * heap they would serve others before. The leak detector looks for pointers in the heap alone. */
static struct chunk *first_chunk_new(const struct arena *a)
{
    if (GAP_BYTES > 0)
        return chunk_new(a, FIRST_CHUNK_BYTES);
    void *memory = mmap(NULL, FIRST_CHUNK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        give_up(a->used, FIRST_CHUNK_BYTES, a->ceiling);
    return chunk_prepare(memory, FIRST_CHUNK_BYTES - sizeof(struct chunk));
}

static void first_chunk_free(struct chunk *chunk)
{
    if (GAP_BYTES > 0)
        chunk_free(chunk);
    else
        munmap(chunk, FIRST_CHUNK_BYTES);
}

/* malloc begins like this, but once it has seen a larger block go it keeps up to 32 MiB of such
 * blocks among the small ones, where a picture's pages would stay ours for good. */
static void map_large_chunks(void)
{
    static bool is_told;
    if (!is_told)
        mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
    is_told = true;
}

/* A ceiling that no machine has memory for is brought down to where sizes can
 * be added up without a look at each sum. */
struct arena *arena_new(size_t ceiling_bytes)
{
    if (ceiling_bytes > SIZE_MAX / 4)
        ceiling_bytes = SIZE_MAX / 4;
    map_large_chunks();
    struct arena *a = malloc(sizeof *a);
    if (!a)
        give_up(0, sizeof *a, ceiling_bytes);
    *a = (struct arena){.ceiling = ceiling_bytes};
    a->first = a->current = first_chunk_new(a);
    return a;
}

/* A closer may still use the arena, so each is taken off before it runs. */
static void close_deferred(struct arena *a)
{
    while (a->deferred) {
        struct deferred *last = a->deferred;
        a->deferred = last->earlier;
        last->close(last->thing);
    }
}

void arena_reset(struct arena *a)
{
    close_deferred(a);
    while (a->later) {
        struct chunk *chunk = a->later;
        a->later = chunk->older;
        chunk_free(chunk);
    }
    ASAN_POISON_MEMORY_REGION(a->first->bytes, a->first->capacity);
    a->first->taken = 0;
    a->current = a->first;
    a->used = 0;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    arena_reset(a);
    first_chunk_free(a->first);
    free(a);
}

/* A large piece gets a chunk of its own and the current one stays in use;
 * otherwise a chunk twice as large takes its place. */
static struct chunk *chunk_for(struct arena *a, size_t bytes)
{
    size_t next = a->current->capacity * 2;
    if (next > LARGEST_CHUNK_BYTES)
        next = LARGEST_CHUNK_BYTES;

    bool is_large = bytes > next / 4;
    struct chunk *chunk = chunk_new(a, is_large ? bytes : next);
    chunk->older = a->later;
    a->later = chunk;
    if (!is_large)
        a->current = chunk;
    return chunk;
}

/* What a piece takes of its chunk. */
static size_t padded_size(size_t bytes)
{
    return (bytes + GAP_BYTES + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* Pieces are cleared when they are handed out: what nobody asks for is never
 * touched, and what is touched is in the processor's cache already. */
void *arena_alloc(struct arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX;
    if (bytes > a->ceiling - a->used)
        give_up(a->used, bytes, a->ceiling);
    size_t padded = padded_size(bytes);

    struct chunk *chunk = a->current;
    if (padded > chunk->capacity - chunk->taken)
        chunk = chunk_for(a, padded);

    char *piece = chunk->bytes + chunk->taken;
    chunk->taken += padded;
    a->used += bytes;
    ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
    return memset(piece, 0, bytes);
}

bool arena_extend(struct arena *a, void *piece, size_t bytes, size_t more)
{
    struct chunk *chunk = a->current;
    size_t begins_at = chunk->taken - padded_size(bytes);
    bool is_last = chunk->taken >= padded_size(bytes) && chunk->bytes + begins_at == piece;
    if (!is_last || more > a->ceiling - a->used)
        return false;
    size_t padded = padded_size(bytes + more);
    if (padded > chunk->capacity - begins_at)
        return false;

    chunk->taken = begins_at + padded;
    a->used += more;
    ASAN_UNPOISON_MEMORY_REGION(piece, bytes + more);
    memset((char *)piece + bytes, 0, more);
    return true;
}

void arena_defer(struct arena *a, void (*close)(void *), void *thing)
{
    struct deferred *deferred = NEW(a, struct deferred);
    *deferred = (struct deferred){.earlier = a->deferred, .close = close, .thing = thing};
    a->deferred = deferred;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}
