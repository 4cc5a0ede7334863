/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.h - the query cache: answers to reads, shared by all workers, never older than a write that
 * is known of (causal.h).
 *
 * 64 shards with a lock each. An answer is one immutable block of memory with a count of
 * references: a hit takes one short lock and neither allocates nor copies. Everything is counted
 * against the cap: blocks, keys, tables, flights and statistics; and a block that was removed
 * counts until the last client has got it. Eviction is CLOCK: an answer that was asked for again
 * passes the hand up to three times.
 *
 * A flight is a read under way. Who asks for the same thing meanwhile may wait for its answer.
 *
 * All functions may be called from any thread, but cache_new and cache_free.
 */
#ifndef ROUTER_CACHE_H
#define ROUTER_CACHE_H

#include <sys/uio.h>

#include "base/list.h"
#include "router/causal.h"

struct cache;
struct cache_entry;
struct cache_flight;

struct cache_limits {
    size_t max_bytes;            /* of everything; 0 = no cache, nothing is found or kept */
    size_t max_entry_bytes;      /* of one answer */
    unsigned site_share_percent; /* of max_bytes, for the answers of one site; 0 = as 100 */
    uint64_t wait_us;            /* a flight that is older is not joined any more; 0 = it is */
};

/* cache_new - an empty one. Owner: the caller. */
struct cache *cache_new(const struct cache_limits *limits);

/* cache_free - no entry, flight or waiter may be held any more. NULL is fine. */
void cache_free(struct cache *cache);

/* cache_limit - other limits; shrinks at once. */
void cache_limit(struct cache *cache, const struct cache_limits *limits);

/* What is looked for; borrowed for the call. */
struct cache_key {
    struct slice bytes;        /* all that makes two answers differ; compared in full */
    uint64_t hash;             /* XXH3_64bits() of bytes */
    struct slice account_name; /* account and schema are the site */
    struct slice schema;
    uint64_t digest; /* for the statistics */
};

struct cache_waiter {
    struct list_node node; /* zeroed by the owner */
    /*
     * The flight has ended. Called once, from the leader's thread, under no lock of the cache; may
     * not call cache_leave() for this waiter.
     */
    void (*wake)(struct cache_waiter *waiter, struct cache_flight *flight);
};

enum cache_found {
    CACHE_HIT,         /* entry */
    CACHE_HIT_REFRESH, /* entry; it is past its soft end and this caller refreshes it: flight */
    CACHE_LEAD,        /* run it; flight is the caller's to end */
    CACHE_WAIT,        /* flight was joined, the waiter will be woken */
    CACHE_NONE         /* run it and keep nothing: no room, or it would wait in vain */
};

struct cache_look {
    struct cache_entry *entry;   /* with HIT and HIT_REFRESH: a reference, else NULL */
    struct cache_flight *flight; /* with HIT_REFRESH, LEAD, WAIT: a reference, else NULL */
};

/*
 * cache_find - look for an answer, or for somebody who is getting it.
 *
 * now:    what the statement depends on, with the versions of this moment (causal_deps_of()).
 * now_us: clock_now_us(), the loop's time will do.
 * waiter: NULL = do not wait. Else it must live until it was woken or has left.
 *
 * An entry counts only while causal_deps_hold() of its own deps, and before its end; one that does
 * not is removed. A flight is joined only while the versions with which it began hold: its answer
 * is then as new as one that would be asked for now.
 */
enum cache_found cache_find(struct cache *cache, const struct cache_key *key,
                            const struct causal *causal, const struct causal_deps *now,
                            uint64_t now_us, struct cache_waiter *waiter, struct cache_look *out);

/* The answer of a leader's statement, as a client gets it. */
struct cache_result {
    const struct iovec *parts; /* copied into one block; NULL = too large, was not gathered */
    size_t len;                /* of all parts */
    uint64_t ttl_us;           /* from now on; 0 = for the waiters only */
    uint64_t soft_us;          /* from then on one caller refreshes it; 0 = no soft end */
    uint64_t took_us;          /* the statement's time, which each hit saves */
    unsigned n_parts;
    bool is_error; /* for the waiters only */
    bool is_empty; /* has no rows, which are not to be kept: for the waiters only */
};

/*
 * cache_end - the leader's statement is over. Each leader calls it exactly once; it takes his
 * reference. result NULL: there is no answer to share, those who wait run the statement themselves.
 *
 * The answer is kept if nothing that it depends on was written since cache_find(), and if there is
 * room. All waiters are woken before it returns.
 */
void cache_end(struct cache *cache, struct cache_flight *flight, const struct cache_result *result,
               uint64_t now_us);

/*
 * cache_flight_entry - for a waiter that was woken: a reference to the answer, or NULL = run the
 * statement, without waiting again.
 */
struct cache_entry *cache_flight_entry(struct cache_flight *flight);

/*
 * cache_leave - a waiter goes away; harmless after its wake. When it returns, wake is not running
 * and will not be called. The reference stays the caller's.
 */
void cache_leave(struct cache *cache, struct cache_flight *flight, struct cache_waiter *waiter);

/* cache_flight_unref - give a waiter's reference back. */
void cache_flight_unref(struct cache *cache, struct cache_flight *flight);

/* cache_entry_bytes - the answer; lives as long as the reference. */
struct slice cache_entry_bytes(const struct cache_entry *entry);

/* cache_entry_ref - one more reference, for one who has one. */
struct cache_entry *cache_entry_ref(struct cache_entry *entry);

/* cache_entry_unref - give a reference back. */
void cache_entry_unref(struct cache *cache, struct cache_entry *entry);

/* What is to go: all conditions that are set must hold. */
struct cache_filter {
    struct slice schema; /* data NULL = any */
    bool has_digest;
    uint64_t digest;
    bool unless_hold; /* only those whose dependencies were written: raise their versions first */
};

/*
 * cache_flush - remove answers; of flights that match, the answer is not kept. filter NULL = all.
 * Returns how many answers went.
 */
uint64_t cache_flush(struct cache *cache, const struct cache_filter *filter);

/* What is counted for each (site, digest):  id, column, help */
#define CACHE_COUNTS(X)                                                                      \
    X(CACHE_HITS, "hits", "answered from the cache")                                         \
    X(CACHE_MISSES, "misses", "not found")                                                   \
    X(CACHE_WAITS, "waits", "waited for the same statement under way")                       \
    X(CACHE_SHARED, "shared", "got its answer")                                              \
    X(CACHE_SAVED_US, "saved_us", "what the nodes' answers to the hits took")                \
    X(CACHE_BYTES_OUT, "bytes_out", "bytes of answers given")                                \
    X(CACHE_STORED, "stored", "answers kept")                                                \
    X(CACHE_BYTES_IN, "bytes_in", "bytes of answers kept")                                   \
    X(CACHE_NOT_WRITE, "not_stored_write", "not kept: a table was written meanwhile")        \
    X(CACHE_NOT_FIT, "not_stored_unfit", "not kept: an error, warnings, no rows, cut short") \
    X(CACHE_NOT_LARGE, "not_stored_large", "not kept: larger than one answer may be")        \
    X(CACHE_NOT_ROOM, "not_stored_room", "not kept: no room, for all or for this site")      \
    X(CACHE_GONE_WRITE, "gone_write", "removed: a table was written")                        \
    X(CACHE_GONE_FOREIGN, "gone_foreign", "removed: a table was written past Galeway")       \
    X(CACHE_GONE_TTL, "gone_ttl", "removed: too old")                                        \
    X(CACHE_GONE_EVICTED, "gone_evicted", "removed: made room")                              \
    X(CACHE_GONE_FLUSHED, "gone_flushed", "removed: FLUSH QUERY CACHE")

enum cache_count {
#define X(id, name, help) id,
    CACHE_COUNTS(X)
#undef X
        CACHE_COUNTS_N
};

struct cache_figures {
    struct slice account_name; /* live as long as the cache */
    struct slice schema;
    uint64_t digest; /* 0 = digests that have no row of their own any more, summed */
    uint64_t entries;
    uint64_t bytes;
    uint64_t counts[CACHE_COUNTS_N];
};

/*
 * cache_read_figures - call row for each (site, digest) that there is something to say of, in no
 * order. Statements go on meanwhile. A site of empty names: those that had no room of their own.
 */
void cache_read_figures(struct cache *cache,
                        void (*row)(void *arg, const struct cache_figures *figures), void *arg);

/* cache_sum_figures - all rows added; bytes is everything that counts against the cap. */
void cache_sum_figures(struct cache *cache, struct cache_figures *sum);

/* cache_bytes - what counts against the cap; cache_max_bytes - the cap. */
size_t cache_bytes(struct cache *cache);
size_t cache_max_bytes(const struct cache *cache);

/* cache_count_name - the column's name. */
const char *cache_count_name(enum cache_count count);

#endif
