/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.h - watches the nodes: checks over one long-lived connection each, judges (roles.h),
 * publishes (cluster.h, node.h), and tells what changed (monitor_log.h).
 *
 *   poke, or the interval --> check --> report --> health of the node --> roles of its clusters --> publish, tell
 *
 * A thread of its own with its own loop: a long statement on the console must not delay a check. A
 * check that ended late because this thread ran late does not count against the node.
 *
 * A new writer is published when it has applied all that the cluster had committed: a read with
 * wsrep_sync_wait on the monitor's connection (never reset: MariaDB 10.11 ignores it on others)
 * comes first. Until then statements for a writer wait; so nobody who wrote before a failover reads
 * an older row after it.
 */
#ifndef POOL_MONITOR_H
#define POOL_MONITOR_H

#include "conf/conf.h"
#include "pool/cluster.h"
#include "pool/monitor_log.h"
#include "pool/node.h"
#include "pool/report.h"
#include "pool/roles.h"

struct monitor;

/*
 * monitor_start - check every node once (at most first_ms in all, so that the first client finds
 * roles), then begin to watch in a thread of its own.
 *
 * conf: the monitor takes a reference. on_change(arg): the health of a node or a role changed and
 * is published: any worker has to look at its connections and at who waits. Called from the
 * monitor's thread. Returns 0, or an error that is logged.
 */
int monitor_start(struct monitor **out, struct nodes *nodes, struct conf *conf, unsigned first_ms,
                  void (*on_change)(void *arg), void *arg) MUST_CHECK;

/* monitor_stop - waits for the thread, frees. NULL is fine. */
void monitor_stop(struct monitor *m);

/*
 * monitor_configure - another configuration is in use: nodes, roles, intervals and accounts follow.
 * Any thread.
 */
void monitor_configure(struct monitor *m, struct conf *conf);

/* monitor_poke - traffic saw trouble: check this node now. Cheap, any thread (nodes->poke). */
void monitor_poke(struct monitor *m, const struct node *node);

/*
 * monitor_switch - make the node the writer of a cluster (SWITCH WRITER TO): new statements for the
 * writer wait until those that run on the old one have ended or drain_ms have passed and the new
 * one has applied everything.
 *
 * error: gets why not (unknown node, not fit, no such cluster), at most cap bytes. Returns 0, or
 * ERR_CONFIG. Any thread; does not wait for the switch to be done.
 */
int monitor_switch(struct monitor *m, int writer_hostgroup, const char *address, uint16_t port,
                   unsigned drain_ms, char *error, size_t cap) MUST_CHECK;

/* What is known of a node now: a copy. */
struct monitor_view {
    struct node_report report;
    unsigned health;          /* enum node_health */
    uint64_t health_since_ms; /* clock_now_ms() */
};

/* monitor_view - false = the node was never seen. Any thread. */
bool monitor_view(struct monitor *m, unsigned node_index, struct monitor_view *out);

/*
 * monitor_roles - the roles of a cluster as decided last, and since when each node has its own. Any
 * thread.
 */
struct monitor_roles {
    struct roles roles;
    uint64_t since_ms[NODES_MAX]; /* clock_now_ms(), by node index */
    uint64_t members;             /* mask */
    bool is_holding;              /* a new writer catches up */
};
bool monitor_roles(struct monitor *m, int writer_hostgroup, struct monitor_roles *out);

struct monitor_log *monitor_log_of(struct monitor *m);

#endif
