/* SPDX-License-Identifier: Apache-2.0 */
/*
 * homes.c - see homes.h.
 */
#include "pool/homes.h"

#include <stdlib.h>
#include <xxhash.h>

#include "pool/cluster.h"
#include "pool/node.h"

#define LOG_BITS 20

uint64_t homes_seed(const char *name)
{
    return XXH3_64bits(name, strlen(name));
}

/*
 * Of a number that is not 0: whole and LOG_BITS binary places. Whole numbers only: the same
 * anywhere.
 */
static uint64_t log2_of(uint64_t number)
{
    unsigned whole = 63 - (unsigned)__builtin_clzll(number);
    uint64_t x =
        whole >= 31 ? number >> (whole - 31) : number << (31 - whole); /* 1 to 2, 31 places */
    uint64_t log = whole;

    for (unsigned i = 0; i < LOG_BITS; i++) {
        x = x * x >> 31;
        log = log << 1 | x >> 32;
        x >>= x >> 32;
    }
    return log;
}

/*
 * The lowest of -log(u) / weight wins, u even between 0 and 1: then each wins in proportion to its
 * weight.
 */
static uint64_t draw(unsigned bucket, const struct homes_node *node, uint32_t weight)
{
    uint32_t key = bucket;
    uint64_t u = XXH3_64bits_withSeed(&key, sizeof(key), node->seed) | 1; /* of 2^64 */

    return ((UINT64_C(64) << LOG_BITS) - log2_of(u)) * (UINT64_C(1) << 32) / weight;
}

size_t homes_choose(unsigned bucket, const struct homes_node *nodes, size_t n)
{
    bool has_weight = false;
    size_t best = n;
    uint64_t lowest = 0;

    for (size_t i = 0; i < n; i++) {
        has_weight |= nodes[i].weight > 0;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t drawn;

        if (has_weight && nodes[i].weight == 0) {
            continue;
        }
        drawn = draw(bucket, &nodes[i], has_weight ? nodes[i].weight : 1);
        if (best == n || drawn < lowest || (drawn == lowest && nodes[i].seed < nodes[best].seed)) {
            best = i;
            lowest = drawn;
        }
    }
    return best;
}

struct homes *homes_of(const struct cluster *cluster)
{
    struct homes *homes =
        cluster == NULL ? NULL : atomic_load_explicit(&cluster->homes, memory_order_acquire);

    return homes != NULL && atomic_load_explicit(&homes->is_on, memory_order_acquire) ? homes
                                                                                      : NULL;
}

static bool serves(const struct cluster *cluster, unsigned node)
{
    uint64_t all = atomic_load_explicit(&cluster->shared.writers, memory_order_relaxed) |
                   atomic_load_explicit(&cluster->shared.backups, memory_order_relaxed) |
                   atomic_load_explicit(&cluster->shared.readers, memory_order_relaxed) |
                   atomic_load_explicit(&cluster->shared.offline, memory_order_relaxed);

    return (all & UINT64_C(1) << node) != 0;
}

/* Times of several threads: the latest stays. */
static void raise_to(atomic_ullong *us, uint64_t now_us)
{
    unsigned long long before = atomic_load_explicit(us, memory_order_relaxed);

    while (before < now_us && !atomic_compare_exchange_weak(us, &before, now_us)) {
    }
}

void homes_wrote(const struct nodes *nodes, unsigned node, unsigned bucket, uint64_t now_us)
{
    unsigned n = atomic_load_explicit(&nodes->n_clusters, memory_order_acquire);

    for (unsigned i = 0; i < n; i++) {
        struct homes *homes = homes_of(nodes->clusters[i]);

        if (homes == NULL || !serves(nodes->clusters[i], node)) {
            continue;
        }
        raise_to(&homes->wrote_us[bucket], now_us);
        if (homes_at(homes, bucket) != node) {
            raise_to(&homes->stray_us[bucket], now_us);
        }
    }
}

void homes_also_add(struct homes_also *also, unsigned bucket)
{
    for (unsigned i = 0; i < MIN(also->n, HOMES_ALSO_MAX); i++) {
        if (also->buckets[i] == bucket) {
            return;
        }
    }
    if (also->n < HOMES_ALSO_MAX) {
        also->buckets[also->n] = (uint16_t)bucket;
    }
    also->n = (uint8_t)MIN(also->n + 1, HOMES_ALSO_MAX + 1);
}

/*
 * The home first: who sees it at the node sees what was written elsewhere before it came there, or
 * that the node had applied that.
 */
static uint64_t needed_of(const struct homes *homes, unsigned node, unsigned bucket)
{
    bool is_at_home = node != HOME_NONE && homes_at(homes, bucket) == node;

    return atomic_load_explicit(is_at_home ? &homes->stray_us[bucket] : &homes->wrote_us[bucket],
                                memory_order_acquire);
}

uint64_t homes_needed_us(const struct homes *homes, unsigned node, unsigned bucket,
                         const struct homes_also *also)
{
    uint64_t needed = needed_of(homes, node, bucket);

    if (also->n > HOMES_ALSO_MAX) {
        return UINT64_MAX;
    }
    for (unsigned i = 0; i < also->n; i++) {
        needed = MAX(needed, needed_of(homes, node, also->buckets[i]));
    }
    return needed;
}

bool homes_is_held(const struct nodes *nodes, unsigned bucket)
{
    unsigned n = atomic_load_explicit(&nodes->n_clusters, memory_order_acquire);

    for (unsigned i = 0; i < n; i++) {
        const struct homes *homes = homes_of(nodes->clusters[i]);

        if (homes != NULL && homes_at(homes, bucket) == HOME_NONE) {
            return true;
        }
    }
    return false;
}

bool homes_are_on(const struct nodes *nodes)
{
    unsigned n = atomic_load_explicit(&nodes->n_clusters, memory_order_acquire);

    for (unsigned i = 0; i < n; i++) {
        if (homes_of(nodes->clusters[i]) != NULL) {
            return true;
        }
    }
    return false;
}

bool homes_set(struct homes *homes, unsigned bucket, unsigned node)
{
    return atomic_exchange(&homes->at[bucket], (unsigned char)node) != node;
}

struct homes *homes_make(struct cluster *cluster)
{
    struct homes *homes = atomic_load(&cluster->homes);

    if (homes == NULL) {
        homes = calloc(1, sizeof(*homes)); /* as long as the process, like its cluster */
        CHECK(homes != NULL);
        for (unsigned i = 0; i < HOMES_BUCKETS; i++) {
            atomic_init(&homes->at[i], HOME_NONE);
        }
        atomic_store(&cluster->homes, homes);
    }
    return homes;
}
