/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_scene.h - a cluster of three nodes and its monitor without a thread, for the tests of how
 * one writer is followed by another.
 *
 * The nodes are listening sockets that say nothing, so a catch-up ends when the test says so.
 */
#ifndef TESTS_UNIT_MONITOR_SCENE_H
#define TESTS_UNIT_MONITOR_SCENE_H

#include "base/clock.h"
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

/* scene_begin - nobody was asked yet. scene_begin_healthy - all are up, and node 0 writes. */
void scene_begin(struct fixture *f);
void scene_begin_healthy(struct fixture *f);
void scene_end(struct fixture *f);

/* scene_up, scene_down - what its newest check says. */
void scene_up(struct fixture *f, unsigned i);
void scene_down(struct fixture *f, unsigned i);

/* scene_writers - as published: a mask. */
uint64_t scene_writers(const struct fixture *f);
void scene_pass_ms(uint64_t ms);

/* scene_catch_up - the one that is under way ends. */
void scene_catch_up(struct fixture *f, unsigned i, bool good);

#endif
