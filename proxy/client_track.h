/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_track.h - what a client is told of its session (SESSION_TRACK; protocol/track.h has what a
 * node does).
 *
 * Server connections report everything, for us. Of that a client with SESSION_TRACK is told what
 * its own session_track_* variables ask for (they are in its profile), another one nothing. The
 * transaction's is a variable like any other: the connection has the client's value.
 *
 * A statement that names the others is to find the client's values on its connection. A plain SET,
 * SELECT or SHOW is put between a SET of these and one that takes them back; behind a SET, what it
 * left is asked for. What else names them (dynamic SQL, routines, SET GLOBAL) keeps the connection:
 * it has the client's values from then on, and all that it reports is passed on.
 *
 * Not as on a node: what SET STATEMENT sets back is not told with the next OK; in an EOF
 * STATUS_SESSION_STATE_CHANGED may be there for a stored function that set a variable which the
 * client does not ask for; a routine sets these variables unseen; who has set none is told by the
 * defaults of 10.11, whatever a node's my.cnf says. The order of variables in a block has no
 * meaning on a node, either.
 */
#ifndef PROXY_CLIENT_TRACK_H
#define PROXY_CLIENT_TRACK_H

#include "protocol/track.h"
#include "proxy/client.h"

/* client_wish - what it is told of what its connection reports now; NULL = nothing. */
const struct track_wish *client_wish(const struct client *c);

/*
 * client_track_prepare - append to w what the task needs in front of it, client_track_settle to w
 * what is needed behind it.
 */
void client_track_prepare(struct client *c, struct server *s, struct writer *w);
void client_track_settle(struct client *c, struct server *s, struct writer *w);

/*
 * client_track_ask - append to w what could not be put behind the last statement
 * (session.is_tracking_unknown).
 */
void client_track_ask(struct client *c, struct server *s, struct writer *w);

/* client_track_unsent - the task ends, and may have been lent values that nobody took back. */
void client_track_unsent(struct client *c);

/* client_track_done - the task's reply is complete. */
void client_track_done(const struct client *c, struct server *s);

/* What the connection tells of changes: see server_events. */
const struct track_wish *client_on_track(struct server *s, const struct ok *ok);
void client_on_tracking(struct server *s, struct slice row);
void client_on_settled(struct server *s, const struct ok *ok);

/*
 * OKs made here, as client_ok(), with the changes that a node would report:
 *
 * client_ok_schema - the session came to a schema (NULL: has none). client_ok_login - the same for
 * a login. client_ok_rolled_back - its transaction is over. client_ok_changes - block: as a
 * connection reported it; is_told: it is what the client is told of it already.
 */
bool client_ok_schema(struct client *c);
bool client_ok_login(struct client *c);
bool client_ok_rolled_back(struct client *c);
bool client_ok_changes(struct client *c, struct slice block, bool is_told);

#endif
