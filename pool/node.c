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

#define FIRST_RECOVERY_MS \
    250 /* after the first failure; doubles up to mysql-shun_recovery_time_sec */

void nodes_init(struct nodes *nodes)
{
    *nodes = (struct nodes){0};
    CHECK(pthread_mutex_init(&nodes->lock, NULL) == 0);
}

void nodes_fini(struct nodes *nodes)
{
    for (unsigned i = 0; i < atomic_load(&nodes->count); i++) {
        mem_free(MEM_POOL, nodes->items[i]->address);
        mem_free(MEM_POOL, nodes->items[i]->text);
        free(nodes->items[i]);
    }
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
    *node = (struct node){.port = server->port};
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

static void add_member(struct topology *t, size_t max, const struct conf_server *server,
                       struct node *node)
{
    struct hostgroup *group = hostgroup_get(t, server->hostgroup);

    if (group == NULL) {
        group = &t->hostgroups[t->n_hostgroups++];
        group->number = server->hostgroup;
        group->members = mem_new(MEM_POOL, max * sizeof(*group->members));
    }
    group->members[group->n] = (struct member){.node = node,
                                               .weight = server->weight,
                                               .status = server->status,
                                               .max_connections = server->max_connections,
                                               .order = group->n};
    group->n++;
}

static void make_roles(struct topology *t, const struct conf *conf)
{
    t->roles = mem_new(MEM_POOL, (t->n_hostgroups + 1) * sizeof(*t->roles));
    for (size_t i = 0; i < t->n_hostgroups; i++) {
        const struct conf_galera *galera = conf_galera_of_writer(conf, t->hostgroups[i].number);
        struct role_set *role = &t->roles[t->n_roles++];

        role->writer_hostgroup = role->reader_hostgroup = t->hostgroups[i].number;
        role->writers = &t->hostgroups[i];
        role->max_writers = UINT32_MAX;
        if (galera != NULL) {
            role->reader_hostgroup = galera->reader_hostgroup;
            role->readers = hostgroup_get(t, galera->reader_hostgroup);
            role->max_writers = galera->max_writers;
            role->writer_is_also_reader = galera->writer_is_also_reader;
        }
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
        add_member(t, conf->n_servers, server, node);
    }
    for (size_t i = 0; i < t->n_hostgroups; i++) {
        qsort(t->hostgroups[i].members, t->hostgroups[i].n, sizeof(struct member), by_weight);
    }
    make_roles(t, conf);
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
    mem_free(MEM_POOL, topology->hostgroups);
    mem_free(MEM_POOL, topology->roles);
    mem_free(MEM_POOL, topology);
}

void topology_use(const struct topology *topology)
{
    uint32_t limits[NODES_MAX] = {0};
    struct node *named[NODES_MAX] = {NULL};

    for (size_t i = 0; i < topology->n_hostgroups; i++) {
        const struct hostgroup *group = &topology->hostgroups[i];

        for (size_t j = 0; j < group->n; j++) {
            const struct member *member = &group->members[j];
            unsigned index = member->node->index;

            named[index] = member->node;
            if (member->status != SERVER_OFFLINE_HARD) {
                limits[index] = MAX(limits[index], member->max_connections);
            }
        }
    }
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (named[i] != NULL) {
            atomic_store(&named[i]->shared.max_connections, limits[i]);
        }
    }
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
