/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warm.c - see warm.h.
 */
#include "pool/warm.h"

#define WARM_MAX 16 /* connections of a worker to a node, whatever mysql-min_idle_per_node says */

/* Does the node take statements? One that is silent for a moment has its connections still. */
static bool serves(const struct node *node)
{
    return node->is_resolved && atomic_load(&node->shared.health) != HEALTH_DOWN &&
           node_drain_now(node) == DRAIN_NONE;
}

static bool is_in_use(const struct server *s)
{
    return !s->is_side && (s->state == SERVER_FREE || s->state == SERVER_LENT ||
                           s->state == SERVER_DRAINING || s->state == SERVER_RESETTING);
}

static size_t n_open(const struct pool *pool, const struct node *node)
{
    size_t n = 0;

    LIST_FOREACH (it, &pool->all) {
        const struct server *s = CONTAINER_OF(it, struct server, in_all);

        n += s->node == node && !s->is_side && s->state != SERVER_CLOSING ? 1 : 0;
    }
    return n;
}

/* Those to other nodes that were used last, the newest first; at most max. */
static size_t find_models(const struct pool *pool, const struct node *node,
                          const struct server *models[WARM_MAX], size_t max)
{
    size_t n = 0;

    LIST_FOREACH (it, &pool->all) {
        const struct server *s = CONTAINER_OF(it, struct server, in_all);
        size_t at = n;

        if (s->node == node || !is_in_use(s)) {
            continue;
        }
        while (at > 0 && models[at - 1]->since_ms < s->since_ms) {
            if (at < max) {
                models[at] = models[at - 1];
            }
            at--;
        }
        if (at < max) {
            models[at] = s;
            n = MIN(n + 1, max);
        }
    }
    return n;
}

static bool open_like(struct pool *pool, struct node *node, const struct server *model)
{
    struct want want = {.hostgroup = model->traffic->hostgroup,
                        .account = model->account,
                        .profile = pool->base_profile,
                        .caps = model->caps};

    return atomic_load(&node->shared.n_connecting) <
               (unsigned)pool->conf->vars.mysql_pending_connects_per_node &&
           server_open(pool, node, &want, NULL, NULL) != NULL;
}

static void warm(struct pool *pool, struct node *node)
{
    const struct server *models[WARM_MAX];
    size_t keep = MIN((size_t)pool->conf->vars.mysql_min_idle_per_node, (size_t)WARM_MAX);
    size_t have = n_open(pool, node);
    size_t n = have < keep ? find_models(pool, node, models, keep - have) : 0;
    size_t i = 0;

    while (i < n && open_like(pool, node, models[i])) {
        i++;
    }
}

void pool_warm_returned(struct pool *pool)
{
    uint64_t serving = 0;
    uint64_t back;

    for (unsigned i = 0; i < atomic_load(&pool->nodes->count); i++) {
        serving |= serves(pool->nodes->items[i]) ? UINT64_C(1) << i : 0;
    }
    back = pool->has_looked ? serving & ~pool->serving : 0;
    pool->serving = serving;
    pool->has_looked = true;
    for (unsigned i = 0; i < NODES_MAX && !pool->is_closing; i++) {
        if ((back & (UINT64_C(1) << i)) != 0) {
            warm(pool, pool->nodes->items[i]);
        }
    }
}
