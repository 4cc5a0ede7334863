/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_view.c - see cluster_view.h.
 */
#include "admin/cluster_view.h"

#include "base/mem.h"

#define BIT_OF(node) (UINT64_C(1) << (node)->index)

bool cluster_has_hostgroup(const struct cluster_view *c, int hostgroup)
{
    return hostgroup >= 0 && (hostgroup == c->writer || hostgroup == c->backup ||
                              hostgroup == c->reader || hostgroup == c->offline);
}

const struct cluster_node *cluster_find(const struct cluster_view *c, const char *address,
                                        uint16_t port)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->nodes[i].node->port == port && strcmp(c->nodes[i].node->address, address) == 0) {
            return &c->nodes[i];
        }
    }
    return NULL;
}

static const struct node *find_node(const struct nodes *nodes, const struct conf_server *server)
{
    unsigned n = atomic_load(&nodes->count);

    for (unsigned i = 0; i < n; i++) {
        if (nodes->items[i]->port == server->port &&
            strcmp(nodes->items[i]->address, server->address) == 0) {
            return nodes->items[i];
        }
    }
    return NULL;
}

/* The hostgroups of the i-th cluster; false = there are no more. */
static bool name_hostgroups(struct cluster_view *c, const struct conf *conf, size_t i)
{
    for (size_t k = 0; k < conf->n_galera; k++) {
        const struct conf_galera *row = &conf->galera[k];

        if (row->active && i-- == 0) {
            c->is_galera = true;
            c->writer = row->writer_hostgroup;
            c->backup = row->backup_writer_hostgroup;
            c->reader = row->reader_hostgroup;
            c->offline = row->offline_hostgroup;
            return true;
        }
    }
    if (i >= conf->n_replications) {
        return false;
    }
    c->writer = conf->replications[i].writer_hostgroup;
    c->reader = conf->replications[i].reader_hostgroup;
    c->backup = c->offline = -1;
    return true;
}

static void add_node(struct cluster_view *c, struct galeway *g, const struct conf_server *server)
{
    const struct node *node = find_node(&g->nodes, server);
    struct cluster_node *n = &c->nodes[c->n];

    if (node == NULL || c->n == NODES_MAX ||
        cluster_find(c, server->address, server->port) != NULL) {
        return;
    }
    n->node = node;
    n->server = server;
    n->is_known = g->monitor != NULL && monitor_view(g->monitor, node->index, &n->view);
    c->n++;
}

struct cluster_view *cluster_view_new(struct galeway *g, const struct conf *conf, size_t i)
{
    struct cluster_view *c = mem_new(MEM_ADMIN, sizeof(*c));

    if (!name_hostgroups(c, conf, i)) {
        mem_free(MEM_ADMIN, c);
        return NULL;
    }
    for (size_t k = 0; k < conf->n_servers; k++) {
        if (cluster_has_hostgroup(c, conf->servers[k].hostgroup)) {
            add_node(c, g, &conf->servers[k]);
        }
    }
    c->is_decided = g->monitor != NULL && monitor_roles(g->monitor, c->writer, &c->roles);
    return c;
}

/* --- words ------------------------------------------------------------------------------------ */

/*
 * Has the monitor decided on this node? One of a configuration that is newer comes with its next
 * look.
 */
static bool is_decided(const struct cluster_view *c, const struct cluster_node *n)
{
    return c->is_decided && (c->roles.members & BIT_OF(n->node)) != 0;
}

const char *cluster_role_word(const struct cluster_view *c, const struct cluster_node *n)
{
    uint64_t bit = BIT_OF(n->node);

    if (!is_decided(c, n)) {
        return "configured";
    }
    return (c->roles.roles.writers & bit) != 0   ? "writer"
           : (c->roles.roles.backups & bit) != 0 ? "backup"
           : (c->roles.roles.readers & bit) != 0 ? "reader"
                                                 : "offline";
}

bool cluster_node_reads(const struct cluster_view *c, const struct cluster_node *n)
{
    return is_decided(c, n) && (c->roles.roles.readers & BIT_OF(n->node)) != 0;
}

static enum role_why why_of(const struct cluster_view *c, const struct cluster_node *n)
{
    return is_decided(c, n) ? (enum role_why)c->roles.roles.why[n->node->index] : WHY_UNCHECKED;
}

const char *cluster_why_word(const struct cluster_view *c, const struct cluster_node *n)
{
    return role_why_word(why_of(c, n));
}

const char *cluster_why_text(const struct cluster_view *c, const struct cluster_node *n)
{
    return role_why_text(why_of(c, n));
}

/* --- roles ------------------------------------------------------------------------------------ */

static bool has_part(const struct cluster_view *c, const struct cluster_node *n, int hostgroup)
{
    const struct roles *roles = &c->roles.roles;
    uint64_t bit = BIT_OF(n->node);

    if (!is_decided(c, n) || hostgroup == c->offline) {
        return true;
    }
    return (hostgroup == c->writer && (roles->writers & bit) != 0) ||
           (hostgroup == c->backup && (roles->backups & bit) != 0) ||
           (hostgroup == c->reader && (roles->readers & bit) != 0);
}

bool cluster_lets_serve(struct galeway *g, const struct conf *conf, int hostgroup,
                        const struct node *node)
{
    struct cluster_view *c;
    bool may = true;

    for (size_t i = 0; may && (c = cluster_view_new(g, conf, i)) != NULL; i++) {
        const struct cluster_node *n = cluster_find(c, node->address, node->port);

        may = n == NULL || !cluster_has_hostgroup(c, hostgroup) || has_part(c, n, hostgroup);
        mem_free(MEM_ADMIN, c);
    }
    return may;
}

const char *server_status_word(enum conf_server_status status)
{
    static const char *const words[] = {[SERVER_ONLINE] = "ONLINE",
                                        [SERVER_SHUNNED] = "SHUNNED",
                                        [SERVER_OFFLINE_SOFT] = "OFFLINE_SOFT",
                                        [SERVER_OFFLINE_HARD] = "OFFLINE_HARD"};

    return words[status];
}
