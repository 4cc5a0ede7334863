/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_roles_replication.c - roles of nodes of mysql_replication_hostgroups.
 */
#include "tests/unit/roles_scene.h"

static struct roles decide_replication(struct scene *s)
{
    static const struct conf_replication row = {.writer_hostgroup = 10, .reader_hostgroup = 20};
    struct roles r;

    memset(&r, 0xee, sizeof(r));
    roles_decide_replication(&r, &row, s->nodes, s->in.n);
    roles_assert_sets(&r, &s->in);
    return r;
}

static void make_replication(struct scene *s, unsigned n)
{
    roles_make(s, n);
    for (unsigned i = 0; i < n; i++) {
        s->reports[i].is_galera = s->reports[i].primary = s->reports[i].ready = false;
        s->reports[i].local_state = 0;
        s->reports[i].state_uuid[0] = '\0';
        s->reports[i].read_only = i > 0;
    }
}

TEST(roles_replication_read_only_tells_writers_from_readers)
{
    struct scene s;
    struct roles r;

    make_replication(&s, 3);
    r = decide_replication(&s);
    assert_roles(&r, A, 0, B | C, 0);
    assert_int_equal(r.why[0], WHY_WRITER);
    assert_int_equal(r.why[1], WHY_READ_ONLY);
    s.reports[0].read_only = true; /* a switch is under way */
    r = decide_replication(&s);
    assert_roles(&r, 0, 0, A | B | C, 0);
    s.reports[1].read_only = s.reports[2].read_only = false; /* ring replication */
    r = decide_replication(&s);
    assert_roles(&r, B | C, 0, A, 0);
}

TEST(roles_replication_node_that_is_gone)
{
    struct scene s;
    struct roles r;

    make_replication(&s, 3);
    s.nodes[0].health = HEALTH_SUSPECT;
    r = decide_replication(&s);
    assert_roles(&r, A, 0, B | C, 0); /* it is the writer, there is no other */
    s.reports[1].read_only = false;   /* but now */
    r = decide_replication(&s);
    assert_roles(&r, B, 0, C, A);
    s.reports[1].read_only = true;
    s.nodes[0].health = HEALTH_DOWN;
    r = decide_replication(&s);
    assert_roles(&r, 0, 0, B | C, A);
    s.nodes[2].status = SERVER_OFFLINE_SOFT;
    r = decide_replication(&s);
    assert_roles(&r, 0, 0, B, A | C);
    assert_int_equal(r.why[2], WHY_ADMIN_SOFT);
}

TEST(roles_replication_of_nodes_that_nobody_checked)
{
    struct scene s;
    struct roles r;

    make_replication(&s, 3);
    roles_uncheck(&s, 0);
    roles_uncheck(&s, 1);
    s.nodes[1].weight = 200;
    r = decide_replication(&s);
    assert_roles(&r, B, A, A | C, 0); /* one: they may be replicas */
    s.reports[2].read_only = false;
    r = decide_replication(&s);
    assert_roles(&r, C, A | B, A | B, 0);
}
