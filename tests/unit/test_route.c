/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_route.c - the decision for one statement, from plain values.
 */
#include "tests/unit/route_scene.h"

/* --- writes ----------------------------------------------------------------------------------- */

TEST(route_write_goes_to_the_elected_writer_alone)
{
    struct scene c;
    struct route route;

    make(&c, 3, 2);
    route = choose_write(&c);
    assert_int_equal(route.n, 1);
    assert_ptr_equal(route.nodes[0], &c.nodes[0]); /* members stand by weight */
    assert_true(route.is_writer);
    assert_int_equal(route.hostgroup, 10);
    assert_int_equal(route.reason, ROUTE_WRITE);
    assert_int_equal(route.mask, 0x7); /* what could write if it were up */
}

TEST(route_next_writer_is_elected_when_the_first_is_down)
{
    struct scene c;

    make(&c, 3, 2);
    set_down(&c, 0);
    assert_ptr_equal(choose_write(&c).nodes[0], &c.nodes[1]);
    c.writers[1].status = SERVER_OFFLINE_SOFT;
    assert_ptr_equal(choose_write(&c).nodes[0], &c.nodes[2]);
    assert_int_equal(choose_write(&c).n, 1);
    assert_int_equal(choose_write(&c).mask, 0x5); /* one that is taken out is not waited for */
    set_up(&c, 0);
    assert_ptr_equal(choose_write(&c).nodes[0], &c.nodes[0]);
}

TEST(route_writer_is_the_same_for_each_site_and_load)
{
    struct scene c;

    make(&c, 3, 0);
    for (uint32_t site = 0; site < 100; site++) {
        c.in.site = site * 2654435761u;
        c.loads[0] = site;
        assert_ptr_equal(choose_write(&c).nodes[0], &c.nodes[0]);
    }
}

TEST(route_max_writers_of_those_that_are_up_are_elected)
{
    struct scene c;
    struct route route;

    make(&c, 4, 0);
    c.roles.max_writers = 2;
    route = choose_write(&c);
    assert_int_equal(route.n, 2);
    assert_true(may_go(&route, &c, 0) && may_go(&route, &c, 1));
    set_down(&c, 0);
    route = choose_write(&c);
    assert_int_equal(route.n, 2);
    assert_true(may_go(&route, &c, 1) && may_go(&route, &c, 2));
    set_down(&c, 1);
    set_down(&c, 2);
    assert_int_equal(choose_write(&c).n, 1);
}

TEST(route_site_keeps_to_one_of_several_writers)
{
    unsigned moved = 0;
    struct scene c;
    uint64_t random = 7;

    make(&c, 3, 0);
    c.roles.max_writers = 3;
    for (unsigned i = 0; i < 1000; i++) {
        const struct node *home;

        c.in.site = (uint32_t)test_random(&random);
        home = choose_write(&c).nodes[0];
        c.loads[0] = i; /* whatever the load */
        assert_ptr_equal(choose_write(&c).nodes[0], home);
        set_down(&c, 2);
        if (choose_write(&c).nodes[0] != home) {
            assert_ptr_equal(home, &c.nodes[2]); /* only its own sites move */
            moved++;
        }
        set_up(&c, 2);
    }
    assert_true(moved > 100);
}

TEST(route_all_down_gives_no_node_but_tells_what_to_wait_for)
{
    struct scene c;
    struct route route;

    make(&c, 2, 2);
    for (unsigned i = 0; i < 4; i++) {
        set_down(&c, i);
    }
    route = choose_write(&c);
    assert_int_equal(route.n, 0);
    assert_int_equal(route.mask, 0x3);
    route = choose(&c);
    assert_int_equal(route.n, 0);
    assert_int_equal(route.mask, 0xf); /* a read can use any */
    assert_int_equal(route.reason, ROUTE_NO_READER);
}

TEST(route_node_that_is_not_online_gets_nothing)
{
    static const uint8_t statuses[] = {SERVER_SHUNNED, SERVER_OFFLINE_SOFT, SERVER_OFFLINE_HARD};
    struct scene c;
    struct route route;

    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        make(&c, 1, 1);
        c.writers[0].status = statuses[i];
        c.readers[0].status = statuses[i];
        route = choose(&c);
        assert_int_equal(route.n, 0);
        assert_int_equal(route.mask, 0);
    }
}

/* --- reads ------------------------------------------------------------------------------------ */

TEST(route_read_goes_to_a_reader)
{
    struct scene c;
    struct route route;

    make(&c, 1, 2);
    route = choose(&c);
    assert_int_equal(route.n, 2);
    assert_false(may_go(&route, &c, 0));
    assert_false(route.is_writer);
    assert_int_equal(route.hostgroup, 20);
    assert_int_equal(route.reason, ROUTE_READ);
}

TEST(route_read_that_may_not_leave_the_writer)
{
    struct scene c;
    struct route route;

    make(&c, 1, 2);
    c.in.in_transaction = true;
    route = choose(&c);
    assert_ptr_equal(route.nodes[0], &c.nodes[0]);
    assert_int_equal(route.n, 1);
    assert_int_equal(route.reason, ROUTE_TRANSACTION);
    c.in.in_transaction = false;
    c.in.follow_us = UINT64_MAX;
    route = choose(&c);
    assert_ptr_equal(route.nodes[0], &c.nodes[0]);
    assert_int_equal(route.n, 1);
    assert_int_equal(route.reason, ROUTE_CAUSAL);
    assert_true(route.is_writer);
}

TEST(route_read_of_what_was_written_goes_to_readers_that_have_applied_it)
{
    struct scene c;
    struct route route;

    make(&c, 1, 2);
    c.in.follow_us = 5000;
    atomic_store(&c.nodes[0].shared.applied_us, 9000); /* the writer is no reader for that */
    atomic_store(&c.nodes[1].shared.applied_us, 4999);
    route = choose(&c);
    assert_int_equal(route.n, 1);
    assert_ptr_equal(route.nodes[0], &c.nodes[0]);
    assert_true(route.is_writer);
    assert_int_equal(route.hostgroup, 10);
    assert_int_equal(route.reason, ROUTE_CAUSAL);
    atomic_store(&c.nodes[2].shared.applied_us, 5000);
    route = choose(&c);
    assert_int_equal(route.n, 1);
    assert_ptr_equal(route.nodes[0], &c.nodes[2]);
    assert_false(route.is_writer);
    assert_int_equal(route.hostgroup, 20);
    assert_int_equal(route.reason, ROUTE_READ);
    atomic_store(&c.nodes[1].shared.applied_us, 5001);
    assert_int_equal(choose(&c).n, 2);
    set_down(&c, 1);
    set_down(&c, 2);
    route = choose(&c);
    assert_int_equal(route.n, 1);
    assert_int_equal(route.reason, ROUTE_CAUSAL);
    c.in.follow_us = UINT64_MAX; /* whatever they have applied */
    set_up(&c, 1);
    atomic_store(&c.nodes[1].shared.applied_us, UINT64_MAX - 1);
    assert_int_equal(choose(&c).reason, ROUTE_CAUSAL);
    c.in.follow_us = 5000; /* what may write goes to the writer all the same */
    assert_int_equal(choose_write(&c).reason, ROUTE_WRITE);
    c.in.in_transaction = true;
    assert_int_equal(choose(&c).reason, ROUTE_TRANSACTION);
}

TEST(route_read_goes_to_the_writer_when_no_reader_is_up)
{
    struct scene c;
    struct route route;

    make(&c, 1, 2);
    set_down(&c, 1);
    c.readers[1].status = SERVER_OFFLINE_HARD;
    route = choose(&c);
    assert_int_equal(route.n, 1);
    assert_ptr_equal(route.nodes[0], &c.nodes[0]);
    assert_true(route.is_writer);
    assert_int_equal(route.hostgroup, 10);
    assert_int_equal(route.reason, ROUTE_NO_READER);
    assert_int_equal(route.mask, 0x3);
}

TEST(route_read_goes_to_the_writer_rather_than_to_readers_it_was_lost_with)
{
    struct scene c;
    struct route r;

    make(&c, 1, 2);
    c.in.avoid = UINT64_C(1) << 1;
    route_choose(&r, &c.in);
    assert_int_equal(r.n, 1);
    assert_ptr_equal(r.nodes[0], &c.nodes[2]);
    c.in.avoid |= UINT64_C(1) << 2;
    route_choose(&r, &c.in);
    assert_int_equal(r.n, 1);
    assert_ptr_equal(r.nodes[0], &c.nodes[0]);
    assert_true(r.is_writer);
    c.in.side = ROUTE_READERS; /* a rule's word is final */
    route_choose(&r, &c.in);
    assert_int_equal(r.n, 2);
}

TEST(route_read_in_a_hostgroup_without_split)
{
    struct scene c;
    struct route route;

    make(&c, 2, 0);
    c.roles.reader_hostgroup = 10;
    c.roles.max_writers = UINT32_MAX;
    route = choose(&c);
    assert_int_equal(route.n, 2);
    assert_int_equal(route.hostgroup, 10);
    assert_int_equal(route.reason, ROUTE_NO_SPLIT);
    c.in.follow_us = UINT64_MAX;
    assert_int_equal(choose(&c).reason, ROUTE_CAUSAL);
}

TEST(route_writer_is_also_reader_lets_the_writer_read)
{
    struct scene c;
    struct route route;

    make(&c, 1, 1);
    c.roles.writer_is_also_reader = 1;
    route = choose(&c);
    assert_true(may_go(&route, &c, 0) && may_go(&route, &c, 1));
    assert_int_equal(route.reason, ROUTE_READ);
    c.roles.writer_is_also_reader = 0;
    assert_int_equal(choose(&c).n, 1);
    c.roles.writer_is_also_reader = 2;
    assert_int_equal(choose(&c).n, 1);
}

TEST(route_writers_that_are_not_elected_read)
{
    struct scene c;
    struct route route;

    make(&c, 3, 0);
    c.roles.writer_is_also_reader = 2;
    route = choose(&c);
    assert_int_equal(route.n, 2);
    assert_false(may_go(&route, &c, 0));
    set_down(&c, 0); /* the next one is elected and reads no more */
    route = choose(&c);
    assert_int_equal(route.n, 1);
    assert_true(may_go(&route, &c, 2));
    set_down(&c, 2); /* nobody is left to read */
    route = choose(&c);
    assert_ptr_equal(route.nodes[0], &c.nodes[1]);
    assert_int_equal(route.reason, ROUTE_NO_READER);
}

TEST(route_node_in_both_hostgroups_is_one_choice)
{
    struct scene c;
    struct route route;

    make(&c, 2, 2);
    c.readers[0].node = &c.nodes[0];
    c.readers[1].node = &c.nodes[1];
    c.roles.writer_is_also_reader = 1;
    route = choose(&c);
    assert_int_equal(route.n, 2);
    assert_int_equal(route.mask, 0x3);
}

/* --- which reader ----------------------------------------------------------------------------- */

TEST(route_site_stays_on_its_reader_until_that_is_busier)
{
    struct scene c;
    const struct node *home;
    struct route route;
    unsigned load = 0;

    make(&c, 1, 3);
    home = choose(&c).nodes[0];
    assert_ptr_equal(choose(&c).nodes[0], home);
    c.loads[home->index] = 1;
    assert_ptr_equal(choose(&c).nodes[0], home); /* a statement more is no reason */
    while (choose(&c).nodes[0] == home) {
        c.loads[home->index] = ++load;
        assert_true(load < 100);
    }
    assert_true(load > 1);
    route = choose(&c);
    assert_true(may_go(&route, &c, home->index)); /* still a choice */
    c.loads[home->index] = 0;
    assert_ptr_equal(choose(&c).nodes[0], home);
}

TEST(route_least_busy_of_the_others_is_second)
{
    struct scene c;
    struct route route;

    make(&c, 0, 4);
    for (unsigned i = 0; i < 4; i++) {
        c.loads[i] = 50 + 10 * i;
    }
    route = choose(&c);
    assert_int_equal(route.n, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_ptr_equal(route.nodes[i], &c.nodes[i]);
    }
}

TEST(route_heavier_reader_takes_more)
{
    unsigned n_heavy = 0;
    struct scene c;
    uint64_t random = 3;

    make(&c, 0, 2);
    c.readers[1].weight = 10;
    for (unsigned i = 0; i < 1000; i++) { /* homes */
        c.in.site = (uint32_t)test_random(&random);
        n_heavy += choose(&c).nodes[0] == &c.nodes[1];
    }
    assert_true(n_heavy > 750);
    c.loads[0] = 5; /* and load: 9 of weight 10 are less than 5 of weight 1 */
    c.loads[1] = 9;
    assert_ptr_equal(choose(&c).nodes[0], &c.nodes[1]);
    c.readers[1].weight = 0; /* no division by it */
    assert_int_equal(choose(&c).n, 2);
}

TEST(route_sites_spread_over_readers)
{
    unsigned homes[N_NODES] = {0};
    struct scene c;
    uint64_t random = 11;

    make(&c, 1, 4);
    for (unsigned i = 0; i < 4000; i++) {
        c.in.site = (uint32_t)test_random(&random);
        homes[choose(&c).nodes[0]->index]++;
    }
    for (unsigned i = 1; i < 5; i++) {
        assert_true(homes[i] > 600 && homes[i] < 1600);
    }
}

TEST(route_lost_reader_moves_only_its_own_sites)
{
    struct scene c;
    uint64_t random = 5;
    unsigned moved = 0;

    make(&c, 1, 4);
    for (unsigned i = 0; i < 1000; i++) {
        const struct node *home;

        c.in.site = (uint32_t)test_random(&random);
        home = choose(&c).nodes[0];
        set_down(&c, 2);
        if (home == &c.nodes[2]) {
            moved++;
        } else {
            assert_ptr_equal(choose(&c).nodes[0], home);
        }
        set_up(&c, 2);
        assert_ptr_equal(choose(&c).nodes[0], home); /* and they come back */
    }
    assert_true(moved > 100);
}

TEST(route_more_nodes_than_a_route_holds)
{
    struct node nodes[NODES_MAX];
    struct member members[NODES_MAX];
    struct scene c;
    struct route route;

    make(&c, 0, 1);
    for (unsigned i = 0; i < NODES_MAX; i++) {
        nodes[i] = (struct node){.index = i, .is_resolved = true};
        members[i] = member_of(&nodes[i]);
    }
    c.writer_group = (struct hostgroup){.number = 10, .n = NODES_MAX, .members = members};
    c.roles.max_writers = UINT32_MAX;
    route = choose_write(&c);
    assert_int_equal(route.n, ROUTE_MAX_NODES);
    assert_int_equal(route.mask, UINT64_MAX);
}

TEST(route_reasons_have_a_text)
{
    for (int i = ROUTE_READ; i <= ROUTE_NO_READER; i++) {
        assert_non_null(route_reason_text((enum route_reason)i));
        for (int j = ROUTE_READ; j < i; j++) {
            assert_string_not_equal(route_reason_text((enum route_reason)i),
                                    route_reason_text((enum route_reason)j));
        }
    }
}

/* --- hostgroups that a rule names ------------------------------------------------------------- */
