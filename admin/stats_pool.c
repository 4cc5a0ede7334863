/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats_pool.c - nodes, server connections and the queue for them.
 */
#include <stdio.h>

#include "admin/cluster_view.h"
#include "admin/stats_table.h"
#include "base/clock.h"
#include "router/route.h"

/* --- nodes in hostgroups --------------------------------------------------------------------- */

static const struct member *member_of(const struct topology *t, int hostgroup,
                                      const struct node *node)
{
    for (size_t i = 0; i < t->n_hostgroups; i++) {
        for (size_t m = 0; t->hostgroups[i].number == hostgroup && m < t->hostgroups[i].n; m++) {
            if (t->hostgroups[i].members[m].node == node) {
                return &t->hostgroups[i].members[m];
            }
        }
    }
    return NULL;
}

/* The hostgroup may be one that the node plays a role in without being configured there. */
static const char *status_of(const struct stats_fill *f, int hostgroup, const struct node *node)
{
    const struct topology *t = f->snapshot->topology;
    const struct member *m = member_of(t, hostgroup, node);
    uint8_t status = SERVER_OFFLINE_HARD;

    for (size_t i = 0; i < t->n_hostgroups && m == NULL; i++) {
        m = member_of(t, t->hostgroups[i].number, node);
    }
    if (m != NULL) {
        status = m->status;
    }
    if (status == SERVER_ONLINE &&
        (!node_is_up(node, clock_now_ms()) ||
         !cluster_lets_serve(f->g, f->snapshot->conf, hostgroup, node))) {
        status = SERVER_SHUNNED;
    }
    return server_status_word((enum conf_server_status)status);
}

static void add_traffic(struct stats_fill *f, const struct traffic *t, unsigned n_free)
{
    fill_signed(f, t->hostgroup);
    fill_node(f, t->node);
    fill_text(f, status_of(f, t->hostgroup, t->node));
    fill_number(f, t->used);
    fill_number(f, n_free);
    fill_number(f, t->opened);
    fill_number(f, t->failed);
    fill_number(f, t->max_used);
    fill_number(f, t->statements);
    fill_number(f, 0); /* Queries_GTID_sync */
    fill_number(f, t->bytes_sent);
    fill_number(f, t->bytes_received);
    fill_number(f, t->login_us);
    fill_row(f);
}

static unsigned no_load(const void *owner, const struct node *node)
{
    (void)owner;
    (void)node;
    return 0;
}

/*
 * Nodes that serve reads are in the reader hostgroup, as they are when ProxySQL moves them there.
 */
static void add_readers(struct stats_fill *f, const struct role_set *roles)
{
    const struct facts facts = {.flags = FACT_READ};
    const struct route_input in = {
        .roles = roles, .facts = &facts, .now_ms = clock_now_ms(), .load = no_load};
    struct route route;

    route_choose(&route, &in);
    for (size_t i = 0; i < route.n && !route.is_writer; i++) {
        const struct traffic none = {.node = route.nodes[i], .hostgroup = route.hostgroup};

        add_traffic(f, &none, 0);
    }
}

void stats_fill_connection_pool(struct stats_fill *f)
{
    const struct topology *t = f->snapshot->topology;

    for (size_t i = 0; i < t->n_hostgroups; i++) { /* nodes without any traffic, too */
        for (size_t m = 0; m < t->hostgroups[i].n; m++) {
            const struct traffic none = {.node = t->hostgroups[i].members[m].node,
                                         .hostgroup = t->hostgroups[i].number};

            add_traffic(f, &none, 0);
        }
    }
    for (size_t i = 0; i < t->n_roles; i++) {
        add_readers(f, &t->roles[i]);
    }
    ROWS(f, copy, traffic, struct figures_traffic, counted)
    {
        add_traffic(f, &counted->traffic, counted->n_free);
    }
}

/* --- free connections ------------------------------------------------------------------------ */

void stats_fill_free_connections(struct stats_fill *f)
{
    ROWS(f, copy, servers, struct figures_server, s)
    {
        char text[128];

        fill_signed(f, s->fd);
        fill_signed(f, s->hostgroup);
        fill_node(f, s->node);
        fill_user(f, s->account);
        fill_schema(f, s->schema);
        fill_text(f, ""); /* init_connect */
        fill_text(f, s->time_zone);
        fill_text(f, s->sql_mode);
        fill_number(f, 1); /* autocommit: who switched it off keeps his connection */
        fill_number(f, s->idle_ms);
        (void)snprintf(text, sizeof(text), "{\"age_ms\":%llu,\"queries\":%llu}",
                       (unsigned long long)s->age_ms, (unsigned long long)s->statements);
        fill_text(f, text);
        (void)snprintf(text, sizeof(text), "{\"thread_id\":%u}", s->thread_id);
        fill_text(f, text);
        fill_row(f);
    }
}

/* --- the queue ------------------------------------------------------------------------------- */

static void add_wait(struct stats_fill *f, int hostgroup, uint64_t waiting, uint64_t longest_ms)
{
    fill_signed(f, hostgroup);
    fill_number(f, waiting);
    fill_number(f, longest_ms);
    fill_row(f);
}

void stats_fill_queue(struct stats_fill *f)
{
    for (size_t i = 0; i < f->snapshot->topology->n_hostgroups; i++) {
        add_wait(f, f->snapshot->topology->hostgroups[i].number, 0, 0);
    }
    ROWS(f, copy, waits, struct figures_wait, wait)
    {
        add_wait(f, wait->hostgroup, 0, wait->longest_ms);
    }
    ROWS(f, copy, waits_now, struct figures_wait, wait)
    {
        add_wait(f, wait->hostgroup, 1, wait->longest_ms);
    }
}
