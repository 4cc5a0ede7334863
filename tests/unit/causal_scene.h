/* SPDX-License-Identifier: Apache-2.0 */
/*
 * causal_scene.h - writes at a time, and what a read makes of them.
 */
#ifndef TESTS_UNIT_CAUSAL_SCENE_H
#define TESTS_UNIT_CAUSAL_SCENE_H

#include "base/clock.h"
#include "base/mem.h"
#include "router/causal.h"
#include "tests/unit/test.h"

#define WINDOW 2000

static inline struct causal *causal_new(void)
{
    return mem_new(MEM_ROUTER, sizeof(struct causal));
}

static inline struct facts facts_of_text(const char *sql)
{
    struct facts f;

    facts_scan(&f, slice_of(sql), 0);
    return f;
}

static inline void write_rows_at(struct causal *c, uint64_t *bloom, const char *sql,
                                 const char *schema, const struct row_keys *rows, uint64_t now_ms)
{
    struct facts f = facts_of_text(sql);
    struct causal_write write = {&f, slice_of(schema), rows, false, false, 0};

    clock_set_us(now_ms * 1000);
    causal_mark(c, bloom, &write);
    clock_set_us(0);
}

static inline void write_at(struct causal *c, uint64_t *bloom, const char *sql, const char *schema,
                            uint64_t now_ms)
{
    write_rows_at(c, bloom, sql, schema, NULL, now_ms);
}

/* Within the window. */
static inline uint64_t follow_us(const struct causal *c, uint64_t bloom, const char *sql,
                                 const char *schema, uint64_t now_ms)
{
    struct facts f = facts_of_text(sql);
    uint8_t flags;
    uint64_t us = causal_follow_us(c,
                                   &(struct causal_read){&f, slice_of(schema), false, bloom,
                                                         now_ms * 1000, WINDOW * 1000, false, 0},
                                   &flags);

    return (flags & CAUSAL_OVER) != 0 ? 0 : us;
}

/* Must this read of another session (bloom 0) or of the same one follow? */
static inline bool follows(const struct causal *c, uint64_t bloom, const char *sql,
                           const char *schema, uint64_t now_ms)
{
    return follow_us(c, bloom, sql, schema, now_ms) != 0;
}

/* What a read depends on; it must be known. */
static inline struct causal_deps deps_of(const struct causal *c, const char *sql,
                                         const char *schema, const struct row_keys *rows)
{
    struct facts f = facts_of_text(sql);
    struct causal_deps deps;

    assert_true(causal_deps_of(c, &f, slice_of(schema), false, rows, 0, &deps));
    assert_true(causal_deps_hold(c, &deps));
    return deps;
}

#endif
