/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.h - a hash map from bytes to a pointer, with a cap on its entries.
 *
 * Open addressing, XXH3. The key's bytes are borrowed: they must live in (or as long as) the value.
 * Not thread safe; one owner.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/base.h"
#include "base/mem.h"

struct map_slot {
    uint64_t hash;
    struct slice key;
    void *value; /* NULL = free slot */
};

struct map {
    struct map_slot *slots; /* owned; NULL while empty */
    size_t n_slots;         /* a power of two, or 0 */
    size_t count;
    size_t max_entries; /* map_put refuses beyond it, and counts it (mem_failures) */
    enum mem_kind kind;
};

/* map_init - an empty map that will hold at most max_entries. Allocates nothing. */
void map_init(struct map *map, enum mem_kind kind, size_t max_entries);

/* map_fini - frees the slots, not the values. A zeroed map is fine. */
void map_fini(struct map *map);

/* map_get - the value, or NULL. */
void *map_get(const struct map *map, struct slice key);

/* map_put - add or replace. Returns 0, ERR_LIMIT when full, ERR_MEMORY. value is not NULL. */
int map_put(struct map *map, struct slice key, void *value) MUST_CHECK;

/* map_remove - the value that was there, or NULL. */
void *map_remove(struct map *map, struct slice key);

/*
 * map_next - walk: start with *pos = 0, ends with NULL. The map may not change in between, but the
 * entry just returned may be removed; go on with the same *pos. No order is promised.
 */
void *map_next(const struct map *map, size_t *pos);

#endif
