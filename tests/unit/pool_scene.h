/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_scene.h - a worker's pool with accounts u0, u1, ... and three nodes, without a worker.
 *
 * The nodes are listening sockets that say nothing: connections stay in their logins.
 */
#ifndef TESTS_UNIT_POOL_SCENE_H
#define TESTS_UNIT_POOL_SCENE_H

#include "pool/pool.h"
#include "tests/unit/test.h"

#define N_NODES    3
#define N_ACCOUNTS 4

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): ordered by meaning */
struct fixture {
    uv_loop_t loop;
    struct stream_loop streams;
    struct stat_set stats;
    struct nodes nodes;
    struct wait_queue queue;
    struct conf *conf;
    struct topology *topology;
    struct accounts accounts;
    struct account *account[N_ACCOUNTS];
    atomic_uint schema_changes;
    struct pool pool;
    int listeners[N_NODES];
};

/* pool_scene_begin - min_idle: of a node. limit: of connections to the last node. */
void pool_scene_begin(struct fixture *f, unsigned min_idle, unsigned limit);

/* pool_scene_end - closes the pool, and checks that nothing is left. */
void pool_scene_end(struct fixture *f);

#endif
