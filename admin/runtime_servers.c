/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime_servers.c - runtime_mysql_servers: who serves in which hostgroup now.
 *
 * As ProxySQL shows it: a writer is in the writer hostgroup, who could write stands there SHUNNED
 * and in the backup writer hostgroup, readers in the reader hostgroup, who takes no statements in
 * the offline hostgroup. What LOAD has made of mysql_servers is kept apart (layer_table()), so SAVE
 * brings back the configuration, not the day's roles.
 */
#include "admin/cluster_view.h"
#include "admin/stats_table.h"
#include "base/clock.h"
#include "base/mem.h"

#define BIT_OF(node) (UINT64_C(1) << (node)->index)

static bool is_well(const struct node *node)
{
    unsigned health = atomic_load(&node->shared.health);

    return health != HEALTH_DOWN && health != HEALTH_SUSPECT && node_is_up(node, clock_now_ms());
}

static void add_row(struct stats_fill *f, const struct conf_server *server, int hostgroup,
                    enum conf_server_status status)
{
    fill_signed(f, hostgroup);
    fill_text(f, server->address);
    fill_number(f, server->port);
    fill_number(f, server->gtid_port);
    fill_text(f, server_status_word(status));
    fill_number(f, server->weight);
    fill_number(f, server->compression);
    fill_number(f, server->max_connections);
    fill_number(f, server->max_replication_lag);
    fill_number(f, server->use_ssl);
    fill_number(f, server->max_latency_ms);
    fill_text(f, server->comment);
    fill_row(f);
}

static bool is_row_of(const struct conf_server *server, const struct node *node)
{
    return server->port == node->port && strcmp(server->address, node->address) == 0;
}

/* --- as configured ---------------------------------------------------------------------------- */

static void add_configured(struct stats_fill *f, const struct conf_server *server,
                           const struct node *node)
{
    bool is_down = server->status == SERVER_ONLINE && node != NULL && !is_well(node);

    add_row(f, server, server->hostgroup,
            is_down ? SERVER_SHUNNED : (enum conf_server_status)server->status);
}

/* --- as the roles have it --------------------------------------------------------------------- */

/* The node in a hostgroup: with the weight and limits of its row there, if it has one. */
static void add_role(struct stats_fill *f, const struct cluster_node *n, int hostgroup, bool serves)
{
    const struct conf *conf = f->snapshot->conf;
    const struct conf_server *server = n->server;

    for (size_t i = 0; i < conf->n_servers; i++) {
        if (conf->servers[i].hostgroup == hostgroup && is_row_of(&conf->servers[i], n->node)) {
            server = &conf->servers[i];
        }
    }
    add_row(f, server, hostgroup, serves && is_well(n->node) ? SERVER_ONLINE : SERVER_SHUNNED);
}

static void add_roles(struct stats_fill *f, const struct cluster_view *c,
                      const struct cluster_node *n)
{
    const struct roles *roles = &c->roles.roles;
    uint64_t bit = BIT_OF(n->node);

    if ((roles->writers & bit) != 0) {
        add_role(f, n, c->writer, true);
    }
    if ((roles->backups & bit) != 0) {
        add_role(f, n, c->writer, false);
        add_role(f, n, c->backup, true);
    }
    if ((roles->readers & bit) != 0) {
        add_role(f, n, c->reader, true);
    }
    if ((roles->offline & bit) != 0 && c->offline >= 0) {
        add_role(f, n, c->offline, true);
    } else if ((roles->offline & bit) != 0) {
        add_role(f, n, n->server->hostgroup, false);
    }
}

/* --- all -------------------------------------------------------------------------------------- */

#define CLUSTERS_SHOWN ((size_t)CLUSTERS_MAX)

static size_t make_views(struct stats_fill *f, struct cluster_view **views)
{
    size_t n = 0;

    while (n < CLUSTERS_SHOWN &&
           (views[n] = cluster_view_new(f->g, f->snapshot->conf, n)) != NULL) {
        n++;
    }
    return n;
}

/*
 * The cluster whose roles say where the server of this row is; NULL: it is where it is configured.
 */
static const struct cluster_view *cluster_of(struct cluster_view *const *views, size_t n,
                                             const struct conf_server *server,
                                             const struct cluster_node **found)
{
    *found = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct cluster_node *node = cluster_find(views[i], server->address, server->port);

        if (node != NULL && cluster_has_hostgroup(views[i], server->hostgroup)) {
            *found = node;
            return views[i]->is_decided && node->server->status == SERVER_ONLINE &&
                           (views[i]->roles.members & BIT_OF(node->node)) != 0
                       ? views[i]
                       : NULL;
        }
    }
    return NULL;
}

static const struct node *node_of(const struct stats_fill *f, const struct conf_server *server)
{
    unsigned n = atomic_load(&f->g->nodes.count);

    for (unsigned i = 0; i < n; i++) {
        if (is_row_of(server, f->g->nodes.items[i])) {
            return f->g->nodes.items[i];
        }
    }
    return NULL;
}

void stats_fill_runtime_servers(struct stats_fill *f)
{
    const struct conf *conf = f->snapshot->conf;
    struct cluster_view *views[CLUSTERS_SHOWN];
    size_t n = make_views(f, views);

    for (size_t i = 0; i < conf->n_servers; i++) {
        const struct conf_server *server = &conf->servers[i];
        const struct cluster_node *node;
        const struct cluster_view *c = cluster_of(views, n, server, &node);

        if (c == NULL) {
            add_configured(f, server, node_of(f, server));
        } else if (node->server == server) { /* the node's other rows are the same node */
            add_roles(f, c, node);
        }
    }
    for (size_t i = 0; i < n; i++) {
        mem_free(MEM_ADMIN, views[i]);
    }
}
