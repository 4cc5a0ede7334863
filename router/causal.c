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
    atomic_fetch_add(&causal->version[hash % CAUSAL_SLOTS], 2);
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

static void add_dep(const struct causal *causal, struct causal_deps *out, uint32_t hash)
{
    out->slot[out->n] = hash % CAUSAL_SLOTS;
    out->version[out->n++] = atomic_load(&causal->version[hash % CAUSAL_SLOTS]);
}

bool causal_deps_of(const struct causal *causal, const struct facts *facts, struct slice schema,
                    const struct row_keys *keys, struct causal_deps *out)
{
    (void)keys;
    out->n = 0;
    if ((facts->flags & FACT_TABLES_UNKNOWN) != 0 || 2U * facts->n_tables > CAUSAL_DEPS_MAX) {
        return false;
    }
    for (unsigned i = 0; i < facts->n_tables; i++) {
        struct slice s = schema_of(&facts->tables[i], schema);

        add_dep(causal, out, causal_hash(s, facts->tables[i].name));
        add_dep(causal, out, causal_hash_schema(s));
    }
    return true;
}

bool causal_deps_hold(const struct causal *causal, const struct causal_deps *deps)
{
    for (unsigned i = 0; i < deps->n; i++) {
        if (atomic_load(&causal->version[deps->slot[i]]) != deps->version[i]) {
            return false;
        }
    }
    return true;
}

uint64_t causal_deps_written_us(const struct causal *causal, const struct causal_deps *deps,
                                bool *foreign)
{
    *foreign = false;
    for (unsigned i = 0; i < deps->n; i++) {
        if ((atomic_load(&causal->version[deps->slot[i]]) & 1) != 0) {
            *foreign = true;
        }
    }
    return 0;
}

void causal_mark_foreign(struct causal *causal, struct slice schema, struct slice table,
                         const struct row_keys *rows)
{
    uint32_t hash = table.len == 0 ? causal_hash_schema(schema) : causal_hash(schema, table);
    uint64_t old = atomic_load(&causal->version[hash % CAUSAL_SLOTS]);

    (void)rows;
    while (
        !atomic_compare_exchange_weak(&causal->version[hash % CAUSAL_SLOTS], &old, (old | 1) + 2)) {
    }
}
