/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_again.h - what client_lost.c (the connection broke) and client_refused.c (the node would
 * not run it) share: what may run again, and how it does. Thread: the worker's.
 */
#ifndef PROXY_CLIENT_AGAIN_H
#define PROXY_CLIENT_AGAIN_H

#include "protocol/reply.h"
#include "proxy/client.h"
#include "proxy/ledger.h"

/*
 * client_lost_state - is something lost with the connection, beyond its transaction? Then the
 * client cannot go on as if nothing had happened.
 */
bool client_lost_state(const struct session *s);

/* client_transaction_is_gone - the node has rolled it back, or will: the session knows. */
void client_transaction_is_gone(struct client *c);

/* client_transaction_aborted - only that is gone; what else the session has there is. */
void client_transaction_aborted(struct client *c);

/* client_rolled_back - the ROLLBACK it waits for was done by the node's end: answered OK. */
void client_rolled_back(struct client *c);

/*
 * client_has_retries - may a statement that has run run again: as often as the rule says, or
 * mysql-query_retries_on_failure. A read may come to one more connection of a node that is just
 * dying.
 */
bool client_has_retries(const struct client *c, bool is_read);

/* client_is_whole - the bytes are all here, and nothing of it is on the connection that is lost. */
bool client_is_whole(const struct client *c);

/*
 * client_is_harmless - outside of a transaction: BEGIN and a prepare change nothing that outlives
 * their connection, COMMIT has nothing to end.
 */
bool client_is_harmless(const struct task *task);

/* client_is_over - what goes wrong for as long as statements may wait is told. */
bool client_is_over(const struct client *c, uint64_t since_ms);

/* client_note - an entry in the ledger. error: of the node's reply, 0 = the connection broke. */
void client_note(struct client *c, const struct node *node, enum ledger_decision decision,
                 uint16_t error);

/*
 * client_begin_again - as it came from the client: nothing of what was learnt of its reply is left.
 * Without a connection it goes on in the next turn of the loop: many that are dead, one after the
 * other, take no stack then.
 */
void client_begin_again(struct client *c, enum ledger_decision decision);

/*
 * client_leave_node - it is out for a moment, whatever the monitor knows already, so that the
 * statement does not come back to it.
 */
void client_leave_node(struct client *c, struct node *node);

/*
 * client_says_not_ready - 1047 because the node is in no cluster; "Unknown command" has the same
 * number.
 */
bool client_says_not_ready(const struct err *err);

#endif
