/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster.h - the roles of a cluster's nodes as all threads see them: decided by the monitor
 * (roles.h), read by workers for each statement.
 *
 * One for each writer hostgroup with roles; lives as long as the process. Until the first decision
 * (and without a monitor) roles are as configured.
 */
#ifndef POOL_CLUSTER_H
#define POOL_CLUSTER_H

#include <stdatomic.h>

#include "base/base.h"
#include "pool/node.h"

struct homes;
struct roles;

struct cluster {
    int writer_hostgroup;
    _Atomic(struct homes *) homes; /* owned; NULL = it never had any; homes_of() */
    struct {
        _Alignas(CACHE_LINE) atomic_bool is_decided;
        atomic_ullong writers; /* mask of node indexes; 0 = statements for a writer wait */
        atomic_ullong backups;
        atomic_ullong readers;
        atomic_ullong offline;
        atomic_uint version; /* raised with each change */
    } shared;
};

/*
 * cluster_get - the one of this writer hostgroup, made when it is new; NULL = more than
 * CLUSTERS_MAX. Any thread.
 */
struct cluster *cluster_get(struct nodes *nodes, int writer_hostgroup);

/*
 * cluster_publish - these are the roles from now on. hold: nobody writes for now (a switch is under
 * way). Monitor.
 */
void cluster_publish(struct cluster *cluster, const struct roles *roles, bool hold);

/* cluster_unpublish - as configured again (mysql-monitor_enabled was set to false). Monitor. */
void cluster_unpublish(struct cluster *cluster);

#endif
