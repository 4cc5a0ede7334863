/* SPDX-License-Identifier: Apache-2.0 */
/*
 * homes.h - home nodes: each schema is written and read on one node of its cluster.
 *
 * Schemas fall into buckets by the hash of their name. The home of a bucket is chosen by weighted
 * rendezvous hashing: each node draws a number for each bucket, the highest wins; so a node that is
 * lost moves only its own buckets, and several Galeways agree without talking. The monitor decides
 * (monitor_homes.c) and publishes; workers look for each statement.
 *
 * A bucket that moves has no home for a while: its statements wait until what had begun at the old
 * home has ended, and the new one has applied it. What is written elsewhere all the same (in a
 * transaction that had begun before, by a statement that names another schema) is a stray: until
 * the home has applied it, the bucket is not read there. Who names several buckets, or is bound to
 * a connection, is served when his node has applied what was written of them elsewhere.
 */
#ifndef POOL_HOMES_H
#define POOL_HOMES_H

#include <stdatomic.h>

#include "base/base.h"

#define HOMES_BUCKETS  4096
#define HOME_NONE      0xffu /* its statements wait */
#define HOMES_ALSO_MAX 8

struct cluster;
struct nodes;

/* Of one cluster; all threads see it. */
struct homes {
    atomic_bool is_on;
    atomic_uchar at[HOMES_BUCKETS];        /* index of the node, or HOME_NONE */
    atomic_ullong wrote_us[HOMES_BUCKETS]; /* clock_now_us(): written until then; 0 = never */
    atomic_ullong
        stray_us[HOMES_BUCKETS]; /* clock_now_us(): written elsewhere until then; 0 = never */
};

/* Buckets that a statement names beyond its own. */
struct homes_also {
    uint8_t n; /* more than HOMES_ALSO_MAX = who knows which */
    uint16_t buckets[HOMES_ALSO_MAX];
};

/* A node that may be a home. */
struct homes_node {
    uint64_t seed;   /* homes_seed() of its name: the same on every Galeway */
    uint32_t weight; /* of 0: only when all have 0 */
};

/* homes_bucket - of a schema by schema_hash(); a session without one has hash 0. */
static inline unsigned homes_bucket(uint32_t schema_hash)
{
    return schema_hash % HOMES_BUCKETS;
}

uint64_t homes_seed(const char *name);

/* homes_choose - whose is the bucket? An index of nodes; n = there is none. Pure. */
size_t homes_choose(unsigned bucket, const struct homes_node *nodes, size_t n);

/* homes_of - those of a cluster; NULL = it has none now. Any thread. */
struct homes *homes_of(const struct cluster *cluster);

/* homes_at - node index, or HOME_NONE. Any thread. */
static inline unsigned homes_at(const struct homes *homes, unsigned bucket)
{
    return atomic_load_explicit(&homes->at[bucket], memory_order_acquire);
}

/*
 * homes_wrote - a statement that may write to a schema of this bucket, or its transaction, ended on
 * the node with this index at now_us. Other nodes have to apply it before they are read in its
 * place; where it is not its home, the home has to, too. In each cluster with homes that the node
 * serves. Any thread.
 */
void homes_wrote(const struct nodes *nodes, unsigned node, unsigned bucket, uint64_t now_us);

/* homes_also_add - each bucket once. */
void homes_also_add(struct homes_also *also, unsigned bucket);

/*
 * homes_needed_us - what a node must have applied to serve a statement of these buckets as it would
 * be served after all that was written so far: of those that are at home there what was written
 * elsewhere, of others all. node HOME_NONE: any. UINT64_MAX = all that was ever written. Any
 * thread.
 */
uint64_t homes_needed_us(const struct homes *homes, unsigned node, unsigned bucket,
                         const struct homes_also *also);

/* homes_is_held - does the bucket move in one of the clusters? Any thread. */
bool homes_is_held(const struct nodes *nodes, unsigned bucket);

/* homes_are_on - in any cluster. Any thread. */
bool homes_are_on(const struct nodes *nodes);

/*
 * homes_make - those of a cluster, on or not; made when it has none: then nobody is at home.
 * homes_set - the home of a bucket from now on; true when it changed. Monitor.
 */
struct homes *homes_make(struct cluster *cluster);
bool homes_set(struct homes *homes, unsigned bucket, unsigned node);

#endif
