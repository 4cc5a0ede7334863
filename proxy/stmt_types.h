/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stmt_types.h - the types of a prepared statement's parameters.
 *
 * Clients send them with the first execution only (MariaDB documentation, COM_STMT_EXECUTE: "send
 * type to server" flag). Another connection must be told them again, so they are kept.
 *
 * Thread: the client's worker.
 */
#ifndef PROXY_STMT_TYPES_H
#define PROXY_STMT_TYPES_H

#include "pool/server.h"
#include "protocol/stmt.h"

struct client_stmt;
struct task;

/* stmt_types_keep - those that came with an execution. Returns 0 or ERR_MEMORY. */
int stmt_types_keep(struct client_stmt *stmt, const struct execute *e) MUST_CHECK;

/*
 * stmt_types_put - the task's execution, which has none, gets those that were kept.
 *
 * e: what the task's bytes say; id: the statement's on the connection. The task's bytes are made
 * anew; it owns them. Returns 0, ERR_MEMORY or ERR_LIMIT.
 */
int stmt_types_put(struct task *task, const struct execute *e, uint32_t id) MUST_CHECK;

/*
 * stmt_types_ahead - as stmt_types_put, for an execution whose first packet is as long as one can
 * be: what tells the types goes in front of it, to prefix, and its answer is expected from s. A
 * bulk execute of no rows tells the types, and is refused for having none (10.11).
 *
 * Returns 0, or ERR_LIMIT: the node has no bulk execute.
 */
int stmt_types_ahead(struct server *s, const struct client_stmt *stmt, uint32_t id,
                     struct writer *prefix) MUST_CHECK;

#endif
