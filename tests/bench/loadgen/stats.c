/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/loadgen/stats.h"

#include <time.h>

#define SUB_COUNT (UINT64_C(1) << STATS_SUB_BITS)

uint64_t stats_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* bucket_of - linear below SUB_COUNT, then SUB_COUNT steps for each power of two. */
static uint64_t bucket_of(uint64_t ns)
{
    unsigned shift;
    uint64_t bucket;

    if (ns < SUB_COUNT) {
        return ns;
    }
    shift = 63u - (unsigned)__builtin_clzll(ns) - STATS_SUB_BITS;
    bucket = ((uint64_t)shift << STATS_SUB_BITS) + (ns >> shift);
    return bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1;
}

/* middle_of - the value in the middle of a bucket. */
static uint64_t middle_of(uint64_t bucket)
{
    uint64_t shift;

    if (bucket < 2 * SUB_COUNT) {
        return bucket;
    }
    shift = (bucket >> STATS_SUB_BITS) - 1;
    return ((bucket - (shift << STATS_SUB_BITS)) << shift) + (UINT64_C(1) << shift) / 2;
}

void stats_add(struct stats *stats, uint64_t ns)
{
    stats->n++;
    stats->counts[bucket_of(ns)]++;
    if (ns > stats->max_ns) {
        stats->max_ns = ns;
    }
}

double stats_quantile_us(const struct stats *stats, double share)
{
    const double wanted = share * (double)stats->n;
    uint64_t below = 0;

    for (uint64_t bucket = 0; bucket < STATS_BUCKETS; bucket++) {
        below += stats->counts[bucket];
        if (below > 0 && (double)below >= wanted) {
            return (double)middle_of(bucket) / 1000.0;
        }
    }
    return 0.0;
}

uint32_t rng_below(struct rng *rng, uint32_t limit)
{
    uint64_t x;

    /* splitmix64: every seed is fine, also 0. */
    rng->state += UINT64_C(0x9e3779b97f4a7c15);
    x = rng->state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return (uint32_t)(((x >> 32) * limit) >> 32);
}
