/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures_client.h - where a client's statement is counted: when its reply is complete, when
 * Galeway answered it, when its node was lost. Each statement is counted once, whatever of these
 * comes first.
 *
 * Counted are COM_QUERY and COM_STMT_EXECUTE; what Galeway asks on its own is not.
 */
#ifndef PROXY_FIGURES_CLIENT_H
#define PROXY_FIGURES_CLIENT_H

#include "proxy/client.h"
#include "proxy/figures.h"

/* figures_done - the node's reply is complete: s->outcome. Before the session takes it over. */
void figures_done(struct client *c, const struct server *s);

/*
 * figures_refused - an ERR packet that is made here, or handed on for a node that did not run the
 * statement.
 */
void figures_refused(struct client *c, uint16_t number, struct slice text);

/*
 * figures_lost - the connection to a node failed or broke: an error, but maybe not the end of the
 * statement.
 */
void figures_lost(struct client *c, const struct server *s, int rc, const struct err *err);

/* figures_ended - the task is over; if nothing else has counted it, it was answered here. */
void figures_ended(struct client *c);

/*
 * figures_stop_waiting - the client leaves its worker's list of who waits, for good or to try
 * again; if it is there.
 */
void figures_stop_waiting(struct client *c);

/* figures_sql - the text of a task: the statement, or what was prepared; empty when it has none. */
struct slice figures_sql(const struct task *task);

#endif
