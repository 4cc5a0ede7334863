/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_causal.h - what was written (router/causal.h), told to the route of a client's task.
 *
 * Thread: the worker's.
 */
#ifndef PROXY_CLIENT_CAUSAL_H
#define PROXY_CLIENT_CAUSAL_H

#include "router/route.h"

struct client;
struct server;

/*
 * client_follow_us - where a read of the task may go (causal_follow_us()). It is found out once:
 * what was acknowledged after the task came need not be seen, and a task that waits does not begin
 * to wait for that.
 */
uint64_t client_follow_us(const struct client *c);

/* client_causal_route - fill in what route_choose() wants to know of it. */
void client_causal_route(const struct client *c, struct route_input *in);

/*
 * client_causal_stays - the task is bound to the client's connection: may it be sent now? False:
 * its node has not applied yet what was acknowledged before it came. in: roles, facts and time.
 */
bool client_causal_stays(const struct client *c, struct route_input *in);

/*
 * client_is_stray - may the task write, at a node that is not the writer now? The session could not
 * go elsewhere, or the writer has changed; then others read it at the writer too early.
 */
bool client_is_stray(const struct client *c, const struct server *s);

#endif
