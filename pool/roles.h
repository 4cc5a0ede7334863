/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roles.h - who writes, who reads, who rests: a pure function of what the nodes say, so that
 * several Galeways agree without talking.
 *
 * A node is fit when it is up, Primary, ready, in the newest view of the cluster, Synced (or a
 * donor that takes queries), not desynced, not rejecting queries, not behind. Of the fit nodes that
 * are not read_only, max_writers write, in this order: those that are not lame; those that are
 * wanted; Synced ones, then donors, then nodes that no check has reached; those that wrote before;
 * the highest weight; the lowest wsrep_local_index; the first in the configuration. With failback
 * the weight comes before who wrote: equal weights never move a writer. Donors and unchecked nodes
 * write only when no better one can. Lame are those that could not be brought up to date when they
 * were to write.
 *
 * Views. Nodes of one wsrep_cluster_state_uuid belong together; the largest group counts, then the
 * larger wsrep_cluster_size, then the one that wrote before. In it the highest
 * wsrep_cluster_conf_id is the newest view. A node of a lower one is out when it was asked after
 * the newer view had been seen: a report from before the change accuses nobody (report->view_ms),
 * nor does one from the same moment, as nodes do not enter a view all at once. But when all members
 * of the newer view are known and say so, others have left, asked or not. No sizes are compared
 * against what was before: a component without quorum says non-Primary itself, and one that has not
 * noticed the cut has the older conf_id, and a wsrep_cluster_size that counts nodes which are
 * elsewhere. When an older view is whole, the cluster is split (somebody has bootstrapped
 * a part of it): then the larger part counts, of equal ones the part that wrote before, and nodes
 * of the other part are out: what is written in two parts is lost in one of them.
 *
 * Being behind puts out, but never the last one: when all are behind, the least behind stays (of a
 * previous writer half is counted, so that the writer does not jump from node to node with each
 * check).
 *
 * A suspect node keeps writing when it wrote (it is replaced when it is down), is not elected anew,
 * and reads only when nobody else serves. A slow one, or a donor, reads only when no better reader
 * is left.
 *
 * Thread: any.
 */
#ifndef POOL_ROLES_H
#define POOL_ROLES_H

#include "conf/conf.h"
#include "pool/node.h"
#include "pool/report.h"

/* Why a node has the role it has: code, word for logs and tables (SHOW CLUSTER), longer text. */
#define ROLE_WHYS(X)                                                                              \
    X(WHY_UNCHECKED, "unchecked", "no check has been answered yet: used as configured")           \
    X(WHY_FIT, "fit", "Synced in the primary component")                                          \
    X(WHY_WRITER, "writer", "chosen to write")                                                    \
    X(WHY_DENIED, "unchecked-denied", "the monitor may not log in: used as configured")           \
    X(WHY_NOT_RESOLVED, "not-resolved", "its address cannot be resolved")                         \
    X(WHY_ADMIN_SOFT, "offline-soft", "OFFLINE_SOFT in mysql_servers: transactions may end")      \
    X(WHY_ADMIN_HARD, "offline-hard", "OFFLINE_HARD in mysql_servers")                            \
    X(WHY_ADMIN_SHUNNED, "shunned", "SHUNNED in mysql_servers")                                   \
    X(WHY_REFUSED, "refused", "it refuses connections, or they break")                            \
    X(WHY_TLS, "tls-failed", "no TLS handshake with it: its check says why")                      \
    X(WHY_SILENT, "silent", "it does not answer")                                                 \
    X(WHY_NOT_READY, "not-ready", "wsrep_ready is OFF")                                           \
    X(WHY_NOT_PRIMARY, "non-primary", "wsrep_cluster_status is not Primary")                      \
    X(WHY_OLD_VIEW, "old-view", "other nodes are in a newer view of the cluster")                 \
    X(WHY_LEFT, "left", "the newer view of the cluster is without it")                            \
    X(WHY_OTHER_CLUSTER, "other-cluster", "its wsrep_cluster_state_uuid is not that of the most") \
    X(WHY_SPLIT, "split", "its component of the cluster is Primary, but another one counts")      \
    X(WHY_JOINING, "joining", "wsrep_local_state is not Synced")                                  \
    X(WHY_DONOR, "donor", "donor of a state transfer: serves when no Synced node can")            \
    X(WHY_DONOR_REJECTS, "donor-rejects", "donor of a state transfer, and it rejects queries")    \
    X(WHY_DESYNC, "desync", "wsrep_desync is ON")                                                 \
    X(WHY_REJECTS, "rejects", "wsrep_reject_queries is not NONE")                                 \
    X(WHY_BEHIND, "behind", "wsrep_local_recv_queue is above max_transactions_behind")            \
    X(WHY_READ_ONLY, "read-only", "read_only is ON: it reads, it does not write")                 \
    X(WHY_SLOW, "slow", "its latency is above max_latency_ms")                                    \
    X(WHY_NO_WSREP, "no-wsrep", "wsrep is off on this node")

enum role_why {
#define X(code, word, text) code,
    ROLE_WHYS(X)
#undef X
        ROLE_WHY_COUNT
};

struct roles_node {
    unsigned index; /* of the node */
    uint32_t weight;
    uint8_t status; /* enum conf_server_status, of mysql_servers */
    uint8_t health; /* enum node_health */
    bool is_resolved;
    uint32_t max_latency_ms;          /* 0 = any */
    const struct node_report *report; /* NULL = none */
};

struct roles_input {
    const struct conf_galera *row;
    const struct roles_node *nodes; /* each node once */
    size_t n;
    uint64_t previous; /* mask: who wrote last; stays while nobody may write */
    uint64_t wanted;   /* mask: SWITCH WRITER TO; 0 = nobody in particular */
    uint64_t lame;     /* mask: did not apply all in time when they were to write */
    bool failback;     /* mysql-monitor_galera_writer_failback */
};

/*
 * Masks of node indexes. Each node is in at least one; writers and backups have none in common,
 * offline has none in common with any other.
 */
struct roles {
    uint64_t writers;
    uint64_t backups; /* could write, are not needed: in the backup writer hostgroup */
    uint64_t
        readers; /* writer_is_also_reader 1: all that are fit; 0, 2: those that do not write. 0 = the writer reads */
    uint64_t offline; /* no new statements */
    uint8_t why
        [NODES_MAX]; /* enum role_why, by node index; a writer for want of a better one keeps what speaks
                               against it */
};

/* roles_decide - never fails; writers is 0 when nobody may write. */
void roles_decide(struct roles *out, const struct roles_input *in);

/*
 * roles_decide_replication - the same for mysql_replication_hostgroups: who is not read_only writes
 * (all of them), the others read. check_type as in its row (read_only, super_read_only,
 * innodb_read_only are one on MariaDB). Without any checked writer one unchecked node writes: the
 * heaviest.
 */
void roles_decide_replication(struct roles *out, const struct conf_replication *row,
                              const struct roles_node *nodes, size_t n);

const char *role_why_word(enum role_why why); /* static */
const char *role_why_text(enum role_why why); /* static */

#endif
