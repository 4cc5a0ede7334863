/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node.h - database servers and hostgroups: who they are, whether they take traffic, how many connections
 * they have from here.
 *
 * A node lives as long as the process and is shared by all workers: its counters are atomic. Which nodes
 * stand in which hostgroup is a topology, immutable, made with each configuration.
 */
#ifndef POOL_NODE_H
#define POOL_NODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/base.h"
#include "conf/conf.h"

#define NODES_MAX        64 /* a set of nodes is a 64-bit mask */
#define NODE_VERSION_MAX 96

struct node {
    /* identity */
    char *address;                    /* owned */
    uint16_t port;                    /* 0 = address is the path of a unix socket */
    unsigned index;                   /* in struct nodes: bit in masks */
    char *text;                       /* owned: "10.0.0.1:3306" */
    struct sockaddr_storage sockaddr; /* resolved when the configuration was loaded */
    bool is_resolved;
    /* what all workers see and change */
    struct {
        _Alignas(CACHE_LINE) atomic_uint n_connections; /* open or opening, of all workers */
        atomic_uint max_connections;                    /* of the newest configuration */
        atomic_uint n_connecting;
        atomic_uint n_failures;      /* in a row */
        atomic_ullong down_until_ms; /* 0 = takes traffic */
    } shared;
};

struct nodes {
    pthread_mutex_t lock; /* only for adding */
    struct node *items[NODES_MAX];
    atomic_uint count;
};

struct member {
    struct node *node; /* borrowed */
    uint32_t weight;
    uint8_t status; /* enum conf_server_status */
    uint32_t max_connections;
    size_t order; /* in the file: among equal weights the same on every Galeway */
};

struct hostgroup {
    int number;
    size_t n;
    struct member *members; /* owned; highest weight first, then as in the file */
};

/* What a statement of a user may choose from. */
struct role_set {
    int writer_hostgroup;
    int reader_hostgroup; /* the same as writer_hostgroup when there is no split */
    uint32_t max_writers;
    uint8_t writer_is_also_reader;
    const struct hostgroup *writers; /* borrowed from the topology; NULL = no such hostgroup */
    const struct hostgroup *readers; /* NULL = none configured */
};

struct topology {
    size_t n_hostgroups;
    struct hostgroup *hostgroups; /* owned */
    size_t n_roles;
    struct role_set *roles; /* owned: one for each hostgroup that users may have as default */
};

void nodes_init(struct nodes *nodes);
void nodes_fini(struct nodes *nodes);

/*
 * topology_new - from a configuration; adds nodes that are new and resolves names (may block).
 * Returns NULL and faults when there are more than NODES_MAX nodes.
 */
struct topology *topology_new(struct nodes *nodes, const struct conf *conf,
                              struct faults *faults) MUST_CHECK;
void topology_free(struct topology *topology);

/*
 * topology_use - it is the one in use from now on: the limit of a node becomes the highest max_connections of its rows
 * that are not OFFLINE_HARD. Control thread.
 */
void topology_use(const struct topology *topology);

/* topology_roles - for users whose default hostgroup is number; NULL = no such hostgroup. */
const struct role_set *topology_roles(const struct topology *topology, int number);

/*
 * topology_named - who serves what a rule sends to hostgroup number: as topology_roles, but a reader hostgroup is found
 * as well; *reads tells that the readers of the set are meant. NULL = no such hostgroup.
 */
const struct role_set *topology_named(const struct topology *topology, int number, bool *reads);

/* node_is_up - takes traffic now. node_failed: leave it out for a while (longer when it fails again).
 * node_answered: it works. Any thread. */
bool node_is_up(const struct node *node, uint64_t now_ms);
void node_failed(struct node *node, uint64_t now_ms, uint64_t recovery_ms);
void node_answered(struct node *node);

/* node_reserve - count one more connection if the limit allows; node_unreserve gives it back. Any thread. */
bool node_reserve(struct node *node) MUST_CHECK;
void node_unreserve(struct node *node);

#endif
