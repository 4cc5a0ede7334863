/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_monitor_homes.c - how the homes of schemas move, with reports of our own making.
 */
#include <limits.h>
#include <stdio.h>

#include "pool/cluster.h"
#include "tests/unit/monitor_scene.h"

static unsigned n_held;

static unsigned count_held(void *arg)
{
    (void)arg;
    return n_held;
}

static const struct homes *homes(const struct fixture *f)
{
    return homes_of(f->g->cluster);
}

static unsigned n_at(const struct fixture *f, unsigned node)
{
    unsigned n = 0;

    for (unsigned b = 0; b < HOMES_BUCKETS; b++) {
        n += homes_at(homes(f), b) == node ? 1 : 0;
    }
    return n;
}

static unsigned n_moving(const struct fixture *f)
{
    return n_at(f, HOME_NONE);
}

/* What the monitor does after each turn of its loop. */
static void tell(struct fixture *f)
{
    f->m.has_changed = false;
    group_announced(f->g);
}

/* The node has applied all until now. */
static void prove(struct fixture *f, unsigned i, uint64_t number)
{
    struct node_report r = f->m.watches[i]->report;

    (void)snprintf(r.state_uuid, sizeof(r.state_uuid), "7a84c0de");
    r.last_committed = number;
    applied_join(&f->m.applied, i);
    applied_checked(&f->m.applied, i, &r, clock_now_us(), clock_now_us());
    applied_proved(&f->m.applied, i, number, clock_now_us(), clock_now_us());
}

static void begin(struct fixture *f)
{
    n_held = 0;
    scene_begin(f);
    f->nodes.n_held = count_held;
    f->g->homes.wants = true;
    for (unsigned i = 0; i < N; i++) {
        scene_up(f, i);
        f->m.watches[i]->report.primary = true;
    }
    group_look(f->g);
    tell(f);
}

/* The move that is under way: told, empty, applied by all. */
static void move_on(struct fixture *f)
{
    tell(f);
    group_look(f->g);
    scene_pass_ms(1);
    for (unsigned i = 0; i < N; i++) {
        prove(f, i, 100);
    }
    group_look(f->g);
    tell(f);
}

TEST(monitor_homes_all_are_at_home_at_once_when_nobody_wrote)
{
    struct fixture f;

    begin(&f);
    assert_non_null(homes(&f));
    assert_int_equal(scene_writers(&f), 7);
    assert_int_equal(n_moving(&f), 0);
    assert_in_range(n_at(&f, 0), 1900, 2200); /* weights 3, 2, 1 */
    assert_in_range(n_at(&f, 1), 1200, 1520);
    assert_in_range(n_at(&f, 2), 580, 780);
    assert_false(group_waits(f.g));
    scene_end(&f);
}

TEST(monitor_homes_of_a_lost_node_move_when_all_is_applied)
{
    struct fixture f;
    unsigned of_lost, at[N];

    begin(&f);
    of_lost = n_at(&f, 0);
    at[1] = n_at(&f, 1);
    at[2] = n_at(&f, 2);
    scene_down(&f, 0);
    n_held = UINT_MAX; /* the workers have not looked */
    group_look(f.g);
    assert_int_equal(scene_writers(&f), 6);
    assert_int_equal(n_moving(&f), of_lost); /* the others go on */
    assert_int_equal(n_at(&f, 1), at[1]);
    assert_true(f.m.has_changed);
    assert_true(group_waits(f.g));
    group_look(f.g);
    tell(&f);
    prove(&f, 1, 100);
    prove(&f, 2, 100);
    group_look(f.g);
    assert_int_equal(n_moving(&f), of_lost); /* what is acknowledged there now may come later */
    n_held = 0;
    group_look(f.g);
    assert_int_equal(n_moving(&f), of_lost); /* that proof began too early */
    scene_pass_ms(1);
    prove(&f, 1, 101);
    group_look(f.g);
    assert_true(n_at(&f, 1) > at[1]);
    assert_int_equal(n_at(&f, 2), at[2]);
    assert_true(n_moving(&f) > 0);
    prove(&f, 2, 101);
    group_look(f.g);
    assert_int_equal(n_moving(&f), 0);
    assert_int_equal(n_at(&f, 0), 0);
    assert_true(n_at(&f, 2) > at[2]);
    scene_end(&f);
}

TEST(monitor_homes_a_lost_node_is_not_waited_for_longer_than_for_a_writer)
{
    struct fixture f;

    begin(&f);
    scene_down(&f, 0);
    n_held = 3;
    group_look(f.g);
    tell(&f);
    scene_pass_ms(FAILOVER_DRAIN_MS);
    group_look(f.g);
    scene_pass_ms(1);
    prove(&f, 1, 100);
    prove(&f, 2, 100);
    group_look(f.g);
    assert_int_equal(n_moving(&f), 0);
    scene_end(&f);
}

TEST(monitor_homes_two_nodes_are_lost_one_after_the_other)
{
    struct fixture f;

    begin(&f);
    scene_down(&f, 0);
    group_look(f.g);
    tell(&f);
    group_look(f.g);
    scene_down(&f, 1); /* some were about to go there */
    group_look(f.g);
    assert_int_equal(n_moving(&f) + n_at(&f, 2), HOMES_BUCKETS);
    move_on(&f);
    assert_int_equal(n_at(&f, 2), HOMES_BUCKETS);
    scene_down(&f, 2);
    group_look(f.g);
    assert_int_equal(n_moving(&f), HOMES_BUCKETS);
    scene_end(&f);
}

/* Node 0 was lost, its buckets have moved, and it is back and has caught up. */
static unsigned lose_and_return(struct fixture *f)
{
    unsigned share;

    begin(f);
    share = n_at(f, 0);
    scene_down(f, 0);
    group_look(f->g);
    move_on(f);
    assert_int_equal(n_at(f, 0), 0);
    scene_up(f, 0);
    group_look(f->g);
    scene_catch_up(f, 0, true);
    assert_int_equal(scene_writers(f), 7);
    return share;
}

TEST(monitor_homes_come_back_in_steps_when_the_node_is_warm)
{
    struct fixture f;
    unsigned steps = 0, share;

    share = lose_and_return(&f);
    scene_pass_ms(5000);
    scene_up(&f, 0);
    group_look(f.g);
    assert_int_equal(n_moving(&f), 0); /* mysql-slow_start_ms */
    scene_pass_ms(5001);
    group_look(f.g);
    assert_int_equal(n_moving(&f), HOMES_BUCKETS / 20);
    assert_int_equal(n_at(&f, 0), 0);
    for (; n_moving(&f) > 0; steps++) {
        assert_true(n_moving(&f) <= HOMES_BUCKETS / 20);
        move_on(&f);
        assert_int_equal(n_moving(&f), 0);
        scene_pass_ms(200);
        group_look(f.g);
    }
    assert_int_equal(n_at(&f, 0), share);
    assert_int_equal(steps, (share + HOMES_BUCKETS / 20 - 1) / (HOMES_BUCKETS / 20));
    scene_end(&f);
}

TEST(monitor_homes_stay_when_something_does_not_end)
{
    struct fixture f;

    (void)lose_and_return(&f);
    scene_pass_ms(10001);
    n_held = 1;
    group_look(f.g);
    assert_true(n_moving(&f) > 0);
    tell(&f);
    scene_pass_ms(499);
    group_look(f.g);
    assert_true(n_moving(&f) > 0);
    scene_pass_ms(1);
    group_look(f.g);
    assert_int_equal(n_moving(&f), 0);
    assert_int_equal(n_at(&f, 0), 0);
    assert_true(group_waits(f.g)); /* to try again */
    scene_pass_ms(1000);
    group_look(f.g);
    assert_true(n_moving(&f) > 0);
    scene_end(&f);
}

TEST(monitor_homes_a_bucket_that_does_not_end_does_not_keep_the_others)
{
    struct fixture f;
    unsigned share, stubborn = 0, n_failed = 0;

    share = lose_and_return(&f);
    scene_pass_ms(10001);
    group_look(f.g);
    while (homes_at(homes(&f), stubborn) != HOME_NONE) {
        stubborn++;
    }
    for (unsigned turn = 0; turn < 200 && n_at(&f, 0) + 1 < share; turn++) {
        n_held = homes_at(homes(&f), stubborn) == HOME_NONE ? 1 : 0;
        n_failed += n_held;
        if (n_held != 0) {
            tell(&f);
            scene_pass_ms(500);
            group_look(f.g);
            assert_int_equal(n_moving(&f), 0);
        } else {
            move_on(&f);
        }
        scene_pass_ms(1000);
        group_look(f.g);
    }
    assert_int_equal(n_at(&f, 0) + 1, share);
    assert_in_range(n_failed, 8, 24);
    scene_end(&f);
}

TEST(monitor_homes_stay_when_the_new_one_does_not_apply)
{
    struct fixture f;

    (void)lose_and_return(&f);
    scene_pass_ms(10001);
    group_look(f.g);
    tell(&f);
    group_look(f.g);
    scene_pass_ms(3000);
    group_look(f.g);
    assert_int_equal(n_moving(&f), 0);
    assert_int_equal(n_at(&f, 0), 0);
    scene_end(&f);
}

TEST(monitor_homes_turned_on_begin_at_the_writer)
{
    struct fixture f;

    n_held = 0;
    scene_begin_healthy(&f);
    f.nodes.n_held = count_held;
    assert_null(homes(&f));
    f.g->homes.wants = true;
    group_look(f.g);
    assert_int_equal(n_at(&f, 0), HOMES_BUCKETS);
    assert_int_equal(scene_writers(&f), 1); /* the others catch up */
    scene_catch_up(&f, 1, true);
    scene_catch_up(&f, 2, true);
    group_look(f.g);
    assert_int_equal(scene_writers(&f), 7);
    assert_int_equal(n_moving(&f), HOMES_BUCKETS / 20);
    scene_end(&f);
}

TEST(monitor_homes_turned_off_end_at_one_writer_that_has_all)
{
    struct fixture f;

    begin(&f);
    f.g->homes.wants = false;
    group_look(f.g);
    assert_int_equal(n_at(&f, 0), HOMES_BUCKETS - n_moving(&f));
    assert_int_equal(scene_writers(&f), 7);
    move_on(&f);
    assert_non_null(homes(&f));
    assert_int_equal(n_at(&f, 0), HOMES_BUCKETS);
    group_look(f.g); /* now they are over */
    group_look(f.g);
    assert_null(homes(&f));
    assert_int_equal(scene_writers(&f), 1);
    scene_down(&f, 0);
    scene_pass_ms(200);
    scene_up(&f, 1);
    scene_up(&f, 2);
    group_look(f.g);
    assert_int_equal(scene_writers(&f), 0); /* as any new writer it has to catch up */
    scene_catch_up(&f, 1, true);
    assert_int_equal(scene_writers(&f), 2);
    scene_end(&f);
}

TEST(monitor_homes_go_when_the_cluster_is_not_looked_after)
{
    struct fixture f;

    begin(&f);
    group_off(f.g);
    assert_null(homes(&f));
    scene_end(&f);
}

static void count_change(void *arg)
{
    ++*(unsigned *)arg;
}

TEST(monitor_homes_who_waits_is_woken_when_a_node_has_applied_more)
{
    struct fixture f;
    unsigned n_changes = 0;

    begin(&f);
    f.m.on_change = count_change;
    f.m.on_change_arg = &n_changes;
    for (unsigned i = 0; i < N; i++) {
        struct node_report *r = &f.m.watches[i]->report;

        f.m.watches[i]->is_on = true;
        prove(&f, i, 100);
        (void)snprintf(r->state_uuid, sizeof(r->state_uuid), "7a84c0de");
        r->last_committed = 100;
    }
    for (unsigned round = 0; round < 3; round++) {
        uint64_t before = atomic_load(&f.nodes.items[0]->shared.applied_us);

        if (round == 1) { /* before that nobody waits, and then nobody any more */
            assert_true(nodes_want_applied(&f.nodes));
            assert_false(nodes_want_applied(&f.nodes));
        }
        scene_pass_ms(10);
        for (unsigned i = 0; i < N; i++) {
            f.m.watches[i]->began_us = clock_now_us();
            numbers_checked(f.m.watches[i], false);
        }
        assert_true(atomic_load(&f.nodes.items[0]->shared.applied_us) > before);
        assert_int_equal(n_changes, round == 0 ? 0 : 1);
    }
    scene_end(&f);
}
