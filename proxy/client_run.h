/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_run.h - what the files that carry a task share: client_run.c (route, queue), client_send.c
 * (fit, send), client_end.c (the task is over; schemas), client_reply.c (what the server connection
 * tells).
 */
#ifndef PROXY_CLIENT_RUN_H
#define PROXY_CLIENT_RUN_H

#include "proxy/client.h"

/* client_want - what the task's connection must be. */
struct want client_want(const struct client *c);

/* client_site - the hash of (user, schema) that the route knows sites by. */
uint32_t client_site(const struct client *c);

/* client_default_hostgroup - of the user as configured now, or as he was when he logged in. */
int client_default_hostgroup(const struct client *c);

/*
 * client_choose - where the task would go now. False: the hostgroup that a rule names, or the
 * user's, has no servers in this configuration. Who is gone from it may go on until he leaves.
 */
bool client_choose(const struct client *c, struct route *route);

/*
 * client_let_warnings_go - a statement with tables clears the diagnostics (LOCAL_LINK_STATUS is
 * one, on a node): nothing else keeps the session on the connection that has them.
 */
void client_let_warnings_go(struct client *c);

/*
 * client_choose_writer - where a write of the user to a schema (schema_hash() of its name) would
 * go.
 */
bool client_choose_writer(const struct client *c, uint32_t schema_hash, struct route *route);

/* client_fit_and_send - c->server is there: bring it to what is wanted, then send the task. */
void client_fit_and_send(struct client *c);

/* client_after_reply - the client has his answer: what it means for the session, and for others. */
void client_after_reply(struct client *c, struct server *s);

/*
 * client_counts_rows - FOUND_ROWS() behind it cannot be told from its reply.
 * client_asks_found_rows - is SELECT FOUND_ROWS() sent behind the task?
 */
bool client_counts_rows(const struct facts *f);
bool client_asks_found_rows(const struct task *task);

/*
 * client_ask_found_rows - ask for it now that the reply is whole; on_done follows. As
 * server_write().
 */
int client_ask_found_rows(struct server *s);

/*
 * client_wiped - the connection has nothing of the session any more: go on with the command that
 * asked for that.
 */
void client_wiped(struct client *c);

/* client_wait_in_queue - no connection can be had now. */
void client_wait_in_queue(struct client *c);

/* client_end_with_error - an ERR packet, then the task (or the login it belongs to) is over. */
void client_end_with_error(struct client *c, uint16_t number, const char *sqlstate,
                           struct slice text);

/*
 * client_schema_accepted - a node has it, or was seen to have it lately: answer USE, COM_INIT_DB or
 * the login.
 */
void client_schema_accepted(struct client *c, struct schema *schema);

/* client_release_if_free - nothing pins the session: its connection goes back. */
void client_release_if_free(struct client *c);

/*
 * client_ask_last_id - if LAST_INSERT_ID() must be asked for before the connection may go: ask;
 * true = asked.
 */
bool client_ask_last_id(struct client *c);

/*
 * client_fresh_status - STATUS_* of a fresh session of its account, as the node would say them that
 * its writes go to.
 */
uint16_t client_fresh_status(const struct client *c);

#endif
