/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_table.c - entries of the query cache, and the tables in which they are found.
 */
#include "router/cache_inside.h"

#define SLOTS_MIN 64

/* --- an entry --------------------------------------------------------------------------------- */

static const uint32_t *slots_of(const struct cache_entry *entry)
{
    return (const uint32_t *)(entry->data + entry->n_deps);
}

static const char *key_of(const struct cache_entry *entry)
{
    return (const char *)(slots_of(entry) + entry->n_deps);
}

static void copy_deps(const struct cache_entry *entry, struct causal_deps *deps)
{
    deps->n = entry->n_deps;
    for (unsigned i = 0; i < entry->n_deps; i++) {
        deps->version[i] = entry->data[i];
        deps->slot[i] = slots_of(entry)[i];
    }
}

bool cache_entry_holds(const struct cache_entry *entry)
{
    struct causal_deps deps;

    copy_deps(entry, &deps);
    return causal_deps_hold(entry->causal, &deps);
}

enum cache_count cache_entry_why(const struct cache_entry *entry)
{
    struct causal_deps deps;
    bool foreign = false;

    copy_deps(entry, &deps);
    (void)causal_deps_written_us(entry->causal, &deps, &foreign);
    return foreign ? CACHE_GONE_FOREIGN : CACHE_GONE_WRITE;
}

static void fill(struct cache_entry *entry, const struct cache_flight *flight,
                 const struct cache_result *result)
{
    uint32_t *slots;
    char *to;

    memcpy(entry->data, flight->deps.version, flight->deps.n * sizeof(entry->data[0]));
    slots = (uint32_t *)(entry->data + flight->deps.n);
    memcpy(slots, flight->deps.slot, flight->deps.n * sizeof(*slots));
    to = (char *)(slots + flight->deps.n);
    memcpy(to, flight->key, flight->key_len);
    to += flight->key_len;
    for (unsigned i = 0; i < result->n_parts; i++) {
        if (result->parts[i].iov_len > 0) {
            memcpy(to, result->parts[i].iov_base, result->parts[i].iov_len);
            to += result->parts[i].iov_len;
        }
    }
}

struct cache_entry *cache_build(struct cache *cache, const struct cache_flight *flight,
                                const struct cache_result *result, uint64_t now_us)
{
    size_t deps = flight->deps.n * (sizeof(uint64_t) + sizeof(uint32_t));
    size_t size = sizeof(struct cache_entry) + deps + flight->key_len + result->len;
    struct cache_entry *entry = cache_make_room(cache, flight->row->site, size, now_us);

    if (entry == NULL) {
        return NULL;
    }
    *entry = (struct cache_entry){
        .hash = flight->hash,
        .refs = 1,
        .key_len = (uint32_t)flight->key_len,
        .n_deps = (uint16_t)flight->deps.n,
        .len = result->len,
        .cost = heap_round(size),
        .ends_us = now_us + result->ttl_us,
        .soft_us = result->soft_us == 0 ? 0 : now_us + result->soft_us,
        .took_us = result->took_us,
        .row = flight->row,
        .causal = flight->causal,
    };
    atomic_fetch_add(&flight->row->refs, 1); /* not from 0: the flight has one */
    fill(entry, flight, result);
    return entry;
}

struct slice cache_entry_bytes(const struct cache_entry *entry)
{
    return (struct slice){key_of(entry) + entry->key_len, entry->len};
}

struct cache_entry *cache_entry_ref(struct cache_entry *entry)
{
    atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
    return entry;
}

void cache_entry_unref(struct cache *cache, struct cache_entry *entry)
{
    struct cache_row *row = entry->row;
    size_t cost = entry->cost;

    if (atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) == 1) {
        heap_free(&cache->heap, entry);
        atomic_fetch_sub(&row->site->bytes, cost);
        cache_row_unref(row);
    }
}

/* --- the table of a shard --------------------------------------------------------------------- */

struct cache_slot *cache_slot_of(struct cache_shard *shard, uint64_t hash, struct slice key)
{
    size_t mask = shard->n_slots - 1;

    if (shard->n_slots == 0) {
        return NULL;
    }
    for (size_t i = hash & mask; shard->slots[i].entry != NULL; i = (i + 1) & mask) {
        const struct cache_entry *e = shard->slots[i].entry;

        if (shard->slots[i].hash == hash && e->key_len == key.len &&
            memcmp(key_of(e), key.data, key.len) == 0) {
            return &shard->slots[i];
        }
    }
    return NULL;
}

/* Close the gap: what follows moves back unless that would put it before the place of its hash. */
static void clear_slot(struct cache_shard *shard, size_t gap)
{
    size_t mask = shard->n_slots - 1;

    for (size_t i = (gap + 1) & mask; shard->slots[i].entry != NULL; i = (i + 1) & mask) {
        size_t home = shard->slots[i].hash & mask;

        if (((i - home) & mask) >= ((i - gap) & mask)) {
            shard->slots[gap] = shard->slots[i];
            gap = i;
        }
    }
    shard->slots[gap].entry = NULL;
}

void cache_remove(struct cache_shard *shard, struct cache_slot *slot, enum cache_count why,
                  struct list *dead)
{
    struct cache_entry *entry = slot->entry;

    clear_slot(shard, (size_t)(slot - shard->slots));
    list_remove(&shard->clock, &entry->clock);
    list_push_back(dead, &entry->clock);
    cache_count(entry->row, why, 1);
    atomic_fetch_sub_explicit(&entry->row->entries, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&entry->row->bytes, entry->cost, memory_order_relaxed);
}

void cache_bury(struct cache *cache, struct list *dead)
{
    for (struct list_node *node; (node = list_pop_front(dead)) != NULL;) {
        cache_entry_unref(cache, CONTAINER_OF(node, struct cache_entry, clock));
    }
}

static void put(struct cache_slot *slots, size_t n, struct cache_slot new_slot)
{
    size_t i = new_slot.hash & (n - 1);

    while (slots[i].entry != NULL) {
        i = (i + 1) & (n - 1);
    }
    slots[i] = new_slot;
}

static bool grow(struct cache *cache, struct cache_shard *shard)
{
    size_t n = MAX(shard->n_slots * 2, SLOTS_MIN);
    struct cache_slot *slots = heap_alloc(&cache->heap, n * sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    memset(slots, 0, n * sizeof(*slots));
    for (size_t i = 0; i < shard->n_slots; i++) {
        if (shard->slots[i].entry != NULL) {
            put(slots, n, shard->slots[i]);
        }
    }
    if (shard->slots != NULL) {
        heap_free(&cache->heap, shard->slots);
    }
    shard->slots = slots;
    shard->n_slots = n;
    return true;
}

bool cache_insert(struct cache *cache, struct cache_shard *shard, struct cache_entry *entry)
{
    if ((shard->clock.count + 1) * 4 > shard->n_slots * 3 && !grow(cache, shard) &&
        (shard->clock.count + 1) * 8 > shard->n_slots * 7) {
        return false;
    }
    put(shard->slots, shard->n_slots, (struct cache_slot){entry->hash, cache_entry_ref(entry)});
    list_push_back(&shard->clock, &entry->clock);
    atomic_fetch_add_explicit(&entry->row->entries, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&entry->row->bytes, entry->cost, memory_order_relaxed);
    cache_count(entry->row, CACHE_STORED, 1);
    cache_count(entry->row, CACHE_BYTES_IN, entry->len);
    return true;
}

void cache_table_fit(struct cache *cache, struct cache_shard *shard)
{
    cache_lock(&shard->lock);
    if (shard->n_slots == 0 && cache_max_bytes(cache) > 0) {
        (void)grow(cache, shard);
    } else if (list_is_empty(&shard->clock) && shard->slots != NULL &&
               cache_max_bytes(cache) == 0) {
        heap_free(&cache->heap, shard->slots);
        shard->slots = NULL;
        shard->n_slots = 0;
    }
    cache_unlock(&shard->lock);
}
