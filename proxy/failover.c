/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover.c - see failover.h.
 */
#include "proxy/failover.h"

#include <limits.h>

#include "base/err.h"
#include "pool/homes.h"
#include "pool/warm.h"
#include "proxy/client_homes.h"
#include "proxy/client_lost.h"
#include "proxy/worker.h"

#define SILENT_MS 200 /* a node that owes replies and has said nothing for so long is looked at */

/* --- connections to a node that changed ------------------------------------------------------- */

/* The owner is told, if there is one. */
static void cut(struct server *s)
{
    if (s->is_quitting) {
        server_quit_timeout(s);
    } else if (s->state == SERVER_LENT || s->state == SERVER_CONNECTING ||
               s->state == SERVER_LOGIN) {
        server_lost(s, ERR_NODE_DOWN, NULL);
    } else {
        server_close(s, "its node is out", 0);
    }
}

/* A client's connection: kills and mirrors have owners of their own. */
static bool is_clients(const struct server *s)
{
    return s->events == &client_server_events && s->owner != NULL;
}

/* For how long has the node owed this connection something: a reply, or that it is there at all? */
static uint64_t owed_ms(const struct worker *w, const struct server *s)
{
    if (s->state == SERVER_CONNECTING) {
        return w->now_ms - s->created_ms;
    }
    return s->n_expects > 0 && s->state != SERVER_CLOSING ? w->now_ms - s->asked_ms : 0;
}

/*
 * Who has had nothing of his answer, and may ask another node, does. Who has a transaction there
 * waits for its fate.
 */
static void leave_silent(const struct worker *w, struct server *s)
{
    if (is_clients(s) && owed_ms(w, s) >= SILENT_MS / 2 && client_may_move(s->owner, s)) {
        server_lost(s, ERR_NODE_SILENT, NULL);
    }
}

static void look_at(const struct worker *w, struct server *s)
{
    enum node_drain drain = node_drain_now(s->node);
    unsigned health = atomic_load(&s->node->shared.health);

    if (health == HEALTH_DOWN || drain == DRAIN_HARD) {
        cut(s);
    } else if (health == HEALTH_SUSPECT) {
        leave_silent(w, s);
    } else if (drain == DRAIN_SOFT && s->state == SERVER_FREE) {
        server_quit(s, "its node takes no statements");
    }
}

/* Each at most once: who finds nothing again goes to the end of the list. */
void failover_wake(struct worker *w)
{
    for (size_t n = w->waiting.count; n > 0 && !list_is_empty(&w->waiting); n--) {
        client_retry(CONTAINER_OF(list_front(&w->waiting), struct client, in_waiting));
    }
}

void failover_nodes_changed(struct worker *w)
{
    unsigned seen = atomic_load(&w->galeway->nodes.n_changes);

    /* A connection that is closed stays in the list until the loop has closed its handle. */
    LIST_FOREACH_SAFE (it, next, &w->pool.all) {
        look_at(w, CONTAINER_OF(it, struct server, in_all));
    }
    failover_wake(w); /* who waits comes before connections that nobody waits for */
    pool_warm_returned(&w->pool);
    failover_count_writing(w);
    atomic_store(&w->nodes_seen, seen);
}

/* --- traffic as a sensor ---------------------------------------------------------------------- */

/*
 * One statement that takes long is no sign as long as others are answered. A node that is suspect
 * is being looked at; what it was asked shortly before it was found so moves now.
 */
void failover_tick(struct worker *w)
{
    uint64_t poked = 0;

    LIST_FOREACH_SAFE (it, next, &w->pool.all) {
        struct server *s = CONTAINER_OF(it, struct server, in_all);
        unsigned index = s->node->index;

        if (atomic_load_explicit(&s->node->shared.health, memory_order_relaxed) == HEALTH_SUSPECT) {
            leave_silent(w, s);
        } else if ((poked & UINT64_C(1) << index) == 0 && owed_ms(w, s) >= SILENT_MS &&
                   w->now_ms - w->pool.per_node[index].heard_ms >= SILENT_MS) {
            poked |= UINT64_C(1) << index;
            nodes_poke(&w->galeway->nodes, s->node);
        }
    }
}

/* --- before another node writes --------------------------------------------------------------- */

/*
 * A statement or a transaction is under way there, or a statement is about to be sent: it was
 * routed before.
 */
static bool is_writing(const struct server *s)
{
    const struct client *c = is_clients(s) ? s->owner : NULL;

    return s->state != SERVER_CLOSING && s->state != SERVER_FREE && !s->is_side &&
           (s->statement_sent || (s->status & STATUS_IN_TRANS) != 0 ||
            (c != NULL && c->task != NULL));
}

void failover_count_writing(struct worker *w)
{
    unsigned counts[NODES_MAX] = {0};
    bool has_homes = homes_are_on(&w->galeway->nodes);
    unsigned held = 0;

    LIST_FOREACH (it, &w->pool.all) {
        const struct server *s = CONTAINER_OF(it, struct server, in_all);

        counts[s->node->index] += is_writing(s) ? 1 : 0;
        held += has_homes && client_homes_keeps(w, s) ? 1 : 0;
    }
    for (unsigned i = 0; i < atomic_load(&w->galeway->nodes.count); i++) {
        atomic_store(&w->pool.per_node[i].n_writing, counts[i]);
    }
    atomic_store(&w->pool.n_held, held);
}

static bool have_all_looked(struct galeway *g)
{
    unsigned changes = atomic_load(&g->nodes.n_changes);

    for (unsigned i = 0; i < g->n_workers; i++) {
        if (atomic_load(&g->workers[i]->nodes_seen) != changes) {
            return false;
        }
    }
    return true;
}

unsigned failover_n_writing(struct galeway *g, const struct node *node)
{
    unsigned n = 0;

    if (!have_all_looked(g)) {
        return UINT_MAX;
    }
    for (unsigned i = 0; i < g->n_workers; i++) {
        n += atomic_load(&g->pools[i]->per_node[node->index].n_writing);
    }
    return n;
}

unsigned failover_n_held(struct galeway *g)
{
    unsigned n = 0;

    if (!have_all_looked(g)) {
        return UINT_MAX;
    }
    for (unsigned i = 0; i < g->n_workers; i++) {
        n += atomic_load(&g->pools[i]->n_held);
    }
    return n;
}
