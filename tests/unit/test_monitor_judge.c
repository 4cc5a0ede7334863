/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_monitor_judge.c - health and share of a node, from what its checks say.
 */
#include "pool/monitor_judge.h"
#include "tests/unit/test.h"

static struct judge_state after(struct judge_state s, const enum judge_event *events, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s = judge_next(s, events[i], 3);
    }
    return s;
}

#define AFTER(...)                                                          \
    after((struct judge_state){0}, (const enum judge_event[]){__VA_ARGS__}, \
          sizeof((const enum judge_event[]){__VA_ARGS__}) / sizeof(enum judge_event))

TEST(monitor_judge_an_answer_makes_up_from_every_state)
{
    assert_int_equal(AFTER(JUDGE_ANSWERED).health, HEALTH_UP);
    assert_int_equal(AFTER(JUDGE_LATE, JUDGE_ANSWERED).health, HEALTH_UP);
    assert_int_equal(AFTER(JUDGE_BROKEN, JUDGE_ANSWERED).health, HEALTH_UP);
    assert_int_equal(AFTER(JUDGE_DENIED, JUDGE_ANSWERED).health, HEALTH_UP);
    assert_int_equal(AFTER(JUDGE_TIMED_OUT, JUDGE_ANSWERED).n_timeouts, 0);
}

TEST(monitor_judge_broken_is_down_at_once)
{
    assert_int_equal(AFTER(JUDGE_BROKEN).health, HEALTH_DOWN);
    assert_int_equal(AFTER(JUDGE_ANSWERED, JUDGE_BROKEN).health, HEALTH_DOWN);
    assert_int_equal(AFTER(JUDGE_ANSWERED, JUDGE_LATE, JUDGE_BROKEN).health, HEALTH_DOWN);
}

TEST(monitor_judge_silence_is_suspect_then_down)
{
    assert_int_equal(AFTER(JUDGE_ANSWERED, JUDGE_LATE).health, HEALTH_SUSPECT);
    assert_int_equal(AFTER(JUDGE_ANSWERED, JUDGE_LATE, JUDGE_TIMED_OUT).health, HEALTH_SUSPECT);
    assert_int_equal(AFTER(JUDGE_ANSWERED, JUDGE_TIMED_OUT, JUDGE_LATE, JUDGE_TIMED_OUT).health,
                     HEALTH_SUSPECT);
    assert_int_equal(
        AFTER(JUDGE_ANSWERED, JUDGE_TIMED_OUT, JUDGE_TIMED_OUT, JUDGE_LATE, JUDGE_TIMED_OUT).health,
        HEALTH_DOWN);
    assert_int_equal(judge_next((struct judge_state){0}, JUDGE_TIMED_OUT, 1).health, HEALTH_DOWN);
}

TEST(monitor_judge_an_answer_between_timeouts_begins_the_count_anew)
{
    struct judge_state s = AFTER(JUDGE_ANSWERED, JUDGE_TIMED_OUT, JUDGE_TIMED_OUT, JUDGE_ANSWERED,
                                 JUDGE_TIMED_OUT, JUDGE_TIMED_OUT);

    assert_int_equal(s.health, HEALTH_SUSPECT);
    assert_int_equal(s.n_timeouts, 2);
}

TEST(monitor_judge_out_stays_out_while_it_is_late)
{
    assert_int_equal(AFTER(JUDGE_BROKEN, JUDGE_LATE).health, HEALTH_DOWN);
    assert_int_equal(AFTER(JUDGE_BROKEN, JUDGE_TIMED_OUT).health, HEALTH_DOWN);
}

TEST(monitor_judge_who_denies_us_answers)
{
    assert_int_equal(AFTER(JUDGE_DENIED).health, HEALTH_UNCHECKED);
    assert_int_equal(AFTER(JUDGE_ANSWERED, JUDGE_DENIED).health, HEALTH_UP);
    assert_int_equal(AFTER(JUDGE_ANSWERED, JUDGE_LATE, JUDGE_DENIED).health, HEALTH_UP);
    assert_int_equal(AFTER(JUDGE_LATE, JUDGE_DENIED).health, HEALTH_UNCHECKED);
    assert_int_equal(AFTER(JUDGE_ANSWERED, JUDGE_BROKEN, JUDGE_DENIED).health, HEALTH_UNCHECKED);
}

TEST(monitor_judge_the_end_of_a_check_is_an_event)
{
    assert_int_equal(judge_event_of(REPORT_OK), JUDGE_ANSWERED);
    assert_int_equal(judge_event_of(REPORT_BROKEN), JUDGE_BROKEN);
    assert_int_equal(judge_event_of(REPORT_LOST), JUDGE_LOST);
    assert_int_equal(judge_event_of(REPORT_TIMEOUT), JUDGE_TIMED_OUT);
    assert_int_equal(judge_event_of(REPORT_DENIED), JUDGE_DENIED);
}

TEST(monitor_judge_asks_again_at_once_after_a_timeout)
{
    struct judge_state s = AFTER(JUDGE_ANSWERED, JUDGE_TIMED_OUT);

    assert_int_equal(judge_delay_ms(&s, JUDGE_TIMED_OUT, 1000), 0);
    s = AFTER(JUDGE_ANSWERED);
    assert_int_equal(judge_delay_ms(&s, JUDGE_ANSWERED, 1000), 1000);
    assert_int_equal(judge_delay_ms(&s, JUDGE_DENIED, 1000), 1000);
}

TEST(monitor_judge_asks_a_node_that_is_out_quickly_at_first)
{
    struct judge_state s = AFTER(JUDGE_BROKEN);
    static const uint64_t expected[] = {100, 200, 400, 800, 1000, 1000};

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_int_equal(judge_delay_ms(&s, JUDGE_BROKEN, 1000), expected[i]);
        s = judge_next(s, JUDGE_BROKEN, 3);
    }
    assert_int_equal(judge_delay_ms(&s, JUDGE_BROKEN, 60), 60);
    s.n_down = UINT32_MAX;
    assert_int_equal(judge_delay_ms(&s, JUDGE_BROKEN, 1000), 1000);
}

TEST(monitor_judge_a_lost_connection_is_not_a_lost_node)
{
    struct judge_state s = AFTER(JUDGE_ANSWERED, JUDGE_LOST, JUDGE_LOST);

    assert_int_equal(s.health, HEALTH_SUSPECT);
    assert_int_equal(judge_delay_ms(&s, JUDGE_LOST, 1000), JUDGE_LOST_MS);
    assert_int_equal(judge_delay_ms(&s, JUDGE_LOST, 5), 5);
    s = judge_next(s, JUDGE_LOST, 100);
    assert_int_equal(s.health, HEALTH_DOWN);
    assert_int_equal(judge_delay_ms(&s, JUDGE_LOST, 1000), JUDGE_FIRST_DOWN_MS);
    assert_int_equal(AFTER(JUDGE_LOST, JUDGE_BROKEN).health, HEALTH_DOWN);
    assert_int_equal(AFTER(JUDGE_LOST, JUDGE_LOST, JUDGE_ANSWERED, JUDGE_LOST).health,
                     HEALTH_SUSPECT);
    assert_int_equal(AFTER(JUDGE_LOST, JUDGE_LOST, JUDGE_DENIED, JUDGE_LOST).health,
                     HEALTH_SUSPECT);
    assert_int_equal(AFTER(JUDGE_BROKEN, JUDGE_LOST).health, HEALTH_DOWN);
}

TEST(monitor_judge_latency_is_smoothed)
{
    assert_int_equal(judge_latency_us(0, 800), 800);
    assert_int_equal(judge_latency_us(800, 1600), 900);
    assert_int_equal(judge_latency_us(800, 800), 800);
    assert_int_equal(judge_latency_us(0, 0), 1); /* 0 would mean that nothing is known */
    assert_true(judge_latency_us(1, UINT64_MAX) > 0);
}

static struct node_report report(uint64_t at, uint64_t queue, uint64_t paused_ns)
{
    return (struct node_report){
        .is_galera = true, .answered_ms = at, .recv_queue = queue, .flow_paused_ns = paused_ns};
}

TEST(monitor_judge_load_is_neutral_for_a_quiet_node)
{
    struct node_report before = report(1000, 0, 5);
    struct node_report now = report(2000, 0, 5);

    assert_int_equal(judge_load(&before, &now, UINT64_MAX, 10000), JUDGE_LOAD_ONE);
}

TEST(monitor_judge_load_grows_with_the_queue_and_with_pauses)
{
    struct node_report before = report(1000, 0, 0);
    struct node_report queue = report(2000, 128, 0);
    struct node_report paused = report(2000, 0, 500000000);
    struct node_report flooded = report(2000, UINT64_MAX, UINT64_MAX);
    struct node_report restarted = report(2000, 0, 0);

    assert_int_equal(judge_load(&before, &queue, UINT64_MAX, 0), 2 * JUDGE_LOAD_ONE);
    assert_int_equal(judge_load(&before, &paused, UINT64_MAX, 0), 3 * JUDGE_LOAD_ONE);
    assert_int_equal(judge_load(&before, &flooded, UINT64_MAX, 0), JUDGE_LOAD_MAX);
    assert_int_equal(judge_load(&paused, &restarted, UINT64_MAX, 0), JUDGE_LOAD_ONE);
    before.answered_ms = 0; /* since its start, not since the last check */
    assert_int_equal(judge_load(&before, &paused, UINT64_MAX, 0), JUDGE_LOAD_ONE);
}

TEST(monitor_judge_load_of_a_node_that_came_back_falls)
{
    struct node_report r = report(1000, 0, 0);

    assert_int_equal(judge_load(&r, &r, 0, 10000), JUDGE_LOAD_MAX);
    assert_int_equal(judge_load(&r, &r, 5000, 10000), (JUDGE_LOAD_MAX + JUDGE_LOAD_ONE) / 2);
    assert_int_equal(judge_load(&r, &r, 10000, 10000), JUDGE_LOAD_ONE);
    assert_int_equal(judge_load(&r, &r, 0, 0), JUDGE_LOAD_ONE);
}
