/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats - a histogram of latencies, a clock, and seeded random numbers.
 */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stdint.h>

#define STATS_SUB_BITS 7 /* 128 steps per power of two: a value is right to 0.8 % */
#define STATS_BUCKETS  ((40 - STATS_SUB_BITS) << STATS_SUB_BITS)

/* Zeroed is empty. */
struct stats {
    uint64_t n;
    uint64_t max_ns;
    uint64_t counts[STATS_BUCKETS];
};

struct rng {
    uint64_t state;
};

/* stats_now_ns - the monotonic clock. */
uint64_t stats_now_ns(void);

void stats_add(struct stats *stats, uint64_t ns);

/* stats_quantile_us - the latency that the share (0..1) of all stays below; 0 when empty. */
double stats_quantile_us(const struct stats *stats, double share);

/* rng_below - a number from 0 to limit - 1. */
uint32_t rng_below(struct rng *rng, uint32_t limit);

#endif
