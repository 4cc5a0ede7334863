/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warm.h - connections to a node that serves again, before statements ask for them.
 *
 * A node that comes back has no connections: the first statements there would wait for logins, all
 * at once. So each worker opens a few when the node comes back, for the accounts whose connections
 * to other nodes were used last: up to mysql-min_idle_per_node, and never beyond what the node's
 * limits allow.
 *
 * Thread: the pool's worker.
 */
#ifndef POOL_WARM_H
#define POOL_WARM_H

#include "pool/pool.h"

/*
 * pool_warm_returned - open connections to nodes that serve and did not at the last call; the first
 * call only looks.
 */
void pool_warm_returned(struct pool *pool);

#endif
