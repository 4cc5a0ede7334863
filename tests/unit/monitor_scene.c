/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_scene.c - see monitor_scene.h.
 */
#include "tests/unit/monitor_scene.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

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

void scene_up(struct fixture *f, unsigned i)
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

void scene_down(struct fixture *f, unsigned i)
{
    f->m.watches[i]->state.health = HEALTH_DOWN;
    f->m.watches[i]->report.kind = REPORT_BROKEN;
}

void scene_begin(struct fixture *f)
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
void scene_begin_healthy(struct fixture *f)
{
    scene_begin(f);
    for (unsigned i = 0; i < N; i++) {
        scene_up(f, i);
    }
    group_look(f->g);
}

void scene_end(struct fixture *f)
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

uint64_t scene_writers(const struct fixture *f)
{
    return atomic_load(&f->g->cluster->shared.writers);
}

void scene_pass_ms(uint64_t ms)
{
    clock_set_us(clock_now_us() + ms * 1000);
}

void scene_catch_up(struct fixture *f, unsigned i, bool good)
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
