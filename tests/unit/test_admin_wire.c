/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin_wire.c - answers as packets, read back by the relay's own follower; statements taken
 * apart; values of parameters as SQL.
 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/wire.h"
#include "admin/wire_sql.h"
#include "base/err.h"
#include "base/mem.h"
#include "conf/credential.h"
#include "protocol/caps.h"
#include "protocol/follow.h"
#include "protocol/packet.h"
#include "protocol/reply.h"
#include "tests/unit/cuts.h"

/* --- answers ---------------------------------------------------------------------------------- */

/* All of an answer, made with a buffer of this size where a piece fits in it. malloc'ed. */
static uint8_t *whole(struct wire *w, size_t buffer, size_t *len)
{
    uint8_t *all = NULL;
    size_t need;

    *len = 0;
    while ((need = wire_need(w)) > 0) {
        size_t cap = MAX(need, buffer);
        struct writer out = writer_of(malloc(cap), cap);

        assert_non_null(out.base);
        wire_fill(w, &out);
        assert_true(out.len > 0 && out.len <= cap);
        all = realloc(all, *len + out.len + 1);
        assert_non_null(all);
        memcpy(all + *len, out.base, out.len);
        *len += out.len;
        free(out.base);
    }
    return all;
}

static void check_followed(uint8_t *bytes, size_t len, enum follow_kind kind, uint64_t caps)
{
    struct follow f;
    size_t used = 0, packet = 0;

    follow_begin(&f, kind, (caps & CAP_DEPRECATE_EOF) != 0);
    assert_int_equal(follow_feed(&f, bytes, len, &used, &packet), FOLLOW_DONE);
    assert_int_equal(used, len);
}

static void make_rows(struct reply *r, size_t n_columns, size_t n_rows, size_t value)
{
    char *text = malloc(value + 1);
    const char **names = malloc(n_columns * sizeof(*names));

    assert_non_null(text);
    assert_non_null(names);
    memset(text, 'v', value);
    *r = (struct reply){.kind = REPLY_OK};
    for (size_t i = 0; i < n_columns; i++) {
        names[i] = "name";
    }
    reply_columns(r, n_columns, names);
    for (size_t i = 0; i < n_rows * n_columns; i++) {
        if (i % 3 == 1) {
            reply_text(r, NULL);
        } else {
            reply_value(r, (struct slice){text, value});
        }
    }
    free(names);
    free(text);
}

TEST(wire_ok_and_errors_are_one_packet)
{
    struct reply r = {.kind = REPLY_OK};
    struct wire w;
    struct ok ok;
    struct err err;
    uint8_t *bytes;
    size_t len;

    reply_info(&r, 7, "%s", "a text");
    r.warnings = 2;
    wire_init(&w, &r, WIRE_TEXT, STATUS_AUTOCOMMIT, 1);
    bytes = whole(&w, 0, &len);
    assert_int_equal(ok_decode(&ok, false, bytes + 4, len - 4), 0);
    assert_int_equal(ok.affected, 7);
    assert_int_equal(ok.warnings, 2);
    assert_int_equal(ok.status, STATUS_AUTOCOMMIT);
    assert_slice_equal(ok.message, "a text");
    wire_fini(&w);
    free(bytes);

    reply_error(&r, 1146, "42S02", "no %d", 5);
    wire_init(&w, &r, WIRE_BINARY, 0, 9);
    bytes = whole(&w, 0, &len);
    assert_int_equal(packet_sequence(bytes), 9);
    assert_int_equal(err_decode(&err, bytes + 4, len - 4), 0);
    assert_int_equal(err.number, 1146);
    assert_string_equal(err.sqlstate, "42S02");
    assert_slice_equal(err.message, "no 5");
    wire_fini(&w);
    free(bytes);
    assert_int_equal(mem_blocks(MEM_ADMIN), 0);
}

TEST(wire_rows_of_any_buffer_are_the_same_bytes)
{
    static const size_t buffers[] = {0, 100, 1000, WIRE_BUFFER_BYTES};
    uint8_t *first = NULL;
    size_t first_len = 0;

    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++) {
        struct reply r;
        struct wire w;
        uint8_t *bytes;
        size_t len;

        make_rows(&r, 10, 50, 300);
        wire_init(&w, &r, WIRE_TEXT, STATUS_AUTOCOMMIT | STATUS_MORE_RESULTS, 1);
        bytes = whole(&w, buffers[i], &len);
        assert_int_equal(bytes[len - 2], STATUS_AUTOCOMMIT | STATUS_MORE_RESULTS);
        bytes[len - 2] = STATUS_AUTOCOMMIT; /* the last of them, for the follower */
        check_followed(bytes, len, FOLLOW_RESULT, 0);
        if (first == NULL) {
            first = bytes;
            first_len = len;
        } else {
            assert_int_equal(len, first_len);
            assert_memory_equal(bytes, first, len);
            free(bytes);
        }
        wire_fini(&w);
    }
    free(first);
    assert_int_equal(mem_blocks(MEM_ADMIN), 0);
}

TEST(wire_binary_rows_mark_their_nulls)
{
    /* count, two columns, EOF before; 00, nulls from bit 2 on, "vv" */
    static const uint8_t row[] = {5, 0, 0, 5, 0, 1u << 3, 2, 'v', 'v'};
    struct reply r;
    struct wire w;
    uint8_t *bytes;
    size_t len, at = 0;

    make_rows(&r, 2, 1, 2);
    wire_init(&w, &r, WIRE_BINARY, 0, 1);
    bytes = whole(&w, 0, &len);
    check_followed(bytes, len, FOLLOW_RESULT, 0);
    for (unsigned i = 0; i < 4; i++) {
        at += PACKET_HEADER + packet_length(bytes + at);
    }
    assert_memory_equal(bytes + at, row, sizeof(row));
    wire_fini(&w);
    free(bytes);
}

TEST(wire_long_rows_are_split)
{
    static const size_t sizes[] = {PACKET_MAX - 5, PACKET_MAX - 4, PACKET_MAX, 2 * PACKET_MAX - 9};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct reply r;
        struct wire w;
        uint8_t *bytes;
        size_t len, row = 0, at = 0, left;

        make_rows(&r, 1, 1, sizes[i]);
        wire_init(&w, &r, WIRE_TEXT, 0, 1);
        bytes = whole(&w, 0, &len);
        check_followed(bytes, len, FOLLOW_RESULT, 0);
        for (unsigned n = 0; n < 3; n++) { /* count, column, EOF */
            at += PACKET_HEADER + packet_length(bytes + at);
        }
        do { /* the parts of the row: what is in them is all there */
            left = packet_length(bytes + at);
            row += left;
            assert_true(left == 0 || bytes[at + PACKET_HEADER + left - 1] == 'v');
            at += PACKET_HEADER + left;
        } while (left == PACKET_MAX);
        assert_int_equal(row, sizes[i] + (sizes[i] < 0x1000000 ? 4 : 9));
        wire_fini(&w);
        free(bytes);
    }
}

TEST(wire_field_list_has_no_rows)
{
    struct reply r;
    struct wire w;
    uint8_t *bytes;
    size_t len;

    make_rows(&r, 3, 4, 10);
    wire_init(&w, &r, WIRE_FIELDS, 0, 1);
    bytes = whole(&w, 0, &len);
    check_followed(bytes, len, FOLLOW_FIELD_LIST, 0);
    wire_fini(&w);
    free(bytes);
}

TEST(wire_with_deprecate_eof)
{
    static const enum wire_form forms[] = {WIRE_TEXT, WIRE_BINARY, WIRE_FIELDS};

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        for (size_t n_rows = 0; n_rows < 3; n_rows++) {
            struct reply r;
            struct wire w;
            uint8_t *bytes;
            size_t len;

            make_rows(&r, 3, n_rows, 10);
            r.warnings = 5;
            wire_init(&w, &r, forms[i], STATUS_AUTOCOMMIT, 1);
            w.caps = CAP_DEPRECATE_EOF;
            bytes = whole(&w, 0, &len);
            check_followed(bytes, len, forms[i] == WIRE_FIELDS ? FOLLOW_FIELD_LIST : FOLLOW_RESULT,
                           CAP_DEPRECATE_EOF);
            assert_memory_equal(bytes + len - 7, "\xfe\x00\x00\x02\x00\x05\x00", 7);
            wire_fini(&w);
            free(bytes);
        }
    }
}

TEST(wire_odd_replies)
{
    struct reply r = {.kind = REPLY_ROWS};
    struct wire w;
    uint8_t *bytes;
    size_t len;
    char *name = malloc(5000);
    const char *names[1] = {name};

    wire_init(&w, &r, WIRE_TEXT, 0, 1); /* rows without columns: OK */
    bytes = whole(&w, 0, &len);
    assert_int_equal(bytes[4], 0);
    wire_fini(&w);
    free(bytes);

    reply_columns(&r, 1, (const char *const[]){"a"});
    r.too_large = true;
    wire_init(&w, &r, WIRE_TEXT, 0, 1);
    bytes = whole(&w, 0, &len);
    assert_int_equal(bytes[4], 0xff);
    wire_fini(&w);
    free(bytes);

    assert_non_null(name); /* a name as long as an expression, in characters of two bytes */
    for (size_t i = 0; i < 4998; i += 2) {
        memcpy(name + i + 1, "\xc3\xa9", 2);
    }
    name[0] = 'x';
    name[4999] = '\0';
    reply_columns(&r, 1, names);
    wire_init(&w, &r, WIRE_TEXT, 0, 1);
    bytes = whole(&w, 0, &len);
    assert_int_equal(packet_length(bytes + 5), 4 + 1 + 1 + 1 + 3 + 1023 + 1 + 13);
    wire_fini(&w);
    free(bytes);
    free(name);
    assert_int_equal(mem_blocks(MEM_ADMIN), 0);
}

/* --- statements ------------------------------------------------------------------------------- */

static void check_split(const char *text, size_t n, const char *const want[])
{
    struct slice rest = slice_of(text), sql;
    size_t i = 0;

    while ((sql = sql_next(&rest)).len > 0) {
        if (i >= n) {
            fail_msg("a statement too many: %.*s", SLICE_ARGS(sql));
            return;
        }
        assert_slice_equal(sql, want[i]);
        i++;
    }
    assert_int_equal(i, n);
    assert_int_equal(rest.len, 0);
}

#define SPLIT(text, ...)                                                \
    check_split(text, ARRAY_SIZE(((const char *const[]){__VA_ARGS__})), \
                (const char *const[]){__VA_ARGS__})

TEST(sql_statements_are_split)
{
    SPLIT("SELECT 1", "SELECT 1");
    SPLIT(" SELECT 1 ; ", "SELECT 1");
    SPLIT("a;b;;c;", "a", "b", "c");
    SPLIT("a ';' b; c", "a ';' b", "c");
    SPLIT("a 'it''s; x' ; c", "a 'it''s; x'", "c");
    SPLIT("a '\\'; c", "a '\\'", "c"); /* a backslash is a character */
    SPLIT("a \";\" `;` ; b", "a \";\" `;`", "b");
    SPLIT("-- x; y\na; # z; z\n b -- end", "a", "b");
    SPLIT("a /* ; */ b; /* only; this */; c", "a /* ; */ b", "c");
    SPLIT("/*!40101 SET NAMES utf8 */;", "/*!40101 SET NAMES utf8 */");
    SPLIT("a 'not ended; b", "a 'not ended; b");
    SPLIT("a /* not ended; b", "a");
    check_split("", 0, NULL);
    check_split(" ; ;; -- nothing", 0, NULL);
    check_split("/* nothing */", 0, NULL);
}

TEST(sql_splits_every_cut_inside_its_text)
{
    static const char text[] = "a 'b''c;' ; \"d\" -- e;\n f # g\n; /* h; */ /*! i */ `j;` ? ; --";

    for (size_t len = 0; len < sizeof(text); len++) {
        uint8_t *copy = malloc(len + 1);
        struct slice rest, sql;
        unsigned n = 0;

        assert_non_null(copy);
        memcpy(copy, text, len);
        rest = (struct slice){(const char *)copy, len};
        while ((sql = sql_next(&rest)).len > 0) {
            cuts_assert_inside(sql, copy, len);
            (void)sql_params(sql);
            assert_true(++n < 5);
        }
        free(copy);
    }
}

/* --- parameters ------------------------------------------------------------------------------- */

TEST(sql_params_are_counted_outside_quotes)
{
    assert_int_equal(sql_params(SLICE("SELECT ?, '?', \"?\", `?`, ? -- ?\n, /* ? */ ?")), 3);
    assert_int_equal(sql_params(SLICE("SELECT 1")), 0);
    assert_int_equal(sql_params((struct slice){NULL, 0}), 0);
}

struct value {
    uint16_t type;
    const char *bytes;
    size_t len;
    const char *sql;
};

#define VALUE(type, bytes, sql)                   \
    {                                             \
        (type), (bytes), sizeof(bytes) - 1, (sql) \
    }

static const struct value values[] = {
    VALUE(1, "\xff", "-1"),
    VALUE(1 | SQL_UNSIGNED, "\xff", "255"),
    VALUE(2, "\x00\x80", "-32768"),
    VALUE(13, "\xe8\x07", "2024"),
    VALUE(3, "\x01\x00\x00\x00", "1"),
    VALUE(9, "\xff\xff\xff\xff", "-1"),
    VALUE(8, "\x00\x00\x00\x00\x00\x00\x00\x80", "-9223372036854775808"),
    VALUE(8 | SQL_UNSIGNED, "\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
    VALUE(5, "\x00\x00\x00\x00\x00\x00\x24\x40", "10"),
    VALUE(5, "\x00\x00\x00\x00\x00\x00\xf8\x3f", "1.5"),
    VALUE(5, "\x00\x00\x00\x00\x00\x00\xf0\x7f", "9e999"),
    VALUE(5, "\x00\x00\x00\x00\x00\x00\xf0\xff", "-9e999"),
    VALUE(5, "\x01\x00\x00\x00\x00\x00\xf0\x7f", "NULL"),
    VALUE(4, "\x00\x00\x20\xc1", "-10"),
    VALUE(6, "", "NULL"),
    VALUE(253, "\x00", "''"),
    VALUE(253, "\x05it's;", "'it''s;'"),
    VALUE(15, "\x02\\'", "'\\'''"),
    VALUE(252,
          "\x03"
          "a\0b",
          "CAST(x'610062' AS TEXT)"),
    VALUE(246,
          "\x04"
          "3.14",
          "'3.14'"),
    VALUE(10, "\x04\xe8\x07\x02\x1d", "'2024-02-29'"),
    VALUE(12, "\x07\xe8\x07\x02\x1d\x0c\x22\x38", "'2024-02-29 12:34:56'"),
    VALUE(7, "\x0b\xe8\x07\x02\x1d\x0c\x22\x38\x40\xe2\x01\x00", "'2024-02-29 12:34:56.123456'"),
    VALUE(12, "\x00", "'0000-00-00 00:00:00'"),
    VALUE(11, "\x08\x01\x01\x00\x00\x00\x01\x02\x03", "'-25:02:03'"),
    VALUE(11, "\x0c\x00\x00\x00\x00\x00\x01\x02\x03\x05\x00\x00\x00", "'01:02:03.000005'"),
    VALUE(11, "\x00", "'00:00:00'"),
};

TEST(sql_values_are_literals)
{
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct reader r = reader_of(values[i].bytes, values[i].len);
        struct sql_param p = {.type = values[i].type};
        char *text = NULL, want[128];
        size_t len = 0;

        assert_int_equal(sql_param_read(&p, &r), 0);
        assert_int_equal(reader_left(&r), 0);
        assert_int_equal(sql_bind(&text, &len, SLICE("x ? y"), &p, 1000), 0);
        (void)snprintf(want, sizeof(want), "x  %s  y", values[i].sql);
        assert_slice_equal((struct slice){text, len}, want);
        mem_free(MEM_ADMIN, text);
    }
}

TEST(sql_values_that_are_cut_are_refused)
{
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        for (size_t len = 0; len < values[i].len; len++) {
            uint8_t *copy = malloc(len + 1);
            struct reader r = reader_of(copy, len);
            struct sql_param p = {.type = values[i].type};

            assert_non_null(copy);
            memcpy(copy, values[i].bytes, len);
            assert_int_equal(sql_param_read(&p, &r), ERR_MALFORMED);
            free(copy);
        }
    }
    for (unsigned type = 17; type < 245; type++) {
        struct reader r = reader_of("\x01x", 2);
        struct sql_param p = {.type = (uint16_t)type};

        assert_int_equal(sql_param_read(&p, &r), ERR_MALFORMED);
    }
}

TEST(sql_bind_has_a_limit_and_survives_no_memory)
{
    struct sql_param p = {.type = 253, .bytes = SLICE("1234567890")};
    char *text = NULL;
    size_t len = 0;

    assert_int_equal(sql_bind(&text, &len, SLICE("a ?"), &p, 15), ERR_PACKET_TOO_LARGE);
    assert_int_equal(sql_bind(&text, &len, SLICE("a ?"), &p, 16), 0);
    assert_int_equal(len, 16);
    mem_free(MEM_ADMIN, text);
    mem_fail_at(1);
    assert_int_equal(sql_bind(&text, &len, SLICE("a ?"), &p, 16), ERR_MEMORY);
    mem_fail_at(0);
    assert_int_equal(mem_blocks(MEM_ADMIN), 0);
}

/* --- credentials ------------------------------------------------------------------------------ */

TEST(credentials_are_found_by_user)
{
    struct slice list = SLICE("admin:admin; dba:a:b ;;bad;:x;radmin:");
    struct credential c;
    unsigned good = 0, bad = 0;
    int rc;

    assert_true(credential_find(list, SLICE("dba"), &c));
    assert_slice_equal(c.password, "a:b");
    assert_true(credential_find(list, SLICE("radmin"), &c));
    assert_int_equal(c.password.len, 0);
    assert_false(credential_find(list, SLICE("bad"), &c));
    assert_false(credential_find(list, (struct slice){NULL, 0}, &c));
    while ((rc = credential_next(&list, &c)) != 0) {
        good += rc > 0;
        bad += rc < 0;
    }
    assert_int_equal(good, 3);
    assert_int_equal(bad, 2);
}
