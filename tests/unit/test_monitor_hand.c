/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_monitor_hand.c - from one writer to the next while other things happen.
 */
#include <mysqld_error.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/monitor_scene.h"

static uint64_t readers(const struct fixture *f)
{
    return atomic_load(&f->g->cluster->shared.readers);
}

static void switch_to(struct fixture *f, unsigned node, unsigned drain_ms)
{
    struct switch_request to = {.writer_hostgroup = 10, .node_index = node, .drain_ms = drain_ms};

    group_switch(f->g, &to);
}

TEST(monitor_hand_reads_are_not_waited_for_when_the_writer_leaves)
{
    struct fixture f;

    scene_begin_healthy(&f);
    assert_int_equal(readers(&f), 6);
    f.writing[0] = 1;
    switch_to(&f, 1, 5000);
    assert_int_equal(scene_writers(&f), 0);
    assert_int_equal(readers(&f),
                     6); /* not those whose end is waited for; who takes over still reads */
    group_announced(f.g);
    f.writing[0] = 0;
    scene_pass_ms(10);
    group_look(f.g);
    scene_catch_up(&f, 1, true);
    assert_int_equal(scene_writers(&f), 2);
    assert_int_equal(readers(&f), 5);
    scene_end(&f);
}

TEST(monitor_hand_a_second_switch_waits_only_for_who_wrote)
{
    struct fixture f;

    scene_begin_healthy(&f);
    f.writing[0] = f.writing[1] = 1;
    switch_to(&f, 1, 5000);
    group_announced(f.g);
    switch_to(&f, 2, 5000);
    assert_int_equal(f.g->leaving, 1); /* node 1 reads: it never wrote */
    f.m.has_changed = false;
    switch_to(&f, 0, 5000); /* and back again: nobody waits for the one that is to write */
    assert_int_equal(f.g->leaving, 0);
    assert_true(f.m.has_changed);
    group_announced(f.g);
    scene_pass_ms(10);
    group_look(f.g);
    scene_catch_up(&f, 0, true);
    assert_int_equal(scene_writers(&f), 1);
    scene_end(&f);
}

TEST(monitor_hand_a_refused_switch_does_not_come_true_later)
{
    struct fixture f;

    scene_begin_healthy(&f);
    f.m.watches[2]->report.desync = true; /* it was fit when the admin was answered */
    group_look(f.g);
    switch_to(&f, 2, 5000);
    assert_int_equal(f.g->wanted, 0);
    f.m.watches[2]->report.desync = false;
    group_look(f.g);
    assert_int_equal(f.g->decided.writers, 1);
    assert_int_equal(scene_writers(&f), 1);
    scene_end(&f);
}

TEST(monitor_hand_after_a_switch_elections_ask_as_before)
{
    struct fixture f;

    scene_begin_healthy(&f);
    switch_to(&f, 1, 0);
    group_announced(f.g);
    scene_pass_ms(1);
    group_look(f.g);
    scene_catch_up(&f, 1, true);
    assert_int_equal(scene_writers(&f), 2);
    scene_pass_ms(700); /* what the others have said is old */
    scene_down(&f, 1);
    group_look(f.g);
    assert_int_equal(f.g->decided.writers, 2);
    assert_true(group_waits(f.g));
    scene_up(&f, 0);
    scene_up(&f, 2);
    group_look(f.g);
    assert_int_equal(f.g->decided.writers, 1);
    scene_end(&f);
}

TEST(monitor_hand_a_writer_that_leaves_the_configuration_may_end_first)
{
    struct fixture f;

    scene_begin_healthy(&f);
    f.writing[0] = 1;
    f.m.conf->servers[0].hostgroup = 99;
    group_configure(f.g, &f.m.conf->galera[0], NULL);
    group_look(f.g);
    assert_int_equal(f.g->leaving, 1);
    assert_int_equal(scene_writers(&f), 0);
    group_announced(f.g);
    group_look(f.g);
    assert_false(f.m.watches[1]->is_catching);
    f.writing[0] = 0;
    scene_pass_ms(10);
    group_look(f.g);
    scene_catch_up(&f, 1, true);
    assert_int_equal(scene_writers(&f), 2);
    scene_end(&f);
}

TEST(monitor_hand_that_waits_for_nobody_any_more_says_so)
{
    struct fixture f;

    scene_begin_healthy(&f);
    f.writing[0] = 1;
    switch_to(&f, 1, 5000);
    group_announced(f.g);
    for (unsigned i = 0; i < N; i++) {
        f.m.watches[i]->report.read_only = true;
    }
    f.m.has_changed = false;
    group_look(f.g);
    assert_int_equal(f.g->decided.writers, 0);
    assert_int_equal(f.g->leaving, 0);
    assert_true(f.m.has_changed); /* or workers would count for ever */
    scene_end(&f);
}

TEST(monitor_hand_cuts_off_who_was_out_for_another_reason_before)
{
    struct fixture f;

    scene_begin_healthy(&f);
    f.m.watches[2]->report.desync = true;
    group_look(f.g);
    f.m.has_changed = false;
    scene_pass_ms(1000);
    for (unsigned i = 0; i < 2; i++) {
        scene_up(&f, i);
        f.m.watches[i]->report.conf_id = 8;
    }
    group_look(f.g);
    scene_pass_ms(1000);
    f.m.has_changed = false;
    f.m.watches[2]->report.answered_ms = clock_now_ms();
    group_look(f.g);
    assert_int_equal(f.g->decided.why[2], WHY_OLD_VIEW);
    assert_true(f.m.has_changed); /* its connections are to be cut now */
    scene_end(&f);
}

static void enter_view(struct fixture *f, unsigned node, uint64_t conf_id, unsigned size)
{
    scene_up(f, node);
    f->m.watches[node]->report.conf_id = conf_id;
    f->m.watches[node]->report.cluster_size = size;
}

/*
 * It may still answer what it was sent; and it has not left any more when it is back, unused or
 * not.
 */
TEST(monitor_hand_a_node_that_has_left_is_not_cut_off_until_it_is_back)
{
    struct fixture f;
    atomic_ullong *left_ms;

    scene_begin_healthy(&f);
    left_ms = &f.m.watches[2]->node->shared.left_ms;
    scene_pass_ms(1000);
    enter_view(&f, 0, 8, 2);
    enter_view(&f, 1, 8, 2);
    group_look(f.g);
    assert_int_equal(f.g->decided.why[2], WHY_LEFT);
    assert_false(group_serves(f.g, 4));
    assert_false(group_cuts(f.g, 2));
    assert_int_equal(atomic_load(left_ms), clock_now_ms());
    scene_pass_ms(500);
    scene_down(&f, 2);
    group_look(f.g);
    assert_int_equal(atomic_load(left_ms), clock_now_ms() - 500);
    scene_pass_ms(500);
    for (unsigned i = 0; i < N; i++) {
        enter_view(&f, i, 9, 3);
    }
    f.g->nodes[2].status = SERVER_OFFLINE_SOFT;
    group_look(f.g);
    assert_int_equal(f.g->decided.why[2], WHY_ADMIN_SOFT);
    assert_int_equal(atomic_load(left_ms), 0);
    scene_end(&f);
}

TEST(monitor_hand_a_node_in_two_hostgroups_counts_as_it_writes)
{
    struct fixture f;
    struct conf_server *servers;

    scene_begin(&f);
    servers = f.m.conf->servers;
    servers[0].hostgroup = 20; /* the reader's row comes first in the file */
    servers[1].port = servers[0].port;
    servers[1].hostgroup = 10;
    servers[1].status = SERVER_OFFLINE_SOFT;
    group_configure(f.g, &f.m.conf->galera[0], NULL);
    for (unsigned i = 0; i < N; i++) {
        scene_up(&f, i);
    }
    group_look(f.g);
    assert_int_equal(f.g->decided.why[0], WHY_ADMIN_SOFT);
    assert_int_equal(scene_writers(&f),
                     4); /* or statements would wait for a node that takes none */
    scene_end(&f);
}

TEST(monitor_hand_pokes_do_not_make_checks_without_end)
{
    struct fixture f;
    struct watch *w;

    scene_begin_healthy(&f);
    w = f.m.watches[0];
    w->is_on = true;
    w->began_ms = clock_now_ms();
    w->timer_due_ms = clock_now_ms() + 1000; /* a check has just ended */
    scene_pass_ms(3);
    watch_poke(w);
    assert_false(sql_link_is_busy(w->link));
    assert_int_equal(w->timer_due_ms, w->began_ms + POKE_GAP_MS); /* but soon */
    scene_pass_ms(POKE_GAP_MS);
    watch_poke(w);
    assert_true(sql_link_is_busy(w->link));
    scene_end(&f);
}

/* --- who cannot be brought up to date --------------------------------------------------------- */

static void ignore(void *arg)
{
    (void)arg;
}

/* What the monitor needs to look by itself. */
static void begin_looking(struct fixture *f)
{
    scene_begin_healthy(f);
    f->m.on_change = ignore;
    f->m.hooks = hooks_new(&f->m.loop, 1000);
    assert_int_equal(uv_timer_init(&f->m.loop, &f->m.tick), 0);
    for (unsigned i = 0; i < N; i++) {
        f->m.watches[i]->is_on = true;
    }
}

static void end_looking(struct fixture *f)
{
    hooks_close(f->m.hooks);
    uv_close((uv_handle_t *)&f->m.tick, NULL);
    scene_end(f);
}

/* The node whose catch-up is under way says no to our login. */
static void refuse_login(struct fixture *f, unsigned i, uint16_t error)
{
    uint8_t packet[] = {9,   0,   0,   0,   0xff, (uint8_t)error, (uint8_t)(error >> 8), '#',
                        '0', '8', 'S', '0', '1'};
    int fd;

    assert_true(f->m.watches[i]->is_catching);
    (void)uv_run(&f->m.loop, UV_RUN_NOWAIT);
    fd = accept(f->listeners[i], NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, packet, sizeof(packet)), sizeof(packet));
    while (f->m.watches[i]->is_catching) {
        (void)uv_run(&f->m.loop, UV_RUN_ONCE);
    }
    (void)close(fd);
}

TEST(monitor_hand_a_node_that_is_full_is_not_asked_for_ever)
{
    struct fixture f;

    begin_looking(&f);
    scene_down(&f, 0);
    group_look(f.g);
    refuse_login(&f, 1, ER_CON_COUNT_ERROR);
    assert_int_equal(scene_writers(&f), 0);
    scene_pass_ms(CATCH_DENIED_MS);
    scene_up(&f, 1);
    scene_up(&f, 2);
    group_look(f.g);
    refuse_login(&f, 1, ER_CON_COUNT_ERROR);
    assert_int_equal(scene_writers(&f), 2);
    end_looking(&f);
}

TEST(monitor_hand_another_is_taken_when_one_cannot_catch_up)
{
    struct fixture f;

    begin_looking(&f);
    scene_down(&f, 0);
    group_look(f.g);
    refuse_login(&f, 1, ER_UNKNOWN_COM_ERROR);
    assert_int_equal(f.g->decided.writers, 2);
    scene_pass_ms(CATCH_UP_FAILS_MS);
    scene_up(&f, 1);
    scene_up(&f, 2);
    group_look(f.g);
    refuse_login(&f, 1, ER_UNKNOWN_COM_ERROR);
    assert_int_equal(f.g->decided.writers, 4);
    scene_catch_up(&f, 2, true);
    assert_int_equal(scene_writers(&f), 4);
    scene_pass_ms(LAME_MS + 1);
    scene_up(&f, 1);
    scene_up(&f, 2);
    group_look(f.g);
    assert_int_equal(scene_writers(&f), 4); /* and stays */
    scene_pass_ms(ELECT_FRESH_MS);
    scene_down(&f, 2);
    scene_up(&f, 1);
    group_look(f.g);
    refuse_login(&f, 1, ER_UNKNOWN_COM_ERROR);
    assert_int_equal(f.g->decided.writers, 2); /* what failed before was for another time */
    end_looking(&f);
}
