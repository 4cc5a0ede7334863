/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_view.h - a cluster as the console shows it: its nodes as configured, what the monitor
 * says of them, and the roles they have now. A copy: nothing in it changes.
 */
#ifndef ADMIN_CLUSTER_VIEW_H
#define ADMIN_CLUSTER_VIEW_H

#include "pool/monitor.h"
#include "proxy/galeway.h"

struct cluster_node {
    const struct node *node;          /* as long as the process */
    const struct conf_server *server; /* its first row in the cluster's hostgroups */
    bool is_known;                    /* view is valid */
    struct monitor_view view;
};

struct cluster_view {
    bool is_galera;                      /* else of mysql_replication_hostgroups */
    int writer, backup, reader, offline; /* hostgroups; -1 = it has none */
    bool is_decided;                     /* roles is valid */
    struct monitor_roles roles;
    size_t n;
    struct cluster_node nodes[NODES_MAX];
};

/*
 * cluster_view_new - the i-th cluster of a configuration, mysql_galera_hostgroups first; NULL =
 * there are no more. Borrows from conf. Owner: the caller, mem_free(MEM_ADMIN). Any thread.
 */
struct cluster_view *cluster_view_new(struct galeway *g, const struct conf *conf, size_t i);

/* cluster_has_hostgroup - is it one of its hostgroups? */
bool cluster_has_hostgroup(const struct cluster_view *c, int hostgroup);

/* cluster_find - NULL = it is no server of the cluster. */
const struct cluster_node *cluster_find(const struct cluster_view *c, const char *address,
                                        uint16_t port);

/*
 * cluster_role_word - "writer", "backup", "reader", "offline", "configured" (nothing is decided
 * yet). Static.
 */
const char *cluster_role_word(const struct cluster_view *c, const struct cluster_node *n);
bool cluster_node_reads(const struct cluster_view *c, const struct cluster_node *n);
const char *cluster_why_word(const struct cluster_view *c, const struct cluster_node *n);
const char *cluster_why_text(const struct cluster_view *c, const struct cluster_node *n);

/*
 * cluster_lets_serve - has the node a part in this hostgroup now? True when nobody has decided on
 * its role. Any thread.
 */
bool cluster_lets_serve(struct galeway *g, const struct conf *conf, int hostgroup,
                        const struct node *node);

/* server_status_word - "ONLINE", ... as mysql_servers has it. Static. */
const char *server_status_word(enum conf_server_status status);

#endif
