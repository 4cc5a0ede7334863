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

static bool was_written(const struct causal *causal, uint64_t bloom, uint32_t hash, uint32_t now,
                        uint64_t window_ms)
{
    uint32_t time;

    if ((bloom & UINT64_C(1) << (hash >> 26)) != 0) {
        return true;
    }
    time = atomic_load_explicit(&causal->written_ms[hash % CAUSAL_SLOTS], memory_order_acquire);
    return time != 0 && (int32_t)(now + 1 - time) <=
                            (int64_t)window_ms; /* another thread's clock may be ahead */
}

bool causal_must_follow(const struct causal *causal, uint64_t bloom, const struct facts *facts,
                        struct slice schema, uint64_t now_ms, uint64_t window_ms)
{
    uint32_t now = (uint32_t)now_ms;

    if (was_written(causal, bloom, causal_hash_schema(schema), now, window_ms)) {
        return true;
    }
    if ((facts->flags & FACT_TABLES_UNKNOWN) != 0 &&
        (bloom != 0 || was_written(causal, bloom, hash_any(schema), now, window_ms))) {
        return true;
    }
    for (unsigned i = 0; i < facts->n_tables; i++) {
        const struct table_name *t = &facts->tables[i];
        struct slice s = schema_of(t, schema);

        if (was_written(causal, bloom, causal_hash(s, t->name), now, window_ms) ||
            (t->schema.len > 0 &&
             was_written(causal, bloom, causal_hash_schema(s), now, window_ms))) {
            return true;
        }
    }
    return false;
}
