/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_roles_more.c - nodes that are not checked, silent or slow; views of the cluster; chance.
 */
#include <stdio.h>

#include "tests/unit/roles_scene.h"

/* --- not checked, denied, suspect, slow ------------------------------------------------------- */

TEST(roles_nobody_checked_is_as_configured)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    for (unsigned i = 0; i < 3; i++) {
        roles_uncheck(&s, i);
    }
    s.nodes[1].report = NULL;
    r = roles_of(&s);
    assert_roles(&r, A, B | C, B | C, 0);
    assert_int_equal(r.why[0], WHY_UNCHECKED);
    s.nodes[2].weight = 1000;
    assert_int_equal(roles_of(&s).writers, C);
}

TEST(roles_unchecked_node_reads_and_writes_only_when_no_checked_one_can)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    roles_uncheck(&s, 0);
    s.reports[0].kind = REPORT_DENIED;
    s.nodes[0].weight = 1000;
    s.in.previous = A;
    r = roles_of(&s);
    assert_roles(&r, B, A | C, A | C, 0);
    assert_int_equal(r.why[0], WHY_DENIED);
    s.reports[1].read_only = s.reports[2].read_only = true;
    r = roles_of(&s);
    assert_roles(&r, A, 0, B | C, 0);
    assert_int_equal(r.why[0], WHY_DENIED);
    s.nodes[0].health = HEALTH_DOWN; /* traffic knows better */
    r = roles_of(&s);
    assert_roles(&r, 0, 0, B | C, A);
}

TEST(roles_denied_node_is_not_judged_by_what_it_said_before)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.reports[2].kind = REPORT_DENIED;
    s.reports[2].primary = false;
    s.reports[2].conf_id = 99; /* nor are the others */
    r = roles_of(&s);
    assert_roles(&r, A, B | C, B | C, 0);
}

TEST(roles_suspect_writer_stays_and_does_not_read)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.row.writer_is_also_reader = 1;
    s.in.previous = A;
    s.nodes[0].health = HEALTH_SUSPECT;
    s.reports[0].kind = REPORT_TIMEOUT;
    r = roles_of(&s);
    assert_roles(&r, A, B | C, B | C, 0);
    assert_int_equal(r.why[0], WHY_SILENT);
    s.nodes[0].health = HEALTH_DOWN;
    r = roles_of(&s);
    assert_roles(&r, B, C, B | C, A);
}

TEST(roles_suspect_node_is_not_elected)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.nodes[0].health = HEALTH_SUSPECT;
    s.nodes[0].weight = 1000;
    r = roles_of(&s);
    assert_roles(&r, B, C, C, A);
    s.in.wanted = A;
    s.in.failback = true;
    assert_int_equal(roles_of(&s).writers, B);
    s.nodes[1].health = s.nodes[2].health = HEALTH_DOWN;
    r = roles_of(&s);
    assert_roles(&r, 0, 0, A, B | C); /* reads are no harm */
}

TEST(roles_suspect_node_reads_only_when_nobody_else_serves)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 2);
    s.nodes[1].health = HEALTH_SUSPECT;
    r = roles_of(&s);
    assert_roles(&r, A, 0, 0, B); /* the writer reads */
    s.nodes[0].health = HEALTH_SUSPECT;
    s.in.previous = A;
    r = roles_of(&s);
    assert_roles(&r, A, 0, B, 0);
}

TEST(roles_slow_reader_reads_when_all_are_slow)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    for (unsigned i = 0; i < 3; i++) {
        s.nodes[i].max_latency_ms = 20;
    }
    s.reports[0].took_us = s.reports[1].took_us = 20001;
    r = roles_of(&s);
    assert_roles(&r, A, B | C, C, 0); /* to write it is good enough */
    assert_int_equal(r.why[0], WHY_WRITER);
    assert_int_equal(r.why[1], WHY_SLOW);
    s.reports[2].took_us = 20001;
    assert_int_equal(roles_of(&s).readers, B | C);
    s.nodes[1].max_latency_ms = 0; /* any */
    assert_int_equal(roles_of(&s).readers, B);
}

/* --- views ------------------------------------------------------------------------------------ */

static void set_view(struct scene *s, unsigned node, uint64_t conf_id, uint64_t since_ms,
                     uint64_t answered_ms)
{
    s->reports[node].conf_id = conf_id;
    s->reports[node].view_ms = since_ms;
    s->reports[node].answered_ms = answered_ms;
}

TEST(roles_report_from_before_the_new_view_accuses_nobody)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    set_view(&s, 0, 7, 1000, NOW - 900);
    set_view(&s, 1, 8, NOW, NOW);
    set_view(&s, 2, 7, 1000, NOW - 500);
    r = roles_of(&s);
    assert_roles(&r, A, B | C, B | C, 0);
    set_view(&s, 0, 7, 1000, NOW + 100); /* asked at the same moment: it may enter it right now */
    r = roles_of(&s);
    assert_roles(&r, A, B | C, B | C, 0);
}

TEST(roles_node_that_says_an_old_view_after_a_newer_one_was_seen_is_out)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.in.previous = A;
    set_view(&s, 0, 7, 1000, NOW + 1000);
    set_view(&s, 1, 8, NOW, NOW);
    set_view(&s, 2, 8, NOW + 300, NOW + 300);
    r = roles_of(&s);
    assert_roles(&r, B, C, C, A);
    assert_int_equal(r.why[0], WHY_OLD_VIEW);
    set_view(&s, 1, 8, NOW, NOW + 2000); /* a check of the others later does not clear it */
    set_view(&s, 2, 8, NOW + 300, NOW + 2300);
    assert_int_equal(roles_of(&s).why[0], WHY_OLD_VIEW);
    set_view(&s, 0, 9, NOW + 2500,
             NOW + 2500); /* it is back, in a newer view than the others yet */
    r = roles_of(&s);
    assert_int_equal(r.writers, A);
    assert_int_equal(r.offline, 0);
}

/* A node that shuts down answers nothing more for a while: the others say that it has left. */
TEST(roles_node_that_is_not_in_a_newer_view_of_known_members_is_out_before_it_is_asked)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.in.previous = A;
    s.nodes[0].health = HEALTH_SUSPECT;
    set_view(&s, 0, 7, 1000, NOW - 900);
    set_view(&s, 1, 8, NOW, NOW);
    set_view(&s, 2, 8, NOW, NOW);
    assert_int_equal(roles_of(&s).writers, A); /* a view of three: it may be in it */
    s.reports[1].cluster_size = s.reports[2].cluster_size = 2;
    r = roles_of(&s);
    assert_roles(&r, B, C, C, A);
    assert_int_equal(r.why[0], WHY_LEFT);
    s.nodes[0].health = HEALTH_UP;
    assert_int_equal(roles_of(&s).writers, B);
    set_view(&s, 2, 7, 1000, NOW - 500); /* one of the two may be C, or A */
    assert_int_equal(roles_of(&s).writers, A);
}

TEST(roles_view_without_a_time_counts_from_the_answer)
{
    struct scene s;

    roles_make(&s, 2);
    set_view(&s, 0, 7, 0, NOW + 500);
    set_view(&s, 1, 8, 0, NOW);
    assert_int_equal(roles_of(&s).why[0], WHY_OLD_VIEW);
    set_view(&s, 0, 7, 0, NOW - 500);
    assert_int_equal(roles_of(&s).why[0], WHY_WRITER);
}

TEST(roles_what_a_silent_node_said_last_accuses_nobody)
{
    struct scene s;

    roles_make(&s, 3); /* the cluster was started anew: its views are counted from 1 again */
    set_view(&s, 0, 90, 1000, 2000);
    set_view(&s, 1, 2, NOW, NOW);
    set_view(&s, 2, 2, NOW, NOW);
    s.nodes[0].health = HEALTH_SUSPECT;
    assert_int_equal(roles_of(&s).writers, B);
    assert_int_equal(roles_of(&s).readers, C);
    s.nodes[0].health = HEALTH_DOWN;
    assert_int_equal(roles_of(&s).writers, B);
}

TEST(roles_minority_that_has_not_noticed_the_cut_is_never_chosen)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 5); /* 0 and 1 are cut off, and still say Primary of the view before */
    s.in.previous = A;
    s.nodes[0].weight = s.nodes[1].weight = 1000;
    for (unsigned i = 0; i < 5; i++) {
        set_view(&s, i, i < 2 ? 7 : 8, i < 2 ? 1000 : NOW, NOW + 800);
        s.reports[i].cluster_size = i < 2 ? 5 : 3;
    }
    r = roles_of(&s);
    assert_int_equal(r.writers, C);
    assert_int_equal(r.offline, A | B);
    s.reports[0].primary = s.reports[1].primary = false; /* now they know */
    r = roles_of(&s);
    assert_int_equal(r.offline, A | B);
    assert_int_equal(r.why[1], WHY_NOT_PRIMARY);
}

TEST(roles_two_clusters_the_larger_group_counts)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.in.previous = A;
    (void)snprintf(s.reports[0].state_uuid, REPORT_UUID_MAX, "other");
    s.reports[0].cluster_size = 9;
    s.reports[0].conf_id = 900; /* counts nothing against another cluster's */
    r = roles_of(&s);
    assert_roles(&r, B, C, C, A);
    assert_int_equal(r.why[0], WHY_OTHER_CLUSTER);
}

TEST(roles_two_clusters_of_one_node_each_by_size_then_who_wrote_then_name)
{
    struct scene s;

    roles_make(&s, 2);
    (void)snprintf(s.reports[0].state_uuid, REPORT_UUID_MAX, "b");
    (void)snprintf(s.reports[1].state_uuid, REPORT_UUID_MAX, "c");
    assert_int_equal(roles_of(&s).writers, A);
    s.in.previous = B;
    assert_int_equal(roles_of(&s).writers, B);
    s.reports[0].cluster_size = 3;
    assert_int_equal(roles_of(&s).writers, A);
    s.nodes[0].status = SERVER_OFFLINE_SOFT; /* it has no voice */
    assert_int_equal(roles_of(&s).writers, B);
    s.nodes[0].status = SERVER_ONLINE;
    s.reports[0].primary = false; /* not of a view at all */
    assert_int_equal(roles_of(&s).writers, B);
}

TEST(roles_no_quorum_anywhere_nobody_serves)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.in.previous = A;
    for (unsigned i = 0; i < 3; i++) {
        s.reports[i].primary = s.reports[i].ready = false;
        s.reports[i].conf_id = UINT64_MAX;
    }
    r = roles_of(&s);
    assert_roles(&r, 0, 0, 0, A | B | C);
    s.reports[1].primary = s.reports[1].ready = true; /* bootstrapped; its number was not read */
    r = roles_of(&s);
    assert_roles(&r, B, 0, 0, A | C);
}

/* --- chance ----------------------------------------------------------------------------------- */

static bool once_in(uint64_t *random, unsigned n)
{
    return test_random(random) % n == 0;
}

static void make_report(struct node_report *r, uint64_t *random)
{
    static const uint8_t kinds[] = {REPORT_OK,   REPORT_OK,     REPORT_OK,     REPORT_OK,
                                    REPORT_NONE, REPORT_BROKEN, REPORT_DENIED, REPORT_TIMEOUT};

    r->kind = kinds[test_random(random) % ARRAY_SIZE(kinds)];
    r->answered_ms = once_in(random, 8) ? 0 : NOW + test_random(random) % 2000;
    r->view_ms = once_in(random, 4) ? 0 : NOW + test_random(random) % 2000;
    r->primary = !once_in(random, 8);
    r->is_galera = !once_in(random, 16);
    r->ready = !once_in(random, 8);
    r->desync = once_in(random, 10);
    r->rejects = once_in(random, 10);
    r->donor_rejects = once_in(random, 2);
    r->read_only = once_in(random, 5);
    r->local_state = once_in(random, 3) ? (unsigned)(test_random(random) % 5) : WSREP_SYNCED;
    r->local_index = (unsigned)(test_random(random) % 4);
    r->conf_id = once_in(random, 20) ? UINT64_MAX : 7 - test_random(random) % 5 / 4;
    r->state_uuid[5] = (char)('1' + test_random(random) % 5 / 4);
    r->recv_queue = test_random(random) % 300;
    r->took_us = test_random(random) % 3000;
}

static void make_any(struct scene *s, uint64_t *random)
{
    roles_make(s, (unsigned)(test_random(random) % 9));
    s->row.max_writers = (uint32_t)(1 + test_random(random) % 3);
    s->row.writer_is_also_reader = (uint8_t)(test_random(random) % 3);
    s->row.max_transactions_behind = once_in(random, 2) ? 0 : 150;
    s->in.previous = test_random(random) & 0xff;
    s->in.previous &= test_random(random); /* not too many */
    s->in.wanted = once_in(random, 2) ? 0 : UINT64_C(1) << test_random(random) % 8;
    s->in.failback = once_in(random, 2);
    for (unsigned i = 0; i < s->in.n; i++) {
        static const uint8_t healths[] = {HEALTH_UP,      HEALTH_UP,   HEALTH_UP,
                                          HEALTH_SUSPECT, HEALTH_DOWN, HEALTH_UNCHECKED};

        s->nodes[i].health = healths[test_random(random) % ARRAY_SIZE(healths)];
        s->nodes[i].status =
            once_in(random, 6) ? (uint8_t)(test_random(random) % 4) : SERVER_ONLINE;
        s->nodes[i].is_resolved = !once_in(random, 16);
        s->nodes[i].weight = (uint32_t)(test_random(random) % 3);
        s->nodes[i].max_latency_ms = once_in(random, 2) ? 0 : 2;
        make_report(&s->reports[i], random);
    }
}

/* Fit without a doubt: nothing of what the random report may hold speaks against it. */
static bool is_sound(const struct scene *s, unsigned node)
{
    const struct roles_node *n = &s->nodes[node];
    const struct node_report *r = n->report;

    return n->status == SERVER_ONLINE && n->is_resolved && n->health == HEALTH_UP &&
           r->kind == REPORT_OK && r->answered_ms != 0 && r->is_galera && r->primary && r->ready &&
           !r->desync && !r->rejects && r->local_state == WSREP_SYNCED && r->conf_id == 7;
}

static bool is_in_only_cluster(const struct scene *s)
{
    for (unsigned i = 1; i < s->in.n; i++) {
        if (strcmp(s->reports[i].state_uuid, s->reports[0].state_uuid) != 0) {
            return false;
        }
    }
    return true;
}

TEST(roles_random_reports_keep_the_rules)
{
    uint64_t random = 20260101;
    unsigned n_sound = 0;
    unsigned n_writers = 0;

    for (unsigned round = 0; round < 40000; round++) {
        struct scene s;
        struct roles r;
        bool may_write = false;
        bool may_read = false;

        make_any(&s, &random);
        r = roles_of(&s);
        for (unsigned i = 0; i < s.in.n; i++) {
            uint64_t bit = UINT64_C(1) << i;
            const struct roles_node *n = &s.nodes[i];
            bool used = ((r.writers | r.readers | r.backups) & bit) != 0;

            assert_false(used && (n->health == HEALTH_DOWN || n->status != SERVER_ONLINE));
            assert_false(n->health == HEALTH_SUSPECT && (r.writers & bit & ~s.in.previous) != 0);
            assert_true(r.why[i] < ROLE_WHY_COUNT);
            if (is_sound(&s, i) && is_in_only_cluster(&s)) {
                may_read = true;
                may_write |= !s.reports[i].read_only;
            }
        }
        if (may_write) {
            assert_int_not_equal(r.writers, 0);
            n_sound++;
        }
        assert_true(!may_read || (r.readers | r.writers) != 0);
        n_writers += r.writers != 0;
    }
    assert_in_range(n_sound, 2000, 40000); /* the rounds said something */
    assert_in_range(n_writers, 10000, 40000);
}

/* --- words ------------------------------------------------------------------------------------ */

TEST(roles_each_reason_has_a_word_and_a_text)
{
    for (int i = 0; i < ROLE_WHY_COUNT; i++) {
        assert_true(strlen(role_why_text((enum role_why)i)) > 5);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(role_why_word((enum role_why)i),
                                    role_why_word((enum role_why)j));
        }
    }
}

/* --- a cluster that is split ------------------------------------------------------------------ */

static void set_part(struct scene *s, unsigned node, uint64_t conf_id, unsigned size)
{
    set_view(s, node, conf_id, NOW, NOW + 1000);
    s->reports[node].cluster_size = size;
}

TEST(roles_the_larger_part_of_a_split_cluster_counts)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.in.previous = B;
    set_part(&s, 0, 9, 1); /* somebody has bootstrapped it */
    set_part(&s, 1, 8, 2);
    set_part(&s, 2, 8, 2);
    r = roles_of(&s);
    assert_roles(&r, B, C, C, A);
    assert_int_equal(r.why[0], WHY_SPLIT);
    s.in.previous = A; /* what was written there already is lost in any case */
    assert_int_equal(roles_of(&s).writers, B);
}

TEST(roles_of_equal_parts_the_one_that_wrote_counts)
{
    struct scene s;

    roles_make(&s, 4);
    set_part(&s, 0, 8, 2);
    set_part(&s, 1, 8, 2);
    set_part(&s, 2, 9, 2);
    set_part(&s, 3, 9, 2);
    s.in.previous = A;
    assert_int_equal(roles_of(&s).writers, A);
    assert_int_equal(roles_of(&s).offline, C | D);
    s.in.previous = D;
    assert_int_equal(roles_of(&s).writers, D);
    assert_int_equal(roles_of(&s).why[0], WHY_OLD_VIEW);
    s.in.previous = 0;
    assert_int_equal(roles_of(&s).writers, C); /* any, but the same everywhere */
}

TEST(roles_who_has_not_noticed_a_cut_is_no_part)
{
    struct scene s;

    roles_make(&s, 3);
    s.in.previous = A;
    set_part(&s, 0, 7, 3); /* counts two that are elsewhere */
    set_part(&s, 1, 8, 2);
    set_part(&s, 2, 8, 2);
    assert_int_equal(roles_of(&s).writers, B);
    assert_int_equal(roles_of(&s).why[0], WHY_OLD_VIEW);
    set_part(&s, 1, 7, 3); /* two that have not, of a cluster of which not all are configured */
    assert_int_equal(roles_of(&s).writers, C);
}

TEST(roles_a_view_that_grows_is_no_split)
{
    struct scene s;

    roles_make(&s, 3);
    s.in.previous = A;
    set_part(&s, 0, 7, 2);
    set_part(&s, 1, 7, 2);
    set_part(&s, 2, 8, 3);
    s.reports[0].answered_ms = s.reports[1].answered_ms = NOW - 100; /* from before it joined */
    assert_int_equal(roles_of(&s).writers, A);
    assert_int_equal(roles_of(&s).offline, 0);
    s.reports[0].conf_id = 8; /* it has entered the view, its size was read a moment before */
    s.reports[0].answered_ms = NOW + 100;
    assert_int_equal(roles_of(&s).offline, 0);
}

TEST(roles_parts_of_the_same_number_are_told_apart_by_their_size)
{
    struct scene s;
    struct roles r;

    roles_make(&s, 3);
    s.in.previous = A;
    set_part(&s, 0, 9, 1);
    set_part(&s, 1, 9, 2);
    set_part(&s, 2, 9, 2);
    r = roles_of(&s);
    assert_roles(&r, B, C, C, A);
    assert_int_equal(r.why[0], WHY_SPLIT);
}
