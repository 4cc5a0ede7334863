/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin_console.c - the console's side of a connection: statements, what is malformed, what is
 * too much.
 */
#include "protocol/command.h"
#include "protocol/packet.h"
#include "tests/unit/console_ends.h"

/* --- statements ------------------------------------------------------------------------------- */

TEST(console_query_is_answered)
{
    struct console_fix f;
    struct console_end e;
    uint16_t status;

    console_make(&f, "");
    end_open(&f, &e);
    end_query(&e, "SELECT 1;");
    end_expect_ok(&e);
    assert_string_equal(seen_sql(0), "SELECT 1");
    end_query(&e, "ROWS 5 10");
    assert_int_equal(end_rows(&e, &status), 5);
    assert_int_equal(status, STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES);
    end_query(&e, "FAIL");
    end_expect_error(&e, 1146);
    end_query(&e, "HUGE");
    end_expect_error(&e, 1235);
    end_query(&e, " ; -- nothing");
    end_expect_error(&e, 1065);
    end_close(&e);
    console_done(&f);
}

TEST(console_several_statements_have_several_results)
{
    struct console_fix f;
    struct console_end e;
    struct ok ok;
    struct slice p;
    uint16_t status;

    console_make(&f, "");
    end_open(&f, &e);
    end_query(&e, "ROWS 2 1; SET x; -- c\n ROWS 1 1;");
    assert_int_equal(end_rows(&e, &status), 2);
    assert_true((status & STATUS_MORE_RESULTS) != 0);
    p = end_packet(&e);
    assert_int_equal(ok_decode(&ok, false, (const uint8_t *)p.data, p.len), 0);
    assert_true((ok.status & STATUS_MORE_RESULTS) != 0);
    assert_int_equal(ok.affected, 3);
    assert_int_equal(end_rows(&e, &status), 1);
    assert_true((status & STATUS_MORE_RESULTS) == 0);
    assert_int_equal(seen.n, 3);

    end_query(&e, "a; FAIL; b"); /* b is not run */
    end_expect_ok(&e);
    end_expect_error(&e, 1146);
    assert_int_equal(seen.n, 5);

    end_command(&e, COM_SET_OPTION, "\x01\x00", 2);
    assert_int_equal((uint8_t)end_packet(&e).data[0], 0xfe);
    end_query(&e, "a; b");
    end_expect_error(&e, 1064);
    end_query(&e, "a;");
    end_expect_ok(&e);
    assert_int_equal(seen.n, 6);
    end_close(&e);
    console_done(&f);
}

/* The same bytes in two parts, at every place, give the same. */
TEST(console_takes_its_input_in_any_parts)
{
    static const char commands[26] = "\x11\0\0\0\x03ROWS 3 2; SELECT\x01\0\0\0\x0e";
    struct console_fix f;
    uint8_t bytes[1024];
    size_t len = 0;

    console_make(&f, "");
    for (size_t cut = 0; len == 0 || cut <= len; cut++) {
        struct console_end e;
        uint16_t status;

        end_connect(&f, &e);
        end_greeting(&e);
        len = end_login_bytes(&e, bytes, sizeof(bytes), "admin", "admin", CAP_MULTI_STATEMENTS);
        memcpy(bytes + len, commands, sizeof(commands));
        len += sizeof(commands);
        end_send(&e, bytes, cut);
        end_send(&e, bytes + cut, len - cut);
        end_expect_ok(&e);
        assert_int_equal(end_rows(&e, &status), 3);
        end_expect_ok(&e);
        end_expect_ok(&e);
        end_close(&e);
    }
    console_done(&f);
}

TEST(console_waits_for_a_client_that_does_not_read)
{
    struct console_fix f;
    struct console_end e;
    struct console_client *c;
    uint16_t status;

    console_make(&f, "");
    end_open(&f, &e);
    c = CONTAINER_OF(f.core.clients.head.next, struct console_client, in_core);
    end_query(&e, "ROWS 20000 1000; ROWS 3 100; SELECT 1");
    for (unsigned i = 0; i < 100; i++) {
        (void)uv_run(&f.loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(c->state, CONSOLE_ANSWERING);
    assert_true(c->stream.queued_bytes <= WIRE_BUFFER_BYTES);
    assert_int_equal(seen.n, 1); /* the second statement waits */
    end_query(&e, "last");
    assert_int_equal(end_rows(&e, &status), 20000);
    assert_int_equal(end_rows(&e, &status), 3);
    end_expect_ok(&e);
    end_expect_ok(&e);
    assert_string_equal(seen_sql(3), "last");
    assert_int_equal(c->state, CONSOLE_IDLE);
    end_query(&e, "ROWS 20000 1000"); /* and one that leaves in the middle */
    end_close(&e);
    console_done(&f);
}

/*
 * Six answers of 4 MB for clients that do not read, with room for five. When one has left there is
 * room again.
 */
TEST(console_answers_that_wait_have_a_limit)
{
    struct console_fix f;
    struct console_end ends[6];

    console_make(&f, "");
    f.core.answers_max = (size_t)21 << 20;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        end_open(&f, &ends[i]);
        end_query(&ends[i], "ROWS 20 200000");
    }
    end_expect_error(&ends[5], 1235);
    end_close(&ends[0]);
    end_query(&ends[5], "ROWS 20 200000");
    assert_int_equal(end_packet(&ends[5]).len, 1);
    for (size_t i = 1; i < ARRAY_SIZE(ends); i++) {
        end_close(&ends[i]);
    }
    console_done(&f);
}

TEST(console_rows_of_more_than_a_packet)
{
    struct console_fix f;
    struct console_end e;
    struct slice p;

    console_make(&f, "");
    end_open(&f, &e);
    end_query(&e, "ROWS 1 17000000");
    for (unsigned i = 0; i < 4; i++) {
        assert_non_null(end_packet(&e).data);
    }
    p = end_packet(&e);
    assert_int_equal(p.len, PACKET_MAX);
    p = end_packet(&e);
    assert_int_equal(p.len, 17000000 + 9 + 1 - PACKET_MAX);
    assert_int_equal((uint8_t)end_packet(&e).data[0], 0xfe);
    end_close(&e);
    console_done(&f);
}

/* --- other commands --------------------------------------------------------------------------- */

TEST(console_commands_become_statements)
{
    struct console_fix f;
    struct console_end e;

    console_make(&f, "");
    end_open(&f, &e);
    end_command(&e, COM_INIT_DB, "st`ats", 6);
    end_expect_ok(&e);
    end_command(&e, COM_PROCESS_KILL, "\x05\x01\0\0", 4);
    end_expect_ok(&e);
    end_command(&e, COM_PROCESS_INFO, "", 0);
    end_expect_ok(&e);
    end_command(&e, COM_FIELD_LIST, "t\0%", 3);
    end_expect_ok(&e);
    assert_string_equal(seen_sql(0), "USE `st``ats`");
    assert_string_equal(seen_sql(1), "KILL CONNECTION 261");
    assert_string_equal(seen_sql(2), "SHOW PROCESSLIST");
    assert_string_equal(seen_sql(3), "SELECT * FROM `t` LIMIT 0");
    end_command(&e, COM_INIT_DB, "", 0);
    end_expect_error(&e, 1102);
    end_command(&e, COM_FIELD_LIST, "", 0);
    end_expect_error(&e, 1103);
    end_command(&e, COM_PING, "", 0);
    end_expect_ok(&e);
    end_command(&e, COM_STATISTICS, "", 0);
    assert_memory_equal(end_packet(&e).data, "Uptime: ", 8);
    end_command(&e, COM_BINLOG_DUMP, "", 0);
    end_expect_error(&e, 1047);
    end_command(&e, 0xee, "x", 1);
    end_expect_error(&e, 1047);
    end_command(&e, COM_STMT_FETCH, "\0\0\0\0\0\0\0\0", 8);
    end_expect_error(&e, 1421);
    assert_int_equal(seen.n, 4);
    end_command(&e, COM_QUIT, "", 0);
    end_expect_closed(&e);
    end_close(&e);
    console_done(&f);
}

/* --- what is wrong or too much ---------------------------------------------------------------- */

TEST(console_malformed_packets_close_their_client_only)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint16_t number;
    } rows[] = {
        {"\x01\0\0\x01\x0e", 5, 1156},       /* a command does not begin with 1 */
        {"\xff\xff\xff\0\x03", 5, 1153},     /* as long as no statement is */
        {"\0\0\0\0", 4, 1835},               /* not even a command byte */
        {"\x02\0\0\0\x0c\x01", 6, 1835},     /* KILL without an id */
        {"\x03\0\0\0\x11xy", 7, 1835},       /* COM_CHANGE_USER that ends too early */
        {"\x03\0\0\0\x17\x01\x02", 7, 1835}, /* COM_STMT_EXECUTE without an id */
    };
    struct console_fix f;
    struct console_end other;

    console_make(&f, "");
    end_open(&f, &other);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct console_end e;

        end_open(&f, &e);
        end_send(&e, rows[i].bytes, rows[i].len);
        end_expect_error(&e, rows[i].number);
        end_expect_closed(&e);
        end_close(&e);
    }
    end_query(&other, "SELECT 1");
    end_expect_ok(&other);
    end_close(&other);
    console_done(&f);
}

TEST(console_random_bytes_do_no_harm)
{
    struct console_fix f;
    uint64_t random = 4711;

    console_make(&f, "");
    for (unsigned round = 0; round < 300; round++) {
        struct console_end e;
        uint8_t bytes[64];

        end_connect(&f, &e);
        end_greeting(&e);
        if (round % 4 != 0) {
            end_login(&e, "admin", "admin", CAP_MULTI_STATEMENTS);
            end_expect_ok(&e);
        }
        for (unsigned i = 0; i < 8; i++) {
            size_t n = test_random(&random) % 40;

            for (size_t k = 0; k < sizeof(bytes); k++) {
                bytes[k] = (uint8_t)(test_random(&random) >> 8);
            }
            packet_write_header(bytes, (uint32_t)n, round % 4 != 0 ? 0 : 1);
            bytes[4] = (uint8_t)(test_random(&random) % 0x20);
            end_send(&e, bytes, PACKET_HEADER + n);
        }
        end_close(&e);
        seen.n = MIN(seen.n, (size_t)SEEN_MAX - 64);
    }
    console_done(&f);
}

TEST(console_has_a_limit_of_clients)
{
    static struct console_end ends[CONSOLE_CLIENTS_MAX];
    struct console_fix f;
    struct console_end more;

    console_make(&f, "");
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        end_open(&f, &ends[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        end_connect(&f, &more);
        end_expect_error(&more, 1040);
        end_expect_closed(&more);
        end_close(&more);
    }
    end_close(&ends[50]);
    end_open(&f, &ends[50]);
    assert_int_equal(f.core.n_served, CONSOLE_CLIENTS_MAX);
    assert_true(ends[50].thread_id != ends[49].thread_id);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        end_close(&ends[i]);
    }
    console_done(&f);
}

TEST(console_closes_who_is_silent)
{
    struct console_fix f;
    struct console_end login, idle, busy;
    struct console_client *c[3];
    size_t n = 0;

    console_make(&f, "");
    end_connect(&f, &login);
    end_greeting(&login);
    end_open(&f, &idle);
    end_open(&f, &busy);
    LIST_FOREACH (it, &f.core.clients) {
        c[n++] = CONTAINER_OF(it, struct console_client, in_core);
    }
    assert_int_equal(n, 3);
    console_core_tick(&f.core);
    (void)uv_run(&f.loop, UV_RUN_NOWAIT);
    assert_int_equal(f.core.n_served, 3);
    c[0]->since_ms -= (uint64_t)console_vars(&f.core)->mysql_connect_timeout_client + 1000;
    c[1]->since_ms -= (uint64_t)console_vars(&f.core)->mysql_wait_timeout + 1000;
    console_core_tick(&f.core);
    end_expect_closed(&login);
    end_expect_closed(&idle);
    end_query(&busy, "SELECT 1");
    end_expect_ok(&busy);
    end_close(&login);
    end_close(&idle);
    end_close(&busy);
    console_done(&f);
}

/* wait_timeout is for who does not read at all, not for who reads a long answer slowly. */
TEST(console_keeps_who_reads_slowly)
{
    struct console_fix f;
    struct console_end e;
    struct console_client *c;
    uint64_t long_ago;

    console_make(&f, "");
    end_open(&f, &e);
    c = CONTAINER_OF(f.core.clients.head.next, struct console_client, in_core);
    end_query(&e, "ROWS 20000 1000");
    while (c->state != CONSOLE_ANSWERING) {
        (void)uv_run(&f.loop, UV_RUN_ONCE);
    }
    long_ago = c->since_ms - (uint64_t)console_vars(&f.core)->mysql_wait_timeout - 1000;
    c->since_ms = long_ago;
    while (c->since_ms == long_ago) {
        assert_non_null(end_packet(&e).data);
    }
    console_core_tick(&f.core);
    assert_int_equal(c->state, CONSOLE_ANSWERING);
    c->since_ms = long_ago;
    console_core_tick(&f.core);
    assert_int_equal(c->state, CONSOLE_CLOSING);
    end_close(&e);
    console_done(&f);
}
