/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local.h - replies that Galeway gives itself, byte for byte what a node would send.
 */
#ifndef PROXY_LOCAL_H
#define PROXY_LOCAL_H

#include "proxy/client.h"

/*
 * local_answer - answer the task without a node, if that is certain to be the same.
 * True = answered (or the client is closing): the task is over and freed.
 */
bool local_answer(struct client *c);

/* local_answer_binary - the same for COM_STMT_EXECUTE. */
bool local_answer_binary(struct client *c);

/*
 * local_learn - a node answered: keep what it would answer again. Called before the session changes
 * hands.
 */
void local_learn(struct client *c, struct profile *before);

void local_ping(struct client *c);
void local_statistics(struct client *c);
void local_set_option(struct client *c, const uint8_t *payload, size_t len);

#endif
