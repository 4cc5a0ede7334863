/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql_tls.h - TLS below the client library, for the connections of the monitor and the follower.
 *
 * The library's own TLS blocks its thread for as long as a node likes, calls that do not block
 * included; goes on without TLS when the node does not offer it; and compares a node's name with
 * the address that it was told. So it knows nothing of TLS here: what it reads and writes passes
 * through here, where the handshake is made between the greeting and the login.
 *
 *   the library <-- greeting, packets with their numbers as without TLS --> here <-- TLS --> node
 *
 * Thread: that of the connection.
 */
#ifndef POOL_SQL_TLS_H
#define POOL_SQL_TLS_H

#include "pool/node.h"

struct st_mysql;
struct sql_tls;

/*
 * sql_tls_new - mysql, which is not connected yet, is to be secured as the node is. NULL = the node
 * is not. Nothing may be connected when sql_tls_why tells something.
 */
struct sql_tls *sql_tls_new(struct st_mysql *mysql, const struct node *node) MUST_CHECK;

/* sql_tls_free - when mysql was closed. NULL is fine. */
void sql_tls_free(struct sql_tls *t);

/* sql_tls_why - what went wrong with TLS; "" = nothing. NULL is fine. */
const char *sql_tls_why(const struct sql_tls *t);

/*
 * sql_tls_has_input - there are bytes for the library that poll() does not know of. NULL is fine.
 */
bool sql_tls_has_input(const struct sql_tls *t);

#endif
