/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - the audit log: who came, was refused, changed, went, and what was said on the console,
 * as lines of JSON with ProxySQL's names.
 *
 * No password is ever in it: what the console was told comes without its values
 * (admin/console_audit.c). Any thread.
 */
#ifndef PROXY_AUDIT_H
#define PROXY_AUDIT_H

#include <uv.h>

#include "proxy/galeway.h"

#define AUDIT_NAME_MAX 128 /* address and port, or the path of a socket */

struct client;

/* Texts may be empty; those that are are left out, but for the user's and the schema's. */
struct audit_event {
    const char *event; /* "MySQL_Client_Connect_OK" */
    uint64_t thread_id;
    struct slice username, schemaname;
    struct slice client_addr; /* with port */
    struct slice balancer;    /* that told client_addr */
    struct slice proxy_addr;
    bool is_tls;
    uint64_t now_us; /* since 1970 */
    uint64_t age_us; /* of the connection */
    bool has_age;    /* it is over, or was refused: age_us tells how long it was */
    struct slice extra_info;
    struct slice statement;
    unsigned error; /* what the statement was answered; 0 = none */
};

/* audit_is_on - is there a file that it goes to? */
static inline bool audit_is_on(const struct galeway *g)
{
    return UNLIKELY(atomic_load_explicit(&g->audit.is_on, memory_order_relaxed));
}

/* audit_room, audit_format - pure: the line with its end, in audit_room(e) bytes. */
size_t audit_room(const struct audit_event *e);
size_t audit_format(const struct audit_event *e, char *out, size_t cap);

void audit_write(struct galeway *g, const struct audit_event *e);

/*
 * audit_socket_name - an end of a connection: "10.0.0.1:6033"; of a unix socket, its path for our
 * end and "localhost" for the other. Terminated.
 */
void audit_socket_name(const uv_stream_t *stream, bool is_peer, char *out, size_t cap);

/* What happened to a client; its worker's thread. */
enum audit_what {
    AUDIT_CONNECT_OK,
    AUDIT_CONNECT_ERR,
    AUDIT_CHANGE_USER_OK,
    AUDIT_CHANGE_USER_ERR,
    AUDIT_INIT_DB,
    AUDIT_QUIT,
    AUDIT_CLOSE
};

/* audit_client - extra_info: static or the caller's, may be empty. */
void audit_client(const struct client *c, enum audit_what what, struct slice extra_info);

#endif
