/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node_tls.h - how connections to each node are secured: mysql_servers.use_ssl, with the row of
 * mysql_servers_ssl_params for the node or else mysql-ssl_p2s_*. A user may have a row of his own:
 * connections that were made with it serve nobody else.
 *
 * Read and replaced by the control thread; who connects takes a reference.
 */
#ifndef POOL_NODE_TLS_H
#define POOL_NODE_TLS_H

#include <stdatomic.h>

#include "pool/node.h"
#include "protocol/tls.h"

/* Immutable. */
struct node_tls {
    atomic_uint refs;
    struct tls_settings settings; /* its texts are owned */
    struct tls_context *context;  /* a reference; for our own connections */
    struct node_tls_own *own;     /* owned: users with a row of their own */
    size_t n_own;
};

struct node_tls_own {
    char *user;           /* owned */
    struct node_tls *tls; /* a reference */
};

/* What was read, before it is used: for each node by index; NULL = plain. */
struct node_tls_set {
    struct node_tls *of[NODES_MAX];
};

/*
 * node_tls_read - for all nodes of the configuration, which are in nodes already. What is as in use
 * is not read again, unless `again` says so.
 * Returns 0, or ERR_CONFIG and errors in faults (*out is empty then).
 */
int node_tls_read(struct nodes *nodes, const struct conf *conf, bool again,
                  struct node_tls_set *out, struct faults *faults) MUST_CHECK;

/*
 * node_tls_use - from the next connection on; those that were made with other settings are closed
 * when they are free (tls_changes of the node is raised). node_tls_drop - do not.
 */
void node_tls_use(struct nodes *nodes, const struct conf *conf, struct node_tls_set *set);
void node_tls_drop(struct node_tls_set *set);

/* node_tls_judge - only say what is wrong with the files. */
void node_tls_judge(const struct conf *conf, struct faults *faults);

/*
 * node_tls_get - for connections of this user ("" = nobody's): a reference, or NULL: plain. Any
 * thread. node_tls_unref - NULL is fine.
 */
struct node_tls *node_tls_get(const struct node *node, const char *user) MUST_CHECK;
void node_tls_unref(struct node_tls *tls);

/*
 * node_tls_is_own - has the user a row of his own for this node? Any thread; cheap when nobody has.
 */
bool node_tls_is_own(const struct node *node, const char *user);

/* node_tls_slot_new, node_tls_slot_free - by node.c. */
struct node_tls_slot *node_tls_slot_new(void);
void node_tls_slot_free(struct node_tls_slot *slot);

#endif
