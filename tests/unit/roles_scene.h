/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roles_scene.h - nodes and their reports for the tests of roles, and what holds of each decision.
 */
#ifndef TESTS_UNIT_ROLES_SCENE_H
#define TESTS_UNIT_ROLES_SCENE_H

#include "pool/roles.h"
#include "tests/unit/test.h"

#define NOW UINT64_C(100000)
#define A   UINT64_C(1)
#define B   UINT64_C(2)
#define C   UINT64_C(4)
#define D   UINT64_C(8)

struct scene {
    struct conf_galera row;
    struct roles_node nodes[NODES_MAX];
    struct node_report reports[NODES_MAX];
    struct roles_input in;
};

/*
 * roles_make - n nodes, all Synced in one view, of equal weight; the first one has the lowest
 * wsrep_local_index.
 */
void roles_make(struct scene *s, unsigned n);

/* roles_uncheck - nobody has looked at the node. */
void roles_uncheck(struct scene *s, unsigned node);

/* roles_assert_sets - each node is in a mask, and those that may have none in common have none. */
void roles_assert_sets(const struct roles *r, const struct roles_input *in);

/*
 * roles_of - decide, and assert what must hold of each decision: the sets, and that neither the
 * input's order nor a second decision changes it.
 */
struct roles roles_of(const struct scene *s);

/* assert_roles - exactly these masks. */
void assert_roles(const struct roles *r, uint64_t writers, uint64_t backups, uint64_t readers,
                  uint64_t offline);

#endif
