/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.c - open addressing with linear probing.
 *
 * Removal closes the gap by moving later entries of the same run back, so there are no tombstones
 * and a look-up never walks further than the entries that are there. At most three quarters of the
 * slots are used, so a free slot always ends a run.
 */
#include "base/map.h"

#include <sys/random.h>
#include <xxhash.h>

#include "base/err.h"

#define MIN_SLOTS 8

/* A secret of this process: keys come from clients, who must not know which of them collide. */
static uint64_t seed;

__attribute__((constructor)) static void choose_seed(void)
{
#ifndef FUZZING /* a fuzzer must see the same run twice */
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed)) {
        seed = (uint64_t)(uintptr_t)&seed; /* early in boot: at least the address is random */
    }
#endif
}

static uint64_t hash_of(struct slice key)
{
    return XXH3_64bits_withSeed(key.len == 0 ? "" : key.data, key.len, seed);
}

/* The slot that has the key, or the free slot where it belongs. There are slots. */
static size_t find(const struct map *map, struct slice key, uint64_t hash)
{
    size_t mask = map->n_slots - 1;
    size_t i = (size_t)hash & mask;

    while (map->slots[i].value != NULL) {
        if (map->slots[i].hash == hash && slice_eq(map->slots[i].key, key)) {
            break;
        }
        i = (i + 1) & mask;
    }
    return i;
}

static int grow(struct map *map)
{
    struct map bigger = *map;

    bigger.n_slots = map->n_slots == 0 ? MIN_SLOTS : map->n_slots * 2;
    bigger.slots = mem_try(map->kind, bigger.n_slots * sizeof(*bigger.slots));
    if (bigger.slots == NULL) {
        return ERR_MEMORY;
    }
    memset(bigger.slots, 0, bigger.n_slots * sizeof(*bigger.slots));
    for (size_t i = 0; i < map->n_slots; i++) {
        const struct map_slot *slot = &map->slots[i];

        if (slot->value != NULL) {
            bigger.slots[find(&bigger, slot->key, slot->hash)] = *slot;
        }
    }
    mem_free(map->kind, map->slots);
    *map = bigger;
    return 0;
}

void map_init(struct map *map, enum mem_kind kind, size_t max_entries)
{
    CHECK(max_entries <= UINT32_MAX / 4); /* map_next keeps two slot numbers in its position */
    *map = (struct map){.kind = kind, .max_entries = max_entries};
}

void map_fini(struct map *map)
{
    mem_free(map->kind, map->slots);
    map->slots = NULL;
    map->n_slots = map->count = 0;
}

void *map_get(const struct map *map, struct slice key)
{
    return map->count == 0 ? NULL : map->slots[find(map, key, hash_of(key))].value;
}

int map_put(struct map *map, struct slice key, void *value)
{
    uint64_t hash = hash_of(key);
    size_t i = 0;
    bool replaces = false;

    CHECK(value != NULL);
    if (map->n_slots > 0) {
        i = find(map, key, hash);
        replaces = map->slots[i].value != NULL;
    }
    if (!replaces) {
        if (map->count >= map->max_entries) {
            mem_refused();
            return ERR_LIMIT;
        }
        if ((map->count + 1) * 4 > map->n_slots * 3) {
            int rc = grow(map);

            if (rc != 0) {
                return rc;
            }
            i = find(map, key, hash);
        }
        map->count++;
    }
    /* The key too: its bytes may live in the value that goes. */
    map->slots[i] = (struct map_slot){.hash = hash, .key = key, .value = value};
    return 0;
}

/* Free slot `gap` by moving back what could not be placed nearer to its own slot because of it. */
static void close_gap(struct map *map, size_t gap)
{
    size_t mask = map->n_slots - 1;

    for (size_t i = (gap + 1) & mask; map->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = (size_t)map->slots[i].hash & mask;

        /* Distances around the ring: may the entry at i stand at gap, at or after its home? */
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            map->slots[gap] = map->slots[i];
            gap = i;
        }
    }
    map->slots[gap] = (struct map_slot){.value = NULL};
}

void *map_remove(struct map *map, struct slice key)
{
    void *value;
    size_t i;

    if (map->count == 0) {
        return NULL;
    }
    i = find(map, key, hash_of(key));
    value = map->slots[i].value;
    if (value != NULL) {
        close_gap(map, i);
        map->count--;
    }
    return value;
}

/*
 * The walk goes down from a free slot, around the ring. Removing an entry only moves entries of
 * higher slots of the same run, which are behind the walk, so none is missed or seen twice.
 * The position is: the free slot + 1 in the upper half, steps done in the lower half.
 */
void *map_next(const struct map *map, size_t *pos)
{
    size_t mask = map->n_slots - 1;
    size_t start;
    size_t steps;

    if (map->n_slots == 0) {
        return NULL;
    }
    if (*pos == 0) {
        start = 0;
        while (map->slots[start].value != NULL) {
            start++;
        }
        steps = 0;
    } else {
        start = (*pos >> 32) - 1;
        steps = *pos & UINT32_MAX;
    }
    while (steps < mask) {
        void *value = map->slots[(start - ++steps) & mask].value;

        if (value != NULL) {
            *pos = (start + 1) << 32 | steps;
            return value;
        }
    }
    *pos = (start + 1) << 32 | steps;
    return NULL;
}
