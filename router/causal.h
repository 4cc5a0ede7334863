/* SPDX-License-Identifier: Apache-2.0 */
/*
 * causal.h - which tables were written when: reads of them go where the write went for a while.
 *
 * One table of times for the whole process, indexed by the hash of (schema, table). Two names in
 * one slot only cost a read on the writer; nothing is ever missed. No lock.
 */
#ifndef ROUTER_CAUSAL_H
#define ROUTER_CAUSAL_H

#include <stdatomic.h>

#include "router/facts.h"

#define CAUSAL_SLOTS 65536

#define CAUSAL_DEPS_MAX 16

struct causal {
    _Atomic uint32_t written_ms[CAUSAL_SLOTS]; /* of the process's clock, + 1; 0 = never */
    _Atomic uint64_t version[CAUSAL_SLOTS];    /* lowest bit: the last write came from elsewhere */
};

/* What a read depends on, with the versions that held when it was asked. */
struct causal_deps {
    unsigned n;
    uint32_t slot[CAUSAL_DEPS_MAX];
    uint64_t version[CAUSAL_DEPS_MAX];
};

struct row_keys;

/*
 * causal_hash - of a table; schema is the session's when the name has none. Case of ASCII letters
 * does not count.
 */
uint32_t causal_hash(struct slice schema, struct slice table);

/* causal_hash_schema - a write that cannot be told to a table counts for the whole schema. */
uint32_t causal_hash_schema(struct slice schema);

/*
 * causal_mark - a write of these facts began or ended. *bloom (64 bits of the session) gets its
 * tables too.
 */
void causal_mark(struct causal *causal, uint64_t *bloom, const struct facts *facts,
                 struct slice schema, uint64_t now_ms);

/* causal_mark_hash - one table, by causal_hash(). */
void causal_mark_hash(struct causal *causal, uint32_t hash, uint64_t now_ms);

/*
 * causal_must_follow - must a read of these facts go where the writes went? bloom: what the session
 * wrote itself.
 */
bool causal_must_follow(const struct causal *causal, uint64_t bloom, const struct facts *facts,
                        struct slice schema, uint64_t now_ms, uint64_t window_ms);

/*
 * causal_deps_of - what a read of these facts depends on, with the versions of now. false: not
 * known, or more than fits.
 */
bool causal_deps_of(const struct causal *causal, const struct facts *facts, struct slice schema,
                    const struct row_keys *keys, struct causal_deps *out);

/* causal_deps_hold - has none of them been written since? */
bool causal_deps_hold(const struct causal *causal, const struct causal_deps *deps);

/* causal_deps_written_us - when they were written last, and whether that came from elsewhere. */
uint64_t causal_deps_written_us(const struct causal *causal, const struct causal_deps *deps,
                                bool *foreign);

/* causal_mark_foreign - a write that did not pass through here. */
void causal_mark_foreign(struct causal *causal, struct slice schema, struct slice table,
                         const struct row_keys *rows);

#endif
