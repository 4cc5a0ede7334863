/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_scene.c - see cache_scene.h.
 */
#include "tests/unit/cache_scene.h"

#include <stdio.h>
#include <xxhash.h>

#include "base/mem.h"
#include "tests/unit/test.h"

void qc_init(struct qc *qc, size_t max_bytes)
{
    const struct cache_limits limits = {.max_bytes = max_bytes, .max_entry_bytes = 1 << 20};

    *qc = (struct qc){
        .cache = cache_new(&limits),
        .causal = mem_new(MEM_ROUTER, sizeof(struct causal)),
        .now_us = SCENE_NOW,
        .site = "wp1",
        .digest = 7,
    };
}

void qc_fini(struct qc *qc)
{
    cache_free(qc->cache);
    mem_free(MEM_ROUTER, qc->causal);
    assert_int_equal(mem_bytes(MEM_CACHE), 0);
}

enum cache_found qc_find(struct qc *qc, const char *sql, struct cache_waiter *waiter,
                         struct cache_look *look)
{
    char text[256];
    struct cache_key key;
    struct causal_deps deps;
    struct facts facts;
    int n = snprintf(text, sizeof(text), "%s: %s", qc->site, sql);

    assert_true(n > 0 && (size_t)n < sizeof(text));
    key = (struct cache_key){
        .bytes = {text, (size_t)n},
        .hash = XXH3_64bits(text, (size_t)n),
        .account_name = slice_of(qc->site),
        .schema = slice_of(qc->site),
        .digest = qc->digest,
    };
    facts_scan(&facts, slice_of(sql), 0);
    assert_true(causal_deps_of(qc->causal, &facts, slice_of(qc->site), false, NULL, 0, &deps));
    return cache_find(qc->cache, &key, qc->causal, &deps, qc->now_us, waiter, look);
}

void qc_end(struct qc *qc, struct cache_flight *flight, const char *text)
{
    struct slice bytes = slice_of(text);
    const struct iovec parts[] = {
        {(void *)(uintptr_t)bytes.data, bytes.len / 2},
        {(void *)(uintptr_t)(bytes.data + bytes.len / 2), bytes.len - bytes.len / 2},
    };
    const struct cache_result result = {
        .parts = parts, .n_parts = 2, .len = bytes.len, .ttl_us = SCENE_TTL, .took_us = 500};

    cache_end(qc->cache, flight, &result, qc->now_us);
}

void qc_store(struct qc *qc, const char *sql, const char *text)
{
    struct cache_look look;

    assert_int_equal(qc_find(qc, sql, NULL, &look), CACHE_LEAD);
    qc_end(qc, look.flight, text);
}

void qc_store_bytes(struct qc *qc, const char *sql, size_t n)
{
    struct iovec part = {mem_new(MEM_OTHER, n), n};
    const struct cache_result result = {
        .parts = &part, .n_parts = 1, .len = n, .ttl_us = SCENE_TTL, .took_us = 500};
    struct cache_look look;

    assert_int_equal(qc_find(qc, sql, NULL, &look), CACHE_LEAD);
    cache_end(qc->cache, look.flight, &result, qc->now_us);
    mem_free(MEM_OTHER, part.iov_base);
}

bool qc_has(struct qc *qc, const char *sql)
{
    struct cache_look look;
    enum cache_found found = qc_find(qc, sql, NULL, &look);

    if (look.flight != NULL) {
        cache_end(qc->cache, look.flight, NULL, qc->now_us);
    }
    if (look.entry != NULL) {
        cache_entry_unref(qc->cache, look.entry);
    }
    return found == CACHE_HIT || found == CACHE_HIT_REFRESH;
}

void qc_answer(struct qc *qc, const char *sql, const char *text)
{
    struct cache_look look;

    assert_int_equal(qc_find(qc, sql, NULL, &look), CACHE_HIT);
    assert_null(look.flight);
    assert_true(slice_eq(cache_entry_bytes(look.entry), slice_of(text)));
    cache_entry_unref(qc->cache, look.entry);
}

void qc_write(struct qc *qc, const char *table)
{
    char sql[128];
    uint64_t bloom = 0;
    struct facts facts;

    (void)snprintf(sql, sizeof(sql), "DELETE FROM %s", table);
    facts_scan(&facts, slice_of(sql), 0);
    causal_mark(qc->causal, &bloom,
                &(struct causal_write){.facts = &facts, .schema = slice_of(qc->site)});
}

void qc_write_elsewhere(struct qc *qc, const char *table)
{
    causal_mark_foreign(qc->causal, slice_of(qc->site), slice_of(table), NULL);
}

uint64_t qc_count(struct qc *qc, enum cache_count what)
{
    struct cache_figures sum;

    cache_sum_figures(qc->cache, &sum);
    return sum.counts[what];
}

uint64_t qc_entries(struct qc *qc)
{
    struct cache_figures sum;

    cache_sum_figures(qc->cache, &sum);
    return sum.entries;
}

uint64_t qc_bytes(struct qc *qc)
{
    struct cache_figures sum;

    cache_sum_figures(qc->cache, &sum);
    return sum.bytes;
}

static void count_wake(struct cache_waiter *waiter, struct cache_flight *flight)
{
    struct sleeper *sleeper = CONTAINER_OF(waiter, struct sleeper, waiter);

    (void)flight;
    atomic_fetch_add(&sleeper->woken, 1);
}

void sleeper_init(struct sleeper *sleeper)
{
    *sleeper = (struct sleeper){.waiter = {.wake = count_wake}};
}
