/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_scene.h - a query cache with a table of versions, and short words for what tests do to it.
 *
 * The statement's text is the key. A site is the name of an account and of its schema.
 */
#ifndef TESTS_UNIT_CACHE_SCENE_H
#define TESTS_UNIT_CACHE_SCENE_H

#include "router/cache.h"

#define SCENE_NOW 1000000
#define SCENE_TTL 10000000

struct qc {
    struct cache *cache;
    struct causal *causal;
    uint64_t now_us;
    const char *site;
    uint64_t digest;
};

/* A waiter that counts how often it was woken. */
struct sleeper {
    struct cache_waiter waiter;
    atomic_uint woken;
};

void qc_init(struct qc *qc, size_t max_bytes);
void qc_fini(struct qc *qc);

/* qc_find - ask; waiter may be NULL. */
enum cache_found qc_find(struct qc *qc, const char *sql, struct cache_waiter *waiter,
                         struct cache_look *look);

/* qc_end - the leader's answer is text, kept for SCENE_TTL. */
void qc_end(struct qc *qc, struct cache_flight *flight, const char *text);

/* qc_store - ask and answer; the caller knows that it is not there. */
void qc_store(struct qc *qc, const char *sql, const char *text);

/* qc_store_bytes - the same with an answer of n bytes. */
void qc_store_bytes(struct qc *qc, const char *sql, size_t n);

/* qc_has - is there an answer? Leaves no flight behind. */
bool qc_has(struct qc *qc, const char *sql);

/* qc_answer - asserts that the answer to sql is text. */
void qc_answer(struct qc *qc, const char *sql, const char *text);

/* qc_write - a write of table of qc's site; qc_write_elsewhere: past Galeway. */
void qc_write(struct qc *qc, const char *table);
void qc_write_elsewhere(struct qc *qc, const char *table);

/* qc_count - the sum of one number. */
uint64_t qc_count(struct qc *qc, enum cache_count what);
uint64_t qc_entries(struct qc *qc);
uint64_t qc_bytes(struct qc *qc);

/* sleeper_init - never woken yet. */
void sleeper_init(struct sleeper *sleeper);

#endif
