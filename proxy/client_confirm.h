/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_confirm.h - a node says that a write failed, in words that usually mean that it did not
 * run. Before it runs again that is made sure of; until then the client waits for its answer.
 *
 * - 1213: a write set that another one beat is rolled back on every node. But a node that loses its
 *   group says 1213, too, of writes that the others may have applied. Sure: after the answer the
 *   node is still Primary, in the view it was in when the statement was sent.
 * - 1180 "Not connected to Primary Component": a node that is shut down leaves its group in good
 *   order; what it had not sent is nowhere, and what it had sent it has committed. A node that lost
 *   its group says the same. Sure: its port refuses connections while it still answers on this one,
 *   as only a node in its shutdown does; and the statement was sent less than a second before, so
 *   that it was not under way when a group was cut that only now is given up. Or all others are
 *   seen in a view without it, which began less than a second after the statement was sent: a group
 *   that was cut takes longer to go on (evs.suspect_timeout), so the statement came after that.
 *
 * Seen on MariaDB 10.11.19 with Galera 26.4.23: of 16 writes at a shutdown that got 1180 none was
 * there; of writes in a partition that got errors some were.
 */
#ifndef PROXY_CLIENT_CONFIRM_H
#define PROXY_CLIENT_CONFIRM_H

#include "proxy/client.h"

/*
 * Less than evs.suspect_timeout: what was sent longer ago may have gone to a node cut off already.
 */
#define CONFIRM_LEAVE_MS 1000
#define CONFIRM_MAX_MS   300 /* then the client gets the node's error */

/* What is being made sure of. */
enum confirm {
    CONFIRM_NOTHING,
    CONFIRM_VIEW,    /* the node's view is what it was */
    CONFIRM_SHUTDOWN /* its port is closed, or the others are without it */
};

/* client_is_confirming - the refusal is complete, and its client waits for what is found out. */
static inline bool client_is_confirming(const struct task *task)
{
    return task->confirm_since_us != 0;
}

/*
 * client_confirm_begin - the refusal is complete: task->confirms says what to ask. The end may come
 * before it returns.
 */
void client_confirm_begin(struct client *c);

/* client_confirm_look - time has passed (c->alarm), or nodes have changed. */
void client_confirm_look(struct client *c);

#endif
