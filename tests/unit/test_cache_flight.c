/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cache_flight.c - identical reads under way wait for one answer.
 */
#include "base/mem.h"
#include "tests/unit/cache_scene.h"
#include "tests/unit/test.h"

#define MIB ((size_t)1024 * 1024)
#define SQL "SELECT a FROM t"

/* One leader and n that wait for him. */
struct crowd {
    struct qc qc;
    struct cache_look leader;
    struct sleeper sleepers[3];
    struct cache_look looks[3];
};

static void crowd_init(struct crowd *c)
{
    qc_init(&c->qc, 8 * MIB);
    assert_int_equal(qc_find(&c->qc, SQL, NULL, &c->leader), CACHE_LEAD);
    for (unsigned i = 0; i < 3; i++) {
        sleeper_init(&c->sleepers[i]);
        assert_int_equal(qc_find(&c->qc, SQL, &c->sleepers[i].waiter, &c->looks[i]), CACHE_WAIT);
        assert_ptr_equal(c->looks[i].flight, c->leader.flight);
    }
}

/* All have been woken once and get text, or nothing (NULL). */
static void crowd_gets(struct crowd *c, const char *text)
{
    for (unsigned i = 0; i < 3; i++) {
        struct cache_entry *entry = cache_flight_entry(c->looks[i].flight);

        assert_int_equal(atomic_load(&c->sleepers[i].woken), 1);
        if (text == NULL) {
            assert_null(entry);
        } else {
            assert_true(slice_eq(cache_entry_bytes(entry), slice_of(text)));
            cache_entry_unref(c->qc.cache, entry);
        }
        cache_flight_unref(c->qc.cache, c->looks[i].flight);
    }
    qc_fini(&c->qc);
}

TEST(cache_flight_answer_goes_to_all_who_wait)
{
    struct crowd c;

    crowd_init(&c);
    qc_end(&c.qc, c.leader.flight, "a");
    assert_int_equal(qc_count(&c.qc, CACHE_WAITS), 3);
    assert_int_equal(qc_count(&c.qc, CACHE_MISSES), 1);
    qc_answer(&c.qc, SQL, "a");
    crowd_gets(&c, "a");
}

TEST(cache_flight_error_goes_to_all_and_is_not_kept)
{
    const struct iovec part = {(void *)(uintptr_t) "error", 5};
    const struct cache_result result = {
        .parts = &part, .n_parts = 1, .len = 5, .ttl_us = 1000, .is_error = true};
    struct crowd c;

    crowd_init(&c);
    cache_end(c.qc.cache, c.leader.flight, &result, c.qc.now_us);
    assert_false(qc_has(&c.qc, SQL));
    crowd_gets(&c, "error");
}

TEST(cache_flight_without_an_answer_leaves_all_to_themselves)
{
    struct crowd c;

    crowd_init(&c);
    cache_end(c.qc.cache, c.leader.flight, NULL, c.qc.now_us);
    crowd_gets(&c, NULL);
}

/*
 * They asked before the write, so did the leader: his answer is theirs, but not of those to come.
 */
TEST(cache_flight_overtaken_by_a_write_serves_those_who_asked_before)
{
    struct cache_look late;
    struct sleeper sleeper;
    struct crowd c;

    sleeper_init(&sleeper);
    crowd_init(&c);
    qc_write(&c.qc, "t");
    assert_int_equal(qc_find(&c.qc, SQL, &sleeper.waiter, &late), CACHE_LEAD);
    qc_end(&c.qc, c.leader.flight, "old");
    qc_end(&c.qc, late.flight, "new");
    qc_answer(&c.qc, SQL, "new");
    assert_int_equal(qc_count(&c.qc, CACHE_NOT_WRITE), 1);
    assert_int_equal(atomic_load(&sleeper.woken), 0);
    crowd_gets(&c, "old");
}

TEST(cache_flight_who_leaves_is_not_woken)
{
    struct crowd c;

    crowd_init(&c);
    cache_leave(c.qc.cache, c.looks[1].flight, &c.sleepers[1].waiter);
    cache_leave(c.qc.cache, c.looks[1].flight, &c.sleepers[1].waiter);
    qc_end(&c.qc, c.leader.flight, "a");
    assert_int_equal(atomic_load(&c.sleepers[0].woken), 1);
    assert_int_equal(atomic_load(&c.sleepers[1].woken), 0);
    cache_leave(c.qc.cache, c.looks[0].flight, &c.sleepers[0].waiter);
    atomic_store(&c.sleepers[1].woken, 1);
    crowd_gets(&c, "a");
}

TEST(cache_flight_is_not_joined_by_one_who_does_not_wait)
{
    struct cache_look look;
    struct crowd c;

    crowd_init(&c);
    assert_int_equal(qc_find(&c.qc, SQL, NULL, &look), CACHE_NONE);
    assert_null(look.flight);
    qc_end(&c.qc, c.leader.flight, "a");
    crowd_gets(&c, "a");
}

TEST(cache_flight_that_takes_long_is_not_joined)
{
    const struct cache_limits limits = {
        .max_bytes = 8 * MIB, .max_entry_bytes = MIB, .wait_us = 2000};
    struct cache_look look;
    struct sleeper sleeper;
    struct crowd c;

    sleeper_init(&sleeper);
    crowd_init(&c);
    cache_limit(c.qc.cache, &limits);
    c.qc.now_us += 2001;
    assert_int_equal(qc_find(&c.qc, SQL, &sleeper.waiter, &look), CACHE_NONE);
    qc_end(&c.qc, c.leader.flight, "a");
    crowd_gets(&c, "a");
}

/*
 * Statements of one kind whose answers are too large: the next do not wait in vain for each other.
 */
TEST(cache_flight_is_not_joined_when_the_last_brought_nothing)
{
    const struct cache_result large = {.parts = NULL, .ttl_us = 1000};
    struct cache_look leader, look;
    struct sleeper sleeper;
    struct qc s;

    sleeper_init(&sleeper);
    qc_init(&s, 8 * MIB);
    assert_int_equal(qc_find(&s, SQL, NULL, &leader), CACHE_LEAD);
    cache_end(s.cache, leader.flight, &large, s.now_us);
    assert_int_equal(qc_find(&s, SQL, NULL, &leader), CACHE_LEAD);
    assert_int_equal(qc_find(&s, SQL, &sleeper.waiter, &look), CACHE_NONE);
    qc_end(&s, leader.flight, "a");
    qc_write(&s, "t");
    assert_int_equal(qc_find(&s, SQL, NULL, &leader), CACHE_LEAD);
    assert_int_equal(qc_find(&s, SQL, &sleeper.waiter, &look), CACHE_WAIT);
    qc_end(&s, leader.flight, "a");
    cache_flight_unref(s.cache, look.flight);
    qc_fini(&s);
}

/* No room for the answer: all run the statement themselves; nothing leaks. */
TEST(cache_flight_without_room_leaves_all_to_themselves)
{
    const struct cache_limits none = {.max_bytes = 0, .max_entry_bytes = MIB};
    const struct cache_limits some = {.max_bytes = 8 * MIB, .max_entry_bytes = MIB};
    struct crowd c;

    crowd_init(&c);
    cache_limit(c.qc.cache, &none);
    qc_end(&c.qc, c.leader.flight, "a");
    cache_limit(c.qc.cache, &some);
    assert_false(qc_has(&c.qc, SQL));
    assert_int_equal(qc_count(&c.qc, CACHE_NOT_ROOM), 1);
    crowd_gets(&c, NULL);
}

TEST(cache_find_without_memory_runs_the_statement)
{
    struct cache_look look;
    struct qc s;

    qc_init(&s, 8 * MIB);
    for (unsigned n = 1; n <= 3; n++) { /* the site, its row of figures, the flight */
        mem_fail_at(n);
        (void)qc_find(&s, SQL, NULL, &look);
        mem_fail_at(0);
        if (look.flight != NULL) {
            cache_end(s.cache, look.flight, NULL, s.now_us);
        }
    }
    qc_store(&s, SQL, "a");
    qc_answer(&s, SQL, "a");
    qc_fini(&s);
}
