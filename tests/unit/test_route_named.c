/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_route_named.c - hostgroups that a rule names, and who finds which roles.
 */
#include "tests/unit/route_scene.h"

TEST(route_named_readers_get_writes_too)
{
    struct scene c;
    struct route route;

    make(&c, 3, 2);
    c.in.side = ROUTE_READERS;
    c.in.in_transaction = true;
    c.in.follow_us = UINT64_MAX; /* what would send it to the writer */
    route = choose_write(&c);
    assert_false(may_go(&route, &c, 0));
    assert_int_equal(route.n, 4); /* two readers, and two writers that are not elected */
    assert_false(route.is_writer);
    assert_int_equal(route.hostgroup, 20);
    assert_int_equal(route.reason, ROUTE_NAMED);
}

TEST(route_named_readers_are_not_replaced_by_the_writer)
{
    struct scene c;
    struct route route;

    make(&c, 1, 1);
    c.in.side = ROUTE_READERS;
    set_down(&c, 1);
    route = choose(&c);
    assert_int_equal(route.n, 0);
    assert_int_equal(route.mask, 0x2); /* waited for */
}

TEST(route_named_writers_get_reads_too)
{
    struct scene c;
    struct route route;

    make(&c, 2, 2);
    c.in.side = ROUTE_WRITERS;
    route = choose(&c);
    assert_int_equal(route.n, 1);
    assert_ptr_equal(route.nodes[0], &c.nodes[0]);
    assert_true(route.is_writer);
    assert_int_equal(route.hostgroup, 10);
    assert_int_equal(route.reason, ROUTE_NAMED);
}

TEST(route_named_hostgroup_without_roles_is_read_by_load)
{
    struct scene c;

    make(&c, 3, 0);
    c.roles.reader_hostgroup = 10;
    c.roles.max_writers = UINT32_MAX;
    c.in.side = ROUTE_WRITERS;
    for (unsigned busiest = 0; busiest < 3; busiest++) {
        memset(c.loads, 0, sizeof(c.loads));
        c.loads[busiest] = 50;
        assert_ptr_equal(choose(&c).nodes[2], &c.nodes[busiest]);
    }
    assert_int_equal(choose_write(&c).n, 3);
}

TEST(route_find_roles_knows_defaults_writers_readers_and_what_is_not_there)
{
    struct scene c;
    struct topology t = {.n_roles = 1, .roles = &c.roles};
    struct route_input in = {.side = 9};

    make(&c, 2, 2);
    assert_true(route_find_roles(&in, &t, 10, -1));
    assert_int_equal(in.side, ROUTE_SPLIT);
    assert_true(route_find_roles(&in, &t, 77, 10));
    assert_int_equal(in.side, ROUTE_WRITERS);
    assert_true(route_find_roles(&in, &t, 77, 20));
    assert_int_equal(in.side, ROUTE_READERS);
    assert_ptr_equal(in.roles, &c.roles);
    assert_false(route_find_roles(&in, &t, 10, 30));
    assert_false(route_find_roles(&in, &t, 30, -1));
}
