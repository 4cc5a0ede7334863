/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.c - see queue.h.
 */
#include "pool/queue.h"

#include "base/err.h"
#include "base/mem.h"

#define SITES_MAX 200000

/* The waiters of one account. Freed when the last one leaves. */
struct wait_site {
    struct list_node in_ring;
    struct list waiters;
    uintptr_t account; /* the key: the account's address */
};

void queue_init(struct wait_queue *q, size_t max_waiting, size_t max_bytes)
{
    *q = (struct wait_queue){.max_waiting = max_waiting, .max_bytes = max_bytes};
    CHECK(pthread_mutex_init(&q->lock, NULL) == 0);
    list_init(&q->ring);
    map_init(&q->sites, MEM_POOL, SITES_MAX);
}

void queue_fini(struct wait_queue *q)
{
    CHECK(list_is_empty(&q->ring));
    map_fini(&q->sites);
    (void)pthread_mutex_destroy(&q->lock);
}

static struct slice site_key(const struct wait_site *site)
{
    return (struct slice){(const char *)&site->account, sizeof(site->account)};
}

static struct wait_site *site_get(struct wait_queue *q, const struct account *account)
{
    const uintptr_t id = (uintptr_t)account;
    struct wait_site *site = map_get(&q->sites, (struct slice){(const char *)&id, sizeof(id)});

    if (site == NULL) {
        site = mem_try(MEM_POOL, sizeof(*site));
        if (site == NULL) {
            return NULL;
        }
        *site = (struct wait_site){.account = id};
        list_init(&site->waiters);
        if (map_put(&q->sites, site_key(site), site) != 0) {
            mem_free(MEM_POOL, site);
            return NULL;
        }
        list_push_back(&q->ring, &site->in_ring);
    }
    return site;
}

int queue_push(struct wait_queue *q, struct waiter *w, const struct account *account)
{
    int rc = ERR_POOL_FULL;

    CHECK(w->site == NULL);
    CHECK(pthread_mutex_lock(&q->lock) == 0);
    if (atomic_load(&q->n_waiting) < q->max_waiting &&
        atomic_load(&q->n_bytes) + w->bytes <= q->max_bytes) {
        w->site = site_get(q, account);
        if (w->site != NULL) {
            list_push_back(&w->site->waiters, &w->in_site);
            atomic_fetch_add(&q->n_waiting, 1);
            atomic_fetch_add(&q->n_bytes, w->bytes);
            rc = 0;
        }
    }
    CHECK(pthread_mutex_unlock(&q->lock) == 0);
    return rc;
}

static void unlink_locked(struct wait_queue *q, struct waiter *w)
{
    struct wait_site *site = w->site;

    list_remove(&site->waiters, &w->in_site);
    w->site = NULL;
    atomic_fetch_sub(&q->n_waiting, 1);
    atomic_fetch_sub(&q->n_bytes, w->bytes);
    if (list_is_empty(&site->waiters)) {
        list_remove(&q->ring, &site->in_ring);
        CHECK(map_remove(&q->sites, site_key(site)) == site);
        mem_free(MEM_POOL, site);
    }
}

bool queue_remove(struct wait_queue *q, struct waiter *w)
{
    bool was_waiting;

    CHECK(pthread_mutex_lock(&q->lock) == 0);
    was_waiting = w->site != NULL;
    if (was_waiting) {
        unlink_locked(q, w);
    }
    CHECK(pthread_mutex_unlock(&q->lock) == 0);
    return was_waiting;
}

/* The first waiter of a site that can use the node. */
static struct waiter *first_for(const struct wait_site *site, uint64_t bit)
{
    LIST_FOREACH (it, &site->waiters) {
        struct waiter *w = CONTAINER_OF(it, struct waiter, in_site);

        if ((w->nodes & bit) != 0) {
            return w;
        }
    }
    return NULL;
}

bool queue_pop(struct wait_queue *q, unsigned node_index, uint64_t now_ms, struct waiter *out)
{
    uint64_t bit = UINT64_C(1) << node_index;
    struct waiter *found = NULL;

    CHECK(pthread_mutex_lock(&q->lock) == 0);
    LIST_FOREACH (it, &q->ring) {
        struct wait_site *site = CONTAINER_OF(it, struct wait_site, in_ring);

        found = first_for(site, bit);
        if (found != NULL) { /* its site goes to the end of the round */
            list_remove(&q->ring, &site->in_ring);
            list_push_back(&q->ring, &site->in_ring);
            *out = *found;
            unlink_locked(q, found);
            break;
        }
    }
    CHECK(pthread_mutex_unlock(&q->lock) == 0);
    if (found == NULL) {
        return false;
    }
    if (now_ms > out->since_ms && now_ms - out->since_ms > atomic_load(&q->longest_ms)) {
        atomic_store(&q->longest_ms, now_ms - out->since_ms);
    }
    return true;
}
