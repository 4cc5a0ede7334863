/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_monitor_group.c - how one writer is followed by another, with reports of our own making.
 *
 * The nodes are listening sockets that say nothing, so a catch-up ends when the test says so.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/monitor_inside.h"
#include "tests/unit/test.h"

#define N 3

struct fixture {
    struct nodes nodes;
    struct topology *topology;
    struct monitor m;
    struct group *g;
    int listeners[N];
    unsigned writing[N];
};

static unsigned count_writing(void *arg, const struct node *node)
{
    const struct fixture *f = arg;

    return f->writing[node->index];
}

static int listen_on_any(uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return fd;
}

static struct conf *load(const uint16_t ports[N])
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    char text[2000];

    (void)snprintf(text, sizeof(text),
                   "mysql_servers=({address=\"127.0.0.1\";port=%u;hostgroup=10;weight=3},"
                   "{address=\"127.0.0.1\";port=%u;hostgroup=10;weight=2},"
                   "{address=\"127.0.0.1\";port=%u;hostgroup=10;weight=1})\n"
                   "mysql_galera_hostgroups=({writer_hostgroup=10;backup_writer_hostgroup=30;"
                   "reader_hostgroup=20;offline_hostgroup=40;active=1;max_writers=1;"
                   "writer_is_also_reader=2;max_transactions_behind=100})\n",
                   ports[0], ports[1], ports[2]);
    assert_int_equal(conf_load_text(&conf, "test", slice_of(text), &faults), 0);
    faults_fini(&faults);
    return conf;
}

static void set_up(struct fixture *f, unsigned i)
{
    struct watch *w = f->m.watches[i];

    w->state = (struct judge_state){.health = HEALTH_UP, .has_answered = true};
    w->has_result = true;
    w->report = (struct node_report){.kind = REPORT_OK,
                                     .at_ms = clock_now_ms(),
                                     .answered_ms = clock_now_ms(),
                                     .is_galera = true,
                                     .ready = true,
                                     .connected = true,
                                     .primary = true,
                                     .local_state = WSREP_SYNCED,
                                     .local_index = i,
                                     .cluster_size = N,
                                     .conf_id = 7,
                                     .state_uuid = "u"};
}

static void set_down(struct fixture *f, unsigned i)
{
    f->m.watches[i]->state.health = HEALTH_DOWN;
    f->m.watches[i]->report.kind = REPORT_BROKEN;
}

static void begin(struct fixture *f)
{
    struct faults faults = {0};
    uint16_t ports[N];

    *f = (struct fixture){0};
    atomic_store(&log_level_now, LOG_ERROR);
    clock_set_us(5000000);
    for (int i = 0; i < N; i++) {
        f->listeners[i] = listen_on_any(&ports[i]);
    }
    nodes_init(&f->nodes);
    f->nodes.n_writing = count_writing;
    f->nodes.n_writing_arg = f;
    f->m.conf = load(ports);
    f->topology = topology_new(&f->nodes, f->m.conf, &faults);
    faults_fini(&faults);
    assert_non_null(f->topology);
    f->m.nodes = &f->nodes;
    f->m.log = monitor_log_new();
    assert_int_equal(pthread_mutex_init(&f->m.lock, NULL), 0);
    assert_int_equal(uv_loop_init(&f->m.loop), 0);
    for (unsigned i = 0; i < N; i++) {
        f->m.watches[i] = watch_new(&f->m, f->nodes.items[i]);
    }
    f->g = group_get(&f->m, 10);
    group_configure(f->g, &f->m.conf->galera[0], NULL);
}

/* All three are up and the first decision is published: node 0 writes. */
static void begin_healthy(struct fixture *f)
{
    begin(f);
    for (unsigned i = 0; i < N; i++) {
        set_up(f, i);
    }
    group_look(f->g);
}

static void end(struct fixture *f)
{
    for (unsigned i = 0; i < N; i++) {
        watch_close(f->m.watches[i]);
        (void)close(f->listeners[i]);
    }
    assert_int_equal(uv_run(&f->m.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->m.loop), 0);
    group_free(f->g);
    monitor_log_free(f->m.log);
    topology_free(f->topology);
    nodes_fini(&f->nodes);
    conf_unref(f->m.conf);
}

static uint64_t writers(const struct fixture *f)
{
    return atomic_load(&f->g->cluster->shared.writers);
}

static void pass_ms(uint64_t ms)
{
    clock_set_us(clock_now_us() + ms * 1000);
}

static void catch_up(struct fixture *f, unsigned i, bool good)
{
    struct watch *w = f->m.watches[i];

    assert_true(w->is_catching);
    w->is_catching = false;
    w->catch_again_ms = clock_now_ms() + (good ? 0 : CATCH_UP_AGAIN_MS);
    sql_link_close(w->catch_link);
    w->catch_link = NULL;
    group_caught_up(f->g, w, good);
    group_look(f->g);
}

static void count_kind(void *arg, const struct monitor_event *e)
{
    ((unsigned *)arg)[e->kind]++;
}

TEST(monitor_group_waits_for_the_first_checks_of_all)
{
    struct fixture f;

    begin(&f);
    set_up(&f, 1);
    group_look(f.g);
    assert_false(atomic_load(&f.g->cluster->shared.is_decided));
    assert_true(group_waits(f.g));
    set_up(&f, 0);
    set_up(&f, 2);
    group_look(f.g);
    assert_true(atomic_load(&f.g->cluster->shared.is_decided));
    assert_int_equal(writers(&f), 1); /* nobody wrote here before: no catch-up */
    assert_false(group_waits(f.g));
    end(&f);
}

TEST(monitor_group_does_not_wait_for_ever_for_a_silent_node)
{
    struct fixture f;

    begin(&f);
    set_up(&f, 1);
    pass_ms(10000);
    f.m.watches[1]->report.answered_ms = clock_now_ms();
    group_look(f.g);
    assert_int_equal(writers(&f), 2); /* the one that has answered */
    end(&f);
}

TEST(monitor_group_a_new_writer_is_published_when_it_has_caught_up)
{
    struct fixture f;
    struct monitor_roles roles;
    unsigned kinds[MONITOR_EVENT_COUNT] = {0};

    begin_healthy(&f);
    set_down(&f, 0);
    group_look(f.g);
    assert_int_equal(writers(&f), 0);
    assert_true(monitor_roles(&f.m, 10, &roles));
    assert_true(roles.is_holding);
    assert_true(group_waits(f.g));
    catch_up(&f, 1, true);
    assert_int_equal(writers(&f), 2);
    assert_true(monitor_roles(&f.m, 10, &roles));
    assert_false(roles.is_holding);
    assert_int_equal(roles.members, 7);
    assert_false(group_waits(f.g));
    monitor_log_events(f.m.log, count_kind, kinds);
    assert_int_equal(kinds[EVENT_WRITER], 2);
    assert_int_equal(kinds[EVENT_NO_WRITER], 0);
    end(&f);
}

TEST(monitor_group_a_catch_up_that_fails_is_tried_again)
{
    struct fixture f;

    begin_healthy(&f);
    set_down(&f, 0);
    group_look(f.g);
    catch_up(&f, 1, false);
    assert_int_equal(writers(&f), 0);
    assert_false(f.m.watches[1]->is_catching); /* not at once */
    pass_ms(CATCH_UP_AGAIN_MS);
    group_look(f.g);
    catch_up(&f, 1, true);
    assert_int_equal(writers(&f), 2);
    end(&f);
}

TEST(monitor_group_a_catch_up_for_who_is_not_elected_any_more_is_void)
{
    struct fixture f;

    begin_healthy(&f);
    set_down(&f, 0);
    group_look(f.g);
    set_down(&f, 1);
    group_look(f.g);
    catch_up(&f, 1, true);
    assert_int_equal(writers(&f), 0);
    catch_up(&f, 2, true);
    assert_int_equal(writers(&f), 4);
    end(&f);
}

TEST(monitor_group_who_comes_back_does_not_take_over)
{
    struct fixture f;

    begin_healthy(&f);
    set_down(&f, 0);
    group_look(f.g);
    catch_up(&f, 1, true);
    set_up(&f, 0);
    group_look(f.g);
    assert_int_equal(writers(&f), 2);
    assert_true(f.m.watches[0]->back_ms != 0); /* slow start */
    assert_int_equal(f.m.watches[2]->back_ms, 0);
    end(&f);
}

TEST(monitor_group_nobody_is_elected_by_old_reports)
{
    struct fixture f;

    begin_healthy(&f);
    for (unsigned i = 0; i < N; i++) {
        f.m.watches[i]->is_on = true;
        f.m.watches[i]->report.primary = false;
    }
    group_look(f.g);
    assert_int_equal(writers(&f), 0);
    pass_ms(1000);
    set_up(&f, 2); /* the first to see that all is well again */
    group_look(f.g);
    assert_false(f.m.watches[2]->is_catching);
    assert_true(sql_link_is_busy(f.m.watches[0]->link)); /* they are asked, too */
    assert_true(sql_link_is_busy(f.m.watches[1]->link));
    assert_true(group_waits(f.g));
    set_up(&f, 0);
    set_up(&f, 1);
    group_look(f.g);
    catch_up(&f, 0, true);
    assert_int_equal(writers(&f), 1);
    end(&f);
}

TEST(monitor_group_an_election_waits_for_old_reports_only_for_a_moment)
{
    struct fixture f;

    begin_healthy(&f);
    pass_ms(1000);
    set_down(&f, 0);
    f.m.watches[1]->report.at_ms = clock_now_ms();
    group_look(f.g); /* node 2 does not answer, but was up a second ago */
    assert_false(f.m.watches[1]->is_catching);
    pass_ms(ELECT_WAIT_MS);
    group_look(f.g);
    catch_up(&f, 1, true);
    assert_int_equal(writers(&f), 2);
    end(&f);
}

TEST(monitor_group_switch_waits_until_the_old_writer_has_ended)
{
    struct fixture f;
    struct switch_request to = {.writer_hostgroup = 10, .node_index = 2, .drain_ms = 5000};

    begin_healthy(&f);
    f.writing[0] = 1;
    group_switch(f.g, &to);
    assert_int_equal(writers(&f), 0);
    group_announced(f.g);
    pass_ms(4000);
    group_look(f.g);
    assert_false(f.m.watches[2]->is_catching);
    f.writing[0] = 0;
    pass_ms(10);
    group_look(f.g);
    catch_up(&f, 2, true);
    assert_int_equal(writers(&f), 4);
    group_look(f.g);
    assert_int_equal(writers(&f), 4); /* and stays */
    end(&f);
}

TEST(monitor_group_switch_waits_no_longer_than_asked)
{
    struct fixture f;
    struct switch_request to = {.writer_hostgroup = 10, .node_index = 1, .drain_ms = 300};

    begin_healthy(&f);
    f.writing[0] = 1;
    group_switch(f.g, &to);
    group_announced(f.g);
    group_look(f.g);
    assert_false(f.m.watches[1]->is_catching);
    pass_ms(301);
    group_look(f.g);
    catch_up(&f, 1, true);
    assert_int_equal(writers(&f), 2);
    end(&f);
}

TEST(monitor_group_an_old_writer_that_is_down_is_not_waited_for)
{
    struct fixture f;

    begin_healthy(&f);
    f.writing[0] = 5;
    set_down(&f, 0);
    group_look(f.g);
    catch_up(&f, 1, true);
    assert_int_equal(writers(&f), 2);
    end(&f);
}

TEST(monitor_group_switch_is_refused_with_a_reason)
{
    struct fixture f;
    char error[200];
    uint16_t ports[N];

    begin_healthy(&f);
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
    end(&f);
}

TEST(monitor_group_nobody_left_is_told_once)
{
    struct fixture f;
    unsigned kinds[MONITOR_EVENT_COUNT] = {0};

    begin_healthy(&f);
    for (unsigned i = 0; i < N; i++) {
        set_down(&f, i);
    }
    group_look(f.g);
    group_look(f.g);
    assert_int_equal(writers(&f), 0);
    monitor_log_events(f.m.log, count_kind, kinds);
    assert_int_equal(kinds[EVENT_NO_WRITER], 1);
    assert_int_equal(kinds[EVENT_NO_READER], 1);
    end(&f);
}

TEST(monitor_group_a_new_view_is_told_and_the_others_are_asked)
{
    struct fixture f;
    unsigned kinds[MONITOR_EVENT_COUNT] = {0};

    begin_healthy(&f);
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
    end(&f);
}

TEST(monitor_group_off_is_as_configured_again)
{
    struct fixture f;
    struct monitor_roles roles;

    begin_healthy(&f);
    group_off(f.g);
    assert_false(atomic_load(&f.g->cluster->shared.is_decided));
    assert_false(monitor_roles(&f.m, 10, &roles));
    end(&f);
}
