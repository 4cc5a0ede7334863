/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cache.c - answers that are kept: found again, stale, too old, flushed; what is counted.
 */
#include <stdio.h>
#include <xxhash.h>

#include "base/mem.h"
#include "tests/unit/cache_scene.h"
#include "tests/unit/test.h"

#define MIB ((size_t)1024 * 1024)

TEST(cache_answer_that_was_kept_is_found_again)
{
    struct qc s;

    qc_init(&s, 8 * MIB);
    assert_false(qc_has(&s, "SELECT 1 FROM t"));
    qc_store(&s, "SELECT 1 FROM t", "one");
    qc_store(&s, "SELECT 2 FROM t", "");
    qc_answer(&s, "SELECT 1 FROM t", "one");
    qc_answer(&s, "SELECT 2 FROM t", "");
    assert_int_equal(qc_count(&s, CACHE_HITS), 2);
    assert_int_equal(qc_count(&s, CACHE_MISSES), 3);
    assert_int_equal(qc_count(&s, CACHE_SAVED_US), 1000);
    assert_int_equal(qc_count(&s, CACHE_BYTES_IN), 3);
    assert_int_equal(qc_count(&s, CACHE_BYTES_OUT), 3);
    qc_fini(&s);
}

/* Two keys of one hash: the bytes decide. */
TEST(cache_keys_of_one_hash_are_told_apart)
{
    struct cache_key key = {.hash = 42, .account_name = SLICE("a"), .schema = SLICE("a")};
    const char *names[] = {"x", "y", "xy", ""};
    const struct causal_deps deps = {0};
    struct cache_look look;
    struct qc s;

    qc_init(&s, 8 * MIB);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        key.bytes = slice_of(names[i]);
        assert_int_equal(cache_find(s.cache, &key, s.causal, &deps, 1, NULL, &look), CACHE_LEAD);
        qc_end(&s, look.flight, names[i]);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        key.bytes = slice_of(names[i]);
        assert_int_equal(cache_find(s.cache, &key, s.causal, &deps, 1, NULL, &look), CACHE_HIT);
        assert_true(slice_eq(cache_entry_bytes(look.entry), slice_of(names[i])));
        cache_entry_unref(s.cache, look.entry);
    }
    qc_fini(&s);
}

TEST(cache_write_of_a_table_makes_its_answers_stale)
{
    struct qc s;

    qc_init(&s, 8 * MIB);
    qc_store(&s, "SELECT a FROM t", "a");
    qc_store(&s, "SELECT b FROM u", "b");
    qc_store(&s, "SELECT c FROM t, u", "c");
    qc_store(&s, "SELECT d FROM v", "d");
    qc_write(&s, "t");
    assert_false(qc_has(&s, "SELECT a FROM t"));
    assert_true(qc_has(&s, "SELECT b FROM u"));
    assert_false(qc_has(&s, "SELECT c FROM t, u"));
    qc_write_elsewhere(&s, "v");
    assert_false(qc_has(&s, "SELECT d FROM v"));
    assert_int_equal(qc_count(&s, CACHE_GONE_WRITE), 2);
    assert_int_equal(qc_count(&s, CACHE_GONE_FOREIGN), 1);
    assert_int_equal(qc_entries(&s), 1);
    qc_fini(&s);
}

/* Names that differ in a digit have slots of their own. */
TEST(cache_write_of_one_site_leaves_the_others)
{
    enum { SITES = 500 };
    char name[16];
    unsigned lost = 0;
    struct qc s;

    qc_init(&s, 8 * MIB);
    s.site = name;
    for (unsigned i = 0; i < SITES; i++) {
        (void)snprintf(name, sizeof(name), "wp%u", i);
        qc_store(&s, "SELECT a FROM t", "a");
    }
    (void)snprintf(name, sizeof(name), "wp1");
    qc_write(&s, "t");
    for (unsigned i = 0; i < SITES; i++) {
        (void)snprintf(name, sizeof(name), "wp%u", i);
        lost += qc_has(&s, "SELECT a FROM t") ? 0 : 1;
    }
    assert_int_equal(lost, 1);
    qc_fini(&s);
}

TEST(cache_write_while_the_statement_runs_keeps_nothing)
{
    struct cache_look look;
    struct qc s;

    qc_init(&s, 8 * MIB);
    assert_int_equal(qc_find(&s, "SELECT a FROM t", NULL, &look), CACHE_LEAD);
    qc_write(&s, "t");
    qc_end(&s, look.flight, "old");
    assert_false(qc_has(&s, "SELECT a FROM t"));
    assert_int_equal(qc_count(&s, CACHE_NOT_WRITE), 1);
    assert_int_equal(qc_count(&s, CACHE_STORED), 0);
    qc_fini(&s);
}

TEST(cache_entry_ends_with_its_time)
{
    struct qc s;

    qc_init(&s, 8 * MIB);
    qc_store(&s, "SELECT a FROM t", "a");
    s.now_us += SCENE_TTL - 1;
    assert_true(qc_has(&s, "SELECT a FROM t"));
    s.now_us += 1;
    assert_false(qc_has(&s, "SELECT a FROM t"));
    assert_int_equal(qc_count(&s, CACHE_GONE_TTL), 1);
    qc_fini(&s);
}

TEST(cache_soft_end_lets_one_refresh_while_the_others_get_the_old)
{
    const struct iovec part = {(void *)(uintptr_t) "old", 3};
    const struct cache_result result = {
        .parts = &part, .n_parts = 1, .len = 3, .ttl_us = 1000, .soft_us = 600};
    struct cache_look look, second;
    struct qc s;

    qc_init(&s, 8 * MIB);
    assert_int_equal(qc_find(&s, "SELECT a FROM t", NULL, &look), CACHE_LEAD);
    cache_end(s.cache, look.flight, &result, s.now_us);
    s.now_us += 599;
    qc_answer(&s, "SELECT a FROM t", "old");
    s.now_us += 1;
    assert_int_equal(qc_find(&s, "SELECT a FROM t", NULL, &look), CACHE_HIT_REFRESH);
    assert_int_equal(qc_find(&s, "SELECT a FROM t", NULL, &second), CACHE_HIT);
    cache_entry_unref(s.cache, second.entry);
    qc_end(&s, look.flight, "new");
    assert_true(slice_eq(cache_entry_bytes(look.entry), SLICE("old")));
    cache_entry_unref(s.cache, look.entry);
    qc_answer(&s, "SELECT a FROM t", "new");
    assert_int_equal(qc_entries(&s), 1);
    qc_fini(&s);
}

TEST(cache_what_is_not_fit_is_not_kept)
{
    const struct iovec part = {(void *)(uintptr_t) "x", 1};
    const struct cache_result results[] = {
        {.parts = &part, .n_parts = 1, .len = 1, .ttl_us = 9, .is_error = true},
        {.parts = &part, .n_parts = 1, .len = 1, .ttl_us = 9, .is_empty = true},
        {.parts = &part, .n_parts = 1, .len = 1, .ttl_us = 0},
        {.parts = NULL, .ttl_us = 9},
    };
    struct cache_look look;
    struct qc s;

    qc_init(&s, 8 * MIB);
    for (unsigned i = 0; i < ARRAY_SIZE(results); i++) {
        assert_int_equal(qc_find(&s, "SELECT a FROM t", NULL, &look), CACHE_LEAD);
        cache_end(s.cache, look.flight, &results[i], s.now_us);
    }
    assert_int_equal(qc_count(&s, CACHE_NOT_FIT), 3);
    assert_int_equal(qc_count(&s, CACHE_NOT_LARGE), 1);
    assert_int_equal(qc_entries(&s), 0);
    qc_fini(&s);
}

TEST(cache_that_is_off_finds_and_keeps_nothing)
{
    struct cache_look look;
    struct qc s;

    qc_init(&s, 0);
    assert_int_equal(qc_find(&s, "SELECT a FROM t", NULL, &look), CACHE_NONE);
    assert_null(look.flight);
    assert_null(look.entry);
    qc_fini(&s);
}

static uint64_t flush(struct qc *s, const char *schema, uint64_t digest)
{
    const struct cache_filter filter = {
        .schema = slice_of(schema), .has_digest = digest != 0, .digest = digest};

    return cache_flush(s->cache, &filter);
}

TEST(cache_flush_takes_what_its_filter_says)
{
    struct qc s;

    qc_init(&s, 8 * MIB);
    qc_store(&s, "SELECT 1 FROM t", "1");
    s.digest = 8;
    qc_store(&s, "SELECT 2 FROM u", "2");
    s.site = "wp2";
    qc_store(&s, "SELECT 1 FROM t", "3");
    assert_int_equal(flush(&s, "wp3", 0), 0);
    assert_int_equal(flush(&s, NULL, 9), 0);
    assert_int_equal(flush(&s, NULL, 7), 1);
    assert_int_equal(flush(&s, "wp2", 0), 1);
    s.site = "wp1";
    qc_answer(&s, "SELECT 2 FROM u", "2");
    assert_int_equal(cache_flush(s.cache, NULL), 1);
    assert_int_equal(qc_count(&s, CACHE_GONE_FLUSHED), 3);
    assert_int_equal(qc_entries(&s), 0);
    qc_fini(&s);
}

TEST(cache_flush_of_a_table_is_a_write_and_a_sweep)
{
    const struct cache_filter filter = {.unless_hold = true};
    struct qc s;

    qc_init(&s, 8 * MIB);
    qc_store(&s, "SELECT 1 FROM t", "1");
    qc_store(&s, "SELECT 2 FROM u", "2");
    assert_int_equal(cache_flush(s.cache, &filter), 0);
    qc_write_elsewhere(&s, "t");
    assert_int_equal(cache_flush(s.cache, &filter), 1);
    qc_answer(&s, "SELECT 2 FROM u", "2");
    qc_fini(&s);
}

/* What was asked for before a flush is not there after it. */
TEST(cache_flush_forbids_flights_to_keep_their_answer)
{
    struct cache_look look, other, next;
    struct qc s;

    qc_init(&s, 8 * MIB);
    assert_int_equal(qc_find(&s, "SELECT 1 FROM t", NULL, &look), CACHE_LEAD);
    s.site = "wp2";
    assert_int_equal(qc_find(&s, "SELECT 1 FROM t", NULL, &other), CACHE_LEAD);
    s.site = "wp1";
    assert_int_equal(flush(&s, "wp1", 0), 0);
    assert_int_equal(qc_find(&s, "SELECT 1 FROM t", NULL, &next), CACHE_LEAD);
    qc_end(&s, next.flight, "new");
    qc_end(&s, look.flight, "old");
    qc_end(&s, other.flight, "other");
    qc_answer(&s, "SELECT 1 FROM t", "new");
    s.site = "wp2";
    qc_answer(&s, "SELECT 1 FROM t", "other");
    qc_fini(&s);
}

struct seen {
    unsigned rows;
    unsigned wp1;
    uint64_t hits;
};

static void see(void *arg, const struct cache_figures *f)
{
    struct seen *seen = arg;

    seen->rows++;
    seen->wp1 += slice_eq(f->schema, SLICE("wp1")) && slice_eq(f->account_name, SLICE("wp1"));
    seen->hits += f->counts[CACHE_HITS];
}

TEST(cache_figures_have_a_row_for_each_site_and_digest)
{
    struct seen seen = {0};
    struct qc s;

    qc_init(&s, 8 * MIB);
    qc_store(&s, "SELECT 1 FROM t", "1");
    qc_store(&s, "SELECT 1, 1 FROM t", "1");
    qc_answer(&s, "SELECT 1 FROM t", "1");
    s.digest = 8;
    qc_store(&s, "SELECT 2 FROM u", "2");
    s.site = "wp2";
    qc_store(&s, "SELECT 1 FROM t", "3");
    cache_read_figures(s.cache, see, &seen);
    assert_int_equal(seen.rows, 3);
    assert_int_equal(seen.wp1, 2);
    assert_int_equal(seen.hits, 1);
    assert_string_equal(cache_count_name(CACHE_HITS), "hits");
    qc_fini(&s);
}

/* More digests than rows: the sums stay, and memory ends. */
TEST(cache_figures_of_too_many_digests_are_summed)
{
    enum { DIGESTS = 20000 };
    const struct causal_deps deps = {0};
    struct cache_look look;
    struct seen seen = {0};
    struct qc s;

    qc_init(&s, 128 * MIB);
    for (unsigned i = 0; i < DIGESTS; i++) {
        struct cache_key key = {.bytes = {(const char *)&i, sizeof(i)},
                                .hash = XXH3_64bits(&i, sizeof(i)),
                                .account_name = SLICE("a"),
                                .schema = SLICE("a"),
                                .digest = XXH3_64bits(&i, sizeof(i)) + 1};

        assert_int_equal(cache_find(s.cache, &key, s.causal, &deps, i + 1, NULL, &look),
                         CACHE_LEAD);
        cache_end(s.cache, look.flight, NULL, i + 1);
    }
    assert_int_equal(qc_count(&s, CACHE_MISSES), DIGESTS);
    assert_int_equal(qc_count(&s, CACHE_NOT_FIT), DIGESTS);
    cache_read_figures(s.cache, see, &seen);
    assert_in_range(seen.rows, 10000, 16385);
    qc_fini(&s);
}
