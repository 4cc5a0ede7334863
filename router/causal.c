/* SPDX-License-Identifier: Apache-2.0 */
/*
 * causal.c - see causal.h.
 */
#include "router/causal.h"

#include <xxhash.h>

#define NAME_BYTES 256

static uint64_t lower_hash(struct slice text, uint64_t seed)
{
    char lower[NAME_BYTES] = {0};
    size_t n = text.len < NAME_BYTES ? text.len : NAME_BYTES;

    for (size_t i = 0; i < n; i++) {
        char c = text.data[i];

        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return XXH3_64bits_withSeed(lower, n, seed);
}

uint32_t causal_hash(struct slice schema, struct slice table)
{
    return (uint32_t)lower_hash(table, lower_hash(schema, 1));
}

uint32_t causal_hash_schema(struct slice schema)
{
    return (uint32_t)lower_hash(schema, 2);
}

/* Some table of the schema: for reads whose tables are not known. */
static uint32_t hash_any(struct slice schema)
{
    return (uint32_t)lower_hash(schema, 3);
}

/* 0 means never: the time that would be 0 is one later. */
static uint32_t stamp(uint64_t now_ms)
{
    uint32_t time = (uint32_t)now_ms + 1;

    return time == 0 ? 1 : time;
}

static struct slice schema_of(const struct table_name *table, struct slice schema)
{
    return table->schema.len > 0 ? table->schema : schema;
}

static void mark(struct causal *causal, uint64_t *bloom, uint32_t hash, uint32_t time)
{
    atomic_store_explicit(&causal->written_ms[hash % CAUSAL_SLOTS], time, memory_order_release);
    *bloom |= UINT64_C(1) << (hash >> 26);
}

void causal_mark_hash(struct causal *causal, uint32_t hash, uint64_t now_ms)
{
    atomic_store_explicit(&causal->written_ms[hash % CAUSAL_SLOTS], stamp(now_ms),
                          memory_order_release);
}

void causal_mark(struct causal *causal, uint64_t *bloom, const struct facts *facts,
                 struct slice schema, uint64_t now_ms)
{
    uint32_t time = stamp(now_ms);

    if ((facts->flags & (FACT_TABLES_UNKNOWN | FACT_DDL)) != 0 || facts->n_tables == 0) {
        mark(causal, bloom, causal_hash_schema(schema), time);
        mark(causal, bloom, hash_any(schema), time);
    }
    for (unsigned i = 0; i < facts->n_tables; i++) {
        const struct table_name *t = &facts->tables[i];

        mark(causal, bloom, causal_hash(schema_of(t, schema), t->name), time);
        mark(causal, bloom, hash_any(schema_of(t, schema)), time);
        if ((facts->flags & (FACT_TABLES_UNKNOWN | FACT_DDL)) != 0) {
            mark(causal, bloom, causal_hash_schema(schema_of(t, schema)), time);
        }
    }
}

/* As causal_follow_us, of one slot. */
static uint64_t follow_slot(const struct causal *causal, uint64_t bloom, uint32_t hash,
                            uint64_t now_us, uint64_t window_us)
{
    uint32_t now = (uint32_t)(now_us / 1000) + 1;
    uint32_t time;
    int64_t age_us;

    if ((bloom & UINT64_C(1) << (hash >> 26)) != 0) {
        return UINT64_MAX;
    }
    time = atomic_load_explicit(&causal->written_ms[hash % CAUSAL_SLOTS], memory_order_acquire);
    age_us = (int64_t)(int32_t)(now - time) * 1000; /* another thread's clock may be ahead */
    if (time == 0 || age_us > (int64_t)window_us) {
        return 0;
    }
    return (uint64_t)((int64_t)(now_us / 1000 * 1000) - age_us) + 1000;
}

uint64_t causal_follow_us(const struct causal *causal, uint64_t bloom, const struct facts *facts,
                          struct slice schema, uint64_t now_us, uint64_t window_us)
{
    uint64_t us = follow_slot(causal, bloom, causal_hash_schema(schema), now_us, window_us);

    if ((facts->flags & FACT_TABLES_UNKNOWN) != 0) {
        us = MAX(us, bloom != 0 ? UINT64_MAX
                                : follow_slot(causal, 0, hash_any(schema), now_us, window_us));
    }
    for (unsigned i = 0; i < facts->n_tables; i++) {
        const struct table_name *t = &facts->tables[i];
        struct slice s = schema_of(t, schema);

        us = MAX(us, follow_slot(causal, bloom, causal_hash(s, t->name), now_us, window_us));
        if (t->schema.len > 0) {
            us = MAX(us, follow_slot(causal, bloom, causal_hash_schema(s), now_us, window_us));
        }
    }
    return us;
}
