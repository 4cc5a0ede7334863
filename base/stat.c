/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat.c - names of counters, and sums over the workers.
 */
#include "base/stat.h"

static const struct {
    const char *name;
    const char *help;
} table[STAT_COUNT] = {
#define X(id, name, help) [id] = {(name), (help)},
    STAT_TABLE(X)
#undef X
};

const char *stat_name(enum stat_id id)
{
    CHECK(id < STAT_COUNT);
    return table[id].name;
}

const char *stat_help(enum stat_id id)
{
    CHECK(id < STAT_COUNT);
    return table[id].help;
}

uint64_t stat_sum(struct stat_set *const *sets, size_t n, enum stat_id id)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += atomic_load_explicit(&sets[i]->values[id], memory_order_relaxed);
    }
    return sum;
}
