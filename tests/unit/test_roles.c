/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_roles.c - who writes, and what puts a node out, from plain reports.
 */
#include "tests/unit/roles_scene.h"

/* --- all are well ----------------------------------------------------------------------------- */

TEST(roles_three_synced_nodes_give_a_writer_and_two_readers)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    r = roles_of(&s);
    assert_roles(&r, A, B | C, B | C, 0);
    assert_int_equal(r.why[0], WHY_WRITER);
    assert_int_equal(r.why[1], WHY_FIT);
}

TEST(roles_writer_is_also_reader_as_its_row_says)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.reports[2].read_only = true;
    s.row.writer_is_also_reader = 1;
    r = roles_of(&s);
    assert_roles(&r, A, B, A | B | C, 0);
    assert_int_equal(r.why[2], WHY_READ_ONLY);
    for (uint8_t value = 0; value <= 2; value += 2) {
        s.row.writer_is_also_reader = value;
        r = roles_of(&s);
        assert_roles(&r, A, B, B | C, 0);
    }
}

TEST(roles_max_writers)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 4);
    s.row.max_writers = 0;
    r = roles_of(&s);
    assert_roles(&r, 0, A | B | C | D, A | B | C | D, 0);
    s.row.max_writers = 3;
    r = roles_of(&s);
    assert_roles(&r, A | B | C, D, D, 0);
    s.row.max_writers = UINT32_MAX;
    r = roles_of(&s);
    assert_roles(&r, A | B | C | D, 0, 0, 0); /* the writers read, as nobody else does */
}

TEST(roles_no_nodes_at_all)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 0);
    r = roles_of(&s);
    assert_roles(&r, 0, 0, 0, 0);
}

/* --- which of several writes ------------------------------------------------------------------ */

TEST(roles_writer_is_the_heaviest_then_the_lowest_index)
{
    struct scene s;

    roles_make(&s, 3);
    s.reports[0].local_index = 2;
    s.reports[2].local_index = 0;
    assert_int_equal(roles_of(&s).writers, C);
    s.nodes[1].weight = 101;
    assert_int_equal(roles_of(&s).writers, B);
    s.nodes[1].weight = 100;
    s.reports[0].local_index = s.reports[1].local_index = s.reports[2].local_index = 5;
    assert_int_equal(roles_of(&s).writers, A); /* the first of the configuration */
}

TEST(roles_writer_stays_unless_failback)
{
    struct scene s;

    roles_make(&s, 3);
    s.nodes[0].weight = 1000;
    s.in.previous = C;
    assert_int_equal(roles_of(&s).writers, C);
    s.in.failback = true;
    assert_int_equal(roles_of(&s).writers, A);
    s.nodes[0].weight = 100; /* failback is to a higher weight, not to another index */
    assert_int_equal(roles_of(&s).writers, C);
}

TEST(roles_wanted_goes_before_who_wrote_and_before_weight)
{
    struct scene s;

    roles_make(&s, 4);
    s.nodes[0].weight = 1000;
    s.in.previous = A;
    s.in.wanted = C;
    assert_int_equal(roles_of(&s).writers, C);
    s.in.failback = true;
    assert_int_equal(roles_of(&s).writers, C);
    s.row.max_writers = 2;
    assert_int_equal(roles_of(&s).writers, A | C);
    s.reports[2].local_state = WSREP_DONOR; /* who says so knows */
    s.row.max_writers = 1;
    assert_int_equal(roles_of(&s).writers, C);
    s.reports[2].desync = true; /* but not what cannot work */
    assert_int_equal(roles_of(&s).writers, A);
}

TEST(roles_a_lame_node_writes_when_no_other_can)
{
    struct scene s;

    roles_make(&s, 3);
    s.in.previous = s.in.wanted = s.in.lame = A;
    assert_int_equal(roles_of(&s).writers, B);
    s.nodes[1].health = s.nodes[2].health = HEALTH_DOWN;
    assert_int_equal(roles_of(&s).writers, A);
}

TEST(roles_several_previous_writers_stay_in_order)
{
    struct scene s;

    roles_make(&s, 4);
    s.in.previous = B | D;
    s.row.max_writers = 2;
    assert_int_equal(roles_of(&s).writers, B | D);
    s.row.max_writers = 3;
    assert_int_equal(roles_of(&s).writers, A | B | D);
    s.row.max_writers = 1;
    assert_int_equal(roles_of(&s).writers, B);
    s.nodes[3].weight = 101;
    assert_int_equal(roles_of(&s).writers, D);
}

/* --- what puts a node out --------------------------------------------------------------------- */

enum change {
    SET_SOFT,
    SET_HARD,
    SET_SHUNNED,
    SET_UNRESOLVED,
    SET_REFUSED,
    SET_TLS_FAILED,
    SET_SILENT,
    SET_TRAFFIC_REFUSED,
    SET_NOT_READY,
    SET_NOT_CONNECTED,
    SET_NON_PRIMARY,
    SET_OLD_VIEW,
    SET_OTHER_CLUSTER,
    SET_JOINING,
    SET_JOINED,
    SET_NO_STATE,
    SET_DONOR_REJECTS,
    SET_DESYNC,
    SET_REJECTS,
    SET_BEHIND,
    SET_NO_WSREP
};

static const struct {
    enum change change;
    enum role_why why;
} changes[] = {
    {SET_SOFT, WHY_ADMIN_SOFT},
    {SET_HARD, WHY_ADMIN_HARD},
    {SET_SHUNNED, WHY_ADMIN_SHUNNED},
    {SET_UNRESOLVED, WHY_NOT_RESOLVED},
    {SET_REFUSED, WHY_REFUSED},
    {SET_SILENT, WHY_SILENT},
    {SET_TLS_FAILED, WHY_TLS},
    {SET_TRAFFIC_REFUSED, WHY_REFUSED},
    {SET_NOT_READY, WHY_NOT_READY},
    {SET_NOT_CONNECTED, WHY_NOT_READY},
    {SET_NON_PRIMARY, WHY_NOT_PRIMARY},
    {SET_OLD_VIEW, WHY_OLD_VIEW},
    {SET_OTHER_CLUSTER, WHY_OTHER_CLUSTER},
    {SET_JOINING, WHY_JOINING},
    {SET_JOINED, WHY_JOINING},
    {SET_NO_STATE, WHY_JOINING},
    {SET_DONOR_REJECTS, WHY_DONOR_REJECTS},
    {SET_DESYNC, WHY_DESYNC},
    {SET_REJECTS, WHY_REJECTS},
    {SET_BEHIND, WHY_BEHIND},
    {SET_NO_WSREP, WHY_NO_WSREP},
};

static void change_figures(struct node_report *r, enum change change)
{
    r->ready = change != SET_NOT_READY && change != SET_NON_PRIMARY && change != SET_JOINING &&
               change != SET_NO_STATE;
    r->connected = change != SET_NOT_CONNECTED;
    r->primary = change != SET_NON_PRIMARY;
    r->conf_id -= change == SET_OLD_VIEW ? 1 : 0;
    r->state_uuid[0] = change == SET_OTHER_CLUSTER ? 'x' : r->state_uuid[0];
    r->local_state = change == SET_JOINING         ? WSREP_JOINING
                     : change == SET_JOINED        ? WSREP_JOINED
                     : change == SET_NO_STATE      ? 0
                     : change == SET_DONOR_REJECTS ? WSREP_DONOR
                     : change == SET_DESYNC        ? WSREP_DONOR /* as a node says it */
                                                   : WSREP_SYNCED;
    r->donor_rejects = change == SET_DONOR_REJECTS;
    r->desync = change == SET_DESYNC;
    r->rejects = change == SET_REJECTS;
    r->recv_queue = change == SET_BEHIND ? 101 : 100;
    r->is_galera = change != SET_NO_WSREP;
}

static void change_node(struct scene *s, unsigned node, enum change change)
{
    struct roles_node *n = &s->nodes[node];
    struct node_report *r = &s->reports[node];

    s->row.max_transactions_behind = 100;
    n->status = change == SET_SOFT      ? SERVER_OFFLINE_SOFT
                : change == SET_HARD    ? SERVER_OFFLINE_HARD
                : change == SET_SHUNNED ? SERVER_SHUNNED
                                        : SERVER_ONLINE;
    n->is_resolved = change != SET_UNRESOLVED;
    if (change == SET_REFUSED || change == SET_TLS_FAILED || change == SET_SILENT ||
        change == SET_TRAFFIC_REFUSED) {
        n->health = HEALTH_DOWN;
        r->error = change == SET_TLS_FAILED ? REPORT_TLS_ERROR : 0;
        r->kind = change == SET_REFUSED || change == SET_TLS_FAILED ? REPORT_BROKEN
                  : change == SET_SILENT                            ? REPORT_TIMEOUT
                                                                    : REPORT_OK;
    }
    change_figures(r, change);
}

TEST(roles_each_reason_puts_a_reader_out_and_has_its_own_word)
{
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        struct scene s;
        struct roles r;

        roles_make(&s, 3);
        change_node(&s, 2, changes[i].change);
        r = roles_of(&s);
        assert_roles(&r, A, B, B, C);
        assert_string_equal(role_why_word(r.why[2]), role_why_word(changes[i].why));
    }
}

TEST(roles_each_reason_takes_the_role_from_the_writer)
{
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        for (int keep = 0; keep < 2; keep++) { /* whatever speaks for it */
            struct scene s;
            struct roles r;

            roles_make(&s, 3);
            s.in.previous = A;
            s.in.wanted = keep ? A : 0;
            s.nodes[0].weight = 1000;
            change_node(&s, 0, changes[i].change);
            r = roles_of(&s);
            assert_roles(&r, B, C, C, A);
            assert_int_equal(r.why[0], changes[i].why);
            assert_int_equal(r.why[1], WHY_WRITER);
        }
    }
}

TEST(roles_last_node_falls_for_each_reason_but_being_behind)
{
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        enum change change = changes[i].change;
        struct scene s;
        struct roles r;

        roles_make(&s, 1);
        change_node(&s, 0, change);
        r = roles_of(&s);
        /* alone nobody says that its view is old, or that its cluster is another */
        if (change == SET_BEHIND || change == SET_OLD_VIEW || change == SET_OTHER_CLUSTER) {
            assert_roles(&r, A, 0, 0, 0);
        } else {
            assert_roles(&r, 0, 0, 0, A);
        }
    }
}

TEST(roles_cause_is_told_before_what_follows_from_it)
{
    struct scene s;
    struct node_report *r;

    roles_make(&s, 3);
    r = &s.reports[1];
    r->ready = r->connected = false; /* a joiner, a node without quorum: ready is OFF as well */
    assert_int_equal(roles_of(&s).why[1], WHY_NOT_READY);
    r->local_state = WSREP_JOINING;
    assert_int_equal(roles_of(&s).why[1], WHY_JOINING);
    r->rejects = true;
    assert_int_equal(roles_of(&s).why[1], WHY_REJECTS);
    r->desync = true;
    assert_int_equal(roles_of(&s).why[1], WHY_DESYNC);
    r->conf_id--;
    assert_int_equal(roles_of(&s).why[1], WHY_OLD_VIEW);
    r->primary = false;
    assert_int_equal(roles_of(&s).why[1], WHY_NOT_PRIMARY);
    r->is_galera = false;
    assert_int_equal(roles_of(&s).why[1], WHY_NO_WSREP);
    s.nodes[1].health = HEALTH_DOWN;
    r->kind = REPORT_TIMEOUT;
    assert_int_equal(roles_of(&s).why[1], WHY_SILENT);
    s.nodes[1].status = SERVER_OFFLINE_HARD;
    assert_int_equal(roles_of(&s).why[1], WHY_ADMIN_HARD);
}

/* --- donors ----------------------------------------------------------------------------------- */

TEST(roles_donor_that_takes_queries_writes_only_for_want_of_a_synced_node)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.in.previous = A;
    s.reports[0].local_state = WSREP_DONOR;
    r = roles_of(&s);
    assert_roles(&r, B, A | C, C, 0); /* and reads only then */
    assert_int_equal(r.why[0], WHY_DONOR);
    s.reports[2].local_state = WSREP_JOINING;
    r = roles_of(&s);
    assert_roles(&r, B, A, A, C); /* it reads: else all would be the writer's */
    s.reports[1].primary = false;
    r = roles_of(&s);
    assert_roles(&r, A, 0, 0, B | C);
    assert_int_equal(r.why[0], WHY_DONOR);
    s.reports[0].donor_rejects = true;
    assert_int_equal(roles_of(&s).writers, 0);
}

TEST(roles_second_writer_is_no_donor)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.row.max_writers = 3;
    s.reports[1].local_state = WSREP_DONOR;
    r = roles_of(&s);
    assert_roles(&r, A | C, B, B, 0);
}

/* --- behind ----------------------------------------------------------------------------------- */

static void set_queues(struct scene *s, uint64_t a, uint64_t b, uint64_t c)
{
    s->row.max_transactions_behind = 100;
    s->reports[0].recv_queue = a;
    s->reports[1].recv_queue = b;
    s->reports[2].recv_queue = c;
}

TEST(roles_behind_is_not_looked_at_when_it_is_off)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    set_queues(&s, 1000000, 0, UINT64_MAX);
    s.row.max_transactions_behind = 0;
    r = roles_of(&s);
    assert_roles(&r, A, B | C, B | C, 0);
}

TEST(roles_all_behind_leaves_the_least_behind)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    set_queues(&s, 500, 200, 300);
    r = roles_of(&s);
    assert_roles(&r, B, 0, 0, A | C);
    assert_int_equal(r.why[0], WHY_BEHIND);
    assert_int_equal(r.why[1], WHY_BEHIND); /* it writes, and this is what speaks against it */
    set_queues(&s, 200, 200, 200);
    assert_int_equal(roles_of(&s).writers, A);
    set_queues(&s, 500, 100, 300); /* 100 is not above */
    assert_int_equal(roles_of(&s).writers, B);
}

TEST(roles_all_behind_does_not_move_the_writer_for_a_little)
{
    struct scene s;

    roles_make(&s, 3);
    s.in.previous = A;
    set_queues(&s, 500, 300, 300);
    assert_int_equal(roles_of(&s).writers, A);
    set_queues(&s, 500, 300, 249);
    assert_int_equal(roles_of(&s).writers, C);
}

TEST(roles_all_writable_behind_leaves_one_to_write_although_a_read_only_one_is_not)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    set_queues(&s, 500, 300, 0);
    s.reports[2].read_only = true;
    r = roles_of(&s);
    assert_roles(&r, B, 0, C, A);
    set_queues(&s, 500, 50, 400); /* and a read_only one that is behind goes */
    r = roles_of(&s);
    assert_roles(&r, B, 0, 0, A | C);
    assert_int_equal(r.why[2], WHY_BEHIND);
}

TEST(roles_all_read_only_and_behind_leaves_a_reader)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    set_queues(&s, 500, 300, 400);
    for (unsigned i = 0; i < 3; i++) {
        s.reports[i].read_only = true;
    }
    r = roles_of(&s);
    assert_roles(&r, 0, 0, B, A | C);
}
