/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node.h - database servers and hostgroups: who they are, whether they take traffic, how many
 * connections they have from here.
 *
 * A node lives as long as the process and is shared by all workers: its counters are atomic. Which
 * nodes stand in which hostgroup is a topology, immutable, made with each configuration.
 */
#ifndef POOL_NODE_H
#define POOL_NODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/base.h"
#include "conf/conf.h"
#include "pool/throttle.h"

#define NODES_MAX        64 /* a set of nodes is a 64-bit mask */
#define NODE_VERSION_MAX 96
#define NODE_MODE_KNOWN  BIT(16)
#define NODES_WROTE_US   10000
#define CLUSTERS_MAX \
    256 /* rows of mysql_galera_hostgroups and mysql_replication_hostgroups since start */

/* What checks and traffic say of a node, whatever its role. */
enum node_health {
    HEALTH_UNCHECKED, /* nobody has looked, or the monitor may not log in: takes traffic as configured */
    HEALTH_UP,
    HEALTH_SUSPECT, /* silent for a moment: serves only when nobody else can; reads that it has not answered move */
    HEALTH_DOWN /* refused, reset, or silent for too long: nothing is sent to it */
};

/* What becomes of the connections to a node that is to take no new statements. */
enum node_drain {
    DRAIN_NONE,
    DRAIN_SOFT, /* free ones are closed; transactions, and what else keeps a session there, may end */
    DRAIN_HARD /* all are closed now */
};

struct node {
    /* identity */
    char *address;                    /* owned */
    uint16_t port;                    /* 0 = address is the path of a unix socket */
    unsigned index;                   /* in struct nodes: bit in masks */
    char *text;                       /* owned: "10.0.0.1:3306" */
    struct sockaddr_storage sockaddr; /* resolved when the configuration was loaded */
    bool is_resolved;
    struct node_tls_slot *tls; /* owned: how connections to it are secured; node_tls.h */
    /* what all workers see and change */
    struct {
        _Alignas(CACHE_LINE) atomic_uint n_connections; /* open or opening, of all workers */
        atomic_uint max_connections;                    /* of the newest configuration */
        atomic_uint n_connecting;
        atomic_uint n_failures;      /* in a row */
        atomic_ullong down_until_ms; /* 0 = takes traffic */
        atomic_uint health;          /* enum node_health: by the monitor */
        atomic_uint admin_drain;     /* enum node_drain: as mysql_servers has it; topology_use */
        atomic_uint role_drain;      /* the same, as its roles have it: by the monitor */
        atomic_ullong
            view; /* wsrep_cluster_conf_id while it is Primary, + 1; 0 = none, or not known */
        atomic_ullong
            checked_us; /* clock_now_us() when the last check that it answered began; 0 = none */
        atomic_ullong
            applied_us;        /* all that was acknowledged before, by any node of its cluster, is
                                        visible on it (applied.h); 0 = not known. By the monitor */
        atomic_ullong left_ms; /* when the others were seen to be without it; 0 = they are not */
        atomic_bool
            is_numbered;    /* a node of a cluster, watched: what it has applied is found out */
        atomic_ullong caps; /* CAP_* of its last greeting; 0 = none was seen */
        atomic_uint mode;   /* node_says_mode(): status bits, and NODE_MODE_KNOWN */
        atomic_uint tls_failures; /* raised with each handshake that failed */
        atomic_bool has_own_tls;  /* some users have TLS settings of their own there */
        atomic_uint tls_changes;  /* raised when connections are to be secured otherwise */
        atomic_bool compression;  /* mysql_servers has compression=1 for it; topology_use */
        atomic_bool told_plain;   /* the log has it that the node does not offer it */
        atomic_uint latency_us;   /* of the monitor's checks, smoothed; 0 = not known */
        atomic_uint
            load_factor; /* 1024 = its share by weight; more = busier than it looks (recv_queue, flow
                                        control, slow start) */
    } shared;
};

struct nodes {
    pthread_mutex_t lock; /* only for adding */
    struct throttle throttle;
    struct node *items[NODES_MAX];
    atomic_uint count;
    struct cluster *clusters[CLUSTERS_MAX]; /* owned, as long as the process; cluster.h */
    atomic_uint n_clusters;
    atomic_uint
        n_changes; /* raised when the health or a role of a node changed: workers have to look */
    atomic_ullong written_us; /* when a worker saw a write last, at most NODES_WROTE_US earlier */
    atomic_ullong applied_by_all_us; /* the least applied_us of numbered nodes; 0 = not known */
    atomic_bool wants_applied; /* a statement waits, maybe for a node that has applied enough */
    /*
     * Nodes whose transactions and statements are waited for before another writes (a mask):
     * workers count them.
     */
    atomic_ullong draining;
    /*
     * How many of them are under way at a node that is drained; UINT_MAX = not all workers have
     * counted since n_changes was raised. NULL = none. Called by the monitor; set before it starts.
     */
    unsigned (*n_writing)(void *arg, const struct node *node);
    void *n_writing_arg;
    /*
     * The same of connections that are kept for a bucket that moves (homes.h), at whatever node.
     */
    unsigned (*n_held)(void *arg);
    /* The monitor, when there is one: check this node now. Any thread; set before workers start. */
    void (*poke)(void *arg, const struct node *node);
    void *poke_arg;
};

struct member {
    struct node *node; /* borrowed */
    uint32_t weight;
    uint32_t max_connections;
    uint32_t max_latency_ms; /* of the row, or mysql-default_max_latency_ms; 0 = any */
    uint8_t status;          /* enum conf_server_status */
    bool compression;        /* connections to it ask for it */
    size_t order;            /* in the file: among equal weights the same on every Galeway */
};

struct hostgroup {
    int number;
    size_t n;
    struct member *members; /* owned; highest weight first, then as in the file */
};

/* What a hostgroup is to its cluster. */
enum role_part {
    PART_WHOLE,   /* its writer hostgroup: the whole cluster, split by role. Or it has no cluster */
    PART_READERS, /* its reader hostgroup: users of the readers alone */
    PART_BACKUPS  /* its backup writer hostgroup */
};

/* What a statement of a user may choose from. */
struct role_set {
    int writer_hostgroup;
    int reader_hostgroup; /* the same as writer_hostgroup when there is no split */
    uint32_t max_writers;
    uint8_t writer_is_also_reader;
    uint8_t part;                  /* enum role_part */
    const struct cluster *cluster; /* borrowed: who has which role now; NULL = as configured */
    /* Borrowed from the topology. As configured: used until roles are decided. */
    const struct hostgroup *writers; /* NULL = no such hostgroup */
    const struct hostgroup *readers; /* NULL = none configured */
    /*
     * All nodes of the cluster, for when they are; a node counts as in the first hostgroup that has
     * it.
     */
    const struct hostgroup
        *to_write; /* writer, backup, reader, offline hostgroup; NULL = no cluster */
    const struct hostgroup
        *to_read; /* reader, backup, writer, offline hostgroup: the weight to read with */
};

struct topology {
    size_t n_hostgroups;
    struct hostgroup *hostgroups; /* owned */
    size_t n_unions;
    struct hostgroup *unions; /* owned: to_write and to_read of each cluster */
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
 * topology_use - it is the one in use from now on: the limit of a node becomes the highest
 * max_connections of its rows that are not OFFLINE_HARD, and what becomes of its connections
 * follows their status. Control thread.
 */
void topology_use(struct nodes *nodes, const struct topology *topology);

/* topology_roles - for users whose default hostgroup is number; NULL = no such hostgroup. */
const struct role_set *topology_roles(const struct topology *topology, int number);

/*
 * topology_named - who serves what a rule sends to hostgroup number: as topology_roles, but a
 * reader hostgroup is found as well; *reads tells that the readers of the set are meant. NULL = no
 * such hostgroup.
 */
const struct role_set *topology_named(const struct topology *topology, int number, bool *reads);

/*
 * node_is_up - takes traffic now. node_failed: leave it out for a while (longer when it fails
 * again). node_answered: it works. Any thread.
 */
bool node_is_up(const struct node *node, uint64_t now_ms);
void node_failed(struct node *node, uint64_t now_ms, uint64_t recovery_ms);
void node_answered(struct node *node);

/*
 * node_drain_now - what is to become of its connections: the harder of what the admin and the roles
 * say. Any thread.
 */
enum node_drain node_drain_now(const struct node *node);

/*
 * node_offers - a greeting of the node was seen; caps 0 changes nothing. Any thread.
 *
 * nodes_caps - of CAPS_OF_NODES (protocol/caps.h) what all nodes that may take statements offer, as
 * far as they were seen; none when none was. Any thread.
 */
void node_offers(struct node *node, uint64_t caps);
uint64_t nodes_caps(const struct nodes *nodes);

/*
 * node_says_mode - a greeting of the node, or the end of a login, had these status bits. Any
 * thread.
 *
 * nodes_mode - STATUS_NO_BACKSLASH_ESCAPES and STATUS_ANSI_QUOTES as a fresh session has them there
 * (the node's global sql_mode: clients escape by them before their first statement); of another
 * node when it was not seen yet, 0 when none was. node NULL = any. Any thread.
 */
void node_says_mode(struct node *node, uint16_t status);
uint16_t nodes_mode(const struct nodes *nodes, const struct node *node);

/* nodes_poke - traffic saw trouble with a node: the monitor is to look at it now. Any thread. */
void nodes_poke(const struct nodes *nodes, const struct node *node);

/*
 * nodes_wrote - a statement that may write was sent or answered at now_us: the monitor finds out
 * soon who has applied it. Cheap, any thread.
 */
static inline void nodes_wrote(struct nodes *nodes, uint64_t now_us)
{
    uint64_t before = atomic_load_explicit(&nodes->written_us, memory_order_relaxed);

    if (now_us > before + NODES_WROTE_US) {
        atomic_store_explicit(&nodes->written_us, now_us, memory_order_relaxed);
    }
}

/*
 * nodes_want_applied - a statement found no node: workers are to be told when one has applied more.
 * True = none was waited for before, and one may have done so just now: look once more. Any thread.
 */
static inline bool nodes_want_applied(struct nodes *nodes)
{
    return !atomic_exchange(&nodes->wants_applied, true);
}

/*
 * node_reserve - count one more connection if the limit allows; node_unreserve gives it back. Any
 * thread.
 */
bool node_reserve(struct node *node) MUST_CHECK;
void node_unreserve(struct node *node);

#endif
