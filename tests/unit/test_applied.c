/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_applied.c - up to when a node has applied all: by numbers, by proofs, and when neither says.
 */
#include <stdio.h>

#include "pool/applied.h"
#include "tests/unit/test.h"

#define UUID  "7a84c0de-11f1-4c5e-9d64-0242ac110002"
#define OTHER "11111111-11f1-4c5e-9d64-0242ac110002"
#define ZEROS "00000000-0000-0000-0000-000000000000"

static struct applied a;

static struct node_report figures_of(uint64_t committed)
{
    struct node_report r = {.kind = REPORT_OK,
                            .is_galera = true,
                            .primary = true,
                            .ready = true,
                            .local_state = WSREP_SYNCED,
                            .last_committed = committed,
                            .state_uuid = UUID};

    return r;
}

/* A check that takes 5 us. */
static void check(unsigned node, uint64_t committed, uint64_t asked_us)
{
    struct node_report r = figures_of(committed);

    applied_checked(&a, node, &r, asked_us, asked_us + 5);
}

static void answer(unsigned node, uint64_t committed, uint64_t asked_us)
{
    applied_answered(&a, node, committed, asked_us, asked_us + 5);
}

/* Three nodes that were proved at 100, with number 10. */
static void begin(void)
{
    a = (struct applied){0};
    for (unsigned i = 0; i < 3; i++) {
        applied_join(&a, i);
        applied_broke(&a, i, 50);
        check(i, 10, 60);
    }
    applied_proved(&a, 0, 10, 100, 105);
}

static uint64_t us_of(unsigned node)
{
    return applied_us(&a, node);
}

TEST(applied_is_not_known_before_a_proof)
{
    a = (struct applied){0};
    for (unsigned i = 0; i < 3; i++) {
        applied_join(&a, i);
        applied_broke(&a, i, 50);
        check(i, 10, 60);
        check(i, 10, 70);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(us_of(i), 0);
        assert_true(applied_needs_proof(&a, i, 60));
    }
    applied_proved(&a, 0, 10, 100, 105);
    for (unsigned i = 0; i < 3; i++) { /* who has the number of the proof has it all, too */
        assert_int_equal(us_of(i), 99);
    }
}

TEST(applied_follows_the_oldest_question_and_the_highest_number)
{
    begin();
    check(0, 20, 200);
    check(1, 20, 201);
    assert_int_equal(us_of(0), 99); /* node 2 may have acknowledged something since */
    check(2, 12, 202);
    assert_int_equal(us_of(0), 199);
    assert_int_equal(us_of(1), 199);
    assert_int_equal(us_of(2), 99);
    assert_true(applied_is_behind(&a, 2));
    assert_false(applied_is_behind(&a, 1));
    answer(2, 19, 300);
    assert_int_equal(us_of(2), 99);
    answer(2, 20, 310);
    assert_true(us_of(2) >= 199);
    assert_false(applied_needs_proof(&a, 2, 200));
    assert_true(applied_needs_proof(&a, 2, 202));
}

TEST(applied_who_is_always_a_little_behind_gets_on)
{
    begin();
    for (uint64_t t = 200; t < 1200; t += 100) { /* others have more with every answer */
        check(0, t + 50, t);
        check(1, t + 50, t + 1);
        check(2, t, t + 2);
        assert_true(us_of(0) >= t - 100);
        assert_true(t < 300 || us_of(2) >= t - 200);
        assert_true(us_of(2) < t);
    }
}

TEST(applied_a_node_that_is_lost_takes_a_proof)
{
    begin();
    check(0, 30, 200); /* it acknowledged up to 35 and is gone; the others have not got that far */
    check(1, 20, 201);
    check(2, 20, 202);
    assert_int_equal(us_of(1), 99);
    applied_broke(&a, 0, 300);
    assert_int_equal(us_of(0), 0);
    for (uint64_t t = 400; t < 900; t += 100) {
        check(1, 34, t);
        check(2, 34, t + 1);
    }
    assert_int_equal(us_of(1), 199); /* the last that it was asked */
    assert_true(applied_needs_proof(&a, 1, 300));
    applied_proved(&a, 1, 36, 1000, 1005);
    assert_int_equal(us_of(1), 999);
    assert_int_equal(us_of(2), 199);
    check(2, 35, 1100);
    assert_int_equal(us_of(2), 199);
    check(2, 36, 1200);
    assert_int_equal(us_of(2), 999);
}

TEST(applied_a_node_that_was_started_again_does_not_count_by_its_number)
{
    begin();
    check(0, 30, 200);
    check(1, 20, 201);
    check(2, 20, 202);
    applied_broke(&a, 0, 300);
    check(0, 21, 400); /* it is back and Synced; 30 lies in the queues */
    check(1, 21, 401);
    check(2, 21, 402);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(us_of(i) < 300);
    }
    applied_proved(&a, 2, 31, 500, 505);
    check(0, 31, 600);
    check(1, 31, 601);
    check(2, 31, 602);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(us_of(i), 599);
    }
}

TEST(applied_a_proof_that_began_too_early_proves_nothing)
{
    begin();
    applied_broke(&a, 0, 300);
    check(0, 10, 310);
    applied_proved(&a, 1, 11, 299, 400); /* began before the node was lost */
    check(0, 11, 410);
    check(1, 11, 411);
    check(2, 11, 412);
    assert_int_equal(us_of(1), 298);
    assert_true(applied_needs_proof(&a, 1, 300));
    applied_proved(&a, 1, 11, 500, 505);
    check(0, 11, 600);
    check(1, 11, 601);
    check(2, 11, 602);
    assert_int_equal(us_of(1), 599);
}

TEST(applied_nothing_is_known_of_who_is_not_in_the_primary_component)
{
    struct node_report r = figures_of(10);

    begin();
    r.primary = false;
    applied_checked(&a, 1, &r, 200, 205);
    assert_int_equal(us_of(1), 0);
    assert_int_equal(us_of(0), 99);
    check(0, 11, 300);
    check(2, 11, 301);
    assert_int_equal(us_of(0), 99); /* it may have acknowledged something before */
    r = figures_of(10);
    r.local_state = WSREP_JOINED;
    applied_checked(&a, 1, &r, 400, 405);
    assert_int_equal(us_of(1), 0);
    r.local_state = WSREP_DONOR;
    applied_checked(&a, 1, &r, 500, 505);
    check(0, 11, 600);
    check(2, 11, 601);
    assert_int_equal(us_of(0), 499);
}

TEST(applied_numbers_that_are_none)
{
    struct node_report r = figures_of(UINT64_MAX);

    begin();
    applied_checked(&a, 1, &r, 200, 205);
    assert_int_equal(us_of(1), 0);
    answer(0, 0, 300);
    answer(0, UINT64_MAX, 310);
    applied_proved(&a, 0, 0, 320, 330);
    applied_proved(&a, 0, UINT64_MAX, 340, 350);
    assert_int_equal(us_of(0), 99);
}

TEST(applied_a_number_that_goes_back_starts_anew)
{
    begin();
    check(0, 50, 200);
    check(1, 50, 201);
    check(2, 50, 202);
    assert_int_equal(us_of(1), 199);
    check(1, 40, 300);
    assert_int_equal(us_of(1), 99); /* what it has still */
    check(0, 50, 400);
    check(2, 50, 401);
    assert_int_equal(us_of(0), 199); /* what node 1 acknowledged is not known any more */
}

TEST(applied_answers_may_overtake_each_other)
{
    begin();
    applied_answered(&a, 0, 50, 210, 220); /* asked later than the check, answered earlier */
    applied_answered(&a, 1, 50, 210, 220);
    applied_answered(&a, 2, 50, 210, 220);
    assert_int_equal(us_of(0), 209);
    for (unsigned i = 0; i < 3; i++) {
        struct node_report r = figures_of(45);

        applied_checked(&a, i, &r, 205, 230);
    }
    assert_int_equal(us_of(0), 209);
    answer(0, 60, 300);
    assert_int_equal(us_of(0), 209);
}

TEST(applied_nodes_of_other_clusters_do_not_count)
{
    struct node_report r = figures_of(1000);

    begin();
    (void)snprintf(r.state_uuid, sizeof(r.state_uuid), "%s", OTHER);
    applied_join(&a, 3);
    assert_true(applied_needs_proof(&a, 0, 60)); /* of which cluster is it? */
    applied_checked(&a, 3, &r, 150, 155);
    applied_join(&a, 4);
    r = (struct node_report){.kind = REPORT_OK};
    applied_checked(&a, 4, &r, 150, 155);
    check(0, 11, 200);
    check(1, 11, 201);
    check(2, 11, 202);
    assert_int_equal(us_of(0), 99);
    applied_proved(&a, 0, 11, 300, 305); /* they are elsewhere since before it */
    applied_broke(&a, 3, 350);           /* of no concern here */
    check(0, 11, 400);
    check(1, 11, 401);
    check(2, 11, 402);
    assert_int_equal(us_of(0), 399);
    assert_int_equal(us_of(3), 0);
    assert_int_equal(us_of(4), 0);
    applied_proved(&a, 3, 5000, 500, 505);
    assert_int_equal(us_of(0), 399);
}

TEST(applied_a_node_that_joins_another_cluster_takes_a_proof)
{
    struct node_report r = figures_of(5);

    begin();
    check(0, 11, 200);
    check(1, 11, 201);
    check(2, 11, 202);
    assert_int_equal(us_of(1), 199);
    (void)snprintf(r.state_uuid, sizeof(r.state_uuid), "%s", ZEROS);
    applied_checked(&a, 0, &r, 300, 305);
    assert_int_equal(us_of(0), 0);
    check(1, 12, 310);
    check(2, 12, 311);
    assert_int_equal(us_of(1), 199);
    (void)snprintf(r.state_uuid, sizeof(r.state_uuid), "%s", OTHER);
    applied_checked(&a, 0, &r, 400, 405);
    check(1, 12, 410);
    check(2, 12, 411);
    assert_int_equal(us_of(1), 199);
    applied_proved(&a, 1, 12, 500, 505);
    check(1, 12, 600);
    check(2, 12, 601);
    assert_int_equal(us_of(1), 599);
}

TEST(applied_who_leaves_takes_a_proof)
{
    begin();
    applied_leave(&a, 2, 150);
    applied_leave(&a, 2, 190); /* nothing new */
    check(0, 11, 200);
    check(1, 11, 201);
    assert_int_equal(us_of(0), 99);
    applied_proved(&a, 1, 11, 160, 210);
    check(0, 11, 300);
    check(1, 11, 301);
    assert_int_equal(us_of(0), 299);
    applied_join(&a, 2);
    check(0, 12, 400);
    check(1, 12, 401);
    assert_int_equal(us_of(0), 299); /* it has not been asked */
    check(2, 12, 402);
    assert_int_equal(us_of(0), 299); /* nor is it known what it was before */
    applied_proved(&a, 0, 12, 500, 505);
    assert_int_equal(us_of(2), 499);
}

TEST(applied_numbers_of_who_may_not_commit_are_not_taken)
{
    begin();
    check(5, 10, 200);
    applied_proved(&a, 5, 10, 210, 220);
    assert_int_equal(us_of(5), 0);
    assert_int_equal(us_of(0), 99);
}
