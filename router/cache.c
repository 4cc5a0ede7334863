/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c - the query cache: start, end, and looking things up. See cache.h.
 */
#include "router/cache_inside.h"

struct cache *cache_new(const struct cache_limits *limits)
{
    struct cache *cache = mem_new(MEM_CACHE, sizeof(*cache));

    for (unsigned i = 0; i < SHARDS; i++) {
        CHECK(pthread_mutex_init(&cache->shards[i].lock, NULL) == 0);
        CHECK(pthread_cond_init(&cache->shards[i].woken, NULL) == 0);
        list_init(&cache->shards[i].clock);
    }
    heap_init(&cache->heap);
    cache_figures_init(cache);
    cache_limit(cache, limits);
    return cache;
}

void cache_free(struct cache *cache)
{
    if (cache == NULL) {
        return;
    }
    (void)cache_flush(cache, NULL);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct cache_shard *shard = &cache->shards[i];

        CHECK(shard->n_flights == 0);
        if (shard->slots != NULL) {
            heap_free(&cache->heap, shard->slots);
        }
        (void)pthread_cond_destroy(&shard->woken);
        (void)pthread_mutex_destroy(&shard->lock);
    }
    cache_figures_fini(cache);
    heap_fini(&cache->heap);
    mem_free(MEM_CACHE, cache);
}

/* --- flights ---------------------------------------------------------------------------------- */

static struct cache_flight **bucket_of(struct cache_shard *shard, uint64_t hash)
{
    return &shard->flights[(hash >> 32) % FLIGHT_BUCKETS];
}

static struct cache_flight *flight_of(struct cache_shard *shard, const struct cache_key *key)
{
    struct cache_flight *f = *bucket_of(shard, key->hash);

    while (f != NULL && !(f->hash == key->hash && f->key_len == key->bytes.len &&
                          memcmp(f->key, key->bytes.data, f->key_len) == 0)) {
        f = f->next;
    }
    return f;
}

/* Nobody finds it any more; the bucket's reference is the caller's now. */
static void unlink_flight(struct cache_shard *shard, struct cache_flight *flight)
{
    struct cache_flight **at = bucket_of(shard, flight->hash);

    while (*at != flight) {
        at = &(*at)->next;
    }
    *at = flight->next;
    flight->next = NULL;
    flight->linked = false;
    shard->n_flights--;
}

/* Takes the reference to row, on failure too. */
static struct cache_flight *new_flight(struct cache *cache, struct cache_shard *shard,
                                       const struct cache_key *key, struct cache_row *row,
                                       uint64_t now_us)
{
    size_t size = sizeof(struct cache_flight) + key->bytes.len;
    struct cache_flight *flight = NULL;

    if (shard->n_flights < SHARD_FLIGHTS && key->bytes.len <= UINT32_MAX) {
        flight = cache_small(cache, size);
    }
    if (flight == NULL) {
        cache_row_unref(row);
        return NULL;
    }
    flight->hash = key->hash;
    flight->refs = 2;
    flight->linked = true;
    flight->began_us = now_us;
    flight->row = row;
    flight->size = size;
    flight->key_len = key->bytes.len;
    memcpy(flight->key, key->bytes.data, key->bytes.len);
    list_init(&flight->waiters);
    flight->next = *bucket_of(shard, key->hash);
    *bucket_of(shard, key->hash) = flight;
    shard->n_flights++;
    return flight;
}

void cache_flight_unref(struct cache *cache, struct cache_flight *flight)
{
    struct cache_entry *result;

    if (atomic_fetch_sub_explicit(&flight->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    CHECK(list_is_empty(&flight->waiters));
    result = atomic_load(&flight->result);
    if (result != NULL) {
        cache_entry_unref(cache, result);
    }
    cache_row_unref(flight->row);
    cache_small_free(cache, flight, flight->size);
}

/* --- looking things up ------------------------------------------------------------------------ */

/* What a call of cache_find() has and knows. */
struct search {
    struct cache *cache;
    struct cache_shard *shard;
    const struct cache_key *key;
    const struct causal *causal;
    const struct causal_deps *now;
    uint64_t now_us;
    struct list dead; /* entries that turned out to be stale */
};

static struct cache_flight *lead(struct search *s, struct cache_row *row)
{
    struct cache_flight *flight = new_flight(s->cache, s->shard, s->key, row, s->now_us);

    if (flight != NULL) {
        flight->causal = s->causal;
        flight->deps = *s->now;
    }
    return flight;
}

/* The entry if it still counts. */
static struct cache_entry *valid_entry(struct search *s)
{
    struct cache_slot *slot = cache_slot_of(s->shard, s->key->hash, s->key->bytes);

    if (slot == NULL) {
        return NULL;
    }
    if (!cache_entry_holds(slot->entry)) {
        cache_remove(s->shard, slot, cache_entry_why(slot->entry), &s->dead);
        return NULL;
    }
    if (slot->entry->ends_us <= s->now_us) {
        cache_remove(s->shard, slot, CACHE_GONE_TTL, &s->dead);
        return NULL;
    }
    return slot->entry;
}

static enum cache_found hit(struct search *s, struct cache_entry *entry, struct cache_look *out)
{
    out->entry = cache_entry_ref(entry);
    if (entry->chances < MAX_CHANCES) {
        entry->chances++;
    }
    if (entry->soft_us != 0 && entry->soft_us <= s->now_us && flight_of(s->shard, s->key) == NULL) {
        atomic_fetch_add(&entry->row->refs, 1); /* not from 0: the entry has one */
        out->flight = lead(s, entry->row);
    }
    return out->flight != NULL ? CACHE_HIT_REFRESH : CACHE_HIT;
}

static enum cache_found join(struct search *s, struct cache_flight *flight,
                             struct cache_waiter *waiter, struct cache_look *out)
{
    uint64_t wait_us = atomic_load_explicit(&s->cache->wait_us, memory_order_relaxed);

    if (waiter == NULL || atomic_load(&flight->row->waits_in_vain) ||
        (wait_us != 0 && s->now_us > flight->began_us + wait_us)) {
        cache_count(flight->row, CACHE_MISSES, 1);
        return CACHE_NONE;
    }
    cache_count(flight->row, CACHE_WAITS, 1);
    list_push_back(&flight->waiters, &waiter->node);
    atomic_fetch_add(&flight->refs, 1);
    out->flight = flight;
    return CACHE_WAIT;
}

static enum cache_found miss(struct search *s, struct cache_waiter *waiter, struct cache_look *out)
{
    struct cache_flight *flight = flight_of(s->shard, s->key);
    struct cache_row *row;

    if (flight != NULL && !flight->flushed && causal_deps_hold(flight->causal, &flight->deps)) {
        return join(s, flight, waiter, out);
    }
    if (flight != NULL) { /* too old for this statement; goes on for those who wait for it */
        unlink_flight(s->shard, flight);
        cache_flight_unref(s->cache, flight);
    }
    row = cache_row_of(s->cache, s->key, s->now_us);
    cache_count(row, CACHE_MISSES, 1);
    out->flight = lead(s, row);
    return out->flight != NULL ? CACHE_LEAD : CACHE_NONE;
}

enum cache_found cache_find(struct cache *cache, const struct cache_key *key,
                            const struct causal *causal, const struct causal_deps *now,
                            uint64_t now_us, struct cache_waiter *waiter, struct cache_look *out)
{
    struct search s = {
        .cache = cache,
        .shard = cache_shard_of(cache, key->hash),
        .key = key,
        .causal = causal,
        .now = now,
        .now_us = now_us,
    };
    enum cache_found found;
    struct cache_entry *entry;

    *out = (struct cache_look){0};
    if (atomic_load_explicit(&cache->max_bytes, memory_order_relaxed) == 0) {
        return CACHE_NONE;
    }
    list_init(&s.dead);
    cache_lock(&s.shard->lock);
    entry = valid_entry(&s);
    found = entry != NULL ? hit(&s, entry, out) : miss(&s, waiter, out);
    cache_unlock(&s.shard->lock);
    cache_bury(cache, &s.dead);
    if (out->entry != NULL) {
        cache_count(out->entry->row, CACHE_HITS, 1);
        cache_count(out->entry->row, CACHE_SAVED_US, out->entry->took_us);
        cache_count(out->entry->row, CACHE_BYTES_OUT, out->entry->len);
    }
    return found;
}

/* --- the end of a flight ---------------------------------------------------------------------- */

/* Why an answer is not kept; CACHE_STORED: it is, if nothing was written. */
static enum cache_count judge(const struct cache *cache, const struct cache_result *result)
{
    if (result == NULL) {
        return CACHE_NOT_FIT;
    }
    if (result->parts == NULL || result->len > atomic_load(&cache->max_entry_bytes)) {
        return CACHE_NOT_LARGE;
    }
    return result->is_error || result->is_empty || result->ttl_us == 0 ? CACHE_NOT_FIT
                                                                       : CACHE_STORED;
}

/* Is there any use in making a block? If not, from now on nobody joins. */
static bool is_wanted(struct cache *cache, struct cache_shard *shard, struct cache_flight *flight,
                      enum cache_count why, const struct cache_result *result)
{
    bool waited;

    if (result == NULL || why == CACHE_NOT_LARGE) {
        return false;
    }
    cache_lock(&shard->lock);
    if (why == CACHE_STORED &&
        (flight->flushed || !causal_deps_hold(flight->causal, &flight->deps))) {
        why = CACHE_NOT_WRITE;
    }
    waited = !list_is_empty(&flight->waiters);
    if (why != CACHE_STORED && !waited && flight->linked) {
        unlink_flight(shard, flight);
        cache_flight_unref(cache, flight); /* the leader has one more */
    }
    cache_unlock(&shard->lock);
    return why == CACHE_STORED || waited;
}

/* Under the shard's lock. */
static enum cache_count store(struct cache *cache, struct cache_shard *shard,
                              struct cache_flight *flight, struct cache_entry *entry,
                              struct list *dead)
{
    struct slice key = {flight->key, flight->key_len};
    struct cache_slot *old;

    if (flight->flushed || !causal_deps_hold(flight->causal, &flight->deps)) {
        return CACHE_NOT_WRITE;
    }
    old = cache_slot_of(shard, flight->hash, key);
    if (old != NULL) {
        cache_remove(shard, old, CACHE_GONE_TTL, dead); /* this is its refresh */
    }
    for (unsigned tries = 0; !cache_insert(cache, shard, entry); tries++) {
        if (tries > MAX_CHANCES) {
            return CACHE_NOT_ROOM;
        }
        (void)cache_evict(shard, 1, 0, dead);
    }
    return CACHE_STORED;
}

/* Call them one by one, under no lock: what a waiter does may take any lock. */
static void wake_all(struct cache_shard *shard, struct cache_flight *flight)
{
    for (struct list_node *node; (node = list_pop_front(&flight->waiters)) != NULL;) {
        struct cache_waiter *waiter = CONTAINER_OF(node, struct cache_waiter, node);

        flight->waking = waiter;
        cache_unlock(&shard->lock);
        waiter->wake(waiter, flight);
        cache_lock(&shard->lock);
        flight->waking = NULL;
        CHECK(pthread_cond_broadcast(&shard->woken) == 0);
    }
}

void cache_end(struct cache *cache, struct cache_flight *flight, const struct cache_result *result,
               uint64_t now_us)
{
    struct cache_shard *shard = cache_shard_of(cache, flight->hash);
    enum cache_count why = judge(cache, result);
    struct cache_entry *entry = NULL;
    struct list dead;

    list_init(&dead);
    if (is_wanted(cache, shard, flight, why, result)) {
        entry = cache_build(cache, flight, result, now_us);
        why = entry == NULL ? CACHE_NOT_ROOM : why;
    } else if (why == CACHE_STORED) {
        why = CACHE_NOT_WRITE;
    }
    cache_lock(&shard->lock);
    if (why == CACHE_STORED) {
        why = store(cache, shard, flight, entry, &dead);
    }
    atomic_store(&flight->row->waits_in_vain,
                 result == NULL || why == CACHE_NOT_LARGE || why == CACHE_NOT_ROOM);
    atomic_store(&flight->result, entry);
    if (flight->linked) {
        unlink_flight(shard, flight);
        cache_flight_unref(cache, flight);
    }
    wake_all(shard, flight);
    cache_unlock(&shard->lock);
    if (why != CACHE_STORED) {
        cache_count(flight->row, why, 1);
    }
    cache_bury(cache, &dead);
    cache_flight_unref(cache, flight);
}

struct cache_entry *cache_flight_entry(struct cache_flight *flight)
{
    struct cache_entry *entry = atomic_load(&flight->result);

    if (entry == NULL) {
        return NULL;
    }
    cache_count(flight->row, CACHE_SHARED, 1);
    cache_count(flight->row, CACHE_BYTES_OUT, entry->len);
    return cache_entry_ref(entry);
}

void cache_leave(struct cache *cache, struct cache_flight *flight, struct cache_waiter *waiter)
{
    struct cache_shard *shard = cache_shard_of(cache, flight->hash);

    cache_lock(&shard->lock);
    if (list_is_linked(&waiter->node)) {
        list_remove(&flight->waiters, &waiter->node);
    }
    while (flight->waking == waiter) {
        CHECK(pthread_cond_wait(&shard->woken, &shard->lock) == 0);
    }
    cache_unlock(&shard->lock);
}
