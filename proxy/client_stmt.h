/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_stmt.h - a client's prepared statements; see client_stmt.c.
 */
#ifndef PROXY_CLIENT_STMT_H
#define PROXY_CLIENT_STMT_H

#include "proxy/client.h"

/* What a client's statement id stands for. */
struct client_stmt {
    uint32_t id; /* as the client knows it */
    uint16_t n_params, n_columns;
    uint32_t sql_mode; /* FACTS_* bits: how its text was read when it was prepared */
    bool has_cursor;   /* open on the connection the session is pinned to */
    bool has_long_data;
    struct account *account;   /* borrowed: counts for it */
    struct stmt_text *text;    /* a reference */
    struct schema *schema;     /* borrowed: when it was prepared */
    struct profile *profile;   /* a reference: when it was prepared */
    struct rules_result *said; /* what the rules say of it; owned, or NULL */
    uint64_t said_by;          /* version of the configuration that said it */
    uint8_t *types;            /* owned: parameter types of the last execution that sent them */
    size_t types_len;
};

/*
 * client_stmt_schema - which schema the names of a task without one are of: the session's, or the
 * one that was current when the statement was prepared.
 */
struct slice client_stmt_schema(const struct session *s, const struct task *task);

/* client_stmt_command - COM_STMT_*: c->task is set. */
void client_stmt_command(struct client *c, struct task *task);

/* client_stmt_go_on - it was delayed: on with it. */
void client_stmt_go_on(struct client *c);

/*
 * client_stmt_prepared - the node prepared it: make the client's statement, write its id into the
 * reply.
 */
void client_stmt_prepared(struct client *c, uint8_t *payload, size_t len);

/* client_stmt_is_ready - is the task's statement (if any) prepared on s? */
bool client_stmt_is_ready(const struct client *c, struct server *s);

/*
 * client_stmt_prepare_again - send what was to be sent before (prefix) and COM_STMT_PREPARE; its
 * reply is waited for.
 */
int client_stmt_prepare_again(struct client *c, struct server *s, struct writer *prefix) MUST_CHECK;

/*
 * client_stmt_bytes - the task's bytes with the id (and types) that s needs. prefix: gets what must
 * be sent before.
 */
int client_stmt_bytes(struct client *c, struct server *s, struct writer *prefix,
                      uv_buf_t *body) MUST_CHECK;

/*
 * client_stmt_key - what makes two executions of the task's statement differ: text and parameters.
 * Types that came with it are kept, as when it is sent: clients send them once. False = it cannot
 * be told.
 */
bool client_stmt_key(struct client *c, struct writer *w);

/* client_stmt_unsent - the task ends: a cursor of an execution that no node got is none. */
void client_stmt_unsent(struct client *c);

/* client_stmt_after - the reply to a COM_STMT_* command is complete. */
void client_stmt_after(struct client *c, const struct follow *f);

/* client_stmts_drop - all of them: the session is over. */
void client_stmts_drop(struct client *c);

#endif
