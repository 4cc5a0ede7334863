/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_follow.c - replies fed at once, in every two pieces and byte by byte.
 *
 * Bytes as MariaDB 10.11 sends them. Each reply is given with some bytes of the next one behind it,
 * which must stay untouched.
 */
#include "tests/unit/follow_made.h"

TEST(follow_ok_is_one_run)
{
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    make_ok(&m, STATUS_AUTOCOMMIT | STATUS_IN_TRANS);
    t = follow_made(&m, FOLLOW_RESULT, "D");
    follow_unchanged(&m, t);
    assert_int_equal(t->follow.status, STATUS_AUTOCOMMIT | STATUS_IN_TRANS);
    assert_int_equal(t->follow.affected, 3);
    assert_int_equal(t->follow.last_insert_id, 7);
    assert_int_equal(t->follow.warnings, 2);
    assert_int_equal(t->follow.results, 1);
    assert_int_equal(t->follow.next_sequence, 2);
    assert_false(t->follow.has_result || t->follow.is_error);
    trace_free(t);
}

TEST(follow_ok_with_changes_is_handed_out)
{
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    make_ok_track(&m, STATUS_AUTOCOMMIT);
    t = follow_made(&m, FOLLOW_RESULT, "TD");
    assert_int_equal(t->events[0].at, 0);
    assert_int_equal(t->events[0].length, m.w.len - 6);
    assert_int_equal(t->follow.status, STATUS_AUTOCOMMIT);
    trace_free(t);
    make_begin(&m, 0);
    make_ok_track(&m, STATUS_AUTOCOMMIT);
    trace_free(follow_made(&m, FOLLOW_ONE, "TD"));
}

TEST(follow_err_ends_the_reply)
{
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    make_err(&m);
    t = follow_made(&m, FOLLOW_RESULT, "D");
    assert_true(t->follow.is_error);
    assert_int_equal(t->follow.error, 1064);
    follow_unchanged(&m, t);
    trace_free(t);
    for (int kind = FOLLOW_RESULT; kind <= FOLLOW_ONE; kind++) {
        make_begin(&m, 0);
        make_bytes(&m, "\xff\x15\x04No SQLSTATE before login", 27);
        t = follow_made(&m, (enum follow_kind)kind, "D");
        assert_int_equal(t->follow.error, 1045);
        trace_free(t);
    }
}

TEST(follow_result_set_of_any_length)
{
    for (unsigned n = 0; n <= 9; n++) {
        struct made m;
        struct trace *t;

        make_begin(&m, 0);
        make_head(&m, 2);
        make_rows(&m, n);
        make_eof(&m, STATUS_AUTOCOMMIT | STATUS_NO_INDEX);
        t = follow_made(&m, FOLLOW_RESULT, "D");
        follow_unchanged(&m, t);
        assert_int_equal(t->follow.rows, n);
        assert_int_equal(t->follow.status, STATUS_AUTOCOMMIT | STATUS_NO_INDEX);
        assert_int_equal(t->follow.warnings, 1);
        assert_int_equal(t->follow.results, 1);
        assert_int_equal(t->follow.next_sequence, 6 + n);
        assert_true(t->follow.has_result);
        assert_true(t->carry_max < 64);
        trace_free(t);
    }
}

TEST(follow_state_change_bit_is_hidden_in_eof)
{
    struct made m;
    struct trace *t;
    size_t n = 0;

    make_begin(&m, 0);
    make_head(&m, 1);
    make_rows(&m, 1);
    make_eof(&m, STATUS_SESSION_STATE_CHANGED | STATUS_AUTOCOMMIT | STATUS_QUERY_WAS_SLOW);
    t = follow_made(&m, FOLLOW_RESULT, "D");
    assert_true(t->follow.state_changed);
    assert_int_equal(t->follow.status, STATUS_AUTOCOMMIT | STATUS_QUERY_WAS_SLOW);
    for (size_t i = 0; i < t->n_passed; i++) {
        n += m.data[i] != t->passed[i];
    }
    assert_int_equal(n, 1);
    assert_int_equal(t->passed[t->n_passed - 1], STATUS_QUERY_WAS_SLOW >> 8);
    trace_free(t);
}

TEST(follow_multi_results_in_one_reply)
{
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    make_ok(&m, STATUS_MORE_RESULTS);
    make_head(&m, 1);
    make_rows(&m, 3);
    make_eof(&m, STATUS_MORE_RESULTS);
    make_ok_track(&m, STATUS_MORE_RESULTS);
    make_head(&m, 2);
    make_rows(&m, 2);
    make_eof(&m, STATUS_MORE_RESULTS);
    make_ok(&m, STATUS_AUTOCOMMIT);
    t = follow_made(&m, FOLLOW_RESULT, "TD");
    assert_int_equal(t->follow.results, 5);
    assert_int_equal(t->follow.rows, 2);
    trace_free(t);
}

TEST(follow_multi_results_may_end_with_err)
{
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    make_head(&m, 1);
    make_eof(&m, STATUS_MORE_RESULTS);
    make_ok_track(&m, STATUS_MORE_RESULTS | STATUS_AUTOCOMMIT);
    make_err(&m);
    t = follow_made(&m, FOLLOW_RESULT, "TD");
    assert_true(t->follow.is_error && t->follow.has_result);
    assert_int_equal(t->follow.results, 2);
    trace_free(t);
}

TEST(follow_err_between_rows_and_columns)
{
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    make_head(&m, 2);
    make_rows(&m, 4);
    make_err(&m);
    t = follow_made(&m, FOLLOW_RESULT, "D");
    assert_true(t->follow.is_error);
    assert_int_equal(t->follow.rows, 4);
    trace_free(t);
    make_begin(&m, 0);
    m.sequence = result_begin(&m.w, 3, m.sequence);
    make_columns(&m, 1);
    make_err(&m);
    trace_free(follow_made(&m, FOLLOW_RESULT, "D"));
}

TEST(follow_local_infile)
{
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    MAKE(&m, "\xfb/tmp/rows.csv");
    m.sequence = 9; /* the client's packets counted on */
    make_ok(&m, STATUS_MORE_RESULTS);
    make_head(&m, 1);
    make_rows(&m, 1);
    make_eof(&m, 0);
    t = follow_made(&m, FOLLOW_RESULT, "ID");
    assert_int_equal(t->events[0].length, 4 + 14);
    trace_free(t);
    make_begin(&m, 0);
    MAKE(&m, "\xfb");
    make_err(&m);
    trace_free(follow_made(&m, FOLLOW_RESULT, "ID"));
    make_begin(&m, 0);
    MAKE(&m, "\xfb"
             "f");
    MAKE(&m, "\x01");
    follow_bad(&m, FOLLOW_RESULT, "IM", 6);
}

TEST(follow_prepare_reply_of_each_shape)
{
    for (uint8_t n_params = 0; n_params <= 3; n_params++) {
        for (uint8_t n_columns = 0; n_columns <= 3; n_columns++) {
            struct made m;
            struct trace *t;

            make_prepare(&m, 0, n_params, n_columns);
            t = follow_made(&m, FOLLOW_PREPARE, "PD");
            follow_unchanged(&m, t);
            assert_int_equal(t->events[0].length, 16);
            assert_int_equal(t->follow.n_params, n_params);
            assert_int_equal(t->follow.n_columns, n_columns);
            assert_false(t->follow.has_result);
            trace_free(t);
        }
    }
}

TEST(follow_cursor_ends_behind_the_columns)
{
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    m.sequence = result_begin(&m.w, 2, m.sequence);
    make_columns(&m, 2);
    make_eof(&m, STATUS_AUTOCOMMIT | STATUS_CURSOR_EXISTS);
    t = follow_made(&m, FOLLOW_CURSOR, "D");
    assert_true((t->follow.status & STATUS_CURSOR_EXISTS) != 0);
    assert_int_equal(t->follow.rows, 0);
    trace_free(t);
}

/*
 * What 10.11 sends for a procedure that selects while a cursor of its own is open: the bit, and the
 * rows.
 */
TEST(follow_cursor_of_a_procedure_does_not_hold_back_rows)
{
    static const char reply[] = "\1\0\0\1\1"
                                "\x18\0\0\2\3def\0\0\0\1v\1v\x0c?\0\x0b\0\0\0\3\0\0\0\0\0"
                                "\5\0\0\3\xfe\0\0\x6a\0"
                                "\3\0\0\4\2"
                                "10"
                                "\5\0\0\5\xfe\0\0\x6a\0"
                                "\1\0\0\6\1"
                                "\x18\0\0\7\3def\0\0\0\1v\1v\x0c?\0\x0b\0\0\0\3\0\0\0\0\0"
                                "\5\0\0\x08\xfe\0\0\x6a\0"
                                "\3\0\0\x09\2"
                                "20"
                                "\5\0\0\x0a\xfe\0\0\x6a\0"
                                "\7\0\0\x0b\0\0\0\x22\0\0\0";
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    put_bytes(&m.w, reply, sizeof(reply) - 1);
    t = follow_made(&m, FOLLOW_RESULT, "D");
    assert_int_equal(t->follow.results, 3);
    assert_int_equal(t->follow.rows, 1);
    assert_true(t->follow.has_result);
    assert_false(t->follow.ends_with_rows);
    trace_free(t);
}

/*
 * 10.11.19, with a cursor asked for: BEGIN NOT ATOMIC DECLARE c CURSOR ...; OPEN c; SELECT 11,22;
 * ... The binary row begins with 00, as an OK would.
 */
TEST(follow_cursor_of_a_program_is_not_the_one_asked_for)
{
    static const uint16_t program = STATUS_AUTOCOMMIT | STATUS_MORE_RESULTS | STATUS_CURSOR_EXISTS;
    struct made m;
    struct trace *t;

    for (unsigned deprecate_eof = 0; deprecate_eof <= 1; deprecate_eof++) {
        make_begin(&m, deprecate_eof ? CAP_DEPRECATE_EOF : 0);
        for (unsigned i = 0; i < 2; i++) {
            m.sequence = result_begin(&m.w, 2, m.sequence);
            make_columns(&m, 2);
            make_columns_end(&m, program);
            MAKE(&m, "\0\0\x0b\0\0\0\x16\0\0\0");
            make_rows_end(&m, program);
        }
        make_ok(&m, STATUS_AUTOCOMMIT);
        t = follow_made(&m, FOLLOW_CURSOR, "D");
        follow_unchanged(&m, t);
        assert_int_equal(t->follow.results, 3);
        assert_int_equal(t->follow.rows, 1);
        assert_int_equal(t->follow.status, STATUS_AUTOCOMMIT);
        trace_free(t);
    }
}

TEST(follow_fetch_is_rows_and_eof)
{
    for (unsigned n = 0; n <= 3; n++) {
        struct made m;
        struct trace *t;

        make_begin(&m, 0);
        for (unsigned i = 0; i < n; i++) {
            MAKE(&m, "\x00\x00\x01\x31"); /* a binary row begins with zero, as OK does */
        }
        make_eof(&m, STATUS_CURSOR_EXISTS | STATUS_LAST_ROW_SENT | STATUS_MORE_RESULTS);
        t = follow_made(&m, FOLLOW_ROWS, "D");
        assert_int_equal(t->follow.rows, n);
        assert_int_equal(t->follow.results, 1);
        assert_true((t->follow.status & STATUS_LAST_ROW_SENT) != 0);
        trace_free(t);
    }
}

TEST(follow_field_list_is_columns_and_eof)
{
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    make_columns(&m, 3);
    make_eof(&m, STATUS_AUTOCOMMIT);
    t = follow_made(&m, FOLLOW_FIELD_LIST, "D");
    assert_int_equal(t->follow.rows, 0);
    assert_int_equal(t->follow.status, STATUS_AUTOCOMMIT);
    trace_free(t);
}

TEST(follow_one_packet_whatever_it_is)
{
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    make_eof(&m, STATUS_AUTOCOMMIT | STATUS_SESSION_STATE_CHANGED);
    t = follow_made(&m, FOLLOW_ONE, "D");
    assert_int_equal(t->follow.status, STATUS_AUTOCOMMIT);
    assert_true(t->follow.state_changed);
    trace_free(t);
    make_begin(&m, 0);
    MAKE(&m, "Uptime: 419  Threads: 1");
    trace_free(follow_made(&m, FOLLOW_ONE, "D"));
    make_begin(&m, 0);
    make_ok(&m, STATUS_MORE_RESULTS);
    trace_free(follow_made(&m, FOLLOW_ONE, "D"));
}

/* Payloads that no server sends at that place; before: an optional well-formed start. */
TEST(follow_malformed_is_told)
{
    const struct {
        enum follow_kind kind;
        int head; /* columns of a result set begun before it, -1 = none */
        struct slice payload;
    } cases[] = {
        {FOLLOW_RESULT, -1, SLICE("")},                         /* empty packet */
        {FOLLOW_RESULT, -1, SLICE("\x00\x00\x00\x02\x00\x00")}, /* OK cut short */
        {FOLLOW_RESULT, -1, SLICE("\x00\xfb\x00\x02\x00\x00\x00")},
        {FOLLOW_RESULT, -1, SLICE("\xfe\x00\x00\x02\x00")},
        {FOLLOW_RESULT, -1, SLICE("\x01\x01")},
        {FOLLOW_RESULT, -1, SLICE("\xfc\x00")},
        {FOLLOW_RESULT, -1, SLICE("\xfd\x00\x00\x01")}, /* 65536 columns */
        {FOLLOW_RESULT, -1, SLICE("\xff\x01")},
        {FOLLOW_RESULT, 1, SLICE("")},
        {FOLLOW_RESULT, 1, SLICE("\xfe")},
        {FOLLOW_RESULT, 1, SLICE("\xfe\x00\x00\x02\x00\x00")},
        {FOLLOW_RESULT, 1, SLICE("\xff\x00")},
        {FOLLOW_PREPARE, -1, SLICE("\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00")},
        {FOLLOW_PREPARE, -1, SLICE("\x01")},
        /* STMT_ID_LAST, which stands for another */
        {FOLLOW_PREPARE, -1, SLICE("\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00")},
        {FOLLOW_ROWS, -1, SLICE("\xfe\x00")},
        {FOLLOW_ONE, -1, SLICE("\x00")},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct made m;
        size_t bad_at;

        make_begin(&m, 0);
        if (cases[i].head > 0) {
            make_head(&m, (unsigned)cases[i].head);
            make_rows(&m, 1);
        }
        bad_at = m.w.len;
        make_bytes(&m, cases[i].payload.data, cases[i].payload.len);
        follow_bad(&m, cases[i].kind, "M", bad_at);
    }
}

TEST(follow_wrong_number_of_columns_is_malformed)
{
    struct made m;
    size_t bad_at;

    make_begin(&m, 0);
    m.sequence = result_begin(&m.w, 3, m.sequence);
    make_columns(&m, 2);
    bad_at = m.w.len;
    make_eof(&m, 2);
    follow_bad(&m, FOLLOW_RESULT, "M", bad_at);
    make_begin(&m, 0);
    m.sequence = result_begin(&m.w, 1, m.sequence);
    make_columns(&m, 1);
    bad_at = m.w.len;
    make_columns(&m, 1);
    follow_bad(&m, FOLLOW_RESULT, "M", bad_at);
}

TEST(follow_long_row_that_begins_like_eof_is_a_row)
{
    struct made m;
    struct trace *t;

    make_begin(&m, 0);
    make_head(&m, 1);
    MAKE(&m, "\xfe\x00\x00\x00\x00\x00\x00\x00\x00"); /* 9 bytes: a length in 8 bytes */
    make_eof(&m, 2);
    t = follow_made(&m, FOLLOW_RESULT, "D");
    assert_int_equal(t->follow.rows, 1);
    trace_free(t);
}

TEST(follow_wrong_sequence_is_malformed)
{
    for (unsigned wrong = 2; wrong < 7; wrong++) {
        struct made m;
        size_t at = 0;

        make_begin(&m, 0);
        make_head(&m, 1);
        make_rows(&m, 2);
        make_eof(&m, 2);
        while (m.data[at + 3] != wrong) {
            at += PACKET_HEADER + packet_length(m.data + at);
        }
        m.data[at + 3] = 99;
        follow_bad(&m, FOLLOW_RESULT, "M", at);
    }
}

/* What is left of the reply before, as rows, looks like one: OK, a request for a file, a count. */
TEST(follow_first_packet_has_the_number_1)
{
    for (int kind = FOLLOW_RESULT; kind <= FOLLOW_ONE; kind++) {
        struct made m;

        make_begin(&m, 0);
        m.sequence = 7;
        make_ok(&m, STATUS_AUTOCOMMIT);
        follow_bad(&m, (enum follow_kind)kind, "M", 0);
        make_begin(&m, 0);
        m.sequence = 0;
        make_err(&m); /* the last word of a node */
        trace_free(follow_made(&m, (enum follow_kind)kind, "D"));
    }
}

TEST(follow_of_a_long_command_begins_with_any_number)
{
    uint8_t ok[] = {7, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0};
    struct follow f;
    size_t used, packet_len;

    follow_begin(&f, FOLLOW_RESULT, false);
    follow_any_sequence(&f);
    assert_int_equal(follow_feed(&f, ok, sizeof(ok), &used, &packet_len), FOLLOW_DONE);
    assert_int_equal(f.next_sequence, 10);
}

TEST(follow_too_long_control_packet_is_malformed)
{
    uint8_t head[] = {0x01, 0x00, 0x10, 1, 0xff, 0, 0}; /* 1 MiB and a byte */
    struct follow f;
    size_t used, packet_len;

    follow_begin(&f, FOLLOW_RESULT, false);
    assert_int_equal(follow_feed(&f, head, 7, &used, &packet_len), FOLLOW_MALFORMED);
    assert_int_equal(follow_feed(&f, head, 7, &used, &packet_len), FOLLOW_MALFORMED);
    head[0] = 0; /* 1 MiB */
    follow_begin(&f, FOLLOW_RESULT, false);
    assert_int_equal(follow_feed(&f, head, 7, &used, &packet_len), FOLLOW_MORE);
    assert_int_equal(used, 0);
    assert_true(follow_is_untouched(&f));
}

TEST(follow_behind_the_end_uses_nothing)
{
    uint8_t ok[] = {7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0};
    struct follow f;
    size_t used, packet_len;

    follow_begin(&f, FOLLOW_RESULT, false);
    assert_true(follow_is_untouched(&f));
    assert_int_equal(follow_feed(&f, NULL, 0, &used, &packet_len), FOLLOW_MORE);
    assert_int_equal(follow_feed(&f, ok, sizeof(ok), &used, &packet_len), FOLLOW_DONE);
    assert_int_equal(used, sizeof(ok));
    assert_false(follow_is_untouched(&f));
    assert_int_equal(follow_feed(&f, ok, sizeof(ok), &used, &packet_len), FOLLOW_DONE);
    assert_int_equal(used, 0);
}

/* Every byte of a reply changed: no crash, no overread, and pieces still agree with the whole. */
TEST(follow_any_changed_byte_is_survived)
{
    struct made m;

    make_begin(&m, 0);
    make_ok_track(&m, STATUS_MORE_RESULTS);
    make_head(&m, 2);
    make_rows(&m, 2);
    make_eof(&m, STATUS_AUTOCOMMIT);
    for (size_t i = 0; i < m.w.len; i++) {
        uint8_t before = m.data[i];

        for (unsigned value = 0; value < 256; value++) {
            struct trace *whole;

            m.data[i] = (uint8_t)value;
            whole = trace_run(FOLLOW_RESULT, m.data, m.w.len,
                              (struct trace_cuts){0, m.w.len, 0, false});
            assert_false(whole->is_stuck);
            if (value % 8 == 7 || value < 2) {
                follow_compare(
                    whole,
                    trace_run(FOLLOW_RESULT, m.data, m.w.len, (struct trace_cuts){0, 1, 0, false}),
                    i);
            }
            trace_free(whole);
        }
        m.data[i] = before;
    }
}
