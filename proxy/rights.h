/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rights.h - users and rights were changed: who logs in from then on gets server connections that
 * know it.
 *
 * A node looks at the global rights, those on the current schema and the default role when a
 * connection logs in, and keeps them for it. So the time of the last change is kept; a session
 * takes it along from its login, and from each USE (struct session, rights_us), and a connection
 * whose login is older logs in again before it serves that session (pool.c). Sessions that are
 * under way are served as before, as on a node.
 *
 * Not seen: what procedures, EXECUTE of a prepared name and events do, and what does not pass
 * through here, but by mysql-users_from_hostgroup and in the binary log that is followed.
 */
#ifndef PROXY_RIGHTS_H
#define PROXY_RIGHTS_H

#include "proxy/client.h"

struct galeway;

/*
 * rights_changed - some were changed until now. rights_seen - so says a node, which may still be at
 * it. Answers that are cached hold for nobody any more. Any thread.
 */
void rights_changed(struct galeway *g);
void rights_seen(struct galeway *g);

/*
 * rights_answers - bytes of the reply to the client's task are here, and the client gets them next:
 * did it change rights?
 */
void rights_answers(const struct client *c, const uv_buf_t *first);

/* rights_in_doubt - there will be no reply to what the client sent, if it sent something. */
void rights_in_doubt(const struct client *c);

#endif
