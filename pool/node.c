/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node.c - see node.h.
 */
#include "pool/node.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "base/mem.h"
#include "pool/cluster.h"
#include "pool/node_tls.h"
#include "protocol/caps.h"

#define FIRST_RECOVERY_MS \
    250 /* after the first failure; doubles up to mysql-shun_recovery_time_sec */

void nodes_init(struct nodes *nodes)
{
    *nodes = (struct nodes){0};
    CHECK(pthread_mutex_init(&nodes->lock, NULL) == 0);
    throttle_init(&nodes->throttle);
}

void nodes_fini(struct nodes *nodes)
{
    for (unsigned i = 0; i < atomic_load(&nodes->count); i++) {
        mem_free(MEM_POOL, nodes->items[i]->address);
        mem_free(MEM_POOL, nodes->items[i]->text);
        node_tls_slot_free(nodes->items[i]->tls);
        free(nodes->items[i]);
    }
    for (unsigned i = 0; i < atomic_load(&nodes->n_clusters); i++) {
        free(atomic_load(&nodes->clusters[i]->homes));
        free(nodes->clusters[i]);
    }
    throttle_fini(&nodes->throttle);
    (void)pthread_mutex_destroy(&nodes->lock);
}

static void resolve(struct node *node)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];

    if (node->port == 0) {
        struct sockaddr_un *un = (struct sockaddr_un *)(void *)&node->sockaddr;

        un->sun_family = AF_UNIX;
        node->is_resolved = strlen(node->address) < sizeof(un->sun_path);
        if (node->is_resolved) {
            memcpy(un->sun_path, node->address, strlen(node->address) + 1);
        }
        return;
    }
    (void)snprintf(service, sizeof(service), "%u", node->port);
    if (getaddrinfo(node->address, service, &hints, &found) == 0 && found != NULL) {
        memcpy(&node->sockaddr, found->ai_addr, found->ai_addrlen);
        node->is_resolved = true;
        freeaddrinfo(found);
    }
}

static struct node *node_new(const struct conf_server *server)
{
    size_t size = strlen(server->address) + 8;
    struct node *node =
        aligned_alloc(CACHE_LINE, (sizeof(*node) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);

    CHECK(node != NULL);
    *node = (struct node){.port = server->port, .shared.load_factor = 1024};
    node->tls = node_tls_slot_new();
    node->address = mem_copy(MEM_POOL, slice_of(server->address));
    node->text = mem_new(MEM_POOL, size);
    if (server->port != 0) {
        (void)snprintf(node->text, size, "%s:%u", server->address, server->port);
    } else {
        (void)snprintf(node->text, size, "%s", server->address);
    }
    resolve(node);
    return node;
}

/* Nodes are few and added when a configuration is loaded: a walk is enough. */
static struct node *nodes_get(struct nodes *nodes, const struct conf_server *server)
{
    struct node *node = NULL;
    unsigned n;

    CHECK(pthread_mutex_lock(&nodes->lock) == 0);
    n = atomic_load(&nodes->count);
    for (unsigned i = 0; i < n && node == NULL; i++) {
        if (nodes->items[i]->port == server->port &&
            strcmp(nodes->items[i]->address, server->address) == 0) {
            node = nodes->items[i];
        }
    }
    if (node == NULL && n < NODES_MAX) {
        node = node_new(server);
        node->index = n;
        nodes->items[n] = node;
        atomic_store(&nodes->count, n + 1);
    }
    CHECK(pthread_mutex_unlock(&nodes->lock) == 0);
    return node;
}

static struct hostgroup *hostgroup_get(struct topology *t, int number)
{
    for (size_t i = 0; i < t->n_hostgroups; i++) {
        if (t->hostgroups[i].number == number) {
            return &t->hostgroups[i];
        }
    }
    return NULL;
}

static int by_weight(const void *a, const void *b)
{
    const struct member *x = a;
    const struct member *y = b;

    if (x->weight != y->weight) {
        return x->weight < y->weight ? 1 : -1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static void add_member(struct topology *t, const struct conf *conf,
                       const struct conf_server *server, struct node *node)
{
    uint32_t latency = (uint32_t)conf->vars.mysql_default_max_latency_ms;
    struct hostgroup *group = hostgroup_get(t, server->hostgroup);

    if (group == NULL) {
        group = &t->hostgroups[t->n_hostgroups++];
        group->number = server->hostgroup;
        group->members = mem_new(MEM_POOL, conf->n_servers * sizeof(*group->members));
    }
    group->members[group->n] = (struct member){
        .node = node,
        .weight = server->weight,
        .status = server->status,
        .max_connections = server->max_connections,
        .compression = server->compression,
        .order = group->n,
        .max_latency_ms = server->max_latency_ms != 0 ? server->max_latency_ms : latency};
    group->n++;
}

/* --- roles ------------------------------------------------------------------------------------ */

/*
 * A row of mysql_galera_hostgroups or mysql_replication_hostgroups; -1 = it has no such hostgroup.
 */
struct role_row {
    int writer, backup, reader, offline;
    uint32_t max_writers;
    uint8_t writer_is_also_reader;
};

static struct role_set *role_of(struct topology *t, int number)
{
    for (size_t i = 0; i < t->n_roles; i++) {
        if (t->roles[i].writer_hostgroup == number) {
            return &t->roles[i];
        }
    }
    return NULL;
}

static struct role_set *add_role(struct topology *t, int number, const struct hostgroup *members)
{
    struct role_set *role = &t->roles[t->n_roles++];

    *role = (struct role_set){.writer_hostgroup = number,
                              .reader_hostgroup = number,
                              .max_writers = UINT32_MAX,
                              .writers = members};
    return role;
}

static void join(struct hostgroup *all, const struct hostgroup *group)
{
    for (size_t i = 0; group != NULL && i < group->n; i++) {
        bool is_there = false;

        for (size_t j = 0; j < all->n && !is_there; j++) {
            is_there = all->members[j].node == group->members[i].node;
        }
        if (!is_there) {
            all->members[all->n++] = group->members[i];
        }
    }
}

/* All nodes of these hostgroups, each as in the first one that has it. */
static const struct hostgroup *unite(struct topology *t, const int numbers[4])
{
    struct hostgroup *all = &t->unions[t->n_unions];
    size_t n = 0;

    for (size_t i = 0; i < 4; i++) {
        const struct hostgroup *group = hostgroup_get(t, numbers[i]);

        n += group == NULL ? 0 : group->n;
    }
    if (n == 0) {
        return NULL;
    }
    all->number = numbers[0];
    all->members = mem_new(MEM_POOL, n * sizeof(*all->members));
    for (size_t i = 0; i < 4; i++) {
        join(all, hostgroup_get(t, numbers[i]));
    }
    for (size_t i = 0; i < all->n; i++) {
        all->members[i].order = i;
    }
    qsort(all->members, all->n, sizeof(struct member), by_weight);
    t->n_unions++;
    return all;
}

/* Users of the readers, or of the backup writers, alone: they follow the roles, too. */
static void add_part(struct topology *t, const struct role_set *whole, int number,
                     enum role_part part)
{
    struct role_set *role = role_of(t, number);

    if (number < 0 || (role != NULL && role->cluster != NULL)) {
        return;
    }
    if (role == NULL) {
        role = add_role(t, number, whole->to_read);
    }
    role->part = (uint8_t)part;
    role->cluster = whole->cluster;
    role->to_write = role->to_read = whole->to_read;
}

static void add_cluster(struct topology *t, struct nodes *nodes, const struct role_row *row,
                        struct faults *faults)
{
    const int to_write[] = {row->writer, row->backup, row->reader, row->offline};
    const int to_read[] = {row->reader, row->backup, row->writer, row->offline};
    struct role_set *role = role_of(t, row->writer);
    const struct hostgroup *all = unite(t, to_write);

    if (all == NULL || (role != NULL && role->cluster != NULL)) {
        return; /* no server, or two rows speak of it: the first one holds */
    }
    if (role == NULL) {
        role = add_role(t, row->writer, NULL);
    }
    role->reader_hostgroup = row->reader;
    role->readers = hostgroup_get(t, row->reader);
    role->max_writers = row->max_writers;
    role->writer_is_also_reader = row->writer_is_also_reader;
    role->cluster = cluster_get(nodes, row->writer);
    if (role->cluster == NULL) {
        fault_warning(faults, "mysql_servers", 0,
                      "more than %d writer hostgroups with roles since start: hostgroup %d is used "
                      "as configured, whatever the monitor finds",
                      CLUSTERS_MAX, row->writer);
        return;
    }
    role->to_write = all;
    role->to_read = unite(t, to_read);
    add_part(t, role, row->reader, PART_READERS);
    add_part(t, role, row->backup, PART_BACKUPS);
}

static void make_roles(struct topology *t, struct nodes *nodes, const struct conf *conf,
                       struct faults *faults)
{
    size_t n_rows = conf->n_galera + conf->n_replications;

    t->roles = mem_new(MEM_POOL, (t->n_hostgroups + 3 * n_rows + 1) * sizeof(*t->roles));
    t->unions = mem_new(MEM_POOL, (2 * n_rows + 1) * sizeof(*t->unions));
    for (size_t i = 0; i < t->n_hostgroups; i++) {
        (void)add_role(t, t->hostgroups[i].number, &t->hostgroups[i]);
    }
    for (size_t i = 0; i < conf->n_galera; i++) {
        const struct conf_galera *g = &conf->galera[i];
        const struct role_row row = {g->writer_hostgroup, g->backup_writer_hostgroup,
                                     g->reader_hostgroup, g->offline_hostgroup,
                                     g->max_writers,      g->writer_is_also_reader};

        if (g->active) {
            add_cluster(t, nodes, &row, faults);
        }
    }
    for (size_t i = 0; i < conf->n_replications; i++) {
        const struct conf_replication *r = &conf->replications[i];
        const struct role_row row = {
            r->writer_hostgroup, -1,
            r->reader_hostgroup, -1,
            UINT32_MAX,          conf->vars.mysql_monitor_writer_is_also_reader ? 1 : 0};

        add_cluster(t, nodes, &row, faults);
    }
}

struct topology *topology_new(struct nodes *nodes, const struct conf *conf, struct faults *faults)
{
    struct topology *t = mem_new(MEM_POOL, sizeof(*t));

    t->hostgroups = mem_new(MEM_POOL, (conf->n_servers + 1) * sizeof(*t->hostgroups));
    for (size_t i = 0; i < conf->n_servers; i++) {
        const struct conf_server *server = &conf->servers[i];
        struct node *node = nodes_get(nodes, server);

        if (node == NULL) {
            fault_error(faults, "mysql_servers", 0,
                        "more than %d different nodes (address and port) since start", NODES_MAX);
            topology_free(t);
            return NULL;
        }
        if (!node->is_resolved) {
            fault_warning(faults, "mysql_servers", 0,
                          "address '%s' cannot be resolved: the node gets no traffic",
                          server->address);
        }
        add_member(t, conf, server, node);
    }
    for (size_t i = 0; i < t->n_hostgroups; i++) {
        qsort(t->hostgroups[i].members, t->hostgroups[i].n, sizeof(struct member), by_weight);
    }
    make_roles(t, nodes, conf, faults);
    return t;
}

void topology_free(struct topology *topology)
{
    if (topology == NULL) {
        return;
    }
    for (size_t i = 0; i < topology->n_hostgroups; i++) {
        mem_free(MEM_POOL, topology->hostgroups[i].members);
    }
    for (size_t i = 0; i < topology->n_unions; i++) {
        mem_free(MEM_POOL, topology->unions[i].members);
    }
    mem_free(MEM_POOL, topology->hostgroups);
    mem_free(MEM_POOL, topology->unions);
    mem_free(MEM_POOL, topology->roles);
    mem_free(MEM_POOL, topology);
}

static unsigned drain_of(enum conf_server_status status)
{
    switch (status) {
    case SERVER_OFFLINE_SOFT: return DRAIN_SOFT;
    case SERVER_OFFLINE_HARD: return DRAIN_HARD;
    case SERVER_ONLINE:
    case SERVER_SHUNNED: return DRAIN_NONE;
    }
    UNREACHABLE();
}

/* The softest of its rows counts; who is in no row any more may end what he does. */
static unsigned drain_of_node(const struct topology *topology, const struct node *node)
{
    unsigned drain = DRAIN_HARD;
    bool is_member = false;

    for (size_t i = 0; i < topology->n_hostgroups; i++) {
        const struct hostgroup *group = &topology->hostgroups[i];

        for (size_t j = 0; j < group->n; j++) {
            if (group->members[j].node == node) {
                drain = MIN(drain, drain_of((enum conf_server_status)group->members[j].status));
                is_member = true;
            }
        }
    }
    return is_member ? drain : DRAIN_SOFT;
}

void topology_use(struct nodes *nodes, const struct topology *topology)
{
    uint32_t limits[NODES_MAX] = {0};
    struct node *named[NODES_MAX] = {NULL};
    bool compression[NODES_MAX] = {false};

    for (size_t i = 0; i < topology->n_hostgroups; i++) {
        const struct hostgroup *group = &topology->hostgroups[i];

        for (size_t j = 0; j < group->n; j++) {
            const struct member *member = &group->members[j];
            unsigned index = member->node->index;

            named[index] = member->node;
            compression[index] |= member->compression;
            if (member->status != SERVER_OFFLINE_HARD) {
                limits[index] = MAX(limits[index], member->max_connections);
            }
        }
    }
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (named[i] != NULL) {
            atomic_store(&named[i]->shared.max_connections, limits[i]);
            if (!atomic_exchange(&named[i]->shared.compression, compression[i])) {
                atomic_store(&named[i]->shared.told_plain, false);
            }
        }
    }
    for (unsigned i = 0; i < atomic_load(&nodes->count); i++) {
        atomic_store(&nodes->items[i]->shared.admin_drain,
                     drain_of_node(topology, nodes->items[i]));
    }
    atomic_fetch_add(&nodes->n_changes, 1);
}

const struct role_set *topology_roles(const struct topology *topology, int number)
{
    for (size_t i = 0; i < topology->n_roles; i++) {
        if (topology->roles[i].writer_hostgroup == number) {
            return &topology->roles[i];
        }
    }
    return NULL;
}

const struct role_set *topology_named(const struct topology *topology, int number, bool *reads)
{
    for (size_t i = 0; i < topology->n_roles; i++) {
        const struct role_set *role = &topology->roles[i];

        if (role->reader_hostgroup == number && role->writer_hostgroup != number) {
            *reads = true;
            return role;
        }
    }
    *reads = false;
    return topology_roles(topology, number);
}

bool node_is_up(const struct node *node, uint64_t now_ms)
{
    return node->is_resolved &&
           atomic_load_explicit(&node->shared.health, memory_order_relaxed) != HEALTH_DOWN &&
           now_ms >= atomic_load_explicit(&node->shared.down_until_ms, memory_order_relaxed);
}

void node_failed(struct node *node, uint64_t now_ms, uint64_t recovery_ms)
{
    unsigned failures;
    uint64_t wait;

    if (now_ms < atomic_load(&node->shared.down_until_ms)) {
        return; /* of connections that were opened together: one failure */
    }
    failures = atomic_fetch_add(&node->shared.n_failures, 1);
    wait = (uint64_t)FIRST_RECOVERY_MS << MIN(failures, 10u);

    atomic_store(&node->shared.down_until_ms, now_ms + MIN(wait, recovery_ms));
}

void node_answered(struct node *node)
{
    if (atomic_load_explicit(&node->shared.n_failures, memory_order_relaxed) != 0) {
        atomic_store(&node->shared.n_failures, 0);
        atomic_store(&node->shared.down_until_ms, 0);
    }
}

void node_offers(struct node *node, uint64_t caps)
{
    if (caps != 0 && caps != atomic_load_explicit(&node->shared.caps, memory_order_relaxed)) {
        atomic_store_explicit(&node->shared.caps, caps, memory_order_relaxed);
    }
}

void node_says_mode(struct node *node, uint16_t status)
{
    unsigned mode = NODE_MODE_KNOWN | (status & (STATUS_NO_BACKSLASH_ESCAPES | STATUS_ANSI_QUOTES));

    if (mode != atomic_load_explicit(&node->shared.mode, memory_order_relaxed)) {
        atomic_store_explicit(&node->shared.mode, mode, memory_order_relaxed);
    }
}

uint16_t nodes_mode(const struct nodes *nodes, const struct node *node)
{
    unsigned mode =
        node == NULL ? 0 : atomic_load_explicit(&node->shared.mode, memory_order_relaxed);

    for (unsigned i = 0; mode == 0 && i < atomic_load(&nodes->count); i++) {
        mode = atomic_load_explicit(&nodes->items[i]->shared.mode, memory_order_relaxed);
    }
    return (uint16_t)(mode & ~NODE_MODE_KNOWN);
}

uint64_t nodes_caps(const struct nodes *nodes)
{
    uint64_t all = CAPS_OF_NODES;
    bool is_any_seen = false;

    for (unsigned i = 0; i < atomic_load(&nodes->count); i++) {
        const struct node *node = nodes->items[i];
        uint64_t caps = atomic_load_explicit(&node->shared.caps, memory_order_relaxed);

        if (caps != 0 &&
            atomic_load_explicit(&node->shared.admin_drain, memory_order_relaxed) == DRAIN_NONE) {
            all &= caps;
            is_any_seen = true;
        }
    }
    return is_any_seen ? all : 0;
}

enum node_drain node_drain_now(const struct node *node)
{
    unsigned admin = atomic_load_explicit(&node->shared.admin_drain, memory_order_relaxed);
    unsigned role = atomic_load_explicit(&node->shared.role_drain, memory_order_relaxed);

    return (enum node_drain)MAX(admin, role);
}

void nodes_poke(const struct nodes *nodes, const struct node *node)
{
    if (nodes->poke != NULL) {
        nodes->poke(nodes->poke_arg, node);
    }
}

bool node_reserve(struct node *node)
{
    unsigned n = atomic_load(&node->shared.n_connections);

    do {
        if (n >= atomic_load_explicit(&node->shared.max_connections, memory_order_relaxed)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&node->shared.n_connections, &n, n + 1));
    return true;
}

void node_unreserve(struct node *node)
{
    CHECK(atomic_fetch_sub(&node->shared.n_connections, 1) > 0);
}
