/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_follow_ok.c - replies of connections with DEPRECATE_EOF: rows end with an OK that begins
 * with 0xfe, and nothing stands behind definitions. Bytes as MariaDB 10.11 sends them.
 */
#include <stdlib.h>

#include "tests/unit/follow_made.h"

static const uint64_t with_ok = CAP_DEPRECATE_EOF;

/* What ends the rows of SELECT f() where f sets sql_mode and a user variable. */
static void make_end_track(struct made *m, uint8_t status)
{
    uint8_t payload[] = {0xfe, 0,   0,   status, 0x40, 0,   0,   0, 15,  0,   13,  8, 's',
                         'q',  'l', '_', 'm',    'o',  'd', 'e', 3, 'a', 'b', 'c', 2, 0};

    payload[8] = (uint8_t)(sizeof(payload) - 9);
    make_bytes(m, payload, sizeof(payload));
}

TEST(follow_ok_ends_rows_of_any_length)
{
    for (unsigned n = 0; n <= 9; n++) {
        struct made m;
        struct trace *t;

        make_begin(&m, with_ok);
        make_head(&m, 2);
        make_rows(&m, n);
        make_rows_end(&m, STATUS_AUTOCOMMIT | STATUS_NO_INDEX);
        t = follow_made(&m, FOLLOW_RESULT, "D");
        follow_unchanged(&m, t);
        assert_int_equal(t->follow.rows, n);
        assert_int_equal(t->follow.status, STATUS_AUTOCOMMIT | STATUS_NO_INDEX);
        assert_int_equal(t->follow.warnings, 1);
        assert_int_equal(t->follow.results, 1);
        assert_int_equal(t->follow.next_sequence, 5 + n);
        assert_true(t->follow.has_result && t->follow.ends_with_rows);
        assert_false(t->follow.is_tracked);
        assert_true(t->carry_max < 64);
        trace_free(t);
    }
}

TEST(follow_ok_behind_rows_with_changes_is_handed_out)
{
    struct made m;
    struct trace *t;

    make_begin(&m, with_ok);
    make_head(&m, 1);
    make_rows(&m, 1);
    make_end_track(&m, STATUS_AUTOCOMMIT);
    t = follow_made(&m, FOLLOW_RESULT, "TD");
    assert_int_equal(t->events[0].at + t->events[0].length, m.w.len - 6);
    assert_int_equal(t->passed[t->events[0].at + PACKET_HEADER], 0xfe);
    assert_int_equal(t->follow.status, STATUS_AUTOCOMMIT);
    assert_true(t->follow.is_tracked && t->follow.ends_with_rows);
    assert_false(t->follow.state_changed);
    assert_int_equal(t->follow.results, 1);
    trace_free(t);
}

/* CALL: a select, another that told of changes, and the OK of the call. */
TEST(follow_ok_multi_results)
{
    struct made m;
    struct trace *t;

    make_begin(&m, with_ok);
    make_head(&m, 1);
    make_rows(&m, 3);
    make_rows_end(&m, STATUS_MORE_RESULTS);
    make_head(&m, 2);
    make_end_track(&m, STATUS_MORE_RESULTS | STATUS_AUTOCOMMIT);
    make_ok_track(&m, STATUS_MORE_RESULTS);
    make_ok(&m, STATUS_AUTOCOMMIT);
    t = follow_made(&m, FOLLOW_RESULT, "TTD");
    assert_int_equal(t->follow.results, 4);
    assert_int_equal(t->follow.rows, 0);
    assert_int_equal(t->follow.affected, 3);
    assert_true(t->follow.has_result);
    assert_false(t->follow.ends_with_rows);
    trace_free(t);
}

/* What ends rows says nothing of what the statements before did. */
TEST(follow_ok_behind_rows_has_no_numbers)
{
    struct made m;
    struct trace *t;

    make_begin(&m, with_ok);
    make_ok(&m, STATUS_MORE_RESULTS);
    make_head(&m, 1);
    MAKE(&m, "\xfe\x05\x06\x02\x00\x00\x00");
    t = follow_made(&m, FOLLOW_RESULT, "D");
    assert_int_equal(t->follow.affected, 3);
    assert_int_equal(t->follow.last_insert_id, 7);
    assert_true(t->follow.ends_with_rows);
    trace_free(t);
}

TEST(follow_ok_err_between_rows_and_columns)
{
    struct made m;
    struct trace *t;

    make_begin(&m, with_ok);
    make_head(&m, 2);
    make_rows(&m, 4);
    make_err(&m);
    t = follow_made(&m, FOLLOW_RESULT, "D");
    assert_true(t->follow.is_error);
    assert_int_equal(t->follow.rows, 4);
    trace_free(t);
    make_begin(&m, with_ok);
    m.sequence = result_begin(&m.w, 3, m.sequence);
    make_columns(&m, 1);
    make_err(&m);
    trace_free(follow_made(&m, FOLLOW_RESULT, "D"));
}

TEST(follow_ok_prepare_reply_of_each_shape)
{
    for (uint8_t n_params = 0; n_params <= 3; n_params++) {
        for (uint8_t n_columns = 0; n_columns <= 3; n_columns++) {
            struct made m;
            struct trace *t;

            make_prepare(&m, with_ok, n_params, n_columns);
            t = follow_made(&m, FOLLOW_PREPARE, "PD");
            follow_unchanged(&m, t);
            assert_int_equal(t->follow.n_params, n_params);
            assert_int_equal(t->follow.n_columns, n_columns);
            assert_int_equal(t->follow.next_sequence, 2 + n_params + n_columns);
            trace_free(t);
        }
    }
}

TEST(follow_ok_cursor_ends_behind_the_columns)
{
    struct made m;
    struct trace *t;

    make_begin(&m, with_ok);
    make_head(&m, 2);
    MAKE(&m, "\xfe\x00\x00\x62\x00\x00\x00");
    t = follow_made(&m, FOLLOW_CURSOR, "D");
    assert_true((t->follow.status & STATUS_CURSOR_EXISTS) != 0);
    assert_int_equal(t->follow.rows, 0);
    trace_free(t);
    /* A cursor of a procedure's own: the bit says nothing of where the rows are. */
    make_begin(&m, with_ok);
    make_head(&m, 2);
    make_rows(&m, 2);
    MAKE(&m, "\xfe\x00\x00\x6a\x00\x00\x00");
    make_ok(&m, STATUS_AUTOCOMMIT);
    t = follow_made(&m, FOLLOW_CURSOR, "D");
    assert_int_equal(t->follow.results, 2);
    trace_free(t);
}

TEST(follow_ok_fetch_and_field_list)
{
    struct made m;
    struct trace *t;

    make_begin(&m, with_ok);
    MAKE(&m, "\x00\x00\x01\x00\x00\x00\x01\x78"); /* rows that could be OK packets */
    MAKE(&m, "\x00\x00\x02\x00\x00\x00\x01\x78");
    MAKE(&m, "\xfe\x00\x00\x42\x00\x00\x00");
    t = follow_made(&m, FOLLOW_ROWS, "D");
    assert_int_equal(t->follow.rows, 2);
    assert_int_equal(t->follow.results, 1);
    assert_int_equal(t->follow.status, STATUS_AUTOCOMMIT | STATUS_CURSOR_EXISTS);
    assert_true(t->follow.has_result && t->follow.ends_with_rows);
    trace_free(t);
    make_begin(&m, with_ok);
    make_columns(&m, 3);
    make_rows_end(&m, STATUS_AUTOCOMMIT);
    t = follow_made(&m, FOLLOW_FIELD_LIST, "D");
    assert_int_equal(t->follow.rows, 0);
    trace_free(t);
}

TEST(follow_ok_one_packet)
{
    struct made m;
    struct trace *t;

    make_begin(&m, with_ok);
    make_rows_end(&m, STATUS_AUTOCOMMIT);
    t = follow_made(&m, FOLLOW_ONE, "D");
    assert_int_equal(t->follow.status, STATUS_AUTOCOMMIT);
    assert_int_equal(t->follow.results, 1);
    trace_free(t);
    make_begin(&m, with_ok);
    MAKE(&m, "Uptime: 419  Threads: 1");
    trace_free(follow_made(&m, FOLLOW_ONE, "D"));
}

TEST(follow_ok_malformed_is_told)
{
    struct made m;
    size_t at;

    make_begin(&m, with_ok); /* an EOF behind the columns is the end of the rows, and too short */
    make_head(&m, 1);
    at = m.w.len;
    make_eof(&m, STATUS_AUTOCOMMIT);
    follow_bad(&m, FOLLOW_RESULT, "M", at);
    make_begin(&m, with_ok);
    m.sequence = result_begin(&m.w, 2, m.sequence);
    make_columns(&m, 1);
    at = m.w.len;
    make_rows_end(&m, STATUS_AUTOCOMMIT);
    follow_bad(&m, FOLLOW_RESULT, "M", at);
    make_begin(&m, with_ok);
    make_head(&m, 1);
    at = m.w.len;
    MAKE(&m, "\xfe\xfb\x00\x02\x00\x00\x00");
    follow_bad(&m, FOLLOW_RESULT, "M", at);
    make_begin(&m, with_ok);
    make_rows_end(&m, STATUS_AUTOCOMMIT);
    follow_bad(&m, FOLLOW_RESULT, "M", 0);
}

/* A first column of 16 MiB begins with 0xfe, and its first packet is as long as one can be. */
TEST(follow_ok_row_that_begins_with_its_byte)
{
    const size_t sizes[] = {PACKET_MAX, PACKET_MAX + 5};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t cap = sizes[i] + 256, left = sizes[i], part, row_at;
        uint8_t *data = malloc(cap);
        struct writer w = writer_of(data, cap);
        uint8_t sequence = result_begin(&w, 1, 1);
        struct trace *t;

        assert_non_null(data);
        sequence = column_encode(&w, with_ok, &(struct column){.name = SLICE("v")}, sequence);
        row_at = w.len;
        do {
            part = MIN(left, PACKET_MAX);
            put_u24(&w, (uint32_t)part);
            put_u8(&w, sequence++);
            put_fill(&w, left == sizes[i] ? 0xfe : 0xff, part);
            left -= part;
        } while (part == PACKET_MAX);
        (void)rows_end_encode(&w, with_ok, 0, STATUS_AUTOCOMMIT, sequence);
        assert_false(w.failed);
        t = trace_run(FOLLOW_RESULT, data, w.len, (struct trace_cuts){0, 65536, 0, true});
        assert_string_equal(trace_events(t), "D");
        assert_int_equal(t->n_passed, w.len);
        assert_int_equal(t->follow.rows, 1);
        assert_true(t->carry_max < 64);
        for (size_t cut = 0; cut <= 6; cut += 2) {
            const size_t cuts[] = {row_at + cut, row_at + PACKET_HEADER + PACKET_MAX - 1 + cut,
                                   w.len - 12 + cut};

            for (size_t c = 0; c < ARRAY_SIZE(cuts); c++) {
                follow_compare(t,
                               trace_run(FOLLOW_RESULT, data, w.len,
                                         (struct trace_cuts){cuts[c], w.len, 0, true}),
                               cuts[c]);
            }
        }
        trace_free(t);
        free(data);
    }
}

TEST(follow_ok_any_changed_byte_is_survived)
{
    struct made m;

    make_begin(&m, with_ok | CAP_EXTENDED_METADATA);
    make_head(&m, 2);
    make_rows(&m, 2);
    make_end_track(&m, STATUS_MORE_RESULTS);
    make_ok(&m, STATUS_AUTOCOMMIT);
    for (size_t i = 0; i < m.w.len; i++) {
        uint8_t before = m.data[i];

        for (unsigned value = 0; value < 256; value += 1 + value % 5) {
            struct trace *whole;

            m.data[i] = (uint8_t)value;
            whole =
                trace_run(FOLLOW_RESULT, m.data, m.w.len, (struct trace_cuts){0, m.w.len, 0, true});
            assert_false(whole->is_stuck);
            follow_compare(
                whole,
                trace_run(FOLLOW_RESULT, m.data, m.w.len, (struct trace_cuts){0, 1, 0, true}), i);
            trace_free(whole);
        }
        m.data[i] = before;
    }
}
