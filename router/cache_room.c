/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_room.c - the query cache's cap: what has to go when something comes.
 */
#include "router/cache_inside.h"

#define SMALL_PART  16 /* of the cap is for what is small */
#define FREED_MAX   64 /* times its size may go for one answer */
#define TRIM_BYTES  ((size_t)16 * 1024)
#define LAP_VISITS  16 /* of each shard, until the hand has passed all entries */
#define BARREN_MAX  ((MAX_CHANCES + 1) * LAP_VISITS * SHARDS) /* its moves that free nothing */
#define SITE_VISITS 16  /* shards that are searched for entries of a site */
#define SITE_LOOKS  128 /* entries of each */

void *cache_small(struct cache *cache, size_t size)
{
    size_t max = cache_max_bytes(cache) / SMALL_PART;
    size_t old = atomic_fetch_add_explicit(&cache->small_bytes, size, memory_order_relaxed);
    void *block = NULL;

    if (size <= max && old <= max - size) {
        block = mem_try(MEM_CACHE, size);
    }
    if (block == NULL) {
        atomic_fetch_sub_explicit(&cache->small_bytes, size, memory_order_relaxed);
        return NULL;
    }
    memset(block, 0, size);
    return block;
}

void cache_small_free(struct cache *cache, void *ptr, size_t size)
{
    mem_free(MEM_CACHE, ptr);
    atomic_fetch_sub_explicit(&cache->small_bytes, size, memory_order_relaxed);
}

static struct cache_slot *slot_of_entry(struct cache_shard *shard, const struct cache_entry *entry)
{
    size_t mask = shard->n_slots - 1;
    size_t i = entry->hash & mask;

    while (shard->slots[i].entry != entry) {
        i = (i + 1) & mask;
    }
    return &shard->slots[i];
}

static void evict_one(struct cache_shard *shard, struct cache_entry *entry, uint64_t now_us,
                      struct list *dead)
{
    cache_remove(shard, slot_of_entry(shard, entry),
                 entry->ends_us <= now_us ? CACHE_GONE_TTL : CACHE_GONE_EVICTED, dead);
}

/* May the hand pass this one? Costs it a chance. */
static bool spared(struct cache_entry *entry, uint64_t now_us)
{
    if (entry->chances == 0 || entry->ends_us <= now_us) {
        return false;
    }
    entry->chances--;
    return true;
}

/* Look at that many entries at most. */
static size_t look_at(struct cache_shard *shard, size_t n, size_t *looks, uint64_t now_us,
                      struct list *dead)
{
    struct list_node *node = list_front(&shard->clock);
    size_t freed = 0;

    for (; *looks > 0 && freed < n && node != NULL; node = list_front(&shard->clock)) {
        struct cache_entry *entry = CONTAINER_OF(node, struct cache_entry, clock);

        --*looks;
        if (spared(entry, now_us)) {
            list_remove(&shard->clock, node);
            list_push_back(&shard->clock, node);
            continue;
        }
        freed += entry->cost;
        evict_one(shard, entry, now_us, dead);
    }
    return freed;
}

size_t cache_evict(struct cache_shard *shard, size_t n, uint64_t now_us, struct list *dead)
{
    size_t looks = shard->clock.count;

    return look_at(shard, n, &looks, now_us, dead);
}

/*
 * The hand looks at a 16th of a shard and goes on to the next: so each entry is looked at equally
 * often, however many there are in its shard.
 */
static size_t move_hand(struct cache *cache, size_t n, uint64_t now_us)
{
    unsigned at = atomic_load_explicit(&cache->hand, memory_order_relaxed);
    struct cache_shard *shard = &cache->shards[at % SHARDS];
    struct list dead;
    size_t looks, freed;

    list_init(&dead);
    cache_lock(&shard->lock);
    if (shard->credit < LAP_VISITS) {
        shard->credit += shard->clock.count;
    }
    looks = shard->credit / LAP_VISITS;
    shard->credit %= LAP_VISITS;
    freed = look_at(shard, n, &looks, now_us, &dead);
    shard->credit += looks * LAP_VISITS;
    if (looks == 0 || list_is_empty(&shard->clock)) {
        shard->credit %= LAP_VISITS;
        (void)atomic_compare_exchange_strong(&cache->hand, &at, at + 1);
    }
    cache_unlock(&shard->lock);
    cache_bury(cache, &dead);
    return freed;
}

/* Some of a site's entries, the first that are found. */
static void evict_of_site(struct cache_shard *shard, const struct cache_site *site, size_t n,
                          uint64_t now_us, struct list *dead)
{
    size_t freed = 0;
    unsigned looks = 0;

    LIST_FOREACH_SAFE (node, next, &shard->clock) {
        struct cache_entry *entry = CONTAINER_OF(node, struct cache_entry, clock);

        if (looks++ == SITE_LOOKS || freed >= n) {
            break;
        }
        if (entry->row->site == site && !spared(entry, now_us)) {
            freed += entry->cost;
            evict_one(shard, entry, now_us, dead);
        }
    }
}

static bool site_reserve(struct cache *cache, struct cache_site *site, size_t n)
{
    size_t max = atomic_load_explicit(&cache->site_bytes, memory_order_relaxed);
    size_t old = atomic_fetch_add_explicit(&site->bytes, n, memory_order_relaxed);

    if (n <= max && old <= max - n) {
        return true;
    }
    atomic_fetch_sub_explicit(&site->bytes, n, memory_order_relaxed);
    return false;
}

static bool site_make_room(struct cache *cache, struct cache_site *site, size_t n, uint64_t now_us)
{
    struct list dead;

    list_init(&dead);
    for (unsigned visits = 0; !site_reserve(cache, site, n); visits++) {
        unsigned at = atomic_fetch_add_explicit(&cache->site_hand, 1, memory_order_relaxed);
        struct cache_shard *shard = &cache->shards[at % SHARDS];

        if (visits == SITE_VISITS) {
            return false;
        }
        cache_lock(&shard->lock);
        evict_of_site(shard, site, n, now_us, &dead);
        cache_unlock(&shard->lock);
        cache_bury(cache, &dead);
    }
    return true;
}

void *cache_make_room(struct cache *cache, struct cache_site *site, size_t size, uint64_t now_us)
{
    size_t cost = heap_round(size);
    size_t freed = 0;
    unsigned barren = 0;
    void *block;

    if (!site_make_room(cache, site, cost, now_us)) {
        return NULL;
    }
    while ((block = heap_alloc(&cache->heap, size)) == NULL) {
        size_t got;

        /* What clients still read is not free yet: do not throw away everything for it. */
        if (barren == BARREN_MAX || freed / FREED_MAX > cost) {
            atomic_fetch_sub_explicit(&site->bytes, cost, memory_order_relaxed);
            return NULL;
        }
        got = move_hand(cache, MAX(cost / 16, 1), now_us);
        freed += got;
        barren = got == 0 ? barren + 1 : 0;
    }
    return block;
}

/* --- limits ----------------------------------------------------------------------------------- */

/* Pages that are free come back only when all of each is: so some more have to go. */
static void shrink(struct cache *cache, size_t max)
{
    unsigned barren = 0;

    heap_trim(&cache->heap);
    while (barren < BARREN_MAX && heap_resident(&cache->heap) > max) {
        for (unsigned i = 0; i < SHARDS; i++) {
            barren = move_hand(cache, TRIM_BYTES, 0) == 0 ? barren + 1 : 0;
        }
        heap_trim(&cache->heap);
    }
}

void cache_limit(struct cache *cache, const struct cache_limits *limits)
{
    unsigned percent = limits->site_share_percent;
    size_t share = limits->max_bytes;
    size_t small = limits->max_bytes / SMALL_PART + sizeof(*cache);
    size_t rest = limits->max_bytes > small ? limits->max_bytes - small : 0;

    if (percent > 0 && percent < 100) {
        share = limits->max_bytes / 100 * percent;
    }
    atomic_store(&cache->max_bytes, limits->max_bytes);
    atomic_store(&cache->max_entry_bytes, limits->max_entry_bytes);
    atomic_store(&cache->site_bytes, share);
    atomic_store(&cache->wait_us, limits->wait_us);
    heap_limit(&cache->heap, rest);
    shrink(cache, rest);
    for (unsigned i = 0; i < SHARDS; i++) {
        cache_table_fit(cache, &cache->shards[i]);
    }
    heap_trim(&cache->heap);
}

size_t cache_max_bytes(const struct cache *cache)
{
    return atomic_load(&cache->max_bytes);
}

size_t cache_bytes(struct cache *cache)
{
    return sizeof(*cache) + atomic_load(&cache->small_bytes) + heap_resident(&cache->heap);
}

/* --- flush ------------------------------------------------------------------------------------ */

/* What shares a row of figures with others goes with any of them. */
static bool row_matches(const struct cache *cache, const struct cache_row *row,
                        const struct cache_filter *filter)
{
    const struct cache_site *site = row->site;

    if (filter->schema.data != NULL && site != &cache->nobody &&
        !slice_eq(filter->schema, site->schema)) {
        return false;
    }
    return !filter->has_digest || row == &site->others || filter->digest == row->digest;
}

static void flush_flights(const struct cache *cache, struct cache_shard *shard,
                          const struct cache_filter *filter)
{
    for (unsigned i = 0; i < FLIGHT_BUCKETS; i++) {
        for (struct cache_flight *f = shard->flights[i]; f != NULL; f = f->next) {
            /* One whose tables were written finds out by itself. */
            f->flushed = f->flushed || filter == NULL ||
                         (!filter->unless_hold && row_matches(cache, f->row, filter));
        }
    }
}

uint64_t cache_flush(struct cache *cache, const struct cache_filter *filter)
{
    uint64_t n = 0;
    struct list dead;

    list_init(&dead);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct cache_shard *shard = &cache->shards[i];

        cache_lock(&shard->lock);
        LIST_FOREACH_SAFE (node, next, &shard->clock) {
            struct cache_entry *entry = CONTAINER_OF(node, struct cache_entry, clock);

            if (filter == NULL || (row_matches(cache, entry->row, filter) &&
                                   !(filter->unless_hold && cache_entry_holds(entry)))) {
                cache_remove(shard, slot_of_entry(shard, entry), CACHE_GONE_FLUSHED, &dead);
            }
        }
        flush_flights(cache, shard, filter);
        cache_unlock(&shard->lock);
        n += dead.count;
        cache_bury(cache, &dead);
    }
    heap_trim(&cache->heap);
    return n;
}
