/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_route_cluster.c - the decision when a monitor says who writes and who reads, and the choice
 * among readers.
 */
#include "tests/unit/route_cluster_scene.h"

/* --- roles ------------------------------------------------------------------------------------ */

TEST(route_cluster_is_as_configured_until_it_is_decided)
{
    struct scene s;
    struct route route;

    make(&s, 3);
    route = choose_write(&s);
    assert_int_equal(nodes_of(&route), A);
    assert_int_equal(route.mask, A);
    assert_string_equal(route_role(&s.roles, &s.nodes[0]), "as configured");
    publish(&s, B, C, A | C);
    route = choose_write(&s);
    assert_int_equal(nodes_of(&route), B);
    assert_int_equal(route.mask, A | B | C); /* each may be the next one */
    route = choose(&s);
    assert_int_equal(nodes_of(&route), A | C);
    assert_int_equal(route.hostgroup, 20);
    cluster_unpublish(&s.cluster);
    route = choose_write(&s);
    assert_int_equal(nodes_of(&route), A);
}

TEST(route_cluster_without_a_writer_lets_writes_and_reads_that_follow_wait)
{
    const struct roles roles = {.writers = A, .backups = B, .readers = B | C};
    struct scene s;
    struct route route;

    make(&s, 3);
    cluster_publish(&s.cluster, &roles, true);
    route = choose_write(&s);
    assert_int_equal(route.n, 0);
    assert_int_equal(route.mask, A | B | C);
    assert_true(route.is_writer);
    route = choose(&s);
    assert_int_equal(nodes_of(&route), B | C); /* other reads go on */
    s.in.follow_us = UINT64_MAX;
    assert_int_equal(choose(&s).n, 0);
    s.in.follow_us = 5000;
    route = choose(&s);
    assert_int_equal(route.n, 0);
    assert_string_equal(route_why_not(&s.in, &route, &s.nodes[1]),
                        "up, but it is not known to have applied what was written");
    atomic_store(&s.nodes[2].shared.applied_us, 5000);
    route = choose(&s);
    assert_int_equal(nodes_of(&route), C);
    s.in.follow_us = 0;
    s.in.in_transaction = true;
    assert_int_equal(choose(&s).n, 0);
    cluster_publish(&s.cluster, &roles, false);
    route = choose(&s);
    assert_int_equal(nodes_of(&route), A);
}

TEST(route_cluster_without_readers_reads_from_the_writer)
{
    struct scene s;
    struct route route;

    make(&s, 3);
    publish(&s, C, 0, 0);
    route = choose(&s);
    assert_int_equal(nodes_of(&route), C);
    assert_int_equal(route.reason, ROUTE_NO_READER);
    assert_true(route.is_writer);
    s.in.side = ROUTE_READERS; /* a rule's word is final: it waits */
    route = choose(&s);
    assert_int_equal(route.n, 0);
    assert_int_equal(route.mask, A | B | C);
    s.in.side = ROUTE_WRITERS;
    route = choose(&s);
    assert_int_equal(nodes_of(&route), C);
}

TEST(route_cluster_writers_that_also_read)
{
    struct scene s;
    struct route route;

    make(&s, 3);
    publish(&s, A, 0, B); /* replication: its roles have no word on this */
    route = choose(&s);
    assert_int_equal(nodes_of(&route), B);
    s.roles.writer_is_also_reader = 1;
    route = choose(&s);
    assert_int_equal(nodes_of(&route), A | B);
}

TEST(route_cluster_readers_alone_and_backups_alone)
{
    struct scene s;
    struct route route;

    make(&s, 4);
    publish(&s, A, B, C | D);
    s.roles.writer_hostgroup = 20;
    s.roles.max_writers = UINT32_MAX;
    s.roles.part = PART_READERS;
    for (int named = 0; named < 2; named++) {
        s.in.side = named ? ROUTE_WRITERS : ROUTE_SPLIT;
        route = choose(&s);
        assert_int_equal(nodes_of(&route), C | D);
        assert_int_equal(route.hostgroup, 20);
        route = choose_write(&s);
        assert_int_equal(nodes_of(&route), C | D);
    }
    s.roles.part = PART_BACKUPS;
    route = choose(&s);
    assert_int_equal(nodes_of(&route), B);
}

TEST(route_cluster_admin_word_holds_before_the_monitor_knows)
{
    struct scene s;
    struct route route;

    make(&s, 3);
    publish(&s, A, B | C, B | C);
    s.to_read[1].status = SERVER_OFFLINE_SOFT;
    s.to_write[0].status = SERVER_OFFLINE_HARD;
    route = choose(&s);
    assert_int_equal(nodes_of(&route), C);
    assert_int_equal(route.mask, A | C);
    assert_string_equal(route_why_not(&s.in, &route, &s.nodes[1]), "OFFLINE_SOFT in mysql_servers");
    route = choose_write(&s);
    assert_int_equal(route.n, 0);
    assert_string_equal(route_why_not(&s.in, &route, &s.nodes[0]), "OFFLINE_HARD in mysql_servers");
}

/* --- health ----------------------------------------------------------------------------------- */

TEST(route_down_node_is_never_chosen_and_a_suspect_one_is_last)
{
    for (int decided = 0; decided < 2; decided++) {
        struct scene s;
        struct route route;

        make(&s, 4);
        if (decided) {
            publish(&s, A, B, B | C | D);
        }
        set_health(&s, 1, HEALTH_DOWN);
        set_health(&s, 2, HEALTH_SUSPECT);
        s.loads[3] = 5000; /* but it answers */
        route = choose(&s);
        assert_int_equal(nodes_of(&route), C | D);
        assert_ptr_equal(route.nodes[0], &s.nodes[3]);
        assert_int_equal(route.mask, decided ? A | B | C | D : B | C | D);
        set_health(&s, 3, HEALTH_DOWN);
        route = choose(&s);
        assert_int_equal(nodes_of(&route), C);
        set_health(
            &s, 0,
            HEALTH_SUSPECT); /* what it was sent would be in doubt: writes wait for the monitor's word */
        assert_int_equal(choose_write(&s).n, decided ? 0 : 1);
        set_health(&s, 0, HEALTH_DOWN);
        assert_int_equal(choose_write(&s).n, 0);
    }
}

TEST(route_several_writers_a_suspect_one_is_left_out)
{
    struct scene s;
    struct route route;

    make(&s, 3);
    s.roles.max_writers = 3;
    publish(&s, A | B | C, 0, 0);
    for (uint32_t site = 0; site < 50; site++) {
        s.in.site = site * 2654435761u;
        set_health(&s, site % 3, HEALTH_SUSPECT);
        route = choose_write(&s);
        assert_int_equal(nodes_of(&route), (A | B | C) & ~(UINT64_C(1) << site % 3));
        set_health(&s, site % 3, HEALTH_UP);
    }
}

/* --- which reader ----------------------------------------------------------------------------- */

static void set_latency(struct scene *s, unsigned node, unsigned us)
{
    atomic_store(&s->nodes[node].shared.latency_us, us);
}

TEST(route_reader_that_is_far_away_gets_less)
{
    struct scene s;

    make(&s, 3);
    publish(&s, A, 0, B | C);
    for (uint32_t site = 0; site < 100; site++) {
        s.in.site = site * 2654435761u; /* whoever is at home there */
        set_latency(&s, 1, 300);
        set_latency(&s, 2, 12000);
        assert_ptr_equal(choose(&s).nodes[0], &s.nodes[1]);
    }
    s.loads[1] = 60; /* but it is not left alone */
    assert_ptr_equal(choose(&s).nodes[0], &s.nodes[2]);
}

TEST(route_jitter_of_latency_moves_no_site)
{
    struct scene s;
    uint64_t random = 77;

    make(&s, 3);
    publish(&s, A, 0, B | C);
    for (unsigned i = 0; i < 1000; i++) {
        const struct node *home;

        s.in.site = (uint32_t)test_random(&random);
        set_latency(&s, 1, 0);
        set_latency(&s, 2, 0);
        home = choose(&s).nodes[0];
        set_latency(&s, 1, (unsigned)(test_random(&random) % 1999));
        set_latency(&s, 2, (unsigned)(test_random(&random) % 1999));
        assert_ptr_equal(choose(&s).nodes[0], home);
    }
}

TEST(route_busy_reader_gets_less_by_its_load_factor)
{
    struct scene s;

    make(&s, 3);
    publish(&s, A, 0, B | C);
    s.loads[1] = s.loads[2] = 10;
    for (uint32_t site = 0; site < 100; site++) {
        s.in.site = site * 2654435761u;
        atomic_store(&s.nodes[1].shared.load_factor, 4 * 1024);
        atomic_store(&s.nodes[2].shared.load_factor, 1024);
        assert_ptr_equal(choose(&s).nodes[0], &s.nodes[2]);
        atomic_store(&s.nodes[1].shared.load_factor, 1024);
        atomic_store(&s.nodes[2].shared.load_factor, 4 * 1024);
        assert_ptr_equal(choose(&s).nodes[0], &s.nodes[1]);
    }
}

TEST(route_tiers_of_readers_are_fit_slow_weightless_suspect)
{
    struct scene s;
    struct route route;

    make(&s, 5);
    publish(&s, A, 0, B | C | D | 16);
    s.to_read[1].max_latency_ms = 20;
    set_latency(&s, 1, 20001);
    s.to_read[2].weight = 0;
    set_health(&s, 3, HEALTH_SUSPECT);
    s.loads[4] = 60000;
    route = choose(&s);
    assert_int_equal(route.n, 4);
    assert_ptr_equal(route.nodes[0], &s.nodes[4]);
    assert_ptr_equal(route.nodes[1], &s.nodes[1]);
    assert_ptr_equal(route.nodes[2], &s.nodes[2]);
    assert_ptr_equal(route.nodes[3], &s.nodes[3]);
    set_latency(&s, 1, 20000); /* not above */
    assert_ptr_equal(choose(&s).nodes[0], &s.nodes[1]);
}

TEST(route_extreme_figures_stay_in_their_tier)
{
    struct scene s;

    make(&s, 3);
    publish(&s, A, 0, B | C);
    set_health(&s, 2, HEALTH_SUSPECT);
    set_latency(&s, 1, UINT32_MAX);
    s.loads[1] = UINT32_MAX - 3;
    atomic_store(&s.nodes[1].shared.load_factor, UINT32_MAX);
    assert_ptr_equal(choose(&s).nodes[0], &s.nodes[1]);
    atomic_store(&s.nodes[1].shared.load_factor, 0);
    s.to_read[1].weight = UINT32_MAX;
    assert_ptr_equal(choose(&s).nodes[0], &s.nodes[1]);
}

/* --- many readers ----------------------------------------------------------------------------- */

TEST(route_of_many_readers_three_are_weighed)
{
    struct scene s;
    struct route route;

    make(&s, N_NODES);
    publish(&s, A, 0, 0xffe);
    for (unsigned i = 0; i < 500; i++) {
        s.in.now_ms = NOW + i;
        s.facts.digest = i * UINT64_C(0x9e3779b97f4a7c15);
        route = choose(&s);
        assert_int_equal(route.n, ROUTE_MAX_NODES);
        assert_in_range(s.n_asked, 2, 3);
    }
    publish(&s, A, 0, B | C | D | 16);
    (void)choose(&s);
    assert_int_equal(s.n_asked, 4);
}

TEST(route_of_many_readers_a_busy_one_gets_little_and_all_get_some)
{
    unsigned got[N_NODES] = {0};
    struct scene s;
    uint64_t random = 99;

    make(&s, N_NODES);
    publish(&s, A, 0, 0xffe);
    s.loads[5] = 40;
    for (unsigned i = 0; i < 11000; i++) {
        s.in.site = (uint32_t)test_random(&random);
        s.in.now_ms = NOW + i / 7;
        got[choose(&s).nodes[0]->index]++;
    }
    assert_int_equal(got[0], 0);
    assert_true(got[5] == 0); /* any other is better */
    for (unsigned i = 1; i < N_NODES; i++) {
        assert_true(i == 5 || (got[i] > 600 && got[i] < 1800));
    }
}

TEST(route_of_many_readers_one_site_moves_away_from_its_busy_home)
{
    unsigned got[N_NODES] = {0};
    unsigned n_used = 0;
    struct scene s;
    unsigned home;

    make(&s, N_NODES);
    publish(&s, A, 0, 0xffe);
    home = choose(&s).nodes[0]->index;
    for (unsigned i = 0; i < 100; i++) {
        s.in.now_ms = NOW + i;
        assert_int_equal(choose(&s).nodes[0]->index, home);
    }
    s.loads[home] = 30;
    for (unsigned i = 0; i < 500; i++) {
        s.in.now_ms = NOW + i;
        got[choose(&s).nodes[0]->index]++;
    }
    for (unsigned i = 0; i < N_NODES; i++) {
        n_used += got[i] > 0;
    }
    assert_int_equal(got[home], 0);
    assert_true(n_used >= 8); /* not all to the same other one */
}

TEST(route_of_many_readers_the_fit_ones_come_before_a_suspect_sample)
{
    struct scene s;

    make(&s, N_NODES);
    publish(&s, A, 0, 0xffe);
    for (unsigned i = 1; i < N_NODES; i++) {
        set_health(&s, i, i == 7 ? HEALTH_UP : HEALTH_SUSPECT);
    }
    for (unsigned i = 0; i < 200; i++) {
        s.in.now_ms = NOW + i;
        assert_ptr_equal(choose(&s).nodes[0], &s.nodes[7]);
    }
}

/* --- why not ---------------------------------------------------------------------------------- */

TEST(route_says_roles_and_why_a_node_is_not_used)
{
    struct scene s;
    struct route route;

    make(&s, 4);
    publish(&s, A, B, A | B | C);
    assert_string_equal(route_role(&s.roles, &s.nodes[0]), "writer and reader");
    assert_string_equal(route_role(&s.roles, &s.nodes[1]), "backup writer and reader");
    assert_string_equal(route_role(&s.roles, &s.nodes[2]), "reader");
    assert_string_equal(route_role(&s.roles, &s.nodes[3]), "offline");
    publish(&s, A, B, C);
    assert_string_equal(route_role(&s.roles, &s.nodes[0]), "writer");
    assert_string_equal(route_role(&s.roles, &s.nodes[1]), "backup writer");
    route = choose(&s);
    assert_string_equal(route_why_not(&s.in, &route, &s.nodes[0]), "up, but it does not read");
    set_health(&s, 1, HEALTH_DOWN);
    route = choose_write(&s);
    assert_non_null(strstr(route_why_not(&s.in, &route, &s.nodes[1]), "down: the monitor"));
    assert_non_null(strstr(route_why_not(&s.in, &route, &s.nodes[2]), "another node"));
    atomic_store(&s.nodes[2].shared.down_until_ms, NOW + 1);
    assert_non_null(strstr(route_why_not(&s.in, &route, &s.nodes[2]), "down: connecting"));
    s.nodes[2].is_resolved = false;
    assert_non_null(strstr(route_why_not(&s.in, &route, &s.nodes[2]), "resolved"));
    s.groups[2].n = 2;
    assert_non_null(strstr(route_why_not(&s.in, &route, &s.nodes[3]), "none of the hostgroups"));
}

TEST(route_cluster_named_readers_are_asked_whatever_they_have_applied)
{
    struct scene s;
    struct route route;

    make(&s, 3);
    publish(&s, A, B | C, B | C);
    s.in.side = ROUTE_READERS;
    s.in.follow_us = 5000;
    route = choose(&s);
    assert_int_equal(nodes_of(&route), B | C);
}
