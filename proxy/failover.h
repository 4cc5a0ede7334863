/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover.h - what a worker does when nodes change, and how traffic notices that one is silent.
 *
 * The monitor decides and publishes (pool/monitor.h); each worker acts on its own connections and
 * its own clients. Thread: the worker's, unless said otherwise.
 */
#ifndef PROXY_FAILOVER_H
#define PROXY_FAILOVER_H

#include "base/base.h"

struct client;
struct galeway;
struct node;
struct worker;

/*
 * failover_nodes_changed - the health or a role of a node changed: connections to nodes that are
 * out are cut (reads go elsewhere, the rest as client_lost.h says), reads that a silent node has
 * not answered move, free connections to nodes that take no statements are closed, and who waits
 * tries again, in order. A node that is back gets a few connections (pool/warm.h).
 */
void failover_nodes_changed(struct worker *w);

/* failover_wake - all who wait try again, in order. */
void failover_wake(struct worker *w);

/*
 * failover_tick - a node that owes replies, or a connection, and says nothing is shown to the
 * monitor; what a suspect one does not answer moves. Called each WORKER_TICK_MS.
 */
void failover_tick(struct worker *w);

/*
 * failover_count_writing - while nodes are drained: how many transactions and statements are there.
 */
void failover_count_writing(struct worker *w);

/*
 * failover_n_writing - transactions and statements of all workers at a node that is drained;
 * UINT_MAX = a worker has not yet looked since the last change. Any thread.
 */
unsigned failover_n_writing(struct galeway *g, const struct node *node);

/*
 * failover_n_held - the same: connections that are kept for schemas that move (client_homes.h). Any
 * thread.
 */
unsigned failover_n_held(struct galeway *g);

#endif
