/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route_cluster_scene.h - a cluster as a monitor sees it, for the tests of routes.
 */
#ifndef TESTS_UNIT_ROUTE_CLUSTER_SCENE_H
#define TESTS_UNIT_ROUTE_CLUSTER_SCENE_H

#include "pool/cluster.h"
#include "pool/roles.h"
#include "router/route.h"
#include "tests/unit/test.h"

#define NOW     1000
#define N_NODES 12
#define A       UINT64_C(1)
#define B       UINT64_C(2)
#define C       UINT64_C(4)
#define D       UINT64_C(8)

/* Node 0 is configured to write, the others to read; what the cluster says is another matter. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): ordered by meaning */
struct scene {
    struct node nodes[N_NODES];
    unsigned loads[N_NODES];
    unsigned n_asked; /* how many loads were looked at */
    struct member writers[N_NODES];
    struct member readers[N_NODES];
    struct member to_write[N_NODES];
    struct member to_read[N_NODES];
    struct hostgroup groups[4];
    struct cluster cluster;
    struct role_set roles;
    struct facts facts;
    struct route_input in;
};

static inline unsigned load_of(const void *owner, const struct node *node)
{
    const struct scene *s = owner;

    ((struct scene *)(uintptr_t)s)->n_asked++;
    return s->loads[node->index];
}

static inline void make(struct scene *s, unsigned n)
{
    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < n; i++) {
        const struct member m = {.node = &s->nodes[i],
                                 .weight = 1,
                                 .status = SERVER_ONLINE,
                                 .max_connections = 100,
                                 .order = i};

        s->nodes[i].index = i;
        s->nodes[i].is_resolved = true;
        atomic_store(&s->nodes[i].shared.health, HEALTH_UP);
        atomic_store(&s->nodes[i].shared.load_factor, 1024);
        s->to_write[i] = s->to_read[i] = m;
        if (i == 0) {
            s->writers[0] = m;
        } else {
            s->readers[i - 1] = m;
        }
    }
    s->groups[0] = (struct hostgroup){.number = 10, .n = 1, .members = s->writers};
    s->groups[1] = (struct hostgroup){.number = 20, .n = n - 1, .members = s->readers};
    s->groups[2] = (struct hostgroup){.number = 10, .n = n, .members = s->to_write};
    s->groups[3] = (struct hostgroup){.number = 20, .n = n, .members = s->to_read};
    s->roles = (struct role_set){.writer_hostgroup = 10,
                                 .reader_hostgroup = 20,
                                 .max_writers = 1,
                                 .cluster = &s->cluster,
                                 .writers = &s->groups[0],
                                 .readers = &s->groups[1],
                                 .to_write = &s->groups[2],
                                 .to_read = &s->groups[3]};
    s->facts = (struct facts){.flags = FACT_READ, .verb = VERB_SELECT, .digest = 4711};
    s->in = (struct route_input){.roles = &s->roles,
                                 .facts = &s->facts,
                                 .site = 12345,
                                 .now_ms = NOW,
                                 .load = load_of,
                                 .owner = s};
}

static inline void publish(struct scene *s, uint64_t writers, uint64_t backups, uint64_t readers)
{
    const struct roles roles = {.writers = writers, .backups = backups, .readers = readers};

    cluster_publish(&s->cluster, &roles, false);
}

static inline void set_health(struct scene *s, unsigned node, enum node_health health)
{
    atomic_store(&s->nodes[node].shared.health, health);
}

static inline struct route choose(struct scene *s)
{
    struct route route;

    memset(&route, 0xee, sizeof(route));
    s->n_asked = 0;
    route_choose(&route, &s->in);
    assert_true(route.n <= ROUTE_MAX_NODES);
    for (size_t i = 0; i < route.n; i++) {
        assert_int_not_equal(atomic_load(&route.nodes[i]->shared.health), HEALTH_DOWN);
        assert_true((route.mask & UINT64_C(1) << route.nodes[i]->index) != 0);
        assert_null(route_why_not(&s->in, &route, route.nodes[i]));
    }
    return route;
}

static inline struct route choose_write(struct scene *s)
{
    struct route route;

    s->facts.flags &= ~FACT_READ;
    route = choose(s);
    s->facts.flags |= FACT_READ;
    return route;
}

static inline uint64_t nodes_of(const struct route *route)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < route->n; i++) {
        mask |= UINT64_C(1) << route->nodes[i]->index;
    }
    return mask;
}

#endif
