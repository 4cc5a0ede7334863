/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - the server connections of one worker: which are free, who gets which, when a new one is
 * opened.
 *
 * The best first: same account, schema and profile (nothing to do); same account; another account's
 * that was free longest (COM_CHANGE_USER); a new one while the node's limit allows. When none can
 * be had the statement waits in the queue all workers share (queue.h).
 *
 * Thread: the worker's.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "base/list.h"
#include "base/map.h"
#include "base/stat.h"
#include "pool/queue.h"
#include "pool/server.h"

/* The free connections of one (node, account). */
struct account_servers {
    struct list servers; /* most recently used first */
    uintptr_t account;   /* the key: the account's address */
};

struct pool_node {
    struct list free;               /* most recently used first */
    unsigned n_lent;                /* working for clients of this worker */
    _Atomic unsigned n_free_shared; /* = free.count, for other workers to see */
    uint64_t heard_ms;              /* when anything came from the node */
    _Atomic unsigned
        n_writing; /* while the node is drained: transactions and statements there; failover.h */
    struct map accounts; /* -> struct account_servers; owned */
};

/*
 * What passed between this worker and one node for one hostgroup. A connection counts for the
 * hostgroup it serves or served last. Owner: the pool; stays as long as it.
 */
struct traffic {
    struct node *node;
    int hostgroup;
    unsigned used, max_used; /* lent to clients now, and at most; the maximum may be set back */
    uint64_t opened, failed; /* connections */
    uint64_t statements;
    uint64_t bytes_sent, bytes_received;
    uint64_t login_us; /* how long the newest connection took until it was logged in */
};

#define TRAFFIC_MAX 512 /* of NODES_MAX nodes; beyond, the last one has it all */

#define RIGHTS_SOON_US 1000000 /* so long after a node shows a change its logins have it */

struct pool {
    /* identity */
    unsigned worker;
    /* borrowed */
    struct stream_loop *streams;
    struct stat_set *stats;
    const struct conf *conf; /* the worker's current snapshot */
    struct nodes *nodes;
    struct wait_queue *queue;
    const atomic_uint *schema_changes; /* raised when a schema may have another character set */
    /* owned */
    struct profiles profiles;
    struct schemas schemas;
    struct profile *base_profile; /* of a fresh server connection */
    struct map stmt_texts;        /* -> struct stmt_text, counted by references */
    struct list all;
    struct pool_node per_node[NODES_MAX];
    struct traffic traffic[TRAFFIC_MAX];
    size_t n_traffic;
    uint64_t now_ms; /* the loop's time, set by the worker */
    uint64_t next_server_id;
    _Atomic unsigned n_held; /* while schemas move: connections kept for them; failover.h */
    bool is_closing;
    bool is_serving;  /* a waiter has been given a connection, and is not back from it */
    bool has_looked;  /* serving is known: warm.h */
    uint64_t serving; /* mask of the nodes that took statements at the last look */
    /* what the pool asks its worker for */
    void (*give_away)(struct pool *pool, struct server *s,
                      const struct waiter *to); /* another worker waits for it */
    void (*serve)(struct pool *pool, struct server *s,
                  uint64_t client_id); /* one of ours waits for it: s is LENT to nobody yet */
    void (*wake)(struct pool *pool,
                 const struct waiter *to); /* there is room for a new connection */
    void (*learn_version)(struct pool *pool, struct slice version, uint8_t charset);
};

void pool_init(struct pool *pool, unsigned worker);
/*
 * pool_close - close every connection; who has one is told (on_lost, ERR_SHUTDOWN). pool_is_empty
 * tells when that is done; then pool_fini.
 */
void pool_close(struct pool *pool);
bool pool_is_empty(const struct pool *pool);
void pool_fini(struct pool *pool);

/*
 * pool_acquire - lend a connection to one of the n nodes, the first named preferred.
 *
 * Returns 0 with *out LENT to owner: ready for server_fit(), or connecting (state CONNECTING or
 * LOGIN: on_ready follows). ERR_POOL_FULL: none can be had now; the caller waits in the queue.
 * ERR_NO_NODE: n is 0.
 */
int pool_acquire(struct pool *pool, const struct want *want, struct node *const *nodes, size_t n,
                 void *owner, const struct server_events *events, struct server **out) MUST_CHECK;

/* pool_lend - make a server LENT to owner that serve() offered, and that suits. */
void pool_lend(struct server *s, const struct want *want, void *owner,
               const struct server_events *events);

/*
 * pool_may_serve - may its user be changed to that of the account? One whose TLS is of a user's own
 * is his alone, and he takes no other.
 */
bool pool_may_serve(const struct server *s, const struct account *account);

/*
 * pool_suits - can a server that serve() offered be made what is wanted? Capabilities are for life.
 * pool_discard - it cannot: it leaves, and whoever waits may open another (LENT to nobody yet).
 */
bool pool_suits(const struct server *s, const struct want *want);
void pool_discard(struct pool *pool, struct server *s);

/*
 * pool_give - the owner is done with a LENT server: reset if it must be, then free, or to who
 * waits.
 */
void pool_give(struct pool *pool, struct server *s);

/* pool_put - a server in no state of a session becomes free, or goes to who waits. */
void pool_put(struct pool *pool, struct server *s);

/* pool_serve_waiters - other workers wait: give them what is free here. */
void pool_serve_waiters(struct pool *pool);

/* pool_room - a connection of the node is gone or failed: somebody who waits may open one. */
void pool_room(struct pool *pool, struct node *node);

/* pool_config_changed - free connections that are not as new ones would be are closed. */
void pool_config_changed(struct pool *pool);

/* pool_tick - upkeep: age, idle time, minimum. Called a few times a second. */
void pool_tick(struct pool *pool);

/* pool_traffic - of a node in a hostgroup; made when it is new. */
struct traffic *pool_traffic(struct pool *pool, struct node *node, int hostgroup);

/* used by server.c */
void pool_unlink_free(struct pool *pool, struct server *s);
void pool_forget(struct pool *pool, struct server *s); /* closed: free the memory */

#endif
