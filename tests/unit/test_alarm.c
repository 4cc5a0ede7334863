/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_alarm.c - points in time: in order, cancelled, moved.
 */
#include "base/err.h"
#include "base/mem.h"
#include "proxy/alarm.h"
#include "tests/unit/test.h"

#define N 200

struct ring {
    struct alarm alarm;
    unsigned order; /* 1, 2, ... when it rang; 0 = it did not */
};

static struct alarms alarms;
static struct ring rings[N];
static unsigned n_rung;

static void on_alarm(struct alarms *a, struct alarm *alarm)
{
    struct ring *ring = CONTAINER_OF(alarm, struct ring, alarm);

    assert_ptr_equal(a, &alarms);
    assert_false(alarm_is_set(alarm));
    assert_true(alarm->at_ms <= uv_now(a->timer.loop));
    ring->order = ++n_rung;
}

static void open_loop(uv_loop_t *loop)
{
    assert_int_equal(uv_loop_init(loop), 0);
    alarms_init(&alarms, loop, on_alarm);
}

static void close_loop(uv_loop_t *loop)
{
    alarms_close(&alarms);
    assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
    alarms_fini(&alarms);
    assert_int_equal(uv_loop_close(loop), 0);
    assert_int_equal(mem_blocks(MEM_OTHER), 0);
}

TEST(alarm_rings_in_the_order_of_time)
{
    uv_loop_t loop;
    uint64_t seed = 4711;
    unsigned before = 0;

    open_loop(&loop);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(
            alarm_set(&alarms, &rings[i].alarm, uv_now(&loop) + test_random(&seed) % 30), 0);
    }
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0); /* ends when no alarm is left */
    assert_int_equal(n_rung, N);
    for (unsigned order = 1; order <= N; order++) {
        for (unsigned i = 0; i < N; i++) {
            if (rings[i].order == order) {
                assert_true(rings[i].alarm.at_ms >= rings[before].alarm.at_ms || order == 1);
                before = i;
            }
        }
    }
    close_loop(&loop);
}

TEST(alarm_cleared_does_not_ring)
{
    uv_loop_t loop;

    open_loop(&loop);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(alarm_set(&alarms, &rings[i].alarm, uv_now(&loop) + (i * 7) % 20), 0);
    }
    for (unsigned i = 0; i < N; i += 2) {
        alarm_clear(&alarms, &rings[i].alarm);
        alarm_clear(&alarms, &rings[i].alarm);
    }
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(n_rung, N / 2);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(rings[i].order != 0, i % 2);
    }
    close_loop(&loop);
}

TEST(alarm_set_again_moves)
{
    uv_loop_t loop;

    open_loop(&loop);
    assert_int_equal(alarm_set(&alarms, &rings[0].alarm, uv_now(&loop) + 1), 0);
    assert_int_equal(alarm_set(&alarms, &rings[1].alarm, uv_now(&loop) + 5), 0);
    assert_int_equal(alarm_set(&alarms, &rings[0].alarm, uv_now(&loop) + 10), 0);
    assert_int_equal(alarms.n, 2);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(rings[1].order, 1);
    assert_int_equal(rings[0].order, 2);
    close_loop(&loop);
}

TEST(alarm_without_memory_is_refused_and_not_set)
{
    uv_loop_t loop;

    open_loop(&loop);
    mem_fail_at(1);
    assert_int_equal(alarm_set(&alarms, &rings[0].alarm, uv_now(&loop)), ERR_MEMORY);
    assert_false(alarm_is_set(&rings[0].alarm));
    close_loop(&loop);
}
