/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_follow_big.c - many rows, and rows of 16 MiB and more, which come in several packets.
 */
#include "protocol/caps.h"
#include "protocol/follow.h"
#include "protocol/reply.h"
#include "tests/fuzz/follow_trace.h"
#include "tests/unit/test.h"

static void compare(struct trace *whole, struct trace *pieces, size_t at)
{
    const char *difference = trace_difference(whole, pieces);

    if (difference != NULL) {
        fail_msg("cut at %zu: %s differ", at, difference);
    }
    trace_free(pieces);
}

TEST(follow_sequence_wraps_in_long_results)
{
    uint8_t *data = malloc(100000);
    struct writer w = writer_of(data, 100000);
    uint8_t sequence = result_begin(&w, 1, 1);
    const struct slice field = SLICE("value");
    struct trace *t;

    sequence = column_encode(&w, 0, &(struct column){.name = SLICE("v")}, sequence);
    sequence = columns_end_encode(&w, 0, 2, sequence);
    for (int i = 0; i < 1000; i++) {
        sequence = row_encode(&w, &field, 1, sequence);
    }
    (void)rows_end_encode(&w, 0, 0, 2, sequence);
    assert_false(w.failed);
    t = trace_run(FOLLOW_RESULT, data, w.len, (struct trace_cuts){0, w.len, 0, false});
    assert_string_equal(trace_events(t), "D");
    assert_int_equal(t->n_passed, w.len);
    assert_int_equal(t->follow.rows, 1000);
    compare(t, trace_run(FOLLOW_RESULT, data, w.len, (struct trace_cuts){0, 700, 5, false}), 0);
    trace_free(t);
    free(data);
}

/* A result set of one row of n bytes, split into packets as the wire wants it. */
static uint8_t *make_big(size_t n, size_t *row_at, size_t *len)
{
    size_t cap = 256 + n;
    uint8_t *data = malloc(cap);
    struct writer w = writer_of(data, cap);
    uint8_t sequence = result_begin(&w, 1, 1);
    size_t left = n;
    size_t part;

    assert_non_null(data);
    sequence = column_encode(&w, 0, &(struct column){.name = SLICE("v")}, sequence);
    sequence = columns_end_encode(&w, 0, 2, sequence);
    *row_at = w.len;
    do { /* 0xff looks like ERR wherever a continuation is taken for a packet of its own */
        part = MIN(left, PACKET_MAX);
        put_u24(&w, (uint32_t)part);
        put_u8(&w, sequence++);
        put_fill(&w, left == n ? 0xfe : 0xff, MIN(part, 1));
        put_fill(&w, 0xff, part - MIN(part, 1));
        left -= part;
    } while (part == PACKET_MAX);
    (void)rows_end_encode(&w, 0, 0, STATUS_AUTOCOMMIT, sequence);
    assert_false(w.failed);
    *len = w.len;
    return data;
}

/* Cut around each header of the row's packets, and into pieces of the size of a read. */
static void follow_big(size_t n)
{
    size_t row_at, len;
    uint8_t *data = make_big(n, &row_at, &len);
    size_t second_at = row_at + PACKET_HEADER + PACKET_MAX;
    struct trace *t = trace_run(FOLLOW_RESULT, data, len, (struct trace_cuts){0, 65536, 0, false});

    assert_string_equal(trace_events(t), "D");
    assert_int_equal(t->n_passed, len);
    assert_memory_equal(t->passed, data, len);
    assert_int_equal(t->follow.rows, 1);
    assert_true(t->carry_max < 64); /* a row's bytes are passed on as they come */
    compare(t, trace_run(FOLLOW_RESULT, data, len, (struct trace_cuts){0, len, 0, false}), 0);
    for (size_t i = 0; i <= 6; i++) {
        size_t cuts[] = {row_at + i, second_at - 1 + i, len - 10 + i};

        for (size_t c = 0; c < ARRAY_SIZE(cuts); c++) {
            compare(
                t, trace_run(FOLLOW_RESULT, data, len, (struct trace_cuts){cuts[c], len, 0, false}),
                cuts[c]);
        }
    }
    trace_free(t);
    free(data);
}

TEST(follow_row_one_below_16_mib)
{
    follow_big(PACKET_MAX - 1);
}

TEST(follow_row_of_16_mib_has_an_empty_continuation)
{
    follow_big(PACKET_MAX);
}

TEST(follow_row_above_16_mib)
{
    follow_big(PACKET_MAX + 5);
}

TEST(follow_row_of_32_mib)
{
    follow_big(2 * PACKET_MAX);
}
