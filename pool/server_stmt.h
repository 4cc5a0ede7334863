/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_stmt.h - statements prepared on server connections: which text has which id where.
 *
 * A text is interned for each worker, so that clients and connections share it. What a text means
 * depends on the schema and the variables it was prepared under: they are part of the key.
 */
#ifndef POOL_SERVER_STMT_H
#define POOL_SERVER_STMT_H

#include "pool/server.h"

#define STMT_TEXTS_MAX 200000 /* of a worker */

/* The text of a COM_STMT_PREPARE. */
struct stmt_text {
    unsigned refs;
    size_t len;
    char text[];
};

struct server_stmt {
    struct list_node in_server;
    struct stmt_text *text;  /* a reference */
    struct schema *schema;   /* borrowed */
    struct profile *profile; /* a reference */
    uint32_t id;             /* on the node; STMT_ID_LAST while it is being prepared */
    uint32_t owner; /* the statement of the session that has something open in it; 0 = for all */
};

/*
 * stmt_text_get - the interned text with a reference; NULL when there is no memory. stmt_text_unref
 * may free.
 */
struct stmt_text *stmt_text_get(struct pool *pool, struct slice text) MUST_CHECK;
void stmt_text_unref(struct pool *pool, struct stmt_text *text);

/* stmt_text_has_room - could it be got, but for memory? The table is all clients' of a worker. */
bool stmt_text_has_room(const struct pool *pool, struct slice text);

/*
 * server_stmt_find - NULL when it is not prepared here for this owner. It becomes the most recently
 * used.
 */
struct server_stmt *server_stmt_find(struct server *s, const struct stmt_text *text,
                                     const struct schema *schema, const struct profile *profile,
                                     uint32_t owner);

/*
 * server_stmt_add - the node prepared it as id (STMT_ID_LAST: its reply is awaited, see
 * server_stmt_prepared).
 *
 * close: gets a COM_STMT_CLOSE for the one that must leave, if any; to be written before the next
 * command. One that has an owner need not: there may be more of these than
 * mysql-max_stmts_per_connection. NULL when there is no memory.
 */
struct server_stmt *server_stmt_add(struct server *s, struct stmt_text *text, struct schema *schema,
                                    struct profile *profile, uint32_t id, uint32_t owner,
                                    struct writer *close) MUST_CHECK;
void server_stmt_remove(struct server *s, struct server_stmt *stmt);

/* server_stmts_drop - the node forgot them all (reset, closed). */
void server_stmts_drop(struct server *s);

/* The reply to a statement prepared again: its first packet; the end of the reply. */
int server_stmt_prepared(struct server *s, const uint8_t *payload, size_t len) MUST_CHECK;
void server_stmt_prepare_done(struct server *s, const struct err *err);

#endif
