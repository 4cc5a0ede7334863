/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin_stmt.c - prepared statements of the console: what the store is told to run, limits, no
 * memory.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/stmt.h"
#include "tests/unit/console_ends.h"

/* Prepares; gives the id. */
static uint32_t prepare(struct console_end *e, const char *sql, uint16_t n_params)
{
    struct prepare_ok ok;
    struct slice p;

    end_command(e, COM_STMT_PREPARE, sql, strlen(sql));
    p = end_packet(e);
    assert_int_equal(prepare_ok_decode(&ok, (const uint8_t *)p.data, p.len), 0);
    assert_int_equal(ok.n_params, n_params);
    assert_int_equal(ok.n_columns, 0);
    for (unsigned i = 0; i < n_params; i++) {
        struct column column;

        p = end_packet(e);
        assert_int_equal(column_decode(&column, 0, (const uint8_t *)p.data, p.len), 0);
    }
    if (n_params > 0) {
        assert_int_equal((uint8_t)end_packet(e).data[0], 0xfe);
    }
    return ok.stmt_id;
}

/* id, no cursor, once, and what stands behind. */
static void execute(struct console_end *e, uint32_t id, const void *rest, size_t len)
{
    uint8_t bytes[256];
    struct writer w = writer_of(bytes, sizeof(bytes));

    put_u32(&w, id);
    put_u8(&w, 0);
    put_u32(&w, 1);
    put_bytes(&w, rest, len);
    assert_false(w.failed);
    end_command(e, COM_STMT_EXECUTE, bytes, w.len);
}

static void long_data(struct console_end *e, uint32_t id, uint16_t param, const void *data,
                      size_t len)
{
    uint8_t *bytes = malloc(len + 6);
    struct writer w = writer_of(bytes, len + 6);

    assert_non_null(bytes);
    put_u32(&w, id);
    put_u16(&w, param);
    put_bytes(&w, data, len);
    end_command(e, COM_STMT_SEND_LONG_DATA, bytes, w.len);
    free(bytes);
}

TEST(console_stmt_runs_with_its_values)
{
    struct console_fix f;
    struct console_end e;
    uint32_t id, other;

    console_make(&f, "");
    end_open(&f, &e);
    id = prepare(&e, "SELECT ?, '?', ? ;", 2);
    other = prepare(&e, "ROWS 2 3", 0);
    assert_true(id != other && id != 0);
    /* no NULLs, types follow: tiny, string */
    execute(&e, id, "\0\1\x01\0\xfd\0\x07\x02it", 10);
    end_expect_ok(&e);
    /* the types of before, the second is NULL */
    execute(&e, id, "\2\0\x08", 3);
    end_expect_ok(&e);
    assert_string_equal(seen_sql(0), "SELECT  7 , '?',  'it' ");
    assert_string_equal(seen_sql(1), "SELECT  8 , '?',  NULL ");

    execute(&e, STMT_ID_LAST, "", 0);
    assert_int_equal(end_packet(&e).data[0], 2); /* columns */
    for (unsigned i = 0; i < 3; i++) {
        (void)end_packet(&e);
    }
    for (unsigned i = 0; i < 2; i++) {
        struct slice p = end_packet(&e);

        assert_int_equal(p.len, 6);
        assert_memory_equal(p.data, "\0\x08\x03xxx", 6);
    }
    assert_int_equal((uint8_t)end_packet(&e).data[0], 0xfe);
    end_close(&e);
    console_done(&f);
}

TEST(console_stmt_takes_long_data)
{
    struct console_fix f;
    struct console_end e;
    uint32_t id;

    console_make(&f, "");
    end_open(&f, &e);
    id = prepare(&e, "INSERT ?, ?", 2);
    long_data(&e, id, 1, "it'", 3);
    long_data(&e, id, 1, "s", 1);
    execute(&e, id, "\0\1\x01\0\xfc\0\x07", 7);
    end_expect_ok(&e);
    assert_string_equal(seen_sql(0), "INSERT  7 ,  'it''s' ");
    execute(&e, id, "\0\0\x07\x01x", 5); /* it counts for one execution only */
    end_expect_ok(&e);
    assert_string_equal(seen_sql(1), "INSERT  7 ,  'x' ");

    long_data(&e, id, 1, "", 0); /* an empty value is one */
    execute(&e, id, "\0\0\x07", 3);
    end_expect_ok(&e);
    assert_string_equal(seen_sql(2), "INSERT  7 ,  '' ");

    long_data(&e, id, 2, "x", 1); /* there is no third: told at the execution */
    execute(&e, id, "\0\0\x07\x01x", 5);
    end_expect_error(&e, 1835);
    long_data(&e, id, 1, "x", 1);
    end_command(&e, COM_STMT_RESET, &id, sizeof(id));
    end_expect_ok(&e);
    execute(&e, id, "\0\0\x07\x01y", 5);
    end_expect_ok(&e);
    assert_string_equal(seen_sql(3), "INSERT  7 ,  'y' ");
    long_data(&e, 999, 0, "x", 1); /* no such statement: no answer, no harm */
    long_data(&e, id, 0, "x", 1);
    end_close(&e);
    console_done(&f);
}

TEST(console_stmt_limits)
{
    const size_t large = (size_t)12 << 20;
    struct console_fix f;
    struct console_end e;
    uint32_t id = 0, first;
    char *bytes = malloc(large);

    assert_non_null(bytes);
    memset(bytes, ' ', large);
    (void)snprintf(bytes, 9, "SELECT '");
    bytes[8] = ' ';
    bytes[large - 1] = '\'';
    console_make(&f, "");
    end_open(&f, &e);
    first = prepare(&e, "SELECT ?", 1);
    for (unsigned i = 1; i < CONSOLE_STMTS_MAX; i++) {
        id = prepare(&e, "SELECT 1", 0);
    }
    end_command(&e, COM_STMT_PREPARE, "SELECT 1", 8);
    end_expect_error(&e, 1461);
    end_command(&e, COM_STMT_CLOSE, &id, sizeof(id));
    execute(&e, id, "", 0);
    end_expect_error(&e, 1243);
    end_command(&e, COM_STMT_RESET, &id, sizeof(id));
    end_expect_error(&e, 1243);
    (void)prepare(&e, "SELECT 1", 0);
    end_command(&e, COM_RESET_CONNECTION, "", 0);
    end_expect_ok(&e);
    execute(&e, first, "", 0);
    end_expect_error(&e, 1243);

    first = prepare(&e, "SELECT ?", 1); /* bytes: two texts fit, or one and what is sent ahead */
    end_command(&e, COM_STMT_PREPARE, bytes, large);
    (void)end_packet(&e);
    long_data(&e, first, 0, bytes, large);
    long_data(&e, first, 0, bytes, large);
    end_command(&e, COM_STMT_PREPARE, bytes, large);
    end_expect_error(&e, 1041);
    execute(&e, first, "\0\1\xfc\0", 4);
    end_expect_error(&e, 1153);
    end_command(&e, COM_STMT_PREPARE, bytes, large);
    assert_int_equal(end_packet(&e).data[0], 0);
    end_close(&e);
    console_done(&f);
    free(bytes);
}

TEST(console_stmt_refuses)
{
    struct console_fix f;
    struct console_end e;
    uint32_t id;

    console_make(&f, "");
    end_open(&f, &e);
    end_command(&e, COM_STMT_PREPARE, " ; ", 3);
    end_expect_error(&e, 1065);
    end_command(&e, COM_STMT_PREPARE, "a; b", 4);
    end_expect_error(&e, 1064);
    id = prepare(&e, "FAIL", 0);
    execute(&e, id, "", 0);
    end_expect_error(&e, 1146);
    id = prepare(&e, "SELECT ?", 1);
    execute(&e, id, "\0\0\x07", 3); /* no types yet */
    end_expect_error(&e, 1835);
    end_expect_closed(&e);
    end_close(&e);
    assert_int_equal(seen.n, 1);
    console_done(&f);
}

/*
 * Every allocation that may fail does, once: the client gets an error or is closed, and nothing is
 * lost.
 */
TEST(console_survives_no_memory)
{
    for (unsigned n = 1; n < 40; n++) {
        struct console_fix f;
        struct console_end e;

        console_make(&f, "");
        end_open(&f, &e);
        mem_fail_at(n);
        end_query(&e, "ROWS 3 100000; SELECT 2");
        end_command(&e, COM_STMT_PREPARE, "SELECT ?", 8);
        long_data(&e, 1, 0, "x", 1);
        execute(&e, 1, "\0\1\xfc\0", 4);
        end_command(&e, COM_PING, "", 0);
        while (!e.is_closed && f.core.questions < 5) {
            (void)end_packet(&e);
        }
        mem_fail_at(0);
        end_close(&e);
        console_done(&f);
    }
}
