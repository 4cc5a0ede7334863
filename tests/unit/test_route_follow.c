/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_route_follow.c - reads of what was written: writes that did not run on the writer, nodes
 * that are behind, sessions that cannot go elsewhere.
 */
#include "tests/unit/route_cluster_scene.h"

TEST(route_cluster_read_of_a_stray_write_waits_until_the_writer_has_applied_it)
{
    struct scene s;

    make(&s, 3);
    publish(&s, 1, 0, 6);
    s.in.follow_us = 5000;
    assert_ptr_equal(choose(&s).nodes[0], &s.nodes[0]); /* written there: no reader has it yet */
    s.in.follow_flags = CAUSAL_STRAY;
    atomic_store(&s.nodes[0].shared.applied_us, 4999);
    assert_int_equal(choose(&s).n, 0);
    assert_int_equal(choose_write(&s).n, 1); /* a write does not look */
    atomic_store(&s.nodes[0].shared.applied_us, 5000);
    assert_ptr_equal(choose(&s).nodes[0], &s.nodes[0]);
    atomic_store(&s.nodes[0].shared.applied_us, 4999);
    atomic_store(&s.nodes[2].shared.applied_us, 5000);
    assert_ptr_equal(choose(&s).nodes[0], &s.nodes[2]);
    s.in.side = ROUTE_WRITERS;
    assert_int_equal(choose(&s).n, 0);
    s.in.side = ROUTE_SPLIT;
    s.in.in_transaction = true; /* its first read */
    assert_int_equal(choose(&s).n, 0);
    atomic_store(&s.nodes[0].shared.applied_us, 0); /* nothing can be known */
    assert_int_equal(choose(&s).n, 0);
    s.in.now_ms = 2006;
    assert_ptr_equal(choose(&s).nodes[0], &s.nodes[0]);
}

TEST(route_cluster_who_is_bound_to_a_reader_reads_what_it_has_applied)
{
    struct scene s;

    make(&s, 3);
    publish(&s, 1, 0, 6);
    s.in.follow_us = 5000;
    assert_true(route_may_stay(&s.in, &s.nodes[1])); /* nobody knows what it applies */
    for (unsigned i = 0; i < 3; i++) {
        atomic_store(&s.nodes[i].shared.is_numbered, true);
        atomic_store(&s.nodes[i].shared.applied_us, 4999);
    }
    assert_false(route_may_stay(&s.in, &s.nodes[1]));
    assert_true(route_may_stay(&s.in, &s.nodes[0])); /* it was written there */
    s.in.follow_flags = CAUSAL_STRAY;
    assert_false(route_may_stay(&s.in, &s.nodes[0]));
    atomic_store(&s.nodes[0].shared.applied_us, 5000);
    assert_true(route_may_stay(&s.in, &s.nodes[0]));
    s.in.side = ROUTE_READERS; /* a rule names them, whatever they have applied */
    assert_true(route_may_stay(&s.in, &s.nodes[1]));
    s.in.side = ROUTE_SPLIT;
    s.facts.flags &= ~FACT_READ;
    assert_true(route_may_stay(&s.in, &s.nodes[1]));
}

TEST(route_cluster_node_that_is_behind_is_not_read_from_when_the_window_is_over)
{
    struct scene s;

    make(&s, 3);
    publish(&s, 1, 0, 6);
    s.in.follow_us = 5000;
    s.in.follow_flags = CAUSAL_OVER;
    assert_ptr_not_equal(choose(&s).nodes[0], &s.nodes[0]); /* what they have cannot be known */
    atomic_store(&s.nodes[1].shared.is_numbered, true);
    atomic_store(&s.nodes[1].shared.applied_us, 4999);
    assert_int_equal(choose(&s).n, 1);
    assert_ptr_equal(choose(&s).nodes[0], &s.nodes[2]);
    atomic_store(&s.nodes[2].shared.is_numbered, true);
    assert_ptr_equal(choose(&s).nodes[0], &s.nodes[0]);
    assert_int_equal(choose(&s).reason, ROUTE_CAUSAL);
    atomic_store(&s.nodes[1].shared.applied_us, 5000);
    assert_ptr_equal(choose(&s).nodes[0], &s.nodes[1]);
    atomic_store(&s.nodes[1].shared.health, HEALTH_DOWN);
    atomic_store(&s.nodes[2].shared.health, HEALTH_DOWN);
    assert_int_equal(choose(&s).reason, ROUTE_NO_READER);
}

TEST(route_cluster_says_who_writes)
{
    struct scene s;

    make(&s, 3);
    assert_true(route_writes(&s.roles, &s.nodes[2])); /* not decided: as configured */
    publish(&s, 1, 2, 6);
    assert_true(route_writes(&s.roles, &s.nodes[0]));
    assert_false(route_writes(&s.roles, &s.nodes[1]));
    assert_false(route_writes(&s.roles, &s.nodes[2]));
    s.roles.part = PART_READERS;
    assert_false(route_writes(&s.roles, &s.nodes[1]));
    s.roles.cluster = NULL;
    assert_true(route_writes(&s.roles, &s.nodes[1]));
}
