/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_inside.h - what the files of the query cache share.
 *
 * Locks, always taken in this order and never two of one kind: a shard's, a stripe's of figures,
 * the heap's.
 *
 * Of the cap, fifteen parts of sixteen are the heap's: answers and tables. The last one is for what
 * is many and small: flights, sites and rows of figures. Their bytes are reserved before they are
 * taken, so the cap holds at every moment.
 */
#ifndef ROUTER_CACHE_INSIDE_H
#define ROUTER_CACHE_INSIDE_H

#include <pthread.h>

#include "base/mem.h"
#include "router/cache.h"
#include "router/cache_heap.h"

#define SHARDS         64
#define FLIGHT_BUCKETS 64
#define SHARD_FLIGHTS  256 /* under way at once, of one shard */
#define MAX_CHANCES    3   /* how often the hand passes an entry that was hit */

#define STRIPES    16
#define ROW_SETS   128
#define ROW_WAYS   8
#define SITES_MAX  4096
#define SITE_SLOTS (2 * SITES_MAX)

/* The figures of one (site, digest). */
struct cache_row {
    struct cache_site *site; /* borrowed: sites live as long as the cache */
    uint64_t digest;
    atomic_uint refs;          /* entries and flights; raised from 0 only under the stripe's lock */
    atomic_bool waits_in_vain; /* the last flight brought nothing: better not to wait for one */
    uint64_t used_us;          /* looked up last; the stripe's lock */
    _Atomic uint64_t entries;
    _Atomic uint64_t bytes;
    _Atomic uint64_t counts[CACHE_COUNTS_N];
};

struct cache_site {
    uint64_t hash;
    struct slice account_name; /* both lie behind the struct */
    struct slice schema;
    atomic_size_t bytes;     /* of its answers */
    struct cache_row others; /* what has no row of its own */
};

struct cache_stripe {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct cache_row *rows[ROW_SETS * ROW_WAYS]; /* owned; NULL = never used */
};

struct cache_entry {
    struct list_node clock; /* the shard's; while it is being removed, a list of the remover */
    uint64_t hash;
    atomic_uint refs; /* the table's one, the flight's, clients' */
    uint32_t key_len;
    uint16_t n_deps;
    uint8_t chances; /* the shard's lock */
    size_t len;      /* of the answer */
    size_t cost;     /* what it takes in the heap */
    uint64_t ends_us;
    uint64_t soft_us; /* 0 = none */
    uint64_t took_us;
    struct cache_row *row;       /* a reference */
    const struct causal *causal; /* borrowed: lives as long as the process */
    uint64_t data[];             /* versions of n_deps, their slots, the key, the answer */
};

struct cache_flight {
    struct cache_flight *next; /* of the bucket */
    uint64_t hash;
    atomic_uint refs; /* the leader's, each waiter's, the bucket's */
    bool linked;      /* in its bucket: may be joined; the shard's lock, as all up to result */
    bool flushed;     /* its answer is not kept */
    struct list waiters;
    struct cache_waiter *waking;          /* its wake() is running */
    _Atomic(struct cache_entry *) result; /* a reference; NULL until the end */
    uint64_t began_us;
    struct cache_row *row; /* a reference */
    const struct causal *causal;
    struct causal_deps deps;
    size_t size; /* of this, with the key */
    size_t key_len;
    char key[];
};

struct cache_slot {
    uint64_t hash;
    struct cache_entry *entry; /* NULL = free */
};

struct cache_shard {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct cache_slot *slots; /* open addressing, linear; owned */
    size_t n_slots;           /* a power of two, or 0 */
    struct list clock;        /* all entries, the hand stands at the front */
    size_t credit;            /* entries that the hand still has to look at, times LAP_VISITS */
    struct cache_flight *flights[FLIGHT_BUCKETS];
    unsigned n_flights;
    pthread_cond_t woken; /* some wake() has returned */
};

struct cache {
    struct cache_shard shards[SHARDS];
    struct cache_stripe stripes[STRIPES];
    atomic_size_t max_bytes;
    atomic_size_t max_entry_bytes;
    atomic_size_t site_bytes; /* the share of one site */
    _Atomic uint64_t wait_us;
    struct cache_heap heap;
    atomic_size_t small_bytes; /* of flights, sites and rows */
    atomic_uint hand;          /* the shard at which it is */
    atomic_uint site_hand;     /* the same, for entries of one site */
    atomic_uint n_sites;
    _Atomic(struct cache_site *) sites[SITE_SLOTS]; /* open addressing; only ever added to */
    struct cache_site nobody;                       /* for sites that have no room */
};

static inline void cache_lock(pthread_mutex_t *lock)
{
    CHECK(pthread_mutex_lock(lock) == 0);
}

static inline void cache_unlock(pthread_mutex_t *lock)
{
    CHECK(pthread_mutex_unlock(lock) == 0);
}

static inline struct cache_shard *cache_shard_of(struct cache *cache, uint64_t hash)
{
    return &cache->shards[hash >> 58];
}

static inline void cache_count(struct cache_row *row, enum cache_count what, uint64_t n)
{
    atomic_fetch_add_explicit(&row->counts[what], n, memory_order_relaxed);
}

/* --- cache_table.c: entries, and where they are found ---------------------------------------- */

/* cache_slot_of - the slot of a key's entry, or NULL. Under the shard's lock. */
struct cache_slot *cache_slot_of(struct cache_shard *shard, uint64_t hash, struct slice key);

/*
 * cache_remove - out of the table, onto dead: cache_bury(dead) when the lock is free. Under the
 * shard's lock.
 */
void cache_remove(struct cache_shard *shard, struct cache_slot *slot, enum cache_count why,
                  struct list *dead);

/* cache_bury - give the table's references back. Under no lock. */
void cache_bury(struct cache *cache, struct list *dead);

/*
 * cache_insert - the table takes a reference. false: no room for a larger table, nothing happened.
 * The key is not in the table. Under the shard's lock.
 */
bool cache_insert(struct cache *cache, struct cache_shard *shard, struct cache_entry *entry);

/* cache_table_fit - a first table when there is a cache, none when there is not. */
void cache_table_fit(struct cache *cache, struct cache_shard *shard);

/*
 * cache_build - an entry with one reference, of the answer to a flight. Reserves its bytes; NULL =
 * no room. Under no lock.
 */
struct cache_entry *cache_build(struct cache *cache, const struct cache_flight *flight,
                                const struct cache_result *result, uint64_t now_us);

/* cache_entry_holds - was nothing that it depends on written? */
bool cache_entry_holds(const struct cache_entry *entry);

/* cache_entry_why - for one that does not hold: CACHE_GONE_WRITE or CACHE_GONE_FOREIGN. */
enum cache_count cache_entry_why(const struct cache_entry *entry);

/* --- cache_room.c: the cap -------------------------------------------------------------------- */

/*
 * cache_small - memory for something small, zeroed and counted; NULL = no room. Free it with
 * cache_small_free() and the same size.
 */
void *cache_small(struct cache *cache, size_t size) MUST_CHECK;
void cache_small_free(struct cache *cache, void *ptr, size_t size);

/*
 * cache_evict - let entries of a shard go until n bytes are free, at most once around. Returns how
 * many bytes were. Under its lock.
 */
size_t cache_evict(struct cache_shard *shard, size_t n, uint64_t now_us, struct list *dead);

/*
 * cache_make_room - a block of the heap for an answer of a site, others go for it; NULL = no room.
 * Under no lock.
 */
void *cache_make_room(struct cache *cache, struct cache_site *site, size_t size, uint64_t now_us);

/* --- cache_figures.c -------------------------------------------------------------------------- */

/*
 * cache_row_of - a reference to the row of a key's (site, digest), or to what stands for it. Takes
 * a stripe's lock.
 */
struct cache_row *cache_row_of(struct cache *cache, const struct cache_key *key, uint64_t now_us);

/* cache_row_unref - any lock or none. */
void cache_row_unref(struct cache_row *row);

void cache_figures_init(struct cache *cache);
void cache_figures_fini(struct cache *cache);

#endif
