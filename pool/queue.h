/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h - statements of all workers that wait for a server connection: FIFO for each site, in
 * turn between sites.
 *
 * Touched only when a limit is reached: a worker that gives a connection back looks at one atomic
 * number. Thread: any; one lock.
 */
#ifndef POOL_QUEUE_H
#define POOL_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"

struct account;

/* Embedded in the client; linked under the queue's lock. */
struct waiter {
    struct list_node in_site;
    struct wait_site *site; /* NULL = does not wait */
    uint64_t nodes;         /* mask of node indexes it can use */
    uint64_t client_id;
    uint64_t since_ms;
    size_t bytes; /* of its statement */
    unsigned worker;
};

struct wait_queue {
    pthread_mutex_t lock;
    atomic_size_t n_waiting;
    atomic_size_t n_bytes;     /* of statements that wait */
    atomic_size_t max_bytes;   /* mysql-queue_max_bytes */
    atomic_size_t max_waiting; /* follows the configuration */
    struct list ring;          /* of struct wait_site with waiters, in turn */
    struct map sites;          /* by account; owned */
    atomic_ullong longest_ms;  /* wait seen since start */
};

void queue_init(struct wait_queue *q, size_t max_waiting, size_t max_bytes);
void queue_fini(struct wait_queue *q);

/*
 * queue_push - wait. Returns 0 or ERR_POOL_FULL: too many statements wait, or too many bytes of
 * them.
 */
int queue_push(struct wait_queue *q, struct waiter *w, const struct account *account) MUST_CHECK;

/*
 * queue_remove - stop waiting (answered, timed out, client gone); false when it was popped
 * meanwhile or never waited.
 */
bool queue_remove(struct wait_queue *q, struct waiter *w);

/*
 * queue_pop - whose turn is it for a connection to the node? Removes it; a copy goes to *out. False
 * = nobody's.
 */
bool queue_pop(struct wait_queue *q, unsigned node_index, uint64_t now_ms, struct waiter *out);

static inline bool queue_has_waiters(struct wait_queue *q)
{
    return atomic_load(&q->n_waiting) != 0;
}

#endif
