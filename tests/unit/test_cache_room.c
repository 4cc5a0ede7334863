/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cache_room.c - the query cache's cap: what goes, what stays, and that it holds.
 */
#include <stdio.h>

#include "base/mem.h"
#include "tests/unit/cache_scene.h"
#include "tests/unit/test.h"

#define MIB ((size_t)1024 * 1024)

static const char *numbered(unsigned n)
{
    static char sql[64];

    (void)snprintf(sql, sizeof(sql), "SELECT %u FROM t", n);
    return sql;
}

static void limit(struct qc *qc, size_t max_bytes, unsigned site_percent)
{
    const struct cache_limits limits = {
        .max_bytes = max_bytes, .max_entry_bytes = MIB, .site_share_percent = site_percent};

    cache_limit(qc->cache, &limits);
}

/* 20 MB of answers of all sizes through a cache of 2 MB: what was taken never exceeds it. */
TEST(cache_cap_holds_under_a_flood)
{
    uint64_t random = 1;
    struct qc qc;

    qc_init(&qc, 2 * MIB);
    for (unsigned i = 0; i < 5000; i++) {
        qc_store_bytes(&qc, numbered(i), test_random(&random) % 8192);
        assert_true(cache_bytes(qc.cache) <= 2 * MIB);
    }
    assert_true(qc_bytes(&qc) > 3 * MIB / 2);
    assert_int_equal(qc_entries(&qc) + qc_count(&qc, CACHE_GONE_EVICTED), 5000);
    qc_fini(&qc);
}

/* What is asked for again and again stays while others come and go. */
TEST(cache_what_is_asked_for_survives_a_flood)
{
    enum { HOT = 50 };
    unsigned kept = 0;
    struct qc qc;

    qc_init(&qc, 2 * MIB);
    qc.site = "hot";
    for (unsigned i = 0; i < HOT; i++) {
        qc_store_bytes(&qc, numbered(i), 2000);
    }
    for (unsigned i = 0; i < 5000; i++) {
        qc.site = "flood";
        qc_store_bytes(&qc, numbered(i), 2000);
        qc.site = "hot";
        if (i % 2 == 0) {
            (void)qc_has(&qc, numbered(i / 2 % HOT));
        }
    }
    for (unsigned i = 0; i < HOT; i++) {
        kept += qc_has(&qc, numbered(i)) ? 1 : 0;
    }
    assert_int_equal(kept, HOT);
    qc_fini(&qc);
}

/* What nobody asked for goes in the order in which it came, but for one that was asked for. */
TEST(cache_clock_lets_the_oldest_go_first)
{
    unsigned first_kept = 0;
    struct qc qc;

    qc_init(&qc, 1 * MIB);
    for (unsigned i = 0; i < 3000; i++) {
        qc_store_bytes(&qc, numbered(i), 500);
        if (i == 1) {
            assert_true(qc_has(&qc, numbered(0)));
        }
        if (i % 16 == 0 && qc_count(&qc, CACHE_GONE_EVICTED) >= 400) {
            break;
        }
    }
    assert_true(qc_count(&qc, CACHE_GONE_EVICTED) >= 400);
    assert_true(qc_has(&qc, numbered(0)));
    while (!qc_has(&qc, numbered(first_kept + 1))) {
        first_kept++;
    }
    /* Shards give in turn, whatever their number of entries: the order is not exact. */
    assert_in_range(first_kept, 50, 400);
    qc_fini(&qc);
}

TEST(cache_end_of_time_goes_first)
{
    struct qc qc;

    qc_init(&qc, 1 * MIB);
    for (unsigned i = 0; i < 300; i++) {
        qc_store_bytes(&qc, numbered(i), 500);
        assert_true(qc_has(&qc, numbered(i)));
    }
    qc.now_us += SCENE_TTL;
    for (unsigned i = 300; i % 16 != 0 || qc_count(&qc, CACHE_GONE_TTL) < 100; i++) {
        assert_true(i < 3000);
        qc_store_bytes(&qc, numbered(i), 500);
    }
    assert_true(qc_count(&qc, CACHE_GONE_EVICTED) < 30);
    qc_fini(&qc);
}

TEST(cache_site_has_its_share_only)
{
    struct qc qc;

    qc_init(&qc, 4 * MIB);
    limit(&qc, 4 * MIB, 25);
    qc.site = "small";
    for (unsigned i = 0; i < 100; i++) {
        qc_store_bytes(&qc, numbered(i), 1000);
    }
    qc.site = "greedy";
    for (unsigned i = 0; i < 4000; i++) {
        qc_store_bytes(&qc, numbered(i), 2000);
    }
    assert_true(qc_bytes(&qc) < 2 * MIB);
    assert_true(qc_bytes(&qc) > MIB);
    assert_true(qc_count(&qc, CACHE_GONE_EVICTED) > 3000);
    qc.site = "small";
    for (unsigned i = 0; i < 100; i++) {
        assert_true(qc_has(&qc, numbered(i)));
    }
    qc_fini(&qc);
}

TEST(cache_answer_larger_than_its_limits_is_not_kept)
{
    struct qc qc;

    qc_init(&qc, 4 * MIB);
    qc_store_bytes(&qc, numbered(1), MIB);
    assert_true(qc_has(&qc, numbered(1)));
    qc_store_bytes(&qc, numbered(2), MIB + 1);
    assert_int_equal(qc_count(&qc, CACHE_NOT_LARGE), 1);
    limit(&qc, 4 * MIB, 20);
    qc_store_bytes(&qc, numbered(3), MIB);
    assert_int_equal(qc_count(&qc, CACHE_NOT_ROOM), 1);
    assert_false(qc_has(&qc, numbered(2)));
    assert_false(qc_has(&qc, numbered(3)));
    qc_fini(&qc);
}

TEST(cache_limit_shrinks_at_once_and_ends_at_nothing)
{
    struct cache_look look;
    struct qc qc;

    qc_init(&qc, 8 * MIB);
    for (unsigned i = 0; i < 2000; i++) {
        qc_store_bytes(&qc, numbered(i), 2000);
    }
    assert_true(qc_bytes(&qc) > 4 * MIB);
    limit(&qc, 2 * MIB, 0);
    assert_true(cache_bytes(qc.cache) <= 2 * MIB);
    assert_true(qc_entries(&qc) > 300);
    limit(&qc, 0, 0);
    assert_int_equal(qc_entries(&qc), 0);
    assert_int_equal(qc_find(&qc, numbered(1999), NULL, &look), CACHE_NONE);
    limit(&qc, 8 * MIB, 0);
    qc_store(&qc, "SELECT 1 FROM t", "again");
    qc_answer(&qc, "SELECT 1 FROM t", "again");
    qc_fini(&qc);
}

/* An answer that a slow client still reads counts, and stays what it is. */
TEST(cache_removed_answer_counts_until_the_last_client_has_it)
{
    struct cache_look look;
    struct qc qc;
    size_t before;

    qc_init(&qc, 4 * MIB);
    qc_store_bytes(&qc, numbered(1), MIB);
    assert_int_equal(qc_find(&qc, numbered(1), NULL, &look), CACHE_HIT);
    before = qc_bytes(&qc);
    assert_int_equal(cache_flush(qc.cache, NULL), 1);
    assert_int_equal(qc_bytes(&qc), before);
    assert_int_equal(cache_entry_bytes(look.entry).len, MIB);
    assert_ptr_equal(cache_entry_ref(look.entry), look.entry);
    cache_entry_unref(qc.cache, look.entry);
    assert_int_equal(qc_bytes(&qc), before);
    cache_entry_unref(qc.cache, look.entry);
    assert_int_equal(cache_flush(qc.cache, NULL), 0); /* pages go back */
    assert_true(qc_bytes(&qc) < before - MIB);
    qc_fini(&qc);
}

/* Clients hold everything: nothing more is kept, and the cap still holds. */
TEST(cache_full_of_answers_being_read_keeps_no_more)
{
    struct cache_look looks[64];
    unsigned held = 0;
    struct qc qc;

    qc_init(&qc, 2 * MIB);
    while (qc_count(&qc, CACHE_NOT_ROOM) == 0) {
        assert_true(held < 64);
        qc_store_bytes(&qc, numbered(held), MIB / 8);
        if (qc_find(&qc, numbered(held), NULL, &looks[held]) == CACHE_HIT) {
            held++;
        } else if (looks[held].flight != NULL) {
            cache_end(qc.cache, looks[held].flight, NULL, qc.now_us);
        }
        assert_true(cache_bytes(qc.cache) <= 2 * MIB);
    }
    assert_in_range(held, 8, 16);
    while (held > 0) {
        cache_entry_unref(qc.cache, looks[--held].entry);
    }
    qc_store_bytes(&qc, numbered(99), MIB / 8);
    assert_true(qc_has(&qc, numbered(99)));
    qc_fini(&qc);
}

/* More sites than are known by name: they share one, and a flush of any of them takes all. */
TEST(cache_sites_beyond_the_table_share_one)
{
    const struct cache_filter filter = {.schema = SLICE("site4200")};
    char name[32];
    struct qc qc;

    qc_init(&qc, 64 * MIB);
    for (unsigned i = 0; i < 4300; i++) {
        (void)snprintf(name, sizeof(name), "site%u", i);
        qc.site = name;
        qc_store(&qc, "SELECT 1 FROM t", "x");
    }
    assert_int_equal(qc_entries(&qc), 4300);
    assert_int_equal(cache_flush(qc.cache, &filter), 4300 - 4096);
    qc_fini(&qc);
}

/* Too many at once: some run without being shared; all end well. */
TEST(cache_flights_have_a_cap)
{
    enum { FLIGHTS = 20000 };
    struct cache_flight **flights = mem_new(MEM_OTHER, FLIGHTS * sizeof(struct cache_flight *));
    unsigned n = 0;
    struct cache_look look;
    struct qc qc;

    qc_init(&qc, 512 * MIB);
    for (unsigned i = 0; i < FLIGHTS; i++) {
        if (qc_find(&qc, numbered(i), NULL, &look) == CACHE_LEAD) {
            flights[n++] = look.flight;
        }
    }
    assert_in_range(n, 15000, 16384);
    while (n > 0) {
        cache_end(qc.cache, flights[--n], NULL, qc.now_us);
    }
    mem_free(MEM_OTHER, flights);
    qc_fini(&qc);
}
