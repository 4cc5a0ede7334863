/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/loadgen/counter.h"

#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void counter_init(struct counter *counters, unsigned n)
{
    const uint64_t now = now_ns();

    for (unsigned i = 0; i < n; i++) {
        counters[i] = (struct counter){.sent = now};
    }
}

uint64_t counter_next(struct counter *counter)
{
    const uint64_t now = now_ns();

    counter->sent = now > counter->sent ? now : counter->sent + 1;
    return counter->sent;
}

void counter_written(struct counter *counter, struct counter_tally *tally)
{
    counter->acknowledged = counter->sent;
    tally->n_writes++;
}

enum counter_verdict counter_seen(const struct counter *counter, uint64_t value, uint64_t least,
                                  enum counter_place place, struct counter_tally *tally)
{
    tally->n_reads++;
    if (value > counter->sent) {
        return COUNTER_UNKNOWN;
    }
    if (value >= least) {
        return COUNTER_RIGHT;
    }
    tally->n_stale[place]++;
    return COUNTER_STALE;
}
