/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_homes.h - where sites have home nodes (pool/homes.h): which schema a statement is about,
 * what was written where, and whose connections have to end before a schema moves.
 *
 * Thread: the worker's.
 */
#ifndef PROXY_CLIENT_HOMES_H
#define PROXY_CLIENT_HOMES_H

#include "pool/server.h"
#include "router/route.h"

struct client;
struct worker;

/* client_homes_route - fill in what route_choose() wants to know of the client's task. */
void client_homes_route(const struct client *c, struct route_input *in);

/*
 * client_homes_answers - bytes of the reply to the client's task are here, and he has had none of
 * them: what is in client_homes_wrote() counts already.
 */
void client_homes_answers(const struct client *c, struct server *s);

/*
 * client_homes_wrote - the reply to the client's task has come: what it, or the transaction that
 * ends with it, wrote elsewhere than at home is marked.
 */
void client_homes_wrote(const struct client *c, struct server *s);

/*
 * client_homes_keeps - has this connection a part in a schema that moves? It may write, or belongs
 * to a session that goes on there.
 */
bool client_homes_keeps(const struct worker *w, const struct server *s);

#endif
