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

struct causal {
    _Atomic uint32_t written_ms[CAUSAL_SLOTS]; /* of the process's clock, + 1; 0 = never */
};

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
 * causal_follow_us - what must a node have applied to serve a read of these facts? 0 = any node
 * may; UINT64_MAX = it goes where the writes go (the session wrote it itself); else the time of the
 * newest write within the window: a node that has applied all until then may, or the writer. bloom:
 * what the session wrote itself. Times are clock_now_us().
 */
uint64_t causal_follow_us(const struct causal *causal, uint64_t bloom, const struct facts *facts,
                          struct slice schema, uint64_t now_us, uint64_t window_us);

#endif
