/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route_scene.h - writers and readers of one role set, for tests of routes without a cluster.
 */
#ifndef TESTS_UNIT_ROUTE_SCENE_H
#define TESTS_UNIT_ROUTE_SCENE_H

#include "router/route.h"
#include "tests/unit/test.h"

#define NOW     1000
#define N_NODES 6

/* A small cluster: nodes 0.. of which some stand in the writer and some in the reader hostgroup. */
struct scene {
    struct node nodes[N_NODES];
    unsigned loads[N_NODES];
    struct member writers[N_NODES];
    struct member readers[N_NODES];
    struct hostgroup writer_group;
    struct hostgroup reader_group;
    struct role_set roles;
    struct facts facts;
    struct route_input in;
};

static inline unsigned load_of(const void *owner, const struct node *node)
{
    const struct scene *c = owner;

    return c->loads[node->index];
}

static inline struct member member_of(struct node *node)
{
    return (struct member){
        .node = node, .weight = 1, .status = SERVER_ONLINE, .max_connections = 100};
}

/* Nodes 0..n_writers-1 write; the n_readers behind them read; all of weight 1; a read is asked. */
static inline void make(struct scene *c, unsigned n_writers, unsigned n_readers)
{
    memset(c, 0, sizeof(*c));
    for (unsigned i = 0; i < N_NODES; i++) {
        c->nodes[i].index = i;
        c->nodes[i].is_resolved = true;
    }
    for (unsigned i = 0; i < n_writers; i++) {
        c->writers[i] = member_of(&c->nodes[i]);
    }
    for (unsigned i = 0; i < n_readers; i++) {
        c->readers[i] = member_of(&c->nodes[n_writers + i]);
    }
    c->writer_group = (struct hostgroup){.number = 10, .n = n_writers, .members = c->writers};
    c->reader_group = (struct hostgroup){.number = 20, .n = n_readers, .members = c->readers};
    c->roles = (struct role_set){.writer_hostgroup = 10,
                                 .reader_hostgroup = 20,
                                 .max_writers = 1,
                                 .writers = &c->writer_group,
                                 .readers = n_readers == 0 ? NULL : &c->reader_group};
    c->facts.flags = FACT_READ;
    c->facts.verb = VERB_SELECT;
    c->in = (struct route_input){.roles = &c->roles,
                                 .facts = &c->facts,
                                 .site = 12345,
                                 .now_ms = NOW,
                                 .load = load_of,
                                 .owner = c};
}

static inline void set_down(struct scene *c, unsigned node)
{
    atomic_store(&c->nodes[node].shared.down_until_ms, NOW + 1);
}

static inline void set_up(struct scene *c, unsigned node)
{
    atomic_store(&c->nodes[node].shared.down_until_ms, NOW);
}

static inline struct route choose(struct scene *c)
{
    struct route route;

    memset(&route, 0xee, sizeof(route));
    route_choose(&route, &c->in);
    assert_true(route.n <= ROUTE_MAX_NODES);
    for (size_t i = 0; i < route.n; i++) {
        assert_true(node_is_up(route.nodes[i], NOW));
        assert_true((route.mask & UINT64_C(1) << route.nodes[i]->index) != 0);
        for (size_t j = 0; j < i; j++) {
            assert_ptr_not_equal(route.nodes[i], route.nodes[j]);
        }
    }
    return route;
}

static inline struct route choose_write(struct scene *c)
{
    struct route route;

    c->facts.flags &= ~FACT_READ;
    route = choose(c);
    c->facts.flags |= FACT_READ;
    return route;
}

/* Is the node among those chosen? */
static inline bool may_go(const struct route *route, const struct scene *c, unsigned node)
{
    for (size_t i = 0; i < route->n; i++) {
        if (route->nodes[i] == &c->nodes[node]) {
            return true;
        }
    }
    return false;
}

#endif
