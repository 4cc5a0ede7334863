/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_table.c - stats_galera_nodes: a row for each node of each cluster. SHOW CLUSTER reads it.
 */
#include <stdio.h>

#include "admin/cluster_view.h"
#include "admin/stats_table.h"
#include "base/clock.h"
#include "base/mem.h"
#include "pool/homes.h"
#include "pool/monitor_judge.h"

#define PAUSED_OVER_US UINT64_C(10000000) /* flow control is told of the checks since then */

/* Connections of all workers to one node. */
struct counted {
    uint64_t used, free, busy;
};

static struct counted count(const struct stats_fill *f, const struct node *node)
{
    struct counted sum = {0};

    ROWS(f, copy, traffic, struct figures_traffic, row)
    {
        if (row->traffic.node == node) {
            sum.used += row->traffic.used;
            sum.free += row->n_free;
            sum.busy += row->n_busy;
        }
    }
    return sum;
}

/* --- flow control ----------------------------------------------------------------------------- */

/* What two checks of a node say of the time between them. */
struct pause_seek {
    const struct node *node;
    uint64_t since_us;
    uint64_t first_us, first_ns; /* first_us 0 = none yet */
    uint64_t last_us, last_ns;
};

static void seek_pause(void *arg, const struct monitor_check *check)
{
    struct pause_seek *seek = arg;

    if (check->report.kind != REPORT_OK || check->time_us < seek->since_us ||
        check->port != seek->node->port || strcmp(check->address, seek->node->address) != 0) {
        return;
    }
    if (seek->first_us == 0 || check->report.flow_paused_ns < seek->first_ns) { /* restarted */
        seek->first_us = check->time_us;
        seek->first_ns = check->report.flow_paused_ns;
    }
    seek->last_us = check->time_us;
    seek->last_ns = check->report.flow_paused_ns;
}

/* How much of the last seconds the node's replication was paused, in percent. */
static uint64_t paused_percent(const struct galeway *g, const struct node *node)
{
    struct pause_seek seek = {.node = node, .since_us = clock_unix_us() - PAUSED_OVER_US};

    if (g->monitor != NULL) {
        monitor_log_checks(monitor_log_of(g->monitor), CHECK_GALERA, seek_pause, &seek);
    }
    if (seek.last_us <= seek.first_us) {
        return 0;
    }
    return MIN((seek.last_ns - seek.first_ns) / 10 / (seek.last_us - seek.first_us), UINT64_C(100));
}

/* --- words ------------------------------------------------------------------------------------ */

static const char *state_word(const struct node_report *r)
{
    static const char *const words[] = {[WSREP_JOINING] = "Joining",
                                        [WSREP_DONOR] = "Donor",
                                        [WSREP_JOINED] = "Joined",
                                        [WSREP_SYNCED] = "Synced"};

    return !r->is_galera                                 ? ""
           : r->local_state < 1 || r->local_state > 4    ? "none"
           : r->local_state == WSREP_SYNCED && r->desync ? "Desync"
                                                         : words[r->local_state];
}

/* "10.11.6" of "10.11.6-MariaDB-0+deb12u1-log" */
static struct slice short_version(const char *version)
{
    return (struct slice){version, strcspn(version, "-")};
}

static void fill_since(struct stats_fill *f, uint64_t since_ms)
{
    fill_number(f, since_ms == 0 ? 0 : (clock_now_ms() - since_ms) / 1000);
}

/* How many of a hundred sites are at home there. */
static uint64_t home_percent(struct galeway *g, int writer_hostgroup, const struct node *node)
{
    const struct homes *homes = homes_of(cluster_get(&g->nodes, writer_hostgroup));
    unsigned n = 0;

    for (unsigned b = 0; homes != NULL && b < HOMES_BUCKETS; b++) {
        n += homes_at(homes, b) == node->index ? 1 : 0;
    }
    return (n * 100 + HOMES_BUCKETS / 2) / HOMES_BUCKETS;
}

/* --- rows ------------------------------------------------------------------------------------- */

static void fill_figures(struct stats_fill *f, const struct node_report *r)
{
    fill_text(f, state_word(r));
    fill_text(f, !r->is_galera ? "" : r->primary ? "Primary" : "non-Primary");
    fill_number(f, r->cluster_size);
    fill_signed(f, r->conf_id == UINT64_MAX || !r->is_galera ? -1 : (int64_t)r->conf_id);
    fill_text(f, r->state_uuid);
    fill_number(f, r->local_index);
    fill_number(f, r->recv_queue);
    fill_number(f, r->last_committed);
    fill_number(f, r->ready);
    fill_number(f, r->connected);
    fill_number(f, r->desync);
    fill_number(f, r->rejects);
    fill_number(f, r->donor_rejects);
    fill_number(f, r->read_only);
    fill_number(f, r->max_connections);
    fill_slice(f, short_version(r->version));
}

static void add_node(struct stats_fill *f, const struct cluster_view *c,
                     const struct cluster_node *n)
{
    static const struct node_report none = {.conf_id = UINT64_MAX};
    const struct node_report *r = n->is_known ? &n->view.report : &none;
    unsigned health = atomic_load(&n->node->shared.health);
    const struct counted counted = count(f, n->node);

    fill_signed(f, c->writer);
    fill_node(f, n->node);
    fill_text(f, n->node->text);
    fill_text(f, cluster_role_word(c, n));
    fill_number(f, cluster_node_reads(c, n));
    fill_text(f, cluster_why_word(c, n));
    fill_text(f, cluster_why_text(c, n));
    fill_since(f, c->is_decided ? c->roles.since_ms[n->node->index] : 0);
    fill_text(f, server_status_word((enum conf_server_status)n->server->status));
    fill_text(f, judge_health_word((enum node_health)health));
    fill_since(f, n->is_known ? n->view.health_since_ms : 0);
    fill_signed(f, r->at_ms == 0 ? -1 : (int64_t)(clock_now_ms() - r->at_ms));
    fill_number(f, r->took_us);
    fill_text(f, r->error_text);
    fill_figures(f, r);
    fill_number(f, paused_percent(f->g, n->node));
    fill_number(f, n->server->weight);
    fill_number(f, home_percent(f->g, c->writer, n->node));
    fill_number(f, atomic_load(&n->node->shared.load_factor) * 100 / 1024);
    fill_number(f, atomic_load(&n->node->shared.n_connections));
    fill_number(f, counted.used);
    fill_number(f, counted.free);
    fill_number(f, counted.busy);
    fill_row(f);
}

void stats_fill_cluster(struct stats_fill *f)
{
    struct cluster_view *c;

    for (size_t i = 0; (c = cluster_view_new(f->g, f->snapshot->conf, i)) != NULL; i++) {
        for (size_t k = 0; k < c->n; k++) {
            add_node(f, c, &c->nodes[k]);
        }
        mem_free(MEM_ADMIN, c);
    }
}
