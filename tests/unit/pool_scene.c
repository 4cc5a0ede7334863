/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_scene.c - see pool_scene.h.
 */
#include "tests/unit/pool_scene.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

static uint16_t listen_on_any(int *fd)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);

    *fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(*fd, 32), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&in, &len), 0);
    return ntohs(in.sin_port);
}

static void load(struct fixture *f, unsigned min_idle, unsigned limit)
{
    struct faults faults = {0};
    char text[2000];
    int n = snprintf(text, sizeof(text), "mysql_variables={min_idle_per_node=%u}\nmysql_users=(",
                     min_idle);

    for (unsigned i = 0; i < N_ACCOUNTS; i++) {
        n += snprintf(text + n, sizeof(text) - (size_t)n,
                      "%s{username=\"u%u\";password=\"p\";default_hostgroup=10}", i == 0 ? "" : ",",
                      i);
    }
    n += snprintf(text + n, sizeof(text) - (size_t)n, ")\nmysql_servers=(");
    for (unsigned i = 0; i < N_NODES; i++) {
        n += snprintf(text + n, sizeof(text) - (size_t)n,
                      "%s{address=\"127.0.0.1\";port=%u;hostgroup=10;max_connections=%u}",
                      i == 0 ? "" : ",", listen_on_any(&f->listeners[i]),
                      i == N_NODES - 1 ? limit : 100);
    }
    (void)snprintf(text + n, sizeof(text) - (size_t)n, ")\n");
    assert_int_equal(conf_load_text(&f->conf, "test", slice_of(text), &faults), 0);
    f->topology = topology_new(&f->nodes, f->conf, &faults);
    assert_non_null(f->topology);
    topology_use(&f->nodes, f->topology);
    faults_fini(&faults);
}

void pool_scene_begin(struct fixture *f, unsigned min_idle, unsigned limit)
{
    *f = (struct fixture){0};
    atomic_store(&log_level_now, LOG_ERROR);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    stream_loop_init(&f->streams, &f->loop);
    nodes_init(&f->nodes);
    queue_init(&f->queue, 10, 1000);
    accounts_init(&f->accounts);
    load(f, min_idle, limit);
    assert_int_equal(accounts_load(&f->accounts, f->conf), 0);
    pool_init(&f->pool, 0);
    f->pool.streams = &f->streams;
    f->pool.stats = &f->stats;
    f->pool.conf = f->conf;
    f->pool.nodes = &f->nodes;
    f->pool.queue = &f->queue;
    f->pool.schema_changes = &f->schema_changes;
    for (unsigned i = 0; i < N_ACCOUNTS; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "u%u", i);
        f->account[i] = account_find(&f->accounts, slice_of(name));
        assert_non_null(f->account[i]);
    }
}

void pool_scene_end(struct fixture *f)
{
    pool_close(&f->pool);
    while (!pool_is_empty(&f->pool)) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    pool_fini(&f->pool);
    stream_loop_fini(&f->streams);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    queue_fini(&f->queue);
    accounts_fini(&f->accounts);
    topology_free(f->topology);
    nodes_fini(&f->nodes);
    conf_unref(f->conf);
    for (unsigned i = 0; i < N_NODES; i++) {
        (void)close(f->listeners[i]);
    }
}
