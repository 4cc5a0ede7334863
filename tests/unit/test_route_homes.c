/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_route_homes.c - the decision where each site has a home node.
 */
#include "pool/cluster.h"
#include "pool/homes.h"
#include "pool/roles.h"
#include "router/route.h"
#include "tests/unit/test.h"

#define NOW     10000 /* ms */
#define N_NODES 3
#define A       UINT64_C(1)
#define B       UINT64_C(2)
#define C       UINT64_C(4)
#define BUCKET  77

/* Three nodes that all write; node 1 is the home of the bucket. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): ordered by meaning */
struct scene {
    struct node nodes[N_NODES];
    struct member members[N_NODES];
    struct hostgroup writer_group, reader_group;
    struct cluster cluster;
    struct homes homes;
    struct role_set roles;
    struct facts facts;
    struct route_input in;
};

static struct scene s;

static unsigned load_of(const void *owner, const struct node *node)
{
    (void)owner;
    return node->index;
}

static void publish(uint64_t writers)
{
    const struct roles roles = {.writers = writers, .readers = writers};

    cluster_publish(&s.cluster, &roles, false);
}

static void begin(void)
{
    memset(&s, 0, sizeof(s));
    for (unsigned i = 0; i < N_NODES; i++) {
        s.nodes[i].index = i;
        s.nodes[i].is_resolved = true;
        atomic_store(&s.nodes[i].shared.health, HEALTH_UP);
        atomic_store(&s.nodes[i].shared.load_factor, 1024);
        s.members[i] = (struct member){.node = &s.nodes[i],
                                       .weight = 1,
                                       .status = SERVER_ONLINE,
                                       .max_connections = 100,
                                       .order = i};
    }
    s.writer_group = (struct hostgroup){.number = 10, .n = N_NODES, .members = s.members};
    s.reader_group = (struct hostgroup){.number = 20, .n = N_NODES, .members = s.members};
    s.roles = (struct role_set){.writer_hostgroup = 10,
                                .reader_hostgroup = 20,
                                .max_writers = 1,
                                .writer_is_also_reader = 2,
                                .cluster = &s.cluster,
                                .writers = &s.writer_group,
                                .to_write = &s.writer_group,
                                .to_read = &s.reader_group};
    atomic_store(&s.cluster.homes, &s.homes);
    atomic_store(&s.homes.is_on, true);
    (void)homes_set(&s.homes, BUCKET, 1);
    s.facts = (struct facts){.flags = FACT_READ, .verb = VERB_SELECT, .digest = 4711};
    s.in = (struct route_input){
        .roles = &s.roles, .facts = &s.facts, .bucket = BUCKET, .now_ms = NOW, .load = load_of};
    publish(A | B | C);
}

static uint64_t choose(void)
{
    struct route route;
    uint64_t mask = 0;

    route_choose(&route, &s.in);
    assert_int_equal(route.bucket, BUCKET);
    for (size_t i = 0; i < route.n; i++) {
        mask |= UINT64_C(1) << route.nodes[i]->index;
        assert_null(route_why_not(&s.in, &route, route.nodes[i]));
    }
    return mask;
}

static uint64_t choose_write(void)
{
    uint64_t mask;

    s.facts.flags &= ~FACT_READ;
    mask = choose();
    s.facts.flags |= FACT_READ;
    return mask;
}

static void set_applied(unsigned node, uint64_t us)
{
    atomic_store(&s.nodes[node].shared.applied_us, us);
}

TEST(route_homes_reads_and_writes_go_home)
{
    struct route route;

    begin();
    route_choose(&route, &s.in);
    assert_int_equal(route.n, 1);
    assert_ptr_equal(route.nodes[0], &s.nodes[1]);
    assert_int_equal(route.reason, ROUTE_HOME);
    assert_int_equal(route.hostgroup, 20);
    assert_false(route.is_writer);
    assert_int_equal(route.mask, A | B | C);
    assert_string_equal(route_why_not(&s.in, &route, &s.nodes[0]),
                        "up, but another node is the home of the schema");
    s.facts.flags = 0;
    route_choose(&route, &s.in);
    assert_ptr_equal(route.nodes[0], &s.nodes[1]);
    assert_int_equal(route.hostgroup, 10);
    assert_true(route.is_writer);
    s.facts.flags = FACT_READ;
    s.in.follow_us = UINT64_MAX;
    assert_int_equal(choose(), B);
    s.in.follow_us = 5000; /* it was written there */
    assert_int_equal(choose(), B);
    s.in.in_transaction = true;
    assert_int_equal(choose(), B);
    s.in.side = ROUTE_WRITERS;
    assert_int_equal(choose(), B);
    s.in.side = ROUTE_READERS; /* a rule's word */
    assert_int_equal(choose(), A | B | C);
}

TEST(route_homes_off_or_not_decided_is_as_ever)
{
    begin();
    atomic_store(&s.homes.is_on, false);
    publish(C);
    assert_int_equal(choose_write(), C);
    atomic_store(&s.homes.is_on, true);
    cluster_unpublish(&s.cluster);
    assert_int_equal(choose_write(), A); /* as configured */
}

TEST(route_homes_while_a_bucket_moves_its_statements_wait)
{
    begin();
    (void)homes_set(&s.homes, BUCKET, HOME_NONE);
    assert_int_equal(choose_write(), 0);
    assert_int_equal(choose(), A | B | C); /* nothing was written: any reader */
    s.in.follow_us = UINT64_MAX;
    assert_int_equal(choose(), 0);
    s.in.follow_us = 5000;
    assert_int_equal(choose(), 0);
    set_applied(2, 5000);
    assert_int_equal(choose(), C);
    atomic_store(&s.homes.wrote_us[BUCKET], 7000); /* before any window */
    assert_int_equal(choose(), 0);
    s.in.follow_us = 0;
    assert_int_equal(choose(), 0);
    set_applied(0, 7000);
    assert_int_equal(choose(), A);
    s.in.side = ROUTE_WRITERS;
    assert_int_equal(choose(), 0);
}

TEST(route_homes_a_home_that_may_not_write_is_none)
{
    begin();
    atomic_store(&s.homes.wrote_us[BUCKET], 7000);
    publish(A | C);
    assert_int_equal(choose_write(), 0);
    assert_int_equal(choose(), 0);
    publish(A | B | C);
    atomic_store(&s.nodes[1].shared.health, HEALTH_SUSPECT);
    assert_int_equal(choose_write(), 0);
    set_applied(2, 7000);
    assert_int_equal(choose(), C);
    assert_int_equal(choose_write(), 0);
}

TEST(route_homes_a_stray_is_waited_for)
{
    begin();
    atomic_store(&s.homes.wrote_us[BUCKET], 9000000);
    atomic_store(&s.homes.stray_us[BUCKET], 9000000);
    set_applied(1, 8999999);
    assert_int_equal(choose(), 0);
    assert_int_equal(choose_write(), 0);
    s.in.follow_us = UINT64_MAX;
    assert_int_equal(choose(), 0);
    s.in.follow_us = 0;
    set_applied(2, 9000000); /* it may be where the stray was written */
    assert_int_equal(choose(), C);
    set_applied(1, 9000000);
    assert_int_equal(choose(), B);
    assert_int_equal(choose_write(), B);
    set_applied(1, 0); /* of whom nothing is known: not at once, but not never */
    assert_int_equal(choose_write(), 0);
    s.in.now_ms = 11001;
    assert_int_equal(choose_write(), B);
}

#define OTHER 78 /* another bucket; node 2 is its home */

TEST(route_homes_several_schemas_wait_for_what_others_wrote)
{
    begin();
    (void)homes_set(&s.homes, OTHER, 2);
    homes_also_add(&s.in.also, BUCKET);
    homes_also_add(&s.in.also, OTHER);
    s.in.asked_us = 9000000;
    assert_int_equal(choose(), B); /* nobody wrote */
    atomic_store(&s.homes.wrote_us[OTHER], 5000);
    set_applied(1, 4999);
    assert_int_equal(choose(), 0);
    assert_int_equal(choose_write(), 0);
    set_applied(1, 5000);
    assert_int_equal(choose(), B);
    assert_int_equal(choose_write(), B);
    atomic_store(&s.homes.wrote_us[BUCKET], 8000); /* it was written there */
    assert_int_equal(choose_write(), B);
    set_applied(1, 4999);
    set_applied(0, 7999);
    assert_int_equal(choose(), 0);
    set_applied(0, 8000); /* it has all of both */
    assert_int_equal(choose(), A);
    s.in.follow_us = UINT64_MAX; /* the session wrote itself */
    assert_int_equal(choose(), 0);
}

TEST(route_homes_what_is_written_all_the_time_is_waited_for_as_it_was)
{
    begin();
    (void)homes_set(&s.homes, OTHER, 2);
    homes_also_add(&s.in.also, OTHER);
    s.in.asked_us = 6000;
    s.in.follow_us = 9000; /* and since then */
    atomic_store(&s.homes.wrote_us[OTHER], 9000);
    atomic_store(&s.homes.stray_us[BUCKET], 9000);
    atomic_store(&s.homes.wrote_us[BUCKET], 9000);
    set_applied(1, 5999);
    assert_int_equal(choose(), 0);
    assert_int_equal(choose_write(), 0);
    set_applied(0, 6000);
    assert_int_equal(choose(), A);
    set_applied(1, 6000);
    assert_int_equal(choose(), B);
    assert_int_equal(choose_write(), B);
    for (unsigned i = 0; i <= HOMES_ALSO_MAX; i++) { /* who knows what */
        homes_also_add(&s.in.also, 100 + i);
    }
    assert_int_equal(choose_write(), B);
    s.in.asked_us = 6001;
    assert_int_equal(choose_write(), 0);
}

TEST(route_homes_who_is_bound_to_a_node_waits_for_it)
{
    begin();
    s.in.asked_us = 9000000;
    atomic_store(&s.homes.wrote_us[BUCKET], 5000);
    assert_true(route_may_stay(&s.in, &s.nodes[1])); /* written there */
    set_applied(0, 4999);
    assert_false(route_may_stay(&s.in, &s.nodes[0]));
    set_applied(0, 5000);
    assert_true(route_may_stay(&s.in, &s.nodes[0]));
    atomic_store(&s.homes.stray_us[BUCKET], 5000);
    set_applied(1, 4999);
    assert_false(route_may_stay(&s.in, &s.nodes[1]));
    set_applied(1, 5000);
    assert_true(route_may_stay(&s.in, &s.nodes[1]));
    atomic_store(&s.homes.wrote_us[BUCKET], 9500000);
    set_applied(0, 9000000); /* what was there when it came */
    assert_true(route_may_stay(&s.in, &s.nodes[0]));
    atomic_store(&s.homes.is_on, false);
    set_applied(0, 1);
    assert_true(route_may_stay(&s.in, &s.nodes[0]));
}

TEST(route_homes_a_write_that_did_not_pass_through_here_is_waited_for)
{
    begin();
    s.in.follow_us = 5001;
    s.in.follow_flags = CAUSAL_FOREIGN;
    set_applied(1, 5000);
    assert_int_equal(choose(), 0);
    set_applied(1, 5001);
    assert_int_equal(choose(), B);
}
