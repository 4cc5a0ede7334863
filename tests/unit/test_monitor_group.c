/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_monitor_group.c - how one writer is followed by another, with reports of our own making.
 */
#include "tests/unit/monitor_scene.h"

static void count_kind(void *arg, const struct monitor_event *e)
{
    ((unsigned *)arg)[e->kind]++;
}

TEST(monitor_group_waits_for_the_first_checks_of_all)
{
    struct fixture f;

    scene_begin(&f);
    scene_up(&f, 1);
    group_look(f.g);
    assert_false(atomic_load(&f.g->cluster->shared.is_decided));
    assert_true(group_waits(f.g));
    scene_up(&f, 0);
    scene_up(&f, 2);
    group_look(f.g);
    assert_true(atomic_load(&f.g->cluster->shared.is_decided));
    assert_int_equal(scene_writers(&f), 1); /* nobody wrote here before: no catch-up */
    assert_false(group_waits(f.g));
    scene_end(&f);
}

TEST(monitor_group_does_not_wait_for_ever_for_a_silent_node)
{
    struct fixture f;

    scene_begin(&f);
    scene_up(&f, 1);
    scene_pass_ms(10000);
    f.m.watches[1]->report.answered_ms = clock_now_ms();
    group_look(f.g);
    assert_int_equal(scene_writers(&f), 2); /* the one that has answered */
    scene_end(&f);
}

TEST(monitor_group_a_new_writer_is_published_when_it_has_caught_up)
{
    struct fixture f;
    struct monitor_roles roles;
    unsigned kinds[MONITOR_EVENT_COUNT] = {0};

    scene_begin_healthy(&f);
    scene_down(&f, 0);
    group_look(f.g);
    assert_int_equal(scene_writers(&f), 0);
    assert_true(monitor_roles(&f.m, 10, &roles));
    assert_true(roles.is_holding);
    assert_true(group_waits(f.g));
    scene_catch_up(&f, 1, true);
    assert_int_equal(scene_writers(&f), 2);
    assert_true(monitor_roles(&f.m, 10, &roles));
    assert_false(roles.is_holding);
    assert_int_equal(roles.members, 7);
    assert_false(group_waits(f.g));
    monitor_log_events(f.m.log, count_kind, kinds);
    assert_int_equal(kinds[EVENT_WRITER], 2);
    assert_int_equal(kinds[EVENT_NO_WRITER], 0);
    scene_end(&f);
}

TEST(monitor_group_a_catch_up_that_fails_is_tried_again)
{
    struct fixture f;

    scene_begin_healthy(&f);
    scene_down(&f, 0);
    group_look(f.g);
    scene_catch_up(&f, 1, false);
    assert_int_equal(scene_writers(&f), 0);
    assert_false(f.m.watches[1]->is_catching); /* not at once */
    scene_pass_ms(CATCH_UP_AGAIN_MS);
    group_look(f.g);
    scene_catch_up(&f, 1, true);
    assert_int_equal(scene_writers(&f), 2);
    scene_end(&f);
}

TEST(monitor_group_a_catch_up_for_who_is_not_elected_any_more_is_void)
{
    struct fixture f;

    scene_begin_healthy(&f);
    scene_down(&f, 0);
    group_look(f.g);
    scene_down(&f, 1);
    group_look(f.g);
    scene_catch_up(&f, 1, true);
    assert_int_equal(scene_writers(&f), 0);
    scene_catch_up(&f, 2, true);
    assert_int_equal(scene_writers(&f), 4);
    scene_end(&f);
}

TEST(monitor_group_who_comes_back_does_not_take_over)
{
    struct fixture f;

    scene_begin_healthy(&f);
    scene_down(&f, 0);
    group_look(f.g);
    scene_catch_up(&f, 1, true);
    scene_up(&f, 0);
    group_look(f.g);
    assert_int_equal(scene_writers(&f), 2);
    assert_true(f.m.watches[0]->back_ms != 0); /* slow start */
    assert_int_equal(f.m.watches[2]->back_ms, 0);
    scene_end(&f);
}

TEST(monitor_group_nobody_is_elected_by_old_reports)
{
    struct fixture f;

    scene_begin_healthy(&f);
    for (unsigned i = 0; i < N; i++) {
        f.m.watches[i]->is_on = true;
        f.m.watches[i]->report.primary = false;
    }
    group_look(f.g);
    assert_int_equal(scene_writers(&f), 0);
    scene_pass_ms(1000);
    scene_up(&f, 2); /* the first to see that all is well again */
    group_look(f.g);
    assert_false(f.m.watches[2]->is_catching);
    assert_true(sql_link_is_busy(f.m.watches[0]->link)); /* they are asked, too */
    assert_true(sql_link_is_busy(f.m.watches[1]->link));
    assert_true(group_waits(f.g));
    scene_up(&f, 0);
    scene_up(&f, 1);
    group_look(f.g);
    scene_catch_up(&f, 0, true);
    assert_int_equal(scene_writers(&f), 1);
    scene_end(&f);
}

TEST(monitor_group_an_election_waits_for_old_reports_only_for_a_moment)
{
    struct fixture f;

    scene_begin_healthy(&f);
    scene_pass_ms(1000);
    scene_down(&f, 0);
    f.m.watches[1]->report.at_ms = clock_now_ms();
    group_look(f.g); /* node 2 does not answer, but was up a second ago */
    assert_false(f.m.watches[1]->is_catching);
    scene_pass_ms(ELECT_WAIT_MS);
    group_look(f.g);
    scene_catch_up(&f, 1, true);
    assert_int_equal(scene_writers(&f), 2);
    scene_end(&f);
}

TEST(monitor_group_switch_waits_until_the_old_writer_has_ended)
{
    struct fixture f;
    struct switch_request to = {.writer_hostgroup = 10, .node_index = 2, .drain_ms = 5000};

    scene_begin_healthy(&f);
    f.writing[0] = 1;
    group_switch(f.g, &to);
    assert_int_equal(scene_writers(&f), 0);
    group_announced(f.g);
    scene_pass_ms(4000);
    group_look(f.g);
    assert_false(f.m.watches[2]->is_catching);
    f.writing[0] = 0;
    scene_pass_ms(10);
    group_look(f.g);
    scene_catch_up(&f, 2, true);
    assert_int_equal(scene_writers(&f), 4);
    group_look(f.g);
    assert_int_equal(scene_writers(&f), 4); /* and stays */
    scene_end(&f);
}

TEST(monitor_group_switch_waits_no_longer_than_asked)
{
    struct fixture f;
    struct switch_request to = {.writer_hostgroup = 10, .node_index = 1, .drain_ms = 300};

    scene_begin_healthy(&f);
    f.writing[0] = 1;
    group_switch(f.g, &to);
    group_announced(f.g);
    group_look(f.g);
    assert_false(f.m.watches[1]->is_catching);
    scene_pass_ms(301);
    group_look(f.g);
    scene_catch_up(&f, 1, true);
    assert_int_equal(scene_writers(&f), 2);
    scene_end(&f);
}

TEST(monitor_group_an_old_writer_that_is_down_is_not_waited_for)
{
    struct fixture f;

    scene_begin_healthy(&f);
    f.writing[0] = 5;
    scene_down(&f, 0);
    group_look(f.g);
    scene_catch_up(&f, 1, true);
    assert_int_equal(scene_writers(&f), 2);
    scene_end(&f);
}

TEST(monitor_group_switch_is_refused_with_a_reason)
{
    struct fixture f;
    char error[200];
    uint16_t ports[N];

    scene_begin_healthy(&f);
    for (unsigned i = 0; i < N; i++) {
        ports[i] = f.nodes.items[i]->port;
        f.m.views[i].health = HEALTH_UP;
    }
    assert_true(monitor_switch(&f.m, 99, "127.0.0.1", ports[1], 0, error, sizeof(error)) != 0);
    assert_non_null(strstr(error, "has not decided"));
    assert_true(monitor_switch(&f.m, 10, "127.0.0.1", 1, 0, error, sizeof(error)) != 0);
    assert_non_null(strstr(error, "not a server of the cluster"));
    assert_true(monitor_switch(&f.m, 10, "127.0.0.1", ports[0], 0, error, sizeof(error)) != 0);
    assert_non_null(strstr(error, "the writer already"));
    f.m.watches[1]->report.desync = true;
    group_look(f.g);
    assert_true(monitor_switch(&f.m, 10, "127.0.0.1", ports[1], 0, error, sizeof(error)) != 0);
    assert_non_null(strstr(error, "wsrep_desync is ON"));
    f.m.views[2].health = HEALTH_DOWN;
    assert_true(monitor_switch(&f.m, 10, "127.0.0.1", ports[2], 0, error, sizeof(error)) != 0);
    assert_non_null(strstr(error, "does not answer"));
    assert_int_equal(f.m.n_switches, 0);
    scene_end(&f);
}

TEST(monitor_group_nobody_left_is_told_once)
{
    struct fixture f;
    unsigned kinds[MONITOR_EVENT_COUNT] = {0};

    scene_begin_healthy(&f);
    for (unsigned i = 0; i < N; i++) {
        scene_down(&f, i);
    }
    group_look(f.g);
    group_look(f.g);
    assert_int_equal(scene_writers(&f), 0);
    monitor_log_events(f.m.log, count_kind, kinds);
    assert_int_equal(kinds[EVENT_NO_WRITER], 1);
    assert_int_equal(kinds[EVENT_NO_READER], 1);
    scene_end(&f);
}

TEST(monitor_group_a_new_view_is_told_and_the_others_are_asked)
{
    struct fixture f;
    unsigned kinds[MONITOR_EVENT_COUNT] = {0};

    scene_begin_healthy(&f);
    for (unsigned i = 0; i < N; i++) {
        f.m.watches[i]->is_on = true;
    }
    f.m.watches[1]->report.conf_id = 8;
    f.m.watches[1]->report.cluster_size = 2;
    group_look(f.g);
    group_look(f.g);
    monitor_log_events(f.m.log, count_kind, kinds);
    assert_int_equal(kinds[EVENT_VIEW], 1);
    assert_true(sql_link_is_busy(f.m.watches[0]->link));
    assert_true(sql_link_is_busy(f.m.watches[2]->link));
    scene_end(&f);
}

TEST(monitor_group_off_is_as_configured_again)
{
    struct fixture f;
    struct monitor_roles roles;

    scene_begin_healthy(&f);
    group_off(f.g);
    assert_false(atomic_load(&f.g->cluster->shared.is_decided));
    assert_false(monitor_roles(&f.m, 10, &roles));
    scene_end(&f);
}
