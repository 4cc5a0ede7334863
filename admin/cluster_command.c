/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_command.c - SHOW CLUSTER, SWITCH WRITER.
 */
#include <stdio.h>

#include "admin/cluster_view.h"
#include "admin/command.h"
#include "admin/store_sql.h"
#include "base/mem.h"

#define DRAIN_MS_DEFAULT 1000
#define DRAIN_MS_MAX     600000
#define WHY_MAX          512

/* --- SHOW CLUSTER ----------------------------------------------------------------------------- */

/* What a DBA looks at first; the lines fit into 160 columns. */
#define SHOW_COLUMNS                                                                            \
    "hostgroup AS hg, node, role, why, since_s, status, health, local_state AS state, "         \
    "cluster_status || '/' || cluster_size AS cluster, recv_queue AS queue, paused_percent AS " \
    "paused, check_age_ms AS age_ms, check_us, home_percent AS homes, conn_used AS used, "      \
    "conn_free AS free, "                                                                       \
    "in_flight AS busy"

void command_show_cluster(struct run *run, size_t at)
{
    bool is_all = word_is(&run->words, at, "NODES");
    int64_t hostgroup = -1;

    at += is_all ? 1 : 0;
    if (!words_at_end(&run->words, at)) {
        if (!word_number(&run->words, at, &hostgroup) || !words_at_end(&run->words, at + 1)) {
            command_syntax(run, at, "the writer hostgroup of a cluster, or the end of the command");
            return;
        }
    }
    sql_runf(run->store, run->reply,
             "SELECT %s FROM stats.stats_galera_nodes WHERE %lld < 0 OR hostgroup = %lld ORDER BY "
             "hostgroup, srv_host, srv_port",
             is_all ? "*" : SHOW_COLUMNS, (long long)hostgroup, (long long)hostgroup);
}

/* --- SWITCH WRITER ---------------------------------------------------------------------------- */

struct switch_order {
    char *address; /* owned */
    uint16_t port;
    int64_t hostgroup; /* -1 = the cluster the node is in */
    int64_t drain_ms;
};

/* 'host':port, or a host alone: port 3306. False: the reply says what is wrong. */
static bool read_node(struct run *run, size_t *at, struct switch_order *order)
{
    int64_t port = 3306;

    order->address = word_value(&run->words, *at);
    if (order->address == NULL || order->address[0] == '\0') {
        command_syntax(run, *at, "'host':port");
        return false;
    }
    (*at)++;
    if (word_is(&run->words, *at, ":")) {
        if (!word_number(&run->words, *at + 1, &port) || port < 0 || port > UINT16_MAX) {
            command_syntax(run, *at + 1, "a port, 0 to 65535");
            return false;
        }
        *at += 2;
    }
    order->port = (uint16_t)port;
    return true;
}

/* [HOSTGROUP n] [DRAIN ms] */
static bool read_options(struct run *run, size_t at, struct switch_order *order)
{
    while (!words_at_end(&run->words, at)) {
        bool is_hostgroup = word_is(&run->words, at, "HOSTGROUP");
        int64_t max = is_hostgroup ? INT32_MAX : DRAIN_MS_MAX;
        int64_t value;

        if (!is_hostgroup && !word_is(&run->words, at, "DRAIN")) {
            command_syntax(run, at, "HOSTGROUP n, DRAIN milliseconds or the end of the command");
            return false;
        }
        if (!word_number(&run->words, at + 1, &value) || value < 0 || value > max) {
            command_syntax(run, at + 1,
                           is_hostgroup ? "the writer hostgroup of a cluster"
                                        : "milliseconds, 0 to 600000");
            return false;
        }
        *(is_hostgroup ? &order->hostgroup : &order->drain_ms) = value;
        at += 2;
    }
    return true;
}

/* The one cluster that the node is in. False: the reply says why not. */
static bool find_cluster(struct run *run, struct switch_order *order)
{
    struct galeway *g = run->store->galeway;
    struct snapshot *snapshot = galeway_snapshot(g);
    struct cluster_view *c;
    unsigned n_found = 0;

    for (size_t i = 0; (c = cluster_view_new(g, snapshot->conf, i)) != NULL; i++) {
        if (cluster_find(c, order->address, order->port) != NULL) {
            order->hostgroup = c->writer;
            n_found++;
        }
        mem_free(MEM_ADMIN, c);
    }
    snapshot_unref(snapshot);
    if (n_found == 0) {
        reply_error(run->reply, 1105, "HY000",
                    "%s:%u is no server of a cluster (mysql_galera_hostgroups): see SHOW CLUSTER",
                    order->address, order->port);
    } else if (n_found > 1) {
        reply_error(run->reply, 1105, "HY000",
                    "%s:%u is in %u clusters: say which one with HOSTGROUP n", order->address,
                    order->port, n_found);
    }
    return n_found == 1;
}

static void do_switch(struct run *run, const struct switch_order *order)
{
    struct galeway *g = run->store->galeway;
    char why[WHY_MAX];

    if (g->monitor == NULL) {
        reply_error(run->reply, 1105, "HY000", "The monitor does not run");
    } else if (monitor_switch(g->monitor, (int)order->hostgroup, order->address, order->port,
                              (unsigned)order->drain_ms, why, sizeof(why)) != 0) {
        reply_error(run->reply, 1105, "HY000", "%s", why);
    } else {
        reply_info(run->reply, 0,
                   "%s:%u is to write for hostgroup %lld; SHOW CLUSTER and stats_galera_events "
                   "tell when it does",
                   order->address, order->port, (long long)order->hostgroup);
    }
}

/*
 * Answered when the monitor has taken the order: the console serves others while statements on the
 * old writer end.
 */
void command_switch_writer(struct run *run, size_t at)
{
    struct switch_order order = {.hostgroup = -1, .drain_ms = DRAIN_MS_DEFAULT};

    if (read_node(run, &at, &order) && read_options(run, at, &order) &&
        (order.hostgroup >= 0 || find_cluster(run, &order))) {
        do_switch(run, &order);
    }
    mem_free(MEM_ADMIN, order.address);
}
