/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_lost.h - a statement whose node was lost, or would not run it: run it again where that
 * cannot be seen, or tell the client, once, on an open connection. Each decision is entered in the
 * ledger (ledger.h).
 */
#ifndef PROXY_CLIENT_LOST_H
#define PROXY_CLIENT_LOST_H

#include "proxy/client.h"

/*
 * client_lost_unsent - its server is closed already, before the statement could be sent: rc says
 * why.
 */
void client_lost_unsent(struct client *c, struct server *s, int rc);

/*
 * client_on_lost - the server connection of a client is closing: rc and err say why
 * (server_events.on_lost).
 */
void client_on_lost(struct server *s, int rc, const struct err *err);

/*
 * client_may_move - would its statement run again on another node if this connection were closed
 * now?
 */
bool client_may_move(const struct client *c, const struct server *s);

/*
 * client_left_unready - the node refuses to make a connection what the task wants, or its login,
 * because it is in no cluster (1047): the task runs again elsewhere. False = it is not that, or it
 * cannot.
 */
bool client_left_unready(struct client *c, struct node *node, const struct err *err);

/*
 * client_is_refused - the first bytes of a reply: is it an error that says the statement did not
 * run, and may it run again? Then the client is to see nothing of the reply, and client_run_again
 * is to be called when it has ended.
 */
bool client_is_refused(struct client *c, struct server *s, const uv_buf_t *bufs, unsigned n);

/* client_run_again - the reply that was refused has ended. */
void client_run_again(struct client *c);

/*
 * client_go_again - its connection is gone, and the turn of the loop in which that was seen is over
 * (task->runs_again).
 */
void client_go_again(struct client *c);

/*
 * client_confirmed, client_refuted - it did not run; or that is not sure, and the client gets the
 * node's error.
 */
void client_confirmed(struct client *c);
void client_refuted(struct client *c);

/*
 * client_not_ready - the node has refused a statement of a session that cannot go elsewhere (1047),
 * and the client has been told. Its transaction is over: the node is in no cluster that could
 * commit it. True = the connection is gone.
 */
bool client_not_ready(struct client *c, struct server *s);

/*
 * client_lost_idle - the connection of a session that has no statement under way is gone: it goes
 * on if it had nothing there, is told of a lost transaction with its next command, or ends.
 */
void client_lost_idle(struct client *c);

/*
 * client_lost_between - c->server has broken under a command that has no reply: it is lost to a
 * session that has no statement under way, c->task stays.
 */
void client_lost_between(struct client *c);

/*
 * client_leave_broken - c->server has broken while neither the session nor c->task had anything on
 * it: both go on without. Nobody is told, and the task is not begun again.
 */
void client_leave_broken(struct client *c);

#endif
