/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cache_threads.c - the query cache under several threads: no answer is older than a write
 * that had ended, each waiter is woken once or has left, and nothing leaks.
 */
#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "tests/unit/cache_scene.h"
#include "tests/unit/test.h"

#define MIB     ((size_t)1024 * 1024)
#define THREADS 4
#define TABLES  8
#ifdef SANITIZED
#define ROUNDS 4000
#else
#define ROUNDS 40000
#endif

/* What all threads share: tables with a number each, as nodes would have them. */
struct world {
    struct qc qc; /* copied by each thread: what it holds is shared */
    _Atomic uint64_t value[TABLES];
};

struct player {
    struct world *world;
    pthread_t thread;
    struct qc qc;
    uint64_t random;
    unsigned answers;
    unsigned stale;
};

/* A waiter that sleeps until it is woken, or for a while. */
struct napper {
    struct cache_waiter waiter;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool is_woken;
};

static void wake_napper(struct cache_waiter *waiter, struct cache_flight *flight)
{
    struct napper *n = CONTAINER_OF(waiter, struct napper, waiter);

    (void)flight;
    (void)pthread_mutex_lock(&n->lock);
    n->is_woken = true;
    (void)pthread_cond_signal(&n->cond);
    (void)pthread_mutex_unlock(&n->lock);
}

static void check(struct player *p, struct cache_entry *entry, uint64_t at_least)
{
    struct slice bytes = cache_entry_bytes(entry);
    uint64_t value = 0;

    p->answers++;
    if (bytes.len == sizeof(value)) {
        memcpy(&value, bytes.data, sizeof(value));
    }
    p->stale += value < at_least || bytes.len != sizeof(value);
    cache_entry_unref(p->qc.cache, entry);
}

static void lead(struct player *p, struct cache_flight *flight, unsigned table)
{
    uint64_t value = atomic_load(&p->world->value[table]);
    const struct iovec part = {&value, sizeof(value)};
    struct cache_result result = {
        .parts = &part, .n_parts = 1, .len = sizeof(value), .ttl_us = SCENE_TTL, .soft_us = 1};

    cache_end(p->qc.cache, flight, test_random(&p->random) % 16 == 0 ? NULL : &result,
              p->qc.now_us);
}

/* Wait for the flight's end, or leave at once. */
static void nap(struct player *p, struct napper *n, struct cache_flight *flight, uint64_t at_least)
{
    struct cache_entry *entry = NULL;
    bool is_woken;

    (void)pthread_mutex_lock(&n->lock);
    if (test_random(&p->random) % 4 != 0) {
        while (!n->is_woken) {
            (void)pthread_cond_wait(&n->cond, &n->lock);
        }
    }
    (void)pthread_mutex_unlock(&n->lock);
    cache_leave(p->qc.cache, flight, &n->waiter);
    (void)pthread_mutex_lock(&n->lock);
    is_woken = n->is_woken;
    (void)pthread_mutex_unlock(&n->lock);
    if (is_woken) {
        entry = cache_flight_entry(flight);
    }
    if (entry != NULL) {
        check(p, entry, at_least);
    }
    cache_flight_unref(p->qc.cache, flight);
}

static void read_table(struct player *p, unsigned table)
{
    struct napper n = {.waiter = {.wake = wake_napper},
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .cond = PTHREAD_COND_INITIALIZER};
    uint64_t at_least = atomic_load(&p->world->value[table]);
    struct cache_look look;
    enum cache_found found;
    char sql[64];

    (void)snprintf(sql, sizeof(sql), "SELECT %u FROM t%u", (unsigned)(test_random(&p->random) % 3),
                   table);
    found = qc_find(&p->qc, sql, test_random(&p->random) % 4 == 0 ? NULL : &n.waiter, &look);
    if (look.entry != NULL) {
        check(p, look.entry, at_least);
    }
    if (found == CACHE_WAIT) {
        nap(p, &n, look.flight, at_least);
    } else if (look.flight != NULL) {
        lead(p, look.flight, table);
    }
    (void)pthread_mutex_destroy(&n.lock);
    (void)pthread_cond_destroy(&n.cond);
}

/* A write: its versions are raised when it is sent and when it has ended. */
static void write_table(struct player *p, unsigned table)
{
    char name[8];

    (void)snprintf(name, sizeof(name), "t%u", table);
    qc_write_elsewhere(&p->qc, name);
    atomic_fetch_add(&p->world->value[table], 1);
    qc_write_elsewhere(&p->qc, name);
}

static void *play(void *arg)
{
    struct player *p = arg;
    const struct cache_filter filter = {.unless_hold = true};

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned table = (unsigned)(test_random(&p->random) % TABLES);

        p->qc.now_us++;
        if (test_random(&p->random) % 32 == 0) {
            write_table(p, table);
        } else {
            read_table(p, table);
        }
        if (i % 1024 == 0) {
            (void)cache_flush(p->qc.cache, i % 2048 == 0 ? &filter : NULL);
        }
    }
    return NULL;
}

static void start_and_join(struct player *players, void *(*run)(void *))
{
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&players[i].thread, NULL, run, &players[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(players[i].thread, NULL), 0);
    }
}

TEST(cache_threads_read_nothing_older_than_what_had_been_written)
{
    static struct player players[THREADS];
    struct world *world = mem_new(MEM_OTHER, sizeof(*world));

    qc_init(&world->qc, 4 * MIB);
    for (unsigned i = 0; i < THREADS; i++) {
        players[i] = (struct player){.world = world, .qc = world->qc, .random = i + 1};
    }
    start_and_join(players, play);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(players[i].stale, 0);
        assert_true(players[i].answers > ROUNDS / 4);
    }
    qc_fini(&world->qc);
    mem_free(MEM_OTHER, world);
}

static void *flood(void *arg)
{
    struct player *p = arg;
    char sql[64];

    for (unsigned i = 0; i < ROUNDS / 2; i++) {
        struct cache_look look;

        (void)snprintf(sql, sizeof(sql), "SELECT %u FROM t", (unsigned)test_random(&p->random));
        if (qc_find(&p->qc, sql, NULL, &look) == CACHE_LEAD) {
            qc_end(&p->qc, look.flight, sql);
        } else if (look.entry != NULL) {
            cache_entry_unref(p->qc.cache, look.entry);
        }
        p->stale += cache_bytes(p->qc.cache) > 2 * MIB;
    }
    return NULL;
}

TEST(cache_threads_together_stay_under_the_cap)
{
    static struct player players[THREADS];
    struct world *world = mem_new(MEM_OTHER, sizeof(*world));

    qc_init(&world->qc, 2 * MIB);
    for (unsigned i = 0; i < THREADS; i++) {
        players[i] = (struct player){.world = world, .qc = world->qc, .random = i + 1};
    }
    start_and_join(players, flood);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(players[i].stale, 0);
    }
    assert_true(qc_count(&world->qc, CACHE_STORED) > ROUNDS);
    qc_fini(&world->qc);
    mem_free(MEM_OTHER, world);
}
