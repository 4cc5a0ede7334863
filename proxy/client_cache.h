/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_cache.h - a client's reads and the query cache (router/cache.h).
 *
 *   client_cache_answer --> found: answered
 *                       --> the same is under way: JOINED --> woken --> answered, or it runs
 *                       --> it runs, and its answer is gathered: sent --> bytes --> done --> kept
 *
 * An answer is kept when it can be proven to depend on nothing but tables: no function of time,
 * chance, session or node, no variable, nothing pinned, no transaction; when the node had applied
 * every write of them that is known of; and when none of them was written while it ran. Where
 * views, triggers or cascading keys show or change tables that a statement does not name, or nobody
 * knows (schema_look.h), any write of the schema counts. Thread: the worker's.
 */
#ifndef PROXY_CLIENT_CACHE_H
#define PROXY_CLIENT_CACHE_H

#include "proxy/client.h"

/*
 * client_cache_answer - c->task is a COM_QUERY or COM_STMT_EXECUTE on which the rules have spoken.
 * True: it was answered, or waits for an answer. False: it is to run.
 */
bool client_cache_answer(struct client *c);

/* client_cache_sent - the task is being sent to the node of this connection. */
void client_cache_sent(struct client *c, const struct server *s);

/* client_cache_bytes - these bytes of the reply went to the client. */
void client_cache_bytes(struct client *c, const uv_buf_t *bufs, unsigned n);

/* client_cache_done - the reply is complete, and the session is what it is behind it. */
void client_cache_done(struct client *c, const struct server *s);

/* client_cache_again - the task runs once more: what came of the reply counts for nothing. */
void client_cache_again(struct task *task);

/* client_cache_drop - the task ends without an answer that others could have. */
void client_cache_drop(struct task *task);

/* client_cache_woken - mail: the flight that the client had joined is over. */
void client_cache_woken(struct client *c, const void *flight);

/* client_cache_leave - a JOINED client waits no more: gone, killed, or it runs its statement. */
void client_cache_leave(struct client *c);

/* client_cache_late - a JOINED client has waited as long as it may: it runs its statement. */
void client_cache_late(struct client *c);

#endif
